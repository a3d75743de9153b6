"""Which settings a search runs with, and how many new tokens a prompt leaves room for.

Whoever is nearer to the call leads: its arguments, its `generation_config`, the model's `generation_config` (what was
set there, not what transformers copied into it from the configuration), the configuration's `decode_*`.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

_DECODE = (
    "num_beams", "length_penalty", "repetition_penalty", "no_repeat_ngram_size", "max_new_tokens", "contrast",
)  # fmt: skip


def generation_settings(config: Any, kept: GenerationConfig | None, asked: dict[str, Any]) -> dict[str, Any]:
    """Put the settings of one call together.

    Args:
        config: a `DistinctADConfig`.
        kept: the model's generation configuration, or None.
        asked: the call's arguments, a `generation_config` among them or not.

    Returns:
        Arguments of the language model's `generate`, and "contrast"; never both max_length and max_new_tokens.

    Raises:
        ValueError: several sequences a clip, or a dictionary, are asked for; or num_beams or contrast is none.
    """
    text = config.text_config
    eos = config.eos_token_id if config.eos_token_id is not None else text.eos_token_id
    pad = config.pad_token_id if config.pad_token_id is not None else text.pad_token_id
    if pad is None:
        pad = eos[0] if isinstance(eos, list) else eos
    settings: dict[str, Any] = {"do_sample": False, "eos_token_id": eos, "pad_token_id": 0 if pad is None else pad}
    settings |= {name: getattr(config, f"decode_{name}") for name in _DECODE}
    call = {name: value for name, value in asked.items() if name != "generation_config"}
    for nearer in (own_settings(kept, config), own_settings(asked.get("generation_config")), call):
        if nearer.get("max_length") is not None:  # a limit of its own: none from further away may lead over it
            settings.pop("max_new_tokens", None)
        settings |= nearer
    if settings.get("max_new_tokens") is not None:
        settings.pop("max_length", None)
    if settings.get("num_return_sequences", 1) != 1 or settings.get("return_dict_in_generate"):
        raise ValueError("generate: expected one plain sequence a clip; leave out num_return_sequences and dicts.")
    beams, contrast = settings["num_beams"], settings["contrast"]
    if not isinstance(beams, Integral) or beams < 1:
        raise ValueError(f"num_beams is {beams!r}; expected a whole number, 1 or more; mend it")
    if not isinstance(contrast, Real) or not 0 <= float(contrast) < math.inf:
        raise ValueError(f"contrast is {contrast!r}; expected a weight, 0 (off) or more; mend it")
    if beams == 1:
        settings.pop("length_penalty")
    return settings


def own_settings(given: GenerationConfig | None, config: Any = None) -> dict[str, Any]:
    """What was set in a generation configuration.

    Args:
        given: the generation configuration, or None.
        config: the model's configuration, of which transformers puts copies into the model's generation configuration
            when it makes one; what is equal to it, or to its `text_config`, then says nothing of its own.

    Returns:
        The fields that differ from those of a fresh `GenerationConfig`.
    """
    fields = {} if given is None else given.to_diff_dict()
    copied = config is not None and fields.get("_from_model_config")
    sources = (config, config.text_config) if copied else ()
    return {
        name: value
        for name, value in fields.items()
        if not name.startswith("_")
        and name != "transformers_version"
        and all(value != getattr(source, name, None) for source in sources)
    }


def by_room(settings: dict[str, Any], lengths: Tensor, positions: int | None) -> list[tuple[Tensor, dict[str, Any]]]:
    """Part the clips of a search by their new tokens: what is asked, or what positions their own prompts leave.

    No clip's text ends early for a longer prompt beside it, so that it does not depend on the other windows (method
    specification, "Language model"); only max_length counts the longest prompt, as in transformers.

    Args:
        settings: of the search.
        lengths: (M,) long, tokens of the prompts.
        positions: how many the language model knows, or None.

    Returns:
        Places (m,) long of some of the clips, and their settings, with max_new_tokens where there is any bound, and no
        max_length; in most searches one part with all.

    Raises:
        ValueError: a max_length that the prompt fills.
    """
    settings, longest = dict(settings), int(lengths.max())
    whole, asked = settings.pop("max_length", None), settings.get("max_new_tokens")
    if asked is None and whole is not None:
        asked = whole - longest
        if asked < 1:
            raise ValueError(
                f"max_length is {whole} and the longest prompt has {longest} tokens; expected more, as it counts the "
                "prompt too; raise it or pass max_new_tokens."
            )
    if asked is None:
        return [(torch.arange(len(lengths), device=lengths.device), settings)]
    room = (positions - lengths if positions else torch.full_like(lengths, asked)).clamp(1, asked)
    return [((room == most).nonzero()[:, 0], {**settings, "max_new_tokens": most}) for most in room.unique().tolist()]


class _Ban(NoRepeatNGramLogitsProcessor):
    """transformers' ban on repeated n-grams, which leaves a row as it is where nothing would be left of it.

    After its end a row holds end tokens, which repeat; where the last token is forced to be one, it must stay.
    """

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (M, V) of the ids (M, S), -inf where a token would end an n-gram that stands in them already."""
        banned = super().__call__(input_ids, scores)
        return torch.where(banned.isneginf().all(-1, keepdim=True), scores, banned)


def with_penalties(settings: dict[str, Any]) -> dict[str, Any]:
    """Put repetition penalty and n-gram ban in as processors of our own, over all new tokens and nothing else.

    transformers builds the penalty for ids that begin with the prompt's padding and lets as many of a row's first
    tokens pass as the row is padded by. Ids that follow embeddings hold new tokens alone, so a clip's text would depend
    on the longest prompt beside it. And both of its own warn that they do not see the prompt, which is what is wanted.
    A caller's own processor of either kind is used instead of the one asked for, as in transformers.

    Args:
        settings: of a search.

    Returns:
        The settings for the language model's `generate`.
    """
    penalty, size = settings.get("repetition_penalty"), settings.get("no_repeat_ngram_size")
    given, processors = list(settings.get("logits_processor") or []), LogitsProcessorList()
    own = any(isinstance(one, RepetitionPenaltyLogitsProcessor) for one in given)
    if penalty is not None and penalty != 1.0 and not own:
        processors.append(RepetitionPenaltyLogitsProcessor(float(penalty)))
    if size and not any(isinstance(one, NoRepeatNGramLogitsProcessor) for one in given):
        processors.append(_Ban(size))
    processors += given
    # Said, not left out: the language model's own generation configuration may hold others.
    return {**settings, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "logits_processor": processors}


__all__ = ["by_room", "generation_settings", "own_settings", "with_penalties"]
