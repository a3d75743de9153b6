"""A film writer and a pipeline that needs no model, shared by the tests of the command line's package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np


def write_film(
    path: Path,
    seconds: float = 12.0,
    rate: int = 8,
    audio: bool = True,
    options: dict | None = None,
    codec: str = "libx264",
) -> Path:
    """Write a small film (H.264 if nothing else is asked) whose brightness tells the time, with a quiet AAC track."""
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono") if audio else None
        count = round(seconds * rate)
        for i in range(count):
            image = np.full((48, 64, 3), 20 + 200 * i // count, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
        if sound is not None:
            for start in range(0, round(seconds * 16000), 1024):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 16000, start
                container.mux(sound.encode(frame))
            container.mux(sound.encode())
    return path


class Hum:
    """A voice that hums: a third of a second a word."""

    name, rate_hz = "hum", 16_000

    def speak(self, text: str) -> np.ndarray:
        count = round(self.rate_hz * 0.33 * len(text.split()))
        return (0.3 * np.sin(np.arange(count) / 20)).astype(np.float32)


class FakePipe:
    """Keeps the pipeline's contract (windows of 4) and remembers how it was called."""

    def __init__(self, tell: Callable[[int, dict[str, Any]], str] | None = None) -> None:
        self.tell = tell or (lambda index, generation: f"A thing happens, number {index}.")
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self, film: str, intervals: list[tuple[float, float]], cast: list[dict[str, Any]], **options: Any
    ) -> list[dict[str, Any]]:
        self.calls.append({"film": film, "intervals": intervals, "cast": cast, **options})
        records = []
        for index, (start_s, end_s) in enumerate(intervals):
            records.append(
                {
                    "start_s": start_s,
                    "end_s": end_s,
                    "text": self.tell(index, options),
                    "characters": [person["name"] for person in cast],
                    "window": index // 4,
                    "position": index % 4,
                    "frames_s": [start_s, (start_s + end_s) / 2],
                }
            )
            if options.get("progress"):
                options["progress"](index + 1, len(intervals))
        return records


def dying_worker(line: Any, job: Any, number: int) -> None:
    """A worker of a catalogue that one film ends, as a decoder's fault would."""
    import os

    from distinctad.catalogue_work import Result

    while True:
        film = line.recv()
        if film.name == "a.mp4":
            os._exit(9)
        line.send(Result(film))


def hanging_worker(line: Any, job: Any, number: int) -> None:
    """A worker of a catalogue that comes back from one film much too late."""
    import time

    from distinctad.catalogue_work import Result

    while True:
        film = line.recv()
        if film.name == "a.mp4":
            time.sleep(20.0)  # for ever, as far as the test waits
        line.send(Result(film))
