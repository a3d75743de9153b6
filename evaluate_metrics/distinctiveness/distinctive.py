"""Share of the distinctive words that predictions recover.

Source: DistinctAD, section 3.3: the distinctive words w_d of an AD are those that no other AD of its window of N holds,
without names, prepositions, pronouns. The paper trains on them; scoring by them is our own. Windows follow one another
from the start of a film; the last one reaches back to hold N ADs, and each AD is scored in one window only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .words import CLOSED_CLASS, capitalised_words, casts_of, distinctive_words, name_words, names_given, words

WINDOW = 16


def scoring_windows(count: int, size: int) -> list[tuple[list[int], list[int]]]:
    """Cut `count` rows into (window, rows scored in it): 0..N-1, N..2N-1, ...; the last reaches back to hold N rows."""
    cut = []
    for start in range(0, count, size):
        stop = min(start + size, count)
        cut.append((list(range(max(0, stop - size), stop)), list(range(start, stop))))
    return cut


def _said(text: str | None) -> str:
    """The text; None and NaN are silence."""
    return text if isinstance(text, str) else ""


def _film_order(films: Sequence[Any], times_s: Sequence[float] | None) -> dict[str, list[int]]:
    times_s = None if times_s is None else list(times_s)  # a column of pandas is read by its labels
    members: dict[str, list[int]] = {}
    for row, film in enumerate(films):
        members.setdefault(str(film), []).append(row)
    if times_s is None:
        return members
    return {film: sorted(rows, key=lambda row: (times_s[row], row)) for film, rows in members.items()}


def distinctive_statistics(
    predictions: Sequence[str | None], references: Sequence[str | None], films: Sequence[Any],
    times_s: Sequence[float] | None = None, window: int = WINDOW, names: Mapping[str, Iterable[str]] | None = None,
) -> np.ndarray:  # fmt: skip
    """Each AD's share of the sums of recall and precision.

    Args:
        predictions: generated ADs; None, NaN and "" recover nothing.
        references: true ADs, aligned.
        films: the film of each row.
        times_s: the time of each row in seconds; None = the rows' order.
        window: N.
        names: the cast of each film; a film without an entry: words that the film's true ADs capitalise inside a
            sentence (not the predictions', whose letter case would decide which words count).

    Returns:
        (n, 4) float64: distinctive words of the truth that the prediction says, distinctive words of the truth,
        distinctive words of the prediction (among the window's predictions) that the truth says, distinctive words of
        the prediction.

    Raises:
        ValueError: if lengths differ, a time is no number, a cast is no list of names or the window is below 2.
    """
    columns = {"references": references, "films": films, **({} if times_s is None else {"times_s": times_s})}
    for name, column in columns.items():
        if len(column) != len(predictions):
            raise ValueError(f"{len(column)} {name} for {len(predictions)} predictions; give one each")
    if times_s is not None and not all(math.isfinite(time_s) for time_s in times_s):
        raise ValueError("times_s holds a value that is no time, expected seconds; give every row its time")
    if window < 2:
        raise ValueError(f"window is {window}, expected 2 or more; raise it")
    predictions, references = list(predictions), list(references)
    statistics = np.zeros((len(predictions), 4))
    casts = casts_of(names)
    for film, rows in _film_order(films, times_s).items():
        told, true = ([_said(column[row]) for row in rows] for column in (predictions, references))
        given = casts.get(film)
        # The names are taken out here and for the whole film: `distinctive_words` would guess them window by window.
        stop = CLOSED_CLASS | name_words(capitalised_words(true) if given is None else given)
        for block, scored in scoring_windows(len(rows), window):
            of_truth, of_told = (
                [own - stop for own in distinctive_words([texts[i] for i in block], stop_list=False)]
                for texts in (true, told)
            )
            for i in scored:
                mine, yours = of_told[i - block[0]], of_truth[i - block[0]]
                said, truth = set(words(told[i])), set(words(true[i]))
                statistics[rows[i]] = [len(said & yours), len(yours), len(mine & truth), len(mine)]
    return statistics


def distinctive_of_sums(sums: np.ndarray) -> np.ndarray:
    """Recall, precision and F1 (0..100) of sums of `distinctive_statistics`.

    Args:
        sums: (..., 4) float64, added up over the ADs to be scored together.

    Returns:
        (..., 3) float64; 0 where there is no word at all.
    """
    sums = np.asarray(sums, dtype=np.float64)
    recall = sums[..., 0] / np.maximum(sums[..., 1], 1)
    precision = sums[..., 2] / np.maximum(sums[..., 3], 1)
    both = recall + precision
    f1 = np.divide(2 * recall * precision, both, out=np.zeros_like(both), where=both > 0)
    return 100.0 * np.stack([recall, precision, f1], axis=-1)


def signature(window: int, films: Iterable[Any], names: Mapping[str, Iterable[str]] | None) -> dict[str, Any]:
    """What makes two results comparable: among others whose names came from casts."""
    return {
        "metric": "distinctiveness",
        "window": window,
        "words": "words v1, without closed-class words and names",
        "names": names_given(films, names or {}),
        "scale": "x100, counts of the whole set",
        "version": 3,
    }


def distinctiveness(
    predictions: Sequence[str | None], references: Sequence[str | None], films: Sequence[Any] | None = None,
    times_s: Sequence[float] | None = None, window: int = WINDOW, names: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Recall, precision and F1 of distinctive words over a set.

    Args:
        predictions: generated ADs, one an item; None, NaN and "" are silence.
        references: true ADs, aligned.
        films: the film of each row; None = one film.
        times_s: the time of each row in seconds; None = the rows' order.
        window: N.
        names: the cast of each film, see `distinctive_statistics`.

    Returns:
        `recall` (share of the truths' distinctive words said), `precision` (share of the predictions' own distinctive
        words that the truth says), `f1` (0..100), `n_words`, `n_predicted_words`, `n_expected`, `n_scored`, `n_empty`,
        `n_films`, `signature`.

    Raises:
        ValueError: if there is nothing to score, or see `distinctive_statistics`.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of whole films")
    groups = ["all"] * len(predictions) if films is None else list(films)
    sums = distinctive_statistics(predictions, references, groups, times_s, window, names).sum(0)
    recall, precision, f1 = distinctive_of_sums(sums).tolist()
    return {
        "recall": recall,
        "precision": precision,
        "f1": f1,
        "n_words": int(sums[1]),
        "n_predicted_words": int(sums[3]),
        "n_expected": len(references),
        "n_scored": len(predictions),
        "n_empty": sum(not words(_said(text)) for text in predictions),
        "n_films": len(set(map(str, groups))),
        "signature": signature(window, groups, names),
    }
