"""Feature caches, person slots and window batches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from datasets_scripts.pocket.story import make_film
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import load_vision, weights_sha256
from train.collators import (
    ClipCollator,
    WindowCollator,
    WindowOptions,
    ad_ids,
    consecutive_windows,
    scheduled_windows,
)
from train.features import (
    FeatureArguments,
    FeatureCache,
    build_cache,
    cache_of,
    chunk_path,
    join_chunks,
    load_images,
    mapped_tensors,
    parse_seeds,
)
from train.stage2 import Stage2Arguments, build_processor


@pytest.fixture(scope="module")
def processor(towers: dict[str, str]) -> DistinctADProcessor:
    return build_processor(Stage2Arguments(clip=towers["clip"], language=towers["lm"]))


def test_seeds_are_read_and_refused() -> None:
    assert parse_seeds("1-3, 7") == [1, 2, 3, 7]
    for wrong in ("1-", "a", "1,1", "3-1"):
        with pytest.raises(ValueError, match="expected"):
            parse_seeds(wrong)
    with pytest.raises(ValueError, match="9-5 ends before it begins; expected 5-9"):
        parse_seeds("1-3,9-5")


def test_a_cache_holds_every_clip_and_face_in_order(features: Path) -> None:
    cache = FeatureCache(features)
    films = [make_film(seed) for seed in (1, 2, 800001)]
    assert [row["text"] for row in cache.rows] == [clip.text for film in films for clip in film.clips]
    assert cache.frames.shape == (len(cache.rows), 8, 16) and cache.frames.dtype == torch.float16
    assert cache.faces.shape[0] == sum(len(film.cast) for film in films)
    offsets = [len(films[0].cast), len(films[0].cast) + len(films[1].cast)]
    assert cache.rows[cache.films["2"][0]]["face_offset"] == offsets[0]
    assert cache.rows[cache.films["800001"][3]]["face_offset"] == offsets[1]
    assert cache.rows[cache.films["2"][5]]["first_row"] == len(films[0].clips)
    assert cache.film_faces(cache.rows[cache.films["2"][0]]).shape[0] == len(films[1].cast)


def test_a_line_separator_inside_a_text_ends_no_row(features: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(features, tmp_path / "features", ignore=shutil.ignore_patterns("parts_*")))
    rows = FeatureCache(folder).rows
    rows[0]["text"] = "He runs.\u2028She sits."
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(lines, encoding="utf-8")
    assert FeatureCache(folder).rows == rows


def test_a_cache_resumes_and_refuses_another_tower(
    towers: dict[str, str], features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = FeatureArguments(clip=towers["clip"], seeds="2", chunk=1)
    mixed = FeatureArguments(preset="mixed")
    assert [mixed.preset_of(seed) for seed in (1, 2, 800001)] == ["clear", "crowded", "clear"]
    assert arguments.preset_of(2) == "clear"
    build_cache(arguments, str(tmp_path))
    part = next(tmp_path.glob("parts_*/*.safetensors"))
    stamp = part.stat().st_mtime_ns
    build_cache(FeatureArguments(clip=towers["clip"], seeds="2,3", chunk=1), str(tmp_path))
    cache, whole = FeatureCache(tmp_path), FeatureCache(features)
    assert part.stat().st_mtime_ns == stamp and list(cache.films) == ["2", "3"]
    assert torch.equal(cache.frames[cache.films["2"]], whole.frames[whole.films["2"]])
    with pytest.raises(ValueError, match="another|made by tower"):
        FeatureCache(tmp_path, ["0" * 64])
    monkeypatch.setattr("train.features.brush", lambda: "0" * 16)  # as if films were drawn otherwise since
    build_cache(arguments, str(tmp_path))
    assert len(list(tmp_path.glob("parts_*"))) == 2


def test_schedules_are_a_function_of_the_seed_and_cover_every_clip(features: Path) -> None:
    cache = FeatureCache(features)
    schedule = scheduled_windows(cache, ["1", "2"], 16, seed=3, epochs=2)
    assert schedule == scheduled_windows(cache, ["1", "2"], 16, seed=3, epochs=2)
    assert schedule != scheduled_windows(cache, ["1", "2"], 16, seed=4, epochs=2)
    rows = sorted(cache.films["1"] + cache.films["2"])
    for epoch in (0, 1):
        assert sorted(n for e, _, numbers in schedule for n in numbers if e == epoch) == rows
    test = consecutive_windows(cache, ["800001"], 16)
    assert [n for _, _, numbers in test for n in numbers] == cache.films["800001"] and len(test[0][2]) == 16


def decoded(processor: DistinctADProcessor, batch: dict[str, Any], b: int, n: int) -> list[str]:
    labels = batch["labels"][b, n]
    return processor.tokenizer.convert_ids_to_tokens(labels[labels >= 0].tolist())


def test_a_window_says_places_for_names_and_leaves_out_the_unlisted(
    features: Path, processor: DistinctADProcessor
) -> None:
    cache = FeatureCache(features)
    collator = WindowCollator(processor, cache, WindowOptions(max_people=2, seed=1))
    window = scheduled_windows(cache, ["1", "2"], 16, seed=1, epochs=1)[0]
    asked = collator.window(*window)
    batch = collator([window])
    assert batch["frame_features"].shape[1:] == (len(window[2]), 8, 16)
    left_out = 0
    for n, number in enumerate(window[2]):
        row, people = cache.rows[number], [person["portrait"] for person in asked["characters"][n]]
        told = [p for p in (row["person"], row["partner"]) if p >= 0]
        if not all(person in people for person in told):
            assert (batch["labels"][0, n] == -100).all()
            left_out += 1
            continue
        tokens = decoded(processor, batch, 0, n)
        assert tokens[-1] == "<eos>" and tokens.count("<eos>") == 1
        for k, person in enumerate(people, 1):
            named = row["names"][person] in row["text"]
            assert (f"<person_{k}>" in tokens) == named
    assert 0 < left_out < len(window[2])
    counts = collator.counts  # the window was made twice
    assert counts["person_not_listed"] + counts["partner_not_listed"] == 2 * left_out
    assert counts["clips"] == 2 * len(window[2])
    assert collator.count([window, window]) == dict(counts) == dict(collator.counts)  # whoever made the batches
    assert WindowCollator(processor, cache, collator.options).count([]) == {}


def test_a_name_in_its_slot_can_be_distinctive(processor: DistinctADProcessor) -> None:
    people = [{"name": "Mara", "portrait": 0}]
    batch = processor(
        frame_features=[[torch.zeros(8, 16)]], characters=[[people]], portrait_features=torch.zeros(1, 1, 16),
        texts=[["Mara lifts a red lamp."]], distinctive_words=[[{"mara", "red"}]],
    )  # fmt: skip
    marked = {k: batch["input_ids"][batch["distinctive_mask"] == k].tolist() for k in (1, 2)}
    assert marked[1] == processor.tokenizer.convert_tokens_to_ids(["<person_1>"])
    assert processor.tokenizer.decode(marked[2]).strip() == "red"


def test_labels_are_what_the_language_model_was_trained_on(processor: DistinctADProcessor) -> None:
    people = [{"name": "Zoë", "portrait": 1}, {"name": "Mara", "portrait": 0}]
    batch = processor(
        frame_features=[[torch.zeros(8, 16)]], characters=[[people]], portrait_features=torch.zeros(1, 2, 16),
        texts=[["Mara's hand lifts Zoë; Marat stays <person_1>."]], distinctive_words=[[{"lifts"}]],
    )  # fmt: skip
    tokenizer = processor.tokenizer
    wanted = tokenizer(" <person_2>'s hand lifts <person_1>; Marat stays")["input_ids"]
    spelt = tokenizer(" <person_1>.", split_special_tokens=True)["input_ids"]
    labels = batch["labels"][0, 0]
    assert labels[labels >= 0].tolist() == [*wanted, *spelt, tokenizer.eos_token_id]
    marked = batch["distinctive_mask"][0, 0].bool()
    assert tokenizer.decode(batch["input_ids"][0, 0][marked]).strip() == "lifts"
    # prompt: two faces, ten visual slots, the start slot
    assert batch["face_index"][0, 0, :3].tolist() == [1, 0, -1] and int((labels < 0).sum()) == 13
    ids = labels.clamp_min(0)[None, None]
    text = processor.batch_decode(ids, [[["Zoë", "Mara"]]])[0][0]
    assert text == "Mara's hand lifts Zoë; Marat stays <person_1>."


def test_decoding_puts_blanks_right_and_names_nobody_who_is_not_listed(processor: DistinctADProcessor) -> None:
    tokenizer = processor.tokenizer

    def told(text: str, names: list[str]) -> str:
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        return processor.batch_decode(ids, [names])[0]

    assert told(" <person_1> and <person_2> run to <person_1>.", ["Mara", "Zoë"]) == "Mara and Zoë run to Mara."
    assert told(" The lamp of <person_3> falls. <person_2> bows", ["Mara"]) == "The lamp of someone falls. Someone bows"
    assert processor.batch_decode(torch.full((1, 2, 3), -100)) == [["", ""]]


def test_person_slots_need_their_tokens(towers: dict[str, str], tokenizer: Any) -> None:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<person_")]
    bare = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), eos_token="<eos>")
    with pytest.raises(ValueError, match="person_1"):
        DistinctADProcessor(load_images(towers["clip"]), bare, person_slots=True)
    processor = build_processor(Stage2Arguments(clip=towers["clip"], language=towers["lm"]))
    assert processor.to_dict()["person_slots"] is True


def test_stage1_batches_mask_the_end_and_the_padding(tokenizer: Any) -> None:
    rows = [{"pixel_values": torch.zeros(8, 3, 4, 4), "text": text} for text in ("lifts", "lifts the red lamp")]
    batch = ClipCollator(tokenizer)(rows)
    ids = ad_ids(tokenizer, "lifts")
    assert ids[-1] == tokenizer.eos_token_id
    assert batch["attention_mask"].sum(1).tolist() == [len(ids), len(ad_ids(tokenizer, rows[1]["text"]))]
    assert batch["word_mask"].sum(1).tolist() == (batch["attention_mask"].sum(1) - 1).tolist()
    assert tokenizer.decode(batch["input_ids"][1][batch["word_mask"][1]]) == " lifts the red lamp"


def test_chunks_of_other_films_lie_elsewhere() -> None:
    films = [*range(11, 21)], [*range(11, 16), *range(800001, 800006)]
    assert len({chunk_path(Path(), seeds) for seeds in films}) == 2


def test_lists_made_from_the_truth_are_for_training_only() -> None:
    assert WindowOptions(train_characters="noisy").train_characters == "noisy"
    with pytest.raises(ValueError, match="test_characters is 'noisy'; expected one of predicted, ground_truth, all"):
        WindowOptions(test_characters="noisy")


def test_characters_and_contexts_by_choice(features: Path, processor: DistinctADProcessor) -> None:
    cache = FeatureCache(features)
    window = consecutive_windows(cache, ["1"], 8)[1]
    rows = [cache.rows[number] for number in window[2]]

    def asked(epoch: int, **options: Any) -> dict[str, Any]:
        return WindowCollator(processor, cache, WindowOptions(**options)).window(epoch, *window[1:])

    def places(found: dict[str, Any]) -> list[set[int]]:
        return [{person["portrait"] for person in clip} for clip in found["characters"]]

    everyone = set(range(len(rows[0]["names"])))
    assert places(asked(0, train_characters="none")) == [set()] * 8
    assert places(asked(0, train_characters="all")) == [everyone] * 8
    truth = places(asked(0, train_characters="ground_truth"))
    assert truth == [{p for p in (row["person"], row["partner"]) if p >= 0} for row in rows]
    assert places(asked(-1, train_characters="all", test_characters="ground_truth")) == truth
    noisy = [places(asked(epoch, train_characters="noisy")) for epoch in range(3)]
    assert noisy[0] != noisy[1] and all(len(clip) <= 3 for found in noisy for clip in found)
    before = [cache.rows[n]["text"] for n in cache.films["1"]]
    context = asked(-1, context_ads="ground_truth", context_count=2)["context"]
    assert context[0] == " ".join(before[6:8]) and context[3] == " ".join(before[9:11])
    assert asked(0, context_ads="predicted", context_count=2)["context"] == context  # the truth stands in
    assert asked(-1, context_ads="predicted")["context"] == [""] * 8 and "context" not in asked(-1)
    batch = WindowCollator(processor, cache, WindowOptions(context_ads="ground_truth")).prompts([window])
    text = processor.tokenizer.decode(batch["input_ids"][0, 3])
    assert before[10] in text and cache.rows[window[2][3]]["text"] not in text and "labels" not in batch
    with pytest.raises(ValueError, match="train_characters"):
        WindowOptions(train_characters="truth")


@pytest.mark.parametrize("characters", ["predicted", "ground_truth", "all"])
def test_among_strangers_every_clip_keeps_its_own_people(
    features: Path, processor: DistinctADProcessor, characters: str
) -> None:
    cache = FeatureCache(features)
    collator = WindowCollator(processor, cache, WindowOptions(test_characters=characters))

    def people(asked: dict[str, Any]) -> list[list[tuple[str, Any]]]:
        faces = asked["portrait_features"]
        return [[(p["name"], faces[p["portrait"]].tolist()) for p in clip] for clip in asked["characters"]]

    at_home = {
        number: who
        for window in consecutive_windows(cache, ["1", "2"], processor.window_size)
        for number, who in zip(window[2], people(collator.window(*window)), strict=True)
    }
    rows = [row for pair in zip(cache.films["1"][14:20], cache.films["2"][14:20], strict=True) for row in pair]
    assert people(collator.window(-1, "", rows)) == [at_home[number] for number in rows]
    assert any(at_home[number] for number in rows)


def test_the_recognisers_order_is_kept_when_asked(features: Path, processor: DistinctADProcessor) -> None:
    cache = FeatureCache(features)
    _, film, numbers = consecutive_windows(cache, ["1"], 16)[0]

    def order(epoch: int, shuffle: bool) -> list[list[int]]:
        collator = WindowCollator(processor, cache, WindowOptions(shuffle_people=shuffle))
        asked = collator.window(epoch, film, numbers)
        return [[person["portrait"] for person in clip] for clip in asked["characters"]]

    at_test = order(-1, True)
    assert order(0, False) == order(3, False) == at_test
    assert order(0, True) != at_test and [sorted(a) for a in order(0, True)] == [sorted(b) for b in at_test]


def test_nobody_without_a_portrait_is_recognised(processor: DistinctADProcessor, features: Path) -> None:
    cache = FeatureCache(features)
    film, numbers = "1", cache.films["1"][:4]
    for row in cache.rows:
        row["portraits"] = [place != 1 for place in range(len(row["names"]))]
    collator = WindowCollator(processor, cache, WindowOptions(max_people=10, shuffle_people=False))
    frames, faces = cache.frames[numbers].float(), cache.film_faces(cache.rows[numbers[0]])
    listed = collator._listed(-1, film, numbers, frames, faces)
    assert all(1 not in people and people for people in listed)
    faces_of_others = faces.clone()
    faces_of_others[1] = 100.0  # what stands where there is no portrait changes nothing
    assert collator._listed(-1, film, numbers, frames, faces_of_others) == listed
    for row in cache.rows:
        row["portraits"] = [False] * len(row["names"])
    with pytest.raises(ValueError, match="nobody's portrait"):
        collator._listed(-1, film, numbers, frames, faces)


def test_random_sampling_covers_every_clip_in_any_order(features: Path) -> None:
    cache = FeatureCache(features)
    schedule = scheduled_windows(cache, ["1", "2"], 8, seed=1, epochs=1, sampling="random")
    assert sorted(n for _, _, rows in schedule for n in rows) == sorted(cache.films["1"] + cache.films["2"])
    assert any(rows != sorted(rows) for _, _, rows in schedule)
    assert all({cache.rows[n]["film"] for n in rows} == {film} for _, film, rows in schedule)
    with pytest.raises(ValueError, match="sampling"):
        scheduled_windows(cache, ["1"], 8, 1, 1, sampling="odd")


def test_cached_frames_stay_on_disk(features: Path, tmp_path: Path) -> None:
    frames, path = FeatureCache(features).frames, features / "features.safetensors"
    assert frames.untyped_storage().nbytes() == path.stat().st_size  # a view of the mapped file
    assert torch.equal(frames, load_file(path)["frames"])
    short = tmp_path / "short.safetensors"
    for content in (path.read_bytes()[:-5], b"nothing of the kind", b""):
        short.write_bytes(content)
        with pytest.raises(ValueError, match="shorter|no safetensors"):
            mapped_tensors(short)


def test_a_cache_is_replaced_whole_or_not_at_all(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    shutil.copytree(features, folder)
    old = FeatureCache(folder)  # somebody trains on it
    before = old.frames.clone()
    chunk = tmp_path / "chunk.safetensors"
    save_file({"frames": torch.zeros(2, 3, 4), "faces": torch.zeros(1, 4)}, chunk)
    rows = [{"film": "1", "index": 0, "faces": 1}, {"film": "1", "index": 1}]
    chunk.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    join_chunks(folder, [chunk], dict(old.meta))
    assert torch.equal(old.frames, before) and FeatureCache(folder).frames.shape == (2, 3, 4)

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("train.features.save_file", full)
    with pytest.raises(OSError, match="no space"):
        join_chunks(folder, [chunk], dict(old.meta))
    with pytest.raises(ValueError, match="no complete cache"):
        FeatureCache(folder)


def test_a_model_takes_features_of_its_tower_as_trained_or_as_stored(towers: dict[str, str], features: Path) -> None:
    def model(tower: Any, trained: str | None) -> Any:
        return SimpleNamespace(vision_tower=tower, config=SimpleNamespace(vision_sha256=trained))

    tower, rounded = load_vision(towers["clip"]), load_vision(towers["clip"]).bfloat16()
    made, stored = weights_sha256(tower), weights_sha256(rounded)
    assert FeatureCache(features).meta["tower"] == made != stored
    for fits in (model(rounded, made), model(tower, None), model(tower, stored)):  # the last: encoded by what is stored
        assert cache_of(fits, features).films
    for trained in (None, stored):
        with pytest.raises(ValueError, match=f"made by tower {made[:12]}, expected {stored[:12]}; encode"):
            cache_of(model(rounded, trained), features)
