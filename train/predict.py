"""Describes drawn film folders with a trained model and writes the predictions that `distinctad score` reads.

Of the annotations only the film and the interval are read, never a text. `--black` and `--swap` are controls: without
pictures nothing but the language is left; with two names swapped, a model that looks must swap them in its texts.

Run: `python train/predict.py --model M --films DIR --out predictions.csv`, or from cached features of a public set
`--set mad-eval --split eval --features CACHE`, with the people, contexts and windows of the model's run record where
they are not given. Finished films are kept on a restart. Several processes share the films: start it under `torchrun`,
or set RANK and WORLD_SIZE; whichever ends last joins the file, and no row is lost.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from train.trained_options import RECORDED, trained_options

COLUMNS = ("film", "start", "end", "text_gen", "window", "position")
FILM_COLUMNS = ("film", "movie")
CACHE_OPTIONS: dict[str, tuple[str | int, str]] = {
    "split": ("eval", "split of the cache"),
    "characters": ("predicted", "predicted | ground_truth (oracle) | all | none"),
    "context_ads": ("none", "none | predicted | ground_truth (oracle)"),
    "context_count": (3, "previous ADs in a prompt, as in training"),
    "max_people": (10, "most people in a prompt"),
    "recognised_people": (2, "of these, whom our own recognition lists: without predictions in the cache"),
    "window_group": ("film", "film | clip: what a window lies inside, as in training"),
    "batch_windows": (4, "windows at a time"),
}
"""Options that only a feature cache reads: default where the model's run record holds none, help."""


@dataclass(frozen=True)
class FilmFolder:
    """One film's files.

    Attributes:
        film: its id, the stem of the video.
        video: path of the video.
        cast: {"id", "name", "actor", "portrait": path} of each person.
        intervals: (start_s, end_s) in time order.
    """

    film: str
    video: Path
    cast: list[dict[str, Any]]
    intervals: list[tuple[float, float]]


def read_intervals(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Intervals of each film in an annotation file, in time order; no other column is read.

    Raises:
        ValueError: the columns for film, start and end are not there, or a time is no number.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        film = next((name for name in FILM_COLUMNS if name in columns), None)
        if film is None or "start" not in columns or "end" not in columns:
            raise ValueError(f"{path} has the columns {list(columns)}; expected film or movie, start, end; mend it")
        found: dict[str, list[tuple[float, float]]] = {}
        for number, row in enumerate(reader, 2):
            try:
                found.setdefault(row[film], []).append((float(row["start"]), float(row["end"])))
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}, line {number}: start {row['start']!r}, end {row['end']!r}; expected seconds; mend the row"
                ) from error
    return {name: sorted(times) for name, times in found.items()}


def find_films(folder: Path) -> list[FilmFolder]:
    """Film folders under `folder`, sorted by id.

    Raises:
        ValueError: no film, two of one name, or a film without annotations or cast.
    """
    films = []
    read: dict[Path, dict[str, list[tuple[float, float]]]] = {}
    for video in sorted(folder.rglob("film_*.mp4"), key=lambda path: (len(path.stem), path.stem)):
        cast = _first(video, (video.with_name(f"{video.stem}.cast.json"), video.with_name("cast.json")))
        table = _first(video, (video.with_name("annotations.csv"), folder / "annotations.csv"))
        if table not in read:
            read[table] = read_intervals(table)
        if video.stem not in read[table]:
            raise ValueError(f"{table} has no row of {video.stem}; expected its intervals; draw the films again")
        people = json.loads(cast.read_text(encoding="utf-8"))
        for person in people:
            if person.get("portrait"):
                person["portrait"] = str(cast.parent / person["portrait"])
        films.append(FilmFolder(video.stem, video, people, read[table][video.stem]))
    if not films:
        raise ValueError(f"{folder} holds no film_*.mp4; expected drawn films; draw them with `distinctad pocket`")
    for one, other in itertools.pairwise(films):
        if one.film == other.film:
            raise ValueError(f"{one.video} and {other.video} have one name; expected each film once; give one folder")
    return films


def _first(video: Path, candidates: Sequence[Path]) -> Path:
    """The first file that exists."""
    for path in candidates:
        if path.is_file():
            return path
    raise ValueError(f"{video} has none of {', '.join(p.name for p in candidates)}; expected one; draw the film again")


def swapped(cast: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cast with the names of its first two people exchanged; their portraits stay.

    Raises:
        ValueError: fewer than two people.
    """
    if len(cast) < 2:
        raise ValueError(f"a cast of {len(cast)}; expected two people to swap; leave --swap out")
    first, second, *others = (dict(person) for person in cast)
    first["name"], second["name"] = second["name"], first["name"]
    return [first, second, *others]


def blacked(index: int, images: Sequence[Any]) -> list[Any]:
    """Black pictures of the same sizes; a hook of the pipeline (`index` is the clip's)."""
    import numpy as np

    return [None if image is None else np.zeros_like(np.asarray(image)) for image in images]


def predict_film(pipe: Any, film: FilmFolder, black: bool, swap: bool) -> list[dict[str, Any]]:
    """Rows of one film in the order of its intervals, with the keys of `COLUMNS`."""
    cast = swapped(film.cast) if swap else film.cast
    more = {"frames": blacked} if black else {}
    rows = pipe(str(film.video), intervals=film.intervals, cast=cast, **more)
    return [
        dict(zip(COLUMNS, (film.film, r["start_s"], r["end_s"], r["text"], r["window"], r["position"]), strict=True))
        for r in rows
    ]


@dataclass(frozen=True)
class Share:
    """Which films are this process's: every `world`-th from the `rank`-th; as torchrun sets RANK and WORLD_SIZE."""

    rank: int = 0
    world: int = 1

    @classmethod
    def of_environment(cls) -> Share:
        """This process's share."""
        return cls(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def write_predictions(
    films: Mapping[str, int],
    describe: Callable[[str], list[dict[str, Any]]],
    out: Path,
    settings: dict[str, Any],
    share: Share = Share(),
) -> Path:
    """Describes this rank's films one by one; whichever rank finds all films done joins them into one file.

    Args:
        films: film -> how many rows it must have.
        describe: film -> its rows with the keys of `COLUMNS`.
        out: the CSV; finished films wait beside it in a folder that is named after `settings`.
        settings: what decides the texts.
        share: this rank's.

    Returns:
        `out`, written only when every film of every rank is done.

    Raises:
        ValueError: a film came back with more or fewer rows than it has.
    """
    from tqdm import tqdm

    from train.run_record import fingerprint

    parts = out.with_name(f"{out.name}.parts_{fingerprint(settings)}")
    parts.mkdir(parents=True, exist_ok=True)
    places = {film: parts / f"{number:06d}.json" for number, film in enumerate(films)}
    for film in tqdm(list(films)[share.rank :: share.world], unit="film", desc="predict"):
        if not places[film].is_file():
            found = describe(film)
            if len(found) != films[film]:
                raise ValueError(f"{film} came back with {len(found)} rows, expected {films[film]}; no row may be lost")
            partial = places[film].with_suffix(f".partial{share.rank}")
            partial.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
            partial.replace(places[film])
    if all(place.is_file() for place in places.values()):
        try:
            _join(places.values(), out, share.rank)
        except FileNotFoundError:  # another rank has just joined them and tidied up
            if not out.is_file():
                raise
        shutil.rmtree(parts, ignore_errors=True)
    return out


def _join(parts: Iterable[Path], out: Path, rank: int) -> None:
    """Writes all films' rows into one CSV."""
    rows = [row for part in parts for row in json.loads(part.read_text(encoding="utf-8"))]
    partial = out.with_name(f"{out.name}.partial{rank}")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(out)


def predict_films(
    pipe: Any, films: Sequence[FilmFolder], out: Path, settings: dict[str, Any], share: Share = Share()
) -> Path:
    """Describes film folders and joins them into one file; see `write_predictions`.

    Args:
        pipe: the pipeline.
        films: what to describe.
        out: the CSV.
        settings: what decides the texts; "black" and "swap" are read here.
        share: this rank's.
    """
    known = {film.film: film for film in films}

    def describe(name: str) -> list[dict[str, Any]]:
        return predict_film(pipe, known[name], bool(settings["black"]), bool(settings["swap"]))

    return write_predictions({film.film: len(film.intervals) for film in films}, describe, out, settings, share)


def predict_cache(pipe: Any, folder: Path, split: str, out: Path, options: dict[str, Any], share: Share) -> Path:
    """Describes a feature cache of `train/set_features.py`; see `write_predictions`.

    Args:
        pipe: the pipeline; its model and processor are used.
        folder: the cache.
        split: of its rows.
        out: the CSV.
        options: of `CACHE_OPTIONS`, but for the split.
        share: this rank's.

    Raises:
        ValueError: the cache is another tower's, holds no such split, or no times.
    """
    from train.collators import WindowCollator, WindowOptions, consecutive_windows
    from train.describe_cache import describe_windows
    from train.features import cache_of
    from train.listed_people import tell_people

    model, processor, group = pipe.model, pipe.processor, options["window_group"]
    cache = cache_of(model, folder)
    films = [film for film, rows in cache.films.items() if cache.rows[rows[0]].get("split") == split]
    if not films or "start_s" not in cache.rows[cache.films[films[0]][0]]:
        raise ValueError(f"{folder} holds no rows with times of split {split!r}; make it with train/set_features.py")
    prompts = WindowOptions(options["max_people"], test_characters=options["characters"],
                            context_ads=options["context_ads"], context_count=options["context_count"],
                            people_order="bank", recognised_people=options["recognised_people"])  # fmt: skip
    collator = WindowCollator(processor, cache, prompts)
    for warning in tell_people(collator, [], consecutive_windows(cache, films, processor.window_size, group))[1:]:
        print(warning, file=sys.stderr)

    def describe(film: str) -> list[dict[str, Any]]:
        windows = consecutive_windows(cache, [film], processor.window_size, group)
        texts = describe_windows(model, collator, windows, batch=options["batch_windows"])
        rows = []
        for number, (_, _, members) in enumerate(windows):
            for position, member in enumerate(members):
                row = cache.rows[member]
                cells = (film.removeprefix(f"{split}/"), row["start_s"], row["end_s"], texts[member], number, position)
                rows.append(dict(zip(COLUMNS, cells, strict=True)))
        return rows

    settings = {"model": about(pipe), "cache": cache.meta, "split": split, **options}
    counts = {film: len(cache.films[film]) for film in films}
    return write_predictions(counts, describe, out, settings, share)


def about(pipe: Any) -> list[Any]:
    """What of a pipeline decides its texts: weights, configuration, processor."""
    from modeling_distinctad.towers_distinctad import weights_sha256

    return [weights_sha256(pipe.model), pipe.model.config.to_dict(), pipe.processor.to_dict()]


def load_pipeline(model: str, device: str = "auto", dtype: str = "auto") -> Any:
    """The pipeline of a folder or Hub id.

    Args:
        model: the folder or id.
        device: what `torch.device` takes; "auto": this rank's accelerator (LOCAL_RANK), or the CPU without one.
        dtype: "float32", "bfloat16" or "auto": as stored on an accelerator, float32 on a CPU, most of which are slow
            in bfloat16.
    """
    import torch
    from transformers import AutoConfig

    from modeling_distinctad.configuration_distinctad import DistinctADConfig
    from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
    from modeling_distinctad.pipeline_distinctad import DistinctADPipeline
    from modeling_distinctad.processing_distinctad import DistinctADProcessor

    # The folder carries its code for the Hub's sake; told of our own, the library neither warns nor asks to run that.
    AutoConfig.register("distinctad", DistinctADConfig, exist_ok=True)
    if device == "auto":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
    if dtype == "auto":
        dtype = "float32" if device == "cpu" else "auto"
    loaded = DistinctADForConditionalGeneration.from_pretrained(model, dtype=dtype)
    processor = DistinctADProcessor.from_pretrained(model, trust_remote_code=False)
    return DistinctADPipeline(loaded, processor, device=torch.device(device))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", required=True, help="folder of stage2.py")
    parser.add_argument("--set", default="pocket", choices=("pocket", "mad-eval", "cmd-ad", "tv-ad"), help="data set")
    parser.add_argument("--device", default="auto", help="auto: this rank's accelerator where there is one, or the CPU")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"), help="of the weights")
    parser.add_argument("--films", type=Path, help="pocket: folder with drawn films")
    parser.add_argument("--features", type=Path, help="other sets: feature cache of train/set_features.py")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    for name, (default, told) in CACHE_OPTIONS.items():
        known = f"as the model's run record says, or {default}" if name in RECORDED else default
        parser.add_argument(f"--{name}", type=type(default), help=f"other sets: {told}; default {known}")
    parser.add_argument("--black", action="store_true", help="pocket: black out every frame (control)")
    parser.add_argument("--swap", action="store_true", help="pocket: swap the names of the first two people (control)")
    return parser


def check_options(asked: argparse.Namespace) -> None:
    """Refuse what the chosen set would not read, and fill in what it reads: as the model was trained, which is told.

    Raises:
        ValueError: an option of the other kind of set, or no folder.
    """
    pocket = asked.set == "pocket"
    unread = [n for n in CACHE_OPTIONS if getattr(asked, n) is not None] if pocket else []
    unread += [] if pocket else [n for n in ("black", "swap") if getattr(asked, n)]
    if unread:
        raise ValueError(f"--{unread[0]} is not read with --set {asked.set}; expected an option of it; leave it out")
    name = "films" if pocket else "features"
    if getattr(asked, name) is None:
        raise ValueError(f"--{name} is missing with --set {asked.set}; expected a folder; give it")
    if not pocket:
        given = {option: getattr(asked, option) for option in CACHE_OPTIONS}
        options, told = trained_options(asked.model, given, {name: value for name, (value, _) in CACHE_OPTIONS.items()})
        vars(asked).update(options)
        if told and Share.of_environment().rank == 0:
            print(*told, sep="\n", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line; returns the exit status."""
    asked = _parser().parse_args(argv)
    try:
        check_options(asked)
        films = find_films(asked.films) if asked.set == "pocket" else []
        pipe = load_pipeline(asked.model, asked.device, asked.dtype)
        share = Share.of_environment()
        if asked.set == "pocket":
            settings = {"model": about(pipe), "films": films, "black": asked.black, "swap": asked.swap}
            predict_films(pipe, films, asked.out, settings, share)
        else:
            options = {key: getattr(asked, key) for key in CACHE_OPTIONS if key != "split"}
            predict_cache(pipe, asked.features, asked.split, asked.out, options, share)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
