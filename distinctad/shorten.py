"""Shorter sentences out of longer ones: parts that a description can lose are cut, what is left stays a sentence.

English descriptions only: one or two clauses in the present tense. A cut removes an introduction ("As the wind blows,
..."), an aside between commas, a second action ("... and winces"), a closing phrase ("... with a groan", "... on the
roof"), an adverb or an adjective. The subject and one finite verb always stay, and so does what keeps a sentence true:
"almost", "not", "only", what follows "is". Own rules, no model and no dictionary; what no rule is sure of is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from datasets_scripts.words import CLOSED_CLASS, words
from distinctad.shorten_words import (
    ADJECTIVE,
    ADJECTIVES,
    ADVERBS,
    BE,
    CLAUSES,
    DEGREES,
    DETERMINERS,
    HANGING,
    JOINERS,
    NEEDY,
    NO_ADJECTIVES,
    NO_ADVERBS,
    NO_NOUN,
    NOT_VERBS,
    OBJECTS,
    PARTICLES,
    PARTS,
    PREPOSITIONS,
    QUANTITIES,
    RELATIVES,
    REVERSING,
    SEEMING,
    SUBJECTS,
)

_MOST_VARIANTS = 400
_QUOTED = r""""[^"]*"|“[^”]*”|(?<!\w)['‘](?:[^'’"]|['’](?=\w))*['’](?!\w)"""
_SPLIT = re.compile(rf"{_QUOTED}|[^\s,;]+|[,;]")  # what stands in quotation marks is one piece
_UNCLEAR = re.compile(r"[()\[\]{}:–—]|\s-+\s")  # a part whose ends no rule knows
_SHORT_FORM = re.compile(
    r"\b(?:Mrs?|Ms|Dr|St|Prof|Capt|Lt|Sgt|Gen|Col|Maj|Cpl|Cmdr|Det|Insp|Rev|Hon|Sen|Gov|Jr|Sr|Mt|vs|etc|[^\W\d_])\.$"
)


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
    if re.search('["“”]', re.sub(_QUOTED, "", text)):  # a quotation of which one end is missing
        return
    sentences = _sentences(text.strip())
    if len(sentences) > 1:
        for i in range(len(sentences)):
            rest = sentences[:i] + sentences[i + 1 :]
            if all(_is_sentence(_SPLIT.findall(sentence.rstrip(".!?"))) for sentence in rest):
                yield " ".join(rest)
    for i, sentence in enumerate(sentences):
        if _UNCLEAR.search(re.sub(_QUOTED, "", sentence)):
            continue
        end = sentence[-1] if sentence and sentence[-1] in ".!?" else ""
        tokens = _SPLIT.findall(sentence.removesuffix(end))
        for cut in _sentence_cuts(tokens):
            if _is_sentence(cut):
                closed = re.search(r"[.!?][\"”’']?$", cut[-1])
                yield " ".join([*sentences[:i], _join(cut) + ("" if closed else end or "."), *sentences[i + 1 :]])


def _sentences(text: str) -> list[str]:
    """Split a text after . ! ? but not after "Mr.", after an initial or between quotation marks."""
    quoted = [match.span() for match in re.finditer(_QUOTED, text)]
    found, start = [], 0
    for gap in re.finditer(r"(?<=[.!?])\s+", text):
        inside = any(first < gap.start() < last for first, last in quoted)
        if not inside and not _SHORT_FORM.search(text[start : gap.start()]):
            found.append(text[start : gap.start()])
            start = gap.end()
    return [*found, text[start:]]


def _sentence_cuts(tokens: list[str]) -> Iterator[list[str]]:
    commas = [i for i, token in enumerate(tokens) if token in ",;"]
    asides = 0
    for first, second in zip(commas, commas[1:], strict=False):  # an aside: subject, ..., verb
        rest = [token for token in tokens[second + 1 : second + 3] if not _is_adverb(token)]
        if first > 0 and rest and _finite(rest[0]) and not any(_finite(token) for token in tokens[1:first]):
            asides += 1
            if not all(_reverses(token) for token in tokens[first + 1 : second]):  # "Tom, almost, falls"
                yield tokens[:first] + tokens[second + 1 :]
    if commas and not asides and _is_introduction(tokens[: commas[0]], tokens[commas[0] + 1 :]):
        yield tokens[commas[0] + 1 :]
    start, verb = _start(tokens), _verb(tokens)
    if verb is None:
        return
    relative = RELATIVES & {token.lower() for token in tokens[start + 1 : verb]}
    if not relative:  # "the man who lies on the floor gets up"
        yield from _second_actions(tokens, verb)
        yield from _closing_cuts(tokens, start, verb)
    yield from _word_cuts(tokens, verb)


def _is_introduction(before: list[str], rest: list[str]) -> bool:
    """Whether a sentence's start can go: what follows the comma is a sentence, and what stands before it is none."""
    verb = _verb(rest)
    if not before or verb is None or before[0].lower() == "if":
        return False
    if "and" in rest[:verb] and (len(before) == 1 or "," in rest[:verb]):  # "Mara, Tom and Eva"
        return False
    if len(before) == 2 and before[0].lower() in DETERMINERS and _describes(before[1]):  # "The old, Irish policeman"
        return False
    subject = rest[0].lower() in SUBJECTS or rest[0][0].isupper()
    leads = before[0].lower() in PREPOSITIONS | JOINERS
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
        before = [token.lower() for token in tokens[:i]]
        reverses = any(_reverses(token) for token in before)
        sure = _is_action(tokens[verb:i], rest, second)
        bound = {"between", "both"} & set(before) or (reverses and tokens[i].lower() == "but")
        if bound or not (sure or len(rest) == 1):
            continue
        yield tokens[: i - 1] if tokens[i - 1] in ",;" else tokens[:i]
        subject = tokens[:verb]
        while subject and _is_adverb(subject[-1]):
            subject = subject[:-1]
        if sure and subject and not reverses and not JOINERS & set(before):
            yield subject + rest


def _is_action(before: list[str], rest: list[str], second: int) -> bool:
    """Whether a word in -s behind "and" is a verb and no plural: "and bites her lip", not "apples and pears".

    Args:
        before: from the first verb up to "and".
        rest: what follows "and".
        second: the place in `rest` of the word in question.
    """
    last = [token for token in before if token not in ",;"][-1]
    after = rest[second + 1 : second + 2]
    return (
        (second == 1 and rest[0].endswith("ly"))
        or all(token in ",;" or token == last for token in before)  # "sniffs and sways"
        or (last.lower() in NO_NOUN or _is_adverb(last))  # "sits down and sways"
        or bool(after and (after[0].lower() in OBJECTS or after[0][0].isupper()))
    )


def _closing_cuts(tokens: list[str], start: int, verb: int) -> Iterator[list[str]]:
    """Off with what closes the sentence: "... with a groan", "... as the boy runs"."""
    for i in range(verb + 1, len(tokens)):
        ahead = tokens[i].lower()
        opens = ahead in PREPOSITIONS | JOINERS and tokens[i - 1].lower() not in PREPOSITIONS
        if not (opens or ahead in ",;") or not _is_closing(tokens, verb, i):
            continue
        if any(_reverses(token) for token in tokens[start:i]):  # "never smiles in public"
            return
        yield tokens[:i]
        following = _phrase_end(tokens, i)
        # Not before another preposition: "with a lump in her throat" is one phrase.
        if ahead in PREPOSITIONS and following < len(tokens) and tokens[following].lower() in CLAUSES:
            yield tokens[:i] + tokens[following:]


def _is_closing(tokens: list[str], verb: int, i: int) -> bool:
    """Whether the part that begins at `i` can go: neither the verb nor the word before it needs it."""
    ahead, last = tokens[i].lower(), tokens[i - 1].lower()
    after = tokens[i + 1] if i + 1 < len(tokens) else ","
    for j in range(verb, i):
        done = tokens[j + 1].lower() in ("up", "down", "off", "away") and tokens[j].lower() not in BE  # "gets up"
        if tokens[j].lower() in NEEDY and not done:
            between = {token.lower() for token in tokens[j + 1 : i]}
            said = between - CLOSED_CLASS - NO_NOUN - {",", ";"}
            if not said or (ahead in PREPOSITIONS - JOINERS and not between & PREPOSITIONS):
                return False
    clause = next((j for j in range(i - 1, verb, -1) if tokens[j].lower() in CLAUSES), None)
    if clause is not None and _verb(tokens[clause + 1 : i]) is None:  # "as the boy | with the hat leaves"
        return False
    if ahead in ",;":
        return after.lower() not in ("but", "or", "if", "except") and after[0] not in "\"“'‘"
    told = ahead in RELATIVES or (last in SEEMING and ahead in ("as", "like", "for", "after"))
    told = told or (last, ahead) == ("turns", "into")
    if ahead in ("that", "if") or (i == verb + 1 and told):  # "sees that she runs", "looks like a witch"
        return False
    if ahead == "as":
        return not {"as", "so", "such", "same"} & {token.lower() for token in tokens[max(0, i - 3) : i]}  # "as fast as"
    if ahead not in PREPOSITIONS or ahead in JOINERS:
        return True
    if ahead == "of":
        name = tokens[i - 1][0].isupper() and after[0].isupper()
        return i > verb + 2 and tokens[i - 2].lower() in DETERMINERS and last not in PARTS and not name
    if ahead == "to" and not (after[0].isupper() or re.split("['’]", after.lower())[0] in OBJECTS):
        return False  # "to open the door"
    phrasal = ahead in PARTICLES and (_finite(tokens[i - 1]) or last.endswith("ing"))  # "sticks out her tongue"
    alone = after.lower() in PREPOSITIONS | JOINERS | {"and", "then", "but", "or", ",", ";"}  # "turns the light on"
    double = last in ("up", "down", "out", "back", "over", "all") and i > verb + 2  # "a flask up on the roof"
    return not (phrasal or alone or double or last.endswith(("self", "selves")))


def _word_cuts(tokens: list[str], verb: int) -> Iterator[list[str]]:
    """Adverbs anywhere, adjectives of objects."""
    denied = False
    for i, token in enumerate(tokens):
        before = tokens[i - 1].lower() if i else ""
        denied = _reverses(before) or (denied and before not in ("and", "then", "but", ",", ";"))
        if denied:  # "never wears a red coat": the word may be all that is denied
            continue
        lone = i == 0 and len(tokens) > 2 and tokens[2] in ",;"  # "Still anxious, ...": the word is part of it
        if _is_adverb(token) and not lone and (i != 0 or len(tokens) > 2) and _is_loose(tokens, i):
            yield tokens[:i] + tokens[i + 1 :]
        if 1 < i < len(tokens) - 1 and i > verb and before in DETERMINERS | ADJECTIVES:
            follows = tokens[i + 1].lower()
            verbal = _finite(follows) or follows.endswith("ing")  # "as the angry runs": no noun is left
            other = follows in NO_NOUN | PREPOSITIONS | JOINERS | CLOSED_CLASS | {",", ";"} or _is_adverb(follows)
            if _describes(token) and token.lower() not in NO_ADJECTIVES and not (verbal or other):
                yield _article(tokens[:i] + tokens[i + 1 :], i - 1)


def _is_loose(tokens: list[str], i: int) -> bool:
    """Whether an adverb can go: no word before it belongs to it, and it opens nothing ("once he sleeps")."""
    before = tokens[i - 1].lower() if i else ""
    after = tokens[i + 1] if i + 1 < len(tokens) else "."
    if before in DEGREES | DETERMINERS | PREPOSITIONS or before in BE and after == ".":
        return False
    opens = after.lower() in SUBJECTS | JOINERS | DEGREES or after[0].isupper()
    return tokens[i].lower().endswith("ly") or not opens


def _article(tokens: list[str], at: int) -> list[str]:
    """Set a/an anew after the word behind it has gone."""
    if tokens[at].lower() in ("a", "an"):
        tokens = tokens.copy()
        tokens[at] = ("an" if tokens[at + 1][0].lower() in "aeiou" else "a") if tokens[at].islower() else tokens[at]
    return tokens


def _phrase_end(tokens: list[str], at: int) -> int:
    """Where the phrase that a preposition opens ends: before the next preposition, joiner, comma or "and"."""
    for i in range(at + 2, len(tokens)):
        if tokens[i].lower() in PREPOSITIONS | JOINERS | {"and", "then", ",", ";"}:
            return i
    return len(tokens)


def _finite(token: str) -> bool:
    """Whether a word may be a verb in the third person of the present: "runs", not "his", not "Thomas"."""
    low = token.lower()
    return bool(re.fullmatch(r"[a-z-]{2,}s", token)) and low not in NOT_VERBS and not low.endswith(("ss", "us", "'s"))


def _start(tokens: list[str]) -> int:
    """Where the main clause starts: behind an introduction and its comma."""
    if tokens and tokens[0].lower() in JOINERS | PREPOSITIONS:
        return next((i + 1 for i, token in enumerate(tokens) if token in ",;"), 0)
    return 0


def _verb(tokens: list[str]) -> int | None:
    """Where the main verb stands: the first finite word after a subject, outside of the introduction."""
    start = _start(tokens)
    after = 1 + (len(tokens) > start and tokens[start].lower() in DETERMINERS)
    for i in range(start + after, len(tokens)):
        if tokens[i].lower() in ("is", "are", "has", "does") or (_finite(tokens[i]) and not _is_plural(tokens, i)):
            return i
    return None


def _is_plural(tokens: list[str], i: int) -> bool:
    """Whether what stands before a word in -s makes it a noun: "the old ladies", "in jeans", "dogs and cats"."""
    before = tokens[i - 1].lower()
    if before in DETERMINERS | QUANTITIES | PREPOSITIONS | {"and", "or"}:
        return not (before == "that" or before in QUANTITIES and i > 1)
    described = _describes(tokens[i - 1]) and before not in NO_ADJECTIVES - ADJECTIVES
    return described and (i == 1 or tokens[i - 2].lower() in DETERMINERS | QUANTITIES | ADJECTIVES)


def _describes(token: str) -> bool:
    """Whether a word may be an adjective."""
    return token.lower() in ADJECTIVES or ADJECTIVE.fullmatch(token) is not None


def _reverses(token: str) -> bool:
    return token.lower() in REVERSING or token.lower().replace("’", "'").endswith("n't")


def _is_adverb(token: str) -> bool:
    low = token.lower()
    return low in ADVERBS or bool(re.fullmatch(r"[a-z]{3,}ly", token)) and low not in NO_ADVERBS | REVERSING


def _is_sentence(tokens: list[str]) -> bool:
    """Whether what is left has a subject, a finite verb, and an end that does not hang in the air."""
    if len(tokens) < 2 or tokens[0] in ",;" or tokens[-1] in ",;":
        return False
    verb = _verb(tokens)
    if verb is None or tokens[0].lower() in ("and", "then", "but"):
        return False
    for i, token in enumerate(tokens[:-1]):  # "hurls the hat, winces": a list without its "and"
        if token == "," and i > verb and _finite(tokens[i + 1]) and not {"and", "then"} & set(tokens[i:]):
            return False
    return tokens[-1].lower() not in HANGING


def _join(tokens: list[str]) -> str:
    text = re.sub(r"\s+([,;])", r"\1", " ".join(tokens))
    return text[:1].upper() + text[1:]
