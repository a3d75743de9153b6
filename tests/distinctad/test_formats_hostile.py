"""Files made to stop a reader: a megabyte of what it must not read again and again, numbers and depths beyond Python's.

Where the fault was time, the size is one that the faulty reader would have needed many minutes for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_formats import VALID, dapt_of

from distinctad.errors import UserError
from distinctad.formats import dapt, script_json, subrip, webvtt_descriptions
from distinctad.formats.convert import convert, lost, read_script
from distinctad.formats.dapt_rules import faults, is_descriptor
from distinctad.formats.reading import narrator_script
from distinctad.formats.script import Script, ScriptCue
from distinctad.subtitles import Speech

MANY = 1_000_000
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nHi."
SRT = "1\n00:00:01,000 --> 00:00:02,000\nHi."


@pytest.mark.parametrize(
    "more",
    ["\n" * MANY, "<a" * MANY, ">" + "<a" * MANY, " " * MANY + "x", f"\n\n{'1' * MANY}:"],
    ids=["empty lines", "tags", "tags behind an end", "blanks", "digits"],
)
def test_webvtt_is_read_once(more: str) -> None:
    track = webvtt_descriptions.track_of(webvtt_descriptions.with_points(VTT + more), "a")
    assert webvtt_descriptions.cues_of(track)[0].text.startswith("Hi.")


def test_no_number_of_a_reference_is_too_long() -> None:
    (cue,) = webvtt_descriptions.read(f"WEBVTT\n\nNOTE &#{'1' * 5000};\n\n{VTT[8:]} &#{'1' * 5000}; &#0065;", "a").cues
    assert cue.text == "Hi. \ufffd A"


@pytest.mark.parametrize(
    "more",
    ["\n" * MANY + "x", "1" * MANY, f"\n{' ' * MANY}x", "00:00:01,000 " * (MANY // 13)],
    ids=["empty lines", "digits", "blanks", "times"],
)
def test_subrip_is_read_once(more: str) -> None:
    (cue,) = subrip.read(SRT + more, "a.srt").cues
    assert (cue.start_ms, cue.end_ms, cue.text[:3]) == (1000, 2000, "Hi.")


def test_subrip_is_written_once() -> None:
    said = "{\\p1}" * (MANY // 5)
    assert said in subrip.write(Script((ScriptCue(1000, 2000, said),)))


def test_words_of_subrip_are_no_times() -> None:
    said = "He waits.\n00:00:30,000 --> 00:00:40,000\nINJECTED\n9:00 ---> \\Now"
    written = subrip.write(Script((ScriptCue(1000, 2000, said),)))
    (cue,) = subrip.read(written, "a.srt").cues
    assert cue.text == "He waits.\n00:00:30,000 -> 00:00:40,000\nINJECTED\n9:00 -> /Now" and written.count("-->") == 1
    assert lost(Script((ScriptCue(1000, 2000, said),)), ".srt") == ["arrows between times in texts (-> there)"]
    assert lost(Script((ScriptCue(1000, 2000, "Go --> left."),)), ".srt") == []
    named = webvtt_descriptions.write(Script((ScriptCue(1000, 2000, "Now.", "a ---> b"),)))
    assert named.count("-->") == 1


def test_deep_spans_are_read() -> None:
    deep = f"<p>{'<span>a' * 5_000}<br/>{'</span>b' * 5_000}</p>"
    (cue,) = dapt.read(dapt_of(f'<div xml:id="e" begin="1s" end="2s">{deep}</div>'), "a.xml").cues
    assert cue.text == "a" * 5_000 + "\n" + "b" * 5_000


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('begin="10s"', f'begin="1.{"1" * 5000}s"', "no time expression"),
        ('begin="10s"', f'begin="00:00:01.{"1" * 5000}"', "no time expression"),
        ("10:01:20:12", f"10:01:20:{'1' * 5000}", "expected HH:MM:SS:FF"),
        ("10:01:20:12", f"{'1' * 5000}:01:20:12", "expected HH:MM:SS:FF"),
        ('ttp:frameRate="25"', 'ttp:frameRate="\u00b2"', "without ttp:frameRate"),
        ('ttp:frameRate="25"', f'ttp:frameRate="{"1" * 5000}"', "without ttp:frameRate"),
        ('ttp:frameRate="25"', f'ttp:frameRate="25" ttp:frameRateMultiplier="1 1{"0" * 400}"', "too many digits"),
    ],
)
def test_numbers_that_python_reads_not_are_faults(old: str, new: str, fault: str) -> None:
    said = faults(VALID.replace(old, new, 1).encode())
    assert any(fault in one for one in said), said


def test_rules_are_checked_once() -> None:
    assert is_descriptor("visual.text" + ".x-a" * 40) and not is_descriptor("visual.text" + ".x-a" * MANY)
    kinds = " ".join(f"x-{number}" for number in range(60_000))
    events = "".join(
        f'<div xml:id="{name}" begin="1s" end="2s"/>' for name in (f"e{number}" for number in range(6_000))
    )
    assert faults(dapt_of(events).replace(b"audio", kinds.encode())) == []
    media = "<metadata><data><source/></data></metadata>"
    many = VALID.replace("Rain.", media * 20_000)
    assert faults(many.encode()) == []
    (fault,) = faults(many.replace(media, f"<metadata><source>{media[10:-11]}</source></metadata>", 1).encode())
    assert "a data inside of a source holds a source" in fault


DEEP = "[" * 900 + "]" * 900
OWN = '<d:cue xmlns:d="urn:x-distinctad:script:1">{}</d:cue>'


NOT_PLAIN = ("NaN", "-Infinity", "1e999", '[1, {"b": 1e999}]', DEEP, '{"a":' * 60 + "1" + "}" * 60)


@pytest.mark.parametrize("value", NOT_PLAIN, ids=["nan", "constant", "number", "inside", "lists", "objects"])
def test_provenance_that_is_no_json_goes_nowhere(tmp_path: Path, value: str) -> None:
    own = f'{{"id": "7", "characters": ["Mara"], "provenance": {{"a": {value}}}}}'
    event = f'<div xml:id="e" begin="1s" end="2s"><metadata>{OWN.format(own)}</metadata><p>She runs.</p></div>'
    (tmp_path / "a.xml").write_bytes(dapt_of(event))
    convert(tmp_path / "a.xml", tmp_path / "b.json")
    (cue,) = read_script(tmp_path / "b.json").cues
    assert cue == ScriptCue(1000, 2000, "She runs.", "7", ("Mara",))
    ours = script_json.write(Script((cue,))).replace('"provenance": null', f'"provenance": {{"a": {value}}}')
    with pytest.raises(UserError, match=r"the script 'a.json' is no JSON script \("):
        script_json.read(ours, "a.json")


def test_provenance_is_kept_as_deep_as_any_is() -> None:
    kept = json.loads('{"a":' * 49 + "[0.5]" + "}" * 49)
    one = Script((ScriptCue(1000, 2000, "She runs.", provenance=kept),))
    assert script_json.read(script_json.write(one), "a.json") == one
    assert dapt.read(dapt.write(one).encode(), "a.xml") == one


@pytest.mark.parametrize("own", ["[" * 100_000, f'{{"characters": [{DEEP}, "Mara"]}}'], ids=["lists", "people"])
def test_what_a_stranger_wrote_in_our_part_is_passed_over(own: str) -> None:
    event = f'<div xml:id="e" begin="1s" end="2s"><metadata>{OWN.format(own)}</metadata><p>She runs.</p></div>'
    (cue,) = dapt.read(dapt_of(event), "a.xml").cues
    assert cue == ScriptCue(1000, 2000, "She runs.", characters=("Mara",) if "Mara" in own else ())


class Dialogue(list[Speech]):
    """Lines that count how often somebody goes through them."""

    times = 0

    def __iter__(self) -> Iterator[Speech]:
        self.times += 1
        return super().__iter__()

    def __reversed__(self) -> Iterator[Speech]:
        self.times += 1
        return super().__reversed__()


def test_the_narrators_script_goes_through_the_dialogue_once() -> None:
    lines = [(0.0, 3.0, "First."), (1.0, 3.0, "Second."), (2.5, 3.0, ""), (3.5, 4.0, "Later."), (0.0, 1.0, "Early.")]
    speech = Dialogue(Speech(*line) for line in lines)
    read = narrator_script(Script(tuple(ScriptCue(at, at + 1, f"At {at}.") for at in range(500, 6000, 500))), speech)
    after = [line.split('"')[1] for line in read.split("\n") if line.startswith("    after:")]
    assert after == ["Early."] * 4 + ["First."] * 2 + ["Later."] * 4
    assert speech.times == 1
