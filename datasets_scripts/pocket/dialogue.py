"""Small talk for the dialogue lines of pocket films: three to nine words that give no coming fact away.

Lines hold no object noun, action verb, colour, place or light at all (a test holds it); a caller forbids further
words, e.g. all slots of the next ADs, with `forbidden`.
"""

from __future__ import annotations

import random
import re

_FILLERS: dict[str, tuple[str, ...]] = {
    "time": ("today", "tomorrow", "on Monday", "next week", "this year", "before lunch", "by Friday", "later"),
    "who": ("your sister", "my brother", "the doctor", "our neighbour", "your mother", "the teacher", "my cousin"),
    "mood": ("tired", "happy", "worried", "hungry", "nervous", "ready", "lonely", "proud", "fine"),
    "topic": ("the weather", "the news", "that rumour", "the wedding", "your plan", "the money", "our trip"),
    "judge": ("wonderful", "terrible", "ridiculous", "perfect", "strange", "unfair", "brilliant", "dangerous"),
}
PATTERNS: tuple[str, ...] = tuple(
    pattern.strip()
    for pattern in """
    Are you {mood} already?|I feel so {mood} {time}.|You look {mood}, my friend.|Why are you always {mood}?
    I was never this {mood}.|Please tell me about {topic}.|What do you think of {topic}?|Nobody believes in {topic}.
    Please forget about {topic}.|I heard about {topic} from {who}.|Did {who} mention {topic}?|Have you seen {who}?
    I miss {who} very much.|Where is {who} {time}?|I promised {who} to be {mood}.|We should invite {who} {time}.
    Does {who} know about {topic}?|That sounds {judge} to me.|What a {judge} thing to say.|It was {judge}, believe me.
    Isn't that {judge}?|How {judge} of you!|I find {topic} rather {judge}.|Nothing {judge} ever happens here.
    Can we talk about it {time}?|I will tell you {time}.|We leave {time}, I think.|Maybe we will know more {time}.
    It has to be done {time}.|Will you be there {time}?|What are we doing {time}?|I thought so too.
    You never listen to me.|I have no idea.|That is not what I meant.|Do you really mean that?
    Well, this is new.|I owe you an apology.|Thank you for everything.|You were right all along.
    It could be much worse.|Who told you that?|I can explain all of it.|Not everyone would agree.
    Are you quite sure?|Nobody asked me about it.|Please, not so loud.|I did my best, honestly.
    We have been here before.|How long will it last?|Is anyone listening to us?|I need more time.
    That was a long wait.|It is too early for this.|Sleep well, my dear.|Something smells good here.
    Tell me the truth.|It is a secret.|Do not worry so much.|My feet hurt.
    I am sure it is nothing.|Did you hear that?|I could use some tea.|We used to be friends.
    You have my word.|It was only a joke.|That makes no sense at all.|Say that again, please.
    I am late, as usual.|Everything will be all right.|Can I trust you?|Things are different now.
    You always say that.|I never liked mathematics.|How was your journey?|Is it raining again?
    They will be here soon.|We must be patient.|I must think about it.|This is our only chance.
    I wish you were older.|Remember what we agreed.|You sound like {who}.|I dreamed about {who} again.
    Is {who} still angry?|Ask {who}, not me.|Be honest with {who}.|When did {who} become so {mood}?
    """.replace("\n", "|").split("|")
    if pattern.strip()
)


def _expand(pattern: str) -> list[str]:
    """All lines of one pattern."""
    lines = [pattern]
    for slot, fillers in _FILLERS.items():
        if f"{{{slot}}}" in pattern:
            lines = [line.replace(f"{{{slot}}}", filler) for line in lines for filler in fillers]
    return lines


_LINES: tuple[tuple[str, ...], ...] = tuple(tuple(_expand(pattern)) for pattern in PATTERNS)


def spoken_words(line: str) -> set[str]:
    """The lower-case words of a line, without punctuation."""
    return set(re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", line.lower()))


def dialogue_line(rng: random.Random, forbidden: set[str]) -> str:
    """Draw a line of small talk.

    Args:
        rng: source of the choice; first a pattern, then one of its lines.
        forbidden: lower-case words that the line must not hold, e.g. `language.slot_words` of the next two ADs.

    Returns:
        A line of 3 to 9 words.

    Raises:
        ValueError: if the forbidden words leave no line.
    """
    for _ in range(20):
        line = rng.choice(rng.choice(_LINES))
        if not spoken_words(line) & forbidden:
            return line
    left = [line for lines in _LINES for line in lines if not spoken_words(line) & forbidden]
    if not left:
        raise ValueError(f"all lines hold one of {len(forbidden)} forbidden words; forbid slot words only")
    return rng.choice(left)
