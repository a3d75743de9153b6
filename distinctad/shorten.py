"""Shorter sentences out of longer ones: parts that a description can lose are cut, what is left stays a sentence.

English descriptions only: one or two clauses in the present tense. A cut removes an introduction ("As the wind blows,
..."), an aside between commas, a second action ("... and winces"), a closing phrase ("... with a groan", "... on the
roof"), an adverb or an adjective. The subject and one finite verb always stay. Own rules, no model and no dictionary;
what no rule understands is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from datasets_scripts.words import words

_MOST_VARIANTS = 400
_SPLIT = re.compile(r"[^\s,;]+|[,;]")
_DETERMINERS = frozenset("a an the his her their its this that these those some one two three four".split())
_PREPOSITIONS = frozenset(
    "about above across after against along among around at atop before behind below beneath beside between beyond by "
    "despite during from in inside into near of on onto outside over past through to toward towards under underneath "
    "until upon with within without for out like".split()
)
_PARTICLES = frozenset("about along in off on out over through".split())
_JOINERS = frozenset("as while when where who which that because although though until if whose".split())
_CLAUSES = frozenset("as while when where because although though until if".split())  # of the whole sentence
_SUBJECTS = _DETERMINERS | frozenset("he she they it someone somebody everyone both".split())
_ADVERBS = frozenset("now still again instantly twice once suddenly almost just also even simply often".split())
_ADJECTIVE = re.compile(r"\w+(?:ful|ous|ish|less|ive|able|ible|some|ical|iant|ent|ese|ic|y|ed)$", re.IGNORECASE)
_ADJECTIVES = frozenset(
    "red blue green yellow black white grey gray brown pink purple orange golden silver turquoise teal slate crimson "
    "navy beige violet scarlet amber old new young big small large little long short tall thick thin dark light "
    "bright pale heavy soft hard warm cold wet dry clean broken modern quaint odd plain bizarre beloved exotic "
    "unusual favourite weathered battered second wooden".split()
)
_NO_NOUN = frozenset(
    "high low up down out off away back overhead aside forward open together home here there aloft closer and then but "
    "or behind carefully".split()
)
_NOT_VERBS = frozenset("as is his its this us thus always perhaps across yes whereas besides".split())


def shortened(text: str) -> list[str]:
    """Make every shorter sentence that the rules can.

    Args:
        text: a description.

    Returns:
        Sentences that are shorter than `text`, the longest first; possibly none.
    """
    seen = {text: len(words(text))}
    waiting = [text]
    while waiting and len(seen) < _MOST_VARIANTS:
        for cut in _cuts(waiting.pop(0)):
            if cut not in seen:
                seen[cut] = len(words(cut))
                waiting.append(cut)
    del seen[text]
    return sorted(seen, key=lambda cut: (-seen[cut], -len(cut), cut))


def shorten(text: str, fits: Callable[[str], bool], keep: set[str] | frozenset[str] = frozenset()) -> str | None:
    """Shorten a description until it fits, keeping what sets it apart if that can be.

    Args:
        text: the description.
        fits: whether a text may be said.
        keep: the text's distinctive words, folded as `datasets_scripts.words.words` folds them.

    Returns:
        `text` if it fits, else the fitting sentence that keeps most: a distinctive word before anything else, then as
        many words as possible; None if none fits.
    """
    if fits(text):
        return text
    best: tuple[tuple[int, int, int], str] | None = None
    for cut in shortened(text):
        left = words(cut)
        kept = len(keep & set(left))
        rank = (min(1, kept), len(left), kept)
        if (best is None or rank > best[0]) and fits(cut):
            best = (rank, cut)
    return best[1] if best else None


def _cuts(text: str) -> Iterator[str]:
    """Every sentence that one cut makes."""
    sentences = re.split(r"(?<=[.!?])\s+", text.strip())
    if len(sentences) > 1:
        for i in range(len(sentences)):
            rest = sentences[:i] + sentences[i + 1 :]
            if all(_is_sentence(_SPLIT.findall(sentence.rstrip(".!?"))) for sentence in rest):
                yield " ".join(rest)
    for i, sentence in enumerate(sentences):
        end = sentence[-1] if sentence and sentence[-1] in ".!?" else ""
        tokens = _SPLIT.findall(sentence.removesuffix(end))
        for cut in _sentence_cuts(tokens):
            if _is_sentence(cut):
                yield " ".join([*sentences[:i], _join(cut) + (end or "."), *sentences[i + 1 :]])


def _sentence_cuts(tokens: list[str]) -> Iterator[list[str]]:
    commas = [i for i, token in enumerate(tokens) if token in ",;"]
    asides = 0
    for first, second in zip(commas, commas[1:], strict=False):  # an aside: subject, ..., verb
        rest = [token for token in tokens[second + 1 : second + 3] if not _is_adverb(token)]
        if first > 0 and rest and _finite(rest[0]) and not any(_finite(token) for token in tokens[1:first]):
            asides += 1
            yield tokens[:first] + tokens[second + 1 :]
    if commas and not asides and _is_introduction(tokens[: commas[0]], tokens[commas[0] + 1 :]):
        yield tokens[commas[0] + 1 :]
    verb = _verb(tokens)
    if verb is None:
        return
    yield from _second_actions(tokens, verb)
    for i in range(verb + 1, len(tokens)):
        ahead = tokens[i].lower()
        opens = ahead in _PREPOSITIONS | _JOINERS and tokens[i - 1].lower() not in _PREPOSITIONS
        opens = opens and not (ahead in _PARTICLES and _finite(tokens[i - 1]))  # "sticks out her tongue"
        if (opens or tokens[i] in ",;") and i > verb + (ahead == "of"):
            yield tokens[:i]
            following = _phrase_end(tokens, i)
            # Not before another preposition: "with a lump in her throat" is one phrase.
            if ahead in _PREPOSITIONS and following < len(tokens) and tokens[following].lower() in _CLAUSES:
                yield tokens[:i] + tokens[following:]
    yield from _word_cuts(tokens, verb)


def _is_introduction(before: list[str], rest: list[str]) -> bool:
    """Whether a sentence's start can go: what follows the comma is a sentence, and what stands before it is none."""
    if not before or not rest or _verb(rest) is None:
        return False
    subject = rest[0].lower() in _SUBJECTS or rest[0][0].isupper()
    leads = before[0].lower() in _PREPOSITIONS | _JOINERS
    return subject and (leads or not any(_finite(token) for token in before[1:]))


def _second_actions(tokens: list[str], verb: int) -> Iterator[list[str]]:
    """Of two actions of one subject, either alone: "sits down, then beams"."""
    for i in range(verb + 1, len(tokens) - 1):
        if tokens[i].lower() not in ("and", "then", "but"):
            continue
        rest = tokens[i + 1 :]
        if rest[0].lower() == "then":
            rest = rest[1:]
        second = next((j for j, token in enumerate(rest[:2]) if _finite(token)), None)
        if second is None or (second == 1 and not _is_adverb(rest[0])):
            continue
        first = tokens[: i - 1] if tokens[i - 1] in ",;" else tokens[:i]
        yield first
        subject = tokens[:verb]
        while subject and _is_adverb(subject[-1]):
            subject = subject[:-1]
        if subject and not any(token.lower() in _JOINERS for token in tokens[:i]):
            yield subject + rest


def _word_cuts(tokens: list[str], verb: int) -> Iterator[list[str]]:
    """Adverbs anywhere, adjectives of objects."""
    for i, token in enumerate(tokens):
        lone = i == 0 and len(tokens) > 2 and tokens[2] in ",;"  # "Still anxious, ...": the word is part of it
        if _is_adverb(token) and not lone and (i != 0 or len(tokens) > 2) and token.lower() != "only":
            yield tokens[:i] + tokens[i + 1 :]
        if 1 < i < len(tokens) - 1 and i > verb and tokens[i - 1].lower() in _DETERMINERS | _ADJECTIVES:
            follows = tokens[i + 1].lower()
            is_noun = follows not in _NO_NOUN | _PREPOSITIONS | _JOINERS | {",", ";"} and not _is_adverb(follows)
            described = token.lower() in _ADJECTIVES or _ADJECTIVE.fullmatch(token) is not None
            if is_noun and described and not token[0].isupper():
                yield _article(tokens[:i] + tokens[i + 1 :], i - 1)


def _article(tokens: list[str], at: int) -> list[str]:
    """Set a/an anew after the word behind it has gone."""
    if tokens[at].lower() in ("a", "an"):
        tokens = tokens.copy()
        tokens[at] = ("an" if tokens[at + 1][0].lower() in "aeiou" else "a") if tokens[at].islower() else tokens[at]
    return tokens


def _phrase_end(tokens: list[str], at: int) -> int:
    """Where the phrase that a preposition opens ends: before the next preposition, joiner, comma or "and"."""
    for i in range(at + 2, len(tokens)):
        if tokens[i].lower() in _PREPOSITIONS | _JOINERS | {"and", "then", ",", ";"}:
            return i
    return len(tokens)


def _finite(token: str) -> bool:
    """Whether a word may be a verb in the third person of the present: "runs", not "his", not "Thomas"."""
    low = token.lower()
    return bool(re.fullmatch(r"[a-z-]{2,}s", token)) and low not in _NOT_VERBS and not low.endswith(("ss", "us", "'s"))


def _verb(tokens: list[str]) -> int | None:
    """Where the main verb stands: the first finite word after a subject, outside of the introduction."""
    start = 0
    if tokens and tokens[0].lower() in _JOINERS | _PREPOSITIONS:
        start = next((i + 1 for i, token in enumerate(tokens) if token in ",;"), 0)
    after = 1 + (len(tokens) > start and tokens[start].lower() in _DETERMINERS)
    for i in range(start + after, len(tokens)):
        if _finite(tokens[i]) or tokens[i].lower() in ("is", "are", "has", "does"):
            return i
    return None


def _is_adverb(token: str) -> bool:
    return token.lower() in _ADVERBS or bool(re.fullmatch(r"[a-z]{3,}ly", token)) and token not in ("only", "family")


def _is_sentence(tokens: list[str]) -> bool:
    """Whether what is left has a subject, a finite verb, and an end that does not hang in the air."""
    while tokens and tokens[-1] in ",;":
        return False
    if len(tokens) < 2 or tokens[0] in ",;":
        return False
    verb = _verb(tokens)
    if verb is None or tokens[0].lower() in ("and", "then", "but"):
        return False
    for i, token in enumerate(tokens[:-1]):  # "hurls the hat, winces": a list without its "and"
        if token == "," and i > verb and _finite(tokens[i + 1]) and not {"and", "then"} & set(tokens[i:]):
            return False
    hanging = (
        _DETERMINERS | _JOINERS | frozenset(("and", "then", "but", "of", "with", "to", "from", "at", "into", "by"))
    )
    return tokens[-1].lower() not in hanging


def _join(tokens: list[str]) -> str:
    text = re.sub(r"\s+([,;])", r"\1", " ".join(tokens))
    return text[:1].upper() + text[1:]
