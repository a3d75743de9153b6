"""Both sides of a benchmark are measured alike: as many clips, as many repeats, one start each, children counted."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmarks import bench, catalogue, data, growth, stage1, stage2, usage
from distinctad.cast import read_cast
from distinctad.catalogue import find_catalogue

MB = 1 << 20


# ---------------------------------------------------------------------- Stage I's step
def stage1_figures(monkeypatch: pytest.MonkeyPatch, available: int) -> dict[str, Any]:
    """The memory part, where a step takes 1 MB and 1 s a clip, in chunks half of both."""

    def elsewhere(_: str, clips: int, chunk: int) -> dict[str, float]:
        return {"bytes": clips * MB / (2 if chunk else 1), "seconds": clips / (2 if chunk else 1)}

    monkeypatch.setattr(stage1, "elsewhere", elsewhere)
    monkeypatch.setattr(stage1, "available_bytes", lambda: available)
    return stage1.memory_figures(quick=False)


def stage1_rows(figures: dict[str, Any]) -> list[bench.Row]:
    found = json.loads(bench.RECORD.read_text(encoding="utf-8"))
    found["stage1"] = {"loader_workers": 2, "frames_per_s_over_sequential": 1.0, "frames_per_s": 1.0,
                       "sequential_frames_per_s": 1.0, **figures}  # fmt: skip
    return [row for row in bench.rows(found) if row.what.startswith("Stage I ")]


def test_both_ways_are_timed_on_as_many_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, time, _ = stage1_rows(stage1_figures(monkeypatch, 400 * MB))
    assert time.what == "Stage I step, 256 clips of 8: time"
    assert (time.ours, time.theirs, time.ratio) == ("128.0 s", "256.0 s", 2.0)
    assert memory.what.startswith("Stage I step, 512 clips") and memory.peer.endswith(", extended from 256 clips")
    memory, time, _ = stage1_rows(stage1_figures(monkeypatch, 4000 * MB))
    assert (time.what, time.ratio) == ("Stage I step, 512 clips of 8: time", 2.0) and "extended" not in memory.peer


def test_a_record_of_unequal_clips_has_no_line_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = stage1_figures(monkeypatch, 400 * MB)
    del figures["chunked_same_s"]
    assert not any(row.what.endswith("time") for row in stage1_rows(figures))


def test_labels_say_what_was_measured() -> None:
    rows = bench.rows(json.loads(bench.RECORD.read_text(encoding="utf-8")))
    loader, two, film = (
        next(row for row in rows if row.what.startswith(name)) for name in ("Stage I loader", "Stage II", "describe a")
    )
    assert "2 worker processes" in loader.what and two.peer == "our own losses over all logits"
    assert film.what == "describe a 10-minute film, model loaded, intervals given"


# ---------------------------------------------------------------------- the data path
@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    data.make_films(folder, 16, 100, 200)
    data.build(folder)
    return folder


def test_either_side_is_opened_once(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets_scripts import stream

    opened: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            opened.append(name)
            return real(*words, **options)

        return call

    monkeypatch.setattr(pd, "read_csv", counted("loop", pd.read_csv))
    monkeypatch.setattr(stream, "check_files", counted("stream", stream.check_files))
    monkeypatch.setattr(data, "timed", lambda rows: (sum(1 for _ in rows), 1.0, 1.0))
    found = data.compare_rows(films, 100)
    assert found["rows"] == 100 and sorted(opened) == ["loop"] * 2 + ["stream"] * 2  # once to see that rows are equal


def test_rows_that_differ_end_the_run(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(data.simple_loop(films))
    other = [(film, f"{text}!", frames) for film, text, frames in rows]
    monkeypatch.setattr(data, "simple_loop", lambda _: iter(other))
    with pytest.raises(RuntimeError, match="differs between the stream and the loop"):
        data.compare_rows(films, 100)


def test_children_count(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = {resource.RUSAGE_SELF: [0.0, 1.0] * 2, resource.RUSAGE_CHILDREN: [0.0, 5.0] * 2}

    def getrusage(who: int) -> SimpleNamespace:
        return SimpleNamespace(ru_utime=spent[who].pop(0), ru_stime=0.0)

    monkeypatch.setattr(resource, "getrusage", getrusage)
    assert data.timed(iter("ab"))[:2] == (2, 6.0)
    assert growth.spent(lambda: None)[0] == 6.0


def test_a_peak_is_not_the_parents(films: Path) -> None:
    held = bytearray(300 * MB)
    held[:: 1 << 12] = b"\1" * len(held[:: 1 << 12])  # every page is there
    assert usage.resident("VmRSS") > 300 * MB
    assert data.peak_of(films, 4) < 300
    del held


# ---------------------------------------------------------------------- the others
def test_a_catalogue_has_its_casts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets_scripts.pocket.film import write_film
    from datasets_scripts.pocket.story import make_film

    files = write_film(make_film(growth.SEED, "clear", 6), tmp_path / "film", pictures=False)
    seen: list[list[int]] = []

    def look(command: list[str], **_: Any) -> None:
        found = find_catalogue(Path(command[4])).films
        casts = [read_cast(film.cast)[0] for film in found if film.cast is not None]
        seen.append([sum(person.portrait is not None for person in people) for people in casts])

    monkeypatch.setattr(growth, "CATALOGUES", (1, 2))
    monkeypatch.setattr(growth, "repeat_film", lambda source, path, copies, title: path.write_text(title))
    monkeypatch.setattr(subprocess, "run", look)
    growth.catalogues(Path("unused.mp4"), files.cast, files.subtitles, tmp_path)
    people = len(read_cast(files.cast)[0])
    assert people > 1 and seen == [[people], [people] * 2]


def test_hashing_is_timed_warm_on_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(catalogue, "sha256_of", lambda path: sizes.append(path.stat().st_size))
    clock = iter([0.0, 5.0, 10.0, 12.0, 20.0, 24.0])
    monkeypatch.setattr(catalogue, "time", SimpleNamespace(process_time=lambda: next(clock)))
    assert catalogue.hash_rate(tmp_path / "bytes", 4) == pytest.approx(500.0)  # 2 s for 4 MB
    assert sizes == [4_000_000] * 4 and catalogue.HASH_MB >= 200 and catalogue.QUICK_HASH_MB >= 50


def test_window_and_loop_are_repeated_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    repeated: list[int] = []
    monkeypatch.setattr(stage2, "seconds", lambda _, repeats: repeated.append(repeats) or 1.0)
    stage2.window_and_loop(stage2.make_model(), 2, 2, 5)
    assert repeated == [5, 5]
