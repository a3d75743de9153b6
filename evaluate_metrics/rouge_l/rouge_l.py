"""ROUGE-L as an `evaluate` module: `evaluate.load("evaluate_metrics/rouge_l")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .columns import read_column
from .rouge_lcs import rouge_l

_DESCRIPTION = """ROUGE-L (beta = 1.2), the mean over items of the F-measure over the longest common subsequence of
words, x100, as captioning computes it. Nothing is ever dropped."""
_INPUTS = """
Args:
    predictions: texts, one an item; "", None and NaN score 0.
    references: texts or lists of texts, mixed if need be, one an item.
    per_item: also return one score an item (default False).
Returns:
    rouge_l, n_expected, n_scored, n_empty, signature (and scores).
"""
_CITATION = """@inproceedings{lin2004rouge,
  title={ROUGE: A Package for Automatic Evaluation of Summaries},
  author={Lin, Chin-Yew},
  booktitle={Text Summarization Branches Out}, year={2004}
}"""


class RougeL(evaluate.Metric):
    """Thin wrapper of `rouge_lcs.rouge_l`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
            reference_urls=["https://aclanthology.org/W04-1013", "https://github.com/tylin/coco-caption"],
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
        return rouge_l(list(predictions), list(references), per_item=per_item)
