"""Picture, original sound and described sound stay together whatever container they came in."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from distinctad.audio import mix, mux, sound
from distinctad.audio.tags import Tags
from distinctad.plan import probe_film

RATE_HZ, PICTURES_HZ, LENGTH_S, CLAP_S, PAUSE = 48_000, 24, 6.0, 3.0, mix.Pause(2.0, 1.5)
TAGS = Tags("a.mp4", "v")


def clapper(path: Path, base_s: float = 0.0, sound_later_s: float = 0.0, kind: str | None = None) -> Path:
    """A film with B-frames, a white picture and a tone at `CLAP_S`; its clock starts at `base_s`."""
    with av.open(str(path), "w", format=kind) as container:
        pictures = container.add_stream("libx264", rate=PICTURES_HZ, width=64, height=48, pix_fmt="yuv420p")
        pictures.options = {"bf": "3", "g": "48", "preset": "medium"}
        tone = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        packets = []
        for i in range(round(LENGTH_S * PICTURES_HZ)):
            white = 255 if abs(i / PICTURES_HZ - CLAP_S) < 0.02 else (i * 5) % 60
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), white, np.uint8), "rgb24")
            frame.pts, frame.time_base = i + round(base_s * PICTURES_HZ), Fraction(1, PICTURES_HZ)
            packets += pictures.encode(frame)
        samples = np.zeros((1, round(LENGTH_S * RATE_HZ)), np.float32)
        start = round((CLAP_S - sound_later_s) * RATE_HZ)
        samples[:, start : start + 480] = 0.8 * np.sin(np.arange(480) * 2 * np.pi / 48)
        for at in range(0, samples.shape[1], 1024):
            piece = np.ascontiguousarray(samples[:, at : at + 1024])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
            frame.pts = at + round((base_s + sound_later_s) * RATE_HZ)
            packets += tone.encode(frame)
        packets += [*pictures.encode(None), *tone.encode(None)]
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)
    return path


def pictures_of(path: Path) -> tuple[int, float, float]:
    """How many pictures decode, the time of the first and that of the white one; seconds."""
    with av.open(str(path)) as container:
        found = [(float(f.pts * f.time_base), f.to_ndarray(format="gray").mean()) for f in container.decode(video=0)]
    return len(found), found[0][0], next(time_s for time_s, light in found if light > 150)


def tone_of(path: Path, number: int) -> float:
    """When a sound track's tone begins, seconds."""
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[number]):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.3)
            if loud.size:
                return float(frame.pts * frame.time_base) + loud[0] / frame.sample_rate
    raise AssertionError("no tone")


@pytest.mark.parametrize(
    ("name", "base_s", "sound_later_s"),
    [
        ("plain.mp4", 0.0, 0.0), ("plain.mkv", 0.0, 0.0), ("late.ts", 1.5, 0.0), ("late.mp4", 1.5, 0.0),
        ("late.mkv", 2.0, 0.0), ("sound90.mkv", 0.0, 0.09), ("sound90.mp4", 0.0, 0.09), ("sound500.mkv", 0.0, 0.5),
    ],
)  # fmt: skip
def test_everything_stays_together(name: str, base_s: float, sound_later_s: float, tmp_path: Path) -> None:
    film = clapper(tmp_path / name, base_s, sound_later_s, "mpegts" if name.endswith(".ts") else None)
    programme = sound.programme_of(film, probe_film(film).duration_s)
    described, extended = tmp_path / "described.mp4", tmp_path / "extended.mp4"
    spoken = mix.mixed(sound.blocks(film, programme), [], RATE_HZ)
    mux.write_described(film, described, spoken, programme, TAGS)
    count, first_s, white_s = pictures_of(described)
    assert count == pictures_of(film)[0] == LENGTH_S * PICTURES_HZ and first_s == pytest.approx(0.0, abs=0.05)
    assert white_s == pytest.approx(CLAP_S, abs=0.05)
    assert tone_of(described, 0) - white_s == pytest.approx(0.0, abs=0.03)
    assert tone_of(described, 1) - tone_of(described, 0) == pytest.approx(0.0, abs=0.015)
    longer = replace(programme, duration_s=programme.duration_s + PAUSE.length_s)
    spoken = mix.mixed(sound.blocks(film, programme), [], RATE_HZ, pauses=[PAUSE])
    mux.write_extended(film, extended, spoken, longer, [PAUSE], TAGS)
    count, first_s, white_s = pictures_of(extended)
    assert count == LENGTH_S * PICTURES_HZ and white_s == pytest.approx(CLAP_S + PAUSE.length_s, abs=0.05)
    assert tone_of(extended, 0) - white_s == pytest.approx(0.0, abs=0.03)
