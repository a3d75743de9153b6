"""The placeholder of a text that a model left empty: scripts keep it for a person to fill, and nobody speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLACEHOLDER = "No description."
UNSAID = "unsaid"  # how such a cue fits: nowhere


def is_unsaid(text: str, provenance: Mapping[str, Any] | None) -> bool:
    """Tell a placeholder from a description; where a person wrote another text, that is one.

    Args:
        text: of the cue.
        provenance: of the cue, None where nothing is known of it.

    Returns:
        Whether nothing is to be spoken.
    """
    return text == PLACEHOLDER and provenance is not None and provenance.get("text_from") == "placeholder"


def is_accepted(text: str, provenance: Mapping[str, Any]) -> bool:
    """Tell whether a person stands for a cue; for a placeholder, which says nothing, nobody can.

    Args:
        text: of the cue.
        provenance: of the cue, "reviewed" in it.

    Returns:
        Whether it counts as reviewed.
    """
    return bool(provenance.get("reviewed")) and not is_unsaid(text, provenance)
