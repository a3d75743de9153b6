"""Runs every arm with every seed, one folder a run, and starts again where it stopped.

A run is finished when its folder holds `run_record.json`; it is then read, not repeated. Several processes may share a
folder: each takes its part of the list. An equal run that stands in a neighbouring table's folder is copied.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train.run_record import RunRecord, fingerprint, write_whole

RECORD, FAILURE = "run_record.json", "failure.txt"

Figures = Mapping[str, Mapping[str, float]]
"""Film set -> metric -> value; one set of films is {"all": {...}}."""


@dataclass(frozen=True)
class Arm:
    """One row of a table: a name and what it changes in the common configuration.

    Attributes:
        name: unique, as printed.
        overrides: configuration fields and their values, JSON-ready.
        note: one line for the table, or "".
    """

    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def slug(self) -> str:
        """The name as a folder: lower-case letters, digits, dots; anything else is one dash, signs are spelled."""
        spelled = self.name.lower().replace("+", " plus ").replace("=", " ").replace("~", " tilde ")
        return re.sub(r"[^a-z0-9.]+", "-", spelled).strip("-.") or "arm"


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        arm: its arm's name.
        seed: its seed.
        figures: film set -> metric -> value.
        wall_s: how long it took, seconds.
        data: fingerprint of its configuration.
    """

    arm: str
    seed: int
    figures: Figures
    wall_s: float = 0.0
    data: str = ""


RunOne = Callable[[Arm, int, Path], Figures]
"""(arm, seed, the run's own folder) -> figures. May leave checkpoints in the folder and resume from them."""


def run_folder(folder: Path, arm: Arm, seed: int) -> Path:
    """Where a run lies: `<folder>/<arm>/seed_<n>`."""
    return folder / arm.slug / f"seed_{seed}"


def run_arms(
    arms: Sequence[Arm],
    seeds: Sequence[int],
    run_one: RunOne,
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    part: tuple[int, int] = (0, 1),
    known: Sequence[Record] = (),
) -> list[Record]:
    """Runs what is not finished, seed by seed (so that a broken-off table has whole rows), and reads the rest.

    A run that raises is reported, its traceback kept in `failure.txt`, and the others go on.

    Args:
        arms: rows; names and slugs must differ.
        seeds: seeds of every arm.
        run_one: does one run.
        folder: of all runs.
        settings: common configuration; a finished run of another one is refused.
        part: (i, n): this process takes every n-th unfinished run, from the i-th.
        known: runs that were finished elsewhere (`read_runs`): the same arm, seed and configuration is not repeated.

    Returns:
        The finished runs, known ones and those of other parts included; compare with `missing`.

    Raises:
        ValueError: no or double arms or seeds, an impossible part, or a finished run of another configuration.
    """
    from tqdm import tqdm

    _check(arms, seeds, part)
    jobs = [(arm, seed) for seed in seeds for arm in arms]
    for arm, seed in jobs:
        _read(folder, arm, seed, settings)  # refuses another configuration before any work
    told = {(record.arm, record.seed, record.data): record for record in known}

    def finished(arm: Arm, seed: int) -> Record | None:
        return _read(folder, arm, seed, settings) or told.get((arm.name, seed, key_of(arm, settings)))

    todo = [job for job in jobs[part[0] :: part[1]] if finished(*job) is None]
    with tqdm(todo, unit="run", desc=folder.name) as bar:
        for arm, seed in bar:
            bar.set_postfix_str(f"{arm.name}, seed {seed}")
            if not _copy_equal(folder, arm, seed, settings):
                _run(arm, seed, run_one, run_folder(folder, arm, seed), settings)
    found = [finished(*job) for job in jobs]
    return [record for record in found if record is not None]


def parse_part(text: str) -> tuple[int, int]:
    """Reads "i/n", the share of the runs that a process takes.

    Raises:
        ValueError: not two whole numbers.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if found is None:
        raise ValueError(f"part is {text!r}; expected i/n such as 0/2; mend --part")
    return int(found[1]), int(found[2])


def missing(records: Sequence[Record], arms: Sequence[Arm], seeds: Sequence[int]) -> list[tuple[str, int]]:
    """(arm, seed) of the runs that have no record."""
    done = {(record.arm, record.seed) for record in records}
    return [(arm.name, seed) for arm in arms for seed in seeds if (arm.name, seed) not in done]


def _check(arms: Sequence[Arm], seeds: Sequence[int], part: tuple[int, int]) -> None:
    """Refuses lists that name something twice or nothing."""
    for what, values in (("arm names", [arm.slug for arm in arms]), ("seeds", list(seeds))):
        if not values or len(set(values)) != len(values):
            raise ValueError(f"{what} are {values}; expected at least one, each once; mend the list")
    if not 0 <= part[0] < part[1]:
        raise ValueError(f"part is {part}; expected (i, n) with 0 <= i < n; mend it")


def key_of(arm: Arm, settings: Mapping[str, Any] | None) -> str:
    """Fingerprint of the configuration of a run."""
    return fingerprint(dict(settings or {}), dict(arm.overrides))


def _run(arm: Arm, seed: int, run_one: RunOne, own: Path, settings: Mapping[str, Any] | None) -> None:
    """Does one run and writes its record, or its failure."""
    own.mkdir(parents=True, exist_ok=True)
    record = RunRecord("experiment", {**(settings or {}), **arm.overrides}, seed, key_of(arm, settings))
    record.content["arm"] = arm.name
    try:
        figures = {name: {k: float(v) for k, v in values.items()} for name, values in run_one(arm, seed, own).items()}
    except Exception as error:  # any failure of one run must not end a night of others; it is kept and reported
        (own / FAILURE).write_text(traceback.format_exc(), encoding="utf-8")
        print(f"failed: {arm.name}, seed {seed}: {error!r}; see {own / FAILURE}; others go on", file=sys.stderr)
        return
    (own / FAILURE).unlink(missing_ok=True)
    record.write(own, {"figures": figures})


def _copy_equal(folder: Path, arm: Arm, seed: int, settings: Mapping[str, Any] | None) -> bool:
    """Takes over a finished run of the same configuration and seed from a folder beside this one, if there is any."""
    for path in sorted(folder.parent.glob(f"*/*/seed_{seed}/{RECORD}")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["data"] != key_of(arm, settings):
            continue
        own = run_folder(folder, arm, seed)
        shutil.copytree(path.parent, own, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD))
        content |= {"arm": arm.name, "copied_from": str(path.parent.relative_to(folder.parent))}
        write_whole(own / RECORD, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return True
    return False


def _read(folder: Path, arm: Arm, seed: int, settings: Mapping[str, Any] | None) -> Record | None:
    """The finished run, or None."""
    path = run_folder(folder, arm, seed) / RECORD
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["data"] != key_of(arm, settings):
        raise ValueError(
            f"{path} is a run of another configuration; expected the present one; name another folder or delete it"
        )
    return Record(arm.name, seed, content["metrics"]["figures"], content["wall_s"], content["data"])
