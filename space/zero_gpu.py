"""The decorator of Spaces that lend a GPU for the length of a call; a no-op everywhere else."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable[..., object])
LENT = importlib.util.find_spec("spaces") is not None
LONGEST_CALL_S = 120  # asked for per call; shorter calls wait less


def on_gpu(function: Function) -> Function:
    """Run a function on a lent GPU where there is one to lend.

    Args:
        function: what needs the model.

    Returns:
        The function, decorated if the package `spaces` is installed (it is on a Space), else unchanged.
    """
    if not LENT:
        return function
    import spaces

    decorated: Function = spaces.GPU(duration=LONGEST_CALL_S)(function)
    return decorated
