"""Which settings a call generates with: the call, its configuration, the model's, the defaults; and lengths."""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from transformers import GenerationConfig, NoRepeatNGramLogitsProcessor, RepetitionPenaltyLogitsProcessor

from modeling_distinctad.generation_distinctad import by_room, generation_settings, own_settings
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration

DEFAULTS = {
    "do_sample": False, "eos_token_id": 1, "pad_token_id": 1, "num_beams": 5, "length_penalty": 1.0,
    "repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "max_new_tokens": 8, "contrast": 0.0,
}  # fmt: skip


def prompts() -> dict[str, Any]:
    """Prompts without text; the longest has 9 tokens."""
    return tiny_models.inputs(answer=0)


def settings_of(model: Any, **asked: Any) -> dict[str, Any]:
    return generation_settings(model.config, model.generation_config, asked)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_what_transformers_copies_from_the_configuration_changes_nothing(kind: str, tmp_path: Path) -> None:
    """A model as made, as loaded without the file, and as loaded with the file that it wrote unasked."""
    text = tiny_models.text_config(kind)
    text.use_cache = False  # as training leaves it
    model = tiny_models.model(kind, text_config=text)
    assert settings_of(model) == DEFAULTS
    model.save_pretrained(tmp_path)
    file = tmp_path / "generation_config.json"
    assert json.loads(file.read_text())["eos_token_id"] == 1
    for written in (True, False):
        loaded = DistinctADForConditionalGeneration.from_pretrained(tmp_path)
        assert settings_of(loaded) == DEFAULTS
        assert torch.equal(loaded.generate(**prompts()), model.generate(**prompts()))
        if written:
            file.unlink()
    loaded.config.eos_token_id = 7  # the language model's own end was copied, and must not lead
    assert settings_of(loaded)["eos_token_id"] == 7


def test_what_is_set_in_the_models_generation_config_counts(tmp_path: Path) -> None:
    model = tiny_models.model()
    batch = prompts()
    want = model.generate(**batch, num_beams=1, max_new_tokens=3)
    model.generation_config.num_beams, model.generation_config.max_new_tokens = 1, 3
    assert want.shape[-1] == 3 and torch.equal(model.generate(**batch), want)
    model.save_pretrained(tmp_path)
    loaded = DistinctADForConditionalGeneration.from_pretrained(tmp_path)
    assert settings_of(loaded) == {k: v for k, v in DEFAULTS.items() if k != "length_penalty"} | {
        "num_beams": 1, "max_new_tokens": 3,
    }  # fmt: skip
    assert torch.equal(loaded.generate(**batch), want)
    loaded.generation_config = GenerationConfig(eos_token_id=7, contrast=0.5)
    assert settings_of(loaded) == DEFAULTS | {"eos_token_id": 7, "contrast": 0.5}


def test_the_nearer_leads() -> None:
    model = tiny_models.model()
    model.generation_config.num_beams, model.generation_config.max_new_tokens = 2, 5
    model.generation_config.repetition_penalty = 1.5
    given = GenerationConfig(num_beams=3, max_new_tokens=6)
    found = settings_of(model, generation_config=given, num_beams=4)
    assert found == DEFAULTS | {"repetition_penalty": 1.5, "max_new_tokens": 6, "num_beams": 4}
    again = copy.deepcopy(model.generation_config)
    assert own_settings(again, model.config) == {"num_beams": 2, "max_new_tokens": 5, "repetition_penalty": 1.5}
    assert own_settings(None) == own_settings(GenerationConfig()) == {}


def test_a_max_length_stands_alone_and_counts_the_prompt() -> None:
    model, batch = tiny_models.model(), prompts()
    length = int(batch["attention_mask"].sum(-1).max())
    want = model.generate(**batch, max_new_tokens=4)
    assert torch.equal(model.generate(**batch, max_length=length + 4), want)
    given = GenerationConfig(max_length=length + 4)
    assert torch.equal(model.generate(**batch, generation_config=given), want)
    model.generation_config.max_length = length + 4
    assert torch.equal(model.generate(**batch), want)
    assert settings_of(model, max_new_tokens=2)["max_new_tokens"] == 2 and "max_length" not in settings_of(
        model, max_new_tokens=2
    )
    assert "max_new_tokens" not in settings_of(
        model, max_length=30, generation_config=GenerationConfig(max_new_tokens=2)
    )
    with pytest.raises(
        ValueError, match=f"max_length is {length} and the longest prompt has {length} tokens; expected"
    ):
        model.generate(**batch, max_length=length)
    most = model.config.text_config.max_position_embeddings
    ids = model.generate(**batch, num_beams=1, max_length=2 * most, min_new_tokens=most)
    assert torch.equal((ids != tiny_models.EOS).sum(-1), most - batch["attention_mask"].sum(-1))
    assert length == batch["attention_mask"].sum(-1).max()


@pytest.mark.parametrize("how", [{"num_beams": 1}, {"num_beams": 3}, {"num_beams": 3, "contrast": 0.5}])
def test_a_longer_prompt_beside_it_ends_no_text_early(how: dict[str, Any]) -> None:
    """Near the end of the positions every clip has the room that its own prompt leaves."""
    model, batch = tiny_models.model(), tiny_models.inputs(clips=2, answer=0)
    most, length = model.config.text_config.max_position_embeddings, batch["input_ids"].shape[-1]
    long = {"input_ids": 2, "attention_mask": 1, "face_index": -1}
    for name, fill in long.items():  # the second window's prompts fill the positions up to 5 tokens
        before = batch[name].new_full((2, 2, most - length - 5), 0 if name != "face_index" else -1)
        before[1] = fill
        batch[name] = torch.cat([before, batch[name]], dim=-1)
    settings = {"max_new_tokens": 40, "min_new_tokens": 30, "no_repeat_ngram_size": 0, **how}
    alone = model.generate(**{name: tensor[:1] for name, tensor in batch.items()}, **settings)
    together = model.generate(**batch, **settings)
    assert alone.shape[-1] >= 30 and torch.equal(together[:1, :, : alone.shape[-1]], alone)
    told = (together[1] != tiny_models.EOS).sum(-1)
    assert torch.equal(told, most - batch["attention_mask"][1].sum(-1))
    (last,) = by_room({"max_new_tokens": 4}, torch.tensor([7, 9]), None)
    assert last[0].tolist() == [0, 1] and last[1] == {"max_new_tokens": 4}
    assert by_room({"num_beams": 1}, torch.tensor([7]), most)[0][1] == {"num_beams": 1}


@pytest.mark.parametrize("how", [{"num_beams": 1}, {"num_beams": 3}, {"num_beams": 3, "contrast": 0.5}])
def test_a_longer_prompt_beside_it_takes_no_penalty_off_a_text(how: dict[str, Any]) -> None:
    """Padded rows are penalised from their second token on as unpadded ones are; and nothing warns of it."""
    model, batch = tiny_models.model(), tiny_models.inputs(batch=8, clips=2, answer=0)
    for name in ("input_ids", "attention_mask", "face_index"):  # the last window's prompts are longer by 12
        before = batch[name].new_full((8, 2, 12), {"input_ids": 2, "attention_mask": 0, "face_index": -1}[name])
        before[-1] = before[-1] if name == "face_index" else 2 if name == "input_ids" else 1
        batch[name] = torch.cat([before, batch[name]], dim=-1)
    settings = {"max_new_tokens": 12, "repetition_penalty": 1.5, "no_repeat_ngram_size": 0, **how}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = model.generate(**batch, **settings)
    for row in range(7):
        alone = model.generate(**{name: tensor[row : row + 1] for name, tensor in batch.items()}, **settings)
        assert torch.equal(together[row, :, : alone.shape[-1]], alone[0])
    banned = model.generate(**prompts(), **{**settings, "no_repeat_ngram_size": 1})
    assert all(len(set(text)) == len(text) for text in (row[row != 1].tolist() for row in banned.flatten(0, 1)))
    assert not torch.equal(model.generate(**prompts(), **{**settings, "repetition_penalty": None}), banned)


@pytest.mark.parametrize(
    ("own", "asked"),
    [
        (RepetitionPenaltyLogitsProcessor(1.5), {"repetition_penalty": 1.5}),
        (NoRepeatNGramLogitsProcessor(5), {"no_repeat_ngram_size": 5}),
    ],
)
def test_a_callers_own_processor_is_used_instead(own: Any, asked: dict[str, Any]) -> None:
    model = tiny_models.model()
    settings = {"num_beams": 1, "max_new_tokens": 12, "repetition_penalty": 1.0, "no_repeat_ngram_size": 3}
    if "repetition_penalty" in asked:
        settings["repetition_penalty"] = 1.2
    told = model.generate(**prompts(), **settings, logits_processor=[own])
    assert torch.equal(told, model.generate(**prompts(), **{**settings, **asked}))
    assert not torch.equal(told, model.generate(**prompts(), **settings))


def test_a_forced_end_stays_where_the_ban_would_leave_nothing() -> None:
    """A text that ended earlier holds end tokens, the ban's n-gram; with all at -inf sampling would break off."""
    ends = list(range(1, 13))
    how = {"num_beams": 1, "do_sample": True, "max_new_tokens": 12, "forced_eos_token_id": 1, "eos_token_id": ends}
    model, ended = tiny_models.model(), 0
    for seed in range(3):
        torch.manual_seed(seed)
        told = model.generate(**prompts(), **how, no_repeat_ngram_size=3)
        ended += int((told[..., -4:] == 1).all(-1).sum())
    assert told.shape[-1] == 12 and ended


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"num_beams": 0}, "num_beams is 0; expected a whole number, 1 or more"),
        ({"num_beams": None}, "num_beams is None"),
        ({"contrast": float("nan")}, "contrast is nan; expected a weight, 0"),
        ({"contrast": -1.0}, "contrast is -1.0"),
        ({"contrast": "x"}, "contrast is 'x'"),
    ],
)
def test_what_no_search_can_run_with_is_refused(asked: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        settings_of(tiny_models.model(), **asked)


def test_what_transformers_itself_makes_of_max_length() -> None:
    """The language model alone, given embeddings and a max_length, stops where ours does."""
    model, batch = tiny_models.model(), tiny_models.inputs(batch=1, clips=1, answer=0)
    plain = {"num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_new_tokens": 5}
    length = int(batch["attention_mask"].sum())
    embeds = model._prompt(**{name: batch.get(name) for name in (
        "input_ids", "attention_mask", "pixel_values", "frame_features", "frame_mask", "clip_mask",
        "face_pixel_values", "face_features", "face_index",
    )})[0]  # fmt: skip
    theirs = model.language_model.generate(
        inputs_embeds=embeds, attention_mask=batch["attention_mask"][0], max_length=length + 5, pad_token_id=1, **plain
    )
    assert torch.equal(model.generate(**batch, max_length=length + 5, **plain)[0], theirs)


def test_a_tuple_where_one_is_asked_for() -> None:
    model, batch = tiny_models.model(), tiny_models.inputs()
    output = model(**batch)
    given = model(**batch, return_dict=False)
    assert isinstance(given, tuple) and len(given) == 5
    assert all(torch.equal(one, other) for one, other in zip(given, output.to_tuple(), strict=True))
    model.config.return_dict = False
    assert isinstance(model(**batch), tuple) and torch.equal(model(**batch)[0], output.loss)
    assert torch.equal(model(**batch, return_dict=True).loss, output.loss)
    assert torch.equal(model(**batch, loss_only=True)[0], model(**batch, loss_only=True, return_dict=True).loss)
    assert model.generate(**prompts()).ndim == 3


@pytest.mark.parametrize("name", ["output_hidden_states", "output_attentions"])
def test_inner_states_are_refused_by_name(name: str) -> None:
    model, batch = tiny_models.model(), tiny_models.inputs()
    with pytest.raises(ValueError, match=f"{name} is True; expected False"):
        model(**batch, **{name: True})
    assert model(**batch, **{name: False}).loss is not None
    model.config._attn_implementation = "eager"  # what attentions need, as transformers itself says
    setattr(model.config, name, True)
    with pytest.raises(ValueError, match=f"{name} is True; expected False"):
        model(**batch, loss_only=True)
    assert model(**batch, **{name: False}).loss is not None
