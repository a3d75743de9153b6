"""What `describe` writes: descriptions.csv, .json, .srt and .vtt (the formats' own modules do the work), all or none.

Nothing here looks at a clock, the host or a path: equal documents give equal bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from datasets_scripts.one_writer import OutputBusy, only_writer
from distinctad.errors import UserError
from distinctad.formats import subrip, table, webvtt_descriptions
from distinctad.formats.script import script_of

REVIEW = "unreviewed machine draft: a person must check every description before anyone relies on it"
FILES = ("descriptions.csv", "descriptions.json", "descriptions.srt", "descriptions.vtt")
SCHEMA_FILE = Path(__file__).with_name("descriptions.schema.json")


# Joiners and marks of direction that spelling asks for: Persian, Sinhala, emoji of parts. editor_words.js has the same.
_SPELLING = "\u200c\u200d\u200e\u200f"


def clean_text(text: str) -> str:
    """Make a model's text fit for every export: one line, no control characters, single blanks.

    Joiners inside words stay, other format characters (soft hyphens, overrides of direction) go without a blank; a
    character that is newer than Python's tables stays.

    Args:
        text: any text.

    Returns:
        The text, possibly empty.
    """
    flat = " ".join("".join(map(_clean, text)).split())
    return flat if flat.strip(_SPELLING + " ") else ""


def _clean(character: str) -> str:
    """What stays of a character: itself, nothing, or a blank for what is no character of a text."""
    kind = unicodedata.category(character)
    if kind == "Cf":
        return character if character in _SPELLING else ""
    reserved = ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF  # never text; XML forbids some
    return " " if reserved or kind in ("Cc", "Cs", "Co", "Zs", "Zl", "Zp") else character


def to_json(document: dict[str, Any]) -> str:
    """Write the document, after it has been checked against `descriptions.schema.json`.

    Args:
        document: the whole document.

    Returns:
        The file's text, keys sorted.

    Raises:
        jsonschema.ValidationError: if the document is not what the schema says; a fault of ours, not the user's.
    """
    import jsonschema

    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n"


def texts_of(document: dict[str, Any]) -> dict[str, str]:
    """Write the cues in every format of `FILES`.

    Args:
        document: as `descriptions.schema.json` says.

    Returns:
        The text of each file, by file name.
    """
    script = script_of(document)
    texts = (table.write(script), to_json(document), subrip.write(script), webvtt_descriptions.write(script))
    return dict(zip(FILES, texts, strict=True))


class OutputFolder:
    """A folder that gets all its files at once, or none.

    Entering makes a hidden work folder beside the wanted one (inside it where it exists already), so that a place that
    cannot be written is found before any model runs; `write` puts the files there and moves them; leaving removes the
    work folder. Inside, no other process can enter for the same files; what a killed one left behind is swept away.

    Attributes:
        folder: where the files shall lie; made, with its parents, if it is not there.
        overwrite: whether files of an earlier run may be replaced.
        names: of the files that may be written; with `overwrite`, those that are not written this time go.
        place: what errors say to give instead, such as "another --out": only the caller knows its options.
        reads: files that are to be read, None where there is none; one that has such a name in the folder is refused.
    """

    def __init__(
        self,
        folder: Path,
        overwrite: bool = False,
        names: Sequence[str] = FILES,
        place: str = "another place",
        reads: Iterable[str | os.PathLike[str] | None] = (),
    ) -> None:
        """Remember the place; nothing is touched yet."""
        self.folder = folder
        self.overwrite = overwrite
        self.names = tuple(names)
        self.place = place
        self.reads = [Path(path) for path in reads if path is not None]
        self._work: Path | None = None
        self._held = contextlib.ExitStack()

    def __enter__(self) -> OutputFolder:
        """Make the work folder.

        Raises:
            UserError: if the place is no folder, cannot be written, is being written by another process, holds an
                earlier run and `overwrite` is not set, or holds what is to be read under a name to be written.
        """
        try:
            self._enter()
        except BaseException:
            self._held.close()
            raise
        return self

    def _enter(self) -> None:
        with self._writing():
            if self.folder.exists() and not self.folder.is_dir():
                raise UserError(f"the output '{self.folder}' is a file, not a folder", f"Give {self.place}.")
            for name in self.names:
                if (self.folder / name).is_dir():
                    raise UserError(f"the output '{self.folder / name}' is a folder, not a file", f"Give {self.place}.")
            base = self.folder if self.folder.is_dir() else _nearest_folder(self.folder, self.place)
            mark = self._mark(base)
            self._held.enter_context(only_writer(base / f"{mark}.lock", self.folder))
            for left in base.glob(f"{mark}-*.partial"):  # of a process that was killed: no living one has this mark
                shutil.rmtree(left, ignore_errors=True)
            there = [name for name in self.names if os.path.lexists(self.folder / name)]  # a broken link is somebody's
            for path in map(self.folder.joinpath, there):
                # os.path.exists raises nothing: what cannot be looked at is named by whoever reads it.
                if os.path.exists(path) and any(os.path.exists(read) and read.samefile(path) for read in self.reads):
                    raise UserError(f"'{path}' is to be read and would be replaced or removed", f"Give {self.place}.")
            if there and not self.overwrite:
                raise UserError(
                    f"the output folder '{self.folder}' holds {there[0]} already",
                    f"Add --overwrite, or give {self.place}.",
                )
            work = base / f"{mark}-{secrets.token_hex(6)}.partial"
            work.mkdir()
            self._work = work

    def _mark(self, base: Path) -> str:
        """A hidden name that is the same for every process that writes these files here."""
        place = f"{self.folder.absolute().relative_to(base.absolute())}/{self.names[0]}"
        return f".distinctad-{hashlib.sha256(os.fsencode(place)).hexdigest()[:12]}"

    def write(
        self, texts: Mapping[str, str], makers: Mapping[str, Callable[[Path], object]] | None = None
    ) -> list[Path]:
        """Write all files, then move them to their place.

        Args:
            texts: the text of each file, by file name.
            makers: for each other file what writes it, given the path in the work folder; called in order.

        Returns:
            The files, in the order given, texts first.

        Raises:
            UserError: if they cannot be written; then none of them is left, and an earlier run's are as they were.
            RuntimeError: if called outside of the `with` block.
        """
        if self._work is None:
            raise RuntimeError("write() was called outside of `with OutputFolder(...)`; call it inside")
        with self._writing():
            for name, text in texts.items():
                with open(self._work / name, "w", encoding="utf-8", newline="") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
            for name, make in (makers or {}).items():
                make(self._work / name)
            names = [*texts, *(makers or {})]
            if self.folder.is_dir():
                self._replace(self._work, names)
            else:
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                os.rename(self._work, self.folder)
        return [self.folder / name for name in names]

    def _replace(self, work: Path, names: Sequence[str]) -> None:
        """Move files to the folder, one after the other; where one cannot be, those before it are put back.

        What they replace stays there until then, and a second name or a copy of it in the work folder: a kill leaves
        no file missing. Windows lets nothing take the place of a file that another program has open.
        """
        kept = Path(tempfile.mkdtemp(dir=work))
        # An earlier run's file that this one has none of would pass for its own.
        gone = [name for name in self.names if self.overwrite and name not in names]
        there = {name for name in (*names, *gone) if os.path.lexists(self.folder / name)}
        for name in there:
            with self._taking(self.folder / name) as path:
                _keep(path, kept / name)
        with contextlib.ExitStack() as undo:
            for name in (*names, *sorted(there.intersection(gone))):
                with self._taking(self.folder / name) as path:
                    if name in names:
                        os.replace(work / name, path)
                    else:
                        path.unlink(missing_ok=True)
                if name in there:
                    undo.callback(os.replace, kept / name, path)
                else:
                    undo.callback(os.unlink, path)
            undo.pop_all()  # all are there: nothing to put back

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the work folder, whatever happened."""
        if self._work is not None:
            shutil.rmtree(self._work, ignore_errors=True)
            self._work = None
        self._held.close()

    @contextlib.contextmanager
    def _taking(self, path: Path) -> Iterator[Path]:
        try:
            yield path
        except PermissionError as error:
            message = f"'{path}' cannot be replaced ({error.strerror})"
            raise UserError(message, f"Close what has it open, or give {self.place}.") from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            message = f"the output folder '{self.folder}' cannot be written ({reason})"
            raise UserError(message, f"Give {self.place}, one that you may write to.") from error
        except OutputBusy as error:
            raise UserError(
                f"another process is writing to '{self.folder}'", f"Wait for it, or give {self.place}."
            ) from error
        except UnicodeEncodeError as error:
            message = f"the name {str(self.folder)!r} or a text for it holds half a character (a lone surrogate)"
            raise UserError(message, "Take it out.") from error
        except ValueError as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"the output folder {str(self.folder)!r} is no usable path", f"Give {self.place}."
            ) from error


def _keep(path: Path, aside: Path) -> None:
    """Give a file a second name; a copy where the file system has no hard links, and of a link the link itself."""
    if not path.is_symlink():
        try:
            os.link(path, aside)
            return
        except OSError:  # the copy says what else may be wrong
            pass
    shutil.copyfile(path, aside, follow_symlinks=False)


def _nearest_folder(folder: Path, place: str) -> Path:
    """Find the deepest folder above that exists; nothing is made before there is something to keep."""
    for parent in folder.absolute().parents:
        if parent.is_dir():
            return parent
        if parent.exists():
            raise UserError(f"the output folder '{folder}' lies below the file '{parent}'", f"Give {place}.")
    raise UserError(f"the output folder '{folder}' has no folder above it", f"Give {place}.")
