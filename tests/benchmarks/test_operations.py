"""Costs are held by counted operations; the table of benchmarks is what its record says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import bench, operations

ROOT = Path(__file__).resolve().parents[2]
PINNED = json.loads(operations.PINNED.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def counted() -> dict[str, float]:
    threads = torch.get_num_threads()
    try:
        return operations.count()
    finally:
        torch.set_num_threads(threads)


def test_nothing_costs_more_operations_than_pinned(counted: dict[str, float]) -> None:
    assert len(PINNED) == 9 and operations.regressions(counted, PINNED) == []


def test_pins_are_not_generous(counted: dict[str, float]) -> None:
    # Far below its pin, a row would no longer notice a regression: pin it anew.
    assert {name: counted[name] / PINNED[name] for name in PINNED if counted[name] < PINNED[name] * 0.8} == {}


def test_a_regression_names_row_ratio_and_remedy() -> None:
    (line,) = operations.regressions({"a": 106.0, "b": 104.0}, {"a": 100.0, "b": 100.0})
    assert line.startswith("a is 106, 1.06 times the pinned 100") and "operations.py --write" in line
    assert "one side only" in operations.regressions({"a": 1.0}, {})[0]


def test_operations_are_counted_forward_and_backward() -> None:
    layer, rows = nn.Linear(4, 5, bias=False), torch.ones(3, 4)
    with torch.no_grad():
        assert operations.flops(lambda: layer(rows)) == 2 * 3 * 4 * 5
    assert operations.flops(lambda: layer(rows).sum().backward()) == 2 * 2 * 3 * 4 * 5


def test_the_table_is_what_the_record_says() -> None:
    found = json.loads(bench.RECORD.read_text(encoding="utf-8"))
    assert bench.TABLE.read_text(encoding="utf-8") == bench.render(found)
    lines = bench.main_table(found).splitlines()[2:]
    works = " ".join(lines)
    asked = ("decode + sample", "extract features", "Stage I step", "Stage II step", "generate", "R@5/16", "CIDEr",
             "describe a 10-minute film")  # fmt: skip
    assert all(work in works for work in asked)
    assert all(float(line.split("|")[2]) > 0 and line.split("|")[5].strip() for line in lines)


def test_the_readme_takes_its_table_from_the_document() -> None:
    from tools import readme_numbers

    found = json.loads(bench.RECORD.read_text(encoding="utf-8"))
    new = readme_numbers.render("<!-- run-record:bench -->\nold\n<!-- /run-record -->\n", None)
    assert new == f"<!-- run-record:bench -->\n{bench.main_table(found)}<!-- /run-record -->\n"

    make = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nbench:")[2].partition("\n\n")[0]
    assert "tools/readme_numbers.py" in make  # or the tests after `make bench` fail


def test_a_part_that_is_measured_anew_has_its_own_day(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = json.loads(bench.RECORD.read_text(encoding="utf-8"))
    found["dates"] = {"data": "2026-01-02", "metrics": "2026-01-02"}
    for name in ("RECORD", "TABLE"):
        monkeypatch.setattr(bench, name, tmp_path / name)
    bench.RECORD.write_text(json.dumps(found), encoding="utf-8")
    said = json.dumps({**found["metrics"], "recall_s": 4.5})
    monkeypatch.setattr(bench.subprocess, "run", lambda *given, **more: subprocess.CompletedProcess([], 0, said, ""))
    assert bench.main(["--part", "metrics"]) == 0
    now = json.loads(bench.RECORD.read_text(encoding="utf-8"))
    today = now["dates"].pop("metrics")
    assert today > "2026-01-02" == now["dates"].pop("data") and now["dates"] == {}
    assert now["metrics"]["recall_s"] == 4.5 and now["growth"] == found["growth"]
    text = bench.TABLE.read_text(encoding="utf-8")
    assert f"Measured 2026-01-02: data; {today}: metrics; earlier: catalogue, stage1" in text and "4.5 s" in text
    with pytest.raises(SystemExit):
        bench.main(["--part", "metrics", "--quick"])  # short and whole figures in one record


def test_every_benchmark_is_in_the_run() -> None:
    there = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"bench", "operations"}
    there -= {"vit_step", "usage", "loader"}  # one needs an accelerator, the others measure nothing alone
    assert there == set(bench.PARTS)
