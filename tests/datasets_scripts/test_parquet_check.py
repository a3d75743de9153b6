"""What Parquet files claim is looked at before any reader believes it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets_scripts.parquet_check import MOST_GROUP_VALUES, check_files
from datasets_scripts.stream import ADStream, StreamError


def write(path: Path, values: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": values}), path)
    return path


def damage_statistics(path: Path) -> None:
    """Counts one definition level more than the schema has; Arrow ends a process that asks for it."""
    data = path.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - size : -8]
    whole, damaged = b"\x19\x06\x19\x26\x00\x04", b"\x19\x06\x19\x36\x00\x04\x00"
    assert footer.count(whole) == 1
    footer = footer.replace(whole, damaged)
    path.write_bytes(data[: -8 - size] + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def test_whole_files_pass(tmp_path: Path) -> None:
    check_files([write(tmp_path / "ä b\n.parquet", ["A.", "B."]), write(tmp_path / "b.parquet", [])])
    check_files([])


def test_statistics_that_end_the_reader(tmp_path: Path) -> None:
    files = [write(tmp_path / "data" / f"train-{number}.parquet", ["A.", "B."]) for number in range(3)]
    damage_statistics(files[1])
    with pytest.raises(StreamError, match=r"train-1.parquet is damaged \(.*histogram.*expected a whole Parquet file"):
        ADStream(tmp_path)


def test_more_values_than_a_shard_holds(tmp_path: Path) -> None:
    most = pa.nulls(MOST_GROUP_VALUES + 1, pa.int8())
    pq.write_table(pa.table({"a": most}), tmp_path / "a.parquet", row_group_size=len(most))
    with pytest.raises(ValueError, match="a.parquet is damaged .row group 0 claims .*: row groups of 64 clips"):
        check_files([write(tmp_path / "b.parquet", ["A."]), tmp_path / "a.parquet"])


def test_no_parquet_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match="a.parquet is damaged"):
        check_files([tmp_path / "a.parquet"])
