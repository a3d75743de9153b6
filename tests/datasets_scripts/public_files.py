"""Invented annotation files in the public layouts, one oddity a row, and the real ones where they lie beside."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"

MAD = ("movie", "sentence", "movie_duration", "start", "end", "imdbid", "lsmdc_filename", "start_hms", "end_hms")
CMD = (
    "text", "start", "end", "movie", "scaled_start", "scaled_end", "cmd_filename", "imdbid", "movie_title",
    "cmd_clip_idx",
)  # fmt: skip
TV = (
    "text", "start", "end", "imdbid", "imdbid_pe", "season", "episode", "scaled_end", "scaled_start", "duration",
    "tvad_name", "tvad_index",
)  # fmt: skip
NUMBERS = "[9, 9, 9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, 14, 14, 14]"


def real(name: str) -> Path:
    """A real annotation file; the test is skipped where there is none."""
    if not (REAL / name).is_file():
        pytest.skip(f"no real {name}")
    return REAL / name


def hms(time_s: float) -> str:
    thousandths = round(time_s * 1000)
    return (
        f"{thousandths // 3_600_000:02d}.{thousandths // 60_000 % 60:02d}."
        f"{thousandths // 1000 % 60:02d}.{thousandths % 1000:03d}"
    )


def mad(
    start: float, end: float, /, text: str = "Ann opens a red door.", film: str = "1_Film", **more: Any
) -> list[Any]:
    """A row of MAD-Eval's columns; `more` replaces cells."""
    a, b = hms(max(0, start)), hms(max(0, end))
    cells = dict(zip(MAD, (film, text, 600.0, start, end, "tt1", f"{film}_{a}-{b}", a, b), strict=True))
    return list((cells | more).values())


def cmd(start: float, end: float, /, text: str = "Ann opens a red door.", clip: int = 1, **more: Any) -> list[Any]:
    """A row of CMD-AD's columns; the clip begins 100 s before its number times 1000 s."""
    middle, half = (start + end) / 2 - 1000 * clip, max(2.0, end - start) / 2
    values = (text, start, end, 7, middle - half, middle + half, f"2014/clip{clip}", "tt7", "A Film", clip)
    return list((dict(zip(CMD, values, strict=True)) | more).values())


def tv(start: float, end: float, /, text: str = "Ann opens a red door.", **more: Any) -> list[Any]:
    """A row of TV-AD's columns."""
    middle, half = (start + end) / 2, max(2.0, end - start) / 2
    values = (
        text, start, end, "tt8", "tt9", 1, 2, middle + half, middle - half, 2 * half, "friends_s01e02_seg01_clip_01",
        NUMBERS,
    )  # fmt: skip
    return list((dict(zip(TV, values, strict=True)) | more).values())


def table(path: Path, columns: tuple[str, ...], rows: list[list[Any]]) -> Path:
    """Write a CSV file."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    path.write_bytes(text.getvalue().encode())
    return path
