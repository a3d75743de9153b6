"""SubRip (.srt): times and texts. pysubs2 does the format; texts go through it unchanged, braces and tags too."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from distinctad.errors import UserError, one_line
from distinctad.formats.script import Script, ScriptCue, clock, without_arrows

if TYPE_CHECKING:
    from pysubs2 import SSAEvent, SSAFile
    from pysubs2.formats.subrip import SubripFormat

_BREAK = re.compile(r"\\(?=[Nnh])")  # the library's own marks for breaks; it has no way to write them
_MARK = re.compile(r"\\([\\N])")
_TIME = re.compile(r"\d[ \t]*:")
_TIME_LINE = re.compile(r"[ \t]*(?:-[ \t]*)?\d+[ \t]*:.*-->")
# A file that was moved too far back: a time before the film, which the library would read without its sign.
NEGATIVE_TIME = re.compile(r"^(?=.*-->)[ \t]*-[ \t]*\d[\d:.,]*|(?<=-->)[ \t]*-[ \t]*\d[\d:.,]*", re.MULTILINE)
_MANY_BREAKS = re.compile(r"\n{100,}")
_NEXT_NUMBER = re.compile(r"\n[ \t]*\n[ \t]*\d+\Z")


def write(script: Script) -> str:
    """Write a script as SubRip, from 100 hours on with hours of three digits.

    Args:
        script: the script; cues without a text are left out, and texts are written `without_times`.

    Returns:
        The file's text.
    """
    import pysubs2

    subtitles = pysubs2.SSAFile()
    for cue in script.cues:
        if cue.text:
            text = "\n".join(line for line in without_times(cue.text).split("\n") if line.strip())
            text = _BREAK.sub("/", text)
            subtitles.append(pysubs2.SSAEvent(start=cue.start_ms, end=cue.end_ms, text=text))
    out = io.StringIO()
    _format().to_file(subtitles, out, "srt", keep_ssa_tags=True)
    return out.getvalue().rstrip("\n") + "\n"


def read(text: str, name: str) -> Script:
    """Read a script from SubRip.

    Args:
        text: the file's text.
        name: the file's name, for the messages.

    Returns:
        The cues in the file's order, none where no line is whole; ids, characters and provenance are none.

    Raises:
        UserError: if the text is no SubRip, or a line of times cannot be read.
    """
    import pysubs2

    if "-->" not in text:
        raise UserError(
            f"the script '{name}' is no SubRip", "Give a file with lines like 00:00:01,000 --> 00:00:02,000."
        )
    form = _format()
    for number, line in unread_times(text, form.TIMESTAMP):  # the library takes it for words of the cue before
        message = f"line {number} of the script '{name}' holds no two times that can be read: '{one_line(line, 80)}'"
        raise UserError(message, "Write it like 00:00:01,000 --> 00:00:02,000.")
    # The library takes a number in the last line for the next cue's, so it gets one; it marks breaks with \N.
    text = _NEXT_NUMBER.sub("", with_few_breaks(text).rstrip()).replace("\\", "\\\\") + "\n\n0\n"
    subtitles = pysubs2.SSAFile()
    form.from_file(subtitles, io.StringIO(text), "srt", keep_html_tags=True)
    return Script(tuple(ScriptCue(event.start, event.end, _MARK.sub(_meant, event.text)) for event in subtitles))


def without_times(text: str) -> str:
    """A text in which no line begins another cue: "->" for the arrow beside what may be a time."""
    return "\n".join(without_arrows(line) if _TIME.search(line) else line for line in text.split("\n"))


def with_few_breaks(text: str) -> str:
    """A text with one empty line for a hundred or more: the library reads every one of them to the last."""
    return _MANY_BREAKS.sub("\n\n", text)


def unread_times(text: str, stamp: re.Pattern[str] | None = None) -> list[tuple[int, str]]:
    """Find the lines that look like a cue's times (digits and a colon first, an arrow later) and are none, or negative.

    Args:
        text: a SubRip file's text.
        stamp: what a reader takes for a time; None is pysubs2's own.

    Returns:
        Each line's number, from 1 on, and the line.
    """
    from pysubs2.time import TIMESTAMP

    stamp = stamp or TIMESTAMP
    lines = enumerate(text.split("\n"), 1)
    meant = [(at, line) for at, line in lines if _TIME_LINE.match(line)]
    return [(at, line) for at, line in meant if len(stamp.findall(line)) != 2 or NEGATIVE_TIME.search(line)]


def _meant(mark: re.Match[str]) -> str:
    return "\n" if mark.group(1) == "N" else "\\"


def _format() -> type[SubripFormat]:
    """The library's SubRip with as many hours as there are (its own ends at 99:59:59,999) and with every cue."""
    from pysubs2.formats.subrip import SubripFormat

    class AllHours(SubripFormat):
        # One before an arrow, one after it: words may name two times too. Near it, or each of many would look for it.
        TIMESTAMP = re.compile(
            r"(-->[ \t]*)?(?<!\d)(\d{1,9}):(\d{1,2}):(\d{1,2})[.,](\d{1,3})(?(1)|(?=[^>]{0,100}-->))"
        )

        @staticmethod
        def timestamp_to_ms(groups: Sequence[str]) -> int:
            return SubripFormat.timestamp_to_ms(groups[1:])

        @staticmethod
        def ms_to_timestamp(ms: int) -> str:
            return clock(ms, ",")

        @classmethod
        def _get_visible_lines(cls, subs: SSAFile) -> list[SSAEvent]:
            return subs.events  # it leaves out what it takes for drawings ({\p1}), and takes minutes to tell of many

    return AllHours
