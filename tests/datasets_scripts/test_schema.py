import json
import math

import pytest

from datasets_scripts.schema import ADRow, Character, Provenance


def row(**changes):
    values = dict(
        film="film_1", clip="film_1", index=0, start_s=1.0, end_s=2.5, text="Ann waves.",
        characters=(Character("p1", "Ann", "A. Actor", "portraits/p1.png"),), video="film_1.mp4",
        provenance=Provenance("annotations.csv", 0),
    )  # fmt: skip
    return ADRow(**(values | changes))


def test_a_row_survives_json():
    full = row(video_start_s=0.0, video_end_s=2.0, frame_numbers=(1, 1, 2))
    assert ADRow.from_dict(json.loads(json.dumps(full.to_dict()))) == full
    assert ADRow.from_dict(row().to_dict()) == row()
    assert row().to_dict()["characters"][0] == {
        "id": "p1", "name": "Ann", "actor": "A. Actor", "portrait": "portraits/p1.png", "role": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"film": " "}, {"film": 3}, {"clip": ""}, {"index": -1}, {"index": True}, {"index": 1.0}, {"start_s": -0.1},
        {"start_s": 2.5}, {"end_s": math.inf}, {"end_s": math.nan}, {"end_s": "2"}, {"text": None},
        {"characters": [Character("p", "P")]}, {"characters": ({"id": "p"},)}, {"provenance": "a.csv"},
        {"video_start_s": 1.0}, {"video_end_s": 1.0}, {"video_start_s": 2.0, "video_end_s": 1.0},
        {"frame_numbers": (0,)}, {"frame_numbers": [1]}, {"video": None},
    ],
)  # fmt: skip
def test_wrong_values_are_refused(changes):
    with pytest.raises(ValueError, match="expected"):
        row(**changes)


def test_wrong_keys_are_refused_by_name():
    with pytest.raises(ValueError, match="'movie'"):
        ADRow.from_dict(row().to_dict() | {"movie": "x"})
    short = row().to_dict()
    del short["text"]
    with pytest.raises(ValueError, match="text"):
        ADRow.from_dict(short)
    with pytest.raises(ValueError, match="'role'"):
        ADRow.from_dict(row().to_dict() | {"characters": [{"id": "p", "role": "x"}]})
    with pytest.raises(ValueError, match="dictionary"):
        ADRow.from_dict(["film"])


@pytest.mark.parametrize("make", [lambda: Character("", "A"), lambda: Character("p", " "), lambda: Provenance("a", -1)])
def test_people_and_provenance_are_checked(make):
    with pytest.raises(ValueError, match="expected"):
        make()


def test_a_row_without_public_text_and_without_cast_is_fine():
    assert row(text="", characters=(), video="").to_dict()["characters"] == []
