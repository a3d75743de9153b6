"""Makes the stand-ins of the command line's tests and this folder's own importable in every import mode."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "distinctad", HERE.parent / "train"):
    sys.path.insert(0, str(folder))

from jobs import write_inputs  # noqa: E402


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two films, subtitles, predictions with their truth: what the jobs read."""
    return write_inputs(tmp_path_factory.mktemp("inputs"))
