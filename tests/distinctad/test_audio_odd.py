"""Films whose sound is not as one would draw it: several tracks, parts of other kinds, clocks that drift."""

from __future__ import annotations

import gc
import wave
import weakref
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from stand_ins import write_film

from distinctad.audio import mix, mux, sound
from distinctad.audio.tags import Tags
from distinctad.audio.voice import Remembering
from distinctad.errors import UserError
from distinctad.plan import _data_end_s, plan, probe_film
from distinctad.planner import hear
from distinctad.subtitles import Speech
from distinctad.track import Track, TrackSettings

RATE_HZ = 8_000
TAGS = Tags("a.mp4", "v")


def fitted(track: Track) -> dict[str, Any]:
    """The document of a track that says "Mara runs." in each of its places."""
    cue = {"start_s": 0.0, "end_s": 1.0, "text": "Mara runs.", "provenance": {"text_from": "model"}}
    document = {"warnings": [], "model": {"name": "m", "sha256": None}, "generation": {"seed": 0}}
    count = len(track.job.intervals)
    return track.fitted({**document, "cues": [cue] * count}, [[("Mara runs.", 0.0)]] * count)


def tone(hertz: float, seconds: float, rate_hz: int) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def loudest_hz(samples: np.ndarray, rate_hz: int) -> int:
    """Of one second of sound."""
    assert samples.size == rate_hz
    return int(np.argmax(np.abs(np.fft.rfft(samples))))


def put(container: Any, stream: Any, samples: np.ndarray, layout: str, start: int = 0) -> None:
    rate = stream.rate
    for at in range(0, samples.size, 1024):
        piece = np.tile(samples[at : at + 1024], (1 if layout == "mono" else 2, 1))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), start + at
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def clicks(path: Path, stamps: Sequence[int], seconds: float) -> np.ndarray:
    """When clicks are heard, each 20 ms of sound stamped as given (samples); every 50th begins with a click."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        for k, stamp in enumerate(stamps):
            piece = np.zeros((1, 160), np.int16)
            piece[0, :16] = 20_000 if k % 50 == 49 else 0
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE_HZ, Fraction(1, RATE_HZ), stamp
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    heard = np.concatenate(list(sound.blocks(path, sound.Programme(RATE_HZ, "mono", seconds, True))), axis=1)[0]
    loud = np.flatnonzero(np.abs(heard) > 0.3)
    return loud[np.diff(loud, prepend=-1000) > 100] / RATE_HZ


@pytest.mark.parametrize("second", [(44_100, "mono"), (48_000, "stereo"), (44_100, "stereo")])
def test_a_recording_may_change_its_sound_midway(tmp_path: Path, second: tuple[int, str]) -> None:
    parts = []
    for number, (rate_hz, layout) in enumerate([(48_000, "mono"), second]):
        parts.append(tmp_path / f"{number}.ts")
        with av.open(str(parts[-1]), "w") as container:
            stream = container.add_stream("aac", rate=rate_hz, layout=layout)
            put(container, stream, tone(440.0, 3.0, rate_hz), layout, start=number * 3 * rate_hz)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    programme = sound.programme_of(joined, 6.0)
    heard = np.concatenate(list(sound.blocks(joined, programme)), axis=1)[0]
    assert [loudest_hz(heard[at : at + 48_000], 48_000) for at in (48_000, 4 * 48_000)] == [440, 440]


@pytest.mark.parametrize(
    ("flags", "taken"),
    [
        (["comment", "default"], 1), (["comment", ""], 1), (["visual_impaired", ""], 1), (["", "default"], 1),
        (["dub", ""], 1), (["dub+default", ""], 0), (["", ""], 0), (["comment", "comment"], 0), (["comment"], 0),
    ],
)  # fmt: skip
def test_of_several_tracks_the_films_own_is_taken(tmp_path: Path, flags: list[str], taken: int) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("aac", rate=RATE_HZ, layout="mono") for _ in flags]
        for number, (stream, words) in enumerate(zip(streams, flags, strict=True)):
            stream.disposition = Disposition(0)
            for word in filter(None, words.split("+")):
                stream.disposition |= Disposition[word]
            stream.metadata["title"] = f"Track {number}"
        for number, stream in enumerate(streams):
            put(container, stream, tone(300.0 + 700.0 * number, 2.0, RATE_HZ), "mono")
    heard = np.concatenate(list(sound.blocks(path, sound.programme_of(path, 2.0))), axis=1)[0]
    assert loudest_hz(heard[4000:12_000], RATE_HZ) == 300 + 700 * taken
    several = [f"of 2 sound tracks number {taken + 1} (Track {taken}) is the one listened to and spoken over"]
    assert sound.sound_notes(path) == (several if len(flags) > 1 else [])
    assert hear(path, 2.0, False, None)[2][1:] == sound.sound_notes(path)  # `plan` says it too


@pytest.mark.usefixtures("hum")
def test_sound_that_nobody_can_decode_is_left_out_and_told(tmp_path: Path) -> None:
    known, path, srt = write_film(tmp_path / "known.mp4", 4.0), tmp_path / "strange.mp4", tmp_path / "a.srt"
    path.write_bytes(known.read_bytes().replace(b"mp4a", b"zz-4").replace(b"esds", b"zsds"))
    srt.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n")
    mux.require_mp4(path)
    programme = sound.programme_of(path, 4.0)
    assert not programme.has_sound
    mux.write_described(path, tmp_path / "d.mp4", sound.blocks(path, programme), programme, TAGS)
    with av.open(str(tmp_path / "d.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    job = Track(plan(path, subtitles=srt), srt, TrackSettings()).job
    assert not job.info.has_audio
    assert "of 1 sound track(s) number 1 cannot be decoded and is left out" in job.warnings


def test_sound_that_is_longer_than_its_clock_does_not_drift(tmp_path: Path) -> None:
    for drift in (0.99, 1.01):
        stamps = [round(k * 160 * drift) for k in range(1500)]  # 30 s, .3 s off at their end
        heard = clicks(tmp_path / "a.mkv", stamps, 31.0)
        due = np.array(stamps)[49::50] / RATE_HZ
        off = np.abs(heard[:, None] - due).min(axis=1)
        assert off.max() < 0.11, drift
        assert len(heard) >= 27, drift  # a cut may take a click along, and no more than that


def test_a_clock_that_starts_anew_costs_no_sound(tmp_path: Path) -> None:
    parts = [tmp_path / name for name in ("a.ts", "b.ts")]
    for part in parts:
        with av.open(str(part), "w") as container:
            stream = container.add_stream("aac", rate=RATE_HZ, layout="mono")
            put(container, stream, tone(440.0, 12.0, RATE_HZ), "mono")
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    programme = sound.Programme(RATE_HZ, "mono", 24.0, True)
    heard = np.concatenate(list(sound.blocks(tmp_path / "both.ts", programme)), axis=1)[0]
    assert np.abs(heard[-RATE_HZ:]).max() > 0.2


@pytest.mark.parametrize("wrong_s", [-0.7, 0.7])
def test_one_wrong_time_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong_s: float) -> None:
    pieces = [(k / 50 + (wrong_s if k == 60 else 0), [np.full((1, 160), k, np.float32)]) for k in range(150)]
    monkeypatch.setattr(sound, "_resampled", lambda frames, programme: iter(pieces))
    film = write_film(tmp_path / "a.mp4", 3.0)
    (heard,) = np.concatenate(list(sound.blocks(film, sound.Programme(RATE_HZ, "mono", 3.0, True))), axis=1)
    due = np.repeat(np.arange(150), 160)
    off = np.abs(heard - due)
    assert off[: 59 * 160].max() == 0 and off[100 * 160 : 140 * 160].max() <= 5  # .1 s
    assert len(set(heard.tolist())) >= (149 if wrong_s < 0 else 114)


def test_blocks_are_about_a_second_long(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", 6.0)
    sizes = [block.shape[1] for block in sound.blocks(path, sound.programme_of(path, 6.0))]
    assert sum(sizes) == 6 * 16_000 and min(sizes[:-1]) >= 16_000 and len(sizes) <= 7


def test_mixing_grows_with_the_film_and_not_with_its_square(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    gain_at = mix.gain_at
    monkeypatch.setattr(
        mix, "gain_at", lambda t, stretches, *g: looked.append(len(stretches)) or gain_at(t, stretches, *g)
    )
    count, rate_hz = 200, 100
    spots = [mix.Spot(0.97 * i, np.full(70, 0.1, np.float32)) for i in range(count)][::-1]
    pauses = [mix.Pause(0.5 * i, 0.4) for i in range(count)]
    whole = np.ones((1, count * rate_hz), np.float32)
    blocks = [whole[:, at : at + rate_hz] for at in range(0, whole.shape[1], rate_hz)]
    for stops in ((), pauses):
        looked.clear()
        by_seconds = np.concatenate(list(mix.mixed(blocks, spots, rate_hz, pauses=stops)), axis=1)
        assert sum(looked) <= 10 * count
        # One block sees everything at once.
        pieces = mix._stopping([whole], rate_hz, stops)
        monkeypatch.setattr(mix, "_stopping", lambda *given, all_of_it=pieces: [np.concatenate([*all_of_it], axis=1)])
        assert by_seconds == pytest.approx(np.concatenate(list(mix.mixed([], spots, rate_hz, pauses=stops)), axis=1))
        monkeypatch.undo()
        monkeypatch.setattr(
            mix, "gain_at", lambda t, stretches, *g: looked.append(len(stretches)) or gain_at(t, stretches, *g)
        )
    alone = np.concatenate(list(mix.narration(spots, rate_hz, count * rate_hz)), axis=1)
    assert np.count_nonzero(alone) == count * 70


def test_the_sound_of_what_is_only_measured_is_not_kept() -> None:
    made: list[weakref.ref[np.ndarray]] = []

    class Fresh:
        name, rate_hz = "fresh", 100

        def speak(self, text: str) -> np.ndarray:
            samples = np.zeros(len(text), np.float32)
            made.append(weakref.ref(samples))
            return samples

    voice = Remembering(Fresh())
    texts = ["a" * length for length in range(1, 201)]
    for _ in range(2):
        assert [voice.seconds(text) for text in texts] == [len(text) / 100 for text in texts]
    gc.collect()
    assert len(made) == 200 and sum(one() is not None for one in made) <= 40
    assert voice.speak(texts[0]).size == 1 and voice.seconds(texts[0]) == 0.01


def avi(path: Path, codec: str, b_frames: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, width=64, height=48, pix_fmt="yuv420p")
        stream.codec_context.max_b_frames = b_frames
        for i in range(30):
            image = np.full((48, 64, 3), 8 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path


def test_an_avi_whose_pictures_would_jump_is_refused_before_it_is_described(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'b.avi' does not say when its pictures are shown .* Re-encode it as H.264"):
        mux.require_mp4(avi(tmp_path / "b.avi", "libx264", 2))
    for name, codec, b_frames in (("plain.avi", "libx264", 0), ("old.avi", "mpeg4", 2)):
        mux.require_mp4(avi(tmp_path / name, codec, b_frames))


@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_last_picture_stays_through_the_pauses_after_it(tmp_path: Path, b_frames: int) -> None:
    film, out = tmp_path / "slow.mp4", tmp_path / "extended.mp4"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=1, width=64, height=48, pix_fmt="yuv420p")
        stream.codec_context.max_b_frames = b_frames
        for i in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * i, np.uint8), "rgb24")))
        container.mux(stream.encode())
    pauses = [mix.Pause(2.5, 1.0), mix.Pause(5.4, 1.5), mix.Pause(5.9, 2.0)]
    programme = sound.Programme(RATE_HZ, "mono", 6.0, False)
    spoken = mix.mixed(sound.blocks(film, programme), [], RATE_HZ, pauses=pauses)
    mux.write_extended(film, out, spoken, replace(programme, duration_s=10.5), pauses, TAGS)
    with av.open(str(out)) as container:
        lengths = [float(stream.duration * stream.time_base) for stream in container.streams]
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert lengths == pytest.approx([10.5, 10.5], abs=0.15)
    assert times == pytest.approx([0.0, 1.0, 2.0, 4.0, 5.0, 6.0], abs=0.01)


def test_a_long_sound_file_has_room_for_its_size(tmp_path: Path) -> None:
    path, programme = tmp_path / "a.wav", sound.Programme(RATE_HZ, "mono", 1.0, True)
    sound.write_wav(path, iter([np.zeros((1, RATE_HZ), np.float32)]), programme, {})
    head = path.read_bytes()[:16]
    assert head[:4] == b"RIFF" and head[12:] == b"JUNK"  # becomes RF64 and ds64 beyond 4 GB
    with wave.open(str(path)) as file:
        assert (file.getnframes(), file.getframerate()) == (RATE_HZ, RATE_HZ)


@pytest.mark.usefixtures("hum")
@pytest.mark.parametrize(
    ("lines", "start_s", "stop_s"),
    [
        ([(1.0, 9.0)], 4.0, 1.0), ([(2.0, 4.5), (4.5, 9.0)], 4.0, 4.5),
        ([(1.0, 4.5), (4.4, 6.5), (6.5, 9.0)], 6.0, 6.5),
        ([(0.0, 12.0)], 5.0, 5.0),  # too far on both sides
    ],
)  # fmt: skip
def test_the_film_stops_in_no_sentence(
    tmp_path: Path, lines: list[tuple[float, float]], start_s: float, stop_s: float
) -> None:
    film, times = write_film(tmp_path / "a.mp4", 12.0), tmp_path / "a.csv"
    times.write_text(f"start,end\n{start_s},6.4\n")
    track = Track(plan(film, intervals=times), None, TrackSettings(), [Speech(*line, "Well.") for line in lines])
    fitted(track)
    _, later, pauses = track._spots(sound.programme_of(film, 12.0))
    assert [pause.at_s for pause in pauses] == [stop_s] and [spot.start_s for spot in later] == [stop_s + 0.15]


def test_levels_by_hand() -> None:
    sound_of = np.concatenate([np.full((2, 100), 0.1, np.float32), np.zeros((2, 100), np.float32)], axis=1)
    stretches = [(1.5, 2.0), (0.5, 1.5), (0.0, 0.6), (5.0, 6.0)]
    for size in (200, 70, 1):
        blocks = [sound_of[:, at : at + size] for at in range(0, 200, size)]
        assert mix.levels_db(blocks, stretches, 100) == pytest.approx([-200.0, -23.01, -20.0, -200.0], abs=0.01)
    assert mix.levels_db([], [], 100) == []


@pytest.mark.usefixtures("hum")
def test_a_film_that_drowns_the_voice_is_told_with_what_would_do(tmp_path: Path) -> None:
    film, times = tmp_path / "loud.mkv", tmp_path / "a.csv"
    times.write_text("start,end\n0.0,1.9\n4.0,5.9\n")
    with av.open(str(film), "w") as container:
        pictures = container.add_stream("libx264", rate=8, width=64, height=48, pix_fmt="yuv420p")
        stream = container.add_stream("pcm_f32le", rate=RATE_HZ, layout="mono")
        for _ in range(48):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")))
        container.mux(pictures.encode())
        samples = tone(440.0, 6.0, RATE_HZ)  # -13.5 dB
        samples[: 3 * RATE_HZ] *= 0.1
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        container.mux(stream.encode(frame))
    said = {}
    for duck_db in (-10.0, -17.0):
        track = Track(plan(film, intervals=times), None, TrackSettings(duck_db=duck_db), [])
        said[duck_db] = [text for text in fitted(track)["warnings"] if "below the voice" in text]
    line = "under 1 description(s) the film is less than 10 dB below the voice: --duck -17 lowers it further"
    assert said == {-10.0: [line], -17.0: []}


def test_a_list_of_films_is_refused_whoever_reads_it(tmp_path: Path) -> None:
    write_film(tmp_path / "near.mp4", 4.0)
    path = tmp_path / "film.mp4"
    path.write_text("ffconcat version 1.0\nfile near.mp4\n")
    assert _data_end_s(tmp_path / "near.mp4", 4.0) > 3.9 and _data_end_s(path, 4.0) == 0.0
    with pytest.raises(UserError, match=r"'film.mp4' cannot be used: cannot be read as a video .* Give a video file"):
        probe_film(path)
    for read in (sound.opened, sound.sound_notes, mux.require_mp4, lambda film: sound.programme_of(film, 4.0)):
        with pytest.raises(UserError, match=r"'film.mp4' cannot be opened .* Give a video that plays"):
            read(path)
