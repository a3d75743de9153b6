"""The other beams of a search: a clip's candidates at no further cost.

The model gives one text a clip, so its pipeline is short and its figures mean one thing. A beam search has found
other texts by then, with their scores; `kept_beams` listens to the search and keeps them. The best text stays the same.
"""

from __future__ import annotations

import contextlib
import inspect
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
        log-probability a token as the search ranked them. It fills while the pipeline runs; windows are numbered in the
        order in which they are described.
    """
    model, processor = pipe.model, pipe.processor
    found: Texts = {}
    search, generate, decode = model.language_model.generate, model.generate, processor.batch_decode
    signature = inspect.signature(generate)
    real: list[Any] = []  # which clips of the batch are searched for
    kept: list[tuple[Any, Any]] = []  # (clips, count, L) tokens and (clips, count) scores of the last search
    windows = 0

    def watched(*args: Any, **inputs: Any) -> Any:
        given = signature.bind(*args, **inputs).arguments
        prompts, mask, asked = given["input_ids"], given.get("clip_mask"), given.get("describe_mask")
        every = prompts.new_ones(prompts.shape[:2]).bool() if mask is None else mask.bool()
        real[:] = [every if asked is None else every & asked.bool()]
        kept.clear()
        return generate(*args, **inputs)

    def searched(**settings: Any) -> Any:
        most = min(count, settings.get("num_beams", 1))
        if most < 2:
            return search(**settings)
        more = {"num_return_sequences": most, "return_dict_in_generate": True, "output_scores": True}
        out = search(**settings, **more)
        kept[:] = [(out.sequences.unflatten(0, (-1, most)), out.sequences_scores.unflatten(0, (-1, most)))]
        return out.sequences[::most]

    def decoded(ids: Any, names: Sequence[Any], *args: Any, **options: Any) -> Any:
        nonlocal windows
        texts = decode(ids, names, *args, **options)
        first, windows = windows, windows + len(texts)
        if kept:
            _decode_others(decode, ids, names, real[0], kept[0], first, found)
        return texts

    with _replaced((model.language_model, "generate", searched), (model, "generate", watched)):
        with _replaced((processor, "batch_decode", decoded)):
            yield found


def _decode_others(
    decode: Callable[..., Any],
    ids: Any,
    names: Sequence[Any],
    real: Any,
    kept: tuple[Any, Any],
    first: int,
    into: Texts,
) -> None:
    """Decode every rank of a batch's beams as the best was decoded: with the names of its own clip."""
    sequences, scores = kept
    places = real.nonzero().tolist()
    for rank in range(sequences.shape[1]):
        # Clips that nothing was searched for are not read again: any token may stand there.
        beams = ids.new_full((*ids.shape[:2], sequences.shape[2]), int(sequences[0, 0, -1]))
        beams[real.to(ids.device)] = sequences[:, rank].to(ids.device)
        texts = decode(beams, names)
        for (window, position), score in zip(places, scores[:, rank].tolist(), strict=True):
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
