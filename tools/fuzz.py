"""Fuzzing of every parser that takes a file from outside: coverage-guided, resumable, with its figures on record.

`python tools/fuzz.py [--parser NAME ...] [--executions N] [--seconds S] [--seed K]` runs Atheris (libFuzzer under
Python; `pip install atheris`) on each parser of `tools/fuzz_targets.py` until it has N executions or S seconds in all,
earlier runs of the same code counted: what ran before a parser's files changed says nothing of them. What is kept lies
in `runs/fuzz/<parser>`; inputs that break a parser are written to `tests/faults/crashes/<parser>`, one a place in the
code, and every one that libFuzzer itself died of. Exit code 1 if anything broke that is not said to be mended
(`--mended`), or if a parser's processes died before it had what was asked.
`--report` replays what was kept, counts lines and writes docs/fuzzing.json, the record, and docs/fuzzing.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
KEPT = ROOT / "runs" / "fuzz"
CRASHES = ROOT / "tests" / "faults" / "crashes"
PACKAGES = ["distinctad", "datasets_scripts", "space", "train", "modeling_distinctad", "evaluate_metrics", "pysubs2"]
SLOW_S = 5.0  # of the processor, for one input: a busy machine is no finding
SAVE_EVERY_S = 2.0
MOST_DEATHS = 50
MENDED = "mended: "
COUNTED = ("executions", "earlier")
ARTIFACTS = ("crash", "leak", "oom", "timeout")  # what libFuzzer calls the files of inputs that end its process
WEIRD: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, float("inf"), float("nan"), 10**400, "", "\0", "\ud800", "x" * 2000, [], {}, [[]], "1",
    "../x", "<", {"a": 1},
)  # fmt: skip


def _state(name: str) -> dict[str, Any]:
    """What was done so far; counts begin anew where the parser's files are others than those that were fuzzed.

    The state of this clone's own runs, or the committed record's where that knows of more.
    """
    from tools import fuzz_report
    from tools.fuzz_targets import TARGETS

    path, now = KEPT / name / "state.json", TARGETS[name].fingerprint()
    state: dict[str, Any] = {"fingerprint": now, "date": "", "executions": 0, "seconds": 0.0, "earlier": 0}
    state["crashes"] = []
    own = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    state |= max(own, fuzz_report.recorded().get(name, {}), key=lambda one: sum(one.get(key, 0) for key in COUNTED))
    if state["fingerprint"] != now:
        state["earlier"] += state["executions"]
        state |= {"fingerprint": now, "executions": 0, "seconds": 0.0}
    return state


def _write(name: str, state: dict[str, Any]) -> None:
    path = KEPT / name / "state.json"
    path.with_suffix(".part").write_text(json.dumps(state), encoding="utf-8")
    path.with_suffix(".part").replace(path)


def changed_json(data: bytes, rng: random.Random) -> bytes:
    """One value somewhere in a JSON text replaced, doubled or taken out; data that are no JSON stay as they are."""
    try:
        whole: dict[str, Any] = {"": json.loads(data)}
    except (ValueError, RecursionError):
        return data
    places: list[tuple[Any, Any]] = []
    todo: list[Any] = [whole]
    while todo:
        node = todo.pop()
        inner = list(node.items() if isinstance(node, dict) else enumerate(node))
        places += [(node, key) for key, _ in inner]
        todo += [value for _, value in inner if isinstance(value, dict | list)]
    node, key = rng.choice(places)
    if rng.random() < 0.15 and node is not whole:
        del node[key]
    elif rng.random() < 0.15 and isinstance(node, list):
        node.append(node[key])
    else:
        other, name = rng.choice(places)
        node[key] = rng.choice(WEIRD) if rng.random() < 0.7 else json.loads(json.dumps(other[name]))
    return json.dumps(whole[""], ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")


def keep_input(name: str, data: bytes) -> str:
    """Write an input that broke a parser to where the tests replay it.

    Args:
        name: of the parser.
        data: the input.

    Returns:
        The start of its hash, which is its file's name.
    """
    digest = hashlib.sha256(data).hexdigest()[:12]
    (CRASHES / name).mkdir(parents=True, exist_ok=True)
    (CRASHES / name / f"{digest}.bin").write_bytes(data)
    return digest


def keep_artifacts(name: str) -> None:
    """Keep the inputs that libFuzzer's process died of: it writes them itself, no Python code sees the end."""
    for kind in ARTIFACTS:
        for path in sorted((KEPT / name).glob(f"{kind}-*")):
            state, key = _state(name), f"{kind} of the process, input {keep_input(name, path.read_bytes())}"
            if key not in state["crashes"]:
                state["crashes"].append(key)
                _write(name, state)
                print(f"CRASH {name}: {key}", file=sys.stderr, flush=True)
            path.unlink()


class Session:
    """One process's work on one parser: counts, saves what breaks, ends at the limit.

    Args:
        name: of the parser.
        executions: of this code in all.
        seconds: of this code in all.
        folder: scratch.
    """

    def __init__(self, name: str, executions: int, seconds: float, folder: Path) -> None:
        from tools.fuzz_targets import TARGETS

        self.name, self.target, self.folder = name, TARGETS[name], folder
        self.state, self.limits = _state(name), (executions, seconds)
        self.state["date"] = time.strftime("%Y-%m-%d", time.gmtime())
        self.begun = self.saved = time.monotonic()
        self.before = self.state["seconds"]

    def run(self, data: bytes) -> None:
        """One execution."""
        from tools.fuzz_targets import attempt

        start = time.process_time()
        error = attempt(self.target, data, self.folder)
        took, end = time.process_time() - start, time.monotonic()
        if error is None and took > SLOW_S:
            error = TimeoutError(f"took {took:.1f} s")
        if error is not None:
            self.keep(data, error)
        self.state["executions"] += 1
        self.state["seconds"] = round(self.before + end - self.begun, 1)
        done = self.state["executions"] >= self.limits[0] or self.state["seconds"] >= self.limits[1]
        if done or end - self.saved > SAVE_EVERY_S:
            self.saved = end
            _write(self.name, self.state)
        if done:
            os._exit(0)  # libFuzzer has no other way to be ended by its target

    def keep(self, data: bytes, error: BaseException) -> None:
        """Save an input that broke the parser, the first one of each place and kind of error."""
        frames = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
        names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        ours = [
            f"{path.name}:{name}"
            for path, name in zip(frames, names, strict=True)
            if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PACKAGES
        ]
        where = ours[-1] if ours else "nowhere"
        key = f"{type(error).__name__} in {where}"
        if key in self.state["crashes"]:
            return
        self.state["crashes"].append(key)
        keep_input(self.name, data)
        print(f"CRASH {self.name}: {key}: {str(error)[:200]!r}", file=sys.stderr, flush=True)
        _write(self.name, self.state)


def fuzz_one(name: str, executions: int, seconds: float, seed: int) -> None:
    """Fuzz one parser in this process; never returns."""
    import atheris

    folder = KEPT / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz_") as scratch:
        with atheris.instrument_imports(include=PACKAGES):
            from tools.fuzz_targets import TARGETS, attempt

            target = TARGETS[name]
            first = list(target.seeds(Path(scratch)))
            for data in first:  # what is imported where it is used is imported, and so instrumented, here
                attempt(target, data, Path(scratch))
        for data in first:
            (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        most = max(4096, 2 * max(map(len, first)))
        state = _state(name)
        session = Session(name, executions, seconds, Path(scratch))
        words = [sys.argv[0], str(corpus), f"-seed={seed + state['executions'] + 1}", f"-max_len={most}",
                 "-timeout=20", "-rss_limit_mb=6000", f"-artifact_prefix={folder}/", "-verbosity=0"]  # fmt: skip
        more: dict[str, Any] = {}
        if target.is_json:

            def mutate(data: bytes, size: int, seed: int) -> bytes:
                rng = random.Random(seed)
                return changed_json(data, rng)[:size] if rng.random() < 0.6 else atheris.Mutate(data, size)

            more["custom_mutator"] = mutate
        atheris.Setup(words, session.run, **more)
        atheris.Fuzz()


def fuzz(names: list[str], executions: int, seconds: float, seed: int) -> list[str]:
    """Fuzz parsers one after the other, each in a process of its own; one that dies is started again.

    Args:
        names: of the parsers.
        executions: of each, earlier runs of the same code counted.
        seconds: of each, counted so too.
        seed: of the mutations.

    Returns:
        The parsers that something broke which is not mended, and those that did not reach what was asked.
    """
    wrong = []
    for name in names:
        (KEPT / name).mkdir(parents=True, exist_ok=True)
        deaths = 0
        while (short := _is_short(_state(name), executions, seconds)) and deaths < MOST_DEATHS:
            words = [sys.executable, str(Path(__file__).resolve()), "--child", "--parser", name, "--executions",
                     str(executions), "--seconds", str(seconds), "--seed", str(seed + deaths)]  # fmt: skip
            with (KEPT / name / "log.txt").open("ab") as log:
                done = subprocess.run(words, stdout=log, stderr=log, check=False)
            deaths += done.returncode != 0
        keep_artifacts(name)
        state = _state(name)
        rate = state["executions"] / max(state["seconds"], 0.1)
        unmended = [key for key in state["crashes"] if not key.startswith(MENDED)]
        if short or unmended:
            wrong.append(name)
        print(f"{name}: {state['executions']} executions, {state['seconds']:.0f} s, {rate:.0f} a second, "
              f"{len(state['crashes'])} crash(es), {len(unmended)} not mended, died {deaths} time(s)"
              f"{': did not reach what was asked, see its log.txt' if short else ''}", flush=True)  # fmt: skip
    return wrong


def _is_short(state: dict[str, Any], executions: int, seconds: float) -> bool:
    return state["executions"] < executions and state["seconds"] < seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--parser", action="append", help="only this one; may be repeated")
    parser.add_argument("--executions", type=int, default=50_000, help="of each parser, of its code as it is")
    parser.add_argument("--seconds", type=float, default=3600.0, help="of each parser, of its code as it is")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", action="store_true", help="count lines and write docs/fuzzing.*")
    parser.add_argument("--mended", action="store_true", help="what broke so far is mended: say it if it comes again")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Read the command line; returns the exit code: 1 if anything broke or died, 2 for what cannot be asked."""
    given = _parser().parse_args(argv)
    from tools.fuzz_targets import TARGETS

    names = given.parser or list(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        print(f"error: no parser {', '.join(unknown)}; expected of {', '.join(TARGETS)}; choose one", file=sys.stderr)
        return 2
    if given.child:
        fuzz_one(names[0], given.executions, given.seconds, given.seed)
    if given.mended:
        for name in names:
            state = _state(name)
            state["crashes"] = [f"{MENDED}{key.removeprefix(MENDED)}" for key in state["crashes"]]
            (KEPT / name).mkdir(parents=True, exist_ok=True)
            _write(name, state)
        return 0
    if given.report:
        from tools.fuzz_report import report

        report({name: _state(name) for name in TARGETS}, KEPT)
        return 0
    import importlib.util

    if importlib.util.find_spec("atheris") is None:
        print("error: atheris is not installed; expected it for fuzzing; pip install atheris", file=sys.stderr)
        return 2
    return 1 if fuzz(names, given.executions, given.seconds, given.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
