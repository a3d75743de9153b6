"""Lines in short silences and lines that are moved: what the page says of them and of their neighbours."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_kept import packed, put
from visitor import Visitor

from distinctad.edited import _heard
from distinctad.intervals import GapRules, Interval
from distinctad.planner_fit import BREATH_S
from distinctad.planner_rate import assumed
from distinctad.subtitles import Speech
from space.work import Work

pytestmark = pytest.mark.slow
LENGTH_S = 40.0
ROW = "document.activeElement.closest('tr') && document.activeElement.closest('tr').querySelector('.dad-n').textContent"
PAGE_LIMITS = """([work, starts]) => {
  const line = ([start_s, end_s], at) => ({ start_s, removed: false,
    cue: { index: at + 1, start_s, end_s, provenance: { origin: "gap" } } });
  const lines = starts.map(line), state = { work, doc: JSON.parse(work.draft), lines };
  const judge = distinctadJudge(() => state, (text) => text);
  return lines.map((one) => judge.limit(one) - one.start_s);
}"""


@pytest.fixture
def visitor(browser: Any, served: str) -> Iterator[Visitor]:
    with contextlib.closing(Visitor(browser, served)) as made:
        yield made


def pattern(seed: int, rules: GapRules) -> list[Speech]:
    """Dialogue with silences of every length, lines that overlap or come in any order, some past the film's end."""
    random = np.random.default_rng(seed)
    speech, at = [], float(random.uniform(0, 2))
    while at < LENGTH_S + 1:
        length = float(random.uniform(0.2, 3))
        speech.append(Speech(round(at, 3), round(at + length, 3), "Yes."))
        at += length + float(random.choice([-0.5, 0.0, 2 * rules.guard_s + 0.05, 0.34, 0.36, 0.8, 1.1, 1.3, 4.0]))
    return [speech[i] for i in random.permutation(len(speech))]


def exported_rooms(starts: list[list[float]], speech: list[Speech], rules: GapRules) -> list[float]:
    """What the export gives each line, by the rule of `Track.as_edited`; 0 where it finds no place."""
    places = _heard([Interval(a, b, "gap") for a, b in starts], speech, LENGTH_S, rules)
    found = []
    for at, (place, (start_s, _)) in enumerate(zip(places, starts, strict=True)):
        next_s = starts[at + 1][0] - BREATH_S if at + 1 < len(starts) else LENGTH_S
        fits = place.end_s > place.start_s and place.free_from_s - 1e-3 <= start_s
        found.append(max(0.0, min(place.free_to_s, next_s) - start_s) if fits else 0.0)
    return found


def test_the_page_gives_a_line_the_room_that_the_export_gives_it(visitor: Visitor) -> None:
    for seed, guard_s in enumerate((0.15, 0.0, 0.3, 0.15, 0.15, 0.05)):
        rules = GapRules(guard_s=guard_s)
        speech = pattern(seed, rules) if seed else []
        made = json.loads(packed("Mara runs.")["draft"])
        made["intervals"]["rules"] = vars(rules)
        work = Work(made, [], speech, assumed(), [(0.0, LENGTH_S)]).packed()
        cuts = np.sort(np.random.default_rng(99 + seed).uniform(0, LENGTH_S, 120)).round(3)
        starts = [[float(a), float(b)] for a, b in zip(cuts, cuts[1:], strict=False) if b > a]
        here = visitor.tab.evaluate(PAGE_LIMITS, [work, starts])
        assert here == pytest.approx(exported_rooms(starts, speech, rules), abs=1e-6), seed
        assert len({value > 0 for value in here}) == 2 or not speech


def test_a_silence_shorter_than_the_shortest_gap_holds_a_line_too(visitor: Visitor) -> None:
    """1.1 s without speech are no gap to describe, but what a person writes there is heard."""
    work = packed("Mara.", "Tom waits.")
    work["speech"] = [[0.0, 9.85, "Well."], [11.25, 40.0, "Yes."]]  # 10.0 to 11.1 s without the guard
    work["gaps"] = [[30.0, 31.0]]
    put(visitor, work)
    visitor.tab.fill("[aria-label='Start (s), line 1']", "10.2")
    visitor.tab.keyboard.press("Tab")
    visitor.tab.fill("[aria-label='Start (s), line 2']", "20")
    visitor.tab.keyboard.press("Tab")
    # Not `inner_text`, which is empty for a row that went to another place and is not drawn there yet.
    first, second = (visitor.tab.text_content(f"#dad-b{line}") for line in (1, 2))
    assert " of 0.9 s." in first and "dialogue" not in first and second.startswith("In dialogue")


def order(visitor: Visitor) -> list[str]:
    return visitor.tab.eval_on_selector_all("#dad-lines .dad-n", "all => all.map((one) => one.textContent[0])")


def move(visitor: Visitor, line: int, start: str, key: str = "Tab") -> None:
    visitor.tab.focus(f"[aria-label='Start (s), line {line}']")
    visitor.tab.keyboard.press("Control+a")
    visitor.tab.keyboard.type(start)
    visitor.tab.keyboard.press(key)


def test_a_moved_line_goes_to_its_place_and_its_neighbours_are_told(visitor: Visitor) -> None:
    tab, said = visitor.tab, "#dad-live:has-text('{}')"
    work = packed("Mara runs.", "Tom waits.", "Night falls.", "Day breaks.")
    work["gaps"], work["speech"] = [[0.0, 40.0]], []
    put(visitor, work)
    move(visitor, 1, "20.5", "Enter")  # Enter keeps the focus in the field
    tab.wait_for_selector(said.format("Line 1 starts at 0:00:20.5, after line 3. Line 3 is too long now."))
    assert order(visitor) == ["2", "3", "1", "4"]
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Start (s), line 1"
    assert "Too long" in tab.text_content("#dad-b3")
    tab.keyboard.press("Tab")  # on into the row that was moved
    assert tab.evaluate(ROW).startswith("1. ")
    tab.reload()
    visitor.script()
    assert order(visitor) == ["2", "3", "1", "4"] and "Too long" in tab.text_content("#dad-b3")
    tab.click("#dad-undo")
    tab.wait_for_selector(said.format("Line 1: the last change is undone, before all others. Line 3 fits now."))
    assert order(visitor) == ["1", "2", "3", "4"]
    move(visitor, 4, "20.4")
    tab.wait_for_selector(said.format("Line 4 starts at 0:00:20.4. Line 3 is too long now."))
    assert order(visitor) == ["1", "2", "3", "4"]
    # Back with the keys, and with the pointer: a press on a row that would go away reaches its button.
    move(visitor, 4, "5", "Shift+Tab")
    rows = "[...document.querySelectorAll('#dad-lines .dad-n')].map((one) => one.textContent[0]).join('')"
    tab.wait_for_function(f"{rows} === '1423'")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Remove line 3"  # where Shift+Tab led
    tab.focus("[aria-label='Start (s), line 1']")
    tab.keyboard.press("Control+a")
    tab.keyboard.type("35")
    tab.click("[aria-label='Remove line 1']")
    tab.wait_for_selector(said.format("Line 1 is removed"))
    assert order(visitor) == ["4", "2", "3", "1"]
    # What stands behind a row is found by its place: a change goes to the line that it was made in.
    tab.fill("#dad-lines textarea >> nth=0", "Day comes.")
    tab.keyboard.press("Tab")
    tab.wait_for_function("distinctad.take().edits.at(-1).after === 'Day comes.'")
    assert visitor.kept()[-1]["cue"] == 4 and visitor.errors == [] and visitor.violations() == []
