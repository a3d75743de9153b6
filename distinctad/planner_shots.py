"""Shot cuts: where the picture changes at once, the anchors of descriptions.

Colour and brightness of small frames are compared; a cut stands out both by itself and against its neighbours, so that
pans and flicker are none. Source: the content and adaptive detectors of PySceneDetect, re-stated on frames that this
project's one decoder gives; thresholds own choice.
"""

from __future__ import annotations

from pathlib import Path

SAMPLES_HZ = 8.0  # frames looked at a second: a cut's time is known to 1/8 s
_SIZE = (48, 27)
_PIECE_S = 4.0
_LEAST, _RATIO = 12.0, 3.0  # of 255, and against the mean of the two differences on each side


def shot_cuts(film: Path, duration_s: float) -> list[float]:
    """Find a film's cuts.

    Args:
        film: the file.
        duration_s: its length in seconds.

    Returns:
        Times in seconds, rising: of the first sample after each cut.

    Raises:
        VideoError: if the film cannot be decoded.
    """
    import numpy as np

    from modeling_distinctad.video_distinctad import iter_clip_frames

    count = max(1, round(_PIECE_S * SAMPLES_HZ))
    step_s = 1.0 / SAMPLES_HZ
    pieces = [(at * _PIECE_S, (at + 1) * _PIECE_S) for at in range(int(duration_s / _PIECE_S) + 1)]
    before: np.ndarray | None = None
    differences: list[float] = []
    for frames in iter_clip_frames(film, pieces, count, _SIZE, mode="autoad"):
        for frame in frames:
            now = frame.astype(np.float32)
            differences.append(0.0 if before is None else float(np.abs(now - before).mean()))
            before = now
    cuts = []
    for i, difference in enumerate(differences):
        around = [*differences[max(0, i - 2) : i], *differences[i + 1 : i + 3]]
        usual = sum(around) / len(around) if around else 0.0
        if difference >= _LEAST and difference >= _RATIO * usual and i * step_s < duration_s:
            cuts.append(i * step_s)
    return cuts
