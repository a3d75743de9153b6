"""The guard taken out: applies each patch of tests/faults/mutations.yaml to a copy of the tree and sees its test fail.

`python tools/mutations.py [--only NAME ...] [--list]`. The tree is copied into a temporary folder (tracked files and
new ones, no data, no environment). The tests are run there once as they are, and must pass, then once under each patch,
and must fail: with a failed test, not with one that could not be collected or set up, that hangs, or that only sees a
file which is no Python any more. Exit code 1 if any does otherwise.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "faults" / "mutations.yaml"
LIMIT_S = 1200
PASSED, FAILED, HUNG = 0, 1, -1  # pytest's own exit codes but for the last; others say that it did not get to run


@dataclass(frozen=True)
class Mutation:
    """One guard and how it is taken out.

    Attributes:
        name: what it guards.
        file: where, from the root.
        old: text that stands there exactly once.
        new: what stands there instead.
        test: the test that must fail then, as pytest names it.
    """

    name: str
    file: str
    old: str
    new: str
    test: str


def load(path: Path = TABLE) -> list[Mutation]:
    """Read the table.

    Raises:
        TypeError: an entry lacks a field or has another.
    """
    return [Mutation(name, **fields) for name, fields in yaml.safe_load(path.read_text(encoding="utf-8")).items()]


def copy_tree(root: Path, target: Path) -> None:
    """Copy what git knows or would add; checkpoints and large files too, they are read by tests."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(words, cwd=root, capture_output=True, check=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target / name)


def run_tests(folder: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests in a copy.

    Args:
        folder: the copy.
        tests: as pytest names them.

    Returns:
        pytest's exit code, or `HUNG`, and its last lines.
    """
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = str(folder)
    with subprocess.Popen(
        words, cwd=folder, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            said, complained = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            return HUNG, f"no end within {LIMIT_S} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # also what the tests have started: it may hang as well
    return process.returncode, said[-1500:] + complained[-500:]


def is_seen(code: int, said: str) -> bool:
    """Whether pytest's summary tells of a failed test and of none that could not be collected or set up.

    Args:
        code: pytest's exit code; an error in a fixture has that of a failure.
        said: its last lines.
    """
    summary = next((line for line in reversed(said.splitlines()) if re.search(r" in \d+\.\d+s\b", line)), "")
    return code == FAILED and bool(re.search(r"\b\d+ failed\b", summary)) and " error" not in summary


def try_out(mutation: Mutation, folder: Path) -> tuple[bool, str]:
    """Whether a test fails once its guard is out, and what it said if not; the copy is mended afterwards."""
    path = folder / mutation.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(mutation.old) != 1:
        return False, f"the old text occurs {whole.count(mutation.old)} times in {mutation.file}, expected once"
    changed = whole.replace(mutation.old, mutation.new)
    if path.suffix == ".py":
        try:
            ast.parse(changed)
        except SyntaxError as error:  # any test that imports the file would fail
            return False, f"{mutation.file} is no Python with the new text: {error}"
    path.write_text(changed, encoding="utf-8")
    try:
        code, said = run_tests(folder, [mutation.test])
    finally:
        path.write_text(whole, encoding="utf-8")
    return is_seen(code, said), f"exit code {code}\n{said}"


def main(argv: list[str] | None = None) -> int:
    """Read the command line; returns the exit code: 1 if a guard can be taken out unseen, 2 for an unknown one."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--only", action="append", help="only the guard of this name; may be repeated")
    parser.add_argument("--list", action="store_true", help="print the guards and their tests")
    given = parser.parse_args(argv)
    table = load()
    unknown = sorted({*(given.only or ())} - {m.name for m in table})
    if unknown:
        print(f"error: no guard is called {', '.join(unknown)}; expected names of --list; mend --only", file=sys.stderr)
        return 2
    mutations = [m for m in table if not given.only or m.name in given.only]
    if given.list:
        print("\n".join(f"{m.name}: {m.file} -> {m.test}" for m in mutations))
        return 0
    with tempfile.TemporaryDirectory(prefix="mutations_") as name:
        folder = Path(name)
        copy_tree(ROOT, folder)
        code, said = run_tests(folder, sorted({m.test for m in mutations}))
        if code != PASSED:
            print(f"error: the tests do not pass as they are\n{said}", file=sys.stderr)
            return 1
        print(f"{len({m.test for m in mutations})} tests pass with every guard in place", flush=True)
        unseen = 0
        for mutation in mutations:
            start = time.monotonic()
            seen, said = try_out(mutation, folder)
            unseen += not seen
            print(f"{'fails' if seen else 'UNSEEN'}  {time.monotonic() - start:5.1f} s  {mutation.name}", flush=True)
            if not seen:
                print(said, flush=True)
    print(f"{len(mutations) - unseen} of {len(mutations)} guards are seen to be gone")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
