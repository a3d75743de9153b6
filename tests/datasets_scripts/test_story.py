"""What happens in pocket films: numbers of the design, novelty, held-out shares, determinism."""

import random
from collections import Counter

import pytest

from datasets_scripts.pocket.language import slot_words
from datasets_scripts.pocket.names import HELD_OUT_NAMES
from datasets_scripts.pocket.oracles import single_clip_oracle, window_oracle
from datasets_scripts.pocket.story import (
    BLIND_SEED,
    HELD_OUT_LOOKS,
    HELD_OUT_PLACES,
    held_out_pair,
    make_film,
    make_still,
)
from datasets_scripts.pocket.world import ACTIONS, COLOURS, OBJECTS, PLACES

FILMS = [make_film(seed) for seed in range(40)]
CROWDED = [make_film(seed, "crowded") for seed in range(20)]


def test_the_design_s_numbers_hold():
    for film in FILMS + CROWDED:
        assert 24 <= len(film.clips) <= 40 and 20 <= len(film.lines) <= 40
        assert 140 <= film.duration_s <= 245
        assert 3 <= len(film.cast) <= 5
        scenes = Counter(clip.scene for clip in film.clips)
        assert 3 <= len(scenes) <= 5 and all(5 <= size <= 14 for size in scenes.values())
    lengths = [film.duration_s for film in FILMS]
    assert 150 <= sum(lengths) / len(lengths) <= 240


def test_clips_and_lines_never_overlap():
    for film in FILMS:
        spans = sorted((x.start_s, x.end_s) for x in (*film.clips, *film.lines))
        assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
        assert all(start < end for start, end in spans) and spans[-1][1] <= film.duration_s


def test_a_film_is_a_pure_function_of_seed_and_preset():
    assert make_film(7) == make_film(7)
    assert make_film(7) != make_film(8)
    assert make_film(7).clips[0].facts != make_film(7, "crowded").clips[0].facts


def test_the_told_fact_is_new_in_nine_of_ten_and_sole_novelty_of_crowded_clips():
    told = [clip for film in CROWDED for clip in film.clips]
    assert 0.85 <= sum(clip.novel for clip in told) / len(told) <= 1.0
    for film in CROWDED:
        for i, clip in enumerate(film.clips):
            fact = clip.facts[clip.told]
            around = [f for c in film.clips[max(0, i - 15) : i] for f in (c.facts[c.told],)]
            assert fact not in around
    assert sum(len(clip.facts) >= 2 for clip in told) / len(told) > 0.9


def test_neighbours_of_the_control_say_nothing_about_what_is_told():
    films = [make_film(seed, "crowded_control") for seed in range(20)]
    doing = [fact for film in films for clip in film.clips for fact in clip.facts]
    assert len(doing) > 1000
    assert all(len({fact.action for fact in clip.facts}) == len(clip.facts) for film in films for clip in film.clips)
    pairs = [pair for film in films for pair in zip(film.clips, film.clips[1:], strict=False)]
    assert sum(bool(set(one.facts) & set(other.facts)) for one, other in pairs) < 0.05 * len(pairs)  # by chance only
    assert window_oracle(films) - single_clip_oracle(films) < 0.1
    assert 0.25 <= window_oracle(CROWDED) - single_clip_oracle(CROWDED)


def test_position_does_not_betray_who_is_meant():
    places = Counter(clip.told for film in CROWDED for clip in film.clips if len(clip.facts) == 3)
    total = sum(places.values())
    assert all(abs(places[k] / total - 1 / 3) < 0.09 for k in range(3))


def test_dialogue_holds_no_slot_word_of_the_next_two_ads():
    for film in FILMS[:10]:
        for line in film.lines:
            coming = [clip for clip in film.clips if clip.start_s >= line.end_s][:2]
            said = {word.strip(".,?!'").lower() for word in line.text.split()}
            for clip in coming:
                assert not said & slot_words(clip.facts[clip.told])


def test_training_never_sees_the_held_out_share_and_blind_films_do():
    for film in FILMS:
        assert not {clip.shot.place for clip in film.clips} & set(HELD_OUT_PLACES)
        assert not {member.look for member in film.cast} & set(HELD_OUT_LOOKS)
        assert not {member.name for member in film.cast} & set(HELD_OUT_NAMES)
        things = [
            p for clip in film.clips for p in (*clip.shot.props, *(f.thing for f in clip.shot.figures if f.thing))
        ]
        assert not [p for p in things if held_out_pair(p.colour, p.kind)]
    blind = [make_film(BLIND_SEED + 1 + i) for i in range(12)]
    assert {clip.shot.place for film in blind for clip in film.clips} & set(HELD_OUT_PLACES)
    assert len(HELD_OUT_PLACES) == 6 and len(PLACES) == 16
    pairs = [held_out_pair(colour, kind) for colour in COLOURS for kind in OBJECTS]
    assert 0.12 <= sum(pairs) / len(pairs) <= 0.17


def test_pronouns_about_fifteen_in_a_hundred_and_only_for_the_last_person():
    clips = [clip for film in FILMS for clip in film.clips]
    assert 0.10 <= sum(clip.pronoun for clip in clips) / len(clips) <= 0.20
    for film in FILMS:
        for before, clip in zip(film.clips, film.clips[1:], strict=False):
            if clip.pronoun:
                assert before.facts[before.told].person == clip.facts[clip.told].person


def test_stills_keep_to_the_training_share():
    rng = random.Random(3)
    for _ in range(300):
        shot, progress, fact, text = make_still(rng)
        assert shot.place not in HELD_OUT_PLACES and 0 <= progress <= 1 and fact.action in ACTIONS and text
        assert not {figure.look for figure in shot.figures} & set(HELD_OUT_LOOKS)


@pytest.mark.parametrize(("seed", "preset", "ads"), [(-1, "clear", None), (1, "foggy", None), (1, "clear", 2)])
def test_bad_arguments_are_refused(seed, preset, ads):
    with pytest.raises(ValueError, match="expected"):
        make_film(seed, preset, ads)
