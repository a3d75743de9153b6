"""Which frames an AD is seen in, and where they come from: videos by time, features by index, frame folders by number.

Source: method specification, "Frames": the middle of T equal parts of the interval, the nearest existing frame to each.
Decoding is `modeling_distinctad.video_distinctad`'s; nothing else decodes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets_scripts.archives import ArchiveError, TarIndex
from datasets_scripts.mad_features import MAD_FPS, MAX_SPAN, FeatureError, MadFeatures, whole
from datasets_scripts.repairs import short
from datasets_scripts.schema import ADRow, video_span
from modeling_distinctad.video_decoders_distinctad import Film, open_film
from modeling_distinctad.video_distinctad import VideoError, frame_times, read_frames, video_warnings

CUT_OFF_S = 1.0  # pictures that end so much before the file's own length: cut off, as the decoder counts it
BACK_OFF_S = (0.2, 15.0, 120.0)  # before a video's end: where its last pictures are looked for, one after the other
MAX_PIXELS = 40_000_000
PICTURES = ("JPEG", "PNG", "WEBP")  # no others: Pillow hands PostScript to a program of its own


class FrameError(ValueError):
    """Frames that are not there or cannot be read."""


def feature_index_table(
    starts_s: np.ndarray, ends_s: np.ndarray, num_frames: int, count: int, rate_hz: float = MAD_FPS
) -> np.ndarray:
    """Indices of the features nearest to the middles of T equal parts of ADs; feature n shows the time n / rate_hz.

    Ties go to the earlier one, times outside to the first or last, as in `MadFeatures.rows`.

    Args:
        starts_s: (n,) starts, seconds.
        ends_s: (n,) ends, seconds.
        num_frames: T.
        count: features of the film, at least 1.
        rate_hz: features a second.

    Returns:
        (n, T) int64 indices.
    """
    middles = (np.arange(num_frames) + 0.5) / num_frames
    times = starts_s[:, None] + (ends_s - starts_s)[:, None] * middles
    return np.clip(np.ceil(times * rate_hz - 0.5 - 1e-9).astype(np.int64), 0, count - 1)


def listed_numbers(numbers: Sequence[int], num_frames: int) -> list[int]:
    """Take T of the frame numbers that an annotation lists, evenly (of 16, 8 are every other one, as AutoAD-Zero).

    Args:
        numbers: one-based frame numbers.
        num_frames: T; more than there are repeats some.

    Raises:
        ValueError: nothing is listed, or T is under 1.
    """
    if not numbers or num_frames < 1:
        raise ValueError(f"{len(numbers)} frames listed and {num_frames} asked for, expected at least 1 of each")
    return [numbers[i * len(numbers) // num_frames] for i in range(num_frames)]


class FilmFeatures(MadFeatures):
    """`MadFeatures` that takes many ADs of a film at once, in the file's own dtype.

    Attributes:
        width: C.

    Raises:
        FeatureError: as `MadFeatures`, or films of different widths.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        with whole(self.path):
            widths = {int(self._open()[film].shape[1]) for film in self.films}
        if len(widths) != 1:
            raise FeatureError(f"{self.path} holds widths {sorted(widths)}, expected one; write it with one tower")
        self.width = widths.pop()

    @property
    def lengths_s(self) -> dict[str, float]:
        """Film -> seconds that its features cover."""
        return {film: count / self.fps for film, count in self.films.items() if count}

    def take(self, film: str, starts_s: Sequence[float], ends_s: Sequence[float], num_frames: int) -> np.ndarray:
        """The features of some ADs of a film, at the midpoints of T equal parts.

        The film is read in blocks around consecutive ADs, never as a whole.

        Args:
            film: its key.
            starts_s: starts in seconds, best sorted.
            ends_s: ends in seconds.
            num_frames: T.

        Returns:
            (n, T, C) in the file's dtype.

        Raises:
            FeatureError: the film is not there.
        """
        if not self.films.get(film):
            raise FeatureError(f"{self.path} has no features of '{film}'; expected one of {len(self.films)} films")
        with whole(self.path):
            data = self._open()[film]
        table = feature_index_table(
            np.asarray(starts_s, float), np.asarray(ends_s, float), num_frames, self.films[film], self.fps
        )
        out = np.empty((*table.shape, self.width), data.dtype)
        first = 0
        while first < len(table):
            low, high, last = int(table[first].min()), int(table[first].max()), first + 1
            while last < len(table):
                lower, higher = min(low, int(table[last].min())), max(high, int(table[last].max()))
                if higher - lower >= MAX_SPAN:
                    break
                low, high, last = lower, higher, last + 1
            with whole(self.path):
                if high - low < MAX_SPAN:
                    out[first:last] = np.asarray(data[low : high + 1])[table[first:last] - low]
                else:  # one AD longer than a block
                    out[first] = np.stack([data[i] for i in table[first]])
            first = last
        return out


def video_end_s(path: Path) -> float:
    """When the pictures of a video end: where the file says so, earlier where it is cut off (a broken download).

    Decodes from the last key frame on; all of it where the container cannot jump or where it is cut off.

    Args:
        path: the file.

    Returns:
        Seconds.

    Raises:
        VideoError: no such file, not a video, or not one frame in it.
    """
    with video_warnings(), open_film(path) as film:  # the frames that damage hits will say so when they are read
        for back_s in BACK_OFF_S:
            if film.seek(max(0.0, film.declared_s - back_s)) and (last_s := _last_s(film)) is not None:
                break
        else:
            film.reopen()
            last_s = _last_s(film)
        if last_s is None:
            raise VideoError(f"{path}: not one frame can be decoded; expected a whole video file; fetch it again")
        end_s = last_s + (1 / film.rate_hz if film.rate_hz else 0.0)
        return end_s if end_s + CUT_OFF_S < film.declared_s else max(end_s, film.declared_s)


def _last_s(film: Film) -> float | None:
    """The latest time of the pictures from here on; None: there is none."""
    return max((time_s for time_s, _ in film.frames()), default=None)


def row_frames(row: ADRow, root: Path, num_frames: int, mode: str = "midpoint") -> list[np.ndarray]:
    """The frames of an AD, wherever its data set keeps them.

    A row with frame numbers reads `{video}/00001.jpg` in a folder or `{video}.tar`; another one reads the video at
    times inside it.

    Args:
        row: the AD.
        root: folder of the videos.
        num_frames: T.
        mode: how to choose times in a video, as `frame_times`.

    Returns:
        T uint8 arrays (H, W, 3).

    Raises:
        FrameError: a frame is not there or is no picture.
        VideoError: the video cannot be decoded.
    """
    if row.frame_numbers:
        return list(_numbered(root / row.video, listed_numbers(row.frame_numbers, num_frames)))
    return read_frames(root / row.video, frame_times(*video_span(row), num_frames, mode))


def _numbered(place: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Pictures by number from a folder or a tar; a number past the end gives the last there is."""
    if place.is_dir():
        names = sorted(p.name for p in place.glob("*.jpg"))
        last = int(names[-1].removesuffix(".jpg")) if names and names[-1][:-4].isdigit() else 0
        for number in numbers:
            path = place / f"{min(number, last):05d}.jpg"
            if not path.is_file():
                raise FrameError(f"{place.name} has no frame {number}, expected {path.name}; unpack the frames again")
            yield read_picture(path.read_bytes(), f"{place.name}/{path.name}")
        return
    archive = place if place.suffix == ".tar" else place.with_name(place.name + ".tar")
    try:
        tar = TarIndex(archive)
        last = max((int(n[-9:-4]) for n in tar.names if n[-9:-4].isdigit()), default=0)
        for number in numbers:
            name = next((n for n in tar.names if n.endswith(f"{min(number, last):05d}.jpg")), None)
            if name is None:
                raise FrameError(f"{archive.name} has no frame {number}, expected {number:05d}.jpg; fetch it again")
            yield read_picture(tar.read(name), f"{archive.name}:{name}")
    except ArchiveError as error:
        raise FrameError(str(error)) from error


def read_picture(raw: bytes, name: str) -> np.ndarray:
    """Decode one picture, with a bound on its size before its pixels are.

    Returns:
        A uint8 array (H, W, 3), RGB.

    Raises:
        FrameError: no picture, or too many pixels.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(raw), formats=PICTURES) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise FrameError(f"{name} has {picture.width} x {picture.height} pixels, expected under {MAX_PIXELS}")
            return np.asarray(picture.convert("RGB"))
    except FrameError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise FrameError(f"{name} is no picture ({short(str(error))}); fetch it again") from error
