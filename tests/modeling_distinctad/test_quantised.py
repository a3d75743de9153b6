"""A checkpoint that names its language model, loaded with a quantiser: of transformers' own kind, registered here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import fields, inputs, text_config, vision_config
from torch import nn
from transformers import CLIPVisionModelWithProjection, LlamaForCausalLM
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING, AUTO_QUANTIZER_MAPPING
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration

STEP = 2.0**-6


class GridConfig(QuantizationConfigMixin):  # type: ignore[misc]
    """Linear weights as multiples of a step."""

    def __init__(
        self, modules_to_not_convert: list[str] | None = None, quant_method: str = "grid", **rest: Any
    ) -> None:
        self.modules_to_not_convert, self.quant_method = modules_to_not_convert, quant_method


class Rounded(torch.Tensor):
    """What some quantisers put into a parameter's place: no plain tensor, and none that NumPy takes."""


class GridQuantizer(HfQuantizer):  # type: ignore[misc]
    """Asks the model for its embeddings, as quantisers do, and rounds every linear layer that it is not to leave."""

    is_trainable = True

    def _process_model_before_weight_loading(self, model: Any, **kwargs: Any) -> None:
        model.get_input_embeddings()
        self.kept = self.get_modules_to_not_convert(model, self.quantization_config.modules_to_not_convert, None, True)

    def _process_model_after_weight_loading(self, model: Any, **kwargs: Any) -> None:
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear) and not {name, name.split(".")[0]} & {*self.kept}:
                rounded = (module.weight.data / STEP).round() * STEP
                module.weight = nn.Parameter(rounded.as_subclass(Rounded), requires_grad=False)

    def is_serializable(self) -> bool:
        return True


@pytest.fixture
def grid(monkeypatch: pytest.MonkeyPatch) -> GridConfig:
    monkeypatch.setitem(AUTO_QUANTIZATION_CONFIG_MAPPING, "grid", GridConfig)
    monkeypatch.setitem(AUTO_QUANTIZER_MAPPING, "grid", GridQuantizer)
    return GridConfig(["perceiver", "cross_attention", "projection", "face_projection"])


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A checkpoint beside the language model that it names."""
    torch.manual_seed(0)
    LlamaForCausalLM(text_config("llama")).save_pretrained(tmp_path / "lm")
    made: Any = DistinctADForConditionalGeneration.from_towers(
        CLIPVisionModelWithProjection(vision_config()),
        str(tmp_path / "lm"),
        text_model_name_or_path=str(tmp_path / "lm"),
        **fields(),
    )
    made.save_pretrained(tmp_path / "named", save_language_model=False)
    return tmp_path / "named"


def test_the_named_language_model_is_quantised_too_and_the_trained_parts_are_not(
    named: Path, grid: GridConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = DistinctADForConditionalGeneration.from_pretrained(named)
    with caplog.at_level("WARNING"):
        made = DistinctADForConditionalGeneration.from_pretrained(named, quantization_config=grid)
    theirs, ours = plain.state_dict(), made.state_dict()
    changed = {name.split(".")[0] for name in theirs if not torch.equal(theirs[name], ours[name])}
    assert changed == {"language_model", "vision_tower"}
    assert torch.equal(theirs["language_model.lm_head.weight"], ours["language_model.lm_head.weight"])
    layers = made.language_model.model.layers
    assert torch.equal(layers[0].mlp.up_proj.weight % STEP, torch.zeros_like(layers[0].mlp.up_proj.weight))
    assert {name.split(".")[0] for name in made.trainable_parameter_names()}.isdisjoint({"language_model"})
    assert made(**inputs()).loss.isfinite()
    grid.modules_to_not_convert = None
    with pytest.raises(
        ValueError, match=r"quantises parts that train .*'face_projection', 'perceiver', 'projection'\]"
    ):
        DistinctADForConditionalGeneration.from_pretrained(named, quantization_config=grid)


def test_it_is_saved_and_loaded_again_but_not_with_adapters(named: Path, grid: GridConfig, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    made = DistinctADForConditionalGeneration.from_pretrained(named, quantization_config=grid)
    made.save_pretrained(tmp_path / "again", save_language_model=False)
    again = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "again")
    assert torch.equal(again(**inputs()).logits, made(**inputs()).logits)
    get_peft_model(made.language_model, LoraConfig(r=2, target_modules=["lm_head"]))
    with pytest.raises(ValueError, match="the language model is wrapped"):
        made.save_pretrained(tmp_path / "adapted", save_language_model=False)
