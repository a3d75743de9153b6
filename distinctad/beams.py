"""The other beams of a search: a clip's candidates at no further cost.

The model gives one text a clip, so its pipeline is short and its figures mean one thing. A beam search has found
other texts by then, with their scores; `kept_beams` listens to the search and keeps them. The best text stays the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Texts = dict[tuple[int, int], list[tuple[str, float]]]


@contextlib.contextmanager
def kept_beams(pipe: Any, count: int) -> Iterator[Texts]:
    """Keep the best `count` texts of every search that a pipeline runs in the block.

    Args:
        pipe: a `DistinctADPipeline`; while the block is open nobody else may use it.
        count: texts a clip, at least 1; never more than the search has beams.

    Yields:
        For (window, position), as in the pipeline's records, the texts with their scores, best first: mean
        log-probability a token, less the model's contrast, as they were ranked. It fills while the pipeline runs;
        windows are numbered in the order in which they are described.
    """
    model, processor = pipe.model, pipe.processor
    found: Texts = {}
    search, decode = model.search, processor.batch_decode
    kept: list[tuple[Any, Any]] = []  # (prompts, texts) of the last search
    windows = 0

    def searched(prompts: Any, settings: Any, keep: int = 1) -> Any:
        texts = search(prompts, settings, max(keep, count))
        kept[:] = [] if texts.scores is None else [(prompts, texts)]
        return texts

    def decoded(ids: Any, names: Sequence[Any], *args: Any, **options: Any) -> Any:
        nonlocal windows
        texts = decode(ids, names, *args, **options)
        first, windows = windows, windows + len(texts)
        for prompts, others in kept:
            _decode_others(decode, ids, names, prompts, others, first, found)
        kept.clear()
        return texts

    with _replaced((model, "search", searched), (processor, "batch_decode", decoded)):
        yield found


def _decode_others(
    decode: Callable[..., Any], ids: Any, names: Sequence[Any], prompts: Any, others: Any, first: int, into: Texts
) -> None:
    """Decode every rank of a batch's texts as the best was decoded: with the names of its own clip."""
    places = (prompts.window.to(ids.device), prompts.position.to(ids.device))
    for rank in range(others.ids.shape[1]):
        # Clips that nothing was searched for are not read again: any token may stand there.
        beams = ids.new_full((*ids.shape[:2], others.ids.shape[2]), int(others.ids[0, 0, -1]))
        beams[places] = others.ids[:, rank].to(ids.device)
        texts = decode(beams, names)
        scores = others.scores[:, rank].tolist()
        for window, position, score in zip(*(place.tolist() for place in places), scores, strict=True):
            into.setdefault((first + window, position), []).append((texts[window][position], float(score)))


@contextlib.contextmanager
def _replaced(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Put functions in the place of methods, and the methods back."""
    for thing, name, new in changes:
        # On the instance, so that the class stays as it is for everybody else.
        thing.__dict__[name] = new
    try:
        yield
    finally:
        for thing, name, _ in changes:
            del thing.__dict__[name]
