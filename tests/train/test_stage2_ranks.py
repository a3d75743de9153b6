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
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).parent))
import fsdp_process
import killed_runs
import stage2_process
from conftest import tiny_tokenizer

from train.arguments import LONGEST_WAIT_S
from train.stage2 import train

SCRIPT = Path(stage2_process.__file__)
pytestmark = pytest.mark.slow


def launch(how: list[str], mode: str, towers: dict[str, str], features: Path, out: Path) -> dict[str, Any]:
    words = [*how, str(SCRIPT), mode, towers["clip"], towers["lm"], str(features), str(out)]
    return killed_runs.launch(words, out)


def curve(folder: Path) -> list[float]:
    record = json.loads((folder / "run_record.json").read_text(encoding="utf-8"))
    return [line["loss"] for line in record["curve"] if "loss" in line]


def test_two_ranks_train_as_one_and_shards_compute_the_same(
    towers: dict[str, str], features: Path, tmp_path: Path
) -> None:
    how = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0", "--standalone"]
    found = launch(how, "ranks", towers, features, tmp_path)
    assert found["worlds"] == {"asked": 2, "trained": [2]}
    assert found["wait_s"] == LONGEST_WAIT_S  # one rank may read and fingerprint a large model while the other waits
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
        assert_same(curves[name], states[name], curves["one"], states["one"])


@pytest.mark.parametrize("loss", [{}, {"dist_loss": "bag", "dist_normalisation": "shared"}])
def test_eight_parts_of_a_step_are_one_step_of_eight(
    towers: dict[str, str], features: Path, tmp_path: Path, loss: dict[str, Any]
) -> None:
    found = {}
    for name, batch, accumulate in (("whole", 8, 1), ("parts", 1, 8)):
        asked: dict[str, Any] = {"max_steps": 1, "warmup_share": 0.0, "window_size": 2, **loss}
        given = stage2_process.arguments(towers["clip"], towers["lm"], str(features), accumulate=accumulate, **asked)
        train(given, stage2_process.run(tmp_path / name, batch))
        found[name] = curve(tmp_path / name), load_file(tmp_path / name / "model.safetensors")
    assert_same(*found["parts"], *found["whole"])


def assert_same(losses: list[float], state: dict[str, Any], expected: list[float], weights: dict[str, Any]) -> None:
    """The same losses and the same weights."""
    assert losses == pytest.approx(expected, rel=1e-5)
    for key, value in weights.items():
        if not key.endswith("key.bias"):  # softmax makes its gradient 0, and Adam divides rounding by rounding
            assert torch.allclose(state[key].float(), value.float(), atol=1e-5), key
    assert torch.allclose(state["contextual_em.bases"].float(), weights["contextual_em.bases"].float(), atol=1e-4)


def tiny_llama(folder: Path) -> str:
    """A random Llama with untied embeddings and its tokenizer."""
    words = tiny_tokenizer(192)
    ends = {"bos_token_id": words.eos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=256, **ends,
        )
    )  # fmt: skip
    for part in (model, words):
        part.save_pretrained(folder)
    return str(folder)


def test_a_run_sharded_by_accelerate_killed_and_resumed_ends_like_one_on_one_rank(
    towers: dict[str, str], features: Path, tmp_path: Path
) -> None:
    llama, asked = tiny_llama(tmp_path / "llama"), {"max_steps": 4, "warmup_share": 0.0}
    given = ["LlamaDecoderLayer", towers["clip"], llama, str(features), str(tmp_path), json.dumps(asked), "4"]
    done = subprocess.run(
        [sys.executable, fsdp_process.__file__, *given], env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert (tmp_path / "found.json").is_file(), done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found == {"ends": [[9, 9], [0, 0]], "plain": [], "world": 2}
    train(
        stage2_process.arguments(towers["clip"], llama, str(features), **asked), stage2_process.run(tmp_path / "one", 2)
    )
    assert curve(tmp_path / "shards") == pytest.approx(curve(tmp_path / "one"), rel=1e-5)
    records = [
        json.loads((tmp_path / name / "run_record.json").read_text(encoding="utf-8")) for name in ("shards", "one")
    ]
    ends = [{k: v for k, v in record["metrics"]["end"].items() if v is not None} for record in records]
    assert ends[0] == pytest.approx(ends[1], abs=2e-4)
    assert records[0]["metrics"]["trained_parameters"] == records[1]["metrics"]["trained_parameters"]
    parts, whole = (load_file(tmp_path / name / "model.safetensors") for name in ("shards", "one"))
    assert parts.keys() == whole.keys()
    for name, value in whole.items():  # both are saved in bfloat16
        assert torch.allclose(parts[name].float(), value.float(), atol=1e-5, rtol=2**-8), name
    kept = load_file(tmp_path / "shards.training" / "checkpoint-4" / "model.safetensors")
    assert not any(name.startswith(("vision_tower.", "language_model.")) for name in kept)
    assert not list((tmp_path / "shards.training").rglob("*fsdp*"))  # the frozen weights once more


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
