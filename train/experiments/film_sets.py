"""Sets of test films, and the similarity of texts that needs no encoder: what both table commands measure with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluate_metrics.cider.cider_d import tokens as words_of
from train.features import parse_seeds
from train.film_splits import BLIND_ABOVE


def film_sets(text: str) -> dict[str, list[int]]:
    """Reads "1-2;3-4" as {"set 1": [1, 2], "set 2": [3, 4]}.

    Raises:
        ValueError: a film in two sets, or one that is kept for blind evaluation (seeds above 900,000).
    """
    sets = {f"set {n}": parse_seeds(part) for n, part in enumerate(text.split(";"), 1)}
    every = [seed for seeds in sets.values() for seed in seeds]
    if len(set(every)) != len(every) or max(every) > BLIND_ABOVE:
        raise ValueError(f"film sets {text!r} share a film or hold a blind one (above 900000); mend them")
    return sets


def shared_words(predictions: Sequence[str], truths: Sequence[str], pairs: np.ndarray) -> np.ndarray:
    """F1 of the words that two texts share, a similarity for R@k/N that needs no encoder (own choice).

    Args:
        predictions: generated texts.
        truths: references.
        pairs: (P, 2) int64 of indices.

    Returns:
        (P,) float64.
    """
    own, other = ([set(words_of(text)) for text in texts] for texts in (predictions, truths))
    return np.array([2 * len(own[i] & other[j]) / max(1, len(own[i]) + len(other[j])) for i, j in pairs], dtype=float)
