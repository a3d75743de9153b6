"""Pictures as they enter the tower, before scaling: what caches of frames keep, and the way back to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor


def square_pixels(processor: Any, squares: np.ndarray) -> Tensor:
    """Scale and normalise squares of `to_squares`, which are neither resized nor cropped again.

    Args:
        processor: that made them.
        squares: (n, H, W, 3) uint8.

    Returns:
        (n, 3, H, W) float32, what its `frame_pixels` gives for the pictures themselves.
    """
    fitted = {"do_resize": False, "do_center_crop": False}
    pictures = [Image.fromarray(square) for square in squares]
    return processor.image_processor(pictures, return_tensors="pt", **fitted)["pixel_values"].float()


def to_squares(processor: Any, pictures: Sequence[Any]) -> np.ndarray:
    """Pictures fitted to the tower's square, before scaling: what a cache stores.

    The processor's own output is scaled back, which is exact: its steps are far finer than half a grey level. So every
    `frame_fit` and image processor gives the same pixels with a cache as without one (see `square_pixels`).

    Args:
        processor: with `frame_pixels` and `image_processor`.
        pictures: n pictures, PIL or uint8 (H, W, 3).

    Returns:
        (n, H, W, 3) uint8.
    """
    images = processor.image_processor
    values = processor.frame_pixels(pictures).numpy().transpose(0, 2, 3, 1).astype(np.float64)
    if images.do_normalize:
        values = values * np.asarray(images.image_std) + np.asarray(images.image_mean)
    if images.do_rescale:
        values = values / images.rescale_factor
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
