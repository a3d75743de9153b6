"""How every training command is configured: a YAML file, then `--key value`, into dataclasses."""

from __future__ import annotations

import datetime
import json
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml
from transformers import HfArgumentParser, TrainingArguments
from yaml.constructor import ConstructorError

T = TypeVar("T")
CONFIGURATION = "run_configuration.json"
LONGEST_WAIT_S = 86_400  # of ranks for the one that decodes every clip once, or reads and fingerprints a large model
SAME_WEIGHTS = frozenset({
    "output_dir", "save_steps", "logging_steps", "use_cpu", "dataloader_workers", "workers", "dry_run", "chunk_size",
    "language_chunk", "gradient_checkpointing", "activation_checkpointing", "compile_layers", "attention",
    "frame_cache", "frame_cache_gb", "text_cache", "epochs", "max_steps", "warmup_share",
})  # fmt: skip
"""Options that change how, where or how long a run is computed, not what it learns at a step."""
LENGTH = ("epochs", "max_steps", "warmup_share")  # of these, what the learning rate's schedule follows
LATER = (
    "ranks", "clips_sha256", "listed_clips", "frame_sampling", "window_group", "noisy_recall", "noisy_precision",
    "recognised_people", "cache_sha256",
)  # fmt: skip
"""Not noted by every earlier version, and then not compared."""
LEAST = {
    "learning_rate": 0, "batch_size": 1, "save_steps": 1, "logging_steps": 1, "warmup_steps": 0, "seed": 0,
    "dataloader_workers": 0,
}  # fmt: skip


@dataclass
class RunArguments:
    """What every run needs; everything else of `TrainingArguments` keeps its default.

    A command whose own dataclass holds `run_defaults` starts from those: the paper's, for both stages.
    """

    output_dir: str = field(metadata={"help": "folder of result and run record, and checkpoints (Stage II: beside it)"})
    learning_rate: float = field(default=1e-4, metadata={"help": "peak learning rate"})
    lr_schedule: str = field(default="cosine", metadata={"help": "cosine | constant | linear"})
    warmup_steps: int = field(
        default=100, metadata={"help": "linear warm-up, optimiser steps (Stage II: warmup_share)"}
    )
    batch_size: int = field(default=64, metadata={"help": "items a step and rank"})
    seed: int = field(default=1, metadata={"help": "seed of weights and data"})
    save_steps: int = field(default=500, metadata={"help": "steps between checkpoints"})
    logging_steps: int = field(default=50, metadata={"help": "steps between log lines"})
    bf16: bool = field(default=True, metadata={"help": "autocast to bfloat16"})
    use_cpu: bool = field(default=True, metadata={"help": "stay on the CPU even if an accelerator is there"})
    max_grad_norm: float = field(default=1.0, metadata={"help": "gradient clipping"})
    dataloader_workers: int = field(
        default=0, metadata={"help": "processes that make batches, which stay equal (Stage I: workers)"}
    )

    def __post_init__(self) -> None:
        """Check the folder and the ranges.

        Raises:
            ValueError: no folder, or a number out of its range.
        """
        if not self.output_dir.strip():
            raise ValueError(f"output_dir is {self.output_dir!r}; expected a folder; name one")
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; expected {least} or more; raise it")


def parse_run(kind: type[T], argv: list[str] | None = None) -> tuple[T, RunArguments]:
    """Reads `CONFIG.yaml [--key value ...]` into (kind, RunArguments).

    Raises:
        SystemExit: status 2 with one line, if the file is missing, is no mapping or holds an unknown key or a value
            that cannot be one.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    defaults: dict[str, Any] = {}
    if argv and argv[0].endswith((".yaml", ".yml")):
        defaults = _read_yaml(Path(argv.pop(0)))
    known = {f.name: str(f.type) for group in (kind, RunArguments) for f in fields(group)}  # type: ignore[arg-type]
    unknown = sorted(str(key) for key in defaults if key not in known)
    if unknown:
        sys.exit(_refuse(f"unknown config keys {unknown}; known are {sorted(known)}"))
    if strange := [key for key, value in defaults.items() if not _plain(value)]:
        first = f"{strange[0]} is {str(defaults[strange[0]])[:80]}"
        sys.exit(_refuse(f"{first}; expected a text, a number, true or false, or a list of them; mend the config"))
    if several := [key for key, value in defaults.items() if isinstance(value, list) and "list[" not in known[key]]:
        first = f"{several[0]} is the list {str(defaults[several[0]])[:80]}"
        sys.exit(_refuse(f"{first}; expected one value; mend the config"))
    given = {word[2:].split("=")[0].replace("-", "_") for word in argv if word.startswith("--")}
    told = {key: value for key, value in defaults.items() if key not in given and value is not None}  # null: default
    words = [str(w) for key, value in told.items() for w in (f"--{key}", *_words(value))]
    try:
        parser = HfArgumentParser([kind, RunArguments])
        parser.set_defaults(**getattr(kind, "run_defaults", {}))
        parsed = parser.parse_args_into_dataclasses([*words, *argv])
        for name, value in (pair for group in parsed for pair in vars(group).items()):
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} is {value}; expected a finite number; mend it")
    except ValueError as error:  # a word that nobody knows, or a choice that the dataclass refuses
        sys.exit(_refuse(str(error)))
    if not parsed[1].use_cpu and not torch.accelerator.is_available():
        print("use_cpu is false, but no accelerator is here: going on with the CPU, hours instead of minutes",
              file=sys.stderr)  # fmt: skip
    return parsed[0], parsed[1]


class _Once(yaml.SafeLoader):
    """Refuses a key that stands twice, of which the last would count in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Keys and values.

        Raises:
            ConstructorError: a key stands twice.
        """
        seen = set[str]()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    """Keys and values of a configuration.

    Raises:
        SystemExit: status 2 with one line, if it cannot be read, is no YAML or no mapping.
    """
    try:
        found = _Once(path.read_text(encoding="utf-8")).get_single_data() or {}
    except OSError as error:
        sys.exit(_refuse(f"no such config: {path} ({error.strerror}); expected a YAML file, see train/configs/"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # the middle one: a date or number that is none
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark is not None else str(path)
        said = " ".join(str(getattr(error, "problem", None) or error).split())
        sys.exit(_refuse(f"{where}: no YAML in UTF-8 ({said}); expected key: value lines; mend the line"))
    if not isinstance(found, dict):
        sys.exit(_refuse(f"{path} holds {type(found).__name__}, expected key: value lines"))
    return found


def tell_slow_bf16(bf16: bool, use_cpu: bool) -> None:
    """Says on stderr that bfloat16 costs time where it should save some: on a processor without its instructions."""
    on_cpu = use_cpu or not torch.accelerator.is_available()
    native = any("bf16" in name and has for name, has in torch.cpu.get_capabilities().items())
    if bf16 and on_cpu and not native:
        print("bf16 is true, but this processor has no instructions for it: --bf16 false took a third of the time on "
              "such a one, and changes figures as another seed does (docs/LOG.md)", file=sys.stderr)  # fmt: skip


def _plain(value: Any) -> bool:
    """Whether a YAML value is what the command line could say: words, numbers, a list of them, or null."""
    parts = value if isinstance(value, list) else [value]
    return value is None or all(isinstance(part, str | int | float | datetime.date) for part in parts)


def _words(value: Any) -> list[str]:
    """A YAML value as command-line words: a list gives one each."""
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]


def _refuse(message: str) -> int:
    """Prints one line for the user and gives the exit status of bad input."""
    print(f"error: {message}", file=sys.stderr)
    return 2


def training_arguments(run: RunArguments, **more: Any) -> TrainingArguments:
    """`transformers.TrainingArguments` of a run; `more` overrides.

    Raises:
        ValueError: one process sees several accelerators: the Trainer would split batches that belong together.
    """
    settings: dict[str, Any] = dict(
        output_dir=run.output_dir,
        learning_rate=run.learning_rate,
        lr_scheduler_type=run.lr_schedule,
        warmup_steps=run.warmup_steps,
        per_device_train_batch_size=run.batch_size,
        seed=run.seed,
        data_seed=run.seed,
        save_steps=run.save_steps,
        save_total_limit=1,
        logging_steps=run.logging_steps,
        bf16=run.bf16,
        use_cpu=run.use_cpu,
        max_grad_norm=run.max_grad_norm,
        dataloader_num_workers=run.dataloader_workers,
        remove_unused_columns=False,
        report_to=[],
        dataloader_drop_last=True,
        ddp_find_unused_parameters=False,
        ddp_timeout=LONGEST_WAIT_S,
    )
    if run.use_cpu and launched_ranks() > 1 and not torch.distributed.is_initialized():
        # transformers hands the timeout to ranks on accelerators only
        torch.distributed.init_process_group("gloo", timeout=datetime.timedelta(seconds=LONGEST_WAIT_S))
    made = TrainingArguments(**{**settings, **more})
    tell_slow_bf16(made.bf16, made.use_cpu)
    if made.n_gpu > 1:
        raise ValueError(
            f"one process sees {made.n_gpu} accelerators; expected one each: start with accelerate launch or torchrun, "
            "or set CUDA_VISIBLE_DEVICES=0"
        )
    return made


def launched_ranks() -> int:
    """Ranks of this run, as launchers announce them, to data workers too and before the processes have met."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _readable(path: Path) -> bool:
    """Whether a JSON file is whole; the trainer writes this one last, so its checkpoint is then whole too."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def resume_point(
    folder: str, settings: Mapping[str, Any], unknown: Sequence[str] = (), places: Sequence[str] = ()
) -> str | None:
    """The newest complete checkpoint of this very run, or None; notes in the folder which run its checkpoints are of.

    Args:
        folder: of the checkpoints.
        settings: all that decides the weights, JSON-ready; `SAME_WEIGHTS` are left out.
        unknown: names of further settings that cost time to find: they are not compared and nothing is noted, so that
            another run is refused early; call again with all of them.
        places: names of settings that only say where something lies, whose content another setting names: neither
            compared nor noted, as earlier versions did.

    Raises:
        ValueError: the checkpoints there are another configuration's.
    """
    left = {*SAME_WEIGHTS, *places}
    asked = json.loads(json.dumps({k: v for k, v in settings.items() if k not in left}, default=str))
    asked["ranks"] = launched_ranks()  # a step of more ranks takes other items
    limited = settings.get("max_steps", 0) > 0  # then the epochs do not say how long it is
    length = {name: settings[name] for name in LENGTH if name in settings and not (limited and name == "epochs")}
    path, found = Path(folder) / CONFIGURATION, latest_checkpoint(folder)
    if found is not None and path.is_file():
        begun = {**{k: asked[k] for k in LATER if k in asked}, **json.loads(path.read_text(encoding="utf-8"))}
        before = begun.pop("length", length)
        changed = [k for k in sorted({*begun, *asked} - {*unknown, *places}) if begun.get(k) != asked.get(k)]
        if changed:
            told = ", ".join(f"{k} was {begun.get(k)!r} and is {asked.get(k)!r}" for k in changed[:3])
            raise ValueError(
                f"{folder} holds the checkpoints of another run: {told}; expected the same; name another --output_dir, "
                f"or delete {folder} to begin anew"
            )
        if before != length and not unknown and os.environ.get("RANK", "0") == "0":
            print(
                f"{found} is of a run of {before}, now {length}: it goes on by the new length's learning rates, so the "
                "weights will be those of neither; begin anew for one run of that length",
                file=sys.stderr,
            )
    if unknown:
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial{os.environ.get('RANK', '0')}")
    partial.write_text(json.dumps({**asked, "length": length}, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return found


def latest_checkpoint(folder: str) -> str | None:
    """The newest complete `checkpoint-N` of a run folder, or None."""
    found = []
    for path in Path(folder).glob("checkpoint-*"):
        number = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if number and _readable(path / "trainer_state.json"):
            found.append((int(number[1]), str(path)))
    return max(found)[1] if found else None
