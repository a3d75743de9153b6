"""Stage II in processes of its own: two gloo ranks, a sharded model, and runs that are killed. Not a test file.

`python stage2_process.py ranks|killed CLIP LM FEATURES OUT` writes its findings to OUT/found.json (by rank 0).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import distributed

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import killed_runs
from killed_runs import Moment

from train import stage2, stage2_trainer
from train.arguments import RunArguments, training_arguments
from train.collators import WindowCollator, scheduled_windows
from train.features import FeatureCache
from train.stage2 import Stage2Arguments, build_model, build_processor

STEPS, SAVED_EVERY = 8, 2


def arguments(clip: str, language: str, features: str, **changes: Any) -> Stage2Arguments:
    """A short run with everything on that must survive: moving bases, own normalisation, warm-up, cosine."""
    return Stage2Arguments(
        **{
            "clip": clip, "language": language, "features": features, "epochs": 8, "max_steps": STEPS,
            "window_size": 4, "perceiver_depth": 1, "decode_num_beams": 1, "em_preset": "emcl",
            "dist_normalisation": "own", "train_characters": "all", "test_characters": "all", **changes,
        }
    )  # fmt: skip


def run(folder: Path, batch: int, seed: int = 1) -> RunArguments:
    """Logs every step, saves every second."""
    return RunArguments(
        output_dir=str(folder), learning_rate=1e-3, batch_size=batch, bf16=False, logging_steps=1, seed=seed,
        save_steps=SAVED_EVERY,
    )  # fmt: skip


def sharded(clip: str, language: str, features: str) -> dict[str, Any]:
    """Loss and gradient norm of a model sharded over the ranks, beside those of the whole model on all windows."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    asked, cache = arguments(clip, language, features, em_preset="default"), FeatureCache(features)
    processor = build_processor(asked)
    collator = WindowCollator(processor, cache, stage2.window_options(asked, 1))
    windows = scheduled_windows(cache, ["1", "2"], 4, 1, 1)[:2]
    batches = [collator([window]) for window in windows]
    counts = sum((batch["labels"][..., 1:] != -100).sum() for batch in batches)

    def made() -> Any:
        torch.manual_seed(0)
        return build_model(asked, processor, cache, ["1", "2"]).train()

    whole = made()
    losses = [whole(**batch, num_items_in_batch=counts, num_distinctive_in_batch=9, loss_only=True).loss
              for batch in batches]  # fmt: skip
    sum(losses).backward()
    model = made()
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    for block in model.language_model.transformer.h:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    shards = [isinstance(p, DTensor) for p in model.parameters()]
    mine = batches[distributed.get_rank()]
    loss = model(**mine, num_items_in_batch=counts, num_distinctive_in_batch=9, loss_only=True).loss
    (loss * distributed.get_world_size()).backward()  # ranks are averaged
    total = loss.detach().clone()
    distributed.all_reduce(total)
    worst = 0.0
    for name in whole.trainable_parameter_names():
        expected, given = whole.get_parameter(name).grad, model.get_parameter(name).grad
        given = given.full_tensor() if isinstance(given, DTensor) else given
        worst = max(worst, float((given - expected).abs().max() / expected.abs().max().clamp_min(1e-6)))
    local = sum(p.to_local().numel() for p in model.parameters() if isinstance(p, DTensor))
    return {
        "dtensors": all(shards), "loss": float(total), "expected": float(sum(losses).detach()), "worst": worst,
        "local": local, "all": sum(p.numel() for p in whole.parameters()),
    }  # fmt: skip


def ranks(clip: str, language: str, features: str, out: Path) -> None:
    """Both checks on two ranks; `train` itself ends the process group."""
    training_arguments(run(out / "two", batch=1))  # opens the group as a training's command does
    world, rank = distributed.get_world_size(), distributed.get_rank()
    group: Any = distributed.group.WORLD
    waits = group._get_backend(torch.device("cpu")).options._timeout
    found: dict[str, Any] = {"sharded": sharded(clip, language, features), "wait_s": waits.total_seconds()}
    worlds: list[int] = []
    compute = stage2_trainer.Stage2Trainer.compute_loss

    def seen(self: Any, *args: Any, **kwargs: Any) -> Any:
        worlds.append(self.accelerator.num_processes)
        return compute(self, *args, **kwargs)

    stage2_trainer.Stage2Trainer.compute_loss = seen  # type: ignore[method-assign]
    stage2.train(arguments(clip, language, features, max_steps=3, warmup_share=0.0), run(out / "two", batch=1))
    if rank == 0:
        found["worlds"] = {"asked": world, "trained": sorted(set(worlds))}
        (out / "found.json").write_text(json.dumps(found), encoding="utf-8")


def killed(clip: str, language: str, features: str, out: Path) -> None:
    """Kills a run five times, once in the middle of a save, resuming each time; then lets it end."""

    def work(moment: Moment) -> None:
        killed_runs.arm(moment, (stage2_trainer, "save_file"), (stage2_trainer.MovingBases, "on_optimizer_step"))
        stage2.train(arguments(clip, language, features), run(out / "killed", batch=2))

    found = {"ends": killed_runs.ends([1, 3, "save", 5, 6], work)}
    (out / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    {"ranks": ranks, "killed": killed}[sys.argv[1]](*sys.argv[2:5], Path(sys.argv[5]))
