"""Short runs of Stage II on the tiny towers and cache of the fixtures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from train.arguments import RunArguments
from train.stage2 import Stage2Arguments


def arguments(towers: dict[str, str], features: Path, **changes: Any) -> Stage2Arguments:
    return Stage2Arguments(
        **{
            "clip": towers["clip"], "language": towers["lm"], "features": str(features), "epochs": 2, "max_steps": 4,
            "window_size": 8, "train_characters": "predicted",
            "perceiver_depth": 1, "warmup_share": 0.25, "decode_num_beams": 1, **changes,
        }
    )  # fmt: skip


def run(folder: Path, **changes: Any) -> RunArguments:
    return RunArguments(
        **{
            "output_dir": str(folder), "learning_rate": 1e-3, "lr_schedule": "constant", "batch_size": 2, "bf16": False,
            "logging_steps": 1, "save_steps": 2, **changes,
        }
    )  # fmt: skip


def losses(folder: Path) -> list[float]:
    record = json.loads((folder / "run_record.json").read_text(encoding="utf-8"))
    return [line["loss"] for line in record["curve"] if "loss" in line]
