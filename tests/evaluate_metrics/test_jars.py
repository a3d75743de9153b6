"""METEOR and SPICE: the wrappers against stand-in programs and the reference's own wrappers, and what they refuse."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from pathlib import Path

import pytest

from evaluate_metrics.meteor.meteor_jar import MeteorUnavailable, meteor
from evaluate_metrics.spice.spice_jar import JAR, LIBRARIES, SpiceUnavailable, command_of, items_of, spice

METEOR = """
import sys
for line in sys.stdin:
    parts = [part.strip() for part in line.split("|||")]
    if parts[0] == "SCORE":
        print(int(parts[-1] in parts[1:-1]), len(parts) - 2, flush=True)
    else:
        values = [float(part.split()[0]) for part in parts[1:]]
        print("\\n".join(map(str, [*values, sum(values) / len(values)])), flush=True)
"""
SPICE = """
import json, sys
given, written = sys.argv[4], sys.argv[sys.argv.index("-out") + 1]
items = json.load(open(given))
score = lambda item: None if item["test"] == "none" else float(item["test"] in item["refs"])
found = [{"image_id": i["image_id"], "scores": {"All": {"f": score(i)}}} for i in reversed(items)]
json.dump(found, open(written, "w"))
"""


def program(folder: Path, name: str, code: str) -> Path:
    """A stand-in for Java that runs `code`."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a script with a first line")
def test_meteor_by_a_stand_in(tmp_path):
    (tmp_path / "meteor-1.5.jar").touch()
    java = program(tmp_path, "java", METEOR)
    told, true = ["A\u2028b ||| c!", "", "x", "w"], ["a b, c", "y", ["z", "x"], "..."]
    result = meteor(told, true, tmp_path, java, per_item=True)
    assert result["scores"] == [100.0, 0.0, 100.0, 0.0] and result["meteor"] == pytest.approx(50)
    assert (result["n_empty"], result["n_scored"]) == (1, 4)
    silent = meteor(["", None, math.nan], ["a", "b", "c"], tmp_path, java)
    assert silent["meteor"] == 0.0 and silent["n_empty"] == 3
    odd = program(tmp_path, "odd", METEOR.replace("map(str, [", 'map("x{}".format, ['))
    with pytest.raises(MeteorUnavailable, match="gave no numbers"):
        meteor(["a"], ["a"], tmp_path, odd)
    broken = program(tmp_path, "broken", "import sys; sys.exit(1)")
    with pytest.raises(MeteorUnavailable, match="ended early"):
        meteor(["a"], ["a"], tmp_path, broken)


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a script with a first line")
def test_spice_by_a_stand_in(tmp_path):
    java = program(tmp_path, "java", SPICE)
    (tmp_path / "spice-1.0.jar").touch()
    with pytest.raises(SpiceUnavailable, match=r"lacks lib/stanford-corenlp-3.6.0.jar, lib/.*-models.jar .*by hand"):
        spice(["a"], ["a"], tmp_path, java)
    (tmp_path / "lib").mkdir()
    for library in LIBRARIES:
        (tmp_path / "lib" / library).touch()
    told, true = ["A\nb.", None, "c", "none", "x"], ["a b", "b", ["d", "e"], "f", "-"]
    result = spice(told, true, tmp_path, java, per_item=True)
    assert result["scores"] == [100.0, 0.0, 0.0, 0.0, 0.0] and result["spice"] == pytest.approx(20)
    assert (result["n_empty"], result["n_scored"]) == (1, 5)
    assert spice([math.nan], ["a"], tmp_path, java)["spice"] == 0.0
    for code, message in ((SPICE.replace("reversed(items)", "[]"), "0 of 1"), ("pass", "FileNotFound")):
        with pytest.raises(SpiceUnavailable, match=message):
            spice(["a"], ["a"], tmp_path, program(tmp_path, "other", code))
    broken = program(tmp_path, "broken", "import sys; sys.exit('no memory')")
    with pytest.raises(SpiceUnavailable, match="no memory"):
        spice(["a"], ["a"], tmp_path, broken)


def test_nothing_pretends(tmp_path):
    for metric in (meteor, spice):
        with pytest.raises(ValueError, match="no Java program"):
            metric(["a"], ["a"], java=tmp_path / "java")
        with pytest.raises(ValueError, match="1 predictions for 2"):
            metric(["a"], ["a", "b"])
        with pytest.raises(ValueError, match="no predictions"):
            metric([], [])
    with pytest.raises(MeteorUnavailable, match=r"no meteor-1.5.jar .*pass jar=PATH"):
        meteor(["a"], ["a"], jar=tmp_path, java=sys.executable)


def test_spice_refuses_the_installed_package_in_one_line():
    """pycocoevalcap brings the jar and not what it needs; every missing file is named at once, and who fetches it."""
    pytest.importorskip("pycocoevalcap")
    with pytest.raises(SpiceUnavailable) as refusal:
        spice(["a"], ["a"], java=sys.executable)
    message = str(refusal.value)
    if JAR in message.split("(")[0] or not all(library in message for library in LIBRARIES):
        pytest.skip("someone put other jars into the package")
    assert "spice lacks lib/" in message and "downloaded by hand, never by this program" in message
    assert message.endswith("put them there or pass jars=FOLDER") and "\n" not in message


def test_spice_is_handed_what_the_reference_hands_it(tmp_path, monkeypatch):
    """Same file, same options, same folder as pycocoevalcap's own wrapper, on the same words."""
    theirs = pytest.importorskip("pycocoevalcap.spice.spice")
    asked = {}

    def check_call(command, cwd):
        asked["command"], asked["cwd"] = command, cwd
        asked["items"] = json.loads(Path(command[4]).read_text(encoding="utf-8"))
        answers = [{"image_id": item["image_id"], "scores": {"All": {"f": 0.25}}} for item in asked["items"]]
        Path(command[command.index("-out") + 1]).write_text(json.dumps(answers), encoding="utf-8")

    monkeypatch.setattr(theirs, "get_stanford_models", lambda: None)
    monkeypatch.setattr(theirs, "__file__", str(tmp_path / "spice.py"))
    monkeypatch.setattr(theirs.subprocess, "check_call", check_call)
    mean, _ = theirs.Spice().compute_score({0: ["a cup"], 1: ["zoë", "waves"]}, {0: ["the cup"], 1: ["he waves"]})
    assert items_of(["The cup.", "He waves!"], ["A cup.", ["Zoë", "waves"]]) == asked["items"]
    given, cache, written = (Path(asked["command"][i]) for i in (4, 6, 8))
    assert sorted(command_of("java", given, cache, written, "8G")) == sorted(asked["command"])
    assert asked["cwd"] == str(tmp_path) and mean == 0.25


@pytest.mark.slow
def test_meteor_equals_the_reference_wrapper_on_the_real_jar():
    theirs = pytest.importorskip("pycocoevalcap.meteor.meteor")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    words = ["mara picks up the red cup", "otto s dog runs away", "she looks out of the window", "snow", "he dances"]
    true = [["mara lifts the cup"], ["the dog of otto is running"], ["she looks outside", "a window"], ["rain"], ["he"]]
    told = [f"{text[0].upper()}{text[1:]}." for text in words]
    told[1] = "Otto's dog runs away!"
    reference = theirs.Meteor()
    try:
        whole, scores = reference.compute_score(dict(enumerate(true)), {i: [text] for i, text in enumerate(words)})
    finally:
        reference.meteor_p.kill()
    result = meteor([*told, ""], [*true, "a"], per_item=True)
    assert result["scores"] == pytest.approx([*(100 * score for score in scores), 0.0], abs=1e-9)
    assert result["meteor"] == pytest.approx(100 * whole * 5 / 6, abs=1e-9) and 0 < whole < 1
