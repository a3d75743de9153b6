"""Slot accuracy of a set of predictions, each figure beside its chance level and an interval over films.

Own design. Every expected AD counts: a missing or empty prediction tells nothing and is wrong.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .bootstrap import LEVEL, RESAMPLES, film_interval
from .slots import Table, slots_of

FIGURES = ("character", "character_any", "character_named", "action", "object", "colour")


class _Count:
    """What one figure needs of each AD that counts for it: right or wrong, the film, the chance, the true value."""

    def __init__(self) -> None:
        self.hits: list[float] = []
        self.films: list[str] = []
        self.chances: list[float] = []
        self.values: list[str] = []

    def add(self, right: bool, film: str, chance: float, value: str) -> None:
        """Add one AD. `chance`: how often a blind guess would be right, 0..1."""
        self.hits.append(float(right))
        self.films.append(film)
        self.chances.append(chance)
        self.values.append(value)

    def constant(self, by_film: bool) -> float:
        """Percent of ADs that are right if the commonest true value is always said, of each film or of all."""
        of = Counter(zip(self.films if by_film else [""] * len(self.films), self.values, strict=True))
        best: dict[str, int] = {}
        for (film, _), count in of.items():
            best[film] = max(best.get(film, 0), count)
        return 100 * sum(best.values()) / len(self.values)


def table_fingerprint(table: Table) -> str:
    """SHA-256 of the three slots that are read, so that scores by different tables are never mixed up."""
    read = {slot: table.get(slot, {}) for slot in ("action", "object", "colour")}
    return hashlib.sha256(json.dumps(read, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _value(truth: Mapping[str, Any], slot: str, table: Table, row: int) -> str:
    """A truth's slot value, "" if it has none."""
    value = truth.get(slot) or ""
    if value and slot != "character" and value not in table[slot]:
        raise ValueError(f"truths[{row}] has {slot} {value!r}, expected a key of the table; pass the right table")
    return str(value)


def _cast(casts: Mapping[str, Sequence[str]], film: str, row: int) -> list[str]:
    if film not in casts or not casts[film]:
        raise ValueError(f"truths[{row}] is of film {film!r}, which has no cast; add its names to casts")
    if isinstance(casts[film], str):
        raise ValueError(f"the cast of film {film!r} is {casts[film]!r}, expected a list of names; put it into a list")
    return list(casts[film])


def _collect(
    predictions: Sequence[str | None],
    truths: Sequence[Mapping[str, Any]],
    casts: Mapping[str, Sequence[str]],
    table: Table,
) -> dict[str, _Count]:
    """Read every prediction and compare."""
    counts = {name: _Count() for name in FIGURES}
    for row, (prediction, truth) in enumerate(zip(predictions, truths, strict=True)):
        film = str(truth.get("film", ""))
        names = _cast(casts, film, row)
        told = slots_of(prediction, names, table)
        expected = slots_of(str(truth.get("text") or ""), names, table)
        character = _value(truth, "character", table, row)
        if character:
            if character not in names:
                raise ValueError(f"truths[{row}] has character {character!r}, who is not in the cast; name it as there")
            blind = 1 / len(set(names))
            first = told["characters"][:1] == [character]
            counts["character"].add(first, film, blind, character)
            # Naming many people makes a hit by chance likelier, so the chance grows with the number named.
            anywhere = len(told["characters"]) * blind
            counts["character_any"].add(character in told["characters"], film, anywhere, character)
            if character in expected["characters"]:
                counts["character_named"].add(first, film, blind, character)
        for slot in ("action", "object", "colour"):
            value = _value(truth, slot, table, row)
            # The truth may know a colour that its text does not tell; nobody can be asked for that one.
            if value and (slot != "colour" or not truth.get("text") or expected["colour"] == value):
                counts[slot].add(told[slot] == value, film, 1 / len(table[slot]), value)
    return counts


def _figure(count: _Count, of_people: bool, resamples: int, seed: int) -> dict[str, Any]:
    """One figure in percent; None where it has no AD or, for the interval, fewer than two films.

    Nobody blind knows whom a film shows most: that constant is no chance of a figure of people, but stands beside it.
    """
    n = len(count.hits)
    empty = {"n": 0, "n_films": 0, "accuracy": None, "lower": None, "upper": None, "lower_over_chance": None}
    if not n:
        return {**empty, "chance": None, "chance_uniform": None, "chance_constant": None}
    uniform = 100 * math.fsum(count.chances) / n
    constant = count.constant(by_film=of_people)
    chance = uniform if of_people else max(uniform, constant)
    interval = film_interval([100 * hit for hit in count.hits], count.films, resamples, seed)
    return {
        "n": n,
        "n_films": len(set(count.films)),
        "accuracy": 100 * math.fsum(count.hits) / n,
        "chance": chance,
        "chance_uniform": uniform,
        "chance_constant": constant,
        "lower": interval[0] if interval else None,
        "upper": interval[1] if interval else None,
        "lower_over_chance": interval[0] / chance if interval and chance else None,
    }


def slot_accuracy(
    predictions: Sequence[str | None],
    truths: Sequence[Mapping[str, Any]],
    casts: Mapping[str, Sequence[str]],
    table: Table,
    resamples: int = RESAMPLES,
    seed: int = 0,
    per_item: bool = False,
) -> dict[str, Any]:
    """Share of ADs whose slots are told right.

    Args:
        predictions: generated ADs, aligned with `truths`; None, NaN and "" tell nothing.
        truths: rows of a truth file: "film", "text", "character" (the name as in the cast), "action", "object",
            "colour"; a slot that is absent or "" is not asked for. Further keys are not read.
        casts: the names of each film's cast.
        table: the synonym table.
        resamples: of the bootstrap over films.
        seed: of the bootstrap.
        per_item: also return `hits`: {figure: [(film, right or wrong as 1.0 or 0.0), ...]}, over its n ADs in order.

    Returns:
        For each of `character` (the first named person is the right one), `character_any` (the right one is named
        anywhere), `character_named` (`character` over the ADs whose truth names the person, not "he"), `action`,
        `object` and `colour` (over the ADs whose truth has one; colour: whose text tells it) a dict of `n`, `n_films`,
        `accuracy` (0..100), `chance`, `chance_uniform`, `chance_constant` (the commonest true value always said, for
        characters each film's, which is no part of `chance`), `lower` and `upper` (95 % over films; None with fewer
        than two films), `lower_over_chance`. Besides `n_expected`, `n_scored`, `n_empty`, `n_films` and `signature`.

    Raises:
        ValueError: if lengths differ, nothing is given, a film has no cast or one that is no list, a true character is
            not in it or a true value is not in the table.
    """
    if len(predictions) != len(truths):
        raise ValueError(f"{len(predictions)} predictions for {len(truths)} truths; give one each")
    if not truths:
        raise ValueError("no truths, expected at least one; pass the rows of a truth file")
    counts = _collect(predictions, truths, {str(film): names for film, names in casts.items()}, table)
    figures: dict[str, Any] = {n: _figure(counts[n], n.startswith("character"), resamples, seed) for n in FIGURES}
    if per_item:
        figures["hits"] = {n: list(zip(c.films, c.hits, strict=True)) for n, c in counts.items()}
    return {
        **figures,
        "n_expected": len(truths),
        "n_scored": len(predictions),
        "n_empty": sum(not (isinstance(text, str) and text.strip()) for text in predictions),
        "n_films": len({str(truth.get("film", "")) for truth in truths}),
        "signature": {
            "metric": "slot accuracy v1",
            "scale": "x100",
            "interval": f"percentile bootstrap over films, {LEVEL:g} %, {resamples} resamples, seed {seed}",
            "synonyms_sha256": table_fingerprint(table),
        },
    }
