"""Pocket films in the public sets' layouts: annotations with MAD-Eval's, CMD-AD's or TV-AD's columns, and the truth.

`annotations.csv` holds public columns only, so whatever reads the real files reads these. What only the generator
knows (the slots) is in `truth.jsonl`, for scoring.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets_scripts.pocket.world import Clip, Film

LAYOUTS: tuple[str, ...] = ("mad-eval", "cmd-ad", "tv-ad")
COLUMNS: dict[str, tuple[str, ...]] = {
    "mad-eval": (
        "movie", "sentence", "movie_duration", "start", "end", "imdbid", "lsmdc_filename", "start_hms", "end_hms",
    ),
    "cmd-ad": (
        "text", "start", "end", "movie", "scaled_start", "scaled_end", "cmd_filename", "imdbid", "movie_title",
        "cmd_clip_idx",
    ),
    "tv-ad": (
        "text", "start", "end", "imdbid", "imdbid_pe", "season", "episode", "scaled_end", "scaled_start", "duration",
        "tvad_name", "tvad_index",
    ),
}  # fmt: skip
TV_FRAME_RATE_HZ = 3.0
TV_FRAMES = 16  # frame numbers in tvad_index
TV_FOLDER = "pocket_frames"  # stands where the public set has bbt_frames and friends_frames
CMD_YEAR = "2000"  # the folder's year; the films have none
SHORTEST_S = 2.0  # CMD-AD and TV-AD widen shorter intervals to this


def film_id(film: Film) -> str:
    """The film's name in every file: "film_<seed>"."""
    return f"film_{film.seed}"


def hms(time_s: float) -> str:
    """A time as LSMDC writes it: HH.MM.SS.mmm."""
    milliseconds = round(time_s * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}.{minutes % 60:02d}.{rest // 1000:02d}.{rest % 1000:03d}"


@dataclass(frozen=True)
class Piece:
    """A scene as its own clip: CMD-AD's videos and TV-AD's frame folders are cut like this.

    Attributes:
        scene: number of the scene, from 0.
        start_s: start on the film's timeline, seconds.
        end_s: end, seconds; the next piece starts there.
        video: CMD-AD's cmd_filename ("year/id", without the ending).
        frames: TV-AD's tvad_name (the folder's name).
    """

    scene: int
    start_s: float
    end_s: float
    video: str
    frames: str


def pieces(film: Film) -> list[Piece]:
    """Cut a film into its scenes; together they cover it without gap.

    Args:
        film: the film; its clips are in time order.

    Returns:
        One piece a scene, in order. The first begins at 0, the last ends with the film.
    """
    starts: dict[int, float] = {}
    for clip in film.clips:
        starts.setdefault(clip.scene, clip.start_s)
    # A clip's scene begins a moment before its first AD, so that widened intervals stay inside.
    edges = [0.0, *(max(0.0, start_s - 0.2) for start_s in list(starts.values())[1:]), film.duration_s]
    return [
        Piece(
            scene,
            round(edges[i], 3),
            round(edges[i + 1], 3),
            f"{CMD_YEAR}/{film_id(film)}_{i + 1:02d}",
            f"{film_id(film)}_s01e01_seg{i + 1:02d}_clip_01",
        )
        for i, scene in enumerate(starts)
    ]


def widened(start_s: float, end_s: float, length_s: float) -> tuple[float, float]:
    """Widen an interval to at least 2 s around its middle and keep it inside 0..length_s (seconds)."""
    middle, half = (start_s + end_s) / 2, max(end_s - start_s, SHORTEST_S) / 2
    start_s = min(max(0.0, middle - half), max(0.0, length_s - 2 * half))
    return round(start_s, 3), round(min(length_s, start_s + 2 * half), 3)


def frame_numbers(start_s: float, end_s: float, frame_count: int) -> list[int]:
    """The 16 one-based numbers of the frames nearest to 16 midpoints of an interval of the piece (3 frames a second).

    Args:
        start_s: start inside the piece, seconds.
        end_s: end inside the piece, seconds.
        frame_count: frames in the folder; frame n shows the time (n - 1) / 3 s.

    Returns:
        16 ascending numbers in 1..frame_count.
    """
    times = [start_s + (i + 0.5) * (end_s - start_s) / TV_FRAMES for i in range(TV_FRAMES)]
    return [min(max(1, round(time_s * TV_FRAME_RATE_HZ) + 1), frame_count) for time_s in times]


def piece_frame_count(piece: Piece) -> int:
    """How many frames a piece's folder holds at 3 frames a second (at least 1)."""
    return max(1, int((piece.end_s - piece.start_s) * TV_FRAME_RATE_HZ))


def _mad_row(film: Film, clip: Clip) -> tuple[Any, ...]:
    name, start, end = film_id(film), hms(clip.start_s), hms(clip.end_s)
    return (
        name, clip.text, film.duration_s, clip.start_s, clip.end_s, name, f"{name}_{start}-{end}", start, end,
    )  # fmt: skip


def _cmd_row(film: Film, clip: Clip, number: int, piece: Piece) -> tuple[Any, ...]:
    length_s = piece.end_s - piece.start_s
    scaled = widened(clip.start_s - piece.start_s, clip.end_s - piece.start_s, length_s)
    return (
        clip.text, clip.start_s, clip.end_s, film.seed, *scaled, piece.video, film_id(film),
        f"Pocket film {film.seed}", number,
    )  # fmt: skip


def _tv_row(film: Film, clip: Clip, piece: Piece) -> tuple[Any, ...]:
    start_s, end_s = widened(clip.start_s, clip.end_s, film.duration_s)
    numbers = frame_numbers(max(0.0, start_s - piece.start_s), end_s - piece.start_s, piece_frame_count(piece))
    return (
        clip.text, clip.start_s, clip.end_s, "pocket", film_id(film), 1, film.seed, end_s, start_s,
        round(end_s - start_s, 3), piece.frames, str(numbers),
    )  # fmt: skip


def annotation_rows(film: Film, layout: str = "mad-eval") -> list[dict[str, Any]]:
    """The rows of annotations.csv of one film.

    Args:
        film: the film.
        layout: "mad-eval", "cmd-ad" or "tv-ad".

    Returns:
        One dictionary an AD with exactly `COLUMNS[layout]`, in time order. Times are seconds; scaled times are
        inside the piece for CMD-AD and on the film's timeline for TV-AD, as in the public files.

    Raises:
        ValueError: on an unknown layout.
    """
    check_layout(layout)
    cut = {piece.scene: (number, piece) for number, piece in enumerate(pieces(film), start=1)}
    rows = []
    for clip in film.clips:
        number, piece = cut[clip.scene]
        if layout == "mad-eval":
            values = _mad_row(film, clip)
        elif layout == "cmd-ad":
            values = _cmd_row(film, clip, number, piece)
        else:
            values = _tv_row(film, clip, piece)
        rows.append(dict(zip(COLUMNS[layout], values, strict=True)))
    return rows


def check_layout(layout: str) -> None:
    """Refuse an unknown layout.

    Raises:
        ValueError: naming the known ones.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}, expected one of {', '.join(LAYOUTS)}; choose one of these")


def truth_rows(film: Film) -> list[dict[str, Any]]:
    """The slots of each AD, for scoring only.

    Returns:
        Dictionaries with film, index, start, end (seconds), text, character (name), action and object (keys),
        colour (only when the AD tells it, else ""), partner (name or ""), novel (bool).
    """
    rows = []
    for clip in film.clips:
        fact = clip.facts[clip.told]
        rows.append(
            {
                "film": film_id(film),
                "index": clip.index,
                "start": clip.start_s,
                "end": clip.end_s,
                "text": clip.text,
                "character": film.cast[fact.person].name,
                "action": fact.action,
                "object": fact.object,
                "colour": fact.colour if clip.also == "colour" else "",
                "partner": film.cast[fact.partner].name if fact.partner >= 0 else "",
                "novel": clip.novel,
            }
        )
    return rows


def write_annotations(films: Sequence[Film], folder: Path, layout: str = "mad-eval") -> list[Path]:
    """Write annotations.csv, truth.jsonl and charbank.json of some films.

    Each file is written under a temporary name and renamed.

    Args:
        films: in the order of the rows.
        folder: an existing folder.
        layout: "mad-eval", "cmd-ad" or "tv-ad".

    Returns:
        The three paths.

    Raises:
        ValueError: on an unknown layout.
        OSError: if a file cannot be written.
    """
    check_layout(layout)
    paths = [folder / name for name in ("annotations.csv", "truth.jsonl", "charbank.json")]
    parts = [path.with_name(f".{path.name}.part") for path in paths]
    with parts[0].open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS[layout], lineterminator="\n")
        writer.writeheader()
        for film in films:
            writer.writerows(annotation_rows(film, layout))
    with parts[1].open("w", encoding="utf-8", newline="\n") as file:
        for film in films:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in truth_rows(film))
    # The public banks' form: film or episode -> [{id, name of the actor, role}].
    bank = {film_id(f): [{"id": m.id, "name": m.actor, "role": m.name} for m in f.cast] for f in films}
    parts[2].write_text(json.dumps(bank, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for part, path in zip(parts, paths, strict=True):
        part.replace(path)
    return paths
