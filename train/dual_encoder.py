"""A CLIP with any vision tower of transformers: what Stage I adapts where it is not OpenAI's.

OpenAI's CLIP came with residual networks too, but transformers' CLIPModel knows only its transformers. A folder of ours
holds two plain ones: the vision tower, whose pooled output IS the joint embedding, and below it `text/`, a
CLIPTextModelWithProjection. Each loads by transformers' own classes, without this code.
"""

from __future__ import annotations

from pathlib import Path
from types import MethodType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, CLIPModel, CLIPTextModelWithProjection

from modeling_distinctad.towers_distinctad import require_all_weights

TEXT = "text"


class DualEncoder(nn.Module):
    """Two towers with the attributes that this project uses of a CLIPModel.

    Args:
        vision: a tower whose `pooler_output` has `projection_dim` values an image.
        text: the text half; its `config.logit_scale_init_value` is the logarithm of the scale.
    """

    def __init__(self, vision: Any, text: CLIPTextModelWithProjection) -> None:
        super().__init__()
        self.vision_model, self.text = vision, text
        self.visual_projection = nn.Identity()
        self.logit_scale = nn.Parameter(torch.tensor(float(text.config.logit_scale_init_value)))
        self.config = SimpleNamespace(
            vision_config=vision.config, text_config=text.config, projection_dim=text.config.projection_dim
        )

    @property
    def text_model(self) -> Any:
        """The text tower without its projection."""
        return self.text.text_model

    @property
    def text_projection(self) -> Any:
        """Linear layer from the text tower to the joint space."""
        return self.text.text_projection

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes both towers, the scale in the text tower's configuration."""
        self.text.config.logit_scale_init_value = float(self.logit_scale.detach())
        self.vision_model.save_pretrained(folder)
        self.text.save_pretrained(Path(folder) / TEXT)


def is_dual_encoder(folder: str | Path) -> bool:
    """Whether `DualEncoder.save_pretrained` wrote the folder."""
    return (Path(folder) / TEXT / "config.json").is_file()


def load_clip(folder: str | Path, attention: str = "eager") -> Any:
    """A CLIPModel (Hub id or folder) or a DualEncoder (folder), in float32.

    Args:
        folder: where it lies.
        attention: kernel of the transformer halves: eager | sdpa.

    Raises:
        ValueError: weights are missing, or it is neither of the two.
    """
    kernel = {"attn_implementation": attention}
    if is_dual_encoder(folder):
        text = _whole(CLIPTextModelWithProjection, Path(folder) / TEXT, **kernel)
        return DualEncoder(_whole(AutoModel, folder), text)
    kind = AutoConfig.from_pretrained(folder).model_type
    if kind != "clip":
        raise ValueError(
            f"{folder} is a {kind}; expected a CLIP, or a vision tower with its text half in {TEXT}/; give that folder"
        )
    return _whole(CLIPModel, folder, **kernel)


def _whole(loader: Any, folder: str | Path, **more: Any) -> Any:
    """A model in float32, of which no weight is missing."""
    model, about = loader.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, **more)
    require_all_weights(about["missing_keys"], str(folder))
    return model


def pooled_images(clip: Any, pixel_values: Tensor) -> Tensor:
    """Joint embeddings (M, C) of images (M, 3, H, W), projected, not normalised.

    Channels last: a convolutional tower trains half again as fast on a CPU so; its values are the same.
    """
    pixel_values = pixel_values.contiguous(memory_format=torch.channels_last)
    return clip.visual_projection(clip.vision_model(pixel_values=pixel_values).pooler_output.flatten(1))


def freeze_statistics(module: nn.Module) -> None:
    """Puts batch norms into eval mode: with running statistics an image's embedding does not hang on its batch."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()


def _by_product(patches: nn.Conv2d, pixel_values: Tensor) -> Tensor:
    """What the convolution gives, (M, D, H / h, W / w) of images (M, 3, H, W), as one product over whole patches."""
    (height, width), (rows, columns) = patches.kernel_size, pixel_values.shape[-2:]
    rows, columns = rows // height, columns // width
    cut = pixel_values[..., : rows * height, : columns * width].unflatten(-1, (columns, width))
    cut = cut.unflatten(-3, (rows, height)).permute(0, 2, 4, 1, 3, 5).flatten(3)
    return functional.linear(cut, patches.weight.flatten(1), patches.bias).permute(0, 3, 1, 2)


def compile_layers(tower: nn.Module) -> int:
    """Compiles a vision transformer's layers, each by itself; all share the code, so it takes seconds.

    Its patches are embedded by a product: cuDNN has no quick convolution of three channels in bfloat16, so that they
    took 7 % of a step. benchmarks/vit_step.py measures both (docs/accelerator.json); on a CPU it is not worth it.

    Args:
        tower: changed in place; its weights keep their names.

    Returns:
        How many layers.

    Raises:
        ValueError: it has none.
    """
    stacks = [part.layers for part in tower.modules() if isinstance(getattr(part, "layers", None), nn.ModuleList)]
    if not stacks:
        raise ValueError(f"{type(tower).__name__} has no transformer layers to compile; set compile_layers to False")
    for part in tower.modules():
        if isinstance(part, nn.Conv2d) and (part.kernel_size, part.padding, part.groups) == (part.stride, (0, 0), 1):
            part.forward = MethodType(_by_product, part)  # type: ignore[method-assign]
    for layer in stacks[0]:
        layer.compile(dynamic=False)
    return len(stacks[0])
