from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from typer.main import get_command
from typer.testing import CliRunner, Result

from datasets_scripts.pocket.layouts import write_annotations
from datasets_scripts.pocket.story import make_film
from datasets_scripts.schema import ADRow, Provenance
from datasets_scripts.statistics import by_film, distinctive_shares, gaps, percentiles, statistics, word_overlap
from distinctad.data import data_app
from distinctad.errors import UserError

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(data_app, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The message of a refusal; the group of the whole command line turns it into one line and exit code 2."""
    assert isinstance(result.exception, UserError), (result.output, result.exception)
    return str(result.exception)


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two films' annotations, truth and bank, without pictures."""
    folder = tmp_path_factory.mktemp("pocket")
    write_annotations([make_film(seed, "clear", 20) for seed in (3, 4)], folder)
    return folder


@pytest.fixture
def damaged(pocket: Path, tmp_path: Path) -> Path:
    """The same with one row that ends when it starts, one with doubled blanks and one cut off."""
    lines = (pocket / "annotations.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines))
    rows[4] |= {"end": rows[4]["start"], "end_hms": rows[4]["start_hms"], "lsmdc_filename": ""}
    rows[6]["sentence"] = rows[6]["sentence"].replace(" ", "  ", 1)
    path = tmp_path / "annotations.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        file.write("film_3,cut off")
    return path


def test_validate_counts_and_names(pocket: Path, damaged: Path) -> None:
    good = run("validate", "--set", "pocket", "--annotations", pocket)
    assert good.exit_code == 0 and "40 rows in = 40 kept + 0 repaired + 0 refused" in good.output
    bad = run("validate", "--annotations", damaged)
    assert bad.exit_code == 1 and "total: 41 rows in = 38 kept + 1 repaired + 2 refused" in bad.output
    assert "annotations.csv, row 4: " in bad.output and "annotations.csv, row 40: " in bad.output
    assert run("validate", "--annotations", damaged, "--allow-refusals").exit_code == 0


def test_validate_as_json(pocket: Path, damaged: Path) -> None:
    result = run("validate", "--json", "--annotations", damaged, "--annotations", pocket / "charbank.json")
    document = json.loads(result.output)
    first, bank = document["files"]
    assert result.exit_code == 1 and document["totals"]["refused"] == 2
    assert first["findings"]["no_interval"] == {
        "outcome": "refused", "rule": first["findings"]["no_interval"]["rule"], "count": 1, "rows": [4],
        "details": first["findings"]["no_interval"]["details"],
    }  # fmt: skip
    assert first["findings"]["blanks"]["rows"] == [6] and first["findings"]["ragged"]["rows"] == [40]
    assert sum(c.get("kept", 0) for c in first["films"].values()) == first["kept"] == 38
    assert bank["rows"] == bank["kept"] > 4


@pytest.mark.parametrize("text", ["", "\x00\x01", "a,b\n1,2\n", "{", "[]", "\xff\xfex", '{"a": 1e999}', "movie\n"])
@pytest.mark.parametrize("ending", ["csv", "json"])
def test_anything_else_is_refused_without_a_traceback(tmp_path: Path, text: str, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_text(text, encoding="latin-1")
    result = run("validate", "--annotations", path)
    assert result.exit_code == 1 and "refused" in result.output and isinstance(result.exception, SystemExit)
    assert run("validate", "--annotations", tmp_path / "absent.csv").exit_code == 1


def test_missing_videos_are_refused_when_looked_for(pocket: Path) -> None:
    result = run("validate", "--set", "pocket", "--annotations", pocket, "--root", pocket)
    assert result.exit_code == 1 and "missing_video x 40" in result.output


def test_films_and_people_of_mad_by_what_is_given(tmp_path: Path) -> None:
    entry = {"ext_timestamps": [1, 3], "sentence": "Ann Lind runs."}
    (tmp_path / "a.json").write_text(json.dumps({f: {**entry, "movie": f} for f in ("4797", "10")}))
    (tmp_path / "bank.json").write_text(json.dumps({"10": ["Bo", "Ann Lind"]}))
    for film in ("4797", "10"):
        (tmp_path / f"{film}.mkv").touch()
    asked = ["--set", "mad-eval", "--annotations", tmp_path / "a.json"]
    assert "excluded_unavailable" not in run("validate", *asked).output
    result = run("validate", *asked, "--root", tmp_path)  # pixels: without Appendix E's six
    assert result.exit_code == 1 and "excluded_unavailable x 1" in result.output
    assert run("validate", *asked, "--root", tmp_path, "--source", "features").exit_code == 0
    asked += ["--film", "10", "--bank", tmp_path / "bank.json"]
    assert "people: Bo, Ann" in run("peek", *asked, "--characters", "cast").output
    assert "people: Ann" in run("peek", *asked, "--characters", "oracle").output
    assert "people" not in run("peek", *asked).output
    said = refused(run("peek", *asked[:-2], "--characters", "oracle"))
    assert said == "--characters oracle needs a character bank. Pass --bank FILE."


def test_stats_and_their_picture(pocket: Path, tmp_path: Path) -> None:
    picture = tmp_path / "stats.png"
    result = run("stats", "--set", "pocket", "--annotations", pocket, "--out", picture, "--json")
    figures = json.loads(result.output)
    assert figures["rows"] == 40 and figures["films"] == 2 and figures["ads_a_film"]["p50"] == 20
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert ".png or .svg" in refused(run("stats", "--annotations", pocket, "--out", tmp_path / "x.exe"))
    assert "bank" in refused(run("stats", "--annotations", pocket / "annotations.csv", "--characters", "cast"))


def row(film: str, index: int, start_s: float, text: str) -> ADRow:
    return ADRow(film, film, index, start_s, start_s + 2, text, (), "", Provenance("f.csv", index))


def test_figures_by_hand() -> None:
    texts = ["red door opens", "red door", "blue cup"]
    rows = [row("a", i, 5.0 * i, text) for i, text in enumerate(texts)] + [row("b", 0, 1.0, "red cup")]
    films = by_film(rows)
    assert gaps(films) == [3.0, 3.0]
    assert word_overlap(films, 2) == [pytest.approx((2 / 3 + 0) / 2, abs=1e-5), 0.0]
    # a: opens, blue, cup of 7 words are in one AD only; b: both of 2
    assert distinctive_shares(films)["duplicates_only"] == pytest.approx(5 / 9, abs=1e-4)
    assert percentiles([3, 1, 2]) == {"mean": 2, "p0": 1, "p5": 1, "p50": 2, "p90": 3, "p95": 3, "p100": 3}
    assert statistics(rows)["types"] == 5 and percentiles([]) == {}
    ranks = percentiles(range(1, 21))  # the nearest rank of p percent of 20 is p / 5
    assert [ranks[p] for p in ("p0", "p5", "p50", "p90", "p95", "p100")] == [1, 1, 10, 18, 19, 20]


def test_peek_shows_a_window_with_its_words(pocket: Path) -> None:
    result = run("peek", "--set", "pocket", "--annotations", pocket, "--film", "film_4", "--window", 1, "--size", 8)
    film = make_film(4, "clear", 20)
    assert result.exit_code == 0 and result.output.startswith("film_4, window 1 of 3, 8 of 20 ADs")
    assert all(clip.text in result.output for clip in film.clips[8:16])
    assert result.output.count("distinctive: ") == 8 and film.cast[0].name in result.output
    assert "Choose one of: film_3" in refused(run("peek", "--annotations", pocket, "--film", "x"))
    assert "below 2" in refused(run("peek", "--annotations", pocket, "--window", 9))


def test_peek_says_that_no_row_of_a_film_can_be_used(pocket: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader((pocket / "annotations.csv").read_text(encoding="utf-8").splitlines()))
    with (tmp_path / "annotations.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows({**row, "sentence": "" if row["movie"] == "film_3" else row["sentence"]} for row in rows)
    shutil.copy(pocket / "charbank.json", tmp_path)
    said = refused(run("peek", "--annotations", tmp_path, "--film", "film_3"))
    assert "film_3' has no row that can be used" in said and "data validate" in said


@pytest.mark.parametrize("command", ["peek", "stats", "build"])
def test_a_bank_that_would_not_be_read_is_refused(pocket: Path, tmp_path: Path, command: str) -> None:
    to = ["--out", tmp_path / "new"] if command == "build" else []
    said = refused(run(command, "--annotations", pocket, "--bank", pocket / "charbank.json", *to))
    assert "--bank is given, but pocket films hold their cast" in said and not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["peek", "stats"])
def test_a_file_that_breaks_off_is_told_in_one_line(pocket: Path, tmp_path: Path, command: str) -> None:
    text = (pocket / "annotations.csv").read_text(encoding="utf-8")
    (tmp_path / "long.csv").write_text(text + "x" * 1_048_577, encoding="utf-8")
    assert "a line of over 1048576 bytes" in refused(run(command, "--annotations", tmp_path / "long.csv"))
    entry = {"movie": "10", "ext_timestamps": [1, 3], "sentence": "Ann runs."}
    (tmp_path / "cut.json").write_text(json.dumps({"a": entry, "b": entry})[:-20], encoding="utf-8")
    assert "the file breaks off" in refused(run(command, "--annotations", tmp_path / "cut.json"))


def test_the_people_of_pocket_films_are_chosen(pocket: Path) -> None:
    def people(*options: str) -> list[int]:
        lines = run("peek", "--annotations", pocket, *options).output.splitlines()
        return [line.count(",") + 1 for line in lines if line.startswith("      people: ")]

    cast = len(make_film(3, "clear", 20).cast)
    assert people() == people("--characters", "cast") == [cast] * 16 and people("--characters", "none") == []
    assert 0 < sum(people("--characters", "oracle")) < 16 * cast
    assert "predicted" in refused(run("stats", "--annotations", pocket, "--characters", "predicted"))


@pytest.mark.parametrize(("mark", "said"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_mark_between_columns_is_named(pocket: Path, tmp_path: Path, mark: str, said: str) -> None:
    text = (pocket / "annotations.csv").read_text(encoding="utf-8")
    (tmp_path / "a.csv").write_text(text.replace(",", mark), encoding="utf-8")
    error = refused(run("stats", "--annotations", tmp_path / "a.csv"))
    assert f"{said} between its columns, expected commas" in error


def test_names_lists_the_worst(tmp_path: Path) -> None:
    people = [{"id": f"nm{i}", "name": "A", "role": role} for i, role in enumerate(["Ann", "Mr. #$% (voice)", "Bo"])]
    (tmp_path / "b.json").write_text(json.dumps({"f": people}))
    people.append({"id": "nm9", "name": "B", "role": "Ann"})
    (tmp_path / "b.json").write_text(json.dumps({"f": people}))
    lines = run("names", "--bank", tmp_path / "b.json").output.splitlines()
    assert len(lines) == 3 and lines[0].startswith("Mr. #$% (voice)")  # a role is listed once, whoever plays it
    assert run("names", "--bank", tmp_path / "b.json", "--worst", 2).output.splitlines() == lines[:2]


@pytest.mark.skipif(not REAL.is_dir(), reason="no real files")
def test_the_worst_fifty_names_of_the_real_banks() -> None:
    banks = [REAL / name for name in ("MAD_charbank.json", "tvad_charbank.json", "cast_list_for_eval.json")]
    result = run("names", *(part for bank in banks for part in ("--bank", bank)))
    lines = [line.split(" -> ") for line in result.output.splitlines()]
    assert result.exit_code == 0 and len(lines) == 50 == len({role for role, _ in lines})
    assert all(name.strip() for _, name in lines)


def test_build_writes_and_sends_nothing(pocket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def never(*given: Any, **named: Any) -> None:
        raise AssertionError("something was sent")

    monkeypatch.setattr(huggingface_hub, "HfApi", never)
    out = tmp_path / "out"
    options = ["--set", "pocket", "--annotations", pocket, "--out", out, "--characters", "cast"]
    result = run("build", *options, "--repository", "me/x")
    assert result.exit_code == 0 and "would upload" in result.output and "40 rows in" in result.output
    assert (out / "README.md").is_file() and (out / "data" / "test-00000-of-00001.parquet").is_file()
    assert "not empty" in refused(run("build", *options))
    assert run("build", *options, "--overwrite", "--format", "webdataset").exit_code == 0
    assert not (out / "data").exists() and (out / "test-00000.tar").is_file()
    assert "--repository" in refused(run("build", *options, "--overwrite", "--upload"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").touch()
    options[options.index(out)] = tmp_path / "home"
    assert "not written by this command" in refused(run("build", *options, "--overwrite"))


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
@pytest.mark.parametrize("split", ["../../../victim", "my-split", "", "a b", "a..b", "test\n"])
def test_a_split_that_is_no_name_writes_nothing(pocket: Path, tmp_path: Path, split: str, form: str) -> None:
    out = tmp_path / "a" / "b" / "out"
    options = ["--annotations", pocket, "--out", out, "--split", split, "--format", form]
    assert "split is" in refused(run("build", "--set", "pocket", *options))
    assert not list(tmp_path.iterdir())


def test_a_split_with_dots_loads(pocket: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("build", "--set", "pocket", "--annotations", pocket, "--out", out, "--split", "val.seen_1")
    assert result.exit_code == 0 and load_dataset(str(out), cache_dir=str(tmp_path / "c"))["val.seen_1"].num_rows == 40


def test_every_command_says_what_it_does() -> None:
    commands = get_command(data_app).commands  # type: ignore[attr-defined]
    assert set(commands) == {"validate", "stats", "peek", "names", "build"}
    assert all(command.help for command in commands.values())


PUBLIC = {  # file: set, rows, repaired
    "madeval_anno.csv": ("mad-eval", 6520, 22),
    "mad_split.json": ("mad-eval", 660, 0),
    "mad2imdb.json": ("mad-eval", 650, 0),
    "MAD_charbank.json": ("mad-eval", 11_118, 2160),
    "cmdad_anno.csv": ("cmd-ad", 7316, 10),
    "cast_list_for_eval.json": ("cmd-ad", 980, 27),
    "tvad_anno.csv": ("tv-ad", 2983, 0),
    "tvad_anno_with_face.csv": ("tv-ad", 2983, 0),
    "tvad_charbank.json": ("tv-ad", 8614, 136),
    "tvad_train.csv": ("tv-ad", 29_144, 0),
}


@pytest.mark.skipif(not REAL.is_dir(), reason="no real files")
def test_all_ten_public_files() -> None:
    """One run over all, told apart by what they hold; the same counts with the set's name."""
    result = run("validate", "--json", *(part for name in PUBLIC for part in ("--annotations", REAL / name)))
    document = json.loads(result.output)
    assert result.exit_code == 0
    assert document["totals"] == {"rows": 70_968, "kept": 68_613, "repaired": 2355, "refused": 0}
    assert {f["file"]: (f["rows"], f["repaired"], f["refused"]) for f in document["files"]} == {
        name: (rows, repaired, 0) for name, (_, rows, repaired) in PUBLIC.items()
    }
    facts = {f["file"]: f["facts"] for f in document["files"]}
    assert facts["madeval_anno.csv"]["films"] == 10
    assert (facts["cmdad_anno.csv"]["films"], facts["cmdad_anno.csv"]["clips"]) == (98, 591)
    assert (facts["tvad_anno.csv"]["films"], facts["tvad_anno.csv"]["series"]) == (100, 2)
    assert len([said for said in document["remarks"] if "TRAIN" in said]) == 7
    for name in ("tvad_anno.csv", "tvad_train.csv", "mad_split.json", "mad2imdb.json", "cast_list_for_eval.json"):
        set_name, rows, repaired = PUBLIC[name]
        one = run("validate", "--set", set_name, "--annotations", REAL / name)
        assert one.exit_code == 0
        assert f"total: {rows} rows in = {rows - repaired} kept + {repaired} repaired + 0 refused" in one.output


@pytest.mark.skipif(not REAL.is_dir(), reason="no real files")
def test_statistics_of_the_public_sets() -> None:
    """Against the figures that the data specification gives."""

    def figures(name: str) -> dict[str, Any]:
        return json.loads(run("stats", "--json", "--annotations", REAL / name).output)

    mad, cmd = figures("madeval_anno.csv"), figures("cmdad_anno.csv")
    assert (mad["ads_a_film"]["p0"], mad["ads_a_film"]["p100"]) == (437, 898)
    assert (mad["length_s"]["p0"], mad["length_s"]["p100"]) == (0.118, 29.956)
    assert mad["length_s"]["p50"] == pytest.approx(3.34, abs=0.005)
    assert (cmd["rows"], cmd["films"], cmd["clips"]) == (7316, 98, 591) and cmd["ads_a_film"]["p0"] < 16
    rows = csv.DictReader((REAL / "cmdad_anno.csv").read_text(encoding="utf-8").splitlines())
    assert sum(count < 5 for count in Counter(row["cmd_filename"] for row in rows).values()) == 129
