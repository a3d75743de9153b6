"""Ranks, chance and intervals by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from train.retrieval import Embedded, chance, median_interval, ranks, retrieval_figures


def pool(clips: torch.Tensor, texts: torch.Tensor, ads: str, films: str) -> Embedded:
    return Embedded(torch.nn.functional.normalize(clips), torch.nn.functional.normalize(texts), list(ads), list(films))


def test_ranks_by_hand_and_a_constant_is_at_chance() -> None:
    similarity = torch.tensor([[0.9, 0.1, 0.2], [0.5, 0.4, 0.3], [0.5, 0.6, 0.1]])
    assert ranks(similarity).tolist() == [1.0, 2.0, 3.0]
    assert ranks(torch.zeros(5, 5)).tolist() == [3.0] * 5
    with pytest.raises(ValueError, match="not finite"):  # NaN would rank first everywhere
        ranks(torch.full((3, 3), torch.nan))


def test_every_item_with_the_same_ad_is_right() -> None:
    similarity = torch.tensor([[0.1, 0.5, 0.9], [0.9, 0.5, 0.8], [0.3, 0.2, 0.1]])
    same = torch.tensor([[True, False, True], [False, True, False], [True, False, True]])
    assert ranks(similarity, same).tolist() == [1.0, 3.0, 1.0]
    assert ranks(similarity).tolist() == [3.0, 3.0, 3.0]
    assert ranks(torch.zeros(3, 3), same).tolist() == [1.5, 2.0, 1.5]


def test_chance_by_hand() -> None:
    assert chance([1] * 8, 8, 1) == pytest.approx(1 / 8)
    assert chance([1] * 8, 8, 10) == 1.0
    assert chance([2, 2, 1], 3, 1) == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)
    assert chance([2], 4, 2) == pytest.approx(1 - (2 * 1) / (4 * 3))


def test_chance_is_what_a_random_model_reaches() -> None:
    torch.manual_seed(0)
    ids = torch.tensor([0, 0, 0, 1, 1, 2, 3, 4])
    same = ids[:, None] == ids
    hits = torch.stack([(ranks(torch.rand(8, 8), same) <= 2).float() for _ in range(3000)]).mean()
    assert float(hits) == pytest.approx(chance(same.sum(1).tolist(), 8, 2), abs=0.01)


def test_a_perfect_model_with_duplicates() -> None:
    eye = torch.eye(4)[[0, 1, 0, 2]]
    figures = retrieval_figures(pool(eye, eye, "abac", "xxyy"))
    for way in ("clip_to_ad", "ad_to_clip"):
        assert figures[f"{way}_r1"] == 1.0 and figures[f"{way}_r1_interval"] == [1.0, 1.0]
        assert figures[f"{way}_median_rank"] == 1.0 and figures[f"{way}_median_rank_interval"] == [1.0, 1.0]
    assert figures["chance_r1"] == pytest.approx((2 + 1 + 2 + 1) / 16)
    assert (figures["pool"], figures["pool_films"], figures["pool_ads"]) == (4, 2, 3)
    assert figures["neighbour_cosine"] == 0.0  # 0 with 1 and 0 with 2; 1 with 0 is a cut between films


def test_intervals_span_films_and_need_two() -> None:
    clips = torch.eye(4)
    figures = retrieval_figures(pool(clips, clips[[0, 1, 3, 2]], "abcd", "xxyy"))
    assert figures["clip_to_ad_r1"] == 0.5 and figures["clip_to_ad_r1_interval"] == [0.0, 1.0]
    alone = retrieval_figures(pool(clips, clips, "abcd", "xxxx"))
    assert alone["clip_to_ad_r1_interval"] is None and alone["ad_to_clip_median_rank_interval"] is None
    assert median_interval(np.array([1.0, 1.0, 9.0, 9.0]), ["x", "x", "y", "y"]) == [1.0, 9.0]
