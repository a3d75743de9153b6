"""Outlines of the 16 objects of play, music, dress, food and nature, each as a `Sketch` in a box of 100 x 100 units.

The rules are those of `props_household`: a silhouette of its own, more than half of it `MAIN`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datasets_scripts.pocket.props_geometry import (
    ACCENT,
    CLAY,
    COFFEE,
    CREAM,
    FLAME,
    GLASS,
    GOLD,
    INK,
    LEAF,
    LIGHT,
    MAIN,
    NIGHT,
    WHITE,
    WOOD,
    Drawing,
    Sketch,
    ellipse,
    finished,
    mirrored,
    points,
    profile,
    rect,
    smooth,
    stroke,
    turned,
)


def _ball() -> Sketch:
    pole = points((40, 36))

    def wedge(start: float, stop: float) -> np.ndarray:
        rim = ellipse(50, 50, 48, start_deg=start, stop_deg=stop, count=9)
        left, right = (rim[0] + pole[0]) / 2, (rim[-1] + pole[0]) / 2
        bow = points((right[0] - 3, right[1] + 3), (pole[0, 0], pole[0, 1]), (left[0] - 3, left[1] + 3))
        return np.concatenate([rim, bow])

    return (
        Sketch()
        .part(MAIN, ellipse(50, 50, 48, count=36))
        .flat(ACCENT, wedge(-7, 31), wedge(113, 151), wedge(236, 272))
        .part(WHITE, ellipse(40, 36, 7, 6), outline=1.2)
    )


def _hat() -> Sketch:
    return (
        Sketch()
        .part(MAIN, smooth(points((1, 74), (10, 66), (50, 70), (90, 66), (99, 74), (80, 90), (50, 94), (20, 90)), 4))
        .part(MAIN, points((22, 8), (78, 8), (72, 74), (60, 78), (40, 78), (28, 74)))
        .flat(ACCENT, points((26.4, 58), (73.6, 58), (72, 73), (60, 77), (40, 77), (28, 73)))
        .part(LIGHT, ellipse(50, 9, 28, 6.5))
    )


def _guitar() -> Sketch:
    def lean(shape: np.ndarray) -> np.ndarray:
        return turned(shape, 40.0)

    body = profile((-20, 10), (-16, 21), (-4, 26), (8, 22), (17, 20), (27, 29), (40, 36), (53, 36), (64, 27), (70, 10),
                   x=0.0, smoothing=3)  # fmt: skip
    return (
        Sketch()
        .part(MAIN, lean(body))
        .part(WOOD, lean(rect(-4.5, -58, 4.5, 2)))
        .part(COFFEE, lean(points((-9, -76), (9, -76), (6, -56), (-6, -56))))
        .part(NIGHT, lean(ellipse(0, 11, 9)), outline=1.2)
        .flat(COFFEE, lean(rect(-14, 44, 14, 49)))
        .flat(CREAM, lean(rect(-1.2, -56, 1.2, 44)))
    )


def _apple() -> Sketch:
    body = points((50, 32), (64, 23), (83, 26), (96, 44), (93, 66), (80, 88), (64, 98), (50, 93),
                  (36, 98), (20, 88), (7, 66), (4, 44), (17, 26), (36, 23))  # fmt: skip
    leaf = points((53, 20), (62, 4), (80, -2), (96, 2), (90, 15), (74, 23))
    return (
        Sketch()
        .part(MAIN, smooth(body, 3))
        .part(COFFEE, stroke(points((50, 38), (50, 24), (42, 5)), 7))
        .part(LEAF, smooth(leaf, 3))
        .flat(LIGHT, ellipse(24, 48, 6, 13, tilt_deg=20))
    )


def _fish() -> Sketch:
    body = points((2, 52), (14, 34), (36, 22), (58, 28), (76, 46), (76, 58), (58, 76), (36, 82), (14, 70))
    tail = points((68, 52), (99, 18), (92, 52), (99, 86))
    return (
        Sketch()
        .part(MAIN, points((26, 30), (34, 4), (64, 12), (62, 34)), points((36, 76), (44, 98), (60, 94), (58, 72)))
        .part(MAIN, tail)
        .part(MAIN, smooth(body, 3))
        .flat(ACCENT, smooth(points((34, 25), (41, 27), (43, 52), (41, 78), (34, 80), (37, 52)), 2))
        .flat(ACCENT, smooth(points((54, 30), (59, 32), (62, 52), (59, 73), (54, 75), (57, 52)), 2))
        .part(WHITE, ellipse(20, 45, 7), outline=1.5)
        .flat(NIGHT, ellipse(19, 45, 4, count=12))
    )


def _bell() -> Sketch:
    body = profile((10, 9), (14, 19), (26, 27), (46, 30), (62, 35), (74, 47), smoothing=3)
    return (
        Sketch()
        .part(GOLD, ellipse(50, 90, 12, 10))
        .part(MAIN, ellipse(50, 7, 12, 10), holes=[ellipse(50, 7, 5, 4)])
        .part(MAIN, body)
        .part(MAIN, smooth(points((1, 82), (6, 75), (50, 72), (94, 75), (99, 82), (90, 87), (10, 87)), 2))
        .flat(ACCENT, points((17, 57), (83, 57), (86, 65), (14, 65)))
        .flat(LIGHT, ellipse(36, 36, 4, 13, tilt_deg=8))
    )


def _drum() -> Sketch:
    side = np.concatenate([points((2, 30)), points((98, 30)), ellipse(50, 86, 48, 13, start_deg=0, stop_deg=180)])
    zigzag = points(*((7 + 14.3 * i, 84 + 11 * (1 - abs(i - 3) / 3) if i % 2 else 48 + 5 * (1 - abs(i - 3) / 3))
                      for i in range(7)))  # fmt: skip
    sticks = [stroke(points((12, 6), (54, 30)), 4.5), stroke(points((88, 6), (46, 30)), 4.5)]
    return (
        Sketch()
        .part(MAIN, side)
        .flat(ACCENT, stroke(zigzag, 3))
        .part(CREAM, ellipse(50, 29, 48, 8))
        .joined(WOOD, *sticks, outline=1.3)
        .part(WOOD, ellipse(11, 5, 5.5), ellipse(89, 5, 5.5), outline=1.3)
    )


def _kite() -> Sketch:
    tail = smooth(points((36, 72), (30, 84), (44, 88), (60, 84), (70, 92), (86, 94)), 4, closed=False)
    bows = [turned(points((-11, -7), (0, 0), (-11, 7)), a) + (x, y) for x, y, a in ((52, 86, 0), (84, 94, 10))]
    bows += [mirrored(b, b[1, 0]) for b in bows]
    return (
        Sketch()
        .flat(INK, stroke(tail, 4))
        .part(MAIN, bows[0], bows[1], bows[2], bows[3], outline=1.5)
        .part(MAIN, points((62, -4), (96, 38), (32, 78), (12, 10)))
        .flat(CREAM, stroke(points((60, 0), (34, 74)), 4))
        .flat(CREAM, stroke(points((16, 13), (92, 37)), 4))
    )


def _sword() -> Sketch:
    def lean(shape: np.ndarray) -> np.ndarray:
        return turned(shape, 45.0)

    return (
        Sketch()
        .part(MAIN, lean(points((0, -80), (16, -62), (16, 24), (-16, 24), (-16, -62))))
        .flat(LIGHT, lean(points((0, -64), (1.6, -58), (1.6, 18), (-1.6, 18), (-1.6, -58))))
        .part(COFFEE, lean(rect(-5, 28, 5, 50)))
        .part(GOLD, lean(points((-31, 21), (31, 21), (33, 25), (31, 29), (-31, 29), (-33, 25))))
        .part(GOLD, lean(ellipse(0, 52, 7)))
    )


def _crown() -> Sketch:
    body = points((3, 22), (27, 48), (50, 8), (73, 48), (97, 22), (90, 92), (10, 92))
    return (
        Sketch()
        .part(MAIN, body)
        .part(GOLD, ellipse(4, 19, 7), ellipse(50, 7, 7), ellipse(96, 19, 7), outline=1.5)
        .flat(INK, rect(10, 79, 90, 81))
        .part((226, 60, 92), points((50, 50), (58, 60), (50, 70), (42, 60)), outline=1.3)
        .part((90, 190, 220), ellipse(26, 64, 5, count=14), ellipse(74, 64, 5, count=14), outline=1.3)
    )


def _bear() -> Sketch:
    arm = ellipse(18, 64, 16, 10, tilt_deg=-35)
    leg = ellipse(24, 90, 16, 13, tilt_deg=-10)
    return (
        Sketch()
        .part(MAIN, ellipse(22, 10, 14), ellipse(78, 10, 14))
        .flat(CREAM, ellipse(22, 10, 6), ellipse(78, 10, 6))
        .part(MAIN, arm, mirrored(arm))
        .part(MAIN, ellipse(50, 72, 28, 27))
        .part(MAIN, leg, mirrored(leg))
        .flat(CREAM, ellipse(20, 91, 6), ellipse(80, 91, 6), ellipse(50, 76, 13, 12))
        .part(MAIN, ellipse(50, 30, 35, 29))
        .part(CREAM, ellipse(50, 41, 15, 11), outline=1.5)
        .flat(INK, ellipse(35, 26, 4.5, count=12), ellipse(65, 26, 4.5, count=12))
        .flat(NIGHT, ellipse(50, 37, 6, 4.5, count=12))
    )


def _balloon() -> Sketch:
    string = smooth(points((50, 78), (45, 86), (55, 95), (47, 104), (53, 112)), 4, closed=False)
    return (
        Sketch()
        .flat(NIGHT, stroke(string, 3.5))
        .part(MAIN, points((50, 70), (60, 84), (40, 84)))
        .part(MAIN, profile((0, 4), (4, 22), (18, 37), (36, 41), (54, 33), (68, 15), (76, 4), smoothing=3))
        .flat(ACCENT, ellipse(31, 22, 5, 11, tilt_deg=35))
    )


def _letter() -> Sketch:
    return (
        Sketch()
        .part(MAIN, rect(1, 16, 99, 86))
        .flat(INK, stroke(points((2, 83), (38, 50)), 2.2), stroke(points((98, 83), (62, 50)), 2.2))
        .part(WHITE, points((4, 17), (96, 17), (50, 49)), outline=1.4)
        .part((196, 40, 56), ellipse(50, 50, 9), outline=1.4)
        .flat(CREAM, points((50, 55), (45, 50), (47.5, 46.5), (50, 48.5), (52.5, 46.5), (55, 50)))
    )


def _camera() -> Sketch:
    return (
        Sketch()
        .part(NIGHT, rect(76, 19, 91, 32))
        .part(MAIN, points((28, 32), (36, 11), (64, 11), (72, 32)))
        .part(MAIN, points((6, 27), (94, 27), (99, 32), (99, 85), (94, 90), (6, 90), (1, 85), (1, 32)))
        .part(WHITE, rect(9, 36, 23, 47), outline=1.5)
        .part(NIGHT, ellipse(50, 58, 22), outline=1.2)
        .flat(GLASS, ellipse(50, 58, 15))
        .flat((60, 92, 140), ellipse(50, 58, 10))
        .flat(WHITE, ellipse(45, 53, 4, count=12))
    )


def _cake() -> Sketch:
    side = np.concatenate([points((5, 36)), points((95, 36)), ellipse(50, 86, 45, 11, start_deg=0, stop_deg=180)])
    drips = [(95, 37), (93, 42), (85, 46), (77, 41), (69, 42), (62, 51), (54, 46), (47, 42), (39, 50), (31, 48),
             (24, 41), (15, 46), (7, 42), (5, 37)]  # fmt: skip
    icing = np.concatenate([ellipse(50, 36, 45, 7, start_deg=180, stop_deg=360, count=16), points(*drips)])
    flames = [
        profile((y - 12, 0.5), (y - 4, 4.5), (y, 4.5), (y + 4, 2), x=x) for x, y in ((24, 11), (50, 12), (76, 11))
    ]
    return (
        Sketch()
        .part(MAIN, side)
        .part(WHITE, icing, outline=1.5)
        .part((240, 120, 150), *(rect(x - 3, y, x + 3, y + 20) for x, y in ((24, 15), (50, 16), (76, 15))), outline=1.3)
        .part(FLAME, *flames, outline=1.3)
    )


def _plant() -> Sketch:
    leaf = profile((0, 1), (12, 10), (28, 15), (44, 11), (62, 0.5), smoothing=2) - (50, 62)
    sketch = Sketch()
    for angle, length in ((-80, 0.9), (80, 0.9), (-40, 1.08), (40, 1.08), (0, 1.16)):
        sketch.part(MAIN, turned(leaf * (1.1, length), angle) + (50, 68))
        sketch.flat(INK, turned(stroke(points((0, -14), (0, -42 * length)), 1.6), angle) + (50, 68))
    return sketch.part(CLAY, points((33, 72), (67, 72), (62, 97), (38, 97)), outline=1.5).part(
        CLAY, rect(29, 66, 71, 75), outline=1.5
    )


_SKETCHES: dict[str, Callable[[], Sketch]] = {
    "ball": _ball, "hat": _hat, "guitar": _guitar, "apple": _apple, "fish": _fish, "bell": _bell,
    "drum": _drum, "kite": _kite, "sword": _sword, "crown": _crown, "bear": _bear, "balloon": _balloon,
    "letter": _letter, "camera": _camera, "cake": _cake, "plant": _plant,
}  # fmt: skip

DRAWINGS: dict[str, Drawing] = {kind: finished(make()) for kind, make in _SKETCHES.items()}
"""The finished drawings of these objects, by name in `world.OBJECTS`."""
