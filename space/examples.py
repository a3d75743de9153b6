"""Example films: drawn when somebody first asks for one, described when somebody first asks for that.

The project's own pocket films, since no other film may be handed on; the committed checkpoint knows nothing else.
Their seeds lie above 900,000, so that the checkpoint has never seen them.
"""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distinctad.errors import UserError
from distinctad.plan import sha256_of
from distinctad.pocket import Kind, draw_films

SEEDS = (900_100, 900_101, 900_102)
ADS = 8  # descriptions a film: half a minute to a minute of film, soon drawn


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
    """The films, each drawn once, and the drafts made of them."""

    def __init__(self, folder: Path) -> None:
        """Remember where to draw; nothing is drawn yet.

        Args:
            folder: to draw into.
        """
        self._folder = folder
        self._drawn: dict[int, Example] = {}
        self._drafts: dict[tuple[str, ...], dict[str, Any]] = {}
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def film(self, number: int) -> Example:
        """Give an example, drawn now if nobody asked for it before.

        Args:
            number: from 1 on.

        Returns:
            The example.

        Raises:
            UserError: if there is no such example or it cannot be drawn.
        """
        if not 1 <= number <= len(SEEDS):
            raise UserError(f"there is no example {number}", f"Give a number from 1 to {len(SEEDS)}.")
        seed = SEEDS[number - 1]
        with self._lock:
            if seed not in self._drawn:
                out = self._folder / str(seed)
                draw_films([seed], out, Kind(ads=ADS))
                self._drawn[seed] = self._found(out, seed)
                self._known.add(sha256_of(self._drawn[seed].film))
        return self._drawn[seed]

    def _found(self, out: Path, seed: int) -> Example:
        film = next(out.rglob(f"film_{seed}.mp4"))
        cast = film.with_suffix(".cast.json")
        named = film.with_name(f"example-{SEEDS.index(seed) + 1}.mp4")
        shutil.move(film, named)
        portraits = sorted(path for path in film.parent.rglob("*.png"))
        return Example(named, film.with_suffix(".srt"), (cast, *portraits))

    def key(self, film: Path, *others: object) -> tuple[str, ...] | None:
        """Name a run whose draft may be kept: one of an example's film, never of a visitor's.

        Args:
            film: what is described.
            others: whatever else the draft depends on; paths stand for what is in them.

        Returns:
            The name, or None for a visitor's film.
        """
        mark = sha256_of(film) if self._known else ""
        if mark not in self._known:
            return None
        return (mark, *(sha256_of(other) if isinstance(other, Path) else repr(other) for other in others))

    def kept(self, key: tuple[str, ...] | None) -> dict[str, Any] | None:
        """The draft of an earlier run of that name, if there is one."""
        return None if key is None else self._drafts.get(key)

    def keep(self, key: tuple[str, ...] | None, draft: dict[str, Any]) -> None:
        """Keep a draft under a name; None keeps nothing."""
        if key is not None:
            self._drafts[key] = draft
