"""What CLIP's frozen text tower says of every AD, encoded once and kept on disk.

One safetensors file holds the texts of one tower and tokenizer: `pooled` (n, C), the words of all texts one after the
other in `words` (total words, C), `offsets` (n + 1) into them and `digests` (n, 32), SHA-256 of each text; float32,
so 4 C (1 + words) bytes a text. Its name and header carry the key of tower and tokenizer; another's is refused, a
damaged one is encoded again. Files are written beside and renamed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from modeling_distinctad.towers_distinctad import weights_sha256
from train.collators import ClipCollator

logger = logging.getLogger(__name__)

FORMAT = "distinctad-texts-1"
NAMES = {"pooled", "words", "offsets", "digests"}


class ForeignCacheError(ValueError):
    """A cache of another tower or tokenizer."""


class TextBatch(NamedTuple):
    """Texts of a batch: `texts` (P, C), `words` (P, W, C), `word_mask` (P, W) bool, `text_ids` (P,) long."""

    texts: Tensor
    words: Tensor
    word_mask: Tensor
    text_ids: Tensor


def text_key(clip: Any, tokenizer: Any) -> str:
    """Names text tower and tokenizer: SHA-256 of weights, projection, configuration and the tokenizer's own state."""
    half = nn.ModuleDict({"model": clip.text_model, "projection": clip.text_projection})
    config = {k: v for k, v in clip.config.text_config.to_dict().items() if k not in ("dtype", "_name_or_path")}
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    ends = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.model_max_length)
    content = [FORMAT, weights_sha256(half), json.dumps(config, sort_keys=True, default=str), _stable(words), ends]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _stable(words: str) -> str:
    """The tokenizer's JSON without its padding and truncation, which every call sets anew."""
    content = json.loads(words)
    content.pop("padding", None)
    content.pop("truncation", None)
    return json.dumps(content, sort_keys=True)


def digest(text: str) -> bytes:
    """SHA-256 (32 bytes) of a text."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def _payload_sha256(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, shapes and values."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(f"{name}{tuple(tensors[name].shape)}{tensors[name].dtype}".encode())
        found.update(tensors[name].contiguous().numpy().data)
    return found.hexdigest()


class TextCache:
    """Encoded texts.

    Args:
        tensors: `pooled`, `words`, `offsets` and `digests` as in the file.

    Raises:
        ValueError: shapes that do not fit together.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        if set(tensors) != NAMES:
            raise ValueError(f"holds {sorted(tensors)}, expected {sorted(NAMES)}; encode the texts again")
        self.tensors = tensors
        count, offsets = len(tensors["pooled"]), tensors["offsets"]
        fits = len(offsets) == count + 1 and len(tensors["digests"]) == count and offsets[-1] == len(tensors["words"])
        if not fits or bool((offsets[1:] <= offsets[:-1]).any()):
            raise ValueError(f"holds {count} texts with offsets {tuple(offsets.shape)}; encode the texts again")
        self.rows = {bytes(row): number for number, row in enumerate(tensors["digests"].numpy())}

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.rows)

    def __contains__(self, text: object) -> bool:
        """Whether a text is encoded."""
        return isinstance(text, str) and digest(text) in self.rows

    def batch(self, texts: Sequence[str]) -> TextBatch:
        """Looks up P texts; words are padded with zeros to the longest text, equal texts have equal `text_ids`.

        Raises:
            KeyError: a text was never encoded.
        """
        keys = [digest(text) for text in texts]
        unknown = [text for text, key in zip(texts, keys, strict=True) if key not in self.rows]
        if unknown:
            raise KeyError(f"{len(unknown)} texts are not in the cache, first {unknown[0]!r}; build it with all texts")
        numbers = torch.tensor([self.rows[key] for key in keys])
        starts, ends = self.tensors["offsets"][numbers].tolist(), self.tensors["offsets"][numbers + 1].tolist()
        words = [self.tensors["words"][start:end] for start, end in zip(starts, ends, strict=True)]
        lengths = torch.tensor([len(states) for states in words])
        return TextBatch(
            self.tensors["pooled"][numbers],
            nn.utils.rnn.pad_sequence(words, batch_first=True),
            torch.arange(int(lengths.max()))[None] < lengths[:, None],
            torch.tensor([int.from_bytes(key[:8], "big", signed=True) for key in keys]),
        )


@torch.no_grad()
def encode_texts(clip: Any, tokenizer: Any, texts: Sequence[str], batch: int = 64) -> dict[str, Tensor]:
    """Encodes different texts with the text tower, in float32, as the file holds them.

    Args:
        clip: a CLIPModel.
        tokenizer: its tokenizer.
        texts: each once.
        batch: texts at once.

    Returns:
        `pooled` (n, C), `words` (total, C), `offsets` (n + 1,) long and `digests` (n, 32) uint8.

    Raises:
        ValueError: a text without a word.
    """
    collator, device = ClipCollator(tokenizer), clip.text_projection.weight.device
    trained = clip.text_model.training
    clip.text_model.eval()
    pooled, words = [torch.empty(0, clip.config.projection_dim)], []
    for start in range(0, len(texts), batch):
        rows = collator([{"pixel_values": torch.empty(0), "text": text} for text in texts[start : start + batch]])
        empty = (~rows["word_mask"].any(dim=1)).nonzero()
        if len(empty):
            text = texts[start + int(empty[0])]
            raise ValueError(f"AD {text!r} holds no word, expected at least one token; leave the clip out")
        ids, mask = rows["input_ids"].to(device), rows["attention_mask"].to(device)
        with torch.autocast(device.type, enabled=False):
            output = clip.text_model(input_ids=ids, attention_mask=mask)
            pooled.append(clip.text_projection(output.pooler_output).float().cpu())
            states = clip.text_projection(output.last_hidden_state).float().cpu()
        words += [row[kept] for row, kept in zip(states, rows["word_mask"], strict=True)]
    clip.text_model.train(trained)
    lengths = torch.tensor([0, *(len(states) for states in words)])
    return {
        "pooled": torch.cat(pooled), "words": torch.cat([pooled[0], *words]), "offsets": lengths.cumsum(0),
        "digests": torch.frombuffer(bytearray(b"".join(map(digest, texts))), dtype=torch.uint8).reshape(-1, 32)
        if texts else torch.empty(0, 32, dtype=torch.uint8),
    }  # fmt: skip


def _load(path: Path, key: str) -> TextCache:
    """Reads a file whole and checks it.

    Raises:
        ForeignCacheError: of another tower or tokenizer.
        ValueError: damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"is no readable safetensors file ({error})") from error
    if meta.get("format") != FORMAT or meta.get("key") != key:
        found = str(meta.get("key"))[:12]
        raise ForeignCacheError(
            f"{path} holds texts of tower {found}, expected {key[:12]}; remove it or give another text_cache"
        )
    if meta.get("sha256") != _payload_sha256(tensors):
        raise ValueError("differs from its checksum")
    return TextCache(tensors)


def _merged(old: TextCache | None, new: dict[str, Tensor]) -> dict[str, Tensor]:
    """One set of tensors of both."""
    if old is None:
        return new
    joined = {name: torch.cat([old.tensors[name], new[name]]) for name in ("pooled", "words", "digests")}
    return {**joined, "offsets": torch.cat([old.tensors["offsets"], old.tensors["offsets"][-1] + new["offsets"][1:]])}


def build_text_cache(folder: str | Path, clip: Any, tokenizer: Any, texts: Sequence[str]) -> TextCache:
    """Opens the cache of a tower, encoding what it lacks; a damaged file is encoded again, with a warning.

    Args:
        folder: of the caches; made if it is not there.
        clip: a CLIPModel, whose text half encodes.
        tokenizer: its tokenizer.
        texts: all texts that will be asked for; repetition does no harm.

    Returns:
        The cache, which holds at least these texts.

    Raises:
        ForeignCacheError: the file holds another tower's texts.
        ValueError: a text without a word.
    """
    key = text_key(clip, tokenizer)
    path = Path(folder) / f"texts_{key[:16]}.safetensors"
    old: TextCache | None = None
    if path.is_file():
        try:
            old = _load(path, key)
        except ForeignCacheError:
            raise
        except ValueError as error:
            logger.warning("%s %s; encoding the texts again", path, error)
    missing = [text for text in dict.fromkeys(texts) if old is None or text not in old]
    if old is not None and not missing:
        return old
    tensors = _merged(old, encode_texts(clip, tokenizer, missing))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    save_file(tensors, partial, metadata={"format": FORMAT, "key": key, "sha256": _payload_sha256(tensors)})
    partial.replace(path)
    return TextCache(tensors)


class CachedTextCollator:
    """Stacks Stage I's clips with their encoded texts: what a training step needs, without a text tower.

    Args:
        cache: holds every text of the data.
    """

    def __init__(self, cache: TextCache) -> None:
        self.cache = cache

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """pixel_values (P, F, 3, H, W), the fields of `TextBatch`, and `names`, which clips these are."""
        found = self.cache.batch([row["text"] for row in rows])
        names = [f"film {row.get('film', '?')} {row['text']!r:.40}" for row in rows]
        return {"pixel_values": torch.stack([row["pixel_values"] for row in rows]), **found._asdict(), "names": names}
