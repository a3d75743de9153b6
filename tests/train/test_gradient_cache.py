"""Chunked gradients equal those of the whole batch, with dropout, checkpointing and bfloat16, and on two ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from tiny_stage1 import CLIPS, error, gradient, loss_of, short_training, tiny_batch, tiny_model

from train.gradient_cache import RandomState, cached_backward, gather_padded, gather_rows, world_size
from train.stage1 import Stage1Model, sampled_frames

ROOT = Path(__file__).resolve().parents[2]


def whole(model: Stage1Model, batch: dict[str, Tensor], chunk: int = CLIPS) -> tuple[float, Tensor]:
    """Loss and gradient with one graph over all clips, embedded in runs of `chunk` so that dropout draws alike."""
    frames = torch.cat([model(pixels) for pixels in batch["pixel_values"].split(chunk)])
    loss = loss_of(frames, batch)
    loss.backward()
    return loss.item(), gradient(model)


def cached(model: Stage1Model, batch: dict[str, Tensor], chunk: int, **options: float) -> tuple[float, Tensor]:
    loss = cached_backward(model, batch["pixel_values"], partial(loss_of, batch=batch), chunk, **options)
    assert not loss.requires_grad
    return loss.item(), gradient(model)


@pytest.mark.parametrize("chunk", [1, 3, 8, 0])
def test_every_chunk_size_gives_the_whole_gradient(chunk: int) -> None:
    model, batch = tiny_model(), tiny_batch()
    loss, expected = whole(model, batch)
    found_loss, found = cached(model, batch, chunk)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert error(found, expected) < 1e-5
    # the gradient of chunks that do not know of one another, which is what accumulation gives, is another one
    parts = [{k: v[i : i + 2] for k, v in batch.items()} for i in range(0, CLIPS, 2)]
    assert error(sum(whole(model, part)[1] for part in parts) / len(parts), expected) > 0.1


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("chunk", [1, 3, 8, 0])
def test_dropout_is_replayed(chunk: int, checkpointing: bool) -> None:
    batch = tiny_batch()
    torch.manual_seed(7)
    loss, expected = whole(tiny_model(0.4), batch, chunk or CLIPS)  # building the model sets the seed
    after = torch.rand(1)
    found_loss, found = cached(tiny_model(0.4, checkpointing), batch, chunk)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert error(found, expected) < 1e-5
    assert torch.equal(torch.rand(1), after)  # the generator goes on as after one forward pass
    assert error(whole(tiny_model(), batch)[1], expected) > 0.01  # dropout does matter here


def test_without_replay_the_gradient_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def forgetful(self: RandomState) -> Iterator[None]:
        yield

    batch = tiny_batch()
    expected = whole(tiny_model(0.4), batch, 3)[1]
    monkeypatch.setattr(RandomState, "replayed", forgetful)
    assert error(cached(tiny_model(0.4), batch, 3)[1], expected) > 0.01


@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_bfloat16_keeps_the_direction(chunk: int) -> None:
    batch, model = tiny_batch(), tiny_model(0.2)
    inner = model.forward

    def forward(pixels: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return inner(pixels).float()

    model.forward = forward  # as accelerate prepares a model
    torch.manual_seed(3)
    expected = whole(model, batch, chunk)[1]
    torch.manual_seed(3)
    found = cached(model, batch, chunk)[1]
    assert torch.nn.functional.cosine_similarity(found, expected, dim=0) >= 0.999


def test_scale_multiplies_and_gradients_add_up() -> None:
    model, batch = tiny_model(), tiny_batch()
    expected = whole(model, batch)[1]
    run = partial(cached_backward, model, batch["pixel_values"], partial(loss_of, batch=batch), scale=0.5)
    run(chunk_size=3)
    run(chunk_size=0)
    assert error(gradient(model), expected) < 1e-5


def test_frames_are_embedded_twice_only_when_chunked() -> None:
    model, batch = tiny_model(), tiny_batch()
    seen: list[tuple[int, bool]] = []
    model.register_forward_hook(lambda _, given, __: seen.append((len(given[0]), torch.is_grad_enabled())))
    cached(model, batch, 0)
    assert seen == [(8, True)]
    seen.clear()
    cached(model, batch, 3)
    assert seen == [(3, False), (3, False), (2, False), (3, True), (3, True), (2, True)]


def test_a_single_rank_gathers_itself() -> None:
    rows = torch.arange(6.0).reshape(2, 3).requires_grad_()
    assert world_size() == 1
    assert torch.equal(gather_rows(rows), rows) and not gather_padded(rows).requires_grad
    torch.manual_seed(0)
    index = sampled_frames(torch.zeros(100, 4, 3, 2, 2))
    assert index.shape == (100,) and index.unique().tolist() == [0, 1, 2, 3]


def test_a_negative_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="chunk_size is -1"):
        cached(tiny_model(), tiny_batch(), -1)


@pytest.mark.slow
def test_two_ranks_give_the_gradients_of_one(towers: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment["HF_HUB_OFFLINE"] = "1"
    script = Path(__file__).with_name("far_stage1.py")
    one = json.dumps(short_training(towers["clip"], tmp_path / "one", 8, 0))
    done = subprocess.run(
        [*command, str(script), towers["clip"], str(tmp_path / "two"), one], env=environment, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for rank in (0, 1):
        assert f"rank {rank} of 2: equal" in done.stdout
