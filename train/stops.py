"""How a training run stops when something is wrong: one line, and the last good checkpoint as it was."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import TrainerCallback

from datasets_scripts.memory import is_out_of_memory
from datasets_scripts.one_writer import only_writer

_DISK = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT, errno.EFBIG, errno.EIO)
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
_ROOT = Path(__file__).resolve().parent.parent
_OURS = tuple(_ROOT / n for n in ("datasets_scripts", "distinctad", "evaluate_metrics", "modeling_distinctad", "train"))
_WRITER = ("PytorchStreamWriter", "file write failed", "unexpected pos")  # what torch.save says of a disk


class NotFiniteError(ArithmeticError):
    """A loss or gradient is NaN or infinite; nothing has been learnt from the batch and nothing is saved after it."""


def check_loss(loss: Tensor, step: int, batch: str) -> None:
    """See that a loss is a number.

    Args:
        loss: scalar.
        step: the optimiser step at hand, from 1.
        batch: what names the batch.

    Raises:
        NotFiniteError: it is not.
    """
    if not torch.isfinite(loss).all():
        raise NotFiniteError(_said(f"the loss is {float(loss)}", step, batch))


class CheckGradients(TrainerCallback):
    """Ends a run before a gradient that is no number reaches the weights.

    Args:
        trainer: has `batch_name()`.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Looks at every gradient, once a step.

        Raises:
            NotFiniteError: one holds a NaN or an infinity.
        """
        given = [(name, p.grad) for name, p in kwargs["model"].named_parameters() if p.grad is not None]
        bad = [name for name, gradient in given if not torch.isfinite(gradient).all()]
        if bad:  # clipping, which comes before, makes every gradient NaN because of one; then its name is lost
            what = f"the gradient of {bad[0]}" if len(bad) < len(given) else "a gradient"
            where = state.global_step + 1, self.trainer.batch_name()
            raise NotFiniteError(_said(f"{what} is not finite", *where))


def _said(what: str, step: int, batch: str) -> str:
    return (
        f"{what} at step {step}, batch {batch}; expected finite numbers; nothing of this step is kept: look at these "
        "clips or lower learning_rate, and run the same command to go on from the last checkpoint"
    )


def _refusal(error: OSError | ValueError) -> str | None:
    """What a user can mend; None for a bug: only a ValueError that this project raises is written for users."""
    if isinstance(error, OSError):
        # transformers says without a number that there is no such model; the system names the file that it misses
        number = _number(error)
        named = number is None or (number in _ABSENT and error.filename is not None)
    else:
        raised = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        named = any(raised.is_relative_to(folder) for folder in _OURS)
    return " ".join(str(error).split()) if named else None


def _number(error: OSError) -> int | None:
    """The system's number of an error; one of a data worker arrives as its traceback's text alone."""
    told = re.search(r"\[Errno (\d+)\][^\n]*$", str(error).strip()) if str(error).startswith("Caught ") else None
    return int(told[1]) if error.errno is None and told is not None else error.errno


@contextlib.contextmanager
def plain_refusals() -> Iterator[None]:
    """Say in one line what a user can mend; anything else keeps its traceback.

    Raises:
        SystemExit: status 2, after a ValueError of this project or for a file or model that is not there.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        line = _refusal(error)
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        raise SystemExit(2) from error


@contextlib.contextmanager
def plain_stops(output_dir: str) -> Iterator[None]:
    """Hold a run's folder, and say in one line what ended the run.

    Args:
        output_dir: the run's folder; on rank 0 no other process may train into it.

    Raises:
        SystemExit: after a loss that is no number, a dead data worker, a full disk or memory (status 1), for what
            `plain_refusals` refuses or where another process trains into the folder (status 2).
    """
    try:
        with contextlib.ExitStack() as held:
            held.enter_context(plain_refusals())
            target = Path(output_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            if os.environ.get("RANK", "0") == "0":
                held.enter_context(only_writer(target.with_name(f".{target.name}.lock"), output_dir))
            yield
    except (ArithmeticError, OSError, RuntimeError, MemoryError, SafetensorError) as error:
        line = _line(_signalled(error))
        if line is None:
            raise
        print(f"\nerror: {line}", file=sys.stderr)  # the progress bar ends without a line end
        raise SystemExit(1) from error


def _signalled(error: BaseException) -> BaseException:
    """A data worker that dies while it hands a batch over resets its connection; torch's word for it is a signal's."""
    if isinstance(error, ConnectionResetError):
        try:
            time.sleep(1.0)
        except RuntimeError as told:
            return told
    return error


def _line(error: BaseException) -> str | None:
    """What a user reads; None for what only a programmer can mend."""
    told = str(error).strip()
    if isinstance(error, OSError) and told.startswith("Caught "):
        told = told.splitlines()[-1]  # of a data worker's traceback
    said = " ".join(told.split())[:200]
    if isinstance(error, NotFiniteError):
        return str(error)
    if is_out_of_memory(error):
        return f"memory ran out ({said}); expected enough for a batch; lower batch_size, chunk_size or language_chunk"
    if isinstance(error, RuntimeError) and "DataLoader worker" in said:
        return f"a data worker died ({said}); expected it to live; run the same command to go on, with fewer workers"
    full = isinstance(error, OSError) and _number(error) in _DISK
    full = full or isinstance(error, SafetensorError) and "I/O" in said
    if full or (isinstance(error, RuntimeError) and any(words in said for words in _WRITER)):
        return (
            f"the run cannot be written ({said}); expected room and rights; mend the disk and run the same command: it "
            "goes on from the last whole checkpoint"
        )
    return None
