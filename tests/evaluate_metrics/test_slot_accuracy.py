"""Slots: reading by hand-written cases and by the pocket language, figures, chance, intervals."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from datasets_scripts.pocket import language, world
from evaluate_metrics.slot_accuracy.bootstrap import film_interval
from evaluate_metrics.slot_accuracy.slot_figures import slot_accuracy, table_fingerprint
from evaluate_metrics.slot_accuracy.slots import slots_of

NAMES = ["Mara", "José", "Rose", "Anne", "Anne-Marie", "Otto"]
TABLE = {
    "action": {
        "pick_up": ["picks up {object}", "gathers {object} up"],
        "pick": ["picks {object}"],
        "lift": ["raises {object} high"],
        "shake": ["shakes {object}"],
        "shake_hands": ["shakes hands with {partner}"],
        "dance": ["dances"],
        "dance_with": ["dances with {partner}"],
        "give": ["gives {object} to {partner}"],
        "high_five": ["high-fives {partner}"],
    },
    "object": {"cup": ["cup", "mug"], "bear": ["teddy bear"], "mirror": ["mirror", "looking glass"]},
    "colour": {"red": ["red", "scarlet"], "blue": ["blue"], "green": ["green"]},
}


@pytest.mark.parametrize(
    ("text", "characters", "action", "object_", "colour"),
    [
        ("Mara picks up a small red cup.", ["Mara"], "pick_up", "cup", "red"),
        ("Mara picks up a big, dusty, scarlet mug.", ["Mara"], "pick_up", "cup", "red"),
        ("Mara quietly picks slowly up the mug", ["Mara"], "pick_up", "cup", None),
        (
            "José's hand gathers the scarlet looking glass up, then Otto's.",
            ["José", "Otto"],
            "pick_up",
            "mirror",
            "red",
        ),
        ("Jose\u0301 dances.", ["José"], "dance", None, None),
        ("A rose by the mirror; ROSE dances!", ["Rose"], "dance", "mirror", None),
        ("Anne-Marie hugs Anne", ["Anne-Marie", "Anne"], None, None, None),
        ("Maras and Annex dance.", [], None, None, None),
        ("Otto shakes hands with Mara", ["Otto", "Mara"], "shake_hands", None, None),
        ("Otto shakes his big old teddy bear", ["Otto"], "shake", "bear", None),
        ("Mara dances with tears in her eyes", ["Mara"], "dance", None, None),
        ("Mara dances with her eyes shut", ["Mara"], "dance", None, None),
        ("Mara dances with her.", ["Mara"], "dance_with", None, None),
        ("Mara dances with another man", ["Mara"], "dance_with", None, None),
        ("Mara dances with Otto", ["Mara", "Otto"], "dance_with", None, None),
        ("He gives the old blue cup to José.", ["José"], "give", "cup", "blue"),
        ("He picks up the thing", [], "pick_up", None, None),
        ("By the mirror he gives a cup to her.", [], "give", "cup", None),
        ("In red, by the green mirror, she raises a blue mug high.", [], "lift", "cup", "blue"),
        ("She high-fives him", [], "high_five", None, None),
        ("Red light falls.", [], None, None, "red"),
        ("Picks  UP\u2028the CUP", [], "pick_up", "cup", None),
        ("The cupboard and the redwood", [], None, None, None),
        ("", [], None, None, None),
        (None, [], None, None, None),
    ],
)
def test_reading(text, characters, action, object_, colour):
    expected = {"characters": characters, "action": action, "object": object_, "colour": colour}
    assert slots_of(text, NAMES, TABLE) == expected


def test_reading_a_very_long_text():
    assert slots_of("and so on " * 20_000 + "Mara picks up a cup", NAMES, TABLE)["action"] == "pick_up"


def test_a_table_without_a_slot_is_refused():
    with pytest.raises(ValueError, match="no colour"):
        slots_of("a", [], {"action": {"a": ["b"]}, "object": {"a": ["b"]}})


def published_table() -> dict:
    path = Path(__file__).resolve().parents[2] / "evaluate_metrics" / "slot_accuracy" / "synonyms.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_published_phrase_reads_as_its_own_value():
    table = published_table()
    for key, phrases in table["action"].items():
        for phrase in phrases:
            text = "Mara " + phrase.format(object="the scarlet mug", partner="Otto")
            told = slots_of(text, NAMES, table)
            assert told["action"] == key, text
            assert told["object"] == ("cup" if "{object}" in phrase else None), text
    for slot in ("object", "colour"):
        for key, phrases in table[slot].items():
            for phrase in phrases:
                assert slots_of(f"Here is the {phrase}.", [], table)[slot] == key


def test_the_pocket_language_is_read_without_error():
    table, rng = published_table(), random.Random(3)
    names, pronouns = ["Mara", "José", "Zoë", "Otto"], ["she", "he", "she", "he"]
    for _ in range(1500):
        action = rng.choice(list(world.ACTIONS.values()))
        thing = rng.choice(world.OBJECTS) if action.takes_object else ""
        colour = rng.choice(list(world.COLOURS)) if thing else ""
        fact = world.Fact(0, action.key, thing, colour, 1 if action.takes_partner else -1)
        also = rng.choice(["", "place", "light", *(["colour"] if thing else [])])
        pronoun = rng.random() < 0.15
        text = language.tell(
            fact, names, pronouns, rng.choice(world.PLACES), rng.choice(world.LIGHTS), also, pronoun, rng
        )
        told = slots_of(text, names, table)
        assert told["action"] == action.key and told["object"] == (thing or None), text
        assert told["colour"] == (colour if also == "colour" else None), text
        named = [*([] if pronoun else names[:1]), *(names[1:2] if action.takes_partner else [])]
        assert told["characters"] == named, text


def truth(film="f", character="Mara", action="pick_up", object_="cup", colour="red", text="Mara picks up a red cup."):
    return {"film": film, "character": character, "action": action, "object": object_, "colour": colour, "text": text}


CASTS = {"f": ["Mara", "Otto"], "g": ["Mara", "Otto", "José", "Rose"]}


def test_figures_by_hand():
    truths = [
        truth(),
        truth("g", "José", "dance", "", "", "He dances."),
        truth("g", "Rose", "shake", "bear", "blue", "Rose shakes a teddy bear."),
        truth("g", "Rose", "pick_up", "cup", "green", "Rose picks up a green cup."),
    ]
    predictions = ["Mara picks up a scarlet mug", "Otto dances with José", "Rose, blue, picks up a bear", ""]
    result = slot_accuracy(predictions, truths, CASTS, TABLE)
    assert (result["n_expected"], result["n_scored"], result["n_empty"], result["n_films"]) == (4, 4, 1, 2)
    # first named: right, wrong (Otto), right, wrong (nothing); chance (1/2 + 3 * 1/4) / 4
    assert result["character"]["accuracy"] == 50.0 and result["character"]["chance"] == pytest.approx(31.25)
    # anywhere: names told 1, 2, 1, 0 of casts 2, 4, 4, 4
    assert result["character_any"]["accuracy"] == 75.0
    assert result["character_any"]["chance"] == pytest.approx(100 * (1 / 2 + 2 / 4 + 1 / 4 + 0) / 4)
    # the truth "He dances." names nobody
    assert (result["character_named"]["n"], result["character_named"]["accuracy"]) == (3, pytest.approx(200 / 3))
    # dance_with is not dance; two of four true actions are pick_up
    assert result["action"]["accuracy"] == 25.0 and result["action"]["chance_constant"] == 50.0
    assert result["action"]["chance_uniform"] == pytest.approx(100 / 9) and result["action"]["chance"] == 50.0
    # three truths have an object: cup right, "a bear" is no "teddy bear", silence
    assert (result["object"]["n"], result["object"]["accuracy"]) == (3, pytest.approx(100 / 3))
    # the third truth's blue is not told by its text
    assert (result["colour"]["n"], result["colour"]["accuracy"], result["colour"]["chance"]) == (2, 50.0, 50.0)
    assert result["signature"]["synonyms_sha256"] == table_fingerprint(TABLE)


def test_one_film_has_no_interval_and_an_absent_slot_no_value():
    result = slot_accuracy(["Otto dances"], [truth(object_="", colour="", action="dance")], CASTS, TABLE)
    assert result["action"]["lower"] is None and result["action"]["lower_over_chance"] is None
    assert result["object"] == {
        "n": 0, "n_films": 0, "accuracy": None, "lower": None, "upper": None, "lower_over_chance": None,
        "chance": None, "chance_uniform": None, "chance_constant": None,
    }  # fmt: skip


def test_the_constant_of_people_is_told_beside_their_chance():
    rows = [{"film": f, "text": "", "character": who} for f in "ab" for who in ["Mara"] * 9 + ["Otto"]]
    found = slot_accuracy(["Mara."] * 20, rows, {f: ["Mara", "Otto", "Zoë"] for f in "ab"}, TABLE)["character"]
    assert (found["accuracy"], found["chance_constant"]) == (90.0, 90.0)
    assert found["chance"] == found["chance_uniform"] == pytest.approx(100 / 3)
    with pytest.raises(ValueError, match="'mara', who is not in the cast"):
        slot_accuracy(["Mara."], [{"film": "a", "character": "mara"}], {"a": ["Mara"]}, TABLE)


def test_refusals():
    with pytest.raises(ValueError, match="2 predictions for 1"):
        slot_accuracy(["a", "b"], [truth()], CASTS, TABLE)
    with pytest.raises(ValueError, match="'h', which has no cast"):
        slot_accuracy(["a"], [truth("h")], CASTS, TABLE)
    with pytest.raises(ValueError, match="action 'fly'"):
        slot_accuracy(["a"], [truth(action="fly")], CASTS, TABLE)
    with pytest.raises(ValueError, match="the cast of film 'f' is 'Mara', expected a list of names; put it into"):
        slot_accuracy(["a"], [truth()], {"f": "Mara"}, TABLE)
    with pytest.raises(ValueError, match="no truths"):
        slot_accuracy([], [], CASTS, TABLE)


def test_intervals_cover_films_not_rows():
    values, films = [0.0] * 50 + [1.0] * 50, ["a"] * 50 + ["b"] * 50
    assert film_interval(values, films) == (0.0, 1.0)  # two films that disagree: anything is possible
    spread = film_interval(values, list(range(100)))
    assert spread is not None and 0.35 < spread[0] < 0.45 and 0.55 < spread[1] < 0.65
    assert film_interval(values, ["a"] * 100) is None


def test_intervals_are_repeatable_and_blind_to_row_order():
    rng = np.random.default_rng(0)
    values, films = rng.random(80), rng.integers(0, 9, 80)
    order = rng.permutation(80)
    assert film_interval(values, films) == film_interval(values[order], films[order])
    assert film_interval(values, films) != film_interval(values, films, seed=1)
    with pytest.raises(ValueError, match="1 values, 2 films"):
        film_interval([1.0], ["a", "b"])


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        values = np.repeat(rng.normal(size=30), 5) + 0.1 * rng.normal(size=150)
        interval = film_interval(values, np.repeat(np.arange(30), 5), resamples=400, seed=trial)
        covered += interval is not None and interval[0] <= 0 <= interval[1]
    assert 0.88 <= covered / 200 <= 0.99
