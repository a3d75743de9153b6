"""Names of casts and true actions, as the public files give them."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distinctad.errors import UserError
from distinctad.score_rows import Row, open_text, read_casts


def _name(entry: Any) -> str:
    """A person's name in the AD: the role where there is one (character banks name the actor in `name`)."""
    if isinstance(entry, dict):
        return str(entry.get("role") or entry.get("name") or "").strip()
    return str(entry).strip() if isinstance(entry, str) else ""


def read_names(path: Path, films: Sequence[str]) -> dict[str, list[str]]:
    """The names of each film's cast.

    Args:
        path: a folder of `<film>.cast.json`, or a JSON file {film: [names, or entries with role or name]}.
        films: the films wanted.

    Returns:
        Names of each film; a film that the file does not list is left out.

    Raises:
        UserError: if the file is no such JSON or lists none of the films.
    """
    if path.is_dir():
        entries = read_casts(path, films)
        return {film: [person["name"] for person in people] for film, people in entries.items()}
    text = open_text(path)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no readable JSON of casts", "Pass {film: [names]} or a folder of casts.") from error
    listed = table if isinstance(table, dict) else {}
    names = {film: [n for n in map(_name, listed[film]) if n] for film in films if isinstance(listed.get(film), list)}
    if not names:
        raise UserError(f"{path} lists none of the {len(films)} films, {films[0]} first", "Pass the casts of this set.")
    return names


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
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
        texts = [str(item) for item in found if str(item).strip()] if isinstance(found, list) else []
        actions.append(texts or [row.text])
    return actions
