"""Caches of the public sets from videos that are cut off, of another cut, or no videos at all."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from clip_films import write_film

from train import set_features
from train.features import FeatureCache
from train.set_features import SetArguments, build_set_cache


@pytest.fixture
def films(towers: dict[str, str], tmp_path: Path) -> SetArguments:
    """CMD-AD's layout with real videos of six seconds: one whole, one cut off in the middle, one of 300 bytes."""
    rows = [("whole", 1, 4), ("whole", 5, 9), ("whole", 900, 903), ("cut", 0.5, 1.5), ("cut", 5, 5.9), ("bad", 1, 4)]
    with (tmp_path / "cmd.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow("text start end scaled_start scaled_end cmd_filename imdbid cmd_clip_idx".split())
        for number, (clip, start, end) in enumerate(rows):
            table.writerow([f"Mara lifts lamp {number}.", 9 * number, 9 * number + 3, start, end, clip, "a", number])
    (tmp_path / "videos").mkdir()
    raw = write_film(tmp_path / "videos" / "whole.mkv").read_bytes()
    (tmp_path / "videos" / "cut.mkv").write_bytes(raw[: len(raw) // 2])
    (tmp_path / "videos" / "bad.mkv").write_bytes(raw[:300])
    return SetArguments(set="cmd-ad", clip=towers["clip"], train=str(tmp_path / "cmd.csv"), num_frames=2,
                        root=str(tmp_path / "videos"))  # fmt: skip


def test_rows_outside_their_video_or_of_one_that_cannot_be_read_are_refused(
    films: SetArguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build_set_cache(films, str(tmp_path / "cache"))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        "train: cmd.csv, 6 rows in = 3 kept + 0 repaired + 3 refused; no_frames x 2 (refused), "
        "unreadable_video x 1 (refused)"
    )
    assert said[1].startswith("train: unreadable_video: 'bad.mkv': cannot be read as a video (")
    assert "; check that it plays, or fetch it again" in said[1]
    assert said[2].startswith("train: no_frames: 'whole.mkv' ends at 6.00 s, the AD is from 900.0 to 903.0 s; ")
    assert said[3].startswith("train: no_frames: 'cut.mkv' ends at ") and len(said) == 4
    assert [row["text"][-2] for row in FeatureCache(folder).rows] == [
        "0",
        "1",
        "3",
    ]  # of 1 the second half is not there
    told = json.loads((folder / "meta.json").read_text())["read"]["train"]
    assert (told["rows"], told["kept"], told["repaired"], told["refused"]) == (6, 3, 0, 3)
    assert told["rules"] == {"no_frames": 2, "unreadable_video": 1}


def test_each_video_is_measured_once(films: SetArguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    measured = set_features.video_end_s
    monkeypatch.setattr(set_features, "video_end_s", lambda path: opened.append(path.name) or measured(path))
    both = replace(films, eval=films.train)
    build_set_cache(both, str(tmp_path / "cache"))
    assert sorted(opened) == ["bad.mkv", "cut.mkv", "whole.mkv"]


def test_a_set_of_which_no_video_can_be_read_is_refused(films: SetArguments, tmp_path: Path) -> None:
    for video in (tmp_path / "videos").iterdir():
        video.write_bytes(b"no film")
    with pytest.raises(ValueError, match=r"cmd.csv: no row can be used"):
        build_set_cache(films, str(tmp_path / "cache"))
