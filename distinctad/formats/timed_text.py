"""Timed Text (TTML): safe parsing, time expressions and the computed times of elements.

Shared by the reader of DAPT scripts, the checker of DAPT's rules and the reader of subtitles. No entity is ever
expanded and nothing outside of the file is opened.
Source: W3C TTML2, sections 12.3 (time expressions) and 12.4 (time containers).
"""

from __future__ import annotations

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
_CLOCK = re.compile(r"(\d{2,}):(\d{2}):(\d{2})(?:(\.\d+)|:(\d{2,}))?")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|ms|f|t)")
_UNITS_S = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}


class TimedTextError(ValueError):
    """The bytes are no Timed Text that may be read; the message says why."""


@dataclass(frozen=True)
class Clock:
    """How a document counts time: frames and ticks a second; None where it does not say."""

    frames_hz: Fraction | None
    ticks_hz: Fraction | None

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
            return total + (int(frames) / self._rate(self.frames_hz, "ttp:frameRate") if frames else 0)
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
        TimedTextError: if a rate is no number above zero.
    """
    try:
        frames, ticks = root.get(f"{TTP}frameRate"), root.get(f"{TTP}tickRate")
        up, _, down = (root.get(f"{TTP}frameRateMultiplier") or "1 1").replace(":", " ").partition(" ")
        rate = Fraction(int(frames)) * Fraction(int(up), int(down or 1)) if frames else None
        tick = Fraction(int(ticks)) if ticks else None
    except (ValueError, ZeroDivisionError) as error:
        raise TimedTextError("its frame or tick rate is no number above zero") from error
    if (rate is not None and rate <= 0) or (tick is not None and tick <= 0):
        raise TimedTextError("its frame or tick rate is no number above zero")
    return Clock(rate, tick)


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
    yield element.text or ""
    for child in element:
        if child.tag == f"{TT}br":
            yield line_break
        elif child.tag == f"{TT}span":
            yield from _pieces(child, line_break)
        yield child.tail or ""


def read_speech(data: bytes, name: str) -> list[Speech]:
    """Read the lines of a TTML subtitle file; sound captions are left out.

    Args:
        data: the file's bytes.
        name: the file's name, for the messages.

    Returns:
        Every `p` that has a text and an end, in the file's order.

    Raises:
        UserError: if it is no TTML.
    """
    fix = "Give SubRip, WebVTT, ASS or TTML subtitles, or leave out --subtitles."
    try:
        root = parse(data)
        if root.tag != f"{TT}tt":
            raise TimedTextError("its root is no tt of TTML")
        return [
            Speech(float(begin), float(end), text.replace("\n", " "))
            for element, begin, end in walk(root, clock_of(root))
            if element.tag == f"{TT}p" and end is not None and end > begin and (text := text_of(element).strip())
            and not SOUND_CAPTION.fullmatch(text)
        ]  # fmt: skip
    except TimedTextError as error:
        raise UserError(f"the subtitles '{name}' cannot be read: {error}", fix) from error


def walk(root: ET.Element, clock: Clock) -> Iterator[tuple[ET.Element, Fraction, Fraction | None]]:
    """Go through body, div and p with their computed times.

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
        inner = [child for child in element if child.tag in (f"{TT}div", f"{TT}p")]
        stack.extend((child, (begin, end)) for child in reversed(inner))
