"""Are the right people named? Names told against names in the true AD.

Own design. With a cast, a person is named by their whole name or by any word of it that no one else of the cast has
(titles and closed-class words aside). Without one, every word that the film's true ADs capitalise inside a sentence is
a name. A name counts only where it begins with a capital, so "rose" is no Rose.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .words import capitalised_words, name_words, words

_CAPITAL = re.compile(r"[^\W_](?:[^\W_]|['\u2019\-\u0300-\u036f](?=[^\W_]))*")
_DEBRIS = re.compile(r"\([^)]*\)?")  # "Robert (as Alan Marshall)", "(uncredited)"


def name_table(cast: Iterable[str]) -> dict[str, str]:
    """Which word names whom: the words of each name that no other name of the cast has.

    Args:
        cast: names or roles; what stands in brackets is left out.

    Returns:
        {folded word: name}.
    """
    people = sorted({_DEBRIS.sub(" ", name).strip() for name in cast} - {""})
    bags = {name: name_words([name]) for name in people}
    holders = Counter(word for bag in bags.values() for word in bag)
    return {word: name for name, bag in bags.items() for word in sorted(bag) if holders[word] == 1}


def named(text: str | None, table: Mapping[str, str]) -> set[str]:
    """The people whom a text names, by the table of `name_table`."""
    normal = unicodedata.normalize("NFKC", text) if isinstance(text, str) else ""
    capital = (match.group() for match in _CAPITAL.finditer(normal) if match.group()[0].isupper())
    return {table[word] for piece in capital for word in words(piece) if word in table}


def name_statistics(
    predictions: Sequence[str | None], references: Sequence[str | None], films: Sequence[Any],
    casts: Mapping[str, Iterable[str]] | None = None,
) -> np.ndarray:  # fmt: skip
    """Each AD's share of the sums.

    Args:
        predictions: generated ADs; None, NaN and "" name nobody.
        references: true ADs, aligned.
        films: the film of each row.
        casts: the names of each film's cast; a film without an entry: capitalised words of its true ADs.

    Returns:
        (n, 5) float64: people named by both, by the truth, by the prediction; 1 if the truth names anyone; 1 if it does
        and both name the same people.

    Raises:
        ValueError: if lengths differ.
    """
    for name, column in (("references", references), ("films", films)):
        if len(column) != len(predictions):
            raise ValueError(f"{len(column)} {name} for {len(predictions)} predictions; give one each")
    texts: dict[str, list[str]] = {}
    for film, text in zip(films, references, strict=True):
        texts.setdefault(str(film), []).append(text if isinstance(text, str) else "")
    tables, listed = {}, {str(film): cast for film, cast in (casts or {}).items()}
    for film, of_film in texts.items():
        given = listed.get(film)
        tables[film] = name_table(given) if given is not None else {w: w for w in capitalised_words(of_film)}
    statistics = np.zeros((len(predictions), 5))
    for row, (prediction, reference, film) in enumerate(zip(predictions, references, films, strict=True)):
        told, true = named(prediction, tables[str(film)]), named(reference, tables[str(film)])
        statistics[row] = [len(told & true), len(true), len(told), bool(true), bool(true) and told == true]
    return statistics


def names_of_sums(sums: np.ndarray) -> np.ndarray:
    """Recall, precision, F1 and accuracy (0..100) of sums of `name_statistics`.

    Args:
        sums: (..., 5) float64, added up over the ADs to be scored together.

    Returns:
        (..., 4) float64; 0 where there is nothing to divide by.
    """
    sums = np.asarray(sums, dtype=np.float64)
    recall = sums[..., 0] / np.maximum(sums[..., 1], 1)
    precision = sums[..., 0] / np.maximum(sums[..., 2], 1)
    f1 = 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)
    return 100.0 * np.stack([recall, precision, f1, sums[..., 4] / np.maximum(sums[..., 3], 1)], axis=-1)


def signature(casts: bool) -> dict[str, Any]:
    """What makes two results comparable; `casts`: whether the names came from casts."""
    return {
        "metric": "name accuracy",
        "names": "casts" if casts else "capitalised words of the true ADs",
        "scale": "x100, counts of the whole set",
        "version": 1,
    }


def name_accuracy(
    predictions: Sequence[str | None], references: Sequence[str | None], films: Sequence[Any] | None = None,
    casts: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """How well the predictions name the people whom the truths name.

    Args:
        predictions: generated ADs, one an item; None, NaN and "" are silence.
        references: true ADs, aligned.
        films: the film of each row; None = one film.
        casts: the names of each film's cast, see `name_statistics`.

    Returns:
        `recall`, `precision`, `f1` (over all mentions), `accuracy` (share of the ADs whose truth names someone where
        exactly the same people are named), 0..100; `n_named` (ADs whose truth names someone), `n_expected`, `n_scored`,
        `n_empty`, `n_films`, `signature`.

    Raises:
        ValueError: if there is nothing to score, or see `name_statistics`.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the set")
    groups = ["all"] * len(predictions) if films is None else list(films)
    sums = name_statistics(predictions, references, groups, casts).sum(0)
    recall, precision, f1, accuracy = names_of_sums(sums).tolist()
    return {
        "recall": recall,
        "precision": precision,
        "f1": f1,
        "accuracy": accuracy,
        "n_named": int(sums[3]),
        "n_expected": len(references),
        "n_scored": len(predictions),
        "n_empty": sum(not (isinstance(text, str) and words(text)) for text in predictions),
        "n_films": len(set(map(str, groups))),
        "signature": signature(casts is not None),
    }
