"""Heads of the pocket people: skull, face, hair and what is worn on them, as flat polygons.

The frame is the head's own: origin in its middle, x the way it looks, y up, stage units; the skull is 52 x 58. Big
heads (a quarter of the height) on purpose: hair, skin and accessory tell people apart even at 128 x 128 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from datasets_scripts.pocket.world import HAIR_COLOURS, SKINS, Look

RGB = tuple[int, int, int]
Point = tuple[float, float]
Part = tuple[str, RGB, list[Point]]  # layer, colour, outline

RIM = 2.4


def _mix(a: RGB, b: RGB, share: float) -> RGB:
    """`share` of b in a."""
    r, g, bl = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return r, g, bl


def _dark(colour: RGB) -> RGB:
    return _mix(colour, (20, 14, 24), 0.5)


def _oval(x: float, y: float, rx: float, ry: float, count: int = 12) -> list[Point]:
    return [
        (x + rx * math.cos(2 * math.pi * i / count), y + ry * math.sin(2 * math.pi * i / count)) for i in range(count)
    ]


def _smooth(points: Sequence[Point], steps: int = 3) -> list[Point]:
    """The closed Catmull-Rom curve through the points."""
    result: list[Point] = []
    n = len(points)
    for i in range(n):
        p0, p1, p2, p3 = (points[(i + k) % n] for k in (-1, 0, 1, 2))
        for s in range(steps):
            t = s / steps
            result.append((_catmull(p0[0], p1[0], p2[0], p3[0], t), _catmull(p0[1], p1[1], p2[1], p3[1], t)))
    return result


def _catmull(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)


def _grow(points: Sequence[Point], by: float) -> list[Point]:
    """The outline moved outwards along its corner normals."""
    area = sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(points, [*points[1:], points[0]], strict=True))
    sign = 1.0 if area > 0 else -1.0
    grown = []
    for i, (x, y) in enumerate(points):
        before, after = points[i - 1], points[(i + 1) % len(points)]
        tx, ty = after[0] - before[0], after[1] - before[1]
        length = math.hypot(tx, ty) or 1.0
        grown.append((x + sign * by * ty / length, y - sign * by * tx / length))
    return grown


def _rimmed(layer: str, colour: RGB, points: list[Point]) -> Iterator[Part]:
    yield layer, _dark(colour), _grow(points, RIM)
    yield layer, colour, points


_CROWN: Sequence[Point] = (
    (-24, -8), (-30, 6), (-26, 24), (-8, 34), (14, 33), (27, 20), (28, 8), (20, 16), (4, 19), (-10, 12), (-16, 2),
    (-18, -8),
)  # fmt: skip
_TIGHT: Sequence[Point] = (
    (-25, -4), (-29, 8), (-24, 24), (-6, 32), (14, 31), (26, 18), (26, 12), (10, 22), (-8, 18), (-17, 6), (-19, -4),
)  # fmt: skip


def _hair_behind(look: Look, hair: RGB) -> Iterator[Part]:
    """Hair that hangs behind head and trunk."""
    if look.hair_style == "long":
        yield from _rimmed(
            "back",
            hair,
            _smooth(
                (
                    (-32, 6),
                    (-26, 28),
                    (0, 35),
                    (26, 28),
                    (33, 4),
                    (35, -30),
                    (32, -62),
                    (0, -56),
                    (-38, -64),
                    (-36, -30),
                )
            ),
        )
    elif look.hair_style == "ponytail":
        yield from _rimmed(
            "back",
            hair,
            _smooth(((-20, 24), (-40, 28), (-56, 10), (-60, -22), (-52, -50), (-46, -22), (-38, -2), (-24, 4))),
        )
    elif look.hair_style == "bob":
        yield from _rimmed(
            "back",
            hair,
            _smooth(((-34, 4), (-26, 30), (0, 37), (26, 30), (35, 4), (35, -24), (24, -32), (-24, -32), (-35, -26))),
        )
    elif look.hair_style == "bun":
        yield from _rimmed("back", hair, _oval(-20, 36, 16, 15))
    elif look.hair_style == "mohawk":
        yield from _rimmed("back", hair, [
            (-27, 4), (-40, 20), (-30, 24), (-36, 42), (-20, 36), (-18, 56), (-2, 42), (8, 58), (15, 40), (28, 46),
            (24, 22), (10, 24), (-8, 20), (-18, 10)])  # fmt: skip
    elif look.hair_style == "curly":
        for grow in (RIM, 0.0):
            for angle in range(-40, 236, 30):
                x, y = 27 * math.cos(math.radians(angle)), 6 + 29 * math.sin(math.radians(angle))
                yield "back", hair if grow == 0.0 else _dark(hair), _oval(x, y, 14 + grow, 14 + grow, 10)


def _hair_before(look: Look, hair: RGB, skin: RGB) -> Iterator[Part]:
    """Hair over the skull, fringe and sides."""
    if look.hair_style in ("short", "bun", "ponytail"):
        yield from _rimmed("head", hair, _smooth(_CROWN if look.hair_style == "short" else _TIGHT))
    elif look.hair_style == "long":
        yield from _rimmed("head", hair, _smooth(
            ((-26, -40), (-34, -8), (-30, 20), (-8, 35), (16, 33), (29, 18), (31, -6), (24, 4), (14, 20), (-4, 16),
             (-16, 0), (-16, -42))))  # fmt: skip
    elif look.hair_style == "bob":
        yield from _rimmed("head", hair, [
            *_smooth(((-26, 24), (-8, 35), (14, 34), (28, 22)), 2)[:7], (31, 6), (30, -16), (25, -16), (24, 10),
            (-13, 10), (-15, -22), (-32, -22), (-32, 6)])  # fmt: skip
    elif look.hair_style == "curly":
        for x, y in ((-20, 14), (-10, 25), (6, 28), (19, 22)):
            yield "head", hair, _oval(x, y, 12, 10, 10)
    elif look.hair_style == "mohawk":
        yield "head", _mix(skin, hair, 0.35), _smooth(_TIGHT)
        yield "head", hair, [(-14, 30), (-8, 16), (14, 18), (22, 28), (8, 36), (-4, 36)]
    else:
        yield "head", _mix(skin, (255, 255, 255), 0.45), _oval(-4, 21, 8, 4, 8)


def _face(look: Look, skin: RGB, hair: RGB, mouth: int, blink: bool) -> Iterator[Part]:
    """Ear, cheeks, eyes, brows, nose and mouth."""
    ink = (34, 24, 30)
    yield "head", _mix(skin, (226, 92, 88), 0.34), _oval(-7, -9, 5, 3.6, 8)
    yield "head", _mix(skin, (226, 92, 88), 0.34), _oval(21, -9, 4, 3.6, 8)
    if look.accessory == "beard":
        yield from _rimmed("head", hair, _smooth(
            ((-24, 0), (-23, -18), (-10, -34), (8, -39), (22, -31), (27, -12), (22, -5), (16, -8), (8, -5), (0, -8),
             (-8, -6), (-17, 2))))  # fmt: skip
    if look.accessory == "glasses":
        for x in (-3.5, 17.5):
            yield "head", (24, 22, 28), _oval(x, 3, 11.2, 11.2)
        yield "head", (24, 22, 28), [(-24, 3), (-24, 7), (-12, 7), (-12, 3)]
        for x in (-3.5, 17.5):
            yield "head", (222, 240, 250), _oval(x, 3, 7.8, 7.8)
    brow = _dark(hair) if look.hair_style != "bald" else _dark(skin)
    thick = 3.6 if look.pronoun == "he" else 2.2
    for x in (-3.0, 17.0):
        if blink:
            yield "head", ink, [(x - 6, 3), (x, 0.5), (x + 6, 3), (x, -1.8)]
        else:
            yield "head", (255, 255, 255), _oval(x, 3, 5.2, 6.4, 10)
            yield "head", ink, _oval(x + 1.2, 2.6, 3.4, 4.6, 10)
        if look.pronoun == "she" and not blink:
            yield "head", ink, [(x - 7.5, 9), (x - 5, 5), (x, 10.6), (x + 5, 8), (x, 8.2)]
        arch = [(x - 6, 12.0), (x, 14.0), (x + 6, 12.6)]
        yield "head", brow, arch + [(bx, by + thick) for bx, by in reversed(arch)]
    yield "head", _mix(skin, (120, 50, 30), 0.4), [(11, 0), (14.5, -6), (9, -6.5)]
    lips = (196, 40, 62) if look.pronoun == "she" else _mix(skin, (110, 30, 30), 0.65)
    if mouth == 0:
        yield "head", lips, [(0, -14), (4, -17.5), (9, -18.5), (14, -17.5), (17, -14), (13, -15), (8, -15.6), (4, -15)]
    elif mouth == 3:
        yield "head", lips, [(1, -20), (8, -14.5), (15, -20), (8, -17)]
    else:
        rx, ry = (5.0, 5.6) if mouth == 1 else (9.0, 6.5)
        yield "head", lips, _oval(8, -17, rx + 1.6, ry + 1.6, 10)
        yield "head", (86, 16, 28), _oval(8, -17, rx, ry, 10)
        if mouth == 2:
            yield "head", (255, 255, 255), [(0.5, -14), (15.5, -14), (14, -11.8), (2, -11.8)]


def head_parts(look: Look, accessory: RGB, mouth: int, blink: bool) -> Iterator[Part]:
    """All polygons of a head in drawing order.

    Args:
        look: whose head.
        accessory: colour of a cap.
        mouth: 0 smile, 1 open, 2 wide laugh, 3 sad.
        blink: eyes closed.

    Yields:
        (layer "back" or "head", RGB, outline in the head's frame).
    """
    skin, hair = SKINS[look.skin], HAIR_COLOURS[look.hair_colour]
    yield from _hair_behind(look, hair)
    yield from _rimmed("head", skin, _oval(-22, -3, 6, 7, 10))
    yield from _rimmed(
        "head",
        skin,
        _smooth(((-25, 8), (-20, 24), (0, 30), (20, 24), (26, 6), (24, -12), (10, -28), (-8, -27), (-22, -14)), 3),
    )
    yield from _face(look, skin, hair, mouth, blink)
    yield from _hair_before(look, hair, skin)
    if look.accessory == "earrings":
        for x, y in ((-23, -15), (26, -15)):
            yield "head", (120, 84, 10), _oval(x, y, 7.4, 7.4, 10)
            yield "head", (255, 214, 64), _oval(x, y, 5.4, 5.4, 10)
    elif look.accessory == "cap":
        yield from _rimmed(
            "head",
            accessory,
            [*_smooth(((-29, 10), (-25, 28), (-2, 38), (22, 30), (29, 12)), 3)[:13], (50, 8), (51, 13)],
        )
        yield "head", _mix(accessory, (20, 14, 24), 0.35), [(-28, 9), (-28, 14), (50, 14), (52, 8)]
