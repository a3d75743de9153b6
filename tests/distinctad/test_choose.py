from __future__ import annotations

import itertools
import random

import pytest

from distinctad.choose import MEMORY, WEIGHT, Candidate, choose, repetition


def brute_force(
    clips: list[list[Candidate]], budgets_s: list[float], memory: int, weight: float
) -> tuple[float, list[int | None]]:
    """Try every sequence; written from the definition, without looking at the program."""
    best: tuple[float, list[int | None]] | None = None
    for picks in itertools.product(*(range(len(options)) for options in clips)):
        path: list[int | None] = []
        said: list[str] = []
        value, allowed = 0.0, True
        for options, budget_s, pick in zip(clips, budgets_s, picks, strict=True):
            if not any(option.seconds <= budget_s for option in options):
                path.append(None)
                continue
            option = options[pick]
            allowed &= option.seconds <= budget_s
            recent = said[len(said) - memory :] if memory and len(said) > memory else said if memory else []
            value += option.score - weight * sum(repetition(earlier, option.text) for earlier in recent)
            said.append(option.text)
            path.append(pick)
        if allowed and (best is None or value > best[0] + 1e-9):
            best = (value, path)
    assert best is not None
    return best


def worth(texts: list[Candidate | None], memory: int = MEMORY, weight: float = WEIGHT) -> float:
    """What a finished sequence is worth, by the measure that `choose` maximises; None is silence."""
    said: list[str] = []
    total = 0.0
    for option in texts:
        if option is not None:
            recent = said[-memory:] if memory else []
            total += option.score - weight * sum(repetition(earlier, option.text) for earlier in recent)
            said.append(option.text)
    return total


WORDS = "Mara Tom runs jumps waits the a red blue cup door and with slowly".split()


def test_equal_to_brute_force_on_500_random_cases() -> None:
    rng = random.Random(7)
    silent = repeated = 0
    for _ in range(500):
        clips = [
            [
                Candidate(" ".join(rng.choices(WORDS, k=rng.randint(1, 5))), rng.gauss(0, 0.5), rng.uniform(0.5, 3))
                for _ in range(rng.randint(1, 3))
            ]
            for _ in range(rng.randint(1, 4))
        ]  # fmt: skip
        budgets = [rng.uniform(0.4, 3.5) for _ in clips]
        memory, weight = rng.randint(0, 3), rng.choice([0.0, 0.5, 1.0, 2.0])
        value, path = brute_force(clips, budgets, memory, weight)
        found = choose(clips, budgets, memory, weight)
        said = [None if pick is None else options[pick] for options, pick in zip(clips, found, strict=True)]
        assert worth(said, memory, weight) == pytest.approx(value, abs=1e-9)
        assert [pick is None for pick in found] == [pick is None for pick in path]
        silent += None in found
        repeated += found != [max(range(len(c)), key=lambda i: (c[i].score, -i)) for c in clips]
    assert silent > 50 and repeated > 100  # the cases are not all easy


def test_nothing_overruns_its_time() -> None:
    clips = [[Candidate("Mara runs very far.", 9.0, 2.0), Candidate("Mara runs.", 0.0, 0.9)]]
    assert choose(clips, [1.0]) == [1] and choose(clips, [2.0]) == [0] and choose(clips, [0.5]) == [None]


def test_repetition_is_avoided_where_the_score_allows_it() -> None:
    again, other = Candidate("Mara lifts the cup.", 0.0, 1.0), Candidate("Tom opens the door.", -0.5, 1.0)
    assert choose([[again], [again, other]], [1.0] * 2) == [0, 1]
    assert choose([[again], [again, other], [again, other]], [1.0] * 3, memory=1) == [0, 1, 0]
    assert choose([[again], [again, other]], [1.0] * 2, weight=0.1) == [0, 0]


def test_silence_does_not_wipe_the_memory() -> None:
    again, other = Candidate("Mara lifts the cup.", 0.0, 1.0), Candidate("Tom opens the door.", -0.5, 1.0)
    long = Candidate("Too long.", 0.0, 9.0)
    assert choose([[again], [long], [again, other]], [1.0] * 3, memory=1) == [0, None, 1]


def test_repetition_by_hand() -> None:
    assert repetition("Mara lifts the cup.", "Mara lifts the cup.") == 1.0
    assert repetition("Mara lifts the cup.", "Tom opens a door.") == 0.0
    # content words mara, drops, cup: two of three; pairs mara drops, drops the, the cup: one of three
    assert repetition("Mara lifts the cup.", "Mara drops the cup.") == pytest.approx(0.5 * 2 / 3 + 0.5 / 3)
    assert repetition("anything", "...") == 0.0


def test_a_fixture_with_doubled_clips_repeats_less() -> None:
    rng = random.Random(3)
    clips = []
    for _ in range(30):
        noun = rng.choice(["cup", "hat", "door", "lamp"])
        options = [Candidate(f"Mara takes the {noun} from the table.", 0.0, 1.0)]
        verbs = rng.sample(["lifts", "drops", "holds"], 2)
        options += [Candidate(f"She {verb} a red {noun}.", -0.1, 1.0) for verb in verbs]
        clips.append(options)
    alone = worth([options[0] for options in clips])
    chosen = choose(clips, [2.0] * len(clips))
    together = worth([options[pick] for options, pick in zip(clips, chosen, strict=True) if pick is not None])
    assert together - alone > 10.0


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="as many budgets as clips"):
        choose([[]], [])
    with pytest.raises(ValueError, match="memory -1"):
        choose([], [], memory=-1)
    assert choose([], []) == []
