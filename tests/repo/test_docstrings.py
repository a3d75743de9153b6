"""Everything public says what it is; public tensor functions say their shapes."""

from __future__ import annotations

import ast
import re

import pytest
from sources import PACKAGED, Function, name, public, python_files, tree

# (B, N, C), (..., 3, H, W), (N,), (K, C) or a word for no axes at all
SHAPE = re.compile(r"\((?:\.\.\.|[A-Z][a-zA-Z_]*|\d+)(?:\s*,\s*[^()]*)?\)|\bscalar|\b0-d\b")


def takes_tensors(node: Function) -> bool:
    """Whether an annotation of the function names a tensor; a dictionary of weights has no one shape."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    annotations = [a.annotation for a in arguments] + [node.returns]
    written = [ast.unparse(a) for a in annotations if a is not None]
    return any("Tensor" in text and "dict[" not in text for text in written)


@pytest.mark.parametrize("room", [*PACKAGED, "train", "space", "benchmarks", "tools"])
def test_public_things_have_docstrings(room: str) -> None:
    silent = []
    for path in python_files(room):
        module = tree(path)
        if not (ast.get_docstring(module) or "").strip():
            silent.append(name(path))
        silent += [f"{name(path)}:{n.lineno} {what}" for what, n in public(module.body) if not ast.get_docstring(n)]
    assert not silent


def test_public_tensor_functions_state_shapes() -> None:
    silent = []
    for path in python_files("modeling_distinctad"):
        for what, node in public(tree(path).body):
            if isinstance(node, Function) and takes_tensors(node) and not SHAPE.search(ast.get_docstring(node) or ""):
                silent.append(f"{name(path)}:{node.lineno} {what}")
    assert not silent


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("frames: (B, N, C) float", True),
        ("(..., 3, H, W)", True),
        ("see (the paper)", False),
        ("a tensor", False),
    ],
)
def test_what_counts_as_a_shape(text: str, stated: bool) -> None:
    assert bool(re.search(SHAPE.pattern, text)) is stated
