"""The contact sheet: a wrong path is refused in one line, before anything is drawn or lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools import pocket_sheet


@pytest.mark.parametrize(
    ("out", "truth"),
    [("x.foo", None), ("absent/x.png", None), ("x.png", "absent/t.json"), ("x.png", "t.foo"), ("x.png", "folder.json")],
)
def test_a_wrong_path_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], out: str, truth: str | None
) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "x.png").write_bytes(b"old")
    monkeypatch.setattr(pocket_sheet, "contact_sheet", lambda *given, **more: np.zeros((4, 4, 3), np.uint8))
    more = [] if truth is None else ["--truth", str(tmp_path / truth)]
    assert pocket_sheet.main(["--out", str(tmp_path / out), *more]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and "in a folder that exists" in said
    assert (tmp_path / "x.png").read_bytes() == b"old"


def test_picture_and_truth_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocket_sheet, "contact_sheet", lambda *given, **more: np.zeros((4, 4, 3), np.uint8))
    picture, truth = tmp_path / "x.png", tmp_path / "t.json"
    assert pocket_sheet.main(["--out", str(picture), "--truth", str(truth)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG") and truth.read_text(encoding="utf-8").count('"frame"') == 20
