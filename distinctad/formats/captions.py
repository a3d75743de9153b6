"""WebVTT of the kind captions (.vtt): the dialogue beside a film whose own subtitles a copy does not carry."""

from __future__ import annotations

from collections.abc import Sequence

from distinctad.formats import webvtt_descriptions
from distinctad.formats.script import Script, ScriptCue, to_ms
from distinctad.subtitles import Speech

NOTE = "dialogue alone: sounds are not captioned"


def write(speech: Sequence[Speech], language: str = "und") -> str:
    """Write lines of dialogue as captions.

    Args:
        speech: the lines; those without words, or without a length in milliseconds, are left out.
        language: of the dialogue, BCP 47; "und" is not known.

    Returns:
        The file's text.
    """
    lines = [ScriptCue(to_ms(line.start_s), to_ms(line.end_s), line.text) for line in speech if line.text]
    shown = tuple(line for line in lines if line.end_ms > line.start_ms)
    return webvtt_descriptions.write(Script(shown, language, note=NOTE), "captions")
