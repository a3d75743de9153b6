"""Nothing reaches for the network unless it is asked to: the demo runs where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Every look-up of a name and every connection ends the process; the Hub library may not be told to stay offline.
CUT = """
import os, sys
def refuse(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        os.write(2, f"NETWORK {event} {given}".encode())
        os._exit(77)
sys.addaudithook(refuse)
sys.argv = ["distinctad", *sys.argv[1:]]
from distinctad.cli import main
main()
"""


def online() -> dict[str, str]:
    """The environment without what keeps the Hub's libraries offline."""
    kept = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    return {**kept, "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_a_film_is_described_without_a_connection(inputs: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", CUT, "describe", str(inputs / "two.mp4"), "--subtitles", str(inputs / "two.srt")]
    words += ["--out", str(tmp_path / "out"), "--num-beams", "1", "--device", "cpu"]
    done = subprocess.run(words, cwd=ROOT, env=online(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "NETWORK" not in done.stderr, done.stderr[-2000:]
    assert (tmp_path / "out" / "descriptions.json").is_file()


def test_a_connection_would_be_seen() -> None:
    code = CUT.partition("sys.argv")[0] + "import socket\nsocket.create_connection(('203.0.113.1', 80))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 77 and "NETWORK socket." in done.stderr


def _namespaces() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not _namespaces(), reason="this system permits no network namespaces")
def test_the_whole_demo_runs_in_a_namespace_without_a_network(tmp_path: Path) -> None:
    words = ["unshare", "-rn", sys.executable, "tools/demo.py", "--ads", "6", "--out", str(tmp_path / "demo")]
    done = subprocess.run(words, cwd=ROOT, env=online(), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "demo" / "descriptions" / "descriptions.json").is_file()
