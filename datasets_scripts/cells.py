"""The rules on one cell of an annotation row: times, numbers, ids, paths and texts, each bounded."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath

from datasets_scripts.repairs import RowRefused, short
from datasets_scripts.tables import tidy

MAX_TEXT = 2000  # characters; the longest public AD has 219
MAX_ID = 200
MAX_TIME_S = 1e6  # 277 hours
SWAP_S = 60.0  # an AD this long reversed is two numbers exchanged; the longest public one has 30 s
_NUMBER = re.compile(r"[+-]?(?:\d{1,12}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,9}", re.ASCII)


def seconds(value: object, name: str) -> float:
    """Read a finite number.

    Raises:
        RowRefused: "not_a_number" on anything else; NaN, infinite and thousand-digit numbers too.
    """
    number = math.nan
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value.strip())  # `float` strips fewer kinds of blanks
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_TIME_S:
        number = float(value)
    if not abs(number) <= MAX_TIME_S:  # NaN compares false
        raise RowRefused("not_a_number", f"{name} is {short(value)}, expected a finite number up to {MAX_TIME_S:g}")
    return number


def integer(value: object, name: str) -> int:
    """Read an integer of at most nine digits.

    Raises:
        RowRefused: "not_a_number".
    """
    text = str(value).strip() if isinstance(value, str) or (isinstance(value, int) and abs(value) < 10**9) else ""
    if isinstance(value, bool) or not _INTEGER.fullmatch(text):
        raise RowRefused("not_a_number", f"{name} is {short(value)}, expected an integer")
    return int(text)


def identifier(value: object, name: str) -> str:
    """Read an id: a printable text of 1 to 200 characters, or an integer.

    Raises:
        RowRefused: "no_id".
    """
    text = value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""
    if not text or len(text) > MAX_ID or not text.isprintable():
        raise RowRefused("no_id", f"{name} is {short(value)}, expected an id")
    return text


def media_path(value: object, name: str) -> str:
    """Read a relative path: no absolute one, no "..", no drive, no backslash.

    Raises:
        RowRefused: "no_id" or "unsafe_path".
    """
    text = identifier(value, name)
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text or ":" in text or text.startswith("~"):
        raise RowRefused("unsafe_path", f"{name} is {short(text)}, expected a path inside the data's folder")
    return path.as_posix()


def interval(
    start_s: float, end_s: float, findings: list[tuple[str, str]], limit_s: float = math.inf
) -> tuple[float, float]:
    """Make two times an interval inside 0..`limit_s`, by the rules on reversed, negative and late times.

    Args:
        start_s: start in seconds, finite.
        end_s: end in seconds, finite.
        findings: repairs are added here.
        limit_s: the film's length in seconds.

    Raises:
        RowRefused: "no_interval", "before_zero" or "past_end".
    """
    said = f"{start_s} to {end_s} s"
    if end_s < start_s and start_s - end_s <= SWAP_S:
        findings.append(("reversed", said))
        start_s, end_s = end_s, start_s
    if end_s <= start_s:
        raise RowRefused("no_interval", said)
    if end_s <= 0:
        raise RowRefused("before_zero", said)
    if start_s >= limit_s:
        raise RowRefused("past_end", f"{said}, the film has {limit_s} s")
    if start_s < 0:
        findings.append(("negative_start", said))
        start_s = 0.0
    if end_s > limit_s:
        findings.append(("beyond_end", f"{said}, the film has {limit_s} s"))
        end_s = limit_s
    return start_s, end_s


def clean_text(value: object, findings: list[tuple[str, str]]) -> str:
    """Read an AD's text: blanks are put right, oddities are noted, nothing else changes.

    Raises:
        RowRefused: "empty_text" or "too_long".
    """
    if not isinstance(value, str):
        raise RowRefused("empty_text", f"the text is {short(value)}, expected a text")
    if len(value) > MAX_TEXT:
        raise RowRefused("too_long", f"the text has {len(value)} characters, expected at most {MAX_TEXT}")
    text, strange = tidy(value)
    findings += strange
    single = " ".join(text.split())
    if single != text:
        findings.append(("blanks", short(text)))
    if not single:
        raise RowRefused("empty_text", "the text is empty")
    if single.count('"') % 2 or re.search(r'(?:^|\s)"(?:\s|$)', single):
        findings.append(("stray_quote", short(single)))
    if " " not in single:
        findings.append(("one_word", short(single)))
    if single[0].islower():
        findings.append(("lower_case", short(single)))
    return single
