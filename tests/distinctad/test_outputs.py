"""What an output may take the place of, and what is said where the system refuses a path or the output itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any, Literal

import pytest
from stand_ins import FakePipe, write_film
from typer.testing import CliRunner

from datasets_scripts.mad_features import write_features
from datasets_scripts.pocket.layouts import write_annotations
from datasets_scripts.pocket.story import make_film
from distinctad import catalogue_command, exports
from distinctad.catalogue_work import FilmWorker
from distinctad.cli import app
from distinctad.describe import describe
from distinctad.errors import UserError
from distinctad.features import encode_films, find_films
from distinctad.plan import Settings, sha256_of

ROOT = Path(__file__).parents[2]
LONG = "x" * 300
SRT = "1\n00:00:03,000 --> 00:00:05,000\nHello.\n"
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")


def refused(*words: object) -> str:
    """The one line that a refusal is, after warnings."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), (result.output, result.exception)
    lines = [line for line in result.stderr.splitlines() if not line.startswith("Warning: ")]
    assert len(lines) == 1 and lines[0].startswith("Error: "), result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pocket")
    write_annotations([make_film(seed, "clear", 20) for seed in (3,)], folder)
    return folder


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_features_never_take_the_place_of_anything_else(film: Path, tmp_path: Path, more: list[str]) -> None:
    own, other = tmp_path / "own.mp4", tmp_path / "letter.mp4"
    own.write_bytes(film.read_bytes())
    other.write_text("mine")
    (tmp_path / "link.mp4").symlink_to(own)
    for out in (own, tmp_path / "link.mp4"):
        assert "is the film" in refused("features", own, "--out", out, *more)
    assert "not a whole HDF5 file" in refused("features", own, "--out", other, *more)
    assert "is a folder, not a file" in refused("features", own, "--out", ".", *more)
    assert own.read_bytes() == film.read_bytes() and other.read_text() == "mine"


@pytest.mark.parametrize("export", ["text", "all"])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("read", ["film", "subtitles", "cast"])
def test_what_describe_reads_is_never_written_over(
    film: Path, tmp_path: Path, pipe: FakePipe, export: Literal["text", "all"], overwrite: bool, read: str
) -> None:
    """It may have the name of a file of `--export all`; with "text" those go too where an earlier run's files lie."""
    given = {"film": film, "subtitles": tmp_path / "lines.vtt", "cast": tmp_path / "cast.csv"}
    given["subtitles"].write_text("WEBVTT\n\n00:03.000 --> 00:05.000\nHello.\n")
    given["cast"].write_text("name\nMara\n")
    describe(film, tmp_path, pipe=pipe)
    names = {"film": "described.mp4", "subtitles": "described.captions.vtt", "cast": "descriptions.csv"}
    own, everybody = tmp_path / names[read], Settings(characters="all")
    own.write_bytes(given[read].read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=f"{own.name}' is to be read and would be replaced or removed"):
        describe(
            **{**given, read: own}, out=tmp_path, settings=everybody, pipe=pipe, export=export, overwrite=overwrite
        )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_same_times_are_described_again(film: Path, tmp_path: Path, pipe: FakePipe) -> None:
    """They are read before anything is written: a table of an earlier run gives way to the one that it asked for."""
    times, first = tmp_path / exports.FILES[0], describe(film, tmp_path, pipe=pipe)
    asked = sha256_of(times)
    with pytest.raises(UserError, match=f"holds {times.name} already"):
        describe(film, tmp_path, intervals=times, pipe=pipe)
    other = FakePipe(lambda index, _: f"Another thing happens, number {index}.")
    again = describe(film, tmp_path, intervals=times, pipe=other, overwrite=True)
    assert again.document["intervals"]["sha256"] == asked != sha256_of(times)
    assert [(cue["start_s"], cue["end_s"]) for cue in again.cues] == [(c["start_s"], c["end_s"]) for c in first.cues]
    assert "Another thing happens, number 0." in times.read_text()


def test_plan_never_writes_over_the_subtitles_that_it_reads(film: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.ttml"
    lines.write_text("<tt/>")
    assert "lines.ttml' is to be read" in refused("plan", film, "--subtitles", lines, "--out", lines, "--overwrite")
    assert lines.read_text() == "<tt/>"


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_the_film_that_cannot_be_looked_at_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "x.csv").write_text("mine")
    monkeypatch.chdir(tmp_path)
    said = refused("plan", f"{LONG}.mp4", "--out", "o/x.csv", *more)
    assert re.search(r"'x{60,}.*File name too long" if more else "holds x.csv already", said), said
    assert not more or "output folder" not in said
    assert (tmp_path / "o" / "x.csv").read_text() == "mine"


def test_features_that_nobody_can_place_are_not_overwritten(film: Path, tmp_path: Path) -> None:
    import h5py
    import numpy as np

    with h5py.File(tmp_path / "mad.h5", "w") as file:
        file["1"] = np.zeros((3, 16), np.float32)
    with pytest.raises(UserError, match="which tower made it"):
        encode_films([film], tmp_path / "mad.h5", overwrite=True)


def test_a_films_name_is_composed_as_tables_have_it(tmp_path: Path) -> None:
    write_film(tmp_path / unicodedata.normalize("NFD", "Müller.mp4"), 1.0, audio=False)
    assert [job.film for job in find_films([tmp_path], 5.0)] == [unicodedata.normalize("NFC", "Müller")]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, whole = tmp_path / "closed", os.scandir
    for name in ("closed", ".hidden"):
        (tmp_path / name).mkdir()
    write_film(closed / "b.mp4", 1.0, audio=False)

    def scan(path: Any = ".") -> Any:
        if Path(path).name in ("closed", ".hidden"):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert "holds no video" in refused("features", tmp_path, "--dry-run")
    monkeypatch.setattr(os, "scandir", whole)
    looked = os.stat

    def look(path: Any, **more: Any) -> Any:
        if "closed" in Path(path).parts[:-1] or str(path).endswith("closed/."):  # it may be listed, not entered
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path, **more)

    monkeypatch.setattr(os, "stat", look)
    assert "holds no video" in refused("features", tmp_path, "--dry-run")
    write_film(tmp_path / "a.mp4", 1.0, audio=False)
    result = CliRunner().invoke(app, ["features", str(tmp_path), "--dry-run"])
    assert result.exit_code == 0 and "1 film(s)" in result.output
    said = f"Warning: the folder '{closed}' cannot be read (Permission denied), its films are left out\n"
    assert result.stderr == said


def test_a_summary_in_use_costs_no_report(
    film: Path, tmp_path: Path, pipe: FakePipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, replace = tmp_path / "out", Path.replace
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.mp4").write_bytes(film.read_bytes())

    def run(films: Any, job: Any, *_: Any) -> Any:
        return (FilmWorker(job, pipe).do(film) for film in films)

    def refuse(path: Path, target: Path) -> Path:  # as Windows does while a spreadsheet has it open
        if target.name == "summary.csv":
            raise PermissionError(13, "Permission denied", str(target))
        return replace(path, target)

    monkeypatch.setattr(catalogue_command, "run_local", run)
    monkeypatch.setattr(Path, "replace", refuse)
    words = ["catalogue", str(tmp_path / "films"), "--out", str(out), "--device", "cpu"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2 and "this run: 1 done, 0 finished before, 0 failed" in result.stdout, result.output
    line = result.stderr.splitlines()[-1]
    assert f"'{out / 'summary.csv'}' cannot be replaced (Permission denied). Close what has it open" in line
    assert (out / "manifest.json").is_file() and not list(out.glob(".summary*"))
    monkeypatch.setattr(Path, "replace", replace)
    assert CliRunner().invoke(app, words).exit_code == 0
    assert "a.mp4,done," in (out / "summary.csv").read_text()


def test_fsync_gets_a_file_that_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses others."""
    import numpy as np

    fcntl = pytest.importorskip("fcntl")

    def sync(descriptor: int) -> None:
        assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY

    monkeypatch.setattr(os, "fsync", sync)
    write_features(tmp_path / "x.h5", {"fps": 2.0}, {"f": (np.ones((4, 2), np.float32), {})})
    assert (tmp_path / "x.h5").is_file()


def test_a_picture_is_not_overwritten_unasked(pocket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "taken.png"
    picture.write_text("mine")
    words = ["data", "stats", "--annotations", pocket, "--out", picture]
    assert "holds taken.png already. Add --overwrite" in refused(*words)
    from matplotlib.figure import Figure

    def half(self: Figure, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"\x89PN")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Figure, "savefig", half)
        assert "No space left" in refused(*words, "--overwrite")
    assert picture.read_text() == "mine" and [path.name for path in tmp_path.iterdir()] == ["taken.png"]
    assert CliRunner().invoke(app, [str(word) for word in [*words, "--overwrite"]]).exit_code == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_broken_link_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT)
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere.csv")
    assert "holds link.csv already" in refused("convert", tmp_path / "a.srt", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink() and not (tmp_path / "nowhere.csv").exists()


@pytest.mark.parametrize("option", ["bank", "keys", "portraits"])
def test_what_a_pocket_set_would_not_read_is_refused(pocket: Path, tmp_path: Path, option: str) -> None:
    given = ["--annotations", pocket, "--out", tmp_path / "new", f"--{option}", tmp_path / "none"]
    assert f"--{option} is given, but pocket films hold their cast" in refused("data", "build", *given)
    assert not list(tmp_path.iterdir())


def test_the_folder_that_one_is_in_is_not_replaced(
    pocket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "'.' is the folder that this runs in" in refused("data", "build", "--annotations", pocket, "--out", ".")
    assert "'.' is the folder that you are in" in refused("publish", ".", "--dry-run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ["features", LONG, "--dry-run"],
        ["catalogue", LONG, "--dry-run"],
        ["describe", "{film}", "--out", LONG],
        ["describe", "{film}", "--out", "new", "--model", LONG],
        ["data", "validate", "--annotations", LONG],
        ["data", "stats", "--annotations", LONG],
        ["data", "build", "--annotations", "{pocket}", "--out", LONG],
        ["publish", LONG, "--dry-run"],
    ],
)
def test_a_path_that_the_system_refuses_is_one_line(
    film: Path, pocket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refused(*(word.format(film=film, pocket=pocket) for word in words))
    assert "xxx...' cannot be used (File name too long). Check the path and your rights." in said
    assert not list(tmp_path.iterdir())


def run(*words: object, stdout: Any, unbuffered: str = "") -> tuple[int, str]:
    """The command in a process of its own: exit code and error stream."""
    command, how = (
        [sys.executable, "-m", "distinctad", *map(str, words)],
        {**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    done = subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=300, env=how)
    return done.returncode, done.stderr


@full
@pytest.mark.parametrize(("word", "unbuffered"), [("--help", ""), ("--version", ""), ("--version", "1")])
def test_an_output_that_is_full_is_one_line(word: str, unbuffered: str) -> None:
    with open("/dev/full", "w") as nowhere:
        said = run(word, stdout=nowhere, unbuffered=unbuffered)
    line = "Error: the output cannot be written (No space left on device). Check where it goes, and the disk.\n"
    assert said == (2, line)


@full
def test_a_plan_is_written_though_its_report_cannot_be(film: Path, tmp_path: Path) -> None:
    (tmp_path / "s.srt").write_text(SRT)
    words = ["plan", film, "--subtitles", tmp_path / "s.srt", "--no-shots", "--out"]
    with open("/dev/full", "w") as nowhere:
        code, said = run(*words, tmp_path / "a.csv", stdout=nowhere)
    assert code == 2 and said.count("\n") == 1 and "the output cannot be written" in said
    reader, writer = os.pipe()
    os.close(reader)
    assert run(*words, tmp_path / "b.csv", stdout=writer) == (1, "")  # nobody reads: quietly, as `| head` asks
    os.close(writer)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() != b""


def children(pid: int) -> list[int]:
    """The processes of a pool that a process has started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not list its processes")
def test_workers_of_pocket_end_with_their_parent(tmp_path: Path) -> None:
    words = ["pocket", "--out", tmp_path / "films", "--films", 2, "--jobs", 2, "--ads", 200]  # minutes of work
    parent = subprocess.Popen([sys.executable, "-m", "distinctad", *map(str, words)], cwd=ROOT)
    workers: list[int] = []
    try:
        deadline = time.monotonic() + 240
        while len(list((tmp_path / "films").glob("film_*/*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        workers = children(parent.pid)
        assert len(workers) == 2 and all(map(lives, workers))
        parent.kill()
        parent.wait()
        while any(map(lives, workers)) and time.monotonic() < deadline:
            time.sleep(0.1)
            if time.monotonic() > deadline - 180:
                break
        assert not any(map(lives, workers))
    finally:
        parent.kill()
        for worker in filter(lives, workers):
            os.kill(worker, signal.SIGKILL)
