"""Names of casts and true actions, as the public files give them."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets_scripts.literals import MAX_LITERAL
from distinctad.errors import UserError
from distinctad.score_rows import Row, composed, open_text

People = list[tuple[str, str]]
"""(id, or the name where there is none; name) of each, an id twice where one plays two roles."""


def _people(entries: Any, where: str) -> People:
    """The people of one list: texts, or objects with a role or a name (character banks name the actor in `name`).

    Raises:
        UserError: it is no list, or an entry has no name: left out in silence it would be a person that no metric sees.
    """
    if not isinstance(entries, list):
        raise UserError(f"{where} is a {type(entries).__name__}, expected a list of people", "Give each film a list.")
    people = []
    for number, entry in enumerate(entries, 1):
        own = entry if isinstance(entry, dict) else {"name": entry if isinstance(entry, str) else None}
        name = str(own.get("role") or own.get("name") or "").strip()
        if not name:
            raise UserError(f"{where}, entry {number} has no name", 'Write a name or {"id": ..., "name": ...}.')
        people.append((str(own.get("id") or name), name))
    return people


def parse_bank(text: str, path: Path) -> dict[str, People]:
    """The people of a JSON text: an object film -> list of people, or one list.

    Args:
        text: the JSON; people are names, or objects with "role" or "name" and perhaps "id".
        path: where it stands, for the messages.

    Returns:
        film -> its people; of one list they stand under "".

    Raises:
        UserError: it is no such JSON or someone has no name.
    """
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no readable JSON of casts", "Pass {film: [names]} or a folder of casts.") from error
    if not isinstance(table, dict):
        return {"": _people(table, str(path))}
    return {film: _people(entries, f"{path}, {film!r}") for film, entries in table.items()}


def read_people(path: Path, films: Sequence[str]) -> dict[str, People]:
    """Ids and names of each film's cast.

    Args:
        path: a folder that holds `<film>.cast.json` or `film_<film>.cast.json`, each one list, there or one folder
            below; or a JSON file {film: [people]}; see `parse_bank`.
        films: the films wanted.

    Returns:
        film -> its people; a film that the file does not list is left out.

    Raises:
        UserError: if the file is no such JSON or lists none of the films, or the folder lacks one of them.
    """
    if path.is_file():
        bank = {composed(film): entries for film, entries in parse_bank(open_text(path), path).items()}
        people = {film: bank[composed(film)] for film in films if composed(film) in bank}
        if not people:
            raise UserError(
                f"{path} lists none of the {len(films)} films, {films[0]} first", "Pass the casts of this set."
            )
        return people
    files = [file for pattern in ("*/*.cast.json", "*.cast.json") for file in sorted(path.glob(pattern))]
    paths = {composed(file.name.removesuffix(".cast.json")): file for file in files}
    people = {}
    for film in films:
        own = paths.get(composed(film)) or paths.get(f"film_{composed(film)}")
        if own is None:
            raise UserError(f"{path} has no {film}.cast.json", "Pass --casts with the folder of the cast files.")
        people[film] = parse_bank(open_text(own), own).get("", [])
        if not people[film]:
            raise UserError(f"{own} is no list of named people", 'Write [{"id": ..., "name": ...}, ...].')
    return people


def read_names(path: Path, films: Sequence[str]) -> dict[str, list[str]]:
    """The names of each film's cast; arguments and errors as of `read_people`."""
    return names_of(read_people(path, films))


def names_of(people: Mapping[str, People]) -> dict[str, list[str]]:
    """The names of what `read_people` gives, each once."""
    return {film: list(dict.fromkeys(name for _, name in entries)) for film, entries in people.items()}


def read_actions(rows: Sequence[Row]) -> list[list[str]] | None:
    """The true actions of each row from the column `gt_action` (a list as Python writes it), if it is there.

    A cell that holds no list of texts (the public files have five "0") gives the whole AD as one action.

    Raises:
        UserError: if a cell has more than `MAX_LITERAL` characters, which no list of actions has.
    """
    if not rows or "gt_action" not in rows[0].columns:
        return None
    actions = []
    for row in rows:
        cell = str(row.columns["gt_action"])
        if len(cell) > MAX_LITERAL:
            raise UserError(
                f"{row}: gt_action has {len(cell)} characters, expected at most {MAX_LITERAL}", "Give a list of texts."
            )
        try:
            found = ast.literal_eval(cell)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found = None
        texts = [str(item) for item in found if str(item).strip()] if isinstance(found, list) else []
        actions.append(texts or [row.text])
    return actions
