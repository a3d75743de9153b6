"""When a person may be named: the "after-reveal" profile of descriptions.

A name is given only after the film has given it: from the first line of dialogue that holds it on. Before that a
person is "someone". Studios' guides ask for this; the default profile ("early") names people at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from datasets_scripts.people import DESCRIBING, NAMES_TOO, Table, people_table, written_as_name
from datasets_scripts.words import CLOSED_CLASS, MARKS, TITLES, cased_words, words
from distinctad.subtitles import Speech

Naming = Literal["early", "after-reveal"]

_RUN = re.compile(rf"[^\W_][{MARKS}]*(?:['\u2019\u2018\u02bc\u2010\u2011\u00ad-]?[^\W_][{MARKS}]*)*")
# With bounds, as is the lead-in of a label: of many that open and never close, each would be read to the end.
_NOTE = re.compile(r"\[[^\]]{0,200}\]|\([^)]{0,200}\)")
_LABEL = re.compile(  # "MARA:", "- Mara and Tom:", at the start of what one person says
    r"(?:^|(?<=[.!?\u2026\"\u201d])\s|\s[-\u2013\u2014]|>>)[-\u2013\u2014>\s]{0,8}"
    r"[^\W\d_a-z][\w.'\u2019#-]*(?:\s+(?:and|&|[^\W_a-z][\w.'\u2019#-]*|#\d+)){0,3}\s*:(?=\s|$)"
)
_OPENING = re.compile(r"(?:^|[.!?][\"\u201d\u2019')]*\s)\s*[\"\u201c\u2018'(]*$")
_TITLED = re.compile(  # what goes with a name that goes
    r"(?:\b(?:[Tt]he|[Aa]n?)\s+)?"
    r"(?:\b(?:(?:Mrs?|Ms|Dr|Prof|Capt|Lt|Sgt|Det)\.?|Miss|Mister|Madam|Sir|Lord|Lady|Doctor|Professor|Captain|Lieutenant|"
    r"Sergeant|Detective|Inspector|Officer|Agent|Aunt|Uncle|Father|Sister|Young|Old|Little|young|old|little)\s+)*$"
)


def reveals(names: Iterable[str], speech: Sequence[Speech]) -> dict[str, float]:
    """Find when dialogue gives each name away.

    Args:
        names: of the cast.
        speech: the lines with their words, in any order.

    Returns:
        For each name the end, in seconds, of the first line that names this person and no other of the cast, by the
        whole name or a part; infinity if none does. Who speaks ("MARA:", "[Mara]") is printed and not heard.
    """
    found = dict.fromkeys(names, math.inf)
    forms = _forms(found)
    lines = [(line.end_s, _heard(line.text)) for line in sorted(speech, key=lambda line: line.start_s)]
    cased = any(text != text.lower() for _, text in lines)
    for end_s, text in lines:
        for start, end, name in _places(text, forms, telling=cased and text != text.upper()):
            asks = text[start:end].lower() in NAMES_TOO and _opens(text, start) and text[end : end + 1].isspace()
            if math.isinf(found[name]) and not asks:  # "Will you come?"
                found[name] = end_s
    return found


def introduce(
    texts: Sequence[str],
    times_s: Sequence[float],
    known_from_s: Mapping[str, float],
) -> list[str]:
    """Take names out of descriptions that come before they are known, in part or whole, with a title before them.

    Args:
        texts: descriptions in order of time.
        times_s: when each starts.
        known_from_s: for each name since when the film's audience knows it.

    Returns:
        The texts, with "someone" for each name that comes too early.
    """
    forms = _forms(known_from_s)
    told = []
    for text, time_s in zip(texts, times_s, strict=True):
        new, last = "", 0
        for start, end, name in _places(text, forms):
            if time_s >= known_from_s[name]:
                continue
            titled = max(last, _TITLED.search(text, last, start).start())  # type: ignore[union-attr]
            owns = re.match(r"['\u2019](?:s\b|(?=\s\w))", text[end:])  # "Mara's dog", "James' dog"
            someone = "Someone" if _opens(text, titled) else "someone"
            new += text[last:titled] + someone + ("'s" if owns else "")
            last = end + (owns.end() if owns else 0)
        told.append(new + text[last:])
    return told


def _forms(names: Iterable[str]) -> Table:
    """The folded words that name each person, by the rule by which metrics count names."""
    return people_table({name: words(name) for name in names})


def _places(text: str, forms: Mapping[tuple[str, ...], str], telling: bool = True) -> Iterator[tuple[int, int, str]]:
    """Where a text names whom, the longest name at each place.

    Args:
        text: any.
        forms: of `_forms`.
        telling: whether capitals tell a name from a word; if not, "will" is the word.

    Yields:
        (start, end, person), without a possessive 's.
    """
    read = [(match, cased_words(match.group())) for match in _RUN.finditer(text)]
    runs = [(match, *found[0]) for match, found in read if found]
    longest = max(map(len, forms), default=0)
    i = 0
    while i < len(runs):
        for size in range(min(longest, len(runs) - i), 0, -1):
            part = runs[i : i + size]
            name = forms.get(tuple(word for _, word, _ in part))
            cased = [(word, capital) for _, word, capital in part]
            if name is not None and _is_name(cased, telling) and _is_together(text, [match for match, _, _ in part]):
                match = part[-1][0]
                owns = re.search(r"['\u2019]s$", match.group()) and not part[-1][1].endswith("'s")
                yield part[0][0].start(), match.end() - (2 if owns else 0), name
                i += size
                break
        else:
            i += 1


def _is_name(part: Sequence[tuple[str, bool]], telling: bool) -> bool:
    """Whether words are written as a name is."""
    return written_as_name(part) if telling else any(word not in CLOSED_CLASS | DESCRIBING for word, _ in part)


def _is_together(text: str, part: Sequence[re.Match[str]]) -> bool:
    """Whether no sentence and no clause ends between words: "Mr. Smith", not "... Mara. Smith ..."."""
    for one, two in zip(part, part[1:], strict=False):
        gap = text[one.end() : two.start()].strip()
        if gap and (gap != "." or (one.group().lower() not in TITLES and len(one.group()) > 1)):
            return False
    return True


def _heard(text: str) -> str:
    """A line without notes in brackets and without who speaks."""
    return _LABEL.sub(" ", _NOTE.sub(" ", text)).strip()


def _opens(text: str, at: int) -> bool:
    """Whether a sentence starts at a place in a text; what tells stands right before it."""
    return _OPENING.search(text, max(0, at - 100), at) is not None
