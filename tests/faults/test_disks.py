"""A full or read-only disk: one line for the user, no half-written output, and the same command goes on afterwards."""

from __future__ import annotations

import contextlib
import errno
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jobs
import pytest

from datasets_scripts import one_writer
from distinctad.errors import UserError

JOBS = ("describe", "features", "score")


@contextlib.contextmanager
def room_for(most_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: the system refuses the write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def left(out: Path) -> list[str]:
    return sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())


# describe and score fail at their first file, features at its settings, its rows and its HDF5 file
@pytest.mark.parametrize(
    ("job", "most"), [("describe", 100), ("score", 100), ("features", 50), ("features", 200), ("features", 2000)]
)
def test_a_full_disk_is_said_and_leaves_nothing_half_written(job: str, most: int, inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error, room_for(most):
        jobs.run(job, inputs, tmp_path)
    assert "cannot be written" in str(error.value) and "\n" not in str(error.value)
    assert [name for name in left(tmp_path) if not name.startswith("x.h5.parts")] == []
    made = jobs.run(job, inputs, tmp_path)  # room again: the same command ends well
    (tmp_path / "quiet").mkdir()
    assert jobs.contents(made) == jobs.contents(jobs.run(job, inputs, tmp_path / "quiet"))


@pytest.mark.parametrize("job", JOBS)
def test_a_read_only_disk_is_said_before_any_work(
    job: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, *given: Any, **named: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    seen: list[Any] = []
    monkeypatch.setattr(one_writer.Path, "mkdir", refused)
    monkeypatch.setattr(one_writer.Path, "open", _but_reads(one_writer.Path.open, refused))
    with pytest.raises(UserError) as error:
        jobs.run(job, inputs, tmp_path, lambda *step: seen.append(step))
    assert "cannot be written" in str(error.value) and "\n" not in str(error.value)
    assert seen == [] and left(tmp_path) == []


def _but_reads(whole: Any, refused: Any) -> Any:
    def opened(self: Path, mode: str = "r", *given: Any, **named: Any) -> Any:
        return whole(self, mode, *given, **named) if mode in ("r", "rb") else refused(self)

    return opened
