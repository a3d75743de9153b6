from __future__ import annotations

import contextlib
import csv
import html
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from distinctad import exports
from distinctad.errors import UserError
from distinctad.exports import FILES, REVIEW, OutputFolder, clean_text, texts_of, to_json
from distinctad.formats import table
from distinctad.score_rows import read_csv_rows

HASH = "0" * 64


def document(*texts: str) -> dict[str, Any]:
    cues = [
        {
            "index": i + 1, "start_s": 3600.0 * i + 0.5, "end_s": 3600.0 * i + 2.125, "text": text,
            "characters": ["Mara", "Joël"],
            "provenance": {
                "origin": "gap", "line": None, "window": 0, "position": i, "frames_s": [1.0], "text_from": "model",
            },
        }
        for i, text in enumerate(texts)
    ]  # fmt: skip
    return {
        "format": "distinctad.descriptions", "format_version": 1, "review": REVIEW, "language": "en",
        "film": {"name": "a.mp4", "sha256": HASH, "duration_s": 9.0, "frame_rate_hz": 24.0, "width": 4, "height": 2,
                 "has_audio": True},
        "intervals": {"origin": "gap", "file": "a.srt", "sha256": HASH,
                      "rules": {"min_gap_s": 1.2, "guard_s": 0.15, "max_length_s": 6.0, "even_s": 4.0}},
        "cast": [{"id": "p1", "name": "Mara", "actor": "", "portrait_sha256": None}],
        "model": {"name": "m", "sha256": None},
        "generation": {"characters": "all", "max_people": 3, "num_beams": None, "seed": 0, "device": "cpu",
                       "dtype": "float32", "batch_windows": 1, "versions": {}},
        "warnings": [], "cues": cues,
    }  # fmt: skip


def test_every_export_by_hand() -> None:
    made = document("Mara picks up the cup.", "She <i>runs</i> & falls --> over.")
    csv_text, _, srt, vtt = texts_of(made).values()
    assert csv_text == (
        "film,index,start,end,text,characters\n"
        "a.mp4,1,0.500,2.125,Mara picks up the cup.,Mara; Joël\n"
        "a.mp4,2,3600.500,3602.125,She <i>runs</i> & falls --> over.,Mara; Joël\n"
    )
    assert srt == (
        "1\n00:00:00,500 --> 00:00:02,125\nMara picks up the cup.\n\n"
        "2\n01:00:00,500 --> 01:00:02,125\nShe <i>runs</i> & falls --> over.\n"
    )
    assert vtt == (
        f"WEBVTT\nKind: descriptions\nLanguage: en\n\nNOTE {REVIEW}\n\n"
        "1\n00:00:00.500 --> 00:00:02.125\nMara picks up the cup.\n\n"
        "2\n01:00:00.500 --> 01:00:02.125\nShe &lt;i&gt;runs&lt;/i&gt; &amp; falls --&gt; over.\n"
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=40).map(clean_text).filter(bool), min_size=1, max_size=3))
def test_what_is_written_can_be_read_again(texts: list[str]) -> None:
    made = document(*texts)
    csv_text, json_text, srt, vtt = texts_of(made).values()
    assert [cue.text for cue in table.read(csv_text, "it").cues] == texts
    assert [cue["text"] for cue in json.loads(json_text)["cues"]] == texts
    track = webvtt.from_string(vtt)
    assert [html.unescape(caption.raw_text) for caption in track] == texts
    assert [caption.start_in_seconds for caption in track] == [3600 * i for i in range(len(texts))]
    events = pysubs2.SSAFile.from_string(srt, "srt").events
    assert [(event.start, event.end) for event in events] == [
        (3_600_000 * i + 500, 3_600_000 * i + 2125) for i in range(len(texts))
    ]


def test_the_schema_holds_its_own_rules_and_refuses_others() -> None:
    schema = json.loads(exports.SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    to_json(document("A."))
    for change in (
        {"cues": []}, {"made_at": "2026-01-01"}, {"review": "checked"}, {"format_version": 2},
        {"model": {"name": "m", "sha256": "x"}}, {"film": {**document("A.")["film"], "name": "/home/a.mp4"}},
    ):  # fmt: skip
        with pytest.raises(jsonschema.ValidationError):
            to_json({**document("A."), **change})
    with pytest.raises(jsonschema.ValidationError):
        to_json(document(""))


def test_clean_text() -> None:
    assert clean_text(" Mara\n\n runs.\x00\u200b\t ") == "Mara runs."
    assert clean_text("\n \x07") == ""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\u0645\u06cc\u200c\u0631\u0648\u062f", None),  # Persian: two parts of one word
        ("\u0dc1\u0dca\u200d\u0dbb\u0dd3", None),  # Sinhala: one letter
        ("\U0001f469\u200d\U0001f680 waves", None),
        ("RTL\u200f!", None),
        ("\U0001fae8 shakes", None),  # newer than this Python may know
        ("co\u00adoperate", "cooperate"),
        ("\u202eabc\u202c \ufeffd", "abc d"),
        ("a\ufffeb\ue000c\x85d", "a b c d"),
        ("\u200d \u200f", ""),
    ],
)
def test_joiners_inside_words_stay_and_nothing_invisible_else(text: str, kept: str | None) -> None:
    assert clean_text(text) == (text if kept is None else kept)


def test_no_cell_of_the_table_is_a_formula_and_all_come_back(tmp_path: Path) -> None:
    texts = ["=1+1", "-2+3", "@SUM(1)", "+5", "'=x", "''=x", "'tis", "She runs."]
    made = document(*texts)
    made["film"]["name"] = '=HYPERLINK("#a")'
    made["cues"][0]["characters"] = ["=cmd", "Mara"]
    written = texts_of(made)["descriptions.csv"]
    rows = list(csv.DictReader(io.StringIO(written)))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    script = table.read(written, "it")
    assert [cue.text for cue in script.cues] == texts and script.title == made["film"]["name"]
    assert script.cues[0].characters == ("=cmd", "Mara")
    (tmp_path / "told.csv").write_text(written, encoding="utf-8")
    scored = read_csv_rows(tmp_path / "told.csv", ("text",))
    assert [row.text for row in scored] == texts and scored[0].film == made["film"]["name"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_files_appear_at_once(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with OutputFolder(out) as folder:
        assert not out.parent.exists()
        assert folder.write({name: name for name in FILES}) == [out / name for name in FILES]
    assert names(tmp_path) == ["new"] and names(out) == sorted(FILES)
    assert (out.stat().st_mode & 0o777) == ((tmp_path / "new").stat().st_mode & 0o777)  # no private work folder's mode


@pytest.mark.parametrize("there", [False, True])
def test_an_error_leaves_nothing(tmp_path: Path, there: bool) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()
        (out / "mine.txt").write_text("kept")
    with pytest.raises(RuntimeError, match="broken"), OutputFolder(out):
        raise RuntimeError("broken")
    assert names(tmp_path) == (["out"] if there else [])
    assert not there or names(out) == ["mine.txt"]


def test_an_earlier_run_is_kept_unless_told(tmp_path: Path) -> None:
    (tmp_path / FILES[0]).write_text("old")
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match="holds descriptions.csv already. .* or give another place"):
        OutputFolder(tmp_path).__enter__()
    with pytest.raises(UserError, match="Add --overwrite, or give another --out"):
        OutputFolder(tmp_path, place="another --out").__enter__()  # only the caller knows which options there are
    assert (tmp_path / FILES[0]).read_text() == "old"
    with OutputFolder(tmp_path, overwrite=True) as folder:
        folder.write({name: "new" for name in FILES})
    assert (tmp_path / FILES[0]).read_text() == "new" and names(tmp_path) == sorted([*FILES, "mine.txt"])


@pytest.mark.parametrize("where", ["file", "file/below/out", "nul\0", "x" * 300 + "/out", FILES[1]])
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / FILES[1]).mkdir()
    target = tmp_path / "taken" if where == FILES[1] else tmp_path / where
    with pytest.raises(UserError) as caught, OutputFolder(target, overwrite=True) as folder:
        folder.write({name: "" for name in FILES})
    assert "output" in str(caught.value) and names(tmp_path) == ["file", "taken"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports.os, "fsync", full)
    with pytest.raises(UserError, match="No space left"), OutputFolder(tmp_path / "out") as folder:
        folder.write({name: "x" for name in FILES})
    assert names(tmp_path) == []


def in_use(monkeypatch: pytest.MonkeyPatch, name: str, copies: bool) -> None:
    """As on Windows while another program has a file open: nothing takes its place and nobody removes it."""
    replace, unlink, copy = os.replace, Path.unlink, shutil.copyfile

    def checked(path: Any) -> Any:
        if Path(path).name == name and ".partial" not in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return path

    monkeypatch.setattr(os, "replace", lambda source, target: replace(source, checked(target)))
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: unlink(checked(path), missing_ok))
    if not copies:
        monkeypatch.setattr(shutil, "copyfile", lambda path, *more, **how: copy(checked(path), *more, **how))


@pytest.mark.parametrize("kept", ["links", "copies", "neither"])
@pytest.mark.parametrize("name", [FILES[0], FILES[2], FILES[3], "made.mp4", "gone.html"])
def test_a_file_in_use_leaves_the_whole_earlier_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kept: str
) -> None:
    there, written = (*FILES[1:], "made.mp4", "gone.html", "sent.html"), (*FILES, "made.mp4")
    for file in there:  # the first is new this time
        (tmp_path / file).write_text(f"old {file}")
    (tmp_path / FILES[1]).unlink()
    (tmp_path / FILES[1]).symlink_to("nowhere.json")
    before = {path.name: os.readlink(path) if path.is_symlink() else path.read_bytes() for path in tmp_path.iterdir()}
    if kept != "links":
        monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(95, "not supported")))
    in_use(monkeypatch, name, kept == "copies")
    with pytest.raises(UserError) as caught, OutputFolder(tmp_path, True, [*written, *there]) as folder:
        folder.write(dict.fromkeys(FILES, "new"), {"made.mp4": lambda path: path.write_text("new")})
    said = str(caught.value)
    assert f"'{tmp_path / name}'" in said and "Close what has it open, or give another place" in said
    after = {path.name: os.readlink(path) if path.is_symlink() else path.read_bytes() for path in tmp_path.iterdir()}
    assert after == before  # no work folder is left either
    monkeypatch.undo()
    with OutputFolder(tmp_path, True, [*written, *there]) as folder:
        folder.write(dict.fromkeys(FILES, "new"), {"made.mp4": lambda path: path.write_text("new")})
    assert names(tmp_path) == sorted(written) and {path.read_text() for path in tmp_path.iterdir()} == {"new"}


@pytest.mark.parametrize("step", range(5))
def test_a_kill_while_files_are_replaced_leaves_each_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """What lies there just before every step of an overwrite: a kill leaves no file missing or half written."""
    out, seen = tmp_path / "out", list[dict[str, str]]()
    out.mkdir()
    for name in FILES:
        (out / name).write_text("old")
    replace = os.replace

    def look(source: Any, target: Any) -> None:
        seen.append({path.name: path.read_text() for path in out.iterdir() if path.is_file() and path.name in FILES})
        if len(seen) == step:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    with contextlib.suppress(KeyboardInterrupt), OutputFolder(out, overwrite=True) as folder:
        folder.write(dict.fromkeys(FILES, "new"))
    assert seen and all(set(files) == set(FILES) and set(files.values()) <= {"old", "new"} for files in seen)
    assert names(out) == sorted(FILES) and len({path.read_text() for path in out.iterdir()}) == 1  # all of one run
