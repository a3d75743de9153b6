"""The four kinds of Hub repositories, each written as a folder: model, metric, Space, data set.

All but the card, the requirements and the drawn films are copies, byte by byte, of what the tests of this clone run on.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import distinctad
from distinctad.errors import UserError, one_line
from distinctad.publish_card import model_card

CLONE = Path(distinctad.__file__).resolve().parents[1]
CODE = "modeling_distinctad"
PACKAGES = ("distinctad", CODE, "datasets_scripts")  # what the Space imports; a test would find one that is missing
MODEL_SUFFIXES = (".json", ".safetensors", ".txt", ".jinja")  # of a checkpoint; nothing that runs when it is loaded
SUFFIXES = (".py", ".json", ".md", ".txt", ".html", ".css", ".js", ".safetensors")
NOT_COPIED = ("config.json", "run_record.json", "trainer_state.json")  # the first two are written without folders
# Of an absolute path inside a sentence, of any system: its root, then folders, which end at a blank.
FOLDERS = re.compile(r"(?<![\w./\\-])(?:[A-Za-z]:[\\/]+|\\\\|/)(?:[^\s\\/\"]+[\\/]+)+")
METRIC_EXTRAS = {
    "torch": ("action_score", "bertscore", "llm_ad_eval", "recall_at_k_within_n"),
    "transformers": ("action_score", "bertscore", "llm_ad_eval", "recall_at_k_within_n"),
    "tqdm": ("bertscore", "llm_ad_eval", "recall_at_k_within_n"),
    "jinja2": ("llm_ad_eval",),
    "pycocoevalcap": ("meteor", "spice"),
}


@dataclass(frozen=True)
class PocketSet:
    """Which pocket films the data set holds.

    Attributes:
        train: seeds of the split "train".
        test: seeds of the split "test", above 900,000, but none that a published figure was measured on.
        ads: descriptions a film; None leaves it to the seed (three to four minutes of film).
    """

    train: tuple[int, ...] = (1, 2)
    test: tuple[int, ...] = (900_001,)
    ads: int | None = 12


def require_clone() -> None:
    """Refuse to publish from an installed package, which holds neither the Space nor the licence.

    Raises:
        UserError: this is no clone of the repository.
    """
    if not ((CLONE / "space" / "app.py").is_file() and (CLONE / "LICENSE").is_file()):
        raise UserError("publish needs the Space's files, which an installed package lacks", "Run it in a clone.")


def write_model(checkpoint: Path, folder: Path, repository: str) -> None:
    """Write the model's repository: weights, configuration, processor, flat code, card, licence.

    The checkpoint is loaded once to see that it is whole. Weights and tokenizer are copied byte by byte, so that their
    fingerprints stay those of the run; what names folders of the machine that trained loses those.

    Args:
        checkpoint: a folder written by `save_pretrained`, with its `run_record.json`.
        folder: a new folder.
        repository: owner/name on the Hub.

    Raises:
        UserError: the checkpoint cannot be loaded or has no run record.
    """
    from distinctad.loading import load_pipeline

    record = _run_record(checkpoint)
    load_pipeline(checkpoint, "cpu", "auto", seed=0)
    folder.mkdir()
    for file in sorted(checkpoint.iterdir()):
        if file.suffix in MODEL_SUFFIXES and file.name not in NOT_COPIED:
            shutil.copyfile(file, folder / file.name)
    for file in sorted((CLONE / CODE).glob("*_distinctad.py")):
        shutil.copyfile(file, folder / file.name)
    config = _public_config(json.loads((checkpoint / "config.json").read_text(encoding="utf-8")))
    said = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "config.json").write_text(said, encoding="utf-8", newline="\n")
    try:
        card = model_card(record, config, repository)
    except (LookupError, TypeError, AttributeError) as error:
        fix = "Give the folder that train/stage2.py wrote."
        said = f"'{checkpoint / 'run_record.json'}' lacks what a card tells ({type(error).__name__}: {error})"
        raise UserError(said, fix) from error
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
    said = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    (folder / "run_record.json").write_text(said, encoding="utf-8", newline="\n")
    shutil.copyfile(CLONE / "LICENSE", folder / "LICENSE")


def _run_record(checkpoint: Path) -> dict[str, Any]:
    path = checkpoint / "run_record.json"
    try:
        return dict(_public(json.loads(path.read_text(encoding="utf-8"))))
    except FileNotFoundError as error:
        fix = "Give the folder that train/stage2.py wrote: a card without figures is not published."
        raise UserError(f"the checkpoint '{checkpoint}' has no run_record.json", fix) from error
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"'{path}' cannot be read ({one_line(str(error), 80)})", "Copy it again.") from error


def _public(value: Any) -> Any:
    """Of JSON what anybody may read: an absolute path of any system becomes its name, one in a sentence loses folders.

    A text that as a whole can be a path is one, blanks and all: a folder's name may be that of a person.
    """
    if isinstance(value, dict):
        return {_public(key): _public(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_public(inside) for inside in value]
    if not isinstance(value, str):
        return value
    for path in (PureWindowsPath(value), PurePosixPath(value)):
        if path.is_absolute():
            return path.name or path.root
    return FOLDERS.sub("", value)


def _public_config(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration as the Hub gets it: it names code and pipeline, and no folder of the machine that trained.

    Raises:
        UserError: the language model is not stored and is named by a folder, which nobody else has.
    """
    from modeling_distinctad.pipeline_distinctad import CUSTOM_PIPELINES
    from modeling_distinctad.pretrained_distinctad import AUTO_MAP

    named = config.get("text_model_name_or_path")
    if not config.get("text_model_stored", True) and (named is None or Path(named).exists() or named.count("/") != 1):
        fix = "Store its weights, or name it by its Hub id."
        raise UserError(f"the checkpoint's language model is the folder '{named}'", fix)
    for part in (config, config["vision_config"], config["text_config"]):
        part.pop("_name_or_path", None)
    return {**config, "auto_map": AUTO_MAP, "custom_pipelines": CUSTOM_PIPELINES}


def metric_names() -> list[str]:
    """The metrics: folders of `evaluate_metrics` that hold a module of their own name."""
    rooms = (CLONE / "evaluate_metrics").iterdir()
    return sorted(room.name for room in rooms if (room / f"{room.name}.py").is_file())


def write_metric(name: str, folder: Path, owner: str) -> None:
    """Write a metric's repository: its module, page, card and requirements.

    Args:
        name: of the metric.
        folder: a new folder.
        owner: of the repository, which its card's example names.
    """
    _copy(CLONE / "evaluate_metrics" / name, folder, skip=("__init__.py",))
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8").replace(f'load("evaluate_metrics/{name}")', f'load("{owner}/{name}")')
    card.write_text(text, encoding="utf-8", newline="\n")
    needed = ["evaluate", "datasets", "numpy", "pandas"]
    needed += [package for package, metrics in METRIC_EXTRAS.items() if name in metrics]
    said = "\n".join(needed) + "\n"  # gradio comes with the Space
    (folder / "requirements.txt").write_text(said, encoding="utf-8", newline="\n")


def write_space(folder: Path) -> None:
    """Write the Space's repository, with a copy of the packages that it imports and of the pocket checkpoint.

    A copy and no requirement: the page then runs exactly the code that was tested with it, offline, and needs no
    release on a package index nor access to another repository. `app_file` in its card names `space/app.py`.

    Args:
        folder: a new folder.
    """
    for room in ("space", *PACKAGES):
        _copy(CLONE / room, folder / room)
    shutil.move(folder / "space" / "README.md", folder / "README.md")
    for name in ("requirements.txt", "packages.txt"):
        shutil.move(folder / "space" / name, folder / name)
    shutil.copyfile(CLONE / "LICENSE", folder / "LICENSE")


def write_dataset(folder: Path, chosen: PocketSet) -> None:
    """Draw pocket films and write them as a data set: Parquet with a card, and the films themselves beside it.

    Args:
        folder: a new folder.
        chosen: which films.

    Raises:
        UserError: a film cannot be drawn.
    """
    import tempfile

    from datasets_scripts.builders import PocketBuilder
    from datasets_scripts.writers import write_folder
    from distinctad.pocket import Kind, draw_films

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".films-") as work:
        drawn = {"train": Path(work, "train"), "test": Path(work, "test")}
        for split, place in drawn.items():
            draw_films(getattr(chosen, split), place, Kind(ads=chosen.ads))
        places = {split: str(place) for split, place in drawn.items()}
        builder = PocketBuilder(cache_dir=str(Path(work, "cache")), annotations=places, characters="cast")
        write_folder(builder, folder)
        for split, place in drawn.items():
            for film in sorted(place.glob("film_*")):
                shutil.copytree(film, folder / "films" / split / film.name)
    card = folder / "README.md"
    seeds = ", ".join(map(str, (*chosen.train, *chosen.test)))
    text = f"{card.read_text(encoding='utf-8')}\n{FILMS.format(seeds=seeds)}"
    card.write_text(text, encoding="utf-8", newline="\n")
    shutil.copyfile(CLONE / "LICENSE", folder / "LICENSE")


FILMS = """## Films

`films/<split>/` holds each film (`video` is a path below it) with its subtitles, its cast and their portraits
(`portrait` too). They were drawn by `distinctad pocket` under the seeds {seeds}; the dialogue's voice is synthetic.
"""


def _copy(source: Path, folder: Path, skip: tuple[str, ...] = ()) -> None:
    """Copy the files of a folder and below whose endings are known, leaving out caches and hidden files."""
    for file in sorted(source.rglob("*")):
        inside = file.relative_to(source)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
        if file.is_file() and not hidden and file.suffix in SUFFIXES and file.name not in skip:
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / inside)
