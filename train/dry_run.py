"""`--dry_run true`: resolves a Stage II run, builds it on the meta device, holds it against what is here, counts it.

No model is run, and no weight loaded but the vision tower's, which tell whether the cache is its own. Shapes of towers
that are not at hand come from a table of their published configurations; memory and hours are counted, not measured,
and say so. Where the cache and the tokenizer are at hand, steps are those of the run's own windows, and tokens those of
its first batches.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from transformers import AutoConfig, CLIPVisionConfig, GPT2Config, LlamaConfig
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, WEIGHTS_NAME

from datasets_scripts.banks import TOP
from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.towers_distinctad import load_vision, weights_sha256
from train.arguments import RunArguments
from train.cache_checks import cache_contradictions
from train.collators import Window, WindowCollator, consecutive_windows, scheduled_windows
from train.features import FEATURES, META, ROWS, FeatureCache
from train.film_splits import split_films, trains
from train.listed_people import tell_people
from train.stage2 import (
    Stage2Arguments,
    build_processor,
    check_run,
    config_fields,
    optimiser_steps,
    window_options,
    windows_a_step,
)

PUBLISHED: dict[str, Any] = {
    "openai/clip-vit-base-patch32": CLIPVisionConfig(projection_dim=512, patch_size=32),
    "openai/clip-vit-base-patch16": CLIPVisionConfig(projection_dim=512, patch_size=16),
    "openai/clip-vit-large-patch14": CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14,
        projection_dim=768,
    ),
    "gpt2": GPT2Config(),
    "meta-llama/Llama-2-7b-hf": LlamaConfig(
        hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32, vocab_size=32000
    ),
    "meta-llama/Meta-Llama-3-8B": LlamaConfig(
        hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, vocab_size=128256, max_position_embeddings=8192,
    ),
}  # fmt: skip
"""Towers of the paper's rows by Hub id; shapes as their published configurations give them."""
SHAPES_OF_FOLDERS = {"b32": "openai/clip-vit-base-patch32", "b16": "openai/clip-vit-base-patch16"}
"""A CLIP_AD folder that does not exist yet has the shape of the tower that its name holds."""
MAD_TRAIN_CLIPS = 334_296
PROMPT_TOKENS, AD_TOKENS = 48, 14
"""Assumed tokens of a prompt beside the visual slots (three people, their faces) and of an AD with its end."""
_ASSUMED = "assumed, without padding"
MEASURED = 4
"""Batches whose tokens are counted."""
BF16_PEAK_FLOPS, UTILISATION = 989e12, 0.35
"""Dense bf16 peak of an H100 SXM and the share assumed to be reached; a prediction, not a measurement."""


def tower_config(source: str, vision: bool) -> tuple[Any, str]:
    """Configuration of a tower and where it was found, without its weights.

    Raises:
        ValueError: it is neither a folder nor in the table.
    """
    if (Path(source) / "config.json").is_file():
        config = AutoConfig.from_pretrained(source)
        inner = getattr(config, "vision_config", None) if vision else None
        if inner is not None:
            inner.projection_dim = getattr(config, "projection_dim", inner.projection_dim)
        return inner or config, "folder"
    name = source if source in PUBLISHED else ""
    if vision and not name:
        name = next((known for part, known in SHAPES_OF_FOLDERS.items() if part in Path(source).name), "")
    if not name:
        raise ValueError(f"{source} is no folder with a config.json and no known tower; expected one; mend the path")
    return PUBLISHED[name], f"shape of {name}"


def meta_model(arguments: Stage2Arguments) -> tuple[DistinctADForConditionalGeneration, dict[str, str]]:
    """The whole model without any weight, and where each tower's shape came from.

    Raises:
        ValueError: a tower is not known.
    """
    vision, seen = tower_config(arguments.clip, vision=True)
    language, read = tower_config(arguments.language, vision=False)
    slots = {"video_token_id": 1, "face_token_id": 2, "ad_start_token_id": 3}
    config = DistinctADConfig(vision_config=vision, text_config=language, **config_fields(arguments), **slots)
    with torch.device("meta"):
        model = DistinctADForConditionalGeneration(config)
    return model, {"vision": seen, "language": read}


def at_hand(source: str, file: str) -> bool:
    """Whether a tower's file lies in its folder or, of a known Hub id, in the Hub's cache."""
    if (Path(source) / file).is_file():
        return True
    return source in PUBLISHED and isinstance(try_to_load_from_cache(source, file), str)


def tower_at_hand(source: str) -> str | None:
    """Fingerprint of a vision tower; None where its weights are not at hand."""
    if any(at_hand(source, file) for file in (SAFE_WEIGHTS_NAME, WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME)):
        return weights_sha256(load_vision(source))
    return None


def measure_tokens(
    collator: WindowCollator, windows: Sequence[Window], arguments: Stage2Arguments, run: RunArguments
) -> tuple[float, int]:
    """Tokens that the language model takes of a clip, on the first batches: the mean, and the most.

    As in `supervised_loss`: clips without an AD are left out, and a chunk is padded to its own longest clip.

    Args:
        collator: of the run.
        windows: in the order in which they are trained on.
        arguments: of the run.
        run: of the run.
    """
    taken, clips, most = 0, 0, 1
    for start in range(0, min(len(windows), MEASURED * run.batch_size), run.batch_size):
        batch = collator(list(windows[start : start + run.batch_size]))
        lengths = batch["attention_mask"].sum(dim=-1)[(batch["labels"] != -100).any(dim=-1)]
        for chunk in lengths.split(arguments.language_chunk or max(1, len(lengths))) if len(lengths) else ():
            longest = int(chunk.max())
            taken, clips, most = taken + longest * len(chunk), clips + len(chunk), max(most, longest)
    return taken / max(1, clips), most


def count_cost(
    model: Any, arguments: Stage2Arguments, run: RunArguments, clips: float, tokens: tuple[float, float]
) -> dict[str, float]:
    """Bytes and operations of a run, counted.

    Activations of the language model: 34 L D + 5 L^2 heads bytes a layer and clip without checkpointing (Korthikanti et
    al. 2022, equation 2, flash attention leaves the second term out), 2 L D with it. Operations: 2 a parameter and
    token forward, and for a frozen model 2 more backward (no gradient of weights).

    Args:
        model: on the meta device.
        arguments: of the run.
        run: of the run.
        clips: of all steps.
        tokens: of a clip, the mean and the most.

    Returns:
        Gigabytes (`weights_gb`, `trained_gb` with gradients and Adam's moments, `activations_gb`, `logits_gb`,
        `total_gb`), `flops` and `hours`.
    """
    language = sum(p.numel() for p in model.language_model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in model.parameters()) - trained
    width = 2 if arguments.language_dtype == "bfloat16" else 4
    text: Any = model.config.text_config
    rows = run.batch_size * arguments.window_size
    rows = min(rows, arguments.language_chunk) if arguments.language_chunk else rows
    each = 2 if arguments.activation_checkpointing else 34 if text.model_type != "gpt2" else 40
    activations = rows * tokens[1] * text.hidden_size * each * text.num_hidden_layers * width / 2
    logits = rows * (AD_TOKENS + 4) * text.vocab_size * (4 + 4 + width)
    recompute = 2 if arguments.activation_checkpointing else 0
    flops = clips * tokens[0] * language * (4 + recompute)
    sizes = {"weights": frozen * width, "trained": 16 * trained, "activations": activations, "logits": logits}
    found = {f"{name}_gb": size / 1e9 for name, size in sizes.items()}
    found["total_gb"] = sum(found.values())
    return {**found, "flops": flops, "hours": flops / (BF16_PEAK_FLOPS * UTILISATION) / 3600}


def check_paths(arguments: Stage2Arguments, run: RunArguments) -> list[str]:
    """What is missing on this machine, one line each; a tower that is called by its Hub id is none of its paths."""
    wanted = {
        "features": Path(arguments.features) / META,
        "features, tensors": Path(arguments.features) / FEATURES,
    }
    if arguments.clip not in PUBLISHED:
        wanted = {"clip": Path(arguments.clip) / "config.json", **wanted}
    lost = [f"{name}: {path} is not there" for name, path in wanted.items() if not path.is_file()]
    parent = Path(run.output_dir).resolve()
    while not parent.exists():
        parent = parent.parent
    return lost if os.access(parent, os.W_OK) else [*lost, f"output_dir: {run.output_dir} cannot be written"]


def check_people(arguments: Stage2Arguments, rows: list[dict[str, Any]]) -> list[str]:
    """Films whose prompts the collator would refuse, one line for training and one for test.

    `predicted` tells people by the cache's own list or by portraits; these films have neither.

    Args:
        arguments: of the run.
        rows: all rows of the cache.
    """
    lost = []
    for name, training in (("train_characters", True), ("test_characters", False)):
        if getattr(arguments, name) != "predicted":
            continue
        films: dict[str, bool] = {}
        for row in rows:
            if trains(row, arguments.held_out_from) == training:
                known = "predicted" in row or any(row.get("portraits", row["names"])[:TOP])
                films[row["film"]] = films.get(row["film"], True) and known
        if nobody := [film for film, known in films.items() if not known]:
            lost.append(
                f"{name}: predicted, but {len(nobody)} of {len(films)} films (first {nobody[0]}) have no predictions "
                "and nobody's portrait in the cache; make it with --bank and --portraits, or choose "
                f"{'noisy, ' * training}all or none"
            )
    return lost


@dataclass(frozen=True)
class Work:
    """What a run goes through.

    Attributes:
        clips: of one epoch.
        windows: of all epochs.
        tokens: of a clip, the mean and the most.
        source: where `clips` is from.
        read: where `tokens` is from.
        told: lines on the listed people.
        lost: what stands in the way, a line each.
    """

    clips: int
    windows: int
    tokens: tuple[float, float]
    source: str
    read: str
    told: list[str]
    lost: list[str]


def assumed_work(arguments: Stage2Arguments) -> Work:
    """That of MAD-train, in full windows."""
    windows = MAD_TRAIN_CLIPS * arguments.epochs // arguments.window_size
    return Work(MAD_TRAIN_CLIPS, windows, _assumed(arguments), "assumed, MAD-train", _ASSUMED, [], [])


def cached_work(arguments: Stage2Arguments, run: RunArguments, cache: FeatureCache, config: DistinctADConfig) -> Work:
    """That of a cache: its own windows, its people, and tokens of its first batches where the tokenizer is at hand.

    Raises:
        ValueError: the cache does not hold the films of a run.
    """
    wrong = cache_contradictions(arguments, cache, tower_at_hand(arguments.clip), config.joint_size)
    films, held_out = split_films(cache, arguments.held_out_from)
    size, group = arguments.window_size, arguments.window_group
    schedule = scheduled_windows(cache, films, size, run.seed, arguments.epochs, arguments.sampling, group)
    tokens, read, told, lost = _assumed(arguments), _ASSUMED, list[str](), check_people(arguments, cache.rows)
    here = at_hand(arguments.language, "tokenizer_config.json") and at_hand(arguments.clip, "preprocessor_config.json")
    if not lost:
        processor = build_processor(arguments, cache.frames.shape[1]) if here else None
        collator = WindowCollator(processor, cache, window_options(arguments, run.seed))
        test = consecutive_windows(cache, held_out, size, group)
        first, *lost = tell_people(collator, schedule, test)
        told = [first]
        if here:
            tokens, read = measure_tokens(collator, schedule, arguments, run), f"the first {MEASURED} batches, padded"
            most = max(tokens[1], measure_tokens(collator, test, arguments, run)[1])
            wrong += check_room(most, getattr(config.text_config, "max_position_embeddings", None))
    clips = sum(len(cache.films[film]) for film in films)
    return Work(clips, len(schedule), tokens, "of the cache", read, told, wrong + lost)


def check_room(tokens: float, positions: int | None) -> list[str]:
    """A line if measured prompts are longer than the language model has positions (None: it does not say)."""
    if not positions or tokens <= positions:
        return []
    return [
        f"language: in the first {MEASURED} batches a prompt with its text has {tokens:.0f} tokens and the language "
        f"model {positions} positions; expected no more; list fewer people or fewer contextual ADs"
    ]


def _assumed(arguments: Stage2Arguments) -> tuple[float, float]:
    tokens = float(arguments.num_prompt_vectors + PROMPT_TOKENS + AD_TOKENS)
    return tokens, tokens


def report(arguments: Stage2Arguments, run: RunArguments) -> int:
    """Prints everything; returns 0, or 1 when a path is missing, or the run would refuse the cache or a film's people.

    Raises:
        ValueError: the run contradicts itself or the cache, or a tower is neither a folder nor known.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console of few characters
            stream.reconfigure(errors="backslashreplace")
    check_run(arguments)
    model, origin = meta_model(arguments)
    changed = {
        f.name: getattr(arguments, f.name) for f in fields(Stage2Arguments) if getattr(arguments, f.name) != f.default
    }
    print("changed from the defaults:", json.dumps(changed, ensure_ascii=False))
    print(f"towers: vision from {origin['vision']}, language from {origin['language']}")
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(f"trained parameters: {trained:,} of {sum(p.numel() for p in model.parameters()):,}")
    lost, cached = check_paths(arguments, run), Path(arguments.features)
    if all((cached / name).is_file() for name in (META, FEATURES, ROWS)):
        work = cached_work(arguments, run, FeatureCache(cached), model.config)
    else:
        work = assumed_work(arguments)
    steps = optimiser_steps(work.windows, arguments, run)
    clips = work.clips * arguments.epochs * steps * windows_a_step(arguments, run) / work.windows
    found = count_cost(model, arguments, run, clips, work.tokens)
    sizes = ", ".join(f"{key.removesuffix('_gb')} {value:.2f}" for key, value in found.items() if key.endswith("_gb"))
    print(f"memory, GB, counted: {sizes}")
    print(f"{work.clips:,} clips an epoch ({work.source}), {steps:,} steps, {found['flops']:.2e} operations")
    print(f"{work.tokens[0]:.0f} tokens a clip, at most {work.tokens[1]:.0f} ({work.read})")
    print(f"predicted: {found['hours']:.2f} h on one H100 at {UTILISATION:.0%} of its bf16 peak (not measured)")
    for line in work.told:
        print(line)
    lost += work.lost
    print("paths: all there" if not lost else "missing:\n  " + "\n  ".join(lost))
    return 1 if lost else 0


__all__ = ["PUBLISHED", "check_paths", "check_people", "count_cost", "meta_model", "report", "tower_config"]
