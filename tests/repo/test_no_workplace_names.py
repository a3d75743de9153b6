"""No machine's paths, no private hosts, no package index of one's own stand in the project."""

from __future__ import annotations

import re

import pytest
from sources import name, text_files

# Written in pieces, so that this file does not find itself.
PATTERNS = {
    "machine path": re.compile(r"(?<![\w.])/(?:wo" r"rk|ro" r"ot|mnt)/\w"),
    "home folder": re.compile(r"(?<![\w.])/(?:ho" r"me|Us" r"ers)/(?!a\b)\w"),  # a: nobody's, in tests
    "temporary path": re.compile(r"(?<![\w.])/t" r"mp/\w"),
    "package index": re.compile(r"--(?:extra-)?index" r"-url|trusted" r"-host|art" r"ifactory|PIP_IN" r"DEX"),
    "local file": re.compile(r"@ fi" r"le:|fi" r"le:///"),
    "private host": re.compile(
        r"https?://(?:local" r"host|\d+\.\d+|[\w-]+(?::\d+)?/|[\w.-]+\.(?:internal|local|corp|lan|intra)\b)"
    ),
}


def offences(text: str) -> list[str]:
    """Names what a text should not hold."""
    return [f"{kind}: {found.group()}" for kind, pattern in PATTERNS.items() for found in pattern.finditer(text)]


def test_no_file_names_a_machine() -> None:
    files = text_files()
    found = {name(p): wrong for p in files if (wrong := offences(p.read_text(encoding="utf-8", errors="replace")))}
    assert len(files) > 50 and not found


@pytest.mark.parametrize(
    "text", ["/ho" + "me/ann/x", "http://mirr" + "or/simple", "--index" + "-url=x", "x @ fi" + "le:///y"]
)
def test_offences_are_seen(text: str) -> None:
    assert offences(f"see {text} there")


@pytest.mark.parametrize("text", ["../shared/data", "https://arxiv.org/abs/1", "modeling/work/x", "and/or/both"])
def test_public_things_are_no_offence(text: str) -> None:
    assert not offences(f"see {text} there")
