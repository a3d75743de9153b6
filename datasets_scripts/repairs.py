"""What can be wrong with an annotation row, what is done about it, and the count of all of it.

Every oddity of the public files has one rule here: the row is kept as it is, repaired, or refused. A row's outcome is
the gravest of its findings, so `rows in = kept + repaired + refused` holds for every file. Source: data specification
and the quirks that users of the public files report; where they name none, the rule is our own choice and says why.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

KEPT, REPAIRED, REFUSED = "kept", "repaired", "refused"
OUTCOMES = (KEPT, REPAIRED, REFUSED)
DETAILS = 1000  # details held per rule; the numbers of all rows are held

RULES: dict[str, tuple[str, str]] = {
    # the file
    "missing_column": (REFUSED, "a column that the layout needs is not there: no row can be read"),
    "unreadable": (REFUSED, "the file or the rest of it cannot be read"),
    "ragged": (REFUSED, "the line has another number of cells than the header"),
    "quotes": (REFUSED, "the line's quotes do not close"),
    "not_an_object": (REFUSED, "the entry is no object, or holds something else than expected"),
    "encoding": (REPAIRED, "bytes that are not UTF-8, read as Windows-1252; the known mangled quote becomes one"),
    "control_character": (REPAIRED, "control characters, line separators or lone surrogates, replaced by a blank"),
    "line_break": (REPAIRED, "a quoted cell runs over several lines; its line breaks become blanks"),
    "too_long": (REFUSED, "a cell longer than any real one"),
    # ids
    "no_id": (REFUSED, "no film, clip or character id"),
    "duplicate_id": (REFUSED, "an id used before; the first row stays"),
    "duplicate_row": (REFUSED, "equal to an earlier row in every column; the first stays"),
    "film_disagrees": (REFUSED, "the row's columns name different films"),
    "two_keys": (KEPT, "a film stands under several keys"),
    "in_two_splits": (KEPT, "a training film that stands in another split too: a leak for who tests on that one"),
    # times
    "not_a_number": (REFUSED, "a time or number that is none, or not finite"),
    "time_from_name": (REPAIRED, "one of three spellings of a time differs; the two that agree are taken"),
    "times_disagree": (REFUSED, "the spellings of a time all differ"),
    "negative_start": (REPAIRED, "a start before the film or clip, set to 0"),
    "before_zero": (REFUSED, "the whole interval lies before the film"),
    "reversed": (REPAIRED, "end before start by at most a minute: swapped"),
    "no_interval": (REFUSED, "end equals start, or lies more than a minute before it"),
    "beyond_end": (REPAIRED, "an end after the film's, set to it"),
    "past_end": (REFUSED, "the interval begins after the film's end"),
    "out_of_order": (REPAIRED, "starts before the row above it: sorted by start within the film"),
    "file_order": (KEPT, "starts before the row above it: left there, file order was asked for"),
    "clip_order": (KEPT, "clips not in time order: the film's clips go by their number"),
    "overlap": (KEPT, "begins before the AD above it has ended"),
    "equal_start": (KEPT, "begins with the AD above it"),
    "widened": (KEPT, "interval inside the clip widened to 2 s by the publisher; start and end hold the AD's own"),
    "widened_overlap": (KEPT, "overlaps the AD above it inside the clip, where intervals were widened"),
    "duration_disagrees": (KEPT, "the film's length is over a minute off its metadata (paper, Table E.3)"),
    # texts
    "no_text": (KEPT, "the layout has no text column: the times stand, the text is empty"),
    "empty_text": (REFUSED, "the text is empty"),
    "blanks": (REPAIRED, "doubled, leading or trailing blanks taken out of the text"),
    "stray_quote": (KEPT, "a double quote without a partner or beside a blank; scored as published"),
    "one_word": (KEPT, "a text of one word"),
    "lower_case": (KEPT, "a text that begins in lower case: a fragment"),
    "duplicate_text": (KEPT, "a text that an earlier row holds too"),
    # frames, videos, features
    "features_differ": (KEPT, "the film's features cover another length than the annotations say, by over a second"),
    "bad_literal": (REFUSED, "a list or dictionary column that is none, or holds something else than expected"),
    "frame_count": (REFUSED, "not 16 frame numbers"),
    "face_without_box": (KEPT, "a predicted face that the boxes do not hold"),
    "missing_video": (REFUSED, "the video, folder of frames or feature is not there"),
    "unreadable_video": (REFUSED, "the video is there, but no frame of it can be decoded"),
    "unsafe_path": (REFUSED, "a path that leaves the data's folder"),
    "few_frames": (REPAIRED, "the features end up to a second before the AD: the last ones are repeated"),
    "no_frames": (
        REFUSED,
        "the AD begins after the last frame or feature, or ends over a second after the last feature",
    ),
    "excluded_unavailable": (REFUSED, "the paper had no video of this film (Appendix E)"),
    "excluded_duration": (REFUSED, "the film's length disagrees with its metadata (Appendix E)"),
    # characters
    "no_bank": (KEPT, "no character bank holds this film: no names"),
    "no_predictions": (KEPT, "the file has no column of predicted ids: nobody is listed"),
    "unknown_character": (KEPT, "a predicted id that the bank does not hold: left out"),
    "role_cleaned": (REPAIRED, "notes, dots or marks taken out of a role"),
    "empty_role": (REFUSED, "no role, or nothing of it is a name"),
}


class RowRefused(ValueError):
    """A row that cannot be used.

    Attributes:
        rule: key of `RULES`, an outcome of "refused".
        detail: the value and what was expected.
    """

    def __init__(self, rule: str, detail: str) -> None:
        self.rule, self.detail = rule, detail
        super().__init__(f"{rule}: {detail}")


def short(value: object, limit: int = 60) -> str:
    """The value as a message can hold it: one line, at most about `limit` characters."""
    text = value if isinstance(value, str) else repr(value) if not isinstance(value, int) else f"{str(value)[:limit]}"
    text = text[: 4 * limit].encode("unicode_escape").decode("ascii")
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


@dataclass
class Found:
    """What one rule found in one file: every row number once, and beside the first `DETAILS` of them what was seen."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    details: list[str] = field(default_factory=list)

    def add(self, row: int, detail: str) -> None:
        """Take one finding in; a row's later ones join its first."""
        if self.rows and self.rows[-1] == row:
            if len(self.details) == len(self.rows):
                self.details[-1] += f"; {detail}"
            return
        self.rows.append(row)
        if len(self.details) < DETAILS:
            self.details.append(detail)


class Report:
    """Counts the rows of one file and names what was found.

    Args:
        file: the file's name (no folder: reports hold no machine's paths).

    Attributes:
        films: film -> Counter of outcomes; "" holds rows whose film could not be read.
        found: rule -> the rows that it was found in; row -1 stands for the whole file.
        facts: other figures of the file, name -> value.
        remarks: sentences beside the numbers.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.films: dict[str, Counter[str]] = {}
        self.found: dict[str, Found] = {}
        self.facts: dict[str, Any] = {}
        self.remarks: list[str] = []

    def row(self, film: str, number: int, findings: list[tuple[str, str]]) -> str:
        """Count one row.

        Args:
            film: its film, or "".
            number: 0 for the first data row, in file order.
            findings: (rule, detail) pairs.

        Returns:
            The outcome: the gravest of the rules', "kept" without any.

        Raises:
            KeyError: on an unknown rule.
        """
        outcome = KEPT
        for rule, detail in findings:
            outcome = max(outcome, RULES[rule][0], key=OUTCOMES.index)
            self.found.setdefault(rule, Found()).add(number, detail)
        self.films.setdefault(film, Counter())[outcome] += 1
        return outcome

    def refuse_file(self, rule: str, detail: str, rows: int) -> None:
        """Refuse what is left of the file: `rows` rows that were seen but cannot be read."""
        self.found.setdefault(rule, Found()).add(-1, detail)
        if rows:
            self.films.setdefault("", Counter())[REFUSED] += rows

    @property
    def outcomes(self) -> dict[str, int]:
        """Rows by outcome."""
        total: Counter[str] = Counter()
        for counts in self.films.values():
            total.update(counts)
        return {outcome: total[outcome] for outcome in OUTCOMES}

    @property
    def rows(self) -> int:
        """Rows in."""
        return sum(self.outcomes.values())

    @property
    def refused(self) -> bool:
        """Whether anything was refused, a row or the file."""
        return any(RULES[rule][0] == REFUSED for rule in self.found)

    def count(self, rule: str) -> int:
        """In how many rows a rule was found."""
        return len(self.found[rule].rows) if rule in self.found else 0

    def to_dict(self, most_rows: int | None = None) -> dict[str, Any]:
        """Plain lists, texts and numbers for JSON.

        Args:
            most_rows: row numbers listed per rule; None lists all.
        """
        findings = {
            rule: {
                "outcome": RULES[rule][0],
                "rule": RULES[rule][1],
                "count": len(found.rows),
                "rows": list(found.rows[:most_rows]),
                "details": found.details[: 20 if most_rows is None else min(20, most_rows)],
            }
            for rule, found in sorted(self.found.items())
        }
        return {
            "file": self.file,
            "rows": self.rows,
            **self.outcomes,
            "films": {film: dict(counts) for film, counts in self.films.items()},
            "findings": findings,
            "facts": self.facts,
            "remarks": self.remarks,
        }
