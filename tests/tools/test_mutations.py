"""The command that takes guards out: it sees a test fail, a test that does not, and one that cannot be run at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tools import mutations
from tools.mutations import Mutation, copy_tree, load, run_tests, try_out

LATE = """
import pytest, subprocess, sys
@pytest.fixture
def made():
    from guard import most
    return most(11)
def test_in_a_fixture(made):
    assert not made
def test_late():
    from guard import most
    assert not most(11)
def test_hangs():
    from guard import most
    if most(11):
        subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "guard.py").write_text("def most(size):\n    return size <= 10\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "from guard import most\ndef test_seen():\n    assert not most(11)\ndef test_blind():\n    assert most(1)\n",
        encoding="utf-8",
    )
    (tmp_path / "test_late.py").write_text(LATE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("new", "test", "seen", "said"),
    [
        ("return True", "test_it.py::test_seen", True, "exit code 1"),
        ("return True", "test_it.py::test_blind", False, "exit code 0"),
        ("return size <= 10\nx = y", "test_it.py::test_seen", False, "exit code"),
        ("return 1 / 0", "test_late.py::test_in_a_fixture", False, "1 error"),
        ("return (", "test_late.py::test_late", False, "guard.py is no Python with the new text"),
    ],
)
def test_only_a_failed_test_counts(tree: Path, new: str, test: str, seen: bool, said: str) -> None:
    before = (tree / "guard.py").read_text(encoding="utf-8")
    found, output = try_out(Mutation("x", "guard.py", "return size <= 10", new, test), tree)
    assert found is seen and said in output
    assert (tree / "guard.py").read_text(encoding="utf-8") == before
    assert run_tests(tree, ["test_it.py"])[0] == 0


def test_a_test_that_hangs_sees_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutations, "LIMIT_S", 5)
    found, said = try_out(
        Mutation("x", "guard.py", "return size <= 10", "return True", "test_late.py::test_hangs"), tree
    )
    assert not found and "no end within 5 s" in said
    assert "size <= 10" in (tree / "guard.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("code", "summary", "seen"),
    [
        (1, "1 failed in 0.05s", True),
        (1, "1 failed, 12 passed, 2 warnings in 65.20s (0:01:05)", True),
        (1, "1 failed, 1 error in 0.05s", False),
        (1, "2 errors in 0.05s", False),
        (1, "12 passed in 0.05s", False),
        (2, "1 failed in 0.05s", False),
        (1, "the end", False),
    ],
)
def test_the_summary_is_read(code: int, summary: str, seen: bool) -> None:
    said = f"ERROR: 1 failed is in the log\n0.05s call test_error\n{summary}\na warning of the end"
    assert mutations.is_seen(code, said) is seen


def test_unknown_guards_are_refused_beside_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    known = load()[0].name
    assert mutations.main(["--only", known, "--only", "no-such-guard", "--list"]) == 2
    assert "no guard is called no-such-guard" in capsys.readouterr().err
    assert mutations.main(["--only", known, "--list"]) == 0 and known in capsys.readouterr().out


def test_a_patch_that_no_longer_applies_is_said(tree: Path) -> None:
    found, said = try_out(Mutation("x", "guard.py", "return size < 10", "", "test_it.py"), tree)
    assert not found and "occurs 0 times in guard.py" in said


def test_the_copy_holds_what_tests_need(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no clone, or git is not installed: nothing names the files")
    copy_tree(root, tmp_path)
    assert all((tmp_path / m.file).is_file() and (tmp_path / m.test.split("::")[0]).is_file() for m in load())
    assert (tmp_path / "pyproject.toml").is_file() and not (tmp_path / ".git").exists()
