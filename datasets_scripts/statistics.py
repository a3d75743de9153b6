"""Figures of a set that people look at first, and their plots: gaps, lengths, ADs a film, shared words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from datasets_scripts.schema import ADRow
from datasets_scripts.windows import windows
from datasets_scripts.words import CLOSED_CLASS, distinctive_words, words

WINDOW = 16
FAR = 8  # how many ADs away the overlap of words is followed
PERCENTILES = (0, 5, 50, 90, 95, 100)


def by_film(rows: Sequence[ADRow]) -> dict[str, list[ADRow]]:
    """The rows of each film in order (rows of a film stand together)."""
    return {film: list(part) for film, part in groupby(rows, key=lambda row: row.film)}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Mean and percentiles, nearest rank; {} of nothing."""
    if not values:
        return {}
    ordered = sorted(values)
    found = {f"p{p}": round(ordered[max(0, -(-p * len(ordered) // 100) - 1)], 3) for p in PERCENTILES}
    return {"mean": round(sum(values) / len(values), 3), **found}


def gaps(films: dict[str, list[ADRow]]) -> list[float]:
    """Seconds from each AD's end to the next one's start in its film; negative where they overlap."""
    return [b.start_s - a.end_s for rows in films.values() for a, b in zip(rows, rows[1:], strict=False)]


def word_overlap(films: dict[str, list[ADRow]], far: int = FAR) -> list[float]:
    """Mean Jaccard overlap of content words between ADs 1, 2, ... `far` places apart in a film."""
    sums, counts = [0.0] * far, [0] * far
    for rows in films.values():
        bags = [set(words(row.text)) - CLOSED_CLASS for row in rows]
        for apart in range(1, far + 1):
            for a, b in zip(bags, bags[apart:], strict=False):
                if a and b:
                    sums[apart - 1] += len(a & b) / len(a | b)
                    counts[apart - 1] += 1
    return [round(total / count, 5) if count else 0.0 for total, count in zip(sums, counts, strict=True)]


def distinctive_shares(films: dict[str, list[ADRow]], size: int = WINDOW) -> dict[str, float]:
    """How much of the ADs is distinctive within windows of `size`.

    Returns:
        `duplicates_only` and `stop_list`: share of word tokens whose word stands in no other AD of the window, without
        and with the stop list; `empty`: share of ADs without any (stop list on).
    """
    total = kept = stopped = empty = count = 0
    for rows in films.values():
        names = {name for row in rows for person in row.characters for name in person.names}
        for window in windows(len(rows), size):
            texts = [rows[i].text for i in window]
            plain, strict = distinctive_words(texts, stop_list=False), distinctive_words(texts, names)
            for text, any_word, word in zip(texts, plain, strict, strict=True):
                own = words(text)
                total, count = total + len(own), count + 1
                kept += sum(w in any_word for w in own)
                stopped += sum(w in word for w in own)
                empty += not word
    if not total:
        return {}
    return {
        "duplicates_only": round(kept / total, 4),
        "stop_list": round(stopped / total, 4),
        "empty": round(empty / count, 4),
    }


def statistics(rows: Sequence[ADRow]) -> dict[str, Any]:
    """All figures of a set.

    Args:
        rows: film after film, each in order.

    Returns:
        Counts, percentiles (seconds, words, ADs), overlap of words by distance, shares of distinctive words.
    """
    films = by_film(rows)
    texts = [row.text for row in rows if row.text]
    return {
        "rows": len(rows),
        "films": len(films),
        "clips": len({row.clip for row in rows}),
        "gap_s": percentiles(gaps(films)),
        "length_s": percentiles([row.end_s - row.start_s for row in rows]),
        "words": percentiles([len(words(text)) for text in texts]),
        "ads_a_film": percentiles([len(part) for part in films.values()]),
        "people_listed": percentiles([len(row.characters) for row in rows]),
        "types": len({word for text in texts for word in words(text)}),
        "word_overlap": word_overlap(films),
        f"distinctive_in_{WINDOW}": distinctive_shares(films),
    }


def draw(rows: Sequence[ADRow], path: Path, title: str) -> None:
    """Draw the four plots into one picture.

    Args:
        rows: as of `statistics`.
        path: a .png or .svg file.
        title: above the plots.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure

    films = by_film(rows)
    figure = Figure(figsize=(10, 7), layout="constrained")
    figure.suptitle(title)
    (gap, length), (count, overlap) = figure.subplots(2, 2)
    gap.hist([min(max(value, -2.0), 30.0) for value in gaps(films)], bins=64, color="#33658a")
    gap.set(title="gap to the next AD", xlabel="seconds (below -2 and above 30 at the edges)", ylabel="ADs")
    lengths = [min(row.end_s - row.start_s, 15.0) for row in rows]
    length.hist(lengths, bins=60, color="#2f9e44")
    length.set(title="length", xlabel="seconds (above 15 at the edge)", ylabel="ADs")
    sizes = sorted((len(part) for part in films.values()), reverse=True)
    count.bar(range(1, len(sizes) + 1), sizes, width=1.0, color="#c9a227")
    count.axhline(WINDOW, color="black", linewidth=0.8)
    count.set(title=f"ADs a film (line: one window of {WINDOW})", xlabel="films, largest first", ylabel="ADs")
    shares = word_overlap(films)
    overlap.plot(range(1, len(shares) + 1), shares, marker="o", color="#a4243b")
    overlap.set(
        title="content words shared with a neighbour", xlabel="ADs apart", ylabel="Jaccard overlap", ylim=(0, None)
    )
    figure.savefig(path, dpi=110)
