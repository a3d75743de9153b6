"""Write what `distinctad score` found: scores.json, a table in Markdown, a plot, and a table for the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEADER = ("figure", "value", "95 % over films", "chance", "lower / chance", "n scored / expected")


def rounded(value: Any, digits: int = 6) -> Any:
    """Round every float in nested lists and dicts, so that equal runs write equal bytes."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, dict):
        return {str(key): rounded(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item, digits) for item in value]
    return value


def _number(value: float | None, form: str = ".1f") -> str:
    return "-" if value is None else format(value, form)


def table_rows(scores: dict[str, Any]) -> list[tuple[str, ...]]:
    """The figures as rows of text, in the order of `HEADER`."""
    rows: list[tuple[str, ...]] = []
    for figure in scores["figures"]:
        interval = "-" if figure["lower"] is None else f"{figure['lower']:.1f} to {figure['upper']:.1f}"
        rows.append(
            (
                figure["label"],
                _number(figure["value"]),
                interval,
                _number(figure["chance"]),
                _number(figure["lower_over_chance"], ".2f"),
                f"{figure['n']} / {figure['n_expected']}",
            )
        )
    return rows


def notes(scores: dict[str, Any]) -> list[str]:
    """What a reader must know beside the figures: silent rows, few films, metrics that were not run."""
    counts = scores["counts"]
    lines = [
        f"{counts['n_predicted']} of {counts['n_expected']} ADs predicted, {counts['n_missing']} missing and "
        f"{counts['n_empty']} empty ones scored as silence; {counts['n_films']} film(s)."
    ]
    if counts["n_films"] < 2:
        lines.append("One film only: no interval over films can be given.")
    lines += [f"Not run: {name} ({why})." for name, why in sorted(scores["not_run"].items())]
    return lines


def markdown(scores: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = ["# Scores", "", f"| {' | '.join(HEADER)} |", "|---|" + "---:|" * (len(HEADER) - 1)]
    lines += [f"| {' | '.join(row)} |" for row in table_rows(scores)]
    lines += ["", *(f"* {note}" for note in notes(scores)), "", "Chance of each figure:", ""]
    lines += [f"* {figure['label']}: {figure['chance_is']}." for figure in scores["figures"]]
    signature = json.dumps(rounded(scores["signature"]), indent=1, sort_keys=True, ensure_ascii=False)
    return "\n".join([*lines, "", "Signature:", "", "```json", signature, "```", ""])


def plot(scores: dict[str, Any], path: Path) -> None:
    """Bars with their intervals, a black line at each figure's chance; CIDEr has a panel (and scale) of its own.

    Args:
        scores: what `distinctad.score.score` returned.
        path: the PNG file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [
        ("percent", [f for f in scores["figures"] if f["value"] is not None and f["unit"] == "percent"]),
        ("CIDEr (x100)", [f for f in scores["figures"] if f["value"] is not None and f["unit"] != "percent"]),
    ]
    panels = [(title, figures) for title, figures in panels if figures]
    heights = [len(figures) + 0.8 for _, figures in panels] or [1]
    canvas = Figure(figsize=(7.0, 0.8 + 0.42 * sum(heights)), layout="constrained")
    axes = canvas.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axis, (title, figures) in zip(axes, panels, strict=False):
        for place, figure in enumerate(figures):
            axis.barh(place, figure["value"], height=0.6, color="#4477aa")
            if figure["lower"] is not None:
                axis.hlines(place, figure["lower"], figure["upper"], color="#222222", linewidth=1.2)
                ends = [figure["lower"], figure["upper"]]
                axis.vlines(ends, place - 0.1, place + 0.1, color="#222222", linewidth=1.2)
            if figure["chance"] is not None:
                axis.vlines(figure["chance"], place - 0.38, place + 0.38, color="#cc3311", linewidth=2.0)
        axis.set_yticks(range(len(figures)), [figure["label"] for figure in figures])
        axis.invert_yaxis()
        axis.set_xlim(left=0)
        axis.set_xlabel(f"{title}; whisker: 95 % over films; red line: chance")
        axis.spines[["top", "right"]].set_visible(False)
    FigureCanvasAgg(canvas).print_png(path, metadata={"Software": None})


def write_report(scores: dict[str, Any], out: Path) -> list[Path]:
    """Write scores.json, scores.md and scores.png into the folder `out` and return their paths.

    Raises:
        OSError: if the folder cannot be written to.
    """
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(scores), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    files = [out / "scores.json", out / "scores.md", out / "scores.png"]
    files[0].write_bytes(text.encode("utf-8", "backslashreplace"))
    files[1].write_bytes(markdown(scores).encode("utf-8", "backslashreplace"))
    plot(scores, files[2])
    return files


def print_table(scores: dict[str, Any]) -> None:
    """Print the figures and notes on the standard output."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Scores")
    for i, column in enumerate(HEADER):
        table.add_column(column, justify="right" if i else "left", overflow="fold")
    for row in table_rows(scores):
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(table)
    for note in notes(scores):
        console.print(Text(note))
