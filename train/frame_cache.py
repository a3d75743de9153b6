"""Frames of clips on disk, decoded once: a bounded folder that several processes fill and read.

Stage I sees every clip once an epoch, in any order. Such a cycle through more clips than fit defeats every rule that
throws old entries out (least recently used would never hit), so what came first stays and the rest is decoded anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from datasets_scripts.one_writer import lock_file

CACHE_BYTES = 50 * 10**9  # what a run may keep, unless told otherwise
_LEFT_S = 3600.0  # a part is written in a moment: one so old is a killed process's
_USAGE, _CHECKED = "usage.txt", "checked.txt"


class FrameCache:
    """A folder of clips' frames, one NumPy file each.

    Entries are written under a temporary name and renamed, and read without pickle. An entry that cannot be read is
    removed and counts as missing. The bound holds over all processes: each reserves its bytes under a file lock. What a
    killed process reserved for nothing is given back when the folder is opened next.

    Args:
        folder: where to; made if it is missing.
        max_bytes: most bytes of all entries together.

    Raises:
        ValueError: the bound is negative or the folder is a file.
    """

    def __init__(self, folder: str | Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = Path(folder), int(max_bytes)
        if self.max_bytes < 0:
            raise ValueError(f"max_bytes is {max_bytes}; expected 0 or more; give the cache some room")
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"{self.folder} is a file; expected a folder for decoded frames; give another path")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.recount()

    @staticmethod
    def key(*parts: object) -> str:
        """The name of an entry: a hash of everything that decides its frames."""
        return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:40]

    @staticmethod
    def identity(path: Path) -> tuple[str, int, int]:
        """What tells a file from another version of it, without reading it: name, bytes, time of its last change (ns).

        Raises:
            OSError: no such file.
        """
        about = path.stat()
        return path.name, about.st_size, about.st_mtime_ns

    def path(self, key: str) -> Path:
        """Where an entry lies; 256 folders keep each of them small."""
        return self.folder / key[:2] / f"{key}.npy"

    def __contains__(self, key: str) -> bool:
        """Whether an entry is there (it may still prove damaged)."""
        return self.path(key).is_file()

    def get(self, key: str) -> np.ndarray | None:
        """The frames (F, H, W, 3) uint8 of an entry, or None if there is none or it is damaged."""
        path = self.path(key)
        try:
            frames = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError):
            path.unlink(missing_ok=True)
            return None
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            path.unlink(missing_ok=True)
            return None
        return frames

    def put(self, key: str, frames: np.ndarray) -> bool:
        """Store frames (F, H, W, 3) uint8; False where the bound leaves no room for them.

        Raises:
            OSError: the folder cannot be written to.
        """
        size = frames.nbytes + 128  # NumPy's header
        if key in self:
            return True
        with self._locked() as file:
            used = int(file.read() or "0") + size
            if used > self.max_bytes:
                return False
            self._note(file, used)
        path = self.path(key)
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f".{key}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                np.save(file, np.ascontiguousarray(frames), allow_pickle=False)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return True

    def checked(self) -> set[str]:
        """Keys of the clips that gave frames once and found no room here."""
        path = self.folder / _CHECKED
        return set(path.read_text(encoding="ascii", errors="replace").split()) if path.is_file() else set()

    def note_checked(self, keys: Iterable[str]) -> None:
        """Note clips that gave frames and found no room, so that nobody has to find out again."""
        with (self.folder / _CHECKED).open("a", encoding="ascii") as file:
            file.writelines(f"{key}\n" for key in keys)

    def recount(self) -> int:
        """Count the bytes that lie there (a killed process may have reserved more) and return them.

        Parts that were left long ago are removed; younger ones count, for somebody may be writing them.
        """
        used, old = 0, time.time() - _LEFT_S
        with self._locked() as file:
            for entry in (*self.folder.glob("??/*.npy"), *self.folder.glob("??/.*.part")):
                with contextlib.suppress(FileNotFoundError):  # renamed or removed meanwhile
                    about = entry.stat()
                    if entry.suffix == ".part" and about.st_mtime < old:
                        entry.unlink()
                    else:
                        used += about.st_size
            self._note(file, used)
        return used

    @contextlib.contextmanager
    def _locked(self) -> Iterator[TextIO]:
        """The usage file, locked; the lock ends with the process, so a kill leaves nothing locked."""
        # Not "a+": appending would write behind the old number.
        with open(os.open(self.folder / _USAGE, os.O_RDWR | os.O_CREAT, 0o644), "r+", encoding="ascii") as file:
            lock_file(file, wait=True)
            yield file

    @staticmethod
    def _note(file: TextIO, used: int) -> None:
        file.seek(0)
        file.truncate()
        file.write(str(used))
        file.flush()
