"""Stage I: what trains, what the loss is, what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import CLIPModel

from datasets_scripts.pocket.story import make_film
from train.arguments import RunArguments
from train.features import frame_processor
from train.stage1 import ClipDataset, Stage1Arguments, ranks, train


def run(folder: Path, steps: int) -> RunArguments:
    return RunArguments(
        output_dir=str(folder), learning_rate=1e-3, lr_schedule="constant", warmup_steps=0, batch_size=4, bf16=False,
        logging_steps=1, save_steps=2,
    )  # fmt: skip


def arguments(towers: dict[str, str], steps: int) -> Stage1Arguments:
    return Stage1Arguments(
        clip=towers["clip"], seeds="1", held_out_seeds="800001", held_out_clips=8, max_steps=steps, num_frames=2
    )


@pytest.fixture(scope="module")
def trained(towers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage1") / "clip_ad"
    train(arguments(towers, 3), run(folder, 3))
    return folder


def test_only_the_vision_half_changes(towers: dict[str, str], trained: Path) -> None:
    before, after = (CLIPModel.from_pretrained(path).state_dict() for path in (towers["clip"], str(trained)))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith(("vision_model.", "visual_projection.")) for name in changed)
    assert "visual_projection.weight" in changed


def test_the_record_holds_retrieval_before_and_after(trained: Path) -> None:
    record = json.loads((trained / "run_record.json").read_text(encoding="utf-8"))
    metrics = record["metrics"]
    assert metrics["pool"] == 8 and metrics["before"]["chance_r1"] == 0.125
    for when in ("before", "after"):
        for way in ("clip_to_ad", "ad_to_clip"):
            values = [metrics[when][f"{way}_r{k}"] for k in (1, 5, 10)]
            assert values == sorted(values) and values[2] == 1.0
    losses = [line for line in record["curve"] if "loss" in line]
    assert len(losses) == 3
    first = losses[0]
    assert first["loss"] == pytest.approx(0.5 * (first["loss_global"] + first["loss_fine_grained"]), rel=1e-4)


def test_the_folder_is_a_plain_clip(trained: Path) -> None:
    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "clip" and config["architectures"] == ["CLIPModel"]
    frame_processor(str(trained))  # tokenizer and image processor are there


def test_resuming_repeats_the_steps(towers: dict[str, str], trained: Path, tmp_path: Path) -> None:
    train(arguments(towers, 2), run(tmp_path / "again", 2))  # the checkpoint of step 2
    train(arguments(towers, 3), run(tmp_path / "again", 3))
    whole, resumed = (
        [line["loss"] for line in json.loads((path / "run_record.json").read_text("utf-8"))["curve"] if "loss" in line]
        for path in (trained, tmp_path / "again")
    )
    assert len(resumed) == 3 and resumed == pytest.approx(whole, rel=1e-6)


def test_clips_are_drawn_the_same_every_time(towers: dict[str, str]) -> None:
    processor = frame_processor(towers["clip"], 2)
    first, second = (ClipDataset([1, 2], "clear", processor) for _ in range(2))
    assert len(first) == sum(len(make_film(seed).clips) for seed in (1, 2))
    assert torch.equal(first[30]["pixel_values"], second[30]["pixel_values"])
    assert first[30]["pixel_values"].shape == (2, 3, 32, 32)


def test_ranks_by_hand_and_a_constant_is_at_chance() -> None:
    similarity = torch.tensor([[0.9, 0.1, 0.2], [0.5, 0.4, 0.3], [0.5, 0.6, 0.1]])
    assert ranks(similarity).tolist() == [1.0, 2.0, 3.0]
    assert ranks(torch.zeros(5, 5)).tolist() == [3.0] * 5
