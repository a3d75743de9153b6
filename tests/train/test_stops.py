"""How training ends when something breaks: one line, the batch named, the last good checkpoint as it was."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from torch.utils.data import get_worker_info

sys.path.insert(0, str(Path(__file__).parent))
from tiny_stage1 import arguments, losses, run

from train import stage1
from train.arguments import latest_checkpoint
from train.stage1 import Stage1Trainer, train
from train.stops import NotFiniteError, plain_refusals, plain_stops


@pytest.fixture(scope="module")
def whole(towers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four steps that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole") / "clip"
    train(arguments(towers, 4), run(folder))
    return folder


def broken_at(monkeypatch: pytest.MonkeyPatch, step: int, what: str) -> None:
    """From one step on the loss, or a gradient alone, is no number."""
    adds = Stage1Trainer.add_gradients

    def adding(self: Any, model: Any, *given: Any) -> Any:
        loss = adds(self, model, *given)
        if self.state.global_step + 1 < step:
            return loss
        if what == "loss":
            return loss * float("nan")
        next(p for p in model.parameters() if p.grad is not None).grad.view(-1)[0] = float("inf")
        return loss

    monkeypatch.setattr(Stage1Trainer, "add_gradients", adding)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(
    what: str, towers: dict[str, str], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clip"
    with pytest.MonkeyPatch.context() as patch:
        broken_at(patch, 4, what)
        with pytest.raises(SystemExit) as end, plain_stops(str(folder)):
            train(arguments(towers, 4), run(folder))
    assert end.value.code == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"error: the {what}") and "at step 4, batch film 1 '" in said and "expected" in said
    kept = latest_checkpoint(str(folder))
    assert kept is not None and Path(kept).name == "checkpoint-2" and not (folder / "run_record.json").exists()
    train(arguments(towers, 4), run(folder))  # mended: the same command goes on from there
    assert losses(folder) == losses(whole)


class Deadly(torch.utils.data.Dataset):
    """The pocket clips; a worker that fetches the third batch is killed."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.asked = 0

    def __len__(self) -> int:
        return len(self.data)

    def texts(self) -> list[str]:
        return self.data.texts()

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.asked += 1
        if get_worker_info() is not None and self.asked > 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.data[index]


def test_a_worker_that_dies_while_it_hands_a_batch_over_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def handler(signum: int, frame: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")  # as torch's own does

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with pytest.raises(SystemExit) as end, plain_stops(str(tmp_path / "run")):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert end.value.code == 1 and "a data worker died (DataLoader worker (pid 7)" in capsys.readouterr().err


def test_a_dead_data_worker_is_said_and_the_run_goes_on(
    towers: dict[str, str], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, build = tmp_path / "clip", stage1.build_data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage1, "build_data", lambda *given: (Deadly(build(*given)[0]), build(*given)[1]))
        with pytest.raises(SystemExit) as end, plain_stops(str(folder)):
            train(arguments(towers, 4, workers=1), run(folder))
    assert end.value.code == 1
    assert "error: a data worker died" in capsys.readouterr().err.splitlines()[-1]
    train(arguments(towers, 4, workers=1), run(folder))
    assert losses(folder) == losses(whole)


def test_a_full_disk_ends_the_run_and_keeps_the_checkpoint(
    towers: dict[str, str], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clip"
    train(arguments(towers, 2), run(folder))
    (folder / "run_record.json").unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(SystemExit) as end, plain_stops(str(folder)):
            train(arguments(towers, 4), run(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert end.value.code == 1
    assert "error: the run cannot be written" in capsys.readouterr().err.splitlines()[-1]
    assert Path(str(latest_checkpoint(str(folder)))).name == "checkpoint-2"
    train(arguments(towers, 4), run(folder))
    assert losses(folder) == losses(whole)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory ran out"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "lower batch_size"),
        (OSError(errno.ENOSPC, "No space left on device"), "cannot be written"),
        (OSError(errno.EROFS, "Read-only file system"), "cannot be written"),
        (OSError("Caught OSError in DataLoader worker process 0.\nOriginal Traceback:\n  File x\nOSError: [Errno 28] "
                 "No space left on device"), "written (OSError: [Errno 28] No space left"),
        (SafetensorError("I/O error: No space left on device"), "cannot be written"),
        (NotFiniteError("the loss is nan"), "the loss is nan"),
    ],
)  # fmt: skip
def test_what_ends_a_run_is_one_line(
    error: Exception, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end, plain_stops(str(tmp_path / "run")):
        raise error
    lines = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 1 and len(lines) == 1 and said in lines[0]


def test_what_only_a_programmer_can_mend_stays_a_traceback(tmp_path: Path) -> None:
    for error in (RuntimeError("shapes differ"), ZeroDivisionError(), OSError(errno.ENOENT, "no file")):
        with pytest.raises(type(error)), plain_stops(str(tmp_path / "run")):
            raise error


@pytest.mark.parametrize("wrong", ["seeds", "file", "model"])
def test_what_a_user_can_mend_is_one_line_and_status_two(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    from modeling_distinctad.towers_distinctad import load_vision
    from train.features import parse_seeds

    acts = {
        "seeds": lambda: parse_seeds("3-1"),
        "file": lambda: Path("/no/such/file").read_text(encoding="utf-8"),
        "model": lambda: load_vision("/no/such/model"),
    }
    with pytest.raises(SystemExit) as stopped, plain_refusals():
        acts[wrong]()
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.startswith("error: ") and said.count("\n") == 1


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ValueError, match="Invalid literal"), plain_refusals():
        Fraction("no number")  # raised in a library
