"""What Windows and macOS do otherwise: encodings of redirected output, files in folders that were shown, patterns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from typer.testing import CliRunner

from datasets_scripts.one_writer import SHOWN
from datasets_scripts.writers import upload_folder
from distinctad import catalogue_work, cli, features_command, pocket, publish
from distinctad.catalogue_store import Store
from distinctad.pocket import Kind, draw_films

ROOT = Path(__file__).resolve().parents[2]
TEXT_ONLY = Kind(video=False, ads=6)


def left_in(folder: Path) -> None:
    """What a file manager leaves in a folder that it has shown."""
    for name in SHOWN:
        (folder / name).write_bytes(b"\0view")


MAD = """movie,start,end,sentence
0001_Dvořák,1,3,Antonín Dvořák meets Łukasz.
0001_Dvořák,5,5,Łukasz waves.
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("words", "ads.csv", "--json"), "Łukasz"),
        (("data", "validate", "--json", "--allow-refusals", "--annotations", "mad.csv"), "Dvořák"),
    ],
)
def test_json_is_whole_whatever_the_outputs_encoding(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ads = "film,text\nf,Antonín Dvořák meets Łukasz.\nf,Łukasz waves.\n"
    for name, text in (("ads.csv", ads), ("mad.csv", MAD)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    lines = [
        subprocess.run(
            [sys.executable, "-m", "distinctad", *words], cwd=tmp_path, stdout=subprocess.PIPE, check=True, timeout=300,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        ).stdout.decode(encoding)
        for encoding in ("utf-8", "cp1252")
    ]  # fmt: skip
    told = [[json.loads(line) for line in (text.splitlines() if words[0] == "words" else [text])] for text in lines]
    assert told[0] == told[1] and said in json.dumps(told[1], ensure_ascii=False)


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
    assert [name for name, _ in model.files()] == ["README.md"]
    publish.write(folder)
    assert not SHOWN & {path.name for path in folder.rglob("*")}


def test_what_a_file_manager_left_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(**given: Any) -> None:
        there = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
        sent.append(sorted(huggingface_hub.utils.filter_repo_objects(there, ignore_patterns=given["ignore_patterns"])))

    sent: list[list[str]] = []
    api = SimpleNamespace(create_repo=lambda *named, **given: None, upload_folder=keep)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)
    (tmp_path / "data").mkdir()
    ours = ["My.DS_Store", "README.md", "data/README.md"]
    for name in ours:
        (tmp_path / name).write_text("text", encoding="utf-8")
    left_in(tmp_path)
    left_in(tmp_path / "data")
    publish.upload([publish.Part(tmp_path, "lab/x", "dataset")])
    assert [name for name, _ in upload_folder(tmp_path, "lab/x", dry_run=False)] == ours
    assert sent == [ours, ours]


def test_names_with_brackets_are_names(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(cli, "app", lambda **how: given.update(how))
    cli.main()
    assert given["windows_expand_args"] is False  # click's own expansion, on Windows alone, takes [1] for a pattern


def test_features_reads_patterns_that_no_shell_has_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films = ("a.mp4", "b.mp4", "c [1].mp4", "c 1.mp4", "d 1.mp4", ".a.mp4", "e [1]/a.mp4", "e [1]/b.mp4", "e 1/a.mp4")
    for name in films:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def named(*given: str) -> list[str]:
        found = [path for name in given for path in features_command._named(tmp_path / name)]
        return [path.relative_to(tmp_path).as_posix() for path in found]

    monkeypatch.setattr(features_command, "PATTERNS", True)  # as on Windows
    assert named("?.mp4", "c [1]*", "e [1]/*.mp4", "**.mp4")[:5] == [
        "a.mp4", "b.mp4", "c [1].mp4", "e [1]/a.mp4", "e [1]/b.mp4",
    ]  # fmt: skip
    assert ".a.mp4" not in named("*.mp4")  # as a shell has it
    for name in ("c [1].mp4", "d [1].mp4", "x*.mp4", "gone.mp4", "gone/.."):  # the second is not there: no other is it
        assert named(name) == [name]
    monkeypatch.setattr(features_command, "PATTERNS", False)  # a shell has read them: "?" is a letter of the name
    assert named("?.mp4") == ["?.mp4"]


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


def test_films_are_drawn_by_no_more_processes_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, max_workers: int, *_: Any) -> None:
            asked.append(max_workers)
            super().__init__(1)

    monkeypatch.setattr(pocket, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(pocket, "_draw_one", lambda seed, *_: {"seed": seed})
    for films, jobs in ((100, 64), (3, 64), (100, 2)):
        seeds = list(range(films))
        assert sorted(seed for seed, _ in pocket._draw(seeds, tmp_path, TEXT_ONLY, jobs, None)) == seeds
    assert asked == [60, 3, 2]  # Windows' executor takes 61 at most
    for number, said in (("64", "--out is missing"), ("65", "--jobs")):  # what is missing is said after what is wrong
        done = CliRunner().invoke(cli.app, ["pocket", "--jobs", number])
        assert done.exit_code == 2 and said in done.output
