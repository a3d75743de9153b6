"""Drawn frames of pocket clips, kept on disk where a run asks for it: drawing costs more than looking."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from datasets_scripts.pocket import draw
from datasets_scripts.pocket.world import Clip
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from train.clip_items import to_squares
from train.frame_cache import FrameCache
from train.run_record import fingerprint


@functools.cache
def brush() -> str:
    """Fingerprint of the code that tells and draws pocket films."""
    folder = Path(draw.__file__).parent
    return fingerprint(*(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))))


def drawn_frames(clip: Clip, processor: DistinctADProcessor, cache: FrameCache | None) -> list[Any]:
    """Frames of a clip, drawn, or their squares from the cache; the brush and the shot name an entry.

    Args:
        clip: of a pocket film.
        processor: says how many frames (at the midpoints of equal parts) and fits them to the tower; its output is the
            same for frames and for squares.
        cache: of squares as they enter the tower, or None.

    Returns:
        `processor.num_frames` pictures (H, W, 3) uint8 for `processor.frame_pixels`.
    """
    count = processor.num_frames
    if cache is None:
        return draw.clip_frames(clip, count)
    key = FrameCache.key(brush(), repr(clip.shot), count, processor.frame_fit, processor.image_size)
    squares = cache.get(key)
    if squares is None:
        squares = to_squares(processor, draw.clip_frames(clip, count))
        cache.put(key, squares)
    return list(squares)
