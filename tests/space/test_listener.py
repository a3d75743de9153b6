"""The listener's page in a real browser: descriptions of one start, jumps while it is paused, directions."""

from __future__ import annotations

import time
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
