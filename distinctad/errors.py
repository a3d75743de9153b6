"""The one error that the person at the keyboard is meant to read."""

from __future__ import annotations


class UserError(ValueError):
    """Something that the user gave cannot be used.

    The command line prints it as one line and ends with exit code 2; a program may catch it.

    Attributes:
        message: what is wrong, with the value and where it stands (file, line).
        fix: how to mend it, an imperative sentence.
    """

    def __init__(self, message: str, fix: str) -> None:
        """Put both on one line."""
        self.message = one_line(message)
        self.fix = one_line(fix)
        super().__init__(f"{self.message.rstrip('.')}. {self.fix}")


def one_line(text: str, limit: int = 400) -> str:
    """Put a text on one line: runs of white space and control characters become one blank, `limit` characters stay."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= limit else flat[: limit - 3] + "..."
