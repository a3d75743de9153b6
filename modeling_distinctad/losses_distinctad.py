"""The losses of both stages as pure functions (sections 3.1 and 3.3; equations 1 to 5, 11 and 12).

Letters: P clips of a Stage I batch, F frames, W words, C joint width; L tokens, V vocabulary, U distinctive words.
All are computed in float32 whatever comes in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

IGNORED = -100
TILE_ELEMENTS = 1 << 20
"""Most numbers of a tile of similarities in L_f (4 MiB in float32); a single text's P F numbers always fit."""


class Stage1Loss(NamedTuple):
    """Stage I's loss and its two parts, each a float32 scalar tensor."""

    loss: Tensor
    global_loss: Tensor
    fine_grained_loss: Tensor


def _other_duplicates(text_ids: Tensor | None, texts: slice, like: Tensor) -> Tensor:
    """(P, texts) bool on the device of `like` (P, ...): True where another clip has the very same text."""
    rows = torch.arange(len(like), device=like.device)
    if text_ids is None:
        return torch.zeros(len(rows), len(rows[texts]), dtype=torch.bool, device=like.device)
    ids = text_ids.to(like.device)
    return (ids[:, None] == ids[None, texts]) & (rows[:, None] != rows[None, texts])


def global_loss(
    frames: Tensor, texts: Tensor, logit_scale: Tensor | float, normalize: bool = True, text_ids: Tensor | None = None
) -> Tensor:
    """L_g: InfoNCE from clip to AD plus InfoNCE from AD to clip over the whole batch (equations 1 and 2).

    Args:
        frames: V (P, F, C) projected frame embeddings.
        texts: (P, C) pooled text embeddings.
        logit_scale: CLIP's own factor (already exponentiated), about 100.
        normalize: mean of unit frames, unit again, against unit texts, times the factor; False: the paper's literal
            inner products, without normalisation and without the factor.
        text_ids: (P,) long, equal for identical texts, which are then not each other's negatives; None: all are.

    Returns:
        Scalar float32, the mean over clips of the sum of both directions.
    """
    with torch.autocast(frames.device.type, enabled=False):
        frames, texts = frames.float(), texts.float()
        if normalize:
            clips = functional.normalize(functional.normalize(frames, dim=-1).mean(dim=1), dim=-1)
            logits = logit_scale * clips @ functional.normalize(texts, dim=-1).T
        else:
            logits = frames.mean(dim=1) @ texts.T
        logits = logits.masked_fill(_other_duplicates(text_ids, slice(None), logits), -torch.inf)
        target = torch.arange(len(frames), device=logits.device)
        return functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)


def _tiles(count: int, frames: int, elements: int) -> list[slice]:
    """Runs of texts whose (P, texts, F) similarities stay within `elements` numbers; at least one text a run."""
    step = max(1, elements // max(1, count * frames))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


class _MultiInstance(torch.autograd.Function):
    """log sum over every text's members of exp(f_i . t), and the same over the own text's, without (P, P, F) numbers.

    Forward streams over tiles of texts and keeps (P,) sums; backward computes each tile again. Both hold (P, C) and
    (P, F, C) tensors and one tile: memory is linear in P.
    """

    @staticmethod
    def forward(
        ctx: Any, chosen: Tensor, attended: Tensor, text_ids: Tensor | None, elements: int
    ) -> tuple[Tensor, Tensor]:
        """(P,) every and (P,) own of frames (P, C) and word sets (P, F, C), float32."""
        count = len(chosen)
        every = torch.full((count,), -torch.inf, dtype=chosen.dtype, device=chosen.device)
        for tile in _tiles(count, attended.shape[1], elements):
            mass = torch.einsum("ic,jtc->ijt", chosen, attended[tile]).logsumexp(dim=-1)
            mass = mass.masked_fill(_other_duplicates(text_ids, tile, chosen), -torch.inf)
            every = torch.logaddexp(every, mass.logsumexp(dim=-1))
        own = torch.einsum("ic,itc->it", chosen, attended).logsumexp(dim=-1)
        ctx.save_for_backward(chosen, attended, every, own)
        ctx.text_ids, ctx.elements = text_ids, elements
        return every, own

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_every: Tensor, d_own: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Gradients of shapes (P, C) and (P, F, C)."""
        chosen, attended, every, own = ctx.saved_tensors
        share = d_own[:, None] * (torch.einsum("ic,itc->it", chosen, attended) - own[:, None]).exp()
        d_chosen = torch.einsum("it,itc->ic", share, attended)
        d_attended = share[:, :, None] * chosen[:, None]
        for tile in _tiles(len(chosen), attended.shape[1], ctx.elements):
            share = (torch.einsum("ic,jtc->ijt", chosen, attended[tile]) - every[:, None, None]).exp()
            share = share.masked_fill(_other_duplicates(ctx.text_ids, tile, chosen)[:, :, None], 0.0)
            share = share * d_every[:, None, None]
            d_chosen += torch.einsum("ijt,jtc->ic", share, attended[tile])
            d_attended[tile] += torch.einsum("ijt,ic->jtc", share, chosen)
        return d_chosen, d_attended, None, None


def fine_grained_loss(
    frames: Tensor,
    words: Tensor,
    word_mask: Tensor,
    frame_index: Tensor,
    logit_scale: Tensor | float,
    tau_w: float = 0.01,
    normalize: bool = True,
    text_ids: Tensor | None = None,
    tile_elements: int = TILE_ELEMENTS,
) -> Tensor:
    """L_f: one frame of every clip against the frame-aware word sets of all clips (equations 3 to 5).

    T~_j = softmax(V_j T'_j^T / tau_w) T'_j has F members; L_f = -mean_i log(sum over T~_i of exp s(f_i, t) / sum over
    T~_1 .. T~_P). The gradient through T~'s own query V is kept. Forward and backward hold no more than
    `tile_elements` (or P F, if that is more) similarities at once, so memory is linear in P.

    Args:
        frames: V (P, F, C).
        words: T' (P, W, C) projected word states.
        word_mask: (P, W) bool, False at padding; at least one word a text.
        frame_index: (P,) long in [0, F), the frame sampled of every clip.
        logit_scale: CLIP's own factor (already exponentiated).
        tau_w: temperature of the word attention (0.01, own choice: CLIP's scale).
        normalize: unit frames, words and T~, times the factor; False: the literal inner products.
        text_ids: (P,) long, equal for identical texts, which are then not each other's negatives; None: all are.
        tile_elements: most similarities at once; the value does not depend on it.

    Returns:
        Scalar float32.
    """
    with torch.autocast(frames.device.type, enabled=False):
        frames, words = frames.float(), words.float()
        if normalize:
            frames, words = functional.normalize(frames, dim=-1), functional.normalize(words, dim=-1)
        scores = frames @ words.transpose(1, 2) / tau_w
        attended = scores.masked_fill(~word_mask.bool().unsqueeze(1), -torch.inf).softmax(dim=-1) @ words
        if normalize:
            attended = functional.normalize(attended, dim=-1)
        chosen = frames[torch.arange(len(frames), device=frames.device), frame_index.to(frames.device)]
        if normalize:
            chosen = logit_scale * chosen
        every, own = _MultiInstance.apply(chosen, attended, text_ids, tile_elements)
        return (every - own).mean()


def stage1_loss(
    frames: Tensor,
    texts: Tensor,
    words: Tensor,
    word_mask: Tensor,
    frame_index: Tensor,
    logit_scale: Tensor | float,
    gamma: float = 0.5,
    tau_w: float = 0.01,
    normalize: bool = True,
    text_ids: Tensor | None = None,
) -> Stage1Loss:
    """L_I = gamma L_g + (1 - gamma) L_f (section 3.1).

    Args:
        frames: V (P, F, C).
        texts: (P, C) pooled text embeddings.
        words: T' (P, W, C).
        word_mask: (P, W) bool.
        frame_index: (P,) long.
        logit_scale: CLIP's own factor (already exponentiated).
        gamma: weight of the global loss, 0.5 in the paper.
        tau_w: temperature of the word attention.
        normalize: see `global_loss`.
        text_ids: (P,) long to mask duplicate texts, or None.

    Returns:
        The weighted sum and both parts.
    """
    whole = global_loss(frames, texts, logit_scale, normalize, text_ids)
    fine = fine_grained_loss(frames, words, word_mask, frame_index, logit_scale, tau_w, normalize, text_ids)
    return Stage1Loss(gamma * whole + (1 - gamma) * fine, whole, fine)


def _divisor(num_items: Tensor | int | None, counted: Tensor) -> Tensor:
    """What a sum is divided by, at least 1: the caller's global count, else the tokens counted here."""
    if num_items is None:
        return counted.sum().clamp_min(1)
    return torch.as_tensor(num_items, device=counted.device).clamp_min(1)


def _negative_log_likelihood(logits: Tensor, labels: Tensor, chosen: Tensor) -> Tensor:
    """Sum of -log P(label) over the chosen positions; logits (..., L, V) predict the label one place on."""
    place = chosen[..., 1:]
    return functional.cross_entropy(logits[..., :-1, :][place].float(), labels[..., 1:][place], reduction="sum")


def caption_loss(logits: Tensor, labels: Tensor, num_items: Tensor | int | None = None) -> Tensor:
    """L_auto: cross-entropy of the AD's tokens and its end (equation 11).

    Args:
        logits: (B, N, L, V), or any (..., L, V); place l predicts the label at l + 1.
        labels: (B, N, L), or (..., L), long, -100 where nothing is supervised.
        num_items: supervised tokens of the global batch (all ranks and accumulation steps); None: of this one.

    Returns:
        Scalar float32: the sum over supervised tokens / num_items.
    """
    supervised = labels != IGNORED
    return _negative_log_likelihood(logits, labels, supervised) / _divisor(num_items, supervised[..., 1:])


def distinctive_loss(
    logits: Tensor,
    labels: Tensor,
    distinctive_mask: Tensor,
    num_items: Tensor | int | None = None,
    normalisation: str = "shared",
    num_distinctive: Tensor | int | None = None,
) -> Tensor:
    """L_dist, masked reading of equation 12: -log P of every token of a distinctive word at its own place.

    Args:
        logits: (B, N, L, V), or any (..., L, V).
        labels: (B, N, L), or (..., L), long, -100 where nothing is supervised; such places never count.
        distinctive_mask: (B, N, L), or (..., L), bool or word numbers (0 = not distinctive).
        num_items: as in `caption_loss`.
        normalisation: "shared": over the same count as `caption_loss`; "own": over the distinctive tokens.
        num_distinctive: distinctive tokens of the global batch, for "own"; None: of this one.

    Returns:
        Scalar float32; 0 without any distinctive token.
    """
    supervised = labels != IGNORED
    chosen = supervised & (distinctive_mask != 0)
    own = normalisation == "own"
    divisor = _divisor(num_distinctive if own else num_items, (chosen if own else supervised)[..., 1:])
    return _negative_log_likelihood(logits, labels, chosen) / divisor


def first_tokens_of_words(labels: Tensor, distinctive_mask: Tensor) -> Tensor:
    """The set of first sub-words of every AD's distinctive words, for `bag_distinctive_loss`.

    Args:
        labels: (M, L) long.
        distinctive_mask: (M, L); word numbers (0 = not distinctive) tell neighbouring words apart, with bools a run
            of distinctive tokens counts as one word.

    Returns:
        (M, U) long, -100 beyond an AD's own words; a token that starts several words stands once (the paper's w_d is
        a set).
    """
    numbers = distinctive_mask.long() * (labels != IGNORED)
    starts = (numbers != 0) & (numbers != functional.pad(numbers, (1, 0))[:, :-1])
    rows = [torch.unique(labels[row][starts[row]]) for row in range(len(labels))]
    longest = max([len(row) for row in rows], default=0)
    padded = [functional.pad(row, (0, longest - len(row)), value=IGNORED) for row in rows]
    return torch.stack(padded) if padded else labels.new_empty(0, 0)


def bag_distinctive_loss(
    logits: Tensor, labels: Tensor, first_tokens: Tensor, num_items: Tensor | int | None = None
) -> Tensor:
    """L_dist, literal double sum of equation 12: every place against every distinctive word's first sub-word.

    Divided by (places x u) of every AD, so that it is a mean; then weighted by the AD's share of the supervised
    tokens. It cannot reach zero: one place would have to be sure of several words.

    Args:
        logits: (M, L, V).
        labels: (M, L) long, -100 where nothing is supervised.
        first_tokens: (M, U) long, -100 beyond an AD's own words.
        num_items: as in `caption_loss`.

    Returns:
        Scalar float32; 0 without any distinctive word.
    """
    supervised = labels[:, 1:] != IGNORED
    row, place = supervised.nonzero(as_tuple=True)
    log_probabilities = logits[row, place].float().log_softmax(dim=-1)  # (S, V)
    wanted = first_tokens[row]  # (S, U)
    named = wanted != IGNORED
    picked = log_probabilities.gather(1, wanted.clamp_min(0)) * named
    per_place = -picked.sum(dim=1) / named.sum(dim=1).clamp_min(1)
    return per_place.sum() / _divisor(num_items, supervised)


__all__ = [
    "Stage1Loss",
    "bag_distinctive_loss",
    "caption_loss",
    "distinctive_loss",
    "fine_grained_loss",
    "first_tokens_of_words",
    "global_loss",
    "stage1_loss",
]
