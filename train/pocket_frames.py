"""Drawn pocket clips as pixels, their frames kept on disk where a run asks for it: drawing costs more than looking."""

from __future__ import annotations

import functools
from pathlib import Path

from torch import Tensor

from datasets_scripts.pocket import draw
from datasets_scripts.pocket.world import Clip
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from train.frame_cache import FrameCache
from train.frame_squares import square_pixels, to_squares
from train.run_record import fingerprint


@functools.cache
def brush() -> str:
    """Fingerprint of the code that tells and draws pocket films."""
    folder = Path(draw.__file__).parent
    return fingerprint(*(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))))


def drawn_pixels(clip: Clip, processor: DistinctADProcessor, cache: FrameCache | None) -> Tensor:
    """Pixels of a clip's frames, drawn or from the cache, the same either way; brush and shot name an entry.

    Args:
        clip: of a pocket film.
        processor: says how many frames (at the midpoints of equal parts) and fits them to the tower.
        cache: of squares as they enter the tower, or None.

    Returns:
        (F, 3, H, W) float32, F = `processor.num_frames`.

    Raises:
        OSError: the cache cannot be written to.
    """
    count, images = processor.num_frames, processor.image_processor
    if cache is None:
        return processor.frame_pixels(draw.clip_frames(clip, count))
    own = (str(images.size), images.resample) if processor.frame_fit == "crop" else ()  # how the processor resizes
    key = FrameCache.key(brush(), repr(clip.shot), count, processor.frame_fit, processor.image_size, *own)
    squares = cache.get(key)
    if squares is None:
        squares = to_squares(processor, draw.clip_frames(clip, count))
        cache.put(key, squares)
    return square_pixels(processor, squares)
