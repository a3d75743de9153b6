"""The verbs of a description, without a parser: a list of the verbs that descriptions use, and how they are inflected.

Own design, in place of a part-of-speech tagger. A word counts as a verb if some form of it is in the list and the word
before it is no determiner or possessive ("his look", "a walk"). Pluggable: anything from text to a set of lemmas will
do.
"""

from __future__ import annotations

import re

_VERBS = """
add adjust aim answer appear applaud approach argue arm arrive ascend ask attack awaken back balance bang bark bathe
beam beat beckon begin bend bite blink block blow blush board bolt bounce bow break breathe bring brush buckle burn
burst bury bustle button buy call cancel caress carry carve catch celebrate change charge chase chat chatter check
cheer chew chop chuckle circle clamber clap clasp clean clear clench climb cling close clutch collapse collect comb
come comfort compose confront consider consult continue cook count cover cower crack cradle crash crawl creep cringe
cross crouch crumple crush cry cuddle curl cut cycle dance dangle dart dash deal descend dial die dig dip disappear
discover dive dock dodge doze drag drape draw dress drift drink drive drop drum dry duck dump dunk eat edge embrace
emerge empty enter erase escape examine exchange exit explode extend eye face fade fall fan fasten feed feel fetch
fiddle fidget fight fill find finger finish fire fish fix flail flash flee flick fling flip float flop flow fly focus
fold follow forage force form freeze frown fumble gallop gasp gather gaze gesture get giggle give glance glare gleam
glide glow gnaw go grab grasp greet grimace grin grip groan grope grow gulp halt hammer hand hang haul head heal hear
heave help hesitate hide hit hobble hoist hold hop hover hug hunch hurl hurry ignore inch inhale inspect jerk jog join
jump keep kick kill kiss kneel knit knock land lash laugh launch lay lead lean leap leave leer let lick lie lift light
limp line linger listen load lock loom look lower lunge make march marry measure meet melt mix mop mount mouth move
munch muse nap nibble nod note notice nudge nurse offer open order pace pack paint pant park pass pat pause peel peer
perch perform pet phone photograph pick pin place play plop pluck plunge point poke polish pop pose pound pour pray
preen present press pretend produce prop pull pump punch purse push put quiver race rain raise rattle reach react read
rear recline recoil regard reload remain remove repair reply rest retreat retrieve return reveal reverse ride ring rip
rise roar rock roll rub run rush salute save scamper scan scatter scoop scowl scramble scrape scratch scream screw
scribble scroll scrub scurry search see seize send serve set shake share shave shear shelter shift shine shiver shoot
shout shove show shower shrug shudder shuffle shut sigh sign signal sing sink sip sit skate skid skim skip slam slap
slash sleep slice slide slink slip slow slump smack smash smell smile smirk smoke smooth snap snarl snatch sneak sneer
sneeze sniff snore snow snuggle soak soar sob spar spare spark speak speed spill spin spit splash split spot sprawl
spray spread spring sprinkle sprint squat squeeze squint stab stack stagger stalk stand stare start startle stay steady
steal steam steer step stick stir stomp stoop stop store storm straddle straighten strain stray stretch stride strike
stroke stroll struggle strum study stuff stumble suck surround survey swallow sway sweat sweep swerve swig swim swing
swirl swoop take talk tap taste tear tease tell thank throw thrust thumb tickle tidy tie tighten tilt tiptoe toast toss
touch tow tower trace trail train trap travel tread tremble trip trot trudge try tuck tug tumble turn twirl twist type
uncover undo undress unfold unlock unpack untie unwrap unzip use usher vanish vault vomit wade wait wake walk wander
wash watch wave wear weave weep weigh whip whirl whisper whistle widen win wince wind wink wipe wish wobble work wrap
wrench wrestle wring write yank yawn yell zip zoom
"""
LEMMAS = frozenset(_VERBS.split())
_IRREGULAR = {
    "lay": "lie", "lying": "lie", "lies": "lie", "dying": "die", "tying": "tie", "ran": "run", "sat": "sit",
    "stood": "stand", "took": "take", "gave": "give", "went": "go", "goes": "go", "held": "hold", "found": "find",
    "broke": "break", "drove": "drive", "ate": "eat", "fell": "fall", "flew": "fly", "got": "get", "left": "leave",
    "made": "make", "met": "meet", "put": "put", "rode": "ride", "rose": "rise", "saw": "see", "sang": "sing",
    "slept": "sleep", "swam": "swim", "threw": "throw", "told": "tell", "wore": "wear", "wept": "weep", "won": "win",
    "wrote": "write", "kept": "keep", "led": "lead", "lit": "light", "shot": "shoot", "shook": "shake",
    "drew": "draw", "drank": "drink", "caught": "catch", "brought": "bring", "began": "begin", "came": "come",
    "fled": "flee", "swung": "swing", "hung": "hang", "struck": "strike", "spoke": "speak", "bit": "bite",
}  # fmt: skip
_BEFORE_NOUNS = frozenset("a an the his her its their my your our this that these those each every some any no".split())
_WORD = re.compile(r"[^\W\d_]+")


def _forms() -> dict[str, str]:
    """Every regular form of the list and the irregular ones, with their lemma."""
    forms: dict[str, str] = {}
    for lemma in sorted(LEMMAS):
        stem = lemma[:-1] if lemma.endswith("e") and not lemma.endswith(("ee", "ye")) else lemma
        endings = [lemma + "s", lemma + "es", stem + "ing", lemma + "d" if lemma.endswith("e") else lemma + "ed"]
        if lemma.endswith("y") and lemma[-2] not in "aeiou":
            endings += [lemma[:-1] + "ies", lemma[:-1] + "ied"]
        if re.search(r"[^aeiou][aeiou][bdgklmnprt]$", lemma):
            endings += [lemma + lemma[-1] + "ing", lemma + lemma[-1] + "ed"]
        for form in endings:
            forms.setdefault(form, lemma)
    forms |= {form: lemma for form, lemma in _IRREGULAR.items() if lemma in LEMMAS and form not in LEMMAS}
    return {**forms, **{lemma: lemma for lemma in LEMMAS}}


_LEMMA_OF = _forms()


def verbs_of(text: str) -> set[str]:
    """Lemmas of the verbs of a text; see the module."""
    found, before = set(), ""
    for match in _WORD.finditer(text.lower()):
        word = match.group()
        if word in _LEMMA_OF and before not in _BEFORE_NOUNS:
            found.add(_LEMMA_OF[word])
        before = word
    return found
