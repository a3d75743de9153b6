"""The brush that paints backdrops: shapes in stage units, muted colours, and pieces that several places share.

Backdrops show the stage region x in [-160, 800], y in [0, 360]: wider than the wide picture, so that cameras can
pan. Own choice: every colour is drawn towards a light grey before it is painted, so that people and objects, which
keep their full colours, stand out.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from datasets_scripts.pocket.props_geometry import stroke
from datasets_scripts.pocket.world import FLOOR_Y

LEFT, RIGHT, TOP, BOTTOM = -160.0, 800.0, 0.0, 360.0
GROUND = FLOOR_Y - 40.0  # where the wall meets the floor; feet stand lower, at FLOOR_Y
_SHIFT = 4
_VEIL, _VEIL_SHARE, _DULL_SHARE = np.array([226.0, 226.0, 222.0]), 0.26, 0.22

Rgb = tuple[int, int, int]
SKY, SKY_LOW, CLOUD = (150, 196, 232), (224, 238, 244), (250, 250, 250)
WOOD, WOOD_DARK, TRUNK = (178, 136, 96), (140, 102, 70), (128, 98, 72)
GRASS, GRASS_LIGHT, FOLIAGE, FOLIAGE_DARK = (140, 184, 110), (164, 202, 128), (112, 160, 98), (84, 132, 84)
METAL, METAL_DARK, PAPER, SHADE = (178, 184, 190), (128, 136, 144), (246, 243, 234), (96, 92, 96)


class Brush:
    """Paints into one backdrop; all lengths are stage units, colours are RGB before muting."""

    def __init__(self, width: int, height: int, rng: np.random.Generator) -> None:
        """Starts an empty backdrop of `width` x `height` pixels whose tint and furniture follow `rng`."""
        self.canvas = np.zeros((height, width, 3), np.uint8)
        self.rng = rng
        self._scale = np.array([width / (RIGHT - LEFT), height / (BOTTOM - TOP)])
        self._tint = rng.uniform(0.97, 1.03, 3) * rng.uniform(0.96, 1.03)

    def muted(self, rgb: Rgb) -> tuple[int, ...]:
        """`rgb` tinted by the variant, less saturated and lighter, as three values in 0..255."""
        colour = np.array(rgb) * self._tint
        colour = colour + (colour.mean() - colour) * _DULL_SHARE
        return tuple(int(v) for v in np.clip(colour + (_VEIL - colour) * _VEIL_SHARE, 0, 255))

    def near(self, value: float, spread: float) -> float:
        """`value` moved by up to `spread` either way: how a variant shifts furniture."""
        return value + float(self.rng.uniform(-spread, spread))

    def shaded(self, rgb: Rgb, spread: float = 0.08) -> Rgb:
        """`rgb` a random bit lighter or darker."""
        gain = 1.0 + float(self.rng.uniform(-spread, spread))
        return tuple(int(min(255.0, v * gain)) for v in rgb)  # type: ignore[return-value]

    def poly(self, xy: np.ndarray | Sequence[tuple[float, float]], rgb: Rgb) -> None:
        """Fills the polygon with corners `xy`, (M, 2)."""
        pixels = (np.asarray(xy, np.float64) - (LEFT, TOP)) * self._scale - 0.5
        cv2.fillPoly(
            self.canvas, [np.round(pixels * (1 << _SHIFT)).astype(np.int32)], self.muted(rgb), cv2.LINE_AA, _SHIFT
        )

    def rect(self, left: float, top: float, right: float, bottom: float, rgb: Rgb) -> None:
        """Fills an axis-parallel rectangle."""
        self.poly([(left, top), (right, top), (right, bottom), (left, bottom)], rgb)

    def framed(self, box: tuple[float, float, float, float], rgb: Rgb, frame: Rgb, width: float = 4.0) -> None:
        """Fills the rectangle `box` (left, top, right, bottom) with a frame of `width` around it."""
        left, top, right, bottom = box
        self.rect(left - width, top - width, right + width, bottom + width, frame)
        self.rect(left, top, right, bottom, rgb)

    def ellipse(self, x: float, y: float, rx: float, ry: float, rgb: Rgb, start: float = 0, stop: float = 360) -> None:
        """Fills an ellipse, or the part of it between two angles (degrees, 0 = right, 90 = down)."""
        angle = np.deg2rad(np.linspace(start, stop, 32))
        self.poly(np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1), rgb)

    def line(self, xy: Sequence[tuple[float, float]], width: float, rgb: Rgb) -> None:
        """Draws a line through the points `xy`, `width` stage units thick."""
        self.poly(stroke(np.array(xy, np.float64), width), rgb)

    def fade(self, top: float, bottom: float, high: Rgb, low: Rgb) -> None:
        """Fills the rows from `top` to `bottom` with a vertical gradient from `high` to `low`."""
        first, last = (int(round((y - TOP) * self._scale[1])) for y in (top, bottom))
        share = np.linspace(0.0, 1.0, max(last - first, 1))[:, None]
        ramp = np.array(self.muted(high)) * (1 - share) + np.array(self.muted(low)) * share
        self.canvas[first:last] = np.round(ramp).astype(np.uint8)[: last - first, None, :]


def columns(step: float, start: float = LEFT) -> list[float]:
    """Left edges of things repeated every `step` units from `start` to the right end of the stage."""
    return [float(x) for x in np.arange(start, RIGHT, step)]


def walls(b: Brush, wall: Rgb, floor: Rgb, skirting: Rgb) -> None:
    """A plain room: wall, skirting board, floor."""
    b.fade(TOP, GROUND, wall, b.shaded(wall, 0.03))
    b.rect(LEFT, GROUND, RIGHT, BOTTOM, floor)
    b.rect(LEFT, GROUND - 8, RIGHT, GROUND, skirting)


def boards(b: Brush, rgb: Rgb, gap: Rgb) -> None:
    """A floor of planks that run towards the viewer."""
    b.rect(LEFT, GROUND, RIGHT, BOTTOM, rgb)
    for i in range(-14, 15):
        b.line([(320 + i * 42, GROUND), (320 + i * 66, BOTTOM)], 1.6, gap)
    b.rect(LEFT, GROUND, RIGHT, GROUND + 3, gap)


def chequers(b: Brush, one: Rgb, two: Rgb) -> None:
    """A floor of square tiles in two colours, in perspective."""
    b.rect(LEFT, GROUND, RIGHT, BOTTOM, one)
    rows = [GROUND, GROUND + 14, GROUND + 34, GROUND + 58, BOTTOM]
    for r, (top, bottom) in enumerate(zip(rows, rows[1:], strict=False)):
        near, far = (1 + (y - GROUND) / 90 for y in (bottom, top))
        for i in range(-13 + r % 2, 13, 2):
            left, right = i * 44, (i + 1) * 44
            b.poly([(320 + left * far, top), (320 + right * far, top), (320 + right * near, bottom),
                    (320 + left * near, bottom)], two)  # fmt: skip


def window(b: Brush, box: tuple[float, float, float, float], frame: Rgb = PAPER, panes: int = 2) -> None:
    """A window with sky and a hill behind it; `box` is (left, top, right, bottom)."""
    left, top, right, bottom = box
    b.framed(box, SKY_LOW, frame, 6)
    b.rect(left, top, right, (top + bottom) / 2, (186, 216, 236))
    high, middle = bottom - top, (left + right) / 2
    hill = [(left, bottom), (left, bottom - high * 0.22), (middle, bottom - high * 0.36)]
    hill += [(right, bottom - high * 0.16), (right, bottom)]
    b.poly(hill, GRASS_LIGHT)
    for i in range(1, panes):
        x = left + (right - left) * i / panes
        b.rect(x - 2.5, top, x + 2.5, bottom, frame)
    b.rect(left, (top + bottom) / 2 - 2, right, (top + bottom) / 2 + 2, frame)
    b.rect(left - 10, bottom + 4, right + 10, bottom + 11, frame)


def sky(b: Brush, clouds: int = 4, high: Rgb = SKY, low: Rgb = SKY_LOW) -> None:
    """Sky over the whole wall area with a few clouds whose places follow the variant."""
    b.fade(TOP, GROUND + 4, high, low)
    for i in range(clouds):
        x, y = b.near(LEFT + (i + 0.5) * 960 / max(clouds, 1), 70), b.near(48, 26)
        for dx, dy, r in ((-26, 6, 18), (0, -3, 25), (27, 5, 19)):
            b.ellipse(x + dx, y + dy, r * 1.3, r * 0.75, CLOUD)


def tree(b: Brush, x: float, ground: float, height: float, leaf: Rgb = FOLIAGE) -> None:
    """A round tree whose trunk ends at `ground`."""
    b.poly([(x - 7, ground), (x - 5, ground - height * 0.6), (x + 5, ground - height * 0.6), (x + 7, ground)], TRUNK)
    for dx, dy, r in ((-0.2, 0.58, 0.23), (0.2, 0.6, 0.22), (0.0, 0.76, 0.27)):
        b.ellipse(x + dx * height, ground - dy * height, r * height, r * height * 0.92, leaf)
    b.ellipse(x - 0.07 * height, ground - 0.82 * height, 0.13 * height, 0.1 * height, b.shaded(GRASS_LIGHT, 0.03))
