"""What a processor reads wrongly without a word, and texts that come back by every road of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from test_processing import byte_tokenizer, frames, make

from modeling_distinctad.processing_distinctad import DistinctADProcessor

PERSON = {"name": "Mara"}
PICTURE = Image.new("RGB", (8, 8))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"texts": "Mara dances."}, "texts is 'Mara dances.'; expected a list of windows; put it into a list"),
        ({"texts": ["Mara dances."]}, "texts[0] is 'Mara dances.'; expected a list of clips; put it into a list"),
        ({"texts": [["a"]], "context": ["a"]}, "context[0] is 'a'; expected a list of clips; put it into a list"),
        ({"characters": ["Mara"]}, "characters[0] is 'Mara'; expected a list of clips; put it into a list"),
        ({"characters": [PERSON]}, "characters[0] is {'name': 'Mara'}; expected a list of clips; put it into a list"),
        ({"characters": [["Mara"]]}, "characters[0][0] is 'Mara'; expected a list of people; put it into a list"),
        (
            {"characters": [[[PERSON], PERSON]]},
            "characters[0][1] is {'name': 'Mara'}; expected a list of people; put it into a list",
        ),
        (
            {"characters": [[["Mara"]]]},
            "character 'Mara'; expected a dictionary; write {'name': 'Mara'}",
        ),
        (
            {"texts": [["a cup"]], "distinctive_words": [["cup"]]},
            "distinctive_words[0][0] is 'cup'; expected a list of words; put it into a list",
        ),
        ({"frames": [PICTURE]}, f"frames[0] is {PICTURE!r}; expected a list of clips; put it into a list"),
        ({"frames": [[PICTURE]]}, f"a clip is {PICTURE!r}; expected a list of images; put it into a list"),
        ({"frames": [["a.png"]]}, "a clip is 'a.png'; expected a list of images; put it into a list"),
        (
            {"characters": [[[PERSON]]], "portraits": [PICTURE]},
            f"images is {PICTURE!r}; expected a list of images; put it into a list",
        ),
    ],
)
def test_what_stands_where_a_list_belongs_is_named(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        make()(**inputs)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "image", [np.zeros((0, 8, 3), np.uint8), np.zeros((8, 0, 3), np.uint8), Image.new("L", (0, 8))]
)
@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_an_image_without_pixels_is_no_black_one(image: Any, fit: str) -> None:
    for inputs in ({"frames": [[[image]]]}, {"characters": [[[PERSON]]], "portraits": [[image]]}):
        with pytest.raises(ValueError, match=r"image of \d x \d pixels; expected 1 or more a side; leave it out"):
            make(frame_fit=fit)(**inputs)


def test_lists_of_every_kind_are_taken() -> None:
    words = [[("cup",), {"lamp"}, iter(["red"]), np.array(["red"]), None]]
    texts = np.array([["a cup", "a lamp", "red", "red", "a"]])
    batch = make()(texts=texts, distinctive_words=words, characters=(((), None, (PERSON,), [PERSON], []),))
    assert (batch["distinctive_mask"][0] != 0).any(-1).tolist() == [True, True, True, True, False]
    clip = np.stack(frames(4))
    whole = make()(frames=[[clip]])["pixel_values"]
    assert torch.equal(make()(frames=torch.from_numpy(clip)[None, None])["pixel_values"], whole)


@pytest.fixture
def processor() -> DistinctADProcessor:
    """One with person tokens."""
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens(["<person_1>", "<person_2>"], special_tokens=True)
    return make(tokenizer, person_slots=True)


def test_every_way_to_decode_tells_the_names(processor: DistinctADProcessor) -> None:
    tokenizer = processor.tokenizer
    first, second = (tokenizer.convert_tokens_to_ids(f"<person_{k}>") for k in (1, 2))
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    row = [second, *tokenizer(" walks to")["input_ids"], first, *tokenizer(".")["input_ids"], end, pad, -100]
    cast, said = ["Mara", "Otto"], "Otto walks to Mara."
    assert processor.decode(row, cast) == processor.decode(torch.tensor(row), characters=cast) == said
    assert processor.decode(row) == "Someone walks to someone."
    assert processor.decode(np.array(row), skip_special_tokens=True) == "Someone walks to someone."
    assert processor.decode(first, cast) == "Mara"
    assert processor.decode([row, row], [cast, []]) == [said, "Someone walks to someone."]
    ids = torch.tensor([row, row])
    told = processor.post_process_image_text_to_text
    assert told(ids[0], characters=cast) == said
    assert told(ids, characters=[cast, cast]) == [said, said] == processor.batch_decode(ids, [cast, cast])
    assert told(ids[None], characters=[[cast, cast]], skip_special_tokens=True) == [[said, said]]


def test_without_person_tokens_the_special_ones_are_gone_too() -> None:
    processor = make()
    tokenizer = processor.tokenizer
    row = [*tokenizer(" Mara lifts the lamp.")["input_ids"], tokenizer.eos_token_id, tokenizer.pad_token_id]
    assert processor.decode(row) == processor.post_process_image_text_to_text([row])[0] == "Mara lifts the lamp."
    assert processor.decode(row, skip_special_tokens=False).endswith("</s><pad>")


def test_what_a_pipeline_says_of_its_model_is_not_saved_with_the_tokenizer(tmp_path: Path) -> None:
    """`pipeline(dtype=...)` hands the model's keywords on to the processor, whose tokenizer kept them: no JSON can."""
    make().save_pretrained(tmp_path / "made")
    of_the_model = {"dtype": torch.float32, "torch_dtype": torch.float32, "quantization_config": object()}
    for name, said in (("plain", {}), ("piped", of_the_model)):
        DistinctADProcessor.from_pretrained(tmp_path / "made", **said).save_pretrained(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "plain").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "piped").iterdir())
    assert all((tmp_path / "plain" / name).read_bytes() == (tmp_path / "piped" / name).read_bytes() for name in files)
