"""CIDEr-D as the captioning field computes it, on a Java-free tokenisation.

Source: Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation" (CVPR 2015), section 4 and
its D variant (clipping, Gaussian length penalty, no stemming), in the constants of the public coco-caption code:
n = 1..4, sigma = 6, times 10. Own choice: the result is given times 100, the scale in which the papers print it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MAX_N = 4
SIGMA = 6.0
SCALE = 10.0 * 100.0  # coco-caption multiplies by 10, the papers' tables by another 100
SIGNATURE: dict[str, Any] = {
    "metric": "CIDEr-D",
    "tokens": "regex v2: lower case, NFC, runs of letters, marks and digits",
    "n": f"1..{MAX_N}",
    "sigma": SIGMA,
    "scale": "x10 x100",
    "document_frequencies": "references of the whole set",
    "version": 2,
}

Ngrams = Counter[tuple[str, ...]]
# Combining marks of every script, which \w leaves out: without them a word falls apart at its vowel signs and accents.
_MARKS = "".join(char for char in map(chr, range(0x300, 0x1F000)) if unicodedata.category(char)[0] == "M")
_WORD = re.compile(rf"[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")


def tokens(text: str | None) -> list[str]:
    """Split a text into lower-case words; letters and marks of every script and digits stay, all else separates.

    Within 0.03 CIDEr of the Penn Treebank tokeniser on the three public evaluation sets.
    A missing text (None, NaN) has no tokens. Every Unicode line break is a separator like any other.
    """
    plain = unicodedata.normalize("NFC", text.lower()) if isinstance(text, str) else ""
    return _WORD.findall(plain)


def ngrams(words: Sequence[str]) -> Ngrams:
    """Count the n-grams of every order 1..MAX_N."""
    return Counter(tuple(words[i : i + n]) for n in range(1, MAX_N + 1) for i in range(len(words) - n + 1))


def as_reference_lists(references: Sequence[str | None | Sequence[str]]) -> list[list[str]]:
    """Bring single references and lists of references into one form.

    Raises:
        ValueError: if an item has an empty list of references.
    """
    lists = [
        [item] if isinstance(item, str) else list(item) if isinstance(item, Iterable) else [""] for item in references
    ]
    for row, item in enumerate(lists):
        if not item:
            raise ValueError(f"references[{row}] is empty, expected at least one reference; give one or drop the item")
    return lists


def document_frequencies(references: Sequence[str | None | Sequence[str]]) -> Counter[tuple[str, ...]]:
    """Count, for each n-gram, in how many items' references it occurs (once an item)."""
    frequencies: Counter[tuple[str, ...]] = Counter()
    for item in as_reference_lists(references):
        frequencies.update({gram for text in item for gram in ngrams(tokens(text))})
    return frequencies


class _Vector:
    """TF-IDF weights of one text, order by order, with their norms and coco-caption's length."""

    def __init__(self, words: Sequence[str], frequencies: Mapping[tuple[str, ...], int], log_items: float) -> None:
        self.weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(MAX_N)]
        for gram, count in ngrams(words).items():
            idf = log_items - math.log(max(1, frequencies.get(gram, 0)))
            self.weights[len(gram) - 1][gram] = count * idf
        self.norms = [math.sqrt(sum(w * w for w in weights.values())) for weights in self.weights]
        # coco-caption's length is the number of BIGRAMS, kept for equal scores.
        self.length = max(0, len(words) - 1)


def _similarity(candidate: _Vector, reference: _Vector) -> float:
    """Mean over the orders of the clipped cosine, times the length penalty."""
    total = 0.0
    for order in range(MAX_N):
        theirs = reference.weights[order]
        dot = sum(min(w, theirs[gram]) * theirs[gram] for gram, w in candidate.weights[order].items() if gram in theirs)
        norm = candidate.norms[order] * reference.norms[order]
        total += dot / norm if norm else dot
    delta = candidate.length - reference.length
    return total / MAX_N * math.exp(-(delta**2) / (2 * SIGMA**2))


class CiderScorer:
    """CIDEr-D against one set of references; the vectors of texts seen before are kept.

    Args:
        references: one text or a list of texts an item; the whole set, whose document frequencies are counted.

    Raises:
        ValueError: if an item has no reference.
    """

    def __init__(self, references: Sequence[str | None | Sequence[str]]) -> None:
        """Count the document frequencies; see the class."""
        self._lists = as_reference_lists(references)
        self._frequencies = document_frequencies(self._lists)
        self._log_items = math.log(max(1, len(self._lists)))
        self._vectors: dict[str, _Vector] = {}

    def _vector(self, text: str) -> _Vector:
        if text not in self._vectors:
            self._vectors[text] = _Vector(tokens(text), self._frequencies, self._log_items)
        return self._vectors[text]

    def scores(self, predictions: Sequence[str | None]) -> list[float]:
        """CIDEr-D of each prediction, on the papers' scale; silence (None, NaN, "") scores 0.

        Raises:
            ValueError: if there are not as many predictions as references.
        """
        if len(predictions) != len(self._lists):
            raise ValueError(f"{len(predictions)} predictions for {len(self._lists)} references; give one each")
        scores = []
        for prediction, item in zip(predictions, self._lists, strict=True):
            candidate = self._vector(prediction if isinstance(prediction, str) else "")
            scores.append(SCALE * sum(_similarity(candidate, self._vector(text)) for text in item) / len(item))
        return scores


def cider_scores(predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]]) -> list[float]:
    """CIDEr-D of each item, on the papers' scale (about 950 to 975 for a perfect copy of an AD set).

    Args:
        predictions: one text an item; silence (None, NaN, "") scores 0.
        references: one text or a list of texts an item; the whole set, whose document frequencies are counted.

    Returns:
        One score an item; their mean is the set's CIDEr.

    Raises:
        ValueError: if the lengths differ or an item has no reference.
    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    return CiderScorer(references).scores(predictions)


def cider(
    predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]], per_item: bool = False
) -> dict[str, Any]:
    """CIDEr-D of a set, with its counts and signature.

    Args:
        predictions: one text an item; None and NaN = nothing predicted.
        references: one text or a list of texts an item.
        per_item: also return `scores`, one an item.

    Returns:
        `cider`, `n_expected`, `n_scored`, `n_empty` (predictions without any word), `signature`.

    Raises:
        ValueError: if there is nothing to score, or see `cider_scores`.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the whole set")
    scores = cider_scores(predictions, references)
    result: dict[str, Any] = {
        "cider": math.fsum(scores) / len(scores),
        "n_expected": len(references),
        "n_scored": len(scores),
        "n_empty": sum(not tokens(text) for text in predictions),
        "signature": dict(SIGNATURE),
    }
    return {**result, "scores": scores} if per_item else result
