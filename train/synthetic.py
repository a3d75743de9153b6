"""A world of features alone, in which an AD depends on its neighbours and on nothing else: the harness's fast source.

A window has N clips. Four things stand in all of them, one more is new in each clip; a clip's frames are sums of its
five things' vectors with noise, and its AD names the new one. A model that sees one clip cannot tell which of five is
new: its chance is 0.20. No picture is drawn and no CLIP is needed; the language model is a tiny GPT-2, trained here to
say what its slots hold and then frozen. Letters as in the model: N clips, T frames, Q slots, C joint width, D width.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, GPT2Config, GPT2LMHeadModel

from datasets_scripts.words import distinctive_words
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration

THINGS = (
    "anchor apple arrow axe ball banner basket bell bench bicycle book bottle bowl box bread bridge broom brush bucket "
    "button cage camera candle card carpet chain chair clock cloud coat coin comb crown cup curtain desk dish dog door "
    "drum fan feather fence flag flute fork"
).split()
TELLING = ("there", "is", "a")
PAD, EOS, VIDEO, START = range(4)
FIRST_WORD = 4
CONSTANT = 4
VALIDATION, TEST = 10_000_000, 20_000_000
"""First window numbers of the splits; training counts from 0, a million a seed."""
SEEDS = 10
"""Seeds 0 to 9 train on windows before those."""


@dataclass(frozen=True)
class SyntheticSettings:
    """The world and its language model.

    Attributes:
        window_size: N clips.
        num_frames: T frames a clip.
        joint_size: C.
        slots: Q.
        width: D of the language model.
        noise: standard deviation of a frame's noise; a thing's vector has about unit entries.
        novelty: probability that an AD names the new thing, else any of its clip's; 0 is the control in which the
            neighbours tell nothing.
    """

    window_size: int = 8
    num_frames: int = 4
    joint_size: int = 64
    slots: int = 4
    width: int = 64
    noise: float = 0.5
    novelty: float = 1.0


def tokenizer() -> Tokenizer:
    """One token a word."""
    names = ["<pad>", "<eos>", "<video>", "<ad_start>", *TELLING, *THINGS]
    core = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<pad>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return core


class SyntheticWorld:
    """Windows by number, deterministic; batches as the model takes them.

    Args:
        settings: the world.
    """

    def __init__(self, settings: SyntheticSettings) -> None:
        self.settings = settings
        generator = torch.Generator().manual_seed(77)
        self.vectors = torch.randn(len(THINGS), settings.joint_size, generator=generator)
        self.first_thing = FIRST_WORD + len(TELLING)

    def window(self, number: int) -> tuple[Tensor, list[int], list[list[int]]]:
        """Frames (N, T, C) of a window, the thing told of each clip, and the things in each."""
        size, frames = self.settings.window_size, self.settings.num_frames
        rng = random.Random(f"synthetic window {number}")
        drawn = rng.sample(range(len(THINGS)), CONSTANT + size)
        shown = [[*drawn[:CONSTANT], new] for new in drawn[CONSTANT:]]
        told = [clip[-1] if rng.random() < self.settings.novelty else rng.choice(clip) for clip in shown]
        generator = torch.Generator().manual_seed(rng.getrandbits(40))
        noise = torch.randn(size, frames, self.settings.joint_size, generator=generator)
        clips = self.vectors[torch.tensor(shown)].sum(dim=1, keepdim=True)
        return clips + self.settings.noise * noise, told, shown

    def mixed(self, number: int) -> tuple[Tensor, list[int], list[list[int]]]:
        """A window whose clips come from N others: neighbours that have nothing in common (Table 6, and a control)."""
        size = self.settings.window_size
        first = number // size * size
        drawn = [self.window(first + (number + place) % size) for place in range(size)]
        frames = torch.stack([window[0][place] for place, window in enumerate(drawn)])
        told = [window[1][place] for place, window in enumerate(drawn)]
        return frames, told, [window[2][place] for place, window in enumerate(drawn)]

    def batch(self, numbers: list[int], answers: bool = True, mixed: bool = False) -> dict[str, Tensor]:
        """Inputs of B windows; with `answers` the ADs, labels and distinctive masks."""
        drawn = [self.mixed(number) if mixed else self.window(number) for number in numbers]
        prompt = [VIDEO] * self.settings.slots + [START]
        rows: list[list[list[int]]] = []
        marks: list[list[list[bool]]] = []
        for _, told, _ in drawn:
            words = [[*TELLING, THINGS[thing]] for thing in told]
            distinctive = distinctive_words([" ".join(ad) for ad in words], ["-"])
            rows.append([prompt + ([FIRST_WORD, FIRST_WORD + 1, FIRST_WORD + 2, self.first_thing + thing, EOS]
                                   if answers else []) for thing in told])  # fmt: skip
            marks.append([[False] * len(prompt) + [word in own for word in ad] + [False]
                          for ad, own in zip(words, distinctive, strict=True)])  # fmt: skip
        ids = torch.tensor(rows)
        made = {"input_ids": ids, "frame_features": torch.stack([frames for frames, _, _ in drawn])}
        if answers:
            labels = ids.clone()
            labels[..., : len(prompt)] = -100
            made |= {"labels": labels, "distinctive_mask": torch.tensor(marks)}
        return made

    @torch.no_grad()
    def evaluate(self, model: Any, first: int, count: int, batch: int = 32, mixed: bool = False) -> dict[str, float]:
        """What a model says about `count` windows from number `first` on, decoded greedily.

        Returns:
            recall: ADs that name the told thing; constant: ADs that name a thing of all clips; none: ADs that name
            none of their clip's; repeated: ADs that say what another AD of their window says.
        """
        model.eval()
        found = dict.fromkeys(("recall", "constant", "none", "repeated"), 0.0)
        for start in range(first, first + count, batch):
            numbers = list(range(start, min(start + batch, first + count)))
            ids = model.generate(**self.batch(numbers, False, mixed), num_beams=1, max_new_tokens=5,
                                 repetition_penalty=1.0, no_repeat_ngram_size=0)  # fmt: skip
            for number, window in zip(numbers, ids.tolist(), strict=True):
                _, told, shown = self.mixed(number) if mixed else self.window(number)
                said = [next((i - self.first_thing for i in ad if i >= self.first_thing), -1) for ad in window]
                for thing, truth, clip in zip(said, told, shown, strict=True):
                    found["recall"] += thing == truth
                    found["constant"] += thing in clip[:CONSTANT]
                    found["none"] += thing not in clip
                    found["repeated"] += said.count(thing) > 1
        clips = count * self.settings.window_size
        return {name: value / clips for name, value in found.items()}


def train_language_model(settings: SyntheticSettings, steps: int = 1200, seed: int = 0) -> GPT2LMHeadModel:
    """A tiny GPT-2 that says the thing that its slots hold most of, among weaker things and noise."""
    torch.manual_seed(seed)
    words = len(TELLING) + len(THINGS)
    config = GPT2Config(
        vocab_size=FIRST_WORD + words, n_positions=32, n_embd=settings.width, n_layer=2, n_head=4, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=EOS, eos_token_id=EOS, pad_token_id=PAD, initializer_range=0.1,
    )  # fmt: skip
    model: Any = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(seed)
    first = FIRST_WORD + len(TELLING)
    tail = torch.tensor([START, *range(FIRST_WORD, FIRST_WORD + len(TELLING))])
    for _ in range(steps):
        table = model.get_input_embeddings().weight
        things = torch.randint(len(THINGS), (64, settings.slots), generator=generator)
        strength = 0.5 * torch.rand(64, settings.slots, generator=generator)
        strongest = torch.randint(settings.slots, (64,), generator=generator)
        rows = torch.arange(64)
        strength[rows, strongest] = 0.8 + 0.7 * torch.rand(64, generator=generator)
        rms = table.detach().square().mean().sqrt()
        noise = 0.3 * rms * torch.randn(64, settings.slots, settings.width, generator=generator)
        slots = table[first + things] * strength[..., None] + noise
        target = first + things[rows, strongest]
        embeds = torch.cat([slots, table[tail].expand(64, -1, -1), table[target][:, None]], dim=1)
        logits = model(inputs_embeds=embeds, use_cache=False).logits[:, settings.slots :]
        wanted = torch.cat([tail[1:].expand(64, -1), target[:, None], torch.full((64, 1), EOS)], dim=1)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def language_model(settings: SyntheticSettings, folder: Path) -> GPT2LMHeadModel:
    """The frozen language model, trained once and kept in `folder`."""
    if not (folder / "config.json").is_file():
        partial = folder.with_name(folder.name + ".partial")
        train_language_model(settings).save_pretrained(partial)
        partial.rename(folder)
    return GPT2LMHeadModel.from_pretrained(folder)


def build_model(settings: SyntheticSettings, language: Any, fields: dict[str, Any]) -> Any:
    """A model of this world: Perceiver and all that follows at random (seed torch first), the language model frozen."""
    vision = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=8, patch_size=8,
            projection_dim=settings.joint_size,
        )
    )  # fmt: skip
    common: dict[str, Any] = {
        "num_frames": settings.num_frames, "num_prompt_vectors": settings.slots, "window_size": settings.window_size,
        "perceiver_depth": 1, "face_tokens": "never", "video_token_id": VIDEO, "ad_start_token_id": START,
        "eos_token_id": EOS, "pad_token_id": PAD,
    }  # fmt: skip
    return DistinctADForConditionalGeneration.from_towers(vision, language, **{**common, **fields})
