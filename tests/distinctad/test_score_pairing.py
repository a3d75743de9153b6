"""`distinctad score` on the public layouts: keys, sets, comparison, views."""

from __future__ import annotations

import csv
import json
import math
import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from public_layouts import small_set, told, write
from typer.testing import CliRunner

from distinctad import cli
from distinctad.errors import UserError
from distinctad.score import METRICS, score
from distinctad.score_casts import read_actions, read_names
from distinctad.score_compare import compare
from distinctad.score_figures import Figure, Options
from distinctad.score_pairing import pair
from distinctad.score_report import fill, markdown, report_folder
from distinctad.score_rows import Row, read_csv_rows
from distinctad.score_sets import check_whole
from distinctad.words import Casts

QUICK = Options(("cider", "rouge_l", "repetition", "name_accuracy", "length"), resamples=100)


@pytest.fixture
def cmd(tmp_path: Path) -> tuple[Path, list[dict]]:
    """See `public_layouts.small_set`."""
    return small_set(tmp_path)


@pytest.mark.parametrize(
    "columns",
    [
        {"imdbid": "imdbid", "start": "start", "end": "end"},
        {"movie": "movie", "start": "start", "end": "end"},
        {"vid": "imdbid", "start": "start", "end": "end", "text_gt": "text"},  # AutoAD-Zero
        {"vid": "cmd_filename", "start": "start", "end": "end"},
        {"vid": "cmd_filename", "start": "scaled_start", "end": "scaled_end"},
        {"vid": "cmd_filename", "text_gt": "text"},  # AutoAD III's CRITIC
        {"imdbid": "imdbid", "text_gt": "text"},
    ],
)
def test_keys_of_the_public_layouts(cmd, tmp_path, columns):
    path, rows = cmd
    expected = read_csv_rows(path, ("text",), film="imdbid")
    placed = pair(write(tmp_path / "p.csv", told(rows, **columns)), expected, path)
    assert [row.text for row in placed if row] == [row.text for row in expected]


@pytest.mark.parametrize("cell", ["", "n/a", "nan", "1e400"])
def test_a_row_without_clip_times_is_paired_by_the_films(cmd, tmp_path, cell):
    path, rows = cmd
    write(path, [{**row, "scaled_start": cell} if i == 2 else row for i, row in enumerate(rows)])
    expected = read_csv_rows(path, ("text",), film="imdbid")
    by_film = write(tmp_path / "f.csv", told(rows, imdbid="imdbid", start="start", end="end"))
    assert [row.text for row in pair(by_film, expected, path) if row] == [row.text for row in expected]
    others = [row for i, row in enumerate(rows) if i != 2]
    by_clip = write(tmp_path / "c.csv", told(others, vid="cmd_filename", start="scaled_start", end="scaled_end"))
    placed = pair(by_clip, expected, path)
    assert [i for i, row in enumerate(placed) if row is None] == [2]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_marks_between_columns_are_read(cmd, tmp_path, mark):
    path, rows = cmd
    with (tmp_path / "p.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=mark)
        writer.writeheader()
        writer.writerows(rows)
    assert read_csv_rows(tmp_path / "p.csv", ("text",)) == read_csv_rows(path, ("text",))


DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.mark.parametrize(
    ("name", "file", "text", "clip"),
    [
        ("mad-eval", "madeval_anno.csv", "sentence", "movie"),
        ("cmd-ad", "cmdad_anno.csv", "text", "cmd_filename"),
        ("tv-ad", "tvad_anno.csv", "text", "tvad_name"),
    ],
)
def test_public_layouts_of_the_whole_sets(tmp_path, name, file, text, clip):
    """Every row of the real annotations finds its own text, whatever the layout and the order of the predictions."""
    from distinctad.score_sets import SETS

    if not (DATA / file).is_file():
        pytest.skip(f"../shared/data/{file} is not here")
    with (DATA / file).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    expected = read_csv_rows(DATA / file, (text,), film=SETS[name].film)
    check_whole(name, expected, DATA / file)
    times = [{"start": row["start"], "end": row["end"]} for row in rows]
    own = [{"start": row.get("scaled_start", row["start"]), "end": row.get("scaled_end", row["end"])} for row in rows]
    layouts = {
        "AutoAD-Zero": [{"": i, "vid": row["imdbid"], **times[i], "text_gt": row[text]} for i, row in enumerate(rows)],
        "clips": [{"vid": row[clip], **own[i]} for i, row in enumerate(rows)],
        "Shot-by-Shot": [{"imdbid": row["imdbid"], **times[i], "anno_idx": i} for i, row in enumerate(rows)],
        "CRITIC": [{"vid": row[clip], "text_gt": row[text]} for row in rows],
    }
    for layout, keyed in layouts.items():
        given = [{**key, "text_gen": f"{row[text]} {i}"} for i, (key, row) in enumerate(zip(keyed, rows, strict=True))]
        random.Random(0).shuffle(given)
        placed = pair(write(tmp_path / "p.csv", given), expected, DATA / file)
        assert all(row is not None for row in placed)
        found = [row.text.rsplit(" ", 1) for row in placed if row is not None]
        # Where the annotations hold the same text at the same key several times, their predictions may change places.
        assert [words for words, _ in found] == [row.text for row in expected], layout
        assert len({number for _, number in found}) == len(rows)


def test_rows_by_their_number(cmd, tmp_path):
    path, rows = cmd
    expected = read_csv_rows(path, ("text",), film="imdbid")
    numbered = [{"anno_idx": i, "imdbid": row["imdbid"], "text_gen": row["text"]} for i, row in enumerate(rows)]
    placed = pair(write(tmp_path / "p.csv", numbered[::-1]), expected, path)
    assert [row.text for row in placed if row] == [row.text for row in expected]
    for wrong in ("99", "-1", "one", "0"):
        with pytest.raises(UserError, match="anno_idx is"):
            pair(write(tmp_path / "p.csv", [*numbered, {**numbered[1], "anno_idx": wrong}]), expected, path)


def test_no_key_no_luck(cmd, tmp_path):
    path, rows = cmd
    expected = read_csv_rows(path, ("text",), film="imdbid")
    for columns in ({}, {"imdbid": "imdbid"}, {"text_gt": "text"}):
        with pytest.raises(UserError, match="no key that fits"):
            pair(write(tmp_path / "p.csv", told(rows, **columns)), expected, path)
    other = [{**row, "text_gt": "Something else."} for row in told(rows, vid="imdbid", start="start", end="end")]
    with pytest.raises(UserError, match="text_gt of 32 of 32 rows is not the text"):
        pair(write(tmp_path / "p.csv", other), expected, path)
    with pytest.raises(UserError, match="its text_gt is not"):
        pair(write(tmp_path / "p.csv", [{"vid": "tt0", "text_gt": "?", "text_gen": "x"}]), expected, path)


def test_a_shared_interval_goes_by_the_true_text(tmp_path):
    expected = [Row("f", 1.0, 2.0, text, i, {}) for i, text in enumerate(("one", "two"), 1)]
    rows = [{"film": "f", "start": 1, "end": 2, "text_gt": t, "text_gen": t.upper()} for t in ("two", "one")]
    placed = pair(write(tmp_path / "p.csv", rows), expected, tmp_path / "a.csv")
    assert [row.text for row in placed if row] == ["ONE", "TWO"]


def test_sets_must_be_whole(cmd):
    path, _ = cmd
    rows = read_csv_rows(path, ("text",), film="imdbid")
    check_whole("pocket", rows, path)
    with pytest.raises(UserError, match="has 32 ADs of 4 films, cmd-ad has 7316 of 98"):
        check_whole("cmd-ad", rows, path)
    with pytest.raises(UserError, match="no set 'imax'"):
        check_whole("imax", rows, path)


def test_a_set_chooses_its_columns(cmd, tmp_path, monkeypatch):
    from distinctad import score_sets

    path, rows = cmd
    small = score_sets.EvaluationSet("imdbid", 32, 4, ((1, 5),), ("film", "cmd_filename"))
    monkeypatch.setitem(score_sets.SETS, "cmd-ad", small)
    predictions = write(tmp_path / "p.csv", told(rows, movie="movie", start="start", end="end"))
    scores = score(predictions, annotations=path, options=Options(("cider",), resamples=50, set_name="cmd-ad"))
    assert [entry["film"] for entry in scores["by_film"]] == ["tt0", "tt1", "tt2", "tt3"]
    assert scores["signature"]["set"] == "cmd-ad" and scores["counts"]["n_missing"] == 0


def test_comparison_of_two_files(cmd, tmp_path):
    path, rows = cmd
    right = told(rows, imdbid="imdbid", start="start", end="end")
    wrong = [{**row, "text_gen": "Lisa."} for row in right]
    mine, other = write(tmp_path / "p.csv", right), write(tmp_path / "o.csv", wrong)
    scores = score(mine, annotations=path, options=QUICK, other=other)
    found = {entry["name"]: entry for entry in scores["comparison"]}
    assert found["rouge_l"]["difference"] > 80 and found["rouge_l"]["lower"] > 80
    assert found["rouge_l"]["p"] == pytest.approx(2 / 16) and found["rouge_l"]["exact"]  # 4 films: 16 exchanges
    same = score(mine, annotations=path, options=QUICK, other=mine)["comparison"]
    assert all(entry["difference"] == 0 and entry["p"] == 1.0 for entry in same if entry["difference"] is not None)
    report = markdown(scores)
    assert "Against the other file" in report and "| ROUGE-L |" in report
    assert "compare" in scores["signature"]["inputs_sha256"]


def test_what_the_other_file_lacks_is_told(cmd, tmp_path):
    """Else a system that lost a film's clips seems to be a worse one."""
    path, rows = cmd
    all_of_them = told(rows, imdbid="imdbid", start="start", end="end")
    mine, part = write(tmp_path / "p.csv", all_of_them), write(tmp_path / "o.csv", all_of_them[3:])
    scores = score(mine, annotations=path, options=QUICK, other=part)
    assert (scores["counts"]["n_missing"], scores["missing"]) == (0, [])
    assert scores["other_counts"]["n_missing"] == 3 == len(scores["other_missing"])
    lost = [[row["imdbid"], float(row["start"]), float(row["end"])] for row in all_of_them[:3]]
    assert sorted(scores["other_missing"]) == sorted(lost)
    report = markdown(scores)
    assert f"The other file: {len(rows) - 3} of {len(rows)} ADs predicted, 3 missing and 0 empty" in report
    assert "Warning: 0 ADs are missing here and 3 in the other file" in report
    alike = markdown(score(part, annotations=path, options=QUICK, other=part))
    assert "3 missing" in alike and "in the other file;" not in alike


def test_p_values_are_fair():
    """Two systems that differ by noise alone: about one in ten p-values is at most 0.1."""
    rng, low = np.random.default_rng(0), 0
    films = [f"f{i:02d}" for i in range(30) for _ in range(4)]
    for _ in range(100):
        values = rng.normal(size=(2, len(films))) + np.repeat(rng.normal(size=30), 4)
        a, b = (
            Figure("x", "x", np.stack([v, np.ones(len(v))], 1), lambda s: s[..., 0] / s[..., 1], films, len(films))
            for v in values
        )
        found = compare(a, b, 50, 1)
        low += found["p"] <= 0.1
        assert found["exact"] is False and found["n_films"] == 30
    assert 3 <= low <= 19


def test_one_film_cannot_be_compared():
    figure = Figure("x", "x", np.ones((3, 2)), lambda s: s[..., 0] / s[..., 1], ["f"] * 3, 3)
    found = compare(figure, figure, 50, 0)
    assert found["difference"] == 0.0 and found["p"] is None and found["lower"] is None
    nothing = Figure("x", "x", np.zeros((0, 2)), lambda s: s[..., 0] / s[..., 1], [], 0)
    assert compare(nothing, figure, 50, 0)["difference"] is None


def test_views_by_hand(cmd, tmp_path):
    path, rows = cmd
    predictions = told(rows, imdbid="imdbid", start="start", end="end")
    for row in predictions:
        if row["imdbid"] == "tt2":
            row["text_gen"] = ""
    scores = score(write(tmp_path / "p.csv", predictions), annotations=path, options=QUICK)
    by_film = {entry["film"]: entry for entry in scores["by_film"]}
    assert by_film["tt2"]["rouge_l"]["value"] == 0.0 and by_film["tt1"]["rouge_l"]["value"] == pytest.approx(100.0)
    [lengths] = scores["by_length"]
    assert (lengths["from_s"], lengths["to_s"], lengths["n"]) == (2.0, 3.0, 32)
    assert lengths["rouge_l"]["value"] == pytest.approx(75.0) and lengths["rouge_l"]["lower"] < 75
    assert len(scores["repeats_by_place"]) == 10
    words = next(f for f in scores["figures"] if f["name"] == "words_per_second")
    assert words["value"] == pytest.approx(0.75 * 6 / 2.5) and words["reference"] == pytest.approx(6 / 2.5)
    assert scores["counts"]["n_empty"] == 8 and all(f["n_expected"] >= f["n"] for f in scores["figures"])
    with report_folder(tmp_path / "out") as folder:
        files = fill(folder, scores)
    assert [file.name for file in files][2:] == ["scores.png", "films.png", "clip_length.png", "repeats.png"]


def test_casts_of_the_public_banks(cmd, tmp_path):
    bank = tmp_path / "bank.json"
    cast = [{"id": "nm1", "name": "An Actor", "role": "Lisa Jorgenson"}, {"name": "George"}, "Matty"]
    bank.write_text(json.dumps({"tt0": cast, "tt1": ["Lisa"], "tt9": []}), encoding="utf-8")
    names = read_names(bank, ["tt0", "tt1", "tt2"])
    assert names == {"tt0": ["Lisa Jorgenson", "George", "Matty"], "tt1": ["Lisa"]}
    twice = [{"id": "nm1", "role": "The King"}, {"id": "nm1", "role": "A Beggar"}, {"id": None, "name": "Tom"}]
    bank.write_text(json.dumps({"tt0": twice}), encoding="utf-8")
    assert read_names(bank, ["tt0"]) == {"tt0": ["The King", "A Beggar", "Tom"]}
    with pytest.raises(UserError, match="lists none of the 1 films"):
        read_names(bank, ["tt7"])
    bank.write_text("[", encoding="utf-8")
    with pytest.raises(UserError, match="no readable JSON"):
        read_names(bank, ["tt0"])
    path, rows = cmd
    bank.write_text(json.dumps({f"tt{i}": ["Lisa", "George"] for i in range(4)}), encoding="utf-8")
    predictions = write(tmp_path / "p.csv", told(rows, imdbid="imdbid", start="start", end="end"))
    options = Options(("critic", "name_accuracy"), resamples=50)
    scores = score(predictions, annotations=path, casts=bank, options=options)
    values = {f["name"]: f["value"] for f in scores["figures"]}
    assert values["critic"] == pytest.approx(100.0) and values["names_f1"] == pytest.approx(100.0)
    with pytest.raises(UserError, match="critic needs the casts"):
        score(predictions, annotations=path, options=Options(("critic",)))


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (["Lisa", {}], "entry 2 has no name"),
        ([7], "entry 1 has no name"),
        ([{"id": "nm1", "name": "", "role": " "}], "entry 1 has no name"),
        ("Lisa", "is a str, expected a list of people"),
    ],
)
def test_whoever_has_no_name_is_refused_by_every_reader_of_casts(tmp_path, people, said):
    """Left out in silence it would be a person whom no metric sees; no public bank holds one."""
    bank, own = tmp_path / "bank.json", tmp_path / "tt0.cast.json"
    bank.write_text(json.dumps({"tt0": people}), encoding="utf-8")
    own.write_text(json.dumps(people), encoding="utf-8")
    for read in (lambda: read_names(bank, ["tt0"]), lambda: read_names(tmp_path, ["tt0"]), lambda: Casts(bank)):
        with pytest.raises(UserError, match=said):
            read()


def test_true_actions_of_the_public_column():
    rows = [
        Row("f", 0, 1, "He sits.", 1, {"gt_action": cell}) for cell in ("['He sits.', ' ']", "0", "[", "[]", "{[1]}")
    ]
    assert read_actions(rows) == [["He sits."]] * 5
    assert read_actions([Row("f", 0, 1, "x", 1, {})]) is None
    with pytest.raises(
        UserError, match=r"row 3 \(f 0.000-1.000\): gt_action has 32769 characters, expected at most 32768"
    ):
        read_actions([Row("f", 0, 1, "x", 3, {"gt_action": "[" * 32769})])


def test_the_default_run_needs_nothing_outside(cmd, tmp_path):
    path, rows = cmd
    predictions = write(tmp_path / "p.csv", told(rows, imdbid="imdbid", start="start", end="end"))
    scores = score(predictions, annotations=path, options=Options(resamples=50))
    run = {"cider", "rouge_l", "bleu", "repetition", "distinctiveness", "name_accuracy", "length"}
    assert set(scores["not_run"]) == set(METRICS) - run
    assert all(f["value"] is None or math.isfinite(f["value"]) for f in scores["figures"])


def test_command_with_set_and_comparison(cmd, tmp_path):
    path, rows = cmd
    predictions = write(tmp_path / "p.csv", told(rows, imdbid="imdbid", start="start", end="end"))
    arguments = ["score", predictions, "--annotations", path, "--out", tmp_path / "out", "--resamples", 20]
    arguments += ["--metrics", "rouge_l,length", "--compare", predictions]
    done = CliRunner().invoke(cli.app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    assert "Against the other file" in done.stdout
    wrong = CliRunner().invoke(cli.app, [*map(str, arguments), "--overwrite", "--set", "mad-eval"])
    assert wrong.exit_code == 2 and "already" not in wrong.stderr


def test_what_describe_writes_is_scored_as_it_stands(tmp_path: Path) -> None:
    """`describe` names the video's file, annotations name the film."""
    truth = tmp_path / "ads.csv"
    truth.write_text(
        "movie,sentence,start,end\nfilm_1,She runs.,1.0,2.0\nfilm_2,He sits.,1.0,2.0\nfilm_3,It falls.,1.0,2.0\n",
        encoding="utf-8",
    )
    told = tmp_path / "descriptions.csv"
    told.write_text(
        "film,start,end,text\nfilm_2.MP4,1.0,2.0,B.\nfilm_3.m4v,1.0,2.0,C.\nfilm_1.mp4,1.0,2.0,A.\n", encoding="utf-8"
    )
    placed = pair(told, read_csv_rows(truth, ("sentence",)), truth)
    assert [row and row.text for row in placed] == ["A.", "B.", "C."]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_letters_and_accents_apart_are_the_same_film(tmp_path: Path, form: str) -> None:
    """macOS has taken file names apart."""
    (tmp_path / "a.csv").write_text("movie,sentence,start,end\nMüller,She runs.,1.0,2.0\n", encoding="utf-8")
    name = unicodedata.normalize(form, "Müller.mp4")
    (tmp_path / "p.csv").write_text(f"film,start,end,text\n{name},1.0,2.0,A.\n", encoding="utf-8")
    (row,) = pair(tmp_path / "p.csv", read_csv_rows(tmp_path / "a.csv", ("sentence",)), tmp_path / "a.csv")
    assert row is not None and row.text == "A."
    (tmp_path / f"{name[:-4]}.cast.json").write_text('["Mara"]', encoding="utf-8")
    (tmp_path / "bank.json").write_text(json.dumps({name[:-4]: ["Mara"]}), encoding="utf-8")
    for casts in (tmp_path, tmp_path / "bank.json"):
        assert read_names(casts, ["Müller"]) == {"Müller": ["Mara"]}


def test_blanks_in_a_true_text_do_not_swap_the_rows_of_one_interval(tmp_path: Path) -> None:
    lines = [f"F,{i},{i}.5,text number {i}" for i in range(10, 310)]  # so many that one mismatch is tolerated
    truth = tmp_path / "a.csv"
    truth.write_text("film,start,end,text\nF,1,2,A man runs.\nF,1,2,A dog barks.\n" + "\n".join(lines) + "\n")
    for start in ("1", "1.001"):
        told = [f"F,{start},2,A dog barks.,A  dog barks.", f"F,{start},2,A man runs.,A  man runs."]
        told += [f"{line},{line.split(',')[3]}" for line in lines]
        (tmp_path / "p.csv").write_text("film,start,end,text_gen,text_gt\n" + "\n".join(told) + "\n")
        placed = pair(tmp_path / "p.csv", read_csv_rows(truth, ("text",)), truth)
        assert [row.text for row in placed[:2] if row] == ["A man runs.", "A dog barks."]
