"""Caches of the public sets: rows, casts, portraits and recognised people in the layout that Stage II reads."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoTokenizer, CLIPImageProcessorPil, ResNetConfig, ResNetModel

from datasets_scripts.mad_features import FeatureError, write_features
from datasets_scripts.repairs import Report
from datasets_scripts.schema import ADRow, Character, Provenance
from modeling_distinctad.towers_distinctad import load_vision, weights_sha256
from train import set_features
from train.collators import WindowCollator, WindowOptions, consecutive_windows
from train.features import FeatureCache
from train.set_features import SetArguments, build_set_cache
from train.stage2 import Stage2Arguments, build_processor, split_films

MARA, TOM = Character("nm1", "Mara", "Ann Lee", "nm1.png"), Character("nm2", "Tom Hale", "Bo Day")


def row(film: str, index: int, people: tuple[Character, ...]) -> ADRow:
    return ADRow(film, film, index, 2.0 * index, 2.0 * index + 1, f"Mara lifts lamp {index}.", people, "v",
                 Provenance("a.csv", index))  # fmt: skip


class FakeReader:
    """Two films, of which one has no usable row."""

    def __init__(self, split: str, characters: str) -> None:
        self.films, self.characters = [f"{split}_1", f"{split}_empty"], characters
        self.report = Report(f"{split}.csv")

    def read_all(self) -> Report:
        self.report.row(self.films[0], 0, [])
        self.report.row(self.films[1], 1, [("empty_text", "''")])
        return self.report

    def read(self, film: str) -> list[ADRow]:
        if film.endswith("empty"):
            return []
        people = {"none": (), "cast": (MARA, TOM), "predicted": (TOM,)}[self.characters]
        return [row(film, index, people) for index in range(3)]


@pytest.fixture
def cache(
    towers: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[FeatureCache, SetArguments, list[int]]:
    reads: list[int] = []

    def builder(annotations: Any, characters: str, **options: Any) -> Any:
        return SimpleNamespace(reader=lambda split: FakeReader(split, characters))

    def frames(asked: ADRow, root: Path, count: int) -> list[np.ndarray]:
        reads.append(asked.index)
        return [np.full((4, 6, 3), 20 * asked.index + i, np.uint8) for i in range(count)]

    monkeypatch.setattr(set_features, "BUILDERS", {"tv-ad": builder})
    monkeypatch.setattr(set_features, "row_frames", frames)
    Image.new("RGB", (9, 9), (200, 10, 10)).save(tmp_path / "nm1.png")
    asked = SetArguments(set="tv-ad", clip=towers["clip"], train="t.csv", eval="e.csv", bank="b.json", root="r",
                         portraits=str(tmp_path), recognised=True, frame_fit="squash")  # fmt: skip
    build_set_cache(asked, str(tmp_path / "cache"))
    return FeatureCache(tmp_path / "cache"), asked, reads


def test_rows_splits_and_people(cache: tuple[FeatureCache, SetArguments, list[int]], tmp_path: Path) -> None:
    made, asked, reads = cache
    assert split_films(made, 0) == (["train/train_1"], ["eval/eval_1"])
    assert made.frames.shape == (6, 8, 16) and made.faces.shape == (4, 16) and reads == [0, 1, 2] * 2
    first = made.rows[made.films["eval/eval_1"][0]]
    assert first["names"] == ["Mara", "Tom Hale"] and first["portraits"] == [True, False]
    assert first["predicted"] == [1] and first["told"] == [0] and first["clip"] == "eval_1"
    assert (first["start_s"], first["end_s"]) == (0.0, 1.0)
    faces = made.film_faces(first)
    assert faces[0].abs().sum() > 0 and not faces[1].any()
    (tmp_path / "cache" / "meta.json").unlink()
    build_set_cache(asked, str(tmp_path / "cache"))
    assert len(reads) == 6  # nothing is read twice
    assert json.loads((tmp_path / "cache" / "meta.json").read_text())["set"] == "tv-ad"
    Image.new("RGB", (9, 9), (10, 200, 10)).save(tmp_path / "nm1.png")  # another picture under the same name
    build_set_cache(asked, str(tmp_path / "cache"))
    assert len(reads) == 12 and not torch.equal(FeatureCache(tmp_path / "cache").film_faces(first)[0], faces[0])


def test_windows_of_a_set_list_the_recognised_people(
    cache: tuple[FeatureCache, SetArguments, list[int]], towers: dict[str, str]
) -> None:
    made = cache[0]
    processor = build_processor(
        Stage2Arguments(clip=towers["clip"], language=towers["lm"], prompt="paper", face_tokens="always")
    )
    window = consecutive_windows(made, ["eval/eval_1"], 4)[0]
    test = WindowCollator(processor, made, WindowOptions()).window(*window)
    assert test["characters"] == [[{"name": "Tom Hale", "actor": "Bo Day", "portrait": None}]] * 3
    oracle = WindowCollator(processor, made, WindowOptions(test_characters="ground_truth")).window(*window)
    assert oracle["characters"] == [[{"name": "Mara", "actor": "Ann Lee", "portrait": 0}]] * 3
    batch = WindowCollator(processor, made, WindowOptions(test_characters="all")).prompts([window])
    assert torch.equal(batch["face_index"].amax(-1), torch.zeros(1, 3, dtype=torch.long))
    assert "Possible characters" in processor.tokenizer.decode(batch["input_ids"][0, 0])


CLIPS = {"a": ["a1", "a2"], "b": ["b1"], "c": ["c1"]}


@pytest.fixture
def cmd(towers: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[SetArguments, list[str]]:
    """CMD-AD's layout: film b's videos are not there, one row of film a has no text. And the clips as they are read."""
    read: list[str] = []

    def frames(asked: ADRow, root: Path, count: int) -> list[np.ndarray]:
        read.append(asked.clip)
        return [np.full((4, 6, 3), 9 * i, np.uint8) for i in range(count)]

    monkeypatch.setattr(set_features, "row_frames", frames)
    monkeypatch.setattr(set_features, "video_end_s", lambda path: 60.0)
    with (tmp_path / "cmd.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow("text start end scaled_start scaled_end cmd_filename imdbid cmd_clip_idx".split())
        for film, clips in CLIPS.items():
            for number, clip in enumerate(clips):
                table.writerow([f"Mara lifts lamp {clip}.", 9 * number, 9 * number + 3, 1, 4, clip, film, number])
        table.writerow(["", 90, 93, 1, 4, "a2", "a", 7])
    (tmp_path / "videos").mkdir()
    for clip in ("a1", "a2", "c1"):
        (tmp_path / "videos" / f"{clip}.mp4").touch()
    (tmp_path / "bank.json").write_text(json.dumps({"a": [{"id": "nm1", "name": "Ann Lee", "role": "Mara"}]}))
    asked = SetArguments(set="cmd-ad", clip=towers["clip"], train=str(tmp_path / "cmd.csv"), num_frames=2,
                         root=str(tmp_path / "videos"), bank=str(tmp_path / "bank.json"))  # fmt: skip
    return asked, read


def test_refused_rows_and_films_are_told_after_a_restart_too(
    cmd: tuple[SetArguments, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked, read = cmd
    folder = build_set_cache(asked, str(tmp_path / "cache"))
    first = capsys.readouterr().out
    assert "train: cmd.csv, 5 rows in = 3 kept + 0 repaired + 2 refused" in first
    assert "missing_video x 1 (refused)" in first and "empty_text x 1 (refused)" in first
    told = json.loads((folder / "meta.json").read_text())["read"]["train"]
    assert (told["rows"], told["kept"], told["repaired"], told["refused"]) == (5, 3, 0, 2)
    assert told["rules"]["missing_video"] == told["rules"]["empty_text"] == 1
    (folder / "meta.json").unlink()
    last = sorted(folder.glob("parts_*/*.jsonl"))[-1]  # killed before the last film was whole
    last.unlink()
    build_set_cache(asked, str(folder))
    assert capsys.readouterr().out == first and read == ["a1", "a2", "c1", "c1"]
    assert json.loads((folder / "meta.json").read_text())["read"]["train"] == told


@pytest.mark.parametrize("changed", ["annotations", "bank", "videos", "nothing"])
def test_changed_inputs_are_never_answered_from_an_old_cache(
    cmd: tuple[SetArguments, list[str]], tmp_path: Path, changed: str
) -> None:
    asked, read = cmd
    folder = build_set_cache(asked, str(tmp_path / "cache"))
    read.clear()
    if changed == "annotations":
        path = Path(asked.train)
        path.write_text(path.read_text(encoding="utf-8").replace("lamp c1", "cup c1"), encoding="utf-8")
    elif changed == "bank":
        Path(asked.bank).write_text(Path(asked.bank).read_text().replace("Mara", "Tessa"))
    elif changed == "videos":
        (tmp_path / "videos" / "b1.mp4").touch()
    build_set_cache(asked, str(folder))
    rows = FeatureCache(folder).rows
    assert len(rows) == (4 if changed == "videos" else 3) and bool(read) == (changed != "nothing")
    assert ("cup c1" in rows[-1]["text"]) == (changed == "annotations")
    assert rows[0]["names"] == (["Tessa"] if changed == "bank" else ["Mara"])


def test_where_the_tower_computes_is_no_part_of_a_cache(
    cmd: tuple[SetArguments, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build_set_cache(cmd[0], str(tmp_path / "cache"))
    monkeypatch.delattr("train.set_features.embed_images")
    assert build_set_cache(replace(cmd[0], device="cpu:0"), str(folder)) == folder
    with pytest.raises(NameError, match="embed_images"):
        build_set_cache(replace(cmd[0], device="cpu:0"), str(tmp_path / "other"))


def test_no_word_of_a_role_is_distinctive_though_the_prompt_has_the_first_only(
    cmd: tuple[SetArguments, list[str]], towers: dict[str, str], tmp_path: Path
) -> None:
    asked = cmd[0]
    Path(asked.bank).write_text(json.dumps({"c": [{"id": "nm1", "name": "Ann Lee", "role": "Mara Lamp"}]}))
    made = FeatureCache(build_set_cache(asked, str(tmp_path / "cache")))
    assert made.rows[-1]["names"] == ["Mara"] and made.rows[-1]["roles"] == ["Mara Lamp"]
    processor = build_processor(Stage2Arguments(clip=towers["clip"], language=towers["lm"], prompt="paper"))
    window = consecutive_windows(made, ["train/c"], 4)[0]
    told = WindowCollator(processor, made, WindowOptions(test_characters="all")).window(*window)
    assert told["texts"] == ["Mara lifts lamp c1."] and told["distinctive_words"] == [{"lifts", "c1"}]


def test_the_whole_bank_is_known_beyond_the_first_ten(
    cmd: tuple[SetArguments, list[str]], towers: dict[str, str], tmp_path: Path
) -> None:
    asked = cmd[0]
    people = [{"id": f"nm{n}", "name": f"Actor {n}", "role": f"Nobody{n}"} for n in range(10)]
    people += [{"id": "nm10", "name": "Ann Lee", "role": "Mara Lind"}, {"id": "nm11", "name": "Bo", "role": "Al Lifts"}]
    Path(asked.bank).write_text(json.dumps({"c": people}))
    made = FeatureCache(build_set_cache(asked, str(tmp_path / "cache")))
    row = made.rows[-1]
    assert row["text"] == "Mara lifts lamp c1." and row["names"][9:] == ["Nobody9", "Mara", "Al"]
    assert row["told"] == [10] and row["clip"] == "c1"  # the surname of the last one begins with a capital
    assert [row["told"] for row in made.rows[:-1]] == [[], []]  # these films have no bank
    processor = build_processor(Stage2Arguments(clip=towers["clip"], language=towers["lm"], prompt="paper"))
    window = consecutive_windows(made, ["train/c"], 4)[0]

    def names(characters: str) -> list[str]:
        asked = WindowCollator(processor, made, WindowOptions(test_characters=characters)).window(*window)
        assert asked["distinctive_words"] == [{"lamp", "c1"}]
        return [person["name"] for person in asked["characters"][0]]

    assert names("all") == [f"Nobody{n}" for n in range(10)] and names("ground_truth") == ["Mara"]


@pytest.mark.parametrize(
    ("kind", "source", "found"),
    [
        ("videos", "", "films"), ("own h5", "", "films"), ("MAD's h5", "", "features"),
        ("videos", "features", "features"), ("MAD's h5", "films", "films"),
    ],
)  # fmt: skip
def test_appendix_e_leaves_films_out_of_pixels_and_of_own_features(
    kind: str, source: str, found: str, towers: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(set_features, "row_frames", lambda row, root, count: [np.zeros((4, 6, 3), np.uint8)] * count)
    monkeypatch.setattr(set_features, "video_end_s", lambda path: 60.0)
    texts = {"4797": "Mara runs.", "10": "Tom sits.", "5634": "Ann waves."}  # the first and the last are of Appendix E
    entries = {f"id{film}": {"movie": film, "ext_timestamps": [1, 3], "sentence": text} for film, text in texts.items()}
    (tmp_path / "train.json").write_text(json.dumps(entries))
    asked = SetArguments(set="mad-eval", clip=towers["clip"], train=str(tmp_path / "train.json"), source=source)
    if kind == "videos":
        asked.root = str(tmp_path / "films")
        for film in texts:
            (tmp_path / "films" / film).with_suffix(".mkv").parent.mkdir(exist_ok=True)
            (tmp_path / "films" / film).with_suffix(".mkv").touch()
    else:
        asked.feature_file, asked.trust_unnamed = str(tmp_path / "f.h5"), kind == "MAD's h5"
        rows = {film: np.zeros((40, 16), np.float16) for film in texts}
        if kind == "own h5":
            settings = {"tower_sha256": weights_sha256(load_vision(towers["clip"])), "fps": 5.0}
            write_features(tmp_path / "f.h5", settings, {film: (values, {}) for film, values in rows.items()})
        else:
            with h5py.File(tmp_path / "f.h5", "w") as file:
                file.update(rows)
    made = FeatureCache(build_set_cache(asked, str(tmp_path / "cache")))
    assert made.meta["source"] == found
    assert list(made.films) == (["train/10"] if found == "films" else ["train/4797", "train/10", "train/5634"])
    assert made.meta["read"]["train"]["refused"] == (2 if found == "films" else 0)


def test_a_set_without_a_usable_row_is_refused(cmd: tuple[SetArguments, list[str]], tmp_path: Path) -> None:
    for video in (tmp_path / "videos").iterdir():
        video.unlink()
    with pytest.raises(ValueError, match="cmd.csv: no row can be used"):
        build_set_cache(cmd[0], str(tmp_path / "cache"))


def test_a_convolutional_tower_sees_portraits(
    cmd: tuple[SetArguments, list[str]], towers: dict[str, str], tmp_path: Path
) -> None:
    asked = cmd[0]
    asked.clip, asked.portraits = str(tmp_path / "pocket_clip"), str(tmp_path / "portraits")
    for part in (
        ResNetModel(ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic")),
        AutoTokenizer.from_pretrained(towers["clip"]),
        CLIPImageProcessorPil.from_pretrained(towers["clip"]),
    ):
        part.save_pretrained(asked.clip)
    Path(asked.portraits).mkdir()
    Image.new("RGB", (9, 9), (200, 10, 10)).save(Path(asked.portraits) / "nm1.png")
    folder = build_set_cache(asked, str(tmp_path / "cache"))
    tensors = load_file(folder / "features.safetensors")
    assert tensors["frames"].shape == (3, 2, 8) and tensors["faces"].shape == (1, 8) and tensors["faces"].any()


def test_without_predicted_ids_nobody_is_taken_for_recognised(
    cmd: tuple[SetArguments, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = replace(cmd[0], recognised=True)
    with pytest.raises(ValueError, match=r"cmd.csv: 4 rows have no pred_ids; expected who was recognised"):
        build_set_cache(asked, str(tmp_path / "cache"))
    seen = tmp_path / "cmd_with_face.csv"
    with (
        Path(asked.train).open(newline="", encoding="utf-8") as file,
        seen.open("w", newline="", encoding="utf-8") as to,
    ):
        table = csv.writer(to)
        for number, cells in enumerate(csv.reader(file)):
            table.writerow([*cells, "pred_ids" if not number else "{'nm1': [[0, 0]], 'nm99': [[1, 0]]}"])
    with pytest.raises(ValueError, match=r"cmd.csv: 4 rows have no pred_ids"):
        build_set_cache(replace(asked, train=str(seen), eval=asked.train), str(tmp_path / "cache"))
    capsys.readouterr()
    folder = build_set_cache(replace(asked, eval=str(seen)), str(tmp_path / "cache"))
    rows = FeatureCache(folder).rows
    assert [row.get("predicted") for row in rows if row["split"] == "train"] == [None] * 3
    assert [row["predicted"] for row in rows if row["split"] == "eval"] == [[0], [0], []]  # film c has no bank
    read = json.loads((folder / "meta.json").read_text())["read"]
    assert read["train"]["rules"]["no_predictions"] == 4 and read["eval"]["rules"]["unknown_character"] == 2
    told = capsys.readouterr().out
    assert "no_predictions x 4 (kept)" in told and "unknown_character x 2 (kept)" in told


@pytest.fixture
def unnamed(towers: dict[str, str], tmp_path: Path) -> SetArguments:
    """MAD's layout: 10 rows a second, each holding its number; the file does not say so."""
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["10"] = np.repeat(np.arange(80, dtype=np.float16)[:, None], 16, 1)
    entries = {"id": {"movie": "10", "ext_timestamps": [2, 4], "sentence": "Tom sits."},
               "late": {"movie": "10", "ext_timestamps": [9, 11], "sentence": "Tom runs."}}  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps(entries))
    return SetArguments(set="mad-eval", clip=towers["clip"], train=str(tmp_path / "train.json"), num_frames=2,
                        feature_file=str(tmp_path / "f.h5"), trust_unnamed=True)  # fmt: skip


def test_the_rate_of_a_file_that_does_not_say_it_can_be_told(unnamed: SetArguments, tmp_path: Path) -> None:
    made = FeatureCache(build_set_cache(replace(unnamed, fps=10.0), str(tmp_path / "cache")))
    assert made.frames[:, :, 0].tolist() == [[25.0, 35.0]] and made.meta["fps"] == 10.0
    assert made.meta["read"]["train"]["rules"] == {"no_frames": 1}  # eight seconds, of 5 fps it would be sixteen
    made = FeatureCache(build_set_cache(unnamed, str(tmp_path / "mads")))
    assert made.frames[:, 0, 0].tolist() == [12.0, 47.0] and made.meta["fps"] == 5.0


def test_a_rate_that_is_not_the_files_is_refused(unnamed: SetArguments, tmp_path: Path) -> None:
    settings = {"tower_sha256": weights_sha256(load_vision(unnamed.clip)), "fps": 5.0}
    write_features(tmp_path / "own.h5", settings, {"10": (np.zeros((40, 16), np.float16), {})})
    asked = replace(unnamed, feature_file=str(tmp_path / "own.h5"), fps=10.0)
    with pytest.raises(ValueError, match=r"own.h5 says 5.0 rows a second, fps is 10.0; expected one rate; leave fps"):
        build_set_cache(asked, str(tmp_path / "cache"))


def test_a_file_without_a_tower_is_refused_in_the_commands_words(unnamed: SetArguments, tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="names no tower; .*--trust_unnamed true"):
        build_set_cache(replace(unnamed, trust_unnamed=False), str(tmp_path / "cache"))


def test_an_unknown_set_is_refused(unnamed: SetArguments, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set is 'cmdad'; expected one of mad-eval, cmd-ad, tv-ad"):
        build_set_cache(replace(unnamed, set="cmdad"), str(tmp_path / "cache"))
