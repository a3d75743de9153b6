"""Length as an `evaluate` module: `evaluate.load("evaluate_metrics/length")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

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

    def _compute(self, predictions: Any, references: Any, **options: Any) -> dict[str, Any]:
        return lengths(list(predictions), list(references), **options)
