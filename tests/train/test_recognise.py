from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, CLIPImageProcessorPil, ResNetConfig, ResNetModel

from datasets_scripts.pocket.story import make_film
from train import recognise
from train.features import FEATURES, META, ROWS, FeatureArguments, FeatureCache, build_cache
from train.recognise import RecogniseArguments, at_threshold, measure, precision_recall_curve, visible_people

PAIRS = [(0.9, True), (0.8, False), (0.7, True), (0.7, False), (0.1, True)]


def test_the_curve_by_hand() -> None:
    curve = precision_recall_curve(PAIRS)
    assert [p["threshold"] for p in curve] == [0.9, 0.8, 0.7, 0.1]
    assert [p["precision"] for p in curve] == [1, 1 / 2, 2 / 4, 3 / 5]
    assert [p["recall"] for p in curve] == [1 / 3, 1 / 3, 2 / 3, 1]
    for point in curve:
        assert at_threshold(PAIRS, point["threshold"])["f1"] == pytest.approx(point["f1"])
    assert at_threshold(PAIRS, 2.0) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    with pytest.raises(ValueError, match="nobody"):
        precision_recall_curve([(0.5, False)])


def test_who_is_drawn_is_the_truth() -> None:
    film = make_film(5, "clear", 8)
    people = visible_people(5, "clear")
    told = [clip.facts[clip.told].person for clip in make_film(5, "clear").clips]
    assert all(person in seen for person, seen in zip(told, people, strict=True)) and len(film.cast) > 2


def cache(folder: Path, seeds: list[int], at: str = "frames") -> None:
    """Features in which a visible person's direction stands out, in the frames or in the frames' sides alone."""
    seen_at, faces, rows = [], [], []
    for seed in seeds:
        film, people = make_film(seed, "clear"), visible_people(seed, "clear")
        own = torch.eye(16)[: len(film.cast)]
        for i, seen in enumerate(people):
            row = {"film": str(seed), "names": [m.name for m in film.cast], "first_row": len(rows) - i}
            rows.append({**row, "face_offset": len(faces)})
            seen_at.append(sum(own[p] for p in seen).expand(2, 16))
        faces += list(own)
    folder.mkdir()
    people = torch.stack(seen_at).half()
    tensors = {"frames": people, "faces": torch.stack(faces).half()}
    if at == "sides":
        place = 5 * torch.eye(16)[15].half()  # all that the whole frames show
        tensors |= {"frames": place.expand_as(people).contiguous(), "sides": people[:, :, None].repeat(1, 1, 2, 1)}
    save_file(tensors, folder / FEATURES)
    (folder / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / META).write_text(json.dumps({"preset": "clear", "tower": "x"}))


def test_clean_features_recognise_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache(tmp_path / "cache", [1, 2, 3])
    figures, curve = measure(RecogniseArguments(str(tmp_path / "cache"), "1-2", "3"))
    assert figures["test_f1"] > 0.95 > figures["everyone_f1"] and curve[-1]["recall"] == 1
    with pytest.raises(ValueError, match="film 2 is in both tune and test"):
        measure(RecogniseArguments(str(tmp_path / "cache"), "1-2", "2"))
    with pytest.raises(ValueError, match="not in the cache"):
        measure(RecogniseArguments(str(tmp_path / "cache"), "1-2", "9"))
    words = ["x", "--features", str(tmp_path / "cache"), "--tune", "1-2", "--test", "3", "--output_dir"]
    monkeypatch.setattr("sys.argv", [*words, str(tmp_path / "out")])
    recognise.main()
    record = json.loads((tmp_path / "out" / "run_record.json").read_text())
    assert record["metrics"]["test_f1"] == figures["test_f1"] and (tmp_path / "out" / "recognition.png").is_file()


def test_people_whom_only_the_sides_show_are_found(tmp_path: Path) -> None:
    cache(tmp_path / "cache", [1, 2, 3], at="sides")
    figures, _ = measure(RecogniseArguments(str(tmp_path / "cache"), "1-2", "3"))
    assert figures["test_f1"] > 0.95 > figures["everyone_f1"]


def test_a_cache_with_sides_holds_the_frames_of_one_without(tmp_path: Path, towers: dict[str, str]) -> None:
    clip = tmp_path / "clip"
    torch.manual_seed(1)
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic")
    for part in (
        ResNetModel(config),
        AutoTokenizer.from_pretrained(towers["clip"]),
        CLIPImageProcessorPil.from_pretrained(towers["clip"]),
    ):
        part.save_pretrained(clip)
    built = {}
    for sides in (False, True):
        asked = FeatureArguments(clip=str(clip), seeds="1", num_frames=2, sides=sides)
        built[sides] = FeatureCache(build_cache(asked, str(tmp_path / str(sides))))
    assert built[False].sides is None and built[True].sides.shape == (len(built[True].rows), 2, 2, 8)
    assert torch.equal(built[False].frames, built[True].frames) and torch.equal(built[False].faces, built[True].faces)
    assert not torch.equal(built[True].sides[:, :, 0], built[True].sides[:, :, 1])
