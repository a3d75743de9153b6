"""What a sound file or a film says of itself where players look: what it is, who speaks, that nobody has checked it."""

from __future__ import annotations

from dataclasses import dataclass

from distinctad.exports import REVIEW

KIND, EXTENDED = "Audio description", "Extended audio description"
_UNREVIEWED = REVIEW.partition(":")[0]


@dataclass(frozen=True)
class Tags:
    """What the tags are made of.

    Attributes:
        film: the film's file name.
        voice: label of the voice.
        language: of the descriptions, BCP 47.
        note: what every listener must know first (the review note of the script).
    """

    film: str
    voice: str
    language: str = "en"
    note: str = ""

    def track(self, kind: str = KIND) -> str:
        """The title of a sound track, as players list it."""
        return f"{self._what(kind)} ({self.voice})"

    def file(self, kind: str = KIND) -> dict[str, str]:
        """The title and the comment of a whole file; the comment holds the note at full length."""
        comment = f"{kind} ({self.voice}) of {self.film}" + (f"; {self.note}" if self.note else "")
        return {"title": f"{self._what(kind)}: {self.film}", "comment": comment}

    def _what(self, kind: str) -> str:
        return f"{kind}, {_UNREVIEWED}" if self.note.startswith(_UNREVIEWED) else kind
