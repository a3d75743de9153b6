"""Stage I in processes of its own that are killed. Not a test file.

`python stage1_process.py CLIP OUT` writes how they ended to OUT/found.json; OUT/killed holds what they trained.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import safetensors.torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import killed_runs
from killed_runs import Moment
from tiny_stage1 import arguments, run

from train import stage1

STEPS = 5


def train(clip: str, out: Path, name: str) -> None:
    """A short run, saved every other step; the frames are drawn once."""
    asked = arguments({"clip": clip}, STEPS, frame_cache=str(out / "frames"), text_cache=str(out / "texts"))
    stage1.train(asked, run(out / name))


def main(clip: str, out: Path) -> None:
    """Kills a run in step 3, the first after a checkpoint, and in the middle of the next save; then lets it end."""

    def work(moment: Moment) -> None:
        # the Trainer writes the weights of what is no PreTrainedModel by this function
        killed_runs.arm(moment, (safetensors.torch, "save_file"), (stage1.EpochDraw, "on_optimizer_step"))
        train(clip, out, "killed")

    found = {"ends": killed_runs.ends([2, "save"], work)}
    (out / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
