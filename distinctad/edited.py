"""Every export of a script that a person has edited: texts from the script alone, sound and films with the film.

A person's words are never cut, moved or replaced here. What does not fit is heard in the extended version only. Where
the dialogue is unknown (work reopened from its files), what fits is what the draft itself says of the free time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distinctad import exports
from distinctad.added import PERSON
from distinctad.errors import UserError
from distinctad.formats import dapt
from distinctad.formats.reading import narrator_script, transcript
from distinctad.formats.script import script_of
from distinctad.intervals import GapRules, Interval
from distinctad.plan import PathLike, Plan, Settings, name_of, probe_film, sha256_of
from distinctad.planner_fit import Room, rooms
from distinctad.review import Edit, free_around, log_of, replay
from distinctad.subtitles import Speech
from distinctad.track import CAPTION_FILES, TEXT_FILES, Track, TrackSettings

REVIEW_FILES = ("descriptions.draft.json", "edit-log.json")
_START_S = 2e-3  # a line starts in a free part if it does within the millisecond that `Track.as_edited` allows


def export_edited(
    draft: dict[str, Any],
    edits: Sequence[Edit],
    out: PathLike,
    *,
    speech: Sequence[Speech] | None = None,
    film: PathLike | None = None,
    track: TrackSettings | None = None,
    overwrite: bool = False,
    too_long: list[int] | None = None,
) -> list[Path]:
    """Write a reviewed script in every format, with the draft and the log that lead to it.

    descriptions.json is exactly what the log gives: what a voice measures does not go into it, so that the log
    reproduces it on any machine. The voice's times are in the sound and the films.

    Args:
        draft: the document that the person began with.
        edits: what the person changed, in order.
        out: a folder.
        speech: the lines of dialogue, empty if nobody speaks; None if they are unknown: then nothing is spoken outside
            of the time that the draft says is free, and the transcript holds no dialogue.
        film: the film that was described; with it narration, mix and films are made, without it texts only.
        track: the voice and the ducking.
        overwrite: whether an earlier run's files may be replaced.
        too_long: is filled with the index of every line that the voice finds no place for: extended.mp4 alone holds it.

    Returns:
        The files.

    Raises:
        UserError: if the edits do not fit the draft or add a line over dialogue, the film is another one, there is no
            voice, or nothing can be written; then nothing is left in `out`.
    """
    final = replay(draft, edits, speech or ())
    texts = {
        **_texts(final, speech),
        REVIEW_FILES[0]: exports.to_json(draft),
        REVIEW_FILES[1]: log_of(draft, edits),
    }
    makers: dict[str, Callable[[Path], None]] = {}
    if film is not None:
        voiced = voice_over(final, film, speech, track or TrackSettings(), draft)
        spoken = voiced.as_edited(final)
        if too_long is not None:
            too_long += [cue["index"] for cue in spoken["cues"] if cue["provenance"].get("fit") == "extended"]
        # The page plays the recorded voice, so it is the voiced track's; the scripts stay the log's.
        texts["player.html"] = voiced.texts(spoken)["player.html"]
        makers = voiced.makers(script_of(spoken))
    names = dict.fromkeys((*texts, *makers, *(CAPTION_FILES if makers else ())))
    with exports.OutputFolder(Path(out), overwrite, tuple(names), reads=[film]) as folder:
        return folder.write(texts, makers)


def voice_over(
    document: dict[str, Any],
    film: PathLike,
    speech: Sequence[Speech] | None,
    settings: TrackSettings,
    draft: dict[str, Any] | None = None,
) -> Track:
    """Make the track of a finished script.

    Args:
        document: the final script.
        film: the film that was described.
        speech: the lines of dialogue, empty if nobody speaks, None if they are unknown.
        settings: the voice and the ducking.
        draft: the document that a person made the script of; of use where the dialogue is unknown.

    Returns:
        The track; call `as_edited` with the document before anything else.

    Raises:
        UserError: if the film is another one or cannot be copied into MP4, or there is no voice.
    """
    from distinctad.audio.mux import require_mp4

    path = Path(film)
    info = probe_film(path)
    if sha256_of(path) != document["film"]["sha256"]:
        message = f"the film '{name_of(path)}' is not the one that this script was made for"
        raise UserError(message, "Give the same file again.")
    require_mp4(path)
    if settings.voice == "none":
        raise UserError("there is no voice to speak with", "Install espeak-ng, or take the text files alone.")
    rules = GapRules(**document["intervals"]["rules"])
    intervals = [Interval(cue["start_s"], cue["end_s"], "gap") for cue in document["cues"]]
    job = Plan(path, info, intervals, "gap", None, [], replace(Settings(), gaps=rules), [])
    # An empty list would say that nobody speaks, and every line would be spoken at its full length over the dialogue.
    places = (
        _places(document, draft or document) if speech is None else _heard(intervals, speech, info.duration_s, rules)
    )
    return Track(job, None, settings, speech or (), places)


def _heard(intervals: Sequence[Interval], speech: Sequence[Speech], duration_s: float, rules: GapRules) -> list[Room]:
    """As `planner_fit.rooms`, but of a line's free parts the one that it starts in, if there is one."""
    starts = [replace(one, end_s=one.start_s + _START_S) for one in intervals]
    first, longest = (rooms(part, speech, duration_s, rules) for part in (starts, intervals))
    return [
        replace(at, end_s=min(one.end_s, at.free_to_s)) if at.end_s > at.start_s else other
        for one, at, other in zip(intervals, first, longest, strict=True)
    ]


def _places(document: Mapping[str, Any], draft: Mapping[str, Any]) -> list[Room]:
    """Where each line of a script may be heard, as far as its draft knows: as `planner_fit.rooms`, without dialogue."""
    drafted = {cue["index"]: cue for cue in draft["cues"]}
    found = []
    for cue in document["cues"]:
        from_s, to_s = _free(cue, drafted.get(cue["index"], cue))
        start_s, end_s = max(cue["start_s"], from_s), min(cue["end_s"], to_s)
        place = Room(start_s, end_s, from_s, to_s) if end_s > start_s else Room(*[float(cue["start_s"])] * 4)
        found.append(place)
    return found


def _free(cue: Mapping[str, Any], drafted: Mapping[str, Any]) -> tuple[float, float]:
    """Since when and until when (s) nobody speaks around a line; `drafted` in space/editor_judge.js says the same."""
    known = free_around(drafted)
    if known:
        return known
    # The interval that was described. A person's own line has none: they chose its place, and answer for it.
    chosen = cue if drafted["provenance"]["origin"] == PERSON else drafted
    return float(chosen["start_s"]), float(chosen["end_s"])


def _texts(document: dict[str, Any], known: Sequence[Speech] | None) -> dict[str, str]:
    """Every text file of a script; its page plays the film that a person puts beside it."""
    from distinctad.player import page

    script, speech = script_of(document), known or ()
    reading = script if known is None else script_of(_with_rooms(document, known))
    html = page(script, speech, document["film"]["name"])
    more = (dapt.write(script), transcript(script, speech), narrator_script(reading, speech), html)
    return {**exports.texts_of(document), **dict(zip(TEXT_FILES, more, strict=True))}


def _with_rooms(document: dict[str, Any], speech: Sequence[Speech]) -> dict[str, Any]:
    """A script whose moved lines have the room of their new places, as a narrator needs it; the script files keep it.

    A line that lies in its draft's room has that one, and a person's own line the time that they gave it.
    """
    starts = [Interval(cue["start_s"], cue["start_s"] + _START_S, "gap") for cue in document["cues"]]
    free = rooms(starts, speech, document["film"]["duration_s"], GapRules(**document["intervals"]["rules"]))
    cues = []
    for cue, place in zip(document["cues"], free, strict=True):
        room_s = cue["provenance"].get("room_s")
        if room_s and not room_s[0] <= cue["start_s"] <= room_s[1] and place.end_s > place.start_s:
            around = [round(place.free_from_s, 3), round(place.free_to_s, 3)]
            cue = {**cue, "provenance": {**cue["provenance"], "room_s": around}}
        cues.append(cue)
    return {**document, "cues": cues}
