"""When to describe: intervals from a file, from the gaps between subtitle lines, or spread evenly.

Of an annotation file only the times are read, never a text or a character: with a file that holds several films the
column that names the film selects the rows, and that is all it does.
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets_scripts.annotations import VIDEO_ENDINGS
from distinctad.errors import UserError, one_line
from distinctad.subtitles import Speech, delimiter_of, read_text

MAX_ROWS = 200_000  # the largest public annotation file has 93,952
END_SLACK_S = (
    0.5  # an end this far past the film's is rounding (of containers, frame rates, other copies), not a mistake
)
SHORTEST_S = 0.01  # the shortest public AD takes 0.118 s; exports write milliseconds and must keep start before end
_TIME_COLUMNS = (("start", "end"), ("start_s", "end_s"))
# Columns that say which film a row is of, the finest first: our own and the public sets'.
_FILM_COLUMNS = ("film", "video", "cmd_filename", "imdbid_pe", "imdbid", "movie", "movie_title")
_VIDEO_SUFFIX = re.compile(f"({'|'.join(map(re.escape, VIDEO_ENDINGS))})$", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")


@dataclass(frozen=True)
class Interval:
    """One stretch to describe.

    Attributes:
        start_s: its start, in seconds.
        end_s: its end, in seconds, after `start_s`.
        origin: where it comes from, "file", "gap" or "even".
        line: its line in the file (1-based, the header is line 1), None unless `origin` is "file".
    """

    start_s: float
    end_s: float
    origin: str
    line: int | None = None


@dataclass(frozen=True)
class GapRules:
    """How gaps between speech become intervals; all in seconds.

    Attributes:
        min_gap_s: shorter gaps stay undescribed (not every pause wants a description).
        guard_s: kept free beside a line of speech, within the gap.
        max_length_s: longer stretches are split into equal parts.
        even_s: about the length of an interval where there is nothing to go by.
    """

    min_gap_s: float = 1.2
    guard_s: float = 0.15
    max_length_s: float = 6.0
    even_s: float = 4.0

    def __post_init__(self) -> None:
        """Refuse rules that leave nothing of a gap.

        Raises:
            UserError: if a length is not positive and finite, or two guards fill the shortest gap.
        """
        for name in ("min_gap_s", "max_length_s", "even_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.05 <= value):
                raise UserError(f"{name} is {value}", "Give seconds, at least 0.05.")
        if not (math.isfinite(self.guard_s) and 0 <= 2 * self.guard_s < self.min_gap_s):
            message = f"a guard of {self.guard_s} s on both sides leaves nothing of a gap of {self.min_gap_s} s"
            raise UserError(message, "Give a guard from 0 to less than half of the shortest gap.")


def even_intervals(duration_s: float, rules: GapRules | None = None) -> list[Interval]:
    """Cut a film into equal intervals of about `rules.even_s`.

    Args:
        duration_s: the film's length in seconds, positive.
        rules: the lengths.

    Returns:
        At least one interval; together they cover the film.
    """
    rules = rules or GapRules()
    return _split(0.0, duration_s, max(1, round(duration_s / rules.even_s)), "even")


def speech_gaps(speech: Sequence[Speech], duration_s: float, rules: GapRules | None = None) -> list[Interval]:
    """Find the intervals between lines of speech, before the first and after the last.

    A gap counts from `rules.min_gap_s` up; the guard is taken off on each side where there is speech (not at the film's
    own ends), and what is longer than `rules.max_length_s` is split into equal parts. Lines may overlap or come in any
    order. Own choice throughout: the published guidelines give no number for the shortest gap.

    Args:
        speech: the lines, in seconds.
        duration_s: the film's length in seconds.
        rules: the lengths.

    Returns:
        The intervals in order, possibly none.
    """
    rules = rules or GapRules()
    found: list[Interval] = []
    free_from = 0.0
    spoken_before = False
    for line in [*sorted(speech, key=lambda line: (line.start_s, line.end_s)), None]:
        gap_end = duration_s if line is None else min(line.start_s, duration_s)
        if gap_end - free_from >= rules.min_gap_s - 1e-9:
            start_s = free_from + (rules.guard_s if spoken_before else 0.0)
            end_s = gap_end - (rules.guard_s if line is not None and line.start_s < duration_s + rules.guard_s else 0.0)
            parts = math.ceil((end_s - start_s) / rules.max_length_s - 1e-9)
            found.extend(_split(start_s, end_s, max(1, parts), "gap"))
        if line is not None:
            free_from, spoken_before = max(free_from, line.end_s), True
    return found


def _split(start_s: float, end_s: float, parts: int, origin: str) -> list[Interval]:
    """Cut a stretch into equal parts with times on whole milliseconds, never outside of the stretch."""
    first_ms, last_ms = math.ceil(round(start_s * 1000, 3)), math.floor(round(end_s * 1000, 3))
    cuts = [first_ms + (last_ms - first_ms) * i // parts for i in range(parts + 1)]
    return [Interval(a / 1000, b / 1000, origin) for a, b in zip(cuts, cuts[1:], strict=False) if b > a]


def read_intervals(
    path: Path, duration_s: float, film: str, film_id: str | None = None, overlaps: str = "refuse"
) -> tuple[list[Interval], list[str]]:
    """Read AD intervals from a CSV file with columns `start` and `end`, in seconds or H:MM:SS.

    Public layouts are read as they are: where the file names its films, the rows of this film are taken; CMD-AD rows
    taken by `cmd_filename` use `scaled_start` and `scaled_end`, the times inside that clip.

    Refused: a row with more cells than the header, an interval that is no number, reversed, empty or past the film's
    end, and two that overlap. Repaired and said: rows out of order (sorted), a start below zero (set to zero), an end
    less than half a second past the film's (cut).

    Args:
        path: the file; comma, semicolon or tab between the columns.
        duration_s: the film's length in seconds.
        film: the film's file name.
        film_id: what the file calls the film, if not by its file name.
        overlaps: "refuse", or "keep" for scoring on sets whose intervals overlap.

    Returns:
        The intervals sorted by time, and the warnings.

    Raises:
        UserError: for everything refused, naming the file's line.
    """
    text, warnings = read_text(path, "the intervals")
    found, more = parse_intervals(text, path.name, duration_s, film, film_id, overlaps)
    return found, warnings + more


def parse_intervals(
    text: str, name: str, duration_s: float, film: str, film_id: str | None = None, overlaps: str = "refuse"
) -> tuple[list[Interval], list[str]]:
    """Parse the text of an interval file; see `read_intervals`.

    Args:
        text: the file's text.
        name: the file's name, for the messages.
        duration_s: the film's length in seconds.
        film: the film's file name.
        film_id: what the file calls the film, if not by its file name.
        overlaps: "refuse" or "keep".

    Returns:
        The intervals sorted by time, and the warnings.

    Raises:
        UserError: as `read_intervals`.
    """
    header, rows = _table(text, name)
    rows, times, warnings = _rows_of_film(header, rows, name, film, film_id)
    found: list[Interval] = []
    clamped = cut = 0
    for line, row in rows:
        start_s, end_s = (_seconds(row[column], name, line, header[column]) for column in times)
        if end_s - start_s < SHORTEST_S:
            message = f"the intervals '{name}', line {line}: end {end_s:g} s is not after start {start_s:g} s"
            raise UserError(message, "Correct the line: start before end.")
        if end_s > duration_s + END_SLACK_S or start_s >= duration_s or end_s <= 0:
            times_said = f"{start_s:g} to {end_s:g} s"
            message = f"the intervals '{name}', line {line}: {times_said} is outside the film of {duration_s:.3f} s"
            raise UserError(message, "Remove the line, or give the film that the intervals were made for.")
        clamped += start_s < 0
        cut += end_s > duration_s
        found.append(Interval(max(0.0, start_s), min(end_s, duration_s), "file", line))
    if clamped:
        warnings.append(f"the intervals '{name}': {clamped} start(s) below zero set to zero")
    if cut:
        warnings.append(f"the intervals '{name}': {cut} end(s) less than {END_SLACK_S} s past the film's end cut to it")
    return _in_order(found, name, overlaps, warnings), warnings


def _table(text: str, name: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Split CSV text into lower-case column names and (line, cells) pairs; short, long and blank rows are seen to."""
    fix = "Give a CSV file with the columns start and end."
    rows: list[tuple[int, list[str]]] = []
    header: list[str] = []
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter_of(text), strict=True)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip().casefold() for cell in cells]
                continue
            if len(cells) < len(header):
                cells = cells + [""] * (len(header) - len(cells))
            if any(cell.strip() for cell in cells[len(header) :]):  # "1,5,2,5" would be read as 1 to 5
                count = f"{len(cells)} cells, the header {len(header)}"
                message = f"the intervals '{name}', line {reader.line_num}: {count}"
                raise UserError(message, "Decimal commas? Use points, or semicolons between columns; quote texts.")
            rows.append((reader.line_num, cells))
            if len(rows) > MAX_ROWS:
                raise UserError(f"the intervals '{name}' have more than {MAX_ROWS} rows", "Split the file by film.")
    except csv.Error as error:
        raise UserError(f"the intervals '{name}', line {reader.line_num}: not CSV ({error})", fix) from error
    if not any(start in header and end in header for start, end in _TIME_COLUMNS):
        columns = one_line(", ".join(header), 120) or "none"
        raise UserError(f"the intervals '{name}' lack a start or an end column (columns: {columns})", fix)
    if not rows:
        raise UserError(f"the intervals '{name}' have a header and no row", "Add rows, or leave out --intervals.")
    return header, rows


def _rows_of_film(
    header: list[str], rows: list[tuple[int, list[str]]], name: str, film: str, film_id: str | None
) -> tuple[list[tuple[int, list[str]]], tuple[int, int], list[str]]:
    """Take the rows of one film; return them, the two time columns and the warnings."""
    times = next((start, end) for start, end in _TIME_COLUMNS if start in header and end in header)
    wanted = _film_key(film_id if film_id is not None else film)
    several: list[str] = []
    only: list[str] = []
    for column in _FILM_COLUMNS:
        if column not in header or (column == "imdbid" and "imdbid_pe" in header):
            continue  # a series' number would mix its episodes
        at = header.index(column)
        names = list(dict.fromkeys(row[at] for _, row in rows))
        chosen = [(line, row) for line, row in rows if _film_key(row[at]) == wanted]
        if chosen:
            notes = []
            if column == "cmd_filename" and {"scaled_start", "scaled_end"} <= set(header):
                times = ("scaled_start", "scaled_end")
                notes.append(
                    f"the intervals '{name}': CMD-AD layout, times inside the clip (scaled_start, scaled_end) taken"
                )
            return chosen, (header.index(times[0]), header.index(times[1])), notes
        only = only or names
        if len(names) > 1:
            several = several or names
    if several or film_id is not None:
        known = one_line(", ".join(several[:3]), 100)
        message = f"the intervals '{name}' hold no row of the film '{film_id or film}'" + (
            f" but of {known}, ..." if known else ""
        )
        raise UserError(message, "Name the film as the file does with --film-id.")
    notes = (
        [f"the intervals '{name}': all rows taken, though they name the film '{one_line(only[0], 60)}'"] if only else []
    )
    return rows, (header.index(times[0]), header.index(times[1])), notes


def _film_key(text: str) -> str:
    name = _VIDEO_SUFFIX.sub("", text.strip().replace("\\", "/").rsplit("/", 1)[-1]).casefold()
    return unicodedata.normalize("NFC", name)  # macOS may have taken a file's letters and accents apart


def _seconds(cell: str, name: str, line: int, column: str) -> float:
    """Parse seconds ("12.5", "12,5") or a clock time ("0:01:02.5")."""
    text = cell.strip()
    clock = _CLOCK.fullmatch(text)
    try:
        if clock:
            hours, minutes, seconds = clock.groups()
            value = int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
        else:
            value = float(text.replace(",", ".")) if text.count(",") == 1 and "." not in text else float(text)
    except ValueError as error:
        message = f"the intervals '{name}', line {line}: {column} is {one_line(text, 40)!r}, not a time"
        raise UserError(message, "Give seconds (12.5) or H:MM:SS (0:00:12.5).") from error
    if not math.isfinite(value):
        message = f"the intervals '{name}', line {line}: {column} is {one_line(text, 40)!r}, not a finite time"
        raise UserError(message, "Give the time in seconds or remove the line.")
    return value


def _in_order(found: list[Interval], name: str, overlaps: str, warnings: list[str]) -> list[Interval]:
    """Sort by time, drop nothing; refuse or count overlaps."""
    ordered = sorted(found, key=lambda interval: (interval.start_s, interval.end_s, interval.line or 0))
    if ordered != found:
        warnings.append(f"the intervals '{name}': rows were not in the order of time, sorted")
    clashes = [(a, b) for a, b in zip(ordered, ordered[1:], strict=False) if b.start_s < a.end_s - 1e-6]
    if clashes and overlaps == "keep":
        warnings.append(
            f"the intervals '{name}': {len(clashes)} overlap(s) kept, two descriptions would be spoken at once"
        )
    elif clashes:
        a, b = clashes[0]
        times = f"{a.start_s:g} to {a.end_s:g} s and {b.start_s:g} to {b.end_s:g} s"
        message = f"the intervals '{name}', lines {a.line} and {b.line} overlap ({times}; {len(clashes)} in all)"
        raise UserError(message, "Correct the times, or keep them with --overlaps keep.")
    return ordered
