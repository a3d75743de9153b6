"""METEOR and SPICE: the wrappers against stand-in programs, what they say where something is missing, the real jar."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from evaluate_metrics.meteor.meteor_jar import MeteorUnavailable, meteor
from evaluate_metrics.spice.spice_jar import LIBRARIES, SpiceUnavailable, spice

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
score = lambda item: float("nan") if not item["test"] else float(item["test"] in item["refs"])
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
    told, true = ["a\u2028b ||| c", "", "x"], ["a b c", "y", ["z", "x"]]
    result = meteor(told, true, tmp_path, java, per_item=True)
    assert result["scores"] == [100.0, 0.0, 100.0] and result["meteor"] == pytest.approx(200 / 3)
    assert (result["n_empty"], result["n_scored"]) == (1, 3)
    silent = meteor(["", None], ["a", "b"], tmp_path, java)
    assert silent["meteor"] == 0.0 and silent["n_empty"] == 2
    broken = program(tmp_path, "broken", "import sys; sys.exit(1)")
    with pytest.raises(MeteorUnavailable, match="ended early"):
        meteor(["a"], ["a"], tmp_path, broken)


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a script with a first line")
def test_spice_by_a_stand_in(tmp_path):
    java = program(tmp_path, "java", SPICE)
    (tmp_path / "spice-1.0.jar").touch()
    with pytest.raises(SpiceUnavailable, match="corenlp.*by hand"):
        spice(["a"], ["a"], tmp_path, java)
    (tmp_path / "lib").mkdir()
    for library in LIBRARIES:
        (tmp_path / "lib" / library).touch()
    result = spice(["a\nb", None, "c"], ["a b", "b", ["d", "e"]], tmp_path, java, per_item=True)
    assert result["scores"] == [100.0, 0.0, 0.0] and result["spice"] == pytest.approx(100 / 3)
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
