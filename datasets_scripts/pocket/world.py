"""What exists in the pocket world: colours, objects, places, light, actions and the looks of people.

Only lists and small frozen records; nothing is drawn, told or sampled here. `story.py` decides what
happens, `language.py` says it, `draw.py` paints it. Lengths are in stage units: the wide picture is
640 x 360 units, x to the right, y down, the floor at y = FLOOR_Y; an adult is PERSON_HEIGHT tall and an
object about OBJECT_SIZE across.
"""

from __future__ import annotations

from dataclasses import dataclass, field

STAGE_WIDTH, STAGE_HEIGHT = 640, 360
FLOOR_Y = 318.0
PERSON_HEIGHT = 230.0
OBJECT_SIZE = 96.0

# Twelve colours (RGB). Close pairs on purpose: red/orange, green/teal, blue/purple, white/grey.
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (208, 34, 44),
    "orange": (240, 122, 28),
    "yellow": (247, 208, 50),
    "green": (52, 158, 68),
    "teal": (24, 150, 146),
    "blue": (42, 92, 214),
    "purple": (128, 62, 186),
    "pink": (244, 130, 178),
    "brown": (126, 80, 44),
    "white": (244, 244, 240),
    "grey": (140, 144, 150),
    "black": (34, 34, 40),
}

OBJECTS: tuple[str, ...] = (
    "cup", "bottle", "book", "lamp", "ball", "hat", "umbrella", "key",
    "phone", "clock", "guitar", "chair", "box", "suitcase", "vase", "apple",
    "fish", "candle", "bell", "drum", "kite", "bucket", "broom", "sword",
    "crown", "mirror", "bear", "balloon", "letter", "camera", "cake", "plant",
)  # fmt: skip

PLACES: tuple[str, ...] = (
    "kitchen", "bedroom", "office", "library", "garden", "beach", "street", "forest",
    "classroom", "hospital", "cafe", "park", "rooftop", "garage", "station", "theatre",
)  # fmt: skip

LIGHTS: tuple[str, ...] = ("day", "morning", "evening", "night")


@dataclass(frozen=True)
class Action:
    """One thing that people do.

    Attributes:
        key: the slot value, also the key of the synonym table.
        takes_object: whether an object is held or used.
        takes_partner: whether a second person is part of it.
        motion_only: single frames do not tell it from another action (its twin is `twin`).
        twin: the action with the same poses in another order, or "".
    """

    key: str
    takes_object: bool = False
    takes_partner: bool = False
    motion_only: bool = False
    twin: str = ""


_ONE_PERSON = (
    Action("pick_up", takes_object=True, motion_only=True, twin="put_down"),
    Action("put_down", takes_object=True, motion_only=True, twin="pick_up"),
    Action("lift", takes_object=True),  # held high above the head with both arms
    Action("throw", takes_object=True),
    Action("carry", takes_object=True),  # walks with it in both arms
    Action("push", takes_object=True, motion_only=True, twin="pull"),
    Action("pull", takes_object=True, motion_only=True, twin="push"),
    Action("kick", takes_object=True),
    Action("point_at", takes_object=True),
    Action("shake", takes_object=True, motion_only=True, twin="inspect"),
    Action("drop", takes_object=True),
    Action("inspect", takes_object=True),  # holds it close to the face
    Action("sit_down", motion_only=True, twin="stand_up"),
    Action("stand_up", motion_only=True, twin="sit_down"),
    Action("jump"),
    Action("wave"),
    Action("dance"),
    Action("kneel"),
    Action("run"),
    Action("bow"),
    Action("clap"),
    Action("fall"),
    Action("cover_face"),
    Action("cheer"),  # both arms up, no object
)
_TWO_PERSON = (
    Action("hug", takes_partner=True),
    Action("shake_hands", takes_partner=True),
    Action("give", takes_object=True, takes_partner=True),
    Action("shove", takes_partner=True),
    Action("dance_with", takes_partner=True),
    Action("whisper_to", takes_partner=True),
    Action("high_five", takes_partner=True),
    Action("chase", takes_partner=True),
)
ACTIONS: dict[str, Action] = {a.key: a for a in (*_ONE_PERSON, *_TWO_PERSON)}

# Besides the 32 told actions, figures may be "idle" (stand and breathe) or "talk" (dialogue, mouth moves).
RESTING: tuple[str, ...] = ("idle", "talk")

HAIR_STYLES = ("short", "long", "bun", "curly", "bald", "ponytail", "mohawk", "bob")
HAIR_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (30, 26, 28),
    "brown": (104, 62, 32),
    "blond": (236, 200, 96),
    "red": (196, 72, 28),
    "grey": (170, 170, 176),
    "blue": (62, 110, 220),
}
SKINS: dict[str, tuple[int, int, int]] = {
    "pale": (250, 220, 196),
    "tan": (222, 172, 128),
    "brown": (160, 108, 72),
    "dark": (98, 64, 46),
}
GARMENTS = ("coat", "shirt", "dress", "jumper")
PATTERNS = ("plain", "stripes", "dots", "checks")
ACCESSORIES = ("none", "glasses", "scarf", "cap", "beard", "earrings")


@dataclass(frozen=True)
class Look:
    """How one person looks; `index` is its place in LOOKS."""

    index: int
    hair_style: str
    hair_colour: str
    skin: str
    garment: str
    garment_colour: str
    pattern: str
    accessory: str
    pronoun: str  # "he" or "she"


def _make_looks(count: int = 60) -> tuple[Look, ...]:
    """Sixty looks by fixed strides through the attribute lists, so that no two agree in hair AND garment."""
    garment_colours = list(COLOURS)
    hair = list(HAIR_COLOURS)
    looks: list[Look] = []
    for i in range(count):
        pronoun = "she" if i % 2 else "he"
        style = HAIR_STYLES[(i * 3 + i // 8) % len(HAIR_STYLES)]
        accessory = ACCESSORIES[(i * 5 + i // 6) % len(ACCESSORIES)]
        garment = GARMENTS[(i + i // 12) % len(GARMENTS)]
        if pronoun == "she":
            style = "long" if style == "bald" else style
            accessory = "scarf" if accessory == "beard" else accessory
        else:
            garment = "coat" if garment == "dress" else garment
            accessory = "glasses" if accessory == "earrings" else accessory
        looks.append(
            Look(
                index=i,
                hair_style=style,
                hair_colour=hair[(i * 5 + i // 12) % len(hair)],
                skin=list(SKINS)[(i * 3 + i // 7) % len(SKINS)],
                garment=garment,
                garment_colour=garment_colours[(i * 7 + i // 12) % len(garment_colours)],
                pattern=PATTERNS[(i // 3 + i // 12) % len(PATTERNS)],
                accessory=accessory,
                pronoun=pronoun,
            )
        )
    return tuple(looks)


LOOKS: tuple[Look, ...] = _make_looks()


@dataclass(frozen=True)
class Prop:
    """A thing in the picture. `x` is its centre in stage units; it stands on the floor or on a table."""

    kind: str
    colour: str
    x: float = 0.0
    on_table: bool = False


@dataclass(frozen=True)
class Figure:
    """One visible person in a shot.

    Attributes:
        look: index into LOOKS.
        action: a key of ACTIONS or RESTING.
        x: where the feet stand, stage units.
        facing: +1 looks to the right, -1 to the left.
        thing: the object of the action, or None.
        partner: index into `Shot.figures` of the other person of a two-person action, or -1. Only the
            first of the two carries the action; the other one has action "partner" and the same pair.
        cycles: how often the action repeats within the shot.
        phase: offset of the cycle, 0..1.
    """

    look: int
    action: str
    x: float
    facing: int = 1
    thing: Prop | None = None
    partner: int = -1
    cycles: float = 1.0
    phase: float = 0.0


@dataclass(frozen=True)
class Camera:
    """What part of the stage is seen: centre (x, y) in stage units and zoom (1 = wide, 1.6 = medium, 2.5 = close).

    The camera moves linearly from (x, zoom) to (x + pan, zoom * push) while its cut lasts.
    """

    x: float = STAGE_WIDTH / 2
    y: float = STAGE_HEIGHT / 2
    zoom: float = 1.0
    pan: float = 0.0
    push: float = 1.0


@dataclass(frozen=True)
class Shot:
    """A piece of film in which the same people do the same things: all that the painter needs.

    Attributes:
        place: one of PLACES.
        light: one of LIGHTS.
        figures: the visible people, drawn in order.
        props: things standing around (never the things of actions).
        cuts: (end fraction in 0..1, camera), in order, the last one ends at 1.
        variant: seed of the place's decoration (furniture, tints); constant within a scene.
        grade: colour grade of the film (r, g, b gains around 1).
    """

    place: str
    light: str
    figures: tuple[Figure, ...]
    props: tuple[Prop, ...] = ()
    cuts: tuple[tuple[float, Camera], ...] = ((1.0, Camera()),)
    variant: int = 0
    grade: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class CastMember:
    """A person of a film: id, role name, actor's name, look."""

    id: str
    name: str
    actor: str
    look: int


@dataclass(frozen=True)
class Fact:
    """What one person does in a clip: the unit that an AD tells."""

    person: int  # index into the cast
    action: str
    object: str = ""
    colour: str = ""
    partner: int = -1


@dataclass(frozen=True)
class Clip:
    """One AD interval of a film: what is seen, what is true, what is told.

    Attributes:
        facts: everything that people do in it; `told` indexes the one that the AD tells.
        also: an extra detail the AD tells: "" | "place" | "light" | "colour".
        pronoun: the AD says he/she instead of the name.
        text: the ground-truth AD (set by `story.make_film` through `language.tell`).
    """

    index: int
    scene: int
    start_s: float
    end_s: float
    shot: Shot
    facts: tuple[Fact, ...]
    told: int
    novel: bool
    also: str = ""
    pronoun: bool = False
    text: str = ""


@dataclass(frozen=True)
class Line:
    """One line of dialogue: who says what when, and what is seen meanwhile."""

    start_s: float
    end_s: float
    person: int
    text: str
    shot: Shot


@dataclass(frozen=True)
class Film:
    """A whole pocket film. Clips and lines alternate on one timeline without overlap."""

    seed: int
    preset: str
    cast: tuple[CastMember, ...]
    clips: tuple[Clip, ...]
    lines: tuple[Line, ...]
    duration_s: float
    grade: tuple[float, float, float] = field(default=(1.0, 1.0, 1.0))
