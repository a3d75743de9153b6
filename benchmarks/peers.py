"""CIDEr beside pycocoevalcap's, and the vision tower beside what this processor can multiply at most.

`python benchmarks/peers.py [--quick]`; last line: JSON. Seconds are the processor's, one thread.

* `cider_s`, `coco_cider_s`: the same 6,520 drawn pairs (`--quick`: 2,000), ours with its tokenisation, pycocoevalcap's
  without any (its own is a Java program); `cider_difference` between the two values. Null where it is not installed.
* `encode_share_of_limit`: operations a second of the pocket tower over those of one large matrix product.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.catalogue import timed
from benchmarks.metrics import drawn_rows

PRODUCT = 1024


def least(work: Callable[[], Any], repeats: int = 3) -> float:
    """Least processor seconds of some runs after one to warm up."""
    work()
    return timed(work, repeats)


def cider_figures(count: int) -> dict[str, Any]:
    """Ours and pycocoevalcap's on the same words; the prediction is the previous AD.

    Raises:
        RuntimeError: the two values differ.
    """
    from evaluate_metrics.cider.cider_d import cider, tokens

    true = [row["sentence"] for row in drawn_rows(count)]
    told = true[-1:] + true[:-1]
    found: dict[str, Any] = {"cider_s": least(lambda: cider(told, true)), "cider_pairs": count}
    if importlib.util.find_spec("pycocoevalcap") is None:
        return {**found, "coco_cider_s": None, "cider_difference": None}
    from pycocoevalcap.cider.cider import Cider

    references, candidates = ({i: [" ".join(tokens(t))] for i, t in enumerate(texts)} for texts in (true, told))
    found["coco_cider_s"] = least(lambda: Cider().compute_score(references, candidates))
    difference = abs(float(cider(told, true)["cider"]) - 100 * float(Cider().compute_score(references, candidates)[0]))
    if difference > 1e-3:
        raise RuntimeError(f"the two CIDErs differ by {difference:.4f}; expected under 0.001; look at cider_d.py")
    return {**found, "cider_difference": difference}


def encode_figures(pictures: int) -> dict[str, float]:
    """Rate of the pocket tower (pictures read and scaled too), and of one matrix product."""
    from distinctad.feature_tower import FeatureSettings, Tower

    tower = Tower(FeatureSettings(device="cpu"))
    images = [np.full((360, 640, 3), number % 255, np.uint8) for number in range(pictures)]
    with FlopCounterMode(display=False) as counter:
        tower.embed(images)
    encode_s = least(lambda: tower.embed(images))
    square = torch.rand(PRODUCT, PRODUCT)
    limit = 2 * PRODUCT**3 / least(lambda: square @ square, 10)
    rate = counter.get_total_flops() / encode_s
    return {
        "encode_pictures_per_s": pictures / encode_s, "encode_gflops": rate / 1e9, "product_gflops": limit / 1e9,
        "encode_share_of_limit": rate / limit,
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer texts and pictures")
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    figures = {**cider_figures(2000 if asked.quick else 6520), **encode_figures(32 if asked.quick else 128)}
    rounded = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in figures.items()}
    print(json.dumps({"benchmark": "peers", "quick": asked.quick, **rounded}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
