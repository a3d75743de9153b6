"""One process at a time writes an output; a second one is refused, and a process that dies lets go by itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


class OutputBusy(ValueError):
    """Another process is writing the same output."""


@contextlib.contextmanager
def only_writer(lock: Path, output: object) -> Iterator[None]:
    """Hold an output for this process while the block runs.

    The lock is the system's own on an open file, so one that a killed process held is free again. Where the system has
    no such locks (Windows) nothing is held.

    Args:
        lock: a file beside the output, made here and removed again; its folder must exist.
        output: what is written, for the message.

    Raises:
        OutputBusy: another process holds it.
        OSError: the file cannot be made.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    while True:
        with lock.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OutputBusy(
                    f"another process is writing '{output}'; expected one at a time; wait for it, or name another place"
                ) from error
            if not _is_still(lock, file.fileno()):
                continue  # the one before removed this very file between our two steps
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
