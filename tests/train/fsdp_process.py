"""Stage II sharded by accelerate's own FSDP2 on CPU ranks. Not a test file.

accelerate shards on accelerators only and silently stays plain on a CPU. Everything behind that one decision works on
gloo ranks too, so two ranks take the decision as `accelerate launch` would with the project's YAML, and run
`train.stage2.train` as it is. `fsdp_process.py LAYER CLIP LM FEATURES OUT {"field": value} KILLED_AT`: LAYER is the
class of the language model's layers, the JSON changes fields of `Stage2Arguments`, and both ranks die in step KILLED_AT
of a first run, which a second one resumes. OUT/found.json tells how the ranks ended and what was not sharded.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = REPOSITORY / "train" / "configs" / "accelerate_fsdp.yaml"
NAMES = {"FSDP_TRANSFORMER_LAYER_CLS_TO_WRAP": "FSDP_TRANSFORMER_CLS_TO_WRAP"}  # as accelerate reads it


def launched(layer: str) -> dict[str, str]:
    """The variables that `accelerate launch` sets for the project's YAML, with the layers of a tiny model."""
    asked = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["fsdp_config"]
    found = {
        name.upper(): str(value).lower() if isinstance(value, bool) else str(value) for name, value in asked.items()
    }
    found["FSDP_TRANSFORMER_LAYER_CLS_TO_WRAP"] = layer
    return {"ACCELERATE_USE_FSDP": "true", **{NAMES.get(name, name): value for name, value in found.items()}}


def shard_on_cpu() -> None:
    """Makes accelerate's state of several CPU ranks one of FSDP, where it was asked for."""
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedType

    begin = AcceleratorState.__init__

    def beginning(self: Any, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        new = not AcceleratorState._shared_state
        begin(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if new and fsdp_plugin is not None:
            assert self.distributed_type == DistributedType.MULTI_CPU and self.num_processes == 2
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin
            if self.mixed_precision != "no":
                fsdp_plugin.set_mixed_precision(self.mixed_precision)

    AcceleratorState.__init__ = beginning  # type: ignore[method-assign]


def rank_of_two(run: Any, arguments: Any, killed_at: int | None) -> None:
    """What one rank does: trains, or dies; rank 0 leaves OUT/sharded.json."""
    import torch
    from torch.distributed.tensor import DTensor

    from train import stage2, stage2_trainer

    torch.set_num_threads(1)
    shard_on_cpu()
    found: dict[str, Any] = {}
    compute = stage2_trainer.Stage2Trainer.compute_loss

    def seen(self: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step + 1 == killed_at:
            os._exit(9)
        if not found:
            found["plain"] = [name for name, part in self.model.named_parameters() if not isinstance(part, DTensor)]
            found["world"] = self.accelerator.num_processes
        return compute(self, model, *args, **kwargs)

    stage2_trainer.Stage2Trainer.compute_loss = seen  # type: ignore[method-assign]
    stage2.train(arguments, run)
    if os.environ["RANK"] == "0":
        Path(run.output_dir).with_name("sharded.json").write_text(json.dumps(found), encoding="utf-8")


def two_ranks(*work: Any) -> list[int]:
    """Exit codes of two ranks that do `rank_of_two`, forked from this process, which has imported all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    children = []
    for rank in ("0", "1"):
        child = os.fork()
        if child == 0:
            os.environ.update({**place, "RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": "2"})
            rank_of_two(*work)
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main(layer: str, clip: str, language: str, features: str, out: str, changes: str, killed_at: str) -> None:
    """Runs, kills, runs again."""
    os.environ.update(launched(layer))
    sys.path[:0] = [str(REPOSITORY), str(Path(__file__).parent)]
    import stage2_process

    run = stage2_process.run(Path(out, "shards"), batch=1)
    arguments = stage2_process.arguments(clip, language, features, **json.loads(changes))
    ends = [two_ranks(run, arguments, moment) for moment in (int(killed_at), None)]
    found = json.loads(Path(out, "sharded.json").read_text(encoding="utf-8"))
    Path(out, "found.json").write_text(json.dumps({"ends": ends, **found}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
