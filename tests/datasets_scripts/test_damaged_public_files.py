"""Each of the ten public files, damaged: repaired or refused with the row named, no traceback, no row lost in silence.

Bytes flipped, columns renamed or put in another order, rows shuffled or cut. Skipped where the files are not beside
the project; by default a stretch of each file is damaged, with `-m slow` the whole file under many seeds.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from public_files import real

from datasets_scripts.checks import check_file, kind_of, open_set
from datasets_scripts.repairs import REFUSED, RULES, Report

CSV_KINDS = {
    "madeval_anno.csv": "mad-eval", "cmdad_anno.csv": "cmd-ad", "tvad_anno.csv": "tv-ad",
    "tvad_anno_with_face.csv": "tv-ad", "tvad_train.csv": "texts",
}  # fmt: skip
JSON_KINDS = {
    "MAD_charbank.json": "bank", "tvad_charbank.json": "bank", "cast_list_for_eval.json": "bank",
    "mad_split.json": "split", "mad2imdb.json": "keys",
}  # fmt: skip
ALL = [*CSV_KINDS, *JSON_KINDS]
STRETCH, FILMS = 250, 12
FILE_RULES = {"unreadable", "missing_column"}


def stretch(name: str, rng: random.Random, whole: bool = False) -> bytes:
    """Header and `STRETCH` consecutive rows of a CSV file (none runs over a line), or `FILMS` entries of a JSON one."""
    raw = real(name).read_bytes()
    if whole:
        return raw
    if name.endswith(".json"):
        entries = list(json.loads(raw).items())
        first = rng.randrange(max(1, len(entries) - FILMS))
        if name == "mad_split.json":
            return raw
        return json.dumps(dict(entries[first : first + FILMS]), ensure_ascii=False, indent=1).encode()
    lines = raw.split(b"\n")
    first = rng.randrange(1, len(lines) - STRETCH)
    return b"\n".join([lines[0], *lines[first : first + STRETCH]]) + b"\n"


def check(path: Path, raw: bytes) -> Report:
    """The report of `raw`, after what must hold of every report."""
    path.write_bytes(raw)
    report = check_file(path)
    assert report.rows == sum(report.outcomes.values())
    for rule, found in report.found.items():
        assert found.details and (min(found.rows) >= 0 or rule in FILE_RULES)
        assert max(found.rows) < max(1, report.rows) or rule in FILE_RULES
    json.dumps(report.to_dict())
    return report


def cells(raw: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode("utf-8"), newline="")))


def written(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def accounted(report: Report, raw: bytes, rows_before: int) -> bool:
    """Whether every line is a row of the report, or the report says why not."""
    if FILE_RULES & set(report.found):
        return True
    lines = sum(bool(line.strip()) for line in raw.split(b"\n")[1:])
    joined = report.count("line_break")
    spoken_of = report.rows == rows_before or report.refused or bool(report.remarks)
    return (report.rows == lines or (joined and report.rows < lines <= report.rows + 20 * joined)) and spoken_of


def flip_and_check(name: str, path: Path, raw: bytes, rng: random.Random, rows_before: int) -> Report:
    damaged = bytearray(raw)
    for _ in range(rng.choice([1, 2, 8, 40])):
        damaged[rng.randrange(len(damaged))] = rng.choice([0, 9, 10, 34, 44, 0x80, 0xE9, rng.randrange(256)])
    report = check(path, bytes(damaged))
    if name in CSV_KINDS:
        assert accounted(report, bytes(damaged), rows_before)
    else:  # JSON is read whole or not at all; where it still is JSON, the rows are those that were there
        assert report.refused or report.rows == rows_before or report.remarks
        if "unreadable" in report.found:
            assert any(word in report.found["unreadable"].details[0] for word in ("line", "row", "holds neither"))
    return report


@pytest.mark.parametrize("name", ALL)
def test_flipped_bytes(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    outcomes: Counter[str] = Counter()
    for _ in range(8):
        raw = stretch(name, rng)
        before = check(tmp_path / name, raw)
        assert not before.refused
        report = flip_and_check(name, tmp_path / name, raw, rng, before.rows)
        outcomes["refused" if report.refused else "read"] += 1
    assert outcomes["refused"]  # the damage was seen


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_flipped_bytes_of_whole_files(tmp_path: Path, name: str) -> None:
    raw, rng = stretch(name, random.Random(0), whole=True), random.Random(name)
    rows = check(tmp_path / name, raw).rows
    for _ in range(12):
        flip_and_check(name, tmp_path / name, raw, rng, rows)


@pytest.mark.parametrize("name", CSV_KINDS)
def test_columns_in_another_order(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    raw = stretch(name, rng)
    before, rows = check(tmp_path / name, raw), cells(raw)
    order = list(range(len(rows[0])))
    rng.shuffle(order)
    after = check(tmp_path / name, written([[row[i] for i in order] for row in rows]))
    assert after.outcomes == before.outcomes and after.facts == before.facts
    assert {r: list(f.rows) for r, f in after.found.items()} == {r: list(f.rows) for r, f in before.found.items()}


@pytest.mark.parametrize("name", CSV_KINDS)
def test_each_column_renamed(tmp_path: Path, name: str) -> None:
    """A column that is needed is named and every row refused; one that is not changes no row."""
    raw = stretch(name, random.Random(name))
    before, rows = check(tmp_path / name, raw), cells(raw)
    refused = set()
    for place, column in enumerate(rows[0]):
        header = [*rows[0][:place], f"old {column}", *rows[0][place + 1 :]]
        report = check(tmp_path / name, written([header, *rows[1:]]))
        assert report.rows == before.rows
        if report.refused:
            assert f"no column {column}" in report.found["missing_column"].details[0]
            assert report.outcomes[REFUSED] == report.rows
            refused.add(column)
        else:
            assert report.outcomes == before.outcomes
    assert 2 <= len(refused) < len(rows[0]) or name == "tvad_train.csv"
    (tmp_path / name).write_bytes(written([[c.upper() for c in rows[0]], *rows[1:]]))
    assert check_file(tmp_path / name).refused


@pytest.mark.parametrize("name", CSV_KINDS)
def test_shuffled_rows(tmp_path: Path, name: str) -> None:
    """The same rows come out; those of a film in order of time again."""
    rng = random.Random(name)
    raw = stretch(name, rng)
    before, rows = check(tmp_path / name, raw), cells(raw)

    def read() -> Any:
        if CSV_KINDS[name] == "texts":
            return None
        made = open_set(CSV_KINDS[name], tmp_path / name)
        return sorted((row.film, row.index, row.start_s, row.text, row.video_start_s) for row in made)

    wanted = read()
    rng.shuffle(tail := rows[1:])
    after = check(tmp_path / name, written([rows[0], *tail]))
    assert after.rows == before.rows and not after.refused
    got = read()
    if wanted is not None:
        assert {row[:1] + row[2:] for row in got} == {row[:1] + row[2:] for row in wanted}
        assert after.count("out_of_order") > 0
    if name == "madeval_anno.csv":  # its ties in time have different places in the file; all else is as before
        assert [row[:3] for row in got] == [row[:3] for row in wanted]


@pytest.mark.parametrize("name", CSV_KINDS)
def test_rows_cut(tmp_path: Path, name: str) -> None:
    """Inside a row: that row is refused. Between two rows: nothing is damaged, but the count is told."""
    rng = random.Random(name)
    raw = stretch(name, rng)
    before = check(tmp_path / name, raw).rows
    for _ in range(5):
        cut = raw[: rng.randrange(len(raw) // 2, len(raw) - 3)]
        report = check(tmp_path / name, cut)
        assert report.rows == sum(bool(line.strip()) for line in cut.split(b"\n")[1:]) < before + 1
        last = set() if cut.endswith(b"\n") else {report.rows - 1}
        refused = {row for rule, found in report.found.items() if RULES[rule][0] == REFUSED for row in found.rows}
        assert refused <= last and any("public" in remark for remark in report.remarks)
    lines = raw.split(b"\n")
    report = check(tmp_path / f"renamed_{name}", b"\n".join(lines[: len(lines) // 2]) + b"\n")
    assert not report.refused and report.rows < before and any("public" in remark for remark in report.remarks)


@pytest.mark.parametrize("name", CSV_KINDS)
def test_cells_lost_or_doubled(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    raw = stretch(name, rng)
    rows = cells(raw)
    chosen = sorted(rng.sample(range(1, len(rows)), 6))
    for place in chosen[:3]:
        del rows[place][rng.randrange(len(rows[place]))]
    for place in chosen[3:5]:
        rows[place].insert(rng.randrange(len(rows[place])), "x")
    rows[chosen[5]] = list(rows[chosen[5] - 1]) if chosen[5] - 1 not in chosen else [*rows[chosen[5]], ""]
    report = check(tmp_path / name, written(rows))
    assert [place - 1 for place in chosen[:5]] == [row for row in report.found["ragged"].rows if row + 1 in chosen[:5]]
    assert report.outcomes[REFUSED] == 6 and report.rows == len(rows) - 1


@pytest.mark.parametrize("name", JSON_KINDS)
def test_json_cut_shuffled_and_renamed(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    raw = stretch(name, rng)
    before = check(tmp_path / name, raw)
    assert kind_of(tmp_path / name) == JSON_KINDS[name]
    for _ in range(4):  # cut: refused, with the place
        report = check(tmp_path / name, raw[: rng.randrange(10, len(raw) - 3)])
        assert report.refused and any(w in report.found["unreadable"].details[0] for w in ("line", "row", "neither"))
    entries = list(json.loads(raw).items())
    rng.shuffle(entries)
    shuffled = check(tmp_path / name, json.dumps(dict(entries)).encode())
    assert (shuffled.rows, shuffled.outcomes) == (before.rows, before.outcomes)
    twice = raw.rstrip().removesuffix(b"}") + b", " + json.dumps(dict(entries[:1])).encode()[1:]
    report = check(tmp_path / name, twice)  # an entry under a key that stood there before
    added = len(entries[0][1]) if isinstance(entries[0][1], list) else 1
    assert report.count("duplicate_id") == added and report.rows == before.rows + added
    if JSON_KINDS[name] == "bank" and isinstance(entries[0][1][0], dict):
        renamed = check(tmp_path / name, raw.replace(b'"role"', b'"part"').replace(b'"id"', b'"key"', 5))
        assert renamed.rows == before.rows and renamed.count("no_id") == 5
        assert renamed.outcomes[REFUSED] == renamed.count("no_id") + renamed.count("empty_role")
