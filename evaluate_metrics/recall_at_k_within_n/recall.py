"""R@k/N: does a generated AD lie nearest to its own ground truth among its neighbours in time?

Source: AutoAD II (Han et al., ICCV 2023), "Recall@k within N neighbours", and its public script. Two protocols:
`autoad` repeats the script (windows of N with half overlap, mean over windows then groups, ties by order), `full` is
our own: every AD once, against the N ground truths nearest in time, short films included, ties in fractions.
All functions are pure; the similarity of texts comes in from outside (see `pair_f1.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Similarity = Callable[[Sequence[str], Sequence[str], np.ndarray], np.ndarray]
"""(predictions, truths, pairs (P, 2) int64 of their indices) -> similarities (P,) float64, higher is nearer."""

PROTOCOLS = ("autoad", "full")
TIES = ("fractional", "order")
ROWS_AT_ONCE = 4096  # similarities of whole groups are asked for in lots of about so many ADs, to bound memory


class Setting(NamedTuple):
    """What to compute: R@k/N by one protocol; `ties` None takes the protocol's own."""

    k: int
    n: int
    protocol: str = "full"
    ties: str | None = None

    @property
    def tie_rule(self) -> str:
        """The tie rule in force: "order" for autoad, "fractional" for full, unless chosen."""
        return self.ties or ("order" if self.protocol == "autoad" else "fractional")


def window_starts(count: int, n: int) -> list[int]:
    """Starts of the script's windows over `count` rows: 0, N // 2, 2 (N // 2), ... while a whole window fits."""
    return list(range(0, count - n + 1, max(1, n // 2)))


def neighbours(times_s: Sequence[float], row: int, n: int) -> list[int]:
    """The up to `n` rows nearest in time to `row` (itself always first; equally near: the earlier row first).

    Args:
        times_s: one time a row, seconds (or any rank).
        row: the row whose neighbours are wanted.
        n: how many rows, itself included.
    """
    order = sorted(range(len(times_s)), key=lambda j: (j != row, abs(times_s[j] - times_s[row]), j))
    return order[:n]


def hit(scores: Sequence[float] | np.ndarray, own: int, k: int, ties: str = "fractional") -> float:
    """Whether candidate `own` is among the `k` best of `scores` (C,).

    Args:
        scores: similarity of each candidate.
        own: place of the right one.
        k: how many count.
        ties: "fractional" gives the chance of a hit when equal scores are ordered at random; "order" keeps the
            candidates' order among equals (a stable descending sort, as top-k does).

    Returns:
        0..1.
    """
    values = np.asarray(scores, dtype=np.float64)
    above = int((values > values[own]).sum())
    if ties == "order":
        above += int((values[:own] == values[own]).sum())
        return float(above < k)
    equal = int((values == values[own]).sum())
    return min(1.0, max(0.0, (k - above) / equal))


class _Group:
    """One film (or clip, or episode): its rows in time order, the candidates of each setting, the similarities."""

    def __init__(self, rows: list[int], times_s: Sequence[float] | None, settings: Sequence[Setting]) -> None:
        self.rows = rows if times_s is None else sorted(rows, key=lambda row: times_s[row])
        # Without times the place in the group is the time: neighbours in the list are neighbours in the film.
        clock = list(range(len(rows))) if times_s is None else [times_s[row] for row in self.rows]
        self.candidates = {setting: self._blocks(setting, clock) for setting in settings}
        self.similarity = np.full((len(rows), len(rows)), np.nan)

    def _blocks(self, setting: Setting, clock: Sequence[float]) -> list[list[tuple[int, list[int]]]]:
        """Blocks of (row, candidates): a block a window for autoad, a block a row for full."""
        if setting.protocol == "autoad":
            windows = [list(range(s, s + setting.n)) for s in window_starts(len(clock), setting.n)]
            return [[(row, window) for row in window] for window in windows]
        return [[(row, neighbours(clock, row, setting.n))] for row in range(len(clock))]

    def pairs(self) -> np.ndarray:
        """All (row, candidate) pairs that any setting looks at, each once, as places in the group (P, 2)."""
        found = {(row, j) for blocks in self.candidates.values() for block in blocks for row, js in block for j in js}
        return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)

    def recall(self, setting: Setting, silent: Sequence[bool]) -> tuple[float, float, int, int]:
        """Mean recall and mean chance over the blocks (0..1), number of blocks, number of rows scored."""
        recalls, chances, scored = [], [], set()
        for block in self.candidates[setting]:
            hits = []
            for row, js in block:
                # In `full` silence is a miss; `autoad` follows the script, where it ties with everything.
                missed = setting.protocol == "full" and silent[self.rows[row]]
                score = hit(self.similarity[row, js], js.index(row), setting.k, setting.tie_rule)
                hits.append(0.0 if missed else score)
                scored.add(row)
            recalls.append(math.fsum(hits) / len(hits))
            chances.append(min(1.0, setting.k / len(block[0][1])))
        if not recalls:
            return math.nan, math.nan, 0, 0
        return math.fsum(recalls) / len(recalls), math.fsum(chances) / len(chances), len(recalls), len(scored)


def _check(
    predictions: Sequence[str | None], truths: Sequence[str], groups: Sequence[Any] | None,
    times_s: Sequence[float] | None, settings: Sequence[Setting],
) -> None:  # fmt: skip
    for name, column in (("truths", truths), ("groups", groups), ("times_s", times_s)):
        if column is not None and len(column) != len(predictions):
            raise ValueError(f"{len(column)} {name} for {len(predictions)} predictions; give one each")
    if not predictions:
        raise ValueError("no predictions, expected at least one; pass the texts of whole films")
    for k, n, protocol, ties in settings:
        if n < 2 or not 1 <= k <= n:
            raise ValueError(f"R@{k}/{n} is no recall, expected 1 <= k <= N and N >= 2; change k or N")
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol is {protocol!r}, expected one of {PROTOCOLS}; change it")
        if ties is not None and ties not in TIES:
            raise ValueError(f"ties is {ties!r}, expected one of {TIES} or None; change it")


def _fill(groups: Sequence[_Group], predictions: Sequence[str], truths: Sequence[str], similarity: Similarity) -> None:
    """Ask for the similarities of the groups' pairs and put them into the groups' matrices."""
    lot: list[_Group] = []
    for i, group in enumerate(groups):
        lot.append(group)
        if i + 1 < len(groups) and sum(len(g.rows) for g in lot) < ROWS_AT_ONCE:
            continue
        rows = [row for g in lot for row in g.rows]
        places, start = [], 0
        for g in lot:
            places.append(g.pairs() + start)
            start += len(g.rows)
        pairs = np.concatenate(places)
        values = np.empty(0)
        if len(pairs):
            values = np.asarray(similarity([predictions[r] for r in rows], [truths[r] for r in rows], pairs), float)
        if values.shape != (len(pairs),) or np.isnan(values).any():
            raise ValueError(f"similarity gave {values.shape} values or NaN, expected {len(pairs)} numbers; mend it")
        start = 0
        for g, place in zip(lot, places, strict=True):
            local = g.pairs()
            g.similarity[local[:, 0], local[:, 1]] = values[start : start + len(place)]
            start += len(place)
        lot = []


def recall_table(
    predictions: Sequence[str | None], truths: Sequence[str], similarity: Similarity, settings: Sequence[Setting],
    groups: Sequence[Any] | None = None, times_s: Sequence[float] | None = None, group_name: str = "film",
) -> list[dict[str, Any]]:  # fmt: skip
    """R@k/N by several settings, each pair of texts compared once.

    Args:
        predictions: generated ADs; None and "" are silence.
        truths: ground truths, aligned with `predictions`.
        similarity: see `Similarity`.
        settings: what to compute.
        groups: the film (clip, episode) of each row; None = all one film. Rows are never compared across groups.
        times_s: the time of each row in seconds, for the order and for nearness; None = the rows' order.
        group_name: what a group is, printed with the result.

    Returns:
        A dict for each setting: `recall` (mean over groups, 0..100), `recall_pooled` (mean over all windows or
        ADs), `chance`, `k`, `n`, `protocol`, `ties`, `group`, `n_expected`, `n_scored`, `n_never_scored`,
        `n_empty`, `n_groups`, `n_groups_scored`, `n_short_groups` (fewer rows than N), `per_group`. `recall`,
        `recall_pooled` and `chance` are None where nothing could be scored.

    Raises:
        ValueError: for columns of unequal length, impossible settings, or a similarity that gives NaN.
    """
    _check(predictions, truths, groups, times_s, settings)
    texts = [text or "" for text in predictions]
    silent = [not text.strip() for text in texts]
    members: dict[str, list[int]] = {}
    for row in range(len(texts)):
        members.setdefault("all" if groups is None else str(groups[row]), []).append(row)
    built = {name: _Group(rows, times_s, settings) for name, rows in members.items()}
    _fill(list(built.values()), texts, truths, similarity)
    return [_summary(setting, built, silent, group_name) for setting in settings]


def _summary(setting: Setting, groups: dict[str, _Group], silent: Sequence[bool], group_name: str) -> dict[str, Any]:
    """Gather one setting's result over the groups."""
    per_group = {name: group.recall(setting, silent) for name, group in groups.items()}
    scored = [(recall, chance, blocks) for recall, chance, blocks, _ in per_group.values() if blocks]
    blocks = sum(b for _, _, b in scored)
    n_scored = sum(rows for *_, rows in per_group.values())
    return {
        "recall": 100 * math.fsum(r for r, _, _ in scored) / len(scored) if scored else None,
        "recall_pooled": 100 * math.fsum(r * b for r, _, b in scored) / blocks if scored else None,
        "chance": 100 * math.fsum(c for _, c, _ in scored) / len(scored) if scored else None,
        "k": setting.k,
        "n": setting.n,
        "protocol": setting.protocol,
        "ties": setting.tie_rule,
        "group": group_name,
        "n_expected": len(silent),
        "n_scored": n_scored,
        "n_never_scored": len(silent) - n_scored,
        "n_empty": sum(silent),
        "n_groups": len(groups),
        "n_groups_scored": len(scored),
        "n_short_groups": sum(len(group.rows) < setting.n for group in groups.values()),
        "per_group": {name: 100 * recall for name, (recall, _, found, _) in per_group.items() if found},
    }


def recall_at_k_within_n(
    predictions: Sequence[str | None], truths: Sequence[str], similarity: Similarity,
    groups: Sequence[Any] | None = None, times_s: Sequence[float] | None = None, k: int = 5, n: int = 16,
    protocol: str = "full", ties: str | None = None, group_name: str = "film",
) -> dict[str, Any]:  # fmt: skip
    """R@k/N by one setting; arguments, result and errors as in `recall_table`."""
    setting = Setting(k, n, protocol, ties)
    return recall_table(predictions, truths, similarity, [setting], groups, times_s, group_name)[0]
