"""A judge made of any chat model of transformers: its own chat template, batched, greedy or the public sampling."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

GREEDY, AUTOAD3 = "greedy", "autoad3"
NEW_TOKENS = {GREEDY: 16, AUTOAD3: 8}  # the public script stops after 8, which cuts off some models' dict
OPTIONS: dict[str, dict[str, Any]] = {
    GREEDY: {"do_sample": False, "temperature": None, "top_p": None, "top_k": None},
    # The public script sets no top-k, so its library's default of 50 was in force.
    AUTOAD3: {"do_sample": True, "temperature": 1.0, "top_p": 0.9, "top_k": 50},
}


class ChatJudge:
    """Callable (lists of chat messages) -> answers, for `llm_ad_eval`.

    Args:
        model: Hub id or folder of a chat model (its tokenizer has a chat template), or the loaded model itself.
        tokenizer: the loaded tokenizer, where `model` is a loaded model.
        revision: of the Hub repository.
        sampling: "greedy" (default), or "autoad3": temperature 1, top-p 0.9, 8 new tokens, as the public script.
        seed: of the sampling. What is drawn hangs on the seed and the batch alone, so a run that was interrupted
            between two batches and goes on gives the answers of one that was not.
        dtype: torch dtype by name.
        device: torch device name, or "auto" (CUDA if there is any).

    Raises:
        ValueError: if it cannot be loaded, has no chat template, or sampling, dtype or device cannot be used.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        revision: str | None = None,
        sampling: str = GREEDY,
        seed: int = 0,
        dtype: str = "float32",
        device: str = "cpu",
    ) -> None:
        """Load the model; see the class."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if sampling not in NEW_TOKENS:
            raise ValueError(f"sampling is {sampling!r}, expected {GREEDY} or {AUTOAD3}; change it")
        if not isinstance(getattr(torch, dtype, None), torch.dtype):
            raise ValueError(f"dtype is {dtype!r}, expected one of torch such as float32 or bfloat16; change it")
        named = isinstance(model, (str, Path))
        self.name = str(model) if named else model.__class__.__name__
        if named:
            try:
                tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
                model = AutoModelForCausalLM.from_pretrained(model, revision=revision, dtype=getattr(torch, dtype))
            except (OSError, ValueError) as error:
                raise ValueError(f"judge {self.name!r} cannot be loaded; pass a folder or reachable Hub id") from error
        if not getattr(tokenizer, "chat_template", None):
            raise ValueError(f"judge {self.name!r} has no chat template; pass an instruction-tuned model")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.model = model.eval().to(device)
        except (AssertionError, RuntimeError) as error:  # torch raises either for a device that is not there
            raise ValueError(f"device {device!r} cannot be used; pass cpu, or a device of this machine") from error
        self.tokenizer, self.sampling, self.seed, self.device = tokenizer, sampling, seed, device
        self.revision = revision
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token

    def describe(self) -> str:
        """What the judge is, for the signature: model, revision, dtype, sampling and seed, library version."""
        import transformers

        name = self.name.rstrip("/\\").replace("\\", "/").split("/")[-1]
        dtype = str(self.model.dtype).removeprefix("torch.")
        how = GREEDY if self.sampling == GREEDY else f"{AUTOAD3}, seed {self.seed}"
        return f"{name}@{self._commit()}, {dtype}, {how}, transformers {transformers.__version__}"

    def _commit(self) -> str:
        """The revision; of a local folder the SHA-256 of its weights, where they are one safetensors file."""
        commit = self.revision or getattr(self.model.config, "_commit_hash", None)
        weights = Path(self.name) / "model.safetensors"
        if commit or not weights.is_file():
            return commit or "local"
        with weights.open("rb") as handle:
            return f"sha256:{hashlib.file_digest(handle, 'sha256').hexdigest()[:16]}"

    def _text(self, chat: list[dict[str, str]]) -> str:
        """The chat by the model's template; one that knows no system message gets it before the user's."""
        from jinja2 import TemplateError

        try:
            return str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
        except TemplateError:
            whole = [{"role": "user", "content": "\n\n".join(message["content"] for message in chat)}]
            return str(self.tokenizer.apply_chat_template(whole, tokenize=False, add_generation_prompt=True))

    def __call__(self, chats: list[list[dict[str, str]]]) -> list[str]:
        """Answers of the model, special tokens left out."""
        import torch

        texts = [self._text(chat) for chat in chats]
        # The template writes the special tokens itself.
        batch = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(self.device)
        with torch.random.fork_rng(enabled=self.sampling == AUTOAD3), torch.inference_mode():
            if self.sampling == AUTOAD3:
                digest = hashlib.sha256(json.dumps([self.seed, texts]).encode()).digest()
                torch.manual_seed(int.from_bytes(digest[:4], "big"))
            out = self.model.generate(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], num_beams=1,
                repetition_penalty=1.0, max_new_tokens=NEW_TOKENS[self.sampling],
                pad_token_id=self.tokenizer.pad_token_id, **OPTIONS[self.sampling],
            )  # fmt: skip
        return list(self.tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True))
