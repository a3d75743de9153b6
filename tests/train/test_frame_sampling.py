"""Stage I's `frame_sampling`: where a clip's frames stand, and what draws them anew."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from clip_films import rows_of, write_film, write_rows
from tiny_stage1 import arguments, run

from benchmarks.loader import plain_processor
from modeling_distinctad.video_distinctad import frame_times, read_frames
from train import stage1
from train.clip_sources import build_source


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film of six seconds cut into six clips."""
    folder = tmp_path_factory.mktemp("films")
    write_film(folder / "a.mp4", rate=25)
    return write_rows(folder, rows_of("a.mp4", [(float(s), s + 1.0) for s in range(6)]))


def build(films: Path, **options: Any) -> Any:
    return build_source("videos", films, plain_processor(32, 2), progress=False, **options)


def test_each_mode_takes_the_frames_of_its_times(films: Path) -> None:
    processor = plain_processor(32, 2)
    for mode in ("midpoint", "autoad"):
        found = build(films, frame_sampling=mode)[3]["pixel_values"]
        expected = processor.frame_pixels(read_frames(films / "a.mp4", frame_times(3.0, 4.0, 2, mode)))
        assert torch.equal(found, expected)
    with pytest.raises(ValueError, match="mode is 'odd'"):
        build(films, frame_sampling="odd")


def test_segments_follow_from_seed_and_epoch_alone(films: Path) -> None:
    source, again, other = (build(films, frame_sampling="segment") for _ in range(3))
    source.draw = again.draw = (7, 0)
    first = [item["pixel_values"] for item in source.__getitems__([0, 1, 2, 3, 4, 5])]
    assert all(torch.equal(again[i]["pixel_values"], first[i]) for i in (5, 2, 0))  # in any order
    source.draw, other.draw = (7, 1), (8, 0)
    second = [source[i]["pixel_values"] for i in range(6)]
    assert sum(not torch.equal(a, b) for a, b in zip(first, second, strict=True)) >= 4
    assert sum(not torch.equal(first[i], other[i]["pixel_values"]) for i in range(6)) >= 4


def test_what_cannot_be_drawn_anew_is_refused(films: Path, towers: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frame_sampling is 'segment' with a frame cache"):
        build(films, frame_sampling="segment", cache=tmp_path / "cache")
    for source in ("pocket", "frames", "webdataset"):
        with pytest.raises(ValueError, match=f"frame_sampling is 'autoad' with source {source}.*expected midpoint"):
            stage1.train(arguments(towers, 1, source=source, frame_sampling="autoad"), run(tmp_path / source))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_draws_anew_in_every_epoch_and_tests_at_midpoints(
    films: Path, towers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    seen: list[Any] = []
    sources: list[Any] = []
    build_one = stage1.build_source

    def building(*given: Any, **named: Any) -> Any:
        sources.append(build_one(*given, **named))
        return sources[-1]

    gradients = stage1.Stage1Trainer.add_gradients

    def adding(self: Any, *given: Any, **named: Any) -> Any:
        seen.append(sources[0].draw)
        return gradients(self, *given, **named)

    monkeypatch.setattr(stage1, "build_source", building)
    monkeypatch.setattr(stage1.Stage1Trainer, "add_gradients", adding)
    held = tmp_path / "held"
    held.mkdir()
    write_film(held / "b.mp4", rate=25)
    write_rows(held, rows_of("b.mp4", [(0.0, 2.0), (2.0, 4.0)], film="b"))
    asked = arguments(
        towers, -1, source="videos", clips=str(films), held_out=str(held), frame_sampling="segment", epochs=2,
        workers=workers,
    )  # fmt: skip
    stage1.train(asked, replace(run(tmp_path / "model"), batch_size=3))
    assert seen == [(1, 0)] * 2 + [(1, 1)] * 2
    assert [source.mode for source in sources] == ["segment", "midpoint"]
