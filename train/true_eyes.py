"""What perfect eyes see of pocket films: codes of true facts in place of a tower's features.

An arm that fails on drawn films may not see, or may not compare. Here nothing is left to see: every frame looks at one
of the clip's facts and is the sum of the codes of who does what with which thing of which colour, where and in which
light. Nothing says which fact is told: facts take turns in an order of their own, people are listed by their place in
the cast. Own choice; for ablations alone (`train/features.py --eyes true`), never for a model that describes films.
"""

from __future__ import annotations

import hashlib
import random
from functools import cache

import torch
from torch import Tensor

from datasets_scripts.pocket.world import Clip, Fact, Film

TOWER = "codes of true facts"  # no hash: Stage II refuses such features for a model that sees pictures


@cache
def code(what: str, size: int) -> Tensor:
    """The code (size,) float32 of a thing: random, of length 1, the same in every run and every film."""
    seed = int.from_bytes(hashlib.sha256(what.encode()).digest()[:7], "big")
    drawn = torch.randn(size, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm()


def seen_fact(film: Film, clip: Clip, fact: Fact, size: int) -> Tensor:
    """A look (size,) float32 at one person: the sum of the codes of all that is true of it."""
    seen = [f"look {film.cast[fact.person].look}", f"action {fact.action}", f"place {clip.shot.place}",
            f"light {clip.shot.light}"]  # fmt: skip
    seen += [f"object {fact.object}", f"colour {fact.colour}"] if fact.object else []
    seen += [f"partner {film.cast[fact.partner].look}"] if fact.partner >= 0 else []
    return torch.stack([code(what, size) for what in seen]).sum(0)


def seen_clip(film: Film, clip: Clip, num_frames: int, size: int) -> Tensor:
    """All looks (num_frames, size) float32 at a clip; every fact gets its share of the frames."""
    order = list(clip.facts)
    random.Random(f"looks {film.seed} {clip.index}").shuffle(order)
    looks = [seen_fact(film, clip, fact, size) for fact in order]
    return torch.stack([looks[at * len(looks) // num_frames] for at in range(num_frames)])


def seen_film(film: Film, num_frames: int, size: int) -> dict[str, Tensor]:
    """`frames` (clips, num_frames, size) and `faces` (cast, size), float16, as `train/features.py` keeps them."""
    frames = torch.stack([seen_clip(film, clip, num_frames, size) for clip in film.clips])
    faces = torch.stack([code(f"look {member.look}", size) for member in film.cast])
    return {"frames": frames.half(), "faces": faces.half()}


def seen_people(clip: Clip) -> list[int]:
    """Places in the cast of everyone who does something in the clip, in the cast's order."""
    return sorted({place for fact in clip.facts for place in (fact.person, fact.partner) if place >= 0})
