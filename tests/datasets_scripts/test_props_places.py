"""The painter's objects and backdrops: all there, in the told colour, where they were asked for, and repeatable."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest

from datasets_scripts.pocket.places import draw_place
from datasets_scripts.pocket.places_brush import GROUND, Brush, columns
from datasets_scripts.pocket.props import draw_prop
from datasets_scripts.pocket.props_geometry import MAIN, Sketch, finished, grown, profile, rect, smooth, stroke, turned
from datasets_scripts.pocket.world import COLOURS, OBJECTS, PLACES

PAPER = (1, 255, 77)  # no object carries it


def drawn(kind, rgb=(208, 34, 44), size=64.0, centre=(50.0, 50.0), angle_deg=0.0, side=100):
    canvas = np.full((side, side, 3), PAPER, np.uint8)
    draw_prop(canvas, kind, rgb, centre, size, angle_deg)
    return canvas


def mask(canvas):
    return (canvas != PAPER).any(axis=-1)


@pytest.mark.parametrize("kind", OBJECTS)
def test_object_fills_its_box_and_stays_inside(kind):
    rows, columns_ = np.nonzero(mask(drawn(kind)))
    height, width = np.ptp(rows) + 1, np.ptp(columns_) + 1
    assert 62 <= max(height, width) <= 68 and min(height, width) >= 24
    # centred: the box ends equally far from 50 on both sides, up to the blur of one pixel
    assert abs(rows.min() + rows.max() + 1 - 100) <= 3 and abs(columns_.min() + columns_.max() + 1 - 100) <= 3


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("colour", ["red", "white", "black"])
def test_more_than_half_of_an_object_carries_exactly_its_colour(kind, colour):
    canvas = drawn(kind, COLOURS[colour], size=320.0, centre=(200.0, 200.0), side=400)
    exact = (canvas == np.array(COLOURS[colour])).all(axis=-1)
    assert exact.sum() / mask(canvas).sum() >= 0.53


@pytest.mark.parametrize("kind", OBJECTS)
def test_the_told_colour_is_the_commonest_of_the_twelve_when_small(kind):
    table = np.array(list(COLOURS.values()), dtype=int)
    for index, (colour, rgb) in enumerate(COLOURS.items()):
        canvas = drawn(kind, rgb, size=64.0)
        pixels = canvas[mask(canvas)].astype(int)
        nearest = np.abs(pixels[:, None] - table[None]).sum(axis=-1).argmin(axis=1)
        assert np.bincount(nearest, minlength=12).argmax() == index, colour


def test_objects_differ_pairwise_at_sixteen_pixels_in_one_colour():
    small = {
        k: cv2.resize(drawn(k, size=96.0), (17, 17), interpolation=cv2.INTER_AREA).astype(float) for k in OBJECTS
    }  # fmt: skip
    distance = {(a, b): np.abs(small[a] - small[b]).mean() for a, b in combinations(OBJECTS, 2)}
    closest = min(distance, key=distance.get)
    moved = cv2.resize(drawn(closest[0], size=96.0, centre=(50.5, 50.5)), (17, 17), interpolation=cv2.INTER_AREA)
    # half a pixel of movement changes a picture far less than another object does
    assert distance[closest] > 2.5 * np.abs(moved - small[closest[0]]).mean()


@pytest.mark.parametrize("kind", ["key", "chair", "cake"])
def test_turning(kind):
    assert np.array_equal(drawn(kind), drawn(kind, angle_deg=360.0))
    assert np.array_equal(drawn(kind, angle_deg=-90.0), drawn(kind, angle_deg=270.0))
    assert not np.array_equal(drawn(kind), drawn(kind, angle_deg=180.0))
    # positive angles turn clockwise on the screen: as np.rot90 with k = -1, up to the rims' rounding
    quarter = np.rot90(mask(drawn(kind)), k=-1)
    assert (quarter != mask(drawn(kind, angle_deg=90.0))).mean() < 0.02


def test_parts_outside_the_canvas_are_cut_off():
    whole = drawn("umbrella", centre=(100.0, 100.0), side=200)
    for dx, dy in ((0, 0), (60, 0), (0, 60), (60, 60)):
        part = drawn("umbrella", centre=(100.0 - dx, 100.0 - dy), side=100)
        # lines that are cut may round differently along the canvas rim, hence the frame of one pixel
        assert np.array_equal(part[1:-1, 1:-1], whole[dy + 1 : dy + 99, dx + 1 : dx + 99])


@pytest.mark.parametrize("centre", [(-500.0, 40.0), (40.0, 1e7), (1e12, -1e12)])
def test_far_outside_nothing_is_drawn(centre):
    assert not mask(drawn("bear", centre=centre)).any()


def test_subpixel_moves_show_and_windows_of_a_canvas_can_be_drawn_into():
    assert not np.array_equal(drawn("ball"), drawn("ball", centre=(50.3, 50.0)))
    canvas = np.full((120, 140, 3), PAPER, np.uint8)
    draw_prop(canvas[10:110, 20:120], "ball", (208, 34, 44), (50.0, 50.0), 64.0)
    assert np.array_equal(canvas[10:110, 20:120], drawn("ball"))
    assert mask(canvas).sum() == mask(drawn("ball")).sum()


def test_prop_errors_say_value_expectation_and_fix():
    canvas = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="kind='sofa'.*use one of cup, "):
        draw_prop(canvas, "sofa", (1, 2, 3), (4.0, 4.0), 8.0)
    with pytest.raises(ValueError, match=r"float32 of shape \(8, 8\).*uint8 \(H, W, 3\)"):
        draw_prop(np.zeros((8, 8), np.float32), "cup", (1, 2, 3), (4.0, 4.0), 8.0)
    for size in (0.0, -3.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="size="):
            draw_prop(canvas, "cup", (1, 2, 3), (4.0, 4.0), size)


def test_geometry_by_hand():
    square = rect(0, 0, 2, 2)
    assert np.allclose(sorted(map(tuple, grown(square, 1.0))), [(-1, -1), (-1, 3), (3, -1), (3, 3)])
    assert np.allclose(grown(square[::-1], 1.0)[::-1], grown(square, 1.0)), "the order of the corners does not matter"
    assert np.allclose(stroke(np.array([(0.0, 0.0), (4.0, 0.0)]), 2.0), [(0, 1), (4, 1), (4, -1), (0, -1)])
    assert np.allclose(turned(np.array([(1.0, 0.0)]), 90.0), [(0.0, 1.0)]), "clockwise with y down"
    assert np.allclose(smooth(square, 3)[::3], square), "the curve goes through its points"
    assert np.allclose(profile((0, 1), (4, 2), x=10.0), [(11, 0), (12, 4), (8, 4), (9, 0)])
    drawing = finished(Sketch().flat(MAIN, rect(10, 20, 30, 60)))
    assert np.allclose(drawing.corners, [(-0.25, -0.5), (0.25, -0.5), (0.25, 0.5), (-0.25, 0.5)])
    assert drawing.radius == pytest.approx(np.hypot(0.25, 0.5))


@pytest.mark.parametrize("place", PLACES)
def test_place_is_repeatable_varied_and_muted(place):
    picture = draw_place(place, 4, 480, 180)
    assert picture.shape == (180, 480, 3) and picture.dtype == np.uint8 and picture.flags.c_contiguous
    assert np.array_equal(picture, draw_place(place, 4, 480, 180))
    for other in (5, 6):
        assert np.abs(picture.astype(int) - draw_place(place, other, 480, 180)).mean() > 1.0
    chroma = picture.max(axis=-1).astype(int) - picture.min(axis=-1)
    assert np.percentile(chroma, 99) < 110 and picture.mean() > 120, "people and objects must stand out"
    assert (picture.astype(int).sum(axis=-1) > 0).all(), "no pixel may stay unpainted"


def test_places_differ_more_than_their_variants():
    small = {
        (p, v): cv2.resize(draw_place(p, v, 480, 180), (32, 32), interpolation=cv2.INTER_AREA).astype(float)
        for p in PLACES for v in (0, 2)
    }  # fmt: skip
    for place in PLACES:
        own = np.abs(small[place, 0] - small[place, 2]).mean()
        others = min(np.abs(small[place, 0] - small[q, v]).mean() for q in PLACES if q != place for v in (0, 2))
        assert others > own, place


def test_place_errors_say_value_expectation_and_fix():
    with pytest.raises(ValueError, match="place='moon'.*use one of kitchen"):
        draw_place("moon", 0, 96, 36)
    with pytest.raises(ValueError, match="variant=-2.*>= 0"):
        draw_place("park", -2, 96, 36)
    with pytest.raises(ValueError, match="0 x 36"):
        draw_place("park", 0, 0, 36)


def test_brush_maps_stage_units_to_pixels():
    brush = Brush(960, 360, np.random.default_rng(0))
    brush.rect(-160, GROUND, 800, 360, (200, 200, 200))
    assert (brush.canvas[280:] > 0).all() and (brush.canvas[:277] == 0).all()
    assert brush.muted((200, 40, 40))[0] < 215 and min(brush.muted((200, 40, 40))) > 80
    assert columns(300.0) == [-160.0, 140.0, 440.0, 740.0]
