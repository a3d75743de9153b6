"""R@k/N as an `evaluate` module: `evaluate.load("evaluate_metrics/recall_at_k_within_n")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .columns import read_column
from .pair_f1 import PairF1
from .recall import Similarity, recall_at_k_within_n

_DESCRIPTION = """Recall at k within N neighbours: a generated AD is a hit if its own ground truth is among the k ground
truths nearest to it (BERTScore F1) within N neighbours in time of the same film. 0..100, mean over films."""
_INPUTS = """
Args:
    predictions: generated ADs, whole films; "" is silence (in full a miss).
    references: ground truths, aligned.
    groups: film (clip, episode) of each row; None = one film.
    times_s: time of each row in seconds, for full; None = the rows' order, which autoad takes in any case.
    k, n: defaults 5 and 16.
    protocol: "full" (default, every AD once) or "autoad" (the public script's windows).
    ties: "fractional", "order" or None (the protocol's own).
    encoder, layer: any text encoder (Hub id or folder) and its layer; the papers use roberta-large, 17.
    similarity: a function (predictions, truths, pairs (P, 2)) -> (P,) in place of an encoder.
    group_name: what a group is, printed with the result.
    batch_size, device: how the encoder runs.
Returns:
    recall, recall_pooled, chance, k, n, protocol, ties, order, group, n_expected, n_scored, n_never_scored, n_empty,
    n_groups, n_groups_scored, n_short_groups, per_group, signature.
"""
_CITATION = """@inproceedings{han2023autoad2,
  title={AutoAD II: The Sequel - Who, When, and What in Movie Audio Description},
  author={Han, Tengda and Bain, Max and Nagrani, Arsha and Varol, G{\\"u}l and Xie, Weidi and Zisserman, Andrew},
  booktitle={ICCV}, year={2023}
}"""


class RecallAtKWithinN(evaluate.Metric):
    """Thin wrapper of `recall.recall_at_k_within_n` and `pair_f1.PairF1`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
            reference_urls=["https://arxiv.org/abs/2310.06838"],
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
        similarity: Similarity | None = None,
        encoder: str | None = None,
        layer: int | None = None,
        batch_size: int = 64,
        device: str = "cpu",
        **options: Any,
    ) -> dict[str, Any]:
        scorer = PairF1(encoder, layer, batch_size, device) if similarity is None else similarity
        result = recall_at_k_within_n(list(predictions), list(references), scorer, **options)
        named = scorer.signature() if isinstance(scorer, PairF1) else {"similarity": "given function"}
        keys = ("k", "n", "protocol", "ties", "order", "group")
        return {**result, "signature": {"metric": "R@k/N", **named, **{key: result[key] for key in keys}}}
