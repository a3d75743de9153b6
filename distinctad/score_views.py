"""What the plots show: figures by film, by the length of the clip, and where in a film words are repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from distinctad.score_figures import Figure, Options, ScoredSet

SHOWN = ("cider", "rouge_l")
LENGTHS_S = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, float("inf"))
PARTS = 10  # of a film, for the place of repeats
DRAWS = 500  # of a film's ADs, for the interval of one film


def _within(values: np.ndarray, seed: int) -> tuple[float | None, float | None]:
    """95 % interval of a mean over the ADs of one film, drawing ADs again; None with one AD."""
    if len(values) < 2:
        return None, None
    draws = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    lower, upper = np.percentile(values[draws].mean(1), [2.5, 97.5])
    return float(lower), float(upper)


def by_film(figures: Sequence[Figure], data: ScoredSet, options: Options) -> list[dict[str, Any]]:
    """Each film's mean of the figures that have a value an AD (CIDEr by the whole set's document frequencies)."""
    of_film: dict[str, list[int]] = {}
    for row, film in enumerate(data.films):
        of_film.setdefault(film, []).append(row)
    table = []
    for film, rows in sorted(of_film.items()):
        entry: dict[str, Any] = {"film": film, "n": len(rows)}
        for figure in figures:
            if figure.name in SHOWN and figure.per_item is not None:
                values = np.asarray(figure.per_item, dtype=np.float64)[rows]
                lower, upper = _within(values, options.seed)
                entry[figure.name] = {"value": float(values.mean()), "lower": lower, "upper": upper}
        table.append(entry)
    return table


def by_length(figures: Sequence[Figure], data: ScoredSet, options: Options) -> list[dict[str, Any]]:
    """Means over the ADs whose interval has a length of `LENGTHS_S`, with intervals over films."""
    from evaluate_metrics.slot_accuracy.bootstrap import film_interval

    seconds = np.array([row.end_s - row.start_s for row in data.rows])
    table = []
    for low, high in zip(LENGTHS_S, LENGTHS_S[1:], strict=False):
        rows = np.flatnonzero((seconds >= low) & (seconds < high))
        if not len(rows):
            continue
        entry: dict[str, Any] = {"from_s": low, "to_s": high if np.isfinite(high) else None, "n": len(rows)}
        for figure in figures:
            if figure.name in SHOWN and figure.per_item is not None:
                values = [figure.per_item[row] for row in rows]
                interval = film_interval(values, [data.films[row] for row in rows], options.resamples, options.seed)
                lower, upper = interval or (None, None)
                entry[figure.name] = {"value": float(np.mean(values)), "lower": lower, "upper": upper}
        table.append(entry)
    return table


def repeats_by_place(data: ScoredSet, options: Options) -> list[dict[str, Any]]:
    """Share of repeated content words in each tenth of the films, of the predictions and of the truths, in percent."""
    from evaluate_metrics.repetition.repeats import film_order, people_of, repeats

    part = np.zeros(len(data.rows), dtype=np.int64)
    for rows in film_order(data.films, data.times_s).values():
        part[rows] = np.arange(len(rows)) * PARTS // len(rows)
    sums, people = [], people_of(data.references, data.films, data.casts)
    for texts in (data.texts, data.references):
        found = repeats(texts, data.films, data.times_s, options.last_k, people)
        counts = np.zeros((PARTS, 2))
        np.add.at(counts, part, np.array([[r.repeated_words, r.words] for r in found], dtype=np.float64))
        sums.append(counts)
    return [
        {
            "part": i + 1,
            "predictions": 100 * sums[0][i, 0] / sums[0][i, 1] if sums[0][i, 1] else None,
            "truths": 100 * sums[1][i, 0] / sums[1][i, 1] if sums[1][i, 1] else None,
        }
        for i in range(PARTS)
    ]


def views(figures: Sequence[Figure], data: ScoredSet, options: Options) -> dict[str, Any]:
    """All three tables, as far as the figures have a value an AD."""
    shown = [figure for figure in figures if figure.per_item is not None]
    found: dict[str, Any] = {}
    if any(figure.name in SHOWN for figure in shown):
        found["by_film"] = by_film(shown, data, options)
        found["by_length"] = by_length(shown, data, options)
    if any(figure.name == "repeated_words" for figure in shown):
        found["repeats_by_place"] = repeats_by_place(data, options)
    return found
