"""The two pretrained towers: built from a configuration, loaded from a folder or the Hub, and fingerprinted."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, CLIPVisionModelWithProjection


def _clip_vision(config: Any) -> bool:
    return config.model_type == "clip_vision_model"


def build_vision_tower(config: Any) -> Any:
    """Build a vision tower with random weights from its configuration (CLIP's always with its projection)."""
    return CLIPVisionModelWithProjection(config) if _clip_vision(config) else AutoModel.from_config(config)


def build_language_model(config: Any) -> Any:
    """Build a causal language model with random weights from its configuration."""
    return AutoModelForCausalLM.from_config(config)


def embed_images(tower: Any, pixel_values: Tensor) -> Tensor:
    """Embed images with any vision tower.

    Args:
        tower: CLIP's vision half, or any model that returns `image_embeds`, `pooler_output` or `last_hidden_state`.
        pixel_values: (M, 3, H, W).

    Returns:
        (M, C): the projected embeddings as produced, not normalised; without a projection the pooled output (of a
        convolutional tower (M, C, 1, 1), flattened), without pooling the mean of the tokens.
    """
    return whole_of(tower(pixel_values=pixel_values))


def whole_of(output: Any) -> Tensor:
    """The embeddings (M, C) of whole images in a tower's output, see `embed_images`."""
    for name in ("image_embeds", "pooler_output"):
        found = getattr(output, name, None)
        if found is not None:
            return found.flatten(1)
    return output.last_hidden_state.flatten(1, -2).mean(dim=1)


def sides_of(output: Any) -> Tensor:
    """The embeddings of images' outer quarters, from the map that a convolutional tower's pooling averages.

    A pooled embedding mixes the people of a picture; the quarters at its edges each hold mostly one (own choice). They
    lie in the space of `embed_images`, and so compare with portraits.

    Args:
        output: of the tower, with `last_hidden_state` (M, C, h, w).

    Returns:
        (M, 2, C): mean over the left and over the right quarter of the map's columns (one column at least).

    Raises:
        ValueError: the tower gives no such map.
    """
    grid = output.last_hidden_state
    if grid.ndim != 4:
        raise ValueError(
            f"the tower gives {tuple(grid.shape)}; expected a map (M, C, h, w); take a convolutional tower"
        )
    columns = max(1, grid.shape[-1] // 4)
    return torch.stack([grid[..., :columns].mean((-2, -1)), grid[..., -columns:].mean((-2, -1))], dim=1)


def require_all_weights(missing: list[str] | set[str], source: str) -> None:
    """Refuse a model of which weights are missing: transformers would fill them at random and only log it.

    Raises:
        ValueError: there are missing keys.
    """
    if missing:
        names = sorted(missing)
        shown = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if names[2:] else "")  # two fit into a line
        raise ValueError(
            f"{source}: weights missing for {len(names)} tensors ({shown}); "
            "expected a complete checkpoint; save or download it again."
        )


def load_vision(source: str | nn.Module, dtype: torch.dtype | str = torch.float32) -> Any:
    """Load a vision tower: a Hub id, a folder (a full CLIP as well) or a module.

    Args:
        source: what to load; of a full CLIP the vision half with its projection is taken.
        dtype: of the loaded weights; a module keeps its own.

    Returns:
        The tower; its `config` is the vision configuration.

    Raises:
        ValueError: weights are missing, or the checkpoint is no vision tower.
    """
    if isinstance(source, nn.Module):
        return _vision_half(source)
    config = AutoConfig.from_pretrained(source)
    vision_config = getattr(config, "vision_config", None)
    if vision_config is None:
        vision_config = config
    elif _clip_vision(vision_config):
        vision_config.projection_dim = config.projection_dim  # the joint width stands in the outer configuration
    loader: Any = CLIPVisionModelWithProjection if _clip_vision(vision_config) else AutoModel
    tower, info = loader.from_pretrained(source, config=vision_config, dtype=dtype, output_loading_info=True)
    require_all_weights(info["missing_keys"], f"vision tower {source}")
    return tower


def _vision_half(module: Any) -> Any:
    """The vision half of a full CLIP module, sharing its weights; any other module as it is."""
    if not (hasattr(module, "visual_projection") and hasattr(module, "text_projection")):
        return module
    config = module.config.vision_config
    config.projection_dim = module.config.projection_dim
    with torch.device("meta"):
        half = CLIPVisionModelWithProjection(config)
    half.vision_model, half.visual_projection = module.vision_model, module.visual_projection
    return half


def load_language(
    source: str | nn.Module, revision: str | None = None, dtype: torch.dtype | str | None = None, **loading: Any
) -> tuple[Any, str | None]:
    """Load a causal language model: a Hub id, a folder or a module.

    Args:
        source: what to load.
        revision: of the Hub id.
        dtype: of the returned weights (another than the stored one costs a second reading); None keeps the stored one.
            A module and quantised weights keep their own.
        **loading: further keywords of `from_pretrained`.

    Returns:
        The model, and the fingerprint of the weights as stored (None for a module or quantised weights).

    Raises:
        ValueError: weights are missing.
    """
    if isinstance(source, nn.Module):
        return source, None
    model = _language_model(source, revision, "auto", loading)
    if getattr(model, "is_quantized", False):
        return model, None
    fingerprint = weights_sha256(model)
    if dtype not in (None, "auto", model.dtype, str(model.dtype).removeprefix("torch.")):
        del model  # two may not fit
        model = _language_model(source, revision, dtype, loading)  # `to` would round rotary frequencies as well
    return model, fingerprint


def _language_model(source: str, revision: str | None, dtype: torch.dtype | str | None, loading: dict[str, Any]) -> Any:
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        source, revision=revision or "main", dtype=dtype, output_loading_info=True, **loading
    )
    model, info = loaded
    require_all_weights(info["missing_keys"], f"language model {source}")
    return model


def weights_sha256(model: nn.Module, rounded: torch.dtype = torch.float32) -> str:
    """Fingerprint of a model: SHA-256 over names, shapes and values as float32 of all it stores, in name order.

    Float32, so that a bfloat16 file and the same weights loaded as float32 agree; tied weights count once. Stored
    buffers (a batch norm's statistics) count as parameters do.

    Args:
        model: whose weights.
        rounded: dtype that values are rounded to first; bfloat16: weights and their cast to it agree.
    """
    digest = hashlib.sha256()
    stored = model.state_dict().keys()
    buffers = [(name, buffer) for name, buffer in model.named_buffers() if name in stored]
    for name, parameter in sorted([*model.named_parameters(), *buffers], key=lambda found: found[0]):
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        values = parameter.detach().to(device="cpu", dtype=rounded).float().contiguous()
        digest.update(values.numpy().data)  # the memory itself: a copy would cost as much as the hash
    return digest.hexdigest()


__all__ = [
    "build_language_model",
    "build_vision_tower",
    "embed_images",
    "load_language",
    "load_vision",
    "require_all_weights",
    "sides_of",
    "weights_sha256",
    "whole_of",
]
