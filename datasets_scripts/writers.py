"""Folders for the Hub: Parquet or WebDataset shards with a generated card; `load_dataset(folder)` reads them.

A folder is written beside its place and renamed when it is whole. Nothing is uploaded here but by `upload_folder` with
`dry_run=False`; texts of the public sets belong to their holders, and the card says so.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets.arrow_writer import ParquetWriter

from datasets_scripts.annotations import find_media
from datasets_scripts.builders import ADBuilder
from datasets_scripts.cards import SIGNATURE, card
from datasets_scripts.one_writer import SHOWN, UNSENT, OutputBusy, files_of, only_writer, put_folder
from datasets_scripts.repairs import short

ROWS_PER_FILE = 50_000
FORMATS = ("parquet", "webdataset")
_SPLIT = re.compile(r"\w+(\.\w+)*")  # what `datasets` takes
_PICTURE = re.compile(r"[0-9]+\.(?:jpe?g|png|webp)", re.IGNORECASE)  # of a frame folder
_SHARD = re.compile(rf"data/{_SPLIT.pattern}-\d{{5,}}-of-\d{{5,}}\.parquet|{_SPLIT.pattern}-\d{{5,}}\.tar")


class WriteError(ValueError):
    """A folder that cannot be written."""


@dataclass(frozen=True)
class Written:
    """What a writer left.

    Attributes:
        folder: the finished folder.
        files: its files, relative.
        rows: split -> rows.
    """

    folder: Path
    files: tuple[str, ...]
    rows: dict[str, int]


def write_folder(
    builder: ADBuilder, folder: Path, form: str = "parquet", rows_per_file: int = ROWS_PER_FILE, overwrite: bool = False
) -> Written:
    """Write a set as a folder ready for the Hub.

    Parquet holds one row an AD, one row group a film. WebDataset holds one sample an AD (`json`, with features `npy`);
    with the builder's `root`, one sample a video: its file (a frame folder becomes a `tar`) and a `json` with its ADs
    under "ads".

    Args:
        builder: what to read.
        folder: a new folder.
        form: "parquet" or "webdataset".
        rows_per_file: a file is closed after the film that reaches this many rows.
        overwrite: whether an existing folder may be replaced; only one that holds what this wrote and nothing else is.

    Returns:
        What was written.

    Raises:
        WriteError: the folder is there and not empty (with `overwrite`: holds something else, or what is to be read),
            another process is writing it, the format is unknown, a split has a name that `load_dataset` refuses, or a
            video or frame folder is not there or holds no plain pictures.
    """
    if form not in FORMATS:
        raise WriteError(f"format is {form!r}, expected one of {', '.join(FORMATS)}; choose one")
    for split in builder.config.files():
        if not _SPLIT.fullmatch(split):  # it becomes a file's name, too
            raise WriteError(
                f"split is {short(split)}, expected letters, digits and _, with single dots between; choose another"
            )
    if folder.exists() and folder.samefile(Path.cwd()):  # a shell would be left in a folder that is gone
        raise WriteError(f"'{folder}' is the folder that this runs in, expected a new one; name another")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Whoever holds the folder may remove the ".part" that a killed process left; nobody else's is there then.
        with only_writer(folder.with_name(f".{folder.name}.lock"), folder):
            return _write_held(builder, folder, form, rows_per_file, overwrite)
    except OutputBusy as error:
        raise WriteError(str(error)) from error


def _write_held(builder: ADBuilder, folder: Path, form: str, rows_per_file: int, overwrite: bool) -> Written:
    """`write_folder` once this process holds the folder."""
    part, old = (folder.with_name(f".{folder.name}.{what}") for what in ("part", "replaced"))
    if old.exists():  # of a process that was killed between its last steps
        shutil.rmtree(old) if folder.exists() else old.replace(folder)
    _refuse_strange(folder, builder, overwrite)
    if part.exists():
        shutil.rmtree(part)
    part.mkdir()
    rows: dict[str, int] = {}
    try:
        write = _write_parquet if form == "parquet" else _write_tars
        for split in builder.config.files():
            rows[split] = write(builder, split, part, rows_per_file)
        (part / "README.md").write_text(card(builder, form, rows), encoding="utf-8", newline="\n")
        _refuse_strange(folder, builder, overwrite)  # again: writing took a while
        put_folder(part, folder, old)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Written(
        folder, tuple(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())), rows
    )


def _refuse_strange(folder: Path, builder: ADBuilder, overwrite: bool) -> None:
    """Refuse a folder that holds anything but what this wrote: a slip of the pen must not cost anybody a home.

    Raises:
        WriteError: it does, or what the builder reads lies in it, or it may not be overwritten.
    """
    if folder.is_symlink():
        raise WriteError(f"'{folder.name}' is a link, expected a folder; name the folder itself")
    if not folder.exists() or (folder.is_dir() and all(path.name in SHOWN for path in folder.iterdir())):
        return
    if not overwrite:
        raise WriteError(f"'{folder.name}' is there and not empty, expected a new folder; choose another or overwrite")
    config, readme = builder.config, folder / "README.md"
    given = (*config.files().values(), config.bank, config.keys, config.portraits, config.root, config.feature_file)
    for path in (Path(text).resolve() for text in given if text):
        if path.is_relative_to(folder.resolve()):
            raise WriteError(f"'{path.name}' is to be read and lies in '{folder.name}'; choose another folder")
    if not (readme.is_file() and SIGNATURE in readme.read_text(encoding="utf-8", errors="replace")):
        raise WriteError(f"'{folder.name}' was not written by this command, so is not replaced; remove it yourself")
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).as_posix()
        ours = inside == "README.md" or path.name in SHOWN or _SHARD.fullmatch(inside) is not None
        if path.is_symlink() or (not ours and not path.is_dir()):
            raise WriteError(f"'{folder.name}' holds '{inside}', which this command did not write; move it away")


def _parts(builder: ADBuilder, split: str, rows_per_file: int) -> list[list[str]]:
    """The films of each file."""
    places = builder.reader(split).places
    files: list[list[str]] = [[]]
    count = 0
    for film, place in places.items():
        if count >= rows_per_file:
            files.append([])
            count = 0
        files[-1].append(film)
        count += len(place)
    return files


def _examples(builder: ADBuilder, split: str, films: list[str]) -> Iterator[dict[str, Any]]:
    for _, made in builder._generate_examples(split, films):
        yield made


def _write_parquet(builder: ADBuilder, split: str, folder: Path, rows_per_file: int) -> int:
    parts = _parts(builder, split, rows_per_file)
    (folder / "data").mkdir(exist_ok=True)
    total = 0
    for number, films in enumerate(parts):
        path = folder / "data" / f"{split}-{number:05d}-of-{len(parts):05d}.parquet"
        with ParquetWriter(path=str(path), features=builder.info.features, writer_batch_size=1 << 30) as writer:
            for film in films:
                for made in _examples(builder, split, [film]):
                    writer.write(made)
                writer.write_examples_on_file()  # a row group a film: readers take films, not rows
            total += int(writer.finalize()[0])
    return total


def _write_tars(builder: ADBuilder, split: str, folder: Path, rows_per_file: int) -> int:
    parts = _parts(builder, split, rows_per_file)
    total = number = 0
    for part, films in enumerate(parts):
        with tarfile.open(folder / f"{split}-{part:05d}.tar", "w") as tar:
            for film in films:
                made = list(_examples(builder, split, [film]))
                total += len(made)
                for sample in _samples(builder, made):
                    for ending, raw in sample.items():
                        _add(tar, f"{number:07d}.{ending}", raw)
                    number += 1
    return total


def _samples(builder: ADBuilder, rows: list[dict[str, Any]]) -> Iterator[dict[str, bytes | Path]]:
    """Yield ending -> contents of each sample of a film."""
    if builder.config.root is None:
        for row in rows:
            features = row.pop("frame_features", None)
            sample: dict[str, bytes | Path] = {"json": _dump(row)}
            if features is not None:
                buffer = io.BytesIO()
                np.save(buffer, np.asarray(features, np.float16), allow_pickle=False)
                sample["npy"] = buffer.getvalue()
            yield sample
        return
    videos: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        row.pop("frame_features", None)
        videos.setdefault(row["video"], []).append(row)
    root = Path(builder.config.root)
    for video, ads in videos.items():
        found = find_media(root, video)
        if found is None or not ((root / found).is_file() or (root / found).is_dir()):
            raise WriteError(f"{video} is not below the root; expected a video, a tar or a frame folder; mend the root")
        media: bytes | Path = root / found
        if (root / found).is_dir():  # the rows name the tar that lies beside them now, as those of a packed set do
            media, video = _packed(root / found), f"{found}.tar"
            ads, found = [{**row, "video": video} for row in ads], video
        yield {"json": _dump({"video": video, "ads": ads}), Path(found).suffix[1:]: media}


def _packed(folder: Path) -> bytes:
    """A frame folder as a tar like those that TV-AD comes in: FOLDER/00001.jpg and so on, nothing but its pictures."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(path for path in folder.iterdir() if _PICTURE.fullmatch(path.name)):
            if path.is_symlink() or not path.is_file():  # left out, it would be a gap that a neighbour fills unseen
                raise WriteError(f"{folder.name}/{path.name} is a link or no file, expected a picture; copy it there")
            _add(tar, f"{folder.name}/{path.name}", path)
        if not tar.getnames():
            raise WriteError(f"{folder.name} holds no numbered picture, expected 00001.jpg, ...; unpack it again")
    return packed.getvalue()


def _dump(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()


def _add(tar: tarfile.TarFile, name: str, raw: bytes | Path) -> None:
    """Add a member without owner or time, so that equal data give equal shards."""
    info = tarfile.TarInfo(name)
    if isinstance(raw, Path):
        info.size = raw.stat().st_size
        with raw.open("rb") as file:
            tar.addfile(info, file)
    else:
        info.size = len(raw)
        tar.addfile(info, io.BytesIO(raw))


def upload_folder(folder: Path, repository: str, dry_run: bool = True) -> list[tuple[str, int]]:
    """Send a written folder to a private dataset repository; by default only say what would be sent.

    Args:
        folder: made by `write_folder`.
        repository: "owner/name".
        dry_run: False sends it.

    Returns:
        (file, bytes) of all that is or would be sent.

    Raises:
        WriteError: no such folder, or it has no card.
    """
    if not (folder / "README.md").is_file():
        raise WriteError(f"'{folder.name}' has no README.md, expected a written folder; build it first")
    files = files_of(folder)
    if not dry_run:
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            repo_id=repository, repo_type="dataset", folder_path=str(folder), ignore_patterns=list(UNSENT)
        )
    return files
