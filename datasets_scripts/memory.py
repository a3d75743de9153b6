"""Whether an error says that memory ran out: every library says it in its own words."""

from __future__ import annotations

_SAID = (
    "out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc", "not enough memory",
    "alloc_failed",  # cuBLAS
    "invalid buffer size",  # Metal
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Tell a lack of memory, of the machine or a device, from other failures.

    Args:
        error: what was raised.

    Returns:
        True for `MemoryError`, and for a `RuntimeError` or `OSError` whose message says so (torch's allocators do).
    """
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | OSError) and any(words in text for words in _SAID)
    )
