"""The losses against hand-computed values and plain loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.utils._python_dispatch
from torch.nn.functional import normalize

from modeling_distinctad.losses_distinctad import (
    bag_distinctive_loss,
    caption_loss,
    distinctive_loss,
    fine_grained_loss,
    first_tokens_of_words,
    global_loss,
    stage1_loss,
)


def random_batch(clips: int = 4, frames: int = 3, words: int = 5, width: int = 6) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(clips, frames, width, generator=generator, dtype=torch.float32)
    pooled = torch.randn(clips, width, generator=generator)
    states = torch.randn(clips, words, width, generator=generator)
    mask = torch.arange(words) < torch.tensor([[5], [2], [1], [4]])[:clips]
    return v, pooled, states, mask, torch.tensor([0, 2, 1, 0])[:clips]


# ---------------------------------------------------------------------- Stage I
def test_global_loss_by_hand() -> None:
    frames = torch.tensor([[[3.0, 0.0], [0.5, 0.0]], [[0.0, 1.0], [0.0, 9.0]]])  # unit means: the two axes
    texts = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    expected = 2 * math.log(1 + math.exp(-5.0))  # logits 5 against 0, both directions
    assert global_loss(frames, texts, 5.0).item() == pytest.approx(expected, abs=1e-6)
    # literal: means (1.75, 0) and (0, 5); inner products 3.5 and 20; the factor has no part
    literal = 2 * (math.log(1 + math.exp(-3.5)) + math.log(1 + math.exp(-20.0))) / 2
    assert global_loss(frames, texts, 5.0, normalize=False).item() == pytest.approx(literal, abs=1e-6)


@pytest.mark.parametrize("unit", [True, False])
def test_fine_grained_loss_equals_a_plain_loop(unit: bool) -> None:
    v, _, words, mask, index = random_batch()
    scale, tau = (7.0, 0.05) if unit else (1.0, 1.0)
    vv, ww = (normalize(v, dim=-1), normalize(words, dim=-1)) if unit else (v, words)
    attended = []
    for clip in range(4):
        kept = ww[clip, mask[clip]]
        rows = [((frame @ kept.T) / tau).softmax(-1) @ kept for frame in vv[clip]]
        attended.append(normalize(torch.stack(rows), dim=-1) if unit else torch.stack(rows))
    total = 0.0
    for i in range(4):
        f = vv[i, index[i]]
        own = (scale * attended[i] @ f).exp().sum()
        every = sum((scale * attended[j] @ f).exp().sum() for j in range(4))
        total -= math.log(own / every) / 4
    assert fine_grained_loss(v, words, mask, index, scale, tau, unit).item() == pytest.approx(total, abs=1e-5)


def test_padding_words_have_no_influence_and_huge_scales_stay_finite() -> None:
    v, _, words, mask, index = random_batch()
    changed = torch.where(mask.unsqueeze(-1), words, 1e4)
    assert torch.equal(
        fine_grained_loss(v, words, mask, index, 100.0), fine_grained_loss(v, changed, mask, index, 100.0)
    )
    assert torch.isfinite(fine_grained_loss(100 * v, words, mask, index, 1.0, normalize=False))
    assert fine_grained_loss(v.bfloat16(), words.bfloat16(), mask, index, 100.0).dtype == torch.float32


def test_duplicate_texts_are_no_negatives_of_each_other() -> None:
    v, pooled, words, mask, index = random_batch()
    ids = torch.tensor([7, 8, 7, 9])
    pooled[2], words[2], mask[2] = pooled[0], words[0], mask[0]
    logits = 3 * normalize(normalize(v, dim=-1).mean(1), dim=-1) @ normalize(pooled, dim=-1).T
    expected = 0.0
    for i in range(4):
        others = [j for j in range(4) if j == i or ids[j] != ids[i]]
        for row in (logits[i], logits[:, i]):
            expected -= (row[i] - row[others].logsumexp(0)).item() / 4
    assert global_loss(v, pooled, 3.0, text_ids=ids).item() == pytest.approx(expected, abs=1e-5)
    assert global_loss(v, pooled, 3.0).item() > expected
    masked = fine_grained_loss(v, words, mask, index, 3.0, text_ids=ids)
    assert masked < fine_grained_loss(v, words, mask, index, 3.0)


def test_gradient_flows_through_the_word_attention_query() -> None:
    v, _, words, mask, index = random_batch()
    v.requires_grad_()
    fine_grained_loss(v, words, mask, index, 10.0, tau_w=1.0).backward()
    unsampled = torch.ones(4, 3, dtype=torch.bool)
    unsampled[torch.arange(4), index] = False
    several_words = mask.sum(-1) > 1  # with a single word there is nothing to choose
    assert (v.grad[unsampled & several_words[:, None]].abs().amax(-1) > 0).all()


def plain_fine_grained(
    v: torch.Tensor, words: torch.Tensor, mask: torch.Tensor, index: torch.Tensor, scale: float, tau: float, unit: bool,
    ids: torch.Tensor | None,
) -> torch.Tensor:  # fmt: skip
    """The formula with all (P, P, F) similarities and autograd's own backward pass."""
    v, words = (normalize(v, dim=-1), normalize(words, dim=-1)) if unit else (v, words)
    weights = (v @ words.transpose(1, 2) / tau).masked_fill(~mask[:, None], -torch.inf).softmax(-1)
    attended = normalize(weights @ words, dim=-1) if unit else weights @ words
    rows = torch.arange(len(v))
    mass = ((scale if unit else 1.0) * torch.einsum("ic,jtc->ijt", v[rows, index], attended)).logsumexp(-1)
    if ids is not None:
        mass = mass.masked_fill((ids[:, None] == ids) & (rows[:, None] != rows), -torch.inf)
    return (mass.logsumexp(-1) - mass.diagonal()).mean()


@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("elements", [1, 40, 1 << 20])
def test_tiles_change_neither_loss_nor_gradient(elements: int, unit: bool, duplicates: bool) -> None:
    generator = torch.Generator().manual_seed(4)
    v = torch.randn(7, 3, 6, generator=generator, requires_grad=True)
    words = torch.randn(7, 5, 6, generator=generator)
    mask = torch.arange(5) < torch.tensor([[5], [2], [1], [4], [3], [5], [2]])
    index, ids = torch.randint(3, (7,), generator=generator), torch.tensor([3, 1, 3, 1, 3, 0, 2])
    scale, tau = (30.0, 0.05) if unit else (1.0, 1.0)
    expected = plain_fine_grained(v, words, mask, index, scale, tau, unit, ids if duplicates else None)
    (gradient,) = torch.autograd.grad(expected, v)
    found = fine_grained_loss(v, words, mask, index, scale, tau, unit, ids if duplicates else None, elements)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    found_gradient = torch.autograd.grad(found, v)[0]
    assert (found_gradient - gradient).norm() < 1e-5 * gradient.norm()


def test_no_tensor_of_the_multi_instance_loss_is_quadratic_in_the_clips() -> None:
    """Counts the largest tensor that any operation makes, forward and backward."""

    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = function(*args, **(kwargs or {}))
            for value in result if isinstance(result, tuple | list) else (result,):
                if isinstance(value, torch.Tensor):
                    self.numbers = max(self.numbers, value.untyped_storage().nbytes() // 4)
            return result

    def largest(clips: int, elements: int) -> int:
        generator = torch.Generator().manual_seed(5)
        v = torch.randn(clips, 4, 8, generator=generator, requires_grad=True)
        words = torch.randn(clips, 6, 8, generator=generator)
        mask, index = torch.ones(clips, 6, dtype=torch.bool), torch.zeros(clips, dtype=torch.long)
        with Largest() as mode:
            fine_grained_loss(v, words, mask, index, 10.0, text_ids=index, tile_elements=elements).backward()
        return mode.numbers

    assert largest(256, 2048) == 256 * 6 * 8  # the words themselves
    assert largest(512, 2048) == 2 * largest(256, 2048)
    assert largest(256, 1 << 30) == 256 * 256 * 4  # one tile: the quadratic one is seen


def test_autocast_leaves_the_losses_in_float32() -> None:
    v, pooled, words, mask, index = random_batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = stage1_loss(v, pooled, words, mask, index, 10.0)
    assert torch.equal(inside.loss, stage1_loss(v, pooled, words, mask, index, 10.0).loss)


def test_stage1_loss_mixes_by_gamma() -> None:
    v, pooled, words, mask, index = random_batch()
    result = stage1_loss(v, pooled, words, mask, index, 10.0, gamma=0.3)
    assert torch.equal(result.global_loss, global_loss(v, pooled, 10.0))
    assert torch.equal(result.fine_grained_loss, fine_grained_loss(v, words, mask, index, 10.0))
    assert result.loss.item() == pytest.approx(
        0.3 * result.global_loss.item() + 0.7 * result.fine_grained_loss.item(), abs=1e-6
    )


# ---------------------------------------------------------------------- Stage II
LOGITS = torch.tensor([[[0.0, 1.0, 2.0], [1.0, 0.0, 0.0], [3.0, 0.0, 1.0], [9.0, 9.0, 9.0]]])
LABELS = torch.tensor([[-100, 2, 0, 1]])


def nll(logits: list[float], label: int) -> float:
    return math.log(sum(math.exp(x) for x in logits)) - logits[label]


TOKENS = [nll([0, 1, 2], 2), nll([1, 0, 0], 0), nll([3, 0, 1], 1)]


def test_caption_loss_by_hand() -> None:
    assert caption_loss(LOGITS, LABELS).item() == pytest.approx(sum(TOKENS) / 3, abs=1e-6)
    assert caption_loss(LOGITS, LABELS, torch.tensor(12)).item() == pytest.approx(sum(TOKENS) / 12, abs=1e-6)
    assert caption_loss(LOGITS.bfloat16(), LABELS).dtype == torch.float32


def test_distinctive_loss_by_hand() -> None:
    mask = torch.tensor([[True, False, True, True]])  # the first place is not supervised and never counts
    expected = TOKENS[1] + TOKENS[2]
    assert distinctive_loss(LOGITS, LABELS, mask).item() == pytest.approx(expected / 3, abs=1e-6)
    assert distinctive_loss(LOGITS, LABELS, mask, 10).item() == pytest.approx(expected / 10, abs=1e-6)
    own = distinctive_loss(LOGITS, LABELS, mask, 10, normalisation="own")
    assert own.item() == pytest.approx(expected / 2, abs=1e-6)
    assert distinctive_loss(LOGITS, LABELS, mask.long() * 5).item() == pytest.approx(expected / 3, abs=1e-6)


def test_nothing_distinctive_or_supervised_gives_zero_with_a_gradient() -> None:
    logits = LOGITS.clone().requires_grad_()
    none = torch.zeros_like(LABELS, dtype=torch.bool)
    total = distinctive_loss(logits, LABELS, none, normalisation="own") + caption_loss(
        logits, torch.full_like(LABELS, -100)
    )
    total.backward()
    assert total.item() == 0.0
    assert logits.grad.abs().max() == 0


def test_bag_loss_by_hand() -> None:
    first = torch.tensor([[1, 2, -100]])
    rows = ([0, 1, 2], [1, 0, 0], [3, 0, 1])
    expected = sum(nll(row, 1) + nll(row, 2) for row in rows) / 2  # mean over the two words, sum over places
    assert bag_distinctive_loss(LOGITS, LABELS, first).item() == pytest.approx(expected / 3, abs=1e-6)
    assert bag_distinctive_loss(LOGITS, LABELS, first, 6).item() == pytest.approx(expected / 6, abs=1e-6)
    empty = first_tokens_of_words(LABELS, torch.zeros_like(LABELS))
    assert bag_distinctive_loss(LOGITS, LABELS, empty).item() == 0.0


def test_first_tokens_of_words() -> None:
    labels = torch.tensor([[-100, 11, 12, 13, 14, 15], [-100, 21, 22, 23, 24, -100]])
    numbers = torch.tensor([[9, 1, 1, 2, 0, 3], [0, 0, 0, 4, 4, 4]])
    assert first_tokens_of_words(labels, numbers).tolist() == [[11, 13, 15], [23, -100, -100]]
    # with bools a run is one word
    assert first_tokens_of_words(labels, numbers != 0).tolist() == [[11, 15], [23, -100]]
