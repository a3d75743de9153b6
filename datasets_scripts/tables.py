"""Annotation files, read line by line with bounds: one row of cells after the other, each refusal with its row.

A file is gone through once to note where each film's rows lie; then films are read on their own, so memory does not
grow with the file. A damaged line never takes its neighbours along: every physical line is parsed for itself, and a
quoted cell is followed over line breaks only if the lines after it are no rows of their own.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import re
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from datasets_scripts.repairs import REFUSED, RULES, short

MAX_LINE = 1 << 20  # bytes; the longest line of a public file has 7,061
MAX_CELL = 1 << 16  # characters of a cell; the longest public one (boxes of faces) has 6,551
MAX_FILE = 4 << 30  # bytes; MAD's training annotations have about 0.1 of them
MAX_JOINED = 20  # lines that one quoted cell may run over
MAX_JSON = 16 << 20  # bytes of a bank, split or key file, read whole; the largest public one has 1.2 MB
CHUNK = 1 << 16

_STRANGE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_BAD_BYTE = re.compile(r"[\udc80-\udcff]")
_LIST_KEY = re.compile(r'"([^"\\]{1,80})"\s*:\s*\[')
_TEXT_KEY = re.compile(r'"([^"\\]{1,80})"\s*:\s*"')
_MANGLED_QUOTE = "?\udc80?"  # what a widely used copy of MAD-Eval made of U+201D


class TableError(ValueError):
    """A file of which no row can be read; the message says what was found, expected and what to do.

    Attributes:
        rule: "missing_column" or "unreadable".
        rows: rows seen before the end.
    """

    def __init__(self, message: str, rule: str = "unreadable", rows: int = 0) -> None:
        self.rule, self.rows = rule, rows
        super().__init__(message)


@dataclass
class Record:
    """One row as it stands in the file.

    Attributes:
        number: 0 for the first data row.
        cells: column -> value; texts in a CSV file, anything JSON holds in a JSON file.
        findings: (rule, detail) pairs of what reading found; a refusing one means that `cells` may be incomplete.
    """

    number: int
    cells: dict[str, Any]
    findings: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Place:
    """Where the rows of one film lie: parallel arrays of row number, byte offset and length."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    offsets: array[int] = field(default_factory=lambda: array("q"))
    lengths: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.numbers)


def decode(raw: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Read bytes as UTF-8; single bytes that are not are read as Windows-1252.

    Returns:
        The text, and a finding if any byte had to be guessed.
    """
    text = raw.decode("utf-8", "surrogateescape")
    if not _BAD_BYTE.search(text):
        return text, []
    at = _BAD_BYTE.search(text)
    near = raw[max(0, at.start() - 8) :][:20] if at else b""
    text = text.replace(_MANGLED_QUOTE, "\u201d")
    text = _BAD_BYTE.sub(lambda m: bytes([ord(m[0]) - 0xDC00]).decode("cp1252", "replace"), text)
    return text, [("encoding", f"near {short(repr(near))}")]


def tidy(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Replace control characters, line separators and lone surrogates by blanks."""
    found = _STRANGE.search(text)
    if not found:
        return text, []
    return _STRANGE.sub(" ", text), [("control_character", f"{short(found[0])} at character {found.start()}")]


def open_bounded(path: Path, stack: contextlib.ExitStack) -> IO[bytes]:
    """Open a file; a pipe is copied to a temporary file first, as far as its lines are of a sane length.

    Args:
        path: the file or pipe.
        stack: closes what is opened here.

    Raises:
        TableError: too large, or a pipe with a line of over `MAX_LINE` bytes.
        OSError: it cannot be opened.
    """
    source = stack.enter_context(path.open("rb"))
    if source.seekable():
        if (size := path.stat().st_size) > MAX_FILE:
            raise TableError(f"{path.name} has {size} bytes, expected at most {MAX_FILE}; split it")
        return source
    copy: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
    unbroken = total = 0
    while chunk := source.read(CHUNK):
        last = chunk.rfind(b"\n")
        unbroken = len(chunk) - last - 1 if last >= 0 else unbroken + len(chunk)
        total += len(chunk)
        if unbroken > MAX_LINE:
            raise TableError(f"{path.name} holds a line of over {MAX_LINE} bytes, expected rows; give a whole file")
        if total > MAX_FILE:
            raise TableError(f"{path.name} holds over {MAX_FILE} bytes, expected fewer; split it")
        copy.write(chunk)
    copy.seek(0)
    return copy


class Table:
    """A CSV file of annotations.

    Args:
        path: the file or a pipe.
        aliases: other name of a column -> the name used here ("imdb" -> "imdbid").

    Attributes:
        columns: names in the header, aliases resolved.

    Raises:
        TableError: no header can be read.
    """

    def __init__(self, path: Path, aliases: dict[str, str] | None = None) -> None:
        self.path, self.name = path, path.name
        self._stack = contextlib.ExitStack()
        try:
            self._file = open_bounded(path, self._stack)
        except OSError as error:
            raise TableError(f"{self.name} cannot be opened ({error.strerror}); give an existing file") from error
        except TableError:
            self.close()
            raise
        try:
            self.columns = self._header(aliases or {})
        except TableError:
            self.close()
            raise
        self._begin = self._file.tell()

    def _header(self, aliases: dict[str, str]) -> list[str]:
        """Read the column names, aliases resolved."""
        header = self._file.readline(MAX_LINE + 1)
        if header.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in header:
            raise TableError(f"{self.name} is UTF-16 or binary, expected CSV in UTF-8; save it as UTF-8")
        text, _ = decode(header.removeprefix(b"\xef\xbb\xbf"))
        try:
            cells = next(csv.reader([text.rstrip("\r\n")], strict=True), [])
        except csv.Error as error:
            raise TableError(f"{self.name} begins with no header ({error}); expected column names") from error
        columns = [aliases.get(cell.strip(), cell.strip()) for cell in cells]
        if len(columns) == 1 and (other := next((mark for mark in ";\t" if mark in columns[0]), "")):
            name = "semicolons" if other == ";" else "tabs"
            raise TableError(f"{self.name} has {name} between its columns, expected commas; save it with commas")
        if len(header) > MAX_LINE or len(set(columns)) < len(columns) or not any(columns):
            raise TableError(f"{self.name} begins with {short(text)}, expected distinct column names; give its header")
        return columns

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def require(self, names: Iterable[str]) -> None:
        """Refuse a file without some columns.

        Raises:
            TableError: naming what is missing and what is there; `rows` counts the lines.
        """
        if missing := [name for name in names if name not in self.columns]:
            rows = sum(1 for _ in self.lines())
            raise TableError(
                f"{self.name} has no column {', '.join(missing)}, expected it beside {short(', '.join(self.columns))}; "
                "rename or add it",
                "missing_column",
                rows,
            )

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (row number, byte offset, bytes) of each row; empty lines are no rows.

        Raises:
            TableError: a line longer than `MAX_LINE`; `rows` says after how many.
        """
        offset, number = self._begin, 0
        while True:
            self._file.seek(offset)
            line = self._file.readline(MAX_LINE + 1)
            if len(line) > MAX_LINE:
                raise TableError(f"{self.name}, row {number}: a line of over {MAX_LINE} bytes; mend it", rows=number)
            if not line:
                return
            if line.count(b'"') % 2:
                line = self._joined(line)
            if line.strip():
                yield number, offset, line
                number += 1
            offset += len(line)

    def _joined(self, line: bytes) -> bytes:
        """Follow an open quote over the next lines, unless one of them is a row of its own."""
        whole = line
        for _ in range(MAX_JOINED):
            following = self._file.readline(MAX_LINE + 1)
            if not following or len(whole) + len(following) > MAX_LINE:
                break
            if len(self.parse(following)[0]) == len(self.columns):  # a row, though it may need repair
                break
            whole += following
            if whole.count(b'"') % 2 == 0:
                return whole if len(self.parse(whole)[0]) == len(self.columns) else line
        return line

    def parse(self, raw: bytes) -> tuple[list[str], list[tuple[str, str]]]:
        """Split one row into cells.

        Returns:
            The cells ([] if the row is refused) and what was found.
        """
        text, findings = decode(raw.rstrip(b"\r\n"))
        if "\n" in text:
            text = re.sub(r"[\r\n]+", " ", text)
            findings.append(("line_break", "a cell over several lines"))
        text, strange = tidy(text)
        findings += strange
        try:
            cells = next(csv.reader([text], strict=True))
        except csv.Error as error:
            rule = "too_long" if len(text) > csv.field_size_limit() else "quotes"  # csv has a limit of its own
            return [], [*findings, (rule, f"{error}: {short(text)}")]
        if len(cells) != len(self.columns):
            return [], [*findings, ("ragged", f"{len(cells)} cells, expected {len(self.columns)}: {short(text)}")]
        for name, cell in zip(self.columns, cells, strict=True):
            if len(cell) > MAX_CELL:
                return [], [*findings, ("too_long", f"{name} has {len(cell)} characters, expected under {MAX_CELL}")]
        return cells, findings

    def index(self, key: str) -> tuple[dict[str, Place], list[Record]]:
        """Note where each film's rows lie.

        Args:
            key: the column that names the film.

        Returns:
            Film -> its rows in file order, films in order of their first row; and the rows without a film, refused.

        Raises:
            TableError: as `lines`.
        """
        column = self.columns.index(key)
        places: dict[str, Place] = {}
        refused: list[Record] = []
        for number, offset, raw in self.lines():
            cells, findings = self.parse(raw)
            film = cells[column].strip() if cells else ""
            if not film:
                refused.append(Record(number, {}, findings if not cells else [("no_id", f"{key} is empty")]))
                continue
            place = places.setdefault(film, Place())
            place.numbers.append(number)
            place.offsets.append(offset)
            place.lengths.append(len(raw))
        return places, refused

    def records(self, place: Place) -> Iterator[Record]:
        """Yield the rows of a place in file order."""
        for number, offset, length in zip(place.numbers, place.offsets, place.lengths, strict=True):
            self._file.seek(offset)
            cells, findings = self.parse(self._file.read(length))
            yield Record(number, dict(zip(self.columns, cells, strict=False)), findings)

    def all_records(self) -> Iterator[Record]:
        """Yield every row in file order, refused ones with their finding.

        Raises:
            TableError: as `lines`.
        """
        for number, _, raw in self.lines():
            cells, findings = self.parse(raw)
            yield Record(number, dict(zip(self.columns, cells, strict=False)), findings)


def _bounded_int(digits: str) -> int | float:
    """Integers of sane length; longer ones become infinite and are refused where a number is read."""
    return int(digits) if len(digits) < 19 else math.inf


class Repeated(dict[str, Any]):
    """A JSON object that says which keys stood in it twice (`again`: key and later value)."""

    again: list[tuple[str, Any]]

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Make a dictionary that keeps the first value of each key."""
        made = cls()
        made.again = []
        for key, value in pairs:
            if key in made:
                made.again.append((key, value))
            else:
                made[key] = value
        return made if made.again else dict(made)


def parse_json(text: str) -> Any:
    """Read JSON with bounded integers; objects with a key twice come as `Repeated`.

    Raises:
        ValueError: not JSON, or nested too deeply.
    """
    try:
        return json.loads(text, parse_int=_bounded_int, object_pairs_hook=Repeated.of)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path, most_bytes: int = MAX_JSON) -> Any:
    """Read a JSON file of metadata (banks, splits, keys).

    Args:
        path: the file.
        most_bytes: larger files are refused unread.

    Raises:
        TableError: missing, too large, pickled, not UTF-8 or not JSON; a damaged file is refused whole, and the message
            says where (line, character and the key before it).
    """
    try:
        with path.open("rb") as file:
            raw = file.read(most_bytes + 1)
    except OSError as error:
        raise TableError(f"{path.name} cannot be opened ({error.strerror}); give an existing file") from error
    if len(raw) > most_bytes:
        raise TableError(f"{path.name} has over {most_bytes} bytes, expected less; split it")
    if path.suffix in (".pkl", ".pickle", ".pt", ".pth") or raw[:1] == b"\x80":
        raise TableError(f"{path.name} is a pickle, which can run code; expected JSON; ask its author for JSON")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return parse_json(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        where = _whereabouts(raw[: error.start].decode("utf-8"))
        byte = f"byte 0x{raw[error.start]:02x}"
        raise TableError(f"{path.name}, {where}: {byte} is not UTF-8; nothing of it is read; mend it") from error
    except json.JSONDecodeError as error:
        where = _whereabouts(error.doc[: error.pos])
        raise TableError(f"{path.name}, {where}: no JSON ({error.msg}); nothing of it is read; mend it") from error
    except ValueError as error:
        raise TableError(f"{path.name} is not JSON ({short(str(error))}); expected an object") from error


def _whereabouts(before: str) -> str:
    """Where a text breaks off: line, character, and the film or split whose list was open."""
    line, character = before.count("\n") + 1, len(before) - before.rfind("\n")
    keys = _LIST_KEY.findall(before) or _TEXT_KEY.findall(before)
    return f"line {line}, character {character}" + (f", under {short(keys[-1])}" if keys else "")


def sound_records(path: Path) -> Iterator[Record]:
    """Every record of a table, decoded and repaired as `data validate` does it.

    Raises:
        TableError: the table cannot be read, or one of its rows would be refused.
    """
    with contextlib.closing(Table(path)) as table:
        for record in table.all_records():
            if refusal := next((detail for rule, detail in record.findings if RULES[rule][0] == REFUSED), None):
                raise TableError(f"{path}, row {record.number}: {refusal}")
            yield record
