"""What to describe, settled and checked before any model is loaded: the film, the intervals, the cast, the settings."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from distinctad.cast import Person, read_cast
from distinctad.errors import UserError
from distinctad.intervals import GapRules, Interval, even_intervals, read_intervals, speech_gaps
from distinctad.subtitles import subtitles_of
from modeling_distinctad.film_formats_distinctad import PYAV_OPTIONS

if TYPE_CHECKING:
    from modeling_distinctad.video_distinctad import VideoInfo

PathLike = str | Path
Characters = Literal["recognised", "all"]
Overlaps = Literal["refuse", "keep"]

MAX_FILM_S = 100_000  # more than a day; intervals and memory grow with it
MAX_FRAME_PIXELS = 40_000_000  # 8K has 33 million
SOUND_SLACK_S = 0.2  # encoders fill their last frame of sound, up to 0.13 s: the film is as long as its pictures
TRUNCATION_SLACK_S = 2.0  # containers round their length and streams end apart; a broken copy lacks more


@dataclass(frozen=True)
class Settings:
    """How to describe.

    Attributes:
        characters: "recognised" puts the people recognised in a clip into its prompt, "all" the whole cast.
        max_people: at most so many recognised people a clip.
        num_beams: beams of the search, 1 is greedy; None is the checkpoint's own number.
        contrast: weight of what the neighbours' pictures say, in the choice among beams; None is the checkpoint's own.
        batch_windows: windows that run at once.
        device: "auto", "cpu", "cuda", "cuda:1", ...
        dtype: "auto" (float32 on a CPU, else the checkpoint's), "float32", "bfloat16" or "float16".
        seed: of every random number.
        overlaps: what to do when intervals of a file overlap, "refuse" or "keep".
        film_id: what the intervals file calls the film, if not by its file name.
        gaps: how the gaps between subtitle lines become intervals.
    """

    characters: Characters = "recognised"
    max_people: int = 3
    num_beams: int | None = None
    contrast: float | None = None
    batch_windows: int = 1
    device: str = "auto"
    dtype: str = "auto"
    seed: int = 0
    overlaps: Overlaps = "refuse"
    film_id: str | None = None
    gaps: GapRules = field(default_factory=GapRules)

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            UserError: naming the value and the range.
        """
        ranges = {"max_people": (1, 64), "num_beams": (1, 64), "batch_windows": (1, 1024), "seed": (0, 2**32 - 1)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UserError(f"{name} is {value}", f"Give a whole number from {low} to {high}.")
        if self.contrast is not None and not 0 <= self.contrast <= 10:  # not a number fails too
            raise UserError(f"contrast is {self.contrast}", "Give a number from 0 (off) to 10.")
        for name, choices in (("characters", get_args(Characters)), ("overlaps", get_args(Overlaps))):
            if getattr(self, name) not in choices:
                raise UserError(f"{name} is '{getattr(self, name)}'", f"Give one of {', '.join(choices)}.")


@dataclass(frozen=True)
class Plan:
    """What shall be described, all checked, before any model.

    Attributes:
        film: the film.
        info: its length (s), frame rate (Hz), size (pixels) and whether it has sound.
        intervals: what to describe, in order of time.
        origin: where they come from, "file", "gap" or "even".
        source: the file that they come from, if any.
        cast: who may appear.
        settings: how to describe.
        warnings: what was repaired or assumed.
    """

    film: Path
    info: VideoInfo
    intervals: list[Interval]
    origin: str
    source: Path | None
    cast: list[Person]
    settings: Settings
    warnings: list[str]


def plan(
    film: PathLike,
    *,
    subtitles: PathLike | None = None,
    cast: PathLike | None = None,
    intervals: PathLike | None = None,
    settings: Settings | None = None,
) -> Plan:
    """Check all that was given and settle the intervals; no model is needed.

    With `intervals` the file decides, else the gaps between the lines of `subtitles`, else the film is cut evenly.

    Args:
        film: a video file.
        subtitles: SubRip, WebVTT or ASS.
        cast: a cast file (see `distinctad.cast`).
        intervals: a CSV file with the columns start and end (see `distinctad.intervals`).
        settings: how to describe.

    Returns:
        The plan.

    Raises:
        UserError: for whatever cannot be used.
    """
    settings = settings or Settings()
    path = Path(film)
    info = probe_film(path)
    people, said = read_cast(Path(cast)) if cast is not None else ([], [])
    if settings.characters == "recognised":
        faceless = [person.name for person in people if person.portrait is None]
        if people and len(faceless) == len(people):
            message = "nobody in the cast has a portrait to be recognised by"
            raise UserError(message, "Add portraits, or give --characters all.")
        if faceless:
            said.append(f"the cast: no portrait, so never recognised nor named: {', '.join(faceless)}")
    if not info.has_audio:
        said.append(f"the film '{name_of(path)}' has no sound")
    source: Path | None = None
    if intervals is not None:
        origin, source = "file", Path(intervals)
        found, notes = read_intervals(source, info.duration_s, path.name, settings.film_id, settings.overlaps)
        if subtitles is not None:
            notes.append("the subtitles were not used, the intervals come from a file")
    elif subtitles is not None:
        origin, source = "gap", Path(subtitles)
        found, notes = _from_subtitles(source, info.duration_s, settings.gaps)
    else:
        origin = "even"
        found = even_intervals(info.duration_s, settings.gaps)
        notes = [f"no subtitles and no intervals: described every {settings.gaps.even_s:g} s, over speech too"]
    return Plan(path, info, found, origin, source, people, settings, said + notes)


def _from_subtitles(path: Path, duration_s: float, rules: GapRules) -> tuple[list[Interval], list[str]]:
    speech, notes = subtitles_of(path, duration_s)
    found = speech_gaps(speech, duration_s, rules)
    if not found:
        message = f"the subtitles '{path.name}' leave no gap of {rules.min_gap_s:g} s"
        raise UserError(message, "Lower --min-gap, or give --intervals.")
    return found, notes


def probe_film(path: Path) -> VideoInfo:
    """Look at a film and refuse what cannot be described.

    Args:
        path: the file.

    Returns:
        Its length, until its pictures and its own sound have ended, and its kind.

    Raises:
        UserError: if there is no such file, it is no video, has no length, or lacks its end (a broken copy).
    """
    from modeling_distinctad.video_distinctad import VideoError, probe, video_warnings

    fix = "Give a video file that plays (mp4, mkv, webm, mov, avi)."
    try:
        if not path.is_file():
            raise UserError(f"the film '{path}' is not a file", "Check the path.")
        with video_warnings():  # they come again, and are kept, when the frames are read
            info = probe(str(path))
    except VideoError as error:
        raise UserError(f"the film '{path.name}' cannot be used: {reason_of(error, path)}", fix) from error
    except OSError as error:
        raise UserError(
            f"the film '{path}' cannot be read ({error.strerror or error})", "Check its permissions."
        ) from error
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"the film {str(path)!r} is no usable path", "Check the path.") from error
    end_s = _data_end_s(path, info.duration_s)
    if info.duration_s == 0.0:  # recorders that stream leave the length out
        info = replace(info, duration_s=end_s)
    if not (math.isfinite(info.duration_s) and info.duration_s >= 0.1):
        raise UserError(f"the film '{path.name}' has no moving picture (length {info.duration_s:.2f} s)", fix)
    sound_s = min(_sound_end_s(path), end_s) if info.has_audio else 0.0
    if sound_s > info.duration_s + SOUND_SLACK_S:
        info = replace(info, duration_s=sound_s)
    if info.duration_s > MAX_FILM_S or info.width * info.height > MAX_FRAME_PIXELS:
        said = f"{info.duration_s:.0f} s of {info.width}x{info.height}"
        bounds = f"Give at most {MAX_FILM_S} s and {MAX_FRAME_PIXELS} pixels a frame."
        raise UserError(f"the film '{path.name}' says that it has {said}", bounds)
    if end_s < info.duration_s - TRUNCATION_SLACK_S:
        message = (
            f"the film '{path.name}' is truncated: it says {info.duration_s:.1f} s and its data ends at {end_s:.1f} s"
        )
        raise UserError(message, "Copy or download it again.")
    return info


def _sound_end_s(path: Path) -> float:
    """When a film's own sound ends as the file says, in seconds; 0.0 where it does not say."""
    from distinctad.audio.sound import opened, origin_of, own_sound

    with opened(path) as container:
        sound = own_sound(container)
        if sound is None or not sound.duration:
            return 0.0
        return float(((sound.start_time or 0) + sound.duration) * sound.time_base) - origin_of(container)


def _data_end_s(path: Path, duration_s: float) -> float:
    """Find where the last packet of any stream ends, in seconds: near the end, else from the start."""
    import av

    for from_s in (max(0.0, duration_s - 10.0), 0.0):
        end_s = 0.0
        try:
            # A bare "A: b.mp4" would name a protocol.
            with av.open(f"file:{path}", container_options=PYAV_OPTIONS) as container:
                first_s = (container.start_time or 0) / 1_000_000
                if from_s > 0:
                    container.seek(round((first_s + from_s) * 1_000_000))
                for packet in container.demux():
                    if packet.size and packet.pts is not None and packet.time_base is not None:
                        end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base) - first_s)
        except (av.FFmpegError, OSError, ValueError):
            pass  # a broken end: what was found before it is the answer
        if end_s >= duration_s - TRUNCATION_SLACK_S:
            break
    return end_s


def sha256_of(*paths: Path) -> str:
    """Hash files, in the order given, as if they were one.

    Args:
        paths: the files.

    Returns:
        64 hexadecimal digits.

    Raises:
        UserError: if one cannot be read (any more).
    """
    total = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as file:
                while block := file.read(1 << 20):
                    total.update(block)
        except OSError as error:
            raise UserError(
                f"'{path}' cannot be read ({error.strerror})", "Keep the files in place while they are described."
            ) from error
    return total.hexdigest()


def reason_of(error: Exception, path: Path) -> str:
    """Take the reason out of an error of the video module: after the path, before what was expected and the fix."""
    return without_path(error, path).partition(";")[0]


def without_path(message: object, path: Path) -> str:
    """Take the film's path off the front of a message of the video module: documents hold no path."""
    return str(message).removeprefix(f"{path}: ")


def name_of(path: Path) -> str:
    """Give a file's last name as text that every file can hold (a name on disk may be no UTF-8)."""
    return path.name.encode("utf-8", "replace").decode("utf-8")
