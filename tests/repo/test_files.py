"""Files and functions stay small enough to be read; nothing executes data or hides behind an assert."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from sources import PACKAGED, ROOMS, ROOT, functions, name, python_files, tree

MOST_LINES, MOST_FUNCTION_LINES = 400, 60
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py"}
EVERYWHERE = (*ROOMS, "tests")


def test_no_file_is_too_long() -> None:
    long = {name(p): n for p in python_files(*EVERYWHERE) if (n := len(p.read_text("utf-8").splitlines())) > MOST_LINES}
    assert not long


def test_no_function_is_too_long() -> None:
    long = []
    for path in python_files(*EVERYWHERE):
        for node in functions(tree(path)):
            # A command's signature is the list of its options; its body is what must be short.
            first = node.body[0].lineno if node.name.endswith("_command") else node.lineno
            lines = (node.end_lineno or first) - first + 1
            if lines > MOST_FUNCTION_LINES:
                long.append(f"{name(path)}:{node.lineno} {node.name}: {lines} lines")
    assert not long


def test_files_are_named_for_what_they_hold() -> None:
    assert not [name(p) for p in python_files(*EVERYWHERE) if p.name in FORBIDDEN_NAMES]


@pytest.mark.parametrize("room", ROOMS)
def test_no_unsafe_or_swallowing_code(room: str) -> None:
    wrong = []
    for path in python_files(room):
        for node in ast.walk(tree(path)):
            unsafe = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("eval", "exec")
            pickled = isinstance(node, ast.Import) and any(a.name in ("pickle", "dill") for a in node.names)
            bare = isinstance(node, ast.ExceptHandler) and node.type is None
            swallowed = (
                isinstance(node, ast.ExceptHandler)
                and getattr(node.type, "id", "") in ("Exception", "BaseException")
                and all(isinstance(s, ast.Pass) for s in node.body)
            )
            if unsafe or pickled or bare or swallowed or isinstance(node, ast.Assert):
                wrong.append(f"{name(path)}:{getattr(node, 'lineno', 0)}")
        marks = re.findall(r"#\s*(?:TODO|FIXME|XXX)\b", path.read_text("utf-8"))
        wrong += [f"{name(path)}: {mark}" for mark in marks]
    assert not wrong


@pytest.mark.slow
def test_the_wheel_holds_the_four_rooms_and_their_data(tmp_path: Path) -> None:
    for room in PACKAGED:
        shutil.copytree(ROOT / room, tmp_path / "source" / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tmp_path / "source" / file)
    build = "from setuptools.build_meta import build_wheel; build_wheel('..')"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path / "source", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-800:]
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [scripts] = [entry for entry in archive.namelist() if entry.endswith(".dist-info/entry_points.txt")]
        assert "distinctad = distinctad.cli:main" in archive.read(scripts).decode()
        held = {entry for entry in archive.namelist() if ".dist-info/" not in entry}
    kinds = {".py", ".json", ".md", ".html", ".safetensors", ".typed"}
    rooms = [path for room in PACKAGED for path in (ROOT / room).rglob("*") if path.suffix in kinds]
    assert held == {name(path) for path in rooms} and "distinctad/checkpoint/model.safetensors" in held
    assert {f"{room}/py.typed" for room in PACKAGED} <= held  # or a service's mypy takes all of it for Any


def test_pins_are_exact_and_leave_torch_to_the_makefile() -> None:
    lines = (ROOT / "requirements-ci.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin) for pin in pins)
    assert not {pin.split("==")[0].lower() for pin in pins} & {"torch", "torchvision"}
    assert "torch==2.13.0" in (ROOT / "Makefile").read_text("utf-8")


def test_files_are_the_same_bytes_in_every_clone() -> None:
    """Git would write other line endings on Windows: other hashes, and a blank after a package's name."""
    assert "* -text" in (ROOT / ".gitattributes").read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    "file", ["distinctad/publish.py", "distinctad/publish_parts.py", "datasets_scripts/writers.py"]
)
def test_published_texts_end_their_lines_alike_everywhere(file: str) -> None:
    calls = [node for node in ast.walk(tree(ROOT / file)) if isinstance(node, ast.Call)]
    writes = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "write_text"]
    given = [{key.arg: ast.unparse(key.value) for key in call.keywords} for call in writes]
    assert given and all(keys.get("newline") == repr("\n") for keys in given)
