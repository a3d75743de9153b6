"""A linear reader finds what is there and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from train.read_slots import fit_reader, main, read_share


def rows(count: int, noise: float) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    inputs = torch.eye(3)[labels] @ torch.randn(3, 8, generator=random)
    inputs = inputs + noise * torch.randn(count, 8, generator=random)
    place = torch.arange(count) * 3 // count
    return inputs, labels, [place == part for part in range(3)]


def test_what_is_there_is_read_and_noise_is_not() -> None:
    assert read_share(*rows(180, 0.01)) == 1.0
    assert read_share(*rows(900, 1000.0)) < 0.45  # chance 1/3


def test_a_reader_is_the_regularised_optimum() -> None:
    inputs, labels, _ = rows(60, 0.5)
    weight, bias = (tensor.requires_grad_() for tensor in fit_reader(inputs, labels, 3, 0.01))
    loss = torch.nn.functional.cross_entropy(inputs @ weight + bias, labels) + 0.01 * weight.square().sum()
    slopes = torch.autograd.grad(loss, [weight, bias])
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-3


def test_blind_films_and_missing_caches_are_refused(tmp_path: Path, refused: Any) -> None:
    assert "blind" in refused(main, [str(tmp_path), "--test", "900001"])
    assert "no complete cache" in refused(main, [str(tmp_path)])
