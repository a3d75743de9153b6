"""One builder a metric: from texts beside their truths to figures that can be drawn again film by film.

Every figure keeps what each row adds to its sums and how a value is made of sums, so that the value, its interval
over films and a paired test between two prediction files all come from the same numbers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from distinctad.errors import UserError
from distinctad.score_rows import Row
from evaluate_metrics.slot_accuracy.bootstrap import mean_of_sums

DEALS = 5  # seeded redistributions of the predictions within their film, behind the chance of the text metrics
DEALT = "the same predictions, each at another AD of its film (random rings)"
NO_CHANCE = "none is defined; the truths' own value stands beside it"
Statistic = Callable[[np.ndarray], np.ndarray]
_SLOTS = {
    "character": "character (first named)",
    "character_any": "character (named anywhere)",
    "character_named": "character (truth names one)",
    "action": "action",
    "object": "object",
    "colour": "colour",
}


@dataclass(frozen=True)
class Options:
    """How to score.

    Attributes:
        metrics: which of `METRICS`; empty = all that the inputs allow, but for the Action score, METEOR and SPICE.
        encoder: Hub id or folder of the encoder of R@k/N, BERTScore and the Action score, or None.
        layer: its layer.
        recalls: (k, N) pairs; None = the set's, else R@5/16 and R@1/5.
        groups: what R@k/N compares within: "film" or a column of the annotations; None = the set's, else the film.
        batch_size: sentences the encoder takes at once.
        device: torch device of the encoder and the judge.
        resamples: of the bootstrap.
        seed: of the bootstrap, of the chance deals and of the judge's sampling.
        set_name: which of `score_sets.SETS`, or None.
        last_k: how many ADs back a repetition counts.
        window: N of the distinctive words.
        judge: Hub id or folder of the chat model of LLM-AD-eval, or None.
        prompt: JSON file of the judge's prompt, or None = ours.
        sampling: how the judge answers, "greedy" or "autoad3".
        dtype: torch dtype of the judge by name.
        jars: folder of the reference jars of METEOR and SPICE, or None = those of an installed package.
        progress: show progress bars on the error stream.
        answers: JSON-lines file that keeps the judge's answers, so that an interrupted run goes on; None = not kept.
    """

    metrics: tuple[str, ...] = ()
    encoder: str | None = None
    layer: int | None = None
    recalls: tuple[tuple[int, int], ...] | None = None
    groups: tuple[str, ...] | None = None
    batch_size: int = 64
    device: str = "cpu"
    resamples: int = 2000
    seed: int = 0
    set_name: str | None = None
    last_k: int = 5
    window: int = 16
    judge: str | None = None
    prompt: Path | None = None
    sampling: str = "greedy"
    dtype: str = "float32"
    jars: Path | None = None
    progress: bool = False
    answers: Path | None = None


@dataclass
class ScoredSet:
    """Predictions beside their truths.

    Attributes:
        texts: the predictions, None where there is none.
        rows: the expected rows.
        truths: the pocket truth's records, if given.
        casts: names of each film's cast, as far as given.
        actions: the true AD's actions, if the annotations have them.
        notes: what was assumed in reading.
    """

    texts: list[str | None]
    rows: list[Row]
    truths: list[dict[str, Any]] | None = None
    casts: dict[str, list[str]] | None = None
    actions: list[list[str]] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def films(self) -> list[str]:
        """The film of each row."""
        return [row.film for row in self.rows]

    @property
    def references(self) -> list[str]:
        """The true text of each row."""
        return [row.text for row in self.rows]

    @property
    def times_s(self) -> list[float]:
        """The start of each row in seconds."""
        return [row.start_s for row in self.rows]


@dataclass(frozen=True)
class Figure:
    """One figure before it is written.

    Attributes:
        name: key in scores.json.
        label: what a reader sees.
        columns: what each row adds to the sums (n, d) float64.
        statistic: sums (..., d) -> values (...,).
        films: the film of each row of `columns`.
        n: ADs that count for it.
        unit: "percent", "cider", "ratio" or "per second".
        chance: level of blind guessing, or None.
        chance_is: what that is.
        reference: the truths' own value, where that is the yardstick.
        per_item: a value an expected AD (n_expected,), for the plots.
        n_expected: ADs that should count for it, where it leaves some of them out; None = those of `n`.
    """

    name: str
    label: str
    columns: np.ndarray
    statistic: Statistic
    films: list[str]
    n: int
    unit: str = "percent"
    chance: float | None = None
    chance_is: str = DEALT
    reference: float | None = None
    per_item: list[float] | None = field(default=None, compare=False)
    n_expected: int | None = None

    def value(self) -> float | None:
        """The figure itself; None where nothing counts for it."""
        if not len(self.columns):
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(self.statistic(np.asarray(self.columns, dtype=np.float64).sum(0)))
        return value if np.isfinite(value) else None


def deal(texts: Sequence[str | None], films: Sequence[str], rng: random.Random) -> list[str | None]:
    """Every text at another AD of its film, none at its own: a random ring within each film (alone in a film: none)."""
    places: dict[str, list[int]] = {}
    for i, film in enumerate(films):
        places.setdefault(film, []).append(i)
    dealt: list[str | None] = [None] * len(texts)
    for indices in places.values():
        ring = rng.sample(indices, len(indices))
        for here, there in zip(ring, [*ring[1:], *ring[:1]], strict=True):
            dealt[there] = texts[here] if there != here else None
    return dealt


def _deals(data: ScoredSet, options: Options) -> Iterator[list[str | None]]:
    rng = random.Random(options.seed)
    for _ in range(DEALS):
        yield deal(data.texts, data.films, rng)


def means(scores: Any) -> np.ndarray:
    """The columns (n, 2) float64 whose `mean_of_sums` is the mean of `scores` (n,): each score, and 1."""
    column = np.asarray(scores, dtype=np.float64)
    return np.stack([column, np.ones(len(column))], axis=1)


def _ratio(top: int, bottom: int, scale: float = 100.0) -> Statistic:
    return lambda sums: scale * sums[..., top] / sums[..., bottom]


def _part(statistic: Statistic, place: int) -> Statistic:
    return lambda sums: statistic(sums)[..., place]


Built = tuple[list[Figure], Any]


def _cider(data: ScoredSet, options: Options) -> Built:
    from evaluate_metrics.cider.cider_d import SIGNATURE, CiderScorer

    scorer = CiderScorer(data.references)
    scores = scorer.scores(data.texts)
    chance = float(np.mean([scorer.scores(dealt) for dealt in _deals(data, options)]))
    n = len(data.rows)
    figure = Figure("cider", "CIDEr", means(scores), mean_of_sums, data.films, n, "cider", chance, per_item=scores)
    return [figure], dict(SIGNATURE)


def _rouge_l(data: ScoredSet, options: Options) -> Built:
    from evaluate_metrics.rouge_l.rouge_lcs import SIGNATURE, rouge_l_scores

    scores = rouge_l_scores(data.texts, data.references)
    chance = float(np.mean([rouge_l_scores(dealt, data.references) for dealt in _deals(data, options)]))
    n = len(data.rows)
    figure = Figure("rouge_l", "ROUGE-L", means(scores), mean_of_sums, data.films, n, chance=chance, per_item=scores)
    return [figure], dict(SIGNATURE)


def _bleu(data: ScoredSet, options: Options) -> Built:
    from evaluate_metrics.bleu.bleu_counts import MAX_N, SIGNATURE, bleu_of_sums, bleu_statistics

    columns = bleu_statistics(data.texts, data.references)
    dealt = [bleu_of_sums(bleu_statistics(texts, data.references).sum(0)) for texts in _deals(data, options)]
    chances = np.mean(dealt, axis=0)
    figures = [
        Figure(
            f"bleu_{n}", f"BLEU-{n}", columns, _part(bleu_of_sums, n - 1), data.films, len(data.rows),
            chance=float(chances[n - 1]),
        )
        for n in range(1, MAX_N + 1)
    ]  # fmt: skip
    return figures, dict(SIGNATURE)


def _repetition(data: ScoredSet, options: Options) -> Built:
    from evaluate_metrics.repetition.repeats import people_of, repeats, signature

    people = people_of(data.references, data.films, data.casts)

    def counted(texts: Sequence[str | None]) -> np.ndarray:
        found = repeats(texts, data.films, data.times_s, options.last_k, people)
        return np.array([r[:4] for r in found], dtype=np.float64)

    told, true = counted(data.texts), counted(data.references).sum(0)
    per_word = [row[3] / row[2] * 100 if row[2] else 0.0 for row in told]
    n, k = len(data.rows), options.last_k
    figures = []
    for name, label, top, bottom in (
        ("repeated_4grams", f"repeated 4-grams (last {k} ADs)", 1, 0),
        ("repeated_words", f"repeated content words (last {k} ADs)", 3, 2),
    ):
        yardstick = 100 * float(true[top] / true[bottom]) if true[bottom] else None
        items = per_word if name == "repeated_words" else None
        figures.append(
            Figure(
                name, label, told, _ratio(top, bottom), data.films, n, chance_is=NO_CHANCE, reference=yardstick,
                per_item=items,
            )
        )  # fmt: skip
    return figures, signature(k, data.films, data.casts)


def _distinctiveness(data: ScoredSet, options: Options) -> Built:
    from evaluate_metrics.distinctiveness.distinctive import distinctive_of_sums, distinctive_statistics, signature

    def counted(texts: Sequence[str | None]) -> np.ndarray:
        return distinctive_statistics(texts, data.references, data.films, data.times_s, options.window, data.casts)

    columns = counted(data.texts)
    chances = np.mean([distinctive_of_sums(counted(dealt).sum(0)) for dealt in _deals(data, options)], axis=0)
    labels = ("distinctive words, recall", "distinctive words, precision", "distinctive words, F1")
    figures = [
        Figure(
            f"distinctive_{name}", labels[i], columns, _part(distinctive_of_sums, i), data.films, len(data.rows),
            chance=float(chances[i]),
        )
        for i, name in enumerate(("recall", "precision", "f1"))
    ]  # fmt: skip
    return figures, signature(options.window, data.films, data.casts)


def _name_accuracy(data: ScoredSet, options: Options) -> Built:
    from evaluate_metrics.name_accuracy.named import name_statistics, names_of_sums, signature

    columns = name_statistics(data.texts, data.references, data.films, data.casts)
    dealt = [name_statistics(texts, data.references, data.films, data.casts) for texts in _deals(data, options)]
    chances = np.mean([names_of_sums(counts.sum(0)) for counts in dealt], axis=0)
    n_named = int(columns[:, 3].sum())
    figures = [
        Figure(
            f"names_{name}", f"names, {label}", columns, _part(names_of_sums, i), data.films,
            n_named if name == "accuracy" else len(data.rows), chance=float(chances[i]),
        )
        for i, (name, label) in enumerate(
            (("recall", "recall"), ("precision", "precision"), ("f1", "F1"), ("accuracy", "exactly right"))
        )
    ]  # fmt: skip
    return figures, signature(data.casts, data.films)


def _length(data: ScoredSet, options: Options) -> Built:
    from evaluate_metrics.length.lengths import SIGNATURE, length_statistics

    seconds = [max(0.0, row.end_s - row.start_s) for row in data.rows]
    columns = length_statistics(data.texts, data.references, seconds)
    sums = columns.sum(0)
    pace = float(sums[1] / sums[2]) if sums[2] else None
    n = len(data.rows)
    figures = [
        Figure("length_ratio", "words told / words of the truths", columns, _ratio(0, 1, 1.0), data.films, n, "ratio",
               chance_is=NO_CHANCE, reference=1.0),
        Figure("words_per_second", "words per second", columns, _ratio(0, 2, 1.0), data.films, n, "per second",
               chance_is=NO_CHANCE, reference=pace),
    ]  # fmt: skip
    return figures, dict(SIGNATURE)


def _slot_accuracy(data: ScoredSet, options: Options) -> Built:
    """The slots' figures; the table is the one that stands beside the metric."""
    import evaluate_metrics.slot_accuracy as room
    from evaluate_metrics.slot_accuracy.slot_figures import slot_accuracy

    table = json.loads((Path(str(room.__file__)).parent / "synonyms.json").read_text(encoding="utf-8"))
    try:
        result = slot_accuracy(
            data.texts, data.truths or [], data.casts or {}, table, options.resamples, options.seed, True
        )
    except ValueError as error:
        raise UserError(f"the truth does not fit: {error}", "Pass the truth and casts of pocket films.") from error
    figures = []
    for name, label in _SLOTS.items():
        if not name.startswith("character"):
            blind = "the commonest true value always said, or 1 / number of values, whichever is larger"
        elif name == "character_any":
            blind = "names told / cast size"
        else:
            blind = "1 / cast size"
        hits = result["hits"][name]
        columns = means([100 * hit for _, hit in hits])
        films = [film for film, _ in hits]
        # n: the ADs whose truth has the slot; all of them are scored, silence as wrong.
        chance = result[name]["chance"]
        figures.append(Figure(name, label, columns, mean_of_sums, films, len(hits), chance=chance, chance_is=blind))
    return figures, result["signature"]


PURE: dict[str, Callable[[ScoredSet, Options], Built]] = {
    "cider": _cider,
    "rouge_l": _rouge_l,
    "bleu": _bleu,
    "slot_accuracy": _slot_accuracy,
    "repetition": _repetition,
    "distinctiveness": _distinctiveness,
    "name_accuracy": _name_accuracy,
    "length": _length,
}
