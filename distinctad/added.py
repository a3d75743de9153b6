"""A line that a person adds to a draft: what the log says of it, whether its place is free, and its cue."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from distinctad.errors import UserError, one_line
from distinctad.exports import clean_text
from distinctad.subtitles import Speech

LONGEST_TEXT = 1_000  # characters; a description of a minute has about as many
MOST_ADDED = 1_000  # lines; each is held against every other one
MOST_S = 1e6  # 277 hours; NaN compares false
SHORTEST_S = 0.05
PERSON = "person"  # the origin of such a line, and where its text comes from
_TOUCH_S = 1e-3  # a place may begin where another one ends, and times are written in milliseconds
_FREE = "Choose another start or end."

Span = tuple[int, float, float]


def checked_text(value: Any, where: str) -> str:
    """Check a text that a person gave.

    Args:
        value: anything.
        where: which edit it is, for the message.

    Returns:
        The text, cleaned.

    Raises:
        UserError: if it is no text of 1 to `LONGEST_TEXT` characters.
    """
    if not isinstance(value, str) or not clean_text(value) or len(value) > LONGEST_TEXT:
        said = f"{len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"
        raise UserError(f"{where}: the text has {said}", f"Give 1 to {LONGEST_TEXT} characters, or remove it.")
    return clean_text(value)


def checked_seconds(value: Any, where: str, name: str) -> float:
    """Check a time that a person gave.

    Args:
        value: anything.
        where: which edit it is, for the message.
        name: what it is called there.

    Returns:
        Seconds, in whole milliseconds.

    Raises:
        UserError: if it is no number from 0 to `MOST_S`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST_S:
        raise UserError(f"{where}: {name} is {one_line(repr(value), 40)}", "Give seconds, 0 or more.")
    return round(float(value), 3)


def checked_line(value: Any, where: str, duration_s: float) -> dict[str, Any]:
    """Check what the log says of an added line.

    Args:
        value: anything; expected is {"start_s", "end_s", "text"}.
        where: which edit it is, for the message.
        duration_s: of the film.

    Returns:
        The line, times in seconds.

    Raises:
        UserError: if it is anything else, or does not lie in the film.
    """
    if not isinstance(value, dict) or set(value) != {"start_s", "end_s", "text"}:
        raise UserError(f"{where}: the line is no object with start_s, end_s and text", "Add it again in the editor.")
    start_s, end_s = (checked_seconds(value[name], where, name) for name in ("start_s", "end_s"))
    if end_s - start_s < SHORTEST_S or end_s > duration_s + 0.5:
        said = f"the line would last from {start_s:g} to {end_s:g} s in a film of {duration_s:g} s"
        raise UserError(f"{where}: {said}", "Correct its start or end.")
    return {"start_s": start_s, "end_s": end_s, "text": checked_text(value["text"], where)}


def see_that_it_is_free(line: Mapping[str, Any], spans: Iterable[Span], where: str) -> None:
    """Refuse a line that would be spoken together with another one.

    Args:
        line: as `checked_line` gives it.
        spans: (index, start, end) in seconds of the lines that are there.
        where: which edit it is, for the message.

    Raises:
        UserError: if it overlaps one of them.
    """
    for index, start_s, end_s in spans:
        if _overlap(line["start_s"], line["end_s"], start_s, end_s):
            said = f"{line['start_s']:g} to {line['end_s']:g} s overlaps line {index} ({start_s:g} to {end_s:g} s)"
            raise UserError(f"{where}: {said}", _FREE)


def see_that_nobody_speaks(lines: Iterable[tuple[int, Mapping[str, Any]]], speech: Sequence[Speech]) -> None:
    """Refuse added lines that lie over dialogue.

    Args:
        lines: (index, line as `checked_line` gives it).
        speech: when somebody speaks.

    Raises:
        UserError: if one overlaps a line of dialogue.
    """
    stretches: list[list[float]] = []
    for start_s, end_s in sorted((said.start_s, said.end_s) for said in speech):
        if stretches and start_s < stretches[-1][1]:
            stretches[-1][1] = max(stretches[-1][1], end_s)
        else:
            stretches.append([start_s, end_s])
    for index, line in lines:
        # They do not overlap, so only the last one that begins before the line's end can.
        at = bisect_left(stretches, [line["end_s"]]) - 1
        if at >= 0 and _overlap(line["start_s"], line["end_s"], *stretches[at]):
            what = f"{line['start_s']:g} to {line['end_s']:g} s"
            dialogue = f"the dialogue from {stretches[at][0]:g} to {stretches[at][1]:g} s"
            raise UserError(f"the added line {index}, {what}, overlaps {dialogue}", _FREE)


def _overlap(start_s: float, end_s: float, other_start_s: float, other_end_s: float) -> bool:
    return min(end_s, other_end_s) - max(start_s, other_start_s) > _TOUCH_S


def cue_of(index: int, line: Mapping[str, Any]) -> dict[str, Any]:
    """Make the cue of an added line.

    Args:
        index: its number.
        line: as `checked_line` gives it.

    Returns:
        A cue of `descriptions.schema.json`. Who wrote it has looked at it, so it counts as reviewed.
    """
    provenance = {"origin": PERSON, "text_from": PERSON, "edited": True, "reviewed": True}
    return {"index": index, **line, "characters": [], "provenance": provenance}


def ends_before(cues: list[dict[str, Any]], stretched: set[int]) -> None:
    """Let edited lines, which last to the end of their room while unmeasured, end where the next line begins.

    Args:
        cues: in order of time; changed in place.
        stretched: indexes of the cues whose end was not measured.
    """
    following = math.inf
    for cue in reversed(cues):
        if cue["index"] in stretched and cue["start_s"] < following < cue["end_s"]:
            cue["end_s"] = round(max(following, cue["start_s"] + 2 * SHORTEST_S), 3)
        following = cue["start_s"]
