"""The command `distinctad features`: list films, or encode them with a bar for the one at hand."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Annotated

import typer

from distinctad.bar import progress_bar
from distinctad.errors import UserError
from distinctad.feature_tower import FeatureSettings, Fit, Stored
from distinctad.features import encode_films, find_films

PATTERNS = os.name == "nt"  # the shell of Windows leaves "*" and "?" to the command; no name there holds them


def features_command(
    films: Annotated[list[Path], typer.Argument(help="Video files, or folders of them.")],
    out: Annotated[
        Path | None, typer.Option(help="The HDF5 file; films are added to one that is there; needed unless --dry-run.")
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 5.0,
    model: Annotated[
        str | None, typer.Option(help="CLIP folder, DistinctAD checkpoint or hub id (default: the pocket checkpoint).")
    ] = None,
    frame_fit: Annotated[
        Fit | None, typer.Option(help="How pictures meet the tower's square (default: the model's own way).")
    ] = None,
    dtype: Annotated[Stored, typer.Option(help="Of the stored numbers.")] = "float16",
    batch: Annotated[int, typer.Option(help="Frames encoded at once.")] = 32,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start the file anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the films; no model is needed.")] = False,
) -> None:
    """Encode films frame by frame into MAD's feature layout; the same command goes on where it was stopped."""
    settings = FeatureSettings(fps, model, frame_fit, dtype, batch, device)
    films = [film for given in films for film in _named(given)]
    if dry_run:
        jobs = find_films(films, fps)
        for job in jobs:
            typer.echo(f"{job.film}: {job.duration_s:.1f} s, {job.frames} frames")
        typer.echo(f"{len(jobs)} film(s), {sum(job.frames for job in jobs)} frames at {fps:g} a second")
        return
    if out is None:
        raise UserError("--out is missing", "Give the file to write, or --dry-run to see the films.")
    with progress_bar("looking at the films") as (show, _):
        encoded = encode_films(films, out, settings, overwrite=overwrite, progress=show)
    for warning in encoded.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    frames = sum(encoded.films.values())
    typer.echo(
        f"encoded {len(encoded.films)} film(s), {frames} frames; {len(encoded.skipped)} finished before; '{out}'"
    )


def _named(given: Path) -> list[Path]:
    """What a path stands for: itself, or where no shell has read patterns, the files of one; "[" is part of a name."""
    name = str(given)
    if not PATTERNS or not any(sign in name for sign in "*?"):
        return [given]
    return [Path(path) for path in sorted(glob.glob(name.replace("[", "[[]")))] or [given]
