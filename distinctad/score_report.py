"""Write what `distinctad score` found: scores.json, a table in Markdown, a plot, and a table for the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from distinctad.exports import OutputFolder
from distinctad.score_plots import PLOTS, plots
from distinctad.score_rows import MISSING
from distinctad.show_table import show_table

REPORT = ("scores.json", "scores.md")
HEADER = ("figure", "value", "95 % over films", "chance", "lower / chance", "truths", "n scored / expected")
COMPARED = ("figure", "this", "other", "difference", "95 % over films", "p")


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


def _interval(figure: dict[str, Any], form: str) -> str:
    return "-" if figure["lower"] is None else f"{figure['lower']:{form}} to {figure['upper']:{form}}"


def comparison_rows(scores: dict[str, Any]) -> list[tuple[str, ...]]:
    """The paired tests as rows of text, in the order of `COMPARED`."""
    return [
        (
            entry["label"],
            _number(entry["value"], ".2f"),
            _number(entry["other"], ".2f"),
            _number(entry["difference"], "+.2f"),
            _interval(entry, "+.2f"),
            _number(entry["p"], ".4f"),
        )
        for entry in scores.get("comparison", [])
    ]


def _markdown_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    head = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    return head + [f"| {' | '.join(row)} |" for row in cells]


def table_rows(scores: dict[str, Any]) -> list[tuple[str, ...]]:
    """The figures as rows of text, in the order of `HEADER`."""
    rows: list[tuple[str, ...]] = []
    for figure in scores["figures"]:
        form = ".1f" if figure["unit"] in ("percent", "cider") else ".2f"
        rows.append(
            (
                figure["label"],
                _number(figure["value"], form),
                _interval(figure, form),
                _number(figure["chance"], form),
                _number(figure["lower_over_chance"], ".2f"),
                _number(figure["reference"], form),
                f"{figure['n']} / {figure['n_expected']}",
            )
        )
    return rows


def _silence(counts: dict[str, int]) -> str:
    return (
        f"{counts['n_predicted']} of {counts['n_expected']} ADs predicted, {counts['n_missing']} missing and "
        f"{counts['n_empty']} empty ones scored as silence"
    )


def notes(scores: dict[str, Any]) -> list[str]:
    """What a reader must know beside the figures: what was assumed, silent rows, few films, what was not run."""
    counts, signature = scores["counts"], scores["signature"]
    lines = [
        *(f"Warning: {warning}." for warning in scores["warnings"]),
        f"{_silence(counts)} ({' and '.join(MISSING)} alone count as empty); {counts['n_films']} film(s).",
    ]
    if (other := scores.get("other_counts")) is not None:
        lines.append(f"The other file: {_silence(other)}.")
        if other["n_missing"] != counts["n_missing"]:
            lines.append(
                f"Warning: {counts['n_missing']} ADs are missing here and {other['n_missing']} in the other file; the "
                "differences hold that silence too."
            )
    if counts["n_films"] < 2:
        lines.append("One film only: no interval over films can be given.")
    if "recall" in signature:
        lines.append(
            "R@k/N: autoad cuts the annotations' rows as they stand, as the public script; full goes by start."
        )
    if (judged := signature.get("llm_ad_eval")) is not None:
        compares = "comparable with papers" if judged["comparable_prompt"] else "only the public one is comparable"
        lines.append(f"LLM-AD-eval: {judged['prompt']} prompt, SHA-256 {judged['prompt_sha256']}; {compares}.")
    lines += [f"Not run: {name} ({why})." for name, why in sorted(scores["not_run"].items())]
    return lines


def markdown(scores: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = ["# Scores", "", *_markdown_table(HEADER, table_rows(scores))]
    if scores.get("comparison"):
        lines += ["", "Against the other file (p: systems exchanged within films at random, two-sided):", ""]
        lines += _markdown_table(COMPARED, comparison_rows(scores))
    lines += ["", *(f"* {note}" for note in notes(scores)), "", "Chance of each figure:", ""]
    lines += [f"* {figure['label']}: {figure['chance_is']}." for figure in scores["figures"]]
    signature = json.dumps(rounded(scores["signature"]), indent=1, sort_keys=True, ensure_ascii=False)
    return "\n".join([*lines, "", "Signature:", "", "```json", signature, "```", ""])


def report_folder(out: Path, overwrite: bool = False) -> OutputFolder:
    """The folder `out` to enter and `fill`; entering refuses a place that is taken or cannot be written."""
    return OutputFolder(out, overwrite, REPORT, "another --out")


def fill(folder: OutputFolder, scores: dict[str, Any]) -> list[Path]:
    """Write scores.json, scores.md and the plots into an entered folder, all or none, and return their paths.

    Raises:
        UserError: if the folder cannot be written to.
    """
    text = json.dumps(rounded(scores), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    texts = dict(zip(REPORT, (text, markdown(scores)), strict=True))
    # A text may hold half a surrogate pair, which no encoding has.
    texts = {name: text.encode("utf-8", "backslashreplace").decode() for name, text in texts.items()}
    drawn = plots(scores)
    written = folder.write(texts, drawn)
    for name in set(PLOTS) - set(drawn):  # of an earlier run's scores
        (folder.folder / name).unlink(missing_ok=True)
    return written


def print_table(scores: dict[str, Any]) -> None:
    """Print the figures and notes on the standard output."""
    tables = [("Scores", HEADER, table_rows(scores)), ("Against the other file", COMPARED, comparison_rows(scores))]
    for title, header, rows in tables if scores.get("comparison") else tables[:1]:
        show_table(title, header, rows, left=header[:1])
    typer.echo("\n".join(notes(scores)))
