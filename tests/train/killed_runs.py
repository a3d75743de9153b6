"""Trainings that are killed and started again, for the tests of both stages. Not a test file.

`launch` starts a script in a process of its own, since children are forked there; the script calls `ends` and `arm` and
leaves what it found in OUT/found.json.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

Moment = int | str | None
"""When a run dies: in the step after this number, as "save" in the middle of a checkpoint, or not at all."""


def launch(words: Sequence[str], out: Path) -> dict[str, Any]:
    """What `python *words` leaves in OUT/found.json."""
    out.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, *words], env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=1800, check=False,
    )  # fmt: skip
    assert (out / "found.json").is_file(), done.stderr[-3000:]
    found: dict[str, Any] = json.loads((out / "found.json").read_text(encoding="utf-8"))
    return found


def ends(moments: Sequence[Moment], work: Callable[[Moment], Any]) -> list[int]:
    """How a run ended each time: one forked process a moment, the last of which is left alone."""
    found = []
    for moment in [*moments, None]:
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)
            work(moment)
            os._exit(0)
        found.append(os.waitpid(child, 0)[1])
    return found


def arm(moment: Moment, saving: tuple[Any, str], stepping: tuple[Any, str]) -> None:
    """Makes this process kill itself after a step, or when half of a checkpoint is written.

    Args:
        moment: when.
        saving: module and name of what writes a checkpoint's weights, called with them and the path.
        stepping: class and name of a callback's method that is called in every optimizer step.
    """
    if moment is None:
        return
    owner, name = saving if moment == "save" else stepping
    plain = getattr(owner, name)

    def dying_save(weights: Any, path: str | Path, *args: Any, **kwargs: Any) -> None:
        plain(weights, path, *args, **kwargs)
        whole = Path(path).read_bytes()
        Path(path).write_bytes(whole[: len(whole) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    def dying_step(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        plain(self, args, state, control, **kwargs)
        if state.global_step + 1 > int(moment):
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying_save if moment == "save" else dying_step)
