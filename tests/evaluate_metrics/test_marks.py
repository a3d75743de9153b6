"""Words of scripts whose vowels and accents are combining marks: no metric may cut them there or drop the marks."""

from __future__ import annotations

from typing import Any

import pytest

from datasets_scripts.words import words
from evaluate_metrics.bleu import bleu_counts
from evaluate_metrics.cider import cider_d
from evaluate_metrics.critic.resolver import pieces_of
from evaluate_metrics.meteor import meteor_jar
from evaluate_metrics.name_accuracy.named import name_accuracy
from evaluate_metrics.rouge_l import rouge_lcs
from evaluate_metrics.spice import spice_jar
from modeling_distinctad import prompt_distinctad

TOKENS = [
    cider_d.tokens,
    rouge_lcs.tokens,
    bleu_counts.tokens,
    lambda text: meteor_jar._line(text).split(" "),
    lambda text: spice_jar._line(text).split(" "),
]
CASES = [
    ("Adébọ́lá runs.", ["adébọ́lá", "runs"]),  # o with dot and acute has no single character
    ("İbrahim sits", ["i\u0307brahim", "sits"]),  # lower case makes two characters of one
    ("लड़का बैठा है।", ["लड\u093cका", "बैठा", "है"]),
    ("เขาวิ่ง", ["เขาวิ่ง"]),
    ("\u2764\ufe0f she runs", ["she", "runs"]),  # a mark without a letter is no word
]


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_word_keeps_its_marks(tokens: Any, text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_the_projects_words_keep_them_too(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert [piece.casefold() for piece in pieces_of(text) if piece != "."] == [
        *map(str.casefold, prompt_distinctad._WORD.findall(text))
    ]


def test_who_differs_by_a_vowel_sign_is_another() -> None:
    assert name_accuracy(["मोर नाचता है"], ["मीरा नाचती है"], ["f"], {"f": ["मीरा"]})["accuracy"] == 0
    assert rouge_lcs.rouge_l(["लड़का बैठा है"], ["लड़की बैठी है"])["rouge_l"] < 50
