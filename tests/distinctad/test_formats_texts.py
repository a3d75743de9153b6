"""What text formats (WebVTT, SubRip, CSV) leave open: languages, hours, numbers in texts, whether a person looked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from distinctad.cli import app
from distinctad.errors import UserError
from distinctad.formats import subrip
from distinctad.formats.convert import READERS, WRITERS, convert, read_script
from distinctad.formats.script import Script, ScriptCue


@pytest.mark.parametrize(
    ("header", "language", "noted"),
    [
        ("Language: en_US", "en-US", ""), ("Language:de", "de", ""), ("Kind: descriptions", "en", ""),
        ("Language: English US", "und", "'English US'"), ("Language:", "und", "''"), ("Language: ", "und", "''"),
    ],
)  # fmt: skip
def test_a_language_that_is_none_is_not_written(tmp_path: Path, header: str, language: str, noted: str) -> None:
    (tmp_path / "a.vtt").write_text(f"WEBVTT\n{header}\n\n00:01.000 --> 00:02.000\nHe runs.\n")
    notes: list[str] = []
    assert convert(tmp_path / "a.vtt", tmp_path / "b.xml", notes=notes) == []
    assert read_script(tmp_path / "b.xml").language == language
    said = f"its language is {noted}, expected a tag like en or de-CH; und (not known) is taken"
    assert notes == ([f"the script 'a.vtt': {said}"] if noted else [])
    assert convert(tmp_path / "a.vtt", tmp_path / "b.srt") == ([] if language in ("en", "und") else ["language"])


def test_subrip_goes_beyond_99_hours() -> None:
    one = Script((ScriptCue(359_999_999, 360_010_000, "He runs."), ScriptCue(999_999_000, 1_000_000_000, "He sits.")))
    written = subrip.write(one)
    assert "99:59:59,999 --> 100:00:10,000" in written and "277:46:39,000 --> 277:46:40,000" in written
    assert subrip.read(written, "a.srt") == one


def test_what_no_script_lasts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n1000:00:01,000 --> 1000:00:02,000\nHe runs.\n")
    with pytest.raises(UserError, match="a cue that ends after 277 hours"):
        read_script(tmp_path / "a.srt")


@pytest.mark.parametrize(
    ("end", "text"),
    [
        ("", "The sign reads\n1984"), ("\n\n", "The sign reads\n1984"), ("\n\n3\n", "The sign reads\n1984"),
        ("", "1984"), ("\n\n3", "1984"), ("\n", "C:\\New\\nothing \\\\ \\h"),
    ],
)  # fmt: skip
def test_every_word_of_subrip_is_read(end: str, text: str) -> None:
    times = "00:00:0{0},000 --> 00:00:0{0},500"
    read = subrip.read(f"1\n{times.format(1)}\n{text}\n\n2\n{times.format(2)}\n{text}{end}", "a.srt")
    assert [cue.text for cue in read.cues] == [text, text]


@pytest.mark.parametrize("times", ["00:00:05:500 --> 00:00:09:000", " 00:05,500 --> 00:09,000"])
def test_times_of_subrip_that_cannot_be_read_are_no_words(times: str) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nGo --> left.\n"
    assert [cue.text for cue in subrip.read(text, "a.srt").cues] == ["Go --> left."]
    with pytest.raises(UserError, match=f"line 6 of the script 'a.srt' .*'{times.strip()}'. Write it like"):
        subrip.read(f"{text}\n2\n{times}\nHe sits.\n", "a.srt")


def test_whoever_converts_may_say_the_language(tmp_path: Path) -> None:
    """SubRip holds none: a Spanish script was tagged as English, and a screen reader would read it so."""
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nElla corre.\n", encoding="utf-8")
    convert(tmp_path / "a.srt", tmp_path / "b.xml")
    assert read_script(tmp_path / "b.xml").language == "en"
    convert(tmp_path / "a.srt", tmp_path / "c.dapt.xml", language="es-MX")
    assert read_script(tmp_path / "c.dapt.xml").language == "es-MX"
    convert(tmp_path / "c.dapt.xml", tmp_path / "d.vtt")
    assert "Language: es-MX" in (tmp_path / "d.vtt").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="--language is 'Spanish, I think'.*like en, es"):
        convert(tmp_path / "a.srt", tmp_path / "e.xml", language="Spanish, I think")
    assert not (tmp_path / "e.xml").exists()


UNKNOWN = "review status unknown: check every line"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.srt", "1\n00:00:01,000 --> 00:00:02,000\nHe runs.\n"), ("a.csv", "start,end,text\n1,2,He runs.\n")],
)
def test_who_gets_a_script_learns_that_nobody_knows_who_looked_at_it(tmp_path: Path, name: str, content: str) -> None:
    """The note that a draft is one stays behind in SubRip and CSV; what is made of them must not pass for reviewed."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    for kind in WRITERS:
        assert convert(tmp_path / name, tmp_path / f"b{kind}") == []
    assert f"\n{UNKNOWN}\n" in (tmp_path / "b.txt").read_text(encoding="utf-8")
    assert f"NOTE {UNKNOWN}\n" in (tmp_path / "b.vtt").read_text(encoding="utf-8")
    for kind in (".vtt", ".xml", ".ttml", ".json"):
        assert read_script(tmp_path / f"b{kind}").note == UNKNOWN


def test_what_a_source_says_of_review_is_kept(tmp_path: Path) -> None:
    for note in ("NOTE unreviewed machine draft\n\n", ""):  # a format that can say so and does not: somebody's own
        (tmp_path / "a.vtt").write_text(f"WEBVTT\n\n{note}00:01.000 --> 00:02.000\nHe runs.\n", encoding="utf-8")
        convert(tmp_path / "a.vtt", tmp_path / "b.xml", overwrite=True)
        assert read_script(tmp_path / "b.xml").note == note[5:].strip()


def test_help_and_errors_name_the_same_endings(tmp_path: Path) -> None:
    def refused(*names: str) -> str:
        return " ".join(CliRunner().invoke(app, ["convert", *(str(tmp_path / name) for name in names)]).stderr.split())

    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHe runs.\n", encoding="utf-8")
    endings = ".srt, .vtt, .csv, .json, .dapt.xml or .ttml"
    said = " ".join(CliRunner().invoke(app, ["convert", "--help"]).output.split())
    assert f"A script: {endings}." in said and "The same endings, or .txt" in said
    assert f"no ending that is known. Give {endings}." in refused("a.doc", "b.csv")
    assert f"no ending that is known. Give {endings}, or .txt" in refused("a.srt", "b.doc")
    named = {f".{one.rpartition('.')[2]}" for one in endings.replace(" or ", ", ").split(", ")}
    assert named == {*READERS, ".xml", ".ttml"} == {*WRITERS} - {".txt"}
