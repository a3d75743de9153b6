"""README, tutorials and CONTRIBUTING tell the truth: every command in them runs here, or its options are checked.

The README and `own_film.md` run as they stand on a drawn film, other Python in a small stand-in layout. Training
commands need films or an accelerator: their scripts, options and configurations are checked, and a dry run is run. A
line of a kind that no test here knows fails.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import fields
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sources import ROOMS, ROOT, python_files
from typer.testing import CliRunner

from distinctad.cli import app

TUTORIALS = ROOT / "docs" / "tutorials"
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *sorted(TUTORIALS.glob("*.md"))]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def blocks(path: Path, language: str) -> list[str]:
    """Fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def commands(path: Path) -> list[list[str]]:
    """Every command of a document's bash blocks, as words; settings of the environment before it are left off."""
    lines = "\n".join(blocks(path, "bash")).replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines if not line.startswith(("source ", "mkdir "))]
    return [[w for i, w in enumerate(words) if i or "=" not in w] for words in split if words]


ALL = [pytest.param(words, id=f"{path.stem}: {' '.join(words)[:60]}") for path in DOCUMENTS for words in commands(path)]


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command in a folder: `distinctad` in this process, which has its imports, Python in one of its own."""
    if words[0] == "distinctad":
        with contextlib.chdir(folder):
            told = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        return subprocess.CompletedProcess(words, told.exit_code, told.stdout, told.stderr)
    assert words[0] == "python"
    return subprocess.run(
        [sys.executable, *words[1:]], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


@cache
def _arguments(script: str) -> set[str]:
    """Options of a training script."""
    from train.arguments import RunArguments
    from train.predict import _parser
    from train.set_features import SetArguments
    from train.stage2 import Stage2Arguments

    if script == "train/predict.py":
        return {word.lstrip("-") for action in _parser()._actions for word in action.option_strings}
    kinds: dict[str, Any] = {"train/stage2.py": Stage2Arguments, "train/set_features.py": SetArguments}
    return {f.name for kind in (kinds[script], RunArguments) for f in fields(kind)}


def _asked(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def _distinctad(words: list[str]) -> None:
    from typer.main import get_command

    found: Any = get_command(app)
    rest = words[1:]
    while hasattr(found, "commands"):
        found, rest = found.commands[rest[0]], rest[1:]
    assert _asked(rest) <= {option for parameter in found.params for option in parameter.opts}


def _python(words: list[str]) -> None:
    places = {i: word for i, word in enumerate(words) if word.endswith(".py") and "/" in word}
    if "pytest" in words:
        assert (ROOT / words[-1]).exists()
        return
    at, script = next(iter(places.items()))
    assert (ROOT / script).is_file()
    asked = {option[2:] for option in _asked(words[at + 1 :])}
    if script.startswith("train/"):
        assert asked <= _arguments(script)
        assert all((ROOT / word).is_file() for word in words if word.startswith("train/"))
    else:
        text = (ROOT / script).read_text(encoding="utf-8")
        assert all(f'"--{option}"' in text for option in asked)


def _make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(words[1])}:", makefile, re.MULTILINE)
    assert all(f"$({word.partition('=')[0]})" in makefile for word in words[2:])


CHECKS = {"distinctad": _distinctad, "python": _python, ".venv/bin/python": _python, "accelerate": _python,
          "make": _make}  # fmt: skip


@pytest.mark.parametrize("words", ALL)
def test_every_command_and_its_options_exist(words: list[str]) -> None:
    assert words[0] in CHECKS, f"{words[0]} is a command that no test here knows; expected one of {', '.join(CHECKS)}"
    CHECKS[words[0]](words)


def test_only_blocks_that_are_tested_stand_in_the_documents() -> None:
    fences = {name for path in DOCUMENTS for name in re.findall(r"^```(\w+)", path.read_text("utf-8"), re.MULTILINE)}
    assert fences <= {"bash", "python"}
    assert len(ALL) > 20


def test_a_made_up_option_is_seen() -> None:
    for line in ("distinctad plan f.mp4 --nosuch 1", "make nosuch", "python train/stage2.py --nosuch 1"):
        words = line.split()
        with pytest.raises(AssertionError):
            CHECKS[words[0]](words)


@pytest.mark.slow
def test_your_own_film_runs_as_it_stands(tmp_path: Path) -> None:
    for words in commands(TUTORIALS / "own_film.md"):
        if words[1] == "space/app.py":  # a page that waits for visitors: tests/space serves it
            continue
        done = run(words, tmp_path)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr[-800:]}"
    with (tmp_path / "my_drafts" / "descriptions.csv").open(encoding="utf-8", newline="") as table:
        texts = [row["text"] for row in csv.DictReader(table)]
    cues = json.loads((tmp_path / "my_drafts" / "descriptions.json").read_text("utf-8"))["cues"]
    assert len(texts) == len(cues) > 4 and all(text.strip() for text in texts)
    assert ET.parse(tmp_path / "my_drafts" / "script.dapt.xml").getroot().tag.endswith("}tt")
    assert list((tmp_path / "many").rglob("descriptions.json"))


@pytest.mark.slow
def test_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    """Every command in its order, then the Python blocks."""
    for words in commands(README):
        if words[0] == "make":  # make demo and make test: this test would run itself
            continue
        done = run(words, tmp_path)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr[-800:]}"
    assert "6 of 6 ADs predicted" in " ".join((tmp_path / "scores" / "scores.md").read_text("utf-8").split())
    for number, code in enumerate(blocks(README, "python")):
        (tmp_path / f"block_{number}.py").write_text(code, encoding="utf-8")
        done = run(["python", f"block_{number}.py"], tmp_path)
        assert done.returncode == 0, done.stderr[-800:]
        told = re.findall(r"^[\d.]+ .*[A-Z].*\.$", done.stdout, re.MULTILINE)
        assert len(told) >= 2 or "'cider':" in done.stdout


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorials' folders with tiny random towers and CMD-AD's columns."""
    import torch
    from transformers import CLIPConfig, CLIPModel, GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("layout")
    torch.manual_seed(0)
    small: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    }  # fmt: skip
    text = {**small, "vocab_size": 40, "max_position_embeddings": 40, "bos_token_id": 1, "eos_token_id": 1}
    config = CLIPConfig(
        text_config=text, vision_config={**small, "image_size": 32, "patch_size": 16}, projection_dim=16
    )
    CLIPModel(config).save_pretrained(folder / "runs" / "clipad_b16")
    tokens = {"bos_token_id": 1, "eos_token_id": 1}
    language = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=64, n_embd=32, n_layer=1, n_head=2, **tokens))
    language.save_pretrained(folder / "my_lm")
    notes = folder / "data" / "annotations"
    notes.mkdir(parents=True)
    head = "text,start,end,movie,scaled_start,scaled_end,cmd_filename,imdbid,movie_title,cmd_clip_idx\n"
    rows = [f"She lifts box {i}.,{10 + 5 * i},{12 + 5 * i},7,{1 + 5 * i},{3 + 5 * i},2014/ewEreSjPyC4,tt0042208,A,1\n"
            for i in range(4)]  # fmt: skip
    for name in ("cmdad_anno.csv", "cmdad_train.csv"):
        (notes / name).write_text(head + "".join(rows), encoding="utf-8")
    shutil.copytree(ROOT / "train", folder / "train", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_annotations_of_cmd_ad_are_read_as_the_tutorial_says(layout: Path) -> None:
    lines = [words for words in commands(TUTORIALS / "train_on_cmd_ad.md") if words[:2] == ["distinctad", "data"]]
    said = {"validate": "total: 4 rows in = 4 kept + 0 repaired + 0 refused\n", "stats": "rows: 4\nfilms: 1\n"}
    assert [words[2] for words in lines] == list(said)
    for words in lines:
        done = run(words, layout)
        assert done.returncode == 0 and said[words[2]] in done.stdout, done.stderr[-800:]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train_on_cmd_ad", "add_a_language_model"])
def test_dry_runs_count_and_name_what_is_missing(name: str, layout: Path) -> None:
    (words,) = [words for words in commands(TUTORIALS / f"{name}.md") if "--dry_run" in words]
    done = run(words, layout)
    said = done.stdout + done.stderr
    # The stand-in has no cache of features: the dry run must say so, after it has counted the model.
    assert done.returncode == 1 and "Traceback" not in said, said[-800:]
    assert "cmdad_clipad_b16" in said and re.search(r"parameters|memory", said), said[-800:]


@pytest.mark.slow
def test_a_language_model_is_added_as_the_tutorial_says(layout: Path) -> None:
    (code,) = blocks(TUTORIALS / "add_a_language_model.md", "python")
    (layout / "block.py").write_text(code, encoding="utf-8")
    done = run(["python", "block.py"], layout)
    assert done.returncode == 0, done.stderr[-800:]
    width, trained = map(int, done.stdout.split())
    assert width == 32 and trained > 1000


def test_the_picture_is_drawn_by_its_script_and_told_in_words() -> None:
    from tools import dataflow

    svg = dataflow.PICTURE.read_text(encoding="utf-8")
    assert svg == dataflow.draw()
    root = ET.fromstring(svg)
    told = root.findtext("{http://www.w3.org/2000/svg}desc") or ""
    assert root.get("role") == "img" and root.get("aria-labelledby") == "title text"
    assert all(word in told for word in ("Perceiver", "contextual EM", "language model", "person reviews"))
    joined = {word for arrow in dataflow.ARROWS for word in arrow.split()}
    assert joined == set(dataflow.BOXES)
    named = re.findall(r"[\w/]+\.py", svg)
    assert named and {Path(name).name for name in named} <= {path.name for path in python_files(*ROOMS)}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("pdoc") is None, reason="pdoc is not installed; run `pip install pdoc`")
def test_the_reference_builds_without_warnings(tmp_path: Path) -> None:
    out = tmp_path / "api"
    done = run(["python", str(ROOT / "tools" / "api_reference.py"), "--out", str(out)], ROOT)
    assert done.returncode == 0, done.stderr[-1500:]
    pages = {path.relative_to(out).as_posix() for path in out.rglob("*.html")}
    assert {"index.html", "distinctad/describe.html", "modeling_distinctad/perceiver_distinctad.html"} <= pages
    assert "responsibilities" in (out / "modeling_distinctad" / "contextual_em_distinctad.html").read_text("utf-8")
