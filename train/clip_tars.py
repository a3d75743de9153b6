"""Stage I's clips from WebDataset tars, read in any order.

A tar is indexed when the source is made and then read at random, so that the trainer's sampler shuffles, shares out to
ranks and resumes as with any other source. Tars may come from strangers: see `datasets_scripts.archives.TarIndex`.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from datasets_scripts.annotations import VIDEO_ENDINGS
from datasets_scripts.archives import ArchiveError, TarIndex
from datasets_scripts.frames import listed_numbers, read_picture
from modeling_distinctad.video_distinctad import frame_times, probe
from train.clip_files import END_SLACK_S, read_clip
from train.clip_items import ClipError, ClipSource, Failures
from train.frame_cache import FrameCache

MOST_TEXT_BYTES = 1 << 24
VIDEOS = tuple(ending[1:] for ending in VIDEO_ENDINGS)
_PICTURES = ("jpg", "jpeg", "png", "webp")
_FRAME = re.compile(r"(?:.*/)?([0-9]{1,9})\.(?:jpe?g|png|webp)", re.IGNORECASE)  # 00001.jpg of a tar of frames
_OPEN_TARS = 64  # indices of inner tars kept: a long episode's has some 10,000 names
_MEMBER = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)")  # WebDataset: the key ends at the first dot of the file name


def shard_paths(path: Path, ending: str) -> list[Path]:
    """One shard, or the shards of a folder in the order of their names.

    Raises:
        ValueError: there is none.
    """
    found = sorted(path.rglob(f"*{ending}")) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise ValueError(f"{path}: no shard; expected a file or a folder of *{ending}; mend the path")
    return found


def shard_name(shard: Path, path: Path) -> str:
    """What a shard of `shard_paths(path)` is called: its path in the folder, since file names may be repeated."""
    return shard.relative_to(path).as_posix() if shard != path else shard.name


@dataclass(frozen=True)
class TarClip:
    """One AD of a sample.

    Attributes:
        shard: the tar.
        key: what the sample's members share.
        number: place among the sample's ADs.
        text: the AD, or "" where it cannot be read.
        film: the film, or "".
        span: start and end inside the sample's video, seconds; None: all of it.
        numbers: the clip's frames in the sample's tar of frames; empty: all of them.
        problem: why the clip cannot be used, or "".
    """

    shard: Path
    key: str
    number: int = 0
    text: str = ""
    film: str = ""
    span: tuple[float, float] | None = None
    numbers: tuple[int, ...] = ()
    problem: str = ""


class TarSource(ClipSource):
    """Clips of uncompressed WebDataset tars.

    A sample holds `KEY.json` with a row (text; if known film; times inside the video, see `interval_of`) or with
    several under "ads", as `datasets_scripts.writers` writes them; or `KEY.txt`, the AD. Beside it `KEY.mp4` (or
    another video), or pictures `KEY.000.jpg`, `KEY.001.jpg`, ... in the order of their numbers, evenly spaced over the
    clip, or `KEY.tar`, frames 00001.jpg, 00002.jpg, ... of which an AD's `frame_numbers` are its clip (the only AD of
    a sample may go without: then all are).

    Args:
        path: a tar or a folder of tars.
        processor: fits pictures to the tower.
        max_share: largest share of clips that may be left out, see `Failures`.
        log: see `Failures`.
        cache: decoded frames on disk.

    Raises:
        ValueError: a tar that is compressed, cut off, or holds what has no place in a shard (links, paths outside).
    """

    clips: list[TarClip]

    def __init__(
        self,
        path: Path,
        processor: Any,
        max_share: float = 0.01,
        log: Path | None = None,
        cache: FrameCache | None = None,
    ) -> None:
        super().__init__(processor, cache)
        self.path = path
        self._shards: dict[Path, TarIndex] = {}
        self._members: dict[tuple[Path, str], dict[str, str]] = {}
        self._open: dict[tuple[Path, str], tuple[TarIndex, dict[int, str]]] = {}
        self.clips = [clip for shard in shard_paths(path, ".tar") for clip in self._index(shard)]
        self.failures = Failures(len(self.clips), max_share, log)
        self.drop({index: clip.problem for index, clip in enumerate(self.clips) if clip.problem})

    def frames(self, index: int) -> list[Any]:
        """F frames (H, W, 3) uint8.

        Raises:
            ValueError: they cannot be decoded.
        """
        clip = self.clips[index]
        tar, members = self._shards[clip.shard], self._members[clip.shard, clip.key]
        video = next((kind for kind in VIDEOS if kind in members), None)
        if video is not None:
            return video_frames(tar.read(members[video]), video, clip.span, self.processor.num_frames)
        if "tar" in members:
            return self._frames_of_tar(clip)
        kinds = sorted((kind for kind in members if _is_picture(kind)), key=_number)
        chosen = listed_numbers(range(len(kinds)), self.processor.num_frames)
        pictures = {i: read_picture(tar.read(members[kinds[i]]), members[kinds[i]]) for i in set(chosen)}
        return [pictures[i] for i in chosen]

    def _frames_of_tar(self, clip: TarClip) -> list[Any]:
        """F frames of a tar in the sample; one that is missing is never replaced by a neighbour."""
        place = clip.shard, clip.key
        if place not in self._open:
            while len(self._open) >= _OPEN_TARS:
                del self._open[next(iter(self._open))]
            inner = self._shards[clip.shard].inner(self._members[place]["tar"])
            found = [(int(match[1]), name) for name in inner.names if (match := _FRAME.fullmatch(name))]
            if len(dict(found)) < len(found):
                raise ClipError("its tar holds several frames of one number; expected one folder of frames")
            self._open[place] = inner, dict(found)
        frames, names = self._open[place]
        chosen = listed_numbers(clip.numbers or sorted(names), self.processor.num_frames)
        missing = next((number for number in chosen if number not in names), None)
        if missing is not None:
            raise ClipError(f"its tar has no frame {missing}; expected {missing:05d}.jpg among its {len(names)}")
        pictures = {number: read_picture(frames.read(names[number]), names[number]) for number in set(chosen)}
        return [pictures[number] for number in chosen]

    def text(self, index: int) -> str:
        """The clip's AD."""
        return self.clips[index].text

    def film(self, index: int) -> str:
        """The clip's film, or its shard where it names none."""
        shard = shard_name(self.clips[index].shard, self.path)
        return self.named_film(index) or str(PurePosixPath(shard).with_suffix(""))

    def named_film(self, index: int) -> str:
        """The clip's film, or ""."""
        return self.clips[index].film

    def name(self, index: int) -> tuple[str, str]:
        """The shard, and the sample's key with the AD's place in it."""
        clip = self.clips[index]
        return shard_name(clip.shard, self.path), f"sample {clip.key}" + (f" AD {clip.number}" if clip.number else "")

    def key(self, index: int) -> str:
        """The shard, the sample, the interval and the size."""
        clip = self.clips[index]
        _, *version = FrameCache.identity(clip.shard)
        # Clips without frame numbers keep the names that they have in caches already.
        return self.fitted_key(shard_name(clip.shard, self.path), *version, clip.key, clip.span, *clip.numbers)

    def about(self, index: int) -> tuple[Any, ...]:
        """Name, text, and the interval or the frames."""
        clip = self.clips[index]
        return *super().about(index), clip.span, *clip.numbers

    def _index(self, shard: Path) -> list[TarClip]:
        """Find the clips of a tar without unpacking it."""
        try:
            self._shards[shard] = tar = TarIndex(shard)
        except ArchiveError as error:
            raise ValueError(f"{shard}: {error}") from error
        with shard.open("rb") as file:  # a whole tar ends with 1024 zeros; one that is cut off loses clips unseen
            file.seek(max(0, shard.stat().st_size - 1024))
            whole = file.read(1024) == bytes(1024)
        samples: dict[str, dict[str, str]] = {}
        for name in tar.names:
            match = _MEMBER.fullmatch(name)
            if match is not None:
                samples.setdefault(match[1], {})[match[2].lower()] = name
        if not (whole and samples):
            what = "holds no sample" if whole else "is cut off"
            raise ValueError(
                f"{shard}: {what}; expected a whole tar of KEY.json beside pictures or video; fetch it again"
            )
        self._members |= {(shard, key): members for key, members in samples.items()}
        return [clip for key, members in samples.items() for clip in _clips(shard, key, members, tar)]


def _clips(shard: Path, key: str, members: Mapping[str, str], tar: TarIndex) -> list[TarClip]:
    """The ADs of a sample; what is wrong with one is its problem."""
    try:
        if not any(kind in VIDEOS or kind == "tar" or _is_picture(kind) for kind in members):
            raise ClipError("has neither pictures, nor a tar of them, nor a video")
        if "json" not in members:
            raw = tar.read(members["txt"]) if "txt" in members else b""
            return [_clip(shard, key, 0, {"text": raw.decode("utf-8")})]
        raw = tar.read(members["json"])
        about = json.loads(raw) if len(raw) <= MOST_TEXT_BYTES else None
        ads = about.get("ads", [about]) if isinstance(about, dict) else None
        if not isinstance(ads, list) or not ads:
            raise ClipError("its json is no object with a text, or with some under 'ads'")
    except (ValueError, RecursionError) as error:
        return [TarClip(shard, key, problem=" ".join(str(error).split()))]
    of_tar = len(ads) if "tar" in members and not any(kind in VIDEOS for kind in members) else 0
    return [_clip(shard, key, number, row, of_tar) for number, row in enumerate(ads)]


def _clip(shard: Path, key: str, number: int, row: Any, of_tar: int = 0) -> TarClip:
    """One AD; `of_tar`: how many have their frames in the sample's tar: of several, each must say which are its own."""
    try:
        if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not row["text"].strip():
            raise ClipError("has no text; expected 'text' in KEY.json, or KEY.txt")
        # Pictures and videos have no numbers: a row from elsewhere may list those of other frames.
        span, numbers = interval_of(row), _numbers_of(row) if of_tar else ()
        if of_tar > 1 and not numbers:
            raise ClipError("has no frame_numbers; expected those of its own frames in a tar that several ADs share")
        return TarClip(shard, key, number, row["text"].strip(), str(row.get("film") or ""), span, numbers)
    except ClipError as error:
        return TarClip(shard, key, number, problem=str(error))


def _numbers_of(row: Mapping[str, Any]) -> tuple[int, ...]:
    """The frames of a row by number, as `ADRow.frame_numbers`; none where it lists none."""
    listed = row.get("frame_numbers") or ()
    if not isinstance(listed, list | tuple) or not all(type(number) is int and number > 0 for number in listed):
        raise ClipError("has frame_numbers that are no list of whole numbers from 1 on")
    return tuple(listed)


def _is_picture(kind: str) -> bool:
    return kind.rsplit(".", 1)[-1] in _PICTURES


def _number(kind: str) -> tuple[int, str]:
    """Pictures in the order of the last number before their ending."""
    digits = re.findall(r"\d+", kind.rsplit(".", 1)[0]) if "." in kind else []
    return (int(digits[-1][:18]) if digits else -1), kind


def interval_of(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """The times inside a row's video: `video_start_s` and `video_end_s`, else `start_s` and `end_s`, in seconds.

    Args:
        row: a row of a shard.

    Returns:
        Start and end, or None where it has no times: then the video is the clip.

    Raises:
        ClipError: they are no interval.
    """
    own = row.get("video_start_s") is not None
    start_s, end_s = (row.get(name) for name in (("video_start_s", "video_end_s") if own else ("start_s", "end_s")))
    if start_s is None and end_s is None:
        return None
    for value in (start_s, end_s):
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
            raise ClipError(f"runs from {start_s!r} to {end_s!r}; expected two numbers of seconds")
    if not 0 <= start_s < end_s:
        raise ClipError(f"runs from {start_s} to {end_s} s; expected 0 <= start < end")
    return float(start_s), float(end_s)


def video_frames(data: bytes | Path, ending: str, span: tuple[float, float] | None, num_frames: int) -> list[Any]:
    """Frames of a video file, or of one that lies in memory (written to a temporary file for the decoder).

    Args:
        data: the file or its bytes.
        ending: of the file's name.
        span: start and end in seconds; None: the whole video.
        num_frames: F.

    Returns:
        F frames (H, W, 3) uint8.

    Raises:
        ClipError: it cannot be decoded, or ends before the interval.
        VideoError: it is no video.
    """
    if isinstance(data, bytes):
        with tempfile.TemporaryDirectory(prefix="clip_") as folder:
            path = Path(folder) / f"clip.{ending}"
            path.write_bytes(data)
            return video_frames(path, ending, span, num_frames)
    length_s = probe(data).duration_s
    start_s, end_s = span or (0.0, length_s)
    if not start_s < length_s or end_s > length_s + END_SLACK_S:
        raise ClipError(f"runs from {start_s:.2f} to {end_s:.2f} s; the video ends at {length_s:.2f} s")
    return read_clip(data, frame_times(start_s, end_s, num_frames))
