"""Draws `docs/dataflow.svg`: how a film becomes drafts, and where each part is trained. Run without arguments.

The picture is text, the same at every run; its title and description say in words what it shows.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "dataflow.svg"
WIDE, HIGH, GAP_X, GAP_Y, EDGE = 210, 62, 40, 44, 20
# name: (column, row, first line, second line, kind)
BOXES = {
    "film": (0, 0, "film", "video, speech, subtitles", "data"),
    "gaps": (1, 0, "gaps and intervals", "distinctad/plan.py", "code"),
    "frames": (2, 0, "8 frames a clip", "video_distinctad.py", "code"),
    "tower": (3, 0, "vision tower CLIP_AD", "Stage I trains it, then frozen", "model"),
    "cast": (0, 1, "cast", "names and portraits", "data"),
    "faces": (1, 1, "who is in the clip", "portraits against frames", "code"),
    "em": (2, 1, "contextual EM", "adds what clips share", "model"),
    "perceiver": (3, 1, "Perceiver", "Q vectors for each of N clips", "model"),
    "prompt": (1, 2, "prompt", "people, visual slots, <ad_start>", "code"),
    "language": (2, 2, "language model", "frozen; beam search", "model"),
    "fit": (3, 2, "fit to the gap", "shorten, choose, voice, mix", "code"),
    "review": (1, 3, "a person reviews", "page with editor, space/", "person"),
    "drafts": (2, 3, "drafts", "CSV, JSON, SRT, VTT, DAPT", "data"),
    "scores": (3, 3, "scores", "evaluate_metrics/", "code"),
}
ARROWS = (
    "film gaps", "gaps frames", "frames tower", "tower perceiver", "perceiver em", "cast faces", "frames faces",
    "faces prompt", "em prompt", "prompt language", "language fit", "fit drafts", "drafts review", "drafts scores",
)  # fmt: skip
COLOURS = {"data": "#fdf1d6", "code": "#e4eefb", "model": "#e3f4e6", "person": "#fbe3e6"}
TITLE = "How a film becomes audio-description drafts"
DESCRIPTION = (
    "The gaps between speech give intervals; 8 frames of each clip go through the vision tower, which Stage I trains"
    " and then stays frozen. The Perceiver turns them into vectors, contextual EM adds what it finds that the clips"
    " of a window share. Portraits of the cast tell who is in a clip. Prompt, people and vectors enter the frozen"
    " language model, whose texts are fitted to their gaps and written as drafts. A person reviews every draft;"
    " metrics score them."
    " Stage II trains the Perceiver, contextual EM and the projections."
)


def corner(name: str) -> tuple[int, int]:
    """Upper left corner of a box."""
    column, row = BOXES[name][:2]
    return EDGE + column * (WIDE + GAP_X), EDGE + row * (HIGH + GAP_Y)


def line(start: str, end: str) -> str:
    """An arrow from border to border."""
    (x1, y1), (x2, y2) = corner(start), corner(end)
    if y1 == y2:
        right = x2 > x1
        ends = (x1 + WIDE * right, y1 + HIGH // 2, x2 + WIDE * (not right), y2 + HIGH // 2)
    else:
        ends = (x1 + WIDE // 2, y1 + HIGH, x2 + WIDE // 2, y2)
    return '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="#333" marker-end="url(#tip)"/>'.format(*ends)


def draw() -> str:
    """The picture as SVG."""
    columns, rows = (max(box[axis] for box in BOXES.values()) + 1 for axis in (0, 1))
    width, height = 2 * EDGE + columns * (WIDE + GAP_X) - GAP_X, 2 * EDGE + rows * (HIGH + GAP_Y) - GAP_Y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-labelledby="title text" font-family="sans-serif" text-anchor="middle">',
        f'<title id="title">{escape(TITLE)}</title>', f'<desc id="text">{escape(DESCRIPTION)}</desc>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#333"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]  # fmt: skip
    for name, (_, _, first, second, kind) in BOXES.items():
        x, y = corner(name)
        parts += [
            f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6" fill="{COLOURS[kind]}" stroke="#333"/>',
            f'<text x="{x + WIDE // 2}" y="{y + 26}" font-size="16" font-weight="bold">{escape(first)}</text>',
            f'<text x="{x + WIDE // 2}" y="{y + 46}" font-size="12">{escape(second)}</text>',
        ]
    parts += [line(*arrow.split()) for arrow in ARROWS]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
