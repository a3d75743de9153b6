from __future__ import annotations

import copy
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from stand_ins import FakePipe

from distinctad.describe import draft
from distinctad.errors import UserError
from distinctad.exports import to_json
from distinctad.review import Edit, log_of
from distinctad.track import TrackSettings
from space import work
from space.limits import Limits, check_file
from space.visits import Visits
from space.zero_gpu import LENT, on_gpu

LIMITS = Limits(text_mb=1, cues=10, cast_files=3)


@pytest.fixture(scope="module")
def made(film: Path, srt: Path) -> work.Work:
    return work.of_draft(draft(film, subtitles=srt, pipe=FakePipe(), track=TrackSettings("none")))


def test_what_is_packed_is_unpacked_through_a_browser_too(made: work.Work) -> None:
    packed = made.packed()
    again = work.unpack(json.loads(json.dumps(packed)), LIMITS)
    assert again == made and work.unpack(json.dumps(packed), LIMITS) == made
    # A browser writes 12.0 as 12: the draft goes through it as text, so that its bytes stay.
    assert to_json(again.draft) == packed["draft"]


def changed(packed: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {**copy.deepcopy(packed), **values}


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"}, {"draft": {}}, {"draft": "{"}, {"draft": "[" * 100_000}, {"draft": "x" * 1_100_000},
        {"edits": "all"}, {"edits": [{"cue": 1}]}, {"speech": 5}, {"speech": [[0, 1]]}, {"speech": [[0, 1, 2]]},
        {"speech": [[-1, 1, "a"]]}, {"speech": [[True, 1, "a"]]}, {"gaps": [1]}, {"gaps": ["ab"]},
        {"gaps": [[0, float("inf")]]}, {"rate": []}, {"rate": {"voice": "a"}},
    ],
)  # fmt: skip
def test_whatever_else_comes_in_is_refused_in_one_line(made: work.Work, change: dict[str, Any]) -> None:
    with pytest.raises(UserError) as error:
        work.unpack(changed(made.packed(), **change), LIMITS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [None, 5, [], "", "null", "{}", {"format": "distinctad.work"}])
def test_what_is_no_work_is_refused(wrong: Any) -> None:
    with pytest.raises(UserError, match="no script yet"):
        work.unpack(wrong, LIMITS)


def test_rates_and_sizes_are_bounded(made: work.Work) -> None:
    packed = made.packed()
    for name, value in (("word_s", "0"), ("word_s", float("nan")), ("start_s", None), ("break_s", 1e9)):
        with pytest.raises(UserError, match=f"for {name}"):
            work.unpack(changed(packed, rate={**packed["rate"], name: value}), LIMITS)
    document = copy.deepcopy(made.draft)
    document["cues"] = [{**document["cues"][0], "index": i + 1} for i in range(11)]
    with pytest.raises(UserError, match="11 descriptions, more than 10"):
        work.unpack(changed(packed, draft=to_json(document)), LIMITS)
    document["cues"] = [{**document["cues"][0], "text": "x" * 1001}]
    with pytest.raises(UserError, match="more than 1000 characters"):
        work.unpack(changed(packed, draft=to_json(document)), LIMITS)


def test_earlier_work_is_opened_from_its_files(made: work.Work, tmp_path: Path) -> None:
    script, log = tmp_path / "descriptions.draft.json", tmp_path / "edit-log.json"
    script.write_text(to_json(made.draft), encoding="utf-8")
    edits = [Edit(1, "text", made.draft["cues"][0]["text"], "Something else.")]
    log.write_text(log_of(made.draft, edits), encoding="utf-8")
    assert work.of_files(str(script), str(log), LIMITS).edits == edits
    assert work.of_files(str(script), None, LIMITS).draft == made.draft
    with pytest.raises(UserError, match="there is no script"):
        work.of_files(None, None, LIMITS)


def test_without_subtitles_the_dialogue_of_earlier_work_is_unknown_and_that_is_said(
    made: work.Work, desk: Any, srt: Path, tmp_path: Path
) -> None:
    script = tmp_path / "descriptions.json"
    script.write_text(to_json(made.draft), encoding="utf-8")
    assert work.of_files(str(script), None, LIMITS).dialogue is None and made.dialogue == made.speech
    assert work.Work(made.draft, [], [], made.rate, [(0.0, 12.0)]).dialogue == []  # a film in which nobody speaks
    packed, said = desk.open_script(str(script), None)
    assert "dialogue is unknown" in said and "transcript has no dialogue" in said and "subtitles to mend that" in said
    assert work.unpack(packed, LIMITS).dialogue is None
    packed, said = desk.open_script(str(script), None, str(srt))
    again = work.unpack(packed, LIMITS)
    assert "unknown" not in said and again.dialogue == made.speech and again.gaps == made.gaps
    late = tmp_path / "late.srt"
    late.write_text("1\n01:00:03,000 --> 01:00:05,000\nHello.\n", encoding="utf-8")
    with pytest.raises(UserError, match="Give the subtitles of this film"):
        work.of_files(str(script), None, LIMITS, str(late))


def test_a_cast_is_put_together_again(tmp_path: Path) -> None:
    for name in ("cast.json", "mara.png", "jo.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "there").mkdir()
    files = [str(tmp_path / name) for name in ("mara.png", "cast.json", "jo.png")]
    table = work.gather_cast(files, tmp_path / "there", LIMITS)
    assert table == tmp_path / "there" / "cast.json" and (tmp_path / "there" / "portraits" / "mara.png").is_file()
    assert work.gather_cast([], tmp_path, LIMITS) is None and work.gather_cast(None, tmp_path, LIMITS) is None
    with pytest.raises(UserError, match="4 files, more than 3"):
        work.gather_cast([*files, files[0]], tmp_path, LIMITS)
    with pytest.raises(UserError, match=r"0 \.json or \.csv"):
        work.gather_cast(files[:1], tmp_path, LIMITS)


@pytest.mark.parametrize("name", ["p.png", "P.PNG"])
def test_portraits_of_one_name_are_refused_before_one_hides_the_other(tmp_path: Path, name: str) -> None:
    (tmp_path / "portraits").mkdir()
    (tmp_path / "there").mkdir()
    for place in ("cast.json", "p.png", f"portraits/{name}"):
        (tmp_path / place).write_text(place)
    files = [str(tmp_path / place) for place in ("cast.json", "p.png", f"portraits/{name}")]
    with pytest.raises(UserError, match=r"several files called 'p\.png', .*Give each a name of its own"):
        work.gather_cast(files, tmp_path / "there", LIMITS)
    assert list((tmp_path / "there").iterdir()) == []


def test_a_portrait_takes_its_place_on_the_disk_once(tmp_path: Path) -> None:
    for name in ("cast.json", "p.png"):
        (tmp_path / name).write_text(name)
    (tmp_path / "there").mkdir()
    work.gather_cast([str(tmp_path / name) for name in ("cast.json", "p.png")], tmp_path / "there", LIMITS)
    beside, below = tmp_path / "there" / "p.png", tmp_path / "there" / "portraits" / "p.png"
    assert beside.samefile(below) and below.read_text() == "p.png"


def test_a_disk_without_hard_links_holds_a_portrait_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refused)
    for name in ("cast.json", "p.png"):
        (tmp_path / name).write_text(name)
    (tmp_path / "there").mkdir()
    work.gather_cast([str(tmp_path / name) for name in ("cast.json", "p.png")], tmp_path / "there", LIMITS)
    assert (tmp_path / "there" / "portraits" / "p.png").read_text() == "p.png"


def test_files_are_of_a_kind_a_size_and_there(tmp_path: Path) -> None:
    film = tmp_path / "a.MP4"
    film.write_bytes(b"x" * 1_000_001)
    assert check_file(str(film), "film", (".mp4",), 2) == film
    for path, kinds, size, said in (
        (None, (".mp4",), 2, "there is no film"),
        (str(film), (".srt",), 2, "of another kind"),
        (str(film), (".mp4",), 1, "more than 1"),
        (str(tmp_path / "b.mp4"), (".mp4",), 1, "no longer on this server"),
    ):
        with pytest.raises(UserError, match=said):
            check_file(path, "film", kinds, size)


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTINCTAD_SPACE_FILM_MB", "7")
    assert Limits.of_environment() == Limits(film_mb=7)
    for wrong in ("0", "-1", "many", "1.5", ""):
        monkeypatch.setenv("DISTINCTAD_SPACE_FILM_MB", wrong)
        with pytest.raises(UserError, match="whole number above zero"):
            Limits.of_environment()


def test_a_visit_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    visits = Visits(kept_s=3_600)
    own, shared = visits.uploads / "own.mp4", visits.uploads / "shared.mp4"
    for path in (own, shared):
        path.write_bytes(b"x")
    visits.holds("a", own, shared, None, Path(__file__))
    visits.holds("b", shared)
    with visits.folder("a", "all") as folder:
        (folder / "mix.wav").write_bytes(b"x")
    visits.end("a")
    assert not own.exists() and not folder.exists() and Path(__file__).exists()
    assert shared.exists()  # the same bytes, uploaded by somebody who is still here
    visits.end("b")
    visits.end("nobody")
    assert not shared.exists()


def test_what_is_in_use_goes_with_the_next_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    visits, unlink, rmtree = Visits(kept_s=3_600), Path.unlink, shutil.rmtree

    def refuse(path: Path, **_: Any) -> None:  # Windows deletes no file that somebody has open
        if path in films[1:3]:
            raise PermissionError(13, "used by another process", str(path))
        unlink(path, missing_ok=True)

    with visits.folder("a", "all") as folder:
        (folder / "mix.wav").write_bytes(b"x")
    films = [visits.uploads / f"{number}.mp4" for number in range(4)]
    for film in films:
        film.write_bytes(b"x")
    visits.holds("a", *films)
    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    visits.end("a")
    visits.sweep()
    assert folder.exists() and [film.exists() for film in films] == [False, True, True, False]
    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    visits.holds("b", films[1])  # uploaded again by somebody who is here
    visits.sweep()
    assert films[1].exists() and not films[2].exists() and not folder.exists()


def test_old_uploads_are_swept_and_one_that_cannot_be_asked_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    visits, stat, now = Visits(kept_s=60), Path.stat, time.time()
    films = [visits.uploads / f"{number}.mp4" for number in range(6)]
    for film in films:
        film.write_bytes(b"x")
    visits.holds("a", *films[:3])
    visits.holds("b", *films[3:])
    visits.sweep()
    assert sorted(visits.uploads.iterdir()) == films

    def refuse(path: Path, **how: Any) -> Any:  # Windows tells nothing of a file that goes once it is closed
        if path in (films[1], films[4]):
            raise PermissionError(13, "access is denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refuse)
    visits.end("a")
    assert sorted(visits.uploads.iterdir()) == [films[1], *films[3:]]
    monkeypatch.setattr(time, "time", lambda: now + 90)
    visits.sweep()
    assert sorted(visits.uploads.iterdir()) == [films[1], films[4]]
    monkeypatch.setattr(Path, "stat", stat)
    visits.sweep()
    assert not list(visits.uploads.iterdir())


def test_what_was_left_behind_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    visits = Visits(kept_s=60)
    with visits.folder(None, "texts") as folder:
        pass
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 30)
    visits.sweep()
    assert folder.exists()
    monkeypatch.setattr(time, "monotonic", lambda: now + 90)
    with visits.folder("c", "texts") as later:
        assert later.exists() and not folder.exists()
    monkeypatch.setattr(time, "monotonic", lambda: now + 200)
    visits.watch(every_s=0.2)
    until = time.time() + 20
    while later.exists() and time.time() < until:
        time.sleep(0.02)
    assert not later.exists()


def test_without_a_lent_gpu_the_decorator_does_nothing() -> None:
    def function() -> int:
        return 1

    if not LENT:
        assert on_gpu(function) is function


def test_each_visit_has_an_example_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever leaves first takes nothing from the others; as served, where the framework makes copies of files."""
    gradio = pytest.importorskip("gradio")
    from space.desk import Desk
    from space.examples import Example

    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    visits = Visits(kept_s=3_600)
    desk = Desk(LIMITS, visits)
    drawn = [tmp_path / name for name in ("example-1.mp4", "film.srt", "film.cast.json", "p1.png")]
    for path in drawn:
        path.write_text(path.name)
    monkeypatch.setattr(desk.examples, "film", lambda number: Example(drawn[0], drawn[1], tuple(drawn[2:])))
    server = gradio.File()

    def pressed(visit: str) -> list[Path]:
        film, subtitles, cast = desk.example(1, request=gradio.Request(session_hash=visit))
        return [Path(server.move_resource_to_block_cache(path)) for path in (film, subtitles, *cast)]

    one, other = pressed("a"), pressed("b")
    assert [path.read_text() for path in one] == [path.name for path in drawn]
    visits.holds("a", *one)  # as by describing
    visits.end("a")
    assert not any(path.exists() for path in one) and all(path.is_file() for path in (*other, *drawn))
    visits.end("b")
    assert not any(path.exists() for path in other)
