"""What Windows and macOS do otherwise: encodings of redirected output, files in folders that were shown, patterns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from datasets_scripts.one_writer import SHOWN
from distinctad import catalogue_work, cli, features_command, publish
from distinctad.catalogue_store import Store
from distinctad.pocket import Kind, draw_films

ROOT = Path(__file__).resolve().parents[2]
TEXT_ONLY = Kind(video=False, ads=6)


def left_in(folder: Path) -> None:
    """What a file manager leaves in a folder that it has shown."""
    for name in SHOWN:
        (folder / name).write_bytes(b"\0view")


def test_json_is_whole_whatever_the_outputs_encoding(tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    path.write_text("film,text\nf,Antonín Dvořák meets Łukasz.\nf,Łukasz waves.\n", encoding="utf-8")
    command = [sys.executable, "-m", "distinctad", "words", str(path), "--json"]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=300,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )  # fmt: skip
    first = json.loads(done.stdout.decode("utf-8").splitlines()[0])
    assert "Dvořák" in json.dumps(first, ensure_ascii=False) and "?" not in done.stdout.decode("utf-8")


def test_pocket_films_go_on_in_a_folder_that_was_shown(tmp_path: Path) -> None:
    left_in(tmp_path)
    assert draw_films([1], tmp_path, TEXT_ONLY).drawn == [1]
    assert draw_films([1, 2], tmp_path, TEXT_ONLY).drawn == [2]


def test_a_catalogue_opens_a_folder_that_was_shown(tmp_path: Path) -> None:
    left_in(tmp_path)
    Store(tmp_path).open({"format": "x", "format_version": 1})
    assert (tmp_path / "settings.json").is_file()


def test_what_is_published_may_be_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one(folder: Path, *_: Any) -> None:
        folder.mkdir(parents=True)
        (folder / "README.md").write_text("text", encoding="utf-8")

    monkeypatch.setattr(publish, "write_model", lambda checkpoint, folder, repository: one(folder))
    monkeypatch.setattr(publish, "write_metric", lambda name, folder, owner: one(folder))
    monkeypatch.setattr(publish, "write_space", one)
    monkeypatch.setattr(publish, "write_dataset", one)
    folder = tmp_path / "hub"
    folder.mkdir()
    left_in(folder)
    model = publish.write(folder)[0]
    left_in(folder)
    left_in(model.folder)
    assert [name for name, _ in model.files()] == ["README.md"]  # and so nothing else is sent
    publish.write(folder)
    assert not SHOWN & {path.name for path in folder.rglob("*")}


def test_names_with_brackets_are_names(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(cli, "app", lambda **how: given.update(how))
    cli.main()
    assert given["windows_expand_args"] is False  # click's own expansion, on Windows alone, takes [1] for a pattern


def test_features_reads_patterns_that_no_shell_has_read(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c [1].mp4", "c 1.mp4"):
        (tmp_path / name).touch()
    named = features_command._named
    assert [path.name for path in named(tmp_path / "?.mp4")] == ["a.mp4", "b.mp4"]
    assert [path.name for path in named(tmp_path / "c [1].mp4")] == ["c [1].mp4"]  # there is such a file
    for missing in (tmp_path / "x*.mp4", tmp_path / "gone" / "..", Path("gone.mp4")):
        assert named(missing) == [missing]


def test_no_more_processes_than_the_system_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    crew: list[int] = []

    def hand(job: Any, number: int) -> Any:
        crew.append(number)
        return SimpleNamespace(task=None, end=lambda: None)

    monkeypatch.setattr(catalogue_work, "_Hand", hand)
    monkeypatch.setattr(catalogue_work, "MOST_WORKERS", 3)
    monkeypatch.setattr(catalogue_work, "deque", lambda films: [])
    job: Any = None
    assert list(catalogue_work.run_local([job] * 9, job, workers=200)) == [] and crew == [0, 1, 2]
