"""Texts of cached windows, as at test: no text of the windows themselves goes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from train.collators import Window, WindowCollator


@torch.no_grad()
def describe_windows(
    model: Any, collator: WindowCollator, windows: Sequence[Window], batch: int = 4, **generation: Any
) -> dict[int, str]:
    """Describe every clip of some windows.

    With predicted contexts the clips of a window are told one after another, each prompt holding what was predicted
    before it; films must then come whole and in order.

    Args:
        model: the model; set to eval mode.
        collator: makes the prompts; its `predictions` are filled.
        windows: as `consecutive_windows` cuts them.
        batch: windows at a time; in float32 the texts do not depend on it.
        **generation: as of `generate`.

    Returns:
        Row number in the cache -> text.
    """
    model.eval()
    one_by_one = collator.options.context_ads == "predicted"
    told: dict[int, str] = {}
    size = 1 if one_by_one else max(1, batch)
    for start in range(0, len(windows), size):
        part = list(windows[start : start + size])
        if one_by_one:
            for place in range(len(part[0][2])):
                told |= _describe(model, collator, part, generation, place)
                collator.predictions.update(told)
        else:
            told |= _describe(model, collator, part, generation)
    return told


def _describe(
    model: Any, collator: WindowCollator, windows: list[Window], generation: dict[str, Any], only: int | None = None
) -> dict[int, str]:
    """Texts of all clips of some windows, or of the clips at one place."""
    inputs = {name: tensor.to(model.device) for name, tensor in collator.prompts(windows).items()}
    tokenizer = collator.processor.tokenizer
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    settings = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": pad, **generation}
    if only is not None:
        settings["describe_mask"] = torch.zeros_like(inputs["clip_mask"])
        settings["describe_mask"][:, only] = True
    ids = model.generate(**inputs, **settings).cpu()
    width = ids.shape[1]
    names = [[[p["name"] for p in clip] for clip in collator.window(*window)["characters"]] for window in windows]
    texts = collator.processor.batch_decode(ids, [rows + [[]] * (width - len(rows)) for rows in names])
    return {
        number: text
        for (_, _, numbers), row in zip(windows, texts, strict=True)
        for place, (number, text) in enumerate(zip(numbers, row[: len(numbers)], strict=True))
        if only is None or place == only
    }


__all__ = ["describe_windows"]
