"""What a maintainer of transformers found by reading: each of these was wrong, or ended in a foreign traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import VOCABULARY, config, fields, inputs, model, text_config, vision_config
from torch import nn
from transformers import AutoModelForCausalLM, CLIPVisionModelWithProjection, GPT2LMHeadModel

from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration


def asked() -> dict[str, Any]:
    """Prompts without answers."""
    return {k: v for k, v in inputs(answer=0).items() if k not in ("labels", "distinctive_mask")}


def test_checkpointed_layers_in_training_write_the_same_texts() -> None:
    made = model("llama")
    texts = made.generate(**asked(), num_beams=1)
    made.gradient_checkpointing_enable()
    made.train()
    assert torch.equal(made.generate(**asked(), num_beams=1), texts)
    made(**inputs()).loss.backward()
    assert any(module.training for module in made.language_model.modules())  # the layers are checkpointed again


def test_a_named_language_model_given_in_bfloat16_is_found_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    GPT2LMHeadModel(text_config()).save_pretrained(tmp_path / "lm")
    half = AutoModelForCausalLM.from_pretrained(tmp_path / "lm", dtype=torch.bfloat16)
    whole = DistinctADForConditionalGeneration.from_towers(
        CLIPVisionModelWithProjection(vision_config()), half, text_model_name_or_path=str(tmp_path / "lm"), **fields()
    )
    whole.save_pretrained(tmp_path / "named", save_language_model=False)
    again = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "named", dtype=torch.bfloat16)
    ours, theirs = half.state_dict(), again.language_model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("wrapped", ["adapters", "compiled"])
def test_a_wrapped_language_model_is_not_saved_where_it_could_not_be_loaded(tmp_path: Path, wrapped: str) -> None:
    from peft import LoraConfig, get_peft_model

    made = model()
    if wrapped == "adapters":
        lora = get_peft_model(made.language_model, LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True))
    else:
        made.language_model = torch.compile(made.language_model)  # type: ignore[assignment]
    with pytest.raises(ValueError, match="the language model is wrapped"):
        made.save_pretrained(tmp_path / "model")
    if wrapped == "adapters":
        lora.merge_and_unload()
    else:
        made.language_model = made.language_model._orig_mod  # type: ignore[assignment]
    made.save_pretrained(tmp_path / "model")
    again = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "model")
    assert torch.equal(again(**inputs()).logits, made(**inputs()).logits)


@pytest.mark.parametrize("wrapped", ["adapters", "compiled"])
def test_a_wrapped_language_model_is_not_saved_from_given_weights_either(tmp_path: Path, wrapped: str) -> None:
    from peft import LoraConfig, get_peft_model

    made = model()
    plain = made.state_dict()
    if wrapped == "adapters":
        get_peft_model(made.language_model, LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True))
        weights = made.state_dict()
    else:
        weights = torch.compile(made).state_dict()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="the language model is wrapped"):  # as accelerate hands them over
        made.save_pretrained(tmp_path / "model", state_dict=weights)
    assert not (tmp_path / "model").exists()
    made.save_pretrained(tmp_path / "model", state_dict=plain)  # what is written counts, not what the model has become
    again = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "model")
    assert torch.equal(again(**inputs()).logits, model()(**inputs()).logits)


def adapted(folder: Path) -> Any:
    """A model of a folder with adapters by transformers' own `add_adapter`, which do something."""
    from peft import LoraConfig

    made = DistinctADForConditionalGeneration.from_pretrained(folder)
    made.add_adapter(LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(generator=torch.Generator().manual_seed(0))
    return made


@pytest.mark.parametrize("stored", [True, False])
def test_adapters_of_transformers_are_saved_alone_and_loaded_again(tmp_path: Path, stored: bool) -> None:
    plain = model()
    plain.language_model.save_pretrained(tmp_path / "lm")
    plain.config.text_model_name_or_path = str(tmp_path / "lm")
    plain.save_pretrained(tmp_path / "base", save_language_model=stored)
    made = adapted(tmp_path / "base")
    made.save_pretrained(tmp_path / "adapters")
    written = {file.name for file in (tmp_path / "adapters").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= written
    assert not written & {"config.json", "model.safetensors"}
    again = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "base")
    again.load_adapter(str(tmp_path / "adapters"))
    logits = made(**inputs()).logits
    assert torch.equal(again(**inputs()).logits, logits) and not torch.equal(plain(**inputs()).logits, logits)
    if stored:  # the folder names its base
        loaded = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "adapters")
        assert torch.equal(loaded(**inputs()).logits, logits)
    made.delete_adapter("default")  # peft's layers stay, so that the names are not yet the model's
    with pytest.raises(ValueError, match="the language model is wrapped" if stored else "are not those of"):
        made.save_pretrained(tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


def test_adapters_never_miss_the_language_model_that_a_model_names(tmp_path: Path) -> None:
    from peft import LoraConfig

    plain = model()
    plain.language_model.save_pretrained(tmp_path / "lm")
    plain.config.text_model_name_or_path = str(tmp_path / "lm")
    plain.save_pretrained(tmp_path / "base", save_language_model=False)
    made = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "base")
    made.add_adapter(LoraConfig(r=2, target_modules=["c_attn", "mlp_in"]))  # of both, so that peft finds something
    made.save_pretrained(tmp_path / "adapters")
    with pytest.raises(ValueError, match=r"a model that names its language model; .* then load_adapter\("):
        DistinctADForConditionalGeneration.from_pretrained(tmp_path / "adapters")


def test_a_plain_trainer_saves_adapters(tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    model().save_pretrained(tmp_path / "base")
    made = adapted(tmp_path / "base")
    window = {name: tensor[0] for name, tensor in inputs(batch=1).items()}
    asked = TrainingArguments(
        output_dir=str(tmp_path / "run"), max_steps=1, learning_rate=0.1, save_steps=1, report_to=[], use_cpu=True,
        disable_tqdm=True,
    )  # fmt: skip
    Trainer(model=made, args=asked, train_dataset=[window]).train()
    again = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "run" / "checkpoint-1")
    logits = [each.eval()(**inputs()).logits for each in (adapted(tmp_path / "base"), made, again)]
    assert torch.equal(logits[1], logits[2]) and not torch.equal(logits[0], logits[1])


def test_a_text_beyond_the_positions_is_one_sentence() -> None:
    made = model()
    with pytest.raises(ValueError, match=r"a prompt with its text has \d+ tokens and the language model 96 positions"):
        made(**inputs(answer=96))


class Scaled(nn.Embedding):
    """Embeddings that are scaled when they are called, as Gemma's are."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return super().forward(ids) * 48


def test_projections_start_at_the_size_of_words_as_the_language_model_calls_them() -> None:
    made = model()
    words = made.get_input_embeddings().weight
    scaled = Scaled(VOCABULARY, words.shape[1], _weight=words.detach().clone())
    made.set_input_embeddings(scaled)
    made.scale_projections()
    seen = scaled(torch.arange(VOCABULARY)).detach().square().mean().sqrt()
    assert 0.5 < float(made.ad_start.detach().square().mean().sqrt() / seen) < 2


def test_portraits_and_frames_find_weights_that_lie_elsewhere(tmp_path: Path) -> None:
    from accelerate import cpu_offload

    made, given = model(), asked()
    given.pop("frame_features")
    given["pixel_values"] = torch.rand(2, 3, 3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    texts = made.generate(**given, num_beams=1)
    for part in (made.face_projection, made.vision_tower):
        cpu_offload(part, execution_device=torch.device("cpu"))
    assert next(made.vision_tower.parameters()).is_meta
    assert torch.equal(made.generate(**given, num_beams=1), texts)


def test_the_width_of_words_may_differ_from_the_layers() -> None:
    narrow = config()
    narrow.text_config.word_embed_proj_dim = 12
    assert narrow.language_size == 12
