"""What text formats (WebVTT, SubRip) leave open: languages, hours, numbers and backslashes in texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from distinctad.formats.convert import convert, read_script


@pytest.mark.parametrize(
    ("header", "language", "noted"),
    [
        ("Language: en_US", "en-US", ""), ("Language:de", "de", ""), ("Kind: descriptions", "en", ""),
        ("Language: English US", "und", "'English US'"), ("Language:", "und", "''"), ("Language: ", "und", "''"),
    ],
)  # fmt: skip
def test_a_language_that_is_none_is_not_written(tmp_path: Path, header: str, language: str, noted: str) -> None:
    (tmp_path / "a.vtt").write_text(f"WEBVTT\n{header}\n\n00:01.000 --> 00:02.000\nHe runs.\n")
    notes: list[str] = []
    assert convert(tmp_path / "a.vtt", tmp_path / "b.xml", notes=notes) == []
    assert read_script(tmp_path / "b.xml").language == language
    said = f"its language is {noted}, expected a tag like en or de-CH; und (not known) is taken"
    assert notes == ([f"the script 'a.vtt': {said}"] if noted else [])
    assert convert(tmp_path / "a.vtt", tmp_path / "b.srt") == ([] if language in ("en", "und") else ["language"])
