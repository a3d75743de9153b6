"""Recognition of portraits in clips, by hand and by properties."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from modeling_distinctad.recognition_distinctad import recognise, similarities
from modeling_distinctad.towers_distinctad import sides_of


def test_by_hand_and_centring_matters() -> None:
    """All vectors share a large common part; only the small rest tells the people apart, and only centred clearly."""
    common = torch.tensor([10.0, 0.0, 0.0])
    faces = common + torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    frames = 3 * common + torch.tensor([[[0.0, 2.0, 0.0]] * 2, [[0.0, -2.0, 0.0]] * 2])
    mask = torch.ones(2, 2, dtype=torch.bool)
    long = math.sqrt((30**2 + 2**2) * (10**2 + 1**2))  # plain cosines (300 +- 2) / long, centred ones +-1, 2 to 1
    right, wrong = ((302 / long + 0.5) / 1.5, (298 / long - 0.5) / 1.5)
    found = recognise(frames, mask, faces)
    assert [[who for who, _ in people] for people in found] == [[0, 1], [1, 0]]
    assert all([score for _, score in people] == pytest.approx([right, wrong], abs=1e-6) for people in found)
    assert [[who for who, _ in people] for people in recognise(frames, mask, faces, max_people=1)] == [[0], [1]]
    assert [[who for who, _ in people] for people in recognise(frames, mask, faces, threshold=0.5)] == [[0], [1]]


def test_pools_by_hand() -> None:
    """One frame of person 0 among three of nobody: the best frame counts under max, the average under mean."""
    faces = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    frames = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, -1.0]]])
    mask = torch.ones(2, 2, dtype=torch.bool)
    assert torch.allclose(similarities(frames, mask, faces, "max"), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), atol=1e-6)
    means = similarities(frames, mask, faces, "mean")
    assert torch.allclose(means, torch.tensor([[0.5, -0.5], [-0.5, 0.5]]), atol=1e-6)


def test_masked_frames_count_for_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    frames, faces = torch.randn(3, 4, 6, generator=generator), torch.randn(5, 6, generator=generator)
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[0, 2:] = False
    mask[2] = False
    changed = frames.masked_fill(~mask[..., None], 1e4)
    for pool in ("max", "mean"):
        named = recognise(frames, mask, faces, pool=pool)
        assert named == recognise(changed, mask, faces, pool=pool)
        assert [len(people) for people in named] == [3, 3, 0]
        assert all(a[1] >= b[1] for people in named for a, b in zip(people, people[1:], strict=False))
    # padding behind the window changes nothing
    padded = torch.cat([frames, torch.zeros(2, 4, 6)]), torch.cat([mask, torch.zeros(2, 4, dtype=torch.bool)])
    assert recognise(*padded, faces) == recognise(frames, mask, faces) + [[], []]


def test_reordering_the_cast_reorders_nothing_else() -> None:
    generator = torch.Generator().manual_seed(1)
    frames, faces = torch.randn(4, 3, 8, generator=generator), torch.randn(5, 8, generator=generator)
    mask = torch.ones(4, 3, dtype=torch.bool)
    order = [3, 1, 4, 0, 2]
    moved = recognise(frames, mask, faces[order], max_people=5)
    for people, again in zip(recognise(frames, mask, faces, max_people=5), moved, strict=True):
        assert [i for i, _ in people] == [order[i] for i, _ in again]


def test_few_portraits_and_few_frames() -> None:
    frames, mask = torch.randn(2, 1, 4), torch.tensor([[True], [False]])
    assert recognise(frames, mask, torch.zeros(0, 4)) == [[], []]
    one = recognise(frames, mask, frames[0])
    assert one[0][0][0] == 0 and math.isclose(one[0][0][1], 1.0, abs_tol=1e-6) and one[1] == []
    assert recognise(frames, mask, frames[0], max_people=0) == [[], []]
    still, faces = torch.tensor([[[1.0, 3.0]] * 4]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    alone = recognise(still, torch.ones(1, 4), faces)  # one clip of one still picture: not what rounding leaves of it
    assert alone[0][0][0] == 1 and alone[0][0][1] == pytest.approx(
        (3 / math.sqrt(10) + 0.5 * 2 / math.sqrt(20)) / 1.5, abs=1e-5
    )
    same = torch.ones(3, 4)  # equal portraits: nothing to tell apart, but numbers and the given order
    assert [i for i, _ in recognise(frames, mask, same)[0]] == [0, 1, 2]


def test_errors() -> None:
    frames, mask = torch.zeros(2, 3, 4), torch.ones(2, 3)
    with pytest.raises(ValueError, match="same model"):
        recognise(frames, mask, torch.zeros(2, 5))
    with pytest.raises(ValueError, match="the window's own"):
        recognise(frames, mask[:1], torch.zeros(2, 4))
    with pytest.raises(ValueError, match="max, mean"):
        recognise(frames, mask, torch.zeros(2, 4), pool="median")
    with pytest.raises(ValueError, match="0 or more"):
        recognise(frames, mask, torch.zeros(2, 4), max_people=-1)


def test_sides_are_the_outer_columns_of_a_towers_map() -> None:
    """A map of four columns: left and right keep to themselves; their mean with the middle is the pooled embedding."""

    picture = torch.arange(4.0).expand(2, 3, 5, 4) * torch.tensor([1.0, 10.0])[:, None, None, None]
    sides = sides_of(SimpleNamespace(last_hidden_state=picture))
    assert sides.tolist() == [
        [[0.0] * 3, [3.0] * 3],
        [[0.0] * 3, [30.0] * 3],
    ]
    with pytest.raises(ValueError, match="convolutional"):
        sides_of(SimpleNamespace(last_hidden_state=torch.zeros(2, 5, 3)))


def test_two_people_apart_are_both_found_once_their_sides_are_searched() -> None:
    """The whole picture is nearer to a third person than to either of the two whose mean it is."""
    faces = torch.eye(3)
    whole = torch.tensor([[[0.5, 0.5, 0.6]], [[0.0, 0.0, 0.0]]])
    sides = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    alone = similarities(whole, torch.ones(2, 1, dtype=torch.bool), faces)
    both = similarities(torch.cat([whole, sides], dim=1), torch.ones(2, 3, dtype=torch.bool), faces)
    assert alone[0].argmax() == 2 and set(both[0].topk(2).indices.tolist()) == {0, 1}
