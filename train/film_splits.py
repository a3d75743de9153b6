"""Which films are used for what: no pocket film for two purposes, none of the blind evaluation for learning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

BLIND_ABOVE = 900_000
"""Films of larger seeds are for blind evaluation only: never in training, tuning or choosing."""


def trains(row: Mapping[str, Any], held_out_from: int) -> bool:
    """Whether a row of a feature cache is trained on: by its `split` where it has one, else by its film's seed.

    Args:
        row: of the cache.
        held_out_from: films of larger seeds are not.
    """
    return row["split"] == "train" if "split" in row else int(row["film"]) <= held_out_from


def refuse_blind(**uses: Iterable[int]) -> None:
    """See that no film kept for blind evaluation is learnt or chosen from.

    Args:
        **uses: name of the setting -> its seeds, of training, tuning and choosing.

    Raises:
        ValueError: one is; the message names the first.
    """
    for name, seeds in uses.items():
        if blind := [seed for seed in seeds if seed > BLIND_ABOVE]:
            raise ValueError(
                f"{name} holds film {min(blind)}; films above {BLIND_ABOVE} are for blind evaluation only; "
                f"expected others; change {name}"
            )


def refuse_overlap(**uses: Iterable[int | str]) -> None:
    """See that no film is in two of the lists.

    Args:
        **uses: name of the setting -> its films, by seed or by name: of training, of choosing, of each test set.

    Raises:
        ValueError: one is; the message names the first.
    """
    met: dict[int | str, str] = {}
    for name, films in uses.items():
        for film in sorted(set(films), key=str):
            if film in met:
                raise ValueError(
                    f"film {film} is in both {met[film]} and {name}; expected different films for training, choosing "
                    f"and testing; change {met[film]} or {name}"
                )
            met[film] = name


def split_films(cache: Any, held_out_from: int) -> tuple[list[str], list[str]]:
    """Training and held-out films of a cache: by their rows' `split` where they have one, else by the seed.

    Args:
        cache: a `FeatureCache`.
        held_out_from: see `trains`.

    Raises:
        ValueError: one of the two is empty, or a pocket film kept for blind evaluation would be trained on.
    """
    first = {film: cache.rows[rows[0]] for film, rows in cache.films.items()}
    train, held_out = (
        [f for f, row in first.items() if trains(row, held_out_from) is wanted] for wanted in (True, False)
    )
    if not (train and held_out):
        if any("split" in row for row in first.values()):
            raise ValueError(
                f"the feature cache holds {len(train)} films of split 'train' and {len(held_out)} of another; expected "
                "both; make the cache with --train and --eval"
            )
        raise ValueError(
            f"{len(train)} training and {len(held_out)} held-out films around seed {held_out_from}; expected both; "
            "add seeds to the feature cache"
        )
    refuse_blind(held_out_from=[int(film) for film in train if "split" not in first[film]])
    return train, held_out


__all__ = ["BLIND_ABOVE", "refuse_blind", "refuse_overlap", "split_films", "trains"]
