"""What Stage I's loader delivers beside plain sequential decoding.

Measures nothing alone: `stage1.py` draws the film and prints the figures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
from torch.utils.data import DataLoader

from datasets_scripts.schema import ADRow, Provenance
from modeling_distinctad.video_distinctad import frame_times
from train.clip_sources import build_source


def loader_rate(
    film: str | Path,
    rows: Sequence[tuple[float, float]],
    workers: int,
    processor: Any = None,
    batch: int = 8,
    cache: str | Path | None = None,
) -> tuple[float, float]:
    """Measure a loader over one film beside plain sequential decoding.

    Both deliver F frames of every clip as the tower takes them. The loader is what training uses: a DataLoader over a
    `VideoSource` in random order, its workers' start included. The plain way is one process that opens the film with
    PyAV as it comes, decodes every frame from the first to the last that is needed, and prepares those that clips need.

    Args:
        film: a video file.
        rows: (start_s, end_s) of the clips, in seconds, rising.
        workers: processes of the loader; 0: in this one.
        processor: fits pictures to the tower; None: CLIP's of 224 pixels, 8 frames a clip.
        batch: clips a batch.
        cache: a folder for decoded frames, filled before the clock runs: measures a warm cache.

    Returns:
        Frames a second that the loader delivers, and that the plain way does.

    Raises:
        ValueError: no rows.
        TooManyFailures: a clip cannot be decoded.
    """
    film = Path(film)
    if not rows:
        raise ValueError("rows is empty; expected at least one (start_s, end_s); give the film's clips")
    processor = processor if processor is not None else plain_processor()
    source = build_source(
        "videos", film, processor, rows=_rows_of(film, rows), cache=cache, max_failed_share=0.0, progress=False
    )
    loader = DataLoader(source, batch_size=batch, shuffle=True, num_workers=workers, collate_fn=list)
    started = time.perf_counter()
    frames = sum(len(item["pixel_values"]) for items in loader for item in items)
    loaded_s = time.perf_counter() - started
    started = time.perf_counter()
    plain = _decode_plainly(film, rows, processor)
    plain_s = time.perf_counter() - started
    return frames / loaded_s, plain / plain_s


def plain_processor(edge: int = 224, num_frames: int = 8) -> Any:
    """A processor with CLIP's own picture settings and a tokenizer of one token, made in memory.

    Args:
        edge: side of the tower's square, pixels.
        num_frames: F.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import CLIPImageProcessorPil, PreTrainedTokenizerFast

    from modeling_distinctad.processing_distinctad import DistinctADProcessor

    words = Tokenizer(WordLevel({"<eos>": 0}, unk_token="<eos>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>", unk_token="<eos>")
    size = {"height": edge, "width": edge}
    images = CLIPImageProcessorPil(size={"shortest_edge": edge}, crop_size=size)
    return DistinctADProcessor(images, tokenizer, num_frames=num_frames)


def _rows_of(film: Path, intervals: Sequence[tuple[float, float]]) -> list[ADRow]:
    """Annotation rows of intervals, with a text that says nothing."""
    return [
        ADRow(film.stem, film.stem, i, start_s, end_s, "A clip.", (), film.name, Provenance("intervals", i))
        for i, (start_s, end_s) in enumerate(intervals)
    ]


def _decode_plainly(film: Path, rows: Sequence[tuple[float, float]], processor: Any) -> int:
    """Decode a film frame by frame and prepare every clip's frames; returns how many."""
    asked = sorted((t, i) for i, span in enumerate(rows) for t in frame_times(*span, processor.num_frames))
    clips: list[list[Any]] = [[] for _ in rows]
    done = place = 0
    with av.open(f"file:{film}") as container:  # a colon in a name is no protocol
        for frame in container.decode(video=0):
            image = None
            while place < len(asked) and frame.time >= asked[place][0]:
                image = frame.to_ndarray(format="rgb24") if image is None else image
                clip = clips[asked[place][1]]
                clip.append(image)
                if len(clip) == processor.num_frames:
                    done += len(processor.frame_pixels(clip))
                    clip.clear()
                place += 1
            if place == len(asked):
                break
    return done
