from __future__ import annotations

import base64
import html
import itertools
import json
import re
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from stand_ins import write_film

from distinctad.formats.script import Script, ScriptCue
from distinctad.player import page
from distinctad.subtitles import Speech

HOSTILE = "</script><img src=x onerror=alert(1)> & \"quotes\" 'single' ${x} $title <!--"
SCRIPT = Script(
    (ScriptCue(500, 1500, "Mara runs.", "1"), ScriptCue(3000, 3900, HOSTILE, "2")), title="a b#<i>.mp4", note="a draft"
)
SPEECH = [Speech(2.0, 2.8, "Hello <b>you</b>."), Speech(5.0, 5.5)]


class Reader(HTMLParser):
    """Counts tags and keeps addresses and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] not in ("script", "style"):
            self.words += data


def test_the_page_stands_alone_and_escapes() -> None:
    text = page(SCRIPT, SPEECH, "a b#.mp4", narration="narration.wav", voice="synthetic voice x<y", recorded=["1"])
    read = Reader(text)
    assert read.tags.count("script") == 2 and "img" not in read.tags and "b" not in read.tags and "i" not in read.tags
    assert all(link.startswith(("./", "#", "data:text/vtt;base64,")) for link in read.links)
    tracks = [base64.b64decode(link.partition(",")[2]).decode() for link in read.links if link.startswith("data:")]
    assert [text.splitlines()[1] for text in tracks] == ["Kind: captions", "Kind: descriptions"]
    assert "./a%20b%23.mp4" in read.links and not re.search(r"https?://", text)
    assert HOSTILE in read.words and "Hello <b>you</b>." in read.words and "a draft" in read.words
    assert "Descriptions are spoken by a synthetic voice x<y" in read.words
    data = re.search(r'id="cues">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    cues = json.loads(data.group(1))
    assert [cue["text"] for cue in cues] == ["Mara runs.", HOSTILE] and [cue["recorded"] for cue in cues] == [
        True,
        False,
    ]
    assert len(read.ids) == len(set(read.ids)) and '<html lang="en">' in text
    assert "$" not in re.sub(re.escape(html.escape(HOSTILE)), "", text.replace(json.dumps(HOSTILE)[1:-1], "")).replace(
        "${x} $title", ""
    )


def test_what_is_the_films_is_in_its_language_and_what_is_the_pages_in_english() -> None:
    cues = (ScriptCue(0, 900, "Mara rennt.", "1"),)
    text = page(Script(cues, "de", title="Der Film"), [Speech(2.0, 2.8, "Hallo.")], "a.mp4")
    assert '<html lang="en">' in text and '<h1 lang="de">Der Film</h1>' in text and '<div id="now" lang="de"' in text
    assert '</button><span lang="de">Mara rennt.</span>' in text and text.count('srclang="de"') == 2
    assert '</button><span lang="de"><small lang="en">Dialogue:</small> Hallo.</span>' in text


def test_without_a_recording_the_browser_speaks() -> None:
    text = page(SCRIPT, [], "a.mp4")
    assert (
        "<audio" not in text
        and 'value="browser" checked' in text
        and "spoken by a" not in text.split("<script")[0].split("</p>")[0]
    )


def calls(cues: int) -> int:
    """Python calls that the page of so many cues takes: a clock without the machine's other work."""
    script = Script(tuple(ScriptCue(4000 * i, 4000 * i + 2000, f"Number {i}.", str(i)) for i in range(cues)))
    speech = [Speech(4.0 * i + 2.5, 4.0 * i + 3.5, "Yes.") for i in range(cues)]
    seen = itertools.count()
    sys.setprofile(lambda *_: next(seen))
    try:
        text = page(script, speech, "a.mp4")
    finally:
        sys.setprofile(None)
    assert text.count("data-cue=") == cues and text.count('class="said"') == cues
    return next(seen)


def test_two_thousand_cues_take_twice_the_work_of_one_thousand() -> None:
    assert calls(2000) < 2.1 * calls(1000)


@pytest.mark.slow
def test_in_a_real_browser(browser: Any, tmp_path: Path) -> None:
    """It loads, plays, tells each description once, jumps by keyboard, and axe finds nothing."""
    axe = pytest.importorskip("axe_core_python.sync_playwright")
    write_film(tmp_path / "film.mp4", 6.0)
    cues = (ScriptCue(500, 1500, "Mara runs.", "1"), ScriptCue(3000, 3900, "Tom <waits>.", "2"))
    made = page(Script(cues, title="Film"), SPEECH, "film.mp4", files=[("film.mp4", "Film alone")])
    (tmp_path / "player.html").write_text(made, encoding="utf-8")
    tab = browser.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.goto((tmp_path / "player.html").as_uri())
    tab.check("input[value=reader]")
    assert tab.get_attribute("#now", "aria-live") == "assertive"
    # The film stops at its second cue: on a busy machine it would have gone on before the next question is put.
    tab.evaluate(
        "window.told = []; document.addEventListener('description', (e) => { told.push(e.detail.text); "
        "if (told.length === 2) document.getElementById('film').pause(); })"
    )
    tab.focus("#play")
    tab.keyboard.press("k")
    until = time.monotonic() + 60  # the page's policy forbids the eval behind wait_for_function
    while tab.evaluate("told.length") < 2 and time.monotonic() < until:
        time.sleep(0.2)
    assert tab.evaluate("told") == ["Mara runs.", "Tom <waits>."] and tab.inner_text("#now") == "Tom <waits>."
    assert tab.get_attribute("li[data-cue='1']", "aria-current") == "true"
    assert tab.evaluate("Array.from(document.getElementById('film').textTracks, (t) => t.kind)") == [
        "captions", "descriptions",
    ]  # fmt: skip
    tab.keyboard.press("p")
    assert tab.evaluate("document.getElementById('film').currentTime") < 3.0
    tab.keyboard.press("r")
    assert tab.evaluate("told.length") == 3
    tab.reload()
    assert tab.is_checked("input[value=reader]")
    found = axe.Axe().run(tab)["violations"]
    tab.close()
    assert errors == [] and [one["id"] for one in found] == []


# Timers that wait to be run by hand, and a voice that says nothing and never ends by itself.
STAND_INS = """
window.timers = new Map(); window.lines = []; let count = 0;
window.setTimeout = (what, ms) => { timers.set(count += 1, what); return count; };
window.clearTimeout = (id) => { timers.delete(id); };
SpeechSynthesis.prototype.speak = (line) => { lines.push(line); };
SpeechSynthesis.prototype.cancel = () => {};
"""


@pytest.fixture
def played(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page with a recorded voice, in a real browser, its timers and the browser's voice under the test's hand."""
    write_film(tmp_path / "film.mp4", 6.0)
    cues = (ScriptCue(0, 2000, "Mara runs.", "1"), ScriptCue(4000, 4900, "Tom waits.", "2"))
    made = page(Script(cues), [], "film.mp4", narration="film.mp4", recorded=["1", "2"], ducked=0.5)
    (tmp_path / "player.html").write_text(made, encoding="utf-8")
    tab = browser.new_page()
    tab.add_init_script(STAND_INS)
    tab.goto((tmp_path / "player.html").as_uri())
    yield tab
    tab.close()


def volume(tab: Any) -> float:
    return float(tab.evaluate("document.getElementById('film').volume"))


def settled(tab: Any, volume_is: float) -> None:
    """Wait until the film has a volume, and see that it keeps it over the next frames."""
    until = time.monotonic() + 30  # the page's policy forbids the eval behind wait_for_function
    while abs(volume(tab) - volume_is) > 0.001 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)
    assert volume(tab) == pytest.approx(volume_is)


@pytest.mark.slow
def test_the_listeners_own_volume_stays(played: Any) -> None:
    def at(seconds: float) -> None:
        played.evaluate("(s) => { document.getElementById('film').currentTime = s; }", seconds)

    def set_to(value: float) -> None:
        played.evaluate("(to) => { document.getElementById('film').volume = to; }", value)
        time.sleep(0.2)

    played.evaluate("document.getElementById('film').playbackRate = 0.1")  # a second of it is ten of ours
    at(2.5)
    played.click("#play")
    set_to(0.4)
    settled(played, 0.4)  # between descriptions
    at(0.2)
    settled(played, 0.2)  # half of it under one
    set_to(0.3)  # louder, on a slider that shows the lowered volume
    settled(played, 0.3)
    at(2.5)
    settled(played, 0.6)
    at(4.1)
    settled(played, 0.3)
    played.check("input[value=off]")
    settled(played, 0.6)


@pytest.mark.slow
def test_what_the_recording_leaves_out_is_spoken_while_the_film_waits(played: Any, tmp_path: Path) -> None:
    cues = (ScriptCue(0, 300, "Mara runs.", "1"), ScriptCue(1000, 1900, "Tom waits for a long time.", "2"))
    made = page(Script(cues, note="Draft"), [], "film.mp4", narration="film.mp4", recorded=["1"], ducked=0.5)
    assert "Draft. Descriptions are spoken by a synthetic voice. 1 too long for their gaps pause the film" in made
    (tmp_path / "left.html").write_text(made, encoding="utf-8")
    played.goto((tmp_path / "left.html").as_uri())
    played.click("#play")
    until = time.monotonic() + 30
    while not played.evaluate("lines.length") and time.monotonic() < until:
        time.sleep(0.05)
    assert played.evaluate("lines.map((line) => line.text)") == ["Tom waits for a long time."]
    assert played.evaluate("document.getElementById('film').paused")
    played.evaluate("lines[0].onend()")
    while played.evaluate("document.getElementById('film').paused") and time.monotonic() < until:
        time.sleep(0.05)
    assert not played.evaluate("document.getElementById('film').paused")


@pytest.mark.slow
def test_an_earlier_utterance_never_ends_a_later_one(played: Any) -> None:
    played.check("input[value=browser]")
    played.evaluate("document.getElementById('film').volume = 0.8")
    time.sleep(0.2)
    played.click("#again")
    settled(played, 0.4)
    played.click("#again")
    played.evaluate("lines[0].onerror()")  # cut off by the second one
    settled(played, 0.4)
    assert played.evaluate("timers.size") == 1 and played.evaluate("lines.length") == 2
    played.evaluate("lines[1].onend()")
    settled(played, 0.8)
    assert played.evaluate("timers.size") == 0
    played.click("#again")
    settled(played, 0.4)
    played.evaluate("Array.from(timers.values()).forEach((run) => run())")  # a browser that never tells the end
    settled(played, 0.8)
    played.click("#again")
    settled(played, 0.4)
    played.check("input[value=off]")
    settled(played, 0.8)
    assert played.evaluate("timers.size") == 0


@pytest.mark.slow
def test_a_film_paused_for_a_description_goes_on_after_its_repetition(played: Any) -> None:
    paused = "document.getElementById('film').paused"
    played.check("input[value=browser]")
    played.check("#pausing")
    played.click("#play")
    played.click("#again")
    assert played.evaluate(paused)
    played.click("#again")
    played.evaluate("lines.at(-2).onerror()")
    assert played.evaluate(paused)
    played.evaluate("lines.at(-1).onend()")
    assert not played.evaluate(paused)


@pytest.mark.slow
def test_a_jump_from_a_description_that_holds_the_film_is_left_to_the_voice(played: Any) -> None:
    """The film goes on by itself, and the voice speaks the next one: a screen reader would say it too."""
    played.check("input[value=browser]")
    played.check("#pausing")
    played.click("#play")
    played.click("#again")
    played.click("#after")
    assert played.inner_text("#now") == "Tom waits." and played.get_attribute("#now", "aria-live") == "off"


def test_a_film_whose_only_sound_is_the_narration_is_muted() -> None:
    """The page gives the narration by itself; heard from the film too, it would echo."""
    for silent in (True, False):
        text = page(SCRIPT, [], "a.mp4", narration="narration.wav", recorded=["1"], silent=silent)
        assert ('<video id="film" controls muted ' in text) == silent


@pytest.mark.slow
def test_without_a_voice_and_in_a_hidden_tab_no_description_is_lost(played: Any) -> None:
    """A tab that nobody sees draws no frames; a browser without voices says so by an error of the first line."""
    told = "told.length"
    played.evaluate(
        "window.told = []; document.addEventListener('description', (event) => told.push(event.detail.text))"
    )
    played.evaluate("window.requestAnimationFrame = () => 0")
    played.check("input[value=browser]")
    assert played.get_attribute("#now", "aria-live") == "off"
    played.check("#pausing")
    played.click("#play")
    until = time.monotonic() + 30
    while not played.evaluate("lines.length") and time.monotonic() < until:
        time.sleep(0.05)
    paused = "document.getElementById('film').paused"
    assert played.evaluate(told) == 1 and played.evaluate(paused)
    played.evaluate("lines[0].onerror({ error: 'synthesis-failed' })")
    assert played.get_attribute("#now", "aria-live") == "assertive" and played.evaluate(paused)
    played.evaluate("Array.from(timers.values()).forEach((run) => run())")  # the text is there, then the film goes on
    assert played.inner_text("#now") == "Mara runs." and "no voice" in played.inner_text("#voiceless[role=status]")
    assert not played.evaluate(paused)
    played.evaluate("document.getElementById('film').currentTime = 3.9")
    while played.evaluate(told) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert played.evaluate(told) == 2 and played.evaluate("lines.length") == 1  # not asked again
    played.evaluate("Array.from(timers.values()).slice(-2).forEach((run) => run())")
    assert played.inner_text("#now") == "Tom waits."
