"""English words by what they do in a description's sentence: what `shorten` knows of the language, and all of it."""

from __future__ import annotations

import re

DETERMINERS = frozenset("a an the his her their its this that these those some one two three four".split())
QUANTITIES = frozenset("several many few all most more other five six seven eight nine ten both no every each".split())
PREPOSITIONS = frozenset(
    "about above across after against along among around at atop before behind below beneath beside between beyond by "
    "despite during from in inside into like near of on onto outside over past through to toward towards under "
    "underneath until upon with within without for out like".split()
)
PARTICLES = frozenset("about along in off on out over through".split())
JOINERS = frozenset("as while when where who which that because although though until if whose".split())
RELATIVES = frozenset("who which that whose where".split())
CLAUSES = frozenset("as while when where because although though until if".split())  # of the whole sentence
SUBJECTS = DETERMINERS | frozenset("he she they it someone somebody everyone both".split())
OBJECTS = SUBJECTS | frozenset("him them me us you himself herself itself themselves".split())
BE = frozenset("is are am was were be been being".split())
NEEDY = BE | frozenset(  # verbs that say nothing, or something else, without what follows
    "has have seems appears remains becomes stays belongs puts sets lays places gets heads makes keeps bursts breaks "
    "finds depends relies consists".split()
)
SEEMING = frozenset("looks feels seems sounds smells tastes acts".split())
# A sentence without one of these says the opposite, or more than it did.
REVERSING = frozenset(
    "almost nearly barely hardly scarcely rarely seldom not never no cannot nobody none nothing neither nor only "
    "merely seemingly apparently supposedly allegedly virtually practically partly partially falsely".split()
)
DEGREES = frozenset("very so too as more most less quite rather how all just even right".split())
ADVERBS = frozenset("now still again instantly twice once suddenly just also even simply often".split())
NO_ADVERBS = frozenset(
    "family belly bully jelly lily assembly anomaly butterfly holly reply apply supply imply comply multiply rally "
    "tally italy elderly friendly unfriendly lonely lovely ugly silly early daily weekly deadly lively curly ghostly "
    "costly cowardly likely unlikely sickly chilly smelly".split()
)
ADJECTIVE = re.compile(r"[^\W\d_A-Z][\w-]*(?:ful|ous|ish|less|ive|able|ible|some|ical|iant|ent|ese|ic|y|ed)$")
ADJECTIVES = frozenset(
    "red blue green yellow black white grey gray brown pink purple orange golden silver turquoise teal slate crimson "
    "navy beige violet scarlet amber old new young big small large little long short tall thick thin dark light "
    "bright pale heavy soft hard warm cold wet dry clean broken modern quaint odd plain bizarre beloved exotic "
    "unusual favourite weathered battered second wooden".split()
)
# Nouns with an adjective's ending, and adjectives without which a thing is another ("a toy gun").
NO_ADJECTIVES = frozenset(
    "boy lady baby body city party enemy army navy deputy cowboy secretary sentry attorney country county story study "
    "lobby hallway alley valley chimney key monkey donkey pony puppy daddy mummy mommy buddy family guy day birthday "
    "way subway doorway runway tray play display money honey jury duty beauty century library gallery factory battery "
    "bakery memory history victory mystery ferry berry candy penny copy entry ceremony balcony sky ray turkey music "
    "fabric mechanic comic attic clinic critic picnic panic topic traffic medic cleric logic magic student agent "
    "client patient parent president resident moment event tent scent accent content present cement document "
    "instrument apartment department garment pavement basement monument servant fish dish wish finish cheese geese "
    "table cable vegetable detective captive fugitive olive bed shed seed weed wounded injured toy dummy imaginary "
    "stuffed alleged supposed attempted failed wooden second".split()
)
NO_NOUN = frozenset(
    "high low up down out off away back overhead aside forward open together home here there aloft closer and then but "
    "or behind carefully next later longer again too ahead apart instead enough first today tonight yet".split()
)
NOT_VERBS = frozenset(
    "as is his its this us thus always perhaps across yes whereas besides towards afterwards sometimes upstairs "
    "downstairs backwards forwards upwards downwards sideways indoors outdoors others hers ours theirs yours".split()
)
HANGING = DETERMINERS | JOINERS | REVERSING | BE | (DEGREES - {"all", "right"})
HANGING |= frozenset(
    "and then but or than of with to from at into by for against toward towards upon like between".split()
)
PARTS = frozenset("lot last kind sort type couple number pair bunch rest bit".split())  # "a lot of"
