"""What Stage II has learnt so far: teacher-forced accuracies on windows of held-out films."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

from train.collators import Window, WindowCollator


@torch.no_grad()
def evaluate_windows(model: Any, collator: WindowCollator, windows: list[Window], batch: int = 4) -> dict[str, Any]:
    """Teacher-forced accuracies on test windows.

    Args:
        model: the model.
        collator: makes the inputs.
        windows: windows of held-out films.
        batch: windows at a time.

    Returns:
        loss, token_accuracy, person_accuracy (next token is the right `<person_k>`), distinctive_accuracy, over all
        tokens that count, None where there is none; the health figures of contextual EM on the first batch.
    """
    model.eval()
    if isinstance(model, FSDPModule):  # gathers shards for `forward` only, unless it is told of more
        register_fsdp_forward_method(model, "em_health")
    slots = collator.processor.tokenizer.get_added_vocab()
    persons = torch.tensor([i for t, i in slots.items() if t.startswith("<person_")], device=model.device)
    right: dict[str, list[Tensor]] = {"token": [], "person": [], "distinctive": []}
    own = model.config.dist_normalisation == "own"
    auto = distinctive = 0.0  # sums over tokens: batches hold unequally many
    health = dict[str, float]()
    for start in range(0, len(windows), batch):
        inputs = {k: v.to(model.device) for k, v in collator(windows[start : start + batch]).items()}
        if not health:
            health = model.em_health(inputs["frame_features"], inputs["frame_mask"], inputs["clip_mask"])
        output = model(**inputs)
        labels = inputs["labels"][..., 1:]
        hit = output.logits[..., :-1, :].argmax(-1) == labels
        told = labels >= 0
        right["token"].append(hit[told])
        right["person"].append(hit[torch.isin(labels, persons)])
        marked = told & inputs["distinctive_mask"][..., 1:].bool()
        right["distinctive"].append(hit[marked])
        auto += float(output.loss_auto) * int(told.sum())
        distinctive += float(output.loss_distinctive) * int((marked if own else told).sum())
    hits = {name: torch.cat(found) for name, found in right.items()}
    figures = {f"{n}_accuracy": round(float(h.float().mean()), 4) if len(h) else None for n, h in hits.items()}
    health = {f"em_{name}": round(float(value), 4) for name, value in health.items()}
    count = max(1, len(hits["token"]))
    distinctive /= max(1, len(hits["distinctive"])) if own else count
    return {"loss": round(auto / count + model.config.lambda_dist * distinctive, 4), **figures, **health}
