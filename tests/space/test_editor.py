"""The editor in a real browser: keyboard alone, reload, log, escaping, axe; on a pipeline that needs no model."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from visitor import Visitor

from datasets_scripts.words import words
from distinctad.errors import UserError
from distinctad.exports import to_json
from distinctad.planner_rate import SENTENCES, Rate
from distinctad.review import closed_class, read_document, read_log, replay, why

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)></textarea><script>alert(2)</script> & \"a\" 'b'"
LINES = [
    *SENTENCES[:14],
    "Straße und STRASSE, Ὀδυσσεύς' Schiff: naïve façade — “quoted”; don’t, it's, boys' o'clock, T-shirt…",
    "Dr. Ellie Sattler's hat. Mara sees Ellie; 3½ cups, x_y ﬁne!",
    "Bus 204 in 1987, MI5, the 3rd of 12,500; 7-year-old, ٣ cups",
    *("他走进房间。", "Ёлка стоит, e\u0301cole", "", "...", "İstanbul I"),
]


@pytest.fixture
def visitor(browser: Any, served: str) -> Any:
    made = Visitor(browser, served)
    yield made
    made.close()


def describe(visitor: Visitor, film: Path, srt: Path) -> None:
    """From the top of the page to a script, by keyboard."""
    visitor.upload("Film", film)
    visitor.reach("button.label-wrap")
    visitor.tab.keyboard.press("Enter")
    visitor.upload("Subtitles", srt)
    visitor.reach("#describe")
    visitor.tab.keyboard.press("Enter")
    visitor.script()


def test_the_page_counts_words_times_and_news_as_the_package_does(visitor: Visitor) -> None:
    tab, rate = visitor.tab, Rate("a", 0.11, 0.08, 0.06, 0.2)
    assert tab.evaluate("(all) => all.map(distinctadWords.words)", LINES) == [words(line) for line in LINES]
    values = tab.evaluate("([rate, all]) => all.map((one) => distinctadWords.seconds(rate, one))", [vars(rate), LINES])
    assert values == pytest.approx([rate.seconds(line) for line in LINES])
    rooms = [0, 0.1, 1.0, 2.75, 60]
    counts = tab.evaluate("([rate, all]) => all.map((one) => distinctadWords.wordsIn(rate, one))", [vars(rate), rooms])
    assert counts == [rate.words_in(room) for room in rooms]
    tab.evaluate("(list) => distinctad.close(list)", closed_class())
    for names in ([], ["Mara", "Dr. Ellie Sattler"]):
        found = tab.evaluate(
            """([texts, names]) => { const W = distinctadWords, bags = texts.map(W.bag), given = W.nameWords(names);
            return texts.map((_, i) => { const one = W.why(texts, bags, given, i, 4);
              const said = one.said.map(([word, at]) => [word, at.map((n) => n + 1)]);
              return { new: one.fresh, said: Object.fromEntries(said) }; }); }""",
            [LINES, names],
        )
        assert found == why(LINES, names)


def test_the_whole_task_by_keyboard_alone(visitor: Visitor, film: Path, srt: Path, tmp_path: Path) -> None:
    tab = visitor.tab
    describe(visitor, film, srt)
    first = visitor.texts()
    assert first == ["Mara runs.", "Tom waits.", "Night falls."]
    visitor.reach("#dad-next")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Text of line 1")
    tab.keyboard.press("Control+a")
    tab.keyboard.type("Mara runs very slowly past the long red house of her friend.")
    assert "Too long by" in tab.inner_text("#dad-b1")
    tab.keyboard.press("Control+a")
    tab.keyboard.type("Mara strolls.")
    assert "Room for about" in tab.inner_text("#dad-b1") and tab.locator("#dad-w1 mark").all_inner_texts() == [
        "Mara",
        "strolls",
    ]
    tab.keyboard.press("Control+Enter")  # reviewed, and on to the next line
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Text of line 2")
    tab.keyboard.press("Control+Enter")
    visitor.reach("[aria-label='Remove line 3']")
    tab.keyboard.press("Space")
    tab.wait_for_selector("#dad-sum:has-text('Every line is marked')")
    visitor.reach("#make-texts")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#made a")
    assert visitor.violations() == [] and visitor.errors == [] and visitor.outside == []
    files = visitor.download(tmp_path)
    draft = read_document(files["descriptions.draft.json"].read_text("utf-8"), "draft")
    edits = read_log(files["edit-log.json"].read_text("utf-8"), draft)
    final = json.loads(files["descriptions.json"].read_text("utf-8"))
    assert [cue["text"] for cue in final["cues"]] == ["Mara strolls.", "Tom waits."]
    assert to_json(replay(draft, edits)) == files["descriptions.json"].read_text("utf-8")
    assert final["review"].startswith("machine draft reviewed by a person")


def test_edits_survive_a_reload_and_even_one_in_the_middle_of_a_word(visitor: Visitor, film: Path, srt: Path) -> None:
    tab = visitor.tab
    describe(visitor, film, srt)
    tab.fill("#dad-lines textarea >> nth=0", "Mara sits down.")
    tab.fill("[aria-label='Start (s), line 2']", "5.5")
    tab.keyboard.press("Tab")
    tab.check("[aria-label='Reviewed: line 3']")
    tab.focus("#dad-lines textarea >> nth=2")
    tab.keyboard.press("End")
    tab.keyboard.type(" Snow")
    tab.reload()
    visitor.script()
    assert visitor.texts() == ["Mara sits down.", "Tom waits.", "Night falls. Snow"]
    assert tab.input_value("[aria-label='Start (s), line 2']") == "5.5"
    assert tab.is_checked("[aria-label='Reviewed: line 3']")
    assert [(edit["cue"], edit["field"]) for edit in visitor.kept()] == [
        (1, "text"), (2, "start_s"), (3, "reviewed"), (3, "text"),
    ]  # fmt: skip
    assert tab.is_hidden("#dad-film") and tab.is_visible("#dad-no-film")  # the server has forgotten the film
    tab.click("#make-texts")
    tab.wait_for_selector("#made a")
    for _ in range(4):
        tab.click("#dad-undo")
    assert visitor.texts() == ["Mara runs.", "Tom waits.", "Night falls."] and visitor.kept() == []
    tab.reload()
    visitor.script()
    assert visitor.texts() == ["Mara runs.", "Tom waits.", "Night falls."] and visitor.errors == []
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.click("#dad-forget")
    tab.reload()
    tab.wait_for_timeout(500)
    assert tab.is_hidden("#dad") and tab.evaluate("localStorage.length") in (0, 1)


def test_keys_move_and_put_back(visitor: Visitor, film: Path, srt: Path) -> None:
    tab = visitor.tab
    describe(visitor, film, srt)
    tab.focus("#dad-lines textarea >> nth=0")
    tab.keyboard.press("Control+a")
    tab.keyboard.type("Wrong")
    tab.keyboard.press("Escape")
    assert visitor.texts()[0] == "Mara runs." and visitor.kept() == []
    tab.keyboard.press("Alt+ArrowDown")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Text of line 3")
    tab.keyboard.press("Alt+ArrowUp")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Text of line 2")
    tab.keyboard.press("Alt+a")
    assert "no other text" in tab.inner_text("#dad-live")
    tab.wait_for_function("document.getElementById('dad-film').readyState > 0")
    tab.keyboard.press("Alt+p")
    tab.wait_for_function("!document.getElementById('dad-film').paused")
    tab.keyboard.press("Alt+p")
    assert tab.evaluate("document.getElementById('dad-film').currentTime") >= 4.0
    tab.fill("#dad-lines textarea >> nth=1", "   ")
    tab.wait_for_function("document.getElementById('dad-b2').innerText.includes('Empty')")
    tab.press("#dad-lines textarea >> nth=1", "Control+Enter")
    tab.wait_for_function("document.getElementById('dad-live').innerText.includes('is empty: remove it')")
    assert not tab.is_checked("#dad-lines tr >> nth=1 >> input[type=checkbox]")  # an emptied line is not accepted
    tab.focus("#dad-lines textarea >> nth=0")
    tab.wait_for_function("document.getElementById('dad-live').innerText.includes('an empty text is not kept')")
    assert visitor.texts()[1] == "Tom waits."
    assert "Empty" not in tab.inner_text("#dad-b2")
    tab.focus("#dad-show")
    tab.select_option("#dad-show", "long")
    assert tab.locator("#dad-lines tr:visible").count() == 0


def focused(visitor: Visitor) -> str:
    return visitor.tab.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label')")


def test_a_line_is_added_and_deleted_by_keyboard_alone(visitor: Visitor, film: Path, srt: Path, tmp_path: Path) -> None:
    tab = visitor.tab
    describe(visitor, film, srt)
    before = tab.eval_on_selector_all("#dad-lines input[type=number]", "all => all.map((one) => Number(one.value))")
    visitor.reach("#dad-lines textarea")
    tab.keyboard.press("Alt+n")
    assert focused(visitor) == "dad-new-text"
    tab.keyboard.type("Snow.")
    assert "Room for about" in tab.inner_text("#dad-new-budget")
    tab.keyboard.type(" And more snow falls upon the roofs of all the houses of the town of Ys.")
    assert "Too long by" in tab.inner_text("#dad-new-budget") and visitor.violations() == []
    visitor.reach("#dad-new-start", back=True)
    for start, end, text, said, field in (
        ("3.5", "4.5", "Snow.", "overlaps the dialogue “Hello, Mara.” (3.0 to 5.0 s)", "start"),
        (f"{before[0]}", f"{before[0] + 0.5}", "Snow.", "overlaps line 1", "start"),
        ("10", "9", "Snow.", "End: give seconds after the start, up to 12", "end"),
        ("", "9", "Snow.", "Start: give seconds from 0 to 12", "start"),
        ("2.4", "2.9", "  ", "Text: write what is to be said.", "text"),
    ):
        for name, value in (("start", start), ("end", end), ("text", text)):
            tab.fill(f"#dad-new-{name}", value)
        visitor.reach("#dad-new-add")
        tab.keyboard.press("Enter")
        assert said in tab.inner_text("#dad-new-said") and said in tab.inner_text("#dad-live")
        assert focused(visitor) == f"dad-new-{field}"
        assert tab.get_attribute(f"#dad-new-{field}", "aria-invalid") == "true"
    assert visitor.violations() == [] and visitor.kept() == []
    tab.keyboard.type("Snow.")
    tab.keyboard.press("Enter")
    assert focused(visitor).startswith("Text of line 4 at 0:00:02.4")
    assert "Line 4 is added at 0:00:02.4" in tab.inner_text("#dad-live")
    assert visitor.texts() == ["Mara runs.", "Snow.", "Tom waits.", "Night falls."]
    assert "1 added" in tab.inner_text("#dad-sum") and "of 0.5 s" in tab.inner_text("#dad-b4")
    tab.keyboard.press("End")
    tab.keyboard.type(" Ice.")
    visitor.reach("[aria-label='Remove line 2']")
    tab.keyboard.press("Space")
    assert "Line 2 is removed" in tab.inner_text("#dad-live") and focused(visitor) == "Put back line 2"
    tab.reload()
    visitor.script()
    assert visitor.texts() == ["Mara runs.", "Snow. Ice.", "Tom waits.", "Night falls."]
    assert tab.is_visible("[aria-label='Put back line 2']")
    assert [(edit["cue"], edit["field"]) for edit in visitor.kept()] == [(4, "added"), (4, "text"), (2, "removed")]
    assert visitor.violations() == []
    visitor.reach("#make-texts")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#made a")
    files = visitor.download(tmp_path)
    draft = read_document(files["descriptions.draft.json"].read_text("utf-8"), "draft")
    final = replay(draft, read_log(files["edit-log.json"].read_text("utf-8"), draft))
    assert to_json(final) == files["descriptions.json"].read_text("utf-8")
    assert [cue["text"] for cue in final["cues"]] == ["Mara runs.", "Snow. Ice.", "Night falls."]
    assert final["cues"][1]["provenance"] == {
        "origin": "person", "text_from": "person", "edited": True, "reviewed": True,
    }  # fmt: skip
    assert visitor.errors == []


def test_adding_is_undone_and_free_places_are_found(visitor: Visitor, film: Path, srt: Path) -> None:
    tab = visitor.tab
    describe(visitor, film, srt)
    tab.click("#dad-new-box summary")
    found = []
    for _ in range(3):
        tab.click("#dad-new-find")
        found.append([float(tab.input_value(f"#dad-new-{name}")) for name in ("start", "end")])
        assert "Free from" in tab.inner_text("#dad-live")
    speech = [(3.0, 5.0), (6.5, 8.0)]
    assert all(b - a >= 0.9 and not any(a < d and c < b for c, d in speech) for a, b in found)
    assert found[0] != found[1]
    tab.evaluate("document.getElementById('dad-film').currentTime = 9")
    tab.wait_for_function("document.getElementById('dad-film').currentTime === 9")
    tab.click("#dad-new-here")
    assert float(tab.input_value("#dad-new-start")) >= 9
    tab.fill("#dad-new-text", HOSTILE)
    tab.click("#dad-new-add")
    assert visitor.texts()[-1] == HOSTILE and focused(visitor).startswith("Text of line 4")
    tab.focus("#dad-lines textarea >> nth=0")
    tab.keyboard.press("Alt+Delete")
    assert "Line 1 is removed" in tab.inner_text("#dad-live")
    tab.keyboard.press("Alt+Delete")
    assert "Line 1 is back" in tab.inner_text("#dad-live")
    for _ in range(3):
        tab.click("#dad-undo")
    assert visitor.texts() == ["Mara runs.", "Tom waits.", "Night falls."] and visitor.kept() == []
    assert focused(visitor) == "dad-undo" and "was new and is gone" in tab.inner_text("#dad-live")
    tab.fill("#dad-lines textarea >> nth=1", "Tom sits.")
    tab.reload()
    visitor.script()
    assert visitor.texts() == ["Mara runs.", "Tom sits.", "Night falls."] and visitor.errors == []


def test_messages_move_nothing_and_things_are_called_by_what_they_are(visitor: Visitor, film: Path, srt: Path) -> None:
    tab = visitor.tab
    describe(visitor, film, srt)
    where = "document.getElementById('make-texts').getBoundingClientRect().top + scrollY"
    before = tab.evaluate(where)
    tab.evaluate("document.getElementById('dad-live').textContent = 'A message. '.repeat(60)")
    assert tab.evaluate(where) == before
    tab.fill("[aria-label='Start (s), line 2']", "5.5")
    tab.keyboard.press("Tab")
    assert tab.is_visible("[aria-label='Text of line 2 at 0:00:05.5']")
    tab.click("#make-texts")
    tab.wait_for_selector("#made a[aria-label^='Download edit-log.json, ']")
    names = tab.eval_on_selector_all(
        "a.download-link, button", "all => all.map((one) => one.getAttribute('aria-label') || one.innerText.trim())"
    )
    assert {"Clear: Film", "Clear: Subtitles", "Download film_7.srt, 83.0 B ⇣"} <= set(names) and "Clear" not in names


def test_a_press_is_answered_at_once_and_until_its_files_are_there(
    visitor: Visitor, film: Path, srt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is held: a long script's files take it longer than a person waits without a word."""
    from space import desk as desks

    quick, go, begun = desks.export_edited, threading.Event(), []

    def held(*args: Any, **given: Any) -> Any:
        begun.append(1)
        assert go.wait(300), "nobody let it go"
        if len(begun) > 1:
            raise UserError("the disk is full", "Try again.")
        return quick(*args, **given)

    monkeypatch.setattr(desks, "export_edited", held)
    tab, making = visitor.tab, "#dad-live:has-text('Making the text files')"
    describe(visitor, film, srt)
    try:
        tab.click("#make-texts")
        tab.wait_for_selector(making)
        tab.click("#dad-undo")  # another message takes its place, but not for good
        tab.wait_for_selector("#dad-live:has-text('nothing to undo')")
        tab.wait_for_selector(making)
        tab.click("#make-texts")
    finally:
        go.set()
    tab.wait_for_selector("#made a")
    tab.wait_for_selector("#dad-live:has-text('The files are there')")
    assert len(begun) == 1  # a second press while they are made begins nothing
    tab.click("#make-texts")
    tab.wait_for_selector(".toast-body:has-text('the disk is full')")
    tab.wait_for_selector("#dad-live:has-text('No files were made')")
    assert visitor.errors == []


def test_hostile_texts_stay_texts(visitor: Visitor, film: Path, srt: Path, tmp_path: Path) -> None:
    tab = visitor.tab
    said: list[str] = []
    tab.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    named = tmp_path / "<img src=x onerror=alert(3)>.mp4"
    named.write_bytes(b"MZ" + bytes(1000))
    visitor.upload("Film", named)
    tab.click("#describe")
    tab.wait_for_selector(".toast-body:has-text('onerror')")
    assert tab.locator(".toast-body img, .file-preview img").count() == 0 and said == []
    visitor.visit()
    describe(visitor, film, srt)
    for at in range(3):
        tab.fill(f"#dad-lines textarea >> nth={at}", f"{HOSTILE} {at}")
    tab.reload()
    visitor.script()
    assert visitor.texts() == [f"{HOSTILE} {at}" for at in range(3)] and said == []
    assert tab.locator("#dad img, #dad tbody script").count() == 0
    # What another page of the same address might have put into the storage is no script either.
    broken = "localStorage.setItem(`distinctad-work:${sessionStorage.getItem('distinctad-here')}`, work)"
    tab.evaluate(f"(work) => {broken}", '{"format": "distinctad.work", "draft": "{"}')
    tab.reload()
    tab.wait_for_selector("#dad-live:has-text('cannot be read')")
    assert tab.is_hidden("#dad") and said == []


@pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 800}}],
    ids=["light", "dark", "phone"],
)
def test_axe_finds_nothing_in_any_state(
    browser: Any, served: str, film: Path, srt: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    address = served + ("?__theme=dark" if "color_scheme" in options else "?__theme=light")
    with contextlib.closing(Visitor(browser, address, **options)) as visitor:
        look(visitor, film, srt, tmp_path)


def look(visitor: Visitor, film: Path, srt: Path, tmp_path: Path) -> None:
    tab = visitor.tab
    assert visitor.violations() == []
    (tmp_path / "broken.mp4").write_bytes(b"MZ" + bytes(1000))
    visitor.upload("Film", tmp_path / "broken.mp4")
    tab.click("#describe")
    tab.wait_for_selector(".toast-body")
    assert visitor.violations() == []  # the message
    visitor.visit()
    for wrap in tab.query_selector_all("button.label-wrap"):
        wrap.click()
    tab.wait_for_timeout(500)
    assert visitor.violations() == []  # everything open
    visitor.visit()
    describe(visitor, film, srt)
    tab.fill("#dad-lines textarea >> nth=1", "A much longer text than there is room for, and longer still, and on.")
    tab.check("[aria-label='Reviewed: line 1']")
    tab.click("[aria-label='Remove line 3']")
    tab.click("#make-texts")
    tab.wait_for_selector("#made a")
    tab.wait_for_timeout(500)
    assert visitor.violations() == []  # the script, with a line too long and one removed, and the files


def test_closing_the_page_deletes_the_film(browser: Any, served: str, desk: Any, film: Path, srt: Path) -> None:
    visitor = Visitor(browser, served)
    describe(visitor, film, srt)
    visitor.tab.click("#make-texts")
    visitor.tab.wait_for_selector("#made a")
    kinds = ("film_7.mp4", "film_7.srt", "descriptions.json", "player.html")
    uploads = desk.visits.uploads
    assert list(uploads.rglob("film_7.mp4")) and list(uploads.rglob("descriptions.json"))
    visitor.close()
    until = time.monotonic() + 30
    while time.monotonic() < until and any(list(uploads.rglob(kind)) for kind in kinds):
        time.sleep(0.3)
    assert [path for kind in kinds for path in uploads.rglob(kind)] == []
