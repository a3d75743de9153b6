"""Prompts as rows of tokens: templates, slots, ADs, labels, and which tokens belong to distinctive words.

The prompt of one clip is a row of plain text and slots. Text is tokenised with special tokens switched off, slots
are put between the runs of text as ids: no name and no AD, whatever it holds, can make or break a slot. Source:
method specification, Stage II "Prompt" and "Distinctive words".
"""

from __future__ import annotations

import itertools
import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from transformers import AddedToken, PreTrainedTokenizerBase

from .persons_distinctad import PersonSlots

VIDEO_TOKEN, FACE_TOKEN, AD_START_TOKEN = "<video>", "<face>", "<ad_start>"
# `pipeline` hands these on to whatever it loads; a tokenizer would keep them, and `save_pretrained` stops at the first.
_OF_THE_MODEL = ("dtype", "torch_dtype", "quantization_config", "attn_implementation")

# Words as the project counts them: runs of letters, marks and digits with ' or - inside; one at an edge is punctuation.
_MARKS = "".join(char for char in map(chr, range(0x300, 0x1F000)) if unicodedata.category(char)[0] == "M")
_WHOLE = frozenset(("here's", "let's", "there's"))  # no possessives, as in datasets_scripts/words.py
_WORD = re.compile(rf"[^\W_][{_MARKS}]*(?:['\-\u00ad]?[^\W_][{_MARKS}]*)*")
_SAME = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2010": "-", "\u2011": "-"})


class Slot(NamedTuple):
    """A place that the model overwrites with a vector.

    Attributes:
        token_id: id of the placeholder token.
        face: index of the portrait in its window, -1 for other slots.
    """

    token_id: int
    face: int = -1


class Row(NamedTuple):
    """One clip's tokens; the four lists are of one length.

    Attributes:
        ids: token ids, prompt first.
        labels: the ids of the AD and its end token, -100 on the prompt.
        distinctive: 0, or which distinctive word of its AD a token belongs to, counted from 1.
        faces: portrait index at face slots, else -1.
    """

    ids: list[int]
    labels: list[int]
    distinctive: list[int]
    faces: list[int]


Part = str | Slot
"""A piece of a prompt: plain text or a slot."""


def add_slot_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Add the slot tokens to a tokenizer where it lacks them.

    Args:
        tokenizer: changed in place.

    Returns:
        The ids under the names of the model's configuration: video_token_id, face_token_id, ad_start_token_id.
    """
    names = {"video_token_id": VIDEO_TOKEN, "face_token_id": FACE_TOKEN, "ad_start_token_id": AD_START_TOKEN}
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in names.values()], special_tokens=True)
    ids: Any = tokenizer.convert_tokens_to_ids(list(names.values()))
    return dict(zip(names, ids, strict=True))


def check_template(name: str, template: str, fields: set[str]) -> None:
    """Refuse a template that does not hold together.

    Args:
        name: what the template is called, for the message.
        template: text with {fields}.
        fields: the names that may stand in it.

    Raises:
        ValueError: it cannot be parsed or has another field.
    """
    try:
        found = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise ValueError(f"{name} is {template!r}; expected text with {{fields}} ({error}); mend the braces") from error
    if found - fields:
        raise ValueError(f"{name} has the fields {sorted(found)}; expected only {sorted(fields)}; mend the template")


def fill(template: str, values: Mapping[str, Sequence[Part] | None]) -> list[Part]:
    """Put parts into a template's fields.

    Args:
        template: text with {fields}.
        values: the parts of every field; None takes the field out together with the text that joins it to the field
            before it (to the field after it, where it stands first), so that "{name} played by {actor}" without an
            actor reads "{name}".

    Returns:
        Text and slots in order.
    """
    parts: list[Part] = []
    skip_next_text = False
    first = True
    for text, field, _, _ in string.Formatter().parse(template):
        missing = field is not None and values[field] is None
        if text and not skip_next_text and not (missing and not first):
            parts.append(text)
        skip_next_text = missing and first
        if field is not None:
            parts += values[field] or ()
            first = False
    return parts


def squeeze(text: str | None) -> str:
    """Make one line of a text: every run of white space one blank, none at the ends; None gives "".

    Raises:
        ValueError: it is no text: tables have numbers for names that look like one, and nan for what is missing.
    """
    if not isinstance(text, str | None):
        raise ValueError(f"{text!r} is a {type(text).__name__}; expected a text or None; mend the list it comes from")
    return " ".join((text or "").split())


def word_spans(text: str, wanted: Iterable[str]) -> list[tuple[int, int]]:
    """Find whole words in a text: case-folded, the possessive 's taken off on both sides.

    Args:
        text: an AD.
        wanted: words, spelt in any case.

    Returns:
        (start, end) in characters of each occurrence; a word inside a longer one does not count.
    """
    keys = {_fold(word) for word in wanted}
    return [m.span() for m in _WORD.finditer(text.translate(_SAME)) if _fold(m.group()) in keys] if keys else []


def _fold(word: str) -> str:
    folded = unicodedata.normalize("NFKC", word).translate(_SAME).replace("\u00ad", "").casefold()
    return folded[:-2] if folded.endswith("'s") and folded not in _WHOLE and len(folded) > 2 else folded


class PromptTokenizer:
    """Turns parts and ADs into rows of ids with one fast tokenizer.

    Attributes:
        tokenizer: the tokenizer, slot tokens added.
        token_ids: ids of the slot tokens, as `add_slot_tokens` returns them.
        pad_id: id of padding (the end token where the tokenizer has no pad token).
        persons: the person tokens, None where names are written out.
    """

    def __init__(self, tokenizer: Any, person_slots: bool = False) -> None:
        """Add the slot tokens and find out how the tokenizer begins a text.

        Args:
            tokenizer: a fast tokenizer with an end token.
            person_slots: write listed characters as `<person_k>`.

        Raises:
            ValueError: it is neither, or lacks the person tokens.
        """
        if not getattr(tokenizer, "is_fast", False) or tokenizer.eos_token_id is None:
            raise ValueError(
                f"tokenizer is {type(tokenizer).__name__}; expected a fast tokenizer (character offsets mark the "
                "distinctive words) with an end token; load the fast one and set its eos_token"
            )
        for name in _OF_THE_MODEL:
            tokenizer.init_kwargs.pop(name, None)
        self.tokenizer = tokenizer
        self.token_ids = add_slot_tokens(tokenizer)
        self.pad_id = int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)
        self.persons = PersonSlots(tokenizer) if person_slots else None
        bos = tokenizer.bos_token_id
        whole, plain = tokenizer("x")["input_ids"], tokenizer("x", add_special_tokens=False)["input_ids"]
        self._start = [bos] if bos is not None and whole[:1] == [bos] and plain[:1] != [bos] else []
        # SentencePiece-like tokenizers write a blank before every text themselves; a second one would be a token.
        self._writes_blank = (tokenizer.convert_ids_to_tokens(plain) or [""])[0][:1] in ("\u2581", "\u0120")

    def rows(
        self,
        prompts: Sequence[list[Part]],
        ads: Sequence[str],
        wanted: Sequence[Iterable[str]],
        listed: Sequence[Sequence[str]] | None = None,
    ) -> list[Row]:
        """Tokenise prompts and ADs in one call.

        Args:
            prompts: one list of parts per clip.
            ads: the AD of each, "" for none.
            wanted: the distinctive words of each.
            listed: the names of each prompt in order; with person tokens they are replaced in the AD.

        Returns:
            One row per clip: [the tokenizer's own start token] prompt [+ " " + AD + end token].

        Raises:
            ValueError: the tokenizer reads a slot token out of plain text.
        """
        joined = [self._joined(parts) for parts in prompts]
        names = listed if listed is not None else [()] * len(prompts)
        spoken = [self._ad_parts(ad, who) for ad, who in zip(ads, names, strict=True)]
        said = [part for ad in spoken for part, _ in ad]
        texts = sorted({part for part in (*itertools.chain(*joined), *said) if isinstance(part, str)})
        encoded = self._encode(texts)
        rows = []
        for parts, ad, words in zip(joined, spoken, wanted, strict=True):
            ids, faces = list(self._start), [-1] * len(self._start)
            for part in parts:
                more = encoded[part][0] if isinstance(part, str) else [part.token_id]
                ids += more
                faces += [-1] * len(more) if isinstance(part, str) else [part.face]
            labels, distinctive, count = [-100] * len(ids), [0] * len(ids), 0
            for part, text in ad:
                tokens, offsets = encoded[part] if isinstance(part, str) else ([part.token_id], [(0, len(text))])
                spans = list(enumerate(word_spans(text, words), count + 1))
                ids, labels, faces = ids + tokens, labels + tokens, faces + [-1] * len(tokens)
                distinctive += [next((k for k, (start, end) in spans if s < end and e > start), 0) for s, e in offsets]
                count += len(spans)
            if ad:
                eos = int(self.tokenizer.eos_token_id)
                ids, labels, faces, distinctive = [*ids, eos], [*labels, eos], [*faces, -1], [*distinctive, 0]
            rows.append(Row(ids, labels, distinctive, faces))
        return rows

    def stack(self, rows: Sequence[Sequence[Row | None]], side: str) -> dict[str, torch.Tensor]:
        """Pad rows to one length.

        Args:
            rows: B x N rows; None is a padded clip: all pad.
            side: where the padding goes, "left" or "right".

        Returns:
            input_ids, attention_mask, labels, face_index and distinctive_mask (B, N, L) int64.
        """
        flat = [row for window in rows for row in window]
        length = max([1, *(len(row.ids) for row in flat if row)])
        ids = torch.full((len(flat), length), self.pad_id)
        attention, labels, faces = torch.zeros_like(ids), torch.full_like(ids, -100), torch.full_like(ids, -1)
        distinctive = torch.zeros_like(ids)
        for i, row in enumerate(flat):
            if row is None:
                continue
            count = len(row.ids)
            at = slice(0, count) if side == "right" else slice(length - count, length)
            ids[i, at], attention[i, at] = torch.tensor(row.ids), 1
            labels[i, at], faces[i, at] = torch.tensor(row.labels), torch.tensor(row.faces)
            distinctive[i, at] = torch.tensor(row.distinctive)
        named = {"input_ids": ids, "attention_mask": attention, "labels": labels, "face_index": faces}
        named["distinctive_mask"] = distinctive
        return {name: tensor.view(len(rows), -1, length) for name, tensor in named.items()}

    def _ad_parts(self, ad: str, names: Sequence[str]) -> list[tuple[Part, str]]:
        """An AD with its leading blank, cut at the listed names where the tokenizer has person tokens.

        With every part what it says: its text, or the name that a person token stands for.
        """
        if not ad:
            return []
        cut = [" " + ad] if self.persons is None else self.persons.split(" " + ad, names)
        told = [self._trimmed(part) if isinstance(part, str) else part for part in cut]
        parts: list[tuple[Part, str]] = []
        for part in told:
            if isinstance(part, str):
                parts += [(part, part)] if part else []
            elif self.persons is not None:
                parts.append((Slot(self.persons.ids[part]), names[part]))
        return parts

    def _trimmed(self, text: str) -> str:
        return text[1:] if self._writes_blank and text.startswith(" ") else text

    def _joined(self, parts: Iterable[Part]) -> list[Part]:
        """Melt neighbouring texts, so that they are tokenised as one text."""
        out: list[Part] = []
        for part in parts:
            if isinstance(part, str) and out and isinstance(out[-1], str):
                out[-1] += part
            elif part != "":
                out.append(part)
        trimmed = [self._trimmed(part) if isinstance(part, str) else part for part in out]
        return [part for part in trimmed if part != ""]

    def _encode(self, texts: list[str]) -> dict[str, tuple[list[int], list[tuple[int, int]]]]:
        """Ids and character offsets of each text; special tokens spelt out in it stay plain text."""
        if not texts:
            return {}
        out = self.tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True,
            return_attention_mask=False, verbose=False,
        )  # fmt: skip
        slots = {*self.token_ids.values(), *(self.persons.ids if self.persons else ())}
        for text, ids in zip(texts, out["input_ids"], strict=True):
            if slots & set(ids):
                raise ValueError(f"{text!r} is read as a slot token; expected plain text; take the token out of it")
        return dict(zip(texts, zip(out["input_ids"], out["offset_mapping"], strict=True), strict=True))
