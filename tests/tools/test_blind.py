"""The blind measurement: nothing of the truth is left in the films, names are counted exactly, gates are read right.

And no model's figures are taken for another's.
"""

import csv
import importlib.util
import json
from pathlib import Path

import av
import pytest

from distinctad.pocket import Kind, draw_films
from distinctad.publish_card import figures as card_figures

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


RIGHT = {"value": 85.0, "low": 80.0, "high": 90.0}
FIGURES = {
    **{label: RIGHT for label in blind.GATES},
    **{f"{label}, chance": 5.0 for label in blind.GATES},
    "black pictures": {label: RIGHT for label in blind.GATES},
}


@pytest.mark.parametrize(
    ("swapped", "named", "changed", "said"),
    [(80.0, 9, 2.0, ["met", "met"]), (79.9, 9, 2.1, ["NOT met", "NOT met"]), (100.0, 0, 0.0, ["NOT met", "met"])],
)
def test_the_controls_of_the_cast_are_gates_too(swapped, named, changed, said):
    lines = blind.verdict({
        **FIGURES, "names swapped with the cast, percent": swapped, "texts that name one of the two": named,
        "texts changed by the cast's order, percent": changed,
    })  # fmt: skip
    assert [line.rpartition(": ")[2] for line in lines[-2:]] == said


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Two models; nothing is run, and a record stands in for the committed one."""
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(name.encode())
    (tmp_path / "a" / "run_record.json").write_text(json.dumps({"metrics": {"loss": 1.0}}))
    figures = {**FIGURES, "names swapped with the cast, percent": 0.0, "texts that name one of the two": 0,
               "texts changed by the cast's order, percent": 0.0}  # fmt: skip
    monkeypatch.setattr(blind, "measure", lambda *given: dict(figures))
    monkeypatch.setattr(blind, "CHECKPOINT", tmp_path / "a")
    monkeypatch.setattr(blind, "RECORD", tmp_path / "a" / "run_record.json")
    return tmp_path


def asked(models, model, *flags):
    return blind.main(["--out", str(models / "out"), "--model", str(models / model), "--films", "2", *flags])


def test_texts_of_one_model_are_not_taken_for_anothers(models, capsys):
    assert asked(models, "a") == 0 == asked(models, "a", "--record")  # the record is no part of the model
    assert asked(models, "b") == 2 and "says another model;" in capsys.readouterr().err
    assert asked(models, "a", "--seed", "900400") == 2 and "another seed;" in capsys.readouterr().err
    assert asked(models, "a", "--preset", "crowded") == 2 and "another preset;" in capsys.readouterr().err
    (models / "a" / "config.json").write_text("{}")
    assert asked(models, "a") == 2 and "another model;" in capsys.readouterr().err


@pytest.mark.parametrize("left", ["plain.csv", "drawn"])
def test_a_folder_that_does_not_say_whose_texts_it_holds_is_refused(models, capsys, left):
    (models / "out" / left).mkdir(parents=True)
    assert asked(models, "a") == 2 and "no asked.json" in capsys.readouterr().err


def test_only_the_checkpoints_figures_go_into_its_record(models, capsys):
    record = models / "a" / "run_record.json"
    before = record.read_bytes()
    assert asked(models, "b", "--record") == 2 and record.read_bytes() == before
    assert "leave one of them out" in capsys.readouterr().err and not (models / "out").exists()
    assert asked(models, "a", "--record") == 0
    metrics = json.loads(record.read_text())["metrics"]
    assert metrics["loss"] == 1.0 and metrics["blind"]["action"] == RIGHT


@pytest.mark.parametrize(("flags", "said"), [(("--films", "1"), "at least 2"), (("--model", "absent"), ".safetensors")])
def test_what_cannot_be_measured_is_refused_before_the_work(tmp_path, capsys, flags, said):
    assert blind.main(["--out", str(tmp_path / "out"), *flags]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_figures_say_where_they_come_from_in_words_only(tmp_path, monkeypatch):
    row = {"film": "film_900301", "text_gen": "She runs."}
    figure = {"label": "action", "value": 61.0, "lower": 55.0, "upper": 66.0, "chance": 5.0}
    scores = {"counts": {"n_films": 2, "n_expected": 40}, "figures": [{**figure, "label": x} for x in blind.GATES]}
    monkeypatch.setattr(blind, "_run", lambda *command: None)
    monkeypatch.setattr(blind, "disguise", lambda *given, **more: {})
    monkeypatch.setattr(blind, "predict", lambda *given: [row])
    monkeypatch.setattr(blind, "score", lambda *given: scores)
    monkeypatch.setattr(blind, "swapped_share", lambda *given: (1, 2))
    question = blind.question(900301, 2, blind.CHECKPOINT, "clear")
    figures = blind.measure(question, blind.CHECKPOINT, tmp_path)
    assert figures["action"] == {"value": 61.0, "low": 55.0, "high": 66.0} and figures["action, chance"] == 5.0
    assert figures["films"] == 2 and figures["ads"] == 40
    told = figures["provenance"]
    assert (told["first seed"], told["films"], told["preset"]) == ("900301", "2", "clear")
    assert told["command"] == "python tools/blind.py --out DIR --seed 900301 --films 2 --preset clear"
    assert told["commit"] and told["model"] == question["model"] and str(tmp_path) not in str(told)
    assert not [name for name, *_ in card_figures({"blind": figures}) if "provenance" in name]
