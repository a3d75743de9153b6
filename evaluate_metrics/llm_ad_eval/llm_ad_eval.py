"""LLM-AD-eval as an `evaluate` module: `evaluate.load("evaluate_metrics/llm_ad_eval")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .chat_judge import ChatJudge
from .columns import read_column
from .marks import Judge, llm_ad_eval

_DESCRIPTION = """A chat model marks each generated audio description against the true one from 0 to 5; answers are read
strictly and unreadable ones counted by both conventions of the public scripts."""
_INPUTS = """
Args:
    predictions: generated ADs.
    references: true ADs, aligned.
    model: Hub id or folder of a chat model; or judge: a function (lists of messages) -> answers.
    sampling, seed: "greedy" (default) or "autoad3" (the public script's), with its seed.
    revision, dtype, device: how the model is loaded.
    prompt: "own" (default) or a JSON file with system and user.
    batch_size, resume, progress, per_item: see marks.py.
Returns:
    llm_ad_eval, llm_ad_eval_parsed, parse_rate, n_unparsed, n_expected, n_scored, n_empty, signature (and marks,
    answers).
"""
_CITATION = """@inproceedings{han2024autoad3,
  title={AutoAD III: The Prequel - Back to the Pixels},
  author={Han, Tengda and Bain, Max and Nagrani, Arsha and Varol, G{\\"u}l and Xie, Weidi and Zisserman, Andrew},
  booktitle={CVPR}, year={2024}
}"""


class LlmAdEval(evaluate.Metric):
    """Thin wrapper of `marks.llm_ad_eval` and `chat_judge.ChatJudge`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": text, "references": text}),
            reference_urls=["https://arxiv.org/abs/2404.14412"],
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
        model: str | None = None,
        judge: Judge | None = None,
        sampling: str = "greedy",
        seed: int = 0,
        revision: str | None = None,
        dtype: str = "float32",
        device: str = "cpu",
        **options: Any,
    ) -> dict[str, Any]:
        if judge is None:
            if model is None:
                raise ValueError("no judge; pass model= (Hub id or folder of a chat model) or judge= (a function)")
            judge = ChatJudge(model, None, revision, sampling, seed, dtype, device)
            options["judge_name"] = judge.describe()
        return llm_ad_eval(list(predictions), list(references), judge, **options)
