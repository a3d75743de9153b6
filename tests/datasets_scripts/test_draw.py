"""The painter: every action is told apart, twins are exact reversals, a frame is the same at every size."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from datasets_scripts.pocket.contact_sheet import contact_sheet
from datasets_scripts.pocket.doll import CONTROLS, FORE_ARM, SHIN, THIGH, UPPER_ARM
from datasets_scripts.pocket.draw import clip_frames, draw_portrait, draw_shot, film_frame
from datasets_scripts.pocket.figures import cycle_phase, pose_figure, solve
from datasets_scripts.pocket.poses import OFFSETS, POSE_SIZE, pose_at
from datasets_scripts.pocket.world import (
    ACTIONS,
    COLOURS,
    FLOOR_Y,
    LIGHTS,
    LOOKS,
    PLACES,
    RESTING,
    Camera,
    Clip,
    Figure,
    Film,
    Line,
    Prop,
    Shot,
)

SMALL = (160, 90)


def _shot(action: str, look: int = 4, facing: int = 1, **changes) -> Shot:
    """One action in a kitchen, with the object and the partner that it needs."""
    known = ACTIONS.get(action)
    thing = Prop("ball", "orange") if known and known.takes_object else None
    figures: tuple[Figure, ...] = (Figure(look, action, 320.0, facing, thing),)
    if known and known.takes_partner:
        figures = (Figure(look, action, 260.0, facing, thing, 1), Figure(21, "partner", 380.0, -facing, None, 0))
    return replace(Shot("kitchen", "day", figures), **changes)


def _frames(action: str, **changes) -> np.ndarray:
    """(8, 90, 160, 3) float64 frames at the clip's sampling times."""
    shot = _shot(action, **changes)
    return np.stack([draw_shot(shot, (i + 0.5) / 8, *SMALL) for i in range(8)]).astype(np.float64)


def test_every_action_and_resting_pose_is_painted_and_differs_from_standing() -> None:
    """Each of the 34 changes the picture of a standing person in at least half of the sampled frames."""
    idle = draw_shot(_shot("idle"), 0.5, *SMALL).astype(np.float64)
    for action in ACTIONS:
        frames = _frames(action)
        changed = (np.abs(frames - idle).max(axis=3) > 40).sum(axis=(1, 2))
        assert (changed > 150).sum() >= 4, f"{action}: changed pixels per frame {changed.tolist()}"
    for action in RESTING:
        assert draw_shot(_shot(action), 0.3, *SMALL).shape == (90, 160, 3)


def test_actions_are_told_apart_by_their_frames() -> None:
    """No two actions look alike, in order for motion twins and in any frame for the others."""
    frames = {action: _frames(action) for action in ACTIONS}
    for first, second in itertools.combinations(ACTIONS, 2):
        difference = np.abs(frames[first] - frames[second]).mean()
        assert difference > 0.5, f"{first} and {second} differ by only {difference:.2f} grey levels"


@pytest.mark.parametrize(("first", "second"), [("pick_up", "put_down"), ("push", "pull"), ("sit_down", "stand_up")])
def test_twins_are_exact_time_reversals(first: str, second: str) -> None:
    """A twin has the same poses in the opposite order (tolerance: rounding of floats)."""
    for phase in np.linspace(0.0, 1.0, 41):
        assert pose_at(first, phase) == pytest.approx(pose_at(second, 1.0 - phase), abs=1e-9)


def test_shake_and_inspect_share_poses_but_not_speed() -> None:
    """Both move between the same two poses; shaking turns round far more often within a shot."""
    height = OFFSETS["thing"] + 1
    times = np.linspace(0, 1, 401)
    paths = {action: np.array([pose_at(action, p)[height] for p in times]) for action in ("shake", "inspect")}
    assert (paths["shake"].min(), paths["shake"].max()) == pytest.approx((166.0, 206.0), abs=0.5)
    assert (paths["inspect"].min(), paths["inspect"].max()) == pytest.approx((166.0, 206.0), abs=0.5)
    turns = {a: int((np.diff(np.sign(np.diff(p)[np.diff(p) != 0])) != 0).sum()) for a, p in paths.items()}
    assert turns["inspect"] == 1
    assert turns["shake"] > 15


def test_limbs_never_stretch() -> None:
    """In every action at every phase a bone is at most as long as it is (bent towards the viewer: shorter)."""
    index = {name: i for i, name in enumerate(CONTROLS)}
    bones = [("near", UPPER_ARM, FORE_ARM), ("far", UPPER_ARM, FORE_ARM)]
    bones += [("near_leg", THIGH, SHIN), ("far_leg", THIGH, SHIN)]
    roles = [(name, False) for name in (*ACTIONS, *RESTING)]
    roles += [(name, True) for name, action in ACTIONS.items() if action.takes_partner]
    for action, partner in roles:
        for phase in np.linspace(0.0, 1.0, 33):
            controls = solve(pose_at(action, phase, partner), 46.0)
            for limb, upper, lower in bones:
                a, b, c = (controls[index[f"{limb}_{joint}"]] for joint in "abc")
                assert np.linalg.norm(b - a) <= upper + 1e-6, (action, phase, limb)
                assert np.linalg.norm(c - b) <= lower + 1e-6, (action, phase, limb)


def test_a_straight_reach_is_hand_computed() -> None:
    """An arm asked for a point straight ahead and too far ends at its full length along that line."""
    pose = list(pose_at("idle", 0.0))
    assert len(pose) == POSE_SIZE
    pose[OFFSETS["hip"] : OFFSETS["hip"] + 2] = [0.0, 91.0]
    pose[OFFSETS["far"] : OFFSETS["far"] + 3] = [500.0, 91.0 + 62.0, 0.0]
    controls = solve(pose, 46.0)
    hand = controls[CONTROLS.index("far_c")]
    assert hand == pytest.approx((19.0 + 0.999 * (UPPER_ARM + FORE_ARM), 153.0), abs=1e-6)


def test_facing_mirrors_the_figure_and_its_thing() -> None:
    """Looking left is the mirror image of looking right about the figure's x."""
    for action in ("throw", "point_at", "fall", "run"):
        right = pose_figure(Figure(3, action, 300.0, 1), (), 0.6)
        left = pose_figure(Figure(3, action, 300.0, -1), (), 0.6)
        assert left.thing[0] - 300.0 == pytest.approx(300.0 - right.thing[0])
        head = CONTROLS.index("head")
        assert left.controls[head, 0] - 300.0 == pytest.approx(300.0 - right.controls[head, 0])
        assert left.controls[:, 1] == pytest.approx(right.controls[:, 1])


def test_a_pair_meets_wherever_the_story_put_it() -> None:
    """Shaking hands touch, seen from either order and distance of the two x."""
    for first_x, second_x in ((100.0, 500.0), (420.0, 260.0), (300.0, 301.0)):
        pair = (Figure(2, "shake_hands", first_x, 1, None, 1), Figure(5, "partner", second_x, 1, None, 0))
        hands = [pose_figure(f, pair, 0.4).controls[CONTROLS.index("far_c")] for f in pair]
        assert np.linalg.norm(hands[0] - hands[1]) < 3.0
        bodies = [pose_figure(f, pair, 0.4).controls[0, 0] for f in pair]
        assert (bodies[0] < bodies[1]) == (first_x < second_x)


def test_cycles_repeat_and_a_finished_cycle_stays_finished() -> None:
    """Two cycles show the same phase twice; the last moment of a shot is the end, not the beginning."""
    once, twice = Figure(0, "bow", 0.0), Figure(0, "bow", 0.0, cycles=2.0)
    assert cycle_phase(once, 1.0) == 1.0
    assert cycle_phase(once, 0.0) == 0.0
    assert cycle_phase(twice, 0.2) == pytest.approx(0.4)
    assert cycle_phase(twice, 0.7) == pytest.approx(0.4)
    assert cycle_phase(replace(once, phase=0.25), 0.0) == 0.25


def test_jump_leaves_the_floor_and_fall_ends_on_it() -> None:
    """In mid-jump both ankles are high above the floor; at the end of a fall the head is near it."""
    ankles = [CONTROLS.index("near_leg_c"), CONTROLS.index("far_leg_c")]
    assert (FLOOR_Y - pose_figure(Figure(0, "jump", 0.0), (), 0.25).controls[ankles, 1]).min() > 60
    assert FLOOR_Y - pose_figure(Figure(0, "fall", 0.0), (), 1.0).controls[CONTROLS.index("head"), 1] < 50


def test_same_shot_same_pixels_and_same_content_at_every_size() -> None:
    """Deterministic; a large frame scaled down is the small frame up to resampling (mean 4 of 255)."""
    shot = _shot("wave", light="evening", cuts=((0.5, Camera()), (1.0, Camera(300.0, 190.0, 1.7, 20.0, 1.2))))
    for progress in (0.2, 0.8):
        large, small = draw_shot(shot, progress), draw_shot(shot, progress, 320, 180)
        assert np.array_equal(large, draw_shot(shot, progress))
        assert large.shape == (360, 640, 3) and large.dtype == np.uint8
        scaled = cv2.resize(large, (320, 180), interpolation=cv2.INTER_AREA).astype(np.float64)
        assert np.abs(scaled - small).mean() < 4.0


def test_still_and_moving_cameras_show_the_same_place() -> None:
    """The fast path of a still camera agrees with the resampled one (mean 3 of 255)."""
    still = Shot("library", "day", (), cuts=((1.0, Camera(280.0, 200.0, 1.5)),))
    moving = replace(still, cuts=((1.0, Camera(280.0, 200.0, 1.5, pan=1e-9)),))
    a, b = (draw_shot(s, 0.0, 320, 180).astype(np.float64) for s in (still, moving))
    assert np.abs(a - b).mean() < 3.0


def test_cuts_and_zoom_change_the_framing() -> None:
    """The cut falls at its fraction, and a closer camera makes the person larger."""
    shot = Shot("park", "day", (Figure(0, "idle", 320.0),), cuts=((0.5, Camera()), (1.0, Camera(320.0, 180.0, 1.6))))

    def coat(progress: float) -> int:
        picture = draw_shot(shot, progress, 320, 180).astype(int)
        return int((np.abs(picture - (208, 34, 44)).sum(axis=2) < 24).sum())

    assert coat(0.49) < 0.6 * coat(0.5)
    assert coat(0.0) > 300


@pytest.mark.parametrize("place", PLACES)
def test_every_place_in_every_light(place: str) -> None:
    """All four lights differ clearly, night is darkest and bluish, evening warm."""
    frames = {light: draw_shot(Shot(place, light, (Figure(8, "idle", 320.0),)), 0.0, *SMALL) for light in LIGHTS}
    means = {light: frame.mean(axis=(0, 1)) for light, frame in frames.items()}
    assert means["night"].sum() == min(m.sum() for m in means.values())
    assert means["night"][2] / means["night"][0] > means["day"][2] / means["day"][0] * 1.15
    assert means["evening"][0] / means["evening"][2] > means["day"][0] / means["day"][2] * 1.15
    for first, second in itertools.combinations(LIGHTS, 2):
        assert np.abs(means[first] - means[second]).max() > 6


@pytest.mark.parametrize("light", LIGHTS)
def test_garment_colours_keep_their_names(light: str) -> None:
    """In every light a plain garment's strongest channel stays the one of its colour in world.COLOURS."""
    shot = Shot("street", light, ())
    checked = 0
    for look in LOOKS:
        colour = COLOURS[look.garment_colour]
        second, first = sorted(colour)[1:]
        if look.pattern != "plain" or look.accessory == "scarf" or first - second < 40:
            continue
        frame = draw_shot(replace(shot, figures=(Figure(look.index, "idle", 320.0),)), 0.0, *SMALL)
        trunk = frame[47:54, 77:79].reshape(-1, 3)
        assert int(np.median(trunk, axis=0).argmax()) == colour.index(first), (light, look)
        checked += 1
    assert checked >= 4


def test_grade_gains_act_per_channel() -> None:
    """A film grade multiplies the frame's channels (tolerance one level of rounding)."""
    shot = Shot("office", "day", (Figure(1, "clap", 320.0),))
    plain = draw_shot(shot, 0.3, *SMALL).astype(np.float64)
    graded = draw_shot(replace(shot, grade=(0.9, 1.0, 0.8)), 0.3, *SMALL).astype(np.float64)
    assert np.abs(graded - plain * (0.9, 1.0, 0.8)).max() <= 1.0


def test_all_looks_are_told_apart_in_portraits_and_small_frames() -> None:
    """No two of the 60 are alike, neither as a 64-pixel portrait nor standing in a wide 128 x 128 frame."""
    portraits = [draw_portrait(i, 64).astype(np.float64) for i in range(len(LOOKS))]
    standing = []
    for i in range(len(LOOKS)):
        wide = draw_shot(Shot("office", "day", (Figure(i, "idle", 320.0),)), 0.2, 320, 180)
        standing.append(cv2.resize(wide, (128, 128), interpolation=cv2.INTER_AREA)[25:120, 50:78].astype(np.float64))
    for i, j in itertools.combinations(range(len(LOOKS)), 2):
        assert np.abs(portraits[i] - portraits[j]).mean() > 3.0, (i, j)
        assert np.abs(standing[i] - standing[j]).mean() > 3.0, (i, j)


def _film() -> Film:
    """Clip 2-4 s with a dance, line 5-6 s with talk."""
    clip = Clip(0, 0, 2.0, 4.0, _shot("dance"), (), 0, False)
    line = Line(5.0, 6.0, 0, "Hello.", _shot("talk"))
    return Film(1, "clear", (), (clip,), (line,), 8.0)


def test_film_frames_follow_the_timeline() -> None:
    """Inside a clip its own progress; in gaps the last moment of the shot before; at first the first shot."""
    film = _film()
    dance, talk = film.clips[0].shot, film.lines[0].shot
    for time_s, shot, progress in (
        (0.5, dance, 0.0), (2.5, dance, 0.25), (4.5, dance, 1.0), (5.25, talk, 0.25), (7.9, talk, 1.0)
    ):  # fmt: skip
        assert np.array_equal(film_frame(film, time_s, *SMALL), draw_shot(shot, progress, *SMALL)), time_s


def test_clip_frames_are_midpoints() -> None:
    """Eight frames by default, frame i at (i + 0.5) / 8."""
    clip = _film().clips[0]
    frames = clip_frames(clip)
    assert len(frames) == 8 and frames[0].shape == (180, 320, 3)
    assert np.array_equal(frames[3], draw_shot(clip.shot, 3.5 / 8, 320, 180))


def test_contact_sheet_lays_tiles_out_in_rows() -> None:
    """Three tiles in two columns make two rows, and a tile is the frame itself."""
    shots = [(_shot("wave"), 0.3, "wave"), (_shot("bow"), 0.5, "bow"), (_shot("idle"), 0.0, "idle")]
    sheet = contact_sheet(shots, 2, 160)
    assert sheet.shape == (2 * (90 + 22) + 4, 2 * 164 + 4, 3)
    assert np.array_equal(sheet[4:94, 168:328], draw_shot(shots[1][0], 0.5, 160, 90))


def test_errors_name_value_expectation_and_fix() -> None:
    """Wrong names and sizes are refused with one clear line."""
    with pytest.raises(ValueError, match="'fly' has no poses"):
        draw_shot(_shot("fly"), 0.5)
    with pytest.raises(ValueError, match="'dusk', expected one of day"):
        draw_shot(_shot("idle", light="dusk"), 0.5)
    with pytest.raises(ValueError, match="8 x 8 pixels"):
        draw_shot(_shot("idle"), 0.5, 8, 8)
    with pytest.raises(ValueError, match="look is 60"):
        draw_portrait(60)
    with pytest.raises(ValueError, match="needs `partner`"):
        draw_shot(Shot("park", "day", (Figure(0, "partner", 10.0),)), 0.5)
    with pytest.raises(ValueError, match="num_frames is 0"):
        clip_frames(_film().clips[0], 0)
    with pytest.raises(ValueError, match="prop colour is 'mauve'"):
        draw_shot(_shot("idle", props=(Prop("cup", "mauve"),)), 0.5)
    with pytest.raises(ValueError, match="time_s is nan"):
        film_frame(_film(), float("nan"))
