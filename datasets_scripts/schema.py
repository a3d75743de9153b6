"""The one row of all data sets: an audio description with its time, its film and the people who may be in it.

MAD, CMD-AD, TV-AD and the pocket films are all read into this record; the collators, the writers and the validation
know no other one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


def _check_text(owner: str, name: str, value: object, may_be_empty: bool = True) -> None:
    """Refuse what is no text, or an empty one."""
    if not isinstance(value, str):
        raise ValueError(f"{owner}.{name} is {value!r}, expected a text; convert it when the row is read")
    if not may_be_empty and not value.strip():
        raise ValueError(f"{owner}.{name} is empty, expected an id; give every row one")


def _check_count(owner: str, name: str, value: object) -> None:
    """Refuse what is no integer of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{owner}.{name} is {value!r}, expected an integer of 0 or more; count from 0")


def _check_interval(owner: str, start_s: object, end_s: object) -> None:
    """Refuse times that are no interval on a timeline."""
    for name, value in (("start", start_s), ("end", end_s)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{owner} {name} is {value!r}, expected seconds; parse the time when the row is read")
    if not 0 <= start_s < end_s:  # type: ignore[operator]  # both are numbers, see above
        raise ValueError(
            f"{owner} runs from {start_s} to {end_s} s, expected 0 <= start < end; clamp or refuse the row first"
        )


def _known(owner: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """The dictionary, once it holds no key that `owner` does not have and no required one is missing."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{owner.__name__} is read from {data!r}, expected a dictionary; pass one made by to_dict")
    names = [field.name for field in fields(owner)]
    if unknown := sorted(set(data) - set(names)):
        raise ValueError(f"{owner.__name__} has no field {unknown[0]!r}, expected {', '.join(names)}; rename the key")
    return dict(data)


@dataclass(frozen=True)
class Character:
    """One person who may be in the clip.

    Attributes:
        id: the bank's id (an nm-id, or the pocket film's own).
        name: role name as the AD says it.
        actor: actor's name, or "".
        portrait: image file relative to the data set's folder, or "".
        role: the whole role where `name` is only what a prompt says of it, or "".
    """

    id: str
    name: str
    actor: str = ""
    portrait: str = ""
    role: str = ""

    def __post_init__(self) -> None:
        """Check the types and that there is an id and a name."""
        _check_text("Character", "id", self.id, may_be_empty=False)
        _check_text("Character", "name", self.name, may_be_empty=False)
        _check_text("Character", "actor", self.actor)
        _check_text("Character", "portrait", self.portrait)
        _check_text("Character", "role", self.role)

    @property
    def names(self) -> tuple[str, str]:
        """What a prompt says and the name in full: no word of either is a distinctive one."""
        return self.name, self.whole

    @property
    def whole(self) -> str:
        """The name in full, as a bank has it."""
        return self.role or self.name


@dataclass(frozen=True)
class Provenance:
    """Where a row came from: file name and row number (0 is the first data row, in file order)."""

    file: str
    row: int

    def __post_init__(self) -> None:
        """Check the types."""
        _check_text("Provenance", "file", self.file, may_be_empty=False)
        _check_count("Provenance", "row", self.row)


@dataclass(frozen=True)
class ADRow:
    """One audio description.

    Attributes:
        film: film (MAD, CMD-AD, pocket) or episode (TV-AD): the group that windows are cut from.
        clip: id of the piece of film that holds the AD; `film` itself where films are not cut.
        index: place among the ADs of `film` in time order, from 0.
        start_s: start on the film's timeline, seconds, 0 or more.
        end_s: end, seconds, after `start_s`.
        text: the AD; "" where only the times are public.
        characters: the cast that a prompt may list, best first.
        video: video file, folder of frames or feature key, relative to the data's root; "" if there is none.
        provenance: file and row it was read from.
        video_start_s: start inside `video` where that has a timeline of its own (clips of CMD-AD), else None.
        video_end_s: end inside `video`, given exactly when `video_start_s` is.
        frame_numbers: one-based numbers of the frames to read (TV-AD's folders), or ().
    """

    film: str
    clip: str
    index: int
    start_s: float
    end_s: float
    text: str
    characters: tuple[Character, ...]
    video: str
    provenance: Provenance
    video_start_s: float | None = None
    video_end_s: float | None = None
    frame_numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check every field; the message names the row.

        Raises:
            ValueError: on a wrong type, an empty id, a negative index or times that are no interval.
        """
        for name in ("film", "clip"):
            _check_text("ADRow", name, getattr(self, name), may_be_empty=False)
        row = f"ADRow {self.film}[{self.index}]"
        _check_count(row, "index", self.index)
        _check_interval(row, self.start_s, self.end_s)
        _check_text(row, "text", self.text)
        _check_text(row, "video", self.video)
        if not isinstance(self.characters, tuple) or not all(isinstance(c, Character) for c in self.characters):
            raise ValueError(f"{row}.characters is {self.characters!r}, expected Character records; use from_dict")
        if not isinstance(self.provenance, Provenance):
            raise ValueError(f"{row}.provenance is {self.provenance!r}, expected a Provenance; use from_dict")
        if (self.video_start_s is None) != (self.video_end_s is None):
            raise ValueError(f"{row} has one of video_start_s and video_end_s, expected both or none; give the other")
        if self.video_start_s is not None:
            _check_interval(f"{row} inside its video", self.video_start_s, self.video_end_s)
        if not isinstance(self.frame_numbers, tuple):
            raise ValueError(f"{row}.frame_numbers is {self.frame_numbers!r}, expected a tuple; use from_dict")
        for number in self.frame_numbers:
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ValueError(f"{row} has frame number {number!r}, expected 1 or more; frames count from 1")

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of plain lists, texts and numbers, fit for JSON and Parquet; `from_dict` undoes it."""
        # Not `asdict`, which copies every value deeply: the builders write every row of a set through here.
        return {
            **vars(self),
            "characters": [dict(vars(character)) for character in self.characters],
            "provenance": dict(vars(self.provenance)),
            "frame_numbers": list(self.frame_numbers),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ADRow:
        """Read a row back.

        Args:
            data: as `to_dict` writes it; sequences may be lists or tuples.

        Returns:
            The checked row.

        Raises:
            ValueError: on an unknown or missing key or a wrong value.
        """
        values = _known(cls, data)
        try:
            characters = values.pop("characters")
            provenance = values.pop("provenance")
            return cls(
                characters=tuple(Character(**_known(Character, entry)) for entry in characters),
                provenance=Provenance(**_known(Provenance, provenance)),
                frame_numbers=tuple(values.pop("frame_numbers", ())),
                **values,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no ADRow in {dict(data)!r:.200}: {error}; expected the keys of ADRow.to_dict") from error


def video_span(row: Any) -> tuple[float, float]:
    """Where an AD lies inside its video.

    Args:
        row: an `ADRow`, or what has its times.

    Returns:
        Start and end in seconds: the film's where the video has no timeline of its own.
    """
    if row.video_start_s is None or row.video_end_s is None:
        return row.start_s, row.end_s
    return row.video_start_s, row.video_end_s
