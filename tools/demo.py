"""The demonstration of `make demo`: draws a held-out pocket film, describes it, prints the drafts beside the truth.

Seeds above 900,000 are never used in training, tuning or choosing, so the film is new to the checkpoint.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasets_scripts.pocket.voice import find_voice

CLOSE_S = 0.05  # times are written with few digits


def run(*words: str) -> None:
    """Runs `distinctad` and ends with its exit status if it fails."""
    print("$ distinctad " + " ".join(words), flush=True)
    status = subprocess.run([sys.executable, "-m", "distinctad", *words], check=False).returncode
    if status:
        sys.exit(status)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Reads a CSV file with lower-case column names."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [{key.lower(): value for key, value in row.items()} for row in csv.DictReader(stream)]


def beside(drafts: list[dict[str, str]], truth: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """Pairs drafts and true texts of the same interval.

    Returns:
        (time, draft, truth) of each draft, in order.

    Raises:
        ValueError: a draft's interval is not one of the truth's.
    """
    pairs = []
    for draft in drafts:
        start_s, end_s = float(draft["start"]), float(draft["end"])
        same = [
            row
            for row in truth
            if abs(float(row["start"]) - start_s) < CLOSE_S and abs(float(row["end"]) - end_s) < CLOSE_S
        ]
        if len(same) != 1:
            raise ValueError(
                f"{len(same)} true texts lie at {start_s:.2f}-{end_s:.2f} s; expected 1; draw the film anew"
            )
        pairs.append((f"{start_s:.1f}-{end_s:.1f}", draft["text"], same[0]["sentence"]))
    return pairs


def table(pairs: list[tuple[str, str, str]]) -> Table:
    """Lays out drafts beside the truth."""
    laid = Table(title="Drafts beside the truth (a person must review every draft)", show_lines=True)
    for column in ("time (s)", "draft", "truth"):
        laid.add_column(column)
    for pair in pairs:
        laid.add_row(*(Text(cell) for cell in pair))
    return laid


def main(arguments: list[str] | None = None) -> None:
    """Draws, describes, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=900_100, help="of the film; above 900,000 is held out")
    parser.add_argument("--ads", type=int, default=18, help="descriptions in the film")
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="folder for film and drafts")
    given: Any = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):  # names in a terminal that is not UTF-8, as `distinctad` itself shows them
        sys.stdout.reconfigure(errors="replace")
    films, drafts = given.out / "films", given.out / "descriptions"
    ads = ("--ads", str(given.ads))
    run("pocket", "--seed", str(given.seed), "--films", "1", *ads, "--out", str(films), "--overwrite")
    film = next(films.rglob(f"film_{given.seed}.mp4"))
    notes = next(films.rglob("annotations.csv"))
    run(
        *("describe", str(film), "--out", str(drafts), "--overwrite"),
        *("--intervals", str(notes), "--cast", str(film.with_suffix(".cast.json"))),
    )
    print()
    Console().print(table(beside(read_rows(drafts / "descriptions.csv"), read_rows(notes))))
    voice = find_voice()
    print(f"voice of the dialogue: {voice.name if voice else 'none found, the film holds music only'}")
    print(f"film, subtitles, cast, truth: {films}\ndrafts (CSV, JSON, SRT, WebVTT): {drafts}")


if __name__ == "__main__":
    main()
