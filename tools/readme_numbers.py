"""Writes the README's numbers from the checkpoint's run record and from generated tables, between markers.

A section lies between `<!-- run-record:NAME -->` and `<!-- /run-record -->`, each alone on its line; NAME is one of
`NAMES`. Anything else that looks like a marker is refused, for what it holds would go stale unseen.

Run: `python tools/readme_numbers.py [--check]`. With `--check` nothing is written; the exit status is 1 if the README
differs from what the record says, 2 if its markers are wrong.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from distinctad.publish_card import blind_of, figures  # noqa: E402

README = ROOT / "README.md"
RECORD = ROOT / "distinctad" / "checkpoint" / "run_record.json"
TABLES = {"bench": ROOT / "docs" / "bench.md", "synthetic": ROOT / "docs" / "tables" / "table5_synthetic.md"}
"""Files whose first table the README shows."""
NAMES = ("metrics", "run", *TABLES)
NOTHING = "no checkpoint committed yet, or none measured on held-out films"
MARKED = re.compile(r"<!-- run-record:(?P<name>\w+) -->\n(?P<body>.*?)<!-- /run-record -->", re.DOTALL)
LIKE_A_MARKER = re.compile(r"[^\n]*<!--\s*/?\s*run[-_ ]?record[^\n]*", re.IGNORECASE)
"""A whole line, with whatever stands beside the marker."""


def blind_table(metrics: Mapping[str, Any]) -> str:
    """The figures on held-out films as a Markdown table: a measurement's films a pair of columns, figure and chance."""
    measured = blind_of(metrics)
    heads, found = ["figure"], dict[str, dict[str, str]]()
    for column, tree in measured.items():
        preset = tree.get("provenance", {}).get("preset")
        heads += [f"`{preset}` films [95 %]" if preset else f"{column} [95 %]", "by chance"]
        for name, value, interval, chance in figures(tree):
            bounds = f" [{interval.replace(' to ', ', ')}]" if interval else ""
            found.setdefault(name, {})[column] = f"{value}{bounds} | {chance}"
    lines = [" | ".join([name, *(cells.get(column, " | ") for column in measured)]) for name, cells in found.items()]
    return "".join(f"| {line} |\n" for line in [" | ".join(heads), " | ".join(["---"] * len(heads)), *lines])


def section(name: str, record: Mapping[str, Any] | None) -> str:
    """Writes the Markdown that belongs between the markers of one name.

    Raises:
        ValueError: for a name that is none of `NAMES`.
    """
    if name not in NAMES:
        raise ValueError(
            f"the marker is run-record:{name}; expected metrics, run or one of {', '.join(TABLES)}; correct the README"
        )
    if name in TABLES:
        lines = TABLES[name].read_text(encoding="utf-8").splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("|"))
        table = itertools.takewhile(lambda line: line.startswith("|"), lines[first:])
        return "\n".join(table) + "\n"
    if record is None or (name == "metrics" and not blind_of(record["metrics"])):
        return f"{NOTHING}\n"
    if name == "metrics":
        return blind_table(record["metrics"])
    hardware = ", ".join(f"{key} {value}" for key, value in record["hardware"].items())
    return (
        f"Stage `{record['stage']}`, commit `{record['commit']}`, seed {record['seed']}, data `{record['data']}`, "
        f"{record['wall_s'] / 60:.0f} minutes on {hardware}.\n{_measured(record['metrics'])}"
    )


def _measured(metrics: Mapping[str, Any]) -> str:
    """One line for each measurement that says where it comes from; older ones do not."""
    lines = []
    for key, value in metrics.items():
        if isinstance(value, Mapping) and "provenance" in value:
            told = value["provenance"]
            lines.append(
                f"\nFigures `{key}`: {told['films']} `{told['preset']}` films from seed {told['first seed']}, commit "
                f"`{told['commit']}`, model files `{told['model'][:16]}`, `{told['command']}`.\n"
            )
    return "".join(lines)


def check_markers(readme: str) -> None:
    """Makes sure that each section has a known name, a beginning and its own end.

    Raises:
        ValueError: with the line, for a marker that is unknown, not alone on its line, or without its other half.
    """
    opened = ""
    for found in LIKE_A_MARKER.finditer(readme):
        line, number = found.group(), readme.count("\n", 0, found.start()) + 1
        name = re.fullmatch(r"<!-- run-record:(\w+) -->", line)
        if name and name[1] in NAMES and not opened:
            opened = name[1]
        elif line == "<!-- /run-record -->" and opened:
            opened = ""
        else:
            wanted = "<!-- /run-record -->" if opened else f"<!-- run-record:NAME -->, NAME of {', '.join(NAMES)},"
            raise ValueError(f"line {number} is {line!r}; expected {wanted} alone on its line; correct the README")
    if opened:
        raise ValueError(f"run-record:{opened} has no end; expected <!-- /run-record --> after it; correct the README")


def render(readme: str, record: Mapping[str, Any] | None) -> str:
    """Writes every marked section anew.

    Args:
        readme: the text.
        record: the checkpoint's; None: there is no checkpoint.

    Returns:
        The new text.

    Raises:
        ValueError: a marker is wrong, see `check_markers`.
    """
    check_markers(readme)
    return MARKED.sub(
        lambda m: f"<!-- run-record:{m['name']} -->\n{section(m['name'], record)}<!-- /run-record -->", readme
    )


def read_record() -> dict[str, Any] | None:
    """Reads the checkpoint's run record, or gives None where no checkpoint is committed."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else None


def main(arguments: list[str]) -> int:
    """Writes or checks the README; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if something would change")
    given = parser.parse_args(arguments)
    old = README.read_text(encoding="utf-8")
    try:
        new = render(old, read_record())
    except ValueError as error:
        print(f"error: {README.name}: {error}", file=sys.stderr)
        return 2
    if given.check:
        if new != old:
            print("README.md differs from its sources: run `python tools/readme_numbers.py`", file=sys.stderr)
        return int(new != old)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
