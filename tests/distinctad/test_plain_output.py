"""Off a terminal no frames and no wrapped cells; the help's examples; the word about the pocket checkpoint."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from public_layouts import small_set, told, write
from stand_ins import FakePipe
from typer.main import get_command
from typer.testing import CliRunner, Result

from distinctad import catalogue_command, cli, loading, show_table
from distinctad.catalogue_work import FilmWorker

ROOT = Path(__file__).parents[2]
FRAME = re.compile("[\u2500-\u257f]")
LONG = "Mara walks " + "past the old mill and the long wall of the garden " * 4 + "and stops."
POCKET = "Warning: the pocket checkpoint knows the project's drawn films only; on a real film its texts are invented"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture
def drafts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stand-in for every model; the folder of the pocket checkpoint."""
    folder = tmp_path / "package" / "checkpoint"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text('{"model_type": "distinctad"}')
    monkeypatch.setattr(loading, "CHECKPOINT", folder)
    pipe = FakePipe(lambda index, options: LONG if index else "She runs.")
    monkeypatch.setattr(loading, "load_pipeline", lambda *_: (pipe, {}))

    def serve(films: Any, job: Any, *_: Any) -> Iterator[Any]:
        return (FilmWorker(job, pipe).do(film) for film in films)

    monkeypatch.setattr(catalogue_command, "run_local", serve)
    return folder


def test_a_cue_is_one_line_without_frames(film: Path, cast: Path, drafts: Path, tmp_path: Path) -> None:
    result = run("describe", film, "--cast", cast, "--every", 4, "--out", tmp_path / "out")
    assert result.exit_code == 0 and not FRAME.search(result.output), (result.output, result.exception)
    title, header, *rows = result.stdout.splitlines()
    assert title == "film_7.mp4" and header.split() == ["#", "start", "end", "description", "in", "the", "prompt"]
    assert [re.split(" {2,}", row) for row in rows[:2]] == [
        ["1", "0:00:00.000", "0:00:04.000", "She runs.", "Mara, Joël"],
        ["2", "0:00:04.000", "0:00:08.000", LONG, "Mara, Joël"],
    ]
    at = header.index("in the prompt")
    assert [row.index("Mara, Joël") for row in rows[:2]] == [at, at]
    assert "unreviewed machine draft: a person must check every description before anyone relies on it" in rows


def test_the_intervals_and_what_films_demand_too(film: Path) -> None:
    planned = run("describe", film, "--dry-run", "--every", 4)
    assert "1  0:00:00.000  0:00:04.000        4.00  even" in planned.stdout.splitlines()
    assert "3 interval(s), 12.0 of 12.0 s; 0 people in the cast" in planned.stdout.splitlines()
    checked = run("pocket", "--check", "--films", 2)
    assert not FRAME.search(planned.output + checked.output)
    assert re.search(r"^distinctive-word recall, clip alone +\d\.\d+", checked.stdout, re.MULTILINE)


def test_a_figure_is_one_line(tmp_path: Path) -> None:
    annotations, rows = small_set(tmp_path)
    given = write(tmp_path / "p.csv", told(rows, imdbid="imdbid", start="start", end="end"))
    how = ("--metrics", "rouge_l,distinctiveness", "--resamples", 20, "--compare", given)
    result = run("score", given, "--annotations", annotations, "--out", tmp_path / "o", *how)
    assert result.exit_code == 0 and not FRAME.search(result.output), result.output
    lines = result.stdout.splitlines()
    assert any(re.match(r"ROUGE-L +100\.0 +100\.0 to 100\.0 +\d.* 32 / 32$", line) for line in lines), lines
    assert any(re.match(r"ROUGE-L +100\.00 +100\.00 +\+0\.00 ", line) for line in lines)
    said = "32 of 32 ADs predicted, 0 missing and 0 empty ones scored as silence (nan and NaN alone count as empty)"
    assert f"{said}; 4 film(s)." in lines


def test_a_terminal_keeps_its_frames(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show_table, "on_terminal", lambda: True)
    assert FRAME.search(run("describe", film, "--dry-run").stdout)


@pytest.mark.parametrize(
    ("stream", "kind", "found"),
    [(True, "xterm", True), (True, None, True), (True, "dumb", False), (False, "xterm", False), (None, "xterm", False)],
)
def test_what_is_a_terminal(stream: bool | None, kind: str | None, found: bool, monkeypatch: Any) -> None:
    class Stream:
        def isatty(self) -> bool:
            return bool(stream)

    monkeypatch.setattr(sys, "stdout", None if stream is None else Stream())
    monkeypatch.delenv("TERM", raising=False)
    if kind is not None:
        monkeypatch.setenv("TERM", kind)
    assert show_table.on_terminal() is found


def test_help_off_a_terminal_has_no_frames() -> None:
    for words in (["describe", "--help"], ["data", "peek"]):  # the second lacks an option
        given = [sys.executable, "-m", "distinctad", *words]
        done = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert "Usage: distinctad" in done.stdout + done.stderr and not FRAME.search(done.stdout + done.stderr)


def test_help_on_a_terminal_keeps_them(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli.app, "rich_markup_mode", None)  # and back to it afterwards
    monkeypatch.setattr(cli, "on_terminal", lambda: True)
    monkeypatch.setattr(sys, "argv", ["distinctad", "convert", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    assert FRAME.search(capsys.readouterr().out)


def test_help_says_what_is_needed_and_gives_an_example_that_is_one() -> None:
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]
    for name in ("describe", "convert", "score"):
        (line,) = (line for line in run(name, "--help").output.splitlines() if "Example: " in line)
        words = shlex.split(line.partition("Example: ")[2])
        assert words[:2] == ["distinctad", name]
        commands[name].make_context(name, words[2:])  # refuses an option that is none and what is missing
    for name in ("describe", "pocket", "catalogue", "features"):
        (option,) = (parameter for parameter in commands[name].params if parameter.name == "out")
        assert f"needed unless --{'check' if name == 'pocket' else 'dry-run'}" in option.help
    for name in ("describe", "catalogue"):
        (option,) = (parameter for parameter in commands[name].params if parameter.name == "model")
        assert "drawn films only" in option.help


def test_who_describes_with_the_pocket_checkpoint_is_told(film: Path, drafts: Path, tmp_path: Path) -> None:
    def told_by(*words: object) -> int:
        result = run("describe", film, *words)
        assert result.exit_code == 0 and POCKET not in result.stdout, (result.output, result.exception)
        return result.stderr.count(POCKET)

    out = ["--out", tmp_path / "out", "--overwrite"]
    (tmp_path / "link").symlink_to(drafts)
    assert told_by(*out) == told_by(*out, "--model", drafts) == told_by(*out, "--model", tmp_path / "link") == 1
    own = tmp_path / "own"
    own.mkdir()
    assert told_by(*out, "--model", own) == told_by(*out, "--model", "owner/name") == told_by("--dry-run") == 0
    assert "drawn films" not in (tmp_path / "out" / "descriptions.json").read_text(encoding="utf-8")


def test_a_catalogue_is_told_once_where_it_described(film: Path, drafts: Path, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "films" / name).write_bytes(film.read_bytes() + name.encode())
    words = ["catalogue", tmp_path / "films", "--device", "cpu", "--out", tmp_path / "out"]
    result = run(*words)
    assert result.exit_code == 0 and result.stderr.count(POCKET) == 1 and POCKET not in result.stdout, result.output
    assert POCKET not in run(*words).output  # nothing was left to describe
