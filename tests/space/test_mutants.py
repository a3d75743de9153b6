"""What could be changed without a test that failed, found by mutations: one test for each."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stand_ins import FakePipe
from test_kept import FIRST, change, put
from visitor import Visitor

from distinctad.describe import draft
from distinctad.track import TrackSettings
from space import desk as desks
from space import work
from space.examples import Example

MARKUP = "<img src=x onerror=alert(1)>"


def test_the_server_keeps_drafts_of_its_own_examples_only(desk: Any, film: Path, srt: Path, tmp_path: Path) -> None:
    asked = {"request": SimpleNamespace(session_hash="a"), "progress": lambda *_, **__: None}
    other = tmp_path / "film_7.mp4"
    other.write_bytes(film.read_bytes() + bytes(8))
    desk.examples._drawn[0] = Example(other, srt, ())  # as if it had been drawn
    try:
        for _ in range(2):
            desk.describe_film(str(film), str(srt), None, "early", **asked)
        assert desk.examples._drafts == {}  # a visitor's film
        desk.describe_film(str(other), str(srt), None, "early", **asked)
        assert len(desk.examples._drafts) == 1
    finally:
        desk.examples._drawn.clear()
        desk.examples._drafts.clear()


def test_what_a_draft_warns_of_is_no_markup(film: Path, srt: Path) -> None:
    made = work.of_draft(draft(film, subtitles=srt, pipe=FakePipe(), track=TrackSettings("none")))
    document = copy.deepcopy(made.draft)
    document["warnings"] = [f"the subtitles '{MARKUP}.srt': 1 overlapping line(s) merged"]
    said = desks._sentence(work.Work(document, [], made.speech, made.rate, made.gaps, [f"read as {MARKUP}"]))
    assert "<img" not in said and said.count("&lt;img") == 2


def test_what_converting_says_is_no_markup(desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("space.desk.gr.Warning", told.append)
    (tmp_path / "s.vtt").write_text(f"WEBVTT\nLanguage: {MARKUP}\n\n00:01.000 --> 00:02.000\nHe runs.\n", "utf-8")
    desk.convert_script(str(tmp_path / "s.vtt"), ".xml", SimpleNamespace(session_hash="a"))
    assert told and all("<" not in said for said in told), told


@pytest.fixture
def visitor(browser: Any, served: str) -> Any:
    with contextlib.closing(Visitor(browser, served)) as made:
        yield made


@pytest.mark.slow
def test_a_line_is_edited_again_after_its_edit_was_undone(visitor: Visitor, desk: Any) -> None:
    put(visitor, FIRST)
    change(visitor, 0, "Mara sits.")
    visitor.tab.click("#dad-undo")
    assert visitor.texts()[0] == "Mara runs." and visitor.kept() == []
    change(visitor, 0, "Mara stands.")
    assert visitor.kept() == [{"cue": 1, "field": "text", "before": "Mara runs.", "after": "Mara stands."}]
    from distinctad.review import replay

    given = work.unpack(visitor.tab.evaluate("distinctad.take()"), desk.limits)
    assert replay(given.draft, given.edits)["cues"][0]["text"] == "Mara stands."


@pytest.mark.slow
def test_a_browser_that_keeps_nothing_is_said_at_once_and_stands_on_the_page(visitor: Visitor) -> None:
    tab = visitor.tab
    tab.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('full'); }; }")
    put(visitor, FIRST)
    tab.wait_for_selector("#dad-live:has-text('cannot keep the script and your edits')")
    tab.evaluate("document.getElementById('dad-live').replaceChildren()")
    tab.fill("#dad-lines textarea >> nth=0", "Mara sits.")
    tab.keyboard.press("Tab")
    tab.wait_for_selector("#dad-unkept:has-text('cannot keep the script and your edits')")
    tab.click("[aria-label='Remove line 2']")
    tab.wait_for_timeout(400)  # saving must not talk over what the change did
    assert tab.inner_text("#dad-live").startswith("Line 2 is removed")
    assert visitor.texts()[0] == "Mara sits." and visitor.errors == []


@pytest.mark.slow
def test_what_converting_says_is_shown_as_text(visitor: Visitor, tmp_path: Path) -> None:
    tab = visitor.tab
    (tmp_path / "s.vtt").write_text(
        "WEBVTT\nLanguage: <img src=//localhost/a>\n\n00:01.000 --> 00:02.000\nHe runs.\n", "utf-8"
    )
    tab.locator("button.label-wrap", has_text="Convert a script").click()
    visitor.upload("A script", tmp_path / "s.vtt")
    tab.get_by_role("button", name="Convert", exact=True).click()
    tab.wait_for_selector(".toast-body:has-text('its language is')")
    html = tab.eval_on_selector(".toast-body", "one => one.innerHTML")
    assert tab.locator(".toast-body img").count() == 0, html


@pytest.mark.slow
def test_a_change_that_is_not_kept_yet_is_not_replaced_by_another_tabs(visitor: Visitor) -> None:
    one, other = visitor, visitor.beside()
    put(one, FIRST)
    other.tab.reload()
    other.script()
    other.tab.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('full'); }; }")
    other.tab.fill("#dad-lines textarea >> nth=0", "Mara sits.")
    other.tab.keyboard.press("Tab")
    other.tab.wait_for_selector("#dad-live:has-text('cannot keep')")
    change(one, 1, "Tom stands.")
    other.tab.wait_for_selector("#dad-live:has-text('where you changed the same, yours stands')")
    assert other.texts() == ["Mara sits.", "Tom stands."]
