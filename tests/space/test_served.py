"""The Space over its network interface: named endpoints, and visitors who mean no good."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from stand_ins import Hum

from distinctad.audio.voice import Remembering
from distinctad.describe import ALL_FILES
from distinctad.edited import REVIEW_FILES
from distinctad.exports import to_json
from distinctad.review import read_document, read_log, replay
from space.limits import Limits

ENDPOINTS = {
    "describe_film", "plan_film", "check_line", "export_texts", "export_all", "open_script", "convert_script",
    "example",
}  # fmt: skip
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def client(served: str) -> Iterator[Client]:
    yield Client(served, verbose=False)


def describe(client: Client, film: Path, srt: Path | None, cast: list[Path] | None = None) -> Any:
    lines = handle_file(str(srt)) if srt else None
    people = [handle_file(str(path)) for path in cast or []]
    return client.predict(
        film=handle_file(str(film)), subtitles=lines, cast=people, naming="early", api_name="/describe_film"
    )


def refusal(client: Client, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(Exception) as error:
        describe(client, *args, **kwargs)
    assert "Traceback" not in str(error.value)
    return str(error.value)


def test_endpoints_have_names(served: str) -> None:
    info = httpx.get(f"{served}gradio_api/info").json()
    assert {name.strip("/") for name in info["named_endpoints"]} == ENDPOINTS and not info["unnamed_endpoints"]
    if find_spec("mcp") is not None:
        tools = {tool["name"]: tool for tool in httpx.get(f"{served}gradio_api/mcp/schema").json()}
        assert set(tools) == ENDPOINTS
        assert "unreviewed machine draft" in tools["describe_film"]["description"]
        assert "request" not in tools["describe_film"]["inputSchema"]["properties"]


def test_a_program_describes_edits_and_exports(client: Client, film: Path, srt: Path) -> None:
    work, said = describe(client, film, srt)
    draft = json.loads(work["draft"])
    assert draft["film"]["name"] == "film_7.mp4" and f"{len(draft['cues'])} drafts" in said
    work["edits"] = [{"cue": 1, "field": "text", "before": draft["cues"][0]["text"], "after": "Nobody moves."}]
    files = {Path(path).name: Path(path) for path in client.predict(script=work, api_name="/export_texts")}
    base = read_document(files["descriptions.draft.json"].read_text("utf-8"), "draft")
    edits = read_log(files["edit-log.json"].read_text("utf-8"), base)
    assert to_json(replay(base, edits)) == files["descriptions.json"].read_text("utf-8")
    assert "Nobody moves." in files["descriptions.vtt"].read_text("utf-8")
    again, _ = client.predict(
        script=handle_file(str(files["descriptions.draft.json"])),
        log=handle_file(str(files["edit-log.json"])),
        api_name="/open_script",
    )
    assert again["edits"] == work["edits"] and again["draft"] == work["draft"]
    dapt = client.predict(script=handle_file(str(files["descriptions.vtt"])), to=".xml", api_name="/convert_script")
    assert "Nobody moves." in Path(dapt).read_text("utf-8") and "dapt" in Path(dapt).read_text("utf-8")


def test_what_converting_leaves_out_is_told(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("space.desk.gr.Warning", told.append)
    (tmp_path / "s.vtt").write_text("WEBVTT\nLanguage: English US\n\n00:01.000 --> 00:02.000\nHe runs.\n", "utf-8")
    client.predict(script=handle_file(str(tmp_path / "s.vtt")), to=".xml", api_name="/convert_script")
    assert any("language" in said for said in told), told


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_every_file_is_made_with_the_film_and_refused_with_another(
    client: Client, film: Path, srt: Path, tmp_path: Path
) -> None:
    work, _ = describe(client, film, srt)
    given = {"script": work, "duck_db": -12, "api_name": "/export_all"}
    files = client.predict(film=handle_file(str(film)), **given)
    assert {Path(path).name for path in files} == {*ALL_FILES, *REVIEW_FILES}
    other = tmp_path / "film_7.mp4"
    other.write_bytes(film.read_bytes() + bytes(8))
    with pytest.raises(Exception, match="is not the one that this script was made for"):
        client.predict(film=handle_file(str(other)), **given)
    with pytest.raises(Exception, match="there is no film"):
        client.predict(film=None, **given)


@pytest.mark.parametrize("long", [(), (2,), (1, 3)])
def test_lines_that_only_the_extended_film_holds_are_told(
    desk: Any, film: Path, srt: Path, monkeypatch: pytest.MonkeyPatch, long: tuple[int, ...]
) -> None:
    """The page predicts what a text takes; the voice that speaks it may take longer."""
    told: list[str] = []
    monkeypatch.setattr("space.desk.gr.Warning", told.append)
    monkeypatch.setattr("distinctad.audio.voice.find_voice", lambda name: Remembering(Hum()))
    asked = {"request": SimpleNamespace(session_hash="long"), "progress": lambda *_, **__: None}
    packed, _ = desk.describe_film(str(film), str(srt), None, "early", **asked)
    texts = {cue["index"]: cue["text"] for cue in json.loads(packed["draft"])["cues"]}
    packed["edits"] = [
        {"cue": at, "field": "text", "before": texts[at], "after": "A word and " * 5 + "more."} for at in long
    ]
    desk.export_all(packed, str(film), -10, **asked)
    numbers = ", ".join(map(str, long))
    said = f"{len(long)} line(s) too long for the place, heard in the extended film only: line {numbers}"
    assert told == ([said] if long else [])


def test_a_script_that_takes_hours_to_speak_is_refused(
    desk: Any, film: Path, srt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second of speech is kept in memory until the films are written."""
    asked = {"request": SimpleNamespace(session_hash="hours"), "progress": lambda *_, **__: None}
    packed, _ = desk.describe_film(str(film), str(srt), None, "early", **asked)
    packed["edits"] = [
        {"cue": cue["index"], "field": "text", "before": cue["text"], "after": "A word and " * 80 + "more."}
        for cue in json.loads(packed["draft"])["cues"]
    ]
    monkeypatch.setattr(desk, "limits", replace(desk.limits, film_s=60))
    with pytest.raises(gr.Error, match=r"takes some \d+ s to speak, more than 60"):
        desk.export_all(packed, str(film), -10, **asked)


def test_plans_and_lines_are_judged_without_a_model(client: Client, film: Path, srt: Path) -> None:
    plan, said = client.predict(film=handle_file(str(film)), subtitles=handle_file(str(srt)), api_name="/plan_film")
    assert plan["advice"] in said and len(plan["gaps"]) == 3
    assert client.predict(text="Mara runs.", room_s=3.0, api_name="/check_line")["fits"] is True
    assert client.predict(text="Mara runs. " * 20, room_s=3.0, api_name="/check_line")["fits"] is False


def test_names_and_texts_with_markup_are_escaped(client: Client, film: Path, tmp_path: Path) -> None:
    lines = tmp_path / f"{MARKUP}.srt"
    lines.write_text(f"1\n00:00:03,000 --> 00:00:05,000\n{MARKUP} a < b\n\n", encoding="utf-8")
    named = tmp_path / f"{MARKUP} & x.mp4"
    named.write_bytes(film.read_bytes())
    work, said = describe(client, named, lines)
    assert "<img" not in said and "&amp; x" in said and "a < b" in work["speech"][0][2]  # as text, not as markup
    renamed = tmp_path / f"a {MARKUP}.mp4"
    renamed.write_bytes(b"MZ\x90\x00" + bytes(2000))
    assert "<img" not in refusal(client, renamed, None)


def test_a_renamed_program_is_no_film(client: Client, film: Path, tmp_path: Path) -> None:
    for name, content in (("a.mp4", b"MZ\x90\x00" + bytes(2000)), ("b.mp4", b"\x7fELF" + bytes(2000)), ("c.mp4", b"")):
        (tmp_path / name).write_bytes(content)
        said = refusal(client, tmp_path / name, None)
        assert "cannot be used" in said and "Give a video" in said and str(tmp_path) not in said
    (tmp_path / "film.exe").write_bytes(film.read_bytes())
    assert "file type" in refusal(client, tmp_path / "film.exe", None).lower()
    (tmp_path / "a.srt").write_bytes(b"\x7fELF" + bytes(2000))
    assert "a.srt" in refusal(client, film, tmp_path / "a.srt")


def test_entities_and_endless_nesting_are_refused(client: Client, film: Path, tmp_path: Path) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(8)
    )
    (tmp_path / "bomb.ttml").write_text(bomb + ']><tt xmlns="http://www.w3.org/ns/ttml">&i;</tt>', encoding="utf-8")
    began = time.monotonic()
    assert "bomb.ttml" in refusal(client, film, tmp_path / "bomb.ttml")
    (tmp_path / "cast.json").write_text("[" * 200_000, encoding="utf-8")
    assert "cast" in refusal(client, film, None, [tmp_path / "cast.json"])
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("portrait", ["../../secret.png", "/etc/passwd", "..\\secret.png", "portraits/../../x.png"])
def test_a_cast_reaches_no_other_file(client: Client, film: Path, srt: Path, tmp_path: Path, portrait: str) -> None:
    (tmp_path / "cast.json").write_text(json.dumps([{"name": "Mara", "portrait": portrait}]), encoding="utf-8")
    assert "portrait" in refusal(client, film, srt, [tmp_path / "cast.json"])


def test_paths_of_the_server_are_no_uploads(served: str, client: Client, film: Path) -> None:
    for path in ("/etc/passwd", "../../../etc/passwd", str(Path(__file__))):
        given = {"path": path, "meta": {"_type": "gradio.FileData"}}
        body = {"data": [given, None, [], "early"]}
        asked = httpx.post(f"{served}gradio_api/call/describe_film", json=body)
        said = httpx.get(f"{served}gradio_api/call/describe_film/{asked.json()['event_id']}", timeout=60).text
        assert "event: error" in said and "root:" not in said
        assert httpx.get(f"{served}gradio_api/file={path}").status_code in (403, 404)
    sent = {"files": ("../../../../evil.mp4", film.read_bytes())}
    (stored,) = httpx.post(f"{served}gradio_api/upload", files=sent).json()
    assert "uploads" in Path(stored).parts and ".." not in Path(stored).parts


def test_nothing_is_fetched_by_its_address(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework would load it whole, whatever its size; also where it is hidden in a work or in a cast."""
    from gradio import processing_utils

    fetched: list[str] = []

    async def fetch(url: str, cache_dir: str) -> str:
        fetched.append(url)
        raise OSError(url)

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", fetch)
    monkeypatch.setattr(processing_utils, "save_url_to_cache", fetch)
    for address in ("https://example.org/film.mp4", "HTTP://example.org/film.mp4"):
        given = {"path": address, "meta": {"_type": "gradio.FileData"}}
        for name, data in (
            ("describe_film", [given, None, [], "early"]),
            ("describe_film", [None, None, [given], "early"]),
            ("export_texts", [{"speech": [given]}]),
            ("check_line", [given, 1.0]),
        ):
            asked = httpx.post(f"{served}gradio_api/call/{name}", json={"data": data})
            url = f"{served}gradio_api/call/{name}/{asked.json()['event_id']}"
            assert "event: error" in httpx.get(url, timeout=60).text, name
    assert fetched == []


def test_five_gigabytes_are_refused_when_they_are_claimed_and_when_they_come(served: str) -> None:
    where = urlsplit(served)
    with socket.create_connection((where.hostname, where.port), timeout=20) as line:
        line.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: 5000000000\r\n\r\n--b\r\n"
        )
        assert b" 413 " in line.recv(200).split(b"\r\n")[0]

    sent_mb = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent_mb
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
        for sent_mb in range(5_000):  # noqa: B007 - told to the test
            yield bytes(1_000_000)

    head = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        code = httpx.post(f"{served}gradio_api/upload", content=endless(), headers=head, timeout=60).status_code
    except httpx.TransportError:
        code = 413  # the server hung up while the rest was still coming
    assert code in (400, 413) and sent_mb < 500  # the allowed 4, and what the machine's own buffers took
    data = {"data": ["x" * 20_000_000, None]}
    assert httpx.post(f"{served}gradio_api/call/check_line", json=data, timeout=60).status_code == 413
    large = {"files": ("a.mp4", bytes(3_500_000))}
    assert httpx.post(f"{served}gradio_api/upload", files=large, timeout=60).status_code in (400, 413)


def test_a_long_film_is_refused(client: Client, film: Path, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "limits", Limits(film_s=5))
    assert "more than 5" in refusal(client, film, None)


def test_ten_users_at_once_are_served_their_own_or_turned_away(
    served: str, film: Path, srt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one is held until five have been turned away, so that the queue is full whatever the machine does."""
    from space import desk as desks

    quick, full = desks._draft, threading.Event()

    def held(*args: Any, **given: Any) -> Any:
        assert full.wait(120), "nobody was turned away"
        return quick(*args, **given)

    monkeypatch.setattr(desks, "_draft", held)
    clients = [Client(served, verbose=False) for _ in range(10)]
    films = [tmp_path / f"film_{number}.mp4" for number in range(10)]
    for path in films:
        path.write_bytes(film.read_bytes())
    away: list[str] = []

    def visit(number: int) -> str | None:
        try:
            return str(json.loads(describe(clients[number], films[number], srt)[0]["draft"])["film"]["name"])
        except Exception as error:
            away.append(str(error))
            if len(away) >= 5:
                full.set()
            return None

    with ThreadPoolExecutor(10) as pool:
        ends = list(pool.map(visit, range(10)))
    # One is described, four wait, the rest hear that the queue is full; six, if the first one had not begun yet.
    assert len(away) in (5, 6) and all("queue is full" in said.lower() for said in away), away
    assert [end for end in ends if end] == [films[i].name for i, end in enumerate(ends) if end]
    assert describe(clients[0], film, srt)[0]["draft"]
