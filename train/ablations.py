"""Tables 4c, 5 and 6, Figure 4 and our own questions: arms x seeds, resumable, with intervals, tables and plots.

Two sources: "synthetic" (features alone, no CLIP, minutes; `train/synthetic.py`) and "pocket" (a feature cache of
pocket films and the pocket language model; `train/pocket_arms.py`). Equal steps and the same small search of the
learning rate for every arm, A0 included.

Run: `python train/ablations.py TABLE|all|list CONFIG.yaml --tables FOLDER [--key value]`, e.g. `python
train/ablations.py table5 train/configs/ablations_synthetic.yaml --tables runs/tables`: the tables of docs/tables, where
none else is named, are refused to runs of another configuration, other weights included. Finished runs are kept on a
restart; `--part 0/2` and `--part 1/2` share the work between two processes; a run that another table of the same folder
has already is copied, not repeated, and one that the table's JSON file has, of equal settings, features and language
model, is taken from there: a table goes on from a clone, and one with `--arms` keeps its other rows. `--rates_from`
another table's JSON gives each arm the learning rate that its search there, on other seeds, found best.
"""

from __future__ import annotations

import datetime
import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from datasets_scripts.builders import contents_sha256
from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.towers_distinctad import load_language
from train.ablation_tables import TABLES, Table
from train.arguments import RunArguments, parse_run
from train.arm_training import numbers, search, split_overrides
from train.experiments.film_sets import film_sets
from train.experiments.report import (
    Column,
    Report,
    held_runs,
    log_text,
    plot_arms,
    plot_sweep,
    read_runs,
    with_held,
    write_table,
)  # fmt: skip
from train.experiments.runs import Arm, Figures, Record, RunOne, key_of, missing, parse_part, run_arms
from train.experiments.summary import summarise
from train.features import FEATURES, ROWS, parse_seeds
from train.run_record import fingerprint
from train.stops import plain_refusals
from train.synthetic import SEEDS, TEST, VALIDATION, SyntheticSettings, SyntheticWorld, build_model, language_model


@dataclass
class AblationArguments:
    """What is trained, tested and repeated; `batch_size` is in windows, `learning_rate` is not read."""

    source: str = field(default="synthetic", metadata={"help": "synthetic | pocket"})
    seeds: str = field(default="1-3", metadata={"help": "seeds of every arm"})
    steps: int = field(default=600, metadata={"help": "optimiser steps of every run"})
    learning_rates: str = field(default="0.001,0.003", metadata={"help": "searched for every arm and seed"})
    rates_from: str = field(
        default="", metadata={"help": "JSON of a table: each arm takes the rate that validated best there"}
    )
    search_steps: int = field(default=0, metadata={"help": "steps of a training that chooses the rate; 0: all"})
    window_size: int = field(default=8, metadata={"help": "N clips in a window"})
    novelty: float = field(default=1.0, metadata={"help": "synthetic: 1, or 0 for the control"})
    validation: int = field(default=32, metadata={"help": "synthetic: windows that choose the learning rate"})
    test: int = field(default=128, metadata={"help": "synthetic: windows of the figures"})
    clip: str = field(default="runs/pocket/clip_ad", metadata={"help": "pocket: the tower of the features"})
    language: str = field(default="runs/pocket/lm", metadata={"help": "pocket: language model"})
    features: str = field(default="runs/pocket/features", metadata={"help": "pocket: cache with all films named here"})
    films: str = field(default="1-400", metadata={"help": "pocket: training films"})
    validation_films: str = field(default="800001-800002", metadata={"help": "pocket: choose the learning rate"})
    film_sets: str = field(default="800003-800009;800010-800016", metadata={"help": "pocket: test films, sets by ;"})
    attention: str = field(default="eager", metadata={"help": "pocket: the language model's kernel: eager | sdpa"})
    num_beams: int = field(default=2, metadata={"help": "pocket: beams"})
    max_new_tokens: int = field(default=32, metadata={"help": "pocket: longest AD told"})
    encoder: str = field(default="", metadata={"help": "pocket: text encoder of R@k/N; empty: shared words' F1"})
    encoder_layer: int = field(default=6, metadata={"help": "its layer"})
    tables: str = field(default="docs/tables", metadata={"help": "folder of tables, JSON and plots"})
    arms: str = field(default="", metadata={"help": "names of the arms to run, parted by commas; empty: all"})
    against: str = field(default="", metadata={"help": "arm that the others are compared with; empty: the table's"})
    part: str = field(default="0/1", metadata={"help": "i/n: this process takes every n-th run from the i-th"})
    quick: bool = field(default=False, metadata={"help": "a short run that proves nothing but that it runs"})


SYNTHETIC_COLUMNS = (
    Column("recall", "names the new thing, %", 1),
    Column("constant", "names a constant thing, %", 1),
    Column("repeated", "says what another clip says, %", 1),
    Column("foreign", "with strangers' neighbours, %", 1),
)
POCKET_COLUMNS = (
    Column("slots", "distinctive slot words, recall", 1), Column("slots_shuffled", "the same, clips in any order", 1),
    Column("slots_foreign", "the same, among strangers", 1), Column("distinctive", "distinctive words, recall", 1),
    Column("cider", "CIDEr", 1), Column("r1_5", "R@1/5", 1), Column("r1_16", "R@1/16", 1),
    Column("r5_16", "R@5/16", 1), Column("repeated", "repeated words", 1),
)  # fmt: skip


def model_fields(overrides: dict[str, Any]) -> dict[str, Any]:
    """Fields of the model's configuration that an arm asks for, its EM preset resolved."""
    given = dict(overrides)
    preset = DistinctADConfig.em_preset(given.pop("em_preset", "default"))
    return {**preset, **given}


def bare(arm: Arm, window_size: int) -> Arm:
    """The arm without overrides that only repeat what every arm has, so that equal runs of several tables are one."""
    common = {**vars(DistinctADConfig()), "window_size": window_size}
    return replace(arm, overrides={k: v for k, v in arm.overrides.items() if k not in common or common[k] != v})


def synthetic_run(asked: AblationArguments, run: RunArguments) -> RunOne:
    """One run in the synthetic world: search, then the figures of the test windows, x100."""
    if strange := [seed for seed in parse_seeds(asked.seeds) if not 0 <= seed < SEEDS]:
        raise ValueError(f"seed is {strange[0]}; expected 0 to {SEEDS - 1}: others train on the test's windows")
    language = language_model(SyntheticSettings(), Path(run.output_dir).parent / "synthetic_lm")

    def run_one(arm: Arm, seed: int, folder: Path) -> Figures:
        own, fields = split_overrides(arm.overrides, ("window_size", "sampling"))
        size = int(own.get("window_size", asked.window_size))
        world = SyntheticWorld(SyntheticSettings(window_size=size, novelty=asked.novelty))
        count = max(1, run.batch_size * asked.window_size // size)  # the same clips a step at every N
        mixed = own.get("sampling") == "random"

        def build() -> Any:
            torch.manual_seed(seed)
            model = build_model(world.settings, language, model_fields(fields))
            model.scale_projections(world.batch(list(range(4)))["frame_features"])
            return model

        def batch_of(step: int) -> dict[str, torch.Tensor]:
            first = 1_000_000 * seed + step * count
            return world.batch(list(range(first, first + count)), mixed=mixed)

        rates = numbers(asked.learning_rates)

        def validate(model: Any) -> float:
            return world.evaluate(model, VALIDATION, asked.validation)["recall"]

        model, chosen = search(build, batch_of, asked.steps, rates, validate, search_steps=asked.search_steps)
        figures = world.evaluate(model, TEST, asked.test)
        figures["foreign"] = world.evaluate(model, TEST, asked.test, mixed=True)["recall"]
        counts = dict.fromkeys(("n_scored", "n_expected"), float(asked.test * size))  # every clip is told
        return {"all": {**{k: 100 * v for k, v in figures.items()}, **chosen, **counts}}

    return run_one


def make_report(name: str, table: Table, asked: AblationArguments, run: RunArguments) -> Report:
    """Columns, the paper's figures, and what a reader must know."""
    synthetic = asked.source == "synthetic"
    truth = not synthetic and sees_truth(asked)
    paper = {} if synthetic else (table.paper or {})
    columns = SYNTHETIC_COLUMNS if synthetic else POCKET_COLUMNS
    told = [replace(column, paper=paper.get(column.metric)) for column in columns]
    rate = f"the learning rate {asked.learning_rates}, which was not searched"
    if asked.rates_from:
        chosen = ", ".join(f"{arm} {rate}" for arm, rate in rates_of(asked.rates_from).items())
        rate = f"the learning rate that validated best for it in {asked.rates_from} ({chosen})"
    elif len(numbers(asked.learning_rates)) > 1:
        rate = f"the best of the learning rates {asked.learning_rates} on validation windows"
        rate += f", chosen by trainings of {asked.search_steps} steps" if asked.search_steps else ""
    length = f"{asked.steps} steps of {run.batch_size} windows of {asked.window_size} clips"
    notes = [f"Every arm: {length}, {rate}."]
    if synthetic:
        notes.append(
            f"Synthetic features, novelty {asked.novelty:g}: 4 things in all clips of a window, 1 new in each, the AD "
            "names the new one; chance of a model that sees one clip: 20 %. No films, no CLIP."
        )
    else:
        measure = f"{asked.encoder} layer {asked.encoder_layer}" if asked.encoder else "F1 of shared words"
        seen = "codes of their true facts, not from pictures" if truth else "cached features"
        notes.append(
            f"Pocket films from {seen}; R@k/N by {measure}. Slot words: of the told "
            "action, object and colour, any synonym; the oracles know every true fact. Paper: other films and models."
        )
    if asked.quick:
        notes.append("QUICK: a test that the line works; the figures mean nothing.")
    title = table.title + (", synthetic world" if synthetic else ", pocket films")
    title += ", perfect eyes" if truth else ""
    levels = {} if synthetic else oracle_levels(asked)
    return Report(title, table.arms, parse_seeds(asked.seeds), told, table.baseline, notes, levels)


def settings_of(asked: AblationArguments, run: RunArguments) -> dict[str, Any]:
    """What decides what a run finds, beside its arm and seed."""
    settings: dict[str, Any] = {**vars(asked), "batch_size": run.batch_size}
    for left in ("seeds", "tables", "arms", "against", "part", "quick", "rates_from"):
        settings.pop(left)  # decide which runs there are and where
    if asked.source == "pocket":
        settings["inputs"] = inputs_of(asked)
        if len(numbers(asked.learning_rates)) > 1:
            settings["validation_loss"] = "of tokens"  # of windows before
        if not run.bf16:
            settings["bf16"] = False  # said only then: records of before it was said are of bfloat16
    if not asked.search_steps:
        settings.pop("search_steps")  # records of before this option stay valid
    return settings


def inputs_of(asked: AblationArguments) -> str:
    """Fingerprint of the films' features and the language model."""
    files = [Path(asked.features) / name for name in (FEATURES, ROWS)]
    return fingerprint(*map(contents_sha256, files), load_language(asked.language)[1])


def sees_truth(asked: AblationArguments) -> bool:
    """Whether the pocket films' features are codes of true facts."""
    from train.features import FeatureCache
    from train.true_eyes import TOWER

    return bool(FeatureCache(asked.features).meta["tower"] == TOWER)


def oracle_levels(asked: AblationArguments) -> dict[str, dict[str, float]]:
    """The oracles' rows of the pocket films that are tested on."""
    from train.features import FeatureCache
    from train.pocket_arms import oracle_rows

    seeds = [seed for part in film_sets(asked.film_sets).values() for seed in part]
    return oracle_rows(seeds, FeatureCache(asked.features).meta["preset"], asked.window_size)


def write_results(name: str, report: Report, records: list[Record], table: Table, folder: Path) -> Path:
    """Table, JSON and plot of one table."""
    target = folder / f"{name}.md"
    write_table(target, report, records)
    if table.swept is None:
        plot_arms(target.with_suffix(".png"), report, records)
        return target
    key, log = table.swept
    column = report.columns[0]
    found = summarise(records, column.metric)
    points = [(float(arm.overrides[key]), found[arm.name]) for arm in report.arms if arm.name in found]
    plot_sweep(target.with_suffix(".png"), points, key, column.label, report.title, log_x=log)
    return target


def chosen_arms(table: Table, names: str, against: str = "") -> Table:
    """The table with the named arms only, and the one that they are compared with: the table's own or a named one.

    Raises:
        ValueError: an arm that the table lacks.
    """
    asked = [name.strip() for name in names.split(",") if name.strip()]
    known = [arm.name for arm in table.arms]
    if unknown := [name for name in asked if name not in known]:
        raise ValueError(f"arm is {unknown[0]!r}; expected one of {', '.join(known)}; mend --arms")
    if against and against not in known:
        raise ValueError(f"arm is {against!r}; expected one of {', '.join(known)}; mend --against")
    baseline = against or table.baseline
    kept = tuple(arm for arm in table.arms if not asked or arm.name in (*asked, baseline))
    return replace(table, arms=kept, baseline=baseline)


def runs_folder(name: str, asked: AblationArguments, run: RunArguments) -> Path:
    """Where the runs of a table lie."""
    return Path(run.output_dir) / asked.source / name


def rates_of(path: str) -> dict[str, str]:
    """Arm -> the rate that validated best in a table's runs, on the mean over its seeds.

    Raises:
        ValueError: no table, or an arm whose runs did not search.
    """
    found: dict[str, str] = {}
    runs = read_runs(Path(path))
    for arm in dict.fromkeys(record.arm for record in runs):
        of_arm = [next(iter(record.figures.values())) for record in runs if record.arm == arm]
        tried = set.intersection(*({key for key in run if key.startswith("validation_")} for run in of_arm))
        if not tried:
            raise ValueError(f"{path}: {arm} tried no learning rates; expected a table of a search; give another")
        best = max(sorted(tried), key=lambda key: sum(run[key] for run in of_arm))
        found[arm] = best.removeprefix("validation_")
    if not found:
        raise ValueError(f"{path} holds no runs; expected the JSON of a table that searched; mend --rates_from")
    return found


def groups_of(arms: Sequence[Arm], asked: AblationArguments) -> list[tuple[list[Arm], AblationArguments]]:
    """Arms with what they are run with: all with the same, or each with the rate of its search elsewhere.

    Raises:
        ValueError: an arm that was not searched there.
    """
    if not asked.rates_from:
        return [(list(arms), asked)]
    rates = rates_of(asked.rates_from)
    if strange := [arm.name for arm in arms if arm.name not in rates]:
        raise ValueError(f"{asked.rates_from} holds no run of {strange[0]}; expected all of --arms; search it there")
    return [
        ([arm for arm in arms if rates[arm.name] == rate], replace(asked, learning_rates=rate))
        for rate in sorted({rates[arm.name] for arm in arms})
    ]


def held_of(name: str, asked: AblationArguments, run: RunArguments) -> list[Record]:
    """The runs that a table's file has already.

    Raises:
        ValueError: they are of another configuration.
    """
    every = TABLES[name].arms
    if asked.rates_from:
        every = tuple(arm for arm in every if arm.name in rates_of(asked.rates_from))
    keys = {
        arm.name: key_of(bare(arm, asked.window_size), settings_of(own, run))
        for arms, own in groups_of(every, asked)
        for arm in arms
    }
    target = runs_folder(name, asked, run) if asked.quick else Path(asked.tables)
    return held_runs(target / f"{name}_{asked.source}.json", keys)


def run_table(
    name: str, asked: AblationArguments, run: RunArguments, runner: Callable[[str], RunOne]
) -> list[tuple[str, int]]:
    """Runs, writes and prints one table; returns the runs that are missing.

    Args:
        name: of the table.
        asked: what is run.
        run: batch size and folders.
        runner: learning rates -> what does one run with them.

    Raises:
        ValueError: finished runs of another configuration, an impossible part or an unknown arm.
    """
    table, seeds = chosen_arms(TABLES[name], asked.arms, asked.against), parse_seeds(asked.seeds)
    part, folder = parse_part(asked.part), runs_folder(name, asked, run)
    target = folder if asked.quick else Path(asked.tables)
    held = held_of(name, asked, run)
    records: list[Record] = []
    for arms, own in groups_of([bare(arm, asked.window_size) for arm in table.arms], asked):
        records += run_arms(arms, seeds, runner(own.learning_rates), folder, settings_of(own, run), part, held)
    if records:
        report, records = with_held(make_report(name, table, asked, run), records, held, TABLES[name].arms)
        write_results(f"{name}_{asked.source}", report, records, table, target)
        command = f"python train/ablations.py {name}"
        print(log_text(report, records, command, datetime.date.today().isoformat()), flush=True)
    return missing(records, table.arms, seeds)


@plain_refusals()
def main(argv: list[str] | None = None) -> int:
    """Runs tables; returns 0, or 1 when a run failed; bad input ends with status 2."""
    words = list(sys.argv[1:] if argv is None else argv)
    which = words.pop(0) if words else ""
    if which == "list":
        print("\n".join(f"{name:20} {len(table.arms):3} arms  {table.title}" for name, table in TABLES.items()))
        return 0
    if which != "all" and which not in TABLES:
        raise ValueError(f"table is {which!r}; expected all, list or one of {', '.join(TABLES)}; name it first")
    asked, run = parse_run(AblationArguments, words)
    if asked.quick:
        asked = replace(asked, seeds="1", steps=2, learning_rates="0.001", validation=1, test=2)
        run.output_dir += "_quick"
    names = [which] if which != "all" else list(TABLES)
    if asked.source == "synthetic":
        names = [name for name in names if not TABLES[name].pocket_only]
    if not names or asked.source not in ("synthetic", "pocket"):
        raise ValueError(f"{which} with source {asked.source!r}; expected pocket for it; set --source pocket")
    if asked.source == "pocket":
        from train.pocket_arms import pocket_run

        pocket_run(asked, run)  # refuses what the features lack
    for name in names:
        groups_of(chosen_arms(TABLES[name], asked.arms, asked.against).arms, asked)
        held_of(name, asked, run)

    @functools.cache  # arms of one rate share their batches; the synthetic one trains a language model
    def runner(rates: str) -> RunOne:
        own = replace(asked, learning_rates=rates)
        return pocket_run(own, run) if asked.source == "pocket" else synthetic_run(own, run)

    lost = [pair for name in names for pair in run_table(name, asked, run, runner)]
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
