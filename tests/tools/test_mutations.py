"""The command that takes guards out: it sees a test fail, a test that does not, and one that cannot be collected."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.mutations import Mutation, copy_tree, load, run_tests, try_out


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "guard.py").write_text("def most(size):\n    return size <= 10\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "from guard import most\ndef test_seen():\n    assert not most(11)\ndef test_blind():\n    assert most(1)\n",
        encoding="utf-8",
    )
    return tmp_path


@pytest.mark.parametrize(
    ("new", "test", "seen", "said"),
    [
        ("return True", "test_it.py::test_seen", True, "exit code 1"),
        ("return True", "test_it.py::test_blind", False, "exit code 0"),
        ("return (", "test_it.py::test_seen", False, "exit code"),
    ],
)
def test_only_a_failed_test_counts(tree: Path, new: str, test: str, seen: bool, said: str) -> None:
    before = (tree / "guard.py").read_text(encoding="utf-8")
    found, output = try_out(Mutation("x", "guard.py", "return size <= 10", new, test), tree)
    assert found is seen and said in output
    assert (tree / "guard.py").read_text(encoding="utf-8") == before
    assert run_tests(tree, ["test_it.py"])[0] == 0


def test_a_patch_that_no_longer_applies_is_said(tree: Path) -> None:
    found, said = try_out(Mutation("x", "guard.py", "return size < 10", "", "test_it.py"), tree)
    assert not found and "occurs 0 times in guard.py" in said


def test_the_copy_holds_what_tests_need(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    copy_tree(root, tmp_path)
    assert all((tmp_path / m.file).is_file() and (tmp_path / m.test.split("::")[0]).is_file() for m in load())
    assert (tmp_path / "pyproject.toml").is_file() and not (tmp_path / ".git").exists()
