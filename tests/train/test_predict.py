"""Predicting film folders: what is read, resuming, controls. The video's reader is the pipeline's own test."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from train.predict import (
    CACHE_OPTIONS,
    COLUMNS,
    Share,
    blacked,
    find_films,
    main,
    predict_cache,
    predict_films,
    read_intervals,
    swapped,
    write_predictions,
)

HEADER = "movie,sentence,start,end\n"
ROWS = "film_2,SECRET,5.5,7.25\nfilm_2,SECRET,1.0,3.0\n"


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    for name in ("film_2", "film_10"):
        (folder / name / "portraits").mkdir(parents=True)
        (folder / name / f"{name}.mp4").write_bytes(b"")
        people = [{"id": f"p{k}", "name": who, "actor": "", "portrait": f"portraits/p{k}.png"}
                  for k, who in enumerate(("Mara", "Zoë", "Tariq"), 1)]  # fmt: skip
        (folder / name / f"{name}.cast.json").write_text(json.dumps(people), encoding="utf-8")
    (folder / "annotations.csv").write_text(HEADER + ROWS + ROWS.replace("film_2", "film_10"), encoding="utf-8")
    return folder


class FakePipeline:
    """Names the first of the cast and whether the pictures are black; fails at a film if told to."""

    def __init__(self, fails_at: str = "") -> None:
        self.seen: list[str] = []
        self.fails_at = fails_at

    def __call__(self, film: str, intervals: Any, cast: Any, frames: Any = None) -> list[dict[str, Any]]:
        assert Path(cast[0]["portrait"]).parent.parent == Path(film).parent
        if Path(film).stem == self.fails_at:
            raise RuntimeError("cut off")
        self.seen.append(Path(film).stem)
        picture = np.full((2, 2, 3), 9, np.uint8)
        shown = picture if frames is None else frames(0, [picture])[0]
        text = f"{cast[0]['name']} sees {int(shown.max())}, then"
        return [
            {"start_s": s, "end_s": e, "text": text, "window": 0, "position": i} for i, (s, e) in enumerate(intervals)
        ]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def settings(**changes: Any) -> dict[str, Any]:
    return {"model": "m", "black": False, "swap": False, **changes}


def test_films_are_found_in_order_with_sorted_intervals(films: Path) -> None:
    found = find_films(films)
    assert [film.film for film in found] == ["film_2", "film_10"]
    assert found[0].intervals == [(1.0, 3.0), (5.5, 7.25)]
    assert found[0].cast[1]["portrait"] == str(films / "film_2" / "portraits" / "p2.png")


def test_no_text_of_the_annotations_is_kept(films: Path) -> None:
    assert "SECRET" not in repr(find_films(films))


def test_a_cut_off_run_keeps_its_finished_films(films: Path, tmp_path: Path) -> None:
    out, found = tmp_path / "p.csv", find_films(films)
    with pytest.raises(RuntimeError):
        predict_films(FakePipeline("film_10"), found, out, settings())
    assert not out.exists()
    second = FakePipeline()
    predict_films(second, found, out, settings())
    assert second.seen == ["film_10"]
    written = rows(out)
    assert tuple(written[0]) == COLUMNS and [row["film"] for row in written] == ["film_2"] * 2 + ["film_10"] * 2
    assert written[0]["start"] == "1.0" and written[0]["text_gen"] == "Mara sees 9, then"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["films", "p.csv"]


def test_parts_of_other_settings_are_not_taken(films: Path, tmp_path: Path) -> None:
    out, found = tmp_path / "p.csv", find_films(films)
    with pytest.raises(RuntimeError):
        predict_films(FakePipeline("film_10"), found, out, settings())
    other = FakePipeline()
    predict_films(other, found, out, settings(black=True))
    assert other.seen == ["film_2", "film_10"]
    assert {row["text_gen"] for row in rows(out)} == {"Mara sees 0, then"}


def test_swapping_exchanges_names_and_leaves_portraits(films: Path, tmp_path: Path) -> None:
    cast = find_films(films)[0].cast
    changed = swapped(cast)
    assert [person["name"] for person in changed] == ["Zoë", "Mara", "Tariq"]
    assert [person["portrait"] for person in changed] == [person["portrait"] for person in cast]
    assert cast[0]["name"] == "Mara"
    predict_films(FakePipeline(), find_films(films), tmp_path / "p.csv", settings(swap=True))
    assert rows(tmp_path / "p.csv")[0]["text_gen"].startswith("Zoë")
    with pytest.raises(ValueError, match="two people"):
        swapped(cast[:1])


def test_black_pictures_keep_sizes_and_gaps() -> None:
    made = blacked(0, [np.full((3, 5, 3), 7, np.uint8), None])
    assert made[0].shape == (3, 5, 3) and made[0].dtype == np.uint8 and not made[0].any() and made[1] is None


def test_bad_input_is_told(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("movie,start\nx,1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected film or movie"):
        read_intervals(wrong)
    wrong.write_text("movie,start,end\nx,1,soon\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        read_intervals(wrong)
    (films / "film_2" / "film_2.cast.json").unlink()
    assert main(["--model", "m", "--films", str(films), "--out", str(tmp_path / "p.csv")]) == 2
    assert "cast.json" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no"):
        find_films(tmp_path / "empty")


def test_ranks_share_the_films_and_the_last_one_joins_them(films: Path, tmp_path: Path) -> None:
    out, found = tmp_path / "p.csv", find_films(films)
    first, second = FakePipeline(), FakePipeline()
    predict_films(first, found, out, settings(), Share(1, 2))
    assert not out.exists() and first.seen == ["film_10"]
    predict_films(second, found, out, settings(), Share(0, 2))
    assert second.seen == ["film_2"]
    assert [row["film"] for row in rows(out)] == ["film_2"] * 2 + ["film_10"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["films", "p.csv"]


def test_a_lost_row_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 rows, expected 2"):
        write_predictions({"a": 2}, lambda film: [{"film": film}], tmp_path / "p.csv", {})
    assert not (tmp_path / "p.csv").exists()


class CopyModel:
    """Its text tells the context that it was given and how many people were listed."""

    device = "cpu"

    def eval(self) -> None:
        """Nothing to do."""


def test_cached_sets_are_told_window_by_window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    count = 5
    cache_rows = [
        {"film": f"eval/{film}", "split": "eval", "text": "SECRET", "start_s": 2.0 * i, "end_s": 2.0 * i + 1,
         "names": ["Mara"], "clip": f"{film}{i // 2}"}
        for film in ("a", "b") for i in range(count)
    ]  # fmt: skip

    class FakeCache:
        def __init__(self, model: Any, folder: Any) -> None:
            assert (type(model), folder) == (Model, tmp_path)
            self.rows, self.meta, self.frames = cache_rows, {"tower": "t"}, torch.zeros(2 * count, 8, 4)
            self.films = {"eval/a": list(range(count)), "eval/b": list(range(count, 2 * count))}

        def film_faces(self, row: Any) -> Any:
            return torch.zeros(0, 4)

    tokens = SimpleNamespace(eos_token_id=0, pad_token_id=0)

    class FakeProcessor:
        window_size, tokenizer, person_slots, to_dict = 3, tokens, False, staticmethod(dict)

        def __call__(self, **asked: Any) -> dict[str, Any]:
            assert "texts" not in asked and "SECRET" not in repr(asked)
            self.asked = asked
            clips = max(len(window) for window in asked["frame_features"])
            mask = [[i < len(window) for i in range(clips)] for window in asked["frame_features"]]
            return {"clip_mask": torch.tensor(mask)}

        def batch_decode(self, ids: Any, names: Any) -> list[list[str]]:
            context = self.asked.get("context")
            return [[f"{len(context[b][n]) if context else 0}" for n in range(ids.shape[1])] for b in range(len(ids))]

    class Model(CopyModel):
        vision_tower = None
        config = SimpleNamespace(vision_sha256=None, to_dict=dict)

        def generate(self, clip_mask: Any, **rest: Any) -> Any:
            return torch.zeros(*clip_mask.shape, 1, dtype=torch.long)

    class Pipe:
        model, processor = Model(), FakeProcessor()

    monkeypatch.setattr("modeling_distinctad.towers_distinctad.weights_sha256", lambda whole: "t")
    monkeypatch.setattr("train.features.cache_of", FakeCache)
    options = {name: default for name, (default, _) in CACHE_OPTIONS.items()} | {"characters": "none"}
    predict_cache(Pipe(), tmp_path, "eval", tmp_path / "p.csv", options, Share())
    written = rows(tmp_path / "p.csv")
    assert [row["film"] for row in written] == ["a"] * 5 + ["b"] * 5 and written[4]["start"] == "8.0"
    assert [row["window"] + row["position"] for row in written[:5]] == ["00", "01", "02", "10", "11"]
    predict_cache(Pipe(), tmp_path, "eval", tmp_path / "g.csv", options | {"window_group": "clip"}, Share())
    assert [row["window"] + row["position"] for row in rows(tmp_path / "g.csv")] == ["00", "01", "10", "11", "20"] * 2
    # predicted contexts: nothing at first, then the texts of the up to three clips before, also of the window before
    predict_cache(Pipe(), tmp_path, "eval", tmp_path / "c.csv", options | {"context_ads": "predicted"}, Share())
    assert [row["text_gen"] for row in rows(tmp_path / "c.csv")] == ["0", "1", "3", "5", "5"] * 2
    with pytest.raises(ValueError, match="no rows with times"):
        predict_cache(Pipe(), tmp_path, "test", tmp_path / "d.csv", options, Share())
    assert main(["--model", "m", "--set", "mad-eval", "--out", str(tmp_path / "e.csv")]) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "mad-eval", "--features", "x", "--black"], "--black is not read"),
        (["--films", "x", "--characters", "all"], "--characters is not read"),
        (["--films", "{films}", "--model", "/no/such/model"], "/no/such/model"),
    ],
)
def test_what_would_not_be_read_is_refused(
    words: list[str], said: str, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--model", "m", *(word.format(films=films) for word in words), "--out", str(tmp_path / "p.csv")]
    assert main(argv) == 2 and said in capsys.readouterr().err


def test_films_of_one_name_are_refused(films: Path) -> None:
    (films / "again").mkdir()
    for path in sorted((films / "film_2").iterdir()):
        if path.is_file():
            (films / "again" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="have one name"):
        find_films(films)


TRAINED = {
    "test_characters": "none", "context_ads": "predicted", "context_count": 5, "max_people": 3,
    "recognised_people": None, "window_group": "clip", "train_characters": "ground_truth",
}  # fmt: skip


def predicted_with(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[dict[str, Any], str]:
    """The options that a prediction of a set's cache is made with, and the split."""
    found: list[Any] = []
    monkeypatch.setattr("train.predict.load_pipeline", lambda *_: None)
    monkeypatch.setattr("train.predict.predict_cache", lambda *given: found.extend(given))
    argv = ["--model", str(model), "--set", "cmd-ad", "--features", "f", "--out", str(tmp_path / "p.csv"), *words]
    assert main(argv) == 0
    return found[4], found[2]


def recorded(folder: Path, config: Any) -> Path:
    """A model's folder with a run record."""
    folder.mkdir(exist_ok=True)
    (folder / "run_record.json").write_text(json.dumps({"stage": "stage2", "config": config}), encoding="utf-8")
    return folder


def test_what_is_not_given_is_as_the_model_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = recorded(tmp_path / "m", TRAINED)
    options, split = predicted_with(model, tmp_path, monkeypatch, "--max_people", "3", "--context_count", "2")
    assert options == {
        "characters": "none", "context_ads": "predicted", "context_count": 2, "max_people": 3,
        "recognised_people": None, "window_group": "clip", "batch_windows": 4,
    }  # fmt: skip
    assert split == "eval"
    taken, other = capsys.readouterr().err.splitlines()
    assert "run_record.json" in taken and "characters none, context_ads predicted, recognised_people all" in taken
    assert "max_people" not in taken
    assert "context_count 2 (there 5)" in other and "max_people" not in other
    monkeypatch.setenv("RANK", "1")  # one rank tells it
    assert predicted_with(model, tmp_path, monkeypatch)[0]["max_people"] == 3 and not capsys.readouterr().err


def test_a_model_without_a_record_is_described_by_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    defaults = {name: default for name, (default, _) in CACHE_OPTIONS.items() if name != "split"}
    (tmp_path / "bare").mkdir()
    (tmp_path / "file").touch()
    for model in (tmp_path / "bare", tmp_path / "file", Path("lab/model")):
        assert predicted_with(model, tmp_path, monkeypatch) == (defaults, "eval")
    assert predicted_with(recorded(tmp_path / "m", {"alpha": 1.0}), tmp_path, monkeypatch) == (defaults, "eval")
    assert not capsys.readouterr().err


@pytest.mark.parametrize("key", ["test_characters", "context_ads"])
def test_the_truth_is_never_taken_from_a_record(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, option = recorded(tmp_path / "m", {key: "ground_truth"}), key.removeprefix("test_")
    assert "ground_truth" not in predicted_with(model, tmp_path, monkeypatch)[0].values()
    (said,) = capsys.readouterr().err.splitlines()
    assert f"{option} ground_truth" in said and "must be asked for" in said
    options, _ = predicted_with(model, tmp_path, monkeypatch, f"--{option}", "ground_truth")
    assert options[option] == "ground_truth" and not capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"config"', b"{}", b'{"config": []}', b"\x80", b"[" * 100_000, b'{"config": ' + b"9" * 9999],
)
def test_a_damaged_record_stops_no_prediction(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "run_record.json").write_bytes(content)
    options, _ = predicted_with(tmp_path / "m", tmp_path, monkeypatch, "--max_people", "7")
    defaults = {name: default for name, (default, _) in CACHE_OPTIONS.items() if name != "split"}
    assert options == {**defaults, "max_people": 7}
    (said,) = capsys.readouterr().err.splitlines()
    assert "run_record.json" in said and "defaults" in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("test_characters", "everybody"), ("test_characters", ["none"]), ("context_ads", None), ("context_count", -1),
        ("max_people", "3"), ("max_people", True), ("max_people", 2.0), ("max_people", None),
        ("recognised_people", 0), ("window_group", "noisy"), ("window_group", {}),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_left_to_the_default(
    key: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    option = key.removeprefix("test_")
    options, _ = predicted_with(recorded(tmp_path / "m", {key: value}), tmp_path, monkeypatch)
    assert options[option] == CACHE_OPTIONS[option][0]
    (said,) = capsys.readouterr().err.splitlines()
    assert f"{option} {json.dumps(value)}" in said and f"(now {options[option]})" in said


def test_pocket_films_read_no_record(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("train.predict.load_pipeline", lambda *_: FakePipeline())
    monkeypatch.setattr("train.predict.about", lambda pipe: "m")
    model = recorded(tmp_path / "m", TRAINED)
    assert main(["--model", str(model), "--films", str(films), "--out", str(tmp_path / "p.csv")]) == 0
    assert "run_record" not in capsys.readouterr().err
