"""What readers found that no test had seen: one test for each."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from distinctad.catalogue import Film
from distinctad.catalogue_work import FilmWorker
from distinctad.errors import UserError
from distinctad.features import _open_parts
from distinctad.plan import sha256_of
from distinctad.score import score
from distinctad.score_figures import Options
from distinctad.score_plots import plot_films
from distinctad.score_report import fill, report_folder


def test_episodes_of_a_show_are_films_of_their_own(tmp_path: Path) -> None:
    """TV-AD: predictions may name the show alone, and every episode's clock begins at 0 s."""
    spans = [(episode, 10 * k + episode) for episode in (1, 2) for k in range(4)]
    lines = [f"tt1_{e},tt1,{start},{start + 2},He runs {start}.\n" for e, start in spans]
    (tmp_path / "a.csv").write_text("imdbid_pe,imdbid,start,end,text\n" + "".join(lines))
    told = [f"tt1,{start},{start + 2},He walks {start}.\n" for _, start in spans]
    (tmp_path / "p.csv").write_text("imdbid,start,end,text_gen\n" + "".join(told))
    found = score(tmp_path / "p.csv", annotations=tmp_path / "a.csv", options=Options(metrics=("cider",)))
    assert [entry["film"] for entry in found["by_film"]] == ["tt1_1", "tt1_2"]


def test_a_films_name_is_no_formula(tmp_path: Path) -> None:
    value = {"value": 1.0, "lower": None, "upper": None}
    table = [{"film": name, "n": 1, "cider": value} for name in ("A$$AP Rocky", "US$ 5 100%$ x")]
    assert plot_films(table, tmp_path / "films.png").stat().st_size > 1000


def test_plots_of_earlier_scores_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("film,start,end,text\nf,0,1,He runs.\ng,0,1,She sits.\n")
    (tmp_path / "p.csv").write_text("film,start,end,text_gen\nf,0,1,He runs.\ng,0,1,She waits.\n")
    for metrics in (("cider",), ("bleu",)):
        found = score(tmp_path / "p.csv", annotations=tmp_path / "a.csv", options=Options(metrics=metrics))
        with report_folder(tmp_path / "out", overwrite=True) as folder:
            fill(folder, found)
        assert (tmp_path / "out" / "films.png").is_file() == (metrics == ("cider",))


def test_work_begun_with_overwrite_goes_on_with_it(tmp_path: Path) -> None:
    parts, about = tmp_path / "x.h5.parts", {"tower": "b", "tower_sha256": "1", "fps": 5.0}
    kept = parts / "film.part"

    def opened(settings: dict[str, Any], overwrite: bool) -> bool:
        """Whether what is there stays."""
        _open_parts(parts, settings, overwrite)
        stays = kept.exists()
        kept.touch()
        return stays

    assert not opened(about, overwrite=False) and opened(about, overwrite=False)
    assert not opened(about, overwrite=True)  # anew, as asked
    assert opened(about, overwrite=True)  # the same command, after a kill
    assert not opened({**about, "fps": 2.0}, overwrite=True)
    with pytest.raises(UserError, match="was made with fps 2.0, not 5.0"):
        opened(about, overwrite=False)


def test_a_film_exchanged_while_it_is_encoded_is_not_filed_as_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    film = Film("a.mp4", path, sha256_of(path))

    def encode(*_: Any, **__: Any) -> Any:
        path.write_bytes(b"new")
        return SimpleNamespace(warnings=[])

    monkeypatch.setattr("distinctad.features.encode_films", encode)
    with pytest.raises(UserError, match=r"'a\.mp4' changed while it was encoded"):
        FilmWorker._encode(SimpleNamespace(encoding=None, reader=None), film, tmp_path)  # type: ignore[arg-type]
