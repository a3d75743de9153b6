"""Caches of the public sets: rows, casts, portraits and recognised people in the layout that Stage II reads."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datasets_scripts.schema import ADRow, Character, Provenance
from train import set_features
from train.collators import WindowCollator, WindowOptions, consecutive_windows
from train.features import FeatureCache
from train.set_features import SetArguments, build_set_cache
from train.stage2 import Stage2Arguments, build_processor, split_films

MARA, TOM = Character("nm1", "Mara", "Ann Lee", "nm1.png"), Character("nm2", "Tom Hale", "Bo Day")


def row(film: str, index: int, people: tuple[Character, ...]) -> ADRow:
    return ADRow(film, film, index, 2.0 * index, 2.0 * index + 1, f"Mara lifts lamp {index}.", people, "v",
                 Provenance("a.csv", index))  # fmt: skip


class FakeReader:
    """Two films, of which one has no usable row."""

    def __init__(self, split: str, characters: str) -> None:
        self.films, self.characters = [f"{split}_1", f"{split}_empty"], characters
        self.report = SimpleNamespace(facts={"films": 1})

    def read(self, film: str) -> list[ADRow]:
        if film.endswith("empty"):
            return []
        people = {"cast": (MARA, TOM), "predicted": (TOM,)}[self.characters]
        return [row(film, index, people) for index in range(3)]


@pytest.fixture
def cache(
    towers: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[FeatureCache, SetArguments, list[int]]:
    reads: list[int] = []

    def builder(annotations: Any, characters: str, **options: Any) -> Any:
        return SimpleNamespace(reader=lambda split: FakeReader(split, characters))

    def frames(asked: ADRow, root: Path, count: int) -> list[np.ndarray]:
        reads.append(asked.index)
        return [np.full((4, 6, 3), 20 * asked.index + i, np.uint8) for i in range(count)]

    monkeypatch.setattr(set_features, "BUILDERS", {"tv-ad": builder})
    monkeypatch.setattr(set_features, "row_frames", frames)
    Image.new("RGB", (9, 9), (200, 10, 10)).save(tmp_path / "nm1.png")
    asked = SetArguments(set="tv-ad", clip=towers["clip"], train="t.csv", eval="e.csv", bank="b.json", root="r",
                         portraits=str(tmp_path), recognised=True, frame_fit="squash")  # fmt: skip
    build_set_cache(asked, str(tmp_path / "cache"))
    return FeatureCache(tmp_path / "cache"), asked, reads


def test_rows_splits_and_people(cache: tuple[FeatureCache, SetArguments, list[int]], tmp_path: Path) -> None:
    made, asked, reads = cache
    assert split_films(made, 0) == (["train/train_1"], ["eval/eval_1"])
    assert made.frames.shape == (6, 8, 16) and made.faces.shape == (4, 16) and reads == [0, 1, 2] * 2
    first = made.rows[made.films["eval/eval_1"][0]]
    assert first["names"] == ["Mara", "Tom Hale"] and first["portraits"] == [True, False]
    assert first["predicted"] == [1] and (first["start_s"], first["end_s"]) == (0.0, 1.0)
    faces = made.film_faces(first)
    assert faces[0].abs().sum() > 0 and not faces[1].any()
    (tmp_path / "cache" / "meta.json").unlink()
    build_set_cache(asked, str(tmp_path / "cache"))
    assert len(reads) == 6  # nothing is read twice
    assert json.loads((tmp_path / "cache" / "meta.json").read_text())["set"] == "tv-ad"


def test_windows_of_a_set_list_the_recognised_people(
    cache: tuple[FeatureCache, SetArguments, list[int]], towers: dict[str, str]
) -> None:
    made = cache[0]
    processor = build_processor(
        Stage2Arguments(clip=towers["clip"], language=towers["lm"], prompt="paper", face_tokens="always")
    )
    window = consecutive_windows(made, ["eval/eval_1"], 4)[0]
    test = WindowCollator(processor, made, WindowOptions()).window(*window)
    assert test["characters"] == [[{"name": "Tom Hale", "actor": "Bo Day", "portrait": None}]] * 3
    oracle = WindowCollator(processor, made, WindowOptions(test_characters="ground_truth")).window(*window)
    assert oracle["characters"] == [[{"name": "Mara", "actor": "Ann Lee", "portrait": 0}]] * 3
    batch = WindowCollator(processor, made, WindowOptions(test_characters="all")).prompts([window])
    assert torch.equal(batch["face_index"].amax(-1), torch.zeros(1, 3, dtype=torch.long))
    assert "Possible characters" in processor.tokenizer.decode(batch["input_ids"][0, 0])
