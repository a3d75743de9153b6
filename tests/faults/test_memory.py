"""Too little memory: fewer frames or windows at once, said; where not even one fits, one clear line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jobs
import pytest
import torch
from stand_ins import FakePipe

from datasets_scripts.memory import is_out_of_memory
from distinctad.describe import describe
from distinctad.errors import UserError
from distinctad.feature_tower import FeatureSettings
from distinctad.features import encode_films
from distinctad.plan import Settings

# The stand-in's batch takes 60 MB a frame, and the process gets room for three.
SHORT = """
import json, resource, sys
from pathlib import Path
import numpy as np
import jobs
from distinctad.feature_tower import FeatureSettings
from distinctad.features import encode_films

class Hungry(jobs.StubTower):
    def _embed(self, images):
        room = np.ones((len(images), 60_000_000), np.uint8)
        return super()._embed(images) + 0 * room[:, :3]

given, out, most = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
encode_films([given / "one.mp4"], out / "warm.h5", FeatureSettings(batch=8), tower=jobs.StubTower(8))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + most, used + most))
try:
    made = encode_films([given / "one.mp4"], out / "x.h5", FeatureSettings(batch=8), tower=Hungry(8))
    print(json.dumps({"said": made.warnings}))
except ValueError as error:
    print(json.dumps({"error": str(error)}))
"""


def limited(inputs: Path, out: Path, most: int) -> dict[str, Any]:
    words = [sys.executable, "-c", SHORT, str(inputs), str(out), str(most)]
    path = os.pathsep.join([*map(str, (Path(jobs.__file__).parent, Path(__file__).parents[2]))])
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc to read the memory in use from")
def test_under_a_memory_limit_fewer_frames_are_encoded_at_once_and_that_is_said(inputs: Path, tmp_path: Path) -> None:
    found = limited(inputs, tmp_path, 200_000_000)
    assert found["said"] and "memory ran short" in found["said"][0]
    import h5py
    import numpy as np

    encode_films(
        [inputs / "one.mp4"], tmp_path / "y.h5", FeatureSettings(batch=8), tower=jobs.StubTower(8)
    )  # the same rows as with memory to spare
    with h5py.File(tmp_path / "x.h5") as one, h5py.File(tmp_path / "y.h5") as two:
        assert np.array_equal(one["one"][:], two["one"][:])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc to read the memory in use from")
def test_where_not_even_one_frame_fits_the_run_ends_in_one_line(inputs: Path, tmp_path: Path) -> None:
    found = limited(inputs, tmp_path, 45_000_000)
    assert "too little memory" in found["error"] and "\n" not in found["error"]
    assert not (tmp_path / "x.h5").exists()


class Narrow(FakePipe):
    """Has memory for so many windows at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __call__(self, *given: Any, **named: Any) -> Any:
        if named["batch_windows"] > self.most:
            torch.empty(10**17)
        return super().__call__(*given, **named)


def test_describe_runs_fewer_windows_at_once_and_says_so(inputs: Path) -> None:
    given: dict[str, Any] = {"subtitles": inputs / "two.srt", "settings": Settings(batch_windows=8)}
    made = describe(inputs / "two.mp4", pipe=Narrow(2), **given)
    assert "memory ran short: 2 window(s) ran at once" in made.document["warnings"]
    assert made.cues == describe(inputs / "two.mp4", pipe=FakePipe(), **given).cues
    with pytest.raises(UserError, match="too little memory for one window"):
        describe(inputs / "two.mp4", pipe=Narrow(0), **given)


def test_the_allocators_own_words_are_known() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(10**17)
    assert is_out_of_memory(error.value) and is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    for said in ("Invalid buffer size: 19.38 GiB", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `x`"):
        assert is_out_of_memory(RuntimeError(said))
    assert not is_out_of_memory(RuntimeError("shapes differ")) and not is_out_of_memory(ValueError("out of memory"))
