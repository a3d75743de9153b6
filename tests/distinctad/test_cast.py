from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from distinctad import cast as cast_module
from distinctad.cast import Person, parse_cast, read_cast
from distinctad.errors import UserError


def write(path: Path, people: object) -> Path:
    path.write_text(json.dumps(people), encoding="utf-8")
    return path


def test_json_and_csv_give_the_same_people(cast: Path) -> None:
    people, warnings = read_cast(cast)
    folder = cast.parent.resolve()
    assert people == [
        Person("p1", "Mara", "A. Actor", folder / "portraits/mara.png"),
        Person("p2", "Joël", "", folder / "portraits/jo.png"),
    ]
    assert warnings == []
    table = "ID;Name;actor;portrait\np1;Mara;A. Actor;portraits/mara.png\np2;Joël;;portraits\\jo.png\n"
    (cast.parent / "cast.csv").write_bytes(table.encode("cp1252"))
    again, warnings = read_cast(cast.parent / "cast.csv")
    assert again == people and "cp1252" in warnings[0]


def test_ids_are_made_where_there_are_none(tmp_path: Path) -> None:
    people, warnings = read_cast(write(tmp_path / "c.json", [{"name": "Ann"}, {"id": 7, "name": "ann"}]))
    assert [(p.id, p.name, p.portrait) for p in people] == [("person_1", "Ann", None), ("7", "ann", None)]
    assert "several people are called" in warnings[0]


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ([], "holds nobody"),
        ({"name": "Ann"}, "a JSON dict, not a list"),
        (["Ann"], "entry 1 is a JSON str"),
        ([{"id": "a"}], "entry 1 has no name"),
        ([{"name": "  "}], "entry 1 has no name"),
        ([{"name": 3}], "name is a int, not a text"),
        ([{"name": "A" * 81}], "81 characters, more than 80"),
        ([{"name": "Ann <face>"}], "name holds '<>'"),
        ([{"name": "Ann\nBob"}], "name holds '\\\\n'"),
        ([{"name": "Ann\ud800"}], "name holds"),
        ([{"id": "a", "name": "Ann"}, {"id": "a", "name": "Bob"}], "entries 1 and 2 share the id 'a'"),
        ([{"name": f"P{i}"} for i in range(65)], "holds 65 people, more than 64"),
        ([{"name": "Ann", "portrait": "none.png"}], "portrait 'none.png' is not a file"),
        ([{"name": "Ann", "portrait": "../outside.png"}], "outside of the cast file's folder"),
        ([{"name": "Ann", "portrait": "/etc/hostname"}], "outside of the cast file's folder"),
        ([{"name": "Ann", "portrait": "link.png"}], "outside of the cast file's folder"),
        ([{"name": "Ann", "portrait": "x" * 500}], "portrait 'x+\\.\\.\\.' cannot be read"),
        ([{"name": "Ann", "portrait": "text.png"}], "no image"),
        ([{"name": "Ann", "portrait": "cut.png"}], "no image"),
        ([{"name": "Ann", "portrait": "."}], "not a file"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, people: object, said: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    Image.new("RGB", (64, 64), "red").save(tmp_path / "outside.png")
    os.symlink(tmp_path / "outside.png", folder / "link.png")
    (folder / "text.png").write_text("not a picture")
    (folder / "cut.png").write_bytes((tmp_path / "outside.png").read_bytes()[:60])
    with pytest.raises(UserError, match=said) as caught:
        read_cast(write(folder / "c.json", people))
    assert caught.value.fix and "\n" not in str(caught.value)


def test_pictures_are_bounded_before_they_are_decoded(cast: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cast_module, "MAX_PORTRAIT_PIXELS", 24 * 24 - 1)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UserError, match="24x24, more than 575 pixels"):
        read_cast(cast)


@pytest.mark.parametrize("text", ["", "   ", "[{]", "name\n", "id,actor\n1,2\n", "[" * 100_000])
def test_broken_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(UserError, match="the cast 'c.json'"):
        read_cast(tmp_path / "c.json")


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60), st.recursive(st.none() | st.text(max_size=5) | st.integers(), st.lists).map(json.dumps)
    )
)
def test_hostile_text_is_parsed_or_refused(text: str) -> None:
    try:
        entries = parse_cast(text, "c")
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert 1 <= len(entries) <= 64 and all(isinstance(entry, dict) for entry in entries)
