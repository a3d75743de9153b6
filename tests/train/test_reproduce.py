"""docs/reproduce.md: its commands, options and configurations exist."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from train.arguments import RunArguments
from train.clip_files import read_rows
from train.predict import _parser

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", " ")
COMMANDS = [shlex.split(line, comments=True) for line in BLOCKS.splitlines() if line and not line.startswith("#")]


def told_in_code() -> list[list[str]]:
    """Commands in the comments of train/'s configurations (a line each) and, in backticks, in its docstrings."""
    train = ROOT / "train"
    lines = [
        line
        for path in sorted(train.glob("configs/*.yaml"))
        for line in re.findall(r"^# ((?:python|accelerate launch) .*train/\w+\.py.*)$", path.read_text("utf-8"), re.M)
    ]
    for path in sorted(train.glob("*.py")):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        lines += [" ".join(told.split()) for told in re.findall(r"`((?:python|accelerate)\s[^`]*train/[^`]+)`", doc)]
    plain = [line.replace("[--key value]", "").replace("[", "").replace("]", "") for line in lines]
    return [shlex.split(line, comments=True) for line in plain]


IN_CODE = told_in_code()
KINDS = {
    "ablations.py": "AblationArguments", "appendix_a.py": "AppendixAArguments", "features.py": "FeatureArguments",
    "pocket_clip.py": "PocketCLIPArguments", "pocket_lm.py": "PocketLMArguments", "recognise.py": "RecogniseArguments",
    "set_features.py": "SetArguments", "stage1.py": "Stage1Arguments", "stage2.py": "Stage2Arguments",
    "table4.py": "Table4Arguments",
}  # fmt: skip
PARSED = ("appendix_b.py", "figure6.py", "predict.py", "read_slots.py", "unpack_towers.py")


def options_of(script: str) -> set[str]:
    """Names of a training script's options."""
    if script == "predict.py":
        return {word.lstrip("-") for action in _parser()._actions for word in action.option_strings}
    if script in PARSED:
        source = (ROOT / "train" / script).read_text("utf-8")
        return set(re.findall(r'\.add_argument\(\s*"--([\w-]+)"', source))
    kind = getattr(importlib.import_module(f"train.{script.removesuffix('.py')}"), KINDS[script])
    return {f.name for kind in (kind, RunArguments) for f in fields(kind)}


@pytest.mark.parametrize("script", [*KINDS, *PARSED])
def test_options_of_training_commands_exist(script: str) -> None:
    own = [words for words in (*COMMANDS, *IN_CODE) if f"train/{script}" in words]
    assert own
    for words in own:
        given = words[words.index(f"train/{script}") + 1 :]
        assert {word[2:] for word in given if word.startswith("--")} <= options_of(script)
        assert all((ROOT / word).is_file() for word in given if word.startswith("train/"))


def test_every_training_command_that_is_told_is_looked_at() -> None:
    """And none writes over a table of ours: without --tables it would be refused in a clone."""
    scripts = {word[6:] for words in (*COMMANDS, *IN_CODE) for word in words if re.fullmatch(r"train/\w+\.py", word)}
    assert scripts == {*KINDS, *PARSED}
    folder = {"ablations.py": "--tables", "table4.py": "--tables", "figure6.py": "--out", "appendix_b.py": "--out"}
    for words in (*COMMANDS, *IN_CODE):
        script = next((word[6:] for word in words if word[6:] in folder), "")
        if script and words[2:] != ["list"]:
            assert not words[words.index(folder[script]) + 1].startswith("docs/"), words
    assert all("--table" in words for words in COMMANDS if "train/appendix_a.py" in words)


def test_commands_of_the_command_line_exist() -> None:
    from typer.main import get_command

    from distinctad.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    for words in COMMANDS:
        if words[0] == "distinctad":
            command = commands[words[1]]
            rest = words[2:]
            if hasattr(command, "commands"):
                command, rest = command.commands[rest[0]], rest[1:]
            known = {word for parameter in command.params for word in parameter.opts}
            assert {word for word in rest if word.startswith("--")} <= known, words


def test_named_files_exist_and_every_configuration_is_named() -> None:
    named = set(re.findall(r"(?<![\w/])train/[\w/]+\.(?:py|yaml)", TEXT))
    assert not [name for name in named if not (ROOT / name).is_file()]
    rows = {f"train/configs/{p.name}" for p in (ROOT / "train" / "configs").glob("[!p]*_clip*_*.yaml")}
    assert len(rows) == 6 and rows <= named


def test_the_rows_of_stage1_are_made_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("data/annotations", "data/mad/films"):
        Path(folder).mkdir(parents=True)
    films = [str(2000 + i) for i in range(13)] + ["4797"]  # the last is of Appendix E
    entries = {
        f"id{i}": {"movie": film, "ext_timestamps": [4, 6], "sentence": f"Ann runs {i}."}
        for i, film in enumerate(films)
    }
    Path("data/annotations/mad_train.json").write_text(json.dumps(entries))
    for film in films[1:5] + films[6:]:  # two films' videos are not there
        Path(f"data/mad/films/{film}.mkv").touch()
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    Path("block.py").write_text(code[0], encoding="utf-8")
    subprocess.run([sys.executable, "block.py"], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    rows = {name: read_rows(Path(f"data/mad/stage1_{name}.jsonl")) for name in ("train", "held_out")}
    assert len(code) == 1 and [row.film for row in rows["train"]] == films[1:2]
    assert [row.film for row in rows["held_out"]] == films[2:5] + films[6:13]
    assert all((Path("data/mad") / row.video).is_file() for found in rows.values() for row in found)


def test_the_cast_on_the_page_is_of_its_films() -> None:
    words = next(words for words in COMMANDS if words[:2] == ["distinctad", "words"])
    assert words[words.index("--cast") + 1].endswith("MAD_charbank.json") and "madeval_anno.csv" in words[2]


def test_cached_sets_with_predicted_people_have_portraits() -> None:
    asked = [words for words in COMMANDS if "train/set_features.py" in words]
    assert len(asked) == 5 and all({"--bank", "--portraits"} <= set(words) for words in asked)
    for words in asked:  # the paper's test people are AutoAD-Zero's
        assert words[words.index("--eval") + 1].endswith("_with_face.csv") and "--recognised true" in " ".join(words)


def test_options_in_the_table_of_ablations_exist() -> None:
    table = TEXT[TEXT.index("| table | changes") :].split("\n\n")[0]
    asked = set(re.findall(r"--(\w+)", table))
    assert asked <= options_of("stage2.py") | options_of("stage1.py") | options_of("predict.py")


def test_the_readme_names_the_ablations_that_have_figures() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    said = readme[readme.index("\n- Of the paper's ablations") :].split(":\n")[0]
    found: dict[str, set[str]] = {"Table": set(), "Figure": set(), "Appendi": set()}
    for path in (ROOT / "docs" / "tables").glob("*.*"):
        kind = re.match(r"(table|figure|appendi)x?_?(\d|[ab](?=_))", path.name)
        if kind:
            found[kind[1].capitalize()].add(kind[2].upper())
    for kind, names in found.items():
        listed = re.search(rf"{kind}(?:s|ces)? ((?:\w(?:, | and )?)+) ", said)
        assert listed and set(re.findall(r"\b[\dAB]\b", listed[1])) == names
