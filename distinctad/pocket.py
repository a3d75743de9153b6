"""`distinctad pocket`: draw pocket films, or check what they demand.

A folder of films holds a manifest, `pocket.json`: how the films were asked for, which are finished and their
fingerprints. An interrupted run goes on from there; films of another kind are never mixed into a folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from datasets_scripts.one_writer import SHOWN, OutputBusy, only_writer
from distinctad.bar import progress_bar
from distinctad.errors import UserError, one_line
from distinctad.orphans import end_with_parent
from distinctad.show_table import show_table

if TYPE_CHECKING:
    from datasets_scripts.pocket.world import Film

Preset = Literal["clear", "crowded"]
Layout = Literal["mad-eval", "cmd-ad", "tv-ad"]
Progress = Callable[[int, int, int], None]  # seed, frames drawn, frames in all

MANIFEST, LOCK = "pocket.json", ".pocket.lock"
FORMAT_VERSION = 2  # of the files and pictures; a new one draws every film anew
CHECK_FILMS = 40  # enough for the oracles' figures to stand within about two points
MAX_FILMS, MAX_JOBS, MAX_SEED = 100_000, 64, 2**31 - 1
MOST_PROCESSES = 60  # Windows waits for no more


@dataclass(frozen=True)
class Kind:
    """What all films of a folder share; a manifest that differs in any of it is another folder's.

    Attributes:
        preset: "clear" or "crowded".
        layout: "mad-eval", "cmd-ad" or "tv-ad".
        video: whether pictures are drawn.
        ads: ADs a film; None leaves it to the seed.
    """

    preset: Preset = "clear"
    layout: Layout = "mad-eval"
    video: bool = True
    ads: int | None = None

    def manifest(self) -> dict[str, Any]:
        """The part of the manifest that says the kind."""
        return {
            "version": FORMAT_VERSION,
            "preset": self.preset,
            "layout": self.layout,
            "video": self.video,
            "ads": self.ads,
        }


@dataclass(frozen=True)
class Drawn:
    """What a run left behind.

    Attributes:
        films: seeds of all finished films in the folder.
        drawn: seeds drawn by this run.
        skipped: asked for, but finished before.
        voices: seed -> name of the voice, "" for music only.
        files: annotations.csv, truth.jsonl, charbank.json.
    """

    films: list[int]
    drawn: list[int]
    skipped: list[int]
    voices: dict[int, str]
    files: list[Path]


def fingerprint(film: Film) -> str:
    """A hash of everything that a film's record says: equal only for equal stories."""
    return hashlib.sha256(repr(film).encode()).hexdigest()[:16]


def draw_films(
    seeds: Sequence[int],
    out: Path,
    kind: Kind | None = None,
    *,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Drawn:
    """Draw films into a folder: `film_<seed>/` for each, and annotations.csv, truth.jsonl, charbank.json beside them.

    Films that the folder's manifest says are finished, and whose files are still there, are not drawn again; others of
    the folder are, so that its annotations belong to its films.

    Args:
        seeds: which films.
        out: the folder; made if it is missing.
        kind: preset, layout and what else all films of the folder share; None: the defaults.
        overwrite: start anew in a folder that holds something else; films named in its manifest are removed.
        jobs: processes; never more than films to draw, nor than 60.
        progress: called with (seed, frames drawn, frames in all); only with one job.

    Returns:
        What was drawn, what was there before, and where it lies.

    Raises:
        UserError: if the folder holds something else, cannot be written, is being written by another process, or a
            film cannot be made.
    """
    from datasets_scripts.pocket.layouts import write_annotations
    from datasets_scripts.pocket.voice import VoiceError

    kind = kind or Kind()
    try:
        if out.exists() and not out.is_dir():
            raise UserError(f"'{out}' is a file, not a folder", "Give --out a new folder.")
        out.mkdir(parents=True, exist_ok=True)
        with only_writer(out / LOCK, out):  # two runs would each save a manifest without the other's films
            manifest = _open_folder(out, kind, overwrite)
            known = sorted(int(seed) for seed in manifest["films"])
            films = {seed: _make(seed, kind) for seed in dict.fromkeys((*seeds, *known))}
            skipped = [seed for seed in seeds if _is_finished(manifest, films[seed], out)]
            missing = [seed for seed in seeds if seed not in skipped]
            # Others of the folder, drawn by older code or gone: the annotations are of all its films.
            missing += [seed for seed in known if seed not in seeds and not _is_finished(manifest, films[seed], out)]
            for seed, record in _draw(missing, out, kind, jobs, progress):
                manifest["films"][str(seed)] = record
                _save(manifest, out)
            finished = sorted(int(seed) for seed in manifest["films"])
            paths = write_annotations([films[seed] for seed in finished], out, kind.layout)
    except OutputBusy as error:
        raise UserError(f"another process is writing '{out}'", "Wait for it, or give another --out.") from error
    except (OSError, VoiceError, BrokenProcessPool) as error:
        raise UserError(
            f"the films cannot be written to '{out}' ({one_line(str(error), 160)})",
            "Check the disk and its rights; the same command goes on where it stopped.",
        ) from error
    voices = {seed: manifest["films"][str(seed)]["voice"] for seed in finished}
    return Drawn(finished, missing, skipped, voices, paths)


def _make(seed: int, kind: Kind) -> Film:
    """Write the story of one film."""
    from datasets_scripts.pocket.story import make_film

    try:
        return make_film(seed, kind.preset, kind.ads)
    except ValueError as error:
        raise UserError(f"film {seed} cannot be made: {error}", "Change --seed or --ads.") from error


def _is_finished(manifest: dict[str, Any], film: Film, out: Path) -> bool:
    """Whether the manifest knows this very film and its files are still there."""
    record = manifest["films"].get(str(film.seed))
    return (
        record is not None
        and record["fingerprint"] == fingerprint(film)
        and all((out / name).exists() for name in record["files"])
    )


def _open_folder(out: Path, kind: Kind, overwrite: bool) -> dict[str, Any]:
    """Check the folder, which this process holds, and give its manifest, a new one if it is empty.

    Raises:
        UserError: if it holds anything that this run would not continue, and `overwrite` is not set.
    """
    fresh: dict[str, Any] = {**kind.manifest(), "films": {}}
    if all(path.name in {LOCK, *SHOWN} for path in out.iterdir()):
        _save(fresh, out)
        return fresh
    old = _read_manifest(out)
    if old is not None and not overwrite and {**old, "films": {}} == fresh:
        return old
    if not overwrite:
        what = "holds files of another kind"
        if old is not None:
            differs = [key for key, value in fresh.items() if key != "films" and old.get(key) != value]
            what = f"holds pocket films with another {', '.join(differs)}"
        raise UserError(f"'{out}' {what}", "Give --out a new folder, or --overwrite to start anew in this one.")
    for seed in old["films"] if old is not None else ():
        _remove_film(out, int(seed))
    _save(fresh, out)
    return fresh


def _read_manifest(out: Path) -> dict[str, Any] | None:
    """Read the manifest; None if there is none or it is not one of ours."""
    path = out / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return None
    films = manifest.get("films") if isinstance(manifest, dict) else None
    if not isinstance(films, dict):
        return None
    for seed, record in films.items():
        if not re.fullmatch(r"\d{1,10}", seed) or not isinstance(record, dict):
            return None
        names = record.get("files")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        if not isinstance(record.get("fingerprint"), str) or not isinstance(record.get("voice"), str):
            return None
    return manifest


def _remove_film(out: Path, seed: int) -> None:
    """Remove what a film of this seed left in the folder, in any layout; nothing else is touched."""
    from datasets_scripts.pocket.layouts import CMD_YEAR, TV_FOLDER

    for path in (
        out / f"film_{seed}",
        *(out / CMD_YEAR).glob(f"film_{seed}_*.mkv"),
        *(out / TV_FOLDER).glob(f"film_{seed}_s01e01_*"),
    ):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _save(manifest: dict[str, Any], out: Path) -> None:
    """Write the manifest under a temporary name and rename it."""
    part = out / f".{MANIFEST}.part"
    part.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    part.replace(out / MANIFEST)


def _draw(
    seeds: Sequence[int], out: Path, kind: Kind, jobs: int, progress: Progress | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Draw films, in this process or in several; yields (seed, manifest record) as they are finished."""
    if jobs == 1 or len(seeds) < 2:
        for seed in seeds:
            yield seed, _draw_one(seed, out, kind, progress)
        return
    import multiprocessing

    crew = min(jobs, len(seeds), MOST_PROCESSES)
    # spawn: the parent may hold threads (progress bar), which a forked child would inherit half-alive
    with ProcessPoolExecutor(crew, multiprocessing.get_context("spawn"), end_with_parent) as pool:
        running = {pool.submit(_draw_one, seed, out, kind): seed for seed in seeds}
        for done in as_completed(running):
            if progress is not None:
                progress(running[done], 1, 1)
            yield running[done], done.result()


def _draw_one(seed: int, out: Path, kind: Kind, progress: Progress | None = None) -> dict[str, Any]:
    """Draw one film and give its manifest record: fingerprint, voice, files (relative to the folder)."""
    from datasets_scripts.pocket.film import write_film
    from datasets_scripts.pocket.voice import find_voice

    film = _make(seed, kind)
    step = None if progress is None else lambda done, total: progress(seed, done, total)
    voice = find_voice()
    folder = out / f"film_{seed}"
    written = write_film(film, folder, voice, kind.layout, media=out, pictures=kind.video, progress=step)
    paths = [*written.videos, written.subtitles, written.cast, *written.portraits]
    return {
        "fingerprint": fingerprint(film),
        "voice": written.voice,
        "files": [path.relative_to(out).as_posix() for path in paths],
    }


def pocket_command(
    out: Annotated[Path | None, typer.Option(help="Folder to draw into; needed unless --check.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="The first film's seed.")] = 0,
    films: Annotated[
        int | None, typer.Option(min=1, max=MAX_FILMS, help="How many films (default 1; --check alone 40).")
    ] = None,
    preset: Annotated[Preset, typer.Option(help="clear: easy to see; crowded: the window is needed.")] = "clear",
    layout: Annotated[Layout, typer.Option(help="Whose columns and files.")] = "mad-eval",
    ads: Annotated[
        int | None, typer.Option(min=6, max=200, help="Audio descriptions a film (default 26 to 37).")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Print what the films demand; exit code 1 if a gate fails.")
    ] = False,
    no_video: Annotated[bool, typer.Option("--no-video", help="Texts, cast and portraits only.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew in a folder with other files.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=MAX_JOBS, help="Films drawn at once.")] = 1,
) -> None:
    """Draw short films with audio description, cast, portraits and subtitles; the same seed gives the same film."""
    if out is None and not check:
        raise UserError("--out is missing", "Give a folder to draw into, or --check to measure without drawing.")
    count = films if films is not None else 1 if out is not None else CHECK_FILMS
    seeds = list(range(seed, seed + count))
    kind = Kind(preset, layout, not no_video, ads)
    if check:
        from datasets_scripts.pocket.oracles import check as measure

        report = measure([_make(seed, kind) for seed in seeds])
        _print_check(report)
        if not report["passed"]:
            raise typer.Exit(1)
    if out is not None:
        with _bar(count) as step:
            drawn = draw_films(seeds, out, kind, overwrite=overwrite, jobs=jobs, progress=step)
        _print_drawn(drawn, out, kind)


@contextlib.contextmanager
def _bar(count: int) -> Iterator[Progress]:
    """Show a bar over all films on the error stream while there is a terminal to show it on."""
    shares: dict[int, float] = {}
    with progress_bar("drawing", total=count, in_percent=True) as (show, _):

        def step(seed: int, done: int, total: int) -> None:
            shares[seed] = done / max(total, 1)
            show(f"drawing film {seed}", sum(shares.values()), count)

        yield step


def _print_drawn(drawn: Drawn, out: Path, kind: Kind) -> None:
    """Say where everything lies and which voice speaks."""
    lines = [f"drew {len(drawn.drawn)} film(s), {len(drawn.skipped)} finished before, {len(drawn.films)} in '{out}'"]
    lines += [f"  {out / f'film_{seed}'}" for seed in drawn.films[:20]]
    lines += [f"  ... and {len(drawn.films) - 20} more"] if len(drawn.films) > 20 else []
    lines += [f"  {path}" for path in drawn.files]
    spoken = sorted({name for name in drawn.voices.values() if name})
    silent = sum(not name for name in drawn.voices.values())
    if not kind.video or kind.layout == "tv-ad":
        lines.append("voice: none, this layout holds no sound" if kind.video else "voice: none, no video was drawn")
    elif spoken:
        lines.append(f"voice: {', '.join(spoken)}" + (f"; {silent} film(s) hold music only" if silent else ""))
    else:
        lines.append("voice: none found, the films hold music only. Install espeak-ng and draw with --overwrite.")
    typer.echo("\n".join(lines))


def _print_check(report: dict[str, Any]) -> None:
    """Print the oracle table."""
    title = f"{report['films']} {report['preset']} films, {report['ads']} ADs, {report['seconds']:.0f} s a film"
    text, gates = report["text"], dict(report["gates"])
    rows = [
        ("distinctive-word recall, clip alone", f"{report['single_clip']:.3f}", ""),
        ("the same, knowing how stories go", f"{report['knowing_clip']:.3f}", "single-clip recall"),
        ("distinctive-word recall, window", f"{report['window']:.3f}", ""),
        ("window above clip", f"{report['gain']:.3f}", "window recall above single-clip"),
        ("ADs whose person no frame shows half of", f"{report['unseen']:.3f}", ""),
        ("windows with two equal ADs", f"{text['equal_windows']:.3f}", "windows with two equal ADs"),
        ("equal pairs within windows", f"{text['equal_pairs']:.4f}", ""),
        ("ADs with distinctive words", f"{text['distinctive']:.3f}", "ADs with distinctive words"),
        ("words an AD (mean)", f"{text['words_mean']:.1f}", ""),
        ("words an AD (min to max)", f"{text['words_min']} to {text['words_max']}", ""),
        ("word types without names", f"{text['types']}", ""),
        ("sentence templates", f"{text['templates']}", ""),
        ("ADs with a pronoun", f"{text['pronouns']:.3f}", ""),
        ("ADs that tell the new fact", f"{text['novel']:.3f}", ""),
        *((f"chance level, {slot}", f"{level:.3f}", "") for slot, level in report["chance"].items()),
    ]
    cells = []
    for label, value, name in rows:
        gate = gates.get(name)
        limit = "" if gate is None else f"{'<=' if gate['at_most'] else '>='} {gate['limit']:.2f}"
        verdict = "" if gate is None else "ok" if gate["passed"] else "FAILED"
        cells.append((label, value, limit, verdict))
    show_table(title, ("measure", "value", "gate", ""), cells, left=("measure",))
