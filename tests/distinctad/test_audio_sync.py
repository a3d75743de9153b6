"""Picture, original sound and described sound stay together whatever container they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from distinctad.audio import mix, mux, sound
from distinctad.audio.tags import Tags
from distinctad.plan import probe_film
from modeling_distinctad.video_distinctad import probe, read_frames, video_warnings

RATE_HZ, PICTURES_HZ, LENGTH_S, CLAP_S, PAUSE = 48_000, 24, 6.0, 3.0, mix.Pause(2.0, 1.5)
TAGS = Tags("a.mp4", "v")


def clapper(
    path: Path,
    base_s: float = 0.0,
    sound_later_s: float = 0.0,
    kind: str | None = None,
    chapters: Sequence[tuple[float, float, bytes]] = (),
    timecode: str = "",
    pictures_s: float = LENGTH_S,
) -> Path:
    """A film with B-frames, a white picture and a tone at `CLAP_S`; its clock starts at `base_s`."""
    with av.open(str(path), "w", format=kind, metadata_errors="surrogateescape") as container:
        container.set_chapters(
            [
                {"id": number, "start": round(1000 * from_s), "end": round(1000 * to_s), "time_base": Fraction(1, 1000),
                 "metadata": {"title": title.decode("utf-8", "surrogateescape")} if title else {}}
                for number, (from_s, to_s, title) in enumerate(chapters, 1)
            ]
        )  # fmt: skip
        pictures = container.add_stream("libx264", rate=PICTURES_HZ, width=64, height=48, pix_fmt="yuv420p")
        pictures.options = {"bf": "3", "g": "48", "preset": "medium"}
        pictures.metadata.update({"timecode": timecode} if timecode else {})
        tone = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        packets = []
        for i in range(round(pictures_s * PICTURES_HZ)):
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


def written(film: Path, folder: Path) -> tuple[Path, Path]:
    """The described film, and the extended one with `PAUSE`."""
    programme = sound.programme_of(film, probe_film(film).duration_s)
    described, extended = folder / "described.mp4", folder / "extended.mp4"
    spoken = mix.mixed(sound.blocks(film, programme), [], RATE_HZ)
    mux.write_described(film, described, spoken, programme, TAGS)
    longer = replace(programme, duration_s=programme.duration_s + PAUSE.length_s)
    spoken = mix.mixed(sound.blocks(film, programme), [], RATE_HZ, pauses=[PAUSE])
    mux.write_extended(film, extended, spoken, longer, [PAUSE], TAGS)
    return described, extended


@pytest.mark.parametrize(
    ("name", "base_s", "sound_later_s"),
    [
        ("plain.mp4", 0.0, 0.0), ("plain.mkv", 0.0, 0.0), ("late.ts", 1.5, 0.0), ("late.mp4", 1.5, 0.0),
        ("late.mkv", 2.0, 0.0), ("sound90.mkv", 0.0, 0.09), ("sound90.mp4", 0.0, 0.09), ("sound500.mkv", 0.0, 0.5),
    ],
)  # fmt: skip
def test_everything_stays_together(name: str, base_s: float, sound_later_s: float, tmp_path: Path) -> None:
    film = clapper(tmp_path / name, base_s, sound_later_s, "mpegts" if name.endswith(".ts") else None)
    described, extended = written(film, tmp_path)
    count, first_s, white_s = pictures_of(described)
    assert count == pictures_of(film)[0] == LENGTH_S * PICTURES_HZ and first_s == pytest.approx(0.0, abs=0.05)
    assert white_s == pytest.approx(CLAP_S, abs=0.05)
    assert tone_of(described, 0) - white_s == pytest.approx(0.0, abs=0.03)
    assert tone_of(described, 1) - tone_of(described, 0) == pytest.approx(0.0, abs=0.015)
    count, first_s, white_s = pictures_of(extended)
    assert count == LENGTH_S * PICTURES_HZ and white_s == pytest.approx(CLAP_S + PAUSE.length_s, abs=0.05)
    assert tone_of(extended, 0) - white_s == pytest.approx(0.0, abs=0.03)


def marks(path: Path) -> tuple[list[tuple[float, float, str]], str | None]:
    """A film's chapters, seconds, and the time code of its first picture."""
    with av.open(str(path)) as container:
        found = [
            (*(round(float(one[side] * one["time_base"]), 3) for side in ("start", "end")), one["metadata"]["title"])
            for one in container.chapters()
        ]
        return found, container.streams.video[0].metadata.get("timecode")


@pytest.mark.parametrize(("name", "base_s"), [("a.mp4", 0.0), ("a.mkv", 0.0), ("late.mkv", 2.0)])
def test_chapters_and_time_code_are_the_films(name: str, base_s: float, tmp_path: Path) -> None:
    """`PAUSE` is in the first chapter; one that begins with it begins after it, as its picture does."""
    given = [(base_s, base_s + 3.0, "Größe".encode()), (base_s + 3.0, base_s + 5.5, b"Two")]
    film = clapper(tmp_path / name, base_s, chapters=given, timecode="10:00:00:00")
    described, extended = written(film, tmp_path)
    assert marks(described) == ([(0.0, 3.0, "Größe"), (3.0, 5.5, "Two")], "10:00:00:00")
    assert marks(extended) == ([(0.0, 4.5, "Größe"), (4.5, 7.0, "Two")], "10:00:00:00")
    before = [path.read_bytes() for path in (described, extended)]
    assert [path.read_bytes() for path in written(film, tmp_path)] == before


def test_chapters_that_nobody_would_write_cost_no_film(tmp_path: Path) -> None:
    """No title, no length, bytes that are no text, an end past the film; MP4's first chapter begins with the film."""
    given = [(2.0, 3.0, b""), (3.0, 3.0, b"None"), (3.1, 5.0, b"\xff\xfe"), (5.0, 90.0, b"End"), (70.0, 80.0, b"Late")]
    film = clapper(tmp_path / "a.mkv", chapters=given, timecode="no time")
    described, extended = written(film, tmp_path)
    end_s = round(probe_film(film).duration_s, 3)
    titles = ["", "", "\ufffd\ufffd", "End"]
    for path, starts_s in ((described, [0.0, 2.0, 3.1, 5.0]), (extended, [0.0, 3.5, 4.6, 6.5])):
        ends_s = [*starts_s[1:], end_s + starts_s[-1] - 5.0]
        assert marks(path) == (list(zip(starts_s, map(pytest.approx, ends_s), titles, strict=True)), None)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "late.mp4"])
def test_sound_that_outlasts_the_picture_is_part_of_the_film(name: str, tmp_path: Path) -> None:
    """MP4 says of each stream how long it is; the track ended with the picture, and with it the last words."""
    base_s = 1.5 if name == "late.mp4" else 0.0
    film = clapper(tmp_path / name, base_s, pictures_s=4.0)
    assert probe_film(film).duration_s == pytest.approx(LENGTH_S, abs=0.05)
    described, extended = written(film, tmp_path)
    for path, length_s in ((described, LENGTH_S), (extended, LENGTH_S + PAUSE.length_s)):
        with av.open(str(path)) as container:
            track = container.streams.audio[-1]
            assert float(track.duration * track.time_base) == pytest.approx(length_s, abs=0.05)
    with video_warnings() as said:
        last, later = read_frames(film, [3.99, 5.9])
    assert np.array_equal(last, later)
    assert len(said) == 1
    if name != "a.mkv":  # Matroska does not say how long its pictures last
        assert probe(film).duration_s == pytest.approx(4.0, abs=0.05)
        assert "ends in sound without pictures; the last one, of 3.9" in said[0]


@pytest.mark.parametrize("pictures_s", [LENGTH_S - 0.125, LENGTH_S, LENGTH_S + 1])
def test_sound_that_ends_with_the_picture_or_before_leaves_its_length(pictures_s: float, tmp_path: Path) -> None:
    """An encoder fills its last frame of sound; features and clips of such films stay what they were."""
    film = clapper(tmp_path / "a.mp4", pictures_s=pictures_s)
    assert probe_film(film) == probe(film) and probe(film).duration_s == pytest.approx(pictures_s, abs=0.01)


def test_a_file_is_not_believed_that_its_sound_goes_on_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = clapper(tmp_path / "a.mp4", pictures_s=4.0)
    monkeypatch.setattr("distinctad.plan._sound_end_s", lambda path: 9000.0)
    assert probe_film(film).duration_s == pytest.approx(LENGTH_S, abs=0.05)
