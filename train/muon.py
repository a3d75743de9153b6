"""One optimiser for a small transformer from nothing: Muon for its matrices, AdamW for everything else.

Muon (Jordan et al., 2024; `torch.optim.Muon`) makes the update of a matrix orthogonal. For the pocket CLIP it halves
the stills that shapes need before they are read (docs/LOG.md). Embeddings, biases, norms and heads stay with AdamW.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class MuonAdamW(torch.optim.Optimizer):
    """Muon on the matrices inside encoder layers and AdamW on the rest, stepped and saved as one.

    Args:
        model: whose trainable parameters are optimised.
        lr: AdamW's learning rate.
        muon_lr: Muon's learning rate.
        weight_decay: of both.
        within: part of a parameter's name that marks the inside of a stack of layers.

    Raises:
        ValueError: no matrix lies within such a stack.
    """

    def __init__(
        self, model: nn.Module, lr: float, muon_lr: float, weight_decay: float = 0.01, within: str = "encoder.layers."
    ) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        matrices = [p for name, p in named if p.ndim == 2 and within in name]
        others = [p for name, p in named if p.ndim != 2 or within not in name]
        if not matrices or not others:
            raise ValueError(f"{len(matrices)} matrices lie within {within!r}, {len(others)} parameters elsewhere; "
                             "expected some of both; pass the name that the layers of this model carry")  # fmt: skip
        self.parts = (
            torch.optim.Muon(matrices, lr=muon_lr, weight_decay=weight_decay, momentum=0.95),
            torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay, betas=(0.9, 0.98)),
        )
        super().__init__([{"params": part.param_groups[0]["params"]} for part in self.parts], {"lr": lr})
        self._share_groups()

    def _share_groups(self) -> None:
        """The groups are the parts' own, so that a schedule that sets `lr` here sets it there."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of both; a closure is not supported, as no caller here has one."""
        if closure is not None:
            raise ValueError("MuonAdamW.step takes no closure; expected none; compute the loss before the step")
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both under "parts"."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()
