"""The plan for 10,000 films: operations counted as published, prices only from flags, the document generated."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from benchmarks.catalogue import VITS, count_vit, render  # noqa: E402

FOUND = {
    "hash, a GB": 1.0, "encode pocket, a picture": 0.01, "describe pocket, an AD": 0.1,
    **{f"decode {size}, {what}": 0.36 for size in ("640x360", "1920x1080") for what in ("8 an AD", "5 a second")},
}  # fmt: skip
SIZES = {"width": 256.0, "features": 100_000.0, "drafts": 5_000.0}


def written(**flags: float | None) -> str:
    asked = {"price_core_hour": None, "price_gpu_hour": None, "gpu_tflops": None, **flags}
    return render(FOUND, SIZES, argparse.Namespace(**asked))


@pytest.mark.parametrize(("name", "giga"), [("CLIP ViT-B/32", 4.4), ("CLIP ViT-L/14", 81.0)])
def test_operations_are_those_of_the_papers(name: str, giga: float) -> None:
    assert count_vit(*VITS[name]) / 2e9 == pytest.approx(giga, rel=0.02)  # published as multiply-adds


def test_hours_and_prices() -> None:
    plain = written()
    # 10,000 films of 110 min at 0.36 s a minute are 110 core-hours
    assert "| decode 640x360 for describe | 0.36 | 110 | - | - | 110 c | measured |" in plain
    assert "1,100,000,000" not in plain and " = " not in plain.partition("## Work")[2]
    priced = written(price_core_hour=0.5, price_gpu_hour=2.0, gpu_tflops=100.0)
    assert "| 110 c = 55 | measured |" in priced
    hours = re.search(r"LLaMA-3-8B, greedy .*\| ([\d,]+) / T = (\d+) \| ([\d,]+) g / T = (\d+) \|", priced)
    assert hours and float(hours[1].replace(",", "")) / 100 == pytest.approx(int(hours[2]), abs=1)
    assert int(hours[4]) == pytest.approx(2 * int(hours[2]), abs=2)


def test_every_row_says_whether_it_was_measured() -> None:
    rows = [line for line in written().splitlines() if re.match(r"\| (decode|encode|describe|drafts|features)", line)]
    assert len(rows) == 15
    assert all(re.search(r"\| (measured|predicted)[^|]*\|$", row) for row in rows)


def test_the_document_is_the_generated_one() -> None:
    def words(text: str) -> str:
        return re.sub(r"[\d,.]+", "0", text)

    assert words((ROOT / "docs" / "scale.md").read_text(encoding="utf-8")) == words(written())
