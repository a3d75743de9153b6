"""Frames, faces, characters and texts in; the tensors of `DistinctADForConditionalGeneration.forward` out; and back.

Source: method specification, Stage II "Frames" and "Prompt"; how a picture meets the tower's square is our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from transformers import BatchFeature
from transformers.processing_utils import ProcessorMixin

from .inputs_distinctad import check_list, check_one, check_options, people_of, window_lengths, words_of
from .prompt_distinctad import Part, PromptTokenizer, Row, Slot, check_template, fill, squeeze

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    raise ImportError("numpy and Pillow hold the frames; one is missing; run `pip install numpy pillow`") from error

_CHOICES = {"face_tokens": ("min_characters", "always", "never"), "frame_fit": ("crop", "pad", "squash")}
_FIELDS = {
    "prompt_context": {"context"},
    "prompt_characters": {"characters"},
    "prompt_character": {"name", "actor", "face"},
    "prompt_describe": {"video", "ad_start"},
}


class DistinctADProcessor(ProcessorMixin):
    """Image processor and tokenizer of a DistinctAD model. Letters B, N, T, Q, C, L, F as in the model.

    Attributes:
        image_processor: the vision tower's own image processor (any that works without torchvision).
        tokenizer: the language model's fast tokenizer; the three slot tokens are added to it where it lacks them.
        num_prompt_vectors: Q, `<video>` slots a clip.
        num_frames: T.
        window_size: N of a full window, for those who cut films into windows; any N is processed.
        prompt_context: template of earlier ADs as text (Table 4c), left out for a clip without any.
        prompt_characters: template of the characters, left out for a clip without any.
        prompt_character: template of one character; text that leads to a missing actor is left out with it.
        prompt_separator: between characters.
        prompt_describe: template of the second part.
        face_tokens: "min_characters" (faces once a prompt lists `face_min_characters`: the paper), "always", "never".
        face_min_characters: see `face_tokens`.
        frame_fit: how pictures meet the tower's square: "crop" (the image processor's own way), "pad" (letterbox in
            its mean colour) or "squash" (both axes resized, nothing lost).
        person_slots: write listed characters as `<person_k>` in the ADs (see `PersonSlots`) and back in `batch_decode`.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        num_prompt_vectors: int = 10,
        num_frames: int = 8,
        window_size: int = 16,
        prompt_characters: str = "Possible characters: {characters}. ",
        prompt_character: str = "{name} played by {actor}{face}",
        prompt_separator: str = "; ",
        prompt_describe: str = "Describe {video}:{ad_start}",
        face_tokens: str = "min_characters",
        face_min_characters: int = 3,
        frame_fit: str = "crop",
        person_slots: bool = False,
        prompt_context: str = "Previous descriptions: {context} ",
        chat_template: str | None = None,
    ) -> None:
        """Check the choices and add the slot tokens to the tokenizer; the arguments are the class's attributes.

        Raises:
            ValueError: a choice that does not exist, a template with a wrong field, a slow tokenizer or one without
                an end token.
        """
        self.num_prompt_vectors = num_prompt_vectors
        self.num_frames = num_frames
        self.window_size = window_size
        self.prompt_context = prompt_context
        self.prompt_characters = prompt_characters
        self.prompt_character = prompt_character
        self.prompt_separator = prompt_separator
        self.prompt_describe = prompt_describe
        self.face_tokens = face_tokens
        self.face_min_characters = face_min_characters
        self.frame_fit = frame_fit
        self.person_slots = person_slots
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(choices)}; choose one")
        for name, fields in _FIELDS.items():
            check_template(name, getattr(self, name), fields)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self._writer = PromptTokenizer(tokenizer, person_slots)

    @property
    def token_ids(self) -> dict[str, int]:
        """The slots' ids under the names of the model's configuration: `DistinctADConfig(**processor.token_ids)`."""
        return dict(self._writer.token_ids)

    @property
    def model_input_names(self) -> list[str]:
        """Every key that `__call__` may return, in the order of `forward`."""
        return [
            "input_ids", "attention_mask", "pixel_values", "frame_features", "frame_mask", "clip_mask",
            "face_pixel_values", "face_features", "face_index", "labels", "distinctive_mask",
        ]  # fmt: skip

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels of what enters the tower."""
        cropped = getattr(self.image_processor, "do_center_crop", False)
        size = dict(self.image_processor.crop_size if cropped else self.image_processor.size)
        edge = size.get("shortest_edge")
        return int(edge or size["height"]), int(edge or size["width"])

    def __call__(
        self,
        frames: Sequence[Sequence[Any]] | None = None,
        frame_features: Any = None,
        characters: Sequence[Sequence[Sequence[Mapping[str, Any]] | None]] | None = None,
        portraits: Sequence[Sequence[Any]] | None = None,
        portrait_features: Any = None,
        texts: Sequence[Sequence[str | None]] | None = None,
        distinctive_words: Sequence[Sequence[Iterable[str]]] | None = None,
        context: Sequence[Sequence[str | None]] | None = None,
        padding_side: str | None = None,
        return_tensors: str = "pt",
    ) -> BatchFeature:
        """Make the model's inputs for B windows; a clip that is None or has no frame is all pad and masked.

        Args:
            frames: B x N clips, each up to T images (PIL or uint8 (H, W, 3); None where one is missing).
            frame_features: instead of frames: B x N arrays (T, C) or None, or one (B, N, T, C) tensor.
            characters: B x N lists of {"name", "actor" (or missing), "portrait": index or None} in the prompt's order.
            portraits: B lists of images.
            portrait_features: instead of portraits: B arrays (F, C), or one (B, F, C) tensor.
            texts: B x N ADs: training. None or a blank one takes no part in the loss.
            distinctive_words: B x N sets of words of the ADs, for L_dist.
            context: B x N texts of earlier ADs that the prompt tells, None or "" for none.
            padding_side: "left" or "right"; by default right with `texts`, else left.
            return_tensors: only "pt".

        Returns:
            input_ids, attention_mask (B, N, L) int64; clip_mask (B, N) bool; pixel_values (B, N, T, 3, H, W) or
            frame_features (B, N, T, C) float32 with frame_mask (B, N, T) bool; with portraits face_pixel_values
            (B, F, 3, H, W) or face_features (B, F, C) float32 and face_index (B, N, L) int64; with texts labels
            (B, N, L) int64, -100 on prompt and padding; with distinctive words distinctive_mask alike: numbers or 0.

        Raises:
            ValueError: inputs that contradict each other or are malformed.
        """
        check_options(return_tensors, padding_side)
        check_one("frames", frames, "frame_features", frame_features)
        check_one("portraits", portraits, "portrait_features", portrait_features)
        video = frames if frames is not None else frame_features
        given = {"frames": video, "characters": characters, "texts": texts, "distinctive_words": distinctive_words}
        counts = window_lengths(**given, context=context)
        clip_mask = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
        data: dict[str, torch.Tensor] = {}
        if video is not None:
            prepare = self.clip_pixels if frames is not None else self._clip_features
            name = "pixel_values" if frames is not None else "frame_features"
            data[name], data["frame_mask"] = _stack(video, max(counts), self.num_frames, prepare)
            clip_mask &= data["frame_mask"].any(-1)
        data["clip_mask"] = clip_mask
        lists = self._face_lists(portraits, portrait_features, len(counts))
        rows = self._rows(clip_mask, characters, texts, distinctive_words, [len(faces) for faces in lists], context)
        data.update(self._writer.stack(rows, padding_side or ("left" if texts is None else "right")))
        with_faces = any(len(faces) for faces in lists)
        if with_faces:
            data["face_pixel_values" if portraits is not None else "face_features"] = _pad_faces(lists)
        unasked = {"face_index": not with_faces, "labels": texts is None}
        unasked["distinctive_mask"] = texts is None or distinctive_words is None
        kept = [name for name in self.model_input_names if name in data and not unasked.get(name)]
        return BatchFeature({name: data[name] for name in kept})

    def frame_pixels(self, images: Sequence[Any]) -> torch.Tensor:
        """Fit, scale and normalise images.

        Args:
            images: n images, PIL or uint8 (H, W, 3), of any sizes.

        Returns:
            (n, 3, H, W) float32.

        Raises:
            ValueError: no list, or an image that is neither or has no pixels.
        """
        check_list("images", images, "images")
        if not len(images):
            return torch.zeros(0, 3, *self.image_size)
        pictures = [self._fit(_rgb(image)) for image in images]
        plain = {} if self.frame_fit == "crop" else {"do_resize": False, "do_center_crop": False}
        return self.image_processor(pictures, return_tensors="pt", **plain)["pixel_values"].float()

    def clip_pixels(self, clip: Sequence[Any]) -> torch.Tensor | None:
        """Prepare one clip's images; where some are missing the nearest stand in.

        Args:
            clip: up to T images, None where one is missing.

        Returns:
            (T, 3, H, W) float32, or None where there is not one image.

        Raises:
            ValueError: more than T images, or something that is no list or no image.
        """
        check_list("a clip", clip, "images")
        kept = [i for i, image in enumerate(clip) if image is not None]
        if not kept:
            return None
        return self.frame_pixels([clip[i] for i in kept])[_nearest(kept, len(clip), self.num_frames)]

    def batch_decode(self, ids: Any, characters: Sequence[Sequence[Sequence[str]]] | None = None, **kwargs: Any) -> Any:
        """Turn generated ids into texts, special tokens and outer blanks removed.

        Args:
            ids: (B, N, L) integers; a padded clip (all pad, or all -100) gives "". (n, L) works too.
            characters: with `person_slots` the names listed in each clip's prompt, B x N lists (n lists for (n, L)).
            **kwargs: as of the tokenizer's `batch_decode`.

        Returns:
            B lists of N strings (n strings for (n, L)).
        """
        ids = torch.as_tensor(ids)
        ids = torch.where(ids < 0, self._writer.pad_id, ids)
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False, **kwargs}
        rows = ids.flatten(0, -2).tolist()
        if self._writer.persons is None:
            flat = [text.strip() for text in self.tokenizer.batch_decode(rows, **options)]
        else:
            clips: Any = characters or ()
            listed = clips if ids.ndim == 2 else [names for window in clips for names in window]
            who = [[squeeze(name) for name in names] for names in listed or [()] * len(rows)]
            decode = self._writer.persons.decode
            flat = [decode(self.tokenizer, row, names, **options) for row, names in zip(rows, who, strict=True)]
        if ids.ndim == 2:
            return flat
        return [flat[b * ids.shape[1] : (b + 1) * ids.shape[1]] for b in range(ids.shape[0])]

    def decode(self, ids: Any, characters: Sequence[Any] | None = None, **kwargs: Any) -> Any:
        """Turn the ids of one clip into a text, as `batch_decode` does those of many.

        Args:
            ids: (L,) integers, or one; of more axes they are those of `batch_decode`, `characters` too.
            characters: with `person_slots` the names listed in the clip's prompt.
            **kwargs: as of the tokenizer's `decode`.

        Returns:
            The text.
        """
        ids = torch.as_tensor(ids)
        if ids.ndim > 1:
            return self.batch_decode(ids, characters, **kwargs)
        return self.batch_decode(ids.reshape(1, -1), None if characters is None else [characters], **kwargs)[0]

    def post_process_image_text_to_text(
        self, generated_outputs: Any, skip_special_tokens: bool = True, **kwargs: Any
    ) -> Any:
        """Turn what `generate` returned into texts: transformers' name for `decode`, whose keywords it takes."""
        return self.decode(generated_outputs, skip_special_tokens=skip_special_tokens, **kwargs)

    def _fit(self, picture: Image.Image) -> Image.Image:
        """Bring a picture to the tower's size without its image processor's crop (unless that is asked for)."""
        height, width = self.image_size
        if self.frame_fit == "crop" or picture.size == (width, height):
            return picture
        asked = getattr(self.image_processor, "resample", None)
        resample = Image.Resampling.BICUBIC if asked is None else Image.Resampling(int(asked))
        if self.frame_fit == "squash":
            return picture.resize((width, height), resample)
        scale = min(width / picture.width, height / picture.height)
        inner = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        mean = getattr(self.image_processor, "image_mean", None) or (0.0, 0.0, 0.0)
        canvas = Image.new("RGB", (width, height), tuple(round(255 * m) for m in mean))
        canvas.paste(picture.resize(inner, resample), ((width - inner[0]) // 2, (height - inner[1]) // 2))
        return canvas

    def _clip_features(self, clip: Any) -> torch.Tensor | None:
        """(T, C) of one clip's features, None where there is not one."""
        rows = torch.as_tensor(clip).float()
        if rows.ndim != 2:
            raise ValueError(f"frame features of shape {tuple(rows.shape)}; expected (T, C) a clip; reshape them")
        return rows[_nearest(list(range(len(rows))), len(rows), self.num_frames)] if len(rows) else None

    def _face_lists(self, portraits: Any, features: Any, windows: int) -> list[torch.Tensor]:
        """The faces of each window: (F, 3, H, W) or (F, C); [] without portraits."""
        given = portraits if portraits is not None else features
        if given is None:
            return []
        if len(given) != windows:
            raise ValueError(f"{len(given)} lists of portraits for {windows} windows; expected one each; add or cut")
        if portraits is not None:
            return [self.frame_pixels(images) for images in portraits]
        return [torch.as_tensor(rows).float() for rows in features]

    def _rows(
        self, clip_mask: torch.Tensor, characters: Any, texts: Any, words: Any, faces: Sequence[int], context: Any
    ) -> list[list[Row | None]]:
        """B x N rows, None for masked clips; `faces` counts the portraits of each window."""
        places = clip_mask.nonzero().tolist()
        people = people_of(characters, places)
        earlier = [squeeze(context[b][n]) if context is not None else "" for b, n in places]
        prompts = [
            self._context(said) + self._prompt(p, faces[b] if faces else 0)
            for said, p, (b, _) in zip(earlier, people, places, strict=True)
        ]
        ads = [squeeze(texts[b][n]) for b, n in places] if texts is not None else [""] * len(places)
        wanted = words_of(words, places)
        named = [[squeeze(person.get("name")) for person in clip] for clip in people]
        rows: list[list[Row | None]] = [[None] * clip_mask.shape[1] for _ in range(clip_mask.shape[0])]
        for (b, n), row in zip(places, self._writer.rows(prompts, ads, wanted, named), strict=True):
            rows[b][n] = row
        return rows

    def _context(self, said: str) -> list[Part]:
        """The part of a prompt that tells earlier ADs."""
        return fill(self.prompt_context, {"context": [said]}) if said else []

    def _prompt(self, people: Sequence[Mapping[str, Any]], faces: int) -> list[Part]:
        """Fill the templates for one clip; `faces` portraits are at hand in its window."""
        ids = self._writer.token_ids
        enough = self.face_tokens == "min_characters" and len(people) >= self.face_min_characters
        listed: list[Part] = []
        for person in people:
            name, actor, portrait = squeeze(person.get("name")), squeeze(person.get("actor")), person.get("portrait")
            if not name:
                raise ValueError(f"character {dict(person)} has no name; expected a 'name'; add it or leave them out")
            if portrait is not None and faces and not 0 <= portrait < faces:
                raise ValueError(f"{name}: portrait {portrait}; expected 0 to {faces - 1}; mend the index")
            shown = portrait is not None and faces > 0 and (enough or self.face_tokens == "always")
            face: list[Part] = [Slot(ids["face_token_id"], int(portrait))] if shown and portrait is not None else []
            listed += [self.prompt_separator] if listed else []
            listed += fill(self.prompt_character, {"name": [name], "actor": [actor] if actor else None, "face": face})
        video: list[Part] = [Slot(ids["video_token_id"])] * self.num_prompt_vectors
        second = fill(self.prompt_describe, {"video": video, "ad_start": [Slot(ids["ad_start_token_id"])]})
        return (fill(self.prompt_characters, {"characters": listed}) if listed else []) + second


def _nearest(kept: Sequence[int], length: int, num_frames: int) -> list[int]:
    """For each of T places the index, among the frames that exist, of the nearest one.

    Args:
        kept: places in the clip's own list where a frame exists, rising.
        length: length of that list, at most T; it is spread evenly over the T places.
        num_frames: T.
    """
    if length > num_frames:
        raise ValueError(f"{length} frames in a clip; expected at most {num_frames}; sample them first")
    wanted = [int((i + 0.5) * length / num_frames) for i in range(num_frames)]
    return [min(range(len(kept)), key=lambda k: abs(kept[k] - place)) for place in wanted]


def _stack(
    windows: Any, most: int, num_frames: int, prepare: Callable[[Any], torch.Tensor | None]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Prepare every clip and pad: (B, N, T, ...) float32, zero where there is none, and the mask (B, N, T) bool."""
    clips = [[None if clip is None else prepare(clip) for clip in window] for window in windows]
    shapes = {tuple(clip.shape) for window in clips for clip in window if clip is not None}
    if len(shapes) != 1:
        raise ValueError(f"clips have the shapes {sorted(shapes)}; expected one shape, one clip or more; align them")
    out = torch.zeros(len(clips), most, *next(iter(shapes)))
    mask = torch.zeros(len(clips), most, num_frames, dtype=torch.bool)
    for b, window in enumerate(clips):
        for n, clip in enumerate(window):
            if clip is not None:
                out[b, n], mask[b, n] = clip, True
    return out, mask


def _pad_faces(lists: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B, F, ...) float32 of the windows' faces, zero behind the shorter ones."""
    shape = next(faces.shape[1:] for faces in lists if len(faces))
    out = torch.zeros(len(lists), max(len(faces) for faces in lists), *shape)
    for b, faces in enumerate(lists):
        if len(faces):
            out[b, : len(faces)] = faces
    return out


def _rgb(image: Any) -> Image.Image:
    """An RGB picture of a PIL image or a uint8 array (H, W, 3)."""
    array = None if isinstance(image, Image.Image) else np.asarray(image)
    if array is not None and (array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3):
        raise ValueError(f"image of {array.dtype} {array.shape}; expected PIL or uint8 (H, W, 3); convert it")
    height, width = image.size[::-1] if array is None else array.shape[:2]
    if not height or not width:  # some roads would make a black picture of it
        raise ValueError(f"image of {width} x {height} pixels; expected 1 or more a side; leave it out")
    return image.convert("RGB") if array is None else Image.fromarray(array)


DistinctADProcessor.register_for_auto_class()
