"""What a describer's hands do to a line: emptying it, an input method, the wheel, Undo; and writings without blanks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from test_kept import FIRST, change, packed, put
from visitor import Visitor

from distinctad.exports import clean_text
from distinctad.planner_rate import Rate

pytestmark = pytest.mark.slow
AREA, START = "#dad-lines textarea >> nth={}", "#dad-lines .dad-at input >> nth={}"
HERE = "document.activeElement.getAttribute('aria-label') || document.activeElement.id"
SAFARIS_ENTER = """document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true, cancelable: true }))"""
WRITINGS = [
    "او می\u200cرود.", "\u200fشهر RTL\u200f!", "ශ්\u200dරී ලංකාව", "\U0001f469\u200d\U0001f680 waves", "\u200c\u200d",
    "soft\u00adhyphen \u202eturned\u202c", "a\tb\u2028c\u00a0 d\ue000e\ufdd0f\U0001fffe", "new \u0378 one",
]  # fmt: skip
UNSPACED = ["马拉跑过院子，打开了一扇红色的门。", "東京タワーの前で3人", "マラ", "走x路y", "마라가 집에 온다.", "3 人"]
KEPT = "distinctadKept.edits(sessionStorage.getItem('distinctad-here')).map((one) => one.after).join()"
PAUSE_MS = 500  # longer than the page waits for the next letter


@pytest.fixture
def visitor(browser: Any, served: str) -> Iterator[Visitor]:
    with contextlib.closing(Visitor(browser, served)) as made:
        yield made


def test_an_emptied_line_stays_empty_while_it_is_written_and_is_never_a_stump(visitor: Visitor) -> None:
    tab = visitor.tab
    put(visitor, packed("Mara.", "Tom waits."))
    tab.focus(AREA.format(0))
    tab.keyboard.press("Control+End")
    for _ in "Mara.":
        tab.keyboard.press("Backspace")
    tab.wait_for_timeout(PAUSE_MS)  # nothing may come back
    assert visitor.texts()[0] == "" and "Empty" in tab.inner_text("#dad-b1")
    tab.keyboard.press("Control+Enter")
    assert "Line 1 is empty" in tab.inner_text("#dad-live")
    tab.keyboard.type("A man sits.")
    tab.wait_for_function("distinctad.take().edits.length === 1")
    tab.focus(AREA.format(1))
    tab.keyboard.press("Control+a")
    tab.keyboard.type("T")
    # The stump is kept, as anything is that somebody stops at, and is not kept once it is deleted.
    tab.wait_for_function(f"{KEPT} === 'A man sits.,T'")
    tab.keyboard.press("Backspace")
    tab.wait_for_function(f"{KEPT} === 'A man sits.'")
    assert visitor.kept() == [{"cue": 1, "field": "text", "before": "Mara.", "after": "A man sits."}]
    tab.keyboard.press("Tab")
    assert visitor.texts() == ["A man sits.", "Tom waits."] and "the old one is back" in tab.inner_text("#dad-live")
    assert visitor.errors == []


def test_hands_do_what_they_mean(visitor: Visitor) -> None:
    tab = visitor.tab
    put(visitor, packed("Mara runs.", "Tom waits.", "Night falls.", "Day breaks."))
    tab.focus(AREA.format(0))
    tab.evaluate(SAFARIS_ENTER)  # an input method's, which only confirms what was composed
    assert tab.evaluate(HERE).startswith("Text of line 1")
    tab.click(START.format(1))
    for _ in range(2):
        tab.mouse.wheel(0, 120)
        tab.wait_for_timeout(PAUSE_MS)
    tab.focus(AREA.format(0))
    assert tab.input_value(START.format(1)) == "10" and visitor.kept() == []
    assert tab.get_attribute(START.format(1), "aria-label") == "Start (s), line 2"  # as its label says it
    tab.keyboard.press("Alt+Delete")
    tab.keyboard.press("Alt+a")
    assert "Line 1 is removed: put it back" in tab.inner_text("#dad-live") and visitor.texts()[0] == "Mara runs."
    change(visitor, 1, "Tom sits.")
    tab.focus("#dad-undo")
    for _ in range(2):
        tab.keyboard.press("Enter")
        assert tab.evaluate(HERE) == "dad-undo"
    assert visitor.texts()[1] == "Tom waits." and tab.evaluate("distinctad.take().edits") == []
    tab.fill(START.format(3), "39")
    tab.focus(AREA.format(3))
    tab.keyboard.press("Alt+n")
    said = tab.inner_text("#dad-live")
    assert said.startswith("No stretch of a second is free after 4") and "Free from" in said
    tab.keyboard.insert_text("word " * 300)
    assert "The new line is full: a text holds up to 1000 characters" in tab.inner_text("#dad-live")
    tab.focus(AREA.format(0))
    tab.keyboard.insert_text("word " * 300)
    assert "Line 1 is full: a text holds up to 1000 characters" in tab.inner_text("#dad-live")
    assert tab.evaluate("[59.97, 3599.96, 61.04].map(distinctadRow.clock)") == ["0:01:00.0", "1:00:00.0", "0:01:01.0"]
    assert visitor.errors == []


def test_every_writing_is_kept_and_timed_as_the_package_does(visitor: Visitor) -> None:
    tab, rate = visitor.tab, Rate("a", 0.11, 0.08, 0.06, 0.2)
    assert tab.evaluate("(all) => all.map(distinctadWords.clean)", WRITINGS) == [clean_text(one) for one in WRITINGS]
    seconds = "([rate, all]) => all.map((one) => distinctadWords.seconds(rate, one))"
    values = tab.evaluate(seconds, [vars(rate), UNSPACED])
    assert values == pytest.approx([rate.seconds(one) for one in UNSPACED])
    put(visitor, FIRST)
    change(visitor, 0, WRITINGS[0])
    assert visitor.kept()[-1]["after"] == WRITINGS[0]
    tab.focus(AREA.format(1))
    for what, direction in (("textarea", "rtl"), (".dad-why", "rtl"), (".dad-why small", "ltr"), ("option", "ltr")):
        assert tab.eval_on_selector(f"#dad-lines {what}", "one => getComputedStyle(one).direction") == direction
    assert tab.eval_on_selector_all("#dad-lines option, #dad-new-text", "all => all.every((one) => one.dir === 'auto')")


def test_a_narrow_window_and_forced_colours_hide_nothing(browser: Any, served: str) -> None:
    options = {"viewport": {"width": 320, "height": 640}, "forced_colors": "active"}
    with contextlib.closing(Visitor(browser, served, **options)) as visitor:
        put(visitor, FIRST)
        assert visitor.tab.evaluate("document.querySelector('#dad-lines textarea').offsetWidth") > 200
        colours = "all => new Set(all.map((one) => getComputedStyle(one).backgroundColor)).size"
        assert visitor.tab.eval_on_selector_all(".dad-key", colours) == 4
        for what, style, is_as in (("#describe", "borderTopWidth", "1px"), ("#dad thead", "position", "absolute")):
            assert visitor.tab.eval_on_selector(what, f"one => getComputedStyle(one).{style}") == is_as
        fills = "all => new Set(all.map((one) => getComputedStyle(one).fill)).size"
        assert visitor.tab.eval_on_selector_all("#dad-picture path", fills) == 4
