"""People in texts as places or as nobody: for language models and tests that must not depend on names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence


def replace_people(text: str, names: Sequence[str], write: Callable[[int], str]) -> str:
    """The text with every name written anew.

    Args:
        text: an AD.
        names: of its film's cast; longer ones are looked for first.
        write: place of the person in the order of first mention, from 1 -> what to write.
    """
    if not names:
        return text
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    places: dict[str, int] = {}
    return re.sub(
        rf"(?<!\w)(?:{longest_first})(?!\w)", lambda found: write(places.setdefault(found[0], len(places) + 1)), text
    )


def slot_names(text: str, names: Sequence[str]) -> str:
    """The n-th person named becomes `<person_n>`, which is how the pocket language model spells people."""
    return replace_people(text, names, lambda place: f"<person_{place}>")


def anonymous(text: str, names: Sequence[str]) -> str:
    """Every name becomes "someone" (LSMDC's way), which is what the processor tells for a person who is not listed."""
    return replace_people(text, names, lambda place: "someone")
