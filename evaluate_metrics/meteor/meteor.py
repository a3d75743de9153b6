"""METEOR as an `evaluate` module: `evaluate.load("evaluate_metrics/meteor")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .meteor_jar import meteor

_DESCRIPTION = """METEOR 1.5 (English, normalised) through its reference jar, which must be installed (pycocoevalcap has
it) or given by path, with Java; nothing is ever downloaded."""
_INPUTS = """
Args:
    predictions: texts, one an item; "" scores 0.
    references: texts, or lists of texts, one an item.
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
            features=[
                datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
                datasets.Features({"predictions": text, "references": text}),
            ],
            reference_urls=["https://aclanthology.org/W14-3348"],
        )

    def _compute(self, predictions: Any, references: Any, **options: Any) -> dict[str, Any]:
        return meteor(list(predictions), list(references), **options)
