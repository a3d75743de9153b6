"""What all of Stage I's clip sources share: one item, one way to leave out what cannot be decoded, one cache.

Source: issue of Stage I, "a clip that cannot be decoded is counted, named and left out, never silently replaced; the
run fails past a stated share". How that is done with a sampler that knows only numbers is our own choice.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from train.arguments import launched_ranks
from train.frame_cache import FrameCache
from train.frame_squares import square_pixels, to_squares

logger = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # the disk's fault, never a clip's


class ClipError(ValueError):
    """A clip that gives no frames; the message is the reason alone."""


class TooManyFailures(ValueError):
    """More clips than allowed cannot be decoded."""


@dataclass(frozen=True)
class Failure:
    """A clip that was left out.

    Attributes:
        file: video, folder or shard.
        row: where the clip stands: annotation file and row, sample or row of the shard.
        reason: why it gives no frames.
        clip: its number in the whole list, from 0; names may be repeated.
    """

    file: str
    row: str
    reason: str
    clip: int


class Failures:
    """The clips that a run leaves out, counted over all DataLoader workers of this rank, each once.

    Args:
        total: clips in all, good and bad.
        max_share: largest share of them that may be left out.
        log: JSON Lines file of the failures, begun anew; None: a temporary one. With several ranks each has its own.

    Attributes:
        log: the file.
    """

    def __init__(self, total: int, max_share: float = 0.01, log: Path | None = None) -> None:
        if not 0 <= max_share <= 1:
            raise ValueError(f"max_failed_share is {max_share}; expected 0 to 1; 0.01 is one clip of a hundred")
        self.total, self.max_share = total, max_share
        if log is None:
            log = Path(tempfile.mkdtemp(prefix="clips_")) / "failed_clips.jsonl"
        elif launched_ranks() > 1:
            log = log.with_name(f"{log.stem}.rank{os.environ.get('RANK', '0')}{log.suffix}")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")
        self.log = log

    @property
    def found(self) -> list[Failure]:
        """All failures so far, in the order in which they were met."""
        with self.log.open(encoding="utf-8") as lines:
            return list({failure.clip: failure for failure in (Failure(**json.loads(line)) for line in lines)}.values())

    def add(self, failure: Failure) -> None:
        """Note, name and count a clip that is left out.

        Raises:
            TooManyFailures: that was one too many.
        """
        if any(known.clip == failure.clip for known in self.found):
            return
        logger.warning("left out: %s, %s: %s", failure.file, failure.row, failure.reason)
        with self.log.open("a", encoding="utf-8") as file:  # one short line: whole even beside other workers
            file.write(json.dumps(vars(failure), ensure_ascii=False) + "\n")
        self.check()

    def check(self) -> None:
        """See that not too many are missing.

        Raises:
            TooManyFailures: the share is over `max_share`; the message names the first.
        """
        found = self.found
        if len(found) > self.max_share * self.total:
            first = found[0]
            raise TooManyFailures(
                f"{len(found)} of {self.total} clips cannot be decoded, at most {self.max_share:.2%} may be left out; "
                f"first: {first.file}, {first.row}: {first.reason}; mend the files ({self.log} lists them) or raise "
                "max_failed_share"
            )


class ClipSource(Dataset, abc.ABC):
    """Clips with their ADs; an item is `pixel_values` (F, 3, H, W) float32, `text` and `film`.

    A clip without frames raises `ClipError` when it is asked for alone. A DataLoader asks for whole batches: there it
    is noted in `failures` and left out, and the batch is shorter. Several ranks need equal batches, so there such a
    clip ends the run; `check_all` beforehand leaves it out on every rank alike.

    Args:
        processor: fits pictures to the tower and says how many frames a clip has (F).
        cache: decoded frames on disk, or None.

    Attributes:
        clips: what each index stands for; of the subclass.
        failures: clips left out so far.
    """

    clips: list[Any]
    failures: Failures

    def __init__(self, processor: Any, cache: FrameCache | None = None) -> None:
        self.processor, self.cache = processor, cache
        self._kept: np.ndarray | None = None  # of the clips that are left, in the whole list; None: all are

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`pixel_values` (F, 3, H, W) float32, `text` and `film`.

        Raises:
            ClipError: the clip gives no frames.
        """
        if self.cache is not None:
            pixels = square_pixels(self.processor, self._squares(index, self.cache))
        else:
            with self._reasons():
                pixels = self.processor.frame_pixels(self.frames(index))
        return {"pixel_values": pixels, "text": self.text(index), "film": self.film(index)}

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """The items of a batch without those that give no frames.

        Raises:
            ClipError: not one clip of the batch gives frames, or one does not and there are several ranks.
            TooManyFailures: see `Failures`.
        """
        items = []
        for index in indices:
            try:
                items.append(self[index])
            except ClipError as error:
                failure = self._failed(index, str(error))
                self.failures.add(failure)
                if launched_ranks() > 1:
                    raise ClipError(
                        f"{failure.file}, {failure.row}: {error}; "
                        "ranks need equal batches: give a frame cache, which leaves the clip out on all of them"
                    ) from error
        if not items:
            raise ClipError(f"not one of a batch's {len(indices)} clips can be decoded; mend the files: {failure}")
        return items

    @abc.abstractmethod
    def frames(self, index: int) -> list[Any]:
        """Decode a clip: F pictures, PIL or uint8 (H, W, 3)."""

    @abc.abstractmethod
    def text(self, index: int) -> str:
        """The clip's AD."""

    def texts(self) -> list[str]:
        """The AD of every clip, without decoding it."""
        return [self.text(index) for index in range(len(self))]

    @abc.abstractmethod
    def film(self, index: int) -> str:
        """The film that the clip is cut from."""

    def named_film(self, index: int) -> str:
        """The film, or "" where the clip's row names none."""
        return self.film(index)

    @abc.abstractmethod
    def name(self, index: int) -> tuple[str, str]:
        """File and row of a clip, for messages."""

    def about(self, index: int) -> tuple[Any, ...]:
        """What a clip is, as far as it is known without decoding it, JSON-ready."""
        return *self.name(index), self.text(index)

    def list_sha256(self) -> str:
        """Names the clips that are left: SHA-256 over what each is, in their order."""
        digest = hashlib.sha256()
        for index in range(len(self)):
            digest.update(json.dumps(self.about(index)).encode())
        return digest.hexdigest()

    @abc.abstractmethod
    def key(self, index: int) -> str:
        """The clip's name in the cache."""

    def fitted_key(self, *parts: object) -> str:
        """A cache key of what a clip is and of everything that makes the tower's squares out of it."""
        images = self.processor.image_processor
        fit = (self.processor.frame_fit, *self.processor.image_size, str(images.size), images.resample)
        return FrameCache.key(*parts, *fit, self.processor.num_frames)

    def drop(self, reasons: Mapping[int, str]) -> None:
        """Leave clips out for good.

        Args:
            reasons: index -> why.

        Raises:
            TooManyFailures: see `Failures`.
        """
        failed = [self._failed(index, reason) for index, reason in reasons.items()]
        self._keep([index for index in range(len(self)) if index not in reasons])
        for failure in failed:
            self.failures.add(failure)

    def _keep(self, indices: Sequence[int]) -> None:
        """Keep these clips only; each keeps its number in the whole list."""
        numbers = np.arange(len(self)) if self._kept is None else self._kept
        self._kept = numbers[np.asarray(indices, dtype=np.int64)]
        self.clips = [self.clips[index] for index in indices]

    def number(self, index: int) -> int:
        """A clip's place in the whole list, those left out counted, from 0."""
        return index if self._kept is None else int(self._kept[index])

    def _failed(self, index: int, reason: str) -> Failure:
        return Failure(*self.name(index), reason, self.number(index))

    def groups(self) -> list[list[int]]:
        """Clips that are best decoded together."""
        return [[index] for index in range(len(self))]

    def store_group(self, indices: list[int]) -> list[Failure]:
        """Decode clips once and store their frames; returns those that give none."""
        failed = []
        for index in indices:
            try:
                with self._reasons():
                    frames = self.frames(index)
                self.store(index, frames)
            except ClipError as error:
                failed.append(self._failed(index, str(error)))
        return failed

    def store(self, index: int, frames: Sequence[Any]) -> None:
        """Put a clip's decoded frames into the cache, as they enter the tower.

        Raises:
            ClipError: they are no pictures, or the clip's file is gone.
            OSError: the cache cannot be written to.
        """
        if self.cache is None:
            return
        with self._reasons():
            key, squares = self.key(index), to_squares(self.processor, frames)
        self.cache.put(key, squares)

    def check_all(self, workers: int = 0, progress: bool = True) -> None:
        """Decode every clip once, into the cache where there is room, and drop those that give no frames.

        Clips that the cache holds, or had no room for, are not decoded again: an interrupted pass goes on where it
        stopped.

        Args:
            workers: processes.
            progress: show a bar.

        Raises:
            TooManyFailures: see `Failures`.
            OSError: the cache cannot be written to.
        """
        known = set() if self.cache is None else self.cache.checked()
        groups = [self._missing(group, known) for group in self.groups()]
        passes = _Groups(self, [group for group in groups if group])
        loader = DataLoader(passes, batch_size=None, num_workers=workers)
        failed: set[int] = set()
        bar = tqdm(loader, desc="decoding clips", unit="group", disable=not progress)
        for group, failures in zip(passes.groups, bar, strict=True):
            for failure in failures:
                failed.add(failure.clip)
                self.failures.add(failure)
            if self.cache is not None:
                good = [self.key(index) for index in group if self.number(index) not in failed]
                self.cache.note_checked(key for key in good if key not in self.cache)
        self._keep([index for index in range(len(self)) if self.number(index) not in failed])

    def _missing(self, group: list[int], known: set[str]) -> list[int]:
        """The clips of a group that were never decoded."""
        if self.cache is None:
            return group
        with contextlib.suppress(OSError):  # a file that is gone has no entry
            keys = {index: self.key(index) for index in group}
            return [index for index, key in keys.items() if key not in self.cache and key not in known]
        return group

    def _squares(self, index: int, cache: FrameCache) -> np.ndarray:
        """The clip's frames as they enter the tower, (F, H, W, 3) uint8, from the cache or decoded into it."""
        with self._reasons():
            key = self.key(index)
        squares = cache.get(key)
        if squares is None or squares.shape[:3] != (self.processor.num_frames, *self.processor.image_size):
            with self._reasons():
                squares = to_squares(self.processor, self.frames(index))
            cache.put(key, squares)
        return squares

    @contextlib.contextmanager
    def _reasons(self) -> Iterator[None]:
        """Make every way in which files fail a `ClipError`; decoders raise `VideoError`, a `ValueError`.

        A full disk (decoders write temporary files) is no clip's failure and stays what it is.
        """
        try:
            yield
        except ClipError:
            raise
        except (OSError, ValueError, SyntaxError) as error:  # SyntaxError: Pillow's word for a broken PNG
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            raise ClipError(" ".join(str(error).split())) from error


class _Groups(Dataset):
    """A source as groups of clips, so that DataLoader workers share the first pass."""

    def __init__(self, source: ClipSource, groups: list[list[int]]) -> None:
        self.source, self.groups = source, groups

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, number: int) -> list[Failure]:
        return self.source.store_group(self.groups[number])
