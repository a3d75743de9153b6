"""The list of the scripts that a browser keeps: opened, deleted and never deleted unasked."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from test_kept import change, packed, put, two  # noqa: F401 - `two` is a fixture
from visitor import Visitor

pytestmark = pytest.mark.slow
KEPT = "Object.keys(localStorage).filter((key) => key.startsWith('distinctad-work:')).length"
HOSTILE = "<img src=x onerror=alert(1)>.mp4"


def named(text: str, name: str, film: str) -> dict[str, Any]:
    work = packed(text, "Tom waits.", film=film)
    made = json.loads(work["draft"])
    made["film"]["name"] = name
    return {**work, "draft": json.dumps(made)}


def items(visitor: Visitor) -> list[str]:
    return visitor.tab.eval_on_selector_all("#dad-kept-list li", "all => all.map((one) => one.textContent)")


def focused(visitor: Visitor) -> str:
    return str(visitor.tab.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.id"))


def test_kept_scripts_are_listed_opened_and_deleted_by_keyboard(two: tuple[Visitor, Visitor]) -> None:  # noqa: F811
    visitor, tab = two[0], two[0].tab
    asked: list[str] = []
    tab.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    assert tab.is_hidden("#dad-kept")
    for text, name, film in (("Mara runs.", "a.mp4", "a"), ("Night falls.", HOSTILE, "b"), ("Day.", "c.mp4", "c")):
        put(visitor, named(text, name, film))
        change(visitor, 1, f"Tom goes to {film}.") if film != "c" else None
        tab.wait_for_timeout(5)  # of two logs of one millisecond neither is the older
    asked.clear()
    assert tab.inner_text("#dad-kept-title") == "Scripts kept in this browser (3)"
    tab.fill("#dad-lines textarea >> nth=0", "Day breaks")
    visitor.reach("#dad-kept-title", back=True)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#dad-kept-list li:has-text('c.mp4'):has-text('1 edit')")  # what is typed is counted
    assert [one.split(",")[0] for one in items(visitor)] == ["c.mp41 edit", f"{HOSTILE}1 edit", "a.mp41 edit"]
    assert "open now" in items(visitor)[0] and "changed " in items(visitor)[1] and visitor.violations() == []
    assert tab.locator("#dad-kept img").count() == 0
    visitor.reach(".dad-kept-open[aria-label^='Open this script: a.mp4, 1 edit, changed']")
    tab.keyboard.press("Enter")
    assert visitor.texts() == ["Mara runs.", "Tom goes to a."] and focused(visitor) == "dad-title"
    assert "The script of a.mp4 is open, with 1 edit." in tab.inner_text("#dad-live") and asked == []
    tab.reload()
    visitor.script()
    assert visitor.texts() == ["Mara runs.", "Tom goes to a."]  # this tab's script is the one that was opened
    # Another tab of the browser sees what changes.
    other = two[1].tab
    assert other.inner_text("#dad-kept-title") == "Scripts kept in this browser (3)"
    visitor.reach("#dad-kept-title")
    tab.keyboard.press("Enter")
    visitor.reach(".dad-kept-delete[aria-label^='Delete: c.mp4, 1 edit']")
    tab.keyboard.press("Enter")
    assert "Delete the script of c.mp4 (1 edit, changed" in asked[-1]
    assert focused(visitor).startswith(f"Delete: {HOSTILE}") and len(items(visitor)) == 2
    assert "The script of c.mp4 is deleted from this browser." in tab.inner_text("#dad-live")
    other.wait_for_function("document.getElementById('dad-kept-title').textContent.includes('(2)')")
    # The open one, and then the page without a script: the list stands open.
    visitor.reach(".dad-kept-delete[aria-label^='Delete: a.mp4']")
    tab.keyboard.press("Enter")
    assert tab.is_hidden("#dad") and focused(visitor).startswith(f"Delete: {HOSTILE}") and tab.evaluate(KEPT) == 1
    tab.reload()
    tab.wait_for_selector("#dad-kept:not([hidden]) .dad-kept-open:visible")
    assert tab.is_hidden("#dad") and visitor.violations() == []
    tab.click(".dad-kept-open")
    visitor.script()
    assert visitor.texts() == ["Night falls.", "Tom goes to b."]
    tab.click("#dad-kept-title")
    tab.click(".dad-kept-delete")
    assert tab.is_hidden("#dad-kept") and focused(visitor) == "describe" and visitor.errors == []


def test_a_record_that_cannot_be_read_is_listed_to_be_deleted(two: tuple[Visitor, Visitor]) -> None:  # noqa: F811
    tab = two[0].tab
    tab.evaluate("localStorage.setItem('distinctad-work:x', '{'); localStorage.setItem('distinctad-edits:x', '{')")
    tab.reload()
    tab.wait_for_selector("#dad-kept-list li:has-text('A script that cannot be read')")
    assert tab.locator(".dad-kept-open").count() == 0
    tab.once("dialog", lambda dialog: dialog.dismiss())
    tab.click(".dad-kept-delete")
    assert tab.evaluate(KEPT) == 1
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.click(".dad-kept-delete")
    assert tab.evaluate(KEPT) == 0 and tab.is_hidden("#dad-kept")


def test_no_edited_script_gives_way_unasked_where_there_is_no_room(two: tuple[Visitor, Visitor]) -> None:  # noqa: F811
    visitor, tab = two[0], two[0].tab
    asked: list[str] = []

    def answer(dialog: Any) -> None:
        asked.append(dialog.message)
        (dialog.dismiss if "would be lost" in dialog.message else dialog.accept)()

    tab.on("dialog", answer)
    put(visitor, named("Day breaks.", "spare.mp4", "b"))  # would give way, and there is no room even so
    large = named("Mara runs.", "large.mp4", "a")
    large["speech"] = [[1.0, 2.0, "x" * 1_000_000]] * 4
    put(visitor, large)
    change(visitor, 1, "Tom goes.")
    kept = "JSON.stringify(Object.entries(localStorage).sort())"
    before = tab.evaluate(kept)
    second = copy.deepcopy(large)
    second["draft"] = second["draft"].replace("Mara runs.", "Night falls.").replace("large.mp4", "second.mp4")
    put(visitor, second)
    said = "cannot keep the script and your edits until you delete another one from the list"
    assert said in tab.inner_text("#dad-live") and tab.evaluate(kept) == before
    tab.click("#dad-kept-title")
    tab.click(".dad-kept-open >> nth=0")  # a draft that was never edited and is kept nowhere is not left unasked
    assert asked[-1] == "Leave the script of second.mp4? This browser does not keep it: it would be lost."
    assert visitor.texts()[0] == "Night falls."
    tab.fill("#dad-lines textarea >> nth=0", "Night is here.")
    tab.keyboard.press("Tab")
    assert said in tab.inner_text("#dad-unkept")
    tab.click(".dad-kept-delete")
    assert "The open script is kept now." in tab.inner_text("#dad-live") and tab.is_hidden("#dad-unkept")
    tab.reload()
    visitor.script()
    assert visitor.texts()[0] == "Night is here." and visitor.errors == []


def test_of_too_many_those_without_edits_give_way(two: tuple[Visitor, Visitor]) -> None:  # noqa: F811
    visitor, tab = two[0], two[0].tab
    works = [named(f"Film {at}.", f"{at}.mp4", "a") for at in range(23)]
    edit = {"cue": 2, "field": "text", "before": "Tom waits.", "after": "Tom goes."}
    keep = """([work, edits]) => { const id = distinctadKept.identity(work.draft, "a".repeat(64));
      try { distinctadKept.keep(id, work, edits); return true; } catch (error) { return false; } }"""
    for at in range(20):  # two of them, the oldest and another one, have no edits
        assert tab.evaluate(keep, [works[at], [] if at in (0, 7) else [edit]])
        tab.wait_for_timeout(3)
    assert tab.evaluate(keep, [works[20], [edit]]) and tab.evaluate(keep, [works[21], [edit]])
    names = tab.evaluate("distinctadKept.list().map((one) => one.film)")
    assert names == [f"{at}.mp4" for at in range(21, 0, -1) if at != 7] and tab.evaluate(KEPT) == 20
    put(visitor, works[22])
    assert "until you delete another one from the list" in tab.inner_text("#dad-live")
    assert tab.evaluate("distinctadKept.list().map((one) => one.film)") == names
    assert Path(names[-1]).stem == "1" and visitor.texts()[0] == "Film 22."
