"""Confidence intervals over films: whole films are drawn again, since ADs of one film are not independent.

Source: Efron's percentile bootstrap with the film as the sampling unit (own choice of unit).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

RESAMPLES = 2000
LEVEL = 95.0


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
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for value, film in sorted(zip(map(float, values), map(str, films), strict=True), key=lambda pair: pair[::-1]):
        sums[film] = sums.get(film, 0.0) + value
        counts[film] = counts.get(film, 0) + 1
    if len(sums) < 2:
        return None
    draws = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=resamples)
    names = sorted(sums)
    means = (draws @ np.array([sums[f] for f in names])) / (draws @ np.array([counts[f] for f in names]))
    tail = (100 - LEVEL) / 2
    lower, upper = np.percentile(means, [tail, 100 - tail])
    return float(lower), float(upper)
