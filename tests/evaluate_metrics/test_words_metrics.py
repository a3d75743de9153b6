"""Repetition, distinctiveness, name accuracy and length, by hand; and what holds for every text metric."""

from __future__ import annotations

import random

import pytest

from evaluate_metrics.bleu.bleu_counts import bleu
from evaluate_metrics.cider.cider_d import cider
from evaluate_metrics.critic.characters import critic
from evaluate_metrics.distinctiveness.distinctive import distinctiveness, scoring_windows
from evaluate_metrics.length.lengths import count_words, lengths
from evaluate_metrics.name_accuracy.named import name_accuracy, name_table, named
from evaluate_metrics.repetition.repeats import repeats, repetition
from evaluate_metrics.rouge_l.rouge_lcs import rouge_l

WORDS = "Mara Otto lifts drops a the red blue cup ball door slowly she he and then smiles at garden".split()
BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def test_repeated_words_of_the_last_k():
    texts = ["Mara lifts a cup.", "Otto sees Mara run.", "She lifts the cup slowly.", "Birds."]
    names = {"f": ["Mara", "Otto"]}
    found = repeats(texts, ["f"] * 4, last_k=2, names=names)
    assert [(r.words, r.repeated_words, r.lags) for r in found] == [(2, 0, ()), (2, 0, ()), (3, 2, (2, 2)), (1, 0, ())]
    assert repeats(texts, ["f"] * 4, last_k=1, names=names)[2].repeated_words == 0
    assert repeats(texts, list("abcd"), last_k=2, names={})[2].repeated_words == 0  # other films do not count


def test_repeated_four_grams_and_time_order():
    texts = ["he opens the door slowly", "he opens the door again", ""]
    result = repetition(texts, texts, last_k=1)
    assert result["repeated_4grams"] == pytest.approx(100 / 4) == result["reference_repeated_4grams"]
    assert result["n_empty"] == 1 and result["lags"] == [2]
    # In time order the silent one stands between the two.
    assert repetition(texts, None, None, [0.0, 2.0, 1.0], last_k=1)["repeated_4grams"] == 0.0
    assert repetition(["", None])["repeated_words"] is None


def test_windows_for_scoring():
    assert scoring_windows(5, 2) == [([0, 1], [0, 1]), ([2, 3], [2, 3]), ([3, 4], [4])]
    assert scoring_windows(1, 4) == [([0], [0])] and scoring_windows(0, 4) == []


def test_distinctive_words_by_hand():
    true = ["Mara lifts a red cup.", "Mara lifts a ball."]
    told = ["Mara lifts the cup.", "Otto lifts a ball gently."]
    result = distinctiveness(told, true, names={"all": ["Mara", "Otto"]}, window=2)
    # Truths: {red, cup}, {ball}; told of them: cup, ball. Own words told: {cup}, {ball, gently}; right: cup, ball.
    assert (result["recall"], result["precision"]) == (pytest.approx(200 / 3), pytest.approx(200 / 3))
    assert (result["n_words"], result["n_predicted_words"]) == (3, 3) and result["f1"] == pytest.approx(200 / 3)
    assert distinctiveness(["", None], true)["recall"] == 0.0


def test_names_by_hand():
    table = name_table(["Graham Hess", "Merrill Hess", "Dr. Ray Reddy", "Bo (as Rory)"])
    assert named("GRAHAM waves to Merrill's dog and dr. Reddy; bo sleeps.", table) == {
        "Graham Hess", "Merrill Hess", "Dr. Ray Reddy",
    }  # fmt: skip
    assert named("Hess looks at a ray of light.", table) == set()  # two Hesses; a ray is no Ray
    casts = {"f": ["Mara", "Otto", "Zoë"]}
    told, true = ["Mara waves.", "Zoe\u0308 and Otto.", "Mara."], ["Mara waves.", "Otto runs.", "He runs."]
    result = name_accuracy(told, true, ["f"] * 3, casts)
    assert (result["recall"], result["precision"], result["f1"]) == (100.0, 50.0, pytest.approx(200 / 3))
    assert (result["accuracy"], result["n_named"]) == (50.0, 2)


def test_names_without_a_cast_are_capitalised_words_of_the_truth():
    true = ["Now Lisa smiles.", "Lisa and George sit."]
    assert name_accuracy(["Lisa nods.", "George sits."], true)["recall"] == pytest.approx(200 / 3)
    assert name_accuracy(["Peter nods.", "Now."], true)["precision"] == 0.0


def test_length_by_hand():
    assert [count_words(t) for t in ("He's re-tying it – twice!", "...", None)] == [4, 0, 0]
    result = lengths(["one two", ""], ["one two three", "four"], [1.0, 3.0])
    assert (result["length_ratio"], result["words_per_second"], result["reference_words_per_second"]) == (0.5, 0.5, 1.0)
    assert lengths(["a"], ["b"])["words_per_second"] is None
    with pytest.raises(ValueError, match="no length"):
        lengths(["a"], ["b"], [-1.0])


def every_metric(told, true, films, times):
    """All metrics that need neither encoder nor Java, each as one number that should be high."""
    casts = {film: ["Mara", "Otto"] for film in set(films)}
    return {
        "cider": cider(told, true)["cider"],
        "rouge_l": rouge_l(told, true)["rouge_l"],
        "bleu": bleu(told, true)["bleu_2"],
        "distinctiveness": distinctiveness(told, true, films, times, 4)["f1"],
        "names": name_accuracy(told, true, films, casts)["f1"],
        "critic": critic(told, true, films, casts, times)["critic"],
    }


@pytest.fixture(scope="module")
def drawn():
    rng = random.Random(7)
    true = [" ".join(rng.sample(WORDS, rng.randrange(4, 10))) for _ in range(120)]
    films = [f"film {i // 30}" for i in range(120)]
    return true, films, [float(i) for i in range(120)]


def test_worse_predictions_score_worse(drawn):
    true, films, times = drawn
    rng = random.Random(1)
    shuffled = [t for f in sorted(set(films)) for t in rng.sample(true[30 * int(f[-1]) : 30 * int(f[-1]) + 30], 30)]
    truncated = [" ".join(text.split()[:3]) for text in true]
    turned = [" ".join(text.split()[::-1]) for text in true]
    perfect, cut = every_metric(true, true, films, times), every_metric(truncated, true, films, times)
    dealt = every_metric(shuffled, true, films, times)
    back = every_metric(turned, true, films, times)
    for name, value in perfect.items():
        assert value > dealt[name], name
        assert value > cut[name], name
    assert all(perfect[name] > back[name] for name in ("cider", "rouge_l", "bleu")) and back["cider"] > dealt["cider"]
    assert perfect["distinctiveness"] == back["distinctiveness"] == 100.0  # bags of words
    assert all(cut[name] > dealt[name] for name in ("cider", "rouge_l"))


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


def test_ten_thousand_odd_texts_never_crash():
    rng = random.Random(11)
    odd_ones = [
        "",
        " ",
        "\U0001f600",
        "\ud800",
        "\x00",
        "|||",
        "'",
        "-",
        "\u0301",
        "\ufb01",
        "\u0130",
        "\xdf",
        "\u202e",
    ]
    alphabet = [*WORDS, *BREAKS, *odd_ones, "nan", "None", "'s", "," * 40, "x" * 500]

    def odd() -> str | None:
        return None if rng.random() < 0.02 else rng.choice(["", " "]).join(rng.choices(alphabet, k=rng.randrange(0, 8)))

    told, true = [odd() for _ in range(10_000)], [odd() or "" for _ in range(10_000)]
    films, times = [f"film {rng.randrange(50)}" for _ in told], [rng.random() for _ in told]
    for name, value in every_metric(told, true, films, times).items():
        assert 0 <= value <= 1001, name
    assert 0 <= repetition(told, true, films, times)["repeated_words"] <= 100
    assert lengths(told, true, times)["n_scored"] == 10_000


def test_refusals():
    with pytest.raises(ValueError, match="last_k is 0"):
        repetition(["a"], last_k=0)
    with pytest.raises(ValueError, match="window is 1"):
        distinctiveness(["a"], ["a"], window=1)
    with pytest.raises(ValueError, match="2 references for 1"):
        name_accuracy(["a"], ["a", "b"])
    for metric in (repetition, distinctiveness, name_accuracy, lengths):
        with pytest.raises(ValueError, match="no predictions"):
            metric([], [])


def test_the_words_are_those_of_the_training():
    from datasets_scripts.words import distinctive_words as trained
    from evaluate_metrics.distinctiveness.words import distinctive_words as scored

    texts = ["Mara's t-shirt\u2028is red.", "It’s Mara; the coat is blue."]
    assert trained(texts, ["Mara"]) == scored(texts, ["Mara"])
