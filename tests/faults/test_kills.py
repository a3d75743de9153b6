"""A job killed five times ends as one that never was: the same bytes, nothing lost, doubled, or left half written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jobs
import pytest

SCRIPT = Path(jobs.__file__)


def killed(job: str, inputs: Path, out: Path) -> list[dict[str, Any]]:
    out.mkdir()
    words = [sys.executable, str(SCRIPT), job, str(inputs), str(out), "killed"]
    done = subprocess.run(
        words, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=900
    )
    assert (out / "kills.json").is_file(), done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads((out / "kills.json").read_text(encoding="utf-8"))
    assert [kill["status"] for kill in found] == [signal.SIGKILL] * 5 + [0], found
    return found


def quiet(job: str, inputs: Path, out: Path) -> dict[str, bytes]:
    out.mkdir()
    return jobs.contents(jobs.run(job, inputs, out))


@pytest.mark.parametrize(("job", "name"), [("describe", "drafts"), ("score", "s")])
def test_a_killed_job_run_again_gives_the_same_files(job: str, name: str, inputs: Path, tmp_path: Path) -> None:
    found = killed(job, inputs, tmp_path / "killed")
    assert all(kill["left"] == [] for kill in found[:5])  # no half-written output at any moment
    if job == "describe":
        assert sum("in the film" in kill["moment"] for kill in found) >= 3
    assert jobs.contents(tmp_path / "killed" / name) == quiet(job, inputs, tmp_path / "quiet")
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == sorted(["kills.json", name])


def test_killed_features_go_on_and_give_the_same_file(inputs: Path, tmp_path: Path) -> None:
    found = killed("features", inputs, tmp_path / "killed")
    assert sum("in film" in kill["moment"] for kill in found) >= 3
    assert all("x.h5" not in kill["left"] for kill in found[:5])
    assert jobs.contents(tmp_path / "killed" / "x.h5") == quiet("features", inputs, tmp_path / "quiet")
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["kills.json", "x.h5"]


def test_features_encode_no_batch_twice_after_a_kill(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        pass

    def stop(film: str, done: int, total: int) -> None:
        if (film, done) == ("two", 8):
            raise Stopped

    with pytest.raises(Stopped):
        jobs.run("features", inputs, tmp_path, stop)
    seen: list[tuple[str, int]] = []
    jobs.run("features", inputs, tmp_path, lambda film, done, total: seen.append((film, done)))
    assert seen[0] == ("two", 12) and seen[-1] == ("two", 30)  # film one and two batches of film two were there
