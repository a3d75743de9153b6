"""Batches of both stages: windows of cached features for Stage II, clips with their ADs for Stage I."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from datasets_scripts.windows import training_windows, windows
from datasets_scripts.words import distinctive_words
from modeling_distinctad.recognition_distinctad import recognise
from train.features import FeatureCache

Window = tuple[int, str, list[int]]
"""Epoch, film and the window's row numbers in the cache."""


def scheduled_windows(cache: FeatureCache, films: list[str], size: int, seed: int, epochs: int) -> list[Window]:
    """All training windows of all epochs in the order in which they are trained on.

    One list instead of a sampler per epoch: a resumed run skips to its place and sees the same windows.

    Args:
        cache: the features.
        films: films to train on.
        size: N.
        seed: seed of offsets and order.
        epochs: passes over the films.

    Returns:
        (epoch, film, row numbers) of every window.
    """
    counts = {film: len(cache.films[film]) for film in films}
    return [
        (epoch, film, [cache.films[film][i] for i in rows])
        for epoch in range(epochs)
        for film, rows in training_windows(counts, size, seed, epoch)
    ]


def consecutive_windows(cache: FeatureCache, films: list[str], size: int) -> list[Window]:
    """Windows as at test: offset 0, stride N, every clip exactly once; the epoch is -1 (nothing is shuffled)."""
    return [(-1, f, [cache.films[f][i] for i in rows]) for f in films for rows in windows(len(cache.films[f]), size)]


class WindowCollator:
    """Turns windows of a feature cache into the model's inputs.

    The people listed are those whom recognition finds in the clip, as at test; in training their order is shuffled, so
    that a place in the list says nothing (method specification, "Prompt"). A clip whose told person (or partner) is
    not listed cannot be told rightly: it stays in the window but takes no part in the loss.

    Args:
        processor: the model's processor.
        cache: the features.
        max_people: most people listed.
        seed: seed of the shuffling.
        stop_list: leave closed-class words and names out of the distinctive words.

    Attributes:
        counts: clips seen, and those left out by reason; of this process.
    """

    def __init__(
        self, processor: Any, cache: FeatureCache, max_people: int = 3, seed: int = 1, stop_list: bool = True
    ) -> None:
        self.processor, self.cache, self.max_people = processor, cache, max_people
        self.seed, self.stop_list = seed, stop_list
        self.counts: Counter[str] = Counter()

    def __call__(self, batch: list[Window]) -> dict[str, Tensor]:
        """Inputs of B windows; see `DistinctADProcessor.__call__`."""
        columns: dict[str, list[Any]] = {
            name: [] for name in ("frame_features", "characters", "portrait_features", "texts", "distinctive_words")
        }
        for window in batch:
            for name, value in self.window(*window).items():
                columns[name].append(value)
        return dict(self.processor(**columns))

    def window(self, epoch: int, film: str, numbers: list[int]) -> dict[str, Any]:
        """The processor's arguments for one window."""
        rows = [self.cache.rows[number] for number in numbers]
        frames, faces = self.cache.frames[numbers].float(), self.cache.film_faces(rows[0])
        names = rows[0]["names"]
        found = recognise(frames, torch.ones(frames.shape[:2], dtype=torch.bool), faces, self.max_people)
        listed = [[index for index, _ in people] for people in found]
        if epoch >= 0:
            rng = random.Random(f"people {self.seed} {epoch} {film} {numbers[0]}")
            for people in listed:
                rng.shuffle(people)
        return {
            "frame_features": list(frames),
            "characters": [[{"name": names[i], "portrait": i} for i in people] for people in listed],
            "portrait_features": faces,
            "texts": [row["text"] if self._tellable(row, who) else None for row, who in zip(rows, listed, strict=True)],
            "distinctive_words": distinctive_words([row["text"] for row in rows], names, self.stop_list),
        }

    def _tellable(self, row: dict[str, Any], listed: list[int]) -> bool:
        """Whether everyone told is listed; counts the outcome."""
        missing = "person" if row["person"] not in listed else "partner"
        tellable = row["person"] in listed and (row["partner"] < 0 or row["partner"] in listed)
        self.counts["clips"] += 1
        if not tellable:
            self.counts[f"{missing}_not_listed"] += 1
        return tellable


def ad_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids of an AD for CLIP's text tower: the tokenizer's own start, the AD behind a blank, the end token."""
    ids = tokenizer(" " + text, truncation=True, max_length=tokenizer.model_max_length)["input_ids"]
    if ids[-1] != tokenizer.eos_token_id:
        ids = ids[: tokenizer.model_max_length - 1] + [tokenizer.eos_token_id]
    return ids


class ClipCollator:
    """Stacks Stage I's clips.

    Args:
        tokenizer: CLIP's tokenizer.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """pixel_values (P, F, 3, H, W), input_ids and attention_mask (P, W), word_mask (P, W) bool of words."""
        texts = [torch.tensor(ad_ids(self.tokenizer, row["text"])) for row in rows]
        eos, bos = self.tokenizer.eos_token_id, self.tokenizer.bos_token_id
        ids = nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=eos)
        mask = torch.arange(ids.shape[1])[None] < torch.tensor([len(text) for text in texts])[:, None]
        words = mask & (ids != eos) & (ids != (-1 if bos is None else bos))
        return {
            "pixel_values": torch.stack([row["pixel_values"] for row in rows]),
            "input_ids": ids,
            "attention_mask": mask.long(),
            "word_mask": words,
        }
