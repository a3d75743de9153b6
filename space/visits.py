"""What belongs to one visit, and its end: nothing of a visitor's film stays on the server.

A visit's files are deleted when its page is closed or reloaded. Visits that end without a word (a program, a lost
line) are swept after `kept_s`; the server sweeps its own cache of uploads by the same age. What is made for a visit
lies inside that cache, where the server hands files out as they are, without a copy that would stay.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path


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
        self._folders: dict[str, list[tuple[float, Path]]] = {}
        self._uploads: dict[str, set[Path]] = {}
        self._lock = threading.Lock()
        self.uploads = self.root / "uploads"
        self.uploads.mkdir()
        os.environ["GRADIO_TEMP_DIR"] = str(self.uploads)
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)

    def folder(self, visit: str | None) -> Path:
        """Make an empty folder for a visit.

        Args:
            visit: its id, None for a program that has none.

        Returns:
            The folder.
        """
        self.sweep()
        made = Path(tempfile.mkdtemp(prefix="visit_", dir=self.uploads))
        with self._lock:
            self._folders.setdefault(visit or "", []).append((time.monotonic(), made))
        return made

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
        for _, folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for upload in uploads:
            upload.unlink(missing_ok=True)

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
        """Delete folders that are older than `kept_s`."""
        late = time.monotonic() - self.kept_s
        with self._lock:
            old = [(visit, item) for visit, items in self._folders.items() for item in items if item[0] < late]
            for visit, item in old:
                self._folders[visit].remove(item)
            self._folders = {visit: items for visit, items in self._folders.items() if items}
            there = {visit: {path for path in paths if path.exists()} for visit, paths in self._uploads.items()}
            self._uploads = {visit: paths for visit, paths in there.items() if paths}
        for _, (_, folder) in old:
            shutil.rmtree(folder, ignore_errors=True)
