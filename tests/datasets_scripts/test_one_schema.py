"""All four builders, cached and streaming, in one schema; written in both forms and read back; workers and ranks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from datasets.distributed import split_dataset_by_node
from public_files import CMD, MAD, TV, cmd, mad, table, tv
from torch.utils.data import DataLoader

from datasets_scripts.builders import ADBuilder, CMDADBuilder, MADBuilder, PocketBuilder, TVADBuilder, ad_features
from datasets_scripts.checks import check_file
from datasets_scripts.pocket.layouts import write_annotations
from datasets_scripts.pocket.story import make_film
from datasets_scripts.schema import ADRow
from datasets_scripts.writers import WriteError, write_folder


def mad_set(folder: Path, cache: Path) -> ADBuilder:
    rows = [mad(5 * i, 5 * i + 3, f"Step {i}.", film) for film in ("1_A", "2_B", "3_C", "4_D") for i in range(3)]
    (folder / "v").mkdir(exist_ok=True)
    for film in ("1_A", "2_B", "3_C", "4_D"):
        (folder / "v" / f"{film}.mkv").write_bytes(b"film")
    path = table(folder / "mad.csv", MAD, rows)
    return MADBuilder(cache_dir=str(cache), annotations=str(path), source="films", root=str(folder / "v"))


def cmd_set(folder: Path, cache: Path) -> ADBuilder:
    rows = [
        cmd(1000 * n + 5 * i, 1000 * n + 5 * i + 3, f"Step {i}.", n, imdbid=f"tt{n}") for n in (1, 2) for i in (1, 2)
    ]
    return CMDADBuilder(cache_dir=str(cache), annotations=str(table(folder / "cmd.csv", CMD, rows)))


def tv_set(folder: Path, cache: Path) -> ADBuilder:
    rows = [tv(5 * i, 5 * i + 3, f"Step {i}.", imdbid_pe=f"tt{n}") for n in (1, 2) for i in (1, 2)]
    return TVADBuilder(cache_dir=str(cache), annotations=str(table(folder / "tv.csv", TV, rows)))


def pocket_set(folder: Path, cache: Path) -> ADBuilder:
    (folder / "pocket").mkdir()
    write_annotations([make_film(seed, "clear", 6) for seed in (3, 4)], folder / "pocket")
    return PocketBuilder(cache_dir=str(cache), annotations=str(folder / "pocket"), characters="cast")


SETS = [mad_set, cmd_set, tv_set, pocket_set]


@pytest.fixture(params=SETS, ids=[made.__name__ for made in SETS])
def builder(request: pytest.FixtureRequest, tmp_path: Path) -> ADBuilder:
    make: Callable[[Path, Path], ADBuilder] = request.param
    return make(tmp_path, tmp_path / "cache")


def test_cached_and_streaming_give_the_same_rows(builder: ADBuilder, tmp_path: Path) -> None:
    wanted = [row.to_dict() for row in builder.reader("test")]
    assert wanted and [ADRow.from_dict(row) for row in wanted] == list(builder.reader("test"))
    assert builder.info.features == ad_features()
    assert list(builder.as_streaming_dataset("test")) == wanted
    builder.download_and_prepare()
    cached = builder.as_dataset(split="test")
    assert cached.features == ad_features() and list(cached) == wanted
    builder.download_and_prepare(str(tmp_path / "parquet"), file_format="parquet")
    loaded = load_dataset(str(tmp_path / "parquet"), cache_dir=str(tmp_path / "cache2"))["test"]
    assert loaded.features == ad_features() and list(loaded) == wanted


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_written_and_loaded(builder: ADBuilder, tmp_path: Path, form: str) -> None:
    wanted = [row.to_dict() for row in builder.reader("test")]
    written = write_folder(builder, tmp_path / "out", form, rows_per_file=4)
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache2"))["test"]
    assert written.rows == {"test": len(wanted)} and f"{len(wanted)} rows from" in (
        tmp_path / "out" / "README.md"
    ).read_text(encoding="utf-8")
    if form == "parquet":
        assert loaded.features == ad_features() and list(loaded) == wanted
    elif builder.config.root is None:
        assert [row["json"] for row in loaded] == wanted
    else:  # a sample a video, with its ADs
        samples = loaded.cast_column("mkv", loaded.features["mkv"].__class__(decode=False))
        assert [ad["text"] for row in samples for ad in row["json"]["ads"]] == [row["text"] for row in wanted]
        assert {row["mkv"]["bytes"] for row in samples} == {b"film"}


def texts(loader: Any) -> list[str]:
    return [f"{row['film']} {row['text']}" for row in loader]


def test_workers_and_ranks_share_the_films(tmp_path: Path) -> None:
    """Four films over two ranks of two workers each: every row once; a rank resumes where it stood."""
    builder = mad_set(tmp_path, tmp_path / "cache")
    stream = builder.as_streaming_dataset("test")
    wanted = texts(stream)
    ranks = [split_dataset_by_node(stream, rank, 2) for rank in range(2)]
    for workers in (0, 2):
        seen = [texts(DataLoader(rank, batch_size=None, num_workers=workers)) for rank in ranks]
        assert [len(part) for part in seen] == [6, 6] and sorted(seen[0] + seen[1]) == sorted(wanted)
    taking = iter(ranks[1])
    first = texts([next(taking) for _ in range(4)])
    again = split_dataset_by_node(builder.as_streaming_dataset("test"), 1, 2)
    again.load_state_dict(ranks[1].state_dict())
    assert first + texts(again) == texts(split_dataset_by_node(builder.as_streaming_dataset("test"), 1, 2))


def test_only_our_own_folder_is_replaced(tmp_path: Path) -> None:
    builder, home = cmd_set(tmp_path, tmp_path / "cache"), tmp_path / "home"
    home.mkdir()
    (home / "README.md").write_text("# My letters")
    for overwrite, words in ((False, "not empty"), (True, "not written by this command")):
        with pytest.raises(WriteError, match=words):
            write_folder(builder, home, overwrite=overwrite)
    assert (home / "README.md").read_text() == "# My letters"
    assert (
        write_folder(builder, tmp_path / "out").files == write_folder(builder, tmp_path / "out", overwrite=True).files
    )


@pytest.mark.parametrize("name", ["mad-eval", "cmd-ad", "tv-ad", "pocket"])
def test_the_reach_of_the_features_counts_in_every_set(tmp_path: Path, name: str) -> None:
    write_annotations([make_film(3, "clear", 20)], tmp_path)
    path = {
        "mad-eval": table(tmp_path / "mad.csv", MAD, [mad(5, 8)]),
        "cmd-ad": table(tmp_path / "cmd.csv", CMD, [cmd(1105, 1108)]),
        "tv-ad": table(tmp_path / "tv.csv", TV, [tv(5, 8)]),
        "pocket": tmp_path,
    }[name]
    whole = check_file(path, name)
    film = next(iter(whole.films))
    assert check_file(path, name, lengths_s={film: 9000.0}).outcomes == whole.outcomes
    assert check_file(path, name, lengths_s={"another": 9.0}).count("missing_video") == whole.rows
    assert check_file(path, name, lengths_s={film: 0.5}).count("no_frames") == whole.rows
