"""Lines that a person adds: into the log, into the final script, refused where there is no place for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_review import draft

from distinctad.added import MOST_ADDED, checked_line, see_that_nobody_speaks
from distinctad.edited import export_edited
from distinctad.errors import UserError
from distinctad.exports import to_json
from distinctad.formats.convert import read_script
from distinctad.review import Edit, checked_document, log_of, read_log, replay
from distinctad.subtitles import Speech

# The draft's lines are spoken from 1 to 3, 11 to 13 and 21 to 23 s; each has room for two seconds more.


def line(start_s: float, end_s: float, text: str = "It snows.") -> dict[str, Any]:
    return {"start_s": start_s, "end_s": end_s, "text": text}


def added(start_s: float, end_s: float, text: str = "It snows.", cue: int = 4) -> Edit:
    return Edit(cue, "added", False, line(start_s, end_s, text))


def test_an_added_line_stands_in_its_place_and_is_a_persons() -> None:
    first = draft()
    final = replay(first, [added(5, 7.25, " It \n snows. "), added(8, 9, "Ice.", 5), Edit(5, "removed", False, True)])
    assert [cue["index"] for cue in final["cues"]] == [1, 4, 2, 3]
    new = final["cues"][1]
    assert (new["start_s"], new["end_s"], new["text"], new["characters"]) == (5.0, 7.25, "It snows.", [])
    assert new["provenance"] == {"origin": "person", "text_from": "person", "edited": True, "reviewed": True}
    assert checked_document(json.loads(to_json(final)), "a.json") == final  # a final script can be a draft again
    assert replay(final, [added(8, 9, cue=5)])["cues"][2]["index"] == 5


def test_it_can_be_edited_moved_and_replayed_byte_by_byte() -> None:
    first = draft()
    edits = [
        added(5, 7),
        Edit(4, "text", "It snows.", "It rains."),
        Edit(4, "start_s", 5.0, 6.0),
        Edit(4, "reviewed", True, False),
    ]
    log = log_of(first, edits)
    assert read_log(json.dumps(json.loads(log)), first) == edits
    new = replay(first, edits)["cues"][1]
    assert (new["text"], new["start_s"], new["end_s"]) == ("It rains.", 6.0, 8.0)
    assert new["provenance"]["reviewed"] is False and "draft" not in new["provenance"]


def test_an_edited_line_ends_where_the_added_one_begins() -> None:
    """Its own end is unknown, and its room's end would lie behind the new line's start."""
    final = replay(draft(), [Edit(1, "text", "Mara runs.", "Mara sits."), added(3.5, 4.5)])
    assert [(cue["start_s"], cue["end_s"]) for cue in final["cues"][:2]] == [(1.0, 3.5), (3.5, 4.5)]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (added(2, 4), "edit 1, cue 4: 2 to 4 s overlaps line 1 (1 to 3 s)"),
        (added(0, 30), "overlaps line 1"),
        (added(12, 12.5), "overlaps line 2"),
        (added(4, 4), "the line would last from 4 to 4 s"),
        (added(5, 4), "the line would last from 5 to 4 s"),
        (added(29, 31), "in a film of 30 s"),
        (added(-1, 0.5), "start_s is -1"),
        (added(float("nan"), 0.5), "start_s is nan"),
        (added(4, True), "end_s is True"),
        (added(4, 5, " "), "the text has 1 characters"),
        (added(4, 5, "x" * 1001), "the text has 1001 characters"),
        (added(4, 5, cue=5), "the next line to add is 4"),
        (added(4, 5, cue=1), "the next line to add is 4"),
        (Edit(4, "added", True, line(4, 5)), "nothing was there before"),
        (Edit(4, "added", False, True), "no object with start_s, end_s and text"),
        (Edit(4, "added", False, {**line(4, 5), "characters": ["<b>"]}), "no object with"),
    ],
)
def test_lines_without_a_place_are_refused_in_one_line(edit: Edit, said: str) -> None:
    with pytest.raises(UserError) as error:
        replay(draft(), [edit])
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_removed_line_leaves_its_place() -> None:
    final = replay(draft(), [Edit(1, "removed", False, True), added(1, 3)])
    assert [cue["index"] for cue in final["cues"]] == [4, 2, 3]
    many = [added(5 + i / 1000, 5.06 + i / 1000, cue=4 + i) for i in range(2)]
    with pytest.raises(UserError, match="overlaps line 4"):
        replay(draft(), many)


@pytest.mark.no_cover
def test_there_are_not_more_than_can_be_held_against_each_other() -> None:
    edits = [added(4 + i * 0.051, 4 + (i + 1) * 0.051, cue=4 + i) for i in range(MOST_ADDED + 1)]
    first = draft("Mara runs.", "Tom waits.", "Night falls.")
    first["film"]["duration_s"] = 100.0
    for cue in first["cues"][1:]:
        cue.update(start_s=cue["start_s"] + 60, end_s=cue["end_s"] + 60)
    assert len(replay(first, edits[:-1])["cues"]) == 3 + MOST_ADDED
    with pytest.raises(UserError, match=f"more than {MOST_ADDED} lines were added"):
        replay(first, edits)


times = st.integers(0, 400).map(lambda tenth: tenth / 10)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(times, st.integers(1, 50)), max_size=8), times, st.integers(1, 60))
def test_over_dialogue_is_refused_and_only_there(rows: list[tuple[float, int]], start_s: float, length: int) -> None:
    speech = [Speech(a, a + n / 10, "Yes.") for a, n in rows]
    new = checked_line(line(start_s, start_s + length / 10), "here", 100.0)
    over = any(min(new["end_s"], one.end_s) - max(new["start_s"], one.start_s) > 1e-3 for one in speech)
    try:
        see_that_nobody_speaks([(1, new)], speech)
    except UserError as error:
        assert over and "overlaps the dialogue from" in str(error)
    else:
        assert not over


def test_every_text_file_holds_it_and_none_is_written_over_dialogue(tmp_path: Path) -> None:
    edits = [added(5, 7)]
    for path in export_edited(draft(), edits, tmp_path / "a", speech=[Speech(7.0, 8.0, "Yes.")]):
        if path.suffix in (".srt", ".vtt", ".csv", ".xml"):
            read = read_script(path).cues
            assert [cue.text for cue in read][1] == "It snows." and read[1].start_ms == 5000
    with pytest.raises(UserError, match="the added line 4, 5 to 7 s, overlaps the dialogue from 6 to 8 s"):
        export_edited(draft(), edits, tmp_path / "b", speech=[Speech(6.0, 8.0, "Yes.")])
    assert not list((tmp_path / "b").glob("*"))


def test_an_added_line_that_was_moved_out_of_dialogue_is_no_longer_refused() -> None:
    speech = [Speech(6.0, 8.0, "Yes.")]
    with pytest.raises(UserError, match="overlaps the dialogue"):
        replay(draft(), [added(5, 7)], speech)
    moved = replay(draft(), [added(5, 7), Edit(4, "start_s", 5.0, 9.0)], speech)
    assert [cue["start_s"] for cue in moved["cues"] if cue["index"] == 4] == [9.0]
