"""`distinctad features`: what a vision tower sees of films, at a fixed rate, in MAD's layout.

An interrupted run goes on in the middle of the film where it stopped: rows are appended to a file beside the output,
and a film's marker is written when its rows are whole. The output is built from whole films under a temporary name and
renamed, because an HDF5 file that is killed while it grows can be lost as a whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from datasets_scripts.annotations import VIDEO_ENDINGS
from datasets_scripts.one_writer import OutputBusy, only_writer
from distinctad.errors import UserError, one_line
from distinctad.feature_tower import FeatureSettings, Tower
from distinctad.plan import name_of, probe_film, reason_of, without_path
from distinctad.track import MEDIA_FILES

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[str, int, int], None]  # film, its frames done, its frames in all


@dataclass(frozen=True)
class FilmJob:
    """One film to encode.

    Attributes:
        film: its id: the file's name without ending, its letters composed (Unicode's NFC) as tables have them.
        path: the file.
        duration_s: its length, seconds.
        frames: rows that it will have.
        print: what tells this file from another of the same name.
    """

    film: str
    path: Path
    duration_s: float
    frames: int
    print: str


@dataclass(frozen=True)
class Encoded:
    """What a run left behind.

    Attributes:
        path: the feature file.
        films: film id -> rows, of the films that this run encoded.
        skipped: films that were finished before.
        warnings: what the decoder had to mend.
    """

    path: Path
    films: dict[str, int]
    skipped: list[str]
    warnings: list[str]


def films_below(folder: Path, there: Sequence[Path]) -> list[Path]:
    """The videos among all that lies below a folder; hidden ones and what `describe --export all` wrote are left out.

    Folders that cannot be read are named on the error stream: a disk has one of the system's own as often as not.

    Args:
        folder: whose films are wanted.
        there: what lies below it, in the order of names.

    Returns:
        In that order.

    Raises:
        UserError: there is none.
    """
    there = [path for path in there if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    for path in filter(os.path.isdir, there):  # pathlib's own raises in a folder that may be listed, not entered
        try:
            os.scandir(path).close()
            os.stat(os.path.join(path, "."))  # a Path drops the dot
        except OSError as error:
            typer.echo(
                f"Warning: the folder '{path}' cannot be read ({error.strerror}), its films are left out", err=True
            )
    found = [path for path in there if path.suffix.lower() in VIDEO_ENDINGS and os.path.isfile(path)]
    # A copy of a film that a run described is no other film.
    found = [p for p in found if not (p.name in MEDIA_FILES and os.path.isfile(p.with_name("descriptions.json")))]
    if not found:
        raise UserError(f"the folder '{folder}' holds no video", f"Give one with {', '.join(VIDEO_ENDINGS)}.")
    return found


def find_films(given: Sequence[Path], fps: float) -> list[FilmJob]:
    """Look at films before anything is encoded.

    Args:
        given: video files, and folders whose video files are taken, those of their folders too.
        fps: rows a second.

    Returns:
        One job a film, in the order given, a folder's in the order of names.

    Raises:
        UserError: no film, one that cannot be used, or two of the same name.
    """
    paths: list[Path] = []
    for path in given:
        if path.is_dir():
            paths += films_below(path, sorted(path.rglob("*")))
        else:
            paths.append(path)
    if not paths:
        raise UserError("no film is given", "Give video files or folders of them.")
    films: dict[str, Path] = {}
    for path in paths:
        film = unicodedata.normalize("NFC", name_of(Path(path.stem)))  # macOS may have taken letters and accents apart
        if film in films:
            raise UserError(f"two films are called '{film}' ('{films[film]}', '{path}')", "Rename one of them.")
        films[film] = path
    return [_job(film, path, fps) for film, path in films.items()]


def _job(film: str, path: Path, fps: float) -> FilmJob:
    duration_s = probe_film(path).duration_s
    digest = hashlib.sha256(f"{path.stat().st_size} {duration_s}".encode())
    with path.open("rb") as file:  # a film has gigabytes: its two ends tell it from another cut or encoding
        digest.update(file.read(1 << 20))
        file.seek(max(0, path.stat().st_size - (1 << 20)))
        digest.update(file.read(1 << 20))
    return FilmJob(film, path, duration_s, max(1, math.ceil(duration_s * fps - 1e-6)), digest.hexdigest()[:32])


def encode_films(
    given: Sequence[Path],
    out: Path,
    settings: FeatureSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    tower: Tower | None = None,
) -> Encoded:
    """Encode films into a feature file; films that it holds already are skipped.

    Args:
        given: video files and folders of them.
        out: the file, none of the films; films are added to one that the same tower made in the same way.
        settings: how.
        overwrite: start anew, whatever films `out` holds; what is no feature file of ours is never replaced.
        progress: called with film, its frames done and in all.
        tower: the tower of these settings, where it is loaded already.

    Returns:
        What was encoded and what was there before.

    Raises:
        UserError: for whatever cannot be used; what was encoded until then is kept beside `out` for the next run.
    """
    from datasets_scripts.mad_features import FeatureError

    settings = settings or FeatureSettings()
    if tower is not None:
        tower.said = []
    jobs = find_films(given, settings.fps)
    _refuse(out, jobs)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with only_writer(out.with_name(f".{out.name}.lock"), out):
            return _encode_all(jobs, out, settings, overwrite, progress, tower)
    except OutputBusy as error:
        raise UserError(f"another process is writing '{out}'", "Wait for it, or give another --out.") from error
    except FeatureError as error:
        raise UserError(f"the feature file cannot be used: {error}", "Give --out a new file.") from error
    except MemoryError as error:
        raise UserError(
            "there is too little memory for the films' frames",
            "Lower --batch; with the same --batch the command goes on where it stopped.",
        ) from error
    except OSError as error:
        raise UserError(
            f"the features cannot be written to '{out}' ({one_line(str(error), 160)})",
            "Check the disk and its rights; the same command goes on where it stopped.",
        ) from error


def _refuse(out: Path, jobs: Sequence[FilmJob]) -> None:
    """Refuse an output that is no file, or one of the films: a shell's * names them all."""
    if out.is_dir():
        raise UserError(f"--out '{out}' is a folder, not a file", "Give the file to write.")
    film = next((job.path for job in jobs if out.exists() and job.path.samefile(out)), None)
    if film is not None:
        raise UserError(f"--out '{out}' is the film '{film}'", "Give the features a file of their own.")


def _encode_all(
    jobs: list[FilmJob],
    out: Path,
    settings: FeatureSettings,
    overwrite: bool,
    progress: Progress | None,
    tower: Tower | None,
) -> Encoded:
    """`encode_films` once this process holds the output."""
    from datasets_scripts.mad_features import read_films, read_settings

    parts = out.with_name(out.name + ".parts")
    made = read_settings(out) if out.exists() else None
    if out.exists() and made is None:
        raise UserError(f"'{out}' does not say which tower made it", "Give --out a new file.")
    before = {} if made is None or overwrite else read_films(out)
    tower = tower or Tower(settings)
    if made is not None and not overwrite:
        _same(f"'{out}'", made, tower.about)
    _open_parts(parts, tower.about, overwrite)
    skipped = [job.film for job in jobs if _is_there(job, before, out)]
    todo = [job for job in jobs if job.film not in skipped]
    said = [line for job in todo for line in _encode(job, tower, settings.batch, parts, progress)]
    if todo:
        _put_together(out, parts, todo, tower, out if before else None)
    shutil.rmtree(parts)
    return Encoded(out, {job.film: job.frames for job in todo}, skipped, said + tower.said)


def _put_together(out: Path, parts: Path, jobs: Sequence[FilmJob], tower: Tower, keep: Path | None) -> None:
    """Write the output from whole films; their maps end with this call, for Windows removes no file that is mapped."""
    from datasets_scripts.mad_features import write_features

    about = {job.film: {"print": job.print, "duration_s": job.duration_s} for job in jobs}
    write_features(out, tower.about, {job.film: (_rows(parts, job, tower), about[job.film]) for job in jobs}, keep)


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Settings that differ; where the tower lay is none."""
    return [name for name, value in new.items() if name != "tower" and old.get(name) != value]


def _same(what: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse to go on with features that were made in another way."""
    differs = _differing(old, new)
    if differs:
        name = differs[0]
        shown = [one_line(str(value), 12) if name == "tower_sha256" else value for value in (old.get(name), new[name])]
        raise UserError(
            f"{what} was made with {name} {shown[0]}, not {shown[1]}",
            "Give --out a new file, the same tower and options, or --overwrite.",
        )


def _open_parts(parts: Path, about: dict[str, Any], overwrite: bool) -> None:
    """Make the folder of unfinished work, or see that it is of the same kind."""
    record = parts / "settings.json"
    begun = {**about, "overwrite": overwrite}
    if record.is_file():
        try:
            old = dict(json.loads(record.read_text(encoding="utf-8")))
        except (ValueError, TypeError, RecursionError) as error:
            if not overwrite:
                raise UserError(f"'{record}' cannot be read", "Remove that folder, or give --overwrite.") from error
            old = {}
        if not overwrite or not _differing(old, begun):  # what this very command has begun goes on, overwriting or not
            _same(f"the unfinished work in '{parts}'", old, about)
            return
        shutil.rmtree(parts)
    # A disk that was full at the first write leaves the record's own temporary file, which is nobody else's.
    if parts.exists() and any(path.name != f".{record.name}.part" for path in parts.iterdir()):
        raise UserError(f"'{parts}' holds something else", "Move it away, or give --out another name.")
    parts.mkdir(parents=True, exist_ok=True)
    _write(record, begun)


def _write(path: Path, content: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content) + "\n", encoding="utf-8")
    part.replace(path)


def _is_there(job: FilmJob, before: dict[str, dict[str, Any]], out: Path) -> bool:
    """Whether the output holds this very film.

    Raises:
        UserError: it holds another one of the same name.
    """
    about = before.get(job.film)
    if about is not None and about.get("print") != job.print:
        raise UserError(f"'{out}' holds another film called '{job.film}'", "Rename the film, or give --overwrite.")
    return about is not None


def _encode(job: FilmJob, tower: Tower, batch: int, parts: Path, progress: Progress | None) -> list[str]:
    """Encode what is missing of a film; returns what the decoder had to mend."""
    from modeling_distinctad.video_distinctad import VideoError, video_warnings

    marker = _marker(parts, job)
    about = _marked(marker, job)
    said: list[str] = about["warnings"]
    if about["whole"]:
        return said
    done = _cut(_row_file(parts, job), tower, batch)
    with video_warnings() as mended, _row_file(parts, job).open("ab") as file:
        try:
            for images in _blocks(job, tower, done, batch):
                rows = tower.embed(images).astype(tower.about["stored"])
                file.write(rows.tobytes())
                file.flush()
                done += len(rows)
                if progress is not None:
                    progress(job.film, done, job.frames)
        except VideoError as error:
            message = f"the film '{job.path.name}' cannot be decoded: {reason_of(error, job.path)}"
            raise UserError(message, "Copy it again or re-encode it.") from error
    said += [f"the film '{name_of(job.path)}': {without_path(message, job.path)}" for message in mended]
    _write(marker, {"print": job.print, "whole": True, "warnings": said})
    return said


def _blocks(job: FilmJob, tower: Tower, done: int, batch: int) -> Iterator[Sequence[Any]]:
    """The film's pictures from `done` on: whole batches, then what is left (a whole one would ask beyond its end)."""
    fps, whole = tower.about["fps"], job.frames // batch * batch
    for count, firsts in ((batch, range(done, whole, batch)), (job.frames - whole, range(whole, job.frames, batch))):
        if firsts:
            yield from tower.read_clips(str(job.path), [(at / fps, (at + count) / fps) for at in firsts], count)


def _marked(marker: Path, job: FilmJob) -> dict[str, Any]:
    """What an earlier run says about a film; rows of another film of that name are thrown away."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        about = json.loads(marker.read_text(encoding="utf-8"))
        if about["print"] == job.print:
            return dict(about)
    marker.with_suffix(".rows").unlink(missing_ok=True)
    fresh: dict[str, Any] = {"print": job.print, "whole": False, "warnings": []}
    _write(marker, fresh)
    return fresh


def _cut(path: Path, tower: Tower, batch: int) -> int:
    """Cut a row file to whole batches (a kill may leave half a row) and return its rows."""
    import numpy as np

    size = tower.width * np.dtype(tower.about["stored"]).itemsize
    rows = path.stat().st_size // size // batch * batch if path.is_file() else 0
    with path.open("ab") as file:
        file.truncate(rows * size)
    return rows


def _rows(parts: Path, job: FilmJob, tower: Tower) -> np.ndarray:
    """A whole film's rows (frames, C), mapped from the disk."""
    import numpy as np

    return np.memmap(_row_file(parts, job), tower.about["stored"], "r", shape=(job.frames, tower.width))


def _marker(parts: Path, job: FilmJob) -> Path:
    return parts / f"{hashlib.sha256(job.film.encode()).hexdigest()[:16]}.json"


def _row_file(parts: Path, job: FilmJob) -> Path:
    return _marker(parts, job).with_suffix(".rows")
