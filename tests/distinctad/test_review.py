from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_exports import document

from distinctad.errors import UserError
from distinctad.exports import REVIEW, texts_of, to_json
from distinctad.review import (
    FIELDS,
    REVIEWED,
    Edit,
    checked_document,
    edits_of,
    log_of,
    read_document,
    read_log,
    replay,
    replay_files,
    why,
)


def draft(*texts: str) -> dict[str, Any]:
    made = document(*(texts or ("Mara runs.", "Tom waits.", "Night falls.")))
    for i, cue in enumerate(made["cues"]):
        cue.update(start_s=10.0 * i + 1.0, end_s=10.0 * i + 3.0)
        cue["provenance"].update(spoken_s=2.0, fit="whole", room_s=[10.0 * i + 1.0, 10.0 * i + 5.0], edited=False)
    made["film"]["duration_s"] = 10.0 * len(made["cues"])
    return made


def test_edits_change_text_time_and_presence_and_leave_the_draft_alone() -> None:
    first = draft()
    before = copy.deepcopy(first)
    edits = [
        Edit(1, "text", "Mara runs.", "Mara  runs\noff."),
        Edit(2, "removed", False, True),
        Edit(3, "start_s", 21, 22.5),
        Edit(3, "reviewed", False, True),
    ]
    final = replay(first, edits)
    assert first == before
    assert [cue["index"] for cue in final["cues"]] == [1, 3]
    told, moved = final["cues"]
    assert (told["text"], told["end_s"]) == ("Mara runs off.", 5.0)
    assert told["provenance"]["edited"] is True and told["provenance"]["draft"] == "Mara runs."
    assert "spoken_s" not in told["provenance"] and "fit" not in told["provenance"]
    assert (moved["start_s"], moved["end_s"], moved["provenance"]["reviewed"]) == (22.5, 24.5, True)
    assert moved["provenance"]["edited"] is False and final["review"] == REVIEW
    assert json.loads(to_json(final))["cues"] == final["cues"]


def test_only_when_every_line_is_reviewed_does_it_stop_being_called_unreviewed() -> None:
    edits = [Edit(i, "reviewed", False, True) for i in (1, 2)]
    assert replay(draft(), edits)["review"] == REVIEW
    final = replay(draft(), [*edits, Edit(3, "removed", False, True)])
    assert final["review"] == REVIEWED and REVIEWED in texts_of(final)["descriptions.vtt"]
    assert to_json(final)


def test_the_log_reproduces_the_final_script_byte_by_byte(tmp_path: Path) -> None:
    first = draft()
    edits = [Edit(1, "text", "Mara runs.", "Mara läuft."), Edit(1, "text", "Mara läuft.", "Mara runs away.")]
    log = log_of(first, edits)
    final = to_json(replay(first, edits))
    assert json.loads(log)["final_sha256"] == hashlib.sha256(final.encode()).hexdigest()
    assert read_log(log, first) == edits and log == log_of(first, read_log(log, first))
    (tmp_path / "draft.json").write_text(to_json(first), encoding="utf-8")
    (tmp_path / "log.json").write_text(log, encoding="utf-8")
    assert replay_files(tmp_path / "draft.json", tmp_path / "log.json") == final


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_run_of_edits_is_reproduced(data: st.DataObject) -> None:
    first = draft()
    values: dict[tuple[int, str], Any] = {}
    for cue in first["cues"]:
        values |= {(cue["index"], "text"): cue["text"], (cue["index"], "reviewed"): False}
    edits = []
    for _ in range(data.draw(st.integers(0, 12))):
        key = data.draw(st.sampled_from(sorted(values)))
        after = data.draw(st.booleans() if key[1] == "reviewed" else st.text(min_size=1, max_size=30))
        if isinstance(after, str) and not "".join(c for c in after if c.isprintable()).strip():
            continue
        edits.append(Edit(*key, values[key], after))
        values[key] = after
    log = log_of(first, edits)
    again = replay(json.loads(to_json(first)), read_log(log, first))
    assert to_json(again) == to_json(replay(first, edits))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit(9, "text", "a", "b"), "edit 1: the draft has no cue 9"),
        (Edit(1, "text", "Tom runs.", "b"), "text was 'Tom runs.', the draft has 'Mara runs.'"),
        (Edit(1, "text", 3, "b"), "text was 3"),
        (Edit(1, "reviewed", 0, True), "reviewed was 0"),
        (Edit(1, "text", "Mara runs.", " \u200b "), "the text has 3 characters"),
        (Edit(1, "text", "Mara runs.", "x" * 1001), "the text has 1001 characters"),
        (Edit(1, "text", "Mara runs.", 5), "the text has a int"),  # type: ignore[arg-type]
        (Edit(1, "start_s", 1.0, -1.0), "start_s is -1.0"),
        (Edit(1, "start_s", 1.0, float("nan")), "start_s is nan"),
        (Edit(1, "start_s", 1.0, True), "start_s is True"),
        (Edit(1, "reviewed", False, "yes"), "reviewed is 'yes'"),
        (Edit(1, "end_s", 3.0, 0.5), "cue 1 would last from 1 to 0.5 s"),
        (Edit(3, "start_s", 21.0, 30.6), "in a film of 30 s"),
    ],
)
def test_edits_that_do_not_fit_are_refused(edit: Edit, said: str) -> None:
    with pytest.raises(UserError) as error:
        replay(draft(), [edit])
    assert said in str(error.value) and "\n" not in str(error.value)


def test_something_must_be_left() -> None:
    with pytest.raises(UserError, match="every description was removed"):
        replay(draft("Mara runs."), [Edit(1, "removed", False, True)])


@pytest.mark.parametrize(
    "wrong",
    [
        "no list", {"cue": 1}, [{"cue": 1, "field": "text", "before": "a"}],
        [{"cue": True, "field": "text", "before": "a", "after": "b"}],
        [{"cue": 1, "field": "__class__", "before": "a", "after": "b"}], [[]], [None],
    ],
)  # fmt: skip
def test_what_is_no_list_of_edits_is_refused(wrong: Any) -> None:
    with pytest.raises(UserError):
        edits_of(wrong)
    assert edits_of([]) == [] and "text" in FIELDS


def test_a_log_of_another_draft_or_with_another_end_is_refused() -> None:
    first = draft()
    log = log_of(first, [Edit(1, "text", "Mara runs.", "Mara sits.")])
    with pytest.raises(UserError, match="belongs to another draft"):
        read_log(log, draft("Mara runs.", "Tom waits."))
    with pytest.raises(UserError, match="does not give the final script"):
        read_log(log.replace("Mara sits.", "Mara sings."), first)
    with pytest.raises(UserError, match="of the format 'other'"):
        read_log(log.replace("distinctad.edits", "other"), first)
    for wrong in ("", "[]", "{}", "[" * 100_000):
        with pytest.raises(UserError, match="no JSON of ours"):
            read_log(wrong, first)


def test_documents_from_outside_are_checked() -> None:
    first = draft()
    assert read_document(to_json(first), "a.json") == first
    with pytest.raises(UserError, match="not JSON"):
        read_document("{", "a.json")
    twice, late, strange = draft(), draft(), draft()
    twice["cues"][1]["index"] = 1
    late["cues"][1]["end_s"] = 1.0
    strange["cues"][0]["text"] = ["<b>"]
    for wrong, said in (
        (twice, "two cues of one index"),
        (late, "ends before it starts"),
        (strange, "cues/0/text"),
        ([], "the top"),
        (float("nan"), "the top"),
    ):
        with pytest.raises(UserError, match=said):
            checked_document(wrong, "a.json")


def test_why_says_what_is_new_and_where_the_rest_was_said() -> None:
    found = why(["Mara lifts the cup.", "Mara drops the cup.", "Tom laughs at Mara's cup."], ["Mara", "Tom"])
    assert found[0] == {"new": ["lifts"], "said": {"cup": [2, 3]}}
    assert found[2] == {"new": ["laughs"], "said": {"cup": [1, 2]}}
    assert why(["A dog.", "", "A dog."], neighbours=1)[0] == {"new": ["dog"], "said": {}}


@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [
        (10, 14.0),  # in its room, 9.15 to 14: all that is left of it
        (9.15, 14.0),
        (13, 14.0),
        (14, 16.0),  # elsewhere: as long as it was
        (20, 22.0),
        (5, 7.0),
        (29.5, 30.0),  # and never past the film's end
    ],
)
def test_an_edited_line_gets_the_rest_of_its_room_only_where_it_is_in_it(start_s: float, end_s: float) -> None:
    first = draft()
    first["cues"][0]["provenance"]["room_s"] = [9.15, 14.0]
    first["cues"][0].update(start_s=10.0, end_s=12.0)
    gone = [Edit(i, "removed", False, True) for i in (2, 3)]
    edits = [Edit(1, "text", "Mara runs.", "Mara sits."), Edit(1, "start_s", 10.0, start_s)]
    cue = replay(first, [*gone, *edits])["cues"][0]
    assert (cue["start_s"], cue["end_s"]) == (start_s, end_s)


def test_a_line_moved_to_the_films_end_ends_with_the_film() -> None:
    """The page offers it so ("heard in the extended film only"); it refused all the exports."""
    for text in ((), (Edit(3, "text", "Night falls.", "It is night."),)):
        for start_s, end_s in ((29.5, 30.0), (28.5, 30.0), (27.0, 29.0)):
            cue = replay(draft(), [*text, Edit(3, "start_s", 21.0, start_s)])["cues"][2]
            assert (cue["start_s"], cue["end_s"]) == (start_s, end_s)
    long = draft()
    long["cues"][2]["end_s"] = 30.4  # the draft's own end, within what the film's length is known to
    assert replay(long, [Edit(3, "reviewed", False, True)])["cues"][2]["end_s"] == 30.4


def test_an_edited_line_that_filled_its_room_still_ends_with_it_when_moved() -> None:
    first = draft()
    first["cues"][0]["end_s"] = 5.0
    cue = replay(first, [Edit(1, "text", "Mara runs.", "Mara sits."), Edit(1, "start_s", 1.0, 2.0)])["cues"][0]
    assert (cue["start_s"], cue["end_s"]) == (2.0, 5.0)


def test_an_edited_line_that_was_put_beside_its_room_keeps_at_least_its_length() -> None:
    first = draft()
    for start_s, end_s in ((0.2, 5.0), (5.5, 7.5)):
        first["cues"][0].update(start_s=start_s, end_s=start_s + 2.0)
        first["cues"][0]["provenance"]["fit"] = "moved"
        assert replay(first, [Edit(1, "text", "Mara runs.", "Mara sits.")])["cues"][0]["end_s"] == end_s


def test_a_line_may_be_added_after_a_new_text_wherever_that_was_moved() -> None:
    """The page takes the seconds predicted for it, at least a tenth; nobody knows them here."""
    edits = [
        Edit(1, "text", "Mara runs.", "Run."),
        Edit(1, "start_s", 1.0, 6.0),
        Edit(4, "added", False, {"start_s": 6.5, "end_s": 7.5, "text": "It snows."}),
    ]
    assert [(cue["start_s"], cue["end_s"]) for cue in replay(draft(), edits)["cues"][:2]] == [(6.0, 6.5), (6.5, 7.5)]


def test_a_reviewed_script_of_which_a_mark_is_taken_off_is_a_draft_again() -> None:
    done = replay(draft(), [Edit(i, "reviewed", False, True) for i in (1, 2, 3)])
    assert replay(done, [])["review"] == REVIEWED
    assert replay(done, [Edit(2, "reviewed", True, False)])["review"] == REVIEW


@pytest.mark.parametrize("text", ["Tom  waits.", "Tom\u00a0waits.", "Tom\nwaits.", " Tom waits. "])
def test_a_draft_whose_text_is_not_clean_can_be_edited(text: str) -> None:
    first = draft("Mara runs.", text)
    for before in (text, "Tom waits."):
        assert replay(first, [Edit(2, "text", before, "Tom sits.")])["cues"][1]["text"] == "Tom sits."
    with pytest.raises(UserError, match="text was 'Tomwaits.'"):
        replay(first, [Edit(2, "text", "Tomwaits.", "Tom sits.")])
