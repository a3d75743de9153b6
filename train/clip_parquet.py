"""Stage I's clips from Parquet files, read in any order by row groups; nothing is unpickled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from datasets_scripts.frames import listed_numbers, read_picture
from datasets_scripts.parquet_check import check_files
from train.clip_files import inside
from train.clip_items import ClipError, ClipSource, Failures
from train.clip_tars import VIDEOS, interval_of, shard_name, shard_paths, video_frames
from train.frame_cache import FrameCache

_READ = {"frames", "video", "start_s", "end_s", "video_start_s", "video_end_s"}


class ParquetSource(ClipSource):
    """Clips of Parquet files, one row a clip.

    Columns: `text`; `frames` (list of encoded pictures, or of {"bytes", "path"} as `datasets` writes images, evenly
    spaced over the clip) or `video` (bytes, {"bytes", "path"}, or a path); if known `film`, and times inside the video,
    see `interval_of`. So rows that `datasets_scripts.writers` wrote are read as well. A row is read with its row group:
    where pictures lie inside, groups should be small (64 clips).

    Args:
        path: a file or a folder of *.parquet.
        root: folder that paths in the rows are relative to.
        processor: fits pictures to the tower.
        max_share: largest share of clips that may be left out, see `Failures`.
        log: see `Failures`.
        cache: decoded frames on disk.

    Raises:
        ValueError: a file that is no Parquet, lacks a column, or has row groups of over a gigabyte.
    """

    clips: list[tuple[Path, int, int, int]]  # shard, row in it, row group, row in that

    def __init__(
        self,
        path: Path,
        root: Path,
        processor: Any,
        max_share: float = 0.01,
        log: Path | None = None,
        cache: FrameCache | None = None,
    ) -> None:
        super().__init__(processor, cache)
        self.path, self.root = path, root
        self.clips = []
        self._rows: dict[Path, list[tuple[str, str]]] = {}
        self._open: tuple[Path, int, list[dict[str, Any]]] | None = None
        shards = shard_paths(path, ".parquet")
        check_files(shards)
        for shard in shards:
            self._index(shard)
        self.failures = Failures(len(self.clips), max_share, log)
        self.drop({i: "has no text" for i in range(len(self.clips)) if not self.text(i)})

    def __getstate__(self) -> dict[str, Any]:
        """Leave the row group at hand behind: a worker reads its own."""
        return {**self.__dict__, "_open": None}

    def frames(self, index: int) -> list[Any]:
        """F frames (H, W, 3) uint8.

        Raises:
            ValueError: they cannot be decoded.
        """
        shard, _, group, place = self.clips[index]
        row, count = self._group(shard, group)[place], self.processor.num_frames
        if isinstance(row.get("frames"), list) and row["frames"]:
            chosen = listed_numbers(range(len(row["frames"])), count)
            pictures = {i: self._picture(row["frames"][i], f"picture {i}") for i in set(chosen)}
            return [pictures[i] for i in chosen]
        data, path = _cell(row.get("video"))
        if data is None and not path:
            raise ClipError("has neither frames nor a video")
        ending = PurePosixPath(path).suffix.lstrip(".").lower()
        video = data if data is not None else inside(self.root, path)
        return video_frames(video, ending if ending in VIDEOS else "mp4", interval_of(row), count)

    def _picture(self, cell: Any, name: str) -> Any:
        data, path = _cell(cell)
        if data is None and not path:
            raise ClipError(f"{name} is empty; expected an encoded picture")
        return read_picture(data if data is not None else inside(self.root, path).read_bytes(), name)

    def text(self, index: int) -> str:
        """The row's AD."""
        shard, row, _, _ = self.clips[index]
        return self._rows[shard][row][0]

    def film(self, index: int) -> str:
        """The row's film, or its shard where it names none."""
        shard = shard_name(self.clips[index][0], self.path)
        return self.named_film(index) or str(PurePosixPath(shard).with_suffix(""))

    def named_film(self, index: int) -> str:
        """The row's film, or ""."""
        shard, row, _, _ = self.clips[index]
        return self._rows[shard][row][1]

    def name(self, index: int) -> tuple[str, str]:
        """The shard and the row, from 0."""
        shard, row, _, _ = self.clips[index]
        return shard_name(shard, self.path), f"row {row}"

    def key(self, index: int) -> str:
        """The shard, the row and the size."""
        shard, row, _, _ = self.clips[index]
        _, *version = FrameCache.identity(shard)
        return self.fitted_key(shard_name(shard, self.path), *version, row)

    def groups(self) -> list[list[int]]:
        """The clips of each row group."""
        groups: dict[tuple[Path, int], list[int]] = {}
        for index, (shard, _, group, _) in enumerate(self.clips):
            groups.setdefault((shard, group), []).append(index)
        return list(groups.values())

    def _index(self, shard: Path) -> None:
        """Add a shard's rows; texts and films are kept, they are small."""
        with _parquet(shard) as file:
            names = set(file.schema_arrow.names)
            if "text" not in names or not names & {"frames", "video"}:
                raise ValueError(
                    f"{shard} has the columns {sorted(names)}; expected text and frames or video; write it again"
                )
            first = 0
            for group in range(file.num_row_groups):
                about = file.metadata.row_group(group)
                self.clips += [(shard, first + place, group, place) for place in range(about.num_rows)]
                first += about.num_rows
            columns = [name for name in ("text", "film") if name in names]
            table = file.read(columns, use_threads=False).to_pylist()
        if len(table) != first:
            raise ValueError(f"{shard} gives {len(table)} rows, expected {first}; copy it again")
        self._rows[shard] = [(str(row["text"] or "").strip(), str(row.get("film") or "")) for row in table]

    def _group(self, shard: Path, group: int) -> Sequence[dict[str, Any]]:
        """A row group; the last one read stays at hand."""
        if self._open is None or self._open[:2] != (shard, group):
            with _parquet(shard) as file:
                columns = [name for name in file.schema_arrow.names if name in _READ]
                # One thread: Arrow's own do not survive the fork into a worker.
                rows = file.read_row_group(group, columns, use_threads=False).to_pylist()
                if len(rows) != file.metadata.row_group(group).num_rows:
                    raise ValueError(
                        f"{shard}: row group {group} gives {len(rows)} rows, not what it says; copy it again"
                    )
            self._open = (shard, group, rows)
        return self._open[2]


@contextlib.contextmanager
def _parquet(shard: Path) -> Iterator[Any]:
    """Open a Parquet file, to read inside the block.

    Raises:
        ValueError: it is none, or damaged.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(shard) as file:
            yield file
    except (pyarrow.ArrowException, OSError, RuntimeError, SystemError) as error:  # Arrow raises all of these
        raise ValueError(f"{shard}: no whole Parquet file ({' '.join(str(error).split())}); copy it again") from error


def _cell(cell: Any) -> tuple[bytes | None, str]:
    """Bytes and path of a picture or video cell.

    Raises:
        ClipError: it is neither bytes, nor a path, nor a pair of them.
    """
    if isinstance(cell, dict):
        data, path = cell.get("bytes"), cell.get("path")
    else:
        data, path = (None, cell) if isinstance(cell, str) else (cell, None)
    if not isinstance(data, bytes | None) or not isinstance(path, str | None):
        raise ClipError(f"holds {type(data).__name__} where a picture or video should be; expected bytes or a path")
    return data, path or ""
