"""Perfect eyes: everything that is true can be read from the codes, nothing says what is told."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
import torch

from datasets_scripts.pocket.story import make_film
from datasets_scripts.pocket.world import ACTIONS, COLOURS, OBJECTS
from train.features import FeatureArguments, FeatureCache, build_cache
from train.true_eyes import code, seen_clip, seen_film, seen_people

SIZE = 256


def test_codes_are_of_length_one_far_apart_and_always_the_same() -> None:
    named = [f"action {a}" for a in ACTIONS] + [f"object {o}" for o in OBJECTS] + [f"colour {c}" for c in COLOURS]
    codes = torch.stack([code(what, SIZE) for what in named])
    torch.testing.assert_close(codes.norm(dim=-1), torch.ones(len(named)))
    apart = (codes @ codes.T).fill_diagonal_(0).abs().max()
    assert apart < 0.35, apart
    code.cache_clear()
    assert torch.equal(code(named[0], SIZE), codes[0])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_fact_of_a_clip_is_seen_and_read_back(seed: int) -> None:
    film = make_film(seed, "crowded")
    actions = list(ACTIONS)
    codes = torch.stack([code(f"action {a}", SIZE) for a in actions])
    for clip in film.clips:
        frames = seen_clip(film, clip, 8, SIZE)
        read = {actions[int(place)] for place in (frames @ codes.T).argmax(dim=-1)}
        assert read == {fact.action for fact in clip.facts}


def test_nothing_says_which_fact_is_told() -> None:
    film = make_film(1, "crowded")
    for clip in film.clips:
        for told in range(len(clip.facts)):
            other = dataclasses.replace(clip, told=told, text="", novel=False, also="", pronoun=False)
            assert torch.equal(seen_clip(film, clip, 8, SIZE), seen_clip(film, other, 8, SIZE))
            assert seen_people(clip) == seen_people(other)
    first = [_first_seen(make_film(seed, "crowded")) for seed in range(1, 21)]
    share = sum(map(sum, first)) / sum(map(len, first))
    assert 0.36 < share < 0.52  # 2.4 facts a clip: .43 by chance


def _first_seen(film: object) -> list[bool]:
    """Whether the first look of each clip is at the told fact."""
    found = []
    for clip in film.clips:  # type: ignore[attr-defined]
        order = list(clip.facts)
        random.Random(f"looks {film.seed} {clip.index}").shuffle(order)  # type: ignore[attr-defined]
        found.append(order[0] is clip.facts[clip.told])
    return found


def test_a_cache_of_perfect_eyes(towers: dict[str, str], tmp_path: Path) -> None:
    asked = FeatureArguments(clip=towers["clip"], seeds="3", preset="crowded", eyes="true")
    cache = FeatureCache(build_cache(asked, str(tmp_path)))
    film = make_film(3, "crowded")
    expected = seen_film(film, 8, 16)
    assert torch.equal(cache.frames, expected["frames"]) and torch.equal(cache.faces, expected["faces"])
    assert [row["predicted"] for row in cache.rows] == [seen_people(clip) for clip in film.clips]
    assert all(row["person"] in row["predicted"] for row in cache.rows)
    for wrong in ({"eyes": "sharp"}, {"eyes": "true", "sides": True}):
        with pytest.raises(ValueError, match="expected tower, or true"):
            FeatureArguments(**wrong)  # type: ignore[arg-type]


def test_no_model_that_describes_films_is_trained_on_them(towers: dict[str, str], tmp_path: Path) -> None:
    from modeling_distinctad.towers_distinctad import load_vision, weights_sha256

    build_cache(FeatureArguments(clip=towers["clip"], seeds="3", eyes="true"), str(tmp_path))
    with pytest.raises(ValueError, match="made by tower"):
        FeatureCache(tmp_path, [weights_sha256(load_vision(towers["clip"]))])
