"""SPICE 1.0 through its reference jars: Java does the scoring, this file only speaks to it.

Source: Anderson et al., "SPICE: Semantic Propositional Image Caption Evaluation" (ECCV 2016), and the command line of
the public coco-caption wrapper. spice-1.0.jar comes with pycocoevalcap; the two Stanford CoreNLP 3.6.0 jars that it
needs do not, and the public wrapper fetches them while it runs. Here nothing is ever downloaded: the folder must hold
them in `lib/`. The jar is known to want Java 8 or 11. Without any of it the metric says what is missing and gives
nothing.
"""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

JAR = "spice-1.0.jar"
LIBRARIES = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
LIMIT_S = 4 * 3600


class SpiceUnavailable(ValueError):
    """Java or a jar is not there; the message says what to install or pass."""


def find_java(java: str | Path | None = None) -> str:
    """Path of the Java program: the given one, else the one on the search path.

    Raises:
        SpiceUnavailable: if there is none.
    """
    found = shutil.which(str(java) if java else "java")
    if found is None:
        raise SpiceUnavailable(f"no Java program ({java or 'java'}); install Java 8 or 11 or pass java=PATH")
    return found


def find_jars(folder: str | Path | None = None) -> Path:
    """The folder of spice-1.0.jar with `lib/` beside it: the given one, else that of an installed pycocoevalcap.

    Raises:
        SpiceUnavailable: naming the first jar that is not there.
    """
    if folder is None:
        spec = importlib.util.find_spec("pycocoevalcap")
        if spec is None or not spec.submodule_search_locations:
            raise SpiceUnavailable(f"no {JAR} (pycocoevalcap is not installed); install it or pass jars=FOLDER")
        folder = Path(spec.submodule_search_locations[0]) / "spice"
    place = Path(folder)
    for name in (JAR, *(f"lib/{library}" for library in LIBRARIES)):
        if not (place / name).is_file():
            raise SpiceUnavailable(
                f"{place.name}/{name} is not there; put it into the folder by hand (CoreNLP 3.6.0 is a download of its "
                "own) or pass jars=FOLDER"
            )
    return place.resolve()


def _one_line(text: str | None) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in (text or "")).split())


def spice(
    predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]],
    jars: str | Path | None = None, java: str | Path | None = None, per_item: bool = False, memory: str = "8G",
) -> dict[str, Any]:  # fmt: skip
    """SPICE of a set.

    Args:
        predictions: one text an item; None and "" score 0.
        references: one text or a list of texts an item.
        jars: folder of spice-1.0.jar with `lib/`; None = that of an installed pycocoevalcap.
        java: the Java program; None = the one on the search path.
        per_item: also return `scores`, one an item.
        memory: Java's memory limit.

    Returns:
        `spice` (mean F over items, 0..100), `n_expected`, `n_scored`, `n_empty`, `signature`.

    Raises:
        SpiceUnavailable: if Java or a jar is not there or fails.
        ValueError: if there is nothing to score, lengths differ or an item has no reference.
    """
    if not predictions:
        raise ValueError("no predictions, expected at least one; pass the texts of the whole set")
    if len(references) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    program, folder = find_java(java), find_jars(jars)
    items = []
    for row, (prediction, item) in enumerate(zip(predictions, references, strict=True)):
        texts = [item or ""] if item is None or isinstance(item, str) else list(item)
        if not texts:
            raise ValueError(f"references[{row}] is empty, expected at least one reference; give one or drop the item")
        items.append({"image_id": row, "test": _one_line(prediction), "refs": [_one_line(text) for text in texts]})
    found = _run(program, folder, items, memory)
    scores = [0.0] * len(items)
    for entry in found:
        value = float(entry["scores"]["All"]["f"])
        scores[int(entry["image_id"])] = 100 * value if math.isfinite(value) else 0.0
    if len(found) != len(items):
        raise SpiceUnavailable(f"the jar scored {len(found)} of {len(items)} items; check its version")
    result: dict[str, Any] = {
        "spice": math.fsum(scores) / len(scores),
        "n_expected": len(items),
        "n_scored": len(items),
        "n_empty": sum(not item["test"] for item in items),
        "signature": {"metric": "SPICE", "jar": JAR, "scale": "x100, mean over items", "version": 1},
    }
    return {**result, "scores": scores} if per_item else result


def _run(program: str, folder: Path, items: list[dict[str, Any]], memory: str) -> list[dict[str, Any]]:
    """Run the jar over the items and read what it writes."""
    with tempfile.TemporaryDirectory() as temporary:
        given, written = Path(temporary) / "in.json", Path(temporary) / "out.json"
        given.write_text(json.dumps(items), encoding="utf-8")
        (Path(temporary) / "cache").mkdir()
        command = [program, f"-Xmx{memory}", "-jar", JAR, str(given), "-cache", str(Path(temporary) / "cache")]
        command += ["-out", str(written), "-subset", "-silent"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=LIMIT_S, check=False)
            if done.returncode:
                reason = " ".join(done.stderr.decode(errors="replace").split())[-200:]
                raise SpiceUnavailable(f"the jar ended with {done.returncode} ({reason}); it wants Java 8 or 11")
            return list(json.loads(written.read_text(encoding="utf-8")))
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            if isinstance(error, SpiceUnavailable):
                raise
            raise SpiceUnavailable(f"the jar gave no scores ({error.__class__.__name__}); check Java") from error
