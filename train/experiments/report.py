"""Writes what an experiment found: a Markdown table, a JSON file and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from train.experiments.runs import Arm, Record, missing
from train.experiments.summary import Estimate, paired_difference, summarise
from train.run_record import write_whole

COLOUR, SECOND = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion: safe for colour-blind readers
LEVEL_STYLES = (":", "-.", (0, (5, 1)))  # of the rows that no run gives; the baseline's line is dashed


@dataclass(frozen=True)
class Column:
    """A metric as a column.

    Attributes:
        metric: its key in the records.
        label: as printed.
        digits: decimals.
        paper: the paper's value by arm name, where it has one.
    """

    metric: str
    label: str
    digits: int = 2
    paper: dict[str, float] | None = None


@dataclass(frozen=True)
class Report:
    """An experiment as it is written.

    Attributes:
        title: heading.
        arms: rows, in order.
        seeds: that were asked for.
        columns: metrics.
        baseline: arm that the others are compared with, pair by pair, or None.
        notes: lines under the table: what was run, on what, how long.
        levels: rows that no run gives, such as oracles: name -> metric -> value.
    """

    title: str
    arms: Sequence[Arm]
    seeds: Sequence[int]
    columns: Sequence[Column]
    baseline: str | None = None
    notes: Sequence[str] = ()
    levels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def markdown_table(report: Report, records: Sequence[Record]) -> str:
    """The table with its notes; an arm without a finished run has dashes, and missing runs are named."""
    found = {column.metric: summarise(records, column.metric) for column in report.columns}
    heads = ["arm"]
    for column in report.columns:
        heads.append(f"{column.label} [95 %]")
        heads += [f"minus {report.baseline}"] if report.baseline else []
        heads += ["paper"] if column.paper else []
    lines = [f"# {report.title}", "", table_row([*heads, "runs"]), table_row(["---"] * (len(heads) + 1))]
    for arm in report.arms:
        cells = [arm.name + (f" ({arm.note})" if arm.note else "")]
        for column in report.columns:
            cells += _cells(report, column, arm.name, found[column.metric].get(arm.name), records)
        lines.append(table_row([*cells, str(sum(record.arm == arm.name for record in records))]))
    for name, values in report.levels.items():
        cells = [name]
        for column in report.columns:
            cells.append(f"{values[column.metric]:.{column.digits}f}" if column.metric in values else "")
            cells += [""] * (bool(report.baseline) + bool(column.paper))
        lines.append(table_row([*cells, ""]))
    lines += ["", *(f"* {note}" for note in _notes(report, records))]
    return "\n".join(lines) + "\n"


def _cells(report: Report, column: Column, arm: str, estimate: Estimate | None, records: Sequence[Record]) -> list[str]:
    """An arm's cells under one metric."""
    cells = [estimate.text(column.digits) if estimate else "-"]
    if report.baseline:
        compared = estimate and arm != report.baseline
        difference = paired_difference(records, arm, report.baseline, column.metric) if compared else None
        cells.append(difference.text(column.digits, sign=True) if difference else "-")
    if column.paper:
        cells.append(f"{column.paper[arm]:.1f}" if arm in column.paper else "")
    return cells


def table_row(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _notes(report: Report, records: Sequence[Record]) -> list[str]:
    """What a reader must know to judge the table."""
    sets = sorted({name for record in records for name in record.figures})
    notes = [
        f"{len(report.seeds)} seeds ({', '.join(map(str, report.seeds))}), {len(sets)} film sets ({', '.join(sets)}); "
        "95 % intervals of the mean over seeds and film sets, differences paired by both."
    ]
    if records:
        hours = sum(record.wall_s for record in records) / 3600
        notes.append(f"{len(records)} runs, {hours:.2f} h in all.")
    counted = [r.figures.values() for r in records if all("n_scored" in found for found in r.figures.values())]
    if counted:  # records of before they held counts say nothing
        scored, expected = (sum(v[k] for part in counted for v in part) for k in ("n_scored", "n_expected"))
        notes.append(f"ADs of {len(counted)} runs and all their film sets: n scored {scored:,.0f}, n expected "
                     f"{expected:,.0f}.")  # fmt: skip
    lost = missing(records, report.arms, report.seeds)
    if lost:
        notes.append(f"MISSING {len(lost)} runs: " + ", ".join(f"{arm} seed {seed}" for arm, seed in lost) + ".")
    return [*notes, *report.notes]


def findings(report: Report, records: Sequence[Record]) -> list[str]:
    """One sentence an arm and metric: is its paired difference from the baseline told apart from nothing?"""
    found = []
    for arm in report.arms if report.baseline else ():
        for column in report.columns:
            compared = arm.name != report.baseline
            difference = paired_difference(records, arm.name, str(report.baseline), column.metric) if compared else None
            if difference is None or difference.lower is None or difference.upper is None:
                continue
            verdict = "higher" if difference.lower > 0 else "lower" if difference.upper < 0 else "not told apart"
            shown = difference.text(column.digits, sign=True)
            found.append(f"{arm.name} minus {report.baseline}, {column.label}: {shown}, {verdict}.")
    return found


def log_text(report: Report, records: Sequence[Record], command: str, day: str) -> str:
    """A dated entry for the experiment log: command, table and findings.

    Args:
        report: what was asked.
        records: finished runs.
        command: as typed.
        day: ISO date.
    """
    table = markdown_table(report, records).split("\n", 2)[2]
    said = "".join(f"* {sentence}\n" for sentence in findings(report, records))
    return f"## {day}: {report.title}\n`{command}`\n\n{table}\n{said}"


def write_table(path: Path, report: Report, records: Sequence[Record]) -> str:
    """Writes the Markdown table and, beside it, the same as JSON with every run's figures; returns the Markdown."""
    text = markdown_table(report, records)
    content: dict[str, Any] = {
        "title": report.title,
        "baseline": report.baseline,
        "arms": {arm.name: dict(arm.overrides) for arm in report.arms},
        "estimates": {
            column.metric: {arm: e.to_json() for arm, e in summarise(records, column.metric).items()}
            for column in report.columns
        },
        "runs": [asdict(record) for record in records],
        "levels": {name: dict(values) for name, values in report.levels.items()},
        "missing": missing(records, report.arms, report.seeds),
        "notes": list(report.notes),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    write_whole(path.with_suffix(".json"), json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return text


def read_runs(path: Path) -> list[Record]:
    """The runs that a table's JSON file holds, so that a table goes on where its runs' folder is not at hand.

    Args:
        path: as `write_table` writes it beside the table; none need be there.

    Raises:
        ValueError: the file is no table of ours.
    """
    if not path.is_file():
        return []
    try:
        return [Record(**run) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no table of runs ({error!r}); expected one; move it away") from error


def held_runs(path: Path, keys: Mapping[str, str]) -> list[Record]:
    """The runs of a table that is about to be written again; all must be of the present configuration.

    Args:
        path: of the table's JSON file; none need be there.
        keys: arm -> `key_of` it in the present configuration.

    Raises:
        ValueError: some are not: a table of another configuration is never written over.
    """
    held = read_runs(path)
    if strange := sorted({record.arm for record in held if keys.get(record.arm) != record.data}):
        raise ValueError(
            f"{path} holds runs of another configuration, which would be lost: {', '.join(strange[:3])} "
            f"({len(strange)} arms); expected none; give another folder with --tables"
        )
    return held


def with_held(
    report: Report, records: Sequence[Record], held: Sequence[Record], every: Sequence[Arm]
) -> tuple[Report, list[Record]]:
    """The report and the runs with those that its table holds and that were not asked for now: its rows stay.

    Args:
        report: of the arms and seeds that were asked for.
        records: their runs.
        held: of `held_runs`.
        every: arms of the whole table, in order.
    """
    done = {(record.arm, record.seed) for record in records}
    found = [*records, *(record for record in held if (record.arm, record.seed) not in done)]
    shown = {arm.name for arm in report.arms} | {record.arm for record in found}
    arms = tuple(arm for arm in every if arm.name in shown)
    return replace(report, arms=arms, seeds=sorted({*report.seeds, *(record.seed for record in found)})), found


def _save(figure: Any, path: Path) -> Path:
    """Saves and closes a figure."""
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    pyplot.close(figure)
    return path


def plot_arms(path: Path, report: Report, records: Sequence[Record]) -> Path:
    """One panel a metric: every arm's mean with its interval, single values behind it, the baseline as a line."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [arm.name for arm in report.arms if any(record.arm == arm.name for record in records)]
    across = len(report.columns) if len(report.columns) <= 4 else 3
    down = -(-len(report.columns) // across)
    size = (2.2 + 3.4 * across, (1.4 + max(1.8, 0.42 * len(rows))) * down)
    figure, axes = pyplot.subplots(down, across, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis in axes.flat[len(report.columns) :]:
        axis.set_axis_off()
    levels: dict[str, Any] = {}
    for axis, column in zip(axes.flat, report.columns, strict=False):
        found = summarise(records, column.metric)
        for place, arm in enumerate(rows):
            single = [v[column.metric] for r in records if r.arm == arm for v in r.figures.values()]
            axis.plot(single, [place] * len(single), ".", color="#BBBBBB", zorder=1)
            _draw(axis, found[arm], place, horizontal=True)
        for (name, values), style in zip(report.levels.items(), cycle(LEVEL_STYLES)):
            if column.metric in values:
                value = values[column.metric]
                levels[f"{column.label}: {name} ({value:.{column.digits}f})"] = axis.axvline(
                    value, color="#555555", linewidth=1.2, linestyle=style, zorder=0
                )
        if report.baseline in rows:
            axis.axvline(found[str(report.baseline)].mean, color=SECOND, linewidth=1, linestyle="--", zorder=0)
        axis.set_xlabel(f"{column.label},\n95 % interval")
        axis.grid(axis="x", color="#E5E5E5")
        axis.set_axisbelow(True)
    axes[0][0].margins(y=0.15)
    axes[0][0].set_yticks(range(len(rows)), rows)
    axes[0][0].invert_yaxis()
    figure.suptitle(report.title)
    if levels:  # beside the lines their names would lie on the points
        figure.legend(levels.values(), levels.keys(), loc="outside lower center", fontsize=8, frameon=False)
    return _save(figure, path)


def _draw(axis: Any, estimate: Estimate, place: float, horizontal: bool) -> None:
    """A mean and its interval; without one, the mean alone."""
    x, y = (estimate.mean, place) if horizontal else (place, estimate.mean)
    error = None
    if estimate.lower is not None and estimate.upper is not None:
        error = [[estimate.mean - estimate.lower], [estimate.upper - estimate.mean]]
    bars = {"xerr" if horizontal else "yerr": error}
    axis.errorbar(x, y, **bars, fmt="o", color=COLOUR, capsize=3, zorder=3)


def plot_sweep(
    path: Path,
    points: Sequence[tuple[float, Estimate]],
    x_label: str,
    y_label: str,
    title: str = "",
    log_x: bool = False,
) -> Path:
    """A swept setting against a metric.

    Args:
        path: picture to write.
        points: (setting, estimate).
        x_label: name of the setting.
        y_label: name of the metric.
        title: heading.
        log_x: logarithmic setting.

    Returns:
        `path`.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(4.8, 3.4))
    ordered = sorted(points, key=lambda point: point[0])
    axis.plot([x for x, _ in ordered], [e.mean for _, e in ordered], color=COLOUR, linewidth=1)
    for x, estimate in ordered:
        _draw(axis, estimate, x, horizontal=False)
    if log_x:
        axis.set_xscale("log")
        axis.set_xticks([x for x, _ in ordered], [f"{x:g}" for x, _ in ordered])
        axis.minorticks_off()  # their labels would lie over ours
    axis.set(xlabel=x_label, ylabel=y_label, title=title)
    axis.grid(color="#E5E5E5")
    return _save(figure, path)
