"""What a visit has on the server's disk: of each kind of files the newest, nothing of a call that was refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from space.visits import Visits


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Visits:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    return Visits(kept_s=3_600)


def asked(visit: str) -> dict[str, Any]:
    return {"request": SimpleNamespace(session_hash=visit), "progress": lambda *_, **__: None}


def made(visits: Visits) -> set[Path]:
    """The folders of all visits that are still there."""
    return {path for path in visits.uploads.iterdir() if path.is_dir()}


def filled(visits: Visits, visit: str | None, kind: str) -> Path:
    with visits.folder(visit, kind) as folder:
        (folder / "file").write_text(kind)
    return folder


def test_a_visit_keeps_one_folder_of_a_kind(visits: Visits) -> None:
    others = {filled(visits, "a", "texts"), filled(visits, "b", "all"), filled(visits, None, "all")}
    first = filled(visits, "a", "all")
    with visits.folder("a", "all") as second:
        assert (first / "file").is_file()  # it may be on its way to the visitor still
    assert made(visits) == {*others, second}
    nobodys = filled(visits, None, "all")  # two programs without a visit may be two people
    assert made(visits) == {*others, second, nobodys}


def test_a_folder_that_is_still_filled_is_left_to_who_fills_it(visits: Visits) -> None:
    with visits.folder("a", "all") as slow:
        quick = filled(visits, "a", "all")
        assert made(visits) == {slow, quick}
    assert made(visits) == {slow}


def test_a_folder_goes_if_filling_it_fails_or_its_visit_ends(visits: Visits) -> None:
    before = filled(visits, "a", "all")
    with pytest.raises(KeyError), visits.folder("a", "all") as folder:
        (folder / "half").write_text("x")
        raise KeyError
    assert made(visits) == {before}
    with visits.folder("a", "all") as folder:
        visits.end("a")
        folder.mkdir()  # as by somebody who writes on
        (folder / "film.mp4").write_text("x")
    assert made(visits) == set()


def test_pressing_again_takes_no_more_room(desk: Any, film: Path, srt: Path, tmp_path: Path) -> None:
    work, _ = desk.describe_film(str(film), str(srt), None, "early", **asked("again"))
    before = made(desk.visits)
    request = asked("again")["request"]
    for _ in range(3):
        texts = desk.export_texts(work, request)
        converted = desk.convert_script(str(srt), ".vtt", request)
        assert all(Path(path).is_file() for path in (*texts, converted))
        assert len(made(desk.visits) - before) == 2
    there = made(desk.visits)
    with pytest.raises(gr.Error, match="99"):
        desk.export_texts({**work, "edits": [{"cue": 99, "field": "text", "before": "a", "after": "b"}]}, request)
    (tmp_path / "empty.srt").write_text("")
    with pytest.raises(gr.Error, match="is no SubRip"):
        desk.convert_script(str(tmp_path / "empty.srt"), ".vtt", request)
    assert made(desk.visits) == there
    desk.visits.end("again")
    assert made(desk.visits) == before


def test_a_cast_lies_on_the_disk_as_long_as_its_film_is_described(
    desk: Any, film: Path, srt: Path, tmp_path: Path
) -> None:
    before = made(desk.visits)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "p.png")
    cast = [str(tmp_path / name) for name in ("cast.json", "p.png")]
    (tmp_path / "cast.json").write_text(json.dumps([{"name": "Mara", "portrait": "portraits/p.png"}]))
    assert desk.describe_film(str(film), str(srt), cast, "early", **asked("cast"))[0]["draft"]
    assert made(desk.visits) == before
    (tmp_path / "cast.json").write_text("[]")
    with pytest.raises(gr.Error, match="holds nobody"):
        desk.describe_film(str(film), str(srt), cast, "early", **asked("cast"))
    assert made(desk.visits) == before
