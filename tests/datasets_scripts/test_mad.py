from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from public_files import MAD, mad, real, table

from datasets_scripts.cells import interval, media_path, seconds
from datasets_scripts.checks import check_file, cross_check, kind_of
from datasets_scripts.mad import EXCLUDED, MADReader, read_hms
from datasets_scripts.repairs import RULES, Report, RowRefused

# rows of an invented file: what the row is, the rules that it must be found under
ODDITIES = [
    (mad(10, 12), set()),
    (mad(14, 16, "Two  blanks here."), {"blanks"}),
    (mad(20, 22, "where they wait."), {"lower_case"}),
    (mad(24, 26, "Daytime."), {"one_word"}),
    (mad(28, 30, 'He reads "now. ”.'), {"stray_quote"}),
    (mad(32, 34, "Ann runs."), set()),
    (mad(31, 33, "Ann stops."), {"out_of_order", "overlap"}),
    (mad(40, 44, "Bo waits."), set()),
    (mad(43, 45, "Bo sits."), {"overlap"}),
    (mad(43, 46, "Bo stands."), {"overlap", "equal_start"}),
    (mad(50, 52, "Bo stands."), {"duplicate_text"}),
    (mad(-1.5, 1, "Titles fade."), {"negative_start", "out_of_order", "overlap"}),
    (mad(62, 60, "Cy turns."), {"reversed"}),
    (mad(70, 70, "Cy nods."), {"no_interval"}),
    (mad(170, 70, "Cy nods twice."), {"no_interval"}),
    (mad(-5, -3, "Before all."), {"before_zero"}),
    (mad(598, 603, "The end."), {"beyond_end"}),
    (mad(601, 603, "After the end."), {"past_end"}),
    (mad(80, 82, "Di nods.", start="nan"), {"time_from_name", "out_of_order", "overlap"}),
    (mad(80, 82, "Di sings.", start=1e308, start_hms="", lsmdc_filename=""), {"not_a_number"}),
    (mad(84, 86, "Di turns.", end="inf", end_hms="x", lsmdc_filename="1_Film"), {"not_a_number"}),
    (mad(88, 90, "Di sits.", start="9" * 1000, lsmdc_filename=""), {"not_a_number"}),
    (mad(92, 94, "Di runs.", start=93), {"time_from_name"}),
    (mad(96, 98, "Di hops.", start=97, start_hms="00.01.38.000"), {"times_disagree"}),
    (mad(100, 102, "Di naps.", lsmdc_filename="2_Other_00.01.40.000-00.01.42.000"), {"film_disagrees"}),
    (mad(104, 106, ""), {"empty_text"}),
    (mad(108, 110, "x" * 3000), {"too_long"}),
    (mad(112, 114, "Bell\x07rings\u2028twice."), {"control_character"}),
    (mad(10, 12), {"duplicate_row"}),
    (mad(116, 118, "No film.", film=" "), {"no_id"}),
]  # fmt: skip


def test_every_oddity_is_found_and_counted(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", MAD, [row for row, _ in ODDITIES])
    reader = MADReader(path)
    report = reader.read_all()
    found: dict[int, set[str]] = {i: set() for i in range(len(ODDITIES))}
    for rule, findings in report.found.items():
        for row in findings.rows:
            found[row].add(rule)
    assert found == {i: rules for i, (_, rules) in enumerate(ODDITIES)}
    assert report.rows == len(ODDITIES) == sum(report.outcomes.values())
    refused = sum(any(RULES[r][0] == "refused" for r in rules) for _, rules in ODDITIES)
    assert report.outcomes["refused"] == refused and report.refused
    rows = list(reader)
    assert len(rows) == len(ODDITIES) - refused
    assert [r.start_s for r in rows] == sorted(r.start_s for r in rows) and [r.index for r in rows] == [
        *range(len(rows))
    ]
    by_row = {r.provenance.row: r for r in rows}
    assert by_row[11].start_s == 0.0 and (by_row[12].start_s, by_row[12].end_s) == (60, 62)
    assert by_row[16].end_s == 600 and by_row[18].start_s == 80 and by_row[22].start_s == 92
    assert by_row[1].text == "Two blanks here." and by_row[27].text == "Bell rings twice."


def test_file_order_is_kept_on_demand(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", MAD, [mad(9, 10, "A b."), mad(5, 6, "C d.")])
    assert [r.start_s for r in MADReader(path)] == [5, 9]
    reader = MADReader(path, order="file")
    assert [r.start_s for r in reader] == [9, 5]
    assert reader.report.outcomes == {"kept": 2, "repaired": 0, "refused": 0} and reader.report.count("file_order") == 1


def test_reading_again_counts_once(tmp_path: Path) -> None:
    reader = MADReader(table(tmp_path / "a.csv", MAD, [mad(5, 6), mad(8, 9)]))
    assert list(reader) == list(reader) and reader.read_all().rows == 2


def test_a_constant_offset_of_the_spelled_times_is_the_films_own(tmp_path: Path) -> None:
    rows = [mad(t + 0.2, t + 2.2, f"Step {t}.", start_hms=f"00.00.{t:02d}.000", end_hms=f"00.00.{t + 2:02d}.000",
                lsmdc_filename=f"1_Film_00.00.{t:02d}.000-00.00.{t + 2:02d}.000") for t in (10, 20, 30)]  # fmt: skip
    report = MADReader(table(tmp_path / "a.csv", MAD, rows)).read_all()
    assert report.outcomes["kept"] == 3 and report.facts["spelled_times_offset_s"] == {"1_Film": 0.2}


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", MAD, [mad(5, 6, "Noon @."), mad(8, 9, "Caf#."), mad(10, 11, "Café.")])
    path.write_bytes(path.read_bytes().replace(b"@", b"?\x80?").replace(b"#", b"\xe9"))
    reader = MADReader(path)
    assert [r.text for r in reader] == ["Noon \u201d.", "Café.", "Café."]
    assert list(reader.report.found["encoding"].rows) == [0, 1]


def test_lines_do_not_take_their_neighbours_along(tmp_path: Path) -> None:
    good = [mad(10 * i, 10 * i + 2, f"Step {i}.") for i in range(1, 6)]
    path = table(tmp_path / "a.csv", MAD, good)
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace("Step 2.", '"Step 2.')  # opens and never closes
    lines[4] += ",one more"
    path.write_text("\n".join(lines) + "\n1_Film,cut off")
    reader = MADReader(path)
    assert [r.provenance.row for r in reader] == [0, 2, 4]
    assert list(reader.report.found["quotes"].rows) == [1] and list(reader.report.found["ragged"].rows) == [3, 5]
    assert reader.report.rows == 6


def test_a_neighbour_that_needs_repair_is_a_row_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        b'movie,sentence,start,end\nf,"Open text\nf,Bad \x80 quote",1,2\nf,Third row here,3,4\n'
    )
    reader = MADReader(tmp_path / "a.csv")
    assert [(r.provenance.row, r.text) for r in reader] == [(1, 'Bad \u20ac quote"'), (2, "Third row here")]
    assert reader.report.outcomes == {"kept": 1, "repaired": 1, "refused": 1}


def test_a_row_counts_once_a_rule(tmp_path: Path) -> None:
    report = Report("a.csv")
    report.row("f", 3, [("blanks", "one"), ("encoding", "x"), ("blanks", "two")])
    report.row("f", 4, [("blanks", "three")])
    found = report.to_dict()["findings"]["blanks"]
    assert report.count("blanks") == found["count"] == 2 and found["rows"] == [3, 4]
    assert found["details"] == ["one; two", "three"]


def test_a_cell_over_two_lines_is_one_row(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", MAD, [mad(5, 6, "One\ntwo."), mad(8, 9, 'Say "hi" now.')])
    reader = MADReader(path)
    assert [r.text for r in reader] == ["One two.", 'Say "hi" now.'] and reader.report.count("line_break") == 1


def test_renamed_and_reordered_columns(tmp_path: Path) -> None:
    order = [3, 1, 0, 2, 5, 4, 8, 7, 6]
    rows = [[mad(5, 6)[i] for i in order], [mad(8, 9)[i] for i in order]]
    columns = tuple({"imdbid": "imdb"}.get(MAD[i], MAD[i]) for i in order)
    assert len(list(MADReader(table(tmp_path / "a.csv", columns, rows)))) == 2
    renamed = tuple("begin" if c == "start" else c for c in columns)
    report = check_file(table(tmp_path / "b.csv", renamed, rows), "mad-eval")
    assert report.outcomes == {"kept": 0, "repaired": 0, "refused": 2} and "no column start" in str(
        report.found["missing_column"].details
    )


def test_json_annotations(tmp_path: Path) -> None:
    entry = {"movie": "10", "movie_duration": 100.0, "ext_timestamps": [-0.5, 3], "sentence": "Ann “runs”."}
    raw = json.dumps(
        {"a": entry, "b": {**entry, "ext_timestamps": [4, 6], "sentence": "Bo é\ud83d."}}, ensure_ascii=True
    )
    raw = raw[:-1] + ', "a": {"movie": "10"}, "c": {"movie": "10", "ext_timestamps": [1]}, "d": 7, "e": '
    raw += (
        json.dumps({**entry, "movie": "4797", "ext_timestamps": [8, 9]}) + ', "f": {"movie": "10", "sentence": "N.", '
    )
    raw += '"ext_timestamps": [' + "1" * 5000 + ", NaN]}}"
    path = tmp_path / "train.json"
    path.write_text(raw, encoding="utf-8")
    reader = MADReader(path)
    report = reader.read_all()
    assert {rule: list(f.rows) for rule, f in report.found.items()} == {
        "negative_start": [0], "control_character": [1], "duplicate_id": [2], "bad_literal": [3], "not_an_object": [4],
        "duplicate_text": [5], "not_a_number": [6],
    }  # fmt: skip
    assert [(r.film, r.start_s, r.text) for r in reader] == [
        ("10", 0.0, "Ann “runs”."), ("10", 4.0, "Bo é ."), ("4797", 8.0, "Ann “runs”."),
    ]  # fmt: skip
    assert MADReader(path, source="films").read_all().count("excluded_unavailable") == 1
    assert kind_of(path) == "mad-eval" and report.rows == 7
    path.write_text(raw[:200])
    assert "unreadable" in check_file(path).found


_ENTRIES = [
    f'"{name}": {{"movie": "10", "ext_timestamps": [{4 * i}, {4 * i + 2}], "sentence": "Ann runs {i}."}}'
    for i, name in enumerate("abc")
]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("{" + ", ".join(_ENTRIES[:2]) + "}, " + _ENTRIES[2] + "}", 'row 2: \', "c": {'),  # a stray brace
        ("{" + _ENTRIES[0] + "}\n{" + _ENTRIES[1] + "}\n", 'row 1: \'{"b": {'),  # two files joined
        ("{" + _ENTRIES[0] + " " + _ENTRIES[1] + "}", 'row 1: \'"b": {'),
        ("{" + _ENTRIES[0] + ",, " + _ENTRIES[1] + "}", 'row 1: \', "b"'),
        ("{, " + _ENTRIES[0] + "}", 'row 0: \', "a"'),
        ("{" + _ENTRIES[0] + ",}", "row 1: '}'"),
        ("{" + _ENTRIES[0] + "}" + " \n" * 200_000 + "x", "expected nothing after the closing brace"),
    ],
    ids=["stray_brace", "two_files", "no_comma", "two_commas", "comma_first", "comma_last", "far_after"],
)
def test_json_that_goes_on_or_lacks_a_comma_is_refused(tmp_path: Path, raw: str, said: str) -> None:
    (tmp_path / "train.json").write_text(raw, encoding="utf-8")
    report = check_file(tmp_path / "train.json", "mad-eval")
    assert said in report.found["unreadable"].details[0] and report.outcomes["kept"] == 0


def test_json_may_end_in_blanks(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(" {" + " ,\n".join(_ENTRIES) + "}" + " \n" * 200_000, encoding="utf-8")
    assert check_file(tmp_path / "train.json").outcomes == {"kept": 3, "repaired": 0, "refused": 0}
    (tmp_path / "empty.json").write_text("{ }", encoding="utf-8")
    assert check_file(tmp_path / "empty.json", "mad-eval").refused


def test_the_papers_exclusions() -> None:
    assert sorted(EXCLUDED) == ["4017", "4797", "4839", "4902", "5634", "5900"]


@pytest.mark.parametrize("source", ["features", "films"])
def test_table_e4_is_counted(tmp_path: Path, source: str) -> None:
    """Of a training file: films and ADs with features, and what is left of both with pixels."""
    films = ["10", "10", "4797", "2738", "5634", "5634", "5634"]
    entries = {
        f"id{i}": {
            "movie": film,
            "movie_duration": 6000.0,
            "ext_timestamps": [10 * i, 10 * i + 2],
            "sentence": f"S {i}.",
        }
        for i, film in enumerate(films)
    }
    path = tmp_path / "train.json"
    entries["bad"] = {**entries["id0"], "movie": "9", "sentence": ""}  # refused: neither its film nor it is trained on
    entries["bad_too"] = {**entries["id2"], "ext_timestamps": [500, 500]}
    entries["bad_here"] = {**entries["id0"], "ext_timestamps": [7]}
    path.write_text(json.dumps(entries))
    report = MADReader(path, source=source).read_all()
    assert report.facts["table_e4"] == {
        "features": {"films": 4, "ads": 7, "published_films": 488, "published_ads": 334_296},
        "films": {"films": 2, "ads": 3, "published_films": 482, "published_ads": 326_632},
    }
    assert report.outcomes["refused"] == (3 if source == "features" else 7) and report.count("duration_disagrees") == (
        4 if source == "features" else 1
    )


def test_splits_say_what_stands_twice(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text('{"TRAIN": ["1", "2", "1", 7], "EVAL": ["3", "2"], "V1-TEST": ["3"], "TRAIN": ["5", "6"]}')
    report = check_file(path)
    assert {rule: list(found.rows) for rule, found in report.found.items()} == {
        "duplicate_id": [2, 7, 8], "no_id": [3], "in_two_splits": [5],
    }  # fmt: skip
    assert report.rows == 9 and report.facts["table_e4"]["features"]["films"] == 2
    keys = tmp_path / "keys.json"
    keys.write_text('{"1": "tt1", "2": "tt1", "1": "tt2", "2": "tt3"}')
    report = check_file(keys)
    assert list(report.found["duplicate_id"].rows) == [2, 3] and report.rows == 4


def test_videos_and_features_are_looked_for(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", MAD, [mad(5, 6, "A b."), mad(8, 11, "C d."), mad(12, 14, "E f."), mad(1, 2, "G h.", "9_X")]
    )
    (tmp_path / "1_Film.mkv").touch()
    reader = MADReader(path, root=tmp_path, source="films")
    assert {r.video for r in reader} == {"1_Film.mkv"} and reader.report.count("missing_video") == 1
    reader = MADReader(path, lengths_s={"1_Film": 10.2})
    assert [r.provenance.row for r in reader] == [0, 1]
    assert {k: list(f.rows) for k, f in reader.report.found.items() if k != "lower_case"} == {
        "few_frames": [1], "no_frames": [2], "missing_video": [3], "features_differ": [2, 0, 1],
    }  # fmt: skip


def test_one_cell_rules() -> None:
    assert seconds(" 1.5e1 ", "x") == 15.0 and read_hms("01.02.03.004") == 3723.004 and read_hms("1.2") is None
    for bad in ("nan", "inf", "-Infinity", "1_0", "0x1", "", None, True, [], math.inf, 10**400, "1e999", "٣"):
        with pytest.raises(RowRefused):
            seconds(bad, "x")
    for bad in ("/etc/x", "../x", "a/../../x", "a\\b", "c:/x", "~/x", "", "a\nb", "x" * 300):
        with pytest.raises(RowRefused):
            media_path(bad, "x")
    assert media_path("2014/a-_b", "x") == "2014/a-_b"


times = st.floats(-1e5, 1e5, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(times, times, st.floats(0.1, 1e5))
def test_an_interval_comes_out_inside_the_film_or_not_at_all(start_s: float, end_s: float, limit_s: float) -> None:
    try:
        low, high = interval(start_s, end_s, [], limit_s)
    except RowRefused as refusal:
        assert RULES[refusal.rule][0] == "refused"
    else:
        assert 0 <= low < high <= limit_s and (low in (0.0, start_s, end_s)) and high in (start_s, end_s, limit_s)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_never_silent(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever bytes change, every line is accounted for and nothing is raised."""
    path = table(tmp_path / "a.csv", MAD, [mad(10 * i, 10 * i + 2, f'Step "{i}", then on.') for i in range(1, 8)])
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(raw[: data.draw(st.integers(1, len(raw)))])
    path.write_bytes(damaged)
    report = check_file(path, "mad-eval")
    lines = [line for line in damaged.split(b"\n")[1:] if line.strip()]
    joined = report.count("line_break")
    assert sum(report.outcomes.values()) == report.rows
    if not report.refused:
        assert report.rows + 20 * joined >= len(lines) >= report.rows
    if "unreadable" not in report.found and not joined:
        assert report.rows == len(lines)


def test_shuffled_rows_end_in_the_same_set(tmp_path: Path) -> None:
    rows = [mad(10 * i, 10 * i + 2, f"Step {i}.") for i in range(1, 30)]
    whole = list(MADReader(table(tmp_path / "a.csv", MAD, rows)))
    random.Random(1).shuffle(rows)
    reader = MADReader(table(tmp_path / "a.csv", MAD, rows))
    assert [(r.start_s, r.text) for r in reader] == [(r.start_s, r.text) for r in whole]
    assert reader.report.count("out_of_order") > 5 and reader.report.rows == 29


def test_the_real_file() -> None:
    report = check_file(real("madeval_anno.csv"))
    assert report.rows == 6520 and report.facts["films"] == 10
    assert report.outcomes == {"kept": 6498, "repaired": 22, "refused": 0}
    counts = {rule: report.count(rule) for rule in report.found}
    assert counts == {
        "blanks": 5, "out_of_order": 17, "overlap": 82, "equal_start": 4, "one_word": 14, "duplicate_text": 43,
        "lower_case": 162, "stray_quote": 4,
    }  # fmt: skip


def test_the_real_splits_and_keys() -> None:
    split = check_file(real("mad_split.json"))
    assert split.rows == 660 and not split.found
    for films in split.facts["table_e4"].values():  # 488 with features, 482 with pixels, as the paper
        assert films["films"] == films["published_films"]
    assert len(split.facts["excluded"]) == 6
    keys = check_file(real("mad2imdb.json"))
    assert keys.rows == 650 and keys.count("two_keys") == 12 and not keys.refused
    leaks = [said for said in cross_check(real("mad2imdb.json"), real("mad_split.json")) if "TRAIN" in said]
    assert len(leaks) == 7 and "4156 in TRAIN" in leaks[0]
