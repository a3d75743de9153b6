"""Imports run one way, function bodies too."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest
from sources import ROOMS, name, python_files, tree

MAY_IMPORT = {
    "modeling_distinctad": set(),
    "datasets_scripts": {"modeling_distinctad"},
    "evaluate_metrics": set(),
    "train": {"modeling_distinctad", "datasets_scripts", "evaluate_metrics"},
    "distinctad": {"modeling_distinctad", "datasets_scripts", "evaluate_metrics"},
    "space": {"distinctad"},
}
OUTSIDE = {"torch", "transformers", *sys.stdlib_module_names}  # of the files that go to the Hub; others under `try`


def absolute_imports(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields (line, dotted module) of each absolute import, and of import_module("literal")."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def crossings(room: str, module: ast.AST) -> list[tuple[int, str]]:
    """Imports that a room may not make of another room."""
    closed = set(ROOMS) | {"tests"}
    closed -= {room, *MAY_IMPORT[room]}
    return [(line, target) for line, target in absolute_imports(module) if target.split(".")[0] in closed]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_import_one_way(room: str) -> None:
    wrong = [
        f"{name(path)}:{line} {target}" for path in python_files(room) for line, target in crossings(room, tree(path))
    ]
    assert not wrong


def test_a_wrong_import_is_seen_even_in_a_function() -> None:
    module = ast.parse("def f():\n    from train.stage1 import main\n    import_module('space.app')\n")
    assert crossings("distinctad", module) == [(2, "train.stage1"), (3, "space.app")]
    assert crossings("datasets_scripts", ast.parse("import distinctad.cli")) == [(1, "distinctad.cli")]
    assert not crossings("train", ast.parse("from datasets_scripts.words import words"))


def test_model_files_import_each_other_relatively_and_flat() -> None:
    wrong = []
    for path in python_files("modeling_distinctad"):
        assert path.parent.name == "modeling_distinctad", f"{name(path)} is not flat"
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.level:
                target = node.module or ""
                if (
                    node.level != 1
                    or not target.endswith("_distinctad")
                    or not path.with_name(f"{target}.py").is_file()
                ):
                    wrong.append(f"{name(path)}:{node.lineno} {'.' * node.level}{target}")
        wrong += [
            f"{name(path)}:{n} {t}" for n, t in absolute_imports(tree(path)) if t.startswith("modeling_distinctad")
        ]
    assert not wrong


def test_model_files_need_only_torch_and_transformers() -> None:
    wrong = []
    for path in python_files("modeling_distinctad"):
        tried = {id(n) for t in ast.walk(tree(path)) if isinstance(t, ast.Try) for s in t.body for n in ast.walk(s)}
        typing_only = {
            id(n)
            for t in ast.walk(tree(path))
            if isinstance(t, ast.If) and getattr(t.test, "id", "") == "TYPE_CHECKING"
            for n in ast.walk(t)
        }
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in tried | typing_only:
                shallow = ast.Module([node], [])
                wrong += [
                    f"{name(path)}:{n} {t}" for n, t in absolute_imports(shallow) if t.split(".")[0] not in OUTSIDE
                ]
    assert not wrong


def test_each_metric_folder_works_when_copied_alone() -> None:
    wrong = []
    for path in python_files("evaluate_metrics"):
        for line, target in absolute_imports(tree(path)):
            parts = target.split(".")
            if parts[0] == "evaluate_metrics" and (len(parts) < 2 or parts[1] != path.parent.name):
                wrong.append(f"{name(path)}:{line} {target}")
    assert not wrong
