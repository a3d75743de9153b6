"""Pre-training of the pocket CLIP: stills, labels, loss, and a dual encoder folder."""

import functools
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch

from train import pocket_clip
from train.arguments import RunArguments
from train.dual_encoder import load_clip, pooled_images
from train.pocket_clip import (
    LOOK_PARTS,
    SHOWN,
    UNSEEN,
    PocketCLIPArguments,
    ReadCLIP,
    ReadCLIPTrainer,
    StillDataset,
    build_clip,
    collate,
    evaluate_reading,
)
from train.pocket_lm import train_tokenizer

TOKENIZER = train_tokenizer(700)
ARGUMENTS = PocketCLIPArguments(
    image_size=32, widths=[8, 8, 16, 16], depths=[1, 1, 1, 1], text_width=32, text_layers=1, portraits=0.4
)


def rows(count=24):
    data = StillDataset(TOKENIZER, ARGUMENTS, count, seed=4)
    return [data[i] for i in range(count)]


def test_stills_are_deterministic_and_labelled():
    first, second = rows(), rows()
    assert all(
        np.array_equal(a["pixels"], b["pixels"]) and a["labels"] == b["labels"]
        for a, b in zip(first, second, strict=True)
    )
    names = list(SHOWN)
    seen = lambda row, name: row["labels"][names.index(name)] != UNSEEN  # noqa: E731
    stills = [row for row in first if seen(row, "place")]
    things = [row for row in first if seen(row, "object") and not seen(row, "place")]
    portraits = [row for row in first if not seen(row, "object") and not seen(row, "place")]
    assert portraits and stills and things
    assert all(seen(row, "colour") and not seen(row, "garment") for row in things)
    assert all(row["labels"][names.index("action")] == UNSEEN for row in portraits)
    assert all(row["labels"][names.index("garment")] != UNSEEN for row in portraits)
    for row in first:
        for label, values in zip(row["labels"], SHOWN.values(), strict=True):
            assert label == UNSEEN or 0 <= label < len(values)
    assert set(LOOK_PARTS) < set(SHOWN)


def test_one_step_lowers_the_loss_and_the_folder_loads(tmp_path):
    torch.manual_seed(0)
    model = ReadCLIP(build_clip(ARGUMENTS, TOKENIZER))
    trainer = ReadCLIPTrainer.__new__(ReadCLIPTrainer)
    trainer.arguments = ARGUMENTS
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss = trainer.compute_loss(model, collate(rows(), TOKENIZER.pad_token_id))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert set(trainer.figures) >= {"caption_r1", "read_garment", "read_action"}
    model.clip.save_pretrained(tmp_path)
    pixels = collate(rows(2), 0)["pixel_values"]
    torch.testing.assert_close(
        pooled_images(load_clip(tmp_path).eval(), pixels), pooled_images(model.clip.eval(), pixels)
    )
    assert build_clip(PocketCLIPArguments(start=str(tmp_path)), TOKENIZER).config.projection_dim == 16


def test_a_spawned_worker_can_make_batches(monkeypatch, tmp_path):
    class Stopped(Exception):
        pass

    def stop(trainer, **_):
        ForkingPickler.dumps(trainer.data_collator)
        raise Stopped

    monkeypatch.setattr(pocket_clip, "train_tokenizer", lambda size: TOKENIZER)
    monkeypatch.setattr(ReadCLIPTrainer, "train", stop)
    with pytest.raises(Stopped):
        pocket_clip.train(ARGUMENTS, RunArguments(str(tmp_path), bf16=False))


def test_evaluation_reads_batches_where_the_trainer_puts_them():
    given = []
    trainer = ReadCLIPTrainer.__new__(ReadCLIPTrainer)
    trainer.model, trainer.processing_class = torch.nn.Identity(), TOKENIZER
    trainer.data_collator = functools.partial(collate, pad_token_id=TOKENIZER.pad_token_id)
    trainer._prepare_inputs = lambda inputs: {name: tensor.to("meta") for name, tensor in inputs.items()}
    trainer.compute_loss = lambda model, inputs: given.append(inputs)
    trainer.figures = {"caption_r1": 0.5}
    assert evaluate_reading(trainer, ARGUMENTS, pool=2) == {"eval_caption_r1": 0.5}
    assert len(given) == 4 and all(tensor.is_meta for inputs in given for tensor in inputs.values())


def test_several_ranks_are_refused_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(pocket_clip, "train_tokenizer", lambda size: pytest.fail("it worked"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="2 ranks .*expected one.*CUDA_VISIBLE_DEVICES=0"):
        pocket_clip.train(ARGUMENTS, RunArguments(str(tmp_path)))
