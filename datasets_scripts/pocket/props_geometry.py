"""Polygons for flat drawings: curves, strokes, mirroring, outward offsets, and the sketch that stacks them.

Sketches are written in a box of 100 x 100 units, x to the right, y down, and end as polygons in
[-0.5, 0.5] x [-0.5, 0.5], so that a drawing is one matrix product and a few polygon fills. Own choice:
OpenCV's thick anti-aliased lines cost ten times a polygon fill, so outlines are filled polygons too, made
once at import by moving every edge outwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

Points: TypeAlias = np.ndarray
"""One polygon: (M, 2) float64, columns x and y."""

Paint: TypeAlias = str | tuple[int, int, int]
"""`MAIN`, `DARK`, `LIGHT`, `INK`, `ACCENT` (made from the object's own colour) or a fixed RGB."""

MAIN, DARK, LIGHT, INK, ACCENT = "main", "dark", "light", "ink", "accent"
# Fixed accents, RGB.
WHITE, CREAM = (252, 252, 248), (246, 230, 190)
WOOD, COFFEE = (158, 108, 62), (92, 54, 30)
GOLD, FLAME, GLOW = (236, 186, 54), (250, 140, 30), (255, 236, 120)
GLASS, STEEL, CLAY, LEAF = (190, 222, 238), (176, 182, 190), (206, 178, 150), (78, 160, 70)
NIGHT = (40, 42, 52)

OUTLINE = 1.9  # width of the outline in sketch units (percent of the object's size)


def points(*xy: tuple[float, float]) -> Points:
    """Polygon from its corners, (M, 2) float64."""
    return np.array(xy, dtype=np.float64)


def rect(left: float, top: float, right: float, bottom: float) -> Points:
    """Axis-parallel rectangle, (4, 2)."""
    return points((left, top), (right, top), (right, bottom), (left, bottom))


def ellipse(
    x: float, y: float, rx: float, ry: float | None = None, tilt_deg: float = 0.0,
    start_deg: float = 0.0, stop_deg: float = 360.0, count: int = 28,
) -> Points:  # fmt: skip
    """Ellipse, or its arc from `start_deg` to `stop_deg` (0 = right, 90 = down), (count, 2)."""
    whole = stop_deg - start_deg >= 360.0
    angle = np.deg2rad(np.linspace(start_deg, stop_deg, count, endpoint=not whole))
    circle = np.stack([rx * np.cos(angle), (rx if ry is None else ry) * np.sin(angle)], axis=1)
    return turned(circle, tilt_deg) + (x, y)


def turned(shape: Points, angle_deg: float, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    """`shape` turned clockwise on the screen (y down) around `about`, (M, 2)."""
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return (shape - about) @ np.array([[c, s], [-s, c]]) + about


def mirrored(shape: Points, x: float = 50.0) -> Points:
    """`shape` mirrored at the vertical line through `x`, (M, 2)."""
    return shape * (-1.0, 1.0) + (2.0 * x, 0.0)


def profile(*half: tuple[float, float], x: float = 50.0, smoothing: int = 0) -> Points:
    """Symmetric shape from rows of (y, half width) read from top to bottom; `smoothing` as in `smooth`."""
    right = points(*((x + w, y) for y, w in half))
    if smoothing:
        right = smooth(right, smoothing, closed=False)
    return np.concatenate([right, mirrored(right, x)[::-1]])


def smooth(shape: Points, count: int = 4, closed: bool = True) -> Points:
    """Catmull-Rom curve through the points with `count` steps a piece, (about M * count, 2)."""
    if closed:
        p0, p1, p2, p3 = (np.roll(shape, k, axis=0) for k in (1, 0, -1, -2))
    else:
        padded = np.concatenate([shape[:1], shape, shape[-1:]])
        p0, p1, p2, p3 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(count) / count)[None, :, None]
    p0, p1, p2, p3 = (p[:, None, :] for p in (p0, p1, p2, p3))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    flat = curve.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, shape[-1:]])


def stroke(line: Points, width: float) -> Points:
    """A line of the given width with flat ends, as one polygon of (2 M, 2)."""
    step = np.diff(line, axis=0)
    side = np.stack([-step[:, 1], step[:, 0]], axis=1) / np.linalg.norm(step, axis=1, keepdims=True)
    before, after = np.concatenate([side[:1], side]), np.concatenate([side, side[-1:]])
    shift = (before + after) / np.maximum(1.0 + np.sum(before * after, axis=1, keepdims=True), 0.4) * (width / 2)
    return np.concatenate([line + shift, (line - shift)[::-1]])


def grown(shape: Points, distance: float) -> Points:
    """`shape` with every edge moved outwards (inwards if negative) by `distance`, corners mitred up to 2.2 x."""
    x, y = shape[:, 0], shape[:, 1]
    area = np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    edge = np.roll(shape, -1, axis=0) - shape
    length = np.linalg.norm(edge, axis=1, keepdims=True)
    edge, corners = edge[length[:, 0] > 1e-9] / length[length[:, 0] > 1e-9], shape[length[:, 0] > 1e-9]
    out = np.stack([edge[:, 1], -edge[:, 0]], axis=1) * np.sign(area)
    before = np.roll(out, 1, axis=0)
    mitre = (before + out) / np.maximum(1.0 + np.sum(before * out, axis=1, keepdims=True), 0.4)
    return corners + mitre * distance


@dataclass
class Sketch:
    """A drawing as a stack of layers, each one colour and the polygons that are filled together (even-odd)."""

    layers: list[tuple[Paint, list[Points]]] = field(default_factory=list)

    def flat(self, paint: Paint, *shapes: Points) -> Sketch:
        """Adds shapes without outline; they must not overlap each other."""
        self.layers.append((paint, list(shapes)))
        return self

    def part(self, paint: Paint, *shapes: Points, holes: Sequence[Points] = (), outline: float = OUTLINE) -> Sketch:
        """Adds shapes with a dark outline around each; `holes` are cut out. Shapes must not overlap."""
        grown_shapes = [grown(s, outline) for s in shapes] + [grown(h, -outline) for h in holes]
        self.layers.append((INK, grown_shapes))
        self.layers.append((paint, [*shapes, *holes]))
        return self

    def joined(self, paint: Paint, *shapes: Points, outline: float = OUTLINE) -> Sketch:
        """Adds overlapping shapes as one body: one outline around them all, none between them."""
        self.layers.extend((INK, [grown(s, outline)]) for s in shapes)
        self.layers.extend((paint, [s]) for s in shapes)
        return self


@dataclass(frozen=True)
class Drawing:
    """A finished sketch, ready to be placed: all corners in one array, and which of them belong together.

    Attributes:
        corners: (K, 2) float64 in [-0.5, 0.5], the corners of all polygons one after the other.
        layers: per layer its paint and the (first, last + 1) ranges of its polygons in `corners`.
        radius: distance of the farthest corner from the centre, in sizes.

    """

    corners: np.ndarray
    layers: tuple[tuple[Paint, tuple[tuple[int, int], ...]], ...]
    radius: float


def finished(sketch: Sketch) -> Drawing:
    """Moves a sketch from its 100-unit box to [-0.5, 0.5] and packs its polygons into one array.

    The drawn box is centred and scaled so that its longer side is exactly 1.
    """
    every = np.concatenate([shape for _, shapes in sketch.layers for shape in shapes])
    low, high = every.min(axis=0), every.max(axis=0)
    corners = (every - (low + high) / 2) / (high - low).max()
    layers, first = [], 0
    for paint, shapes in sketch.layers:
        ranges = []
        for shape in shapes:
            ranges.append((first, first + len(shape)))
            first += len(shape)
        layers.append((paint, tuple(ranges)))
    return Drawing(corners, tuple(layers), float(np.linalg.norm(corners, axis=1).max()))
