"""Which slots an audio description tells: who, doing what, with what, of which colour.

A published table of synonyms lists, for every slot value, its literal phrases in the present tense; action phrases
hold {object} and {partner}. Reading is plain matching on words, so anyone can check a score by hand. Own design; the
rules are in the metric card.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

Table = Mapping[str, Mapping[str, Sequence[str]]]
"""{"action": {key: [phrases]}, "object": {...}, "colour": {...}}; further entries are not read."""

_WORD = r"[^\W_]+"
_LY = r"(?:[^\W_]+ly ){0,2}"  # adverbs may stand between the words of a phrase
# Placeholders: a name of the cast becomes one word that no text holds (letters of a private alphabet).
_NAME_OPEN, _NAME_CLOSE = "name\u02e3", "\u02e3"
_PERSON_NOUNS = "man|woman|boy|girl|friend|other|others|person|child|stranger|partner|colleague|someone|somebody"
_AFTER_HER = r"(?= [.,]| (?:and|as|at|before|by|for|from|in|on|to|while|with|without|once|again|[^\W_]+ly)\b|$)"
_STOPS = re.compile(r"[.;:!?]+")


class _Phrase(NamedTuple):
    """One action phrase: its value, the number of literal words, the first of them, and its two patterns."""

    key: str
    literals: int
    first: str
    strict: re.Pattern[str]  # {object} ends in a noun of the table
    loose: re.Pattern[str]  # {object} is any one to four words


class _Reader(NamedTuple):
    """A table, compiled."""

    phrases: tuple[_Phrase, ...]
    nouns: re.Pattern[str]
    colours: re.Pattern[str]
    noun_keys: dict[str, str]
    colour_keys: dict[str, str]


def _plain(text: str) -> str:
    """Lower-case words with one blank between; clause marks become a lone full stop, commas stand alone."""
    marked = _STOPS.sub(" . ", text.lower()).replace(",", " , ")
    return " ".join(re.sub(r"[^\w.,]+|_", " ", marked).split())


def _alternatives(phrases: Mapping[str, str]) -> str:
    """A pattern of any of the phrases, the longest first."""
    return "|".join(re.escape(p) for p in sorted(phrases, key=lambda p: (-len(p.split()), -len(p), p)))


def _phrase(key: str, phrase: str, nouns: str) -> _Phrase:
    """Compile one action phrase."""
    pieces = re.findall(r"\{object\}|\{partner\}|[^\s{}]+", phrase.lower())
    partner = rf"(?:{_NAME_OPEN}\d+{_NAME_CLOSE}|him|them|her{_AFTER_HER}|(?:{_WORD} ){{0,4}}?(?:{_PERSON_NOUNS}))"
    strict, loose, literals = [], [], []
    for piece in pieces:
        if piece == "{object}":
            strict.append(rf"(?:{_WORD} (?:, )?){{0,4}}?(?P<object>{nouns})")
            loose.append(rf"(?:{_WORD} ){{0,3}}?{_WORD}")
        elif piece == "{partner}":
            strict.append(partner)
            loose.append(partner)
        else:
            for word in _plain(piece).split():
                literals.append(word)
                strict.append(re.escape(word))
                loose.append(re.escape(word))
    patterns = [re.compile(rf"(?<!\w){f' {_LY}'.join(parts)}(?!\w)") for parts in (strict, loose)]
    return _Phrase(key, len(literals), literals[0] if literals else "", *patterns)


@lru_cache(maxsize=8)
def _compiled(frozen: tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...]) -> _Reader:
    table = {slot: dict(values) for slot, values in frozen}
    noun_keys = {_plain(p): key for key, phrases in table["object"].items() for p in phrases}
    colour_keys = {_plain(p): key for key, phrases in table["colour"].items() for p in phrases}
    nouns, colours = _alternatives(noun_keys), _alternatives(colour_keys)
    phrases = tuple(_phrase(key, p, nouns) for key, options in table["action"].items() for p in options)
    return _Reader(
        phrases,
        re.compile(rf"(?<!\w)(?:{nouns})(?!\w)"),
        re.compile(rf"(?<!\w)(?:{colours})(?!\w)"),
        noun_keys,
        colour_keys,
    )


def _reader(table: Table) -> _Reader:
    missing = [slot for slot in ("action", "object", "colour") if not table.get(slot)]
    if missing:
        raise ValueError(f"the synonym table has no {', '.join(missing)}, expected action, object, colour; add them")
    frozen = tuple(
        (slot, tuple((key, tuple(phrases)) for key, phrases in table[slot].items()))
        for slot in ("action", "object", "colour")
    )
    return _compiled(frozen)


def _mark_names(text: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """Replace names by placeholders; return the new text and the names in the order of first mention."""
    spelled = {unicodedata.normalize("NFC", name).strip(): name for name in names}
    spelled.pop("", None)
    if not spelled:
        return text, []
    ordered = sorted(spelled, key=lambda name: (-len(name), name))
    # The first letter keeps its case ("Rose" is not "rose"); the rest may be shouted.
    options = "|".join(f"({re.escape(name[0])}(?i:{re.escape(name[1:])}))" for name in ordered)
    pattern = re.compile(rf"(?<!\w)(?<!\w-)(?:{options})(?!-?\w)")
    told: list[str] = []

    def place(match: re.Match[str]) -> str:
        index = int(match.lastindex or 1) - 1
        name = spelled[ordered[index]]
        if name not in told:
            told.append(name)
        return f" {_NAME_OPEN}{index}{_NAME_CLOSE} "

    return pattern.sub(place, text), told


def _find_action(text: str, reader: _Reader) -> tuple[str | None, re.Match[str] | None]:
    """The action whose phrase has the most literal words; then a known object, then the earliest, then in table order.

    Returns:
        The key and the match, whose group "object" (if any) is the told noun.
    """
    words = set(text.split())
    best: tuple[tuple[int, int, int], str, re.Match[str]] | None = None
    for phrase in reader.phrases:
        if phrase.first not in words:
            continue
        strict = phrase.strict.search(text)
        match = strict or phrase.loose.search(text)
        if match is None:
            continue
        rank = (phrase.literals, int(strict is not None), -match.start())
        if best is None or rank > best[0]:
            best = (rank, phrase.key, match)
    return (best[1], best[2]) if best else (None, None)


def slots_of(text: str | None, names: Sequence[str], table: Table) -> dict[str, Any]:
    """Read the slots that a text tells.

    Args:
        text: one audio description; None and NaN are empty ones.
        names: the cast's names; whole words, possessives included; the case of the first letter counts.
        table: the synonym table.

    Returns:
        `characters` (names in the order of first mention), `action`, `object`, `colour` (a key of the table or None).
        The object is the noun in the action's {object} place, else the first noun; the colour is the last one of
        the up to four words before that noun, else the first in the text.

    Raises:
        ValueError: if the table lacks a slot.
    """
    reader = _reader(table)
    composed = unicodedata.normalize("NFC", text if isinstance(text, str) else "").replace("\u2019", "'")
    marked, characters = _mark_names(composed, names)
    plain = _plain(marked)
    action, match = _find_action(plain, reader)
    noun: tuple[int, int] | None = None
    if match is not None and "object" in match.re.groupindex and match.group("object"):
        noun = match.span("object")
    elif (first := reader.nouns.search(plain)) is not None:
        noun = first.span()
    colour = reader.colours.search(plain)
    if noun is not None:
        lead = " ".join([word for word in plain[: noun[0]].split() if word != ","][-4:])
        for nearer in reader.colours.finditer(lead):
            colour = nearer
    return {
        "characters": characters,
        "action": action,
        "object": reader.noun_keys[plain[noun[0] : noun[1]]] if noun else None,
        "colour": reader.colour_keys[colour.group()] if colour else None,
    }
