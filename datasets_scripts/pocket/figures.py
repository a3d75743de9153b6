"""Jointed people: from an action and its phase to the joints, and from the joints to pixels.

`poses` says where hands, feet, hip and head go, `solve` finds the joints (two-bone inverse kinematics), `doll` holds
the shapes of a look, `Painter` fills them through the camera.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from datasets_scripts.pocket.doll import (
    CONTROLS,
    FORE_ARM,
    HIP_HALF,
    SHIN,
    SHOULDER_HALF,
    SHOULDER_HEIGHT,
    THIGH,
    TORSO_LENGTH,
    UPPER_ARM,
    doll,
)
from datasets_scripts.pocket.poses import OFFSETS, pair_turn, pose_at
from datasets_scripts.pocket.world import FLOOR_Y, LOOKS, Figure

NECK = 31.0  # from the top of the trunk to the middle of the head
STOOL_ACTIONS = ("sit_down", "stand_up")
# Actions whose object stands on a small table; whose faces are not the plain smile.
TABLE_ACTIONS = ("point_at",)
_MOUTHS = {
    "drop": 1, "jump": 2, "dance": 2, "fall": 1, "cover_face": 3, "cheer": 2, "throw": 1, "kick": 1, "lift": 1,
    "wave": 2, "dance_with": 2, "high_five": 2, "hug": 0, "shove": 3, "run": 1, "chase": 1, "push": 3, "pull": 3,
    "bow": 0,
}  # fmt: skip
_PARTNER_MOUTHS = {"shove": 1, "whisper_to": 1, "give": 2, "chase": 1, "dance_with": 2, "high_five": 2}


@dataclass(frozen=True)
class Posed:
    """A figure at one moment, in stage coordinates.

    Attributes:
        figure: whom it shows.
        controls: (len(CONTROLS), 2) float64, joints (points) and directions (vectors), y down.
        feet: (x, y) of the ground contact, for the shadow; its y is the floor.
        height: how far the body is off the floor, stage units.
        thing: (x, y, angle in degrees) of the object of the action.
        mouth: face, see `doll.doll`.
        blink: eyes closed.
    """

    figure: Figure
    controls: np.ndarray
    feet: tuple[float, float]
    height: float
    thing: tuple[float, float, float]
    mouth: int
    blink: bool

    @property
    def joints(self) -> np.ndarray:
        """The points (joints, 2) among `controls`."""
        found: np.ndarray = self.controls[_IS_POINT[:, 0] > 0]
        return found


def cycle_phase(figure: Figure, progress: float) -> float:
    """Phase 0..1 of the action's cycle at `progress` (0..1) of the shot; a finished cycle stays at 1."""
    turn = progress * figure.cycles + figure.phase
    phase = turn - math.floor(turn)
    return 1.0 if phase == 0.0 and turn > 0.0 and progress > 0.0 else phase


def _two_bones(
    ax: float, ay: float, cx: float, cy: float, first: float, second: float, bend: float
) -> tuple[float, float, float, float]:
    """The middle joint and the reachable end of a limb from (ax, ay) to (cx, cy): law of cosines, own sign rule.

    `bend` in -1..1 scales how far the middle joint stands out to the left of the direction; less than 1 reads as
    a joint turned towards the viewer.
    """
    dx, dy = cx - ax, cy - ay
    distance = math.hypot(dx, dy) or 1e-6
    ux, uy = dx / distance, dy / distance
    reach = min(max(distance, abs(first - second) + 1.0), (first + second) * 0.999)
    if distance > reach:
        cx, cy = ax + ux * reach, ay + uy * reach
    along = (first * first - second * second + reach * reach) / (2.0 * reach)
    out = math.sqrt(max(first * first - along * along, 0.0)) * bend
    return ax + ux * along - uy * out, ay + uy * along + ux * out, cx, cy


def _unit(dx: float, dy: float) -> tuple[float, float]:
    length = math.hypot(dx, dy) or 1.0
    return dx / length, dy / length


def _limb(
    start: tuple[float, float], target: Sequence[float], first: float, second: float
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Joints a, b, c and directions d1, n1, d2, n2 of one limb."""
    bx, by, cx, cy = _two_bones(*start, target[0], target[1], first, second, target[2])
    d1, d2 = _unit(bx - start[0], by - start[1]), _unit(cx - bx, cy - by)
    return [start, (bx, by), (cx, cy)], [d1, (-d1[1], d1[0]), d2, (-d2[1], d2[0])]


def solve(pose: Sequence[float], skirt: float) -> np.ndarray:
    """The control vectors of a pose in the figure's frame (x forward, y up).

    Args:
        pose: POSE_SIZE numbers of `poses.pose_at`.
        skirt: length from hip to the end of the skirt, stage units.

    Returns:
        (len(CONTROLS), 2) float64 in the order of CONTROLS. `dx`, `lift` and `spin` are not applied.
    """
    o = OFFSETS
    hx, hy = pose[o["hip"]], pose[o["hip"] + 1]
    lean, tilt = math.radians(pose[o["lean"]]), math.radians(pose[o["lean"]] * 0.8 + pose[o["head"]])
    up, side = (math.sin(lean), math.cos(lean)), (math.cos(lean), -math.sin(lean))
    spread = SHOULDER_HALF * (1.0 - 0.6 * abs(up[0]))
    sx, sy = hx + up[0] * SHOULDER_HEIGHT, hy + up[1] * SHOULDER_HEIGHT
    head_up = (math.sin(tilt), math.cos(tilt))
    neck = (hx + up[0] * TORSO_LENGTH, hy + up[1] * TORSO_LENGTH)
    head = (neck[0] + NECK * (head_up[0] + up[0]) / 2, neck[1] + NECK * (head_up[1] + up[1]) / 2)
    points: list[tuple[float, float]] = [(hx, hy), up, side, head, (head_up[1], -head_up[0]), head_up]
    limbs = []
    for name, sign in (("near", -1.0), ("far", 1.0)):
        shoulder = (sx + side[0] * spread * sign, sy + side[1] * spread * sign)
        limbs.append(_limb(shoulder, pose[o[name] : o[name] + 3], UPPER_ARM, FORE_ARM))
    for name, sign in (("near_foot", -1.0), ("far_foot", 1.0)):
        limbs.append(_limb((hx + HIP_HALF * sign, hy - 4.0), pose[o[name] : o[name] + 3], THIGH, SHIN))
    (near_knee, far_knee) = limbs[2][0][1], limbs[3][0][1]
    fall = _unit((near_knee[0] + far_knee[0]) / 2 - hx, (near_knee[1] + far_knee[1]) / 2 - hy)
    across = (-fall[1], fall[0])
    width = 1.0 + 0.008 * abs((far_knee[0] - near_knee[0]) * across[0] + (far_knee[1] - near_knee[1]) * across[1])
    points += [
        (hx + fall[0] * skirt, hy + fall[1] * skirt),
        (across[0] * width, across[1] * width),
        (-fall[0], -fall[1]),
    ]
    for joints, directions in limbs:
        points += joints + directions
    for toe in pose[o["toes"] : o["toes"] + 2]:
        angle = math.radians(toe)
        points += [(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))]
    return np.array(points)


_IS_POINT = np.array([[1.0 if n in ("hip", "head", "hem") or n[-2:] in ("_a", "_b", "_c") else 0.0] for n in CONTROLS])
_SKIRT = {"coat": 46.0, "dress": 52.0, "shirt": 20.0, "jumper": 20.0}


def _placement(figure: Figure, others: Sequence[Figure], phase: float) -> tuple[str, bool, float, float, float, float]:
    """(action, is partner, root x, direction, own dx factor, feet y shift) of a figure alone or in its pair."""
    if not 0 <= figure.partner < len(others):
        if figure.action == "partner":
            raise ValueError("a figure with action 'partner' needs `partner`, the index of the first of its pair")
        return figure.action, False, figure.x, float(figure.facing), 1.0, 0.0
    other = others[figure.partner]
    second = figure.action == "partner"
    action = other.action if second else figure.action
    first_x, second_x = (other.x, figure.x) if second else (figure.x, other.x)
    first_facing = float(other.facing if second else figure.facing)
    direction = math.copysign(1.0, second_x - first_x) if second_x != first_x else first_facing
    middle, turn, depth = (first_x + second_x) / 2.0, 1.0, 0.0
    if action == "dance_with":
        turn = pair_turn(phase)
        depth = math.sqrt(max(1.0 - turn * turn, 0.0)) * (-6.0 if second else 6.0)
        direction = math.copysign(direction, direction * turn)
    if second and action != "chase":
        direction = -direction
    return action, second, middle, direction, abs(turn), depth


def pose_figure(figure: Figure, others: Sequence[Figure], progress: float) -> Posed:
    """Where every joint of a figure is at a moment of its shot.

    Args:
        figure: whom to pose.
        others: `Shot.figures`, for the partner. A pair stands about the middle of its two x and faces each other.
        progress: 0..1 of the shot.

    Raises:
        ValueError: an unknown action, a look outside LOOKS or a "partner" without its pair.
    """
    if not 0 <= figure.look < len(LOOKS):
        raise ValueError(f"look is {figure.look}, expected 0..{len(LOOKS) - 1}; use an index into world.LOOKS")
    leader = others[figure.partner] if figure.action == "partner" and 0 <= figure.partner < len(others) else figure
    phase = cycle_phase(leader, progress)
    action, second, root_x, direction, turn, depth = _placement(figure, others, phase)
    pose = pose_at(action, phase, second)
    controls = solve(pose, _SKIRT[LOOKS[figure.look].garment])
    spin = math.radians(pose[OFFSETS["spin"]])
    if spin:
        rotation = np.array(((math.cos(spin), math.sin(spin)), (-math.sin(spin), math.cos(spin))))
        controls = controls @ rotation
    dx, lift = pose[OFFSETS["dx"]] * turn, pose[OFFSETS["lift"]]
    floor = FLOOR_Y + depth
    controls *= (direction, -1.0)
    controls += _IS_POINT * (root_x + direction * dx, floor - lift)
    tx, ty, angle = pose[OFFSETS["thing"] : OFFSETS["thing"] + 3]
    thing = (root_x + direction * (dx + tx), floor - lift - ty, angle * direction)
    mouth = (_PARTNER_MOUTHS if second else _MOUTHS).get(action, 0)
    if action == "talk":
        mouth = (0, 1, 2, 1)[int(phase * 24.0) % 4]
    elif action == "whisper_to" and not second:
        mouth = int(phase * 16.0) % 2
    blink = action in ("bow", "kneel", "hug", "cover_face") or action in ("idle", "talk") and 0.47 < phase < 0.53
    # A lying body throws its shadow under its middle.
    shift = -100.0 * math.sin(spin) + pose[OFFSETS["hip"]] * math.cos(spin)
    return Posed(figure, controls, (root_x + direction * (dx + shift), floor), lift, thing, mouth, blink)


class Painter:
    """Fills polygons given in stage coordinates on a canvas seen through a camera.

    Args:
        canvas: (height, width, 3) uint8 RGB, painted in place.
        centre: stage point in the middle of the canvas.
        scale: pixels per stage unit.
    """

    SHIFT = 4  # sub-pixel bits of OpenCV's coordinates

    def __init__(self, canvas: np.ndarray, centre: tuple[float, float], scale: float) -> None:
        """Keep the canvas and work out where the stage lies on it."""
        self.canvas, self.scale = canvas, scale
        height, width = canvas.shape[:2]
        # Pixel i covers i-0.5..i+0.5, hence the last half.
        self.offset = np.array((width / 2 - centre[0] * scale - 0.5, height / 2 - centre[1] * scale - 0.5))

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Canvas coordinates of a stage point, measured from the canvas's corner (not from a pixel's middle)."""
        return x * self.scale + float(self.offset[0]) + 0.5, y * self.scale + float(self.offset[1]) + 0.5

    def polygon(self, points: np.ndarray, colour: tuple[int, int, int]) -> None:
        """Fills one polygon, points (n, 2) in stage coordinates."""
        fixed = ((points * self.scale + self.offset) * (1 << self.SHIFT)).astype(np.int32)
        cv2.fillPoly(self.canvas, [fixed], colour, cv2.LINE_AA, self.SHIFT)

    def place(self, posed: Posed) -> np.ndarray:
        """Sub-pixel outline points of a posed doll, (points, 2) int32."""
        factor = float(1 << self.SHIFT)
        controls = posed.controls * (self.scale * factor) + _IS_POINT * (self.offset * factor)
        weights = doll(posed.figure.look, posed.mouth, posed.blink).weights
        placed: np.ndarray = (weights @ controls.astype(np.float32)).astype(np.int32)
        return placed

    def layers(self, posed: Posed, placed: np.ndarray, names: Sequence[str]) -> None:
        """Fills some layers of a posed doll in the given order."""
        fills = doll(posed.figure.look, posed.mouth, posed.blink).layers
        fill_poly, canvas = cv2.fillPoly, self.canvas
        for name in names:
            for colour, spans in fills[name]:
                fill_poly(canvas, [placed[a:b] for a, b in spans], colour, cv2.LINE_AA, self.SHIFT)
