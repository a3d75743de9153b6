"""Stage I's clips from annotation rows beside films, or beside folders of extracted frames (MAD, CMD-AD, TV-AD).

Annotations are the public sets' own files, or JSON Lines of `ADRow.to_dict()`, the one row schema. Videos are decoded
by the DataLoader's workers with the package's one decoder; see `VideoSource` for what that costs.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import re
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from datasets_scripts.annotations import find_media
from datasets_scripts.frames import listed_numbers, read_picture
from datasets_scripts.mad import MADReader
from datasets_scripts.pocket_set import READERS, layout_of
from datasets_scripts.schema import ADRow, video_span
from modeling_distinctad.video_distinctad import (
    VideoError,
    VideoWarning,
    frame_times,
    iter_clip_frames,
    probe,
    read_frames,
    video_warnings,
)
from train.clip_items import ClipError, ClipSource, Failure, Failures
from train.frame_cache import FrameCache

logger = logging.getLogger(__name__)

ROWS = "rows.jsonl"
END_SLACK_S = 1.0  # an interval that ends so much behind its film: rounding, not a mistake
_NUMBERED = re.compile(r"(\d+)\.(?:jpe?g|png|webp)", re.IGNORECASE)


def read_rows(path: Path) -> list[ADRow]:
    """Annotation rows with a text.

    Args:
        path: JSON Lines of `ADRow.to_dict()`, or an annotation file with MAD's, CMD-AD's or TV-AD's columns (a `.json`
            is MAD's); or a folder that holds rows.jsonl or annotations.csv.

    Returns:
        The rows; those whose text is empty are for testing only and left out. Rows that a reader refuses are counted in
        a warning, by rule.

    Raises:
        ValueError: no such file, or one that cannot be read; the message names the line.
    """
    if path.is_dir():
        path = next((path / name for name in (ROWS, "annotations.csv") if (path / name).is_file()), path / ROWS)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; expected annotation rows; write them or mend the path")
    rows = _json_rows(path) if path.suffix == ".jsonl" else _public_rows(path)
    rows = [row for row in rows if row.text.strip()]
    if not rows:
        raise ValueError(f"{path} holds no row with a text; expected at least one; write the rows again")
    return rows


def _json_rows(path: Path) -> list[ADRow]:
    rows = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                rows.append(ADRow.from_dict(json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}, line {number}: {error}; mend or remove the line") from error
    return rows


def _public_rows(path: Path) -> list[ADRow]:
    """Rows of a public set's file; their videos get the endings that they have beside it."""
    layout = "mad-eval" if path.suffix == ".json" else layout_of(path)
    reader = MADReader(path, source="films") if layout == "mad-eval" else READERS[layout](path)
    rows = [replace(row, video=_found(path.parent, row.video)) for row in reader]
    report = reader.report
    if report.refused:
        rules = ", ".join(f"{rule} {len(found.rows)}" for rule, found in sorted(report.found.items()))
        logger.warning("%s: %s of %s rows refused (%s)", path.name, report.outcomes["refused"], report.rows, rules)
    return rows


def _found(root: Path, video: str) -> str:
    """A video as it is called on disk: with its ending, or in a folder of its own, as pocket films are."""
    own = find_media(root, f"{video}/{PurePosixPath(video).name}")
    return own or find_media(root, video) or video


def inside(root: Path, name: str) -> Path:
    """A path below `root`.

    Raises:
        ClipError: the name is empty, absolute or leads out of the folder.
    """
    parts = Path(name).parts
    if not parts or os.path.isabs(name) or ".." in parts or "\x00" in name:
        raise ClipError(f"names the file {name!r}; expected a path inside the data's folder")
    return root / name


def read_clip(path: Path, times_s: Sequence[float]) -> list[Any]:
    """Decode one clip; whatever the decoder would mend with neighbouring frames is an error here.

    Args:
        path: the film.
        times_s: of its F frames inside it, seconds (`frame_times`).

    Returns:
        F frames (H, W, 3) uint8.

    Raises:
        ClipError: it cannot be decoded, or only in part.
    """
    with video_warnings() as broken:
        try:
            frames = read_frames(path, times_s)
        except VideoError as error:
            raise ClipError(_reason(error, path)) from error
    if broken:
        raise ClipError(_reason(broken[0], path))
    return frames


def _reason(message: object, path: Path) -> str:
    """What the decoder says, without the path that stands beside it anyway."""
    return str(message).removeprefix(f"{path}: ")


class _RowSource(ClipSource):
    """Clips that are annotation rows; `clips` are `ADRow`s."""

    clips: list[ADRow]

    def __init__(
        self, rows: Sequence[ADRow], root: Path, processor: Any, failures: Failures, cache: FrameCache | None = None
    ) -> None:
        super().__init__(processor, cache)
        self.root, self.failures = root, failures
        self.clips = list(rows)

    def text(self, index: int) -> str:
        """The row's AD."""
        return self.clips[index].text

    def film(self, index: int) -> str:
        """The row's film."""
        return self.clips[index].film

    def name(self, index: int) -> tuple[str, str]:
        """The row's video and its place in the annotations."""
        row = self.clips[index]
        return row.video or row.film, f"{row.provenance.file} row {row.provenance.row}"

    def about(self, index: int) -> tuple[Any, ...]:
        """Name, text, and the interval or the frames."""
        row = self.clips[index]
        return *super().about(index), *video_span(row), row.frame_numbers


class VideoSource(_RowSource):
    """Clips of video files, F frames each.

    Every file is opened once at the start: rows of a missing file, or past its end, are left out there. A clip alone is
    reached by a seek and costs the frames from the key frame before it to its last frame; `check_all` reads each film
    once from front to back instead (gaps of over ten seconds are jumped), which is the cheaper way to fill a cache.

    Args:
        rows: annotations; times are `video_start_s`, `video_end_s` where given, else `start_s`, `end_s`.
        root: folder that the rows' videos are relative to.
        processor: fits pictures to the tower.
        failures: counts what is left out.
        cache: decoded frames on disk.
        mode: where the frames stand, as of `frame_times`; "segment" draws them by `draw` and takes no cache.

    Attributes:
        draw: (seed, epoch); set it before each pass over the clips. A clip's drawn times follow from it and the clip's
            number alone.
    """

    draw = (0, 0)

    def __init__(
        self,
        rows: Sequence[ADRow],
        root: Path,
        processor: Any,
        failures: Failures,
        cache: FrameCache | None = None,
        mode: str = "midpoint",
    ) -> None:
        super().__init__(rows, root, processor, failures, cache)
        frame_times(0.0, 1.0, 1, mode, 0)  # refuses what is no mode
        if mode == "segment" and cache is not None:
            raise ValueError(
                "frame_sampling is 'segment' with a frame cache, which would keep the first epoch's frames; expected "
                "one of them; leave out frame_cache, or take midpoint or autoad"
            )
        self.mode = mode
        names = sorted({row.video for row in rows})
        with ThreadPoolExecutor(8) as pool:
            lengths = dict(zip(names, pool.map(self._length, names), strict=True))
        found = {index: _misfit(row, lengths[row.video]) for index, row in enumerate(self.clips)}
        self.drop({index: reason for index, reason in found.items() if reason})

    def frames(self, index: int) -> list[Any]:
        """F frames (H, W, 3) uint8, decoded from the key frame before the clip.

        Raises:
            ClipError: see `read_clip`.
        """
        row = self.clips[index]
        drawn = random.Random(f"{self.draw} {self.number(index)}")
        times_s = frame_times(*video_span(row), self.processor.num_frames, self.mode, drawn)
        return read_clip(inside(self.root, row.video), times_s)

    def key(self, index: int) -> str:
        """File, interval and size."""
        row = self.clips[index]
        return self.fitted_key(*FrameCache.identity(inside(self.root, row.video)), *video_span(row), self.mode)

    def groups(self) -> list[list[int]]:
        """The clips of each file in time order."""
        films: dict[str, list[int]] = {}
        for index, row in enumerate(self.clips):
            films.setdefault(row.video, []).append(index)
        return [sorted(group, key=lambda index: video_span(self.clips[index])) for group in films.values()]

    def store_group(self, indices: list[int]) -> list[Failure]:
        """Decode a film in one pass; if anything is wrong with it, clip by clip, to see which are hit."""
        path = inside(self.root, self.clips[indices[0]].video)
        spans = [video_span(self.clips[index]) for index in indices]
        with warnings.catch_warnings():
            warnings.simplefilter("error", VideoWarning)
            try:
                for index, frames in zip(
                    indices, iter_clip_frames(path, spans, self.processor.num_frames, mode=self.mode), strict=True
                ):
                    self.store(index, frames)
            except (VideoError, VideoWarning, ClipError):
                pass
            else:
                return []
        return super().store_group(indices)

    def _length(self, name: str) -> float | str:
        """A file's length in seconds, or why it cannot be used."""
        try:
            path = inside(self.root, name)
            with video_warnings():  # the clips that damage hits will say so
                length_s = probe(path).duration_s
        except ClipError as error:
            return str(error)
        except VideoError as error:
            return _reason(error, path)
        return length_s or "does not say how long it is; expected a duration; remux it"


def _misfit(row: ADRow, length: float | str) -> str | None:
    """Why a row's interval cannot be read from a video of this length (or without one); None: it can."""
    if isinstance(length, str):
        return length
    start_s, end_s = video_span(row)
    if start_s >= length or end_s > length + END_SLACK_S:
        return f"runs from {start_s:.2f} to {end_s:.2f} s; the video ends at {length:.2f} s"
    return None


class FrameFolderSource(_RowSource):
    """Clips of folders of extracted frames (00001.jpg, 00002.jpg, ...), as TV-AD publishes them.

    A row's `video` is its folder. `frame_numbers` say which frames are the clip's; of 16 every second one makes 8.
    Rows without numbers take the frames nearest to the midpoints, frame n standing at (n - 1) / `fps`.

    Args:
        rows: annotations.
        root: folder that the rows' folders are relative to.
        processor: fits pictures to the tower.
        failures: counts what is left out: a missing folder or frame is never replaced by a neighbour.
        cache: decoded frames on disk.
        fps: frames a second of the folders; needed by rows without frame numbers.
    """

    def __init__(
        self,
        rows: Sequence[ADRow],
        root: Path,
        processor: Any,
        failures: Failures,
        cache: FrameCache | None = None,
        fps: float | None = None,
    ) -> None:
        super().__init__(rows, root, processor, failures, cache)
        if fps is not None and not (math.isfinite(fps) and fps > 0):
            raise ValueError(f"fps is {fps}; expected a positive number; give the rate of the extracted frames")
        self.fps = fps
        self._files: dict[str, dict[int, str] | str] = {}
        found = {index: self._problem(row) for index, row in enumerate(self.clips)}
        self.drop({index: reason for index, reason in found.items() if reason})

    def frames(self, index: int) -> list[Any]:
        """F frames (H, W, 3) uint8.

        Raises:
            ValueError: a file is missing, is no picture or is too large.
        """
        return [read_picture(path.read_bytes(), path.name) for path in self._paths(self.clips[index])]

    def key(self, index: int) -> str:
        """The files and the size."""
        files = [FrameCache.identity(path) for path in self._paths(self.clips[index])]
        return self.fitted_key(self.clips[index].video, *files)

    def _paths(self, row: ADRow) -> list[Path]:
        """The pictures of a clip.

        Raises:
            ClipError: a folder or a frame is missing.
        """
        folder = inside(self.root, row.video)
        files = self._listing(row.video, folder)
        numbers = self._numbers(row, files)
        missing = [number for number in numbers if number not in files]
        if missing:
            raise ClipError(f"frame {missing[0]} is missing; the folder holds {len(files)}, the last is {max(files)}")
        return [folder / files[number] for number in numbers]

    def _listing(self, name: str, folder: Path) -> dict[int, str]:
        """Frame number -> file name of a folder, read once."""
        if name not in self._files:
            try:
                found = {int(m[1]): m[0] for m in map(_NUMBERED.fullmatch, sorted(os.listdir(folder))) if m}
                self._files[name] = found or "holds no numbered picture; expected 00001.jpg and so on"
            except OSError as error:
                self._files[name] = f"no such folder of frames ({error.strerror})"
        files = self._files[name]
        if isinstance(files, str):
            raise ClipError(files)
        return files

    def _numbers(self, row: ADRow, files: dict[int, str]) -> list[int]:
        """The numbers of the F frames of a clip."""
        count = self.processor.num_frames
        if row.frame_numbers:
            return listed_numbers(row.frame_numbers, count)
        if self.fps is None:
            raise ClipError("has no frame_numbers; expected them, or the frames' rate; give frames_fps")
        start_s, end_s = video_span(row)
        if end_s > max(files) / self.fps + END_SLACK_S or start_s >= max(files) / self.fps:
            raise ClipError(
                f"runs to {end_s:.2f} s; the last frame, {max(files)}, ends at {max(files) / self.fps:.2f} s"
            )
        times = frame_times(start_s, end_s, count)
        return [min(max(1, math.ceil(t * self.fps - 0.5 - 1e-9) + 1), max(files)) for t in times]

    def _problem(self, row: ADRow) -> str | None:
        """Why a row cannot be read, as far as its folder shows; None: it can."""
        try:
            self._paths(row)
        except ClipError as error:
            return str(error)
        return None
