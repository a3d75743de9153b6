"""Find out by which key a file of predictions and its annotations fit together, and pair them.

Public files name their films and times in several ways (`vid` holds an IMDb id or a clip's file name, times count from
the film's or the clip's start, some have no times at all). Whatever the key, it is a key: never the rows' order alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets_scripts.annotations import VIDEO_ENDINGS
from distinctad.errors import UserError
from distinctad.score_rows import (
    FILM_COLUMNS,
    PREDICTION_COLUMNS,
    Row,
    align,
    composed,
    folded,
    read_csv_rows,
    read_records,
)

CLIP_COLUMNS = ("cmd_filename", "tvad_name")  # `vid` may hold these
TIMES = (("start", "end"), ("scaled_start", "scaled_end"))
INDEX = "anno_idx"
MISMATCHES = 0.01  # share of rows whose text_gt may differ from the annotations (mangled characters)


def _film(cell: object) -> str:
    """A film's name; `describe` writes the video's file name, whose ending annotations leave off."""
    name = composed(str(cell).strip())
    stem, dot, ending = name.rpartition(".")
    return stem if stem and dot + ending.lower() in VIDEO_ENDINGS else name


def _film_keys(given: Sequence[dict[str, str]], expected: Sequence[Row]) -> tuple[str, str] | None:
    """The column of the predictions and that of the annotations ("" = the film) that hold the same names."""
    best: tuple[int, tuple[str, str]] | None = None
    for mine in (*FILM_COLUMNS, *CLIP_COLUMNS):
        if mine not in given[0]:
            continue
        for theirs in ("", *FILM_COLUMNS, *CLIP_COLUMNS):
            if theirs and theirs not in expected[0].columns:
                continue
            known = {_film(row.columns[theirs] if theirs else row.film) for row in expected}
            count = sum(_film(record[mine]) in known for record in given)
            if count and (best is None or count > best[0]):
                best = count, (mine, theirs)
    return best[1] if best else None


def _keyed(expected: Sequence[Row], film: str, times: tuple[str, str]) -> list[Row]:
    """The expected rows under another film name and other times; a row that lacks these keeps its film's."""
    keyed = []
    for row in expected:
        name = _film(row.columns[film] if film else row.film)
        start_s, end_s = row.start_s, row.end_s
        if times != TIMES[0]:
            own = [_number(row.columns.get(name)) for name in times]
            start_s, end_s = own if all(map(math.isfinite, own)) else (start_s, end_s)
        keyed.append(replace(row, film=name, start_s=start_s, end_s=end_s))
    return keyed


def _number(cell: Any) -> float:
    """A cell as a time in seconds, or not a number: clip times are a second way to pair, never required."""
    try:
        seconds = float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return seconds if math.isfinite(seconds * 1000) else math.nan  # keys are milliseconds


def _by_times(path: Path, expected: Sequence[Row], against: Path, keys: tuple[str, str]) -> list[Row | None]:
    """Pair by film, start and end; by the clip's own times where more rows fit those than the film's."""
    mine, theirs = keys
    given = [replace(row, film=_film(row.film)) for row in read_csv_rows(path, PREDICTION_COLUMNS, film=mine)]
    readings = [
        _keyed(expected, theirs, times)
        for times in TIMES
        if times == TIMES[0] or all(name in expected[0].columns for name in times)
    ]
    fitting = []
    for reading in readings:
        known = {row.key for row in reading}
        fitting.append(sum(row.key in known for row in given))
    return align(given, readings[fitting.index(max(fitting))], path, against)


def _by_index(path: Path, records: Sequence[dict[str, str]], expected: Sequence[Row]) -> list[Row | None]:
    """Pair by `anno_idx`, the place of the row in the annotations."""
    given = read_csv_rows(path, PREDICTION_COLUMNS, times=False)
    placed: list[Row | None] = [None] * len(expected)
    for record, row in zip(records, given, strict=True):
        cell = record[INDEX].strip()
        place = int(cell) if cell.isascii() and cell.isdigit() else -1
        if not 0 <= place < len(expected) or placed[place] is not None:
            raise UserError(
                f"{path}, row {row.line}: {INDEX} is {cell!r}, expected each of 0..{len(expected) - 1} at most once",
                "Number the rows as the annotations stand.",
            )
        placed[place] = row
    return placed


def _by_text(path: Path, expected: Sequence[Row], against: Path, keys: tuple[str, str]) -> list[Row | None]:
    """Pair by film and true text; equal texts of one film, which score alike, in the order of the rows."""
    mine, theirs = keys
    given = read_csv_rows(path, PREDICTION_COLUMNS, film=mine, times=False)
    free: dict[tuple[str, str], list[int]] = {}
    for i, row in enumerate(_keyed(expected, theirs, TIMES[0])):
        free.setdefault((row.film, folded(row.text)), []).append(i)
    placed: list[Row | None] = [None] * len(expected)
    for row in given:
        places = free.get((_film(row.film), folded(row.columns["text_gt"])))
        if not places:
            raise UserError(
                f"{path}, row {row.line}: its text_gt is not (or not so often) in {row.film} of {against.name}",
                "Give film, start and end, or the true texts as the annotations have them.",
            )
        placed[places.pop(0)] = row
    return placed


def film_names(path: Path) -> set[str]:
    """What a file of predictions calls its films: the values of the first column that names films or clips.

    A video's file name stands with and without its ending.
    """
    records = read_records(path)
    column = next((name for name in FILM_COLUMNS if name in records[0]), None)
    found = {record[column].strip() for record in records} if column else set()
    return found | {_film(name) for name in found}


def pair(path: Path, expected: Sequence[Row], against: Path) -> list[Row | None]:
    """Put each row of a file of predictions beside its annotation.

    Args:
        path: CSV with a text and a key: film (movie, imdbid, vid, ...) with start and end, or `anno_idx`, or film with
            `text_gt`.
        expected: the annotations' rows.
        against: their file, for messages.

    Returns:
        One entry an expected row: its prediction, or None if there is none.

    Raises:
        UserError: if no key fits, rows belong nowhere or are there twice, or the true texts that the predictions carry
            are not the annotations'.
    """
    records = read_records(path)
    keys = _film_keys(records, expected)
    timed = all(name in records[0] for name in TIMES[0])
    if timed and (keys is not None or INDEX not in records[0]):
        film = next((name for name in (*FILM_COLUMNS, *CLIP_COLUMNS) if name in records[0]), "")
        placed = _by_times(path, expected, against, keys or (film, ""))
    elif INDEX in records[0]:
        placed = _by_index(path, records, expected)
    elif keys is not None and "text_gt" in records[0]:
        placed = _by_text(path, expected, against, keys)
    else:
        raise UserError(
            f"{path} has no key that fits {against.name}, only the columns {', '.join(filter(None, records[0]))}",
            f"Give film, start and end, or {INDEX}, or film and text_gt.",
        )
    if "text_gt" in records[0]:
        _check_texts(path, expected, placed, against)
    return placed


def _check_texts(path: Path, expected: Sequence[Row], placed: Sequence[Row | None], against: Path) -> None:
    pairs = [(row, given) for row, given in zip(expected, placed, strict=True) if given is not None]
    other = [given for row, given in pairs if folded(given.columns["text_gt"]) != folded(row.text)]
    if len(other) > MISMATCHES * len(pairs):
        raise UserError(
            f"{path.name}: text_gt of {len(other)} of {len(pairs)} rows is not the text in {against.name}, "
            f"{other[0]} first",
            "Score against the annotations that the predictions were made from.",
        )
