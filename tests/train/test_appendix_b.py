"""The neighbour excess by hand, its direction, and the picture."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from train import appendix_b
from train.appendix_b import FilmSimilarity, cosines, excess_by_clip, neighbour_excess
from train.features import FeatureCache


def banded(count: int, near: float, far: float = 0.0) -> np.ndarray:
    """Cosine `near` up to 2 away, `far` beyond."""
    away = np.abs(np.arange(count)[:, None] - np.arange(count)[None])
    return np.where(away == 0, 1.0, np.where(away <= 2, near, far))


def test_excess_by_hand() -> None:
    similarity = np.array([[1, 0.8, 0.1, 0.3], [0.8, 1, 0.6, 0.2], [0.1, 0.6, 1, 0.4], [0.3, 0.2, 0.4, 1.0]])
    # near 1, far over 2: clip 0 has near 1 (0.8) and far 3 (0.3); clip 3 has near 2 (0.4) and far 0 (0.3)
    found = excess_by_clip(similarity, near=1, far=2)
    assert found[[0, 3]] == pytest.approx([0.5, 0.1]) and np.isnan(found[[1, 2]]).all()
    # near 1, far over 1: clip 1 has near 0 and 2 (0.7) and far 3 (0.2)
    assert excess_by_clip(similarity, 1, 1)[1] == pytest.approx(0.5)


def test_a_constant_shift_of_all_cosines_changes_nothing() -> None:
    similarity = banded(30, 0.5)
    shifted = np.where(np.eye(30, dtype=bool), 1.0, similarity + 0.2)
    assert np.nanmean(excess_by_clip(shifted, 2, 12)) == pytest.approx(np.nanmean(excess_by_clip(similarity, 2, 12)))


def test_distances_that_make_no_sense_are_refused() -> None:
    for near, far in ((0, 5), (6, 5)):
        with pytest.raises(ValueError, match="expected 1 <= near <= far"):
            excess_by_clip(banded(20, 0.5), near, far)
    with pytest.raises(ValueError, match="lower --far"):
        excess_by_clip(banded(10, 0.5), 8, 12)


def films(before: float, after: float, text: float) -> list[FilmSimilarity]:
    return [
        FilmSimilarity(str(n), {"clip": banded(20, before + n / 100), "clip_ad": banded(20, after + n / 100),
                                "text": banded(20, text)})
        for n in range(4)
    ]  # fmt: skip


def test_change_and_direction_have_intervals_over_films() -> None:
    found = neighbour_excess(films(0.8, 0.5, 0.1), 2, 4)
    assert found["change"]["value"] == pytest.approx(-0.3) and found["change"]["interval"] == pytest.approx(
        (-0.3, -0.3)
    )
    assert found["towards_text"]["value"] == pytest.approx(0.3)
    low, high = found["clip"]["interval"]
    assert low < found["clip"]["value"] < high
    assert found["far_cosine"] == pytest.approx({"clip": 0.0, "clip_ad": 0.0, "text": 0.0})
    away = neighbour_excess(films(0.5, 0.8, 0.1), 2, 4)
    assert away["towards_text"]["value"] == pytest.approx(-0.3)
    assert neighbour_excess(films(0.5, 0.8, 0.1)[:1], 2, 4)["change"]["interval"] is None


def test_cosines_of_zero_vectors_are_zero() -> None:
    assert cosines(np.array([[3.0, 0.0], [3.0, 3.0], [0.0, 0.0]]))[0] == pytest.approx([1.0, 0.5**0.5, 0.0])


def test_the_command_writes_picture_and_record(
    towers: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    refused: Any,
) -> None:
    rows = [FilmSimilarity(f.film, f.matrices, (7,)) for f in films(0.8, 0.5, 0.1)]
    monkeypatch.setattr(appendix_b, "film_similarity", lambda *_: rows)
    out = tmp_path / "b.png"
    argv = ["--clip", towers["clip"], "--clip_ad", towers["clip"], "--out", str(out), "--drawn", "2", "--near", "2"]
    assert appendix_b.main(argv) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    record = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert record["neighbour_excess"]["change"]["value"] == pytest.approx(-0.3)
    assert record["towers"]["clip"] == record["towers"]["clip_ad"]
    assert "CLIP_AD minus CLIP" in capsys.readouterr().out
    assert "lower --far" in refused(appendix_b.main, [*argv, "--far", "40"])


def test_films_without_clips_far_apart_are_left_out_by_name() -> None:
    short, long = (FilmSimilarity(name, {key: banded(n, 0.5) for key in ("clip", "clip_ad", "text")})
                   for name, n in (("a", 14), ("b", 15)))  # fmt: skip
    kept, names = appendix_b.long_enough([short, long], 13)
    assert kept == [long] and names == ["a"]  # of b, the first and the last clip are 14 apart
    assert appendix_b.neighbour_excess(kept, far=13)["clips"] == 2
    with pytest.raises(ValueError, match="longest film has 15 clips, none over 14 apart"):
        appendix_b.long_enough([short, long], 14)


def test_whole_films_come_from_two_caches(
    towers: dict[str, str], features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Any
) -> None:
    after = Path(shutil.copytree(features, tmp_path / "after", ignore=shutil.ignore_patterns("parts_*")))
    tensors = load_file(after / "features.safetensors")
    frames = tensors["frames"].float()
    frames[:, :, 0] += 100 * frames.abs().max()  # all clips alike
    save_file(tensors | {"frames": frames.half()}, after / "features.safetensors")
    out = tmp_path / "b.png"
    argv = ["--clip", towers["clip"], "--features", str(features), "--out", str(out)]
    both = [*argv, "--features_ad", str(after)]
    assert appendix_b.main([*both, "--films", "2,800001", "--drawn", "1"]) == 0
    record = json.loads(out.with_suffix(".json").read_text("utf-8"))
    found = record["neighbour_excess"]
    assert found["films"] == 2 and record["films"] == "2,800001" and found["far_cosine"]["clip_ad"] > 0.99
    assert record["towers"]["clip"] == FeatureCache(features).meta["tower"]
    frames = FeatureCache(features).frames[FeatureCache(features).films["2"]].double()
    means = torch.nn.functional.normalize(torch.nn.functional.normalize(frames, dim=-1).mean(dim=1), dim=-1)
    films, _ = appendix_b.cache_similarity(towers["clip"], str(features), str(after), "2")
    assert films[0].matrices["clip"] == pytest.approx((means @ means.T).numpy())
    assert films[0].matrices["text"].shape == films[0].matrices["clip_ad"].shape == (len(means), len(means))
    assert "lower --far" in refused(appendix_b.main, [*both, "--far", "50"])
    assert "lacks film 7" in refused(appendix_b.main, [*both, "--films", "7"])
    assert "name the one or the two" in refused(appendix_b.main, argv)
    assert "name the one or the two" in refused(appendix_b.main, [*both, "--clip_ad", towers["clip"]])
    lines = (after / "rows.jsonl").read_text("utf-8").splitlines(keepends=True)
    (after / "rows.jsonl").write_text("".join([lines[1], lines[0], *lines[2:]]), "utf-8")
    assert "hold other clips" in refused(appendix_b.main, both)


@pytest.mark.slow
def test_one_tower_twice_gives_equal_columns(towers: dict[str, str]) -> None:
    (film,) = appendix_b.film_similarity(towers["clip"], towers["clip"], [800001], "clear")
    assert np.array_equal(film.matrices["clip"], film.matrices["clip_ad"])
    assert film.matrices["text"].shape == film.matrices["clip"].shape
    assert np.diag(film.matrices["clip"]) == pytest.approx(1.0)
    assert 1 <= len(film.scene_starts) <= 4
