"""Action score as an `evaluate` module: `evaluate.load("evaluate_metrics/action_score")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .actions import Similarity, action_score, pieces_of
from .columns import read_column
from .sentence_encoder import SentenceSimilarity
from .verbs import LEMMAS, verbs_of

_DESCRIPTION = f"""Whether the actions of the true audio descriptions are told: 0.8 of the best similarity with a piece
of the prediction and 0.2 of the best with a piece that shares the verb (a list of {len(LEMMAS)} verbs by default)."""
_INPUTS = """ Args:
    predictions: generated ADs; "" scores 0.
    references: the true actions of each AD (a list of texts), or the true AD as its one action; mixed if need be.
    encoder, instruction, pooling, device: the sentence encoder (Hub id or folder) and how it is used.
    similarity: a function (texts, texts) -> cosines, in place of an encoder.
    verbs: a function text -> set of verb lemmas (default: by the list).
Returns:
    action_score, without_silence, n_expected, n_scored, n_empty, signature.
"""
_CITATION = """@article{xie2025shotbyshot,
  title={Shot-by-Shot: Film-Grammar-Aware Training-Free Audio Description Generation},
  author={Xie, Junyu and others},
  journal={arXiv:2504.01020}, year={2025}
}"""


class ActionScore(evaluate.Metric):
    """Thin wrapper of `actions.action_score` and `sentence_encoder.SentenceSimilarity`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
            reference_urls=["https://arxiv.org/abs/2504.01020"],
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

    def _compute(
        self,
        predictions: Any,
        references: Any,
        similarity: Similarity | None = None,
        encoder: str | None = None,
        instruction: str = "",
        pooling: str = "mean",
        device: str = "cpu",
        verbs: Any = verbs_of,
    ) -> dict[str, Any]:
        scorer = SentenceSimilarity(encoder, instruction, pooling, device) if similarity is None else similarity
        actions = [list(item or ()) for item in references]
        if isinstance(scorer, SentenceSimilarity):  # all at once: batches instead of single texts
            scorer.remember(text for item in actions for text in item)
            scorer.remember(piece for text in predictions for piece in pieces_of(text))
        result = action_score(list(predictions), actions, scorer, verbs)
        named = scorer.signature() if isinstance(scorer, SentenceSimilarity) else {"similarity": "given function"}
        return {**result, "signature": {**result["signature"], **named}}
