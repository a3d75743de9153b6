"""Stage II: distinctive narration of windows of clips with both towers frozen (section 3.2 and 3.3).

Reads a feature cache of `train/features.py`, trains Perceiver, contextual EM's cross-attention, projections and the
start vector, and writes one folder that `transformers.pipeline(model=folder, trust_remote_code=True)` loads. The
checkpoints of the run lie beside it in `<output_dir>.training` and hold the trained parameters only.

Run: `python train/stage2.py train/configs/pocket_stage2.yaml [--key value]`. Resumes from the last checkpoint.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import AutoTokenizer, Trainer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.pipeline_distinctad import DistinctADPipeline
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import weights_sha256
from train.arguments import RunArguments, latest_checkpoint, parse_run, training_arguments
from train.collators import Window, WindowCollator, consecutive_windows, scheduled_windows
from train.features import FeatureCache, load_images
from train.run_record import RunRecord, fingerprint

WEIGHTS = "model.safetensors"


@dataclass
class Stage2Arguments:
    """What Stage II trains and on what; names as in `DistinctADConfig` where it has the field."""

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
    context_mixer: str = field(default="em", metadata={"help": "em | attention | residual | none"})
    em_preset: str = field(default="default", metadata={"help": "default | paper_literal | emcl"})
    em_num_bases: int = field(default=32, metadata={"help": "K bases"})
    alpha: float = field(default=3.0, metadata={"help": "weight of the reconstruction"})
    beta: float = field(default=1.0, metadata={"help": "weight of the cross-attention"})
    lambda_dist: float = field(default=1.0, metadata={"help": "weight of the distinctive-word loss"})
    dist_loss: str = field(default="masked", metadata={"help": "masked | bag"})
    dist_stop_list: bool = field(default=True, metadata={"help": "no closed-class words and names in the loss"})
    max_people: int = field(default=3, metadata={"help": "most recognised people listed in a prompt"})
    face_gain: float = field(default=1.5, metadata={"help": "RMS of face vectors over that of the word embeddings"})
    decode_num_beams: int = field(default=5, metadata={"help": "beams of the saved model"})


def build_processor(arguments: Stage2Arguments) -> DistinctADProcessor:
    """The processor with the prompt that the pocket language model was trained to read."""
    return DistinctADProcessor(
        load_images(arguments.clip),
        AutoTokenizer.from_pretrained(arguments.language),
        num_prompt_vectors=arguments.num_prompt_vectors,
        window_size=arguments.window_size,
        prompt_characters="{characters}",
        prompt_character="{face}",
        prompt_separator="",
        prompt_describe="{video}{ad_start}",
        face_tokens="always",
        frame_fit="squash",
        person_slots=True,
    )


def build_model(
    arguments: Stage2Arguments, processor: DistinctADProcessor, cache: FeatureCache, films: list[str]
) -> DistinctADForConditionalGeneration:
    """Assembles the model; projections start on the scale of the language model's words, measured on real features."""
    preset = {**DistinctADConfig.em_preset(arguments.em_preset), "em_num_bases": arguments.em_num_bases}
    given = {k: v for k, v in vars(arguments).items() if hasattr(DistinctADConfig, k) and k != "em_preset"}
    tokenizer = processor.tokenizer
    model: Any = DistinctADForConditionalGeneration.from_towers(
        vision=arguments.clip,
        language=arguments.language,
        face_tokens="always",
        frame_fit="squash",
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **{**preset, **given, **processor.token_ids},
    )
    rows = cache.films[films[0]][: arguments.window_size]
    model.scale_projections(cache.frames[rows].float()[None], cache.faces.float()[None])
    start_at_words(model, cache.faces.float(), arguments.face_gain)
    return model


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


class Stage2Trainer(Trainer):
    """Trains windows in their scheduled order; checkpoints hold trained parameters and buffers only."""

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        """The schedule is already shuffled."""
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """L_II, both parts over the supervised tokens of the global batch; keeps the parts for the log."""
        output = model(**inputs, num_items_in_batch=num_items_in_batch)
        self.parts = {"loss_auto": float(output.loss_auto.detach())}
        if output.loss_distinctive is not None:
            self.parts["loss_distinctive"] = float(output.loss_distinctive.detach())
        loss = output.loss
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes  # DDP averages what is already divided by the global count
        return (loss, output) if return_outputs else loss

    parts: dict[str, float]

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds the last batch's losses, unrounded."""
        super().log({**logs, **(getattr(self, "parts", {}) if "loss" in logs else {})}, *args, **kwargs)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        """Writes the trained part of the state."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        state = self.accelerator.unwrap_model(self.model).state_dict() if state_dict is None else state_dict
        kept = {k: v.contiguous() for k, v in state.items() if not k.startswith(("vision_tower.", "language_model."))}
        save_file(kept, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Takes the trained part from a checkpoint.

        Raises:
            ValueError: something but the frozen towers is missing or unknown.
        """
        state = load_file(Path(resume_from_checkpoint) / WEIGHTS)
        left = (model or self.model).load_state_dict(state, strict=False)
        missing = [k for k in left.missing_keys if not k.startswith(("vision_tower.", "language_model."))]
        if missing or left.unexpected_keys:
            raise ValueError(
                f"{resume_from_checkpoint}: missing {missing[:3]}, unknown {left.unexpected_keys[:3]}; expected this "
                "model's trained part; resume with the configuration of the run, or delete the checkpoint"
            )


@torch.no_grad()
def evaluate_windows(model: Any, collator: WindowCollator, windows: list[Window], batch: int = 4) -> dict[str, float]:
    """Teacher-forced accuracies on test windows.

    Args:
        model: the model.
        collator: makes the inputs.
        windows: windows of held-out films.
        batch: windows at a time.

    Returns:
        loss, token_accuracy, person_accuracy (next token is the right `<person_k>`), distinctive_accuracy and the
        health figures of contextual EM on the first batch.
    """
    model.eval()
    slots = collator.processor.tokenizer.get_added_vocab()
    persons = torch.tensor([i for t, i in slots.items() if t.startswith("<person_")], device=model.device)
    right: dict[str, list[Tensor]] = {"token": [], "person": [], "distinctive": []}
    losses, health = [], dict[str, float]()
    for start in range(0, len(windows), batch):
        inputs = {k: v.to(model.device) for k, v in collator(windows[start : start + batch]).items()}
        if not health:
            health = model.em_health(inputs["frame_features"], inputs["frame_mask"], inputs["clip_mask"])
        output = model(**inputs)
        labels = inputs["labels"][..., 1:]
        hit = output.logits[..., :-1, :].argmax(-1) == labels
        told = labels >= 0
        right["token"].append(hit[told])
        right["person"].append(hit[torch.isin(labels, persons)])
        right["distinctive"].append(hit[told & inputs["distinctive_mask"][..., 1:].bool()])
        losses.append(float(output.loss))
    figures = {f"{name}_accuracy": round(float(torch.cat(h).float().mean()), 4) for name, h in right.items()}
    health = {f"em_{name}": round(float(value), 4) for name, value in health.items()}
    return {"loss": round(sum(losses) / len(losses), 4), **figures, **health}


def save_whole(model: Any, processor: Any, output_dir: str, record: RunRecord, metrics: Any, curve: Any) -> None:
    """Writes model, processor, code and run record in bfloat16 beside `output_dir`, then takes its place."""
    target = Path(output_dir)
    new, old = target.with_name(target.name + ".new"), target.with_name(target.name + ".old")
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    new.mkdir(parents=True)
    model.to(torch.bfloat16)
    DistinctADPipeline(model, processor, device="cpu").save_pretrained(new)
    record.write(new, metrics, curve)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def split_films(cache: FeatureCache, held_out_from: int) -> tuple[list[str], list[str]]:
    """Training and held-out films of a cache.

    Raises:
        ValueError: one of the two is empty.
    """
    train = [film for film in cache.films if int(film) <= held_out_from]
    held_out = [film for film in cache.films if int(film) > held_out_from]
    if not train or not held_out:
        raise ValueError(
            f"{len(train)} training and {len(held_out)} held-out films around seed {held_out_from}; expected both; "
            "add seeds to the feature cache"
        )
    return train, held_out


def train(arguments: Stage2Arguments, run: RunArguments) -> dict[str, Any]:
    """Trains, evaluates and saves; returns the metrics of the run record."""
    torch.manual_seed(run.seed)
    processor = build_processor(arguments)
    cache = FeatureCache(arguments.features)
    films, held_out = split_films(cache, arguments.held_out_from)
    model = build_model(arguments, processor, cache, films)
    if weights_sha256(model.vision_tower) != cache.meta["tower"]:
        raise ValueError(
            f"{arguments.features} was made by another tower than {arguments.clip}; encode the films again"
        )
    collator = WindowCollator(processor, cache, arguments.max_people, run.seed, arguments.dist_stop_list)
    schedule = scheduled_windows(cache, films, arguments.window_size, run.seed, arguments.epochs)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    steps = max(1, len(schedule) // (run.batch_size * world))
    steps = min(steps, arguments.max_steps) if arguments.max_steps > 0 else steps
    work = run.output_dir + ".training"
    settings = training_arguments(
        run, output_dir=work, max_steps=steps, warmup_steps=round(arguments.warmup_share * steps),
        weight_decay=arguments.weight_decay,
    )  # fmt: skip
    data = fingerprint(cache.meta, arguments.held_out_from)
    record = RunRecord("stage2", {**vars(arguments), **vars(run), "steps": steps}, run.seed, data)
    watched = WindowCollator(processor, cache, arguments.max_people, run.seed, arguments.dist_stop_list)
    test = consecutive_windows(cache, held_out, arguments.window_size)
    metrics: dict[str, Any] = {"start": evaluate_windows(model, watched, test)}
    trainer = Stage2Trainer(model=model, args=settings, train_dataset=schedule, data_collator=collator)
    trainer.train(resume_from_checkpoint=latest_checkpoint(work))
    metrics["end"] = evaluate_windows(model, watched, test)
    metrics["training_clips"], metrics["held_out_clips"] = dict(collator.counts), dict(watched.counts)
    metrics["trained_parameters"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if trainer.is_world_process_zero():
        save_whole(model, processor, run.output_dir, record, metrics, trainer.state.log_history)
    return metrics


def main() -> None:
    """Runs Stage II from the command line."""
    print(train(*parse_run(Stage2Arguments))["end"])


if __name__ == "__main__":
    main()
