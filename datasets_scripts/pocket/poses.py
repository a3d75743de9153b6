"""The moves of the pocket people: every action as key poses over its cycle, first person and partner.

A pose is written in the figure's own frame: x forward (the way it looks), y up, the origin on the floor between
the feet, lengths in stage units. Hands and feet are targets, joints follow by `figures.solve`. All shapes and
timings are our own choice; the rules behind them: silhouettes as distinct as possible, the telling pose held for at
least a third of the cycle, and twins (`world.Action.twin`) exact time reversals of each other, but for "shake" and
"inspect", which go between the same two poses at their own speeds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

# Order of the numbers in a pose vector. A limb has (x, y, bend): the target of its end and how far the middle joint
# stands out, -1..1 (0 hides the bend towards the viewer, the sign is its side).
FIELDS: dict[str, int] = {
    "dx": 1, "lift": 1, "spin": 1, "hip": 2, "lean": 1, "head": 1, "near": 3, "far": 3,
    "near_foot": 3, "far_foot": 3, "toes": 2, "thing": 3,
}  # fmt: skip
OFFSETS: dict[str, int] = {}
_cursor = 0
for _name, _width in FIELDS.items():
    OFFSETS[_name] = _cursor
    _cursor += _width
POSE_SIZE = _cursor

Pose = dict[str, tuple[float, ...]]
Key = tuple[float, Pose]

STAND: Pose = {
    "dx": (0.0,), "lift": (0.0,), "spin": (0.0,), "hip": (0.0, 91.0), "lean": (0.0,), "head": (0.0,),
    "near": (-33.0, 86.0, -0.6), "far": (33.0, 86.0, 0.6), "near_foot": (-14.0, 8.0, 0.3),
    "far_foot": (14.0, 8.0, 0.3), "toes": (0.0, 0.0), "thing": (52.0, 96.0, 0.0),
}  # fmt: skip


def _pose(base: Pose | None = None, **changes: float | tuple[float, ...]) -> Pose:
    """`base` (default STAND) with some fields changed."""
    new = {name: value if isinstance(value, tuple) else (float(value),) for name, value in changes.items()}
    return {**(STAND if base is None else base), **new}


def _swap(pose: Pose) -> Pose:
    """The pose with the two legs exchanged, for the second half of a stride."""
    (nx, ny, nb), (fx, fy, fb) = pose["near_foot"], pose["far_foot"]
    return {**pose, "near_foot": (fx, fy, fb), "far_foot": (nx, ny, nb), "toes": pose["toes"][::-1]}


def _beat(poses: Sequence[Pose], repeats: int) -> list[Key]:
    """The poses again and again, evenly spread over the cycle and closed."""
    count = len(poses) * repeats
    return [(i / count, poses[i % len(poses)]) for i in range(count + 1)]


def _travel(keys: Sequence[Key], start: float, end: float) -> list[Key]:
    """Adds an even walk of the whole figure from `start` to `end` (stage units, forward)."""
    return [(at, {**pose, "dx": (pose["dx"][0] + start + (end - start) * at,)}) for at, pose in keys]


def _reverse(keys: Sequence[Key]) -> list[Key]:
    """The same poses in the opposite order: the twin of an action."""
    return [(1.0 - at, pose) for at, pose in reversed(keys)]


# Hand-set tables from here on: one line reads as one pose or one action.
# fmt: off
# Poses that several actions share -------------------------------------------------------------------------------
HOLD = _pose(near=(27.0, 108.0, -0.9), far=(64.0, 110.0, -0.8), thing=(47.0, 128.0, 0.0), head=6)
FLOOR_THING = (56.0, 32.0, 0.0)
STOOP = _pose(
    hip=(-18.0, 70.0), lean=72, head=-22, near=(36.0, 40.0, -0.2), far=(74.0, 42.0, -0.2), thing=FLOOR_THING,
    near_foot=(-20.0, 8.0, 1.0), far_foot=(12.0, 8.0, 1.0),
)
SEATED = _pose(
    hip=(-28.0, 66.0), lean=-4, near=(8.0, 82.0, -0.9), far=(22.0, 82.0, -0.5),
    near_foot=(10.0, 8.0, 1.0), far_foot=(28.0, 8.0, 1.0),
)
STRIDE = _pose(
    hip=(0.0, 88.0), lean=24, head=-12, near=(40.0, 140.0, -1.0), far=(-20.0, 118.0, -1.0),
    near_foot=(-62.0, 44.0, 1.0), far_foot=(50.0, 20.0, 0.8), toes=(-60.0, 20.0),
)
GATHER = _pose(
    STRIDE, hip=(0.0, 96.0), near=(10.0, 116.0, -1.0), far=(22.0, 120.0, -1.0),
    near_foot=(-30.0, 58.0, 1.0), far_foot=(2.0, 8.0, 0.6), toes=(-50.0, 0.0),
)
WALK = _pose(HOLD, near_foot=(-34.0, 14.0, 0.7), far_foot=(32.0, 8.0, 0.4), toes=(-24.0, 8.0), hip=(0.0, 86.0), lean=4)
WALK_PASS = _pose(
    HOLD, near_foot=(-4.0, 26.0, 1.0), far_foot=(2.0, 8.0, 0.3), toes=(-14.0, 0.0), thing=(47.0, 133.0, 0.0), lean=4
)


def _strides(contact: Pose, passing: Pose, count: int) -> list[Key]:
    """`count` double steps: contact, passing, contact with the other leg, passing with the other leg."""
    return _beat([contact, passing, _swap(contact), _swap(passing)], count)


def _running(swing_arms: bool) -> list[Key]:
    """A run; with `swing_arms` the arms change sides with the legs."""
    other, other_pass = _swap(STRIDE), _swap(GATHER)
    if swing_arms:
        other = {**other, "near": (-46.0, 116.0, -1.0), "far": (64.0, 142.0, -1.0)}
    return _beat([STRIDE, GATHER, other, other_pass], 5)


def _held_keys() -> dict[str, list[Key]]:
    """Actions of one person with an object in the hands or on a table."""
    waiting = _pose(thing=FLOOR_THING)
    pick_up = [(0.0, waiting), (0.1, waiting), (0.34, STOOP), (0.5, STOOP), (0.78, HOLD), (1.0, HOLD)]
    overhead = _pose(near=(-36.0, 228.0, 0.5), far=(36.0, 228.0, -0.5), thing=(0.0, 258.0, 0.0), head=-8)
    wind = _pose(
        lean=-20, near=(-62.0, 190.0, 0.9), far=(70.0, 176.0, 0.0), thing=(-70.0, 204.0, -30.0),
        near_foot=(-30.0, 8.0, 0.8), far_foot=(26.0, 22.0, 0.7), toes=(0.0, 20.0), hip=(-8.0, 88.0),
    )
    hurl = _pose(
        lean=26, near=(88.0, 186.0, 0.0), far=(-28.0, 104.0, -0.4), thing=(108.0, 196.0, 60.0), head=-16,
        near_foot=(-46.0, 16.0, 0.3), far_foot=(34.0, 8.0, 0.8), toes=(-40.0, 0.0), hip=(2.0, 84.0),
    )
    point = _pose(
        far=(80.0, 140.0, 0.0), near=(-32.0, 102.0, -1.0), lean=6, head=4, thing=(144.0, 118.0, 0.0),
        far_foot=(22.0, 8.0, 0.4),
    )
    low = _pose(near=(44.0, 142.0, -0.8), far=(78.0, 144.0, -0.7), thing=(62.0, 166.0, -12.0), head=10, lean=4)
    high = _pose(low, near=(40.0, 180.0, -0.9), far=(74.0, 184.0, -0.8), thing=(60.0, 206.0, 12.0), head=-8)
    agape = _pose(
        near=(-8.0, 150.0, -1.0), far=(80.0, 152.0, -0.6), thing=(48.0, 32.0, 24.0), head=22, lean=-4,
    )
    return {
        "pick_up": pick_up,
        "put_down": _reverse(pick_up),
        "lift": [(0.0, HOLD), (0.2, overhead), *((0.2 + i / 5, {**overhead, "hip": (0.0, 91.0 - 3 * (i % 2))})
                                                for i in range(1, 5))],
        "throw": [
            (0.0, {**HOLD, "thing": (-10.0, 150.0, 0.0), "near": (-16.0, 140.0, -1.0)}), (0.16, wind), (0.36, wind),
            (0.46, hurl), (0.7, {**hurl, "thing": (196.0, 226.0, 240.0)}),
            (0.85, {**hurl, "thing": (262.0, 196.0, 360.0)}),
            (1.0, {**hurl, "thing": (330.0, 140.0, 480.0)}),
        ],
        "carry": _travel(_strides(WALK, WALK_PASS, 3), -75, 75),
        "point_at": [(0.0, {**point, "far": (56.0, 110.0, -0.5)}), (0.12, point), (0.5, {**point, "lean": (10.0,)}),
                     (1.0, point)],
        "shake": _beat([low, high], 11),
        "inspect": [(0.0, low), (0.5, high), (1.0, low)],
        "drop": [
            (0.0, HOLD), (0.26, HOLD), (0.33, {**agape, "thing": (48.0, 112.0, 4.0)}),
            (0.44, {**agape, "thing": (48.0, 32.0, 18.0)}), (0.5, {**agape, "thing": (50.0, 46.0, 20.0)}),
            (0.56, agape), (1.0, {**agape, "head": (26.0,)}),
        ],
    }


def _floor_keys() -> dict[str, list[Key]]:
    """Actions of one person with an object that stays on the floor."""
    waiting = _pose(thing=FLOOR_THING)
    shove_it = _pose(
        lean=42, head=-26, hip=(-20.0, 80.0), near=(40.0, 66.0, -0.5), far=(52.0, 52.0, -0.4), thing=(82.0, 32.0, 0.0),
        near_foot=(-72.0, 12.0, 0.3), far_foot=(0.0, 8.0, 1.0), toes=(-30.0, 0.0),
    )
    shove_pass = {**shove_it, "near_foot": (-40.0, 18.0, 0.8), "far_foot": (-36.0, 8.0, 0.7)}
    pushing = _travel(_strides(shove_it, shove_pass, 3), -65, 65)
    cock = _pose(
        lean=10, near=(-44.0, 118.0, -0.5), far=(48.0, 120.0, 0.5), far_foot=(-58.0, 46.0, 1.0), toes=(0.0, -60.0),
        thing=FLOOR_THING, near_foot=(-8.0, 8.0, 0.4),
    )
    strike = _pose(
        lean=-22, head=10, near=(-62.0, 146.0, -0.5), far=(44.0, 148.0, 0.3), far_foot=(70.0, 52.0, 0.0),
        near_foot=(-10.0, 8.0, 0.5), toes=(0.0, 35.0), thing=(82.0, 42.0, 20.0),
    )
    return {
        "push": pushing,
        "pull": _reverse(pushing),
        "kick": [
            (0.0, waiting), (0.16, cock), (0.24, cock), (0.34, strike),
            (0.52, {**strike, "thing": (150.0, 92.0, 140.0)}),
            (0.72, {**strike, "thing": (216.0, 62.0, 260.0), "far_foot": (66.0, 44.0, 0.0)}),
            (1.0, _pose(thing=(300.0, 32.0, 400.0))),
        ],
    }


def _solo_keys() -> dict[str, list[Key]]:
    """Actions of one person without an object, and the resting ones."""
    lower = _pose(hip=(-14.0, 78.0), lean=30, near=(22.0, 100.0, -0.6), far=(46.0, 100.0, -0.4),
                  near_foot=(2.0, 8.0, 1.0), far_foot=(22.0, 8.0, 1.0))
    ready = _pose(near_foot=(-2.0, 8.0, 0.3), far_foot=(22.0, 8.0, 0.3))
    sit = [(0.0, ready), (0.12, ready), (0.38, lower), (0.58, SEATED), (1.0, SEATED)]
    crouch = _pose(hip=(-8.0, 66.0), lean=26, near=(-50.0, 96.0, -0.3), far=(-8.0, 84.0, -0.3),
                   near_foot=(-16.0, 8.0, 1.0), far_foot=(12.0, 8.0, 1.0))
    air = _pose(hip=(0.0, 88.0), lift=58, lean=6, near=(-72.0, 168.0, -0.4), far=(74.0, 172.0, 0.4), head=-8,
                near_foot=(-48.0, 56.0, 1.0), far_foot=(-22.0, 46.0, 1.0), toes=(-60.0, -60.0))
    wave_in = _pose(far=(40.0, 230.0, -0.5), near=(-33.0, 86.0, -0.6), head=-4)
    wave_out = _pose(far=(84.0, 194.0, -0.3), near=(-33.0, 86.0, -0.6), head=4)
    sway = _pose(hip=(-16.0, 84.0), lean=-16, head=14, near=(-66.0, 208.0, 0.7), far=(40.0, 104.0, 1.0),
                 near_foot=(-26.0, 8.0, 0.8), far_foot=(34.0, 22.0, 0.8), toes=(0.0, -30.0))
    sway_back = _pose(hip=(16.0, 84.0), lean=16, head=-14, near=(-40.0, 104.0, -1.0), far=(66.0, 208.0, -0.7),
                      near_foot=(-34.0, 22.0, 0.8), far_foot=(26.0, 8.0, 0.8), toes=(-30.0, 0.0))
    kneel = _pose(hip=(-4.0, 52.0), near_foot=(-52.0, 10.0, 1.0), far_foot=(36.0, 8.0, 1.0), toes=(-70.0, 0.0),
                  near=(36.0, 66.0, -0.8), far=(50.0, 64.0, -0.5), head=14, lean=4)
    bow = _pose(hip=(-16.0, 90.0), lean=76, head=16, near=(-40.0, 132.0, 0.5), far=(14.0, 92.0, -0.8),
                near_foot=(-16.0, 8.0, 0.1), far_foot=(8.0, 8.0, 0.1))
    apart = _pose(near=(-44.0, 158.0, 0.7), far=(84.0, 166.0, -0.5), head=-3)
    together = _pose(near=(28.0, 158.0, -1.0), far=(40.0, 158.0, -1.0), head=3)
    flail = _pose(dx=20, spin=16, near=(-66.0, 196.0, 0.5), far=(70.0, 190.0, -0.5), far_foot=(52.0, 44.0, 0.4),
                  toes=(0.0, 30.0), head=8)
    lying = _pose(dx=96, spin=88, lift=17, near=(-44.0, 214.0, 0.2), far=(50.0, 176.0, -0.4),
                  near_foot=(-10.0, 8.0, 0.2), far_foot=(28.0, 22.0, 1.0), head=2)
    hide = _pose(near=(1.0, 186.0, 0.9), far=(27.0, 187.0, -0.9), head=14, lean=5, hip=(0.0, 90.0))
    vee = _pose(near=(-66.0, 218.0, 0.2), far=(66.0, 218.0, -0.2), head=-8)
    hop = {**vee, "lift": (24.0,), "toes": (-25.0, -25.0),
           "near_foot": (-20.0, 10.0, 0.8), "far_foot": (20.0, 10.0, 0.8)}
    portrait = _pose(near=(-26.0, 84.0, -0.3), far=(24.0, 84.0, 0.4), head=-7, lean=3)
    gesture = _pose(far=(62.0, 130.0, -0.8), head=4, lean=2)
    return {
        "sit_down": sit,
        "stand_up": _reverse(sit),
        "jump": [(0.0, crouch), (0.14, air), (0.34, air), (0.46, crouch), (0.54, crouch), (0.66, air), (0.86, air),
                 (1.0, crouch)],
        "wave": _beat([wave_out, wave_in], 5),
        "dance": _beat([sway, sway_back], 3),
        "kneel": [(0.0, STAND), (0.22, kneel), (1.0, kneel)],
        "run": _travel(_running(swing_arms=True), -85, 85),
        "bow": [(0.0, STAND), (0.24, bow), (0.8, {**bow, "lean": (72.0,)}), (1.0, STAND)],
        "clap": _beat([apart, together], 5),
        "fall": [(0.0, STAND), (0.14, flail), (0.4, lying), (1.0, lying)],
        "cover_face": [(0.0, {**hide, "far": (30.0, 160.0, -0.9), "near": (-14.0, 160.0, -0.9)}), (0.1, hide),
                       *((0.1 + i * 0.15, {**hide, "lean": (5.0 + 5 * (i % 2),)}) for i in range(1, 7))],
        "cheer": _beat([vee, hop], 5),
        "idle": [(0.0, STAND), (0.5, _pose(hip=(0.0, 89.5), head=3, near=(-33.0, 88.0, -0.6))), (1.0, STAND)],
        "portrait": [(0.0, portrait), (1.0, portrait)],  # for draw.draw_portrait
        "talk": _beat([gesture, _pose(far=(56.0, 112.0, -0.8), head=-3), _pose(gesture, far=(70.0, 142.0, -0.7)),
                       _pose(far=(46.0, 104.0, -0.6), head=2)], 2),
    }


def _pair_keys() -> dict[str, tuple[list[Key], list[Key]]]:
    """Actions of two: (first, partner). Here dx counts from the middle of the pair, each in its own forward."""
    open_arms = _pose(dx=-56, near=(14.0, 176.0, -0.3), far=(74.0, 150.0, -0.3), lean=4)
    hug = _pose(dx=-33, near=(66.0, 140.0, -0.7), far=(60.0, 116.0, -0.6), lean=9, head=8)
    hugged = {**hug, "near": (64.0, 120.0, -0.7), "far": (66.0, 144.0, -0.6), "head": (2.0,)}
    grip_up = _pose(dx=-60, far=(60.0, 132.0, -0.4), lean=5)
    grip_down = {**grip_up, "far": (60.0, 114.0, -0.4), "lean": (9.0,)}
    offer = _pose(HOLD, dx=-74, near=(48.0, 116.0, -0.5), far=(78.0, 112.0, -0.2), thing=(74.0, 136.0, 0.0), lean=8)
    keep = _pose(HOLD, dx=-74, thing=(46.0, 132.0, 0.0))
    given = _pose(dx=-74, far=(60.0, 116.0, -0.6), thing=(100.0, 128.0, 0.0))
    await_it = _pose(dx=-74, far=(56.0, 112.0, -0.6))
    take = _pose(dx=-74, near=(52.0, 116.0, -0.5), far=(78.0, 120.0, -0.2), lean=8)
    have = _pose(dx=-74, near=(27.0, 108.0, -0.9), far=(64.0, 112.0, -0.8))
    draw_back = _pose(dx=-62, near=(14.0, 146.0, -1.0), far=(42.0, 142.0, -1.0), lean=-6)
    shove = _pose(dx=-50, near=(86.0, 146.0, 0.0), far=(94.0, 158.0, 0.0), lean=28, hip=(4.0, 84.0), head=-14,
                  near_foot=(-54.0, 14.0, 0.3), far_foot=(26.0, 8.0, 0.9), toes=(-35.0, 0.0))
    stand_off = _pose(dx=-56)
    reel = _pose(dx=-84, spin=20, lean=4, near=(-64.0, 176.0, -0.3), far=(70.0, 184.0, 0.3), head=-10,
                 far_foot=(44.0, 34.0, 0.4), near_foot=(2.0, 8.0, 0.4), toes=(0.0, 30.0))
    lean_in = _pose(dx=-54, lean=18, head=6, near=(50.0, 182.0, -1.0), far=(36.0, 96.0, 0.4))
    listen = _pose(dx=-36, head=10, lean=2, far=(30.0, 92.0, 0.5))
    reach = _pose(dx=-62, far=(62.0, 222.0, -0.1), head=-12, near=(-42.0, 96.0, -0.5))
    before = {**reach, "far": (22.0, 214.0, -0.6), "dx": (-74.0,)}
    grab = {**STRIDE, "near": (66.0, 156.0, -0.2), "far": (84.0, 168.0, -0.2)}
    grab_pass = {**GATHER, "near": (66.0, 164.0, -0.2), "far": (84.0, 176.0, -0.2)}
    flee = {**STRIDE, "near": (-36.0, 214.0, 0.6), "far": (60.0, 214.0, -0.6), "lean": (8.0,), "head": (-14.0,)}
    flee_pass = {**GATHER, "near": (-44.0, 206.0, 0.6), "far": (66.0, 206.0, -0.6), "lean": (8.0,), "head": (-14.0,)}
    back_and_forth = [(0.0, before), (0.2, reach), (0.42, reach), (0.56, before), (0.72, reach), (1.0, reach)]
    waltz = _waltz()
    return {
        "hug": ([(0.0, open_arms), (0.22, hug), (0.6, {**hug, "lean": (12.0,)}), (1.0, hug)],
                [(0.0, open_arms), (0.22, hugged), (0.6, {**hugged, "lean": (6.0,)}), (1.0, hugged)]),
        "shake_hands": (_beat([grip_up, grip_down], 5), _beat([grip_up, grip_down], 5)),
        "give": ([(0.0, keep), (0.12, keep), (0.3, offer), (0.66, offer), (0.82, given), (1.0, given)],
                 [(0.0, await_it), (0.12, await_it), (0.34, take), (0.66, take), (0.82, have), (1.0, have)]),
        "shove": ([(0.0, draw_back), (0.16, draw_back), (0.26, shove), (0.86, shove),
                   (1.0, {**shove, "lean": (20.0,)})],
                  [(0.0, stand_off), (0.18, stand_off), (0.34, reel), (0.86, {**reel, "dx": (-94.0,)}), (1.0, reel)]),
        "dance_with": (waltz, waltz),
        "whisper_to": ([(0.0, lean_in), (0.5, {**lean_in, "lean": (20.0,)}), (1.0, lean_in)],
                       [(0.0, listen), (0.5, {**listen, "head": (-9.0,)}), (1.0, listen)]),
        "high_five": (back_and_forth, back_and_forth),
        "chase": (_travel(_strides(grab, grab_pass, 5), -140, -10), _travel(_strides(flee, flee_pass, 5), 15, 145)),
    }


def _waltz() -> list[Key]:
    """Close couple, outer hands joined high, sway and small steps; `pair_turn` exchanges their sides."""
    one = _pose(dx=-42, far=(42.0, 216.0, -0.4), near=(48.0, 112.0, -0.9), lean=-6, hip=(-3.0, 88.0), head=-4,
                near_foot=(-22.0, 8.0, 0.5), far_foot=(14.0, 20.0, 0.9), toes=(0.0, -25.0))
    two = _pose(one, far=(42.0, 222.0, -0.4), lean=5, hip=(3.0, 88.0), head=5,
                near_foot=(-20.0, 20.0, 0.9), far_foot=(10.0, 8.0, 0.4), toes=(-25.0, 0.0))
    return _beat([one, two], 5)


# fmt: on
def pair_turn(phase: float) -> float:
    """How far the couple of `dance_with` has turned: 1 as they began, -1 with exchanged sides.

    Two turns a cycle; the change itself takes a small part of it, so that few frames show them in one line.
    """
    return math.tanh(4.0 * math.cos(4.0 * math.pi * phase))


@lru_cache(maxsize=1)
def _tables() -> dict[tuple[str, bool], tuple[list[float], np.ndarray]]:
    """(action, is partner) -> phases and pose vectors (keys, POSE_SIZE) float64."""
    alone = _held_keys() | _floor_keys() | _solo_keys()
    keys: dict[tuple[str, bool], list[Key]] = {(name, False): k for name, k in alone.items()}
    for name, (first, second) in _pair_keys().items():
        keys[name, False], keys[name, True] = first, second
    return {
        name: ([at for at, _ in k], np.array([[v for field in FIELDS for v in pose[field]] for _, pose in k]))
        for name, k in keys.items()
    }


def pose_at(action: str, phase: float, partner: bool = False) -> list[float]:
    """The pose of an action at a phase of its cycle.

    Args:
        action: a key of `world.ACTIONS` or of `world.RESTING`.
        phase: 0..1.
        partner: the second person of a two-person action.

    Returns:
        POSE_SIZE numbers, laid out as `OFFSETS` says; between keys eased by smoothstep.

    Raises:
        ValueError: an action without poses.
    """
    try:
        phases, vectors = _tables()[action, partner]
    except KeyError as error:
        role = "partner of a two-person action" if partner else "key of world.ACTIONS or world.RESTING"
        raise ValueError(f"action {action!r} has no poses; expected a {role}") from error
    right = min(max(bisect_right(phases, phase), 1), len(phases) - 1)
    span = phases[right] - phases[right - 1]
    u = min(max((phase - phases[right - 1]) / span, 0.0), 1.0)
    eased = u * u * (3.0 - 2.0 * u)
    before, after = vectors[right - 1], vectors[right]
    pose: list[float] = (before + (after - before) * eased).tolist()
    pose[0] = float(before[0] + (after[0] - before[0]) * u)  # dx: walks go on evenly
    return pose
