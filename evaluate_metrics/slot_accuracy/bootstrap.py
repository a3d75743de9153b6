"""Confidence intervals over films: whole films are drawn again, since ADs of one film are not independent.

Source: Efron's percentile bootstrap with the film as the sampling unit (own choice of unit).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RESAMPLES = 2000
LEVEL = 95.0


def film_sums(columns: np.ndarray, films: Sequence[Any]) -> tuple[list[str], np.ndarray]:
    """Add up the rows of each film.

    Args:
        columns: what each row adds (n, d) float.
        films: the film of each row.

    Returns:
        The films, sorted, and their sums (F, d) float64; equal input gives equal sums, whatever the order of the rows.

    Raises:
        ValueError: if the lengths differ.
    """
    table = np.asarray(columns, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(films):
        raise ValueError(f"columns {table.shape} for {len(films)} films; give one row of numbers a film's AD")
    names = sorted({str(film) for film in films})
    places = {film: i for i, film in enumerate(names)}
    of_row = np.array([places[str(film)] for film in films], dtype=np.int64)
    sums = np.zeros((len(names), table.shape[1]))
    order = np.lexsort((*table.T[::-1], of_row))  # floats add up differently in another order
    np.add.at(sums, of_row[order], table[order])
    return names, sums


def film_draws(films: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of `films` films is drawn in each resample: (resamples, films) int64, rows add up to `films`."""
    return np.random.default_rng(seed).multinomial(films, np.full(films, 1 / films), size=resamples)


def statistic_interval(
    columns: np.ndarray, films: Sequence[Any], statistic: Callable[[np.ndarray], np.ndarray],
    resamples: int = RESAMPLES, seed: int = 0,
) -> tuple[float, float] | None:  # fmt: skip
    """95 % percentile interval of a statistic of sums (a mean, a ratio, BLEU, F1), drawing films with replacement.

    Args:
        columns: what each row adds to the sums (n, d) float.
        films: the film of each row.
        statistic: sums (..., d) -> values (...,).
        resamples: how many draws.
        seed: of the draws.

    Returns:
        (lower, upper), or None with fewer than two films, where the spread between films cannot be known.

    Raises:
        ValueError: if the lengths differ or `resamples` is below 1.
    """
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}, expected 1 or more; raise it")
    names, sums = film_sums(columns, films)
    if len(names) < 2:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        values = statistic(film_draws(len(names), resamples, seed) @ sums)
    values = values[np.isfinite(values)]  # a draw without any word has no ratio
    if not len(values):
        return None
    tail = (100 - LEVEL) / 2
    lower, upper = np.percentile(values, [tail, 100 - tail])
    return float(lower), float(upper)


def mean_of_sums(sums: np.ndarray) -> np.ndarray:
    """First column over the last: (..., d) -> (...,); the mean where the last column counts rows."""
    return sums[..., 0] / sums[..., -1]


def film_interval(
    values: Sequence[float] | np.ndarray, films: Sequence[Any], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """95 % percentile interval of the mean of `values`, drawing films with replacement.

    Args:
        values: one number a row (n,); the statistic is the mean over the rows of the drawn films.
        films: the film of each row.
        resamples: how many draws.
        seed: of the draws; equal input gives equal intervals, whatever the order of the rows.

    Returns:
        (lower, upper), or None with fewer than two films, where the spread between films cannot be known.

    Raises:
        ValueError: if the lengths differ or `resamples` is below 1.
    """
    if len(values) != len(films) or resamples < 1:
        raise ValueError(f"{len(values)} values, {len(films)} films, {resamples} resamples; give one film a value")
    columns = np.stack([np.asarray(values, dtype=np.float64), np.ones(len(films))], axis=1)
    return statistic_interval(columns, films, mean_of_sums, resamples, seed)
