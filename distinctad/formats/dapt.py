"""W3C Dubbing and Audio Description Transcript (DAPT), a profile of TTML2: writing and reading description scripts.

A script event is a `div` with an `xml:id`; an event without a text is an opportunity. What DAPT has no place for (the
cue's own id, the people that the model was told of, provenance) lies in a namespace of ours inside `metadata`, which
every reader of the profile passes over. Source: W3C DAPT, Candidate Recommendation of 11 March 2025 and its tests.
"""

from __future__ import annotations

import codecs
import json
import xml.etree.ElementTree as ET
from collections.abc import Container
from contextlib import suppress
from fractions import Fraction
from typing import Any

from distinctad.errors import UserError, one_line
from distinctad.formats.dapt_rules import DAPT_PROFILE, DAPTM, faults, inherit, is_event
from distinctad.formats.script import Script, ScriptCue, ScriptPerson, held_provenance, held_text
from distinctad.formats.timed_text import TT, TTM, TTP, XML, TimedTextError, clock_of, parse, text_of, walk

OWN = "{urn:x-distinctad:script:1}"
REPRESENTS = "visual.nonText"
_PREFIXES = {"": TT, "ttp": TTP, "ttm": TTM, "daptm": DAPTM, "distinctad": OWN}
_FIX = "Give a DAPT file, as `distinctad convert` writes it."


def write(script: Script) -> str:
    """Write a script as DAPT, not yet recorded (script type preRecording); cues without a text are opportunities.

    Args:
        script: the script; characters that XML cannot hold are left out.

    Returns:
        The file's text.
    """
    for prefix, uri in _PREFIXES.items():
        ET.register_namespace(prefix, uri.strip("{}"))
    root = ET.Element(
        f"{TT}tt",
        {
            f"{TTP}contentProfiles": DAPT_PROFILE,
            f"{XML}lang": script.language,
            f"{DAPTM}langSrc": "zxx",
            f"{DAPTM}scriptRepresents": REPRESENTS,
            f"{DAPTM}scriptType": "preRecording",
        },
    )
    metadata = ET.SubElement(ET.SubElement(root, f"{TT}head"), f"{TT}metadata")
    for tag, text in (("title", script.title), ("desc", script.note)):
        if text:
            ET.SubElement(metadata, f"{TTM}{tag}").text = held_text(text)
    for number, person in enumerate(script.people, 1):
        _write_person(metadata, number, person)
    body = ET.SubElement(root, f"{TT}body")
    paragraphs = [_write_cue(body, number, cue) for number, cue in enumerate(script.cues, 1)]
    ET.indent(root, " ")
    for paragraph, cue in zip(paragraphs, script.cues, strict=True):  # after the indenting, which is no text
        if paragraph is not None:
            _write_text(paragraph, held_text(cue.text))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _write_person(metadata: ET.Element, number: int, person: ScriptPerson) -> None:
    if person.actor:
        actor = ET.SubElement(metadata, f"{TTM}agent", {"type": "person", f"{XML}id": f"actor_{number}"})
        ET.SubElement(actor, f"{TTM}name", {"type": "full"}).text = held_text(person.actor)
    agent = ET.SubElement(metadata, f"{TTM}agent", {"type": "character", f"{XML}id": f"character_{number}"})
    ET.SubElement(agent, f"{TTM}name", {"type": "alias"}).text = held_text(person.name)
    if person.actor:
        ET.SubElement(agent, f"{TTM}actor", {"agent": f"actor_{number}"})


def _write_cue(body: ET.Element, number: int, cue: ScriptCue) -> ET.Element | None:
    times = {"begin": f"{_seconds(cue.start_ms)}s", "end": f"{_seconds(cue.end_ms)}s"}
    event = ET.SubElement(body, f"{TT}div", {f"{XML}id": f"event_{number}", **times, f"{DAPTM}represents": REPRESENTS})
    own: dict[str, Any] = {"id": cue.id} if cue.id else {}
    own |= {"characters": list(cue.characters)} if cue.characters else {}
    own |= {"provenance": dict(cue.provenance)} if cue.provenance is not None else {}
    if own:
        text = json.dumps(own, ensure_ascii=True, sort_keys=True)
        ET.SubElement(ET.SubElement(event, f"{TT}metadata"), f"{OWN}cue").text = text
    return ET.SubElement(event, f"{TT}p") if cue.text else None


def _write_text(paragraph: ET.Element, text: str) -> None:
    lines = text.split("\n")
    if any(line != " ".join(line.split()) for line in lines):
        paragraph.set(f"{XML}space", "preserve")
    paragraph.text = lines[0]
    for line in lines[1:]:
        ET.SubElement(paragraph, f"{TT}br").tail = line


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"


def read(data: bytes, name: str, notes: list[str] | None = None) -> Script:
    """Read a DAPT script, ours or another's.

    Args:
        data: the file's bytes.
        name: the file's name, for the messages.
        notes: what is left out is added to it: events that represent nothing visual (dialogue would be spoken as a
            description), texts outside of events, which the profile allows, and what kind of visual events there are.

    Returns:
        Its visual script events in order of time, a cue of each time that their texts have; text in several languages:
        the document's own is taken where an event has it, else all. The script's language is that of all its texts,
        or the document's.

    Raises:
        UserError: if the file breaks the profile's rules (the first fault is said), its events represent nothing
            visual, or one has no end.
    """
    data = data.removeprefix(codecs.BOM_UTF8)  # against the profile, but editors put it there unasked
    wrong = faults(data)
    if wrong:
        more = f" ({len(wrong)} faults in all)" if len(wrong) > 1 else ""
        raise UserError(f"the script '{name}' is no valid DAPT: {wrong[0]}{more}", _FIX)
    try:
        root = parse(data)
        clock = clock_of(root)
        times = {id(element): (begin, end) for element, begin, end in walk(root, clock)}
    except TimedTextError as error:
        raise UserError(f"the script '{name}' cannot be read: {error}", _FIX) from error
    language = root.get(f"{XML}lang", "en")
    languages = {id(element): value or language for element, value in inherit(root, f"{XML}lang")}
    events, left_out = _visual_events(root, times, name)
    if notes is not None:
        notes += left_out
    taken = {id(event): _taken(event, languages, language) for event in events}
    spoken = {languages[id(paragraph)] for paragraphs in taken.values() for paragraph in paragraphs}
    if len(spoken) == 1:
        language = spoken.pop()
    elif notes is not None and spoken:
        notes.append(f"the script '{name}': texts in {', '.join(sorted(spoken))} stand in one script")
    cues = [cue for event in events for cue in _read_cues(event, taken[id(event)], times, name)]
    note, title = (root.findtext(f"{TT}head/{TT}metadata/{TTM}{tag}") or "" for tag in ("desc", "title"))
    ordered = sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))
    return Script(tuple(ordered), language, title, note, tuple(_read_people(root)))


def _visual_events(root: ET.Element, times: Container[int], name: str) -> tuple[list[ET.Element], list[str]]:
    """The events that represent something visual, in the file's order, and notes of what is left out.

    What looks like one in metadata or in a stranger's element has no time (`times`: of these `id`s) and is none.
    """
    inherited = inherit(root, f"{DAPTM}represents")
    events = [(event, kind) for event, kind in inherited if is_event(event) and id(event) in times]
    seen = [(event, kind) for event, kind in events if kind.split(".")[0] == "visual"]
    others = [kind for event, kind in events if kind.split(".")[0] != "visual"]
    kinds = one_line(", ".join(sorted(set(others))), 80)
    if others and not seen:
        message = f"the script '{name}' describes nothing: its {len(others)} event(s) represent {kinds}"
        raise UserError(message, "Give a script with events that represent visual content.")
    notes = [f"{len(others)} event(s) left out that represent {kinds}, no description"] if others else []
    kept = {kind for _, kind in seen} - {REPRESENTS}
    if kept:
        notes.append(f"that events represent {one_line(', '.join(sorted(kept)), 80)} is not kept")
    held = {id(paragraph) for event, _ in events for paragraph in event.findall(f"{TT}p")}
    stray = sum(id(paragraph) not in held and bool(text_of(paragraph).strip()) for paragraph in root.iter(f"{TT}p"))
    if stray:
        notes.append(f"{stray} text(s) left out that stand in no event (a div with an xml:id and no div in it)")
    return [event for event, _ in seen], [f"the script '{name}': {note}" for note in notes]


def _taken(event: ET.Element, languages: dict[int, str], language: str) -> list[ET.Element]:
    """The texts of an event in the document's own language, or all where it has none in it."""
    paragraphs = event.findall(f"{TT}p")
    return [paragraph for paragraph in paragraphs if languages[id(paragraph)] == language] or paragraphs


def _read_cues(
    event: ET.Element, taken: list[ET.Element], times: dict[int, tuple[Fraction, Fraction | None]], name: str
) -> list[ScriptCue]:
    """Read the cues of an event: one for all texts at its own times, one for each other time that texts have."""
    paragraphs = event.findall(f"{TT}p")
    begin, end = times[id(event)]
    inner = [times[id(paragraph)] for paragraph in paragraphs]
    if "begin" not in event.attrib and inner:
        begin = min(start for start, _ in inner)
    if end is None:
        ends = [stop for _, stop in inner if stop is not None]
        if not ends:
            known = event.get(f"{XML}id")
            raise UserError(f"the script '{name}': the event '{known}' has no end", "Give every event begin and end.")
        end = max(ends)
    texts: dict[tuple[Fraction, Fraction], list[str]] = {} if paragraphs else {(begin, end): []}
    for paragraph in taken:
        timed = not {"begin", "end", "dur"}.isdisjoint(paragraph.attrib)
        start, stop = times[id(paragraph)] if timed else (begin, end)
        texts.setdefault((start, end if stop is None else stop), []).append(text_of(paragraph))
    own = _own(event.findtext(f"{TT}metadata/{OWN}cue"))
    return [
        ScriptCue(round(start * 1000), max(round(start * 1000), round(stop * 1000)), "\n".join(lines), **own)
        for (start, stop), lines in texts.items()
    ]


def _own(text: str | None) -> dict[str, Any]:
    """Read our own part of an event; what a stranger wrote there is passed over."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):  # a list in a list in a list ...
        return {}
    if not isinstance(found, dict):
        return {}
    names, provenance = found.get("characters", []), found.get("provenance")
    own: dict[str, Any] = {"id": found["id"]} if isinstance(found.get("id"), str) else {}
    if isinstance(names, list):
        own["characters"] = tuple(one_line(str(name), 80) for name in names if not isinstance(name, dict | list))
    if isinstance(provenance, dict):
        with suppress(ValueError):
            own["provenance"] = held_provenance(provenance)
    return own


def _read_people(root: ET.Element) -> list[ScriptPerson]:
    agents = {agent.get(f"{XML}id"): agent for agent in root.iter(f"{TTM}agent")}
    people = []
    for agent in agents.values():
        if agent.get("type") != "character":
            continue
        link = agent.find(f"{TTM}actor")
        actor = agents.get(link.get("agent")) if link is not None else None
        played = (actor.findtext(f"{TTM}name") or "") if actor is not None else ""
        people.append(ScriptPerson(agent.findtext(f"{TTM}name") or "", played))
    return people
