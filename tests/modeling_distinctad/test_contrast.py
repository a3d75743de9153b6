"""The choice of the text that the neighbours' pictures explain least: by hand, against a plain loop, and what may not
change it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import tiny_models
import torch
from torch import Tensor, nn

from modeling_distinctad import contrast_distinctad as contrast
from modeling_distinctad.contrast_distinctad import Found, Prompts, contrasted, log_probabilities

OFF = {"num_beams": 4, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}


class Table(nn.Module):
    """A "language model" whose next token depends only on the mean of what the prompt's pictures hold: logits by hand.

    A picture is one number, the row of a table of probabilities over the tokens 0 (end), 1 and 2.
    """

    def __init__(self, table: list[list[float]]) -> None:
        super().__init__()
        self.table = torch.tensor(table).log()
        self.words = nn.Embedding(3, 1)
        nn.init.zeros_(self.words.weight)

    def get_input_embeddings(self) -> nn.Module:
        return self.words

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor, **_: Any) -> Any:
        row = inputs_embeds[:, 1, 0].round().long()  # the slot stands in the second place
        return SimpleNamespace(logits=self.table[row][:, None].expand(-1, inputs_embeds.shape[1], -1))


def prompts_of(pictures: list[float], mask: list[bool]) -> Prompts:
    """One window, prompts of two places: a word and a picture."""
    count = len(pictures)
    embeds = torch.zeros(count, 2, 1)
    embeds[:, 1, 0] = torch.tensor(pictures)
    asked = torch.tensor([mask])
    slots = torch.tensor([[[False, True]] * count])
    visual = torch.tensor(pictures).view(1, count, 1, 1)
    return contrast.packed_prompts(embeds, torch.ones(count, 2, dtype=torch.bool), slots, asked, visual, asked)


def test_scores_by_hand() -> None:
    """Clip 0 says 1 with .6 and 2 with .3, clip 1 says 1 with .8 and 2 with .1: what is new in clip 0 is 2."""
    model = Table([[0.1, 0.6, 0.3], [0.1, 0.8, 0.1]])
    texts = torch.tensor([[[1, 0, 0], [2, 0, 0], [1, 1, 0]]] * 2)  # the end token counts, padding behind it does not
    found = Found(texts, torch.zeros(2, 3))
    prompts = prompts_of([0.0, 1.0], [True, True])
    half = contrasted(model, prompts, found, 0.5, 1.0, 0)
    logs = torch.tensor([[0.6, 0.3, 0.36], [0.8, 0.1, 0.64]]).log()
    end, length = torch.tensor(0.1).log(), torch.tensor([2.0, 2.0, 3.0])
    first = ((logs[0] + end) - 0.5 * (logs[1] + end)) / length
    second = ((logs[1] + end) - 0.5 * (logs[0] + end)) / length
    assert half.scores is not None
    assert torch.allclose(half.scores[0], first.sort(descending=True).values, atol=1e-6)
    assert torch.allclose(half.scores[1], second.sort(descending=True).values, atol=1e-6)
    assert half.ids[0, 0].tolist() == [2, 0, 0] and half.ids[1, 0].tolist() != [2, 0, 0]
    sums = contrasted(model, prompts, found, 0.0, 0.0, [0])  # no contrast, no length: the likeliest text
    assert sums.ids[0].tolist() == [[1, 0, 0], [1, 1, 0], [2, 0, 0]]


def test_the_most_similar_clip_counts_padded_ones_do_not_and_one_clip_alone_keeps_its_order() -> None:
    model = Table([[0.1, 0.6, 0.3], [0.1, 0.1, 0.8], [0.2, 0.4, 0.4]])
    texts = torch.tensor([[[1, 0], [2, 0]]])
    three = contrasted(
        model, prompts_of([0.0, 1.0, 2.0], [True, True, True]), Found(texts.repeat(3, 1, 1), None), 1.0, 1.0, 0
    )
    assert three.ids[0, 0].tolist() == [1, 0] and three.scores is None
    padded = prompts_of([0.0, 1.0, 2.0], [True, False, True])  # clip 1, which says 2, is not there
    scores = contrasted(model, padded, Found(texts.repeat(2, 1, 1), torch.zeros(2, 2)), 1.0, 1.0, 0).scores
    assert scores is not None
    wanted = torch.tensor([0.6 * 0.1 / (0.4 * 0.2), 0.3 * 0.1 / (0.4 * 0.2)]).log() / 2
    assert torch.allclose(scores[0], wanted, atol=1e-6)
    alone = Found(torch.tensor([[[2, 0], [1, 0]]]), torch.tensor([[-1.0, -2.0]]))
    kept = contrasted(model, prompts_of([0.0], [True]), alone, 1.0, 1.0, 0)
    assert torch.equal(kept.ids, alone.ids) and kept.scores is not None and torch.equal(kept.scores, alone.scores)


def test_two_real_clips_on_either_side_are_neighbours() -> None:
    mask = torch.tensor([1, 1, 0, 1, 1, 1, 0, 1]).bool()
    assert contrast.neighbours(mask, 4) == [1, 3, 5, 7] and contrast.neighbours(mask, 0) == [1, 3]
    assert contrast.neighbours(mask, 7) == [4, 5] and contrast.neighbours(torch.tensor([True]), 0) == []


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("at_once", [2**26, 1])
def test_log_probabilities_are_those_of_whole_sequences(
    kind: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against one plain forward a picture and a text."""
    monkeypatch.setattr(contrast, "_LOGITS_AT_ONCE", at_once)
    model = tiny_models.model(kind).language_model
    torch.manual_seed(1)
    prompt, pictures = torch.randn(6, tiny_models.LANGUAGE), torch.randn(3, 2, tiny_models.LANGUAGE)
    slots = torch.tensor([False, True, False, True, False, False])
    texts = torch.tensor([[5, 9, 1, 0], [7, 1, 0, 0], [4, 4, 8, 3]])
    spoken = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]).bool()
    with torch.no_grad():
        found = log_probabilities(model, prompt, slots, pictures, texts, spoken)
        for j, picture in enumerate(pictures):
            for k, text in enumerate(texts):
                said = text[spoken[k]]
                embeds = prompt.clone()
                embeds[slots] = picture
                whole = torch.cat([embeds, model.get_input_embeddings()(said)])[None]
                logits = model(inputs_embeds=whole).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
                assert torch.allclose(found[j, k], logits.gather(-1, said[:, None]).sum(), atol=1e-4)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_contrasted_text_is_one_of_the_beams_and_no_batch_changes_it(kind: str) -> None:
    model = tiny_models.model(kind)
    inputs = tiny_models.inputs(batch=3, clips=4, answer=0)
    inputs["clip_mask"][1, 2:] = False
    inputs["clip_mask"][2, 1:] = False  # a window of one clip
    plain, chosen = model.generate(**inputs, **OFF), model.generate(**inputs, **OFF, contrast=0.9)
    assert torch.equal(plain, model.generate(**inputs, **OFF, contrast=0.0))
    assert torch.equal(plain[2], chosen[2]) and not torch.equal(plain, chosen)
    for row in range(3):
        alone = model.generate(**{k: v[row : row + 1] for k, v in inputs.items()}, **OFF, contrast=0.9)
        assert torch.equal(chosen[row, :, : alone.shape[-1]], alone[0])
    left = tiny_models.inputs(batch=3, clips=4, answer=0, side="left") | {"clip_mask": inputs["clip_mask"]}
    assert torch.equal(chosen, model.generate(**left, **OFF, contrast=0.9))
    asked = inputs["clip_mask"] & (torch.arange(4) % 2 == 0)  # the others still lend their pictures
    some = model.generate(**inputs, **OFF, contrast=0.9, describe_mask=asked)
    assert torch.equal(some[asked], chosen[asked][:, : some.shape[-1]])


def test_the_configuration_holds_the_weight_and_greedy_search_has_nothing_to_choose_from() -> None:
    inputs = tiny_models.inputs(batch=2, clips=4, answer=0)
    model = tiny_models.model(decode_contrast=0.9)
    assert torch.equal(model.generate(**inputs, **OFF), tiny_models.model().generate(**inputs, **OFF, contrast=0.9))
    greedy = OFF | {"num_beams": 1}
    assert torch.equal(model.generate(**inputs, **greedy), model.generate(**inputs, **greedy, contrast=0.0))
    with pytest.raises(ValueError, match=r"decode_contrast=-1.0: expected a number, 0 or more"):
        tiny_models.config(decode_contrast=-1.0)
