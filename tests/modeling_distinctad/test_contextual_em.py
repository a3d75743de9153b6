"""Contextual EM by hand, under padding, in every mode, and its health on features that look like frames."""

from __future__ import annotations

import itertools
import math

import pytest
import tiny_models
import torch

from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.contextual_em_distinctad import ContextualEM, e_step, initial_bases, m_step

LATENTS, WIDTH = 3, 8


def em(**changes: object) -> ContextualEM:
    config = tiny_models.config(**changes)
    config.vision_config.projection_dim = WIDTH
    module = ContextualEM(config)
    module.initialise()
    return module


def window(batch: int = 2, clips: int = 4, seed: int = 0) -> torch.Tensor:
    """Unit-variance vectors with a strong shared mean and clip parts, as a Perceiver's final norm gives."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(1, 1, 1, WIDTH, generator=generator)
    parts = torch.randn(batch, clips, 1, WIDTH, generator=generator)
    noise = 0.1 * torch.randn(batch, clips, LATENTS, WIDTH, generator=generator)
    return torch.nn.functional.layer_norm(shared + parts + noise, (WIDTH,))


MODES = [
    {"em_similarity": s, "em_center": c, "em_bases_norm": n, "em_bases_init": i, "em_gradient": g}
    for s, c, n, i, g in itertools.product(
        ("centred_cosine", "dot", "cosine"),
        ("window", "latent"),
        ("unit", "none"),
        ("window", "random", "parameter", "ema_buffer"),
        ("none", "last", "all"),
    )
    if i != "parameter" or g == "all"
]
SOME_MODES = MODES[::7]


def test_e_step_by_hand() -> None:
    vectors = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    bases = torch.tensor([[[3.0, 0.0], [0.0, 1.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, False]])
    dot = e_step(vectors, bases, mask, tau=2.0, cosine=False)
    # logits of the first vector: 3/2 and 0; of the second: 0 and 2/2; no hidden factor
    assert dot[0, 0, 0].item() == pytest.approx(math.exp(1.5) / (math.exp(1.5) + 1), abs=1e-6)
    assert dot[0, 1, 1].item() == pytest.approx(math.e / (math.e + 1), abs=1e-6)
    assert dot[..., 2].abs().max() == 0
    cosine = e_step(vectors, bases, mask, tau=0.5, cosine=True)
    assert cosine[0, 0, 0].item() == pytest.approx(math.exp(2) / (math.exp(2) + 1), abs=1e-6)


def test_m_step_by_hand_and_light_basis_keeps_its_value() -> None:
    vectors = torch.tensor([[[2.0, 0.0], [0.0, 4.0]]])
    z = torch.tensor([[[0.75, 0.2495, 0.0005], [0.25, 0.75, 0.0]]])
    before = torch.tensor([[[9.0, 9.0], [9.0, 9.0], [7.0, 8.0]]])
    after = m_step(vectors, z, before)
    assert torch.allclose(after[0, 0], torch.tensor([1.5, 1.0]))
    assert torch.allclose(after[0, 1], torch.tensor([2 * 0.2495, 4 * 0.75]) / 0.9995)
    assert torch.equal(after[0, 2], before[0, 2])


def test_initial_bases_take_valid_vectors_at_equal_stride() -> None:
    vectors = torch.arange(1.0, 11.0).reshape(1, 10, 1).repeat(2, 1, 1)
    valid = torch.ones(2, 10, dtype=torch.bool)
    valid[1, [0, 4, 9]] = False  # leaves 2 3 4 6 7 8 9
    bases, mask = initial_bases(vectors, valid, 3)
    assert bases[0, :, 0].tolist() == [1.0, 4.0, 7.0]  # ranks floor(k 10 / 3)
    assert bases[1, :, 0].tolist() == [2.0, 4.0, 7.0]  # ranks 0 2 4 of the seven
    bases, mask = initial_bases(vectors, valid, 9)
    assert mask.sum(-1).tolist() == [9, 7]
    assert bases[1, :, 0].tolist() == [2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0, 0.0, 0.0]


def test_literal_mode_equals_a_plain_loop() -> None:
    module = em(**DistinctADConfig.em_preset("paper_literal"))
    vectors = 0.2 * window(batch=1)
    found = module(vectors, torch.ones(1, 4, dtype=torch.bool))
    flat, bases = vectors.flatten(1, 2)[0], module.bases
    for _ in range(3):
        z = (flat @ bases.T).softmax(-1)
        bases = (z / z.sum(0)).T @ flat
    assert torch.allclose(found.reconstruction.flatten(1, 2)[0], z @ bases, atol=1e-5)
    assert torch.allclose(found.bases[0], bases, atol=1e-5)


def test_default_mode_equals_a_plain_loop() -> None:
    module = em()
    vectors = window(batch=1)
    found = module(vectors, torch.ones(1, 4, dtype=torch.bool))
    flat = vectors.flatten(1, 2)[0]
    mean = flat.mean(0)
    bases = flat[[0, 2, 4, 7, 9]]  # floor(k 12 / 5)
    for _ in range(3):
        cosine = torch.nn.functional.cosine_similarity((flat - mean)[:, None], (bases - mean)[None], dim=-1)
        z = (cosine / 0.1).softmax(-1)
        bases = (z / z.sum(0)).T @ flat
    bases = bases / bases.norm(dim=-1, keepdim=True)
    assert torch.allclose(found.reconstruction.flatten(1, 2)[0], z @ bases, atol=1e-5)


def test_latent_centring_adds_the_slot_means_back() -> None:
    vectors = window(batch=1)
    slots = 5 * torch.randn(1, 1, LATENTS, WIDTH, generator=torch.Generator().manual_seed(1))
    module = em(em_center="latent", em_bases_norm="none")
    mask = torch.ones(1, 4, dtype=torch.bool)
    plain, moved = module(vectors, mask), module(vectors + slots, mask)
    assert torch.allclose(moved.reconstruction, plain.reconstruction + slots, atol=1e-4)
    assert torch.allclose(moved.responsibilities, plain.responsibilities, atol=1e-4)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: "-".join(str(v) for v in m.values()))
def test_padding_changes_nothing(mode: dict) -> None:
    module = em(**mode)
    vectors = window()
    mask = torch.tensor([[True, True, False, True], [True, False, True, False]])
    garbage = torch.where(mask[..., None, None], vectors, torch.full_like(vectors, 1e4))
    both = module(garbage, mask)
    assert both.reconstruction[~mask].abs().max() == 0
    for row in range(2):
        alone = module(vectors[row, mask[row]][None], torch.ones(1, int(mask[row].sum()), dtype=torch.bool))
        assert torch.allclose(both.reconstruction[row, mask[row]], alone.reconstruction[0], atol=1e-6)
        kept = both.basis_mask[row]
        assert torch.allclose(both.bases[row, kept], alone.bases[0, alone.basis_mask[0]], atol=1e-6)


@pytest.mark.parametrize("mode", SOME_MODES, ids=lambda m: "-".join(str(v) for v in m.values()))
def test_gradient_modes(mode: dict) -> None:
    module = em(**mode)
    vectors = window().requires_grad_()
    found = module(vectors, torch.ones(2, 4, dtype=torch.bool))
    assert found.reconstruction.requires_grad == (mode["em_gradient"] != "none")
    if mode["em_gradient"] != "none":
        found.reconstruction.square().sum().backward()
        assert torch.isfinite(vectors.grad).all()
        assert vectors.grad.abs().max() > 0
    if mode["em_bases_init"] == "parameter":
        assert module.bases.grad.abs().max() > 0


def test_last_and_all_gradients_differ_and_parameter_needs_all() -> None:
    gradients = []
    for mode in ("last", "all"):
        vectors = window().requires_grad_()
        em(em_gradient=mode)(vectors, torch.ones(2, 4, dtype=torch.bool)).reconstruction.square().sum().backward()
        gradients.append(vectors.grad)
    assert not torch.allclose(*gradients, atol=1e-5)
    with pytest.raises(ValueError, match="em_gradient"):
        tiny_models.config(em_bases_init="parameter", em_gradient="none")


def test_degenerate_windows_stay_finite() -> None:
    for vectors, mask in (
        (window(1, 1), torch.ones(1, 1, dtype=torch.bool)),
        (window(1, 3), torch.zeros(1, 3, dtype=torch.bool)),
        (torch.ones(1, 4, LATENTS, WIDTH), torch.ones(1, 4, dtype=torch.bool)),
    ):
        for center in ("window", "latent"):
            found = em(em_num_bases=64, em_center=center)(vectors, mask)
            assert all(torch.isfinite(x.float()).all() for x in found)


def test_presets_exist_and_unknown_names_are_refused() -> None:
    assert DistinctADConfig.em_preset("emcl")["em_rounds"] == 9
    assert tiny_models.config(**DistinctADConfig.em_preset("default")).em_tau == 0.1
    with pytest.raises(ValueError, match="paper_literal"):
        DistinctADConfig.em_preset("literal")


def test_half_precision_input_and_module_stay_float32_inside() -> None:
    module = em(em_bases_init="random").to(torch.bfloat16)
    assert module.bases.dtype == torch.float32
    fresh = em(em_bases_init="random")
    assert torch.equal(module.bases, fresh.bases)
    vectors = window()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = module(vectors, torch.ones(2, 4, dtype=torch.bool))
    assert torch.equal(found.bases, fresh(vectors, torch.ones(2, 4, dtype=torch.bool)).bases)


def test_moving_average_is_moved_only_by_training_and_only_when_told() -> None:
    module = em(**DistinctADConfig.em_preset("emcl"))
    mask = torch.ones(2, 4, dtype=torch.bool)
    before = module.bases.clone()
    module.eval()(window(), mask)
    assert not module.move_average()
    module.train()
    first, second = module(window(), mask), module(window(seed=5), mask)
    assert torch.equal(module.bases, before)
    assert module.move_average()
    mean = torch.cat([first.bases, second.bases]).mean(0)
    expected = torch.nn.functional.normalize(0.9 * before + 0.1 * mean, dim=-1)
    assert torch.allclose(module.bases, expected, atol=1e-6)
    assert not module.move_average()
    assert "pending_sum" not in module.state_dict()


def test_moving_average_ignores_a_checkpoint_recomputation() -> None:
    module = em(em_bases_init="ema_buffer", em_gradient="all").train()
    vectors = window().requires_grad_()

    def run(x: torch.Tensor) -> torch.Tensor:
        return module(x, torch.ones(2, 4, dtype=torch.bool)).reconstruction

    torch.utils.checkpoint.checkpoint(run, vectors, use_reentrant=False).sum().backward()
    assert module.pending_count == 2


@pytest.mark.parametrize("seed", range(3))
def test_health_at_initialisation_with_the_defaults(seed: int) -> None:
    config = DistinctADConfig(window_size=16, em_num_bases=32, num_prompt_vectors=10, num_frames=8)
    config = tiny_models.config(
        **{name: getattr(config, name) for name in ("em_num_bases", "num_prompt_vectors", "num_frames")}
    )
    config.vision_config.projection_dim = 160
    torch.manual_seed(seed)
    model = tiny_models.DistinctADForConditionalGeneration(config).eval()
    # frame features as CLIP gives them: a large mean of all images, what a scene shares, clip parts, frame parts
    shared, clip, frame = torch.randn(1, 1, 1, 160), torch.randn(4, 16, 1, 160), torch.randn(4, 16, 8, 160)
    figures = model.em_health(3 * (shared + 0.5 * clip + 0.2 * frame))
    assert figures["contrast"] >= 0.9
    assert 0.02 < figures["entropy"] < 0.6
    assert figures["kept_between_clips"] > 0.8
    assert 8 < figures["used_bases"] <= 32
    assert figures["latent_share"] < 0.05


def test_health_exposes_bases_that_collapse_to_the_mean() -> None:
    model = tiny_models.model(em_similarity="cosine", em_tau=50.0, em_bases_norm="none")
    figures = model.em_health(torch.randn(2, 4, 3, tiny_models.JOINT))
    assert figures["contrast"] < 0.5  # H + 3 H^ holds four times the mean and once what differs
    assert figures["entropy"] > 0.99


def test_health_without_em_is_empty_and_needs_two_clips() -> None:
    assert tiny_models.model(alpha=0, beta=0).em_health(torch.randn(1, 2, 3, tiny_models.JOINT)) == {}
    alone = tiny_models.model().em_health(torch.randn(1, 1, 3, tiny_models.JOINT))
    assert all(math.isnan(value) for value in alone.values())
