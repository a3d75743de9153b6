"""Where the extended film stops and what is heard there, and when a description ends that only it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import FakePipe

from distinctad.audio import mix, sound
from distinctad.describe import describe, draft
from distinctad.edited import voice_over
from distinctad.formats.convert import read_script
from distinctad.plan import plan
from distinctad.planner_fit import MOST_MOVE_S
from distinctad.review import Edit, replay
from distinctad.subtitles import Speech
from distinctad.track import Track, TrackSettings
from distinctad.unsaid import PLACEHOLDER

LENGTH_S, RAMP_S = 12.0, 0.15
pytestmark = pytest.mark.usefixtures("hum")  # a third of a second a word
Placed = tuple[list[mix.Spot], list[mix.Spot], list[mix.Pause]]


def placed(folder: Path, film: Path, speech: list[Speech], told: list[tuple[float, float, str]]) -> Placed:
    """Of texts with their intervals: what is heard in the film, and in the one that stops."""
    rows = "".join(f"{start_s},{end_s}\n" for start_s, end_s, _ in told)
    (folder / "a.csv").write_text(f"start,end\n{rows}")
    track = Track(plan(film, intervals=folder / "a.csv"), None, TrackSettings(), speech)
    cues = [
        {"start_s": start_s, "end_s": end_s, "text": text, "provenance": {"text_from": "model"}}
        for start_s, end_s, text in told
    ]
    document = {"warnings": [], "model": {"name": "m", "sha256": None}, "generation": {"seed": 0}, "cues": cues}
    track.fitted(document, [[(text, 0.0)] for _, _, text in told])
    return track._spots(sound.programme_of(film, LENGTH_S))


def stretches(spots: list[mix.Spot], rate_hz: int = 16_000) -> list[tuple[float, float]]:
    return sorted((spot.start_s, spot.start_s + spot.sound.size / rate_hz) for spot in spots)


def softest(speech: list[Speech], spots: list[mix.Spot], pauses: list[mix.Pause]) -> float:
    """The lowest gain of the film while somebody speaks, in the version with these pauses."""
    times_s = np.concatenate([np.linspace(line.start_s + 1e-6, line.end_s - 1e-6, 400) for line in speech])
    later_s = np.sort([time_s + mix.delay(time_s, pauses) for time_s in times_s])
    return float(mix.gain_at(later_s, stretches(spots), 0.1, RAMP_S).min())


def words(count: int) -> str:
    return " ".join(["red"] * count)


@pytest.mark.parametrize("start_s", [9.4, 6.2])  # to the end of the dialogue, to its start
def test_no_dialogue_is_lowered_under_a_line_that_it_stops_for(film: Path, tmp_path: Path, start_s: float) -> None:
    speech = [Speech(6.0, 10.0, "Nothing will change my mind.")]
    inline, later, pauses = placed(tmp_path, film, speech, [(start_s, 9.8, "Theo opens it.")])
    stop_s = 10.0 if start_s > 8 else 6.0
    assert inline == [] and [spot.start_s for spot in later] == [stop_s + 0.15]
    assert pauses == [mix.Pause(stop_s, 1.34)]  # the guard, 0.99 s and a breath
    assert softest(speech, later, pauses) == 1.0


@pytest.mark.parametrize("guard_s", [0.0, 0.15, 0.5])
def test_the_guard_is_kept_free_around_a_line_that_the_film_stops_for(
    film: Path, tmp_path: Path, guard_s: float
) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:03,000 --> 00:00:05,000\nHello.\n")
    made = draft(film, subtitles=tmp_path / "a.srt", pipe=FakePipe(lambda index, more: "Mara runs."))
    final = replay(made.document, [Edit(1, "start_s", 0.0, 3.1)])
    final["intervals"]["rules"]["guard_s"] = guard_s
    track = voice_over(final, film, made.speech, TrackSettings())
    track.as_edited(final)
    _, later, pauses = track._spots(sound.programme_of(film, LENGTH_S))
    after_s = max(0.2, guard_s)
    assert pauses[0] == mix.Pause(3.0, round(guard_s + 0.66 + after_s, 3)) and later[0].start_s == 3.0 + guard_s


@pytest.mark.parametrize(
    ("second", "stop_s", "said_s"),
    [((5.8, 9.0), 5.85, 6.03), ((6.3, 8.0), 6.0, 6.15)],  # with a room too short, and without any
)
def test_a_breath_after_the_line_before_is_taken_in_the_pause(
    film: Path, tmp_path: Path, second: tuple[float, float], stop_s: float, said_s: float
) -> None:
    speech = [Speech(6.0, 10.0, "Nothing will change my mind.")]
    told = [(3.85, 5.75, words(6)), (*second, "Theo waits.")]  # the first is spoken until 5.83 s
    inline, later, pauses = placed(tmp_path, film, speech, told)
    assert stretches(inline) == [pytest.approx((3.85, 5.83))]
    assert stretches(later)[1] == pytest.approx((said_s, said_s + 0.66))
    assert pauses == [mix.Pause(stop_s, round(said_s + 0.86 - stop_s, 3))]


def test_a_line_at_the_end_of_the_film_waits_for_the_one_before(film: Path, tmp_path: Path) -> None:
    told = [(10.0, 11.95, words(6)), (11.95, 12.0, "Theo waits.")]
    _, later, pauses = placed(tmp_path, film, [], told)
    assert stretches(later) == [pytest.approx((10.0, 11.98)), pytest.approx((12.18, 12.84))]
    assert pauses == [mix.Pause(11.9, 1.14)]


def in_time(random: np.random.Generator, at_s: float, pauses: tuple[float, ...]) -> list[tuple[float, float]]:
    found = []
    while at_s < LENGTH_S - 0.4:
        end_s = min(at_s + float(random.uniform(0.3, 3.0)), LENGTH_S - 0.1)
        found.append((round(at_s, 3), round(end_s, 3)))
        at_s = end_s + float(random.choice(pauses))
    return found


def test_whatever_the_places_nothing_is_lowered_cut_or_said_together(film: Path, tmp_path: Path) -> None:
    random, stops = np.random.default_rng(7), 0
    for seed in range(20):
        speech = [Speech(*line, "Well.") for line in in_time(random, random.uniform(0, 3), (0.05, 0.3, 0.6, 1.5, 3.0))]
        times = in_time(random, random.uniform(0, 1), (0.0, 0.05, 0.2, 1.0))
        told = [(*time, words(int(random.integers(1, 9)))) for time in times]
        inline, later, pauses = placed(tmp_path, film, speech, told)
        for spots in (stretches(inline), stretches(later)):
            assert all(b[0] >= a[1] for a, b in zip(spots, spots[1:], strict=False)), seed
        assert [pause.at_s for pause in pauses] == sorted(pause.at_s for pause in pauses), seed
        assert softest(speech, inline, []) > 0.999 and softest(speech, later, pauses) > 0.999, seed
        cut = [pause for pause in pauses for line in speech if line.start_s < pause.at_s < line.end_s]
        assert not cut or max(line.end_s - line.start_s for line in speech) > MOST_MOVE_S, seed
        stops += len(pauses)
    assert stops > 20


@pytest.fixture
def in_dialogue(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Three intervals, the second and the third of them where somebody speaks throughout; nobody wrote the third."""
    (tmp_path / "a.srt").write_text("1\n00:00:03,000 --> 00:00:09,000\nNothing will change my mind.\n")
    (tmp_path / "a.csv").write_text("start,end\n0.5,2.5\n3.5,5.75\n6.0,8.25\n")
    monkeypatch.setattr(Track, "makers", lambda self, script: {})  # films take a second to write
    pipe = FakePipe(lambda index, more: ["Mara waves.", "Theo opens it.", ""][index])
    given: dict[str, Any] = {"subtitles": tmp_path / "a.srt", "intervals": tmp_path / "a.csv", "pipe": pipe}
    return describe(film, tmp_path / "out", export="all", **given).document


def test_a_line_without_a_room_lasts_as_long_as_its_interval(in_dialogue: dict[str, Any], tmp_path: Path) -> None:
    assert [cue["provenance"].get("fit") for cue in in_dialogue["cues"]] == ["whole", "extended", None]
    times = [(500, 1160), (3500, 5750), (6000, 8250)]
    assert [(round(cue["start_s"] * 1000), round(cue["end_s"] * 1000)) for cue in in_dialogue["cues"]] == times
    assert [cue["provenance"]["room_s"] for cue in in_dialogue["cues"]][1:] == [[3.5, 3.5], [6.0, 6.0]]
    for name in ("descriptions.json", "descriptions.csv", "descriptions.srt", "descriptions.dapt.xml"):
        cues = read_script(tmp_path / "out" / name).cues
        assert [(cue.start_ms, cue.end_ms) for cue in cues] == times, name
        assert cues[2].text == PLACEHOLDER
    spoken = read_script(tmp_path / "out" / "descriptions.vtt").cues
    assert [(cue.start_ms, cue.end_ms) for cue in spoken] == times[:2]


def test_a_reviewed_line_without_a_room_keeps_its_end_and_frees_no_dialogue(
    in_dialogue: dict[str, Any], film: Path
) -> None:
    for speech in ([Speech(3.0, 9.0, "Nothing will change my mind.")], None):
        track = voice_over(in_dialogue, film, speech, TrackSettings(), in_dialogue)
        second = track.as_edited(in_dialogue)["cues"][1]
        assert (second["provenance"]["fit"], second["end_s"]) == ("extended", 5.75)
        inline, _, _ = track._spots(sound.programme_of(film, LENGTH_S))
        assert [spot.start_s for spot in inline] == [0.5]
