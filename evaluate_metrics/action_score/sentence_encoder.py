"""Cosine similarity of sentences by any text encoder of transformers, each different text encoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


class SentenceSimilarity:
    """Callable (texts a, texts b) -> cosines (len(a), len(b)) float64; embeddings of texts seen before are kept.

    Args:
        encoder: Hub id or folder of any encoder.
        instruction: put before every text, for encoders that want one.
        pooling: "mean" over the tokens, or "last" token.
        device: torch device name, or "auto" (CUDA if there is any).

    Raises:
        ValueError: if no encoder is given, it cannot be loaded or the device is not there.
    """

    def __init__(self, encoder: str | None, instruction: str = "", pooling: str = "mean", device: str = "cpu") -> None:
        """Load the encoder; see the class."""
        if not encoder:
            raise ValueError(f"encoder is {encoder!r}, expected a sentence encoder; pass a Hub id or folder")
        if pooling not in ("mean", "last"):
            raise ValueError(f"pooling is {pooling!r}, expected mean or last; change it")
        import torch
        from transformers import AutoModel, AutoTokenizer

        try:
            self.tokenizer = AutoTokenizer.from_pretrained(encoder)
            model = AutoModel.from_pretrained(encoder, dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise ValueError(f"encoder {encoder!r} cannot be loaded; pass a folder or reachable Hub id") from error
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.model = model.eval().to(device)
        except (AssertionError, RuntimeError) as error:  # torch raises either for a device that is not there
            raise ValueError(f"device {device!r} cannot be used; pass cpu, or a device of this machine") from error
        self.encoder, self.instruction, self.pooling, self.device = str(encoder), instruction, pooling, device
        self.kept: dict[str, np.ndarray] = {}

    def signature(self) -> dict[str, Any]:
        """What makes two results comparable."""
        import transformers

        return {
            "encoder": self.encoder.rstrip("/\\").replace("\\", "/").split("/")[-1],
            "encoder_revision": self._revision(),
            "pooling": self.pooling,
            "instruction": self.instruction,
            "versions": {"transformers": transformers.__version__},
        }

    def _revision(self) -> str | None:
        """The Hub's commit; of a local folder the SHA-256 of its weights file, where it is one safetensors file."""
        commit = getattr(self.model.config, "_commit_hash", None)
        weights = Path(self.encoder) / "model.safetensors"
        if commit or not weights.is_file():
            return commit
        with weights.open("rb") as handle:
            return f"sha256:{hashlib.file_digest(handle, 'sha256').hexdigest()}"

    def remember(self, texts: Iterable[str], batch_size: int = 64) -> None:
        """Encode the texts that are not kept yet, those of one token count together, so that nothing is padded."""
        import torch

        new = sorted(set(texts) - set(self.kept))
        if not new:
            return
        # Models of RoBERTa's kind number positions from the padding id on: fewer than their table has rows.
        table = getattr(getattr(self.model, "embeddings", None), "position_embeddings", None)
        taken = 0 if table is None or table.padding_idx is None else table.padding_idx + 1
        places = getattr(self.model.config, "max_position_embeddings", None) or 512
        limit = min(self.tokenizer.model_max_length, places - taken)
        # Half a surrogate pair is no character: a tokeniser would refuse it.
        given = [(self.instruction + text).encode("utf-8", "replace").decode() for text in new]
        ids = self.tokenizer(given, truncation=True, max_length=limit)["input_ids"]
        by_length: dict[int, list[int]] = {}
        for i, tokens in enumerate(ids):
            by_length.setdefault(len(tokens), []).append(i)
        for length, members in sorted(by_length.items()):
            for start in range(0, len(members), batch_size):
                some = members[start : start + batch_size]
                if not length:  # a tokeniser without markers gives an empty text no token
                    self.kept.update((new[i], np.zeros(self.model.config.hidden_size)) for i in some)
                    continue
                batch: torch.Tensor = torch.tensor([ids[i] for i in some]).to(self.device)
                with torch.inference_mode():
                    states = self.model(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state
                pooled = states.mean(1) if self.pooling == "mean" else states[:, -1]
                vectors = torch.nn.functional.normalize(pooled.cpu().double(), dim=-1).numpy()
                self.kept.update(zip((new[i] for i in some), vectors, strict=True))

    def __call__(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Cosines of every text of `first` with every one of `second`: (len(first), len(second)) float64."""
        self.remember([*first, *second])
        return np.stack([self.kept[a] for a in first]) @ np.stack([self.kept[b] for b in second]).T
