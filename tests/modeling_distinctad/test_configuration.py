"""What a configuration refuses, when it is made and when it is saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import config

from modeling_distinctad.configuration_distinctad import DistinctADConfig

NAN, INF = float("nan"), float("inf")
WRONG: dict[str, tuple[Any, ...]] = {
    "num_frames": (0, 2.5, "8", None, True),
    "perceiver_heads": (0, -1, 7, 2.0),
    "perceiver_mlp_ratio": (0, -1.0),
    "perceiver_init_std": (-1,),
    "alpha": ("3", INF, NAN, None),
    "em_tau": (0, "0.1", NAN),
    "em_min_mass": (-1,),
    "em_momentum": (5.0, -0.1, NAN),
    "em_seed": (1.5,),
    "lambda_dist": (NAN, -1.0),
    "face_min_characters": (-1,),
    "decode_num_beams": (0,),
    "decode_length_penalty": (NAN,),
    "decode_repetition_penalty": (0, -1.2),
    "decode_no_repeat_ngram_size": (-1,),
    "decode_max_new_tokens": (0,),
    "decode_contrast": (NAN, INF),
    "vision_chunk_size": (0, -3, None),
    "format_version": (0, "1", 2),
    "frame_fit": ("Crop", None),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_value_out_of_its_range_is_refused_by_name(name: str) -> None:
    for value in WRONG[name]:
        with pytest.raises(ValueError, match=f"{name}={value!r}: ") as error:
            config(**{name: value})
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["vision_config", "text_config"])
@pytest.mark.parametrize("value", ["clip", 5])
def test_a_tower_is_a_dictionary_or_a_configuration(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{value!r} for a tower's configuration: expected a dictionary"):
        config(**{name: value})


def test_what_lies_at_the_edge_is_taken() -> None:
    edge = {"perceiver_heads": 4, "em_momentum": 1, "alpha": -2, "em_min_mass": 0.0, "decode_no_repeat_ngram_size": 0}
    made = config(**edge, em_seed=-1, decode_length_penalty=-0.5, num_frames=1)
    assert all(getattr(made, name) == value for name, value in edge.items())


def test_a_value_spoilt_later_is_not_saved(tmp_path: Path) -> None:
    made = config()
    made.save_pretrained(tmp_path / "whole")
    for name, value in (("frame_fit", "zoom"), ("alpha", "x")):
        made = config()
        setattr(made, name, value)
        with pytest.raises(ValueError, match=f"{name}={value!r}"):
            made.save_pretrained(tmp_path / "spoilt")
    assert not (tmp_path / "spoilt").exists()
    assert DistinctADConfig.from_pretrained(tmp_path / "whole").frame_fit == "crop"


def test_the_checkpoints_of_the_repository_load() -> None:
    for folder in ("distinctad/checkpoint", "tests/golden/tiny"):
        stored = Path(__file__).parents[2] / folder
        assert DistinctADConfig.from_pretrained(stored).num_frames == json.loads(
            (stored / "config.json").read_text("utf-8")
        ).get("num_frames", 8)
