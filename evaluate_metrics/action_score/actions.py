"""Action score: are the actions of the true description told?

Source: Shot-by-Shot (Xie et al., 2025) and its public script: every true action is compared with every piece of the
prediction (the whole, its fragments); an action scores 0.8 of the best similarity and 0.2 of the best similarity among
the pieces that share its verb; an AD is the mean over its actions; the set's mean m is printed as (m - 0.25) x 2. Own
choices: verbs by a list (`verbs.py`) in place of a parser, any sentence encoder in place of one of 7 B parameters (only
results by the same encoder compare), and silence scores 0; the script leaves silent ADs out, which `without_silence`
repeats.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .verbs import verbs_of

Similarity = Callable[[Sequence[str], Sequence[str]], np.ndarray]
"""(texts a, texts b) -> cosine similarities (len(a), len(b)) float64."""

SIMILARITY_SHARE, OFFSET, STRETCH = 0.8, 0.25, 2.0
LONGEST = 1000  # characters of a piece, as in the script
_FRAGMENTS = re.compile("[.;,]")


def pieces_of(text: str | None) -> list[str]:
    """The whole description and its fragments between commas, semicolons and full stops; [] for silence."""
    whole = " ".join(text.split()) if isinstance(text, str) else ""
    if not any(char.isalnum() for char in whole):
        return []
    fragments = [part.strip() + "." for part in _FRAGMENTS.split(whole) if any(char.isalnum() for char in part)]
    return list(dict.fromkeys(piece[:LONGEST] for piece in [whole, *fragments]))


def action_scores(
    predictions: Sequence[str | None], actions: Sequence[Sequence[str]], similarity: Similarity,
    verbs: Callable[[str], set[str]] = verbs_of,
) -> list[float | None]:  # fmt: skip
    """Score of each AD, 0..1 before the offset; None where the prediction is silent.

    Args:
        predictions: generated ADs; None, NaN and "" are silence.
        actions: the true actions of each AD, at least one.
        similarity: see `Similarity`; asked once for all texts of an AD set, each different text once.
        verbs: lemmas of the verbs of a text.

    Raises:
        ValueError: if lengths differ or an AD has no action.
    """
    if len(actions) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(actions)} lists of actions; give one each")
    for row, texts in enumerate(actions):
        if isinstance(texts, str) or not len(texts):
            raise ValueError(f"actions[{row}] is {texts!r}, expected a list of texts; give at least the true AD")
    scores: list[float | None] = []
    for prediction, texts in zip(predictions, actions, strict=True):
        pieces = pieces_of(prediction)
        if not pieces:
            scores.append(None)
            continue
        table = np.asarray(similarity([text[:LONGEST] for text in texts], pieces), dtype=np.float64)
        if table.shape != (len(texts), len(pieces)):
            raise ValueError(f"similarity gave {table.shape}, expected {(len(texts), len(pieces))}; mend it")
        of_piece = [verbs(piece) for piece in pieces]
        total = []
        for row, text in enumerate(texts):
            wanted = verbs(text)
            shared = [value for value, told in zip(table[row], of_piece, strict=True) if wanted & told]
            total.append(SIMILARITY_SHARE * table[row].max() + (1 - SIMILARITY_SHARE) * max([0.0, *shared]))
        scores.append(math.fsum(total) / len(total))
    return scores


def action_score(
    predictions: Sequence[str | None], actions: Sequence[Sequence[str]], similarity: Similarity,
    verbs: Callable[[str], set[str]] = verbs_of,
) -> dict[str, Any]:  # fmt: skip
    """Action score of a set.

    Args:
        predictions: generated ADs; None, NaN and "" are silence.
        actions: the true actions of each AD.
        similarity: see `Similarity`.
        verbs: lemmas of the verbs of a text.

    Returns:
        `action_score` ((mean - 0.25) x 2 x 100, silence a 0 in the mean, so that silence alone gives -50),
        `without_silence` (the same over the ADs that say something and do not score below 0, as the public script
        counts; None if there is none), `n_expected`, `n_scored`, `n_empty`, `signature`.

    Raises:
        ValueError: if there is nothing to score, or see `action_scores`.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the set")
    scores = action_scores(predictions, actions, similarity, verbs)
    said = [score for score in scores if score is not None]
    counted = [score for score in said if score >= 0]
    return {
        "action_score": final(math.fsum(said) / len(scores)),
        "without_silence": final(math.fsum(counted) / len(counted)) if counted else None,
        "n_expected": len(actions),
        "n_scored": len(scores),
        "n_empty": len(scores) - len(said),
        "signature": signature(verbs),
    }


def signature(verbs: Callable[[str], set[str]] = verbs_of) -> dict[str, Any]:
    """What makes two results comparable, the similarity aside."""
    return {
        "metric": "Action score",
        "verbs": "list v1" if verbs is verbs_of else getattr(verbs, "__name__", "given"),
        "pieces": "whole and fragments",
        "scale": "(mean - 0.25) x 2 x 100",
        "version": 2,
    }


def final(mean: Any) -> Any:
    """The printed scale of a mean score, a number or an array (...,): (mean - 0.25) x 2 x 100."""
    return 100 * (mean - OFFSET) * STRETCH
