"""The blind measurement: nothing of the truth is left in the films, names are counted exactly, gates are read right."""

import csv
import importlib.util
import json
from pathlib import Path

import av
import pytest

from distinctad.pocket import Kind, draw_films

PATH = Path(__file__).resolve().parents[2] / "tools" / "blind.py"
_SPEC = importlib.util.spec_from_file_location("blind", PATH)
blind = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(blind)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    draw_films([1], folder, Kind(ads=6))
    return folder


def test_disguised_films_tell_nothing_but_their_packets(drawn, tmp_path):
    names = blind.disguise(drawn, tmp_path, backwards=True)
    (name,) = names
    assert names[name] == "film_1" and "1" != name.removeprefix("film_")
    video = tmp_path / name / f"{name}.mp4"

    def packets(path):
        with av.open(str(path)) as file:
            return [bytes(packet) for packet in file.demux(video=0) if packet.size]

    assert packets(video) == packets(drawn / "film_1" / "film_1.mp4")
    with av.open(str(video)) as file:
        assert not {key for key in file.metadata if key not in ("major_brand", "minor_version", "compatible_brands",
                                                                "encoder")}  # fmt: skip
    with (tmp_path / "annotations.csv").open() as file:
        assert csv.DictReader(file).fieldnames == ["movie", "start", "end"]
    before = json.loads((drawn / "film_1" / "film_1.cast.json").read_text())
    after = json.loads((tmp_path / name / "cast.json").read_text())
    assert [p["name"] for p in after] == [p["name"] for p in before][::-1]
    assert not (tmp_path / name / "truth.jsonl").exists()


def test_swapped_names_are_counted_in_order(drawn):
    cast = json.loads((drawn / "film_1" / "film_1.cast.json").read_text())
    one, two = cast[0]["name"], cast[1]["name"]
    plain = [f"{one} hugs {two}.", f"{one} waves.", f"{two} sits.", "She runs."]
    swap = [f"{two} hugs {one}.", f"{two} waves.", f"{two} sits.", "She runs."]
    rows = [[{"film": "film_1", "text_gen": text} for text in texts] for texts in (plain, swap)]
    assert blind.swapped_share(*rows, drawn) == (2, 3)


def test_a_gate_needs_its_floor_and_three_times_chance():
    good = {"value": 85.0, "low": 80.0, "high": 90.0}
    weak = {"value": 85.0, "low": 70.0, "high": 90.0}
    rest = {
        "names swapped with the cast, percent": 90.0,
        "texts that name one of the two": 9,
        "texts changed by the cast's order, percent": 0.0,
        "black pictures": {label: good for label in blind.GATES},
    }
    for figure, word in ((good, ": met"), (weak, "NOT met")):
        labels = {label: figure for label in blind.GATES}
        lines = blind.verdict({**labels, **{f"{label}, chance": 25.0 for label in blind.GATES}, **rest})
        assert all(word in line for line in lines[: len(blind.GATES)])


def test_a_training_seed_is_refused(tmp_path, capsys):
    assert blind.main(["--out", str(tmp_path), "--seed", "5"]) == 2
    assert "above 900000" in capsys.readouterr().err
