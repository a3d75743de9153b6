"""Saving, loading, assembling from towers, remote code in a fresh process, and the golden checkpoint."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from far_process import ALONE
from safetensors.torch import load_file, save_file
from tiny_models import fields
from transformers import (
    AutoModelForCausalLM,
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionModelWithProjection,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from modeling_distinctad import pretrained_distinctad
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.towers_distinctad import load_language, weights_sha256

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny"
Model = DistinctADForConditionalGeneration


def logits_of(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(**tiny_models.inputs()).logits


@pytest.fixture
def towers(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of a full CLIP (outer and inner projection width both 32) and of a GPT-2."""
    torch.manual_seed(1)
    text = CLIPTextConfig(
        vocab_size=30, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=8, projection_dim=tiny_models.JOINT,
    )  # fmt: skip
    clip = CLIPModel(
        CLIPConfig(text_config=text, vision_config=tiny_models.vision_config(), projection_dim=tiny_models.JOINT)
    )
    clip.save_pretrained(tmp_path / "clip")
    AutoModelForCausalLM.from_config(tiny_models.text_config("gpt2")).save_pretrained(tmp_path / "lm")
    return tmp_path / "clip", tmp_path / "lm"


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_saved_and_loaded_models_agree(kind: str, tmp_path: Path) -> None:
    model = tiny_models.model(kind, em_bases_init="random")
    model.save_pretrained(tmp_path)
    loaded = Model.from_pretrained(tmp_path)
    assert torch.allclose(logits_of(model), logits_of(loaded), atol=1e-6)
    assert loaded.trainable_parameter_names() == model.trainable_parameter_names()
    assert not loaded.training
    prompts = tiny_models.inputs(answer=0)
    assert torch.equal(model.generate(**prompts), loaded.generate(**prompts))
    half = Model.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert half.projection.weight.dtype == torch.bfloat16
    assert torch.equal(half.contextual_em.bases, model.contextual_em.bases)
    assert half.contextual_em.bases.dtype == torch.float32


def test_scaling_is_never_redone_at_loading(tmp_path: Path) -> None:
    model = tiny_models.model()
    with torch.no_grad():
        model.projection.weight.mul_(3)
    model.save_pretrained(tmp_path)
    assert torch.equal(Model.from_pretrained(tmp_path).projection.weight, model.projection.weight)


@pytest.mark.parametrize("prefix", ["vision_tower.", "language_model.", "perceiver.latents", "projection.bias"])
def test_missing_weights_are_an_error(prefix: str, tmp_path: Path) -> None:
    tiny_models.model().save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(file).items() if not name.startswith(prefix)}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"weights missing.*{prefix.split('.')[0]}"):
        Model.from_pretrained(tmp_path)


def test_from_towers_of_folders_and_modules(towers: tuple[Path, Path]) -> None:
    clip, language = towers
    model = Model.from_towers(str(clip), str(language), **fields())
    vision = CLIPVisionModelWithProjection.from_pretrained(clip)
    assert model.config.joint_size == tiny_models.JOINT
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(model.encode_frames(images), vision(images).image_embeds)
    stored = AutoModelForCausalLM.from_pretrained(language)
    for name, parameter in stored.named_parameters():
        assert torch.equal(parameter, model.language_model.get_parameter(name))
    assert model.config.text_model_name_or_path is None  # a local folder means nothing elsewhere
    target = stored.get_input_embeddings().weight.square().mean().sqrt().item()
    assert model.ad_start.square().mean().sqrt().item() == pytest.approx(target, rel=0.5)
    whole = CLIPModel.from_pretrained(clip)
    again = Model.from_towers(whole, stored, **fields())
    assert torch.equal(again.encode_frames(images), model.encode_frames(images))
    assert again.trainable_parameter_names() == model.trainable_parameter_names()


def test_a_vision_tower_without_projection(tmp_path: Path) -> None:
    config = SiglipVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4
    )
    SiglipVisionModel(config).save_pretrained(tmp_path / "siglip")
    language = AutoModelForCausalLM.from_config(tiny_models.text_config())
    model = Model.from_towers(str(tmp_path / "siglip"), language, **fields())
    features = model.encode_frames(torch.randn(1, 2, 3, 3, 8, 8))
    assert features.shape == (1, 2, 3, 16) == (1, 2, 3, model.config.joint_size)
    model.save_pretrained(tmp_path / "model")
    loaded = Model.from_pretrained(tmp_path / "model")
    assert torch.equal(loaded.encode_window(features), model.encode_window(features))


def test_an_incomplete_tower_is_refused(towers: tuple[Path, Path]) -> None:
    clip, language = towers
    tensors = load_file(clip / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, clip / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="visual_projection"):
        Model.from_towers(str(clip), str(language), **fields())


def test_the_language_model_may_be_named_instead_of_stored(towers: tuple[Path, Path], tmp_path: Path) -> None:
    clip, language = towers
    model = Model.from_towers(str(clip), str(language), **fields())
    with pytest.raises(ValueError, match="text_model_name_or_path"):
        model.save_pretrained(tmp_path / "named", save_language_model=False)
    model.config.text_model_name_or_path = str(language)
    model.save_pretrained(tmp_path / "named", save_language_model=False)
    assert model.config.text_model_stored  # the live model is as it was
    assert not any(name.startswith("language_model") for name in load_file(tmp_path / "named" / "model.safetensors"))
    loaded = Model.from_pretrained(tmp_path / "named")
    assert torch.allclose(logits_of(loaded), logits_of(model), atol=1e-6)
    assert loaded.trainable_parameter_names() == model.trainable_parameter_names()
    loaded.save_pretrained(tmp_path / "again")  # stays named
    assert not json.loads((tmp_path / "again" / "config.json").read_text())["text_model_stored"]
    loaded.save_pretrained(tmp_path / "whole", save_language_model=True)
    assert torch.allclose(logits_of(Model.from_pretrained(tmp_path / "whole")), logits_of(model), atol=1e-6)
    other = AutoModelForCausalLM.from_config(tiny_models.text_config())
    other.save_pretrained(language)
    assert weights_sha256(other) != model.config.text_model_sha256
    with pytest.raises(ValueError, match="SHA-256"):
        Model.from_pretrained(tmp_path / "named")


def test_naming_never_loses_changed_weights(towers: tuple[Path, Path], tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    clip, language = towers
    model = Model.from_towers(str(clip), str(language), text_model_name_or_path=str(language), **fields())
    model.language_model.to(torch.bfloat16)  # a cast is no other model
    model.save_pretrained(tmp_path / "named", save_language_model=False)
    model.language_model.float()
    lora = LoraConfig(r=2, target_modules=["c_attn"], task_type="CAUSAL_LM", fan_in_fan_out=True)
    adapted = get_peft_model(model.language_model, lora)
    with pytest.raises(ValueError, match=r"are not those of .* store them with save_language_model=True"):
        model.save_pretrained(tmp_path / "named", save_language_model=False)
    with torch.no_grad():
        for name, parameter in model.language_model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    adapted.merge_and_unload()
    for path in ("merged", "again"):  # stored, then loaded and stored: never named unseen
        model.save_pretrained(tmp_path / path)
        with pytest.raises(ValueError, match="are not those of"):
            model.save_pretrained(tmp_path / "named", save_language_model=False)
        model = Model.from_pretrained(tmp_path / path)


def test_how_to_fetch_and_attend_holds_for_a_named_language_model(
    towers: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, language = towers
    model = Model.from_towers(str(clip), str(language), text_model_name_or_path=str(language), **fields())
    model.save_pretrained(tmp_path / "named", save_language_model=False)
    asked: dict[str, Any] = {}

    def load(*args: Any, **kwargs: Any) -> Any:
        asked.update(kwargs)
        return load_language(*args, **kwargs)

    monkeypatch.setattr(pretrained_distinctad, "load_language", load)
    loaded, info = Model.from_pretrained(
        tmp_path / "named", attn_implementation="eager", local_files_only=True, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]  # nothing to frighten anyone with
    assert asked == {"attn_implementation": "eager", "local_files_only": True}
    assert loaded.language_model.config._attn_implementation == "eager"
    assert torch.allclose(logits_of(loaded), logits_of(model), atol=1e-5)


def test_the_parts_of_a_configuration_are_those_of_the_towers(towers: tuple[Path, Path], tmp_path: Path) -> None:
    clip, language = towers
    vision = CLIPVisionModelWithProjection.from_pretrained(clip, attn_implementation="eager")
    given = AutoModelForCausalLM.from_pretrained(language, attn_implementation="eager")
    before = copy.deepcopy([vars(vision.config), vars(given.config)])
    made: Any = Model.from_towers(vision, given, text_model_name_or_path=str(language), **fields())
    assert [vars(vision.config), vars(given.config)] == before  # a caller's configurations are only looked at
    made.config.text_config.pad_token_id = 3
    made.save_pretrained(tmp_path / "named", save_language_model=False)
    asked = {"text_config": "eager"}
    named = Model.from_pretrained(tmp_path / "named", attn_implementation=asked)
    assert named.language_model.config._attn_implementation == "eager"
    assert named.config.text_config.pad_token_id == 3  # what the checkpoint says, as where it stores the model
    named.save_pretrained(tmp_path / "again")
    configs = [(tmp_path / name / "config.json").read_text("utf-8") for name in ("named", "again")]
    assert configs[0] == configs[1]
    other = Model.from_pretrained(tmp_path / "named", attn_implementation={"vision_config": "eager"})
    assert other.vision_tower.config._attn_implementation == "eager" != other.language_model.config._attn_implementation
    for model in (made, named):
        assert model.config.text_config is model.language_model.config
        assert model.config.vision_config is model.vision_tower.config
        for way in ("sdpa", "eager"):
            model.set_attn_implementation({"text_config": way})
            assert model.language_model.config._attn_implementation == way
        model.resize_token_embeddings(70)
        assert model.language_model.config.vocab_size == 70
        assert model.generate(**tiny_models.inputs(answer=0)).shape[:2] == (2, 3)  # beams count the vocabulary


def test_a_folder_that_a_tower_came_from_is_not_written_down(towers: tuple[Path, Path], tmp_path: Path) -> None:
    clip, language = towers
    given = AutoModelForCausalLM.from_pretrained(language)
    sources: tuple[Any, ...] = (str(language), given)
    for number, source in enumerate(sources):
        made: Any = Model.from_towers(str(clip), source, **fields())
        made.save_pretrained(tmp_path / f"{number}")
        Model.from_pretrained(tmp_path / f"{number}").save_pretrained(tmp_path / f"{number}_again")
        for folder in (tmp_path / f"{number}", tmp_path / f"{number}_again"):
            written = (folder / "config.json").read_text("utf-8")
            assert json.loads(written)["text_config"]["_name_or_path"] == "" and str(tmp_path) not in written
    assert given.config.name_or_path == str(language)  # the caller's own
    given.config.name_or_path = "owner/model"  # a Hub id
    made.save_pretrained(tmp_path / "hub")
    assert json.loads((tmp_path / "hub" / "config.json").read_text("utf-8"))["text_config"]["_name_or_path"] == (
        "owner/model"
    )


@pytest.mark.parametrize(("name", "value"), [("context_mixer", "non"), ("em_tau", 0), ("em_rounds", 0)])
def test_a_field_given_to_from_pretrained_is_checked(name: str, value: Any, tmp_path: Path) -> None:
    tiny_models.model().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"{name}={value!r}: ") as error:
        Model.from_pretrained(tmp_path, **{name: value})
    assert "\n" not in str(error.value)
    assert Model.from_pretrained(tmp_path, alpha=2.0, context_mixer="em").config.alpha == 2.0
    spoilt = tiny_models.config()
    setattr(spoilt, name, value)
    with pytest.raises(ValueError, match=f"{name}={value!r}: "):
        Model(spoilt)


def test_more_tokens_than_the_language_model_came_with(tmp_path: Path) -> None:
    for name, resize in (
        ("inside", lambda model: model.language_model.resize_token_embeddings(70)),
        ("outside", lambda model: model.resize_token_embeddings(70)),
    ):
        model = tiny_models.model("llama", video_token_id=70, face_token_id=71, ad_start_token_id=72)
        resize(model)
        model.save_pretrained(tmp_path / name)
        loaded = Model.from_pretrained(tmp_path / name)
        assert loaded.get_input_embeddings().weight.shape[0] == loaded.get_output_embeddings().weight.shape[0] == 70
        ids, embeds = torch.tensor([[1, 69]]), loaded.get_input_embeddings()
        assert torch.equal(embeds(ids), model.get_input_embeddings()(ids))


def test_fingerprint_ignores_the_loading_dtype_and_sees_one_changed_number(towers: tuple[Path, Path]) -> None:
    model = AutoModelForCausalLM.from_pretrained(towers[1], dtype=torch.bfloat16)
    before = weights_sha256(model)
    assert weights_sha256(model.float()) == before
    with torch.no_grad():
        model.get_input_embeddings().weight[3, 1] += 1e-3
    assert weights_sha256(model) != before


REMOTE = """
import sys, torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText
for folder in sys.argv[1:]:
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    assert config.model_type == "distinctad" and config.num_prompt_vectors == 4
    model = AutoModel.from_pretrained(folder, trust_remote_code=True)
    assert type(model).__module__.startswith("transformers_modules."), type(model).__module__
    expected = load_file(folder + "/expected.safetensors")
    inputs = {name[6:]: tensor for name, tensor in expected.items() if name.startswith("input.")}
    with torch.no_grad():
        assert torch.allclose(model(**inputs).logits, expected["logits"], atol=1e-6)
    assert "perceiver.latents" in model.trainable_parameter_names()
    assert not any(name.startswith(("vision_tower", "language_model")) for name in model.trainable_parameter_names())
    model.save_pretrained(folder + "_again")
    for auto in (AutoModel, AutoModelForImageTextToText):
        loaded = auto.from_pretrained(folder + "_again", trust_remote_code=True)
        with torch.no_grad():
            assert torch.allclose(loaded(**inputs).logits, expected["logits"], atol=1e-6)
    print(config.text_config.model_type, "works")
assert "modeling_distinctad" not in sys.modules
"""


@pytest.mark.slow
def test_remote_code_in_a_fresh_process(tmp_path: Path) -> None:
    kinds = ("gpt2", "llama")
    for kind in kinds:
        model = tiny_models.model(kind)
        model.save_pretrained(tmp_path / kind)
        mapped = json.loads((tmp_path / kind / "config.json").read_text())["auto_map"]
        assert set(mapped) == {"AutoConfig", "AutoModel", "AutoModelForImageTextToText"}
        inputs = tiny_models.inputs()
        tensors = {f"input.{name}": tensor.contiguous() for name, tensor in inputs.items()}
        save_file(tensors | {"logits": logits_of(model)}, tmp_path / kind / "expected.safetensors")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE + REMOTE, *(str(tmp_path / kind) for kind in kinds)],
        cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert all(f"{kind} works" in done.stdout for kind in kinds)


def test_golden_checkpoint() -> None:
    model = Model.from_pretrained(GOLDEN)
    expected = load_file(GOLDEN / "expected.safetensors")

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): t for name, t in expected.items() if name.startswith(prefix)}

    with torch.no_grad():
        output = model(**part("input."))
    kept = expected["input.attention_mask"].bool() & expected["input.clip_mask"].unsqueeze(-1)
    assert torch.allclose(output.logits[kept], expected["output.logits"][kept], atol=1e-4)
    assert torch.allclose(output.loss_auto, expected["output.loss_auto"], atol=1e-5)
    assert torch.allclose(output.loss_distinctive, expected["output.loss_distinctive"], atol=1e-5)
    assert torch.equal(model.generate(**part("prompt.")), expected["output.ids"])
    assert sum(file.stat().st_size for file in GOLDEN.iterdir()) < 300_000
