"""Pre-trains the pocket CLIP on stills: the stand-in for OpenAI's CLIP, which cannot be fetched here.

Loss: InfoNCE between still and caption, plus (our own choice, for a tower of two million parameters that sees some
hundred thousand stills instead of 400 million pairs) the cross-entropy of what the still shows (hair, garment, action,
object, ...) read linearly from the same joint embedding. The linear readers are thrown away; what is saved is a plain
dual encoder folder (`train/dual_encoder.py`). The vision tower is a small residual network, as in CLIP's own RN50: a
transformer of the same cost needs several times the stills to read what hands do and hold (docs/LOG.md).

Run: `python train/pocket_clip.py train/configs/pocket_clip.yaml [--key value]`. Resumes from the last checkpoint.
"""

from __future__ import annotations

import functools
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import (
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetModel,
)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from datasets_scripts.pocket import world
from datasets_scripts.pocket.draw import draw_portrait, draw_shot
from datasets_scripts.pocket.language import portrait_caption
from datasets_scripts.pocket.story import HELD_OUT_LOOKS, make_object_still, make_still
from modeling_distinctad.towers_distinctad import weights_sha256
from train.arguments import RunArguments, parse_run, resume_point, training_arguments
from train.dual_encoder import DualEncoder, load_clip, pooled_images
from train.ordered_trainer import MuonTrainer
from train.pocket_lm import refuse_ranks, train_tokenizer
from train.run_record import RunRecord, fingerprint
from train.stops import plain_stops

MEAN, STD = (0.481, 0.458, 0.408), (0.269, 0.261, 0.276)  # OpenAI CLIP's pixel statistics
LOOK_PARTS: dict[str, tuple[str, ...]] = {
    "hair_style": world.HAIR_STYLES,
    "hair_colour": tuple(world.HAIR_COLOURS),
    "skin": tuple(world.SKINS),
    "garment": world.GARMENTS,
    "garment_colour": tuple(world.COLOURS),
    "pattern": world.PATTERNS,
    "accessory": world.ACCESSORIES,
}
SHOWN: dict[str, tuple[str, ...]] = {
    **LOOK_PARTS,
    "action": tuple(world.ACTIONS),
    "object": world.OBJECTS,
    "colour": tuple(world.COLOURS),
    "place": world.PLACES,
    "light": world.LIGHTS,
}
SMALL = ("action", "object", "colour")  # told by a few patches only, and read last
UNSEEN = -100


@dataclass
class PocketCLIPArguments:
    """What the pocket CLIP is and what it sees."""

    start: str = field(default="", metadata={"help": "CLIP folder of an earlier run to go on from; its sizes count"})
    image_size: int = field(default=128, metadata={"help": "pixels a side"})
    widths: list[int] = field(
        default_factory=lambda: [32, 64, 128, 256], metadata={"help": "widths of the vision tower; the last is C"}
    )
    depths: list[int] = field(default_factory=lambda: [1, 2, 2, 1], metadata={"help": "its residual blocks"})
    text_width: int = field(default=128, metadata={"help": "width of the text tower"})
    text_layers: int = field(default=3, metadata={"help": "layers of the text tower"})
    stills: int = field(default=400_000, metadata={"help": "training stills"})
    portraits: float = field(default=0.12, metadata={"help": "share of portraits among the stills"})
    things: float = field(default=0.15, metadata={"help": "share of stills of one thing alone"})
    actors: bool = field(
        default=True, metadata={"help": "read the look of the one who acts in stills of two people too"}
    )
    reading: float = field(default=1.0, metadata={"help": "weight of the linear readers' cross-entropy"})
    small_reading: float = field(default=2.0, metadata={"help": "times that for action, object and its colour"})
    muon_lr: float = field(default=0.02, metadata={"help": "Muon's rate for the layers' matrices; 0: AdamW for all"})
    workers: int = field(default=1, metadata={"help": "processes that draw"})


def look_labels(look: world.Look) -> dict[str, int]:
    """Class indices of a look's parts; hair colour is unseen on a bald head."""
    labels = {name: values.index(getattr(look, name)) for name, values in LOOK_PARTS.items()}
    if look.hair_style == "bald":
        labels["hair_colour"] = UNSEEN
    return labels


class StillDataset(Dataset):
    """Still i of a seed: pixels, caption ids and what is shown. Deterministic in (seed, i)."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, arguments: PocketCLIPArguments, count: int, seed: int
    ) -> None:
        self.tokenizer, self.arguments, self.count, self.seed = tokenizer, arguments, count, seed
        self.looks = [i for i in range(len(world.LOOKS)) if i not in HELD_OUT_LOOKS]
        cv2.setNumThreads(1)

    def __len__(self) -> int:
        """Number of stills."""
        return self.count

    def _squash(self, drawn: np.ndarray) -> np.ndarray:
        """(size, size, 3) uint8 of a 16:9 picture, as the processor's `frame_fit="squash"` does."""
        side = self.arguments.image_size
        return cv2.resize(drawn, (side, side), interpolation=cv2.INTER_AREA)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`pixels` (size, size, 3) uint8, `text` ids with eos, `labels` class indices or -100."""
        rng = random.Random(f"still-{self.seed}-{index}")
        labels = dict.fromkeys(SHOWN, UNSEEN)
        size = self.arguments.image_size
        roll = rng.random()
        if roll < self.arguments.portraits:
            look = world.LOOKS[rng.choice(self.looks)]
            picture, text = draw_portrait(look.index, size), portrait_caption(look, rng)
            labels.update(look_labels(look))
        elif roll < self.arguments.portraits + self.arguments.things:
            shot, thing, text = make_object_still(rng)
            picture = self._squash(draw_shot(shot, 0.0, 320, 180))
            labels.update(object=SHOWN["object"].index(thing.kind), colour=SHOWN["colour"].index(thing.colour))
            labels["light"] = SHOWN["light"].index(shot.light)
        else:
            shot, progress, fact, text = make_still(rng)
            picture = self._squash(draw_shot(shot, progress, 320, 180))
            labels.update(action=SHOWN["action"].index(fact.action), place=SHOWN["place"].index(shot.place))
            labels["light"] = SHOWN["light"].index(shot.light)
            if fact.object:
                labels.update(object=SHOWN["object"].index(fact.object), colour=SHOWN["colour"].index(fact.colour))
            if fact.partner < 0 or self.arguments.actors:
                labels.update(look_labels(world.LOOKS[shot.figures[0].look]))
        ids = self.tokenizer(" " + text, truncation=True, max_length=39)["input_ids"] + [self.tokenizer.eos_token_id]
        return {"pixels": picture, "text": ids, "labels": list(labels.values())}


def collate(rows: list[dict[str, Any]], pad_token_id: int) -> dict[str, Tensor]:
    """`pixel_values` (P, 3, H, W) float32, `input_ids` and `attention_mask` (P, W), `shown` (P, number of readers)."""
    pixels = torch.from_numpy(np.stack([row["pixels"] for row in rows])).permute(0, 3, 1, 2).float() / 255
    texts = [torch.tensor(row["text"]) for row in rows]
    ids = nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=pad_token_id)
    lengths = torch.tensor([len(text) for text in texts])
    return {
        "pixel_values": (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None],
        "input_ids": ids,
        "attention_mask": (torch.arange(ids.shape[1])[None] < lengths[:, None]).long(),
        "shown": torch.tensor([row["labels"] for row in rows]),
    }


class ReadCLIP(nn.Module):
    """CLIP with one linear reader for each thing that a still shows."""

    def __init__(self, clip: DualEncoder) -> None:
        super().__init__()
        self.clip = clip
        self.readers = nn.ModuleDict({k: nn.Linear(clip.config.projection_dim, len(v)) for k, v in SHOWN.items()})

    def forward(self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image (P, C) and text (P, C) embeds of unit length and the raw image embeds (P, C)."""
        image = pooled_images(self.clip, pixel_values)
        words = self.clip.text_model(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        text = self.clip.text_projection(words)
        return (
            nn.functional.normalize(image.float(), dim=-1),
            nn.functional.normalize(text.float(), dim=-1),
            image.float(),
        )


class ReadCLIPTrainer(MuonTrainer):
    """InfoNCE plus reading; logs the accuracy of each reader."""

    arguments: PocketCLIPArguments

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Both directions of InfoNCE over the batch, plus the mean cross-entropy of the readers."""
        shown = inputs.pop("shown")
        image, text, raw = model(**inputs)
        logits = model.clip.logit_scale.exp().clamp(max=100) * image @ text.T
        target = torch.arange(len(logits), device=logits.device)
        loss = (nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)) / 2
        found = {"caption_r1": (logits.argmax(1) == target).float().mean().item()}
        for column, (name, reader) in enumerate(model.readers.items()):
            seen = shown[:, column] != UNSEEN
            if not seen.any():
                continue
            scores = reader(raw[seen])
            weight = self.arguments.reading * (self.arguments.small_reading if name in SMALL else 1.0)
            loss = loss + weight * nn.functional.cross_entropy(scores.float(), shown[seen, column])
            found[f"read_{name}"] = (scores.argmax(-1) == shown[seen, column]).float().mean().item()
        self.figures = {name: round(value, 4) for name, value in found.items()}
        return (loss, {"loss": loss}) if return_outputs else loss


def build_clip(arguments: PocketCLIPArguments, tokenizer: PreTrainedTokenizerFast) -> DualEncoder:
    """A small residual network beside CLIP's text tower with heads of 32, from nothing or from an earlier run."""
    if arguments.start:
        earlier: DualEncoder = load_clip(arguments.start)
        return earlier
    vision = ResNetModel(
        ResNetConfig(
            embedding_size=arguments.widths[0],
            hidden_sizes=list(arguments.widths),
            depths=list(arguments.depths),
            layer_type="basic",
        )
    )
    half: dict[str, Any] = {
        "hidden_size": arguments.text_width,
        "intermediate_size": 4 * arguments.text_width,
        "num_hidden_layers": arguments.text_layers,
        "num_attention_heads": arguments.text_width // 32,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 40,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "projection_dim": arguments.widths[-1],
        "logit_scale_init_value": 2.6592,  # ln(1 / 0.07), as CLIP starts
    }
    text = CLIPTextModelWithProjection(CLIPTextConfig(**half))
    text.set_attn_implementation("eager")  # at this size twice as fast on a CPU as the fused kernel's backward
    return DualEncoder(vision, text)


def evaluate_reading(trainer: ReadCLIPTrainer, arguments: PocketCLIPArguments, pool: int = 256) -> dict[str, float]:
    """Reader accuracies and caption R@1 on pools of 256 stills of another seed; chance of R@1 is 1/256."""
    data = StillDataset(trainer.processing_class, arguments, 4 * pool, seed=77)
    totals: dict[str, list[float]] = {}
    trainer.model.eval()
    with torch.no_grad():
        for start in range(0, 4 * pool, pool):
            batch = trainer.data_collator([data[start + i] for i in range(pool)])
            trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch))
            for name, value in trainer.figures.items():
                totals.setdefault(name, []).append(value)
    return {f"eval_{name}": round(sum(values) / len(values), 4) for name, values in totals.items()}


def train(arguments: PocketCLIPArguments, run: RunArguments) -> None:
    """Trains and writes a dual encoder folder with tokenizer, image processor and run record."""
    refuse_ranks()
    torch.manual_seed(run.seed)
    tokenizer = train_tokenizer(2048)
    tokenizer.model_max_length = 40
    record = RunRecord("pocket_clip", {**vars(arguments), **vars(run)}, run.seed, fingerprint("pocket-clip", run.seed))
    trainer = ReadCLIPTrainer(
        model=ReadCLIP(build_clip(arguments, tokenizer)),
        args=training_arguments(
            run,
            max_steps=arguments.stills // run.batch_size,
            weight_decay=0.01,
            dataloader_num_workers=arguments.workers,
        ),
        train_dataset=StillDataset(tokenizer, arguments, arguments.stills, run.seed),
        data_collator=functools.partial(collate, pad_token_id=tokenizer.pad_token_id),  # a worker takes no lambda
        processing_class=tokenizer,
    )
    trainer.arguments, trainer.muon_lr = arguments, arguments.muon_lr
    begun = {**vars(arguments), **vars(run), "start_sha256": weights_sha256(trainer.model)}
    trainer.train(resume_from_checkpoint=resume_point(run.output_dir, begun))
    size = {"height": arguments.image_size, "width": arguments.image_size}
    images = CLIPImageProcessorPil(
        do_center_crop=False, size=size, crop_size=size, image_mean=list(MEAN), image_std=list(STD)
    )
    trainer.model.clip.save_pretrained(run.output_dir)
    tokenizer.save_pretrained(run.output_dir)
    images.save_pretrained(run.output_dir)
    record.write(Path(run.output_dir), evaluate_reading(trainer, arguments), trainer.state.log_history)


def main() -> None:
    """Trains from the command line."""
    arguments, run = parse_run(PocketCLIPArguments)
    with plain_stops(run.output_dir):
        train(arguments, run)


if __name__ == "__main__":
    main()
