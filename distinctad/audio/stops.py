"""When each description is heard, and where the extended film stops for those that fit nowhere.

The film stops in no sentence, but in one so long that the description would be too far from its picture. What is kept
free around a description there, a breath or the guard, lies in the pause and takes none of the film's time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from distinctad.audio.mix import Pause, Spot
from distinctad.planner_fit import BREATH_S, Fitted, Room, between_lines
from distinctad.subtitles import Speech

_END_S = 0.1  # the last pause comes so long before the end of the film


def placed(
    told: Sequence[tuple[Fitted, Room]],
    say: Callable[[str], np.ndarray],
    speech: Sequence[Speech],
    guard_s: float,
    duration_s: float,
) -> tuple[list[Spot], list[Spot], list[Pause]]:
    """Give every description its time in the film and in the extended version.

    Args:
        told: each description that is spoken, with its room.
        say: gives a text as sound.
        speech: when somebody speaks.
        guard_s: what is kept free beside dialogue, in seconds.
        duration_s: the film's length in seconds.

    Returns:
        The descriptions in the film's own time, those of the extended version in that one's, and its pauses, rising.
    """
    inline: list[Spot] = []
    later: list[Spot] = []
    pauses: list[Pause] = []
    order = sorted(told, key=lambda pair: pair[0].start_s)
    # Until when the film was spoken in or stopped, and when the next description may begin.
    delay_s = reached_s = ready_s = 0.0
    for i, (found, place) in enumerate(order):
        said = say(found.text)
        if found.how != "extended":
            inline.append(Spot(found.start_s, said))
            later.append(Spot(found.start_s + delay_s, said))
            reached_s, ready_s = found.end_s, found.end_s + BREATH_S
            continue
        following_s = order[i + 1][0].start_s - BREATH_S if i + 1 < len(order) else duration_s
        is_free = place.end_s > place.start_s and found.start_s >= place.start_s - 1e-3
        start_s = max(found.start_s, ready_s)
        if is_free:  # the film runs on under it for as long as it may
            stop_s = min(max(start_s, min(place.end_s, following_s)), place.free_to_s)
        else:  # somebody speaks where it starts: the film does not stop in the middle of a sentence
            stop_s = between_lines(found.start_s, speech)
        stop_s = min(max(stop_s, reached_s), duration_s - _END_S)
        if not is_free:
            start_s = max(stop_s + guard_s, ready_s)
        later.append(Spot(start_s + delay_s, said))
        rest_s = BREATH_S if is_free else max(BREATH_S, guard_s)
        length_s = max(0.0, start_s + found.spoken_s + rest_s - stop_s)
        if length_s > 0:
            pauses.append(Pause(round(stop_s, 3), round(length_s, 3)))
            delay_s += pauses[-1].length_s
        reached_s = ready_s = stop_s
    return inline, later, pauses
