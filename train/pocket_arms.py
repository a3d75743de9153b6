"""One run of an ablation on pocket films: cached features, the frozen pocket language model, figures of the film sets.

Beside the arm's figures stand two controls of its own model: windows in another order (contextual EM is blind to it)
and neighbours of other films (what is rare in one's own film is then unknowable).
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from datasets_scripts.pocket.oracles import (
    knowing_clip_oracle,
    single_clip_oracle,
    told_recall,
    told_words,
    window_oracle,
)
from datasets_scripts.pocket.story import PRESETS, make_film
from datasets_scripts.pocket.world import Fact
from evaluate_metrics.cider.cider_d import cider
from evaluate_metrics.distinctiveness.distinctive import distinctiveness
from evaluate_metrics.recall_at_k_within_n.recall import Setting, recall_table
from evaluate_metrics.repetition.repeats import repetition
from evaluate_metrics.slot_accuracy import slots
from modeling_distinctad.towers_distinctad import load_language, load_vision
from train.arguments import RunArguments, tell_slow_bf16
from train.arm_training import numbers, search
from train.collators import Window, WindowCollator, consecutive_windows, scheduled_windows
from train.describe_cache import describe_windows
from train.experiments.film_sets import film_sets, shared_words
from train.experiments.runs import Arm, Figures, RunOne
from train.features import FeatureCache, parse_seeds
from train.film_splits import refuse_blind, refuse_overlap
from train.run_record import fingerprint, write_whole
from train.stage2 import Stage2Arguments, build_model, build_processor, window_options

RECALLS = ((1, 5), (1, 16), (5, 16))
DESCRIBED_AT_ONCE = 48  # windows
TOLD = "told.json"  # control -> row -> text, of all film sets


def stage2_arguments(asked: Any, arm: Arm) -> Stage2Arguments:
    """The arm's Stage II.

    Raises:
        ValueError: an override that Stage II does not know.
    """
    known = {f.name for f in fields(Stage2Arguments)}
    common = {
        "clip": asked.clip, "language": asked.language, "features": asked.features, "window_size": asked.window_size,
        "train_characters": "predicted", "decode_num_beams": asked.num_beams, "attention": asked.attention,
    }  # fmt: skip
    if unknown := sorted(set(arm.overrides) - known):
        raise ValueError(f"arm {arm.name} overrides {unknown}; expected fields of Stage2Arguments; mend the table")
    return Stage2Arguments(**{**common, **arm.overrides})


@dataclass
class PocketLine:
    """Trains and tests arms; a `RunOne`.

    Attributes:
        asked: `AblationArguments`.
        run: batch size and output folder.
        cache: features of all films.
        similarity: of texts, for R@k/N.
        batches: step -> its inputs, of the data that was trained on last: making prompts costs more than a step on an
            accelerator, and most arms of a seed train on the same.
        data: names those data.
    """

    asked: Any
    run: RunArguments
    cache: FeatureCache
    similarity: Callable[..., Any]
    batches: dict[int, dict[str, torch.Tensor]] = field(default_factory=dict)
    data: str = ""

    @property
    def device(self) -> torch.device:
        """Where models train."""
        return torch.device("cpu" if self.run.use_cpu or not torch.cuda.is_available() else "cuda")

    def __call__(self, arm: Arm, seed: int, folder: Path) -> Figures:
        """Figures of every film set, x100."""
        asked, arguments = self.asked, stage2_arguments(self.asked, arm)
        processor = build_processor(arguments)
        collator = WindowCollator(processor, self.cache, window_options(arguments, seed))
        films = [str(s) for s in parse_seeds(asked.films)]
        size = arguments.window_size
        steps = self.steps_of(films, size, seed, arguments.sampling)

        def build() -> Any:
            torch.manual_seed(seed)
            towers = {"vision": load_vision(asked.clip), "language": load_language(asked.language)[0]}
            return build_model(arguments, processor, self.cache, films, towers).to(self.device)

        data = fingerprint(processor.to_dict(), vars(collator.options), size, arguments.sampling)
        if data != self.data:
            self.data = data
            self.batches.clear()

        def batch_of(step: int) -> dict[str, torch.Tensor]:
            if step not in self.batches:
                made = collator(steps[step])
                self.batches[step] = {name: tensor.to(self.device) for name, tensor in made.items()}
            return self.batches[step]

        watched = consecutive_windows(self.cache, [str(s) for s in parse_seeds(asked.validation_films)], size)
        rates = numbers(asked.learning_rates)

        def validate(model: Any) -> float:
            return -validation_loss(model, collator, watched)

        model, chosen = search(build, batch_of, asked.steps, rates, validate, self.run.bf16, asked.search_steps)
        sets = {
            name: consecutive_windows(self.cache, [str(s) for s in seeds], size)
            for name, seeds in film_sets(asked.film_sets).items()
        }
        everything = [window for windows in sets.values() for window in windows]
        controls = {"": everything, "_shuffled": shuffled(everything), "_foreign": foreign(everything)}
        texts = {control: self.describe(model, collator, changed) for control, changed in controls.items()}
        write_whole(folder / TOLD, json.dumps(texts, ensure_ascii=False))
        figures = {}
        for name, windows in sets.items():
            members = [number for _, _, rows in windows for number in rows]
            found = {control: self.figures({n: told[n] for n in members}) for control, told in texts.items()}
            figures[name] = found.pop("") | chosen | {"training_clips": float(clips_of(steps))}
            for control, controlled in found.items():
                figures[name] |= {f"{metric}{control}": controlled[metric] for metric in ("slots", "distinctive")}
        return figures

    def steps_of(self, films: list[str], size: int, seed: int, sampling: str) -> list[list[Window]]:
        """The windows of every step: `batch_size` of them, and at another N as many clips in all as those have.

        A film's first and last window are mostly cut short, the more of them the larger N is, so as many windows times
        N would not be as many clips.

        Raises:
            ValueError: at another N so many clips are fewer windows than there are steps.
        """
        schedules = dict[int, list[Window]]()
        for n in {size, self.asked.window_size}:
            found = schedules[n] = list[Window]()
            epoch = 0
            while clips_of([found]) < self.asked.steps * self.run.batch_size * self.asked.window_size:
                more = scheduled_windows(self.cache, films, n, seed + 1000 * epoch, 1, sampling)
                found += [(epoch, film, rows) for _, film, rows in more]
                epoch += 1
        steps = self.asked.steps
        due = clips_of([schedules[self.asked.window_size][: steps * self.run.batch_size]])
        given = itertools.accumulate(len(rows) for _, _, rows in schedules[size])
        count = 1 + next(i for i, clips in enumerate(given) if clips >= due)  # windows in all
        if count < steps:
            raise ValueError(
                f"{count} windows of {size} clips for {steps} steps; expected one a step at least; "
                f"raise batch_size ({self.run.batch_size}) or take fewer steps of this table"
            )
        return [schedules[size][step * count // steps : (step + 1) * count // steps] for step in range(steps)]

    def describe(self, model: Any, collator: WindowCollator, windows: Sequence[Window]) -> dict[int, str]:
        """Row number -> text; ADs told in an earlier pass are no context of this one."""
        asked = self.asked
        collator.predictions.clear()
        limits = {"num_beams": asked.num_beams, "max_new_tokens": asked.max_new_tokens}
        return describe_windows(model, collator, windows, DESCRIBED_AT_ONCE, **limits)

    def figures(self, told: dict[int, str]) -> dict[str, float]:
        """Of described rows, in the cache's order."""
        members = sorted(told)
        rows = [self.cache.rows[number] for number in members]
        texts, truths = [told[number] for number in members], [row["text"] for row in rows]
        films = [row["film"] for row in rows]
        names = {row["film"]: row["names"] for row in rows}
        recalls = recall_table(texts, truths, self.similarity, [Setting(k, n) for k, n in RECALLS], films)
        found = {f"r{k}_{n}": float(r["recall"] or 0.0) for (k, n), r in zip(RECALLS, recalls, strict=True)}
        size = self.asked.window_size
        words = distinctiveness(texts, truths, films, window=size, names=names)
        repeated = repetition(texts, films=films, names=names)["repeated_words"]
        return {
            **found, "cider": float(cider(texts, truths)["cider"]), "distinctive": float(words["recall"]),
            "slots": 100 * slot_recall(rows, texts, self.cache.meta["preset"], size),
            "repeated": float(repeated or 0.0), "n_scored": float(recalls[0]["n_scored"]),
            "n_expected": float(recalls[0]["n_expected"]),
        }  # fmt: skip


def clips_of(steps: Sequence[Sequence[Window]]) -> int:
    """How many clips the windows of some steps hold."""
    return sum(len(rows) for windows in steps for _, _, rows in windows)


def slot_recall(rows: Sequence[dict[str, Any]], texts: Sequence[str], preset: str, size: int) -> float:
    """Share of the distinctive slot words that texts say, synonyms too: what the oracles are measured by.

    Args:
        rows: of the feature cache, every AD of each of their films.
        texts: told for them.
        preset: of the films.
        size: N of the windows in which words are distinctive.
    """
    table = json.loads(Path(slots.__file__).with_name("synonyms.json").read_text(encoding="utf-8"))
    told = dict[int, dict[int, set[str]]]()
    for row, text in zip(rows, texts, strict=True):
        found = slots.slots_of(text, row["names"], table)
        fact = Fact(-1, *(str(found[slot] or "") for slot in ("action", "object", "colour")))
        told.setdefault(int(row["film"]), {})[row["index"]] = told_words(fact)
    films = [make_film(seed, preset) for seed in told]
    return told_recall(films, {seed: [by[i] for i in sorted(by)] for seed, by in told.items()}, size)


def oracle_rows(seeds: Sequence[int], preset: str, size: int) -> dict[str, dict[str, float]]:
    """The oracles of the films, as rows of a table: name -> metric -> percent."""
    films = [make_film(seed, preset) for seed in seeds]
    return {
        "oracle of a single clip": {"slots": 100 * single_clip_oracle(films, size)},
        "oracle of a clip, stories known": {"slots": 100 * knowing_clip_oracle(films, size)},
        "oracle of the window": {"slots": 100 * window_oracle(films, size)},
    }


@torch.no_grad()
def validation_loss(model: Any, collator: WindowCollator, windows: Sequence[Window]) -> float:
    """L_auto over the tokens of test windows: the same measure for every arm, with and without L_dist."""
    model.eval()
    total, count = 0.0, 0
    for window in windows:
        inputs = {name: tensor.to(model.device) for name, tensor in collator([window]).items()}
        told = int((inputs["labels"][..., 1:] >= 0).sum())
        total, count = total + told * float(model(**inputs, loss_only=True).loss_auto), count + told
    return total / max(1, count)


def shuffled(windows: Sequence[Window]) -> list[Window]:
    """The same windows with their clips in another order."""
    changed = []
    for epoch, film, rows in windows:
        order = list(rows)
        random.Random(f"shuffled {film} {rows[0]}").shuffle(order)
        changed.append((epoch, film, order))
    return changed


def foreign(windows: Sequence[Window]) -> list[Window]:
    """Windows in which every clip's neighbours are of other films, as far as there are as many films.

    Every clip keeps its own people (`WindowCollator`), so what changes is what the neighbours lend.
    """
    pool = [(film, row) for _, film, rows in windows for row in rows]
    size = max(len(rows) for _, _, rows in windows)
    by_film: dict[str, list[int]] = {}
    for film, row in pool:
        by_film.setdefault(film, []).append(row)
    order = [row for place in range(max(map(len, by_film.values())))
             for rows in by_film.values() if place < len(rows) for row in [rows[place]]]  # fmt: skip
    return [(-1, "", order[at : at + size]) for at in range(0, len(order), size)]


def pocket_run(asked: Any, run: RunArguments) -> RunOne:
    """The runs of pocket films.

    Args:
        asked: `AblationArguments`.
        run: batch size and output folder.

    Raises:
        ValueError: a film is trained on, chosen by or tested that must not be; or the cache is not there, is a
            public set's, lacks a film or holds films of several presets.
    """
    learnt = {"films": parse_seeds(asked.films), "validation_films": parse_seeds(asked.validation_films)}
    tests = {f"film_sets, {name}": seeds for name, seeds in film_sets(asked.film_sets).items()}
    refuse_blind(**learnt)
    refuse_overlap(**learnt, **tests)
    tell_slow_bf16(run.bf16, run.use_cpu)
    cache = FeatureCache(asked.features)
    if any("split" in row for row in cache.rows):
        raise ValueError(
            f"{asked.features} is a cache of train/set_features.py; expected pocket films, of train/features.py; "
            "ablations on a set are runs of Stage II, see docs/reproduce.md, section 5"
        )
    if lost := [str(s) for seeds in (learnt | tests).values() for s in seeds if str(s) not in cache.films]:
        raise ValueError(f"{asked.features} lacks {len(lost)} films ({', '.join(lost[:3])}); encode them too")
    if cache.meta["preset"] not in PRESETS:
        raise ValueError(
            f"{asked.features} holds films of the preset {cache.meta['preset']!r}; the oracles need one of "
            f"{', '.join(PRESETS)}; encode films of one preset"
        )
    similarity: Any = shared_words
    if asked.encoder:
        from evaluate_metrics.recall_at_k_within_n.pair_f1 import PairF1
        from train.reconstruction import installed

        similarity = PairF1(str(installed(asked.encoder)), asked.encoder_layer)
    return PocketLine(asked, run, cache, similarity)


__all__ = [
    "PocketLine",
    "foreign",
    "oracle_rows",
    "pocket_run",
    "shuffled",
    "slot_recall",
    "stage2_arguments",
    "validation_loss",
]
