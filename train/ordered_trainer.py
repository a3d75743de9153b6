"""What the Trainers of the project share: own figures in the log, a schedule already in order, Muon where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import TrainOutput

from train.muon import TOWER_LAYERS, MuonAdamW
from train.stops import CheckGradients, check_loss


class FigureTrainer(Trainer):
    """Adds the last batch's figures to every line of the log; ends at a loss or gradient that is no number.

    Attributes:
        figures: set by `compute_loss` or `training_step`: name and value of what the last batch showed beside its loss.
    """

    figures: dict[str, float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._place = (-1, -1)
        self.add_callback(CheckGradients(self))

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains, or goes on from a checkpoint; one of the last step is only read: the Trainer would add a step.

        Raises:
            ValueError: the checkpoint is of a later step than the last one asked for.
        """
        path = Path(resume_from_checkpoint) / TRAINER_STATE_NAME if resume_from_checkpoint else None
        state = TrainerState.load_from_json(str(path)) if path is not None and path.is_file() else None
        if state is None or self.is_fsdp_enabled or not 0 < self.args.max_steps <= state.global_step:
            found = super().train(resume_from_checkpoint, *args, **kwargs)
            if not self.is_fsdp_enabled:  # or accelerate's autocast would stay in all that follows
                self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
            return found
        if state.global_step > self.args.max_steps:
            raise ValueError(
                f"{resume_from_checkpoint} is of step {state.global_step}, and {self.args.max_steps} steps are asked "
                "for; expected no fewer; name another --output_dir, or ask for as many"
            )
        self._load_from_checkpoint(resume_from_checkpoint)
        self.state = state
        return TrainOutput(state.global_step, 0.0, {})

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Adds the gradients of one batch; returns the loss, a scalar.

        Raises:
            NotFiniteError: the loss is no number.
        """
        step, part = self.state.global_step, self._place[1]
        self._place = (step, part + 1 if self._place[0] == step else 0)
        loss = self.add_gradients(model, inputs, num_items_in_batch)
        check_loss(loss, step + 1, self.batch_name())
        return loss

    def add_gradients(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """What one batch adds; the Trainer's own step. Override this, not `training_step`."""
        return super().training_step(model, inputs, num_items_in_batch)

    def batch_name(self) -> str:
        """Names this rank's last batch in a message."""
        items = self.batch_items()
        return f"items {items[0]} to {items[-1]} of the epoch" if items else "unknown"

    def batch_items(self) -> range:
        """Places of this rank's last batch in the order of the epoch (whole batches, ranks in turn)."""
        step, part = self._place
        args = self.args
        number = (step * args.gradient_accumulation_steps + max(part, 0)) * args.world_size + args.process_index
        size = args.per_device_train_batch_size
        return range(number * size, (number + 1) * size)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds `figures` to the lines that hold a loss."""
        super().log({**logs, **(getattr(self, "figures", {}) if "loss" in logs else {})}, *args, **kwargs)


class OrderedTrainer(FigureTrainer):
    """Trains items in the order of its data set.

    The schedules are shuffled when they are made, from the seed, so that a resumed run skips to its place and sees
    the same items.
    """

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        """The data set's own order."""
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)


class MuonTrainer(OrderedTrainer):
    """Trains the matrices and kernels of a stack of layers by Muon, if asked to.

    Attributes:
        muon_lr: Muon's learning rate; 0: AdamW for everything.
        muon_within: parts of a parameter's name that mark the inside of the stack.
    """

    muon_lr: float = 0.0
    muon_within: tuple[str, ...] = TOWER_LAYERS

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """Muon with AdamW if `muon_lr` asks for it, else the Trainer's own."""
        if self.muon_lr <= 0 or self.optimizer is not None:
            return super().create_optimizer(*args, **kwargs)
        rates = self.args.learning_rate, self.muon_lr, self.args.weight_decay
        self.optimizer = MuonAdamW(self.model, *rates, within=self.muon_within)
        return self.optimizer
