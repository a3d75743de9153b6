"""A person's edits of a draft: a log that turns the draft into the final script, and what each line's words say.

The log is the record of a review. Replaying it over the draft gives the final script again, byte by byte, and it
carries the sha256 of both. It holds no clock and no name: who edited, and when, is not this project's to keep.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets_scripts.words import CLOSED_CLASS, distinctive_words, name_words, words
from distinctad.added import (
    MOST_ADDED,
    MOST_S,
    PERSON,
    SHORTEST_S,
    checked_line,
    checked_seconds,
    checked_text,
    cue_of,
    ends_before,
    see_that_it_is_free,
    see_that_nobody_speaks,
)
from distinctad.errors import UserError, one_line
from distinctad.exports import REVIEW, clean_text, to_json
from distinctad.subtitles import Speech, read_text
from distinctad.unsaid import is_accepted

FORMAT, VERSION = "distinctad.edits", 1
FIELDS = ("text", "start_s", "end_s", "reviewed", "removed", "added")
REVIEWED = "machine draft reviewed by a person: every description was looked at and accepted"
NEIGHBOURS = 4  # lines to each side that a word must be new against, as in the choice of texts
MOST_EDITS = 100_000
_FIX = "Give the edit log that was made with this draft."

Value = str | float | bool | dict[str, Any]


@dataclass(frozen=True)
class Edit:
    """One change by a person.

    Attributes:
        cue: the index of the cue in the draft; an added one has the number after the highest.
        field: one of `FIELDS`; "reviewed" and "removed" are False in a draft, and so is "added", which becomes the new
            line: {"start_s", "end_s", "text"}.
        before: the value that was there.
        after: the new value.
    """

    cue: int
    field: str
    before: Value
    after: Value


def edits_of(entries: Any) -> list[Edit]:
    """Read edits from plain data.

    Args:
        entries: a list of {"cue", "field", "before", "after"}.

    Returns:
        The edits; whether they fit a draft is for `replay` to say.

    Raises:
        UserError: if the data are of another shape.
    """
    if not isinstance(entries, list) or len(entries) > MOST_EDITS:
        what = f"{len(entries)} edits" if isinstance(entries, list) else f"a {type(entries).__name__}"
        raise UserError(f"the edit log holds {what}, not a list of at most {MOST_EDITS}", _FIX)
    found = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or set(entry) != {"cue", "field", "before", "after"}:
            raise UserError(f"edit {number} is no object with cue, field, before and after", _FIX)
        edit = Edit(**entry)
        if not isinstance(edit.cue, int) or isinstance(edit.cue, bool) or edit.field not in FIELDS:
            said = one_line(f"cue {edit.cue}, field {edit.field}", 80)
            raise UserError(f"edit {number} is of {said}; the fields are {', '.join(FIELDS)}", _FIX)
        found.append(edit)
    return found


def replay(draft: Mapping[str, Any], edits: Iterable[Edit], speech: Sequence[Speech] = ()) -> dict[str, Any]:
    """Apply edits to a draft, one after the other.

    A cue whose text changed says so in its provenance, keeps the draft's text there, and loses what was measured on the
    old text; it then lasts to the end of its room or to the next line, until a voice measures it again. Outside of its
    room it keeps the draft's length.

    Args:
        draft: a document of `descriptions.schema.json`; it is not changed.
        edits: in the order in which they were made.
        speech: the lines of dialogue, where they are known; no line may be added over them.

    Returns:
        The final document. Only while every cue is marked as reviewed is it not called an unreviewed draft.

    Raises:
        UserError: if an edit does not fit the draft, is out of range, adds a line where there is none free, or nothing
            is left.
    """
    cues = {cue["index"]: _Line(cue) for cue in draft["cues"]}
    duration_s = float(draft["film"]["duration_s"])
    added: dict[int, Mapping[str, Any]] = {}
    for number, edit in enumerate(edits, 1):
        if edit.field == "added":
            added[edit.cue] = _add(edit, number, cues, duration_s)
            continue
        line = cues.get(edit.cue)
        if line is None:
            raise UserError(f"edit {number}: the draft has no cue {edit.cue}", _FIX)
        if not _same(edit.before, line.values[edit.field]):
            said = one_line(f"{edit.field} was {edit.before!r}, the draft has {line.values[edit.field]!r}", 200)
            raise UserError(f"edit {number}, cue {edit.cue}: {said}", _FIX)
        line.values[edit.field] = _checked(edit, number)
    left = [line for line in cues.values() if not line.values["removed"]]
    if not left:
        raise UserError("every description was removed", "Keep at least one.")
    kept = sorted((line.cue(duration_s) for line in left), key=lambda cue: (cue["start_s"], cue["index"]))
    ends_before(kept, {line.index for line in left if line.is_unmeasured()})
    # One that was moved since is judged as any moved line is: it may be heard in the extended film alone.
    stay = [(at, line) for at, line in added.items() if _same(line["start_s"], cues[at].values["start_s"])]
    see_that_nobody_speaks([(at, line) for at, line in stay if not cues[at].values["removed"]], speech)
    over = all(is_accepted(cue["text"], cue["provenance"]) for cue in kept)
    said = REVIEW if draft["review"] == REVIEWED else draft["review"]
    return {**copy.deepcopy(dict(draft)), "cues": kept, "review": REVIEWED if over else said}


def _add(edit: Edit, number: int, cues: dict[int, _Line], duration_s: float) -> Mapping[str, Any]:
    """Put a person's new line among the others."""
    where = f"edit {number}, cue {edit.cue}"
    if edit.before is not False or edit.cue != max(cues) + 1:
        raise UserError(f"{where}: the next line to add is {max(cues) + 1}, and nothing was there before", _FIX)
    if sum(line.is_new for line in cues.values()) >= MOST_ADDED:
        raise UserError(f"{where}: more than {MOST_ADDED} lines were added", "Open the descriptions.json and go on.")
    line = checked_line(edit.after, where, duration_s)
    see_that_it_is_free(line, (one.span() for one in cues.values() if not one.values["removed"]), where)
    cues[edit.cue] = _Line(cue_of(edit.cue, line), is_new=True)
    return line


def _same(before: Any, value: Value) -> bool:
    """Whether a logged value is the one that stands there; browsers write 12.0 as 12, and rates of frames round."""
    if isinstance(value, float) and not isinstance(before, bool) and isinstance(before, int | float):
        return abs(before) < MOST_S and abs(before - value) < 5e-4
    if isinstance(before, str) and isinstance(value, str):
        return clean_text(before) == clean_text(value)
    return type(before) is type(value) and before == value


def _checked(edit: Edit, number: int) -> Value:
    where, value = f"edit {number}, cue {edit.cue}", edit.after
    if edit.field in ("reviewed", "removed"):
        if not isinstance(value, bool):
            raise UserError(f"{where}: {edit.field} is {one_line(repr(value), 40)}", "Give true or false.")
        return value
    if edit.field == "text":
        return checked_text(value, where)
    return checked_seconds(value, where, edit.field)


class _Line:
    """A cue while it is edited."""

    def __init__(self, cue: Mapping[str, Any], is_new: bool = False) -> None:
        self._draft, self.is_new, self.index = cue, is_new, int(cue["index"])
        provenance = cue["provenance"]
        self.values: dict[str, Any] = {"text": cue["text"], "reviewed": bool(provenance.get("reviewed"))}
        self.values |= {name: float(cue[name]) for name in ("start_s", "end_s")} | {"removed": False}

    def is_unmeasured(self) -> bool:
        """Whether its end is not known, since nobody measured its new text; it gives way to the next line."""
        same_end = bool(self.values["end_s"] == self._draft["end_s"])
        return same_end and self.values["text"] != self._draft["text"] and "room_s" in self._draft["provenance"]

    def span(self) -> tuple[int, float, float]:
        """Its number and where it is known to be spoken, in seconds; of an unmeasured text the start alone is known."""
        start_s, end_s = float(self.values["start_s"]), float(self.values["end_s"])
        if end_s == self._draft["end_s"]:
            end_s += start_s - self._draft["start_s"]
        return self.index, start_s, start_s + 2 * SHORTEST_S if self.is_unmeasured() else end_s

    def cue(self, duration_s: float) -> dict[str, Any]:
        """The cue with its provenance, as the edits left it."""
        made, values = copy.deepcopy(dict(self._draft)), self.values
        before, provenance = self._draft, made["provenance"]
        if values["text"] != before["text"]:
            provenance["edited"] = True
            if provenance["text_from"] != PERSON:  # else there was no draft
                provenance.setdefault("draft", before["text"])
            provenance.pop("spoken_s", None)
            provenance.pop("fit", None)
        if values["reviewed"] or "reviewed" in provenance:
            provenance["reviewed"] = values["reviewed"]
        start_s, end_s = float(values["start_s"]), float(values["end_s"])
        if end_s == before["end_s"]:
            end_s = self._end_s(duration_s)
        if end_s - start_s < SHORTEST_S or end_s > duration_s + 0.5:
            said = f"cue {made['index']} would last from {start_s:g} to {end_s:g} s in a film of {duration_s:g} s"
            raise UserError(said, "Correct its start or end.")
        free = free_around(before) if "moved" in provenance.get("fit", "") else None
        if free and not free[0] - 1e-3 <= start_s < end_s <= free[1] + 1e-3:
            del provenance["fit"]  # it would say that nobody speaks between the room and the person's place
        made.update(text=values["text"], start_s=round(start_s, 3), end_s=round(end_s, 3))
        return made

    def _end_s(self, duration_s: float) -> float:
        """When it ends where nobody set it: as long as it was; a new text with its room; moved, never past the film."""
        start_s, before = float(self.values["start_s"]), self._draft
        if start_s == before["start_s"] and not self.is_unmeasured():
            return float(before["end_s"])
        end_s = float(before["end_s"]) + start_s - before["start_s"]
        from_s, to_s = free_around(before) or (0.0, 0.0)
        if self.is_unmeasured() and from_s <= start_s < to_s:
            end_s = to_s
        return max(min(end_s, duration_s), start_s + 2 * SHORTEST_S)


def free_around(drafted: Mapping[str, Any]) -> tuple[float, float] | None:
    """Say where nobody speaks around a cue, as far as the draft knows.

    Args:
        drafted: a cue of the draft.

    Returns:
        Since when and until when, in seconds; None if the draft does not say.
    """
    provenance = drafted["provenance"]
    room_s = provenance.get("room_s")
    if room_s is None:
        return None
    if "moved" in provenance.get("fit", ""):  # it was put beside its room, within the same stretch without speech
        return min(room_s[0], drafted["start_s"]), max(room_s[1], drafted["end_s"])
    return float(room_s[0]), float(room_s[1])


def log_of(draft: dict[str, Any], edits: Sequence[Edit]) -> str:
    """Write the log of a review.

    Args:
        draft: the document that the person began with.
        edits: all changes, in order.

    Returns:
        JSON with the edits and the sha256 of the two files, the draft's and the final script's, as `to_json` writes
        them.

    Raises:
        UserError: as `replay`.
    """
    log = {
        "format": FORMAT,
        "format_version": VERSION,
        "draft_sha256": _sha256(to_json(draft)),
        "final_sha256": _sha256(to_json(replay(draft, edits))),
        "edits": [asdict(edit) for edit in edits],
    }
    return json.dumps(log, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n"


def read_log(text: str, draft: dict[str, Any]) -> list[Edit]:
    """Read a log and see that it belongs to a draft and gives the script that it says.

    Args:
        text: the log's text.
        draft: the document that it starts from.

    Returns:
        The edits.

    Raises:
        UserError: if it is no log, of another draft, or does not give its final script.
    """
    try:
        log = json.loads(text)
        kind, version = log["format"], log["format_version"]
        hashes, entries = (log["draft_sha256"], log["final_sha256"]), log["edits"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(f"the edit log is no JSON of ours ({type(error).__name__})", _FIX) from error
    if (kind, version) != (FORMAT, VERSION):
        raise UserError(f"the edit log is of the format '{one_line(str(kind), 40)}', version {version}", _FIX)
    if hashes[0] != _sha256(to_json(draft)):
        raise UserError("the edit log belongs to another draft (its sha256 differs)", _FIX)
    edits = edits_of(entries)
    if hashes[1] != _sha256(to_json(replay(draft, edits))):
        raise UserError("the edit log does not give the final script that it names", _FIX)
    return edits


def replay_files(draft: Path, log: Path) -> str:
    """Make the final descriptions.json from the files of a review.

    Args:
        draft: descriptions.draft.json.
        log: edit-log.json.

    Returns:
        The text of the final descriptions.json.

    Raises:
        UserError: if they cannot be read or do not belong together.
    """
    document = read_document(read_text(draft, "the draft")[0], draft.name)
    return to_json(replay(document, read_log(read_text(log, "the edit log")[0], document)))


def read_document(text: str, name: str) -> dict[str, Any]:
    """Read a document of `descriptions.schema.json` that somebody gave.

    Args:
        text: the file's text.
        name: the file's name, for the messages.

    Returns:
        The document.

    Raises:
        UserError: if it is not what the schema says.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"'{name}' is not JSON ({type(error).__name__})", "Give a descriptions.json.") from error
    return checked_document(document, name)


def checked_document(document: Any, name: str) -> dict[str, Any]:
    """See that data are a document of `descriptions.schema.json`, with cues in the film's time.

    Args:
        document: anything.
        name: what it is called, for the messages.

    Returns:
        The same data.

    Raises:
        UserError: if they are not.
    """
    import jsonschema

    fix = "Give a descriptions.json that `distinctad describe` or the editor wrote."
    try:
        to_json(document)
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise UserError(f"'{name}' is no description script: {where}: {one_line(error.message, 120)}", fix) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"'{name}' is no description script ({one_line(str(error), 120)})", fix) from error
    numbers = [cue["index"] for cue in document["cues"]]
    if len(set(numbers)) != len(numbers):
        raise UserError(f"'{name}' holds two cues of one index", fix)
    wrong = [cue["index"] for cue in document["cues"] if cue["end_s"] <= cue["start_s"]]
    if wrong:
        raise UserError(f"'{name}': cue {wrong[0]} ends before it starts", fix)
    return dict(document)


def why(texts: Sequence[str], names: Iterable[str] = (), neighbours: int = NEIGHBOURS) -> list[dict[str, Any]]:
    """Say of each line which of its words are new and where the others were said.

    Args:
        texts: the lines in order of time.
        names: of the cast; names are neither new nor repeated. Without any, capitals stand in for them.
        neighbours: lines to each side that a line is compared with.

    Returns:
        For each line {"new": its distinctive words in order, "said": {word: numbers of the neighbouring lines, from 1}}
    """
    given = list(names)
    stopped = CLOSED_CLASS | name_words(given)
    found = []
    for i, text in enumerate(texts):
        first = max(0, i - neighbours)
        window = list(texts[first : i + neighbours + 1])
        own = distinctive_words(window, given)[i - first]
        bags = {first + at: set(words(other)) for at, other in enumerate(window) if first + at != i}
        mine = list(dict.fromkeys(words(text)))
        lines = {word: [at + 1 for at, bag in bags.items() if word in bag] for word in mine if word not in stopped}
        said = {word: where for word, where in lines.items() if where}
        found.append({"new": [word for word in mine if word in own], "said": said})
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def closed_class() -> list[str]:
    """The words that are never new in a line (pronouns, articles, prepositions and the like), sorted."""
    return sorted(CLOSED_CLASS)
