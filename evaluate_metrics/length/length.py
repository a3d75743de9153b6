"""Length as an `evaluate` module: `evaluate.load("evaluate_metrics/length")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .columns import read_column
from .lengths import lengths

_DESCRIPTION = """Length ratio of generated to true audio descriptions, words per AD and words per second."""
_INPUTS = """
Args:
    predictions: generated ADs.
    references: true ADs, aligned.
    durations_s: seconds of each AD's interval (default: unknown).
Returns:
    length_ratio, words_per_ad, reference_words_per_ad, words_per_second, reference_words_per_second, n_expected,
    n_scored, n_empty, signature.
"""
_CITATION = """@misc{distinctad_length,
  title={Length ratio and words per second for audio description},
  note={Defined in this repository}
}"""


class Length(evaluate.Metric):
    """Thin wrapper of `lengths.lengths`."""

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
        return lengths(list(predictions), list(references), **options)
