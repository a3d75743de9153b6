"""From a checkpoint folder to a pipeline on a device, with every way that this can fail said in one line."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distinctad.errors import UserError, one_line
from distinctad.plan import sha256_of

if TYPE_CHECKING:
    import torch

CHECKPOINT = Path(__file__).with_name("checkpoint")
MODEL = "Checkpoint folder or hub id (default: the pocket checkpoint, which knows the project's drawn films only)."
POCKET_ONLY = (
    "the pocket checkpoint knows the project's drawn films only; on a real film its texts are invented: give --model"
)
DTYPES = ("auto", "float32", "bfloat16", "float16")
_ONE_AT_A_TIME = threading.RLock()  # `_quiet` turns down the whole process; feature_tower holds it round a load


def load_pipeline(model: str | Path | None, device: str, dtype: str, seed: int) -> tuple[Any, dict[str, Any]]:
    """Load a checkpoint into a `DistinctADPipeline`.

    Args:
        model: a checkpoint folder or a hub id; None is the pocket checkpoint of the package.
        device: "auto" or what `torch.device` takes.
        dtype: one of `DTYPES`.
        seed: of every random number while it is loaded; the process's own go on afterwards where they were.

    Returns:
        The pipeline, and {"name", "sha256", "device", "dtype", and the checkpoint's "num_beams" and "contrast"} for the
        record.

    Raises:
        UserError: if there is no checkpoint, it is incomplete or of another kind, or the device or dtype cannot be had.
    """
    where, folder = locate(model)
    if dtype not in DTYPES:
        raise UserError(f"dtype is '{dtype}'", f"Give one of {', '.join(DTYPES)}.")
    import transformers

    from modeling_distinctad.configuration_distinctad import DistinctADConfig
    from modeling_distinctad.generation_distinctad import generation_settings
    from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
    from modeling_distinctad.pipeline_distinctad import DistinctADPipeline
    from modeling_distinctad.processing_distinctad import DistinctADProcessor

    target = _device(device)
    wanted = "float32" if dtype == "auto" and target.type == "cpu" else dtype
    # A checkpoint carries its code for the Hub's sake; this package has its own, and must neither run that nor ask to.
    transformers.AutoConfig.register("distinctad", DistinctADConfig, exist_ok=True)
    fix = "Give a folder written by save_pretrained of a DistinctAD model and its processor."
    with _quiet(), seeded(seed), _loading_errors(where, fix):
        network = DistinctADForConditionalGeneration.from_pretrained(where, dtype=wanted)
        processor = DistinctADProcessor.from_pretrained(where, trust_remote_code=False)
    network.eval()
    pipe = DistinctADPipeline(model=network, processor=processor, device=target)
    used = generation_settings(network.config, network.generation_config, {})
    kind = str(next(network.parameters()).dtype).removeprefix("torch.")
    name = folder.resolve().name if folder else where
    return pipe, {
        "name": name,
        "sha256": model_sha256(folder) if folder else None,
        "device": target.type,
        "dtype": kind,
        "num_beams": used["num_beams"],
        "contrast": used["contrast"],
    }


def model_sha256(folder: Path) -> str:
    """Fingerprint of a model's folder: of what decides its texts, so not of its run record, which grows afterwards."""
    files = (path for path in folder.iterdir() if path.suffix in (".json", ".safetensors"))
    return sha256_of(*sorted(path for path in files if path.name != "run_record.json"))


def locate(model: str | Path | None) -> tuple[str, Path | None]:
    """Tell a checkpoint folder from a hub id; refuse a folder that cannot be one before torch is imported.

    Args:
        model: a checkpoint folder or a hub id; None is the pocket checkpoint of the package.

    Returns:
        What `from_pretrained` takes, and the folder; None for a hub id, which only loading can try.

    Raises:
        UserError: if it is neither, or the folder holds no DistinctAD model.
    """
    if model is None:
        if not (CHECKPOINT / "config.json").is_file():
            raise UserError(
                "there is no pocket checkpoint in this installation",
                "Run `make pocket` in a clone, or give --model FOLDER.",
            )
        return str(CHECKPOINT), CHECKPOINT
    folder = Path(model)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(
                f"the model folder '{folder}' has no config.json", "Give a folder written by save_pretrained."
            )
        _check_kind(folder)
        if not any(folder.glob("*.safetensors")):
            raise UserError(
                f"the model folder '{folder}' has no .safetensors weights", "Give a folder written by save_pretrained."
            )
        return str(folder), folder
    text = str(model)
    if folder.exists() or folder.is_absolute() or text.startswith(".") or text.count("/") != 1:
        raise UserError(
            f"the model '{text}' is neither a folder nor a hub id", "Give a checkpoint folder or owner/name."
        )
    return text, None


def is_pocket(model: str | Path | None) -> bool:
    """Whether a model is the pocket checkpoint of the package, by default or by its path.

    Args:
        model: a checkpoint folder or a hub id; None is the pocket checkpoint.

    Returns:
        False for a hub id and for any other folder, a copy too.
    """
    if model is None:
        return True
    folder = Path(model)
    return folder.is_dir() and CHECKPOINT.is_dir() and folder.samefile(CHECKPOINT)


def _check_kind(folder: Path) -> None:
    fix = "Give a folder written by save_pretrained of a DistinctAD model."
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(f"the model folder '{folder}' has a config.json that cannot be read", fix) from error
    if kind != "distinctad":
        raise UserError(f"the model folder '{folder}' holds a model of the type '{one_line(str(kind), 40)}'", fix)


def _device(device: str) -> torch.device:
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        target = torch.device(device)
        torch.empty(1, device=target)  # a device that has a name is not always there
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"the device '{device}' is not there ({one_line(str(error), 80)})", "Give --device auto or cpu."
        ) from error
    if target.type == "meta":
        raise UserError("the device 'meta' computes nothing", "Give --device auto or cpu.")
    return target


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every random number inside, and give the process its own back: who calls a library has numbers of theirs.

    An accelerator's come back too, CUDA's where it was in use before. All are the process's: of two threads inside at
    once each draws from the other's too, and where the first in is the first out the second gives back ours, not
    theirs.

    Args:
        seed: of Python's, numpy's and torch's.

    Yields:
        Nothing.
    """
    import numpy as np
    import torch
    import transformers

    python, numbers = random.getstate(), np.random.get_state()
    cards = range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)
    metal = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None  # fork_rng leaves it out
    with torch.random.fork_rng(cards):
        transformers.set_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numbers)
            if metal is not None:
                torch.mps.set_rng_state(metal)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's bars and its report on missing weights off the screen: the report is read here."""
    from transformers.utils import logging

    with _ONE_AT_A_TIME:
        level = logging.get_verbosity()
        bars = logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()


@contextlib.contextmanager
def _loading_errors(where: str, fix: str) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError, LookupError, RuntimeError, TypeError, AttributeError, SafetensorError) as error:
        # What a folder that is not ours, or half of ours, makes the library raise is documented nowhere.
        said = str(error).replace(f"{where}: ", "", 1)  # told once: a long path leaves no room for what is wrong
        raise UserError(f"the model '{where}' cannot be loaded ({one_line(said, 260)})", fix) from error
