"""The run record: what was run, on what, with which result; README and model card are generated from it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "datasets", "accelerate", "peft", "evaluate", "safetensors", "av", "numpy")


def write_whole(path: Path, text: str) -> None:
    """Writes a text so that what carries the name is whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _commit() -> str:
    """This project's checked-out commit with "+changes" when the tree differs, or "unknown" outside a clone."""
    try:
        head, dirty = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if dirty else "")


def _git(*words: str) -> str:
    """What git says of the clone that this file is in, wherever the command was started."""
    own = Path(__file__).resolve().parent
    return subprocess.run(["git", *words], cwd=own, capture_output=True, text=True, check=True).stdout.strip()


def _versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def fingerprint(*parts: object) -> str:
    """First 16 hex digits of the SHA-256 of the JSON of `parts`: names the data of a run."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _from_here(word: str) -> str:
    """A word of the command, a whole path as seen from here: records hold no machine's folders."""
    if not os.path.isabs(word):
        return word
    try:
        return os.path.relpath(word)
    except ValueError:  # on another drive of Windows
        return os.path.basename(word)


class RunRecord:
    """Collects and writes `run_record.json`.

    Args:
        stage: name of the step, e.g. "stage2".
        config: the resolved configuration, JSON-ready.
        seed: seed of the run.
        data: fingerprint of the data.
    """

    def __init__(self, stage: str, config: Mapping[str, Any], seed: int, data: str) -> None:
        self._started = time.time()
        command = ["python", *map(_from_here, sys.argv)]
        self.content: dict[str, Any] = {
            "stage": stage,
            "commit": _commit(),
            "command": " ".join(command),
            "config": dict(config),
            "seed": seed,
            "data": data,
            "versions": _versions(),
            "hardware": _hardware(),
            "metrics": {},
        }

    def write(self, folder: Path, metrics: Mapping[str, Any], curve: list[dict[str, Any]] | None = None) -> Path:
        """Writes the record (through a temporary file) and returns its path."""
        self.content["hardware"] = _hardware()  # again: by now the run has used an accelerator or has not
        self.content["metrics"] = dict(metrics)
        self.content["curve"] = curve or []
        self.content["wall_s"] = round(time.time() - self._started, 1)
        path = folder / "run_record.json"
        write_whole(path, json.dumps(self.content, indent=1, ensure_ascii=False, default=str) + "\n")
        return path


def _hardware() -> dict[str, Any]:
    """Kind of machine, cores, torch's threads, and the accelerator if this process has used one."""
    import torch

    found: dict[str, Any] = {
        "machine": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads(),
    }  # fmt: skip
    if torch.cuda.is_initialized():
        found["accelerator"] = torch.cuda.get_device_name()
    return found
