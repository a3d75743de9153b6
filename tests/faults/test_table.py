"""The tables of faults and guards name tests that exist, and every guard has a patch that takes it out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools.mutations import load

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("docs/faults.md", "docs/threats.md")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows(name: str) -> list[str]:
    """Rows of a document's tables, without their heads and rules."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    places = [i for i, line in enumerate(lines) if line.startswith("|")]
    heads = {i for i in places if i + 1 < len(lines) and re.fullmatch(r"\|[-|: ]+\|", lines[i + 1])}
    return [lines[i] for i in places if i not in heads and not re.fullmatch(r"\|[-|: ]+\|", lines[i])]


def named(row: str) -> list[str]:
    return [f"{path}::{name}" for path, name in TEST.findall(row)]


@pytest.mark.parametrize("table", TABLES)
def test_every_row_names_a_test_that_exists(table: str) -> None:
    found = rows(table)
    assert len(found) >= 15
    for row in found:
        assert named(row), row
        for test in named(row):
            path, name = test.split("::")
            module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}, test


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_its_guard_taken_out(table: str) -> None:
    patched = {mutation.test.split("[")[0] for mutation in load()}
    assert not [row for row in rows(table) if not patched & set(named(row))]


def test_every_patch_still_applies() -> None:
    mutations = load()
    assert len({mutation.name for mutation in mutations}) == len(mutations) >= 40
    for mutation in mutations:
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1 and mutation.new != mutation.old, mutation.name
        path, _, test = mutation.test.partition("::")
        names = {
            n.name for n in ast.parse((ROOT / path).read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)
        }
        assert test.split("[")[0] in names, mutation.name
