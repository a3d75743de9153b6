"""Contrast of the editor's colours, counted from its style sheet: axe looks at texts only, not at the timeline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "space" / "editor.css").read_text(encoding="utf-8")


def scheme(selector: str) -> dict[str, str]:
    """The colours of one scheme, by name."""
    found = re.search(rf"^{re.escape(selector)} {{(.*?)}}", CSS, re.MULTILINE)
    assert found is not None
    return dict(re.findall(r"--dad-([a-z-]+): (#[0-9a-f]{6})", found.group(1)))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it, 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("selector", [":root", ".dark"])
def test_bars_stand_out_from_what_lies_behind_them(selector: str) -> None:
    """3 to 1 for what is no text (WCAG 1.4.11): the timeline lies on `soft`, its legend on `paper`."""
    colours = scheme(selector)
    for bar in ("speech", "gap", "link", "bad"):
        for behind in ("soft", "paper"):
            assert contrast(colours[bar], colours[behind]) >= 3, (bar, behind)
    for text, behind in (("ink", "paper"), ("ink", "soft"), ("bad", "paper"), ("new-ink", "new")):
        assert contrast(colours[text], colours[behind]) >= 4.5, (text, behind)
