"""Every description gets a time in which nobody speaks: as it is, shortened, moved, or left to the extended version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from datasets_scripts.words import distinctive_words
from distinctad.choose import MEMORY, WEIGHT, Candidate, choose, repetition
from distinctad.intervals import GapRules, Interval, speech_gaps
from distinctad.planner_rate import Rate
from distinctad.shorten import shorten
from distinctad.subtitles import Speech

BREATH_S = 0.2  # between two descriptions in one gap; describers' measured pauses for breath are 0.19 s
MOST_MOVE_S = 4.0  # a description farther from its picture tells of something else
SHORTENED_COST = 0.5  # in score, for a text of which nothing is left
_NEIGHBOURS = 4  # to each side: what a distinctive word is compared with
_SURE = 0.75  # a text whose prediction is over the limit even at three quarters is not measured


@dataclass(frozen=True)
class Room:
    """Where one description may be heard.

    Attributes:
        start_s: of its own time, in seconds.
        end_s: of its own time; equal to `start_s` where somebody speaks throughout.
        free_from_s: since when nobody speaks (guard band taken off).
        free_to_s: until when.
    """

    start_s: float
    end_s: float
    free_from_s: float
    free_to_s: float


@dataclass(frozen=True)
class Fitted:
    """One description in its place.

    Attributes:
        text: what is said.
        draft: the candidate that it comes from, whole.
        start_s: when it starts, in seconds.
        spoken_s: how long it takes.
        how: "whole", "shortened", "moved", "moved, shortened", or "extended": only the version with pauses says it.
        others: the candidates that were not chosen.
    """

    text: str
    draft: str
    start_s: float
    spoken_s: float
    how: str
    others: tuple[str, ...]

    @property
    def end_s(self) -> float:
        """When it ends, in seconds."""
        return self.start_s + self.spoken_s


def rooms(intervals: Iterable[Interval], speech: Sequence[Speech], duration_s: float, rules: GapRules) -> list[Room]:
    """Find for each interval the part in which nobody speaks.

    Args:
        intervals: what is described, in order of time.
        speech: when somebody speaks.
        duration_s: the film's length in seconds.
        rules: the guard band.

    Returns:
        One room an interval: the longest stretch without speech inside of it, and the free time around.
    """
    every = replace(rules, min_gap_s=max(0.05, 2 * rules.guard_s + 0.05), max_length_s=duration_s + 1.0)
    free = [(gap.start_s, gap.end_s) for gap in speech_gaps(speech, duration_s, every)]
    found = []
    for interval in intervals:
        parts = [(max(a, interval.start_s), min(b, interval.end_s), a, b) for a, b in free]
        start_s, end_s, from_s, to_s = max(parts, key=lambda part: part[1] - part[0], default=(0.0, 0.0, 0.0, 0.0))
        if end_s <= start_s:
            found.append(Room(*[interval.start_s] * 4))
        else:
            found.append(Room(start_s, end_s, from_s, to_s))
    return found


def between_lines(time_s: float, speech: Iterable[Speech]) -> float:
    """Find where the film may stop: the nearest time at which no line of dialogue is cut in two.

    Args:
        time_s: about when, in seconds.
        speech: when somebody speaks.

    Returns:
        The time itself where nobody speaks, or where speech lasts for longer than a description may be moved.
    """
    runs: list[list[float]] = []
    for line in sorted(speech, key=lambda line: line.start_s):
        if runs and line.start_s < runs[-1][1]:
            runs[-1][1] = max(runs[-1][1], line.end_s)
        else:
            runs.append([line.start_s, line.end_s])
    for run in runs:
        if run[0] < time_s < run[1]:
            nearest = min(run, key=lambda edge_s: abs(edge_s - time_s))
            return nearest if abs(nearest - time_s) <= MOST_MOVE_S else time_s
    return time_s


def fit(
    places: Sequence[Room],
    candidates: Sequence[Sequence[tuple[str, float]]],
    seconds: Callable[[str], float],
    rate: Rate,
    names: Iterable[str] = (),
) -> list[Fitted]:
    """Choose a text for every room and give it its time.

    First the film-level choice (`choose`) among all candidates and, of those too long, their shortened forms. Where
    nothing fits, the best candidate that the free time left by its neighbours has room for is moved there, by score
    less repetition of the texts around it; where none has room the first is left to the extended version.

    Args:
        places: one an interval, in order of time.
        candidates: for each its texts with scores, best first, at least one.
        seconds: measures a text: by the voice itself, or predicted.
        rate: predicts; spares measuring what is far too long.
        names: the cast's, no distinctive words.

    Returns:
        One fitted description a room, in the rooms' order.
    """
    texts = [options[0][0] for options in candidates]
    keep = _distinctive(texts, list(names))
    budgets = [_budget_s(places, i) for i in range(len(places))]

    def within(limit_s: float) -> Callable[[str], bool]:
        return lambda text: _SURE * rate.seconds(text) <= limit_s and seconds(text) <= limit_s

    options = [
        _options(texts_of, own, within(budget), seconds)
        for texts_of, own, budget in zip(candidates, keep, budgets, strict=True)
    ]
    chosen = choose([[option for option, _ in found] for found in options], budgets)
    fitted: list[Fitted | None] = []
    for i, pick in enumerate(chosen):
        others = tuple(text for text, _ in candidates[i])
        if pick is None:
            fitted.append(None)
            continue
        option, draft = options[i][pick]
        how = "whole" if option.text == draft else "shortened"
        rest = tuple(text for text in others if text != draft)
        fitted.append(Fitted(option.text, draft, places[i].start_s, option.seconds, how, rest))
    for i, place in enumerate(places):
        if fitted[i] is None:
            fitted[i] = _moved(i, place, fitted, candidates[i], keep[i], within, seconds)
    return [found for found in fitted if found is not None]


def _distinctive(texts: Sequence[str], names: list[str]) -> list[set[str]]:
    found = []
    for i in range(len(texts)):
        first = max(0, i - _NEIGHBOURS)
        found.append(distinctive_words(texts[first : i + _NEIGHBOURS + 1], names)[i - first])
    return found


def _budget_s(places: Sequence[Room], i: int) -> float:
    """A room's length; less a breath where the next one follows at once."""
    place = places[i]
    follows = i + 1 < len(places) and places[i + 1].start_s - place.end_s < BREATH_S
    return max(0.0, place.end_s - place.start_s - (BREATH_S if follows else 0.0))


def _options(
    candidates: Sequence[tuple[str, float]],
    keep: set[str],
    fits: Callable[[str], bool],
    seconds: Callable[[str], float],
) -> list[tuple[Candidate, str]]:
    """What may be said in a room, each with the draft that it comes from; nothing that does not fit."""
    found = []
    for text, score in candidates:
        cut = shorten(text, fits, keep)
        if cut is not None:
            cost = SHORTENED_COST * (1.0 - len(cut) / len(text)) if cut != text else 0.0
            found.append((Candidate(cut, score - cost, seconds(cut)), text))
    return found


def _moved(
    i: int,
    place: Room,
    fitted: Sequence[Fitted | None],
    candidates: Sequence[tuple[str, float]],
    keep: set[str],
    within: Callable[[float], Callable[[str], bool]],
    seconds: Callable[[str], float],
) -> Fitted:
    """Put a description that does not fit its own time into the free time around, or leave it out."""
    said = [found for found in fitted if found is not None and found.how != "extended"]
    before = [found for found in said if found.start_s <= place.start_s]
    after = [found for found in said if found.start_s > place.start_s]
    low = max([place.free_from_s, *(found.end_s + BREATH_S for found in before)])
    high = min([place.free_to_s, *(found.start_s - BREATH_S for found in after)])
    low, high = max(low, place.start_s - MOST_MOVE_S), min(high, place.end_s + MOST_MOVE_S)
    if place.end_s > place.start_s and high > low:

        def value(option: Candidate) -> float:
            again = sum(repetition(found.text, option.text) for found in before[-MEMORY:])
            again += sum(repetition(option.text, found.text) for found in after[:MEMORY])
            return option.score - WEIGHT * again

        options = _options(candidates, keep, within(high - low), seconds)
        if options:
            option, draft = max(options, key=lambda each: value(each[0]))
            # As near to its own start as can be, and rather before the picture than after it.
            start_s = min(max(low, place.start_s), high - option.seconds)
            how = "moved" if option.text == draft else "moved, shortened"
            rest = tuple(text for text, _ in candidates if text != draft)
            return Fitted(option.text, draft, start_s, option.seconds, how, rest)
    draft = candidates[0][0]
    return Fitted(draft, draft, place.start_s, seconds(draft), "extended", tuple(text for text, _ in candidates[1:]))
