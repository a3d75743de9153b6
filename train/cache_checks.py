"""Whether a feature cache is a Stage II run's own: its tower, its frames' fit and width, and what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets_scripts.builders import contents_sha256
from train.features import FEATURES, ROWS
from train.run_record import fingerprint


def cache_sha256(folder: str) -> str:
    """Fingerprint of a cache's features and rows, wherever it lies and whatever it says of itself."""
    return fingerprint(*(contents_sha256(Path(folder) / name) for name in (FEATURES, ROWS)))


def cache_contradictions(arguments: Any, cache: Any, tower: str | None, width: int | None = None) -> list[str]:
    """What of a cache contradicts a run, a line each.

    Args:
        arguments: `Stage2Arguments`.
        cache: its `FeatureCache`.
        tower: hash of the weights of the run's vision tower; None: they are not at hand.
        width: C of the run's vision tower, for where its weights are not.
    """
    found = []
    fit = cache.meta.get("frame_fit", arguments.frame_fit)  # older caches do not say
    if fit != arguments.frame_fit:  # the saved processor would fit what is described in another way
        found.append(
            f"frame_fit is {arguments.frame_fit!r} and {arguments.features} was made with {fit!r}; expected the same; "
            f"set --frame_fit {fit}, or encode the films again"
        )
    if tower not in (None, cache.meta["tower"]):
        found.append(f"{arguments.features} was made by another tower than {arguments.clip}; encode the films again")
    elif width not in (None, cache.frames.shape[-1]):
        found.append(
            f"{arguments.features} holds {cache.frames.shape[-1]} numbers a frame and {arguments.clip} gives {width}; "
            "expected the same; encode the films again"
        )
    return found


__all__ = ["cache_contradictions", "cache_sha256"]
