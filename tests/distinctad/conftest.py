"""A short film, a cast and a pipeline that needs no model; makes `stand_ins` importable in every import mode."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from stand_ins import FakePipe, Hum, write_film  # noqa: E402

from distinctad.audio import voice as voices  # noqa: E402


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 12 s with sound."""
    return write_film(tmp_path_factory.mktemp("film") / "film_7.mp4")


@pytest.fixture
def cast(tmp_path: Path) -> Path:
    """A cast of two with portraits, in a folder of its own."""
    folder = tmp_path / "cast"
    (folder / "portraits").mkdir(parents=True)
    for name, colour in (("mara", (200, 30, 30)), ("jo", (30, 30, 200))):
        Image.new("RGB", (24, 24), colour).save(folder / "portraits" / f"{name}.png")
    people = [
        {"id": "p1", "name": "Mara", "actor": "A. Actor", "portrait": "portraits/mara.png"},
        {"id": "p2", "name": "Joël", "actor": None, "portrait": "portraits/jo.png"},
    ]
    (folder / "film_7.cast.json").write_text(json.dumps(people), encoding="utf-8")
    return folder / "film_7.cast.json"


@pytest.fixture
def hum(monkeypatch: pytest.MonkeyPatch) -> voices.Remembering:
    """A voice that hums, whatever voice is asked for; "none" stays none."""
    voice, find = voices.Remembering(Hum()), voices.find_voice
    monkeypatch.setattr(voices, "find_voice", lambda name="auto": find(name) if name == "none" else voice)
    return voice


@pytest.fixture
def pipe() -> FakePipe:
    """A pipeline whose texts are numbered."""
    return FakePipe()
