"""The reference refuses modules that are not there, in one line; tests/repo/test_documents.py builds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import api_reference

pytest.importorskip("pdoc", reason="pdoc is not installed; run `pip install pdoc`")


def test_an_unknown_module_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["nosuchmodule", "train.nosuch", "train/predict.py", ".x"]
    assert api_reference.main([*wrong, "train", "--out", str(tmp_path / "api")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: no module {', '.join(wrong)}; expected") and said.count("\n") == 1
    assert not (tmp_path / "api").exists()


def test_one_module_is_enough(tmp_path: Path) -> None:
    name = "modeling_distinctad.slots_distinctad"  # with names in `__all__`, and no package
    assert api_reference.main([name, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "modeling_distinctad" / "slots_distinctad.html").is_file()
