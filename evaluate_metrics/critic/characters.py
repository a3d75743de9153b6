"""CRITIC: do the predictions hold the same characters as the true descriptions, pronouns resolved?

Source: AutoAD III (Han et al., CVPR 2024), CRITIC: characters are found in the true and in the generated
descriptions of a whole film by coreference with the cast, and each description scores the intersection over union of
the two sets; descriptions whose truth holds no character are left out. Own choices: the coreference model is a
parameter (`resolver`), by default our documented rules, so only results by the same resolver compare; descriptions are
read in time order; people told where the truth has none are counted apart, since the score does not see them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .resolver import Resolver, resolve
from .words import casts_of


def characters_of(
    texts: Sequence[str | None], films: Sequence[Any], casts: Mapping[str, Sequence[str]],
    times_s: Sequence[float] | None = None, resolver: Resolver = resolve,
) -> list[set[str]]:  # fmt: skip
    """The characters of each description, each film read in time order.

    Args:
        texts: descriptions; None, NaN and "" hold no one.
        films: the film of each.
        casts: the names of each film's cast.
        times_s: the time of each in seconds; None = the rows' order.
        resolver: see `resolver.Resolver`.

    Returns:
        One set of names a row.

    Raises:
        ValueError: if lengths differ, a time is no number, a film has no cast or one that is no list of names, or the
            resolver gives another number of sets.
    """
    if len(texts) != len(films) or (times_s is not None and len(times_s) != len(films)):
        raise ValueError(f"{len(texts)} texts for {len(films)} films; give one film (and time) each")
    if times_s is not None and not all(math.isfinite(time_s) for time_s in times_s):
        raise ValueError("times_s holds a value that is no time, expected seconds; give every row its time")
    times_s = None if times_s is None else list(times_s)  # a column of pandas is read by its labels
    listed = casts_of(casts)
    members: dict[str, list[int]] = {}
    for row, film in enumerate(films):
        members.setdefault(str(film), []).append(row)
    found: list[set[str]] = [set() for _ in texts]
    told = [text if isinstance(text, str) else "" for text in texts]
    for film, rows in members.items():
        if film not in listed:
            raise ValueError(f"film {film!r} has no cast; add its names to casts")
        if times_s is not None:
            rows = sorted(rows, key=lambda row: (times_s[row], row))
        sets = resolver([told[row] for row in rows], listed[film])
        if len(sets) != len(rows):
            raise ValueError(f"the resolver gave {len(sets)} sets for {len(rows)} descriptions; mend it")
        for row, people in zip(rows, sets, strict=True):
            found[row] = set(people)
    return found


def critic_statistics(told: Sequence[set[str]], true: Sequence[set[str]]) -> np.ndarray:
    """Each description's share of the sums.

    Args:
        told: characters of the predictions.
        true: characters of the truths, aligned.

    Returns:
        (n, 3) float64: intersection over union where the truth has a character (else 0), 1 if the prediction has one
        where the truth has none, 1 if the truth has one.
    """
    rows = [
        [len(mine & yours) / len(mine | yours) if yours else 0.0, float(bool(mine) and not yours), float(bool(yours))]
        for mine, yours in zip(told, true, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def signature(resolver: Resolver = resolve) -> dict[str, Any]:
    """What makes two results comparable."""
    return {
        "metric": "CRITIC",
        "coreference": "rules v4" if resolver is resolve else getattr(resolver, "__name__", "given"),
        "scale": "x100, mean over the ADs whose truth has a character",
        "version": 1,
    }


def critic(
    predictions: Sequence[str | None], references: Sequence[str | None], films: Sequence[Any],
    casts: Mapping[str, Sequence[str]], times_s: Sequence[float] | None = None, resolver: Resolver = resolve,
) -> dict[str, Any]:  # fmt: skip
    """CRITIC of a set.

    Args:
        predictions: generated ADs; None, NaN and "" hold no one.
        references: true ADs, aligned.
        films: the film of each row.
        casts: the names of each film's cast.
        times_s: the time of each row in seconds; None = the rows' order.
        resolver: the coreference, see `resolver.Resolver`.

    Returns:
        `critic` (mean intersection over union, 0..100, over the ADs whose truth has a character; None if none has),
        `n_with_character`, `n_invented` (ADs with people where the truth has none), `n_expected`, `n_scored`,
        `n_empty`, `n_films`, `signature`.

    Raises:
        ValueError: if there is nothing to score, or see `characters_of`.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of whole films")
    if len(references) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    told = characters_of(predictions, films, casts, times_s, resolver)
    true = characters_of(references, films, casts, times_s, resolver)
    columns = critic_statistics(told, true)
    n = int(columns[:, 2].sum())
    return {
        "critic": 100 * math.fsum(columns[:, 0]) / n if n else None,
        "n_with_character": n,
        "n_invented": int(columns[:, 1].sum()),
        "n_expected": len(references),
        "n_scored": len(predictions),
        "n_empty": sum(not (isinstance(text, str) and text.strip()) for text in predictions),
        "n_films": len(set(map(str, films))),
        "signature": signature(resolver),
    }
