"""The record of fuzzing: replays what was kept, counts the lines reached, writes docs/fuzzing.json and fuzzing.md."""

from __future__ import annotations

import json
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tools.fuzz_targets import ROOT, TARGETS, attempt

DOCUMENT = ROOT / "docs" / "fuzzing.md"
RECORD = ROOT / "docs" / "fuzzing.json"  # what the document shows: the kept inputs themselves are not committed
MOST_REPLAYED = 3000  # kept inputs of a parser whose lines are counted
HEAD = """# Fuzzing

Every parser that takes a file from outside is fuzzed by `tools/fuzz.py` (Atheris: libFuzzer guided by the coverage of
this project's own lines; JSON is changed as JSON too), starting from the small whole files of `tools/fuzz_seeds.py`. A
parser may raise its documented errors and nothing else, and take 5 s of processor at most. What once broke one lies in
`tests/faults/crashes` and is replayed by `tests/faults/test_crashes.py`. This file is generated: `python tools/fuzz.py`
goes on where it was stopped, `python tools/fuzz.py --report` writes it and its record, `fuzzing.json`.

Executions and wall time: of the parser's files as they were when this was written; earlier: executions before one of
them last changed. Lines: reached by the inputs that the last run kept, of the lines of the files that hold the parser
(they hold other code too, so 100 % is not to be had). Broke: places in the code that an input broke.

"""


def recorded() -> dict[str, dict[str, Any]]:
    """The committed record: parser -> its state as it was reported, with lines and kept inputs; empty without one."""
    return dict(json.loads(RECORD.read_text(encoding="utf-8"))) if RECORD.is_file() else {}


def lines_reached(name: str, kept: Path) -> tuple[int, int]:
    """Lines reached and lines in all, of a parser's files; run it in a process that has not imported them.

    Args:
        name: of the parser.
        kept: the fuzzer's folder.
    """
    import coverage

    target = TARGETS[name]
    files = [str(ROOT / source) for source in target.sources]
    with tempfile.TemporaryDirectory(prefix="fuzz_") as scratch:
        watch = coverage.Coverage(data_file=None, include=files, config_file=False)
        watch.start()
        inputs = [*target.seeds(Path(scratch))]
        inputs += [path.read_bytes() for path in sorted((kept / name / "corpus").glob("*"))[:MOST_REPLAYED]]
        for data in inputs:
            attempt(target, data, Path(scratch))
        watch.stop()
    reached = lines = 0
    for file in files:
        _, statements, _, missing, _ = watch.analysis2(file)
        lines += len(statements)
        reached += len(statements) - len(missing)
    return reached, lines


def in_fresh_process(name: str, kept: Path) -> tuple[int, int]:
    """`lines_reached` where nothing is imported yet and nobody else counts lines."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(lines_reached, name, kept).result()


def table(states: dict[str, dict[str, Any]]) -> str:
    """The figures as Markdown.

    Args:
        states: parser -> executions, seconds, earlier, date, crashes, kept, reached, lines.
    """
    rows = [
        "| parser | reads | executions | wall time (s) | earlier | last run | kept inputs | lines | broke |",
        "|---|---|---:|---:|---:|---|---:|---:|---:|",
    ]
    for name, state in states.items():
        share = f"{state['reached']} / {state['lines']} ({100 * state['reached'] / max(1, state['lines']):.0f} %)"
        rows.append(
            f"| {name} | {TARGETS[name].reads} | {state['executions']:,} | {state['seconds']:,.0f} "
            f"| {state['earlier']:,} | {state['date']} | {state['kept']:,} | {share} | {len(state['crashes'])} |"
        )
    total, seconds, earlier = (
        sum(state[key] for state in states.values()) for key in ("executions", "seconds", "earlier")
    )
    broke = [f"* {name}: {place}" for name, state in states.items() for place in state["crashes"]]
    rows.append(f"| all | {len(states)} parsers | {total:,} | {seconds:,.0f} | {earlier:,} | | | | {len(broke)} |")
    return "\n".join(
        [
            *rows,
            "",
            "What broke (an input that breaks a mended place again would stand here without that word):",
            "",
            *broke,
            "",
        ]
    )


def report(states: dict[str, dict[str, Any]], kept: Path) -> None:
    """Count and write.

    Args:
        states: parser -> executions, seconds, earlier, date, crashes. Lines and inputs are counted here; of a parser
            that was fuzzed elsewhere they stay what was counted there.
        kept: the fuzzer's folder.
    """
    before = recorded()
    for name, state in states.items():
        corpus = kept / name / "corpus"
        if corpus.is_dir() or "lines" not in before.get(name, {}):
            state["reached"], state["lines"] = in_fresh_process(name, kept)
            state["kept"] = len(list(corpus.glob("*")))
        else:
            state |= {key: before[name][key] for key in ("reached", "lines", "kept")}
        print(f"{name}: {state['reached']} of {state['lines']} lines", file=sys.stderr, flush=True)
    RECORD.write_text(json.dumps(states, indent=1) + "\n", encoding="utf-8")
    notes = DOCUMENT.read_text(encoding="utf-8").partition("<!-- notes -->")[2] if DOCUMENT.is_file() else "\n"
    DOCUMENT.write_text(HEAD + table(states) + "\n<!-- notes -->" + notes, encoding="utf-8")
