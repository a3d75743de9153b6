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

TOLD = {"first seed": "900301", "films": "20", "preset": "clear", "model": "0123456789abcdef0123", "commit": "abc",
        "command": "python tools/blind.py --out DIR"}  # fmt: skip
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_numbers_come_from_the_run_record() -> None:
    assert readme_numbers.render(README, readme_numbers.read_record()) == README


def test_no_figure_stands_outside_the_markers() -> None:
    rest = readme_numbers.MARKED.sub("", README)
    assert not re.findall(r"\d+(?:\.\d+)?\s?(?:%|percent|points?\b|CIDEr)", rest)


def test_rendering_fills_figures_and_intervals() -> None:
    clear = {"ads": 3, "cider": {"value": 0.5, "low": 0.4, "high": 0.6}, "cider, chance": 0.125,
             "black pictures": {"action": {"value": 2.9, "low": 2.0, "high": 3.0}}, "provenance": TOLD}  # fmt: skip
    crowded = {"ads": 4, "cider": {"value": 999.7, "low": 1, "high": 2}, "provenance": {**TOLD, "preset": "crowded"}}
    record = {"stage": "stage2", "commit": "abc", "seed": 1, "data": "d", "wall_s": 120.0, "hardware": {"cores": 2},
              "metrics": {"end": {"loss": 7.5}, "blind": clear, "blind crowded": crowded}}  # fmt: skip
    text = "a\n<!-- run-record:metrics -->\nold\n<!-- /run-record -->\n<!-- run-record:run -->\n<!-- /run-record -->\n"
    new = readme_numbers.render(text, record)
    assert "| figure | `clear` films [95 %] | by chance | `crowded` films [95 %] | by chance |\n| --- | --- |" in new
    assert "| ads | 3 |  | 4 |  |" in new and "| cider | 0.5 [0.4, 0.6] | 0.125 | 1,000 [1, 2] |  |" in new
    assert "| black pictures, action | 2.9 [2, 3] |  |  |  |" in new and "7.5" not in new  # of training: the card's
    assert "2 minutes on cores 2" in new and "old" not in new
    for nothing in (None, {**record, "metrics": {"end": {"loss": 7.5}}}):
        assert readme_numbers.section("metrics", nothing) == f"{readme_numbers.NOTHING}\n"
    assert readme_numbers.render(new, record) == new


def test_an_unknown_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="expected metrics, run or one of"):
        readme_numbers.section("prices", None)


START, END = "<!-- run-record:metrics -->\n", "<!-- /run-record -->\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{START}old\nprose\n{START}old\n{END}", "line 4 .* expected <!-- /run-record -->"),
        (f"{START}old\nprose\n", "run-record:metrics has no end"),
        (f"{END}old\n{START}old\n{END}", "line 1 "),
        (f"<!-- run-record:table_5 -->\nstale\n{END}", "line 1 is '<!-- run-record:table_5 -->'"),
        (f"<!-- run-record:metrics-->\nstale\n{END}", "alone on its line"),
        (f"<!--run_record:metrics -->\nstale\n{END}", "alone on its line"),
        (f"<!-- Run-Record:metrics -->\nstale\n{END}", "alone on its line"),
        (f"see <!-- run-record:metrics -->\nstale\n{END}", "alone on its line"),
        (f"{START}stale\nand more {END}", "alone on its line"),
        (f"{START}stale\n{END}".replace("\n", "\r\n"), "alone on its line"),
    ],
)
def test_a_marker_that_would_go_stale_or_take_prose_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        readme_numbers.render(text, {"metrics": {"blind": {"a": 1}}})


def test_only_a_known_command_line_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "README.md"
    monkeypatch.setattr(readme_numbers, "README", path)
    monkeypatch.setattr(readme_numbers, "read_record", lambda: None)
    path.write_text(f"{START}by hand\n{END}", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        readme_numbers.main(["--chek"])
    assert ended.value.code == 2 and "by hand" in path.read_text(encoding="utf-8")
    assert readme_numbers.main(["--check"]) == 1 and "by hand" in path.read_text(encoding="utf-8")
    assert readme_numbers.main([]) == 0 and "by hand" not in path.read_text(encoding="utf-8")
    path.write_text(START, encoding="utf-8")
    capsys.readouterr()
    assert readme_numbers.main([]) == 2 and path.read_text(encoding="utf-8") == START
    assert capsys.readouterr().err.startswith("error: README.md: run-record:metrics has no end")


def test_the_run_says_where_blind_figures_come_from_if_the_record_does() -> None:
    record: dict[str, Any] = {"stage": "s", "commit": "c", "seed": 1, "data": "d", "wall_s": 60.0, "hardware": {}}
    without = readme_numbers.section("run", {**record, "metrics": {"loss": 1.0, "blind": {"ads": 3}}})
    assert "blind" not in without
    metrics = {"blind": {"ads": 3, "provenance": TOLD}, "blind crowded": {"provenance": {**TOLD, "preset": "crowded"}}}
    new = readme_numbers.section("run", {**record, "metrics": metrics})
    assert new.startswith(without)
    assert (
        "Figures `blind`: 20 `clear` films from seed 900301, commit `abc`, model files `0123456789abcdef`, "
        "`python tools/blind.py --out DIR`." in new
    )
    assert "Figures `blind crowded`: 20 `crowded` films" in new


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
