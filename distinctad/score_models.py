"""The figures that need a text encoder: R@k/N and BERTScore."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from distinctad.errors import UserError
from distinctad.score_figures import Built, Figure, Options, ScoredSet
from distinctad.score_sets import SETS

if TYPE_CHECKING:
    from evaluate_metrics.recall_at_k_within_n.pair_f1 import PairF1

RECALLS = ((5, 16), (1, 5))


def load_encoder(options: Options) -> PairF1:
    """The text encoder that the options name.

    Raises:
        UserError: if none is given or it cannot be loaded.
    """
    from evaluate_metrics.recall_at_k_within_n.pair_f1 import PairF1

    try:
        return PairF1(options.encoder, options.layer, options.batch_size, options.device, options.progress)
    except ValueError as error:
        raise UserError(str(error).split(";")[0], "Pass --encoder PATH --layer N, or leave recall out.") from error


def _first_ratio(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def recall_figures(data: ScoredSet, options: Options, scorer: PairF1) -> tuple[list[Figure], list[dict[str, Any]], Any]:
    """R@k/N by both protocols for every (k, N) and grouping.

    Args:
        data: predictions beside truths.
        options: how to score.
        scorer: the encoder.

    Returns:
        The figures, the metric's whole results, the signature.

    Raises:
        UserError: for a grouping that the annotations do not have, or an impossible (k, N).
    """
    from evaluate_metrics.recall_at_k_within_n.recall import PROTOCOLS, Setting, recall_table

    known = SETS.get(options.set_name or "")
    recalls = options.recalls or (known.recalls if known else RECALLS)
    groups = options.groups or (known.groups if known else ("film",))
    settings = [Setting(k, n, protocol) for k, n in recalls for protocol in PROTOCOLS]
    figures, details = [], []
    for group in groups:
        if group != "film" and group not in data.rows[0].columns:
            raise UserError(f"no column {group!r} to group by", "Pass --group film or a column of the annotations.")
        names = [row.film if group == "film" else f"{row.film}/{row.columns[group]}" for row in data.rows]
        film_of = dict(zip(names, data.films, strict=True))
        try:
            results = recall_table(data.texts, data.references, scorer, settings, names, data.times_s, group)
        except ValueError as error:
            raise UserError(str(error).split(";")[0], "Change --recall.") from error
        for result in results:
            values = [[value, 1.0] for value in result["per_group"].values()]
            figures.append(
                Figure(
                    f"recall_at_{result['k']}_within_{result['n']}_{result['protocol']}_{group}",
                    f"R@{result['k']}/{result['n']} ({result['protocol']}, by {group})",
                    np.array(values, dtype=np.float64).reshape(-1, 2),
                    _first_ratio,
                    [film_of[name] for name in result["per_group"]],
                    result["n_scored"],
                    chance=result["chance"],
                    chance_is="k / N (k / candidates in a short film)",
                )
            )
            details.append(result)
    return figures, details, {"metric": "R@k/N", **scorer.signature()}


def bertscore_figures(data: ScoredSet, options: Options, scorer: PairF1) -> Built:
    """BERTScore of each prediction with its own truth; its chance is the same with another AD of the film.

    Args:
        data: predictions beside truths.
        options: how to score.
        scorer: the encoder.

    Returns:
        Figures and signature.
    """
    import random

    from distinctad.score_figures import DEALS, deal

    texts = [text or "" for text in data.texts]
    count = len(texts)
    rng = random.Random(options.seed)
    rows = np.arange(count)
    # One call, so that each sentence is encoded once: the pairs of the predictions, then those of every deal.
    lots = [texts] + [[text or "" for text in deal(texts, data.films, rng)] for _ in range(DEALS)]
    places = {text: i for i, text in enumerate(sorted({text for lot in lots for text in lot}))}
    pairs = np.concatenate([np.stack([[places[text] for text in lot], rows], axis=1) for lot in lots])
    values = 100 * scorer.precision_recall_f1(list(places), data.references, pairs).reshape(len(lots), count, 3)
    figures = []
    for i, name in enumerate(("precision", "recall", "f1")):
        columns = np.stack([values[0, :, i], np.ones(count)], axis=1)
        chance = float(values[1:, :, i].mean())
        label = f"BERTScore, {'F1' if name == 'f1' else name}"
        figures.append(Figure(f"bertscore_{name}", label, columns, _first_ratio, data.films, count, chance=chance))
    return figures, {**scorer.signature(), "metric": "BERTScore, pair by pair"}


ENCODED: dict[str, Callable[[ScoredSet, Options, Any], Built]] = {"bertscore": bertscore_figures}
