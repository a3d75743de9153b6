"""Writing a pocket film: pictures, speech and music as real files, in the layout of a public set.

Equal films give equal files: one encoder thread, no clock and no encoder's name in the containers, and every file is
written under a temporary name and then renamed, so that what carries its final name is whole.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pysubs2
from av.codec.context import Flags
from PIL import Image

from datasets_scripts.pocket.draw import draw_portrait, film_frame
from datasets_scripts.pocket.layouts import (
    TV_FOLDER,
    TV_FRAME_RATE_HZ,
    Piece,
    check_layout,
    film_id,
    piece_frame_count,
    pieces,
)
from datasets_scripts.pocket.voice import SAMPLE_RATE_HZ, Voice
from datasets_scripts.pocket.world import LOOKS, STAGE_HEIGHT, STAGE_WIDTH, Film

FRAME_RATE_HZ = 24
PORTRAIT_SIZE = 256
_CRF, _PRESET = "23", "veryfast"
_KEYFRAME_FRAMES = 48  # a key frame every 2 s: seeking to an AD decodes few frames
_AUDIO_FRAME = 1024  # samples of an AAC frame
_SPEECH_PEAK, _MUSIC_RMS = 0.6, 0.02  # music about 24 dB below speech
_DUCKED = 0.5  # gain of the music under speech
_CHORD_S, _FADE_S = 4.0, 0.8
_JPEG_QUALITY = 92
# Roots in semitones above A2 and minor (3) or major (4) thirds: chords that fit each other in any order.
_CHORDS: tuple[tuple[int, int], ...] = ((0, 3), (3, 4), (5, 3), (8, 4), (10, 4), (7, 3))

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FilmFiles:
    """What `write_film` wrote.

    Attributes:
        videos: the film (mad-eval), its scenes' videos (cmd-ad) or its frame folders (tv-ad); () without pictures.
        subtitles: SubRip file of the dialogue.
        cast: JSON list of {"id", "name", "actor", "portrait"}.
        portraits: PNG files in the order of the cast.
        voice: name of the voice that speaks in it; "" when no line is spoken (none found, or a layout without sound).
        frame_count: pictures drawn.
    """

    videos: tuple[Path, ...]
    subtitles: Path
    cast: Path
    portraits: tuple[Path, ...]
    voice: str
    frame_count: int


def music(seed: int, duration_s: float) -> np.ndarray:
    """A quiet bed of soft chords.

    Args:
        seed: decides the chords.
        duration_s: length, seconds.

    Returns:
        (round(duration_s * 16000),) float32, root mean square about 0.02.
    """
    rng = random.Random(f"pocket music {seed}")
    count = round(duration_s * SAMPLE_RATE_HZ)
    bed = np.zeros(count, np.float32)
    step, fade = int(_CHORD_S * SAMPLE_RATE_HZ), int(_FADE_S * SAMPLE_RATE_HZ)
    for start in range(0, count, step):
        root, third = rng.choice(_CHORDS)
        length = min(step + fade, count - start)
        time_s = np.arange(length, dtype=np.float32) / SAMPLE_RATE_HZ
        chord = np.zeros(length, np.float32)
        for semitones in (root, root + third, root + 7, root + 12):
            pitch_hz = 110.0 * 2.0 ** (semitones / 12)
            chord += np.sin(2 * np.pi * pitch_hz * time_s) + 0.25 * np.sin(4 * np.pi * pitch_hz * time_s)
        # Fade in over _FADE_S and out over the _FADE_S that overlap the next chord.
        envelope = np.minimum(1.0, np.minimum(time_s / _FADE_S, (_CHORD_S + _FADE_S - time_s) / _FADE_S))
        bed[start : start + length] += chord * np.clip(envelope, 0.0, 1.0)
    loudness = float(np.sqrt(np.mean(bed**2))) if count else 0.0
    return bed * np.float32(_MUSIC_RMS / loudness) if loudness > 0 else bed


def soundtrack(film: Film, voice: Voice | None) -> np.ndarray:
    """The film's sound: the lines of dialogue at their times over the music.

    Args:
        film: the film; she speaks with speaker 1, he with speaker 0.
        voice: None leaves the music alone.

    Returns:
        (round(duration_s * 16000),) float32 mono at 16 kHz in -1..1.

    Raises:
        VoiceError: if the voice fails.
    """
    mix = music(film.seed, film.duration_s)
    if voice is None:
        return mix
    for line in film.lines:
        pronoun = LOOKS[film.cast[line.person].look].pronoun
        start, end = (round(time_s * SAMPLE_RATE_HZ) for time_s in (line.start_s, line.end_s))
        speech = voice.speak(line.text, int(pronoun == "she"), line.end_s - line.start_s)
        # A line ends when its subtitle says so, whatever the voice took: gaps for AD must be free of speech.
        speech = speech[: max(0, min(end, mix.size) - start)]
        if speech.size == 0:
            continue
        fade = min(160, speech.size)
        speech = speech * np.float32(_SPEECH_PEAK / max(float(np.abs(speech).max()), 1e-6))
        speech[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
        mix[start : start + speech.size] = mix[start : start + speech.size] * np.float32(_DUCKED) + speech
    return np.clip(mix, -1.0, 1.0)


class _Counter:
    """Counts drawn frames and passes them on about once a second of film."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self._progress = 0, total, progress

    def step(self) -> None:
        self.done += 1
        if self._progress is not None and (self.done % FRAME_RATE_HZ == 0 or self.done == self.total):
            self._progress(self.done, self.total)


def _frame_count(start_s: float, end_s: float) -> int:
    """Frames of a piece of film at 24 per second."""
    return max(1, round((end_s - start_s) * FRAME_RATE_HZ))


def _pictures(film: Film, start_s: float, count: int, rate_hz: float, counter: _Counter) -> Iterator[np.ndarray]:
    """Draw `count` frames from a time on, (360, 640, 3) uint8."""
    for i in range(count):
        yield film_frame(film, start_s + i / rate_hz, STAGE_WIDTH, STAGE_HEIGHT)
        counter.step()


def write_video(path: Path, pictures: Iterator[np.ndarray], sound: np.ndarray) -> None:
    """Encode pictures and sound as H.264 and AAC; the ending of `path` (.mp4, .mkv) is the container.

    Args:
        path: where to; its folder exists. Written as a hidden ".part" file first.
        pictures: (360, 640, 3) uint8 RGB frames at 24 a second.
        sound: (samples,) float32 mono at 16 kHz.

    Raises:
        OSError: if the file cannot be written.
        av.FFmpegError: if an encoder fails.
    """
    part = path.with_name(f".{path.name}.part")
    container = {".mp4": "mp4", ".mkv": "matroska"}[path.suffix]
    # The bitexact flags keep the library's version and random ids out of the file.
    options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if container == "mp4" else {})
    try:
        # "file:", else FFmpeg takes what stands before a colon in the path for a protocol.
        with av.open(f"file:{part}", "w", format=container, options=options) as output:
            video = output.add_stream("libx264", rate=FRAME_RATE_HZ)
            video.width, video.height, video.pix_fmt = STAGE_WIDTH, STAGE_HEIGHT, "yuv420p"
            video.options = {"crf": _CRF, "preset": _PRESET, "g": str(_KEYFRAME_FRAMES), "threads": "1"}
            video.codec_context.thread_count = 1  # more threads would decide differently on each machine
            audio = output.add_stream("aac", rate=SAMPLE_RATE_HZ)
            audio.layout = "mono"
            for stream in (video, audio):
                stream.codec_context.flags |= Flags.bitexact
            heard = 0
            for number, picture in enumerate(pictures, start=1):
                # BT.601 like PyAV's own conversion, at a tenth of its time.
                planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).astype(np.uint8, copy=False)
                output.mux(video.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
                # Sound keeps pace with the pictures, so that the muxer need not hold either back.
                until = min(sound.size, number * SAMPLE_RATE_HZ // FRAME_RATE_HZ)
                while heard + _AUDIO_FRAME <= until:
                    output.mux(audio.encode(_audio_frame(sound, heard)))
                    heard += _AUDIO_FRAME
            output.mux(video.encode())
            while heard < sound.size:
                output.mux(audio.encode(_audio_frame(sound, heard)))
                heard += _AUDIO_FRAME
            output.mux(audio.encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _audio_frame(sound: np.ndarray, start: int) -> av.AudioFrame:
    """One frame of sound for the encoder."""
    samples = np.ascontiguousarray(sound[None, start : start + _AUDIO_FRAME], dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, start
    return frame


def _write_frames(film: Film, piece: Piece, folder: Path, counter: _Counter) -> Path:
    """Write a piece as 00001.jpg, 00002.jpg, ... at 3 frames a second; returns its folder."""
    whole, part = folder / piece.frames, folder / f".{piece.frames}.part"
    for old in (part, whole):
        if old.exists():
            shutil.rmtree(old)
    part.mkdir(parents=True)
    frames = _pictures(film, piece.start_s, piece_frame_count(piece), TV_FRAME_RATE_HZ, counter)
    for number, picture in enumerate(frames, start=1):
        Image.fromarray(picture).save(part / f"{number:05d}.jpg", quality=_JPEG_QUALITY)
    part.replace(whole)
    return whole


def _write_people(film: Film, folder: Path) -> tuple[Path, tuple[Path, ...]]:
    """Write the portraits and the cast file that names them."""
    (folder / "portraits").mkdir(exist_ok=True)
    portraits = []
    for member in film.cast:
        path = folder / "portraits" / f"{member.id}.png"
        part = path.with_name(f".{path.name}.part")
        Image.fromarray(draw_portrait(member.look, PORTRAIT_SIZE)).save(part, format="PNG")
        portraits.append(part.replace(path))
    people = [{"id": m.id, "name": m.name, "actor": m.actor, "portrait": f"portraits/{m.id}.png"} for m in film.cast]
    cast = folder / f"{film_id(film)}.cast.json"
    part = cast.with_name(f".{cast.name}.part")
    part.write_text(json.dumps(people, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return part.replace(cast), tuple(portraits)


def _write_subtitles(film: Film, folder: Path) -> Path:
    """Write the dialogue as SubRip."""
    subtitles = pysubs2.SSAFile()
    for line in film.lines:
        subtitles.append(
            pysubs2.SSAEvent(start=round(line.start_s * 1000), end=round(line.end_s * 1000), text=line.text)
        )
    path = folder / f"{film_id(film)}.srt"
    part = path.with_name(f".{path.name}.part")
    part.write_text(subtitles.to_string("srt"), encoding="utf-8")
    return part.replace(path)


def write_film(
    film: Film,
    folder: Path,
    voice: Voice | None = None,
    layout: str = "mad-eval",
    *,
    media: Path | None = None,
    pictures: bool = True,
    progress: Progress | None = None,
) -> FilmFiles:
    """Write a film's files.

    mad-eval: `film_<seed>.mp4`. cmd-ad: one `<year>/<id>.mkv` a scene. tv-ad: one folder of JPEG frames a scene,
    3 a second. Always: `film_<seed>.srt`, `film_<seed>.cast.json` and `portraits/<id>.png`.

    Source: design, "Pocket films" (640x360, 24 frames a second, H.264, AAC at 16 kHz).

    Args:
        film: the film.
        folder: the film's own folder; made if it is missing.
        voice: speaks the dialogue; None: music only.
        layout: "mad-eval", "cmd-ad" or "tv-ad".
        media: where the year folders and frame folders of cmd-ad and tv-ad go; None: into `folder`.
        pictures: False writes subtitles, cast and portraits only.
        progress: called with (frames drawn, frames in all) about once a second of film.

    Returns:
        The paths and the voice's name.

    Raises:
        ValueError: on an unknown layout.
        VoiceError: if the voice fails.
        OSError: if a file cannot be written.
    """
    check_layout(layout)
    media = folder if media is None else media
    folder.mkdir(parents=True, exist_ok=True)
    subtitles = _write_subtitles(film, folder)
    cast, portraits = _write_people(film, folder)
    videos: list[Path] = []
    heard = ""
    counter = _Counter(_total_frames(film, layout), progress)
    if pictures and layout == "tv-ad":
        videos = [_write_frames(film, piece, media / TV_FOLDER, counter) for piece in pieces(film)]
    elif pictures:
        sound = soundtrack(film, voice)
        heard = voice.name if voice is not None else ""
        whole = [(0.0, film.duration_s, folder / f"{film_id(film)}.mp4")]
        scenes = [(piece.start_s, piece.end_s, media / f"{piece.video}.mkv") for piece in pieces(film)]
        for start_s, end_s, path in whole if layout == "mad-eval" else scenes:
            path.parent.mkdir(parents=True, exist_ok=True)
            frames = _pictures(film, start_s, _frame_count(start_s, end_s), FRAME_RATE_HZ, counter)
            write_video(path, frames, sound[round(start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)])
            videos.append(path)
    return FilmFiles(tuple(videos), subtitles, cast, portraits, heard, counter.done)


def _total_frames(film: Film, layout: str) -> int:
    """Pictures that a layout draws for a film."""
    if layout == "mad-eval":
        return _frame_count(0.0, film.duration_s)
    if layout == "cmd-ad":
        return sum(_frame_count(piece.start_s, piece.end_s) for piece in pieces(film))
    return sum(piece_frame_count(piece) for piece in pieces(film))
