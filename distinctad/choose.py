"""One choice for the whole film: a candidate for every clip, so that the track as a whole says the most new things.

Each clip comes with several candidates (a model's beams, or what other searches gave). The best sequence maximises the
sum of the candidates' scores minus what each repeats of the last k descriptions, and every candidate fits its own time.
Solved exactly by dynamic programming over the last k choices (Viterbi of order k): with M candidates a clip M^k states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from datasets_scripts.words import CLOSED_CLASS, words

MEMORY = 3  # descriptions that a listener still has in the ear; own choice
WEIGHT = 1.0  # of a full repetition against a difference of one in score
_Path = tuple["_Path", int | None] | None  # the choices before, and the newest


@dataclass(frozen=True)
class Candidate:
    """One text that could be said.

    Attributes:
        text: the text.
        score: the higher the better; the scale is the model's (log-probability a token).
        seconds: how long it takes to say.
    """

    text: str
    score: float
    seconds: float


def repetition(before: str, now: str) -> float:
    """How much of a text was said before: 0 nothing, 1 everything.

    The mean of two shares of `now`: content words that stand in `before`, and pairs of neighbouring words that do.
    Own choice; names are content words here, as a listener hears them again too.

    Args:
        before: an earlier text.
        now: the text.

    Returns:
        0..1; 0 for a text without words.
    """
    return _repetition(tuple(words(before)), tuple(words(now)))


@lru_cache(4096)  # the pairs of the last texts said; without a bound every film ever done would stay
def _repetition(before: tuple[str, ...], now: tuple[str, ...]) -> float:
    content = set(now) - CLOSED_CLASS
    pairs = set(zip(now, now[1:], strict=False))
    same = len(content & set(before)) / len(content) if content else 0.0
    pairs_before = set(zip(before, before[1:], strict=False))
    return 0.5 * same + 0.5 * (len(pairs & pairs_before) / len(pairs) if pairs else same)


def choose(
    candidates: Sequence[Sequence[Candidate]],
    budgets_s: Sequence[float],
    memory: int = MEMORY,
    weight: float = WEIGHT,
) -> list[int | None]:
    """Choose one candidate a clip.

    Maximises sum(score) - weight * sum over every chosen text of its `repetition` of each of the last `memory` texts
    said before it. A clip where nothing fits stays silent (None) and does not count as said.

    Args:
        candidates: for each clip, in order of time.
        budgets_s: seconds that each clip's text may take.
        memory: k, how many texts back repetition counts.
        weight: of repetition.

    Returns:
        For each clip the chosen candidate's index, or None. Among equal sequences the one whose indices are smallest.

    Raises:
        ValueError: if the two lists differ in length, or `memory` or `weight` is negative.
    """
    if len(candidates) != len(budgets_s) or memory < 0 or weight < 0:
        sizes = f"{len(candidates)} clips, {len(budgets_s)} budgets, memory {memory}, weight {weight}"
        raise ValueError(f"{sizes}; expected as many budgets as clips and nothing negative; correct them")
    # A state is the last texts said; for each the best total and the choices so far, the last one outermost.
    states: dict[tuple[str, ...], tuple[float, _Path]] = {(): (0.0, None)}
    for options, budget_s in zip(candidates, budgets_s, strict=True):
        fitting = [i for i, option in enumerate(options) if option.seconds <= budget_s]
        if not fitting:
            states = {said: (total, (path, None)) for said, (total, path) in states.items()}
            continue
        reached: dict[tuple[str, ...], tuple[float, _Path]] = {}
        for said, (total, before) in states.items():
            for i in fitting:
                text = options[i].text
                value = total + options[i].score - weight * sum(repetition(earlier, text) for earlier in said)
                state = (*said, text)[-memory:] if memory else ()
                path: _Path = (before, i)
                if state not in reached or _better(value, path, *reached[state]):
                    reached[state] = (value, path)
        states = reached
    best = next(iter(states.values()))
    for value, path in states.values():
        if _better(value, path, *best):
            best = (value, path)
    return _unrolled(best[1])


def _unrolled(path: _Path) -> list[int | None]:
    indices: list[int | None] = []
    while path is not None:
        path, index = path
        indices.append(index)
    return indices[::-1]


def _better(value: float, path: _Path, than: float, than_path: _Path) -> bool:
    """Whether a path is worth more; on a tie (to rounding) whether its indices are smaller."""
    if abs(value - than) > 1e-9:
        return value > than
    one, other = ([-1 if i is None else i for i in _unrolled(each)] for each in (path, than_path))
    return one < other
