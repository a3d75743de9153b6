"""What could be changed without a test that failed, found by mutations: one test for each."""

from __future__ import annotations

import pytest
import tiny_models
import torch
from test_contextual_em import em, window
from test_losses import random_batch
from tiny_models import JOINT

from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.losses_distinctad import fine_grained_loss, global_loss, stage1_loss
from modeling_distinctad.mixers_distinctad import difference_from_others


@pytest.mark.parametrize("unit", [True, False])
def test_stage1_loss_hands_every_option_to_both_parts(unit: bool) -> None:
    v, pooled, words, mask, index = random_batch()
    ids = torch.tensor([7, 8, 7, 9])
    found = stage1_loss(v, pooled, words, mask, index, 3.0, 0.3, 0.2, unit, ids)
    whole = global_loss(v, pooled, 3.0, unit, ids)
    fine = fine_grained_loss(v, words, mask, index, 3.0, 0.2, unit, ids)
    assert torch.equal(found.global_loss, whole) and torch.equal(found.fine_grained_loss, fine)
    assert torch.allclose(found.loss, 0.3 * whole + 0.7 * fine)
    for part, plain in (
        (whole, global_loss(v, pooled, 3.0, unit)),
        (fine, fine_grained_loss(v, words, mask, index, 3.0, 0.2, unit)),
    ):
        assert part < plain  # the duplicates matter here


def test_a_window_of_padding_only_leaves_nothing_for_the_average() -> None:
    mask = torch.tensor([[True] * 4, [False] * 4])
    both, alone = (em(**DistinctADConfig.em_preset("emcl")).train() for _ in range(2))
    both(window(), mask)
    alone(window()[:1], mask[:1])
    assert both.pending_count == alone.pending_count == 1
    assert torch.allclose(both.pending_sum, alone.pending_sum, atol=1e-6)


def test_bases_that_are_not_there_are_not_attended_to() -> None:
    made = tiny_models.model(em_num_bases=64)  # of 2 clips x 4 vectors no more than 8 can be taken
    h, mask = torch.randn(1, 2, 4, JOINT), torch.ones(1, 2, dtype=torch.bool)
    found = made.contextual_em(h, mask)
    there = int(found.basis_mask.sum())
    assert there == 8 and found.basis_mask.shape == (1, 64)
    given = made.cross_attention(h, found.bases, found.basis_mask)
    plain = made.cross_attention(h, found.bases[:, :there], found.basis_mask[:, :there])
    assert torch.allclose(given, plain, atol=1e-6)


def test_the_difference_is_from_the_mean_of_the_others_by_hand() -> None:
    vectors = torch.tensor([1.0, 2.0, 6.0, 100.0]).view(1, 4, 1, 1)
    mask = torch.tensor([[True, True, True, False]])
    assert difference_from_others(vectors, mask).flatten().tolist() == [1 - 4.0, 2 - 3.5, 6 - 1.5, 0.0]
    assert difference_from_others(vectors[:, :1], mask[:, :1]).item() == 1.0  # alone: unchanged


@pytest.mark.parametrize("mixer", ["attention", "residual", "attention_residual"])
def test_the_controls_are_blind_to_padded_clips(mixer: str) -> None:
    made = tiny_models.model(context_mixer=mixer, alpha=0.0, beta=0.0)
    features, mask = torch.randn(1, 4, 3, JOINT), torch.tensor([[True, True, False, True]])
    padded, alone = made.encode_window(features, None, mask), made.encode_window(features[:, mask[0]])
    assert torch.allclose(padded[:, mask[0]], alone, atol=1e-5)
