"""CSV: one row a cue, times in seconds, characters joined by "; ". Its times can be given to `describe --intervals`."""

from __future__ import annotations

import csv
import io

from distinctad.errors import UserError, one_line
from distinctad.formats.script import Script, ScriptCue, to_ms

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
        writer.writerow([script.title, cue.id or str(number), *times, cue.text, "; ".join(cue.characters)])
    return out.getvalue()


def read(text: str, name: str) -> Script:
    """Read a script from CSV with the columns of `write`; start, end and text must be there.

    Args:
        text: the file's text.
        name: the file's name, for the messages.

    Returns:
        The script.

    Raises:
        UserError: if a column is missing or a time is no number of seconds.
    """
    fix = "Give a CSV file with the columns start, end and text, times in seconds."
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), restval="")
    if not {"start", "end", "text"} <= set(reader.fieldnames or ()):
        raise UserError(f"the script '{name}' lacks a start, an end or a text column", fix)
    cues, title = [], ""
    for row in reader:
        try:
            start_ms, end_ms = to_ms(float(row["start"])), to_ms(float(row["end"]))
        except (ValueError, OverflowError) as error:
            said = one_line(f"{row['start']}, {row['end']}", 60)
            raise UserError(f"the script '{name}', line {reader.line_num}: '{said}' are no seconds", fix) from error
        if not 0 <= start_ms <= end_ms:
            said = f"{row['start']} to {row['end']}"
            raise UserError(f"the script '{name}', line {reader.line_num}: {said} is no stretch of time", fix)
        names = tuple(part for part in (row.get("characters") or "").split("; ") if part)
        cues.append(ScriptCue(start_ms, end_ms, row["text"], row.get("index") or "", names))
        title = title or row.get("film") or ""
    return Script(tuple(cues), title=title)
