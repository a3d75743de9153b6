"""SPICE 1.0 through its reference jars: Java does the scoring, this file only speaks to it.

Source: Anderson et al., "SPICE: Semantic Propositional Image Caption Evaluation" (ECCV 2016), and the command line of
the public coco-caption wrapper, which hands the jar words without punctuation; so does this, by a regular expression
in place of the Java tokeniser. spice-1.0.jar comes with pycocoevalcap; the two Stanford CoreNLP 3.6.0 jars that it
needs do not, and the public wrapper fetches them while it runs. Here nothing is ever downloaded: the folder must hold
them in `lib/`. The jar is known to want Java 8 or 11. Without any of it the metric says what is missing and gives
nothing.
"""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

JAR = "spice-1.0.jar"
LIBRARIES = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
LIMIT_S = 4 * 3600
SIGNATURE: dict[str, Any] = {
    "metric": "SPICE",
    "tokens": "regex v2: lower case, NFC, runs of letters, marks and digits",
    "jar": JAR,
    "scale": "x100, mean over items",
    "version": 3,
}
# Combining marks of every script, which \w leaves out: without them a word falls apart at its vowel signs and accents.
_MARKS = "".join(char for char in map(chr, range(0x300, 0x1F000)) if unicodedata.category(char)[0] == "M")
_WORD = re.compile(rf"[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")


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
        SpiceUnavailable: naming every jar that is not there and where it comes from.
    """
    if folder is None:
        spec = importlib.util.find_spec("pycocoevalcap")  # found, not imported
        if spec is None or not spec.submodule_search_locations:
            raise SpiceUnavailable(f"no {JAR} (pycocoevalcap is not installed); install it or pass jars=FOLDER")
        folder = Path(spec.submodule_search_locations[0]) / "spice"
    place = Path(folder)
    missing = [name for name in (JAR, *(f"lib/{library}" for library in LIBRARIES)) if not (place / name).is_file()]
    if missing:
        source = f"{JAR} comes with pycocoevalcap, the other two with no package: " if JAR in missing else ""
        raise SpiceUnavailable(
            f"{place} lacks {', '.join(missing)} ({source}Stanford CoreNLP 3.6.0 and its models are downloaded by "
            "hand, never by this program); put them there or pass jars=FOLDER"
        )
    return place.resolve()


def _line(text: str | None) -> str:
    """The lower-case words of a text with one blank between; "" for None and NaN."""
    plain = unicodedata.normalize("NFC", text.lower()) if isinstance(text, str) else ""
    return " ".join(_WORD.findall(plain))


def items_of(
    predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]]
) -> list[dict[str, Any]]:
    """What the jar reads: image_id (the row), test and refs of each item, as the public wrapper writes them.

    Args:
        predictions: one text an item.
        references: one text or a list of texts an item.

    Raises:
        ValueError: if lengths differ or an item has no reference.
    """
    if len(references) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    items = []
    for row, (prediction, item) in enumerate(zip(predictions, references, strict=True)):
        texts = [item] if isinstance(item, str) else list(item) if isinstance(item, Iterable) else [""]
        if not texts:
            raise ValueError(f"references[{row}] is empty, expected at least one reference; give one or drop the item")
        items.append({"image_id": row, "test": _line(prediction), "refs": [_line(text) for text in texts]})
    return items


def spice(
    predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]],
    jars: str | Path | None = None, java: str | Path | None = None, per_item: bool = False, memory: str = "8G",
) -> dict[str, Any]:  # fmt: skip
    """SPICE of a set.

    Args:
        predictions: one text an item; silence (None, NaN, "") scores 0 without being asked.
        references: one text or a list of texts an item; one without words scores 0 without being asked.
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
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the whole set")
    items = items_of(predictions, references)
    program, folder = find_java(java), find_jars(jars)
    asked = [{**item, "refs": [text for text in item["refs"] if text]} for item in items]
    asked = [item for item in asked if item["test"] and item["refs"]]
    found = _run(program, folder, asked, memory) if asked else {}
    if set(found) != {item["image_id"] for item in asked}:
        raise SpiceUnavailable(f"the jar scored {len(found)} of {len(asked)} items; check its version")
    scores = [found.get(row, 0.0) for row in range(len(items))]
    result: dict[str, Any] = {
        "spice": math.fsum(scores) / len(scores),
        "n_expected": len(items),
        "n_scored": len(items),
        "n_empty": sum(not item["test"] for item in items),
        "signature": dict(SIGNATURE),
    }
    return {**result, "scores": scores} if per_item else result


def command_of(program: str, given: Path, cache: Path, written: Path, memory: str) -> list[str]:
    """The command line of the jar, to be run in its folder."""
    command = [program, f"-Xmx{memory}", "-jar", JAR, str(given), "-cache", str(cache)]
    return [*command, "-out", str(written), "-subset", "-silent"]


def _run(program: str, folder: Path, items: list[dict[str, Any]], memory: str) -> dict[int, float]:
    """Run the jar over the items and read what it writes: {row: F, 0..100}; no F (a text without tuples) is 0."""
    with tempfile.TemporaryDirectory() as temporary:
        given, cache, written = (Path(temporary) / name for name in ("in.json", "cache", "out.json"))
        given.write_text(json.dumps(items), encoding="utf-8")
        cache.mkdir()
        command = command_of(program, given, cache, written, memory)
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=LIMIT_S, check=False)
            if done.returncode:
                reason = " ".join(done.stderr.decode(errors="replace").split())[-200:]
                raise SpiceUnavailable(f"the jar ended with {done.returncode} ({reason}); it wants Java 8 or 11")
            answers = json.loads(written.read_text(encoding="utf-8"))
            told = {int(answer["image_id"]): float(answer["scores"]["All"]["f"] or 0.0) for answer in answers}
        except SpiceUnavailable:
            raise
        except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired) as error:
            raise SpiceUnavailable(f"the jar gave no scores ({error.__class__.__name__}); check Java") from error
    return {row: 100 * value if math.isfinite(value) else 0.0 for row, value in told.items()}
