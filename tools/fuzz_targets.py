"""What the fuzzer runs: one target a parser that takes a file from outside, with the errors that it may raise.

A target returns or raises one of its documented errors; anything else is a crash. `tests/faults/test_crashes.py` runs
the targets on the inputs that once broke them.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import fuzz_calls as calls
from tools import fuzz_seeds as seeds

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[[bytes, Path], object]
Seeds = Callable[[Path], Sequence[bytes]]


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        reads: what it takes, in a few words.
        run: the parser, given an input and a scratch folder.
        errors: names of the error classes that it may raise, with their modules.
        sources: the files that hold it; their lines are counted, and executions count until one of them changes.
        seeds: makes first inputs, given a scratch folder.
        is_json: inputs are mutated as JSON too.
    """

    reads: str
    run: Run
    errors: tuple[str, ...]
    sources: tuple[str, ...]
    seeds: Seeds
    is_json: bool = False

    def allowed(self) -> tuple[type[BaseException], ...]:
        """The error classes themselves."""
        import importlib

        found = []
        for name in self.errors:
            module, _, kind = name.rpartition(".")
            found.append(getattr(importlib.import_module(module), kind))
        return tuple(found)

    def fingerprint(self) -> str:
        """The start of a hash over `sources` as they are now."""
        return hashlib.sha256(b"\0".join((ROOT / source).read_bytes() for source in self.sources)).hexdigest()[:16]


USER = ("distinctad.errors.UserError",)
ROW = ("datasets_scripts.repairs.RowRefused",)
TABLE = ("datasets_scripts.tables.TableError",)


def _each(*given: bytes) -> Seeds:
    return lambda folder: [*given, *seeds.ODD]


_DS, _DA = "datasets_scripts/", "distinctad/"
_ANNOTATIONS = (_DS + "tables.py", _DS + "annotations.py", _DS + "cells.py", _DS + "checks.py")
_CLIP_ERRORS = ("builtins.ValueError",)

TARGETS: dict[str, Target] = {
    "subtitles": Target("SubRip, WebVTT, ASS: speech and gaps", calls.subtitles, USER,
                        (_DA + "subtitles.py",), _each(seeds.SRT, seeds.VTT, seeds.ASS)),
    "ttml": Target("TTML subtitles", calls.subtitles, USER, (_DA + "formats/timed_text.py",),
                   _each(seeds.TTML, seeds.BOMB)),
    "dapt": Target("W3C DAPT scripts", functools.partial(calls.script, ".xml"), USER,
                   (_DA + "formats/dapt.py", _DA + "formats/dapt_rules.py", _DA + "formats/timed_text.py"),
                   lambda f: [seeds.script_files()[".xml"], seeds.TTML, seeds.BOMB, *seeds.ODD]),
    "script_json": Target("script JSON", functools.partial(calls.script, ".json"), USER,
                          (_DA + "formats/script_json.py", _DA + "formats/script.py"),
                          lambda f: [seeds.script_files()[".json"], seeds._json(seeds.document()), *seeds.ODD], True),
    "script_srt": Target("SubRip scripts", functools.partial(calls.script, ".srt"), USER,
                         (_DA + "formats/subrip.py",), _each(seeds.SRT)),
    "script_vtt": Target("WebVTT descriptions", functools.partial(calls.script, ".vtt"), USER,
                         (_DA + "formats/webvtt_descriptions.py",), _each(seeds.VTT)),
    "script_csv": Target("CSV scripts", functools.partial(calls.script, ".csv"), USER, (_DA + "formats/table.py",),
                         lambda f: [seeds.script_files()[".csv"], *seeds.ODD]),
    "cast": Target("cast files, JSON and CSV", calls.cast, USER, (_DA + "cast.py",),
                   _each(seeds._json(seeds.CAST), b"name,id,portrait\nMara,p1,\n"), True),
    "portrait": Target("portraits of a cast", calls.portrait, USER, (_DA + "cast.py",),
                       lambda f: seeds.pictures(("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"))),
    "intervals": Target("interval tables and their times", calls.intervals, USER, (_DA + "intervals.py",),
                        _each(seeds.INTERVALS, b"start_s;end_s\n0,5;2,5\n")),
    "document": Target("descriptions.json", calls.document, USER, (_DA + "review.py",),
                       lambda f: [seeds._json(seeds.document()), *seeds.ODD], True),
    "edit_log": Target("edit log of the Space", calls.edit_log, USER, (_DA + "review.py",),
                       lambda f: [seeds.edit_log(), *seeds.ODD], True),
    "space_work": Target("the page's work", calls.work, USER, ("space/work.py",), lambda f: [seeds.work(), *seeds.ODD],
                         True),
    "literals": Target("literal cells", calls.literals, ROW, (_DS + "literals.py",), _each(*seeds.LITERALS)),
    "cells": Target("numbers, ids, paths, times, texts", calls.cells, ROW, (_DS + "cells.py",),
                    _each(*seeds.CELLS)),
    "annotations_mad": Target("MAD-Eval CSV", functools.partial(calls.checked, ".csv", "mad-eval"), TABLE,
                              (*_ANNOTATIONS, _DS + "mad.py"), _each(seeds.MAD)),
    "annotations_cmd": Target("CMD-AD CSV", functools.partial(calls.checked, ".csv", "cmd-ad"), TABLE,
                              (*_ANNOTATIONS, _DS + "cmd_ad.py"), _each(seeds.CMD)),
    "annotations_tv": Target("TV-AD CSV, any CSV", functools.partial(calls.checked, ".csv", None), TABLE,
                             (*_ANNOTATIONS, _DS + "tv_ad.py"), _each(seeds.TV, seeds.TEXTS)),
    "annotations_json": Target("MAD's JSON, splits, keys", functools.partial(calls.checked, ".json", None), TABLE,
                               (_DS + "json_tables.py", _DS + "checks.py"),
                               _each(seeds._json(seeds.MAD_JSON), b'{"a": "train"}', b'{"1": "2_Film"}'), True),
    "bank": Target("character banks", calls.bank, TABLE, (_DS + "banks.py",), _each(seeds._json(seeds.BANK)), True),
    "tar": Target("tar members", calls.tar, ("datasets_scripts.archives.ArchiveError",), (_DS + "archives.py",),
                  lambda f: seeds.tars()),
    "zip": Target("zip members", calls.zip, ("datasets_scripts.archives.ArchiveError",), (_DS + "archives.py",),
                  lambda f: seeds.zips()),
    "webdataset": Target("WebDataset shards of clips", calls.webdataset, _CLIP_ERRORS, ("train/clip_tars.py",),
                         lambda f: seeds.tars()),
    "parquet_clips": Target("Parquet shards of clips", calls.parquet_clips, _CLIP_ERRORS, ("train/clip_parquet.py",),
                            seeds.parquets),
    "stream": Target("Parquet shards of rows", calls.stream, ("datasets_scripts.stream.StreamError",),
                     (_DS + "stream.py",), seeds.parquets),
    "picture": Target("frames", calls.picture, ("datasets_scripts.frames.FrameError",), (_DS + "frames.py",),
                      lambda f: seeds.pictures(("PNG", "JPEG", "WEBP"))),
    "features": Target("HDF5 features and their meta", calls.features, ("datasets_scripts.mad_features.FeatureError",),
                       (_DS + "mad_features.py", _DS + "frames.py"), seeds.features),
    "video": Target("films: probe and frames", calls.video, ("modeling_distinctad.video_distinctad.VideoError",),
                    ("modeling_distinctad/video_distinctad.py", "modeling_distinctad/video_decoders_distinctad.py"),
                    seeds.films),
    "probe": Target("films as the command line opens them", calls.probe, USER, (_DA + "plan.py",), seeds.films),
    "predictions": Target("prediction and annotation tables", calls.predictions, USER, (_DA + "score_rows.py",),
                          _each(seeds.PREDICTIONS)),
    "truth": Target("truth.jsonl", calls.truth, USER, (_DA + "score_rows.py", _DA + "score_casts.py"),
                    lambda f: [seeds._json({**seeds.TRUTH[0], "gt_action": "['run']"}), *seeds.ODD], True),
    "score_casts": Target("casts to score with", calls.score_casts, USER, (_DA + "score_casts.py", _DA + "words.py"),
                          _each(seeds._json(seeds.CAST), seeds._json({"7": ["Mara", {"role": "Jo"}]})), True),
    "words": Target("tables of ADs", calls.words, USER, (_DA + "words.py",), _each(seeds.PREDICTIONS, seeds.TV)),
    "rows": Target("JSON Lines of rows", calls.rows, _CLIP_ERRORS, ("train/clip_files.py", _DS + "schema.py"),
                   lambda f: [seeds.adrows(), *seeds.ODD], True),
    "tensors": Target("feature caches", calls.tensors, _CLIP_ERRORS, ("train/features.py",), seeds.tensors),
    "judge_prompt": Target("a judge's prompt", calls.prompt, _CLIP_ERRORS, ("evaluate_metrics/llm_ad_eval/marks.py",),
                           _each(b'{"system": "a", "user": "{reference} {prediction}"}'), True),
    "settings": Target("settings of unfinished features", calls.settings, USER, (_DA + "features.py",),
                       _each(b'{"fps": 5.0}', b'{"fps": 4.0}'), True),
    "config": Target("a model folder's config.json", calls.config, USER, (_DA + "loading.py",),
                     _each(b'{"model_type": "distinctad"}', b'{"model_type": "gpt2"}'), True),
}  # fmt: skip


def attempt(target: Target, data: bytes, folder: Path) -> BaseException | None:
    """Run a target on an input; returns what it should not have raised.

    Args:
        target: the parser.
        data: the input.
        folder: a scratch folder.
    """
    level = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable()
        try:
            target.run(data, folder)
        except target.allowed():
            return None
        except Exception as error:  # whatever it is, it is the finding
            return error
        finally:
            logging.disable(level)
    return None
