"""Video decoding: which frame comes at which time, truncated and damaged files, errors, memory."""

from __future__ import annotations

import os
import random
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_videos import number, write_video

from modeling_distinctad import video_distinctad
from modeling_distinctad.video_decoders_distinctad import AVFilm, Film, OpenCVFilm
from modeling_distinctad.video_distinctad import (
    VideoError,
    VideoWarning,
    end_before,
    frame_times,
    iter_clip_frames,
    probe,
    read_frames,
)


def test_frame_times_by_hand() -> None:
    assert frame_times(10, 18, 4) == [11, 13, 15, 17]
    assert frame_times(10, 18, 4, "autoad") == [10, 12, 14, 16]
    assert frame_times(3, 3, 2) == [3, 3]
    jitter = frame_times(10, 18, 4, "segment", 7)
    assert [int((t - 10) // 2) for t in jitter] == [0, 1, 2, 3]
    assert jitter == frame_times(10, 18, 4, "segment", random.Random(7))
    assert jitter != frame_times(10, 18, 4, "segment", 8)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [((5, 4, 8), "end >= start"), ((0, 1, 0), "at least 1"), ((0, 1, 2, "middle"), "midpoint, autoad or segment"),
     ((0, 1, 2, "segment"), "no seed")],
)  # fmt: skip
def test_frame_times_says_what_is_wrong(arguments: tuple, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        frame_times(*arguments)


def test_reads_the_nearest_frame_in_the_order_asked(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", list(range(30)))
    frames = read_frames(path, [1.04, 0.0, 2.06, 1.04, -3.0, 99.0])
    assert [number(f) for f in frames] == [10, 0, 21, 10, 0, 29]
    assert frames[0].shape == (48, 64, 3) and frames[0].dtype == np.uint8
    assert read_frames(path, []) == []


@pytest.mark.parametrize("decoder", [AVFilm, OpenCVFilm])
def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: type[Film]) -> None:
    if decoder is OpenCVFilm:
        pytest.importorskip("cv2")
    write_video(tmp_path / "Alien: Covenant.mp4", list(range(4)))
    monkeypatch.chdir(tmp_path)
    with decoder("Alien: Covenant.mp4") as film:
        assert film.path == "Alien: Covenant.mp4" and len(list(film.frames())) == 4


@pytest.mark.parametrize("name", ["long.mp4", "long.mkv", "long.ts"])
def test_jumping_gives_what_decoding_through_gives(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"crf": "10", "g": "12", "bf": "2"}
    path = write_video(tmp_path / name, list(range(100)), options=options)
    times = [0.33, 4.1, 4.12, 7.77, 9.4]
    through = read_frames(path, times)
    monkeypatch.setattr(video_distinctad, "SEEK_GAP_S", 0.5)
    seeks: list[float] = []
    seek = AVFilm.seek
    monkeypatch.setattr(AVFilm, "seek", lambda film, t: seeks.append(t) or seek(film, t))
    jumped = read_frames(path, times)
    assert len(seeks) >= 3
    assert [number(f) for f in through] == [3, 41, 41, 78, 94]
    assert [number(f) for f in jumped] == [3, 41, 41, 78, 94]


def test_a_stream_that_cannot_seek_is_read_from_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", list(range(60)), options={"g": "10", "crf": "10"})
    monkeypatch.setattr(video_distinctad, "SEEK_GAP_S", 0.5)
    monkeypatch.setattr(AVFilm, "seek", lambda film, t: False)
    assert [number(f) for f in read_frames(path, [0.3, 3.0, 5.5])] == [3, 30, 55]


def test_probe(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", list(range(20)), audio=True)
    info = probe(path)
    assert info.duration_s == pytest.approx(2.0, abs=0.01)
    assert info.frame_rate_hz == pytest.approx(10.0)
    assert (info.width, info.height, info.has_audio) == (64, 48, True)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
def test_a_film_whose_pictures_start_after_its_sound_keeps_its_end(tmp_path: Path, name: str) -> None:
    info = probe(write_video(tmp_path / name, list(range(20, 40)), audio=True))  # 2 s of pictures from 2 s on
    assert info.duration_s == pytest.approx(4.0, abs=0.1)
    alone = probe(write_video(tmp_path / f"alone_{name}", list(range(20, 40))))
    assert alone.duration_s == pytest.approx(2.0, abs=0.1)


def test_sound_that_nobody_can_decode_is_none(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", list(range(20)), audio=True)
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"zz-4").replace(b"esds", b"zsds"))
    assert not probe(path).has_audio and probe(path).duration_s == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("decoder", [AVFilm, OpenCVFilm])
def test_pixels_that_are_no_squares_are_widened(tmp_path: Path, decoder: type[Film]) -> None:
    path = tmp_path / "dvd.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, width=72, height=58, pix_fmt="yuv420p")
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((58, 72, 3), np.uint8), "rgb24")))
        container.mux(stream.encode())
    with decoder(path) as film:
        frame = next(film.frames())[1]
        assert film.to_rgb(frame).shape == (58, 102, 3) and film.to_rgb(frame, (20, 10)).shape == (10, 20, 3)


def test_times_count_from_the_containers_start(tmp_path: Path) -> None:
    path = write_video(tmp_path / "late.ts", list(range(20, 40)))
    with av.open(str(path)) as container:
        assert container.start_time > 1_500_000  # microseconds
    assert [number(f) for f in read_frames(path, [0.0, 1.0])] == [0, 10]


def test_truncated_file_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", list(range(100)), container_options={"movflags": "+faststart"})
    cut = tmp_path / "cut.mp4"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 2 // 3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert number(read_frames(cut, [1.0])[0]) == 10  # what is there is read without complaint
    with pytest.warns(VideoWarning, match="cut.mp4"):
        late = read_frames(cut, [1.0, 9.9])
    assert number(late[0]) == 10 and 30 < number(late[1]) < 90


def test_a_time_far_past_the_end_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", list(range(20)))
    with pytest.warns(VideoWarning, match="was asked for 5000 s"):
        (frame,) = read_frames(path, [5000.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (last,) = read_frames(path, [probe(path).duration_s + 0.5])  # a clip's end may lie a little beyond
    assert np.array_equal(frame, last)


def test_a_film_has_ended_where_neither_its_word_nor_its_pictures_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", list(range(20)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert end_before(path, 1.99) is None
        assert end_before(path, 2.0) == end_before(path, 1e300) == 2.0
        assert end_before(path, float("inf")) is None and end_before(path, float("nan")) is None  # others' to refuse
        reopen, said_s = AVFilm.reopen, [1.0]

        def declare(film: AVFilm) -> None:
            reopen(film)
            film.declared_s = film.whole_s = said_s[0]

        monkeypatch.setattr(AVFilm, "reopen", declare)  # a recorder that wrote another length, or none
        assert end_before(path, 1.5) is None
        assert end_before(path, 2.5) == pytest.approx(1.9)  # its last picture
        said_s[0] = 0.0
        assert end_before(path, 2.5) is None


def test_truncated_file_under_seeking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"g": "10", "crf": "10"}
    whole = write_video(
        tmp_path / "a.mp4", list(range(100)), options=options, container_options={"movflags": "+faststart"}
    )
    cut = tmp_path / "cut.mp4"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 2 // 3])
    with pytest.warns(VideoWarning):
        through = number(read_frames(cut, [9.9])[0])
    monkeypatch.setattr(video_distinctad, "SEEK_GAP_S", 0.5)
    with pytest.warns(VideoWarning):
        assert [number(f) for f in read_frames(cut, [0.2, 9.0, 9.9])] == [2, through, through]


def test_damaged_middle_is_stepped_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", list(range(60)), options={"g": "5", "crf": "4"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(bytes(data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VideoWarning)
        frames = read_frames(path, [0.5, 5.5])
    assert [number(f) for f in frames] == [5, 55]


def test_errors_name_the_file_and_the_way_out(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a film " * 50)
    headless = tmp_path / "headless.mp4"  # an MP4 cut before its index, which stands at the end
    headless.write_bytes(write_video(tmp_path / "a.mp4", list(range(20))).read_bytes()[:1500])
    sound = tmp_path / "sound.mp4"  # sound with a cover picture
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        picture.pts = 0
        container.mux(cover.encode(picture))
        container.mux(cover.encode())
        for k in range(8):
            chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts = 16000, k * 1024
            container.mux(stream.encode(chunk))
        container.mux(stream.encode())
    cases = {
        tmp_path / "absent.mp4": "no such file",
        tmp_path: "a folder",
        text: "cannot be read as a video",
        headless: "cannot be read as a video",
        sound: "no moving picture",
    }
    for path, words in cases.items():
        with pytest.raises(VideoError, match=words) as caught:
            read_frames(path, [0.0])
        assert str(path) in str(caught.value) and "expected" in str(caught.value)
        with pytest.raises(VideoError):
            probe(path)


def test_clips_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", list(range(80)))
    opened: list[str] = []
    open_ = video_distinctad.open_film
    monkeypatch.setattr(video_distinctad, "open_film", lambda p: opened.append(p) or open_(p))
    intervals = [(0.0, 2.0), (1.0, 5.0), (1.5, 2.0), (6.0, 7.0)]  # overlapping, the third inside the second
    clips = list(iter_clip_frames(path, intervals, 4))
    assert len(opened) == 1
    for interval, clip in zip(intervals, clips, strict=True):
        apart = read_frames(path, frame_times(*interval, 4))
        assert [number(f) for f in clip] == [number(f) for f in apart]
    assert list(iter_clip_frames(path, [], 4)) == []
    with pytest.raises(ValueError, match="sorted by start"):
        list(iter_clip_frames(path, [(2, 3), (1, 2)], 4))


def test_only_open_clips_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader never runs ahead of the clip that it hands out."""
    path = write_video(tmp_path / "a.mp4", list(range(80)))
    converted: list[int] = []
    to_rgb = AVFilm.to_rgb
    monkeypatch.setattr(AVFilm, "to_rgb", lambda *given: converted.append(1) or to_rgb(*given))
    for done, clip in enumerate(iter_clip_frames(path, [(i, i + 1) for i in range(8)], 3, size=(16, 12)), start=1):
        assert len(clip) == 3 and clip[0].shape == (12, 16, 3)
        assert len(converted) == 3 * done


@pytest.mark.parametrize("decoder", [AVFilm, OpenCVFilm])
def test_a_list_of_films_is_refused_before_what_it_names_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: type[Film]
) -> None:
    if decoder is OpenCVFilm:
        pytest.importorskip("cv2")
    write_video(tmp_path / "near.mp4", list(range(4)))
    given = "threads;1|"  # FFmpeg reads no further than the empty one
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", given)
    said = set()
    for named in ("near.mp4", "absent.mp4", "film.mp4"):  # the last is the list itself
        path = tmp_path / "film.mp4"
        path.write_text(f"ffconcat version 1.0\nfile {named}\n")
        with pytest.raises(VideoError, match=r"cannot be read as a video.*expected a whole video file") as caught:
            decoder(path)
        said.add(str(caught.value))
    assert len(said) == 1, "whether a neighbour exists is not to be had"
    with decoder(tmp_path / "near.mp4") as film:
        assert number(film.to_rgb(next(film.frames())[1])) == 0
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == given  # this process's own, as it was


def test_a_stream_that_a_server_recorded_is_opened(tmp_path: Path) -> None:
    """FFmpeg has a format of its own for FLV that begins as such a server's does."""
    path = tmp_path / "a.flv"
    write_video(path, list(range(6)), codec="flv", options={})
    whole, said = path.read_bytes(), b"\2\0\x0aonMetaData\x08\0\0\0\1\0\2by\2\0\x0aNGINX RTMP\0\0\x09"
    tag = b"\x12" + len(said).to_bytes(3, "big") + bytes(7) + said + (len(said) + 11).to_bytes(4, "big")
    path.write_bytes(whole[:13] + tag + whole[13:])
    with av.open(str(path)) as container:
        assert container.format.name == "live_flv"
    with AVFilm(path) as film:
        assert len(list(film.frames())) == 6


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mov", "libx264"), ("a.m4v", "libx264"), ("a.webm", "libvpx"), ("a.mkv", "libx264"), ("a.ts", "libx264"),
     ("a.avi", "mpeg4"), ("a.flv", "flv"), ("a.asf", "wmv2"), ("a.mpg", "mpeg2video"), ("a.m2v", "mpeg2video"),
     ("a.h264", "libx264"), ("a.hevc", "libx265"), ("a.mjpg", "mjpeg"), ("a.3gp", "libx264"), ("a.nut", "mpeg4"),
     ("a.mxf", "mpeg2video"), ("a.gif", "gif"), ("a.y4m", "wrapped_avframe"), ("a.ivf", "libvpx")],
)  # fmt: skip
def test_every_container_of_films_is_opened(tmp_path: Path, name: str, codec: str) -> None:
    rate = {"tick": Fraction(1, 25)} if codec == "mpeg2video" else {}
    pixels = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec)
    write_video(tmp_path / name, list(range(6)), codec=codec, options={}, pixels=pixels, **rate)
    assert read_frames(tmp_path / name, [0.0])[0].shape == (48, 64, 3)
