"""Scores a file of predictions against a pocket truth or a public annotation file.

Every figure comes with how many ADs it rests on, a bootstrap interval over films, and its chance level or why there is
none (`chance_is`). No row is dropped: a missing or empty prediction is scored as silence. Equal inputs write equal
bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distinctad import __version__
from distinctad.errors import UserError
from distinctad.score_casts import names_of, read_actions, read_names, read_people
from distinctad.score_figures import DEALS, PURE, Figure, Options, ScoredSet
from distinctad.score_models import ENCODED, load_encoder, recall_figures
from distinctad.score_outside import OUTSIDE
from distinctad.score_pairing import film_names, pair
from distinctad.score_rows import (
    TRUTH_COLUMNS,
    align,
    read_csv_rows,
    read_truth_rows,
)
from distinctad.score_sets import METRICS, check_whole, named_set
from distinctad.score_views import views

OF_CASTS = {"slot_accuracy", "critic", "repetition", "distinctiveness", "name_accuracy"}


def _load(
    predictions: Path, truth: Path | None, annotations: Path | None, casts: Path | None, options: Options, slots: bool
) -> ScoredSet:
    """Read and pair the files; `slots`: the truth's slots and casts are needed."""
    if truth is None and annotations is None:
        raise UserError("nothing to score against", "Pass --truth truth.jsonl or --annotations A.csv.")
    truth_rows = read_truth_rows(truth) if truth else []
    notes: list[str] = []
    if annotations is not None:
        known = named_set(options.set_name) if options.set_name and options.set_name != "pocket" else None
        # The truth's names of the films lead, since casts go by them; else the set's column; else the predictions'.
        films = {row.film for row in truth_rows} or film_names(predictions)
        column = known.film if known is not None and not truth_rows else None
        expected = read_csv_rows(annotations, TRUTH_COLUMNS, films, column, notes=notes)
        against = annotations
    else:
        expected, against = truth_rows, Path(str(truth))
    if options.set_name:
        check_whole(options.set_name, expected, against)
    placed = pair(predictions, expected, against)
    texts = [row.text if row is not None else None for row in placed]
    data = ScoredSet(texts, expected, actions=read_actions(expected), notes=notes)
    if truth is None:
        data.casts = read_names(casts, sorted(set(data.films))) if casts is not None else None
        return data
    if slots:
        _add_slots(data, truth, against, casts)
    return data


def _add_slots(data: ScoredSet, truth: Path, against: Path, casts: Path | None) -> None:
    """Put the truth's records and the casts beside the rows."""
    found = align(read_truth_rows(truth), data.rows, truth, against)
    lacking = [row for row, truth_row in zip(data.rows, found, strict=True) if truth_row is None]
    if lacking:
        raise UserError(f"{truth} lacks {len(lacking)} rows of {against}, {lacking[0]} first", "Pass files of one set.")
    entries = read_people(casts or truth.parent, sorted({row.film for row in data.rows}))
    data.truths = []
    for row, truth_row in zip(data.rows, found, strict=True):
        record = dict(truth_row.columns) if truth_row is not None else {}
        character = record.get("character") or ""
        character = dict(entries.get(row.film, [])).get(character, character)
        data.truths.append({**record, "film": row.film, "character": character})
    data.casts = names_of(entries)


def _chosen(options: Options, truth: Path | None, casts: Path | None) -> tuple[list[str], dict[str, str]]:
    """Which metrics run, and why the others do not."""
    unknown = [name for name in options.metrics if name not in METRICS]
    if unknown:
        raise UserError(f"no metric {', '.join(unknown)}", f"Choose from {', '.join(METRICS)}.")
    if "slot_accuracy" in options.metrics and truth is None:
        raise UserError("slot_accuracy needs the truth's slots", "Pass --truth truth.jsonl.")
    if options.metrics:
        return [name for name in METRICS if name in options.metrics], {}
    skipped: dict[str, str] = {}
    if options.encoder is None:
        skipped |= dict.fromkeys(("recall", "bertscore"), "no text encoder; pass --encoder PATH --layer N")
    if truth is None:
        skipped["slot_accuracy"] = "no slots; pass --truth truth.jsonl"
    if truth is None and casts is None:
        skipped["critic"] = "no cast; pass --casts"
    if options.judge is None:
        skipped["llm_ad_eval"] = "no judge; pass --judge PATH"
    skipped["action_score"] = "only on request; pass --metrics action_score --encoder PATH --layer N"
    skipped |= dict.fromkeys(("meteor", "spice"), "needs Java and the reference jars; ask for it with --metrics")
    return [name for name in METRICS if name not in skipped], skipped


def _check_casts(names: list[str], skipped: dict[str, str], data: ScoredSet, options: Options) -> None:
    """Leave CRITIC out, or refuse it where it was asked for, if films have no cast: before anything is computed."""
    films = sorted(set(data.films))
    lacking = [film for film in films if film not in (data.casts or {})]
    if "critic" not in names or data.casts is None or not lacking:
        return
    said = f"{len(lacking)} of {len(films)} films have no cast, {lacking[0]} first"
    if "critic" in options.metrics:
        raise UserError(f"critic: {said}", "Add them to --casts, or leave critic out.")
    names.remove("critic")
    skipped["critic"] = f"{said}; add them to --casts"


def _fingerprints(data: ScoredSet, **paths: Path | None) -> dict[str, str]:
    """SHA-256 of each input file, by its role, and of the names of the casts, wherever they came from."""
    found = {
        role: hashlib.sha256(path.read_bytes()).hexdigest()
        for role, path in paths.items()
        if path is not None and path.is_file()
    }
    if data.casts is not None:
        names = {film: sorted(cast) for film, cast in data.casts.items()}
        found["casts"] = hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()
    return found


def _measure(names: Sequence[str], data: ScoredSet, options: Options, scorer: Any) -> tuple[list[Figure], list, dict]:
    """Run the metrics: figures, the details of R@k/N, signatures."""
    from tqdm import tqdm

    figures: list[Figure] = []
    details: list[dict[str, Any]] = []
    signature: dict[str, Any] = {}
    with tqdm(names, desc="metrics", disable=not options.progress) as bar:
        for name in bar:
            bar.set_postfix_str(name)
            if name in PURE:
                found, signature[name] = PURE[name](data, options)
            elif name == "recall":
                found, details, signature[name] = recall_figures(data, options, scorer)
            elif name in ENCODED:
                found, signature[name] = ENCODED[name](data, options, scorer)
            else:
                found, signature[name] = OUTSIDE[name](data, options)
            figures += found
    return figures, details, signature


def _written(figure: Figure, options: Options) -> dict[str, Any]:
    """A figure as scores.json holds it."""
    from evaluate_metrics.slot_accuracy.bootstrap import statistic_interval

    interval = None
    if len(figure.columns):
        interval = statistic_interval(figure.columns, figure.films, figure.statistic, options.resamples, options.seed)
    lower, upper = interval or (None, None)
    return {
        "name": figure.name,
        "label": figure.label,
        "value": figure.value(),
        "lower": lower,
        "upper": upper,
        "chance": figure.chance,
        "chance_is": figure.chance_is,
        "lower_over_chance": lower / figure.chance if lower is not None and figure.chance else None,
        "reference": figure.reference,
        "n": figure.n,
        "n_expected": figure.n if figure.n_expected is None else figure.n_expected,
        "unit": figure.unit,
    }


def _counts(data: ScoredSet) -> dict[str, int]:
    missing = sum(text is None for text in data.texts)
    return {
        "n_expected": len(data.rows),
        "n_predicted": len(data.rows) - missing,
        "n_missing": missing,
        "n_empty": sum(text is not None and not text.strip() for text in data.texts),
        "n_films": len(set(data.films)),
    }


def _missing(data: ScoredSet) -> list[list[Any]]:
    """Keys of the ADs without a prediction."""
    return [[row.film, row.start_s, row.end_s] for row, text in zip(data.rows, data.texts, strict=True) if text is None]


def _compared(
    names: Sequence[str], figures: Sequence[Figure], data: ScoredSet, other: Path, against: Path, options: Options,
    scorer: Any,
) -> dict[str, Any]:  # fmt: skip
    """The paired test against another file of predictions of the same rows, and what that file lacks.

    A difference may be no more than ADs that one side did not have.
    """
    from distinctad.score_compare import comparison

    placed = pair(other, data.rows, against)
    texts = [row.text if row is not None else None for row in placed]
    theirs = ScoredSet(texts, data.rows, data.truths, data.casts, data.actions)
    tests = comparison(figures, _measure(names, theirs, options, scorer)[0], options.resamples, options.seed)
    return {"comparison": tests, "other_counts": _counts(theirs), "other_missing": _missing(theirs)}


def score(
    predictions: Path, truth: Path | None = None, annotations: Path | None = None, casts: Path | None = None,
    options: Options | None = None, other: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Score a file of predictions.

    Args:
        predictions: CSV with a text (text_gen or text) and a key, see `score_pairing.pair`.
        truth: truth.jsonl of pocket films, for the slots and, without annotations, for the texts.
        annotations: CSV in a public layout, for the texts; bytes that are not UTF-8 are read with a warning.
        casts: folder of the `<film>.cast.json` files, or a JSON file {film: [people]}; default: where the truth lies.
        options: how to score.
        other: another file of predictions of the same ADs, for a paired test.

    Returns:
        `figures` (each name, label, value, lower, upper, chance, chance_is, lower_over_chance, reference, n,
        n_expected, unit), `recall` (details), `counts`, `missing` (keys of ADs without a prediction), `not_run`,
        `warnings`, `signature`; as far as they were scored `by_film`, `by_length`, `repeats_by_place`; with `other`,
        `comparison`, and `other_counts` and `other_missing` of that file.

    Raises:
        UserError: for anything wrong with the files or options.
    """
    options = options or Options()
    names, skipped = _chosen(options, truth, casts)
    needs_slots = bool(OF_CASTS & set(names))
    data = _load(predictions, truth, annotations, casts, options, needs_slots)
    _check_casts(names, skipped, data, options)
    scorer = load_encoder(options) if {"recall", *ENCODED} & set(names) else None
    figures, details, signatures = _measure(names, data, options, scorer)
    result = {
        "format_version": 1,
        "figures": [_written(figure, options) for figure in figures],
        "recall": details,
        "counts": _counts(data),
        "missing": _missing(data),
        "not_run": skipped,
        "warnings": data.notes,
        "signature": {
            "format_version": 1,
            "version": __version__,
            "set": options.set_name,
            "interval": f"percentile bootstrap over films, 95 %, {options.resamples} resamples, seed {options.seed}",
            "chance_deals": f"{DEALS} within films, seed {options.seed}",
            "inputs_sha256": _fingerprints(
                data, predictions=predictions, truth=truth, annotations=annotations, compare=other
            ),
            **signatures,
        },
        **views(figures, data, options),
    }
    if other is not None:
        against = annotations or Path(str(truth))
        result |= _compared(names, figures, data, other, against, options, scorer)
    return result
