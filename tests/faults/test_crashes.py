"""Inputs that once broke a parser (the fuzzer found them) are read or refused in its own words."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from tools.fuzz import changed_json
from tools.fuzz_targets import TARGETS, attempt

CRASHES = sorted((Path(__file__).parent / "crashes").rglob("*.bin"))


@pytest.mark.parametrize("path", CRASHES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_once_broke_a_parser_is_refused(path: Path, tmp_path: Path) -> None:
    assert attempt(TARGETS[path.parent.name], path.read_bytes(), tmp_path) is None


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in ("video", "probe", "webdataset")])
def test_first_inputs_are_read_or_refused(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    accepted = 0
    for data in target.seeds(tmp_path):
        assert attempt(target, data, tmp_path) is None
        try:
            target.run(data, tmp_path)
            accepted += 1
        except target.allowed():
            continue
    assert accepted, "no first input is whole: the fuzzer would see refusals only"


def test_a_target_that_raises_something_else_is_a_finding(tmp_path: Path) -> None:
    broken = TARGETS["cast"].__class__("x", lambda data, folder: 1 // 0, TARGETS["cast"].errors, (), lambda folder: [])
    assert isinstance(attempt(broken, b"", tmp_path), ZeroDivisionError)


def test_an_attempt_leaves_logging_as_it_was(tmp_path: Path) -> None:
    heard: list[int] = []
    noisy = TARGETS["cast"].__class__(
        "x", lambda data, folder: heard.append(logging.root.manager.disable) or 1 // len(data),
        TARGETS["cast"].errors, (), lambda folder: [],
    )  # fmt: skip
    before = logging.root.manager.disable
    for data in (b"x", b""):  # read, and broken by
        attempt(noisy, data, tmp_path)
        assert logging.root.manager.disable == before
    assert heard == [logging.CRITICAL] * 2


def test_json_is_changed_as_json() -> None:
    import random

    whole = b'{"a": [1, {"b": "c"}], "d": null}'
    made = {changed_json(whole, random.Random(seed)) for seed in range(50)}
    assert len(made) > 20 and all(json.loads(data) is not ... for data in made)
    assert changed_json(b"[1", random.Random(0)) == b"[1"
