"""The figures that need something outside: casts (CRITIC), a sentence encoder (Action score), a judge, Java."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from distinctad.errors import UserError
from distinctad.score_figures import DEALS, Built, Figure, Options, ScoredSet, deal, means
from evaluate_metrics.slot_accuracy.bootstrap import mean_of_sums

NOT_DEALT = "none is given; it would cost as much again"


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
    from evaluate_metrics.critic.characters import characters_of, critic_statistics, signature

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
    return [figure], signature()


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
    from evaluate_metrics.action_score.actions import action_scores, final, pieces_of, signature
    from evaluate_metrics.action_score.sentence_encoder import SentenceSimilarity

    try:
        scorer = SentenceSimilarity(options.encoder, device=options.device)
    except ValueError as error:
        raise UserError(str(error).split(";")[0], "Pass --encoder PATH, or leave action_score out.") from error
    actions = data.actions or [[text] for text in data.references]
    scorer.remember((text for item in actions for text in item), options.batch_size)
    scorer.remember((piece for text in data.texts for piece in pieces_of(text)), options.batch_size)
    scores = action_scores(data.texts, actions, scorer)
    counted = np.array([[score, 1.0] if score is not None and score >= 0 else [0.0, 0.0] for score in scores])
    figures = [
        Figure(
            name,
            label,
            columns,
            lambda sums: final(sums[..., 0] / sums[..., 1]),
            data.films,
            n,
            chance_is=NOT_DEALT,
            n_expected=len(scores),
        )  # fmt: skip
        for name, label, columns, n in (
            ("action_score", "Action score", means([score or 0.0 for score in scores]), len(scores)),
            # What the public script gives: it leaves out what it cannot score.
            ("action_score_said", "Action score (silence left out)", counted, int(counted[:, 1].sum())),
        )
    ]
    whole = "column gt_action" if data.actions else "the whole true AD"
    return figures, {**signature(), **scorer.signature(), "actions": whole}


def judge_figures(data: ScoredSet, options: Options) -> Built:
    """LLM-AD-eval by a chat model, by both conventions for answers that cannot be read.

    Args:
        data: predictions beside truths.
        options: how to score; `judge` names the model.

    Returns:
        Figures and signature.

    Raises:
        UserError: if no judge is given, or it, its prompt or the file of answers cannot be used.
    """
    from evaluate_metrics.llm_ad_eval.chat_judge import ChatJudge
    from evaluate_metrics.llm_ad_eval.marks import llm_ad_eval, read_prompt

    if options.judge is None:
        raise UserError("llm_ad_eval needs a judge", "Pass --judge with a chat model's folder or Hub id.")
    try:
        read_prompt(options.prompt)  # before the model, which takes long to load
        judge = ChatJudge(
            options.judge, sampling=options.sampling, seed=options.seed, dtype=options.dtype, device=options.device
        )
        result = llm_ad_eval(
            data.texts, data.references, judge, judge.describe(), options.prompt, options.batch_size,
            options.answers, options.progress, per_item=True,
        )  # fmt: skip
    except ValueError as error:
        what, _, mend = str(error).partition("; ")
        raise UserError(what, f"{mend[:1].upper()}{mend[1:]}, or leave llm_ad_eval out.") from error
    marks, n = result["marks"], len(data.rows)
    read = np.array([[mark or 0, mark is not None, 1.0] for mark in marks], dtype=np.float64)
    figures = [
        Figure("llm_ad_eval", "LLM-AD-eval (unread: 0)", read, mean_of_sums, data.films, n, "ratio",
               chance_is=NOT_DEALT),
        Figure("llm_ad_eval_parsed", "LLM-AD-eval (unread left out)", read, lambda sums: sums[..., 0] / sums[..., 1],
               data.films, int(read[:, 1].sum()), "ratio", chance_is=NOT_DEALT, n_expected=n),
        Figure("llm_ad_eval_read", "answers of the judge that can be read", read,
               lambda sums: 100 * sums[..., 1] / sums[..., 2], data.films, n, chance_is=NOT_DEALT),
    ]  # fmt: skip
    return figures, result["signature"]


def meteor_figures(data: ScoredSet, options: Options) -> Built:
    """METEOR through its jar: over the whole set, and the mean over ADs (which can be drawn again film by film).

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
    whole, n = np.array([[result["meteor"], 1.0]]), len(data.rows)
    figures = [
        # Papers print the jar's score over all sums; only the jar can make it of other sums, so it has no interval.
        Figure("meteor", "METEOR (whole set)", whole, mean_of_sums, ["all"], n, chance_is=NOT_DEALT),
        Figure("meteor_mean", "METEOR (mean over ADs)", means(result["scores"]), mean_of_sums, data.films, n,
               chance_is=NOT_DEALT, per_item=result["scores"]),
    ]  # fmt: skip
    return figures, result["signature"]


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
        "spice", "SPICE", means(result["scores"]), mean_of_sums, data.films, len(data.rows), chance_is=NOT_DEALT,
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
