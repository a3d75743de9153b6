"""The ablation harness: tables, the synthetic world, equal treatment of arms, Figure 6, the benchmark's parts."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from datasets_scripts.pocket.story import make_film
from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.towers_distinctad import load_language
from train import ablations
from train.ablation_tables import A0, TABLES
from train.arguments import RunArguments
from train.arm_training import fit, numbers, search, split_overrides
from train.collators import scheduled_windows
from train.figure6 import between_share, synthetic_parts, synthetic_window
from train.figure6 import main as draw_figure
from train.pocket_arms import (
    PocketLine,
    clips_of,
    foreign,
    oracle_rows,
    pocket_run,
    shuffled,
    slot_recall,
    stage2_arguments,
)
from train.stage2 import Stage2Arguments
from train.synthetic import SyntheticSettings, SyntheticWorld, build_model, train_language_model

SMALL = SyntheticSettings(window_size=4, num_frames=2, joint_size=16, slots=2, width=16)


@pytest.fixture(scope="module")
def language() -> Any:
    return train_language_model(SMALL, steps=2)


def test_every_arm_names_what_stage_two_knows_and_every_table_its_baseline() -> None:
    known = {f.name for f in fields(Stage2Arguments)}
    assert {"table4c", "table5", "table6", "figure4_alpha", "figure4_beta", "figure4_k", "figure4_n"} <= set(TABLES)
    for name, table in TABLES.items():
        names = [arm.name for arm in table.arms]
        assert table.baseline in names and len(set(names)) == len(names), name
        for arm in table.arms:
            assert set(arm.overrides) <= known, (name, arm.name)
            stage2_arguments(ablations.AblationArguments(), arm)
        for column in (table.paper or {}).values():
            assert set(column) <= set(names)
        if table.swept:
            assert all(table.swept[0] in arm.overrides for arm in table.arms)


def test_some_arms_can_be_chosen_and_the_baseline_stays() -> None:
    table = TABLES["table5"]
    assert [arm.name for arm in ablations.chosen_arms(table, "C3, residual").arms] == ["A0", "C3", "residual"]
    assert ablations.chosen_arms(table, "") == table
    with pytest.raises(ValueError, match="arm is 'C9'; expected one of A0, B1"):
        ablations.chosen_arms(table, "C9")


def test_overrides_that_ask_for_what_is_common_do_not_count() -> None:
    bare = {(name, arm.name): ablations.bare(arm, 16).overrides for name in TABLES for arm in TABLES[name].arms}
    common = [("figure4_alpha", "alpha 3"), ("figure4_n", "window_size 16"), ("own_gradient", "em_gradient none")]
    assert all(bare[key] == {} == bare["table5", "C3"] for key in common)
    assert bare["table5", "A0"] == {"alpha": 0.0, "beta": 0.0, "lambda_dist": 0.0}
    assert bare["figure4_n", "window_size 8"] == {"window_size": 8}
    assert ablations.bare(TABLES["figure4_n"].arms[2], 8).overrides == {}  # in the synthetic world N is 8


def test_arms_become_configurations() -> None:
    for arm in TABLES["table5"].arms:
        _, overrides = split_overrides(arm.overrides, ("window_size", "sampling"))
        config = DistinctADConfig(**ablations.model_fields(overrides))
        assert config.alpha == arm.overrides.get("alpha", 3.0) and config.beta == arm.overrides.get("beta", 1.0)
    literal = DistinctADConfig(**ablations.model_fields({"em_preset": "paper_literal"}))
    assert literal.em_similarity == "dot" and literal.em_bases_norm == "none"


def test_a_window_has_four_constant_things_and_one_new_in_each_clip() -> None:
    world = SyntheticWorld(SyntheticSettings())
    frames, told, shown = world.window(7)
    assert frames.shape == (8, 4, 64) and torch.equal(frames, world.window(7)[0])
    assert len({tuple(clip[:4]) for clip in shown}) == 1 and told == [clip[4] for clip in shown]
    assert len({*shown[0][:4], *told}) == 12
    control = SyntheticWorld(SyntheticSettings(novelty=0.0))
    share = [t == clip[4] for n in range(60) for t, clip in zip(*control.window(n)[1:], strict=True)]
    assert sum(share) / len(share) == pytest.approx(0.2, abs=0.07)
    strangers = world.mixed(16)
    assert len({tuple(clip[:4]) for clip in strangers[2]}) == 8
    assert strangers[1][3] == world.window(19)[1][3]


def test_batches_mark_the_new_thing_only_and_prompts_hold_no_answer() -> None:
    world = SyntheticWorld(SyntheticSettings())
    batch = world.batch([1, 2])
    assert batch["distinctive_mask"].sum() == 16 and batch["input_ids"].shape == (2, 8, 10)
    assert torch.equal(batch["labels"][batch["distinctive_mask"]], batch["input_ids"][..., 8].flatten())
    prompt = world.batch([1, 2], answers=False)
    assert set(prompt) == {"input_ids", "frame_features"} and prompt["input_ids"].shape[-1] == 5


def test_equal_seeds_train_equal_models_and_the_search_takes_the_best(language: Any) -> None:
    world, built = SyntheticWorld(SMALL), []

    def build() -> Any:
        torch.manual_seed(3)
        built.append(build_model(SMALL, language, {}))
        return built[-1]

    def batch_of(step: int) -> dict[str, torch.Tensor]:
        return world.batch([2 * step, 2 * step + 1])

    model, chosen = search(build, batch_of, 2, [1e-3, 1e-2, 1e-1], lambda m: -abs(len(built) - 2))
    assert model is built[1] and chosen["learning_rate"] == 1e-2 and len(built) == 3
    assert [chosen[f"validation_{rate}"] for rate in ("0.001", "0.01", "0.1")] == [-1, 0, -1]
    again = build()
    assert fit(again, batch_of, 2, 1e-2) == pytest.approx(chosen["training_loss"])
    assert torch.equal(again.projection.weight, model.projection.weight)
    found = world.evaluate(model, 100, 3)
    assert 0 <= found["recall"] + found["constant"] + found["none"] <= 1.0 + 1e-9
    assert numbers("1e-3,0.1") == [1e-3, 0.1]
    with pytest.raises(ValueError, match="numbers"):
        numbers("a")
    built.clear()
    model, chosen = search(build, batch_of, 2, [1e-3, 1e-2], lambda m: len(built), search_steps=1)
    assert model is built[2] and chosen["learning_rate"] == 1e-2 and len(built) == 3  # two short ones, then one whole
    assert torch.equal(again.projection.weight, model.projection.weight)
    assert search(build, batch_of, 1, [1e-3], lambda m: 7.0)[1]["validation"] == 7.0  # of one rate too


def test_a_rate_that_diverges_never_wins() -> None:
    class Line(torch.nn.Module):
        device, contextual_em = torch.device("cpu"), None

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def trainable_parameter_names(self) -> list[str]:
            return ["weight"]

        def forward(self, factor: torch.Tensor, loss_only: bool) -> Any:
            return SimpleNamespace(loss=self.weight * factor)

    fine, broken = (lambda step, v=v: {"factor": torch.tensor(v)} for v in (1.0, float("nan")))
    validations = iter((float("nan"), 0.5))
    chosen = search(Line, fine, 1, [0.1, 0.2], lambda m: next(validations))[1]
    assert chosen["learning_rate"] == 0.2 and "validation_0.1" not in chosen and chosen["validation_0.2"] == 0.5
    for rates in ([0.1], [0.1, 0.2]):
        with pytest.raises(ValueError, match="no finite loss"):
            search(Line, broken, 1, rates, lambda m: 0.0)


def test_a_table_is_run_written_and_resumed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Any
) -> None:
    calls: list[str] = []

    def run_one(arm: Any, seed: int, folder: Path) -> Any:
        calls.append(arm.name)
        value = 10.0 * seed + len(arm.name)
        return {"all": {"recall": value, "constant": 1.0, "repeated": 2.0, "foreign": 3.0}}

    monkeypatch.setattr(ablations, "synthetic_run", lambda asked, run: run_one)
    words = [str(tmp_path / "c.yaml"), "--tables", str(tmp_path / "tables"), "--seeds", "1-2"]
    (tmp_path / "c.yaml").write_text(f"output_dir: {tmp_path / 'runs'}\n", encoding="utf-8")
    assert ablations.main(["table6", *words]) == 0 and ablations.main(["table6", *words]) == 0
    assert calls == ["consecutive", "not consecutive"] * 2
    table = (tmp_path / "tables" / "table6_synthetic.md").read_text(encoding="utf-8")
    assert "not consecutive" in table and "chance of a model that sees one clip: 20 %" in table
    content = json.loads((tmp_path / "tables" / "table6_synthetic.json").read_text(encoding="utf-8"))
    assert content["estimates"]["recall"]["consecutive"]["seeds"] == 2 and not content["missing"]
    assert (tmp_path / "tables" / "table6_synthetic.png").stat().st_size > 1000
    assert ablations.main(["figure4_k", *words]) == 0
    assert (tmp_path / "tables" / "figure4_k_synthetic.png").is_file()
    assert ablations.main(["list"]) == 0 and "table5" in capsys.readouterr().out
    assert "another configuration" in refused(ablations.main, ["table6", *words, "--steps", "5"])
    assert "set --source pocket" in refused(ablations.main, ["table4c", *words])
    assert "table is 'table9'" in refused(ablations.main, ["table9", *words])
    assert "expected i/n" in refused(ablations.main, ["table6", *words, "--part", "half"])


def test_a_table_goes_on_from_its_file_and_keeps_the_rows_that_were_not_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[str, int]] = []

    def run_one(arm: Any, seed: int, folder: Path) -> Any:
        calls.append((arm.name, seed))
        return {"all": {"recall": 10.0 * seed, "constant": 1.0, "repeated": 2.0, "foreign": 3.0}}

    monkeypatch.setattr(ablations, "synthetic_run", lambda asked, run: run_one)

    def ask(runs: str, *words: str) -> dict[str, Any]:
        (tmp_path / "c.yaml").write_text(f"output_dir: {tmp_path / runs}\n", encoding="utf-8")
        told = ["table5", str(tmp_path / "c.yaml"), "--tables", str(tmp_path / "tables"), *words]
        assert ablations.main(told) == 0
        return dict(json.loads((tmp_path / "tables" / "table5_synthetic.json").read_text(encoding="utf-8")))

    ask("one", "--arms", "B1,C3", "--seeds", "1-2")
    assert len(calls) == 6
    found = ask("elsewhere", "--arms", "C3", "--seeds", "1-3")  # as in a clone: no run's folder is at hand
    assert calls[6:] == [("A0", 3), ("C3", 3)] and list(found["arms"]) == ["A0", "B1", "C3"]
    assert [found["estimates"]["recall"][name]["seeds"] for name in ("A0", "B1", "C3")] == [3, 2, 3]
    ask("elsewhere", "--arms", "C3", "--seeds", "1")  # rows keep their other seeds, and the table says so
    assert "3 seeds (1, 2, 3)" in (tmp_path / "tables" / "table5_synthetic.md").read_text(encoding="utf-8")
    held = (tmp_path / "tables" / "table5_synthetic.json").read_bytes()
    monkeypatch.setattr(ablations, "synthetic_run", lambda *_: pytest.fail("the world is made before the refusal"))
    with pytest.raises(SystemExit):  # other settings: nothing is taken over, and nothing written over
        ask("third", "--arms", "C3", "--seeds", "1", "--steps", "5")
    assert "runs of another configuration, which would be lost: A0, B1, C3 (3 arms)" in capsys.readouterr().err
    assert len(calls) == 8 and (tmp_path / "tables" / "table5_synthetic.json").read_bytes() == held


def test_arms_take_the_rates_that_another_tables_search_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused: Any
) -> None:
    made: list[str] = []

    def runner(asked: Any, run: Any) -> Any:
        def run_one(arm: Any, seed: int, folder: Path) -> Any:
            made.append(f"{arm.name} {seed} {asked.learning_rates}")
            best = {"A0": "0.001", "C3": "0.01"}.get(arm.name)
            tried = {f"validation_{rate}": float(rate == best) for rate in asked.learning_rates.split(",")}
            found = {"recall": 10.0 * seed, "constant": 1.0, "repeated": 2.0, "foreign": 3.0}
            return {"all": found | (tried if "," in asked.learning_rates else {})}

        return run_one

    monkeypatch.setattr(ablations, "synthetic_run", runner)
    (tmp_path / "c.yaml").write_text(f"output_dir: {tmp_path / 'runs'}\n", encoding="utf-8")

    def told(tables: str, *words: str) -> list[str]:
        runs = ["--output_dir", str(tmp_path / f"{tables}_runs"), "--arms", "C3"]
        return ["table5", str(tmp_path / "c.yaml"), "--tables", str(tmp_path / tables), *runs, *words]

    search, own = (str(tmp_path / name / "table5_synthetic.json") for name in ("search", "own"))
    assert ablations.main(told("search", "--seeds", "1-2", "--learning_rates", "0.001,0.01")) == 0
    assert ablations.rates_of(search) == {"A0": "0.001", "C3": "0.01"}
    alone = told("own", "--seeds", "3", "--learning_rates", "0.01", "--part", "1/2")  # C3, by itself
    made.clear()
    assert ablations.main(alone) == 1 and made == ["C3 3 0.01"]
    assert ablations.main(told("own", "--seeds", "3-4", "--rates_from", search)) == 0
    assert made[1:] == ["A0 3 0.001", "A0 4 0.001", "C3 4 0.01"]  # one rate's run is the same run
    text = (tmp_path / "own" / "table5_synthetic.md").read_text(encoding="utf-8")
    assert f"the learning rate that validated best for it in {search} (A0 0.001, C3 0.01)" in text
    lost = told("third", "--seeds", "3", "--rates_from")
    assert "A0 tried no learning rates; expected a table of a search" in refused(ablations.main, [*lost, own])
    assert "holds no run of C2" in refused(ablations.main, [*lost, search, "--arms", "C2"])
    assert "holds no runs" in refused(ablations.main, [*lost, str(tmp_path / "none.json")])


def test_seeds_that_would_train_on_the_tests_windows_are_refused(refused: Any, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"output_dir: {tmp_path / 'runs'}\n", encoding="utf-8")
    told = ["table5", str(tmp_path / "c.yaml"), "--tables", str(tmp_path / "tables"), "--seeds"]
    for seed in ("10", "20"):
        assert f"seed is {seed}; expected 0 to 9" in refused(ablations.main, [*told, seed])


@pytest.mark.parametrize("sampling", ["consecutive", "random"])
def test_steps_hold_as_many_clips_at_every_window_size(sampling: str) -> None:
    """Windows of 32 of films of 26 clips hold no 32: as many windows times N were half as many clips."""
    cache = SimpleNamespace(films={f"f{k}": list(range(100 * k, 100 * k + 20 + k)) for k in range(8)})
    asked = SimpleNamespace(steps=12, window_size=16)
    line: Any = SimpleNamespace(cache=cache, asked=asked, run=SimpleNamespace(batch_size=4))
    films, totals = list(cache.films), {}
    for size in (2, 4, 8, 16, 32):
        steps = PocketLine.steps_of(line, films, size, 3, sampling)
        assert len(steps) == 12 and all(steps)
        totals[size] = clips_of(steps)
        if size == 16:  # as ever: so many windows of one schedule after the other
            plain = [
                window
                for epoch in range(9)
                for window in scheduled_windows(cache, films, 16, 3 + 1000 * epoch, 1, sampling)
            ]
            assert [rows for windows in steps for _, _, rows in windows] == [rows for _, _, rows in plain[:48]]
            assert {len(windows) for windows in steps} == {4}
    assert all(0 <= total - totals[16] < size for size, total in totals.items())


def test_every_step_has_a_window_or_the_arm_is_refused() -> None:
    """A step of one window of 32 overshot so far that the steps after it had none, and the run broke in its middle."""
    cache = SimpleNamespace(films={f"f{k}": list(range(100 * k, 100 * k + 26 + k % 12)) for k in range(150)})
    line: Any = SimpleNamespace(cache=cache, asked=SimpleNamespace(steps=600, window_size=16))
    for batch in (1, 2, 4):
        line.run = SimpleNamespace(batch_size=batch)
        for size in (2, 8, 16, 32):
            if (batch, size) == (1, 32):  # fewer windows than steps
                with pytest.raises(
                    ValueError, match=r"\d+ windows of 32 clips for 600 steps; .* raise batch_size \(1\)"
                ):
                    PocketLine.steps_of(line, list(cache.films), size, 1, "consecutive")
                continue
            steps = PocketLine.steps_of(line, list(cache.films), size, 1, "consecutive")
            sizes = [len(windows) for windows in steps]
            assert len(steps) == 600 and min(sizes) >= 1 and max(sizes) - min(sizes) <= 1


def test_runs_on_other_films_or_another_language_model_are_others(towers: dict[str, str], tmp_path: Path) -> None:
    asked = ablations.AblationArguments(features=str(tmp_path), language=towers["lm"])
    found = set()
    for features, rows in (("a", "b"), ("c", "b"), ("a", "d")):
        (tmp_path / "features.safetensors").write_text(features)
        (tmp_path / "rows.jsonl").write_text(rows)
        found.add(ablations.inputs_of(asked))
    again = ablations.inputs_of(asked)
    model = load_language(towers["lm"])[0]
    next(model.parameters()).data[0] += 1
    model.save_pretrained(tmp_path / "lm")
    assert len(found) == 3 and again in found
    assert ablations.inputs_of(replace(asked, language=str(tmp_path / "lm"))) not in found


def test_runs_in_another_precision_are_others_and_older_records_stay_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablations, "inputs_of", lambda asked: "films")
    half, full = (
        ablations.settings_of(ablations.AblationArguments(source="pocket"), RunArguments(output_dir="x", bf16=bf16))
        for bf16 in (True, False)
    )
    assert full == {**half, "bf16": False} and "bf16" not in half
    one, two = (
        ablations.settings_of(
            ablations.AblationArguments(source="pocket", learning_rates=rates), RunArguments(output_dir="x")
        )
        for rates in ("0.001", "0.001,0.003")
    )
    assert two["validation_loss"] == "of tokens" and "validation_loss" not in one  # what chose the rate, if any did


def test_controls_change_order_or_neighbours_and_lose_no_clip() -> None:
    windows = [
        (-1, film, list(range(10 * k, 10 * k + n))) for k, (film, n) in enumerate([("a", 4), ("b", 4), ("c", 3)])
    ]
    mixed, strange = shuffled(windows), foreign(windows)
    assert [sorted(rows) for _, _, rows in mixed] == [rows for _, _, rows in windows] and mixed != windows
    assert sorted(n for _, _, rows in strange for n in rows) == sorted(n for _, _, rows in windows for n in rows)
    assert all(len({n // 10 for n in rows}) > 1 for _, _, rows in strange)


def test_a_models_texts_and_the_oracles_share_a_measure() -> None:
    film = make_film(1, "crowded")
    rows = [{"film": "1", "index": clip.index, "names": [member.name for member in film.cast]} for clip in film.clips]
    right = slot_recall(rows, [clip.text for clip in film.clips], "crowded", 16)
    wrong = slot_recall(rows, ["Nothing happens."] * len(rows), "crowded", 16)
    levels = oracle_rows([1], "crowded", 16)
    assert right > 0.9 and wrong == 0.0
    alone, knowing, window = (row["slots"] for row in levels.values())
    assert wrong < alone < knowing < window <= 100


def test_arms_of_a_seed_train_on_the_same_batches(towers: dict[str, str], features: Path, tmp_path: Path) -> None:
    asked = ablations.AblationArguments(
        clip=towers["clip"], language=towers["lm"], features=str(features), films="1", validation_films="2",
        film_sets="800001", steps=2, learning_rates="0.001,0.01", search_steps=1, window_size=4, num_beams=1,
        max_new_tokens=4,
    )  # fmt: skip
    line = pocket_run(asked, RunArguments(output_dir=str(tmp_path), batch_size=2))
    assert isinstance(line, PocketLine) and line.device.type == "cpu"
    first = line(A0, 1, tmp_path)
    kept = dict(line.batches)
    assert len(kept) == 2 and set(first) == {"set 1"} and first["set 1"]["learning_rate"] in (0.001, 0.01)
    assert first["set 1"]["training_clips"] > 0
    assert line(A0, 1, tmp_path) == first and all(line.batches[step] is kept[step] for step in kept)
    line(A0, 2, tmp_path)  # another seed sees other windows, and the first one's are let go
    assert len(line.batches) == 2 and not any(line.batches[step] is kept[step] for step in kept)


def test_figure_six(tmp_path: Path, refused: Any) -> None:
    points = synthetic_window(4, 6)
    parts = synthetic_parts(points, bases=4)
    assert [part.shape for part in parts] == [(24, 3)] * 3
    assert between_share(parts[0], 4) > 0.5 and between_share(parts[1], 4) > 0.5
    flat = torch.tensor([[0.0], [2.0], [4.0], [6.0]])  # two clips of two: means 1 and 5, total 20, between 16
    assert between_share(flat, 2) == pytest.approx(0.8)
    out = tmp_path / "figure.png"
    assert draw_figure(["--out", str(out), "--sources", "3", "--points", "5", "--perplexity", "4"]) == 0
    assert out.stat().st_size > 10_000
    for wrong in (["--perplexity", "0"], ["--points", "1"], ["--sources", "0"]):
        assert wrong[0] in refused(draw_figure, ["--out", str(out), *wrong])
