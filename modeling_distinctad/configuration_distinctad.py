"""Every choice of the model as one flat configuration; axis letters as in the class docstring."""

from __future__ import annotations

import math
import os
from numbers import Integral, Real
from typing import Any, ClassVar

from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

_CHOICES: dict[str, tuple[str, ...]] = {
    "perceiver_type": ("self", "cross"),
    "context_mixer": ("em", "attention", "residual", "attention_residual", "none"),
    "em_similarity": ("centred_cosine", "dot", "cosine"),
    "em_center": ("window", "latent"),
    "em_bases_norm": ("unit", "none"),
    "em_bases_init": ("window", "random", "parameter", "ema_buffer"),
    "em_gradient": ("none", "last", "all"),
    "dist_loss": ("masked", "bag"),
    "dist_normalisation": ("shared", "own"),
    "face_tokens": ("min_characters", "always", "never"),
    "frame_fit": ("crop", "pad", "squash"),
}

# Least value, greatest value and kind of every number.
_RANGES: dict[str, tuple[float, float, type]] = {
    **dict.fromkeys(
        ("num_frames", "num_prompt_vectors", "window_size", "perceiver_depth", "perceiver_heads", "em_num_bases",
         "em_rounds", "decode_num_beams", "decode_max_new_tokens", "vision_chunk_size", "format_version"),
        (1, math.inf, Integral),
    ),
    **dict.fromkeys(("face_min_characters", "decode_no_repeat_ngram_size"), (0, math.inf, Integral)),
    "em_seed": (-math.inf, math.inf, Integral),
    **dict.fromkeys(("alpha", "beta", "decode_length_penalty"), (-math.inf, math.inf, Real)),
    **dict.fromkeys(
        ("perceiver_init_std", "perceiver_mlp_ratio", "em_tau", "em_min_mass", "lambda_dist",
         "decode_repetition_penalty", "decode_contrast", "initializer_range"),
        (0, math.inf, Real),
    ),
    "em_momentum": (0, 1, Real),
}  # fmt: skip
_NOT_0 = ("perceiver_mlp_ratio", "em_tau", "decode_repetition_penalty")

_EM_PRESETS: dict[str, dict[str, Any]] = {
    "default": {
        "em_similarity": "centred_cosine", "em_center": "window", "em_tau": 0.1, "em_bases_norm": "unit",
        "em_bases_init": "window", "em_gradient": "none", "em_rounds": 3,
    },
    "paper_literal": {
        "em_similarity": "dot", "em_center": "window", "em_tau": 1.0, "em_bases_norm": "none",
        "em_bases_init": "random", "em_gradient": "none", "em_rounds": 3,
    },
    "emcl": {
        "em_similarity": "dot", "em_center": "window", "em_tau": 1.0, "em_bases_norm": "unit",
        "em_bases_init": "ema_buffer", "em_gradient": "none", "em_rounds": 9,
    },
}  # fmt: skip


class DistinctADConfig(PreTrainedConfig):
    """Configuration of `DistinctADForConditionalGeneration`.

    Letters: N clips in a window, T frames a clip, Q prompt vectors a clip, K bases, C joint width, D language width.

    Attributes:
        vision_config: configuration of any vision tower (CLIP's vision half with its projection by default).
        text_config: configuration of any causal language model (GPT-2 by default).
        num_frames: T, frames sampled from a clip (also the number of learned temporal positions).
        num_prompt_vectors: Q, the paper's T'; 10 with GPT-2, 30 with LLaMA.
        window_size: N, clips in a window; the model itself takes any N.
        perceiver_type: "self" (self-attention over [latents; frames]) or "cross" (Flamingo's resampler).
        perceiver_depth: blocks.
        perceiver_heads: heads; None means C / 64, at least 1.
        perceiver_mlp_ratio: hidden width of the MLP over C.
        perceiver_init_std: standard deviation of latents and temporal positions at initialisation.
        context_mixer: "em" (the paper), "attention", "residual" or "attention_residual" (controls beyond the paper;
            the EM branches are added to them where alpha or beta is not 0) or "none" (every clip on its own, alpha
            and beta unused).
        alpha: weight of the reconstruction H^ (equation 10).
        beta: weight of the cross-attention H~ (equation 10); 0 leaves the branch unbuilt.
        em_num_bases: K.
        em_rounds: R, rounds of E and M steps.
        em_tau: temperature; the logit is exactly similarity / em_tau.
        em_similarity: "centred_cosine", "dot" (equation 6) or "cosine".
        em_center: "window" (with centred_cosine: subtract the window's mean) or "latent" (every latent slot's mean).
        em_bases_norm: "unit" or "none" (equation 7 literally).
        em_bases_init: "window", "random", "parameter" or "ema_buffer"; the last moves only where a training loop calls
            `model.contextual_em.move_average()` after each step (train/stage2.py does).
        em_gradient: "none", "last" or "all"; "parameter" bases need "all".
        em_min_mass: a basis with less mass than this keeps its value in an M step.
        em_momentum: momentum of "ema_buffer" bases.
        em_seed: seed of "random", "parameter" and "ema_buffer" bases at initialisation.
        lambda_dist: weight of the distinctive-word loss.
        dist_loss: "masked" or "bag" (the literal double sum of equation 12).
        dist_normalisation: "shared" (both losses over the same count) or, with "masked" only, "own".
        face_tokens: when portraits enter the prompt; "never" leaves the face projection unbuilt.
        face_min_characters: least number of characters for "min_characters".
        frame_fit: how the processor fits a frame into the tower's square.
        video_token_id: placeholder id of a visual slot.
        face_token_id: placeholder id of a portrait slot.
        ad_start_token_id: placeholder id of the learned start vector.
        eos_token_id: end of an AD; None: the language model's own.
        pad_token_id: padding of generated ids; None: the language model's own, else its end token.
        decode_num_beams: beams of `generate`.
        decode_length_penalty: length penalty of `generate`.
        decode_repetition_penalty: repetition penalty of `generate`, over generated text only.
        decode_no_repeat_ngram_size: n-gram ban of `generate`, over generated text only.
        decode_max_new_tokens: most tokens of one AD.
        decode_contrast: weight of what the window's other pictures say, in the choice among a clip's beams
            (`contrast_distinctad`; own, not the paper's); 0: off.
        vision_chunk_size: images that pass the vision tower at a time.
        vision_sha256: fingerprint of the tower whose features the model was trained on, before any rounding.
        text_model_name_or_path: where the language model comes from, when it is named instead of stored.
        text_model_revision: its revision on the Hub.
        text_model_sha256: fingerprint of its weights (`weights_sha256`), checked at loading.
        text_model_stored: whether this checkpoint holds the language model's weights.
        initializer_range: spread of layers that have no rule of their own.
        format_version: version of the checkpoint's layout.
    """

    model_type = "distinctad"
    sub_configs: ClassVar[dict[str, Any]] = {"vision_config": AutoConfig, "text_config": AutoConfig}

    vision_config: Any = None
    text_config: Any = None
    num_frames: int = 8
    num_prompt_vectors: int = 10
    window_size: int = 16
    perceiver_type: str = "self"
    perceiver_depth: int = 2
    perceiver_heads: int | None = None
    perceiver_mlp_ratio: float = 4.0
    perceiver_init_std: float = 0.02
    context_mixer: str = "em"
    alpha: float = 3.0
    beta: float = 1.0
    em_num_bases: int = 32
    em_rounds: int = 3
    em_tau: float = 0.1
    em_similarity: str = "centred_cosine"
    em_center: str = "window"
    em_bases_norm: str = "unit"
    em_bases_init: str = "window"
    em_gradient: str = "none"
    em_min_mass: float = 1e-3
    em_momentum: float = 0.9
    em_seed: int = 0
    lambda_dist: float = 1.0
    dist_loss: str = "masked"
    dist_normalisation: str = "shared"
    face_tokens: str = "min_characters"
    face_min_characters: int = 3
    frame_fit: str = "crop"
    video_token_id: int | None = None
    face_token_id: int | None = None
    ad_start_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None
    decode_num_beams: int = 5
    decode_length_penalty: float = 1.0
    decode_repetition_penalty: float = 1.2
    decode_no_repeat_ngram_size: int = 3
    decode_max_new_tokens: int = 67
    decode_contrast: float = 0.0
    vision_chunk_size: int = 256
    vision_sha256: str | None = None
    text_model_name_or_path: str | None = None
    text_model_revision: str | None = None
    text_model_sha256: str | None = None
    text_model_stored: bool = True
    initializer_range: float = 0.02
    tie_word_embeddings: bool = False
    format_version: int = 1

    def __post_init__(self, **kwargs: Any) -> None:
        """Build the sub-configurations and check the choices.

        Raises:
            ValueError: a field holds a value outside its choices or range.
        """
        self.vision_config = _sub_config(self.vision_config, "clip_vision_model")
        self.text_config = _sub_config(self.text_config, "gpt2")
        super().__post_init__(**kwargs)
        self.check()

    def check(self) -> None:
        """See that every field holds what the model can be built from: one may have been set since the start.

        Raises:
            ValueError: a field holds a value outside its choices or range.
        """
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)!r}: expected one of {', '.join(allowed)}; choose one.")
        for name in _RANGES:
            self._check_number(name)
        heads = self.perceiver_heads
        if heads is not None and self.joint_size % heads:
            raise ValueError(f"perceiver_heads={heads}: expected a divisor of the width {self.joint_size}; choose one.")
        if self.dist_loss == "bag" and self.dist_normalisation == "own":
            raise ValueError(
                'dist_normalisation="own" with dist_loss="bag": the double sum has one divisor; set "shared".'
            )
        if self.em_bases_init == "parameter" and self.em_gradient != "all" and self.uses_em:
            raise ValueError(
                f'em_bases_init="parameter" with em_gradient="{self.em_gradient}": the bases would get no gradient; '
                'set em_gradient="all".'
            )
        if self.format_version > 1:
            raise ValueError(f"format_version={self.format_version}: this code reads 1; update the modeling files.")

    def _check_number(self, name: str) -> None:
        value, (low, high, kind) = getattr(self, name), _RANGES[name]
        if value is None and name == "perceiver_heads":
            return
        of_kind = isinstance(value, kind) and not isinstance(value, bool)
        if of_kind and low <= value <= high and abs(value) < math.inf and (value != 0 or name not in _NOT_0):
            return
        bounds = "above 0" if name in _NOT_0 else f"{low} or more" if high == math.inf else f"from {low} to {high}"
        bounds = "finite" if low == -math.inf else bounds
        said = "whole number" if kind is Integral else "number"
        raise ValueError(f"{name}={value!r}: expected a {said}, {bounds}; mend it.")

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Save as transformers does, after the check: a field may have been set since.

        Args:
            save_directory: the folder.
            *args: passed on to transformers.
            **kwargs: passed on to transformers.

        Raises:
            ValueError: a field holds a value outside its choices or range.
        """
        self.check()
        super().save_pretrained(save_directory, *args, **kwargs)

    def to_dict(self) -> dict[str, Any]:
        """The fields as transformers writes them, without the folders of towers: they mean nothing elsewhere."""
        fields = super().to_dict()
        for part in (fields["vision_config"] or {}, fields["text_config"] or {}):
            name = part.get("_name_or_path") or ""
            if os.path.isabs(name) or os.path.isdir(name):
                part["_name_or_path"] = ""
        return fields

    @property
    def uses_em(self) -> bool:
        """Whether contextual EM runs: a mixer other than "none" and alpha or beta not 0."""
        return self.context_mixer != "none" and (self.alpha != 0 or self.beta != 0)

    @property
    def joint_size(self) -> int:
        """C: CLIP's joint width `projection_dim` where the tower has one, else the tower's (last) hidden width."""
        tower = self.vision_config
        width = getattr(tower, "projection_dim", None) or getattr(tower, "hidden_size", None)
        return int(width if width else tower.hidden_sizes[-1])

    @property
    def language_size(self) -> int:
        """D: width of the language model's token embeddings."""
        return int(getattr(self.text_config, "word_embed_proj_dim", None) or self.text_config.hidden_size)

    @staticmethod
    def em_preset(name: str) -> dict[str, Any]:
        """Fields of a named contextual-EM setting, to be passed on as keyword arguments.

        Args:
            name: "default" (centred cosine), "paper_literal" (equations 6 and 7 as printed) or "emcl" (the paper's
                reference 26: nine rounds, unit bases, a moving-average buffer).

        Returns:
            A new dictionary of configuration fields.

        Raises:
            ValueError: no such preset.
        """
        if name not in _EM_PRESETS:
            raise ValueError(f"EM preset {name!r}: expected one of {', '.join(_EM_PRESETS)}; choose one.")
        return dict(_EM_PRESETS[name])


def _sub_config(value: dict[str, Any] | PreTrainedConfig | None, default_type: str) -> PreTrainedConfig:
    """Turn a stored dictionary into a configuration object; `SubConfigSpec` is too new for the supported range."""
    if value is None:
        return CONFIG_MAPPING[default_type]()
    if isinstance(value, dict):
        fields = dict(value)
        model_type = fields.pop("model_type", default_type)
        if model_type not in CONFIG_MAPPING:
            raise ValueError(
                f"model_type={model_type!r}: expected a tower that transformers knows; update transformers."
            )
        return CONFIG_MAPPING[model_type](**fields)
    if not isinstance(value, PreTrainedConfig):
        raise ValueError(f"{value!r} for a tower's configuration: expected a dictionary or an object; pass one.")
    return value


__all__ = ["DistinctADConfig"]
