"""DistinctAD, Stage II: a window of clips in, one distinctive audio description per clip out (section 3.2 and 3.3).

Letters: B windows, N clips, T frames, Q prompt vectors, K bases, C joint width, D language width, L tokens,
V vocabulary, F portraits of a window. Both towers are frozen; the language model stays in eval mode.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import ModelOutput
from transformers.utils import can_return_tuple

from .contextual_em_distinctad import ContextualEM, em_health_figures
from .contrast_distinctad import Found, Prompts, contrasted, joined, packed_prompts
from .generation_distinctad import by_room, generation_settings, with_penalties
from .language_loss_distinctad import call_language_model, count_items, language_loss, supervised_loss
from .mixers_distinctad import BasisCrossAttention, WindowAttention, difference_from_others
from .perceiver_distinctad import Perceiver, ScaledLinear
from .pretrained_distinctad import DistinctADPreTrainedModel
from .slots_distinctad import fill_slots
from .towers_distinctad import build_language_model, build_vision_tower

_TRUTH = ("labels", "distinctive_mask", "num_items_in_batch", "num_distinctive_in_batch")
_INNER = ("output_hidden_states", "output_attentions")


@dataclass
class DistinctADOutput(ModelOutput):
    """What `forward` returns.

    Attributes:
        loss: L_auto + lambda L_dist, float32 scalar; None without labels.
        loss_auto: L_auto.
        loss_distinctive: L_dist; None without a distinctive mask.
        logits: (B, N, L, V); None with `loss_only`.
        visual_embeds: (B, N, Q, D), 0 at padded clips.
    """

    loss: Tensor | None = None
    loss_auto: Tensor | None = None
    loss_distinctive: Tensor | None = None
    logits: Tensor | None = None
    visual_embeds: Tensor | None = None


class DistinctADForConditionalGeneration(DistinctADPreTrainedModel, GenerationMixin):
    """Frozen vision tower, Perceiver, contextual EM, projection, frozen language model.

    A plain Trainer with `compute_metrics`, or its `predict`, cannot join batches of different L: evaluate by the loss
    (`prediction_loss_only`), or pad L to a constant.

    Args:
        config: a `DistinctADConfig`.
        vision_tower: a loaded tower that fits `config.vision_config`; None builds one with random weights.
        language_model: a loaded model that fits `config.text_config`; None builds one with random weights.
    """

    def __init__(
        self,
        config: Any,
        vision_tower: nn.Module | None = None,
        language_model: nn.Module | None = None,
    ) -> None:
        """Assemble the model; loaded towers keep their weights; what `config.check` refuses is a ValueError."""
        super().__init__(config)
        config.check()  # what is given to from_pretrained is set after the configuration was made
        width, language_width = config.joint_size, config.language_size
        self.vision_tower = vision_tower if vision_tower is not None else build_vision_tower(config.vision_config)
        if language_model is None and not config.text_model_stored and torch.empty(0).is_meta:
            language_model = nn.Identity()  # inside from_pretrained, which puts the named one here afterwards
        self.language_model = language_model if language_model is not None else build_language_model(config.text_config)
        self.perceiver = Perceiver(config)
        self.contextual_em = ContextualEM(config) if config.uses_em else None
        self.cross_attention = BasisCrossAttention(width) if config.uses_em and config.beta != 0 else None
        self.window_attention = WindowAttention(config) if "attention" in config.context_mixer else None
        self.projection = ScaledLinear(width * (2 if "residual" in config.context_mixer else 1), language_width)
        self.face_projection = ScaledLinear(width, language_width) if config.face_tokens != "never" else None
        self.ad_start = nn.Parameter(torch.empty(language_width))
        self._spare_from_initialisation(vision_tower, language_model)
        self.post_init()
        self._freeze()

    def _spare_from_initialisation(self, vision_tower: nn.Module | None, language_model: nn.Module | None) -> None:
        for tower in (vision_tower, language_model):
            for module in [] if tower is None else tower.modules():
                module._is_hf_initialized = True  # type: ignore[assignment]

    # ------------------------------------------------------------------ the visual part
    def _prompt_vectors(self, frame_features: Tensor, frame_mask: Tensor | None, clip_mask: Tensor) -> Tensor:
        """H (B, N, Q, C), 0 at padded clips."""
        if frame_mask is None:
            frame_mask = torch.ones(frame_features.shape[:-1], dtype=torch.bool, device=frame_features.device)
        frame_mask = frame_mask.bool() & clip_mask.unsqueeze(-1)
        vectors = self.perceiver(frame_features.flatten(0, 1), frame_mask.flatten(0, 1))
        return torch.where(clip_mask[..., None, None], vectors.unflatten(0, clip_mask.shape), 0.0)

    def encode_window(
        self, frame_features: Tensor, frame_mask: Tensor | None = None, clip_mask: Tensor | None = None
    ) -> Tensor:
        """Turn the frames of windows into visual tokens: Proj(H + alpha H^ + beta H~) (equation 10).

        Args:
            frame_features: (B, N, T, C) un-normalised frame embeddings.
            frame_mask: (B, N, T) bool; None: every frame exists.
            clip_mask: (B, N) bool; None: every clip exists.

        Returns:
            (B, N, Q, D), 0 at padded clips.
        """
        clip_mask = _clip_mask(clip_mask, frame_features.shape[:2], frame_features.device)
        vectors = self._prompt_vectors(frame_features, frame_mask, clip_mask)
        mixed = vectors if self.window_attention is None else self.window_attention(vectors, clip_mask)
        if self.contextual_em is not None:
            found = self.contextual_em(vectors, clip_mask)
            mixed = mixed + self.config.alpha * found.reconstruction
            if self.cross_attention is not None:
                attended = self.cross_attention(vectors, found.bases, found.basis_mask)
                mixed = mixed + self.config.beta * attended
        if "residual" in self.config.context_mixer:
            mixed = torch.cat([mixed, difference_from_others(vectors, clip_mask)], dim=-1)
        return torch.where(clip_mask[..., None, None], self.projection(mixed), 0.0)

    @torch.no_grad()
    def em_health(
        self, frame_features: Tensor, frame_mask: Tensor | None = None, clip_mask: Tensor | None = None
    ) -> dict[str, float]:
        """Health figures of contextual EM on given windows; see `em_health_figures`.

        Args:
            frame_features: (B, N, T, C).
            frame_mask: (B, N, T) bool or None.
            clip_mask: (B, N) bool or None.

        Returns:
            `used_bases`, `entropy`, `kept_between_clips`, `contrast`, `latent_share`; empty where EM does not run.
        """
        if self.contextual_em is None:
            return {}
        clip_mask = _clip_mask(clip_mask, frame_features.shape[:2], frame_features.device)
        vectors = self._prompt_vectors(frame_features, frame_mask, clip_mask)
        with self._bases_at_rest():
            found = self.contextual_em(vectors, clip_mask)
        return em_health_figures(vectors, found, clip_mask, self.config.alpha)

    @contextlib.contextmanager
    def _bases_at_rest(self) -> Iterator[None]:
        """Inside, contextual EM only looks: what passes does not feed the moving average of its bases."""
        em = self.contextual_em
        was_training = em is not None and em.training
        if em is not None:
            em.eval()
        try:
            yield
        finally:
            if em is not None:
                em.train(was_training)

    # ------------------------------------------------------------------ prompt, forward, generate
    def _prompt(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        pixel_values: Tensor | None,
        frame_features: Tensor | None,
        frame_mask: Tensor | None,
        clip_mask: Tensor | None,
        face_pixel_values: Tensor | None,
        face_features: Tensor | None,
        face_index: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Embedded prompts (B*N, L, D), their mask (B*N, L) bool, the clip mask and the visual tokens."""
        features = frame_features if pixel_values is None else self.encode_frames(pixel_values)
        if features is None or (pixel_values is not None and frame_features is not None):
            raise ValueError("pixel_values and frame_features: expected exactly one of them; pass one.")
        if face_features is None and face_pixel_values is not None:
            face_features = self.encode_frames(face_pixel_values)
        clip_mask = _clip_mask(clip_mask, input_ids.shape[:2], input_ids.device)
        visual = self.encode_window(features, frame_mask, clip_mask)
        faces = None
        if self.face_projection is not None:
            if face_features is None:  # DDP wants every parameter in the graph
                face_features = visual.new_zeros(len(visual), 0, self.config.joint_size)
            faces = self.face_projection(face_features.to(self.face_projection.weight.dtype))
            visual = visual + faces[:, :0].sum()
        embeds, mask = fill_slots(
            self.config, self.get_input_embeddings(), self.ad_start, input_ids, attention_mask, clip_mask, visual,
            faces, face_index,
        )  # fmt: skip
        if mask.shape[1] > (self._positions or mask.shape[1]):
            self._require_room(int(mask.sum(dim=-1).max()), "a prompt with its text has")
        return embeds, mask, clip_mask, visual

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        frame_features: Tensor | None = None,
        frame_mask: Tensor | None = None,
        clip_mask: Tensor | None = None,
        face_pixel_values: Tensor | None = None,
        face_features: Tensor | None = None,
        face_index: Tensor | None = None,
        labels: Tensor | None = None,
        distinctive_mask: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        num_distinctive_in_batch: Tensor | int | None = None,
        loss_only: bool = False,
        language_chunk: int = 0,
        **kwargs: Any,
    ) -> DistinctADOutput:
        """Score the descriptions of windows; one forward of the language model over all B*N clips.

        Args:
            input_ids: (B, N, L) long; placeholder ids at visual, portrait and start slots.
            attention_mask: (B, N, L); either padding side.
            pixel_values: (B, N, T, 3, H, W), or instead
            frame_features: (B, N, T, C), un-normalised.
            frame_mask: (B, N, T) bool, False where no frame exists.
            clip_mask: (B, N) bool, False at padded clips.
            face_pixel_values: (B, F, 3, H, W), or instead
            face_features: (B, F, C), un-normalised portrait embeddings.
            face_index: (B, N, L) long, the portrait of a portrait slot, else -1.
            labels: (B, N, L) long, -100 where nothing is supervised.
            distinctive_mask: (B, N, L) bool, or long word numbers (0: none; they part neighbouring words for "bag").
            num_items_in_batch: supervised tokens of the global batch; divides both losses.
            num_distinctive_in_batch: its distinctive tokens; divides L_dist where `dist_normalisation` is "own".
            loss_only: with labels, compute logits only where they are supervised, and return none.
            language_chunk: with `loss_only`, clips that the language model holds activations of at a time; 0: all.
            **kwargs: passed on to the language model; `return_dict=False` (or the configuration's) gives a tuple.

        Returns:
            Losses, logits (B, N, L, V), visual tokens (B, N, Q, D). Contradicting inputs, inner states: a ValueError.
        """
        self._refuse_inner_states(kwargs)
        self._hold_frozen_parts()
        windows = (input_ids, attention_mask, pixel_values, frame_features, frame_mask, clip_mask)
        embeds, mask, clip_mask, visual = self._prompt(*windows, face_pixel_values, face_features, face_index)
        logits = loss = auto = told = None
        if labels is None or not loss_only:
            logits = call_language_model(self.language_model, embeds, mask, **kwargs)
        if labels is not None:
            labels = labels.masked_fill(~clip_mask.unsqueeze(-1), -100).flatten(0, 1)
            marks = self._distinctive_marks(distinctive_mask)
            scored = (labels, marks, count_items(labels, marks, num_items_in_batch, num_distinctive_in_batch))
            if logits is not None:
                loss, auto, told = language_loss(self.config, logits, *scored)
            else:
                parts = (self.config, self.language_model, embeds, mask)
                loss, auto, told = supervised_loss(*parts, *scored, language_chunk)
        shaped = None if logits is None else logits.unflatten(0, input_ids.shape[:2])
        return DistinctADOutput(loss, auto, told, shaped, visual)  # at once: what is set first is first in the tuple

    def _refuse_inner_states(self, kwargs: dict[str, Any]) -> None:
        """Take what asks for the language model's inner states out of the arguments; they are not handed out."""
        for name in _INNER:
            asked = kwargs.pop(name, None)
            if getattr(self.config, name, False) if asked is None else asked:
                raise ValueError(
                    f"{name} is True; expected False, the output holds losses, logits and visual tokens; leave it out "
                    "and hook into model.language_model."
                )

    def _distinctive_marks(self, distinctive_mask: Tensor | None) -> Tensor | None:
        """The mask as (B*N, L); training with a weight on L_dist needs one."""
        weight = self.config.lambda_dist
        if distinctive_mask is None and self.training and weight != 0:
            raise ValueError(f"distinctive_mask is missing with lambda_dist={weight}; pass it or set lambda_dist=0.")
        return None if distinctive_mask is None else distinctive_mask.flatten(0, 1)

    @torch.no_grad()
    def generate(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        frame_features: Tensor | None = None,
        frame_mask: Tensor | None = None,
        clip_mask: Tensor | None = None,
        face_pixel_values: Tensor | None = None,
        face_features: Tensor | None = None,
        face_index: Tensor | None = None,
        describe_mask: Tensor | None = None,
        **generation: Any,
    ) -> Tensor:
        """Describe every clip; the visual part runs once, then ONE `generate` of the language model over all clips.

        The language model sees embeddings and a mask only, so that repetition penalty and n-gram ban concern
        generated text, never the prompt's names. Inputs as in `forward`; prompts end with the start slot.

        Args:
            input_ids: (B, N, L) long; either padding side (packed to the left here).
            attention_mask: (B, N, L).
            pixel_values: (B, N, T, 3, H, W), or
            frame_features: (B, N, T, C).
            frame_mask: (B, N, T) bool.
            clip_mask: (B, N) bool.
            face_pixel_values: (B, F, 3, H, W), or
            face_features: (B, F, C).
            face_index: (B, N, L) long.
            describe_mask: (B, N) bool, False for clips that lend context only and get no text; None: all get one.
            **generation: settings of transformers' `generate`, and `contrast` (see `search`), before those of a
                `generation_config`, before what was set in the model's; the configuration's `decode_*` are the
                defaults. `max_length` counts the longest prompt too. `labels`, `distinctive_mask` and the batch's
                counts are let pass and never read: truth has no way in.

        Returns:
            (B, N, L_new) long, only new tokens; clips that are padded or not asked for are all padding.

        Raises:
            ValueError: inputs contradict each other, several sequences a clip are asked for, or a prompt leaves no
                room.
        """
        self._hold_frozen_parts(checkpointed=False)
        with self._bases_at_rest(), self._own_weights():
            embeds, mask, clip_mask, visual = self._prompt(
                input_ids, attention_mask, pixel_values, frame_features, frame_mask, clip_mask, face_pixel_values,
                face_features, face_index,
            )  # fmt: skip
        given = {name: value for name, value in generation.items() if name not in _TRUTH}
        settings = generation_settings(self.config, self.generation_config, given)
        asked = clip_mask if describe_mask is None else clip_mask & describe_mask.bool()
        if not asked.any():
            return input_ids.new_full((*input_ids.shape[:2], 1), settings["pad_token_id"])
        slots = input_ids == self.config.video_token_id
        prompts = packed_prompts(embeds, mask, slots, asked, visual, clip_mask)
        new = self.search(prompts, settings).ids[:, 0]
        ids = new.new_full((*asked.shape, new.shape[-1]), settings["pad_token_id"])
        ids[asked] = new
        return ids

    def search(self, prompts: Prompts, settings: dict[str, Any], keep: int = 1) -> Found:
        """Search texts for prompts: ONE `generate` of the language model (see `by_room`), then the contrast, if any.

        Args:
            prompts: M clips.
            settings: of `generation_settings`: those of transformers, and "contrast", the weight of what the
                window's other pictures say (`contrast_distinctad`); 0, or a search without beams: the search's order.
            keep: texts a clip; never more than the search has beams.

        Returns:
            The best `keep` texts of every clip.
        """
        lengths = prompts.mask.sum(dim=-1)
        self._require_room(int(lengths.max()) + 1, "a prompt with one new token has")
        parts = by_room(settings, lengths, self._positions)
        if len(parts) == 1:  # nearly always: no prompt need be copied
            return self._search(prompts, parts[0][1], keep)
        found = [self._search(prompts.of(rows), own, keep) for rows, own in parts]
        return joined(found, [rows for rows, _ in parts], settings["pad_token_id"])

    def _search(self, prompts: Prompts, settings: dict[str, Any], keep: int) -> Found:
        """Search texts for clips that share their bound of new tokens."""
        contrast, beams = settings.pop("contrast", 0.0), settings["num_beams"]
        most = beams if contrast else min(keep, beams)
        if most > 1:
            settings |= {"num_return_sequences": most, "return_dict_in_generate": True, "output_scores": True}
        inputs = {"inputs_embeds": prompts.embeds, "attention_mask": prompts.mask.long()}
        out = self.language_model.generate(**inputs, **with_penalties(settings))
        if most == 1:
            return Found(out.unsqueeze(1), None)
        found = Found(out.sequences.unflatten(0, (-1, most)), out.sequences_scores.unflatten(0, (-1, most)))
        if contrast:
            penalty, end = settings.get("length_penalty", 1.0), settings["eos_token_id"]
            found = contrasted(self.language_model, prompts, found, contrast, penalty, end)
        return Found(found.ids[:, :keep], None if found.scores is None else found.scores[:, :keep])

    @property
    def _positions(self) -> int | None:
        """How many positions the language model knows; None: it does not say."""
        return getattr(self.config.text_config, "max_position_embeddings", None)

    def _require_room(self, length: int, what: str) -> None:
        """Refuse more tokens than positions: an embedding's own error names neither."""
        if self._positions and length > self._positions:
            raise ValueError(
                f"{what} {length} tokens and the language model {self._positions} positions; expected no more; list "
                "fewer people or fewer contextual ADs."
            )


def _clip_mask(clip_mask: Tensor | None, shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.ones(*shape, dtype=torch.bool, device=device) if clip_mask is None else clip_mask.bool().to(device)


DistinctADForConditionalGeneration.register_for_auto_class("AutoModel")

__all__ = ["DistinctADForConditionalGeneration", "DistinctADOutput", "DistinctADPreTrainedModel"]
