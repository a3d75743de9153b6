"""Another time zone, locale, encoding, and a clock that jumps: every output keeps its bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jobs
import pytest

ODD = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "tr_TR", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
# Each look at the clock finds it an hour earlier or ten days later than the last.
JUMPING = """
import itertools, runpy, sys, time
jumps = itertools.accumulate(itertools.cycle((864000.0, -867600.0)), initial=2.0e9)
time.time = lambda: next(jumps)
time.time_ns = lambda: int(next(jumps) * 1e9)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("job", ["describe", "features", "score"])
def test_outputs_know_neither_clock_nor_locale(job: str, inputs: Path, tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here = jobs.run(job, inputs, tmp_path / "here")
    words = [sys.executable, "-c", JUMPING, str(Path(jobs.__file__)), job, str(inputs), str(tmp_path / "there"), "once"]
    done = subprocess.run(words, env={**os.environ, **ODD}, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert jobs.contents(tmp_path / "there" / here.name) == jobs.contents(here)
