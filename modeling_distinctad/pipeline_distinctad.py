"""A film and the times of its gaps in, one audio description per gap out: the ONE place that turns a film into texts.

Use it as `transformers.pipeline(model=folder, trust_remote_code=True)` or as a class with a model and a processor.
Source: method specification, Stage II "Sequences" (test: offset 0, stride N) and the design's "Names come from
portraits".
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import torch
from transformers.dynamic_module_utils import custom_object_save
from transformers.pipelines.base import ChunkPipeline

from .film_formats_distinctad import PORTRAIT_FORMATS
from .generation_distinctad import own_settings
from .recognition_distinctad import POOLS, recognise
from .video_distinctad import end_before, frame_times, iter_clip_frames

try:
    from PIL import Image, ImageOps
except ImportError as error:
    raise ImportError("Pillow is missing; it reads the portraits; run `pip install pillow`") from error

TASK = "audio-description"
CUSTOM_PIPELINES = {TASK: {"impl": "pipeline_distinctad.DistinctADPipeline", "pt": ["AutoModel"], "tf": []}}
_OWN = ("max_people", "characters", "pool", "threshold")  # parameters of `_forward` that are not generation's


@dataclass
class _Film:
    """One call's film: what is asked, and the faces, encoded once."""

    path: str
    intervals: list[tuple[float, float]]
    cast: list[dict[str, Any]]  # {"name", "actor", "portrait": index into the faces or None}
    face_pixels: torch.Tensor | None
    face_features: torch.Tensor | None = None

    def of_faces(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """The people to whom these faces belong, in the faces' order."""
        owner = {person["portrait"]: person for person in self.cast}
        return [owner[i] for i in indices]


class DistinctADPipeline(ChunkPipeline):
    """Describes films with a `DistinctADForConditionalGeneration` and its `DistinctADProcessor`."""

    model: Any
    processor: Any
    _load_processor: Any = True
    _load_tokenizer: Any = False
    _load_image_processor: Any = False
    _load_feature_extractor: Any = False
    _load_video_processor: Any = False

    def __init__(self, model: Any, processor: Any = None, **kwargs: Any) -> None:
        """Take a model and its processor.

        Args:
            model: a `DistinctADForConditionalGeneration`; moved to the device and set to eval mode.
            processor: its `DistinctADProcessor`.
            **kwargs: `device` (default: the first accelerator, else the CPU) and the like of `transformers.Pipeline`;
                every keyword of `__call__` but the film, the intervals and the cast, as a default for all calls.

        Raises:
            ValueError: no processor, or keywords of other pipelines that this one has no use for.
        """
        if processor is None:
            raise ValueError("processor is missing; expected the model's DistinctADProcessor; pass processor=")
        kwargs.setdefault("task", TASK)
        _refuse_batching(kwargs)
        super().__init__(model=model, processor=processor, **kwargs)
        self.model.eval()

    def __call__(  # type: ignore[override]
        self,
        film: str | os.PathLike[str],
        intervals: Sequence[tuple[float, float]] | None = None,
        cast: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> list[dict[str, Any]]:
        """Describe a film.

        Frames are read in one pass and encoded once; the film is never held in memory. Windows are consecutive, of
        the processor's `window_size`, from the first interval on; the last may be shorter.

        Args:
            film: path of the video file.
            intervals: (start_s, end_s) of the clips to describe, in seconds, in any order.
            cast: {"name", and as far as known "id", "actor", "portrait": path, PIL image, uint8 array
                (H, W, 3) or None} of each person.
            **kwargs: characters: "recognised" (default: the people found in the clip by their portraits, best first;
                those without a portrait are never named) or "all" (the whole cast in its order, in every clip).
                max_people: most people recognised in a clip (3). pool, threshold: as in `recognise`.
                batch_windows: windows described at a time (1); in float32 the texts do not depend
                    on it, in half precision rounding may change one.
                frames: hook (index of the clip in time order, its frames) -> frames to use instead, None for
                missing ones. progress: called with (clips done, clips in all). Everything else goes to `generate`,
                which refuses names that it does not know.

        Returns:
            One dictionary per interval, in time order: start_s, end_s, text, characters (names offered to the
            model), window, position (in the window), frames_s (times of the frames asked for).

        Raises:
            ValueError: no film or no intervals given, a malformed one, a cast or a keyword that cannot be used; all but
                generation's are checked before the film is opened. An interval that starts at or after the film's end.
            VideoError: the film cannot be read.
        """
        if not isinstance(film, (str, os.PathLike)):
            raise ValueError(
                f"film is {_shown(film)}; expected the path of one video file; call the pipeline once for each film"
            )
        if intervals is None:
            raise ValueError("intervals is None; expected (start_s, end_s) of the gaps to describe; pass intervals=")
        prepare, run, finish = self._sanitize_parameters(**kwargs)
        prepare, run = {**self._preprocess_params, **prepare}, {**self._forward_params, **run}
        generation = {**self._forward_params.get("generation", {}), **run.get("generation", {})}
        by_faces = run.get("characters", "recognised") == "recognised"
        asked = self._film(film, intervals, cast or (), by_faces)
        return self.run_single(asked, prepare, {**run, "generation": generation}, finish)

    def _sanitize_parameters(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Share the keywords out to `preprocess`, `_forward` and `postprocess`; unknown ones are generation's."""
        _refuse_batching(kwargs)
        if kwargs.get("characters", "all") not in ("recognised", "all"):
            raise ValueError(f"characters is {kwargs['characters']!r}; expected 'recognised' or 'all'; choose one")
        if kwargs.get("pool", "max") not in POOLS:
            raise ValueError(f"pool is {kwargs['pool']!r}; expected one of {', '.join(POOLS)}; choose one")
        for name, least in (("batch_windows", 1), ("max_people", 0)):
            value = kwargs.get(name, least)
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} is {value!r}; expected a whole number, at least {least}; mend it")
        threshold = kwargs.get("threshold")
        if threshold is not None and (not isinstance(threshold, Real) or math.isnan(threshold)):
            raise ValueError(f"threshold is {threshold!r}; expected a number or None; mend it")
        for name in ("frames", "progress"):
            if kwargs.get(name) is not None and not callable(kwargs[name]):
                raise ValueError(f"{name} is {_shown(kwargs[name])}; expected a function or None; pass one")
        prepare: dict[str, Any] = {name: kwargs.pop(name) for name in ("batch_windows", "frames") if name in kwargs}
        run = {name: kwargs.pop(name) for name in (*_OWN, "progress") if name in kwargs}
        return prepare, {**run, "generation": kwargs} if kwargs else run, {}

    def _film(
        self,
        film: str | os.PathLike[str],
        intervals: Sequence[tuple[float, float]],
        cast: Sequence[Mapping[str, Any]],
        by_faces: bool,
    ) -> _Film:
        """Check what was asked and read the portraits; `by_faces`: people are named by them, so there must be one."""
        people: list[dict[str, Any]] = []
        pictures: list[Any] = []
        for person in _each("cast", cast, "a list of {'name', 'portrait', ...}"):
            if not isinstance(person, Mapping) or not str(person.get("name") or "").strip():
                raise ValueError(
                    f"cast entry {_shown(person)} has no name; expected a dictionary with a 'name'; add one or cut it"
                )
            for field in ("name", "actor"):
                if not isinstance(person.get(field), str | None):
                    raise ValueError(
                        f"cast entry {_shown(person)}: {field} is {person[field]!r}; expected a text; mend the entry, "
                        "with None for an actor whom nobody knows"
                    )
            portrait = person.get("portrait")
            people.append({"name": person["name"], "actor": person.get("actor"), "portrait": None})
            if portrait is not None:
                people[-1]["portrait"] = len(pictures)
                pictures.append(_picture(portrait, str(person["name"])))
        if people and by_faces and not pictures:
            raise ValueError(
                f"characters='recognised' with {len(people)} people but no portrait; expected at least one; "
                "add portraits to the cast or pass characters='all'"
            )
        times = sorted(_interval(given) for given in _each("intervals", intervals, "a list of (start_s, end_s)"))
        return _Film(os.fspath(film), times, people, self.processor.frame_pixels(pictures) if pictures else None)

    def read_clips(self, film: str, intervals: Sequence[tuple[float, float]]) -> Iterator[Sequence[Any]]:
        """Read the frames of every clip; override it to take them from elsewhere.

        Args:
            film: path of the video file.
            intervals: (start_s, end_s) in seconds, sorted.

        Returns:
            For each interval up to T images.

        Raises:
            ValueError: an interval starts when the film has ended: its last picture would be described.
            VideoError: the film cannot be read.
        """
        end_s = end_before(film, intervals[-1][0]) if len(intervals) else None
        if end_s is not None:
            late = next(interval for interval in intervals if interval[0] >= end_s)
            raise ValueError(
                f"intervals: {late}; expected a start before the film's end, {end_s:.7g} s; correct the times or leave "
                "it out"
            )
        return iter_clip_frames(film, intervals, self.processor.num_frames)

    def preprocess(  # type: ignore[override]
        self,
        input_: _Film,
        batch_windows: int = 1,
        frames: Callable[[int, Sequence[Any]], Sequence[Any]] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Read a film and hand out batches of windows.

        Args:
            input_: the film and what is asked of it.
            batch_windows: windows in a batch.
            frames: hook on each clip's frames.

        Yields:
            {"film", "first": index of the batch's first clip, "pixels": B lists of N (T, 3, H, W) tensors or None}.
        """
        size, count = self.processor.window_size, len(input_.intervals)
        pixels: list[torch.Tensor | None] = []
        for index, images in enumerate(self.read_clips(input_.path, input_.intervals)):
            pixels.append(self.processor.clip_pixels(images if frames is None else frames(index, images)))
            if len(pixels) == batch_windows * size or index + 1 == count:
                windows = [pixels[at : at + size] for at in range(0, len(pixels), size)]
                yield {"film": input_, "first": index + 1 - len(pixels), "pixels": windows}
                pixels = []

    def _forward(  # type: ignore[override]
        self,
        input_tensors: dict[str, Any],
        characters: str = "recognised",
        max_people: int = 3,
        pool: str = "max",
        threshold: float | None = None,
        progress: Callable[[int, int], None] | None = None,
        generation: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Encode, recognise and describe one batch of windows; arguments as in `__call__`."""
        film, first = input_tensors["film"], input_tensors["first"]
        features = self._encode(input_tensors["pixels"])
        if film.face_features is None and film.face_pixels is not None:
            film.face_features = self.model.encode_frames(film.face_pixels.to(self.device)).float().cpu()
        if characters == "all":
            people = [[film.cast] * len(window) for window in features]
        else:
            people = [self._recognised(film, window, max_people, pool, threshold) for window in features]
        if any(clip is not None for window in features for clip in window):
            faces = None if film.face_features is None else [film.face_features] * len(features)
            batch = self.processor(frame_features=features, characters=people, portrait_features=faces)
            inputs = {name: tensor.to(self.device) for name, tensor in batch.items()}
            ids = self.model.generate(**inputs, **self._ends(generation or {}), **(generation or {}))
            names = [[[person["name"] for person in clip] for clip in window] for window in people]
            width = ids.shape[1]  # shorter windows are padded with empty clips
            texts = self.processor.batch_decode(ids.cpu(), [rows + [[]] * (width - len(rows)) for rows in names])
        else:  # not one frame in the whole batch: nothing to describe
            texts = [[""] * len(window) for window in features]
        rows = []
        for window, (shown, written) in enumerate(zip(people, texts, strict=True), start=first // self._size):
            for position, who in enumerate(shown):
                start_s, end_s = film.intervals[window * self._size + position]
                rows.append(
                    {
                        "start_s": start_s, "end_s": end_s, "text": written[position],
                        "characters": [person["name"] for person in who], "window": window, "position": position,
                        "frames_s": frame_times(start_s, end_s, self.processor.num_frames),
                    }
                )  # fmt: skip
        if progress is not None:
            progress(first + len(rows), len(film.intervals))
        return {"rows": rows}

    def postprocess(  # type: ignore[override]
        self, model_outputs: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Join the batches' rows.

        Args:
            model_outputs: what `_forward` returned for each batch.

        Returns:
            The rows as `__call__` returns them.
        """
        return [row for output in model_outputs for row in output["rows"]]

    @property
    def _size(self) -> int:
        return int(self.processor.window_size)

    def _encode(self, windows: Sequence[Sequence[torch.Tensor | None]]) -> list[list[torch.Tensor | None]]:
        """Frame features (T, C) float32 of every clip, all frames of the batch in one call; None stays None."""
        clips = [clip for window in windows for clip in window if clip is not None]
        encoded = iter(self.model.encode_frames(torch.stack(clips)).float().cpu() if clips else ())
        return [[None if clip is None else next(encoded) for clip in window] for window in windows]

    def _recognised(
        self, film: _Film, window: Sequence[torch.Tensor | None], max_people: int, pool: str, threshold: float | None
    ) -> list[list[dict[str, Any]]]:
        """The people found in each clip of one window, best first."""
        if film.face_features is None:
            return [[] for _ in window]
        shape = (self.processor.num_frames, film.face_features.shape[-1])
        features = torch.stack([torch.zeros(shape) if clip is None else clip for clip in window])
        mask = torch.tensor([clip is not None for clip in window])[:, None].expand(-1, shape[0])
        found = recognise(features, mask, film.face_features, max_people, pool, threshold)
        return [film.of_faces([index for index, _ in best]) for best in found]

    def _ends(self, generation: Mapping[str, Any]) -> dict[str, int]:
        """End and pad ids of the tokenizer that the model was trained with, where nobody names any."""
        if self.model.config.eos_token_id is not None:
            return {}
        tokenizer = self.processor.tokenizer
        pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": pad}
        named = own_settings(self.model.generation_config, self.model.config)
        named = {**named, **own_settings(generation.get("generation_config")), **generation}
        return {name: value for name, value in ends.items() if name not in named}

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Save model, processor and all code in one folder that `transformers.pipeline(model=folder)` loads.

        Args:
            save_directory: the folder.
            **kwargs: passed on to the model's `save_pretrained`.
        """
        self.model.config.custom_pipelines = dict(CUSTOM_PIPELINES)
        self.model.save_pretrained(save_directory, **kwargs)
        self.processor.save_pretrained(save_directory)
        custom_object_save(self, save_directory)


def upright(picture: Image.Image) -> Image.Image:
    """A picture in RGB as it is to be seen: turned as a camera's EXIF data ask, 16-bit greys brought to 8."""
    turned: Any = ImageOps.exif_transpose(picture)
    if turned.mode.startswith("I"):
        turned = turned.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return turned.convert("RGB")


def _refuse_batching(keywords: Mapping[str, Any]) -> None:
    """Refuse transformers' own ways to go through many inputs: a film is one, and its windows are what is batched."""
    for name in ("batch_size", "num_workers"):
        if keywords.get(name) is not None:
            raise ValueError(f"{name} is {keywords[name]!r}; expected none; use batch_windows for windows at a time")


def _shown(value: Any) -> str:
    """A value for one line of an error."""
    said = " ".join(str(value).split())
    return said if len(said) <= 80 else f"{said[:77]}..."


def _each(name: str, values: Any, expected: str) -> Iterator[Any]:
    """What a list holds; a text or a dictionary is none."""
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        raise ValueError(f"{name} is {_shown(values)}; expected {expected}; put it into a list")
    return iter(values)


def _interval(given: Any) -> tuple[float, float]:
    """A clip's (start_s, end_s)."""
    try:
        if isinstance(given, (str, Mapping)):
            raise TypeError("no pair")
        start_s, end_s = given
        return float(start_s), float(end_s)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"intervals: {_shown(given)}; expected (start_s, end_s), two numbers; write it as such a pair"
        ) from error


def _picture(portrait: Any, name: str) -> Any:
    """A portrait as a picture: given as one, or read from its path; an array is left to the processor."""
    if isinstance(portrait, Image.Image):
        return upright(portrait)
    if hasattr(portrait, "__array__"):
        return portrait
    try:
        with Image.open(portrait, formats=PORTRAIT_FORMATS) as picture:
            return upright(picture)
    except Exception as error:  # Pillow's readers raise whatever a broken file makes them stumble over
        raise ValueError(
            f"portrait of {name}: {_shown(portrait)} cannot be read ({_shown(error)}); expected a picture, one of "
            f"{', '.join(PORTRAIT_FORMATS)}; mend the cast"
        ) from error
