"""BERTScore as an `evaluate` module: `evaluate.load("evaluate_metrics/bertscore")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .aligned import bertscore
from .columns import read_column
from .pair_f1 import PairF1

_DESCRIPTION = """BERTScore (no idf, no rescaling) of each prediction with its own truth; every different sentence is
encoded once, without padding, so a score does not hang on the batch."""
_INPUTS = """
Args:
    predictions: generated ADs; "" scores 0.
    references: true ADs, aligned.
    encoder, layer: any text encoder (Hub id or folder) and its layer; the papers use roberta-large, 17.
    pair_scores: a function (predictions, truths, pairs (P, 2)) -> (P, 3), in place of an encoder.
    batch_size, device: how the encoder runs.
    per_item: also return three scores an item (default False).
Returns:
    precision, recall, f1, n_expected, n_scored, n_empty, signature (and scores).
"""
_CITATION = """@inproceedings{zhang2020bertscore,
  title={BERTScore: Evaluating Text Generation with BERT},
  author={Zhang, Tianyi and Kishore, Varsha and Wu, Felix and Weinberger, Kilian Q. and Artzi, Yoav},
  booktitle={ICLR}, year={2020}
}"""


class BertScorePairs(evaluate.Metric):
    """Thin wrapper of `aligned.bertscore` and `pair_f1.PairF1`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
            reference_urls=["https://arxiv.org/abs/1904.09675"],
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

    def _compute(
        self,
        predictions: Any,
        references: Any,
        pair_scores: Any = None,
        encoder: str | None = None,
        layer: int | None = None,
        batch_size: int = 64,
        device: str = "cpu",
        per_item: bool = False,
    ) -> dict[str, Any]:
        named: dict[str, Any] = {"similarity": "given function"}
        if pair_scores is None:
            scorer = PairF1(encoder, layer, batch_size, device)
            pair_scores, named = scorer.precision_recall_f1, scorer.signature()
        result = bertscore(list(predictions), list(references), pair_scores, per_item)
        return {**result, "signature": {"metric": "BERTScore", "scale": "x100, mean over items", **named}}
