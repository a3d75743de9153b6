"""People written as places in the prompt: `<person_k>` is the k-th listed character. Own choice.

A language model that never met a name can only say which of the listed portraits acts. In training the names of listed
characters become the tokens `<person_1>`, `<person_2>`, ... (as ids: no text can make one), and a generated token
becomes the name that stands at its place again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

MAX_PEOPLE = 64
"""Places looked for in a tokenizer."""

_NO_BLANK_AFTER = "([{\u201c\u2018\u2014-/"


class PersonSlots:
    """The person tokens of one tokenizer.

    Attributes:
        ids: token id of `<person_1>`, `<person_2>`, ... in order.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Find the tokens.

        Args:
            tokenizer: a fast tokenizer with `<person_1>` and the following as special tokens.

        Raises:
            ValueError: it has none: a language model cannot say what it has no embedding for.
        """
        known = tokenizer.get_added_vocab()
        self.ids: list[int] = []
        for k in range(1, MAX_PEOPLE + 1):
            if f"<person_{k}>" not in known:
                break
            self.ids.append(int(known[f"<person_{k}>"]))
        if not self.ids:
            raise ValueError(
                "person_slots=True with a tokenizer without <person_1>; expected the tokens that the language model "
                "was trained with; load its own tokenizer or set person_slots=False"
            )

    def split(self, text: str, names: Sequence[str]) -> list[str | int]:
        """Cut a text at the listed names.

        Args:
            text: an AD.
            names: the listed characters in the prompt's order; those beyond the last token stay text.

        Returns:
            Runs of text and indices into `ids`; the blank before a name goes with it, as the token takes it in.
        """
        place = {name: k for k, name in reversed(list(enumerate(names[: len(self.ids)]))) if name}
        if not place:
            return [text]
        longest_first = sorted(place, key=len, reverse=True)
        pattern = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, longest_first)) + r")(?!\w)")
        parts: list[str | int] = []
        for number, run in enumerate(pattern.split(text)):
            if number % 2:
                if parts and isinstance(parts[-1], str):
                    parts[-1] = parts[-1].rstrip(" ")
                parts.append(place[run])
            else:
                parts.append(run)
        return [part for part in parts if part != ""]

    def decode(self, tokenizer: Any, ids: Sequence[int], names: Sequence[str], **options: Any) -> str:
        """Turn ids into text with the names at their places.

        Args:
            tokenizer: decodes the runs between person tokens.
            ids: generated ids of one clip.
            names: the listed characters in the prompt's order.
            **options: as of the tokenizer's `decode`.

        Returns:
            The text; a place that nobody holds is told as "someone".
        """
        place = {token: k for k, token in enumerate(self.ids)}
        text, run = "", list[int]()

        def decoded() -> str:
            """The run as text; SentencePiece drops the blank that its first piece stands for."""
            said = tokenizer.decode(run, **options)
            first = tokenizer.convert_ids_to_tokens(run[:1])
            blank = text and said and first and str(first[0]).startswith("\u2581") and not said[0].isspace()
            return (" " if blank else "") + said

        for token in ids:
            if token not in place:
                run.append(token)
                continue
            text += decoded()
            run = []
            k = place[token]
            at_start = not text.strip() or text.rstrip().endswith((".", "!", "?"))
            name = names[k] if k < len(names) else "Someone" if at_start else "someone"
            blank = text and not text[-1].isspace() and text[-1] not in _NO_BLANK_AFTER
            text += (" " if blank else "") + name
        return (text + decoded()).strip()


__all__ = ["PersonSlots"]
