"""The command line: `distinctad describe | plan | convert | pocket | score`.

Only typer is imported here; each command imports what it needs when it runs. Whatever a user got wrong arrives as a
`UserError`, or as the system's own `OSError`, and leaves as one line on the error stream and exit code 2, for every
command, at one place (`_Group`).
"""

from __future__ import annotations

import contextlib
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from distinctad import __version__
from distinctad.bar import progress_bar
from distinctad.catalogue_command import catalogue_command
from distinctad.data import data_app
from distinctad.describe import Described, rehearse
from distinctad.describe import describe as describe_film
from distinctad.errors import UserError, one_line
from distinctad.exports import REVIEW
from distinctad.feature_tower import FeatureSettings
from distinctad.features_command import features_command
from distinctad.formats.convert import convert_command
from distinctad.intervals import GapRules
from distinctad.introduce import Naming
from distinctad.loading import MODEL, POCKET_ONLY, is_pocket
from distinctad.plan import Characters, Overlaps, Plan, Settings
from distinctad.planner_command import plan_command
from distinctad.pocket import pocket_command
from distinctad.publish_command import publish_command
from distinctad.score_command import score_command
from distinctad.show_table import on_terminal, show_table
from distinctad.track import CANDIDATES, Export, TrackSettings, refuse_unread
from distinctad.words import words_command

GAPS = GapRules()
# Settings name their fields; who sits at the keyboard knows options. Where the two differ by more than dashes:
_OPTIONS = {
    "duck_db": "duck",
    "min_gap_s": "min-gap",
    "guard_s": "guard",
    "max_length_s": "max-length",
    "even_s": "every",
}
_FIELDS = {"export"}.union(
    f.name for kind in (Settings, GapRules, TrackSettings, FeatureSettings) for f in fields(kind)
)


EXAMPLES = {
    "describe": "Example: distinctad describe film.mp4 --subtitles film.srt --out drafts",
    "convert": "Example: distinctad convert drafts/descriptions.vtt script.dapt.xml",
    "score": "Example: distinctad score told.csv --annotations films.csv --out scores",
}


class _Group(TyperGroup):
    """A command group that says a `UserError` or an `OSError` in one line and ends with exit code 2."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line: here and not in `invoke`, for --help and --version write too.

        Raises:
            SystemExit: at its end; with code 2 after an error has been said, quietly where nobody reads any more.
        """
        try:
            return super().main(*arguments, **options)
        except UserError as error:
            typer.echo(f"Error: {_with_options(str(error))}", err=True)
            raise SystemExit(2) from error
        except OSError as error:  # every path that is looked at may be out of bounds, or its name too long
            typer.echo(f"Error: {_refused(error)}", err=True)
            raise SystemExit(2) from error


def _refused(error: OSError) -> UserError:
    """What the system refused, in the user's words."""
    reason = one_line(error.strerror or str(error), 160)
    if error.filename is not None:
        path = one_line(str(error.filename), 160)
        return UserError(f"'{path}' cannot be used ({reason})", "Check the path and your rights.")
    if error.errno is None:  # a library's own, about a model or the Hub
        return UserError(reason, "Check the names and the connection.")
    try:
        sys.stdout.flush()
    except OSError:  # closed now, or the interpreter tries once more at its end, and says so in its own way
        with contextlib.suppress(OSError):
            sys.stdout.close()
    return UserError(f"the output cannot be written ({reason})", "Check where it goes, and the disk.")


def _with_options(said: str) -> str:
    """Put the option in the place of the settings' field that an error is about: "duck_db is 5" is --duck's."""

    def option(found: re.Match[str]) -> str:
        name = found.group()
        return f"--{_OPTIONS.get(name, name.replace('_', '-'))}" if name in _FIELDS else name

    return re.sub(r"^\w+(?= is )|(?<=' was made with )\w+", option, said, count=1)


app = typer.Typer(
    cls=_Group,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # `main` frames the help where there is a terminal
    help="Draft audio description for a film. Every draft needs a person's review.",
)
app.command("pocket")(pocket_command)
app.command("score", epilog=EXAMPLES["score"])(score_command)
app.command("plan")(plan_command)
app.command("convert", epilog=EXAMPLES["convert"])(convert_command)
app.command("features")(features_command)
app.command("words")(words_command)
app.command("catalogue")(catalogue_command)
app.command("publish")(publish_command)
app.add_typer(data_app)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"distinctad {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    pass


@app.command("describe", epilog=EXAMPLES["describe"])
def describe_command(
    context: typer.Context,
    film: Annotated[Path, typer.Argument(help="A video file.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for descriptions.csv, .json, .srt and .vtt; needed unless --dry-run."),
    ] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="SubRip, WebVTT, ASS or TTML: the gaps between its lines are described.")
    ] = None,
    cast: Annotated[
        Path | None, typer.Option(help="JSON or CSV: id, name, actor, portrait (a path beside the file).")
    ] = None,
    intervals: Annotated[Path | None, typer.Option(help="CSV with columns start and end: what to describe.")] = None,
    model: Annotated[str | None, typer.Option(help=MODEL)] = None,
    characters: Annotated[
        Characters, typer.Option(help="Names in a prompt: those recognised in the clip, or all.")
    ] = "recognised",
    max_people: Annotated[int, typer.Option(help="At most so many recognised people a clip.")] = 3,
    num_beams: Annotated[int | None, typer.Option(help="Beams of the search (default: the checkpoint's).")] = None,
    contrast: Annotated[
        float | None,
        typer.Option(
            help="0 to 10: how much the neighbours' pictures count against a text (default: the checkpoint's)."
        ),
    ] = None,
    batch_windows: Annotated[int, typer.Option(help="Windows that run at once.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of every random number.")] = 0,
    min_gap: Annotated[
        float, typer.Option(help="Shortest gap between subtitle lines to describe (s).")
    ] = GAPS.min_gap_s,
    guard: Annotated[float, typer.Option(help="Kept free beside a subtitle line (s).")] = GAPS.guard_s,
    max_length: Annotated[float, typer.Option(help="Longer gaps are split (s).")] = GAPS.max_length_s,
    every: Annotated[
        float, typer.Option(help="Length of an interval without subtitles and intervals (s).")
    ] = GAPS.even_s,
    overlaps: Annotated[Overlaps, typer.Option(help="Overlapping rows of the intervals file.")] = "refuse",
    film_id: Annotated[str | None, typer.Option(help="What the intervals file calls this film.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files of an earlier run.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the intervals; no model is loaded.")] = False,
    export: Annotated[
        Export,
        typer.Option(help="text: the four files; all: texts fitted to the gaps; DAPT, narration, mix, films, page."),
    ] = "text",
    voice: Annotated[str, typer.Option(help="--export all only: who speaks; auto, espeak-ng, ...")] = "auto",
    duck: Annotated[
        float, typer.Option(help="--export all only: gain of the film's sound under a description (dB).")
    ] = -10.0,
    candidates: Annotated[
        int, typer.Option(help="--export all only: texts a clip to choose among (1 to 4).")
    ] = CANDIDATES,
    naming: Annotated[Naming, typer.Option(help="Name people at once, or once the subtitles have.")] = "early",
) -> None:
    """Describe a film: find or read the intervals, draft a text for each, write CSV, JSON, SRT and WebVTT."""
    settings = Settings(
        device=device, dtype=dtype, seed=seed, batch_windows=batch_windows, num_beams=num_beams, contrast=contrast,
        characters=characters, max_people=max_people, overlaps=overlaps, film_id=film_id,
        gaps=GapRules(min_gap, guard, max_length, every),
    )  # fmt: skip
    refuse_unread(context, export)
    given: dict[str, Any] = {"subtitles": subtitles, "cast": cast, "intervals": intervals, "settings": settings}
    given |= {"export": export, "track": TrackSettings(voice, duck, candidates, naming)}
    if dry_run:
        _print_plan(rehearse(film, **given))
        return
    if out is None:
        raise UserError("--out is missing", "Give a folder to write to, or --dry-run to see the intervals.")
    with progress_bar("reading the film") as (show, _):
        described = describe_film(
            film, out, **given, model=model, overwrite=overwrite,
            progress=lambda done, total: show("describing clips", done, total),
        )  # fmt: skip
    _print_described(described, is_pocket(model))


def _print_described(described: Described, by_pocket: bool) -> None:
    _warn([*described.document["warnings"], *([POCKET_ONLY] if by_pocket else [])])
    rows = [
        [str(cue["index"]), _clock(cue["start_s"]), _clock(cue["end_s"]), cue["text"], ", ".join(cue["characters"])]
        for cue in described.cues
    ]
    columns = ["#", "start", "end", "description", "in the prompt"]
    show_table(described.document["film"]["name"], columns, rows, columns[3:], REVIEW)
    typer.echo("\n".join(str(path) for path in described.files))


def _print_plan(job: Plan) -> None:
    _warn(job.warnings)
    rows = []
    for i, interval in enumerate(job.intervals, 1):
        where = interval.origin if interval.line is None else f"line {interval.line}"
        rows.append(
            [
                str(i),
                _clock(interval.start_s),
                _clock(interval.end_s),
                f"{interval.end_s - interval.start_s:.2f}",
                where,
            ]
        )
    total_s = sum(interval.end_s - interval.start_s for interval in job.intervals)
    caption = (
        f"{len(rows)} interval(s), {total_s:.1f} of {job.info.duration_s:.1f} s; {len(job.cast)} people in the cast"
    )
    show_table(job.film.name, ["#", "start", "end", "length (s)", "from"], rows, ["from"], caption)


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        typer.echo(f"Warning: {warning}", err=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest / 1000:06.3f}"


def main() -> None:
    """Run the command line (the entry point `distinctad`)."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that is not UTF-8 gets "Dvo?ák", no traceback; JSON is ASCII
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app.rich_markup_mode = "rich" if on_terminal() else None
    app(prog_name="distinctad", windows_expand_args=False)  # or "Show [1].mp4" would name "Show 1.mp4" there
