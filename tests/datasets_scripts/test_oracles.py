import dataclasses

import pytest
from pocket_films import DANCE, DROP, GIVE, JUMP, tiny_film

from datasets_scripts.pocket import oracles
from datasets_scripts.pocket.story import make_film


def test_rarest_facts_by_hand():
    clips = tiny_film().clips
    assert oracles.rarest_facts(clips[0], clips) == [JUMP]  # DANCE is in three clips
    assert oracles.rarest_facts(clips[2], clips) == [DROP]
    assert oracles.rarest_facts(clips[0], clips[:1]) == [JUMP, DANCE]  # a tie
    assert oracles.any_fact(clips[3], clips) == [GIVE]


def test_what_one_clip_gives_away_by_hand():
    clips = tiny_film().clips
    both_dance = dataclasses.replace(clips[0], facts=(DANCE, JUMP, dataclasses.replace(DANCE, person=2)))
    with_partner = dataclasses.replace(clips[0], facts=(DANCE, GIVE))
    assert oracles.likely_facts(both_dance, clips) == [JUMP]  # nobody's news is what another does too
    assert oracles.likely_facts(with_partner, clips) == [GIVE]  # habits are for one person
    assert oracles.likely_facts(clips[0], clips) == [JUMP, DANCE]  # nothing to tell them apart by
    alike = dataclasses.replace(clips[0], facts=(DANCE, dataclasses.replace(DANCE, person=2)))
    assert oracles.likely_facts(alike, clips) == list(alike.facts)


def test_whoever_knows_the_stories_guesses_better_from_one_clip():
    films = [make_film(seed, "crowded") for seed in range(20)]
    single, knowing = oracles.single_clip_oracle(films), oracles.knowing_clip_oracle(films)
    assert single + 0.05 < knowing < oracles.window_oracle(films) - oracles.WINDOW_GAIN
    report = oracles.check(films)
    assert report["gates"]["single-clip recall"]["value"] == report["knowing_clip"] == pytest.approx(knowing)
    control = [make_film(seed, "crowded_control") for seed in range(5)]  # no habits: nothing to know
    assert oracles.knowing_clip_oracle(control) == oracles.single_clip_oracle(control)


def test_recalls_by_hand():
    # Distinctive slot words: "jumps"; "kicks red ball"; "dances"; "gives book". Seven words.
    # Alone: 1/2, 3/2, 1/2, 2. In the window: 1, 3, 0 (the constant fact is told), 2.
    film = tiny_film()
    assert oracles.single_clip_oracle([film]) == pytest.approx(4.5 / 7)
    assert oracles.window_oracle([film]) == pytest.approx(6 / 7)
    # Windows of one clip know nothing more than the clip.
    assert oracles.window_oracle([film], size=1) == pytest.approx(oracles.single_clip_oracle([film], size=1))


def test_told_words_are_measured_as_the_oracles_are():
    # "jumps" and the book are said, the kick is not, the dance neither: 3 of the seven words.
    film = tiny_film()
    said = [oracles.told_words(JUMP), set(), oracles.told_words(DROP), oracles.told_words(GIVE)]
    assert oracles.told_recall([film], {film.seed: said}) == pytest.approx(3 / 7)
    meant = [oracles.told_words(clip.facts[clip.told]) for clip in film.clips]
    assert oracles.told_recall([film], {film.seed: meant}) == 1.0
    assert oracles.told_recall([film], {film.seed: [set()] * 4}) == 0.0


def test_an_equal_ad_takes_its_words_away():
    film = tiny_film()
    twin = dataclasses.replace(film.clips[3], text="Zoë  JUMPS")
    film = dataclasses.replace(film, clips=(*film.clips[:3], twin))
    figures = oracles.text_figures([film])
    assert figures["equal_windows"] == 1.0 and figures["equal_pairs"] == pytest.approx(1 / 6)
    assert figures["distinctive"] == 0.5
    report = oracles.check([film])
    assert not report["passed"]
    assert not report["gates"]["windows with two equal ADs"]["passed"]
    assert not report["gates"]["ADs with distinctive words"]["passed"]


def test_text_figures_and_chance_by_hand():
    figures = oracles.text_figures([tiny_film()])
    assert (figures["words_min"], figures["words_max"], figures["words_mean"]) == (2, 5, 3.5)
    assert figures["types"] == 10 and figures["novel"] == 0.75  # jumps she kicks a red ball dances gives the book
    chance = oracles.chance_levels([tiny_film()])
    assert chance == {
        "character": pytest.approx(1 / 3), "partner": 0.5, "action": 0.25, "object": 0.5, "colour": 1.0, "place": 0.0,
        "light": 0.0,
    }  # fmt: skip


def test_gates_for_crowded_only():
    film = tiny_film()
    assert len(oracles.check([film])["gates"]) == 4
    clear = dataclasses.replace(film, preset="clear")
    assert len(oracles.check([clear])["gates"]) == 2
    with pytest.raises(ValueError, match="one preset"):
        oracles.check([film, clear])
    with pytest.raises(ValueError, match="0 films"):
        oracles.check([])


def test_a_film_whose_ads_tell_constants_fails_the_window_gate():
    film = tiny_film()
    told = (1, 0, 0, 0)
    clips = tuple(dataclasses.replace(c, told=t) for c, t in zip(film.clips, told, strict=True))
    texts = ("Bo dances.", "Bo sways to the music.", "Bo twirls around.", "Bo gives Cy the book.")
    clips = tuple(dataclasses.replace(c, text=t) for c, t in zip(clips, texts, strict=True))
    report = oracles.check([dataclasses.replace(film, clips=clips)])
    assert report["window"] < report["single_clip"]
    assert not report["gates"]["window recall above single-clip"]["passed"]


@pytest.mark.parametrize("preset", ["clear", "crowded"])
def test_the_story_s_films_pass(preset):
    report = oracles.check([make_film(seed, preset) for seed in range(20)])
    assert report["passed"], report["gates"]
