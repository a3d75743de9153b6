"""Paper dolls: the outlines of every look as flat polygons that hang on the joints of a pose.

A doll is one weight matrix. Each outline point is a linear mix of the control vectors of a pose (`CONTROLS`: joint
positions and unit directions), so all polygons of a person are placed by a single matrix product and only the
filling costs time. Built once per look and face, then cached. Shapes are our own; lengths in stage units.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from datasets_scripts.pocket.head import head_parts
from datasets_scripts.pocket.world import COLOURS, LOOKS, SKINS, Look

RGB = tuple[int, int, int]
Point = tuple[float, float]
Row = dict[str, float]

TORSO_LENGTH, SHOULDER_HEIGHT, SHOULDER_HALF, HIP_HALF = 68.0, 62.0, 19.0, 9.0
UPPER_ARM, FORE_ARM, THIGH, SHIN = 39.0, 37.0, 40.5, 40.0
OUTLINE = 2.2  # width of the darker rim
LIMBS = ("near", "far", "near_leg", "far_leg")
# hip, torso directions (up, forward), head centre and directions, skirt end and directions, then per limb the three
# joints and the (along, across) directions of its two bones, and for legs the directions of the shoe.
CONTROLS: tuple[str, ...] = (
    "hip", "up", "side", "head", "head_x", "head_y", "hem", "hem_x", "hem_y",
    *(f"{limb}_{part}" for limb in LIMBS for part in ("a", "b", "c", "d1", "n1", "d2", "n2")),
    "near_leg_fx", "near_leg_fy", "far_leg_fx", "far_leg_fy",
)  # fmt: skip
INDEX = {name: i for i, name in enumerate(CONTROLS)}
TROUSERS: tuple[RGB, ...] = ((50, 58, 92), (88, 70, 56), (104, 108, 116), (46, 46, 54), (146, 126, 94))
SHOES: tuple[RGB, ...] = ((58, 38, 30), (28, 28, 32), (226, 224, 218), (150, 40, 40), (60, 84, 110))


@dataclass(frozen=True)
class Doll:
    """A look ready to be posed.

    Attributes:
        weights: (points, len(CONTROLS)) float32, the mixing weights of every outline point.
        layers: layer name -> fills in drawing order; a fill is (colour, polygons as (first, end) rows of weights).
    """

    weights: np.ndarray
    layers: dict[str, tuple[tuple[RGB, tuple[tuple[int, int], ...]], ...]]


def shade(colour: RGB, factor: float) -> RGB:
    """Darker below 1; above 1 the share `factor - 1` of the way to white."""
    if factor <= 1.0:
        r, g, b = (round(c * factor) for c in colour)
    else:
        r, g, b = (round(c + (255 - c) * (factor - 1.0)) for c in colour)
    return r, g, b


class _Builder:
    """Collects polygons of the layers of one doll."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.layers: dict[str, list[tuple[RGB, tuple[tuple[int, int], ...]]]] = {}

    def fill(self, layer: str, colour: RGB, *polygons: Iterable[Row]) -> None:
        """Adds polygons of one colour that do not overlap each other."""
        spans = []
        for polygon in polygons:
            first = len(self.rows)
            self.rows.extend(polygon)
            spans.append((first, len(self.rows)))
        self.layers.setdefault(layer, []).append((colour, tuple(spans)))

    def build(self) -> Doll:
        """Turns the collected rows into the weight matrix."""
        weights = np.zeros((len(self.rows), len(CONTROLS)), np.float32)
        for i, row in enumerate(self.rows):
            for name, value in row.items():
                weights[i, INDEX[name]] += value
        return Doll(weights, {name: tuple(fills) for name, fills in self.layers.items()})


def _local(origin: str, x_name: str, y_name: str, points: Iterable[Point]) -> list[Row]:
    """Rows of points given in a local frame."""
    return [{origin: 1.0, x_name: x, y_name: y} for x, y in points]


def _capsule(a: str, b: str, along: str, across: str, radius_a: float, radius_b: float) -> list[Row]:
    """A round-ended, tapered bone from control a to control b."""
    rows: list[Row] = []
    for name, radius, start in ((a, radius_a, 90.0), (b, radius_b, -90.0)):
        for i in range(7):
            angle = math.radians(start + 180.0 * i / 6)
            rows.append({name: 1.0, along: radius * math.cos(angle), across: radius * math.sin(angle)})
    return rows


def _disc(centre: Row, x_name: str, y_name: str, radius: float, count: int = 12) -> list[Row]:
    """A circle about any mix of controls."""
    rows = []
    for i in range(count):
        angle = 2.0 * math.pi * i / count
        rows.append({**centre, x_name: centre.get(x_name, 0.0) + radius * math.cos(angle),
                     y_name: centre.get(y_name, 0.0) + radius * math.sin(angle)})  # fmt: skip
    return rows


def _bone_colours(look: Look) -> tuple[RGB, RGB, RGB, RGB]:
    """(garment, its pattern, skin, trousers): trousers keep away from the garment's colour."""
    garment, skin = COLOURS[look.garment_colour], SKINS[look.skin]
    light = 0.299 * garment[0] + 0.587 * garment[1] + 0.114 * garment[2]
    pattern = shade(garment, 0.58) if light > 165 else shade(garment, 1.68)
    for step in range(len(TROUSERS)):
        trousers = TROUSERS[(look.index + step) % len(TROUSERS)]
        if sum(abs(p - q) for p, q in zip(trousers, garment, strict=True)) > 130:
            break
    return garment, pattern, skin, trousers


def _arm(build: _Builder, limb: str, look: Look) -> None:
    """Sleeve, fore arm, hand; short sleeves for shirt and dress."""
    garment, pattern, skin, _ = _bone_colours(look)
    a, b, c, d1, n1, d2, n2 = (f"{limb}_{part}" for part in ("a", "b", "c", "d1", "n1", "d2", "n2"))
    long = look.garment in ("coat", "jumper")
    wide = 1.5 if look.garment in ("coat", "jumper") else 0.0
    fore, fore_radius = (garment, 8.2 + wide) if long else (skin, 7.6)
    upper_radius = 10.0 + wide
    build.fill(limb, shade(fore, 0.6), _capsule(b, c, d2, n2, fore_radius + 1.0 + OUTLINE, fore_radius + OUTLINE - 0.6))
    build.fill(limb, shade(garment, 0.6), _capsule(a, b, d1, n1, upper_radius + OUTLINE, upper_radius - 1 + OUTLINE))
    build.fill(limb, shade(skin, 0.6), _disc({c: 1.0, d2: 5.0}, d2, n2, 9.2 + OUTLINE))
    build.fill(limb, skin, _disc({c: 1.0, d2: 5.0}, d2, n2, 9.2))
    build.fill(limb, fore, _capsule(b, c, d2, n2, fore_radius + 1.0, fore_radius - 0.6))
    build.fill(limb, garment, _capsule(a, b, d1, n1, upper_radius, upper_radius - 1))
    finger = ((4, 3.6), (26, 3.0), (28, 0), (26, -3.0), (4, -3.6))
    grown = [(x + (1.8 if x > 5 else 0.0), y * 1.6) for x, y in finger]
    build.fill(f"{limb}_finger", shade(skin, 0.6), _local(c, d2, n2, grown))
    build.fill(f"{limb}_finger", skin, _local(c, d2, n2, finger))
    if look.pattern != "plain":
        bones = ((a, d1, n1, (4.0, 20.0)), (b, d2, n2, (4.0, 20.0))) if long else ((a, d1, n1, (4.0, 20.0)),)
        build.fill(limb, pattern, *(mark for bone in bones for mark in _sleeve_marks(look.pattern, *bone)))
    if long:
        build.fill(limb, shade(garment, 0.72), _local(c, d2, n2, ((-7, 9.4), (-1, 9.2), (-1, -9.2), (-7, -9.4))))


def _sleeve_marks(pattern: str, start: str, along: str, across: str, places: Sequence[float]) -> list[list[Row]]:
    """Pattern pieces of one bone of a sleeve."""
    if pattern == "dots":
        return [_disc({start: 1.0, along: place + 4, across: 2.0}, along, across, 4.2, 8) for place in places]
    if pattern == "stripes":
        return [_local(start, along, across, ((p, 9), (p + 8, 9), (p + 8, -9), (p, -9))) for p in places]
    squares = [((p, 9), (p + 8, 9), (p + 8, 0), (p, 0)) for p in places]
    squares += [((p + 8, 0), (p + 16, 0), (p + 16, -9), (p + 8, -9)) for p in places]
    return [_local(start, along, across, square) for square in squares]


def _leg(build: _Builder, limb: str, look: Look) -> None:
    """Trousers or bare leg, and the shoe."""
    _, _, skin, trousers = _bone_colours(look)
    colour = skin if look.garment == "dress" else trousers
    slim = 2.2 if look.garment == "dress" else 0.0
    a, b, c, d1, n1, d2, n2 = (f"{limb}_{part}" for part in ("a", "b", "c", "d1", "n1", "d2", "n2"))
    shoe, fx, fy = SHOES[look.index * 2 % len(SHOES)], f"{limb}_fx", f"{limb}_fy"
    rim = shade(colour, 0.6)
    sole = ((-10, -8), (22, -8), (24, -3), (18, 4), (8, 8), (-8, 8), (-12, 0))
    build.fill(limb, shade(shoe, 0.55), _local(c, fx, fy, [(x * 1.12, y * 1.22) for x, y in sole]))
    build.fill(limb, rim, _capsule(b, c, d2, n2, 10.5 - slim + OUTLINE, 8.0 - slim + OUTLINE))
    build.fill(limb, rim, _capsule(a, b, d1, n1, 12.5 - slim + OUTLINE, 10.5 - slim + OUTLINE))
    build.fill(limb, colour, _capsule(b, c, d2, n2, 10.5 - slim, 8.0 - slim))
    build.fill(limb, colour, _capsule(a, b, d1, n1, 12.5 - slim, 10.5 - slim))
    build.fill(limb, shoe, _local(c, fx, fy, sole))


# Half widths of the trunk, from shoulder (first) to hip, against the height above the hip.
_TRUNK = ((68.0, 10.0), (64.0, 21.0), (54.0, 24.5), (36.0, 22.0), (16.0, 20.5), (0.0, 22.0), (-8.0, 22.5))


def _half_width(height: float) -> float:
    return float(np.interp(-height, [-h for h, _ in _TRUNK], [w for _, w in _TRUNK]))


def _surface(look: Look, u: float, v: float, rim: float = 0.0) -> Row:
    """A point of the garment: u -1..1 across, v 0..1 shoulder to hip, 1..2 hip to the end of the skirt."""
    if v <= 1.0:
        height = 68.0 - 76.0 * v
        return {"hip": 1.0, "up": height, "side": u * (_half_width(height) + rim)}
    part = v - 1.0
    hem_half = 41.0 if look.garment == "dress" else 29.0
    return {
        "hip": 1.0 - part, "hem": part, "up": -8.0 * (1.0 - part), "side": u * (22.5 + rim) * (1.0 - part),
        "hem_x": u * (hem_half + rim) * part, "hem_y": rim * part,
    }  # fmt: skip


def _garment(build: _Builder, look: Look) -> None:
    """Trunk, skirt, pattern and the details that tell the four garments apart."""
    garment, pattern, skin, _ = _bone_colours(look)
    skirted = look.garment in ("coat", "dress")
    levels = [0.0, 0.05, 0.18, 0.42, 0.68, 0.9, 1.0] + ([1.3, 1.65, 2.0] if skirted else [])

    def outline(rim: float) -> list[Row]:
        right = [_surface(look, 1.0, v, rim) for v in levels]
        left = [_surface(look, -1.0, v, rim) for v in reversed(levels)]
        return right + left

    build.fill("body", shade(skin, 0.62), _capsule("hip", "head", "up", "side", 0.1, 9.0))
    build.fill("body", shade(skin, 0.86), _local("hip", "side", "up", ((-8, 60), (-8, 84), (8, 84), (8, 60))))
    build.fill("body", shade(garment, 0.6), outline(OUTLINE))
    build.fill("body", garment, outline(0.0))
    bottom = 2.0 if skirted else 1.0
    if look.pattern != "plain":
        build.fill("body", pattern, *_garment_marks(look, bottom))
    torso = ("hip", "side", "up")
    dark = shade(garment, 0.66)
    if look.garment == "shirt":
        build.fill("body", (250, 250, 246), _local(*torso, ((-14, 70), (4, 70), (3, 54))),
                   _local(*torso, ((18, 70), (4.5, 70), (5, 54))))  # fmt: skip
        buttons = ({"hip": 1.0, "side": 4.0, "up": h} for h in (42.0, 26.0, 10.0))
        build.fill("body", dark, *(_disc(button, "side", "up", 2.2, 6) for button in buttons))
    elif look.garment == "jumper":
        build.fill("body", dark, _local(*torso, ((-12, 64), (-11, 74), (11, 74), (12, 64))),
                   [_surface(look, u, v) for u, v in ((-1, 0.9), (1, 0.9), (1, 1), (-1, 1))])  # fmt: skip
    elif look.garment == "coat":
        build.fill("body", dark, _local(*torso, ((-17, 69), (2, 70), (5, 34), (-8, 50))),
                   _local(*torso, ((19, 69), (8, 70), (6, 34), (16, 50))))  # fmt: skip
        build.fill(
            "body",
            shade(garment, 0.5),
            [
                _surface(look, u, v)
                for u, v in ((0.2, 0.45), (0.28, 0.45), (0.28, 1.0), (0.34, 2.0), (0.14, 2.0), (0.2, 1.0))
            ],
        )
        buttons = ({"hip": 1.0, "side": -2.0, "up": h} for h in (24.0, 6.0))
        build.fill("body", (246, 226, 150), *(_disc(button, "side", "up", 3.0, 8) for button in buttons))
    else:
        build.fill("body", skin, _local(*torso, ((-11, 70), (13, 70), (8, 57), (-4, 57))))
        build.fill("body", dark, [_surface(look, u, v) for u, v in ((-1, 0.72), (1, 0.72), (1, 0.84), (-1, 0.84))])


def _garment_marks(look: Look, bottom: float) -> list[list[Row]]:
    """Stripes, dots or checks over the whole garment."""
    if look.pattern == "stripes":
        rows = np.arange(0.14, bottom - 0.06, 0.25)
        return [[_surface(look, u, v) for u, v in ((-1, v0), (1, v0), (1, v0 + 0.125), (-1, v0 + 0.125))]
                for v0 in rows.tolist()]  # fmt: skip
    if look.pattern == "checks":
        cells = []
        for i, v0 in enumerate(np.arange(0.08, bottom - 0.1, 0.185).tolist()):
            for j in range(i % 2, 4, 2):
                u0 = -1.0 + 0.5 * j
                corners = ((u0, v0), (u0 + 0.5, v0), (u0 + 0.5, v0 + 0.185), (u0, v0 + 0.185))
                cells.append([_surface(look, u, min(v, bottom)) for u, v in corners])
        return cells
    dots = []
    for i, v in enumerate(np.arange(0.16, bottom - 0.05, 0.2).tolist()):
        for u in (-0.62, 0.0, 0.62) if i % 2 == 0 else (-0.32, 0.32):
            frame = ("side", "up") if v <= 1.0 else ("hem_x", "hem_y")
            dots.append(_disc(_surface(look, u, v), *frame, 4.6, 8))
    return dots


def _scarf(build: _Builder, colour: RGB) -> None:
    """A thick band about the neck and one hanging end."""
    band = ((-20, 60), (-22, 72), (-14, 80), (16, 80), (23, 72), (21, 60))
    tail = ((-12, 64), (2, 64), (0, 22), (-15, 22))
    for points in (tail, band):
        centre_x, centre_y = (sum(p[k] for p in points) / len(points) for k in (0, 1))
        grown = [(centre_x + (x - centre_x) * 1.14, centre_y + (y - centre_y) * 1.12) for x, y in points]
        build.fill("head", shade(colour, 0.55), _local("hip", "side", "up", grown))
        build.fill("head", colour, _local("hip", "side", "up", points))
    build.fill("head", shade(colour, 1.6), _local("hip", "side", "up", ((-13.5, 36), (1, 36), (0.6, 30), (-14, 30))))


def accessory_colour(look: Look) -> RGB:
    """The colour of a scarf or cap: clear of the garment's, fixed per look (not of the hair's)."""
    choices = [c for c in ("red", "yellow", "green", "blue", "white") if c != look.garment_colour]
    return COLOURS[choices[(look.index * 3 + 1) % len(choices)]]


@lru_cache(maxsize=1024)
def doll(look_index: int, mouth: int, blink: bool) -> Doll:
    """The doll of a look with one face.

    Args:
        look_index: index into `world.LOOKS`.
        mouth: 0 smile, 1 open, 2 wide laugh, 3 sad.
        blink: eyes closed.
    """
    look = LOOKS[look_index]
    build = _Builder()
    for limb in ("far_leg", "near_leg"):
        _leg(build, limb, look)
    for limb in ("far", "near"):
        _arm(build, limb, look)
    _garment(build, look)
    if look.accessory == "scarf":
        _scarf(build, accessory_colour(look))
    for layer, colour, points in head_parts(look, accessory_colour(look), mouth, blink):
        build.fill(layer, colour, _local("head", "head_x", "head_y", points))
    for layer in ("back", "head"):
        build.layers.setdefault(layer, [])
    return build.build()
