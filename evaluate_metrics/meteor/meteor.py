"""METEOR as an `evaluate` module: `evaluate.load("evaluate_metrics/meteor")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .columns import read_column
from .meteor_jar import meteor

_DESCRIPTION = """METEOR 1.5 (English, normalised) through its reference jar, which must be installed (pycocoevalcap has
it) or given by path, with Java; nothing is ever downloaded."""
_INPUTS = """
Args:
    predictions: texts, one an item; "" scores 0.
    references: texts or lists of texts, mixed if need be, one an item.
    jar, java: paths of meteor-1.5.jar (or its folder) and of the Java program (default: found).
    per_item: also return one score an item (default False).
Returns:
    meteor, meteor_mean, n_expected, n_scored, n_empty, signature (and scores).
"""
_CITATION = """@inproceedings{denkowski2014meteor,
  title={Meteor Universal: Language Specific Translation Evaluation for Any Target Language},
  author={Denkowski, Michael and Lavie, Alon},
  booktitle={WMT}, year={2014}
}"""


class Meteor(evaluate.Metric):
    """Thin wrapper of `meteor_jar.meteor`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
            reference_urls=["https://aclanthology.org/W14-3348"],
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """As the library's, which reads every reference by the kind of the first: a text becomes a list of one.

        A gap (None, NaN, NA) is no text, of the predictions silence.
        """
        lists = [[item] if isinstance(item, str) else item for item in read_column(references, None)]
        super().add_batch(predictions=read_column(predictions, ""), references=lists, **kwargs)

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """As the library's: one item."""
        item = {"predictions": prediction, "references": reference, **kwargs}  # `evaluate.combine` says the plural
        self.add_batch(**{name: [value] for name, value in item.items()})

    def _compute(self, predictions: Any, references: Any, **options: Any) -> dict[str, Any]:
        return meteor(list(predictions), list(references), **options)
