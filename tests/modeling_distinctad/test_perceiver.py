"""The Perceiver and the mixers: masks, shapes, scale at the start."""

from __future__ import annotations

import pytest
import tiny_models
import torch

from modeling_distinctad.mixers_distinctad import BasisCrossAttention, WindowAttention, difference_from_others
from modeling_distinctad.perceiver_distinctad import MultiHeadAttention, Perceiver

C = tiny_models.JOINT


def perceiver(kind: str) -> Perceiver:
    torch.manual_seed(0)
    module = Perceiver(tiny_models.config(perceiver_type=kind))
    for child in module.modules():
        if hasattr(child, "initialise"):
            child.initialise()
    return module


@pytest.mark.parametrize("kind", ["self", "cross"])
def test_missing_frames_have_no_influence(kind: str) -> None:
    module = perceiver(kind)
    frames = torch.randn(5, 3, C)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]]).bool()
    garbage = torch.where(mask.unsqueeze(-1), frames, torch.tensor(float("nan")))
    read = module(garbage, mask)
    assert torch.isfinite(read).all()
    assert torch.equal(read, module(torch.where(mask.unsqueeze(-1), frames, 1e5), mask))
    assert torch.allclose(read[2], module(frames[2:3, :1], mask[2:3, :1])[0], atol=1e-6)
    assert torch.allclose(read[4], module(-frames[4:], mask[4:])[0], atol=1e-6)
    assert not torch.allclose(read[0], read[4], atol=1e-2)


@pytest.mark.parametrize("kind", ["self", "cross"])
def test_shapes_scale_and_sensitivity(kind: str) -> None:
    module = perceiver(kind)
    frames, mask = torch.randn(6, 3, C), torch.ones(6, 3, dtype=torch.bool)
    read = module(frames, mask)
    assert read.shape == (6, 4, C)
    assert torch.allclose(read.norm(dim=-1), torch.full((6, 4), C**0.5), rtol=1e-2)
    # the final norm makes every output of length sqrt(C); the clips still differ, and order counts a little
    assert (read - read.mean(0)).square().mean() > 0.2
    assert not torch.allclose(read, module(frames.flip(1), mask), atol=1e-4)


def test_more_frames_than_positions_are_refused() -> None:
    with pytest.raises(ValueError, match="num_frames=3"):
        perceiver("self")(torch.randn(1, 4, C), torch.ones(1, 4, dtype=torch.bool))


def test_heads_follow_the_width_and_must_divide_it() -> None:
    assert perceiver("self").blocks[0].attention.heads == 1
    with pytest.raises(ValueError, match="divisor"):
        MultiHeadAttention(8, 3)


def test_cross_attention_by_hand() -> None:
    module = BasisCrossAttention(2)
    for layer, weight in ((module.query, [[1.0, 0], [0, 1]]), (module.key, [[1.0, 0], [0, 1]])):
        layer.weight.data, layer.bias.data = torch.tensor(weight), torch.zeros(2)
    module.value.weight.data, module.value.bias.data = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([1.0, 0.0])
    vectors = torch.tensor([[[[2.0**0.5, 0.0]]]])
    bases = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [50.0, 50.0]]])
    mixed = module(vectors, bases, torch.tensor([[True, True, False]]))
    share = torch.tensor([1.0, 0.0]).softmax(-1)  # the logits q k / sqrt(2) are 1 and 0
    assert torch.allclose(mixed[0, 0, 0], 2 * share + torch.tensor([1.0, 0.0]), atol=1e-6)


def test_difference_from_others_by_hand() -> None:
    vectors = torch.tensor([[1.0, 4.0, 7.0, 100.0]]).reshape(1, 4, 1, 1)
    mask = torch.tensor([[True, True, True, False]])
    assert difference_from_others(vectors, mask).flatten().tolist() == [-4.5, 0.0, 4.5, 0.0]
    alone = torch.tensor([[True, False, False, False]])
    assert difference_from_others(vectors, alone).flatten().tolist() == [1.0, 0.0, 0.0, 0.0]


def test_window_attention_ignores_padding_and_order() -> None:
    torch.manual_seed(0)
    module = WindowAttention(tiny_models.config())
    vectors, mask = torch.randn(1, 4, 3, C), torch.tensor([[True, True, True, False]])
    mixed = module(vectors, mask)
    changed = vectors.clone()
    changed[:, 3] = 1e3
    assert torch.equal(mixed[:, :3], module(changed, mask)[:, :3])
    order = [2, 0, 1, 3]
    assert torch.allclose(mixed[:, order][:, :3], module(vectors[:, order], mask)[:, :3], atol=1e-6)
    assert torch.isfinite(module(vectors, torch.zeros(1, 4, dtype=torch.bool))).all()
