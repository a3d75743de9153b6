"""`distinctad catalogue`: describe, or extract features of, every film of a folder, on one machine or on many."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import typer

from distinctad.bar import progress_bar
from distinctad.catalogue import Catalogue, Film, Shard, find_catalogue, parse_shard
from distinctad.catalogue_store import Store
from distinctad.catalogue_work import FILM_LIMIT_S, Job, Result, Task, run_local
from distinctad.errors import UserError, one_line
from distinctad.feature_tower import FeatureSettings, Fit
from distinctad.intervals import GapRules
from distinctad.introduce import Naming
from distinctad.loading import MODEL, POCKET_ONLY, is_pocket
from distinctad.plan import Characters, Overlaps, Settings, probe_film
from distinctad.track import CANDIDATES, Export, TrackSettings, refuse_unread

Engine = Literal["local", "ray"]
Progress = Callable[[str, int, int], None]  # what, how many done, how many in all

GAPS = GapRules()
FILMS = (
    "A folder of films; beside NAME.mp4 its subtitles (NAME.srt, .vtt, .ass, .ssa, .ttml, .xml), "
    "NAME.cast.json or .cast.csv, NAME.intervals.csv."
)
MAX_WORKERS = 256
# Seconds of work a second of film: the pocket checkpoint, 640x360, one x86 core (see docs/scale.md). It is what a dry
# run says before the folder has times of its own.
DEFAULT_PACE = {"describe": 0.02, "all": 0.15, "features": 0.05}


@dataclass
class Report:
    """What a run did.

    Attributes:
        done: films that this run finished.
        skipped: films of the shard that were finished before.
        failed: name -> error, of the films that could not be done.
        counts: films of the whole catalogue that are "done", "failed", "open" and "equal", over all shards.
        by: who did them: process numbers, or ids of Ray's actors.
        unwritten: why summary.csv is not this run's; "" if it is.
    """

    done: list[Result] = field(default_factory=list)
    skipped: list[Film] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    by: set[tuple[str, ...]] = field(default_factory=set)
    unwritten: str = ""


def run_catalogue(
    folder: Path,
    job: Job,
    *,
    shard: Shard | None = None,
    workers: int = 1,
    engine: Engine = "local",
    film_limit_s: float = FILM_LIMIT_S,
    progress: Progress | None = None,
) -> Report:
    """Do every film of a folder that is not finished yet.

    Args:
        folder: where the films lie, subtitles, cast and intervals beside them by name.
        job: what to do, and where it goes.
        shard: which part of the catalogue; None: all.
        workers: films at once.
        engine: processes of this machine, or Ray.
        film_limit_s: seconds that a film may take; engine "local" only.
        progress: called with what is being done, how many films of it are done and in all.

    Returns:
        What was done. A film that cannot be done stands in `failed`; the others are done all the same.

    Raises:
        UserError: nothing can be done: no film, no model, an output folder of another kind or in use.
    """
    shard, store = shard or Shard(), Store(job.out)
    if not folder.is_dir():
        raise UserError(f"the catalogue '{folder}' is not a folder", "Give the folder that holds the films.")
    store.open(job.about())
    tell = progress or (lambda what, done, total: None)
    with store.running(shard):
        catalogue = find_catalogue(folder, store.book, shard, lambda done, total: tell("hashing", done, total))
        store.write_manifest(catalogue)
        report, todo = _todo(catalogue, store, shard, tell)
        results: Iterable[Result] = ()
        if todo and engine == "ray":
            from distinctad.catalogue_ray import run_ray

            results = run_ray(todo, job, workers)
        elif todo:
            results = run_local(todo, job, workers, film_limit_s)
        for number, result in enumerate(results, 1):
            if result.error:
                report.failed[result.film.name] = result.error
            else:
                report.done.append(result)
                store.add_time(result.film, result.wall_s, result.film_s)
            report.by.add(result.by)
            tell(result.film.name, number, len(todo))
        report.counts, report.unwritten = store.summarise(catalogue)
    return report


def _todo(catalogue: Catalogue, store: Store, shard: Shard, tell: Progress) -> tuple[Report, list[Film]]:
    """Tell what is finished from what is to be done; unreadable files are failures of every shard."""
    report = Report(failed=dict(catalogue.unreadable))
    todo: list[Film] = []
    mine = [film for film in catalogue.films if shard.holds(film)]
    for number, film in enumerate(mine, 1):
        (report.skipped if store.is_done(film) else todo).append(film)
        tell("checking what is done", number, len(mine))
    return report, todo


def catalogue_command(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help=FILMS)],
    task: Annotated[Task, typer.Option(help="What is done with each film.")] = "describe",
    out: Annotated[
        Path | None,
        typer.Option(help="Output folder; a run goes on with what it holds; needed unless --dry-run."),
    ] = None,
    shard: Annotated[str, typer.Option(help="i/n: only the i-th of n parts; parts may run at once.")] = "1/1",
    workers: Annotated[int, typer.Option(min=1, max=MAX_WORKERS, help="Films at once.")] = 1,
    engine: Annotated[Engine, typer.Option(help="local: processes; ray: actors of Ray Data.")] = "local",
    film_limit_s: Annotated[
        float, typer.Option(min=0.001, help="Seconds that a film may take (local engine); then it has failed.")
    ] = FILM_LIMIT_S,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be done, and how long.")] = False,
    model: Annotated[str | None, typer.Option(help=MODEL)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    seed: Annotated[int, typer.Option(help="describe: of every random number.")] = 0,
    num_beams: Annotated[int | None, typer.Option(help="describe: beams (default: the checkpoint's).")] = None,
    contrast: Annotated[
        float | None, typer.Option(help="describe: 0 to 10, the neighbours' weight (default: the checkpoint's).")
    ] = None,
    characters: Annotated[Characters, typer.Option(help="describe: names in a prompt.")] = "recognised",
    max_people: Annotated[int, typer.Option(help="describe: at most so many recognised people a clip.")] = 3,
    min_gap: Annotated[float, typer.Option(help="describe: shortest gap between subtitle lines (s).")] = GAPS.min_gap_s,
    guard: Annotated[float, typer.Option(help="describe: kept free beside a subtitle line (s).")] = GAPS.guard_s,
    max_length: Annotated[float, typer.Option(help="describe: longer gaps are split (s).")] = GAPS.max_length_s,
    every: Annotated[
        float, typer.Option(help="describe: an interval's length in a film with neither subtitles nor intervals (s).")
    ] = GAPS.even_s,
    overlaps: Annotated[Overlaps, typer.Option(help="describe: overlapping rows of an intervals file.")] = "refuse",
    naming: Annotated[
        Naming, typer.Option(help="describe: name people at once, or once the subtitles have.")
    ] = "early",
    export: Annotated[
        Export, typer.Option(help="describe: text: four files a film; all: also DAPT, transcript, sound, films, page.")
    ] = "text",
    voice: Annotated[str, typer.Option(help="--export all only: who speaks; auto, espeak-ng, ...")] = "auto",
    duck: Annotated[
        float, typer.Option(help="--export all only: gain of a film's sound under a description (dB).")
    ] = -10.0,
    candidates: Annotated[
        int, typer.Option(help="--export all only: texts a clip to choose among (1 to 4).")
    ] = CANDIDATES,
    dtype: Annotated[str, typer.Option(help="describe: auto, float32, bfloat16 or float16.")] = "auto",
    batch_windows: Annotated[int, typer.Option(help="describe: windows that run at once.")] = 1,
    fps: Annotated[float, typer.Option(help="features: frames a second.")] = 5.0,
    frame_fit: Annotated[Fit | None, typer.Option(help="features: how pictures meet the tower's square.")] = None,
    batch: Annotated[int, typer.Option(help="features: frames encoded at once.")] = 32,
) -> None:
    """Describe or encode a whole folder of films; exit code 1 if any of them could not be done."""
    refuse_unread(context, export)
    if export == "all" and task != "describe":
        raise UserError(f"--export all has nothing to do with --task {task}", "Leave one of them out.")
    describing = Settings(
        device=device, dtype=dtype, seed=seed, batch_windows=batch_windows, num_beams=num_beams, contrast=contrast,
        characters=characters, max_people=max_people, overlaps=overlaps,
        gaps=GapRules(min_gap, guard, max_length, every),
    )  # fmt: skip
    encoding = FeatureSettings(fps=fps, frame_fit=frame_fit, batch=batch, device=device)
    if out is None and not dry_run:
        raise UserError("--out is missing", "Give a folder to write to, or --dry-run to see what would be done.")
    part = parse_shard(shard)
    track = TrackSettings(voice, duck, candidates, naming)
    job = Job(task, out or Path(), model, describing, encoding, export, track)
    if dry_run:
        _print_plan(folder, job, part, workers, out is not None)
        return
    with _bar() as step:
        report = run_catalogue(
            folder, job, shard=part, workers=workers, engine=engine, film_limit_s=film_limit_s, progress=step
        )
    _print_report(report, job.out)
    if task == "describe" and report.done and is_pocket(model):
        typer.echo(f"Warning: {POCKET_ONLY}", err=True)
    if report.unwritten:
        raise UserError(report.unwritten, "Close what has it open and run this again: what is done stays done.")
    if report.failed:
        raise typer.Exit(1)


def _print_plan(folder: Path, job: Job, shard: Shard, workers: int, has_out: bool) -> None:
    """List what a run would do; nothing is written."""
    store = Store(job.out if has_out else folder / ".nothing")
    with _bar() as step:
        catalogue = find_catalogue(folder, store.book, shard, lambda done, total: step("hashing", done, total))
        report, todo = _todo(catalogue, store, shard, step)
    measured = store.pace()
    pace = measured[0] if measured else DEFAULT_PACE["all" if job.export == "all" else job.task]
    total_s = 0.0
    for film in todo:
        beside = [path.name for path in (film.subtitles, film.cast, film.intervals) if path is not None]
        try:
            length_s = probe_film(film.path).duration_s
        except UserError as error:
            report.failed[film.name] = str(error)
            continue
        total_s += length_s
        equal = f", equal: {', '.join(film.copies)}" if film.copies else ""
        typer.echo(f"{film.name}: {length_s:.1f} s, with {', '.join(beside) or 'nothing beside it'}{equal}")
        _warn(film.name, film.said)
    _print_failed(report.failed)
    count = sum(film.name not in report.failed for film in todo)
    source = (
        f"measured here on {measured[1]} film(s)" if measured else "the pocket checkpoint and 640x360 on one x86 core"
    )
    typer.echo(
        f"{count} film(s) to do, {total_s / 60:.1f} min of film, {len(report.skipped)} finished before; predicted "
        f"{_duration(total_s * pace / workers)} with {workers} worker(s) at {pace:.3f} s a second of film ({source})"
    )


def _print_report(report: Report, out: Path) -> None:
    for result in report.done:
        _warn(result.film.name, result.warnings)
    for film in report.skipped:  # what lies beside copies may have come since the film was done
        _warn(film.name, film.said)
    _print_failed(report.failed)
    for result in report.done:
        if result.film.copies:
            typer.echo(f"equal to {result.film.name}, done once: {', '.join(result.film.copies)}")
    counts = report.counts
    typer.echo(
        f"this run: {len(report.done)} done, {len(report.skipped)} finished before, {len(report.failed)} failed; "
        f"catalogue: {counts['done']} done, {counts['failed']} failed, {counts['open']} open, "
        f"{counts['equal']} equal to another; '{out / 'summary.csv'}'"
    )


def _warn(name: str, warnings: Iterable[str]) -> None:
    for warning in warnings:
        typer.echo(f"Warning: {name}: {one_line(warning)}", err=True)


def _print_failed(failed: dict[str, str]) -> None:
    for name, error in failed.items():
        typer.echo(f"Failed: {name}: {error}", err=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    """Show a bar over all films on the error stream; where that is no terminal, a line a film that is done."""
    with progress_bar("looking for films") as (show, seen):

        def step(what: str, done: int, total: int) -> None:
            show(one_line(what, 40), done, total)
            if not seen and what not in ("hashing", "checking what is done"):
                typer.echo(f"{done} of {total}: {what}", err=True)

        yield step
