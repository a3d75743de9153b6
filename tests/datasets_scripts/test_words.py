import collections
import csv
import json
from pathlib import Path

import pytest

from datasets_scripts.windows import windows
from datasets_scripts.words import CLOSED_CLASS, capitalised_words, casts_of, distinctive_words, name_words, words

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mara's cup, MARA\u2019S Cup!", ["mara", "cup", "mara", "cup"]),
        ("The boys' 'dancer' doesn't stop.", ["the", "boys", "dancer", "doesn't", "stop"]),
        (
            "A well\u2010known t-shirt - at 5 o'clock--gone",
            ["a", "well-known", "t-shirt", "at", "5", "o'clock", "gone"],
        ),
        ("Stra\u00dfe CAF\u00c9 \u0130da e\u0301t\u00e9", ["strasse", "caf\u00e9", "i\u0307da", "\u00e9t\u00e9"]),
        ("It's snake_case ... ", ["it", "snake", "case"]),
        ("\u201c\u2026\u201d 's", ["s"]),
        ("", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_distinctive_words_by_hand():
    texts = ["Mara picks up the red cup.", "Mara drops a cup, a big cup.", "", "He waves and waves at Tom."]
    assert distinctive_words(texts, stop_list=False) == [
        {"picks", "up", "the", "red"}, {"drops", "a", "big"}, set(), {"he", "waves", "and", "at", "tom"},
    ]  # fmt: skip
    assert distinctive_words(texts, ["Mara Lind", "Dr. Tom Hale"]) == [
        {"picks", "red"},
        {"drops", "big"},
        set(),
        {"waves"},
    ]


def test_names_are_guessed_without_a_bank_only():
    texts = ["Slowly Mara waves.", "The doctor greets Dr. Tom."]
    assert capitalised_words(texts) == {"mara", "tom"}
    assert distinctive_words(["Slowly Mara waves."]) == [{"slowly", "waves"}]
    assert distinctive_words(["Slowly Mara waves."], ["Tom"]) == [{"slowly", "mara", "waves"}]
    assert capitalised_words(["I said: Go! \u201cGo.\u201d", "and I went"]) == set()


def test_a_titles_full_stop_ends_no_sentence():
    assert capitalised_words(["He sees Mr. Smith and Dr. Malcolm."]) == {"smith", "malcolm"}
    assert capitalised_words(["Mrs. Lee and\u2028Ms. Day meet Miss Otto, Sir Ian."]) == {"lee", "day", "otto", "ian"}
    # "Miss" and "Sir" are whole words: their full stop ends the sentence; so does that of "rooms." or a small "ms."
    assert capitalised_words(["They miss. Otto runs. Good day, Sir. Mara nods. Two rooms. Rain. 20 ms. Snow."]) == set()
    # The known slips, one each way.
    assert capitalised_words(["She is with the Dr. Smoke rises."]) == {"smoke"}
    assert capitalised_words(["A statue of St. Jude."]) == {"st"}


@pytest.mark.parametrize("cast", ["Mara", None, 7])
def test_a_cast_is_a_list_of_names(cast):
    with pytest.raises(ValueError, match="the cast of film 7 is .*, expected a list of names; put it into a list"):
        casts_of({"f": ["Mara"], 7: cast})
    assert casts_of({7: ("Mara", "Otto"), "f": []}) == {"7": ["Mara", "Otto"], "f": []} and casts_of(None) == {}


def test_name_words_leave_titles_and_articles_to_the_text():
    assert name_words(["Dr. Ellie Sattler", "The Mother of John"]) == {"ellie", "sattler", "mother", "john"}


def test_a_word_is_distinctive_in_at_most_one_text_and_an_empty_slot_changes_nothing():
    texts = ["a man runs", "a man walks", "dogs run home", "a man runs home"]
    own = distinctive_words(texts, ["x"], stop_list=False)
    assert sum(len(bag) for bag in own) == len(set().union(*own))
    assert distinctive_words([*texts, ""], ["x"], stop_list=False) == [*own, set()]


def test_closed_class_holds_folded_words_only():
    assert all(words(word) in ([word], [word.removesuffix("'s")]) for word in CLOSED_CLASS)
    assert {"she", "with", "the", "and", "is"} <= CLOSED_CLASS
    assert not {"cup", "slowly", "back", "turns"} & CLOSED_CLASS


def _films(name, text, film, start):
    rows = collections.defaultdict(list)
    names = {}
    with (DATA / name).open(encoding="utf-8", errors="replace", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            rows[row[film]].append((start(row), number, row[text]))
            names[row[film]] = row["imdbid"]
    return {key: [entry[2] for entry in sorted(value, key=lambda e: e[:2])] for key, value in rows.items()}, names


@pytest.mark.skipif(not DATA.is_dir(), reason="the public annotation files are not here")
@pytest.mark.parametrize(
    ("name", "text", "film", "start", "duplicates", "listed", "empty"),
    [
        ("madeval_anno.csv", "sentence", "movie", lambda r: (0, float(r["start"])), 0.480, 0.382, 0.034),
        ("cmdad_anno.csv", "text", "movie", lambda r: (int(r["cmd_clip_idx"]), float(r["start"])), 0.466, 0.367, 0.034),
        ("tvad_anno.csv", "text", "imdbid_pe", lambda r: (0, float(r["start"])), 0.481, 0.358, 0.061),
    ],
)
def test_shares_of_kept_words_are_the_specification_s(name, text, film, start, duplicates, listed, empty):
    films, imdb = _films(name, text, film, start)
    eval_cast = json.loads((DATA / "cast_list_for_eval.json").read_text(encoding="utf-8"))
    tv_bank = json.loads((DATA / "tvad_charbank.json").read_text(encoding="utf-8"))
    total = kept = kept_listed = bare = ads = 0
    for key, texts in films.items():
        roles = [person["role"] for person in tv_bank.get(key, [])] or eval_cast.get(imdb[key], [])
        for rows in windows(len(texts), 16):
            window = [texts[i] for i in rows]
            every, own = distinctive_words(window, stop_list=False), distinctive_words(window, roles)
            for ad, loose, tight in zip(window, every, own, strict=True):
                total += len(words(ad))
                kept += sum(word in loose for word in words(ad))
                kept_listed += sum(word in tight for word in words(ad))
                bare += not tight
                ads += 1
    assert kept / total == pytest.approx(duplicates, abs=0.002)
    assert kept_listed / total == pytest.approx(listed, abs=0.02)
    assert bare / ads == pytest.approx(empty, abs=0.01)
