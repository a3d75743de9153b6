"""Are the right people named? Names told against names in the true AD.

Own design. With a cast, a person is named by the whole name or by a word of it that no one else has, see `people.py`.
Without one, every word that the film's true ADs capitalise inside a sentence is a name, closed-class words and titles
aside. A name counts only where it begins with a capital, so "rose" is no Rose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .people import Table, people_in, people_table
from .words import capitalised_words, cased_words, casts_of, name_words, words

_DEBRIS = re.compile(r"\([^)]*\)?")  # "Robert (as Alan Marshall)", "(uncredited)"


def name_table(cast: Iterable[str]) -> Table:
    """Which words name whom, by the rules of `people.py`.

    Args:
        cast: names or roles; what stands in brackets is left out.
    """
    people = sorted({" ".join(_DEBRIS.sub(" ", name).split()) for name in cast} - {""})
    return people_table({name: words(name) for name in people})


def named(text: str | None, table: Table) -> set[str]:
    """The people whom a text names, by the table of `name_table`."""
    return {name for _, _, name in people_in(cased_words(text if isinstance(text, str) else ""), table)}


def name_statistics(
    predictions: Sequence[str | None], references: Sequence[str | None], films: Sequence[Any],
    casts: Mapping[str, Iterable[str]] | None = None,
) -> np.ndarray:  # fmt: skip
    """Each AD's share of the sums.

    Args:
        predictions: generated ADs; None, NaN and "" name nobody.
        references: true ADs, aligned.
        films: the film of each row.
        casts: the names of each film's cast; a film without an entry: words that its true ADs capitalise inside a
            sentence, closed-class words and titles aside.

    Returns:
        (n, 5) float64: people named by both, by the truth, by the prediction; 1 if the truth names anyone; 1 if it does
        and both name the same people.

    Raises:
        ValueError: if lengths differ or a cast is no list of names.
    """
    for name, column in (("references", references), ("films", films)):
        if len(column) != len(predictions):
            raise ValueError(f"{len(column)} {name} for {len(predictions)} predictions; give one each")
    texts: dict[str, list[str]] = {}
    for film, text in zip(films, references, strict=True):
        texts.setdefault(str(film), []).append(text if isinstance(text, str) else "")
    tables, listed = {}, casts_of(casts)
    for film, of_film in texts.items():
        given = listed.get(film)
        guessed: Table = {(word,): word for word in name_words(capitalised_words(of_film))}
        tables[film] = guessed if given is None else name_table(given)
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


def signature(casts: Mapping[str, Iterable[str]] | None, films: Iterable[Any]) -> dict[str, Any]:
    """What makes two results comparable: among others whose names came from casts."""
    every, listed = {str(film) for film in films}, {str(film) for film in casts or {}}
    given = f"casts of {len(every & listed)} of {len(every)} films, else "
    guessed = "capitalised words of the true ADs"
    return {
        "metric": "name accuracy",
        "names": guessed if casts is None else "casts" if every <= listed else given + guessed,
        "scale": "x100, counts of the whole set",
        "version": 3,
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
        "signature": signature(casts, groups),
    }
