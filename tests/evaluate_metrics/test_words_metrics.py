"""Repetition, distinctiveness, name accuracy and length, by hand."""

from __future__ import annotations

import pytest

from evaluate_metrics.critic.characters import critic
from evaluate_metrics.distinctiveness.distinctive import distinctiveness, scoring_windows
from evaluate_metrics.length.lengths import count_words, lengths
from evaluate_metrics.name_accuracy.named import name_accuracy, name_table, named
from evaluate_metrics.repetition.repeats import repeats, repetition


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


def test_a_cast_without_names_is_no_reason_to_guess():
    """An empty cast says that there are no names: then what has a capital inside a sentence is a word like others."""
    true = ["On the wall hangs Guernica.", "He nods."]
    assert distinctiveness(true, true, names={"all": []}, window=2)["n_words"] == 4  # wall, hangs, guernica; nods
    assert distinctiveness(true, true, window=2)["n_words"] == 3
    assert repetition([true[0]] * 2, names={"all": []}, last_k=1)["lags"] == [3]


def test_the_signature_says_whose_names_were_given():
    texts, films = ["Mara waves.", "Otto sits."], ["f", 7]
    for names, said in (
        (None, "capitalised words"), ({}, "capitalised words"), ({"g": ["Mara"]}, "capitalised words"),
        ({7: ["Otto"]}, "given for 1 of 2 films, else capitalised words"), ({"f": [], "7": [], "g": []}, "given"),
    ):  # fmt: skip
        for metric in (repetition, distinctiveness):
            assert metric(texts, texts, films, names=names)["signature"]["names"] == said


def test_films_may_be_numbers():
    """A film's key is its text, in the casts as in the rows."""
    texts, films, cast = ["Mara waves.", "Mara waves."], [7, 7], {7: ["Mara"]}
    assert repetition(texts, films=films, names=cast, last_k=1)["lags"] == [1]
    assert distinctiveness(texts[:1] * 2, ["Mara waves.", "It snows."], films, names=cast)["n_words"] == 2
    assert name_accuracy(["mara Mara waves."], ["Mara waves."], [7], cast)["recall"] == 100.0
    assert critic(texts, texts, films, cast)["critic"] == 100.0


def test_a_time_that_is_no_number_is_refused():
    nan, texts, films = float("nan"), ["a", "b"], ["f", "f"]
    for run in (
        lambda: repetition(texts, times_s=[0.0, nan]), lambda: distinctiveness(texts, texts, times_s=[0.0, nan]),
        lambda: critic(texts, texts, films, {"f": []}, [0.0, nan]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="no time, expected seconds"):
            run()


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


def test_a_whole_name_counts_whoever_shares_its_words():
    table = name_table(["Hansel", "Young Hansel", "Rebecca", "Rebecca's Mom", "Mr. Lee", "Mrs. Lee", "The Stranger"])
    for text, people in (
        ("Hansel runs.", {"Hansel"}), ("The young Hansel and Hansel.", {"Young Hansel", "Hansel"}),
        ("Rebecca\u2019s Mom waves to Rebecca.", {"Rebecca's Mom", "Rebecca"}), ("Rebecca's mom waves.", {"Rebecca"}),
        ("Mrs. Lee, then Mr Lee.", {"Mrs. Lee", "Mr. Lee"}), ("Lee nods.", set()), ("Young men run.", set()),
        ("The stranger waits.", set()), ("The Stranger waits.", {"The Stranger"}), ("", set()),
    ):  # fmt: skip
        assert named(text, table) == people, text
    table = name_table(["Will", "An", "It", "Girl in Toy Store", "Agent 47", "\u0930\u093e\u092e"])
    assert named("Will runs. An owl hoots. It rains. In the yard. It is 47.", table) == {"Will"}
    assert named("A Girl in Toy Store waves to Agent 47.", table) == {"Girl in Toy Store", "Agent 47"}
    assert named("\u0930\u093e\u092e", table) == {"\u0930\u093e\u092e"}  # a script without capitals
    texts, cast = ["Hansel and Gretel run.", "Young Gretel sits."], ["Hansel", "Young Hansel", "Gretel", "Young Gretel"]
    perfect = name_accuracy(texts, texts, casts={"all": cast})
    assert (perfect["recall"], perfect["accuracy"], perfect["n_named"]) == (100.0, 100.0, 2)


def test_closed_class_words_are_no_names_without_a_cast():
    true = ["Outside The Ritz, Lisa waits.", "Dr. Mr. We see Someone."]
    result = name_accuracy(["The man looks at her. We wait. Someone runs. Mr. X."] * 2, true)
    assert (result["n_named"], result["precision"], result["recall"]) == (1, 0.0, 0.0)
    told = name_accuracy(["a"], ["Lisa."], ["f"], {"f": ["Lisa"], "g": []})["signature"]["names"]
    mixed = name_accuracy(["a", "b"], ["Lisa.", "Otto."], ["f", "h"], {"f": ["Lisa"]})["signature"]["names"]
    assert told == "casts" and mixed.startswith("casts of 1 of 2 films")


def test_names_without_a_cast_are_capitalised_words_of_the_truth():
    true = ["Now Lisa smiles.", "Lisa and George sit."]
    assert name_accuracy(["Lisa nods.", "George sits."], true)["recall"] == pytest.approx(200 / 3)
    assert name_accuracy(["Peter nods.", "Now."], true)["precision"] == 0.0


def test_the_letter_case_of_predictions_does_not_say_which_words_count():
    true = ["Now Lisa smiles warmly.", "Then Lisa and George sit.", "A dog barks."]
    found = [distinctiveness([change(t) for t in true], true) for change in (str, str.lower, str.upper, str.title)]
    assert len({(r["n_words"], r["recall"]) for r in found}) == 1 and found[0]["recall"] == 100.0
    told = ["Lisa nods.", "Lisa nods again.", "George nods."]
    again = [repetition([change(t) for t in told], true) for change in (str, str.lower, str.upper)]
    assert len({r["repeated_words"] for r in again}) == 1


def test_columns_are_read_by_place():
    """A column of pandas keeps the labels of its rows when they are sorted."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"t": ["Red dog.", "Blue cat.", "Red dog."], "s": [5.0, 9.0, 1.0], "f": ["x"] * 3})
    table = table.sort_values("s")
    for run in (
        lambda t, f, s: repetition(t, films=f, times_s=s, last_k=1)["repeated_words"],
        lambda t, f, s: distinctiveness(t, t, f, s, window=2)["n_words"],
        lambda t, f, s: critic(t, t, f, {"x": ["Red"]}, s)["critic"],
        lambda t, f, s: name_accuracy(t, t, f)["n_named"],
    ):
        assert run(table.t, table.f, table.s) == run(*(list(table[name]) for name in "tfs"))


def test_length_by_hand():
    assert [count_words(t) for t in ("He's re-tying it – twice!", "...", None)] == [4, 0, 0]
    result = lengths(["one two", ""], ["one two three", "four"], [1.0, 3.0])
    assert (result["length_ratio"], result["words_per_second"], result["reference_words_per_second"]) == (0.5, 0.5, 1.0)
    assert lengths(["a"], ["b"])["words_per_second"] is None
    with pytest.raises(ValueError, match="no length"):
        lengths(["a"], ["b"], [-1.0])


def test_a_cast_that_is_one_text_is_refused():
    """It would be taken letter by letter, and the signature would say that names were given."""
    texts, films, cast = ["Mara waves.", "Otto sits."], ["f", "f"], {"f": "Mara"}
    for run in (
        lambda: name_accuracy(texts, texts, films, cast), lambda: critic(texts, texts, films, cast),
        lambda: distinctiveness(texts, texts, films, names=cast), lambda: repetition(texts, texts, films, names=cast),
        lambda: repetition(texts, None, films, names=cast), lambda: repeats(texts, films, names=cast),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="the cast of film 'f' is 'Mara', expected a list of names; put it into"):
            run()


def test_names_after_titles_are_names_without_a_cast():
    true = ["He sees Mr. Smith.", "She hugs Dr. Malcolm."]
    result = name_accuracy(["Smith nods.", "Mr. Otto."], true)
    assert (result["n_named"], result["recall"], result["precision"]) == (2, 50.0, 100.0)
    assert distinctiveness(true, true, window=2)["n_words"] == 4  # sees, mr; hugs, dr
    assert [metric(true, true)["signature"]["version"] for metric in (name_accuracy, distinctiveness, repetition)] == [
        3, 3, 3,
    ]  # fmt: skip


def test_refusals():
    for metric in (name_accuracy, distinctiveness, repetition):
        with pytest.raises(ValueError, match="1 films for 2 predictions; give one each"):
            metric(["a", "b"], ["a", "b"], ["f"])
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
