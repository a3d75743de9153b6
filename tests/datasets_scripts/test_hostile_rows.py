"""Pipes, lines, numbers and texts made to harm: a clear refusal within seconds, in little memory, the rest is read."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from public_files import CMD, MAD, TV, cmd, mad, table, tv

from datasets_scripts.banks import read_bank
from datasets_scripts.checks import check_file, kind_of
from datasets_scripts.repairs import REFUSED, RULES
from datasets_scripts.tables import TableError, read_json

ROOT = Path(__file__).resolve().parents[2]
MOST_MB, MOST_S = 500, 30
LAYOUTS: dict[str, tuple[tuple[str, ...], Callable[..., list[Any]]]] = {
    "mad-eval": (MAD, mad),
    "cmd-ad": (CMD, lambda start_s, end_s, *text, **more: cmd(1000 + start_s, 1000 + end_s, *text, **more)),
    "tv-ad": (TV, tv),
}


@pytest.fixture(autouse=True)
def within_seconds() -> Iterator[None]:
    """Every test here is a refusal, and refusals are quick; counted in this process's own time, not the machine's."""
    began = time.process_time()
    yield
    assert time.process_time() - began < MOST_S


def pour(path: Path, head: bytes, sent: list[int]) -> threading.Thread:
    """Write `head` and then up to 2 GB without a line's end into a pipe."""

    def run() -> None:
        with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as file:
            file.write(head)
            while len(sent) < 2000:
                file.write(b"x" * 1_000_000)
                sent.append(1)

    os.mkfifo(path)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


MEASURED = """
import time
from distinctad.cli import app
try:
    app()
finally:  # the peak of this program alone: what the system counts for a child begins with its parent's
    peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print("measured", peak[0], time.process_time())
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("name", ["mad-eval", "cmd-ad", "tv-ad"])
def test_a_line_of_2_gb_through_a_pipe(tmp_path: Path, name: str) -> None:
    """The command as a process of its own: refused after a megabyte, in little memory."""
    pipe, sent = tmp_path / "pipe.csv", []
    thread = pour(pipe, b",".join(column.encode() for column in LAYOUTS[name][0]) + b"\n", sent)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "data", "validate", "--set", name, "--annotations", str(pipe)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, timeout=4 * MOST_S, check=False,
    )  # fmt: skip
    thread.join(30)
    assert done.returncode == 1 and "line of over 1048576 bytes" in done.stdout and "Traceback" not in done.stdout
    peak_kb, seconds = done.stdout.split("measured ")[1].split()
    assert int(peak_kb) / 1024 < MOST_MB and float(seconds) < MOST_S and len(sent) < 20


def test_pipes_that_would_have_to_be_read_twice(tmp_path: Path) -> None:
    for name in ("a.json", "a.csv"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(TableError, match="pipe"):
            kind_of(tmp_path / name)
    assert "pipe" in check_file(tmp_path / "a.json", "tv-ad").found["unreadable"].details[0]


def test_long_lines_and_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b",".join(c.encode() for c in MAD) + b"\n" + b"x" * 3_000_000)
    report = check_file(tmp_path / "a.csv", "mad-eval")
    assert "row 0: a line of over" in report.found["unreadable"].details[0]
    (tmp_path / "a.json").write_bytes(b'{"a": {"movie": "' + b"x" * 3_000_000 + b'"}}')
    assert "row 0: no entry within" in check_file(tmp_path / "a.json").found["unreadable"].details[0]
    (tmp_path / "deep.json").write_text('{"a": ' + "[" * 500_000 + "]" * 500_000 + "}")
    assert check_file(tmp_path / "deep.json").refused
    with pytest.raises(TableError, match="expected less"):
        read_json(tmp_path / "a.json", most_bytes=1_000_000)


NUMBERS = {"start", "end", "scaled_start", "scaled_end", "duration", "cmd_clip_idx"}
ODD_NUMBERS = ["nan", "inf", "-inf", "1e999", "9" * 1000, "-" + "9" * 1000, "0." + "1" * 1000, "1_0", "0x10", "", " "]


@pytest.mark.parametrize("value", ODD_NUMBERS)
def test_numbers_that_are_none(tmp_path: Path, value: str) -> None:
    """In every column of numbers of every layout; other spellings are taken away, so that nothing can mend it."""
    bare = {"mad-eval": {"start_hms": "", "end_hms": "", "lsmdc_filename": ""}}
    for name, (columns, row) in LAYOUTS.items():
        numbers = [c for c in columns if c in NUMBERS]
        rows = [row(1, 4, **bare.get(name, {}), **{column: value}) for column in numbers]
        report = check_file(table(tmp_path / f"{name}.csv", columns, rows), name)
        assert list(report.found["not_a_number"].rows) == [*range(len(rows))]
        assert report.rows == report.outcomes[REFUSED] == len(rows)


def test_numbers_in_json_and_literals(tmp_path: Path) -> None:
    odd = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 1000, "9" * 100_000, "[]", "null", "true", '"x"']
    entries = [f'"{i}": {{"movie": "1", "sentence": "A {i}.", "ext_timestamps": [0, {n}]}}' for i, n in enumerate(odd)]
    (tmp_path / "a.json").write_text("{" + ", ".join(entries) + "}")
    report = check_file(tmp_path / "a.json", "mad-eval")
    assert list(report.found["not_a_number"].rows) == [*range(len(odd))] and report.rows == len(odd)
    cells = ["[" + "9" * 1000 + "]", "[" + ", ".join(["9" * 1000] * 16) + "]", "[nan]", "[1e9]", "[" * 5000]
    rows = [tv(i, i + 3, tvad_index=cell) for i, cell in enumerate(cells)]
    report = check_file(table(tmp_path / "a.csv", TV, rows), "tv-ad")
    assert list(report.found["bad_literal"].rows) == [*range(len(cells))]
    (tmp_path / "bank.json").write_text('{"f": [{"id": ' + "9" * 1000 + ', "role": "X"}, {"id": "a", "role": NaN}]}')
    assert read_bank(tmp_path / "bank.json")[1].outcomes[REFUSED] == 2


def test_a_million_characters(tmp_path: Path) -> None:
    """In the text of each layout, of MAD's JSON and of a role; the rows around it are read."""
    long = "word " * 200_000
    for name, (columns, row) in LAYOUTS.items():
        rows = [row(1, 4, "A b."), row(11, 14, long), row(21, 24, "C d.")]
        report = check_file(table(tmp_path / f"{name}.csv", columns, rows), name)
        assert list(report.found["too_long"].rows) == [1] and report.rows == 3 and report.outcomes[REFUSED] == 1
    entry = {"movie": "1", "ext_timestamps": [1, 2]}
    (tmp_path / "a.json").write_text(json.dumps({"a": {**entry, "sentence": long}, "b": {**entry, "sentence": "A b."}}))
    report = check_file(tmp_path / "a.json")
    assert list(report.found["too_long"].rows) == [0] and report.rows == 2
    (tmp_path / "bank.json").write_text(json.dumps({"f": [{"id": "nm1", "role": long}, {"id": "nm2", "role": "Ann"}]}))
    assert list(read_bank(tmp_path / "bank.json")[1].found["too_long"].rows) == [0]
    (tmp_path / "film.json").write_text(json.dumps({"a": {**entry, "movie": "x" * 1000}}))
    assert check_file(tmp_path / "film.json").films == {"": {REFUSED: 1}}


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PROPERTY = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=60, **PROPERTY)
@given(st.dictionaries(st.sampled_from(["a", "TRAIN", "EVAL", "é"]), ANY_JSON, max_size=3) | ANY_JSON, st.booleans())
def test_any_json_is_counted_or_refused(tmp_path: Path, value: Any, entries: bool) -> None:
    path = tmp_path / "a.json"
    if entries and isinstance(value, dict):
        value = {key: {"movie": "1", "ext_timestamps": [1, 2], "sentence": inner} for key, inner in value.items()}
    path.write_text(json.dumps(value), encoding="utf-8")
    for kind in (None, "mad-eval"):
        report = check_file(path, kind)
        assert report.rows == sum(report.outcomes.values())
        assert report.rows or report.refused or not any(value.values())


@settings(max_examples=60, **PROPERTY)
@given(st.sampled_from(list(LAYOUTS)), st.data())
def test_any_cell_leaves_the_other_rows_alone(tmp_path: Path, name: str, data: st.DataObject) -> None:
    columns, make = LAYOUTS[name]
    bad = make(11, 14, "C d.")
    bad[data.draw(st.integers(0, len(columns) - 1))] = data.draw(
        st.text(max_size=30) | st.sampled_from(["-1", "1e5", "[1]", "{}", "../x", "nan", '"', "a,b", "\n", "\r\n\n"])
    )
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([columns, make(1, 4, "A b."), bad, make(21, 24, "E f.")])
    path = tmp_path / "a.csv"
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    report = check_file(path, name)
    refused = {row for rule, found in report.found.items() if RULES[rule][0] == REFUSED for row in found.rows}
    assert sum(report.outcomes.values()) == report.rows >= 3 and not refused & {0, report.rows - 1}
    assert report.rows == 3 or refused  # a line break that splits a row is never silent
