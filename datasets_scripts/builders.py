"""Builder classes: `CMDADBuilder(annotations="cmdad_anno.csv").as_streaming_dataset("test")`, or cached.

Loading scripts are gone from `datasets`, so a program imports a class. All give one schema (`ad_features`), film after
film; a film is a shard, so workers and ranks share films and a stream resumes exactly (`state_dict`). Refused rows are
left out and counted: `builder.reports` after a pass, or `distinctad data validate` before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import datasets

from datasets_scripts.annotations import AnnotationReader, CharactersOf, source_of
from datasets_scripts.banks import TOP, characters_of
from datasets_scripts.cmd_ad import CMDADReader
from datasets_scripts.frames import FilmFeatures
from datasets_scripts.mad import MADReader
from datasets_scripts.mad_features import MAD_FPS
from datasets_scripts.pocket_set import open_pocket
from datasets_scripts.repairs import Report
from datasets_scripts.tv_ad import TVADReader

CHUNK_ROWS = 256  # ADs whose features are taken at once


@dataclass
class ADConfig(datasets.BuilderConfig):
    """What a builder reads.

    Attributes:
        annotations: the annotation file (pocket: the folder), or split -> file.
        split: name of the only split, if `annotations` is one file.
        bank: character bank (JSON), for any `characters` but "none".
        keys: `mad2imdb.json`, where the bank is keyed by the other ids.
        portraits: folder of portraits by id.
        characters: who a prompt may list: "none", "cast" (the billing's first `top`), "predicted" (TV-AD's `pred_ids`)
            or "oracle" (those whom the AD names).
        top: of "cast"; None: all.
        order: "time" or "file".
        root: folder of the videos; rows without theirs are refused.
        source: MAD's source, see `MADReader`; None: as `source_of` says.
        feature_file: h5 file of features (see `MadFeatures`); adds the column `frame_features` (num_frames, C) float16.
        num_frames: T of `frame_features`.
        rate_hz: features a second, where the file does not say.
    """

    annotations: str | dict[str, str] = ""
    split: str = "test"
    bank: str | None = None
    keys: str | None = None
    portraits: str | None = None
    characters: str = "none"
    top: int | None = TOP
    order: str = "time"
    root: str | None = None
    source: str | None = None
    feature_file: str | None = None
    num_frames: int = 8
    rate_hz: float = MAD_FPS

    def files(self) -> dict[str, str]:
        """Split -> annotation file.

        Raises:
            ValueError: none was given.
        """
        if not self.annotations:
            raise ValueError("annotations is empty, expected a file or split -> file; pass annotations=...")
        return self.annotations if isinstance(self.annotations, dict) else {self.split: self.annotations}

    def people(self) -> CharactersOf:
        """Who a prompt may list; raises as `characters_of`."""
        bank, keys, portraits = (Path(f) if f else None for f in (self.bank, self.keys, self.portraits))
        return characters_of(self.characters, bank, keys, portraits, self.top)

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        """Name the cache by what the files hold too, so that a changed file is never read from an old cache."""
        texts = [*self.files().values(), *(f for f in (self.bank, self.keys) if f)]
        named: dict[str, Any] = {**config_kwargs, "contents": [contents_sha256(Path(text)) for text in texts]}
        if self.feature_file and Path(self.feature_file).is_file():
            stat = Path(self.feature_file).stat()
            named["feature_stat"] = (stat.st_size, stat.st_mtime_ns)  # too large to hash
        return super().create_config_id(named, custom_features)


def contents_sha256(path: Path) -> str:
    """SHA-256 of an annotation or metadata file, of a pocket folder its annotations'; "missing" without one."""
    path = path / "annotations.csv" if path.is_dir() else path
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ad_features(num_frames: int = 0, width: int = 0) -> datasets.Features:
    """The schema of all sets, `ADRow.to_dict()`'s; with `width` the column `frame_features` (num_frames, width)."""
    text, number = datasets.Value("string"), datasets.Value("float64")
    columns: dict[str, Any] = {
        "film": text,
        "clip": text,
        "index": datasets.Value("int32"),
        "start_s": number,
        "end_s": number,
        "text": text,
        "characters": datasets.List({"id": text, "name": text, "actor": text, "portrait": text, "role": text}),
        "video": text,
        "provenance": {"file": text, "row": datasets.Value("int64")},
        "video_start_s": number,
        "video_end_s": number,
        "frame_numbers": datasets.List(datasets.Value("int32")),
    }
    if width:
        columns["frame_features"] = datasets.Array2D((num_frames, width), "float16")
    return datasets.Features(columns)


class ADBuilder(datasets.GeneratorBasedBuilder):
    """What the sets' builders share; use `MADBuilder`, `CMDADBuilder`, `TVADBuilder` or `PocketBuilder`.

    Attributes:
        reports: split -> report of the films read by this object in this process.
    """

    BUILDER_CONFIG_CLASS = ADConfig
    VERSION = datasets.Version("1.1.0")  # 1.1: characters have a role
    set_name: ClassVar[str]
    reader_class: ClassVar[type[AnnotationReader]]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._readers: dict[str, AnnotationReader] = {}
        self._feature_file: FilmFeatures | None = None
        # "eval" in a file name is a split to `load_dataset`: MAD-Eval's files would be read twice.
        options.setdefault("dataset_name", self.set_name.removesuffix("-eval"))
        super().__init__(*arguments, **options)

    def __getstate__(self) -> dict[str, Any]:
        """Open files stay here when the builder goes to another process."""
        return {**self.__dict__, "_readers": {}, "_feature_file": None}

    @property
    def reports(self) -> dict[str, Report]:
        """Split -> report."""
        return {split: reader.report for split, reader in self._readers.items()}

    def _info(self) -> datasets.DatasetInfo:
        width = self._features().width if self.config.feature_file else 0
        return datasets.DatasetInfo(
            description=f"Audio descriptions of {self.set_name}, one row each.",
            features=ad_features(self.config.num_frames, width),
        )

    def _features(self) -> FilmFeatures:
        if self._feature_file is None:
            self._feature_file = FilmFeatures(self.config.feature_file, fps=self.config.rate_hz)
        return self._feature_file

    def reader(self, split: str) -> AnnotationReader:
        """The split's reader, opened once a process."""
        if split not in self._readers:
            self._readers[split] = self._open(Path(self.config.files()[split]))
        return self._readers[split]

    def _open(self, path: Path) -> AnnotationReader:
        root = Path(self.config.root) if self.config.root else None
        return self.reader_class(path, self.config.people(), self.config.order, root, self._lengths_s())

    def _lengths_s(self) -> dict[str, float] | None:
        return self._features().lengths_s if self.config.feature_file else None

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        splits = []
        for split in self.config.files():
            films = self.reader(split).films
            # One list entry a film: `datasets` shards, resumes and hands out work by it.
            splits.append(datasets.SplitGenerator(name=split, gen_kwargs={"split": split, "films": films}))
        return splits

    def _generate_examples(self, split: str, films: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        reader = self.reader(split)
        for film in films:
            rows = reader.read(film)
            if not self.config.feature_file:
                for row in rows:
                    yield f"{film}/{row.index}", row.to_dict()
                continue
            features = self._features()
            for first in range(0, len(rows), CHUNK_ROWS):
                part = rows[first : first + CHUNK_ROWS]
                taken = features.take(film, [r.start_s for r in part], [r.end_s for r in part], self.config.num_frames)
                for row, frames in zip(part, taken, strict=True):
                    yield (
                        f"{film}/{row.index}",
                        {**row.to_dict(), "frame_features": frames.astype("float16", copy=False)},
                    )


class MADBuilder(ADBuilder):
    """MAD-Eval and MAD, with features or raw movies."""

    set_name = "mad-eval"
    reader_class = MADReader

    def _open(self, path: Path) -> AnnotationReader:
        root = Path(self.config.root) if self.config.root else None
        options = {"source": source_of(self.config.source, root, self.config.feature_file)}
        return MADReader(path, self.config.people(), self.config.order, root, self._lengths_s(), **options)


class CMDADBuilder(ADBuilder):
    """CMD-AD, with the clips of Condensed Movies."""

    set_name = "cmd-ad"
    reader_class = CMDADReader


class TVADBuilder(ADBuilder):
    """TV-AD, with folders or tars of frames."""

    set_name = "tv-ad"
    reader_class = TVADReader


class PocketBuilder(ADBuilder):
    """A folder of pocket films; characters come from the folder's own bank."""

    set_name = "pocket"
    reader_class = MADReader

    def _open(self, path: Path) -> AnnotationReader:
        root = Path(self.config.root) if self.config.root else None
        return open_pocket(path, self.config.characters, self.config.order, root, self._lengths_s())


BUILDERS: dict[str, type[ADBuilder]] = {
    builder.set_name: builder for builder in (MADBuilder, CMDADBuilder, TVADBuilder, PocketBuilder)
}
