"""Reading sentences back: sources, states, padding, what trains, and the whole line on tiny towers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

from train import appendix_a
from train.appendix_a import AppendixAArguments, parse_tests, read_sentences, scores
from train.reconstruction import (
    Reconstruction,
    SentenceCollator,
    States,
    TextTower,
    installed,
    load_reader,
    schedule,
    stack_states,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def test_sentences_of_a_table_are_drawn_once_each_and_never_from_a_test(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('n,text\n1,"He runs, fast."\n2,She sits.\n3,She sits.\n4,\n5,It is a very long one.\n', "utf-8")
    source = f"{path}:text"
    assert {s.read for s in read_sentences(source, 9)} == {"He runs, fast.", "She sits.", "It is a very long one."}
    assert {s.read for s in read_sentences(source, 9, ["She sits."], max_words=4)} == {"He runs, fast."}
    assert read_sentences(source, 2) == read_sentences(source, 9)[:2]
    with pytest.raises(ValueError, match="expected 'sentence'"):
        read_sentences(f"{path}:sentence", 9)
    with pytest.raises(ValueError, match="cannot be read"):
        read_sentences(f"{path}x:text", 9)
    with pytest.raises(ValueError, match="no sentence"):
        read_sentences(source, 9, max_words=1)


def test_a_table_that_is_not_utf8_is_read_as_it_is_validated(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"n,sentence\n1,A \x80 man.\n2,Caf\xc3\xa9.\n")
    assert {s.read for s in read_sentences(f"{path}:sentence", 9)} == {"A \u20ac man.", "Caf\u00e9."}
    with pytest.raises(ValueError, match="expected 'text'"):
        read_sentences(f"{path}:text", 9)
    path.write_bytes(b"n,sentence\n1,A \x80 man.\n2,One,too many.\n")
    with pytest.raises(ValueError, match="row 1: 3 cells, expected 2"):
        read_sentences(f"{path}:sentence", 9)


@pytest.mark.parametrize(
    ("train", "said"), [("pocket:1-3", "film 3 is in both train and tests, a"), ("pocket:1,900001", "film 900001")]
)
def test_tested_and_blind_films_are_not_trained_on(train: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        appendix_a._prepare(AppendixAArguments(train=train, tests="a=pocket:3-4"), None)


def test_models_made_anew_in_their_folders_are_another_run(
    towers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, texts in (("a", "He runs.\nShe sits."), ("b", "It rains.")):
        (tmp_path / f"{name}.csv").write_text(f"text\n{texts}\n", encoding="utf-8")
        shutil.copytree(towers[{"a": "clip", "b": "lm"}[name]], tmp_path / name)
    run: list[str] = []
    monkeypatch.setattr(appendix_a, "run_arm", lambda *given: (given[-1].mkdir(parents=True), run.append("an arm"))[1])
    monkeypatch.setattr(appendix_a, "table", lambda *_: "")
    monkeypatch.setattr(appendix_a.RunRecord, "write", lambda self, folder, _: (folder / "run_record.json").write_text(
        '{"metrics": {}}'))  # fmt: skip
    argv = ["--output_dir", str(tmp_path / "out"), "--text", str(tmp_path / "a"), "--language", str(tmp_path / "b"),
            "--train", f"{tmp_path / 'a.csv'}:text", "--tests", f"b={tmp_path / 'b.csv'}:text",
            "--table", str(tmp_path / "t.md")]  # fmt: skip
    for expected in (2, 0):
        run.clear()
        assert appendix_a.main(argv) == 0 and len(run) == expected
    for folder, part in (("a", "text_projection.weight"), ("b", "transformer.wte.weight")):
        weights = load_file(tmp_path / folder / "model.safetensors")
        save_file({**weights, part: weights[part] + 1}, tmp_path / folder / "model.safetensors", {"format": "pt"})
        run.clear()
        assert appendix_a.main(argv) == 0 and len(run) == 2, folder


def test_pocket_sentences_tell_slots_and_read_names() -> None:
    rows = read_sentences("pocket:1", 100)
    with_people = [row for row in rows if "<person_1>" in row.told]
    assert with_people and all("<person" not in row.read for row in rows)


def test_tests_may_hold_commas_in_seeds() -> None:
    assert parse_tests("a=x.csv:t,b=pocket:1-2,5") == {"a": "x.csv:t", "b": "pocket:1-2,5"}
    with pytest.raises(ValueError, match="each name once"):
        parse_tests("a=x,a=y")


def test_schedule_holds_every_item_once_an_epoch() -> None:
    lengths = [n % 7 for n in range(40)]
    order = schedule(lengths, 4, 2, seed=1, pool=5)
    assert len(order) == 80 and sorted(order[:40]) == list(range(40)) == sorted(order[40:])
    assert order == schedule(lengths, 4, 2, seed=1, pool=5) != schedule(lengths, 4, 2, seed=2, pool=5)
    spread = [
        max(lengths[i] for i in order[b : b + 4]) - min(lengths[i] for i in order[b : b + 4]) for b in range(0, 40, 4)
    ]
    assert sum(spread) / len(spread) < 4  # like lengths together


def test_clip_states_are_the_joint_embeddings_and_padding_changes_nothing(towers: dict[str, str]) -> None:
    tower = TextTower(towers["clip"])
    texts = ["lifts the red lamp", "x", "a much longer one that pads the others"]
    together, alone = tower.encode(texts), [tower.encode([text])[0] for text in texts]
    clip = CLIPModel.from_pretrained(towers["clip"]).eval()
    from train.collators import ad_ids

    for text, states, single in zip(texts, together, alone, strict=True):
        ids = torch.tensor([ad_ids(tower.tokenizer, text)])
        output = clip.text_model(input_ids=ids)
        assert torch.allclose(states.pooled.float(), clip.text_projection(output.pooler_output)[0], atol=2e-3)
        words = clip.text_projection(output.last_hidden_state)[0, :-1]  # the end token is no word
        assert states.words.shape == words.shape and torch.allclose(states.words.float(), words, atol=2e-3)
        assert torch.allclose(states.words, single.words, atol=2e-3)


@pytest.fixture
def model(towers: dict[str, str]) -> tuple[Reconstruction, Any]:
    torch.manual_seed(0)
    language, tokenizer = load_reader(towers["lm"], torch.float32)
    return Reconstruction(language, 16, int(tokenizer.eos_token_id), torch.randn(50, 16) * 3 + 2), tokenizer


def test_only_the_projector_trains_and_starts_at_the_words_scale(model: tuple[Reconstruction, Any]) -> None:
    reader, _ = model
    assert {n for n, p in reader.named_parameters() if p.requires_grad} == {"projector.weight", "projector.bias"}
    assert not reader.train().language_model.training
    examples = torch.randn(4000, 16) * 3 + 2
    out = reader.projector(examples).detach()
    words = reader.language_model.get_input_embeddings().weight.detach()
    assert out.square().mean().sqrt() == pytest.approx(float(words.square().mean().sqrt()), rel=0.3)


def test_logits_are_those_of_each_sentence_alone(model: tuple[Reconstruction, Any]) -> None:
    reader, tokenizer = model
    torch.manual_seed(1)
    rows = [
        (States(torch.randn(16), torch.randn(n, 16)), tokenizer(text)["input_ids"])
        for n, text in ((2, " lifts"), (5, " lifts the red lamp"))
    ]
    for inputs in ("cls", "words"):
        collate = SentenceCollator(inputs)
        batch = collate(rows)
        together = reader(**batch)
        for i, row in enumerate(rows):
            alone = reader(**collate([row]))[0]
            assert torch.allclose(together[i, : len(row[1])], alone, atol=1e-5)


def test_a_token_is_predicted_from_what_stands_before_it(model: tuple[Reconstruction, Any]) -> None:
    reader, _ = model
    states, mask = torch.randn(1, 3, 16), torch.ones(1, 3, dtype=torch.bool)
    labels = torch.tensor([[5, 6, 7, 8]])
    changed = labels.clone()
    changed[0, 2] = 99
    before, after = reader(states, mask, labels), reader(states, mask, changed)
    assert torch.allclose(before[0, :3], after[0, :3], atol=1e-6) and not torch.allclose(before[0, 3], after[0, 3])
    assert not torch.allclose(before, reader(states + 1, mask, labels))


def test_states_are_padded_on_the_left() -> None:
    rows = [States(torch.ones(2), torch.ones(n, 2)) for n in (1, 3)]
    stacked, mask = stack_states(rows, "words")
    assert mask.tolist() == [[False, False, True], [True, True, True]]
    assert stacked[0, :, 0].tolist() == [0.0, 0.0, 1.0]
    assert stack_states(rows, "cls")[0].shape == (2, 1, 2)
    with pytest.raises(ValueError, match="expected one of"):
        stack_states(rows, "mean")


def test_scores_of_a_copy_and_of_a_wrong_text() -> None:
    texts = ["He lifts the red lamp.", "She sits down in the green chair.", "A dog barks at the old man's gate."]
    found = scores(texts, texts)
    assert found["exact"] == 100 and found["bleu_4"] == pytest.approx(100, abs=0.1) and found["rouge_l"] == 100
    assert found["dealt_rouge_l"] < 50 and found["dealt_cider"] < found["cider"]
    assert scores(["nothing"] * 3, texts)["cider"] == 0


def test_packages_are_found_or_named() -> None:
    assert installed("a/b") == Path("a/b")
    assert installed("package:torch/nn/__init__.py").is_file()
    with pytest.raises(ValueError, match="not installed"):
        installed("package:no_such_package_at_all/x")


@pytest.mark.slow
def test_the_whole_line_runs_resumes_and_reports(
    towers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    argv = ["--output_dir", str(tmp_path / "a"), "--text", towers["clip"], "--language", towers["lm"],
            "--start", "<ad_start>", "--train", "pocket:1-2", "--tests", "pocket=pocket:800001", "--test_sentences",
            "4", "--sentences", "16", "--batch_size", "4", "--max_new_tokens", "4", "--save_steps", "2",
            "--logging_steps", "1", "--table", str(tmp_path / "a.md")]  # fmt: skip
    assert appendix_a.main(argv) == 0
    text = (tmp_path / "a.md").read_text("utf-8")
    assert "| pocket | [CLS] | 4 |" in text and "| MAD-Eval, paper | all words |" in text
    found = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert found["words"]["steps"] == 4 and len(found["cls"]["tests"]["pocket"]["examples"]) == 4
    checkpoints = list(tmp_path.glob("a/words_*/checkpoint-*"))
    assert checkpoints and max(f.stat().st_size for c in checkpoints for f in c.glob("*.safetensors")) < 10_000
    monkeypatch.setattr(appendix_a, "run_arm", lambda *_: pytest.fail("a finished arm was repeated"))
    assert appendix_a.main(argv) == 0
    argv = ["--output_dir", "x", "--text", towers["clip"], "--language", towers["lm"], "--tests", "nothing"]
    assert "each name once" in refused(appendix_a.main, argv)


@pytest.mark.skipif(not DATA.is_dir(), reason="the public annotation files are not at ../shared/data")
def test_real_sentences_of_the_configuration() -> None:
    training = read_sentences(f"{DATA / 'tvad_train.csv'}:text_gt", 50, max_words=40)
    tests = [read_sentences(f"{DATA / name}:{column}", 50) for name, column in
             (("madeval_anno.csv", "sentence"), ("tvad_anno.csv", "text"))]  # fmt: skip
    assert all(len(rows) == 50 for rows in [training, *tests])
