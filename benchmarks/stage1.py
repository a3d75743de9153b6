"""What Stage I claims about memory, exactness and input speed, measured; and what it predicts for an accelerator.

`python benchmarks/stage1.py [--quick]` prints what it finds and, last, one line of JSON:

* `grad_rel_err`: distance of the chunked gradient from the whole batch's, relative, float32, dropout 0.1 replayed.
* `memory_ratio`: peak memory of a step over the process's size before it, whole batch over chunks, each in a process of
  its own, tower of the pocket checkpoint's size in bfloat16. 512 clips of 8 frames in chunks of 32; `--quick` takes
  fewer (`clips`, `chunk`). `whole_measured_clips` below `clips` says that the whole batch did not fit and its peak was
  extended, linearly, from that many clips and 16. `whole_s` and `chunked_same_s` are seconds of a step over
  `whole_measured_clips` in both ways; `chunked_s` over all `clips`.
* `loss_memory_growth`: peak memory of the fine-grained loss when the clips double: 2 is linear; `_plain` is the formula
  with all similarities at once.
* `frames_per_s_over_sequential`: frames that the loader delivers over those of plain sequential decoding, on one drawn
  film; `_cached`: the same from decoded frames on disk.
* `predicted`: operations of a ViT-B/16 step (512 clips of 8 frames, random weights), counted without computing, and
  the time, share of peak and memory that they predict for an H100; `benchmarks/vit_step.py` measures the same step
  where there is an accelerator (docs/accelerator.json is what it found on an H200).
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.usage import forget_peak, resident
from modeling_distinctad.losses_distinctad import fine_grained_loss, stage1_loss
from train.gradient_cache import cached_backward

FRAMES, WORDS, WIDTH = 8, 12, 160
SIZE_MB = 1 << 20
POCKET = {
    "hidden_size": 160, "intermediate_size": 640, "num_hidden_layers": 6, "num_attention_heads": 5, "image_size": 128,
    "patch_size": 16, "projection_dim": WIDTH,
}  # fmt: skip
VIT_B16 = {"image_size": 224, "patch_size": 16, "projection_dim": 512}
# H100 SXM: dense bfloat16 peak, memory bandwidth (its data sheet); the share of the peak that matrix products of this
# size reach there is an assumption.
PEAK_FLOPS, BYTES_PER_S, PRODUCTS_REACH, MEMORY_LIMIT_GB = 989e12, 3.35e12, 0.7, 40


class Tower(nn.Module):
    """CLIP's vision half with random weights: clips (P, F, 3, H, W) to embeddings (P, F, C).

    Args:
        autocast: compute in bfloat16, as accelerate's prepared models do.
        sizes: of a `CLIPVisionConfig`.
    """

    def __init__(self, autocast: bool = True, attention: str = "eager", **sizes: Any) -> None:
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        super().__init__()
        self.autocast = autocast
        config = CLIPVisionConfig(**sizes, attn_implementation=attention)
        self.vision = CLIPVisionModelWithProjection(config)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embeddings (P, F, C), float32."""
        with torch.autocast(pixels.device.type, torch.bfloat16) if self.autocast else nullcontext():
            embedded = self.vision(pixel_values=pixels.flatten(0, 1)).image_embeds
        return embedded.float().unflatten(0, pixels.shape[:2])


def batch(clips: int, frames: int = FRAMES) -> dict[str, Tensor]:
    """Random clips and texts of the pocket tower's size."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(4, WORDS + 1, (clips, 1), generator=generator)
    return {
        "pixels": torch.rand(clips, frames, 3, POCKET["image_size"], POCKET["image_size"], generator=generator),
        "texts": torch.randn(clips, WIDTH, generator=generator),
        "words": torch.randn(clips, WORDS, WIDTH, generator=generator),
        "word_mask": torch.arange(WORDS) < lengths,
        "index": torch.randint(frames, (clips,), generator=generator),
    }


def loss_of(frames: Tensor, data: dict[str, Tensor]) -> Tensor:
    """L_I, a scalar, of embeddings (P, F, C)."""
    return stage1_loss(frames, data["texts"], data["words"], data["word_mask"], data["index"], 100.0).loss


def gradient_error(clips: int, chunk: int) -> float:
    """Relative distance of the chunked gradient from that of one graph over all clips with the same dropout."""
    torch.manual_seed(0)
    tower, data = Tower(autocast=False, attention_dropout=0.1, **POCKET).train(), batch(clips)

    def gradient() -> Tensor:
        flat = torch.cat([p.grad.flatten() for p in tower.parameters() if p.grad is not None])
        tower.zero_grad()
        return flat

    torch.manual_seed(1)
    loss_of(torch.cat([tower(pixels) for pixels in data["pixels"].split(chunk)]), data).backward()
    whole = gradient()
    torch.manual_seed(1)
    cached_backward(tower, data["pixels"], functools.partial(loss_of, data=data), chunk)
    return float((gradient() - whole).norm() / whole.norm())


# ---------------------------------------------------------------------- memory, each measure in its own process
def measure_step(clips: int, chunk: int) -> dict[str, float]:
    """Peak over the size before, in bytes, and seconds of one step."""
    torch.manual_seed(0)
    tower, data = Tower(**POCKET).train(), batch(clips)
    small = {name: rows[:1] for name, rows in data.items()}
    cached_backward(tower, small["pixels"], functools.partial(loss_of, data=small))  # libraries and gradients are there
    before, started = forget_peak(), time.perf_counter()
    cached_backward(tower, data["pixels"], functools.partial(loss_of, data=data), chunk)
    return {"bytes": resident("VmHWM") - before, "seconds": time.perf_counter() - started}


def measure_loss(clips: int, plain: bool) -> dict[str, float]:
    """Peak over the size before, in bytes, of the fine-grained loss, forward and backward."""
    torch.manual_seed(0)
    frames = torch.randn(clips, FRAMES, WIDTH, requires_grad=True)
    words, mask = torch.randn(clips, WORDS, WIDTH), torch.ones(clips, WORDS, dtype=torch.bool)
    index = torch.zeros(clips, dtype=torch.long)
    loss = plain_fine_grained if plain else fine_grained_loss
    loss(frames[:2], words[:2], mask[:2], index[:2], 100.0).backward()
    before, started = forget_peak(), time.perf_counter()
    loss(frames, words, mask, index, 100.0).backward()
    return {"bytes": resident("VmHWM") - before, "seconds": time.perf_counter() - started}


def plain_fine_grained(v: Tensor, words: Tensor, mask: Tensor, index: Tensor, scale: float) -> Tensor:
    """The formula as it stands: every frame (P, F, C) against all words (P, W, C) of its text, a scalar."""
    v, words = normalize(v, dim=-1), normalize(words, dim=-1)
    weights = (v @ words.transpose(1, 2) / 0.01).masked_fill(~mask[:, None], -torch.inf).softmax(-1)
    attended = normalize(weights @ words, dim=-1)
    chosen = scale * v[torch.arange(len(v)), index]
    mass = torch.einsum("ic,jtc->ijt", chosen, attended).logsumexp(-1)
    return (mass.logsumexp(-1) - mass.diagonal()).mean()


def elsewhere(*words: object) -> dict[str, float]:
    """Runs a measure in a new process."""
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"measure {words} ended with {done.returncode}: {done.stderr.strip()[-500:]}; mend it")
    return json.loads(done.stdout.strip().splitlines()[-1])


def available_bytes() -> int:
    """Memory that new allocations can take."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def memory_figures(quick: bool) -> dict[str, Any]:
    """`memory_ratio` and what it was measured on; a whole batch that does not fit is extended from two smaller ones."""
    clips, chunk = (32, 2) if quick else (512, 32)
    measured = clips
    parts = elsewhere("step", clips, chunk)
    if not quick:
        small = elsewhere("step", 16, 0)
        while measured > 32 and small["bytes"] / 16 * measured * 1.3 > available_bytes():
            measured //= 2
    whole = elsewhere("step", measured, 0)
    peak, same = whole["bytes"], parts
    if measured < clips:
        same = elsewhere("step", measured, chunk)  # seconds are compared over as many clips
        peak += (peak - small["bytes"]) / (measured - 16) * (clips - measured)
    return {
        "memory_ratio": round(peak / parts["bytes"], 2), "clips": clips, "frames": FRAMES, "chunk": chunk,
        "whole_mb": round(peak / SIZE_MB), "whole_measured_clips": measured,
        "chunked_mb": round(parts["bytes"] / SIZE_MB), "whole_s": round(whole["seconds"], 2),
        "chunked_s": round(parts["seconds"], 2), "chunked_same_s": round(same["seconds"], 2),
    }  # fmt: skip


def loss_figures(quick: bool) -> dict[str, Any]:
    """Growth of the loss's memory when the clips double."""
    clips = 512 if quick else 1024
    found: dict[str, Any] = {"loss_clips": clips}
    for name, plain in (("", 0),) if quick else (("", 0), ("_plain", 1)):
        once, twice = (elsewhere("loss", n, plain)["bytes"] for n in (clips, 2 * clips))
        found[f"loss_memory_growth{name}"] = round(twice / once, 2)
        found[f"loss_mb{name}"] = round(twice / SIZE_MB, 1)
    return found


# ---------------------------------------------------------------------- input
def loader_figures(quick: bool) -> dict[str, Any]:
    """The loader beside plain sequential decoding, on a film that is drawn for it."""
    from benchmarks.loader import loader_rate, plain_processor
    from datasets_scripts.pocket.film import write_film
    from datasets_scripts.pocket.story import make_film

    ads, workers = (4 if quick else 18), min(2, len(os.sched_getaffinity(0)))
    film = make_film(1, ads=18)
    end_s = film.clips[ads - 1].end_s + 0.5
    lines = tuple(line for line in film.lines if line.end_s < end_s)
    film = dataclasses.replace(film, clips=film.clips[:ads], lines=lines, duration_s=end_s)
    spans = [(clip.start_s, clip.end_s) for clip in film.clips]
    processor = plain_processor(POCKET["image_size"], FRAMES)
    with tempfile.TemporaryDirectory() as folder:
        (video,) = write_film(film, Path(folder)).videos
        rate, plain = loader_rate(video, spans, workers, processor)
        cached, _ = loader_rate(video, spans, workers, processor, cache=Path(folder) / "cache")
    return {
        "frames_per_s_over_sequential": round(rate / plain, 2), "frames_per_s": round(rate, 1),
        "frames_per_s_over_sequential_cached": round(cached / plain, 2), "sequential_frames_per_s": round(plain, 1),
        "loader_workers": workers, "film_clips": ads,
    }  # fmt: skip


# ---------------------------------------------------------------------- prediction
class Counted(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts operations and, as a roofline does, the seconds that every kernel needs at least.

    Attributes:
        flops: operations of matrix products and attention.
        seconds: sum over kernels of the larger of computing and moving bytes; only attention is fused.
        fused_seconds: the same over products and attention alone, as if all else were fused into them: the best case.
        saved: bytes that the backward pass keeps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops, self.seconds, self.fused_seconds, self.saved = 0, 0.0, 0.0, 0
        self._kept: dict[int, Any] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from torch.utils._pytree import tree_leaves
        from torch.utils.flop_counter import flop_registry

        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        count = flop_registry.get(function._overloadpacket)
        flops = int(count(*args, **kwargs, out_val=result)) if count else 0
        views = function.is_view or function._overloadpacket in (torch.ops.aten.detach, torch.ops.aten._unsafe_view)
        tensors = [] if views else [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, Tensor)]
        self.flops += flops
        moved = sum(t.numel() * t.element_size() for t in tensors)
        needed = max(flops / (PEAK_FLOPS * PRODUCTS_REACH), moved / BYTES_PER_S)
        self.seconds += needed
        self.fused_seconds += needed if flops else 0.0
        return result

    def keep(self, tensor: Tensor) -> Tensor:
        """A hook for saved tensors of any shape (...): counts each storage once, parameters not at all."""
        storage = tensor.untyped_storage()
        if not isinstance(tensor, nn.Parameter) and storage._cdata not in self._kept:
            self._kept[storage._cdata] = storage
            self.saved += storage.nbytes()
        return tensor


def flash_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: None, scaling: float, **_: Any
) -> tuple[Tensor, None]:
    """The kernel that an H100 takes, of (B, heads, L, D) each; tensors without data would get the plain formula."""
    found = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, 0.0, False, scale=scaling)
    return found[0].transpose(1, 2).contiguous(), None


def predict(clips: int = 512, chunks: tuple[int, ...] = (4, 8, 16, 32, 64)) -> dict[str, Any]:
    """Operations of a ViT-B/16 step and what they predict for an H100; counted on tensors without data."""
    from transformers import AttentionInterface

    AttentionInterface.register("counted", flash_attention)
    with torch.device("meta"):
        tower = Tower(autocast=False, attention="counted", **VIT_B16).to(torch.bfloat16).train()
        pixels = torch.empty(max(chunks), FRAMES, 3, 224, 224, dtype=torch.bfloat16)
    weights = sum(p.numel() for p in tower.parameters())
    # float32 weights, gradients and Adam's two moments; bfloat16 copies of the weights; float32 pixels
    fixed = weights * (4 * 4 + 2) + clips * FRAMES * 3 * 224 * 224 * 4
    rows = []
    for chunk in chunks:
        with Counted() as once, torch.no_grad():
            tower(pixels[:chunk])
        with Counted() as twice, torch.autograd.graph.saved_tensors_hooks(twice.keep, lambda tensor: tensor):
            tower(pixels[:chunk]).sum().backward()
        repeats = clips / chunk
        flops, seconds = (once.flops + twice.flops) * repeats, (once.seconds + twice.seconds) * repeats
        fused = (once.fused_seconds + twice.fused_seconds) * repeats
        rows.append({
            "chunk": chunk, "step_s": round(seconds, 2), "share_of_peak": round(flops / seconds / PEAK_FLOPS, 2),
            "share_of_peak_fused": round(flops / fused / PEAK_FLOPS, 2),
            "memory_gb": round((fixed + twice.saved) / 1e9, 1), "fits": (fixed + twice.saved) / 1e9 < MEMORY_LIMIT_GB,
        })  # fmt: skip
    return {
        "predicted_not_measured": "ViT-B/16, 512 x 8, H100 SXM, bfloat16",
        "tflop": round(flops / 1e12), "step_s_at_half_peak": round(flops / PEAK_FLOPS / 0.5, 2),
        "products_reach_assumed": PRODUCTS_REACH, "chunks": rows,
    }  # fmt: skip


def main() -> None:
    """Measures everything, or with `--measure` one thing for `elsewhere`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer clips and a shorter film: under 50 s on two cores")
    parser.add_argument("--measure", nargs=3, metavar=("WHAT", "CLIPS", "HOW"), help="step CLIPS CHUNK, loss CLIPS 0|1")
    arguments = parser.parse_args()
    if arguments.measure:
        what, clips, how = arguments.measure
        print(json.dumps((measure_loss if what == "loss" else measure_step)(int(clips), int(how))))
        return
    figures: dict[str, Any] = {"benchmark": "stage1", "quick": arguments.quick, "threads": torch.get_num_threads()}
    clips, chunk = (8, 3) if arguments.quick else (32, 7)
    parts = (
        ("gradient", lambda _: {"grad_rel_err": gradient_error(clips, chunk)}), ("memory", memory_figures),
        ("loss", loss_figures), ("input", loader_figures), ("prediction", lambda _: {"predicted": predict()}),
    )  # fmt: skip
    for name, measure in parts:
        started = time.perf_counter()
        found = measure(arguments.quick)
        figures |= found
        print(f"{name} ({time.perf_counter() - started:.1f} s): {json.dumps(found)}", flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
