"""Prompt embeddings: vectors put into the placeholder slots, positions that ignore padding, packing to the left."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def fill_slots(
    config: Any,
    embedding: nn.Module,
    ad_start: Tensor,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    clip_mask: Tensor,
    visual: Tensor,
    faces: Tensor | None,
    face_index: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Embed prompts and overwrite their placeholder slots.

    Args:
        config: fields `video_token_id`, `face_token_id`, `ad_start_token_id`, `num_prompt_vectors`.
        embedding: the language model's token embedding; never asked for placeholder ids, which may exceed its size.
        ad_start: (D,) the learned start vector.
        input_ids: (B, N, L) long.
        attention_mask: (B, N, L) or None (all ones).
        clip_mask: (B, N) bool.
        visual: (B, N, Q, D), filled into the visual slots in order.
        faces: (B, F, D) projected portraits, or None.
        face_index: (B, N, L) long into F at portrait slots, else -1; or None.

    Returns:
        Embeddings (B*N, L, D) and mask (B*N, L) bool. A padded clip counts as attended everywhere, with zeros, so
        that no row of the language model is without a key.

    Raises:
        ValueError: slots and vectors do not match.
    """
    batch, clips, length = input_ids.shape
    mask = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
    live = mask & clip_mask.unsqueeze(-1)
    slots = {
        name: live & (input_ids == token_id) if token_id is not None else torch.zeros_like(live)
        for name, token_id in (
            ("video", config.video_token_id),
            ("face", config.face_token_id),
            ("start", config.ad_start_token_id),
        )
    }
    _check_slots(config, slots, clip_mask, faces, face_index)
    words = live & ~(slots["video"] | slots["face"] | slots["start"])
    embeds = embedding(input_ids.masked_fill(~words, 0))
    embeds = torch.where(live.unsqueeze(-1), embeds, 0.0)
    rank = (slots["video"].cumsum(-1) - 1).clamp(0, visual.shape[2] - 1)
    ordered = visual.to(embeds.dtype).gather(2, rank.unsqueeze(-1).expand(-1, -1, -1, visual.shape[-1]))
    embeds = torch.where(slots["video"].unsqueeze(-1), ordered, embeds)
    embeds = torch.where(slots["start"].unsqueeze(-1), ad_start.to(embeds.dtype), embeds)
    if faces is not None and face_index is not None and faces.shape[1] > 0:
        window = torch.arange(batch, device=faces.device)[:, None, None].expand(-1, clips, length)
        shown = faces.to(embeds.dtype)[window, face_index.clamp(0, faces.shape[1] - 1)]
        embeds = torch.where(slots["face"].unsqueeze(-1), shown, embeds)
    mask = mask | ~clip_mask.unsqueeze(-1)
    return embeds.flatten(0, 1), mask.flatten(0, 1)


def _check_slots(
    config: Any, slots: dict[str, Tensor], clip_mask: Tensor, faces: Tensor | None, face_index: Tensor | None
) -> None:
    counts = slots["video"].sum(-1)[clip_mask]
    if bool((counts != config.num_prompt_vectors).any()):
        raise ValueError(
            f"visual slots a clip: {sorted(set(counts.tolist()))}, expected num_prompt_vectors="
            f"{config.num_prompt_vectors} ids {config.video_token_id}; build the prompt with the model's own processor."
        )
    if not bool(slots["face"].any()):
        return
    if faces is None or face_index is None:
        raise ValueError(
            "portrait slots without portraits: expected face_features or face_pixel_values, face_index, and a model "
            'whose face_tokens is not "never"; pass them or build the prompt without portraits.'
        )
    index = face_index[slots["face"]]
    if bool(((index < 0) | (index >= faces.shape[1])).any()):
        raise ValueError(
            f"face_index at portrait slots: {int(index.min())} to {int(index.max())}, expected 0 to "
            f"{faces.shape[1] - 1}; pass every listed portrait."
        )


def position_ids_of(mask: Tensor) -> Tensor:
    """Positions that count real tokens only, so that either padding side gives equal logits.

    Args:
        mask: (M, L) bool.

    Returns:
        (M, L) long, cumulative count - 1; 0 before the first real token.
    """
    return (mask.long().cumsum(-1) - 1).clamp_min(0)


def pack_left(embeds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Move every row's padding to the left and cut columns that are padding in all rows.

    Args:
        embeds: (M, L, D).
        mask: (M, L) bool.

    Returns:
        Embeddings (M, L', D) and mask (M, L') bool with L' the longest row.
    """
    order = mask.to(torch.int8).argsort(dim=-1, stable=True)
    longest = int(mask.sum(-1).max())
    order = order[:, mask.shape[1] - longest :]
    return embeds.gather(1, order.unsqueeze(-1).expand(-1, -1, embeds.shape[-1])), mask.gather(1, order)


__all__ = ["fill_slots", "pack_left", "position_ids_of"]
