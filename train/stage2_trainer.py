"""The Trainer of Stage II: the global batch's counts, checkpoints of the trained part, moving-average bases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import TrainerCallback
from transformers.trainer import SCHEDULER_NAME

from train.ordered_trainer import OrderedTrainer

WEIGHTS = "model.safetensors"
FROZEN = ("vision_tower.", "language_model.")


class MovingBases(TrainerCallback):
    """Moves "ema_buffer" bases after each optimiser step, on every rank alike (never inside `forward`)."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Adds all ranks' sums and moves the bases."""
        if self.model.contextual_em is not None:
            self.model.contextual_em.move_average()


def placed_like(value: Tensor, held: Tensor | None) -> Tensor:
    """A whole tensor as the one it shall replace lies: in shards, if that one does (every rank must call this)."""
    if not isinstance(held, DTensor):
        return value
    return distribute_tensor(value.to(held.device), held.device_mesh, held.placements)


class Stage2Trainer(OrderedTrainer):
    """Trains windows in their scheduled order; checkpoints hold trained parameters and buffers only.

    Both losses are sums over the global batch (all ranks and accumulation steps), so that 8 x 1 windows, 1 x 8 and two
    ranks give one gradient. Logits are computed only where the loss counts. `figures` are this rank's parts of it.

    Attributes:
        language_chunk: clips whose activations the language model holds at a time; 0: all.
    """

    language_chunk: int = 0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_distinctive: Tensor | None = None
        self.figures = {}
        self.add_callback(MovingBases(self.model))

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
        """The batches of one optimiser step; counts their distinctive tokens beside the supervised ones."""
        samples, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.figures = {}
        if samples and "distinctive_mask" in samples[0]:
            marked = [(b["labels"][..., 1:] != -100) & (b["distinctive_mask"][..., 1:] != 0) for b in samples]
            self.num_distinctive = torch.stack([m.sum() for m in marked]).sum().to(device)
            if self.args.world_size > 1:
                self.num_distinctive = self.accelerator.gather(self.num_distinctive).sum()
        return samples, items

    def batch_name(self) -> str:
        """Films and clips of this rank's last windows."""
        schedule: Any = self.train_dataset
        windows = [schedule[place] for place in self.batch_items() if place < len(schedule)]
        named = [f"film {film} clips {rows[0]} to {rows[-1]}" for _, film, rows in windows]
        return ", ".join(named[:8]) + (f" and {len(named) - 8} more" if len(named) > 8 else "")

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """L_II, both parts over the counts of the global batch; keeps the parts for the log."""
        output = model(
            **inputs, num_items_in_batch=num_items_in_batch, num_distinctive_in_batch=self.num_distinctive,
            loss_only=True, language_chunk=self.language_chunk,
        )  # fmt: skip
        for name in ("loss_auto", "loss_distinctive"):
            if output[name] is not None:
                self.figures[name] = self.figures.get(name, 0.0) + float(output[name].detach())
        loss = output.loss
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes  # DDP averages what is already divided by the global count
        return (loss, output) if return_outputs else loss

    def trained_state(self) -> dict[str, Tensor]:
        """The trained parameters and the buffers, whole; adapters in the language model belong to them.

        With FSDP every rank must call this: the shards are gathered.
        """
        whole = self.accelerator.unwrap_model(self.model)
        trained = set(whole.trainable_parameter_names())
        kept = {k: v for k, v in whole.state_dict().items() if k in trained or not k.startswith(FROZEN)}
        return {k: (v.full_tensor() if isinstance(v, DTensor) else v).contiguous() for k, v in kept.items()}

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Writes the trained part only, by one rank; every rank calls it."""
        folder, state = Path(output_dir or self.args.output_dir), self.trained_state()
        if self.args.should_save:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(state, folder / WEIGHTS)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Leaves out what the Trainer adds with FSDP: all frozen weights, once more in every checkpoint."""
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        from accelerate.utils import save_fsdp_optimizer

        plugin = self.accelerator.state.fsdp_plugin
        save_fsdp_optimizer(plugin, self.accelerator, self.optimizer, self.model, output_dir)
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Takes the trained part from a checkpoint.

        Raises:
            ValueError: something but the frozen towers is missing or unknown.
        """
        target, state = model or self.model, load_file(Path(resume_from_checkpoint) / WEIGHTS)
        trained, held = set(target.trainable_parameter_names()), target.state_dict()
        left = target.load_state_dict({k: placed_like(v, held.get(k)) for k, v in state.items()}, strict=False)
        missing = [k for k in left.missing_keys if k in trained or not k.startswith(FROZEN)]
        if missing or left.unexpected_keys:
            raise ValueError(
                f"{resume_from_checkpoint}: missing {missing[:3]}, unknown {left.unexpected_keys[:3]}; expected this "
                "model's trained part; resume with the configuration of the run, or delete the checkpoint"
            )


__all__ = ["MovingBases", "Stage2Trainer", "WEIGHTS"]
