"""One thread, no network, a plain wide terminal, set before anything reads them; fixed property tests; the order."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["COLUMNS"] = "120"
for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):  # each makes typer and rich colour what no terminal reads
    os.environ.pop(name, None)

with contextlib.suppress(ImportError):  # `make floor` has none
    from hypothesis import settings

    # The same examples in every run; `HYPOTHESIS_PROFILE=seek` looks for new ones.
    settings.register_profile("fixed", derandomize=True)
    settings.register_profile("seek", max_examples=2000, deadline=None)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


# One worker waits for Chromium while the others compute, and nobody waits for the longest test at the end.
FIRST = ("tests/space/", "tests/repo/test_documents.py::test_the_readme_runs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests and the README's commands first."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window, the system's or Playwright's own; one, for Playwright starts once in a thread."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as machine:
        names = ("chromium", "chromium-browser", "google-chrome", machine.chromium.executable_path)
        found = next(filter(None, map(shutil.which, names)), None)
        if found is None:
            pytest.skip("no Chromium is installed")
        opened = machine.chromium.launch(executable_path=found, args=["--no-sandbox", "--mute-audio"])
        yield opened
        opened.close()
