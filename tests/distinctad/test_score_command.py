"""`distinctad score` at the command line: every option reaches what it is for; what reading assumed is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from public_layouts import small_set, told, write
from typer.testing import CliRunner

from distinctad import cli
from distinctad.score_figures import Options
from distinctad.score_rows import read_csv_rows


@pytest.fixture
def cmd(tmp_path: Path) -> tuple[Path, Path]:
    """The annotations of `public_layouts.small_set` and its perfect predictions."""
    annotations, rows = small_set(tmp_path)
    return annotations, write(tmp_path / "p.csv", told(rows, imdbid="imdbid", start="start", end="end"))


def run(*arguments: object) -> Any:
    return CliRunner().invoke(cli.app, ["score", *map(str, arguments)])


def words_in_common(*_: Any) -> Any:
    """In place of a text encoder."""

    class Scorer:
        def __call__(self, predictions: Any, truths: Any, pairs: Any) -> Any:
            return np.array([len(set(predictions[i].split()) & set(truths[j].split())) for i, j in pairs], float)

        def signature(self) -> dict[str, Any]:
            return {"encoder": "words in common"}

    return Scorer()


def test_the_help_promises_a_chance_only_where_there_is_one() -> None:
    said = " ".join(run("--help").output.split())
    assert "chance or, for repetition and length, the truths' own value" in said and "each with its chance" not in said


def test_every_option_reaches_the_scorer(
    cmd: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(Exception):
        pass

    def spy(*given: Any) -> None:
        raise Asked(*given)

    monkeypatch.setattr("distinctad.score.score", spy)
    annotations, predictions = cmd
    asked = run(
        predictions, "--annotations", annotations, "--out", tmp_path / "o", "--casts", tmp_path / "c", "--compare",
        predictions, "--set", "cmd-ad", "--metrics", "cider, llm_ad_eval", "--encoder", "e", "--layer", 3, "--recall",
        "2/4,1/5", "--group", "film, movie", "--last-k", 7, "--window", 9, "--judge", "j", "--prompt", "p.json",
        "--sampling", "autoad3", "--dtype", "bfloat16", "--answers", "a.jsonl", "--jars", "jars", "--batch-size", 5,
        "--device", "cuda:1", "--resamples", 11, "--seed", 13, "--no-progress",
    ).exception  # fmt: skip
    options = Options(
        metrics=("cider", "llm_ad_eval"), encoder="e", layer=3, recalls=((2, 4), (1, 5)), groups=("film", "movie"),
        batch_size=5, device="cuda:1", resamples=11, seed=13, set_name="cmd-ad", last_k=7, window=9, judge="j",
        prompt=Path("p.json"), sampling="autoad3", dtype="bfloat16", jars=Path("jars"), progress=False,
        answers=Path("a.jsonl"),
    )  # fmt: skip
    assert isinstance(asked, Asked)
    assert asked.args == (predictions, None, annotations, tmp_path / "c", options, predictions)
    # None of them is at its default, so that none is passed by luck; progress is on unless it is turned off.
    assert not [name for name, value in vars(options).items() if name != "progress" and value == vars(Options())[name]]
    plain = run(predictions, "--annotations", annotations, "--out", tmp_path / "o").exception
    assert plain.args[4].progress and plain.args[4] == Options(device="auto", progress=True)


def test_recall_within_a_column_and_in_which_order(
    cmd: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last row of each film goes first in the file: the script's windows take it there, nearness does not."""
    monkeypatch.setattr("distinctad.score.load_encoder", words_in_common)
    annotations, predictions = cmd
    lines = annotations.read_text(encoding="utf-8").splitlines()
    films = [lines[1 + 8 * film : 9 + 8 * film] for film in range(4)]
    moved = tmp_path / "moved.csv"
    moved.write_text("\n".join([lines[0], *(line for film in films for line in film[-1:] + film[:-1])]) + "\n")
    found = []
    for i, path in enumerate((annotations, moved)):
        out = tmp_path / f"out{i}"
        arguments = ("--metrics", "recall", "--recall", "1/3", "--group", "film,cmd_filename", "--resamples", 20)
        done = run(predictions, "--annotations", path, "--out", out, "--encoder", "e", "--layer", 1, *arguments)
        assert done.exit_code == 0, done.output
        said = " ".join(done.stdout.split())
        assert "autoad cuts the annotations' rows as they stand, as the public script; full goes by start." in said
        found.append(json.loads((out / "scores.json").read_text(encoding="utf-8"))["recall"])
    assert [(r["protocol"], r["group"], r["order"]) for r in found[0]] == [
        ("autoad", "film", "rows"), ("full", "film", "time"), ("autoad", "cmd_filename", "rows"),
        ("full", "cmd_filename", "time"),
    ]  # fmt: skip
    assert [r["n_groups"] for r in found[0]] == [4, 4, 8, 8]
    full = [[r["per_group"] for r in results if r["protocol"] == "full"] for results in found]
    assert full[0] == full[1]
    # Of eight rows windows of three leave none out at step 1; only the members of the windows differ.
    assert [r["n_scored"] for r in found[0]] == [r["n_scored"] for r in found[1]] == [32] * 4
    wrong = run(
        predictions, "--annotations", annotations, "--out", tmp_path / "o", "--encoder", "e", "--layer", 1, "--metrics",
        "recall", "--group", "scene",
    )  # fmt: skip
    assert wrong.exit_code == 2 and "no column 'scene' to group by" in wrong.stderr


def test_annotations_that_are_not_utf8_are_read_with_a_warning(cmd: tuple[Path, Path], tmp_path: Path) -> None:
    """A widely used copy of MAD-Eval holds the byte 0x80 in mangled quotes."""
    annotations, predictions = cmd
    lines = annotations.read_bytes().split(b"\r\n")
    text, rest = lines[3].split(b".,", 1)
    lines[3] = b'"' + text + b'. ""Now.?\x80?",' + rest
    copy = tmp_path / "copy.csv"
    copy.write_bytes(b"\r\n".join(lines))
    done = run(predictions, "--annotations", copy, "--out", tmp_path / "o", "--metrics", "rouge_l", "--resamples", 20)
    assert done.exit_code == 0, done.output
    said = "copy.csv is not UTF-8; single bytes read as Windows-1252 (rows from 0: 2)"
    assert f"Warning: {said}." in " ".join(done.stdout.split())
    scores = json.loads((tmp_path / "o" / "scores.json").read_text(encoding="utf-8"))
    assert scores["warnings"] == [said] and scores["counts"]["n_missing"] == 0
    assert f"* Warning: {said}." in (tmp_path / "o" / "scores.md").read_text(encoding="utf-8")
    notes: list[str] = []
    assert read_csv_rows(copy, ("text",), notes=notes)[2].text.endswith('"Now.\u201d') and notes == [said]
    # Predictions are of the user's own making, and are still refused.
    refused = run(copy, "--annotations", annotations, "--out", tmp_path / "p")
    assert refused.exit_code == 2 and "copy.csv is not UTF-8 text" in refused.stderr


def test_only_what_a_missing_value_is_written_as_is_silence(tmp_path: Path) -> None:
    cells = ["", "nan", "NaN", " nan ", "Nan", "NAN", "nan.", "Nan nods.", "None"]
    path = write(tmp_path / "p.csv", [{"film": "f", "start": i, "end": i, "text_gen": c} for i, c in enumerate(cells)])
    texts = [row.text for row in read_csv_rows(path, ("text_gen",))]
    assert texts == ["", "", "", "", "Nan", "NAN", "nan.", "Nan nods.", "None"]


@pytest.mark.parametrize("name", ["d.srt", "d.vtt", "d.json", "d.dapt.xml", "d.TTML"])
def test_a_script_is_named_as_one_and_how_to_get_a_csv(cmd: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    annotations, predictions = cmd
    script = tmp_path / name
    script.write_text("1\n00:00:00,000 --> 00:00:02,500\nMara, who runs, stops.\n", encoding="utf-8")
    for files in ((script, "--compare", predictions), (predictions, "--compare", script)):
        result = run(*files, "--annotations", annotations, "--out", tmp_path / "o")
        assert result.exit_code == 2 and not (tmp_path / "o").exists()
        said = f"'{script}' is a script, not a CSV. `distinctad convert {name} {name.partition('.')[0]}.csv` makes one"
        assert said in " ".join(result.stderr.split())


def test_a_script_is_scored_after_what_the_error_says(tmp_path: Path) -> None:
    truth = [{"film": "f", "start": 1.0, "end": 2.5, "text": "Mara, who runs, stops."}]
    (tmp_path / "d.srt").write_text("1\n00:00:01,000 --> 00:00:02,500\nMara, who runs, stops.\n", encoding="utf-8")
    annotations, how = write(tmp_path / "t.csv", truth), ("--metrics", "rouge_l", "--resamples", 20)
    CliRunner().invoke(cli.app, ["convert", str(tmp_path / "d.srt"), str(tmp_path / "d.csv")])
    made = (tmp_path / "d.csv").read_text(encoding="utf-8")
    (tmp_path / "d.csv").write_text(made.replace("\n,", "\nf,"), encoding="utf-8")  # "fill its film column"
    result = run(tmp_path / "d.csv", "--annotations", annotations, "--out", tmp_path / "o", *how)
    assert result.exit_code == 0 and "1 of 1 ADs predicted" in result.stdout, result.output
