"""Cast files: who may appear, with an optional portrait each.

JSON, `[{"id", "name", "actor", "portrait"}, ...]`, or CSV with the same columns. A name goes into the model's prompt
and a portrait is opened as a picture, so both are bounded and checked before anything else happens.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distinctad.errors import UserError, one_line
from distinctad.subtitles import delimiter_of, read_text
from modeling_distinctad.film_formats_distinctad import PORTRAIT_FORMATS

MAX_PEOPLE = 64  # a film's credited speaking parts; more would fill the language model's context with names
MAX_NAME_CHARACTERS = 80
MAX_CAST_BYTES = 1024 * 1024
MAX_PORTRAIT_BYTES = 32 * 1024 * 1024
MAX_PORTRAIT_PIXELS = 40_000_000
_FIX = 'Give a JSON list of {"id", "name", "actor", "portrait"} or a CSV file with these columns.'


@dataclass(frozen=True)
class Person:
    """One entry of the cast.

    Attributes:
        id: unique in the cast.
        name: as descriptions shall call the person.
        actor: the actor's name, or "".
        portrait: an image file that has been opened once, or None.
    """

    id: str
    name: str
    actor: str = ""
    portrait: Path | None = None


def read_cast(path: Path) -> tuple[list[Person], list[str]]:
    """Read a cast file and check its portraits.

    Refused: an empty cast, more than `MAX_PEOPLE`, an id used twice, a name that is missing, too long or holds `<`, `>`
    (the prompt's own marks) or line breaks, a portrait that is missing, no image, too large, or outside of the cast
    file's folder.

    Args:
        path: the cast file.

    Returns:
        The people in the file's order, and the warnings.

    Raises:
        UserError: for everything refused, naming the entry.
    """
    text, notes = read_text(path, "the cast", MAX_CAST_BYTES)
    entries = parse_cast(text, path.name)
    folder = path.resolve().parent
    people = [_person(entry, number, path.name, folder) for number, entry in enumerate(entries, 1)]
    seen: dict[str, int] = {}
    for number, person in enumerate(people, 1):
        if person.id in seen:
            message = f"the cast '{path.name}', entries {seen[person.id]} and {number} share the id '{person.id}'"
            raise UserError(message, "Give every person an id of their own.")
        seen[person.id] = number
    names = [person.name.casefold() for person in people]
    twice = sorted({person.name for person in people if names.count(person.name.casefold()) > 1})
    if twice:
        notes.append(f"the cast '{path.name}': several people are called {', '.join(twice)}")
    return people, notes


def parse_cast(text: str, name: str) -> list[dict[str, Any]]:
    """Parse a cast file's text into one dictionary a person, nothing in it checked yet.

    Args:
        text: the file's text.
        name: the file's name, for the messages.

    Returns:
        1 to `MAX_PEOPLE` dictionaries.

    Raises:
        UserError: if the text is neither a JSON list of objects nor a CSV table with a name column, or holds nobody
            or too many.
    """
    entries = _from_json(text, name) if text.lstrip("\ufeff \n\t")[:1] in ("[", "{") else _from_csv(text, name)
    if not entries:
        message = f"the cast '{name}' holds nobody"
        raise UserError(message, "Add people, or leave out --cast to describe without names.")
    if len(entries) > MAX_PEOPLE:
        raise UserError(
            f"the cast '{name}' holds {len(entries)} people, more than {MAX_PEOPLE}", "Keep those of this film."
        )
    return entries


def _from_json(text: str, name: str) -> list[dict[str, Any]]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the cast '{name}' is not JSON ({one_line(str(error), 100)})", _FIX) from error
    if not isinstance(entries, list):
        raise UserError(f"the cast '{name}' is a JSON {type(entries).__name__}, not a list", _FIX)
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise UserError(f"the cast '{name}', entry {number} is a JSON {type(entry).__name__}, not an object", _FIX)
    return entries


def _from_csv(text: str, name: str) -> list[dict[str, Any]]:
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter_of(text), strict=True)
    try:
        rows = [cells for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise UserError(f"the cast '{name}', line {reader.line_num}: not CSV ({error})", _FIX) from error
    if not rows:
        return []
    header = [cell.strip().casefold() for cell in rows[0]]
    if "name" not in header:
        raise UserError(f"the cast '{name}' has no name column (columns: {one_line(', '.join(header), 120)})", _FIX)
    return [dict(zip(header, cells, strict=False)) for cells in rows[1:]]


def _person(entry: dict[str, Any], number: int, file: str, folder: Path) -> Person:
    where = f"the cast '{file}', entry {number}"
    name = _field(entry, "name", where)
    if not name:
        raise UserError(f"{where} has no name", "Give every person a name.")
    portrait = _field(entry, "portrait", where, limit=1024, prompt=False)
    return Person(
        id=_field(entry, "id", where) or f"person_{number}",
        name=name,
        actor=_field(entry, "actor", where),
        portrait=_portrait(portrait, folder, f"{where} ({name})") if portrait else None,
    )


def _field(entry: dict[str, Any], key: str, where: str, limit: int = MAX_NAME_CHARACTERS, prompt: bool = True) -> str:
    """Read one text of an entry; a missing one and null are "". Numbers are taken as ids."""
    value = entry.get(key)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and key == "id" and abs(value) < 10**18:
        value = str(value)
    if not isinstance(value, str):
        raise UserError(f"{where}: {key} is a {type(value).__name__}, not a text", _FIX)
    text = value.strip()
    if len(text) > limit:
        raise UserError(f"{where}: {key} has {len(text)} characters, more than {limit}", "Shorten it.")
    # Marks like <face> are the prompt's own, and unpaired surrogates or control characters break files and tokenizers.
    strange = "".join(c for c in text if not c.isprintable() or (prompt and c in "<>"))
    if strange:
        raise UserError(
            f"{where}: {key} holds {ascii(strange[:8])}", "Take control characters, line breaks, < and > out."
        )
    return text


def _portrait(relative: str, folder: Path, where: str) -> Path:
    fix = "Give a path below the cast file's folder, or leave the portrait out."
    shown = one_line(relative, 100)
    try:
        path = (folder / relative.replace("\\", "/")).resolve()
        if Path(relative).is_absolute() or not path.is_relative_to(folder):
            raise UserError(f"{where}: portrait '{shown}' lies outside of the cast file's folder", fix)
        if not path.is_file():
            raise UserError(f"{where}: portrait '{shown}' is not a file", fix)
        if path.stat().st_size > MAX_PORTRAIT_BYTES:
            raise UserError(
                f"{where}: portrait '{shown}' has more than {MAX_PORTRAIT_BYTES} bytes", "Give a smaller image."
            )
    except (OSError, RuntimeError) as error:  # a name too long, a loop of links, no permission
        raise UserError(f"{where}: portrait '{shown}' cannot be read", fix) from error
    _check_image(path, shown, where)
    return path


def _check_image(path: Path, shown: str, where: str) -> None:
    """Open the image once, after its size has been read from its header and found bounded.

    Raises:
        UserError: if it is no image of `PORTRAIT_FORMATS`, broken, or has more than `MAX_PORTRAIT_PIXELS` pixels.
    """
    from PIL import Image

    fix = f"Give a {', '.join(PORTRAIT_FORMATS[:3])} image of the face."
    try:
        # Pillow may warn of a large picture; the bound is ours and stricter. Silencing it would silence other threads.
        with Image.open(path, formats=PORTRAIT_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PORTRAIT_PIXELS:
                message = f"{where}: portrait '{shown}' is {width}x{height}, more than {MAX_PORTRAIT_PIXELS} pixels"
                raise UserError(message, "Give a smaller image.")
            image.load()
    except UserError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise UserError(f"{where}: portrait '{shown}' is no image that can be read", fix) from error
