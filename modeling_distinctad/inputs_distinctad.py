"""What the processor is given, held against what it can read: lists of the right depth, as many as the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def check_options(return_tensors: str, padding_side: str | None) -> None:
    """See that the processor knows both options.

    Args:
        return_tensors: only "pt".
        padding_side: "left", "right" or None.

    Raises:
        ValueError: it does not.
    """
    if return_tensors != "pt":
        raise ValueError(f"return_tensors is {return_tensors!r}; expected 'pt'; convert the tensors afterwards")
    if padding_side not in (None, "left", "right"):
        raise ValueError(f"padding_side is {padding_side!r}; expected 'left' or 'right'; choose one")


def check_one(first: str, one: Any, second: str, other: Any) -> None:
    """See that at most one of two inputs is given.

    Args:
        first: name of the one.
        one: its value or None.
        second: name of the other.
        other: its value or None.

    Raises:
        ValueError: both are given.
    """
    if one is not None and other is not None:
        raise ValueError(f"{first} and {second} are both given; expected one of them; drop the other")


def check_list(where: str, value: Any, held: str) -> None:
    """See that a value is a list, tuple or array: a text or a dictionary would be read piece by piece.

    Args:
        where: what the value is called, for the message.
        value: anything.
        held: what the list holds, in the plural.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__"):
        raise ValueError(f"{where} is {value!r}; expected a list of {held}; put it into a list")


def window_lengths(**given: Any) -> list[int]:
    """Count the clips in each window, on which all inputs must agree.

    Args:
        **given: the inputs under their names: B windows of N clips each, or None.

    Returns:
        N of every window.

    Raises:
        ValueError: nothing is given, something is no list, or the inputs disagree.
    """
    counted = {}
    for name, windows in given.items():
        if windows is not None:
            check_list(name, windows, "windows")
            for b, window in enumerate(windows):
                check_list(f"{name}[{b}]", window, "clips")
            counted[name] = [len(window) for window in windows]
    if not counted:
        raise ValueError("no frames, features, characters or texts; expected at least one of them; pass it")
    first, counts = next(iter(counted.items()))
    for name, other in counted.items():
        if other != counts:
            raise ValueError(f"{name} has {other} clips a window, {first} {counts}; expected the same; align the lists")
    if not counts or not all(counts):
        raise ValueError(f"{first} has {counts} clips a window; expected at least one in each; leave empty ones out")
    return counts


def people_of(characters: Any, places: Sequence[Sequence[int]]) -> list[Any]:
    """Take the people of some clips.

    Args:
        characters: B x N lists of dictionaries, None where nobody is listed; or None.
        places: (window, clip) of each clip that is asked for.

    Returns:
        One list per place.

    Raises:
        ValueError: a clip's people are no list, or a person is no dictionary.
    """
    if characters is None:
        return [()] * len(places)
    found = [characters[b][n] or () for b, n in places]
    for (b, n), people in zip(places, found, strict=True):
        check_list(f"characters[{b}][{n}]", people, "people")
        for person in people:
            if not isinstance(person, Mapping):
                raise ValueError(f"character {person!r}; expected a dictionary; write {{'name': {person!r}}}")
    return found


def words_of(words: Any, places: Sequence[Sequence[int]]) -> list[Any]:
    """Take the distinctive words of some clips.

    Args:
        words: B x N sets (or other iterables) of words, None where there are none; or None.
        places: (window, clip) of each clip that is asked for.

    Returns:
        The words per place.

    Raises:
        ValueError: a clip's words are one text, of which every letter would be a word.
    """
    if words is None:
        return [()] * len(places)
    found = [words[b][n] or () for b, n in places]
    for (b, n), told in zip(places, found, strict=True):
        if isinstance(told, str | bytes):
            check_list(f"distinctive_words[{b}][{n}]", told, "words")
    return found


__all__ = ["check_list", "check_one", "check_options", "people_of", "window_lengths", "words_of"]
