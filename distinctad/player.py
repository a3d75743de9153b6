"""The page that plays a film with its descriptions: one HTML file, its script and style inside, the film beside it.

Descriptions come as a recorded voice, the browser's voice, text for a screen reader, or text on the page; the whole
script stands in the page itself, also where scripts are off. Every text of a film or a model is escaped.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from string import Template
from urllib.parse import quote

from distinctad.formats import captions, webvtt_descriptions
from distinctad.formats.script import Script, ScriptCue, clock, in_order
from distinctad.subtitles import Speech
from distinctad.unsaid import is_unsaid

_TEMPLATE = Path(__file__).with_name("player.html")
_RECORDED = """<label><input type="radio" name="how" value="recorded" checked>Recorded {voice}, film quieter</label>
<audio id="voice" preload="auto" src="{file}"></audio>"""


def page(
    script: Script,
    speech: Sequence[Speech],
    film: str,
    *,
    narration: str | None = None,
    voice: str = "synthetic voice",
    recorded: Collection[str] = (),
    ducked: float = 0.316,
    silent: bool = False,
    files: Sequence[tuple[str, str]] = (),
) -> str:
    """Make the page.

    Args:
        script: the descriptions; empty opportunities and placeholders are left out, nobody speaks them.
        speech: the lines of dialogue, for the captions and the script.
        film: the film's file name, beside the page.
        narration: the narration's file name, beside the page; None where no voice spoke.
        voice: how the recorded voice is called; it is labelled synthetic.
        recorded: ids of the cues that the narration holds.
        ducked: volume of the film under a description, 0..1.
        silent: the film has no sound but the narration, which the page gives itself.
        files: (file name, what it is) of other versions.

    Returns:
        The page's text.
    """
    said = [line for line in speech if line.text]
    told = tuple(cue for cue in script.cues if cue.text and not is_unsaid(cue.text, cue.provenance))
    script = replace(script, cues=told)
    data = [
        {"start": cue.start_ms / 1000, "end": cue.end_ms / 1000, "text": cue.text, "recorded": cue.id in recorded}
        for cue in script.cues
    ]
    first = _RECORDED.format(voice=html.escape(voice), file=_link(narration)) if narration else ""
    note = f"{script.note}. Descriptions are spoken by a {voice}." if narration else script.note
    left = sum(not cue["recorded"] for cue in data)
    if narration and left:
        note += f" {left} too long for their gaps pause the film and come in the browser's voice."
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        language=html.escape(script.language),
        title=html.escape(script.title or "Film"),
        note=html.escape(note),
        film=_link(film),
        captions=_track(captions.write(said, script.language)),
        descriptions=_track(webvtt_descriptions.write(replace(script, note=""))),
        recorded=first,
        unrecorded="" if first else " checked",
        lines="\n".join(_lines(script, said)),
        files="\n".join(f'<li><a href="{_link(name)}">{html.escape(what)}</a></li>' for name, what in files),
        cues=json.dumps(data, ensure_ascii=False).replace("<", "\\u003c").replace("&", "\\u0026"),
        ducked=f"{ducked:.3f}",
        muted=" muted" if silent else "",
    )


def _link(name: str) -> str:
    """A file beside the page, as an address that is no other page's."""
    return "./" + html.escape(quote(name))


def _track(text: str) -> str:
    return "data:text/vtt;base64," + base64.b64encode(text.encode()).decode()


def _lines(script: Script, said: Sequence[Speech]) -> list[str]:
    words = f'<span lang="{html.escape(script.language)}">'
    number = {id(cue): i for i, cue in enumerate(script.cues)}
    lines = []
    for start_ms, what in in_order(script.cues, said):
        at = clock(start_ms)[:8].removeprefix("00:")
        button = f'<button type="button" data-at="{start_ms / 1000:.3f}">Play {at}</button>'
        text = html.escape(what.text)
        if isinstance(what, ScriptCue):
            lines.append(f'<li data-cue="{number[id(what)]}">{button}{words}{text}</span></li>')
        else:
            name = '<small lang="en">Dialogue:</small>'
            lines.append(f'<li class="said">{button}{words}{name} {text}</span></li>')
    return lines
