"""Narration over programme sound: where each description is heard, and the programme lowered under it.

The gain is a fixed envelope from the cues' times, no compressor: what is lowered, when and by how much can be
computed, tested and written down (as DAPT's `tta:gain` does). The ramps lie before and after the cue, where the guard
bands are (in the extended version rather in its pauses, see `stops`), so that no dialogue is lowered.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from distinctad.audio.sound import silence

LEVEL_DB = -20.0  # of the narration: root mean square against full scale, as speech is commonly set
CLEAR_DB = 10.0  # a voice that is less above what goes on behind it is hard to follow
_PEAK = 0.85
_CLICK_S = 0.02  # the programme fades so long where it is stopped and goes on


@dataclass(frozen=True)
class Spot:
    """One description as sound.

    Attributes:
        start_s: when it is heard.
        sound: (samples,) float32 at the programme's rate.
    """

    start_s: float
    sound: np.ndarray


@dataclass(frozen=True)
class Duck:
    """How the programme is lowered.

    Attributes:
        gain_db: inside a cue, negative. DAPT's example lowers by 8.2 dB.
        ramp_s: of the fall before and the rise after a cue.
    """

    gain_db: float = -10.0
    ramp_s: float = 0.15


@dataclass(frozen=True)
class Pause:
    """A stop of the film, for the extended version.

    Attributes:
        at_s: in the film's own time.
        length_s: how long.
    """

    at_s: float
    length_s: float


def levelled(sound: np.ndarray) -> np.ndarray:
    """Bring speech to `LEVEL_DB`, with no sample above 0.85.

    Args:
        sound: (samples,) float32.

    Returns:
        (samples,) float32.
    """
    rms = float(np.sqrt(np.mean(sound**2))) if sound.size else 0.0
    if rms == 0.0:
        return sound
    gain = min(10 ** (LEVEL_DB / 20) / rms, _PEAK / float(np.abs(sound).max()))
    return (sound * gain).astype(np.float32)


def levels_db(programme: Iterable[np.ndarray], stretches: Sequence[tuple[float, float]], rate_hz: int) -> list[float]:
    """Measure how loud the programme is in some stretches.

    Args:
        programme: (channels, samples) float32 blocks, from the film's start.
        stretches: (start, end) in seconds.
        rate_hz: samples a second.

    Returns:
        For each its root mean square against full scale, in dB, of silence -200.
    """
    powers, counts, near, first = [0.0] * len(stretches), [0] * len(stretches), _near(stretches, _CLICK_S), 0
    for block in programme:
        last = first + block.shape[1]
        for i in near(first / rate_hz, last / rate_hz):
            low, high = (min(max(round(time_s * rate_hz), first), last) - first for time_s in stretches[i])
            powers[i] += float(np.square(block[:, low:high]).sum())
            counts[i] += block[:, low:high].size
        first = last
    return [10 * math.log10(max(power / max(count, 1), 1e-20)) for power, count in zip(powers, counts, strict=True)]


def gain_at(times_s: np.ndarray, stretches: Iterable[tuple[float, float]], floor: float, ramp_s: float) -> np.ndarray:
    """The programme's gain at some times; where stretches meet, the lower one counts.

    Args:
        times_s: (samples,) seconds.
        stretches: (start, end) in seconds, where the gain is `floor`.
        floor: the gain inside, 0..1.
        ramp_s: length of the straight fall before and rise after.

    Returns:
        (samples,) float64 in floor..1.
    """
    gain = np.ones(times_s.size)
    for start_s, end_s in stretches:
        if times_s.size and start_s - ramp_s <= times_s[-1] and end_s + ramp_s >= times_s[0]:
            corners = (start_s - ramp_s, start_s, end_s, end_s + ramp_s)
            gain = np.minimum(gain, np.interp(times_s, corners, (1.0, floor, floor, 1.0)))
    return gain


def narration(spots: Sequence[Spot], rate_hz: int, samples: int) -> Iterator[np.ndarray]:
    """The descriptions alone, silence between them.

    Args:
        spots: the descriptions.
        rate_hz: samples a second.
        samples: of the whole track.

    Yields:
        (1, up to a second of samples) float32.
    """
    near = _near(_times(spots, rate_hz), _CLICK_S)
    for first in range(0, samples, rate_hz):
        count = min(rate_hz, samples - first)
        within = near(first / rate_hz, (first + count) / rate_hz)
        yield _heard([spots[i] for i in within], rate_hz, first, count)[None]


def _times(spots: Sequence[Spot], rate_hz: int) -> list[tuple[float, float]]:
    return [(spot.start_s, spot.start_s + spot.sound.size / rate_hz) for spot in spots]


def _near(stretches: Sequence[tuple[float, float]], margin_s: float) -> Callable[[float, float], list[int]]:
    """A search for the stretches that may touch a time, by number: no block looks at all those of a long film."""
    order = sorted(range(len(stretches)), key=lambda i: stretches[i])
    starts = [stretches[i][0] for i in order]
    longest_s = max((end_s - start_s for start_s, end_s in stretches), default=0.0)

    def touching(from_s: float, to_s: float) -> list[int]:
        return order[bisect_left(starts, from_s - longest_s - margin_s) : bisect_right(starts, to_s + margin_s)]

    return touching


def _heard(spots: Sequence[Spot], rate_hz: int, first: int, count: int) -> np.ndarray:
    """The narration's samples first..first+count."""
    track = np.zeros(count, np.float32)
    for spot in spots:
        at = round(spot.start_s * rate_hz) - first
        low, high = max(0, at), min(count, at + spot.sound.size)
        if low < high:
            track[low:high] += spot.sound[low - at : high - at]
    return track


def mixed(
    programme: Iterable[np.ndarray],
    spots: Sequence[Spot],
    rate_hz: int,
    duck: Duck | None = None,
    pauses: Sequence[Pause] = (),
) -> Iterator[np.ndarray]:
    """Lower the programme under the descriptions and add them.

    Args:
        programme: (channels, samples) float32 blocks, from the film's start.
        spots: the descriptions, in the time of what comes out.
        rate_hz: samples a second.
        duck: how far the programme is lowered.
        pauses: where the programme stops, in the film's time, rising.

    Yields:
        (channels, samples) float32; sums that may leave -1..1, see `sound.limited`.
    """
    duck = duck or Duck()
    inside = _times(spots, rate_hz)
    floor = 10 ** (duck.gain_db / 20)
    stopped = [(pause.at_s + ahead, pause.at_s + ahead + pause.length_s) for ahead, pause in _shifted(pauses)]
    near, near_stops = _near(inside, max(duck.ramp_s, _CLICK_S)), _near(stopped, _CLICK_S)
    first = 0
    for block in _stopping(programme, rate_hz, pauses):
        times_s = (first + np.arange(block.shape[1])) / rate_hz
        reach = first / rate_hz, (first + block.shape[1]) / rate_hz
        within = near(*reach)
        gain = gain_at(times_s, [inside[i] for i in within], floor, duck.ramp_s)
        gain *= gain_at(times_s, [stopped[i] for i in near_stops(*reach)], 0.0, _CLICK_S)
        track = _heard([spots[i] for i in within], rate_hz, first, block.shape[1])
        first += block.shape[1]
        yield block * gain.astype(np.float32) + track


def _shifted(pauses: Sequence[Pause]) -> Iterator[tuple[float, Pause]]:
    """Each pause with the seconds of pause before it."""
    ahead = 0.0
    for pause in pauses:
        yield ahead, pause
        ahead += pause.length_s


def _stopping(programme: Iterable[np.ndarray], rate_hz: int, pauses: Sequence[Pause]) -> Iterator[np.ndarray]:
    """The programme with silence put in at the pauses."""
    waiting = [(round(pause.at_s * rate_hz), round(pause.length_s * rate_hz)) for pause in pauses]
    first, channels = 0, 1
    for block in programme:
        channels = block.shape[0]
        while waiting and waiting[0][0] < first + block.shape[1]:
            at, length = waiting.pop(0)
            cut = max(0, at - first)
            if cut:
                yield block[:, :cut]
            yield from silence(channels, length, rate_hz)
            block, first = block[:, cut:], first + cut
        first += block.shape[1]
        if block.shape[1]:
            yield block
    for _, length in waiting:
        yield from silence(channels, length, rate_hz)


def delay(time_s: float, pauses: Sequence[Pause]) -> float:
    """Seconds by which what happens at `time_s` of the film comes later in the extended version."""
    return sum(pause.length_s for pause in pauses if pause.at_s <= time_s)


def delayed(start_s: float, end_s: float, pauses: Sequence[Pause]) -> tuple[float, float]:
    """When a stretch of the film comes in the extended version; one that a pause interrupts lasts through it.

    Args:
        start_s: in the film's own time.
        end_s: the same; a pause that begins with it comes after the stretch.
        pauses: where the film stops, in the film's own time.

    Returns:
        Start and end in seconds of the extended version.
    """
    return start_s + delay(start_s, pauses), end_s + sum(pause.length_s for pause in pauses if pause.at_s < end_s)
