"""Of the texts that a beam search found for a clip, the one that its neighbours' pictures explain least.

    score(text) = (log p(text | own picture) - contrast * max_j log p(text | picture of clip j)) / length ** penalty

over the nearest clips j of the window, two before and two after: the whole window costs three times as much and gave
little more on held-out pocket films. The prompt stays the clip's own, its people and its context; only the visual
tokens are exchanged, so what is compared is what the pictures say. Nothing is trained and nothing added to the model.
Our own, not the paper's; the idea of weighing a caption against other pictures is Vedantam et al. 2017, "Context-aware
captions from context-agnostic supervision". Letters: M clips asked for, L prompt tokens, D language width, K texts a
clip, S tokens a text, J pictures, Q visual tokens a clip, V vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .language_loss_distinctad import call_language_model
from .slots_distinctad import pack_left

REACH = 2  # clips of the window to either side
_LOGITS_AT_ONCE = 2**26  # float32 numbers: 256 MiB


class Prompts(NamedTuple):
    """The embedded prompts of the clips asked for, and the pictures of their windows.

    Attributes:
        embeds: (M, L, D), padding on the left.
        mask: (M, L) bool.
        slots: (M, L) bool, places of the visual tokens.
        window: (M,) long, the clip's window.
        position: (M,) long, its place there.
        visual: (B, N, Q, D).
        clip_mask: (B, N) bool.
    """

    embeds: Tensor
    mask: Tensor
    slots: Tensor
    window: Tensor
    position: Tensor
    visual: Tensor
    clip_mask: Tensor

    def of(self, rows: Tensor) -> Prompts:
        """Some of the clips, without the padding that only the others' longer prompts need.

        Args:
            rows: (m,) long, their places among the M.

        Returns:
            Their prompts: embeds (M, L, D) with M = m and L of the longest of them.
        """
        mask = self.mask[rows]
        first = int(mask.any(dim=0).int().argmax())
        own = (self.embeds[rows, first:], mask[:, first:], self.slots[rows, first:])
        return Prompts(*own, self.window[rows], self.position[rows], self.visual, self.clip_mask)


class Found(NamedTuple):
    """Texts of a search, best first.

    Attributes:
        ids: (M, K, S) long.
        scores: (M, K) float, log-probability over length ** penalty, less the contrast; None after a greedy search.
    """

    ids: Tensor
    scores: Tensor | None


def joined(parts: list[Found], rows: list[Tensor], pad: int) -> Found:
    """Put the texts of parts of the clips into one.

    Args:
        parts: (m, K, S) each; S differs.
        rows: (m,) long each, the places of their clips among all M.
        pad: fills the shorter texts.

    Returns:
        Texts (M, K, the longest S).
    """
    places, width = torch.cat(rows).argsort(), max(part.ids.shape[-1] for part in parts)
    ids = [nn.functional.pad(part.ids, (0, width - part.ids.shape[-1]), value=pad) for part in parts]
    scores = [part.scores for part in parts if part.scores is not None]
    return Found(torch.cat(ids)[places], torch.cat(scores)[places] if scores else None)


def packed_prompts(
    embeds: Tensor, mask: Tensor, slots: Tensor, asked: Tensor, visual: Tensor, clip_mask: Tensor
) -> Prompts:
    """Take the prompts of the clips asked for.

    Args:
        embeds: (B*N, L, D).
        mask: (B*N, L) bool.
        slots: (B, N, L) bool.
        asked: (B, N) bool.
        visual: (B, N, Q, D).
        clip_mask: (B, N) bool.

    Returns:
        The prompts, their padding moved to the left.
    """
    real = asked.flatten()
    packed, kept = pack_left(embeds[real], mask[real])
    places, _ = pack_left(slots.flatten(0, 1)[real].unsqueeze(-1).to(embeds.dtype), mask[real])
    window, position = asked.nonzero(as_tuple=True)
    return Prompts(packed, kept, places.squeeze(-1) > 0, window, position, visual, clip_mask)


def contrasted(model: nn.Module, prompts: Prompts, found: Found, contrast: float, penalty: float, end: Any) -> Found:
    """Order the texts of every clip anew, by the score above; equal scores keep the search's order.

    A clip's scores depend on its own window alone. The only clip of a window has nobody to differ from: its texts keep
    their order and their scores.

    Args:
        model: the language model.
        prompts: what the texts were searched for.
        found: the texts.
        contrast: weight of the other pictures, 0 or more.
        penalty: exponent of the length; with 1 scores are a mean over tokens.
        end: id or ids that end a text, or None; what follows the first does not count.

    Returns:
        The same texts, best first.
    """
    ids, scores = found.ids.clone(), None if found.scores is None else found.scores.clone()
    ends = torch.tensor(end if isinstance(end, list) else [end] if end is not None else [], device=ids.device)
    for clip, texts in enumerate(found.ids):
        window, position = int(prompts.window[clip]), int(prompts.position[clip])
        others = neighbours(prompts.clip_mask[window], position)
        if not others:
            continue
        last = torch.isin(texts, ends)
        spoken = last.cumsum(dim=-1) - last.long() == 0  # up to the end token, which counts
        longest = int(spoken.sum(dim=-1).max())  # of this clip's texts: what others say must not count
        spoken, texts = spoken[:, :longest], texts[:, :longest]
        pictures = torch.cat([prompts.visual[window, position][None], prompts.visual[window, others]])
        live = prompts.mask[clip]
        told = log_probabilities(model, prompts.embeds[clip, live], prompts.slots[clip, live], pictures, texts, spoken)
        score = (told[0] - contrast * told[1:].amax(dim=0)) / spoken.sum(-1) ** penalty
        order = score.argsort(descending=True, stable=True)
        ids[clip] = found.ids[clip, order]
        if scores is not None:
            scores[clip] = score[order].to(scores.dtype)
    return Found(ids, scores)


def neighbours(clip_mask: Tensor, position: int) -> list[int]:
    """Places of the nearest real clips of one window, `REACH` on either side where there are as many.

    Args:
        clip_mask: (N,) bool.
        position: of the clip itself, which is left out.

    Returns:
        Places in order.
    """
    real = clip_mask.nonzero()[:, 0].tolist()
    before, after = [i for i in real if i < position], [i for i in real if i > position]
    return before[-REACH:] + after[:REACH]


def log_probabilities(
    model: nn.Module, prompt: Tensor, slots: Tensor, pictures: Tensor, texts: Tensor, spoken: Tensor
) -> Tensor:
    """What a language model gives texts after one prompt with different pictures in it.

    Args:
        model: the language model.
        prompt: (L, D).
        slots: (L,) bool, Q of them.
        pictures: (J, Q, D) visual tokens.
        texts: (K, S) long.
        spoken: (K, S) bool, tokens that count; False from some place on.

    Returns:
        (J, K) float32, sums of log-probabilities.
    """
    embed: Any = model.get_input_embeddings()  # type: ignore[operator]
    prompts = prompt.expand(len(pictures), -1, -1).clone()
    prompts[:, slots] = pictures.to(prompts.dtype)
    count, length = texts.shape
    words = embed(texts.masked_fill(~spoken, 0))[:, :-1].to(prompts.dtype)  # the last token predicts nothing
    rows = torch.cat([prompts.repeat_interleave(count, dim=0), words.repeat(len(pictures), 1, 1)], dim=1)
    heard = spoken.new_ones(len(rows), len(prompt))
    mask = torch.cat([heard, spoken[:, :-1].repeat(len(pictures), 1)], dim=1)
    wanted = texts.masked_fill(~spoken, 0).repeat(len(pictures), 1)
    size = max(1, _LOGITS_AT_ONCE // (length * embed.num_embeddings))
    found = []
    for part in range(0, len(rows), size):
        logits = call_language_model(model, rows[part : part + size], mask[part : part + size], keep=length)
        chosen = logits.float().log_softmax(dim=-1).gather(-1, wanted[part : part + size, :, None]).squeeze(-1)
        found.append(chosen)
    each = torch.cat(found).view(len(pictures), count, length)
    return each.masked_fill(~spoken, 0.0).sum(dim=-1)


__all__ = ["Found", "Prompts", "contrasted", "joined", "log_probabilities", "neighbours", "packed_prompts"]
