"""ROUGE-L: equality with coco-caption, the subsequence against brute force, silence."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from evaluate_metrics.rouge_l.rouge_lcs import lcs_length, rouge_l, rouge_l_score, rouge_l_scores

WORDS = "a man woman walks to the door".split()


def texts(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randrange(1, 14))) for _ in range(count)]


def brute_force(a: list[str], b: list[str]) -> int:
    def is_subsequence(part: tuple[str, ...]) -> bool:
        rest = iter(b)
        return all(word in rest for word in part)

    return max(n for n in range(len(a) + 1) if any(is_subsequence(p) for p in combinations(a, n)))


def test_lcs_against_brute_force():
    rng = random.Random(0)
    for _ in range(200):
        a, b = (rng.choices("xyz", k=rng.randrange(8)) for _ in range(2))
        assert lcs_length(a, b) == lcs_length(b, a) == brute_force(a, b)


def test_lcs_of_very_long_texts():
    assert lcs_length(["a", "b"] * 20_000, ["b", "a", "c"] * 300) == 600


@pytest.mark.parametrize("several", [False, True])
def test_equals_coco_caption_on_the_same_tokens(several):
    scorer = pytest.importorskip("pycocoevalcap.rouge.rouge").Rouge()
    references = [[a, b] if several else [a] for a, b in zip(texts(50, 1), texts(50, 2), strict=True)]
    predictions = texts(50, 3)
    total, items = scorer.compute_score(dict(enumerate(references)), {i: [p] for i, p in enumerate(predictions)})
    given = references if several else [refs[0] for refs in references]
    result = rouge_l(predictions, given, per_item=True)
    assert result["rouge_l"] == pytest.approx(100 * total, abs=1e-6)
    assert result["scores"] == pytest.approx([100 * s for s in items], abs=1e-6)


def test_hand_computed():
    # common "a c": precision 2/2, recall 2/3 -> 2.44 * 2/3 / (2/3 + 1.44)
    assert rouge_l_score("A, c!", ["a b c"]) == pytest.approx(100 * 2.44 * (2 / 3) / (2 / 3 + 1.44))
    assert rouge_l_score("c a", ["a b"]) == pytest.approx(50.0)
    assert rouge_l_score("x", ["a"]) == 0.0


def test_silence_is_never_rewarded():
    result = rouge_l(["", None, "a"], ["", "a", "a"], per_item=True)
    assert result["scores"] == [0.0, 0.0, 100.0]
    assert (result["n_expected"], result["n_scored"], result["n_empty"]) == (3, 3, 2)


def test_refusals():
    with pytest.raises(ValueError, match="2 predictions for 1"):
        rouge_l_scores(["a", "b"], ["a"])
    with pytest.raises(ValueError, match=r"references\[0\] is empty"):
        rouge_l_scores(["a"], [[]])
    with pytest.raises(ValueError, match="no predictions"):
        rouge_l([], [])
