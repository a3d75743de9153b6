"""A training stream from a written Parquet folder: rows with features, sharded, exactly resumable, bounded memory.

`datasets`' own streaming reads these folders too; per row it encodes and decodes every nested column again, which costs
more than the features. This stream reads one row group (a film) at a time and takes its features in one block. It is
for training loops of data owners; `train/set_features.py` keeps a cache of its own, with casts and portraits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets_scripts.annotations import SLACK_S
from datasets_scripts.frames import FilmFeatures
from datasets_scripts.parquet_check import check_files


class StreamError(ValueError):
    """A folder or a state that does not fit."""


class ADStream:
    """Rows of a written folder, film after film.

    Args:
        folder: made by `write_folder` as Parquet.
        split: which one.
        features: where `frame_features` are taken from; None yields the rows as they are. ADs that they do not reach
            are left out and counted.
        num_frames: T of `frame_features`.
        shard: (index, count): this one of so many equal parts (rank * workers + worker, ranks * workers).
        columns: only these; None: all. `film`, `start_s`, `end_s` are always read.

    Attributes:
        left_out: rows without features so far.

    Raises:
        StreamError: no Parquet files or damaged ones, or a shard that there is not.
    """

    def __init__(
        self,
        folder: Path,
        split: str = "train",
        features: FilmFeatures | None = None,
        num_frames: int = 8,
        shard: tuple[int, int] = (0, 1),
        columns: Sequence[str] | None = None,
    ) -> None:
        self._files = sorted((folder / "data").glob(f"{split}-*.parquet"))
        if not self._files:
            raise StreamError(f"'{folder.name}' has no data/{split}-*.parquet, expected a written folder; build it")
        if not 0 <= shard[0] < shard[1]:
            raise StreamError(f"shard is {shard}, expected (index, count) with 0 <= index < count")
        self._features, self._num_frames = features, num_frames
        self._columns = None if columns is None else list(dict.fromkeys(["film", "start_s", "end_s", *columns]))
        try:
            check_files(self._files)
        except ValueError as error:
            raise StreamError(str(error)) from error
        self._units = [unit for number in range(len(self._files)) for unit in self._groups(number)]
        self._units = self._units[shard[0] :: shard[1]]
        self._unit = self._row = self.left_out = 0

    def state_dict(self) -> dict[str, int]:
        """Where the stream stands: after the row that was yielded last."""
        return {"unit": self._unit, "row": self._row, "units": len(self._units), "left_out": self.left_out}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a state of the same stream and shard.

        Raises:
            StreamError: the state is of another folder or shard.
        """
        if state["units"] != len(self._units):
            raise StreamError(f"the state is of {state['units']} films, expected {len(self._units)}; resume the same")
        self._unit, self._row, self.left_out = state["unit"], state["row"], state["left_out"]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield rows from where the stream stands to its end; then it stands at the beginning again."""
        while self._unit < len(self._units):
            rows = self._read(*self._units[self._unit])
            for made in self._with_features(rows[self._row :]):
                self._row += 1
                if made is None:
                    self.left_out += 1
                    continue
                yield made
            self._unit, self._row = self._unit + 1, 0
        self._unit = 0

    def _groups(self, number: int) -> list[tuple[int, int]]:
        """The row groups of a file, as (file, group)."""
        with _whole(self._files[number]):
            return [(number, group) for group in range(pq.read_metadata(self._files[number]).num_row_groups)]

    def _read(self, number: int, group: int) -> list[dict[str, Any]]:
        with _whole(self._files[number]), pq.ParquetFile(self._files[number]) as file:
            rows: list[dict[str, Any]] = file.read_row_group(group, columns=self._columns).to_pylist()
        return rows

    def _with_features(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any] | None]:
        """Yield the rows with their features; None for one that has none."""
        if self._features is None:
            yield from rows
            return
        for film, part in groupby(rows, key=lambda row: row["film"]):
            ads = list(part)
            length_s = self._features.films.get(film, 0) / self._features.fps
            inside = [row for row in ads if row["start_s"] < length_s and row["end_s"] <= length_s + SLACK_S]
            taken: Iterator[np.ndarray] = iter(())
            if inside:
                starts, ends = [row["start_s"] for row in inside], [row["end_s"] for row in inside]
                taken = iter(self._features.take(film, starts, ends, self._num_frames))
            for row in ads:
                if row["start_s"] >= length_s or row["end_s"] > length_s + SLACK_S:
                    yield None
                    continue
                row["frame_features"] = next(taken)
                yield row


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[None]:
    """Reading of a Parquet file inside; its damage becomes one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, RuntimeError, SystemError) as error:  # Arrow raises all of these
        reason = " ".join(str(error).split())[:120]
        raise StreamError(f"{file.name} is damaged ({reason}), expected a whole file; build it again") from error
