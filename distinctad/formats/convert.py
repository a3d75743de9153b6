"""From one script format to another, by the ending of the files' names; what the target cannot hold is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from distinctad.errors import UserError, one_line
from distinctad.formats import dapt, script_json, subrip, table, webvtt_descriptions
from distinctad.formats.dapt_rules import is_language
from distinctad.formats.reading import narrator_script
from distinctad.formats.script import Script, clock, held
from distinctad.subtitles import MAX_TEXT_BYTES, read_text

Reader = Callable[[str, str], Script]
READERS: dict[str, Reader] = {
    ".srt": subrip.read,
    ".vtt": webvtt_descriptions.read,
    ".csv": table.read,
    ".json": script_json.read,
}
WRITERS: dict[str, Callable[[Script], str]] = {
    ".srt": subrip.write,
    ".vtt": webvtt_descriptions.write,
    ".csv": table.write,
    ".json": script_json.write,
    ".xml": dapt.write,
    ".ttml": dapt.write,
    ".txt": lambda script: narrator_script(script, ()),
}
ENDINGS = ".srt, .vtt, .csv, .json, .dapt.xml or .ttml"  # of `READERS`, and of DAPT; `WRITERS` have .txt too
UNKNOWN = "review status unknown: check every line"
# What a format holds beyond times and texts.
MOST_MS = 1_000_000_000  # 277 hours, as of annotations; formats write larger times in ways of their own
_HOLDS = {
    ".srt": set(),
    ".txt": {"title", "review note"},
    ".vtt": {"ids", "language", "review note"},
    ".csv": {"ids", "characters", "title"},
}


def read_script(path: Path, notes: list[str] | None = None) -> Script:
    """Read a script in whatever format the file's ending says.

    Args:
        path: a .srt, .vtt, .csv, .json, .xml or .ttml file (the last two: DAPT).
        notes: what was assumed or repaired (a guessed encoding, cues out of order) is added to it.

    Returns:
        The script, its cues in order of time, its language a tag that every format can hold.

    Raises:
        UserError: if the ending is none of these, the file cannot be read as what it says, it holds no cue, or a cue
            ends before it starts or lies beyond `MOST_MS`.
    """
    notes = [] if notes is None else notes
    read = _read(path, path.suffix.lower(), notes)
    script = held(read)
    if script != read:
        notes.append(f"the script '{path.name}': characters that no script can hold were left out")
    if not script.cues:
        raise UserError(f"the script '{path.name}' holds no cue", "Give a script with at least one.")
    for number, cue in enumerate(script.cues, 1):
        if cue.end_ms < cue.start_ms:
            times = f"starts at {clock(cue.start_ms)} and ends at {clock(cue.end_ms)}"
            raise UserError(f"the script '{path.name}': cue {number} {times}", "Correct its times: start before end.")
    late = next((cue for cue in script.cues if cue.end_ms > MOST_MS), None)
    if late is not None:
        raise UserError(
            f"the script '{path.name}' has a cue that ends after {MOST_MS // 3_600_000} hours", "Correct its times."
        )
    ordered = tuple(sorted(script.cues, key=lambda cue: (cue.start_ms, cue.end_ms)))
    if ordered != script.cues:
        notes.append(f"the script '{path.name}': cues were not in the order of time, sorted")
    language = script.language.replace("_", "-")
    if not is_language(language):
        said = f"'{one_line(script.language, 40)}', expected a tag like en or de-CH; und (not known) is taken"
        notes.append(f"the script '{path.name}': its language is {said}")
        language = "und"
    return replace(script, cues=ordered, language=language)


def _read(path: Path, kind: str, notes: list[str]) -> Script:
    if kind in (".xml", ".ttml"):
        read_text(path, "the script")  # refuses what is no file, too large or no text
        return dapt.read(path.read_bytes()[: MAX_TEXT_BYTES + 1], path.name, notes)
    if kind not in READERS:
        raise UserError(f"the script '{path.name}' has no ending that is known", f"Give {ENDINGS}.")
    text, more = read_text(path, "the script")
    notes += more
    return READERS[kind](text, path.name)


def lost(script: Script, kind: str) -> list[str]:
    """Name what a script has and a format cannot hold.

    Args:
        script: the script.
        kind: the target's ending.

    Returns:
        In words, sorted.
    """
    has = {
        "ids": any(cue.id for cue in script.cues),
        "characters": any(cue.characters for cue in script.cues),
        "provenance": any(cue.provenance is not None for cue in script.cues),
        "title": bool(script.title),
        "cast": bool(script.people),
        "language": script.language not in ("en", "und"),
        "review note": bool(script.note),
        "stretches without a length (1 ms there)": kind == ".vtt"
        and any(cue.text and cue.start_ms == cue.end_ms for cue in script.cues),
        "arrows between times in texts (-> there)": kind == ".srt"
        and any(subrip.without_times(cue.text) != cue.text for cue in script.cues),
        "empty opportunities": any(not cue.text for cue in script.cues) and kind != ".csv",
    }
    return sorted(name for name, there in has.items() if there and kind in _HOLDS and name not in _HOLDS[kind])


def convert(
    source: Path,
    target: Path,
    overwrite: bool = False,
    notes: list[str] | None = None,
    language: str | None = None,
) -> list[str]:
    """Convert a script file; what comes of a format that cannot hold a review note says `UNKNOWN` in its place.

    Args:
        source: what to read.
        target: what to write; its ending says the format.
        overwrite: whether it may be replaced.
        notes: what was assumed or repaired in reading is added to it.
        language: of the texts, BCP 47; None is what the source says, and English where its format says none.

    Returns:
        What the target's format cannot hold.

    Raises:
        UserError: if the one cannot be read or the other not written, nothing would be in it, or the language is none;
            then nothing is left.
    """
    from distinctad.exports import OutputFolder

    kind = target.suffix.lower()
    if kind not in WRITERS:
        raise UserError(f"the target '{target.name}' has no ending that is known", f"Give {ENDINGS}, or .txt.")
    if language is not None and not is_language(language):
        raise UserError(f"--language is '{one_line(language, 40)}'", "Give a tag like en, es or de-CH.")
    script = read_script(source, notes)
    script = script if language is None else replace(script, language=language)
    gone = lost(script, kind)
    if "empty opportunities" in gone and not any(cue.text for cue in script.cues):
        message = f"the script '{source.name}' holds empty opportunities only, and {kind} needs texts"
        raise UserError(message, "Give .dapt.xml, .ttml, .csv or .json.")
    if not script.note and "review note" not in _HOLDS.get(source.suffix.lower(), {"review note"}):
        script = replace(script, note=UNKNOWN)  # a machine's draft may have been told as one before it became this
    with OutputFolder(target.parent, overwrite, names=(target.name,)) as folder:
        folder.write({target.name: WRITERS[kind](script)})
    return gone


def convert_command(
    source: Annotated[Path, typer.Argument(help=f"A script: {ENDINGS}.")],
    target: Annotated[Path, typer.Argument(help="The same endings, or .txt for a script to read aloud.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the target.")] = False,
    language: Annotated[
        str | None, typer.Option(metavar="TAG", help="Of the texts; files that do not say it count as en.")
    ] = None,
) -> None:
    """Convert a description script from one format to another."""
    notes: list[str] = []
    gone = convert(source, target, overwrite, notes, language)
    if gone:
        notes.append(f"{target.suffix} cannot hold: {', '.join(gone)}")
    for note in notes:
        typer.echo(f"Warning: {note}", err=True)
    typer.echo(str(target))
