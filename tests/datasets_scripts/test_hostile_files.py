"""Archives, pictures, features, shards and pickles made to harm: each is refused, nothing is run or unpacked."""

from __future__ import annotations

import contextlib
import io
import pickle
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datasets_scripts.archives import MAX_MEMBER, ArchiveError, TarIndex, read_zip_member
from datasets_scripts.banks import read_bank
from datasets_scripts.checks import check_file
from datasets_scripts.frames import FilmFeatures, FrameError, read_picture, row_frames
from datasets_scripts.mad_features import FeatureError
from datasets_scripts.schema import ADRow, Provenance
from datasets_scripts.stream import ADStream, StreamError
from datasets_scripts.tables import TableError


def flipped(raw: bytes, rng: random.Random) -> bytes:
    """Some bytes of `raw` replaced; now and then its end is missing."""
    damaged = bytearray(raw)
    for _ in range(rng.choice([1, 2, 5, 30])):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged[: rng.randrange(len(damaged))] if rng.random() < 0.2 else damaged)


def tar(members: dict[str, bytes]) -> bytes:
    """A tar of name -> bytes."""
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w") as made:
        for name, data in members.items():
            (info := tarfile.TarInfo(name)).size = len(data)
            made.addfile(info, io.BytesIO(data))
    return file.getvalue()


def holed(raw: bytes, first: int, size: int = 512) -> bytes:
    """`raw` with zeros in place of some bytes."""
    return raw[:first] + bytes(size) + raw[first + size :]


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "a\\b", "c:x"])
def test_members_with_absolute_or_parent_paths(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(ArchiveError, match="leaves"):
        TarIndex(tmp_path / "a.tar")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good", "x")
        archive.writestr(zipfile.ZipInfo(name), "x")
    with pytest.raises(ArchiveError, match="leaves"):
        read_zip_member(tmp_path / "a.zip", "good")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE], ids=["sym", "hard", "device", "fifo"]
)
def test_links_and_devices_in_tars(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("a")
    link.type, link.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(link)
    with pytest.raises(ArchiveError, match="link or device"):
        TarIndex(tmp_path / "a.tar")


def test_links_in_zips(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveError, match="is a link"):
        read_zip_member(tmp_path / "a.zip", "a")


def test_decompression_bombs(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\0" * 5_000_000)
        archive.writestr("good", b"abc")
    with pytest.raises(ArchiveError, match="grows"):
        read_zip_member(tmp_path / "a.zip", "bomb")
    assert read_zip_member(tmp_path / "a.zip", "good") == b"abc"
    with pytest.raises(ArchiveError):
        read_zip_member(tmp_path / "a.zip", "absent")
    # A directory that lies about the size gives as many bytes as it promised, or nothing.
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "lie.zip").write_bytes(raw.replace((5_000_000).to_bytes(4, "little"), (9000).to_bytes(4, "little")))
    with pytest.raises(ArchiveError):
        read_zip_member(tmp_path / "lie.zip", "bomb")
    with tarfile.open(tmp_path / "b.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    with pytest.raises(ArchiveError, match="no plain tar"):
        TarIndex(tmp_path / "b.tar")
    large = tarfile.TarInfo("large.jpg")
    large.size = MAX_MEMBER + 1
    (tmp_path / "c.tar").write_bytes(large.tobuf() + bytes(1024))
    with pytest.raises(ArchiveError, match="no plain tar"):
        TarIndex(tmp_path / "c.tar")
    with (tmp_path / "c.tar").open("r+b") as file:  # it costs its own sample, not the shard
        file.truncate(512 + MAX_MEMBER + 512 + 1024)
    with pytest.raises(ArchiveError, match="expected under"):
        TarIndex(tmp_path / "c.tar").read("large.jpg")


def test_headers_that_lie_are_refused_before_tarfile_follows_them(tmp_path: Path) -> None:
    def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
        made = tarfile.TarInfo(name)
        made.size, made.type = size, kind
        return made.tobuf(tarfile.GNU_FORMAT)

    path = tmp_path / "a.tar"
    good = header("0.jpg", 4) + b"good".ljust(512, b"\0")
    path.write_bytes(good + header("back", -512) + bytes(1024))  # read again and again, without end
    with pytest.raises(ArchiveError, match="-512"):
        TarIndex(path)
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):  # read whole, however long
        path.write_bytes(good + header("x", 1 << 30, kind) + bytes(1024))
        with pytest.raises(ArchiveError, match="extended header"):
            TarIndex(path)
    whole = good + header("1.jpg", 4) + b"more".ljust(512, b"\0") + header("2.jpg", 0)
    for at in range(1024, 1024 + 100):  # the second header damaged: what comes after it is not there to be lost
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :] + bytes(1024))
        with pytest.raises(ArchiveError):
            TarIndex(path)
    path.write_bytes(whole + bytes(1024))
    assert TarIndex(path).names == ["0.jpg", "1.jpg", "2.jpg"]
    path.write_bytes(whole)  # published sets come without the zeros at the end
    assert len(TarIndex(path).names) == 3


def test_zeros_in_the_middle_of_a_tar_are_not_its_end(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    path, raw = tmp_path / "v.tar", tar({f"v/{n:05d}.jpg": picture.getvalue() for n in range(1, 7)})
    row = ADRow("v", "v", 0, 0.0, 1.0, "A.", (), "v", Provenance("a.csv", 0), frame_numbers=(5, 6))
    path.write_bytes(raw)
    assert len(row_frames(row, tmp_path, 2)) == 2
    fourth = raw.index(b"v/00004.jpg")
    for size in (512, raw.index(b"v/00006.jpg") - fourth):  # a header, a hole: frame 3 would stand for 5 and 6
        path.write_bytes(holed(raw, fourth, size))
        with pytest.raises(FrameError, match=f"v.tar is damaged at byte {fourth + size}"):
            row_frames(row, tmp_path, 2)
    path.write_bytes(raw + raw)  # only the first one's members are seen
    with pytest.raises(ArchiveError, match=f"v.tar is damaged at byte {len(raw)}"):
        TarIndex(path)
    path.write_bytes(raw + bytes(3 << 20))
    assert len(TarIndex(path).names) == 6
    path.write_bytes(raw + bytes(3 << 20) + b"x")
    with pytest.raises(ArchiveError, match=f"v.tar is damaged at byte {len(raw) + (3 << 20)}"):
        TarIndex(path)


def test_a_sparse_header_at_the_end_of_a_file_is_no_traceback(tmp_path: Path) -> None:
    header = tarfile.TarInfo("a")
    header.type = tarfile.GNUTYPE_SPARSE
    raw = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    raw[482] = 1  # says that another block of its map follows
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    (tmp_path / "a.tar").write_bytes(raw)
    with pytest.raises(ArchiveError, match="no plain tar"):
        TarIndex(tmp_path / "a.tar")


def test_a_tar_in_a_tar_is_read_where_it_lies_and_held_to_the_same_rules(tmp_path: Path) -> None:
    inner = tar({"v/00001.jpg": b"one", "v/00002.jpg": b"two" * 400})
    hostile = {"up.tar": tar({"../x": b""}), "part.tar": inner[:2000], "no.tar": b"no tar", "hole.tar": holed(inner, 0)}
    hostile["reach.tar"] = inner[:1536] + bytes(1024)
    bare = {"bare.tar": inner[:3072], "one.tar": inner[:1024]}  # without zeros at the end, as a file may be
    cut = {"cut.tar": inner[:3000], "empty.tar": b""}  # 1200 bytes are there, but not what fills their last block
    path = tmp_path / "a.tar"
    path.write_bytes(tar({"first": b"x", "0.tar": inner, **hostile, **bare, **cut, "last": b"y" * 9000, **bare}))
    outer = TarIndex(path)
    frames = outer.inner("0.tar")
    assert frames.names == ["v/00001.jpg", "v/00002.jpg"] and outer.read("0.tar") == inner
    assert (frames.read("v/00001.jpg"), frames.read("v/00002.jpg")) == (b"one", b"two" * 400)
    for name in (*hostile, "absent"):
        with pytest.raises(ArchiveError):
            outer.inner(name)
    for name in cut:
        with pytest.raises(ArchiveError, match=f"'{name}' of a.tar is cut off"):
            outer.inner(name)
    with pytest.raises(ArchiveError, match="'v/00002.jpg' reaches out"):
        outer.inner("part.tar")
    with pytest.raises(ArchiveError, match="'hole.tar' of a.tar is damaged at byte 512"):
        outer.inner("hole.tar")
    assert [outer.inner(name).names for name in bare] == [frames.names, frames.names[:1]]  # the last: before the zeros
    path.write_bytes(tar({**bare, "next": b"x"}))
    assert [TarIndex(path).inner(name).names for name in bare] == [frames.names, frames.names[:1]]
    path.write_bytes(tar({"one.tar": inner[:1024]})[:1536])  # both without
    assert TarIndex(path).inner("one.tar").names == frames.names[:1]
    large = tarfile.TarInfo("large.tar")  # frames of a long episode: never read whole
    large.size = MAX_MEMBER + 1
    (tmp_path / "b.tar").write_bytes(large.tobuf() + inner + bytes(MAX_MEMBER))
    assert TarIndex(tmp_path / "b.tar").inner("large.tar").read("v/00001.jpg") == b"one"
    with pytest.raises(ArchiveError, match="expected under"):
        TarIndex(tmp_path / "b.tar").read("large.tar")


@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_damaged_archives_raise_nothing_else(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "tar":
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            for number in range(3):
                info = tarfile.TarInfo(f"d/{'é' * (60 * number + 1)}{number:05d}.jpg")
                info.size = 10
                tar.addfile(info, io.BytesIO(b"0123456789"))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for number, method in enumerate((0, 8, 12, 14)):  # stored, deflate, bzip2, LZMA
                archive.writestr(zipfile.ZipInfo(str(number)), b"hello world " * 20, compress_type=method)
    raw, rng, read, tries = path.read_bytes()[:7000], random.Random(1), 0, 200
    for _ in range(tries):
        path.write_bytes(flipped(raw, rng))
        with contextlib.suppress(ArchiveError):
            if ending == "tar":
                index = TarIndex(path)
                assert all(len(index.read(name)) <= len(raw) for name in index.names)
                read += 1
            for number in range(4 if ending == "zip" else 0):
                with contextlib.suppress(ArchiveError):
                    read_zip_member(path, str(number))
                    read += 1
    assert 0 < read < tries * (4 if ending == "zip" else 1)  # damage elsewhere is not seen, and need not be


def test_pictures_too_large_or_of_another_kind() -> None:
    bomb = io.BytesIO()
    Image.new("1", (9_000, 5_000)).save(bomb, "PNG")  # Pillow itself refuses only four times as many
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(FrameError, match="pixels, expected under"):
        read_picture(bomb.getvalue(), "bomb.png")
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) (w) file\n%%EOF\n"
    with pytest.raises(FrameError, match="no picture"):
        read_picture(postscript, "a.jpg")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_damaged_pictures_raise_nothing_else(form: str) -> None:
    picture, rng, read, tries = io.BytesIO(), random.Random(1), 0, 200
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(picture, form)
    assert read_picture(picture.getvalue(), "a").shape == (40, 60, 3)
    for _ in range(tries):
        with contextlib.suppress(FrameError):
            assert read_picture(flipped(picture.getvalue(), rng), "a").ndim == 3
            read += 1
    assert read == 0 if form == "PNG" else 0 < read < tries  # its checksums see every damage


def test_feature_files_that_unpack_to_too_much(tmp_path: Path) -> None:
    for name, options in (
        ("wide", {"shape": (10, 1_000_000), "chunks": (1, 1000)}),
        ("chunk", {"shape": (50_000, 1024), "chunks": (50_000, 1024), "compression": "gzip"}),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset("1", dtype=np.float16, fillvalue=0, **options)
        with pytest.raises(FeatureError, match="expected at most"):
            FilmFeatures(tmp_path / f"{name}.h5")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["1"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(FeatureError, match="link"):
        FilmFeatures(tmp_path / "link.h5")


def test_damaged_feature_files_raise_nothing_else(tmp_path: Path) -> None:
    path, rng, read, tries = tmp_path / "a.h5", random.Random(1), 0, 150
    with h5py.File(path, "w") as file:
        file["1"] = np.ones((30, 8), np.float16)
        file.create_dataset("2", data=np.ones((30, 8), np.float16), chunks=(8, 8), compression="gzip")
    raw = path.read_bytes()
    for _ in range(tries):
        path.write_bytes(flipped(raw, rng))
        with contextlib.suppress(FeatureError):
            features = FilmFeatures(path)
            for film in features.films:
                assert features.take(film, [0.0, 1.0], [1.0, 3.0], 4).shape[:2] == (2, 4)
                features.frame_features(film, 0, 3)
            read += 1
    assert 0 < read < tries


def test_damaged_shards_raise_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path, rng, read, tries = tmp_path / "data" / "train-0.parquet", random.Random(2), 0, 30
    rows = {"film": ["a", "a"], "start_s": [0.0, 1.0], "end_s": [1.0, 2.0], "text": ["x", "y"]}
    pq.write_table(pa.table(rows), path)
    raw = path.read_bytes()
    for _ in range(tries):
        path.write_bytes(flipped(raw, rng))
        with contextlib.suppress(StreamError):
            list(ADStream(tmp_path))
            read += 1
    assert 0 < read < tries


class Trap:
    """Leaves a file behind if it is ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["bank.pkl", "bank.pickle", "bank.json", "anno.csv", "f.pt"])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickles_are_refused_unopened(tmp_path: Path, name: str, protocol: int) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"f": [Trap(tmp_path / "sprung")]}, protocol))
    for kind in (None, "mad-eval", "tv-ad"):
        report = check_file(tmp_path / name, kind)
        assert report.refused and report.rows == 0
    with pytest.raises(TableError):
        read_bank(tmp_path / name)
    with contextlib.suppress(FrameError):
        read_picture((tmp_path / name).read_bytes(), name)
    with pytest.raises(FeatureError):
        FilmFeatures(tmp_path / name)
    assert not (tmp_path / "sprung").exists()
