"""Options of `train/predict.py` that are not given: as the model was trained and tested, by its run record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORDED = {
    "characters": "test_characters", "context_ads": "context_ads", "context_count": "context_count",
    "max_people": "max_people", "recognised_people": "recognised_people", "window_group": "window_group",
}  # fmt: skip
"""Option of prediction -> what Stage II calls it."""
TRUTH = "ground_truth"


def _possible(option: str, value: Any) -> bool:
    """Whether a value of a record can be an option's."""
    from train.collators import CONTEXT_ADS, TEST_CHARACTERS, WINDOW_GROUPS

    choices = {"characters": TEST_CHARACTERS, "context_ads": CONTEXT_ADS, "window_group": WINDOW_GROUPS}
    if option in choices:
        return value in choices[option]
    if option == "recognised_people" and value is None:  # as many as are listed
        return True
    return type(value) is int and value >= (1 if option == "recognised_people" else 0)


def _recorded(path: Path) -> dict[str, Any] | None:
    """Options in a run record, by prediction's names: none without a record; None: it is damaged."""
    try:
        config = dict(json.loads(path.read_text(encoding="utf-8"))["config"].items())
    except (FileNotFoundError, NotADirectoryError):  # a Hub id, or a folder that was not trained here
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return {option: config[key] for option, key in RECORDED.items() if key in config}


def trained_options(
    model: str, given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Fill in the options that are not given: from the model's run record, else by the defaults.

    The truth is never taken from a record, whatever the model was trained or tested with: it must be asked for.

    Args:
        model: folder of Stage II, with or without `run_record.json`, or a Hub id.
        given: option -> its value, None where it is not given.
        defaults: option -> its value where neither says it.

    Returns:
        All options, and what the user must know of them: what was taken, what could not be, what is given otherwise.
    """
    path = Path(model) / "run_record.json"
    options = {name: default if given[name] is None else given[name] for name, default in defaults.items()}
    recorded = _recorded(path)
    if recorded is None:
        return options, [f"{path} cannot be read as a run record: the defaults hold for what is not given"]
    taken, left, other = list[str](), list[str](), list[str]()
    for option, value in recorded.items():
        asked, told = given[option], "all" if value is None else value
        if asked is not None:
            other += [f"{option} {asked} (there {told})"] if asked != value and _possible(option, value) else []
        elif not _possible(option, value):
            left.append(f"{option} {json.dumps(value)[:40]}, which is none (now {options[option]})")
        elif value == TRUTH:
            left.append(f"{option} {told}, which must be asked for (now {options[option]})")
        else:
            options[option] = value
            taken.append(f"{option} {told}")
    lines = {"taken, as not given": taken, "not taken": left, "given otherwise, and obeyed": other}
    return options, [f"{path}, {said}: {', '.join(parts)}" for said, parts in lines.items() if parts]


__all__ = ["RECORDED", "trained_options"]
