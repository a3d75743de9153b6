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
from datasets_scripts.one_writer import OutputBusy, only_writer
from datasets_scripts.repairs import short

ROWS_PER_FILE = 50_000
FORMATS = ("parquet", "webdataset")
_SPLIT = re.compile(r"\w+(\.\w+)*")  # what `datasets` takes


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
    with the builder's `root`, one sample a video: its file and a `json` with its ADs under "ads".

    Args:
        builder: what to read.
        folder: a new folder.
        form: "parquet" or "webdataset".
        rows_per_file: a file is closed after the film that reaches this many rows.
        overwrite: whether an existing folder may be replaced; only one that this wrote is.

    Returns:
        What was written.

    Raises:
        WriteError: the folder is there and not empty (with `overwrite`: and not ours), another process is writing it,
            the format is unknown, or a split has a name that `load_dataset` refuses.
    """
    if form not in FORMATS:
        raise WriteError(f"format is {form!r}, expected one of {', '.join(FORMATS)}; choose one")
    for split in builder.config.files():
        if not _SPLIT.fullmatch(split):  # it becomes a file's name, too
            raise WriteError(
                f"split is {short(split)}, expected letters, digits and _, with single dots between; choose another"
            )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Whoever holds the folder may remove the ".part" that a killed process left; nobody else's is there then.
        with only_writer(folder.with_name(f".{folder.name}.lock"), folder):
            return _write_held(builder, folder, form, rows_per_file, overwrite)
    except OutputBusy as error:
        raise WriteError(str(error)) from error


def _write_held(builder: ADBuilder, folder: Path, form: str, rows_per_file: int, overwrite: bool) -> Written:
    """`write_folder` once this process holds the folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not overwrite:
            raise WriteError(
                f"'{folder.name}' is there and not empty, expected a new folder; choose another or overwrite"
            )
        if not _is_ours(folder):
            raise WriteError(f"'{folder.name}' was not written by this command, so is not replaced; remove it yourself")
    part = folder.with_name(f".{folder.name}.part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir()
    rows: dict[str, int] = {}
    try:
        write = _write_parquet if form == "parquet" else _write_tars
        for split in builder.config.files():
            rows[split] = write(builder, split, part, rows_per_file)
        (part / "README.md").write_text(card(builder, form, rows), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Written(
        folder, tuple(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())), rows
    )


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds a card of ours: a slip of the pen must not cost anybody a home."""
    readme = folder / "README.md"
    return readme.is_file() and SIGNATURE in readme.read_text(encoding="utf-8", errors="replace")


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
        if found is None or not (root / found).is_file():
            raise WriteError(f"{video} is no file below the root; expected videos or tars; pack frame folders first")
        yield {"json": _dump({"video": video, "ads": ads}), Path(found).suffix[1:]: root / found}


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
    files = [(p.relative_to(folder).as_posix(), p.stat().st_size) for p in sorted(folder.rglob("*")) if p.is_file()]
    if not dry_run:
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(repo_id=repository, repo_type="dataset", folder_path=str(folder))
    return files
