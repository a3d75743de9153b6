"""Growth curves: what a window, a film and a catalogue cost when they grow, and a 10-minute film whole.

`python benchmarks/growth.py [--quick]`; last line: JSON. Films are one pocket film repeated without encoding it anew,
so that every length holds the same pictures. Seconds are the processor's (a busy machine does not count), on one
thread; those of the clock stand beside them where somebody waits. `--quick` repeats a shorter film.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import av
import torch

from benchmarks.stage2 import make_inputs, make_model, step
from benchmarks.usage import processor_s
from datasets_scripts.pocket.film import write_film
from datasets_scripts.pocket.story import make_film
from distinctad import describe
from distinctad.loading import load_pipeline
from distinctad.plan import plan
from modeling_distinctad.video_distinctad import iter_clip_frames

ROOT = Path(__file__).resolve().parent.parent
SEED, TEN_MINUTES_S = 42_001, 600.0
PAUSE_S = 0.25  # between copies: the first packets of a film lie before its zero
WINDOWS, CATALOGUES = (4, 16, 64), (1, 2, 4)


def spent(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of the processor, of children too, and of the clock."""
    cpu, wall = processor_s(), time.perf_counter()
    work()
    return processor_s() - cpu, time.perf_counter() - wall


def repeat_film(source: Path, path: Path, copies: int, title: str = "") -> None:
    """Write a film's packets several times over, one after the other, nothing encoded anew.

    Args:
        source: the film.
        path: where it goes.
        copies: how often.
        title: stored in the file, so that equal pictures still make another file.
    """
    with av.open(str(path), "w") as output:
        output.metadata["title"] = title
        streams: dict[int, Any] = {}
        shift_s = 0.0
        for _ in range(copies):
            with av.open(str(source)) as film:
                for stream in film.streams:
                    if not streams.get(stream.index):
                        streams[stream.index] = output.add_stream_from_template(stream)
                for packet in film.demux():
                    if packet.dts is None or packet.pts is None:
                        continue
                    shift = round(shift_s / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream.index]
                    output.mux(packet)
                shift_s += (film.duration or 0) / av.time_base + PAUSE_S


def windows() -> dict[str, float]:
    """Clips a second of a Stage II step, and of describing, against N; as many clips in all."""
    found = {}
    for clips in WINDOWS:
        model = make_model()
        inputs, prompts = (make_inputs(model, 64 // clips, clips, answers=kind) for kind in (True, False))

        def train(model: Any = model, inputs: Any = inputs) -> None:
            step(model, inputs, loss_only=True)

        def tell(model: Any = model, prompts: Any = prompts) -> None:
            model.eval().generate(**prompts, max_new_tokens=8, min_new_tokens=8)

        for name, work in (("train", train), ("generate", tell)):
            work()
            found[f"{name}_clips_per_s_at_n_{clips}"] = 64 / min(spent(work)[0] for _ in range(3))
    return found


def film_lengths(source: Path, subtitles: Path | None, cast: Path | None, folder: Path, copies: Sequence[int]) -> dict:
    """Describe the film repeated so often, each length whole but for loading the model and finding intervals."""
    job = plan(source, subtitles=subtitles, cast=cast)
    pipe, about = load_pipeline(None, "cpu", "auto", 0)
    found: dict[str, Any] = {"lengths_s": [], "describe_s": [], "describe_wall_s": [], "describe_clips": []}
    for count in copies:
        film, times = folder / f"film_{count}.mp4", folder / f"times_{count}.csv"
        repeat_film(source, film, count)
        shifts = [number * (job.info.duration_s + PAUSE_S) for number in range(count)]
        clips = [(one.start_s + shift, one.end_s + shift) for shift in shifts for one in job.intervals]
        with times.open("w", encoding="utf-8", newline="") as table:
            csv.writer(table).writerows([("start", "end"), *((f"{s:.3f}", f"{e:.3f}") for s, e in clips)])
        out = folder / f"drafts_{count}"

        def whole(film: Path = film, times: Path = times, out: Path = out) -> None:
            describe(film, out, intervals=times, cast=cast, pipe=pipe, about=about)

        if not found["describe_s"]:
            describe(source, folder / "warm", subtitles=subtitles, cast=cast, pipe=pipe, about=about)
        cpu, wall = spent(whole)
        for name, value in (
            ("lengths_s", count * job.info.duration_s), ("describe_s", cpu), ("describe_wall_s", wall),
            ("describe_clips", len(clips)),
        ):  # fmt: skip
            found[name].append(value)
        print(f"{count * job.info.duration_s:.0f} s of film: {cpu:.1f} s ({wall:.1f} s on the clock)", flush=True)
    last_s = found["lengths_s"][-1]
    frames = pipe.processor.num_frames
    decode_s = spent(lambda: sum(1 for _ in iter_clip_frames(film, clips, frames)))[0]
    rates = {"describe": found["describe_s"][-1], "describe_wall": found["describe_wall_s"][-1], "decode": decode_s}
    times_real = {f"{name}_times_real_time": last_s / seconds for name, seconds in rates.items()}
    return {**found, **times_real}


def catalogues(source: Path, cast: Path | None, subtitles: Path | None, folder: Path) -> dict[str, list[float]]:
    """`distinctad catalogue` over so many films, one worker, from its start to its end."""
    found: dict[str, list[float]] = {"catalogue_films": [], "catalogue_s": []}
    for count in CATALOGUES:
        films = folder / f"catalogue_{count}"
        films.mkdir()
        if cast is not None:  # its portraits are named from where it stands
            shutil.copytree(cast.parent / "portraits", films / "portraits")
        for number in range(count):
            repeat_film(source, films / f"film_{number}.mp4", 1, f"copy {number}")
            if subtitles is not None:
                shutil.copyfile(subtitles, films / f"film_{number}.srt")
            if cast is not None:
                shutil.copyfile(cast, films / f"film_{number}.cast.json")
        command = [sys.executable, "-m", "distinctad", "catalogue", str(films), "--out", f"{films}_out",
                   "--device", "cpu"]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

        def run(command: list[str] = command, environment: dict[str, str] = environment) -> None:
            subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment)

        found["catalogue_films"].append(count)
        found["catalogue_s"].append(spent(run)[0])
        print(f"{count} film(s): {found['catalogue_s'][-1]:.1f} s", flush=True)
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter films")
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    figures: dict[str, Any] = {"benchmark": "growth", "quick": asked.quick, **windows()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_film(make_film(SEED, "clear", 6 if asked.quick else 26), folder / "film")
        source, subtitles, cast = files.videos[0], files.subtitles, files.cast
        length_s = plan(source, subtitles=subtitles).info.duration_s
        whole = math.ceil(TEN_MINUTES_S / (length_s + PAUSE_S))
        figures |= film_lengths(source, subtitles, cast, folder, (max(1, whole // 4), whole // 2, whole))
        figures |= catalogues(source, cast, subtitles, folder)

    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(one) for one in value]
        return float(f"{value:.4g}") if isinstance(value, float) else value

    print(json.dumps({key: short(value) for key, value in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
