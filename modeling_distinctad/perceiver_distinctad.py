"""From the frames of one clip to Q prompt vectors: the Perceiver, and the attention that the other parts share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import initialization as init


class ScaledLinear(nn.Linear):
    """A linear layer that starts at N(0, gain squared / in_features), bias 0: signals keep their size at any width.

    Own choice: with a constant 0.02 the frames would reach a narrow Perceiver's outputs weaker than its latents do.

    Args:
        in_features: width of the input.
        out_features: width of the output.
        gain: factor on the spread of the weights.
    """

    def __init__(self, in_features: int, out_features: int, gain: float = 1.0) -> None:
        """Build the layer; transformers calls `initialise`."""
        super().__init__(in_features, out_features)
        self.gain = gain

    @torch.no_grad()
    def initialise(self) -> None:
        """Draw the weight and clear the bias."""
        init.normal_(self.weight, mean=0.0, std=self.gain * self.in_features**-0.5)
        if self.bias is not None:
            init.zeros_(self.bias)


class MultiHeadAttention(nn.Module):
    """Multi-head attention of queries on keys with a key mask.

    Args:
        width: C; divisible by `heads`.
        heads: number of heads.

    Raises:
        ValueError: the width is not divisible by the heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        """Build the four projections."""
        super().__init__()
        if width % heads:
            raise ValueError(f"perceiver_heads={heads}: expected a divisor of the width {width}; choose one.")
        self.heads = heads
        # Weak queries at the start (own choice, measured for C 64 to 512): all latents first read alike, so that at
        # most 3 % of H's energy tells latents apart; with a gain of 1 it is 7 to 25 %, and EM clusters latents.
        self.query, self.key = ScaledLinear(width, width, gain=0.25), ScaledLinear(width, width)
        self.value, self.output = ScaledLinear(width, width), ScaledLinear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, key_mask: Tensor) -> Tensor:
        """Attend.

        Args:
            queries: (M, I, C).
            keys: (M, J, C), also the values.
            key_mask: (M, J) bool, at least one True in every row.

        Returns:
            (M, I, C).
        """
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, queries), (self.key, keys), (self.value, keys))
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=key_mask[:, None, None, :])
        return self.output(mixed.transpose(1, 2).flatten(2))


class PerceiverBlock(nn.Module):
    """One pre-norm block: attention of the tokens (or of the latents, "cross"), then an MLP.

    Args:
        width: C.
        heads: attention heads.
        mlp_width: hidden width of the MLP.
        cross: Flamingo's resampler (latents attend to [frames; latents]) instead of self-attention over all tokens.
    """

    def __init__(self, width: int, heads: int, mlp_width: int, cross: bool) -> None:
        """Build the block."""
        super().__init__()
        self.cross = cross
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.mlp_in, self.mlp_out = ScaledLinear(width, mlp_width), ScaledLinear(mlp_width, width)

    def forward(self, latents: Tensor, frames: Tensor, key_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Update the latents (and, with self-attention, the frames).

        Args:
            latents: (M, Q, C).
            frames: (M, T, C).
            key_mask: (M, Q + T) bool.

        Returns:
            Latents (M, Q, C) and frames (M, T, C).
        """
        count = latents.shape[1]
        tokens = torch.cat([latents, frames], dim=1)
        normed = self.attention_norm(tokens)
        queries = normed[:, :count] if self.cross else normed
        changed = (latents if self.cross else tokens) + self.attention(queries, normed, key_mask)
        changed = changed + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(changed))))
        return (changed, frames) if self.cross else (changed[:, :count], changed[:, count:])


class Perceiver(nn.Module):
    """Q learned latents read T frame embeddings (section 3.2; layout after AutoAD, Uni-AD and Flamingo).

    LayerNorm on the frames, learned temporal positions, `perceiver_depth` blocks, final LayerNorm. Latents and
    positions start small (standard deviation 0.02): with N(0, 1) latents EM would cluster latents, not clips.

    Args:
        config: fields `perceiver_*`, `num_frames`, `num_prompt_vectors` and `joint_size`.
    """

    def __init__(self, config: Any) -> None:
        """Build latents, positions and blocks."""
        super().__init__()
        width = config.joint_size
        heads = config.perceiver_heads or max(1, width // 64)
        self.std = config.perceiver_init_std
        self.latents = nn.Parameter(torch.empty(config.num_prompt_vectors, width))
        self.positions = nn.Parameter(torch.empty(config.num_frames, width))
        self.frame_norm, self.final_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        mlp_width = int(width * config.perceiver_mlp_ratio)
        cross = config.perceiver_type == "cross"
        self.blocks = nn.ModuleList(
            PerceiverBlock(width, heads, mlp_width, cross) for _ in range(config.perceiver_depth)
        )

    @torch.no_grad()
    def initialise(self) -> None:
        """Draw latents and positions from N(0, `perceiver_init_std` squared)."""
        init.normal_(self.latents, mean=0.0, std=self.std)
        init.normal_(self.positions, mean=0.0, std=self.std)

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """Read clips.

        Args:
            frames: (M, T, C) frame embeddings as produced, not normalised.
            frame_mask: (M, T) bool, False where no frame exists; what stands there has no influence.

        Returns:
            H (M, Q, C), every vector of length about sqrt(C); a clip without frames gives the latents' own vectors.

        Raises:
            ValueError: more frames than learned positions.
        """
        count = frames.shape[1]
        if count > len(self.positions):
            raise ValueError(
                f"{count} frames a clip: expected at most num_frames={len(self.positions)}; sample fewer or retrain."
            )
        frames = torch.where(frame_mask.unsqueeze(-1), frames, 0.0).to(self.latents.dtype)
        frames = self.frame_norm(frames) + self.positions[:count]
        latents = self.latents.expand(len(frames), -1, -1)
        # Latents are keys as well, so no row is without a key and nothing can become NaN.
        key_mask = torch.cat([frame_mask.new_ones(len(frames), latents.shape[1]), frame_mask], dim=1)
        for block in self.blocks:
            latents, frames = block(latents, frames, key_mask)
        return self.final_norm(latents)


__all__ = ["MultiHeadAttention", "Perceiver", "PerceiverBlock", "ScaledLinear"]
