"""Roles as databases write them, and the name that a prompt uses.

Source: data specification ("first token of the role unless it is a title"), after AutoAD-II's rule: the
first token, or the second where the first ends with a full stop. What goes beyond it is our own choice: notes in
brackets, nicknames in quotes, possessives, roles that describe instead of naming ("Man in Line"), and "Self". The word
lists were made by reading the public banks.
"""

from __future__ import annotations

import re
import unicodedata

TITLES: frozenset[str] = frozenset(
    """
    mr mrs ms miss mister missus master madam madame monsieur mademoiselle mme mlle señor señora señorita don doña herr
    frau fräulein signor signora sir dame lady lord king queen prince princess duke duchess count countess baron
    baroness emperor empress czar tsar pharaoh dr doctor prof professor captain capt cpt commander cmdr cdr sub-cmdr
    subcommander lieutenant lt ltjg general gen colonel col sergeant sgt sarge major maj corporal cpl private pvt ensign
    ens admiral adm commodore rear vice petty staff gunnery gunny marshal commandant cadet airman seaman crewman
    crewmember yeoman trooper officer det detective agent special inspector insp superintendent constable sheriff deputy
    ranger warden commissioner chief father fr mother sister brother friar abbot reverend rev pastor rabbi imam bishop
    archbishop cardinal pope saint st aunt auntie uncle cousin grandpa grandma grandfather grandmother granny president
    pres senator sen governor gov mayor congressman congresswoman secretary minister chancellor ambassador judge justice
    principal dean coach nurse counselor counsellor daimon the young younger old older little big small teen teenage
    adult baby acting hon honorable police
    """.split()
)
"""Words that stand before a name and are none; ages too ("Young Cole" is Cole)."""

GENERIC: frozenset[str] = frozenset(
    """
    man woman men women people couple guy girl boy kid child baby lady gentleman person officer cop policeman
    policewoman guard soldier
    agent detective nurse doctor paramedic technician waiter waitress bartender barman clerk receptionist secretary
    teacher student reporter anchor anchorman anchorwoman newscaster announcer driver pilot attendant passenger guest
    dancer singer customer patron worker employee assistant operator manager host hostess owner cook chef maid butler
    neighbor neighbour friend mother father mom dad son daughter sister brother wife husband prisoner inmate thug goon
    henchman robber thief assassin killer victim witness lawyer attorney judge juror priest minister bride groom
    scientist engineer sergeant captain general lieutenant player coach fan mechanic gardener staff crew crewman member
    trooper warrior zombie monster ghost demon vampire robot computer voice narrator storyteller boss villager farmer
    fisherman sailor marine bouncer dealer hooker prostitute stripper model actor actress director producer photographer
    janitor cashier vendor salesman saleswoman shopper tourist pedestrian jogger biker trucker cabbie interviewer
    executive chaperone aide clown sheriff deputy
    """.split()
)
"""Words that end a role which describes instead of naming ("Police Officer", "Masked Man")."""

DESCRIBING: frozenset[str] = frozenset(
    """
    first second third fourth fifth head lead main assistant executive other another new tall large fat
    thin skinny angry drunk drunken concerned elderly aged pregnant masked hooded bearded bald homeless injured wounded
    dead dying running screaming crying laughing kissing nervous cute handsome rich poor random mysterious street
    hospital school office stage hotel prison parking security shop store bar dog train truck bus taxi cab elevator
    helicopter holodeck flight air town study campaign party baseball music dance book building news tv television
    radio camera movie film wedding funeral church court courtroom bank airport college university lab construction
    team group ground crew lobby station transporter phone flower delivery pizza newspaper press health desk day
    """.split()
)
"""Words that say which one of many is meant; before a trade they describe, before a name they are left out."""

TRADES: frozenset[str] = frozenset(
    """
    administrator advisor analyst announcer attendant auctioneer baker barber beggar bellboy bellhop bellman binder
    boxer broker bugler busboy butcher bystander caller candidate caretaker caterer chaplain character cheerleader
    citizen client conductor consultant contestant controller coroner correspondent courier creature decoy dentist
    doorman drunk dresser editor elder elf florist force foreman gangster ghillie goer gunman hand handler heckler
    instructor intern introducer jock keep keeper laborer labourer landlady landlord leader librarian lookout
    maidservant mailman marshal marshall mate matron mercenary merchant messenger mixer monitor monk musician official
    onlooker orderly parent partygoer patient performer pharmacist preacher protester psychiatrist punk realtor referee
    representative resident roommate scout security spectator staffer steward stormtrooper stylist surgeon survivor
    swimmer tenant therapist trainer twin umpire usher valet visitor walker washer watchman wolf writer yakuza
    """.split()
)
"""Words that end a describing role like those of GENERIC, but are family names too: only after a describing word."""

_OFFICES = frozenset(
    "chancellor chief commissioner constable inspector minister president superintendent warden".split()
)
_FIRST_NAMES = frozenset("guy marine sailor dad mom".split())  # words of GENERIC by which people are called
_PEOPLE = frozenset("man woman boy girl kid child lady guy men women people couple".split())
_PREPOSITIONS = frozenset(
    "of in at on with from for by to and & the a an near under behind outside inside over during".split()
)
_SUFFIXES = frozenset("jr sr ii iii iv v esq phd md".split())
_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*(?:[)\]]|$)")
_NUMBER_TAIL = re.compile(r"(?:\s*#\s*\d+|\s+no\.?\s*\d+|\s+\d+)$", re.IGNORECASE)
_AGE = r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)[ -]years?[ -]old"
_NUMBER_HEAD = re.compile(rf"^(?:#\s*\d+\s+|{_AGE}[ -]*)(?=\S)", re.IGNORECASE)
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")
_QUOTED = re.compile(r"(?:(?<=\s)|^)[\"'\u2018\u201c]([^\"\u2018\u201c\u201d]{1,30}?)[\"'\u2019\u201d](?=\s|,|$)")
_SELF = re.compile(r"(?:self|himself|herself|themselves)(?:\b.*)?", re.IGNORECASE)
_SAME = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u00a0": " ", "\u2010": "-", "\u2011": "-", "<": " ", ">": " "})


def clean_role(role: str) -> str:
    """Take out of a role what is not said of the person: notes, counters, second roles, marks.

    "(voice)", "(uncredited)", "(as Alan Marshall)" and all else in brackets, the ellipsis that stands for further
    roles, everything from " / ", " - " or a comma on, "#2", quotes around the whole. `<` and `>`, marks of the
    model's prompt, become blanks.

    Args:
        role: as a bank holds it.

    Returns:
        The role, "" if nothing of it is left.
    """
    text = unicodedata.normalize("NFC", role).translate(_SAME)
    text = "".join(c if c.isprintable() else " " for c in text)
    while (shorter := _BRACKETS.sub(" ", text)) != text:
        text = shorter
    text = re.split(r"\u2026|\.\.\.", text)[0]
    text = re.split(r"\s*/\s*|\s+[-\u2013\u2014]\s+|\s+(?i:aka|a\.k\.a\.)\s+", text.strip())[0]
    head, comma, tail = text.partition(",")
    if comma and head.strip():
        suffix = tail.strip().split(" ")[0].rstrip(".").casefold()
        text = f"{head} {tail.strip()}" if suffix in _SUFFIXES else head
    text = _NUMBER_TAIL.sub("", " ".join(text.split())) or text
    text = _NUMBER_HEAD.sub("", text)
    if len(text) > 2 and text[0] in "\"'\u2018\u201c" and text[-1] in "\"'\u2019\u201d" and not _inner_quote(text):
        text = text[1:-1]
    text = " ".join(text.split()).strip(" ,;:*")
    return text if any(c.isalnum() for c in text) else ""


def _inner_quote(text: str) -> bool:
    return any(c in '"\u201c\u201d' for c in text[1:-1])


def _bare(token: str) -> str:
    return token.strip("\"'\u2018\u2019\u201c\u201d.,").casefold()


def _leads(token: str) -> bool:
    """Whether a token stands before a name: a title, an age, an ordinal, a single initial."""
    return _bare(token) in TITLES or bool(_ORDINAL.fullmatch(token.casefold()) or re.fullmatch(r"\w\.", token))


def is_descriptive(role: str) -> bool:
    """Whether a role describes somebody ("Man in Line", "Police Officer") instead of naming.

    Args:
        role: a role, cleaned or not.
    """
    tokens = [_bare(token) for token in clean_role(role).split()]
    while tokens and tokens[0] in ("the", "a", "an"):
        tokens = tokens[1:]
    if not tokens:
        return True
    if re.fullmatch(_AGE, " ".join(tokens)):
        return True  # "15 Year Old #1"
    if any(a in _PEOPLE | GENERIC - TITLES and b.endswith("ing") for a, b in zip(tokens, tokens[1:], strict=False)):
        return True  # "Man Reading Magazine"
    stop = next((i for i, token in enumerate(tokens) if i and token in _PREPOSITIONS), len(tokens))
    before = [token for i, token in enumerate(tokens[:stop]) if not i or not re.fullmatch(r"#?\d+", token)]
    if before[-1] in GENERIC or (before[-1] in TRADES and len(before) == 1 < len(tokens)):
        return True
    if len(before) > 1 and before[-1] in _OFFICES and all(token in TITLES for token in before):
        return True  # "Chief Inspector": nobody's name follows
    kinds = DESCRIBING | GENERIC - TITLES - _FIRST_NAMES  # "Dog Walker", but "Detective Walker" and "Guy Walker"
    return before[-1] in TRADES | TITLES and any(token in kinds for token in before[:-1])


def prompt_name(role: str, actor: str = "") -> str:
    """The name of a role as an AD would say it.

    A nickname in quotes ("William Thomas 'Will' Riker" is Will), else the first token that is no title, age or single
    initial. Who only has a relation keeps it whole ("Lex's Assistant"); a describing role keeps its description; "Self"
    is the actor.

    Args:
        role: as a bank holds it.
        actor: the actor's name, for "Self".

    Returns:
        The name, "" if the role holds none.
    """
    text = clean_role(role)
    if not text:
        return ""
    if _SELF.fullmatch(text):
        return prompt_name(actor) if actor and not _SELF.fullmatch(actor) else text.split()[0]
    tokens = text.split()
    unquoted = _QUOTED.sub("x", text).split()  # the quote that ends 'Bones' is no possessive
    if any(token.casefold().endswith(("'s", "s'")) for token in unquoted[:-1]):
        return re.sub(r"^the\s+", "", text, flags=re.IGNORECASE)
    nickname = _QUOTED.search(text)
    spelled = nickname is not None and any(c.isalnum() for c in nickname[1])
    if nickname and spelled and _bare(nickname[1].split(" ")[0]) not in TITLES and len(nickname[1].split()) < 3:
        return nickname[1].strip()
    if is_descriptive(text):
        return re.sub(r"^(?:the|an?)\s+", "", text, flags=re.IGNORECASE)
    rest = _without_leads(tokens)
    name = rest[0].strip('"\u201c\u201d,;:')
    if not any(c.isalnum() for c in name):
        return text  # "Mr. ____": nothing is better than what stands there
    return name.rstrip(".") if len(name) > 2 and name.count(".") == 1 else name


def _without_leads(tokens: list[str]) -> list[str]:
    """Take off what stands before a name: "Old Man Winslow", "Head Orderly Frye", "Dr. Green"."""
    rest = list(tokens)
    while len(rest) > 1 and (_leads(rest[0]) or _bare(rest[0]) in DESCRIBING | TRADES | GENERIC - _FIRST_NAMES):
        if _bare(rest[1]) in _PREPOSITIONS or rest[1][:1].islower():
            break  # "King of Spain": nobody's name follows
        rest = rest[1:]
    return rest


def surname(role: str) -> str:
    """The last name of a role with at least two names, else ""."""
    text = _QUOTED.sub(" ", clean_role(role))
    if is_descriptive(text) or any(token.endswith("'s") for token in text.split()):
        return ""
    tokens = [token for token in text.split() if _bare(token) not in _SUFFIXES]
    if any(_bare(token) in _PREPOSITIONS for token in tokens):
        return ""
    names = list(tokens)
    while names and _leads(names[0]):
        names = names[1:]
    return names[-1].strip(",.") if len(names) > 1 or (names and len(names) < len(tokens)) else ""


def oddness(role: str) -> float:
    """How doubtful a role's name is, to list the worst of a bank for a person to read: 0 for "Nick Charles".

    A name that is also a word of the lists above, or none; marks and digits in it or left in the role; a nickname; how
    much was cut, without the usual notes in brackets.
    """
    name, clean = prompt_name(role, "Actor"), clean_role(role)
    words = clean.split()
    common = len(words) > 1 and not is_descriptive(role) and _bare(name) in TITLES | GENERIC | DESCRIBING | TRADES
    marks = sum(not (c.isalpha() or c in " -'.") for c in clean)
    strange = sum(not (c.isalpha() or c in " -'.") for c in name)
    cut = len(_BRACKETS.sub("", role)) - len(clean)
    return 12 * common + 20 * (not name) + 2 * marks + 5 * strange + 0.2 * max(0, cut) + 0.1 * max(0, len(name) - 14)
