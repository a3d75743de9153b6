"""`make floor` tests what pyproject promises: its pins are the lower bounds, and it tests all of the model's tests."""

from __future__ import annotations

import re
import tomllib

from sources import ROOT


def test_the_floor_is_the_promised_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    bounds = dict(re.match(r"([\w-]+)>=([\d.]+)", line).groups() for line in project["dependencies"] if ">=" in line)  # type: ignore[union-attr]
    # pip keeps what is installed if nothing forbids it: these were tried below their bounds and end in tracebacks
    assert {"typer", "av", "datasets", "webvtt-py", "pysubs2"} <= set(bounds)
    ours = (ROOT / "requirements-ci.txt").read_text("utf-8")
    for name, bound in bounds.items():
        if name != "torch":
            [pin] = re.findall(rf"^{name}==([\d.]+)", ours, re.MULTILINE)
            assert tuple(map(int, pin.split("."))) >= tuple(map(int, bound.split("."))), name
    bounds = {name: bounds[name] for name in ("torch", "transformers")}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    pins = (ROOT / "requirements-floor.txt").read_text("utf-8")
    assert all(f"\n{name}=={bound}.0\n" in pins for name, bound in bounds.items())
    [recipe] = re.findall(r"^floor: \$\(FLOOR_STAMP\)\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert "pytest tests/modeling_distinctad\n" in recipe
    lines = [line for line in pins.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    assert ".venv-floor/" in (ROOT / ".gitignore").read_text("utf-8")
