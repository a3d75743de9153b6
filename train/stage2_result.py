"""The folder that Stage II leaves: written beside its place, and only ever put over an earlier result."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from modeling_distinctad.pipeline_distinctad import DistinctADPipeline
from train.run_record import RunRecord


def save_whole(
    model: Any, processor: Any, output_dir: str, record: RunRecord, metrics: Any, curve: Any, language: bool = True
) -> None:
    """Writes model, processor, code and run record in bfloat16 beside `output_dir`, then takes its place.

    With `language` False the language model is named with its fingerprint instead of stored.
    """
    target = Path(output_dir)
    new, old = target.with_name(target.name + ".new"), target.with_name(target.name + ".old")
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    new.mkdir(parents=True)
    model.to(torch.bfloat16)
    DistinctADPipeline(model, processor, device="cpu").save_pretrained(new, save_language_model=language)
    record.write(new, metrics, curve)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def refuse_strange(target: Path) -> None:
    """Refuse a folder whose place the result would take, unless it is an earlier result of Stage II.

    Raises:
        ValueError: it holds something else.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        stage = json.loads((target / "run_record.json").read_text(encoding="utf-8"))["stage"]
    except (OSError, ValueError, LookupError, TypeError):
        stage = None
    if stage != "stage2":
        raise ValueError(f"{target} is no result of Stage II, and would be replaced; name a new --output_dir")
