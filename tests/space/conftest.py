"""A served Space for the tests of this folder."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "distinctad"))

from stand_ins import FakePipe, write_film  # noqa: E402

collect_ignore_glob = [] if find_spec("gradio") else ["test_*.py"]

SRT = "1\n00:00:03,000 --> 00:00:05,000\nHello, Mara.\n\n2\n00:00:06,500 --> 00:00:08,000\nYes?\n"


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 12 s with sound."""
    return write_film(tmp_path_factory.mktemp("film") / "film_7.mp4", options={"movflags": "+faststart"})


@pytest.fixture(scope="session")
def srt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its subtitles: gaps from 0 to 3, 5 to 6.5 and 8 to 12 s."""
    path = tmp_path_factory.mktemp("lines") / "film_7.srt"
    path.write_text(SRT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def desk() -> Iterator[Any]:
    """The endpoints, with a pipeline that needs no model and a folder of their own for uploads."""
    from distinctad.describe import draft
    from space import desk as desks
    from space import work
    from space.limits import Limits
    from space.visits import Visits

    def fake(film: Path, **given: Any) -> work.Work:
        pipe = FakePipe(lambda index, more: ("Mara runs.", "Tom waits.", "Night falls.")[index % 3])
        return work.of_draft(draft(film, pipe=pipe, **given))

    before = os.environ.get("GRADIO_TEMP_DIR")
    limits = Limits(film_mb=3, film_s=600, text_mb=4, queue=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desks, "_draft", fake)
        visits = Visits(limits.kept_s)
        yield desks.Desk(limits, visits)
        shutil.rmtree(visits.root, ignore_errors=True)
    if before is None:
        os.environ.pop("GRADIO_TEMP_DIR", None)
    else:
        os.environ["GRADIO_TEMP_DIR"] = before


@pytest.fixture(scope="module")
def served(desk: Any) -> Iterator[str]:
    """The address of a Space over that desk."""
    from space import app

    page = app.build(desk)
    address = app.launch(page, desk.limits, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")[1]
    yield address
    try:
        page.close()
    except RuntimeError:  # it wakes the server's streams from this thread, while that one's may be going away
        page.close()
