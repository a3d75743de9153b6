"""CRITIC as an `evaluate` module: `evaluate.load("evaluate_metrics/critic")`."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate

from .characters import critic
from .columns import read_column
from .first_names import FEMALE, MALE
from .people import NAMES_TOO
from .resolver import resolve
from .words import CLOSED_CLASS

_DESCRIPTION = f"""Intersection over union of the characters of generated and true audio descriptions, found by names
and resolved pronouns. Built-in coreference: rules, with {len(FEMALE) + len(MALE)} common first names as a hint;
{len(CLOSED_CLASS) - len(NAMES_TOO)} words alone are never names; pluggable."""
_INPUTS = """
Args:
    predictions: generated ADs, whole films; "" holds no one.
    references: true ADs, aligned.
    films: the film of each row.
    casts: {film: [names]}.
    times_s: the time of each row in seconds (default: the rows' order).
    resolver: a function (descriptions of one film, names) -> list of sets of names (default: the rules).
Returns:
    critic, n_with_character, n_invented, n_expected, n_scored, n_empty, n_films, signature.
"""
_CITATION = """@inproceedings{han2024autoad3,
  title={AutoAD III: The Prequel - Back to the Pixels},
  author={Han, Tengda and Bain, Max and Nagrani, Arsha and Varol, G{\\"u}l and Xie, Weidi and Zisserman, Andrew},
  booktitle={CVPR}, year={2024}
}"""


class Critic(evaluate.Metric):
    """Thin wrapper of `characters.critic`."""

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
        self, predictions: Any, references: Any, films: Any = None, casts: Any = None, **options: Any
    ) -> dict[str, Any]:
        if films is None:
            raise ValueError("films is None; expected the film of each row; pass films=, one an item")
        if casts is None:
            raise ValueError("casts is None; expected the names of each film's people; pass casts={film: [names]}")
        return critic(list(predictions), list(references), films, casts, **{"resolver": resolve, **options})
