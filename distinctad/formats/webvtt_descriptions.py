"""WebVTT of the kind descriptions (.vtt): times, texts, ids, language, review note; webvtt-py does the format."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from distinctad.errors import UserError, one_line
from distinctad.formats.script import Script, ScriptCue, clock, without_arrows
from distinctad.subtitles import without_tags
from distinctad.unsaid import is_unsaid

if TYPE_CHECKING:
    from webvtt import WebVTT

_TAG = re.compile(r"</?[A-Za-z0-9][^>]*>")  # only ">" ends it: a voice may be named "Mara <3"
_HUGE = re.compile(r"&#[0-9]{50,};?")  # the library would read a number of any length, and Python reads none so long
_STAMP = r"(?:\d+:)?\d{1,2}:\d{1,2}\.\d{1,3}"
_TIMES = re.compile(rf"\s*{_STAMP}\s*-->\s*{_STAMP}(?:\s|$)")
# Times as SubRip writes them, in a file that says it is WebVTT.
_BLANKS = r"[^\S\n]*"  # of one line: over line ends, every one of many empty lines would be read to the last
_COMMA_TIMES = re.compile(
    rf"^({_BLANKS}(?:\d+:)?\d+:\d+),(\d{{3}}{_BLANKS}-->{_BLANKS}(?:\d+:)?\d+:\d+),(\d{{3}})", re.MULTILINE
)


def write(script: Script, kind: str = "descriptions") -> str:
    """Write a script as WebVTT, the review note ahead of the cues.

    Args:
        script: the script; cues without a text, and placeholders, are left out.
        kind: of a track, as HTML names it.

    Returns:
        The file's text.
    """
    from webvtt import Caption, WebVTT

    captions = [
        Caption(clock(cue.start_ms), clock(_end_ms(cue)), _escape(cue.text), identifier=_id(cue.id) or None)
        for cue in script.cues
        if cue.text and not is_unsaid(cue.text, cue.provenance)  # players speak what stands here
    ]
    metadata = [f"Kind: {kind}", f"Language: {script.language}"]
    notes = [_escape(script.note)] if script.note else []
    track = WebVTT(captions=captions, metadata=metadata, header_comments=notes)
    return track.content.rstrip("\n") + "\n"


def read(text: str, name: str) -> Script:
    """Read a script from WebVTT; voice and style tags are taken off, escapes are undone.

    Args:
        text: the file's text.
        name: the file's name, for the messages.

    Returns:
        The cues with their ids, the language and the first note.

    Raises:
        UserError: if the text is no WebVTT, or a line of times cannot be read.
    """
    text = with_points(text)
    for number, line in enumerate(text.split("\n"), 1):  # the library passes such a cue over
        if "-->" in line and not _TIMES.match(line):
            said = f"line {number} of the script '{name}' holds no two times that can be read"
            raise UserError(f"{said}: '{one_line(line, 80)}'", "Write it like 00:00:01.000 --> 00:00:02.000.")
    track = track_of(text, f"the script '{name}'")
    header = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in track.metadata)}
    note = _unescape(track.header_comments[0]) if track.header_comments else ""
    return Script(cues_of(track), language=header.get("language", "en"), note=note)


def with_points(text: str) -> str:
    """WebVTT whose times have decimal commas, as SubRip's have, with points; other text stays as it is."""
    return _COMMA_TIMES.sub(r"\1.\2.\3", text)


def track_of(text: str, what: str) -> WebVTT:
    """Parse WebVTT of any kind.

    Args:
        text: the file's text.
        what: what it is and its name, for the messages.

    Returns:
        The library's picture of it.

    Raises:
        UserError: if the text is no WebVTT.
    """
    import webvtt
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    try:
        return webvtt.from_string(text)
    except (MalformedFileError, MalformedCaptionError, ValueError) as error:
        fix = "Give a file that starts with WEBVTT."
        raise UserError(f"{what} is no WebVTT ({one_line(str(error), 80)})", fix) from error


def cues_of(track: WebVTT) -> tuple[ScriptCue, ...]:
    """Take the cues out of a track, in the file's order: voice and style tags taken off, escapes undone."""
    return tuple(
        ScriptCue(
            _ms(caption.start_time),
            _ms(caption.end_time),
            _unescape(without_tags(_TAG, caption.raw_text, ">")),
            caption.identifier or "",
        )
        for caption in track.captions
    )


def _ms(stamp: Any) -> int:
    minutes = stamp.hours * 60 + stamp.minutes
    return (minutes * 60 + stamp.seconds) * 1000 + stamp.milliseconds


def _end_ms(cue: ScriptCue) -> int:
    return max(cue.end_ms, cue.start_ms + 1)  # a cue must end after its start


def _id(name: str) -> str:
    return without_arrows(" ".join(name.split()))  # one line, and no times in it


def _unescape(text: str) -> str:
    return html.unescape(_HUGE.sub("\ufffd", text))  # as it reads every number that is no character


def _escape(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "\n".join(line for line in escaped.split("\n") if line.strip())  # an empty line would end the cue
