"""Logits only where the loss counts, chunks of clips, adapters, half precision: equal to the plain computation."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import tiny_models
import torch

LOSSES = ({}, {"dist_loss": "bag"}, {"dist_normalisation": "own"}, {"lambda_dist": 0.0})


def gradients(model: Any, inputs: dict[str, Any], **how: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    model.zero_grad()
    output = model.train()(**inputs, **how)
    (2.0 * output.loss).backward()  # an outer factor must pass through
    named = ((name, model.get_parameter(name).grad) for name in model.trainable_parameter_names())
    return output, {name: grad.clone() for name, grad in named if grad is not None}


def uneven(side: str = "right") -> dict[str, Any]:
    """Inputs with a padded clip, a clip without an AD, and ADs of unequal lengths."""
    inputs = tiny_models.inputs(batch=2, clips=4, side=side)
    inputs["clip_mask"][0, 3] = False
    inputs["labels"][1, 1] = -100
    row, last = inputs["labels"][1, 2], int((inputs["labels"][1, 2] != -100).nonzero()[-1])
    row[last] = -100
    inputs["attention_mask"][1, 2, last] = 0
    return inputs


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("changes", LOSSES, ids=str)
@pytest.mark.parametrize("chunk", [0, 1, 3, 100])
def test_supervised_logits_and_chunks_equal_the_plain_computation(kind: str, changes: dict, chunk: int) -> None:
    model, inputs = tiny_models.model(kind, **changes), uneven()
    plain, expected = gradients(model, inputs)
    found, given = gradients(model, inputs, loss_only=True, language_chunk=chunk)
    assert found.logits is None
    for name in ("loss", "loss_auto", "loss_distinctive"):
        assert found[name].item() == pytest.approx(plain[name].item(), rel=1e-5)
    assert given.keys() == expected.keys()
    for name, gradient in expected.items():
        assert torch.allclose(given[name], gradient, rtol=1e-4, atol=1e-6 + 1e-5 * float(gradient.abs().max())), name


def test_left_padded_batches_and_global_counts() -> None:
    model = tiny_models.model(dist_normalisation="own").eval()
    right, left = uneven("right"), uneven("left")
    counts = {"num_items_in_batch": torch.tensor(50), "num_distinctive_in_batch": 20}
    plain = model(**right, **counts)
    for inputs in (right, left):
        inputs = inputs if inputs is right else tiny_models.inputs(batch=2, clips=4, side="left")
        same = model(**inputs, **counts)
        only = model(**inputs, **counts, loss_only=True, language_chunk=2)
        assert only.loss.item() == pytest.approx(same.loss.item(), rel=1e-5)
    marked = (right["distinctive_mask"] & (right["labels"] != -100) & right["clip_mask"][..., None]).sum()
    halved = model(**right, num_distinctive_in_batch=2 * marked)
    assert float(halved.loss_distinctive) == pytest.approx(float(model(**right).loss_distinctive) / 2, rel=1e-5)
    assert float(plain.loss) > 0


def test_only_supervised_logits_are_computed() -> None:
    model, inputs = tiny_models.model(), uneven()
    shapes: list[tuple[int, ...]] = []
    head = model.get_output_embeddings()
    handle = head.register_forward_hook(lambda module, args, output: shapes.append(tuple(output.shape)))
    model(**inputs, loss_only=True)
    model(**inputs, loss_only=True, language_chunk=2)
    handle.remove()
    rows = int(((inputs["labels"] != -100).any(-1) & inputs["clip_mask"]).sum())
    assert rows == 6 and shapes[0][0] == rows and shapes[0][1] <= 4 + 2  # 4 tokens, one place before, one short row
    assert [shape[0] for shape in shapes[1:]] == [2, 2, 2]


def test_a_wrapped_language_model_is_told_its_positions() -> None:
    from peft import LoraConfig, get_peft_model

    model, batch = tiny_models.model("gpt2"), tiny_models.inputs()
    bare, want = model.language_model, float(model(**batch).loss.detach())
    lora = LoraConfig(r=2, target_modules=["c_attn"], task_type="CAUSAL_LM", fan_in_fan_out=True)
    for wrapped in (torch.compile(bare, backend="eager"), get_peft_model(bare, lora)):
        model.language_model = wrapped
        assert float(model(**batch, loss_only=True).loss.detach()) == pytest.approx(want, rel=1e-5)


def test_chunks_in_float16_are_refused() -> None:
    """Their gradients would be made before a loss scale can lift them above what float16 holds."""
    model, batch = tiny_models.model("gpt2").train(), tiny_models.inputs()
    with torch.autocast("cpu", torch.float16), pytest.raises(ValueError, match="language_chunk is 2 in float16"):
        model(**batch, loss_only=True, language_chunk=2)
    with torch.no_grad(), torch.autocast("cpu", torch.float16):
        model(**batch, loss_only=True, language_chunk=2)  # nothing is to be learnt


def test_a_batch_without_any_text_gives_zero_with_gradients() -> None:
    model, inputs = tiny_models.model(), tiny_models.inputs()
    inputs["labels"][:] = -100
    output, given = gradients(model, inputs, loss_only=True, language_chunk=2)
    assert float(output.loss) == 0.0
    assert set(given) == set(model.trainable_parameter_names())
    assert all(float(gradient.abs().max()) == 0 for gradient in given.values())


def test_parts_of_a_batch_add_up_to_the_whole() -> None:
    inputs = tiny_models.inputs(batch=4)
    supervised = (inputs["labels"][..., 1:] != -100).sum()
    marked = ((inputs["labels"][..., 1:] != -100) & inputs["distinctive_mask"][..., 1:]).sum()
    for changes in LOSSES:
        model = tiny_models.model(**changes)
        _, whole = gradients(model, inputs, loss_only=True)
        model.zero_grad()
        for row in range(4):
            part = {name: value[row : row + 1] for name, value in inputs.items()}
            counts = {"num_items_in_batch": supervised, "num_distinctive_in_batch": marked}
            (2.0 * model(**part, **counts, loss_only=True).loss).backward()
        for name, gradient in whole.items():
            bound = 1e-5 * float(gradient.abs().max()) + 1e-7
            assert torch.allclose(model.get_parameter(name).grad, gradient, rtol=1e-4, atol=bound), (changes, name)


@pytest.mark.parametrize("chunk", [0, 2])
def test_adapters_train_and_fold_back(chunk: int) -> None:
    from train.stage2 import add_lora

    inputs = tiny_models.inputs()
    model = tiny_models.model("gpt2")
    before = model(**inputs).logits
    lora = add_lora(model, rank=2, alpha=4.0, targets="c_attn")
    names = [name for name in model.trainable_parameter_names() if "lora_" in name]
    assert len(names) == 4 and all(model.get_parameter(name).dtype == torch.float32 for name in names)
    assert torch.allclose(model(**inputs).logits, before, atol=1e-5)  # they start at nothing, positions are kept
    with torch.no_grad():
        for name in names:
            model.get_parameter(name).add_(0.05)
    _, expected = gradients(model, inputs)
    _, given = gradients(model, inputs, loss_only=True, language_chunk=chunk)
    for name in model.trainable_parameter_names():
        assert torch.allclose(given[name], expected[name], rtol=1e-4, atol=1e-5), name
    untold = {**inputs, "labels": torch.full_like(inputs["labels"], -100)}
    _, given = gradients(model, untold, loss_only=True, language_chunk=chunk)  # one rank's share of a step
    assert set(given) == set(expected) and not any(gradient.any() for gradient in given.values())
    changed = model.eval()(**inputs).logits
    lora.merge_and_unload()
    assert torch.allclose(model(**inputs).logits, changed, atol=1e-4)
    assert not [name for name, _ in model.named_parameters() if "lora_" in name]


def test_a_frozen_language_model_in_half_precision_trains_float32_parts() -> None:
    from transformers import AutoModelForCausalLM, CLIPVisionModelWithProjection

    fields = {k: v for k, v in tiny_models.config().to_dict().items() if k in (
        "num_frames", "num_prompt_vectors", "window_size", "em_num_bases", "video_token_id", "face_token_id",
        "ad_start_token_id", "face_tokens")}  # fmt: skip
    torch.manual_seed(0)
    language = AutoModelForCausalLM.from_config(tiny_models.text_config("llama")).to(torch.bfloat16)
    vision = CLIPVisionModelWithProjection(tiny_models.vision_config()).to(torch.bfloat16)
    model: Any = type(tiny_models.model()).from_towers(vision, language, **fields).train()
    assert {p.dtype for p in model.language_model.parameters()} == {torch.bfloat16}
    assert {model.get_parameter(name).dtype for name in model.trainable_parameter_names()} == {torch.float32}
    inputs = tiny_models.inputs()
    output, given = gradients(model, inputs, loss_only=True, language_chunk=2)
    assert output.loss.dtype == torch.float32
    assert {g.dtype for g in given.values()} == {torch.float32} and all(torch.isfinite(g).all() for g in given.values())
    assert not any(p.grad is not None for p in model.language_model.parameters())


def test_checkpointed_layers_recompute_and_em_does_not() -> None:
    inputs, runs, given = tiny_models.inputs(), [], []
    for checkpointing in (False, True):
        model = tiny_models.model("gpt2")
        if checkpointing:
            model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
        em, layer = list[int](), list[int]()
        model.contextual_em.register_forward_pre_hook(functools.partial(lambda seen, *_: seen.append(1), em))
        block = model.language_model.transformer.h[0].mlp
        block.register_forward_pre_hook(functools.partial(lambda seen, *_: seen.append(1), layer))
        given.append(gradients(model, inputs, loss_only=True, language_chunk=3)[1])
        runs.append((len(em), len(layer)))
    assert runs == [(1, 2), (1, 4)]  # two chunks; each layer twice, EM once
    for name, gradient in given[0].items():
        assert torch.allclose(given[1][name], gradient, rtol=1e-4, atol=1e-6)


def test_truth_never_reaches_inference() -> None:
    model, prompts = tiny_models.model(), tiny_models.inputs(answer=0)
    shape = prompts["input_ids"].shape
    plain = model.generate(**prompts)
    generator = torch.Generator().manual_seed(5)
    for _ in range(3):
        labels = torch.randint(0, 50, shape, generator=generator)
        mask = torch.rand(shape, generator=generator) < 0.5
        assert torch.equal(model.generate(**prompts, labels=labels, distinctive_mask=mask), plain)


def test_clips_that_lend_context_only_get_no_text() -> None:
    model, prompts = tiny_models.model(), tiny_models.inputs(answer=0)
    wanted = torch.tensor([[True, False, False], [False, True, True]])
    whole, some = model.generate(**prompts), model.generate(**prompts, describe_mask=wanted)
    width = some.shape[-1]
    assert torch.equal(some[wanted], whole[..., :width][wanted])
    assert (some[~wanted] == tiny_models.EOS).all()


def test_a_divisor_that_the_double_sum_does_not_read_is_refused() -> None:
    with pytest.raises(ValueError, match='dist_normalisation="own" with dist_loss="bag"'):
        tiny_models.config(dist_loss="bag", dist_normalisation="own")
