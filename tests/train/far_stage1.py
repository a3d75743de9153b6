"""Run by torchrun on two ranks: gradients and a short training equal those of one rank on the same batch.

Arguments: a CLIP folder, a folder to write to and the losses of one rank as JSON.
"""

from __future__ import annotations

import copy
import functools
import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import distributed

sys.path.insert(0, str(Path(__file__).parent))
from tiny_stage1 import CLIPS, STEPS, error, gradient, loss_of, short_training, tiny_batch, tiny_model

from train.gradient_cache import cached_backward, gather_padded, gather_rows


def require(fact: bool, message: str) -> None:
    """Ends the process with a message, unless."""
    if not fact:
        sys.exit(f"rank {distributed.get_rank() if distributed.is_initialized() else '?'}: {message}")


def compare_gradients(accelerator: Accelerator) -> None:
    """Both ranks hold the gradient that one rank finds on the joined batch."""
    rank, half = accelerator.process_index, CLIPS // 2
    batch = tiny_batch()
    model = tiny_model()
    alone = copy.deepcopy(model)
    loss_of(alone(batch["pixel_values"]), batch).backward()
    expected = gradient(alone)
    own = {name: rows[rank * half : (rank + 1) * half] for name, rows in batch.items()}
    width = int(own["word_mask"].sum(1).max())
    require(width == (4, 6)[rank], f"{width} words; the ranks should differ")
    joined = {name: gather_rows(own[name]) for name in ("texts", "text_ids", "index")}
    for name in ("words", "word_mask"):
        joined[name] = gather_padded(own[name][:, :width])
    require(torch.equal(joined["word_mask"], batch["word_mask"]), "word masks differ")
    wrapped = accelerator.prepare(model)
    no_sync = functools.partial(accelerator.no_sync, wrapped)
    for chunk in (1, 3, 0):
        cached_backward(
            wrapped, own["pixel_values"], functools.partial(loss_of, batch=joined), chunk, no_sync=no_sync,
            backward=accelerator.backward,
        )  # fmt: skip
        found = gradient(model)
        require(error(found, expected) < 1e-5, f"chunk {chunk}: relative error {error(found, expected):.1e}")


def main() -> None:
    """Compares on every rank, then ends the group."""
    clip, folder, one = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    accelerator = Accelerator(cpu=True)
    require(distributed.get_world_size() == 2, f"world size {distributed.get_world_size()}, expected 2")
    compare_gradients(accelerator)
    two = short_training(clip, folder, 4, 3)
    require(len(one) == len(two) == STEPS, f"{len(one)} and {len(two)} losses")
    require(all(abs(a - b) < 1e-5 * abs(a) for a, b in zip(one, two, strict=True)), f"losses {one} and {two}")
    print(f"rank {distributed.get_rank()} of 2: equal", flush=True)
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
