"""Read what `distinctad score` compares and put every prediction beside its truth, losing no row unseen.

Rows are paired by film, start and end (to 1 ms), never by their place in the file. A truth without a prediction is
scored as silence; a prediction without a truth, or two for one truth, is refused.
"""

from __future__ import annotations

import csv
import json
import math
import sys
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distinctad.errors import UserError
from distinctad.formats import table
from distinctad.subtitles import delimiter_of

FILM_COLUMNS = ("film", "movie", "imdbid_pe", "imdbid", "vid")
PREDICTION_COLUMNS = ("text_gen", "text")
EPISODE = "imdbid_pe"
TRUTH_COLUMNS = ("text_gt", "text", "sentence")
TOLERANCE_MS = 1
MAX_TABLE = 1 << 28  # characters; predictions for the largest public set have about 1 << 24
LISTED = 5  # rows named in an error
# A missing text as Python's str and pandas write it; any other case is a word, "Nan" a grandmother.
MISSING = ("nan", "NaN")


def composed(film: str) -> str:
    """A film's name as the score compares it: macOS may have taken its letters and accents apart."""
    return unicodedata.normalize("NFC", film)


@dataclass(frozen=True)
class Row:
    """One AD of a file.

    Attributes:
        film: which film (movie, episode) it is of.
        start_s: start in seconds.
        end_s: end in seconds.
        text: the AD, "" if there is none.
        line: place in the file, 1 = the first row of data.
        columns: the row's other cells (CSV) or the whole record (JSON lines).
    """

    film: str
    start_s: float
    end_s: float
    text: str
    line: int
    columns: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int, int]:
        """Film, start and end in whole milliseconds."""
        return composed(self.film), round(self.start_s * 1000), round(self.end_s * 1000)

    def __str__(self) -> str:
        """The row as an error names it."""
        return f"row {self.line} ({self.film} {self.start_s:.3f}-{self.end_s:.3f})"


def open_text(path: Path) -> str:
    """The file's text with its line ends untouched.

    Raises:
        UserError: if it cannot be read, is too large or is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            text = handle.read(MAX_TABLE + 1)  # a pipe does not say how much it holds
            if len(text) > MAX_TABLE:
                raise UserError(f"{path} has more than {MAX_TABLE} characters", "Split it by film.")
            return text
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start})", "Save it as UTF-8.") from error


def _text(cell: Any) -> str:
    """A cell's text; a missing value (None, the number NaN, one of `MISSING`) is silence."""
    text = "" if cell is None else str(cell)
    return "" if text.strip() in MISSING else text


def _seconds(value: Any, name: str, path: Path, line: int) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise UserError(f"{path}, row {line}: {name} is {value!r}, expected seconds", "Give a number such as 12.345.")
    return seconds


def _span(record: dict[str, Any], path: Path, line: int) -> tuple[float, float]:
    """Start and end of a row in seconds, in this order."""
    start_s, end_s = (_seconds(record[name], name, path, line) for name in ("start", "end"))
    if end_s < start_s:
        raise UserError(f"{path}, row {line} ends at {end_s:g} s and starts at {start_s:g} s", "Mend its times.")
    return start_s, end_s


def _csv_records(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; only quotes, the delimiter and line ends have a meaning, no other line break has."""
    text = open_text(path)
    limit = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a very long prediction is scored like any other
    try:
        text = text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
        # Cutting at \n alone keeps U+2028, U+0085 and the like inside their cells, quoted or not. A lone carriage
        # return is text too (pandas leaves it unquoted), which the reader would refuse.
        lines = [line + "\n" for line in text.replace("\r", "\u2028").split("\n")]
        rows = [row for row in csv.reader(lines, delimiter=delimiter_of(text), strict=True) if row]
    except csv.Error as error:
        raise UserError(f"{path} is no sound CSV ({error})", "Quote cells with commas, quotes or lines.") from error
    finally:
        csv.field_size_limit(limit)
    if not rows:
        raise UserError(f"{path} is empty", "Give a CSV file with a header line.")
    header = [name.strip() for name in rows[0]]
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise UserError(f"{path} has several columns named {twice[0]!r}", "Rename all but one.")
    for i, row in enumerate(rows[1:], 1):
        if len(row) != len(header):
            raise UserError(
                f"{path}, row {i} has {len(row)} cells, the header {len(header)}", "Quote texts that hold commas."
            )
    return [dict(zip(header, row, strict=True)) for row in rows[1:]]


def _column(found: Sequence[str], wanted: Sequence[str], what: str, path: Path) -> str:
    for name in wanted:
        if name in found:
            return name
    raise UserError(
        f"{path} has no column for the {what}, only {', '.join(found) or 'nothing'}",
        f"Name one {' or '.join(wanted)}.",
    )


def read_records(path: Path, notes: list[str] | None = None) -> list[dict[str, str]]:
    """The rows of a CSV file as they stand, at least one.

    Args:
        path: the file.
        notes: takes a sentence on rows that are not UTF-8, which are then read as `data validate` reads them (a public
            copy of MAD-Eval has such); None = they are refused.

    Raises:
        UserError: if it cannot be read, is no sound CSV or has no rows.
    """
    try:
        records = _csv_records(path)
    except UserError as error:
        # A pipe is gone once it was read.
        if notes is None or not isinstance(error.__cause__, UnicodeDecodeError) or not path.is_file():
            raise
        records, note = _decoded_records(path)
        notes.append(note)
    if not records:
        raise UserError(f"{path} has a header and no rows", "Give at least one row.")
    return records


def _decoded_records(path: Path) -> tuple[list[dict[str, str]], str]:
    """The rows of a CSV that is not UTF-8, decoded by the data room's reader, and a note that names them.

    Raises:
        UserError: the file is too large or a row cannot be read.
    """
    from datasets_scripts.tables import TableError, sound_records

    if path.stat().st_size > MAX_TABLE:
        raise UserError(f"{path} has more than {MAX_TABLE} bytes", "Split it by film.")
    records, guessed = [], []
    try:
        for record in sound_records(path):
            if any(rule == "encoding" for rule, _ in record.findings):
                guessed.append(record.number)
            records.append(record.cells)
    except TableError as error:
        raise UserError(str(error), "See `distinctad data validate`.") from error
    more = f" and {len(guessed) - LISTED} more" if len(guessed) > LISTED else ""
    rows = ", ".join(map(str, guessed[:LISTED])) + more if guessed else "none, but the header"
    return records, f"{path.name} is not UTF-8; single bytes read as Windows-1252 (rows from 0: {rows})"


def read_csv_rows(
    path: Path, text_columns: Sequence[str], films: Collection[str] = (), film: str | None = None, times: bool = True,
    notes: list[str] | None = None,
) -> list[Row]:  # fmt: skip
    """Read a prediction or annotation CSV.

    Args:
        path: the file; columns start, end, one of `FILM_COLUMNS` and one of `text_columns`.
        text_columns: names of the text's column, the preferred one first.
        films: what the other file calls its films; a column that knows one of them is preferred (CMD-AD numbers its
            movies and also has their IMDb ids). Where a show is known that way, the film is the episode.
        film: the film's column; None = found as above.
        times: False = the file needs no start and end (rows are at 0.0 s).
        notes: of `read_records`.

    Raises:
        UserError: naming the file, the row and what is wrong with it.
    """
    records = read_records(path, notes)
    found = list(records[0])
    if tuple(found) == table.COLUMNS:  # as `describe` writes them
        records = [{name: table.meant(cell or "") for name, cell in record.items()} for record in records]
    known = [n for n in FILM_COLUMNS if n in found and any(record[n].strip() in films for record in records)]
    column = film or (known[0] if known else None)
    if film is None and column == "imdbid" and EPISODE in found:
        column = EPISODE  # a show's episodes each begin at 0 s: together they would be one film in no order
    if times or column is not None:
        column = _column(found, (column,) if column else FILM_COLUMNS, "film", path)
    text = _column(found, text_columns, "text", path)
    for name in ("start", "end") if times else ():
        _column(found, (name,), name, path)
    return [
        Row(
            record[column].strip() if column else "",
            *(_span(record, path, i) if times else (0.0, 0.0)),
            _text(record[text]),
            i,
            dict(record),
        )
        for i, record in enumerate(records, 1)
    ]


def read_truth_rows(path: Path) -> list[Row]:
    """Read a truth.jsonl file; a row's `columns` is the whole record.

    Raises:
        UserError: naming the file and the line.
    """
    rows = []
    for i, line in enumerate(open_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {i} is no JSON", "Give one JSON object a line.") from error
        missing = {"film", "start", "end", "text"} - set(record if isinstance(record, dict) else {})
        if missing:
            raise UserError(f"{path}, line {i} lacks {', '.join(sorted(missing))}", "Write a whole truth row a line.")
        rows.append(Row(str(record["film"]), *_span(record, path, i), _text(record["text"]), i, record))
    if not rows:
        raise UserError(f"{path} holds no rows", "Give one JSON object a line.")
    return rows


def folded(text: str) -> str:
    """A text with one blank for every run of white space: files differ in them."""
    return " ".join(text.split())


def align(given: Sequence[Row], expected: Sequence[Row], given_path: Path, expected_path: Path) -> list[Row | None]:
    """Put each given row beside the expected row of its film, start and end.

    Where the annotations hold one interval several times (CMD-AD does), the given rows of it go to them in their order.

    Returns:
        One entry an expected row: its given row, or None if there is none.

    Raises:
        UserError: listing given rows that belong nowhere or are there twice.
    """
    free: dict[tuple[str, int, int], list[int]] = {}
    for i, row in enumerate(expected):
        free.setdefault(row.key, []).append(i)
    known = set(free)
    placed: list[Row | None] = [None] * len(expected)
    waiting = []

    def place(row: Row, spots: list[int]) -> None:
        """Of an interval that stands several times the annotation whose text the prediction carries goes first."""
        true = folded(str(row.columns.get("text_gt") or ""))
        spot = next((i for i in spots if len(spots) > 1 and folded(expected[i].text) == true), spots[0])
        spots.remove(spot)
        placed[spot] = row

    for row in given:
        if free.get(row.key):
            place(row, free[row.key])
        else:
            waiting.append(row)
    duplicates, extras = [], []
    shifts = [(a, b) for a in range(-TOLERANCE_MS, TOLERANCE_MS + 1) for b in range(-TOLERANCE_MS, TOLERANCE_MS + 1)]
    for row in waiting:
        film, start, end = row.key
        near = [(film, start + a, end + b) for a, b in shifts]
        spot = next((key for key in near if free.get(key)), None)
        if spot is not None:
            place(row, free[spot])
        elif any(key in known for key in near):
            duplicates.append(row)
        else:
            extras.append(row)
    problems = [
        f"{len(rows)} {what}: {', '.join(map(str, rows[:LISTED]))}{' and more' if len(rows) > LISTED else ''}"
        for what, rows in (("duplicate", duplicates), ("not in the truth", extras))
        if rows
    ]
    if problems:
        raise UserError(
            f"{given_path.name} has rows that {expected_path.name} has no place for, {'; '.join(problems)}",
            "Drop them, or score against the right truth.",
        )
    return placed
