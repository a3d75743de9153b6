"""The record of fuzzing: what is counted, and that the document is the one that was generated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from datasets_scripts import stream
from tools.fuzz_report import DOCUMENT, HEAD, in_fresh_process, recorded, table
from tools.fuzz_targets import TARGETS
from train import clip_parquet


def test_the_table_adds_up() -> None:
    state = {"executions": 50_000, "seconds": 12.4, "crashes": ["ValueError in a.py:f"], "kept": 7, "reached": 3}
    state |= {"earlier": 100, "date": "2026-01-02"}
    text = table({"cast": {**state, "lines": 4}, "bank": {**state, "lines": 0, "crashes": []}})
    assert "| cast | cast files, JSON and CSV | 50,000 | 12 | 100 | 2026-01-02 | 7 | 3 / 4 (75 %) | 1 |" in text
    assert "| all | 2 parsers | 100,000 | 25 | 200 | | | | 1 |" in text and "* cast: ValueError in a.py:f" in text


def test_lines_are_counted_by_what_was_kept(tmp_path: Path) -> None:
    (tmp_path / "literals" / "corpus").mkdir(parents=True)
    (tmp_path / "literals" / "corpus" / "a").write_bytes(b"[1, 2]")
    reached, lines = in_fresh_process("literals", tmp_path)
    assert 0 < reached < lines


def test_the_fuzzers_quicker_check_is_taken_out_again(tmp_path: Path) -> None:
    real = clip_parquet.check_files
    for name in ("parquet_clips", "stream"):
        with pytest.raises(ValueError, match="damaged"):
            TARGETS[name].run(b"PAR1 no", tmp_path)
    assert clip_parquet.check_files is real is stream.check_files


def test_every_parser_stands_in_the_document() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.startswith(HEAD + table(recorded()) + "\n<!-- notes -->")
    assert set(re.findall(r"^\| (\w+) \|", text, re.MULTILINE)) - {"parser", "all"} == set(TARGETS)
