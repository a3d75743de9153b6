"""MAD's JSON annotations, one big object id -> entry, read like a table: gone through once, then film by film."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets_scripts.repairs import short
from datasets_scripts.tables import (
    CHUNK,
    MAX_LINE,
    Place,
    Record,
    Repeated,
    TableError,
    decode,
    open_bounded,
    parse_json,
)

_SPACE = re.compile(r"[ \t\r\n]*")
_AWAITED = {"object": "{", "first": '"}', "next": ",}", "entry": '"', "end": ""}  # marks that may come, by what came
_SAID = {
    "object": "an object", "first": "an entry or the closing brace", "next": "a comma or the closing brace",
    "entry": "an entry", "end": "nothing after the closing brace (a stray brace before, or two files joined)",
}  # fmt: skip
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class JSONTable:
    """A JSON object of annotation entries.

    Bytes are scanned as Latin-1 (one character a byte, JSON's own marks are ASCII), so that places in the text are
    places in the file; entries are decoded as UTF-8 when they are read.

    Args:
        path: the file.

    Raises:
        TableError: the file cannot be opened or does not begin as an object.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        self._stack = contextlib.ExitStack()
        try:
            self._file = open_bounded(path, self._stack)
        except OSError as error:
            raise TableError(f"{self.name} cannot be opened ({error.strerror}); give an existing file") from error
        except TableError:
            self.close()
            raise
        self._decoder = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str)
        head = self._file.read(CHUNK)
        self._begin = 3 if head.startswith(b"\xef\xbb\xbf") else 0
        if head[self._begin :].lstrip()[:1] != b"{":
            raise TableError(f"{self.name} is no JSON object, expected id -> entry; give MAD's annotation file")

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def spans(self) -> Iterator[tuple[int, str, int, bytes]]:
        """Yield (row number, id, byte offset of the entry, its bytes) of each entry.

        Raises:
            TableError: where the JSON breaks off, a comma is missing or doubled, something follows the object's end or
                an entry is longer than `MAX_LINE`; `rows` says after how many.
        """
        self._file.seek(self._begin)
        text, base, at, number, state = "", self._begin, 0, 0, "object"
        while True:
            at = self._skip(text, at)
            mark = text[at : at + 1]
            if mark and mark not in _AWAITED[state]:
                found = short(text[at : at + 20])
                raise TableError(f"{self.name}, row {number}: {found}, expected {_SAID[state]}; mend it", rows=number)
            if mark in ("{", ",", "}"):
                state, at = {"{": "first", ",": "entry", "}": "end"}[mark], at + 1
                continue
            step = self._entry(text, at) if mark else None
            if step is not None:
                key, begin, end = step
                yield number, key, base + begin, text[begin:end].encode("latin-1")
                number, at, state = number + 1, end, "next"
                continue
            if len(text) - at > MAX_LINE:
                raise TableError(f"{self.name}, row {number}: no entry within {MAX_LINE} bytes; mend it", rows=number)
            more = self._file.read(CHUNK)
            if not more:
                if state == "end":
                    return
                raise TableError(f"{self.name}, row {number}: the file breaks off or is no JSON; mend it", rows=number)
            base += at
            text, at = text[at:] + more.decode("latin-1"), 0

    @staticmethod
    def _skip(text: str, at: int) -> int:
        """Go over blanks."""
        match = _SPACE.match(text, at)
        return match.end() if match else at

    def _entry(self, text: str, at: int) -> tuple[str, int, int] | None:
        """Find `"id": value` at a place; None while more text is needed."""
        name = _STRING.match(text, at)
        if name is None:
            return None
        colon = self._skip(text, name.end())
        if text[colon : colon + 1] != ":":
            return None
        begin = self._skip(text, colon + 1)
        try:
            _, end = self._decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            return None
        if end >= len(text):  # a number may go on in the next chunk
            return None
        return name[0][1:-1].encode("latin-1").decode("utf-8", "replace"), begin, end

    def index(self, key: str) -> tuple[dict[str, Place], list[Record]]:
        """Note where each film's entries lie; ids used before are refused.

        Args:
            key: the field that names the film.

        Returns:
            Film -> its entries in file order; and the entries without a film or with an old id, refused.

        Raises:
            TableError: as `spans`.
        """
        places: dict[str, Place] = {}
        refused: list[Record] = []
        seen: set[int] = set()  # hashes: a number an entry, not a text
        for number, name, offset, raw in self.spans():
            cells, findings = self.parse(raw)
            film = cells.get(key)
            if hash(name) in seen:
                findings = [*findings, ("duplicate_id", f"id {short(name)} stood there before")]
            elif cells and (not isinstance(film, str) or not film.strip()):
                findings = [*findings, ("no_id", f"{key} is {short(film)}, expected a film")]
            elif cells and isinstance(film, str):
                seen.add(hash(name))
                place = places.setdefault(film.strip(), Place())
                place.numbers.append(number)
                place.offsets.append(offset)
                place.lengths.append(len(raw))
                continue
            refused.append(Record(number, {}, findings))
        return places, refused

    def parse(self, raw: bytes) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Read one entry; ({}, findings) if it is no object."""
        text, findings = decode(raw)
        try:
            entry = parse_json(text)
        except ValueError as error:
            return {}, [*findings, ("not_an_object", f"{short(str(error))}: {short(text)}")]
        if isinstance(entry, Repeated):
            return {}, [*findings, ("not_an_object", f"{short(entry.again[0][0])} stands twice in the entry")]
        if not isinstance(entry, dict) or not entry:
            return {}, [*findings, ("not_an_object", f"{short(text)}, expected an object")]
        return dict(entry), findings

    def records(self, place: Place) -> Iterator[Record]:
        """Yield the entries of a place in file order."""
        for number, offset, length in zip(place.numbers, place.offsets, place.lengths, strict=True):
            self._file.seek(offset)
            cells, findings = self.parse(self._file.read(length))
            yield Record(number, cells, findings)
