from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import av
import pytest
from stand_ins import FakePipe

from distinctad.audio import mix, sound
from distinctad.audio import voice as voices
from distinctad.describe import ALL_FILES, Draft, describe, draft
from distinctad.edited import REVIEW_FILES, export_edited, voice_over
from distinctad.errors import UserError
from distinctad.exports import FILES, to_json
from distinctad.formats.convert import read_script
from distinctad.review import Edit, read_document, read_log, replay
from distinctad.subtitles import Speech
from distinctad.track import CAPTION_FILES, TEXT_FILES, TrackSettings

SRT = "1\n00:00:03,000 --> 00:00:05,000\nHello, Mara.\n\n2\n00:00:06,500 --> 00:00:08,000\nYes?\n"
pytestmark = pytest.mark.usefixtures("hum")


@pytest.fixture
def made(film: Path, tmp_path: Path) -> Draft:
    (tmp_path / "a.srt").write_text(SRT, encoding="utf-8")
    return draft(film, subtitles=tmp_path / "a.srt", pipe=FakePipe(lambda index, more: "Mara runs."))


def edits_of(document: dict[str, Any]) -> list[Edit]:
    cues = document["cues"]
    return [
        Edit(cues[0]["index"], "text", cues[0]["text"], "Mara runs <off> & away."),
        Edit(cues[1]["index"], "text", cues[1]["text"], "A text of a dozen words, far too long for so short a gap."),
        Edit(cues[2]["index"], "removed", False, True),
    ]


def test_texts_alone_need_no_film_and_follow_the_log(made: Draft, tmp_path: Path) -> None:
    edits = edits_of(made.document)
    files = export_edited(made.document, edits, tmp_path / "out", speech=made.speech)
    assert {path.name for path in files} == {*FILES, *TEXT_FILES, *REVIEW_FILES}
    out = tmp_path / "out"
    base = read_document((out / "descriptions.draft.json").read_text("utf-8"), "draft")
    log = read_log((out / "edit-log.json").read_text("utf-8"), base)
    assert to_json(replay(base, log)) == (out / "descriptions.json").read_text("utf-8")
    for name in (*FILES, "descriptions.dapt.xml"):
        assert [cue.text for cue in read_script(out / name).cues] == [edit.after for edit in edits[:2]]
    page = (out / "player.html").read_text("utf-8")
    assert "Mara runs &lt;off&gt; &amp; away." in page and "<audio" not in page and "./film_7.mp4" in page
    assert "Hello, Mara." in (out / "transcript.txt").read_text("utf-8")


def test_with_the_film_every_file_is_made_and_no_word_is_cut(made: Draft, film: Path, tmp_path: Path) -> None:
    edits, too_long = edits_of(made.document), list[int]()
    where = tmp_path / "out"
    files = export_edited(made.document, edits, where, speech=made.speech, film=film, too_long=too_long)
    assert too_long == [made.document["cues"][1]["index"]]
    assert {path.name for path in files} == {*ALL_FILES, *REVIEW_FILES}
    voiced = voice_over(replay(made.document, edits), film, made.speech, TrackSettings())
    cues = voiced.as_edited(replay(made.document, edits))["cues"]
    assert [cue["text"] for cue in cues] == [edit.after for edit in edits[:2]]
    assert [cue["provenance"]["fit"] for cue in cues] == ["whole", "extended"]
    assert cues[0]["provenance"]["spoken_s"] == pytest.approx(0.33 * 5) and cues[0]["provenance"]["edited"] is True
    with av.open(str(tmp_path / "out" / "extended.mp4")) as longer, av.open(str(film)) as whole:
        assert longer.duration > whole.duration + 1_000_000  # the long line was given a pause


def test_a_line_moved_into_dialogue_is_never_spoken_over_it(made: Draft, film: Path) -> None:
    cue = made.document["cues"][0]
    final = replay(made.document, [Edit(cue["index"], "start_s", cue["start_s"], 3.2)])
    spoken = voice_over(final, film, made.speech, TrackSettings()).as_edited(final)["cues"]
    moved = next(one for one in spoken if one["index"] == cue["index"])
    assert moved["provenance"]["fit"] == "extended"


def test_the_film_stops_behind_the_dialogue_that_a_line_starts_in(made: Draft, film: Path) -> None:
    cue = made.document["cues"][2]  # 8.15 to 8.81 s; somebody speaks until 8
    final = replay(made.document, [Edit(cue["index"], "start_s", cue["start_s"], 7.7)])
    track = voice_over(final, film, made.speech, TrackSettings())
    track.as_edited(final)
    _, later, pauses = track._spots(sound.programme_of(film, 12.0))
    assert pauses == [mix.Pause(8.0, 1.01)] and later[-1].start_s == 8.15  # the guard, 0.66 s and a breath


@pytest.mark.parametrize(("text", "fit"), [("Mara runs.", "whole"), ("Mara runs on and on.", "extended")])
def test_a_line_is_judged_by_the_free_time_that_it_starts_in(made: Draft, film: Path, text: str, fit: str) -> None:
    """Of 5 to 11 s, 5 to 6.35 and 9.15 to 11 s are free; the second part is the longer one."""
    final = copy.deepcopy(made.document)
    final["cues"] = [{**final["cues"][0], "text": text, "start_s": 5.0, "end_s": 11.0}]
    track = voice_over(final, film, [Speech(6.5, 9.0)], TrackSettings())
    assert track.as_edited(final)["cues"][0]["provenance"]["fit"] == fit
    _, later, pauses = track._spots(sound.programme_of(film, 12.0))
    assert later[0].start_s == 5.0 and pauses == ([] if fit == "whole" else [mix.Pause(6.35, 0.5)])


def test_a_line_that_was_too_long_and_now_fits_is_not_called_so(made: Draft, film: Path) -> None:
    final = copy.deepcopy(made.document)
    final["cues"][0]["provenance"]["fit"] = "extended"
    final["cues"][1]["provenance"]["fit"] = "shortened"
    told = voice_over(final, film, made.speech, TrackSettings()).as_edited(final)["cues"]
    assert [cue["provenance"]["fit"] for cue in told][:2] == ["whole", "shortened"]


def test_another_film_and_no_voice_are_refused_and_leave_nothing(made: Draft, film: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(film.read_bytes() + b"\0")
    with pytest.raises(UserError, match="is not the one that this script was made for"):
        export_edited(made.document, [], tmp_path / "out", film=other)
    with pytest.raises(UserError, match="there is no voice"):
        export_edited(made.document, [], tmp_path / "out", film=film, track=TrackSettings("none"))
    with pytest.raises(UserError, match="no voice to speak with"):
        describe(film, tmp_path / "out", pipe=FakePipe(), export="all", track=TrackSettings("none"))
    assert not (tmp_path / "out").exists()


def test_without_a_voice_times_are_assumed_and_nothing_is_heard(film: Path, tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT, encoding="utf-8")
    planned = draft(film, subtitles=tmp_path / "a.srt", pipe=FakePipe(), track=TrackSettings("none"))
    assert planned.rate.words_in(4.0) == 10 and "no voice" in planned.document["cues"][0]["provenance"]["voice"]
    with pytest.raises(UserError, match="there is no voice to speak with"):
        voices.find_voice("none").speak("Mara runs.")
    assert json.loads(to_json(planned.document))


def recorded(page: Path) -> list[bool]:
    """For each line of an exported page whether the narration holds it."""
    data = re.search(r'id="cues">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert data is not None
    return [cue["recorded"] for cue in json.loads(data.group(1))]


def test_of_unknown_dialogue_a_line_keeps_to_what_the_draft_says_is_free(
    made: Draft, film: Path, tmp_path: Path
) -> None:
    """Work reopened from its files has no dialogue; the rooms of its draft, 0 to 2.85 and 5.15 to 6.35 s, it has."""
    cues = made.document["cues"]
    assert [cue["provenance"]["room_s"][1] for cue in cues[:2]] == pytest.approx([2.85, 6.35])
    edits = [
        Edit(1, "text", cues[0]["text"], "Mara runs away from all of them here."),  # 2.6 s
        Edit(2, "text", cues[1]["text"], "Tom waits for her there."),  # 1.7 s, as the dialogue begins again
    ]
    assert recorded(_page(made, edits, film, tmp_path / "a")) == [True, False, True]
    longer = Edit(1, "text", edits[0].after, f"{edits[0].after} Snow falls.")  # 3.3 s
    assert recorded(_page(made, [*edits, longer], film, tmp_path / "b"))[0] is False
    moved = Edit(1, "start_s", cues[0]["start_s"], 3.2)
    assert recorded(_page(made, [moved], film, tmp_path / "c")) == [False, True, True]
    assert recorded(_page(made, [], film, tmp_path / "d")) == [True, True, True]
    transcript = (tmp_path / "d" / "transcript.txt").read_text("utf-8")
    assert "Dialogue:" not in transcript and "Description: Mara runs." in transcript
    # Nobody speaks is not the same as nobody knows.
    files = export_edited(made.document, edits, tmp_path / "e", speech=[], film=film)
    assert {path.name for path in files} == {*ALL_FILES, *REVIEW_FILES} - {*CAPTION_FILES} and recorded(
        tmp_path / "e" / "player.html"
    ) == [True, True, True]


def _page(made: Draft, edits: list[Edit], film: Path, out: Path) -> Path:
    export_edited(made.document, edits, out, film=film)
    return out / "player.html"


def test_of_unknown_dialogue_moved_bare_and_added_lines_have_their_own_places(made: Draft, film: Path) -> None:
    base = copy.deepcopy(made.document)
    first, second, third = base["cues"]
    third["provenance"].update(room_s=[9.5, 11.0], fit="moved")  # put before its room, from 8.15 s on
    third.update(start_s=8.15, end_s=8.81)
    del second["provenance"]["room_s"]  # as drafted without a voice: the interval is all that is known
    second.update(start_s=5.15, end_s=6.35)
    edits = [
        Edit(3, "text", third["text"], "Mara runs on and on."),
        Edit(2, "start_s", 5.15, 5.4),
        Edit(4, "added", False, {"start_s": 3.0, "end_s": 3.5, "text": "Snow."}),
    ]
    final = replay(base, edits)
    told = voice_over(final, film, None, TrackSettings(), base).as_edited(final)["cues"]
    fits = {cue["index"]: cue["provenance"]["fit"] for cue in told}
    assert {at: fits[at] != "extended" for at in fits} == {1: True, 2: True, 3: True, 4: True}
    final = replay(base, [Edit(3, "start_s", 8.15, 7.9), Edit(2, "start_s", 5.15, 6.0)])
    told = voice_over(final, film, None, TrackSettings(), base).as_edited(final)["cues"]
    assert [cue["provenance"]["fit"] for cue in told][1:] == ["extended", "extended"]


@pytest.mark.parametrize(("start_s", "end_s", "heard"), [(5.6, 6.26, False), (8.25, 8.91, True), (8.15, 11.5, False)])
def test_a_moved_line_that_a_person_puts_elsewhere_frees_no_time_there(
    made: Draft, film: Path, start_s: float, end_s: float, heard: bool
) -> None:
    """Reopened alone, a script took all between such a line and its old room for free: dialogue from 6.5 to 8 s."""
    base = copy.deepcopy(made.document)
    third = base["cues"][2]
    third["provenance"].update(room_s=[9.5, 11.0], fit="moved")  # put before its room, from 8.15 s on
    third.update(start_s=8.15, end_s=8.81)
    again = replay(base, [Edit(3, "start_s", 8.15, start_s), Edit(3, "end_s", 8.81, end_s)])
    long = replay(again, [Edit(3, "text", third["text"], "Mara runs on and on and on there.")])
    for final in (again, long):
        told = voice_over(final, film, None, TrackSettings(), again).as_edited(final)["cues"]
        assert (told[-1]["provenance"]["fit"] != "extended") is heard
    assert replay(base, [Edit(3, "reviewed", False, True)])["cues"][2]["provenance"]["fit"] == "moved"
