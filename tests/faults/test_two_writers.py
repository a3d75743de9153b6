"""Two processes and one output: the second is refused in one line, and a dead one holds nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import jobs
import pytest

from datasets_scripts import one_writer
from datasets_scripts.one_writer import OutputBusy, only_writer
from distinctad.catalogue_store import Store
from distinctad.errors import UserError
from distinctad.exports import OutputFolder
from train.frame_cache import FrameCache
from train.stops import plain_stops

HOLD = """
import sys, time
from pathlib import Path
from datasets_scripts.one_writer import only_writer
with only_writer(Path(sys.argv[1]), "x"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("job", "lock"),
    [("describe", ("drafts", "descriptions.csv")), ("features", ".x.h5.lock"), ("score", ("s", "scores.json"))],
)
def test_the_second_is_refused_in_one_line(job: str, lock: str | tuple[str, str], inputs: Path, tmp_path: Path) -> None:
    place = tmp_path / lock if isinstance(lock, str) else None
    if place is None:
        place = tmp_path / f"{OutputFolder(tmp_path / lock[0], names=(lock[1],))._mark(tmp_path)}.lock"
    words = [sys.executable, "-c", HOLD, str(place)]
    other = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(UserError) as error:
            jobs.run(job, inputs, tmp_path)
        assert "another process is writing" in str(error.value) and "\n" not in str(error.value)
        assert sorted(p.name for p in tmp_path.iterdir()) == [place.name]  # the first one's work is untouched
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    assert jobs.contents(jobs.run(job, inputs, tmp_path))  # a dead process holds nothing
    assert not place.exists()


def test_two_trainings_into_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with plain_stops(str(tmp_path / "run")):
        with pytest.raises(SystemExit) as end, plain_stops(str(tmp_path / "run")):
            raise RuntimeError("never reached")
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "another process is writing" in said and said.count("\n") == 1
    with plain_stops(str(tmp_path / "run")):
        pass


def test_the_lock_is_let_go_and_taken_again(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    for _ in range(2):
        with only_writer(lock, "x"):
            with pytest.raises(OutputBusy), only_writer(lock, "x"):
                pass
        assert not lock.exists()


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_written_without_one(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with only_writer(tmp_path / "lock", "x"):
        pass
    Store(tmp_path / "catalogue").open({"format": "x"})
    FrameCache(tmp_path / "cache", 10)
    with plain_stops(str(tmp_path / "run")):
        pass
    code = errno.EIO  # any other refusal is none of a missing lock
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), only_writer(tmp_path / "lock", "x"):
        pass


class Windows:
    """In place of its `msvcrt`: a lock on one byte of an open file, of whoever has it open; files open stay there."""

    LK_NBLCK, LK_LOCK = 2, 1

    def __init__(self) -> None:
        self.held: dict[int, tuple[int, int]] = {}  # descriptor -> the file
        self.fail: list[OSError] = []

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert (mode, count, os.lseek(descriptor, 0, os.SEEK_CUR)) == (self.LK_NBLCK, 1, 0)
        if self.fail:
            raise self.fail.pop()
        self.held.pop(descriptor, None)  # of a file that had this number before
        about = os.fstat(descriptor)
        for other, file in list(self.held.items()):
            if not self.is_open(other, file):
                del self.held[other]  # the system lets go when the file is closed
        if (about.st_dev, about.st_ino) in self.held.values():
            raise PermissionError(errno.EACCES, "Permission denied")
        self.held[descriptor] = (about.st_dev, about.st_ino)

    @staticmethod
    def is_open(descriptor: int, file: tuple[int, int]) -> bool:
        try:
            about = os.fstat(descriptor)
        except OSError:
            return False
        return (about.st_dev, about.st_ino) == file

    def unlink(self, path: Path, missing_ok: bool = False) -> None:
        about = path.stat()
        if any(self.is_open(other, (about.st_dev, about.st_ino)) for other in range(3, 200)):
            raise PermissionError(errno.EACCES, "it is open", str(path))
        os.unlink(path)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Windows:
    system = Windows()
    monkeypatch.setitem(sys.modules, "msvcrt", system)
    monkeypatch.setattr(one_writer, "fcntl", None)
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: system.unlink(path, missing_ok))
    return system


def test_on_windows_the_second_is_refused_too(windows: Windows, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    for _ in range(2):
        with only_writer(lock, "x"):
            with pytest.raises(OutputBusy), only_writer(lock, "x"):
                pass
            assert lock.exists()
        assert not lock.exists()
    lock.write_text("of a process that was killed")
    with pytest.raises(RuntimeError, match="mine"), only_writer(lock, "x"):
        raise RuntimeError("mine")
    assert not lock.exists()
    with contextlib.ExitStack() as other:
        with only_writer(lock, "x"):
            other.enter_context(lock.open("ab"))  # it is about to lock it, and will remove it
        assert lock.exists()


def test_on_windows_no_living_runs_work_is_swept(windows: Windows, tmp_path: Path) -> None:
    with OutputFolder(tmp_path) as first:
        first.write({"descriptions.csv": "a"})
        work = {path.name for path in tmp_path.iterdir()}
        with pytest.raises(UserError, match="another process is writing"):
            OutputFolder(tmp_path, overwrite=True).__enter__()
        assert {path.name for path in tmp_path.iterdir()} == work
    assert [path.name for path in tmp_path.iterdir()] == ["descriptions.csv"]


def test_on_windows_a_lock_is_waited_for(windows: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(one_writer.time, "sleep", slept.append)
    (tmp_path / "file").write_text("7")
    with (tmp_path / "file").open("r+") as file:
        windows.fail = [PermissionError(errno.EACCES, "Permission denied") for _ in range(3)]
        assert file.read(1) == "7" and one_writer.lock_file(file, wait=True) and len(slept) == 3
        assert file.tell() == 1  # the place in the file is the caller's
        windows.fail = [PermissionError(errno.EACCES, "Permission denied")]
        assert not one_writer.lock_file(file)
    windows.held.clear()
    windows.fail = [OSError(errno.EINVAL, "Invalid argument")]  # how its file systems without locks answer
    with only_writer(tmp_path / "lock", "x"):
        assert not windows.held
    windows.fail = [OSError(errno.EIO, "bad disk")]
    with pytest.raises(OSError, match="bad disk"), only_writer(tmp_path / "lock", "x"):
        pass
