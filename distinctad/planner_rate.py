"""How long a voice takes for a text, learnt from the voice itself; and how many words a stretch of time can hold.

Rates that are assumed are not rates that are spoken (one published case: 170 words a minute assumed, 203 found), so a
profile is fitted to sentences that the voice has said. Without a voice the budget is 2.5 words a second.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from datasets_scripts.words import words

WORDS_A_SECOND = 2.5  # a published prompt for describers; W3C's draft allows fewer than 3, a studio's sample uses 3
_LETTERS = 4.6  # of a word, mean of English running text
_DIGIT_LETTERS = 5  # of a digit's word, tens and hundreds in part; editor_words.js has the same
# Han and Japanese syllables: written without blanks, two of them take about as long as a word.
_UNSPACED = re.compile("[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_MARKS = r"[,;:.!?\u2026\u2013\u2014]"
_BREAK = re.compile(rf"(?<!{_MARKS}){_MARKS}+(?=\s)")  # from the first mark of a run, or each would be read to its end
# Sentences of 2 to 20 words, as descriptions are; written for this purpose.
SENTENCES: tuple[str, ...] = (
    "She nods.",
    "He looks up.",
    "Night falls.",
    "A dog barks twice.",
    "The old man sits down.",
    "Rain runs down the window.",
    "She opens the red umbrella.",
    "He puts the letter away, unread.",
    "Two boys chase a ball downhill.",
    "An empty train leaves the station.",
    "The woman at the counter counts coins.",
    "He pulls a crumpled map from his coat.",
    "In the kitchen, a kettle begins to steam.",
    "She leans out of the window and waves both arms.",
    "The children stop, stare at the horse, then run away.",
    "He climbs the narrow stairs with a lamp in his hand.",
    "Slowly, the heavy curtain rises on an almost empty stage.",
    "A waiter carries a tower of plates through the swinging door.",
    "She writes three numbers on her palm and closes her fist.",
    "Behind the fence, somebody has painted a blue door on the wall.",
    "The captain studies the horizon, lowers his telescope, and shakes his head.",
    "Under a grey sky, dozens of umbrellas cross the bridge towards the harbour.",
    "He takes off his glasses, breathes on them, and polishes them with his tie.",
    "Beside the fireplace, an elderly woman in a green cardigan knits without looking at her hands.",
    "As the lift doors close, the young detective notices a wet footprint on the marble floor outside.",
    "She unfolds the photograph, holds it against the lamp, and finds the same house standing behind the trees.",
)


@dataclass(frozen=True)
class Rate:
    """Seconds of a text = start_s + word_s * words + letter_s * letters + break_s * breaks inside of it.

    Attributes:
        voice: whose rate it is.
        start_s: seconds that every text costs.
        word_s: seconds a word.
        letter_s: seconds a letter.
        break_s: seconds a comma, full stop or the like before another word.
        error: mean of |predicted - measured| / measured over sentences left out of the fit in turn; None if assumed.
    """

    voice: str
    start_s: float
    word_s: float
    letter_s: float
    break_s: float
    error: float | None = None

    def seconds(self, text: str) -> float:
        """Predict how long a text takes, in seconds; 0 for one without words."""
        count, letters, breaks = _features(text)
        if not count:
            return 0.0
        return max(0.05, self.start_s + self.word_s * count + self.letter_s * letters + self.break_s * breaks)

    def words_in(self, seconds: float) -> int:
        """The budget: how many words of ordinary length fit into `seconds`."""
        a_word_s = self.word_s + _LETTERS * self.letter_s
        return max(0, math.floor((seconds - self.start_s) / a_word_s + 1e-9))


def spoken_words(tokens: Sequence[str]) -> int:
    """How many words are spoken, two characters of a writing without blanks counted as one.

    Args:
        tokens: words as they stand between blanks.

    Returns:
        Their number: one for each token with another letter or digit in it, and those pairs.
    """
    unspaced = sum(len(_UNSPACED.findall(token)) for token in tokens)
    return math.ceil(unspaced / 2) + sum(any(map(str.isalnum, _UNSPACED.sub("", token))) for token in tokens)


def _features(text: str) -> tuple[int, int, int]:
    """Words, letters and breaks of a text as it is spoken: a digit is a word of its own ("1987" is no short word)."""
    found = words(text)
    digits = sum(c.isdecimal() for word in found for c in word)
    count = digits + spoken_words([word for word in found if not word.isdecimal()])
    letters = sum(len(word) for word in found) + (_DIGIT_LETTERS - 1) * digits
    return count, letters, len(_BREAK.findall(text.strip()))


def assumed(words_a_second: float = WORDS_A_SECOND) -> Rate:
    """A rate that nobody has measured.

    Args:
        words_a_second: positive.

    Returns:
        The rate.

    Raises:
        ValueError: if it is no number from 0.5 to 10.
    """
    if not 0.5 <= words_a_second <= 10:
        raise ValueError(f"words_a_second is {words_a_second}; expected 0.5 to 10; give what a reader can say")
    return Rate(f"assumed, {words_a_second:g} words a second", 0.0, 1.0 / words_a_second, 0.0, 0.0)


def calibrate(voice: str, seconds: Callable[[str], float], sentences: Sequence[str] = SENTENCES) -> Rate:
    """Fit a rate to what a voice takes.

    Least squares on relative errors, so that short sentences count as much as long ones. Own choice: four features,
    none of them of one language alone.

    Args:
        voice: its name.
        seconds: measures a sentence.
        sentences: at least eight.

    Returns:
        The rate, with its error on sentences left out in turn.

    Raises:
        ValueError: on too few sentences, or a voice that says nothing.
    """
    import numpy as np

    measured = np.array([seconds(sentence) for sentence in sentences])
    if len(sentences) < 8 or not (measured > 0).all():
        raise ValueError(f"{len(sentences)} sentences; expected at least 8, all of them spoken; check the voice")
    rows = np.array([(1, *_features(sentence)) for sentence in sentences], float)
    weighted = rows / measured[:, None]

    def fit(keep: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(weighted[keep], np.ones(int(keep.sum())), rcond=None)[0]

    everything = np.ones(len(sentences), bool)
    missed = []
    for left_out in range(len(sentences)):
        keep = everything.copy()
        keep[left_out] = False
        missed.append(abs(float(weighted[left_out] @ fit(keep)) - 1.0))
    start_s, word_s, letter_s, break_s = (float(value) for value in fit(everything))
    return Rate(voice, start_s, word_s, letter_s, break_s, float(np.mean(missed)))


@cache
def measured_rate(name: str = "auto") -> Rate:
    """Calibrate a voice of this machine, once.

    Args:
        name: as in `distinctad.audio.voice.find_voice`.

    Returns:
        Its rate.

    Raises:
        UserError: if there is no such voice.
    """
    from distinctad.audio.voice import find_voice

    voice = find_voice(name)
    return calibrate(voice.name, voice.seconds)
