"""Work reopened from its files: the dialogue is unknown, and the export does what the editor says of every line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import FakePipe
from visitor import Visitor

from distinctad.audio import voice as voices
from distinctad.describe import draft
from distinctad.edited import voice_over
from distinctad.exports import to_json
from distinctad.planner_rate import assumed
from distinctad.review import replay
from distinctad.track import TrackSettings
from space import work

pytestmark = pytest.mark.slow
LATER = "heard in the extended film only"


class Assumed:
    """A voice that takes exactly as long as the assumed rate says."""

    name, rate_hz = "assumed", 16_000

    def speak(self, text: str) -> np.ndarray:
        return np.zeros(round(16_000 * assumed().seconds(text)), np.float32)


def test_the_export_does_what_the_editor_says(
    browser: Any, served: str, film: Path, srt: Path, tmp_path: Path, desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = draft(film, subtitles=srt, pipe=FakePipe(lambda index, more: "Mara runs."), track=TrackSettings("none"))
    (tmp_path / "descriptions.json").write_text(to_json(made.document), encoding="utf-8")
    with contextlib.closing(Visitor(browser, served)) as visitor:
        tab = visitor.tab
        tab.locator("button.label-wrap", has_text="Open earlier work").click()
        visitor.upload("descriptions.json", tmp_path / "descriptions.json")
        tab.click("#open")
        visitor.script()
        assert "dialogue is unknown" in tab.inner_text("#status")
        assert "dialogue is unknown" in tab.inner_text("#dad-note")
        tab.fill("#dad-lines textarea >> nth=0", "Mara runs away from all of them, far.")  # into the dialogue at 3 s
        tab.fill("#dad-lines textarea >> nth=1", "Tom waits there for long.")  # past his room's end at 6.35 s
        tab.fill("[aria-label='Start (s), line 3']", "7")  # moved before his room
        tab.keyboard.press("Tab")
        tab.click("#dad-new-box summary")
        for name, value in (("start", "10.5"), ("end", "11.5"), ("text", "Snow.")):
            tab.fill(f"#dad-new-{name}", value)
        tab.click("#dad-new-add")
        said = [LATER in text for text in tab.locator(".dad-budget").all_inner_texts()]
        given = work.unpack(tab.evaluate("distinctad.take()"), desk.limits)
        assert "Not known to be free of dialogue" in tab.inner_text("#dad-b3") and visitor.errors == []
        visitor.upload("Subtitle file", srt)
        tab.click("#open")
        tab.wait_for_function("!document.getElementById('dad-note').textContent.includes('unknown')")
    monkeypatch.setattr(voices, "find_voice", lambda name="auto": voices.Remembering(Assumed()))
    final = replay(given.draft, given.edits)
    told = voice_over(final, film, given.dialogue, TrackSettings(), given.draft).as_edited(final)["cues"]
    assert [cue["provenance"]["fit"] == "extended" for cue in told] == said == [True, True, True, False]
