"""The evaluation sets of the field, as `distinctad score --set` knows them: columns, sizes, recalls, groupings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distinctad.errors import UserError
from distinctad.score_rows import Row

METRICS = (
    "cider", "rouge_l", "bleu", "recall", "bertscore", "slot_accuracy", "repetition", "distinctiveness",
    "name_accuracy", "length", "critic", "action_score", "llm_ad_eval", "meteor", "spice",
)  # fmt: skip


@dataclass(frozen=True)
class EvaluationSet:
    """One set.

    Attributes:
        film: column of the annotations that names the film (for TV-AD the episode).
        rows: how many ADs the whole set has; None = not fixed.
        films: how many films; None = not fixed.
        recalls: the (k, N) pairs that papers report on it.
        groups: what R@k/N compares within; the public code does not say for CMD-AD and TV-AD, so both are reported.
    """

    film: str
    rows: int | None
    films: int | None
    recalls: tuple[tuple[int, int], ...]
    groups: tuple[str, ...]


SETS = {
    "mad-eval": EvaluationSet("movie", 6520, 10, ((5, 16),), ("film",)),
    "cmd-ad": EvaluationSet("imdbid", 7316, 98, ((1, 5),), ("film", "cmd_filename")),
    "tv-ad": EvaluationSet("imdbid_pe", 2983, 100, ((1, 5),), ("film", "tvad_name")),
    "pocket": EvaluationSet("film", None, None, ((5, 16), (1, 5)), ("film",)),
}


def named_set(name: str) -> EvaluationSet:
    """The set of that name.

    Raises:
        UserError: if there is none.
    """
    if name not in SETS:
        raise UserError(f"no set {name!r}", f"Choose from {', '.join(SETS)}.")
    return SETS[name]


def check_whole(name: str, rows: Sequence[Row], path: Path) -> None:
    """Refuse annotations that are not the whole set: scores on other row counts do not compare.

    Raises:
        UserError: with what the file has and what the set has.
    """
    known = named_set(name)
    films = len({row.film for row in rows})
    if (known.rows is not None and len(rows) != known.rows) or (known.films is not None and films != known.films):
        raise UserError(
            f"{path} has {len(rows)} ADs of {films} films, {name} has {known.rows} of {known.films}",
            "Pass the whole set's annotations, or leave --set out.",
        )
