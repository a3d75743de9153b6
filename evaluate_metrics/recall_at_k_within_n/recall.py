"""R@k/N: does a generated AD lie nearest to its own ground truth among its neighbours in time?

Source: AutoAD II (Han et al., ICCV 2023), "Recall@k within N neighbours", and its public script. Two protocols:
`autoad` repeats the script (windows of N with half overlap over the rows as they stand, mean over windows then groups,
ties by order), `full` is our own: every AD once, against the N ground truths nearest in time, short films included,
ties in fractions.
All functions are pure; the similarity of texts comes in from outside (see `pair_f1.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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

    @property
    def by_time(self) -> bool:
        """Whether times are asked for; the script never sorts, so `autoad` takes the rows as they stand."""
        return self.protocol == "full"


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
    distances = np.round(np.abs(np.asarray(times_s, dtype=np.float64) - times_s[row]), 6)  # .3 - .2 is .2 - .1
    distances[row] = -1.0
    return [int(j) for j in np.argsort(distances, kind="stable")[:n]]


def hit(scores: Sequence[float] | np.ndarray, own: int, k: int, ties: str = "fractional") -> float:
    """Whether candidate `own` is among the `k` best of `scores` (C,).

    Args:
        scores: similarity of each candidate.
        own: place of the right one.
        k: how many count.
        ties: "fractional" gives the chance of a hit when equal scores are ordered at random; "order" keeps the
            candidates' order among equals (a stable descending sort, as top-k does): that of the rows in `autoad`, of
            time in `full`, which has the right one in the middle.

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
    """One film (or clip, or episode): its rows and the candidates of each setting."""

    def __init__(
        self, grouping: str, name: str, rows: list[int], times_s: Sequence[float] | None, settings: Sequence[Setting]
    ) -> None:
        self.grouping, self.name, self.rows = grouping, name, rows
        self.blocks = {setting: self._blocks(setting, times_s if setting.by_time else None) for setting in settings}

    def _blocks(self, setting: Setting, times_s: Sequence[float] | None) -> list[list[tuple[int, np.ndarray]]]:
        """Blocks of (row, candidates), rows of the whole set: a block a window for autoad, a block a row for full."""
        rows = np.array(self.rows if times_s is None else sorted(self.rows, key=lambda row: times_s[row]), np.int64)
        if setting.protocol == "autoad":
            windows = [rows[start : start + setting.n] for start in window_starts(len(rows), setting.n)]
            return [[(int(row), window) for row in window] for window in windows]
        # Without times the place in the group is the time: neighbours in the list are neighbours in the film.
        clock = list(range(len(rows))) if times_s is None else [times_s[row] for row in rows]
        return [[(int(rows[i]), rows[sorted(neighbours(clock, i, setting.n))])] for i in range(len(rows))]

    def pairs(self) -> np.ndarray:
        """All (row, candidate) pairs that any setting looks at (P, 2), some of them twice."""
        found = [
            np.stack([np.full(len(js), row), js], axis=1)
            for blocks in self.blocks.values()
            for block in blocks
            for row, js in block
        ]
        return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)

    def recall(
        self, setting: Setting, silent: Sequence[bool], scores_of: Callable[[int, np.ndarray], np.ndarray]
    ) -> tuple[float, float, int, int]:
        """Mean recall and mean chance over the blocks (0..1), number of blocks, number of rows scored."""
        recalls, chances, scored = [], [], set()
        for block in self.blocks[setting]:
            hits = []
            for row, js in block:
                # In `full` silence is a miss; `autoad` follows the script, where it ties with everything.
                missed = setting.protocol == "full" and silent[row]
                own = int(np.flatnonzero(js == row)[0])
                hits.append(0.0 if missed else hit(scores_of(row, js), own, setting.k, setting.tie_rule))
                scored.add(row)
            recalls.append(math.fsum(hits) / len(hits))
            chances.append(min(1.0, setting.k / len(block[0][1])))
        if not recalls:
            return math.nan, math.nan, 0, 0
        return math.fsum(recalls) / len(recalls), math.fsum(chances) / len(chances), len(recalls), len(scored)


def _check(
    predictions: Sequence[str | None], truths: Sequence[str | None], groupings: Mapping[str, Sequence[Any] | None],
    times_s: Sequence[float] | None, settings: Sequence[Setting],
) -> None:  # fmt: skip
    for name, column in (("truths", truths), *groupings.items(), ("times_s", times_s)):
        if column is not None and len(column) != len(predictions):
            raise ValueError(f"{len(column)} {name} for {len(predictions)} predictions; give one each")
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of whole films")
    if times_s is not None and not all(math.isfinite(time_s) for time_s in times_s):
        raise ValueError("times_s holds a value that is no time, expected seconds; give every row its time")
    for k, n, protocol, ties in settings:
        if not all(isinstance(number, int | np.integer) for number in (k, n)) or n < 2 or not 1 <= k <= n:
            raise ValueError(f"R@{k}/{n} is no recall, expected whole 1 <= k <= N and N >= 2; change k or N")
        if protocol not in PROTOCOLS:
            raise ValueError(f"protocol is {protocol!r}, expected one of {PROTOCOLS}; change it")
        if ties is not None and ties not in TIES:
            raise ValueError(f"ties is {ties!r}, expected one of {TIES} or None; change it")


def _lots(groups: Sequence[_Group]) -> Iterator[list[_Group]]:
    """Lots of about `ROWS_AT_ONCE` rows; groups that share rows stay together, so no text is asked for twice."""
    lot: list[_Group] = []
    rows: set[int] = set()
    for group in sorted(groups, key=lambda group: min(group.rows)):
        if len(rows) >= ROWS_AT_ONCE and rows.isdisjoint(group.rows):
            yield lot
            lot, rows = [], set()
        lot.append(group)
        rows.update(group.rows)
    if lot:
        yield lot


def _scores(
    lot: Sequence[_Group], predictions: Sequence[str], truths: Sequence[str], similarity: Similarity
) -> Callable[[int, np.ndarray], np.ndarray]:
    """Ask once for every pair of the lot; the answer gives the similarities (C,) of a row and its candidates (C,)."""
    count = len(truths)
    pairs = np.concatenate([group.pairs() for group in lot])
    codes = np.unique(pairs[:, 0] * count + pairs[:, 1])
    pairs = np.stack([codes // count, codes % count], axis=1)
    values = np.asarray(similarity(predictions, truths, pairs), float) if len(pairs) else np.empty(0)
    if values.shape != (len(pairs),) or np.isnan(values).any():
        raise ValueError(f"similarity gave {values.shape} values or NaN, expected {len(pairs)} numbers; mend it")
    return lambda row, candidates: values[np.searchsorted(codes, row * count + candidates)]


def recall_tables(
    predictions: Sequence[str | None], truths: Sequence[str | None], similarity: Similarity,
    settings: Sequence[Setting], groupings: Mapping[str, Sequence[Any] | None], times_s: Sequence[float] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """R@k/N by several settings and several groupings, each pair of texts compared once.

    Args:
        predictions: generated ADs; None, NaN and "" are silence.
        truths: ground truths, aligned with `predictions`.
        similarity: see `Similarity`.
        settings: what to compute.
        groupings: {what a group is: the group of each row, or None = all one group}; the name is printed with the
            result. Rows are never compared across groups.
        times_s: the time of each row in seconds, for `full`'s order and nearness; None = the rows' order. `autoad` cuts
            its windows from the rows as they stand, times or not, as the script does.

    Returns:
        A dict for each grouping and, within it, for each setting: see `recall_table`.

    Raises:
        ValueError: for columns of unequal length, a time that is no number, impossible settings, or a similarity that
            gives NaN.
    """
    _check(predictions, truths, groupings, times_s, settings)
    groupings = {name: None if of_row is None else list(of_row) for name, of_row in groupings.items()}  # no labels
    times_s = None if times_s is None else list(times_s)
    texts = [text if isinstance(text, str) else "" for text in predictions]
    true = [text if isinstance(text, str) else "" for text in truths]
    silent = [not text.strip() for text in texts]
    groups = []
    for grouping, of_row in groupings.items():
        members: dict[str, list[int]] = {}
        for row in range(len(texts)):
            members.setdefault("all" if of_row is None else str(of_row[row]), []).append(row)
        groups += [_Group(grouping, name, rows, times_s, settings) for name, rows in members.items()]
    found: dict[tuple[str, Setting], dict[str, tuple[float, float, int, int]]] = {
        (grouping, setting): {group.name: (math.nan, math.nan, 0, 0) for group in groups if group.grouping == grouping}
        for grouping in groupings
        for setting in settings
    }
    for lot in _lots(groups):
        scores_of = _scores(lot, texts, true, similarity)
        for group in lot:
            for setting in settings:
                found[group.grouping, setting][group.name] = group.recall(setting, silent, scores_of)
    sizes = {(group.grouping, group.name): len(group.rows) for group in groups}
    results = []
    for grouping in groupings:
        for setting in settings:
            per_group = found[grouping, setting]
            order = "time" if setting.by_time and times_s is not None else "rows"
            counts = [sizes[grouping, name] for name in per_group]
            results.append(_summary(setting, per_group, counts, silent, grouping, order))
    return results


def _summary(
    setting: Setting, per_group: dict[str, tuple[float, float, int, int]], sizes: Sequence[int],
    silent: Sequence[bool], grouping: str, order: str,
) -> dict[str, Any]:  # fmt: skip
    """Gather one setting's result over the groups."""
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
        "order": order,
        "group": grouping,
        "n_expected": len(silent),
        "n_scored": n_scored,
        "n_never_scored": len(silent) - n_scored,
        "n_empty": sum(silent),
        "n_groups": len(per_group),
        "n_groups_scored": len(scored),
        "n_short_groups": sum(size < setting.n for size in sizes),
        "per_group": {name: 100 * recall for name, (recall, _, found, _) in per_group.items() if found},
    }


def recall_table(
    predictions: Sequence[str | None], truths: Sequence[str | None], similarity: Similarity,
    settings: Sequence[Setting], groups: Sequence[Any] | None = None, times_s: Sequence[float] | None = None,
    group_name: str = "film",
) -> list[dict[str, Any]]:  # fmt: skip
    """R@k/N by several settings, each pair of texts compared once.

    Args:
        predictions: generated ADs; None, NaN and "" are silence.
        truths: ground truths, aligned with `predictions`.
        similarity: see `Similarity`.
        settings: what to compute.
        groups: the film (clip, episode) of each row; None = all one film. Rows are never compared across groups.
        times_s: the time of each row in seconds, see `recall_tables`; None = the rows' order.
        group_name: what a group is, printed with the result.

    Returns:
        A dict for each setting: `recall` (mean over groups, 0..100), `recall_pooled` (mean over all windows or
        ADs), `chance`, `k`, `n`, `protocol`, `ties`, `order` ("rows" as they stand, or "time"), `group`, `n_expected`,
        `n_scored`, `n_never_scored`, `n_empty`, `n_groups`, `n_groups_scored`, `n_short_groups` (fewer rows than N),
        `per_group`. `recall`, `recall_pooled` and `chance` are None where nothing could be scored.

    Raises:
        ValueError: as `recall_tables`.
    """
    return recall_tables(predictions, truths, similarity, settings, {group_name: groups}, times_s)


def recall_at_k_within_n(
    predictions: Sequence[str | None], truths: Sequence[str | None], similarity: Similarity,
    groups: Sequence[Any] | None = None, times_s: Sequence[float] | None = None, k: int = 5, n: int = 16,
    protocol: str = "full", ties: str | None = None, group_name: str = "film",
) -> dict[str, Any]:  # fmt: skip
    """R@k/N by one setting; arguments, result and errors as in `recall_table`."""
    setting = Setting(k, n, protocol, ties)
    return recall_table(predictions, truths, similarity, [setting], groups, times_s, group_name)[0]
