"""`distinctad publish`: write what the Hub's repositories hold; upload it only with --to and --yes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distinctad.errors import UserError


def publish_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder: model, metrics, space and dataset.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write the folder, list it, upload nothing.")] = False,
    model: Annotated[Path | None, typer.Option(help="Checkpoint folder (default: the pocket checkpoint).")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="ORG", help="User or organisation on the Hub.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really upload to --to; new repositories are private.")] = False,
) -> None:
    """Write what each Hub repository holds: model with card, metrics, Space, a small data set of pocket films."""
    if dry_run and yes:
        raise UserError("--dry-run uploads nothing and --yes uploads", "Give one of them.")
    if not dry_run and to is None:
        raise UserError("there is neither --dry-run nor --to", "Give --dry-run to write the folder only.")
    from distinctad.publish import ANYONE, check_owner, listing, upload, write

    owner = ANYONE if to is None else check_owner(to)

    def say(what: str) -> None:
        typer.echo(what, err=True)

    parts = write(folder, model, owner, step=lambda what: say(f"writing {what}"))
    typer.echo("\n".join(listing(parts)))
    if dry_run:
        typer.echo(f"nothing was uploaded; it lies in {folder}")
        return
    if not yes:
        raise UserError("nothing was uploaded", "Look at the list above, then add --yes.")
    upload(parts, step=say)
    typer.echo(f"uploaded {len(parts)} repositories to {owner}: new ones are private, others stay as they were")
