"""Name accuracy as an `evaluate` module: `evaluate.load("evaluate_metrics/name_accuracy")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .columns import read_column
from .named import name_accuracy
from .people import NAMES_TOO
from .words import CLOSED_CLASS

_DESCRIPTION = f"""Whether the predictions name the people whom the true audio descriptions name: recall, precision, F1
over mentions, and the share of ADs with exactly the right people; {len(CLOSED_CLASS) - len(NAMES_TOO)} words alone are
never names."""
_INPUTS = """
Args:
    predictions: generated ADs; "" names nobody.
    references: true ADs, aligned.
    films: the film of each row (default: one film).
    casts: {film: [names]} (default: capitalised words of the true ADs).
Returns:
    recall, precision, f1, accuracy, n_named, n_expected, n_scored, n_empty, n_films, signature.
"""
_CITATION = """@misc{distinctad_name_accuracy,
  title={Name accuracy for audio description},
  note={Defined in this repository}
}"""


class NameAccuracy(evaluate.Metric):
    """Thin wrapper of `named.name_accuracy`."""

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
        return name_accuracy(list(predictions), list(references), **options)
