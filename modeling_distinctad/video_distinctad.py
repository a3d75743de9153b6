"""Decode a video file and take frames at given times: one pass, bounded memory, any frame rate.

The only place that decodes video. Times are seconds on the film's own clock, which starts at the container's
start time (as players count). Source: method specification, Stage II "Frames" (the nearest existing frame to each
time); when to seek and how to fall back are our own choice.
"""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

try:
    import numpy as np
except ImportError as error:
    raise ImportError("numpy is missing; it holds the frames; run `pip install numpy`") from error

# A seek decodes from the key frame before its target; encoders place key frames up to ten seconds apart, so a
# shorter gap is cheaper to decode through than to jump over.
SEEK_GAP_S = 10.0
_BACK_OFF_S = (0.2, 15.0, 120.0, 1200.0)  # before the target: where a seek tries, one after the other
_NO_FRAME = "not one frame can be decoded; expected a whole video file; check that it plays, or fetch it again"
_SHORTFALL_S = 1.0  # a file that ends this much before its declared duration counts as truncated


class VideoError(ValueError):
    """A file from which no frame can be had; the message holds the value, what was expected and what to do."""


class VideoWarning(UserWarning):
    """A file that gave frames but less than it promised (truncated, damaged)."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself.

    Attributes:
        duration_s: length of the film in seconds (video stream, else container; 0.0 where the file does not say).
        frame_rate_hz: average frames per second; 0.0 where the file does not say.
        width: of the picture as shown (rotation applied), in pixels.
        height: of the picture as shown, in pixels.
        has_audio: whether there is an audio stream.
    """

    duration_s: float
    frame_rate_hz: float
    width: int
    height: int
    has_audio: bool


def frame_times(
    start_s: float,
    end_s: float,
    num_frames: int,
    mode: str = "midpoint",
    seed: int | random.Random | None = None,
) -> list[float]:
    """Choose `num_frames` times of one clip.

    Source: method specification, Stage II "Frames"; "autoad" as in AutoAD's code (linspace without its end point).

    Args:
        start_s: start of the clip in seconds.
        end_s: end of the clip in seconds, not before its start.
        num_frames: T, at least 1.
        mode: "midpoint", the middle of T equal segments; "autoad", the start of each; "segment", one random time
            in each (training jitter).
        seed: a number or a `random.Random`; needed by "segment", unused by the others.

    Returns:
        T rising times in seconds.

    Raises:
        ValueError: the clip ends before it starts, `num_frames` is under 1, the mode is unknown, or "segment" has
            no seed.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; expected at least 1; ask for one frame or more")
    if not end_s >= start_s:
        raise ValueError(f"clip from {start_s} s to {end_s} s; expected end >= start; swap or correct the two")
    step = (end_s - start_s) / num_frames
    if mode == "midpoint":
        return [start_s + (i + 0.5) * step for i in range(num_frames)]
    if mode == "autoad":
        return [start_s + i * step for i in range(num_frames)]
    if mode != "segment":
        raise ValueError(f"mode is {mode!r}; expected midpoint, autoad or segment; correct the name")
    if seed is None:
        raise ValueError("mode 'segment' has no seed; expected a number or a random.Random; pass seed=")
    generator = seed if isinstance(seed, random.Random) else random.Random(seed)
    return [start_s + (i + generator.random()) * step for i in range(num_frames)]


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Read what a video file says about itself; decodes one frame (for the rotation).

    Args:
        path: the file.

    Returns:
        Its VideoInfo.

    Raises:
        VideoError: no such file, not a video, no video stream, or not one frame in it.
    """
    with _Film(path) as film:
        stream = film.stream
        _, frame = next(film.frames(), (0.0, None))
        if frame is None:
            raise VideoError(f"{film.path}: {_NO_FRAME}")
        rate = stream.average_rate or stream.guessed_rate
        width, height = frame.width, frame.height
        if _quarter_turns(frame) % 2:
            width, height = height, width
        return VideoInfo(film.declared_s, float(rate or 0.0), width, height, bool(film.container.streams.audio))


def read_frames(
    path: str | os.PathLike[str], times_s: Sequence[float], size: tuple[int, int] | None = None
) -> list[np.ndarray]:
    """Take the nearest existing frame to each time, in one pass over the file.

    Short gaps are decoded through, long ones are jumped over. A time past the end gives the last frame, a time
    before the start the first. Times that share a frame share its array.

    Args:
        path: the file.
        times_s: times in seconds, in any order, repeats allowed.
        size: (width, height) to scale every frame to while decoding (area averaging); None keeps the file's.

    Returns:
        One uint8 RGB array (H, W, 3) per time, in the order asked, upright (rotation metadata applied).

    Raises:
        VideoError: no such file, not a video, no video stream, or no frame can be decoded.

    Warns:
        VideoWarning: the file ends before its declared duration and a time beyond that was asked for.
    """
    if not len(times_s):
        return []
    found = dict(_nearest_frames(path, sorted({float(t) for t in times_s}), size))
    return [found[float(t)] for t in times_s]


def iter_clip_frames(
    path: str | os.PathLike[str],
    intervals: Iterable[tuple[float, float]],
    num_frames: int,
    size: tuple[int, int] | None = None,
    mode: str = "midpoint",
    seed: int | random.Random | None = None,
) -> Iterator[list[np.ndarray]]:
    """Take T frames of each clip of a film in one pass, holding only the frames of clips that are still open.

    Args:
        path: the file.
        intervals: (start_s, end_s) of the clips in seconds, sorted by start; they may overlap.
        num_frames: T.
        size: (width, height) to scale to, or None, as in `read_frames`.
        mode: how to choose the times, as in `frame_times`.
        seed: for mode "segment"; a number seeds ONE generator for all clips.

    Yields:
        For each interval a list of T uint8 RGB arrays (H, W, 3).

    Raises:
        VideoError: as `read_frames`.
        ValueError: the intervals are not sorted by start, or as `frame_times`.
    """
    generator = random.Random(seed) if isinstance(seed, int) else seed
    clips = [(float(s), float(e)) for s, e in intervals]
    for before, after in zip(clips, clips[1:], strict=False):
        if after[0] < before[0]:
            raise ValueError(f"interval {after} follows {before}; expected intervals sorted by start; sort them")
    asked = [frame_times(s, e, num_frames, mode, generator) for s, e in clips]
    # first_needed[i]: the earliest time that clip i or a later one still asks for.
    first_needed = [float("inf")] * (len(asked) + 1)
    for i in range(len(asked) - 1, -1, -1):
        first_needed[i] = min(asked[i][0], first_needed[i + 1])
    held: dict[float, np.ndarray] = {}
    source = _nearest_frames(path, sorted({t for times in asked for t in times}), size)
    for i, times in enumerate(asked):
        while times[-1] not in held:
            time_s, image = next(source)
            held[time_s] = image
        yield [held[t] for t in times]
        held = {t: image for t, image in held.items() if t >= first_needed[i + 1]}


def _nearest_frames(
    path: str | os.PathLike[str], times_s: Sequence[float], size: tuple[int, int] | None
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (time asked, nearest frame) for rising, distinct times; holds two decoded frames."""
    if not times_s:
        return
    with _Film(path) as film:
        cursor = _Cursor(film)
        last: Any = None
        image: np.ndarray | None = None
        for time_s in times_s:
            frame = cursor.nearest(time_s)
            if image is None or frame is not last:
                last, image = frame, _to_rgb(frame, size)
            yield time_s, image


class _Cursor:
    """Walks a film forward and answers "which frame is nearest?" for rising times."""

    def __init__(self, film: _Film) -> None:
        self.film = film
        self.seek_gap_s = SEEK_GAP_S
        self.source = film.frames()
        self.before: tuple[float, Any] | None = None  # the newest frame at or before the asked time
        self.after: tuple[float, Any] | None = None  # the frame that follows it
        self.ended = False

    def nearest(self, time_s: float) -> Any:
        """Move on to `time_s` (seconds, never falling) and return the nearest frame; the earlier one on a tie."""
        position_s = self.after[0] if self.after else (self.before[0] if self.before else 0.0)
        if not self.ended and time_s - position_s > self.seek_gap_s:
            self._seek(time_s, position_s)
        while not self.ended and (self.after is None or self.after[0] < time_s):
            self._step()
        if self.after is None or (self.before and time_s - self.before[0] <= self.after[0] - time_s):
            if self.before is None:
                raise VideoError(f"{self.film.path}: {_NO_FRAME}")
            if self.ended and self.after is None:
                self.film.report_shortfall(self.before[0], time_s)
            return self.before[1]
        return self.after[1]

    def _step(self) -> None:
        item = next(self.source, None)
        if self.after is not None:
            self.before = self.after
        self.after = item
        self.ended = item is None

    def _seek(self, time_s: float, position_s: float) -> None:
        """Jump to the key frame before `time_s`; further back, at last to the start, where that gives nothing."""
        for back_s in (*_BACK_OFF_S, None):
            target_s = 0.0 if back_s is None else max(0.0, time_s - back_s)
            if not self.film.seek(target_s):
                continue
            self.source = self.film.frames()
            first = next(self.source, None)
            if first is not None and (first[0] <= time_s or target_s == 0.0):
                self.before, self.after = None, first
                if first[0] <= position_s:  # key frames lie further apart than we thought: jump less readily
                    self.seek_gap_s *= 2
                return
        # Nothing can be reached by seeking (raw streams): read the file again from its start, never jump again.
        self.film.reopen()
        self.seek_gap_s = float("inf")
        self.source, self.before, self.after = self.film.frames(), None, None


class _Film:
    """An open container with one video stream; a context manager."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.reported = False
        self.container: Any = None
        self.reopen()

    def __enter__(self) -> _Film:
        return self

    def __exit__(self, *exception: object) -> None:
        self.container.close()

    def reopen(self) -> None:
        """Open the file at its start (again)."""
        if self.container is not None:
            self.container.close()
        self.container = _open(self.path)
        cover = int(_av().stream.Disposition.attached_pic)
        pictures = [s for s in self.container.streams.video if not int(s.disposition) & cover]
        if not pictures:
            kinds = sorted({s.type for s in self.container.streams}) or ["nothing"]
            self.container.close()
            raise VideoError(
                f"{self.path}: holds {', '.join(kinds)} but no moving picture; expected a video stream; "
                "give the film itself, not its sound track or cover"
            )
        self.stream = pictures[0]
        self.stream.thread_type = "AUTO"
        # An audio priming delay makes some containers start below zero; players count from zero then.
        self.origin_s = max(0.0, (self.container.start_time or 0) / 1e6)
        own_s = float((self.stream.duration or 0) * (self.stream.time_base or 0))
        self.declared_s = own_s or (self.container.duration or 0) / 1e6

    def seek(self, time_s: float) -> bool:
        """Go to the key frame at or before `time_s`; False where the container cannot."""
        try:
            offset = int((time_s + self.origin_s) / self.stream.time_base)
            self.container.seek(offset, stream=self.stream, backward=True)
        except _av().error.FFmpegError:
            return False
        return True

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield (time in seconds, decoded frame) in showing order; skips what is damaged and says so once."""
        rate = float(self.stream.average_rate or self.stream.guessed_rate or 25)
        previous_s: float | None = None
        for frame in self._decoded():
            if frame.pts is None:  # raw streams carry no times: count
                time_s = 0.0 if previous_s is None else previous_s + 1.0 / rate
            else:
                time_s = float(frame.pts * frame.time_base) - self.origin_s
            if previous_s is None or time_s > previous_s:
                previous_s = time_s
                yield time_s, frame

    def _decoded(self) -> Iterator[Any]:
        """Yield frames packet by packet, so that one damaged packet does not end the film."""
        errors = _av().error
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except errors.FFmpegError as error:
                self._report(f"{self.path}: cannot be read to its end ({error.strerror}); what came before is used")
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except errors.EOFError:
                return
            except errors.FFmpegError as error:
                self._report(f"{self.path}: holds damaged pictures ({error.strerror}); their neighbours are used")

    def report_shortfall(self, last_s: float, asked_s: float) -> None:
        """Warn once where the film ended well before its declared duration and a time in the gap was asked for."""
        if last_s + _SHORTFALL_S < min(self.declared_s, asked_s):
            self._report(
                f"{self.path}: ends at {last_s:.2f} s but declares {self.declared_s:.2f} s (truncated?); "
                "its last frame stands in for what is missing; fetch the file again"
            )

    def _report(self, message: str) -> None:
        if not self.reported:
            warnings.warn(message, VideoWarning, stacklevel=2)
        self.reported = True


def _av() -> ModuleType:
    """Import PyAV when it is first needed, so that a model without video files works without it."""
    try:
        import av
        import av.error
    except ImportError as error:
        raise ImportError("PyAV is missing; it decodes the video files; run `pip install av`") from error
    return av


def _open(path: str) -> Any:
    """Open a container, or say why not."""
    av = _av()
    if not os.path.isfile(path):
        what = "a folder" if os.path.isdir(path) else "no such file"
        raise VideoError(f"{path}: {what}; expected a video file; check the path")
    try:
        return av.open(path, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(
            f"{path}: cannot be read as a video ({reason}); expected a whole video file such as MP4 or MKV; "
            "check that it plays, or fetch it again (an MP4 cut off before its index holds no readable frame)"
        ) from error


def _quarter_turns(frame: Any) -> int:
    """How many counter-clockwise quarter turns show the frame upright (display matrix of the file)."""
    return round(frame.rotation / 90) % 4


def _to_rgb(frame: Any, size: tuple[int, int] | None) -> np.ndarray:
    """Turn a decoded frame into an upright uint8 RGB array (H, W, 3), scaled to (width, height) if given."""
    av = _av()
    turns = _quarter_turns(frame)
    if size is None:
        image = frame.to_ndarray(format="rgb24")
    else:
        width, height = size if turns % 2 == 0 else (size[1], size[0])
        area = av.video.reformatter.Interpolation.AREA
        image = frame.reformat(width=width, height=height, format="rgb24", interpolation=area).to_ndarray()
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
