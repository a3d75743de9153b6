"""Tiny random models and inputs that the model tests share."""

from __future__ import annotations

from typing import Any

import torch
from transformers import CLIPVisionConfig, GPT2Config, LlamaConfig, PreTrainedConfig

from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration

VIDEO, FACE, START, EOS, VOCABULARY = 60, 61, 62, 1, 60  # the placeholders lie beyond the language model's vocabulary
JOINT, LANGUAGE = 32, 24


def vision_config() -> CLIPVisionConfig:
    """A CLIP vision tower of one layer for 8 x 8 images, joint width 32."""
    return CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4,
        projection_dim=JOINT,
    )  # fmt: skip


def text_config(kind: str = "gpt2") -> PreTrainedConfig:
    """A GPT-2 (with dropout and tied embeddings) or a LLaMA of two layers, width 24."""
    if kind == "gpt2":
        return GPT2Config(
            vocab_size=VOCABULARY, n_embd=LANGUAGE, n_layer=2, n_head=2, n_positions=96, bos_token_id=EOS,
            eos_token_id=EOS, initializer_range=0.5,
        )  # fmt: skip
    return LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=LANGUAGE, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=96, bos_token_id=EOS, eos_token_id=EOS, initializer_range=0.5,
    )  # fmt: skip


def config(kind: str = "gpt2", **changes: Any) -> DistinctADConfig:
    """A configuration with 3 frames, 4 prompt vectors and 5 bases."""
    fields: dict[str, Any] = {
        "vision_config": vision_config(), "text_config": text_config(kind), "num_frames": 3, "num_prompt_vectors": 4,
        "window_size": 4, "em_num_bases": 5, "video_token_id": VIDEO, "face_token_id": FACE,
        "ad_start_token_id": START, "decode_max_new_tokens": 8, "face_tokens": "always",
    }  # fmt: skip
    return DistinctADConfig(**(fields | changes))


def fields(**changes: Any) -> dict[str, Any]:
    """The same configuration's own fields, for towers that bring theirs."""
    stored = config().to_dict()
    names = ("num_frames", "num_prompt_vectors", "window_size", "em_num_bases", "video_token_id", "face_token_id")
    return {name: stored[name] for name in (*names, "ad_start_token_id", "face_tokens")} | changes


def model(kind: str = "gpt2", seed: int = 0, **changes: Any) -> DistinctADForConditionalGeneration:
    """A random model in eval mode, its projections scaled to its language model."""
    torch.manual_seed(seed)
    made = DistinctADForConditionalGeneration(config(kind, **changes))
    made.scale_projections()
    return made.eval()


def inputs(batch: int = 2, clips: int = 3, faces: int = 2, side: str = "right", seed: int = 0, **sizes: int) -> dict:
    """Prompts "words <face> words <video> x 4 <ad_start>" of unequal lengths, with features, labels and masks."""
    generator = torch.Generator().manual_seed(seed)
    answer, frames, latents = sizes.get("answer", 3), sizes.get("frames", 3), sizes.get("latents", 4)
    rows, labels, distinctive, face_index = [], [], [], []
    for number in range(batch * clips):
        words = torch.randint(2, VOCABULARY, (number % 3 + 1,), generator=generator).tolist()
        prompt = words + ([FACE] if faces else []) + [2] + [VIDEO] * latents + [START]
        target = torch.randint(2, VOCABULARY, (answer,), generator=generator).tolist() + ([EOS] if answer else [])
        rows.append(prompt + target)
        labels.append([-100] * len(prompt) + target)
        distinctive.append([False] * len(prompt) + [True, False, True, False, False][: len(target)])
        face_index.append([number % faces if faces and token == FACE else -1 for token in prompt] + [-1] * len(target))
    length = max(map(len, rows))

    def pad(lists: list[list[int]], fill: int) -> torch.Tensor:
        padded = [[fill] * (length - len(x)) + x if side == "left" else x + [fill] * (length - len(x)) for x in lists]
        return torch.tensor(padded).unflatten(0, (batch, clips))

    made = {
        "input_ids": pad(rows, 0),
        "attention_mask": pad([[1] * len(x) for x in rows], 0),
        "frame_features": torch.randn(batch, clips, frames, JOINT, generator=generator),
        "frame_mask": torch.ones(batch, clips, frames, dtype=torch.bool),
        "clip_mask": torch.ones(batch, clips, dtype=torch.bool),
        "face_features": torch.randn(batch, faces, JOINT, generator=generator),
        "face_index": pad(face_index, -1),
    }
    if answer:
        made |= {"labels": pad(labels, -100), "distinctive_mask": pad(distinctive, 0).bool()}
    return made
