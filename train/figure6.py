"""Figure 6: t-SNE of a window's H, H^ and H~ in one map, for synthetic 3-D data from N sources and for a real window.

`--synthetic` needs no model: points around N centres in space, through the very EM and cross-attention of the model.
With `--model` and `--features` a window of a trained model is drawn, one colour a clip. Beside each picture stands how
much of the energy lies between clips: what the picture shows, as a number.

Run: `python train/figure6.py --out figure6.png [--model FOLDER --features CACHE --film ID --window 0]`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import Tensor

from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.contextual_em_distinctad import ContextualEM
from modeling_distinctad.mixers_distinctad import BasisCrossAttention
from train.stops import plain_refusals

NAMES = ("H", "H^ (reconstruction)", "H~ (cross-attention)")


def synthetic_window(sources: int, points: int, spread: float = 0.35, seed: int = 0) -> Tensor:
    """Points (1, N, Q, 3): Q around each of N centres."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2.0 * torch.randn(1, sources, 1, 3, generator=generator)
    return centres + spread * torch.randn(1, sources, points, 3, generator=generator)


@torch.no_grad()
def synthetic_parts(vectors: Tensor, bases: int = 8) -> list[Tensor]:
    """H, H^ and H~ of 3-D points, each (n, 3), by the model's own EM and an untrained cross-attention.

    Args:
        vectors: (1, N, Q, 3).
        bases: K.
    """
    fields = {**DistinctADConfig.em_preset("default"), "em_num_bases": bases, "em_min_mass": 1e-3, "em_momentum": 0.9}
    config = SimpleNamespace(**fields, em_seed=0, joint_size=vectors.shape[-1])
    mask = torch.ones(vectors.shape[:2], dtype=torch.bool)
    found = ContextualEM(config).eval()(vectors, mask)
    torch.manual_seed(0)
    attention = BasisCrossAttention(vectors.shape[-1])
    for layer in (attention.query, attention.key, attention.value):
        layer.initialise()
    parts = (vectors, found.reconstruction, attention(vectors, found.bases, found.basis_mask))
    return [part.flatten(0, 2) for part in parts]


@torch.no_grad()
def model_parts(model: Any, frames: Tensor) -> list[Tensor]:
    """H, H^ and H~ of one window, each (N*Q, C).

    Args:
        model: with contextual EM and its cross-attention.
        frames: (1, N, T, C) features.

    Raises:
        ValueError: the model has no contextual EM or no cross-attention.
    """
    if model.contextual_em is None or model.cross_attention is None:
        raise ValueError("the model has no H^ or no H~; expected alpha and beta above 0; choose another checkpoint")
    mask = torch.ones(frames.shape[:2], dtype=torch.bool)
    frame_mask = torch.ones(frames.shape[:3], dtype=torch.bool)
    vectors = model.perceiver(frames.flatten(0, 1), frame_mask.flatten(0, 1)).unflatten(0, frames.shape[:2])
    found = model.contextual_em(vectors, mask)
    attended = model.cross_attention(vectors, found.bases, found.basis_mask)
    return [part.float().flatten(0, 2) for part in (vectors, found.reconstruction, attended)]


def between_share(part: Tensor, clips: int) -> float:
    """Share of a part's energy around its mean that lies between the means of clips; part (N*Q, C)."""
    grouped = part.reshape(clips, -1, part.shape[-1])
    around = (part - part.mean(dim=0)).square().sum()
    between = (grouped.mean(dim=1) - part.mean(dim=0)).square().sum() * grouped.shape[1]
    return float(between / around.clamp_min(1e-12))


def embed(parts: Sequence[Tensor], perplexity: float, seed: int = 0) -> list[Any]:
    """One t-SNE of each part with one perplexity: arrays (n, 2).

    Args:
        parts: (n, C) each.
        perplexity: of all.
        seed: of the start.
    """
    from sklearn.manifold import TSNE

    made = []
    for part in parts:
        most = min(perplexity, (len(part) - 1) / 3)
        scaled = (part - part.mean(dim=0)) / part.std().clamp_min(1e-6)
        made.append(TSNE(perplexity=most, init="pca", random_state=seed).fit_transform(scaled.double().numpy()))
    return made


def draw(rows: Sequence[tuple[str, list[Tensor], int]], out: Path, perplexity: float) -> Path:
    """Draw rows of three maps, one colour a clip, the clip's number at its middle.

    Args:
        rows: (title, [H, H^, H~] each (n, C), number of clips).
        out: picture.
        perplexity: of every t-SNE.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(rows), 3, figsize=(12, 4.2 * len(rows)), squeeze=False)
    for line, (title, parts, clips) in zip(axes, rows, strict=True):
        maps = embed(parts, perplexity)
        for axis, name, points, part in zip(line, NAMES, maps, parts, strict=True):
            each = len(points) // clips
            for clip in range(clips):
                own = points[clip * each : (clip + 1) * each]
                colour = pyplot.get_cmap("tab20")(clip % 20)
                axis.scatter(own[:, 0], own[:, 1], s=16, color=colour, edgecolors="none", alpha=0.8)
                middle = own.mean(axis=0)
                axis.annotate(
                    str(clip + 1), middle, ha="center", va="center", fontsize=8, color="black",
                    bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": colour, "alpha": 0.85},
                )  # fmt: skip
            axis.set_title(f"{name}: {between_share(part, clips):.0%} between clips", fontsize=10)
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].set_ylabel(title, fontsize=11)
    figure.suptitle(f"t-SNE, perplexity {perplexity:g}; one colour and number a clip (source)")
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    pyplot.close(figure)
    return out


def real_row(model_folder: str, features: str, film: str | None, window: int) -> tuple[str, list[Tensor], int]:
    """A row of a trained model's window; the first film of the cache where none is named.

    Raises:
        ValueError: no such film or window, or the cache is another tower's.
    """
    from train.features import cache_of
    from train.predict import load_pipeline

    model = load_pipeline(model_folder, "cpu").model
    cache = cache_of(model, features)
    name = film or next(iter(cache.films))
    size = model.config.window_size
    members = cache.films.get(name, [])[window * size : (window + 1) * size]
    if not members:
        raise ValueError(f"film {name} has no window {window}; expected one of the cache; choose another")
    return f"film {name}, window {window}", model_parts(model, cache.frames[members].float()[None]), len(members)


@plain_refusals()
def main(argv: Sequence[str] | None = None) -> int:
    """Draws the figure; returns 0; bad input ends with status 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/tables/figure6.png"), help="picture to write")
    parser.add_argument("--sources", type=int, default=8, help="synthetic: N")
    parser.add_argument("--points", type=int, default=24, help="synthetic: points a source")
    parser.add_argument("--perplexity", type=float, default=20.0, help="of every map")
    parser.add_argument("--model", help="folder of stage2.py, for a real window")
    parser.add_argument("--features", help="its feature cache")
    parser.add_argument("--film", help="film of the cache")
    parser.add_argument("--window", type=int, default=0, help="window of the film")
    asked = parser.parse_args(argv)
    for name, least in (("sources", 2), ("points", 2), ("perplexity", 1)):
        if (value := getattr(asked, name)) < least:
            raise ValueError(f"--{name} is {value:g}; expected at least {least}; raise it")
    points = synthetic_window(asked.sources, asked.points)
    rows = [(f"synthetic, {asked.sources} sources in 3-D", synthetic_parts(points), asked.sources)]
    if asked.model:
        rows.append(real_row(asked.model, asked.features or "", asked.film, asked.window))
    draw(rows, asked.out, asked.perplexity)
    for title, parts, clips in rows:
        told = ", ".join(f"{n} {between_share(p, clips):.3f}" for n, p in zip(NAMES, parts, strict=True))
        print(f"{title}: energy between clips {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
