"""Sound in and out of files by PyAV: a film's programme sound in blocks, tracks written in blocks.

Nothing holds a whole film: programme sound flows through in blocks of about a second.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.stream import Disposition

from distinctad.errors import UserError, one_line
from modeling_distinctad.film_formats_distinctad import PYAV_OPTIONS

AAC_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_AAC_FRAME = 1024
_GAP_S = 0.1  # a stream that runs ahead by more gets silence put in, one that lags by more is cut
_NEW_CLOCK_S = 10.0  # a stream that jumps back by more does not lag: it counts anew, and all of it is kept
# What is made for some listeners, or is no part of the film.
_ASIDE = Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired | Disposition.descriptions
NO_SOUND_RATE_HZ = 48_000


@dataclass(frozen=True)
class Programme:
    """What a film's sound is like.

    Attributes:
        rate_hz: samples a second to work at (one that AAC knows).
        layout: "mono" or "stereo".
        duration_s: of the film.
        has_sound: whether there is any; else the programme is silence.
    """

    rate_hz: int
    layout: str
    duration_s: float
    has_sound: bool

    @property
    def samples(self) -> int:
        """Samples of the whole programme."""
        return round(self.duration_s * self.rate_hz)

    @property
    def channels(self) -> int:
        """1 or 2."""
        return 1 if self.layout == "mono" else 2


def programme_of(film: Path, duration_s: float) -> Programme:
    """Look at a film's own sound track.

    Args:
        film: the file.
        duration_s: the film's length in seconds.

    Returns:
        How to work with it; more than two channels are mixed down to two.

    Raises:
        UserError: if the file cannot be opened.
    """
    with opened(film) as container:
        stream = own_sound(container)
        if stream is None:
            return Programme(NO_SOUND_RATE_HZ, "mono", duration_s, False)
        rate = stream.rate or NO_SOUND_RATE_HZ
        layout = "mono" if (stream.channels or 1) == 1 else "stereo"
        return Programme(rate if rate in AAC_RATES_HZ else NO_SOUND_RATE_HZ, layout, duration_s, True)


def url_of(path: Path) -> str:
    """A file's name for FFmpeg, which would take what stands before a colon ("Alien: Covenant.mp4") for a protocol."""
    return f"file:{path}"


def opened(film: Path) -> Any:
    """Open a film for reading, as `av.open` does; no list of other files.

    Raises:
        UserError: if it cannot be opened.
    """
    try:
        return av.open(url_of(film), metadata_errors="replace", container_options=PYAV_OPTIONS)
    except (av.FFmpegError, OSError) as error:
        reason = one_line(str(getattr(error, "strerror", None) or error), 80)
        raise UserError(f"the film '{film.name}' cannot be opened ({reason})", "Give a video that plays.") from error


def sounds(container: Any) -> list[Any]:
    """The sound tracks of an open film that FFmpeg can decode."""
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def own_sound(container: Any) -> Any:
    """Of an open film's sound tracks the one that its players choose, no commentary and no description; None of none.

    The first where the film does not say which.
    """

    def rank(stream: Any) -> tuple[bool, bool, bool]:
        flags = Disposition(int(stream.disposition))
        return not flags & _ASIDE, Disposition.default in flags, Disposition.dub not in flags

    return max(sounds(container), key=rank, default=None)


def sound_notes(film: Path) -> list[str]:
    """What the user should know of the choice among a film's sound tracks.

    Args:
        film: the file.

    Returns:
        Warnings; [] where there was nothing to choose.

    Raises:
        UserError: if the file cannot be opened.
    """
    with opened(film) as container:
        every, known, taken = container.streams.audio, sounds(container), own_sound(container)
        notes = []
        if len(known) < len(every):
            lost = ", ".join(str(place) for place, stream in enumerate(every, 1) if stream not in known)
            notes.append(f"of {len(every)} sound track(s) number {lost} cannot be decoded and is left out")
        if len(known) > 1:
            told = (taken.metadata.get(name) for name in ("language", "title"))
            said = one_line(", ".join(text for text in told if text), 80)
            place = f"number {every.index(taken) + 1}" + (f" ({said})" if said else "")
            notes.append(f"of {len(every)} sound tracks {place} is the one listened to and spoken over")
        return notes


def origin_of(container: Any) -> float:
    """Where an open film's clock starts, in seconds: what players, and descriptions, count from."""
    return max(0.0, (container.start_time or 0) / 1e6)


def blocks(film: Path, programme: Programme) -> Iterator[np.ndarray]:
    """Read a film's sound from its start to its end.

    Args:
        film: the file.
        programme: rate, layout and length wanted.

    Yields:
        (channels, samples) float32 in -1..1; together exactly `programme.samples`, silence where the film has none.
    """
    done = 0
    if programme.has_sound:
        for block in _gathered(_decoded(film, programme), programme.rate_hz):
            block = block[:, : programme.samples - done]
            if block.size:
                done += block.shape[1]
                yield block
    yield from silence(programme.channels, programme.samples - done, programme.rate_hz)


def silence(channels: int, samples: int, rate_hz: int) -> Iterator[np.ndarray]:
    """(channels, up to a second of samples) blocks of silence, `samples` in all."""
    for first in range(0, samples, rate_hz):
        yield np.zeros((channels, min(rate_hz, samples - first)), np.float32)


def _gathered(pieces: Iterable[np.ndarray], enough: int) -> Iterator[np.ndarray]:
    """Join codec frames, some fifty a second, to blocks of `enough` samples or a little more."""
    held: list[np.ndarray] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.shape[1]
        if count >= enough:
            yield np.concatenate(held, axis=1)
            held, count = [], 0
    if held:
        yield np.concatenate(held, axis=1)


def _decoded(film: Path, programme: Programme) -> Iterator[np.ndarray]:
    """Decode, resample, and keep to the stream's clock.

    Silence is put in where the stream starts late, however little, or runs ahead; what it holds from before the film's
    start, or too much of, is left out.
    """
    with opened(film) as container:
        origin_s = origin_of(container)
        out, early, begun = 0, 0, False
        for time_s, pieces in _resampled(_frames(container, own_sound(container)), programme):
            if time_s is not None:
                lag = out - round((time_s - origin_s) * programme.rate_hz)
                slack = _GAP_S * programme.rate_hz if begun else 0
                if lag < -slack:
                    yield from silence(programme.channels, -lag, programme.rate_hz)
                    out, early = out - lag, 0
                elif lag > slack and (not begun or lag < _NEW_CLOCK_S * programme.rate_hz):
                    early = lag
                else:  # a single wrong time costs no more than its own sound
                    early = min(early, max(0, lag))
            begun = True
            for piece in pieces:
                samples = piece[:, early:]
                early -= min(early, piece.shape[1])
                out += samples.shape[1]
                yield samples


def _resampled(frames: Iterable[Any], programme: Programme) -> Iterator[tuple[float | None, list[np.ndarray]]]:
    """Each frame's time in seconds, if it has one, with what the resampler has ready.

    A recording may change its rate or channels midway, of which no resampler takes notice: each part gets its own.
    """
    resampler: Any = None
    kind: tuple[str, str, int] | None = None
    for frame in frames:
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if now != kind:
            if resampler is not None:
                yield None, [piece.to_ndarray() for piece in resampler.resample(None)]
            kind, resampler = now, av.AudioResampler(format="fltp", layout=programme.layout, rate=programme.rate_hz)
        time_s = None if frame.pts is None else float(frame.pts * frame.time_base)
        frame.pts = None
        yield time_s, [piece.to_ndarray() for piece in resampler.resample(frame)]
    if resampler is not None:
        yield None, [piece.to_ndarray() for piece in resampler.resample(None)]


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decode packet by packet; a damaged packet costs its own sound only."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def resample(sound: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Resample mono sound with FFmpeg's resampler.

    Args:
        sound: (samples,) float32.
        from_hz: its rate.
        to_hz: the wanted rate.

    Returns:
        (about samples * to_hz / from_hz,) float32.
    """
    if from_hz == to_hz or not sound.size:
        return sound.astype(np.float32)
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=to_hz)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None], np.float32), format="fltp", layout="mono")
    frame.sample_rate = from_hz
    pieces = [piece.to_ndarray()[0] for piece in (*resampler.resample(frame), *resampler.resample(None))]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def limited(sound: Iterable[np.ndarray], programme: Programme) -> Iterator[np.ndarray]:
    """Hold peaks at full scale by FFmpeg's look-ahead limiter; what stays below comes out as it went in.

    A mix of six channels in two, or of a description over a loud programme, goes beyond; cut off it would crackle.

    Args:
        sound: (channels, samples) float32 blocks.
        programme: rate and layout.

    Yields:
        (channels, samples) float32 in -1..1, as many samples in all.
    """
    graph = av.filter.Graph()
    time_base = Fraction(1, programme.rate_hz)
    steps = [
        graph.add_abuffer(format="fltp", sample_rate=programme.rate_hz, layout=programme.layout, time_base=time_base),
        graph.add("alimiter", "limit=1:attack=5:release=50:level=0:latency=1"),
        graph.add("aformat", "sample_fmts=fltp"),
        graph.add("abuffersink"),
    ]
    for one, next_one in itertools.pairwise(steps):
        one.link_to(next_one)
    graph.configure()
    done = 0
    for block in sound:
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block, np.float32), format="fltp", layout=programme.layout
        )
        frame.sample_rate, frame.time_base, frame.pts = programme.rate_hz, time_base, done
        done += block.shape[1]
        graph.push(frame)
        yield from _pulled(graph)
    graph.push(None)
    yield from _pulled(graph)


def _pulled(graph: Any) -> Iterator[np.ndarray]:
    """What a filter graph has ready."""
    with contextlib.suppress(av.BlockingIOError, av.EOFError):
        while True:
            yield graph.pull().to_ndarray()


class Encoder:
    """Encodes blocks of float sound into a stream of an output container, in whole frames."""

    def __init__(self, output: Any, codec: str, programme: Programme, frame_samples: int = _AAC_FRAME) -> None:
        """Add the stream."""
        self.stream = output.add_stream(codec, rate=programme.rate_hz)
        self.stream.layout = programme.layout
        self.stream.codec_context.flags |= Flags.bitexact
        self._output, self._programme, self._size = output, programme, frame_samples
        self._format = self.stream.codec_context.format.name
        self._held = np.zeros((programme.channels, 0), np.float32)
        self.done = 0

    def write(self, block: np.ndarray, last: bool = False) -> None:
        """Encode what fills frames; the last call empties the encoder.

        Args:
            block: (channels, samples) float32 in -1..1.
            last: whether nothing follows.
        """
        held = np.concatenate([self._held, block], axis=1)
        while held.shape[1] >= self._size or (last and held.shape[1]):
            piece, held = held[:, : self._size], held[:, self._size :]
            self._encode(piece)
        self._held = held
        if last:
            self._output.mux(self.stream.encode(None))

    def _encode(self, piece: np.ndarray) -> None:
        frame = av.AudioFrame.from_ndarray(
            _packed(piece, self._format), format=self._format, layout=self._programme.layout
        )
        frame.sample_rate, frame.pts = self._programme.rate_hz, self.done
        self.done += piece.shape[1]
        self._output.mux(self.stream.encode(frame))


def _packed(piece: np.ndarray, kind: str) -> np.ndarray:
    if kind == "fltp":
        return np.ascontiguousarray(piece, np.float32)
    whole = np.round(np.clip(piece, -1.0, 1.0) * 32767.0).astype("<i2")  # s16: channels interleaved in one row
    return np.ascontiguousarray(whole.T.reshape(1, -1))


def write_wav(path: Path, sound: Iterator[np.ndarray], programme: Programme, tags: Mapping[str, str]) -> None:
    """Write a 16-bit WAV file.

    Args:
        path: where to.
        sound: (channels, samples) float32 blocks.
        programme: rate and layout.
        tags: the file's metadata, see `tags.Tags.file`; here the voice is labelled.

    Raises:
        UserError: if it cannot be written.
    """
    with writing(path):
        # Sizes beyond 4 GB, as of a long film, do not fit a plain RIFF header.
        options = {"fflags": "+bitexact", "rf64": "auto"}
        with av.open(url_of(path), "w", format="wav", options=options) as output:
            output.metadata.update(tags)
            encoder = Encoder(output, "pcm_s16le", programme, programme.rate_hz)
            for block in sound:
                encoder.write(block)
            encoder.write(np.zeros((programme.channels, 0), np.float32), last=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the library says while a file is written into one line for the user.

    Args:
        path: the file.

    Raises:
        UserError: for the library's errors; of an unknown codec it makes a ValueError.
    """
    try:
        yield
    except UserError:
        raise
    except (av.FFmpegError, ValueError) as error:
        reason = one_line(str(getattr(error, "strerror", None) or error), 100)
        message = f"'{path.name}' cannot be written ({reason})"
        raise UserError(message, "Re-encode the film as H.264 and AAC, or give --export text.") from error
