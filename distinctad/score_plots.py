"""The plots of `distinctad score`: all figures, figures by film, by the clip's length, and where words are repeated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

BAR, WHISKER, CHANCE, TRUTH = "#4477aa", "#222222", "#cc3311", "#228833"
PANELS = {"percent": "percent", "cider": "CIDEr (x100)", "ratio": "ratio", "per second": "words per second"}
NAMES = {"cider": "CIDEr", "rouge_l": "ROUGE-L"}


def _save(canvas: Any, path: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(canvas).print_png(path, metadata={"Software": None})  # equal inputs write equal bytes
    return path


def _bar(axis: Any, place: int, value: dict[str, Any]) -> None:
    axis.barh(place, value["value"], height=0.6, color=BAR)
    if value["lower"] is not None:
        axis.hlines(place, value["lower"], value["upper"], color=WHISKER, linewidth=1.2)
        axis.vlines([value["lower"], value["upper"]], place - 0.1, place + 0.1, color=WHISKER, linewidth=1.2)


def _finish(axis: Any, labels: list[str], title: str) -> None:
    axis.set_yticks(range(len(labels)), [label.replace("$", r"\$") for label in labels])  # two of them are a formula
    axis.set_ylim(len(labels) - 0.4, -0.6)  # the first on top; said twice of a shared axis it stays so
    axis.set_xlim(left=min(0, axis.get_xlim()[0]))
    axis.set_xlabel(title)
    axis.spines[["top", "right"]].set_visible(False)


def plot_figures(scores: dict[str, Any], path: Path) -> Path:
    """Bars with their intervals, a red line at each figure's chance, a green one at the truths' own value.

    Args:
        scores: what `distinctad.score.score` returned.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

    figures = [f for f in scores["figures"] if f["value"] is not None]
    panels = [(title, [f for f in figures if f["unit"] == unit]) for unit, title in PANELS.items()]
    panels = [(title, rows) for title, rows in panels if rows]
    heights = [len(rows) + 0.8 for _, rows in panels] or [1]
    canvas = Figure(figsize=(7.5, 0.8 + 0.42 * sum(heights)), layout="constrained")
    axes = canvas.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axis, (title, rows) in zip(axes, panels, strict=False):
        for place, figure in enumerate(rows):
            _bar(axis, place, figure)
            for name, colour in (("chance", CHANCE), ("reference", TRUTH)):
                if figure[name] is not None:
                    axis.vlines(figure[name], place - 0.38, place + 0.38, color=colour, linewidth=2.0)
        _finish(axis, [f["label"] for f in rows], f"{title}; whisker: 95 % over films; red: chance; green: truths")
    return _save(canvas, path)


def plot_films(table: list[dict[str, Any]], path: Path) -> Path:
    """One bar a film and figure, with the interval over the film's ADs.

    Args:
        table: `by_film` of the scores.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

    names = [name for name in NAMES if name in table[0]]
    canvas = Figure(figsize=(4.5 * len(names) + 1.5, 1.2 + 0.26 * len(table)), layout="constrained")
    axes = canvas.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for axis, name in zip(axes, names, strict=True):
        for place, entry in enumerate(table):
            _bar(axis, place, entry[name])
        _finish(axis, [f"{entry['film'][:28]} ({entry['n']})" for entry in table], f"{NAMES[name]}; 95 % over ADs")
    return _save(canvas, path)


def plot_lengths(table: list[dict[str, Any]], path: Path) -> Path:
    """Each figure against the length of the AD's interval.

    Args:
        table: `by_length` of the scores.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

    names = [name for name in NAMES if name in table[0]]
    canvas = Figure(figsize=(7.0, 2.6 * len(names) + 0.4), layout="constrained")
    axes = canvas.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    places = list(range(len(table)))
    for axis, name in zip(axes, names, strict=True):
        axis.plot(places, [entry[name]["value"] for entry in table], marker="o", color=BAR)
        for place, entry in enumerate(table):
            if entry[name]["lower"] is not None:
                axis.vlines(place, entry[name]["lower"], entry[name]["upper"], color=WHISKER, linewidth=1.2)
        axis.set_ylim(bottom=0)
        axis.set_ylabel(NAMES[name])
        axis.spines[["top", "right"]].set_visible(False)
    spans = [f"{e['from_s']:g}-{e['to_s']:g}" if e["to_s"] else f"{e['from_s']:g}+" for e in table]
    axes[-1].set_xticks(places, [f"{span}\nn {e['n']}" for span, e in zip(spans, table, strict=True)])
    axes[-1].set_xlabel("length of the clip in seconds; whisker: 95 % over films")
    return _save(canvas, path)


def plot_repeats(table: list[dict[str, Any]], path: Path) -> Path:
    """Share of repeated content words over the course of the films.

    Args:
        table: `repeats_by_place` of the scores.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(7.0, 3.0), layout="constrained")
    axis = canvas.subplots()
    for name, colour in (("predictions", BAR), ("truths", TRUTH)):
        known = [(entry["part"], entry[name]) for entry in table if entry[name] is not None]
        axis.plot([part for part, _ in known], [value for _, value in known], marker="o", color=colour, label=name)
    axis.set_ylim(bottom=0)
    axis.set_xticks(range(1, len(table) + 1))
    axis.set_xlabel("tenth of the film")
    axis.set_ylabel("repeated content words, percent")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return _save(canvas, path)


_VIEWS = (
    ("by_film", "films.png", plot_films),
    ("by_length", "clip_length.png", plot_lengths),
    ("repeats_by_place", "repeats.png", plot_repeats),
)
PLOTS = ("scores.png", *(name for _, name, _ in _VIEWS))


def plots(scores: dict[str, Any]) -> dict[str, Callable[[Path], Path]]:
    """What draws scores.png and, as far as the scores have them, films.png, clip_length.png and repeats.png."""
    made: dict[str, Callable[[Path], Path]] = {"scores.png": partial(plot_figures, scores)}
    for key, name, draw in _VIEWS:
        if scores.get(key):
            made[name] = partial(draw, scores[key])
    return made
