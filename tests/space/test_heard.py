"""What a screen reader is told while the page changes, where the focus goes, what a narrow or colourless page shows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_kept import packed, put
from visitor import Visitor

pytestmark = pytest.mark.slow
NARROW = {"viewport": {"width": 320, "height": 700}, "forced_colors": "active", "locale": "de-DE"}
HEARD = """window.heard = []; new MutationObserver((all) => all.forEach(({ target }) => {
    const one = (target.nodeType === 1 ? target : target.parentElement)?.closest('[role=status], [aria-live]');
    if (one) { heard.push(one.textContent.trim()); } }))
    .observe(document, { subtree: true, childList: true, characterData: true });"""
SMALL = """(what) => [...document.querySelectorAll(what)].filter((one) => one.checkVisibility()).map((one) =>
    [one.className, one.getBoundingClientRect()]).filter(([, box]) => Math.min(box.width, box.height) < 24)"""
TARGETS = ".label-wrap, .icon-button, .icon-button button, .label-clear-button, .download-link"
FAIL = """(error) => { speechSynthesis.speak = (utterance) => utterance.dispatchEvent(
    new SpeechSynthesisErrorEvent('error', { utterance, error })); }"""
LANG = "(one) => one.closest('[lang]').lang"


@pytest.fixture
def visitor(browser: Any, served: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    context = browser.new_context(**getattr(request, "param", {}))
    context.add_init_script(HEARD)
    with contextlib.closing(Visitor(browser, served, context)) as made:
        yield made


def focused(visitor: Visitor) -> str:
    return visitor.tab.evaluate("document.activeElement.getAttribute('aria-label')")


def hear(visitor: Visitor, text: str) -> None:
    visitor.tab.wait_for_function("(text) => heard.includes(text)", arg=text)
    visitor.tab.evaluate("heard.length = 0")


def tree(visitor: Visitor, role: str) -> list[tuple[str, dict[str, Any]]]:
    """What a screen reader gets of everything with a role: name and properties."""
    nodes = visitor.context.new_cdp_session(visitor.tab).send("Accessibility.getFullAXTree")["nodes"]
    return [
        (one["name"]["value"], {part["name"]: part["value"].get("value") for part in one["properties"]})
        for one in nodes
        if not one["ignored"] and one["role"]["value"] == role
    ]


def test_files_and_runs_are_heard_and_the_focus_stays_where_they_were(
    visitor: Visitor, film: Path, srt: Path, tmp_path: Path
) -> None:
    tab, people = visitor.tab, [tmp_path / name for name in ("mara.png", "tom.png", "zoe.png")]
    for path in people:
        Image.new("RGB", (64, 64)).save(path)
    visitor.upload("Film", film)
    hear(visitor, "film_7.mp4 is given.")
    assert focused(visitor) == "Clear: Film"
    tab.keyboard.press("Enter")
    hear(visitor, "film_7.mp4 is taken away.")
    assert focused(visitor) == "Film: choose or drop a file"
    visitor.upload("Film", film)
    visitor.reach("button.label-wrap")
    states = {name: had.get("expanded") for name, had in tree(visitor, "button") if "names" in name}
    assert list(states.values()) == [False]
    tab.keyboard.press("Enter")
    tab.wait_for_selector("button.label-wrap[aria-expanded=true]")
    assert "Name people" in [name for name, _ in tree(visitor, "group")]
    visitor.upload("Cast", *people)
    hear(visitor, "3 files are given.")
    (tmp_path / "other").mkdir()
    visitor.upload("Cast", people[1].rename(tmp_path / "other" / "tom.png"))  # one more, called as one that is there
    hear(visitor, "tom.png is given.")
    cast = [name for name, _ in tree(visitor, "button") if "Cast" in name]
    assert sorted(name.split(":")[0] for name in cast) == ["Cast", "Clear"]
    visitor.reach("[aria-label='Remove tom.png']")
    tab.keyboard.press("Enter")
    hear(visitor, "tom.png is taken away.")
    assert focused(visitor).startswith("Clear: Cast") and tab.evaluate(SMALL, TARGETS) == []
    tab.keyboard.press("Enter")
    hear(visitor, "3 files are taken away.")
    assert focused(visitor).startswith("Cast: ")
    visitor.upload("Subtitles", srt)
    visitor.reach("#describe")
    tab.keyboard.press("Enter")
    visitor.script()
    visitor.reach("#make-texts")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#made a")
    assert not [name for name, _ in tree(visitor, "button") if name.startswith("Remove") and "line" not in name]
    assert tab.evaluate("document.activeElement.id") == "make-texts"
    tab.wait_for_function("heard.some((said) => said === 'Done' || said.startsWith('common.'))")
    assert not [said for said in tab.evaluate("heard") if said.startswith("common.")]
    assert visitor.violations() == [] and visitor.errors == []


@pytest.mark.parametrize("visitor", [NARROW], indirect=True)
def test_a_narrow_page_without_colours_shows_names_and_choices_and_says_what_is_french(visitor: Visitor) -> None:
    tab, work = visitor.tab, packed("Le chien court.", "Le chien dort.")
    made = json.loads(work["draft"])
    made["language"], made["cues"][1]["start_s"] = "fr", 10.123
    work["draft"] = json.dumps(made)
    put(visitor, work)
    tab.click("#dad-new-box summary")
    tab.fill("#dad-new-start", "20.123")
    numbers = [had["invalid"] for name, had in tree(visitor, "spinbutton") if "(s)" in name]
    assert numbers == ["false"] * 4  # a time between two steps is no mistake
    tab.click("#dad-new-add")
    assert tab.get_attribute("#dad-new-end", "aria-invalid") == "true"
    for what in ("textarea", ".dad-why > [aria-hidden]", "option[value='1']", ".dad-sr span", ".dad-why small span"):
        assert tab.locator(f"#dad-lines {what}").first.evaluate(LANG) == "fr", what
    assert tab.evaluate("document.documentElement.lang") == "de"  # the framework's words are, ours are not
    ours = (".dad-budget", ".dad-drop", "option[value='']", ".dad-sr", ".dad-why small")
    for what in (*(f"#dad-lines {one}" for one in ours), "#dad-sum", "#dad-live", "#dad-kept-title"):
        assert tab.locator(what).first.evaluate(LANG) == "en", what
    assert tab.get_attribute("#dad-new-text", "lang") == "fr"
    for error, said in (("canceled", False), ("interrupted", False), ("synthesis-failed", True)):
        tab.evaluate(FAIL, error)
        tab.click("[aria-label^='Hear line 1']")
        assert ("This browser has no voice." in tab.evaluate("heard")) is said, error
    tab.click("#make-texts")
    tab.wait_for_selector("#made a")
    cut = "all => all.filter((one) => one.scrollWidth > one.clientWidth || one.innerText.length < 6).length"
    assert tab.eval_on_selector_all("#made .filename, #made .stem", cut) == 0
    assert tab.evaluate("document.documentElement.scrollWidth") == 320
    tab.click("button.label-wrap")
    tab.wait_for_selector("fieldset")
    look = "all => all.map((one) => getComputedStyle(one).appearance)"
    assert tab.eval_on_selector_all("fieldset input[type=radio]", look) == ["auto", "auto"]
    assert visitor.violations() == [] and visitor.errors == []
