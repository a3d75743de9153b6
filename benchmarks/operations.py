"""Operations of fixed small jobs, counted, not timed: what holds regressions in CI, on any machine.

`python benchmarks/operations.py [--write]` prints each count beside the pinned one of `benchmarks/operations.json`;
`--write` pins what is counted now, do so only after a deliberate change. A count more than `ALLOWED` times the pinned
one fails (exit status 1). Counted are floating-point operations of a tiny model (torch's own table of costs), calls of
the language model, pictures decoded and turned to RGB for each picture asked for, and pairs of texts scored.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from benchmarks.stage1 import Counted, Tower, batch, loss_of
from benchmarks.stage2 import make_inputs, make_model, step
from train.gradient_cache import cached_backward

PINNED = Path(__file__).with_suffix(".json")
ALLOWED = 1.05
TINY_TOWER = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 128,
    "patch_size": 32, "projection_dim": 160,
}  # fmt: skip
SECONDS, RATE_HZ, KEY_FRAMES = 10, 24, 48


def flops(work: Callable[[], Any]) -> int:
    """Floating-point operations of matrix products, convolutions and attention, backward passes too."""
    with Counted() as counter:  # torch's registry of costs; its own counter's module hooks refuse `no_grad`
        work()
    return counter.flops


def model_counts() -> dict[str, float]:
    """One window forward, one step of each stage, and a window's descriptions with their language-model calls."""
    model = make_model(width=64, layers=2)
    inputs, prompts = make_inputs(model, 1, 8), make_inputs(model, 1, 8, answers=False)
    tower, data = Tower(autocast=False, **TINY_TOWER).train(), batch(6, 2)
    with torch.no_grad():
        found: dict[str, float] = {"window_forward_flops": flops(lambda: model.eval()(**inputs))}
    found["stage2_step_flops"] = flops(lambda: step(model, inputs, loss_only=True))
    found["stage1_step_flops"] = flops(
        lambda: cached_backward(tower, data["pixels"], functools.partial(loss_of, data=data), 2)
    )
    model.eval()
    with mock.patch.object(model.language_model, "forward", wraps=model.language_model.forward) as called:
        found["generate_flops"] = flops(lambda: model.generate(**prompts, max_new_tokens=8, min_new_tokens=8))
    found["generate_language_model_calls"] = called.call_count
    return found


def write_film(path: Path) -> None:
    """A small film with a key frame every two seconds."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": str(KEY_FRAMES), "sc_threshold": "0", "bf": "0", "threads": "1"}
        for number in range(SECONDS * RATE_HZ):
            picture = np.full((48, 64, 3), number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def decoding_counts() -> dict[str, float]:
    """Pictures decoded, and turned to RGB, for each picture asked for: 8 of each of four overlapping clips."""
    from modeling_distinctad import video_decoders_distinctad, video_distinctad

    kind: Any = next(one for one in video_decoders_distinctad.Film.__subclasses__() if "av" in one.__name__.lower())
    decoded, turned = 0, 0
    frames, to_rgb = kind.frames, kind.to_rgb

    def counting(self: Any, *words: Any, **options: Any) -> Iterator[Any]:
        nonlocal decoded
        for frame in frames(self, *words, **options):
            decoded += 1
            yield frame

    def turning(self: Any, *words: Any, **options: Any) -> Any:
        nonlocal turned
        turned += 1
        return to_rgb(self, *words, **options)

    clips = [(0.5, 2.5), (2.0, 4.0), (3.0, 5.0), (7.0, 9.0)]
    with tempfile.TemporaryDirectory() as folder:
        write_film(Path(folder) / "film.mp4")
        with mock.patch.object(kind, "frames", counting), mock.patch.object(kind, "to_rgb", turning):
            taken = sum(map(len, video_distinctad.iter_clip_frames(Path(folder) / "film.mp4", clips, 8)))
    return {"decoded_per_frame_asked": decoded / taken, "rgb_per_frame_asked": turned / taken}


def metric_counts() -> dict[str, float]:
    """Pairs that R@5/16 has scored for a film of 100 ADs, by both protocols."""
    from evaluate_metrics.recall_at_k_within_n.recall import recall_at_k_within_n

    true = [f"He lifts box {number}." for number in range(100)]
    told = random.Random(0).sample(true, len(true))
    found = {}
    for protocol in ("autoad", "full"):
        scored = 0

        def similarity(_: Any, __: Any, pairs: np.ndarray) -> np.ndarray:
            nonlocal scored
            scored += len(pairs)
            return np.zeros(len(pairs))

        times_s = [float(number) for number in range(len(true))]
        recall_at_k_within_n(told, true, similarity, ["film"] * len(true), times_s, protocol=protocol)
        found[f"recall_pairs_{protocol}"] = scored
    return found


def count() -> dict[str, float]:
    """All counts by name; the same on every machine with the pinned versions."""
    torch.set_num_threads(1)
    return {**model_counts(), **decoding_counts(), **metric_counts()}


def regressions(found: dict[str, float], pinned: dict[str, float]) -> list[str]:
    """One line for each row that costs more than it may, or stands on one side only."""
    how = "mend it, or pin it anew with `python benchmarks/operations.py --write` and say why in CHANGELOG.md"
    wrong = [f"{name} is counted on one side only; expected on both; {how}" for name in sorted({*found} ^ {*pinned})]
    for name in found.keys() & pinned.keys():
        ratio = found[name] / pinned[name]
        if ratio > ALLOWED:
            wrong.append(
                f"{name} is {found[name]:g}, {ratio:.2f} times the pinned {pinned[name]:g}; expected at most"
                f" {ALLOWED} times; {how}"
            )
    return sorted(wrong)


def main(argv: list[str] | None = None) -> int:
    """Count, compare or pin."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="pin what is counted now")
    asked = parser.parse_args(argv)
    found = count()
    if asked.write:
        PINNED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    pinned = json.loads(PINNED.read_text(encoding="utf-8"))
    for name, value in found.items():
        print(f"{name:32} {value:14,.6g} {value / pinned.get(name, value):6.3f} of the pinned")
    wrong = regressions(found, pinned)
    print("\n".join(wrong) or "no regression", file=sys.stderr if wrong else sys.stdout)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
