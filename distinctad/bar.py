"""The one progress bar of all commands, on the error stream."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

Show = Callable[[str, float, float], None]  # what, how much is done, how much in all


@contextlib.contextmanager
def progress_bar(first: str, total: float | None = None, in_percent: bool = False) -> Iterator[tuple[Show, bool]]:
    """Show a bar while there is a terminal to show it on.

    Args:
        first: what it says before anything is done.
        total: how much there is in all, where that is known by then.
        in_percent: say how much is done as a percentage, not as "3/12".

    Yields:
        How to move it, and whether there is a terminal.
    """
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn() if in_percent else progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(first, total=total)

        def show(what: str, done: float, total: float) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield show, console.is_terminal
