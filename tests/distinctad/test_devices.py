"""Which device takes what: a card for each worker of a catalogue, and of a checkpoint only what is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from distinctad import catalogue_work, feature_tower, loading
from distinctad.catalogue import Film
from distinctad.catalogue_work import Job, placed, run_local
from distinctad.errors import UserError
from distinctad.feature_tower import FeatureSettings
from distinctad.plan import Settings


class HereProcess:
    """A worker's process that runs in this one, to its end, when it is started."""

    exitcode = 0

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...], daemon: bool) -> None:
        self.target, self.args = target, args

    def start(self) -> None:
        self.target(*self.args)

    def join(self, timeout: float | None = None) -> None:
        """It has ended."""

    kill = join


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes torch say that there are so many accelerators."""

    def there_are(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return there_are


def job(device: str = "auto") -> Job:
    settings = {"describing": Settings(device=device), "encoding": FeatureSettings(device=device)}
    return Job("describe", Path("out"), **settings)


def test_workers_share_the_cards_of_a_machine(cards: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def refuse(job: Job) -> None:
        seen.append((job.describing.device, job.encoding.device))
        raise UserError("seen", "that is all.")

    pipe = catalogue_work.multiprocessing.Pipe
    context = SimpleNamespace(Pipe=pipe, Process=HereProcess)
    monkeypatch.setattr(catalogue_work.multiprocessing, "get_context", lambda kind: context)
    monkeypatch.setattr(catalogue_work.signal, "signal", lambda *_: None)
    monkeypatch.setattr(catalogue_work, "end_with_parent", lambda: None)
    monkeypatch.setattr(catalogue_work, "FilmWorker", refuse)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cards(3)
    films = [Film(f"{i}.mp4", Path(f"{i}.mp4"), str(i)) for i in range(9)]
    with pytest.raises(UserError, match="seen"):
        list(run_local(films, job(), 4))
    assert seen == [(f"cuda:{k}", f"cuda:{k}") for k in (0, 1, 2, 0)]


@pytest.mark.parametrize(("count", "device"), [(0, "auto"), (1, "auto"), (3, "cpu"), (3, "cuda"), (3, "cuda:1")])
def test_what_was_asked_stays_where_there_is_nothing_to_share(
    count: int, device: str, cards: Callable[[int], None]
) -> None:
    cards(count)
    assert placed(job(device), 2) == job(device)


def test_which_card_a_worker_has_is_no_part_of_what_was_asked(cards: Callable[[int], None]) -> None:
    before = job().about()
    cards(3)
    assert job().about() == before and before["how"]["device"] == "auto"


def test_a_checkpoint_gives_its_tower_alone_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    load, loaded = loading.load_pipeline, []

    def kept(*asked: Any) -> Any:
        pipe, used = load(*asked)
        loaded.append(pipe.model.language_model)
        return pipe, used

    there = loading._device
    monkeypatch.setattr(loading, "load_pipeline", kept)
    monkeypatch.setattr(loading, "_device", lambda name: torch.device("meta") if name == "cuda" else there(name))
    network, _, _, device = feature_tower._load(FeatureSettings(device="cuda"))
    assert device.type == "meta" and all(weight.is_meta for weight in network.parameters())
    assert {weight.device.type for weight in loaded[0].parameters()} == {"cpu"}
