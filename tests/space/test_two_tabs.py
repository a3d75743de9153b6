"""One script in two tabs: what either wrote is in the log, whichever wrote last and whatever was being typed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_kept import MINE, again, change, packed, put, two  # noqa: F401 - `two` is a fixture
from visitor import Visitor

from distinctad.review import replay
from space import work as works

pytestmark = pytest.mark.slow
UNREAD = """([id, doc, base, mine, theirs]) => {
  localStorage.setItem("distinctad-edits:" + id, JSON.stringify({ draft: id, at: 1, edits: theirs }));
  distinctadKept.saw(id, base);
  const found = distinctadKept.unread(id, doc, mine);
  return found && found.both;
}"""


def text(cue: int, before: str, after: str) -> dict[str, Any]:
    return {"cue": cue, "field": "text", "before": before, "after": after}


def added(cue: int, start_s: float, said: str) -> dict[str, Any]:
    after = {"start_s": start_s, "end_s": start_s + 1.0, "text": said}
    return {"cue": cue, "field": "added", "before": False, "after": after}


def test_a_tab_that_could_not_follow_writes_over_nothing(two: tuple[Visitor, Visitor]) -> None:  # noqa: F811
    one, other = two
    put(one, packed("Mara  runs.", "Tom waits.", "Night falls."))  # two blanks: never equal to its own cleaned text
    again(other)
    other.tab.focus("#dad-lines textarea >> nth=0")
    one.tab.bring_to_front()
    change(one, 1, "Tom runs off.")
    other.tab.wait_for_function("document.querySelectorAll('#dad-lines textarea')[1].value === 'Tom runs off.'")
    other.tab.bring_to_front()
    other.tab.keyboard.press("Control+a")
    other.tab.keyboard.press("Delete")
    one.tab.bring_to_front()
    change(one, 2, "The moon rises.")
    other.tab.bring_to_front()
    assert other.tab.evaluate("document.activeElement.value") == ""
    other.tab.keyboard.type("Mara stops.")
    other.tab.wait_for_function(f"JSON.stringify({MINE}).includes('Mara stops.')")
    both = ["Mara stops.", "Tom runs off.", "The moon rises."]
    one.tab.wait_for_function("document.querySelector('#dad-lines textarea').value === 'Mara stops.'")
    assert one.texts() == both == other.texts() and len(one.kept()) == 3
    # Both at one line: the last to leave it stands, and the other's is in the log before it.
    other.tab.evaluate("document.activeElement.value = 'Mara thinks.'")
    one.tab.bring_to_front()
    change(one, 0, "Mara sings.")
    other.tab.bring_to_front()
    other.tab.wait_for_selector("#dad-live:has-text('open in another tab too')")
    assert other.texts()[0] == "Mara thinks."
    other.tab.keyboard.press("Tab")
    other.tab.wait_for_function(f"JSON.stringify({MINE}).includes('Mara thinks.')")
    assert other.kept()[-1] == text(1, "Mara sings.", "Mara thinks.")
    other.tab.click("#dad-undo")
    assert other.texts()[0] == "Mara sings." and one.errors == [] and other.errors == []


def test_two_logs_become_one_that_the_server_takes(two: tuple[Visitor, Visitor], desk: Any) -> None:  # noqa: F811
    tab, work = two[0].tab, packed("Mara runs.", "Tom waits.", "Night falls.")
    doc = json.loads(work["draft"])
    cues: list[str] = []

    def both(base: list[Any], mine: list[Any], theirs: list[Any]) -> list[Any]:
        found = tab.evaluate(UNREAD, ["x", doc, base, mine, theirs])
        if found is not None:
            given = works.unpack({**work, "edits": found}, desk.limits)
            cues[:] = [cue["text"] for cue in replay(given.draft, given.edits)["cues"]]
        return found

    first, snow, ice = text(1, "Mara runs.", "Mara sits."), added(4, 14.0, "Snow."), added(4, 34.0, "Ice.")
    assert both([first], [first], [first]) is None
    # A word that grew in place, a line of each tab's own, and what either changed of them.
    longer, gone = text(1, "Mara runs.", "Mara sits down."), {**text(2, "", ""), "field": "removed"}
    gone.update(before=False, after=True)
    mine, theirs = [longer, snow, text(4, "Snow.", "Snow falls.")], [first, ice, gone]
    found = both([first], mine, theirs)
    assert found[:3] == theirs and found[3] == text(1, "Mara sits.", "Mara sits down.")
    assert found[4:] == [{**snow, "cue": 5}, {**text(5, "Snow.", "Snow falls."), "cue": 5}]
    assert cues == ["Mara sits down.", "Snow falls.", "Night falls.", "Ice."]
    # Taken back here, changed there; and the other way round: then it is added again, as it is here.
    there = text(4, "Snow.", "Snow lies.")
    assert both([snow], [], [snow, there])[2:] == [{"cue": 4, "field": "removed", "before": False, "after": True}]
    assert both([snow], [snow, there], []) == [snow, there]
    assert both([snow], [snow], []) == []
    assert both([], [first], [text(1, "Another draft's.", "Mara.")]) is None
