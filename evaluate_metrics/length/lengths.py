"""How long the descriptions are: length ratio and words per second.

Own design. A word is a run without white space that holds a letter or digit, as a speaker counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SIGNATURE: dict[str, Any] = {"metric": "length", "words": "white-space runs with a letter or digit", "version": 1}


def count_words(text: str | None) -> int:
    """Number of words of a text; 0 of None and NaN."""
    runs = text.split() if isinstance(text, str) else []
    return sum(any(char.isalnum() for char in run) for run in runs)


def length_statistics(
    predictions: Sequence[str | None], references: Sequence[str | None], durations_s: Sequence[float] | None = None
) -> np.ndarray:
    """Each AD's share of the sums.

    Args:
        predictions: generated ADs.
        references: true ADs, aligned.
        durations_s: seconds of each AD's interval; None = unknown (column of zeros).

    Returns:
        (n, 4) float64: words of the prediction, words of the truth, seconds, 1.

    Raises:
        ValueError: if lengths differ or a duration is negative or no number.
    """
    if len(references) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    if durations_s is not None:
        if len(durations_s) != len(predictions):
            raise ValueError(f"{len(durations_s)} durations for {len(predictions)} predictions; give one each")
        if not all(np.isfinite(s) and s >= 0 for s in durations_s):
            raise ValueError("durations_s holds a value that is no length, expected seconds >= 0; check the intervals")
    statistics = np.ones((len(predictions), 4))
    statistics[:, 0] = [count_words(text) for text in predictions]
    statistics[:, 1] = [count_words(text) for text in references]
    statistics[:, 2] = 0.0 if durations_s is None else list(durations_s)
    return statistics


def lengths(
    predictions: Sequence[str | None], references: Sequence[str | None], durations_s: Sequence[float] | None = None
) -> dict[str, Any]:
    """Length of the predictions beside that of the truths.

    Args:
        predictions: generated ADs, one an item; None, NaN and "" are silence.
        references: true ADs, aligned.
        durations_s: seconds of each AD's interval; None = unknown.

    Returns:
        `length_ratio` (words told / words of the truths), `words_per_ad`, `reference_words_per_ad`,
        `words_per_second`, `reference_words_per_second` (None without durations), `n_expected`, `n_scored`,
        `n_empty`, `signature`.

    Raises:
        ValueError: if there is nothing to score, or see `length_statistics`.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the set")
    statistics = length_statistics(predictions, references, durations_s)
    told, true, seconds, count = statistics.sum(0).tolist()
    return {
        "length_ratio": told / true if true else None,
        "words_per_ad": told / count,
        "reference_words_per_ad": true / count,
        "words_per_second": told / seconds if seconds else None,
        "reference_words_per_second": true / seconds if seconds else None,
        "n_expected": len(references),
        "n_scored": len(predictions),
        "n_empty": int((statistics[:, 0] == 0).sum()),
        "signature": dict(SIGNATURE),
    }
