"""Windows of consecutive ADs: which N rows of a film are told together.

The paper describes N = 16 consecutive ADs of one film at once. At test time every AD is in exactly one
window; in training the windows of a film start at a random offset that changes with the epoch.
"""

from __future__ import annotations

import random
from collections.abc import Mapping


def windows(count: int, size: int, stride: int | None = None, offset: int = 0) -> list[list[int]]:
    """Cut `count` rows in time order into windows of at most `size` consecutive indices.

    With `stride == size` (the default) every index is in exactly one window: a positive `offset` makes a
    short first window of `offset` rows, and the last window is short when the rows do not come out even.
    With another stride the windows start at `offset`, `offset + stride`, ... until one reaches the last row.

    Source: method specification, "Sequences" (test: offset 0, stride N, last window padded by the caller).

    Args:
        count: rows of the film (0 gives no window).
        size: N, rows of a full window.
        stride: distance of window starts; None means `size`. A stride above `size` would leave rows out.
        offset: rows before the first full window, 0 <= offset < size.

    Returns:
        Lists of row indices, each of length 1..size, in time order.

    Raises:
        ValueError: if a size is out of range.
    """
    stride = size if stride is None else stride
    if count < 0:
        raise ValueError(f"count is {count}, expected 0 or more; pass the number of rows of the film")
    if size < 1:
        raise ValueError(f"size is {size}, expected 1 or more; pass the window size N")
    if not 1 <= stride <= size:
        raise ValueError(f"stride is {stride}, expected 1..{size}; a larger stride would skip rows")
    if not 0 <= offset < size:
        raise ValueError(f"offset is {offset}, expected 0..{size - 1}; take it modulo the window size")
    cut: list[list[int]] = [list(range(min(offset, count)))] if offset and count else []
    start = offset
    while start < count:
        cut.append(list(range(start, min(start + size, count))))
        if start + size >= count:
            break
        start += stride
    return cut


def training_windows(counts: Mapping[str, int], size: int, seed: int, epoch: int) -> list[tuple[str, list[int]]]:
    """Draw one epoch of training windows over several films.

    Non-overlapping windows with one random offset in 0..size-1 per film, drawn from (seed, epoch, film), so
    that the offset of a film does not depend on which other films are there. The partial head and tail are
    kept (the collator pads and masks them). The windows are shuffled over films, again from (seed, epoch).

    Source: method specification, "Sequences" [own choice where the paper is silent].

    Args:
        counts: rows per film id.
        size: N.
        seed: seed of the run.
        epoch: epoch number, 0 or more.

    Returns:
        (film id, row indices) pairs; every row of every film exactly once.

    Raises:
        ValueError: if `size` or a count is out of range.
    """
    if size < 1:
        raise ValueError(f"size is {size}, expected 1 or more; pass the window size N")
    drawn: list[tuple[str, list[int]]] = []
    for film in sorted(counts):  # sorted: the order of the mapping must not change the shuffle
        # A string seed goes through SHA-512, so it is the same in every process (hash() is not).
        offset = random.Random(f"window offset {seed} {epoch} {film}").randrange(size)
        drawn.extend((film, rows) for rows in windows(counts[film], size, offset=offset))
    random.Random(f"window order {seed} {epoch}").shuffle(drawn)
    return drawn
