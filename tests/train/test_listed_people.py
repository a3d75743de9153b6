"""Who is listed in a prompt: lists made from the truth, recognised people, long banks; and windows inside clips."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from train.arguments import parse_run
from train.collators import WindowCollator, WindowOptions, consecutive_windows, scheduled_windows
from train.listed_people import noisy_people, people_told, tell_people
from train.stage2 import Stage2Arguments, window_options


def test_people_told_are_those_that_the_cache_says() -> None:
    row = {"film": "7", "text": "Mara's dog greets Dr. Hale.", "names": ["Mara Lind", "Tom Hale", "Ann"]}
    assert people_told({**row, "told": [0, 1]}) == [0, 1]
    assert people_told({**row, "person": 2, "partner": -1}) == [2]
    with pytest.raises(ValueError, match="film 7: the cache says of no AD whom it names; make it again"):
        people_told(row)


def test_noisy_lists_look_like_recognition() -> None:
    rng, kept, told, listed = random.Random(0), 0, 0, 0
    for _ in range(2000):
        people = noisy_people([3, 7], cast=20, most=10, keep=0.66, strangers=1.32 * 7 / 3, rng=rng)
        assert len(people) == len(set(people)) <= 10 and all(0 <= p < 20 for p in people)
        assert people == sorted(people)  # not those told first
        kept, told, listed = kept + len({3, 7} & set(people)), told + 2, listed + len(people)
    assert kept / told == pytest.approx(0.66, abs=0.03) and kept / listed == pytest.approx(0.3, abs=0.03)
    assert len(noisy_people([0], cast=2, most=1, keep=1.0, strangers=9.0, rng=rng)) <= 1
    assert noisy_people([0], cast=3, most=9, keep=1.0, strangers=9.0, rng=rng) == [0, 1, 2]


def bare_cache(told: list[list[int]], cast: int, **cells: Any) -> Any:
    """Films of ten clips with nothing but people; every tenth clip is held out and names the whole cast."""
    rows: list[dict[str, Any]] = [
        {"film": f"{n // 10}", "text": "", "split": "train", "names": [f"N{i}" for i in range(cast)], "told": who}
        for n, who in enumerate(told)
    ]
    rows = [{**row, **cells} for row in rows]
    rows += [{**row, "film": "held", "split": "eval", "told": list(range(cast))} for row in rows[::10]]
    films: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        films.setdefault(row["film"], []).append(number)
    empty = torch.zeros(0, 4)
    return SimpleNamespace(rows=rows, films=films, frames=torch.zeros(len(rows), 1, 4), film_faces=lambda row: empty)


def listed_of(cache: Any, epoch: int, films: str | list[str], **options: Any) -> list[list[int]]:
    collator = WindowCollator(SimpleNamespace(), cache, WindowOptions(**options))
    return [people for film in films for people in collator._people(epoch, film, cache.films[film])]


@pytest.mark.parametrize(("recall", "precision"), [(0.66, 0.3), (0.9, 0.5)])
def test_noisy_lists_are_as_precise_as_asked_over_all_clips(recall: float, precision: float) -> None:
    rng = random.Random(5)
    told = [sorted(rng.sample(range(9), rng.choice((0, 0, 1, 1, 2)))) for _ in range(4000)]  # 40 % name nobody
    cache = bare_cache(told, cast=9)
    options = {"train_characters": "noisy", "max_people": 10, "shuffle_people": False}
    right = listed = 0
    strangers: dict[bool, list[int]] = {True: [], False: []}
    trained = [film for film in cache.films if film != "held"]
    found = listed_of(cache, 0, trained, **options, noisy_recall=recall, noisy_precision=precision)
    for own, people in zip(told, found, strict=True):
        right, listed = right + len({*people} & {*own}), listed + len(people)
        strangers[bool(own)].append(len({*people} - {*own}))
        assert people == sorted(people)
    assert right / sum(map(len, told)) == pytest.approx(recall, abs=0.03)
    assert right / listed == pytest.approx(precision, abs=0.03)
    some, nobody = (sum(counts) / len(counts) for counts in strangers.values())
    assert nobody == pytest.approx(some, abs=0.08)  # how many are listed does not tell whether anybody is named


@pytest.mark.parametrize(
    "wrong",
    [
        {"noisy_recall": 0.0}, {"noisy_precision": 1.5}, {"people_order": "random"}, {"recognised_people": 0},
    ],
)  # fmt: skip
def test_shares_and_orders_that_do_not_exist_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        WindowOptions(**wrong)


def test_recognised_people_are_chosen_by_score_and_stand_in_the_order_of_the_bank() -> None:
    cache = bare_cache([[0]] * 10, cast=5, predicted=[4, 0, 2])
    assert listed_of(cache, -1, "0", max_people=2) == [[4, 0]] * 10  # the pocket's: best first
    assert listed_of(cache, -1, "0", max_people=2, people_order="bank") == [[0, 4]] * 10
    assert listed_of(cache, 0, "0", max_people=2, people_order="bank", shuffle_people=False) == [[0, 4]] * 10
    shuffled = listed_of(cache, 0, "0", max_people=2, people_order="bank")
    assert sorted(map(sorted, shuffled)) == [[0, 4]] * 10 and [4, 0] in shuffled and [0, 4] in shuffled


def test_of_a_long_bank_only_the_first_ten_are_listed_unless_somebody_is_there() -> None:
    cache = bare_cache([[3, 12], []] * 500, cast=14)
    assert listed_of(cache, -1, "0", test_characters="all") == [list(range(10))] * 10
    assert listed_of(cache, -1, "0", test_characters="ground_truth") == [[3, 12], []] * 5
    noisy = listed_of(cache, 0, list(cache.films)[:-1], train_characters="noisy", max_people=10)
    assert {person for people in noisy for person in people} == {*range(10), 12}


def test_windows_of_clips_stay_inside_them() -> None:
    cache = bare_cache([[]] * 20, cast=2)
    with pytest.raises(ValueError, match="window_group is 'clip', but no clip is named in the cache's rows of film 0"):
        consecutive_windows(cache, ["0"], 4, "clip")
    with pytest.raises(ValueError, match="window_group is 'scene'; expected one of film, clip"):
        consecutive_windows(cache, ["0"], 4, "scene")
    for number, row in enumerate(cache.rows):
        row["clip"] = "abc"[min(number % 10 // 3, 2)]  # 3, 3 and 4 rows a film
    assert [len(rows) for _, _, rows in consecutive_windows(cache, ["0", "1"], 4)] == [4, 4, 2] * 2
    test = consecutive_windows(cache, ["0", "1"], 4, "clip")
    assert [(film, len(rows)) for _, film, rows in test] == [(film, n) for film in "01" for n in (3, 3, 4)]
    assert [number for _, _, rows in test for number in rows] == list(range(20))
    for sampling in ("consecutive", "random"):
        schedule = scheduled_windows(cache, ["0", "1"], 4, 1, 2, sampling, "clip")
        assert sorted(n for epoch, _, rows in schedule for n in rows if epoch == 1) == list(range(20))
        for _, film, rows in schedule:
            assert len({(cache.rows[n]["film"], cache.rows[n]["clip"]) for n in rows}) == 1
            assert {cache.rows[n]["film"] for n in rows} == {film}


REAL = sorted((Path(__file__).resolve().parents[2] / "train" / "configs").glob("[!p]*_clip*_*.yaml"))


def portrayed_cache(cast: int) -> Any:
    """`bare_cache` whose people all have portraits, and frames of nobody in particular."""
    cache = bare_cache([[0], [3], []] * 20, cast)
    noise = torch.Generator().manual_seed(3)
    faces = torch.randn(cast, 8, generator=noise)
    cache.frames, cache.film_faces = torch.randn(len(cache.rows), 2, 8, generator=noise), lambda row: faces
    return cache


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_our_recognition_lists_as_many_as_training_does_not_the_whole_cast(path: Path) -> None:
    options = window_options(parse_run(Stage2Arguments, [str(path)])[0], 1)
    cache = portrayed_cache(12)
    collator = WindowCollator(SimpleNamespace(), cache, options)
    test = consecutive_windows(cache, ["0", "1", "2"], 16)
    predicted = [people for _, people in collator.listed(test)]
    collator.options.test_characters = "all"
    everybody = [people for _, people in collator.listed(test)]
    assert all(people == list(range(10)) for people in everybody)
    assert {len(people) for people in predicted} == {2} and len(set(map(tuple, predicted))) > 2
    collator.options.test_characters = "predicted"
    schedule = scheduled_windows(cache, ["3", "4", "5"], 16, 1, 40)
    (line,) = tell_people(collator, schedule, test)
    assert line.endswith(", test 2.0, of 10.0 in the cast")
    listed = float(line.split("training ")[1].split(",")[0])
    assert listed == pytest.approx(0.66 * (2 / 3) / 0.3, abs=0.25)  # two in three ADs name somebody: 1.5


def test_lists_that_tell_nothing_of_a_clip_are_told() -> None:
    cache = portrayed_cache(8)
    test = consecutive_windows(cache, ["0", "1", "2"], 16)

    def told(**options: Any) -> list[str]:
        return tell_people(WindowCollator(SimpleNamespace(), cache, WindowOptions(**options)), [], test)

    whole = {"max_people": 10, "recognised_people": 10, "people_order": "bank"}
    line, warning = told(**whole)
    assert line == "people listed a clip: training 0.0, test 8.0, of 8.0 in the cast"
    assert "test_characters: predicted, but all clips of a film list the same people" in warning
    assert len(told(**whole | {"people_order": "best"})) == 1  # there the order tells
    assert len(told(**whole | {"test_characters": "all"})) == 1 and len(told(**whole | {"recognised_people": 2})) == 1
    for row in cache.rows:
        row["predicted"] = []
    assert len(told(**whole)) == 2  # nobody, everywhere


def test_recognised_people_of_pocket_runs_are_three_best_first() -> None:
    from modeling_distinctad.recognition_distinctad import recognise

    cache = portrayed_cache(5)
    (window,) = consecutive_windows(cache, ["0"], 16)
    frames = cache.frames[window[2]]
    best = recognise(frames, torch.ones(frames.shape[:2], dtype=torch.bool), cache.film_faces(None), 3)
    collator = WindowCollator(SimpleNamespace(), cache, window_options(Stage2Arguments(), 1))
    assert [people for _, people in collator.listed([window])] == [[who for who, _ in people] for people in best]
    assert len(collator.listed([window])[0][1]) == 3
    for more, count in (({"max_people": 5}, 5), ({"max_people": 5, "recognised_people": 2}, 2), ({"max_people": 1}, 1)):
        options = window_options(Stage2Arguments(**more), 1)
        assert len(WindowCollator(SimpleNamespace(), cache, options).listed([window])[0][1]) == count
