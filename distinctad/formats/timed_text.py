"""Timed Text (TTML): safe parsing, time expressions and the computed times of elements.

Shared by the reader of DAPT scripts, the checker of DAPT's rules and the reader of subtitles. No entity is ever
expanded and nothing outside of the file is opened.
Source: W3C TTML2, sections 12.3 (time expressions) and 12.4 (time containers), appendix I.3 (SMPTE time code).
"""

from __future__ import annotations

import bisect
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from xml.parsers import expat

from distinctad.errors import UserError, one_line
from distinctad.subtitles import SOUND_CAPTION, Speech

TT = "{http://www.w3.org/ns/ttml}"
TTP = "{http://www.w3.org/ns/ttml#parameter}"
TTM = "{http://www.w3.org/ns/ttml#metadata}"
XML = "{http://www.w3.org/XML/1998/namespace}"
_CLOCK = re.compile(r"(\d{2,15}):(\d{2}):(\d{2})(?:(\.\d{1,100})|:(\d{2,15}))?")
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,100})?)(h|m|s|ms|f|t)")  # more digits than 15 a float may not hold
_MOST = 10**15
_UNITS_S = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}
LAST_LINE_S = 7  # of a last line without an end; longer than a subtitle stands as a rule


class TimedTextError(ValueError):
    """The bytes are no Timed Text that may be read; the message says why."""


@dataclass(frozen=True)
class Clock:
    """How a document counts time.

    Attributes:
        frames_hz: frames a second, None where it does not say.
        ticks_hz: ticks a second, None where it does not say.
        second_s: how long a second of its clock times lasts: 1.001 s in time code that counts 30 frames of NTSC as one.
        drops: whether its time code leaves out two numbers a minute, but for every tenth.
    """

    frames_hz: Fraction | None
    ticks_hz: Fraction | None
    second_s: Fraction = Fraction(1)
    drops: bool = False

    def seconds(self, expression: str) -> Fraction:
        """Read a time expression ("00:00:01.5", "00:00:01:12", "1.5s", "36f").

        Args:
            expression: the attribute's value.

        Returns:
            Seconds, exact.

        Raises:
            TimedTextError: if it is none, or counts frames or ticks in a document without their rate.
        """
        text = expression.strip()
        clock, offset = _CLOCK.fullmatch(text), _OFFSET.fullmatch(text)
        if clock:
            hours, minutes, seconds, fraction, frames = clock.groups()
            if int(minutes) > 59 or int(seconds) > 60:
                raise TimedTextError(f"the time '{one_line(text, 40)}' has more than 59 minutes or 60 seconds")
            total = Fraction(int(hours) * 3600 + int(minutes) * 60 + int(seconds)) + Fraction(f"0{fraction or '.0'}")
            dropped = 2 * (54 * int(hours) + int(minutes) - int(minutes) // 10) if self.drops else 0
            rest = int(frames or 0) - dropped
            rate = self._rate(self.frames_hz, "ttp:frameRate") if frames or dropped else Fraction(1)
            if frames and int(frames) >= rate:
                said = f"the time '{one_line(text, 40)}' counts a frame {int(frames)} of {float(rate):g} a second"
                raise TimedTextError(said)
            return total * self.second_s + rest / rate
        if offset:
            value, unit = Fraction(offset.group(1)), offset.group(2)
            if unit == "f":
                return value / self._rate(self.frames_hz, "ttp:frameRate")
            return value / self._rate(self.ticks_hz, "ttp:tickRate") if unit == "t" else value * _UNITS_S[unit]
        raise TimedTextError(f"'{one_line(text, 40)}' is no time expression")

    @staticmethod
    def _rate(rate: Fraction | None, name: str) -> Fraction:
        if rate is None:
            raise TimedTextError(f"times are counted without {name}")
        return rate


def parse(data: bytes) -> ET.Element:
    """Parse XML that may come from anywhere.

    Args:
        data: the file's bytes.

    Returns:
        The root element.

    Raises:
        TimedTextError: if it is not well formed, or declares a document type or an entity.
    """
    guard = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise TimedTextError("it declares a document type or an entity")

    guard.StartDoctypeDeclHandler = refuse
    guard.EntityDeclHandler = refuse
    try:
        guard.Parse(data, True)
        return ET.fromstring(data)
    except (expat.ExpatError, ET.ParseError, LookupError, RecursionError, ValueError) as error:
        if isinstance(error, TimedTextError):
            raise
        raise TimedTextError(f"it is not well-formed XML ({one_line(str(error), 80)})") from error


def clock_of(root: ET.Element) -> Clock:
    """Read a document's frame and tick rates.

    Args:
        root: the `tt` element.

    Returns:
        The clock; where frames are used without a rate TTML would assume 30, we do not guess.

    Raises:
        TimedTextError: if a rate is no number above zero or has over 15 digits, or its times cannot be told from the
            start of the film.
    """
    try:
        frames, ticks = root.get(f"{TTP}frameRate"), root.get(f"{TTP}tickRate")
        up, _, down = (root.get(f"{TTP}frameRateMultiplier") or "1 1").replace(":", " ").partition(" ")
        multiplier = Fraction(int(up), int(down or 1))
        rate = Fraction(int(frames)) * multiplier if frames else None
        tick = Fraction(int(ticks)) if ticks else None
    except (ValueError, ZeroDivisionError) as error:
        raise TimedTextError("its frame or tick rate is no number above zero") from error
    rates = [multiplier, *(one for one in (rate, tick) if one is not None)]
    if min(rates) <= 0 or max(max(one.as_integer_ratio()) for one in rates) >= _MOST:  # no float may hold the times
        raise TimedTextError("its frame or tick rate is no number above zero, or has too many digits")
    base, drop = root.get(f"{TTP}timeBase", "media"), root.get(f"{TTP}dropMode", "nonDrop")
    if base == "media":
        return Clock(rate, tick)
    if base != "smpte":
        raise TimedTextError(f"its ttp:timeBase is '{one_line(base, 40)}', expected media or smpte")
    if drop != "nonDrop" and (drop, frames) != ("dropNTSC", "30"):
        rule = "expected nonDrop, or dropNTSC with a ttp:frameRate of 30"
        raise TimedTextError(f"its ttp:dropMode is '{one_line(drop, 40)}', {rule}")
    if root.get(f"{TTP}markerMode") == "discontinuous":
        raise TimedTextError("its ttp:markerMode is 'discontinuous', expected continuous")
    return Clock(rate, tick, 1 / multiplier, drop == "dropNTSC")


def times_of(
    element: ET.Element, clock: Clock, parent: tuple[Fraction, Fraction | None]
) -> tuple[Fraction, Fraction | None]:
    """Compute when an element is active, inside of its parent (parallel time containers only).

    Args:
        element: the element.
        clock: of its document.
        parent: the parent's (begin, end) in seconds; the end is None where it has none.

    Returns:
        The element's (begin, end) in seconds.

    Raises:
        TimedTextError: on a time that cannot be read, or a sequential container.
    """
    if element.get("timeContainer", "par") != "par":
        raise TimedTextError(f"its timeContainer is '{element.get('timeContainer')}', only par is read")
    begin = parent[0] + (clock.seconds(element.get("begin", "0s")))
    ends = [end for end in (parent[1],) if end is not None]
    if "end" in element.attrib:
        ends.append(parent[0] + clock.seconds(element.attrib["end"]))
    if "dur" in element.attrib:
        ends.append(begin + clock.seconds(element.attrib["dur"]))
    return begin, min(ends) if ends else None


def text_of(element: ET.Element) -> str:
    """Read the text of a `p`: spans joined, `br` as a line break, white space as `xml:space` says.

    Args:
        element: the `p`.

    Returns:
        The text.
    """
    if element.get(f"{XML}space") == "preserve":
        return "".join(_pieces(element, "\n"))
    lines = "".join(_pieces(element, "\u2028")).split("\u2028")  # no line feed, which collapses like a blank
    return "\n".join(" ".join(line.split()) for line in lines)


def _pieces(element: ET.Element, line_break: str) -> Iterator[str]:
    stack: list[ET.Element | str] = [element]  # spans may lie in each other deeper than calls may
    while stack:
        piece = stack.pop()
        if isinstance(piece, str):
            yield piece
            continue
        yield piece.text or ""
        for child in reversed(piece):
            stack.append(child.tail or "")
            if child.tag in (f"{TT}br", f"{TT}span"):
                stack.append(line_break if child.tag == f"{TT}br" else child)


def read_speech(data: bytes, name: str) -> tuple[list[Speech], list[str]]:
    """Read the lines of a TTML subtitle file; sound captions are left out.

    Args:
        data: the file's bytes.
        name: the file's name, for the messages.

    Returns:
        Every `p` that has a text, in the file's order, from its first word to its last, and the warnings. One without
        an end runs to the next line's start, the last for `LAST_LINE_S`.

    Raises:
        UserError: if it is no TTML, or its times cannot be told.
    """
    fix = "Give SubRip, WebVTT, ASS or TTML subtitles, or leave out --subtitles."
    try:
        root = parse(data)
        if root.tag != f"{TT}tt":
            raise TimedTextError("its root is no tt of TTML")
        times = {id(element): (begin, end) for element, begin, end in walk(root, clock_of(root))}
    except TimedTextError as error:
        raise UserError(f"the subtitles '{name}' cannot be read: {error}", fix) from error
    texts = ((p, text_of(p).strip()) for p in root.iter(f"{TT}p") if id(p) in times)
    lines = [(text.replace("\n", " "), *_said_in(p, times)) for p, text in texts if text]
    starts = sorted(begin for _, begin, _ in lines)
    speech, endless = [], 0
    for text, begin, end in lines:
        if SOUND_CAPTION.fullmatch(text):
            continue
        if end is None:
            endless += 1
            later = bisect.bisect_right(starts, begin)
            end = starts[later] if later < len(starts) else begin + LAST_LINE_S
        if end > begin:
            speech.append(Speech(float(begin), float(end), text))
    said = f"{endless} line(s) without an end run to the next line's start, the last for {LAST_LINE_S} s"
    return speech, [f"the subtitles '{name}': {said}"] if endless else []


def _said_in(p: ET.Element, times: dict[int, tuple[Fraction, Fraction | None]]) -> tuple[Fraction, Fraction | None]:
    """From the first begin to the last end of what holds words of a `p`: itself, or its spans with their own times."""
    worded, stack = [], [p]
    while stack:
        piece = stack.pop()
        if id(piece) in times and (piece.text or "").strip() + "".join((part.tail or "").strip() for part in piece):
            worded.append(times[id(piece)])
        stack.extend(child for child in piece if child.tag != f"{TT}p")  # against the rules, and a line of its own
    ends = [end for _, end in worded if end is not None]
    return min(begin for begin, _ in worded), max(ends) if len(ends) == len(worded) else None


def walk(root: ET.Element, clock: Clock) -> Iterator[tuple[ET.Element, Fraction, Fraction | None]]:
    """Go through body, div, p and span with their computed times.

    Args:
        root: the `tt` element.
        clock: of its document.

    Yields:
        (element, begin, end) in seconds; the end is None where nothing bounds it.

    Raises:
        TimedTextError: as `times_of`.
    """
    stack: list[tuple[ET.Element, tuple[Fraction, Fraction | None]]] = [
        (body, (Fraction(0), None)) for body in root.findall(f"{TT}body")
    ]
    while stack:
        element, parent = stack.pop()
        begin, end = times_of(element, clock, parent)
        yield element, begin, end
        inner = [child for child in element if child.tag in (f"{TT}div", f"{TT}p", f"{TT}span")]
        stack.extend((child, (begin, end)) for child in reversed(inner))
