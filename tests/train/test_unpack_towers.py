"""The towers that a checkpoint holds, as folders that the trainings read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from distinctad.loading import CHECKPOINT
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.towers_distinctad import load_language, load_vision
from train.features import frame_processor
from train.unpack_towers import main, unpack


def test_unpacked_towers_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    vision, language = unpack(CHECKPOINT, tmp_path)
    model = DistinctADForConditionalGeneration.from_pretrained(CHECKPOINT, dtype=torch.float32)
    for loaded, own in (
        (load_vision(str(vision)), model.vision_tower),
        (load_language(str(language))[0], model.language_model),
    ):
        held = own.state_dict()
        assert loaded.state_dict().keys() == held.keys()
        assert all(torch.equal(value, held[name]) for name, value in loaded.state_dict().items())
    assert len(AutoTokenizer.from_pretrained(language)) == model.config.text_config.vocab_size
    assert frame_processor(str(vision)).num_frames == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip_actors", "lm"]


def test_what_is_there_is_never_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lm").mkdir()
    (tmp_path / "lm" / "model.safetensors").write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        main([str(CHECKPOINT), "--out", str(tmp_path)])
    assert f"{tmp_path / 'lm'} is there already" in capsys.readouterr().err
    assert (tmp_path / "lm" / "model.safetensors").read_text() == "mine" and not (tmp_path / "clip_actors").exists()


def test_a_folder_without_a_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "--out", str(tmp_path / "out")])
    assert "no config.json" in capsys.readouterr().err and not (tmp_path / "out").exists()
