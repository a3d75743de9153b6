"""Every metric loads through `evaluate`, from the repository and from a folder copied elsewhere, and stands alone."""

from __future__ import annotations

import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOM = Path(__file__).resolve().parents[2] / "evaluate_metrics"
METRICS = (
    "action_score", "bertscore", "bleu", "cider", "critic", "distinctiveness", "length", "llm_ad_eval", "meteor",
    "name_accuracy", "recall_at_k_within_n", "repetition", "rouge_l", "slot_accuracy", "spice",
)  # fmt: skip
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
told, true, films = ["Mara waves.", "She waves."], ["Mara waves.", "Mara sings."], ["f", "f"]
import numpy as np
def refused(name, **options):
    try:
        load(name).compute(predictions=told, references=true, **options)
    except ValueError as error:
        return str(error)
print(json.dumps({
    "cider": cider.compute(),
    "one": load("cider").compute(predictions=texts, references=[r[0] for r in several]),
    "rouge_l": load("rouge_l").compute(predictions=texts, references=several, per_item=True),
    "recall": load("recall_at_k_within_n").compute(predictions=list("abc"), references=list("abd"), k=1, n=3,
        similarity=lambda p, t, pairs: [float(p[i] == t[j]) for i, j in pairs]),
    "rows": slots.compute(predictions=["Mara picks up a scarlet mug."], references=[truth], casts=casts),
    "bleu": load("bleu").compute(predictions=texts, references=several, per_item=True),
    "repetition": load("repetition").compute(predictions=told, references=true, films=films, last_k=1),
    "distinctiveness": load("distinctiveness").compute(predictions=told, references=true, films=films, window=2),
    "names": load("name_accuracy").compute(predictions=told, references=true, films=films, casts=casts),
    "length": load("length").compute(predictions=told, references=true, durations_s=[1.0, 3.0]),
    "critic": load("critic").compute(predictions=told, references=true, films=films, casts=casts),
    "bertscore": load("bertscore").compute(predictions=told, references=true,
        pair_scores=lambda p, t, pairs: np.full((len(pairs), 3), 0.5)),
    "action": load("action_score").compute(predictions=told, references=true,
        similarity=lambda a, b: np.ones((len(a), len(b)))),
    "marks": load("llm_ad_eval").compute(predictions=told, references=true, judge=lambda c: ["{'score': 3}"] * len(c)),
    "meteor": refused("meteor", java="no-such-program"),
    "spice": refused("spice", java="no-such-program"),
    "mixed": [metric.compute(predictions=["Mara picks up a cup.", "Otto waves."], references=mixed, per_item=True)
        for metric in map(load, ("rouge_l", "bleu", "cider"))
        for mixed in ([["Mara picks up a cup.", "x"], "Otto waves."], ["Mara picks up a cup.", ["Otto waves.", "x"]])],
    "parsed": slots.compute(predictions=["Otto."] * 2, casts=casts,
        references=[{**truth, "index": 3, "novel": None}, {"film": "f", "character": "Otto"}]),
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
    assert here["parsed"]["character"]["accuracy"] == 50.0 and here["parsed"]["action"]["n"] == 1
    scores = [result["scores"] for result in here["mixed"]]
    assert scores[:2] == [[100.0, 100.0]] * 2 and all(row[0] > 99 for item in scores[2:4] for row in item)
    assert all(min(item) > 100 for item in scores[4:])
    assert here["bleu"]["bleu_1"] > 0 and len(here["bleu"]["scores"]) == 3
    assert here["repetition"]["repeated_words"] == pytest.approx(100 / 3)  # waves of mara, waves, waves
    assert here["repetition"]["reference_repeated_words"] == 25.0  # mara of mara, waves, mara, sings
    assert here["distinctiveness"]["n_words"] == 2 and here["names"]["recall"] == 50.0
    assert here["length"]["words_per_second"] == 1.0 and here["critic"]["critic"] == 100.0
    assert here["bertscore"]["f1"] == 50.0 and here["marks"]["llm_ad_eval"] == 3.0
    assert here["action"]["action_score"] == pytest.approx(100 * ((1 + 0.8) / 2 - 0.25) * 2)
    assert "no Java program" in here["meteor"] and "no Java program" in here["spice"]
    assert all("signature" in result for result in here.values() if isinstance(result, dict))
    assert here["rows"]["signature"]["synonyms_sha256"] == here["lines"]["signature"]["synonyms_sha256"]


@pytest.mark.parametrize("name", ["action_score", "bleu", "cider", "meteor", "rouge_l", "spice"])
def test_texts_and_lists_of_texts_may_be_mixed(name, monkeypatch):
    """`evaluate` reads every reference by the kind of the first: a later text was a list of its letters."""
    evaluate, pandas = pytest.importorskip("evaluate"), pytest.importorskip("pandas")
    module = importlib.import_module(f"evaluate_metrics.{name}.{name}")
    kept = {"signature": {}}
    monkeypatch.setattr(module, name, lambda told, true, *args, **options: {"told": told, "true": true, **kept})
    [kind] = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, evaluate.Metric) and value is not evaluate.Metric
    ]  # fmt: skip
    options = {"similarity": None.__eq__} if name == "action_score" else {}
    metric, told, lists = kind(keep_in_memory=True), ["a", "b", "c"], [["one", "two"], ["three"], ["four"]]
    for true in (
        lists,
        ["one", "two", "three"],
        [["one", "two"], "three", ["four"]],
        ["three", ["one", "two"], "four"],
    ):
        expected = [[item] if isinstance(item, str) else item for item in true]
        assert metric.compute(predictions=told, references=true, **options)["true"] == expected
        metric.add(prediction="a", reference=true[0])
        metric.add_batch(predictions=told[1:], references=true[1:])
        assert metric.compute(**options)["true"] == expected
    for gap in (None, float("nan"), pandas.NA):
        left, right = (pandas.Series(texts, index=[5, 6], dtype=object) for texts in (["a", "b"], ["one", gap]))
        first, second = metric.compute(predictions=left, references=right, **options)["true"]
        assert first == ["one"] and not second
        assert metric.compute(predictions=right[::-1], references=left, **options)["told"] == ["", "one"]
        assert metric.compute(predictions=right, references=left, **options)["told"] == ["one", ""]
        with pytest.raises(ValueError, match="expected format"):
            metric.compute(predictions=[gap, 3.0], references=["one", "two"], **options)
    with pytest.raises(ValueError, match="expected format"):
        metric.compute(predictions=["a"], references=[3], **options)
    for wrong in (
        {"predictions": "abc", "references": told},
        {"predictions": told, "references": dict.fromkeys("abc")},
    ):
        with pytest.raises(ValueError, match="expected a list of texts"):
            metric.compute(**wrong, **options)
    both = evaluate.combine([kind(keep_in_memory=True), kind(keep_in_memory=True)])
    both.add("a", "one")
    both.add("b", ["one", "two"])
    found = both.compute(**options)
    assert [value for key, value in found.items() if key.endswith("true")] == [[["one"], ["one", "two"]]] * 2


ONE_TEXT = (
    "bertscore", "critic", "distinctiveness", "length", "llm_ad_eval", "name_accuracy", "recall_at_k_within_n",
    "repetition",
)  # fmt: skip


@pytest.mark.parametrize("name", [*ONE_TEXT, "slot_accuracy"])
def test_a_gap_is_silence_and_rows_are_read_by_place(name, monkeypatch):
    """`evaluate` took a gap (NaN) for the word "nan", refused None in the first row and rows of a filtered frame."""
    evaluate, pandas = pytest.importorskip("evaluate"), pytest.importorskip("pandas")
    module = importlib.import_module(f"evaluate_metrics.{name}.{name}")
    pure = {"length": "lengths"}.get(name, name)
    kept = dict.fromkeys(("k", "n", "protocol", "ties", "order", "group"))
    monkeypatch.setattr(module, pure, lambda told, true, *args, **options: {**kept, "told": told, "true": true})
    [kind] = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, evaluate.Metric) and value is not evaluate.Metric
    ]  # fmt: skip
    options = {
        "bertscore": {"pair_scores": None.__eq__}, "llm_ad_eval": {"judge": None.__eq__},
        "recall_at_k_within_n": {"similarity": None.__eq__}, "slot_accuracy": {"casts": {}},
        "critic": {"films": [], "casts": {}},
    }.get(name, {})  # fmt: skip
    metric, slots = kind(keep_in_memory=True), name == "slot_accuracy"
    true = [{"text": text} if slots else text for text in ("one", "two", "three")]
    for gap in (float("nan"), None, pandas.NA, pandas.NaT):
        for texts in (["a", gap, "nan"], [gap, gap, "c"]):
            expected = [text if isinstance(text, str) else "" for text in texts]
            table = pandas.DataFrame({"told": texts, "true": true}, index=[7, 5, 6], dtype=object)
            for told, truths in ((texts, true), (table.told, table.true)):
                found = metric.compute(predictions=told, references=truths, **options)
                assert (found["told"], found["true"]) == (expected, true)
            metric.add(prediction=texts[0], reference=true[0])
            metric.add_batch(predictions=table.told[1:], references=table.true[1:])
            assert metric.compute(**options)["told"] == expected
        if not slots:  # there a truth must be an object
            found = metric.compute(predictions=["a", "b"], references=["one", gap], **options)
            assert found["true"] == ["one", None]
        for wrong, truths in (([gap, 3.0], true[:2]), (["a", "b"], [gap, true[1]])):
            with pytest.raises(ValueError, match="expected format"):
                kind(keep_in_memory=True).compute(predictions=wrong, references=truths, **options)
    for wrong in ([3, "b", "c"], [{"a": "b"}, "b", "c"]):
        with pytest.raises(ValueError, match="expected format"):
            kind(keep_in_memory=True).compute(predictions=wrong, references=true, **options)
    for column in ("abc", {"a", "b", "c"}, dict.fromkeys("abc")):  # no letters, no keys
        with pytest.raises(ValueError, match=f"a column is a {type(column).__name__}; expected a list of texts"):
            metric.compute(predictions=column, references=true, **options)
    both = evaluate.combine([kind(keep_in_memory=True), kind(keep_in_memory=True)])
    both.add(None, true[0])
    assert [value for key, value in both.compute(**options).items() if key.endswith("told")] == [[""]] * 2


@pytest.mark.parametrize("name", METRICS)
def test_what_is_missing_is_said_in_a_sentence(name):
    """One column alone was a TypeError about None, a film's cast left out one about positional arguments."""
    evaluate = pytest.importorskip("evaluate")
    module = importlib.import_module(f"evaluate_metrics.{name}.{name}")
    [kind] = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, evaluate.Metric) and value is not evaluate.Metric
    ]  # fmt: skip
    options = {"films": ["f"], "casts": {"f": ["Mara"]}} if name == "critic" else {}
    options |= {"casts": {"f": ["Mara"]}} if name == "slot_accuracy" else {}
    row = {"film": "f", "character": "Mara"} if name == "slot_accuracy" else "Mara waves."
    for column in ({"predictions": ["Mara waves."]}, {"references": [row]}):
        with pytest.raises(
            ValueError, match=r"^a column is missing; expected texts; pass predictions= and references="
        ):
            kind(keep_in_memory=True).compute(**column, **options)
    both = {"predictions": ["Mara waves."], "references": [row]}
    for left_out in options:
        rest = {option: value for option, value in options.items() if option != left_out}
        with pytest.raises(ValueError, match=rf"^{left_out} is None; expected .*; pass {left_out}="):
            kind(keep_in_memory=True).compute(**both, **rest)


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


class Recorder:
    """In place of a loaded metric: says what it was asked."""

    def compute(self, **given):
        return {name: value for name, value in given.items() if isinstance(value, str | int | float | list | dict)}


@pytest.mark.parametrize("name", METRICS)
def test_apps_launch_and_answer(name, monkeypatch):
    """The page starts, shows its parts over HTTP, and the button's function passes the table on to the metric."""
    gradio = pytest.importorskip("gradio")
    evaluate = pytest.importorskip("evaluate")
    import runpy
    import urllib.request

    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    monkeypatch.setattr(evaluate, "load", lambda path: Recorder() if Path(path) == ROOM / name / f"{name}.py" else None)
    page = runpy.run_path(str(ROOM / name / "app.py"), run_name="app")["build"]()
    assert isinstance(page, gradio.Blocks)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        with urllib.request.urlopen(f"{url}config", timeout=20) as answer:
            config = json.load(answer)
    finally:
        page.close()
    kinds = {component["type"] for component in config["components"]}
    assert {"dataframe", "button", "json"} <= kinds
    [press] = [function for function in page.fns.values() if function.fn is not None]
    table, *others = [block.value for block in press.inputs]
    given = press.fn(table["data"] if isinstance(table, dict) else table, *others)
    assert given["predictions"][0] == "Mara picks up a red cup." or name == "slot_accuracy"
    assert len(given["references"]) == len(given["predictions"])


NEEDS = {"action_score": "encoder", "bertscore": "encoder", "llm_ad_eval": "judge", "recall_at_k_within_n": "encoder"}


@pytest.mark.parametrize("name", [name for name in METRICS if name not in ("meteor", "spice")])
def test_apps_compute_what_they_show(name, monkeypatch, tmp_path):
    """The page's example through the real metric; where a model is needed, its absence is told on the page."""
    gradio = pytest.importorskip("gradio")
    evaluate = pytest.importorskip("evaluate")
    import runpy

    module = importlib.import_module(f"evaluate_metrics.{name}.{name}")
    [kind] = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, evaluate.Metric) and value is not evaluate.Metric
    ]  # fmt: skip
    monkeypatch.setattr(evaluate, "load", lambda path: kind(keep_in_memory=True))
    page = runpy.run_path(str(ROOM / name / "app.py"), run_name="app")["build"]()
    [press] = [function for function in page.fns.values() if function.fn is not None]
    table, *others = [block.value for block in press.inputs]
    rows = table["data"] if isinstance(table, dict) else table
    if name in NEEDS:
        with pytest.raises(gradio.Error, match=f"{NEEDS[name]} '.*' cannot be loaded"):
            press.fn(rows, str(tmp_path), *others[1:])
    else:
        result = press.fn(rows, *others)
        assert result["n_scored"] == len(rows) and "signature" in result


STARTS = """
import runpy, sys
import evaluate
load, found = evaluate.load, []
evaluate.load = lambda path: found.append(load(path)) or found[-1]
for name in sys.argv[2:]:
    runpy.run_path(f"{sys.argv[1]}/{name}/app/app.py", run_name="app")["build"]()
    assert isinstance(found[-1], evaluate.Metric) and type(found[-1]).__module__.endswith(f".{name}"), name
print(len(found))
"""


def test_spaces_find_their_metric_in_a_folder_of_another_name(tmp_path):
    """On the Hub they run in a folder `app`, and `evaluate.load` of that folder takes app.py for the metric."""
    pytest.importorskip("gradio")
    for name in METRICS:
        shutil.copytree(ROOM / name, tmp_path / name / "app", ignore=shutil.ignore_patterns("__pycache__"))
    alone = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    done = subprocess.run(
        [sys.executable, "-c", STARTS, str(tmp_path), *METRICS], cwd=tmp_path, env=os.environ | alone,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == str(len(METRICS)), done.stderr[-800:]


def test_copies_of_shared_files_are_equal():
    """A metric's folder works alone, so the files that several need are there several times, byte by byte the same."""
    words = (ROOM.parent / "datasets_scripts" / "words.py").read_bytes()
    for name in ("repetition", "distinctiveness", "name_accuracy", "critic"):
        assert (ROOM / name / "words.py").read_bytes() == words, name
    people = (ROOM.parent / "datasets_scripts" / "people.py").read_bytes()
    for name in ("name_accuracy", "critic"):
        assert (ROOM / name / "people.py").read_bytes() == people, name
    pairs = [(ROOM / name / "pair_f1.py").read_bytes() for name in ("recall_at_k_within_n", "bertscore")]
    assert len({(ROOM / name / "columns.py").read_bytes() for name in METRICS}) == 1
    assert pairs[0] == pairs[1]
