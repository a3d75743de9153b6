"""BLEU: equality with coco-caption, hand-computed cases, parts of a set."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from evaluate_metrics.bleu.bleu_counts import bleu, bleu_of_sums, bleu_statistics, tokens
from evaluate_metrics.cider.cider_d import tokens as cider_tokens

WORDS = "a man woman walks runs to the door and opens it slowly while red".split()


def sentences(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randrange(1, 12))) for _ in range(count)]


@pytest.mark.parametrize("several", [False, True])
def test_equals_coco_caption_on_the_same_tokens(several):
    scorer = pytest.importorskip("pycocoevalcap.bleu.bleu").Bleu(4)
    references = [[a, b] if several else [a] for a, b in zip(sentences(60, 1), sentences(60, 2), strict=True)]
    predictions = [references[i][0] if i % 7 == 0 else text for i, text in enumerate(sentences(60, 3))]
    predictions[5] = ""
    totals, items = scorer.compute_score(
        dict(enumerate(references)), {i: [p] for i, p in enumerate(predictions)}, verbose=0
    )
    result = bleu(predictions, references if several else [refs[0] for refs in references], per_item=True)
    assert [result[f"bleu_{n}"] for n in range(1, 5)] == pytest.approx([100 * t for t in totals], abs=1e-6)
    assert np.abs(100 * np.array(items).T - np.array(result["scores"])).max() < 1e-6


def test_hand_computed():
    # "a b x" for "a b c d": 2 of 3 words, 1 of 2 bigrams, one word too short.
    result = bleu(["a b x"], ["a b c d"])
    brevity = math.exp(1 - 4 / 3)
    assert result["bleu_1"] == pytest.approx(100 * brevity * 2 / 3, abs=1e-4)
    assert result["bleu_2"] == pytest.approx(100 * brevity * math.sqrt(2 / 3 / 2), abs=1e-4)
    assert result["bleu_3"] < 1e-2 and result["length_ratio"] == 0.75


def test_sums_of_parts_make_the_whole_and_silence_counts():
    references, predictions = sentences(30, 4), sentences(30, 5)
    statistics = bleu_statistics(predictions, references)
    whole = bleu(predictions, references)
    assert bleu_of_sums(statistics[:10].sum(0) + statistics[10:].sum(0))[3] == pytest.approx(whole["bleu_4"])
    silent = bleu([None, *predictions[1:]], references)
    assert silent["n_empty"] == 1 and silent["n_scored"] == 30 and silent["length_ratio"] < whole["length_ratio"]
    assert bleu([""], ["a b"])["bleu_1"] == 0.0


def test_tokens_are_those_of_cider_and_bad_input_is_refused():
    text = "Zoë's re-entry:  a 2nd_try!\u2028Ünder «x» e\u0301"
    assert tokens(text) == cider_tokens(text) and tokens(None) == []
    with pytest.raises(ValueError, match="1 predictions for 2"):
        bleu(["a"], ["a", "b"])
    with pytest.raises(ValueError, match=r"references\[0\] is empty"):
        bleu(["a"], [[]])
    with pytest.raises(ValueError, match="no predictions"):
        bleu([], [])
