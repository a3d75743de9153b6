"""Where Stage I's clips come from: `build_source` makes any of them.

What it costs to decode, in frames: a film of D seconds at r frames a second with A ADs of mean length l and a key frame
every g seconds takes D r frames in one pass (less what lies in gaps of over ten seconds) and about A (l + g / 2) r when
every AD is reached by its own seek. So a pass is cheaper once ADs cover most of a film, seeks where they are sparse;
only A F frames are converted and resized either way. From a cache nothing is decoded: F H W 3 bytes are read a clip.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datasets_scripts.schema import ADRow
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
    check: bool = True,
    progress: bool = True,
) -> ClipSource:
    """Make a source of clips; with a cache every clip is decoded once now, and the bad ones are left out on all ranks.

    Args:
        kind: "videos" (rows beside films), "frames" (rows beside folders of frames), "webdataset" (tars) or "parquet".
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
        check: make that first pass now; False: the caller does, by `check_all`.
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
        own = (chosen, base, processor, Failures(len(chosen), max_failed_share, record), store)
        source = VideoSource(*own, frame_sampling) if kind == "videos" else FrameFolderSource(*own, frames_fps)
    if not len(source):
        raise ValueError(f"{path}: not one clip is left; expected some; {source.failures.log} says why")
    if check and store is not None:
        source.check_all(workers, progress)
    return source
