"""Paints the objects of the pocket world: any kind, colour, size, place and turn, anti-aliased.

The colour of an object is a told fact, so the main area carries the exact RGB that was asked for; outline and
shades are made from it, accents are fixed. The outlines live in `props_household` and
`props_leisure`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from datasets_scripts.pocket import props_household, props_leisure
from datasets_scripts.pocket.props_geometry import ACCENT, DARK, INK, LIGHT, MAIN, Drawing

_DRAWINGS: dict[str, Drawing] = {**props_household.DRAWINGS, **props_leisure.DRAWINGS}
_SHIFT = 5  # OpenCV's fixed-point bits: corners are placed to 1/32 pixel


@lru_cache(maxsize=256)
def _paints(rgb: tuple[int, int, int]) -> dict[str, tuple[int, int, int]]:
    """The paints of an object of colour `rgb`; dark colours get light lines, white ones dull accents."""
    red, green, blue = rgb
    accent = (252, 252, 248)
    if 0.299 * red + 0.587 * green + 0.114 * blue < 60:
        ink, dark, light = (118, 118, 128), (70, 70, 78), (96, 96, 104)
    else:
        ink = (red // 5 + 8, green // 5 + 8, blue // 5 + 10)
        dark = (red * 7 // 10, green * 7 // 10, blue * 7 // 10)
        light = ((red * 3 + 510) // 5, (green * 3 + 510) // 5, (blue * 3 + 510) // 5)
    if min(rgb) > 220:
        light, accent = (224, 227, 232), (172, 186, 210)
    return {MAIN: rgb, DARK: dark, LIGHT: light, INK: ink, ACCENT: accent}


def draw_prop(
    canvas: np.ndarray,
    kind: str,
    rgb: tuple[int, int, int],
    centre: tuple[float, float],
    size: float,
    angle_deg: float = 0.0,
) -> None:
    """Draws one object into `canvas`, in place; parts outside the canvas are cut off.

    Args:
        canvas: (H, W, 3) uint8 RGB, C-contiguous or a window cut out of such an array.
        kind: one of `world.OBJECTS`.
        rgb: the object's colour, three values in 0..255; its main area carries exactly this colour.
        centre: (x, y) of the object's box in canvas pixels, sub-pixel.
        size: longer side of the object's box in pixels.
        angle_deg: clockwise turn around the centre, degrees.

    Raises:
        ValueError: unknown kind, a canvas of another shape or type, or a size that is not positive and finite.

    """
    drawing = _DRAWINGS.get(kind)
    if drawing is None:
        raise ValueError(f"kind={kind!r} is not an object of the pocket world; use one of {', '.join(_DRAWINGS)}")
    if canvas.ndim != 3 or canvas.shape[2] != 3 or canvas.dtype != np.uint8:
        raise ValueError(
            f"canvas is {canvas.dtype} of shape {canvas.shape}, expected uint8 (H, W, 3); "
            "make one with np.zeros((height, width, 3), np.uint8)"
        )
    if not (0.0 < size < 1e5):
        raise ValueError(f"size={size!r} is not a length in pixels, expected 0 < size < 100000; pass pixels, e.g. 64.0")
    x, y = centre
    reach = drawing.radius * size + 1.0
    height, width = canvas.shape[:2]
    if not (-reach < x < width + reach and -reach < y < height + reach):
        return
    scale = size * (1 << _SHIFT)
    c, s = math.cos(math.radians(angle_deg % 360.0)) * scale, math.sin(math.radians(angle_deg % 360.0)) * scale
    # OpenCV takes a pixel's centre for whole numbers, the canvas for halves: hence the half pixel.
    shift = ((x - 0.5) * (1 << _SHIFT) + 0.5, (y - 0.5) * (1 << _SHIFT) + 0.5)
    corners = np.floor(drawing.corners @ np.array([[c, s], [-s, c]]) + shift).astype(np.int32)
    paints = _paints((int(rgb[0]), int(rgb[1]), int(rgb[2])))
    for paint, ranges in drawing.layers:
        colour = paints[paint] if isinstance(paint, str) else paint
        cv2.fillPoly(canvas, [corners[first:last] for first, last in ranges], colour, cv2.LINE_AA, _SHIFT)
