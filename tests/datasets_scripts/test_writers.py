"""`write_folder` with `overwrite` replaces what it wrote and nothing else, and a kill in between loses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from public_files import MAD, mad, table

from datasets_scripts.builders import MADBuilder
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
