"""Batches of both stages: windows of cached features for Stage II, clips with their ADs for Stage I."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from datasets_scripts.banks import TOP
from datasets_scripts.windows import training_windows, windows
from datasets_scripts.words import distinctive_words
from modeling_distinctad.recognition_distinctad import recognise
from train.listed_people import noisy_people, people_told

Window = tuple[int, str, list[int]]
"""Epoch, film and the window's row numbers in the cache."""

TEST_CHARACTERS = ("predicted", "ground_truth", "all", "none")
CHARACTERS = (*TEST_CHARACTERS, "noisy")
PEOPLE_ORDERS = ("best", "bank")
SAMPLINGS = ("consecutive", "random")
WINDOW_GROUPS = ("film", "clip")
CONTEXT_ADS = ("none", "ground_truth", "predicted")


def _groups(cache: Any, films: list[str], group: str) -> dict[str, tuple[str, list[int]]]:
    """What windows are cut from, by a name of its own: (film, its rows) of every film, or of every clip of one.

    Raises:
        ValueError: another group, or rows that name no clip.
    """
    if group not in WINDOW_GROUPS:
        raise ValueError(f"window_group is {group!r}; expected one of {', '.join(WINDOW_GROUPS)}; choose one")
    if group == "film":
        return {film: (film, list(cache.films[film])) for film in films}
    found: dict[str, tuple[str, list[int]]] = {}
    for film in films:
        for number in cache.films[film]:
            if "clip" not in cache.rows[number]:
                raise ValueError(
                    f"window_group is 'clip', but no clip is named in the cache's rows of film {film}; expected a "
                    "cache of train/set_features.py; make it again or choose film"
                )
            found.setdefault(f"{film} {cache.rows[number]['clip']}", (film, []))[1].append(number)
    return found


def scheduled_windows(
    cache: Any,
    films: list[str],
    size: int,
    seed: int,
    epochs: int,
    sampling: str = "consecutive",
    group: str = "film",
) -> list[Window]:
    """All training windows of all epochs in the order in which they are trained on.

    One list instead of a sampler per epoch: a resumed run skips to its place and sees the same windows.

    Args:
        cache: the features.
        films: films to train on.
        size: N.
        seed: seed of offsets and order.
        epochs: passes over the films.
        sampling: "consecutive", or "random" (Table 6): N clips of one film in any order, every clip once an epoch.
        group: what a window lies inside: "film" (TV-AD: episode), or "clip" of one.

    Returns:
        (epoch, film, row numbers) of every window.

    Raises:
        ValueError: another sampling or group, or rows that name no clip.
    """
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling is {sampling!r}; expected one of {', '.join(SAMPLINGS)}; choose one")
    groups = _groups(cache, films, group)
    counts = {name: len(rows) for name, (_, rows) in groups.items()}
    scheduled = []
    for epoch in range(epochs):
        order = {name: list(rows) for name, (_, rows) in groups.items()}
        if sampling == "random":
            for name, rows in order.items():
                random.Random(f"any order {seed} {epoch} {name}").shuffle(rows)
        for name, places in training_windows(counts, size, seed, epoch):
            scheduled.append((epoch, groups[name][0], [order[name][i] for i in places]))
    return scheduled


def consecutive_windows(cache: Any, films: list[str], size: int, group: str = "film") -> list[Window]:
    """Windows as at test: offset 0, stride N, every clip exactly once; the epoch is -1 (nothing is shuffled).

    `group` as of `scheduled_windows`.
    """
    return [
        (-1, film, [rows[i] for i in places])
        for film, rows in _groups(cache, films, group).values()
        for places in windows(len(rows), size)
    ]


@dataclass
class WindowOptions:
    """How windows become prompts.

    Attributes:
        max_people: most people listed.
        seed: seed of shuffling and noise.
        stop_list: leave closed-class words and names out of the distinctive words.
        train_characters: "predicted" (those whom recognition finds in the clip, or the cache's own list), "noisy",
            "ground_truth" (those the AD tells), "all" or "none".
        test_characters: the same at test, but for "noisy", which is made from the truth; "ground_truth" is an oracle
            and must be asked for.
        context_ads: "none", "ground_truth" or "predicted" previous ADs in the prompt (Table 4c).
        context_count: how many.
        shuffle_people: list people in random order in training, so that a place in the list says nothing; False keeps
            the order that they have at test.
        noisy_recall: of "noisy" lists: probability with which one told is listed.
        noisy_precision: of "noisy" lists: share of those listed who are told, over all training clips.
        people_order: order at test: "bank" (the cast's), or "best" recognised first, as the pocket checkpoint's
            pipeline lists them. Who is listed does not depend on it.
        recognised_people: how many, at most `max_people` (None: as many), our recognition lists where the cache has no
            predictions. It knows no threshold: of a cast of ten the best ten are everybody.
    """

    max_people: int = 3
    seed: int = 1
    stop_list: bool = True
    train_characters: str = "predicted"
    test_characters: str = "predicted"
    context_ads: str = "none"
    context_count: int = 3
    shuffle_people: bool = True
    noisy_recall: float = 0.66
    noisy_precision: float = 0.3
    people_order: str = "best"
    recognised_people: int | None = None

    def __post_init__(self) -> None:
        """Check the choices.

        Raises:
            ValueError: a choice that does not exist, a share that is none, or nobody to recognise.
        """
        for name, choices in {
            "train_characters": CHARACTERS, "test_characters": TEST_CHARACTERS, "context_ads": CONTEXT_ADS,
            "people_order": PEOPLE_ORDERS,
        }.items():  # fmt: skip
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(choices)}; choose one")
        for name in ("noisy_recall", "noisy_precision"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a share above 0, at most 1; mend it")
        if self.recognised_people is not None and self.recognised_people < 1:
            raise ValueError(
                f"recognised_people is {self.recognised_people}; expected 1 or more; raise it, or choose none"
            )


class WindowCollator:
    """Turns windows of a feature cache into the model's inputs.

    Listed people are shuffled in training, so that a place in the list says nothing (method specification, "Prompt"),
    unless `shuffle_people` is off: then they stand in training as at test. Of a long bank the billing's first `TOP` are
    listed where nobody says who is there ("all", others of "noisy", our own recognition).
    With person slots a clip whose told person (or partner) is not listed cannot be told rightly: it stays in the
    window but takes no part in the loss.

    Args:
        processor: the model's processor.
        cache: the features.
        options: how windows become prompts.

    Attributes:
        counts: clips seen, and those left out by reason; of this process (see `count`).
        predictions: row number -> predicted AD, for predicted contexts.
    """

    def __init__(self, processor: Any, cache: Any, options: WindowOptions | None = None) -> None:
        self.processor, self.cache = processor, cache
        self.options = options if options is not None else WindowOptions()
        self.counts: Counter[str] = Counter()
        self.predictions: dict[int, str] = {}
        self._places = {number: (film, at) for film, rows in cache.films.items() for at, number in enumerate(rows)}

    @cached_property
    def strangers(self) -> float:
        """How many people who are not told a "noisy" list holds on average, of the training clips' own number of told.

        Drawn for every clip alike: an AD that names nobody, or nobody who is kept, looks like any other. A cache
        without splits counts whole.
        """
        told = [len(people_told(row)) for row in self.cache.rows if row.get("split", "train") == "train"]
        kept = self.options.noisy_recall * sum(told) / max(1, len(told))
        return kept * (1 / self.options.noisy_precision - 1)

    def __call__(self, batch: list[Window]) -> dict[str, Tensor]:
        """Inputs of B windows with their ADs; see `DistinctADProcessor.__call__`."""
        return self._stack([self.window(*window) for window in batch])

    def prompts(self, batch: list[Window]) -> dict[str, Tensor]:
        """Inputs of B windows as at test: no text of the windows' own ADs goes in."""
        asked = [self.window(*window) for window in batch]
        return self._stack([{k: v for k, v in a.items() if k not in ("texts", "distinctive_words")} for a in asked])

    def _stack(self, asked: list[dict[str, Any]]) -> dict[str, Tensor]:
        return dict(self.processor(**{name: [window[name] for window in asked] for name in asked[0]}))

    def window(self, epoch: int, film: str, numbers: list[int]) -> dict[str, Any]:
        """The processor's arguments for one window; where clips of several films meet, each keeps its own people."""
        rows = [self.cache.rows[number] for number in numbers]
        frames, casts = self.cache.frames[numbers].float(), {row["film"]: row for row in rows}
        faces = {name: self.cache.film_faces(row) for name, row in casts.items()}
        first = dict(zip(faces, accumulate(map(len, faces.values()), initial=0), strict=False))
        listed = self._people(epoch, film, numbers)
        names = [name for row in casts.values() for name in (*row["names"], *row.get("roles", ()))]
        asked = {
            "frame_features": list(frames),
            "characters": [
                _characters(row, people, first[row["film"]], len(faces[row["film"]]))
                for row, people in zip(rows, listed, strict=True)
            ],
            "portrait_features": torch.cat(list(faces.values())),
            "texts": [row["text"] if self._tellable(row, who) else None for row, who in zip(rows, listed, strict=True)],
            "distinctive_words": distinctive_words([row["text"] for row in rows], names, self.options.stop_list),
        }
        if self.options.context_ads != "none":
            asked["context"] = [self._context(number, epoch >= 0) for number in numbers]
        return asked

    def count(self, windows: Sequence[Window]) -> dict[str, int]:
        """What `counts` holds after these windows and no others, whoever makes their batches: workers, other ranks."""
        kept, self.counts = self.counts, Counter()
        slots = getattr(self.processor, "person_slots", False)
        # Without slots nobody is looked at.
        pairs = self.listed(windows) if slots else [(number, []) for window in windows for number in window[2]]
        for number, people in pairs:
            self._tellable(self.cache.rows[number], people)
        found, self.counts = dict(self.counts), kept
        return found

    def listed(self, windows: Sequence[Window]) -> list[tuple[int, list[int]]]:
        """(row, places in its cast of those listed) of every clip of some windows."""
        return [pair for window in windows for pair in zip(window[2], self._people(*window), strict=True)]

    def _people(self, epoch: int, film: str, numbers: list[int]) -> list[list[int]]:
        """Places in the cast of the people listed for each clip of a window."""
        rows = [self.cache.rows[number] for number in numbers]
        if len({row["film"] for row in rows}) > 1:
            return [self._listed_at_home(number) for number in numbers]
        frames, faces = self.cache.frames[numbers].float(), self.cache.film_faces(rows[0])
        return self._listed(epoch, film, numbers, frames, faces)

    def _listed_at_home(self, number: int) -> list[int]:
        """People listed for a clip at test, in the window of its own film that holds it."""
        film, at = self._places[number]
        own = self.cache.films[film]
        place = next(rows for rows in windows(len(own), self.processor.window_size) if at in rows)
        home = [own[i] for i in place]
        faces = self.cache.film_faces(self.cache.rows[number])
        return self._listed(-1, film, home, self.cache.frames[home].float(), faces)[home.index(number)]

    def _listed(self, epoch: int, film: str, numbers: list[int], frames: Tensor, faces: Tensor) -> list[list[int]]:
        """Places in the cast of the people listed for each clip."""
        options, rows = self.options, [self.cache.rows[number] for number in numbers]
        mode = options.train_characters if epoch >= 0 else options.test_characters
        rng = random.Random(f"people {options.seed} {epoch} {film} {numbers[0]}")
        if mode == "none":
            return [[] for _ in rows]
        if mode == "all":
            listed = [list(range(len(row["names"])))[:TOP] for row in rows]
        elif mode == "predicted" and not all("predicted" in row for row in rows):
            listed = self._recognised(rows, frames, faces)
        else:
            listed = [self._of_row(row, mode, rng) for row in rows]
        for people in listed:
            if epoch >= 0 and options.shuffle_people:
                rng.shuffle(people)
            elif options.people_order == "bank":
                people.sort()
        return listed

    def _of_row(self, row: dict[str, Any], mode: str, rng: random.Random) -> list[int]:
        """What a row itself says of its clip's people: the cache's prediction, the truth, or the truth with noise."""
        options = self.options
        if mode == "predicted":
            return list(row["predicted"])[: options.max_people]
        told = people_told(row)
        if mode == "ground_truth":
            return told
        cast = min(len(row["names"]), TOP)
        return noisy_people(told, cast, options.max_people, options.noisy_recall, self.strangers, rng)

    def _recognised(self, rows: list[dict[str, Any]], frames: Tensor, faces: Tensor) -> list[list[int]]:
        """Our recognition by portraits, among the billing's first who have one, best first."""
        shown = rows[0].get("portraits") or [True] * len(faces)
        seen = [place for place in range(len(faces))[:TOP] if shown[place]]
        if not seen:
            raise ValueError(
                f"film {rows[0]['film']}: predicted characters, but no predictions and nobody's portrait in the cache; "
                "expected one of them; add them or choose all or none (in training noisy too)"
            )
        real = torch.ones(frames.shape[:2], dtype=torch.bool)
        most = self.options.recognised_people or self.options.max_people
        found = recognise(frames, real, faces[seen], min(most, self.options.max_people))
        return [[seen[index] for index, _ in people] for people in found]

    def _context(self, number: int, training: bool) -> str:
        """The ADs before a clip in its film, true or predicted.

        At test those not predicted yet are left out; in training the true ones stand in for them, as AutoAD does.
        """
        film, at = self._places[number]
        before = self.cache.films[film][max(0, at - self.options.context_count) : at]
        if self.options.context_ads == "ground_truth":
            return " ".join(self.cache.rows[n]["text"] for n in before)
        told = [self.predictions.get(n) or (self.cache.rows[n]["text"] if training else "") for n in before]
        return " ".join(text for text in told if text)

    def _tellable(self, row: dict[str, Any], listed: list[int]) -> bool:
        """Whether everyone told is listed, where names are places in the list; counts the outcome."""
        self.counts["clips"] += 1
        if not getattr(self.processor, "person_slots", False):
            return True
        missing = [place for place in people_told(row) if place not in listed]
        if missing:
            self.counts[f"{'person' if missing[0] == row.get('person') else 'partner'}_not_listed"] += 1
        return not missing


def _characters(row: Mapping[str, Any], people: Sequence[int], first: int, faces: int) -> list[dict[str, Any]]:
    """A clip's people as the processor takes them; its cast's portraits, `faces` of them, begin at `first`."""
    actors = row.get("actors") or [None] * len(row["names"])
    shown = row.get("portraits") or [place < faces for place in range(len(row["names"]))]
    return [{"name": row["names"][i], "actor": actors[i], "portrait": first + i if shown[i] else None} for i in people]


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
