"""CIDEr-D: equality with coco-caption, anchors on the public annotations, hand-computed cases, odd texts."""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path

import pytest

from evaluate_metrics.cider.cider_d import cider, cider_scores, tokens
from evaluate_metrics.rouge_l.rouge_lcs import rouge_l
from evaluate_metrics.rouge_l.rouge_lcs import tokens as rouge_tokens

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
WORDS = "a man woman walks runs to the door and opens it slowly while red".split()
BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def sentences(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randrange(1, 12))) for _ in range(count)]


def test_tokens():
    assert tokens("Zoë's re-entry:  a 2nd_try!\u2028Ünder «x»") == "zoë s re entry a 2nd try ünder x".split()
    assert tokens("e\u0301t\u00e9") == ["été"]  # a letter in two code points stays one letter
    assert tokens(None) == tokens(" \n") == []


@pytest.mark.parametrize("several", [False, True])
def test_equals_coco_caption_on_the_same_tokens(several):
    scorer = pytest.importorskip("pycocoevalcap.cider.cider").Cider()
    references = [[a, b] if several else [a] for a, b in zip(sentences(60, 1), sentences(60, 2), strict=True)]
    predictions = [references[i][0] if i % 7 == 0 else text for i, text in enumerate(sentences(60, 3))]
    predictions[5] = ""
    total, items = scorer.compute_score(dict(enumerate(references)), {i: [p] for i, p in enumerate(predictions)})
    given = references if several else [refs[0] for refs in references]
    result = cider(predictions, given, per_item=True)
    assert result["cider"] == pytest.approx(100 * total, abs=1e-6)
    assert result["scores"] == pytest.approx([100 * s for s in items], abs=1e-6)
    assert result["scores"][5] == 0.0 < result["scores"][7]


def test_hand_computed():
    # Two items; every n-gram is in one reference, so each weight is count * log 2.
    # "a b" for "a b c": unigrams 2/(sqrt 2 sqrt 3), bigrams 1/(1 sqrt 2); one bigram less: exp(-1/72).
    expected = 1000 / 4 * (2 / math.sqrt(6) + 1 / math.sqrt(2)) * math.exp(-1 / 72)
    assert cider_scores(["a b", "nothing"], ["a b c", "d"]) == pytest.approx([expected, 0.0])


def test_clipping_and_common_words():
    # Repetition gains nothing over saying it once, and a word of every reference weighs nothing.
    assert cider_scores(["the", "x"], ["the a", "the x"])[0] == 0.0
    assert cider_scores(["p p p p", "z"], ["p q", "z"])[0] < cider_scores(["p", "z"], ["p q", "z"])[0]


def test_frequencies_are_those_of_the_whole_set():
    references, predictions = sentences(30, 4), sentences(30, 5)
    assert cider_scores(predictions[:10], references[:10]) != pytest.approx(cider_scores(predictions, references)[:10])


@pytest.mark.parametrize("break_", BREAKS)
def test_line_breaks_neither_shift_nor_lose_a_row(break_):
    references = ["a man walks home", "she opens it", "the red door"]
    broken = [references[0].replace(" ", break_), *references[1:]]
    assert cider(broken, references)["cider"] == cider(references, references)["cider"]
    assert rouge_l(broken, references)["rouge_l"] == 100.0


def test_silence_counts():
    result = cider(["", None, "a b"], ["a b", "c d", "a b"], per_item=True)
    assert (result["n_expected"], result["n_scored"], result["n_empty"]) == (3, 3, 2)
    assert result["scores"][:2] == [0.0, 0.0] and result["cider"] == pytest.approx(result["scores"][2] / 3)


def test_refusals():
    with pytest.raises(ValueError, match="1 predictions for 2"):
        cider(["a"], ["a", "b"])
    with pytest.raises(ValueError, match=r"references\[1\] is empty"):
        cider(["a", "b"], [["a"], []])
    with pytest.raises(ValueError, match="no predictions"):
        cider([], [])


@pytest.mark.parametrize(
    ("name", "film", "text", "copied", "constant", "perfect"),
    [
        ("madeval_anno.csv", "movie", "sentence", (12.2, 11.4), (4.0, 4.3), None),
        ("cmdad_anno.csv", "movie", "text", (13.9, 11.0), (6.6, 6.2), None),
        ("tvad_anno.csv", "imdbid_pe", "text", (12.7, 9.9), (8.0, 7.0), 954.6),
    ],
)
def test_anchors_on_the_public_annotations(name, film, text, copied, constant, perfect):
    """The previous ground-truth AD of the film as the prediction (the first AD of a film takes the second)."""
    if not (DATA / name).is_file():
        pytest.skip(f"../shared/data/{name} is not here")
    with (DATA / name).open(encoding="utf-8", newline="") as handle:
        rows = [(row[film], row[text]) for row in csv.DictReader(handle)]
    assert all(tokens(t) == rouge_tokens(t) for _, t in rows[:500])
    films: dict[str, list[str]] = {}
    for key, ad in rows:
        films.setdefault(key, []).append(ad)
    references = [ad for ads in films.values() for ad in ads]
    previous = [ad for ads in films.values() for ad in [*ads[1:2], *ads[:-1]]]
    same = ["He looks at her."] * len(references)
    assert cider(previous, references)["cider"] == pytest.approx(copied[0], abs=0.06)
    assert rouge_l(previous, references)["rouge_l"] == pytest.approx(copied[1], abs=0.06)
    assert cider(same, references)["cider"] == pytest.approx(constant[0], abs=0.06)
    assert rouge_l(same, references)["rouge_l"] == pytest.approx(constant[1], abs=0.06)
    if perfect is not None:
        assert cider(references, references)["cider"] == pytest.approx(perfect, abs=0.06)
