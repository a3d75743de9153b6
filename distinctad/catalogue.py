"""A catalogue of films: which there are, told by their content, what lies beside each, and which shard does it.

A film is its bytes: renaming it changes nothing, two equal files are one film. `--shard i/n` looks at a film's hash and
at nothing else, so adding films moves none of the others to another shard.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distinctad.cast import read_cast
from distinctad.errors import UserError
from distinctad.features import films_below
from distinctad.plan import name_of, sha256_of

SUBTITLES = (".srt", ".vtt", ".ass", ".ssa", ".ttml", ".xml")  # beside a film, the first of them that is there
CASTS = (".cast.json", ".cast.csv")
INTERVALS = (".intervals.csv",)
BESIDE = {"subtitles": SUBTITLES, "cast": CASTS, "intervals": INTERVALS}
MAX_SHARDS = 100_000

Progress = Callable[[int, int], None]  # films looked at, films in all


@dataclass(frozen=True)
class Film:
    """One film of a catalogue.

    Attributes:
        name: its path in the catalogue's folder; of equal films the first by name.
        path: the file.
        sha256: of the file.
        subtitles: found by name beside it or, if there is none, beside the first of its copies with one; or None.
        cast: the same.
        intervals: the same.
        copies: names of the other films with the same content; they are not done again.
        said: which files beside copies are not used, though they say something else.
    """

    name: str
    path: Path
    sha256: str
    subtitles: Path | None = None
    cast: Path | None = None
    intervals: Path | None = None
    copies: tuple[str, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The first 16 digits of the hash: the film's folder name."""
        return self.sha256[:16]

    def inputs(self) -> dict[str, str | None]:
        """Hashes of what lies beside the film, portraits with their cast; an unreadable file counts as none."""
        found: dict[str, str | None] = {"subtitles": None, "cast": None, "intervals": None}
        for kind in found:
            path = getattr(self, kind)
            with contextlib.suppress(UserError):  # said when the film is done
                if path is not None:
                    files = [path]
                    if kind == "cast":
                        files += [person.portrait for person in read_cast(path)[0] if person.portrait]
                    found[kind] = sha256_of(*files)
        return found


@dataclass(frozen=True)
class Catalogue:
    """All films of a folder.

    Attributes:
        films: in the order of their names, equal ones once.
        unreadable: name -> what is wrong, for files that cannot even be read.
    """

    films: list[Film]
    unreadable: dict[str, str]

    def manifest(self) -> dict[str, Any]:
        """What `manifest.json` says; equal catalogues give equal manifests."""
        rows = []
        for film in self.films:
            beside = {kind: _shown(getattr(film, kind), film) for kind in BESIDE}
            rows.append({"film": film.name, "sha256": film.sha256, "equal": list(film.copies), **beside})
        return {
            "format": "distinctad.catalogue", "format_version": 1, "films": rows, "unreadable": self.unreadable,
        }  # fmt: skip


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, counted from 1."""

    index: int = 1
    count: int = 1

    def holds(self, film: Film) -> bool:
        """Whether a film belongs to this shard: its hash alone decides."""
        return int(film.key, 16) % self.count == self.index - 1


def parse_shard(text: str) -> Shard:
    """Read "i/n".

    Args:
        text: what was given.

    Returns:
        The shard.

    Raises:
        UserError: if it is no such thing.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    shard = Shard(int(found[1]), int(found[2])) if found else None
    if shard is None or not 1 <= shard.index <= shard.count <= MAX_SHARDS:
        raise UserError(f"the shard is '{text}'", "Give i/n, such as 1/4 to 4/4.")
    return shard


class HashBook:
    """The hashes of files, kept between runs and shared by shards that run at once.

    A file whose size and time of change are what the book says is not read again. Each entry is one appended line: a
    line that a kill cut short is ignored.

    Args:
        path: the book; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._known: dict[tuple[str, int, int], str] = {}
        self._offset = 0

    def sha256(self, file: Path, name: str) -> str:
        """Look a file's hash up, or read the file and write it down.

        Args:
            file: the file.
            name: what it is called in the book.

        Returns:
            64 hexadecimal digits.

        Raises:
            UserError: if the file cannot be read.
        """
        try:
            stat = file.stat()
        except OSError as error:
            raise UserError(f"the film '{name}' cannot be read ({error.strerror})", "Check its permissions.") from error
        entry = (name, stat.st_size, stat.st_mtime_ns)
        if entry not in self._known:
            self._read()  # another shard may have written it down since
        if entry not in self._known:
            self._known[entry] = sha256_of(file)
            if self.path is not None:
                line = json.dumps([*entry, self._known[entry]])
                # A book that cannot be written only costs time; the films' own files say so loudly.
                with contextlib.suppress(OSError), self.path.open("a", encoding="utf-8") as book:
                    book.write(f"\n{line}\n")  # the first line break ends what a killed run left unfinished
        return self._known[entry]

    def _read(self) -> None:
        if self.path is None or not self.path.is_file():
            return
        with self.path.open("rb") as book:
            book.seek(self._offset)
            lines = book.read()
        lines = lines[: lines.rfind(b"\n") + 1]
        self._offset += len(lines)
        for line in lines.split(b"\n"):
            with contextlib.suppress(ValueError, TypeError):
                name, size, changed_ns, sha256 = json.loads(line)
                self._known[str(name), int(size), int(changed_ns)] = str(sha256)


def find_catalogue(
    folder: Path, book: HashBook | None = None, shard: Shard | None = None, progress: Progress | None = None
) -> Catalogue:
    """Look through a folder and the folders in it; hidden ones and films that `describe` wrote are left out.

    Args:
        folder: where the films lie.
        book: of their hashes.
        shard: where to begin hashing, so that shards that start together share the work; all films are found.
        progress: called with films looked at and in all.

    Returns:
        The catalogue.

    Raises:
        UserError: if there is no folder, or no video in it.
    """
    if not folder.is_dir():
        raise UserError(f"the catalogue '{folder}' is not a folder", "Give the folder that holds the films.")
    there = sorted(folder.rglob("*"))
    paths = films_below(folder, there)
    book, shard = book or HashBook(None), shard or Shard()
    first = len(paths) * (shard.index - 1) // shard.count
    hashes: dict[Path, str] = {}
    unreadable = {}
    for done, path in enumerate(paths[first:] + paths[:first], 1):
        name = _name(path, folder)
        try:
            hashes[path] = book.sha256(path, name)
        except UserError as error:
            unreadable[name] = str(error)
        if progress is not None:
            progress(done, len(paths))
    equal: dict[str, list[Path]] = {}
    for path in paths:
        if path in hashes:
            equal.setdefault(hashes[path], []).append(path)
    beside = _Beside(there, paths)
    films = [_film(sha256, same, folder, beside) for sha256, same in equal.items()]
    return Catalogue(films, dict(sorted(unreadable.items())))


class _Beside:
    """What lies beside films, in capitals or not: cameras write FILM.MP4 and FILM.SRT.

    Args:
        there: all that lies in the catalogue's folder.
        films: the films among it.
    """

    def __init__(self, there: list[Path], films: list[Path]) -> None:
        self._like: dict[Path, list[Path]] = {}
        for path in there:
            self._like.setdefault(path.with_name(path.name.lower()), []).append(path)
        self._stems = {film.with_name(film.stem) for film in films}

    def first(self, film: Path, endings: tuple[str, ...]) -> Path | None:
        """The first file that is called as the film is, but for its ending; else the first that is but for capitals."""
        own = film.with_name(film.stem)
        found = [film.with_name(film.stem + ending) for ending in endings]
        for ending in endings:
            for path in self._like.get(film.with_name((film.stem + ending).lower()), ()):
                stem = path.with_name(path.name[: -len(ending)])
                if stem == own or stem not in self._stems:  # film.srt is not FILM.MP4's where there is a film.mp4
                    found.append(path)
        return next((path for path in found if path.is_file()), None)


def _film(sha256: str, same: list[Path], folder: Path, lying: _Beside) -> Film:
    """Equal files as one film: of each kind of file beside them the first copy's that has one."""
    beside: dict[str, Path | None] = {}
    said = []
    for kind, endings in BESIDE.items():
        found = [path for path in (lying.first(film, endings) for film in same) if path is not None]
        beside[kind] = found[0] if found else None
        for other in found[1:]:
            if _differ(found[0], other):
                names = [_name(path, folder) for path in (found[0], other)]
                said.append(f"equal films have different {kind}: '{names[0]}' is used, '{names[1]}' is not")
    names = [_name(path, folder) for path in same]
    return Film(names[0], same[0], sha256, **beside, copies=tuple(names[1:]), said=tuple(said))


def _differ(one: Path, other: Path) -> bool:
    """Whether two files have different content; one that cannot be read is named when the film is done."""
    try:
        return sha256_of(one) != sha256_of(other)
    except UserError:
        return False


def _shown(path: Path | None, film: Film) -> str | None:
    """A file's name, with its folder in the catalogue where that is not the film's."""
    if path is None:
        return None
    if path.parent == film.path.parent:
        return path.name
    return _name(path, film.path.parents[film.name.count("/")])


def _name(path: Path, folder: Path) -> str:
    """The path in the folder as text that every file can hold."""
    return "/".join(name_of(Path(part)) for part in path.relative_to(folder).parts)
