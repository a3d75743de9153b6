"""No pocket film serves two purposes; no film of the blind evaluation is learnt from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from train.ablations import AblationArguments
from train.arguments import RunArguments
from train.experiments.film_sets import film_sets
from train.features import FeatureCache, parse_seeds
from train.film_splits import refuse_blind, refuse_overlap, trains
from train.pocket_arms import pocket_run
from train.stage1 import Stage1Arguments, build_data
from train.stage2 import split_films
from train.table4 import Table4Arguments, main

CONFIGS = Path(__file__).resolve().parents[2] / "train" / "configs"


def with_splits(features: Path, folder: Path, split: str) -> Path:
    """A copy of a cache whose rows are of one split, as those of a public set are."""
    shutil.copytree(features, folder, ignore=shutil.ignore_patterns("parts_*"))
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps({**row, "film": f"{split}/{row['film']}", "split": split}) + "\n" for row in rows]
    (folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def test_the_first_common_film_is_named() -> None:
    refuse_overlap(films=[1, 2], validation_films=[3], tests=[4, 900_001])
    with pytest.raises(ValueError, match="film 2 is in both films and tests; expected different films .*change films"):
        refuse_overlap(films=[3, 2], validation_films=[7], tests=[3, 2])
    refuse_blind(films=[900_000])
    with pytest.raises(ValueError, match="films holds film 900001; .* blind evaluation only"):
        refuse_blind(films=[5, 900_002, 900_001])


@pytest.mark.parametrize(
    ("seeds", "held_out", "said"),
    [("1-2", "2-3", "film 2 is in both seeds and held_out_seeds"), ("1,900001", "2", "film 900001")],
)
def test_stage1_refuses_its_own_test_films(seeds: str, held_out: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        build_data(Stage1Arguments(seeds=seeds, held_out_seeds=held_out), None, tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"validation_films": "3-4"}, "film 3 is in both films and validation_films"),
        ({"film_sets": "7;2"}, "film 2 is in both films and film_sets, set 2"),
        ({"film_sets": "5;7"}, "film 5 is in both validation_films and film_sets, set 1"),
        ({"films": "1,900001"}, "films holds film 900001"), ({"validation_films": "900001"}, "validation_films holds"),
        ({}, "no complete cache"),
    ],
)  # fmt: skip
def test_ablations_refuse_them(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"films": "1-3", "validation_films": "5", "film_sets": "6;7", **changes}
    asked = AblationArguments(source="pocket", features=str(tmp_path), **given)
    with pytest.raises(ValueError, match=said):
        pocket_run(asked, RunArguments(output_dir=str(tmp_path)))


def test_ablations_refuse_the_cache_of_a_set(features: Path, tmp_path: Path) -> None:
    with_splits(features, tmp_path / "set", "train")
    asked = AblationArguments(
        source="pocket", features=str(tmp_path / "set"), films="1-2", validation_films="3", film_sets="5;7"
    )
    with pytest.raises(ValueError, match=r"set is a cache of train/set_features\.py; .*runs of Stage II.*reproduce"):
        pocket_run(asked, RunArguments(output_dir=str(tmp_path)))


@pytest.mark.parametrize("split", ["train", "eval"])
def test_a_cache_of_one_split_is_told_in_the_sets_words(features: Path, tmp_path: Path, split: str) -> None:
    cache = FeatureCache(with_splits(features, tmp_path / "set", split))
    with pytest.raises(ValueError, match="make the cache with --train and --eval") as refused:
        split_films(cache, 800_000)
    assert "seed" not in str(refused.value)


def test_table4_refuses_them(refused: Any, tmp_path: Path) -> None:
    argv = ["a", "--films", "1-3", "--film_sets", "4;3", "--clip", "none", "--output_dir", str(tmp_path)]
    assert "film 3 is in both films and film_sets, set 2" in refused(main, argv)


def test_a_row_is_trained_on_by_its_split_else_by_its_seed() -> None:
    assert trains({"film": "800000"}, 800_000) and not trains({"film": "800001"}, 800_000)
    assert trains({"film": "train/1005_Signs", "split": "train"}, 0)
    assert not trains({"film": "7", "split": "eval"}, 800_000)


def test_stage2_trains_on_no_blind_film(features: Path) -> None:
    cache = FeatureCache(features)
    cache.films = {**cache.films, "900001": [len(cache.rows)], "950001": [len(cache.rows) + 1]}
    cache.rows += [{**cache.rows[0], "film": "900001"}, {**cache.rows[0], "film": "950001"}]
    assert split_films(cache, 800_000)[0] == ["1", "2"]
    with pytest.raises(ValueError, match="held_out_from holds film 900001"):
        split_films(cache, 940_000)


def films_of(path: Path) -> Any:
    """The arguments whose films a configuration chooses; None where no films are held apart by them."""
    if path.name.startswith("ablations_") and yaml.safe_load(path.read_text(encoding="utf-8"))["source"] == "pocket":
        return AblationArguments
    return {"pocket_stage1.yaml": Stage1Arguments, "table4.yaml": Table4Arguments}.get(path.name)


APART = [path for path in sorted(CONFIGS.glob("*.yaml")) if films_of(path)]


def test_every_pocket_table_is_among_them() -> None:
    assert {path.name for path in APART} >= {"pocket_stage1.yaml", "table4.yaml", "ablations_pocket.yaml"}


@pytest.mark.parametrize("path", APART, ids=lambda path: path.name)
def test_shipped_configurations_keep_films_apart(path: Path) -> None:
    content, kind = yaml.safe_load(path.read_text(encoding="utf-8")), films_of(path)
    held = {**vars(kind()), **content}
    names = ("films", "validation_films") if "films" in held else ("seeds", "held_out_seeds")
    uses = {name: parse_seeds(held[name]) for name in names if name in held}
    refuse_blind(**uses)
    refuse_overlap(**uses, **(film_sets(held["film_sets"]) if "film_sets" in held else {}))
