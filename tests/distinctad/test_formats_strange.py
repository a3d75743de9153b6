"""Scripts and tables that people, editors and exports damage: nothing is lost or changed without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distinctad.cast import parse_cast
from distinctad.errors import UserError
from distinctad.formats import dapt, subrip, table, webvtt_descriptions
from distinctad.formats.convert import convert, lost, read_script
from distinctad.formats.dapt_rules import faults
from distinctad.formats.script import Script, ScriptCue
from distinctad.formats.timed_text import Clock, TimedTextError
from distinctad.intervals import parse_intervals
from distinctad.subtitles import parse_subtitles

UNCLOSED = 'start,end,text\n1,2,"He said\n5,6,Third\n7,8,Fourth\n'
DAPT = """<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
 xmlns:daptm="http://www.w3.org/ns/ttml/profile/dapt#metadata"
 ttp:contentProfiles="http://www.w3.org/ns/ttml/profile/dapt1.0/content" xml:lang="en" daptm:scriptRepresents="visual"
 daptm:scriptType="asRecorded"><head/><body><div xml:id="a" daptm:represents="visual.nonText" begin="1s" end="2s"
 xml:lang="fr"><p>Il court</p>{}</div></body></tt>"""


def test_a_quote_that_is_never_closed_swallows_no_rows() -> None:
    with pytest.raises(UserError, match="the script 'a.csv', line 4: not CSV"):
        table.read(UNCLOSED, "a.csv")
    with pytest.raises(UserError, match="the intervals 'a.csv', line 4: not CSV"):
        parse_intervals(UNCLOSED, "a.csv", 60, "f.mp4")
    with pytest.raises(UserError, match="the cast 'c.csv', line 4: not CSV"):
        parse_cast('name,actor\n"Mara,X\nJoe,Y\nAnn,Z\n', "c.csv")


def test_a_table_of_several_films_is_no_script() -> None:
    rows = "film,start,end,text\nA,1,2,of A\nB,1,2,of B\nB,3,4,B too\n"
    with pytest.raises(UserError, match="the script 'a.csv' holds 2 films: A, B"):
        table.read(rows, "a.csv")
    assert table.read(rows.replace("A,1,2,of A\n", ""), "a.csv").title == "B"


def test_webvtt_loses_no_cue_in_silence() -> None:
    start = "WEBVTT\nlanguage: fr\n\n00:00:01.000 --> 00:00:02.000\nfirst\n\n"
    read = webvtt_descriptions.read(f"{start}00:00:03,000 --> 00:00:04,000\nmid\n", "a.vtt")
    assert [(cue.start_ms, cue.text) for cue in read.cues] == [(1000, "first"), (3000, "mid")] and read.language == "fr"
    with pytest.raises(UserError, match="line 7 of the script 'a.vtt' holds no two times .* '00:00:05:12 -->"):
        webvtt_descriptions.read(f"{start}00:00:05:12 --> 00:00:06:00\nlater\n", "a.vtt")


def test_webvtt_is_written_by_its_rules(tmp_path: Path) -> None:
    cues = (ScriptCue(1000, 1000, "Now.", "scene 1 --> 2"), ScriptCue(2000, 3000, "Then.", "a\nb"))
    written = webvtt_descriptions.write(Script(cues))
    assert "scene 1 -> 2\n00:00:01.000 --> 00:00:01.001\nNow." in written and "\na b\n00:00:02.000" in written
    (tmp_path / "a.csv").write_text("start,end,text\n1,1,Now.\n")
    assert convert(tmp_path / "a.csv", tmp_path / "b.vtt") == ["stretches without a length (1 ms there)"]


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("<v Mara <3>Hello.", "Hello."), ("<c.a<b>Hi</c>", "Hi"), ("<v Tom\n<x>hi</v> <3", "hi <3"),
        ("a <b>b</b> < c > d", "a b < c > d"), ("<I>Snow</I> <V Mara <3>falls.</V>", "Snow falls."),
        ("<Br>A</BR> <C.Loud>b", "A b"),
    ],
)  # fmt: skip
def test_a_tag_of_webvtt_goes_to_its_end(words: str, read: str) -> None:
    text = f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{words}\n"
    assert [cue.text for cue in webvtt_descriptions.read(text, "a.vtt").cues] == [read]
    assert [line.text for line in parse_subtitles(text, "a.vtt")[0]] == [read]


def test_subrip_is_written_whole() -> None:
    """Braces that switch drawing on in another format are words here."""
    script = Script((ScriptCue(1000, 2000, "{\\p1}He waits."), ScriptCue(2000, 3000, "Go.")))
    assert subrip.read(subrip.write(script), "a.srt").cues == script.cues and lost(script, ".srt") == []


def test_a_time_below_zero_keeps_its_sign() -> None:
    text = "1\n-00:00:03,000 --> 00:00:01,000\nfirst\n\n2\n00:00:05,000 --> 00:00:06,000\nmid\n"
    speech, notes = parse_subtitles(text, "a.srt")
    assert [(line.start_s, line.end_s) for line in speech] == [(0, 1), (5, 6)]
    assert notes == ["the subtitles 'a.srt': 1 time(s) below zero set to zero"]
    with pytest.raises(UserError, match="line 2 of the script 'a.srt' holds no two times .* '-00:00:03,000"):
        subrip.read(text, "a.srt")


def test_two_times_among_the_words_are_words() -> None:
    said = "The clock reads 10:15:20.500 to 11:00:00.000"
    (cue,) = subrip.read(f"1\n00:00:01,000 --> 00:00:02,000\n{said}\n", "a.srt").cues
    assert (cue.start_ms, cue.text) == (1000, said)


def test_a_language_above_a_text_is_its_own() -> None:
    read = dapt.read(DAPT.format('<p xml:lang="en">He runs</p>').encode(), "a.xml")
    assert [cue.text for cue in read.cues] == ["He runs"] and read.language == "en"
    assert dapt.read(DAPT.format("").encode(), "a.xml").language == "fr"
    notes: list[str] = []
    read = dapt.read(DAPT.format('<p xml:lang="de">Er rennt</p>').encode(), "a.xml", notes)
    assert [cue.text for cue in read.cues] == ["Il court\nEr rennt"]
    assert read.language == "en" and notes[-1] == "the script 'a.xml': texts in de, fr stand in one script"


@pytest.mark.parametrize(
    "strange",
    [
        '<metadata><div xml:id="q"><p>Hi.</p></div></metadata>',
        '<x:y xmlns:x="urn:x"><div xml:id="q" begin="1s"><p>Hi.</p></div></x:y>',
    ],
)
def test_events_where_dapt_has_none_are_no_events(strange: str) -> None:
    notes: list[str] = []
    data = DAPT.format(strange).encode()
    assert faults(data) == [] and [cue.text for cue in dapt.read(data, "a.xml", notes).cues] == ["Il court"]
    assert any("1 text(s) left out that stand in no event" in note for note in notes), notes


def test_a_frame_beyond_its_second_is_no_time() -> None:
    clock = Clock(frames_hz=25, ticks_hz=None)
    assert clock.seconds("00:00:01:24") == 1 + 24 / 25
    with pytest.raises(TimedTextError, match="'00:00:01:40' counts a frame 40 of 25 a second"):
        clock.seconds("00:00:01:40")


@pytest.mark.parametrize(("given", "kept"), [("a\ud800b", "ab"), ("a\0b", "ab"), ("a\rb", "a\nb"), ("a\x0cb", "ab")])
def test_what_no_format_holds_is_left_out_and_said(tmp_path: Path, given: str, kept: str) -> None:
    cue = {"start_ms": 0, "end_ms": 1000, "text": given, "id": "1", "characters": [], "provenance": None}
    script = {"format": "distinctad.script", "format_version": 1, "cues": [cue], "language": "en", "title": given,
              "note": "", "people": []}  # fmt: skip
    (tmp_path / "s.json").write_text(json.dumps(script))
    for ending in (".srt", ".vtt", ".csv", ".xml", ".json"):
        notes: list[str] = []
        convert(tmp_path / "s.json", tmp_path / f"o{ending}", notes=notes)
        assert notes == ["the script 's.json': characters that no script can hold were left out"]
        assert read_script(tmp_path / f"o{ending}").cues[0].text == kept
