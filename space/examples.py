"""Example films: drawn when somebody first asks for one, described when somebody first asks for that.

The project's own pocket films, since no other film may be handed on; the committed checkpoint knows nothing else.
Their seeds lie above 900,000, so that the checkpoint has never seen them.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distinctad.errors import UserError, one_line
from distinctad.plan import sha256_of
from distinctad.pocket import Kind, draw_films
from distinctad.track import TrackSettings

SEEDS = (900_100, 900_101, 900_102)
ADS = 8  # descriptions a film: half a minute to a minute of film, soon drawn
Key = tuple[str, bool, bool, TrackSettings]


@dataclass(frozen=True)
class Example:
    """A film with what belongs to it.

    Attributes:
        film: the film.
        subtitles: its dialogue.
        cast: the cast file, then the portraits.
    """

    film: Path
    subtitles: Path
    cast: tuple[Path, ...]


class Examples:
    """The films, each drawn once, and the drafts made of them: a few a film, with nothing of a visitor's in them."""

    def __init__(self, folder: Path) -> None:
        """Remember where to draw; nothing is drawn yet.

        Args:
            folder: to draw into.
        """
        self._folder = folder
        self._drawn: dict[int, Example] = {}
        self._drafts: dict[Key, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def film(self, number: float) -> Example:
        """Give an example, drawn now if nobody asked for it before.

        Args:
            number: from 1 on.

        Returns:
            The example.

        Raises:
            UserError: if there is no such example or it cannot be drawn.
        """
        if isinstance(number, bool) or number not in range(1, len(SEEDS) + 1):
            said = one_line(repr(number), 40)
            raise UserError(f"there is no example {said}", f"Give a whole number from 1 to {len(SEEDS)}.")
        seed = SEEDS[int(number) - 1]
        with self._lock:
            if seed not in self._drawn:
                out = self._folder / str(seed)
                draw_films([seed], out, Kind(ads=ADS))
                self._drawn[seed] = self._found(out, seed)
        return self._drawn[seed]

    def _found(self, out: Path, seed: int) -> Example:
        film = next(out.rglob(f"film_{seed}.mp4"))
        cast = film.with_suffix(".cast.json")
        named = film.with_name(f"example-{SEEDS.index(seed) + 1}.mp4")
        shutil.move(film, named)
        portraits = sorted(path for path in film.parent.rglob("*.png"))
        return Example(named, film.with_suffix(".srt"), (cast, *portraits))

    def key(self, film: Path, subtitles: Path | None, cast: Sequence[Path], settings: TrackSettings) -> Key | None:
        """Name a run whose draft may be kept: one of an example with nothing in it that is a visitor's.

        Args:
            film: what is described.
            subtitles: its subtitles, or None.
            cast: the cast file and its portraits in any order, or nothing.
            settings: the choices that are left.

        Returns:
            The name; None if film, subtitles or cast are not an example's own, by their names and byte for byte.
        """
        found = next((one for one in tuple(self._drawn.values()) if _same([film], [one.film])), None)
        if found is None:
            return None
        own_lines = subtitles is None or _same([subtitles], [found.subtitles])
        own_cast = not cast or _same(cast, found.cast)
        return (found.film.name, subtitles is not None, bool(cast), settings) if own_lines and own_cast else None

    def kept(self, key: Key | None) -> dict[str, Any] | None:
        """The draft of an earlier run of that name, if there is one."""
        return None if key is None else self._drafts.get(key)

    def keep(self, key: Key | None, draft: dict[str, Any]) -> None:
        """Keep a draft under a name; None keeps nothing."""
        if key is not None:
            self._drafts[key] = draft


def _same(given: Sequence[Path], own: Sequence[Path]) -> bool:
    """Whether files are an example's own. Names count: drafts quote them, and a cast file gives those of portraits."""
    given, own = (sorted(files, key=lambda path: path.name) for files in (given, own))
    if [path.name for path in given] != [path.name for path in own]:
        return False
    return all(sha256_of(one) == sha256_of(other) for one, other in zip(given, own, strict=True))
