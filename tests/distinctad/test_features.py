"""Features of films: MAD's layout, made resumable, and worth the same as pixels."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from stand_ins import write_film
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils.data import DataLoader
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)
from typer.testing import CliRunner

from datasets_scripts.mad_features import FeatureError, MadFeatures, read_films, write_features
from distinctad import features
from distinctad.cli import app
from distinctad.errors import UserError
from distinctad.features import FeatureSettings, encode_films
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import embed_images, load_vision, weights_sha256
from modeling_distinctad.video_distinctad import frame_times, read_frames


def tokenizer() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.WordLevel({"<eos>": 0, "<pad>": 1, "he": 2, "runs": 3, ":": 4}, unk_token="<pad>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", pad_token="<pad>", unk_token="<pad>")


def write_clip(folder: Path, seed: int, width: int = 16) -> Path:
    torch.manual_seed(seed)
    small: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    }  # fmt: skip
    text = {**small, "vocab_size": 8, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 0}
    vision = {**small, "image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=width)).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessorPil(do_center_crop=False, size=size, crop_size=size).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("towers") / "clip", 0)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two films of 4 s and 2.5 s; the first has ten frames a second, so every second one is a row."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "b").mkdir()
    write_film(folder / "one.mp4", 4.0, rate=10, audio=False)
    write_film(folder / "b" / "two.mkv", 2.5, audio=False)
    return folder


def settings(clip: Path, **fields: Any) -> FeatureSettings:
    return FeatureSettings(model=clip, batch=8, device="cpu", **fields)


@pytest.fixture(scope="module")
def made(clip: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "x.h5"
    encode_films([films], out, settings(clip, stored="float32"))
    return out


def test_the_layout_is_mads(made: Path, clip: Path, films: Path) -> None:
    tower = load_vision(str(clip)).eval()
    processor = DistinctADProcessor(CLIPImageProcessorPil.from_pretrained(clip), tokenizer(), frame_fit="squash")
    with h5py.File(made) as file:
        assert sorted(file) == ["one", "two"]
        assert file["one"].shape == (20, 16) and file["two"].shape == (13, 16) and file["one"].dtype == np.float32
        about = {k: v.decode() if isinstance(v, bytes) else v for k, v in file.attrs.items()}
        with torch.no_grad():
            frames = processor.frame_pixels(read_frames(films / "one.mp4", [k / 5 for k in range(20)]))
            assert np.allclose(file["one"][:], embed_images(tower, frames).numpy(), atol=1e-5)
    assert about.pop("tower_sha256") == weights_sha256(tower)
    assert about == {
        "format": "distinctad.features", "format_version": 1, "tower": "clip", "fps": 5.0, "width": 32, "height": 32,
        "frame_fit": "squash", "stored": "float32",
    }  # fmt: skip
    assert read_films(made)["one"]["duration_s"] == pytest.approx(4.0)
    assert not list(made.parent.glob("*.part*"))


@pytest.mark.parametrize("batch", [1, 13, 16])
def test_no_batch_asks_beyond_the_end_of_a_film(
    made: Path, clip: Path, films: Path, tmp_path: Path, batch: int
) -> None:
    how = dataclasses.replace(settings(clip, stored="float32"), batch=batch)
    assert encode_films([films], tmp_path / "x.h5", how).warnings == []
    with h5py.File(made) as one, h5py.File(tmp_path / "x.h5") as other:
        assert all(np.allclose(one[name][:], other[name][:], atol=1e-5) for name in ("one", "two"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Stopped(BaseException):
    """Stands for a kill that no handler catches."""


def stop_after(calls: int) -> Any:
    def progress(film: str, done: int, total: int) -> None:
        nonlocal calls
        calls -= 1
        if calls == 0:
            raise Stopped

    return progress


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_an_interrupted_run_goes_on_in_the_middle_of_a_film(
    clip: Path, films: Path, made: Path, tmp_path: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, how = tmp_path / "x.h5", settings(clip, stored="float32")
    with pytest.raises(Stopped):
        encode_films([films], out, how, progress=stop_after(stop))
    assert not out.exists()
    for path in (tmp_path / "x.h5.parts").glob("*.rows"):
        path.write_bytes(path.read_bytes() + b"half")  # a write that was cut
    encoded: list[int] = []
    embed = features.Tower.embed
    monkeypatch.setattr(features.Tower, "embed", lambda self, x: (encoded.append(len(x)), embed(self, x))[1])
    encode_films([films], out, how)
    # batches of 8, b/two.mkv first: 8, 5; 8, 8, 4. A film's last batch is only safe with its marker. The first call
    # measures the tower's width.
    assert encoded[1:] == {1: [5, 8, 8, 4], 2: [5, 8, 8, 4], 4: [4]}[stop]
    with h5py.File(out) as one, h5py.File(made) as two:
        assert all(np.array_equal(one[film][:], two[film][:]) for film in two)
    assert sha256(out) == sha256(made) and not (tmp_path / "x.h5.parts").exists()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not list what is mapped")
def test_no_part_is_mapped_any_more_when_it_is_removed(
    clip: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows would refuse."""
    mapped: list[str] = []
    monkeypatch.setattr(features.shutil, "rmtree", lambda parts: mapped.append(Path("/proc/self/maps").read_text()))
    encode_films([films / "one.mp4"], tmp_path / "x.h5", settings(clip))
    assert len(mapped) == 1 and ".h5.parts" not in mapped[0]


def test_finished_films_are_skipped_and_others_added(clip: Path, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.h5"
    first = encode_films([films / "one.mp4"], out, settings(clip))
    assert first.films == {"one": 20} and first.skipped == []
    with h5py.File(out) as file:
        rows = file["one"][:]
    second = encode_films([films], out, settings(clip))
    assert second.films == {"two": 13} and second.skipped == ["one"]
    with h5py.File(out) as file:
        assert sorted(file) == ["one", "two"] and np.array_equal(file["one"][:], rows)
        assert rows.dtype == np.float16
    before = sha256(out)
    assert encode_films([films], out, settings(clip)).films == {} and sha256(out) == before


def test_another_tower_or_way_is_refused(clip: Path, films: Path, tmp_path: Path) -> None:
    out, film = tmp_path / "x.h5", films / "b" / "two.mkv"
    encode_films([film], out, settings(clip))
    before = sha256(out)
    other = write_clip(tmp_path / "other", 1)
    for how, name in (
        (settings(other), "tower_sha256"), (settings(clip, fps=3.0), "fps"),
        (settings(clip, stored="float32"), "stored"), (settings(clip, frame_fit="pad"), "frame_fit"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"x.h5' was made with {name} .* or --overwrite"):
            encode_films([films / "one.mp4"], out, how)
    assert sha256(out) == before
    with pytest.raises(Stopped):
        encode_films([film], tmp_path / "y.h5", settings(clip), progress=stop_after(1))
    with pytest.raises(UserError, match="the unfinished work in .* tower_sha256"):
        encode_films([film], tmp_path / "y.h5", settings(other))
    assert encode_films([film], out, settings(other, fps=3.0), overwrite=True).films == {"two": 8}


def test_another_film_of_the_same_name_is_refused(clip: Path, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.h5"
    encode_films([films / "one.mp4"], out, settings(clip))
    write_film(tmp_path / "one.mp4", 3.0, audio=False)
    with pytest.raises(UserError, match="holds another film called 'one'"):
        encode_films([tmp_path / "one.mp4"], out, settings(clip))
    with pytest.raises(UserError, match="two films are called 'one'"):
        encode_films([films, tmp_path / "one.mp4"], out, settings(clip))


def said(*words: str) -> str:
    result = CliRunner().invoke(app, ["features", *words])
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: ")
    return lines[0]


def test_what_is_wrong_is_said_in_one_line(clip: Path, films: Path, tmp_path: Path) -> None:
    film, out = str(films / "one.mp4"), str(tmp_path / "x.h5")
    (tmp_path / "none").mkdir()
    (tmp_path / "cut.mp4").write_bytes((films / "one.mp4").read_bytes()[:900])
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "mad.h5", "w") as file:
        file["1"] = np.zeros((3, 16), np.float32)
    assert "--out is missing" in said(film)
    assert "not a file" in said(str(tmp_path / "gone.mp4"), "--out", out)
    assert "holds no video" in said(str(tmp_path / "none"), "--out", out)
    assert "cut.mp4" in said(str(tmp_path / "cut.mp4"), "--out", out)
    assert "fps is 0.0" in said(film, "--out", out, "--fps", "0")
    assert "batch is 0" in said(film, "--out", out, "--batch", "0")
    assert "has no config.json" in said(film, "--out", out, "--model", str(tmp_path / "none"))
    assert "not a whole HDF5 file" in said(film, "--out", str(tmp_path / "text.h5"), "--model", str(clip))
    assert "which tower made it" in said(film, "--out", str(tmp_path / "mad.h5"), "--model", str(clip))
    assert "cannot be written" in said(film, "--out", str(tmp_path / "text.h5" / "x.h5"), "--model", str(clip))
    assert not Path(out).exists()


def test_the_command_lists_and_encodes(clip: Path, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.h5"
    listed = CliRunner().invoke(app, ["features", str(films), "--dry-run", "--fps", "2"])
    assert listed.exit_code == 0 and "2 film(s), 13 frames at 2 a second" in listed.output and not out.exists()
    words = ["features", str(films), "--out", str(out), "--model", str(clip), "--device", "cpu"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "encoded 2 film(s), 33 frames; 0 finished before" in result.output
    assert MadFeatures(out).films == {"one": 20, "two": 13}


def test_intervals_take_the_nearest_rows(tmp_path: Path) -> None:
    rows = np.arange(10, dtype=np.float16)[:, None].repeat(3, axis=1)
    path = tmp_path / "x.h5"
    write_features(path, {"fps": 5.0, "tower_sha256": "abc"}, {"f": (rows, {})})
    file = MadFeatures(path, "abc")
    # midpoints of 0.3..1.1 s in four parts: 0.4, 0.6, 0.8, 1.0 s are rows 2 to 5
    taken = file.frame_features("f", 0.3, 1.1, 4)
    assert taken.shape == (4, 3) and taken.dtype == np.float32 and taken[:, 0].tolist() == [2, 3, 4, 5]
    assert file.rows("f", [0.29, 0.31, 0.5, -3.0, 99.0]) == [1, 2, 2, 0, 9]
    assert file.frame_features("f", -2.0, 0.4, 2)[:, 0].tolist() == [0, 0]
    # the rows reach to 2.0 s: a second more is rounding, further is not
    assert file.frame_features("f", 1.0, 3.0, 4)[:, 0].tolist() == [6, 9, 9, 9]
    for start, end in ((1.0, 3.1), (2.0, 2.5)):
        with pytest.raises(FeatureError, match="features to 2.00 s"):
            file.frame_features("f", start, end)
    with pytest.raises(FeatureError, match="no rows of 'g'"):
        file.frame_features("g", 0.0, 1.0)


def test_the_reader_knows_towers(tmp_path: Path) -> None:
    ours, mads = tmp_path / "ours.h5", tmp_path / "mads.h5"
    rows = np.ones((4, 2), np.float32)
    write_features(ours, {"fps": 2.0, "tower_sha256": "abc"}, {"f": (rows, {})})
    with h5py.File(mads, "w") as file:
        file["f"] = rows
    assert MadFeatures(ours).fps == 2.0 and MadFeatures(mads).fps == 5.0 and MadFeatures(mads).settings == {}
    with pytest.raises(FeatureError, match="made by tower abc, expected def; encode"):
        MadFeatures(ours, "def")
    with pytest.raises(FeatureError, match="names no tower; expected def"):
        MadFeatures(mads, "def")
    assert MadFeatures(mads, "def", trust_unnamed=True).films == {"f": 4}
    with h5py.File(mads, "a") as file:
        file["away"] = h5py.ExternalLink(str(ours), "f")
    with pytest.raises(FeatureError, match="'away' is a link"):
        MadFeatures(mads)
    with h5py.File(ours, "a") as file:
        file.attrs["format_version"] = 2
    with pytest.raises(FeatureError, match="format version 2; expected 1"):
        MadFeatures(ours)


def test_texts_in_a_heap_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    write_features(path, {"fps": 2.0, "tower": "é"}, {"f": (np.ones((4, 2), np.float32), {"print": ""})})
    with h5py.File(path) as file:
        assert all(h5py.check_string_dtype(a.dtype) is None or h5py.check_string_dtype(a.dtype).length is not None
                   for a in (file.attrs.get_id(name) for name in file.attrs))  # fmt: skip
    assert MadFeatures(path).settings["tower"] == "é" and read_films(path)["f"] == {"print": "", "frames": 4}
    with h5py.File(path, "a") as file:
        file.attrs["tower"] = "of a variable length"  # HDF5 reads such a text for ever where its heap is damaged
        file.attrs["many"] = np.zeros(2)
    with pytest.raises(FeatureError, match="'many' is \\(2,\\); expected one value"):
        MadFeatures(path)
    with h5py.File(path, "a") as file:
        del file.attrs["many"]
    assert "tower" not in MadFeatures(path).settings


class Intervals(torch.utils.data.Dataset):
    def __init__(self, path: Path) -> None:
        self.file = MadFeatures(path)
        self.file.frame_features("one", 0.0, 1.0)  # opened before the fork

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> np.ndarray:
        return self.file.frame_features("one", index / 4, index / 4 + 1.0)


def test_workers_open_the_file_themselves(made: Path) -> None:
    data = Intervals(made)
    here = np.stack([data[i] for i in range(len(data))])
    spread = torch.cat(list(DataLoader(data, batch_size=3, num_workers=2))).numpy()
    assert np.array_equal(here, spread)


def test_training_from_features_equals_training_from_pixels(clip: Path, made: Path, films: Path) -> None:
    torch.manual_seed(0)
    words = tokenizer()
    processor = DistinctADProcessor(
        CLIPImageProcessorPil.from_pretrained(clip), words, num_prompt_vectors=2, num_frames=4, frame_fit="squash"
    )
    language = GPT2LMHeadModel(
        GPT2Config(vocab_size=len(processor.tokenizer), n_positions=64, n_embd=16, n_layer=1, n_head=2)
    )
    model = DistinctADForConditionalGeneration.from_towers(
        str(clip), language, num_prompt_vectors=2, num_frames=4, em_num_bases=4, eos_token_id=0, pad_token_id=1,
        **processor.token_ids,
    )  # fmt: skip
    model.train()
    # 0.2 s between midpoints that lie on the grid of 5 fps: both paths see the same frames
    spans = [(0.1, 0.9), (0.9, 1.7), (2.1, 2.9)]
    file = MadFeatures(made, weights_sha256(load_vision(str(clip))))
    taken = [torch.from_numpy(file.frame_features("one", *span, 4)) for span in spans]
    frames = [read_frames(films / "one.mp4", frame_times(*span, 4)) for span in spans]
    told: dict[str, Any] = {
        "texts": [["he runs", "runs he", "he he"]], "distinctive_words": [[{"runs"}, {"he"}, set()]],
    }  # fmt: skip
    found = []
    for inputs in ({"frame_features": [taken]}, {"frames": [frames]}):
        model.zero_grad()
        output = model(**processor(**inputs, **told))
        output.loss.backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        found.append((output.loss.detach(), output.logits.detach(), gradients))
    (loss, logits, gradients), (other_loss, other_logits, others) = found
    assert torch.allclose(loss, other_loss, rtol=1e-3) and torch.allclose(logits, other_logits, atol=1e-3)
    shared = set(gradients) & set(others)
    assert any("perceiver" in name for name in shared)
    for name in shared:
        assert torch.allclose(gradients[name], others[name], rtol=1e-3, atol=1e-3 * float(others[name].abs().max())), (
            name
        )
    shuffled = [taken[1], taken[0], taken[2]]  # the test can fail: other clips give other logits
    assert not torch.allclose(model(**processor(frame_features=[shuffled], **told)).logits, logits, atol=1e-3)


def test_a_record_of_settings_that_is_broken_is_refused(clip: Path, films: Path, tmp_path: Path) -> None:
    parts = tmp_path / "x.h5.parts"
    parts.mkdir()
    (parts / "settings.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="settings.json' cannot be read"):
        encode_films([films / "one.mp4"], tmp_path / "x.h5", settings(clip))
    (parts / "settings.json").unlink()
    (parts / "mine.txt").write_text(json.dumps("keep"), encoding="utf-8")
    with pytest.raises(UserError, match="holds something else"):
        encode_films([films / "one.mp4"], tmp_path / "x.h5", settings(clip), overwrite=True)
    assert (parts / "mine.txt").is_file()
