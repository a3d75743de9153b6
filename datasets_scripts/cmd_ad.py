"""CMD-AD: ADs of AudioVault inside the clips of Condensed Movies; `cmdad_anno.csv`, with a text column or without.

Source: data specification. `start` and `end` are the AD's own, on the film's timeline; `scaled_start` and `scaled_end`
are inside the clip and were widened to 2 s, so they say where to look and overlap where the ADs do not.
"""

from __future__ import annotations

from typing import ClassVar

from datasets_scripts.annotations import WIDENED_S, AnnotationReader, Draft
from datasets_scripts.cells import clean_text, identifier, integer, interval, media_path, seconds
from datasets_scripts.json_tables import JSONTable
from datasets_scripts.tables import Record, Table

_WITHOUT_TEXT = ("duration", "num_words", "num_string")  # what the public copy without texts has instead


class CMDADReader(AnnotationReader):
    """CMD-AD's annotations; `film` is the IMDb id, `clip` the video's name, clips go by `cmd_clip_idx`."""

    name: ClassVar[str] = "cmd-ad"
    film_column: ClassVar[str] = "imdbid"
    required: ClassVar[tuple[str, ...]] = (
        "start", "end", "scaled_start", "scaled_end", "cmd_filename", "imdbid", "cmd_clip_idx",
    )  # fmt: skip
    aliases: ClassVar[dict[str, str]] = {"imdb": "imdbid", "sentence": "text"}
    public: ClassVar[tuple[int, int]] = (7316, 98)

    def _open(self) -> Table | JSONTable:
        table = super()._open()
        if isinstance(table, Table) and not set(_WITHOUT_TEXT) <= set(table.columns):
            table.require(("text",))
        return table

    def draft(self, film: str, record: Record) -> Draft:
        """Make one row; see `AnnotationReader.draft`."""
        cells, findings = record.cells, record.findings
        identifier(film, "imdbid")
        start_s, end_s = interval(seconds(cells["start"], "start"), seconds(cells["end"], "end"), findings)
        scaled = [seconds(cells[name], name) for name in ("scaled_start", "scaled_end")]
        inside_s, until_s = interval(scaled[0], scaled[1], findings)
        if end_s - start_s < WIDENED_S - 0.001 and scaled[1] - scaled[0] > end_s - start_s + 0.001:
            findings.append(("widened", f"{end_s - start_s:.3f} s became {scaled[1] - scaled[0]:.3f} s"))
        if "text" in cells:
            text = clean_text(cells["text"], findings)
        else:
            text = ""
            findings.append(("no_text", "the file has no text column"))
        video = media_path(cells["cmd_filename"], "cmd_filename")
        number = integer(cells["cmd_clip_idx"], "cmd_clip_idx")
        return Draft(
            record.number, video, start_s, end_s, text, video, (number, start_s), inside_s, until_s, findings=findings
        )

    def compare(self, above: Draft, draft: Draft) -> None:
        """Overlaps inside the clip."""
        if above.clip == draft.clip and above.video_end_s is not None and draft.video_start_s is not None:
            if draft.video_start_s < above.video_end_s:
                found = f"{draft.video_start_s:.3f} s before {above.video_end_s:.3f} s"
                draft.findings.append(("widened_overlap", found))
