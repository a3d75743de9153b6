"""`distinctad score`: a file of predictions against a pocket truth or a public annotation file.

Every figure comes with how many ADs it rests on, its chance level and a bootstrap interval over films. No row is
dropped: a missing or empty prediction is scored as silence. Equal inputs write equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from distinctad.errors import UserError
from distinctad.score_report import print_table, write_report
from distinctad.score_rows import (
    PREDICTION_COLUMNS,
    TRUTH_COLUMNS,
    Row,
    align,
    read_casts,
    read_csv_rows,
    read_truth_rows,
)

METRICS = ("cider", "rouge_l", "recall", "slot_accuracy")
DEALS = 5  # seeded redistributions of the predictions within their film, behind the chance of CIDEr and ROUGE-L
DEALT = "the same predictions, each at another AD of its film (random rings)"
_LABELS = {
    "character": "character (first named)",
    "character_any": "character (named anywhere)",
    "character_named": "character (truth names one)",
    "action": "action",
    "object": "object",
    "colour": "colour",
}


@dataclass(frozen=True)
class Options:
    """How to score.

    Attributes:
        metrics: which of `METRICS`; empty = all that the inputs allow.
        encoder: Hub id or folder of the encoder of R@k/N, or None.
        layer: its layer.
        recalls: (k, N) pairs.
        groups: what R@k/N compares within: "film" or a column of the annotations.
        batch_size: sentences the encoder takes at once.
        device: torch device of the encoder.
        resamples: of the bootstrap.
        seed: of the bootstrap and of the chance deals.
    """

    metrics: tuple[str, ...] = ()
    encoder: str | None = None
    layer: int | None = None
    recalls: tuple[tuple[int, int], ...] = ((5, 16), (1, 5))
    groups: tuple[str, ...] = ("film",)
    batch_size: int = 64
    device: str = "cpu"
    resamples: int = 2000
    seed: int = 0


@dataclass
class _Set:
    """Predictions beside their truths."""

    texts: list[str | None]
    rows: list[Row]
    truths: list[dict[str, Any]] | None
    casts: dict[str, list[str]] = field(default_factory=dict)

    @property
    def films(self) -> list[str]:
        return [row.film for row in self.rows]

    @property
    def references(self) -> list[str]:
        return [row.text for row in self.rows]


def _load(predictions: Path, truth: Path | None, annotations: Path | None, casts: Path | None, slots: bool) -> _Set:
    """Read and pair the files; `slots`: the truth's slots and casts are needed."""
    if truth is None and annotations is None:
        raise UserError("nothing to score against", "Pass --truth truth.jsonl or --annotations A.csv.")
    truth_rows = read_truth_rows(truth) if truth else []
    if annotations is not None:
        named = truth_rows or read_csv_rows(predictions, PREDICTION_COLUMNS)
        expected = read_csv_rows(annotations, TRUTH_COLUMNS, {row.film for row in named})
        against = annotations
    else:
        expected, against = truth_rows, Path(str(truth))
    given = read_csv_rows(predictions, PREDICTION_COLUMNS, {row.film for row in expected})
    placed = align(given, expected, predictions, against)
    texts = [row.text if row is not None else None for row in placed]
    if truth is None or not slots:
        return _Set(texts, expected, None)
    found = align(truth_rows, expected, truth, against)
    lacking = [row for row, truth_row in zip(expected, found, strict=True) if truth_row is None]
    if lacking:
        raise UserError(f"{truth} lacks {len(lacking)} rows of {against}, {lacking[0]} first", "Pass files of one set.")
    entries = read_casts(casts or truth.parent, sorted({row.film for row in expected}))
    truths = []
    for row, truth_row in zip(expected, found, strict=True):
        record = dict(truth_row.columns) if truth_row is not None else {}
        names = {str(entry.get("id", entry["name"])): entry["name"] for entry in entries[row.film]}
        character = record.get("character") or ""
        truths.append({**record, "film": row.film, "character": names.get(character, character)})
    names_of = {film: [entry["name"] for entry in people] for film, people in entries.items()}
    return _Set(texts, expected, truths, names_of)


def _ratio(lower: float | None, chance: float | None) -> float | None:
    return lower / chance if lower is not None and chance else None


def _figure(
    name: str, label: str, value: float | None, interval: tuple[float, float] | None, chance: float | None,
    chance_is: str, n: int, n_expected: int, unit: str = "percent",
) -> dict[str, Any]:  # fmt: skip
    lower, upper = interval or (None, None)
    return {
        "name": name,
        "label": label,
        "value": value,
        "lower": lower,
        "upper": upper,
        "chance": chance,
        "chance_is": chance_is,
        "lower_over_chance": _ratio(lower, chance),
        "n": n,
        "n_expected": n_expected,
        "unit": unit,
    }


def _deal(texts: Sequence[str | None], films: Sequence[str], rng: random.Random) -> list[str | None]:
    """Every text at another AD of its film, none at its own: a random ring within each film (alone in a film: none)."""
    places: dict[str, list[int]] = {}
    for i, film in enumerate(films):
        places.setdefault(film, []).append(i)
    dealt: list[str | None] = [None] * len(texts)
    for indices in places.values():
        ring = rng.sample(indices, len(indices))
        for here, there in zip(ring, [*ring[1:], *ring[:1]], strict=True):
            dealt[there] = texts[here] if there != here else None
    return dealt


def _caption_figure(name: str, data: _Set, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    """CIDEr or ROUGE-L: per-AD scores by the whole set's document frequencies, drawn again film by film."""
    from evaluate_metrics.slot_accuracy.bootstrap import film_interval

    metric: Callable[..., dict[str, Any]]
    if name == "cider":
        from evaluate_metrics.cider.cider_d import cider as metric
    else:
        from evaluate_metrics.rouge_l.rouge_lcs import rouge_l as metric
    result = metric(data.texts, data.references, per_item=True)
    interval = film_interval(result["scores"], data.films, options.resamples, options.seed)
    rng = random.Random(options.seed)
    deals = [metric(_deal(data.texts, data.films, rng), data.references)[name] for _ in range(DEALS)]
    label, unit = ("CIDEr", "cider") if name == "cider" else ("ROUGE-L", "percent")
    n, chance = result["n_scored"], math.fsum(deals) / DEALS
    figure = _figure(name, label, result[name], interval, chance, DEALT, n, len(data.rows), unit)
    return figure, result["signature"]


def _slot_figures(data: _Set, options: Options) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The slots' figures; the table is the one that stands beside the metric."""
    import evaluate_metrics.slot_accuracy as room
    from evaluate_metrics.slot_accuracy.slot_figures import slot_accuracy

    table = json.loads((Path(str(room.__file__)).parent / "synonyms.json").read_text(encoding="utf-8"))
    try:
        result = slot_accuracy(data.texts, data.truths or [], data.casts, table, options.resamples, options.seed)
    except ValueError as error:
        raise UserError(f"the truth does not fit: {error}", "Pass the truth and casts of pocket films.") from error
    figures = []
    for name, label in _LABELS.items():
        one = result[name]
        interval = None if one["lower"] is None else (one["lower"], one["upper"])
        if not name.startswith("character"):
            blind = "the commonest true value always said, or 1 / number of values, whichever is larger"
        elif name == "character_any":
            blind = "names told / cast size"
        else:
            blind = "1 / cast size"
        # n: the ADs whose truth has the slot; all of them are scored, silence as wrong.
        figures.append(_figure(name, label, one["accuracy"], interval, one["chance"], blind, one["n"], one["n"]))
    return figures, result["signature"]


def _recall_figures(data: _Set, options: Options) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """R@k/N by both protocols for every (k, N) and grouping."""
    from evaluate_metrics.recall_at_k_within_n.pair_f1 import PairF1
    from evaluate_metrics.recall_at_k_within_n.recall import PROTOCOLS, Setting, recall_table
    from evaluate_metrics.slot_accuracy.bootstrap import film_interval

    try:
        scorer = PairF1(options.encoder, options.layer, options.batch_size, options.device)
    except ValueError as error:
        raise UserError(str(error).split(";")[0], "Pass --encoder PATH --layer N, or leave recall out.") from error
    settings = [Setting(k, n, protocol) for k, n in options.recalls for protocol in PROTOCOLS]
    times_s = [(row.start_s + row.end_s) / 2 for row in data.rows]
    figures, details = [], []
    for group in options.groups:
        if group != "film" and group not in data.rows[0].columns:
            raise UserError(f"no column {group!r} to group by", "Pass --group film or a column of the annotations.")
        names = [row.film if group == "film" else f"{row.film}/{row.columns[group]}" for row in data.rows]
        film_of = dict(zip(names, data.films, strict=True))
        try:
            results = recall_table(data.texts, data.references, scorer, settings, names, times_s, group)
        except ValueError as error:
            raise UserError(str(error).split(";")[0], "Change --recall.") from error
        for result in results:
            of_groups = list(result["per_group"])
            films = [film_of[name] for name in of_groups]
            interval = None
            if of_groups:
                values = [result["per_group"][name] for name in of_groups]
                interval = film_interval(values, films, options.resamples, options.seed)
            name = f"recall_at_{result['k']}_within_{result['n']}_{result['protocol']}_{group}"
            label = f"R@{result['k']}/{result['n']} ({result['protocol']}, by {group})"
            blind = "k / N (k / candidates in a short film)"
            figures.append(
                _figure(
                    name, label, result["recall"], interval, result["chance"], blind, result["n_scored"], len(data.rows)
                )
            )
            details.append(result)
    return figures, details, {"metric": "R@k/N", **scorer.signature()}


def _chosen(options: Options, truth: Path | None) -> tuple[list[str], dict[str, str]]:
    """Which metrics run, and why the others do not."""
    unknown = [name for name in options.metrics if name not in METRICS]
    if unknown:
        raise UserError(f"no metric {', '.join(unknown)}", f"Choose from {', '.join(METRICS)}.")
    if "slot_accuracy" in options.metrics and truth is None:
        raise UserError("slot_accuracy needs the truth's slots", "Pass --truth truth.jsonl.")
    if options.metrics:
        return [name for name in METRICS if name in options.metrics], {}
    skipped = {}
    if options.encoder is None:
        skipped["recall"] = "no text encoder; pass --encoder PATH --layer N"
    if truth is None:
        skipped["slot_accuracy"] = "no slots; pass --truth truth.jsonl"
    return [name for name in METRICS if name not in skipped], skipped


def _fingerprints(**paths: Path | None) -> dict[str, str]:
    """SHA-256 of each input file, by its role (names and folders are left out: they do not change a score)."""
    return {role: hashlib.sha256(path.read_bytes()).hexdigest() for role, path in paths.items() if path is not None}


def score(
    predictions: Path, truth: Path | None = None, annotations: Path | None = None, casts: Path | None = None,
    options: Options | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Score a file of predictions.

    Args:
        predictions: CSV with columns film (or movie), start, end, text_gen (or text).
        truth: truth.jsonl of pocket films, for the slots and, without annotations, for the texts.
        annotations: CSV in a public layout, for the texts.
        casts: folder of the `<film>.cast.json` files; default: where the truth lies.
        options: how to score.

    Returns:
        `figures` (each name, label, value, lower, upper, chance, chance_is, lower_over_chance, n, n_expected, unit),
        `recall` (details), `counts`, `missing` (keys of ADs without a prediction), `not_run`, `signature`.

    Raises:
        UserError: for anything wrong with the files or options.
    """
    options = options or Options()
    names, skipped = _chosen(options, truth)
    data = _load(predictions, truth, annotations, casts, "slot_accuracy" in names)
    figures: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    signature: dict[str, Any] = {
        "format_version": 1,
        "interval": f"percentile bootstrap over films, 95 %, {options.resamples} resamples, seed {options.seed}",
        "chance_deals": f"{DEALS} within films, seed {options.seed}",
        "inputs_sha256": _fingerprints(predictions=predictions, truth=truth, annotations=annotations),
    }
    for name in names:
        if name == "slot_accuracy":
            found, signature[name] = _slot_figures(data, options)
            figures += found
        elif name == "recall":
            found, details, signature[name] = _recall_figures(data, options)
            figures += found
        else:
            figure, signature[name] = _caption_figure(name, data, options)
            figures.append(figure)
    missing = [row for row, text in zip(data.rows, data.texts, strict=True) if text is None]
    return {
        "format_version": 1,
        "figures": figures,
        "recall": details,
        "counts": {
            "n_expected": len(data.rows),
            "n_predicted": len(data.rows) - len(missing),
            "n_missing": len(missing),
            "n_empty": sum(text is not None and not text.strip() for text in data.texts),
            "n_films": len(set(data.films)),
        },
        "missing": [[row.film, row.start_s, row.end_s] for row in missing],
        "not_run": skipped,
        "signature": signature,
    }


def _recalls(text: str) -> tuple[tuple[int, int], ...]:
    """Read k/N pairs such as "5/16,1/5"."""
    pairs = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})/(\d{1,6})\s*", part)
        if match is None or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) < 2:
            raise UserError(f"--recall holds {part!r}", "Give k/N pairs with 1 <= k <= N, such as 5/16,1/5.")
        pairs.append((int(match[1]), int(match[2])))
    return tuple(pairs)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def score_command(
    predictions: Annotated[Path, typer.Argument(help="CSV with film (or movie), start, end, text_gen (or text).")],
    out: Annotated[Path, typer.Option(help="Folder for scores.json, scores.md and scores.png.")],
    truth: Annotated[Path | None, typer.Option(help="truth.jsonl of pocket films.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="CSV of ground-truth ADs in a public layout.")] = None,
    casts: Annotated[Path | None, typer.Option(help="Folder of <film>.cast.json (default: beside the truth).")] = None,
    metrics: Annotated[str, typer.Option(help=f"Of {','.join(METRICS)} (default: all that the inputs allow).")] = "",
    encoder: Annotated[str | None, typer.Option(help="Text encoder for R@k/N: a folder or Hub id.")] = None,
    layer: Annotated[int | None, typer.Option(help="The encoder's layer (papers: 17 of roberta-large).")] = None,
    recall: Annotated[str, typer.Option(help="k/N pairs.")] = "5/16,1/5",
    group: Annotated[str, typer.Option(help="R@k/N within: film, or columns of the annotations.")] = "film",
    batch_size: Annotated[int, typer.Option(min=1, help="Sentences the encoder takes at once.")] = 64,
    device: Annotated[str, typer.Option(help="Where the encoder runs.")] = "cpu",
    resamples: Annotated[int, typer.Option(min=1, help="Of the bootstrap over films.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and the chance deals.")] = 0,
) -> None:
    """Score predictions: CIDEr, ROUGE-L, R@k/N and slot accuracy, each with its chance and an interval over films."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file", "Give a folder for --out.")
    options = Options(
        metrics=_list(metrics),
        encoder=encoder,
        layer=layer,
        recalls=_recalls(recall),
        groups=_list(group) or ("film",),
        batch_size=batch_size,
        device=device,
        resamples=resamples,
        seed=seed,
    )
    scores = score(predictions, truth, annotations, casts, options)
    try:
        files = write_report(scores, out)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror})", "Choose another folder for --out.") from error
    print_table(scores)
    typer.echo("\n".join(map(str, files)))
