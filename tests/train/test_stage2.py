"""Stage II: what trains, exact resuming, the saved folder."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel

sys.path.insert(0, str(Path(__file__).parent))

from tiny_stage2 import arguments, losses, run

from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from train.arguments import RunArguments
from train.collators import WindowCollator, consecutive_windows
from train.features import FeatureCache
from train.stage2 import (
    build_model,
    build_processor,
    check_run,
    split_films,
    train,
    window_options,
)
from train.stage2_evaluation import evaluate_windows
from train.stage2_trainer import Stage2Trainer
from train.stops import NotFiniteError

FROZEN = ("vision_tower.", "language_model.")


@pytest.fixture(scope="module")
def trained(towers: dict[str, str], features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage2") / "model"
    train(arguments(towers, features), run(folder))
    return folder


def test_two_steps_and_a_resume_equal_four_steps(
    towers: dict[str, str], features: Path, trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    train(arguments(towers, features, max_steps=2, warmup_share=0.5), run(folder))
    assert len(losses(folder)) == 2
    train(arguments(towers, features), run(folder))
    whole, resumed = losses(trained), losses(folder)
    assert len(set(whole)) == 4 and resumed == whole
    ours, theirs = (load_file(f / "model.safetensors") for f in (folder, trained))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    records = [json.loads((f / "run_record.json").read_text(encoding="utf-8"))["metrics"] for f in (folder, trained)]
    assert records[0]["training_clips"] == records[1]["training_clips"]  # of the steps before the resume too


def test_a_run_that_ended_before_it_was_saved_learns_no_more(
    towers: dict[str, str], features: Path, trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(f"{trained}.training", f"{folder}.training")  # killed after its last step
    train(arguments(towers, features), run(folder))
    ours, theirs = (load_file(f / "model.safetensors") for f in (folder, trained))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs) and losses(folder) == losses(trained)


def test_what_is_learnt_is_measured_alike_before_after_and_resumed(
    towers: dict[str, str], features: Path, tmp_path: Path
) -> None:
    def half(name: str) -> RunArguments:
        return replace(run(tmp_path / name), bf16=True)

    asked = arguments(towers, features, max_steps=1, warmup_share=0.0)
    told = train(asked, half("whole"))
    shutil.copytree(tmp_path / "whole.training", tmp_path / "again.training")  # killed after its last step
    assert train(asked, half("again")) == told  # accelerate's autocast lasted beyond the training
    still = train(asked, replace(half("still"), learning_rate=1e-12))
    assert still["end"]["loss"] == pytest.approx(still["start"]["loss"], abs=2e-4) and told["end"] != still["end"]


def test_another_configuration_never_goes_on_from_these_checkpoints(
    towers: dict[str, str], features: Path, trained: Path
) -> None:
    before = (trained / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match=r"another run: lambda_dist was 1\.0 and is 0\.0"):
        train(arguments(towers, features, lambda_dist=0.0), run(trained))
    assert (trained / "model.safetensors").read_bytes() == before


def test_a_language_model_made_anew_in_its_folder_is_another_run(
    towers: dict[str, str], features: Path, trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(f"{trained}.training", f"{folder}.training")
    shutil.copytree(towers["lm"], tmp_path / "lm")
    asked = arguments(towers, features, language=str(tmp_path / "lm"))
    noted = Path(f"{folder}.training") / "run_configuration.json"
    begun = json.loads(noted.read_text(encoding="utf-8")) | {"language": asked.language}
    noted.write_text(json.dumps(begun), encoding="utf-8")
    weights = load_file(tmp_path / "lm" / "model.safetensors")
    first = sorted(weights)[0]
    save_file(weights | {first: weights[first] + 1}, tmp_path / "lm" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="another run: language_sha256 was"):
        train(asked, run(folder))


def test_a_run_goes_on_where_its_tower_and_its_cache_were_moved(
    towers: dict[str, str], features: Path, trained: Path, tmp_path: Path
) -> None:
    folder, left = tmp_path / "model", shutil.ignore_patterns("parts_*")
    shutil.copytree(f"{trained}.training", f"{folder}.training")
    shutil.copytree(towers["clip"], tmp_path / "clip")
    moved = Path(shutil.copytree(features, tmp_path / "features", ignore=left))
    asked = arguments({**towers, "clip": str(tmp_path / "clip")}, moved)
    train(asked, run(folder))
    assert losses(folder) == losses(trained)
    tensors = load_file(moved / "features.safetensors")
    tensors["frames"][0, 0, 0] += 1
    save_file(tensors, moved / "features.safetensors")  # another cache that says the same of itself
    with pytest.raises(ValueError, match="another run: cache_sha256 was"):
        train(asked, run(folder))
    tower = load_file(tmp_path / "clip" / "model.safetensors")
    tower["visual_projection.weight"] += 1
    save_file(tower, tmp_path / "clip" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="made by another tower than"):
        train(asked, run(folder))


def test_a_checkpoint_of_a_later_step_is_not_told_as_a_shorter_run(
    towers: dict[str, str], features: Path, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(f"{trained}.training", tmp_path / "model.training")
    with pytest.raises(ValueError, match="is of step 4, and 2 steps are asked"):
        train(arguments(towers, features, max_steps=2), run(tmp_path / "model"))


def test_a_folder_with_other_things_is_never_replaced(towers: dict[str, str], features: Path, tmp_path: Path) -> None:
    (tmp_path / "lm").mkdir()
    (tmp_path / "lm" / "run_record.json").write_text('{"stage": "pocket_lm"}', encoding="utf-8")
    for folder in (tmp_path, tmp_path / "lm"):
        with pytest.raises(ValueError, match="no result of Stage II"):
            train(arguments(towers, features), run(folder))
    assert (tmp_path / "lm" / "run_record.json").is_file()


def test_held_out_clips_are_counted_once(trained: Path, features: Path) -> None:
    record = json.loads((trained / "run_record.json").read_text(encoding="utf-8"))
    assert record["metrics"]["held_out_clips"]["clips"] == len(FeatureCache(features).films["800001"])


def test_windows_that_do_not_fill_a_step_are_refused(towers: dict[str, str], features: Path, tmp_path: Path) -> None:
    asked = run(tmp_path / "model")
    asked.batch_size = 1000
    with pytest.raises(ValueError, match="windows in 2 epochs, 1000 a step"):
        train(arguments(towers, features), asked)
    assert not (tmp_path / "model").exists()


def test_portraits_of_held_out_films_do_not_shape_the_start(towers: dict[str, str], features: Path) -> None:
    asked = arguments(towers, features)
    cache, processor, found = FeatureCache(features), build_processor(asked), []
    for factor in (1.0, 3.0):
        held_out = cache.rows[cache.films["800001"][0]]
        first = held_out["face_offset"]
        cache.faces = cache.faces.clone()
        cache.faces[first : first + len(held_out["names"])] *= factor
        torch.manual_seed(0)
        found.append(build_model(asked, processor, cache, ["1", "2"]).face_projection.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_checkpoints_hold_trained_parameters_only(trained: Path) -> None:
    checkpoint = load_file(trained.with_name("model.training") / "checkpoint-4" / "model.safetensors")
    model = DistinctADForConditionalGeneration.from_pretrained(str(trained))
    assert set(model.trainable_parameter_names()) <= set(checkpoint)
    assert not [name for name in checkpoint if name.startswith(FROZEN)]


def test_a_checkpoint_of_another_model_is_refused(
    towers: dict[str, str], features: Path, trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained.with_name("model.training"), tmp_path / "model.training")
    (tmp_path / "model.training" / "run_configuration.json").unlink()  # as a run of before this file left it
    with pytest.raises(ValueError, match="missing|unknown"):
        train(arguments(towers, features, beta=0.0, max_steps=5), run(folder))


def test_the_saved_folder_is_whole_and_in_bfloat16(towers: dict[str, str], trained: Path) -> None:
    state = load_file(trained / "model.safetensors")
    assert {value.dtype for value in state.values()} == {torch.bfloat16}
    frozen = GPT2LMHeadModel.from_pretrained(towers["lm"]).state_dict()["transformer.h.0.mlp.c_fc.weight"]
    assert torch.equal(state["language_model.transformer.h.0.mlp.c_fc.weight"], frozen.bfloat16())
    names = {path.name for path in trained.iterdir()}
    assert {"config.json", "processor_config.json", "tokenizer.json", "run_record.json"} <= names
    assert {"pipeline_distinctad.py", "modeling_distinctad.py", "persons_distinctad.py"} <= names
    assert not trained.with_name("model.new").exists() and not trained.with_name("model.old").exists()


def test_the_record_holds_health_and_accuracies(trained: Path) -> None:
    record = json.loads((trained / "run_record.json").read_text(encoding="utf-8"))
    for when in ("start", "end"):
        found = record["metrics"][when]
        assert {"em_used_bases", "em_entropy", "em_contrast", "person_accuracy", "token_accuracy"} <= set(found)
    assert record["metrics"]["end"]["loss"] < record["metrics"]["start"]["loss"]
    assert record["metrics"]["training_clips"]["clips"] > 0


@pytest.fixture(scope="module")
def assembled(towers: dict[str, str], features: Path) -> tuple[Any, Any, FeatureCache]:
    asked, cache = arguments(towers, features), FeatureCache(features)
    processor = build_processor(asked)
    return build_model(asked, processor, cache, ["1", "2"]), processor, cache


def test_an_em_preset_reaches_the_configuration(towers: dict[str, str], features: Path) -> None:
    asked, cache = arguments(towers, features, em_preset="paper_literal", alpha=2.0), FeatureCache(features)
    config = build_model(asked, build_processor(asked), cache, ["1", "2"]).config
    assert (config.em_similarity, config.em_bases_norm, config.em_num_bases, config.alpha) == ("dot", "none", 32, 2.0)
    assert config.num_prompt_vectors == 10 and callable(config.em_preset) and "em_preset" not in config.to_dict()


def test_the_model_starts_where_the_language_model_reads(assembled: tuple[Any, Any, FeatureCache]) -> None:
    model, processor, cache = assembled
    words = model.get_input_embeddings().weight.detach()
    assert torch.equal(model.ad_start, words[processor.tokenizer.convert_tokens_to_ids("<ad_start>")])
    seen = torch.cat([cache.film_faces(cache.rows[cache.films[film][0]]) for film in ("1", "2")])
    faces = model.face_projection(seen).detach()
    rms = words.square().mean().sqrt()
    assert faces.square().mean().sqrt() == pytest.approx(float(1.5 * rms), rel=1e-3)
    assert faces.mean(dim=0).abs().max() < 1e-3 * rms


def test_accuracies_count_what_they_name(assembled: tuple[Any, Any, FeatureCache]) -> None:
    model, processor, cache = assembled
    collator = WindowCollator(processor, cache)
    windows = consecutive_windows(cache, ["800001"], 8)
    found = evaluate_windows(model, collator, windows, batch=1)
    right = told = persons = 0
    ids = set(processor.tokenizer.convert_tokens_to_ids([f"<person_{k}>" for k in range(1, 6)]))
    for window in windows:
        inputs = collator([window])
        with torch.no_grad():
            best = model(**inputs).logits.argmax(-1)
        for row, label in zip(best.flatten(0, 1), inputs["labels"].flatten(0, 1), strict=True):
            for place in range(1, len(label)):
                if label[place] >= 0:
                    told += 1
                    right += int(row[place - 1] == label[place])
                    persons += int(label[place]) in ids
    assert persons > 0 and found["token_accuracy"] == pytest.approx(right / told, abs=1e-4)


def test_films_of_both_kinds_are_needed(features: Path) -> None:
    cache = FeatureCache(features)
    assert split_films(cache, 800_000) == (["1", "2"], ["800001"])
    with pytest.raises(ValueError, match="held-out"):
        split_films(cache, 900_000)


def test_a_named_language_model_and_adapters_contradict_each_other(towers: dict[str, str], features: Path) -> None:
    with pytest.raises(ValueError, match="lora_rank"):
        check_run(arguments(towers, features, lora_rank=2, store_language_model=False))
    with pytest.raises(ValueError, match="language_dtype"):
        check_run(arguments(towers, features, language_dtype="int8"))


def test_the_papers_prompt_holds_names_and_needs_no_person_slots(towers: dict[str, str], features: Path) -> None:
    asked, cache = arguments(towers, features, prompt="paper", face_tokens="never"), FeatureCache(features)
    processor = build_processor(asked)
    model = build_model(asked, processor, cache, ["1", "2"])
    assert model.face_projection is None and not processor.person_slots
    window = consecutive_windows(cache, ["1"], 4)[0]
    batch = WindowCollator(processor, cache, window_options(asked, 1))([window])
    row = cache.rows[window[2][0]]
    assert " ".join(row["text"].split()) in processor.tokenizer.decode(batch["input_ids"][0, 0])
    with pytest.raises(ValueError, match="prompt is"):
        build_processor(arguments(towers, features, prompt="odd"))


def test_the_fsdp_settings_are_read_by_accelerate() -> None:
    from accelerate.commands.config.config_args import ClusterConfig

    path = Path(__file__).resolve().parents[2] / "train" / "configs" / "accelerate_fsdp.yaml"
    config = ClusterConfig.from_yaml_file(str(path))
    assert str(config.distributed_type).endswith("FSDP") and config.fsdp_config["fsdp_version"] == 2
    assert config.use_cpu is False and "RUN ON ACCELERATORS ONLY" in path.read_text(encoding="utf-8")


def test_a_missing_base_model_is_refused_never_drawn_at_random(towers: dict[str, str], tmp_path: Path) -> None:
    config: dict[str, Any] = {"video_token_id": 2, "face_token_id": 3, "ad_start_token_id": 4}
    model = DistinctADForConditionalGeneration.from_towers(towers["clip"], towers["lm"], **config)
    model.config.text_model_name_or_path = str(tmp_path / "gone")
    model.save_pretrained(tmp_path / "named", save_language_model=False)
    with pytest.raises(ValueError, match="gone: the checkpoint names it"):
        DistinctADForConditionalGeneration.from_pretrained(tmp_path / "named")


def test_a_loss_that_is_no_number_names_its_windows_and_keeps_the_checkpoint(
    towers: dict[str, str], features: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computes = Stage2Trainer.compute_loss

    def computing(self: Any, *given: Any, **named: Any) -> Any:
        loss = computes(self, *given, **named)
        return loss * float("nan") if self.state.global_step == 3 else loss

    folder = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr(Stage2Trainer, "compute_loss", computing)
        named = r"the loss is nan at step 4, batch film \d+ clips \d+ to \d+, film .* checkpoint"
        with pytest.raises(NotFiniteError, match=named):
            train(arguments(towers, features), run(folder))
    assert [path.name for path in tmp_path.glob("model.training/checkpoint-*")] == ["checkpoint-2"]
    assert not folder.exists()
    train(arguments(towers, features), run(folder))
    assert losses(folder) == losses(trained)
