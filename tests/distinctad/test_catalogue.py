"""A catalogue: films by content, resumed, sharded; one bad film is named and the others are done."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import stand_ins
from stand_ins import FakePipe, Hum, write_film
from typer.testing import CliRunner

from distinctad import catalogue_command, catalogue_work
from distinctad.audio import voice
from distinctad.catalogue import Film, HashBook, Shard, find_catalogue
from distinctad.catalogue_command import run_catalogue
from distinctad.catalogue_store import Store
from distinctad.catalogue_work import FilmWorker, Job, Result, run_local
from distinctad.cli import app
from distinctad.errors import UserError
from distinctad.exports import FILES
from distinctad.features import films_below
from distinctad.plan import Settings, sha256_of
from distinctad.track import CAPTION_FILES, MEDIA_FILES, TEXT_FILES, TrackSettings

SUBTITLES = "1\n00:00:04,000 --> 00:00:05,000\nHello.\n"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short films, one of them twice, and half a film."""
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "b").mkdir()
    write_film(folder / "a.mp4", 3.0)
    write_film(folder / "b" / "one.mp4", 4.0)
    write_film(folder / "b" / "two.mkv", 8.0)
    (folder / "b" / "two.srt").write_text(SUBTITLES)
    shutil.copy(folder / "a.mp4", folder / "z_copy.mp4")
    (folder / "half.mp4").write_bytes((folder / "b" / "one.mp4").read_bytes()[:900])
    return folder


@pytest.fixture
def films(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "films"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Puts a stand-in in the model's place; gives the names of the films that it is asked for."""
    names: list[str] = []

    def run(films: Sequence[Film], job: Job, workers: int, limit_s: float) -> Iterator[Result]:
        worker = FilmWorker(job, FakePipe())
        for film in films:
            names.append(film.name)
            yield worker.do(film)

    monkeypatch.setattr(catalogue_command, "run_local", run)
    return names


def job(out: Path, **how: Any) -> Job:
    return Job("describe", out, describing=Settings(device="cpu", **how))


def outputs(out: Path) -> dict[str, str]:
    files = sorted(p for p in (out / "films").rglob("*") if p.is_file())
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def summary(out: Path) -> dict[str, dict[str, str]]:
    with (out / "summary.csv").open(encoding="utf-8") as file:
        return {row["film"]: row for row in csv.DictReader(file)}


def test_each_film_is_done_once_and_the_bad_one_is_named(films: Path, tmp_path: Path, asked: list[str]) -> None:
    report = run_catalogue(films, job(tmp_path / "out"))
    assert asked == ["a.mp4", "b/one.mp4", "b/two.mkv", "half.mp4"]
    assert list(report.failed) == ["half.mp4"] and "half.mp4" in report.failed["half.mp4"]
    assert report.counts == {"done": 3, "failed": 1, "open": 0, "equal": 1}
    rows = summary(tmp_path / "out")
    assert rows["z_copy.mp4"]["status"] == "equal" and rows["z_copy.mp4"]["equal_to"] == "a.mp4"
    assert rows["half.mp4"]["error"] == report.failed["half.mp4"]
    folder = tmp_path / "out" / rows["b/two.mkv"]["folder"]
    assert {p.name for p in folder.iterdir()} == {*FILES, "film.json"}
    document = json.loads((folder / "descriptions.json").read_text())
    assert document["intervals"]["file"] == "two.srt" and document["film"]["name"] == "two.mkv"
    assert not any((tmp_path / "out" / "work").iterdir())


def test_what_is_finished_is_not_done_again(films: Path, tmp_path: Path, asked: list[str]) -> None:
    out = tmp_path / "out"
    run_catalogue(films, job(out))
    before = outputs(out)
    (films / "b" / "one.mp4").rename(films / "renamed.mp4")  # a film is its content
    asked.clear()
    assert len(run_catalogue(films, job(out)).skipped) == 3
    assert asked == ["half.mp4"] and outputs(out) == before  # what failed is tried again
    rows = summary(out)
    (out / rows["a.mp4"]["folder"] / "descriptions.srt").write_text("changed")
    (films / "b" / "two.srt").write_text(SUBTITLES.replace("05,000", "05,500"))
    shutil.copy(films / "renamed.mp4", films / "half.mp4")
    (out / "work" / rows["a.mp4"]["sha256"][:16]).mkdir()
    (out / "work" / rows["a.mp4"]["sha256"][:16] / "descriptions.csv").write_text("from a killed run")
    asked.clear()
    report = run_catalogue(films, job(out))
    assert asked == ["a.mp4", "b/two.mkv"] and not report.failed
    after = outputs(out)
    changed = {Path(name).parts[1] for name in after if after[name] != before[name]}
    assert set(after) == set(before) and changed == {rows["b/two.mkv"]["sha256"][:16]}


def test_shards_share_the_films_and_adding_films_moves_none(films: Path, tmp_path: Path, asked: list[str]) -> None:
    (films / "half.mp4").unlink()
    whole = {film.sha256: film for film in find_catalogue(films).films}
    parts = [{s for s, film in whole.items() if Shard(i, 3).holds(film)} for i in (1, 2, 3)]
    assert sum(map(len, parts)) == 3 and set().union(*parts) == set(whole)
    write_film(films / "0_new.mp4", 2.0)
    more = find_catalogue(films).films
    assert [{f.sha256 for f in more if Shard(i, 3).holds(f)} & set(whole) for i in (1, 2, 3)] == parts
    counts = [run_catalogue(films, job(tmp_path / "cut"), shard=Shard(i, 3)).counts for i in (1, 2, 3)]
    assert counts[-1] == {"done": 4, "failed": 0, "open": 0, "equal": 1}
    assert sorted(asked) == ["0_new.mp4", "a.mp4", "b/one.mp4", "b/two.mkv"]
    run_catalogue(films, job(tmp_path / "out"))
    assert outputs(tmp_path / "out") == outputs(tmp_path / "cut")


def test_films_that_a_run_wrote_are_no_films_of_the_catalogue(films: Path) -> None:
    before = find_catalogue(films)
    for place in (films / "out" / "films" / "0123", films / "b"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "descriptions.json").write_text("{}")
        for name in ("described.mp4", "extended.mp4"):
            write_film(place / name, 1.0 + len(place.parts) + len(name))
    assert find_catalogue(films) == before
    found = films_below(films, sorted(films.rglob("*")))
    assert not {"described.mp4", "extended.mp4"} & {path.name for path in found}
    (films / "b" / "descriptions.json").unlink()  # then it is a film of that name
    assert len(find_catalogue(films).films) == len(before.films) + 2


def test_a_renamed_film_stays_in_its_shard_and_shards_are_even() -> None:
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(1000)]
    old, new = ([Film(f"{kind}{i}", Path("x"), sha256) for i, sha256 in enumerate(hashes)] for kind in ("old", "new"))
    for index in range(1, 5):
        shard = Shard(index, 4)
        assert [shard.holds(film) for film in old] == [shard.holds(film) for film in new]
        assert 200 < sum(map(shard.holds, old)) < 300


def test_two_runs_do_not_meet(films: Path, tmp_path: Path, asked: list[str]) -> None:
    out = tmp_path / "out"
    store = Store(out)
    store.open(job(out).about())
    with store.running(Shard(1, 2)):
        with pytest.raises(UserError, match="another run does shard 1/2"):
            run_catalogue(films, job(out), shard=Shard(1, 2))
        with pytest.raises(UserError, match="a run of shard 1/2 is at work"):
            run_catalogue(films, job(out))
        run_catalogue(films, job(out), shard=Shard(2, 2))
    run_catalogue(films, job(out))
    with pytest.raises(UserError, match="was made with num_beams None, not 2"):
        run_catalogue(films, job(out, num_beams=2))


def test_hashes_are_read_once(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = tmp_path / "hashes.jsonl"
    first = find_catalogue(films, HashBook(book))
    book.write_bytes(book.read_bytes() + b'["cut short')
    (films / "a.mp4").touch()
    read: list[str] = []
    monkeypatch.setattr("distinctad.catalogue.sha256_of", lambda path: (read.append(path.name), sha256_of(path))[1])
    assert find_catalogue(films, HashBook(book)) == first and read == ["a.mp4"]
    assert find_catalogue(films, HashBook(book)) == first and read == ["a.mp4"]  # the line after the cut one stands


def test_what_lies_beside_any_copy_is_used(films: Path, tmp_path: Path, asked: list[str]) -> None:
    (films / "z_copy.srt").write_text(SUBTITLES.replace("00:04,000", "00:01,000").replace("05,000", "01,500"))
    report = run_catalogue(films, job(tmp_path / "out"))
    folder = tmp_path / "out" / summary(tmp_path / "out")["a.mp4"]["folder"]
    assert json.loads((folder / "descriptions.json").read_text())["intervals"]["file"] == "z_copy.srt"
    assert not any(film.said for film in find_catalogue(films).films) and len(report.done) == 3
    (films / "c").mkdir()
    shutil.copy(films / "a.mp4", films / "c" / "a.mp4")
    shutil.copy(films / "z_copy.srt", films / "c" / "a.srt")  # equal files are no cause for a warning
    (film,) = (film for film in find_catalogue(films).films if film.name == "a.mp4")
    assert film.subtitles == films / "c" / "a.srt" and film.said == ()
    assert find_catalogue(films).manifest()["films"][0]["subtitles"] == "c/a.srt"
    (films / "z_copy.srt").write_text(SUBTITLES)
    result = CliRunner().invoke(app, ["catalogue", str(films), "--device", "cpu", "--out", str(tmp_path / "out")])
    said = "equal films have different subtitles: 'c/a.srt' is used, 'z_copy.srt' is not"
    assert f"Warning: a.mp4: {said}" in result.stderr and asked.count("a.mp4") == 1
    run_catalogue(films, job(tmp_path / "new"))
    record = tmp_path / "new" / summary(tmp_path / "new")["a.mp4"]["folder"] / "film.json"
    assert said in json.loads(record.read_text())["warnings"]


def test_a_way_that_did_no_film_does_not_spoil_the_folder(films: Path, tmp_path: Path, asked: list[str]) -> None:
    out, wrong = tmp_path / "out", Job("describe", tmp_path / "out", "owner/nosuch", Settings(device="cpu"))
    with pytest.raises(UserError, match="neither a folder nor a hub id"):
        run_catalogue(films, Job("describe", out, "nosuch", Settings(device="cpu")))
    assert not out.exists()
    Store(out).open(wrong.about())  # nobody can tell before a worker has tried it
    (out / "work" / "half").mkdir()
    late = Store(out)
    late.open(wrong.about())
    with Store(out).running(Shard(1, 2)), pytest.raises(UserError, match="was made with model owner/nosuch, not"):
        run_catalogue(films, job(out))  # at work, so the way stays
    assert run_catalogue(films, job(out)).counts["done"] == 3 and not any((out / "work").iterdir())
    with pytest.raises(UserError, match="was made with model"):
        Store(out).open(wrong.about())
    with pytest.raises(UserError, match="was made with model"), late.running(Shard()):
        pass  # opened before the way was changed


def test_every_way_to_describe_counts_and_reaches_the_film(films: Path, tmp_path: Path, asked: list[str]) -> None:
    words = ["catalogue", str(films), "--device", "cpu", "--out", str(tmp_path / "out")]
    ways = {
        "--contrast": "0.5", "--max-people": "2", "--min-gap": "2", "--guard": "0.5", "--dtype": "bfloat16",
        "--max-length": "3.5", "--every": "3.0", "--overlaps": "keep", "--naming": "after-reveal",
    }  # fmt: skip
    given = [word for pair in ways.items() for word in pair]
    assert CliRunner().invoke(app, [*words, *given]).exit_code == 1  # half.mp4
    folder = tmp_path / "out" / summary(tmp_path / "out")["b/two.mkv"]["folder"]
    document = json.loads((folder / "descriptions.json").read_text())
    rules = document["intervals"]["rules"]
    assert [rules[name] for name in ("min_gap_s", "guard_s", "max_length_s", "even_s")] == [2.0, 0.5, 3.5, 3.0]
    made = document["generation"]
    assert (made["contrast"], made["max_people"], made["dtype"]) == (0.5, 2, "bfloat16")
    for option in ways:
        kept = [word for name, value in ways.items() if name != option for word in (name, value)]
        result = CliRunner().invoke(app, [*words, *kept])
        assert result.exit_code == 2 and f"was made with {option} {ways[option]}" in result.stderr


def test_names_wait_for_the_dialogue_where_asked(films: Path, tmp_path: Path) -> None:
    (films / "b" / "two.cast.json").write_text('[{"id": "1", "name": "Mara"}]')
    film = next(film for film in find_catalogue(films).films if film.name == "b/two.mkv")
    told = {}
    for naming in ("early", "after-reveal"):
        work = Job(
            "describe",
            tmp_path / naming,
            describing=Settings(device="cpu", characters="all"),
            track=TrackSettings(naming=naming),
        )
        worker = FilmWorker(work, FakePipe(lambda index, options: "Mara waits."))
        worker.store.open(work.about())
        assert worker.do(film).error == ""
        folder = tmp_path / naming / "films" / film.key
        told[naming] = json.loads((folder / "descriptions.json").read_text())["cues"][0]["text"]
    assert told == {"early": "Mara waits.", "after-reveal": "Someone waits."}  # nobody says her name


def test_films_are_spoken_where_asked(
    films: Path, tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "find_voice", lambda name="auto": voice.Remembering(Hum()))
    out, words = tmp_path / "out", ["catalogue", str(films), "--device", "cpu", "--min-gap", "1", "--guard", "0.2"]
    given = [*words, "--out", str(out), "--export", "all", "--duck", "-6"]
    assert CliRunner().invoke(app, given).exit_code == 1 and len(asked) == 4  # half.mp4
    found = summary(out)
    folder = out / found["b/two.mkv"]["folder"]
    record = json.loads((folder / "film.json").read_text())
    assert set(record["outputs"]) == {*FILES, *TEXT_FILES, *MEDIA_FILES, *CAPTION_FILES}
    assert {path.name for path in folder.iterdir()} == {"film.json", *record["outputs"]}
    before = outputs(out)
    (folder / "mix.wav").write_bytes(b"damaged")
    assert CliRunner().invoke(app, given).exit_code == 1 and asked[4:] == ["b/two.mkv", "half.mp4"]
    assert outputs(out) == before  # the same bytes again
    for option, value in (("--duck", "-10"), ("--candidates", "2")):
        result = CliRunner().invoke(app, [*given, option, value])
        assert result.exit_code == 2 and f"was made with {option}" in result.stderr
    assert "was made with --export all, not text" in CliRunner().invoke(app, [*words, "--out", str(out)]).stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--duck", "-6"], "--duck counts for --export all only"),
        (["--export", "all", "--voice", "none"], "no voice to speak with"),
        (["--export", "all", "--voice", "nobody"], "nobody"),
        (["--export", "all", "--task", "features"], "--export all has nothing to do with --task features"),
    ],
)
def test_what_nobody_would_read_or_speak_is_refused_before_any_film(
    films: Path, tmp_path: Path, asked: list[str], given: list[str], said: str
) -> None:
    result = CliRunner().invoke(app, ["catalogue", str(films), "--out", str(tmp_path / "out"), *given])
    assert result.exit_code == 2 and said in result.stderr and not asked and not (tmp_path / "out").exists()


def test_a_film_that_ends_its_worker_is_named(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_work, "_serve", stand_ins.dying_worker)
    work = job(tmp_path / "out")
    Store(work.out).open(work.about())
    found = find_catalogue(films).films
    errors = {result.film.name: result.error for result in run_local(found, work, 2)}
    assert errors.pop("a.mp4").startswith("the film 'a.mp4' ended its worker 2 times (exit code 9)")
    assert set(errors) == {"b/one.mp4", "b/two.mkv", "half.mp4"} and not any(errors.values())


def test_a_film_that_takes_too_long_is_given_up(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late, monotonic = [0.0], time.monotonic
    monkeypatch.setattr(catalogue_work, "_serve", stand_ins.hanging_worker)
    monkeypatch.setattr(catalogue_work, "LOOK_S", 0.1)
    monkeypatch.setattr(catalogue_work.time, "monotonic", lambda: monotonic() + late[0])
    work = job(tmp_path / "out")
    Store(work.out).open(work.about())
    errors: dict[str, str] = {}
    for result in run_local(find_catalogue(films).films, work, 2, limit_s=1000.0):
        errors[result.film.name] = result.error
        late[0] = 1000.0 if len(errors) == 3 else 0.0
    assert errors.pop("a.mp4").startswith("the film 'a.mp4' took longer than 1000 s.")
    assert set(errors) == {"b/one.mp4", "b/two.mkv", "half.mp4"} and not any(errors.values())


def test_features_are_those_of_the_command_features(films: Path, tmp_path: Path) -> None:
    from distinctad.features import FeatureSettings, encode_films

    how = FeatureSettings(fps=2.0, device="cpu")
    work = Job("features", tmp_path / "out", encoding=how)
    worker = FilmWorker(work)
    worker.store.open(work.about())
    film = find_catalogue(films).films[0]
    left = worker.store.work_folder(film, keep=True) / ".film.json-1.part"  # of a run that was killed
    left.write_text("")
    assert worker.do(film).error == "" and worker.store.is_done(film)
    encode_films([film.path], tmp_path / "one.h5", how)
    folder = tmp_path / "out" / "films" / film.key
    assert sha256_of(folder / "features.h5") == sha256_of(tmp_path / "one.h5")
    assert {p.name for p in folder.iterdir()} == {"features.h5", "film.json"}


def test_the_command_says_what_it_does(films: Path, tmp_path: Path, asked: list[str]) -> None:
    out = tmp_path / "out"
    words = ["catalogue", str(films), "--device", "cpu"]
    plan = CliRunner().invoke(app, [*words, "--dry-run"])
    assert plan.exit_code == 0 and "3 film(s) to do, 0.3 min of film" in plan.output and "predicted" in plan.output
    assert "two.mkv: 8.1 s, with two.srt" in plan.output and "a.mp4: 3.0 s, with nothing" in plan.output
    assert "Failed: half.mp4" in plan.stderr and not out.exists()
    result = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert result.exit_code == 1 and "Failed: half.mp4: the film" in result.stderr
    assert "equal to a.mp4, done once: z_copy.mp4" in result.output and "3 done, 0 finished before" in result.output
    (films / "half.mp4").unlink()
    again = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert again.exit_code == 0 and "0 done, 3 finished before, 0 failed" in again.output
    measured = CliRunner().invoke(app, [*words, "--out", str(out), "--dry-run"])
    assert "0 film(s) to do" in measured.output and "measured here on 3 film(s)" in measured.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--out is missing"),
        (["--out", "OUT", "--shard", "3/2"], "the shard is '3/2'"),
        (["--out", "OUT", "--shard", "0/2"], "the shard is '0/2'"),
        (["--out", "FILMS"], "holds something else"),
        (["--out", "FILMS/a.mp4"], "is a file, not a folder"),
        (["--out", "OUT", "--model", "FILMS"], "has no config.json"),
        (["--out", "OUT", "--num-beams", "0"], "--num-beams is 0"),
        (["--out", "OUT", "--model", "nosuch"], "the model 'nosuch' is neither a folder nor a hub id"),
    ],
)
def test_bad_input_is_said_in_one_line(films: Path, tmp_path: Path, words: list[str], said: str) -> None:
    given = [word.replace("OUT", str(tmp_path / "out")).replace("FILMS", str(films)) for word in words]
    result = CliRunner().invoke(app, ["catalogue", str(films), *given])
    assert result.exit_code == 2 and said in result.stderr and len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["FILM.MP4", "FILM.SRT", "FILM.CAST.JSON"], {"FILM.MP4": ("FILM.SRT", "FILM.CAST.JSON")}),
        (["Film.mp4", "film.srt"], {"Film.mp4": ("film.srt", None)}),
        (["FILM.MP4", "FILM.SRT", "FILM.vtt"], {"FILM.MP4": ("FILM.vtt", None)}),
        (["FILM.MP4", "film.mkv", "film.srt"], {"FILM.MP4": (None, None), "film.mkv": ("film.srt", None)}),
    ],
)
def test_capitals_hide_nothing_that_lies_beside(tmp_path: Path, names: list[str], found: dict[str, Any]) -> None:
    for name in names:
        (tmp_path / name).write_text(name)
    if len(list(tmp_path.iterdir())) < len(names) or (tmp_path / names[0].swapcase()).exists():
        pytest.skip("this disk takes capitals for small letters")
    made = {row["film"]: (row["subtitles"], row["cast"]) for row in find_catalogue(tmp_path).manifest()["films"]}
    assert made == found
