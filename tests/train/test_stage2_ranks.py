"""Stage II on two gloo ranks, sharded, and killed at any moment: the same losses and weights as one quiet process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent))
import stage2_process

from train.stage2 import train

SCRIPT = Path(stage2_process.__file__)
pytestmark = pytest.mark.slow


def launch(how: list[str], mode: str, towers: dict[str, str], features: Path, out: Path) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    command = [sys.executable, *how, str(SCRIPT), mode, towers["clip"], towers["lm"], str(features), str(out)]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=1800, check=False
    )
    assert (out / "found.json").is_file(), done.stderr[-3000:]
    return json.loads((out / "found.json").read_text(encoding="utf-8"))


def curve(folder: Path) -> list[float]:
    record = json.loads((folder / "run_record.json").read_text(encoding="utf-8"))
    return [line["loss"] for line in record["curve"] if "loss" in line]


def test_two_ranks_train_as_one_and_shards_compute_the_same(
    towers: dict[str, str], features: Path, tmp_path: Path
) -> None:
    how = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0", "--standalone"]
    found = launch(how, "ranks", towers, features, tmp_path)
    assert found["worlds"] == {"asked": 2, "trained": [2]}
    sharded = found["sharded"]
    assert sharded["dtensors"] and sharded["local"] < 0.6 * sharded["all"]
    assert sharded["loss"] == pytest.approx(sharded["expected"], rel=1e-5) and sharded["worst"] < 1e-3
    states, curves = {"two": load_file(tmp_path / "two.training" / "checkpoint-3" / "model.safetensors")}, {}
    curves["two"] = curve(tmp_path / "two")
    asked: dict[str, Any] = {"max_steps": 3, "warmup_share": 0.0}
    for name, batch, accumulate in (("one", 2, 1), ("parts", 1, 2)):
        given = stage2_process.arguments(towers["clip"], towers["lm"], str(features), accumulate=accumulate, **asked)
        train(given, stage2_process.run(tmp_path / name, batch))
        states[name] = load_file(tmp_path / f"{name}.training" / "checkpoint-3" / "model.safetensors")
        curves[name] = curve(tmp_path / name)
    assert len(set(curves["one"])) == 3
    for name in ("two", "parts"):
        assert curves[name] == pytest.approx(curves["one"], rel=1e-5)
        for key, value in states["one"].items():
            if not key.endswith("key.bias"):  # softmax makes its gradient 0, and Adam divides rounding by rounding
                assert torch.allclose(states[name][key], value, atol=1e-5), key
        assert torch.allclose(states[name]["contextual_em.bases"], states["one"]["contextual_em.bases"], atol=1e-4)


def test_a_run_killed_five_times_ends_like_a_quiet_one(towers: dict[str, str], features: Path, tmp_path: Path) -> None:
    found = launch([], "killed", towers, features, tmp_path)
    assert found["ends"] == [signal.SIGKILL] * 5 + [0]
    train(
        stage2_process.arguments(towers["clip"], towers["lm"], str(features)), stage2_process.run(tmp_path / "quiet", 2)
    )
    killed, quiet = curve(tmp_path / "killed"), curve(tmp_path / "quiet")
    assert len(quiet) == stage2_process.STEPS and killed == quiet
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("killed", "quiet"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
