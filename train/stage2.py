"""Stage II: distinctive narration of windows of clips with both towers frozen (section 3.2 and 3.3).

Reads a feature cache of `train/features.py`, trains Perceiver, contextual EM's cross-attention, projections and the
start vector, and writes one folder that `transformers.pipeline(model=folder, trust_remote_code=True)` loads. The
checkpoints of the run lie beside it in `<output_dir>.training` and hold the trained parameters only.

Run: `python train/stage2.py train/configs/pocket_stage2.yaml [--key value]`. Resumes from the last checkpoint.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import AutoTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import load_vision, weights_sha256
from train.arguments import RunArguments, launched_ranks, parse_run, resume_point, training_arguments
from train.cache_checks import cache_contradictions, cache_sha256
from train.collators import (
    SAMPLINGS,
    WINDOW_GROUPS,
    WindowCollator,
    WindowOptions,
    consecutive_windows,
    scheduled_windows,
)
from train.features import FeatureCache, load_images
from train.film_splits import split_films
from train.listed_people import tell_people
from train.run_record import RunRecord, fingerprint
from train.stage2_evaluation import evaluate_windows
from train.stage2_result import refuse_strange, save_whole
from train.stage2_trainer import Stage2Trainer
from train.stops import plain_refusals, plain_stops


@dataclass
class Stage2Arguments:
    """What Stage II trains and on what; names as in `DistinctADConfig` where it has the field."""

    run_defaults: ClassVar[dict[str, Any]] = {"batch_size": 8}

    clip: str = field(default="runs/pocket/clip_ad", metadata={"help": "CLIP_AD folder of Stage I"})
    language: str = field(default="runs/pocket/lm", metadata={"help": "language model folder with tokenizer"})
    features: str = field(default="runs/pocket/features", metadata={"help": "cache of train/features.py"})
    held_out_from: int = field(default=800_000, metadata={"help": "films of larger seeds are for evaluation only"})
    epochs: int = field(default=10, metadata={"help": "passes over the training films"})
    max_steps: int = field(default=-1, metadata={"help": "stop after this many steps; -1: all epochs"})
    warmup_share: float = field(default=0.05, metadata={"help": "share of the steps with linear warm-up"})
    weight_decay: float = field(default=0.0, metadata={"help": "AdamW weight decay"})
    window_size: int = field(default=16, metadata={"help": "N consecutive clips in a window"})
    num_prompt_vectors: int = field(default=10, metadata={"help": "Q visual slots a clip"})
    perceiver_type: str = field(default="self", metadata={"help": "self | cross"})
    perceiver_depth: int = field(default=2, metadata={"help": "blocks of the Perceiver"})
    context_mixer: str = field(default="em", metadata={"help": "em | attention | residual | attention_residual | none"})
    em_preset: str = field(default="default", metadata={"help": "default | paper_literal | emcl"})
    em_num_bases: int = field(default=32, metadata={"help": "K bases"})
    em_rounds: int | None = field(default=None, metadata={"help": "R; unset: the preset's"})
    em_tau: float | None = field(default=None, metadata={"help": "temperature; unset: the preset's"})
    em_similarity: str | None = field(default=None, metadata={"help": "centred_cosine | dot | cosine"})
    em_center: str | None = field(default=None, metadata={"help": "window | latent"})
    em_bases_norm: str | None = field(default=None, metadata={"help": "unit | none"})
    em_bases_init: str | None = field(default=None, metadata={"help": "window | random | parameter | ema_buffer"})
    em_gradient: str | None = field(default=None, metadata={"help": "none | last | all"})
    alpha: float = field(default=3.0, metadata={"help": "weight of the reconstruction"})
    beta: float = field(default=1.0, metadata={"help": "weight of the cross-attention"})
    lambda_dist: float = field(default=1.0, metadata={"help": "weight of the distinctive-word loss"})
    dist_loss: str = field(default="masked", metadata={"help": "masked | bag"})
    dist_normalisation: str = field(default="shared", metadata={"help": "shared | own"})
    dist_stop_list: bool = field(default=True, metadata={"help": "no closed-class words and names in the loss"})
    sampling: str = field(default="consecutive", metadata={"help": "consecutive | random (Table 6)"})
    window_group: str = field(default="film", metadata={"help": "film | clip: what a window lies inside"})
    prompt: str = field(default="pocket", metadata={"help": "pocket | paper"})
    face_tokens: str = field(default="always", metadata={"help": "always | min_characters | never"})
    face_min_characters: int = field(default=3, metadata={"help": "least characters for min_characters"})
    frame_fit: str = field(default="squash", metadata={"help": "crop | pad | squash"})
    train_characters: str = field(
        default="noisy", metadata={"help": "noisy | predicted | ground_truth | all | none: who is listed in training"}
    )
    noisy_recall: float = field(default=0.66, metadata={"help": "noisy: share of those told who are listed"})
    noisy_precision: float = field(default=0.3, metadata={"help": "noisy: share of those listed who are told"})
    shuffle_people: bool = field(default=True, metadata={"help": "list people in random order in training"})
    test_characters: str = field(
        default="predicted", metadata={"help": "at test: predicted | ground_truth | all | none"}
    )
    context_ads: str = field(default="none", metadata={"help": "none | ground_truth | predicted (Table 4c)"})
    context_count: int = field(default=3, metadata={"help": "previous ADs in the prompt"})
    max_people: int = field(default=3, metadata={"help": "most people listed in a prompt"})
    recognised_people: int | None = field(default=None, metadata={"help": "of these, by our own recognition (all)"})
    face_gain: float = field(default=1.5, metadata={"help": "RMS of face vectors over that of the word embeddings"})
    decode_num_beams: int = field(default=5, metadata={"help": "beams of the saved model"})
    decode_contrast: float = field(default=0.0, metadata={"help": "contrast of the saved model; 0: off (ours)"})
    accumulate: int = field(default=1, metadata={"help": "batches of one optimiser step; exact"})
    language_dtype: str = field(default="float32", metadata={"help": "language model: float32 | bfloat16"})
    language_chunk: int = field(default=0, metadata={"help": "clips in the language model at a time; 0: all; exact"})
    language_revision: str | None = field(default=None, metadata={"help": "revision of a Hub language model"})
    store_language_model: bool = field(default=True, metadata={"help": "False: name it with its SHA-256 instead"})
    attention: str = field(
        default="sdpa", metadata={"help": "the language model's attention kernel: sdpa | eager (faster on a CPU)"}
    )
    activation_checkpointing: bool = field(default=False, metadata={"help": "recompute the language model's layers"})
    lora_rank: int = field(default=0, metadata={"help": "rank of adapters in the language model; 0: none"})
    lora_alpha: float = field(default=16.0, metadata={"help": "their scale is lora_alpha / lora_rank"})
    lora_targets: str = field(default="all-linear", metadata={"help": "comma-separated module names"})
    dry_run: bool = field(default=False, metadata={"help": "check paths, memory and hours; train nothing"})


PROMPTS: dict[str, dict[str, Any]] = {
    "pocket": {
        "prompt_characters": "{characters}", "prompt_character": "{face}", "prompt_separator": "",
        "prompt_describe": "{video}{ad_start}", "person_slots": True,
    },
    "paper": {},
}  # fmt: skip
"""Processor fields of a prompt: the pocket language model's, or the processor's defaults, which are the paper's."""
PRESET_FIELDS = ("em_rounds", "em_tau", "em_similarity", "em_center", "em_bases_norm", "em_bases_init", "em_gradient")


def prompt_fields(name: str) -> dict[str, Any]:
    """Processor fields of a prompt.

    Raises:
        ValueError: no such prompt.
    """
    if name not in PROMPTS:
        raise ValueError(f"prompt is {name!r}; expected one of {', '.join(PROMPTS)}; choose one")
    return PROMPTS[name]


def build_processor(arguments: Stage2Arguments, num_frames: int = DistinctADConfig.num_frames) -> DistinctADProcessor:
    """The processor with the prompt that the language model was trained to read, or the paper's; T is the cache's.

    Raises:
        ValueError: no such prompt.
    """
    return DistinctADProcessor(
        load_images(arguments.clip),
        AutoTokenizer.from_pretrained(arguments.language, revision=arguments.language_revision),
        num_prompt_vectors=arguments.num_prompt_vectors,
        num_frames=num_frames,
        window_size=arguments.window_size,
        face_tokens=arguments.face_tokens,
        face_min_characters=arguments.face_min_characters,
        frame_fit=arguments.frame_fit,
        **prompt_fields(arguments.prompt),
    )


def config_fields(arguments: Stage2Arguments) -> dict[str, Any]:
    """Fields of `DistinctADConfig` that a run asks for: its EM preset, over it what is given by name."""
    own = {k: v for k, v in vars(arguments).items() if hasattr(DistinctADConfig, k) and k != "em_preset"}
    given = {k: v for k, v in own.items() if not (k in PRESET_FIELDS and v is None)}
    return {**DistinctADConfig.em_preset(arguments.em_preset), **given}


def build_model(
    arguments: Stage2Arguments,
    processor: DistinctADProcessor,
    cache: Any,
    films: list[str],
    towers: dict[str, Any] | None = None,
) -> DistinctADForConditionalGeneration:
    """Assembles the model; projections start on the scale of the language model's words, measured on real features.

    The language model takes `language_dtype`, all else is float32. `towers` are loaded ones ("vision", "language"),
    shared by several models of one process.
    """
    tokenizer = processor.tokenizer
    fields = {**config_fields(arguments), **processor.token_ids, "num_frames": processor.num_frames}
    if arguments.language_revision is not None:
        fields["text_model_revision"] = arguments.language_revision
    if not arguments.store_language_model:
        fields["text_model_name_or_path"] = arguments.language
    model: Any = DistinctADForConditionalGeneration.from_towers(
        **(towers or {"vision": load_vision(arguments.clip), "language": arguments.language}),
        dtype=getattr(torch, arguments.language_dtype),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **fields,
    )
    rows = cache.films[films[0]][: arguments.window_size]
    faces = torch.cat([cache.film_faces(cache.rows[cache.films[film][0]]) for film in films])
    faces = faces[faces.abs().sum(dim=-1) > 0]  # 0: a person without a portrait
    with_faces = model.face_projection is not None and len(faces) > 0
    model.scale_projections(cache.frames[rows].float()[None], faces[None] if with_faces else None)
    if with_faces and arguments.prompt == "pocket":
        start_at_words(model, faces, arguments.face_gain)
    model.language_model.set_attn_implementation(arguments.attention)
    if arguments.activation_checkpointing:
        model.language_model.gradient_checkpointing_enable({"use_reentrant": False})  # EM lies outside it
    return model


def build_trained(
    arguments: Stage2Arguments, processor: DistinctADProcessor, cache: Any, films: list[str]
) -> tuple[DistinctADForConditionalGeneration, Any]:
    """The model as it trains, and peft's handle of its adapters (None: there are none).

    Raises:
        ValueError: the cache is another tower's, or its frames met the tower's square in another way.
    """
    vision = load_vision(arguments.clip)
    sha256 = weights_sha256(vision)
    if wrong := cache_contradictions(arguments, cache, sha256):
        raise ValueError(wrong[0])
    model = build_model(arguments, processor, cache, films, {"vision": vision, "language": arguments.language})
    model.config.vision_sha256 = sha256
    if not arguments.lora_rank:
        return model, None
    return model, add_lora(model, arguments.lora_rank, arguments.lora_alpha, arguments.lora_targets)


def add_lora(model: Any, rank: int, alpha: float, targets: str) -> Any:
    """Put trainable low-rank adapters into the frozen language model, in place.

    Args:
        model: the whole model.
        rank: of the adapters.
        alpha: their scale is alpha / rank.
        targets: peft's `target_modules` as comma-separated names, or "all-linear".

    Returns:
        peft's handle, whose `merge_and_unload()` folds the adapters into the weights.
    """
    from peft import LoraConfig, get_peft_model

    names = targets if targets == "all-linear" else [name.strip() for name in targets.split(",")]
    asked = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=names, task_type="CAUSAL_LM",
        fan_in_fan_out=model.config.text_config.model_type == "gpt2",
    )  # fmt: skip
    return get_peft_model(model.language_model, asked)


@torch.no_grad()
def start_at_words(model: Any, faces: Tensor, gain: float) -> None:
    """Centres the face projection on the portraits at hand, and starts from the `<ad_start>` token's embedding.

    All portraits share most of their embedding (a face before a plain wall); without the mean they enter the prompt as
    nearly one vector, and the frozen language model cannot tell them apart (own choice).

    Args:
        model: changed in place.
        faces: (F, C) portraits.
        gain: RMS of the projected faces over the RMS of the word embeddings.
    """
    words = model.get_input_embeddings().weight
    layer = model.face_projection
    centred = (faces - faces.mean(dim=0)) @ layer.weight.T
    layer.weight.mul_(gain * words.square().mean().sqrt() / centred.square().mean().sqrt().clamp_min(1e-12))
    layer.bias.copy_(-(layer.weight @ faces.mean(dim=0)))
    if model.config.ad_start_token_id < len(words):
        model.ad_start.copy_(words[model.config.ad_start_token_id])


def check_run(arguments: Stage2Arguments) -> None:
    """Refuse choices that contradict each other.

    Raises:
        ValueError: they do.
    """
    if arguments.lora_rank and not arguments.store_language_model:
        raise ValueError(
            f"lora_rank={arguments.lora_rank} with store_language_model=False: the adapters are folded into the "
            "weights, which would not be stored; set store_language_model=True or lora_rank=0"
        )
    if arguments.attention not in ("sdpa", "eager"):
        raise ValueError(f"attention is {arguments.attention!r}; expected sdpa or eager; choose one")
    prompt_fields(arguments.prompt)
    if arguments.prompt == "paper" and arguments.face_gain != Stage2Arguments.face_gain:
        raise ValueError(f"face_gain is {arguments.face_gain}, which prompt=paper does not read; leave it out")
    for name, choices in (("sampling", SAMPLINGS), ("window_group", WINDOW_GROUPS)):
        if getattr(arguments, name) not in choices:
            raise ValueError(
                f"{name} is {getattr(arguments, name)!r}; expected one of {', '.join(choices)}; choose one"
            )
    window_options(arguments, 0)
    if arguments.language_dtype not in ("float32", "bfloat16"):
        raise ValueError(f"language_dtype is {arguments.language_dtype!r}; expected float32 or bfloat16; choose one")


def windows_a_step(arguments: Stage2Arguments, run: RunArguments) -> int:
    """Windows of one optimiser step, of this and all other ranks."""
    return run.batch_size * launched_ranks() * arguments.accumulate


def optimiser_steps(windows: int, arguments: Stage2Arguments, run: RunArguments) -> int:
    """Steps of a run over so many scheduled windows, of this and all other ranks.

    Raises:
        ValueError: the windows do not fill one step.
    """
    a_step = windows_a_step(arguments, run)
    if windows < a_step:
        raise ValueError(
            f"{windows} windows in {arguments.epochs} epochs, {a_step} a step (batch_size, accumulate, ranks); "
            "expected one step at least; add films or epochs, or lower batch_size"
        )
    steps = windows // a_step
    return min(steps, arguments.max_steps) if arguments.max_steps > 0 else steps


def window_options(arguments: Stage2Arguments, seed: int) -> WindowOptions:
    """How this run's windows become prompts."""
    return WindowOptions(
        arguments.max_people, seed, arguments.dist_stop_list, arguments.train_characters, arguments.test_characters,
        arguments.context_ads, arguments.context_count, arguments.shuffle_people, arguments.noisy_recall,
        arguments.noisy_precision, "best" if arguments.prompt == "pocket" else "bank", arguments.recognised_people,
    )  # fmt: skip


def train(arguments: Stage2Arguments, run: RunArguments) -> dict[str, Any]:
    """Trains, evaluates and saves; returns the metrics of the run record.

    Raises:
        ValueError: choices contradict each other or the cache.
    """
    check_run(arguments)
    if run.warmup_steps != RunArguments.warmup_steps:
        raise ValueError(f"warmup_steps is {run.warmup_steps}, which Stage II does not read; give --warmup_share")
    refuse_strange(Path(run.output_dir))
    torch.manual_seed(run.seed)
    cache = FeatureCache(arguments.features)
    processor = build_processor(arguments, cache.frames.shape[1])
    films, held_out = split_films(cache, arguments.held_out_from)
    data, work = fingerprint(cache.meta, arguments.held_out_from), f"{Path(run.output_dir)}.training"
    model, lora = build_trained(arguments, processor, cache, films)
    begun = {**vars(arguments), **vars(run), "data": data, "language_sha256": model.config.text_model_sha256}
    start = resume_point(work, begun | {"cache_sha256": cache_sha256(arguments.features)}, places=("clip", "features"))
    collator = WindowCollator(processor, cache, window_options(arguments, run.seed))
    size, group = arguments.window_size, arguments.window_group
    schedule = scheduled_windows(cache, films, size, run.seed, arguments.epochs, arguments.sampling, group)
    steps = optimiser_steps(len(schedule), arguments, run)
    settings = training_arguments(
        run, output_dir=work, max_steps=steps, warmup_steps=round(arguments.warmup_share * steps),
        weight_decay=arguments.weight_decay, gradient_accumulation_steps=arguments.accumulate,
        ddp_broadcast_buffers=False,
    )  # fmt: skip
    record = RunRecord("stage2", {**vars(arguments), **vars(run), "steps": steps}, run.seed, data)
    watched = WindowCollator(processor, cache, window_options(arguments, run.seed))
    test = consecutive_windows(cache, held_out, size, group)
    if os.environ.get("RANK", "0") == "0":
        print(*tell_people(watched, schedule, test), sep="\n", file=sys.stderr)
    trainer = Stage2Trainer(model=model, args=settings, train_dataset=schedule, data_collator=collator)
    if trainer.is_fsdp_enabled and arguments.language_chunk:
        raise ValueError(f"language_chunk is {arguments.language_chunk} with FSDP, which runs all at a time; set 0")
    trainer.language_chunk = arguments.language_chunk
    # The trainer has placed the model; with FSDP it does so in `train`, and a model that needs it is too large here.
    metrics: dict[str, Any] = {"start": None if trainer.is_fsdp_enabled else evaluate_windows(model, watched, test)}
    trainer.train(resume_from_checkpoint=start)
    watched.counts.clear()  # of the evaluation at the start
    metrics["end"] = evaluate_windows(model, watched, test)
    trained = schedule[: steps * run.batch_size * settings.world_size * arguments.accumulate]  # resumed or not
    metrics["training_clips"], metrics["held_out_clips"] = collator.count(trained), dict(watched.counts)
    metrics["trained_parameters"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    state = trainer.trained_state() if trainer.is_fsdp_enabled else None
    if trainer.is_world_process_zero():
        stored = arguments.store_language_model
        if state is not None:  # this rank holds a part only: the frozen towers are read again, into host memory
            model, lora = build_trained(arguments, processor, cache, films)
            model.load_state_dict(state, strict=False)
        if lora is not None:
            lora.merge_and_unload()
        save_whole(model, processor, run.output_dir, record, metrics, trainer.state.log_history, stored)
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return metrics


def main() -> None:
    """Runs Stage II from the command line."""
    arguments, run = parse_run(Stage2Arguments)
    if arguments.dry_run:
        from train.dry_run import report

        with plain_refusals():
            sys.exit(report(arguments, run))
    with plain_stops(run.output_dir):
        print(train(arguments, run)["end"])


if __name__ == "__main__":
    main()
