"""Words of a text, and the words that set one AD apart from the others of its window.

What counts as a word is decided here once, for the loss masks, the oracles and the reports:

* Unicode NFKC, then case-folded ("Straße" gives "strasse").
* A word is a run of letters, marks and digits; an apostrophe or a hyphen INSIDE the run belongs to it
  ("don't", "o'clock", "t-shirt"), one at its edge does not ("'dancer'" gives "dancer").
* A possessive 's is taken off: "Mara's" and "Mara" are one word ("boys'" gives "boys" by the rule above). "it's" and
  "he's" are the same to this rule and become "it" and "he", closed-class words like the whole; contractions that
  CLOSED_CLASS lists ("let's", "there's") stay whole.
* Curly apostrophes and the several Unicode hyphens are read as ' and -.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

# Letters, marks and digits of any script; `_` is punctuation here. Combining marks are not in \w, hence the table.
MARKS = "".join(char for char in map(chr, range(0x300, 0x1F000)) if unicodedata.category(char)[0] == "M")
# Possessive, and runs of letters in one step: the long table of marks is asked once a run and not once a letter.
_WORD = re.compile(rf"[^\W_]++[{MARKS}]*+(?:['\-]?[^\W_]++[{MARKS}]*+)*+")
_SAME = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2010": "-", "\u2011": "-", "\u00ad": None})
_SENTENCE_END = re.compile(r"[.!?:;\u2026\"\u201c\u201d(\-\u2013\u2014]\s*$")

_CLOSED_CLASS_TEXT = """
i me my mine myself you your yours yourself yourselves he him his himself she her hers herself it its itself we us our
ours ourselves they them their theirs themselves one ones oneself someone somebody something anyone anybody anything
everyone everybody everything nobody nothing none who whom whose which what whoever whatever that this these those
each other others another both either neither all some any many much few several such same own
a an the no every half
am is are was were be been being do does did done doing have has had having will would shall should can could may might
must ought isn't aren't wasn't weren't don't doesn't didn't haven't hasn't hadn't won't wouldn't can't cannot couldn't
shouldn't i'm you're we're they're i've you've we've they've i'll you'll he'll she'll it'll we'll they'll i'd you'd
he'd she'd we'd they'd let's there's here's
aboard about above across after against along alongside amid amidst among amongst around as at atop before behind below
beneath beside besides between beyond by despite down during except for from in inside into like near of off on onto
opposite out outside over past per round since through throughout till to toward towards under underneath until up
upon via with within without
and or but nor so yet if unless because although though while whilst whereas when whenever where wherever whether than
not there as how why
"""

CLOSED_CLASS: frozenset[str] = frozenset(_CLOSED_CLASS_TEXT.split())
"""Pronouns, determiners, auxiliaries, prepositions and conjunctions of English; adverbs are content words."""

# Titles are no names, but they stand beside names in role lists and must not stop "doctor" from being a content word.
TITLES = frozenset("mr mrs ms miss dr sir".split())
# The full stop of an abbreviated title ends no sentence. "Miss" and "Sir" are no abbreviations; "St." is a street too.
_TITLE_STOP = re.compile(r"\b(?:Mr|Mrs|Ms|Dr)\.\s*$")


def _spans(text: str) -> Iterator[tuple[str, int]]:
    """Yield (word before case folding, its start in the normalised text)."""
    normal = unicodedata.normalize("NFKC", text).translate(_SAME)
    for match in _WORD.finditer(normal):
        yield match.group(), match.start()


def _fold(word: str) -> str:
    """Case-fold one word and take a possessive ending off."""
    folded = word.casefold()
    if folded.endswith("'s") and folded not in CLOSED_CLASS and len(folded) > 2:
        return folded[:-2]
    return folded


def words(text: str) -> list[str]:
    """Split a text into words: case-folded, punctuation-free, possessive 's taken off.

    Args:
        text: any text.

    Returns:
        The words in order, repetitions kept; [] for a text without letters or digits.
    """
    return [_fold(word) for word, _ in _spans(text)]


def is_capital(word: str) -> bool:
    """Whether a word begins with a capital; letters of a script that has none count as such."""
    return word[:1].isalpha() and word[0] == word[0].upper()


def cased_words(text: str) -> list[tuple[str, bool]]:
    """The words that `words` gives, each with whether it begins with a capital."""
    return [(_fold(word), is_capital(word)) for word, _ in _spans(text)]


def capitalised_words(texts: Iterable[str]) -> set[str]:
    """Guess the names in some ADs without a character bank: words capitalised away from a sentence start.

    Source: method specification, "Distinctive words". "I" and titles are no names. Known slips: places and brands count
    as names; so does what follows a sentence that ends in a title ("... with the Dr. Smoke rises."); a name that only
    ever begins its sentences or follows another abbreviation ("St. Jude") is missed: pass a whole film where you can.

    Args:
        texts: ADs, best all of one film.

    Returns:
        Folded words.
    """
    found: set[str] = set()
    for text in texts:
        normal = unicodedata.normalize("NFKC", text).translate(_SAME)
        for word, start in _spans(text):
            before = normal[:start]
            inside = before.strip() and (not _SENTENCE_END.search(before) or _TITLE_STOP.search(before))
            if inside and word[0].isupper() and word != "I":
                found.add(_fold(word))
    return found - TITLES


def name_words(names: Iterable[str]) -> set[str]:
    """All words of some names but titles and closed-class words ("Dr. Ellie Sattler" gives ellie, sattler)."""
    return {word for name in names for word in words(name)} - TITLES - CLOSED_CLASS


def casts_of(casts: Mapping[str, Iterable[str]] | None) -> dict[str, list[str]]:
    """The names of each film's cast, each film by its name as text.

    Args:
        casts: {film: names}; None is none.

    Raises:
        ValueError: if a cast is no list of names; one text would be taken letter by letter.
    """
    for film, cast in (casts or {}).items():
        if isinstance(cast, str) or not isinstance(cast, Iterable):
            raise ValueError(f"the cast of film {film!r} is {cast!r}, expected a list of names; put it into a list")
    return {str(film): list(cast) for film, cast in (casts or {}).items()}


def names_given(films: Iterable[object], names: Iterable[object]) -> str:
    """For which films the names are a cast's, in the words of a metric's signature.

    Args:
        films: that are scored.
        names: the films of which a cast is given.
    """
    every, listed = {str(film) for film in films}, {str(film) for film in names}
    if every <= listed:
        return "given"
    some = f"given for {len(every & listed)} of {len(every)} films, else capitalised words"
    return some if every & listed else "capitalised words"


def distinctive_words(texts: Sequence[str], names: Iterable[str] = (), stop_list: bool = True) -> list[set[str]]:
    """Find for each AD of one window the words that stand in no OTHER AD of it.

    Source: paper, section 3.3 (w_d: duplicates filtered out, "such as character names, prepositions, and
    pronouns"); the stop list is our reading of that remark. Repetition inside one AD does not count against a
    word, and an empty text (a padded slot) gives no words and takes none away.

    Args:
        texts: the ADs of ONE window as sampled, padded slots as "".
        names: roles of the cast and characters of the prompt, whole names; every word of them is left out. When
            there are none, words capitalised away from a sentence start in `texts` stand in for them.
        stop_list: also leave out CLOSED_CLASS and the names; False keeps every word that is not duplicated.

    Returns:
        One set of folded words per text, in order.
    """
    bags = [set(words(text)) for text in texts]
    holders = Counter(word for bag in bags for word in bag)
    own = [{word for word in bag if holders[word] == 1} for bag in bags]
    if not stop_list:
        return own
    given = name_words(names)
    stopped = CLOSED_CLASS | (given if given else capitalised_words(texts))
    return [bag - stopped for bag in own]
