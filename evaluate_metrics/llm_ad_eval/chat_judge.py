"""A judge made of any chat model of transformers: its own chat template, batched, greedy or the public sampling."""

from __future__ import annotations

from typing import Any

GREEDY, AUTOAD3 = "greedy", "autoad3"
NEW_TOKENS = {GREEDY: 16, AUTOAD3: 8}  # the public script stops after 8, which cuts off some models' dict


class ChatJudge:
    """Callable (lists of chat messages) -> answers, for `llm_ad_eval`.

    Args:
        model: Hub id or folder of a chat model (its tokenizer has a chat template), or the loaded model itself.
        tokenizer: the loaded tokenizer, where `model` is a loaded model.
        revision: of the Hub repository.
        sampling: "greedy" (default), or "autoad3": temperature 1, top-p 0.9, 8 new tokens, as the public script.
        seed: of the sampling; batches are drawn in order, so equal input and batch size give equal answers.
        dtype: torch dtype by name.
        device: torch device name.

    Raises:
        ValueError: if it cannot be loaded, has no chat template, or the sampling is unknown.
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
        self.name = str(model) if isinstance(model, str) else model.__class__.__name__
        if isinstance(model, str):
            try:
                tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
                model = AutoModelForCausalLM.from_pretrained(model, revision=revision, dtype=getattr(torch, dtype))
            except (OSError, ValueError, AttributeError) as error:
                raise ValueError(f"judge {model!r} cannot be loaded; pass a folder or reachable Hub id") from error
        if not getattr(tokenizer, "chat_template", None):
            raise ValueError(f"judge {self.name!r} has no chat template; pass an instruction-tuned model")
        self.model, self.tokenizer = model.eval().to(device), tokenizer
        self.sampling, self.seed, self.device, self.revision = sampling, seed, device, revision
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self._generator_set = False

    def describe(self) -> str:
        """What the judge is, for the signature: model, revision, sampling and seed, library version."""
        import transformers

        name = self.name.rstrip("/\\").replace("\\", "/").split("/")[-1]
        commit = self.revision or getattr(self.model.config, "_commit_hash", None)
        how = GREEDY if self.sampling == GREEDY else f"{AUTOAD3}, seed {self.seed}"
        return f"{name}@{commit or 'local'}, {how}, transformers {transformers.__version__}"

    def __call__(self, chats: list[list[dict[str, str]]]) -> list[str]:
        """Answers of the model, special tokens left out."""
        import torch

        texts = []
        for chat in chats:
            texts.append(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
        # The template writes the special tokens itself.
        batch = self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(self.device)
        options: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if self.sampling == AUTOAD3:
            options = {"do_sample": True, "temperature": 1.0, "top_p": 0.9, "top_k": 0}
            if not self._generator_set:
                torch.manual_seed(self.seed)
                self._generator_set = True
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], num_beams=1,
                max_new_tokens=NEW_TOKENS[self.sampling], pad_token_id=self.tokenizer.pad_token_id, **options,
            )  # fmt: skip
        return self.tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
