"""Stage II's losses from prompt embeddings: logits only where the loss counts, the language model in chunks of clips.

Rows without a supervised token never enter the language model. The others are packed to the left, so that their ADs end
at one place, and only the last logits are computed (`logits_to_keep`, which every causal model of transformers has).
With chunks each chunk's forward is followed at once by its backward; what is left for the caller's `backward` is the
gradient of the embeddings, so that the visual part, EM included, runs once (method specification, "Language model").
Letters: M clips (rows), L tokens, D language width, V vocabulary.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from .losses_distinctad import IGNORED, bag_distinctive_loss, caption_loss, distinctive_loss, first_tokens_of_words
from .slots_distinctad import pack_left, position_ids_of


class LanguageLoss(NamedTuple):
    """L_II, L_auto and L_dist (None without a distinctive mask), float32 scalars."""

    loss: Tensor
    loss_auto: Tensor
    loss_distinctive: Tensor | None


class Counts(NamedTuple):
    """What the losses' sums are divided by: the global batch's supervised tokens, and its distinctive ones."""

    items: Tensor | int
    distinctive: Tensor | int


def count_items(
    labels: Tensor,
    distinctive_mask: Tensor | None,
    items: Tensor | int | None = None,
    distinctive: Tensor | int | None = None,
) -> Counts:
    """Count what a batch's losses are divided by.

    Args:
        labels: (..., L) long, -100 where nothing is supervised.
        distinctive_mask: (..., L) or None.
        items: supervised tokens of the global batch, where the caller knows them.
        distinctive: distinctive ones, likewise.

    Returns:
        The caller's counts, else those of this batch.
    """
    supervised = labels[..., 1:] != IGNORED
    marked = supervised if distinctive_mask is None else supervised & (distinctive_mask[..., 1:] != 0)
    return Counts(supervised.sum() if items is None else items, marked.sum() if distinctive is None else distinctive)


def language_loss(
    config: Any, logits: Tensor, labels: Tensor, distinctive_mask: Tensor | None, counts: Counts
) -> LanguageLoss:
    """L_II = L_auto + lambda L_dist of some clips (equations 11 and 12).

    Args:
        config: fields `lambda_dist`, `dist_loss`, `dist_normalisation`.
        logits: (M, L, V); place l predicts the label at l + 1.
        labels: (M, L) long, -100 where nothing is supervised.
        distinctive_mask: (M, L) bool or word numbers, or None.
        counts: divisors of the global batch.

    Returns:
        The loss and its parts.
    """
    auto = caption_loss(logits, labels, counts.items)
    if distinctive_mask is None:
        return LanguageLoss(auto, auto, None)
    with torch.set_grad_enabled(torch.is_grad_enabled() and config.lambda_dist != 0):
        if config.dist_loss == "bag":
            first = first_tokens_of_words(labels, distinctive_mask)
            told = bag_distinctive_loss(logits, labels, first, counts.items)
        else:
            told = distinctive_loss(
                logits, labels, distinctive_mask, counts.items, config.dist_normalisation, counts.distinctive
            )
    return LanguageLoss(auto + config.lambda_dist * told, auto, told)


def call_language_model(model: nn.Module, embeds: Tensor, mask: Tensor, keep: int = 0, **kwargs: Any) -> Tensor:
    """Run a causal language model on embeddings.

    Args:
        model: the language model.
        embeds: (M, L, D).
        mask: (M, L) bool, False at padding of either side.
        keep: logits of this many last places only; 0: of all.
        **kwargs: passed on.

    Returns:
        Logits (M, keep or L, V).
    """
    taken = inspect.signature(_bare(model).forward).parameters
    if "position_ids" in taken:
        kwargs["position_ids"] = position_ids_of(mask)
    if keep and "logits_to_keep" in taken:
        kwargs["logits_to_keep"] = keep
    logits = model(inputs_embeds=embeds, attention_mask=mask.long(), use_cache=False, **kwargs).logits
    return logits[:, -keep:]


def _bare(model: Any) -> Any:
    """The language model inside what wraps it: adapters and compiled modules take its arguments as `**kwargs`."""
    while True:
        if hasattr(model, "_orig_mod"):  # torch.compile
            model = model._orig_mod
        elif callable(getattr(model, "get_base_model", None)):  # peft
            model = model.get_base_model()
        else:
            return model


class _FinishedBackward(torch.autograd.Function):
    """A loss whose gradients are known already."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: list[Tensor], *sources: Tensor) -> Tensor:
        """The value; `gradients` belong to `sources`."""
        ctx.gradients = gradients
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Any:
        """The known gradients times the outer one."""
        return None, None, *(gradient * outer[0] for gradient in ctx.gradients)


def supervised_loss(
    config: Any,
    model: nn.Module,
    embeds: Tensor,
    mask: Tensor,
    labels: Tensor,
    distinctive_mask: Tensor | None,
    counts: Counts,
    chunk: int = 0,
) -> LanguageLoss:
    """The losses of all clips, with logits only where they count.

    Args:
        config: see `language_loss`.
        model: the frozen language model (adapters in it may train).
        embeds: (M, L, D) prompts with their ADs.
        mask: (M, L) bool.
        labels: (M, L) long, -100 where nothing is supervised.
        distinctive_mask: (M, L) or None.
        counts: divisors of the global batch.
        chunk: clips whose activations are held at a time; 0: all. Exact either way.

    Returns:
        The loss and its parts; scalars.

    Raises:
        ValueError: chunks in float16, whose gradients vanish before a loss scale can reach them.
    """
    told = (labels[:, 1:] != IGNORED).any(dim=-1)
    source, kept, wanted = embeds[told], mask[told], labels[told]
    marks = None if distinctive_mask is None else distinctive_mask[told]
    trained = [p for p in model.parameters() if p.requires_grad]
    nothing = 0.0 * embeds.float().sum()  # holds the graph together where no clip is supervised
    if not len(source):  # the adapters too, or another rank waits for them
        nothing = nothing + sum(0.0 * p.float().sum() for p in trained)
        return LanguageLoss(nothing, nothing, None if marks is None else nothing)
    if not chunk or chunk >= len(source):
        found = _loss_of_rows(config, model, source, kept, wanted, marks, counts)
        return found._replace(loss=found.loss + nothing)
    traced = torch.is_grad_enabled() and (source.requires_grad or bool(trained))
    if traced and torch.float16 in (next(model.parameters()).dtype, _autocast_dtype(source.device.type)):
        raise ValueError(f"language_chunk is {chunk} in float16; expected bfloat16 or float32; take one, or 0 chunks")
    sums: list[Tensor | None] = [None, None, None]
    pieces: list[Tensor] = []
    adapters = [torch.zeros_like(p) for p in trained]
    for at in range(0, len(source), chunk):
        piece = slice(at, at + chunk)
        leaf = source[piece].detach().requires_grad_(traced)
        own = None if marks is None else marks[piece]
        part = _loss_of_rows(config, model, leaf, kept[piece], wanted[piece], own, counts)
        if traced:
            first, *others = torch.autograd.grad(part.loss, [leaf, *trained])
            pieces.append(first)
            adapters = [a + b for a, b in zip(adapters, others, strict=True)]
        values = [None if x is None else x.detach() for x in part]
        sums = [x if s is None or x is None else s + x for s, x in zip(sums, values, strict=True)]
    loss, auto = cast(list[Tensor], sums[:2])
    if traced:
        loss = _FinishedBackward.apply(loss, [torch.cat(pieces), *adapters], source, *trained)
    return LanguageLoss(loss + nothing, auto, sums[2])


def _autocast_dtype(device: str) -> torch.dtype | None:
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def _loss_of_rows(
    config: Any, model: nn.Module, embeds: Tensor, mask: Tensor, labels: Tensor, marks: Tensor | None, counts: Counts
) -> LanguageLoss:
    """Losses of rows that each have a supervised token."""
    packed, kept = pack_left(embeds, mask)
    length = packed.shape[1]
    columns = [labels, mask.new_zeros(mask.shape, dtype=torch.long) if marks is None else marks.long()]
    labels, numbers = pack_left(torch.stack(columns, dim=-1), mask)[0].unbind(-1)
    labels = labels.masked_fill(~kept, IGNORED)
    first = int((labels != IGNORED).any(dim=0).int().argmax())
    keep = length - max(first - 1, 0)
    logits = call_language_model(model, packed, kept, keep)
    told = None if marks is None else numbers[:, -keep:]
    return language_loss(config, logits, labels[:, -keep:], told, counts)


__all__ = ["Counts", "LanguageLoss", "call_language_model", "count_items", "language_loss", "supervised_loss"]
