"""Can a language model read a text tower's space? Its states through one linear layer, the sentence back (Appendix A).

A frozen text tower turns a sentence into its pooled state and its word states; one trained linear layer carries either
into a frozen language model's word space; the model, behind a start token, is trained to say the sentence again.
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset
from tqdm import tqdm
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

from modeling_distinctad.losses_distinctad import IGNORED
from modeling_distinctad.towers_distinctad import require_all_weights
from train.collators import ad_ids
from train.dual_encoder import is_dual_encoder, load_clip
from train.ordered_trainer import OrderedTrainer

INPUTS, WEIGHTS = ("cls", "words"), "projector.safetensors"


def installed(source: str) -> Path:
    """A folder or file: a path as it is, or `package:NAME/inside`, a file that an installed package brings along.

    Raises:
        ValueError: the package is not installed.
    """
    if not source.startswith("package:"):
        return Path(source)
    name, _, inside = source.removeprefix("package:").partition("/")
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ValueError(f"{source}: package {name} is not installed; expected it; install it or name a folder")
    return Path(found.origin).parent / inside


@dataclass(frozen=True)
class States:
    """What a text tower says of one sentence: `pooled` (C,) and `words` (W, C), float16."""

    pooled: Tensor
    words: Tensor


class TextTower:
    """A frozen text tower: CLIP's (EOS state and word states, projected), or any encoder (mean and word states).

    Args:
        source: see `installed`.

    Attributes:
        model: the tower.
        width: C.
    """

    def __init__(self, source: str) -> None:
        folder = str(installed(source))
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        config = AutoConfig.from_pretrained(folder)
        self.is_clip = config.model_type == "clip" or is_dual_encoder(folder)
        if self.is_clip:
            self.model = load_clip(folder)  # the text half alone would lose the joint width
            config = self.model.config
        else:
            loaded: Any = AutoModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
            self.model, info = loaded
            require_all_weights([key for key in info["missing_keys"] if "pooler" not in key], f"text tower {source}")
        self.model.eval()
        text = getattr(config, "text_config", config)
        self.tokenizer.model_max_length = min(self.tokenizer.model_max_length, text.max_position_embeddings)
        self.width = config.projection_dim if self.is_clip else config.hidden_size

    def _ids(self, text: str) -> list[int]:
        """Token ids with the tower's own ends."""
        if self.is_clip:
            return ad_ids(self.tokenizer, text)
        return self.tokenizer(text, truncation=True)["input_ids"]

    @torch.no_grad()
    def encode(self, texts: Sequence[str], batch: int = 32) -> list[States]:
        """States of every text; sentences of like length go together, which changes no state beyond rounding."""
        tokens = [self._ids(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        found: list[States | None] = [None] * len(texts)
        for start in tqdm(range(0, len(texts), batch), unit="batch", desc="text tower", disable=len(texts) <= batch):
            rows = order[start : start + batch]
            for row, states in zip(rows, self._states([tokens[i] for i in rows]), strict=True):
                found[row] = states
        return [states for states in found if states is not None]

    def _states(self, tokens: list[list[int]]) -> list[States]:
        """States of one batch."""
        lengths = torch.tensor([len(ids) for ids in tokens])
        rows = [torch.tensor(ids) for ids in tokens]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.tokenizer.pad_token_id or 0)
        mask = torch.arange(ids.shape[1])[None] < lengths[:, None]
        if self.is_clip:
            ids = ids.masked_fill(~mask, int(self.tokenizer.eos_token_id))  # CLIP pools at the FIRST end token
        encoder = self.model.text_model if self.is_clip else self.model
        output = encoder(input_ids=ids, attention_mask=mask.long())
        states = output.last_hidden_state
        if self.is_clip:
            states, pooled = self.model.text_projection(states), self.model.text_projection(output.pooler_output)
        else:
            pooled = (states * mask[..., None]).sum(1) / lengths[:, None]
        ends = torch.tensor([e for e in (self._end("bos", "cls"), self._end("eos", "sep")) if e is not None])
        kept = mask & ~torch.isin(ids, ends)
        return [States(pooled[i].half(), states[i][kept[i]].half()) for i in range(len(tokens))]

    def _end(self, first: str, second: str) -> int | None:
        """Id of the tokenizer's start or end token, whichever of the two names it uses."""
        found = getattr(self.tokenizer, f"{first}_token_id", None)
        return getattr(self.tokenizer, f"{second}_token_id", None) if found is None else found


def load_reader(source: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """A frozen causal language model and its tokenizer, from a folder or a GGUF file.

    Args:
        source: see `installed`.
        dtype: of the weights.
    """
    path = installed(source)
    if path.suffix == ".gguf":
        from transformers import GgufConfig

        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        quantized = GgufConfig(dequantize=True)
        model: Any = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=dtype, quantization_config=quantized
        )
    else:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    return model.eval().requires_grad_(False), tokenizer


class Reconstruction(nn.Module):
    """projector(states), start token -> frozen language model -> the sentence.

    Args:
        language_model: frozen; it stays in eval mode.
        width: C of the text tower.
        start_id: token that stands before the sentence (the paper's <BOS>).
        examples: states (n, C) that the projector's first scale is measured on: its results start with mean 0 and the
            RMS of the word embeddings (own choice, as Stage II's projections).
    """

    def __init__(self, language_model: Any, width: int, start_id: int, examples: Tensor) -> None:
        super().__init__()
        self.language_model, self.start_id = language_model, start_id
        words = language_model.get_input_embeddings().weight.detach().float()
        self.projector = nn.Linear(width, words.shape[1])
        with torch.no_grad():
            examples = examples.float()
            centre = examples.mean(dim=0)
            found = ((examples - centre) @ self.projector.weight.T).square().mean().sqrt().clamp_min(1e-12)
            self.projector.weight.mul_(words.square().mean().sqrt() / found)
            self.projector.bias.copy_(-(self.projector.weight @ centre))

    def train(self, mode: bool = True) -> Reconstruction:
        """Keeps the language model in eval mode."""
        super().train(mode)
        self.language_model.eval()
        return self

    def prompt(self, states: Tensor, state_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (B, S + 1, D) and mask (B, S + 1) of states (B, S, C), padded on the left, and the start token."""
        words = self.language_model.get_input_embeddings()
        start = words(torch.full((len(states), 1), self.start_id, device=states.device))
        embeds = torch.cat([self.projector(states.float()).to(start.dtype), start], dim=1)
        return embeds, functional.pad(state_mask, (0, 1), value=True)

    def forward(self, states: Tensor, state_mask: Tensor, labels: Tensor) -> Tensor:
        """Logits (B, L, V) of the sentence's tokens, predicted from what stands before each.

        Args:
            states: (B, S, C), padded on the left.
            state_mask: (B, S) bool.
            labels: (B, L) long, the sentence and its end, padded on the right with -100.
        """
        embeds, mask = self.prompt(states, state_mask)
        told = labels != IGNORED
        words = self.language_model.get_input_embeddings()(labels.clamp_min(0))
        mask = torch.cat([mask, told], dim=1).long()
        logits = self.language_model(
            inputs_embeds=torch.cat([embeds, words], dim=1),
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp_min(0),
            logits_to_keep=labels.shape[1] + 1,  # from the start token on: the states predict nothing
            use_cache=False,
        ).logits
        return logits[:, :-1]

    @torch.no_grad()
    def generate(self, states: Tensor, state_mask: Tensor, **options: Any) -> Tensor:
        """Token ids (B, L) of the sentences told from states (B, S, C) alone; `options` as `transformers`' generate."""
        embeds, mask = self.prompt(states, state_mask)
        return self.language_model.generate(
            inputs_embeds=embeds, attention_mask=mask.long(), do_sample=False, repetition_penalty=1.0, **options
        )


def stack_states(states: Sequence[States], inputs: str) -> tuple[Tensor, Tensor]:
    """States (B, S, C) float32, padded on the left, and their mask (B, S) bool; S is 1 for "cls".

    Raises:
        ValueError: `inputs` is neither "cls" nor "words".
    """
    if inputs not in INPUTS:
        raise ValueError(f"inputs is {inputs!r}; expected one of {INPUTS}; change it")
    rows = [s.pooled[None] if inputs == "cls" else s.words for s in states]
    longest = max(1, *(len(row) for row in rows))
    stacked = torch.stack([functional.pad(row.float(), (0, 0, longest - len(row), 0)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return stacked, torch.arange(longest)[None] >= longest - lengths[:, None]


def schedule(lengths: Sequence[int], batch: int, epochs: int, seed: int, pool: int = 16) -> list[int]:
    """Items in training order: shuffled, then sorted by length within pools of `pool` batches, batches shuffled again.

    Args:
        lengths: of the items, in tokens.
        batch: items a step.
        epochs: passes.
        seed: of the order.
        pool: batches sorted together; like lengths together halve the padding.

    Returns:
        Item numbers; every epoch holds each item once, less those that fill no batch.
    """
    order: list[int] = []
    for epoch in range(epochs):
        rng = random.Random(f"reconstruction {seed} {epoch}")
        items = list(range(len(lengths)))
        rng.shuffle(items)
        batches = []
        for start in range(0, len(items), batch * pool):
            near = sorted(items[start : start + batch * pool], key=lambda i: lengths[i])
            batches += [near[i : i + batch] for i in range(0, len(near), batch)]
        whole = [near for near in batches if len(near) == batch]
        rng.shuffle(whole)
        order += [item for near in whole for item in near]
    return order


class SentenceDataset(Dataset):
    """States and token ids in training order.

    Args:
        states: of every sentence.
        tokens: ids of every sentence, its end included.
        order: item numbers.
    """

    def __init__(self, states: Sequence[States], tokens: Sequence[list[int]], order: Sequence[int]) -> None:
        self.states, self.tokens, self.order = states, tokens, order

    def __len__(self) -> int:
        """Sentences of all epochs."""
        return len(self.order)

    def __getitem__(self, place: int) -> tuple[States, list[int]]:
        """States and ids."""
        item = self.order[place]
        return self.states[item], self.tokens[item]


class SentenceCollator:
    """Stacks sentences.

    Args:
        inputs: "cls" or "words".
    """

    def __init__(self, inputs: str) -> None:
        self.inputs = inputs

    def __call__(self, rows: Sequence[tuple[States, list[int]]]) -> dict[str, Tensor]:
        """The arguments of `Reconstruction.forward`."""
        states, mask = stack_states([states for states, _ in rows], self.inputs)
        labels = [torch.tensor(ids) for _, ids in rows]
        padded = nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED)
        return {"states": states, "state_mask": mask, "labels": padded}


class ReconstructionTrainer(OrderedTrainer):
    """Trains the projector; checkpoints hold it alone."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Cross-entropy a token of the sentence and its end."""
        labels = inputs["labels"]
        logits = model(**inputs)
        loss = functional.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        loss = loss / (num_items_in_batch if num_items_in_batch is not None else (labels != IGNORED).sum())
        return (loss, {"logits": logits}) if return_outputs else loss

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        """Writes the projector."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.accelerator.unwrap_model(self.model).projector.state_dict(), folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Takes the projector."""
        (model or self.model).projector.load_state_dict(load_file(Path(resume_from_checkpoint) / WEIGHTS))
