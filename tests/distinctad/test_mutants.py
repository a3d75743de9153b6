"""What could be changed without a test that failed, found by mutations: one test for each."""

from __future__ import annotations

import copy
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from av.stream import Disposition
from stand_ins import FakePipe, Hum, write_film
from test_formats import bare, dapt_of

from distinctad.audio import mix, mux, sound
from distinctad.audio import voice as voices
from distinctad.describe import draft
from distinctad.edited import voice_over
from distinctad.errors import UserError
from distinctad.formats import dapt, script_json, subrip, webvtt_descriptions
from distinctad.formats.script import Script, ScriptCue, script_of
from distinctad.intervals import GapRules
from distinctad.planner import advise, find_gaps, plan_time
from distinctad.planner_fit import Room, fit
from distinctad.planner_rate import assumed
from distinctad.player import page
from distinctad.review import Edit, replay
from distinctad.shorten import shortened
from distinctad.subtitles import Speech
from distinctad.track import TrackSettings

RATE = assumed(2.0)
SRT = "1\n00:00:03,000 --> 00:00:05,000\nHello, Mara.\n\n2\n00:00:06,500 --> 00:00:08,000\nYes?\n"


def gaps_every(period_s: float, free_s: float, count: int) -> list[Speech]:
    return [Speech(period_s * i + free_s, period_s * (i + 1)) for i in range(count)]


@pytest.mark.parametrize(
    ("period_s", "free_s", "advice"),
    [
        (10.0, 1.8, "extended"),  # 15 % of the film, but each gap holds three words
        (10.0, 2.4, "standard"),  # 21 %, four words each
        (40.0, 2.4, "uncertain"),  # 5 % of the film
        (44.0, 5.2, "standard"),  # 11 %
        (80.0, 2.4, "extended"),  # 2.7 %
        (60.0, 12.0, "uncertain"),  # 20 %, but one waits for 48 s
    ],
)
def test_advice_counts_gaps_that_hold_four_words_and_their_share(period_s: float, free_s: float, advice: str) -> None:
    duration_s = 20 * period_s
    gaps = find_gaps(gaps_every(period_s, free_s, 20), duration_s, GapRules(), RATE)
    assert advise(gaps, duration_s)[0] == advice, advise(gaps, duration_s)[1]


def test_where_nothing_is_heard_a_person_must_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "a.mp4", 12.0)
    monkeypatch.setattr("distinctad.planner.voice_activity", lambda *_: [])
    found = plan_time(film, shots=False)
    assert (found.heard_by, found.advice) == ("voice activity", "uncertain") and "no speech was heard" in found.reason


def test_nothing_is_moved_far_from_its_picture() -> None:
    def seconds(text: str) -> float:
        return 12.0 if "windows" in text else 0.5

    places = [Room(30.0, 31.0, 0.0, 60.0), Room(31.0, 32.0, 0.0, 60.0)]
    found = fit(places, [[("Many windows break everywhere.", 0.0)], [("Rain.", 0.0)]], seconds, assumed(5.0))
    assert [one.how for one in found] == ["extended", "whole"]  # it would begin 11 s before its picture


def test_no_sample_of_a_levelled_voice_is_above_the_peak() -> None:
    spike = np.zeros(16_000, np.float32)
    spike[100] = 0.5
    assert np.abs(mix.levelled(spike)).max() == pytest.approx(0.85, abs=1e-6)
    steady = mix.levelled((0.01 * np.sin(np.arange(16_000) / 20)).astype(np.float32))
    assert 20 * np.log10(np.sqrt(np.mean(steady**2))) == pytest.approx(mix.LEVEL_DB, abs=0.01)


@pytest.fixture
def made(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    voice, find = voices.Remembering(Hum()), voices.find_voice
    monkeypatch.setattr(voices, "find_voice", lambda name="auto": find(name) if name == "none" else voice)
    (tmp_path / "a.srt").write_text(SRT, encoding="utf-8")
    return draft(film, subtitles=tmp_path / "a.srt", pipe=FakePipe(lambda index, more: "Mara runs."))


@pytest.mark.parametrize("guard_s", [0.0, 0.05, 0.3])
def test_the_programme_is_lowered_within_the_guards(
    made: Any, film: Path, guard_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ramps: list[float] = []
    duck = mix.Duck
    monkeypatch.setattr(mix, "Duck", lambda gain_db, ramp_s: (ramps.append(ramp_s), duck(gain_db, ramp_s))[1])
    final = copy.deepcopy(made.document)
    final["intervals"]["rules"]["guard_s"] = guard_s
    track = voice_over(final, film, made.speech, TrackSettings(), final)
    track.makers(script_of(track.as_edited(final)))
    assert len(ramps) == 1 and 0.02 <= ramps[0] <= max(0.02, min(0.15, guard_s))  # else dialogue is lowered


def test_after_a_pause_everything_is_heard_as_much_later(made: Any, film: Path) -> None:
    cues = made.document["cues"]
    final = replay(made.document, [Edit(2, "text", cues[1]["text"], "A text of ten words is too long for it.")])
    track = voice_over(final, film, made.speech, TrackSettings(), made.document)
    told = track.as_edited(final)["cues"]
    assert [cue["provenance"]["fit"] for cue in told] == ["whole", "extended", "whole"]
    inline, later, pauses = track._spots(sound.programme_of(film, 12.0))
    assert [spot.start_s for spot in inline] == [told[0]["start_s"], told[2]["start_s"]] and len(pauses) == 1
    wanted = [told[i]["start_s"] + mix.delay(told[i]["start_s"], pauses) for i in (0, 2)]
    assert [later[0].start_s, later[2].start_s] == pytest.approx(wanted) and wanted[1] > told[2]["start_s"] + 1


def test_no_line_is_spoken_into_the_next_one(made: Any, film: Path) -> None:
    """Nobody speaks, so only the next line bounds the first; its 5.28 s would end at 5.28, the next begins at 5.15."""
    cues = made.document["cues"]
    for words, fits in ((15, True), (16, False)):
        final = replay(made.document, [Edit(1, "text", cues[0]["text"], " ".join(["word"] * words))])
        told = voice_over(final, film, [], TrackSettings(), made.document).as_edited(final)["cues"]
        assert (told[0]["provenance"]["fit"] != "extended") is (words * 0.33 + 0.2 <= 5.15) is fits


def test_of_two_languages_the_scripts_own_is_taken() -> None:
    text = (
        '<div xml:id="a" begin="1s" end="3s"><p xml:lang="fr">Il court.</p><p>He runs.</p></div>'
        '<div xml:id="b" begin="4s" end="6s"><p xml:lang="fr">Il dort.</p></div>'
    )
    assert bare(dapt.read(dapt_of(text), "a.xml")) == [(1_000, 3_000, "He runs."), (4_000, 6_000, "Il dort.")]


def test_the_language_of_a_page_is_no_markup() -> None:
    class Tags(HTMLParser):
        found: list[str] = []

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            self.found.append(tag)

    tags = Tags()
    tags.feed(page(Script((ScriptCue(0, 1, "A."),), language='en"><img src=x>'), [], "a.mp4"))
    assert "img" not in tags.found


@pytest.mark.parametrize(
    "text",
    [
        "She never really smiles.",
        "Nobody actually waits there.",
        "He never wears a red coat.",
        "She never smiles openly.",
        "She no longer holds the red cup.",
        "Nobody waits there quietly.",
    ],
)
def test_what_a_reversing_word_bears_on_stays(text: str) -> None:
    assert shortened(text) == [], shortened(text)


def test_nothing_ends_in_the_air() -> None:
    for text, wrong in (
        ("Hansel weakens the barrier by shooting at it and then runs through.", " and."),
        ("Matty points her around a corner, then runs after her grinning.", " her."),
        ("Percy grabs a pan and throws it at the man behind the door.", " the."),
    ):
        assert shortened(text) and not [cut for cut in shortened(text) if cut.endswith(wrong)]


@pytest.mark.parametrize(("start_ms", "end_ms"), [(-5, 10), (10, 5)])
def test_json_cues_before_the_film_or_reversed_are_refused(start_ms: int, end_ms: int) -> None:
    text = script_json.write(Script((ScriptCue(1, 2, "A."),)))
    text = text.replace('"start_ms": 1', f'"start_ms": {start_ms}').replace('"end_ms": 2', f'"end_ms": {end_ms}')
    with pytest.raises(UserError, match="no JSON script"):
        script_json.read(text, "a.json")


def test_a_cover_is_not_taken_for_the_film() -> None:
    cover = SimpleNamespace(disposition=Disposition.attached_pic | Disposition.default)
    film = SimpleNamespace(disposition=Disposition.default)
    assert mux._picture(SimpleNamespace(streams=SimpleNamespace(video=[cover, film]))) is film


def test_the_programme_fades_where_it_is_stopped() -> None:
    programme = [np.ones((1, 1000), np.float32)] * 3
    out = np.concatenate(list(mix.mixed(programme, [], 1000, pauses=[mix.Pause(1.5, 0.5)])), axis=1)[0]
    assert out.size == 3500 and out[1500:2000].max() == 0.0
    assert np.abs(np.diff(out)).max() <= 0.051  # 20 ms from full to nothing; a step would click


def test_an_empty_line_inside_a_text_ends_no_cue() -> None:
    one = Script((ScriptCue(1000, 2000, "Mara runs.\n\n  \nShe falls.", "1"), ScriptCue(3000, 4000, "Rain.", "2")))
    for form, name in ((subrip, "a.srt"), (webvtt_descriptions, "a.vtt")):
        read = form.read(form.write(one), name)
        assert [cue.text for cue in read.cues] == ["Mara runs.\nShe falls.", "Rain."], name


def test_what_xml_cannot_hold_is_left_out() -> None:
    one = Script((ScriptCue(1000, 2000, "Mara\x00 \x0bruns\ufffe.\r\nShe falls.", "1"),), title="a\x01.mp4")
    read = dapt.read(dapt.write(one).encode(), "a.xml")
    assert (read.cues[0].text, read.title) == ("Mara runs.\nShe falls.", "a.mp4")


def test_a_moved_line_leaves_a_breath_on_either_side() -> None:
    from distinctad.planner_fit import BREATH_S, Room, fit
    from distinctad.planner_rate import assumed

    def seconds(text: str) -> float:
        return 0.5 * len(text.split())

    places = [Room(5.0, 6.0, 0.0, 9.0), Room(6.5, 7.0, 0.0, 9.0)]
    found = fit(places, [[("Many windows break.", 0.0)], [("Rain.", 0.0)]], seconds, assumed(2.0))
    assert found[0].how == "moved" and found[1].start_s - found[0].end_s >= BREATH_S - 1e-9


def test_a_line_that_was_moved_and_shortened_is_free_where_it_was_put() -> None:
    from distinctad.edited import _free

    for fit_, free in (("moved", (8.15, 11.0)), ("moved, shortened", (8.15, 11.0)), ("shortened", (9.5, 11.0))):
        cue = {"start_s": 8.15, "end_s": 8.81, "provenance": {"origin": "gap", "room_s": [9.5, 11.0], "fit": fit_}}
        assert _free(cue, cue) == free
