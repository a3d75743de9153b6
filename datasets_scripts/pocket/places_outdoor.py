"""The seven outdoor backdrops. Nothing in them looks like one of the 32 objects: no street lamps or kites."""

from __future__ import annotations

from collections.abc import Callable

from datasets_scripts.pocket.places_brush import (
    BOTTOM,
    FOLIAGE,
    FOLIAGE_DARK,
    GRASS,
    GRASS_LIGHT,
    GROUND,
    LEFT,
    METAL,
    METAL_DARK,
    PAPER,
    RIGHT,
    SHADE,
    SKY_LOW,
    WOOD,
    WOOD_DARK,
    Brush,
    columns,
    sky,
    tree,
)  # fmt: skip


def garden(b: Brush) -> None:
    """A white picket fence before a hedge, flower beds, a greenhouse, a lawn mown in stripes."""
    sky(b, 3)
    for i in range(13):
        b.ellipse(LEFT + i * 80, b.near(170, 10), 66, 46, b.shaded(FOLIAGE, 0.08))
    b.rect(LEFT, 176, RIGHT, GROUND + 4, FOLIAGE)
    b.rect(LEFT, GROUND, RIGHT, BOTTOM, GRASS_LIGHT)
    for i in range(-7, 8, 2):
        b.poly(
            [(320 + i * 64, GROUND), (384 + i * 64, GROUND), (320 + (i + 1) * 100, BOTTOM), (320 + i * 100, BOTTOM)],
            GRASS,
        )
    x = b.near(500, 50)
    b.poly([(x - 80, GROUND - 4), (x - 80, 130), (x, 78), (x + 80, 130), (x + 80, GROUND - 4)], (220, 238, 236))
    for dx in (-80, -40, 0, 40, 80):
        b.rect(x + dx - 2.5, 130 - (80 - abs(dx)) * 0.65, x + dx + 2.5, GROUND - 4, (166, 196, 190))
    for y in (130.0, 190.0):
        b.rect(x - 80, y, x + 80, y + 4, (166, 196, 190))
    b.line([(x - 86, 134), (x, 78), (x + 86, 134)], 6, (166, 196, 190))
    for y in (206.0, 246.0):
        b.rect(LEFT, y, RIGHT, y + 8, (250, 250, 246))
    for i in range(41):
        x = LEFT + i * 24
        b.poly([(x, GROUND), (x, 194), (x + 7, 182), (x + 14, 194), (x + 14, GROUND)], (252, 252, 248))
    b.rect(LEFT, GROUND - 6, RIGHT, GROUND + 6, (156, 122, 92))
    flowers = [(240, 150, 170), (250, 214, 120), (200, 160, 220), (246, 246, 240), (236, 140, 120)]
    for i in range(54):
        x, y = b.near(LEFT + i * 18, 6), b.near(GROUND - 14, 8)
        b.line([(x, y), (x, GROUND + 2)], 2, FOLIAGE_DARK)
        b.ellipse(x, y, 6.5, 6.5, flowers[int(b.rng.integers(5))])
        b.ellipse(x, y, 2.4, 2.4, (250, 226, 140))


def beach(b: Brush) -> None:
    """A wide sky with sun, sea with sailing boats and foam, yellow sand, a palm, striped huts."""
    sky(b, 3, (132, 200, 238), (232, 242, 240))
    x = b.near(450, 60)
    b.ellipse(x, 62, 46, 46, (255, 240, 190))
    b.ellipse(x, 62, 32, 32, (255, 226, 130))
    b.fade(150, 252, (84, 164, 196), (150, 214, 214))
    for _ in range(34):
        x, y = float(b.rng.uniform(LEFT, RIGHT)), float(b.rng.uniform(160, 234))
        b.rect(x, y, x + 10 + (y - 150) * 0.4, y + 2, (186, 226, 232))
    for x, s in ((b.near(250, 50), 1.0), (b.near(600, 40), 0.7), (b.near(-40, 40), 0.8)):
        b.poly([(x - 4 * s, 152), (x - 4 * s, 152 - 62 * s), (x + 36 * s, 152)], PAPER)
        b.poly([(x - 9 * s, 152), (x - 9 * s, 152 - 50 * s), (x - 32 * s, 152)], (240, 200, 180))
        b.poly([(x - 40 * s, 156), (x + 44 * s, 156), (x + 30 * s, 170), (x - 28 * s, 170)], (166, 110, 90))
    b.fade(250, BOTTOM, (240, 220, 168), (248, 226, 178))
    for i in range(17):
        b.ellipse(LEFT + i * 60, 250, 42, b.near(8, 3), (248, 250, 248))
    for i in range(17):
        b.ellipse(LEFT + 30 + i * 60, 257, 42, 7, (240, 220, 168))
    for _ in range(40):
        x, y = float(b.rng.uniform(LEFT, RIGHT)), float(b.rng.uniform(282, 356))
        b.ellipse(x, y, 5, 1.6, (226, 200, 146))
    x = b.near(80, 30)
    b.line([(x, GROUND + 12), (x + 10, 200), (x + 30, 118)], 13, (176, 134, 96))
    for dx, dy in ((-66, 22), (-50, -22), (-6, -46), (44, -30), (64, 14), (26, 42), (-30, 46)):
        top = (x + 30 + dx * 0.5, 112 + dy * 0.5 - 14)
        b.poly([(x + 30, 120), top, (x + 30 + dx, 118 + dy), (top[0] + 4, top[1] + 14)], b.shaded((112, 172, 110), 0.1))
    for k, x in enumerate((b.near(660, 10), 752, -120)):
        stripes = ((226, 130, 120), (120, 170, 200), (236, 196, 120))[k]
        for i in range(6):
            b.rect(x - 36 + i * 12, 200, x - 24 + i * 12, GROUND + 6, (stripes, PAPER)[i % 2])
        b.poly([(x - 44, 202), (x, 160), (x + 44, 202)], stripes)
        b.rect(x - 12, 226, x + 12, GROUND + 6, (120, 96, 84))


def street(b: Brush) -> None:
    """A row of gabled houses in different colours, doors, shop awnings, pavement, kerb, road with zebra crossing."""
    sky(b, 3)
    fronts = [(226, 160, 140), (236, 210, 150), (160, 190, 206), (206, 186, 210), (176, 204, 166), (238, 190, 160)]
    start = int(b.rng.integers(6))
    for i in range(8):
        left, top = LEFT + i * 120, b.near(86, 22)
        colour = fronts[(start + i) % 6]
        b.rect(left, top, left + 118, GROUND - 10, colour)
        roof = b.shaded((170, 104, 88), 0.1)
        b.poly([(left - 4, top), (left + 24, top - 44), (left + 94, top - 44), (left + 122, top)], roof)
        b.rect(left + 84, top - 62, left + 98, top - 30, (160, 110, 96))
        for dx in (16, 70):
            b.framed((left + dx, top + 18, left + dx + 32, top + 62), (196, 222, 234), PAPER, 4)
            b.rect(left + dx + 14.5, top + 18, left + dx + 17.5, top + 62, PAPER)
        if i % 2:
            b.framed((left + 12, 194, left + 106, GROUND - 22), (200, 224, 232), WOOD_DARK, 4)
            for k in range(7):
                stripe = ((220, 120, 110), PAPER)[k % 2] if i % 4 == 1 else ((110, 160, 150), PAPER)[k % 2]
                b.poly([(left + 10 + k * 14, 176), (left + 24 + k * 14, 176), (left + 25 + k * 14.4, 200),
                        (left + 8 + k * 14.4, 200)], stripe)  # fmt: skip
        else:
            b.framed((left + 66, 196, left + 98, GROUND - 10), b.shaded((120, 140, 130), 0.2), PAPER, 4)
            b.framed((left + 16, 200, left + 48, 244), (196, 222, 234), PAPER, 4)
            b.rect(left + 58, GROUND - 14, left + 106, GROUND - 4, METAL)
    b.rect(LEFT, GROUND - 10, RIGHT, 306, (212, 208, 202))
    for x in columns(48):
        b.line([(x, GROUND - 10), (320 + (x - 320) * 1.1, 302)], 1.5, (190, 186, 180))
    b.rect(LEFT, 302, RIGHT, 309, (180, 178, 176))
    b.rect(LEFT, 309, RIGHT, BOTTOM, (146, 148, 154))
    x = b.near(320, 120)
    for k in range(-4, 5):
        b.poly([(x + k * 40 - 11, 312), (x + k * 40 + 11, 312), (x + k * 46 + 14, BOTTOM), (x + k * 46 - 14, BOTTOM)],
               (238, 238, 234))  # fmt: skip


def forest(b: Brush) -> None:
    """Rows of firs in the mist, close dark trunks, ferns, moss and a path."""
    b.fade(0, GROUND + 4, (176, 206, 180), (206, 224, 190))
    for row, (base, leaf, step) in enumerate(((210, (150, 188, 158), 52), (250, (116, 162, 126), 66))):
        for i in range(int(960 / step) + 2):
            x, h = b.near(LEFT + i * step, 16), b.near(170 + 20 * row, 22)
            for k in range(3):
                top, half = base - h + k * h * 0.22, h * (0.12 + 0.07 * k)
                b.poly([(x, top), (x + half, top + h * 0.42), (x - half, top + h * 0.42)], leaf)
            b.rect(x - 4, base - h * 0.2, x + 4, base + 40, (138, 124, 104))
    b.fade(GROUND - 24, BOTTOM, (96, 136, 84), (124, 150, 92))
    x = b.near(320, 60)
    b.poly([(x - 30, GROUND - 24), (x + 30, GROUND - 24), (x + 220, BOTTOM), (x - 220, BOTTOM)], (190, 160, 122))
    for i in range(9):
        x, w = b.near(LEFT + 30 + i * 116, 24), b.near(17, 4)
        trunk = b.shaded((112, 86, 66), 0.12)
        b.poly([(x - w, 0), (x + w, 0), (x + w * 1.1, 240), (x + w * 2.0, GROUND + 8), (x - w * 2.0, GROUND + 8),
                (x - w * 1.1, 240)], trunk)  # fmt: skip
        for k in range(4):
            y = b.near(50 + k * 56, 20)
            b.line([(x - w * 0.5, y), (x - w * 0.2, y + 26)], 3, (88, 66, 52))
        b.line([(x + w * 0.6, b.near(60, 20)), (x + w * 0.6 + 40, 34)], 7, trunk)
    for i in range(12):
        b.ellipse(LEFT + i * 88, b.near(4, 8), 62, b.near(40, 8), b.shaded((78, 124, 80), 0.1))
    for i in range(26):
        x, y = b.near(LEFT + i * 38, 14), b.near(GROUND + 4, 8)
        for dx in (-18, -9, 0, 9, 18):
            b.poly([(x - 3, y), (x + 3, y), (x + dx, y - 24 + abs(dx) * 0.5)], b.shaded((92, 146, 82), 0.12))


def park(b: Brush) -> None:
    """Meadow hills, round trees, a pond with a small bridge, a winding path, a long bench, low railings."""
    sky(b, 4)
    for i in range(9):
        b.ellipse(LEFT + i * 120, 224, 110, b.near(46, 12), b.shaded((158, 196, 146), 0.05))
    b.rect(LEFT, 218, RIGHT, BOTTOM, GRASS)
    for i in range(8):
        tree(b, b.near(LEFT + 50 + i * 124, 22), 236, b.near(164, 16), b.shaded((126, 174, 108), 0.1))
    x = b.near(430, 40)
    b.ellipse(x, 258, 190, 22, (196, 206, 160))
    b.ellipse(x, 258, 180, 18, (140, 196, 216))
    for dx, dy in ((-90, -4), (-20, 6), (60, -2), (110, 5)):
        b.rect(x + dx, 258 + dy, x + dx + 44, 260 + dy, (196, 226, 236))
    for dx in range(-60, 61, 20):
        b.rect(x + dx - 2, 222 + dx * dx / 200, x + dx + 2, 250 + dx * dx / 200, WOOD_DARK)
    arch = [(x + d, 248 + d * d / 160) for d in range(-72, 73, 12)]
    b.line(arch, 9, WOOD)
    b.line([(x + d, 222 + d * d / 200) for d in range(-66, 67, 12)], 5, WOOD)
    b.poly([(LEFT, 300), (60, 288), (320, 300), (560, 290), (RIGHT, 304), (RIGHT, 340), (560, 330), (320, 342),
            (60, 328), (LEFT, 342)], (232, 212, 176))  # fmt: skip
    for x in (b.near(120, 26), b.near(-110, 10), b.near(700, 14)):
        for y in (206.0, 220.0, 234.0):
            b.rect(x - 76, y, x + 76, y + 9, (186, 136, 92))
        b.rect(x - 82, 250, x + 82, 259, (168, 118, 78))
        for dx in (-62, 56):
            b.rect(x + dx, 204, x + dx + 7, GROUND + 6, SHADE)
    for _ in range(46):
        x, y = float(b.rng.uniform(LEFT, RIGHT)), float(b.rng.uniform(268, 292))
        b.ellipse(x, y, 2.6, 2.2, ((250, 250, 244), (250, 226, 140))[int(b.rng.integers(2))])


def rooftop(b: Brush) -> None:
    """A skyline of towers, a brick parapet, a water tank on stilts, air-conditioning boxes, pipes, gravel."""
    sky(b, 2, (166, 200, 230), (240, 232, 222))
    for row, (colour, low) in enumerate((((186, 196, 212), 60), ((152, 164, 186), 96))):
        for i in range(17):
            left, top = b.near(LEFT - 20 + i * 60, 12), b.near(low + 26, 44)
            width = b.near(46, 8)
            b.rect(left, top, left + width, GROUND, b.shaded(colour, 0.05))
            if i % 4 == 1:
                b.rect(left + width / 2 - 1.5, top - 26, left + width / 2 + 1.5, top, colour)
            if row:
                for row_y in range(int(top) + 10, 226, 16):
                    for k in range(3):
                        b.rect(left + 6 + k * 14, row_y, left + 13 + k * 14, row_y + 7, (214, 216, 206))
    b.rect(LEFT, 230, RIGHT, GROUND, (190, 140, 120))
    for row in range(4):
        for x in columns(36, LEFT + 18 * (row % 2)):
            b.rect(x, 232 + row * 12, x + 34, 242 + row * 12, b.shaded((202, 152, 130), 0.05))
    b.rect(LEFT, 222, RIGHT, 233, (222, 214, 204))
    b.fade(GROUND, BOTTOM, (176, 174, 172), (190, 188, 184))
    for _ in range(90):
        x, y = float(b.rng.uniform(LEFT, RIGHT)), float(b.rng.uniform(284, 356))
        b.ellipse(x, y, 3.4, 1.6, ((160, 158, 156), (206, 204, 200))[int(b.rng.integers(2))])
    for x in (b.near(110, 30), b.near(720, 12)):
        for dx in (-36, 30):
            b.rect(x + dx, 160, x + dx + 6, GROUND, WOOD_DARK)
        b.line([(x - 33, 164), (x + 33, 222)], 4, WOOD_DARK)
        b.line([(x + 33, 164), (x - 33, 222)], 4, WOOD_DARK)
        b.rect(x - 46, 82, x + 46, 162, (186, 142, 108))
        for y in (96.0, 120.0, 144.0):
            b.rect(x - 46, y, x + 46, y + 3, (140, 104, 80))
        b.poly([(x - 52, 84), (x, 48), (x + 52, 84)], (150, 112, 88))
    for x in (b.near(420, 40), b.near(-80, 12), b.near(560, 20)):
        b.framed((x - 44, 214, x + 44, GROUND + 4), (214, 218, 220), METAL_DARK, 2.5)
        for slat in range(222, 272, 8):
            b.rect(x - 36, slat, x + 4, slat + 3.5, METAL_DARK)
        b.ellipse(x + 24, 246, 16, 16, METAL_DARK)
        b.ellipse(x + 24, 246, 5, 5, METAL)


def station(b: Brush) -> None:
    """A long train with lit windows beyond the platform edge, roof girders on pillars, tactile yellow line."""
    b.fade(0, GROUND, (214, 222, 228), SKY_LOW)
    b.rect(LEFT, 0, RIGHT, 34, (120, 140, 148))
    for i in range(25):
        x = LEFT + i * 40
        b.line([(x, 34), (x + 20, 56)], 4, (138, 156, 162))
        b.line([(x + 20, 56), (x + 40, 34)], 4, (138, 156, 162))
    b.rect(LEFT, 54, RIGHT, 61, (120, 140, 148))
    x = b.near(320, 90)
    body, band = (236, 238, 238), (96, 148, 178)
    b.rect(LEFT, 98, RIGHT, 262, body)
    b.rect(LEFT, 92, RIGHT, 106, METAL)
    b.rect(LEFT, 206, RIGHT, 226, band)
    b.rect(LEFT, 230, RIGHT, 236, (220, 130, 100))
    b.rect(LEFT, 262, RIGHT, GROUND, (92, 94, 100))
    for k in range(-6, 7):
        left = x + k * 150
        b.framed((left - 20, 126, left + 20, 256), (198, 208, 212), METAL_DARK, 3)
        b.rect(left - 1.5, 126, left + 1.5, 256, METAL_DARK)
        for dx in (-15, 5):
            b.rect(left + dx, 136, left + dx + 10, 190, (140, 176, 194))
        for dx in (32, 82):
            b.framed((left + dx, 134, left + dx + 38, 184), (140, 176, 194), METAL_DARK, 3)
            b.poly(
                [(left + dx + 6, 184), (left + dx + 24, 134), (left + dx + 32, 134), (left + dx + 14, 184)],
                (178, 206, 218),
            )
    b.rect(LEFT, GROUND, RIGHT, BOTTOM, (204, 200, 196))
    b.rect(LEFT, GROUND, RIGHT, 284, (166, 162, 160))
    b.rect(LEFT, 289, RIGHT, 298, (240, 208, 90))
    for x in columns(56):
        b.line([(x, 300), (320 + (x - 320) * 1.2, BOTTOM)], 1.5, (184, 180, 176))
    for k in range(5):
        x = b.near(-110 + k * 210, 8)
        b.rect(x - 8, 56, x + 8, GROUND + 14, (132, 152, 150))
        b.poly([(x - 44, 60), (x + 44, 60), (x + 8, 94), (x - 8, 94)], (132, 152, 150))
        b.rect(x - 15, GROUND + 8, x + 15, GROUND + 18, (110, 130, 130))


PAINTERS: dict[str, Callable[[Brush], None]] = {
    "garden": garden, "beach": beach, "street": street, "forest": forest, "park": park, "rooftop": rooftop,
    "station": station,
}  # fmt: skip
"""Painter of each outdoor place, by its name in `world.PLACES`."""
