"""The proof of the catalogue in small: four films, one kill -9, and Ray with two actors of each kind.

And what would prove nothing is refused.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from distinctad.catalogue_command import run_catalogue
from distinctad.catalogue_work import Job
from distinctad.plan import Settings

FILMS = 4  # two for each of two actors
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tools import catalogue_proof  # noqa: E402
from tools.catalogue_proof import hashes, prove  # noqa: E402


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("proof")
    report = prove(out, FILMS, 1, ["undisturbed", "killed"], ["--num-beams", "1"])
    assert [run["equal"] for run in report["runs"].values()] == [True, True]
    assert report["runs"]["killed"]["films"] == FILMS and report["runs"]["killed"]["files"] == 5 * FILMS
    (kill,) = report["kills"]
    assert 1 <= kill["finished"] < FILMS
    return out


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bytes(proven: Path) -> None:
    assert hashes(proven / "killed") == hashes(proven / "undisturbed")


@pytest.mark.slow
def test_ray_gives_the_same_bytes_with_two_actors_of_each_kind(proven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pytest.importorskip("ray.data", reason="ray is not installed: pip install distinctad[ray]")
    # No film before both actors are up: on a busy machine the first would do them all.
    monkeypatch.setattr(data.DataContext.get_current(), "wait_for_min_actors_s", 300)
    job = Job("describe", proven / "ray", describing=Settings(device="cpu", num_beams=1))
    report = run_catalogue(proven / "films", job, engine="ray", workers=2)
    encoders, decoders = ({by[kind] for by in report.by} for kind in (0, 1))
    assert len(encoders) >= 2 and len(decoders) >= 2 and not encoders & decoders
    assert not report.failed and hashes(proven / "ray") == hashes(proven / "undisturbed")


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*given: object) -> None:
        raise AssertionError("nothing was to be drawn or run")

    monkeypatch.setattr(catalogue_proof, "draw", work)
    monkeypatch.setattr(catalogue_proof, "start", work)


@pytest.mark.parametrize(("films", "kills"), [(6, 5), (6, 0), (1, 1)])
def test_kills_are_counted_before_the_work(
    no_work: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], films: int, kills: int
) -> None:
    assert catalogue_proof.main(["--out", str(tmp_path / "o"), "--films", str(films), "--kills", str(kills)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: --kills is {kills}; expected 1 to ") and not (tmp_path / "o").exists()


def test_a_finished_store_proves_nothing(no_work: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "killed" / "films" / "film_1").mkdir(parents=True)
    (tmp_path / "killed" / "films" / "film_1" / "film.json").write_text("{}", encoding="utf-8")
    assert catalogue_proof.main(["--out", str(tmp_path), "--films", "6", "--kills", "1"]) == 2
    assert "holds 1 finished films; expected none" in capsys.readouterr().err


@pytest.mark.parametrize(("inside", "status"), [([[], []], 1), ([[], ["film_1"]], 0)])
def test_a_kill_must_hit_a_film_in_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, inside: list[list[str]], status: int
) -> None:
    report = {"runs": {"killed": {"equal": True}}, "kills": [{"inside": films} for films in inside]}
    monkeypatch.setattr(catalogue_proof, "prove", lambda *given: report)
    assert catalogue_proof.main(["--out", str(tmp_path)]) == status
