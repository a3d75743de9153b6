"""Retrieval between clips and ADs: recall, median rank, their 95 % intervals over films, and chance.

Clips with the very same AD are all right answers to it. Intervals draw whole films again (clips of one film are not
independent) while the pool stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evaluate_metrics.slot_accuracy.bootstrap import LEVEL, RESAMPLES, film_interval

RECALLS = (1, 5, 10)


def ranks(similarity: Tensor, same: Tensor | None = None) -> Tensor:
    """Rank (from 1) of the best right column of every row; equal wrong ones count half, so a constant is at chance.

    Args:
        similarity: (P, P).
        same: (P, P) bool, True where the column is right for the row; None: the diagonal.

    Returns:
        (P,) float32.

    Raises:
        ValueError: a similarity is no finite number.
    """
    if not similarity.isfinite().all():  # NaN is neither above nor equal: every rank would be the first
        raise ValueError("similarities are not finite; expected numbers; look for NaN in features or weights")
    if same is None:
        same = torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
    best = similarity.masked_fill(~same, -torch.inf).amax(dim=1, keepdim=True)
    return 1 + ((similarity > best) & ~same).sum(1).float() + ((similarity == best) & ~same).sum(1).float() / 2


def chance(right: Sequence[int], pool: int, k: int) -> float:
    """Recall at k of a random order, for queries with `right` right answers each among `pool` items."""
    missed = [math.comb(pool - count, k) / math.comb(pool, k) if k <= pool else 0.0 for count in right]
    return 1 - sum(missed) / len(missed)


def median_interval(values: np.ndarray, films: Sequence[str], seed: int = 0) -> list[float] | None:
    """95 % percentile interval of the median of `values` (n,), drawing films again; None with fewer than two films."""
    names = sorted(set(films))
    if len(names) < 2:
        return None
    groups = [values[[film == name for film in films]] for name in names]
    draws = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    medians = [float(np.median(np.concatenate([groups[i] for i in draw]))) for draw in draws]
    return [float(edge) for edge in np.percentile(medians, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])]


@dataclass
class Embedded:
    """A pool as a model sees it.

    Attributes:
        clips: (P, C) float32, unit length.
        texts: (P, C) float32, unit length.
        ads: the AD of each.
        films: the film of each, in order.
    """

    clips: Tensor
    texts: Tensor
    ads: list[str]
    films: list[str]


@torch.no_grad()
def embed_pool(model: Any, data: Any, collator: Any, batch: int = 32) -> Embedded:
    """Embeds every clip of a pool and its AD in float32.

    Args:
        model: a `Stage1Model`.
        data: rows with `pixel_values` (F, 3, H, W), `text` and, for intervals, `film`; a `ClipSource` leaves out the
            clips that give no frames.
        collator: a `ClipCollator`.
        batch: clips at once.
    """
    model.eval()
    device = next(model.parameters()).device
    found = Embedded(torch.empty(0), torch.empty(0), [], [])
    clips, texts = [], []
    for start in range(0, len(data), batch):
        places = range(start, min(start + batch, len(data)))
        several = getattr(data, "__getitems__", None)  # of a source: leaves out, and counts, what cannot be decoded
        items = several(places) if several else [data[i] for i in places]
        rows = {k: v.to(device) for k, v in collator(items).items()}
        frames = nn.functional.normalize(model.frames(rows["pixel_values"]).float(), dim=-1)
        clips.append(nn.functional.normalize(frames.mean(dim=1), dim=-1).cpu())
        pooled, _ = model.texts(rows["input_ids"], rows["attention_mask"])
        texts.append(nn.functional.normalize(pooled.float(), dim=-1).cpu())
        found.ads += [item["text"] for item in items]
        found.films += [str(item.get("film", "")) for item in items]
    found.clips, found.texts = torch.cat(clips), torch.cat(texts)
    return found


def retrieval_figures(pool: Embedded) -> dict[str, Any]:
    """Retrieval both ways.

    Returns:
        `clip_to_ad_*` and `ad_to_clip_*`: r1, r5, r10 and median_rank, each with `*_interval`, [lower, upper] of 95 %
        or None with a single film; `chance_r1`, `_r5`, `_r10`; `neighbour_cosine`, the mean cosine of clips that
        follow one another in a film; `pool`, `pool_films` and `pool_ads`, the number of different ADs.
    """
    number = {ad: n for n, ad in enumerate(dict.fromkeys(pool.ads))}
    ids = torch.tensor([number[ad] for ad in pool.ads])
    same = ids[:, None] == ids[None, :]
    figures: dict[str, Any] = {}
    for name, similarity in (("clip_to_ad", pool.clips @ pool.texts.T), ("ad_to_clip", pool.texts @ pool.clips.T)):
        place = ranks(similarity, same)
        for k in RECALLS:
            hits = (place <= k).float()
            edges = film_interval(hits.numpy(), pool.films)
            figures[f"{name}_r{k}"] = round(float(hits.mean()), 4)
            figures[f"{name}_r{k}_interval"] = None if edges is None else [round(edge, 4) for edge in edges]
        figures[f"{name}_median_rank"] = float(place.double().quantile(0.5))
        figures[f"{name}_median_rank_interval"] = median_interval(place.numpy(), pool.films)
    right = same.sum(1).tolist()
    figures |= {f"chance_r{k}": round(chance(right, len(ids), k), 4) for k in RECALLS}
    together = torch.tensor([a == b for a, b in zip(pool.films[1:], pool.films, strict=False)], dtype=torch.bool)
    cosines = (pool.clips[1:] * pool.clips[:-1]).sum(-1)[together]
    figures["neighbour_cosine"] = round(float(cosines.mean()), 4) if len(cosines) else None
    return figures | {"pool": len(ids), "pool_films": len(set(pool.films)), "pool_ads": len(number)}
