from __future__ import annotations

from pathlib import Path

import pytest
from public_files import NUMBERS, TV, real, table, tv

from datasets_scripts.checks import check_file
from datasets_scripts.literals import read_boxes, read_frame_numbers, read_literal, read_predictions
from datasets_scripts.repairs import RowRefused
from datasets_scripts.tv_ad import TVADReader, frames_folder

FACES = (*TV, "bboxes", "pred_ids")
BOXES = str([[[1, 2, 3, 4]]] * 16)


def test_rows_name_their_frames(tmp_path: Path) -> None:
    rows = [
        tv(10, 13, "A b."),
        tv(13.5, 14, "C d."),
        tv(20, 21, "E f.", tvad_index="[1, 2]"),
        tv(22, 23, "G h.", tvad_index=NUMBERS.replace("9", "0", 1)),
        tv(24, 25, "I j.", tvad_index="__import__('os')"),
        tv(26, 27, "K l.", duration=9),
        tv(28, 29, "M n.", tvad_name="/etc/passwd"),
        tv(30, 31, "O p.", tvad_name="s02e23_seg02_clip_17"),
    ]
    reader = TVADReader(table(tmp_path / "a.csv", TV, rows))
    got = list(reader)
    assert [r.provenance.row for r in got] == [0, 1, 7] and got[0].frame_numbers[0] == 9
    assert got[0].video == "friends_frames/friends_s01e02_seg01_clip_01" and got[2].video.startswith("bbt_frames/")
    assert got[0].film == "tt9" and got[0].video_start_s is None
    assert {rule: list(f.rows) for rule, f in reader.report.found.items()} == {
        "widened": [1, 7], "widened_overlap": [1], "frame_count": [2], "bad_literal": [3, 4], "times_disagree": [5],
        "unsafe_path": [6],
    }  # fmt: skip


@pytest.mark.parametrize(("last", "version"), [(14, "narrow"), (15, "wide")])
def test_the_two_versions_of_the_index(tmp_path: Path, last: int, version: str) -> None:
    numbers = [9] * 15 + [last]
    path = table(tmp_path / "a.csv", TV, [tv(10, 12, "A b.", tvad_index=str(numbers))])
    assert TVADReader(path).read_all().facts["tvad_index"].startswith(version)


def test_faces_are_checked(tmp_path: Path) -> None:
    rows = [
        [*tv(10, 13, "A b."), BOXES, "{'nm1': [(0, 0), (15, 0)]}"],
        [*tv(14, 17, "C d."), BOXES, "{'nm1': [(0, 1)]}"],
        [*tv(18, 21, "E f."), BOXES, "{'nm1': 5}"],
        [*tv(22, 25, "G h."), "[[1]]", "{}"],
    ]
    report = TVADReader(table(tmp_path / "a.csv", FACES, rows)).read_all()
    assert list(report.found["face_without_box"].rows) == [1] and list(report.found["bad_literal"].rows) == [2, 3]


def test_folders() -> None:
    assert [frames_folder(n) for n in ("friends_s01", "s01e01", "film_7_s01e01")] == [
        "friends_frames", "bbt_frames", "pocket_frames",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "[" * 30_000, "-" * 30_000 + "1", "[" + "1" * 4000 + "]", "1" * 40_000, "{'a': b'x'}", "[1, 2", "f(1)", "[1.5]",
        "lambda: 0", "[x for x in y]", "9**9", "", None, "{[1]: 2}", "[0x" + "f" * 9 + "]",
    ],
)  # fmt: skip
def test_hostile_literals_are_refused(text: str | None) -> None:
    for reader in (read_frame_numbers, read_boxes, read_predictions):
        with pytest.raises(RowRefused):
            reader(text)


def test_literals() -> None:
    assert read_literal("[1, (2, 3), {'nm1': []}]", "x") == [1, (2, 3), {"nm1": []}]
    assert read_predictions("{'nm1': [(4, 0)]}") == {"nm1": [(4, 0)]} and read_boxes(BOXES) == [1] * 16


@pytest.mark.parametrize(("name", "version"), [("tvad_anno.csv", "narrow"), ("tvad_anno_with_face.csv", "wide")])
def test_the_real_files(name: str, version: str) -> None:
    report = check_file(real(name))
    assert report.rows == 2983 and report.outcomes["kept"] == 2983
    facts = report.facts
    assert (facts["films"], facts["clips"], facts["series"]) == (100, 1076, 2) and facts["tvad_index"].startswith(
        version
    )
    assert report.count("widened_overlap") == 191 and report.count("duplicate_text") == 92


def test_the_real_training_texts() -> None:
    report = check_file(real("tvad_train.csv"))
    assert report.rows == 29_144 and report.outcomes["kept"] == 29_144 and "31,000" in report.remarks[0]
