"""Outlines of the 16 objects of house and travel, each as a `Sketch` in a box of 100 x 100 units.

Own choice: every object has a silhouette of its own (handles, tails, tips and notches are exaggerated), so that it
can be told from the others at 13 pixels, where inner details are gone. More than half of each is `MAIN`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datasets_scripts.pocket.props_geometry import (
    ACCENT,
    COFFEE,
    CREAM,
    DARK,
    FLAME,
    GLASS,
    GLOW,
    GOLD,
    INK,
    LIGHT,
    MAIN,
    NIGHT,
    OUTLINE,
    STEEL,
    WHITE,
    WOOD,
    Drawing,
    Sketch,
    ellipse,
    finished,
    grown,
    mirrored,
    points,
    profile,
    rect,
    smooth,
    stroke,
    turned,
)


def _cup() -> Sketch:
    body = points((4, 20), (70, 20), (67, 78), (58, 88), (16, 88), (7, 78))
    return (
        Sketch()
        .part(MAIN, ellipse(72, 50, 26, 23), holes=[ellipse(72, 50, 13, 11)])
        .part(MAIN, body)
        .part(LIGHT, ellipse(37, 20, 33, 10))
        .flat(COFFEE, ellipse(37, 21, 26, 6.5))
    )


def _bottle() -> Sketch:
    body = profile((10, 9), (30, 9), (38, 14), (46, 23), (52, 25), (94, 25), (98, 21))
    return (
        Sketch()
        .part(WOOD, rect(44, 4, 56, 12), outline=1.3)
        .part(MAIN, body)
        .part(MAIN, rect(38, 10, 62, 17))
        .part(WHITE, rect(25, 66, 75, 80), outline=1.2)
        .flat(INK, ellipse(50, 73, 6, 4.5))
        .flat(LIGHT, rect(31, 50, 36, 60))
    )


def _book() -> Sketch:
    def tilt(*xy: tuple[float, float]) -> np.ndarray:
        return turned(points(*xy), -9.0, (50, 50))

    lines = [tilt((22, y), (86, y), (86, y + 1.6), (22, y + 1.6)) for y in (80, 84.5)]
    return (
        Sketch()
        .part(MAIN, tilt((24, 4), (14, 9), (10, 18), (10, 88), (16, 95), (90, 95), (90, 88), (30, 80)))
        .part(WHITE, tilt((20, 74), (86, 74), (86, 90), (20, 90), (16, 84)), outline=1.5)
        .flat(STEEL, *lines)
        .part(MAIN, tilt((24, 4), (90, 4), (90, 76), (22, 76), (14, 84), (10, 86), (10, 18), (14, 9)))
        .flat(DARK, tilt((22, 4), (27, 4), (27, 76), (22, 76)))
        .flat(ACCENT, tilt((38, 18), (78, 18), (78, 26), (38, 26)), tilt((46, 32), (70, 32), (70, 38), (46, 38)))
        .part((222, 60, 60), tilt((66, 76), (75, 76), (75, 99), (70.5, 93), (66, 99)), outline=1.2)
    )


def _lamp() -> Sketch:
    chain = stroke(points((76, 50), (76, 68)), 2.5)
    return (
        Sketch()
        .part(GLOW, ellipse(50, 50, 18, 13))
        .part(GOLD, rect(45, 56, 55, 86))
        .part(MAIN, smooth(profile((84, 12), (88, 24), (97, 31)), 1))
        .part(MAIN, points((29, 2), (71, 2), (97, 51), (3, 51)))
        .flat(LIGHT, points((33, 5), (40, 5), (24, 48), (12, 48)))
        .flat(INK, chain, ellipse(76, 70, 4, count=12))
    )


def _umbrella() -> Sketch:
    scallops = [ellipse(x, 50, 12.2, 8, start_deg=0, stop_deg=-180, count=7)[1:] for x in (86, 62, 38, 14)]
    canopy = np.concatenate([ellipse(50, 50, 48, 46, start_deg=180, stop_deg=360, count=20), *scallops])
    ribs = [stroke(points((50, 8), (40, 22), (26, 42)), 1.5), stroke(points((50, 8), (60, 22), (74, 42)), 1.5)]
    hook = smooth(points((50, 40), (50, 64), (50, 86), (44, 95), (35, 95), (29, 86)), 4, closed=False)
    return (
        Sketch()
        .part(MAIN, stroke(hook, 7))
        .part(STEEL, rect(48, -3, 52, 6))
        .part(MAIN, canopy)
        .flat(INK, *ribs)
        .flat(LIGHT, smooth(points((18, 36), (30, 18), (40, 13), (26, 34)), 3))
    )


def _key() -> Sketch:
    shaft = points(
        (-24, -8), (66, -8), (66, 26), (54, 26), (54, 15), (46, 15), (46, 26), (34, 26), (34, 8), (-24, 8)
    )  # fmt: skip
    bow, hole = ellipse(-42, 0, 29), ellipse(-46, 0, 12)
    key = [turned(shape, 45.0) for shape in (shaft, bow, hole)]
    return (
        Sketch()
        .flat(INK, grown(key[0], OUTLINE))
        .part(MAIN, key[1], holes=[key[2]])
        .flat(MAIN, key[0])
        .flat(LIGHT, turned(rect(-10, -5, 62, -2), 45.0))
    )


def _phone() -> Sketch:
    handset = smooth(points((9, 34), (12, 22), (26, 13), (50, 10), (74, 13), (88, 22), (91, 34)), 3, closed=False)
    holes = [ellipse(50 + 11.5 * np.cos(a), 67 + 10.8 * np.sin(a), 2.8, count=6) for a in np.arange(8) * np.pi / 4]
    return (
        Sketch()
        .part(MAIN, smooth(points((34, 40), (66, 40), (78, 54), (94, 80), (94, 92), (6, 92), (6, 80), (22, 54)), 2))
        .part(MAIN, rect(31, 22, 39, 42), rect(61, 22, 69, 42))
        .part(MAIN, stroke(handset, 15))
        .part(MAIN, rect(0, 28, 22, 42), rect(78, 28, 100, 42))
        .part(WHITE, ellipse(50, 67, 17, 16), outline=1.4)
        .flat(NIGHT, *holes)
        .flat(MAIN, ellipse(50, 67, 6))
    )


def _clock() -> Sketch:
    return (
        Sketch()
        .part(STEEL, stroke(points((50, 14), (50, 2)), 8))
        .part(MAIN, stroke(points((30, 80), (16, 98)), 10), stroke(points((70, 80), (84, 98)), 10))
        .part(MAIN, ellipse(22, 18, 18, 13, tilt_deg=-40), ellipse(78, 18, 18, 13, tilt_deg=40))
        .part(MAIN, ellipse(50, 56, 41, count=36))
        .part(WHITE, ellipse(50, 56, 24), outline=1.3)
        .flat(NIGHT, stroke(points((50, 58), (50, 37)), 5))
        .flat(NIGHT, stroke(points((48, 56), (66, 62)), 5))
    )


def _chair() -> Sketch:
    legs = [points((14, 64), (27, 64), (21, 98), (10, 98)), points((73, 64), (86, 64), (91, 98), (80, 98))]
    rear = [points((38, 64), (45, 64), (42, 88), (36, 88)), points((60, 64), (67, 64), (71, 88), (64, 88))]
    return (
        Sketch()
        .part(DARK, *rear, outline=1.4)
        .part(MAIN, *legs)
        .part(MAIN, points((8, 2), (40, 2), (44, 50), (16, 54)), holes=[points((20, 14), (30, 14), (34, 42), (24, 43))])
        .part(MAIN, points((13, 52), (34, 46), (90, 46), (90, 60), (86, 68), (13, 68)))
        .flat(LIGHT, points((20, 53), (36, 48.5), (86, 48.5), (78, 53.5)))
    )


def _box() -> Sketch:
    lid = points((50, 1), (97, 22), (50, 45), (3, 22))
    return (
        Sketch()
        .part(MAIN, points((3, 22), (50, 45), (50, 99), (3, 76)))
        .part(MAIN, points((50, 45), (97, 22), (97, 76), (50, 99)))
        .part(LIGHT, lid)
        .part(CREAM, points((33, 9), (67, 37), (67, 54), (79, 48), (79, 30.5), (45, 3)), outline=1.4)
    )


def _suitcase() -> Sketch:
    corners = points((7, 26), (93, 26), (99, 32), (99, 84), (93, 90), (7, 90), (1, 84), (1, 32))
    return (
        Sketch()
        .part(MAIN, stroke(points((35, 30), (35, 13), (65, 13), (65, 30)), 8))
        .part(MAIN, corners)
        .part(CREAM, rect(20, 26, 28, 90), rect(72, 26, 80, 90), outline=1.2)
        .part(GOLD, rect(20, 47, 28, 57), rect(72, 47, 80, 57), outline=1.2)
        .flat(INK, rect(31, 40, 69, 42.5))
    )


def _vase() -> Sketch:
    body = profile((3, 22), (9, 20), (16, 12), (26, 12), (36, 22), (48, 33), (62, 34), (76, 26), (88, 15), (98, 21),
                   smoothing=3)  # fmt: skip
    handle = smooth(points((60, 15), (80, 12), (92, 22), (90, 38), (76, 50)), 4, closed=False)
    wave = [(16 + 8.5 * i, 62 if i % 2 else 52) for i in range(9)]
    band = stroke(points(*wave), 6)
    return Sketch().part(MAIN, stroke(handle, 8), stroke(mirrored(handle), 8)).part(MAIN, body).flat(ACCENT, band)


def _candle() -> Sketch:
    flame = profile((-12, 1), (-2, 8), (8, 12), (15, 10), (20, 5), smoothing=3)
    return (
        Sketch()
        .part(MAIN, ellipse(86, 78, 16, 14, count=20), holes=[ellipse(86, 78, 8, 6.5, count=14)])
        .part(MAIN, smooth(points((2, 78), (50, 75), (84, 78), (78, 93), (62, 98), (24, 98), (8, 93)), 2))
        .part(MAIN, rect(24, 30, 62, 84))
        .flat(LIGHT, points((24, 30), (62, 30), (62, 35), (56, 40), (50, 35), (43, 34), (37, 45), (30, 36), (24, 36)))
        .flat(NIGHT, rect(41.5, 18, 44.5, 32))
        .part(FLAME, flame - (7, 0), outline=1.4)
        .flat(GLOW, (flame - (50, 8)) * 0.5 + (43, 11))
    )


def _bucket() -> Sketch:
    handle = ellipse(50, 32, 42, 32, start_deg=180, stop_deg=360, count=16)
    return (
        Sketch()
        .part(MAIN, stroke(handle, 5))
        .part(CREAM, rect(38, -3, 62, 4), outline=1.3)
        .part(MAIN, points((3, 32), (97, 32), (80, 97), (66, 100), (34, 100), (20, 97)))
        .part(MAIN, ellipse(50, 32, 48, 9))
        .flat(NIGHT, ellipse(50, 33, 39, 5))
        .flat(LIGHT, points((12, 62), (88, 62), (87, 65.5), (13, 65.5)))
    )


def _broom() -> Sketch:
    def lean(shape: np.ndarray) -> np.ndarray:
        return turned(shape, 42.0)

    straws = points((-18, 2), (18, 2), (38, 62), (26, 57), (15, 66), (5, 59), (-5, 66), (-15, 59), (-26, 65), (-38, 58))
    return (
        Sketch()
        .part(MAIN, lean(rect(-6, -68, 6, 4)))
        .part(MAIN, lean(straws))
        .flat(INK, *(lean(stroke(points((0.5 * x, 30), (x, 56)), 1.5)) for x in (-20, 0, 20)))
        .part(CREAM, lean(rect(-19, -1, 19, 6)), outline=1.3)
    )


def _mirror() -> Sketch:
    grip = profile((64, 9), (74, 11), (90, 9), (106, 14), (112, 9), smoothing=2)
    return (
        Sketch()
        .part(MAIN, grip)
        .part(MAIN, ellipse(50, 34, 38, 38, count=32))
        .part(GLASS, ellipse(50, 33, 21.5, 22), outline=1.2)
        .flat(WHITE, points((37, 36), (54, 17), (59, 20), (41, 42)), points((46, 47), (63, 28), (65, 33), (51, 49)))
    )


_SKETCHES: dict[str, Callable[[], Sketch]] = {
    "cup": _cup, "bottle": _bottle, "book": _book, "lamp": _lamp, "umbrella": _umbrella, "key": _key,
    "phone": _phone, "clock": _clock, "chair": _chair, "box": _box, "suitcase": _suitcase, "vase": _vase,
    "candle": _candle, "bucket": _bucket, "broom": _broom, "mirror": _mirror,
}  # fmt: skip

DRAWINGS: dict[str, Drawing] = {kind: finished(make()) for kind, make in _SKETCHES.items()}
"""The finished drawings of these objects, by name in `world.OBJECTS`."""
