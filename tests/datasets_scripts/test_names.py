from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datasets_scripts.names import clean_role, is_descriptive, oddness, prompt_name, surname

# role, what is left of it, the prompt's name
CASES = [
    ("Nick Charles", "Nick Charles", "Nick"),
    ("Nora", "Nora", "Nora"),
    ("Robert(as Alan Marshall)", "Robert", "Robert"),
    ("Robert (as Alan Marshall)", "Robert", "Robert"),
    ("Zombie(uncredited)", "Zombie", "Zombie"),
    ("Tintin(voice)", "Tintin", "Tintin"),
    ("Rarity(voice)…", "Rarity", "Rarity"),
    ("Pleakley(voice)(as Kevin Mcdonald)", "Pleakley", "Pleakley"),
    ("Carol Danvers…", "Carol Danvers", "Carol"),
    ("Carol Danvers...", "Carol Danvers", "Carol"),
    ("Val(as Zerrick", "Val", "Val"),
    ("Carl (Masked Man)", "Carl", "Carl"),
    ("Swim Team Member (segment: \"Valentine's Day\")", "Swim Team Member", "Swim Team Member"),
    ("Amit [archive footage]", "Amit", "Amit"),
    ("((double))Ann", "Ann", "Ann"),
    ("Mr. Popper", "Mr. Popper", "Popper"),
    ("Mrs. Reichman", "Mrs. Reichman", "Reichman"),
    ("Ms. Miller", "Ms. Miller", "Miller"),
    ("Miss Torso", "Miss Torso", "Torso"),
    ("Dr. Leonard Green", "Dr. Leonard Green", "Leonard"),
    ("Dr Green", "Dr Green", "Green"),
    ("Doctor Beverly Crusher", "Doctor Beverly Crusher", "Beverly"),
    ("Captain Jean-Luc Picard", "Captain Jean-Luc Picard", "Jean-Luc"),
    ("Capt. K'Temoc", "Capt. K'Temoc", "K'Temoc"),
    ("Lt. Chang", "Lt. Chang", "Chang"),
    ("2nd Lt. William Martinez", "2nd Lt. William Martinez", "William"),
    ("Sub-Cmdr. Taris", "Sub-Cmdr. Taris", "Taris"),
    ("Sgt. Sam Austen", "Sgt. Sam Austen", "Sam"),
    ("Professor Charles Xavier", "Professor Charles Xavier", "Charles"),
    ("Senator Brandt", "Senator Brandt", "Brandt"),
    ("Aunt Katherine", "Aunt Katherine", "Katherine"),
    ("Police Commissioner Hardy", "Police Commissioner Hardy", "Hardy"),
    ("Chief Inspector Hubbard", "Chief Inspector Hubbard", "Hubbard"),
    ("Principal H. James Kwan", "Principal H. James Kwan", "James"),
    ("J. Jonah Jameson", "J. Jonah Jameson", "Jonah"),
    ("Alonzo D. Emmerich", "Alonzo D. Emmerich", "Alonzo"),
    ("P.J. Harper", "P.J. Harper", "P.J."),
    ("Young Cole", "Young Cole", "Cole"),
    ("Old Tom", "Old Tom", "Tom"),
    ("Teen Lily", "Teen Lily", "Lily"),
    ("14 Year Old Frank", "Frank", "Frank"),
    ("25 Year-old Wesley Crusher", "Wesley Crusher", "Wesley"),
    ("12-Year-Old-Hannah", "Hannah", "Hannah"),
    ("Alvy - Age 9", "Alvy", "Alvy"),
    ("'Dancer'", "Dancer", "Dancer"),
    ("'K'", "K", "K"),
    ("'Bim' Nolan", "'Bim' Nolan", "Bim"),
    ("Ben 'Obi-Wan' Kenobi", "Ben 'Obi-Wan' Kenobi", "Obi-Wan"),
    ("Commander William Thomas 'Will' Riker", "Commander William Thomas 'Will' Riker", "Will"),
    ("Lt. Dwight 'Flat-Top' Saunders", "Lt. Dwight 'Flat-Top' Saunders", "Flat-Top"),
    ("James Buchanan \"Bucky\" Barnes", "James Buchanan \"Bucky\" Barnes", "Bucky"),
    ("Alastor \u2018Mad-Eye\u2019 Moody", "Alastor \u2018Mad-Eye' Moody", "Mad-Eye"),
    ("Jack 'The Hammer' Smith", "Jack 'The Hammer' Smith", "Jack"),
    ("Emmet(as Barry 'Shabaka' Henley)", "Emmet", "Emmet"),
    ("Chief Miles O'Brien", "Chief Miles O'Brien", "Miles"),
    ("Ensign Lian T'Su", "Ensign Lian T'Su", "Lian"),
    ("Jor-El", "Jor-El", "Jor-El"),
    ("R2-D2", "R2-D2", "R2-D2"),
    ("Krazy-8", "Krazy-8", "Krazy-8"),
    ("#812 Wynarski", "Wynarski", "Wynarski"),
    ("Officer #1", "Officer", "Officer"),
    ("Priest No. 1", "Priest", "Priest"),
    ("Security Guard 1", "Security Guard", "Security Guard"),
    ("Treehorn Thug #2", "Treehorn Thug", "Treehorn Thug"),
    ("625(voice)", "625", "625"),
    ("Rodrigo - Acne Kid", "Rodrigo", "Rodrigo"),
    ("Albert, Campaign Aide", "Albert", "Albert"),
    ("Alvin Portsmouth, Mediator", "Alvin Portsmouth", "Alvin"),
    ("Billy Sherman, Jr.", "Billy Sherman Jr.", "Billy"),
    ("Ernie Klump Jr.", "Ernie Klump Jr.", "Ernie"),
    ("The Shape / Patrolman #3", "The Shape", "Shape"),
    ("Beldar Conehead / Donald R. DeCicco", "Beldar Conehead", "Beldar"),
    ("Peter Parker aka Spider-Man", "Peter Parker", "Peter"),
    ("The Storyteller", "The Storyteller", "Storyteller"),
    ("First Detective", "First Detective", "First Detective"),
    ("Police Officer", "Police Officer", "Police Officer"),
    ("FBI Special Agent", "FBI Special Agent", "FBI Special Agent"),
    ("Woman in Exercise Video", "Woman in Exercise Video", "Woman in Exercise Video"),
    ("The Guy in the Coffee House", "The Guy in the Coffee House", "Guy in the Coffee House"),
    ("Man Reading Magazine", "Man Reading Magazine", "Man Reading Magazine"),
    ("King of Spain", "King of Spain", "King"),
    ("Lex's Assistant", "Lex's Assistant", "Lex's Assistant"),
    ("The President's Secretary", "The President's Secretary", "President's Secretary"),
    ("Ray 'Bones' Barboni", "Ray 'Bones' Barboni", "Bones"),
    ("Colonel 'Fingers' Lacy", "Colonel 'Fingers' Lacy", "Fingers"),
    ("Jane 'Peaches' Bartkowicz", "Jane 'Peaches' Bartkowicz", "Peaches"),
    ("Grady 'Coon-Ass' Travis", "Grady 'Coon-Ass' Travis", "Coon-Ass"),
    ("'Bones' Barboni", "'Bones' Barboni", "Bones"),
    ("Ray 'Bones' Barboni's Dog", "Ray 'Bones' Barboni's Dog", "Ray 'Bones' Barboni's Dog"),
    ("The Jones' Dog", "The Jones' Dog", "Jones' Dog"),
    ("Annie's \"Dad\"", "Annie's \"Dad\"", "Annie's \"Dad\""),
    ("Outdoor Café Woman(as Emilie Leclerc)", "Outdoor Café Woman", "Outdoor Café Woman"),
    ("Édouard", "Édouard", "Édouard"),
    ("E\u0301douard", "Édouard", "Édouard"),
    ("Señor Álvarez", "Señor Álvarez", "Álvarez"),
    ("Mr. _______", "Mr. _______", "Mr. _______"),
    ("  Bob\t Cratchit ", "Bob Cratchit", "Bob"),
    ("Mara<face>", "Mara face", "Mara"),
    ("Bob\u0000Smith", "Bob Smith", "Bob"),
    ("Captain", "Captain", "Captain"),
    ("Old Man Winslow", "Old Man Winslow", "Winslow"),
    ("Head Orderly Frye", "Head Orderly Frye", "Frye"),
    ("Security Guard George", "Security Guard George", "George"),
    ("School Principal Ellen Parker", "School Principal Ellen Parker", "Ellen"),
    ("First Officer Ombit(voice)", "First Officer Ombit", "Ombit"),
    ("Assistant Director Andy McClaren", "Assistant Director Andy McClaren", "Andy"),
    ("Chef Didier", "Chef Didier", "Didier"),
    ("Other Scott", "Other Scott", "Scott"),
    ("Three Year Old Luke", "Luke", "Luke"),
    ("Guy Haines", "Guy Haines", "Guy"),
    ("Dad Hall", "Dad Hall", "Dad"),
    ("Nick Walker", "Nick Walker", "Nick"),
    ("Dr. Walker", "Dr. Walker", "Walker"),
    ("Officer Manning", "Officer Manning", "Manning"),
    ("15 Year Old #1", "15 Year Old", "15 Year Old"),
    ("Street Preacher", "Street Preacher", "Street Preacher"),
    ("Dog Walker(as Geoff McGivern)", "Dog Walker", "Dog Walker"),
    ("High School Administrator", "High School Administrator", "High School Administrator"),
    ("Head Laborer", "Head Laborer", "Head Laborer"),
    ("Chief Inspector", "Chief Inspector", "Chief Inspector"),
    ("Detective Pope", "Detective Pope", "Pope"),
    ("Running Cadet", "Running Cadet", "Running Cadet"),
    ("Young Man Buying Ring", "Young Man Buying Ring", "Young Man Buying Ring"),
    ("Priest Giving Last Rites", "Priest Giving Last Rites", "Priest Giving Last Rites"),
    ("Officer Outside Harrolds Apartment", "Officer Outside Harrolds Apartment", "Officer Outside Harrolds Apartment"),
    ("Man #1 at Book Signing", "Man #1 at Book Signing", "Man #1 at Book Signing"),
    ("Keeper of the Seeds", "Keeper of the Seeds", "Keeper of the Seeds"),
    ("(voice)", "", ""),
    ("…", "", ""),
    ("---", "", ""),
    ("", "", ""),
]  # fmt: skip


def test_there_are_at_least_eighty_cases() -> None:
    assert len({role for role, _, _ in CASES}) == len(CASES) >= 80


@pytest.mark.parametrize(("role", "clean", "name"), CASES)
def test_roles_become_names(role: str, clean: str, name: str) -> None:
    assert (clean_role(role), prompt_name(role)) == (clean, name)


@pytest.mark.parametrize("role", ["Self", "Himself", "Self - Designer", "Self(uncredited)"])
def test_self_is_the_actor(role: str) -> None:
    assert prompt_name(role, "Seth Rogen") == "Seth"
    assert prompt_name(role) == role.split("(")[0].split(" ")[0]


@pytest.mark.parametrize(
    ("role", "last"),
    [
        ("Nick Charles", "Charles"), ("Mrs. Reichman", "Reichman"), ("Nora", ""), ("David Justice", "Justice"),
        ("Ernie Klump Jr.", "Klump"), ("Police Officer", ""), ("Lex's Assistant", ""), ("King of Spain", ""),
        ("Ben 'Obi-Wan' Kenobi", "Kenobi"), ("Captain", ""),
    ],
)  # fmt: skip
def test_surnames(role: str, last: str) -> None:
    assert surname(role) == last


def test_descriptions_are_no_names() -> None:
    assert all(is_descriptive(r) for r in ("Bartender", "Masked Man", "Man in Line", "(voice)"))
    assert not any(is_descriptive(r) for r in ("Nick Charles", "Nora", "Dr. Green", "Guy Pearce"))


def test_the_oddest_come_first() -> None:
    # A word of the lists that was taken for a name is more doubtful than a description, a note or a title.
    roles = ["Chief of Staff", "Nurse in Emergency Room(uncredited)", "Lt. Chang", "Ann (voice)"]
    assert oddness(roles[0]) > 10 > max(oddness(role) for role in roles[1:])
    roles = ["Nick Charles", "Mr. _______'s White Voice(voice)", "Dr. Green"]
    assert sorted(roles, key=oddness) == ["Nick Charles", "Dr. Green", "Mr. _______'s White Voice(voice)"]
    assert oddness("Nick Charles") == 0


@settings(max_examples=80, deadline=None)
@example("0 ' \"")
@given(st.text(max_size=60))
def test_any_text_gives_a_printable_name_or_none(role: str) -> None:
    clean, name = clean_role(role), prompt_name(role, "A. Actor")
    for text in (clean, name):
        assert text.isprintable() and text == text.strip() and not set(text) & set("<>")
    assert bool(clean) == bool(name) and clean_role(clean) in (clean, clean_role(clean))
