"""A column that a metric is given, row by row: texts, and gaps that `evaluate` would take for words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

import pandas


def read_column(column: Any, gap: str | None) -> list[Any]:
    """Read a column by place: rows of a filtered frame keep the numbers that they had.

    The library refuses None in the first row and takes NaN for a word.

    Args:
        column: a list or column of texts, of lists of texts, or of either and gaps (None, NaN, NA).
        gap: what stands for a gap where all else is text; elsewhere None does.

    Returns:
        Its rows.

    Raises:
        ValueError: none was given; or one text, a mapping or a set, of which the library would take letters or keys for
            texts.
    """
    if column is None:
        raise ValueError("a column is missing; expected texts; pass predictions= and references=, one of each an item")
    if isinstance(column, str | Mapping | Set):
        raise ValueError(f"a column is a {type(column).__name__}; expected a list of texts; make it one")
    rows = [None if not isinstance(item, Iterable) and pandas.isna(item) else item for item in column]
    texts = all(isinstance(row, str | None) for row in rows)
    return [gap if row is None else row for row in rows] if texts else rows
