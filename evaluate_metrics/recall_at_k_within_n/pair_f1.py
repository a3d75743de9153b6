"""BERTScore F1 of chosen pairs of texts, each text encoded once.

Source: Zhang et al., "BERTScore: Evaluating Text Generation with BERT" (ICLR 2020), equations for recall, precision and
F1 without idf weights and without rescaling, in the conventions of the public bert-score code: a text's own special
tokens may be matched but do not count; a text without tokens scores 0. Own choices: sentences are batched by exact
token length, so nothing is ever padded and a score does not hang on its neighbours in a batch; only the pairs asked
for are matched; scores are rounded to 6 decimals, so that equal texts tie exactly. Ours equals what bert-score gives
for the pair alone. In a batch it pads, and a padded place offers every token a cosine of 0: a pair in which a token's
best cosine is below 0 comes out differently (by up to 0.005 with the last layer of a small encoder), no other does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

DECIMALS = 6
MATCH_ELEMENTS = 4_000_000  # floats gathered at once while matching (about 16 MB a side)
# These tokenisers mark a word by the blank before it; bert-score gives the first word one too. (With transformers 5 its
# request for that blank goes unheard, so published scores come out again only as here.)
PREFIX_SPACE_MODELS = ("roberta", "xlm-roberta-xl", "gpt2", "longformer", "bart")


class PairF1:
    """Callable similarity for `recall_table`: (predictions, truths, pairs (P, 2)) -> F1 (P,) float64.

    Args:
        encoder: Hub id or folder of any transformers encoder. The papers use roberta-large.
        layer: hidden layer whose states are compared, 1 = after the first block; the papers use 17.
        batch_size: sentences a forward pass; changes speed only.
        device: torch device name, or "auto" (CUDA if there is any).
        progress: show a bar of the sentences encoded, on the error stream.

    Attributes:
        n_encoded: how many sentences went through the encoder so far.

    Raises:
        ValueError: if no encoder is given, it cannot be loaded, has no such layer, or the device is not there.
    """

    def __init__(
        self,
        encoder: str | None,
        layer: int | None,
        batch_size: int = 64,
        device: str = "cpu",
        progress: bool = False,
    ) -> None:
        """Load the encoder; see the class."""
        if not encoder or layer is None:
            raise ValueError(
                f"encoder is {encoder!r} and layer is {layer!r}, expected a text encoder and its layer; pass a Hub id "
                "or folder and a number (the papers: roberta-large, layer 17)"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, expected at least 1; raise it")
        import torch
        from transformers import AutoModel, AutoTokenizer

        try:
            self.tokenizer = AutoTokenizer.from_pretrained(encoder)
            model = AutoModel.from_pretrained(encoder, dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise ValueError(f"encoder {encoder!r} cannot be loaded; pass a folder or reachable Hub id") from error
        if getattr(model.config, "is_encoder_decoder", False):
            model = model.get_encoder()
        count = model.config.num_hidden_layers
        if not 1 <= layer <= count:
            raise ValueError(f"layer is {layer}, expected 1..{count} for encoder {encoder!r}; change it")
        blocks = getattr(getattr(model, "encoder", None), "layer", None)
        if blocks is not None:  # the blocks above `layer` would only cost time
            model.encoder.layer = blocks[:layer]
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.model = model.eval().to(device)
        except (AssertionError, RuntimeError) as error:  # torch raises either for a device that is not there
            raise ValueError(f"device {device!r} cannot be used; pass cpu, or a device of this machine") from error
        self.encoder, self.layer, self.batch_size, self.device = str(encoder), layer, batch_size, device
        self.n_encoded, self.progress = 0, progress
        # A tokeniser saved without a limit gives a huge number; positions are the model's real limit. Models of
        # RoBERTa's kind number them from the padding id on, so they have fewer than their table has rows.
        table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
        taken = 0 if table is None or table.padding_idx is None else table.padding_idx + 1
        places = getattr(model.config, "max_position_embeddings", None) or 512
        self.max_tokens = min(self.tokenizer.model_max_length, places - taken)
        self.prefix = " " if model.config.model_type in PREFIX_SPACE_MODELS else ""
        self._markers = {self.tokenizer.cls_token_id, self.tokenizer.sep_token_id} - {None}

    def signature(self) -> dict[str, Any]:
        """What makes two results comparable: the encoder's name (last part of its path), revision, layer, versions."""
        import torch
        import transformers

        name = self.encoder.rstrip("/\\").replace("\\", "/").split("/")[-1]
        config = self.model.config
        return {
            "similarity": "BERTScore F1, no idf, no rescaling",
            "encoder": name,
            "encoder_model_type": config.model_type,
            "encoder_hidden_size": config.hidden_size,
            "layer": self.layer,
            "encoder_revision": self._revision(),
            "versions": {"transformers": transformers.__version__, "torch": torch.__version__, "pair_f1": 1},
        }

    def _revision(self) -> str | None:
        """The Hub's commit; of a local folder the SHA-256 of its weights file, where it is one safetensors file."""
        commit = getattr(self.model.config, "_commit_hash", None)
        weights = Path(self.encoder) / "model.safetensors"
        if commit or not weights.is_file():
            return commit
        with weights.open("rb") as handle:
            return f"sha256:{hashlib.file_digest(handle, 'sha256').hexdigest()}"

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        # Half a surrogate pair (it can come out of JSON) is no character: a tokeniser would refuse it.
        stripped = [text.encode("utf-8", "replace").decode().strip() for text in texts]
        prefixed = [self.prefix + text if text else "" for text in stripped]
        return list(self.tokenizer(prefixed, truncation=True, max_length=self.max_tokens)["input_ids"])

    def _encode(self, texts: Sequence[str]) -> tuple[dict[str, tuple[int, int]], dict[int, Any], dict[int, Any]]:
        """Encode each text once.

        Returns:
            Where a text is (token count L, place in that length's tensors), and by L the unit vectors
            (count, L, width) float32 and the token weights (count, L) float32, which add up to 1 (or to 0 for a text
            without tokens of its own).
        """
        import torch
        from tqdm import tqdm

        ids = self._token_ids(texts)
        by_length: dict[int, list[int]] = {}
        for i, tokens in enumerate(ids):
            by_length.setdefault(len(tokens), []).append(i)
        where: dict[str, tuple[int, int]] = {}
        vectors: dict[int, torch.Tensor] = {}
        weights: dict[int, torch.Tensor] = {}
        bar = tqdm(total=len(texts), desc="sentences encoded", disable=not self.progress)
        for length, members in sorted(by_length.items()):
            where.update({texts[i]: (length, place) for place, i in enumerate(members)})
            if not length:
                bar.update(len(members))
                continue
            states = []
            table = torch.tensor([ids[i] for i in members])
            for start in range(0, len(members), self.batch_size):
                batch = table[start : start + self.batch_size].to(self.device)
                with torch.inference_mode():
                    out = self.model(input_ids=batch, attention_mask=torch.ones_like(batch), output_hidden_states=True)
                states.append(torch.nn.functional.normalize(out.hidden_states[self.layer], dim=-1))
                self.n_encoded += len(batch)
                bar.update(len(batch))
            vectors[length] = torch.cat(states)
            own = torch.tensor([[float(t not in self._markers) for t in ids[i]] for i in members])
            weights[length] = (own / own.sum(1, keepdim=True).clamp(min=1)).to(self.device)
        bar.close()
        return where, vectors, weights

    def __call__(self, predictions: Sequence[str], truths: Sequence[str], pairs: np.ndarray) -> np.ndarray:
        """F1 (P,) float64 of the pairs (P, 2) of prediction index and truth index; see the class."""
        return self.precision_recall_f1(predictions, truths, pairs)[:, 2]

    def precision_recall_f1(self, predictions: Sequence[str], truths: Sequence[str], pairs: np.ndarray) -> np.ndarray:
        """BERTScore of chosen pairs.

        Args:
            predictions: texts.
            truths: texts.
            pairs: (P, 2) int64, prediction index and truth index.

        Returns:
            (P, 3) float64: precision, recall, F1, rounded to 6 decimals.
        """
        import torch

        needed = {predictions[i] for i in pairs[:, 0]} | {truths[j] for j in pairs[:, 1]}
        where, vectors, weights = self._encode(sorted(needed))
        buckets: dict[tuple[int, int], list[int]] = {}
        for row, (i, j) in enumerate(pairs):
            buckets.setdefault((where[predictions[i]][0], where[truths[j]][0]), []).append(row)
        scores = np.zeros((len(pairs), 3))
        for (length_a, length_b), rows in buckets.items():
            if not length_a or not length_b:
                continue
            a, b = vectors[length_a], vectors[length_b]
            step = max(1, MATCH_ELEMENTS // (max(length_a, length_b) * a.shape[-1]))
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                place_a = torch.tensor([where[predictions[pairs[r, 0]]][1] for r in some], device=self.device)
                place_b = torch.tensor([where[truths[pairs[r, 1]]][1] for r in some], device=self.device)
                cosine = torch.bmm(a[place_a], b[place_b].transpose(1, 2))  # (P, La, Lb)
                precision = (cosine.amax(2) * weights[length_a][place_a]).sum(1).cpu()  # MPS has no float64
                recall = (cosine.amax(1) * weights[length_b][place_b]).sum(1).cpu()
                # A text without tokens of its own has weights 0, hence precision or recall 0, hence F1 0.
                both = (precision + recall).double()
                f1 = torch.where(both > 0, 2 * precision.double() * recall.double() / both, torch.zeros_like(both))
                three = torch.stack([precision.double(), recall.double(), f1], dim=1)
                scores[some] = torch.where(f1[:, None] > 0, three, torch.zeros_like(three)).numpy()
        return np.round(scores, DECIMALS)
