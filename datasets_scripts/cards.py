"""The card of a written data set, generated from what was read: schema, splits, and every repair with its count."""

from __future__ import annotations

from typing import Any

import datasets
import yaml

from datasets_scripts.builders import ADBuilder

TITLES = {"mad-eval": "MAD", "cmd-ad": "CMD-AD", "tv-ad": "TV-AD", "pocket": "Pocket films"}
RIGHTS = {
    "mad-eval": "MAD's texts are shared under an agreement with its authors; they may not be published.",
    "cmd-ad": "The texts are audio description written for these films and belong to their holders.",
    "tv-ad": "The texts are audio description written for these series and belong to their holders.",
    "pocket": "Drawn and written by this project's generator, free of third-party material.",
}
SIGNATURE = "Written by `distinctad data build`; do not edit by hand."
REMARKS = {
    "cmd-ad": "The paper speaks of 100 evaluation films; the public file holds 98.",
    "tv-ad": "The paper speaks of 31,000 training ADs; the public file holds 29,144.",
}
COLUMNS = {
    "film": "film or episode; windows are cut from its rows",
    "clip": "the piece of film that holds the AD",
    "index": "place among the film's ADs in time order, from 0",
    "start_s, end_s": "seconds on the film's timeline",
    "text": "the AD, empty where only times are public",
    "characters": "who a prompt may list: id, name as an AD says it, actor, portrait, whole role where it is longer",
    "video": "video, frame folder or feature key",
    "provenance": "file and row that it was read from",
    "video_start_s, video_end_s": "seconds inside `video`, null where that has no timeline of its own",
    "frame_numbers": "one-based frames of a frame folder",
    "frame_features": "(frames, width) float16 image embeddings at the midpoints of equal parts",
}


def _unit(builder: ADBuilder, form: str) -> tuple[str, str]:
    """What a row or sample is, and the head of the table of fields."""
    if form == "parquet":
        return "One row is one audio description.", "column"
    if builder.config.root is not None:
        members = "`__key__`, the file under its own ending (a frame folder as `tar`), and `json`"
        within = "`video` and, under `ads`, the video's audio descriptions"
        return f"One sample is one video: {members}, which holds {within}.", "field of each of `ads`"
    features = f" and `npy`, {COLUMNS['frame_features']}" if "frame_features" in builder.info.features else ""
    return f"One sample is one audio description: `__key__`, `json`{features}.", "field of `json`"


def _features(builder: ADBuilder, form: str) -> datasets.Features:
    own = datasets.Features(dict(builder.info.features))
    if form == "parquet":
        return own
    frames = own.pop("frame_features", None)
    text = datasets.Value("string")
    columns: dict[str, Any] = {"json": dict(own)}
    if builder.config.root is not None:
        return datasets.Features({})  # the media column follows the videos' endings; left to `datasets` to infer
    if frames is not None:
        columns["npy"] = frames
    return datasets.Features({**columns, "__key__": text, "__url__": text})


def card(builder: ADBuilder, form: str, rows: dict[str, int]) -> str:
    """Write the card.

    Args:
        builder: the builder after all its splits were read.
        form: "parquet" or "webdataset".
        rows: split -> rows written.

    Returns:
        Markdown with the YAML that `load_dataset` goes by.
    """
    name = builder.set_name
    pattern = "data/{}-*.parquet" if form == "parquet" else "{}-*.tar"
    head: dict[str, Any] = {
        "language": ["en"],
        "license": "apache-2.0" if name == "pocket" else "other",
        "task_categories": ["video-text-to-text"],
        "tags": ["audio-description", name],
        "pretty_name": f"{TITLES[name]} audio descriptions",
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": pattern.format(split)} for split in rows],
            }
        ],
    }
    features = _features(builder, form)
    if features:
        info = datasets.DatasetInfo(features=features)
        head["dataset_info"] = {"config_name": "default", **info._to_yaml_dict()}
    lines = ["---", yaml.safe_dump(head, sort_keys=False, allow_unicode=True).strip(), "---", ""]
    lines += [f"# {TITLES[name]}: audio descriptions", ""]
    unit, head_of_fields = _unit(builder, form)
    lines += [f"{unit} {SIGNATURE}", ""]
    lines += [f"**Rights.** {RIGHTS[name]}", ""]
    lines += [REMARKS[name], ""] if name in REMARKS else []
    lines += ["```python", "from datasets import load_dataset", "", 'load_dataset("path/of/this/folder")', "```", ""]
    lines += [f"| {head_of_fields} | what |", "|---|---|"]
    known = set(builder.info.features) - ({"frame_features"} if form == "webdataset" else set())
    lines += [f"| {column} | {what} |" for column, what in COLUMNS.items() if column.split(", ")[0] in known]
    for split, report in builder.reports.items():
        lines += ["", f"## {split}", "", f"{rows.get(split, 0)} rows from `{report.file}`: "]
        lines[-1] += ", ".join(f"{count} {outcome}" for outcome, count in report.outcomes.items()) + "."
        if report.found:
            lines += ["", "| rule | outcome | rows | what |", "|---|---|---|---|"]
            for rule, found in report.to_dict(0)["findings"].items():
                lines.append(f"| {rule} | {found['outcome']} | {found['count']} | {found['rule']} |")
    return "\n".join(lines) + "\n"
