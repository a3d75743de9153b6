"""One describer's way through the real Space: the committed checkpoint, the voice, every export; started offline."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from visitor import Visitor

from distinctad.describe import ALL_FILES
from distinctad.edited import REVIEW_FILES
from distinctad.formats.convert import read_script
from distinctad.loading import CHECKPOINT
from distinctad.review import replay_files

LOCAL = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHECKPOINT / "model.safetensors").is_file(), reason="there is no pocket checkpoint"),
]
needs_voice = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `python space/app.py`, from another folder, with every way out of the machine blocked."""
    with socket.socket() as free:
        free.bind((LOCAL, 0))
        port = free.getsockname()[1]
    # A proxy that nobody serves: whatever asks for another machine fails at once.
    blocked = {name: f"http://{LOCAL}:{_unused()}" for name in ("http_proxy", "https_proxy", "all_proxy")}
    ours = {"no_proxy": f"{LOCAL},localhost", "GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    here = tmp_path_factory.mktemp("elsewhere")
    with open(here / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "space" / "app.py")],
            cwd=here, env={**os.environ, **blocked, **ours}, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        address, until = f"http://{LOCAL}:{port}/", time.monotonic() + 150
        try:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(address, trust_env=False).status_code == 200:
                        break
                assert process.poll() is None and time.monotonic() < until, (here / "log").read_text("utf-8")
                time.sleep(0.5)
            yield address
        finally:
            process.terminate()
            process.wait(30)
    assert "Traceback" not in (here / "log").read_text("utf-8")


def _unused() -> int:
    with socket.socket() as free:
        free.bind((LOCAL, 0))
        return int(free.getsockname()[1])


@needs_voice
def test_a_film_becomes_a_track_that_people_can_use(browser: Any, started: str, tmp_path: Path) -> None:
    with contextlib.closing(Visitor(browser, started, viewport={"width": 1200, "height": 1000})) as visitor:
        tab = visitor.tab
        tab.set_default_timeout(120_000)
        tab.get_by_role("button", name="Example 1").click()
        tab.wait_for_selector("#upload-film .file-preview")
        tab.click("#describe")
        visitor.script()
        drafts = visitor.texts()
        assert len(drafts) >= 6 and tab.locator("#dad-lines mark").count() > len(drafts)
        assert "an unreviewed machine draft" in tab.inner_text("body") and "synthetic voice" in tab.inner_text(
            "#dad-note"
        )
        tab.fill("#dad-lines textarea >> nth=0", "A café; two people dance.")
        select = tab.locator("#dad-lines select").first
        select.select_option(index=1)
        assert visitor.texts()[0] == "A café; two people dance."  # choosing alone changes nothing
        tab.locator("#dad-lines .dad-take").first.click()
        assert visitor.texts()[0] != "A café; two people dance."
        tab.fill("#dad-lines textarea >> nth=0", "A café; two people dance.")
        start_s = _add_line(tab)
        assert visitor.violations() == []
        _look(tab, "editor.png")
        tab.click("#make-all")
        tab.wait_for_selector("#made a")
        files = visitor.download(tmp_path)
        assert set(files) == {*ALL_FILES, *REVIEW_FILES} and all(path.stat().st_size for path in files.values())
        assert visitor.violations() == [] and visitor.errors == [] and visitor.outside == []
        tab.reload()
        visitor.script()
        texts = visitor.texts()
        assert texts[0] == "A café; two people dance." and texts.count("Snow.") == 1 and len(texts) == len(drafts) + 1
    final = replay_files(files["descriptions.draft.json"], files["edit-log.json"])
    assert final == files["descriptions.json"].read_text("utf-8")
    for name in ("descriptions.vtt", "descriptions.srt", "descriptions.csv", "descriptions.dapt.xml"):
        assert read_script(files[name]).cues[0].text == "A café; two people dance."
        assert [cue.text for cue in read_script(files[name]).cues if cue.start_ms == round(1000 * start_s)] == ["Snow."]
    with av.open(str(files["described.mp4"])) as described, av.open(str(files["extended.mp4"])) as extended:
        assert len(described.streams.audio) == 2 and extended.streams.video
    _play(browser, files["player.html"])


def _add_line(tab: Any) -> float:
    """Write a new line at the first free place; gives its start in seconds."""
    tab.click("#dad-new-box summary")
    tab.click("#dad-new-find")
    start_s = float(tab.input_value("#dad-new-start"))
    tab.fill("#dad-new-text", "Snow.")
    tab.click("#dad-new-add")
    assert "is added at" in tab.inner_text("#dad-live"), tab.inner_text("#dad-new-said")
    return start_s


def _look(tab: Any, name: str) -> None:
    """Keep a picture for a person to look at, where one is asked for."""
    folder = os.environ.get("DISTINCTAD_SCREENSHOTS")
    if folder:
        tab.screenshot(path=str(Path(folder) / name), full_page=True)


def _play(browser: Any, page: Path) -> None:
    """The exported page has everything beside it and nothing for axe to find."""
    from axe_core_python.sync_playwright import Axe

    tab = browser.new_page()
    tab.goto(page.as_uri())
    tab.click("#play")
    until = time.monotonic() + 30
    while tab.evaluate("document.getElementById('film').currentTime") < 0.5 and time.monotonic() < until:
        time.sleep(0.2)
    assert tab.inner_text("#now") == "A café; two people dance."
    assert Axe().run(tab)["violations"] == []
    _look(tab, "player.png")
    tab.close()


def test_a_program_gets_a_draft_over_rest(started: str) -> None:
    """Examples come with alternatives from the beams of one search."""
    from gradio_client import Client, handle_file

    client = Client(started, verbose=False)
    film, subtitles, cast = client.predict(number=1, api_name="/example")
    given = {"film": handle_file(film), "subtitles": handle_file(subtitles), "cast": [handle_file(one) for one in cast]}
    work, _ = client.predict(**given, naming="after-reveal", api_name="/describe_film")
    document = json.loads(work["draft"])
    assert any(cue["provenance"]["alternatives"] for cue in document["cues"])
    assert document["model"]["sha256"] and work["speech"] and work["gaps"]
