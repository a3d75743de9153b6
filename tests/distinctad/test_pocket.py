import csv
import dataclasses
import json
import os
import sys

import pytest
import typer
from typer.testing import CliRunner

from datasets_scripts.pocket import film as film_module
from datasets_scripts.pocket import oracles
from distinctad import pocket
from distinctad.errors import UserError
from distinctad.pocket import Kind, draw_films, pocket_command

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(pocket_command)
TEXT_ONLY = Kind(video=False, ads=6)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def drawn_seeds(monkeypatch):
    """The seeds whose files were really written."""
    seeds = []
    real = film_module.write_film

    def spy(film, *arguments, **options):
        seeds.append(film.seed)
        return real(film, *arguments, **options)

    monkeypatch.setattr(film_module, "write_film", spy)
    return seeds


def test_films_without_pictures(tmp_path, drawn_seeds):
    out = tmp_path / "out"
    result = run("--seed", 3, "--films", 2, "--ads", 6, "--no-video", "--out", out)
    assert result.exit_code == 0, result.output
    assert drawn_seeds == [3, 4]
    assert "drew 2 film(s)" in result.output and "voice: none, no video was drawn" in result.output
    assert str(out / "film_3") in result.output and str(out / "annotations.csv") in result.output
    with (out / "annotations.csv").open(encoding="utf-8", newline="") as file:
        assert [row["movie"] for row in csv.DictReader(file)] == ["film_3"] * 6 + ["film_4"] * 6
    assert len((out / "truth.jsonl").read_text(encoding="utf-8").splitlines()) == 12
    assert (out / "film_4" / "film_4.srt").is_file() and (out / "film_4" / "portraits" / "p1.png").is_file()


def test_finished_films_are_skipped_and_others_added(tmp_path, drawn_seeds):
    draw_films([1, 2], tmp_path, TEXT_ONLY)
    (tmp_path / "film_2" / "film_2.srt").unlink()
    drawn = draw_films([1, 2, 3], tmp_path, TEXT_ONLY)
    assert drawn_seeds == [1, 2, 2, 3]
    assert (drawn.films, drawn.drawn, drawn.skipped) == ([1, 2, 3], [2, 3], [1])
    rows = (tmp_path / "annotations.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 3 * 6


def test_a_changed_story_is_drawn_again(tmp_path, drawn_seeds):
    draw_films([1], tmp_path, TEXT_ONLY)
    manifest = json.loads((tmp_path / "pocket.json").read_text())
    manifest["films"]["1"]["fingerprint"] = "0" * 16
    (tmp_path / "pocket.json").write_text(json.dumps(manifest))
    draw_films([1], tmp_path, TEXT_ONLY)
    assert drawn_seeds == [1, 1]


def test_films_that_were_not_asked_for_still_belong_to_their_annotations(tmp_path, drawn_seeds):
    draw_films([1, 2], tmp_path, TEXT_ONLY)
    manifest = json.loads((tmp_path / "pocket.json").read_text())
    manifest["films"]["1"]["fingerprint"] = "0" * 16  # told otherwise since
    (tmp_path / "pocket.json").write_text(json.dumps(manifest))
    drawn = draw_films([3], tmp_path, TEXT_ONLY)
    assert drawn_seeds == [1, 2, 3, 1] and (drawn.drawn, drawn.films) == ([3, 1], [1, 2, 3])


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch, drawn_seeds):
    real = pocket._draw_one

    def breaks(seed, *arguments):
        if seed == 2:
            raise OSError("disk full")
        return real(seed, *arguments)

    monkeypatch.setattr(pocket, "_draw_one", breaks)
    with pytest.raises(UserError, match="disk full"):
        draw_films([1, 2], tmp_path, TEXT_ONLY)
    monkeypatch.setattr(pocket, "_draw_one", real)
    assert draw_films([1, 2], tmp_path, TEXT_ONLY).skipped == [1]
    assert drawn_seeds == [1, 2]


def test_a_foreign_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="--overwrite"):
        draw_films([1], tmp_path, TEXT_ONLY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    draw_films([1], tmp_path, TEXT_ONLY, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "mine" and (tmp_path / "film_1").is_dir()


def test_another_kind_is_refused_and_overwritten_clean(tmp_path):
    draw_films([1, 2], tmp_path, TEXT_ONLY)
    crowded = dataclasses.replace(TEXT_ONLY, preset="crowded")
    with pytest.raises(UserError, match="another preset"):
        draw_films([1], tmp_path, crowded)
    draw_films([1], tmp_path, crowded, overwrite=True)
    assert not (tmp_path / "film_2").exists() and (tmp_path / "film_1").is_dir()


@pytest.mark.parametrize("text", ["{", "[]", '{"films": {"../x": {}}}', '{"films": {"1": {"files": 3}}}', "\udcff"])
def test_a_broken_manifest_is_no_manifest(tmp_path, text):
    (tmp_path / "pocket.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match="another kind"):
        draw_films([1], tmp_path, TEXT_ONLY)


def test_a_second_run_into_a_folder_is_refused_while_the_first_goes_on(tmp_path, monkeypatch):
    real = pocket._draw_one

    def second_run_meanwhile(seed, *arguments):
        with pytest.raises(UserError, match="another process is writing"):
            draw_films([2], tmp_path, TEXT_ONLY)
        return real(seed, *arguments)

    monkeypatch.setattr(pocket, "_draw_one", second_run_meanwhile)
    assert draw_films([1], tmp_path, TEXT_ONLY).films == [1]
    monkeypatch.setattr(pocket, "_draw_one", real)
    assert draw_films([2], tmp_path, TEXT_ONLY).films == [1, 2]
    assert {path.name for path in tmp_path.iterdir()} == {
        "pocket.json", "annotations.csv", "truth.jsonl", "charbank.json", "film_1", "film_2",
    }  # fmt: skip


def test_out_that_is_a_file(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UserError, match="is a file"):
        draw_films([1], tmp_path / "x", TEXT_ONLY)


def test_two_processes_write_the_same(tmp_path):
    draw_films([1, 2], tmp_path / "one", TEXT_ONLY)
    draw_films([1, 2], tmp_path / "two", TEXT_ONLY, jobs=2)
    one, two = (
        {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        for out in (tmp_path / "one", tmp_path / "two")
    )
    # Its films stand in the order in which they were finished.
    assert json.loads(one.pop("pocket.json")) == json.loads(two.pop("pocket.json"))
    assert one == two


def test_tv_layout_and_the_word_about_sound(tmp_path):
    result = run("--out", tmp_path / "tv", "--ads", 6, "--layout", "tv-ad", "--seed", 3)
    assert result.exit_code == 0, result.output
    assert "this layout holds no sound" in result.output
    with (tmp_path / "tv" / "annotations.csv").open(encoding="utf-8", newline="") as file:
        row = list(csv.DictReader(file))[-1]
    last = max(json.loads(row["tvad_index"]))
    assert (tmp_path / "tv" / "pocket_frames" / row["tvad_name"] / f"{last:05d}.jpg").is_file()
    assert run("--out", tmp_path / "tv", "--ads", 6, "--no-video", "--overwrite").exit_code == 0
    assert not list((tmp_path / "tv" / "pocket_frames").iterdir())


def test_check_prints_the_table_and_draws_nothing(tmp_path):
    result = run("--check", "--preset", "crowded", "--films", 12)
    assert result.exit_code == 0, result.output
    for text in (
        "12 crowded films",
        "clip alone",
        "how stories go",
        "<= 0.70",
        ">= 0.25",
        "<= 0.05",
        ">= 0.90",
        "chance level, action",
    ):
        assert text in result.output
    assert result.output.count("ok") == 4 and not list(tmp_path.iterdir())


def test_check_fails_with_code_1_and_then_draws_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(oracles, "DISTINCTIVE_SHARE", 1.01)
    result = run("--check", "--films", 2, "--out", tmp_path / "out")
    assert result.exit_code == 1 and "FAILED" in result.output and not (tmp_path / "out").exists()


def test_user_errors():
    result = run()
    assert isinstance(result.exception, UserError) and "--out" in str(result.exception)
    for wrong in (["--films", 0], ["--seed", -1], ["--preset", "foggy"], ["--layout", "mad"], ["--jobs", 0]):
        assert run("--check", *wrong).exit_code == 2


def test_help_needs_no_heavy_import():
    import subprocess

    code = (
        "import sys, typer; from distinctad.pocket import pocket_command\n"
        "heavy = {'torch', 'numpy', 'av', 'cv2', 'transformers', 'rich.progress'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
