"""Pocket films as a data set: a folder that `distinctad pocket` drew, in any of its three layouts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from datasets_scripts.annotations import AnnotationReader, CharactersOf, Draft, no_characters
from datasets_scripts.banks import CharacterBank, cast_characters, oracle_characters, read_bank
from datasets_scripts.cmd_ad import CMDADReader
from datasets_scripts.mad import MADReader
from datasets_scripts.schema import Character
from datasets_scripts.tables import Record, Table, TableError
from datasets_scripts.tv_ad import TVADReader

READERS: dict[str, type[AnnotationReader]] = {"mad-eval": MADReader, "cmd-ad": CMDADReader, "tv-ad": TVADReader}


class PocketMADReader(MADReader):
    """MAD-Eval's columns beside films that can be played: `film_7/film_7.mp4`."""

    public: ClassVar[tuple[int, int]] = (0, 0)

    def draft(self, film: str, record: Record) -> Draft:
        """Make one row; see `AnnotationReader.draft`."""
        draft = super().draft(film, record)
        draft.video = f"{film}/{film}.mp4"
        return draft


def layout_of(path: Path) -> str:
    """Whose columns an annotation file has: "mad-eval", "cmd-ad" or "tv-ad".

    Where the column that marks a layout was renamed, it is the one most of whose columns are there; its reader says
    what is missing.

    Raises:
        TableError: nobody's, or no file.
    """
    table = Table(path)
    columns = set(table.columns)
    table.close()
    for mark, layout in (("tvad_name", "tv-ad"), ("cmd_filename", "cmd-ad"), ("movie", "mad-eval")):
        if mark in columns:
            return layout
    likeness = {name: len(columns & {*reader.required, *reader.optional}) for name, reader in READERS.items()}
    if (likeliest := max(likeness, key=lambda name: likeness[name])) and likeness[likeliest] > 2:
        return likeliest
    raise TableError(f"{path.name} has columns {sorted(columns)[:12]}, expected MAD-Eval's, CMD-AD's or TV-AD's")


def pocket_bank(folder: Path) -> CharacterBank:
    """The folder's `charbank.json` with its portraits; names as they stand (pocket names need no cleaning).

    Raises:
        TableError: no bank is there.
    """
    bank, _ = read_bank(folder / "charbank.json")
    people = {}
    for film, cast in bank.people.items():
        pictures = [f"{film}/portraits/{person.id}.png" for person in cast]
        people[film] = tuple(
            Character(person.id, person.whole, person.actor, picture if (folder / picture).is_file() else "")
            for person, picture in zip(cast, pictures, strict=True)
        )
    return CharacterBank(people)


def open_pocket(
    path: Path,
    characters: str = "cast",
    order: str = "time",
    root: Path | None = None,
    lengths_s: Mapping[str, float] | None = None,
) -> AnnotationReader:
    """Open a folder of pocket films.

    Args:
        path: the folder, or its annotations.csv.
        characters: "cast", "oracle" or "none".
        order: see `AnnotationReader`.
        root: see `AnnotationReader`; the folder itself, to see that every film was drawn.
        lengths_s: see `AnnotationReader`.

    Raises:
        TableError: no annotations there, or nobody's columns.
        ValueError: an unknown choice of characters.
    """
    file = path / "annotations.csv" if path.is_dir() else path
    layout = layout_of(file)
    made: dict[str, CharactersOf] = {"none": no_characters}
    if characters in ("cast", "oracle"):
        bank = pocket_bank(file.parent)
        made.update(cast=cast_characters(bank, None), oracle=oracle_characters(bank))
    if characters not in made:
        raise ValueError(f"characters is {characters!r}, expected cast, oracle or none for pocket films; choose one")
    reader: Any = PocketMADReader if layout == "mad-eval" else READERS[layout]
    return reader(file, made[characters], order, root, lengths_s)
