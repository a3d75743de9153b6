"""The figures that need a text encoder: R@k/N and BERTScore."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from distinctad.errors import UserError
from distinctad.score_figures import DEALS, Built, Figure, Options, ScoredSet, deal, means
from distinctad.score_sets import SETS
from evaluate_metrics.slot_accuracy.bootstrap import mean_of_sums

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
    from evaluate_metrics.recall_at_k_within_n.recall import PROTOCOLS, Setting, recall_tables

    known = SETS.get(options.set_name or "")
    recalls = options.recalls or (known.recalls if known else RECALLS)
    groups = options.groups or (known.groups if known else ("film",))
    settings = [Setting(k, n, protocol) for k, n in recalls for protocol in PROTOCOLS]
    groupings, film_of = {}, dict(zip(data.films, data.films, strict=True))
    for group in groups:
        if group != "film" and group not in data.rows[0].columns:
            raise UserError(f"no column {group!r} to group by", "Pass --group film or a column of the annotations.")
        names = [row.film if group == "film" else f"{row.film}/{row.columns[group]}" for row in data.rows]
        groupings[group] = names
        film_of |= zip(names, data.films, strict=True)
    try:
        results = recall_tables(data.texts, data.references, scorer, settings, groupings, data.times_s)
    except ValueError as error:
        raise UserError(str(error).split(";")[0], "Change --recall.") from error
    figures = []
    for result in results:
        figures.append(
            Figure(
                f"recall_at_{result['k']}_within_{result['n']}_{result['protocol']}_{result['group']}",
                f"R@{result['k']}/{result['n']} ({result['protocol']}, by {result['group']})",
                means(list(result["per_group"].values())),
                mean_of_sums,
                [film_of[name] for name in result["per_group"]],
                result["n_scored"],
                chance=result["chance"],
                chance_is="k / N (k / candidates in a short film)",
                n_expected=result["n_expected"],
            )
        )
    orders = {result["protocol"]: result["order"] for result in results}
    return figures, results, {"metric": "R@k/N", "order": orders, **scorer.signature()}


def bertscore_figures(data: ScoredSet, options: Options, scorer: PairF1) -> Built:
    """BERTScore of each prediction with its own truth; its chance is the same with another AD of the film.

    Args:
        data: predictions beside truths.
        options: how to score.
        scorer: the encoder.

    Returns:
        Figures and signature.
    """
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
        columns = means(values[0, :, i])
        chance = float(values[1:, :, i].mean())
        label = f"BERTScore, {'F1' if name == 'f1' else name}"
        figures.append(Figure(f"bertscore_{name}", label, columns, mean_of_sums, data.films, count, chance=chance))
    return figures, {**scorer.signature(), "metric": "BERTScore, pair by pair"}


ENCODED: dict[str, Callable[[ScoredSet, Options, Any], Built]] = {"bertscore": bertscore_figures}
