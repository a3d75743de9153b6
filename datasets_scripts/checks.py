"""What `distinctad data validate` looks at: any of the public files, recognised by what it holds, into one `Report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets_scripts.annotations import AnnotationReader, CharactersOf, no_characters
from datasets_scripts.banks import read_bank
from datasets_scripts.cells import clean_text, integer
from datasets_scripts.cmd_ad import CMDADReader
from datasets_scripts.json_tables import JSONTable
from datasets_scripts.mad import EXCLUDED, MADReader, table_e4
from datasets_scripts.pocket_set import layout_of, open_pocket
from datasets_scripts.repairs import REFUSED, RULES, Report, RowRefused, short
from datasets_scripts.tables import Repeated, Table, TableError, read_json
from datasets_scripts.tv_ad import TVADReader

SETS = ("mad-eval", "cmd-ad", "tv-ad", "pocket")
KINDS = (*SETS, "texts", "bank", "split", "keys")
TEXT_COLUMNS = ("index", "text_gt", "text_gt_wo_char")
REMARKS = {"cmd-ad": "the paper speaks of 100 evaluation films of CMD-AD; the public file holds 98"}
PUBLIC_TEXTS = 29_144  # rows of TV-AD's public training texts
_SPLITS = {"TRAIN", "EVAL"}


def kind_of(path: Path) -> str:
    """What a file is.

    Returns:
        One of `KINDS`.

    Raises:
        TableError: it cannot be read or is nothing that is known.
    """
    if path.is_dir():
        return "pocket"
    if path.exists() and not path.is_file():
        raise TableError(f"{path.name} is a pipe, read once only; expected a file, or CSV with --set; name its set")
    if path.suffix == ".json":
        return _json_kind(path)
    table = Table(path)
    columns = set(table.columns)
    table.close()
    return "texts" if len(columns & set(TEXT_COLUMNS)) > 1 else layout_of(path)


def _json_kind(path: Path) -> str:
    table = JSONTable(path)
    kind = ""
    try:
        for _, key, _, raw in table.spans():
            kind = {b'"': "keys", b"{": "mad-eval", b"[": "bank"}.get(raw[:1], "")
            # Banks and splits hold lists both; one name of a split is enough, the first may be misspelled.
            if kind == "bank" and (key in _SPLITS or key.startswith("V1")):
                return "split"
            if kind != "bank":
                break
    finally:
        table.close()
    if not kind:
        raise TableError(
            f"{path.name} holds neither annotations, a bank, a split nor keys; give one of the public files"
        )
    return kind


def open_set(
    name: str,
    path: Path,
    characters: CharactersOf = no_characters,
    order: str = "time",
    root: Path | None = None,
    lengths_s: Mapping[str, float] | None = None,
    source: str = "features",
    people: str | None = None,
) -> AnnotationReader:
    """Open an annotation file by the name of its set.

    Args:
        name: one of `SETS`.
        path: the file; for "pocket" the folder or file.
        characters: see `AnnotationReader`; "pocket" films bring their own, see `people`.
        order: see `AnnotationReader`.
        root: see `AnnotationReader`.
        lengths_s: see `AnnotationReader`.
        source: see `MADReader`; other sets have one source.
        people: of "pocket", `characters` of `open_pocket`; None: the cast where there is a bank.

    Raises:
        ValueError: an unknown set or option.
        TableError: no row can be read.
    """
    if name == "mad-eval":
        return MADReader(path, characters, order, root, lengths_s, source)
    if name == "cmd-ad":
        return CMDADReader(path, characters, order, root, lengths_s)
    if name == "tv-ad":
        return TVADReader(path, characters, order, root, lengths_s)
    if name == "pocket":
        has_bank = ((path if path.is_dir() else path.parent) / "charbank.json").is_file()
        return open_pocket(path, people or ("cast" if has_bank else "none"), order, root, lengths_s)
    raise ValueError(f"set is {name!r}, expected one of {', '.join(SETS)}; choose one")


def check_file(path: Path, kind: str | None = None, **options: Any) -> Report:
    """Read a whole file and report on every row.

    Args:
        path: the file or folder.
        kind: one of `KINDS`; None: as `kind_of`. A set's name stands for its banks, splits, keys and texts too.
        options: `order`, `root`, `lengths_s`, `source` of `open_set`.

    Returns:
        The report; a file that cannot be read is refused in it, never raised.
    """
    try:
        # What a pipe holds cannot be looked at first; a set is told by its name then.
        piped = kind is not None and path.suffix != ".json" and path.exists() and not (path.is_file() or path.is_dir())
        found = kind if kind is not None and piped else kind_of(path)
        if kind is not None and found in SETS:
            found = kind
        if found == "texts":
            return check_texts(path)
        if found == "bank":
            return read_bank(path)[1]
        if found == "split":
            return check_split(path)
        if found == "keys":
            return check_keys(path)
        reader = open_set(found, path, **options)
        report = reader.read_all()
        reader.close()
        if found in REMARKS:
            report.remarks.append(REMARKS[found])
        return report
    except TableError as error:
        report = Report(path.name)
        report.refuse_file(error.rule, str(error), error.rows)
        return report


def check_texts(path: Path) -> Report:
    """TV-AD's training texts: `index`, `text_gt`, `text_gt_wo_char`, without films or times.

    Raises:
        TableError: a column is missing or a line cannot be read.
    """
    table = Table(path)
    table.require(TEXT_COLUMNS)
    report, seen, texts = Report(path.name), set(), set()
    for record in table.all_records():
        findings = record.findings
        try:
            if not any(RULES[rule][0] == REFUSED for rule, _ in findings):
                number = integer(record.cells["index"], "index")
                if number in seen:
                    raise RowRefused("duplicate_id", f"index {number} stood there before")
                seen.add(number)
                text = clean_text(record.cells["text_gt"], findings)
                if text in texts:
                    findings.append(("duplicate_text", short(text)))
                texts.add(text)
        except RowRefused as refusal:
            findings.append((refusal.rule, refusal.detail))
        report.row("texts", record.number, findings)
    table.close()
    report.remarks.append(
        f"the paper speaks of 31,000 TV-AD training ADs; the public file holds {PUBLIC_TEXTS:,}, this one "
        f"{report.rows:,}"
    )
    return report


def _strings(path: Path) -> dict[str, Any]:
    data = read_json(path)
    if not isinstance(data, dict):
        raise TableError(f"{path.name} is no object; give one of the public files")
    return data


def check_split(path: Path) -> Report:
    """`mad_split.json`: split -> films; a row is one film in one split.

    Raises:
        TableError: no object of lists.
    """
    data = _strings(path)
    lists = [(split, films, False) for split, films in data.items()]
    lists += [(split, films, True) for split, films in (data.again if isinstance(data, Repeated) else [])]
    report, number = Report(path.name), 0
    where: dict[str, list[str]] = {}
    for split, films, again in lists:
        if not isinstance(films, list):
            raise TableError(f"{path.name}: {short(split)} is no list of films; mend it")
        for film in films:
            report.row(split, number, _in_split(film, split, again, where))
            number += 1
    train = [film for film in where if "TRAIN" in where[film]]
    report.facts["table_e4"] = table_e4(dict.fromkeys(train))
    report.facts["excluded"] = {film: EXCLUDED[film] for film in train if film in EXCLUDED}
    return report


def _in_split(film: object, split: str, again: bool, where: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Note a film's place in a split in `where`; the findings on it."""
    if again:
        return [("duplicate_id", f"split {short(split)} stood there before")]
    if not isinstance(film, str) or not film.strip():
        return [("no_id", f"{short(str(film))} in {short(split)}")]
    splits = where.setdefault(film, [])
    if split in splits:
        return [("duplicate_id", f"{short(film)} stands twice in {short(split)}")]
    splits.append(split)
    if len(splits) > 1 and "TRAIN" in splits:  # EVAL lies inside V1-TEST, but training films in TRAIN alone
        return [("in_two_splits", f"{short(film)} in {', '.join(map(short, splits))}")]
    return []


def check_keys(path: Path) -> Report:
    """`mad2imdb.json`: film -> IMDb id; films under two keys are named.

    Raises:
        TableError: no object.
    """
    data = _strings(path)
    report = Report(path.name)
    first: dict[str, str] = {}
    for number, (film, key) in enumerate(data.items()):
        findings = []
        if not isinstance(key, str) or not key.startswith("tt") or not key[2:].isdigit():
            findings.append(("no_id", f"{short(film)} has {short(str(key))}, expected an IMDb id"))
        elif key in first:
            findings.append(("two_keys", f"{short(film)} is {key}, as is {short(first[key])}"))
        first.setdefault(str(key), film)
        report.row(str(key), number, findings)
    for number, (film, _) in enumerate(data.again if isinstance(data, Repeated) else [], start=len(data)):
        report.row("", number, [("duplicate_id", f"{short(film)} stood there before")])
    report.facts.update(films=len(data), imdb_ids=len(first))
    return report


def cross_check(keys: Path, split: Path) -> list[str]:
    """Films that stand under one key in one split and under another key in another.

    Args:
        keys: `mad2imdb.json`.
        split: `mad_split.json`.

    Returns:
        One sentence a film; those with TRAIN on one side are leaks.

    Raises:
        TableError: a file cannot be read.
    """
    ids, splits = _strings(keys), _strings(split)
    where: dict[str, list[str]] = {}
    for name, films in splits.items():
        for film in films if isinstance(films, list) else []:
            where.setdefault(str(film), []).append(name)
    by_id: dict[str, list[str]] = {}
    for film, key in ids.items():
        by_id.setdefault(str(key), []).append(film)
    said = []
    for key, films in by_id.items():
        places = [where.get(film, ["no split"]) for film in films]
        if len(films) > 1 and any(set(a) != set(places[0]) for a in places):
            told = ", ".join(f"{f} in {'/'.join(p)}" for f, p in zip(films, places, strict=True))
            said.append(f"{key} under {len(films)} keys in different splits: {told}")
    return said


def totals(reports: Sequence[Report]) -> Mapping[str, int]:
    """Rows in, kept, repaired, refused of all reports."""
    summed = {"rows": sum(report.rows for report in reports)}
    for outcome in ("kept", "repaired", "refused"):
        summed[outcome] = sum(report.outcomes[outcome] for report in reports)
    return summed
