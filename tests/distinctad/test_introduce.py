from __future__ import annotations

from math import inf

import pytest

from datasets_scripts.words import words
from distinctad.introduce import _forms, introduce, reveals
from distinctad.subtitles import Speech
from evaluate_metrics.name_accuracy.people import people_table


@pytest.mark.parametrize(
    ("name", "line", "heard"),
    [
        ("Mr. Smith", "Mr. Jones, I will wait for the bus.", False),
        ("Will", "Mr. Jones, I will wait for the bus.", False),
        ("The Captain", "Mr. Jones, I will wait for the bus.", False),
        ("Mr. Smith", "Mr. Smith?", True),
        ("Mr. Smith", "Smith is here.", True),
        ("The Captain", "Yes, Captain!", True),
        ("Dr. Ellie Sattler", "Sattler!", True),
        ("Will", "Will you come?", False),
        ("Will", "Will, come!", True),
        ("Will", "I WILL COME.", False),  # capitals only tell nothing
        ("Grant", "They grant it.", False),
        ("Mara Lund", "HELLO, MARA!", True),
        ("Mara", "hello mara", True),  # a file without capitals
        ("Mara", "MARA: Come in.", False),
        ("Mara", "Mara: Come in.", False),
        ("Mara", "[MARA] Come in.", False),
        ("Mara", "(Mara) Come in.", False),
        ("Mara", "- Hello. - MARA (off): Come in.", False),
        ("Mara", "TOM: Come in, Mara.", True),
        ("Mara", "That is Mara's hat.", True),
    ],
)
def test_what_gives_a_name_away(name: str, line: str, heard: bool) -> None:
    assert reveals([name], [Speech(1.0, 2.0, line)]) == {name: 2.0 if heard else inf}


def test_a_shared_word_gives_nobody_away() -> None:
    known = reveals(["Mara Lund", "Tom Lund"], [Speech(1.0, 2.0, "Lund!"), Speech(3.0, 4.0, "Tom!")])
    assert known == {"Mara Lund": inf, "Tom Lund": 4.0}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("Ellie Sattler", "Ellie runs.", "Someone runs."),
        ("Ellie Sattler", "Tom sees Dr. Sattler and Ellie Sattler.", "Tom sees someone and someone."),
        ("Mara", "He sits. Mara runs! Mara falls? Mara waits.", "He sits. Someone runs! Someone falls? Someone waits."),
        ("Mara", "in the hall Mara waits.", "in the hall someone waits."),
        ("Grant", "Dr. Grant runs.", "Someone runs."),
        ("Grant", "She sees Mr. Grant, Miss Grant and Sir Grant.", "She sees someone, someone and someone."),
        ("Grant", "They grant it.", "They grant it."),
        ("The Captain", "The Captain nods at the Captain.", "Someone nods at someone."),
        ("Captain Lee", "The Captain nods.", "Someone nods."),
        ("Mara", "Mara's dog bites Mara\u2019s hat.", "Someone's dog bites someone's hat."),
        ("James", "James' dog bites James.", "Someone's dog bites someone."),
        ("Will", "Will will fall.", "Someone will fall."),
        ("Mara Lund", "He sees Mara. Lund is a town.", "He sees someone. Someone is a town."),
        ("Mara", "Marathon runners wait.", "Marathon runners wait."),
    ],
)
def test_what_hides_a_name(name: str, text: str, told: str) -> None:
    assert introduce([text], [1.0], {name: inf}) == [told]
    assert introduce([text], [1.0], {name: 0.0}) == [text]


def test_the_longest_name_leads() -> None:
    known = {"Rebecca": 0.0, "Rebecca's Mom": inf}
    assert introduce(["Rebecca's Mom hugs Rebecca."], [1.0], known) == ["Someone hugs Rebecca."]


@pytest.mark.parametrize(
    "cast",
    [
        ["Mr. Smith", "Mrs. Smith", "Will", "The Captain"],
        ["Dr. Ellie Sattler", "Grant", "Young Hansel", "Hansel", "It"],
        ["Rebecca", "Rebecca's Mom", "Girl in Toy Store", "Guard 2", "Mara Lund", "Tom Lund", "May", "..."],
    ],
)
def test_names_are_those_that_the_metric_counts(cast: list[str]) -> None:
    assert _forms(cast) == people_table({name: words(name) for name in cast})


@pytest.mark.parametrize("more", ["- ", ">>", "[", "("])
def test_marks_of_who_speaks_are_read_once(more: str) -> None:
    assert reveals(["Mara"], [Speech(1.0, 2.0, f"Hello, Mara. {more * 200_000}")]) == {"Mara": 2.0}


def test_what_stands_before_a_name_is_not_read_from_the_start_for_each() -> None:
    asked = [Speech(1.0, 2.0, "Will you? " * 12_000), Speech(3.0, 4.0, "Oh. Will you? I will, Will.")]
    assert reveals(["Will"], asked) == {"Will": 4.0}
    text = "Will sits. " * 30 + "Tom sees Will."
    assert introduce([text], [1.0], {"Will": inf}) == [text.replace("Will s", "Someone s").replace("Will", "someone")]
