"""How much of the person whom an AD tells the camera shows.

A tighter picture looks at a group picked without regard to who is told, so that the camera gives nothing away; in
crowded films it therefore misses some. The oracles know every fact, seen or not: this share bounds what eyes can reach.
"""

from __future__ import annotations

from collections.abc import Sequence

from datasets_scripts.pocket.draw import camera_at
from datasets_scripts.pocket.figures import pose_figure
from datasets_scripts.pocket.world import STAGE_HEIGHT, STAGE_WIDTH, Clip, Film, Shot

FRAMES = 8  # a clip, at the midpoints of equal parts, as the model sees it
HALF = 0.5


def share_in_view(shot: Shot, place: int, progress: float) -> float:
    """Share of a figure's joints that lie inside the picture.

    Args:
        shot: what is filmed.
        place: of the figure in `shot.figures`.
        progress: 0..1 of the shot.
    """
    x, y, zoom, _ = camera_at(shot, progress)
    joints = pose_figure(shot.figures[place], shot.figures, progress).joints
    inside = (abs(joints[:, 0] - x) < STAGE_WIDTH / 2 / zoom) & (abs(joints[:, 1] - y) < STAGE_HEIGHT / 2 / zoom)
    return float(inside.mean())


def told_in_view(film: Film, clip: Clip) -> list[float]:
    """`share_in_view` of the person told, in each of the clip's `FRAMES` frames."""
    fact = clip.facts[clip.told]
    look = film.cast[fact.person].look
    place = next(i for i, f in enumerate(clip.shot.figures) if (f.look, f.action) == (look, fact.action))
    return [share_in_view(clip.shot, place, (frame + 0.5) / FRAMES) for frame in range(FRAMES)]


def unseen_share(films: Sequence[Film]) -> float:
    """Share of the ADs of which no frame shows half of the person told.

    Args:
        films: at least one AD in all.
    """
    seen = [max(told_in_view(film, clip)) >= HALF for film in films for clip in film.clips]
    return 1 - sum(seen) / len(seen)


__all__ = ["FRAMES", "share_in_view", "told_in_view", "unseen_share"]
