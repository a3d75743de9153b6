"""Slot accuracy as an `evaluate` module: `evaluate.load("evaluate_metrics/slot_accuracy")`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import evaluate

# `evaluate` copies only the files that this one imports, hence the line for bootstrap.
from .bootstrap import RESAMPLES
from .columns import read_column
from .slot_figures import slot_accuracy
from .slots import Table

_DESCRIPTION = """How many audio descriptions tell the right person, action, object and colour, each beside its chance
level and a bootstrap interval over films. Read by a published table of synonyms; nothing is ever dropped."""
_INPUTS = """
Args:
    predictions: generated ADs; "" tells nothing.
    references: the lines of a truth file (JSON objects), parsed or not; film, text, character, action, object, colour
        are read (absent or "" = the truth has none).
    casts: {film: [names]}.
    table: the synonym table or the path of its JSON file; default: synonyms.json of the metric's folder.
    resamples, seed: of the bootstrap (2000, 0).
Returns:
    character, character_any, character_named, action, object, colour (each n, n_films, accuracy, chance,
    chance_uniform, chance_constant, lower, upper, lower_over_chance), n_expected, n_scored, n_empty, n_films,
    signature.
"""
_CITATION = """@misc{distinctad_slot_accuracy,
  title={Slot accuracy for audio description with exact ground truth},
  note={Defined in this repository}
}"""
_SLOTS = ("film", "text", "character", "action", "object", "colour")


def _table_path() -> Path:
    """Where the default table lies: beside this file, or beside the original that `evaluate` copied it from.

    `evaluate.load` copies Python files only, into a folder named after their hash, and notes where the first original
    lay. So the table is copied too, as soon as it is found, and the copy serves once the original has moved.

    Raises:
        ValueError: if there is none.
    """
    here = Path(__file__).resolve()
    beside = here.with_name("synonyms.json")
    record = here.with_suffix(".json")  # written by evaluate.load
    if record.is_file():
        noted = json.loads(record.read_text(encoding="utf-8")).get("original file path", "")
        original = Path(noted).resolve().with_name("synonyms.json")
        if original.is_file() and (not beside.is_file() or beside.read_bytes() != original.read_bytes()):
            fresh = beside.with_name(f"synonyms.{os.getpid()}.json")
            shutil.copyfile(original, fresh)
            os.replace(fresh, beside)  # whole or not at all, whoever else loads the metric now
    if not beside.is_file():
        raise ValueError("no synonyms.json beside the metric; pass table= (the table itself or its path)")
    return beside


def read_table(table: Table | str | Path | None) -> Table:
    """Read the synonym table from its JSON file; a table is given back as it is, None is the published one.

    Raises:
        ValueError: if the file is not there or is no JSON object.
    """
    if table is not None and not isinstance(table, (str, Path)):
        return table
    path = Path(table) if table is not None else _table_path()
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no synonym table; pass the path of a synonyms.json") from error
    if not isinstance(loaded, dict):
        raise ValueError(f"{path} holds a {type(loaded).__name__}, expected an object; pass a synonyms.json")
    return loaded


def _truth(row: Any, place: int) -> Mapping[str, Any]:
    """A line of a truth file as a dict.

    Raises:
        ValueError: if it is none.
    """
    try:
        truth = json.loads(row) if isinstance(row, str) else row
    except (ValueError, RecursionError):
        truth = None
    if not isinstance(truth, Mapping):
        raise ValueError(f"references[{place}] is {str(row)[:60]!r}, expected a JSON object; pass lines of truth.jsonl")
    return truth


def _line(truth: Mapping[str, Any]) -> str:
    """The slots of a parsed line of a truth file as JSON."""
    return json.dumps({slot: truth[slot] for slot in _SLOTS if slot in truth}, default=str)


class SlotAccuracy(evaluate.Metric):
    """Thin wrapper of `slot_figures.slot_accuracy`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _download_and_prepare(self, dl_manager: Any) -> None:
        """Bring the published table along while its folder is surely where `evaluate` found it."""
        try:
            _table_path()
        except ValueError:
            return  # said again by compute(), unless a table is passed there

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """As the library's, which takes dicts of one set of keys only: a parsed line becomes text again.

        Rows are read by place (a filtered frame's keep the numbers that they had), and a gap (None, NaN, NA) of the
        predictions is silence.
        """
        lines = [_line(row) if isinstance(row, Mapping) else row for row in read_column(references, None)]
        super().add_batch(predictions=read_column(predictions, ""), references=lines, **kwargs)

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """As the library's: one item."""
        item = {"predictions": prediction, "references": reference, **kwargs}  # `evaluate.combine` says the plural
        self.add_batch(**{name: [value] for name, value in item.items()})

    def _compute(
        self,
        predictions: Any,
        references: Any,
        casts: Mapping[str, Sequence[str]] | None = None,
        table: Table | str | Path | None = None,
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> dict[str, Any]:
        if casts is None:
            raise ValueError("casts is None; expected the names of each film's people; pass casts={film: [names]}")
        truths = [_truth(row, place) for place, row in enumerate(references)]
        return slot_accuracy(list(predictions), truths, casts, read_table(table), resamples, seed)
