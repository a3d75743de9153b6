"""ROUGE-L as captioning computes it: the F-measure (beta = 1.2) over the longest common subsequence of words.

Source: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries" (2004), section 3, with the public coco-caption
code's beta and its way with several references (best precision and best recall). The subsequence is found with the
bit-vector recurrence of Hyyrö ("Bit-parallel LCS-length computation revisited", 2004), so long texts cost little.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

BETA = 1.2
SIGNATURE: dict[str, Any] = {
    "metric": "ROUGE-L",
    "tokens": "regex v2: lower case, NFC, runs of letters, marks and digits",
    "beta": BETA,
    "scale": "x100, mean over items",
    "version": 2,
}
# Combining marks of every script, which \w leaves out: without them a word falls apart at its vowel signs and accents.
_MARKS = "".join(char for char in map(chr, range(0x300, 0x1F000)) if unicodedata.category(char)[0] == "M")
_WORD = re.compile(rf"[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")


def tokens(text: str | None) -> list[str]:
    """Split a text into lower-case words; letters and marks of every script and digits stay, all else separates."""
    plain = unicodedata.normalize("NFC", text.lower()) if isinstance(text, str) else ""
    return _WORD.findall(plain)


def lcs_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence of two word lists.

    Bit i of `rows` is 0 where the classic table grows at word i of `first`; one big-integer step a word of `second`.
    """
    places: dict[str, int] = {}
    for i, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << i
    full = (1 << len(first)) - 1
    rows = full
    for word in second:
        matches = rows & places.get(word, 0)
        rows = ((rows + matches) | (rows - matches)) & full
    return len(first) - rows.bit_count()


def rouge_l_score(prediction: str | None, references: Sequence[str]) -> float:
    """ROUGE-L of one text, 0..100. A prediction or reference without words scores 0.

    (coco-caption gives 1 to an empty prediction of an empty reference; we do not reward silence.)
    """
    candidate = tokens(prediction)
    precision = recall = 0.0
    for text in references:
        words = tokens(text)
        if candidate and words:
            common = lcs_length(candidate, words)
            precision = max(precision, common / len(candidate))
            recall = max(recall, common / len(words))
    if not precision or not recall:
        return 0.0
    return 100.0 * (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def rouge_l_scores(predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]]) -> list[float]:
    """ROUGE-L of each item, 0..100.

    Args:
        predictions: one text an item; silence (None, NaN, "") scores 0.
        references: one text or a list of texts an item.

    Raises:
        ValueError: if the lengths differ or an item has no reference.
    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    scores = []
    for row, (prediction, item) in enumerate(zip(predictions, references, strict=True)):
        texts = [item] if isinstance(item, str) else list(item) if isinstance(item, Iterable) else [""]
        if not texts:
            raise ValueError(f"references[{row}] is empty, expected at least one reference; give one or drop the item")
        scores.append(rouge_l_score(prediction, texts))
    return scores


def rouge_l(
    predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]], per_item: bool = False
) -> dict[str, Any]:
    """ROUGE-L of a set, with its counts and signature.

    Args:
        predictions: one text an item; None and NaN = nothing predicted.
        references: one text or a list of texts an item.
        per_item: also return `scores`, one an item.

    Returns:
        `rouge_l`, `n_expected`, `n_scored`, `n_empty` (predictions without any word), `signature`.

    Raises:
        ValueError: if there is nothing to score, or see `rouge_l_scores`.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the whole set")
    scores = rouge_l_scores(predictions, references)
    result: dict[str, Any] = {
        "rouge_l": math.fsum(scores) / len(scores),
        "n_expected": len(references),
        "n_scored": len(scores),
        "n_empty": sum(not tokens(text) for text in predictions),
        "signature": dict(SIGNATURE),
    }
    return {**result, "scores": scores} if per_item else result
