"""The proof of the catalogue in small: six films, one kill -9, and Ray with two actors of each kind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from distinctad.catalogue_command import run_catalogue
from distinctad.catalogue_work import Job
from distinctad.plan import Settings

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tools.catalogue_proof import hashes, prove  # noqa: E402


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("proof")
    report = prove(out, 6, 1, ["undisturbed", "killed"], ["--num-beams", "1"])
    assert [run["equal"] for run in report["runs"].values()] == [True, True]
    assert report["runs"]["killed"]["films"] == 6 and report["runs"]["killed"]["files"] == 30
    (kill,) = report["kills"]
    assert 1 <= kill["finished"] < 6
    return out


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bytes(proven: Path) -> None:
    assert hashes(proven / "killed") == hashes(proven / "undisturbed")


@pytest.mark.slow
def test_ray_gives_the_same_bytes_with_two_actors_of_each_kind(proven: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install distinctad[ray]")
    job = Job("describe", proven / "ray", describing=Settings(device="cpu", num_beams=1))
    report = run_catalogue(proven / "films", job, engine="ray", workers=2)
    encoders, decoders = ({by[kind] for by in report.by} for kind in (0, 1))
    assert len(encoders) >= 2 and len(decoders) >= 2 and not encoders & decoders
    assert not report.failed and hashes(proven / "ray") == hashes(proven / "undisturbed")
