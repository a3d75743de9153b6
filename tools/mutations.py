"""The guard taken out: applies each patch of tests/faults/mutations.yaml to a copy of the tree and sees its test fail.

`python tools/mutations.py [--only NAME ...] [--list]`. The tree is copied into a temporary folder (tracked files and
new ones, no data, no environment). The tests are run there once as they are, and must pass, then once under each patch,
and must fail: with a failed test, not with one that could not be collected. Exit code 1 if any does otherwise.
"""

from __future__ import annotations

import argparse
import os
import shutil
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
PASSED, FAILED = 0, 1  # pytest's own exit codes; others say that it could not collect or was ended


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
    """Run tests in a copy; returns pytest's exit code and its last lines."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", *tests]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    return done.returncode, done.stdout[-1500:] + done.stderr[-500:]


def try_out(mutation: Mutation, folder: Path) -> tuple[bool, str]:
    """Whether a test fails once its guard is out, and what it said if not; the copy is mended afterwards."""
    path = folder / mutation.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(mutation.old) != 1:
        return False, f"the old text occurs {whole.count(mutation.old)} times in {mutation.file}, expected once"
    path.write_text(whole.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        code, said = run_tests(folder, [mutation.test])
    finally:
        path.write_text(whole, encoding="utf-8")
    return code == FAILED, f"exit code {code}\n{said}"


def main() -> None:
    """Read the command line; exit code 1 if a guard can be taken out unseen."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--only", action="append", help="only the guard of this name; may be repeated")
    parser.add_argument("--list", action="store_true", help="print the guards and their tests")
    given = parser.parse_args()
    mutations = [m for m in load() if not given.only or m.name in given.only]
    if not mutations:
        sys.exit(f"error: no guard is called {given.only}; see --list")
    if given.list:
        print("\n".join(f"{m.name}: {m.file} -> {m.test}" for m in mutations))
        return
    with tempfile.TemporaryDirectory(prefix="mutations_") as name:
        folder = Path(name)
        copy_tree(ROOT, folder)
        code, said = run_tests(folder, sorted({m.test for m in mutations}))
        if code != PASSED:
            sys.exit(f"error: the tests do not pass as they are\n{said}")
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
    sys.exit(1 if unseen else 0)


if __name__ == "__main__":
    main()
