"""The work that page and server pass to each other: a draft, what a person changed, and what judges a line.

The server keeps no work between two calls, so whatever comes in is checked as if a stranger had written it. The draft
travels as the very text that the server wrote, so that its sha256 stays the same in every browser.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from distinctad.added import LONGEST_TEXT, MOST_S
from distinctad.describe import Draft
from distinctad.errors import UserError, one_line
from distinctad.exports import to_json
from distinctad.intervals import GapRules
from distinctad.planner import find_gaps, hear
from distinctad.planner_rate import Rate, assumed
from distinctad.review import Edit, edits_of, read_document, read_log
from distinctad.subtitles import Speech, read_text
from space.limits import CAST_SUFFIXES, SUBTITLE_SUFFIXES, Limits, check_file

FORMAT, VERSION = "distinctad.work", 1
MOST_SPEECH = 50_000
_FIX = "Describe the film again, or open the descriptions.json of earlier work."


@dataclass(frozen=True)
class Work:
    """A script in work.

    Attributes:
        draft: the document that the person began with.
        edits: what the person changed, in order.
        speech: the lines of dialogue.
        rate: predicts how long a text takes.
        gaps: (start, end) in seconds of the stretches without speech; with no dialogue either, that is unknown.
        notes: what was noticed about the files that it was opened from; the page is told once.
    """

    draft: dict[str, Any]
    edits: list[Edit]
    speech: list[Speech]
    rate: Rate
    gaps: list[tuple[float, float]]
    notes: list[str] = field(default_factory=list, compare=False)

    @property
    def dialogue(self) -> list[Speech] | None:
        """The lines of dialogue, empty if nobody speaks, None if nobody knows: a silent film is one long gap."""
        return self.speech if self.speech or self.gaps else None

    def packed(self) -> dict[str, Any]:
        """The work as plain data for the page."""
        return {
            "format": FORMAT,
            "format_version": VERSION,
            "draft": to_json(self.draft),
            "edits": [asdict(edit) for edit in self.edits],
            "speech": [[line.start_s, line.end_s, line.text] for line in self.speech],
            "rate": asdict(self.rate),
            "gaps": [list(gap) for gap in self.gaps],
        }


def of_draft(draft: Draft) -> Work:
    """Begin work on a draft.

    Args:
        draft: as `distinctad.describe.draft` gives it.

    Returns:
        The work, nothing changed yet.
    """
    return Work(draft.document, [], draft.speech, draft.rate, draft.gaps)


def of_files(script: str | None, log: str | None, limits: Limits, subtitles: str | None = None) -> Work:
    """Open earlier work from its files.

    Args:
        script: a descriptions.json, the draft if there is a log.
        log: an edit-log.json of that draft, or None.
        limits: of size and number.
        subtitles: the film's, or None.

    Returns:
        The work. The dialogue is not in the script's files, so without subtitles it is unknown; the rate is an assumed
        one.

    Raises:
        UserError: if they cannot be used or do not belong together.
    """
    file = check_file(script, "script", (".json",), limits.text_mb)
    document = read_document(read_text(file, "the script")[0], one_line(file.name, 80))
    _check_size(document, limits)
    edits = []
    if log:
        text, _ = read_text(check_file(log, "edit log", (".json",), limits.text_mb), "the edit log")
        edits = read_log(text, document)
    if not subtitles:
        return Work(document, edits, [], assumed(), [])
    lines = check_file(subtitles, "subtitle file", SUBTITLE_SUFFIXES, limits.text_mb)
    about, rules = document["film"], GapRules(**document["intervals"]["rules"])
    speech, _, notes = hear(Path(about["name"]), about["duration_s"], about["has_audio"], lines)
    gaps = [(gap.start_s, gap.end_s) for gap in find_gaps(speech, about["duration_s"], rules, assumed())]
    return Work(document, edits, speech, assumed(), gaps, notes)


def unpack(data: Any, limits: Limits) -> Work:
    """Check the work that a page or a program sends.

    Args:
        data: as `Work.packed` gives it, or the same as JSON text.
        limits: of size and number.

    Returns:
        The work.

    Raises:
        UserError: if it is anything else.
    """
    try:
        given = json.loads(data) if isinstance(data, str) else data
        kind, version = given["format"], given["format_version"]
        text, edits, speech, rate, gaps = (given[name] for name in ("draft", "edits", "speech", "rate", "gaps"))
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError("there is no script yet, or it is no work of this page", _FIX) from error
    if (kind, version) != (FORMAT, VERSION) or not isinstance(text, str):
        raise UserError(f"the work is of the format '{one_line(str(kind), 40)}'", _FIX)
    if len(text) > limits.text_mb * 1_000_000:
        raise UserError(f"the draft has {len(text) / 1e6:.0f} MB, more than {limits.text_mb}", "Work on it in parts.")
    document = read_document(text, "the draft")
    _check_size(document, limits)
    return Work(document, edits_of(edits), _speech(speech), _rate(rate), _gaps(gaps))


def _check_size(document: dict[str, Any], limits: Limits) -> None:
    cues = document["cues"]
    if len(cues) > limits.cues:
        raise UserError(f"the script has {len(cues)} descriptions, more than {limits.cues}", "Work on it in parts.")
    long = [cue["index"] for cue in cues if len(cue["text"]) > LONGEST_TEXT]
    if long:
        raise UserError(f"description {long[0]} has more than {LONGEST_TEXT} characters", "Shorten it.")


def _number(value: Any) -> float:
    """A finite number of seconds, not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST_S:
        raise UserError(f"the work holds {one_line(repr(value), 40)} for seconds", _FIX)
    return float(value)


def _speech(rows: Any) -> list[Speech]:
    if not isinstance(rows, list) or len(rows) > MOST_SPEECH:
        raise UserError(f"the work's dialogue is no list of at most {MOST_SPEECH} lines", _FIX)
    found = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 3 or not isinstance(row[2], str) or len(row[2]) > 10_000:
            raise UserError("a line of the work's dialogue is not [start, end, text]", _FIX)
        found.append(Speech(_number(row[0]), _number(row[1]), row[2]))
    return found


def _gaps(rows: Any) -> list[tuple[float, float]]:
    if not isinstance(rows, list) or len(rows) > MOST_SPEECH or not all(_is_pair(row) for row in rows):
        raise UserError("the work's gaps are no list of [start, end]", _FIX)
    return [(_number(row[0]), _number(row[1])) for row in rows]


def _is_pair(row: Any) -> bool:
    return isinstance(row, Sequence) and not isinstance(row, str) and len(row) == 2


def _rate(values: Any) -> Rate:
    names = [field.name for field in fields(Rate)]
    if not isinstance(values, dict) or set(values) != set(names) or not isinstance(values["voice"], str):
        raise UserError(f"the work's rate is no object with {', '.join(names)}", _FIX)
    for name in names[1:]:
        value = values[name]
        # A fitted constant may be below zero: the voice takes less than nothing for no word at all.
        wrong = isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 100
        if wrong and not (name == "error" and value is None):
            raise UserError(f"the work's rate says {one_line(repr(value), 40)} for {name}", _FIX)
    return Rate(**{**values, "voice": one_line(values["voice"], 80)})


def gather_cast(files: Sequence[str] | None, folder: Path, limits: Limits) -> Path | None:
    """Put a cast file and its portraits, uploaded one by one, back into one folder.

    Args:
        files: uploads: one .json or .csv, and pictures; None or [] is no cast.
        folder: an empty folder.
        limits: of size and number.

    Returns:
        The cast file in the folder, None without one. Portraits lie beside it under their own last names and, as cast
        files like to name them, in `portraits/` too.

    Raises:
        UserError: if there are too many files, not exactly one cast file, or two files of one name; then nothing is
            put into the folder.
    """
    if not files:
        return None
    if len(files) > limits.cast_files:
        raise UserError(f"the cast has {len(files)} files, more than {limits.cast_files}", "Give fewer portraits.")
    paths = [check_file(file, "cast file", CAST_SUFFIXES, limits.text_mb) for file in files]
    tables = [path for path in paths if path.suffix.lower() in (".json", ".csv")]
    if len(tables) != 1:
        raise UserError(f"the cast has {len(tables)} .json or .csv files", "Give one, and the portraits that it names.")
    names = [path.name.casefold() for path in paths]
    twice = next((path.name for path in paths if names.count(path.name.casefold()) > 1), None)
    if twice:  # one would take the other's place, and a person get somebody else's face
        message = f"the cast has several files called '{one_line(twice, 80)}', expected one of each name"
        raise UserError(message, "Give each a name of its own, capitals aside, in the cast file too.")
    (folder / "portraits").mkdir()
    for path in paths:
        shutil.copyfile(path, folder / path.name)
        if path not in tables:
            try:
                os.link(folder / path.name, folder / "portraits" / path.name)
            except OSError:  # a file system without hard links, such as exFAT
                shutil.copyfile(path, folder / "portraits" / path.name)
    return folder / tables[0].name
