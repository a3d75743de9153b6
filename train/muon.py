"""One optimiser for a small network from nothing: Muon for its matrices and kernels, AdamW for everything else.

Muon (Jordan et al., 2024; `torch.optim.Muon`) makes the update of a matrix orthogonal. For the pocket CLIP it nearly
halves the stills that shapes need before they are read (docs/LOG.md). Embeddings, biases, norms and heads stay with
AdamW.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

TOWER_LAYERS = ("encoder.layers.", "encoder.stages.")  # of the towers that are trained here


class MuonAdamW(torch.optim.Optimizer):
    """Muon on the matrices and convolutions inside encoder layers and AdamW on the rest, stepped and saved as one.

    A convolution's kernel (out, in, height, width) is one matrix (out, in * height * width) to Muon, which takes no
    other shape: it gets a view of the same storage, and the kernel's gradient before each step.

    Args:
        model: whose trainable parameters are optimised.
        lr: AdamW's learning rate.
        muon_lr: Muon's learning rate.
        weight_decay: of both.
        within: parts of a parameter's name that mark the inside of a stack of layers.

    Raises:
        ValueError: no matrix lies within such a stack.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float,
        muon_lr: float,
        weight_decay: float = 0.01,
        within: tuple[str, ...] = TOWER_LAYERS,
    ) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        inside = [p for name, p in named if p.ndim in (2, 4) and any(part in name for part in within)]
        chosen = {id(p) for p in inside}
        others = [p for _, p in named if id(p) not in chosen]
        if not inside or not others:
            raise ValueError(f"{len(inside)} matrices lie within {within}, {len(others)} parameters elsewhere; "
                             "expected some of both; pass the names that the layers of this model carry")  # fmt: skip
        self.kernels = [(p, nn.Parameter(p.detach().view(len(p), -1))) for p in inside if p.ndim == 4]
        flat = {id(p): matrix for p, matrix in self.kernels}
        self.parts = (
            torch.optim.Muon(
                [flat.get(id(p), p) for p in inside], lr=muon_lr, weight_decay=weight_decay, momentum=0.95
            ),
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
        for kernel, matrix in self.kernels:
            matrix.grad = None if kernel.grad is None else kernel.grad.reshape(matrix.shape)
        for part in self.parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters, kernels too."""
        super().zero_grad(set_to_none)
        for kernel, _ in self.kernels:
            kernel.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The states of both under "parts"."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()
