from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distinctad.errors import UserError
from distinctad.intervals import GapRules, even_intervals, parse_intervals, read_intervals, speech_gaps
from distinctad.subtitles import Speech

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def times(intervals: list) -> list[tuple[float, float]]:
    return [(interval.start_s, interval.end_s) for interval in intervals]


def test_gaps_by_hand() -> None:
    speech = [Speech(2.0, 3.0), Speech(4.1, 5.0), Speech(6.2, 7.0), Speech(21.0, 22.0)]
    # leading 0-2 (guard on its right only); 3-4.1 is under 1.2; 5-6.2 is just 1.2; 7-21 less guards is 13.7: 3 parts;
    # trailing 22-30 (guard on its left only) is 7.85: 2 parts
    assert times(speech_gaps(speech, 30.0)) == [
        (0.0, 1.85), (5.15, 6.05), (7.15, 11.716), (11.716, 16.283), (16.283, 20.85), (22.15, 26.075), (26.075, 30.0),
    ]  # fmt: skip


def test_overlapping_lines_leave_no_gap_between_them() -> None:
    speech = [Speech(1.0, 9.0), Speech(2.0, 3.0), Speech(8.0, 9.5)]
    assert times(speech_gaps(speech, 10.5, GapRules(min_gap_s=0.9))) == [(0.0, 0.85), (9.65, 10.5)]


def test_lines_past_the_end_do_not_matter() -> None:
    assert times(speech_gaps([Speech(50.0, 51.0)], 5.0)) == [(0.0, 5.0)]
    assert times(speech_gaps([Speech(0.0, 51.0)], 5.0)) == []


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 60), st.floats(0, 8)), max_size=12),
    st.floats(0.5, 70),
    st.floats(0.3, 4),
    st.floats(0, 0.14),
    st.floats(0.5, 9),
)
def test_gaps_hold_no_speech_and_miss_none(
    lines: list[tuple[float, float]], duration_s: float, min_gap_s: float, guard_s: float, max_length_s: float
) -> None:
    speech = [Speech(start_s, start_s + length_s) for start_s, length_s in lines]
    found = speech_gaps(speech, duration_s, GapRules(min_gap_s, guard_s, max_length_s))
    for interval in found:
        assert 0 <= interval.start_s < interval.end_s <= duration_s + 1e-6
        assert interval.end_s - interval.start_s <= max_length_s + 0.002
        for line in speech:
            assert line.end_s + guard_s <= interval.start_s + 1e-6 or line.start_s - guard_s >= interval.end_s - 1e-6
    for a, b in zip(found, found[1:], strict=False):
        assert a.end_s <= b.start_s
    free_ms = [t for t in range(0, int(duration_s * 1000), 50) if all(abs_free(t / 1000, s, min_gap_s) for s in speech)]
    for t in free_ms:  # a moment with a whole shortest gap free on both sides lies in an interval
        if min_gap_s <= t / 1000 <= duration_s - min_gap_s:
            assert any(i.start_s - 0.002 <= t / 1000 <= i.end_s + 0.002 for i in found)


def abs_free(time_s: float, line: Speech, margin_s: float) -> bool:
    return time_s <= line.start_s - margin_s or time_s >= line.end_s + margin_s


@pytest.mark.parametrize(("duration_s", "count"), [(5.28, 1), (12.0, 3), (0.2, 1), (90.0, 22)])
def test_even_intervals_cover_the_film(duration_s: float, count: int) -> None:
    found = even_intervals(duration_s)
    assert len(found) == count
    assert found[0].start_s == 0.0 and found[-1].end_s == pytest.approx(duration_s, abs=1e-3)
    assert all(a.end_s == b.start_s for a, b in zip(found, found[1:], strict=False))


def parse(text: str, **options: object) -> tuple[list, list[str]]:
    return parse_intervals(text, "i.csv", 30.0, "film_7.mp4", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "start,end\n1,2.5\n4,5\n",
        'text, START ,end,characters\n"He, runs.",1,2.5,Mara\nx,4,5,\n',
        "start,end\n1,2.5,,\n4,5, \n",
        "start;end\n1,0;2,5\n4;5\n",
        "start\tend\n0:00:01\t0:02.5\n\n0:00:04.0\t00:00:05\n",
        "index,start_s,end_s\n0,1,2.5\n1,4,5\n",
        "\ufeffstart,end\n1,2.5\n4,5",
    ],
)
def test_only_start_and_end_are_read(text: str) -> None:
    found, warnings = parse(text)
    assert times(found) == [(1.0, 2.5), (4.0, 5.0)]
    assert warnings == []


def test_repairs_are_said() -> None:
    found, warnings = parse("start,end\n28,30.4\n-0.5,1\n10,11\n")
    assert [(i.start_s, i.end_s, i.line) for i in found] == [(0.0, 1.0, 3), (10.0, 11.0, 4), (28.0, 30.0, 2)]
    assert ["below zero" in warnings[0], "past the film's end" in warnings[1], "sorted" in warnings[2]] == [True] * 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start,end\n1,2\n5,4\n", "line 3: end 4 s is not after start 5"),
        ("start,end\n1,1\n", "line 2: end"),
        ("start,end\nnan,2\n", "line 2: start is 'nan', not a finite"),
        ("start,end\n1,inf\n", "line 2: end is 'inf', not a finite"),
        ("start,end\n1,soon\n", "line 2: end is 'soon', not a time"),
        ("start,end\n1\n", "line 2: end is '', not a time"),
        ("start,end\n0,5\n1,5,2,5\n", "line 3: 4 cells, the header 2"),
        ("start,end\n1,2\n40,41\n", "line 3: 40 to 41 s is outside the film of 30.000"),
        ("start,end\n29,30.6\n", "line 2: 29 to 30.6"),
        ("start,end\n-3,-1\n", "line 2: -3 to -1"),
        ("begin,stop\n1,2\n", "lack a start or an end column \\(columns: begin, stop\\)"),
        ("start,end\n", "a header and no row"),
        ("", "columns: none"),
        ("start,end\n1,3\n7,8\n2,4\n", "lines 2 and 4 overlap"),
        ("film,start,end\na,1,2\nb,3,4\n", "no row of the film 'film_7.mp4' but of a, b"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        parse(text)
    assert caught.value.fix


def test_overlaps_may_be_kept() -> None:
    found, warnings = parse("start,end\n1,3\n2,4\n", overlaps="keep")
    assert times(found) == [(1.0, 3.0), (2.0, 4.0)] and "1 overlap(s) kept" in warnings[0]


def test_rows_of_the_film_are_taken() -> None:
    text = "film,start,end\nfilm_7,1,2\nfilm_8,1.5,3\nfilms/film_7.mp4,4,5\n"
    assert times(parse(text)[0]) == [(1.0, 2.0), (4.0, 5.0)]
    assert times(parse(text, film_id="film_8")[0]) == [(1.5, 3.0)]
    found, warnings = parse("movie,start,end\nother,1,2\n")  # one film only: it must be this one
    assert times(found) == [(1.0, 2.0)] and "name the film 'other'" in warnings[0]
    with pytest.raises(UserError, match="'film_9' but of"):
        parse(text, film_id="film_9")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("table", ["NFC", "NFD"])
def test_letters_and_accents_apart_are_the_same_name(form: str, table: str) -> None:
    """macOS has taken file names apart."""
    text = unicodedata.normalize(table, "movie,start,end\nMüller,1,2\nother,4,5\n")
    film = unicodedata.normalize(form, "Müller.mp4")
    assert times(parse_intervals(text, "x.csv", 10.0, film)[0]) == [(1.0, 2.0)]
    assert times(parse(text, film_id=film)[0]) == [(1.0, 2.0)]


def test_cmdad_rows_of_a_clip_use_the_times_inside_it() -> None:
    text = "start,end,scaled_start,scaled_end,cmd_filename\n1395,1397,4.4,6.4,2014/film_7\n1400,1402,1,2,2014/other\n"
    found, warnings = parse(text)
    assert times(found) == [(4.4, 6.4)] and "scaled_start" in warnings[0]


def test_other_columns_change_nothing() -> None:
    one = "start,end,text,characters\n1,2,He runs.,Mara\n"
    assert parse(one) == parse(one.replace("He runs.", "She sings.").replace("Mara", "Jo"))


@pytest.mark.skipif(not DATA.is_dir(), reason="the public annotation files are not here")
@pytest.mark.parametrize(
    ("name", "film", "column", "keys"),
    [
        ("madeval_anno.csv", "1005_Signs.mp4", "movie", ("start", "end")),
        ("cmdad_anno.csv", "ewEreSjPyC4.mkv", "cmd_filename", ("scaled_start", "scaled_end")),
        ("tvad_anno.csv", "tt0583459.mkv", "imdbid_pe", ("start", "end")),
    ],
)
def test_public_layouts(name: str, film: str, column: str, keys: tuple[str, str]) -> None:
    found, _ = read_intervals(DATA / name, 9000.0, film, overlaps="keep")
    rows = csv.DictReader(io.StringIO((DATA / name).read_text(encoding="utf-8")))
    wanted = [row for row in rows if row[column].rsplit("/", 1)[-1] == Path(film).stem]
    assert times(found) == sorted((float(row[keys[0]]), float(row[keys[1]])) for row in wanted)
    assert len(found) > 3


@pytest.mark.parametrize("rules", [{"min_gap_s": 0}, {"guard_s": 0.6}, {"guard_s": -1}, {"max_length_s": float("nan")}])
def test_rules_that_leave_nothing_are_refused(rules: dict[str, float]) -> None:
    with pytest.raises(UserError):
        GapRules(**rules)


_cell = st.one_of(
    st.floats(-5, 40).map(str), st.text(max_size=8), st.sampled_from(["", "nan", "inf", "1e400", "0:00:05", "٣", "1,5"])
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["start", "end", "film", "cmd_filename", "scaled_start", "", "text"]), max_size=6),
    st.lists(st.lists(_cell, max_size=6), max_size=6),
    st.sampled_from(",;\t"),
)
def test_hostile_tables_are_parsed_or_refused(header: list[str], rows: list[list[str]], delimiter: str) -> None:
    text = "\n".join(delimiter.join(cells) for cells in [header, *rows])
    try:
        found, _ = parse(text)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert found and all(0 <= i.start_s < i.end_s <= 30.0 for i in found)
        assert all(a.end_s <= b.start_s + 1e-6 for a, b in zip(found, found[1:], strict=False))
