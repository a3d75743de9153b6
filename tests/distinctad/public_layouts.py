"""A small set in CMD-AD's layout, its perfect predictions, and a writer of CSV files."""

from __future__ import annotations

import csv
import random
from pathlib import Path

WORDS = "Lisa George lifts drops a red blue cup ball slowly runs garden opens".split()


def write(path: Path, rows: list[dict]) -> Path:
    """Write rows with a header line."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def small_set(folder: Path) -> tuple[Path, list[dict]]:
    """Write 4 films of 2 clips of 4 ADs; one AD is there twice, two start alike. Returns the file and its rows."""
    rng = random.Random(5)
    rows = []
    for film in range(4):
        for i in range(8):
            start = 100.0 * film + 10.0 * i
            rows.append(
                {"text": " ".join(rng.sample(WORDS, 6)) + ".", "start": start, "end": start + 2.5, "movie": 7000 + film,
                 "scaled_start": 10.0 * (i % 4), "scaled_end": 10.0 * (i % 4) + 2.5,
                 "cmd_filename": f"2014/clip{film}{i // 4}", "imdbid": f"tt{film}"}
            )  # fmt: skip
    rows[1]["text"] = rows[0]["text"]
    return write(folder / "cmd.csv", rows), rows


def told(rows: list[dict], **columns: str) -> list[dict]:
    """Perfect predictions in another order, with the columns named: {column: column of the annotations}."""
    return [{**{new: row[old] for new, old in columns.items()}, "text_gen": row["text"]} for row in reversed(rows)]
