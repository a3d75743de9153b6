"""What the page says of a line after it was moved, measured, or typed with keys that write letters."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from test_kept import packed, put
from visitor import Visitor

pytestmark = pytest.mark.slow
APPLE = "Object.defineProperty(navigator, 'platform', { get: () => 'MacIntel' });"
PRESS = """(change) => document.querySelector('#dad-lines textarea').dispatchEvent(new KeyboardEvent('keydown',
    { key: 'ą', code: 'KeyA', altKey: true, bubbles: true, cancelable: true, ...change }))"""


@pytest.fixture
def visitor(browser: Any, served: str) -> Iterator[Visitor]:
    with contextlib.closing(Visitor(browser, served)) as made:
        yield made


def budgets(visitor: Visitor) -> list[str]:
    return [visitor.tab.text_content(f"#dad-b{line}") for line in (1, 2, 3)]


def test_a_line_moved_past_others_is_judged_by_the_next_one_in_time(visitor: Visitor) -> None:
    work = packed("Mara runs.", "Tom waits.", "Night falls.")
    work["gaps"], work["speech"] = [[0.0, 40.0]], []
    put(visitor, work)
    assert [said.split(" s.")[0].split(" of ")[1] for said in budgets(visitor)] == ["9.8", "9.8", "20.0"]
    visitor.tab.fill("[aria-label='Start (s), line 1']", "35")
    visitor.tab.keyboard.press("Tab")
    assert [said.split(" s.")[0].split(" of ")[1] for said in budgets(visitor)] == ["5.0", "9.8", "14.8"]
    visitor.tab.click("#dad-undo")
    assert budgets(visitor)[2].split(" of ")[1].startswith("20.0 s.") and visitor.errors == []


def test_a_line_that_was_measured_is_judged_by_that_until_it_is_changed(visitor: Visitor) -> None:
    work = packed("Mara runs.", "Tom waits.")
    made = json.loads(work["draft"])
    made["cues"][0]["provenance"]["spoken_s"] = 3.3  # twice what a voice of that rate is thought to take
    work["draft"] = json.dumps(made)
    put(visitor, work)
    assert visitor.tab.inner_text("#dad-b1").startswith("3.3 of")
    visitor.tab.fill("#dad-lines textarea >> nth=0", "Mara walks.")
    visitor.tab.wait_for_function("!document.getElementById('dad-b1').innerText.startsWith('3.3 of')")


def test_a_text_that_nobody_changed_is_no_edit(visitor: Visitor) -> None:
    put(visitor, packed("Tom\u00a0 waits.", "Day breaks."))
    visitor.tab.focus("#dad-lines textarea >> nth=0")
    visitor.tab.focus("#dad-lines textarea >> nth=1")
    assert visitor.kept() == [] and visitor.tab.evaluate("distinctad.take().edits") == []


@pytest.mark.parametrize("apple", [False, True])
def test_keys_that_type_a_letter_are_left_to_it(apple: bool, visitor: Visitor) -> None:
    put(visitor, packed("Mara runs.", "Tom waits."))
    if apple:
        visitor.tab.add_init_script(APPLE)
        visitor.tab.reload()
        visitor.script()
    # AltGr is Control and Alt on Windows; Option is Alt on a Mac. False: the page took the key.
    assert visitor.tab.evaluate(PRESS, {"ctrlKey": True}) is True
    assert visitor.tab.evaluate(PRESS, {}) is apple
    assert visitor.texts()[0] == ("Mara runs." if apple else "Somebody comes.")


def test_a_placeholder_is_nothing_that_is_said_or_accepted(visitor: Visitor) -> None:
    work = packed("Mara runs along the long and empty street.", "No description.", "Night falls.")
    made = json.loads(work["draft"])
    made["cues"][1]["provenance"]["text_from"] = "placeholder"
    made["cues"][1]["start_s"] = made["cues"][0]["start_s"] + 1.0  # nobody speaks it, so the first may last into it
    work["draft"], work["gaps"], work["speech"] = json.dumps(made), [[0.0, 40.0]], []
    put(visitor, work)
    first, second, _ = budgets(visitor)
    assert "Room for" in first and second == "Nothing is said here yet: write a text, or remove the line."
    tab, box = visitor.tab, "[aria-label='Reviewed: line 2']"
    tab.focus("#dad-lines textarea >> nth=1")
    tab.keyboard.press("Control+Enter")
    assert tab.inner_text("#dad-live") == "Line 2 says nothing yet: write its text, or remove it."
    tab.click(box)
    assert (
        "0 reviewed" in tab.inner_text("#dad-sum")
        and not tab.is_checked(box)
        and tab.input_value("#dad-lines textarea >> nth=1") == "No description."
    )
    tab.fill("#dad-lines textarea >> nth=1", "Tom waits.")
    tab.click(box)
    assert tab.is_checked(box) and budgets(visitor)[1] != second and "Too long" in budgets(visitor)[0]
    assert visitor.errors == []
