"""Forward and generate: masks, padding sides, calls of the language model, gradients, mixers, errors."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import tiny_models
import torch
from tiny_models import FACE, JOINT, LANGUAGE, START, VIDEO
from transformers import GenerationConfig

from modeling_distinctad.losses_distinctad import caption_loss, distinctive_loss

KINDS = ("gpt2", "llama")
MIXERS = ("em", "attention", "residual", "attention_residual", "none")


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return tiny_models.model(request.param)


def real_logits(output: Any, inputs: dict[str, Any]) -> torch.Tensor:
    return output.logits[inputs["attention_mask"].bool()]


def test_shapes_and_losses(model: Any) -> None:
    inputs = tiny_models.inputs()
    output = model(**inputs)
    batch, clips, length = inputs["input_ids"].shape
    assert output.logits.shape == (batch, clips, length, tiny_models.VOCABULARY)
    assert output.visual_embeds.shape == (batch, clips, 4, LANGUAGE)
    auto = caption_loss(output.logits, inputs["labels"])
    distinctive = distinctive_loss(output.logits, inputs["labels"], inputs["distinctive_mask"])
    assert torch.allclose(output.loss, auto + distinctive)
    divided = model(**inputs, num_items_in_batch=torch.tensor(240))
    supervised = int((inputs["labels"] != -100).sum())
    assert torch.allclose(divided.loss, output.loss * supervised / 240)
    assert torch.allclose(divided.loss_distinctive, output.loss_distinctive * supervised / 240)


def test_slots_hold_their_vectors_and_nothing_else(model: Any) -> None:
    inputs, seen = tiny_models.inputs(), {}
    handle = model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.update(kwargs), with_kwargs=True
    )
    output = model(**inputs)
    handle.remove()
    ids, embeds = inputs["input_ids"].flatten(0, 1), seen["inputs_embeds"]
    table = model.get_input_embeddings()
    for row in range(len(ids)):
        window, clip = divmod(row, 3)
        assert torch.equal(embeds[row, ids[row] == VIDEO], output.visual_embeds[window, clip])
        assert torch.equal(embeds[row, ids[row] == START][0], model.ad_start)
        face = model.face_projection(inputs["face_features"][window, row % 2])
        assert torch.allclose(embeds[row, ids[row] == FACE][0], face, atol=1e-6)
        words = (ids[row] < VIDEO) & inputs["attention_mask"].flatten(0, 1)[row].bool()
        assert torch.equal(embeds[row, words], table(ids[row, words]))


def test_left_and_right_padding_give_equal_logits(model: Any) -> None:
    right, left = tiny_models.inputs(side="right"), tiny_models.inputs(side="left")
    assert not torch.equal(right["input_ids"], left["input_ids"])
    a, b = model(**right), model(**left)
    assert torch.allclose(real_logits(a, right), real_logits(b, left), atol=1e-5)
    assert torch.allclose(a.loss, b.loss, atol=1e-5)


def test_one_forward_of_the_language_model_a_call(model: Any) -> None:
    shapes: list[torch.Size] = []
    handle = model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(kwargs["inputs_embeds"].shape), with_kwargs=True
    )
    model(**tiny_models.inputs())
    handle.remove()
    assert shapes == [(6, 14, LANGUAGE)]


def test_padded_clips_and_missing_frames_change_no_other_clip(model: Any) -> None:
    inputs = tiny_models.inputs(clips=4)
    inputs["clip_mask"][0, 2] = inputs["clip_mask"][1, 0] = False
    inputs["frame_mask"][0, 0, 1:] = False
    inputs["frame_mask"][1, 3] = False
    output = model(**inputs)
    spoilt = {name: value.clone() for name, value in inputs.items()}
    clips, frames = ~inputs["clip_mask"], ~inputs["frame_mask"]
    spoilt["frame_features"][frames] = 1e4
    spoilt["frame_features"][clips] = -1e4
    spoilt["input_ids"][clips] = FACE
    spoilt["labels"][clips] = 3
    spoilt["distinctive_mask"][clips] = True
    spoilt["attention_mask"][clips] = 0
    other = model(**spoilt)
    kept = inputs["clip_mask"]
    assert torch.equal(output.visual_embeds, other.visual_embeds)
    assert torch.allclose(output.logits[kept], other.logits[kept], atol=1e-6)
    assert torch.allclose(output.loss, other.loss, atol=1e-6)
    assert torch.isfinite(other.logits).all()
    # and the window without them says the same
    without = {name: value[:1, [0, 1, 3]] for name, value in inputs.items() if name != "face_features"}
    short = model(**without, face_features=inputs["face_features"][:1])
    assert torch.allclose(short.logits[0], output.logits[0, [0, 1, 3]], atol=1e-5)


@pytest.mark.parametrize("beams", [1, 4])
def test_a_description_does_not_change_with_the_batch(model: Any, beams: int) -> None:
    inputs = tiny_models.inputs(batch=3, answer=0)
    whole = model.generate(**inputs, num_beams=beams)
    for row in range(3):
        alone = model.generate(**{name: value[row : row + 1] for name, value in inputs.items()}, num_beams=beams)
        assert torch.equal(whole[row, :, : alone.shape[-1]], alone[0])
    left = tiny_models.inputs(batch=3, answer=0, side="left")
    assert torch.equal(whole, model.generate(**left, num_beams=beams))


def test_generate_calls_the_language_model_once_with_embeddings_and_mask_only(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    generate, encode = model.language_model.generate, model.encode_window
    windows: list[int] = []
    monkeypatch.setattr(
        model.language_model, "generate", lambda **kwargs: (calls.append(kwargs), generate(**kwargs))[1]
    )
    monkeypatch.setattr(model, "encode_window", lambda *args: (windows.append(1), encode(*args))[1])
    inputs = tiny_models.inputs(answer=0)
    inputs["clip_mask"][1, 2] = False
    ids = model.generate(**inputs)
    assert len(calls) == len(windows) == 1
    assert not {"input_ids", "inputs", "position_ids"} & set(calls[0])
    assert calls[0]["inputs_embeds"].shape[0] == calls[0]["attention_mask"].shape[0] == 5
    assert {"num_beams": 5, "length_penalty": 1.0}.items() <= calls[0].items()
    penalty, ban = calls[0]["logits_processor"]
    assert (penalty.penalty, penalty.prompt_ignore_length, ban.ngram_size) == (1.2, None, 3)
    assert calls[0]["do_sample"] is False and calls[0]["max_new_tokens"] == 8
    assert ids.shape[:2] == (2, 3)
    assert (ids[1, 2] == tiny_models.EOS).all()  # all padding
    monkeypatch.undo()
    inputs["clip_mask"][:] = False
    assert model.generate(**inputs).shape == (2, 3, 1)
    with pytest.raises(ValueError, match="num_return_sequences"):
        model.generate(**inputs, num_return_sequences=2)


def test_greedy_generation_agrees_with_the_forward_pass(model: Any) -> None:
    prompt = tiny_models.inputs(batch=1, clips=1, answer=0)
    ids = model.generate(**prompt, num_beams=1, repetition_penalty=1.0, no_repeat_ngram_size=0, max_new_tokens=4)
    row = prompt["input_ids"]
    for token in ids[0, 0]:
        whole = prompt | {"input_ids": row, "attention_mask": torch.ones_like(row)}
        whole["face_index"] = torch.nn.functional.pad(prompt["face_index"], (0, row.shape[-1] - 9 + 1), value=-1)
        whole["face_index"] = whole["face_index"][..., : row.shape[-1]]
        assert model(**whole).logits[0, 0, -1].argmax() == token
        if token == tiny_models.EOS:
            break
        row = torch.cat([row, token.reshape(1, 1, 1)], dim=-1)


def test_a_generation_config_counts_and_keywords_lead(model: Any) -> None:
    batch = {k: v for k, v in tiny_models.inputs().items() if k not in ("labels", "distinctive_mask")}
    given = GenerationConfig(num_beams=1, max_new_tokens=3)
    want = model.generate(**batch, num_beams=1, max_new_tokens=3)
    assert torch.equal(model.generate(**batch, generation_config=given), want) and want.shape[-1] <= 3
    assert model.generate(**batch, generation_config=given, max_new_tokens=2).shape[-1] <= 2


def test_a_prompt_that_leaves_no_room_is_refused_and_a_long_one_gets_what_is_left(model: Any) -> None:
    batch = {k: v for k, v in tiny_models.inputs().items() if k not in ("labels", "distinctive_mask")}
    most = model.config.text_config.max_position_embeddings
    settings = {"num_beams": 1, "min_new_tokens": most, "max_new_tokens": most}
    told = (model.generate(**batch, **settings) != tiny_models.EOS).sum(-1)
    assert torch.equal(told, most - batch["attention_mask"].sum(-1))
    longer = {
        name: torch.cat([batch[name][..., :1].repeat(1, 1, most), batch[name]], dim=-1)
        for name in ("input_ids", "attention_mask", "face_index")
    }
    with pytest.raises(ValueError, match=f"the language model {most} positions"):
        model.generate(**(batch | longer))


def test_telling_does_not_feed_the_moving_average() -> None:
    model = tiny_models.model(em_bases_init="ema_buffer").train()
    batch = {k: v for k, v in tiny_models.inputs().items() if k not in ("labels", "distinctive_mask")}
    model.contextual_em.move_average()  # what scaling the projections left
    before = {name: buffer.clone() for name, buffer in model.contextual_em.named_buffers()}
    model.generate(**batch)
    assert model.contextual_em.training
    model.contextual_em.move_average()
    assert before and all(torch.equal(buffer, before[name]) for name, buffer in model.contextual_em.named_buffers())


def test_penalties_see_generated_text_only(model: Any) -> None:
    prompt = tiny_models.inputs(batch=1, clips=1, answer=0)
    for at, token in itertools.product((0, 2), range(2, VIDEO)):  # until one of its two words is what comes next
        named = dict(prompt, input_ids=prompt["input_ids"].clone())
        named["input_ids"][0, 0, at] = token
        before = model(**named).logits[0, 0, -1].argmax()
        if before == token:
            break
    assert before in named["input_ids"]
    with_penalty = model.generate(**named, num_beams=1, repetition_penalty=50.0, max_new_tokens=1)
    assert with_penalty[0, 0, 0] == before


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_exactly_the_trainable_parameters(kind: str, checkpointing: bool) -> None:
    made = tiny_models.model(kind)
    if checkpointing:
        made.language_model.gradient_checkpointing_enable()
    made.train()
    calls: list[int] = []
    block = made.language_model.get_decoder() if kind == "llama" else made.language_model.transformer
    layer = block.layers[0].mlp if kind == "llama" else block.h[0].mlp
    layer.register_forward_pre_hook(lambda *unused: calls.append(1))
    made(**tiny_models.inputs()).loss.backward()
    reached = {name for name, parameter in made.named_parameters() if parameter.grad is not None}
    assert reached == set(made.trainable_parameter_names())
    prefixes = {name.split(".")[0] for name in reached}
    assert prefixes == {"perceiver", "cross_attention", "projection", "face_projection", "ad_start"}
    moved = {name for name, p in made.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert {"ad_start", "perceiver.latents", "projection.weight", "cross_attention.value.weight"} <= moved
    assert len(calls) == (2 if checkpointing else 1)  # recomputed in the backward pass, so checkpointing is real


def test_checkpointing_changes_no_gradient_and_no_dropout_acts() -> None:
    inputs, gradients = tiny_models.inputs(), []
    for checkpointing in (False, True):
        made = tiny_models.model("gpt2")
        if checkpointing:
            made.language_model.gradient_checkpointing_enable()
        made.train()
        made(**inputs).loss.backward()
        gradients.append(made.projection.weight.grad)
    assert torch.allclose(*gradients, atol=1e-6)


def test_the_towers_stay_frozen_and_in_eval_mode() -> None:
    made = tiny_models.model("gpt2").train()
    assert made.perceiver.training and not made.language_model.training and not made.vision_tower.training
    assert not any(module.training for module in made.language_model.modules())
    assert not any(p.requires_grad for p in made.language_model.parameters())
    inputs = tiny_models.inputs()
    assert torch.equal(made(**inputs).logits, made.eval()(**inputs).logits)


def test_without_portraits_the_face_projection_still_has_a_gradient() -> None:
    made = tiny_models.model().train()
    inputs = tiny_models.inputs(faces=0)
    del inputs["face_features"], inputs["face_index"]
    made(**inputs).loss.backward()
    assert all(made.get_parameter(name).grad is not None for name in made.trainable_parameter_names())
    assert tiny_models.model(face_tokens="never").face_projection is None


@pytest.mark.parametrize(
    ("mixer", "weights", "perceiver"),
    list(itertools.product(MIXERS, ((3, 1), (3, 0), (0, 1), (0, 0)), ("self",))) + [("em", (3, 1), "cross")],
)
def test_every_mixer_and_branch_runs_and_builds_only_what_trains(mixer: str, weights: tuple, perceiver: str) -> None:
    alpha, beta = weights
    made = tiny_models.model(context_mixer=mixer, alpha=alpha, beta=beta, perceiver_type=perceiver).train()
    inputs = tiny_models.inputs()
    inputs["clip_mask"][0, 1] = False
    output = made(**inputs)
    output.loss.backward()
    assert all(made.get_parameter(name).grad is not None for name in made.trainable_parameter_names())
    assert (made.contextual_em is not None) == (mixer != "none" and (alpha, beta) != (0, 0))
    assert (made.cross_attention is not None) == (mixer != "none" and beta != 0)
    # only "none" keeps every clip to itself
    changed = inputs["frame_features"].clone()
    changed[:, 0] = changed[:, 0].flip(-1)
    moved = made.eval().encode_window(changed, inputs["frame_mask"], inputs["clip_mask"])[:, 2]
    still = made.encode_window(inputs["frame_features"], inputs["frame_mask"], inputs["clip_mask"])[:, 2]
    alone = mixer == "none" or (mixer == "em" and (alpha, beta) == (0, 0))
    assert torch.allclose(moved, still, atol=1e-6) == alone


def test_equation_10() -> None:
    made = tiny_models.model(alpha=2.0, beta=0.5)
    features, mask = torch.randn(1, 3, 3, JOINT), torch.ones(1, 3, dtype=torch.bool)
    h = made.perceiver(features[0], torch.ones(3, 3, dtype=torch.bool))[None]
    found = made.contextual_em(h, mask)
    summed = h + 2 * found.reconstruction + 0.5 * made.cross_attention(h, found.bases, found.basis_mask)
    assert torch.allclose(made.encode_window(features), made.projection(summed), atol=1e-5)


@pytest.mark.parametrize("clips", [1, 2, 64])
def test_any_number_of_clips_and_bases(clips: int) -> None:
    for bases in (2, 64):
        made = tiny_models.model(em_num_bases=bases)
        embeds = made.encode_window(torch.randn(1, clips, 3, JOINT))
        assert embeds.shape == (1, clips, 4, LANGUAGE) and torch.isfinite(embeds).all()


def test_projections_start_at_the_size_of_token_embeddings() -> None:
    made = tiny_models.model(seed=3)
    target = made.get_input_embeddings().weight.square().mean().sqrt().item()
    # real features are un-normalised and far from unit size; the Perceiver's norm makes that irrelevant
    visual = made.encode_window(30 * torch.randn(1, 4, 3, JOINT))
    assert visual.square().mean().sqrt().item() == pytest.approx(target, rel=0.2)
    made.scale_projections(face_features=7 * torch.randn(2, 5, JOINT, generator=torch.Generator().manual_seed(0)))
    faces = made.face_projection(7 * torch.randn(2, 5, JOINT, generator=torch.Generator().manual_seed(0)))
    assert faces.square().mean().sqrt().item() == pytest.approx(target, rel=1e-4)


def test_pixels_and_their_features_give_the_same(model: Any) -> None:
    inputs = tiny_models.inputs(faces=1)
    pixels, portraits = torch.randn(2, 3, 3, 3, 8, 8), torch.randn(2, 1, 3, 8, 8)
    features = model.encode_frames(pixels)
    assert features.shape == (2, 3, 3, JOINT)
    expected = model.vision_tower(pixel_values=pixels[1, 2]).image_embeds
    assert torch.allclose(features[1, 2], expected, atol=1e-5)
    assert model.encode_frames(pixels[:0]).shape == (0, 3, 3, JOINT)
    inputs["frame_features"], inputs["face_features"] = features, model.encode_frames(portraits)
    plain = model(**inputs)
    del inputs["frame_features"], inputs["face_features"]
    seen = model(**inputs, pixel_values=pixels, face_pixel_values=portraits)
    assert torch.allclose(plain.logits, seen.logits, atol=1e-5)


def test_losses_of_the_configuration(model: Any) -> None:
    inputs = tiny_models.inputs()
    for changes in ({"dist_loss": "bag"}, {"dist_normalisation": "own"}, {"lambda_dist": 0.0}):
        made = tiny_models.model(**changes)
        output = made(**inputs)
        weight = changes.get("lambda_dist", 1.0)
        assert torch.allclose(output.loss, output.loss_auto + weight * output.loss_distinctive)
        assert output.loss_distinctive.requires_grad == (weight != 0)
    own = tiny_models.model(dist_normalisation="own")(**inputs).loss_distinctive
    assert own > tiny_models.model()(**inputs).loss_distinctive


def test_bfloat16_runs(model: Any) -> None:
    made = tiny_models.model("llama").to(torch.bfloat16)
    output = made(**tiny_models.inputs())
    assert output.logits.dtype == torch.bfloat16 and torch.isfinite(output.loss)
    made = tiny_models.model("gpt2")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made.train()(**tiny_models.inputs()).loss.backward()
    assert made.perceiver.latents.grad.dtype == torch.float32


def test_contradictory_inputs_are_refused(model: Any) -> None:
    inputs = tiny_models.inputs()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"pixel_values": torch.zeros(2, 3, 3, 3, 8, 8)}, "exactly one"),
        ({"input_ids": inputs["input_ids"].masked_fill(inputs["input_ids"] == VIDEO, 5)}, "visual slots"),
        ({"face_features": None}, "face_index"),
        ({"face_index": None}, "without portraits"),
        ({"face_index": inputs["face_index"] + 5}, "0 to 1"),
        ({"frame_features": torch.zeros(2, 3, 9, JOINT), "frame_mask": None}, "num_frames"),
    ]
    for change, message in cases:
        with pytest.raises(ValueError, match=message):
            model(**(inputs | change))
    with pytest.raises(ValueError, match="distinctive_mask"):
        tiny_models.model().train()(**(inputs | {"distinctive_mask": None}))
    with pytest.raises(ValueError, match="em_similarity"):
        tiny_models.config(em_similarity="l2")
    with pytest.raises(ValueError, match="format_version"):
        tiny_models.config(format_version=2)
