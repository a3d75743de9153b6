"""The listener's page in a real browser: each description at its time, told jumps, directions, languages, targets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_ins import write_film

from distinctad.formats.script import Script, ScriptCue
from distinctad.player import page
from distinctad.subtitles import Speech

pytestmark = pytest.mark.slow
TOLD = "window.told = []; document.addEventListener('description', (event) => told.push(event.detail.text));"


def test_every_description_is_given_and_every_jump_is_told(browser: Any, tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", 6.0)
    texts = ((1000, "Mara runs."), (1000, "Tom waits."), (3000, "او می\u200cرود."))
    cues = tuple(ScriptCue(at, at + 900, text, str(number)) for number, (at, text) in enumerate(texts, 1))
    made = page(Script(cues, title="Film"), [Speech(4.5, 5.0, "سلام")], "film.mp4")
    (tmp_path / "player.html").write_text(made, encoding="utf-8")
    tab = browser.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.add_init_script(TOLD)
    tab.goto((tmp_path / "player.html").as_uri())
    tab.check("input[value=reader]")
    tab.focus("#after")
    tab.keyboard.press("Enter")
    assert tab.inner_text("#now") == "Mara runs. Tom waits." and tab.evaluate("told.length") == 0
    tab.keyboard.press("n")
    assert tab.inner_text("#now") == texts[2][1]
    bidi = "all => all.map((one) => getComputedStyle(one).unicodeBidi)"
    assert set(tab.eval_on_selector_all("#now, #script span", bidi)) == {"plaintext"}
    tab.evaluate("document.getElementById('film').currentTime = 0")
    tab.keyboard.press("k")
    until = time.monotonic() + 60  # the page's policy forbids the eval behind wait_for_function
    while tab.evaluate("told.length") < 3 and time.monotonic() < until:
        time.sleep(0.2)
    assert tab.evaluate("told") == [text for _, text in texts] and errors == []
    tab.close()


# The page's speech synthesis says nothing; what a screen reader would be sent is kept.
HEARD = """
window.heard = []; window.spoken = [];
SpeechSynthesis.prototype.speak = (line) => { spoken.push(line); }; SpeechSynthesis.prototype.cancel = () => {};
document.addEventListener('DOMContentLoaded', () => {
  const now = document.getElementById('now');
  const hear = () => { if (now.textContent && now.getAttribute('aria-live') !== 'off') heard.push(now.textContent); };
  new MutationObserver(hear).observe(now, { childList: true });
});
"""


@pytest.fixture
def tab(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page of a short German film with a recorded voice, whose first description starts with the film."""
    write_film(tmp_path / "film.mp4", 3.0)
    cues = (ScriptCue(0, 900, "Mara rennt.", "1"), ScriptCue(2200, 2700, "Tom wartet.", "2"))
    script = Script(cues, "de", title="Der Film")
    made = page(script, [Speech(1.2, 1.9, "Hallo.")], "film.mp4", narration="film.mp4", recorded=["1", "2"])
    (tmp_path / "player.html").write_text(made, encoding="utf-8")
    opened = browser.new_page()
    opened.add_init_script(TOLD + HEARD)
    opened.goto((tmp_path / "player.html").as_uri())
    yield opened
    opened.close()


def until(tab: Any, true: str) -> None:
    """Wait for what must come; the page's policy forbids the eval behind wait_for_function."""
    last = time.monotonic() + 60
    while not tab.evaluate(true) and time.monotonic() < last:
        time.sleep(0.05)
    assert tab.evaluate(true), true


def test_the_first_description_comes_again_after_a_jump_back_and_a_replay(tab: Any) -> None:
    """Each way back to a start, once; a seek to the middle of a description does not begin it again."""
    tab.check("input[value=reader]")
    steps = {  # after so many descriptions, in the frame that gives the last of them
        2: "document.getElementById('back').click()",
        4: "document.querySelector('li[data-cue=\"0\"] button').click()",
        6: "document.getElementById('before').click()",
        8: "document.getElementById('film').currentTime = 0.3",
        9: "document.getElementById('film').currentTime = 2.2",
    }
    for number in (1, 3, 5, 7):  # what lies between is not waited for
        steps[number] = "setTimeout(() => { document.getElementById('film').currentTime = 2.0; }, 300)"
    for number, step in steps.items():
        tab.evaluate(f"document.addEventListener('description', () => {{ if (told.length === {number}) {step}; }})")
    tab.focus("#play")
    tab.keyboard.press("k")
    until(tab, "document.getElementById('film').ended")
    tab.keyboard.press("k")
    until(tab, "told.length === 12")
    until(tab, "document.getElementById('film').ended")
    tab.keyboard.press("j")
    tab.keyboard.press("k")
    until(tab, "told.length === 13")
    tab.keyboard.press("k")  # paused under the first description, which is the current one then
    tab.keyboard.press("j")
    tab.keyboard.press("k")
    until(tab, "told.length === 14")
    first, second = "Mara rennt.", "Tom wartet."
    assert tab.evaluate("told") == [*4 * [first, second], second, second, first, second, first, first]


@pytest.mark.parametrize("how", ["recorded", "browser", "reader", "off"])
def test_a_jump_while_the_film_is_paused_is_told_however_descriptions_are_given(tab: Any, how: str) -> None:
    tab.check(f"input[value={how}]")
    tab.focus("#play")
    tab.evaluate("document.getElementById('film').currentTime = 2.9")
    tab.keyboard.press("p")
    tab.keyboard.press("n")  # before the first text may be back
    until(tab, "heard.at(-1) === 'Tom wartet.'")
    assert tab.inner_text("#now") == "Tom wartet." and tab.evaluate("told.length") == 0
    tab.evaluate("heard.length = 0")
    tab.keyboard.press("k")
    until(tab, "told.length === 1")
    said = ["Tom wartet."] if how == "reader" else []
    assert tab.evaluate("heard") == said and tab.inner_text("#now") == "Tom wartet."
    assert tab.get_attribute("#now", "aria-live") == ("assertive" if how == "reader" else "off")


def test_a_repetition_by_voice_is_not_sent_to_the_screen_reader_too(tab: Any) -> None:
    """A film that was jumped in and stays paused, and one that the repetition starts."""
    for how in ("browser", "recorded"):
        tab.check(f"input[value={how}]")
        tab.focus("#play")
        tab.evaluate("document.getElementById('film').currentTime = 0")
        tab.keyboard.press("n")
        until(tab, "heard.length")
        tab.evaluate("told.length = heard.length = 0")
        tab.keyboard.press("r")
        until(tab, "told.length")
        assert tab.evaluate("heard.length") == 0 and tab.inner_text("#now") == tab.evaluate("told[0]")


def test_the_film_is_in_its_language_and_the_page_in_english(tab: Any) -> None:
    """WCAG 3.1.2; and the browser's voice reads the descriptions in theirs."""
    lang = "all => all.map((one) => one.closest('[lang]').lang)"
    for words, language in (
        ("h1, #now, #script span", "de"),
        ("#script small, #script button, #player button, label, legend, h2, h3, .note, a", "en"),
    ):
        assert set(tab.eval_on_selector_all(words, lang)) == {language}
    tab.check("input[value=browser]")
    tab.focus("#play")
    tab.keyboard.press("n")
    tab.keyboard.press("r")
    assert tab.evaluate("spoken.map((line) => line.lang)") == ["de"]


def test_every_target_is_large_enough(tab: Any) -> None:
    """24 CSS pixels each way (WCAG 2.5.8); a box's label is part of its target."""
    size = """all => all.map((one) => {
      one.focus();
      const box = one.getBoundingClientRect();
      return [one.innerText, Math.min(box.width, box.height)];
    }).filter(([, least]) => least < 24)"""
    for width in (1000, 320):
        tab.set_viewport_size({"width": width, "height": 800})
        assert tab.eval_on_selector_all("button, a, label, summary, input[type=range]", size) == []


def test_the_next_description_is_not_the_one_shortly_before_it(browser: Any, tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", 3.0)
    cues = (ScriptCue(1000, 1200, "Mara runs.", "1"), ScriptCue(1300, 1900, "Tom waits.", "2"))
    (tmp_path / "player.html").write_text(page(Script(cues, title="Film"), [], "film.mp4"), encoding="utf-8")
    opened = browser.new_page()
    opened.add_init_script(TOLD)
    opened.goto((tmp_path / "player.html").as_uri())
    opened.check("input[value=reader]")
    opened.focus("#after")
    for key in ("n", "n", "k"):
        opened.keyboard.press(key)
    until(opened, "told.length > 0")
    assert opened.evaluate("told") == ["Tom waits."]
    opened.close()
