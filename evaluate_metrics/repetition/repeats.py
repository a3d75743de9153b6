"""How much a film's descriptions repeat what was just said.

Own design, after the complaint that neighbouring ADs say the same thing again (DistinctAD, section 1). An AD's
four-grams and content words count as repeated if one of the last k ADs of the same film held them. Names are no content
words here: a person must be named again. The truths' own repetition is the yardstick, not zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .words import CLOSED_CLASS, capitalised_words, casts_of, name_words, names_given, words

LAST_K = 5
GRAM = 4


class Repeats(NamedTuple):
    """What one AD repeats.

    Attributes:
        grams: different four-grams of the AD.
        repeated_grams: those of them that one of the last k ADs held.
        words: different content words of the AD.
        repeated_words: those of them that one of the last k ADs held.
        lags: for each repeated content word, how many ADs ago it was last said (1..k).
    """

    grams: int
    repeated_grams: int
    words: int
    repeated_words: int
    lags: tuple[int, ...]


def film_order(films: Sequence[Any], times_s: Sequence[float] | None = None) -> dict[str, list[int]]:
    """Rows of each film in time order (in the rows' order without times).

    Raises:
        ValueError: if the lengths differ or a time is no number.
    """
    if times_s is not None and len(times_s) != len(films):
        raise ValueError(f"{len(times_s)} times for {len(films)} rows; give one each")
    if times_s is not None and not all(math.isfinite(time_s) for time_s in times_s):
        raise ValueError("times_s holds a value that is no time, expected seconds; give every row its time")
    times_s = None if times_s is None else list(times_s)  # a column of pandas is read by its labels
    members: dict[str, list[int]] = {}
    for row, film in enumerate(films):
        members.setdefault(str(film), []).append(row)
    if times_s is None:
        return members
    return {film: sorted(rows, key=lambda row: (times_s[row], row)) for film, rows in members.items()}


def repeats(
    texts: Sequence[str | None], films: Sequence[Any], times_s: Sequence[float] | None = None, last_k: int = LAST_K,
    names: Mapping[str, Iterable[str]] | None = None,
) -> list[Repeats]:  # fmt: skip
    """Count what each AD repeats of the last k ADs of its film.

    Args:
        texts: ADs; None, NaN and "" hold nothing, but are one of the last k.
        films: the film of each.
        times_s: the time of each in seconds; None = the rows' order.
        last_k: how many ADs back a repetition counts.
        names: the cast of each film; a film without an entry: words that `texts` capitalise away from a
            sentence start.

    Returns:
        One entry a row, in the order of `texts`.

    Raises:
        ValueError: if the lengths differ, a time is no number, a cast is no list of names or `last_k` is below 1.
    """
    if len(texts) != len(films):
        raise ValueError(f"{len(texts)} texts for {len(films)} films; give one each")
    if last_k < 1:
        raise ValueError(f"last_k is {last_k}, expected 1 or more; raise it")
    found: list[Repeats] = [Repeats(0, 0, 0, 0, ())] * len(texts)
    told = [text if isinstance(text, str) else "" for text in texts]
    casts = casts_of(names)
    for film, rows in film_order(films, times_s).items():
        given = casts.get(film)
        people = name_words(given) if given is not None else capitalised_words(told[row] for row in rows)
        last_gram: dict[tuple[str, ...], int] = {}
        last_word: dict[str, int] = {}
        for place, row in enumerate(rows):
            said = words(told[row])
            grams = {tuple(said[i : i + GRAM]) for i in range(len(said) - GRAM + 1)}
            content = {word for word in said if word not in CLOSED_CLASS and word not in people}
            again = sum(place - last_gram.get(gram, -last_k - 1) <= last_k for gram in grams)
            lags = sorted(lag for word in content if (lag := place - last_word.get(word, -last_k - 1)) <= last_k)
            found[row] = Repeats(len(grams), again, len(content), len(lags), tuple(lags))
            last_gram.update(dict.fromkeys(grams, place))
            last_word.update(dict.fromkeys(content, place))
    return found


def people_of(
    references: Sequence[str | None] | None, films: Sequence[Any], names: Mapping[str, Iterable[str]] | None
) -> dict[str, Iterable[str]]:
    """The names of each film: its cast, else what its true ADs capitalise inside a sentence.

    The predictions' own capitals say nothing here, or their letter case would decide which words count.

    Args:
        references: true ADs; None guesses nothing.
        films: the film of each.
        names: casts, as far as given.

    Raises:
        ValueError: if a cast is no list of names.
    """
    texts: dict[str, list[str]] = {}
    for film, text in zip(films, references or [], strict=references is not None):
        texts.setdefault(str(film), []).append(text if isinstance(text, str) else "")
    guessed: dict[str, Iterable[str]] = {film: capitalised_words(of_film) for film, of_film in texts.items()}
    return guessed | casts_of(names)


def _shares(found: Sequence[Repeats]) -> dict[str, float | None]:
    grams, told = sum(r.grams for r in found), sum(r.words for r in found)
    return {
        "repeated_4grams": 100 * sum(r.repeated_grams for r in found) / grams if grams else None,
        "repeated_words": 100 * sum(r.repeated_words for r in found) / told if told else None,
    }


def signature(last_k: int, films: Iterable[Any], names: Mapping[str, Iterable[str]] | None) -> dict[str, Any]:
    """What makes two results comparable: among others whose names came from casts."""
    return {
        "metric": "repetition",
        "last_k": last_k,
        "gram": GRAM,
        "words": "words v1, without closed-class words and names",
        "names": names_given(films, names or {}),
        "scale": "x100, counts of the whole set",
        "version": 3,
    }


def repetition(
    predictions: Sequence[str | None], references: Sequence[str | None] | None = None,
    films: Sequence[Any] | None = None, times_s: Sequence[float] | None = None, last_k: int = LAST_K,
    names: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Shares of four-grams and of content words that the last k ADs of the film held already.

    Args:
        predictions: generated ADs.
        references: true ADs, aligned; scored the same way, as the yardstick.
        films: the film of each row; None = one film.
        times_s: the time of each row in seconds; None = the rows' order.
        last_k: how many ADs back a repetition counts.
        names: the cast of each film; else see `people_of`, and without references `repeats`.

    Returns:
        `repeated_4grams`, `repeated_words` (0..100, over all ADs together; None where there is none to repeat),
        `reference_repeated_4grams`, `reference_repeated_words`, `lags` (how many repeated words came from 1..k ADs
        ago), `n_expected`, `n_scored`, `n_empty`, `n_films`, `signature`.

    Raises:
        ValueError: if there is nothing to score, or see `repeats`.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of whole films")
    if references is not None and len(references) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    groups = ["all"] * len(predictions) if films is None else list(films)
    if len(groups) != len(predictions):
        raise ValueError(f"{len(groups)} films for {len(predictions)} predictions; give one each")
    people = people_of(references, groups, names)
    found = repeats(predictions, groups, times_s, last_k, people)
    result: dict[str, Any] = dict(_shares(found))
    if references is not None:
        yardstick = _shares(repeats(references, groups, times_s, last_k, people))
        result |= {f"reference_{name}": value for name, value in yardstick.items()}
    lags = [lag for row in found for lag in row.lags]
    return {
        **result,
        "lags": [lags.count(lag) for lag in range(1, last_k + 1)],
        "n_expected": len(predictions),
        "n_scored": len(predictions),
        "n_empty": sum(not (isinstance(text, str) and words(text)) for text in predictions),
        "n_films": len(set(map(str, groups))),
        "signature": signature(last_k, groups, names),
    }
