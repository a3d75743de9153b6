"""Each decoded frame lies within half a frame interval of the asked time, whatever the file: a reader of odd videos."""

from __future__ import annotations

import contextlib
import gc
import random
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_videos import number, picture, write_video

from modeling_distinctad import video_decoders_distinctad, video_distinctad
from modeling_distinctad.video_decoders_distinctad import AVFilm, OpenCVFilm, open_film
from modeling_distinctad.video_distinctad import VideoError, VideoWarning, frame_times, probe, read_frames

B_FRAMES = {"crf": "10", "g": "24", "bf": "3", "b_strategy": "0"}
OPEN = {**B_FRAMES, "x264-params": "open-gop=1:b-pyramid=normal"}
BITS = {"b": "4M", "bf": "2", "g": "24"}
FILM, NTSC, VARIABLE = Fraction(1, 24), Fraction(1001, 30000), Fraction(1, 50)


def steady() -> list[int]:
    return list(range(96))


def uneven() -> list[int]:
    """Showing times in ticks: bursts of frames, and gaps of up to 20 ticks."""
    rng = random.Random(3)
    at = [0]
    while len(at) < 96:
        at.append(at[-1] + rng.choice([1, 1, 1, 2, 3, 5, 8, 20]))
    return at


# file, codec, ticks, length of a tick in seconds, the encoder's options
KINDS = [
    ("steady.mp4", "libx264", steady(), FILM, B_FRAMES),
    ("steady.mkv", "libx264", steady(), FILM, B_FRAMES),
    ("steady.ts", "libx264", steady(), FILM, B_FRAMES),
    ("steady.avi", "libx264", steady(), FILM, B_FRAMES),  # no showing times in the file
    ("ntsc.mp4", "libx264", steady(), NTSC, B_FRAMES),
    ("ntsc.mkv", "libx264", steady(), NTSC, B_FRAMES),  # times in whole milliseconds
    ("open_groups.mp4", "libx264", steady(), FILM, OPEN),
    ("open_groups.ts", "libx264", steady(), FILM, OPEN),
    ("refresh.mp4", "libx264", steady(), FILM, {"crf": "10", "g": "24", "x264-params": "intra-refresh=1"}),
    ("refresh.ts", "libx264", steady(), FILM, {"crf": "10", "g": "24", "x264-params": "intra-refresh=1"}),
    ("uneven.mp4", "libx264", uneven(), VARIABLE, B_FRAMES),
    ("uneven.mkv", "libx264", uneven(), VARIABLE, OPEN),
    ("uneven.ts", "libx264", uneven(), VARIABLE, B_FRAMES),
    ("uneven.webm", "libvpx-vp9", uneven(), VARIABLE, {"b": "4M", "g": "24", "deadline": "realtime", "cpu-used": "8"}),
    ("old.avi", "mpeg4", steady(), FILM, BITS),
    ("old.mp4", "mpeg4", steady(), FILM, BITS),
    ("old.flv", "libx264", steady(), FILM, B_FRAMES),
    ("old.wmv", "wmv2", steady(), FILM, {"b": "4M", "g": "24"}),
    ("disc.mpg", "mpeg2video", steady(), FILM, BITS),  # times after a jump cannot be trusted
    ("broadcast.mxf", "mpeg2video", steady(), Fraction(1, 25), {**BITS, "b": "9M"}),
    ("raw.h264", "libx264", steady(), Fraction(1, 25), B_FRAMES),  # no container at all
]


def misses(path: Path, shown_s: list[float], asked_s: list[float]) -> list[tuple[float, int]]:
    """(time asked, number got) of the frames that are not the nearest, but for rounding to a millisecond."""
    got = [number(frame) for frame in read_frames(path, asked_s)]
    wrong = []
    for time_s, n in zip(asked_s, got, strict=True):
        off = abs(shown_s[n] - time_s) if 0 <= n < len(shown_s) else float("inf")
        if off > min(abs(at - time_s) for at in shown_s) + 1.1e-3:
            wrong.append((time_s, n))
    return wrong


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.mark.parametrize(("name", "codec", "ticks", "tick", "options"), KINDS, ids=[kind[0] for kind in KINDS])
def test_every_frame_is_the_nearest_one(
    folder: Path, name: str, codec: str, ticks: list[int], tick: Fraction, options: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = write_video(folder / name, ticks, codec=codec, options=options, tick=tick)
    shown_s = [float(at * tick) for at in ticks]
    rng = random.Random(name)
    asked_s = sorted(rng.uniform(-0.2, shown_s[-1] + 0.3) for _ in range(60))
    for gap_s in (10.0, 0.5, 0.05):  # decoded through, jumping, jumping at nearly every time
        monkeypatch.setattr(video_distinctad, "SEEK_GAP_S", gap_s)
        assert misses(path, shown_s, asked_s) == []
        assert misses(path, shown_s, asked_s[40:]) == []  # begins with a jump


def test_a_clip_of_an_uneven_film_by_hand(folder: Path) -> None:
    """Shown at 0, .1, .2, 1.2, 1.3 and 4.0 s; the middles of four quarters of 0 to 4 s are .5, 1.5, 2.5 and 3.5 s."""
    path = write_video(folder / "hand.mp4", [0, 1, 2, 12, 13, 40], options={"crf": "10", "bf": "2", "b_strategy": "0"})
    assert [number(frame) for frame in read_frames(path, frame_times(0, 4, 4))] == [2, 4, 4, 5]


@pytest.mark.parametrize("name", ["turned.mp4", "turned.mov", "turned.mkv"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrors", [(False, False), (True, False), (False, True)])
def test_turned_and_mirrored_pictures_stand_upright(
    tmp_path: Path, name: str, degrees: int, mirrors: tuple[bool, bool]
) -> None:
    """All eight orientations: the numbers can be read off after turning what was written by hand."""
    size = (64, 48)
    path = write_video(tmp_path / name, [0, 1, 2], size, options={"crf": "4"}, turned=(degrees, *mirrors))
    wanted = np.rot90(picture(1, size), degrees // 90)
    wanted = wanted[:, ::-1] if mirrors[0] else wanted[::-1] if mirrors[1] else wanted
    info, got = probe(path), read_frames(path, [0.1])[0]
    assert got.shape == wanted.shape == (info.height, info.width, 3)
    assert float(np.abs(got.astype(int) - wanted).mean()) < 6
    small = read_frames(path, [0.1], (info.width // 2, info.height // 2))[0]
    assert float(np.abs(small.astype(int) - wanted[::2, ::2]).mean()) < 12


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("odd.mp4", "libx264", "yuv444p"), ("odd.mkv", "ffv1", "yuv420p"), ("odd.webm", "libvpx-vp9", "yuv420p"),
     ("odd.avi", "mjpeg", "yuvj420p"), ("odd.mov", "mpeg4", "yuv420p"), ("grey.mkv", "ffv1", "gray")],
)  # fmt: skip
@pytest.mark.parametrize("size", [(63, 47), (33, 48), (64, 35), (130, 17)])
def test_odd_sizes(tmp_path: Path, name: str, codec: str, pixels: str, size: tuple[int, int]) -> None:
    options = {"b": "4M", "deadline": "realtime", "cpu-used": "8"} if codec == "libvpx-vp9" else {"b": "4M"}
    path = write_video(tmp_path / name, list(range(12)), size, codec, options, pixels=pixels)
    info, frames = probe(path), read_frames(path, [0.0, 0.7, 1.1])
    assert (info.width, info.height) == size and [number(frame) for frame in frames] == [0, 7, 11]
    assert frames[0].shape == (size[1], size[0], 3)
    assert number(read_frames(path, [0.7], (31, 23))[0]) == 7


def test_opencv_stands_in_for_pyav(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same frames at the same times; turned pictures turned; bad files refused in the same way."""
    pytest.importorskip("cv2")
    ticks = uneven()
    path = write_video(folder / "both.mp4", ticks, options=B_FRAMES, tick=VARIABLE)
    turned = write_video(folder / "both_turned.mp4", [0, 1, 2], turned=(90, False, False))
    with open_film(path) as film:
        assert isinstance(film, AVFilm)
    by_pyav = probe(path), read_frames(turned, [0.1])[0]

    def missing() -> None:
        raise ImportError("no PyAV")

    monkeypatch.setattr(video_decoders_distinctad, "_av", missing)
    with open_film(path) as film:
        assert isinstance(film, OpenCVFilm)
    shown_s = [float(at * VARIABLE) for at in ticks]
    asked_s = [i * shown_s[-1] / 40 for i in range(42)]
    monkeypatch.setattr(video_distinctad, "SEEK_GAP_S", 1.0)
    assert misses(path, shown_s, asked_s) == [] and misses(path, shown_s, asked_s[30:]) == []
    info = probe(path)
    assert (info.width, info.height, info.has_audio) == (64, 48, False)
    assert info.duration_s == pytest.approx(by_pyav[0].duration_s, abs=0.1)
    upright = read_frames(turned, [0.1])[0]
    assert upright.shape == (64, 48, 3) and float(np.abs(upright.astype(int) - by_pyav[1]).mean()) < 6
    assert read_frames(path, [0.1], (32, 20))[0].shape == (20, 32, 3)
    (folder / "text.mp4").write_text("no film")
    for name, words in (("text.mp4", "cannot be read as a video"), ("absent.mp4", "no such file"), (".", "a folder")):
        with pytest.raises(VideoError, match=words):
            read_frames(folder / name, [0.0])


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), float("-inf")])
def test_times_that_are_none_are_refused(folder: Path, time_s: float) -> None:
    path = write_video(folder / "short.mp4", [0, 1, 2])
    with pytest.raises(ValueError, match="expected seconds"):
        read_frames(path, [0.1, time_s])
    with pytest.raises(ValueError, match="finite"):
        frame_times(0.0, time_s, 4)
    assert number(read_frames(path, [1e300])[0]) == 2  # far past the end: the last frame, as always


def test_no_frame_is_left_to_the_garbage_collector(folder: Path) -> None:
    """A frame in a cycle would be freed in a forked worker, where the threads of its scaler do not exist."""
    path = write_video(folder / "many.mp4", steady(), tick=FILM)
    gc.collect()
    gc.disable()
    try:
        read_frames(path, [i / 24 for i in range(96)], (32, 24))
        left = [thing for thing in gc.get_objects() if isinstance(thing, av.VideoFrame)]
        assert len(left) <= 1  # the first, whose orientation was looked at; no scaler is its own
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("name", "codec", "tick"),
    [("a.mp4", "libx264", FILM), ("a.mkv", "libx264", FILM), ("a.ts", "libx264", FILM), ("a.avi", "mpeg4", FILM),
     ("a.mpg", "mpeg2video", FILM)],
)  # fmt: skip
def test_damaged_videos_give_frames_or_one_error(
    tmp_path: Path, name: str, codec: str, tick: Fraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write_video(
        tmp_path / name, list(range(40)), codec=codec, options={"b": "1M", "g": "10"}, tick=tick
    ).read_bytes()
    rng = random.Random(name)
    for turn in range(40):
        damaged = bytearray(raw)
        reach = len(raw) if turn % 3 else min(len(raw), 2000)  # every third time in the head alone
        for _ in range(rng.choice([1, 3, 10, 100])):
            damaged[rng.randrange(reach)] = rng.randrange(256)
        (tmp_path / name).write_bytes(damaged[: rng.randrange(len(raw))] if turn % 5 == 0 else damaged)
        monkeypatch.setattr(video_distinctad, "SEEK_GAP_S", rng.choice([0.5, 10.0]))
        with warnings.catch_warnings(), contextlib.suppress(VideoError):
            warnings.simplefilter("ignore", VideoWarning)
            probe(tmp_path / name)
            assert {frame.shape for frame in read_frames(tmp_path / name, [0.1, 0.9, 1.6], (32, 24))} == {(24, 32, 3)}


def test_a_stream_without_key_frames_is_read_from_its_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(folder / "no_keys.ts", steady(), options={"crf": "10", "g": "500"}, tick=FILM)
    monkeypatch.setattr(video_distinctad, "SEEK_GAP_S", 0.5)
    monkeypatch.setattr(video_decoders_distinctad, "_MOST_SKIPPED", 5)
    assert misses(path, [i / 24 for i in range(96)], [0.3, 1.9, 3.7]) == []
