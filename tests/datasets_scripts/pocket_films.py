"""A hand-made pocket film of two scenes, for tests that must not depend on the story writer."""

from datasets_scripts.pocket.world import CastMember, Clip, Fact, Figure, Film, Line, Prop, Shot

CAST = (
    CastMember("p1", "Zoë", "Ada Actor", 1),
    CastMember("p2", "Bo", "Ben Actor", 2),
    CastMember("p3", "Cy", "Cat Actor", 6),
)


def shot(*facts, place="kitchen"):
    figures = tuple(
        Figure(CAST[f.person].look, f.action, 150 + 220 * i, thing=Prop(f.object, f.colour) if f.object else None)
        for i, f in enumerate(facts)
    )
    return Shot(place, "day", figures)


def clip(index, scene, start_s, facts, told, text, also="", novel=True):
    return Clip(index, scene, start_s, start_s + 1.0, shot(*facts), tuple(facts), told, novel, also, text=text)


JUMP, DANCE, KICK = Fact(0, "jump"), Fact(1, "dance"), Fact(0, "kick", "ball", "red")
DROP, GIVE = Fact(2, "drop", "cup", "blue"), Fact(1, "give", "book", "green", 2)


def tiny_film(seed=5):
    """4 ADs, 2 lines, 2 scenes, 7 s."""
    clips = (
        clip(0, 0, 0.5, [JUMP, DANCE], 0, "Zoë jumps."),
        clip(1, 0, 2.0, [DANCE, KICK], 1, "She kicks a red ball.", also="colour"),
        clip(2, 0, 3.2, [DANCE, DROP], 0, "Bo dances.", novel=False),
        clip(3, 1, 5.5, [GIVE], 0, "Bo gives Cy the book."),
    )
    lines = (
        Line(1.55, 1.95, 0, "I {know} so.", shot(JUMP)),
        Line(4.3, 5.3, 1, "You never listen.", shot(DANCE)),
    )
    return Film(seed, "crowded", CAST, clips, lines, 7.0)
