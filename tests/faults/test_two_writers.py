"""Two processes and one output: the second is refused in one line, and a dead one holds nothing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import jobs
import pytest

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
