"""Writes the figures of `distinctad score` into the run record beside the checkpoint, for README and model card.

Run: `python tools/record_scores.py SCORES.json [--record distinctad/checkpoint/run_record.json]`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

RECORD = Path(__file__).resolve().parent.parent / "distinctad" / "checkpoint" / "run_record.json"


def blind_figures(scores: dict[str, Any]) -> dict[str, Any]:
    """Value, interval and chance of every figure, with the number of films and ADs."""
    figures: dict[str, Any] = {"films": scores["counts"]["n_films"], "ads": scores["counts"]["n_expected"]}
    for figure in scores["figures"]:
        figures[figure["label"]] = {"value": figure["value"], "low": figure["lower"], "high": figure["upper"]}
        figures[f"{figure['label']}, chance"] = figure["chance"]
    return figures


def write_figures(record: Path, name: str, figures: dict[str, Any]) -> None:
    """Puts figures under `metrics.<name>` of a run record."""
    content = json.loads(record.read_text(encoding="utf-8"))
    content["metrics"][name] = figures
    record.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Merges the figures under `metrics.blind`; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scores", type=Path)
    parser.add_argument("--record", type=Path, default=RECORD)
    given = parser.parse_args(arguments)
    for path in (given.scores, given.record):
        if not path.is_file():
            print(f"error: no such file: {path}; run `distinctad score` and `make pocket` first", file=sys.stderr)
            return 2
    write_figures(given.record, "blind", blind_figures(json.loads(given.scores.read_text(encoding="utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
