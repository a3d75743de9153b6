"""What the camera shows of the person told, by hand and against the painted pixels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from datasets_scripts.pocket.draw import draw_shot
from datasets_scripts.pocket.story import make_film
from datasets_scripts.pocket.visibility import share_in_view, told_in_view, unseen_share
from datasets_scripts.pocket.world import Camera, Figure, Shot


def shot(x: float, camera: Camera) -> Shot:
    return Shot("kitchen", "day", (Figure(0, "wave", x, 1), Figure(1, "idle", 320.0, 1)), cuts=((1.0, camera),))


@pytest.mark.parametrize(("x", "camera", "share"), [(320.0, Camera(), 1.0), (600.0, Camera(x=150.0, zoom=2.0), 0.0)])
def test_whole_and_out_of_the_picture(x: float, camera: Camera, share: float) -> None:
    assert share_in_view(shot(x, camera), 0, 0.5) == share


def test_half_a_person_stands_at_the_edge_of_a_picture() -> None:
    shares = [share_in_view(shot(x, Camera(x=200.0, zoom=2.0)), 0, 0.5) for x in (330.0, 360.0, 390.0, 450.0)]
    assert shares == sorted(shares, reverse=True) and 0 < shares[1] < shares[0] <= 1 and shares[3] == 0


def test_who_is_out_of_view_leaves_no_pixel() -> None:
    film = make_film(1, "crowded")
    found = {True: 0, False: 0}
    for clip in film.clips:
        fact = clip.facts[clip.told]
        place = next(
            i for i, f in enumerate(clip.shot.figures)
            if (f.look, f.action) == (film.cast[fact.person].look, fact.action)
        )  # fmt: skip
        if fact.partner >= 0:
            continue
        others = tuple(
            dataclasses.replace(f, partner=f.partner - (f.partner > place))
            for i, f in enumerate(clip.shot.figures)
            if i != place
        )  # fmt: skip
        for frame, share in list(enumerate(told_in_view(film, clip)))[::3]:
            with_them = draw_shot(clip.shot, (frame + 0.5) / 8, 320, 180)
            without = draw_shot(dataclasses.replace(clip.shot, figures=others), (frame + 0.5) / 8, 320, 180)
            changed = np.abs(with_them.astype(int) - without).max(-1) > 8
            if share >= 0.5 or share == 0:
                found[share == 0] += 1
                assert changed.mean() < 0.02 if share == 0 else changed.mean() > 0.002, (clip.index, frame, share)
    assert found[True] >= 3 and found[False] >= 20


def test_crowded_films_hide_some_and_clear_ones_hardly_any() -> None:
    clear, crowded = ([make_film(seed, preset) for seed in range(12)] for preset in ("clear", "crowded"))
    assert unseen_share(clear) < 0.02 < unseen_share(crowded) < 0.12
