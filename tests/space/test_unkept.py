"""What is not in the log or not in storage: asked before it is lost, kept while it is written, never thrown away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from test_kept import FIRST, OPEN, SECOND, change, packed, put
from visitor import Visitor

pytestmark = pytest.mark.slow
FULL = "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"
FORM = "['start', 'end', 'text'].map((name) => document.getElementById('dad-new-' + name).value)"
WRITTEN = ["20", "25", "A long description that took minutes."]


@pytest.fixture
def visitor(browser: Any, served: str) -> Iterator[Visitor]:
    with contextlib.closing(Visitor(browser, served)) as made:
        yield made


def write(visitor: Visitor) -> None:
    visitor.tab.click("#dad-new-box summary")
    for name, value in zip(("start", "end", "text"), WRITTEN, strict=True):
        visitor.tab.fill(f"#dad-new-{name}", value)


def again(visitor: Visitor) -> None:
    visitor.tab.reload()
    visitor.script()


def test_what_is_being_written_outlives_a_reload_and_stays_with_its_script(visitor: Visitor) -> None:
    tab = visitor.tab
    put(visitor, FIRST)
    write(visitor)
    again(visitor)
    assert tab.evaluate(FORM) == WRITTEN and tab.is_visible("#dad-new-text")
    put(visitor, SECOND)
    assert tab.evaluate(FORM) == ["", "", ""]
    tab.click("#dad-kept-title")
    tab.click(".dad-kept-open")
    assert tab.evaluate(FORM) == WRITTEN and "Too long" not in tab.inner_text("#dad-new-budget")
    tab.click("#dad-new-add")
    assert WRITTEN[2] in visitor.texts()
    tab.focus("#dad-lines .dad-at input >> nth=0")
    tab.keyboard.press("Control+a")
    tab.keyboard.type("15.5")
    again(visitor)
    assert tab.evaluate(FORM) == ["", "", ""] and WRITTEN[2] in visitor.texts()
    assert visitor.kept()[-1] == {"cue": 1, "field": "start_s", "before": 0, "after": 15.5}
    assert visitor.errors == []


def test_leaving_is_asked_where_the_browser_keeps_nothing(visitor: Visitor) -> None:
    tab, asked = visitor.tab, []
    tab.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    put(visitor, FIRST)
    change(visitor, 0, "Mara sits.")
    again(visitor)
    assert asked == []  # what is kept is no question
    tab.evaluate(FULL)
    tab.fill("#dad-lines textarea >> nth=0", "Mara climbs the stairs.")
    tab.keyboard.press("Tab")
    with tab.expect_event("dialog"):
        tab.close(run_before_unload=True)
    assert asked == ["beforeunload"] and visitor.texts()[0] == "Mara climbs the stairs."
    while tab.evaluate("distinctad.take().edits.length"):
        tab.click("#dad-undo")
    write(visitor)
    with tab.expect_event("dialog"):
        tab.close(run_before_unload=True)
    assert tab.evaluate(FORM) == WRITTEN and "cannot keep" in tab.inner_text("#dad-unkept")


def test_a_draft_that_arrives_is_kept_and_takes_nothing_from_under_the_hands(visitor: Visitor) -> None:
    tab, asked = visitor.tab, []
    tab.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    put(visitor, FIRST)
    tab.focus("#dad-lines textarea >> nth=1")
    tab.keyboard.type("While typing ")
    tab.evaluate("(work) => distinctad.open(work)", SECOND)
    assert "is ready, in the list of kept scripts" in tab.inner_text("#dad-live") and asked == []
    tab.keyboard.type("on")
    assert "While typing on" in visitor.texts()[1]
    assert tab.inner_text("#dad-kept-title") == "Scripts kept in this browser (2)"
    tab.evaluate(OPEN, packed("Day breaks.", film="c"))
    assert len(asked) == 1 and "While typing on" in visitor.texts()[1]
    assert tab.inner_text("#dad-kept-title") == "Scripts kept in this browser (3)"
    assert tab.inner_text("#dad-live").endswith("is in the list of kept scripts.")
    # The same draft, without its subtitles: its dialogue is known, and stays.
    tab.evaluate(OPEN, {**FIRST, "speech": [], "gaps": []})
    assert tab.evaluate("distinctad.take().speech.length") == 1
    again(visitor)
    assert tab.evaluate("distinctad.take().gaps.length") == 2 and visitor.errors == []


def test_files_of_before_are_called_so(visitor: Visitor) -> None:
    tab = visitor.tab
    tab.on("dialog", lambda dialog: dialog.accept())
    put(visitor, FIRST)
    tab.click("#make-texts")
    tab.wait_for_selector("#dad-live:has-text('The files are there')")
    assert tab.text_content("#dad-stale") == ""
    change(visitor, 0, "Mara flies.")
    tab.wait_for_selector("#dad-stale[role=status]:has-text('made before your last change')")
    assert visitor.violations() == []
    tab.click("#dad-undo")
    assert tab.text_content("#dad-stale") == ""
    put(visitor, SECOND)
    assert tab.inner_text("#dad-stale") == "These files are of the script of a.mp4, which is not open now."
