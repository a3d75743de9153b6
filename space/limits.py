"""How much one visitor may ask of the Space; each number can be set by an environment variable of the same name."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path

from distinctad.catalogue import SUBTITLES
from distinctad.errors import UserError, one_line
from distinctad.intervals import VIDEO_ENDINGS

FILM_SUFFIXES = VIDEO_ENDINGS
SUBTITLE_SUFFIXES = SUBTITLES
CAST_SUFFIXES = (".json", ".csv", ".png", ".jpg", ".jpeg", ".webp")
_PREFIX = "DISTINCTAD_SPACE_"


@dataclass(frozen=True)
class Limits:
    """The limits.

    Attributes:
        film_mb: megabytes of one uploaded file; the server stops reading an upload there, whatever it claims.
        film_s: seconds of a film.
        text_mb: megabytes of a subtitle file, a cast file, or a script in work.
        cast_files: files of a cast, portraits included.
        cues: descriptions in a script.
        queue: requests that wait; further ones are turned away with a message.
        kept_s: seconds until everything that is left of a visit is deleted; most of it goes when the page is closed.
    """

    film_mb: int = 500
    film_s: int = 1_200
    text_mb: int = 8
    cast_files: int = 65
    cues: int = 5_000
    queue: int = 16
    kept_s: int = 3_600

    @classmethod
    def of_environment(cls) -> Limits:
        """Read the limits that whoever runs the Space has set.

        Raises:
            UserError: if one is no whole number above zero.
        """
        given = {}
        for field in fields(cls):
            name = _PREFIX + field.name.upper()
            text = os.environ.get(name)
            if text is None:
                continue
            if not text.isdecimal() or int(text) < 1:
                raise UserError(f"{name} is '{one_line(text, 40)}'", "Give a whole number above zero.")
            given[field.name] = int(text)
        return cls(**given)


def check_file(path: str | None, what: str, suffixes: tuple[str, ...], megabytes: int) -> Path:
    """See that an uploaded file is there, of a kind that is expected by its name, and not too large.

    What is in it is for its reader to judge: a renamed program is no film, and is refused when it is opened as one.

    Args:
        path: where the server put it, or None.
        what: for the message.
        suffixes: endings, in lower case.
        megabytes: the largest size.

    Returns:
        The path.

    Raises:
        UserError: if it is not.
    """
    if not path:
        raise UserError(f"there is no {what}", f"Give a file that ends in {', '.join(suffixes)}.")
    file = Path(path)
    name = one_line(file.name, 80)
    if file.suffix.lower() not in suffixes:
        raise UserError(f"the {what} '{name}' is of another kind", f"Give a file that ends in {', '.join(suffixes)}.")
    if not file.is_file():
        raise UserError(f"the {what} '{name}' is no longer on this server", "Upload it again: nothing is kept.")
    size = file.stat().st_size
    if size > megabytes * 1_000_000:
        message = f"the {what} '{name}' has {size / 1e6:.0f} MB, more than {megabytes}"
        raise UserError(message, "Cut it into parts, or run distinctad on your own machine.")
    return file
