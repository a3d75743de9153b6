"""The accelerator's benchmarks on a CPU: small towers, both ways of computing in bfloat16, no figure of speed."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig

from benchmarks import vit_step
from benchmarks.stage2 import EOS, llama_figures

SMALL = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 16, "projection_dim": 16,
}  # fmt: skip


def flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.detach().flatten().clone() for tensor in tensors])


def step_of(autocast: bool, chunk: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradient that the optimiser is given, and how far it moves the weights."""
    step = vit_step.Step("cpu", autocast, False, clips=6, **SMALL)
    given: list[torch.Tensor] = []
    step.optimizer.register_step_pre_hook(lambda *_: given.append(flat([w.grad for w in step.masters])))
    before = flat(step.masters)
    step(chunk)
    return given[0], flat(step.masters) - before


def test_a_bfloat16_copy_moves_the_float32_weights_as_autocast_does() -> None:
    (gradient, moved), (copied_gradient, copied) = step_of(True, 2), step_of(False, 2)
    assert moved.dtype == copied.dtype == torch.float32
    # Not of the moves: Adam's first one is signs alone, and rounding decides those of gradients near 0.
    assert torch.nn.functional.cosine_similarity(gradient, copied_gradient, dim=0) > 0.95
    assert copied.abs().max() == pytest.approx(5e-5, rel=0.02) and moved.abs().max() == pytest.approx(5e-5, rel=0.02)


def test_gradients_of_chunks_add_up_in_float32() -> None:
    weight, master = torch.nn.Parameter(torch.zeros(2, dtype=torch.bfloat16)), torch.zeros(2)
    for _ in range(257):  # in bfloat16 the sum would stop at 256
        weight.grad = torch.ones(2, dtype=torch.bfloat16)
        vit_step.move_gradient(weight, master)
    assert weight.grad is None and master.grad is not None and master.grad.tolist() == [257.0, 257.0]


def test_operations_are_a_step_with_its_recomputation() -> None:
    forward = 512 * 8 * 197 * 12 * 24 * 768**2  # products of the layers alone
    assert 4 * forward < vit_step.operations() < 4.6 * forward


def test_without_an_accelerator_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert vit_step.main([]) == 2 and "no CUDA device" in capsys.readouterr().err


def test_a_frozen_llama_trains_and_describes_from_features() -> None:
    text = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        vocab_size=4096, bos_token_id=EOS, eos_token_id=EOS, max_position_embeddings=256,
    )  # fmt: skip
    found = llama_figures("cpu", text, batch=1, clips=2, windows=2, tokens=3)
    assert torch.get_default_dtype() == torch.float32 and found["film_of_4_ads_s"] >= 0
    assert found["clips_per_s_llama3_8b"] > 0 < found["clips_per_s_llama3_8b_checkpointing"]
