"""Stage I's clips from tars and Parquet files, and what in them is refused."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import torch
from pyarrow import parquet
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parent))

from clip_films import jpeg, write_film, write_tar

from benchmarks.loader import plain_processor
from modeling_distinctad.video_distinctad import read_frames
from train import clip_tars
from train.clip_items import ClipError, TooManyFailures
from train.clip_sources import build_source
from train.stage1 import Stage1Arguments, build_data


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "film_1.mp4", 4.0)


@pytest.fixture(scope="module")
def processor() -> Any:
    return plain_processor(edge=16, num_frames=4)


def shades(item: dict[str, Any], processor: Any) -> list[int]:
    images = processor.image_processor
    values = item["pixel_values"][:, 0, 8, 8] * images.image_std[0] + images.image_mean[0]
    return [round(float(value) * 255) for value in values]


def seen(film: Path, processor: Any, times_s: list[float]) -> torch.Tensor:
    return processor.frame_pixels(read_frames(film, times_s))


def test_samples_of_a_tar(film: Path, processor: Any, tmp_path: Path) -> None:
    pictures = {f"a/clip1.{i:03d}.png": jpeg(10 * i) for i in range(8)}
    ads = [{"text": "One.", "film": "f", "start_s": 0.5, "end_s": 2.5}]
    ads += [{"text": "Two.", "film": "f", "start_s": 9, "end_s": 99, "video_start_s": 1.0, "video_end_s": 3.0}]
    members = {
        **pictures, "a/clip1.json": {"text": " He runs. ", "film": "g"},
        "b.mp4": film.read_bytes(), "b.json": {"video": "b", "ads": ads},
        "c.mp4": film.read_bytes(), "c.txt": "Whole.", "README": "no sample",
    }  # fmt: skip
    write_tar(tmp_path / "train-00000.tar", members)
    source = build_source("webdataset", tmp_path, processor, cache=tmp_path / "cache", progress=False)
    assert source.texts() == ["He runs.", "One.", "Two.", "Whole."] and not source.failures.found
    assert [source.film(i) for i in range(4)] == ["g", "f", "f", "train-00000"]
    assert shades(source[0], processor) == [0, 20, 40, 60]
    assert torch.equal(source[1]["pixel_values"], seen(film, processor, [0.75, 1.25, 1.75, 2.25]))
    assert torch.equal(source[2]["pixel_values"], seen(film, processor, [1.25, 1.75, 2.25, 2.75]))
    assert torch.equal(source[3]["pixel_values"], seen(film, processor, [0.5, 1.5, 2.5, 3.5]))


def test_frames_in_a_tar_of_their_own(processor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `distinctad data build --format webdataset` packs frame folders."""
    monkeypatch.setattr(clip_tars, "_OPEN_TARS", 1)  # indices are dropped and made again
    members: dict[str, Any] = {}
    for key in ("0", "1"):
        inner = write_tar(tmp_path / "inner.tar", {f"v/{n:05d}.png": jpeg(10 * n + int(key)) for n in range(1, 17)})
        members[f"{key}.tar"] = inner.read_bytes()
        inner.unlink()
    ads = [{"text": "One.", "start_s": 0, "end_s": 9, "frame_numbers": [1, 2, 3, 4, 5, 6, 7, 8]}]
    ads += [{"text": "Two.", "frame_numbers": [9]}, {"text": "Gone.", "frame_numbers": [15, 17]}, {"text": "Bare."}]
    ads += [{"text": "Odd.", "frame_numbers": [0]}]
    members |= {"0.json": {"video": "v.tar", "ads": ads}, "1.json": {"text": "All."}}
    members |= {"2.tar": members["1.tar"][:5000], "2.txt": "Cut."}
    members |= {"3.tar": write_tar(tmp_path / "inner", {"note.txt": "x"}).read_bytes(), "3.txt": "None."}
    twice = write_tar(tmp_path / "inner", {"v/00001.png": jpeg(1), "w/00001.png": jpeg(2)}).read_bytes()
    members |= {"4.tar": twice, "4.txt": "Twice."}
    bare = write_tar(tmp_path / "inner", {"1.png": jpeg(7)}).read_bytes()[:1024]  # no zeros at its end
    members |= {"5.tar": bare, "5.txt": "Open.", "6.tar": b"", "6.txt": "Empty.", "7.tar": bare[:900], "7.txt": "Part."}
    write_tar(tmp_path / "s.tar", members)
    source = build_source("webdataset", tmp_path / "s.tar", processor, max_failed_share=1, cache=tmp_path / "c")
    assert source.texts() == ["One.", "Two.", "All.", "Open."]
    assert [shades(source[i], processor) for i in (0, 1, 2, 0, 3)] == [
        [10, 30, 50, 70], [90] * 4, [11, 51, 91, 131], [10, 30, 50, 70], [7] * 4,
    ]  # fmt: skip
    said = {failure.row: failure.reason for failure in source.failures.found}
    expected = {"0 AD 2": "no frame 17", "0 AD 3": "no frame_numbers", "0 AD 4": "no list of"}
    expected |= {"4": "several frames of one number"}
    expected |= {row: f"'{row}.tar' of s.tar is cut off" for row in ("2", "6", "7")}
    assert len(said) == 8 and "0 frames" in said["sample 3"]
    assert all(reason in said[f"sample {row}"] for row, reason in expected.items())


def test_frame_numbers_are_of_frames_in_a_tar_alone(film: Path, processor: Any, tmp_path: Path) -> None:
    inner = write_tar(tmp_path / "inner", {f"v/{n:05d}.png": jpeg(n) for n in range(1, 5)}).read_bytes()
    kinds = {"pictures": {"000.png": jpeg(1), "001.png": jpeg(2)}, "video": {"mp4": film.read_bytes(), "tar": inner}}
    sources = []
    for text in ({"text": "A."}, {"text": "A.", "frame_numbers": [0, 1]}, {"text": "A.", "frame_numbers": [2, 1]}):
        members = {f"{key}.{kind}": raw for key, files in kinds.items() for kind, raw in files.items()}
        write_tar(tmp_path / "s.tar", members | {f"{key}.json": text for key in kinds})
        os.utime(tmp_path / "s.tar", ns=(1, 1))  # one version of the shard
        sources.append(build_source("webdataset", tmp_path / "s.tar", processor))
    for source in sources:
        assert source.texts() == ["A.", "A."] and not source.failures.found
        assert [source.about(i) for i in (0, 1)] == [sources[0].about(i) for i in (0, 1)]
    assert [sources[1].clips[i].numbers for i in (0, 1)] == [(), ()]
    assert [sources[2].key(i) for i in (0, 1)] == [sources[1].key(i) for i in (0, 1)]


def test_pictures_go_by_number_and_workers_agree(processor: Any, tmp_path: Path) -> None:
    for shard in range(2):
        members: dict[str, Any] = {}
        for clip in range(3):
            members |= {f"{shard}{clip}.{i}.png": jpeg(5 * i + clip) for i in (10, 2, 1, 30)}
            members[f"{shard}{clip}.txt"] = f"Clip {shard}{clip}."
        write_tar(tmp_path / f"s-{shard}.tar", members)
    source = build_source("webdataset", tmp_path, processor)
    assert shades(source[4], processor) == [6, 11, 51, 151]
    loader = DataLoader(source, batch_size=2, num_workers=1, collate_fn=list)
    items = [item for batch in loader for item in batch]
    assert [item["text"] for item in items] == source.texts() and len(items) == 6
    assert torch.equal(items[5]["pixel_values"], source[5]["pixel_values"])


@pytest.mark.parametrize("cached", [True, False])
def test_shards_of_one_name_lose_their_own_clips_only(processor: Any, tmp_path: Path, cached: bool) -> None:
    for folder, picture in (("one", b"broken"), ("two", jpeg(9))):
        (tmp_path / "shards" / folder).mkdir(parents=True)
        members = {"0.png": jpeg(1), "0.txt": f"{folder} 0.", "1.png": picture, "1.txt": f"{folder} 1."}
        write_tar(tmp_path / "shards" / folder / "s.tar", members)
    cache = tmp_path / "cache" if cached else None
    source = build_source(
        "webdataset", tmp_path / "shards", processor, cache=cache, max_failed_share=0.5, progress=False
    )
    texts = [item["text"] for item in source.__getitems__(range(len(source)))]
    assert texts == ["one 0.", "two 0.", "two 1."]
    assert [(failure.file, failure.row, failure.clip) for failure in source.failures.found] == [
        ("one/s.tar", "sample 1", 1)
    ]
    assert [source.film(index) for index in (0, len(source) - 1)] == ["one/s", "two/s"]


def test_bad_samples_are_named_and_left_out(film: Path, processor: Any, tmp_path: Path) -> None:
    members = {
        "good.png": jpeg(7), "good.txt": "Good.", "mute.png": jpeg(1), "blind.txt": "No picture.",
        "broken.png": b"\x89PNG no", "broken.txt": "Broken.", "late.mp4": film.read_bytes(),
        "late.json": {"text": "Late.", "start_s": 3.0, "end_s": 30.0}, "odd.png": jpeg(1), "odd.json": "{no json",
        "wrong.mp4": film.read_bytes(), "wrong.json": {"text": "Wrong.", "start_s": 2.0, "end_s": float("nan")},
        "list.png": jpeg(1), "list.json": [1],
    }  # fmt: skip
    tar = write_tar(tmp_path / "s.tar", members)
    source = build_source("webdataset", tar, processor, cache=tmp_path / "c", max_failed_share=1.0, progress=False)
    assert source.texts() == ["Good."]
    found = {failure.row.removeprefix("sample "): failure.reason for failure in source.failures.found}
    assert set(found) == {"mute", "blind", "broken", "late", "odd", "wrong", "list"}
    assert "has no text" in found["mute"] and "neither pictures" in found["blind"]
    assert "the video ends at 4.00 s" in found["late"] and "expected two numbers" in found["wrong"]
    with pytest.raises(TooManyFailures, match="s.tar, sample mute"):
        build_source("webdataset", tar, processor)


def link(name: str, kind: bytes, target: str = "good.png") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "member",
    [
        {"../evil.txt": "x"}, {"/etc/evil.txt": "x"}, {"a/../../evil.txt": "x"}, {"a\\..\\evil.txt": "x"},
        {"l": link("evil.txt", tarfile.SYMTYPE, "/etc/passwd")}, {"l": link("evil.txt", tarfile.LNKTYPE)},
        {"l": link("evil.txt", tarfile.CHRTYPE)}, {"l": link("evil.txt", tarfile.FIFOTYPE)},
    ],
)  # fmt: skip
def test_path_tricks_refuse_the_shard(member: dict[str, Any], processor: Any, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "s.tar", {"good.png": jpeg(7), "good.txt": "Good.", **member})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="evil.*do not unpack"):
        build_source("webdataset", tar, processor)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_tar_that_is_cut_off_compressed_or_empty_is_refused(processor: Any, tmp_path: Path) -> None:
    members = {f"{i}.png": jpeg(i) for i in range(40)} | {f"{i}.txt": "Text." for i in range(40)}
    raw = write_tar(tmp_path / "whole.tar", members).read_bytes()
    for size in (len(raw) // 3, len(raw) // 2 // 512 * 512, 100):
        (tmp_path / "cut.tar").write_bytes(raw[:size])
        with pytest.raises(ValueError, match="cut.tar"):
            build_source("webdataset", tmp_path / "cut.tar", processor)
    pairs = [(f"{i}.png", jpeg(i)) if half else (f"{i}.txt", "Text.") for i in range(9) for half in (0, 1)]
    with tarfile.open(write_tar(tmp_path / "pairs.tar", dict(pairs))) as tar:
        between = tar.getmembers()[8].offset  # between two clips: only the missing end tells
    raw = (tmp_path / "pairs.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(raw[:between])
    with pytest.raises(ValueError, match="cut.tar: is cut off"):
        build_source("webdataset", tmp_path / "cut.tar", processor)
    for hole in (512, 4096):  # zeros in the middle: the clips after them would be lost unseen
        (tmp_path / "hole.tar").write_bytes(raw[:between] + bytes(hole) + raw[between + hole :])
        with pytest.raises(ValueError, match=r"hole.tar is damaged at byte \d+"):
            build_source("webdataset", tmp_path / "hole.tar", processor)
    (tmp_path / "two.tar").write_bytes(raw + raw)
    with pytest.raises(ValueError, match=f"two.tar is damaged at byte {len(raw)}"):
        build_source("webdataset", tmp_path / "two.tar", processor)
    with tarfile.open(tmp_path / "z.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    with pytest.raises(ValueError, match="z.tar"):
        build_source("webdataset", tmp_path / "z.tar", processor)
    write_tar(tmp_path / "none.tar", {"README": "x"})
    with pytest.raises(ValueError, match="holds no sample"):
        build_source("webdataset", tmp_path / "none.tar", processor)
    with pytest.raises(ValueError, match="no shard"):
        build_source("webdataset", tmp_path / "gone", processor)


def write_parquet(path: Path, rows: list[dict[str, Any]], group: int = 2) -> Path:
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=group)
    return path


def test_rows_of_parquet_files(film: Path, processor: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    plain = [{"text": f"Row {i}.", "film": "f", "frames": [jpeg(10 * i + j) for j in range(4)]} for i in range(5)]
    as_images = [{"text": "Image.", "frames": [{"bytes": jpeg(99), "path": "x.png"}, {"bytes": jpeg(3), "path": None}]}]
    embedded = [{"text": "Video.", "video": film.read_bytes(), "start_s": 0.5, "end_s": 2.5}]
    struct = [{"text": "Struct.", "video": {"bytes": film.read_bytes(), "path": "a.mp4"}}]
    beside = [{"text": "Beside.", "video": "sub/film.mp4", "start_s": 7.0, "end_s": 8.0}]
    beside[0] |= {"video_start_s": 1.0, "video_end_s": 3.0}
    for number, rows in enumerate((plain, as_images, embedded, struct, beside)):
        write_parquet(folder / f"train-{number}.parquet", rows)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "film.mp4").write_bytes(film.read_bytes())
    source = build_source("parquet", folder, processor, root=tmp_path)
    assert source.texts() == [*(f"Row {i}." for i in range(5)), "Image.", "Video.", "Struct.", "Beside."]
    assert shades(source[3], processor) == [30, 31, 32, 33] and source[3]["film"] == "f"
    assert shades(source[5], processor) == [99, 99, 3, 3] and source[5]["film"] == "train-1"
    assert torch.equal(source[6]["pixel_values"], seen(film, processor, [0.75, 1.25, 1.75, 2.25]))
    assert torch.equal(source[7]["pixel_values"], seen(film, processor, [0.5, 1.5, 2.5, 3.5]))
    assert torch.equal(source[8]["pixel_values"], seen(film, processor, [1.25, 1.75, 2.25, 2.75]))
    items = [i for b in DataLoader(source, batch_size=4, num_workers=1, collate_fn=list) for i in b]
    assert all(torch.equal(items[i]["pixel_values"], source[i]["pixel_values"]) for i in range(9))


def test_bad_rows_are_named_and_left_out(processor: Any, tmp_path: Path) -> None:
    frames = [jpeg(1)]
    rows: list[dict[str, Any]] = [
        {"text": "Good.", "frames": frames, "video": None}, {"text": " ", "frames": frames, "video": None},
        {"text": None, "frames": frames, "video": None}, {"text": "Empty.", "frames": [], "video": None},
        {"text": "Broken.", "frames": [b"no"], "video": None}, {"text": "Gone.", "frames": [], "video": "no.mp4"},
        {"text": "Out.", "frames": [], "video": "../s.mp4"},
    ]  # fmt: skip
    path = write_parquet(tmp_path / "p" / "s.parquet", rows)
    source = build_source("parquet", path, processor, cache=tmp_path / "c", max_failed_share=1.0, progress=False)
    assert source.texts() == ["Good."]
    found = {failure.row: failure.reason for failure in source.failures.found}
    assert list(found) == [f"row {i}" for i in (1, 2, 3, 4, 5, 6)] and "has no text" in found["row 1"]
    assert "neither frames nor" in found["row 3"] and "no picture" in found["row 4"]
    assert "no such file" in found["row 5"] and "inside the data's folder" in found["row 6"]


def test_what_is_no_shard_is_refused(processor: Any, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match=r"a.parquet is damaged .* expected a whole Parquet file"):
        build_source("parquet", tmp_path, processor)
    path = write_parquet(tmp_path / "b" / "b.parquet", [{"text": "No pictures."}])
    with pytest.raises(ValueError, match=r"columns \['text'\]; expected text and frames or video"):
        build_source("parquet", path, processor)
    assert issubclass(ClipError, ValueError)


def test_stage1_lists_what_its_source_leaves_out(processor: Any, tmp_path: Path) -> None:
    members = {f"{i}.png": jpeg(i) for i in range(3)} | {f"{i}.txt": "He runs." for i in range(2)}
    clips, held_out = (write_tar(tmp_path / f"{name}.tar", members) for name in ("clips", "held_out"))
    arguments = Stage1Arguments(
        source="webdataset", clips=str(clips), held_out=str(held_out), max_failed_share=0.4,
        frame_cache=str(tmp_path / "cache"),
    )  # fmt: skip
    data, pool = build_data(arguments, processor, tmp_path / "run")
    assert len(data) == len(pool) == 2 and data.failures.log == tmp_path / "run" / "failed_clips.jsonl"
    assert '"row": "sample 2"' in (tmp_path / "run" / "failed_held_out.jsonl").read_text("utf-8")
    arguments.max_failed_share = 0.3
    with pytest.raises(TooManyFailures, match="1 of 3 clips"):
        build_data(arguments, processor, tmp_path / "run")
