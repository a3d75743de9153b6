"""The document of a film's drafts: what was described, by which model, how, and every cue with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from distinctad.errors import one_line
from distinctad.exports import REVIEW
from distinctad.intervals import Interval
from distinctad.plan import Plan, name_of, sha256_of


def document_of(job: Plan, used: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put everything that a reader of the drafts needs into one plain dictionary, see `descriptions.schema.json`.

    Args:
        job: what was described.
        used: the model, as `distinctad.loading.load_pipeline` says it.
        records: the pipeline's, one an interval, each with "text_from".

    Returns:
        The document.
    """
    info, settings = job.info, job.settings
    said = list(job.warnings)
    for kind, what in (
        ("model, forced", "had to be forced, the model's first was empty"),
        ("placeholder", "stayed empty"),
    ):
        count = sum(record["text_from"] == kind for record in records)
        if count:
            said.append(f"{count} of {len(records)} text(s) {what}")
    numbers = {"duration_s": round(info.duration_s, 3), "frame_rate_hz": round(info.frame_rate_hz, 3)}
    shape = {"width": info.width, "height": info.height, "has_audio": info.has_audio}
    source = (
        {"file": name_of(job.source), "sha256": sha256_of(job.source)} if job.source else {"file": None, "sha256": None}
    )
    people = [
        {"id": p.id, "name": p.name, "actor": p.actor, "portrait_sha256": sha256_of(p.portrait) if p.portrait else None}
        for p in job.cast
    ]
    chosen = {name: getattr(settings, name) for name in ("characters", "max_people", "seed", "batch_windows")}
    for name in ("num_beams", "contrast"):
        chosen[name] = used[name] if getattr(settings, name) is None else getattr(settings, name)
    return {
        "format": "distinctad.descriptions",
        "format_version": 1,
        "review": REVIEW,
        "language": "en",
        "film": {"name": name_of(job.film), "sha256": sha256_of(job.film), **numbers, **shape},
        "intervals": {"origin": job.origin, **source, "rules": asdict(settings.gaps)},
        "cast": people,
        "model": {"name": used["name"], "sha256": used["sha256"]},
        "generation": {**chosen, "device": used["device"], "dtype": used["dtype"], "versions": _versions()},
        "warnings": [one_line(warning) for warning in said],
        "cues": [_cue(i, *pair) for i, pair in enumerate(zip(job.intervals, records, strict=True), 1)],
    }


def _cue(index: int, interval: Interval, record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "index": index,
        "start_s": round(interval.start_s, 3),
        "end_s": round(interval.end_s, 3),
        "text": record["text"],
        "characters": [str(name) for name in record["characters"]],
        "provenance": {
            "origin": interval.origin,
            "line": interval.line,
            "window": int(record["window"]),
            "position": int(record["position"]),
            "frames_s": [round(float(time_s), 3) for time_s in record["frames_s"]],
            "text_from": record["text_from"],
        },
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    from distinctad import __version__

    found = {"distinctad": __version__}
    for package in ("torch", "transformers", "av"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
