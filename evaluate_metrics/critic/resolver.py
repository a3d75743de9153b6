"""A small, rule-based reading of who is in each description: names, and the pronouns that stand for them.

Own design, documented rule by rule, in place of a neural coreference model: it needs nothing but the names of the cast,
gives the same answer everywhere, and can be replaced (`Resolver`). How often it is right on a hand-written gold set
stands in the metric card.

1. A name of the cast, or a word of it that no one else of the cast has, beginning with a capital, is that person
   (`people.py` has the details).
2. he, him, his, himself stand for one man, she, her, hers, herself for one woman. A person's pronoun is given, or
   told by a title, or by a common first name, or by the pronouns of descriptions that name no one else, or unknown; a
   person of unknown pronoun may be either and keeps the first pronoun that fell on them.
3. A pronoun in a leading clause ("As she reads, Jeannie cries") is the first person named after it that fits.
4. A subject pronoun is the person who acted last and fits, in this description or one of the last `MEMORY`.
5. An object pronoun is never the subject of its own clause; himself and herself always are.
6. A possessive is the subject of its clause if that fits, else as in rule 4.
7. they, them, their are the last people named together (two or more in one description), without the subject of
   the clause; themselves are all who are in the description so far; each other and one another add no one.
8. it, one, "the man" and people without a name are no one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .first_names import FEMALE, MALE
from .people import Table, people_in, people_table
from .words import MARKS, is_capital

Resolver = Callable[[Sequence[str], Sequence[str]], list[set[str]]]
"""(descriptions of one film in order, names of its cast) -> the people in each description."""

MEMORY = 5  # descriptions back that a pronoun may reach
PRONOUNS = {
    **dict.fromkeys(("he", "him", "his", "himself"), "he"),
    **dict.fromkeys(("she", "her", "hers", "herself"), "she"),
    **dict.fromkeys(("they", "them", "their", "theirs", "themselves"), "they"),
}
SUBJECTS, REFLEXIVES = ("he", "she", "they"), ("himself", "herself", "themselves")
POSSESSIVES = ("his", "hers", "their", "theirs")
TITLES = {"mr": "he", "sir": "he", "lord": "he", "king": "he", "father": "he", "uncle": "he", "mrs": "she", "ms": "she",
          "miss": "she", "lady": "she", "queen": "she", "mother": "she", "aunt": "she"}  # fmt: skip
_LEADS = frozenset("as when while after before once until though because if since".split())
# After "her": these begin something new, so that "her" is an object ("hugs her and ..."), not a possessive.
_AFTER_OBJECT = frozenset(
    """
and or but as at by for from in into on onto off over out past to toward towards up down with while when before after
away back a an the again then who go leave swallow walk run watch from through across behind around aside
""".split()
)
_POINTS = ".;:!?,"
_PIECE = rf"[^\W_](?:[^\W_]|[{MARKS}])*"
_PIECES = re.compile(rf"{_PIECE}(?:['\u2019\-]{_PIECE})*|[{_POINTS}]")
_DEBRIS = re.compile(r"\([^)]*\)?")


class Mention(NamedTuple):
    """A person named in a description, and the number of the piece that the name ends with."""

    place: int
    name: str


def _fold(piece: str) -> str:
    folded = piece.casefold().replace("\u2019", "'")
    return folded[:-2] if folded.endswith("'s") else folded


def name_table(cast: Sequence[str]) -> Table:
    """Which words name whom (rule 1); of names that differ only in brackets the first stands for all."""
    known: dict[str, str] = {}
    for name in cast:
        known.setdefault(" ".join(_DEBRIS.sub(" ", name).split()), name)
    return people_table({name: [_fold(p) for p in pieces_of(bare) if p not in _POINTS] for bare, name in known.items()})


def pieces_of(text: str) -> list[str]:
    """Words and clause marks of a description, as written."""
    return _PIECES.findall(unicodedata.normalize("NFKC", text))


def mentions_of(pieces: Sequence[str], table: Table) -> list[Mention]:
    """The people named, in order; neighbouring words of one name are one mention."""
    places = [place for place, piece in enumerate(pieces) if piece not in _POINTS]
    cased = [(_fold(pieces[place]), is_capital(pieces[place])) for place in places]
    found: list[Mention] = []
    for first, end, name in people_in(cased, table):
        if found and found[-1].name == name and found[-1].place == places[first] - 1:
            found.pop()
        found.append(Mention(places[end - 1], name))
    return found


def pronouns_of(ads: Sequence[str], cast: Sequence[str], table: Table) -> dict[str, str]:
    """Each person's pronoun, as far as it can be known (rule 2): {name: "he" or "she"}."""
    known: dict[str, str] = {}
    votes: dict[str, Counter[str]] = {}
    for ad in ads:
        pieces = pieces_of(ad)
        named = {mention.name for mention in mentions_of(pieces, table)}
        told = {PRONOUNS[_fold(p)] for p in pieces if _fold(p) in PRONOUNS} - {"they"}
        if len(named) == len(told) == 1:
            votes.setdefault(named.pop(), Counter()).update(told)
    for name in cast:
        parts = [_fold(piece) for piece in pieces_of(name)]
        title = next((TITLES[part] for part in parts if part in TITLES), None)
        first = next((part for part in parts if part in MALE or part in FEMALE), None)
        if title is not None:
            known[name] = title
        elif first is not None:
            known[name] = "he" if first in MALE else "she"
        elif name in votes and len(votes[name]) == 1:
            known[name] = next(iter(votes[name]))
    return known


class _Reader:
    """What is remembered while the descriptions of a film are read in order."""

    def __init__(self, table: Table, pronouns: dict[str, str]) -> None:
        self.table = table
        self.pronouns = dict(pronouns)
        self.now = 0
        self.acted: dict[str, tuple[int, int]] = {}  # when someone was last a subject: (description, place)
        self.seen: dict[str, tuple[int, int]] = {}  # when someone was last in a description at all
        self.group: tuple[int, list[str]] = (-MEMORY - 1, [])

    def fits(self, name: str, pronoun: str) -> bool:
        return self.pronouns.get(name, pronoun) == pronoun

    def note(self, name: str, place: int, subject: bool) -> None:
        self.seen[name] = (self.now, place)
        if subject:
            self.acted[name] = (self.now, place)

    def latest(self, pronoun: str, without: set[str]) -> str | None:
        """Who acted last and fits; else who was seen last and fits."""
        for when in (self.acted, self.seen):
            near = [
                (moment, name)
                for name, moment in when.items()
                if self.now - moment[0] <= MEMORY and name not in without and self.fits(name, pronoun)
            ]
            if near:
                # Of one description the first to act leads (rule 4), of those only seen the last.
                last = max(moment[0] for moment, _ in near)
                places = [(moment[1], name) for moment, name in near if moment[0] == last]
                return min(places)[1] if when is self.acted else max(places)[1]
        return None

    def singular(self, word: str, following: str, subject: str | None) -> str | None:
        """Whom a singular pronoun stands for (rules 4 to 6)."""
        pronoun = PRONOUNS[word]
        if word in REFLEXIVES:
            return subject
        possessive = word in POSSESSIVES or (word == "her" and following.isalpha() and following not in _AFTER_OBJECT)
        if possessive and subject is not None and self.fits(subject, pronoun):
            return subject
        return self.latest(pronoun, {subject} if subject is not None and not possessive else set())

    def plural(self, subject: str | None, present: Sequence[str]) -> list[str]:
        """Whom a plural pronoun stands for (rule 7)."""
        group = [name for name in present if name != subject]
        if len(group) < 2:
            when, members = self.group
            group = [name for name in members if name != subject] if self.now - when <= MEMORY else []
        if len(group) < 2:
            near = sorted((m for m in self.seen.items() if self.now - m[1][0] <= MEMORY), key=lambda m: m[1])
            group = [name for name, _ in near if name != subject][-2:]
        return group

    def read(self, ad: str) -> set[str]:
        """The people of the next description."""
        pieces = pieces_of(ad)
        named = {mention.place: mention.name for mention in mentions_of(pieces, self.table)}
        present: list[str] = []
        subject: str | None = None
        acting = True  # before the first verb of a clause, as far as can be told without a parser: the first person
        for place, piece in enumerate(pieces):
            word, following = _fold(piece), _fold(pieces[place + 1]) if place + 1 < len(pieces) else ""
            people: list[str] = []
            if place in named:
                people = [named[place]]
            elif word in PRONOUNS:
                people = self._stand_for(word, following, subject if not acting or word not in SUBJECTS else None, (
                    pieces, place, named, present,
                ))  # fmt: skip
            is_subject = acting and not piece.endswith(("'s", "\u2019s")) and word not in POSSESSIVES and word != "her"
            for name in people:
                self.note(name, place, is_subject and bool(people))
                if name not in present:
                    present.append(name)
            if people and is_subject:
                subject, acting = people[0], following == "and"
            if piece in ".;:!?" or (piece == "," and following in SUBJECTS):
                acting = True
            elif piece == "," and place + 1 in named:
                acting = True
        if len(present) > 1:
            self.group = (self.now, present)
        self.now += 1
        return set(present)

    def _stand_for(
        self, word: str, following: str, subject: str | None,
        where: tuple[list[str], int, dict[int, str], list[str]],
    ) -> list[str]:  # fmt: skip
        pieces, place, named, present = where
        if word == "themselves" and present:  # whoever acts, acts on itself
            return present
        if PRONOUNS[word] == "they":
            return self.plural(subject if word not in POSSESSIVES else None, present)
        if not present and any(_fold(piece) in _LEADS for piece in pieces[:place]) and "," in pieces[place:]:
            ahead = [name for spot, name in sorted(named.items()) if "," in pieces[place:spot]]
            fitting = [name for name in ahead if self.fits(name, PRONOUNS[word])]
            if fitting:
                return fitting[:1]
        found = self.singular(word, following, subject)
        if found is None:
            return []
        self.pronouns.setdefault(found, PRONOUNS[word])
        return [found]


def resolve(ads: Sequence[str], cast: Sequence[str], pronouns: Mapping[str, str] | None = None) -> list[set[str]]:
    """Who is in each description, by the rules above.

    Args:
        ads: the descriptions of one film in order; "" holds no one.
        cast: names of its people.
        pronouns: {name: "he" or "she"} where it is known for sure.

    Returns:
        For each description the people named or meant, as `cast` writes them.
    """
    table = name_table(cast)
    reader = _Reader(table, {**pronouns_of(ads, cast, table), **(pronouns or {})})
    return [reader.read(ad) for ad in ads]


def resolver_accuracy(resolver: Resolver, gold: Sequence[Mapping[str, Sequence]]) -> dict[str, float]:
    """How often a resolver is right on a gold set.

    Args:
        resolver: see `Resolver`.
        gold: entries with `cast` (names) and `ads` ([text, [names]] each).

    Returns:
        `descriptions` (share whose people are exactly right), `people` (F1 over all people), `dialogues` (share of
        entries that are right throughout), in percent, and `n`.
    """
    exact, whole, hits, told, true, count = 0, 0, 0, 0, 0, 0
    for entry in gold:
        found = resolver([text for text, _ in entry["ads"]], list(entry["cast"]))
        right = [mine == set(names) for mine, (_, names) in zip(found, entry["ads"], strict=True)]
        exact, whole, count = exact + sum(right), whole + all(right), count + len(right)
        for mine, (_, names) in zip(found, entry["ads"], strict=True):
            hits, told, true = hits + len(mine & set(names)), told + len(mine), true + len(names)
    return {
        "descriptions": 100 * exact / max(1, count),
        "people": 200 * hits / max(1, told + true),
        "dialogues": 100 * whole / max(1, len(gold)),
        "n": count,
    }
