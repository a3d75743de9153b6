"""What can be read from a tower's pooled frames? A linear reader of the told action and object, on films not seen.

Stage I moves a tower; this says what the move cost. A reader is trained on the mean of a clip's normalised frames, the
least regularised of three that reads the validation films best is tested (own choice; a probe, no part of the model).

Run: `python train/read_slots.py FEATURES ... --train 1-40 --validation 800001-800004 --test 800005-800012`, the folders
being caches of `train/features.py` that hold these films.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor
from torch.nn import functional

from datasets_scripts.pocket.story import make_film
from train.features import FeatureCache, parse_seeds
from train.film_splits import refuse_blind, refuse_overlap
from train.stops import plain_refusals

SLOTS = ("action", "object")
DECAYS = (1e-4, 1e-3, 1e-2)


def fit_reader(inputs: Tensor, labels: Tensor, classes: int, decay: float) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression by L-BFGS.

    Args:
        inputs: (n, C) float32, standardised.
        labels: (n,) int64.
        classes: how many.
        decay: weight of the squared norm of the weights.

    Returns:
        Weights (C, classes) and bias (classes,).
    """
    weight = torch.zeros(inputs.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=100)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(inputs @ weight + bias, labels) + decay * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[arg-type]
    return weight.detach(), bias.detach()


def read_share(inputs: Tensor, labels: Tensor, parts: Sequence[Tensor]) -> float:
    """Share of test rows whose label is read.

    Args:
        inputs: (n, C) float32.
        labels: (n,) int64.
        parts: (n,) bool of the training, the validation and the test rows.
    """
    train, validation, test = parts
    mean, spread = inputs[train].mean(dim=0), inputs[train].std(dim=0) + 1e-6
    scaled, classes = (inputs - mean) / spread, int(labels.max()) + 1
    readers = [fit_reader(scaled[train], labels[train], classes, decay) for decay in DECAYS]

    def right(reader: tuple[Tensor, Tensor], rows: Tensor) -> float:
        return float(((scaled[rows] @ reader[0] + reader[1]).argmax(dim=1) == labels[rows]).float().mean())

    return right(max(readers, key=lambda reader: right(reader, validation)), test)


def read_cache(folder: Path, films: Sequence[Sequence[int]]) -> dict[str, float]:
    """Shares read of each slot, and the mean cosine of clips of different test films.

    Args:
        folder: a feature cache.
        films: training, validation and test films.

    Raises:
        ValueError: the cache lacks a film.
    """
    cache = FeatureCache(folder)
    if lost := [seed for part in films for seed in part if str(seed) not in cache.films]:
        raise ValueError(f"{folder} lacks film {lost[0]}; expected {sum(map(len, films))} films; encode them too")
    pooled = functional.normalize(cache.frames.float(), dim=-1).mean(dim=1)
    drawn = {film: make_film(int(film), cache.meta["preset"]) for film in cache.films}
    clips = [drawn[row["film"]].clips[row["index"]] for row in cache.rows]
    told = [clip.facts[clip.told] for clip in clips]
    seeds = [int(row["film"]) for row in cache.rows]
    found = {}
    for slot in SLOTS:
        values = [getattr(fact, slot) for fact in told]
        names = sorted(set(values) - {""})
        labels = torch.tensor([names.index(value) if value else 0 for value in values])
        parts = [torch.tensor([s in part and bool(v) for s, v in zip(seeds, values, strict=True)]) for part in films]
        found[slot] = read_share(pooled, labels, parts)
    tested = torch.tensor([seed in films[2] for seed in seeds])
    unit, film = functional.normalize(pooled[tested], dim=-1), torch.tensor(seeds)[tested]
    other = film[:, None] != film[None, :]
    return {
        **found,
        "mean cosine of other films": float((unit @ unit.T)[other].mean()) if other.any() else float("nan"),
    }


@plain_refusals()
def main(argv: list[str] | None = None) -> int:
    """Prints one line a cache; returns 0; bad input ends with status 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("features", nargs="+", type=Path, help="feature caches")
    parser.add_argument("--train", default="1-40", help="films that readers learn from")
    parser.add_argument("--validation", default="800001-800004", help="films that choose the decay")
    parser.add_argument("--test", default="800005-800012", help="films that are read")
    asked = parser.parse_args(argv)
    films = [parse_seeds(text) for text in (asked.train, asked.validation, asked.test)]
    named = dict(zip(("train", "validation", "test"), films, strict=True))
    refuse_blind(**named)
    refuse_overlap(**named)
    for folder in asked.features:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in read_cache(folder, films).items())
        print(f"{folder}: {figures}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
