"""Which pocket films may be used for what: no film for two purposes, none of the blind evaluation for learning."""

from __future__ import annotations

from collections.abc import Iterable

BLIND_ABOVE = 900_000
"""Films of larger seeds are for blind evaluation only: never in training, tuning or choosing."""


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


def refuse_overlap(**uses: Iterable[int]) -> None:
    """See that no film is in two of the lists.

    Args:
        **uses: name of the setting -> its seeds: of training, of choosing, of each test set.

    Raises:
        ValueError: one is; the message names the first.
    """
    met: dict[int, str] = {}
    for name, seeds in uses.items():
        for seed in sorted(set(seeds)):
            if seed in met:
                raise ValueError(
                    f"film {seed} is in both {met[seed]} and {name}; expected different films for training, choosing "
                    f"and testing; change {met[seed]} or {name}"
                )
            met[seed] = name


__all__ = ["BLIND_ABOVE", "refuse_blind", "refuse_overlap"]
