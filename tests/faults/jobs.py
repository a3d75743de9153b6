"""The three jobs that faults are tried on, small and without a trained model; also a script that is killed in them.

`python jobs.py describe|features|score INPUTS OUT once|killed` runs a job, or kills it five times with SIGKILL at fixed
moments, each time in a process of its own, and lets it end; the moments are written to OUT/kills.json. Not a test file.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
for folder in (HERE.parents[1], HERE.parent / "distinctad"):
    sys.path.insert(0, str(folder))

import numpy as np  # noqa: E402
from stand_ins import FakePipe, write_film  # noqa: E402

from distinctad import exports, features, score, score_plots  # noqa: E402
from distinctad.describe import describe  # noqa: E402
from distinctad.feature_tower import FeatureSettings, Tower  # noqa: E402
from distinctad.features import encode_films  # noqa: E402
from distinctad.score_figures import Options  # noqa: E402
from distinctad.score_report import fill, report_folder  # noqa: E402

SRT = "1\n00:00:01,500 --> 00:00:02,000\nHello.\n\n2\n00:00:04,000 --> 00:00:04,500\nYes?\n"
METRICS = ("rouge_l", "length", "repetition")


class StubTower(Tower):
    """Mean colours instead of embeddings; everything else is the tower's own."""

    def __init__(self, chunk: int = 4) -> None:
        self.chunk, self.said, self.width = chunk, [], 3
        self.about = {"tower": "stub", "tower_sha256": "0", "fps": 5.0, "width": 64, "height": 48,
                      "frame_fit": "squash", "stored": "float32"}  # fmt: skip

    def _embed(self, images: Any) -> np.ndarray:
        return np.stack([np.asarray(image, np.float32).mean((0, 1)) for image in images])


def write_inputs(folder: Path) -> Path:
    """Write what the jobs read."""
    for name, seconds in (("one", 4.0), ("two", 6.0)):
        write_film(folder / f"{name}.mp4", seconds, rate=10, audio=False)
    (folder / "two.srt").write_text(SRT, encoding="utf-8")
    rows = [
        {"film": film, "index": i, "start": 2.0 * i, "end": 2.0 * i + 1.5, "text": text}
        for film in ("a", "b")
        for i, text in enumerate(("Mara picks up the red cup.", "José hugs Otto at dusk.", "She kicks a ball."))
    ]
    lines = [",".join(("film", "start", "end", "text_gen"))]
    lines += [f"{r['film']},{r['start']},{r['end']},{r['text'].replace('red', 'blue')}" for r in rows]
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "annotations.csv").write_text(
        "\n".join(["movie,start,end,text", *(f"{r['film']},{r['start']},{r['end']},{r['text']}" for r in rows)]) + "\n",
        encoding="utf-8",
    )
    return folder


def run(job: str, inputs: Path, out: Path, progress: Callable[..., None] | None = None) -> Path:
    """Run a job and return what it wrote: a folder, or a file."""
    if job == "describe":
        describe(inputs / "two.mp4", out / "drafts", subtitles=inputs / "two.srt", pipe=FakePipe(), progress=progress)
        return out / "drafts"
    if job == "features":
        how = FeatureSettings(batch=4, device="cpu", stored="float32")
        films = [inputs / "one.mp4", inputs / "two.mp4"]
        encode_films(films, out / "x.h5", how, progress=progress, tower=StubTower())
        return out / "x.h5"
    options = Options(metrics=METRICS, resamples=20, progress=False)
    with report_folder(out / "s") as folder:
        fill(folder, score.score(inputs / "predictions.csv", None, inputs / "annotations.csv", None, options))
    return out / "s"


def contents(path: Path) -> dict[str, bytes]:
    """Every file of an output by name, hidden ones too."""
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _after(count: int) -> Callable[..., None]:
    """A progress function that kills its process at the `count`-th call."""
    left = [count]

    def step(*_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            _die()

    return step


def _half_written(part: Path) -> None:
    part.write_bytes(b"half of a ")
    _die()


MOMENTS: dict[str, list[tuple[str, str, Any]]] = {
    "describe": [
        ("in the film, clip 1 of 3", "progress", 1),
        ("in the film, clip 2 of 3", "progress", 2),
        ("in the film, clip 3 of 3", "progress", 3),
        ("the first file written, not synced", "fsync", exports),
        ("all written, none moved", "rename", exports),
    ],
    "features": [
        ("in film one, frame 4 of 20", "progress", 1),
        ("in film one, frame 12 of 20", "progress", 2),
        ("in film two, frame 4 of 30", "progress", 3),
        ("in film two, frame 20 of 30", "progress", 4),
        ("the output written, not renamed", "write", features),
    ],
    "score": [
        ("between two metrics", "metric", score),
        ("before the report", "report", score),
        ("the first file written, not synced", "fsync", exports),
        ("a plot half written", "plot", score_plots),
        ("all written, none moved", "rename", exports),
    ],
}


def _arm(kind: str, where: Any) -> Callable[..., None] | None:
    """Set the trap; returns the progress function."""
    if kind == "progress":
        return _after(where)
    if kind == "fsync":
        where.os.fsync = _die
    elif kind == "rename":
        where.os.rename = where.os.replace = _die
    elif kind == "metric":
        whole = where.PURE["length"]
        where.PURE["length"] = lambda *given: (whole(*given), _die())
    elif kind == "report":
        where._counts = _die
    elif kind == "plot":
        where._save = lambda canvas, path: _half_written(path)
    elif kind == "write":
        from datasets_scripts import mad_features

        mad_features.os.fsync = _die
    return None


def killed(job: str, inputs: Path, out: Path) -> None:
    """Kill a job at each of its moments, then let it end; what each kill left is written to kills.json."""
    found = []
    for moment, kind, where in [*MOMENTS[job], ("not killed", "", None)]:
        child = os.fork()
        if child == 0:
            run(job, inputs, out, _arm(kind, where))
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        left = sorted(p.name for p in out.iterdir() if not p.name.startswith("."))
        found.append({"moment": moment, "status": status, "left": left})
    (out / "kills.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    job, given, target, how = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    if how == "killed":
        killed(job, given, target)
    else:
        run(job, given, target)
