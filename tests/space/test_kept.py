"""What the browser keeps: one record a draft, two tabs that do not destroy each other's work, and nothing unasked."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest
from test_exports import document
from visitor import Visitor

from distinctad.planner_rate import assumed
from distinctad.subtitles import Speech
from space.work import Work

pytestmark = pytest.mark.slow
MINE = "distinctadKept.edits(sessionStorage.getItem('distinctad-here'))"
OPEN = "(work) => { document.activeElement.blur(); distinctad.open(work); }"  # who is at work in a script keeps it


def packed(*texts: str, film: str = "a") -> dict[str, Any]:
    """The work of a film of 40 s, each line with two other texts."""
    made = document(*texts)
    made["film"].update(duration_s=40.0, sha256=film * 64)
    for i, cue in enumerate(made["cues"]):
        cue.update(start_s=10.0 * i, end_s=10.0 * i + 2.0)
        cue["provenance"].update(room_s=[10.0 * i, 10.0 * i + 6.0], alternatives=["Somebody comes.", "It rains."])
    return Work(made, [], [Speech(7.0, 9.0, "Yes.")], assumed(), [(0.0, 6.9), (9.1, 40.0)]).packed()


FIRST, SECOND = packed("Mara runs.", "Tom waits."), packed("Night falls.", "Day breaks.", film="b")


@pytest.fixture
def two(browser: Any, served: str) -> Iterator[tuple[Visitor, Visitor]]:
    """Two tabs of one browser, which share its storage."""
    with contextlib.closing(Visitor(browser, served)) as one:
        yield one, one.beside()


def put(visitor: Visitor, work: dict[str, Any]) -> None:
    visitor.tab.evaluate(OPEN, work)
    visitor.script()


def change(visitor: Visitor, at: int, text: str) -> None:
    visitor.tab.fill(f"#dad-lines textarea >> nth={at}", text)
    visitor.tab.keyboard.press("Tab")
    visitor.tab.wait_for_function(f"(text) => JSON.stringify({MINE}).includes(text)", arg=text)


def again(visitor: Visitor) -> list[str]:
    visitor.tab.reload()
    visitor.script()
    return visitor.texts()


def test_two_tabs_keep_two_scripts_with_the_edits_of_each(two: tuple[Visitor, Visitor]) -> None:
    one, other = two
    put(one, FIRST)
    change(one, 0, "Mara sits.")
    put(other, SECOND)
    change(other, 1, "Day ends.")
    assert again(one) == ["Mara sits.", "Tom waits."] and again(other) == ["Night falls.", "Day ends."]
    one.visit()
    one.tab.reload()
    assert again(one) == ["Mara sits.", "Tom waits."] and one.errors == [] and other.errors == []


def test_a_tab_that_changed_nothing_writes_nothing(two: tuple[Visitor, Visitor]) -> None:
    one, other = two
    put(one, FIRST)
    other.tab.evaluate("sessionStorage.clear()")
    assert again(other) == ["Mara runs.", "Tom waits."]  # the newest script
    change(one, 0, "Mara sits.")
    before = one.tab.evaluate("JSON.stringify(localStorage)")
    other.tab.close()  # its `pagehide` must not put its own log over the new one
    one.tab.wait_for_timeout(300)
    assert one.tab.evaluate("JSON.stringify(localStorage)") == before and len(one.kept()) == 1
    one.tab.reload()
    one.script()
    assert one.tab.evaluate("JSON.stringify(localStorage)") == before and again(one)[0] == "Mara sits."


def test_one_script_in_two_tabs_is_said_and_followed(two: tuple[Visitor, Visitor]) -> None:
    one, other = two
    put(one, FIRST)
    again(other)
    change(one, 0, "Mara sits.")
    other.tab.wait_for_selector("#dad-live:has-text('open in another tab')")
    assert other.texts() == ["Mara sits.", "Tom waits."]
    change(other, 1, "Tom sits.")
    one.tab.wait_for_selector("#dad-live:has-text('open in another tab')")
    assert again(one) == ["Mara sits.", "Tom sits."] and len(one.kept()) == 2
    # What is being typed here is not taken from under the hands, and what was changed there is not lost with it.
    other.tab.evaluate("document.querySelectorAll('#dad-lines textarea')[0].focus()")
    other.tab.evaluate("document.activeElement.value = 'Mara thinks'")
    change(one, 1, "Tom stands.")
    other.tab.wait_for_function("document.querySelectorAll('#dad-lines textarea')[1].value === 'Tom stands.'")
    assert other.texts() == ["Mara thinks", "Tom stands."]
    other.tab.keyboard.type(" hard")
    one.tab.wait_for_function("document.querySelector('#dad-lines textarea').value === 'Mara thinks hard'")
    assert one.texts() == ["Mara thinks hard", "Tom stands."] and again(other) == one.texts()


def test_a_script_deleted_in_another_tab_is_kept_again_with_the_next_change(two: tuple[Visitor, Visitor]) -> None:
    one, other = two
    put(one, FIRST)
    again(other)
    one.tab.once("dialog", lambda dialog: dialog.accept())
    one.tab.click("#dad-forget")
    other.tab.wait_for_selector("#dad-live:has-text('Another tab deleted this script')")
    assert not other.tab.evaluate("Object.keys(localStorage).some((key) => key.startsWith('distinctad-work:'))")
    change(other, 0, "Mara sits.")
    assert again(other) == ["Mara sits.", "Tom waits."]
    one.tab.reload()
    one.tab.wait_for_timeout(500)
    assert one.tab.is_hidden("#dad")


def test_a_log_of_another_draft_is_left_out(two: tuple[Visitor, Visitor]) -> None:
    tab = two[0].tab
    put(two[0], FIRST)
    wrong = {"cue": 2, "field": "text", "before": "Day breaks.", "after": "Day ends."}
    tab.evaluate("(edit) => distinctadKept.log(sessionStorage.getItem('distinctad-here'), [edit])", wrong)
    assert again(two[0]) == ["Mara runs.", "Tom waits."]
    assert "belong to another draft" in tab.inner_text("#dad-live")


def test_edited_scripts_are_kept_and_a_draft_finds_its_edits(two: tuple[Visitor, Visitor]) -> None:
    visitor, tab = two[0], two[0].tab
    said: list[str] = []
    tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.accept()))
    for at in range(6):
        put(visitor, packed(f"Film {at}.", film=str(at)))
        change(visitor, 0, f"Edited {at}.")
        tab.wait_for_timeout(5)  # of two logs of one millisecond neither is the older
    keys = tab.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('distinctad-work:')).length")
    assert keys == 6 and len(said) == 5 and all("This browser keeps it" in message for message in said)
    put(visitor, packed("Film 0.", film="0"))
    assert visitor.texts() == ["Edited 0."] and "You have edited this very script" in said[-1]
    tab.click("#dad-forget")
    assert "5 more of your scripts" in said[-1]
    assert tab.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('distinctad-')).length") == 0


def test_where_there_is_no_room_one_without_edits_gives_way(two: tuple[Visitor, Visitor]) -> None:
    visitor, tab = two[0], two[0].tab
    put(visitor, FIRST)
    large = copy.deepcopy(SECOND)
    large["speech"] = [[1.0, 2.0, "x" * 1_000_000]] * 4
    put(visitor, large)
    small = tab.evaluate("localStorage.length")
    large["draft"] = large["draft"].replace("Night falls.", "Night comes.")
    put(visitor, large)
    assert tab.evaluate("localStorage.length") <= small and again(visitor)[0] == "Night comes."
    assert visitor.errors == []


def test_other_texts_are_passed_by_and_taken_by_keyboard(two: tuple[Visitor, Visitor]) -> None:
    """WCAG 3.2.2: moving through a list changes nothing; on a closed one each arrow key is a `change`."""
    visitor, tab = two[0], two[0].tab
    put(visitor, FIRST)
    visitor.reach("[aria-label='Other texts for line 1']")
    for _ in range(3):
        tab.keyboard.press("ArrowDown")
    assert tab.evaluate("document.activeElement.selectedOptions[0].textContent") == "It rains."
    assert visitor.texts()[0] == "Mara runs." and visitor.kept() == []
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Use this text for line 1"
    tab.keyboard.press("Enter")
    assert visitor.texts()[0] == "It rains." and "Line 1: It rains." in tab.inner_text("#dad-live")
    tab.keyboard.press("Enter")
    assert "choose one of its other texts first" in tab.inner_text("#dad-live") and visitor.violations() == []
    tab.wait_for_function(f"{MINE}.length === 1")
