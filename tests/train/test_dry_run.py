"""The dry run of Stage II counts, and names what is missing and what the run itself would refuse."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

sys.path.insert(0, str(Path(__file__).parent))

from tiny_stage2 import arguments, run

from train.collators import WindowCollator, scheduled_windows
from train.dry_run import check_paths, measure_tokens, meta_model, report
from train.features import FeatureCache
from train.stage2 import build_processor, train, window_options


def other_tower(towers: dict[str, str], folder: Path) -> str:
    """A tower of the same shape with other weights."""
    shutil.copytree(towers["clip"], folder)
    tower = load_file(folder / "model.safetensors")
    tower["visual_projection.weight"] += 1
    save_file(tower, folder / "model.safetensors", {"format": "pt"})
    return str(folder)


def short_language(towers: dict[str, str], folder: Path) -> str:
    """The language model's tokenizer and one of 24 positions."""
    shutil.copytree(towers["lm"], folder)
    config = GPT2Config.from_pretrained(folder)
    config.n_positions = 24
    GPT2LMHeadModel(config).save_pretrained(folder)
    return str(folder)


def told_and_refused(asked: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What the dry run, which must fail, says; and what the run itself says."""
    capsys.readouterr()
    assert report(asked, run(folder)) == 1
    told = capsys.readouterr().out
    with pytest.raises(ValueError) as refused:
        train(asked, run(folder))
    return told, str(refused.value)


def test_it_names_a_cache_of_another_tower(
    towers: dict[str, str], features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = arguments(towers, features, clip=other_tower(towers, tmp_path / "clip"))
    told, refused = told_and_refused(asked, tmp_path / "model", capsys)
    assert "was made by another tower than" in refused and refused in told and "all there" not in told


def test_it_names_frames_that_met_the_square_in_another_way(
    towers: dict[str, str], features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, refused = told_and_refused(arguments(towers, features, frame_fit="crop"), tmp_path / "model", capsys)
    assert "frame_fit is 'crop'" in refused and refused in told


def test_it_names_a_tower_of_another_width_whose_weights_are_not_here(
    towers: dict[str, str], features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = arguments(towers, features, clip=str(tmp_path / "clipad_b16"))
    assert report(asked, run(tmp_path / "model")) == 1
    assert f"{features} holds 16 numbers a frame and {asked.clip} gives 512" in capsys.readouterr().out


def test_it_names_prompts_that_are_longer_than_the_language_models_positions(
    towers: dict[str, str], features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = arguments(towers, features, language=short_language(towers, tmp_path / "lm"))
    told, refused = told_and_refused(asked, tmp_path / "model", capsys)
    assert "tokens and the language model 24 positions" in refused
    assert "tokens and the language model 24 positions; expected no more; list fewer people" in told


def test_a_dry_run_counts_and_names_what_is_missing(
    towers: dict[str, str], features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(arguments(towers, features), run(tmp_path / "model")) == 0
    assert "paths: all there" in capsys.readouterr().out
    missing = arguments(towers, features, clip=str(tmp_path / "clipad_b16"), language="meta-llama/Meta-Llama-3-8B")
    assert report(missing, run(tmp_path / "model")) == 1
    told = capsys.readouterr().out
    assert "clip: " in told and "shape of openai/clip-vit-base-patch16" in told and "predicted: " in told
    model, _ = meta_model(missing)
    assert all(p.is_meta for p in model.parameters())
    assert 8.0e9 < sum(p.numel() for p in model.language_model.parameters()) < 8.1e9
    with pytest.raises(ValueError, match="nowhere/unknown"):
        report(arguments(towers, features, language="nowhere/unknown"), run(tmp_path / "model"))


def test_a_dry_run_counts_the_steps_and_tokens_of_the_run(
    towers: dict[str, str], features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, how = arguments(towers, features, max_steps=-1, language_chunk=3), run(tmp_path / "model")
    assert report(asked, how) == 0
    told = capsys.readouterr().out
    cache = FeatureCache(features)
    schedule = scheduled_windows(cache, ["1", "2"], 8, how.seed, 2)
    steps, clips = len(schedule) // how.batch_size, len(cache.films["1"] + cache.films["2"])
    assert steps > clips * 2 / 8 / how.batch_size  # windows that are cut short at a film's ends
    assert f"{clips:,} clips an epoch (of the cache), {steps} steps, " in told
    assert "people listed a clip: training " in told
    collator = WindowCollator(build_processor(asked), cache, window_options(asked, 1))
    mean, most = measure_tokens(collator, schedule, asked, how)
    assert f"{mean:.0f} tokens a clip, at most {most} (the first 4 batches, padded)" in told
    batch = collator([*schedule[: how.batch_size]])
    lengths = batch["attention_mask"].sum(-1)[(batch["labels"] != -100).any(-1)]
    first, _ = measure_tokens(collator, schedule[: how.batch_size], asked, how)
    assert first == pytest.approx(sum(int(c.max()) * len(c) for c in lengths.split(3)) / len(lengths))
    assert float(lengths.float().mean()) < first <= int(lengths.max()) <= most


def test_a_dry_run_speaks_to_a_console_of_few_characters(
    towers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr("sys.stdout", console)
    assert report(arguments(towers, tmp_path / "\u0444"), run(tmp_path / "model")) == 1
    console.flush()
    assert rb"\u0444" in console.buffer.getvalue()  # type: ignore[attr-defined]


def test_a_dry_run_asks_for_no_file_of_a_hub_tower(towers: dict[str, str], features: Path, tmp_path: Path) -> None:
    asked = arguments(towers, features, clip="openai/clip-vit-base-patch32")
    assert check_paths(asked, run(tmp_path / "model")) == []
    (lost,) = check_paths(arguments(towers, features, clip="runs/no_clipad_b32"), run(tmp_path / "model"))
    assert lost == "clip: runs/no_clipad_b32/config.json is not there"


@pytest.mark.parametrize("who", ["predicted", "all"])
def test_a_dry_run_names_films_whose_people_cannot_be_told(
    towers: dict[str, str], features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], who: str
) -> None:
    blind = Path(shutil.copytree(features, tmp_path / "features", ignore=shutil.ignore_patterns("parts_*")))
    rows = [json.loads(line) for line in (blind / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps({**row, "portraits": [False] * len(row["names"])}) + "\n" for row in rows]
    (blind / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    asked = arguments(towers, blind, train_characters="noisy", test_characters=who)
    assert report(asked, run(tmp_path / "model")) == (1 if who == "predicted" else 0)
    said = "test_characters: predicted, but 1 of 1 films (first 800001) have no predictions and nobody's portrait"
    assert (said in capsys.readouterr().out) == (who == "predicted")
