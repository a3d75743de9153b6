from __future__ import annotations

from pathlib import Path

import pytest
from public_files import CMD, cmd, real, table

from datasets_scripts.annotations import VIDEO_ENDINGS, find_media
from datasets_scripts.checks import check_file, kind_of
from datasets_scripts.cmd_ad import CMDADReader
from datasets_scripts.tables import TableError


def test_intervals_inside_the_clip(tmp_path: Path) -> None:
    rows = [
        cmd(1000.3, 1000.9, "A b."),  # widened to -0.4 .. 1.6
        cmd(1001.5, 1005.0, "C d."),  # raw after it, widened times overlap
        cmd(1006.0, 1006.5, "E f."),
        cmd(2001, 2004, "G h.", 2),
        cmd(1003, 1004, "I j."),  # clip 1 after clip 2
        cmd(900, 904, "K l.", 3, scaled_start=1, scaled_end=5),  # a later clip from earlier in the film
    ]
    reader = CMDADReader(table(tmp_path / "a.csv", CMD, rows))
    got = list(reader)
    assert [r.text for r in got] == ["A b.", "C d.", "I j.", "E f.", "G h.", "K l."]
    assert (got[0].video_start_s, got[0].video_end_s) == pytest.approx((0.0, 1.6))
    assert got[0].start_s == 1000.3 and {r.film for r in got} == {"tt7"} and got[4].clip == got[4].video == "2014/clip2"
    found = {rule: list(f.rows) for rule, f in reader.report.found.items()}
    assert found == {
        "negative_start": [0], "widened": [0, 2, 4], "widened_overlap": [1], "out_of_order": [4], "overlap": [4, 5],
        "clip_order": [5],
    }  # fmt: skip
    assert reader.report.outcomes == {"kept": 4, "repaired": 2, "refused": 0}


def test_the_copy_without_texts(tmp_path: Path) -> None:
    columns = (*CMD[1:], "duration", "num_words", "num_string")
    rows = [[*cmd(1001, 1004)[1:], 3, 4, "Ann"]]
    reader = CMDADReader(table(tmp_path / "a.csv", columns, rows))
    assert [r.text for r in reader] == [""] and reader.report.count("no_text") == 1 and not reader.report.refused
    with pytest.raises(TableError, match="no column text"):
        CMDADReader(table(tmp_path / "b.csv", CMD[1:], [cmd(1001, 1004)[1:]]))


def test_missing_and_unsafe_videos(tmp_path: Path) -> None:
    rows = [cmd(1001, 1004, "A b."), cmd(2001, 2004, "C d.", 2), cmd(3001, 3004, "E f.", 3, cmd_filename="../../x")]
    path = table(tmp_path / "a.csv", CMD, rows)
    (tmp_path / "2014").mkdir()
    (tmp_path / "2014" / "clip1.mkv").touch()
    reader = CMDADReader(path, root=tmp_path)
    assert [r.video for r in reader] == ["2014/clip1.mkv"]
    assert list(reader.report.found["missing_video"].rows) == [1] and list(reader.report.found["unsafe_path"].rows) == [
        2
    ]


def test_rows_after_their_video_or_of_one_that_cannot_be_read(tmp_path: Path) -> None:
    rows = [
        cmd(1001, 1004, "A b.", scaled_start=1, scaled_end=4),
        cmd(1005, 1009, "C d.", scaled_start=5.9, scaled_end=9),  # merely runs over the end
        cmd(1006, 1010, "E f.", scaled_start=6, scaled_end=10),
        cmd(2001, 2004, "G h.", 2),
        cmd(3001, 3004, "I j.", 3),  # not measured
    ]
    (tmp_path / "2014").mkdir()
    for clip in (1, 2, 3):
        (tmp_path / "2014" / f"clip{clip}.mkv").touch()
    reader = CMDADReader(table(tmp_path / "a.csv", CMD, rows), root=tmp_path)
    reader.video_ends_s = {"2014/clip1.mkv": 6.0, "2014/clip2.mkv": "holds audio; give the film"}
    assert [r.text for r in reader] == ["A b.", "C d.", "I j."]
    assert reader.report.outcomes == {"kept": 3, "repaired": 0, "refused": 2} and reader.report.rows == 5
    found = {rule: (list(f.rows), f.details) for rule, f in reader.report.found.items() if rule.endswith(("s", "o"))}
    assert found["unreadable_video"] == ([3], ["'2014/clip2.mkv': holds audio; give the film"])
    assert found["no_frames"][0] == [2] and found["no_frames"][1][0].startswith(
        "'2014/clip1.mkv' ends at 6.00 s, the AD is from 6.0 to 10.0 s; fetch the whole film"
    )


def test_a_video_is_found_by_any_ending_that_the_commands_take(tmp_path: Path) -> None:
    for ending in VIDEO_ENDINGS:
        (tmp_path / f"a{ending}").touch()
        assert find_media(tmp_path, "a") == f"a{ending}"
        (tmp_path / f"a{ending}").unlink()
    assert {".m4v", ".ts"} <= {*VIDEO_ENDINGS} and find_media(tmp_path, "a") is None
    (tmp_path / "a.tar").touch()  # frames
    assert find_media(tmp_path, "a") == "a.tar" and ".tar" not in VIDEO_ENDINGS


def test_both_names_of_the_id(tmp_path: Path) -> None:
    columns = tuple("imdb" if c == "imdbid" else c for c in CMD)
    assert len(list(CMDADReader(table(tmp_path / "a.csv", columns, [cmd(1001, 1004)])))) == 1


def test_the_real_file() -> None:
    path = real("cmdad_anno.csv")
    report = check_file(path)
    assert kind_of(path) == "cmd-ad" and report.rows == 7316 and report.facts == {"films": 98, "clips": 591}
    assert report.outcomes == {"kept": 7306, "repaired": 10, "refused": 0}
    assert report.count("negative_start") == 9 and report.count("widened_overlap") == 578
    assert report.count("overlap") == 2 and report.count("lower_case") == 30
    assert list(report.found["negative_start"].rows)[:2] == [170, 1152] and "98" in report.remarks[0]
