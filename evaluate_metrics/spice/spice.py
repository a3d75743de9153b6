"""SPICE as an `evaluate` module: `evaluate.load("evaluate_metrics/spice")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .columns import read_column
from .spice_jar import spice

_DESCRIPTION = """SPICE 1.0 through its reference jars, which must be at hand (spice-1.0.jar and, in lib/, Stanford
CoreNLP 3.6.0 with its models), with Java 8 or 11; nothing is ever downloaded."""
_INPUTS = """
Args:
    predictions: texts, one an item; "" scores 0.
    references: texts or lists of texts, mixed if need be, one an item.
    jars, java: folder of spice-1.0.jar and path of the Java program (default: found).
    per_item: also return one score an item (default False).
Returns:
    spice, n_expected, n_scored, n_empty, signature (and scores).
"""
_CITATION = """@inproceedings{anderson2016spice,
  title={SPICE: Semantic Propositional Image Caption Evaluation},
  author={Anderson, Peter and Fernando, Basura and Johnson, Mark and Gould, Stephen},
  booktitle={ECCV}, year={2016}
}"""


class Spice(evaluate.Metric):
    """Thin wrapper of `spice_jar.spice`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
            reference_urls=["https://arxiv.org/abs/1607.08822"],
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
        return spice(list(predictions), list(references), **options)
