"""Many frames on one sheet with captions: for the documentation and for looking at what was drawn."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from datasets_scripts.pocket.draw import draw_shot
from datasets_scripts.pocket.world import Shot

_CAPTION = 18  # pixels under every tile
_PAPER, _INK = 250, (40, 40, 48)


def contact_sheet(shots: Sequence[tuple[Shot, float, str]], columns: int, tile_width: int) -> np.ndarray:
    """Frames in rows with a caption under each.

    Args:
        shots: (shot, progress 0..1, caption in ASCII).
        columns: tiles in a row.
        tile_width: pixels; tiles are 16:9.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        ValueError: no shots, or fewer than one column, or tiles narrower than 32 pixels.
    """
    if not shots or columns < 1 or tile_width < 32:
        raise ValueError(
            f"got {len(shots)} shots, {columns} columns, tiles of {tile_width} pixels; expected at least 1, 1 and 32"
        )
    tile_height = round(tile_width * 9 / 16)
    rows = -(-len(shots) // columns)
    gap = 4
    height, width = rows * (tile_height + _CAPTION + gap) + gap, columns * (tile_width + gap) + gap
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    size = min(0.4, tile_width / 500)
    for i, (shot, progress, caption) in enumerate(shots):
        top = gap + (i // columns) * (tile_height + _CAPTION + gap)
        left = gap + (i % columns) * (tile_width + gap)
        sheet[top : top + tile_height, left : left + tile_width] = draw_shot(shot, progress, tile_width, tile_height)
        base = (left + 2, top + tile_height + 13)
        cv2.putText(sheet, caption, base, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
    return sheet
