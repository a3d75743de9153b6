"""Repetition as an `evaluate` module: `evaluate.load("evaluate_metrics/repetition")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .columns import read_column
from .repeats import repetition
from .words import CLOSED_CLASS

_DESCRIPTION = f"""Share of the four-grams and of the content words of each audio description that the last k
descriptions of the same film held already; content words are all but names and {len(CLOSED_CLASS)} others."""
_INPUTS = """
Args:
    predictions: generated ADs, whole films.
    references: true ADs, aligned; scored the same way as the yardstick.
    films: the film of each row (default: one film).
    times_s: the time of each row in seconds (default: the rows' order).
    last_k: how many ADs back a repetition counts (default 5).
    names: {film: [names]}, which are no content words (default: capitalised words).
Returns:
    repeated_4grams, repeated_words, reference_repeated_4grams, reference_repeated_words, lags, n_expected, n_scored,
    n_empty, n_films, signature.
"""
_CITATION = """@misc{distinctad_repetition,
  title={Repetition within a film for audio description},
  note={Defined in this repository}
}"""


class Repetition(evaluate.Metric):
    """Thin wrapper of `repeats.repetition`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """As the library's, but by place: rows of a filtered frame keep the numbers that they had.

        A gap (None, NaN, NA) of the predictions is silence (the library refuses None in the first row and takes NaN for
        a word), one of the references is None.
        """
        super().add_batch(predictions=read_column(predictions, ""), references=read_column(references, None), **kwargs)

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """As the library's: one item."""
        item = {"predictions": prediction, "references": reference, **kwargs}  # `evaluate.combine` says the plural
        self.add_batch(**{name: [value] for name, value in item.items()})

    def _compute(self, predictions: Any, references: Any, **options: Any) -> dict[str, Any]:
        return repetition(list(predictions), list(references), **options)
