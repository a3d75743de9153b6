"""What a dtype casts and what it leaves exact; weights that accelerate has put elsewhere; a GPU without float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import fields, inputs, model, text_config, vision_config
from transformers import CLIPVisionModelWithProjection, LlamaForCausalLM

from modeling_distinctad import towers_distinctad
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.towers_distinctad import load_language


def asked() -> dict[str, Any]:
    """Prompts without answers."""
    return {k: v for k, v in inputs(answer=0).items() if k not in ("labels", "distinctive_mask")}


@pytest.mark.parametrize("kept", [torch.float32, torch.bfloat16])
def test_what_trains_in_bfloat16_is_what_is_served(tmp_path: Path, kept: torch.dtype) -> None:
    torch.manual_seed(0)
    plain = LlamaForCausalLM(text_config("llama"))
    exact = plain.model.rotary_emb.inv_freq.clone()
    plain.to(kept).save_pretrained(tmp_path / "lm")
    CLIPVisionModelWithProjection(vision_config()).save_pretrained(tmp_path / "clip")
    lm, half = str(tmp_path / "lm"), torch.bfloat16
    trained: Any = DistinctADForConditionalGeneration.from_towers(
        str(tmp_path / "clip"), lm, dtype=half, text_model_name_or_path=lm, **fields()
    )
    trained.save_pretrained(tmp_path / "stored")
    trained.save_pretrained(tmp_path / "named", save_language_model=False)
    served = [DistinctADForConditionalGeneration.from_pretrained(tmp_path / n, dtype=half) for n in ("stored", "named")]
    found = [load_language(lm, None, "bfloat16")[0], trained.language_model, *(each.language_model for each in served)]
    ids = torch.arange(2, 50)[None]
    for each in found:
        assert each.dtype == each.config.dtype == half and each.model.rotary_emb.inv_freq.dtype == torch.float32
        assert torch.equal(each.model.rotary_emb.inv_freq, exact)
        assert torch.equal(each(ids).logits, found[0](ids).logits)
    assert load_language(lm)[0].dtype == kept


@pytest.mark.parametrize(("asked", "readings"), [("float32", 1), (torch.float32, 1), ("auto", 1), ("bfloat16", 2)])
def test_a_model_is_read_again_for_another_dtype_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Any, readings: int
) -> None:
    LlamaForCausalLM(text_config("llama")).save_pretrained(tmp_path)
    read, whole = [], towers_distinctad._language_model
    monkeypatch.setattr(towers_distinctad, "_language_model", lambda *given: read.append(given) or whole(*given))
    load_language(str(tmp_path), None, asked)
    assert len(read) == readings


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("where", ["cpu", "disk"])
def test_an_offloaded_model_writes_the_same_texts(kind: str, where: str, tmp_path: Path) -> None:
    from accelerate import cpu_offload, disk_offload

    made, given = model(kind), asked() | {"contrast": 0.5}
    texts = made.generate(**given)
    if where == "cpu":
        cpu_offload(made, execution_device=torch.device("cpu"))
    else:
        disk_offload(made, str(tmp_path), execution_device=torch.device("cpu"))
    for _ in range(2):
        assert made.ad_start.is_meta  # put away again
        assert torch.equal(made.generate(**given), texts)


@pytest.mark.parametrize("whole", [True, False])
def test_a_named_language_model_lies_where_offloaded_parts_are_computed(whole: bool, tmp_path: Path) -> None:
    made = model("llama")
    made.language_model.save_pretrained(tmp_path / "lm")
    made.config.text_model_name_or_path = str(tmp_path / "lm")
    made.save_pretrained(tmp_path / "named", save_language_model=False)
    parts = dict.fromkeys(["ad_start", *(name for name, _ in made.named_children())], "cpu") | {"perceiver": "disk"}
    loaded = DistinctADForConditionalGeneration.from_pretrained(
        tmp_path / "named", device_map={"": "disk"} if whole else parts, offload_folder=tmp_path / "offloaded"
    )
    assert loaded.perceiver.latents.is_meta and loaded.ad_start.is_meta == whole
    assert {p.device.type for p in loaded.language_model.parameters()} == {"cpu"}
    assert torch.equal(loaded.generate(**asked()), made.generate(**asked()))


class OnApple(torch.Tensor):
    """A tensor as on Apple's GPU, which knows no float64."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.Tensor.double:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        found = super().__torch_function__(function, types, args, kwargs or {})
        return found.as_subclass(torch.Tensor) if function is torch.Tensor.cpu else found


def test_the_health_of_em_is_measured_where_there_is_no_float64() -> None:
    made, frames = model(), inputs()["frame_features"]
    assert made.em_health(frames.as_subclass(OnApple)) == made.em_health(frames)
