"""Tables 4a and 4b: rows, film sets, what the prompt may hold, and the whole line on tiny towers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from train import table4
from train.arguments import RunArguments
from train.collators import WindowCollator, consecutive_windows
from train.experiments.film_sets import film_sets, shared_words
from train.experiments.people import anonymous, slot_names
from train.experiments.runs import Arm
from train.features import FeatureCache
from train.stage1 import Stage1Arguments
from train.stage2 import build_processor, window_options


def test_rows_are_the_papers_and_the_literal_ones() -> None:
    rows = {arm.name: dict(arm.overrides) for arm in table4.arms_of("a")}
    assert list(rows)[:4] == list(table4.PAPER_A)
    assert rows["none"] == {} and rows["L_g"] == {"gamma": 1.0} and rows["L_f"] == {"gamma": 0.0}
    assert {"normalize": False, "gamma": 0.5} in rows.values()
    assert {"logit_scale": 1.0, "gamma": 0.5} in rows.values()
    assert [arm.overrides for arm in table4.arms_of("b")] == [{"gamma": g} for g in (0.1, 0.3, 0.5, 0.7)]
    for overrides in rows.values():
        Stage1Arguments(**overrides)  # every field is there
    assert len(table4.arms_of("a", literal=False)) == 4
    with pytest.raises(ValueError, match="expected a or b"):
        table4.arms_of("c")


def test_film_sets_are_apart_and_never_blind() -> None:
    assert film_sets("800001-800002;800005") == {"set 1": [800001, 800002], "set 2": [800005]}
    for wrong in ("800001;800001", "900001;800001"):
        with pytest.raises(ValueError, match="share a film or hold a blind one"):
            film_sets(wrong)


def test_people_become_nobody_or_places() -> None:
    names = ["Ann", "Ann Lee", "Bo"]
    assert anonymous("Ann Lee sees Bo; Anna waves to Ann Lee.", names) == (
        "someone sees someone; Anna waves to someone."
    )
    assert (
        slot_names("Bo hugs Ann, then Bo's hat falls.", names)
        == "<person_1> hugs <person_2>, then <person_1>'s hat falls."
    )
    assert slot_names("She runs.", []) == "She runs."


def test_shared_words_by_hand() -> None:
    found = shared_words(["someone lifts a cup", ""], ["Someone drops a cup.", "x"], np.array([[0, 0], [1, 1]]))
    assert found.tolist() == pytest.approx([2 * 3 / 8, 0.0])


def test_the_prompt_holds_no_person(towers: dict[str, str], features: Path) -> None:
    """Whoever is in the cast and told, the model's inputs are the same; only the targets differ."""
    arguments = table4.stage2_arguments(table4.Table4Arguments(language=towers["lm"]), towers["clip"], str(features))
    cache = FeatureCache(features)
    collator = WindowCollator(build_processor(arguments), cache, window_options(arguments, 1))
    window = consecutive_windows(cache, ["1"], 16)[0]
    asked = collator.prompts([window])
    batch = collator([window])
    assert "face_features" not in asked or not (asked.get("face_index", torch.tensor([-1])) >= 0).any()
    for number in window[2]:
        cache.rows[number].update(names=["Zoe", "Yan"], person=1, partner=-1)
    other = collator.prompts([window])
    assert torch.equal(asked["input_ids"], other["input_ids"])
    nobody = dataclasses.replace(arguments, test_characters="none")
    unlisted = WindowCollator(collator.processor, cache, window_options(nobody, 1)).prompts([window])
    assert unlisted.keys() == other.keys() and all(torch.equal(unlisted[key], other[key]) for key in other)
    slots = collator.processor.tokenizer.convert_tokens_to_ids(["<person_1>", "<person_2>"])
    assert torch.isin(batch["labels"], torch.tensor(slots)).any()


def test_retrieval_counts_equal_ads_as_right(features: Path) -> None:
    cache = FeatureCache(features)
    numbers = cache.films["1"]
    frames = torch.nn.functional.normalize(cache.frames[numbers].float(), dim=-1).mean(dim=1)
    assert table4.retrieval_r1(cache, ["1"], frames) == 100.0
    chance = table4.retrieval_r1(cache, ["1"], torch.ones(len(numbers), frames.shape[1]))
    assert chance < 20
    for number in numbers:
        cache.rows[number]["text"] = "the same"
    assert table4.retrieval_r1(cache, ["1"], torch.ones(len(numbers), frames.shape[1])) == 100.0


@pytest.mark.slow
def test_the_whole_line_runs_and_resumes(
    towers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "t.yaml"
    config.write_text(
        f"output_dir: {tmp_path / 'runs'}\nclip: {towers['clip']}\nlanguage: {towers['lm']}\nbf16: false\n"
        "batch_size: 2\nlearning_rate: 0.001\nsave_steps: 50\nencoder: ''\n"
    )
    monkeypatch.setattr(
        table4, "arms_of", lambda which, literal: [Arm("none"), Arm("L_g", {"gamma": 1.0})]
    )  # two rows show what four do
    quick = table4.make_quick
    monkeypatch.setattr(table4, "make_quick", lambda asked: dataclasses.replace(quick(asked), seeds="2"))
    argv = ["a", str(config), "--quick", "true"]
    assert table4.main(argv) == 0
    folder = tmp_path / "runs_quick"
    records = sorted(folder.glob("*/seed_*/run_record.json"))
    assert len(records) == 2
    figures = json.loads(records[0].read_text("utf-8"))["metrics"]["figures"]
    assert set(figures) == {"set 1", "set 2"} and set(figures["set 1"]) >= {"cider", "recall", "ad_r1"}
    assert (folder / "table4a.png").is_file() and "QUICK" in (folder / "table4a.md").read_text("utf-8")
    clips = [
        json.loads(p.read_text("utf-8"))["seed"] for p in folder.glob("l-g/seed_2/*/clip_ad/run_record.json")
    ]  # below the settings' own folder: other settings do not meet this Stage I
    assert clips == [2]  # a seed redoes Stage I
    assert not list(folder.glob("**/features")) and not list(folder.glob("**/checkpoint-*"))
    assert "## 20" in capsys.readouterr().out
    monkeypatch.setattr(table4.Line, "__call__", lambda *_: pytest.fail("a finished run was repeated"))
    assert table4.main(argv) == 0


def test_a_table_keeps_its_other_runs_and_is_never_lost_to_another_configuration(
    towers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    config, tables = tmp_path / "t.yaml", tmp_path / "tables"
    config.write_text(f"clip: {towers['clip']}\nlanguage: {towers['lm']}\nencoder: ''\ntables: {tables}\n")
    counts = {"n_scored": 9.0, "n_expected": 10.0}
    figures = {"set 1": {"cider": 1.0, "recall": 2.0, "ad_r1": 3.0, **counts}}
    monkeypatch.setattr(table4.Line, "__call__", lambda self, arm, seed, folder: figures)

    def ask(runs: str, *words: str) -> list[str]:
        return ["b", str(config), "--output_dir", str(tmp_path / runs), *words]

    assert table4.main(ask("one", "--seeds", "1-2")) == 0
    held = json.loads((tables / "table4b.json").read_text("utf-8"))
    assert len(held["runs"]) == 8 and {run["data"] for run in held["runs"]} != {""}
    assert "* ADs of 8 runs and all their film sets: n scored 72, n expected 80." in (tables / "table4b.md").read_text()
    monkeypatch.setattr(table4.Line, "__call__", lambda *_: pytest.fail("a run that the table holds was repeated"))
    assert table4.main(ask("two", "--seeds", "1")) == 0  # in a clone, where no run's folder is at hand
    assert table4.main(ask("two", "--part", "1/2", "--seeds", "1-2")) == 0
    assert json.loads((tables / "table4b.json").read_text("utf-8"))["runs"] == held["runs"]
    before = (tables / "table4b.json").read_bytes()
    monkeypatch.setattr(table4, "installed", lambda _: pytest.fail("an encoder was loaded before the refusal"))
    said = refused(table4.main, ask("three", "--epochs", "9", "--encoder", "package:nowhere"))
    assert "table4b.json holds runs of another configuration, which would be lost" in said and "--tables" in said
    assert (tables / "table4b.json").read_bytes() == before


def test_bad_input_is_refused(refused: Any) -> None:
    assert "expected a or b" in refused(table4.main, [])
    assert "blind" in refused(table4.main, ["a", "--output_dir", "x", "--film_sets", "900001"])
    assert RunArguments(output_dir="x").seed == 1
