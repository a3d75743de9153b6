"""Subtitle files (SubRip, WebVTT, ASS/SSA, TTML) as times of speech; the decoding of text files that people hand in.

A subtitle line says when somebody speaks. Its words decide whether it is a sound caption ("[door slams]") and so no
speech at all, and are kept for the transcript; no model reads them.
"""

from __future__ import annotations

import codecs
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from distinctad.errors import UserError, one_line

MAX_TEXT_BYTES = (
    32 * 1024 * 1024
)  # the longest film's subtitles are under 1 MB, the largest public annotation file is 3.5 MB
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is a prefix of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# A caption of sounds: all of it is in brackets or parentheses, or is notes. Song lines keep their time, somebody sings.
SOUND_CAPTION = re.compile(r"\s*(?:(?:-\s*)?(?:\[[^\[\]]*\]|\([^()]*\)|[\u2669-\u266c])\s*)+")


@dataclass(frozen=True)
class Speech:
    """A stretch of speech, in seconds from the start of the film (`start_s` <= `end_s`), and its words if known."""

    start_s: float
    end_s: float
    text: str = field(default="", compare=False)


def read_text(path: Path, what: str, max_bytes: int = MAX_TEXT_BYTES) -> tuple[str, list[str]]:
    """Read a text file in whatever encoding it came.

    UTF-8 and every encoding with a byte order mark are read silently; anything else is guessed with charset-normalizer,
    Windows-1252 first where it reads the same, and the guess is said.

    Args:
        path: the file.
        what: what it is, for the messages ("the subtitles").
        max_bytes: larger files are refused before they are read.

    Returns:
        The text and the warnings.

    Raises:
        UserError: if there is no such file, it cannot be read, is too large, is binary or its encoding is unknown.
    """
    try:
        if not path.is_file():
            raise UserError(f"{what} '{path}' is not a file", "Check the path.")
        size = path.stat().st_size
        if size > max_bytes:
            raise UserError(
                f"{what} '{path}' has {size} bytes, more than {max_bytes}", "Give a text file of that kind."
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{what} '{path}' cannot be read ({error.strerror})", "Check its permissions.") from error
    except UserError:
        raise
    except ValueError as error:  # a NUL in the path
        raise UserError(f"{what} {str(path)!r} is no usable path", "Check the path.") from error
    return decode_text(data, what, one_line(path.name))  # a name on disk may be no UTF-8


def decode_text(data: bytes, what: str, name: str) -> tuple[str, list[str]]:
    """Decode a text file's bytes; see `read_text`.

    Args:
        data: the bytes.
        what: what they are, for the messages.
        name: the file's name, for the messages.

    Returns:
        The text, with every line end as a line feed, and the warnings.

    Raises:
        UserError: if the bytes are not text in any encoding that can be told.
    """
    mark = next((name for bom, name in _BOMS if data.startswith(bom)), None)
    notes: list[str] = []
    try:
        text = data.decode(mark or "utf-8")
    except UnicodeDecodeError as error:
        encoding = None if mark else _guess_encoding(data)
        if encoding is None:
            fix = "Save it as UTF-8."
            raise UserError(f"{what} '{name}' is not text in a known encoding (byte {error.start})", fix) from error
        text = data.decode(encoding, errors="replace")
        notes.append(f"{what} '{name}' is not UTF-8, read as {encoding}: check accented letters")
    if not mark and "\0" in text:  # UTF-16 without a mark is valid UTF-8 as long as it is ASCII
        encoding = _guess_utf16(data)
        if encoding is None:
            raise UserError(f"{what} '{name}' is binary, not text", "Give a text file.")
        text = data.decode(encoding, errors="replace")
        notes.append(f"{what} '{name}' has no byte order mark, read as {encoding}")
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def delimiter_of(text: str) -> str:
    """What stands between the columns of a CSV text, by its first line: comma, semicolon or tab."""
    first = text.lstrip("\ufeff\n").partition("\n")[0]
    return max(",;\t", key=first.count)


def _guess_utf16(data: bytes) -> str | None:
    """Tell UTF-16 without a mark from binary: of mostly Latin text every second byte is NUL, on one side only."""
    even, odd = data[0::2].count(0), data[1::2].count(0)
    half = len(data) // 2
    if odd > 0.6 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.6 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _guess_encoding(data: bytes) -> str | None:
    if b"\0" in data[:4096]:
        return _guess_utf16(data)
    from charset_normalizer import from_bytes  # costs 50 ms at import, and most files are UTF-8

    best = from_bytes(data[: 1 << 20]).best()
    if best is None or "cp1252" in {best.encoding, *best.could_be_from_charset}:
        return "cp1252" if _prints_as_cp1252(data) else None
    return str(best.encoding)


def _prints_as_cp1252(data: bytes) -> bool:
    text = data.decode("cp1252", errors="replace")
    strange = sum(1 for c in text if not (c.isprintable() or c in "\n\r\t") or c == "\ufffd")
    return strange <= 0.01 * len(text)


def read_subtitles(path: Path) -> tuple[list[Speech], list[str]]:
    """Read the times of speech from a subtitle file.

    Repaired and said: lines that overlap (merged later, in `intervals.speech_gaps`), a line that ends before it starts
    (its two times are swapped: speech lies between them either way), a line of TTML without an end (it runs to the next
    line). Sound captions are left out, they are no speech.

    Args:
        path: a SubRip, WebVTT, ASS, SSA or TTML file.

    Returns:
        The lines sorted by time, and the warnings.

    Raises:
        UserError: if the file is none of these formats or holds no line.
    """
    text, notes = read_text(path, "the subtitles")
    speech, more = parse_subtitles(text, one_line(path.name))
    return speech, notes + more


def subtitles_of(path: Path, duration_s: float) -> tuple[list[Speech], list[str]]:
    """Read a film's subtitles and refuse another film's; see `read_subtitles`.

    Args:
        path: the file.
        duration_s: the film's length in seconds.

    Returns:
        The lines sorted by time, and the warnings.

    Raises:
        UserError: as `read_subtitles`, or if most lines start after the film's end.
    """
    speech, notes = read_subtitles(path)
    late = sum(line.start_s > duration_s for line in speech)
    if late > len(speech) / 2:
        message = f"the subtitles '{path.name}' end at {speech[-1].end_s:.1f} s, the film at {duration_s:.1f} s"
        raise UserError(message, "Give the subtitles of this film and cut.")
    if late:
        notes.append(f"the subtitles '{one_line(path.name)}': {late} line(s) after the film's end ignored")
    return speech, notes


def parse_subtitles(text: str, name: str) -> tuple[list[Speech], list[str]]:
    """Parse subtitle text; see `read_subtitles`.

    Args:
        text: the file's text.
        name: the file's name, for the messages.

    Returns:
        The lines sorted by time, and the warnings.

    Raises:
        UserError: as `read_subtitles`.
    """
    import pysubs2

    from distinctad.formats.subrip import NEGATIVE_TIME, unread_times, with_few_breaks

    fix = "Give SubRip (.srt), WebVTT (.vtt), ASS (.ass) or TTML subtitles, or leave out --subtitles."
    kind = _format_of(text)
    if kind is None:
        raise UserError(f"the subtitles '{name}' are not SubRip, WebVTT, ASS or TTML", fix)
    if kind == "ttml":
        from distinctad.formats.timed_text import read_speech

        # The text is decoded by now: what its first line says of an encoding no longer holds.
        lines, notes = read_speech(re.sub(r"^\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff")).encode(), name)
        return _in_order(lines, name, fix, notes)
    if kind == "vtt":  # pysubs2 takes the next cue's id and the notes before it for words
        from distinctad.formats.webvtt_descriptions import cues_of, track_of, with_points

        text = with_points(text.lstrip("\ufeff \n\t"))
        cues = cues_of(track_of(text, f"the subtitles '{name}'"))
        speech, notes = _speech([pysubs2.SSAEvent(cue.start_ms, cue.end_ms, cue.text) for cue in cues], name, fix)
        lost = len(_ARROW.findall(text)) - len(cues)
        if lost > 0:  # the parser passes them over; a description could fall on what is said there
            notes.append(f"the subtitles '{name}': {lost} cue(s) without words or with times that cannot be read")
        return speech, notes
    text, negative = NEGATIVE_TIME.subn(" 00:00:00,000", text) if kind == "srt" else (text, 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of styles, which say nothing about time
            readable = _without_long_headings(text) if kind == "ass" else with_few_breaks(text)
            events = pysubs2.SSAFile.from_string(readable, format_=kind, keep_html_tags=True).events
    except (pysubs2.Pysubs2Error, ValueError, LookupError, ArithmeticError, AttributeError, TypeError) as error:
        # The parser is not ours and meets whatever a user's disk holds: every failure of it is about that file.
        raise UserError(f"the subtitles '{name}' cannot be parsed ({one_line(str(error), 120)})", fix) from error
    if kind == "srt":
        for event in events:
            apart = _STYLE.sub("\0", event.text)  # no brace: it would close what an odd "{" opens, with all its words
            event.text = without_tags(_HTML, apart, ">").replace("\0", "")
    speech, notes = _speech(events, name, fix)
    if negative:
        notes.append(f"the subtitles '{name}': {negative} time(s) below zero set to zero")
    lost = len(unread_times(text)) if kind == "srt" else 0
    if lost:  # the parser takes them for words of the cue before; a description could fall on what is said there
        notes.append(f"the subtitles '{name}': {lost} cue(s) with times that cannot be read")
    return speech, notes


def _format_of(text: str) -> str | None:
    head = text[:4096].lstrip("\ufeff \n\t")
    if head.startswith("WEBVTT"):
        return "vtt"
    if re.search(r"^\[(script info|v4\+? styles|events)\]", head, re.IGNORECASE | re.MULTILINE):
        return "ass"
    if head.startswith("<") and re.search(r"<(\w+:)?tt[\s>]", head):
        return "ttml"
    return "srt" if "-->" in text else None


_ARROW = re.compile(r"^.*-->", re.MULTILINE)
# pysubs2 reads these too, but in a time that grows with the square of a text of tags, or faster.
_HTML = re.compile(r"< *(?:/ *)?[a-zA-Z][^>]*>")
_STYLE = re.compile(r"< *(?:/ *)?[ibsu] *>")  # these first: "x<y, <i>run" says "x<y, run"
_OVERRIDE = re.compile(r"\{[^}]*\}")
_DRAWING = re.compile(r"\\(p[0-9]|r(?![a-zA-Z_0-9 ]))")  # on, off, back to the line's own style, which is off


def _without_long_headings(text: str) -> str:
    """ASS without the lines that begin as a section's heading does and are longer than any is."""
    return "\n".join(line for line in text.split("\n") if len(line) <= 100 or "[" not in line.strip()[:4])


def without_tags(tag: re.Pattern[str], text: str, end: str) -> str:
    """A text without tags; what opens behind the last end of one is none, and is not looked at again and again."""
    last = text.rfind(end) + 1
    return tag.sub("", text[:last]) + text[last:]


def _is_drawing(text: str) -> bool:
    """Whether an override switches drawing on: what follows are no words."""
    drawing = False
    for override in _OVERRIDE.findall(text, 0, text.rfind("}") + 1):
        for tag in _DRAWING.findall(override):
            drawing = tag not in ("p0", "r")
        if drawing:
            return True
    return False


def _speech(events: list, name: str, fix: str) -> tuple[list[Speech], list[str]]:
    speech: list[Speech] = []
    swapped = sounds = 0
    for event in events:
        plain = without_tags(_OVERRIDE, event.text, "}")
        plain = plain.replace(r"\h", " ").replace(r"\n", "\n").replace(r"\N", "\n")
        if event.is_comment or _is_drawing(event.text) or not plain.strip():
            continue
        if SOUND_CAPTION.fullmatch(plain):
            sounds += 1
            continue
        start_s, end_s = event.start / 1000, event.end / 1000
        swapped += end_s < start_s
        words = " ".join(plain.split())
        speech.append(Speech(max(0.0, min(start_s, end_s)), max(0.0, start_s, end_s), words))
    notes = []
    if swapped:
        notes.append(f"the subtitles '{name}': {swapped} line(s) end before they start, their times were swapped")
    if sounds:
        notes.append(f"the subtitles '{name}': {sounds} sound caption(s) in brackets or notes not counted as speech")
    return _in_order(speech, name, fix, notes)


def _in_order(speech: list[Speech], name: str, fix: str, notes: list[str]) -> tuple[list[Speech], list[str]]:
    """Sort the lines, refuse none at all, count overlaps."""
    if not speech:
        raise UserError(f"the subtitles '{name}' hold no spoken line", fix)
    speech.sort(key=lambda line: (line.start_s, line.end_s))
    overlaps = sum(later.start_s < earlier.end_s for earlier, later in zip(speech, speech[1:], strict=False))
    if overlaps:
        notes.append(f"the subtitles '{name}': {overlaps} overlapping line(s) merged")
    return speech, notes
