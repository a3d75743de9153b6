from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from stand_ins import FakePipe

from distinctad.audio import voice as voices
from distinctad.beams import kept_beams
from distinctad.describe import _run, draft
from distinctad.loading import CHECKPOINT, load_pipeline
from distinctad.plan import Settings, plan
from distinctad.track import TrackSettings

INTERVALS = [(0.5, 2.0), (3.0, 4.5), (5.0, 6.0), (7.0, 8.5), (9.0, 11.0)]


@pytest.fixture(scope="module")
def pipe() -> Any:
    if not (CHECKPOINT / "model.safetensors").is_file():
        pytest.skip("there is no pocket checkpoint")
    return load_pipeline(None, "cpu", "float32", 0)[0]


@pytest.mark.slow
@pytest.mark.parametrize("contrast", [0.0, 0.5])
def test_other_beams_come_with_the_best_and_change_nothing(pipe: Any, film: Path, contrast: float) -> None:
    asked = {"intervals": INTERVALS, "num_beams": 4, "contrast": contrast}
    alone = pipe(str(film), **asked)
    with kept_beams(pipe, 3) as found:
        together = pipe(str(film), **asked)
    assert together == alone and len(found) == len(INTERVALS)
    for record in together:
        texts = found[record["window"], record["position"]]
        scores = [score for _, score in texts]
        assert len(texts) == 3 and texts[0][0] == record["text"] and scores == sorted(scores, reverse=True)
        assert len({text for text, _ in texts}) > 1
    assert "search" not in pipe.model.__dict__ and "batch_decode" not in pipe.processor.__dict__
    assert pipe(str(film), **asked) == alone


@pytest.mark.slow
def test_methods_come_back_after_an_error_and_greedy_search_has_no_others(pipe: Any, film: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        with kept_beams(pipe, 3):
            raise RuntimeError("stop")
    assert "search" not in pipe.model.__dict__
    with kept_beams(pipe, 3) as found:
        pipe(str(film), intervals=INTERVALS[:1], num_beams=1)
    assert found == {}


def test_beams_go_to_their_own_clips() -> None:
    """By hand: two windows of two clips, the second clip of the first padded; tokens are words' numbers."""
    best, other = torch.tensor([[1, 0], [2, 0], [3, 0]]), torch.tensor([[4, 5], [6, 0], [7, 0]])

    class Model:
        def search(self, prompts: Any, settings: Any, keep: int = 1) -> Any:
            assert keep == 2
            scores = torch.tensor([[-1, -2], [-3, -4], [-5, -6.0]])
            return SimpleNamespace(ids=torch.stack([best, other], dim=1), scores=scores)

        def generate(self, clip_mask: Any) -> Any:
            ids = torch.zeros(2, 2, 2, dtype=torch.long)
            window, position = clip_mask.nonzero(as_tuple=True)
            ids[clip_mask] = self.search(SimpleNamespace(window=window, position=position), {}).ids[:, 0]
            return ids

    class Processor:
        def batch_decode(self, ids: Any, names: Any) -> Any:
            windows = zip(names, ids.tolist(), strict=True)
            return [[f"{name}{row[0]}" for name, row in zip(*window, strict=True)] for window in windows]

    pipe = SimpleNamespace(model=Model(), processor=Processor())
    mask = torch.tensor([[True, False], [True, True]])
    names = [["a", ""], ["b", "c"]]
    with kept_beams(pipe, 2) as found:
        for _ in range(2):
            ids = pipe.model.generate(clip_mask=mask)
            told = pipe.processor.batch_decode(ids, names)
    assert told[0][0] == "a1" and told[1] == ["b2", "c3"]
    assert found[0, 0] == [("a1", -1.0), ("a4", -2.0)] and found[1, 0] == [("b2", -3.0), ("b6", -4.0)]
    assert found[1, 1] == found[3, 1] == [("c3", -5.0), ("c7", -6.0)]
    assert set(found) == {(0, 0), (1, 0), (1, 1), (2, 0), (3, 0), (3, 1)}


@pytest.mark.slow
def test_a_draft_has_alternatives_of_one_search_and_scores_choose(pipe: Any, film: Path, tmp_path: Path) -> None:
    lines = tmp_path / "a.srt"
    lines.write_text("1\n00:00:04,000 --> 00:00:05,000\nHello.\n", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = draft(film, subtitles=lines, pipe=pipe, track=TrackSettings("none", candidates=4))
    assert made.rate.voice.startswith("assumed") and made.gaps and made.speech[0].text == "Hello."
    assert any(cue["provenance"]["alternatives"] for cue in made.document["cues"])
    assert {cue["provenance"]["voice"] for cue in made.document["cues"]} == {voices.label(voices.Unvoiced())}


class Short(FakePipe):
    """Searches window after window, of four clips each; at two windows a batch the third finds no memory."""

    class Model:
        def search(self, prompts: Any, settings: Any, keep: int = 1) -> Any:
            return SimpleNamespace(ids=prompts.ids, scores=torch.tensor([[-1.0, -2.0]] * 4))

    class Processor:
        def batch_decode(self, ids: Any, names: str) -> Any:
            return [[f"{names}{i}." for i in row] for row in ids[..., 0].tolist()]

    def __init__(self) -> None:
        super().__init__(lambda index, generation: f"Best {index}.")
        self.model, self.processor = self.Model(), self.Processor()

    def __call__(self, film: str, intervals: Any, cast: Any, **options: Any) -> Any:
        for first in range(0, len(intervals), 4):
            if options["batch_windows"] > 1 and first == 8:
                raise MemoryError
            best = torch.arange(first, first + 4)
            ids = torch.stack([best, best + 100], dim=1)[..., None]
            places = {"window": torch.zeros(4, dtype=torch.long), "position": torch.arange(4)}
            self.model.search(SimpleNamespace(ids=ids, **places), {})
            self.processor.batch_decode(ids[None, :, 0], "Beam ")
        return super().__call__(film, intervals, cast, **options)


def test_after_a_lack_of_memory_each_clip_still_has_its_own_beams(film: Path, tmp_path: Path) -> None:
    times = tmp_path / "a.csv"
    times.write_text("start,end\n" + "".join(f"{i * 0.9},{i * 0.9 + 0.5}\n" for i in range(12)), encoding="utf-8")
    job = plan(film, intervals=times, settings=Settings(batch_windows=2))
    options = _run(job, None, Short(), None, candidates=2)[1]
    assert job.warnings[-1] == "memory ran short: 1 window(s) ran at once"
    assert [[text for text, _ in texts] for texts in options] == [
        [f"Best {i}.", f"Beam {i}.", f"Beam {i + 100}."] for i in range(12)
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("pipe")  # skips where there is no checkpoint
def test_the_record_says_the_beams_of_the_models_generation_config(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CHECKPOINT, tmp_path / "checkpoint"))
    assert load_pipeline(folder, "cpu", "float32", 0)[1]["num_beams"] == 5
    (folder / "generation_config.json").write_text('{"num_beams": 2}')
    assert load_pipeline(folder, "cpu", "float32", 0)[1]["num_beams"] == 2
