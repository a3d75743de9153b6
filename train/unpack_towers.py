"""The frozen towers of a checkpoint as folders of their own, so that its ablations run without training them anew.

`make pocket` trains `runs/pocket/lm` and `runs/pocket/clip_actors` for an hour; the committed checkpoint holds the same
weights, frozen, rounded to bfloat16. A folder that is there already is never touched.

Run: `python train/unpack_towers.py distinctad/checkpoint --out runs/pocket`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from transformers import AutoConfig

from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from train.stops import plain_refusals

VISION, LANGUAGE = "clip_actors", "lm"  # as the YAMLs of the ablations name them


def unpack(checkpoint: Path, out: Path) -> tuple[Path, Path]:
    """Write the vision tower with its image settings and the language model, each with the tokenizer, as float32.

    Args:
        checkpoint: folder of a trained model that holds its language model.
        out: gets the folders `clip_actors` and `lm`, whole or not at all.

    Returns:
        The two folders.

    Raises:
        ValueError: one of them is there, or the checkpoint is none.
    """
    targets = out / VISION, out / LANGUAGE
    for target in targets:
        if target.exists():
            raise ValueError(f"{target} is there already; expected no such folder; name another --out or remove it")
    if not (checkpoint / "config.json").is_file():
        raise ValueError(f"{checkpoint} has no config.json; expected the folder of a trained model; name one")
    AutoConfig.register("distinctad", DistinctADConfig, exist_ok=True)  # this package's code, never the folder's
    model = DistinctADForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    processor = DistinctADProcessor.from_pretrained(checkpoint, trust_remote_code=False)
    for target, parts in (
        (targets[0], (model.vision_tower, processor.tokenizer, processor.image_processor)),
        (targets[1], (model.language_model, processor.tokenizer)),
    ):
        partial = target.with_name(target.name + ".partial")
        for part in parts:
            part.save_pretrained(partial)
        partial.replace(target)
    return targets


@plain_refusals()
def main(argv: Sequence[str] | None = None) -> int:
    """Unpack and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="folder of a trained model")
    parser.add_argument("--out", type=Path, required=True, help="folder that gets clip_actors and lm")
    asked = parser.parse_args(argv)
    for target in unpack(asked.checkpoint, asked.out):
        print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
