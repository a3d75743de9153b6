"""What the pocket films demand, measured from the scene state alone: no picture is drawn and no model is run.

An AD is worth describing within its window only if its own clip does not give it away. Oracles that see every true
fact bound that: one knows the clip alone and must guess which fact is told, one guesses better because it knows how
stories are written, as a trained model may, and one knows the window and takes what is rare in it. All three know
what the camera misses, too (`visibility.py`). Source: design, "Pocket films" (gates); the measures and the second
oracle are our own.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datasets_scripts.pocket.language import slot_words
from datasets_scripts.pocket.phrases import TEMPLATES
from datasets_scripts.pocket.story import PRESETS
from datasets_scripts.pocket.visibility import unseen_share
from datasets_scripts.pocket.world import Clip, Fact, Film
from datasets_scripts.windows import windows
from datasets_scripts.words import distinctive_words, name_words, words

WINDOW_SIZE = 16
SINGLE_CLIP_LIMIT = 0.70  # crowded: the clip alone must not suffice
WINDOW_GAIN = 0.25  # crowded: what the window must add
EQUAL_LIMIT = 0.05  # windows that hold two equal ADs
DISTINCTIVE_SHARE = 0.90  # ADs with at least one distinctive word

Picker = Callable[[Clip, Sequence[Clip]], list[Fact]]


def fact_key(fact: Fact) -> tuple[int, str, str]:
    """What makes two facts the same for rarity: (person, action, object)."""
    return fact.person, fact.action, fact.object


def any_fact(clip: Clip, window: Sequence[Clip]) -> list[Fact]:
    """What the single-clip oracle may mean: every fact of the clip."""
    return list(clip.facts)


def likely_facts(clip: Clip, window: Sequence[Clip]) -> list[Fact]:
    """What one clip gives away to whoever knows the stories: habits are for one person, and news is done by one only.

    So two people at one thing are news, and what two do alike is not. (What is left when both rules are known is what
    neighbours must tell: a classifier of all facts of a clip, trained on 450 films, finds hardly more; docs/LOG.md.)
    """
    joint = [fact for fact in clip.facts if fact.partner >= 0]
    done = Counter(fact.action for fact in clip.facts)
    return joint or [fact for fact in clip.facts if done[fact.action] == 1] or list(clip.facts)


def rarest_facts(clip: Clip, window: Sequence[Clip]) -> list[Fact]:
    """What the window oracle may mean: the facts of the clip that fewest clips of the window show (ties stay)."""
    shown = Counter(key for other in window for key in {fact_key(fact) for fact in other.facts})
    fewest = min(shown[fact_key(fact)] for fact in clip.facts)
    return [fact for fact in clip.facts if shown[fact_key(fact)] == fewest]


def told_words(fact: Fact) -> set[str]:
    """Every word of every synonym of a fact's slots, as `words` cuts them."""
    return {word for phrase in slot_words(fact) for word in words(phrase)}


def _cast_names(film: Film) -> list[str]:
    """Role names of the cast: never distinctive."""
    return [member.name for member in film.cast]


def _recall(films: Sequence[Film], size: int, said: Callable[[Film, Clip, Sequence[Clip]], list[set[str]]]) -> float:
    """Expected share of distinctive slot words that are said, over all ADs that have one (micro average).

    The wanted words of an AD are those distinctive words of its text that name the told action, object or colour.
    `said` gives what may be said, each as likely as the others.
    """
    wanted_words, found_words = 0, 0.0
    for film in films:
        for rows in windows(len(film.clips), size):
            window = [film.clips[i] for i in rows]
            distinctive = distinctive_words([clip.text for clip in window], _cast_names(film))
            for clip, own in zip(window, distinctive, strict=True):
                wanted = own & told_words(clip.facts[clip.told])
                choices = said(film, clip, window)
                wanted_words += len(wanted)
                found_words += sum(len(wanted & words) for words in choices) / len(choices)
    return found_words / wanted_words if wanted_words else 0.0


def _picked(pick: Picker) -> Callable[[Film, Clip, Sequence[Clip]], list[set[str]]]:
    """An oracle that means a fact is credited with all its synonyms, so wording costs it nothing."""
    return lambda film, clip, window: [told_words(fact) for fact in pick(clip, window)]


def told_recall(films: Sequence[Film], told: Mapping[int, Sequence[set[str]]], size: int = WINDOW_SIZE) -> float:
    """The oracles' measure of a model's texts, so that the three can stand in one column.

    Args:
        films: any number of films.
        told: film seed -> for each of its ADs `told_words` of the fact that the model's text names.
        size: N of the windows in which words are distinctive.

    Returns:
        0..1; 0 for films without distinctive slot words.
    """
    return _recall(films, size, lambda film, clip, window: [told[film.seed][clip.index]])


def single_clip_oracle(films: Sequence[Film], size: int = WINDOW_SIZE) -> float:
    """Expected distinctive-word recall of picking one of the clip's facts at random.

    Args:
        films: any number of films.
        size: N of the windows in which words are distinctive.

    Returns:
        0..1; 0 for films without distinctive slot words.
    """
    return _recall(films, size, _picked(any_fact))


def knowing_clip_oracle(films: Sequence[Film], size: int = WINDOW_SIZE) -> float:
    """Expected distinctive-word recall of the likeliest of the clip's facts, for whoever knows how stories are written.

    Args:
        films: any number of films of presets with habits; without habits every fact is as likely as the others.
        size: N of the windows in which words are distinctive.

    Returns:
        0..1; 0 for films without distinctive slot words.
    """
    knowing = all(PRESETS[film.preset].habits for film in films)
    return _recall(films, size, _picked(likely_facts if knowing else any_fact))


def window_oracle(films: Sequence[Film], size: int = WINDOW_SIZE) -> float:
    """Expected distinctive-word recall of picking a fact of the clip that is rarest in the window.

    Args:
        films: any number of films.
        size: N of the windows (offset 0, stride N, as at test time).

    Returns:
        0..1; 0 for films without distinctive slot words.
    """
    return _recall(films, size, _picked(rarest_facts))


def text_figures(films: Sequence[Film], size: int = WINDOW_SIZE) -> dict[str, float]:
    """What the ADs look like as text.

    Args:
        films: at least one film with at least one AD.
        size: N of the windows.

    Returns:
        equal_windows: share of windows that hold two equal ADs; equal_pairs: share of pairs of ADs of one window
        that are equal; distinctive: share of ADs with a distinctive word (stop list on); words_mean, words_min,
        words_max: words an AD; types: different words in all ADs but names; templates: sentence templates of the
        language; pronouns: share of ADs that say he or she instead of the name; novel: share that tell the new fact.
    """
    equal_windows = equal_pairs = pairs = with_words = 0
    window_count = 0
    for film in films:
        for rows in windows(len(film.clips), size):
            texts = [film.clips[i].text for i in rows]
            repeats = Counter(tuple(words(text)) for text in texts)
            same = sum(n * (n - 1) // 2 for n in repeats.values())
            window_count += 1
            equal_windows += bool(same)
            equal_pairs += same
            pairs += len(texts) * (len(texts) - 1) // 2
            with_words += sum(bool(own) for own in distinctive_words(texts, _cast_names(film)))
    clips = [clip for film in films for clip in film.clips]
    lengths = [len(clip.text.split()) for clip in clips]
    types = {
        word for film in films for clip in film.clips for word in set(words(clip.text)) - name_words(_cast_names(film))
    }
    return {
        "equal_windows": equal_windows / window_count,
        "equal_pairs": equal_pairs / max(pairs, 1),
        "distinctive": with_words / len(clips),
        "words_mean": statistics.fmean(lengths),
        "words_min": min(lengths),
        "words_max": max(lengths),
        "types": len(types),
        "templates": len(TEMPLATES),
        "pronouns": sum(clip.pronoun for clip in clips) / len(clips),
        "novel": sum(clip.novel for clip in clips) / len(clips),
    }


def chance_levels(films: Sequence[Film]) -> dict[str, float]:
    """Accuracy of the best constant guess for each slot, over the ADs that tell it.

    The character's is 1 over the size of the cast (names are drawn anew for each film), the partner's 1 over the
    rest of the cast.

    Args:
        films: at least one film.

    Returns:
        Slot -> 0..1; a slot that no AD tells has 0.
    """
    told = [(film, clip, clip.facts[clip.told]) for film in films for clip in film.clips]
    values: dict[str, Counter[str]] = {
        "action": Counter(fact.action for _, _, fact in told),
        "object": Counter(fact.object for _, _, fact in told if fact.object),
        "colour": Counter(fact.colour for _, clip, fact in told if clip.also == "colour"),
        "place": Counter(clip.shot.place for _, clip, _ in told if clip.also == "place"),
        "light": Counter(clip.shot.light for _, clip, _ in told if clip.also == "light"),
    }
    levels = {slot: max(count.values()) / count.total() if count else 0.0 for slot, count in values.items()}
    partners = [1 / max(1, len(film.cast) - 1) for film, _, fact in told if fact.partner >= 0]
    people = {
        "character": statistics.fmean(1 / len(film.cast) for film, _, _ in told),
        "partner": statistics.fmean(partners) if partners else 0.0,
    }
    return people | levels


def check(films: Sequence[Film], size: int = WINDOW_SIZE) -> dict[str, Any]:
    """Measure films and hold them against the design's gates.

    Args:
        films: at least one film, all of one preset. A few dozen give figures within about two points.
        size: N of the windows.

    Returns:
        preset, films, ads, seconds (mean length of a film), single_clip, knowing_clip, window (recall), gain (of the
        window over the better of the two that see one clip), unseen (`unseen_share`), text (`text_figures`), chance
        (`chance_levels`), gates: name -> {"value", "limit", "at_most", "passed"}, passed (all of them). The two recall
        gates hold for "crowded" only, for the better of the two that see one clip.

    Raises:
        ValueError: without films or ADs, or with films of several presets.
    """
    presets = {film.preset for film in films}
    if len(presets) != 1 or not all(film.clips for film in films):
        raise ValueError(f"got {len(films)} films of presets {sorted(presets)}, expected films with ADs of one preset")
    preset = presets.pop()
    single, window = single_clip_oracle(films, size), window_oracle(films, size)
    knowing = knowing_clip_oracle(films, size)
    alone = max(single, knowing)
    text = text_figures(films, size)
    gates = {
        "windows with two equal ADs": _gate(text["equal_windows"], EQUAL_LIMIT, at_most=True),
        "ADs with distinctive words": _gate(text["distinctive"], DISTINCTIVE_SHARE, at_most=False),
    }
    if preset == "crowded":
        gates["single-clip recall"] = _gate(alone, SINGLE_CLIP_LIMIT, at_most=True)
        gates["window recall above single-clip"] = _gate(window - alone, WINDOW_GAIN, at_most=False)
    return {
        "preset": preset,
        "films": len(films),
        "ads": sum(len(film.clips) for film in films),
        "seconds": statistics.fmean(film.duration_s for film in films),
        "single_clip": single,
        "knowing_clip": knowing,
        "window": window,
        "gain": window - alone,
        "unseen": unseen_share(films),
        "text": text,
        "chance": chance_levels(films),
        "gates": gates,
        "passed": all(gate["passed"] for gate in gates.values()),
    }


def _gate(value: float, limit: float, at_most: bool) -> dict[str, Any]:
    """One gate with its verdict."""
    return {"value": value, "limit": limit, "at_most": at_most, "passed": value <= limit if at_most else value >= limit}
