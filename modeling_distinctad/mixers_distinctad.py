"""How a clip's prompt vectors look at the other clips beside EM: cross-attention on the bases, and the controls."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .perceiver_distinctad import MultiHeadAttention, ScaledLinear


class BasisCrossAttention(nn.Module):
    """H~ = softmax(Q K^T / sqrt(C)) V with queries from H, keys and values from the bases (equations 9, 13 to 16).

    One head, biases, no output projection, no LayerNorm. Equation 15 prints W_Q for the values: a misprint, W_V here.

    Args:
        width: C.
    """

    def __init__(self, width: int) -> None:
        """Build W_Q, W_K and W_V."""
        super().__init__()
        self.query, self.key = ScaledLinear(width, width), ScaledLinear(width, width)
        self.value = ScaledLinear(width, width)

    def forward(self, prompt_vectors: Tensor, bases: Tensor, basis_mask: Tensor) -> Tensor:
        """Attend to the bases.

        Args:
            prompt_vectors: H (B, N, Q, C).
            bases: (B, K, C) float32.
            basis_mask: (B, K) bool.

        Returns:
            H~ (B, N, Q, C), the dtype of H.
        """
        bases = bases.to(prompt_vectors.dtype)
        query = self.query(prompt_vectors).flatten(1, 2)
        mixed = functional.scaled_dot_product_attention(
            query, self.key(bases), self.value(bases), attn_mask=basis_mask.unsqueeze(1)
        )
        return mixed.unflatten(1, prompt_vectors.shape[1:3])


class WindowAttention(nn.Module):
    """Control beyond the paper: H + SelfAttention(LayerNorm(H)) over all valid vectors of the window, no positions.

    Args:
        config: fields `perceiver_heads` and `joint_size`.
    """

    def __init__(self, config: Any) -> None:
        """Build the norm and the attention."""
        super().__init__()
        width = config.joint_size
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, config.perceiver_heads or max(1, width // 64))

    def forward(self, prompt_vectors: Tensor, clip_mask: Tensor) -> Tensor:
        """Mix the clips of every window.

        Args:
            prompt_vectors: H (B, N, Q, C).
            clip_mask: (B, N) bool.

        Returns:
            (B, N, Q, C); rows of padded clips hold no meaning.
        """
        batch, clips, latents, _ = prompt_vectors.shape
        tokens = self.norm(prompt_vectors).flatten(1, 2)
        mask = clip_mask.unsqueeze(-1).expand(-1, -1, latents).reshape(batch, clips * latents)
        mask = mask | ~mask.any(dim=-1, keepdim=True)  # a window of padding only must not become NaN
        return prompt_vectors + self.attention(tokens, tokens, mask).unflatten(1, (clips, latents))


def difference_from_others(prompt_vectors: Tensor, clip_mask: Tensor) -> Tensor:
    """Control beyond the paper: every vector minus the mean of the same latent slot over the OTHER valid clips.

    Args:
        prompt_vectors: H (B, N, Q, C).
        clip_mask: (B, N) bool.

    Returns:
        (B, N, Q, C); a clip that stands alone gets its vector unchanged, padded clips get 0.
    """
    weights = clip_mask[..., None, None].to(prompt_vectors.dtype)
    kept = torch.where(clip_mask[..., None, None], prompt_vectors, 0.0)
    others = kept.sum(dim=1, keepdim=True) - kept
    count = (weights.sum(dim=1, keepdim=True) - 1).clamp_min(1)
    return (kept - others / count) * weights


__all__ = ["BasisCrossAttention", "WindowAttention", "difference_from_others"]
