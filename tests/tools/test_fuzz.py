"""The fuzzer's command: what it found or did not reach is in its exit code, and what ended its process is kept."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import fuzz, fuzz_report, fuzz_targets

CODE = fuzz_report.TARGETS["literals"].fingerprint()
ASKED = ["--parser", "literals", "--executions", "10", "--seconds", "5"]
Child = Callable[..., Any]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(fuzz, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(fuzz, "CRASHES", tmp_path / "crashes")
    monkeypatch.setattr(fuzz_report, "RECORD", tmp_path / "fuzzing.json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())  # atheris may not be installed
    (tmp_path / "kept" / "literals").mkdir(parents=True)
    return tmp_path / "kept" / "literals"


def ending(kept: Path, code: int, executions: int, crashes: list[str], artifact: str = "") -> Child:
    """A child that leaves a state and a file behind."""

    def run(*given: Any, **more: Any) -> Any:
        state = {"fingerprint": CODE, "executions": executions, "seconds": 0.1, "crashes": crashes}
        (kept / "state.json").write_text(json.dumps(state), encoding="utf-8")
        if artifact:
            (kept / artifact).write_bytes(b"[[")
        return subprocess.CompletedProcess([], code)

    return run


@pytest.mark.parametrize(
    ("code", "executions", "crashes", "status"),
    [
        (0, 10, [], 0),
        (0, 10, ["mended: ValueError in a.py:f"], 0),
        (0, 10, ["ValueError in a.py:f"], 1),
        (0, 10, ["mended: ValueError in a.py:f", "ValueError in a.py:f"], 1),
        (1, 10, [], 0),  # died, but not before it had what was asked
        (1, 3, [], 1),
    ],
)
def test_the_exit_code_tells_what_was_found_and_not_reached(
    kept: Path, monkeypatch: pytest.MonkeyPatch, code: int, executions: int, crashes: list[str], status: int
) -> None:
    monkeypatch.setattr(fuzz.subprocess, "run", ending(kept, code, executions, crashes))
    assert fuzz.main(ASKED) == status


@pytest.mark.parametrize("kind", ["timeout", "crash", "oom"])
def test_an_input_that_ended_the_process_is_kept_and_told_once(
    kept: Path, monkeypatch: pytest.MonkeyPatch, kind: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(fuzz.subprocess, "run", ending(kept, 1, 10, [], f"{kind}-0123"))
    assert fuzz.main(ASKED) == 1
    (found,) = (tmp_path / "crashes" / "literals").glob("*.bin")
    assert found.read_bytes() == b"[[" and not (kept / f"{kind}-0123").exists()
    key = f"{kind} of the process, input {found.stem}"
    assert json.loads((kept / "state.json").read_text(encoding="utf-8"))["crashes"] == [key]
    assert fuzz.main(ASKED) == 1  # not mended, though nothing was left to run
    assert fuzz.main([*ASKED, "--mended"]) == 0 == fuzz.main(ASKED)


def test_an_unknown_parser_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--parser", "nosuch"]) == 2
    assert "no parser nosuch" in capsys.readouterr().err


def test_a_parser_that_was_never_fuzzed_can_be_reported(
    kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fuzz_report, "DOCUMENT", tmp_path / "fuzzing.md")
    monkeypatch.setattr(fuzz_targets, "TARGETS", {"literals": fuzz_targets.TARGETS["literals"]})
    monkeypatch.setattr(fuzz_report, "in_fresh_process", fuzz_report.lines_reached)  # its lines are counted elsewhere
    assert fuzz.main(["--parser", "literals", "--mended"]) == 0 == fuzz.main(["--report"])
    assert "| literals | literal cells | 0 | 0 | 0 |  | 0 | " in (tmp_path / "fuzzing.md").read_text(encoding="utf-8")


def test_a_clone_without_the_runs_reports_what_was_recorded(
    kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fuzz_report, "DOCUMENT", tmp_path / "fuzzing.md")
    monkeypatch.setattr(fuzz_targets, "TARGETS", {"literals": fuzz_targets.TARGETS["literals"]})
    kept.rmdir()
    done = {"fingerprint": CODE, "date": "2026-01-02", "executions": 70, "seconds": 5.0, "earlier": 3}
    done |= {"crashes": ["mended: a"], "reached": 1, "lines": 4, "kept": 9}
    fuzz_report.RECORD.write_text(json.dumps({"literals": done}), encoding="utf-8")
    assert fuzz.main(["--report"]) == 0
    shown = "| literals | literal cells | 70 | 5 | 3 | 2026-01-02 | 9 | 1 / 4 (25 %) | 1 |"
    assert shown in (tmp_path / "fuzzing.md").read_text(encoding="utf-8")
    assert fuzz_report.recorded() == {"literals": done}
    assert fuzz.main(["--report"]) == 0 and fuzz_report.recorded() == {"literals": done}
    kept.mkdir()  # runs of this clone that are older than the record do not take its place
    (kept / "state.json").write_text(json.dumps({**done, "executions": 10}), encoding="utf-8")
    assert fuzz._state("literals")["executions"] == 70


def test_what_ran_before_the_parser_changed_counts_as_earlier(kept: Path, tmp_path: Path) -> None:
    before = {"fingerprint": CODE, "date": "2026-01-02", "executions": 10, "seconds": 5.0, "earlier": 3, "crashes": []}
    (kept / "state.json").write_text(json.dumps(before), encoding="utf-8")
    assert fuzz._state("literals") == before
    (kept / "state.json").write_text(json.dumps({**before, "fingerprint": "of other code"}), encoding="utf-8")
    assert fuzz._state("literals") == {**before, "executions": 0, "seconds": 0.0, "earlier": 13}
    session = fuzz.Session("literals", 2, 60.0, tmp_path)
    session.run(b"[1]")
    fuzz._write("literals", session.state)
    after = fuzz._state("literals")
    assert (after["executions"], after["earlier"]) == (1, 13) and after["date"] > before["date"]
