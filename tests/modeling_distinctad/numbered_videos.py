"""Videos whose frames show their own numbers (tens and units as greys), so that a test reads which one it got."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 10


def write_video(
    path: Path,
    pts: list[int],
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    audio: bool = False,
    container_options: dict[str, str] | None = None,
    tick: Fraction = Fraction(1, RATE),
    pixels: str | None = None,
    turned: tuple[int, bool, bool] | None = None,
) -> Path:
    """Write frames 0..99, shown at pts[i] ticks: upper left black, upper right the tens, lower half the units.

    `turned`: counter-clockwise degrees, mirrored left to right, upside down, for the display matrix.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=1 / tick, options=options or {"crf": "10"})
        stream.width, stream.height = size
        stream.pix_fmt = pixels or ("yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p")
        stream.codec_context.time_base = tick
        if turned is not None:
            stream.set_display_rotation(turned[0], hflip=turned[1], vflip=turned[2])
        sound = container.add_stream("aac", rate=16000, layout="mono") if audio else None
        for i, at in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(picture(i, size), format="rgb24")
            frame.pts, frame.time_base = at, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            for k in range(16):
                chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                chunk.sample_rate, chunk.pts = 16000, k * 1024
                container.mux(sound.encode(chunk))
            container.mux(sound.encode())
    return path


def picture(i: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Frame i, (H, W, 3) uint8."""
    image = np.full((size[1], size[0], 3), 40 + 20 * (i % 10), np.uint8)
    image[: size[1] // 2] = 40 + 20 * (i // 10)
    image[: size[1] // 2, : size[0] // 2] = 0
    return image


def number(image: np.ndarray) -> int:
    """Read the number off an upright frame."""
    height, width = image.shape[:2]
    tens, units = image[1 : height // 4, -width // 4 :], image[-height // 4 :]
    return 10 * round((float(tens.mean()) - 40) / 20) + round((float(units.mean()) - 40) / 20)
