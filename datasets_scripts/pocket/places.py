"""Paints the backdrop of a place in daylight; `draw.py` lays light, people and objects over it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datasets_scripts.pocket import places_indoor, places_outdoor
from datasets_scripts.pocket.places_brush import Brush

_PAINTERS: dict[str, Callable[[Brush], None]] = {**places_indoor.PAINTERS, **places_outdoor.PAINTERS}


def draw_place(place: str, variant: int, width: int, height: int) -> np.ndarray:
    """Paints the stage region x in [-160, 800], y in [0, 360] of a place by day, without people or objects.

    The floor begins at `places_brush.GROUND` (y = 278). Equal arguments give equal pictures; odd variants are
    mirrored, and every variant has its own furniture positions and tint.

    Args:
        place: one of `world.PLACES`.
        variant: seed of the decoration, >= 0.
        width: pixels across (960 stage units).
        height: pixels down (360 stage units).

    Returns:
        (height, width, 3) uint8 RGB, C-contiguous.

    Raises:
        ValueError: unknown place, negative variant, or a picture without pixels.

    """
    if place not in _PAINTERS:
        raise ValueError(f"place={place!r} is not a place of the pocket world; use one of {', '.join(_PAINTERS)}")
    if variant < 0:
        raise ValueError(f"variant={variant} is negative, expected a seed >= 0; pass e.g. variant={abs(variant)}")
    if width < 1 or height < 1:
        raise ValueError(f"a picture of {width} x {height} has no pixels, expected both >= 1; pass e.g. 960 x 360")
    # The place's name is part of the seed, so that equal variants of two places do not move alike.
    brush = Brush(width, height, np.random.default_rng([variant, *place.encode()]))
    _PAINTERS[place](brush)
    picture = brush.canvas[:, ::-1] if variant % 2 else brush.canvas
    return np.ascontiguousarray(picture)
