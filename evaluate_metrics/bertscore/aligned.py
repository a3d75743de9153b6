"""BERTScore of each prediction with its own truth, each different sentence encoded once.

Source: Zhang et al. (ICLR 2020), see `pair_f1.py`. No idf and no rescaling; silence scores 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

PairScores = Callable[[Sequence[str], Sequence[str], np.ndarray], np.ndarray]
"""(predictions, truths, pairs (P, 2) int64) -> (P, 3) float64: precision, recall, F1."""


def bertscore(
    predictions: Sequence[str | None], references: Sequence[str | None], pair_scores: PairScores, per_item: bool = False
) -> dict[str, Any]:
    """Mean precision, recall and F1 of a set.

    Args:
        predictions: generated ADs; silence (None, NaN, "") scores 0.
        references: true ADs, aligned.
        pair_scores: see `PairScores`; usually `PairF1.precision_recall_f1`.
        per_item: also return `scores`, three an item.

    Returns:
        `precision`, `recall`, `f1` (0..100), `n_expected`, `n_scored`, `n_empty`.

    Raises:
        ValueError: if there is nothing to score, lengths differ, or the scores have another shape.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the set")
    if len(references) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    count = len(predictions)
    pairs = np.stack([np.arange(count)] * 2, axis=1)
    told, true = ([t if isinstance(t, str) else "" for t in column] for column in (predictions, references))
    found = np.asarray(pair_scores(told, true, pairs), float)
    if found.shape != (count, 3):
        raise ValueError(f"pair_scores gave {found.shape}, expected {(count, 3)}; mend it")
    precision, recall, f1 = (100 * math.fsum(found[:, i]) / count for i in range(3))
    result: dict[str, Any] = {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "n_expected": count,
        "n_scored": count,
        "n_empty": sum(not text.strip() for text in told),
    }
    return {**result, "scores": (100 * found).tolist()} if per_item else result
