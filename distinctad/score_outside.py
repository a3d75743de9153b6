"""The figures that need something outside: casts (CRITIC), a sentence encoder (Action score), a judge, Java."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from distinctad.errors import UserError
from distinctad.score_figures import Built, Figure, Options, ScoredSet

NOT_DEALT = "none is given; it would cost as much again"


def _first_over_last(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., -1]


def _means(values: Any) -> np.ndarray:
    column = np.asarray(values, dtype=np.float64)
    return np.stack([column, np.ones(len(column))], axis=1)


def critic_figures(data: ScoredSet, options: Options) -> Built:
    """CRITIC by our rules of coreference.

    Args:
        data: predictions beside truths, with casts.
        options: how to score.

    Returns:
        Figures and signature.

    Raises:
        UserError: if there are no casts or a film has none.
    """
    import random

    from distinctad.score_figures import DEALS, deal
    from evaluate_metrics.critic.characters import characters_of, critic, critic_statistics

    if not data.casts:
        raise UserError("critic needs the casts", "Pass --casts with a folder or JSON of {film: [names]}.")
    try:
        told = characters_of(data.texts, data.films, data.casts, data.times_s)
        true = characters_of(data.references, data.films, data.casts, data.times_s)
    except ValueError as error:
        raise UserError(str(error).split(";")[0], "Add the film to --casts, or leave critic out.") from error
    columns = critic_statistics(told, true)
    rng, chances = random.Random(options.seed), []
    places: list[str | None] = [str(row) for row in range(len(told))]
    for _ in range(DEALS):  # the sets are dealt, not the texts: a pronoun belongs to its place
        dealt = [told[int(place)] if place is not None else set() for place in deal(places, data.films, rng)]
        sums = critic_statistics(dealt, true).sum(0)
        chances.append(100 * sums[0] / sums[2] if sums[2] else 0.0)
    n = int(columns[:, 2].sum())
    figure = Figure(
        "critic", "CRITIC", columns, lambda sums: 100 * sums[..., 0] / sums[..., 2], data.films, n,
        chance=float(np.mean(chances)),
    )  # fmt: skip
    return [figure], critic([""], [""], ["-"], {"-": []})["signature"]


def action_figures(data: ScoredSet, options: Options) -> Built:
    """Action score; without the column gt_action the whole true AD is its one action.

    Args:
        data: predictions beside truths.
        options: how to score; `encoder` is a sentence encoder here.

    Returns:
        Figures and signature.

    Raises:
        UserError: if no encoder is given or it cannot be loaded.
    """
    from evaluate_metrics.action_score.actions import action_score, action_scores, final, pieces_of
    from evaluate_metrics.action_score.sentence_encoder import SentenceSimilarity

    try:
        scorer = SentenceSimilarity(options.encoder, device=options.device)
    except ValueError as error:
        raise UserError(str(error).split(";")[0], "Pass --encoder PATH, or leave action_score out.") from error
    actions = data.actions or [[text] for text in data.references]
    scorer.remember((text for item in actions for text in item), options.batch_size)
    scorer.remember((piece for text in data.texts for piece in pieces_of(text)), options.batch_size)
    scores = [score or 0.0 for score in action_scores(data.texts, actions, scorer)]
    figure = Figure(
        "action_score", "Action score", _means(scores),
        lambda sums: final(sums[..., 0] / sums[..., 1]), data.films, len(data.rows),
        chance_is=NOT_DEALT,
    )  # fmt: skip
    signature = action_score([""], [["-"]], lambda a, b: np.zeros((len(a), len(b))))["signature"]
    whole = "column gt_action" if data.actions else "the whole true AD"
    return [figure], {**signature, **scorer.signature(), "actions": whole}


def judge_figures(data: ScoredSet, options: Options) -> Built:
    """LLM-AD-eval by a chat model, greedy, by both conventions for answers that cannot be read.

    Args:
        data: predictions beside truths.
        options: how to score; `judge` names the model.

    Returns:
        Figures and signature.

    Raises:
        UserError: if no judge is given or it cannot be loaded.
    """
    from evaluate_metrics.llm_ad_eval.chat_judge import ChatJudge
    from evaluate_metrics.llm_ad_eval.marks import llm_ad_eval

    if options.judge is None:
        raise UserError("llm_ad_eval needs a judge", "Pass --judge with a chat model's folder or Hub id.")
    try:
        judge = ChatJudge(options.judge, seed=options.seed, device=options.device)
    except ValueError as error:
        raise UserError(str(error).split(";")[0], "Pass another --judge, or leave llm_ad_eval out.") from error
    result = llm_ad_eval(
        data.texts, data.references, judge, judge.describe(), batch_size=options.batch_size,
        resume=options.answers, progress=options.progress, per_item=True,
    )  # fmt: skip
    marks, n = result["marks"], len(data.rows)
    read = np.array([[mark or 0, mark is not None, 1.0] for mark in marks], dtype=np.float64)
    figures = [
        Figure("llm_ad_eval", "LLM-AD-eval (unread: 0)", read, _first_over_last, data.films, n, "ratio",
               chance_is=NOT_DEALT),
        Figure("llm_ad_eval_parsed", "LLM-AD-eval (unread left out)", read, lambda sums: sums[..., 0] / sums[..., 1],
               data.films, int(read[:, 1].sum()), "ratio", chance_is=NOT_DEALT),
        Figure("llm_ad_eval_read", "answers of the judge that can be read", read,
               lambda sums: 100 * sums[..., 1] / sums[..., 2], data.films, n, chance_is=NOT_DEALT),
    ]  # fmt: skip
    return figures, result["signature"]


def meteor_figures(data: ScoredSet, options: Options) -> Built:
    """METEOR through its jar, the mean over ADs (which can be drawn again film by film).

    Args:
        data: predictions beside truths.
        options: how to score; `jars` is the folder of the jar.

    Returns:
        Figures and signature.

    Raises:
        UserError: if Java or the jar is not there or fails.
    """
    from evaluate_metrics.meteor.meteor_jar import MeteorUnavailable, meteor

    try:
        result = meteor(data.texts, data.references, jar=options.jars, per_item=True)
    except MeteorUnavailable as error:
        raise UserError(str(error).split(";")[0], "Install Java, pass --jars, or leave meteor out.") from error
    figure = Figure(
        "meteor", "METEOR (mean over ADs)", _means(result["scores"]), _first_over_last, data.films, len(data.rows),
        chance_is=NOT_DEALT, per_item=result["scores"],
    )  # fmt: skip
    return [figure], {**result["signature"], "whole_set": result["meteor"]}


def spice_figures(data: ScoredSet, options: Options) -> Built:
    """SPICE through its jars.

    Args:
        data: predictions beside truths.
        options: how to score; `jars` is the folder of the jars.

    Returns:
        Figures and signature.

    Raises:
        UserError: if Java or a jar is not there or fails.
    """
    from evaluate_metrics.spice.spice_jar import SpiceUnavailable, spice

    try:
        result = spice(data.texts, data.references, jars=options.jars, per_item=True)
    except SpiceUnavailable as error:
        raise UserError(str(error).split(";")[0], "Pass --jars with the jars' folder, or leave spice out.") from error
    figure = Figure(
        "spice", "SPICE", _means(result["scores"]), _first_over_last, data.films, len(data.rows), chance_is=NOT_DEALT,
        per_item=result["scores"],
    )  # fmt: skip
    return [figure], result["signature"]


OUTSIDE: dict[str, Callable[[ScoredSet, Options], Built]] = {
    "critic": critic_figures,
    "action_score": action_figures,
    "llm_ad_eval": judge_figures,
    "meteor": meteor_figures,
    "spice": spice_figures,
}
