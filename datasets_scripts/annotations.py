"""The way from an annotation file to `ADRow`s that all data sets share: order, overlaps, duplicates, counts.

A data set's own module says which columns it has and how a row becomes a `Draft`; `cells` holds the rules on one cell;
here stand those on one film's rows together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from datasets_scripts.cells import identifier
from datasets_scripts.json_tables import JSONTable
from datasets_scripts.repairs import KEPT, REFUSED, RULES, Report, RowRefused, short
from datasets_scripts.schema import ADRow, Character, Provenance, video_span
from datasets_scripts.tables import Place, Record, Table, TableError

WIDENED_S = 2.0
SLACK_S = 1.0  # rounding of containers and frame rates; as `MadFeatures`
VIDEO_ENDINGS = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".ts")
"""What a film's file is called; in lower case, a reader that takes others folds them first."""

CharactersOf = Callable[[str, str, dict[str, Any]], tuple[tuple[Character, ...], list[tuple[str, str]]]]
"""(film, text, the row's cells) -> the people that its prompt may list, and findings."""


@dataclass
class Draft:
    """A row on its way to an `ADRow`; fields as there.

    Attributes:
        number: row in the file.
        order: what rows of a film are sorted by before their file order.
        findings: (rule, detail) pairs so far.
    """

    number: int
    clip: str
    start_s: float
    end_s: float
    text: str
    video: str
    order: tuple[float, ...]
    video_start_s: float | None = None
    video_end_s: float | None = None
    frame_numbers: tuple[int, ...] = ()
    characters: tuple[Character, ...] = ()
    findings: list[tuple[str, str]] = field(default_factory=list)


def no_characters(film: str, text: str, cells: dict[str, Any]) -> tuple[tuple[Character, ...], list[tuple[str, str]]]:
    """Nobody, for whoever needs texts and times alone."""
    return (), []


class AnnotationReader:
    """Reads one annotation file film by film; see the data sets' modules for each one's columns.

    Args:
        path: the file.
        characters: who may be in a prompt (see `datasets_scripts.banks`).
        order: "time" sorts a film's rows by start, "file" leaves them.
        root: folder of the videos; a row whose video is not there is refused. None: not looked for.
        lengths_s: film -> seconds that its features cover; a film without any, or an AD that they do not reach, is
            refused (up to `SLACK_S` its last features are repeated). None: not looked at.

    Attributes:
        report: counts and findings of the films read so far.
        video_ends_s: video, with its ending -> seconds at which its pictures end, or why it cannot be read; a row that
            begins after them, or of such a video, is refused. Set it before the first film is read; empty: not looked
            at.

    Raises:
        TableError: no row of the file can be read.
        ValueError: an unknown order.
    """

    name: ClassVar[str]
    film_column: ClassVar[str]
    required: ClassVar[tuple[str, ...]]
    optional: ClassVar[tuple[str, ...]] = ()
    aliases: ClassVar[dict[str, str]] = {}
    public: ClassVar[tuple[int, int]] = (0, 0)  # rows and films of the public evaluation file

    def __init__(
        self,
        path: Path,
        characters: CharactersOf = no_characters,
        order: str = "time",
        root: Path | None = None,
        lengths_s: Mapping[str, float] | None = None,
    ) -> None:
        if order not in ("time", "file"):
            raise ValueError(f"order is {order!r}, expected time or file; choose one")
        self.path, self.characters_of, self.order, self.root = path, characters, order, root
        self.lengths_s = lengths_s
        self.video_ends_s: Mapping[str, float | str] = {}
        self.report = Report(path.name)
        self._texts: set[int] = set()
        self._clips: set[str] = set()
        self.table = self._open()
        self._places: dict[str, Place] | None = None

    def _open(self) -> Table | JSONTable:
        """Open the file and see that its columns are there."""
        table = Table(self.path, self.aliases)
        table.require(self.required)
        if missing := [name for name in self.optional if name not in table.columns]:
            self.report.remarks.append(f"no column {', '.join(missing)}: what it would confirm is not checked")
        return table

    def close(self) -> None:
        """Close the file."""
        self.table.close()

    @property
    def places(self) -> dict[str, Place]:
        """Film -> where its rows lie; rows without a film are counted as refused when this is first asked for."""
        if self._places is None:
            places, refused = self.table.index(self.film_column)
            for record in refused:
                self.report.row("", record.number, record.findings)
            for film in list(places):
                try:
                    identifier(film, self.film_column)
                except RowRefused as refusal:
                    for number in places.pop(film).numbers:
                        self.report.row("", number, [(refusal.rule, refusal.detail)])
            self._places = places
        return self._places

    @property
    def films(self) -> list[str]:
        """The films in order of their first row."""
        return list(self.places)

    def read(self, film: str) -> list[ADRow]:
        """Read one film.

        Args:
            film: one of `films`.

        Returns:
            Its usable rows in order, `index` from 0.

        Raises:
            ValueError: no such film.
        """
        if film not in self.places:
            raise ValueError(f"film {film!r} is not in {self.path.name}; expected one of its {len(self.places)} films")
        counting = film not in self.report.films
        drafts, refused = self._drafts(film)
        self._compare(drafts)
        if counting:
            self._count(film, drafts, refused)
        if self.order == "time":
            drafts.sort(key=lambda draft: (*draft.order, draft.number))
        return [self._row(film, index, draft) for index, draft in enumerate(drafts)]

    def __iter__(self) -> Iterator[ADRow]:
        """Every usable row, film after film."""
        for film in self.films:
            yield from self.read(film)

    def _drafts(self, film: str) -> tuple[list[Draft], list[Record]]:
        """The film's rows in file order, and those refused."""
        drafts: list[Draft] = []
        refused: list[Record] = []
        seen: set[int] = set()
        for record in self.table.records(self.places[film]):
            same = hash(tuple(map(str, record.cells.values())))
            try:
                if same in seen:
                    raise RowRefused("duplicate_row", "equal to an earlier row of the film")
                seen.add(same)
                if any(RULES[rule][0] == REFUSED for rule, _ in record.findings):
                    refused.append(record)
                    continue
                draft = self.draft(film, record)
                draft.characters, more = self.characters_of(film, draft.text, record.cells)
                draft.findings += more
                self._find_video(draft)
                self._find_features(film, draft)
                drafts.append(draft)
            except RowRefused as refusal:
                record.findings.append((refusal.rule, refusal.detail))
                refused.append(record)
        return drafts, refused

    def draft(self, film: str, record: Record) -> Draft:
        """Make one row of the set's own columns.

        Raises:
            RowRefused: the row cannot be used.
        """
        raise NotImplementedError(f"{type(self).__name__} has no columns of its own; use MADReader, CMDADReader, ...")

    def _find_video(self, draft: Draft) -> None:
        """Refuse a row whose video is not there or does not reach it; put the ending on that the file has."""
        if self.root is None or not draft.video:
            return
        found = find_media(self.root, draft.video)
        if found is None:
            raise RowRefused("missing_video", f"{short(draft.video)} is not there, with no ending that is known")
        draft.video = found
        end_s = self.video_ends_s.get(found)
        if isinstance(end_s, str):
            raise RowRefused("unreadable_video", f"{short(found)}: {end_s}")
        start_s, until_s = video_span(draft)
        if end_s is not None and start_s >= end_s:
            raise RowRefused(
                "no_frames",
                f"{short(found)} ends at {end_s:.2f} s, the AD is from {start_s} to {until_s} s; "
                "fetch the whole film, or the cut that was annotated",
            )

    def _find_features(self, film: str, draft: Draft) -> None:
        """Refuse a row that the film's features do not reach."""
        if self.lengths_s is None:
            return
        if film not in self.lengths_s:
            raise RowRefused("missing_video", f"film {short(film)} has no features")
        length_s = self.lengths_s[film]
        if draft.start_s >= length_s or draft.end_s > length_s + SLACK_S:
            raise RowRefused("no_frames", f"{draft.start_s} to {draft.end_s} s, features to {length_s:.2f} s")
        if draft.end_s > length_s:
            draft.findings.append(("few_frames", f"ends {draft.end_s} s, features {length_s:.2f} s"))

    def _compare(self, drafts: Sequence[Draft]) -> None:
        """Note what one row is to the row above it in the file: order, overlap."""
        for above, draft in zip(drafts, drafts[1:], strict=False):
            if draft.order < above.order:
                rule = "out_of_order" if self.order == "time" else "file_order"
                draft.findings.append((rule, f"row {draft.number} starts {draft.start_s} s, above {above.start_s} s"))
            elif draft.start_s < above.start_s:
                draft.findings.append(("clip_order", f"{draft.start_s} s after {above.start_s} s"))
            if draft.start_s == above.start_s:
                draft.findings.append(("equal_start", f"{draft.start_s} s"))
            if draft.start_s < above.end_s:
                draft.findings.append(("overlap", f"starts {draft.start_s} s, above ends {above.end_s} s"))
            self.compare(above, draft)

    def compare(self, above: Draft, draft: Draft) -> None:
        """Note what else one row is to the row above it; a set's own rules."""

    def _count(self, film: str, drafts: Sequence[Draft], refused: Sequence[Record]) -> None:
        """Bring the film's rows into the report."""
        for record in refused:
            self.report.row(film, record.number, record.findings)
        for draft in drafts:
            if draft.text:
                same = hash(draft.text)
                if same in self._texts:
                    draft.findings.append(("duplicate_text", short(draft.text)))
                self._texts.add(same)
            self._clips.add(draft.clip)
            self.report.row(film, draft.number, draft.findings)

    def _row(self, film: str, index: int, draft: Draft) -> ADRow:
        return ADRow(
            film=film,
            clip=draft.clip,
            index=index,
            start_s=draft.start_s,
            end_s=draft.end_s,
            text=draft.text,
            characters=draft.characters,
            video=draft.video,
            provenance=Provenance(self.path.name, draft.number),
            video_start_s=draft.video_start_s,
            video_end_s=draft.video_end_s,
            frame_numbers=draft.frame_numbers,
        )

    def read_all(self) -> Report:
        """Read every film once.

        Returns:
            The report of the whole file. A file that breaks off is refused from there on, not raised.
        """
        try:
            for film in self.films:
                self.read(film)
        except TableError as error:
            self.report.refuse_file(error.rule, str(error), error.rows)
        self.report.facts.update(self.facts())
        rows, films = self.public
        # A file cut between two rows shows no damage: only the count tells.
        if rows and isinstance(self.table, Table) and (self.report.rows, self.report.facts["films"]) != (rows, films):
            self.report.remarks.append(
                f"the public evaluation file holds {rows:,} rows of {films} films, this one {self.report.rows:,} of "
                f"{self.report.facts['films']}"
            )
        return self.report

    def facts(self) -> dict[str, Any]:
        """Figures of the files read so far, beside the counts."""
        kept = [counts for film, counts in self.report.films.items() if film and counts[KEPT] + counts["repaired"]]
        return {"films": len(kept), "clips": len(self._clips)}


def find_media(root: Path, name: str) -> str | None:
    """The path below `root` of a video, folder or tar: as named, or with one of the known endings; None without one."""
    for ending in ("", *VIDEO_ENDINGS, ".tar"):  # frames of a clip lie in a folder or a tar
        if (root / f"{name}{ending}").exists():
            return f"{name}{ending}"
    return None


def source_of(asked: str | None, root: str | Path | None, feature_file: str | Path | None) -> str:
    """Where MAD's pictures come from, which decides whether Appendix E's films are left out; see `MADReader`.

    Args:
        asked: the choice of who calls; None or "": by the files.
        root: folder of the videos, if any.
        feature_file: file of features instead, if any.

    Returns:
        "features" for MAD's own file, which names no tower, and where only annotations are read; "films" for videos and
        for features that were made from one's own.

    Raises:
        FeatureError: the file cannot be read.
    """
    if asked:
        return asked
    if not feature_file:
        return "films" if root else "features"
    from datasets_scripts.mad_features import read_settings

    return "films" if read_settings(Path(feature_file)) else "features"
