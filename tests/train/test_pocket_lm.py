"""Pre-training of the pocket language model: data, layout of positions, mimetic start; how it is run."""

import functools
import json

import pytest
import torch

from train import pocket_lm
from train.arguments import RunArguments
from train.pocket_lm import (
    MAX_PEOPLE,
    PERSON_TOKENS,
    PocketLMArguments,
    PromptDataset,
    PromptTrainer,
    build_model,
    collate,
    evaluate_binding,
    train_tokenizer,
)

TOKENIZER = train_tokenizer(700)
ARGUMENTS = PocketLMArguments(width=32, layers=2, heads=2, drill_first=0)
PERSON_IDS = TOKENIZER.convert_tokens_to_ids(PERSON_TOKENS)
AD_START = TOKENIZER.convert_tokens_to_ids("<ad_start>")


def batch(count=4, seed=5):
    data = PromptDataset(TOKENIZER, ARGUMENTS, count, seed)
    rows = [data[i] for i in range(count)]
    return rows, collate(rows, AD_START, ARGUMENTS.slots, PERSON_IDS)


def test_sequences_are_a_pure_function_of_seed_and_index():
    first, second = batch()[0], batch()[0]
    assert first == second and batch(seed=6)[0] != first


def test_labels_are_the_answers_at_the_positions_before_them():
    rows, laid = batch()
    for row, labels, ids in zip(rows, laid["labels"], laid["ids"], strict=True):
        answers = [token for clip in row["clips"] for token in clip["answer"]]
        answers += [PERSON_IDS[person] for person in row["drills"]]
        assert labels[labels >= 0].tolist() == answers
        starts = (ids == AD_START).nonzero().flatten()
        assert len(starts) == ARGUMENTS.clips_per_prompt + ARGUMENTS.drills
        for start, clip in zip(starts.tolist(), row["clips"], strict=False):
            assert labels[start].item() == clip["answer"][0]
            assert ids[start + 1].item() == clip["answer"][0]


def test_the_cue_is_the_actor_s_face_and_nobody_is_zero():
    rows, laid = batch()
    trainer = PromptTrainer.__new__(PromptTrainer)
    trainer.pocket = PocketLMArguments(noise=0.0)
    embedding = torch.randn(len(TOKENIZER), 32)
    vectors = trainer.vectors(laid, embedding)
    for b, row in enumerate(rows):
        faces = vectors[b, : row["people"]]
        start = (laid["ids"][b] == AD_START).nonzero()[0].item()
        torch.testing.assert_close(vectors[b, start - 1], faces[row["clips"][0]["person"]])
        if row["clips"][0]["partner"] < 0:
            assert vectors[b, start - 2].abs().max() == 0


def test_person_tokens_survive_a_round_trip_without_spaces_of_their_own():
    ids = TOKENIZER(" <person_2> waves to <person_1>.")["input_ids"]
    tokens = TOKENIZER.convert_ids_to_tokens(ids)
    assert tokens[0] == "<person_2>" and "<person_1>" in tokens
    assert len(PERSON_TOKENS) == MAX_PEOPLE


def test_mimetic_start_makes_queries_and_keys_equal():
    model = build_model(ARGUMENTS, TOKENIZER)
    for block in model.transformer.h:
        query, key, _ = block.attn.c_attn.weight.split(32, dim=1)
        assert torch.equal(query, key)
    plain = build_model(PocketLMArguments(width=32, layers=2, heads=2, mimetic=False), TOKENIZER)
    query, key, _ = plain.transformer.h[0].attn.c_attn.weight.split(32, dim=1)
    assert not torch.equal(query, key)


def test_the_first_sequences_hold_drills_only():
    data = PromptDataset(TOKENIZER, PocketLMArguments(drill_first=2, drills=3, drills_alone=6), 4, seed=1)
    assert not data[1]["clips"] and len(data[1]["drills"]) == 6
    assert data[2]["clips"] and len(data[2]["drills"]) == 3


def test_evaluation_reads_batches_where_the_trainer_puts_them():
    given = []
    trainer = PromptTrainer.__new__(PromptTrainer)
    trainer.pocket, trainer.model, trainer.processing_class = ARGUMENTS, torch.nn.Identity(), TOKENIZER
    trainer.data_collator = functools.partial(
        collate, ad_start_id=AD_START, slots=ARGUMENTS.slots, person_ids=PERSON_IDS
    )
    trainer._prepare_inputs = lambda inputs: {name: tensor.to("meta") for name, tensor in inputs.items()}
    trainer.compute_loss = lambda model, inputs: given.append(inputs)
    trainer.figures = {"word_accuracy": 0.5}
    assert evaluate_binding(trainer, 128) == {"eval_word_accuracy": 0.5}
    assert len(given) == 2 and all(tensor.is_meta for inputs in given for tensor in inputs.values())


def test_several_ranks_are_refused_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(pocket_lm, "train_tokenizer", lambda size: pytest.fail("it worked"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="2 ranks .*expected one.*CUDA_VISIBLE_DEVICES=0"):
        pocket_lm.train(ARGUMENTS, RunArguments(str(tmp_path)))


def test_the_record_says_the_precision_that_there_was(monkeypatch, tmp_path, capsys):
    def build(*asked):
        model = build_model(*asked)
        model.transformer.h[0].mlp.c_fc.register_forward_hook(lambda *part: seen.append(part[-1].dtype))
        return model

    seen = []
    monkeypatch.setattr(pocket_lm, "train_tokenizer", lambda size: TOKENIZER)
    monkeypatch.setattr(pocket_lm, "build_model", build)
    monkeypatch.setattr(pocket_lm, "evaluate_binding", lambda trainer: {})
    small = PocketLMArguments(width=32, layers=1, heads=2, prompts=8, drill_first=0)
    pocket_lm.train(small, RunArguments(str(tmp_path), batch_size=4, bf16=True))
    record = json.loads((tmp_path / "run_record.json").read_text(encoding="utf-8"))
    assert set(seen) == {torch.float32} and record["config"]["bf16"] is False
    assert "bf16 is true, which this training does not use" in capsys.readouterr().err
    noted = json.loads((tmp_path / "run_configuration.json").read_text(encoding="utf-8"))
    assert noted["bf16"] is True  # as runs of before noted it: they go on
