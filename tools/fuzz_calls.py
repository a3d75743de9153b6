"""How the fuzzer calls each parser: one function a parser, given the input and a scratch folder."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from tools import fuzz_seeds as seeds


def _file(name: str, data: bytes, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def subtitles(data: bytes, folder: Path) -> object:
    """Calls the parser of `subtitles`."""
    from distinctad.intervals import speech_gaps
    from distinctad.subtitles import decode_text, parse_subtitles

    return speech_gaps(parse_subtitles(decode_text(data, "the subtitles", "a")[0], "a")[0], 600.0)


def script(ending: str, data: bytes, folder: Path) -> object:
    """Calls the parser of `script`."""
    from distinctad.formats.convert import WRITERS, read_script

    script = read_script(_file(f"a{ending}", data, folder))
    return [write(script) for write in WRITERS.values()]


def cast(data: bytes, folder: Path) -> object:
    """Calls the parser of `cast`."""
    from distinctad.cast import read_cast

    return read_cast(_file("cast.json" if data[:1] in (b"[", b"{") else "cast.csv", data, folder))


def portrait(data: bytes, folder: Path) -> object:
    """Calls the parser of `portrait`."""
    from distinctad.cast import read_cast

    _file("face.png", data, folder)
    return read_cast(_file("cast.json", b'[{"name": "Mara", "portrait": "face.png"}]', folder))


def intervals(data: bytes, folder: Path) -> object:
    """Calls the parser of `intervals`."""
    from distinctad.intervals import parse_intervals
    from distinctad.subtitles import decode_text

    return parse_intervals(decode_text(data, "the intervals", "a")[0], "a", 600.0, "film_7.mp4", None, "keep")


@functools.cache
def _draft() -> dict[str, Any]:
    return seeds.document()


def document(data: bytes, folder: Path) -> object:
    """Calls the parser of `document`."""
    from distinctad.review import read_document
    from distinctad.subtitles import decode_text

    return read_document(decode_text(data, "the draft", "a")[0], "a")


def edit_log(data: bytes, folder: Path) -> object:
    """Calls the parser of `edit_log`."""
    from distinctad.review import edits_of, read_log, replay
    from distinctad.subtitles import decode_text

    text = decode_text(data, "the edit log", "a")[0]
    replay(_draft(), edits_of(_parsed(text)))
    return read_log(text, _draft())


def _parsed(text: str) -> Any:
    import json

    try:
        return json.loads(text)["edits"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []


def work(data: bytes, folder: Path) -> object:
    """Calls the parser of `work`."""
    from space.limits import Limits
    from space.work import unpack

    return unpack(data.decode("utf-8", "replace"), Limits())


def literals(data: bytes, folder: Path) -> object:
    """Calls the parser of `literals`."""
    from datasets_scripts import literals
    from datasets_scripts.repairs import RowRefused

    text, made = data.decode("utf-8", "replace"), []
    for read in (literals.read_frame_numbers, literals.read_boxes, literals.read_predictions):
        try:
            made.append(read(text))
        except RowRefused:
            continue
    return literals.read_literal(text, "cell"), made


def cells(data: bytes, folder: Path) -> object:
    """Calls the parser of `cells`."""
    from datasets_scripts import cells, mad
    from datasets_scripts.repairs import RowRefused

    text = data.decode("utf-8", "replace")
    mad.read_hms(text)
    made: list[object] = []
    for read in (cells.seconds, cells.integer, cells.identifier, cells.media_path):
        try:
            made.append(read(text, "cell"))
        except RowRefused:
            continue
    first, _, second = text.partition(" ")
    findings: list[tuple[str, str]] = []
    cells.clean_text(second, findings)
    return cells.interval(cells.seconds(first, "start"), cells.seconds(second[:5], "end"), findings, 600.0)


def checked(ending: str, kind: str | None, data: bytes, folder: Path) -> object:
    """Calls the parser of `checked`."""
    from datasets_scripts.checks import check_file

    return check_file(_file(f"a{ending}", data, folder), kind)


def bank(data: bytes, folder: Path) -> object:
    """Calls the parser of `bank`."""
    from datasets_scripts.banks import raw_roles, read_bank

    path = _file("bank.json", data, folder)
    read_bank(path)
    return raw_roles(path)


def tar(data: bytes, folder: Path) -> object:
    """Calls the parser of `tar`."""
    from datasets_scripts.archives import ArchiveError, TarIndex

    index = TarIndex(_file("a.tar", data, folder))
    for name in index.names[:8]:
        try:
            index.read(name)
        except ArchiveError:
            continue
    return index.names


def zip(data: bytes, folder: Path) -> object:
    """Calls the parser of `zip`."""
    from datasets_scripts.archives import read_zip_member

    return read_zip_member(_file("a.zip", data, folder), "good")


class _Squares:
    """Stands for the processor of a clip source."""

    num_frames = 2


def _clips(source: Any) -> object:
    from train.clip_items import ClipError

    made = []
    for index in range(min(4, len(source))):
        try:
            made.append((source.text(index), source.film(index), source.name(index), source.frames(index)))
        except ClipError:
            continue
    return made


def webdataset(data: bytes, folder: Path) -> object:
    """Calls the parser of `webdataset`."""
    from train.clip_tars import TarSource

    return _clips(TarSource(_file("a.tar", data, folder), _Squares(), max_share=1.0))


def _checked_here(files: Sequence[Path]) -> None:
    """`check_files` by a fork in place of a new Python: what ends the reader ends the fork, 20 times as fast."""
    import pyarrow.parquet as pq

    from datasets_scripts.parquet_check import check_groups

    child = os.fork()
    if not child:
        code = 1
        with contextlib.suppress(Exception):
            for file in files:
                check_groups(pq.read_metadata(file))
            code = 0
        os._exit(code)
    if os.waitpid(child, 0)[1]:
        raise ValueError("damaged")


def parquet_clips(data: bytes, folder: Path) -> object:
    """Calls the parser of `parquet_clips`."""
    from train import clip_parquet
    from train.clip_parquet import ParquetSource

    with mock.patch.object(clip_parquet, "check_files", _checked_here):
        return _clips(ParquetSource(_file("a.parquet", data, folder), folder, _Squares(), max_share=1.0))


def stream(data: bytes, folder: Path) -> object:
    """Calls the parser of `stream`."""
    from datasets_scripts import stream as module
    from datasets_scripts.stream import ADStream

    (folder / "data").mkdir(exist_ok=True)
    _file("data/train-0.parquet", data, folder)
    with mock.patch.object(module, "check_files", _checked_here):
        return list(ADStream(folder))


def picture(data: bytes, folder: Path) -> object:
    """Calls the parser of `picture`."""
    from datasets_scripts.frames import read_picture

    return read_picture(data, "a.png")


def features(data: bytes, folder: Path) -> object:
    """Calls the parser of `features`."""
    from datasets_scripts.frames import FilmFeatures
    from datasets_scripts.mad_features import read_films, read_settings

    path = _file("a.h5", data, folder)
    read_settings(path)
    read_films(path)
    features = FilmFeatures(path)
    return [features.take(film, [0.0], [1.0], 4) for film in list(features.films)[:3]]


def video(data: bytes, folder: Path) -> object:
    """Calls the parser of `video`."""
    from modeling_distinctad.video_distinctad import frame_times, probe, read_frames

    path = _file("a.mp4", data, folder)
    info = probe(path)
    # The command line bounds the picture before it decodes; so does the fuzzer, or it measures the decoder's memory.
    return read_frames(path, frame_times(0.0, min(info.duration_s, 0.5), 2)) if info.width * info.height < 10**6 else 0


def probe(data: bytes, folder: Path) -> object:
    """Calls the parser of `probe`."""
    from distinctad.plan import probe_film

    return probe_film(_file("a.mp4", data, folder))


def predictions(data: bytes, folder: Path) -> object:
    """Calls the parser of `predictions`."""
    from distinctad.score_rows import PREDICTION_COLUMNS, read_csv_rows

    return read_csv_rows(_file("p.csv", data, folder), PREDICTION_COLUMNS)


def truth(data: bytes, folder: Path) -> object:
    """Calls the parser of `truth`."""
    from distinctad.score_casts import read_actions
    from distinctad.score_rows import read_truth_rows

    rows = read_truth_rows(_file("t.jsonl", data, folder))
    return read_actions(rows)


def score_casts(data: bytes, folder: Path) -> object:
    """Calls the parser of `score_casts`."""
    from distinctad.errors import UserError
    from distinctad.score_casts import read_names
    from distinctad.words import Casts

    path = _file("7.cast.json", data, folder)
    for read in (lambda: read_names(folder, ["7"]), lambda: Casts(path)):
        try:
            read()
        except UserError:
            continue
    return read_names(path, ["7"])


def words(data: bytes, folder: Path) -> object:
    """Calls the parser of `words`."""
    from distinctad.words import Casts, read_ads, tell_words

    path = _file("a.csv", data, folder)
    return tell_words(read_ads(path), Casts(None)), read_ads(_file("a.txt", data, folder))


def rows(data: bytes, folder: Path) -> object:
    """Calls the parser of `rows`."""
    from train.clip_files import read_rows

    return read_rows(_file("rows.jsonl", data, folder))


def tensors(data: bytes, folder: Path) -> object:
    """Calls the parser of `tensors`."""
    from train.features import mapped_tensors

    return {name: float(value.float().sum()) for name, value in mapped_tensors(_file("a", data, folder)).items()}


def prompt(data: bytes, folder: Path) -> object:
    """Calls the parser of `prompt`."""
    from evaluate_metrics.llm_ad_eval.marks import read_prompt

    return read_prompt(_file("prompt.json", data, folder))


def settings(data: bytes, folder: Path) -> object:
    """Calls the parser of `settings`."""
    from distinctad.features import _open_parts

    _file("settings.json", data, folder)
    return _open_parts(folder, {"fps": 5.0}, False)


def config(data: bytes, folder: Path) -> object:
    """Calls the parser of `config`."""
    from distinctad.loading import _check_kind

    _file("config.json", data, folder)
    return _check_kind(folder)
