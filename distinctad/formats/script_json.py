"""JSON: the whole script with provenance; also reads the documents that `describe` writes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from distinctad.errors import UserError
from distinctad.formats.script import Script, ScriptCue, ScriptPerson, held_provenance, script_of

FORMAT, VERSION = "distinctad.script", 1


def write(script: Script) -> str:
    """Write a script as JSON, keys sorted.

    Args:
        script: the script.

    Returns:
        The file's text.
    """
    document = {"format": FORMAT, "format_version": VERSION, **asdict(script)}
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n"


def read(text: str, name: str) -> Script:
    """Read a script from JSON as `write` or `describe` make it.

    Args:
        text: the file's text.
        name: the file's name, for the messages.

    Returns:
        The script.

    Raises:
        UserError: if it is neither.
    """
    from distinctad.review import checked_document

    fix = "Give a .json file that `distinctad describe` or `convert` wrote."
    try:
        document = json.loads(text, parse_constant=_refuse)
        kind = document["format"]
        if kind == "distinctad.descriptions":
            return script_of(checked_document(document, name))
        if kind != FORMAT or document["format_version"] != VERSION:
            raise UserError(f"the script '{name}' is JSON of the format '{kind}'", fix)
        return _script(document)
    except UserError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise UserError(f"the script '{name}' is no JSON script ({type(error).__name__})", fix) from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON; expected a finite number; correct it")


def _script(document: dict[str, Any]) -> Script:
    cues = []
    for cue in document["cues"]:
        start_ms, end_ms = int(cue["start_ms"]), int(cue["end_ms"])
        if not 0 <= start_ms <= end_ms:
            raise ValueError(f"a cue from {start_ms} to {end_ms} ms; expected a stretch of time; correct it")
        provenance = None if cue["provenance"] is None else held_provenance(cue["provenance"])
        names = tuple(str(one) for one in cue["characters"])
        cues.append(ScriptCue(start_ms, end_ms, str(cue["text"]), str(cue["id"]), names, provenance))
    people = tuple(ScriptPerson(str(person["name"]), str(person["actor"])) for person in document["people"])
    return Script(tuple(cues), str(document["language"]), str(document["title"]), str(document["note"]), people)
