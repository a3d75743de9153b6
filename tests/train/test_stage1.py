"""Stage I: what trains, what the loss is, what is written."""

from __future__ import annotations

import io
import json
import shutil
import signal
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil, CLIPModel

sys.path.insert(0, str(Path(__file__).parent))
import killed_runs
import stage1_process
from tiny_stage1 import arguments, losses, run

from datasets_scripts.pocket.story import make_film
from train import stage1
from train.features import frame_processor
from train.stage1 import ClipDataset, train


@pytest.fixture(scope="module")
def trained(towers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage1") / "clip_ad"
    train(arguments(towers, 3), run(folder))
    return folder


def test_only_the_vision_half_changes(towers: dict[str, str], trained: Path) -> None:
    before, after = (CLIPModel.from_pretrained(path).state_dict() for path in (towers["clip"], str(trained)))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith(("vision_model.", "visual_projection.")) for name in changed)
    assert "visual_projection.weight" in changed


def test_the_record_holds_retrieval_before_and_after(trained: Path) -> None:
    record = json.loads((trained / "run_record.json").read_text(encoding="utf-8"))
    metrics = record["metrics"]
    assert metrics["pool"] == 8 and metrics["before"]["chance_r1"] == 0.125
    for when in ("before", "after"):
        for way in ("clip_to_ad", "ad_to_clip"):
            values = [metrics[when][f"{way}_r{k}"] for k in (1, 5, 10)]
            assert values == sorted(values) and values[2] == 1.0
    lines = [line for line in record["curve"] if "loss" in line]
    assert len(lines) == 3
    first = lines[0]
    assert first["loss"] == pytest.approx(0.5 * (first["loss_global"] + first["loss_fine_grained"]), rel=1e-4)


def test_the_folder_is_a_plain_clip(trained: Path) -> None:
    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "clip" and config["architectures"] == ["CLIPModel"]
    frame_processor(str(trained))  # tokenizer and image processor are there


def test_chunks_train_alike(towers: dict[str, str], trained: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"chunk_size": 3, "gradient_checkpointing": True, "text_cache": str(tmp_path / "texts")}
    train(arguments(towers, 3, **changes), run(tmp_path / "run"))
    assert losses(tmp_path / "run") == pytest.approx(losses(trained), rel=1e-5)
    assert list((tmp_path / "texts").glob("*.safetensors")) and not (tmp_path / "run" / "text_cache").exists()


def test_resuming_repeats_the_steps_to_the_bit(towers: dict[str, str], tmp_path: Path) -> None:
    clip = CLIPModel.from_pretrained(towers["clip"])
    clip.config.vision_config.attention_dropout = 0.3
    shutil.copytree(towers["clip"], tmp_path / "clip")
    clip.save_pretrained(tmp_path / "clip")
    changes: dict[str, Any] = {"clip": str(tmp_path / "clip"), "chunk_size": 3, "text_cache": str(tmp_path / "texts")}
    train(arguments(towers, 3, **changes), run(tmp_path / "whole"))
    train(arguments(towers, 2, **changes), run(tmp_path / "again"))  # the checkpoint of step 2
    train(arguments(towers, 3, **changes), run(tmp_path / "again"))
    assert len(losses(tmp_path / "again")) == 3 and losses(tmp_path / "again") == losses(tmp_path / "whole")
    whole, again = (CLIPModel.from_pretrained(tmp_path / name).state_dict() for name in ("whole", "again"))
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    train(arguments(towers, 3, **{**changes, "clip": towers["clip"]}), run(tmp_path / "dry"))
    assert losses(tmp_path / "dry") != losses(tmp_path / "whole")  # dropout was on


@pytest.mark.slow
def test_a_killed_run_ends_like_a_quiet_one(towers: dict[str, str], tmp_path: Path) -> None:
    found = killed_runs.launch([stage1_process.__file__, towers["clip"], str(tmp_path)], tmp_path)
    assert found["ends"] == [signal.SIGKILL] * 2 + [0]
    stage1_process.train(towers["clip"], tmp_path, "quiet")
    killed, quiet = losses(tmp_path / "killed"), losses(tmp_path / "quiet")
    assert len(quiet) == stage1_process.STEPS and killed == quiet
    ours, theirs = (CLIPModel.from_pretrained(tmp_path / name).state_dict() for name in ("killed", "quiet"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("changes", [{"logit_scale": 1.0}, {"normalize": False}, {"gamma": 1.0}, {"tau_w": 1.0}])
def test_options_reach_the_loss(towers: dict[str, str], trained: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    train(arguments(towers, 1, **changes), run(tmp_path))
    assert abs(losses(tmp_path)[0] - losses(trained)[0]) > 1e-4


def test_duplicate_texts_are_masked_on_demand(
    towers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[torch.Tensor | None] = []
    plain = stage1.stage1_loss

    def watched(*values: Any) -> Any:
        given.append(values[-1])
        return plain(*values)

    monkeypatch.setattr(stage1, "stage1_loss", watched)
    train(arguments(towers, 1), run(tmp_path / "off"))
    train(arguments(towers, 1, mask_duplicate_texts=True), run(tmp_path / "on"))
    assert given[0] is None and given[1] is not None and given[1].shape == (4,)


def test_frames_meet_the_square_as_asked(
    towers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train import stage1

    found: list[str] = []

    def seen(asked: Any, processor: Any, folder: Path) -> Any:
        found.append(processor.frame_fit)
        return [0], [0]  # one clip, so that the run ends here

    monkeypatch.setattr(stage1, "build_data", seen)
    for fit in ("squash", "crop"):
        with pytest.raises(ValueError, match="1 clips, 4 a step; expected one step at least"):
            train(arguments(towers, 1, frame_fit=fit), run(tmp_path / fit))
    assert found == ["squash", "crop"]


def test_clips_are_drawn_the_same_every_time(towers: dict[str, str]) -> None:
    processor = frame_processor(towers["clip"], 2)
    first, second = (ClipDataset([1, 2], "clear", processor) for _ in range(2))
    assert len(first) == sum(len(make_film(seed).clips) for seed in (1, 2))
    assert torch.equal(first[30]["pixel_values"], second[30]["pixel_values"])
    assert first[30]["pixel_values"].shape == (2, 3, 32, 32)


def test_a_pool_takes_from_every_film(towers: dict[str, str]) -> None:
    processor = frame_processor(towers["clip"], 2)
    pool = ClipDataset([1, 2, 3], "clear", processor, limit=8)
    assert pool.clips == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1)]
    assert pool.texts()[3] == make_film(2).clips[0].text


def write_shard(path: Path, films: list[str]) -> Path:
    """A tar of two clips a film, three random pictures each."""
    rng = np.random.default_rng(len(films))
    with tarfile.open(path, "w") as shard:
        for number, film in enumerate(films * 2):
            members = {"json": json.dumps({"text": f"AD {number} tells of {film}.", "film": film}).encode()}
            for frame in range(3):
                picture = io.BytesIO()
                Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(picture, "png")
                members[f"{frame:03d}.png"] = picture.getvalue()
            for ending, content in members.items():
                entry = tarfile.TarInfo(f"{number:05d}.{ending}")
                entry.size = len(content)
                shard.addfile(entry, io.BytesIO(content))
    return path


def test_shards_train_too(towers: dict[str, str], tmp_path: Path) -> None:
    clips, held_out = (write_shard(tmp_path / f"{name}.tar", list(name)) for name in ("abc", "de"))
    changes: dict[str, Any] = {"source": "webdataset", "clips": str(clips), "held_out": str(held_out)}
    metrics = train(arguments(towers, 1, **changes, frame_cache=str(tmp_path / "frames")), run(tmp_path / "run"))
    assert metrics["training_clips"] == 6 and metrics["pool"] == 4 and metrics["after"]["pool_films"] == 2
    assert losses(tmp_path / "run")[0] > 0
    with pytest.raises(ValueError, match="has clips .* and held_out ''; expected"):
        train(arguments(towers, 1, source="videos", clips=str(clips)), run(tmp_path / "none"))


def test_a_run_goes_on_with_the_clips_that_it_began_with(
    towers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, held_out = (write_shard(tmp_path / f"{name}.tar", list(name)) for name in ("abc", "de"))
    changes: dict[str, Any] = {"source": "webdataset", "clips": str(clips), "held_out": str(held_out)}

    def reach_the_texts() -> None:
        with pytest.raises(InterruptedError, match="texts"):
            train(arguments(towers, 1, **changes), run(tmp_path / "run"))

    def stop(*_: Any) -> Any:
        raise InterruptedError("texts")

    monkeypatch.setattr(stage1, "build_text_cache", stop)
    reach_the_texts()
    (tmp_path / "run" / "checkpoint-2").mkdir()
    (tmp_path / "run" / "checkpoint-2" / "trainer_state.json").write_text("{}", encoding="utf-8")
    reach_the_texts()
    with monkeypatch.context() as patch:
        patch.setattr(stage1, "build_data", lambda *_: pytest.fail("decoded before another run was refused"))
        with pytest.raises(ValueError, match=r"another run: gamma was 0\.5 and is 0\.1"):
            train(arguments(towers, 1, **changes, gamma=0.1), run(tmp_path / "run"))
    processor = frame_processor(towers["clip"], 2)
    named = []
    for films in ("abc", "abx", "abcf"):
        write_shard(clips, list(films))
        asked = arguments(towers, 1, **changes)
        data, pool = stage1.build_data(asked, processor, tmp_path / "lists")
        named.append(stage1.data_fingerprint(asked, stage1.clip_settings(asked, data), pool))
        if films != "abc":
            with pytest.raises(ValueError, match="another run: clips_sha256 was '.*expected the same"):
                train(asked, run(tmp_path / "run"))
    assert len(set(named)) == 3


@pytest.mark.parametrize("fit", ["crop", "squash"])
def test_cached_squares_are_not_cropped_again(towers: dict[str, str], tmp_path: Path, fit: str) -> None:
    processor = frame_processor(towers["clip"], 1, fit)
    size = {"height": 32, "width": 32}
    cache = stage1.FrameCache(tmp_path, 10**8)
    for edge in (48, 40):  # the processor resizes to more than it crops
        processor.image_processor = CLIPImageProcessorPil(size={"shortest_edge": edge}, crop_size=size)
        plain, cached = (ClipDataset([1], "clear", processor, 1, kept)[0] for kept in (None, cache))
        assert torch.equal(plain["pixel_values"], cached["pixel_values"])


def test_drawn_frames_come_from_the_cache_as_they_went_in(towers, tmp_path, monkeypatch):
    from train import stage1
    from train.frame_cache import FrameCache

    processor = stage1.frame_processor(towers["clip"], 2)
    plain = stage1.ClipDataset([1], "clear", processor, 3)
    cached = stage1.ClipDataset([1], "clear", processor, 3, FrameCache(tmp_path, 10**8))
    first = [cached[i]["pixel_values"] for i in range(3)]
    monkeypatch.setattr("datasets_scripts.pocket.draw.clip_frames", lambda *_: pytest.fail("drawn again"))
    for index, pixels in enumerate(first):
        assert torch.equal(cached[index]["pixel_values"], pixels)
    monkeypatch.undo()
    for index, pixels in enumerate(first):
        torch.testing.assert_close(plain[index]["pixel_values"], pixels, atol=1e-5, rtol=1e-5)
