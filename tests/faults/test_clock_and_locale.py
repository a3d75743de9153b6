"""Another time zone, locale, encoding, and a clock that jumps: every output keeps its bytes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import jobs
import pytest

ODD = {"TZ": "Pacific/Kiritimati", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
# Each look at the clock finds it an hour earlier or ten days later than the last.
JUMPING = """
import itertools, locale, runpy, sys, time
jumps = itertools.accumulate(itertools.cycle((864000.0, -867600.0)), initial=2.0e9)
time.time = lambda: next(jumps)
time.time_ns = lambda: int(next(jumps) * 1e9)
locale.setlocale(locale.LC_ALL, "")  # Python itself takes the letters alone, not numbers, dates and order
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
JOBS = ("describe", "features", "score")


def same_there(job: str, inputs: Path, folder: Path, **odd: str) -> None:
    for name in ("here", "there"):
        (folder / name).mkdir()
    here = jobs.run(job, inputs, folder / "here")
    words = [sys.executable, "-c", JUMPING, str(Path(jobs.__file__)), job, str(inputs), str(folder / "there"), "once"]
    done = subprocess.run(words, env={**os.environ, **ODD, **odd}, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert jobs.contents(folder / "there" / here.name) == jobs.contents(here)


@pytest.mark.parametrize("job", JOBS)
def test_outputs_know_neither_clock_nor_locale(job: str, inputs: Path, tmp_path: Path) -> None:
    same_there(job, inputs, tmp_path, LC_ALL="C")


@pytest.fixture(scope="module")
def turkish(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A locale that no machine need have installed: decimal commas, days of another tongue, an i without a dot."""
    folder = tmp_path_factory.mktemp("locales")
    words = ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(folder / "tr_TR.UTF-8")]
    with contextlib.suppress(OSError):
        subprocess.run(words, capture_output=True, check=False)
    if not (folder / "tr_TR.UTF-8").exists():
        pytest.skip("localedef makes no Turkish locale here; install Debian's `locales`")
    return {"LOCPATH": str(folder), "LC_ALL": "tr_TR.UTF-8"}


@pytest.mark.parametrize("job", JOBS)
def test_outputs_know_no_turkish(job: str, inputs: Path, tmp_path: Path, turkish: dict[str, str]) -> None:
    same_there(job, inputs, tmp_path, **turkish)
