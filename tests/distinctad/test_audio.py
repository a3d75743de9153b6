from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from stand_ins import FakePipe, Hum
from typer.testing import CliRunner

from distinctad.audio import mix, sound
from distinctad.audio import voice as voices
from distinctad.cli import app
from distinctad.describe import describe, rehearse
from distinctad.errors import UserError
from distinctad.exports import FILES
from distinctad.formats.convert import read_script
from distinctad.subtitles import Speech
from distinctad.track import CAPTION_FILES, MEDIA_FILES, TEXT_FILES, Track, TrackSettings

RATE_HZ = 16_000
SRT = "1\n00:00:03,000 --> 00:00:05,000\nHello, Mara.\n\n2\n00:00:06,500 --> 00:00:08,000\nYes?\n"
TEXTS = ("Mara runs.", "An old man, smiling, waits here.", "Tom opens the door.")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds with a steady tone and pictures that refer to later ones (B-frames)."""
    path = tmp_path_factory.mktemp("tone") / "film_7.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        tone = (0.2 * np.sin(np.arange(12 * RATE_HZ) * 2 * np.pi * 440 / RATE_HZ)).astype(np.float32)
        for i in range(96):
            image = np.full((48, 64, 3), 20 + 2 * i, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
        for start in range(0, tone.size, 1024):
            piece = np.ascontiguousarray(tone[None, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


@pytest.fixture
def no_media(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound and films take a second to write; what is said is settled before."""
    monkeypatch.setattr(Track, "makers", lambda self, script: {})


@pytest.fixture
def srt(tmp_path: Path) -> Path:
    (tmp_path / "s.srt").write_text(SRT)
    return tmp_path / "s.srt"


def pipe() -> FakePipe:
    return FakePipe(lambda index, generation: TEXTS[index])


def packets(path: Path, kind: str, number: int = 0) -> list[tuple[bytes, int | None, int | None]]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[number]
        return [(bytes(p), p.pts, p.dts) for p in container.demux(stream) if p.size]


def heard(path: Path, number: int = 0) -> np.ndarray:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE_HZ)
        frames = [f for frame in container.decode(container.streams.audio[number]) for f in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def level_db(samples: np.ndarray, start_s: float, end_s: float) -> float:
    part = samples[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)]
    return float(20 * np.log10(np.sqrt(np.mean(part**2)) + 1e-9))


@pytest.fixture(scope="module")
def made(film: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("made")
    (folder / "s.srt").write_text(SRT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voices, "find_voice", lambda name="auto": voices.Remembering(Hum()))
        result = describe(film, folder / "out", subtitles=folder / "s.srt", pipe=pipe(), export="all")
    assert [path.name for path in result.files] == [*FILES, *TEXT_FILES, *MEDIA_FILES, *CAPTION_FILES]
    return folder / "out", result.document


def test_the_texts_are_fitted_and_traced(made: tuple[Path, dict[str, Any]]) -> None:
    out, document = made
    rows = [(cue["text"], cue["start_s"], cue["provenance"]["fit"]) for cue in document["cues"]]
    assert rows == [("Mara runs.", 0.0, "whole"), ("An old man, smiling, waits here.", 5.15, "extended"),
                    ("Tom opens the door.", 8.15, "whole")]  # fmt: skip
    origin = document["cues"][0]["provenance"]
    assert (
        origin["voice"] == "synthetic voice hum" and origin["edited"] is False and origin["model"] == "given pipeline"
    )
    assert origin["draft"] == "Mara runs." and origin["seed"] == 0 and origin["spoken_s"] == 0.66
    assert json.loads((out / "descriptions.json").read_text("utf-8")) == document
    script = read_script(out / "descriptions.dapt.xml")
    assert [cue.text for cue in script.cues] == [row[0] for row in rows] and script.cues[0].provenance == origin
    assert "Dialogue: Hello, Mara." in (out / "transcript.txt").read_text("utf-8")
    assert "1 description(s) do not fit" in document["warnings"][-1]


def test_the_described_film(made: tuple[Path, dict[str, Any]], film: Path) -> None:
    out, _ = made
    assert packets(film, "audio") == packets(out / "described.mp4", "audio")
    assert packets(film, "video") == packets(out / "described.mp4", "video")
    with av.open(str(out / "described.mp4")) as container:
        original, described = container.streams.audio
        flags = Disposition(int(described.disposition))
        assert Disposition.visual_impaired in flags and Disposition.default not in flags
        assert Disposition.default in Disposition(int(original.disposition))
        assert described.metadata["handler_name"] == (
            "Audio description, unreviewed machine draft (synthetic voice hum)"
        )
        assert described.metadata["language"] == "eng"
        assert container.duration == pytest.approx(12e6, abs=1e5)
    flat, track = heard(out / "described.mp4", 0), heard(out / "described.mp4", 1)
    assert abs(level_db(flat, 5.2, 7.9) - level_db(track, 5.2, 7.9)) < 0.2


def test_the_programme_is_lower_inside_cues_and_untouched_outside(
    made: tuple[Path, dict[str, Any]], film: Path
) -> None:
    out, document = made
    original, mixture, alone = heard(film), heard(out / "mix.wav"), heard(out / "narration.wav")
    assert mixture.size == alone.size == 12 * RATE_HZ
    programme = mixture - alone
    for cue in (document["cues"][0], document["cues"][2]):
        start_s, end_s = cue["start_s"] + 0.01, cue["end_s"] - 0.01
        assert level_db(programme, start_s, end_s) - level_db(original, start_s, end_s) == pytest.approx(-10.0, abs=1.0)
        assert level_db(alone, start_s, end_s) == pytest.approx(mix.LEVEL_DB, abs=1.0)
    for start_s, end_s in ((0.9, 7.9), (9.8, 11.9)):
        assert level_db(programme, start_s, end_s) - level_db(original, start_s, end_s) == pytest.approx(0.0, abs=0.1)
        assert level_db(alone, start_s, end_s) < -80


def test_the_extended_film_pauses(made: tuple[Path, dict[str, Any]], film: Path) -> None:
    out, document = made
    spoken_s = document["cues"][1]["provenance"]["spoken_s"]
    pause_s = spoken_s + 0.2 - 1.2  # a breath after it; the gap is 1.2 s long
    with av.open(str(out / "extended.mp4")) as container:
        assert container.duration / 1e6 == pytest.approx(12.0 + pause_s, abs=0.13)
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert len(times) == 96 and times == sorted(times)
    steps = np.diff(times)
    assert steps.max() == pytest.approx(0.125 + pause_s, abs=0.01) and (steps > 0.2).sum() == 1
    assert times[int(steps.argmax())] == pytest.approx(6.25, abs=0.13)  # the picture before 6.35 s stays
    assert [p[0] for p in packets(film, "video")] == [p[0] for p in packets(out / "extended.mp4", "video")]
    track = heard(out / "extended.mp4")
    assert track.size / RATE_HZ == pytest.approx(12.0 + pause_s, abs=0.13)
    assert level_db(track, 6.4, 6.3 + pause_s - 0.2) == pytest.approx(mix.LEVEL_DB, abs=1.0)  # the voice alone


def test_equal_runs_give_equal_bytes(
    made: tuple[Path, dict[str, Any]], film: Path, srt: Path, tmp_path: Path, hum: voices.Remembering
) -> None:
    describe(film, tmp_path / "again", subtitles=srt, pipe=pipe(), export="all")
    first, again = (
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (made[0], tmp_path / "again")
    )
    assert first == again and not any(str(film.parent).encode() in data for data in first.values())


@pytest.mark.usefixtures("hum", "no_media")
def test_a_dry_run_shows_the_intervals_that_the_run_takes(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = [Speech(3.0, 5.0, ""), Speech(6.5, 8.0, "")]
    monkeypatch.setattr("distinctad.planner.voice_activity", lambda film, duration_s: heard)
    job, fake = rehearse(film, export="all"), pipe()
    describe(film, tmp_path / "out", pipe=fake, export="all")
    assert [(one.start_s, one.end_s) for one in job.intervals] == fake.calls[0]["intervals"]
    assert job.origin == "gap" and len(rehearse(film).intervals) == 3 and rehearse(film).origin == "even"
    shown = CliRunner().invoke(app, ["describe", str(film), "--export", "all", "--dry-run"])
    assert shown.exit_code == 0 and "gap" in shown.stdout and "even" not in shown.stdout
    assert "heard by a detector" in shown.stderr and "over speech too" not in shown.stderr
    with pytest.raises(UserError, match="no voice to speak with"):
        rehearse(film, export="all", track=TrackSettings(voice="none"))


def test_without_a_voice_nothing_is_written(
    film: Path, srt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="no voice is installed. Install espeak-ng, or do without a voice"):
        voices.find_voice()
    command = ["describe", str(film), "--subtitles", str(srt), "--out", str(tmp_path / "out"), "--export", "all"]
    run = CliRunner().invoke(app, command)
    assert run.exit_code == 2 and run.output.count("\n") == 1 and "no voice is installed" in run.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.srt"]


def test_other_engines_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        def __init__(self, name: str, voice: Hum | None) -> None:
            self.name, self.load = name, lambda: lambda: voice

    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(voices, "entry_points", lambda group: [Entry("hum", Hum()), Entry("broken", None)])
    assert voices.find_voice().name == "hum" and voices.find_voice("hum").seconds("one two") == pytest.approx(0.66)
    with pytest.raises(UserError, match="no voice 'broken'"):
        voices.find_voice("broken")


def test_espeak_is_found_where_its_installer_on_windows_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "eSpeak NG" / "espeak-ng.exe"
    program.parent.mkdir()
    program.touch()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(voices, "entry_points", lambda group: [])
    monkeypatch.setenv("ProgramFiles", str(tmp_path))
    assert voices.find_voice().name == "espeak-ng"
    monkeypatch.chdir(tmp_path)
    for elsewhere in ("", "."):  # a program of the folder that one happens to be in is never run
        monkeypatch.setenv("ProgramFiles", elsewhere)
        with pytest.raises(UserError, match="no voice is installed"):
            voices.find_voice()


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_espeak_speaks_without_silence_at_its_ends() -> None:
    voice = voices.find_voice("espeak-ng")
    said = voice.speak("-w Mara runs; `rm`")
    assert 0.8 < said.size / voice.rate_hz < 4 and abs(said[0]) > 0.005 and abs(said[-1]) > 0.005
    assert voice.speak(" \n ").size == 0 and voice.speak("Mara runs.") is voice.speak("Mara runs.")


@pytest.mark.parametrize("wrong", [{"duck_db": 3.0}, {"candidates": 0}, {"naming": "never"}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        TrackSettings(**wrong)


@pytest.mark.usefixtures("hum", "no_media")
def test_a_pipeline_without_beams_gives_one_candidate(film: Path, srt: Path, tmp_path: Path) -> None:
    fake = FakePipe(lambda index, generation: "Mara waits and waits.")
    result = describe(film, tmp_path / "o", subtitles=srt, pipe=fake, export="all", track=TrackSettings(candidates=2))
    assert len(fake.calls) == 1 and result.cues[0]["provenance"]["alternatives"] == []


@pytest.mark.usefixtures("hum", "no_media")
def test_names_wait_when_asked(film: Path, srt: Path, tmp_path: Path, cast: Path) -> None:
    fake = FakePipe(lambda index, generation: "Mara waits.")
    track = TrackSettings(naming="after-reveal")
    result = describe(film, tmp_path / "o", subtitles=srt, cast=cast, pipe=fake, export="all", track=track)
    assert [cue["text"] for cue in result.cues] == ["Someone waits.", "Mara waits.", "Mara waits."]


@pytest.mark.usefixtures("hum", "no_media")
def test_that_dialogue_names_nobody_is_said(film: Path, tmp_path: Path, cast: Path) -> None:
    fake, track = FakePipe(lambda index, generation: "Mara waits."), TrackSettings(naming="after-reveal")
    result = describe(film, tmp_path / "o", cast=cast, pipe=fake, export="all", track=track)
    assert all("Mara" not in cue["text"] for cue in result.cues)
    document = json.loads((tmp_path / "o" / "descriptions.json").read_text(encoding="utf-8"))
    assert any(said.startswith("dialogue never names Mara") for said in document["warnings"])


def test_a_film_without_sound_gets_the_description_alone(tmp_path: Path, hum: voices.Remembering) -> None:
    from stand_ins import write_film

    quiet = write_film(tmp_path / "quiet.mp4", 4.0, audio=False)
    describe(quiet, tmp_path / "out", pipe=pipe(), export="all")
    with av.open(str(tmp_path / "out" / "described.mp4")) as container:
        (track,) = container.streams.audio
        assert Disposition.visual_impaired in Disposition(int(track.disposition))
    assert level_db(heard(tmp_path / "out" / "described.mp4"), 0.1, 0.5) > -25


def test_a_colon_in_names_is_no_protocol(
    tmp_path: Path, hum: voices.Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stand_ins import write_film

    write_film(tmp_path / "Alien: Covenant.mp4", 4.0)
    (tmp_path / "take: 2").mkdir()
    monkeypatch.chdir(tmp_path)
    describe("Alien: Covenant.mp4", Path("take: 2"), pipe=pipe(), export="all")
    assert {*MEDIA_FILES} <= {path.name for path in (tmp_path / "take: 2").iterdir()}


def test_a_codec_that_mp4_cannot_carry_is_said_in_one_line(tmp_path: Path, srt: Path, hum: voices.Remembering) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx", rate=4)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for _ in range(48):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
    with pytest.raises(UserError, match=r"'described.mp4' cannot be written \(.*\)\. Re-encode"):
        describe(path, tmp_path / "out", subtitles=srt, pipe=pipe(), export="all")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mkv", "s.srt"]


def test_peaks_are_held_and_all_else_is_as_it_was() -> None:
    for layout, channels in (("mono", 1), ("stereo", 2)):
        programme = sound.Programme(48_000, layout, 3.0, True)
        loud = np.tile(0.9 * np.sin(np.arange(3 * 48_000) / 40), (channels, 1)).astype(np.float32)
        loud[:, 48_000:52_800] *= 1.6
        blocks = [loud[:, :100], loud[:, 100:70_000], loud[:, 70_000:]]
        out = np.concatenate(list(sound.limited(blocks, programme)), axis=1)
        assert out.shape == loud.shape and np.abs(out).max() <= 1.0
        assert np.array_equal(out[:, :47_000], loud[:, :47_000]) and np.array_equal(out[:, 60_000:], loud[:, 60_000:])
        inside = slice(48_000, 52_800)  # turned down, not cut off: no two neighbours stand at the limit
        assert np.corrcoef(out[0, inside], loud[0, inside])[0, 1] > 0.995
    assert list(sound.limited([], programme)) == []


def test_gain_by_hand() -> None:
    times = np.array([0.0, 0.9, 0.95, 1.0, 2.0, 2.05, 2.1, 3.0])
    gain = mix.gain_at(times, [(1.0, 2.0)], 0.2, 0.1)
    assert gain == pytest.approx([1.0, 1.0, 0.6, 0.2, 0.2, 0.6, 1.0, 1.0])
    near = mix.gain_at(np.array([2.05]), [(1.0, 2.0), (2.1, 3.0)], 0.2, 0.1)
    assert near == pytest.approx([0.6])
    assert mix.delay(5.0, [mix.Pause(4.0, 1.5), mix.Pause(5.0, 2.0), mix.Pause(6.0, 9.0)]) == 3.5


def test_blocks_cover_the_film_whatever_its_sound(film: Path, tmp_path: Path) -> None:
    programme = sound.programme_of(film, 14.0)
    total = np.concatenate(list(sound.blocks(film, programme)), axis=1)
    assert total.shape == (1, 14 * RATE_HZ) and np.abs(total[:, -RATE_HZ:]).max() == 0.0
    tone = sound.resample((0.1 * np.sin(np.arange(RATE_HZ) / 10)).astype(np.float32), RATE_HZ, 48_000)
    assert tone.size == pytest.approx(48_000, abs=64)
    pauses = [mix.Pause(1.0, 0.5), mix.Pause(99.0, 0.25)]
    longer = np.concatenate(list(mix.mixed([np.ones((1, 100), np.float32)] * 3, [], 100, pauses=pauses)), axis=1)
    assert longer.shape == (1, 375) and longer[0, 110:140].max() == 0.0 and longer[0, 200] == 1.0
