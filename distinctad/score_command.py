"""`distinctad score`, its options; what computes is imported when it runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from distinctad.errors import UserError
from distinctad.formats.convert import WRITERS
from distinctad.score_sets import METRICS, SETS, named_set

SCRIPTS = {*WRITERS} - {".csv", ".txt"}  # what `convert` reads beside CSV
CHOICE = f"Of {', '.join(METRICS)} (default: all that the inputs allow but action_score, meteor, spice)."


def _recalls(text: str) -> tuple[tuple[int, int], ...] | None:
    """Read k/N pairs such as "5/16,1/5"; "" is none given."""
    pairs = []
    for part in text.split(",") if text.strip() else []:
        match = re.fullmatch(r"\s*(\d{1,6})/(\d{1,6})\s*", part)
        if match is None or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) < 2:
            raise UserError(f"--recall holds {part!r}", "Give k/N pairs with 1 <= k <= N, such as 5/16,1/5.")
        pairs.append((int(match[1]), int(match[2])))
    return tuple(pairs) or None


def _no_scripts(*paths: Path | None) -> None:
    """Refuse a subtitle or script file by its ending: as a CSV its texts' commas would be what is wrong with it."""
    for path in paths:
        if path is not None and path.suffix.lower() in SCRIPTS:
            stem = path.name.partition(".")[0]
            raise UserError(
                f"'{path}' is a script, not a CSV",
                f"`distinctad convert {path.name} {stem}.csv` makes one; where its film column is empty, fill it in.",
            )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def score_command(
    predictions: Annotated[Path, typer.Argument(help="CSV with film (or movie), start, end, text_gen (or text).")],
    out: Annotated[Path, typer.Option(help="Folder for scores.json, scores.md and the plots.")],
    truth: Annotated[Path | None, typer.Option(help="truth.jsonl of pocket films.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="CSV of ground-truth ADs in a public layout.")] = None,
    set_name: Annotated[str | None, typer.Option("--set", help=f"Of {', '.join(SETS)}: columns and sizes.")] = None,
    compare: Annotated[Path | None, typer.Option(help="Other predictions of the same ADs, for a paired test.")] = None,
    casts: Annotated[
        Path | None,
        typer.Option(help="Folder of <film>.cast.json or a JSON of film to list of names (default: by the truth)."),
    ] = None,
    metrics: Annotated[str, typer.Option(help=CHOICE)] = "",
    encoder: Annotated[
        str | None, typer.Option(help="Text encoder for R@k/N, BERTScore, Action score: folder or Hub id.")
    ] = None,
    layer: Annotated[int | None, typer.Option(help="The encoder's layer (papers: 17 of roberta-large).")] = None,
    recall: Annotated[str, typer.Option(help="k/N pairs (default: the set's, else 5/16,1/5).")] = "",
    group: Annotated[str, typer.Option(help="R@k/N within: film, or columns of the annotations.")] = "",
    last_k: Annotated[int, typer.Option(min=1, help="How many ADs back a repetition counts.")] = 5,
    window: Annotated[int, typer.Option(min=2, help="N of the distinctive words.")] = 16,
    judge: Annotated[str | None, typer.Option(help="Chat model of LLM-AD-eval: a folder or Hub id.")] = None,
    prompt: Annotated[
        Path | None, typer.Option(help="JSON of the judge's system and user text (default: ours).")
    ] = None,
    sampling: Annotated[str, typer.Option(help="Of the judge: greedy, or autoad3 as in the papers.")] = "greedy",
    dtype: Annotated[str, typer.Option(help="Of the judge, such as bfloat16.")] = "float32",
    answers: Annotated[Path | None, typer.Option(help="File that keeps the judge's answers, to go on later.")] = None,
    jars: Annotated[Path | None, typer.Option(help="Folder of the METEOR and SPICE jars.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Sentences the encoder takes at once.")] = 64,
    device: Annotated[str, typer.Option(help="Where the encoder and the judge run: auto, cpu, cuda, ...")] = "auto",
    resamples: Annotated[int, typer.Option(min=1, help="Of the bootstrap over films.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of bootstrap, chance deals and sampling.")] = 0,
    progress: Annotated[bool, typer.Option(help="Show progress bars.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the scores of an earlier run.")] = False,
) -> None:
    """Score predictions with every metric of the field, each with an interval over films.

    Beside a figure stands its chance or, for repetition and length, the truths' own value; scores.md says where neither
    is given.
    """
    from distinctad.score import score
    from distinctad.score_figures import Options
    from distinctad.score_report import fill, print_table, report_folder

    _no_scripts(predictions, compare)
    if set_name is not None:
        named_set(set_name)
    options = Options(
        metrics=_list(metrics), encoder=encoder, layer=layer, recalls=_recalls(recall), groups=_list(group) or None,
        batch_size=batch_size, device=device, resamples=resamples, seed=seed, set_name=set_name,
        last_k=last_k, window=window, judge=judge, prompt=prompt, sampling=sampling, dtype=dtype, jars=jars,
        progress=progress, answers=answers,
    )  # fmt: skip
    with report_folder(out, overwrite) as folder:  # a taken place is refused before anything is computed
        scores = score(predictions, truth, annotations, casts, options, compare)
        files = fill(folder, scores)
    print_table(scores)
    typer.echo("\n".join(map(str, files)))
