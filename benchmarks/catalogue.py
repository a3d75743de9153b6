"""What a catalogue costs: decoding, encoding and describing per minute of film, and a plan for 10,000 films.

`python benchmarks/catalogue.py [--quick] [--write docs/scale.md]` measures on one core of this machine, on a pocket
film and on the same film scaled to 1920x1080, and multiplies. Last line: JSON. `--price-core-hour` and
`--price-gpu-hour` put a sum beside each formula; `--gpu-tflops` (what your accelerator reaches, not its data sheet)
predicts the hours of models that are too large to be timed here. No price and no accelerator's speed is built in.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import av
import cv2
import numpy as np
import torch

from datasets_scripts.pocket.film import write_film
from datasets_scripts.pocket.story import make_film
from distinctad.feature_tower import FeatureSettings, Tower
from distinctad.features import encode_films
from distinctad.loading import load_pipeline
from distinctad.plan import plan, sha256_of
from modeling_distinctad.video_distinctad import iter_clip_frames

SEED, FILMS, MINUTES_A_FILM, ADS_A_MINUTE = 42_000, 10_000, 110.0, 5.96  # 656 ADs a film of 110 min, as MAD-Eval has
FPS, FRAMES_AN_AD = 5.0, 8
HASH_MB, QUICK_HASH_MB = 200, 50  # a small file would time the opening
# Multiply-adds x 2 of one 224-pixel picture, and parameters: counted from the architectures, see `count_vit`.
VITS = {"CLIP ViT-B/32": (768, 12, 32), "CLIP ViT-L/14": (1024, 24, 14)}
LLAMA_PARAMETERS, LLAMA_TOKENS = 8.03e9, 30 + 20 + 20  # visual slots, prompt, answer; each token 2 operations a weight


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: the work.
        core_s: seconds on one core a minute of film.
        flops: operations a minute of film on an accelerator.
        source: "measured", or "predicted" and from what.
    """

    what: str
    core_s: float
    flops: float
    source: str


def timed(work: Callable[[], Any], repeats: int = 1) -> float:
    """Least processor seconds of some runs: another job on the machine does not count."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def enlarge(source: Path, path: Path, seconds: float) -> None:
    """Write the first seconds of a film anew at 1920x1080, H.264, 24 pictures a second."""
    with av.open(str(source)) as film, av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 1920, 1080, "yuv420p"
        video.options = {"crf": "23", "preset": "veryfast", "threads": "1"}
        generator = np.random.default_rng(0)
        for index, frame in enumerate(film.decode(video=0)):
            if index >= seconds * 24:
                break
            picture = cv2.resize(frame.to_ndarray(format="rgb24"), (1920, 1080), interpolation=cv2.INTER_CUBIC)
            grain = generator.integers(-4, 5, (1080, 1920, 1), np.int16)  # a drawn film alone is too easy to decode
            picture = np.clip(picture.astype(np.int16) + grain, 0, 255).astype(np.uint8)
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(video.encode())


def count_vit(width: int, layers: int, patch: int) -> float:
    """Operations (multiply-adds x 2) of a ViT on one 224-pixel picture: projections, MLP, attention, patches."""
    tokens = (224 // patch) ** 2 + 1
    return 2.0 * layers * (12 * tokens * width**2 + 2 * tokens**2 * width) + 2.0 * tokens * 3 * patch**2 * width


def decode_rows(films: dict[str, tuple[Path, float]]) -> dict[str, float]:
    """Core seconds a minute of film for reading 8 pictures an AD, and 5 pictures a second."""
    found = {}
    for name, (path, length_s) in films.items():
        step_s = 60.0 / ADS_A_MINUTE
        ads = [(at, min(at + 4.0, length_s)) for at in np.arange(0.0, length_s - 0.5, step_s)]
        blocks = [(at, at + 1.0) for at in np.arange(0.0, length_s - 1.0, 1.0)]
        for what, clips, count in (("8 an AD", ads, FRAMES_AN_AD), ("5 a second", blocks, int(FPS))):

            def read(path: Path = path, clips: Sequence[Any] = clips, count: int = count) -> None:
                for _ in iter_clip_frames(path, clips, count):
                    pass

            found[f"decode {name}, {what}"] = timed(read) * 60.0 / length_s
    return found


def hash_rate(path: Path, size_mb: int) -> float:
    """Core seconds a GB of hashing a file that it writes: once to warm up, then the least of three."""
    with path.open("wb") as file:
        for _ in range(size_mb):
            file.write(os.urandom(1_000_000))
    sha256_of(path)
    return timed(lambda: sha256_of(path), 3) * 1e3 / size_mb


def measure(folder: Path, quick: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Measure everything.

    Args:
        folder: for films and outputs.
        quick: shorter films.

    Returns:
        Core seconds a minute of film by name; bytes a minute of film of features and drafts.
    """
    film = make_film(SEED, "clear", 6 if quick else 26)
    files = write_film(film, folder / "film")
    path = files.videos[0]
    large_s = 4.0 if quick else 20.0
    enlarge(path, folder / "large.mp4", large_s)
    found = {"hash, a GB": hash_rate(folder / "bytes.bin", QUICK_HASH_MB if quick else HASH_MB)}
    found |= decode_rows({"640x360": (path, film.duration_s), "1920x1080": (folder / "large.mp4", large_s)})
    minutes = film.duration_s / 60
    tower = Tower(FeatureSettings(device="cpu"))
    pictures = [np.full((360, 640, 3), i % 255, np.uint8) for i in range(32)]
    frame_s = timed(lambda: tower.embed(pictures), 2) / len(pictures)
    found["encode pocket, a picture"] = frame_s
    found["features pocket"] = timed(lambda: encode_films([path], folder / "x.h5", tower=tower)) / minutes
    job = plan(path, subtitles=files.subtitles, cast=files.cast)
    clips = [(one.start_s, one.end_s) for one in job.intervals]
    people = [{"id": p.id, "name": p.name, "portrait": str(p.portrait)} for p in job.cast]
    pipe, _ = load_pipeline(None, "cpu", "auto", 0)
    frames = list(iter_clip_frames(path, clips, pipe.processor.num_frames))
    pipe.read_clips = lambda film, intervals: iter(frames)
    found["describe pocket, an AD"] = timed(lambda: pipe(str(path), intervals=clips, cast=people)) / len(clips)
    rows = {"features": (folder / "x.h5").stat().st_size / minutes, "width": float(tower.width)}
    from distinctad import describe

    drafts = describe(path, folder / "d", subtitles=files.subtitles, cast=files.cast, pipe=pipe).files
    rows["drafts"] = sum(file.stat().st_size for file in drafts) / len(clips) * ADS_A_MINUTE
    return found, rows


def table(found: dict[str, float]) -> list[Row]:
    """The rows of the plan, from the measured figures."""
    frames, ads = 60 * FPS, ADS_A_MINUTE
    rows = []
    for size in ("640x360", "1920x1080"):
        for task, what in (("describe", "8 an AD"), ("features", "5 a second")):
            rows.append(Row(f"decode {size} for {task}", found[f"decode {size}, {what}"], 0.0, "measured"))
    pocket = found["encode pocket, a picture"]
    rows.append(Row("encode, pocket tower, 5 pictures a second", pocket * frames, 0.0, "measured"))
    rows.append(
        Row("describe, pocket checkpoint (encoding too)", found["describe pocket, an AD"] * ads, 0.0, "measured")
    )
    for name, shape in VITS.items():
        one = count_vit(*shape)
        rows.append(Row(f"encode, {name}, 5 pictures a second", 0.0, one * frames, "predicted: counted operations"))
        rows.append(Row(f"encode, {name}, 8 an AD", 0.0, one * ads * FRAMES_AN_AD, "predicted: counted operations"))
    generate = 2 * LLAMA_PARAMETERS * LLAMA_TOKENS * ads
    rows.append(Row("describe, LLaMA-3-8B, greedy", 0.0, generate, "predicted: counted operations"))
    return rows


def render(found: dict[str, float], sizes: dict[str, float], asked: argparse.Namespace) -> str:
    """The text of docs/scale.md."""
    minutes = FILMS * MINUTES_A_FILM
    lines = [
        "# A plan for 10,000 films", "",
        "Generated by `python benchmarks/catalogue.py --write docs/scale.md`; do not edit by hand.",
        f"{FILMS:,} films of {MINUTES_A_FILM:g} minutes, {ADS_A_MINUTE:g} descriptions a minute (656 a film, about"
        " what MAD-Eval's have).", "",
        "Measured: processor seconds of one core of x86, one thread, on a pocket film and on the same pictures at"
        " 1920x1080 with grain; sums over all films are that times their minutes. Predicted:"
        " what could not be run here; an accelerator's hours are operations / "
        f"(3.6e15 x T), T the TFLOP/s that it reaches{tflops(asked)}."
        " Prices are yours: c a core-hour, g a GPU-hour.", "",
        "## Work", "",
        "| work | core seconds a film-minute | core-hours, all | accelerator GFLOP a film-minute"
        " | GPU-hours, all | cost | source |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in table(found):
        core_h, flops = row.core_s * minutes / 3600, row.flops * minutes
        gpu_h = f"{flops / 3.6e15:,.0f} / T" if row.flops else "-"
        if row.flops and asked.gpu_tflops:
            gpu_h += f" = {flops / 3.6e15 / asked.gpu_tflops:,.0f}"
        cells = [row.what, f"{row.core_s:.3g}" if row.core_s else "-", f"{core_h:,.0f}" if row.core_s else "-"]
        cells += [f"{row.flops / 1e9:,.0f}" if row.flops else "-", gpu_h, cost(core_h, flops, asked), row.source]
        lines.append("| " + " | ".join(cells) + " |")
    clip = FPS * 60 * 2
    disk = [
        ("drafts (csv, json, srt, vtt)", sizes["drafts"], "measured, pocket checkpoint"),
        (f"features, pocket tower, {sizes['width']:.0f} halves at 5 a second", sizes["features"], "measured"),
        ("features, ViT-B/32, 512 halves", clip * 512, "predicted: bytes counted"),
        ("features, ViT-L/14, 768 halves", clip * 768, "predicted: bytes counted"),
    ]
    lines += ["", "## Disk", "", "| output | bytes a film-minute | GB, all | source |", "|---|---|---|---|"]
    lines += [f"| {what} | {one:,.0f} | {one * minutes / 1e9:,.1f} | {source} |" for what, one, source in disk]
    hours = found["hash, a GB"]
    lines += [
        "", "## How to read it", "",
        "A job is its decoding row plus its encoding or describing row; with a separate decoder an accelerator needs"
        " (core seconds of decoding) / (its own seconds) cores beside it. Shards divide all rows evenly but for the"
        f" largest film. Telling films by content reads every byte once: {hours:.2f} core seconds a GB (measured).", "",
    ]  # fmt: skip
    return "\n".join(lines)


def tflops(asked: argparse.Namespace) -> str:
    """What the text says about T."""
    return f" (here {asked.gpu_tflops:g})" if asked.gpu_tflops else ""


def cost(core_h: float, flops: float, asked: argparse.Namespace) -> str:
    """A row's cost as a formula, and its sum where the prices are known."""
    if core_h:
        price = asked.price_core_hour
        return f"{core_h:,.0f} c" + (f" = {core_h * price:,.0f}" if price else "")
    gpu_h, price, speed = flops / 3.6e15, asked.price_gpu_hour, asked.gpu_tflops
    return f"{gpu_h:,.0f} g / T" + (f" = {gpu_h / speed * price:,.0f}" if price and speed else "")


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter films")
    parser.add_argument("--write", type=Path, help="where the table goes")
    parser.add_argument("--price-core-hour", type=float, help="c")
    parser.add_argument("--price-gpu-hour", type=float, help="g")
    parser.add_argument("--gpu-tflops", type=float, help="T: what your accelerator reaches on such models")
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found, sizes = measure(Path(folder), asked.quick)
    text = render(found, sizes, asked)
    if asked.write:
        asked.write.write_text(text, encoding="utf-8")
    print(text)
    rounded = {name: float(f"{value:.4g}") for name, value in {**found, **sizes}.items()}
    print(json.dumps({"benchmark": "catalogue", "quick": asked.quick, **rounded}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
