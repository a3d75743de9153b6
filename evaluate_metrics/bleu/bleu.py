"""BLEU as an `evaluate` module: `evaluate.load("evaluate_metrics/bleu")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .bleu_counts import bleu
from .columns import read_column

_DESCRIPTION = """BLEU 1 to 4 over the counts of the whole set (closest reference length), x100, as captioning computes
it, on a Java-free tokenisation. Nothing is ever dropped."""
_INPUTS = """
Args:
    predictions: texts, one an item; "", None and NaN are empty.
    references: texts or lists of texts, mixed if need be, one an item.
    per_item: also return four scores an item (default False).
Returns:
    bleu_1, bleu_2, bleu_3, bleu_4, length_ratio, n_expected, n_scored, n_empty, signature (and scores).
"""
_CITATION = """@inproceedings{papineni2002bleu,
  title={BLEU: a Method for Automatic Evaluation of Machine Translation},
  author={Papineni, Kishore and Roukos, Salim and Ward, Todd and Zhu, Wei-Jing},
  booktitle={ACL}, year={2002}
}"""


class Bleu(evaluate.Metric):
    """Thin wrapper of `bleu_counts.bleu`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
            reference_urls=["https://aclanthology.org/P02-1040", "https://github.com/tylin/coco-caption"],
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
        return bleu(list(predictions), list(references), per_item=per_item)
