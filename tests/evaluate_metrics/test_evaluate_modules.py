"""Every metric loads through `evaluate`, from the repository and from a folder copied elsewhere, and stands alone."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOM = Path(__file__).resolve().parents[2] / "evaluate_metrics"
METRICS = ("cider", "rouge_l", "recall_at_k_within_n", "slot_accuracy")
SCRIPT = """
import json, sys
import evaluate
folder = sys.argv[1]
load = lambda name: evaluate.load(f"{folder}/{name}")
texts, several = ["Mara waves.", "", "Otto picks up a cup."], [["Mara waves."], ["Otto"], ["Otto lifts a cup", "A cup"]]
truth = {"film": "f", "text": "Mara picks up a red cup.", "character": "Mara", "action": "pick_up", "object": "cup"}
truth["colour"] = "red"
cider, slots = load("cider"), load("slot_accuracy")
cider.add_batch(predictions=texts[:1], references=several[:1])
cider.add_batch(predictions=texts[1:], references=several[1:])
casts = {"f": ["Mara", "Otto"]}
print(json.dumps({
    "cider": cider.compute(),
    "one": load("cider").compute(predictions=texts, references=[r[0] for r in several]),
    "rouge_l": load("rouge_l").compute(predictions=texts, references=several, per_item=True),
    "recall": load("recall_at_k_within_n").compute(predictions=list("abc"), references=list("abd"), k=1, n=3,
        similarity=lambda p, t, pairs: [float(p[i] == t[j]) for i, j in pairs]),
    "rows": slots.compute(predictions=["Mara picks up a scarlet mug."], references=[truth], casts=casts),
    "lines": slots.compute(predictions=["Otto."], references=[json.dumps({**truth, "index": 3})], casts=casts),
}))
"""


def run(folder: str, cwd: Path, home: Path) -> dict:
    pytest.importorskip("evaluate")
    environment = {**os.environ, "HF_HOME": str(home), "HF_MODULES_CACHE": str(home / "modules"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_load_from_the_repository_and_from_a_copy(tmp_path):
    """The copy is loaded with the first load's cache at hand, from another working directory: the table is found."""
    here = run("evaluate_metrics", ROOM.parent, tmp_path / "home")
    shutil.copytree(ROOM, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__", "__init__.py"))
    there = run(str(tmp_path / "copy"), tmp_path, tmp_path / "home")
    assert here == there
    assert here["cider"]["n_empty"] == 1 and here["cider"]["cider"] > 0 and here["one"]["n_scored"] == 3
    assert here["rouge_l"]["scores"][:2] == [100.0, 0.0]
    assert here["recall"]["recall"] == pytest.approx(100 * (1 + 1 + 1 / 3) / 3)
    assert [here["rows"][slot]["accuracy"] for slot in ("character", "action", "object", "colour")] == [100.0] * 4
    assert here["lines"]["character"]["accuracy"] == 0.0
    assert here["rows"]["signature"]["synonyms_sha256"] == here["lines"]["signature"]["synonyms_sha256"]


@pytest.mark.parametrize("name", METRICS)
def test_a_folder_imports_only_its_own_files(name):
    """And the file that `evaluate` reads names every file that the others need: it follows no chains."""
    files = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOM / name).glob("*.py")}
    own: dict[str, set[str]] = {}
    rooms = {"modeling_distinctad", "datasets_scripts", "train", "distinctad", "evaluate_metrics", "space"}
    for stem, tree in files.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1 and node.module in files, (stem, node.module)
                own.setdefault(stem, set()).add(str(node.module))
            elif isinstance(node, ast.ImportFrom):
                assert str(node.module).split(".")[0] not in rooms, (stem, node.module)
            elif isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & rooms, stem
    needed, todo = set(), [name]
    while todo:
        for other in own.get(todo.pop(), set()) - needed:
            needed.add(other)
            todo.append(other)
    assert own[name] == needed


@pytest.mark.parametrize("name", METRICS)
def test_cards_tell_what_a_reader_needs(name):
    card = (ROOM / name / "README.md").read_text(encoding="utf-8")
    for heading in ("Description", "Formula", "Inputs", "Output", "Limits", "Citation"):
        assert f"\n## {heading}\n" in card
    assert "sdk: gradio" in card and "app_file: app.py" in card


@pytest.mark.parametrize("name", METRICS)
def test_apps_build_without_starting(name, tmp_path, monkeypatch):
    gradio = pytest.importorskip("gradio")
    evaluate = pytest.importorskip("evaluate")
    import runpy

    monkeypatch.setattr(evaluate, "load", lambda path: {"folder": path})
    namespace = runpy.run_path(str(ROOM / name / "app.py"), run_name="app")
    assert isinstance(namespace["build"](), gradio.Blocks)
