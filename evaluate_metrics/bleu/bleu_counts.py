"""BLEU 1 to 4 as captioning computes it: corpus counts, closest reference length, smoothing by tiny constants.

Source: Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation" (ACL 2002), section 2, with
the constants of the public coco-caption code. BLEU is a ratio of sums over the whole set, not a mean over ADs;
`bleu_statistics` gives each AD's share of the sums, from which any part of a set (a film, a bootstrap draw) is scored.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

MAX_N = 4
SMALL, TINY = 1e-9, 1e-15  # coco-caption's guards against division by zero
SIGNATURE: dict[str, Any] = {
    "metric": "BLEU",
    "tokens": "regex v2: lower case, NFC, runs of letters, marks and digits",
    "n": f"1..{MAX_N}",
    "reference_length": "closest",
    "scale": "x100, counts of the whole set",
    "version": 2,
}
# Combining marks of every script, which \w leaves out: without them a word falls apart at its vowel signs and accents.
_MARKS = "".join(char for char in map(chr, range(0x300, 0x1F000)) if unicodedata.category(char)[0] == "M")
_WORD = re.compile(rf"[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")


def tokens(text: str | None) -> list[str]:
    """Split a text into lower-case words; letters and marks of every script and digits stay, all else separates."""
    plain = unicodedata.normalize("NFC", text.lower()) if isinstance(text, str) else ""
    return _WORD.findall(plain)


def _ngrams(words: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for n in range(1, MAX_N + 1) for i in range(len(words) - n + 1))


def bleu_statistics(predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]]) -> np.ndarray:
    """Each item's share of BLEU's sums.

    Args:
        predictions: one text an item; None, NaN and "" are empty.
        references: one text or a list of texts an item.

    Returns:
        (n, 10) float64: words of the prediction, words of the closest reference, n-grams told of order 1..4, n-grams
        right (clipped) of order 1..4.

    Raises:
        ValueError: if the lengths differ or an item has no reference.
    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    statistics = np.zeros((len(predictions), 2 + 2 * MAX_N))
    for row, (prediction, item) in enumerate(zip(predictions, references, strict=True)):
        texts = [item] if isinstance(item, str) else list(item) if isinstance(item, Iterable) else [""]
        if not texts:
            raise ValueError(f"references[{row}] is empty, expected at least one reference; give one or drop the item")
        candidate, truths = tokens(prediction), [tokens(text) for text in texts]
        most: Counter[tuple[str, ...]] = Counter()
        for words in truths:
            most |= _ngrams(words)
        length = len(candidate)
        statistics[row, 0] = length
        statistics[row, 1] = min((abs(len(words) - length), len(words)) for words in truths)[1]
        statistics[row, 2 : 2 + MAX_N] = [max(0, length - n) for n in range(MAX_N)]
        for gram, count in _ngrams(candidate).items():
            statistics[row, 1 + MAX_N + len(gram)] += min(count, most[gram])
    return statistics


def bleu_of_sums(sums: np.ndarray) -> np.ndarray:
    """BLEU 1..4, 0..100, of sums of `bleu_statistics`.

    Args:
        sums: (..., 10) float64, added up over the items to be scored together.

    Returns:
        (..., 4) float64.
    """
    sums = np.asarray(sums, dtype=np.float64)
    precisions = (sums[..., 2 + MAX_N :] + TINY) / (sums[..., 2 : 2 + MAX_N] + SMALL)
    means = np.cumprod(precisions, axis=-1) ** (1.0 / np.arange(1, MAX_N + 1))
    ratio = (sums[..., 0] + TINY) / (sums[..., 1] + SMALL)
    with np.errstate(over="ignore"):  # an empty prediction: exp(1 - huge) is 0, as wanted
        penalty = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    return 100.0 * means * penalty[..., None]


def bleu(
    predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]], per_item: bool = False
) -> dict[str, Any]:
    """BLEU 1 to 4 of a set, with its counts and signature.

    Args:
        predictions: one text an item; None and NaN = nothing predicted.
        references: one text or a list of texts an item.
        per_item: also return `scores`, four an item.

    Returns:
        `bleu_1` .. `bleu_4` (0..100), `length_ratio`, `n_expected`, `n_scored`, `n_empty`, `signature`.

    Raises:
        ValueError: if there is nothing to score, or see `bleu_statistics`.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the whole set")
    statistics = bleu_statistics(predictions, references)
    sums = statistics.sum(0)
    result: dict[str, Any] = {f"bleu_{n}": float(value) for n, value in enumerate(bleu_of_sums(sums), 1)}
    result |= {
        "length_ratio": float(sums[0] / sums[1]) if sums[1] else None,
        "n_expected": len(references),
        "n_scored": len(predictions),
        "n_empty": int((statistics[:, 0] == 0).sum()),
        "signature": dict(SIGNATURE),
    }
    return {**result, "scores": bleu_of_sums(statistics).tolist()} if per_item else result
