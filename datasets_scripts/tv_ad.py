"""TV-AD: two series, frames at 3 a second in a folder or tar per clip; `tvad_anno.csv`, with faces or without.

Source: data specification. Two public versions differ in `tvad_index` in every row: one spans about 3.07 frames a
second of the widened interval, the other 3.51. Both are taken as they stand, the report says which one a file is.
"""

from __future__ import annotations

from statistics import median
from typing import Any, ClassVar

from datasets_scripts.annotations import WIDENED_S, AnnotationReader, Draft
from datasets_scripts.cells import clean_text, identifier, interval, media_path, seconds
from datasets_scripts.literals import read_boxes, read_frame_numbers, read_predictions
from datasets_scripts.repairs import RowRefused
from datasets_scripts.tables import Record

FRAME_RATE_HZ = 3.0
WIDE_FRAMES_PER_S = 3.25  # between the two versions' medians, 3.0 and 3.5
FOLDERS = (("friends", "friends_frames"), ("film_", "pocket_frames"), ("", "bbt_frames"))


def frames_folder(tvad_name: str) -> str:
    """The folder of a clip's frames: the public set's two, or the pocket films'."""
    return next(folder for mark, folder in FOLDERS if mark in tvad_name)


class TVADReader(AnnotationReader):
    """TV-AD's annotations; `film` is the episode's IMDb id, `clip` and the video's last part are `tvad_name`.

    `frame_numbers` are the row's own 16; where the file holds them, boxes and predicted ids are checked too.
    """

    name: ClassVar[str] = "tv-ad"
    film_column: ClassVar[str] = "imdbid_pe"
    required: ClassVar[tuple[str, ...]] = ("text", "start", "end", "imdbid_pe", "tvad_name", "tvad_index")
    optional: ClassVar[tuple[str, ...]] = ("imdbid", "scaled_start", "scaled_end", "duration")
    aliases: ClassVar[dict[str, str]] = {"imdb": "imdbid", "sentence": "text"}
    public: ClassVar[tuple[int, int]] = (2983, 100)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._rates: list[float] = []
        self._series: set[str] = set()
        super().__init__(*arguments, **options)

    def draft(self, film: str, record: Record) -> Draft:
        """Make one row; see `AnnotationReader.draft`."""
        cells, findings = record.cells, record.findings
        identifier(film, "imdbid_pe")
        start_s, end_s = interval(seconds(cells["start"], "start"), seconds(cells["end"], "end"), findings)
        clip = media_path(cells["tvad_name"], "tvad_name")
        numbers = read_frame_numbers(cells["tvad_index"])
        draft = Draft(
            number=record.number,
            clip=clip,
            start_s=start_s,
            end_s=end_s,
            text=clean_text(cells["text"], findings),
            video=f"{frames_folder(clip)}/{clip}",
            order=(start_s,),
            frame_numbers=numbers,
            findings=findings,
        )
        self._check_scaled(draft, cells)
        self._check_faces(cells, findings)
        if "imdbid" in cells:
            self._series.add(identifier(cells["imdbid"], "imdbid"))
        return draft

    def _check_scaled(self, draft: Draft, cells: dict[str, Any]) -> None:
        """See that the widened interval is one and holds the row's duration; note the widening and the frame rate."""
        if "scaled_start" not in cells or "scaled_end" not in cells:
            return
        scaled = [seconds(cells[name], name) for name in ("scaled_start", "scaled_end")]
        length_s = scaled[1] - scaled[0]
        if length_s <= 0:
            raise RowRefused("no_interval", f"scaled from {scaled[0]} to {scaled[1]} s")
        if "duration" in cells and abs(seconds(cells["duration"], "duration") - length_s) > 0.01:
            raise RowRefused(
                "times_disagree", f"duration is {cells['duration']} s, scaled times {length_s:.3f} s apart"
            )
        if draft.end_s - draft.start_s < WIDENED_S - 0.001 and length_s > draft.end_s - draft.start_s + 0.001:
            draft.findings.append(("widened", f"{draft.end_s - draft.start_s:.3f} s became {length_s:.3f} s"))
        # Kept for `compare` only: a row's own times are those that are scored.
        draft.order = (draft.start_s, *scaled)
        self._rates.append((draft.frame_numbers[-1] - draft.frame_numbers[0] + 1) / length_s)

    def _check_faces(self, cells: dict[str, Any], findings: list[tuple[str, str]]) -> None:
        """See that predicted faces have a box."""
        if "pred_ids" not in cells:
            return
        predicted = read_predictions(cells["pred_ids"])
        if "bboxes" in cells:
            boxes = read_boxes(cells["bboxes"])
            for key, places in predicted.items():
                if any(frame >= len(boxes) or face >= boxes[frame] for frame, face in places):
                    findings.append(("face_without_box", key))

    def compare(self, above: Draft, draft: Draft) -> None:
        """Overlaps inside the clip."""
        if above.clip == draft.clip and len(above.order) == len(draft.order) == 3:
            if draft.order[1] < above.order[2]:
                found = f"{draft.order[1]} s before {above.order[2]} s"
                draft.findings.append(("widened_overlap", found))

    def facts(self) -> dict[str, Any]:
        """Films, clips, series, and which of the two public versions of `tvad_index` this is."""
        found = {**super().facts(), "series": len(self._series)}
        if self._rates:
            rate = sum(self._rates) / len(self._rates)
            version = "wide" if median(self._rates) > WIDE_FRAMES_PER_S else "narrow"
            found["tvad_index"] = f"{version}: {rate:.2f} frames a second of the widened interval"
        return found
