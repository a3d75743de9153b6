"""Looks at what Parquet files claim, in a process of its own, before any reader takes memory by it.

A file with damaged size statistics ends the process that asks for a column's claims: Arrow's C++ throws where Python
catches nothing. So a child asks, once for all files of a set, and a child that dies names the file it died of.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

MOST_GROUP_BYTES = 1 << 30
MOST_GROUP_VALUES = 10_000_000  # of one column; a shard of ours has 50,000 rows
LIMIT_S = 300  # a set of 1,000 shards takes some 10 s


def check_files(files: Sequence[Path]) -> None:
    """See that what Parquet files say of their row groups is sane.

    Args:
        files: of one set.

    Raises:
        ValueError: one is no Parquet or damaged, claims more than a shard holds, or its rows do not add up.
    """
    names = b"".join(os.fsencode(file.resolve()) + b"\0" for file in files)
    words = [sys.executable, "-P", __file__]  # -P: this folder's modules must not stand before others of their names
    try:
        done = subprocess.run(words, input=names, capture_output=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{len(files)} Parquet files took over {LIMIT_S} s to look at; expected whole ones") from error
    if done.returncode == 0:
        return
    name = files[min(len(done.stdout), len(files) - 1)].name  # the child prints a mark after each sane file
    said = done.stderr.decode(errors="replace").rpartition("what():")[2]
    reason = " ".join(said.split())[:200] or "the reader died"
    raise ValueError(f"{name} is damaged ({reason}), expected a whole Parquet file; fetch or build it again")


def check_groups(about: Any) -> None:
    """The check itself; a damaged file may end the process, see `check_files`.

    Args:
        about: a file's metadata.

    Raises:
        ValueError: more rows or bytes than a shard holds, or rows that do not add up.
    """
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    for number, group in enumerate(groups):
        columns = [group.column(place) for place in range(group.num_columns)]
        size = max([group.total_byte_size, *(column.total_uncompressed_size for column in columns)])
        values = max([group.num_rows, *(column.num_values for column in columns)])
        if not 0 <= size <= MOST_GROUP_BYTES or not 0 <= values <= MOST_GROUP_VALUES:
            raise ValueError(
                f"row group {number} claims {size} bytes and {values} values, expected at most "
                f"{MOST_GROUP_BYTES} and {MOST_GROUP_VALUES}: row groups of 64 clips"
            )
    if sum(group.num_rows for group in groups) != about.num_rows:
        raise ValueError("its row groups do not add up")


def main() -> int:
    """The child: names come in, each ended by a zero byte; a mark goes out for each sane file."""
    for name in sys.stdin.buffer.read().split(b"\0")[:-1]:
        try:
            check_groups(pq.read_metadata(os.fsdecode(name)))
        except Exception as error:  # whatever Arrow raises of a damaged file is this child's answer
            print(error, file=sys.stderr)
            return 1
        print(end=".", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
