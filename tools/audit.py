"""Audit of the dependencies: the pins are whole and are what is installed, and no advisory names one of them.

Advisories come through `pip-audit`, if it is installed and its service answers; the last line says how many pins they
were looked up for, so that silence is never taken for safety. Exit code 1 on any finding.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 300


def _key(name: str) -> str:
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(root: Path) -> dict[str, str]:
    """Package -> version of requirements-ci.txt and of what the Makefile itself installs: torch, packages of data."""
    lines = (root / "requirements-ci.txt").read_text(encoding="utf-8").splitlines()
    lines += re.findall(r"[\w.-]+==[\w.]+", (root / "Makefile").read_text(encoding="utf-8"))
    found = {}
    for line in lines:
        name, mark, exact = line.partition("==")
        if mark and not line.startswith("#"):
            found[_key(name)] = exact
    return found


def differences(root: Path) -> list[str]:
    """What is wrong with the pins: another version installed, or a dependency without one."""
    pinned = pins(root)
    wrong = []
    for name, exact in pinned.items():
        try:
            there = version(name).partition("+")[0]
        except PackageNotFoundError:
            wrong.append(f"{name} is not installed, expected {exact}")
            continue
        if there != exact:
            wrong.append(f"{name} {there} is installed, expected {exact}")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in ("space", "score", "vad", "test"):
        wanted += project["optional-dependencies"].get(extra, [])
    names = {_key(re.split(r"[\[<>=! ]", line)[0]) for line in wanted}
    return wrong + [f"{name} has no pin" for name in sorted(names - set(pinned))]


def advisories(root: Path) -> tuple[list[str], int]:
    """Advisories on the pins, and how many pins they were looked up for."""
    if importlib.util.find_spec("pip_audit") is None:
        return [], 0
    with tempfile.TemporaryDirectory(prefix="audit_") as folder:
        asked = Path(folder) / "pins.txt"
        asked.write_text("".join(f"{name}=={exact}\n" for name, exact in pins(root).items()), encoding="utf-8")
        words = [sys.executable, "-m", "pip_audit", "--requirement", str(asked), "--no-deps",
                 "--disable-pip", "--progress-spinner", "off", "--format", "json"]  # fmt: skip
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)
            answered = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError, KeyError):
            return [], 0
    known = [entry for entry in answered if "skip_reason" not in entry]
    found = [f"{e['name']} {e['version']}: {v['id']}" for e in known for v in e.get("vulns", [])]
    return found, len(known)


def main() -> None:
    """Print what is wrong; exit code 1 if anything is."""
    wrong = differences(ROOT)
    found, looked_up = advisories(ROOT)
    for line in [*wrong, *found]:
        print(line)
    said = f"{len(pins(ROOT))} pins, {len(wrong)} fault(s); advisories looked up for {looked_up}, {len(found)} found"
    print(said if looked_up else f"{said} (pip-audit or its service is out of reach: versions only)")
    sys.exit(1 if wrong or found else 0)


if __name__ == "__main__":
    main()
