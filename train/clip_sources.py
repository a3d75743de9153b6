"""Where Stage I's clips come from: `build_source` makes any of them, `loader_rate` measures what one delivers.

What it costs to decode, in frames: a film of D seconds at r frames a second with A ADs of mean length l and a key frame
every g seconds takes D r frames in one pass (less what lies in gaps of over ten seconds) and about A (l + g / 2) r when
every AD is reached by its own seek. So a pass is cheaper once ADs cover most of a film, seeks where they are sparse;
only A F frames are converted and resized either way. From a cache nothing is decoded: F H W 3 bytes are read a clip.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
from torch.utils.data import DataLoader

from datasets_scripts.schema import ADRow, Provenance
from modeling_distinctad.video_distinctad import frame_times
from train.clip_files import FrameFolderSource, VideoSource, read_rows
from train.clip_items import ClipSource, Failures
from train.clip_parquet import ParquetSource
from train.clip_tars import TarSource
from train.frame_cache import CACHE_BYTES, FrameCache

KINDS = ("videos", "frames", "webdataset", "parquet")


def build_source(
    kind: str,
    path: str | Path,
    processor: Any,
    *,
    rows: Iterable[ADRow] | None = None,
    root: str | Path | None = None,
    cache: str | Path | None = None,
    cache_bytes: int = CACHE_BYTES,
    max_failed_share: float = 0.01,
    log: str | Path | None = None,
    workers: int = 0,
    frames_fps: float | None = None,
    frame_sampling: str = "midpoint",
    progress: bool = True,
) -> ClipSource:
    """Make a source of clips; with a cache every clip is decoded once now, and the bad ones are left out on all ranks.

    Args:
        kind: "videos" (annotation rows beside films), "frames" (beside folders of extracted frames), "webdataset"
            (tars) or "parquet".
        path: annotations, see `read_rows`; for shards a file or a folder of them.
        processor: a `DistinctADProcessor`; fits pictures to the tower and says how many frames a clip has.
        rows: annotation rows instead of those in the file, e.g. of a `datasets_scripts` reader.
        root: folder that the rows' videos are relative to; None: the folder of `path`.
        cache: folder of decoded frames; None: every clip is decoded each time.
        cache_bytes: bound of the cache.
        max_failed_share: largest share of clips that may be left out.
        log: JSON Lines file of the clips left out; None: temporary.
        workers: processes of the first pass.
        frames_fps: frames a second of the folders, for "frames" rows without frame numbers.
        frame_sampling: where the frames of a clip of "videos" stand, see `VideoSource`.
        progress: show a bar during the first pass.

    Returns:
        The source; its items are `pixel_values` (F, 3, H, W) float32, `text` and `film`.

    Raises:
        ValueError: an unknown kind, nothing at the path, or a file that cannot be used.
        TooManyFailures: too many clips cannot be decoded.
    """
    if kind not in KINDS:
        raise ValueError(f"source is {kind!r}; expected one of {', '.join(KINDS)}; choose one")
    path, record = Path(path), None if log is None else Path(log)
    store = None if cache is None else FrameCache(cache, cache_bytes)
    base = Path(root) if root is not None else path if path.is_dir() else path.parent
    if kind == "webdataset":
        source: ClipSource = TarSource(path, processor, max_failed_share, record, store)
    elif kind == "parquet":
        source = ParquetSource(path, base, processor, max_failed_share, record, store)
    else:
        chosen = read_rows(path) if rows is None else [row for row in rows if row.text.strip()]
        failures = Failures(len(chosen), max_failed_share, record)
        own = (chosen, base, processor, failures, store)
        source = VideoSource(*own, frame_sampling) if kind == "videos" else FrameFolderSource(*own, frames_fps)
    if not len(source):
        raise ValueError(f"{path}: not one clip is left; expected some; {source.failures.log} says why")
    if store is not None:
        source.check_all(workers, progress)
    return source


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
