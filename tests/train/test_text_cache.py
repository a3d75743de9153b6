"""Texts are encoded once, found again, and never taken from another tower or a damaged file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, CLIPModel

from train import text_cache
from train.collators import ClipCollator
from train.stage1 import Stage1Model
from train.text_cache import CachedTextCollator, ForeignCacheError, TextCache, build_text_cache, text_key

TEXTS = ["Mara lifts the red lamp.", "He sits.", "Mara lifts the red lamp.", "Öland: a boat drifts past the pier"]


@pytest.fixture
def clip(towers: dict[str, str]) -> Any:
    return CLIPModel.from_pretrained(towers["clip"])


@pytest.fixture
def words(towers: dict[str, str]) -> Any:
    return AutoTokenizer.from_pretrained(towers["clip"])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Texts that each call of the text tower got."""
    seen: list[list[str]] = []
    encode = text_cache.encode_texts

    def counted(clip: Any, tokenizer: Any, texts: list[str]) -> Any:
        seen.append(list(texts))
        return encode(clip, tokenizer, texts)

    monkeypatch.setattr(text_cache, "encode_texts", counted)
    return seen


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()  # nothing half-written stays behind
    return path


def test_a_batch_holds_what_the_tower_says(clip: Any, words: Any, tmp_path: Path) -> None:
    cache = build_text_cache(tmp_path, clip, words, TEXTS)
    assert len(cache) == 3
    rows = [{"pixel_values": torch.full((2, 3, 4, 4), float(i)), "text": text} for i, text in enumerate(TEXTS)]
    plain = ClipCollator(words)(rows)
    pooled, states = Stage1Model(clip).eval().texts(plain["input_ids"], plain["attention_mask"])
    found = CachedTextCollator(cache)(rows)
    assert torch.equal(found["pixel_values"], plain["pixel_values"])
    torch.testing.assert_close(found["texts"], pooled, rtol=1e-5, atol=1e-6)
    for row in range(4):
        kept = states[row, plain["word_mask"][row]]
        assert found["word_mask"][row].sum() == len(kept)
        torch.testing.assert_close(found["words"][row, : len(kept)], kept, rtol=1e-5, atol=1e-6)
        assert not found["words"][row, len(kept) :].any()
    ids = found["text_ids"].tolist()
    assert ids[0] == ids[2] and len(set(ids)) == 3


def test_texts_are_encoded_once(clip: Any, words: Any, tmp_path: Path, calls: list[list[str]]) -> None:
    first = build_text_cache(tmp_path, clip, words, TEXTS[:2])
    again = build_text_cache(tmp_path, clip, words, TEXTS[:1])
    more = build_text_cache(tmp_path, clip, words, TEXTS)
    assert calls == [TEXTS[:2], [TEXTS[3]]]
    for text in TEXTS[:2]:
        for left, right in ((first, again), (first, more)):
            assert torch.equal(left.batch([text]).words, right.batch([text]).words)
    assert TEXTS[3] in more and TEXTS[3] not in first and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(KeyError, match="1 texts are not in the cache"):
        first.batch(TEXTS)


def test_training_the_vision_half_keeps_the_key_and_the_text_half_changes_it(clip: Any, words: Any) -> None:
    key = text_key(clip, words)
    words(TEXTS, padding=True, truncation=True, max_length=9)  # leaves settings behind in the tokenizer
    with torch.no_grad():
        clip.visual_projection.weight.add_(1)
    assert text_key(clip, words) == key
    words.model_max_length = 9
    assert text_key(clip, words) != key
    words.model_max_length = 40
    with torch.no_grad():
        clip.text_projection.weight.add_(1)
    assert text_key(clip, words) != key


def test_another_towers_file_is_refused(clip: Any, words: Any, tmp_path: Path) -> None:
    build_text_cache(tmp_path, clip, words, TEXTS)
    with torch.no_grad():
        clip.text_projection.weight.add_(1)
    only_file(tmp_path).rename(tmp_path / f"texts_{text_key(clip, words)[:16]}.safetensors")
    with pytest.raises(ForeignCacheError, match="expected .*; remove it"):
        build_text_cache(tmp_path, clip, words, TEXTS)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty"])
def test_a_damaged_file_is_encoded_again(
    clip: Any, words: Any, tmp_path: Path, damage: str, calls: list[list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    whole = build_text_cache(tmp_path, clip, words, TEXTS)
    path = only_file(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"cut": content[:-9], "bit": content, "empty": b""}[damage])
    with caplog.at_level(logging.WARNING, logger="train.text_cache"):
        again = build_text_cache(tmp_path, clip, words, TEXTS[:1])
    assert len(calls) == 2 and "encoding the texts again" in caplog.text and str(path) in caplog.text
    torch.testing.assert_close(again.batch(TEXTS[:1]).texts, whole.batch(TEXTS[:1]).texts)


def test_an_interrupted_write_leaves_the_old_file(
    clip: Any, words: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_text_cache(tmp_path, clip, words, TEXTS[:1])
    before = only_file(tmp_path).read_bytes()

    def interrupted(tensors: Any, path: Path, metadata: Any) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(text_cache, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_text_cache(tmp_path, clip, words, TEXTS)
    (path,) = tmp_path.glob("*.safetensors")
    assert path.read_bytes() == before


def test_a_text_without_words_is_named(clip: Any, words: Any, tmp_path: Path) -> None:
    words.eos_token = "Ġ"  # the blank in front is then no word
    with pytest.raises(ValueError, match="AD '' holds no word"):
        build_text_cache(tmp_path, clip, words, ["a word", ""])


def test_tensors_that_do_not_fit_are_refused() -> None:
    tensors = {
        "pooled": torch.zeros(2, 4), "words": torch.zeros(3, 4), "offsets": torch.tensor([0, 1, 3]),
        "digests": torch.tensor([[1] * 32, [2] * 32], dtype=torch.uint8),
    }  # fmt: skip
    assert len(TextCache(tensors)) == 2
    with pytest.raises(ValueError, match="offsets"):
        TextCache({**tensors, "offsets": torch.tensor([0, 2, 2])})
    with pytest.raises(ValueError, match="expected"):
        TextCache({k: v for k, v in tensors.items() if k != "words"})
