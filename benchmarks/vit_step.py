"""A Stage I step of ViT-B/16 on an accelerator: 512 clips of 8 frames, random weights, chunk sizes swept.

`python benchmarks/vit_step.py [--quick]` runs the step as train/stage1.py does: gradient cache (`cached_backward`),
both losses on the whole batch, clipping and AdamW on float32 weights. Every row: seconds a step, the share of the
device's bfloat16 peak with the recomputation counted (4/3 of a plain step's operations), and the most memory held.
Rows differ in the chunk, in where the tower computes in bfloat16 (`autocast`, as the Trainer does, or `copy`: bfloat16
weights beside float32 ones that the optimiser moves) and in whether its layers are compiled. Last line: JSON.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.stage1 import FRAMES, MEMORY_LIMIT_GB, VIT_B16, WORDS, Tower, predict
from benchmarks.stage2 import seconds
from modeling_distinctad.losses_distinctad import stage1_loss
from train.dual_encoder import compile_layers
from train.gradient_cache import cached_backward

CLIPS = 512
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # dense bfloat16, data sheets


class Step:
    """One optimiser step after another on one random batch.

    Args:
        device: where.
        autocast: see `Tower`; False: a bfloat16 copy of float32 weights.
        compiled: compile the layers.
        clips: of the batch.
        sizes: of the tower.
    """

    def __init__(self, device: str, autocast: bool, compiled: bool, clips: int = CLIPS, **sizes: Any) -> None:
        torch.manual_seed(0)
        self.tower = Tower(autocast, "sdpa", **(sizes or VIT_B16)).to(device).train()
        self.weights = list(self.tower.parameters())
        self.masters = self.weights
        if not autocast:
            self.masters = [weight.detach().clone() for weight in self.weights]
            self.tower.to(torch.bfloat16)
            for weight, master in zip(self.weights, self.masters, strict=True):
                weight.register_post_accumulate_grad_hook(functools.partial(move_gradient, master=master))
        if compiled:
            compile_layers(self.tower.vision)
        self.optimizer = torch.optim.AdamW(self.masters, lr=5e-5, fused=device != "cpu")
        side, width = self.tower.vision.config.image_size, self.tower.vision.config.projection_dim
        kind = torch.float32 if autocast else torch.bfloat16
        self.pixels = torch.rand(clips, FRAMES, 3, side, side, device=device).to(kind)
        self.texts = {
            "texts": torch.randn(clips, width, device=device), "words": torch.randn(clips, WORDS, width, device=device),
            "word_mask": torch.ones(clips, WORDS, dtype=torch.bool, device=device),
            "frame_index": torch.randint(FRAMES, (clips,), device=device),
        }  # fmt: skip

    def loss_of(self, frames: Tensor) -> Tensor:
        """L_I, a scalar, of embeddings (P, F, C)."""
        return stage1_loss(frames, **self.texts, logit_scale=100.0).loss

    def __call__(self, chunk: int) -> None:
        """Gradients of the whole batch, clipped, and one move of the weights."""
        cached_backward(self.tower, self.pixels, self.loss_of, chunk)
        torch.nn.utils.clip_grad_norm_(self.masters, 1.0)
        self.optimizer.step()
        if self.masters is not self.weights:
            torch._foreach_copy_([weight.data for weight in self.weights], self.masters)
        self.optimizer.zero_grad()


def move_gradient(weight: Tensor, master: Tensor) -> None:
    """Adds a chunk's bfloat16 gradient to the float32 one, so that chunks add up well; any shape, the same of both."""
    gradient, weight.grad = weight.grad, None
    if gradient is not None:
        master.grad = gradient.float() if master.grad is None else master.grad.add_(gradient)


@functools.cache
def operations(clips: int = CLIPS) -> int:
    """Operations of a step with its recomputation, products and attention, counted on tensors without data."""
    return int(predict(clips, (4,))["tflop"] * 1e12)


def measure(device: str, chunk: int, autocast: bool, compiled: bool, steps: int, **more: Any) -> dict[str, Any]:
    """One row: the fastest of `steps` steps after one that warms up."""
    step = Step(device, autocast, compiled, **more)
    cuda = device != "cpu"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    step_s = seconds(lambda: step(chunk), steps)
    row: dict[str, Any] = {
        "chunk": chunk, "bf16": "autocast" if autocast else "copy", "compiled": compiled,
        "step_s": round(step_s, 3), "clips_per_s": round(len(step.pixels) / step_s, 1),
    }  # fmt: skip
    if cuda:
        name = torch.cuda.get_device_name()
        peak = next((value for key, value in PEAKS.items() if key in name), None)
        row["memory_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 1)
        row["fits"] = row["memory_gb"] < MEMORY_LIMIT_GB
        rate = operations() / step_s
        row |= {"tflop_per_s": round(rate / 1e12, 1), "share_of_peak": round(rate / peak, 3) if peak else None}
    return row


def product_rate() -> float:
    """Operations a second of one 8192 x 8192 x 8192 product in bfloat16: what the device reaches at its best."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * 8192**3 / seconds(lambda: a @ b, 20)


def sweep(quick: bool) -> dict[str, Any]:
    """All rows; a chunk that does not fit is named and left out."""
    plans = [(32, True, False), (32, False, True), (64, False, True), (16, False, True), (32, True, True)]
    plans = plans[:2] if quick else [*plans, (64, True, False), (16, True, False), (32, False, False)]
    found: dict[str, Any] = {"device": torch.cuda.get_device_name(), "tflop": round(operations() / 1e12)}
    found["product_tflop_per_s"], rows = round(product_rate() / 1e12), []
    for chunk, autocast, compiled in plans:
        torch.cuda.empty_cache()
        torch.compiler.reset()
        try:
            rows.append(measure("cuda", chunk, autocast, compiled, 1 if quick else 2))
        except torch.OutOfMemoryError:
            rows.append({"chunk": chunk, "bf16": "autocast" if autocast else "copy", "out_of_memory": True})
        print(json.dumps(rows[-1]), flush=True)
    fit = [row for row in rows if row.get("fits") and row.get("share_of_peak")]
    return {**found, "rows": rows, "best": max(fit, key=lambda row: row["share_of_peak"]) if fit else None}


def main(argv: list[str] | None = None) -> int:
    """Measures and prints; 2 without an accelerator."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two rows, one step each")
    quick = parser.parse_args(argv).quick
    if not torch.cuda.is_available():
        print("error: no CUDA device; expected one; benchmarks/stage1.py predicts the step instead", file=sys.stderr)
        return 2
    print(json.dumps(sweep(quick)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
