"""What the pocket films say: audio description, still captions, prompt keywords and the published synonyms.

An audio description (AD) is one English sentence in the present tense: who does what, with what or whom, and at most
one extra detail. The wording is drawn from the tables of `phrases.py` by the caller's `random.Random`, so equal
seeds give equal texts. Sizes (60+ templates, 4 to 16 words, mean about 8) are the design's "Pocket films" figures.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

from . import phrases as tables
from .world import ACTIONS, COLOURS, LIGHTS, LOOKS, OBJECTS, PLACES, Fact, Figure, Look, Prop, Shot

MIN_WORDS, MAX_WORDS = 4, 16
FIRST_PHRASE_PROBABILITY = 0.6  # the first synonym of a slot is the commonest
ADJECTIVE_PROBABILITY = 0.4
KEEP_PROBABILITY = 0.7  # of each part of a caption
MAX_DRAWS = 10_000  # of one sentence; most take one or two
ALSO: tuple[str, ...] = ("", "place", "light", "colour")

_POSSESSIVES = {"he": "his", "she": "her"}
# Words of slot phrases that say nothing by themselves; `slot_words` leaves them out, or no dialogue could be said.
FUNCTION_WORDS: frozenset[str] = frozenset(
    "a after against along around at both down for forward from go goes gets hold in into of off on one over the "
    "through to up with".split()
)
_PLAIN_GROUP = ""  # colour is told inside the noun phrase, so it shares the plain templates
_TEMPLATES: dict[str, tuple[list[str], list[float]]] = {
    group: (
        [text for also, _, text in tables.TEMPLATES if also == group],
        list(itertools.accumulate(weight for also, weight, _ in tables.TEMPLATES if also == group)),
    )
    for group in (_PLAIN_GROUP, "place", "light")
}


def _prefer_first(options: Sequence[str], rng: random.Random) -> str:
    """The first option with probability 0.6, else one of the others (uniform)."""
    if len(options) == 1 or rng.random() < FIRST_PHRASE_PROBABILITY:
        return options[0]
    return options[rng.randrange(1, len(options))]


def _article(phrase: str) -> str:
    """The indefinite article of a noun phrase."""
    first = phrase.split()[0]
    return "an" if first[0] in "aeiou" and first not in tables.AN_EXCEPTIONS else "a"


def _adverbs(action: str) -> tuple[str, ...]:
    """The adverbs that suit an action's pace."""
    if action in tables.ACCIDENTS:
        return tables.ADVERBS_NEUTRAL
    if action in tables.EITHER:
        return tables.ADVERBS_NEUTRAL + tables.ADVERBS_CALM + tables.ADVERBS_LIVELY
    if action in tables.LIVELY:
        return tables.ADVERBS_NEUTRAL + tables.ADVERBS_LIVELY
    return tables.ADVERBS_NEUTRAL + tables.ADVERBS_CALM


def _thing(fact: Fact, with_colour: bool, possessive: str, rng: random.Random) -> str:
    """The object as a noun phrase with its determiner, or "" if the fact has none."""
    if not fact.object:
        return ""
    words = [_prefer_first(tables.OBJECT_NOUNS[fact.object], rng)]
    if with_colour:
        words.insert(0, _prefer_first(tables.COLOUR_WORDS[fact.colour], rng))
    if rng.random() < ADJECTIVE_PROBABILITY:
        words.insert(0, rng.choice(tables.ADJECTIVES))
    noun = " ".join(words)
    determiner = rng.choices(("the", _article(noun), possessive), (0.7, 0.2, 0.1))[0]
    return f"{determiner} {noun}"


def _draw(
    fact: Fact, subject: str, partner: str, possessive: str, details: dict[str, str], with_colour: bool,
    rng: random.Random,
) -> str:  # fmt: skip
    """One sentence without any check of its length. `details` holds the told place or light phrase, else nothing."""
    group = next(iter(details), _PLAIN_GROUP)
    texts, weights = _TEMPLATES[group]
    template = rng.choices(texts, cum_weights=weights)[0]
    tails = tables.TAILS + (tables.OBJECT_TAILS * 3 if fact.action in tables.HANDLED else ())
    verb = _prefer_first(tables.ACTION_PHRASES[fact.action], rng).format(
        object=_thing(fact, with_colour, possessive, rng), partner=partner
    )
    ends = tables.ENDS
    if fact.action == "dance":  # "dances with a sigh" would read as "dances with {partner}"
        ends, tails = (tuple(text for text in texts if not text.startswith("with ")) for texts in (ends, tails))
    modifiers = {
        name: rng.choice(options).replace("{his}", possessive)
        for name, options in (
            ("adverb", _adverbs(fact.action)), ("end", ends), ("tail", tails), ("state", tables.STATES),
            ("mood", tables.MOODS), ("react", tables.REACTS), ("lead", tables.LEADS), ("bystander", tables.BYSTANDERS),
            ("opener", tables.OPENERS),
        )
    }  # fmt: skip
    sentence = template.format(s=subject, v=verb, **modifiers, **details)
    return sentence[0].upper() + sentence[1:]


def _well_formed(sentence: str, names: Sequence[str]) -> bool:
    """Whether the length is right and no longer word is said twice ("smiles and smiles")."""
    words = sentence.rstrip(".").replace(",", "").split()
    longer = [word.lower() for word in words if len(word) > 3 and word not in names]
    return MIN_WORDS <= len(words) <= MAX_WORDS and len(set(longer)) == len(longer)


def _check(fact: Fact, names: Sequence[str], pronouns: Sequence[str], place: str, light: str, also: str) -> None:
    """Refuse facts that cannot be said.

    Raises:
        ValueError: naming the value, what is expected and the fix.
    """
    if fact.action not in ACTIONS:
        raise ValueError(f"action is {fact.action!r}, expected a key of ACTIONS; idle people are not told")
    action = ACTIONS[fact.action]
    if action.takes_object and fact.object not in OBJECTS:
        raise ValueError(f"{fact.action} has object {fact.object!r}, expected one of OBJECTS; set Fact.object")
    if not 0 <= fact.person < min(len(names), len(pronouns)):
        raise ValueError(f"person is {fact.person}, expected an index into {len(names)} names; pass the whole cast")
    if pronouns[fact.person] not in _POSSESSIVES:
        raise ValueError(f"pronoun is {pronouns[fact.person]!r}, expected 'he' or 'she'; take it from the look")
    if action.takes_partner and (not 0 <= fact.partner < len(names) or fact.partner == fact.person):
        raise ValueError(f"{fact.action} has partner {fact.partner}, expected another person; set Fact.partner")
    if also not in ALSO:
        raise ValueError(f"also is {also!r}, expected one of {ALSO}; tell one extra detail at most")
    if also == "colour" and not (action.takes_object and fact.colour in COLOURS):
        raise ValueError(f"no colour to tell ({fact.action}, {fact.colour!r}); tell colours of coloured objects only")
    if also == "place" and place not in PLACES:
        raise ValueError(f"place is {place!r}, expected one of PLACES; pass the shot's place")
    if also == "light" and light not in LIGHTS:
        raise ValueError(f"light is {light!r}, expected one of LIGHTS; pass the shot's light")


def tell(
    fact: Fact,
    names: Sequence[str],
    pronouns: Sequence[str],
    place: str,
    light: str,
    also: str,
    use_pronoun: bool,
    rng: random.Random,
) -> str:
    """The audio description of one fact.

    Args:
        fact: who does what; `person` and `partner` index `names`.
        names: first names of the cast.
        pronouns: "he" or "she" for each of the cast.
        place: key of PLACES, told only when `also` is "place".
        light: key of LIGHTS, told only when `also` is "light".
        also: the extra detail: "", "place", "light" or "colour" (of the object).
        use_pronoun: say he or she instead of the subject's name; partners keep their names.
        rng: source of every choice.

    Returns:
        One sentence of 4 to 16 words that ends with a full stop.

    Raises:
        ValueError: if the fact lacks what its action or `also` needs, or no sentence can hold the names.
    """
    _check(fact, names, pronouns, place, light, also)
    subject = pronouns[fact.person] if use_pronoun else names[fact.person]
    partner = names[fact.partner] if ACTIONS[fact.action].takes_partner else ""
    for _ in range(MAX_DRAWS):  # every group has templates of a fitting length for every action
        details: dict[str, str] = {}
        if also == "place":
            details["place"] = _prefer_first(tables.PLACE_PHRASES[place], rng)
        elif also == "light":
            details["light"] = _prefer_first(tables.LIGHT_PHRASES[light], rng)
        possessive = _POSSESSIVES[pronouns[fact.person]]
        sentence = _draw(fact, subject, partner, possessive, details, also == "colour", rng)
        if _well_formed(sentence, names):
            return sentence
    raise ValueError(f"no sentence of {MAX_DRAWS} fits the names {list(names)}; expected names of one word, each once")


def _hair(look: Look) -> str:
    """The hair as a phrase that follows "with", e.g. "long red hair"."""
    colour = look.hair_colour
    if look.hair_style == "bald":
        return "a bald head"
    if look.hair_style == "bun":
        return f"{colour} hair in a bun"
    if look.hair_style in ("ponytail", "mohawk", "bob"):
        return f"a {colour} {look.hair_style}"
    return f"{look.hair_style} {colour} hair"


def _garment(look: Look) -> str:
    """The garment with article, colour and pattern, e.g. "a green striped coat"."""
    pattern = {"plain": "", "stripes": " striped", "dots": " dotted", "checks": " checked"}[look.pattern]
    words = f"{look.garment_colour}{pattern} {look.garment}"
    return f"{_article(words)} {words}"


def _accessory(look: Look) -> str:
    """The accessory as a phrase that follows "with", or ""."""
    articles = {"none": "", "glasses": "glasses", "earrings": "earrings"}
    return articles.get(look.accessory, f"a {look.accessory}")


def _noun(look: Look) -> str:
    """Say "a woman" or "a man"."""
    return "a woman" if look.pronoun == "she" else "a man"


def _person(look: Look, hair: bool, garment: bool, accessory: bool, skin: bool = False) -> str:
    """A person with the chosen attributes."""
    features = [f"{look.skin} skin"] if skin else []
    features += [_hair(look)] if hair else []
    features += [_accessory(look)] if accessory and _accessory(look) else []
    listed = ", ".join(features[:-1]) + " and " + features[-1] if len(features) > 1 else "".join(features)
    return _noun(look) + (f" with {listed}" if listed else "") + (f" in {_garment(look)}" if garment else "")


def _keep(count: int, at_least: int, rng: random.Random) -> list[bool]:
    """Which of `count` parts stay: each with probability 0.7, drawn again until `at_least` stay."""
    while True:
        kept = [rng.random() < KEEP_PROBABILITY for _ in range(count)]
        if sum(kept) >= at_least:
            return kept


def describe_look(look: Look) -> str:
    """All that is seen of a person: "a woman with pale skin, long red hair and glasses in a green striped coat"."""
    return _person(look, hair=True, garment=True, accessory=True, skin=True)


def portrait_caption(look: Look, rng: random.Random) -> str:
    """A caption of a portrait with at least two of hair, garment, accessory and skin."""
    parts = _keep(4, 2, rng)
    lead = rng.choice(("", "a portrait of ", "a photo of ", "the face of "))
    return lead + _person(look, *parts)


def object_caption(prop: Prop, rng: random.Random) -> str:
    """A caption of a thing alone, with its colour in seven of ten: "a photo of a red guitar"."""
    noun = tables.OBJECT_NOUNS[prop.kind][0]
    noun = f"{prop.colour} {noun}" if rng.random() < KEEP_PROBABILITY else noun
    return rng.choice(("", "a photo of ", "a picture of ")) + f"{_article(noun)} {noun}"


def caption(figure: Figure, shot: Shot, rng: random.Random) -> str:
    """A plain caption of a still of one figure, in other words than an AD and without names.

    Args:
        figure: the person that the caption is about.
        shot: where and when; gives the partner of a two-person action.
        rng: decides which parts are said: hair, garment, accessory, action, place, light (each with probability
            0.7, at least two), and the colour of the object (0.7).

    Returns:
        A lower-case phrase, e.g. "a woman with long red hair in a green striped coat holding up a blue cup".
    """
    look = LOOKS[figure.look]
    hair, garment, accessory, action, place, light = _keep(6, 2, rng)
    coloured = rng.random() < KEEP_PROBABILITY
    parts = [_person(look, hair, garment, accessory)]
    if action:
        thing = "something"
        if figure.thing is not None:
            noun = tables.OBJECT_NOUNS[figure.thing.kind][0]
            noun = f"{figure.thing.colour} {noun}" if coloured else noun
            thing = f"{_article(noun)} {noun}"
        partner = "another person"
        if 0 <= figure.partner < len(shot.figures):
            other = LOOKS[shot.figures[figure.partner].look]
            partner = _person(other, hair=False, garment=rng.random() < 0.5, accessory=False)
        parts.append(tables.CAPTION_PHRASES[figure.action].format(object=thing, partner=partner))
    if place:
        parts.append(tables.PLACE_PHRASES[shot.place][0])
    if light:
        parts.append(tables.LIGHT_PHRASES[shot.light][0])
    return " ".join(parts)


def keywords(fact: Fact, place: str, light: str, also: str, rng: random.Random) -> list[str]:
    """The content words of a fact, as a prompt may list them: one for each told slot, in random order.

    Args:
        fact: who does what (the person and partner give no word: they are told by the cast).
        place: key of PLACES.
        light: key of LIGHTS.
        also: the extra detail, as in `tell`.
        rng: shuffles the words.

    Returns:
        Lower-case words: the action's keyword, the object's key, then the detail's key, shuffled.
    """
    words = [tables.ACTION_KEYWORDS[fact.action]]
    words += [fact.object] if fact.object else []
    detail = {"place": place, "light": light, "colour": fact.colour}.get(also, "")
    words += [detail] if detail else []
    rng.shuffle(words)
    return words


def _words(options: Sequence[str]) -> set[str]:
    """Lower-case words of phrases, slots and function words left out."""
    spoken = {word for option in options for word in option.lower().split() if not word.startswith("{")}
    return spoken - FUNCTION_WORDS


def slot_words(fact: Fact) -> set[str]:
    """Every content word of every synonym of the fact's action, object and colour, keys and keyword included.

    A slot that is empty adds none. Function words ("up", "the") are left out: they are in every sentence and give
    nothing away.
    """
    words: set[str] = set()
    if fact.action:
        words |= _words(tables.ACTION_PHRASES[fact.action]) | {tables.ACTION_KEYWORDS[fact.action]}
    if fact.object:
        words |= _words(tables.OBJECT_NOUNS[fact.object]) | {fact.object}
    if fact.colour:
        words |= _words(tables.COLOUR_WORDS[fact.colour])
    return words


def synonym_table() -> dict[str, dict[str, list[str]]]:
    """The published synonym table: slot -> key -> phrases, keys sorted, the commonest phrase first.

    Action phrases hold the slots "{object}" and "{partner}". A matcher takes the phrase with the longest literal
    text ("shakes hands with" before "shakes").
    """
    slots: dict[str, Any] = {
        "action": tables.ACTION_PHRASES,
        "colour": tables.COLOUR_WORDS,
        "light": tables.LIGHT_PHRASES,
        "object": tables.OBJECT_NOUNS,
        "place": tables.PLACE_PHRASES,
    }
    return {slot: {key: list(table[key]) for key in sorted(table)} for slot, table in slots.items()}
