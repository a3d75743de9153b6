"""Stage II: the cache's frames, adapters through a whole run, layers computed anew."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

sys.path.insert(0, str(Path(__file__).parent))

from tiny_stage2 import arguments, losses, run

from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import load_language
from train import features as features_of
from train.collators import WindowCollator, consecutive_windows
from train.features import FeatureArguments, FeatureCache, build_cache
from train.stage2 import train, window_options
from train.stage2_evaluation import evaluate_windows

SHORT = {"max_steps": 2, "warmup_share": 0.0}
STEP = {"learning_rate": 1e-2, "batch_size": 1, "save_steps": 1}


def changed_cache(features: Path, folder: Path, frames: int | None = None, **about: Any) -> Path:
    """A copy of a cache that says other things of itself (None: nothing), perhaps with fewer frames a clip."""
    shutil.copytree(features, folder, ignore=shutil.ignore_patterns("parts_*"))
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8")) | about
    (folder / "meta.json").write_text(json.dumps({k: v for k, v in meta.items() if v is not None}), encoding="utf-8")
    if frames is not None:
        tensors = load_file(folder / "features.safetensors")
        save_file(tensors | {"frames": tensors["frames"][:, :frames].contiguous()}, folder / "features.safetensors")
    return folder


def test_frames_that_met_the_square_in_another_way_are_refused(
    towers: dict[str, str], features: Path, tmp_path: Path
) -> None:
    cropped = changed_cache(features, tmp_path / "cropped", frame_fit="crop")
    with pytest.raises(ValueError, match="frame_fit is 'squash' and .*cropped was made with 'crop'.*--frame_fit crop"):
        train(arguments(towers, cropped, **SHORT), run(tmp_path / "model", **STEP))
    assert not (tmp_path / "model").exists()


def test_the_caches_frames_are_the_models_and_the_processors(
    towers: dict[str, str], features: Path, tmp_path: Path
) -> None:
    four = changed_cache(features, tmp_path / "four", 4, num_frames=4, frame_fit=None)  # as a cache of long ago
    train(arguments(towers, four, **SHORT | {"max_steps": 1}), run(tmp_path / "model", **STEP))
    model: Any = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "model")
    processor = DistinctADProcessor.from_pretrained(tmp_path / "model", trust_remote_code=False)
    assert model.config.num_frames == processor.num_frames == 4


def test_a_cache_names_its_tower_and_an_older_one_stays_valid(
    towers: dict[str, str], features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = FeatureArguments(clip=towers["clip"], seeds="1-2,800001", chunk=2)
    meta = json.loads((features / "meta.json").read_text(encoding="utf-8"))
    assert (meta["clip"], meta["image_size"], meta["fps"], len(meta["tower"])) == (towers["clip"], [32, 32], None, 64)
    monkeypatch.setattr(features_of, "run_chunks", lambda *_: pytest.fail("films were encoded again"))
    older = changed_cache(features, tmp_path / "older", clip=None, image_size=None)
    held = (older / "meta.json").read_bytes()
    build_cache(asked, str(older))
    assert (older / "meta.json").read_bytes() == held
    shutil.copytree(towers["clip"], tmp_path / "clip")  # the same tower in another place
    build_cache(FeatureArguments(clip=str(tmp_path / "clip"), seeds="1-2,800001", chunk=2), str(older))
    assert (older / "meta.json").read_bytes() == held


def test_adapters_train_resume_and_are_folded_into_the_saved_weights(
    towers: dict[str, str], features: Path, tmp_path: Path
) -> None:
    adapted = {**SHORT, "lora_rank": 2, "attention": "eager"}
    asked = arguments(towers, features, **adapted)
    train(asked, run(tmp_path / "whole", **STEP))
    train(arguments(towers, features, **adapted | {"max_steps": 1}), run(tmp_path / "resumed", **STEP))
    train(asked, run(tmp_path / "resumed", **STEP))
    whole, resumed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "resumed"))
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert losses(tmp_path / "whole") == losses(tmp_path / "resumed") and len(losses(tmp_path / "whole")) == 2
    assert not [name for name in whole if "lora" in name or "base_layer" in name]
    base = load_language(towers["lm"])[0].state_dict()
    moved = {
        name
        for name in base
        if (base[name] - whole.get(f"language_model.{name}", base[name])).abs().max() > 1e-3  # more than the rounding
    }
    assert moved == {name for name in base if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))}
    loaded: Any = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "whole", dtype=torch.float32).eval()
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in whole.items())
    cache = FeatureCache(features)
    processor = DistinctADProcessor.from_pretrained(tmp_path / "whole", trust_remote_code=False)
    collator = WindowCollator(processor, cache, window_options(asked, 1))
    found = evaluate_windows(loaded, collator, consecutive_windows(cache, ["800001"], 8))
    told = json.loads((tmp_path / "whole" / "run_record.json").read_text(encoding="utf-8"))["metrics"]["end"]
    assert found["loss"] == pytest.approx(told["loss"], rel=2e-3)  # folded and rounded, or beside the weights
    for name in moved:
        loaded.language_model.get_parameter(name).data.copy_(base[name])
    without = evaluate_windows(loaded, collator, consecutive_windows(cache, ["800001"], 8))
    assert without["loss"] != pytest.approx(told["loss"], rel=2e-3)


def test_layers_computed_anew_change_no_loss_and_no_weight(
    towers: dict[str, str], features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = GPT2MLP.forward, {False: 0, True: 0}
    for again in calls:

        def forward(self: Any, *given: Any, again: bool = again, **named: Any) -> Any:
            calls[again] += 1
            return plain(self, *given, **named)

        monkeypatch.setattr(GPT2MLP, "forward", forward)
        asked = arguments(towers, features, **SHORT | {"max_steps": 1}, activation_checkpointing=again)
        train(asked, run(tmp_path / str(again), **STEP))
    assert calls[True] == calls[False] + 1  # one layer, one step
    assert losses(tmp_path / "True") == losses(tmp_path / "False")
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("True", "False"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
