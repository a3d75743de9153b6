"""How commands print a table: framed on a terminal; elsewhere in plain columns, for screen readers and logs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection, Sequence

import typer


def on_terminal() -> bool:
    """Whether the standard output is a terminal that frames can be drawn on; `TERM=dumb` says that it is none."""
    with contextlib.suppress(AttributeError, ValueError):  # no stream, or a closed one
        return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return False


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Collection[str],
    caption: str | None = None,
) -> None:
    """Print a table on the standard output.

    Args:
        title: above it.
        columns: their names.
        rows: the cells of each row.
        left: columns whose cells stand on the left; the others are numbers and stand on the right.
        caption: below it.
    """
    if not on_terminal():
        typer.echo("\n".join(_plain(title, columns, rows, left, caption)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), caption=None if caption is None else Text(caption))
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: a model's brackets are no markup
    Console(file=sys.stdout).print(table)


def _plain(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[str], caption: str | None
) -> list[str]:
    """The table as lines, one a row however long its cells are."""
    cells = [[" ".join(cell.split()) for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if name in left else cell.rjust(width)
            for cell, width, name in zip(row, widths, columns, strict=True)
        ).rstrip()
        for row in cells
    ]
    return [" ".join(title.split()), *lines, *([] if caption is None else [caption])]
