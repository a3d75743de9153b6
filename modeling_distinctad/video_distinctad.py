"""Decode a video file and take frames at given times: one pass, bounded memory, any frame rate.

Every frame that is taken lies within half a frame interval of its time: the film is decoded, never guessed at by
frame number. Times are seconds on the film's own clock, which starts at the container's start time (as players count).
Source: method specification, Stage II "Frames" (the nearest existing frame to each time); when to seek is our own
choice. `video_decoders_distinctad` decodes.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

try:
    import numpy as np
except ImportError as error:
    raise ImportError("numpy is missing; it holds the frames; run `pip install numpy`") from error

from .video_decoders_distinctad import Film, VideoError, VideoWarning, open_film, video_warnings, warn_of_video

__all__ = [
    "VideoError", "VideoInfo", "VideoWarning", "end_before", "frame_times", "iter_clip_frames", "probe", "read_frames",
    "video_warnings", "warn_of_video",
]  # fmt: skip

# A seek decodes from the key frame before its target; encoders place key frames up to ten seconds apart, so a
# shorter gap is cheaper to decode through than to jump over.
SEEK_GAP_S = 10.0
_BACK_OFF_S = (0.2, 15.0, 120.0, 1200.0)  # before the target: where a seek tries, one after the other
_NO_FRAME = "not one frame can be decoded; expected a whole video file; check that it plays, or fetch it again"


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself.

    Attributes:
        duration_s: length of the film in seconds (video stream, else container; 0.0 where the file does not say).
        frame_rate_hz: average frames per second; 0.0 where the file does not say.
        width: of the picture as shown (rotation and the pixels' own shape applied), in pixels.
        height: of the picture as shown, in pixels.
        has_audio: whether there is an audio stream (False where the decoder cannot tell).
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
        ValueError: the clip ends before it starts or is not finite, `num_frames` is under 1, the mode is unknown, or
            "segment" has no seed.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; expected at least 1; ask for one frame or more")
    if not -math.inf < start_s <= end_s < math.inf:
        raise ValueError(f"clip from {start_s} s to {end_s} s; expected end >= start, finite; swap or correct the two")
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
    with open_film(path) as film:
        _, frame = next(film.frames(), (0.0, None))
        if frame is None:
            raise VideoError(f"{film.path}: {_NO_FRAME}")
        height, width = film.to_rgb(frame).shape[:2]
        return VideoInfo(film.declared_s, film.rate_hz, width, height, film.has_audio)


def end_before(path: str | os.PathLike[str], time_s: float) -> float | None:
    """Find out whether a film has ended by a time.

    What the file declares is believed where it lies after the time; where it does not, it may be wrong, and the film is
    decoded up to there.

    Args:
        path: the file.
        time_s: the time in seconds.

    Returns:
        When its pictures and its sound have ended, in seconds, at most `time_s`; None where it goes on, or does not say
        how long it is.

    Raises:
        VideoError: as `read_frames`.
    """
    with open_film(path) as film, video_warnings():  # the shortfall is what is asked about
        end_s = max(film.declared_s, film.whole_s)
        if not 0.0 < end_s <= time_s < math.inf:
            return None
        cursor = _Cursor(film)
        cursor.nearest(time_s)
        if cursor.after is not None or cursor.before is None:
            return None
        return max(end_s, cursor.before[0])


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
        ValueError: a time is not finite.

    Warns:
        VideoWarning: the file ends before its declared duration and a time beyond that was asked for, or a time was
            asked for that is well past its end; inside `video_warnings` its list holds that instead.
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

    A clip is open until it and all before it have ended, so one that spans others holds theirs too.

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
    if not all(map(math.isfinite, times_s)):
        raise ValueError(f"times are {[t for t in times_s if not math.isfinite(t)]}; expected seconds; leave them out")
    with open_film(path) as film:
        cursor = _Cursor(film)
        last: Any = None
        image: np.ndarray | None = None
        for time_s in times_s:
            frame = cursor.nearest(time_s)
            if image is None or frame is not last:
                last, image = frame, film.to_rgb(frame, size)
            yield time_s, image


class _Cursor:
    """Walks a film forward and answers "which frame is nearest?" for rising times."""

    def __init__(self, film: Film) -> None:
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
        """Jump to the key frame before `time_s`; further back where that gives nothing."""
        for back_s in _BACK_OFF_S:
            if not self.film.seek(max(0.0, time_s - back_s)):
                continue
            self.source = self.film.frames()
            first = next(self.source, None)
            if first is not None and first[0] <= time_s:
                self.before, self.after = None, first
                if first[0] <= position_s:  # key frames lie further apart than we thought: jump less readily
                    self.seek_gap_s *= 2
                return
        # Nothing can be reached by seeking (raw streams, OpenCV): read from the start, never jump again.
        self.film.reopen()
        self.seek_gap_s = float("inf")
        self.source, self.before, self.after = self.film.frames(), None, None
