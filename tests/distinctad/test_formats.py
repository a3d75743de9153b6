from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_exports import document
from typer.testing import CliRunner

from distinctad.cli import app
from distinctad.errors import UserError
from distinctad.formats import dapt, script_json, subrip, table, webvtt_descriptions
from distinctad.formats.convert import WRITERS, convert, lost, read_script
from distinctad.formats.dapt_rules import faults
from distinctad.formats.reading import narrator_script, transcript
from distinctad.formats.script import Script, ScriptCue, ScriptPerson, clock, script_of
from distinctad.subtitles import Speech

line = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufffe\uffff"),
    min_size=1, max_size=30,
).map(lambda text: " ".join(text.split())).filter(bool)  # fmt: skip
cues = st.lists(st.tuples(st.integers(0, 9_000), st.integers(1, 9_000), line), min_size=1, max_size=4)


def script(parts: list[tuple[int, int, str]]) -> Script:
    """Cues one after the other."""
    made, at = [], 0
    for number, (pause, length, text) in enumerate(parts, 1):
        made.append(ScriptCue(at + pause, at + pause + length, text, str(number)))
        at += pause + length
    return Script(tuple(made))


def bare(one: Script) -> list[tuple[int, int, str]]:
    return [(cue.start_ms, cue.end_ms, cue.text) for cue in one.cues]


@settings(max_examples=60, deadline=None)
@given(cues)
def test_round_trips_are_lossless(parts: list[tuple[int, int, str]]) -> None:
    one = script(parts)
    assert dapt.read(dapt.write(one).encode(), "a.xml") == one
    assert script_json.read(script_json.write(one), "a.json") == one
    assert table.read(table.write(one), "a.csv") == one
    assert webvtt_descriptions.read(webvtt_descriptions.write(one), "a.vtt").cues == one.cues
    kept = [(a, b, text) for a, b, text in bare(one)]
    read = bare(subrip.read(subrip.write(one), "a.srt"))
    assert [row[:2] for row in read] == [row[:2] for row in kept]
    marks = ("\\N", "\\n", "\\h")  # breaks of the library's own, which SubRip cannot escape
    assert all(got == own or any(mark in own[2] for mark in marks) for got, own in zip(read, kept, strict=True))
    # From one to the next and back.
    there = dapt.read(dapt.write(webvtt_descriptions.read(webvtt_descriptions.write(one), "a")).encode(), "b")
    assert webvtt_descriptions.write(there) == webvtt_descriptions.write(one)


FULL = Script(
    (
        ScriptCue(500, 2125, "She <i>runs</i> & falls --> over.\nA {\\an8} line.", "7", ("Mara", "Joël"), {"seed": 3}),
        ScriptCue(3_600_000, 3_600_001, "  two  blanks ", "x y", (), {"edited": True, "frames_s": [0.5]}),
        ScriptCue(3_700_000, 3_709_000, "", "o"),
    ),
    "de-CH", "Film & Co.mp4", "a draft", (ScriptPerson("Mara", "A. Actor"), ScriptPerson("Joël")),
)  # fmt: skip


def test_dapt_holds_everything() -> None:
    text = dapt.write(FULL)
    assert faults(text.encode()) == [] and dapt.read(text.encode(), "a.xml") == FULL
    assert 'daptm:represents="visual.nonText"' in text and 'begin="3600.000s"' in text
    assert script_json.read(script_json.write(FULL), "a.json") == FULL


def test_a_document_of_describe_goes_through() -> None:
    one = script_of(document("Mara picks up the cup.", "She runs."))
    assert one.cues[1].provenance is not None and one.people == (ScriptPerson("Mara"),)
    assert dapt.read(dapt.write(one).encode(), "a.xml") == one
    assert script_json.read(json.dumps(document("Mara picks up the cup.", "She runs.")), "a.json") == one


def test_ttconv_reads_it() -> None:
    imsc = pytest.importorskip("ttconv.imsc.reader")
    writer = pytest.importorskip("ttconv.vtt.writer")
    one = script([(1000, 2000, "Mara runs."), (500, 1500, "Tom & Ann wait.")])
    model = imsc.to_model(ElementTree.parse(io.StringIO(dapt.write(one))))
    read = webvtt_descriptions.read(writer.from_model(model), "a.vtt")
    assert bare(read) == bare(one)


ROOT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml" '
    'xmlns:daptm="http://www.w3.org/ns/ttml/profile/dapt#metadata" xmlns:ttm="http://www.w3.org/ns/ttml#metadata" '
    'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" '
    'ttp:contentProfiles="http://www.w3.org/ns/ttml/profile/dapt1.0/content" ttp:frameRate="25" '
    'daptm:scriptRepresents="visual.nonText visual.text" daptm:represents="visual.nonText" '
    'daptm:scriptType="preRecording" xml:lang="en">\n'
)
HEAD = (
    '<head><metadata><ttm:agent xml:id="a1" type="person"><ttm:name type="full">A. Actor</ttm:name></ttm:agent>'
    '<ttm:agent type="character" xml:id="c1"><ttm:name type="alias">Mara</ttm:name><ttm:actor agent="a1"/></ttm:agent>'
    "<daptm:daptOriginTimecode>10:01:20:12</daptm:daptOriginTimecode></metadata></head>\n"
)
BODY = (
    '<body><div><div xml:id="e1" begin="10s" end="13.5s" daptm:onScreen="ON_OFF">'
    '<ttm:desc daptm:descType="scene">1</ttm:desc>'
    '<p xml:lang="en">Mara <span>runs</span>.<br/> Rain.</p></div><div xml:id="e2" begin="00:00:20:05" dur="50f"'
    ' daptm:represents="visual.text.title" daptm:langSrc=""><p>THE END</p></div></div></body></tt>'
)
VALID = ROOT + HEAD + BODY


def test_a_strangers_script_is_read() -> None:
    assert faults(VALID.encode()) == []
    read = dapt.read(VALID.encode(), "a.xml")
    assert bare(read) == [(10_000, 13_500, "Mara runs.\nRain."), (20_200, 22_200, "THE END")]
    assert read.people == (ScriptPerson("Mara", "A. Actor"),)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('encoding="UTF-8"', 'encoding="ISO-8859-1"', "not UTF-8"),
        ("<tt xmlns", '<!DOCTYPE tt [<!ENTITY a "b">]><tt xmlns', "document type or an entity"),
        ("</tt>", "", "not well-formed"),
        ('<tt xmlns="http://www.w3.org/ns/ttml" ', '<tt xmlns="urn:other" ', "not tt of TTML"),
        ('xml:lang="en">\n', ">\n", "xml:lang of tt is None"),
        ('xml:lang="en">\n', 'xml:lang="">\n', "xml:lang of tt is ''"),
        ('xml:lang="en">\n', 'xml:lang="#x">\n', "xml:lang of tt is '#x'"),
        ("dapt1.0/content", "imsc1.2/text", "does not name"),
        ('ttp:frameRate="25"', 'ttp:frameRate="25" ttp:timeBase="smpte"', "ttp:timeBase is 'smpte', expected media"),
        ("<head>", '<head><ttp:profile use="x"/>', "ttp:profile is not allowed"),
        ('"preRecording"', '"script"', "daptm:scriptType is 'script'"),
        ('daptm:scriptType="preRecording"', "", "daptm:scriptType is None"),
        ('daptm:scriptRepresents="visual.nonText visual.text"', "", "scriptRepresents is missing"),
        ("visual.nonText visual.text", "audio, visual", "scriptRepresents holds 'audio,'"),
        ("visual.nonText visual.text", "#invalid visual", "scriptRepresents holds '#invalid'"),
        ('daptm:represents="visual.nonText" ', "", "the event 'e1' represents nothing"),
        ('daptm:represents="visual.nonText" ', 'daptm:represents="#x" ', "represents '#x', no content descriptor"),
        ('daptm:represents="visual.nonText" ', 'daptm:represents="audio" ', "does not cover"),
        ('xml:id="a1"', 'xml:id="1 a"', "xml:id '1 a'"),
        ('xml:id="e2"', 'xml:id="e1"', "xml:id 'e1'"),
        (' xml:id="a1"', "", "has no xml:id"),
        ('<ttm:name type="full">A. Actor</ttm:name>', "", "has no ttm:name"),
        ('agent="a1"', 'agent="zz"', "played by 'zz'"),
        ('agent="a1"', 'agent="c1"', "played by 'c1'"),
        ('agent="a1"', 'agent="e1"', "played by 'e1'"),
        ("10:01:20:12", "10:01", "expected HH:MM:SS:FF"),
        ("10:01:20:12", "10:01:20:25", "more frames than"),
        ('ttp:frameRate="25" ', "", "without ttp:frameRate"),
        (
            "</metadata>",
            "<daptm:daptOriginTimecode>10:01:20:12</daptm:daptOriginTimecode></metadata>",
            "stands 2 times",
        ),
        ('descType="scene"', 'descType="mine"', "descType is 'mine'"),
        ('"ON_OFF"', '"MAYBE"', "onScreen is 'MAYBE'"),
        ('langSrc=""', 'langSrc="#x"', "langSrc is '#x'"),
        ("Rain.", '<audio xml:lang="fr" src="a.wav"/>Rain.', "an audio is in 'fr'"),
        ('end="13.5s"', 'end="9s"', "ends before it begins"),
        ('begin="10s"', 'begin="soon"', "no time expression"),
        ('begin="10s"', 'begin="10s" timeContainer="seq"', "only par"),
    ],
)
def test_every_rule_is_held(old: str, new: str, fault: str) -> None:
    assert old in VALID
    wrong = VALID.replace(old, new, 1)
    assert any(fault in said for said in faults(wrong.encode())), faults(wrong.encode())
    with pytest.raises(UserError, match="the script 'a.xml' is no valid DAPT: "):
        dapt.read(wrong.encode(), "a.xml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('descType="scene"', 'descType="x-mine"'), ('langSrc=""', 'langSrc="zxx"'),
        ("visual.text.title", "visual.text.x-logo"),
        ("dapt1.0/content", "dapt1.0/content http://www.w3.org/ns/ttml/profile/imsc1.2/text"), (HEAD, ""),
        ("<head>", '<head xmlns:o="urn:o" o:any="1">'), ("10:01:20:12", "10:01:20:24"),
        ("Rain.", '<audio src="a.wav"/>Rain.'), ('xml:lang="en">\n', 'xml:lang="en" daptm:langSrc="">\n'),
    ],
)  # fmt: skip
def test_what_the_profile_allows_is_valid(old: str, new: str) -> None:
    assert faults(VALID.replace(old, new, 1).encode()) == []


def test_a_byte_order_mark_is_a_fault_that_does_not_stop_a_reader() -> None:
    marked = b"\xef\xbb\xbf" + VALID.encode()
    assert faults(marked) == ["the file begins with a byte order mark, expected none"]
    assert dapt.read(marked, "a.xml") == dapt.read(VALID.encode(), "a.xml")


def test_grouped_events_represent_something_each_groups_need_not() -> None:
    """Only innermost named divs are events; that a group around them is named too changes nothing."""
    first, last = VALID.index("<div"), VALID.rindex("</div>") + len("</div>")
    grouped = f'{VALID[:first]}<div xml:id="g"><div xml:id="h">{VALID[first:last]}</div></div>{VALID[last:]}'
    assert faults(grouped.encode()) == []
    said = faults(grouped.replace('daptm:represents="visual.nonText" ', "", 1).encode())
    assert said == ["the event 'e1' represents nothing (daptm:represents)"]


def dapt_of(body: str) -> bytes:
    """A script of these divs, which may represent sounds and dialogue too; visual.nonText unless they say."""
    return (ROOT.replace("visual.text", "visual.text audio") + f"<body>{body}</body></tt>").encode()


def test_dialogue_of_a_script_becomes_no_description(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(
        dapt_of(
            '<div daptm:represents="audio.dialogue"><div xml:id="d" begin="1s" end="2s"><p>Where?</p></div></div>'
            '<div xml:id="s" begin="2s" end="3s" daptm:represents="audio.nonDialogueSounds"/>'
            '<div xml:id="t" begin="3s" end="5s" daptm:represents="visual.text.title"><p>THE END</p></div>'
        )
    )
    notes: list[str] = []
    assert bare(read_script(tmp_path / "a.xml", notes)) == [(3_000, 5_000, "THE END")]
    assert notes == [
        "the script 'a.xml': 2 event(s) left out that represent audio.dialogue, audio.nonDialogueSounds, "
        "no description",
        "the script 'a.xml': that events represent visual.text.title is not kept",
    ]
    only = dapt_of('<div xml:id="d" begin="1s" end="2s" daptm:represents="audio.dialogue"><p>Tom?</p></div>')
    with pytest.raises(UserError, match=r"describes nothing: its 1 event\(s\) represent audio.dialogue"):
        dapt.read(only, "a.xml")


def test_texts_outside_of_events_are_told() -> None:
    """The profile's tests call them valid and no texts of the script, so they are neither faults nor cues."""
    data = dapt_of(
        '<div begin="3s" end="5s"><p>He runs.</p></div><div xml:id="a" begin="6s" end="7s"><p>He sits.</p></div>'
        '<div xml:id="g"><div xml:id="h" begin="8s" end="9s"/><p>Rain.</p></div><div><p> </p></div>'
    )
    notes: list[str] = []
    assert faults(data) == [] and [row[2] for row in bare(dapt.read(data, "a.xml", notes))] == ["He sits.", ""]
    said = "2 text(s) left out that stand in no event (a div with an xml:id and no div in it)"
    assert notes == [f"the script 'a.xml': {said}"]


def test_each_timed_text_of_an_event_is_a_cue() -> None:
    data = dapt_of(
        '<div xml:id="a" begin="6s" end="20s"><p begin="1s" end="3s">One.</p><p begin="8s">Two.</p></div>'
        '<div xml:id="b" begin="30s" end="34s"><p>Three.</p><p begin="1s" dur="2s">Four.</p><p>Five.</p></div>'
    )
    assert bare(dapt.read(data, "a.xml")) == [
        (7_000, 9_000, "One."), (14_000, 20_000, "Two."), (30_000, 34_000, "Three.\nFive."), (31_000, 33_000, "Four."),
    ]  # fmt: skip


def test_bombs_and_strangers_are_refused() -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><tt>&b;</tt>'
    for data in (bomb.encode(), b"\xff\xfe\x00", b"", b"<tt/>", b"<a>" * 100_000):
        with pytest.raises(UserError, match="no valid DAPT"):
            dapt.read(data, "a.xml")
    endless = VALID.replace(' end="13.5s"', "")
    with pytest.raises(UserError, match="the event 'e1' has no end"):
        dapt.read(endless.encode(), "a.xml")


def test_reading_by_hand() -> None:
    one = Script(
        (ScriptCue(0, 1000, "Mara runs."), ScriptCue(5000, 6000, "She quickly turns and looks at him.")), title="a.mp4"
    )
    speech = [Speech(2.0, 4.5, "Hello."), Speech(7.0, 8.0, "Bye."), Speech(9.0, 9.5)]
    assert transcript(one, speech) == (
        "Descriptive transcript of a.mp4\n\n[00:00:00] Description: Mara runs.\n[00:00:02] Dialogue: Hello.\n"
        "[00:00:05] Description: She quickly turns and looks at him.\n[00:00:07] Dialogue: Bye.\n"
    )
    read = narrator_script(one, speech)
    assert "1.  IN 00:00:00.000  OUT 00:00:01.000  (1.0 s, 2 words)\n    Mara runs.\n" in read
    assert '(1.0 s, 7 words)  PACE\n    after: "Hello." (0.5 s before)\n' in read
    for room_s, mark in (([5.0, 5.0], "  NO ROOM"), ([5.0, 6.0], "  PACE"), ([5, None], "  PACE")):
        cues = (one.cues[0], replace(one.cues[1], provenance={"room_s": room_s}))
        assert f"(1.0 s, 7 words){mark}\n" in narrator_script(replace(one, cues=cues), speech)
    assert clock(3_723_004) == "01:02:03.004"


def test_convert_all_ways(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(script_json.write(FULL), encoding="utf-8")
    for kind in WRITERS:
        gone = convert(tmp_path / "a.json", tmp_path / f"b{kind}")
        assert (gone == []) is (kind in (".json", ".xml", ".ttml"))
        if kind != ".txt":
            read = read_script(tmp_path / f"b{kind}")
            spoken = [cue for cue in FULL.cues if cue.text or kind in (".json", ".xml", ".ttml", ".csv")]
            assert [(c.start_ms, c.end_ms) for c in read.cues] == [(c.start_ms, c.end_ms) for c in spoken]
    assert lost(FULL, ".srt") == [
        "cast", "characters", "empty opportunities", "ids", "language", "provenance", "review note", "title",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.srt", "hello"), ("a.vtt", "hello"), ("a.csv", "a,b\n1,2\n"), ("a.csv", "start,end,text\n1,x,y\n"),
        ("a.csv", "start,end,text\n2,1,y\n"), ("a.json", "{"), ("a.json", '{"format": "x"}'), ("a.json", "[]"),
        ("a.json", '{"format": "distinctad.script", "format_version": 1}'), ("a.xml", "<tt/>"), ("a.doc", "x"),
        ("b.srt", None), ("a.srt", "hello --> there\n"), ("a.vtt", "WEBVTT\n"), ("a.csv", "start,end,text\n"),
        ("a.csv", "start,end,text\n1,5,2,5,Mara runs.\n"), ("a.csv", f"start,end,text\n1,2,{'x' * 131_073}\n"),
    ],
)  # fmt: skip
def test_convert_refuses_in_one_line(tmp_path: Path, name: str, content: str | None) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    before = sorted(tmp_path.iterdir())
    run = CliRunner().invoke(app, ["convert", str(tmp_path / name), str(tmp_path / "out.vtt")])
    assert run.exit_code == 2 and run.output.count("\n") == 1 and sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("kind", [".srt", ".vtt", ".txt"])
def test_empty_opportunities_do_not_become_an_empty_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.xml").write_text(dapt.write(Script((ScriptCue(0, 4_000, ""), ScriptCue(5_000, 9_000, "")))))
    with pytest.raises(UserError, match="holds empty opportunities only, and"):
        convert(tmp_path / "a.xml", tmp_path / f"b{kind}")
    assert not (tmp_path / f"b{kind}").exists()
    assert convert(tmp_path / "a.xml", tmp_path / "b.csv") == []
    assert len(read_script(tmp_path / "b.csv").cues) == 2


def test_convert_keeps_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nMara runs.\n")
    (tmp_path / "b.vtt").write_text("mine")
    run = CliRunner().invoke(app, ["convert", str(tmp_path / "a.srt"), str(tmp_path / "b.vtt")])
    assert run.exit_code == 2 and (tmp_path / "b.vtt").read_text() == "mine"
    run = CliRunner().invoke(app, ["convert", str(tmp_path / "a.srt"), str(tmp_path / "b.vtt"), "--overwrite"])
    assert run.exit_code == 0 and "Mara runs." in (tmp_path / "b.vtt").read_text()
    with pytest.raises(UserError, match="no ending that is known"):
        convert(tmp_path / "a.srt", tmp_path / "b.doc")


TWO = "00:00:05{0}000 --> 00:00:06{0}000\nShe sits.\n\n00:00:03{0}000 --> 00:00:02{0}000\nMara runs.\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.vtt", f"WEBVTT\n\n{TWO.format('.')}"), ("a.srt", "1\n" + TWO.format(",").replace("\n\n", "\n\n2\n"))],
)
def test_reversed_times_are_refused_by_their_cue(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match="cue 2 starts at 00:00:03.000 and ends at 00:00:02.000"):
        convert(tmp_path / name, tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()


def test_what_was_assumed_is_said_and_cues_come_out_in_order(tmp_path: Path) -> None:
    """A spreadsheet's file: Windows' encoding, semicolons, decimal commas, rows as somebody moved them."""
    rows = (
        "start;end;text\n5,5;6;Zdeněk Dvořák, Lukáš a Jiří sedí v kuchyni.\n1;2,25;Přišla Božena a říká: dobré ráno.\n"
    )
    (tmp_path / "a.csv").write_bytes(rows.encode("cp1250"))
    run = CliRunner().invoke(app, ["convert", str(tmp_path / "a.csv"), str(tmp_path / "b.vtt")])
    assert run.exit_code == 0, run.output
    assert "Warning: the script 'a.csv' is not UTF-8, read as cp1250: check accented letters\n" in run.stderr
    assert "Warning: the script 'a.csv': cues were not in the order of time, sorted\n" in run.stderr
    read = webvtt_descriptions.read((tmp_path / "b.vtt").read_text(encoding="utf-8"), "b.vtt")
    assert [row[:2] for row in bare(read)] == [(1000, 2250), (5500, 6000)] and "Dvořák" in read.cues[1].text
