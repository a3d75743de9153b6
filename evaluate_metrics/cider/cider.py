"""CIDEr-D as an `evaluate` module: `evaluate.load("evaluate_metrics/cider")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .cider_d import cider
from .columns import read_column

_DESCRIPTION = """CIDEr-D (n = 1..4, sigma 6) with document frequencies from the references of the whole set, on the
papers' scale (x100). A regular-expression tokeniser takes the place of the Java one. Nothing is ever dropped."""
_INPUTS = """
Args:
    predictions: texts, one an item; "", None and NaN score 0.
    references: texts or lists of texts, mixed if need be, one an item.
    per_item: also return one score an item (default False).
Returns:
    cider, n_expected, n_scored, n_empty, signature (and scores).
"""
_CITATION = """@inproceedings{vedantam2015cider,
  title={CIDEr: Consensus-based Image Description Evaluation},
  author={Vedantam, Ramakrishna and Zitnick, C. Lawrence and Parikh, Devi},
  booktitle={CVPR}, year={2015}
}"""


class CiderD(evaluate.Metric):
    """Thin wrapper of `cider_d.cider`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
            reference_urls=["https://arxiv.org/abs/1411.5726", "https://github.com/tylin/coco-caption"],
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

    def _compute(self, predictions: Any, references: Any, per_item: bool = False) -> dict[str, Any]:
        return cider(list(predictions), list(references), per_item=per_item)
