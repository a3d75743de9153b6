"""The one picture of a description script that every format is written from and read into.

Times are whole milliseconds: what two formats both can hold goes from one to the other unchanged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from distinctad.subtitles import Speech

_ARROW = re.compile("(?<!-)-{2,}>")
_MOST_DEEP = 50
_NO_TEXT = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class ScriptCue:
    """One description, or one opportunity for one.

    Attributes:
        start_ms: its start in milliseconds from the start of the film.
        end_ms: its end in milliseconds, not before its start.
        text: what is said; "" is an empty opportunity.
        id: the cue's own name, "" where the format gave none.
        characters: the people that the model was told of.
        provenance: where the text comes from (model, revision, seed, frames, edited), or None.
    """

    start_ms: int
    end_ms: int
    text: str = ""
    id: str = ""
    characters: tuple[str, ...] = ()
    provenance: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ScriptPerson:
    """A character and who plays it."""

    name: str
    actor: str = ""


@dataclass(frozen=True)
class Script:
    """A description script.

    Attributes:
        cues: in order of time.
        language: of the texts, BCP 47.
        title: of the film, its file name.
        note: what every reader must know first (the review note).
        people: the cast.
    """

    cues: tuple[ScriptCue, ...]
    language: str = "en"
    title: str = ""
    note: str = ""
    people: tuple[ScriptPerson, ...] = field(default=())


def script_of(document: Mapping[str, Any]) -> Script:
    """Take the script out of a document of `descriptions.schema.json`.

    Args:
        document: the whole document.

    Returns:
        Its cues, in the document's order, with everything that a script format can hold.
    """
    cues = tuple(
        ScriptCue(
            to_ms(cue["start_s"]),
            to_ms(cue["end_s"]),
            cue["text"],
            str(cue["index"]),
            tuple(cue["characters"]),
            cue["provenance"],
        )
        for cue in document["cues"]
    )
    people = tuple(ScriptPerson(person["name"], person["actor"]) for person in document["cast"])
    return Script(cues, document["language"], document["film"]["name"], document["review"], people)


def held_text(text: str) -> str:
    """A text as every format can hold it: line feeds end its lines; control characters and lone surrogates go."""
    return _NO_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def held(script: Script) -> Script:
    """A script with `held_text` of all its texts and names."""
    cues = tuple(
        replace(cue, text=held_text(cue.text), id=held_text(cue.id), characters=tuple(map(held_text, cue.characters)))
        for cue in script.cues
    )
    people = tuple(ScriptPerson(held_text(person.name), held_text(person.actor)) for person in script.people)
    return replace(script, cues=cues, title=held_text(script.title), note=held_text(script.note), people=people)


def without_arrows(text: str) -> str:
    """A text with "->" for every "-->", by which readers tell a line of times from words."""
    return _ARROW.sub("->", text)


def held_provenance(found: Mapping[str, Any]) -> dict[str, Any]:
    """See that a cue's provenance, read from a file, is what JSON can hold again.

    Args:
        found: what JSON holds, as Python reads it: also numbers beyond every float, and lists of any depth.

    Returns:
        The same.

    Raises:
        ValueError: if a number in it is not finite, or lists and objects lie in each other more than 50 deep.
    """
    stack: list[tuple[Any, int]] = [(found, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"provenance holds {value}; expected finite numbers; correct it")
        if isinstance(value, Mapping | list):
            if depth > _MOST_DEEP:
                raise ValueError(f"provenance is over {_MOST_DEEP} lists or objects deep; expected fewer; correct it")
            inner = value.values() if isinstance(value, Mapping) else value
            stack.extend((one, depth + 1) for one in inner)
    return dict(found)


def to_ms(seconds: float) -> int:
    """Round seconds to whole milliseconds."""
    return round(seconds * 1000)


def clock(ms: int, mark: str = ".") -> str:
    """Write milliseconds as HH:MM:SS.mmm.

    Args:
        ms: milliseconds, not negative.
        mark: before the milliseconds.

    Returns:
        The clock time.
    """
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def in_order(cues: Sequence[ScriptCue], speech: Sequence[Speech]) -> list[tuple[int, ScriptCue | Speech]]:
    """Merge descriptions and lines of dialogue by time (a description before a line that starts with it).

    Args:
        cues: descriptions.
        speech: lines of dialogue.

    Returns:
        (start in milliseconds, cue or line), rising.
    """
    both: list[tuple[int, int, ScriptCue | Speech]] = [(cue.start_ms, 0, cue) for cue in cues]
    both += [(to_ms(line.start_s), 1, line) for line in speech]
    return [(start, what) for start, _, what in sorted(both, key=lambda item: item[:2])]
