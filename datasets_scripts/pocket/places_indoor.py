"""The nine indoor backdrops. Nothing in them looks like one of the 32 objects: no lamps, clocks, seats, lone books."""

from __future__ import annotations

from collections.abc import Callable

from datasets_scripts.pocket.places_brush import (
    BOTTOM,
    GROUND,
    LEFT,
    METAL,
    METAL_DARK,
    PAPER,
    RIGHT,
    SHADE,
    TOP,
    WOOD,
    WOOD_DARK,
    Brush,
    boards,
    chequers,
    columns,
    walls,
    window,
)  # fmt: skip


def kitchen(b: Brush) -> None:
    """Tiled wall, mint cupboards above and below, stove with hood, fridge, window, chequered floor."""
    cupboard, edge = (150, 206, 186), (104, 164, 146)
    walls(b, (250, 238, 200), (236, 230, 220), edge)
    chequers(b, (242, 236, 226), (206, 178, 158))
    for y in range(116, 196, 20):
        b.rect(LEFT, y, RIGHT, y + 1.5, (226, 208, 170))
    for x in columns(24):
        b.rect(x, 116, x + 1.5, 196, (226, 208, 170))
    for i, x in enumerate(columns(118, -150)):
        b.rect(x, 196, x + 116, GROUND - 2, cupboard)
        for half in (0, 58):
            b.framed((x + half + 7, 214, x + half + 51, GROUND - 12), cupboard, edge, 1.5)
            b.rect(x + half + 24, 220, x + half + 34, 223, METAL_DARK)
        if i % 4 != 2 and i != 4:
            b.framed((x + 4, 26, x + 110, 96), cupboard, edge, 2)
            b.rect(x + 56, 26, x + 58, 96, edge)
            b.rect(x + 48, 82, x + 53, 90, METAL_DARK)
            b.rect(x + 61, 82, x + 66, 90, METAL_DARK)
    b.rect(LEFT, 188, RIGHT, 198, (196, 154, 116))
    x = b.near(362, 14)
    b.rect(x - 46, 190, x + 46, GROUND, (226, 228, 230))
    b.framed((x - 34, 222, x + 34, 262), (104, 108, 116), METAL, 3)
    for dx in (-30, -10, 10, 30):
        b.ellipse(x + dx, 207, 5, 5, SHADE)
    b.poly([(x - 20, 20), (x + 20, 20), (x + 24, 66), (x + 50, 104), (x - 50, 104), (x - 24, 66)], METAL)
    b.rect(x - 50, 100, x + 50, 108, METAL_DARK)
    x = b.near(130, 14)
    window(b, (x - 44, 40, x + 44, 150))
    for x in (-96, b.near(614, 10)):
        b.framed((x - 42, 66, x + 42, GROUND - 2), (232, 238, 240), METAL, 3)
        b.rect(x - 42, 136, x + 42, 139, METAL)
        b.rect(x - 34, 104, x - 29, 130, METAL_DARK)
        b.rect(x - 34, 146, x - 29, 186, METAL_DARK)


def bedroom(b: Brush) -> None:
    """Lilac striped wallpaper, a wide bed with quilt, wardrobe, curtained window, rug on boards."""
    walls(b, (226, 208, 236), WOOD, PAPER)
    for x in columns(40):
        b.rect(x, TOP, x + 18, GROUND - 8, (214, 192, 228))
    boards(b, (214, 176, 138), (184, 146, 108))
    b.ellipse(320, 326, 250, 26, (228, 190, 206))
    b.ellipse(320, 326, 220, 20, (240, 212, 222))
    x = b.near(210, 22)
    b.poly([(x - 130, GROUND), (x - 130, 150), (x - 100, 132), (x + 100, 132), (x + 130, 150), (x + 130, GROUND)], WOOD)
    for dx in (-62, 62):
        b.ellipse(x + dx, 190, 50, 22, PAPER)
    b.poly([(x - 124, 204), (x + 124, 204), (x + 138, 292), (x - 138, 292)], (140, 168, 214))
    b.poly([(x - 124, 204), (x + 124, 204), (x + 127, 222), (x - 127, 222)], (196, 212, 236))
    for i in range(-3, 4):
        b.line([(x + i * 36, 222), (x + i * 39, 292)], 1.6, (118, 146, 196))
    b.rect(x - 138, 288, x + 138, 300, WOOD_DARK)
    x = b.near(450, 12)
    window(b, (x - 46, 44, x + 46, 158))
    for side in (-1, 1):
        b.poly([(x + side * 84, 30), (x + side * 24, 30), (x + side * 46, 130), (x + side * 56, 196),
                (x + side * 84, 196)], (206, 150, 182))  # fmt: skip
    b.rect(x - 96, 24, x + 96, 31, WOOD_DARK)
    for x in (b.near(624, 12), -60):
        b.framed((x - 60, 52, x + 60, GROUND - 4), (206, 168, 132), WOOD_DARK, 4)
        b.rect(x - 1.5, 52, x + 1.5, GROUND - 4, WOOD_DARK)
        for side in (-1, 1):
            b.framed((x + side * 31 - 20, 68, x + side * 31 + 20, 160), (216, 182, 148), WOOD, 2)
            b.framed((x + side * 31 - 20, 178, x + side * 31 + 20, 262), (216, 182, 148), WOOD, 2)


def office(b: Brush) -> None:
    """Blue-grey walls, a long window band with blinds and towers, rows of desks with monitors, a chart board."""
    walls(b, (206, 216, 226), (158, 168, 180), (136, 148, 162))
    for x in columns(60):
        b.line([(x, GROUND), (320 + (x - 320) * 1.5, BOTTOM)], 1.5, (146, 156, 168))
    b.framed((LEFT, 34, RIGHT, 134), (196, 220, 236), METAL_DARK, 4)
    for i in range(22):
        x, top = LEFT + i * 46, b.near(86, 22)
        b.rect(x, top, x + 34, 134, b.shaded((164, 182, 200), 0.06))
    for x in columns(120):
        b.rect(x - 3, 34, x + 3, 134, METAL_DARK)
    for y in range(36, 74, 6):
        b.rect(LEFT, y, RIGHT, y + 3, PAPER)
    x = b.near(320, 70)
    b.framed((x - 62, 62, x + 62, 150), PAPER, METAL, 4)
    for i, h in enumerate((26, 44, 34, 58, 68)):
        b.rect(x - 50 + i * 21, 140 - h, x - 37 + i * 21, 140, ((120, 170, 200), (210, 150, 130))[i % 2])
    for i in range(6):
        x = b.near(-90 + i * 164, 10)
        b.rect(x - 70, 204, x + 70, 213, (226, 214, 196))
        b.rect(x - 66, 213, x - 58, GROUND + 8, METAL_DARK)
        b.rect(x + 58, 213, x + 66, GROUND + 8, METAL_DARK)
        b.rect(x + 14, 213, x + 58, 264, (198, 188, 176))
        for y in (230, 247):
            b.rect(x + 14, y, x + 58, y + 1.5, METAL_DARK)
        b.rect(x - 6, 190, x + 6, 204, METAL_DARK)
        b.framed((x - 36, 148, x + 36, 192), (150, 196, 222), (84, 90, 100), 4)
        for k in range(4):
            b.rect(x - 30, 155 + k * 8, x - 4 + 6 * ((i + k) % 4), 158 + k * 8, PAPER)


def library(b: Brush) -> None:
    """Walls of brown shelves full of narrow blocks, a ladder, arches, a green runner on dark boards."""
    walls(b, (158, 116, 84), WOOD_DARK, (112, 78, 54))
    boards(b, (172, 128, 92), (142, 102, 72))
    b.poly([(120, GROUND + 12), (520, GROUND + 12), (640, BOTTOM), (0, BOTTOM)], (130, 160, 130))
    spines = [(176, 104, 92), (110, 136, 148), (196, 168, 112), (124, 148, 108), (150, 116, 140), (206, 190, 164)]
    for x in columns(120, -156):
        b.rect(x, 8, x + 112, GROUND - 4, (104, 72, 50))
        for shelf in range(6):
            top = 16 + shelf * 43
            left = x + 6.0
            while left < x + 98:
                width = float(b.rng.uniform(5, 13))
                height = float(b.rng.uniform(22, 33))
                if b.rng.random() < 0.88:
                    b.rect(left, top + 36 - height, left + width - 1, top + 36, spines[int(b.rng.integers(6))])
                left += width
            b.rect(x, top + 36, x + 112, top + 43, (166, 120, 82))
        b.rect(x - 6, 0, x + 2, GROUND, (140, 98, 66))
    b.rect(LEFT, 0, RIGHT, 10, (140, 98, 66))
    x = b.near(400, 50)
    for dx in (-19, 19):
        b.line([(x + dx * 0.8, 12), (x + dx, GROUND + 10)], 6, (214, 176, 130))
    for y in range(34, 280, 26):
        b.rect(x - 19, y, x + 19, y + 5, (214, 176, 130))


def classroom(b: Brush) -> None:
    """Cream wall, a wide green blackboard with chalk marks, a map, low desks, light boards."""
    walls(b, (248, 232, 196), WOOD, (202, 172, 130))
    boards(b, (226, 192, 148), (202, 166, 122))
    b.rect(LEFT, 190, RIGHT, 193, (214, 188, 146))
    b.rect(LEFT, 193, RIGHT, GROUND - 8, (232, 208, 164))
    x = b.near(300, 26)
    b.framed((x - 190, 44, x + 190, 176), (74, 116, 96), (176, 132, 88), 8)
    b.rect(x - 150, 184, x + 150, 190, WOOD_DARK)
    for i in range(4):
        y = 72 + i * 26
        for k in range(3 + i % 2):
            left = x - 170 + k * 62
            b.rect(left, y, left + b.near(40, 10), y + 3.5, (214, 226, 216))
    b.poly([(x + 90, 140), (x + 130, 72), (x + 168, 140)], (206, 220, 210))
    b.poly([(x + 98, 136), (x + 130, 80), (x + 161, 136)], (74, 116, 96))
    x = b.near(610, 10)
    b.framed((x - 62, 48, x + 62, 150), (176, 212, 228), WOOD_DARK, 4)
    for dx, dy, rx, ry in ((-34, 78, 18, 14), (-26, 118, 10, 20), (14, 84, 20, 18), (38, 110, 16, 20)):
        b.ellipse(x + dx, dy, rx, ry, (168, 194, 140))
    for i in range(5):
        left, top = -146 + i * 42, 60 + 8 * (i % 2)
        sheet = ((236, 190, 180), (190, 216, 190), (196, 200, 232))[i % 3]
        b.framed((left, top, left + 32, top + 44), sheet, PAPER, 3)
    for i in range(6):
        x = b.near(-80 + i * 160, 8)
        b.poly([(x - 52, 222), (x + 52, 222), (x + 60, 238), (x - 60, 238)], (206, 156, 104))
        b.rect(x - 60, 238, x + 60, 250, (182, 132, 86))
        for dx in (-52, 46):
            b.rect(x + dx, 250, x + dx + 6, GROUND + 14, METAL_DARK)


def hospital(b: Brush) -> None:
    """Aqua walls, pale floor, beds with rails, folded curtains on a rail, a heart monitor, a cross on the wall."""
    walls(b, (206, 238, 236), (226, 236, 236), (150, 206, 206))
    b.rect(LEFT, 168, RIGHT, 176, (150, 206, 206))
    for i in range(-8, 9):
        b.line([(320 + i * 80, GROUND), (320 + i * 118, BOTTOM)], 1.2, (206, 220, 220))
    b.rect(LEFT, GROUND + 30, RIGHT, GROUND + 31.2, (206, 220, 220))
    b.rect(LEFT, 26, RIGHT, 30, METAL)
    for x in (b.near(-60, 10), b.near(300, 24), b.near(690, 10)):
        for k in range(7):
            b.rect(x - 42 + k * 12, 30, x - 30 + k * 12, 250, ((168, 210, 220), (190, 226, 232))[k % 2])
    for x in (b.near(150, 16), b.near(500, 16)):
        b.rect(x - 118, 176, x - 110, GROUND + 18, METAL)
        b.rect(x + 110, 196, x + 118, GROUND + 18, METAL)
        b.poly([(x - 112, 196), (x - 40, 206), (x + 112, 216), (x + 112, 244), (x - 112, 244)], (250, 250, 250))
        b.poly([(x - 44, 204), (x + 112, 214), (x + 112, 244), (x - 30, 244)], (178, 216, 206))
        b.ellipse(x - 82, 192, 30, 13, (252, 252, 252))
        b.rect(x - 112, 244, x + 112, 252, METAL)
        for dx in (-60, -30, 0, 30, 60):
            b.rect(x + dx - 2, 222, x + dx + 2, 246, METAL)
        b.rect(x - 62, 220, x + 62, 224, METAL)
        for dx in (-100, 100):
            b.ellipse(x + dx, GROUND + 16, 8, 8, SHADE)
        b.framed((x + 10, 102, x + 66, 142), (72, 104, 104), METAL, 5)
        b.line([(x + 12, 124), (x + 26, 124), (x + 31, 110), (x + 38, 136), (x + 43, 124), (x + 64, 124)], 2.5,
               (150, 232, 180))  # fmt: skip
        b.rect(x - 76, 70, x - 24, 122, PAPER)
        b.rect(x - 56, 78, x - 44, 114, (222, 104, 104))
        b.rect(x - 68, 90, x - 32, 102, (222, 104, 104))


def cafe(b: Brush) -> None:
    """Brick wall, a shop window under a striped awning, a long counter with coffee machine, menu boards, bunting."""
    walls(b, (214, 150, 122), WOOD, WOOD_DARK)
    for row in range(0, 28):
        for x in columns(40, LEFT + 20 * (row % 2)):
            b.rect(x, row * 10, x + 38, row * 10 + 8.6, b.shaded((206, 142, 114), 0.05))
    boards(b, (186, 142, 108), (158, 116, 84))
    x = b.near(190, 22)
    window(b, (x - 110, 74, x + 110, 196), (110, 82, 64), 3)
    for k in range(10):
        left = x - 130 + k * 26
        colour = ((226, 110, 96), (250, 240, 224))[k % 2]
        b.poly([(left + 6, 44), (left + 30, 44), (left + 26, 82), (left, 82)], colour)
        b.ellipse(left + 13, 82, 13, 8, colour)
    x = b.near(500, 16)
    for dx in (-118, 0, 118):
        b.framed((x + dx - 46, 40, x + dx + 46, 116), (84, 78, 76), WOOD, 4)
        for k in range(5):
            b.rect(x + dx - 36, 52 + k * 12, x + dx - 36 + b.near(46, 14), 55 + k * 12, (226, 216, 196))
            b.rect(x + dx + 26, 52 + k * 12, x + dx + 37, 55 + k * 12, (226, 196, 140))
    b.rect(x - 190, 188, x + 190, 199, (240, 224, 200))
    b.rect(x - 180, 199, x + 180, GROUND + 6, (128, 160, 148))
    for k in range(7):
        b.framed((x - 172 + k * 50, 210, x - 130 + k * 50, GROUND - 6), (142, 174, 160), (108, 140, 128), 2)
    b.rect(x - 70, 138, x + 30, 188, METAL)
    b.rect(x - 76, 132, x + 36, 146, METAL_DARK)
    for dx in (-48, -20, 8):
        b.rect(x + dx - 5, 158, x + dx + 5, 168, SHADE)
    b.framed((x + 66, 152, x + 160, 186), (226, 236, 238), METAL, 3)
    for dx in (84, 112, 140):
        b.ellipse(x + dx, 182, 11, 9, (226, 184, 132), 180, 360)
    for x in (-104, b.near(64, 12), b.near(262, 10)):
        b.ellipse(x, 226, 46, 9, (232, 206, 168))
        b.rect(x - 4, 230, x + 4, GROUND + 12, SHADE)
        b.ellipse(x, GROUND + 13, 24, 5, SHADE)


def garage(b: Brush) -> None:
    """Concrete, a roll-up door with yellow-black edge, a car, a pegboard with tools, tyres, a red tool chest."""
    walls(b, (196, 198, 196), (170, 170, 168), (140, 142, 142))
    for y in (92, 184):
        b.rect(LEFT, y, RIGHT, y + 1.6, (178, 180, 178))
    for x, y, r in ((b.near(120, 60), 316, 44), (b.near(520, 60), 340, 60)):
        b.ellipse(x, y, r, r * 0.2, (146, 146, 146))
    x = b.near(210, 20)
    b.framed((x - 170, 40, x + 170, GROUND), (216, 220, 222), (222, 190, 90), 9)
    for y in range(58, 278, 20):
        b.rect(x - 170, y, x + 170, y + 2.5, (176, 182, 186))
    for k in range(0, 17, 2):
        for side in (-179, 170):
            b.poly([(x + side, 40 + k * 14), (x + side + 9, 34 + k * 14), (x + side + 9, 48 + k * 14),
                    (x + side, 54 + k * 14)], SHADE)  # fmt: skip
    b.poly([(x - 128, 270), (x - 132, 222), (x - 88, 208), (x - 52, 164), (x + 50, 164), (x + 92, 208), (x + 130, 218),
            (x + 134, 270)], (126, 170, 190))  # fmt: skip
    b.poly([(x - 74, 206), (x - 44, 172), (x - 4, 172), (x - 4, 206)], (214, 232, 238))
    b.poly([(x + 78, 206), (x + 44, 172), (x + 4, 172), (x + 4, 206)], (214, 232, 238))
    for dx in (-84, 84):
        b.ellipse(x + dx, 268, 27, 27, (82, 82, 86))
        b.ellipse(x + dx, 268, 13, 13, METAL)
    for x in (b.near(540, 16), -100):
        b.framed((x - 92, 52, x + 92, 146), (222, 192, 146), WOOD_DARK, 4)
        for i, dx in enumerate((-70, -42, -12, 18, 44, 72)):
            b.rect(x + dx - 3, 80, x + dx + 3, 132, ((206, 110, 96), (110, 140, 170), WOOD_DARK)[i % 3])
            b.rect(x + dx - 11, 70, x + dx + 11, 80, METAL_DARK)
        b.framed((x - 60, 186, x + 34, GROUND + 4), (206, 106, 92), (160, 78, 68), 3)
        for y in (206, 228, 250):
            b.rect(x - 60, y, x + 34, y + 2, (160, 78, 68))
            b.rect(x - 28, y - 12, x + 2, y - 8, METAL)
        for k in range(4):
            b.ellipse(x + 86, 276 - k * 19, 36, 12, (84, 84, 88))
            b.ellipse(x + 86, 271 - k * 19, 20, 5, (120, 120, 124))


def theatre(b: Brush) -> None:
    """Heavy red curtains with a gold fringe, a pale painted scene between them, stage boards, footlight edge."""
    b.fade(TOP, GROUND, (122, 74, 92), (166, 106, 112))
    b.ellipse(320, 150, 250, 190, (196, 150, 150))
    b.ellipse(320, 170, 170, 150, (222, 184, 168))
    boards(b, (204, 154, 104), (172, 122, 80))
    b.rect(LEFT, 344, RIGHT, BOTTOM, (126, 78, 66))
    for x in (b.near(220, 20), b.near(330, 16), b.near(430, 20)):
        h = b.near(128, 26)
        b.poly([(x - 70, GROUND), (x, GROUND - h), (x + 70, GROUND)], b.shaded((176, 140, 156), 0.08))
    curtain, fold, gold = (190, 58, 66), (154, 40, 54), (226, 190, 104)
    for side in (-1, 1):
        for k in range(11):
            outer = 320 + side * (480 - k * 30)
            sway = side * (k * 2.4)
            b.poly([(outer, 40), (outer - side * 31, 40), (outer - side * 31 + sway, GROUND + 8),
                    (outer + sway, GROUND + 8)], (curtain, fold)[k % 2])  # fmt: skip
        b.rect(320 - 480 if side < 0 else 500, 196, 140 if side < 0 else 800, 208, gold)
    for k in range(10):
        x = LEFT + k * 96
        b.ellipse(x + 48, 34, 54, 44, (curtain, fold)[k % 2], 0, 180)
        b.ellipse(x + 48, 70, 30, 8, gold, 0, 180)
    b.rect(LEFT, 0, RIGHT, 36, fold)
    b.rect(LEFT, 30, RIGHT, 38, gold)
    b.rect(LEFT, 340, RIGHT, 345, gold)


PAINTERS: dict[str, Callable[[Brush], None]] = {
    "kitchen": kitchen, "bedroom": bedroom, "office": office, "library": library, "classroom": classroom,
    "hospital": hospital, "cafe": cafe, "garage": garage, "theatre": theatre,
}  # fmt: skip
"""Painter of each indoor place, by its name in `world.PLACES`."""
