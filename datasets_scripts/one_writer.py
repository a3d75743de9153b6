"""One process at a time writes an output; a second one is refused, and a process that dies lets go by itself.

Also how a finished folder takes the place of another, which whoever holds the output may do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows has locks of its own
    fcntl = None  # type: ignore[assignment]

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)  # file systems that know none: Lustre, NFS
SHOWN = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # what file managers leave in a folder that they showed
UNSENT = tuple(pattern for name in sorted(SHOWN) for pattern in (name, f"*/{name}"))  # `HfApi.upload_folder` reads it
WAIT_S = 0.1  # between two tries on Windows, which does not wait for as long as it takes


class OutputBusy(ValueError):
    """Another process is writing the same output."""


@contextlib.contextmanager
def only_writer(lock: Path, output: object) -> Iterator[None]:
    """Hold an output for this process while the block runs.

    The lock is the system's own on an open file, so one that a killed process held is free again. Where there are no
    such locks (some file systems of clusters) nothing is held.

    Args:
        lock: a file beside the output, made here and removed again; its folder must exist.
        output: what is written, for the message.

    Raises:
        OutputBusy: another process holds it.
        OSError: the file cannot be made.
    """
    while True:
        with lock.open("ab") as file:
            if not lock_file(file):
                raise OutputBusy(
                    f"another process is writing '{output}'; expected one at a time; wait for it, or name another place"
                )
            if fcntl is not None and not _is_still(lock, file.fileno()):
                continue  # the one before removed this very file between our two steps
            try:
                yield
            finally:
                _remove(lock, file)
            return


def lock_file(file: IO[Any], wait: bool = False) -> bool:
    """Lock an open file for this process, until it is closed.

    Args:
        file: the file.
        wait: whether to wait for another process that holds it.

    Returns:
        False if another process holds it. Where there are no such locks, True, and nothing is held.

    Raises:
        OSError: for any other reason.
    """
    try:
        if fcntl is None:
            return _lock_byte(file.fileno(), wait)
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


def files_of(folder: Path) -> list[tuple[str, int]]:
    """(path in the folder, bytes) of every file that is sent from it, sorted: of all but what file managers left."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in SHOWN)
    return [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in found]


def put_folder(whole: Path, folder: Path, aside: Path) -> None:
    """Move a finished folder to its place; what was there moves aside first, and back if that fails.

    Args:
        whole: the finished folder.
        folder: its place; on the same file system.
        aside: where an earlier folder stays, for the caller to remove.

    Raises:
        OSError: it cannot be moved; then the earlier folder is in its place.
    """
    if not folder.exists():
        whole.replace(folder)
        return
    folder.replace(aside)
    try:
        whole.replace(folder)
    except OSError:
        aside.replace(folder)
        raise


def _lock_byte(descriptor: int, wait: bool) -> bool:
    """`lock_file` of Windows, which locks bytes from where one is: the file's first, whether it has one or not."""
    import msvcrt

    windows: Any = msvcrt  # mypy knows what is in it on Windows only
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        while True:
            try:
                windows.locking(descriptor, windows.LK_NBLCK, 1)
                return True
            except PermissionError:
                if not wait:
                    return False
                time.sleep(WAIT_S)
            except OSError as error:
                if error.errno != errno.EINVAL:  # of a file system there that knows no locks
                    raise
                return True
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)


def _remove(lock: Path, file: IO[Any]) -> None:
    """Remove a lock's file: while it is held, or on Windows, which removes no open file, right after."""
    if fcntl is not None:
        lock.unlink(missing_ok=True)
        return
    file.close()
    with contextlib.suppress(PermissionError):  # the next process has opened it, and will remove it
        lock.unlink(missing_ok=True)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
