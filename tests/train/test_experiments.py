"""Seeds to runs to intervals to tables: hand-computed cases, and what a restart may and may not do."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from train.ablation_tables import TABLES
from train.ablations import chosen_arms
from train.experiments.report import Column, Report, markdown_table, plot_arms, plot_sweep, read_runs, write_table
from train.experiments.runs import Arm, Record, missing, run_arms, run_folder
from train.experiments.summary import Estimate, interval, paired_difference, summarise, t_quantile

ARMS = [Arm("A0"), Arm("C3: H^ + L_dist", {"alpha": 3.0})]


def figures(value: float) -> dict[str, dict[str, float]]:
    return {"films 1": {"cider": value}, "films 2": {"cider": value + 1}}


@pytest.mark.parametrize(
    ("freedom", "level", "expected"),
    [(1, 0.95, 12.7062), (2, 0.95, 4.30265), (4, 0.95, 2.77645), (30, 0.95, 2.04227), (3, 0.9, 2.35336)],
)
def test_quantiles_as_printed_in_tables(freedom: float, level: float, expected: float) -> None:
    assert t_quantile(freedom, level) == pytest.approx(expected, rel=1e-5)
    assert t_quantile(2, 0.999) == pytest.approx(31.5991, rel=1e-5)


def test_quantile_of_one_degree_is_the_cauchy_law() -> None:
    assert t_quantile(1, 0.5) == pytest.approx(1.0, rel=1e-6)
    with pytest.raises(ValueError, match="degrees of freedom"):
        t_quantile(0.5)


def test_one_film_set_gives_the_common_t_interval() -> None:
    found = interval([[1.0], [2.0], [3.0]])  # mean 2, standard error 1/sqrt(3), 2 degrees of freedom
    assert found.mean == 2.0 and (found.seeds, found.sets) == (3, 1)
    assert found.upper == pytest.approx(2 + 4.30265 / math.sqrt(3), rel=1e-5)
    assert found.lower == pytest.approx(2 - 4.30265 / math.sqrt(3), rel=1e-5)


def test_crossed_interval_by_hand() -> None:
    # rows 2, 4; columns 2, 4; rest +-1: A = B = 2 * 2 = 4, E = 4; A + B - E = 4 = the largest single one.
    found = interval([[2.0, 2.0], [2.0, 6.0]])
    assert found.mean == 3.0
    # rows differ only: A = 2 * (1 + 1) = 4, B = E = 0 -> variance 4 / 4 with 1 degree of freedom
    found = interval([[1.0, 1.0], [3.0, 3.0]])
    assert found.upper == pytest.approx(2 + 12.7062, rel=1e-5)


def test_combined_mean_squares_have_satterthwaite_freedom() -> None:
    # row effects 0, 6 and column effects 0, 6 without rest: A = B = 2 * (9 + 9) = 36, E = 0; variance 72 / 4 with
    # 72^2 / (2 * 36^2) = 2 degrees of freedom
    found = interval([[0.0, 6.0], [6.0, 12.0]])
    assert found.upper == pytest.approx(6 + 4.30265 * math.sqrt(18), rel=1e-5)


def test_intervals_cover_crossed_effects_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        table = rng.normal(size=(4, 1)) + rng.normal(size=(1, 3)) + 0.5 * rng.normal(size=(4, 3))
        found = interval(table)
        inside += found.lower is not None and found.upper is not None and found.lower <= 0 <= found.upper
    assert 0.92 <= inside / 200 <= 1.0


def test_a_single_value_has_no_interval_and_nan_is_refused() -> None:
    assert interval([[5.0]]) == Estimate(5.0, None, None, 1, 1)
    assert interval([[5.0]]).text(1) == "5.0 [n = 1]"
    with pytest.raises(ValueError, match="not finite"):
        interval([[math.nan]])


def test_pairing_takes_what_arms_share_out_of_the_interval() -> None:
    shared = [0.0, 50.0, 100.0]
    records = [Record("A0", s, figures(v)) for s, v in enumerate(shared)]
    records += [Record("C3", s, figures(v + 2 + 0.1 * s)) for s, v in enumerate(shared)]
    difference = paired_difference(records, "C3", "A0", "cider")
    assert difference is not None and difference.lower is not None
    assert difference.mean == pytest.approx(2.1) and difference.lower > 1.8
    alone = summarise(records, "cider")["C3"]
    assert alone.lower is not None and alone.lower < 0


def test_pairing_uses_common_seeds_only() -> None:
    records = [Record("A0", 1, figures(1.0)), Record("C3", 1, figures(2.0)), Record("C3", 2, figures(99.0))]
    difference = paired_difference(records, "C3", "A0", "cider")
    assert difference is not None and difference.mean == 1.0 and difference.seeds == 1
    assert paired_difference(records[:1], "C3", "A0", "cider") is None


def test_runs_are_done_once_and_failures_do_not_stop_the_others(tmp_path: Path) -> None:
    calls: list[tuple[str, int]] = []

    def run_one(arm: Arm, seed: int, folder: Path) -> dict[str, dict[str, float]]:
        calls.append((arm.name, seed))
        if arm.name == "A0" and seed == 2 and calls.count(("A0", 2)) == 1:
            raise RuntimeError("out of luck")
        return figures(seed + arm.overrides.get("alpha", 0.0))

    records = run_arms(ARMS, [1, 2], run_one, tmp_path / "t", {"steps": 5})
    assert calls == [("A0", 1), (ARMS[1].name, 1), ("A0", 2), (ARMS[1].name, 2)]
    assert missing(records, ARMS, [1, 2]) == [("A0", 2)]
    assert "out of luck" in (run_folder(tmp_path / "t", ARMS[0], 2) / "failure.txt").read_text("utf-8")
    records = run_arms(ARMS, [1, 2], run_one, tmp_path / "t", {"steps": 5})
    assert len(calls) == 5 and calls[-1] == ("A0", 2) and not missing(records, ARMS, [1, 2])
    assert not (run_folder(tmp_path / "t", ARMS[0], 2) / "failure.txt").exists()
    assert [r.figures["films 2"]["cider"] for r in records] == [2.0, 5.0, 3.0, 6.0]
    content = json.loads((run_folder(tmp_path / "t", ARMS[1], 1) / "run_record.json").read_text("utf-8"))
    assert content["config"] == {"steps": 5, "alpha": 3.0} and content["arm"] == ARMS[1].name


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    run_arms(ARMS[:1], [1], lambda *_: figures(1.0), tmp_path / "t", {"steps": 5})
    with pytest.raises(ValueError, match="another configuration"):
        run_arms(ARMS[:1], [1], lambda *_: figures(1.0), tmp_path / "t", {"steps": 6})


def test_an_equal_run_of_a_neighbouring_table_is_copied_and_no_other(tmp_path: Path) -> None:
    done: list[tuple[str, int]] = []

    def run_one(arm: Arm, seed: int, folder: Path) -> dict[str, dict[str, float]]:
        done.append((arm.name, seed))
        (folder / "told.json").write_text("[]", encoding="utf-8")
        return figures(float(seed))

    arms = [Arm("C3"), Arm("A0", {"alpha": 0.0})]
    run_arms(arms, [1, 2], run_one, tmp_path / "one", {"steps": 5})
    others = [Arm("alpha 3"), Arm("alpha 1", {"alpha": 1.0})]
    again = run_arms(others, [1, 2, 3], run_one, tmp_path / "two", {"steps": 5})
    assert done[4:] == [("alpha 1", 1), ("alpha 1", 2), ("alpha 3", 3), ("alpha 1", 3)]  # alpha 3 is C3, seeds 1 and 2
    assert [(r.arm, r.seed) for r in again][:2] == [("alpha 3", 1), ("alpha 1", 1)]
    assert again[2].figures["films 1"]["cider"] == 2.0 and len(again) == 6
    own = run_folder(tmp_path / "two", Arm("alpha 3"), 1)
    content = json.loads((own / "run_record.json").read_text("utf-8"))
    assert content["copied_from"] == "one/c3/seed_1" and content["arm"] == "alpha 3" and (own / "told.json").is_file()
    run_arms([Arm("C3")], [1], run_one, tmp_path / "three", {"steps": 6})  # other steps
    assert len(done) == 9


def test_parts_share_the_work(tmp_path: Path) -> None:
    done: list[tuple[str, int]] = []

    def run_one(arm: Arm, seed: int, folder: Path) -> dict[str, dict[str, float]]:
        done.append((arm.name, seed))
        return figures(1.0)

    assert len(run_arms(ARMS, [1, 2, 3], run_one, tmp_path / "t", part=(0, 2))) == 3
    assert len(run_arms(ARMS, [1, 2, 3], run_one, tmp_path / "t", part=(1, 2))) == 6
    assert len(set(done)) == len(done) == 6


@pytest.mark.parametrize(
    ("arms", "seeds", "part"),
    [([], [1], (0, 1)), ([Arm("a b"), Arm("A-B")], [1], (0, 1)), (ARMS, [1, 1], (0, 1)), (ARMS, [1], (2, 2))],
)
def test_lists_that_cannot_run_are_refused(
    arms: list[Arm], seeds: list[int], part: tuple[int, int], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="expected"):
        run_arms(arms, seeds, lambda *_: figures(1.0), tmp_path / "t", part=part)


def test_the_table_holds_means_differences_paper_and_what_is_missing(tmp_path: Path) -> None:
    records = [Record("A0", s, figures(s)) for s in (1, 2)] + [Record(ARMS[1].name, 1, figures(5.0))]
    report = Report("Table", ARMS, [1, 2], [Column("cider", "CIDEr", 1, {"A0": 23.1})], "A0", ["a note"])
    text = write_table(tmp_path / "t.md", report, records)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert rows[0] == ["arm", "CIDEr [95 %]", "minus A0", "paper", "runs"]
    assert rows[2][0] == "A0" and rows[2][1].startswith("2.0 [") and rows[2][2:] == ["-", "23.1", "2"]
    assert rows[3][1].startswith("5.5 [") and rows[3][2].startswith("+4.0 [") and rows[3][3:] == ["", "1"]
    assert "MISSING 1 runs: C3: H^ + L_dist seed 2" in text and "* a note" in text
    content = json.loads((tmp_path / "t.json").read_text("utf-8"))
    assert content["estimates"]["cider"]["A0"]["mean"] == 2.0 and content["missing"] == [[ARMS[1].name, 2]]
    assert markdown_table(report, records) == text


def test_oracles_are_rows_under_the_metrics_they_have(tmp_path: Path) -> None:
    columns = [Column("cider", "CIDEr", 1), Column("slots", "slots", 1, {"a": 3.0})]
    report = Report("T", [Arm("a"), Arm("b")], [1], columns, "a", levels={"oracle": {"slots": 42.54}})
    records = [Record(name, 1, {"s": {"cider": 1.0, "slots": 2.0}}) for name in ("a", "b")]
    (row,) = [line for line in write_table(tmp_path / "t.md", report, records).splitlines() if "oracle" in line]
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["oracle", "", "", "42.5", "", "", ""]
    assert json.loads((tmp_path / "t.json").read_text("utf-8"))["levels"] == {"oracle": {"slots": 42.54}}
    assert plot_arms(tmp_path / "t.png", report, records).stat().st_size > 1000


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"runs": [{"arm": "a"}]}', '{"runs": 3}'])
def test_a_file_that_is_no_table_is_refused_not_written_over(tmp_path: Path, text: str) -> None:
    assert read_runs(tmp_path / "t.json") == []
    records = [Record("A0", 1, figures(1.0), 2.5, "key")]
    write_table(tmp_path / "t.md", Report("T", [Arm("A0")], [1], [Column("cider", "CIDEr")]), records)
    assert read_runs(tmp_path / "t.json") == records
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(ValueError, match="holds no table of runs"):
        read_runs(tmp_path / "t.json")


def test_plots_are_pictures(tmp_path: Path) -> None:
    records = [Record(arm.name, s, figures(s)) for arm in ARMS for s in (1, 2, 3)]
    report = Report("Table", ARMS, [1, 2, 3], [Column("cider", "CIDEr")], "A0")
    found = summarise(records, "cider")
    points = [(8.0, found["A0"]), (2.0, found["A0"])]
    sweep = plot_sweep(tmp_path / "sweep.png", points, "K", "CIDEr", log_x=True)
    for path in (plot_arms(tmp_path / "arms.png", report, records), sweep):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_arms_can_be_compared_with_another_one() -> None:
    table = chosen_arms(TABLES["table5"], "C3", against="C0")
    assert ([arm.name for arm in table.arms], table.baseline) == (["C0", "C3"], "C0")
    found = {name: {"slots": value} for name, value in (("A0", 1.0), ("C0", 2.0), ("C3", 5.0))}
    records = [Record(name, seed, {"s": row}, 1.0) for name, row in found.items() for seed in (1, 2)]
    text = markdown_table(Report("T", table.arms, [1, 2], [Column("slots", "slots")], table.baseline), records)
    assert "minus C0" in text and "+3.00 [" in text and "A0" not in text
    with pytest.raises(ValueError, match="arm is 'C9'; expected one of A0, .*mend --against"):
        chosen_arms(TABLES["table5"], "", "C9")
