"""Writes the README's numbers from the checkpoint's run record and from generated tables, between markers.

A marker is `<!-- run-record:NAME -->`; NAME is metrics, run or one of `TABLES`.

Run: `python tools/readme_numbers.py [--check]`. With `--check` nothing is written; the exit status is 1 if the README
differs from what the record says.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RECORD = ROOT / "distinctad" / "checkpoint" / "run_record.json"
TABLES = {"bench": ROOT / "docs" / "bench.md", "synthetic": ROOT / "docs" / "tables" / "table5_synthetic.md"}
"""Files whose first table the README shows."""
NOTHING = "no checkpoint committed yet"
MARKED = re.compile(r"<!-- run-record:(?P<name>[a-z]+) -->\n(?P<body>.*?)<!-- /run-record -->", re.DOTALL)


def rows(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields (name, figure) for every number in a tree of metrics; `{"value", "low", "high"}` is one interval."""
    for key, value in metrics.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping) and "value" in value:
            bounds = [_figure(value[bound]) for bound in ("low", "high") if bound in value]
            yield name, _figure(value["value"]) + (f" [{', '.join(bounds)}]" if bounds else "")
        elif isinstance(value, Mapping):
            yield from rows(value, f"{name}, ")
        elif isinstance(value, list) and value and all(_is_number(v) for v in value):
            yield name, _figure(value[0]) + (f" [{', '.join(map(_figure, value[1:]))}]" if value[1:] else "")
        elif _is_number(value):
            yield name, _figure(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def section(name: str, record: Mapping[str, Any] | None) -> str:
    """Writes the Markdown that belongs between the markers of one name.

    Raises:
        ValueError: for a name that is neither "metrics" nor "run" nor a table's.
    """
    if name in TABLES:
        lines = TABLES[name].read_text(encoding="utf-8").splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("|"))
        table = itertools.takewhile(lambda line: line.startswith("|"), lines[first:])
        return "\n".join(table) + "\n"
    if name not in ("metrics", "run"):
        raise ValueError(
            f"the marker is run-record:{name}; expected metrics, run or one of {', '.join(TABLES)}; correct the README"
        )
    if record is None:
        return f"{NOTHING}\n"
    if name == "metrics":
        lines = [f"| {label} | {figure} |" for label, figure in rows(record["metrics"])]
        return "\n".join(["| figure | value |", "|---|---|", *lines]) + "\n"
    hardware = ", ".join(f"{key} {value}" for key, value in record["hardware"].items())
    return (
        f"Stage `{record['stage']}`, commit `{record['commit']}`, seed {record['seed']}, data `{record['data']}`, "
        f"{record['wall_s'] / 60:.0f} minutes on {hardware}.\n"
    )


def render(readme: str, record: Mapping[str, Any] | None) -> str:
    """Returns the README's text with every marked section written anew; `record` None means there is no checkpoint."""
    return MARKED.sub(
        lambda m: f"<!-- run-record:{m['name']} -->\n{section(m['name'], record)}<!-- /run-record -->", readme
    )


def read_record() -> dict[str, Any] | None:
    """Reads the checkpoint's run record, or gives None where no checkpoint is committed."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else None


def main(arguments: list[str]) -> int:
    """Writes or checks the README; returns the exit status."""
    old = README.read_text(encoding="utf-8")
    new = render(old, read_record())
    if "--check" in arguments:
        if new != old:
            print("README.md differs from its sources: run `python tools/readme_numbers.py`", file=sys.stderr)
        return int(new != old)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
