"""Tables 4a and 4b: what Stage I's losses, and their weights, are worth to the narration, from the visual prompt alone.

A run redoes Stage I (its seed: weights' order of data and the sampled frames), encodes the films, trains a short Stage
II without context module, distinctive loss and cast, and tells the held-out film sets. Prompts hold no person; told
people are "someone", in the references too.

Run: `python train/table4.py a|b train/configs/table4.yaml --tables FOLDER [--key value]`; `--quick true` shows in under
a minute that the line works. Finished runs are kept on a restart; `--part 0/2` and `--part 1/2` share the work between
two processes. A table keeps its runs that are not asked for, and one of another configuration is never written over.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch.nn import functional

from evaluate_metrics.cider.cider_d import cider
from evaluate_metrics.recall_at_k_within_n.pair_f1 import PairF1
from evaluate_metrics.recall_at_k_within_n.recall import recall_at_k_within_n
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import load_language, weights_sha256
from train import stage1, stage2
from train.arguments import RunArguments, parse_run
from train.collators import WindowCollator, consecutive_windows
from train.describe_cache import describe_windows
from train.dual_encoder import load_clip
from train.experiments.film_sets import film_sets, shared_words
from train.experiments.people import anonymous
from train.experiments.report import (
    Column,
    Report,
    held_runs,
    log_text,
    plot_arms,
    with_held,
    write_table,
)
from train.experiments.runs import Arm, Figures, key_of, missing, parse_part, run_arms
from train.features import FeatureArguments, FeatureCache, build_cache, parse_seeds
from train.film_splits import refuse_blind, refuse_overlap
from train.reconstruction import TextTower, installed
from train.retrieval import chance, ranks
from train.run_record import fingerprint, write_whole
from train.stops import plain_refusals

PAPER_A = {"none": (6.7, 34.0), "L_g": (8.2, 36.6), "L_f": (7.7, 35.2), "L_g + L_f": (8.6, 36.9)}
PAPER_B = {"gamma 0.1": 8.0, "gamma 0.3": 8.5, "L_g + L_f": 8.6, "gamma 0.7": 7.7}


@dataclass
class Table4Arguments:
    """What is trained, tested and repeated. `learning_rate`, `batch_size` and `lr_schedule` are Stage II's."""

    clip: str = field(default="runs/pocket/clip_actors", metadata={"help": "CLIP before Stage I"})
    language: str = field(default="runs/pocket/lm", metadata={"help": "language model"})
    preset: str = field(default="clear", metadata={"help": "story preset: clear | crowded"})
    seeds: str = field(default="1-3", metadata={"help": "seeds of every arm"})
    films: str = field(default="1-40", metadata={"help": "training films of both stages"})
    film_sets: str = field(
        default="800001-800004;800005-800008;800009-800012", metadata={"help": "test films, sets parted by ;"}
    )
    literal: bool = field(default=True, metadata={"help": "table a: rows of the literal formulas and of tau_w too"})
    stage1_epochs: int = field(default=1, metadata={"help": "passes of Stage I"})
    stage1_steps: int = field(default=-1, metadata={"help": "stop Stage I after so many steps; -1: all"})
    stage1_batch: int = field(default=64, metadata={"help": "clips of a Stage I step"})
    stage1_chunk: int = field(default=0, metadata={"help": "clips in memory at once; 0: all"})
    stage1_frames: int = field(default=4, metadata={"help": "frames a clip in Stage I"})
    stage1_learning_rate: float = field(default=1e-3, metadata={"help": "Stage I's highest rate; it falls as a cosine"})
    stage1_warmup_steps: int = field(default=10, metadata={"help": "steps until the highest rate"})
    frame_cache: str = field(default="", metadata={"help": "folder of drawn frames that all runs share; empty: none"})
    epochs: int = field(default=6, metadata={"help": "passes of Stage II"})
    steps: int = field(default=-1, metadata={"help": "stop Stage II after so many steps; -1: all"})
    window_size: int = field(default=16, metadata={"help": "N clips in a window"})
    num_beams: int = field(default=2, metadata={"help": "beams"})
    max_new_tokens: int = field(default=32, metadata={"help": "longest AD told"})
    encoder: str = field(default="", metadata={"help": "text encoder of R@5/16, see --clip; empty: shared words' F1"})
    encoder_layer: int = field(default=6, metadata={"help": "its layer"})
    tables: str = field(default="docs/tables", metadata={"help": "folder of table, JSON and plot"})
    part: str = field(default="0/1", metadata={"help": "i/n: this process takes every n-th run from the i-th"})
    quick: bool = field(default=False, metadata={"help": "a minute's run that proves nothing but that it runs"})


def arms_of(which: str, literal: bool = True) -> list[Arm]:
    """Rows of table "a" or "b"; overrides are fields of `Stage1Arguments`, an empty set means no Stage I.

    Raises:
        ValueError: neither a nor b.
    """
    both = Arm("L_g + L_f", {"gamma": 0.5}, "gamma 0.5")  # stands in both tables: one folder, trained once
    if which == "b":
        return [both if name == both.name else Arm(name, {"gamma": float(name.split()[1])}) for name in PAPER_B]
    if which != "a":
        raise ValueError(f"table is {which!r}; expected a or b; name one")
    arms = [Arm("none"), Arm("L_g", {"gamma": 1.0}), Arm("L_f", {"gamma": 0.0}), both]
    if literal:
        arms += [
            Arm("literal inner products", {"gamma": 0.5, "normalize": False}, "no normalisation, no scale"),
            Arm("logit_scale 1", {"gamma": 0.5, "logit_scale": 1.0}, "unit vectors, factor 1"),
            *(Arm(f"tau_w {tau:g}", {"gamma": 0.5, "tau_w": tau}, "default 0.01") for tau in (0.1, 1.0)),
        ]
    return arms


def adapt(asked: Table4Arguments, run: RunArguments, arm: Arm, seed: int, folder: Path) -> str:
    """Stage I of one run; the folder of the CLIP that Stage II gets."""
    if not arm.overrides:
        return asked.clip
    target = folder / "clip_ad"
    if not (target / "run_record.json").is_file():
        tests = [str(s) for seeds in film_sets(asked.film_sets).values() for s in seeds]
        stage1.train(
            stage1.Stage1Arguments(
                clip=asked.clip, seeds=asked.films, held_out_seeds=",".join(tests), held_out_clips=64,
                preset=asked.preset, epochs=asked.stage1_epochs, max_steps=asked.stage1_steps,
                num_frames=asked.stage1_frames, frame_cache=asked.frame_cache, chunk_size=asked.stage1_chunk,
                **arm.overrides,
            ),
            dataclasses.replace(
                run, output_dir=str(target), learning_rate=asked.stage1_learning_rate, lr_schedule="cosine",
                warmup_steps=asked.stage1_warmup_steps, batch_size=asked.stage1_batch, seed=seed,
            ),
        )  # fmt: skip
    return str(target)


def stage2_arguments(asked: Table4Arguments, clip: str, features: str) -> stage2.Stage2Arguments:
    """Stage II from the visual prompt alone: what is listed shows in no prompt, it only turns told names into slots."""
    return stage2.Stage2Arguments(
        clip=clip, language=asked.language, features=features, epochs=asked.epochs, max_steps=asked.steps,
        window_size=asked.window_size, alpha=0.0, beta=0.0, lambda_dist=0.0, face_tokens="never",
        train_characters="ground_truth", test_characters="ground_truth", decode_num_beams=asked.num_beams,
        attention="eager",
    )  # fmt: skip


def retrieval_r1(cache: FeatureCache, films: Sequence[str], texts: torch.Tensor) -> float:
    """Share of clips whose own AD (or one with the same text) is the nearest of their film set, in percent.

    Args:
        cache: frame features.
        films: of the set.
        texts: (clips, C) of the set's ADs in the cache's order.
    """
    numbers = [number for film in films for number in cache.films[film]]
    frames = functional.normalize(cache.frames[numbers].float(), dim=-1).mean(dim=1)
    similarity = functional.normalize(frames, dim=-1) @ functional.normalize(texts, dim=-1).T
    ads = [cache.rows[number]["text"] for number in numbers]
    same = torch.tensor([[one == other for other in ads] for one in ads])
    return 100 * float((ranks(similarity, same) <= 1).float().mean())


class Line:
    """One run from Stage I to the figures; `__call__` is a `RunOne`.

    Args:
        asked: configuration.
        run: of Stage II.
        similarity: of texts, for R@5/16.
        key: of the settings; other ones never meet what a broken-off run left.
    """

    def __init__(
        self, asked: Table4Arguments, run: RunArguments, similarity: Callable[..., np.ndarray], key: str
    ) -> None:
        self.asked, self.run, self.similarity, self.key = asked, run, similarity, key
        self.sets = film_sets(asked.film_sets)
        self.tower: TextTower | None = None

    def __call__(self, arm: Arm, seed: int, folder: Path) -> Figures:
        """Figures of every film set: CIDEr, R@5/16 and the retrieval of ADs by clips, x100."""
        asked, work = self.asked, folder / self.key
        clip = adapt(asked, self.run, arm, seed, work)
        tests = ",".join(str(s) for seeds in self.sets.values() for s in seeds)
        wanted = FeatureArguments(
            clip=clip, seeds=f"{asked.films},{tests}", preset=asked.preset, frame_cache=asked.frame_cache
        )
        features = str(build_cache(wanted, str(work / "features")))
        arguments = stage2_arguments(asked, clip, features)
        target = work / "stage2"
        if not (target / "run_record.json").is_file():
            settings = dataclasses.replace(self.run, output_dir=str(target), seed=seed)
            stage2.train(arguments, settings)
        cache = FeatureCache(features)
        loaded: Any = DistinctADForConditionalGeneration.from_pretrained(target, dtype=torch.float32)
        processor = DistinctADProcessor.from_pretrained(target, trust_remote_code=False)
        nobody = dataclasses.replace(arguments, test_characters="none")  # the same prompts, and told people unknown
        collator = WindowCollator(processor, cache, stage2.window_options(nobody, seed))
        films = [str(s) for seeds in self.sets.values() for s in seeds]
        windows = consecutive_windows(cache, films, asked.window_size)
        generation = {"num_beams": asked.num_beams, "max_new_tokens": asked.max_new_tokens}
        by_row = describe_windows(loaded, collator, windows, **generation)
        told = {film: [by_row[number] for number in cache.films[film]] for film in films}
        write_whole(folder / "told.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        figures = {name: self.figures(cache, [str(s) for s in seeds], told) for name, seeds in self.sets.items()}
        for left in (work / "features", work / "stage2.training", *work.glob("clip_ad/checkpoint-*")):
            shutil.rmtree(left, ignore_errors=True)
        return figures

    def figures(self, cache: FeatureCache, films: Sequence[str], told: dict[str, list[str]]) -> dict[str, float]:
        """Of one film set."""
        rows = [cache.rows[number] for film in films for number in cache.films[film]]
        truths = [anonymous(row["text"], row["names"]) for row in rows]
        texts = [text for film in films for text in told[film]]
        if self.tower is None:
            self.tower = TextTower(self.asked.clip)  # Stage I leaves the text half as it is
        pooled = torch.stack([s.pooled.float() for s in self.tower.encode([row["text"] for row in rows])])
        groups, counts = [row["film"] for row in rows], Counter(row["text"] for row in rows)
        recall = recall_at_k_within_n(texts, truths, self.similarity, groups, k=5, n=16)
        return {
            "cider": cider(texts, truths)["cider"],
            "recall": float(recall["recall"]),
            "recall_chance": float(recall["chance"]),
            "n_scored": float(recall["n_scored"]),
            "n_expected": float(recall["n_expected"]),
            "ad_r1": retrieval_r1(cache, films, pooled),
            "ad_r1_chance": 100 * chance([counts[row["text"]] for row in rows], len(rows), 1),
        }


def make_quick(asked: Table4Arguments) -> Table4Arguments:
    """The same line on one training film and two test films."""
    return dataclasses.replace(
        asked, seeds="1-2", films="1", film_sets="800001;800002", literal=False, stage1_epochs=1, stage1_steps=1,
        stage1_batch=8, steps=2, num_beams=1, max_new_tokens=8, encoder="",
    )  # fmt: skip


def make_report(which: str, asked: Table4Arguments, arms: Sequence[Arm]) -> Report:
    """Columns, the paper's figures and what a reader must know."""
    columns = [
        Column("cider", "CIDEr", 1, {k: v[0] for k, v in PAPER_A.items()} if which == "a" else PAPER_B),
        Column("recall", "R@5/16", 1, {k: v[1] for k, v in PAPER_A.items()} if which == "a" else None),
        Column("ad_r1", "AD R@1", 1),
    ]
    measure = f"{asked.encoder} layer {asked.encoder_layer}" if asked.encoder else "F1 of shared words"
    notes = [
        f"Pocket films ({asked.preset}), {len(parse_seeds(asked.films))} for training; visual prompt only, people are "
        f'"someone". R@5/16: each AD among the 16 nearest in time, by {measure}, chance about 31.2. AD R@1: clips '
        "against the ADs of their film set, before any language model.",
        "Paper: MAD-Eval, CLIP-B32 and GPT-2; other films and models, so compare the order of the rows only.",
    ]
    if asked.quick:
        notes.append("QUICK: a test that the line works; the figures mean nothing.")
    title = {"a": "Table 4a: losses of Stage I", "b": "Table 4b: gamma, the weight of the global loss"}[which]
    return Report(title, arms, parse_seeds(asked.seeds), columns, {"a": "none", "b": "L_g + L_f"}[which], notes)


@plain_refusals()
def main(argv: list[str] | None = None) -> int:
    """Runs the table; returns 0, or 1 when a run failed; bad input ends with status 2."""
    words = list(sys.argv[1:] if argv is None else argv)
    which = words.pop(0) if words else ""
    if which not in ("a", "b"):
        raise ValueError(f"table is {which!r}; expected a or b first, then a YAML file")
    asked, run = parse_run(Table4Arguments, words)
    asked = make_quick(asked) if asked.quick else asked
    arms, folder = arms_of(which, asked.literal), Path(run.output_dir + ("_quick" if asked.quick else ""))
    part = parse_part(asked.part)
    settings: dict[str, Any] = {**vars(asked), **vars(run)}
    for name in ("seeds", "literal", "tables", "part", "quick", "output_dir", "seed", "save_steps", "frame_cache"):
        settings.pop(name)  # decide which runs there are and where, not what one run finds
    films = {"films": parse_seeds(asked.films)}  # refused before anything is loaded
    refuse_blind(**films)
    refuse_overlap(**films, **{f"film_sets, {name}": seeds for name, seeds in film_sets(asked.film_sets).items()})
    settings["inputs"] = fingerprint(weights_sha256(load_clip(asked.clip)), load_language(asked.language)[1])
    target = (folder if asked.quick else Path(asked.tables)) / f"table4{which}.md"
    every, seeds = arms_of(which, True), parse_seeds(asked.seeds)
    held = held_runs(target.with_suffix(".json"), {arm.name: key_of(arm, settings) for arm in every})
    similarity = PairF1(str(installed(asked.encoder)), asked.encoder_layer) if asked.encoder else shared_words
    line = Line(asked, run, similarity, fingerprint(settings))
    records = run_arms(arms, seeds, line, folder, settings, part, held)
    if records:
        report, records = with_held(make_report(which, asked, arms), records, held, every)
        write_table(target, report, records)
        plot_arms(target.with_suffix(".png"), report, records)
        command = " ".join(["python train/table4.py", which, *words])
        print(log_text(report, records, command, datetime.date.today().isoformat()))
    return 1 if missing(records, arms, seeds) else 0


if __name__ == "__main__":
    sys.exit(main())
