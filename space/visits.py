"""What belongs to one visit, and its end: nothing of a visitor's film stays on the server.

A visit's files are deleted when its page is closed or reloaded. Visits that end without a word (a program, a lost
line) are swept after `kept_s`; uploads are swept by the same age, by the server and, since that one stops at the first
that is in use on Windows, here too. What is made for a visit lies inside that cache, where the server hands files out
as they are, without a copy that would stay. Of each kind of files a visit has one folder: the next one, once it is
filled, takes the place of the last.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(eq=False)
class _Folder:
    """A folder of a visit: what kind of files it is for, since when it is there, whether they all lie in it."""

    path: Path
    kind: str
    since_s: float
    filled: bool = False


def _age_s(path: Path) -> float:
    """Seconds since a file was put there, as the server counts; none if the system does not say, all if it is gone."""
    try:
        return time.time() - path.stat().st_ctime
    except FileNotFoundError:
        return math.inf
    except OSError:
        return 0.0


class Visits:
    """Folders and uploads by visit.

    Attributes:
        root: the folder below which everything lies; deleted with the process.
        uploads: the server's cache, below it.
        kept_s: seconds after which what was left behind is swept.
    """

    def __init__(self, kept_s: int) -> None:
        """Make the root, and have the server keep its uploads below it too."""
        self.root = Path(tempfile.mkdtemp(prefix="distinctad_space_"))
        self.kept_s = kept_s
        self._folders: dict[str, list[_Folder]] = {}
        self._uploads: dict[str, set[Path]] = {}
        self._left: set[Path] = set()  # what could not be deleted
        self._lock = threading.Lock()
        self.uploads = self.root / "uploads"
        self.uploads.mkdir()
        os.environ["GRADIO_TEMP_DIR"] = str(self.uploads)
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)

    @contextlib.contextmanager
    def folder(self, visit: str | None, kind: str) -> Iterator[Path]:
        """Make an empty folder for a visit, to be filled in the `with` block.

        After the block the visit's earlier folders of that kind are deleted, except those that others still fill. If
        the block raises, or the visit ended meanwhile, it is this one that is deleted.

        Args:
            visit: its id, None for a program that has none: that may be anybody, so nothing of theirs is replaced.
            kind: of files, such as "texts".

        Yields:
            The folder.
        """
        self.sweep()
        made = _Folder(Path(tempfile.mkdtemp(prefix="visit_", dir=self.uploads)), kind, time.monotonic())
        with self._lock:
            self._folders.setdefault(visit or "", []).append(made)
        try:
            yield made.path
        except BaseException:
            self._delete(visit, [made])
            raise
        with self._lock:
            there = self._folders.get(visit or "", [])
            old = [one for one in there if visit and one.kind == kind and one.filled] if made in there else [made]
            made.filled = True
        self._delete(visit, old)

    def _delete(self, visit: str | None, folders: list[_Folder]) -> None:
        with self._lock:
            there = self._folders.pop(visit or "", [])
            if left := [one for one in there if one not in folders]:
                self._folders[visit or ""] = left
        self._remove(one.path for one in folders)

    def holds(self, visit: str | None, *uploads: Path | None) -> None:
        """Remember uploads, so that they go with the visit.

        Args:
            visit: its id.
            uploads: files below `uploads`; others are left alone.
        """
        below = {path for path in uploads if path is not None and path.is_relative_to(self.uploads)}
        with self._lock:
            self._uploads.setdefault(visit or "", set()).update(below)

    def end(self, visit: str | None) -> None:
        """Delete what a visit left.

        Args:
            visit: its id.
        """
        with self._lock:
            folders = self._folders.pop(visit or "", [])
            uploads = self._uploads.pop(visit or "", set())
            # The server files uploads by their content: the same film may be another visit's too.
            uploads -= set().union(*self._uploads.values())
        self._remove([*uploads, *(one.path for one in folders)])

    def watch(self, every_s: float = 60.0) -> None:
        """Sweep from time to time, as long as the process lives.

        Args:
            every_s: seconds between two sweeps.
        """

        def on() -> None:
            while True:
                time.sleep(every_s)
                self.sweep()

        threading.Thread(target=on, name="sweep", daemon=True).start()

    def sweep(self) -> None:
        """Delete folders and uploads that are older than `kept_s`, and what could not be deleted before."""
        late = time.monotonic() - self.kept_s
        with self._lock:
            old = [one for folders in self._folders.values() for one in folders if one.since_s < late]
            young = {visit: [one for one in folders if one not in old] for visit, folders in self._folders.items()}
            self._folders = {visit: folders for visit, folders in young.items() if folders}
            given = set().union(*self._uploads.values())
            aged = {path for path in given if _age_s(path) > self.kept_s}
            kept = {visit: paths - aged for visit, paths in self._uploads.items()}
            self._uploads = {visit: paths for visit, paths in kept.items() if paths}
            left = self._left - given | aged  # the same film may be uploaded again
            self._left = set()
        self._remove([*left, *(one.path for one in old)])

    def _remove(self, paths: Iterable[Path]) -> None:
        """Delete files and folders; what is in use, which Windows does not delete, the next sweep tries again."""
        for path in paths:
            try:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
                there = path.exists()
            except OSError:  # even asking for it may be refused
                there = True
            if there:
                with self._lock:
                    self._left.add(path)
