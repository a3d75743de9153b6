"""When a person may be named: the "after-reveal" profile of descriptions.

A name is given only after the film has given it: from the first line of dialogue that holds it on. Before that a
person is "someone", or who the cast's own words say ("a woman in a green coat", then "the woman in a green coat"),
and the first naming says whom it means. Studios' guides ask for this; the default profile ("early") names people at
once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from datasets_scripts.words import words
from distinctad.subtitles import Speech

Naming = Literal["early", "after-reveal"]


def reveals(names: Iterable[str], speech: Sequence[Speech]) -> dict[str, float]:
    """Find when dialogue gives each name away.

    Args:
        names: of the cast.
        speech: the lines with their words, in any order.

    Returns:
        For each name the end, in seconds, of the first line that holds its first word; infinity if none does.
    """
    lines = sorted(speech, key=lambda line: line.start_s)
    found = {}
    for name in names:
        first = next(iter(words(name)), "")
        found[name] = next((line.end_s for line in lines if first and first in words(line.text)), math.inf)
    return found


def introduce(
    texts: Sequence[str],
    times_s: Sequence[float],
    known_from_s: Mapping[str, float],
    looks: Mapping[str, str] | None = None,
) -> list[str]:
    """Take names out of descriptions that come before they are known.

    Args:
        texts: descriptions in order of time.
        times_s: when each starts.
        known_from_s: for each name since when the film's audience knows it.
        looks: for a name what is seen ("a woman in a green coat"); without it a person is "someone".

    Returns:
        The texts. With a look the first mention is "a woman ...", later ones "the woman ...", and the first naming
        "a woman ..., Mara," if nothing was said of her before, else "the woman ..., Mara,".
    """
    looks = looks or {}
    shown: set[str] = set()
    named: set[str] = set()
    told = []
    for text, time_s in zip(texts, times_s, strict=True):
        for name in sorted(known_from_s, key=len, reverse=True):
            pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
            if not pattern.search(text):
                continue
            look = looks.get(name, "")
            if time_s < known_from_s[name]:
                text = _instead(text, pattern, look, name in shown)
                shown.add(name)
            elif look and name not in named and math.isfinite(known_from_s[name]) and known_from_s[name] > 0:
                who = _definite(look) if name in shown else look
                text = _capital(pattern.sub(lambda match, who=who: f"{who}, {match.group()},", text, count=1))  # type: ignore[misc]
                text = re.sub(r",(?=[.!?,])", "", text)
                shown.add(name)
                named.add(name)
        told.append(text)
    return told


def _instead(text: str, pattern: re.Pattern[str], look: str, seen: bool) -> str:
    who = look if look and not seen else _definite(look) if look else "someone"
    text = pattern.sub(lambda match: who, text, count=1)
    return _capital(pattern.sub(lambda match: _definite(look) if look else "someone", text))


def _definite(look: str) -> str:
    return re.sub(r"^(?:an?|one)\s+", "the ", look)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
