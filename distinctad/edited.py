"""Every export of a script that a person has edited: texts from the script alone, sound and films with the film.

A person's words are never cut, moved or replaced here. What does not fit is heard in the extended version only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distinctad import exports
from distinctad.errors import UserError
from distinctad.formats import dapt
from distinctad.formats.reading import narrator_script, transcript
from distinctad.formats.script import script_of
from distinctad.intervals import GapRules, Interval
from distinctad.plan import PathLike, Plan, Settings, name_of, probe_film, sha256_of
from distinctad.review import Edit, log_of, replay
from distinctad.subtitles import Speech
from distinctad.track import MEDIA_FILES, TEXT_FILES, Track, TrackSettings

REVIEW_FILES = ("descriptions.draft.json", "edit-log.json")


def export_edited(
    draft: dict[str, Any],
    edits: Sequence[Edit],
    out: PathLike,
    *,
    speech: Sequence[Speech] = (),
    film: PathLike | None = None,
    track: TrackSettings | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a reviewed script in every format, with the draft and the log that lead to it.

    descriptions.json is exactly what the log gives: what a voice measures does not go into it, so that the log
    reproduces it on any machine. The voice's times are in the sound and the films.

    Args:
        draft: the document that the person began with.
        edits: what the person changed, in order.
        out: a folder.
        speech: the lines of dialogue.
        film: the film that was described; with it narration, mix and films are made, without it texts only.
        track: the voice and the ducking.
        overwrite: whether an earlier run's files may be replaced.

    Returns:
        The files.

    Raises:
        UserError: if the edits do not fit the draft or add a line over dialogue, the film is another one, there is no
            voice, or nothing can be written; then nothing is left in `out`.
    """
    final = replay(draft, edits, speech)
    texts = {**_texts(final, speech), REVIEW_FILES[0]: exports.to_json(draft), REVIEW_FILES[1]: log_of(draft, edits)}
    makers: dict[str, Callable[[Path], None]] = {}
    if film is not None:
        voiced = voice_over(final, film, speech, track or TrackSettings())
        spoken = voiced.as_edited(final)
        # The page plays the recorded voice, so it is the voiced track's; the scripts stay the log's.
        texts["player.html"] = voiced.texts(spoken)["player.html"]
        makers = voiced.makers(script_of(spoken))
    with exports.OutputFolder(Path(out), overwrite, (*texts, *makers)) as folder:
        return folder.write(texts, makers)


def voice_over(document: dict[str, Any], film: PathLike, speech: Sequence[Speech], settings: TrackSettings) -> Track:
    """Make the track of a finished script.

    Args:
        document: the final script.
        film: the film that was described.
        speech: the lines of dialogue.
        settings: the voice and the ducking.

    Returns:
        The track; call `as_edited` with the document before anything else.

    Raises:
        UserError: if the film is another one, or there is no voice.
    """
    path = Path(film)
    info = probe_film(path)
    if sha256_of(path) != document["film"]["sha256"]:
        message = f"the film '{name_of(path)}' is not the one that this script was made for"
        raise UserError(message, "Give the same file again.")
    if settings.voice == "none":
        raise UserError("there is no voice to speak with", "Install espeak-ng, or take the text files alone.")
    rules = GapRules(**document["intervals"]["rules"])
    intervals = [Interval(cue["start_s"], cue["end_s"], "gap") for cue in document["cues"]]
    job = Plan(path, info, intervals, "gap", None, [], replace(Settings(), gaps=rules), [])
    return Track(job, None, settings, speech)


def _texts(document: dict[str, Any], speech: Sequence[Speech]) -> dict[str, str]:
    """Every text file of a script; its page plays the film that a person puts beside it."""
    from distinctad.player import page

    script = script_of(document)
    makers = (exports.to_csv, exports.to_json, exports.to_srt, exports.to_vtt)
    made = {name: make(document) for name, make in zip(exports.FILES, makers, strict=True)}
    html = page(script, speech, document["film"]["name"])
    more = (dapt.write(script), transcript(script, speech), narrator_script(script, speech), html)
    return {**made, **dict(zip(TEXT_FILES, more, strict=True))}


EVERY_FILE = (*exports.FILES, *TEXT_FILES, *REVIEW_FILES, *MEDIA_FILES)
