"""What the Trainers of the project share: own figures in the log, a schedule already in order, Muon where asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer

from train.muon import MuonAdamW


class FigureTrainer(Trainer):
    """Adds the last batch's figures to every line of the log.

    Attributes:
        figures: set by `compute_loss` or `training_step`: name and value of what the last batch showed beside its loss.
    """

    figures: dict[str, float]

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
    muon_within: tuple[str, ...] = ("encoder.layers.", "encoder.stages.")

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        """Muon with AdamW if `muon_lr` asks for it, else the Trainer's own."""
        if self.muon_lr <= 0 or self.optimizer is not None:
            return super().create_optimizer(*args, **kwargs)
        rates = self.args.learning_rate, self.muon_lr, self.args.weight_decay
        self.optimizer = MuonAdamW(self.model, *rates, within=self.muon_within)
        return self.optimizer
