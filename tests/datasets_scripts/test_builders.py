from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest
from datasets import load_dataset
from datasets.distributed import split_dataset_by_node
from PIL import Image
from public_files import CMD, MAD, TV, cmd, mad, table, tv

from datasets_scripts import writers
from datasets_scripts.builders import CMDADBuilder, MADBuilder, PocketBuilder, TVADBuilder
from datasets_scripts.frames import (
    FilmFeatures,
    FrameError,
    feature_index_table,
    listed_numbers,
    row_frames,
    video_end_s,
)
from datasets_scripts.mad_features import write_features
from datasets_scripts.pocket.layouts import LAYOUTS, write_annotations
from datasets_scripts.pocket.story import make_film
from datasets_scripts.pocket_set import open_pocket
from datasets_scripts.schema import ADRow
from datasets_scripts.stream import ADStream, StreamError
from datasets_scripts.writers import WriteError, upload_folder, write_folder
from modeling_distinctad.video_distinctad import VideoError

FILMS = ("1_A", "2_B", "3_C")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three films of 4, 5 and 6 ADs with features whose first number is the feature's place."""
    folder = tmp_path_factory.mktemp("mad")
    rows = [
        mad(3 * i, 3 * i + 2, f"Step {i} of {film}.", film)
        for number, film in enumerate(FILMS)
        for i in range(4 + number)
    ]
    table(folder / "a.csv", MAD, [*rows, mad(500, 502, "Beyond the features.", "3_C"), mad(9, 9, "No time.", "1_A")])
    with h5py.File(folder / "f.h5", "w") as file:
        for number, film in enumerate(FILMS):
            values = np.zeros((100 + number, 6), np.float16)
            values[:, 0], values[:, 1] = np.arange(100 + number), number
            file[film] = values
    return folder


def builder(data: Path, cache: Path, **options: Any) -> MADBuilder:
    return MADBuilder(cache_dir=str(cache), annotations=str(data / "a.csv"), **options)


def test_a_stream_resumes_exactly_and_shards_by_film(data: Path, tmp_path: Path) -> None:
    made = builder(data, tmp_path, feature_file=str(data / "f.h5"), num_frames=2)
    stream = made.as_streaming_dataset("test")
    texts = [row["text"] for row in stream]
    assert stream.num_shards == 3 and len(texts) == 15
    taking = iter(stream)
    first = [next(taking)["text"] for _ in range(6)]
    state = stream.state_dict()
    again = made.as_streaming_dataset("test")
    again.load_state_dict(state)
    assert first + [row["text"] for row in again] == texts
    parts = [[row["film"] for row in split_dataset_by_node(stream, rank, 3)] for rank in range(3)]
    assert sorted(map(len, parts)) == [4, 5, 6] and all(len(set(part)) == 1 for part in parts)
    row = next(iter(stream))
    assert np.asarray(row["frame_features"]).shape == (2, 6)
    # 0 to 2 s: middles at 0.5 and 1.5 s, at 5 a second 2.5 and 7.5, ties to the earlier one
    assert [int(v[0]) for v in row["frame_features"]] == [2, 7]
    report = made.reports["test"]
    assert report.count("no_frames") == 1 and report.count("no_interval") == 1 and report.rows == 17


def test_pixels_leave_appendix_e_out_and_features_of_mads_own_do_not(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", MAD, [mad(1, 3, "Step.", film) for film in ("4797", "10")])
    for film in ("4797", "10"):
        (tmp_path / f"{film}.m4v").touch()
    with h5py.File(tmp_path / "mad.h5", "w") as file:
        file.update({film: np.zeros((100, 6), np.float16) for film in ("4797", "10")})
    own = {film: (np.zeros((100, 6), np.float16), {}) for film in ("4797", "10")}
    write_features(tmp_path / "own.h5", {"tower_sha256": "0" * 64, "fps": 5.0}, own)

    def films(**options: Any) -> set[str]:
        made = MADBuilder(cache_dir=str(tmp_path / "c"), annotations=str(path), **options)
        return {row.film for row in made.reader("test")}

    both, one = {"4797", "10"}, {"10"}
    assert films() == both and films(root=str(tmp_path)) == one
    assert films(feature_file=str(tmp_path / "mad.h5")) == both and films(feature_file=str(tmp_path / "own.h5")) == one
    assert films(root=str(tmp_path), source="features") == both


def test_the_cache_follows_the_files_contents(data: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", MAD, [mad(1, 2, "Old text.")])
    for text in ("Old text.", "New text."):
        table(path, MAD, [mad(1, 2, text)])
        made = MADBuilder(cache_dir=str(tmp_path / "cache"), annotations=str(path))
        made.download_and_prepare()
        assert made.as_dataset(split="test")["text"][:] == [text]


def test_download_and_prepare_to_parquet(data: Path, tmp_path: Path) -> None:
    made = builder(data, tmp_path / "cache", feature_file=str(data / "f.h5"))
    made.download_and_prepare(str(tmp_path / "out"), file_format="parquet")
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache2"))["test"]
    assert len(loaded) == 15 and loaded.features == made.info.features


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_a_written_folder_is_read_back(data: Path, tmp_path: Path, form: str) -> None:
    made = builder(data, tmp_path / "cache", feature_file=str(data / "f.h5"), split="train")
    written = write_folder(made, tmp_path / "out", form, rows_per_file=5)
    assert written.rows == {"train": 15} and len(written.files) == 4
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache2"))["train"]
    rows = [row["json"] if form == "webdataset" else row for row in loaded]
    wanted = [row.to_dict() for row in made.reader("train")]
    assert [{**row, "frame_features": 0} for row in rows] == [{**row, "frame_features": 0} for row in wanted]
    features = np.asarray(loaded[4]["npy" if form == "webdataset" else "frame_features"])
    assert features.shape == (8, 6) and features[0, 1] == 1  # the second film's first AD
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| no_interval | refused | 1 |" in card and "15 rows from `a.csv`" in card
    if form == "webdataset":
        assert "One sample is one audio description: `__key__`, `json` and `npy`, (frames, width) float16" in card
        assert "| field of `json` | what |" in card and "| text | the AD" in card and "| frame_features |" not in card
    else:
        assert "One row is one audio description. " in card and "| column | what |" in card
        assert "| frame_features |" in card
    with pytest.raises(WriteError, match="not empty"):
        write_folder(made, tmp_path / "out", form)
    assert dict(upload_folder(tmp_path / "out", "me/x")).keys() == set(written.files)  # a dry run
    with pytest.raises(WriteError):
        upload_folder(tmp_path, "me/x")


def test_a_second_writer_of_a_folder_is_refused_while_the_first_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, real = builder(data, tmp_path / "cache", feature_file=str(data / "f.h5")), writers._write_tars

    def second_writer_meanwhile(*arguments: Any) -> int:
        count = real(*arguments)
        with pytest.raises(WriteError, match="another process is writing"):
            write_folder(made, tmp_path / "new" / "out", "parquet")
        return count

    monkeypatch.setattr(writers, "_write_tars", second_writer_meanwhile)
    written = write_folder(made, tmp_path / "new" / "out", "webdataset")
    assert written.files == ("README.md", "test-00000.tar")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_equal_data_give_equal_shards(data: Path, tmp_path: Path) -> None:
    raw = []
    for name in ("one", "two"):
        made = builder(data, tmp_path / "cache", feature_file=str(data / "f.h5"))
        write_folder(made, tmp_path / name, "webdataset")
        raw.append((tmp_path / name / "test-00000.tar").read_bytes())
    assert raw[0] == raw[1]


def test_videos_go_into_tars_with_their_ads(tmp_path: Path) -> None:
    (tmp_path / "v" / "2014").mkdir(parents=True)
    (tmp_path / "v" / "2014" / "clip1.mkv").write_bytes(b"video")
    path = table(
        tmp_path / "a.csv", CMD, [cmd(1001, 1004, "A b."), cmd(1005, 1008, "C d."), cmd(2001, 2004, "E f.", 2)]
    )
    made = CMDADBuilder(cache_dir=str(tmp_path / "c"), annotations=str(path), root=str(tmp_path / "v"))
    assert write_folder(made, tmp_path / "out", "webdataset").rows == {"test": 2}
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "c2"))["test"]
    sample = loaded.with_format(None).cast_column("mkv", loaded.features["mkv"].__class__(decode=False))[0]
    assert [ad["text"] for ad in sample["json"]["ads"]] == ["A b.", "C d."] and sample["mkv"]["bytes"] == b"video"
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert set(sample) - {"__url__"} == {"__key__", "json", "mkv"} and set(sample["json"]) == {"video", "ads"}
    assert "One sample is one video: `__key__`, the file under its own ending" in card and "One row is" not in card
    fields = card.split("| field of each of `ads` | what |\n|---|---|\n")[1].split("\n\n")[0]
    listed = [name for line in fields.splitlines() for name in line.split(" | ")[0].removeprefix("| ").split(", ")]
    assert sorted(listed) == sorted(sample["json"]["ads"][0])


def test_our_stream(data: Path, tmp_path: Path) -> None:
    write_folder(builder(data, tmp_path / "cache", split="train"), tmp_path / "out", rows_per_file=5)
    features = FilmFeatures(data / "f.h5")
    stream = ADStream(tmp_path / "out", "train", features, 2)
    rows = list(stream)
    assert len(rows) == 15 and stream.left_out == 1
    for row in rows:  # the batch reader takes what the single reader takes
        one = features.frame_features(row["film"], row["start_s"], row["end_s"], 2)
        assert np.array_equal(row["frame_features"], one)
    for stop in (0, 3, 4, 10):
        before, after = (ADStream(tmp_path / "out", "train", features, 2) for _ in range(2))
        taking = iter(before)
        first = [next(taking)["text"] for _ in range(stop)]
        after.load_state_dict(before.state_dict())
        assert first + [row["text"] for row in after] == [row["text"] for row in rows]
    shards = [
        [r["text"] for r in ADStream(tmp_path / "out", "train", shard=(i, 2), columns=["text"])] for i in range(2)
    ]
    assert sorted(shards[0] + shards[1]) == sorted([row["text"] for row in rows] + ["Beyond the features."])
    with pytest.raises(StreamError):
        ADStream(tmp_path / "out", "test")
    with pytest.raises(StreamError):
        ADStream(tmp_path / "out", "train", shard=(2, 2))
    with pytest.raises(StreamError):
        ADStream(tmp_path / "out", "train").load_state_dict({**stream.state_dict(), "units": 9})


def test_feature_indices_by_hand() -> None:
    # 1.0 to 2.6 s: parts of 0.2 s, middles 1.1, 1.3, ... 2.5 s, times five 5.5, 6.5, ... 12.5
    got = feature_index_table(np.array([1.0, 0.0, 9.0]), np.array([2.6, 0.8, 20.0]), 8, 50)
    assert got.tolist() == [
        [5, 6, 7, 8, 9, 10, 11, 12], [0, 1, 1, 2, 2, 3, 3, 4],
        [48, 49, 49, 49, 49, 49, 49, 49],
    ]  # fmt: skip


def test_blocks_do_not_change_what_is_taken(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts, ends = [0.0, 1.0, 5.0, 18.0], [0.5, 19.0, 6.0, 30.0]
    whole = FilmFeatures(data / "f.h5").take("1_A", starts, ends, 4)
    monkeypatch.setattr("datasets_scripts.frames.MAX_SPAN", 10)
    assert np.array_equal(FilmFeatures(data / "f.h5").take("1_A", starts, ends, 4), whole)


def test_listed_numbers() -> None:
    numbers = list(range(9, 25))
    assert listed_numbers(numbers, 8) == numbers[::2] and listed_numbers(numbers, 16) == numbers
    assert listed_numbers([3, 4], 4) == [3, 3, 4, 4]
    with pytest.raises(ValueError, match="0 frames"):
        listed_numbers([], 8)


def picture(value: int) -> bytes:
    raw = io.BytesIO()
    Image.new("RGB", (8, 6), (value, 0, 0)).save(raw, "PNG")
    return raw.getvalue()


def tv_row(tmp_path: Path, numbers: range) -> ADRow:
    path = table(tmp_path / "a.csv", TV, [tv(10, 13, "A b.", tvad_index=str(list(numbers)))])
    return next(iter(TVADBuilder(cache_dir=str(tmp_path / "c"), annotations=str(path)).reader("test")))


def test_frames_from_a_folder_and_a_tar(tmp_path: Path) -> None:
    row = tv_row(tmp_path, range(1, 17))
    folder = tmp_path / row.video
    folder.mkdir(parents=True)
    for number in range(1, 11):
        (folder / f"{number:05d}.jpg").write_bytes(picture(10 * number))
    got = [int(frame[0, 0, 0]) for frame in row_frames(row, tmp_path, 8)]
    assert got == [10, 30, 50, 70, 90, 100, 100, 100]  # frames 11 to 15 are not there: the last one stands in
    name = row.clip
    with tarfile.open(folder.with_name(f"{name}.tar"), "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, f"{name}/{path.name}")
            path.unlink()
    folder.rmdir()
    assert [int(frame[0, 0, 0]) for frame in row_frames(row, tmp_path, 8)] == got
    folder.mkdir()
    (folder / "00001.jpg").write_bytes(b"no picture")
    with pytest.raises(FrameError, match="no picture"):
        row_frames(row, tmp_path, 8)


def test_frames_from_a_clip(tmp_path: Path) -> None:
    (tmp_path / "2014").mkdir()
    with av.open(str(tmp_path / "2014" / "clip1.mkv"), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(60):
            image = np.full((48, 64, 3), 4 * number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    row = cmd(1001, 1005, "A b.", scaled_start=1.0, scaled_end=5.0)
    path = table(tmp_path / "a.csv", CMD, [row])
    made = CMDADBuilder(cache_dir=str(tmp_path / "c"), annotations=str(path), root=str(tmp_path))
    frames = row_frames(next(iter(made.reader("test"))), tmp_path, 4)
    for frame, time_s in zip(frames, (1.5, 2.5, 3.5, 4.5), strict=True):  # frame 10 t has the grey 40 t
        assert abs(float(frame.mean()) - 40 * time_s) < 4


@pytest.mark.parametrize("ending", ["mkv", "mp4", "ts"])
def test_when_the_pictures_of_a_video_end(tmp_path: Path, ending: str) -> None:
    path, noise = tmp_path / f"a.{ending}", np.random.default_rng(1)
    with av.open(str(path), "w", options={"movflags": "faststart"} if ending == "mp4" else {}) as file:
        stream = file.add_stream("libx264", rate=10, options={"g": "20"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(80):
            image = noise.integers(0, 255, (48, 64, 3), np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    assert video_end_s(path) == pytest.approx(8.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # a download that broke off
    assert 2.5 < video_end_s(path) < 5
    path.write_bytes(b"no film")
    with pytest.raises(VideoError, match="cannot be read as a video"):
        video_end_s(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pocket_films_in_any_layout(tmp_path: Path, layout: str) -> None:
    films = [make_film(seed, "clear", 8) for seed in (3, 4)]
    write_annotations(films, tmp_path, layout)
    reader = open_pocket(tmp_path)
    rows = list(reader)
    assert [row.text for row in rows] == [clip.text for film in films for clip in film.clips]
    assert not reader.report.refused and {row.film for row in rows} == {"film_3", "film_4"}
    assert [p.name for p in rows[0].characters] == [m.name for m in films[0].cast]
    made = PocketBuilder(cache_dir=str(tmp_path / "c"), annotations=str(tmp_path), characters="oracle")
    named = [row["characters"] for row in made.as_streaming_dataset("test")]
    assert any(named) and all(p["name"] in r.text for r, people in zip(rows, named, strict=True) for p in people)
