"""Configurations: parsing, refusals, and PAPER.md held against the files."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import TrainingArguments

from modeling_distinctad.configuration_distinctad import DistinctADConfig
from train.ablations import AblationArguments
from train.arguments import (
    RunArguments,
    latest_checkpoint,
    parse_run,
    resume_point,
    tell_slow_bf16,
    training_arguments,
)
from train.features import FeatureArguments
from train.pocket_clip import PocketCLIPArguments
from train.run_record import RunRecord
from train.stage1 import Stage1Arguments
from train.stage2 import Stage2Arguments

TRAIN = Path(__file__).resolve().parents[2] / "train"
CONFIGS = {
    "pocket_stage1.yaml": Stage1Arguments,
    "stage1_clip.yaml": Stage1Arguments,
    "pocket_stage2.yaml": Stage2Arguments,
    "pocket_features.yaml": FeatureArguments,
    "ablations_synthetic.yaml": AblationArguments,
    "ablations_pocket.yaml": AblationArguments,
    "ablations_sweeps.yaml": AblationArguments,
    "ablations_true.yaml": AblationArguments,
    **{path.name: Stage2Arguments for path in sorted((TRAIN / "configs").glob("[!p]*_clip*_*.yaml"))},
}
CLASSES: dict[str, Any] = {
    kind.__name__: kind for kind in (RunArguments, Stage1Arguments, Stage2Arguments, FeatureArguments, DistinctADConfig)
}


def paper_rows() -> list[list[str]]:
    """Cells of every table row: name, paper, section, where, key, value, note."""
    lines = (TRAIN / "PAPER.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in rows if row[0] != "Hyper-parameter"]


@pytest.mark.parametrize("row", paper_rows(), ids=lambda row: f"{row[3]}:{row[4]}")
def test_the_table_says_what_the_files_hold(row: list[str]) -> None:
    assert len(row) == 7
    _, _, _, where, key, value, _ = row
    if where in CONFIGS:
        held = yaml.safe_load((TRAIN / "configs" / where).read_text(encoding="utf-8"))[key]
    else:
        held = getattr(CLASSES[where], key)
    assert str(held) == value


def test_every_choice_of_stage2_that_the_model_has_is_in_the_table() -> None:
    told = {row[4] for row in paper_rows()}
    ours = {f.name for f in fields(Stage2Arguments) if hasattr(DistinctADConfig, f.name)}
    assert ours <= told


def test_stage1_of_clip_runs_as_its_speed_was_measured() -> None:
    arguments, run = parse_run(Stage1Arguments, [str(TRAIN / "configs" / "stage1_clip.yaml")])
    assert (arguments.attention, arguments.compile_layers, run.bf16) == ("sdpa", True, True)  # benchmarks/vit_step.py


def test_silence_is_marked_and_explained() -> None:
    for name, paper, section, *_, note in paper_rows():
        assert paper and section, name
        assert "silent" not in paper or note, f"{name}: paper silent without our reason"


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configs_are_read(name: str) -> None:
    path = TRAIN / "configs" / name
    stage, run = parse_run(CONFIGS[name], [str(path)])
    for key, value in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        held = getattr(stage, key) if hasattr(stage, key) else getattr(run, key)
        assert held == value and type(held) is type(value)


def test_the_command_line_overrides_the_file() -> None:
    config = str(TRAIN / "configs" / "pocket_stage2.yaml")
    stage, run = parse_run(Stage2Arguments, [config, "--alpha", "0", "--learning-rate=0.5", "--dist_stop_list=False"])
    assert stage.alpha == 0.0 and run.learning_rate == 0.5 and stage.dist_stop_list is False
    assert run.batch_size == 4


def test_each_stage_starts_from_the_papers_rate_schedule_and_batch(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("batch_size: null\nlearning_rate:\n", encoding="utf-8")
    told: dict[Any, Any] = {Stage1Arguments: (5e-5, "constant", 0, 512), Stage2Arguments: (1e-4, "cosine", 100, 8)}
    told[FeatureArguments] = (1e-4, "cosine", 100, 64)
    for kind, expected in told.items():
        for words in ([], [str(tmp_path / "a.yaml")]):
            _, run = parse_run(kind, [*words, "--output_dir", "x"])
            assert (run.learning_rate, run.lr_schedule, run.warmup_steps, run.batch_size) == expected
    assert parse_run(Stage1Arguments, ["--output_dir", "x", "--batch_size", "3"])[1].batch_size == 3


def test_bad_configs_end_with_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("alhpa: 3\n", encoding="utf-8")
    for config in (str(wrong), str(tmp_path / "missing.yaml")):
        with pytest.raises(SystemExit) as stopped:
            parse_run(Stage2Arguments, [config])
        assert stopped.value.code == 2
    assert "alhpa" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"alpha: 3\nbeta: [1\n", "line 3"), (b"alpha: \x80\n", "no YAML in UTF-8"), (b"- a\n", "list"),
        (b"features: 2026-99-99\n", "month must be"), (b"seed: " + b"9" * 5000 + b"\n", "5000 digits"),
        (b"clip: " + b"[" * 900 + b"]" * 900 + b"\n", "recursion"),
        (b"alpha: 3\nbeta: 1\nalpha: 4\n", "alpha stands twice"),
    ],
)  # fmt: skip
def test_a_config_that_is_no_yaml_is_one_line(
    content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)  # as a fresh process has it; some library of another test may have raised it
    try:
        with pytest.raises(SystemExit) as stopped:
            parse_run(Stage2Arguments, [str(tmp_path / "a.yaml"), "--output_dir", "x"])
    finally:
        sys.setrecursionlimit(limit)
    lines = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2 and len(lines) == 1 and said in lines[0] and "expected key: value" in lines[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{1: x, alhpa: 2}", "unknown config keys ['1', 'alhpa']"), ("on: true", "unknown config keys ['True']"),
        ("output_dir: {a: 1}", "output_dir is {'a': 1}; expected a text"),
        ("clip: [[a]]", "clip is [['a']]; expected a text"),
        ("learning_rate: .nan", "learning_rate is nan; expected a finite number"),
        ("alpha: .inf", "alpha is inf; expected a finite number"),
        ("batch_size: 0", "batch_size is 0; expected 1 or more"),
        ("output_dir: ''", "output_dir is ''; expected a folder"),
        ("save_steps: -5", "save_steps is -5; expected 1 or more"),
        ("learning_rate: [0.0001, 0.001]", "learning_rate is the list [0.0001, 0.001]; expected one value"),
        ("features: [a, b]", "features is the list ['a', 'b']; expected one value"),
        ("em_rounds: []", "em_rounds is the list []; expected one value"),
    ],
)  # fmt: skip
def test_keys_kinds_and_ranges_that_cannot_be_are_one_line(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        parse_run(
            Stage2Arguments, [str(tmp_path / "a.yaml"), *([] if "output_dir" in content else ["--output_dir", "x"])]
        )
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2 and line.startswith("error: ") and said in line


@pytest.mark.parametrize("name", ["a.yaml", f"{'a' * 5000}.yaml", "folder.yaml"])
def test_a_config_that_cannot_be_opened_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(SystemExit) as stopped:
        parse_run(Stage2Arguments, [str(tmp_path / name), "--output_dir", "x"])
    (line,) = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2 and line.startswith("error: no such config: ")


def test_a_list_is_read_where_one_is_asked(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("widths: [8, 16]\ndepths:\n- 1\n- 2\n", encoding="utf-8")
    asked, _ = parse_run(PocketCLIPArguments, [str(tmp_path / "a.yaml"), "--output_dir", "x"])
    assert (asked.widths, asked.depths) == ([8, 16], [1, 2])


def test_a_null_leaves_the_default(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("clip: null\nem_rounds:\nalpha: ~\nbeta: 2\n", encoding="utf-8")
    stage, _ = parse_run(Stage2Arguments, [str(tmp_path / "a.yaml"), "--output_dir", "x"])
    assert stage == Stage2Arguments(beta=2.0)


@pytest.mark.parametrize("words", [["--alhpa", "3"], ["--eyes", "sharp"], ["--jobs", "two"]])
def test_bad_words_end_with_status_two_and_no_traceback(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    config = str(TRAIN / "configs" / "pocket_features.yaml")
    with pytest.raises(SystemExit) as stopped:
        parse_run(FeatureArguments, [config, *words])
    assert stopped.value.code == 2 and words[1] in capsys.readouterr().err


def test_a_run_that_finds_no_accelerator_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(TRAIN / "configs" / "pocket_features.yaml")
    for there, told in ((False, True), (True, False)):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda there=there: there)
        parse_run(FeatureArguments, [config, "--use_cpu", "false"])
        assert ("no accelerator is here" in capsys.readouterr().err) is told


def test_training_arguments_take_the_run_and_overrides(tmp_path: Path) -> None:
    run = RunArguments(output_dir=str(tmp_path), batch_size=3, learning_rate=0.25, seed=7)
    made = training_arguments(run, warmup_steps=5)
    assert made.per_device_train_batch_size == 3 and made.learning_rate == 0.25 and made.warmup_steps == 5
    assert made.seed == made.data_seed == 7 and made.remove_unused_columns is False


@pytest.mark.parametrize(
    ("bf16", "has", "told"),
    [(True, {"avx2": True, "amx_bf16": False}, True), (True, {"avx512_bf16": True}, False), (False, {}, False)],
)
def test_slow_bfloat16_is_told(
    bf16: bool, has: dict[str, bool], told: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    tell_slow_bf16(bf16, use_cpu=True)
    assert ("--bf16 false" in capsys.readouterr().err) == told


def test_the_latest_complete_checkpoint_is_found(tmp_path: Path) -> None:
    assert latest_checkpoint(str(tmp_path)) is None
    for number in (2, 10, 30):
        (tmp_path / f"checkpoint-{number}").mkdir()
        if number < 30:  # the last one was cut off
            (tmp_path / f"checkpoint-{number}" / "trainer_state.json").write_text("{}", encoding="utf-8")
    assert latest_checkpoint(str(tmp_path)) == str(tmp_path / "checkpoint-10")


def test_a_folder_goes_on_with_its_own_run_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"alpha": 3.0, "seed": 1, "epochs": 2, "output_dir": "here"}
    assert resume_point(str(tmp_path), asked) is None
    assert resume_point(str(tmp_path), {**asked, "seed": 2}) is None  # nothing was trained yet
    checkpoint = tmp_path / "checkpoint-3"
    checkpoint.mkdir()
    (checkpoint / "trainer_state.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="seed was 2 and is 1.*delete"):
        resume_point(str(tmp_path), asked)
    longer = {**asked, "seed": 2, "epochs": 9, "output_dir": "there"}
    capsys.readouterr()
    assert resume_point(str(tmp_path), {**longer, "epochs": asked["epochs"]}) == str(checkpoint)
    assert not capsys.readouterr().err
    assert resume_point(str(tmp_path), longer) == str(checkpoint)
    assert "is of a run of {'epochs': 2}, now {'epochs': 9}" in capsys.readouterr().err
    (tmp_path / "run_configuration.json").unlink()  # checkpoints of before this file existed
    assert resume_point(str(tmp_path), asked) == str(checkpoint)


def test_places_are_not_compared_and_earlier_notes_of_them_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-3" / "trainer_state.json").write_text("{}", encoding="utf-8")
    resume_point(str(tmp_path), {"features": "here", "seed": 1})  # as earlier versions noted it
    for place in ("there", "elsewhere"):
        found = resume_point(str(tmp_path), {"features": place, "seed": 1, "cache_sha256": "a"}, places=("features",))
        assert found == str(tmp_path / "checkpoint-3")
    with pytest.raises(ValueError, match="cache_sha256 was 'a' and is 'b'"):
        resume_point(str(tmp_path), {"features": "here", "seed": 1, "cache_sha256": "b"}, places=("features",))


def test_one_process_drives_one_accelerator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda self: 2))
    with pytest.raises(ValueError, match="sees 2 accelerators.*torchrun"):
        training_arguments(RunArguments(output_dir=str(tmp_path)))


def test_a_run_goes_on_with_as_many_ranks_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resume_point(str(tmp_path), {"seed": 1}) is None
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / "trainer_state.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(ValueError, match="ranks was 1 and is 8"):
        resume_point(str(tmp_path), {"seed": 1})


def test_stage2_refuses_a_warm_up_that_it_does_not_read(tmp_path: Path) -> None:
    from train.stage2 import train

    with pytest.raises(ValueError, match="face_gain is 2.0, which prompt=paper does not read"):
        train(Stage2Arguments(prompt="paper", face_gain=2.0), RunArguments(output_dir=str(tmp_path / "model")))
    with pytest.raises(ValueError, match="warmup_steps is 7, which Stage II does not read; give --warmup_share"):
        train(Stage2Arguments(), RunArguments(output_dir=str(tmp_path / "model"), warmup_steps=7))


def test_a_record_names_no_folder_of_another_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    def relpath(path: str) -> str:
        raise ValueError(f"path is on mount 'D:', start on mount 'C:': {path}")  # as Windows' does

    monkeypatch.setattr("os.path.relpath", relpath)
    monkeypatch.setattr("sys.argv", ["stage2.py", "/drive/d/a.yaml", "--seed"])
    assert RunRecord("stage2", {}, 1, "d").content["command"] == "python stage2.py a.yaml --seed"
