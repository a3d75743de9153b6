"""`write_folder` with `overwrite` replaces what it wrote and nothing else, and a kill in between loses nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from public_files import MAD, TV, mad, table, tv

from datasets_scripts.archives import TarIndex
from datasets_scripts.builders import MADBuilder, TVADBuilder
from datasets_scripts.frames import row_frames
from datasets_scripts.one_writer import SHOWN
from datasets_scripts.schema import ADRow
from datasets_scripts.writers import WriteError, write_folder


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    return table(tmp_path / "a.csv", MAD, [mad(3 * i, 3 * i + 2, f"Step {i}.") for i in range(4)])


def builder(annotations: Path, **options: Any) -> MADBuilder:
    cache = annotations.with_name("cache")
    return MADBuilder(cache_dir=str(cache), annotations=str(annotations), **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", ["letter.txt", "data/mine.parquet", "films/a.mp4", "test-00000.tar.gz"])
def test_a_folder_with_anything_else_is_kept(annotations: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    write_folder(builder(annotations), out)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    before = contents(out)
    with pytest.raises(WriteError, match=f"holds '{name}', which this command did not write"):
        write_folder(builder(annotations), out, overwrite=True)
    assert contents(out) == before
    (out / name).unlink()
    for shown in SHOWN:  # a file manager looked into it
        (out / shown).touch()
    assert write_folder(builder(annotations), out, "webdataset", overwrite=True).files == (
        "README.md",
        "test-00000.tar",
    )


@pytest.mark.parametrize("what", ["annotations", "bank", "keys", "portraits", "root"])
def test_what_is_to_be_read_is_not_replaced(annotations: Path, tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    write_folder(builder(annotations), out)
    inside = Path(shutil.copy(annotations, out / "test-00001.tar")) if what == "annotations" else out
    made = builder(inside) if what == "annotations" else builder(annotations, **{what: str(inside)})
    before = contents(out)
    with pytest.raises(WriteError, match="is to be read and lies in 'out'"):
        write_folder(made, out, overwrite=True)
    assert contents(out) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_link_is_said_to_be_one(annotations: Path, tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "there").mkdir()
    for target in ("there", "nowhere"):
        link = tmp_path / f"to_{target}"
        link.symlink_to(tmp_path / target)
        with pytest.raises(WriteError, match=f"'{link.name}' is a link, expected a folder"):
            write_folder(builder(annotations), link, overwrite=overwrite)


class Killed(BaseException):
    """Stands for a kill that no handler catches."""


def test_a_kill_while_the_folders_are_exchanged_loses_nothing(
    annotations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, replace = tmp_path / "out", Path.replace
    write_folder(builder(annotations), out)
    before = contents(out)

    def killed(self: Path, target: Path) -> Path:
        if target == out:
            raise Killed
        return replace(self, target)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Path, "replace", killed)
        write_folder(builder(annotations), out, "webdataset", overwrite=True)
    with pytest.raises(WriteError, match="not empty"):  # the earlier one is back, and is not replaced unasked
        write_folder(builder(annotations), out, "webdataset")
    assert contents(out) == before
    write_folder(builder(annotations), out, "webdataset", overwrite=True)
    assert set(contents(out)) == {"README.md", "test-00000.tar"}
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "a.csv", "cache"}


CLIP = "friends_frames/friends_s01e02_seg01_clip_01"  # of `tv`'s rows


def frame_folder(root: Path, numbers: list[int]) -> Path:
    """A clip's numbered pictures, as TV-AD has them; what number says the shade."""
    (root / CLIP).mkdir(parents=True)
    for number in numbers:
        picture = io.BytesIO()
        Image.new("RGB", (8, 6), (10 * number, 0, 0)).save(picture, "PNG")
        (root / CLIP / f"{number:05d}.jpg").write_bytes(picture.getvalue())
    return root / CLIP


def built(tmp_path: Path, name: str) -> Path:
    """Two ADs of the clip below `name` as a shard."""
    path = table(tmp_path / "tv.csv", TV, [tv(10, 13, "A b."), tv(14, 17, "C d.", tvad_index=str(list(range(1, 17))))])
    made = TVADBuilder(cache_dir=str(tmp_path / "cache"), annotations=str(path), root=str(tmp_path / name))
    assert write_folder(made, tmp_path / f"{name}_out", "webdataset").rows == {"test": 2}
    return tmp_path / f"{name}_out" / "test-00000.tar"


def shown(shard: Path, folder: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The sample's `json`, and the frames of its ADs once its file lies where they name it."""
    members = TarIndex(shard)
    assert members.names == ["0000000.json", "0000000.tar"]
    sample = json.loads(members.read("0000000.json"))
    (folder / sample["video"]).parent.mkdir(parents=True)
    (folder / sample["video"]).write_bytes(members.read("0000000.tar"))
    rows = [ADRow.from_dict(ad) for ad in sample["ads"]]
    return sample, [frame for row in rows for frame in row_frames(row, folder, 8)]


def test_frame_folders_are_packed_as_the_set_packs_them(tmp_path: Path) -> None:
    folder = frame_folder(tmp_path / "folders", list(range(1, 15)))
    clip = tmp_path / "packed" / f"{CLIP}.tar"
    clip.parent.mkdir(parents=True)
    with tarfile.open(clip, "w") as tar:
        tar.add(folder, folder.name)
    for name in ("notes.txt", "Thumbs.db"):  # no pictures
        (folder / name).write_bytes(b"x")
    (sample, frames), (other, theirs) = (
        shown(built(tmp_path, name), tmp_path / read) for name, read in (("folders", "one"), ("packed", "two"))
    )
    assert sample == other and all(np.array_equal(*pair) for pair in zip(frames, theirs, strict=True))
    assert [frame[0, 0, 0] for frame in frames[8:]] == [10, 30, 50, 70, 90, 110, 130, 140]
    assert TarIndex(tmp_path / "one" / f"{CLIP}.tar").names == [f"{folder.name}/{n:05d}.jpg" for n in range(1, 15)]
    again = frame_folder(tmp_path / "again", list(range(14, 0, -1)))  # in another order, of another time and mode
    os.utime(again / "00001.jpg", (1, 1))
    (again / "00002.jpg").chmod(0o600)
    assert built(tmp_path, "again").read_bytes() == (tmp_path / "folders_out" / "test-00000.tar").read_bytes()


@pytest.mark.parametrize("kind", ["link", "folder", "none"])
def test_frame_folders_with_anything_but_pictures_are_refused(tmp_path: Path, kind: str) -> None:
    folder = frame_folder(tmp_path / "v", [1, 2] if kind != "none" else [])
    if kind == "link":
        (tmp_path / "secret").write_bytes(b"not in the set")
        (folder / "00003.jpg").symlink_to(tmp_path / "secret")
    elif kind == "folder":
        (folder / "00003.jpg").mkdir()
    expected = "holds no numbered picture" if kind == "none" else f"{folder.name}/00003.jpg is a link or no file"
    with pytest.raises(WriteError, match=expected):
        built(tmp_path, "v")
    assert not (tmp_path / "v_out").exists()
