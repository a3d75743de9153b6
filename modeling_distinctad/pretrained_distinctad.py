"""What every DistinctAD model shares: initialisation, frozen towers, assembling, saving and loading."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import logging

from .configuration_distinctad import DistinctADConfig
from .perceiver_distinctad import Perceiver, ScaledLinear
from .towers_distinctad import embed_images, load_language, load_vision, require_all_weights, weights_sha256

# For no type: transformers saves the files that a model's files import, so this line keeps a saved model its pipeline.
if TYPE_CHECKING:
    from .pipeline_distinctad import DistinctADPipeline  # noqa: F401

logger = logging.get_logger(__name__)
# Keywords of `from_pretrained` that say how to fetch a model and run its attention.
_FETCHING = ("token", "cache_dir", "local_files_only", "force_download", "proxies", "attn_implementation")
_WRAPPED = (".lora_", ".base_layer.", "_orig_mod.")  # in names of weights: peft's adapters, what they left, a compiler
_TOWERS = ("vision_tower", "language_model")
_MODEL = "modeling_distinctad.DistinctADForConditionalGeneration"
AUTO_MAP = {
    "AutoConfig": "configuration_distinctad.DistinctADConfig",
    "AutoModel": _MODEL,
    "AutoModelForImageTextToText": _MODEL,
}


class DistinctADPreTrainedModel(PreTrainedModel):
    """Base class: `vision_tower` and `language_model` are frozen, everything else trains."""

    config_class = DistinctADConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _keep_in_fp32_modules_strict = ["contextual_em"]

    vision_tower: Any
    language_model: Any
    perceiver: Perceiver
    projection: ScaledLinear
    face_projection: ScaledLinear | None
    ad_start: nn.Parameter
    encode_window: Callable[..., Tensor]
    _named_sha256: str | None = None  # of the language model as loaded here, in bfloat16: a cast changes nothing

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        start = getattr(module, "initialise", None)
        if callable(start):  # the package's own modules know how they start
            start()
        if module is self:
            init.normal_(self.ad_start, mean=0.0, std=self.config.initializer_range)

    # ------------------------------------------------------------------ the frozen parts
    def train(self, mode: bool = True) -> DistinctADPreTrainedModel:
        """Set training mode for the trained parts only; the towers stay in eval mode (GPT-2 has dropout)."""
        super().train(mode)
        self._hold_frozen_parts()
        return self

    def _freeze(self) -> None:
        self.vision_tower.requires_grad_(False)
        self.language_model.requires_grad_(False)
        self._hold_frozen_parts()

    def _hold_frozen_parts(self, checkpointed: bool = True) -> None:
        """Towers into eval mode; layers that shall be checkpointed train, which costs them their cache of keys."""
        self.vision_tower.eval()
        self.language_model.eval()
        if self.training and checkpointed:
            for module in self.language_model.modules():
                # transformers checkpoints a layer only while it trains; its children, dropout included, stay in eval.
                if isinstance(module, GradientCheckpointingLayer) and module.gradient_checkpointing:
                    module.training = True

    @contextlib.contextmanager
    def _own_weights(self) -> Iterator[None]:
        """Inside, `ad_start` lies where it is computed: accelerate fetches offloaded weights in `forward` only."""
        hook = getattr(self, "_hf_hook", None)
        if hook is not None:
            hook.pre_forward(self)
        try:
            yield
        finally:
            if hook is not None:
                hook.post_forward(self, None)

    def trainable_parameter_names(self) -> list[str]:
        """Names of the parameters that train: all but the towers' (adapters added to the language model included)."""
        return [name for name, parameter in self.named_parameters() if parameter.requires_grad]

    def get_input_embeddings(self) -> Any:
        """Token embeddings of the language model; None where a named one is still to be loaded (quantisers ask)."""
        return None if isinstance(self.language_model, nn.Identity) else self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the token embeddings of the language model."""
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module | None:
        """Output layer of the language model; None as above."""
        return None if isinstance(self.language_model, nn.Identity) else self.language_model.get_output_embeddings()

    def set_output_embeddings(self, value: nn.Module) -> None:
        """Replace the output layer of the language model."""
        self.language_model.set_output_embeddings(value)

    @torch.no_grad()
    def encode_frames(self, pixel_values: Tensor) -> Tensor:
        """Embed images (frames or portraits) with the frozen tower, `vision_chunk_size` at a time.

        Args:
            pixel_values: (B, N, T, 3, H, W) or any (..., 3, H, W), as the image processor made them.

        Returns:
            (B, N, T, C), or (..., C), joint embeddings as produced, not normalised.
        """
        leading = pixel_values.shape[:-3]
        if pixel_values.numel() == 0:
            return pixel_values.new_zeros(*leading, self.config.joint_size, device=self.device)
        images = pixel_values.reshape(-1, *pixel_values.shape[-3:])
        weight = next(self.vision_tower.parameters())
        device = images.device if weight.is_meta else weight.device  # meta: accelerate has put the weights elsewhere
        images = images.to(device=device, dtype=weight.dtype)
        chunks = images.split(self.config.vision_chunk_size)
        return torch.cat([embed_images(self.vision_tower, chunk) for chunk in chunks]).reshape(*leading, -1)

    # ------------------------------------------------------------------ assembling
    @classmethod
    def from_towers(
        cls,
        vision: str | nn.Module,
        language: str | nn.Module,
        dtype: torch.dtype | str = torch.float32,
        **config: Any,
    ) -> DistinctADPreTrainedModel:
        """Assemble a model from pretrained towers; its own parts start at random (seed torch before the call).

        Args:
            vision: Hub id, folder or module of a vision tower; of a full CLIP the vision half with projection.
            language: Hub id, folder or module of a causal language model.
            dtype: of towers that are loaded here; the trained parts are float32, in which `from_pretrained` loads a
                saved model whole, towers too, unless it is told a dtype.
            **config: fields of `DistinctADConfig`; `text_model_revision` picks a Hub revision.

        Returns:
            The model in eval mode, both projections and the start vector scaled to the language model's tokens.

        Raises:
            ValueError: weights of a tower are missing.
        """
        tower = load_vision(vision, dtype)
        model, fingerprint = load_language(language, config.get("text_model_revision"), dtype)
        if isinstance(language, str) and not os.path.isdir(language):
            config.setdefault("text_model_name_or_path", language)  # a Hub id; a local folder means nothing elsewhere
        config.setdefault("text_model_sha256", fingerprint)
        whole = cls.config_class(
            vision_config=copy.deepcopy(tower.config), text_config=copy.deepcopy(model.config), **config
        )  # of copies, as it writes into its parts; then it takes the towers' own, so that both always say the same
        whole.vision_config, whole.text_config = tower.config, model.config
        assembled = cls(whole, vision_tower=tower, language_model=model)
        if fingerprint is not None:
            assembled._named_sha256 = weights_sha256(model, torch.bfloat16)
        assembled.eval()  # before anything is measured: in training the noise would enter the bases' moving average
        assembled.scale_projections()
        return assembled

    @torch.no_grad()
    def scale_projections(self, frame_features: Tensor | None = None, face_features: Tensor | None = None) -> None:
        """Scale both projections once so that their results have the RMS of the language model's token embeddings.

        Without it visual tokens enter at 6 to 25 times the size of words (own choice). The factor is kept in the
        weights and never applied at loading. The start vector is drawn at the same RMS.

        Args:
            frame_features: (B, N, T, C) to measure with; None: standard normal draws (the Perceiver normalises them).
            face_features: (B, F, C) to measure with; None: the tower's embeddings of four noise images.
        """
        generator = torch.Generator(device="cpu").manual_seed(0)
        config, device = self.config, self.ad_start.device

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device="cpu").to(device)

        table: Any = self.get_input_embeddings()  # called, not read: Gemma scales its embeddings in `forward`
        words = table(torch.arange(len(table.weight), device=table.weight.device))
        target = words.float().square().mean().sqrt()
        if frame_features is None:
            frame_features = draw(1, config.window_size, config.num_frames, config.joint_size)
        _scale(self.projection, self.encode_window(frame_features), target)
        if self.face_projection is not None:
            if face_features is None:
                size = getattr(config.vision_config, "image_size", None)
                height, width = size if isinstance(size, (list, tuple)) else (size, size)
                noise = draw(4, 3, height, width) if height else None
                face_features = draw(4, config.joint_size) if noise is None else self.encode_frames(noise)
            faces = self.face_projection(face_features.to(self.face_projection.weight.dtype))
            _scale(self.face_projection, faces, target)
        self.ad_start.copy_(draw(config.language_size) * target)

    # ------------------------------------------------------------------ saving and loading
    def save_pretrained(  # type: ignore[override]
        self,
        save_directory: str | os.PathLike[str],
        is_main_process: bool = True,
        *,
        save_language_model: bool | None = None,
        state_dict: dict[str, Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        """Save weights, configuration and the code that loads them; with adapters by `add_adapter` these alone.

        Towers keep their dtype in the file, but the configuration records one dtype, that of the trained parts, and
        `from_pretrained` loads all in it.

        Args:
            save_directory: folder to write.
            is_main_process: False: another process writes the files.
            save_language_model: False names the language model (`config.text_model_name_or_path`, with revision and
                fingerprint) instead of storing its weights; None keeps to how this model was loaded, at first True.
            state_dict: weights to save instead of the model's.
            **kwargs: passed on to transformers.

        Raises:
            ValueError: the language model shall be named and has no name, or other weights than the named one; or it
                carries adapters, or is compiled, and the folder could not be loaded.
        """
        if getattr(self, "_hf_peft_config_loaded", False):
            super().save_pretrained(save_directory, is_main_process, state_dict, **kwargs)
            return
        config = self.config
        embeddings: Any = self.get_input_embeddings().weight
        config.text_config.vocab_size = embeddings.shape[0]  # it may have been resized
        stored = config.text_model_stored if save_language_model is None else save_language_model
        if stored:
            self._check_plain_language_model(state_dict)
        if not stored:
            if not config.text_model_name_or_path:
                raise ValueError(
                    "save_language_model=False without config.text_model_name_or_path: expected a Hub id or folder; "
                    "set it, or store the weights."
                )
            self._check_named_language_model()
            state_dict = self.state_dict() if state_dict is None else state_dict
            state_dict = {k: v for k, v in state_dict.items() if not k.startswith("language_model.")}
        before = config.text_model_stored
        config.text_model_stored = stored
        config.auto_map = {**(getattr(config, "auto_map", None) or {}), **AUTO_MAP}
        try:
            super().save_pretrained(save_directory, is_main_process, state_dict, **kwargs)
        finally:
            config.text_model_stored = before

    def _check_plain_language_model(self, written: Iterable[str] | None = None) -> None:
        """See that the folder can be loaded: nobody knows the weights of a wrapper by the names that are `written`."""
        names = self.language_model.state_dict() if written is None else written
        wrapped = [name for name in names if any(mark in name for mark in _WRAPPED)]
        if wrapped:
            raise ValueError(
                f"the language model is wrapped (`{wrapped[0]}`), so that the folder could not be loaded; expected a "
                "plain one; merge adapters (`merge_and_unload`), or save them with peft; take the `_orig_mod` of a "
                "compiled one."
            )

    def _check_named_language_model(self) -> None:
        """See that naming the language model loses nothing: adapters and resized tokens would be gone."""
        if getattr(self.language_model, "is_quantized", False):  # its own values are nobody's record
            self._check_plain_language_model()
            return
        config, found = self.config, weights_sha256(self.language_model)
        if config.text_model_sha256 is None:
            config.text_model_sha256 = found
        if found == config.text_model_sha256:
            return
        if self._named_sha256 is None or weights_sha256(self.language_model, torch.bfloat16) != self._named_sha256:
            raise ValueError(
                f"save_language_model=False: the weights of the language model are not those of "
                f"{config.text_model_name_or_path} (SHA-256 {found}, expected {config.text_model_sha256}); adapters or "
                "training changed them; store them with save_language_model=True."
            )

    @classmethod
    def from_pretrained(cls, source: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Load a model; weights that are not in the checkpoint are an error, never random numbers.

        Args:
            source: folder or Hub id.
            *args: passed on to transformers.
            **kwargs: passed on to transformers; how to fetch and run (`token`, `cache_dir`, `attn_implementation`, ...)
                holds for a named language model too.

        Returns:
            The model in eval mode (with `output_loading_info=True` a pair with the loading information).

        Raises:
            ValueError: weights are missing, the named language model is not the one that was saved, the parts that
                train were quantised, or it is a folder of adapters for a model that names its language model.
        """
        with_info = kwargs.pop("output_loading_info", False)
        loaded: Any = super().from_pretrained(source, *args, output_loading_info=True, **kwargs)
        model, info = loaded
        model._check_own_parts()
        if not model.config.text_model_stored:
            if getattr(model, "_hf_peft_config_loaded", False):  # those of the language model found nothing to adapt
                raise ValueError(
                    f"{source}: adapters for a model that names its language model; expected that model's own folder "
                    f"or Hub id; load it, then load_adapter({str(source)!r}) on it."
                )
            model._take_named_language_model({name: kwargs[name] for name in _FETCHING if name in kwargs})
        require_all_weights(info["missing_keys"], str(source))
        model._freeze()  # loading replaces parameters, and the new ones would train
        return (model, info) if with_info else model

    def _check_own_parts(self) -> None:
        """See that no quantiser took the parts that train: some take every linear layer that is not named to them.

        Raises:
            ValueError: one did.
        """
        own = [(name, p) for name, p in self.named_parameters() if name.split(".")[0] not in _TOWERS]
        taken = [name for name, p in own if not p.is_floating_point() or type(p.data) is not Tensor]
        if taken:
            parts = sorted({name.split(".")[0] for name, p in own if p.ndim == 2})
            raise ValueError(
                f"quantization_config quantises parts that train ({taken[0]}); expected the towers alone; add "
                f"modules_to_not_convert={parts} to it"
            )

    def _take_named_language_model(self, fetching: dict[str, Any]) -> None:
        if isinstance(ways := fetching.get("attn_implementation"), dict):  # one for every part; this is the text's
            fetching = {name: value for name, value in fetching.items() if name != "attn_implementation"}
            if "text_config" in ways:
                fetching["attn_implementation"] = ways["text_config"]
        config, dtype, device = self.config, self.perceiver.latents.dtype, self.perceiver.latents.device
        # Where accelerate has put the weights elsewhere (meta), its hook knows where they are computed.
        device = getattr(getattr(self.perceiver, "_hf_hook", None), "execution_device", device)
        quantisation = copy.deepcopy(getattr(config, "quantization_config", None))
        if quantisation is not None:
            fetching = {**fetching, "quantization_config": quantisation, "device_map": {"": device}}
        try:
            named, fingerprint = load_language(
                config.text_model_name_or_path, config.text_model_revision, dtype, **fetching
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"language model {config.text_model_name_or_path}: the checkpoint names it instead of storing it, and "
                f"it cannot be loaded ({str(error).splitlines()[0]}); fetch it, or put its folder at that path."
            ) from error
        if quantisation is not None:
            logger.warning(
                f"language model {config.text_model_name_or_path}: quantised while it was loaded, so its weights "
                "cannot be held against the checkpoint's record; load it once without quantisation to be sure of them."
            )
            self.language_model = named
            return
        self._named_sha256 = weights_sha256(named, torch.bfloat16)  # what a model that was given in bfloat16 recorded
        if config.text_model_sha256 not in (None, fingerprint, self._named_sha256):
            raise ValueError(
                f"language model {config.text_model_name_or_path}: its weights have SHA-256 {fingerprint}, expected "
                f"{config.text_model_sha256}; fetch the revision that the checkpoint was trained with."
            )
        self.language_model = named.to(device)
        self._share_text_config()

    def _share_text_config(self) -> None:
        """Let the configuration hold the language model's own, with what the checkpoint says of it."""
        own, recorded = self.language_model.config, self.config.text_config
        told = {name: value for name, value in vars(recorded).items() if not isinstance(value, PreTrainedConfig)}
        vars(own).update({name: value for name, value in told.items() if not name.startswith("_")})
        self.config.text_config = own


def _scale(layer: nn.Linear, results: Tensor, target: Tensor) -> None:
    factor = target / results.float().square().mean().sqrt().clamp_min(1e-12)
    layer.weight.mul_(factor)
    layer.bias.mul_(factor)


DistinctADConfig.register_for_auto_class()

__all__ = ["AUTO_MAP", "DistinctADPreTrainedModel"]
