"""The model's card on the Hub, generated from the run record beside the weights: no figure in it is typed by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

REVIEW = (
    "**Every text is an unreviewed machine draft. A person who writes audio description must check and edit every line "
    "before anyone relies on it.**"
)
TASK = "video-text-to-text"
PAPER = "https://arxiv.org/abs/2411.18180"
CHANCE = ", chance"
INTERVAL = "95 % interval over films"
LARGEST_SHORT = 999.5  # from here on three digits would be written as a power of ten

USE = """
```python
from transformers import pipeline

pipe = pipeline("audio-description", model="{repository}", trust_remote_code=True, dtype="float32")
for cue in pipe("film.mp4", intervals=[(3.0, 6.5), (9.0, 12.0)], cast=[{{"name": "Mara", "portrait": "mara.png"}}]):
    print(cue["start_s"], cue["end_s"], cue["text"])
```

`intervals` are the gaps in the dialogue, in seconds; names come from the portraits of `cast` alone. It needs `torch`,
`transformers`, `safetensors`, `pillow` and `av`. `trust_remote_code=True` runs the Python files of this repository:
read them first, and pin a `revision`. `dtype` is for a CPU, where bfloat16 is slow; an accelerator does without it.
The task's name is `audio-description`, whatever the page's button says: the Hub has no name for it.

What `config.json` calls `decode_num_beams`, `decode_contrast` and so on are keywords of a call without `decode_`:
`pipe(..., num_beams=1, contrast=0)`. `max_new_tokens`, `do_sample` and the other settings of `generate` are too, and
`characters`, `max_people`, `batch_windows` of the pipeline itself.

The model alone, here with a window of one clip; give it the neighbouring clips too, which is what it was trained for:

```python
from PIL import Image
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("{repository}", trust_remote_code=True, dtype="float32")
processor = AutoProcessor.from_pretrained("{repository}", trust_remote_code=True)
clip = [Image.open(f"frame_{{i}}.png") for i in range(processor.num_frames)]
cast = [{{"name": "Mara", "portrait": 0}}]  # the first of the portraits
inputs = processor(frames=[[clip]], characters=[[cast]], portraits=[[Image.open("mara.png")]])
ids = model.generate(**inputs)
print(processor.batch_decode(ids, [[["Mara"]]])[0][0])
```

`pipeline` itself wants this repository or a folder. For a loaded model save it and its processor into one folder, or
take the class, `get_class_from_dynamic_module("pipeline_distinctad.DistinctADPipeline", "{repository}")` of
`transformers.dynamic_module_utils`, with `model=` and `processor=`.
"""

LIMITS = """
* Drafts only: it invents people, actions and things, and tells them as fluently as what is there.
* It names only people whose portraits it is given; recognition errs, and an error puts a wrong name on a person. Do not
  use it to find out who somebody is.
* English, short present-tense sentences, about what is seen; it knows neither what is said nor what happened before
  its window of clips.
* Two people who act at once, or together, are often told wrongly or only one of them.
* Not for live use, surveillance, or any decision about a person.
"""

POCKET_LIMIT = (
    "* It was trained on this project's procedurally drawn films only and knows **nothing of real films**: on them its "
    "texts are fluent and wrong. It shows that the method runs from film to draft. Its vision tower did not go through "
    "Stage I, which at this size led nowhere.\n"
)

CITATION = """
```bibtex
@article{fang2024distinctad,
  title={DistinctAD: Distinctive Audio Description Generation in Contexts},
  author={Fang, Bo and Wu, Wenhao and Wu, Qiangqiang and Song, Yuxin and Chan, Antoni B.},
  journal={arXiv preprint arXiv:2411.18180}, year={2024}
}
```
"""


def model_card(record: Mapping[str, Any], config: Mapping[str, Any], repository: str) -> str:
    """Write the card.

    Args:
        record: `run_record.json` of the checkpoint.
        config: its `config.json`.
        repository: owner/name, as the example shows it.

    Returns:
        Markdown with the Hub's YAML on top.
    """
    pocket = _of_pocket_films(record)
    parts = [f"---\n{_front_matter(record, pocket, repository)}\n---\n", f"# {repository.split('/')[-1]}\n", REVIEW]
    parts += [_introduction(config), "## Use", USE.format(repository=repository).strip()]
    parts += ["## Results", *_results(record, config, pocket)]
    parts += ["## Limits", (POCKET_LIMIT if pocket else "") + LIMITS.strip()]
    parts += ["## Training", *_training(record), "## Licences", _licences(record, config, pocket)]
    parts += ["## Citation", CITATION.strip()]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def figures(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Flatten a tree of metrics for a table.

    Args:
        metrics: numbers, `{"value", "low", "high"}`, and trees of both; "X, chance" beside "X" is its chance level.
        prefix: what the names begin with.

    Yields:
        (name, value, interval or "", chance or ""), as text.
    """
    for key, value in metrics.items():
        name = f"{prefix}{key}".replace("_", " ")
        if key.endswith(CHANCE) and key.removesuffix(CHANCE) in metrics:
            continue
        chance = figure(metrics[f"{key}{CHANCE}"]) if f"{key}{CHANCE}" in metrics else ""
        if isinstance(value, Mapping) and "value" in value:
            bounds = [figure(value[bound]) for bound in ("low", "high") if is_number(value.get(bound))]
            yield name, figure(value["value"]), " to ".join(bounds), chance
        elif isinstance(value, Mapping):
            yield from figures(value, f"{name}, ")
        elif is_number(value):
            yield name, figure(value), "", chance


def is_number(value: Any) -> bool:
    """Whether a value of a run record is a figure."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def figure(value: Any) -> str:
    """A value of a run record as a person reads it: a figure with three digits, a count whole."""
    if not is_number(value):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if abs(value) < LARGEST_SHORT else f"{value:,.0f}"


def _of_pocket_films(record: Mapping[str, Any]) -> bool:
    """Whether every part was made from drawn films: the prompt's form alone is anybody's to choose."""
    config = record["config"]
    parts = (config.get(name) for name in ("clip", "language", "features"))
    return config.get("prompt") == "pocket" and all("pocket" in str(part) for part in parts)


def _front_matter(record: Mapping[str, Any], pocket: bool, repository: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = []
    for blind in blind_of(record["metrics"]).values():
        preset = blind.get("provenance", {}).get("preset")
        kind = "pocket films" if pocket else "films"
        for name, value in blind.items():
            if not (isinstance(value, Mapping) and "value" in value):
                continue
            chance = blind.get(f"{name}{CHANCE}")
            said = f"{name} ({INTERVAL} {figure(value['low'])} to {figure(value['high'])}"
            said += f"; chance {figure(chance)})" if chance is not None else ")"
            results.append(
                EvalResult(
                    task_type=TASK,
                    dataset_type="distinctad-pocket-films" if pocket else "custom",
                    dataset_name=f"held-out {preset} {kind}" if preset else f"held-out {kind}",
                    dataset_config=preset,  # the Hub joins results of one type and configuration
                    metric_type=name.split()[0].lower().replace("-", "_"),
                    metric_name=said,
                    metric_value=round(value["value"], 2),
                )
            )
    data = ModelCardData(
        language="en",
        license="apache-2.0" if pocket else "other",
        library_name="transformers",
        pipeline_tag=TASK,
        tags=["audio-description", "accessibility", "distinctad", "custom_code", "arxiv:2411.18180"],
        model_name=repository.split("/")[-1],
        eval_results=results or None,
    )
    return data.to_yaml().strip()


def _introduction(config: Mapping[str, Any]) -> str:
    towers = f"`{config['vision_config']['model_type']}` vision tower and `{config['text_config']['model_type']}`"
    return (
        "Audio description tells blind and low-vision viewers what a film shows. This model drafts it by the method of "
        f"[DistinctAD]({PAPER}): of a window of {config['window_size']} neighbouring clips it finds what they share "
        f"by contextual expectation-maximisation, and is trained to tell what is new in each. Frozen {towers} "
        f"language model, {config['num_frames']} frames and {config['num_prompt_vectors']} visual tokens a clip."
    )


def _results(record: Mapping[str, Any], config: Mapping[str, Any], pocket: bool) -> list[str]:
    metrics = record["metrics"]
    measured = blind_of(metrics)
    if not measured:
        return ["No figures on films held out were recorded. What training itself measured:", _table(metrics)]
    said = "Percent, CIDEr on the papers' scale. Chance: the texts dealt anew within each film, or blind guessing of a "
    said += "slot. Black pictures: the same with nothing to see."
    decoding = ", ".join(f"`{key}` {value}" for key, value in config.items() if key.startswith("decode_"))
    said += f" Decoding, of `config.json`: {decoding}." if decoding else ""
    parts = [said]
    for blind in measured.values():
        counted = {name: value for name, value in blind.items() if name not in ("films", "ads", "provenance")}
        parts += [_origin(blind, pocket), _table(counted)]
    training = {name: value for name, value in metrics.items() if name not in measured}
    return [*parts, "### While training", _table(training)]


def blind_of(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The measurements on films held out, of a run record's metrics: "blind", "blind crowded" and so on."""
    return {name: value for name, value in metrics.items() if name.split(" ")[0] == "blind"}


def _origin(blind: Mapping[str, Any], pocket: bool) -> str:
    kind = "drawn films whose seeds are never used in training, tuning or choosing" if pocket else "films held out"
    origin = blind.get("provenance", {})
    preset = f"`{origin['preset']}` " if "preset" in origin else ""
    said = f"On {blind.get('films', '?')} {preset}{kind} ({blind.get('ads', '?')} descriptions)."
    return said + (f" Measured by `{origin['command']}` at commit `{origin['commit']}`." if origin else "")


def _table(tree: Mapping[str, Any]) -> str:
    """The figures of a tree; columns that would be empty throughout are left out."""
    rows = list(zip(*[("figure", "value", INTERVAL, "chance"), *figures(tree)], strict=True))
    kept = list(zip(*[column for column in rows if any(column[1:])], strict=True))
    lines = [f"| {' | '.join(row)} |" for row in kept]
    return "\n".join([lines[0], "|" + "---|" * len(kept[0]), *lines[1:]])


def _training(record: Mapping[str, Any]) -> list[str]:
    hardware = ", ".join(f"{name} {value}" for name, value in record["hardware"].items())
    versions = ", ".join(f"{name} {value}" for name, value in record["versions"].items())
    return [
        f"Stage `{record['stage']}` of the project's recipe, commit `{record['commit']}`, seed {record['seed']}, data "
        f"fingerprint `{record['data']}`, {record['wall_s'] / 60:.0f} minutes on {hardware}; {versions}. The "
        "training's whole configuration is in `run_record.json`.",
        f"    {record['command']}",
    ]


def _licences(record: Mapping[str, Any], config: Mapping[str, Any], pocket: bool) -> str:
    code = "The code is under the Apache License 2.0, see `LICENSE`. "
    if pocket:
        return code + (
            "So are the weights: every part was trained from nothing on films, dialogue and portraits that this "
            "project's own generator drew and wrote, free of third-party material."
        )
    language = config.get("text_model_name_or_path") or record["config"].get("language") or "its language model"
    vision = record["config"].get("clip") or "its vision tower"
    return code + (
        f"The weights build on `{vision}` and `{language}`, whose licences and conditions of use go on to apply, and "
        "were trained on audio description that belongs to its holders: see the terms of the set named in "
        "`run_record.json`."
    )
