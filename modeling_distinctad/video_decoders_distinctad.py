"""Open a video file and give its frames in showing order with their times: by PyAV, else by OpenCV.

Nothing else decodes video. PyAV (FFmpeg's own clock, seeking, several threads) is the best decoder there is here;
OpenCV stands in where PyAV is not installed: it reads a file through from its start and cannot tell whether there is
sound. Both give the same frames at the same times (a test). Formats, clocks and fall-backs are our own choice.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Any

try:
    import numpy as np
except ImportError as error:
    raise ImportError("numpy is missing; it holds the frames; run `pip install numpy`") from error

from .film_formats_distinctad import PYAV_OPTIONS, opencv_options

_NO_SHOWING_TIMES = "avi"  # an order of decoding only
_LENGTH_FROM_ZERO = "matroska"  # says when it ends, not how long it is
_NO_JUMPS = "mpeg"  # programme streams (DVDs): times after a jump are wrong by some frames
_MOST_SKIPPED = 1000  # frames after a jump without a key frame: a stream that has none is read from its start
_SHORTFALL_S = 1.0  # a file that ends this much before its declared duration counts as truncated
_MOST_STRETCH = 4.0  # of a pixel; a file that says more (or less than its inverse) is not believed
_UNREADABLE = (
    "expected a whole video file such as MP4 or MKV; check that it plays, or fetch it again "
    "(an MP4 cut off before its index holds no readable frame)"
)


class VideoError(ValueError):
    """A file from which no frame can be had; the message holds the value, what was expected and what to do."""


class VideoWarning(UserWarning):
    """A file that gave frames but less than it promised (truncated, damaged)."""


_SAID: ContextVar[list[str] | None] = ContextVar("distinctad_video_warnings", default=None)


@contextlib.contextmanager
def video_warnings() -> Iterator[list[str]]:
    """Inside, what would be a `VideoWarning` becomes an entry of a list: of this thread's films, of no other's.

    `warnings.catch_warnings` swaps what all threads share: two films read at once would get each other's warnings. A
    thread that is started inside does not know of the list; its films warn.

    Yields:
        The messages so far, in order, one of a file opened twice as often.
    """
    said: list[str] = []
    token = _SAID.set(said)
    try:
        yield said
    finally:
        _SAID.reset(token)


def warn_of_video(message: str) -> None:
    """Say that a file gave less than it promised: to the list of `video_warnings` around the call, else as a warning.

    Args:
        message: the file's path, a colon, and what is wrong with it.
    """
    said = _SAID.get()
    if said is None:
        warnings.warn(message, VideoWarning, stacklevel=3)
    else:
        said.append(message)


class Film(ABC):
    """An open video file; a context manager. `open_film` chooses the decoder.

    Attributes:
        path: the file.
        declared_s: length of the pictures in seconds as the file says, 0.0 where it does not.
        whole_s: length of the file, sound and all, as `declared_s`.
        rate_hz: average frames per second, 0.0 where the file does not say.
        has_audio: whether there is an audio stream that can be decoded (False where the decoder cannot tell).
    """

    path: str
    declared_s: float
    whole_s: float = 0.0
    rate_hz: float
    has_audio: bool

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        # FFmpeg would take what stands before a colon ("Alien: Covenant.mp4") for a protocol.
        self._url = f"file:{self.path}"
        self._reported = False
        if not os.path.isfile(self.path):
            what = "a folder" if os.path.isdir(self.path) else "no such file"
            raise VideoError(f"{self.path}: {what}; expected a video file; check the path")
        self.reopen()

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    @abstractmethod
    def reopen(self) -> None:
        """Open the file at its start (again)."""

    def seek(self, time_s: float) -> bool:
        """Go to the key frame at or before `time_s` (seconds); False where the decoder or the container cannot."""
        return False

    @abstractmethod
    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield (time in seconds, frame for `to_rgb`) in showing order from where the film stands, times rising."""

    @abstractmethod
    def to_rgb(self, frame: Any, size: tuple[int, int] | None = None) -> np.ndarray:
        """Turn a frame of `frames` into an upright uint8 RGB array (H, W, 3), scaled to (width, height) if given.

        Without a size pixels that are no squares are widened, so that the picture is as shown.
        """

    def report_shortfall(self, last_s: float, asked_s: float) -> None:
        """Warn once where the film ended well before its declared duration or before a time that was asked for."""
        if last_s + _SHORTFALL_S < min(self.declared_s, asked_s):
            self._report(
                f"{self.path}: ends at {last_s:.2f} s but declares {self.declared_s:.2f} s (truncated?); "
                "its last frame stands in for what is missing; fetch the file again"
            )
        elif max(last_s, self.declared_s) + _SHORTFALL_S < asked_s <= self.whole_s:
            self._report(f"{self.path}: ends in sound without pictures; the last one, of {last_s:.2f} s, stands in")
        elif max(last_s, self.declared_s) + _SHORTFALL_S < asked_s:
            self._report(
                f"{self.path}: ends at {last_s:.2f} s and was asked for {asked_s:.7g} s; expected a time within the "
                "film; its last frame stands in; correct the times"
            )

    def _report(self, message: str) -> None:
        if not self._reported:
            warn_of_video(message)
        self._reported = True


def open_film(path: str | os.PathLike[str]) -> Film:
    """Open a video file with the best decoder that is installed.

    Args:
        path: the file.

    Raises:
        VideoError: no such file, not a video, or no video stream.
        ImportError: neither PyAV nor OpenCV is installed.
    """
    try:
        _av()
    except ImportError:
        return OpenCVFilm(path)
    return AVFilm(path)


class AVFilm(Film):
    """Decoded by PyAV."""

    container: Any = None
    _scaler: Any = None

    def close(self) -> None:
        """Close the file."""
        self.container.close()
        self._scaler = None

    def reopen(self) -> None:
        """Open the file at its start (again); times count from the container's start, as players count."""
        av = _av()
        if self.container is not None:
            self.container.close()
        try:
            self.container = av.open(self._url, metadata_errors="replace", container_options=PYAV_OPTIONS)
        except (av.error.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VideoError(f"{self.path}: cannot be read as a video ({reason}); {_UNREADABLE}") from error
        cover = int(av.stream.Disposition.attached_pic)
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
        # Without showing times the frames' own are guesses that jump about where there are B-frames. The times of
        # decoding rise evenly and are late by the decoder's delay, taken off below.
        self._delay_s: float | None = None if self.container.format.name == _NO_SHOWING_TIMES else 0.0
        self._by_decoding = self._delay_s is None
        self._after_seek = False
        self._orientation: tuple[int, bool] | None = None
        # One for the film: a frame's own would start threads for each frame, and those of a frame that waits for the
        # garbage collector never end in a forked worker, which then waits for ever.
        self._scaler = av.video.reformatter.VideoReformatter()
        tick_s = self.stream.time_base or 0
        own_s = float((self.stream.duration or 0) * tick_s)
        if own_s:  # a stream's length counts from its own first picture
            own_s += max(0.0, float((self.stream.start_time or 0) * tick_s) - self.origin_s)
        whole_s = (self.container.duration or 0) / 1e6
        if _LENGTH_FROM_ZERO in self.container.format.name:
            whole_s = max(0.0, whole_s - self.origin_s)
        self.declared_s, self.whole_s = own_s or whole_s, whole_s
        self.rate_hz = float(self.stream.average_rate or self.stream.guessed_rate or 0.0)
        self._stretch = _stretch(float(self.stream.sample_aspect_ratio or 1))
        self.has_audio = any(s.codec_context is not None for s in self.container.streams.audio)

    def seek(self, time_s: float) -> bool:
        """Go to the key frame at or before `time_s`; False where the container cannot."""
        if self.container.format.name == _NO_JUMPS:
            return False
        if self._delay_s is None:
            next(self.frames(), None)  # the first frame tells the delay
        try:
            offset = int((time_s + self.origin_s) / self.stream.time_base)
            self.container.seek(offset, stream=self.stream, backward=True)
            self._after_seek = True
        except (_av().error.FFmpegError, OverflowError):
            return False
        return True

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield (time in seconds, decoded frame) in showing order, after a seek from a key frame on.

        Skips what is damaged and says so once.
        """
        step_s = 1.0 / (self.rate_hz or 25.0)
        previous_s: float | None = None
        skipped = 0
        for frame in self._decoded():
            # Some containers jump to anywhere: what depends on pictures before the jump comes out grey.
            if self._after_seek and not frame.key_frame:
                skipped += 1
                if skipped == _MOST_SKIPPED:
                    return
                continue
            self._after_seek = False
            if self._orientation is None:  # of the first frame alone: looking ties a frame into a cycle
                self._orientation = _orientation(frame)
            stamp = frame.dts if self._by_decoding else frame.pts
            if stamp is None:  # raw streams carry no times, the last frames no times of decoding: count
                time_s = 0.0 if previous_s is None else previous_s + step_s
            else:
                time_s = float(stamp * frame.time_base) - self.origin_s
                if self._delay_s is None:
                    self._delay_s = time_s
                time_s -= self._delay_s
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

    def to_rgb(self, frame: Any, size: tuple[int, int] | None = None) -> np.ndarray:
        """As `Film.to_rgb`; scaled by area averaging before it is turned."""
        turns, mirrored = self._orientation or (0, False)
        given: dict[str, Any] = {"format": "rgb24"}
        if size is None and self._stretch != 1.0:  # a DVD's pixels are no squares
            size = round(frame.width * self._stretch), frame.height
            size = size if turns % 2 == 0 else (size[1], size[0])
        if size is not None:
            given["width"], given["height"] = size if turns % 2 == 0 else (size[1], size[0])
            given["interpolation"] = _av().video.reformatter.Interpolation.AREA
        image = self._scaler.reformat(frame, **given).to_ndarray()
        if mirrored:
            image = image[:, ::-1]
        return np.ascontiguousarray(np.rot90(image, turns))


class OpenCVFilm(Film):
    """Decoded by OpenCV, from the start only."""

    has_audio = False  # cannot be told
    _capture: Any = None

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def reopen(self) -> None:
        """Open the file at its start (again)."""
        cv2 = _cv2()
        if self._capture is not None:
            self._capture.release()
        with opencv_options():
            self._capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise VideoError(f"{self.path}: cannot be read as a video; {_UNREADABLE}")
        self.rate_hz = max(0.0, float(self._capture.get(cv2.CAP_PROP_FPS)))
        tall, wide = (float(self._capture.get(p)) for p in (cv2.CAP_PROP_SAR_DEN, cv2.CAP_PROP_SAR_NUM))
        self._stretch = _stretch(wide / tall if tall > 0 and wide > 0 else 1.0)
        count = max(0.0, float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.declared_s = count / self.rate_hz if self.rate_hz else 0.0

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield (time in seconds, BGR array) in showing order."""
        cv2 = _cv2()
        previous_s: float | None = None
        while self._capture.grab():
            time_s = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000.0
            if previous_s is not None and time_s <= previous_s:  # no times: count
                time_s = previous_s + 1.0 / (self.rate_hz or 25.0)
            readable, picture = self._capture.retrieve()
            if readable:
                previous_s = time_s
                yield time_s, picture

    def to_rgb(self, frame: Any, size: tuple[int, int] | None = None) -> np.ndarray:
        """As `Film.to_rgb`; OpenCV has turned the frame already."""
        cv2 = _cv2()
        image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        if size is None and self._stretch != 1.0:
            size = round(image.shape[1] * self._stretch), image.shape[0]
        return np.asarray(image if size is None else cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _stretch(ratio: float) -> float:
    """How much wider than stored a picture is shown; 1 for what nobody can mean."""
    return ratio if 1 / _MOST_STRETCH <= ratio <= _MOST_STRETCH else 1.0


def _orientation(frame: Any) -> tuple[int, bool]:
    """How to show a frame upright: counter-clockwise quarter turns, and whether to mirror it left to right first.

    Read from the display matrix (16.16 fixed point, a b u c d v x y w); `frame.rotation` takes a mirror for a turn.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    a, b, _, c, d = struct.unpack("=9i", bytes(matrix))[:5]
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    return round(-math.degrees(math.atan2(b, a)) / 90) % 4, mirrored


def _av() -> ModuleType:
    """Import PyAV when it is first needed, so that a model without video files works without it."""
    try:
        import av
        import av.error
    except ImportError as error:
        raise ImportError("PyAV is missing; it decodes the video files; run `pip install av`") from error
    return av


def _cv2() -> ModuleType:
    """Import OpenCV when it is needed in PyAV's place."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            "PyAV is missing, and OpenCV too; one decodes the video files; run `pip install av`"
        ) from error
    return cv2
