"""The README tells the truth: its commands, paths, imports and numbers exist."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from sources import ROOT

sys.path.insert(0, str(ROOT / "tools"))
readme_numbers: Any = importlib.import_module("readme_numbers")

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_numbers_come_from_the_run_record() -> None:
    assert readme_numbers.render(README, readme_numbers.read_record()) == README


def test_no_figure_stands_outside_the_markers() -> None:
    rest = readme_numbers.MARKED.sub("", README)
    assert not re.findall(r"\d+(?:\.\d+)?\s?(?:%|percent|points?\b|CIDEr)", rest)


def test_rendering_fills_figures_and_intervals() -> None:
    record = {
        "stage": "stage2", "commit": "abc", "seed": 1, "data": "d", "wall_s": 120.0, "hardware": {"cores": 2},
        "metrics": {"cider": {"value": 0.5, "low": 0.4, "high": 0.6}, "slots": {"action": 0.25}, "kind": "text"},
    }  # fmt: skip
    text = "a\n<!-- run-record:metrics -->\nold\n<!-- /run-record -->\n<!-- run-record:run -->\n<!-- /run-record -->\n"
    new = readme_numbers.render(text, record)
    assert "| cider | 0.5 [0.4, 0.6] |" in new and "| slots, action | 0.25 |" in new and "kind" not in new
    assert "2 minutes on cores 2" in new and "old" not in new
    assert readme_numbers.NOTHING in readme_numbers.render(text, None)
    assert readme_numbers.render(new, record) == new


def test_an_unknown_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="expected metrics, run or one of"):
        readme_numbers.section("prices", None)


def test_paths_exist() -> None:
    quoted = re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?)`|\]\(([\w./-]+)\)", README)
    made = {"hub/model", "work/"}  # by the README's own commands
    found = {one or other for one, other in quoted} - made
    paths = [q for q in found if "/" in q or q.endswith((".md", ".cff", ".py")) or q == "LICENSE"]
    missing = [p for p in paths if not (ROOT / p).exists()]
    assert len(paths) > 8 and not missing


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"^make (\w+)|`make (\w+)`", README, re.MULTILINE))
    assert {"demo", "test", "pocket"} <= {a or b for a, b in named} <= targets


def test_commands_and_options_exist() -> None:
    from typer.main import get_command

    from distinctad.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    lines = re.findall(r"^distinctad (\w+)([^#\n]*)", README, re.MULTILINE)
    assert {command for command, _ in lines} == set(commands)
    for command, rest in lines:
        found, words = commands[command], rest.split()
        while hasattr(found, "commands"):
            found = found.commands[words.pop(0)]
        known = {word for parameter in found.params for word in parameter.opts} | {"--help"}
        assert set(re.findall(r"--[\w-]+", rest)) <= known


def test_python_blocks_import_what_exists() -> None:
    blocks = [ast.parse(code) for language, code in BLOCKS if language == "python"]
    imports = [n for block in blocks for n in ast.walk(block) if isinstance(n, ast.ImportFrom)]
    assert len(imports) == 2
    for node in imports:
        module = importlib.import_module(node.module or "")
        assert all(hasattr(module, alias.name) for alias in node.names)


def test_drafts_need_a_person() -> None:
    assert re.search(r"unreviewed machine draft", README) and re.search(r"person .{0,60}must check", README)


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in Path(ROOT / "pyproject.toml").read_text(encoding="utf-8")
