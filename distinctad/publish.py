"""Everything that goes to the Hub, as a folder to look at first; uploaded only when asked twice.

`write` makes DIR/model, DIR/metrics/<name>, DIR/space and DIR/dataset beside their place and renames them when they
are whole; `publish.json` in DIR lists every file with its size and SHA-256, and is how `write` knows its own folder.
"""

from __future__ import annotations

import glob
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets_scripts.one_writer import SHOWN, UNSENT, OutputBusy, files_of, only_writer, put_folder
from distinctad import __version__
from distinctad.errors import UserError, one_line
from distinctad.loading import CHECKPOINT
from distinctad.plan import sha256_of
from distinctad.publish_parts import (
    PocketSet,
    metric_names,
    require_clone,
    write_dataset,
    write_metric,
    write_model,
    write_space,
)

MANIFEST = "publish.json"
FORMAT = "distinctad.publish"
ANYONE = "owner"  # whose repositories the cards name while nobody is chosen
ORGANISATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
Step = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """One repository.

    Attributes:
        folder: what it holds.
        repository: owner/name.
        kind: the Hub's `repo_type`: "model", "space" (metrics are Spaces too) or "dataset".
    """

    folder: Path
    repository: str
    kind: str

    def files(self) -> list[tuple[str, int]]:
        """(path in the repository, bytes) of every file, sorted."""
        return files_of(self.folder)


def check_owner(owner: str) -> str:
    """Give back the name of a user or organisation on the Hub.

    Raises:
        UserError: it cannot be one.
    """
    if not ORGANISATION.fullmatch(owner):
        raise UserError(f"--to is '{owner}', no user or organisation", "Give its name alone, without a slash.")
    return owner


def write(
    folder: Path,
    model: Path | None = None,
    owner: str = ANYONE,
    chosen: PocketSet | None = None,
    step: Step | None = None,
) -> list[Part]:
    """Write all repositories into one folder; equal clones and checkpoints give equal bytes.

    Args:
        folder: a new or empty folder, or one that this wrote and nobody added to or changed, which is replaced.
        model: a checkpoint folder with its run record; None is the pocket checkpoint. The Space keeps the latter.
        owner: of the repositories.
        chosen: the films of the data set; None: three.
        step: called with what is about to be written.

    Returns:
        The repositories.

    Raises:
        UserError: the folder holds other things or cannot be written, or the checkpoint cannot be published.
    """
    require_clone()
    refuse_strange(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with only_writer(folder.with_name(f".{folder.name}.publish.lock"), folder):
            for left in folder.parent.glob(f".{glob.escape(folder.name)}.publish-*"):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.publish-") as work:
                whole = Path(work, "new")
                whole.mkdir()
                _write_parts(whole, model or CHECKPOINT, owner, chosen or PocketSet(), step or (lambda what: None))
                _write_manifest(whole)
                refuse_strange(folder)  # again: writing took a while
                put_folder(whole, folder, Path(work, "old"))
    except OutputBusy as error:
        raise UserError(str(error), "Wait for it, or give another folder.") from error
    except OSError as error:
        raise UserError(f"'{folder}' cannot be written ({error.strerror or error})", "Give another folder.") from error
    return parts_of(folder, model, owner)


def _write_parts(folder: Path, checkpoint: Path, owner: str, chosen: PocketSet, step: Step) -> None:
    model, *metrics, space, dataset = parts_of(folder, checkpoint, owner)
    step("the model")
    write_model(checkpoint, model.folder, model.repository)
    step(f"{len(metrics)} metrics")
    for part in metrics:
        write_metric(part.folder.name, part.folder, owner)
    step("the Space")
    write_space(space.folder)
    step("the data set: its films are drawn now")
    write_dataset(dataset.folder, chosen)


def parts_of(folder: Path, model: Path | None = None, owner: str = ANYONE) -> list[Part]:
    """Name the repositories of a folder: the model, the metrics, the Space, the data set.

    A model that is not the pocket checkpoint is called as its folder is.
    """
    ours = model is None or model.resolve() == CHECKPOINT.resolve()
    name = "distinctad-pocket" if model is None or ours else model.resolve().name
    metrics = [Part(folder / "metrics" / metric, f"{owner}/{metric}", "space") for metric in metric_names()]
    return [
        Part(folder / "model", f"{owner}/{name}", "model"),
        *metrics,
        Part(folder / "space", f"{owner}/distinctad", "space"),
        Part(folder / "dataset", f"{owner}/distinctad-pocket-films", "dataset"),
    ]


def _write_manifest(folder: Path) -> None:
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {"format": FORMAT, "format_version": 1, "distinctad": __version__, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8", newline="\n")


def refuse_strange(folder: Path) -> None:
    """Refuse a folder that writing would destroy: whatever is not, file by file, what `write` left there.

    Raises:
        UserError: it is no folder, or holds something else.
    """
    fix = "Give a new folder, or empty this one yourself."
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"'{folder}' is no folder", "Give a new folder.")
    if not folder.exists():
        return
    if folder.samefile(Path.cwd()):  # a shell would be left in a folder that is gone
        raise UserError(f"'{folder}' is the folder that you are in, which cannot be replaced", "Give a new folder.")
    if all(path.name in SHOWN for path in folder.iterdir()):
        return
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = dict(manifest["files"]) if manifest["format"] == FORMAT else {}
    except (OSError, ValueError, LookupError, TypeError):
        listed = {}
    if not listed:
        raise UserError(f"'{folder}' is not empty and was not written by publish", fix)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink() or inside == MANIFEST or path.name in SHOWN:
            continue
        if inside not in listed or path.is_symlink() or sha256_of(path) != listed[inside]["sha256"]:
            raise UserError(f"'{folder}' holds '{inside}', which publish did not write so", fix)


def listing(parts: list[Part]) -> list[str]:
    """Say in lines what each repository would get: every file with its size, and what it comes to."""
    lines: list[str] = []
    count = total = 0
    for part in parts:
        files = part.files()
        size = sum(number for _, number in files)
        lines.append(f"{part.kind} {part.repository}: {len(files)} files, {size:,} bytes")
        lines += [f"  {number:>12,}  {name}" for name, number in files]
        count, total = count + len(files), total + size
    return [*lines, f"{len(parts)} repositories, {count} files, {total:,} bytes"]


def upload(parts: list[Part], api: Any = None, step: Step | None = None) -> list[str]:
    """Send the repositories to the Hub; new ones are private, for a person to look at before anybody else does.

    Args:
        parts: as `write` gave them.
        api: a `huggingface_hub.HfApi`, or a stand-in; None makes one, with the token that `hf auth login` keeps.
        step: called before each repository.

    Returns:
        owner/name of each.

    Raises:
        UserError: the Hub refused; those named by `step` before lie there.
    """
    if api is None:
        from huggingface_hub import HfApi

        api = HfApi()
    for part in parts:
        if step is not None:
            step(f"uploading {part.repository}")
        sdk = {"space_sdk": "gradio"} if part.kind == "space" else {}
        try:
            api.create_repo(part.repository, repo_type=part.kind, private=True, exist_ok=True, **sdk)
            api.upload_folder(
                repo_id=part.repository, repo_type=part.kind, folder_path=str(part.folder), ignore_patterns=list(UNSENT)
            )
        except Exception as error:  # the client's own errors, its transport's and the system's share no base class
            said = one_line(str(error), 160) or type(error).__name__
            raise UserError(f"'{part.repository}' was not uploaded ({said})", "Log in with `hf auth login`.") from error
    return [part.repository for part in parts]
