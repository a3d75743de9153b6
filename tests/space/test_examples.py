"""Drafts of example films are kept, and nothing that a visitor put in is kept with them; numbers out of range."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest

from distinctad.track import TrackSettings
from space import examples
from space.examples import Examples

SETTINGS = TrackSettings("none")
NAMES = ("film_{}.mp4", "film_{}.srt", "film_{}.cast.json", "portraits/p1.png", "portraits/p2.png")


def draw(seeds: list[int], out: Path, kind: Any) -> None:
    """As `draw_films`, but files of a line."""
    (out / "portraits").mkdir(parents=True)
    for name in NAMES:
        (out / name.format(seeds[0])).write_text(name)


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examples:
    monkeypatch.setattr(examples, "draw_films", draw)
    return Examples(tmp_path / "examples")


@pytest.fixture
def given(films: Examples, tmp_path: Path) -> list[Path]:
    """The first example as a visitor gives it: film, subtitles, cast file, portraits."""
    found = films.film(1)
    (tmp_path / "given").mkdir()
    return [Path(shutil.copy(one, tmp_path / "given")) for one in (found.film, found.subtitles, *found.cast)]


def test_a_draft_of_an_example_is_kept_with_each_choice(films: Examples, given: list[Path]) -> None:
    film, lines, *cast = given
    late = TrackSettings("none", naming="after-reveal")
    choices = [(None, [], SETTINGS), (lines, [], SETTINGS), (None, cast, SETTINGS), (lines, cast, SETTINGS)]
    keys = [films.key(film, *choice) for choice in (*choices, (lines, cast, late))]
    assert None not in keys and len(set(keys)) == 5
    assert films.key(film, lines, cast[::-1], SETTINGS) == keys[3]  # files come in any order
    films.keep(keys[3], {"draft": "x"})
    assert films.kept(keys[3]) == {"draft": "x"} and films.kept(keys[0]) is None


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("renamed", [False, True])
def test_nothing_is_kept_with_a_file_of_a_visitor_in_it(
    films: Examples, given: list[Path], which: int, renamed: bool
) -> None:
    """A name is a visitor's too: drafts quote that of the film, a cast file those of portraits."""
    if renamed:
        given[which] = given[which].rename(given[which].with_stem("secret"))
    else:
        given[which].write_text("secret")
    film, lines, *cast = given
    key = films.key(film, lines, cast, SETTINGS)
    assert key is None
    films.keep(key, {"speech": "secret"})
    assert films.kept(key) is None


def test_portraits_that_changed_names_are_another_cast(films: Examples, given: list[Path]) -> None:
    film, lines, table, one, other = given
    one_is, other_is = one.read_text(), other.read_text()
    one.write_text(other_is)
    other.write_text(one_is)
    assert films.key(film, lines, [table, one, other], SETTINGS) is None
    assert films.key(film, lines, [table, one], SETTINGS) is None


WRONG = [None, True, math.nan, math.inf, -math.inf, 0, 4, 1.5, "1", [1]]


@pytest.mark.parametrize("number", WRONG)
def test_a_number_of_no_example_is_refused_in_one_line(desk: Any, number: Any) -> None:
    with pytest.raises(gr.Error, match=r"there is no example .*Give a whole number from 1 to 3") as error:
        desk.example(number, SimpleNamespace(session_hash="number"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("room_s", [None, True, math.nan, math.inf, -1, "3", [3], pytest.param(10**400, id="giant")])
def test_a_room_that_is_no_number_of_seconds_is_refused_in_one_line(desk: Any, room_s: Any) -> None:
    with pytest.raises(gr.Error, match=r"room_s is .*Give a number from 0 to 1000000") as error:
        desk.check_line("Mara runs.", room_s)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [None, 5, "x" * 10_001])
def test_a_line_that_is_no_text_is_refused_in_one_line(desk: Any, text: Any) -> None:
    with pytest.raises(gr.Error, match=r"the text is .*Give a text of at most 10000 characters"):
        desk.check_line(text, 3.0)


@pytest.mark.parametrize(("name", "data"), [("example", "[NaN]"), ("check_line", '["Mara runs.", Infinity]')])
def test_programs_hear_that_line_too(served: str, name: str, data: str) -> None:
    head = {"Content-Type": "application/json"}
    asked = httpx.post(f"{served}gradio_api/call/{name}", content=f'{{"data": {data}}}', headers=head)
    said = httpx.get(f"{served}gradio_api/call/{name}/{asked.json()['event_id']}", timeout=60).text
    assert "event: error" in said and "Give a" in said
