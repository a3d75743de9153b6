"""Stage I, CLIP-AD adaptation: CLIP's vision tower learns to see what ADs tell (section 3.1).

Clips of pocket films are drawn on the fly and matched with their ADs: globally (clip against pooled AD) and finely (one
frame sampled per clip and step against the words that it attends to). The text tower is frozen, so Stage II's language
model keeps reading the same space. The batch is what fits on the device.

Run: `accelerate launch train/stage1.py train/configs/pocket_stage1.yaml [--key value]`. Resumes from the last
checkpoint. Writes a plain CLIP folder (CLIP_AD) with tokenizer, image processor and run record.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import AutoTokenizer, CLIPModel, Trainer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from datasets_scripts.pocket.draw import clip_frames
from datasets_scripts.pocket.story import make_film
from datasets_scripts.pocket.world import Film
from modeling_distinctad.losses_distinctad import stage1_loss
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import weights_sha256
from train.arguments import RunArguments, latest_checkpoint, parse_run, training_arguments
from train.collators import ClipCollator
from train.features import frame_processor, load_images, parse_seeds
from train.run_record import RunRecord, fingerprint

TRAINED = ("vision_model.", "visual_projection.")


@dataclass
class Stage1Arguments:
    """What Stage I trains and on what."""

    clip: str = field(default="runs/pocket/clip", metadata={"help": "CLIP folder with tokenizer and image processor"})
    seeds: str = field(default="1-400", metadata={"help": "training films"})
    held_out_seeds: str = field(default="800001-800016", metadata={"help": "films of the retrieval test"})
    held_out_clips: int = field(default=256, metadata={"help": "clips of the retrieval test"})
    preset: str = field(default="clear", metadata={"help": "story preset: clear | crowded"})
    epochs: int = field(default=5, metadata={"help": "passes over the clips"})
    max_steps: int = field(default=-1, metadata={"help": "stop after this many steps; -1: all epochs"})
    num_frames: int = field(default=8, metadata={"help": "F frames a clip"})
    gamma: float = field(default=0.5, metadata={"help": "weight of the global loss"})
    tau_w: float = field(default=0.01, metadata={"help": "temperature of the word attention"})


@functools.lru_cache(maxsize=64)
def _film(seed: int, preset: str) -> Film:
    return make_film(seed, preset)


class ClipDataset(Dataset):
    """Clips of pocket films with their ADs, drawn when asked for; a pure function of the index.

    Args:
        seeds: films.
        preset: story preset.
        processor: fits pictures to the tower.
        limit: first so many clips only.
    """

    def __init__(self, seeds: list[int], preset: str, processor: DistinctADProcessor, limit: int | None = None) -> None:
        self.preset, self.processor = preset, processor
        clips = [(seed, i) for seed in seeds for i in range(len(_film(seed, preset).clips))]
        self.clips = clips[:limit]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`pixel_values` (F, 3, H, W) float32 and `text`."""
        seed, number = self.clips[index]
        clip = _film(seed, self.preset).clips[number]
        frames = clip_frames(clip, self.processor.num_frames)
        return {"pixel_values": self.processor.frame_pixels(frames), "text": clip.text}


class Stage1Model(nn.Module):
    """CLIP with a frozen text tower; forward gives what the losses need.

    Args:
        clip: the model whose vision half will train.
    """

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.clip = clip
        for name, parameter in clip.named_parameters():
            parameter.requires_grad = name.startswith(TRAINED)

    def train(self, mode: bool = True) -> Stage1Model:
        """Keeps the text tower in eval mode."""
        super().train(mode)
        self.clip.text_model.eval()
        return self

    def frames(self, pixel_values: Tensor) -> Tensor:
        """V (P, F, C), projected, not normalised, of pixels (P, F, 3, H, W)."""
        pooled = self.clip.vision_model(pixel_values=pixel_values.flatten(0, 1)).pooler_output
        return self.clip.visual_projection(pooled).unflatten(0, pixel_values.shape[:2])

    @torch.no_grad()
    def texts(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled (P, C) and word states (P, W, C), both projected."""
        output = self.clip.text_model(input_ids=input_ids, attention_mask=attention_mask)
        return self.clip.text_projection(output.pooler_output), self.clip.text_projection(output.last_hidden_state)

    def forward(
        self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """V (P, F, C), texts (P, C), words (P, W, C) and the frozen factor of the inner products (at most 100)."""
        texts, words = self.texts(input_ids, attention_mask)
        return self.frames(pixel_values), texts, words, self.clip.logit_scale.detach().exp().clamp(max=100)


class Stage1Trainer(Trainer):
    """L_I = gamma L_g + (1 - gamma) L_f over the batch of one rank."""

    stage: Stage1Arguments
    parts: dict[str, float]

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Samples one frame of every clip from torch's generator, which a checkpoint restores."""
        word_mask = inputs.pop("word_mask")
        frames, texts, words, scale = model(**inputs)
        index = torch.randint(frames.shape[1], (len(frames),)).to(frames.device)
        found = stage1_loss(frames, texts, words, word_mask, index, scale, self.stage.gamma, self.stage.tau_w)
        self.parts = {
            "loss_global": float(found.global_loss.detach()),
            "loss_fine_grained": float(found.fine_grained_loss.detach()),
        }
        return (found.loss, {"loss": found.loss}) if return_outputs else found.loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds the last batch's two losses."""
        super().log({**logs, **(getattr(self, "parts", {}) if "loss" in logs else {})}, *args, **kwargs)


def ranks(similarity: Tensor) -> Tensor:
    """Rank (from 1) of the right column of every row; equal scores count half, so a constant model is at chance.

    Args:
        similarity: (P, P), right pairs on the diagonal.

    Returns:
        (P,) float32.
    """
    right = similarity.diagonal()[:, None]
    return 1 + (similarity > right).sum(1).float() + ((similarity == right).sum(1) - 1).float() / 2


@torch.no_grad()
def evaluate_retrieval(
    model: Stage1Model, data: ClipDataset, collator: ClipCollator, batch: int = 32
) -> dict[str, float]:
    """Retrieval between clips and ADs of a pool, both ways.

    Returns:
        `clip_to_ad_*` and `ad_to_clip_*`: r1, r5, r10 and median_rank; `chance_r1`, `_r5`, `_r10`; `neighbour_cosine`,
        the mean cosine of consecutive clips.
    """
    model.eval()
    device = next(model.parameters()).device
    clips, texts = [], []
    for start in range(0, len(data), batch):
        rows = collator([data[i] for i in range(start, min(start + batch, len(data)))])
        frames, pooled, _, _ = model(**{k: v.to(device) for k, v in rows.items() if k != "word_mask"})
        unit = nn.functional.normalize(frames.float(), dim=-1).mean(dim=1)
        clips.append(nn.functional.normalize(unit, dim=-1).cpu())
        texts.append(nn.functional.normalize(pooled.float(), dim=-1).cpu())
    clip, text = torch.cat(clips), torch.cat(texts)
    figures: dict[str, float] = {}
    for name, similarity in (("clip_to_ad", clip @ text.T), ("ad_to_clip", text @ clip.T)):
        place = ranks(similarity)
        figures |= {f"{name}_r{k}": round(float((place <= k).float().mean()), 4) for k in (1, 5, 10)}
        figures[f"{name}_median_rank"] = float(place.median())
    figures |= {f"chance_r{k}": round(min(1.0, k / len(clip)), 4) for k in (1, 5, 10)}
    figures["neighbour_cosine"] = round(float((clip[1:] * clip[:-1]).sum(-1).mean()), 4)
    return figures


def train(arguments: Stage1Arguments, run: RunArguments) -> dict[str, Any]:
    """Trains, tests and saves; returns the metrics of the run record."""
    torch.manual_seed(run.seed)
    tokenizer = AutoTokenizer.from_pretrained(arguments.clip)
    processor = frame_processor(arguments.clip, arguments.num_frames)
    clip = CLIPModel.from_pretrained(arguments.clip, dtype=torch.float32, attn_implementation="eager")
    tokenizer.model_max_length = min(tokenizer.model_max_length, clip.config.text_config.max_position_embeddings)
    model, collator = Stage1Model(clip), ClipCollator(tokenizer)
    data = ClipDataset(parse_seeds(arguments.seeds), arguments.preset, processor)
    pool = ClipDataset(parse_seeds(arguments.held_out_seeds), arguments.preset, processor, arguments.held_out_clips)
    settings = training_arguments(
        run, num_train_epochs=arguments.epochs, max_steps=arguments.max_steps, optim="adamw_torch", weight_decay=0.0,
    )  # fmt: skip  # AdamW without decay is Adam
    seeds = fingerprint("stage1", arguments.preset, arguments.seeds, arguments.held_out_seeds)
    record = RunRecord("stage1", {**vars(arguments), **vars(run)}, run.seed, seeds)
    metrics: dict[str, Any] = {"before": evaluate_retrieval(model, pool, collator), "pool": len(pool)}
    trainer = Stage1Trainer(model=model, args=settings, train_dataset=data, data_collator=collator)
    trainer.stage = arguments
    trainer.train(resume_from_checkpoint=latest_checkpoint(run.output_dir))
    metrics["after"] = evaluate_retrieval(model, pool, collator)
    metrics["training_clips"], metrics["steps"] = len(data), trainer.state.global_step
    if trainer.is_world_process_zero():
        metrics["weights_sha256"] = weights_sha256(clip)
        clip.save_pretrained(run.output_dir)
        tokenizer.save_pretrained(run.output_dir)
        load_images(arguments.clip).save_pretrained(run.output_dir)
        record.write(Path(run.output_dir), metrics, trainer.state.log_history)
    return metrics


def main() -> None:
    """Runs Stage I from the command line."""
    print(train(*parse_run(Stage1Arguments)))


if __name__ == "__main__":
    main()
