"""Sizes that nobody honest has are refused before they cost memory or time, in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import modeling_distinctad.video_distinctad as video
from distinctad import plan, score_rows
from distinctad.cast import read_cast
from distinctad.errors import UserError
from distinctad.formats import convert
from distinctad.intervals import parse_intervals
from distinctad.review import edits_of
from distinctad.score_casts import read_names
from distinctad.subtitles import read_subtitles, read_text
from distinctad.words import Casts, read_ads
from evaluate_metrics.llm_ad_eval import marks


@pytest.mark.parametrize(
    "claimed", [{"duration_s": 200_000.0}, {"width": 100_000, "height": 50_000}], ids=["days", "pixels"]
)
def test_a_film_that_claims_days_or_giant_pictures(
    claimed: dict[str, Any], inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = replace(video.probe(inputs / "one.mp4"), **claimed)
    monkeypatch.setattr(video, "probe", lambda path: info)
    with pytest.raises(UserError, match="says that it has"):
        plan.probe_film(inputs / "one.mp4")


def test_tables_and_casts_to_score_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_rows, "MAX_TABLE", 100)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"7": ["x" * 200]}), encoding="utf-8")
    for read in (score_rows.read_records, score_rows.read_truth_rows, lambda p: read_names(p, ["7"]), Casts, read_ads):
        with pytest.raises(UserError, match="more than 100 characters"):
            read(path)


def test_texts_and_scripts(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(b"1\n00:00:01,000 --> 00:00:02,000\nHello\n" + b" " * 1000)
    with pytest.raises(UserError, match="more than 1000"):
        read_text(path, "the subtitles", 1000)
    sparse = tmp_path / "sparse.srt"
    with sparse.open("wb") as file:
        file.truncate(33 << 20)
    for read in (read_subtitles, convert.read_script):
        with pytest.raises(UserError, match="bytes, more than"):
            read(sparse)
    (tmp_path / "late.csv").write_text("film,index,start,end,text,characters\nf,1,1,1e7,Hello,\n", encoding="utf-8")
    with pytest.raises(UserError, match="ends after 277 hours"):
        convert.read_script(tmp_path / "late.csv")


def test_casts_and_their_portraits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cast.json"
    path.write_text(json.dumps([{"name": f"n{i}"} for i in range(65)]), encoding="utf-8")
    with pytest.raises(UserError, match="65 people, more than 64"):
        read_cast(path)
    path.write_bytes(b"[" + b" " * (1 << 20) + b"]")
    with pytest.raises(UserError, match="more than 1048576"):
        read_cast(path)
    path.write_text(json.dumps([{"name": "a", "portrait": "big.png"}]), encoding="utf-8")
    with (tmp_path / "big.png").open("wb") as file:
        file.truncate(33 << 20)
    with pytest.raises(UserError, match="bytes"):
        read_cast(path)


@pytest.mark.no_cover
def test_rows_of_intervals_and_edits() -> None:
    table = "start,end\n" + "1,2\n" * 200_001
    with pytest.raises(UserError, match="more than 200000 rows"):
        parse_intervals(table, "a", 600.0, "film")
    with pytest.raises(UserError, match="100001 edits"):
        edits_of([{}] * 100_001)


def test_a_judges_prompt(tmp_path: Path) -> None:
    path = tmp_path / "prompt.json"
    path.write_text(json.dumps({"user": "{reference}{prediction}" + "x" * (1 << 20)}), encoding="utf-8")
    with pytest.raises(ValueError, match="is no prompt"):
        marks.read_prompt(path)
