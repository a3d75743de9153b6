"""What a catalogue's output folder holds, written so that a kill at any moment loses nothing but the film at hand.

    settings.json     how all films of the folder are done; another way is refused
    manifest.json     the films, by content
    films/<hash>/     a film's files and `film.json`, which says from what they were made and their hashes
    failed/<hash>.json  why a film could not be done
    work/<hash>/      the film at hand: renamed to films/<hash> when it is whole
    hashes.jsonl, times.jsonl   the films' hashes, and how long each took
    locks/            one file a shard, locked while it runs
    summary.csv       every film with what came of it, over all shards

Nothing in films/ or manifest.json tells a clock, a host or an absolute path.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets_scripts.one_writer import SHOWN, lock_file
from distinctad.catalogue import Catalogue, Film, HashBook, Shard
from distinctad.errors import UserError, one_line
from distinctad.plan import sha256_of

RECORD = "film.json"
COLUMNS = ("film", "status", "folder", "equal_to", "sha256", "error")


class Store:
    """A catalogue's output folder.

    Args:
        folder: made by `open`, if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._about: dict[str, Any] | None = None  # how films are done, once it is settled

    @property
    def book(self) -> HashBook:
        """The hashes of the films; nothing is kept before the folder is there."""
        return HashBook(self.folder / "hashes.jsonl" if self.folder.is_dir() else None)

    def open(self, about: dict[str, Any]) -> None:
        """Make the folder, or see that it holds films that were done in the same way.

        While no film is done and no run is at work, another way takes the place of the first: a run that could do
        nothing, such as one with a model that is none, must not spoil the folder.

        Args:
            about: how films are done; plain values.

        Raises:
            UserError: the folder holds something else, was made in another way, or cannot be written.
        """
        with self._writing():
            if self.folder.exists() and not self.folder.is_dir():
                raise UserError(f"the output '{self.folder}' is a file, not a folder", "Give another --out.")
            there = self.folder / "settings.json"
            old = read_json(there)
            if there.is_file() and old is None:
                raise UserError(f"'{there}' cannot be read", "Give --out a new folder.")
            ours = old is not None and old.get("format") == about["format"]
            if not ours and self.folder.is_dir() and not all(_is_new(path) for path in self.folder.iterdir()):
                raise UserError(f"'{self.folder}' holds something else", "Give --out a new folder.")
            (self.folder / "locks").mkdir(parents=True, exist_ok=True)
            with self._settled():
                self._agree(read_json(there), about)
                _write(there, json.dumps(about, indent=1) + "\n")
            for name in ("films", "failed", "work"):
                (self.folder / name).mkdir(exist_ok=True)
        self._about = about

    def _agree(self, old: dict[str, Any] | None, about: dict[str, Any]) -> None:
        """Refuse a way that is not that of the films that are done, or being done."""
        was, now = _flat(old or about), _flat(about)
        differs = [name for name in {**was, **now} if was.get(name) != now.get(name)]
        if not differs:
            return
        if any((self.folder / "films").glob(f"*/{RECORD}")) or self._is_at_work():
            shown = [one_line(str(values.get(differs[0], "the default")), 16) for values in (was, now)]
            raise UserError(
                f"'{self.folder}' was made with {differs[0]} {shown[0]}, not {shown[1]}",
                "Give --out a new folder, or the same task, model and options.",
            )
        for name in ("failed", "work"):  # begun in the other way
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _is_at_work(self) -> bool:
        for lock in (self.folder / "locks").glob("*-of-*"):
            with _locked(lock) as free:
                if not free:
                    return True
        return False

    def _settled(self) -> contextlib.AbstractContextManager[bool]:
        """Hold the settings, so that no run begins while another changes them."""
        return _locked(self.folder / "locks" / "settings", wait=True)

    @contextlib.contextmanager
    def running(self, shard: Shard) -> Iterator[None]:
        """Hold the shard's lock; the system lets go of it when the process ends, however it ends.

        Args:
            shard: what this run does.

        Yields:
            Nothing.

        Raises:
            UserError: another run does this shard, cuts the catalogue into another number of shards, or has changed
                how films are done since `open`.
        """
        own = self.folder / "locks" / f"{shard.index}-of-{shard.count}"
        with contextlib.ExitStack() as stack:
            with self._settled():
                if not stack.enter_context(_locked(own)):
                    raise UserError(
                        f"another run does shard {shard.index}/{shard.count} in '{self.folder}'",
                        "Wait for it, or give another --shard.",
                    )
                if self._about is not None:
                    self._agree(read_json(self.folder / "settings.json"), self._about)
            for other in sorted(own.parent.glob("*-of-*")):
                if not other.name.endswith(f"-of-{shard.count}"):
                    with _locked(other) as free:
                        if not free:
                            raise UserError(
                                f"a run of shard {other.name.replace('-of-', '/')} is at work in '{self.folder}'",
                                "Wait for it, or cut the catalogue into as many shards.",
                            )
            yield

    def write_manifest(self, catalogue: Catalogue) -> None:
        """Write manifest.json; shards that run at once write the same."""
        with self._writing():
            _write(self.folder / "manifest.json", json.dumps(catalogue.manifest(), ensure_ascii=False, indent=1) + "\n")

    def is_done(self, film: Film) -> bool:
        """Whether a film is finished: its record fits it and what lies beside it, and every output has its hash."""
        folder = self.folder / "films" / film.key
        record = read_json(folder / RECORD)
        if record is None or record.get("sha256") != film.sha256 or record.get("inputs") != film.inputs():
            return False
        outputs = record.get("outputs")
        if not isinstance(outputs, dict) or not outputs:
            return False
        try:
            return all(sha256_of(folder / Path(name).name) == sha256 for name, sha256 in outputs.items())
        except UserError:  # an output is gone
            return False

    def work_folder(self, film: Film, keep: bool) -> Path:
        """Make the folder in which a film is done.

        Args:
            film: the film.
            keep: whether what a killed run left there is gone on with, else it is removed.

        Returns:
            The folder.
        """
        folder = self.folder / "work" / film.key
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(
        self, film: Film, work: Path, inputs: dict[str, str | None], names: Sequence[str], said: list[str]
    ) -> None:
        """Put a whole film where finished films lie.

        Args:
            film: the film.
            work: its work folder.
            inputs: `film.inputs()` from before the work.
            names: the outputs in it; whatever else a killed run left there is removed.
            said: what was repaired or assumed.

        Raises:
            OSError: if it cannot be written; then the film is not finished.
            UserError: if an output is not there.
        """
        for path in work.iterdir():
            if path.name not in names:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        record = {
            "format": "distinctad.film", "format_version": 1, "film": film.name, "sha256": film.sha256,
            "inputs": inputs, "outputs": {name: sha256_of(work / name) for name in names}, "warnings": list(said),
        }  # fmt: skip
        _write(work / RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
        final = self.folder / "films" / film.key
        old = work.with_name(f"{film.key}.old")
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():  # made from other subtitles or cast, or damaged
            os.rename(final, old)
        os.rename(work, final)
        shutil.rmtree(old, ignore_errors=True)
        (self.folder / "failed" / f"{film.key}.json").unlink(missing_ok=True)

    def fail(self, film: Film, error: str) -> None:
        """Write down why a film could not be done, as far as that can be written."""
        shutil.rmtree(self.folder / "work" / film.key, ignore_errors=True)
        with contextlib.suppress(OSError):  # the disk may be full: the run says it on the screen too
            record = {"film": film.name, "sha256": film.sha256, "error": error}
            _write(self.folder / "failed" / f"{film.key}.json", json.dumps(record, ensure_ascii=False) + "\n")

    def add_time(self, film: Film, wall_s: float, film_s: float) -> None:
        """Note how long a film took (seconds of work, seconds of film), for later predictions."""
        line = json.dumps([film.key, round(wall_s, 3), round(film_s, 3)])
        with contextlib.suppress(OSError), (self.folder / "times.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")

    def pace(self) -> tuple[float, int] | None:
        """Seconds of work a second of film and the number of films measured; None if there is none."""
        wall_s = length_s = 0.0
        count = 0
        with contextlib.suppress(OSError):
            for line in (self.folder / "times.jsonl").read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    _, one_s, film_s = json.loads(line)
                    wall_s, length_s, count = wall_s + float(one_s), length_s + float(film_s), count + 1
        return (wall_s / length_s, count) if length_s > 0 else None

    def summarise(self, catalogue: Catalogue) -> tuple[dict[str, int], str]:
        """Write summary.csv over all shards.

        Args:
            catalogue: all films.

        Returns:
            The number of films "done", "failed", "open" (not done yet) and "equal" (to another); and what is wrong
            if summary.csv may not be replaced, which on Windows a program forbids that has it open; else "".

        Raises:
            UserError: if it cannot be written for another reason.
        """
        table, wrong = self.folder / "summary.csv", ""
        with self._writing(), _locked(self.folder / "locks" / "summary", wait=True):
            rows = [row for film in catalogue.films for row in self._rows(film)]
            unreadable = catalogue.unreadable.items()
            rows += [{"film": name, "status": "failed", "error": error} for name, error in unreadable]
            text = io.StringIO()
            writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(rows, key=lambda row: row["film"]))
            try:
                _write(table, text.getvalue())
            except PermissionError as error:
                wrong = f"'{table}' cannot be replaced ({error.strerror})"
        states = [row["status"] for row in rows]
        return {state: states.count(state) for state in ("done", "failed", "open", "equal")}, wrong

    def _rows(self, film: Film) -> list[dict[str, str]]:
        """The summary's rows of a film and of its copies."""
        row = {"film": film.name, "sha256": film.sha256}
        record = read_json(self.folder / "films" / film.key / RECORD) or {}
        failure = read_json(self.folder / "failed" / f"{film.key}.json")
        if failure is not None:
            row |= {"status": "failed", "error": str(failure.get("error"))}
        elif record.get("sha256") == film.sha256 and record.get("inputs") == film.inputs():
            row |= {"status": "done", "folder": f"films/{film.key}"}
        else:
            row |= {"status": "open"}
        copy = {"status": "equal", "equal_to": film.name, "sha256": film.sha256}
        return [row, *({"film": name, **copy} for name in film.copies)]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = one_line(error.strerror or type(error).__name__, 80)
            raise UserError(
                f"the output folder '{self.folder}' cannot be written ({reason})",
                "Give an --out that you may write to.",
            ) from error


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None if there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Nested settings in one level: only their own names mean something to a user."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat


def _is_new(path: Path) -> bool:
    """Whether a run that is just opening its folder has made this, or a file manager."""
    return path.name == "locks" or path.name in SHOWN or path.name.startswith(".settings.json-")


def _write(path: Path, text: str) -> None:
    """Write under a temporary name of this process's own, then rename."""
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        part.replace(path)
    except OSError:
        part.unlink()
        raise


@contextlib.contextmanager
def _locked(path: Path, wait: bool = False) -> Iterator[bool]:
    """Lock a file; gives whether that could be done. Where there are no such locks, it always can."""
    with path.open("a") as file:
        yield lock_file(file, wait)
