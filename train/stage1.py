"""Stage I, CLIP-AD adaptation: CLIP's vision tower learns to see what ADs tell (section 3.1).

Clips (drawn from pocket films on the fly, or decoded from videos, extracted frames or shards) are matched with their
ADs: globally (clip against pooled AD) and finely (one frame sampled per clip and step against the words that it attends
to). The text tower is frozen, so Stage II's language
model keeps reading the same space; its texts are encoded once. The losses are those of the whole batch of all ranks,
whatever fits into memory at once (`chunk_size`).

Run: `accelerate launch train/stage1.py train/configs/pocket_stage1.yaml [--key value]`. Resumes from the last
checkpoint. Writes a plain CLIP folder (CLIP_AD) with tokenizer, image processor and run record.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, distributed, nn
from torch.utils.data import Dataset
from transformers import AutoTokenizer, TrainerCallback

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from datasets_scripts.pocket.story import make_film
from datasets_scripts.pocket.world import Film
from modeling_distinctad.losses_distinctad import stage1_loss
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import weights_sha256
from train.arguments import RunArguments, parse_run, resume_point, training_arguments
from train.clip_sources import build_source
from train.collators import ClipCollator
from train.dual_encoder import compile_layers, freeze_statistics, load_clip, pooled_images
from train.features import frame_processor, load_images, parse_seeds
from train.film_splits import refuse_blind, refuse_overlap
from train.frame_cache import CACHE_BYTES, FrameCache
from train.gradient_cache import cached_backward, gather_padded, gather_rows, world_size
from train.ordered_trainer import FigureTrainer
from train.pocket_frames import drawn_pixels
from train.retrieval import embed_pool, retrieval_figures
from train.run_record import RunRecord, fingerprint
from train.stops import plain_stops
from train.text_cache import CachedTextCollator, TextBatch, build_text_cache

__all__ = ["ClipDataset", "Stage1Arguments", "Stage1Model", "Stage1Trainer", "train"]

TRAINED = ("vision_model.", "visual_projection.")


@dataclass
class Stage1Arguments:
    """What Stage I trains and on what."""

    run_defaults: ClassVar[dict[str, Any]] = {
        "learning_rate": 5e-5, "lr_schedule": "constant", "warmup_steps": 0, "batch_size": 512,
    }  # fmt: skip

    clip: str = field(default="runs/pocket/clip_actors", metadata={"help": "CLIP folder with its processors"})
    source: str = field(default="pocket", metadata={"help": "pocket | videos | frames | webdataset | parquet"})
    clips: str = field(default="", metadata={"help": "training clips of a source: annotation rows or shards"})
    held_out: str = field(default="", metadata={"help": "clips of the retrieval test, of films not among the others"})
    root: str | None = field(default=None, metadata={"help": "folder of the rows' videos; unset: the rows' own"})
    frames_fps: float | None = field(
        default=None, metadata={"help": "source frames: frames a second, for rows without frame numbers"}
    )
    frame_cache: str = field(default="", metadata={"help": "folder of drawn or decoded frames; empty: anew every time"})
    frame_cache_gb: float = field(default=CACHE_BYTES / 1e9, metadata={"help": "what it may keep; MAD at 224: 400"})
    max_failed_share: float = field(default=0.01, metadata={"help": "share of clips that may fail to decode"})
    workers: int = field(default=0, metadata={"help": "processes that draw or decode clips"})
    seeds: str = field(default="1-400", metadata={"help": "pocket films to train on"})
    held_out_seeds: str = field(default="800001-800016", metadata={"help": "pocket films of the retrieval test"})
    held_out_clips: int = field(default=256, metadata={"help": "pocket clips of the retrieval test"})
    preset: str = field(default="clear", metadata={"help": "story preset: clear | crowded"})
    epochs: int = field(default=5, metadata={"help": "passes over the clips"})
    max_steps: int = field(default=-1, metadata={"help": "stop after this many steps; -1: all epochs"})
    num_frames: int = field(default=8, metadata={"help": "F frames a clip"})
    frame_fit: str = field(default="squash", metadata={"help": "crop | pad | squash; as Stage II and its features"})
    frame_sampling: str = field(
        default="midpoint", metadata={"help": "videos: midpoint | autoad | segment (at random, anew every epoch)"}
    )
    gamma: float = field(default=0.5, metadata={"help": "weight of the global loss"})
    tau_w: float = field(default=0.01, metadata={"help": "temperature of the word attention"})
    normalize: bool = field(default=True, metadata={"help": "unit vectors and a scale; False: literal inner products"})
    logit_scale: float = field(default=0.0, metadata={"help": "factor of the inner products; 0: CLIP's own"})
    mask_duplicate_texts: bool = field(default=False, metadata={"help": "clips with the same AD are no negatives"})
    chunk_size: int = field(default=0, metadata={"help": "clips in memory at once; 0: the whole batch"})
    gradient_checkpointing: bool = field(default=False, metadata={"help": "recompute the tower's layers: less memory"})
    attention: str = field(default="eager", metadata={"help": "the tower's attention kernel: eager | sdpa"})
    compile_layers: bool = field(default=False, metadata={"help": "compile the tower's layers; for accelerators"})
    text_cache: str = field(default="", metadata={"help": "folder of encoded ADs; empty: in output_dir"})


@functools.lru_cache(maxsize=64)
def _film(seed: int, preset: str) -> Film:
    return make_film(seed, preset)


class ClipDataset(Dataset):
    """Clips of pocket films with their ADs, drawn when asked for; a pure function of the index.

    Args:
        seeds: films.
        preset: story preset.
        processor: fits pictures to the tower.
        limit: so many clips only, the first ones of every film and of each film as many as of the others (or one more).
        cache: of the frames as they enter the tower, or None.
    """

    def __init__(
        self,
        seeds: list[int],
        preset: str,
        processor: DistinctADProcessor,
        limit: int | None = None,
        cache: FrameCache | None = None,
    ) -> None:
        self.preset, self.processor, self.cache = preset, processor, cache
        clips = [(seed, i) for seed in seeds for i in range(len(_film(seed, preset).clips))]
        kept = sorted(range(len(clips)), key=lambda place: clips[place][1])[
            :limit
        ]  # stable: all films' first clips first
        self.clips = [clips[place] for place in sorted(kept)]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`pixel_values` (F, 3, H, W) float32, `text` and `film`."""
        seed, number = self.clips[index]
        clip = _film(seed, self.preset).clips[number]
        pixels = drawn_pixels(clip, self.processor, self.cache)
        return {"pixel_values": pixels, "text": clip.text, "film": str(seed)}

    def texts(self) -> list[str]:
        """The AD of every clip, without drawing it."""
        return [_film(seed, self.preset).clips[number].text for seed, number in self.clips]


def build_data(arguments: Stage1Arguments, processor: DistinctADProcessor, folder: Path) -> tuple[Any, Any]:
    """Training clips and the pool of the retrieval test, each with `texts()`.

    A source lists the clips that it leaves out in `folder`: failed_clips.jsonl and failed_held_out.jsonl.

    Raises:
        ValueError: a source without clips or without held-out ones, one that cannot be used, films that are both
            trained on and tested, or pocket films that are kept for blind evaluation.
        TooManyFailures: too many clips cannot be decoded.
        OSError: the frame cache cannot be written to.
    """
    room = round(arguments.frame_cache_gb * 1e9)
    if arguments.frame_sampling != "midpoint" and arguments.source != "videos":
        raise ValueError(
            f"frame_sampling is {arguments.frame_sampling!r} with source {arguments.source}, whose frames are chosen "
            "already; expected midpoint; take source videos for others"
        )
    if arguments.source == "pocket":
        seeds, held_out = parse_seeds(arguments.seeds), parse_seeds(arguments.held_out_seeds)
        refuse_blind(seeds=seeds)
        refuse_overlap(seeds=seeds, held_out_seeds=held_out)
        cache = FrameCache(arguments.frame_cache, room) if arguments.frame_cache else None
        data = ClipDataset(seeds, arguments.preset, processor, cache=cache)
        return data, ClipDataset(held_out, arguments.preset, processor, arguments.held_out_clips)
    if not arguments.clips or not arguments.held_out:
        raise ValueError(
            f"source {arguments.source} has clips {arguments.clips!r} and held_out {arguments.held_out!r}; expected "
            "annotation rows or shards for both; give their paths"
        )
    first, second = (
        build_source(
            arguments.source, path, processor, cache=arguments.frame_cache or None, workers=arguments.workers,
            cache_bytes=room, max_failed_share=arguments.max_failed_share, log=folder / f"failed_{name}.jsonl",
            root=arguments.root, frames_fps=arguments.frames_fps, frame_sampling=mode, check=False,
        )
        for name, path, mode in (
            ("clips", arguments.clips, arguments.frame_sampling),
            ("held_out", arguments.held_out, "midpoint"),  # as films are described
        )
    )  # fmt: skip
    named = [{source.named_film(i) for i in range(len(source))} - {""} for source in (first, second)]
    refuse_overlap(clips=named[0], held_out=named[1])  # before hours of decoding
    if arguments.frame_cache:
        first.check_all(arguments.workers)
        second.check_all(arguments.workers)
    return first, second


class Stage1Model(nn.Module):
    """CLIP with a frozen text tower; forward gives what the losses need.

    Args:
        clip: the model whose vision half will train, see `load_clip`.
    """

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip = clip
        for name, parameter in clip.named_parameters():
            parameter.requires_grad = name.startswith(TRAINED)

    def train(self, mode: bool = True) -> Stage1Model:
        """Keeps the text tower and batch norms in eval mode: chunks of a batch give what the whole gives."""
        super().train(mode)
        self.clip.text_model.eval()
        freeze_statistics(self.clip)
        return self

    def frames(self, pixel_values: Tensor) -> Tensor:
        """V (P, F, C), projected, not normalised, of pixels (P, F, 3, H, W)."""
        return pooled_images(self.clip, pixel_values.flatten(0, 1)).unflatten(0, pixel_values.shape[:2])

    @torch.no_grad()
    def texts(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled (P, C) and word states (P, W, C), both projected."""
        output = self.clip.text_model(input_ids=input_ids, attention_mask=attention_mask)
        return self.clip.text_projection(output.pooler_output), self.clip.text_projection(output.last_hidden_state)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """V (P, F, C) of pixels (P, F, 3, H, W): what is trained, and all that a training step runs."""
        return self.frames(pixel_values)

    def scale(self, override: float = 0.0) -> Tensor | float:
        """CLIP's own frozen factor of the inner products (at most 100), or `override` if it is not 0."""
        return override or self.clip.logit_scale.detach().exp().clamp(max=100)

    def checkpoint_layers(self) -> None:
        """Keeps only the inputs of the vision tower's layers for the backward pass and computes the rest again."""
        tower = self.clip.vision_model
        enable = getattr(tower, "activation_checkpointing_enable", None) or tower.gradient_checkpointing_enable
        enable({"use_reentrant": False})


class Stage1Trainer(FigureTrainer):
    """L_I = gamma L_g + (1 - gamma) L_f over the batch of all ranks, in chunks of `stage.chunk_size` clips.

    Attributes:
        stage: the configuration; set it before training.
        names: of the last batch's clips.
    """

    stage: Stage1Arguments
    names: list[str]

    def batch_name(self) -> str:
        """Films and texts of this rank's last clips."""
        return ", ".join(self.names[:8]) + (f" and {len(self.names) - 8} more" if len(self.names) > 8 else "")

    def add_gradients(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Adds the gradients of one batch; returns the loss, a scalar."""
        self.names = inputs.pop("names", [])
        model.train()
        inputs = self._prepare_inputs(inputs)
        pixels = inputs.pop("pixel_values")
        words, mask = gather_padded(inputs["words"]), gather_padded(inputs["word_mask"])
        batch = TextBatch(gather_rows(inputs["texts"]), words, mask, gather_rows(inputs["text_ids"]))
        index = sampled_frames(pixels)
        stage = self.stage

        def loss_of(frames: Tensor) -> Tensor:
            found = stage1_loss(
                frames, batch.texts, batch.words, batch.word_mask, index,
                self.accelerator.unwrap_model(model).scale(stage.logit_scale), stage.gamma, stage.tau_w,
                stage.normalize, batch.text_ids if stage.mask_duplicate_texts else None,
            )  # fmt: skip
            self.figures = {
                "loss_global": float(found.global_loss.detach()),
                "loss_fine_grained": float(found.fine_grained_loss.detach()),
            }
            return found.loss

        steps = self.current_gradient_accumulation_steps
        no_sync = functools.partial(self.accelerator.no_sync, model)
        backward = self.accelerator.backward
        return cached_backward(model, pixels, loss_of, stage.chunk_size, 1 / steps, backward, no_sync) / steps


class EpochDraw(TrainerCallback):
    """Tells training clips seed and epoch, before the workers that decode them start; in a resumed run too."""

    def __init__(self, data: Any, seed: int) -> None:
        self.data, self.seed = data, seed

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The Trainer's hook."""
        self.data.draw = (self.seed, int(state.epoch + 1e-6))


def sampled_frames(pixel_values: Tensor) -> Tensor:
    """One frame of every clip of all ranks for L_f, from torch's generator (which a checkpoint restores) on rank 0.

    Args:
        pixel_values: (P, F, 3, H, W) of this rank.

    Returns:
        (ranks * P,) long in [0, F), the same on every rank; two ranks draw what one would for the same batch.
    """
    clips, frames = pixel_values.shape[:2]
    index = torch.randint(frames, (world_size() * clips,)).to(pixel_values.device)
    if world_size() > 1:
        distributed.broadcast(index, src=0)
    return index


def data_fingerprint(arguments: Stage1Arguments, clips: Mapping[str, Any], pool: Any) -> str:
    """Names the clips of a run: pocket films by their seeds, others by the lists of those that are left.

    Args:
        arguments: of the run.
        clips: `clip_settings` of the training clips.
        pool: the held-out clips.
    """
    if arguments.source == "pocket":
        return fingerprint("stage1", arguments.preset, arguments.seeds, arguments.held_out_seeds)
    lists = clips["clips_sha256"], pool.list_sha256()
    return fingerprint("stage1", arguments.source, arguments.clips, arguments.held_out, *lists)


def clip_settings(arguments: Stage1Arguments, data: Any) -> dict[str, Any]:
    """What a checkpoint must match of a source's training clips: files change under a path. Nothing for pocket films.

    Args:
        arguments: of the run.
        data: the training clips that are left.
    """
    return {} if arguments.source == "pocket" else {"listed_clips": len(data), "clips_sha256": data.list_sha256()}


def train(arguments: Stage1Arguments, run: RunArguments) -> dict[str, Any]:
    """Trains, tests and saves; returns the metrics of the run record."""
    torch.manual_seed(run.seed)
    tokenizer = AutoTokenizer.from_pretrained(arguments.clip)
    processor = frame_processor(arguments.clip, arguments.num_frames, arguments.frame_fit)
    clip = load_clip(arguments.clip, arguments.attention)
    begun = {**vars(arguments), **vars(run), "clip_sha256": weights_sha256(clip)}  # a folder may be trained anew
    resume_point(run.output_dir, begun, unknown=("listed_clips", "clips_sha256"))  # refused before clips are decoded
    tokenizer.model_max_length = min(tokenizer.model_max_length, clip.config.text_config.max_position_embeddings)
    model, collator = Stage1Model(clip), ClipCollator(tokenizer)
    settings = training_arguments(
        run, num_train_epochs=arguments.epochs, max_steps=arguments.max_steps, optim="adamw_torch", weight_decay=0.0,
        dataloader_num_workers=arguments.workers or run.dataloader_workers,
    )  # fmt: skip  # AdamW without decay is Adam
    clip.to(settings.device)  # texts and the first retrieval run there too
    with settings.main_process_first(local=False, desc="preparing clips and texts"):
        data, pool = build_data(arguments, processor, Path(run.output_dir))
        if len(data) < (a_step := run.batch_size * settings.world_size):
            raise ValueError(f"{len(data)} clips, {a_step} a step; expected one step at least; lower --batch_size")
        clips = clip_settings(arguments, data)
        start = resume_point(run.output_dir, begun | clips)
        folder = arguments.text_cache or Path(run.output_dir) / "text_cache"
        cache = build_text_cache(folder, clip, tokenizer, data.texts())
    named = data_fingerprint(arguments, clips, pool)
    record = RunRecord("stage1", {**vars(arguments), **vars(run)}, run.seed, named)
    before = embed_pool(model, pool, collator)
    metrics: dict[str, Any] = {"before": retrieval_figures(before), "pool": len(pool)}
    if arguments.gradient_checkpointing:
        model.checkpoint_layers()
    if arguments.compile_layers:
        compile_layers(clip.vision_model)
    trainer = Stage1Trainer(
        model=model, args=settings, train_dataset=data, data_collator=CachedTextCollator(cache)
    )  # fmt: skip
    trainer.stage = arguments
    trainer.add_callback(EpochDraw(data, run.seed))
    trainer.train(resume_from_checkpoint=start)
    after = embed_pool(model, pool, collator)
    metrics["after"] = retrieval_figures(after)
    metrics["drift_cosine"] = round(float((before.clips * after.clips).sum(-1).mean()), 4)
    metrics["training_clips"], metrics["steps"] = len(data), trainer.state.global_step
    if arguments.source != "pocket":
        metrics["left_out"] = {"clips": len(data.failures.found), "held_out": len(pool.failures.found)}
    if trainer.is_world_process_zero():
        metrics["weights_sha256"] = weights_sha256(clip)
        clip.save_pretrained(run.output_dir)
        tokenizer.save_pretrained(run.output_dir)
        load_images(arguments.clip).save_pretrained(run.output_dir)
        record.write(Path(run.output_dir), metrics, trainer.state.log_history)
    return metrics


def main() -> None:
    """Runs Stage I from the command line, on every rank that the launcher starts."""
    arguments, run = parse_run(Stage1Arguments)
    with plain_stops(run.output_dir):
        print(train(arguments, run))
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
