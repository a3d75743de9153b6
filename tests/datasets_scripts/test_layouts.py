import ast
import csv
import json
from pathlib import Path

import pytest
from pocket_films import tiny_film

from datasets_scripts.pocket import layouts

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.skipif(not DATA.is_dir(), reason="the public annotation files are not here")
@pytest.mark.parametrize(
    ("layout", "name"), [("mad-eval", "madeval_anno.csv"), ("cmd-ad", "cmdad_anno.csv"), ("tv-ad", "tvad_anno.csv")]
)
def test_columns_are_the_public_files(layout, name):
    with (DATA / name).open(encoding="utf-8", errors="replace", newline="") as file:
        assert tuple(next(csv.reader(file))) == layouts.COLUMNS[layout]


def test_mad_rows_by_hand():
    row = layouts.annotation_rows(tiny_film())[1]
    assert row == {
        "movie": "film_5", "sentence": "She kicks a red ball.", "movie_duration": 7.0, "start": 2.0, "end": 3.0,
        "imdbid": "film_5", "lsmdc_filename": "film_5_00.00.02.000-00.00.03.000", "start_hms": "00.00.02.000",
        "end_hms": "00.00.03.000",
    }  # fmt: skip
    assert layouts.hms(3723.0415) == "01.02.03.042"
    assert layouts.hms(59.9996) == "00.01.00.000"


def test_pieces_cover_the_film_without_gap():
    first, second = layouts.pieces(tiny_film())
    assert (first.start_s, first.end_s, second.start_s, second.end_s) == (0.0, 5.3, 5.3, 7.0)
    assert first.video == "2000/film_5_01" and second.frames == "film_5_s01e01_seg02_clip_01"


def test_cmd_rows_are_scaled_into_their_clip():
    rows = layouts.annotation_rows(tiny_film(), "cmd-ad")
    # 0.5..1.5 widens to 0..2; 5.5..6.5 is 0.2..1.2 in a clip of only 1.7 s, all of which it gets.
    assert [(r["scaled_start"], r["scaled_end"]) for r in rows] == [(0.0, 2.0), (1.5, 3.5), (2.7, 4.7), (0.0, 1.7)]
    assert [r["cmd_filename"] for r in rows] == ["2000/film_5_01"] * 3 + ["2000/film_5_02"]
    assert [r["cmd_clip_idx"] for r in rows] == [1, 1, 1, 2] and rows[0]["movie"] == 5


def test_widening_keeps_long_intervals_and_stays_inside():
    assert layouts.widened(1.0, 4.5, 10.0) == (1.0, 4.5)
    assert layouts.widened(9.5, 10.0, 10.0) == (8.0, 10.0)
    assert layouts.widened(0.1, 0.2, 10.0) == (0.0, 2.0)


def test_tv_rows_point_at_existing_frames():
    film = tiny_film()
    rows = layouts.annotation_rows(film, "tv-ad")
    counts = {piece.frames: layouts.piece_frame_count(piece) for piece in layouts.pieces(film)}
    assert counts == {"film_5_s01e01_seg01_clip_01": 15, "film_5_s01e01_seg02_clip_01": 5}
    for row in rows:
        numbers = ast.literal_eval(row["tvad_index"])
        assert len(numbers) == 16 and numbers == sorted(numbers)
        assert numbers[0] >= 1 and numbers[-1] <= counts[row["tvad_name"]]
        assert row["duration"] == pytest.approx(row["scaled_end"] - row["scaled_start"])
    # 1.5..3.5 s: midpoints 1.5625 + i/8, times 3, rounded, plus one.
    assert ast.literal_eval(rows[1]["tvad_index"]) == [6, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 11, 11, 11]


def test_truth_holds_the_told_slots_only():
    truth = layouts.truth_rows(tiny_film())
    assert truth[1] == {
        "film": "film_5", "index": 1, "start": 2.0, "end": 3.0, "text": "She kicks a red ball.", "character": "Zoë",
        "action": "kick", "object": "ball", "colour": "red", "partner": "", "novel": True,
    }  # fmt: skip
    assert truth[3]["colour"] == "" and truth[3]["partner"] == "Cy" and not truth[2]["novel"]


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_files_are_read_back(tmp_path, layout):
    films = [tiny_film(5), tiny_film(6)]
    annotations, truth, bank = layouts.write_annotations(films, tmp_path, layout)
    with annotations.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 and tuple(rows[0]) == layouts.COLUMNS[layout]
    slots = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    assert [slot["film"] for slot in slots] == ["film_5"] * 4 + ["film_6"] * 4
    key = {"mad-eval": "movie", "cmd-ad": "imdbid", "tv-ad": "imdbid_pe"}[layout]
    people = json.loads(bank.read_text(encoding="utf-8"))
    assert people[rows[0][key]][0] == {"id": "p1", "name": "Ada Actor", "role": "Zoë"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotations.csv", "charbank.json", "truth.jsonl"]


def test_unknown_layout_is_refused(tmp_path):
    with pytest.raises(ValueError, match="mad-eval"):
        layouts.annotation_rows(tiny_film(), "mad")
    with pytest.raises(ValueError, match="mad-eval"):
        layouts.write_annotations([], tmp_path, "mad")
    assert not list(tmp_path.iterdir())
