"""Character banks, face predictions, and who of them a prompt lists: the cast, those predicted, those the AD names.

Banks are JSON: film or episode -> [{id, name (the actor), role}], in billing order; or -> [role, ...]. Pickled banks
are refused: unpickling runs code. Ask for JSON, or convert them on a machine that may be lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from datasets_scripts.annotations import CharactersOf, no_characters
from datasets_scripts.literals import read_predictions
from datasets_scripts.names import clean_role, is_descriptive, prompt_name, surname
from datasets_scripts.repairs import Report, short
from datasets_scripts.schema import Character
from datasets_scripts.tables import Repeated, TableError, read_json, tidy

TOP = 10
"""People of a film that a prompt may list: the billing's first, as in AutoAD-Zero."""

CHARACTERS = ("none", "cast", "predicted", "oracle")
"""Whom a prompt may list: nobody, the billing's first, those whom recognition found, those whom the AD names."""

MAX_ROLE = 300
PORTRAIT_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
_SAFE_ID = re.compile(r"\w[\w.-]{0,79}")


class CharacterBank:
    """Who plays in each film, with cleaned names.

    Args:
        people: film -> people in billing order.
    """

    def __init__(self, people: Mapping[str, tuple[Character, ...]]) -> None:
        self.people = dict(people)

    def __contains__(self, film: object) -> bool:
        return film in self.people

    def cast(self, film: str, top: int | None = TOP) -> tuple[Character, ...]:
        """The first `top` people of a film (None: all), () for an unknown film."""
        return self.people.get(film, ())[:top]


def read_bank(path: Path, portraits: Path | None = None) -> tuple[CharacterBank, Report]:
    """Read a bank.

    Args:
        path: a JSON file.
        portraits: folder of pictures named by id (`nm0000123.jpg`); `Character.portrait` is relative to it.

    Returns:
        The bank of the usable entries, and the report: one row an entry, counted through the file.

    Raises:
        TableError: a pickle, no JSON, or no object of lists.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not all(isinstance(entries, list) for entries in data.values()):
        raise TableError(f"{path.name} is no object film -> list of people, expected a character bank; give one")
    report = Report(path.name)
    people: dict[str, tuple[Character, ...]] = {}
    number = 0
    films = list(data.items()) + (data.again if isinstance(data, Repeated) else [])
    for film, entries in films:
        found: list[Character] = []
        for place, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            findings: list[tuple[str, str]] = []
            if film in people:
                findings.append(("duplicate_id", f"film {short(film)} stood there before"))
            else:
                person = _person(entry, place, {p.id for p in found}, portraits, findings)
                if person is not None:
                    found.append(person)
            report.row(film, number, findings)
            number += 1
        people.setdefault(film, tuple(found))
    report.facts.update(films=len(people), empty_films=sum(not found for found in people.values()))
    return CharacterBank(people), report


def raw_roles(path: Path) -> set[tuple[str, str]]:
    """Every distinct (role, actor) of a bank as it stands there, to read what cleaning makes of them.

    Raises:
        TableError: as `read_bank`.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not all(isinstance(entries, list) for entries in data.values()):
        raise TableError(f"{path.name} is no object film -> list of people, expected a character bank; give one")
    pairs = set()
    for entry in (entry for entries in data.values() for entry in entries):
        if isinstance(entry, str):
            pairs.add((entry, ""))
        elif isinstance(entry, dict) and isinstance(entry.get("role"), str):
            pairs.add((entry["role"], str(entry.get("name", ""))))
    return pairs


def _person(
    entry: object, place: int, seen: set[str], portraits: Path | None, findings: list[tuple[str, str]]
) -> Character | None:
    """Read one entry; None when a finding refuses it."""
    if isinstance(entry, str):
        entry = {"id": f"role_{place + 1}", "name": "", "role": entry}
    if isinstance(entry, Repeated):
        findings.append(("not_an_object", f"{short(entry.again[0][0])} stands twice in the entry"))
        return None
    if not isinstance(entry, dict) or not all(isinstance(entry.get(k, ""), str) for k in ("id", "name", "role")):
        findings.append(("not_an_object", f"{short(str(entry))}, expected id, name and role"))
        return None
    role, actor, key = (str(entry.get(name, "")).strip() for name in ("role", "name", "id"))
    if not _SAFE_ID.fullmatch(key):
        findings.append(("no_id", f"id is {short(key)}, expected something like nm0000123"))
        return None
    if max(len(role), len(actor)) > MAX_ROLE:
        findings.append(("too_long", f"a role or name of over {MAX_ROLE} characters"))
        return None
    if key in seen:
        findings.append(("duplicate_id", f"{key} stands twice in the film"))
        return None
    name, full = prompt_name(role, actor), clean_role(role)
    if not name:
        findings.append(("empty_role", f"role is {short(role)}, actor {short(actor)}"))
        return None
    if full != role:
        findings.append(("role_cleaned", f"{short(role)} became {short(full)}"))
    actor, strange = tidy(actor)
    findings += strange
    portrait = find_portrait(portraits, key) if portraits else ""
    return Character(key, name, actor, portrait, full if full != name else "")


def find_portrait(folder: Path, key: str) -> str:
    """The portrait of an id in a folder, by its name there; "" without one or for an id that is no plain name."""
    if not _SAFE_ID.fullmatch(key) or ".." in key:
        return ""
    return next((f"{key}{ending}" for ending in PORTRAIT_ENDINGS if (folder / f"{key}{ending}").is_file()), "")


def bank_for(bank: CharacterBank, path: Path | None) -> CharacterBank:
    """Key a bank by MAD's film names when it is keyed by IMDb ids, or the other way round.

    Args:
        bank: the bank.
        path: `mad2imdb.json`; None leaves the bank alone.

    Raises:
        TableError: the file is no object of texts.
    """
    if path is None:
        return bank
    keys = read_json(path)
    if not isinstance(keys, dict) or not all(isinstance(value, str) for value in keys.values()):
        raise TableError(f"{path.name} is no object film -> IMDb id; give mad2imdb.json")
    people = dict(bank.people)
    for key, other in [*keys.items(), *((v, k) for k, v in keys.items())]:
        if key not in people and other in bank.people:
            people[key] = bank.people[other]
    return CharacterBank(people)


def characters_of(
    choice: str, bank: Path | None, keys: Path | None = None, portraits: Path | None = None, top: int | None = TOP
) -> CharactersOf:
    """Who a prompt may list, by the name of the choice.

    Args:
        choice: one of `CHARACTERS`.
        bank: the bank's file; None for "none" alone.
        keys: see `bank_for`.
        portraits: see `read_bank`.
        top: of "cast": the billing's first; None: all.

    Raises:
        ValueError: an unknown choice, or no bank for one.
        TableError: a file cannot be read.
    """
    if choice not in CHARACTERS:
        raise ValueError(f"characters is {choice!r}, expected one of {', '.join(CHARACTERS)}; choose one")
    if choice == "none":
        return no_characters
    if bank is None:
        raise ValueError(f"characters is {choice!r} but there is no bank; pass bank=FILE")
    known = bank_for(read_bank(bank, portraits)[0], keys)
    if choice == "cast":
        return cast_characters(known, top)
    return predicted_characters(known) if choice == "predicted" else oracle_characters(known)


def _missing(film: str) -> list[tuple[str, str]]:
    return [("no_bank", f"film {short(film)}")]


def cast_characters(bank: CharacterBank, top: int | None = TOP) -> CharactersOf:
    """List the film's first people at every AD, in billing order."""

    def of(film: str, text: str, cells: dict[str, Any]) -> tuple[tuple[Character, ...], list[tuple[str, str]]]:
        return bank.cast(film, top), [] if film in bank else _missing(film)

    return of


def predicted_characters(bank: CharacterBank, least_faces: int = 1) -> CharactersOf:
    """List those that AutoAD-Zero's face recognition found (column `pred_ids`), most often seen first.

    Args:
        bank: names by episode and id.
        least_faces: of 16 frames, in how many a person must be found.
    """

    def of(film: str, text: str, cells: dict[str, Any]) -> tuple[tuple[Character, ...], list[tuple[str, str]]]:
        known = {person.id: person for person in bank.cast(film, None)}
        if "pred_ids" not in cells:
            return (), [("no_predictions", "no column pred_ids")]
        found = {key: len(places) for key, places in read_predictions(cells["pred_ids"]).items()}
        order = sorted((key for key in found if found[key] >= least_faces), key=lambda key: -found[key])
        findings = [("unknown_character", key) for key in order if key not in known and film in bank]
        findings += [] if film in bank else _missing(film)
        return tuple(known[key] for key in order if key in known), findings

    return of


def oracle_characters(bank: CharacterBank, top: int | None = None) -> CharactersOf:
    """List those whom the AD itself names: the upper bound, never to be fed at a real test.

    Args:
        bank: names by film.
        top: of the film's first people; None: all.
    """

    def of(film: str, text: str, cells: dict[str, Any]) -> tuple[tuple[Character, ...], list[tuple[str, str]]]:
        named = [person for person in bank.cast(film, top) if names_person(text, person)]
        return tuple(named), [] if film in bank else _missing(film)

    return of


def names_person(text: str, person: Character) -> bool:
    """Whether an AD names a person: by the prompt's name, or the role's surname, as a whole word.

    Names are matched with their capitals ("Will" is not "will"), describing roles without ("the bartender").
    """
    return bool(_spelled(person).search(text))


@lru_cache(4096)
def _spelled(person: Character) -> re.Pattern[str]:
    """What names a person; read once for a film's thousands of ADs."""
    if is_descriptive(person.whole):
        return re.compile(rf"(?<!\w){re.escape(person.name)}(?!\w)", re.IGNORECASE)
    wanted = "|".join(re.escape(name) for name in (person.name, surname(person.role)) if name)
    return re.compile(rf"(?<!\w)(?:{wanted})(?!\w)")
