"""The camera of the pocket films: backdrop, furniture, people and light become one RGB frame.

Everything is placed in stage units and painted through the camera at the size asked for, so a frame shows the same
at every resolution; only the cached backdrop is resampled. The look (light, shadows, framing) is our own choice.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from datasets_scripts.pocket.figures import STOOL_ACTIONS, TABLE_ACTIONS, Painter, Posed, pose_figure
from datasets_scripts.pocket.places import draw_place
from datasets_scripts.pocket.props import draw_prop
from datasets_scripts.pocket.world import (
    COLOURS,
    FLOOR_Y,
    OBJECT_SIZE,
    STAGE_HEIGHT,
    STAGE_WIDTH,
    Clip,
    Figure,
    Film,
    Line,
    Prop,
    Shot,
)

BACKDROP_LEFT, BACKDROP_WIDTH = -160.0, 960.0
TABLE_HEIGHT = 86.0
# Colour matrices (rows r, g, b; last column an offset in 0..255): how the light changes a day-light picture. The
# first is for the whole frame and mild, for the colours of clothes and objects are told; the second comes on top of
# it for the place alone, once per cached backdrop.
_Matrix = tuple[tuple[float, float, float, float], ...]
_LIGHT: dict[str, tuple[_Matrix, _Matrix]] = {
    "day": (((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)), ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))),
    "morning": (
        ((0.94, 0, 0, 16), (0, 0.92, 0, 11), (0, 0, 0.82, 4)),
        ((0.86, 0.02, 0, 34), (0, 0.87, 0, 26), (0, 0.02, 0.80, 10)),
    ),
    "evening": (
        ((0.98, 0.02, 0, 4), (0, 0.86, 0, 0), (0, 0, 0.74, 4)),
        ((0.96, 0.06, 0, 8), (0, 0.82, 0, 2), (0, 0, 0.68, 10)),
    ),
    "night": (
        ((0.66, 0.02, 0, 0), (0, 0.68, 0, 2), (0, 0.02, 0.80, 12)),
        ((0.58, 0.06, 0.04, 0), (0.06, 0.64, 0.04, 2), (0.06, 0.10, 0.72, 26)),
    ),
}
_PORTRAIT_BACKGROUND = (206, 214, 220)


@lru_cache(maxsize=160)
def _backdrop(place: str, variant: int, light: str, height: int) -> np.ndarray:
    """The place at `height` pixels for the stage's height, (height, width, 3) uint8; shared, so never written to."""
    if light not in _LIGHT:
        raise ValueError(f"light is {light!r}, expected one of {', '.join(_LIGHT)}")
    width = round(BACKDROP_WIDTH * height / STAGE_HEIGHT)
    picture: np.ndarray = cv2.transform(
        draw_place(place, variant, width, height), np.array(_LIGHT[light][1], np.float32)
    )
    picture.setflags(write=False)
    return picture


@lru_cache(maxsize=64)
def _grade(light: str, grade: tuple[float, float, float]) -> np.ndarray:
    """(3, 4) float32 matrix of light and film grade together."""
    matrix: np.ndarray = np.array(_LIGHT[light][0], np.float32) * np.array(grade, np.float32)[:, None]
    return matrix


def camera_at(shot: Shot, progress: float) -> tuple[float, float, float, bool]:
    """(centre x, centre y, zoom, moving) at a moment; the view is kept inside the backdrop."""
    if not shot.cuts:
        raise ValueError("shot.cuts is empty, expected (end, camera) pairs; use ((1.0, Camera()),)")
    ends = [end for end, _ in shot.cuts]
    index = min(sum(progress >= end for end in ends), len(ends) - 1)
    start, (end, camera) = ends[index - 1] if index else 0.0, shot.cuts[index]
    within = min(max((progress - start) / max(end - start, 1e-9), 0.0), 1.0)
    zoom = camera.zoom * camera.push**within
    half_width, half_height = STAGE_WIDTH / 2 / zoom, STAGE_HEIGHT / 2 / zoom
    x, y = camera.x + camera.pan * within, camera.y
    x = min(max(x, BACKDROP_LEFT + half_width), BACKDROP_LEFT + BACKDROP_WIDTH - half_width)
    y = min(max(y, half_height), STAGE_HEIGHT - half_height) if zoom > 1.0 else STAGE_HEIGHT / 2
    return x, y, zoom, camera.pan != 0.0 or camera.push != 1.0


def _seen_backdrop(shot: Shot, view: tuple[float, float, float, bool], width: int, height: int) -> np.ndarray:
    """The part of the backdrop that the camera sees, a fresh (height, width, 3) array."""
    x, y, zoom, moving = view
    picture = _backdrop(shot.place, shot.variant, shot.light, height)
    density = height / STAGE_HEIGHT
    scale = zoom * width / STAGE_WIDTH
    left = (x - width / 2 / scale - BACKDROP_LEFT) * density
    top = (y - height / 2 / scale) * density
    wide, tall = width / scale * density, height / scale * density
    if not moving and left >= 0 and top >= 0 and left + wide <= picture.shape[1] + 0.5 and top + tall <= height + 0.5:
        # A still camera may snap to whole backdrop pixels, which is four times faster.
        x0, y0, cols, rows = round(left), round(top), round(wide), round(tall)
        part = picture[y0 : y0 + rows, x0 : x0 + cols]
        if part.shape[:2] == (height, width):
            return part.copy()
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
    step = density / scale
    back = np.array(((step, 0.0, left + 0.5 * step - 0.5), (0.0, step, top + 0.5 * step - 0.5)))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, back, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=512)
def _shadow_mask(width: int, height: int) -> np.ndarray:
    """Gains of a soft dark ellipse, (height, width, 3) uint8, 255 = unchanged."""
    y, x = np.mgrid[0:height, 0:width]
    r = np.hypot((x + 0.5) / width * 2 - 1, (y + 0.5) / height * 2 - 1)
    gain = 255.0 * (1.0 - 0.42 * np.clip(1.25 * (1.0 - r), 0.0, 1.0) ** 0.8)
    return np.repeat(gain[..., None], 3, axis=2).astype(np.uint8)


def _shadow(painter: Painter, x: float, y: float, half_width: float) -> None:
    """Darkens the floor under a body, softly."""
    scale = painter.scale
    cx, cy = painter.pixel(x, y)
    width, height = max(2, round(2 * half_width * scale)), max(2, round(0.44 * half_width * scale))
    left, top = round(cx - width / 2), round(cy - height / 2)
    rows, cols = painter.canvas.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, cols), min(top + height, rows)
    if x0 < x1 and y0 < y1:
        floor = painter.canvas[y0:y1, x0:x1]
        mask = _shadow_mask(width, height)[y0 - top : y1 - top, x0 - left : x1 - left]
        floor[:] = cv2.multiply(floor, mask, scale=1 / 255)


def _table(painter: Painter, x: float) -> None:
    """A small round table."""
    _shadow(painter, x, FLOOR_Y - 2, 40)
    top, rim, dark = FLOOR_Y - TABLE_HEIGHT, (112, 78, 50), (84, 56, 36)
    foot = np.array(((x - 24, FLOOR_Y), (x - 6, FLOOR_Y - 12), (x + 6, FLOOR_Y - 12), (x + 24, FLOOR_Y)))
    painter.polygon(foot, dark)
    painter.polygon(np.array(((x - 5, top), (x + 5, top), (x + 6, FLOOR_Y - 8), (x - 6, FLOOR_Y - 8))), dark)
    for points, colour in (((-42, -3, 42, 9), rim), ((-40, -2, 40, 3), (178, 134, 92))):
        x0, y0, x1, y1 = points
        corners = ((x + x0, top + y0), (x + x1, top + y0), (x + x1 - 4, top + y1), (x + x0 + 4, top + y1))
        painter.polygon(np.array(corners), colour)


def _stool(painter: Painter, x: float, floor: float) -> None:
    """The seat of sit_down and stand_up."""
    _shadow(painter, x, floor - 2, 34)
    for foot in (-20, 16):
        leg = ((x + foot * 0.8, floor - 48), (x + foot * 0.8 + 6, floor - 48), (x + foot + 5, floor), (x + foot, floor))
        painter.polygon(np.array(leg), (92, 62, 40))
    seat = ((x - 30, floor - 56), (x + 28, floor - 56), (x + 26, floor - 45), (x - 28, floor - 45))
    painter.polygon(np.array(seat), (70, 46, 30))
    painter.polygon(np.array(((x - 28, floor - 55), (x + 26, floor - 55), (x + 25, floor - 50), (x - 27, floor - 50))),
                    (196, 150, 96))  # fmt: skip


def _prop(painter: Painter, prop: Prop, x: float, y: float, angle: float = 0.0) -> None:
    """An object about its centre (stage units)."""
    if prop.colour not in COLOURS:
        raise ValueError(f"prop colour is {prop.colour!r}, expected one of {', '.join(COLOURS)}")
    draw_prop(painter.canvas, prop.kind, COLOURS[prop.colour], painter.pixel(x, y), OBJECT_SIZE * painter.scale, angle)


def _standing_prop(painter: Painter, prop: Prop) -> None:
    """An object of the scenery, on the floor or on its table."""
    base = FLOOR_Y - 4.0
    if prop.on_table:
        _table(painter, prop.x)
        base = FLOOR_Y - TABLE_HEIGHT
    else:
        _shadow(painter, prop.x, base, 38)
    _prop(painter, prop, prop.x, base - OBJECT_SIZE / 2)


def _ground(painter: Painter, posed: Posed) -> None:
    """What is behind a person: shadow, seat, table."""
    figure = posed.figure
    lying = figure.action == "fall" and abs(posed.controls[1, 0]) > 0.8
    half = (110.0 if lying else 46.0) * (1.0 - 0.004 * min(posed.height, 100.0))
    _shadow(painter, *posed.feet, half)
    if figure.action in STOOL_ACTIONS:
        _stool(painter, figure.x - 26.0 * figure.facing, FLOOR_Y)
    if figure.thing is not None and figure.action in TABLE_ACTIONS:
        _table(painter, posed.thing[0])


def _people(painter: Painter, figures: tuple[Figure, ...], progress: float) -> None:
    """All figures in order; of a pair both bodies come first, then the objects and the arms in front."""
    waiting: dict[int, tuple[Posed, np.ndarray]] = {}
    for index, figure in enumerate(figures):
        posed = pose_figure(figure, figures, progress)
        placed = painter.place(posed)
        _ground(painter, posed)
        far_arm = ("far_finger", "far") if figure.action in TABLE_ACTIONS else ("far",)
        painter.layers(posed, placed, ("back", "far_leg", "near_leg", "body", "head", *far_arm))
        waiting[index] = posed, placed
        if index < figure.partner < len(figures):
            continue
        fronts = [waiting.pop(i) for i in sorted({figure.partner, index}) if i in waiting]
        for front, _ in fronts:
            if front.figure.thing is not None:
                _prop(painter, front.figure.thing, *front.thing)
        for front, front_placed in fronts:
            painter.layers(front, front_placed, ("near",))


def draw_shot(shot: Shot, progress: float, width: int = 640, height: int = 360) -> np.ndarray:
    """Paints one frame.

    Args:
        shot: what is seen.
        progress: 0..1 of the shot's duration; values outside are held at the ends.
        width: pixels; 16:9 with `height` shows the stage undistorted, other shapes see more or less at the sides.
        height: pixels.

    Returns:
        (height, width, 3) uint8 RGB, the same for the same arguments.

    Raises:
        ValueError: sizes below 16, or names in the shot that `world` does not hold.
    """
    if width < 16 or height < 16:
        raise ValueError(f"frame is {width} x {height} pixels, expected at least 16 x 16; ask for 320 x 180")
    progress = min(max(float(progress), 0.0), 1.0)
    view = camera_at(shot, progress)
    canvas = _seen_backdrop(shot, view, width, height)
    painter = Painter(canvas, view[:2], view[2] * width / STAGE_WIDTH)
    for prop in shot.props:
        _standing_prop(painter, prop)
    _people(painter, shot.figures, progress)
    if shot.light == "day" and shot.grade == (1.0, 1.0, 1.0):
        return canvas
    graded: np.ndarray = cv2.transform(canvas, _grade(shot.light, shot.grade))
    return graded


def draw_portrait(look: int, size: int = 256) -> np.ndarray:
    """Head and shoulders of a person on a plain ground, in a pose that no shot has.

    Args:
        look: index into `world.LOOKS`.
        size: side in pixels.

    Returns:
        (size, size, 3) uint8 RGB.

    Raises:
        ValueError: a look outside LOOKS or a size below 16.
    """
    if size < 16:
        raise ValueError(f"portrait size is {size} pixels, expected at least 16; ask for 256")
    canvas = np.full((size, size, 3), _PORTRAIT_BACKGROUND, np.uint8)
    view = 130.0
    posed = pose_figure(Figure(look=look, action="portrait", x=0.0, facing=-1), (), 0.5)
    painter = Painter(canvas, (-5.0, FLOOR_Y - 189.0), size / view)
    placed = painter.place(posed)
    painter.layers(posed, placed, ("back", "far", "near", "body", "head"))
    return canvas


def film_frame(film: Film, time_s: float, width: int = 640, height: int = 360) -> np.ndarray:
    """The picture of a film at a time.

    Between clips and lines the nearest earlier shot is held at its end; before the first one its beginning.

    Args:
        film: the film.
        time_s: seconds from the start.
        width: pixels.
        height: pixels.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        ValueError: a film without clips and lines, or a time that is not finite.
    """
    if not math.isfinite(time_s):
        raise ValueError(f"time_s is {time_s}, expected a finite number of seconds")
    spans: list[Clip | Line] = [*film.clips, *film.lines]
    if not spans:
        raise ValueError("the film has neither clips nor lines; make one with story.make_film")
    earlier = [span for span in spans if span.start_s <= time_s]
    span = max(earlier, key=lambda s: s.start_s) if earlier else min(spans, key=lambda s: s.start_s)
    progress = (time_s - span.start_s) / max(span.end_s - span.start_s, 1e-9)
    return draw_shot(span.shot, progress, width, height)


def clip_frames(clip: Clip, num_frames: int = 8, width: int = 320, height: int = 180) -> list[np.ndarray]:
    """Frames of a clip at the midpoints (i + 0.5) / num_frames.

    Args:
        clip: the AD interval.
        num_frames: how many, at least 1.
        width: pixels.
        height: pixels.

    Returns:
        `num_frames` arrays (height, width, 3) uint8 RGB.

    Raises:
        ValueError: num_frames below 1.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}, expected at least 1; the model uses 8")
    return [draw_shot(clip.shot, (i + 0.5) / num_frames, width, height) for i in range(num_frames)]
