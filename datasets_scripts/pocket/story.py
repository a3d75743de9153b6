"""What happens in a pocket film: scenes, clips, who does what, what is told, when.

One rule makes the films worth describing together: an AD tells what is NEW. Every clip shows several true facts; with
probability 0.9 (`Preset.novelty`) the AD tells the one that is rare among its neighbours, else a constant of the
scene. People in the background repeat one scene-long action from the same list, and neither size nor position tells
who is meant. Everything follows from `random.Random` seeded with the film's seed and preset.
"""

from __future__ import annotations

import dataclasses
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from .dialogue import dialogue_line
from .language import caption, object_caption, slot_words, tell
from .names import ACTORS, pick_names
from .world import (
    ACTIONS,
    COLOURS,
    FLOOR_Y,
    LIGHTS,
    LOOKS,
    OBJECT_SIZE,
    OBJECTS,
    PLACES,
    STAGE_WIDTH,
    Camera,
    CastMember,
    Clip,
    Fact,
    Figure,
    Film,
    Line,
    Prop,
    Shot,
)

# Films of larger seeds, for blind evaluation only, show people, places and colours of things that no training picture
# shows; the language model has read of such places and colours.
BLIND_SEED = 900_000
HELD_OUT_PLACES: tuple[str, ...] = PLACES[5::2]
HELD_OUT_LOOKS: tuple[int, ...] = tuple(range(4, len(LOOKS), 5))
ONE_PERSON: tuple[str, ...] = tuple(key for key, action in ACTIONS.items() if not action.takes_partner)
TWO_PERSON: tuple[str, ...] = tuple(key for key, action in ACTIONS.items() if action.takes_partner)
MUTUAL: tuple[str, ...] = ("hug", "shake_hands", "dance_with", "high_five")
GUARD_S = 0.25  # silence between an AD interval and the next line
VARIANTS = 6  # decorations of a place
_MEMORY = 16  # told facts are not repeated within this many ADs: the window size


@dataclass(frozen=True)
class Preset:
    """How crowded the pictures are and how new the told facts.

    Attributes:
        novelty: probability that the AD tells the rare fact of its clip.
        background: probabilities of 0, 1, 2 background people beside the one who acts.
        props: fewest and most things standing around.
        habits: background people do the same thing all through a scene; False: another one in every clip.
    """

    novelty: float
    background: tuple[float, float, float]
    props: tuple[int, int]
    habits: bool = True


PRESETS: dict[str, Preset] = {
    "clear": Preset(novelty=0.9, background=(0.7, 0.3, 0.0), props=(1, 3)),
    "crowded": Preset(novelty=0.9, background=(0.0, 0.4, 0.6), props=(3, 6)),
    # The ablations' control: nothing stays the same and any fact is told, so neighbours say nothing. The literal way,
    # novelty 0, is none: what was told is not told again, so they would still say much (window oracle .66, single .43).
    "crowded_control": Preset(novelty=0.4, background=(0.0, 0.4, 0.6), props=(3, 6), habits=False),
}


def held_out_pair(colour: str, kind: str) -> bool:
    """Whether a colour-object pair is kept out of training (one in seven, 14 %)."""
    return (list(COLOURS).index(colour) * 5 + OBJECTS.index(kind)) % 7 == 3


def _thing(rng: random.Random, blind: bool, avoid: set[str]) -> tuple[str, str]:
    """A (kind, colour) that is allowed and whose kind is not to be avoided."""
    kind = rng.choice([k for k in OBJECTS if k not in avoid])
    colour = rng.choice([c for c in COLOURS if blind or not held_out_pair(c, kind)])
    return kind, colour


@dataclass
class _Scene:
    """What stays the same within a scene."""

    index: int
    place: str
    light: str
    variant: int
    people: list[int]
    props: tuple[Prop, ...]
    habits: dict[int, Fact]  # each person's scene-long background action


class _Writer:
    """Writes one film; holds the random source and what was told lately."""

    def __init__(self, seed: int, preset: str) -> None:
        self.rng = random.Random(f"pocket-{preset}-{seed}")
        self.seed, self.preset_name, self.preset = seed, preset, PRESETS[preset]
        self.blind = seed > BLIND_SEED
        red, green, blue = (round(self.rng.uniform(0.94, 1.06), 3) for _ in range(3))
        self.grade = (red, green, blue)
        self.cast = self._cast()
        self.actions: deque[str] = deque(maxlen=_MEMORY)
        self.objects: deque[str] = deque(maxlen=_MEMORY)
        self.told: deque[Fact] = deque(maxlen=_MEMORY)
        self.last_person = -1

    def _cast(self) -> tuple[CastMember, ...]:
        """3 to 5 people; names are drawn without regard to looks."""
        rng = self.rng
        count = rng.choices((3, 4, 5), (0.1, 0.4, 0.5))[0]
        looks = [i for i in range(len(LOOKS)) if self.blind or i not in HELD_OUT_LOOKS]
        names = pick_names(rng, count, held_out=self.blind and rng.random() < 0.5)
        actors = rng.sample(ACTORS, count)
        return tuple(
            CastMember(id=f"p{i + 1}", name=name, actor=actor, look=look)
            for i, (name, actor, look) in enumerate(zip(names, actors, rng.sample(looks, count), strict=True))
        )

    def scene(self, index: int) -> _Scene:
        """Draws place, light, people, things and the habits of a scene."""
        rng = self.rng
        places = [p for p in PLACES if self.blind or p not in HELD_OUT_PLACES]
        people = rng.sample(range(len(self.cast)), min(len(self.cast), rng.choice((2, 3, 3))))
        if self.preset_name != "clear" and len(people) < 3:
            people = rng.sample(range(len(self.cast)), 3)
        used: set[str] = set()
        props = []
        for slot in rng.sample((-60, 40, 130, 250, 380, 500, 600, 700), rng.randint(*self.preset.props)):
            kind, colour = _thing(rng, self.blind, used)
            used.add(kind)
            props.append(Prop(kind, colour, x=slot + rng.uniform(-15, 15), on_table=rng.random() < 0.5))
        habits = {}
        for person in people:
            habits[person] = self._alone(person, ONE_PERSON, used)
            used.add(habits[person].object)
        return _Scene(
            index, rng.choice(places), rng.choice(LIGHTS), rng.randrange(VARIANTS), people, tuple(props), habits
        )

    def _alone(self, person: int, actions: Sequence[str], used: set[str]) -> Fact:
        """Somebody does something without a partner, with a thing that is not used yet if it takes one."""
        action = self.rng.choice(actions)
        kind, colour = _thing(self.rng, self.blind, used) if ACTIONS[action].takes_object else ("", "")
        return Fact(person, action, kind, colour)

    def _around(self, scene: _Scene, fact: Fact, people: list[int]) -> list[Fact]:
        """What background people do while `fact` happens."""
        if self.preset.habits:
            return [scene.habits[person] for person in people]
        facts = [fact]
        for person in people:
            busy = {other.action for other in facts} | set(self.actions)
            used = {other.object for other in facts} | {prop.kind for prop in scene.props} | set(self.objects)
            facts.append(self._alone(person, [key for key in ONE_PERSON if key not in busy], used))
        return facts[1:]

    def _new_fact(self, scene: _Scene) -> Fact:
        """Something that nobody was told to do in the last window."""
        rng = self.rng
        habits = {habit.action for habit in scene.habits.values()}
        avoid = set(self.actions) | habits
        pool = [key for key in ACTIONS if key not in avoid]
        action = rng.choice(pool)
        person = rng.choice(scene.people)
        partner = -1
        if ACTIONS[action].takes_partner:
            partner = rng.choice([p for p in scene.people if p != person])
        kind = colour = ""
        if ACTIONS[action].takes_object:
            around = {prop.kind for prop in scene.props} | {habit.object for habit in scene.habits.values()}
            kind, colour = _thing(rng, self.blind, around | set(self.objects))
        return Fact(person, action, kind, colour, partner)

    def clip(self, index: int, scene: _Scene, first: bool, start_s: float) -> Clip:
        """One AD interval with its picture, facts and text."""
        rng = self.rng
        fact = self._new_fact(scene)
        busy = {fact.person, fact.partner}
        others = [p for p in scene.people if p not in busy]
        extra = rng.choices((0, 1, 2), self.preset.background)[0]
        background = rng.sample(others, min(extra, len(others)))
        facts = [fact, *self._around(scene, fact, background)]
        novel = not background or rng.random() < self.preset.novelty
        told = facts[0] if novel else facts[rng.randrange(1, len(facts))]
        if not novel and told in self.told:  # a habit is told once in a window, or ADs would repeat
            told, novel = facts[0], True
        order = list(facts)
        rng.shuffle(order)
        shot = self._shot(scene, order)
        also = self._detail(told, first)
        same = told.person == self.last_person
        pronoun = same and rng.random() < 0.5
        names = [member.name for member in self.cast]
        pronouns = [LOOKS[member.look].pronoun for member in self.cast]
        text = tell(told, names, pronouns, scene.place, scene.light, also, pronoun, rng)
        self.actions.append(told.action)
        self.objects.append(told.object)
        self.told.append(told)
        self.last_person = told.person
        end_s = round(start_s + rng.uniform(2.6, 4.0), 3)
        return Clip(
            index, scene.index, start_s, end_s, shot, tuple(order), order.index(told), novel, also, pronoun, text
        )

    def _detail(self, told: Fact, first: bool) -> str:
        """Which extra detail the AD tells: the place when the scene is new, now and then light or colour."""
        roll = self.rng.random()
        if first and roll < 0.7:
            return "place" if roll < 0.5 else "light"
        return "colour" if told.object and roll < 0.55 else ""

    def _shot(self, scene: _Scene, facts: list[Fact]) -> Shot:
        """Places the people of the facts from left to right and films them."""
        figures, groups = place_figures(facts, [member.look for member in self.cast], self.rng)
        return Shot(
            scene.place, scene.light, figures, scene.props, film_cuts(groups, self.rng), scene.variant, self.grade
        )

    def line(self, scene: _Scene, start_s: float, forbidden: set[str]) -> Line:
        """One line of dialogue between people of the scene."""
        rng = self.rng
        speaker, listener = rng.sample(scene.people, 2)
        looks = [self.cast[p].look for p in (speaker, listener)]
        x = rng.uniform(200, 260)
        figures = (
            Figure(looks[0], "talk", x, 1, cycles=3.0),
            Figure(looks[1], "idle", x + rng.uniform(150, 200), -1),
        )
        shot = Shot(scene.place, scene.light, figures, scene.props, ((1.0, Camera()),), scene.variant, self.grade)
        text = dialogue_line(rng, forbidden)
        end_s = round(start_s + 0.7 + 0.24 * len(text.split()), 3)
        return Line(start_s, end_s, speaker, text, shot)


def place_figures(facts: list[Fact], looks: list[int], rng: random.Random) -> tuple[tuple[Figure, ...], list[float]]:
    """Stands the people of facts on the stage, left to right; returns the figures and each group's middle x."""
    span = STAGE_WIDTH / len(facts)
    figures: list[Figure] = []
    groups: list[float] = []
    for slot, fact in enumerate(facts):
        x = span * (slot + 0.5) + rng.uniform(-0.12, 0.12) * span
        facing = rng.choice((-1, 1))
        if fact.action in MUTUAL:  # two do the same: the one named first stands on the left, or nobody could tell
            facing = 1
        thing = Prop(fact.object, fact.colour) if fact.object else None
        groups.append(x)
        if fact.partner < 0:
            figures.append(Figure(looks[fact.person], fact.action, x, facing, thing))
            continue
        first = len(figures)
        figures.append(Figure(looks[fact.person], fact.action, x - 40 * facing, facing, thing, partner=first + 1))
        figures.append(Figure(looks[fact.partner], "partner", x + 40 * facing, -facing, partner=first))
    return tuple(figures), groups


def film_cuts(groups: list[float], rng: random.Random) -> tuple[tuple[float, Camera], ...]:
    """One to three cuts. A tighter picture looks at a group picked without regard to who is told."""
    alone = len(groups) == 1
    centre = rng.choice(groups)
    wide = Camera(pan=rng.choice((0.0, 0.0, 30.0, -30.0)))
    medium = Camera(x=centre if alone else 0.5 * (centre + STAGE_WIDTH / 2), y=198.0, zoom=1.35 if alone else 1.15)
    pushed = dataclasses.replace(medium, push=1.12)
    close = Camera(x=centre, y=185.0, zoom=1.8 if alone else 1.3)
    roll = rng.random()
    if roll < 0.35:
        return ((1.0, rng.choice((medium, pushed))),)
    if roll < 0.6:
        return ((0.35, wide), (1.0, medium))
    if roll < 0.8:
        return ((0.75, medium), (1.0, close))
    return ((1.0, wide),)


def make_film(seed: int, preset: str = "clear", ads: int | None = None) -> Film:
    """Writes a film: 3 to 5 scenes of 6 to 14 ADs (24 to 40 in all), 150 to 240 s, lines between the ADs.

    Args:
        seed: at least 0; seeds above `BLIND_SEED` draw from everything, others from the training share only.
        preset: one of `PRESETS`.
        ads: number of ADs; drawn when None. The demo asks for 18.

    Returns:
        The film: a pure function of its arguments.

    Raises:
        ValueError: on a negative seed, an unknown preset or fewer than 6 ADs.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset is {preset!r}, expected one of {sorted(PRESETS)}")
    if seed < 0 or (ads is not None and ads < 6):
        raise ValueError(f"seed is {seed} and ads {ads}, expected seed >= 0 and ads >= 6")
    writer = _Writer(seed, preset)
    rng = writer.rng
    total = ads if ads is not None else rng.randint(26, 37)
    count = max(1, min(rng.choice((3, 4, 5)) if ads is None else 3, total // 6))
    cuts = [total // count + (i < total % count) for i in range(count)]
    clips: list[Clip] = []
    pauses: list[tuple[float, _Scene]] = []
    now = round(rng.uniform(0.5, 1.0), 3)
    for index, size in enumerate(cuts):
        scene = writer.scene(index)
        for position in range(size):
            clip = writer.clip(len(clips), scene, position == 0, now)
            clips.append(clip)
            pauses.append((round(clip.end_s + GUARD_S, 3), scene))
            now = round(clip.end_s + GUARD_S + rng.uniform(1.9, 2.9) + GUARD_S, 3)
    lines = tuple(_lines(writer, clips, pauses))
    duration_s = round(max(now, lines[-1].end_s + GUARD_S), 3)
    return Film(seed, preset, writer.cast, tuple(clips), lines, duration_s, writer.grade)


def _lines(writer: _Writer, clips: list[Clip], pauses: list[tuple[float, _Scene]]) -> list[Line]:
    """A line after each clip that holds no slot word of the next two ADs and ends before the next clip."""
    lines = []
    for i, (start_s, scene) in enumerate(pauses):
        coming = clips[i + 1 : i + 3]
        forbidden = set().union(*(slot_words(c.facts[c.told]) for c in coming)) if coming else set()
        line = writer.line(scene, start_s, forbidden)
        limit_s = coming[0].start_s - GUARD_S if coming else start_s + 2.5
        lines.append(dataclasses.replace(line, end_s=round(min(line.end_s, limit_s), 3)))
    return lines


def make_still(rng: random.Random) -> tuple[Shot, float, Fact, str]:
    """A clean, centred still with a plain caption, for the pre-training of the pocket CLIP.

    Args:
        rng: source of every choice.

    Returns:
        (shot, progress in 0..1, the fact of its first figure, caption); only training looks, places and
        colour-object pairs occur. Three in ten have an evening, morning or night light, as photographs do.
    """
    looks = [i for i in range(len(LOOKS)) if i not in HELD_OUT_LOOKS]
    two = rng.sample(looks, 2)
    action = rng.choice(list(ACTIONS))
    kind, colour = _thing(rng, False, set()) if ACTIONS[action].takes_object else ("", "")
    fact = Fact(0, action, kind, colour, 1 if ACTIONS[action].takes_partner else -1)
    figures, groups = place_figures([fact], two, rng)
    props = []
    for slot in rng.sample((130, 250, 390, 520), rng.choice((0, 1, 1, 2))):
        prop_kind, prop_colour = _thing(rng, False, {kind})
        props.append(Prop(prop_kind, prop_colour, slot, rng.random() < 0.5))
    place, light = _photo_ground(rng)
    camera = Camera(x=groups[0] + rng.uniform(-25, 25), y=198.0, zoom=rng.choice((1.0, 1.2, 1.35, 1.35, 1.6)))
    shot = Shot(place, light, figures, tuple(props), ((1.0, camera),), rng.randrange(VARIANTS))
    return shot, rng.random(), fact, caption(figures[0], shot, rng)


def make_object_still(rng: random.Random) -> tuple[Shot, Prop, str]:
    """A still of one thing that stands on the floor, nobody in sight: where a tower learns what things look like.

    Args:
        rng: source of every choice.

    Returns:
        (shot, the thing, caption); the thing takes a fifth of the picture's height up to nearly all of it. Only
        training places and colour-object pairs occur.
    """
    kind, colour = _thing(rng, False, set())
    place, light = _photo_ground(rng)
    prop = Prop(kind, colour, rng.uniform(120.0, 520.0))
    zoom = rng.uniform(1.0, 3.2)
    camera = Camera(x=prop.x + rng.uniform(-200, 200) / zoom, y=FLOOR_Y - OBJECT_SIZE / 2, zoom=zoom)
    shot = Shot(place, light, (), (prop,), ((1.0, camera),), rng.randrange(VARIANTS))
    return shot, prop, object_caption(prop, rng)


def _photo_ground(rng: random.Random) -> tuple[str, str]:
    """Place and light of a still: a training place, by day in seven of ten."""
    light = "day" if rng.random() < 0.7 else rng.choice(LIGHTS[1:])
    return rng.choice([p for p in PLACES if p not in HELD_OUT_PLACES]), light
