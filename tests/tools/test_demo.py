"""The demonstration pairs each draft with the true text of the same interval."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

PATH = Path(__file__).resolve().parents[2] / "tools" / "demo.py"


@pytest.fixture(scope="module")
def demo() -> Any:
    spec = importlib.util.spec_from_file_location("demo", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TRUTH = [
    {"start": "4.000", "end": "6.0", "sentence": "Ann sits."},
    {"start": "1.0", "end": "2.5", "sentence": "Rain [falls]."},
]


def test_pairs_by_time_not_by_order(demo: Any) -> None:
    drafts = [{"start": "1.00", "end": "2.50", "text": "a"}, {"start": "4.01", "end": "6.0", "text": "b"}]
    assert demo.beside(drafts, TRUTH) == [("1.0-2.5", "a", "Rain [falls]."), ("4.0-6.0", "b", "Ann sits.")]


def test_refuses_a_draft_without_its_truth(demo: Any) -> None:
    with pytest.raises(ValueError, match="expected 1; draw the film anew"):
        demo.beside([{"start": "1.0", "end": "3.5", "text": "a"}], TRUTH)


def test_prints_brackets_as_they_are_and_asks_for_a_person(demo: Any) -> None:
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(demo.table(demo.beside([{"start": "1.0", "end": "2.5", "text": "x [bold]"}], TRUTH)))
    text = " ".join(console.export_text().split())  # the title may be wrapped
    assert "x [bold]" in text and "Rain [falls]." in text and "person must review" in text


def test_names_beyond_the_terminals_letters_are_printed_with_question_marks(
    demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: str) -> None:
        out = Path(words[words.index("--out") + 1])
        place, head = (out / "a", "start,end,sentence") if words[0] == "pocket" else (out, "start,end,text")
        place.mkdir(parents=True)
        (out / "film_900100.mp4").touch()
        name = "annotations.csv" if words[0] == "pocket" else "descriptions.csv"
        (place / name).write_text(f"{head}\n1.0,2.5,Łucja waits.\n", encoding="utf-8")

    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(demo, "run", run)
    monkeypatch.setattr("sys.stdout", terminal)
    demo.main(["--out", str(tmp_path)])
    terminal.flush()
    assert b"?ucja waits." in terminal.buffer.getvalue()


def test_reads_columns_in_lower_case(demo: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Start,End,Text\n1,2,é\n", encoding="utf-8")
    assert demo.read_rows(tmp_path / "a.csv") == [{"start": "1", "end": "2", "text": "é"}]


def test_ends_with_the_commands_own_status(demo: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.run("no-such-command")
    assert ended.value.code not in (0, None)
