"""The vision tower of `distinctad features`: which one, on which device, with which picture processing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datasets_scripts.memory import is_out_of_memory
from distinctad.errors import UserError
from distinctad.loading import CHECKPOINT

if TYPE_CHECKING:
    import numpy as np

Stored = Literal["float16", "float32"]
Fit = Literal["crop", "pad", "squash"]

MAX_FPS = 60.0


@dataclass(frozen=True)
class FeatureSettings:
    """How films are encoded.

    Attributes:
        fps: rows a second; row k is the frame nearest to k / fps.
        model: CLIP folder, DistinctAD checkpoint or hub id; None is the pocket checkpoint.
        frame_fit: how a picture meets the tower's square; None: the checkpoint's own way, for a CLIP its image
            processor's ("crop", or "squash" where that does not crop).
        stored: number format of the rows.
        batch: frames that are encoded at once.
        device: "auto", "cpu", "cuda", ...
    """

    fps: float = 5.0
    model: str | Path | None = None
    frame_fit: Fit | None = None
    stored: Stored = "float16"
    batch: int = 32
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            UserError: naming the value and the range.
        """
        if not (math.isfinite(self.fps) and 0 < self.fps <= MAX_FPS):
            raise UserError(f"fps is {self.fps}", f"Give frames a second, more than 0 and at most {MAX_FPS:g}.")
        if not 1 <= self.batch <= 4096:
            raise UserError(f"batch is {self.batch}", "Give 1 to 4096 frames.")


class Tower:
    """A vision tower with its picture processing.

    Args:
        settings: which tower, on which device.

    Attributes:
        about: the attributes that its features carry.
        width: C, numbers a row.
        chunk: frames embedded at once; halved where memory does not reach.
        said: what happened that a user should know.
    """

    chunk: int
    said: list[str]

    def __init__(self, settings: FeatureSettings) -> None:
        import numpy as np

        from modeling_distinctad.towers_distinctad import weights_sha256

        self.chunk, self.said = settings.batch, []
        self.network, self.processor, name, self.device = _load(settings)
        height, width = self.processor.image_size
        self.about: dict[str, Any] = {
            "tower": name,
            "tower_sha256": weights_sha256(self.network),
            "fps": settings.fps,
            "width": width,
            "height": height,
            "frame_fit": self.processor.frame_fit,
            "stored": settings.stored,
        }
        self.width = self.embed([np.zeros((height, width, 3), np.uint8)]).shape[1]

    def read_clips(
        self, film: str, intervals: Sequence[tuple[float, float]], num_frames: int
    ) -> Iterator[Sequence[Any]]:
        """Read a film's pictures at a fixed rate; override it to take them from elsewhere.

        Args:
            film: path of the video file.
            intervals: (start_s, end_s) in seconds, sorted.
            num_frames: pictures of each interval, the first at its start.

        Returns:
            For each interval `num_frames` pictures (H, W, 3) uint8.
        """
        from modeling_distinctad.video_distinctad import iter_clip_frames

        return iter_clip_frames(film, intervals, num_frames, mode="autoad")

    def embed(self, images: Sequence[Any]) -> np.ndarray:
        """Embeds (n, C) float32, projected, not normalised, of n pictures (H, W, 3) uint8.

        Raises:
            MemoryError: not even one picture can be embedded.
        """
        import numpy as np

        while True:
            try:
                chunk = self.chunk
                return np.concatenate([self._embed(images[i : i + chunk]) for i in range(0, len(images), chunk)])
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.chunk == 1:
                    raise MemoryError("one frame is too much for the memory there is") from error
            self.chunk = max(1, min(self.chunk, len(images)) // 2)
            self.said = [f"memory ran short: {self.chunk} frame(s) are encoded at once"]

    def _embed(self, images: Sequence[Any]) -> np.ndarray:
        import torch

        from modeling_distinctad.towers_distinctad import embed_images

        with torch.no_grad():
            return embed_images(self.network, self.processor.frame_pixels(images).to(self.device)).float().cpu().numpy()


def _load(settings: FeatureSettings) -> tuple[Any, Any, str, Any]:
    """The tower, its processor, its name and its device."""
    from transformers import AutoTokenizer, CLIPImageProcessorPil, PreTrainedConfig

    from distinctad import loading
    from modeling_distinctad.processing_distinctad import DistinctADProcessor
    from modeling_distinctad.towers_distinctad import load_vision

    where = str(settings.model or CHECKPOINT)
    device = loading._device(settings.device)
    if Path(where).exists() and not (Path(where) / "config.json").is_file():
        raise UserError(f"the model '{where}' has no config.json", "Give a CLIP folder written by save_pretrained.")
    fix = "Give a folder with a CLIP, its tokenizer and its image processor, or a DistinctAD checkpoint."
    with loading._quiet(), loading._loading_errors(where, fix):
        kind = PreTrainedConfig.get_config_dict(where)[0].get("model_type")
        if kind == "distinctad":
            # The device holds the tower alone: a language model beside it may be larger than the device.
            pipe, used = loading.load_pipeline(settings.model, "cpu", "float32", 0)
            if settings.frame_fit is not None:
                pipe.processor.frame_fit = settings.frame_fit
            return pipe.model.vision_tower.eval().to(device), pipe.processor, used["name"], device
        network = load_vision(where).eval().to(device)
        images = CLIPImageProcessorPil.from_pretrained(where)
        fit = settings.frame_fit or ("crop" if images.do_center_crop else "squash")
        processor = DistinctADProcessor(images, AutoTokenizer.from_pretrained(where), frame_fit=fit)
    return network, processor, Path(where).resolve().name if Path(where).exists() else where, device
