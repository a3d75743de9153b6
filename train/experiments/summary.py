"""Means and 95 % intervals over seeds and film sets, and paired differences between arms.

Every model (seed) is tested on every film set, so seeds and sets are crossed. The interval is that of the grand mean in
a two-way random-effects layout without replication: with mean squares A (seeds), B (sets) and E (rest) of an S x F
table, Var(mean) = (A + B - E) / (S F), its degrees of freedom by Satterthwaite (Searle, Casella and McCulloch,
"Variance Components", chapter 2). Own choice: never less than the largest single mean square, which sampling error of
E could undercut. One seed or one set alone gives the common t interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from train.experiments.runs import Record

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        mean: over all seeds and sets.
        lower: end of the 95 % interval, None where spread cannot be known (one seed and one set).
        upper: the other end.
        seeds: how many seeds.
        sets: how many film sets.
    """

    mean: float
    lower: float | None
    upper: float | None
    seeds: int
    sets: int

    def text(self, digits: int = 2, sign: bool = False) -> str:
        """As printed in a table: `12.34 [11.20, 13.48]`."""
        form = f"{'+' if sign else ''}.{digits}f"
        if self.lower is None or self.upper is None:
            return f"{self.mean:{form}} [n = 1]"
        return f"{self.mean:{form}} [{self.lower:{form}}, {self.upper:{form}}]"

    def to_json(self) -> dict[str, Any]:
        """As a dictionary."""
        return asdict(self)


def t_quantile(freedom: float, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's t: P(|t| <= q) = level.

    Args:
        freedom: degrees of freedom, 1 or more, need not be whole.
        level: 0 < level < 1.

    Raises:
        ValueError: out of these ranges.
    """
    if freedom < 1 or not 0 < level < 1:
        raise ValueError(f"{freedom} degrees of freedom at level {level}; expected at least 1, and a level inside 0, 1")
    return float(stdtrit(freedom, (1 + level) / 2))


def interval(values: np.ndarray | Sequence[Sequence[float]]) -> Estimate:
    """Mean and 95 % interval of a table of values.

    Args:
        values: (S, F) float, a row a seed, a column a film set.

    Raises:
        ValueError: not a table, empty, or with a value that is no number.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"values are {table.shape} or not finite; expected seeds x film sets; mend the runs")
    seeds, sets = table.shape
    mean = float(table.mean())
    if seeds == 1 and sets == 1:
        return Estimate(mean, None, None, 1, 1)
    variance, freedom = _variance(table)
    half = t_quantile(freedom) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half, seeds, sets)


def _variance(table: np.ndarray) -> tuple[float, float]:
    """Variance of the grand mean of (S, F) and its degrees of freedom."""
    seeds, sets = table.shape
    if 1 in table.shape:
        return float(table.var(ddof=1)) / table.size, table.size - 1
    rows, columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = table - rows[:, None] - columns[None] + mean
    squares = [  # (mean square, degrees of freedom)
        (sets * float(((rows - mean) ** 2).sum()) / (seeds - 1), seeds - 1),
        (seeds * float(((columns - mean) ** 2).sum()) / (sets - 1), sets - 1),
        (float((rest**2).sum()) / ((seeds - 1) * (sets - 1)), (seeds - 1) * (sets - 1)),
    ]
    (a, _), (b, _), (e, _) = squares
    spread = sum(square**2 / freedom for square, freedom in squares)
    combined = (a + b - e, (a + b - e) ** 2 / spread if spread else 1.0)
    largest, freedom = max([*squares, combined], key=lambda pair: pair[0])
    return largest / table.size, max(1.0, freedom)


def table_of(records: Sequence[Record], arm: str, metric: str, seeds: Sequence[int] | None = None) -> np.ndarray:
    """Values (S, F) of an arm, seeds and film sets in sorted order.

    Args:
        records: finished runs.
        arm: name.
        metric: name.
        seeds: only these.

    Raises:
        ValueError: no run, or runs with different film sets or without the metric.
    """
    own = sorted((r for r in records if r.arm == arm and (seeds is None or r.seed in seeds)), key=lambda r: r.seed)
    if not own:
        raise ValueError(f"no finished run of {arm!r}; expected at least one; run it first")
    names = sorted(own[0].figures)
    for record in own:
        if sorted(record.figures) != names or any(metric not in record.figures[name] for name in names):
            raise ValueError(
                f"{arm!r}, seed {record.seed} has the film sets {sorted(record.figures)} or lacks {metric!r}; "
                f"expected {names} with it; run it again"
            )
    return np.array([[record.figures[name][metric] for name in names] for record in own])


def summarise(records: Sequence[Record], metric: str) -> dict[str, Estimate]:
    """Mean and interval of every arm, in the order of the records."""
    return {arm: interval(table_of(records, arm, metric)) for arm in dict.fromkeys(r.arm for r in records)}


def paired_difference(records: Sequence[Record], arm: str, baseline: str, metric: str) -> Estimate | None:
    """Mean and interval of arm - baseline over the seeds that both have, film set by film set; None without any."""
    own, other = ({r.seed for r in records if r.arm == name} for name in (arm, baseline))
    common = sorted(own & other)
    if not common:
        return None
    return interval(table_of(records, arm, metric, common) - table_of(records, baseline, metric, common))
