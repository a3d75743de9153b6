"""How every arm of an ablation is trained: the same steps and the same small search of the learning rate for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Batches = Callable[[int], dict[str, Tensor]]
"""Step -> the model's inputs of that step, the same for every arm and learning rate of a seed."""


def fit(
    model: Any, batch_of: Batches, steps: int, learning_rate: float, warmup_share: float = 0.05, bf16: bool = False
) -> float:
    """Train what is trainable: AdamW without weight decay, linear warm-up, cosine decay, clipping at 1.

    Args:
        model: in place.
        batch_of: the inputs of each step.
        steps: optimiser steps.
        learning_rate: peak.
        warmup_share: share of the steps.
        bf16: autocast the forward pass to bfloat16, as Stage II's trainer does.

    Returns:
        Mean loss of the last tenth of the steps.
    """
    model.train()
    trained = [model.get_parameter(name) for name in model.trainable_parameter_names()]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=0.0, fused=True)
    warm = max(1, round(warmup_share * steps))

    def share(step: int) -> float:
        return min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / max(1, steps))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    last: list[Tensor] = []
    for step in range(steps):
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            loss = model(**batch_of(step), loss_only=True).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if model.contextual_em is not None:
            model.contextual_em.move_average()
        schedule.step()
        if step >= steps - max(1, steps // 10):
            last.append(loss.detach())
    return float(torch.stack(last).mean()) if last else 0.0


def search(
    build: Callable[[], Any],
    batch_of: Batches,
    steps: int,
    learning_rates: Sequence[float],
    validate: Callable[[Any], float],
    bf16: bool = False,
    search_steps: int = 0,
) -> tuple[Any, dict[str, float]]:
    """Train once with every learning rate and keep what validates best; no test film has a say.

    With `search_steps` the learning rate is chosen by short trainings and the model is trained once, with the best.

    Args:
        build: a new model, the same one every time.
        batch_of: see `fit`.
        steps: of each training.
        learning_rates: tried in order; of equals the first is kept.
        validate: the higher the better.
        bf16: see `fit`.
        search_steps: of each training that chooses; 0: `steps`, and the chosen one is the model.

    Returns:
        The best model, and its learning_rate, validation and final loss; of several rates, validation_RATE of each
        that did not diverge too, so that a reader sees whether the best lies at an edge.

    Raises:
        ValueError: no learning rate, or none with a finite loss.
    """
    if not learning_rates:
        raise ValueError("no learning rates; expected one or more; name them")
    if search_steps and len(learning_rates) > 1:
        _, chosen = search(build, batch_of, search_steps, learning_rates, validate, bf16)
        model, whole = search(build, batch_of, steps, [chosen["learning_rate"]], validate, bf16)
        return model, {**chosen, "training_loss": whole["training_loss"]}
    best: tuple[Any, dict[str, float]] | None = None
    tried = dict[str, float]()
    for rate in learning_rates:
        model = build()
        loss = fit(model, batch_of, steps, rate, bf16=bf16)
        value = validate(model)  # of one rate too: runs of other rates can be held against it
        if not math.isfinite(loss + value):
            continue
        tried[f"validation_{rate:g}"] = value
        if best is None or value > best[1]["validation"]:
            best = model, {"learning_rate": rate, "validation": value, "training_loss": loss}
    if best is None:
        raise ValueError(f"no finite loss with the learning rates {list(learning_rates)}; expected one; lower them")
    return best if len(learning_rates) == 1 else (best[0], best[1] | tried)


def numbers(text: str) -> list[float]:
    """Reads "0.001,0.003".

    Raises:
        ValueError: no numbers.
    """
    try:
        return [float(part) for part in str(text).split(",")]
    except ValueError as error:
        raise ValueError(f"{text!r}: expected numbers parted by commas; mend the list") from error


def split_overrides(overrides: Mapping[str, Any], own: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """An arm's overrides as (those named in `own`, the others)."""
    return {k: v for k, v in overrides.items() if k in own}, {k: v for k, v in overrides.items() if k not in own}


__all__ = ["fit", "numbers", "search", "split_overrides"]
