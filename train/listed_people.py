"""Who is listed in prompts: lists made from the truth, and what all lists of a run say of themselves."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from datasets_scripts.banks import TOP

SAMPLE = 200
"""Training windows whose lists are counted: the first, which come in any order."""


def people_told(row: Mapping[str, Any]) -> list[int]:
    """Places in the row's cast of the people that its AD tells: the truth, for training and oracles only.

    Raises:
        ValueError: the cache does not know.
    """
    if "person" in row:
        return [place for place in (row["person"], row["partner"]) if place >= 0]
    if "told" not in row:
        raise ValueError(f"film {row['film']}: the cache says of no AD whom it names; make it again (set_features.py)")
    return list(row["told"])


def noisy_people(
    told: Sequence[int], cast: int, most: int, keep: float, strangers: float, rng: random.Random
) -> list[int]:
    """A list as recognition would make it: of those told some, and others who have nothing to do with them.

    Args:
        told: places in the cast of the people that the AD tells.
        cast: how many people, from the first on, may be taken for others.
        most: most people listed.
        keep: probability with which one told is kept.
        strangers: others listed on average; fewer where the cast has not so many.
        rng: random numbers.

    Returns:
        Places in the cast, rising: where somebody stands says nothing of whether they are told.
    """
    kept = [place for place in told if rng.random() < keep][:most]
    others = [place for place in range(cast) if place not in told]
    added = [place for place in others if rng.random() * len(others) < strangers]
    return sorted(kept + rng.sample(added, min(len(added), most - len(kept))))


def tell_people(collator: Any, training: Sequence[Any], test: Sequence[Any]) -> list[str]:
    """How many people a run's prompts list; and, where predicted lists tell nothing of a clip, that they do not.

    Args:
        collator: a `WindowCollator`.
        training: windows, of which the first `SAMPLE` are looked at.
        test: windows.

    Returns:
        One line, and a second where "predicted" people stand in the bank's order and are the same in all clips of every
        film: then nobody was recognised, or everybody.
    """
    listed = [collator.listed(windows) for windows in (training[:SAMPLE], test)]
    means = [sum(len(people) for _, people in pairs) / max(1, len(pairs)) for pairs in listed]
    rows, options = collator.cache.rows, collator.options
    casts = [len(rows[number]["names"][:TOP]) for pairs in listed for number, _ in pairs]
    cast = sum(casts) / max(1, len(casts))
    lines = [f"people listed a clip: training {means[0]:.1f}, test {means[1]:.1f}, of {cast:.1f} in the cast"]
    films: dict[str, set[frozenset[int]]] = {}
    for number, people in listed[1]:
        films.setdefault(rows[number]["film"], set()).add(frozenset(people))
    still = len(listed[1]) > len(films) and all(len(lists) == 1 for lists in films.values())
    if still and options.test_characters == "predicted" and options.people_order == "bank":
        lines.append(
            "test_characters: predicted, but all clips of a film list the same people, so that the lists tell nothing; "
            "expected who is in each clip; make the cache with --recognised true, lower recognised_people, or choose "
            "all or none"
        )
    return lines


__all__ = ["SAMPLE", "noisy_people", "people_told", "tell_people"]
