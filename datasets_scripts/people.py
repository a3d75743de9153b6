"""Whom a name means: the table of a cast, and the people that a text names.

Own design, the same file beside the data room's words and every metric that reads names:

* A person is named by the whole name. It leads, and the longest leads: "Rebecca's Mom" is not Rebecca, and "Hansel" is
  Hansel though there is a "Young Hansel" too.
* Without its titles a name counts too, where no one else is left with the same.
* A single word of a name counts where no one else of the cast has it. Titles, words that only describe ("young", "man")
  and closed-class words ("in" of "Girl in Toy Store") never do; "Will" and "May" do, they are names too.
* Only words that begin with a capital name someone; inside a whole name closed-class and describing words need none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from .words import CLOSED_CLASS, TITLES

Table = dict[tuple[str, ...], str]
"""Folded words that follow one another -> the person."""

DESCRIBING = frozenset("first second young younger old older little big man woman boy girl".split())
NAMES_TOO = frozenset(("will", "may"))


def people_table(names: Mapping[str, Sequence[str]]) -> Table:
    """Which words name whom, by the rules above.

    Args:
        names: person -> the folded words of the name, in order; of two people with the same words the first counts.

    Returns:
        The table for `people_in`.
    """
    table: Table = {}
    for name, own in names.items():
        if _may_name(own):
            table.setdefault(tuple(own), name)
    bare = {name: tuple(word for word in own if word not in TITLES) for name, own in names.items()}
    claims = Counter(bare.values())
    for name, own in bare.items():
        if claims[own] == 1 and _may_name(own):
            table.setdefault(own, name)
    holders = Counter(word for own in names.values() for word in set(own))
    for name, own in names.items():
        for word in own:
            if holders[word] == 1 and _may_name([word]) and word[0].isalpha() and word not in TITLES | DESCRIBING:
                table.setdefault((word,), name)
    return table


def people_in(words: Sequence[tuple[str, bool]], table: Mapping[tuple[str, ...], str]) -> list[tuple[int, int, str]]:
    """The people whom words name, in order; the longest name at each place.

    Args:
        words: of a text: (folded, whether it begins with a capital).
        table: of `people_table`.

    Returns:
        (place of the first word, place after the last, person) of each.
    """
    longest = max(map(len, table), default=0)
    found, place = [], 0
    while place < len(words):
        for size in range(min(longest, len(words) - place), 0, -1):
            part = words[place : place + size]
            name = table.get(tuple(word for word, _ in part))
            if name is not None and written_as_name(part):
                found.append((place, place + size, name))
                place += size
                break
        else:
            place += 1
    return found


def _may_name(own: Sequence[str]) -> bool:
    """Whether words can be a whole name: any several, and a single one that is not of the closed class."""
    return len(own) > 1 or (len(own) == 1 and (own[0] not in CLOSED_CLASS or own[0] in NAMES_TOO))


def written_as_name(part: Sequence[tuple[str, bool]]) -> bool:
    """Whether the capitals are those of a name."""
    telling = [capital for word, capital in part if word not in CLOSED_CLASS]
    needed = [capital or not word[0].isalpha() for word, capital in part if word not in CLOSED_CLASS | DESCRIBING]
    return all(needed) and any(telling) if telling else all(capital for _, capital in part)


__all__ = ["DESCRIBING", "NAMES_TOO", "Table", "people_in", "people_table", "written_as_name"]
