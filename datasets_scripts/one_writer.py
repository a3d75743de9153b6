"""One process at a time writes an output; a second one is refused, and a process that dies lets go by itself.

Also how a finished folder takes the place of another, which whoever holds the output may do.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)  # file systems that know none: Lustre, NFS


class OutputBusy(ValueError):
    """Another process is writing the same output."""


@contextlib.contextmanager
def only_writer(lock: Path, output: object) -> Iterator[None]:
    """Hold an output for this process while the block runs.

    The lock is the system's own on an open file, so one that a killed process held is free again. Where there are no
    such locks (Windows, some file systems of clusters) nothing is held.

    Args:
        lock: a file beside the output, made here and removed again; its folder must exist.
        output: what is written, for the message.

    Raises:
        OutputBusy: another process holds it.
        OSError: the file cannot be made.
    """
    if fcntl is None:  # no file either, which Windows would not remove while it is open
        yield
        return
    while True:
        with lock.open("ab") as file:
            if not lock_file(file):
                raise OutputBusy(
                    f"another process is writing '{output}'; expected one at a time; wait for it, or name another place"
                )
            if not _is_still(lock, file.fileno()):
                continue  # the one before removed this very file between our two steps
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
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
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


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


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
