"""What a track says of itself where players look, what it leaves unsaid, the captions beside its films, and rooms."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import webvtt
from stand_ins import FakePipe, write_film

from distinctad.audio import mix, sound
from distinctad.audio import voice as voices
from distinctad.describe import ALL_FILES, describe, draft, rehearse
from distinctad.edited import export_edited, voice_over
from distinctad.errors import UserError
from distinctad.exports import FILES, REVIEW, to_json
from distinctad.formats.captions import NOTE
from distinctad.formats.convert import convert, read_script
from distinctad.formats.reading import in_rooms, narrator_script
from distinctad.formats.script import Script, ScriptCue, script_of
from distinctad.player import page
from distinctad.review import REVIEWED, Edit, replay
from distinctad.subtitles import Speech
from distinctad.track import CAPTION_FILES, MEDIA_FILES, Track, TrackSettings
from distinctad.unsaid import PLACEHOLDER

SRT = "1\n00:00:03,000 --> 00:00:05,000\nHello, <i>Mara</i>.\n\n2\n00:00:06,500 --> 00:00:08,000\nYes & no?\n"
LONG = "An old man, smiling, waits here."  # for a gap of 1.2 s
UNREVIEWED = REVIEW.partition(":")[0]
pytestmark = pytest.mark.usefixtures("hum")


@pytest.fixture
def srt(tmp_path: Path) -> Path:
    (tmp_path / "s.srt").write_text(SRT, encoding="utf-8")
    return tmp_path / "s.srt"


def told(*texts: str) -> FakePipe:
    return FakePipe(lambda index, generation: texts[index])


def tags(path: Path) -> tuple[str, str]:
    """A file's title and comment, as a player reads them."""
    with av.open(str(path)) as container:
        return container.metadata["title"], container.metadata["comment"]


def last_track(path: Path) -> str:
    with av.open(str(path)) as container:
        return str(container.streams.audio[-1].metadata["handler_name"])


def cues_in(html: str) -> list[dict[str, Any]]:
    data = re.search(r'id="cues">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    return list(json.loads(data.group(1)))


def test_sound_and_films_say_that_nobody_has_reviewed_them(film: Path, srt: Path, tmp_path: Path) -> None:
    describe(film, tmp_path / "a", subtitles=srt, pipe=told("Mara runs.", LONG, "Tom waits."), export="all")
    for name in MEDIA_FILES:
        title, comment = tags(tmp_path / "a" / name)
        assert f"udio description, {UNREVIEWED}: film_7.mp4" in title, name
        assert "(synthetic voice hum) of film_7.mp4" in comment and REVIEW in comment, name
    assert last_track(tmp_path / "a" / "described.mp4") == f"Audio description, {UNREVIEWED} (synthetic voice hum)"
    assert last_track(tmp_path / "a" / "extended.mp4").startswith(f"Extended audio description, {UNREVIEWED} (")


@pytest.mark.parametrize("all_of_them", [False, True])
def test_the_note_goes_when_every_line_is_reviewed(film: Path, srt: Path, tmp_path: Path, all_of_them: bool) -> None:
    made = draft(film, subtitles=srt, pipe=told("Mara runs.", LONG, "Tom waits."))
    count = len(made.document["cues"]) if all_of_them else 1
    edits = [Edit(cue["index"], "reviewed", False, True) for cue in made.document["cues"][:count]]
    export_edited(made.document, edits, tmp_path / "out", speech=made.speech, film=film)
    for name in MEDIA_FILES:
        title, comment = tags(tmp_path / "out" / name)
        assert [UNREVIEWED in title, REVIEW in comment, REVIEWED in comment] == [not all_of_them] * 2 + [all_of_them]
    assert (UNREVIEWED in last_track(tmp_path / "out" / "described.mp4")) is not all_of_them


def test_a_placeholder_is_spoken_nowhere_and_stays_in_the_scripts(
    film: Path, srt: Path, tmp_path: Path, hum: voices.Remembering
) -> None:
    out = tmp_path / "out"
    made = describe(film, out, subtitles=srt, pipe=told("", LONG, " "), export="all")
    assert [cue["text"] for cue in made.cues] == [PLACEHOLDER, LONG, PLACEHOLDER]
    assert [cue["provenance"].get("fit") for cue in made.cues] == [None, "extended", None]
    assert (made.cues[0]["start_s"], made.cues[0]["end_s"]) == (0.0, 2.85)  # the room that a person may fill
    assert "2 description(s) are placeholders and spoken nowhere: a person must write them" in made.document["warnings"]
    for name in ("descriptions.dapt.xml", "descriptions.csv", "descriptions.srt"):
        assert [cue.text for cue in read_script(out / name).cues] == [PLACEHOLDER, LONG, PLACEHOLDER], name
    # What is spoken or read as it stands holds none; whoever narrates sees where one is to be written.
    assert [cue.text for cue in read_script(out / "descriptions.vtt").cues] == [LONG]
    assert PLACEHOLDER not in (out / "transcript.txt").read_text("utf-8")
    narrator = (out / "script-for-narrator.txt").read_text("utf-8")
    assert PLACEHOLDER not in narrator and narrator.count("    (to be written)") == 2
    for name in ("narration.wav", "mix.wav"):
        with av.open(str(out / name)) as container:
            assert all(np.abs(frame.to_ndarray()).max() < 200 for frame in container.decode(audio=0)), name
    html = (out / "player.html").read_text("utf-8")
    assert [cue["text"] for cue in cues_in(html)] == [LONG] and "1 too long for their gaps" in html


def test_a_placeholder_of_a_reviewed_script_is_not_spoken_either(film: Path, srt: Path) -> None:
    made = draft(film, subtitles=srt, pipe=told("Mara runs.", "Snow.", ""))
    third = made.document["cues"][2]
    third["provenance"].update(fit="whole", spoken_s=0.66)  # as earlier drafts have it
    track = voice_over(made.document, film, made.speech, TrackSettings())
    document = track.as_edited(made.document)
    assert "fit" not in document["cues"][2]["provenance"]
    inline, later, pauses = track._spots(sound.programme_of(film, 12.0))
    assert [spot.start_s for spot in inline] == [spot.start_s for spot in later] == [0.0, 5.15] and pauses == []
    assert [cue["recorded"] for cue in cues_in(track.texts(document)["player.html"])] == [True, True]
    accepted = [Edit(index, "reviewed", False, True) for index in (1, 2, 3)]
    assert replay(made.document, accepted)["review"] == REVIEW  # nobody can accept what says nothing
    filled = replay(made.document, [Edit(3, "text", PLACEHOLDER, "Tom waits."), *accepted])
    assert filled["review"] == REVIEWED
    track = voice_over(filled, film, made.speech, TrackSettings())
    track.as_edited(filled)
    assert len(track._spots(sound.programme_of(film, 12.0))[0]) == 3


def test_a_line_may_last_into_a_placeholder(film: Path, srt: Path) -> None:
    made = draft(film, subtitles=srt, pipe=told("Mara runs on and on.", "Snow.", ""))  # 1.65 s
    moved = [Edit(1, "start_s", 0.0, 8.2), Edit(3, "start_s", 8.15, 8.5), Edit(3, "end_s", 12.0, 11.0)]
    final = replay(made.document, moved)
    spoken = voice_over(final, film, made.speech, TrackSettings()).as_edited(final)["cues"]
    assert [cue["index"] for cue in spoken] == [2, 1, 3] and spoken[1]["provenance"]["fit"] == "whole"


def test_the_browser_speaks_no_placeholder_and_nothing_empty() -> None:
    unsaid = {"text_from": "placeholder"}
    cues = (
        ScriptCue(0, 900, PLACEHOLDER, "1", (), unsaid), ScriptCue(1000, 1900, "", "2"),
        ScriptCue(2000, 2900, "Snow.", "3", (), unsaid), ScriptCue(4000, 4900, PLACEHOLDER, "4"),
    )  # fmt: skip
    assert [cue["text"] for cue in cues_in(page(Script(cues), [], "a.mp4"))] == ["Snow.", PLACEHOLDER]


def test_captions_go_beside_the_films(film: Path, srt: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = describe(film, out, subtitles=srt, pipe=told("Mara runs.", LONG, "Tom waits."), export="all")
    assert [path.name for path in made.files][-2:] == [*CAPTION_FILES]
    pause_s = round(made.cues[1]["provenance"]["spoken_s"] + 0.2 - 1.2, 3)
    for name in CAPTION_FILES:
        text = (out / name).read_text("utf-8")
        assert text.startswith("WEBVTT\nKind: captions\nLanguage: und\n") and NOTE in text
        assert [caption.raw_text for caption in webvtt.from_string(text)] == ["Hello, Mara.", "Yes &amp; no?"]
    times = [[(c.start, c.end) for c in webvtt.read(str(out / name))] for name in CAPTION_FILES]
    assert times[0] == [("00:00:03.000", "00:00:05.000"), ("00:00:06.500", "00:00:08.000")]
    assert times[1][0] == times[0][0]
    start_s, end_s = (float(time[-6:]) for time in times[1][1])
    assert (start_s, end_s) == pytest.approx((6.5 + pause_s, 8.0 + pause_s))
    html = (out / "player.html").read_text("utf-8")
    assert all(f'href="./{name}"' in html for name in CAPTION_FILES)


def test_a_caption_stays_while_the_film_stops_in_it() -> None:
    pauses = [mix.Pause(2.0, 1.0), mix.Pause(5.0, 0.5)]
    assert mix.delayed(0.5, 1.0, pauses) == (0.5, 1.0)
    assert mix.delayed(1.0, 2.0, pauses) == (1.0, 2.0)  # it is over when the film stops
    assert mix.delayed(1.5, 3.0, pauses) == (1.5, 4.0)
    assert mix.delayed(2.0, 5.0, pauses) == (3.0, 6.0)
    assert mix.delayed(4.0, 6.0, pauses) == (5.0, 7.5)


def test_no_captions_where_no_word_is_known_nor_those_of_an_earlier_run(
    film: Path, srt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distinctad.planner.voice_activity", lambda film, duration_s: [Speech(3.0, 5.0)])
    makers = Track.makers
    few = {"narration.wav", *CAPTION_FILES}  # films take a second to write
    monkeypatch.setattr(
        Track, "makers", lambda self, script: {k: make for k, make in makers(self, script).items() if k in few}
    )
    out, pipe = tmp_path / "out", told(*["Mara runs."] * 9)
    describe(film, out, subtitles=srt, pipe=pipe, export="all")
    assert all((out / name).exists() for name in CAPTION_FILES)
    made = describe(film, out, pipe=pipe, export="all", overwrite=True)
    assert not any((out / name).exists() for name in CAPTION_FILES)
    assert "captions.vtt" not in (out / "player.html").read_text("utf-8")
    given: dict[str, Any] = {"film": film, "overwrite": True}
    for speech, expected in (([Speech(3.0, 5.0, "Hello.")], True), ([], False), (None, False)):
        files = export_edited(made.document, [], tmp_path / "edited", speech=speech, **given)
        assert [(tmp_path / "edited" / name).exists() for name in CAPTION_FILES] == [expected] * 2
        assert [name in {path.name for path in files} for name in CAPTION_FILES] == [expected] * 2


def test_an_earlier_track_goes_with_its_script_and_strange_files_stay(film: Path, srt: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    describe(film, out, subtitles=srt, pipe=told("Mara runs.", *["Jo sits."] * 8), export="all")
    assert {path.name for path in out.iterdir()} == set(ALL_FILES)
    describe(film, out, subtitles=srt, pipe=told(*["Mara sits."] * 9), overwrite=True)
    assert {path.name for path in out.iterdir()} == set(FILES)
    notes = tmp_path / "mine" / "transcript.txt"  # no earlier run lies beside it
    notes.parent.mkdir()
    notes.write_text("My own.")
    describe(film, notes.parent, subtitles=srt, pipe=told(*["Mara sits."] * 9), overwrite=True)
    assert notes.read_text() == "My own."


def test_a_film_that_mp4_cannot_carry_is_refused_before_it_is_described(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.webm", audio=False, codec="libvpx")
    (tmp_path / "a.srt").write_text(SRT)
    given: dict[str, Any] = {"subtitles": tmp_path / "a.srt", "export": "all"}
    with pytest.raises(UserError, match="'described.mp4' cannot be written .*libvpx.* Re-encode the film as H.264"):
        describe(film, tmp_path / "out", pipe=told(), **given)
    with pytest.raises(UserError, match="'described.mp4' cannot be written"):
        rehearse(film, **given)
    made = describe(film, subtitles=given["subtitles"], pipe=told(*["Mara runs."] * 9))
    with pytest.raises(UserError, match="'described.mp4' cannot be written"):
        voice_over(made.document, film, [], TrackSettings())


def room_lines(text: str) -> list[str]:
    return re.findall(r"IN (\S+  OUT \S+)", text)


def test_a_narrator_gets_the_room_and_not_what_the_voice_took(film: Path, srt: Path, tmp_path: Path) -> None:
    made = draft(film, subtitles=srt, pipe=told("Mara runs.", "Snow.", "Tom waits."))
    assert made.document["cues"][0]["end_s"] == 0.66
    rooms = ["00:00:00.000  OUT 00:00:02.850", "00:00:05.150  OUT 00:00:06.350", "00:00:08.150  OUT 00:00:12.000"]
    for speech in (made.speech, None):
        out = tmp_path / f"out{speech is None}"
        export_edited(made.document, [], out, speech=speech)
        assert room_lines((out / "script-for-narrator.txt").read_text("utf-8")) == rooms
        assert read_script(out / "descriptions.dapt.xml").cues[0].end_ms == 660  # the scripts stay as they are
        for source in ("descriptions.json", "descriptions.dapt.xml"):
            convert(out / source, out / "n.txt", overwrite=True)
            assert room_lines((out / "n.txt").read_text("utf-8")) == rooms
    assert room_lines(narrator_script(script_of(made.document), made.speech)) == rooms  # as `Track.texts` has it


def test_a_moved_line_has_the_room_of_its_new_place(film: Path, srt: Path, tmp_path: Path) -> None:
    made = draft(film, subtitles=srt, pipe=told("Mara runs.", "Snow.", "Tom waits."))
    moved = [Edit(1, "start_s", 0.0, 9.5), Edit(2, "start_s", 5.15, 3.2)]  # into the last gap, into dialogue
    expected = {
        True: ["00:00:03.200  OUT 00:00:03.530", "00:00:08.150  OUT 00:00:09.500", "00:00:09.500  OUT 00:00:12.000"],
        False: ["00:00:03.200  OUT 00:00:03.530", "00:00:08.150  OUT 00:00:09.500", "00:00:09.500  OUT 00:00:10.160"],
    }
    for known, lines in expected.items():
        export_edited(made.document, moved, tmp_path / str(known), speech=made.speech if known else None)
        assert room_lines((tmp_path / str(known) / "script-for-narrator.txt").read_text("utf-8")) == lines
    document = json.loads((tmp_path / "True" / "descriptions.json").read_text("utf-8"))
    assert to_json(document) == to_json(replay(made.document, moved, made.speech))


@pytest.mark.parametrize(
    ("room_s", "end_ms"),
    [
        ([1.0, 5.0], 5000), ([1.0, 9.0], 6000), ([1.5, 5.0], 2000), ([0.0, 0.5], 2000), ([1.0, 1.5], 2000),
        (None, 2000), ([1.0], 2000), ("15", 2000), ([1.0, float("nan")], 2000), ([1.0, 1e300], 2000), ([1, "5"], 2000),
    ],
)  # fmt: skip
def test_rooms_by_hand(room_s: Any, end_ms: int) -> None:
    cues = (ScriptCue(1000, 2000, "Snow.", "1", (), {"room_s": room_s}), ScriptCue(6000, 7000, "Rain."))
    longer = in_rooms(Script(cues)).cues
    assert longer[0].end_ms == end_ms and longer[1] == cues[1]
