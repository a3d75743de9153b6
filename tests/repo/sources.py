"""What the tests of the repository read: its rooms, their files and syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = ("modeling_distinctad", "datasets_scripts", "evaluate_metrics", "distinctad")
ROOMS = (*PACKAGED, "train", "space", "benchmarks", "tools")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".txt", ".cff", ".cfg", ".csv", ""}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*rooms: str) -> list[Path]:
    """Python files of the rooms, sorted; a room that does not exist has none."""
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py") if "__pycache__" not in path.parts)


def text_files() -> list[Path]:
    """Every text file of the project: rooms, tests, documents, and the files in the root folder."""
    folders = (*ROOMS, "tests", "docs", ".ci")
    found = [p for folder in folders for p in (ROOT / folder).rglob("*") if p.is_file()]
    found += [p for p in ROOT.iterdir() if p.is_file() and p.name != ".git"]  # in a worktree it is a file
    generated = (".coverage", "egg-info", "__pycache__", "_cache")
    return sorted(p for p in found if p.suffix in TEXT_SUFFIXES and not any(g in str(p) for g in generated))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name(path: Path) -> str:
    """The path from the root folder, for messages."""
    return path.relative_to(ROOT).as_posix()


def functions(module: ast.Module) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(module) if isinstance(node, Function))


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Yields (dotted name, node) of public classes, functions and methods; no dunders, nothing nested in functions."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{prefix}{node.name}.")
