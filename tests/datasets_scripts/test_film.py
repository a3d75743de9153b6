import json
import subprocess
import wave
from pathlib import Path

import av
import numpy as np
import pysubs2
import pytest
from PIL import Image
from pocket_films import tiny_film

from datasets_scripts.pocket import film as film_module
from datasets_scripts.pocket.draw import film_frame
from datasets_scripts.pocket.film import music, soundtrack, write_film, write_video
from datasets_scripts.pocket.voice import Voice, VoiceError, find_voice, resample


class LoudVoice:
    """Says everything as one second of noise, whatever is asked."""

    name = "noise"

    def __init__(self):
        self.asked = []

    def speak(self, text, speaker, longest_s=None):
        self.asked.append((text, speaker, round(longest_s, 3)))
        return np.random.default_rng(0).uniform(-1, 1, 16_000).astype(np.float32)


def read_back(path):
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        return frames, sound, container.streams.video[0], container.streams.audio[0]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films") / "film_5"
    steps = []
    files = write_film(tiny_film(), folder, LoudVoice(), progress=lambda done, total: steps.append((done, total)))
    return folder, files, steps


def test_the_video_shows_the_film(written):
    _, files, steps = written
    frames, sound, video, audio = read_back(files.videos[0])
    assert (video.width, video.height, float(video.average_rate)) == (640, 360, 24.0)
    assert (video.codec_context.name, audio.codec_context.name, audio.rate) == ("h264", "aac", 16_000)
    assert len(frames) == files.frame_count == 168 and steps[-1] == (168, 168) and steps[0] == (24, 168)
    for number in (0, 60, 167):
        drawn = film_frame(tiny_film(), number / 24)
        assert np.abs(frames[number].astype(int) - drawn).mean() < 6.0
    assert sound.size == pytest.approx(7 * 16_000, abs=3 * 1024)


def test_a_colon_in_the_path_names_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a: b").mkdir()
    write_video(Path("a: b/c.mp4"), iter([np.zeros((360, 640, 3), np.uint8)] * 2), np.zeros(2048, np.float32))
    assert [path.name for path in (tmp_path / "a: b").iterdir()] == ["c.mp4"]


def test_speech_is_heard_in_its_lines_only(written):
    _, files, _ = written
    _, sound, _, _ = read_back(files.videos[0])
    loud = [float(np.sqrt(np.mean(sound[int(a * 16_000) : int(b * 16_000)] ** 2))) for a, b in
            ((1.6, 1.9), (4.4, 5.2), (0.5, 1.4), (2.2, 4.1), (5.5, 6.8))]  # fmt: skip
    assert min(loud[:2]) > 0.2 and max(loud[2:]) < 0.06 and min(loud[2:]) > 0.005


def test_side_files(written):
    folder, files, _ = written
    lines = pysubs2.load(str(files.subtitles))
    assert [(line.start, line.end) for line in lines] == [(1550, 1950), (4300, 5300)]
    assert lines[1].plaintext == "You never listen."
    cast = json.loads(files.cast.read_text(encoding="utf-8"))
    assert cast[0] == {"id": "p1", "name": "Zoë", "actor": "Ada Actor", "portrait": "portraits/p1.png"}
    assert len(cast) == 3 and all((folder / person["portrait"]).is_file() for person in cast)
    assert Image.open(files.portraits[2]).size == (256, 256)
    assert files.voice == "noise" and not list(folder.rglob("*.part"))
    assert {path.name for path in folder.iterdir()} == {"film_5.mp4", "film_5.srt", "film_5.cast.json", "portraits"}


def test_she_and_he_have_different_voices_and_lines_have_their_limits():
    voice = LoudVoice()
    soundtrack(tiny_film(), voice)  # look 1 is she, look 2 is he
    assert voice.asked == [("I {know} so.", 1, 0.4), ("You never listen.", 0, 1.0)]


def test_equal_films_give_equal_files(tmp_path):
    one, two = (write_film(tiny_film(), tmp_path / name, None, "cmd-ad") for name in ("a", "b"))
    assert [path.relative_to(tmp_path / "a").as_posix() for path in one.videos] == [
        "2000/film_5_01.mkv", "2000/film_5_02.mkv",
    ]  # fmt: skip
    for first, second in zip(one.videos, two.videos, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert len(read_back(one.videos[1])[0]) == round(1.7 * 24)
    assert one.voice == ""


def test_tv_frames(tmp_path):
    stale = tmp_path / "pocket_frames" / "film_5_s01e01_seg02_clip_01"
    stale.mkdir(parents=True)
    (stale / "00099.jpg").write_bytes(b"old")
    files = write_film(tiny_film(), tmp_path / "film_5", None, "tv-ad", media=tmp_path)
    assert files.videos[1] == stale
    assert sorted(path.name for path in stale.iterdir()) == [f"{n:05d}.jpg" for n in range(1, 6)]
    shown = np.asarray(Image.open(stale / "00004.jpg")).astype(int)
    assert np.abs(shown - film_frame(tiny_film(), 5.3 + 3 / 3)).mean() < 6.0
    assert files.frame_count == 20


def test_without_pictures(tmp_path):
    files = write_film(tiny_film(), tmp_path, LoudVoice(), pictures=False)
    assert files.videos == () and files.frame_count == 0 and files.voice == ""
    assert files.subtitles.is_file() and files.cast.is_file()


def test_a_broken_off_video_leaves_nothing(tmp_path):
    def breaks():
        yield np.zeros((360, 640, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        film_module.write_video(tmp_path / "x.mp4", breaks(), np.zeros(16_000, np.float32))
    assert not list(tmp_path.iterdir())


def test_music_is_quiet_seeded_and_without_clicks():
    bed = music(1, 9.0)
    assert bed.dtype == np.float32 and bed.shape == (144_000,)
    assert np.sqrt(np.mean(bed**2)) == pytest.approx(0.02, rel=1e-3)
    assert np.array_equal(bed, music(1, 9.0)) and not np.array_equal(bed, music(2, 9.0))
    assert np.abs(np.diff(bed)).max() < 0.02
    assert music(1, 0.0).size == 0


def test_resample_keeps_a_tone_and_drops_what_would_alias():
    time_s = np.arange(22_050) / 22_050
    tone = resample(np.sin(2 * np.pi * 440 * time_s).astype(np.float32), 22_050, 16_000)
    assert tone.shape == (16_000,) and tone.dtype == np.float32
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(tone - expected)[50:-50].max() < 0.03
    high = resample(np.sin(2 * np.pi * 14_500 * np.arange(48_000) / 48_000).astype(np.float32), 48_000, 16_000)
    assert np.abs(high[50:-50]).max() < 0.1
    with pytest.raises(ValueError, match="rates"):
        resample(tone, 0, 16_000)


def test_no_voice_without_the_program(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert find_voice() is None


def _program(tmp_path, body):
    path = tmp_path / "voice"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_failing_voice_says_so(tmp_path):
    with pytest.raises(VoiceError, match="code 3: no data"):
        Voice(_program(tmp_path, "echo no data >&2; exit 3")).speak("Hello", 0)
    with pytest.raises(VoiceError, match="wrote no sound"):
        Voice(_program(tmp_path, "cat > /dev/null")).speak("Hello", 0)
    with pytest.raises(VoiceError, match="wrote no sound"):
        Voice(str(tmp_path / "missing")).speak("Hello", 0)


def test_the_text_never_becomes_an_argument(monkeypatch):
    calls = []

    def run(command, **options):
        calls.append((command, options))
        with wave.open(command[command.index("-w") + 1], "wb") as file:
            file.setparams((1, 2, 22_050, 0, "NONE", ""))
            file.writeframes(np.full(22_050 * 2, 9000, "<i2").tobytes())

    monkeypatch.setattr(subprocess, "run", run)
    sound = Voice("/bin/voice").speak("--help; $(id)\nnow", 1, longest_s=1.0)
    assert sound.size == pytest.approx(32_000, abs=20)
    assert len(calls) == 2  # the second one faster
    for command, options in calls:
        assert isinstance(command, list) and not any("$(id)" in part for part in command)
        assert options["input"] == b"--help; $(id) now" and "shell" not in options
    rates = [int(command[command.index("-s") + 1]) for command, _ in calls]
    assert rates[0] < rates[1] <= 340
    assert Voice("/bin/voice").speak("\n ", 0).size == 0


@pytest.mark.skipif(find_voice() is None, reason="espeak-ng is not installed")
def test_a_real_voice_has_two_speakers_and_hurries():
    voice = find_voice()
    he, she = (voice.speak("You never listen to me, my friend.", speaker) for speaker in (0, 1))
    assert he.dtype == np.float32 and 0.05 < np.abs(he).max() <= 1.0
    assert 1.0 < he.size / 16_000 < 4.0 and not np.array_equal(he[:5000], she[:5000])
    assert np.array_equal(he, voice.speak("You never listen to me, my friend.", 0))
    assert voice.speak("You never listen to me, my friend.", 0, 1.3).size < min(he.size, 1.4 * 16_000)
