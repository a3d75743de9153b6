"""Loading leaves the process as it was: its random numbers and what transformers prints, with threads too."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.utils import logging

from distinctad import loading
from distinctad.describe import describe
from distinctad.errors import UserError
from modeling_distinctad.towers_distinctad import require_all_weights


def draws() -> tuple[float, float, float]:
    """The next random numbers of the process."""
    return random.random(), float(np.random.random()), float(torch.rand(()))


def seed() -> None:
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)


@pytest.mark.slow
def test_describing_with_the_pocket_checkpoint_draws_none_of_the_callers_numbers(film: Path, tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("start,end\n0,2\n")
    seed()
    want = draws()
    seed()
    describe(film, intervals=tmp_path / "i.csv")
    assert draws() == want


def test_inside_the_seed_counts_and_outside_nothing_has_happened() -> None:
    seed()
    want = draws()
    seed()
    with loading.seeded(3):
        inside = draws()
        with pytest.raises(KeyError), loading.seeded(3):
            assert draws() == inside
            raise KeyError
    assert draws() == want
    with loading.seeded(3):
        assert draws() == inside != want


def test_a_models_record_is_no_part_of_the_model(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "run_record.json"):
        (tmp_path / name).write_text("1")
    before = loading.model_sha256(tmp_path)
    (tmp_path / "run_record.json").write_text("2")  # figures that were measured later
    assert loading.model_sha256(tmp_path) == before
    (tmp_path / "config.json").write_text("2")
    assert loading.model_sha256(tmp_path) != before


def test_metals_numbers_are_given_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    state = [torch.tensor(7)]
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: state[0])
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda new: state.__setitem__(0, new))
    monkeypatch.setattr(torch.mps, "manual_seed", lambda seed: state.__setitem__(0, torch.tensor(seed)))
    with pytest.raises(KeyError), loading.seeded(3):
        torch.mps.manual_seed(3)  # as `torch.manual_seed` does on such a machine
        raise KeyError
    assert int(state[0]) == 7


def test_sampling_is_seeded_by_the_settings(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stand_ins import FakePipe

    def loaded(*given: Any) -> Any:
        return FakePipe(lambda index, generation: f"Number {draws()}."), {"name": "x", "num_beams": 1, "contrast": 0.0}

    monkeypatch.setattr(loading, "load_pipeline", loaded)
    texts = [cue["text"] for cue in describe(film).cues]
    seed()
    assert [cue["text"] for cue in describe(film).cues] == texts and len(set(texts)) == len(texts)
    seed()
    want = draws()
    seed()
    assert [cue["text"] for cue in describe(film, pipe=loaded()[0]).cues] == texts  # its own pipeline, or a given one
    assert draws() == want


@pytest.mark.parametrize("folder", ["pocket", "a/long/way/to/" * 10 + "pocket"])
def test_missing_weights_are_named_whole_and_counted(folder: str) -> None:
    """The names are as long as real ones: once the list broke off inside one, and its count was lost."""
    names = [f"vision_tower.embedder.stages.0.{i:03d}.normalization.num_batches_tracked" for i in range(106)]
    for count, listed in ((106, f"({names[0]}, {names[1]} and 104 more"), (2, f"({names[0]}, {names[1]})")):
        with pytest.raises(UserError) as said, loading._loading_errors(folder, "Give another."):
            require_all_weights(names[:count], folder)
        assert f"weights missing for {count} tensors {listed}" in str(said.value)
        assert str(said.value).count(folder) == 1 and str(said.value).endswith(". Give another.")


def test_two_loads_at_once_leave_what_is_printed_as_it_was() -> None:
    """One begins first and ends first; on its own each would put back what the other had turned down."""
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    first_runs, second_waits = threading.Event(), threading.Event()

    def first() -> None:
        with loading._quiet(), loading._quiet():  # as a tower's loader has it round a pipeline's
            first_runs.set()
            second_waits.wait(0.5)  # not once the loads take turns

    def second() -> None:
        first_runs.wait(30)
        with loading._quiet():
            second_waits.set()
            threads[0].join(0.5)

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
