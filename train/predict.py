"""Describes drawn film folders with a trained model and writes the predictions that `distinctad score` reads.

Of the annotations only the film and the interval are read, never a text. `--black` and `--swap` are controls: without
pictures nothing but the language is left; with two names swapped, a model that looks must swap them in its texts.

Run: `python train/predict.py --model M --films DIR --out predictions.csv`. Finished films are kept on a restart.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

COLUMNS = ("film", "start", "end", "text_gen", "window", "position")
FILM_COLUMNS = ("film", "movie")


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
        ValueError: no film, or a film without annotations or cast.
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


def predict_films(pipe: Any, films: Sequence[FilmFolder], out: Path, settings: dict[str, Any]) -> Path:
    """Describes films one by one and joins them into one file.

    Args:
        pipe: the pipeline.
        films: what to describe.
        out: the CSV; finished films wait beside it in a folder that is named after `settings`.
        settings: what decides the texts; "black" and "swap" are read here.

    Returns:
        `out`, written only when every film is done.
    """
    from tqdm import tqdm

    from train.run_record import fingerprint

    parts = out.with_name(f"{out.name}.parts_{fingerprint(settings)}")
    parts.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for film in tqdm(films, unit="film", desc="predict"):
        part = parts / f"{film.film}.json"
        if not part.is_file():
            found = predict_film(pipe, film, bool(settings["black"]), bool(settings["swap"]))
            partial = part.with_suffix(".partial")
            partial.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
            partial.replace(part)
        rows += json.loads(part.read_text(encoding="utf-8"))
    partial = out.with_name(out.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(out)
    shutil.rmtree(parts)
    return out


def load_pipeline(model: str) -> Any:
    """The pipeline of a folder or Hub id, in float32: bfloat16 is slow on most CPUs."""
    import torch

    from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
    from modeling_distinctad.pipeline_distinctad import DistinctADPipeline
    from modeling_distinctad.processing_distinctad import DistinctADProcessor

    loaded = DistinctADForConditionalGeneration.from_pretrained(model, dtype=torch.float32)
    return DistinctADPipeline(loaded, DistinctADProcessor.from_pretrained(model, trust_remote_code=False))


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", required=True, help="folder of stage2.py")
    parser.add_argument("--films", type=Path, required=True, help="folder with drawn films")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    parser.add_argument("--black", action="store_true", help="black out every frame (control)")
    parser.add_argument("--swap", action="store_true", help="swap the names of the first two people (control)")
    asked = parser.parse_args(argv)
    try:
        films = find_films(asked.films)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    pipe = load_pipeline(asked.model)
    from modeling_distinctad.towers_distinctad import weights_sha256

    settings: dict[str, Any] = {"model": weights_sha256(pipe.model), "films": str(asked.films)}
    settings |= {"black": asked.black, "swap": asked.swap}
    predict_films(pipe, films, asked.out, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
