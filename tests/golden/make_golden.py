"""Make the golden checkpoint: a tiny random model and what it answers, to notice any change of behaviour.

Run from the repository root with `python tests/golden/make_golden.py`; only after a deliberate change of the layout or
of the arithmetic, and say so in the change log. The folder holds the model (no code files) and `expected.safetensors`
with inputs, logits, losses and generated ids.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "tiny"


def make(folder: Path) -> None:
    """Write the golden model and its answers.

    Args:
        folder: where to write; made if absent.
    """
    import tiny_models
    import torch
    from safetensors.torch import save_file

    model = tiny_models.model("gpt2", seed=11)
    inputs = tiny_models.inputs(seed=12)
    inputs["clip_mask"][1, 2] = inputs["frame_mask"][0, 1, 2] = False
    prompts = tiny_models.inputs(seed=12, answer=0)
    with torch.no_grad():
        output = model(**inputs)
        ids = model.generate(**prompts)
    model.save_pretrained(folder)
    for code in folder.glob("*.py"):
        code.unlink()  # the test loads with the repository's own code
    answers = {"logits": output.logits, "loss_auto": output.loss_auto, "loss_distinctive": output.loss_distinctive}
    tensors = {f"input.{k}": v for k, v in inputs.items()} | {f"prompt.{k}": v for k, v in prompts.items()}
    tensors |= {f"output.{k}": v for k, v in answers.items()} | {"output.ids": ids}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "expected.safetensors")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "modeling_distinctad")]
    make(GOLDEN)
