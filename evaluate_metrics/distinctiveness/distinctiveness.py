"""Distinctiveness as an `evaluate` module: `evaluate.load("evaluate_metrics/distinctiveness")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .columns import read_column
from .distinctive import distinctiveness
from .words import CLOSED_CLASS

_DESCRIPTION = f"""Share of the distinctive words (those that no other audio description of a window of N holds, without
names and {len(CLOSED_CLASS)} closed-class words) that the predictions recover, and its precision."""
_INPUTS = """
Args:
    predictions: generated ADs, whole films; "" recovers nothing.
    references: true ADs, aligned.
    films: the film of each row (default: one film).
    times_s: the time of each row in seconds (default: the rows' order).
    window: N (default 16).
    names: {film: [names]}, which do not count (default: capitalised words).
Returns:
    recall, precision, f1, n_words, n_predicted_words, n_expected, n_scored, n_empty, n_films, signature.
"""
_CITATION = """@inproceedings{fang2025distinctad,
  title={DistinctAD: Distinctive Audio Description Generation in Contexts},
  author={Fang, Bo and Wu, Wenhao and Wu, Qiangqiang and Song, Yuxin and Chan, Antoni B.},
  booktitle={CVPR}, year={2025}
}"""


class Distinctiveness(evaluate.Metric):
    """Thin wrapper of `distinctive.distinctiveness`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
            reference_urls=["https://arxiv.org/abs/2411.18180"],
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
        return distinctiveness(list(predictions), list(references), **options)
