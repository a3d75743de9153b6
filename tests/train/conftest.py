"""Tiny random towers, films and features that the training tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)


def tiny_tokenizer(longest: int) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with the pocket language model's slot and person tokens."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<pad>", "<eos>", "<video>", "<face>", "<ad_start>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    core.train_from_iterator([" lifts the red lamp"], trainer)
    core.add_special_tokens([AddedToken(f"<person_{k}>", lstrip=True, special=True) for k in range(1, 6)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="<eos>", model_max_length=longest
    )


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[[Callable[[list[str]], Any], list[str]], str]:
    """Runs a command that must end with status 2; returns what it says, one line of it an error."""

    def run(main: Callable[[list[str]], Any], argv: list[str]) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        said = capsys.readouterr().err  # progress bars may stand before it
        assert stopped.value.code == 2 and said.splitlines()[-1].startswith("error: ") and "Traceback" not in said
        return said

    return run


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """The language model's tokenizer."""
    return tiny_tokenizer(192)


@pytest.fixture(scope="session")
def towers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of a random CLIP ("clip") and a random GPT-2 ("lm")."""
    folder = tmp_path_factory.mktemp("towers")
    torch.manual_seed(0)
    words, texts = tiny_tokenizer(192), tiny_tokenizer(40)
    ends = {"bos_token_id": words.eos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    small: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    }  # fmt: skip
    text = {**small, **ends, "vocab_size": len(texts), "max_position_embeddings": 40}
    vision = {**small, "image_size": 32, "patch_size": 16}
    clip = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    size = {"height": 32, "width": 32}
    images = CLIPImageProcessorPil(do_center_crop=False, size=size, crop_size=size)
    for part in (clip, texts, images):
        part.save_pretrained(folder / "clip")
    config = GPT2Config(vocab_size=len(words), n_positions=256, n_embd=32, n_layer=1, n_head=2, **ends)
    for part in (GPT2LMHeadModel(config), words):
        part.save_pretrained(folder / "lm")
    return {"clip": str(folder / "clip"), "lm": str(folder / "lm")}


@pytest.fixture(scope="session")
def features(towers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of two training films and a held-out one, two films a chunk."""
    from train.features import FeatureArguments, build_cache

    arguments = FeatureArguments(clip=towers["clip"], seeds="1-2,800001", chunk=2)
    return build_cache(arguments, str(tmp_path_factory.mktemp("features")))
