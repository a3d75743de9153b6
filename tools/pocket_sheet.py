"""Draws `docs/pocket.png`: twenty clips of twenty `clear` films, one frame each, for people to look at and to read.

Each clip shows one fact only, so that a reader who has not seen the truth can be asked who does what with which thing;
actions that only motion tells (pick up or put down) cannot be asked of one frame and are left out.
Run: `python tools/pocket_sheet.py [--out docs/pocket.png] [--truth FILE.json]`. The same call draws the same picture.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from datasets_scripts.pocket.contact_sheet import contact_sheet  # noqa: E402
from datasets_scripts.pocket.story import make_film  # noqa: E402
from datasets_scripts.pocket.world import ACTIONS, LOOKS, Clip  # noqa: E402

SEEDS = range(101, 121)
MOMENT = 0.55  # of the clip: most actions are at their telling pose


def chosen_clips() -> list[tuple[int, Clip]]:
    """(seed, clip): of each film one of the clips that show a single fact which one frame can tell."""
    rng = random.Random(0)
    told = [[c for c in make_film(seed).clips if len(c.facts) == 1] for seed in SEEDS]
    still = [[c for c in clips if not ACTIONS[c.facts[0].action].motion_only] for clips in told]
    return [(seed, rng.choice(clips)) for seed, clips in zip(SEEDS, still, strict=True)]


def main(arguments: list[str]) -> int:
    """Writes the picture and, if asked, what it shows; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pocket.png")
    parser.add_argument("--truth", type=Path, help="JSON of who, action, object and text of every frame")
    given = parser.parse_args(arguments)
    for path, ending in ((given.out, ".png"), (given.truth, ".json")):  # first: nothing old is lost to a wrong path
        if path is not None and (path.suffix != ending or not path.parent.is_dir() or path.is_dir()):
            print(f"error: {path} cannot be written; expected a {ending} in a folder that exists", file=sys.stderr)
            return 2
    clips = chosen_clips()
    sheet = contact_sheet([(c.shot, MOMENT, f"{seed} / {c.index}") for seed, c in clips], columns=5, tile_width=320)
    if not cv2.imwrite(str(given.out), sheet[..., ::-1]):
        print(f"error: {given.out} cannot be written; expected a .png in a folder that exists", file=sys.stderr)
        return 2
    if given.truth is not None:
        told = []
        for seed, clip in clips:
            fact, cast = clip.facts[clip.told], make_film(seed).cast
            who = LOOKS[cast[fact.person].look]
            told.append({
                "frame": f"{seed} / {clip.index}", "who": f"{who.hair_colour} {who.hair_style}, {who.garment_colour} "
                f"{who.pattern} {who.garment}", "action": fact.action, "object": fact.object, "text": clip.text,
            })  # fmt: skip
        given.truth.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
