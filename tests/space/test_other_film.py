"""A script that is opened beside another film than its own: said at once, not only at the export."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_kept import packed, put
from visitor import Visitor

pytestmark = pytest.mark.slow
NOTE = "#dad-other-film"


@pytest.fixture
def visitor(browser: Any, served: str) -> Iterator[Visitor]:
    with contextlib.closing(Visitor(browser, served)) as made:
        yield made


def script(name: str, duration_s: float) -> dict[str, Any]:
    work = packed("Mara runs.")
    made = json.loads(work["draft"])
    made["film"].update(name=name, duration_s=duration_s)
    return {**work, "draft": json.dumps(made)}


def test_another_film_is_said_and_a_renamed_one_mildly(visitor: Visitor, film: Path, tmp_path: Path) -> None:
    tab = visitor.tab
    visitor.upload("Film", film)
    put(visitor, script("film_7.mp4", 12.2))
    tab.wait_for_function("document.getElementById('dad-film').readyState > 0")
    assert tab.is_hidden(NOTE)
    put(visitor, script("<b>other</b>.mp4", 40.0))
    said = tab.inner_text(NOTE)
    assert "“film_7.mp4”, is not the film of this script: it lasts 0:00:12.0" in said
    assert "“<b>other</b>.mp4”, which lasts 0:00:40.0" in said and "dad-over" in tab.get_attribute(NOTE, "class")
    assert tab.inner_text("#dad-live") == said and tab.locator(f"{NOTE} b").count() == 0 and visitor.violations() == []
    put(visitor, script("film_7.mp4", 40.0))  # the same name is no proof
    assert "is not the film of this script" in tab.inner_text(NOTE)
    put(visitor, script("film.mov", 12.0))
    said = tab.inner_text(NOTE)
    assert "“film_7.mp4”, has another name than the script's film, “film.mov”" in said and "may be the same" in said
    assert "dad-over" not in tab.get_attribute(NOTE, "class") and tab.inner_text("#dad-live") == said
    # The film may also come after the script.
    put(visitor, script("film (1).mp4", 12.0))
    tab.click("button[aria-label='Clear: Film']")
    tab.wait_for_function("document.getElementById('dad-film').hidden")
    assert tab.is_hidden(NOTE)
    shutil.copy(film, tmp_path / "film (1).mp4")  # the server keeps it as another name
    visitor.upload("Film", tmp_path / "film (1).mp4")
    tab.wait_for_function("document.getElementById('dad-film').readyState > 0")
    assert tab.is_hidden(NOTE) and visitor.errors == []


def test_where_the_length_is_unknown_the_name_is_all_there_is(visitor: Visitor) -> None:
    tab = visitor.tab
    tab.evaluate("distinctad.film('data:video/mp4,', ['b.mp4', 'b.mp4'])")
    put(visitor, script("a.mp4", 12.0))
    said = "“b.mp4”, has another name than the script's film, “a.mp4”: see that it is the same film."
    assert said in tab.inner_text(NOTE)
    assert "dad-over" in tab.get_attribute(NOTE, "class")
