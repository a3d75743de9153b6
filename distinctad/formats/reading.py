"""Plain text for people: the transcript of dialogue and descriptions, and the script for a human narrator."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace

from distinctad.formats.script import Script, ScriptCue, clock, in_order, to_ms
from distinctad.planner_rate import spoken_words
from distinctad.subtitles import Speech
from distinctad.unsaid import is_unsaid

_MOST_S = 1e6  # 277 hours; NaN compares false
READ_TO_WPM = 180  # the example of W3C's draft guidelines: fewer than three words a second


def transcript(script: Script, speech: Sequence[Speech]) -> str:
    """Write descriptions and dialogue in order of time, each marked as what it is: a media alternative to read.

    Args:
        script: the descriptions; placeholders are left out.
        speech: the lines of dialogue; lines without words are left out.

    Returns:
        The file's text.
    """
    lines = [f"Descriptive transcript of {script.title or 'the film'}", *([script.note] if script.note else []), ""]
    told = [cue for cue in script.cues if not is_unsaid(cue.text, cue.provenance)]
    for start_ms, what in in_order(told, [line for line in speech if line.text]):
        kind = "Description" if isinstance(what, ScriptCue) else "Dialogue"
        if what.text:
            lines.append(f"[{clock(start_ms)[:8]}] {kind}: {what.text}")
    return "\n".join(lines) + "\n"


def narrator_script(script: Script, speech: Sequence[Speech]) -> str:
    """Write the script that a person reads from: times, room, pace and the words heard just before.

    Args:
        script: the descriptions; see `in_rooms` for how long each may last. A placeholder is told as one.
        speech: the lines of dialogue.

    Returns:
        The file's text.
    """
    lines = [
        f"Script for the narrator: {script.title or 'the film'}",
        *([script.note] if script.note else []),
        f"IN and OUT are the room there is, from the start of the film. PACE marks what needs more than {READ_TO_WPM}",
        "words a minute, NO ROOM what starts where somebody speaks: it is for an extended film.",
        "",
    ]
    # By their ends; of lines that end together the first comes last.
    heard = sorted((line for line in reversed(speech) if line.text), key=lambda line: line.end_s)
    ends_ms = [line.end_s * 1000 for line in heard]
    for number, cue in enumerate((cue for cue in in_rooms(script).cues if cue.text), 1):
        text = "" if is_unsaid(cue.text, cue.provenance) else cue.text
        seconds, count = (cue.end_ms - cue.start_ms) / 1000, spoken_words(text.split())
        pace = round(60 * count / seconds) if seconds > 0 else 0
        room = _room_ms(cue)
        mark = "  PACE" if pace > READ_TO_WPM else ""
        mark = "  NO ROOM" if room and room[0] == room[1] else mark
        lines.append(
            f"{number}.  IN {clock(cue.start_ms)}  OUT {clock(cue.end_ms)}  ({seconds:.1f} s, {count} words){mark}"
        )
        before = bisect.bisect_right(ends_ms, cue.start_ms)
        if before:
            last = heard[before - 1]
            lines.append(f'    after: "{last.text}" ({cue.start_ms / 1000 - last.end_s:.1f} s before)')
        lines += [f"    {text or '(to be written)'}", ""]
    return "\n".join(lines)


def in_rooms(script: Script) -> Script:
    """Let every description last as long as there is room for it: its end is what a synthetic voice took.

    Args:
        script: the descriptions; "room_s" in a cue's provenance says from when to when nobody speaks, in seconds.

    Returns:
        The script; a cue that starts in its room ends with it, or where the next one starts. No cue gets shorter, and
        one without a room, or outside of it, stays as it was.
    """
    order = sorted(script.cues, key=lambda cue: cue.start_ms)
    following = {id(cue): later.start_ms for cue, later in zip(order, order[1:], strict=False)}
    longer = []
    for cue in script.cues:
        room = _room_ms(cue)
        if room and room[0] <= cue.start_ms <= room[1]:
            cue = replace(cue, end_ms=max(cue.end_ms, min(room[1], following.get(id(cue), room[1]))))
        longer.append(cue)
    return replace(script, cues=tuple(longer))


def _room_ms(cue: ScriptCue) -> tuple[int, int] | None:
    """From when to when nobody speaks, as the provenance says: of another program it may mean something else."""
    times = (cue.provenance or {}).get("room_s")
    if not isinstance(times, list | tuple) or len(times) != 2:
        return None
    if not all(isinstance(at, int | float) and 0 <= at <= _MOST_S for at in times):
        return None
    return to_ms(times[0]), to_ms(times[1])
