"""MAD and MAD-Eval: films as features at 5 frames a second, or as raw movies; `madeval_anno.csv` and MAD's JSON.

Sources: data specification; the paper's Appendix E for the films left out of training from pixels.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from datasets_scripts.annotations import SLACK_S, AnnotationReader, CharactersOf, Draft, no_characters
from datasets_scripts.cells import clean_text, interval, media_path, seconds
from datasets_scripts.json_tables import JSONTable
from datasets_scripts.repairs import KEPT, REPAIRED, RowRefused, short
from datasets_scripts.tables import Record, Table

EXCLUDED: dict[str, str] = {
    "4797": "excluded_unavailable",
    "4839": "excluded_unavailable",
    "5900": "excluded_unavailable",
    "4017": "excluded_duration",
    "4902": "excluded_duration",
    "5634": "excluded_duration",
}
"""Films of MAD's training set that the paper leaves out of training from pixels (Appendix E, Tables E.2 and E.3)."""

DURATIONS_S: dict[str, tuple[int, int, int]] = {
    "2738": (5846, 6119, 6120),
    "2787": (4764, 6736, 6720),
    "4017": (7160, 7061, 7140),
    "4061": (5282, 7692, 7680),
    "4266": (5768, 6039, 6000),
    "4772": (5993, 6273, 6240),
    "4902": (4530, 4315, 4440),
    "5634": (6052, 6710, 6000),
    "6952": (9112, 8513, 8460),
}
"""Table E.3, in seconds: MAD's length, the paper's copy's, IMDb's, of the films that differ by over a minute."""

TABLE_E4 = {"features": (488, 334_296), "films": (482, 326_632)}
"""Films and ADs of MAD-v2-Named's training set by source (Table E.4)."""

SOURCES = ("features", "films", "clips")
_HMS = r"(\d{2})\.(\d{2})\.(\d{2})\.(\d{3})"
_NAME = re.compile(rf"(.+)_{_HMS}-{_HMS}", re.ASCII)


def table_e4(ads: Mapping[str, int | None]) -> dict[str, dict[str, int]]:
    """Table E.4 of some annotations beside the published one: what is trained on by source.

    Args:
        ads: training film -> its ADs, None where the annotations do not say.

    Returns:
        "features" (all films) and "films" (pixels: without the six of Appendix E) -> `films` and `ads` here (`ads` only
        where they are known), `published_films` and `published_ads` (MAD-v2-Named).
    """
    found = {}
    for source, (films, published) in TABLE_E4.items():
        counts = [count for film, count in ads.items() if source == "features" or film not in EXCLUDED]
        known = [count for count in counts if count is not None]
        own = {"films": len(counts), **({"ads": sum(known)} if known else {})}
        found[source] = {**own, "published_films": films, "published_ads": published}
    return found


def read_hms(text: str) -> float | None:
    """Read HH.MM.SS.mmm as seconds; None if it is not written so."""
    match = re.fullmatch(_HMS, text.strip(), re.ASCII)
    return None if match is None else _to_seconds(match.groups())


def _to_seconds(parts: tuple[str, ...]) -> float:
    hours, minutes, whole, thousandths = (int(part) for part in parts)
    return (hours * 3600 + minutes * 60 + whole) + thousandths / 1000


def _differences(cells: dict[str, Any]) -> list[float]:
    """How far start and end lie after their spelled times, in seconds."""
    found = []
    for which in ("start", "end"):
        spelled = read_hms(str(cells.get(f"{which}_hms", "")))
        try:
            own = seconds(cells.get(which), which)
        except RowRefused:
            continue
        if spelled is not None:
            found.append(round(own - spelled, 3))
    return found


class MADReader(AnnotationReader):
    """MAD-Eval's CSV (columns `movie` to `end_hms`) or MAD's JSON (id -> {movie, ext_timestamps, sentence, ...}).

    A time stands three times in the CSV (`start`, `start_hms`, in `lsmdc_filename`): where one differs, the two that
    agree are taken. In some public films all `start` and `end` lie a constant time after the spelled ones (0.2 and
    2.8 s): that offset is the film's, stays, and is told in the report.

    Args:
        path: the file; `.json` is read as MAD's JSON.
        characters: see `AnnotationReader`.
        order: see `AnnotationReader`.
        root: see `AnnotationReader`.
        lengths_s: see `AnnotationReader`.
        source: "features" (`video` is the film's key in the h5 file; all 488 training films), "films" (a raw movie a
            film; without the six of Appendix E) or "clips" (one LSMDC clip an AD).

    Raises:
        ValueError: an unknown source or order.
        TableError: as `AnnotationReader`.
    """

    name: ClassVar[str] = "mad-eval"
    film_column: ClassVar[str] = "movie"
    required: ClassVar[tuple[str, ...]] = ("movie", "sentence", "start", "end")
    optional: ClassVar[tuple[str, ...]] = ("movie_duration", "lsmdc_filename", "start_hms", "end_hms")
    aliases: ClassVar[dict[str, str]] = {"imdb": "imdbid", "text": "sentence"}
    public: ClassVar[tuple[int, int]] = (6520, 10)

    def __init__(
        self,
        path: Path,
        characters: CharactersOf = no_characters,
        order: str = "time",
        root: Path | None = None,
        lengths_s: Mapping[str, float] | None = None,
        source: str = "features",
    ) -> None:
        if source not in SOURCES:
            raise ValueError(f"source is {source!r}, expected one of {', '.join(SOURCES)}; choose one")
        self.source = source
        self._offset_s = 0.0
        self._offsets: dict[str, float] = {}
        super().__init__(path, characters, order, root, lengths_s)

    def _open(self) -> Table | JSONTable:
        return JSONTable(self.path) if self.path.suffix == ".json" else super()._open()

    def _drafts(self, film: str) -> tuple[list[Draft], list[Record]]:
        """Measure the film's offset of its spelled times, then read its rows."""
        self._offset_s = 0.0
        if isinstance(self.table, Table) and {"start_hms", "end_hms"} <= set(self.table.columns):
            differences = [d for record in self.table.records(self.places[film]) for d in _differences(record.cells)]
            # Over half of the film must agree; else a spelling that is off is a row's own fault.
            common, count = Counter(differences).most_common(1)[0] if differences else (0.0, 0)
            self._offset_s = common if 2 * count > len(differences) else 0.0
            if self._offset_s:
                self._offsets[film] = self._offset_s
        return super()._drafts(film)

    def draft(self, film: str, record: Record) -> Draft:
        """Make one row; see `AnnotationReader.draft`."""
        if self.source != "features" and film in EXCLUDED:
            self._made(film, Record(record.number, record.cells))  # what could not be used anyway says so itself
            raise RowRefused(EXCLUDED[film], f"film {film}")
        return self._made(film, record)

    def _made(self, film: str, record: Record) -> Draft:
        cells, findings = record.cells, record.findings
        start_s, end_s, clip_file = self._times(film, cells, findings)
        limit_s = math.inf
        if cells.get("movie_duration") not in (None, ""):
            limit_s = seconds(cells["movie_duration"], "movie_duration")
            self._compare_lengths(film, limit_s, findings)
        if film in DURATIONS_S:
            mad_s, _, imdb_s = DURATIONS_S[film]
            findings.append(("duration_disagrees", f"MAD {mad_s} s, IMDb {imdb_s} s"))
        start_s, end_s = interval(start_s, end_s, findings, limit_s)
        draft = Draft(
            number=record.number,
            clip=film,
            start_s=start_s,
            end_s=end_s,
            text=clean_text(cells.get("sentence"), findings),
            video=media_path(film, "movie"),
            order=(start_s,),
            findings=findings,
        )
        if self.source == "clips":
            draft.clip = media_path(clip_file or None, "lsmdc_filename")
            draft.video = f"{film}/{draft.clip}"
            draft.video_start_s, draft.video_end_s = 0.0, end_s - start_s
        return draft

    def _compare_lengths(self, film: str, length_s: float, findings: list[tuple[str, str]]) -> None:
        """Note features that are shorter or longer than the annotations' film (20 of MAD-v2's 650)."""
        features_s = (self.lengths_s or {}).get(film)
        if features_s is not None and abs(features_s - length_s) > SLACK_S:
            findings.append(("features_differ", f"features {features_s:.2f} s, movie_duration {length_s:.2f} s"))

    def _times(self, film: str, cells: dict[str, Any], findings: list[tuple[str, str]]) -> tuple[float, float, str]:
        """Start and end in seconds as written (not yet an interval), and the LSMDC clip's name or ""."""
        if "ext_timestamps" in cells:
            pair = cells["ext_timestamps"]
            if not isinstance(pair, list) or len(pair) != 2:
                raise RowRefused("bad_literal", f"ext_timestamps is {short(pair)}, expected [start, end]")
            return seconds(pair[0], "ext_timestamps[0]"), seconds(pair[1], "ext_timestamps[1]"), ""
        clip_file = str(cells.get("lsmdc_filename", ""))
        named = _NAME.fullmatch(clip_file)
        if named is not None and named[1] != film:
            raise RowRefused("film_disagrees", f"movie is {short(film)}, lsmdc_filename {short(clip_file)}")
        groups = named.groups() if named else ()
        times = []
        for i, which in enumerate(("start", "end")):
            others = [read_hms(str(cells.get(f"{which}_hms", "")))]
            others += [_to_seconds(groups[1 + 4 * i : 5 + 4 * i])] if groups else []
            times.append(self._agreed(which, cells.get(which), others, findings))
        return times[0], times[1], clip_file

    def _agreed(self, which: str, value: object, others: list[float | None], findings: list[tuple[str, str]]) -> float:
        """The time that most spellings say."""
        spelled = [round(other + self._offset_s, 3) for other in others if other is not None]
        try:
            own = seconds(value, which)
        except RowRefused:
            if len(spelled) == 2 and spelled[0] == spelled[1]:
                findings.append(("time_from_name", f"{which} is {short(value)}, {spelled[0]} s in its other spellings"))
                return spelled[0]
            raise
        differ = [other for other in spelled if abs(other - own) > 0.0015]
        if not differ or own < 0:  # HH.MM.SS cannot say a time below zero
            return own
        if len(spelled) == 2 and len(differ) == 2 and spelled[0] == spelled[1]:
            findings.append(("time_from_name", f"{which} is {own} s, {spelled[0]} s in its other spellings"))
            return spelled[0]
        if len(spelled) == 2 and len(differ) == 1:
            findings.append(("time_from_name", f"{which} is {own} s in two spellings, {differ[0]} s in the third"))
            return own
        raise RowRefused("times_disagree", f"{which} is {own} s, {differ[0]} s in another spelling")

    def facts(self) -> dict[str, Any]:
        """Films and the source; of MAD's own JSON, Table E.4 beside the published one."""
        facts = {**super().facts(), "source": self.source}
        if self._offsets:
            facts["spelled_times_offset_s"] = dict(self._offsets)
        if isinstance(self.table, JSONTable):
            facts["table_e4"] = table_e4({film: ads for film in self.films if (ads := self._usable(film))})
        return facts

    def _usable(self, film: str) -> int:
        """Rows of a film that are kept or repaired, or would be if Appendix E did not leave it out."""
        counts = self.report.films.get(film, Counter())
        left_out = self.report.found.get(EXCLUDED.get(film, ""))
        numbers = set(self.places[film].numbers) if left_out else set()
        return counts[KEPT] + counts[REPAIRED] + sum(row in numbers for row in (left_out.rows if left_out else ()))
