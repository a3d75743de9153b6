"""Appendix B: are neighbouring clips too alike? Similarity within films by CLIP, by CLIP_AD and by the ADs' text.

Draws one row of three matrices a film and prints the number behind the picture, the neighbour excess: how much more a
clip resembles those near it than those far away in its film. Stage I should move it towards the text's.

Run: `python train/appendix_b.py --clip A --clip_ad B --films 800001-800004 --out figure.png` for pocket films; for
whole films, from caches of `train/set_features.py` by both towers, `python train/appendix_b.py --clip A --features
CACHE_A --features_ad CACHE_B --far 50 --out figure.png`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from train.stops import plain_refusals

NEAR, FAR = 8, 12
"""Within 8 clips, as the specification; over 12 away instead of its 50: pocket films have 24 to 40 clips in scenes of
at most 14, so that over 12 away is another scene (own choice); whole films take --far 50."""
COLUMNS = {"clip": "CLIP", "clip_ad": "CLIP_AD", "text": "AD text"}


@dataclass(frozen=True)
class FilmSimilarity:
    """One film: its id, its matrices (n, n) by column, and the clips where a scene begins."""

    film: str
    matrices: dict[str, np.ndarray]
    scene_starts: tuple[int, ...] = ()


def excess_by_clip(similarity: np.ndarray, near: int = NEAR, far: int = FAR) -> np.ndarray:
    """Neighbour excess of every clip that has clips near and far.

    Args:
        similarity: (n, n) cosines.
        near: clips at most so far away count as near, the clip itself does not.
        far: clips further away than this count as far.

    Returns:
        (n,) float64: mean cosine with near clips - mean cosine with far ones; NaN where one of them is missing.

    Raises:
        ValueError: near and far overlap, or no clip of the film has both.
    """
    if not 1 <= near <= far:
        raise ValueError(f"near is {near}, far {far}; expected 1 <= near <= far; change them")
    count = len(similarity)
    away = np.abs(np.arange(count)[:, None] - np.arange(count)[None])
    found = np.full(count, np.nan)
    for i in range(count):
        close, distant = (away[i] >= 1) & (away[i] <= near), away[i] > far
        if close.any() and distant.any():
            found[i] = similarity[i, close].mean() - similarity[i, distant].mean()
    if np.isnan(found).all():
        raise ValueError(f"a film of {count} clips has none over {far} apart; expected a longer one; lower --far")
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(min=1e-12)


def cosines(features: np.ndarray) -> np.ndarray:
    """(n, n) float64 cosines of features (n, C)."""
    unit = _unit(features)
    return unit @ unit.T


def clip_cosines(frames: Any) -> np.ndarray:
    """(n, n) float64 cosines of clips, each the mean of its unit frames; frames (n, T, C), a tensor of any float."""
    return cosines(_unit(frames.double().numpy()).mean(axis=1))


def long_enough(films: Sequence[FilmSimilarity], far: int) -> tuple[list[FilmSimilarity], list[str]]:
    """The films that have clips over `far` apart, and the names of the others.

    Raises:
        ValueError: none has.
    """
    clips = {film.film: len(film.matrices["clip"]) for film in films}
    kept = [film for film in films if clips[film.film] > far + 1]
    if not kept:
        longest = max(clips.values(), default=0)
        raise ValueError(f"the longest film has {longest} clips, none over {far} apart; expected some; lower --far")
    return kept, [name for name, count in clips.items() if count <= far + 1]


def neighbour_excess(films: Sequence[FilmSimilarity], near: int = NEAR, far: int = FAR) -> dict[str, Any]:
    """The excess by column, and what CLIP_AD changes, as means over clips with 95 % intervals over films.

    Returns:
        `clip`, `clip_ad`, `text`, `change` (clip_ad - clip) and `towards_text` (how much nearer to the text's excess
        clip_ad's is than clip's, film by film): each {"value", "interval" or None}; `far_cosine` by column (where it
        has risen to nearly 1 the features have collapsed, and the excess is small for that reason alone); `clips`,
        `films`, `near`, `far`.
    """
    from evaluate_metrics.slot_accuracy.bootstrap import film_interval

    values: dict[str, list[float]] = {name: [] for name in (*COLUMNS, "change")}
    towards, owners = [], []
    distant: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for film in films:
        places = np.arange(len(film.matrices["clip"]))
        away = np.abs(places[:, None] - places[None])
        for name in COLUMNS:
            distant[name].append(float(film.matrices[name][away > far].mean()))
        found = {name: excess_by_clip(film.matrices[name], near, far) for name in COLUMNS}
        kept = ~np.isnan(found["clip"])
        for name in COLUMNS:
            values[name] += found[name][kept].tolist()
        values["change"] += (found["clip_ad"] - found["clip"])[kept].tolist()
        owners += [film.film] * int(kept.sum())
        before, after, text = (float(found[name][kept].mean()) for name in COLUMNS)
        towards.append(abs(before - text) - abs(after - text))
    result: dict[str, Any] = {"clips": len(owners), "films": len(films), "near": near, "far": far}
    result |= {k: {"value": float(np.mean(v)), "interval": film_interval(v, owners)} for k, v in values.items()}
    result["far_cosine"] = {name: float(np.mean(found)) for name, found in distant.items()}
    names = [film.film for film in films]
    result["towards_text"] = {"value": float(np.mean(towards)), "interval": film_interval(towards, names)}
    return result


def film_similarity(clip: str, clip_ad: str, seeds: Sequence[int], preset: str) -> list[FilmSimilarity]:
    """Matrices of pocket films: mean of the unit frames of both towers, pooled AD of the text tower (which they share).

    Args:
        clip: folder of the CLIP before Stage I.
        clip_ad: folder after it.
        seeds: films.
        preset: story preset.
    """
    from tqdm import tqdm

    from datasets_scripts.pocket.story import make_film
    from train.features import Encoder, FeatureArguments
    from train.reconstruction import TextTower

    towers = {
        name: Encoder(FeatureArguments(clip=folder, preset=preset))
        for name, folder in (("clip", clip), ("clip_ad", clip_ad))
    }
    text = TextTower(clip)
    films = []
    for seed in tqdm(seeds, unit="film", desc="similarity"):
        told = make_film(seed, preset)
        matrices = {name: clip_cosines(tower.film(seed)[0]["frames"]) for name, tower in towers.items()}
        states = text.encode([c.text for c in told.clips])
        matrices["text"] = cosines(np.stack([s.pooled.double().numpy() for s in states]))
        scenes = [c.scene for c in told.clips]
        starts = tuple(i for i in range(1, len(scenes)) if scenes[i] != scenes[i - 1])
        films.append(FilmSimilarity(str(seed), matrices, starts))
    return films


def cache_similarity(
    clip: str, features: str, features_ad: str, films: str = ""
) -> tuple[list[FilmSimilarity], dict[str, str]]:
    """Matrices of the films of two feature caches, which one tower made before Stage I and one after it.

    Args:
        clip: folder of the CLIP whose text tower reads the ADs.
        features: cache by the CLIP before Stage I.
        features_ad: cache by the CLIP after it.
        films: ids parted by commas; empty: all.

    Returns:
        The films, and the towers' hashes by column.

    Raises:
        ValueError: the caches hold other clips, or no such film.
    """
    from train.features import FeatureCache
    from train.reconstruction import TextTower

    caches = {"clip": FeatureCache(features), "clip_ad": FeatureCache(features_ad)}
    rows, other = ([(row["film"], row["text"]) for row in cache.rows] for cache in caches.values())
    if rows != other:
        raise ValueError(f"{features} and {features_ad} hold other clips; expected the same in one order; encode again")
    numbers = caches["clip"].films
    wanted = [film.strip() for film in films.split(",")] if films else list(numbers)
    if lost := [film for film in wanted if film not in numbers]:
        raise ValueError(
            f"{features} lacks film {lost[0]}; expected one of {', '.join(list(numbers)[:3])}, ...; mend it"
        )
    text, found = TextTower(clip), []
    for film in wanted:
        matrices = {name: clip_cosines(cache.frames[numbers[film]]) for name, cache in caches.items()}
        states = text.encode([rows[number][1] for number in numbers[film]])
        matrices["text"] = cosines(np.stack([s.pooled.double().numpy() for s in states]))
        found.append(FilmSimilarity(film, matrices))
    return found, {name: cache.meta["tower"] for name, cache in caches.items()}


def draw(films: Sequence[FilmSimilarity], path: Path, near: int = NEAR, far: int = FAR) -> Path:
    """The three-column figure: a row a film, one colour scale a column, scenes parted by lines, the excess on top.

    Args:
        films: rows.
        path: picture to write.
        near: see `excess_by_clip`.
        far: see `excess_by_clip`.

    Returns:
        `path`.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(films), 3, figsize=(9.6, 0.9 + 3.0 * len(films)), squeeze=False, layout="constrained"
    )
    for column, (name, label) in enumerate(COLUMNS.items()):
        others = np.concatenate([f.matrices[name][~np.eye(len(f.matrices[name]), dtype=bool)] for f in films])
        low, high = np.percentile(others, [2, 98])
        for row, film in enumerate(films):
            axis = axes[row][column]
            # cividis reads the same with any colour vision, and in grey
            picture = axis.imshow(film.matrices[name], cmap="cividis", vmin=low, vmax=high, interpolation="nearest")
            for start in film.scene_starts:
                for line in (axis.axhline, axis.axvline):
                    line(start - 0.5, color="white", linewidth=0.8)
            excess = np.nanmean(excess_by_clip(film.matrices[name], near, far))
            axis.set_title(f"neighbour excess {excess:+.3f}" if row else f"{label}\nneighbour excess {excess:+.3f}")
            axis.set_xlabel("clip" if row == len(films) - 1 else "")
            axis.set_ylabel(f"film {film.film}\nclip" if column == 0 else "")
        figure.colorbar(picture, ax=[axes[row][column] for row in range(len(films))], location="bottom",
                        label="cosine", shrink=0.8, aspect=30, pad=0.01)  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return path


def summary(found: dict[str, Any]) -> str:
    """The numbers as lines to print."""
    lines = [f"neighbour excess (within {found['near']} minus over {found['far']} away), {found['clips']} clips of "
             f"{found['films']} films, 95 % intervals over films"]  # fmt: skip
    labels = {**COLUMNS, "change": "CLIP_AD minus CLIP", "towards_text": "nearer to the text's by"}
    for name, label in labels.items():
        ends = found[name]["interval"]
        shown = f" [{ends[0]:+.4f}, {ends[1]:+.4f}]" if ends else " [one film]"
        lines.append(f"  {label:<24}{found[name]['value']:+.4f}{shown}")
    shown = ", ".join(f"{COLUMNS[name]} {value:.3f}" for name, value in found["far_cosine"].items())
    return "\n".join([*lines, f"  mean cosine of far clips: {shown} (near 1: collapsed, the excess means little)"])


@plain_refusals()
def main(argv: Sequence[str] | None = None) -> int:
    """Draws and prints; returns 0; bad input ends with status 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clip", required=True, help="CLIP folder before Stage I")
    parser.add_argument("--clip_ad", default="", help="CLIP folder after it, for pocket films")
    parser.add_argument("--features", default="", help="instead: cache of whole films by the CLIP before Stage I")
    parser.add_argument("--features_ad", default="", help="with it: cache of the same films by the CLIP after it")
    parser.add_argument("--films", default="", help="pocket seeds, empty: 800001-800004; of caches ids, empty: all")
    parser.add_argument("--drawn", type=int, default=4, help="films in the picture; all count for the numbers")
    parser.add_argument("--preset", default="clear", help="story preset: clear | crowded")
    parser.add_argument("--near", type=int, default=NEAR, help="clips at most so far away are near")
    parser.add_argument("--far", type=int, default=FAR, help="clips further away than this are far")
    parser.add_argument("--out", type=Path, required=True, help="picture to write; the record lies beside it (.json)")
    asked = parser.parse_args(argv)
    from modeling_distinctad.towers_distinctad import load_vision, weights_sha256
    from train.features import parse_seeds
    from train.run_record import write_whole

    if bool(asked.features) != bool(asked.features_ad) or bool(asked.features) == bool(asked.clip_ad):
        raise ValueError(
            "expected --clip_ad alone, or --features and --features_ad without it; name the one or the two"
        )
    if asked.features:
        films, towers = cache_similarity(asked.clip, asked.features, asked.features_ad, asked.films)
    else:
        asked.films = asked.films or "800001-800004"
        films = film_similarity(asked.clip, asked.clip_ad, parse_seeds(asked.films), asked.preset)
        towers = {name: weights_sha256(load_vision(getattr(asked, name))) for name in ("clip", "clip_ad")}
    films, short = long_enough(films, asked.far)
    if short:
        print(f"left out, no clips over {asked.far} apart: {', '.join(short)}")
    found = neighbour_excess(films, asked.near, asked.far)
    draw(films[: asked.drawn], asked.out, asked.near, asked.far)
    made = {} if asked.features else {"preset": asked.preset}
    record = {"films": asked.films, **made, "towers": towers, "too_short": short, "neighbour_excess": found}
    write_whole(asked.out.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    print(summary(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
