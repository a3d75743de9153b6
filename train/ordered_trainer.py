"""What every Trainer of the project shares: a schedule that is already in order, and its own figures in the log."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer


class OrderedTrainer(Trainer):
    """Trains items in the order of its data set and adds the last batch's figures to every line of the log.

    The schedules are shuffled when they are made, from the seed, so that a resumed run skips to its place and sees
    the same items.

    Attributes:
        figures: set by `compute_loss`: name and value of what the last batch showed beside its loss.
    """

    figures: dict[str, float]

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        """The data set's own order."""
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds `figures` to the lines that hold a loss."""
        super().log({**logs, **(getattr(self, "figures", {}) if "loss" in logs else {})}, *args, **kwargs)


__all__ = ["OrderedTrainer"]
