"""CSV: one row a cue, times in seconds, characters joined by "; ". Its times can be given to `describe --intervals`."""

from __future__ import annotations

import csv
import io
from typing import Any

from distinctad.errors import UserError, one_line
from distinctad.formats.script import Script, ScriptCue, to_ms
from distinctad.subtitles import delimiter_of

# A cell that begins so is a formula to a spreadsheet: names and texts come from files that somebody else made.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = ("film", "index", "start", "end", "text", "characters")


def write(script: Script) -> str:
    """Write a script as CSV.

    Args:
        script: the script; a cue without an id gets its number.

    Returns:
        The file's text.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, cue in enumerate(script.cues, 1):
        times = (f"{cue.start_ms / 1000:.3f}", f"{cue.end_ms / 1000:.3f}")
        said = (cue.text, "; ".join(cue.characters))
        writer.writerow([*map(_plain, (script.title, cue.id or str(number))), *times, *map(_plain, said)])
    return out.getvalue()


def _plain(cell: str) -> str:
    """A cell that no spreadsheet computes: an apostrophe before what would be a formula, or looks like one so kept."""
    return "'" + cell if cell.lstrip("'").startswith(_FORMULA) else cell


def meant(cell: str) -> str:
    """A cell as it was before `write` kept spreadsheets from computing it."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def read(text: str, name: str) -> Script:
    """Read a script from CSV with the columns of `write`; start, end and text must be there.

    Comma, semicolon or tab may stand between the columns; where it is no comma, times may have decimal commas.

    Args:
        text: the file's text.
        name: the file's name, for the messages.

    Returns:
        The script.

    Raises:
        UserError: if it is no CSV, a column is missing, a row has more cells than the header, a time is no number of
            seconds or the rows are of several films.
    """
    fix = "Give a CSV file with the columns start, end and text, times in seconds."
    mark = delimiter_of(text)
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), restval="", delimiter=mark, strict=True)
    cues, titles = list[ScriptCue](), dict[str, None]()
    try:
        if not {"start", "end", "text"} <= set(reader.fieldnames or ()):
            raise UserError(f"the script '{name}' lacks a start, an end or a text column", fix)
        for row in reader:
            cues.append(_cue(row, f"the script '{name}', line {reader.line_num}", mark))
            if film := meant((row.get("film") or "").strip()):
                titles[film] = None
    except csv.Error as error:  # a quote that is never closed would swallow the rows after it
        raise UserError(f"the script '{name}', line {reader.reader.line_num}: not CSV ({error})", fix) from error
    if len(titles) > 1:
        said = one_line(", ".join(titles), 80)
        raise UserError(f"the script '{name}' holds {len(titles)} films: {said}", "Give a file of one film's rows.")
    return Script(tuple(cues), title=next(iter(titles), ""))


def _cue(row: dict[Any, Any], where: str, mark: str) -> ScriptCue:
    """Read one row; `mark` stands between the columns, so another than a comma leaves the comma to decimals."""
    fix = "Give times in seconds (12.5), and quote texts with commas."
    if any(cell.strip() for cell in row.get(None) or ()):
        raise UserError(f"{where}: more cells than the header", fix)
    times = [row[name] if mark == "," else row[name].replace(",", ".") for name in ("start", "end")]
    try:
        start_ms, end_ms = (to_ms(float(cell)) for cell in times)
    except (ValueError, OverflowError) as error:
        said = one_line(f"{row['start']}, {row['end']}", 60)
        raise UserError(f"{where}: '{said}' are no seconds", fix) from error
    if not 0 <= start_ms <= end_ms:
        raise UserError(f"{where}: {row['start']} to {row['end']} is no stretch of time", fix)
    names = tuple(part for part in meant(row.get("characters") or "").split("; ") if part)
    return ScriptCue(start_ms, end_ms, meant(row["text"]), meant(row.get("index") or ""), names)
