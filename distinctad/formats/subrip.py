"""SubRip (.srt): times and texts. pysubs2 does the format; texts go through it unchanged, braces and tags too."""

from __future__ import annotations

import re

from distinctad.errors import UserError
from distinctad.formats.script import Script, ScriptCue

_BREAK = re.compile(r"\\(?=[Nnh])")  # the library's own marks for breaks; SubRip has no way to escape them


def write(script: Script) -> str:
    """Write a script as SubRip.

    Args:
        script: the script; cues without a text are left out.

    Returns:
        The file's text.
    """
    import pysubs2

    subtitles = pysubs2.SSAFile()
    for cue in script.cues:
        if cue.text:
            text = "\n".join(line for line in cue.text.split("\n") if line.strip())
            text = _BREAK.sub("/", text)
            subtitles.append(pysubs2.SSAEvent(start=cue.start_ms, end=cue.end_ms, text=text))
    return subtitles.to_string("srt", keep_ssa_tags=True).rstrip("\n") + "\n"


def read(text: str, name: str) -> Script:
    """Read a script from SubRip.

    Args:
        text: the file's text.
        name: the file's name, for the messages.

    Returns:
        The cues in the file's order, none where no line is whole; ids, characters and provenance are none.

    Raises:
        UserError: if the text is no SubRip.
    """
    import pysubs2

    if "-->" not in text:
        raise UserError(
            f"the script '{name}' is no SubRip", "Give a file with lines like 00:00:01,000 --> 00:00:02,000."
        )
    options = {"keep_html_tags": True, "keep_unknown_html_tags": True, "keep_ssa_tags": True}
    events = pysubs2.SSAFile.from_string(text, "srt", **options).events
    cues = tuple(ScriptCue(event.start, event.end, event.text.replace("\\N", "\n")) for event in events)
    return Script(cues)
