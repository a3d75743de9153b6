"""Rate and memory of the data path beside the simple way, in one run: `python benchmarks/data.py [--quick]`.

Rows with features: `ADStream` over a folder that `write_folder` made, beside the best simple loop (pandas reads the CSV
once, rows grouped by film, the h5 file opened per film, one slice per AD and then an index). Both yield the same arrays
(checked), start once, and take turns on the same eighths of the rows, so that a busy machine slows both. Frames:
`iter_clip_frames` beside a seek per frame with PyAV. Rates are of CPU time of the process and of the children that it
starts (the stream has its files checked by one), files in the page cache.

`--quick`: 3,000 x 512 float16 features a film (1.5 GB on disk); without it 18,000 (an hour, 9 GB). 488 films, 330,000
rows in both. The last line is JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.usage import forget_peak, processor_s, resident

FILMS, ROWS, WIDTH, FPS, FRAMES, PARTS = 488, 330_000, 512, 5.0, 8, 8
VIDEO_S, VIDEO_HZ, CLIPS = 40, 24, 8


def film_name(number: int) -> str:
    """Key of a film, as MAD's training films have them."""
    return str(10_000 + number)


def make_films(folder: Path, films: int, rows: int, length: int) -> None:
    """Write annotations.csv in MAD-Eval's columns and features.h5; seeded, the values differ from film to film."""
    import h5py

    block = np.random.default_rng(1).standard_normal((length, WIDTH)).astype(np.float16)
    with h5py.File(folder / "features.h5", "w") as file:
        for number in range(films):
            file.create_dataset(film_name(number), data=np.roll(block, number, axis=1))
    duration_s = length / FPS
    with (folder / "annotations.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["movie", "sentence", "movie_duration", "start", "end", "imdbid"])
        for number in range(films):
            count = rows * (number + 1) // films - rows * number // films
            for row in range(count):
                start_s = round((duration_s - 2) * row / count, 3)
                text = f"Person {row % 7} carries box {number} past window {row}."
                writer.writerow([film_name(number), text, duration_s, start_s, round(start_s + 1.6, 3), f"tt{number}"])


def simple_loop(folder: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """The peer: pandas and h5py, CSV read once, file opened per film, rows grouped, slice then index."""
    import h5py
    import pandas as pd

    table = pd.read_csv(folder / "annotations.csv", dtype={"movie": str})
    middles = (np.arange(FRAMES) + 0.5) / FRAMES
    for film, rows in table.groupby("movie", sort=False):
        with h5py.File(folder / "features.h5", "r") as file:
            data = file[film]
            last = len(data) - 1
            for row in rows.itertuples(index=False):
                times = row.start + middles * (row.end - row.start)
                places = np.ceil(times * FPS - 0.5 - 1e-9).astype(int).clip(0, last)
                piece = data[places[0] : places[-1] + 1]
                yield film, row.sentence, piece[places - places[0]]


def our_stream(folder: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """The films through `ADStream`."""
    from datasets_scripts.frames import FilmFeatures
    from datasets_scripts.stream import ADStream

    features = FilmFeatures(folder / "features.h5")
    for row in ADStream(folder / "set", "train", features, FRAMES, columns=["text"]):
        yield row["film"], row["text"], row["frame_features"]


def build(folder: Path) -> float:
    """Validate and write the Parquet folder; returns CPU seconds."""
    from datasets_scripts.builders import MADBuilder
    from datasets_scripts.writers import write_folder

    began = processor_s()
    builder = MADBuilder(cache_dir=str(folder / "cache"), annotations=str(folder / "annotations.csv"), split="train")
    write_folder(builder, folder / "set")
    return processor_s() - began


def timed(rows: Iterator[Any]) -> tuple[int, float, float]:
    """Go through an iterator; returns its length, CPU seconds, those of children too, and wall seconds."""
    cpu, wall = processor_s(), time.perf_counter()
    count = sum(1 for _ in rows)
    return count, processor_s() - cpu, time.perf_counter() - wall


def compare_rows(folder: Path, rows: int) -> dict[str, float]:
    """Rates of both, taking turns on the same rows; the first turn's arrays must be equal."""
    share = -(-rows // PARTS)
    for ours, theirs in zip(islice(our_stream(folder), share), islice(simple_loop(folder), share), strict=True):
        if ours[:2] != theirs[:2] or not np.array_equal(ours[2], theirs[2]):
            raise RuntimeError(f"row {theirs[1]!r} differs between the stream and the loop; expected equal arrays")
    sums = np.zeros((2, 3))
    # Each is opened once, in its first turn: what opening costs is counted there.
    sides = our_stream(folder), simple_loop(folder)
    for part in range(PARTS):
        for side, stream in enumerate(sides):
            sums[side] += timed(stream if part == PARTS - 1 else islice(stream, share))  # the last takes what is left
    if sums[0, 0] != sums[1, 0]:
        raise RuntimeError(f"{sums[0, 0]:.0f} rows streamed, {sums[1, 0]:.0f} looped over; expected as many")
    ours, theirs = sums[0, 0] / sums[0, 1], sums[1, 0] / sums[1, 1]
    return {
        "rows": int(sums[0, 0]),
        "rows_per_s": round(ours),
        "loop_rows_per_s": round(theirs),
        "rows_per_s_ratio": round(ours / theirs, 3),
        "rows_per_s_ratio_wall": round(sums[1, 2] / sums[0, 2], 3),
    }


def peak_of(folder: Path, films: int) -> float:
    """Peak memory (MB) of a process that streams so many films."""
    command = [sys.executable, __file__, "--stream", str(folder), "--films", str(films)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def stream_and_say_peak(folder: Path, films: int) -> None:
    """Stream the first films and print the peak memory of this process in MB, all that it holds."""
    from datasets_scripts.frames import FilmFeatures
    from datasets_scripts.stream import ADStream

    forget_peak()
    seen: set[str] = set()
    for row in ADStream(folder / "set", "train", FilmFeatures(folder / "features.h5"), FRAMES, columns=["text"]):
        seen.add(row["film"])
        if len(seen) > films:
            break
    print(round(resident("VmHWM") / 2**20, 1))


def make_video(path: Path) -> None:
    """Write a 640 x 360 H.264 film of moving gradients."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=VIDEO_HZ)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        ramp = np.add.outer(np.arange(360), np.arange(640))
        for number in range(VIDEO_S * VIDEO_HZ):
            image = np.stack([(ramp + k * number) % 256 for k in (1, 2, 3)], axis=-1).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def seek_per_frame(path: Path, times_s: list[float]) -> Iterator[np.ndarray]:
    """The peer: for each time a seek to the key frame before it, then decode up to the nearest frame."""
    import av

    half = 0.5 / VIDEO_HZ
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for time_s in times_s:
            container.seek(int(max(0.0, time_s) / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.time >= time_s - half - 1e-9:
                    yield frame.to_ndarray(format="rgb24")
                    break


def compare_decoding(folder: Path) -> dict[str, float]:
    """Frames a second of both over the same ADs."""
    from modeling_distinctad.video_distinctad import frame_times, iter_clip_frames

    path = folder / "film.mp4"
    make_video(path)
    step = VIDEO_S / CLIPS
    clips = [(i * step + 0.2, (i + 1) * step - 0.4) for i in range(CLIPS)]
    times = [t for start_s, end_s in clips for t in frame_times(start_s, end_s, FRAMES)]
    passes: list[Callable[[], Iterator[Any]]] = [
        lambda: (frame for frames in iter_clip_frames(path, clips, FRAMES) for frame in frames),
        lambda: seek_per_frame(path, times),
    ]
    for ours, theirs in zip(passes[0](), passes[1](), strict=True):
        if np.abs(ours.astype(int) - theirs).max() > 2:
            raise RuntimeError("decoded frames differ from seek-per-frame's; expected the same nearest frames")
    seconds = [min(timed(one())[1] for _ in range(2)) for one in passes]
    rates = [len(times) / value for value in seconds]
    return {
        "decode_frames_per_s": round(rates[0], 1),
        "seek_frames_per_s": round(rates[1], 1),
        "decode_frames_per_s_ratio": round(rates[0] / rates[1], 3),
    }


def main() -> None:
    """Run all and print the figures, JSON last."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3,000 features a film instead of 18,000")
    parser.add_argument("--folder", type=Path, help="where the synthetic data go (default: a temporary folder)")
    parser.add_argument("--films", type=int, default=FILMS, help="films")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows in all")
    parser.add_argument("--stream", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stream is not None:
        stream_and_say_peak(given.stream, given.films)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        make_films(folder, given.films, given.rows, 3_000 if given.quick else 18_000)
        print(f"{given.films} films, {given.rows} rows", flush=True)
        figures: dict[str, float] = {"films": given.films, "build_cpu_s": round(build(folder), 2)}
        figures |= compare_rows(folder, given.rows)
        for films in (100, 400):
            figures[f"peak_mb_at_{films}_films"] = peak_of(folder, min(films, given.films))
        figures |= compare_decoding(folder)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
