"""A paired test between two files of predictions of the same ADs.

Own choice of unit: films, since ADs of one film are not independent. The interval of the difference draws films again;
the p-value exchanges the two systems within films at random (all 2^F ways where there are few films), after
Fisher's exact and Pitman's randomisation tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from distinctad.score_figures import Figure

EXCHANGES = 10_000
EXACT_FILMS = 13  # 2^13 < 10,000: all exchanges are tried


def _exchanges(films: int, seed: int) -> tuple[np.ndarray, bool]:
    """Rows of 0 and 1 (exchange this film or not) and whether these are all rows that there are."""
    if films <= EXACT_FILMS:
        numbers = np.arange(2**films)[:, None]
        return ((numbers >> np.arange(films)) & 1).astype(np.float64), True
    return np.random.default_rng(seed).integers(0, 2, size=(EXCHANGES, films)).astype(np.float64), False


def compare(mine: Figure, other: Figure, resamples: int, seed: int) -> dict[str, Any]:
    """The difference of one figure between two prediction files of the same rows.

    Args:
        mine: the figure of the file that is scored.
        other: the same figure of the other file.
        resamples: of the bootstrap over films.
        seed: of the bootstrap and the exchanges.

    Returns:
        `name`, `label`, `value`, `other`, `difference` (mine - other), `lower`, `upper` (95 %, films drawn again), `p`
        (two-sided, systems exchanged within films), `exact`, `n_films`. None where a figure has no value or there are
        fewer than two films.
    """
    from evaluate_metrics.slot_accuracy.bootstrap import film_draws, film_sums

    value, theirs = mine.value(), other.value()
    found: dict[str, Any] = {
        "name": mine.name, "label": mine.label, "value": value, "other": theirs, "difference": None, "lower": None,
        "upper": None, "p": None, "exact": None, "n_films": len(set(mine.films)),
    }  # fmt: skip
    if value is None or theirs is None:
        return found
    found["difference"] = value - theirs
    names, a = film_sums(mine.columns, mine.films)
    other_names, b = film_sums(other.columns, other.films)
    if len(names) < 2 or names != other_names:
        return found
    draws = film_draws(len(names), resamples, seed)
    swap, exact = _exchanges(len(names), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = mine.statistic(draws @ a) - other.statistic(draws @ b)
        exchanged = mine.statistic(swap @ b + (1 - swap) @ a) - mine.statistic(swap @ a + (1 - swap) @ b)
    spread, exchanged = spread[np.isfinite(spread)], exchanged[np.isfinite(exchanged)]
    if len(spread):
        found["lower"], found["upper"] = (float(v) for v in np.percentile(spread, [2.5, 97.5]))
    as_far = int((np.abs(exchanged) >= abs(value - theirs) - 1e-9).sum())
    found["p"] = as_far / len(exchanged) if exact else (as_far + 1) / (len(exchanged) + 1)
    found["exact"] = exact
    return found


def comparison(mine: Sequence[Figure], other: Sequence[Figure], resamples: int, seed: int) -> list[dict[str, Any]]:
    """`compare` for every figure that both files have."""
    theirs = {figure.name: figure for figure in other}
    return [compare(f, theirs[f.name], resamples, seed) for f in mine if f.name in theirs]
