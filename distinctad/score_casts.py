"""Names of casts and true actions, as the public files give them."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distinctad.errors import UserError
from distinctad.score_rows import Row, open_text, read_casts


def _person(entry: Any) -> tuple[str, str]:
    """A person's id and name in the AD: the role where there is one (character banks name the actor in `name`)."""
    if isinstance(entry, dict):
        name = str(entry.get("role") or entry.get("name") or "").strip()
        return str(entry.get("id") or name), name
    name = str(entry).strip() if isinstance(entry, str) else ""
    return name, name


def read_people(path: Path, films: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Ids and names of each film's cast.

    Args:
        path: a folder of `<film>.cast.json`, or a JSON file {film: [names, or entries with role or name]}.
        films: the films wanted.

    Returns:
        film -> [(id, or the name where there is none; name)], an id twice where one plays two roles; a film that the
        file does not list is left out.

    Raises:
        UserError: if the file is no such JSON or lists none of the films, or the folder lacks one of them.
    """
    if not path.is_file():
        entries = read_casts(path, films)
        return {film: [(str(p.get("id") or p["name"]), p["name"]) for p in people] for film, people in entries.items()}
    text = open_text(path)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no readable JSON of casts", "Pass {film: [names]} or a folder of casts.") from error
    listed = table if isinstance(table, dict) else {}
    people = {film: [_person(entry) for entry in listed[film]] for film in films if isinstance(listed.get(film), list)}
    if not people:
        raise UserError(f"{path} lists none of the {len(films)} films, {films[0]} first", "Pass the casts of this set.")
    return {film: [person for person in entries if person[1]] for film, entries in people.items()}


def read_names(path: Path, films: Sequence[str]) -> dict[str, list[str]]:
    """The names of each film's cast; arguments and errors as of `read_people`."""
    return names_of(read_people(path, films))


def names_of(people: Mapping[str, Sequence[tuple[str, str]]]) -> dict[str, list[str]]:
    """The names of what `read_people` gives, each once."""
    return {film: list(dict.fromkeys(name for _, name in entries)) for film, entries in people.items()}


def read_actions(rows: Sequence[Row]) -> list[list[str]] | None:
    """The true actions of each row from the column `gt_action` (a list as Python writes it), if it is there.

    A cell that holds no list of texts (the public files have five "0") gives the whole AD as one action.
    """
    if not rows or "gt_action" not in rows[0].columns:
        return None
    actions = []
    for row in rows:
        try:
            found = ast.literal_eval(str(row.columns["gt_action"]))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found = None
        texts = [str(item) for item in found if str(item).strip()] if isinstance(found, list) else []
        actions.append(texts or [row.text])
    return actions
