"""CRITIC: the rules of coreference one by one, their accuracy on the gold set, the score by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluate_metrics.critic import resolver as module
from evaluate_metrics.critic.characters import characters_of, critic
from evaluate_metrics.critic.resolver import name_table, resolve, resolver_accuracy

FOLDER = Path(module.__file__).parent
GOLD = json.loads((FOLDER / "gold.json").read_text(encoding="utf-8"))


def test_the_gold_set_is_sound():
    assert len(GOLD) == 60 and sum(len(entry["ads"]) for entry in GOLD) == 185
    for entry in GOLD:
        for text, people in entry["ads"]:
            assert text.endswith(".") and set(people) <= set(entry["cast"])
    assert sum(not people for entry in GOLD for _, people in entry["ads"]) >= 8


def test_the_stated_accuracy(monkeypatch):
    """The figures of the card; the odd half was kept apart while the rules were written."""
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    whole, apart = resolver_accuracy(resolve, GOLD), resolver_accuracy(resolve, GOLD[1::2])
    for value in (whole["descriptions"], whole["people"], whole["dialogues"], apart["descriptions"], apart["people"]):
        assert f"{value:.1f}" in card
    assert whole["descriptions"] > 97 and apart["descriptions"] > 94 and whole["n"] == 185

    def names_only(ads, cast):
        return [{m.name for m in module.mentions_of(module.pieces_of(ad), name_table(cast))} for ad in ads]

    assert f"{resolver_accuracy(names_only, GOLD)['descriptions']:.1f}" in card
    monkeypatch.setattr(module, "MALE", frozenset())
    monkeypatch.setattr(module, "FEMALE", frozenset())
    assert f"{resolver_accuracy(resolve, GOLD)['descriptions']:.1f}" in card


@pytest.mark.parametrize(
    ("ads", "people"),
    [
        (["Mara waves.", "She sits."], [{"Mara"}, {"Mara"}]),
        (["Mara waves.", "He sits."], [{"Mara"}, set()]),
        (["Mara hugs Otto.", "He smiles at her."], [{"Mara", "Otto"}, {"Mara", "Otto"}]),
        (["As she runs, Mara falls."], [{"Mara"}]),
        (["Otto looks at himself."], [{"Otto"}]),
        (["Mara and Otto dust themselves off."], [{"Mara", "Otto"}]),
        (["Mara and Otto enter.", "They dust themselves off."], [{"Mara", "Otto"}, {"Mara", "Otto"}]),
        (["Mara and Otto dance.", "They bow."], [{"Mara", "Otto"}, {"Mara", "Otto"}]),
        (["A mara grazes.", "It runs."], [set(), set()]),
        (["Mara waves.", *["Rain."] * 6, "She sits."], [{"Mara"}, *[set()] * 7]),
    ],
)
def test_rules(ads, people):
    assert resolve(ads, ["Mara", "Otto"]) == people


def test_themselves_are_those_who_act():
    assert resolve(["Carl sits.", "Anna and Ben dust themselves off."], ["Carl", "Anna", "Ben"])[1] == {"Anna", "Ben"}


def test_names_of_every_spelling():
    """Apostrophes, hyphens, an accent in two code points, brackets; no clause mark and no number is a name."""
    cast = ["Sgt. Pat O\u2019Brien", "Jean-Luc Picard", "Zoe\u0308 (uncredited)", "Agent 47"]
    table = name_table(cast)
    words = {key[0] for key in table if len(key) == 1}
    assert {"o'brien", "jean-luc", "zo\u00eb"} < words and not {".", "47", "uncredited"} & words
    assert resolve(["O'Brien nods to Jean-Luc's dog.", "Zo\u00eb waves.", "It is 47."], cast) == [
        set(cast[:2]), {cast[2]}, set()
    ]  # fmt: skip


def test_whole_names_lead_and_prepositions_are_no_names():
    cast = ["Hansel", "Young Hansel", "Edward", "Edward(voice)", "Girl in Toy Store", "Mr. Lee", "Mrs. Lee"]
    ads = [
        "Hansel runs.",
        "The young Hansel eats.",
        "Edward nods.",
        "In the yard, dust swirls.",
        "Mrs. Lee waves. He nods.",
    ]
    assert resolve(ads, cast) == [{"Hansel"}, {"Young Hansel"}, {"Edward"}, set(), {"Mrs. Lee", "Edward"}]


def test_known_pronouns_lead():
    ads = ["Kim waves.", "He sits."]
    assert resolve(ads, ["Kim"]) == [{"Kim"}, set()]
    assert resolve(ads, ["Kim"], {"Kim": "he"}) == [{"Kim"}, {"Kim"}]
    assert resolve(["Xyla waves.", "He sits.", "She sits."], ["Xyla"]) == [{"Xyla"}, {"Xyla"}, set()]


def test_score_by_hand():
    casts = {"f": ["Mara", "Otto"]}
    told = ["Mara waves.", "Otto sits.", "Mara runs.", ""]
    true = ["Mara waves.", "Mara and Otto sit.", "Rain falls.", "They run."]
    result = critic(told, true, ["f"] * 4, casts)
    assert result["critic"] == pytest.approx(100 * (1 + 0.5 + 0) / 3)
    assert (result["n_with_character"], result["n_invented"], result["n_empty"], result["n_scored"]) == (3, 1, 1, 4)
    assert result["signature"]["coreference"] == "rules v4"


def test_time_order_and_another_resolver():
    casts = {"f": ["Mara"], "g": []}
    found = characters_of(["She sits.", "Mara waves.", "Mara."], ["f", "f", "g"], casts, [2.0, 1.0, 0.0])
    assert found == [{"Mara"}, {"Mara"}, set()]

    def nobody(ads, cast):
        return [set() for _ in ads]

    assert critic(["Mara."], ["Mara."], ["f"], casts, resolver=nobody)["critic"] is None
    assert critic(["Mara."], ["Mara."], ["f"], casts, resolver=nobody)["signature"]["coreference"] == "nobody"


def test_refusals():
    with pytest.raises(ValueError, match="film 'x' has no cast"):
        critic(["a"], ["a"], ["x"], {})
    with pytest.raises(ValueError, match="gave 0 sets for 1"):
        critic(["a"], ["a"], ["x"], {"x": []}, resolver=lambda ads, cast: [])
    with pytest.raises(ValueError, match="no predictions"):
        critic([], [], [], {})
