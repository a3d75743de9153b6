"""METEOR 1.5 through its reference jar: Java does the scoring, this file only speaks to it.

Source: Denkowski and Lavie, "Meteor Universal" (WMT 2014), and the protocol of the public coco-caption wrapper (-stdio,
English, normalised), which hands the jar words without punctuation; so does this, by a regular expression in place of
the Java tokeniser (on 400 ADs of MAD-Eval 12.99 beside 13.01; texts with their punctuation give 13.57). The jar and
its paraphrase table are never downloaded: they are found in an installed pycocoevalcap or given by path. Without Java
or the jar the metric says so and gives nothing.
"""

from __future__ import annotations

import importlib.util
import math
import re
import shutil
import subprocess
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

JAR = "meteor-1.5.jar"
START_S = 600  # the jar reads 60 MB of paraphrases first: 14 s, much longer on a busy machine
SIGNATURE: dict[str, Any] = {
    "metric": "METEOR",
    "tokens": "regex v2: lower case, NFC, runs of letters, marks and digits",
    "jar": JAR,
    "options": "-l en -norm",
    "scale": "x100",
    "version": 3,
}
# Combining marks of every script, which \w leaves out: without them a word falls apart at its vowel signs and accents.
_MARKS = "".join(char for char in map(chr, range(0x300, 0x1F000)) if unicodedata.category(char)[0] == "M")
_WORD = re.compile(rf"[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")


class MeteorUnavailable(ValueError):
    """Java or the jar is not there; the message says what to install or pass."""


def find_java(java: str | Path | None = None) -> str:
    """Path of the Java program: the given one, else the one on the search path.

    Raises:
        MeteorUnavailable: if there is none.
    """
    found = shutil.which(str(java) if java else "java")
    if found is None:
        raise MeteorUnavailable(f"no Java program ({java or 'java'}); install a Java runtime or pass java=PATH")
    return found


def find_jar(jar: str | Path | None = None) -> Path:
    """Path of meteor-1.5.jar: the given file or folder, else that of an installed pycocoevalcap.

    Raises:
        MeteorUnavailable: if there is none.
    """
    places = []
    if jar is not None:
        places = [Path(jar), Path(jar) / JAR]
    elif (spec := importlib.util.find_spec("pycocoevalcap")) is not None:  # found, not imported
        places = [Path(folder) / "meteor" / JAR for folder in spec.submodule_search_locations or ()]
    for place in places:
        if place.is_file():
            return place.resolve()
    raise MeteorUnavailable(
        f"no {JAR} ({jar or 'pycocoevalcap is not installed'}); install pycocoevalcap or pass jar=PATH"
    )


def _line(text: str | None) -> str:
    """The lower-case words of a text with one blank between; "" for None and NaN."""
    plain = unicodedata.normalize("NFC", text.lower()) if isinstance(text, str) else ""
    return " ".join(_WORD.findall(plain))


def _references(item: str | None | Sequence[str], row: int) -> list[str]:
    """The references of an item that hold a word.

    Raises:
        ValueError: if it is an empty list.
    """
    texts = [item] if isinstance(item, str) else list(item) if isinstance(item, Iterable) else [""]
    if not texts:
        raise ValueError(f"references[{row}] is empty, expected at least one reference; give one or drop the item")
    return [line for line in map(_line, texts) if line]


class _Jar:
    """The running jar: one line in, lines out; killed when it takes too long."""

    def __init__(self, command: list[str], folder: Path, limit_s: float) -> None:
        try:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise MeteorUnavailable(f"the jar could not be run ({error.strerror}); check the Java program") from error
        self.ended = f"the jar ended early (or was ended after {limit_s:.0f} s); check Java, memory and the jar"
        self.timer = threading.Timer(limit_s, self.process.kill)
        self.timer.start()

    def ask(self, line: str, answers: int = 1) -> list[str]:
        """Write one line and read so many."""
        if self.process.stdin is None or self.process.stdout is None:
            raise MeteorUnavailable("the jar has no pipes; check the Java program")
        try:
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
        except OSError as error:
            raise MeteorUnavailable(self.ended) from error
        lines = [self.process.stdout.readline().decode().strip() for _ in range(answers)]
        if not all(lines):
            raise MeteorUnavailable(self.ended)
        return lines

    def close(self) -> None:
        """End the jar."""
        self.timer.cancel()
        self.process.kill()
        self.process.communicate()


def meteor(
    predictions: Sequence[str | None], references: Sequence[str | None | Sequence[str]], jar: str | Path | None = None,
    java: str | Path | None = None, per_item: bool = False, memory: str = "2G",
) -> dict[str, Any]:  # fmt: skip
    """METEOR of a set.

    Args:
        predictions: one text an item; silence (None, NaN, "") scores 0 without being asked.
        references: one text or a list of texts an item; one without words scores 0 without being asked.
        jar: meteor-1.5.jar or its folder; None = that of an installed pycocoevalcap.
        java: the Java program; None = the one on the search path.
        per_item: also return `scores`, one an item.
        memory: Java's memory limit.

    Returns:
        `meteor` (the jar's score over the sums of the items that were asked, times their share; 0..100),
        `meteor_mean` (mean over items, the others 0), `n_expected`, `n_scored`, `n_empty`, `signature`.

    Raises:
        MeteorUnavailable: if Java or the jar is not there or fails.
        ValueError: if there is nothing to score, lengths differ or an item has no reference.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the whole set")
    if len(references) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    program, path = find_java(java), find_jar(jar)
    told = [_line(text) for text in predictions]
    true = [_references(item, row) for row, item in enumerate(references)]
    asked = [row for row in range(len(told)) if told[row] and true[row]]
    scores, whole = [0.0] * len(told), 0.0
    if asked:
        command = [program, f"-Xmx{memory}", "-jar", path.name, "-", "-", "-stdio", "-l", "en", "-norm"]
        jar_running = _Jar(command, path.parent, START_S + 0.2 * len(asked))
        try:
            lines = [f"SCORE ||| {' ||| '.join(true[row])} ||| {told[row]}" for row in asked]
            statistics = [jar_running.ask(line)[0] for line in lines]
            values = [float(v) for v in jar_running.ask("EVAL ||| " + " ||| ".join(statistics), len(asked) + 1)]
        except ValueError as error:
            if isinstance(error, MeteorUnavailable):
                raise
            raise MeteorUnavailable(f"the jar gave no numbers ({error}); check its version") from error
        finally:
            jar_running.close()
        for row, value in zip(asked, values[:-1], strict=True):
            scores[row] = 100 * value
        whole = 100 * values[-1] * len(asked) / len(told)
    result: dict[str, Any] = {
        "meteor": whole,
        "meteor_mean": math.fsum(scores) / len(scores),
        "n_expected": len(references),
        "n_scored": len(told),
        "n_empty": sum(not text for text in told),
        "signature": dict(SIGNATURE),
    }
    return {**result, "scores": scores} if per_item else result
