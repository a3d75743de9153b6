"""A tiny random CLIP and a batch for Stage I, shared by the tests of the gradient cache and their torchrun script."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from transformers import CLIPConfig, CLIPModel

from modeling_distinctad.losses_distinctad import stage1_loss
from train.arguments import RunArguments
from train.stage1 import Stage1Arguments, Stage1Model, train

CLIPS, FRAMES, WORDS, WIDTH, STEPS = 8, 3, 6, 16, 2


def tiny_model(dropout: float = 0.0, checkpointing: bool = False) -> Stage1Model:
    """Two layers; the same weights at every call."""
    torch.manual_seed(0)
    small: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "attention_dropout": dropout, "attn_implementation": "eager",
    }  # fmt: skip
    text = {**small, "vocab_size": 20, "max_position_embeddings": 8}
    vision = {**small, "image_size": 16, "patch_size": 8}
    model = Stage1Model(CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH)))
    if checkpointing:
        model.checkpoint_layers()
    return model.train()


def tiny_batch(clips: int = CLIPS) -> dict[str, Tensor]:
    """Random pixels and texts; the first and the last clip have the same AD."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([[2], [3], [1], [4], [WORDS], [5], [3], [2]])[:clips]  # the first half needs fewer columns
    batch = {
        "pixel_values": torch.randn(clips, FRAMES, 3, 16, 16, generator=generator),
        "texts": torch.randn(clips, WIDTH, generator=generator),
        "words": torch.randn(clips, WORDS, WIDTH, generator=generator),
        "word_mask": torch.arange(WORDS) < lengths,
        "text_ids": torch.arange(clips),
        "index": torch.randint(FRAMES, (clips,), generator=generator),
    }
    for name in ("texts", "words", "text_ids"):
        batch[name][-1] = batch[name][0]
    return batch


def loss_of(frames: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """L_I of V (P, F, C) with every option that couples clips switched on."""
    found = stage1_loss(
        frames, batch["texts"], batch["words"], batch["word_mask"], batch["index"], 20.0, tau_w=0.1,
        text_ids=batch["text_ids"],
    )  # fmt: skip
    return found.loss


def gradient(model: nn.Module) -> Tensor:
    """All gradients of the trained half in one vector (n,); clears them."""
    flat = torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad and p.grad is not None])
    model.zero_grad()
    return flat


def error(found: Tensor, expected: Tensor) -> float:
    """Relative distance of two gradients (n,)."""
    return float((found - expected).norm() / expected.norm())


def run(folder: Path) -> RunArguments:
    """A run of batches of four, saved every other step."""
    return RunArguments(
        output_dir=str(folder), learning_rate=1e-3, lr_schedule="constant", warmup_steps=0, batch_size=4, bf16=False,
        logging_steps=1, save_steps=2,
    )  # fmt: skip


def arguments(towers: dict[str, str], steps: int, **changes: Any) -> Stage1Arguments:
    """Stage I on one pocket film."""
    settings: dict[str, Any] = {"seeds": "1", "held_out_seeds": "800001", "held_out_clips": 8, "num_frames": 2}
    return Stage1Arguments(**{"clip": towers["clip"], "max_steps": steps, **settings, **changes})


def losses(folder: Path) -> list[float]:
    """The losses on a run's record."""
    curve = json.loads((folder / "run_record.json").read_text(encoding="utf-8"))["curve"]
    return [line["loss"] for line in curve if "loss" in line]


def short_training(clip: str, folder: Path, batch_size: int, chunk: int) -> list[float]:
    """Losses of `STEPS` steps on one film, on every rank."""
    asked = arguments({"clip": clip}, STEPS, held_out_clips=4, chunk_size=chunk, mask_duplicate_texts=True)
    train(asked, dataclasses.replace(run(folder), batch_size=batch_size, save_steps=100))
    if distributed.is_initialized():
        distributed.barrier()  # rank 0 writes the record
    return losses(folder)
