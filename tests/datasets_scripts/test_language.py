"""The pocket language: sizes, form, agreement, determinism, and that texts give their slots back."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets_scripts.pocket import dialogue, language, names, phrases
from datasets_scripts.pocket.world import (
    ACTIONS,
    COLOURS,
    LIGHTS,
    LOOKS,
    OBJECTS,
    PLACES,
    RESTING,
    Fact,
    Figure,
    Prop,
    Shot,
)

ROOT = Path(__file__).resolve().parents[2]
SLOT = re.compile(r"(\\\{\w+\\\})")


def _sample(rng: random.Random, action: str = "", pronoun: bool | None = None) -> dict:
    """One random fact, its AD and all that went into it."""
    chosen = ACTIONS[action or rng.choice(list(ACTIONS))]
    fact = Fact(
        person=0,
        action=chosen.key,
        object=rng.choice(OBJECTS) if chosen.takes_object else "",
        colour=rng.choice(list(COLOURS)) if chosen.takes_object else "",
        partner=1 if chosen.takes_partner else -1,
    )
    also = rng.choice(["", "place", "light"] + ["colour"] * chosen.takes_object)
    cast, pronouns = rng.sample(names.NAMES, 3), [rng.choice(("he", "she")) for _ in range(3)]
    place, light = rng.choice(PLACES), rng.choice(LIGHTS)
    use_pronoun = rng.random() < 0.15 if pronoun is None else pronoun
    text = language.tell(fact, cast, pronouns, place, light, also, use_pronoun, rng)
    return dict(fact=fact, also=also, cast=cast, pronouns=pronouns, place=place, light=light, text=text,
                subject=pronouns[0] if use_pronoun else cast[0])  # fmt: skip


@pytest.fixture(scope="module")
def samples() -> list[dict]:
    rng = random.Random(7)
    return [_sample(rng) for _ in range(12_000)]


def _pattern(phrase: str) -> re.Pattern[str]:
    """A phrase as a whole-word pattern; slots match anything."""
    body = "".join(".+?" if SLOT.fullmatch(part) else part for part in SLOT.split(re.escape(phrase)))
    return re.compile(rf"(?<![\w-]){body}(?![\w-])")


def _longest_match(table: dict[str, list[str]]) -> Callable[[str], str]:
    """A matcher that returns the key of the matching phrase with the longest literal text, or ""."""
    entries = [
        (len(re.sub(r"\{\w+\}", "", phrase)), key, _pattern(phrase)) for key, all_ in table.items() for phrase in all_
    ]
    entries.sort(key=lambda entry: -entry[0])
    return lambda text: next((key for _, key, pattern in entries if pattern.search(text)), "")


def _bare_words(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", re.sub(r"\{\w+\}", "", text))]


def _modifiers() -> list[str]:
    lists = (
        phrases.ADVERBS_NEUTRAL, phrases.ADVERBS_CALM, phrases.ADVERBS_LIVELY, phrases.ENDS, phrases.TAILS,
        phrases.OBJECT_TAILS, phrases.STATES, phrases.REACTS, phrases.LEADS, phrases.BYSTANDERS, phrases.OPENERS,
        phrases.ADJECTIVES, tuple(text for _, _, text in phrases.TEMPLATES),
    )  # fmt: skip
    return [text for part in lists for text in part]


def _slot_tables() -> list[dict[str, tuple[str, ...]]]:
    return [phrases.ACTION_PHRASES, phrases.OBJECT_NOUNS, phrases.COLOUR_WORDS, phrases.PLACE_PHRASES,
            phrases.LIGHT_PHRASES]  # fmt: skip


def test_tables_cover_the_world() -> None:
    keys = (ACTIONS, OBJECTS, COLOURS, PLACES, LIGHTS)
    for table, wanted in zip(_slot_tables(), keys, strict=True):
        assert list(table) == list(wanted)
    assert set(phrases.CAPTION_PHRASES) == {*ACTIONS, *RESTING, "partner"}
    assert list(phrases.ACTION_KEYWORDS) == list(ACTIONS)
    assert len(set(phrases.ACTION_KEYWORDS.values())) == len(ACTIONS)
    assert not set(phrases.ACTION_KEYWORDS.values()) & {*OBJECTS, *COLOURS, *PLACES, *LIGHTS}
    assert len(phrases.TEMPLATES) == len({text for _, _, text in phrases.TEMPLATES}) >= 60
    assert len({*phrases.ADVERBS_NEUTRAL, *phrases.ADVERBS_CALM, *phrases.ADVERBS_LIVELY}) >= 60


def test_synonyms_are_many_and_unambiguous() -> None:
    for key, all_ in phrases.ACTION_PHRASES.items():
        assert len(all_) >= 3, key
        for phrase in (*all_, phrases.CAPTION_PHRASES[key]):
            assert phrase.count("{object}") == ACTIONS[key].takes_object, phrase
            assert phrase.count("{partner}") == ACTIONS[key].takes_partner, phrase
    for table in _slot_tables():
        flat = [phrase for all_ in table.values() for phrase in all_]
        assert len(flat) == len(set(flat))
    assert all(len(all_) >= 2 for all_ in phrases.OBJECT_NOUNS.values())
    match = _longest_match(language.synonym_table()["action"])
    for key, all_ in phrases.ACTION_PHRASES.items():
        for phrase in all_:
            assert match(f"Mara {phrase.format(object='the cup', partner='Oleg')}.") == key, phrase


def test_templates_start_with_the_subject() -> None:
    for group in ("", "place", "light"):
        weights = [(weight, text.startswith("{s}")) for also, weight, text in phrases.TEMPLATES if also == group]
        assert sum(w for w, first in weights if first) >= 0.85 * sum(w for w, _ in weights), group


def test_modifiers_hold_no_slot_words() -> None:
    matchers = [_longest_match({k: list(v) for k, v in table.items()}) for table in _slot_tables()]
    content = {word for table in _slot_tables()[1:] for all_ in table.values() for p in all_ for word in _bare_words(p)}
    content -= language.FUNCTION_WORDS | {"the", "by", "light"}
    for text in _modifiers():
        assert not any(match(text) for match in matchers), text
        assert not set(_bare_words(text)) & content, text


def test_names() -> None:
    assert len(set(names.NAMES)) == len(names.NAMES) == 480
    assert 0.06 <= sum(not name.isascii() for name in names.NAMES) / 480 <= 0.11
    assert all(name.isalpha() and name[0].isupper() for name in names.NAMES)
    assert names.HELD_OUT_NAMES == names.NAMES[::10]
    assert len(set(names.ACTORS)) == 120
    assert not {actor.split()[0] for actor in names.ACTORS} & set(names.NAMES)
    vocabulary = {w for text in _modifiers() for w in _bare_words(text)}
    vocabulary |= {w for table in _slot_tables() for all_ in table.values() for p in all_ for w in _bare_words(p)}
    vocabulary |= {w for text in phrases.CAPTION_PHRASES.values() for w in _bare_words(text)}
    vocabulary |= {w for look in LOOKS for w in _bare_words(language.describe_look(look))}
    vocabulary |= {w for lines in dialogue._LINES for line in lines for w in dialogue.spoken_words(line)}
    assert not vocabulary & {name.lower() for name in names.NAMES}


def test_pick_names_keeps_the_held_out_names_apart() -> None:
    rng = random.Random(0)
    drawn = {name for _ in range(400) for name in names.pick_names(rng, 5, held_out=False)}
    assert not drawn & set(names.HELD_OUT_NAMES)
    assert len(set(names.pick_names(rng, 48, held_out=True))) == 48
    with pytest.raises(ValueError, match="smaller cast"):
        names.pick_names(rng, 49, held_out=True)


def test_lengths_types_and_shape(samples: list[dict]) -> None:
    lengths = [len(sample["text"].split()) for sample in samples]
    assert min(lengths) >= 4 and max(lengths) <= 16
    assert 7.5 <= sum(lengths) / len(lengths) <= 8.5
    assert len({word for sample in samples for word in _bare_words(sample["text"])}) >= 1_200
    starts = sum(sample["text"].lower().startswith(sample["subject"].lower()) for sample in samples)
    assert starts / len(samples) >= 0.85
    for sample in samples:
        text = sample["text"]
        assert text.endswith(".") and text.count(".") == 1 and "  " not in text and "{" not in text
        assert text[0].isupper() and " ," not in text and ",," not in text


@pytest.mark.parametrize("action", list(ACTIONS))
def test_every_action_keeps_its_form(action: str) -> None:
    rng = random.Random(action)
    for _ in range(200):
        sample = _sample(rng, action)
        text, subject = sample["text"], sample["subject"]
        verb = min(
            (m.start() for p in phrases.ACTION_PHRASES[action] if (m := _pattern(p).search(text))), default=-1
        )  # fmt: skip
        start = re.search(rf"(?<!\w){subject}(?!\w)", text, re.IGNORECASE)
        assert start is not None and start.start() < verb, text
        if ACTIONS[action].takes_partner:
            assert text.index(sample["cast"][1]) > verb, text
        assert not re.search(r"\ba [aeio]|\ban [^aeiou]", text), text
        assert sample["cast"][2] not in text.split()


def test_pronouns_agree() -> None:
    rng = random.Random(3)
    seen = 0
    for _ in range(3_000):
        sample = _sample(rng, pronoun=True)
        words = _bare_words(sample["text"])
        he = sample["pronouns"][0] == "he"
        assert sample["subject"] in words and sample["cast"][0].lower() not in words
        assert not set(words) & ({"she", "her", "hers"} if he else {"he", "his", "him"}), sample["text"]
        seen += ("his" if he else "her") in words
    assert seen > 100


def test_details_are_told_only_when_asked(samples: list[dict]) -> None:
    table = language.synonym_table()
    colour, place, light = (_longest_match(table[slot]) for slot in ("colour", "place", "light"))
    for sample in samples[:3_000]:
        # "In the kitchen, Mara ..." starts with a capital; names cannot match.
        text = sample["text"].lower()
        assert colour(text) == (sample["fact"].colour if sample["also"] == "colour" else ""), text
        assert place(text) == (sample["place"] if sample["also"] == "place" else ""), text
        assert light(text) == (sample["light"] if sample["also"] == "light" else ""), text


def test_slots_are_recovered(samples: list[dict]) -> None:
    table = language.synonym_table()
    action, thing = _longest_match(table["action"]), _longest_match(table["object"])
    drawn = samples[:2_000]
    right = sum(action(s["text"]) == s["fact"].action and thing(s["text"]) == s["fact"].object for s in drawn)
    assert right / len(drawn) >= 0.999


def test_first_synonym_is_the_commonest(samples: list[dict]) -> None:
    kicks = [s["text"] for s in samples if s["fact"].action == "kick"]
    assert 0.5 <= sum(" kicks " in text for text in kicks) / len(kicks) <= 0.7


def test_equal_seeds_give_equal_texts() -> None:
    def run(seed: int) -> list[object]:
        rng = random.Random(seed)
        drawn = [_sample(rng) for _ in range(50)]
        words = [language.keywords(s["fact"], s["place"], s["light"], s["also"], rng) for s in drawn]
        return [[s["text"] for s in drawn], words, dialogue.dialogue_line(rng, set()), names.pick_names(rng, 4, False)]

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_tell_refuses_what_cannot_be_said() -> None:
    rng = random.Random(0)

    def say(fact: Fact, also: str = "", place: str = "park", pronoun: str = "he") -> str:
        return language.tell(fact, ["Mara", "Oleg"], [pronoun, "he"], place, "day", also, False, rng)

    for fact, options, message in (
        (Fact(0, "idle"), {}, "action"), (Fact(0, "kick"), {}, "object"), (Fact(0, "hug", partner=0), {}, "partner"),
        (Fact(2, "bow"), {}, "person"), (Fact(0, "bow"), {"also": "colour"}, "colour"),
        (Fact(0, "bow"), {"also": "weather"}, "also"), (Fact(0, "bow"), {"also": "place", "place": "moon"}, "place"),
        (Fact(0, "bow"), {"pronoun": "they"}, "pronoun"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            say(fact, **options)


def test_keywords() -> None:
    fact = Fact(0, "lift", "cup", "red")
    rng = random.Random(0)
    assert sorted(language.keywords(fact, "cafe", "night", "", rng)) == ["cup", "lift"]
    assert sorted(language.keywords(fact, "cafe", "night", "colour", rng)) == ["cup", "lift", "red"]
    assert sorted(language.keywords(fact, "cafe", "night", "place", rng)) == ["cafe", "cup", "lift"]
    assert sorted(language.keywords(Fact(0, "bow"), "cafe", "night", "light", rng)) == ["bow", "night"]
    assert len({tuple(language.keywords(fact, "cafe", "night", "colour", rng)) for _ in range(60)}) == 6


def test_captions() -> None:
    rng = random.Random(1)
    all_names = {name.lower() for name in names.NAMES}
    for action in phrases.CAPTION_PHRASES:
        known = ACTIONS.get(action)
        thing = Prop("umbrella", "orange") if known and known.takes_object else None
        pair = (known is not None and known.takes_partner) or action == "partner"
        figure = Figure(5, action, 100.0, thing=thing, partner=1 if pair else -1)
        shot = Shot("cafe", "night", (figure, Figure(2, "partner", 200.0, partner=0)))
        drawn = {language.caption(figure, shot, rng) for _ in range(40)}
        assert len(drawn) > 10
        for text in drawn:
            assert text.startswith("a woman ") and "{" not in text and "  " not in text and text == text.lower()
            assert not set(_bare_words(text)) & all_names and not re.search(r"\ba [aeio]|\ban [^aeiou]", text), text
    for look in LOOKS:
        full = language.describe_look(look)
        assert look.garment_colour in full and look.skin in full
        assert language.portrait_caption(look, rng).count(" ") >= 3
    assert len({language.describe_look(look) for look in LOOKS}) == len(LOOKS)


def test_names_that_no_sentence_can_hold_are_refused() -> None:
    fact = Fact(0, "wave")
    with pytest.raises(ValueError, match="no sentence"):
        language.tell(fact, ["Anna Maria Maria", "Jo"], ["she", "he"], "kitchen", "day", "", False, random.Random(1))


def test_dialogue_gives_nothing_away() -> None:
    assert len(dialogue.PATTERNS) >= 80
    lines = [line for all_ in dialogue._LINES for line in all_]
    said = {word for line in lines for word in dialogue.spoken_words(line)}
    assert all(3 <= len(line.split()) <= 9 and "{" not in line for line in lines)
    verbs = {p.split()[0] for all_ in phrases.ACTION_PHRASES.values() for p in all_}
    verbs |= {v.removesuffix("es") for v in verbs} | {v.removesuffix("s") for v in verbs}
    verbs -= {"take", "go", "get"}
    slots = {w for table in _slot_tables()[1:] for all_ in table.values() for p in all_ for w in _bare_words(p)}
    slots |= {*phrases.ACTION_KEYWORDS.values(), *OBJECTS, *COLOURS, *PLACES, *LIGHTS}
    assert not said & (verbs | slots - language.FUNCTION_WORDS - {"the", "by"})
    rng = random.Random(0)
    forbidden = {"i", "you", "the", "it"}
    assert all(not dialogue.spoken_words(dialogue.dialogue_line(rng, forbidden)) & forbidden for _ in range(300))
    with pytest.raises(ValueError, match="forbidden"):
        dialogue.dialogue_line(rng, said)


def test_slot_words() -> None:
    words = language.slot_words(Fact(0, "pick_up", "cup", "red"))
    assert {"picks", "gathers", "scoops", "stoops", "pick", "cup", "mug", "beaker", "red", "scarlet"} == words
    assert "partner" not in language.slot_words(Fact(0, "give", "cup", "red", 1))


def test_published_synonyms_are_the_language() -> None:
    published = ROOT / "evaluate_metrics" / "slot_accuracy" / "synonyms.json"
    table = language.synonym_table()
    assert json.loads(published.read_text(encoding="utf-8")) == table
    assert list(table) == sorted(table) and all(list(part) == sorted(part) for part in table.values())
