"""Columns that hold a Python literal as text: lists of frame numbers, boxes, predicted ids. Never `eval`."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from typing import Any

from datasets_scripts.repairs import RowRefused, short

MAX_LITERAL = 1 << 15  # characters; the longest public one has 6,551
_PLAIN = re.compile(r"[\[\](){},:'\"\w \t-]*", re.ASCII)  # no dots, no calls, no operators but a sign
_LONG_NUMBER = re.compile(r"\d{10}", re.ASCII)
_SIGNS = re.compile(r"--")


def read_literal(value: object, name: str) -> Any:
    """Parse a bounded literal of lists, tuples, dictionaries, short integers and quoted ids.

    Args:
        value: the cell.
        name: of the column, for the message.

    Raises:
        RowRefused: "bad_literal".
    """
    if not isinstance(value, str) or len(value) > MAX_LITERAL:
        size = f"{len(value)} characters" if isinstance(value, str) else type(value).__name__
        raise RowRefused("bad_literal", f"{name} has {size}, expected a text of at most {MAX_LITERAL}")
    if not _PLAIN.fullmatch(value) or _LONG_NUMBER.search(value) or _SIGNS.search(value):
        raise RowRefused("bad_literal", f"{name} is {short(value)}, expected lists of short integers and ids")
    with contextlib.suppress(
        ValueError, RecursionError
    ):  # lists of numbers are JSON too, and a hundred times faster read as such
        return json.loads(value)
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise RowRefused(
            "bad_literal", f"{name} is {short(value)}, expected a literal ({type(error).__name__})"
        ) from error


def read_frame_numbers(value: object, count: int = 16) -> tuple[int, ...]:
    """Parse `tvad_index`: one-based frame numbers that do not fall.

    Raises:
        RowRefused: "bad_literal", or "frame_count" if there are not `count`.
    """
    numbers = read_literal(value, "tvad_index")
    if not isinstance(numbers, list) or any(type(n) is not int or n < 1 for n in numbers):
        raise RowRefused("bad_literal", f"tvad_index is {short(str(value))}, expected frame numbers from 1")
    if len(numbers) != count:
        raise RowRefused("frame_count", f"tvad_index holds {len(numbers)} numbers, expected {count}")
    if any(b < a for a, b in zip(numbers, numbers[1:], strict=False)):
        raise RowRefused("bad_literal", f"tvad_index is {short(str(value))}, expected numbers that do not fall")
    return tuple(numbers)


def read_boxes(value: object, count: int = 16) -> list[int]:
    """Parse `bboxes`, lists of [x0, y0, x1, y1] in pixels.

    Returns:
        Faces in each of the `count` frames.

    Raises:
        RowRefused: "bad_literal".
    """
    frames = read_literal(value, "bboxes")
    good = isinstance(frames, list) and len(frames) == count and all(isinstance(boxes, list) for boxes in frames)
    if not good or any(not _is_box(box) for boxes in frames for box in boxes):
        raise RowRefused("bad_literal", f"bboxes is {short(str(value))}, expected {count} lists of [x0, y0, x1, y1]")
    return [len(boxes) for boxes in frames]


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(type(edge) is int for edge in box)


def read_predictions(value: object) -> dict[str, list[tuple[int, int]]]:
    """Parse `pred_ids`: character id -> places (frame 0 to 15, face in that frame) where the face was recognised.

    Raises:
        RowRefused: "bad_literal".
    """
    found = read_literal(value, "pred_ids")
    if not isinstance(found, dict):
        raise RowRefused("bad_literal", f"pred_ids is {short(str(value))}, expected a dictionary")
    for key, places in found.items():
        good = isinstance(key, str) and re.fullmatch(r"\w{1,40}", key) and isinstance(places, list)
        if not good or any(not _is_place(place) for place in places):
            raise RowRefused("bad_literal", f"pred_ids of {short(key)} is {short(str(places))}, expected (frame, face)")
    return {key: [(frame, face) for frame, face in places] for key, places in found.items()}


def _is_place(place: object) -> bool:
    return isinstance(place, tuple | list) and len(place) == 2 and all(type(n) is int and n >= 0 for n in place)
