"""All benchmarks in one run and one table: `python benchmarks/bench.py [--quick]` (`make bench`).

Runs every benchmark of this folder one after the other and writes `docs/bench.json` (what they measured, and on which
day) and `docs/bench.md` (the table, ratio first, each row ours beside a named peer or a limit; growth curves below).
The table is made from the JSON alone, `--render` makes it anew without measuring; `--part NAME` measures one benchmark
anew and leaves the others' figures and days as they are. A benchmark that fails ends the run; nothing is written then.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECORD, TABLE = ROOT / "docs" / "bench.json", ROOT / "docs" / "bench.md"
PARTS = ("data", "catalogue", "stage1", "stage2", "metrics", "peers", "growth")
SMALL_DATA = ("--films", "40", "--rows", "27000")  # as many rows a film as in the whole set; ratios need no more
CPU, WALL = "processor", "clock"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: the work.
        ratio: how much better than the peer, or the share of the limit that is reached.
        ours: our figure, with its unit.
        theirs: the peer's or the limit's.
        peer: its name.
        seconds: of which clock.
    """

    what: str
    ratio: float
    ours: str
    theirs: str
    peer: str
    seconds: str = CPU


def measure(quick: bool, parts: Sequence[str] = PARTS, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run benchmarks, each in a process of its own.

    Args:
        quick: whether in their short form.
        parts: which.
        before: the record of earlier runs, for the parts that are not run.

    Returns:
        The benchmarks' last lines by name, the day of each, and what the last run was on.

    Raises:
        RuntimeError: a benchmark failed.
    """
    found: dict[str, Any] = {"dates": {}, **(before or {})}
    for part in parts:
        command = [sys.executable, str(ROOT / "benchmarks" / f"{part}.py"), *(["--quick"] if quick else [])]
        command += SMALL_DATA if part == "data" and quick else ()
        start = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
        if done.returncode:
            raise RuntimeError(f"{part}.py ended with {done.returncode}: {done.stderr.strip()[-500:]}; mend it")
        found[part] = json.loads(done.stdout.strip().splitlines()[-1])
        found["dates"][part] = time.strftime("%Y-%m-%d", time.gmtime())
        print(f"{part}: {time.perf_counter() - start:.0f} s", flush=True)
    import torch

    # A shared machine's load says how far its clock can be trusted.
    busy = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    here = {"machine": platform.machine(), "cores": os.cpu_count(), "threads": 1, "load": busy}
    here |= {"python": platform.python_version(), "torch": torch.__version__}
    return {**found, "quick": quick, "here": here}


def step_time(one: dict[str, Any]) -> list[Row]:
    """The line of a Stage I step's seconds; none where a record timed the two ways on unequal numbers of clips."""
    if "chunked_same_s" not in one:
        return []
    what = f"Stage I step, {one['whole_measured_clips']} clips of {one['frames']}: time"
    ours, theirs = one["chunked_same_s"], one["whole_s"]
    return [Row(what, theirs / ours, f"{ours} s", f"{theirs} s", "one graph over all of them", WALL)]


def rows(found: dict[str, Any]) -> list[Row]:
    """The lines of the main table."""
    data, one, two = found["data"], found["stage1"], found["stage2"]
    metrics, peers, growth = found["metrics"], found["peers"], found["growth"]
    plan = found["catalogue"]
    parts_s = plan["decode 640x360, 5 a second"] + 300 * plan["encode pocket, a picture"]
    extended = one["whole_measured_clips"] < one["clips"]
    lines = [
        Row("decode + sample 8 frames an AD", data["decode_frames_per_s_ratio"], f"{data['decode_frames_per_s']:g}/s",
            f"{data['seek_frames_per_s']:g}/s", "PyAV, a seek for each frame"),
        Row("training rows with features", data["rows_per_s_ratio"], f"{data['rows_per_s']:,}/s",
            f"{data['loop_rows_per_s']:,}/s", "pandas and h5py loop"),
        Row("encode pictures (pocket tower)", peers["encode_share_of_limit"], f"{peers['encode_gflops']:.0f} GFLOP/s",
            f"{peers['product_gflops']:.0f} GFLOP/s", "limit: one large matrix product of torch"),
        Row("extract features, 5 a second", parts_s / plan["features pocket"],
            f"{plan['features pocket']:.2f} s a film-minute", f"{parts_s:.2f} s a film-minute",
            "limit: decoding and encoding alone"),
        Row(f"Stage I step, {one['clips']} clips of {one['frames']}: memory", one["memory_ratio"],
            f"{one['chunked_mb']} MB", f"{one['whole_mb']} MB", "one graph over the whole batch"
            + (f", extended from {one['whole_measured_clips']} clips" if extended else "")),
        *step_time(one),
        Row(f"Stage I loader, frames, {one['loader_workers']} worker processes", one["frames_per_s_over_sequential"],
            f"{one['frames_per_s']}/s", f"{one['sequential_frames_per_s']}/s",
            "plain sequential decoding, one process", WALL),
        Row("Stage II step, clips", two["clips_per_s"] / two["clips_per_s_full_logits"], f"{two['clips_per_s']:.0f}/s",
            f"{two['clips_per_s_full_logits']:.0f}/s", "our own losses over all logits", WALL),
        Row("generate, a window of 16", two["window_over_loop"], f"{two['ads_per_s']:.0f} ADs/s",
            f"{two['ads_per_s'] / two['window_over_loop']:.0f} ADs/s", "generate clip by clip, window kept", WALL),
    ]  # fmt: skip
    if metrics["recall_speedup"] is not None:
        lines.append(
            Row("R@5/16, a film of 650 ADs", metrics["recall_speedup"], f"{metrics['recall_s']} s",
                f"{metrics['public_recall_s']:.0f} s", "bert-score on all pairs, scaled by pairs")
        )  # fmt: skip
    if peers["coco_cider_s"] is not None:
        lines.append(
            Row(f"CIDEr, {peers['cider_pairs']:,} ADs", peers["coco_cider_s"] / peers["cider_s"],
                f"{peers['cider_s']:.2f} s", f"{peers['coco_cider_s']:.2f} s", "pycocoevalcap, without its tokeniser")
        )  # fmt: skip
    real = 600.0
    lines += [
        Row("describe a 10-minute film, model loaded, intervals given", growth["describe_times_real_time"],
            f"{real / growth['describe_times_real_time']:.1f} s", f"{real:.0f} s", "limit: watching it once",
            CPU),
        Row("the same", growth["describe_wall_times_real_time"],
            f"{real / growth['describe_wall_times_real_time']:.1f} s", f"{real:.0f} s", "limit: watching it once",
            WALL),
        Row("the same", growth["describe_times_real_time"] / growth["decode_times_real_time"],
            f"{real / growth['describe_times_real_time']:.1f} s", f"{real / growth['decode_times_real_time']:.1f} s",
            "limit: decoding its clips alone", CPU),
    ]  # fmt: skip
    return lines


def main_table(found: dict[str, Any]) -> str:
    """The main table alone, as Markdown: what the README shows."""
    lines = ["| work | ratio | ours | theirs | beside | seconds of |", "|---|---|---|---|---|---|"]
    lines += [f"| {r.what} | {r.ratio:.2f} | {r.ours} | {r.theirs} | {r.peer} | {r.seconds} |" for r in rows(found)]
    return "\n".join(lines) + "\n"


def curves(found: dict[str, Any]) -> str:
    """Growth against N, film length and catalogue size."""
    growth = found["growth"]
    names = [name for name in growth if name.startswith("train_clips_per_s_at_n_")]
    lines = ["| N clips in a window | Stage II step, clips/s | generate, clips/s |", "|---|---|---|"]
    for name in names:
        n = name.rpartition("_")[2]
        lines.append(f"| {n} | {growth[name]:.0f} | {growth[f'generate_clips_per_s_at_n_{n}']:.0f} |")
    lines += ["", "| film, s | clips | describe, s | s a film-minute |", "|---|---|---|---|"]
    for length_s, clips, spent in zip(growth["lengths_s"], growth["describe_clips"], growth["describe_s"], strict=True):
        lines.append(f"| {length_s:.0f} | {clips} | {spent:.2f} | {60 * spent / length_s:.2f} |")
    lines += ["", "| films in a catalogue | `distinctad catalogue`, s | s for each further film |", "|---|---|---|"]
    before: tuple[int, float] | None = None
    for count, spent in zip(growth["catalogue_films"], growth["catalogue_s"], strict=True):
        more = f"{(spent - before[1]) / (count - before[0]):.2f}" if before else "(with the start)"
        lines.append(f"| {count} | {spent:.2f} | {more} |")
        before = (count, spent)
    return "\n".join(lines) + "\n"


def days(found: dict[str, Any]) -> str:
    """Which parts were measured on which day; "earlier" where the record does not say."""
    by_day: dict[str, list[str]] = {}
    for part in PARTS:
        by_day.setdefault(found["dates"].get(part, "earlier"), []).append(part)
    return "; ".join(f"{day}: {', '.join(parts)}" for day, parts in sorted(by_day.items()))


def render(found: dict[str, Any]) -> str:
    """The text of docs/bench.md."""
    here = ", ".join(f"{name} {value}" for name, value in found["here"].items())
    how = "`python benchmarks/bench.py --quick`" if found["quick"] else "`make bench`"
    return "\n".join([
        "# Benchmarks", "",
        f"Generated by {how} from `docs/bench.json`; do not edit by hand. Measured {days(found)}; on: {here}.",
        "",
        "A ratio above 1 is better than the peer; beside a limit it is the share that is reached, and beside watching a"
        " film it is times real time. Processor seconds do not count what other jobs take; where the clock stands, both"
        " sides ran on the same machine one after the other. Regressions are held by counted operations, see"
        " `benchmarks/operations.json`.", "",
        main_table(found), "## Growth", "",
        "Processor seconds, one thread. Films are one pocket film repeated.", "", curves(found),
    ])  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Measure and write, or only write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="each benchmark's short form")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this benchmark; may be repeated")
    parser.add_argument("--render", action="store_true", help="only write docs/bench.md from docs/bench.json")
    asked = parser.parse_args(argv)
    if not asked.render:
        before = json.loads(RECORD.read_text(encoding="utf-8")) if asked.part else {}
        if before and before["quick"] != asked.quick:
            parser.error(f"{RECORD.name} has quick {before['quick']}, expected {asked.quick}; measure all parts")
        found = measure(asked.quick, asked.part or PARTS, before)
        RECORD.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = render(json.loads(RECORD.read_text(encoding="utf-8")))
    TABLE.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
