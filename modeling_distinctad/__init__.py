"""The DistinctAD model as flat files that a Hub repository can hold; names are imported when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "DistinctADConfig": "configuration_distinctad",
    "DistinctADForConditionalGeneration": "modeling_distinctad",
    "DistinctADOutput": "modeling_distinctad",
    "DistinctADPreTrainedModel": "pretrained_distinctad",
    "DistinctADProcessor": "processing_distinctad",
    "DistinctADPipeline": "pipeline_distinctad",
    "ContextualEM": "contextual_em_distinctad",
    "Perceiver": "perceiver_distinctad",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import modeling_distinctad` costs no torch."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; expected one of {', '.join(__all__)}.")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
