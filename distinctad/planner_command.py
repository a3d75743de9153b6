"""`distinctad plan`: print a film's gaps, budgets and advice; write them as a script of opportunities."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from distinctad.errors import UserError
from distinctad.formats.script import clock, to_ms
from distinctad.intervals import GapRules
from distinctad.planner import TimePlan, opportunities, plan_time
from distinctad.planner_rate import WORDS_A_SECOND, Rate, assumed, measured_rate

GAPS = GapRules()


def plan_command(
    film: Annotated[Path, typer.Argument(help="A video file.")],
    subtitles: Annotated[
        Path | None, typer.Option(help="SubRip, WebVTT, ASS or TTML; without: a detector listens (extra: vad).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the opportunities: .dapt.xml, .ttml, .csv or .json.")] = None,
    voice: Annotated[
        str | None, typer.Option(help="Count words at this voice's measured rate: auto, espeak-ng, ...")
    ] = None,
    words_per_second: Annotated[float, typer.Option(help="Count words at this rate.")] = WORDS_A_SECOND,
    min_gap: Annotated[float, typer.Option(help="Shortest gap between lines of speech (s).")] = GAPS.min_gap_s,
    guard: Annotated[float, typer.Option(help="Kept free beside a line of speech (s).")] = GAPS.guard_s,
    max_length: Annotated[float, typer.Option(help="Opportunities are no longer (s).")] = GAPS.max_length_s,
    shots: Annotated[bool, typer.Option(help="Look for shot cuts; the film is decoded once.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Find where speech leaves room for description, how many words fit, and whether the film must pause."""
    rules = GapRules(min_gap, guard, max_length, GAPS.even_s)
    with contextlib.ExitStack() as held:
        write = None
        if out is not None:  # a file that cannot be written is refused before the film is read
            from distinctad.exports import OutputFolder

            write = _writer(out)
            folder = held.enter_context(
                OutputFolder(out.parent, overwrite, (out.name,), "another --out", (film, subtitles))
            )
        found = plan_time(film, subtitles, rules, _rate(voice, words_per_second), shots)
        if out is not None and write is not None:  # before anything is said: nobody may be listening any more
            folder.write({out.name: write(opportunities(found, rules))})
    for warning in found.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    typer.echo("\n".join([*_lines(found, shots), *([str(out)] if out is not None else [])]))


def _writer(out: Path) -> Callable:
    from distinctad.formats.convert import WRITERS

    kind = out.suffix.lower()
    if kind not in (".xml", ".ttml", ".csv", ".json"):
        fix = "Give .dapt.xml, .ttml, .csv or .json."
        raise UserError(f"the file '{out.name}' cannot hold opportunities without a text", fix)
    return WRITERS[kind]


def _rate(voice: str | None, words_per_second: float) -> Rate:
    if voice is not None:
        return measured_rate(voice)
    try:
        return assumed(words_per_second)
    except ValueError as error:
        raise UserError(f"--words-per-second is {words_per_second:g}", "Give a number from 0.5 to 10.") from error


def _lines(found: TimePlan, shots: bool) -> list[str]:
    """The report: one line a gap, with its shot cuts where they were looked for, then what it comes to."""
    lines = ["start         end           length  words" + ("  shot cuts" if shots else "")]
    for gap in found.gaps:
        cuts = ", ".join(f"{cut:.1f}" for cut in gap.cuts_s[:6]) + (" ..." if len(gap.cuts_s) > 6 else "")
        times = f"{clock(to_ms(gap.start_s))}  {clock(to_ms(gap.end_s))}"
        lines.append(f"{times}  {gap.length_s:5.1f}s  {gap.words:5d}  {cuts}".rstrip())
    heard = f"speech from {found.heard_by}" if found.heard_by != "no sound" else "no sound"
    rate = found.rate.voice + (f" (error {found.rate.error:.0%})" if found.rate.error is not None else "")
    return [
        *lines,
        f"{found.film}: {found.speakable_s:.1f} of {found.duration_s:.1f} s can be spoken in; {heard}; rate: {rate}",
        f"advice: {found.advice} ({found.reason})",
    ]
