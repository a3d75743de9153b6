"""The rules of the DAPT profile itself, checked without a schema: every fault is named, with the value and the rule.

Source: W3C DAPT, Candidate Recommendation of 11 March 2025, the editor's draft's registries (content descriptors and
description types) and w3c/dapt-tests, whose cases are the list of what is checked here. Two of that repository's files
are no cases any more and are not followed: one has grouped events that represent nothing (a feature that its editors
offered to drop, w3c/dapt issue 303), one calls an empty daptm:langSrc a fault (allowed again, pull request 331 there).
What the profile takes over from TTML2 (styles, regions) is not checked. Vocabulary of other namespaces is passed over.
"""

from __future__ import annotations

import codecs
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import accumulate

from distinctad.errors import one_line
from distinctad.formats.timed_text import TT, TTM, TTP, XML, TimedTextError, clock_of, parse, walk

DAPT_PROFILE = "http://www.w3.org/ns/ttml/profile/dapt1.0/content"
DAPTM = "{http://www.w3.org/ns/ttml/profile/dapt#metadata}"
SCRIPT_TYPES = ("originalTranscript", "translatedTranscript", "preRecording", "asRecorded")
DESCRIPTORS = frozenset(
    (
        "audio audio.dialogue audio.nonDialogueSounds visual visual.dialogue visual.nonText visual.text "
        "visual.text.title visual.text.credit visual.text.location"
    ).split()
)
_MOST_DOTS = 50  # of a descriptor; each part is looked up with all before it
DESCRIPTION_TYPES = ("pronunciationNote", "scene", "plotSignificance")
ON_SCREEN = ("ON", "OFF", "ON_OFF", "OFF_ON")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*|[xX](-[A-Za-z0-9]{1,8})+")
_NAME = re.compile(r"[^\W\d][\w.\-\u00b7]*")
_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([^\"']+)[\"']")
_TIMECODE = re.compile(r"(\d{2,15}):(\d{2}):(\d{2})(?:[:;](\d{2,15})|\.\d+)?")
_RATE = re.compile(r"\d{1,15}")


def is_event(element: ET.Element) -> bool:
    """Whether a `div` is a script event: it has an `xml:id` and holds no `div`."""
    return element.tag == f"{TT}div" and bool(element.get(f"{XML}id")) and element.find(f"{TT}div") is None


def is_descriptor(value: str) -> bool:
    """Whether a content descriptor is in the registry, or an extension ("x-...") of one that is, or of its own."""
    if value.count(".") > _MOST_DOTS:
        return False
    parts = value.split(".")
    known = next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in DESCRIPTORS), 0)
    return all(re.fullmatch(r"x-[A-Za-z0-9_-]+", part) for part in parts[known:])


def is_language(value: str) -> bool:
    """Whether a value has the form of a language tag (BCP 47)."""
    return bool(_LANGUAGE.fullmatch(value))


def faults(data: bytes) -> list[str]:
    """Check a file against the profile's rules.

    Args:
        data: the file's bytes.

    Returns:
        One line a fault; [] for a valid file.
    """
    if data.startswith(codecs.BOM_UTF8):
        return ["the file begins with a byte order mark, expected none"]
    encoding = _ENCODING.match(data[:200])
    if encoding and encoding.group(1).lower() != b"utf-8":
        return [f"the encoding is '{one_line(encoding.group(1).decode('latin-1'), 40)}', not UTF-8"]
    try:
        data.decode("utf-8")
        root = parse(data)
    except UnicodeDecodeError:
        return ["the bytes are not UTF-8"]
    except TimedTextError as error:
        return [str(error)]
    if root.tag != f"{TT}tt":
        return [f"the root is '{one_line(root.tag, 60)}', not tt of TTML"]
    checks = (_root, _events, _agents, _timecodes, _attributes, _audio, _times)
    return [one_line(fault[:1000]) for check in checks for fault in check(root)]  # a long value may be said many times


def _root(root: ET.Element) -> Iterator[str]:
    language = root.get(f"{XML}lang")
    if not language or not is_language(language):
        yield f"xml:lang of tt is {language!r}, expected a language"
    profiles = re.sub(r"^\s*(?:all|any)\((.*)\)\s*$", r"\1", root.get(f"{TTP}contentProfiles") or "").split()
    if DAPT_PROFILE not in profiles:
        yield f"ttp:contentProfiles does not name {DAPT_PROFILE}"
    if root.get(f"{TTP}profile") is not None or root.find(f"{TT}head/{TTP}profile") is not None:
        yield "ttp:profile is not allowed"
    base = root.get(f"{TTP}timeBase", "media")
    if base != "media":
        yield f"ttp:timeBase is '{base}', expected media"
    kind = root.get(f"{DAPTM}scriptType")
    if kind not in SCRIPT_TYPES:
        yield f"daptm:scriptType is {kind!r}, expected one of {', '.join(SCRIPT_TYPES)}"
    represents = (root.get(f"{DAPTM}scriptRepresents") or "").split()
    if not represents:
        yield "daptm:scriptRepresents is missing or empty"
    for value in represents:
        if not is_descriptor(value):
            yield f"daptm:scriptRepresents holds '{value}', no content descriptor"


def _events(root: ET.Element) -> Iterator[str]:
    allowed = set((root.get(f"{DAPTM}scriptRepresents") or "").split())
    seen: set[str] = set()
    for element in root.iter():
        known = element.get(f"{XML}id")
        if known is not None and (not _NAME.fullmatch(known) or known in seen):
            yield f"xml:id '{known}' is no name of its own"
        seen.add(known or "")
    for event, inherited in inherit(root, f"{DAPTM}represents"):
        if not is_event(event):
            continue
        name = event.get(f"{XML}id")
        if not inherited:
            yield f"the event '{name}' represents nothing (daptm:represents)"
        elif not is_descriptor(inherited):
            yield f"the event '{name}' represents '{inherited}', no content descriptor"
        elif allowed.isdisjoint(accumulate(inherited.split("."), "{}.{}".format)):
            yield f"the event '{name}' represents '{inherited}', which daptm:scriptRepresents does not cover"


def inherit(root: ET.Element, attribute: str) -> Iterator[tuple[ET.Element, str]]:
    """Go through every element with the computed value of an inherited attribute ("" for none)."""
    stack = [(root, "")]
    while stack:
        element, above = stack.pop()
        value = element.get(attribute, above)
        yield element, value
        stack.extend((child, value) for child in element)


def _agents(root: ET.Element) -> Iterator[str]:
    agents = {agent.get(f"{XML}id"): agent for agent in root.iter(f"{TTM}agent")}
    for agent in root.iter(f"{TTM}agent"):
        name = agent.get(f"{XML}id")
        if not name:
            yield "a ttm:agent has no xml:id"
        if agent.find(f"{TTM}name") is None:
            yield f"the agent '{name}' has no ttm:name"
        for actor in agent.findall(f"{TTM}actor"):
            link = actor.get("agent")
            if link not in agents or agents[link] is agent:
                yield f"the agent '{name}' is played by '{link}', no other agent of the script"
    for element in root.iter():
        for link in (element.get(f"{TTM}agent") or "").split():
            if link not in agents:
                yield f"ttm:agent names '{link}', no agent of the script"


def _timecodes(root: ET.Element) -> Iterator[str]:
    codes = list(root.iter(f"{DAPTM}daptOriginTimecode"))
    if len(codes) > 1:
        yield f"daptm:daptOriginTimecode stands {len(codes)} times, expected once"
    for code in codes:
        text = (code.text or "").strip()
        found = _TIMECODE.fullmatch(text)
        rate = root.get(f"{TTP}frameRate")
        if not found or int(found.group(2)) > 59 or int(found.group(3)) > 59:
            yield f"daptm:daptOriginTimecode is '{one_line(text, 40)}', expected HH:MM:SS:FF"
        elif found.group(4) and not _RATE.fullmatch(rate or ""):
            yield "daptm:daptOriginTimecode counts frames without ttp:frameRate"
        elif found.group(4) and int(found.group(4)) >= int(rate or 0):
            yield f"daptm:daptOriginTimecode '{text}' has more frames than ttp:frameRate {rate}"


def _attributes(root: ET.Element) -> Iterator[str]:
    for element in root.iter():
        kind = element.get(f"{DAPTM}descType")
        if kind is not None and kind not in DESCRIPTION_TYPES and not kind.startswith("x-"):
            yield f"daptm:descType is '{kind}', neither in the registry nor an x- extension"
        shown = element.get(f"{DAPTM}onScreen")
        if shown is not None and shown not in ON_SCREEN:
            yield f"daptm:onScreen is '{shown}', expected one of {', '.join(ON_SCREEN)}"
        source = element.get(f"{DAPTM}langSrc")
        if source and not is_language(source):
            yield f"daptm:langSrc is '{source}', no language"
        language = element.get(f"{XML}lang")
        if element is not root and language and not is_language(language):
            yield f"xml:lang is '{language}', no language"


def _audio(root: ET.Element) -> Iterator[str]:
    inside = {id(child) for source in root.iter(f"{TT}source") for child in source}
    for data in root.iter(f"{TT}data"):
        if data.find(f"{TT}source") is not None and id(data) in inside:
            yield "a data inside of a source holds a source, expected the data itself"
    computed = {id(element): value for element, value in inherit(root, f"{XML}lang")}
    for parent in root.iter():
        for audio in parent.findall(f"{TT}audio"):
            if computed[id(audio)] != computed[id(parent)]:
                yield f"an audio is in '{computed[id(audio)]}', its text in '{computed[id(parent)]}'"


def _times(root: ET.Element) -> Iterator[str]:
    try:
        for element, begin, end in walk(root, clock_of(root)):
            if end is not None and end < begin:
                yield f"'{element.get(f'{XML}id') or element.tag.rpartition('}')[2]}' ends before it begins"
    except TimedTextError as error:
        yield str(error)
