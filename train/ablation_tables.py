"""Rows of the paper's Tables 4c, 5, 6 and Figure 4, and of our own questions, as arms.

Overrides are fields of `Stage2Arguments`; where the paper has a figure it stands beside ours (CIDEr, R@5/16, MAD-Eval,
CLIPAD-B32 and GPT-2: other films and models, so compare the order of the rows only).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from train.experiments.runs import Arm

OFF: dict[str, Any] = {"alpha": 0.0, "beta": 0.0}
A0 = Arm("A0", {**OFF, "lambda_dist": 0.0}, "every clip alone")
C3 = Arm("C3", {}, "H^ + H~ + L_dist")


@dataclass(frozen=True)
class Table:
    """A table, or a sweep.

    Attributes:
        title: heading.
        arms: rows.
        baseline: name of the arm that the others are compared with.
        swept: for a figure: (field, its values' x axis is logarithmic), else None.
        paper: metric -> arm -> the paper's figure.
        pocket_only: needs texts or people, which the synthetic world has not.
    """

    title: str
    arms: tuple[Arm, ...]
    baseline: str
    swept: tuple[str, bool] | None = None
    paper: dict[str, dict[str, float]] | None = None
    pocket_only: bool = False


def _sweep(title: str, field: str, values: tuple[Any, ...], baseline: Any, log: bool = False) -> Table:
    arms = tuple(Arm(f"{field} {value:g}", {field: value}) for value in values)
    return Table(title, arms, f"{field} {baseline:g}", (field, log))


def _choices(title: str, field: str, choices: tuple[Any, ...], **always: Any) -> Table:
    arms = tuple(Arm(f"{field} {choice}", {**always, field: choice}) for choice in choices)
    return Table(title, arms, f"{field} {choices[0]}")


TABLE_5 = (
    A0,
    Arm("B1", {"beta": 0.0, "lambda_dist": 0.0}, "H^"),
    Arm("B2", {"alpha": 0.0, "lambda_dist": 0.0}, "H~"),
    Arm("B3", {"lambda_dist": 0.0}, "H^ + H~"),
    Arm("C0", dict(OFF), "L_dist alone; our control"),
    Arm("C1", {"beta": 0.0}, "H^ + L_dist"),
    Arm("C2", {"alpha": 0.0}, "H~ + L_dist"),
    C3,
    Arm("paper_literal", {"em_preset": "paper_literal"}, "equations 6 and 7 as printed"),
    Arm("emcl", {"em_preset": "emcl"}, "the paper's reference 26"),
    Arm("attention", {**OFF, "context_mixer": "attention"}, "ours: self-attention over the window"),
    Arm("residual", {**OFF, "context_mixer": "residual"}, "ours: minus the mean of the other clips"),
    Arm("attention_residual", {**OFF, "context_mixer": "attention_residual"}, "ours: both"),
    Arm("residual + EM", {"context_mixer": "residual"}, "ours: C3 with the residual"),
)
CONTRAST = tuple(
    Arm(f"{arm.name}{' + contrast' * bool(weight)}", {**arm.overrides, "decode_contrast": weight})
    for arm in (A0, C3)
    for weight in (0.0, 0.5)
)
PAPER_5 = {
    "cider": {"A0": 23.1, "B1": 23.7, "B2": 23.4, "B3": 23.3, "C1": 24.3, "C2": 25.3, "C3": 25.5},
    "r5_16": {"A0": 46.2, "B1": 46.6, "B2": 46.1, "B3": 48.0, "C1": 50.7, "C2": 51.5, "C3": 51.7},
}
TABLE_4C = (
    Arm("visual prompt only", {"train_characters": "none", "test_characters": "none"}),
    Arm("contextual ADs", {"train_characters": "none", "test_characters": "none", "context_ads": "predicted"}),
    Arm("true contextual ADs", {"train_characters": "none", "test_characters": "none", "context_ads": "ground_truth"}),
    Arm("characters", {}),
    Arm("true characters", {"test_characters": "ground_truth"}),
)
PAPER_4C = {
    "cider": {"visual prompt only": 8.6, "contextual ADs": 14.1, "true contextual ADs": 19.0, "characters": 23.1},
    "r5_16": {"visual prompt only": 36.9, "contextual ADs": 39.9, "true contextual ADs": 44.2, "characters": 46.2},
}

TABLES: dict[str, Table] = {
    "table4c": Table(
        "Table 4c: what the prompt holds (at A0)",
        tuple(Arm(arm.name, {**A0.overrides, **arm.overrides}) for arm in TABLE_4C),
        "visual prompt only", paper=PAPER_4C, pocket_only=True,
    ),
    "table5": Table("Table 5: context module and distinctive loss", TABLE_5, "A0", paper=PAPER_5),
    "table6": Table(
        "Table 6: which clips stand in a training window",
        (Arm("consecutive"), Arm("not consecutive", {"sampling": "random"})), "consecutive",
        paper={"cider": {"consecutive": 25.5, "not consecutive": 23.8},
               "r5_16": {"consecutive": 51.7, "not consecutive": 52.5}},
    ),
    "figure4_alpha": _sweep("Figure 4: alpha", "alpha", (0.0, 1.0, 2.0, 3.0, 4.0, 5.0), 3.0),
    "figure4_beta": _sweep("Figure 4: beta", "beta", (0.0, 0.5, 1.0, 2.0, 3.0), 1.0),
    "figure4_k": _sweep("Figure 4: K bases", "em_num_bases", (2, 8, 16, 32, 64), 32, True),
    "figure4_n": _sweep("Figure 4: N clips in a window", "window_size", (2, 4, 8, 16, 32), 16, True),
    "own_contrast": Table(
        "Ours: the beam that the neighbours' pictures explain least", CONTRAST, "A0", pocket_only=True
    ),
    "own_rounds": _sweep("Rounds R of EM", "em_rounds", (1, 3, 9), 3, True),
    "own_tau": _sweep("Temperature of EM", "em_tau", (0.03, 0.1, 0.3, 1.0), 0.1, True),
    "own_similarity": _choices("Similarity of EM", "em_similarity", ("centred_cosine", "cosine", "dot")),
    "own_center": _choices("Centring of EM", "em_center", ("window", "latent")),
    "own_bases_norm": _choices("Length of the bases", "em_bases_norm", ("unit", "none")),
    "own_bases_init": Table(
        "Where the bases start",
        (*(Arm(f"em_bases_init {i}", {"em_bases_init": i}) for i in ("window", "random", "ema_buffer")),
         Arm("em_bases_init parameter", {"em_bases_init": "parameter", "em_gradient": "all"})),
        "em_bases_init window",
    ),
    "own_gradient": _choices("Gradient through EM", "em_gradient", ("none", "last", "all")),
    "own_normalisation": _choices("Divisor of L_dist", "dist_normalisation", ("shared", "own")),
    "own_reading": _choices("Reading of equation 12", "dist_loss", ("masked", "bag")),
}  # fmt: skip
"""Every table by the name of its command."""

__all__ = ["TABLES", "Table"]
