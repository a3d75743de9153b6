"""A CLIP with a residual vision tower: its folder, Stage I on it, and what makes neighbours in a batch harmless."""

import functools
import json

import pytest
import torch
from torch import nn
from transformers import (
    AutoModel,
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    ResNetConfig,
    ResNetModel,
)

from modeling_distinctad.towers_distinctad import load_vision, weights_sha256
from train.arguments import RunArguments
from train.dual_encoder import DualEncoder, _by_product, compile_layers, load_clip, pooled_images
from train.reconstruction import TextTower
from train.stage1 import Stage1Arguments, Stage1Model, train

WIDTH = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    torch.manual_seed(0)
    words = tokenizer
    vision = ResNetModel(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, WIDTH], depths=[1, 1, 1, 1], layer_type="basic")
    )
    text = CLIPTextModelWithProjection(
        CLIPTextConfig(
            hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=len(words),
            max_position_embeddings=40, eos_token_id=words.eos_token_id, bos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id, projection_dim=WIDTH, logit_scale_init_value=2.5,
        )
    )  # fmt: skip
    vision.train()
    for _ in range(5):  # statistics that are not those of a fresh network
        vision(pixel_values=torch.randn(8, 3, 32, 32) + 1)
    path = tmp_path_factory.mktemp("dual")
    DualEncoder(vision, text).save_pretrained(path)
    words.save_pretrained(path)
    size = {"height": 32, "width": 32}
    CLIPImageProcessorPil(do_center_crop=False, size=size, crop_size=size).save_pretrained(path)
    return path


def test_both_towers_load_by_the_librarys_own_classes(folder):
    clip = load_clip(folder).eval()
    pixels = torch.randn(3, 3, 32, 32)
    plain = AutoModel.from_pretrained(folder).eval()
    torch.testing.assert_close(plain(pixel_values=pixels).pooler_output.flatten(1), pooled_images(clip, pixels))
    assert CLIPTextModelWithProjection.from_pretrained(folder / "text").config.projection_dim == WIDTH
    assert clip.logit_scale.item() == 2.5
    assert weights_sha256(load_vision(str(folder))) == weights_sha256(plain)


def test_statistics_belong_to_the_fingerprint(folder):
    vision = load_vision(str(folder))
    before = weights_sha256(vision)
    vision.embedder.embedder.normalization.running_mean.add_(1.0)
    assert weights_sha256(vision) != before


def test_an_image_does_not_hang_on_its_batch_in_stage1(folder):
    model = Stage1Model(load_clip(folder)).train()
    pixels = torch.randn(4, 2, 3, 32, 32)
    torch.testing.assert_close(model(pixels)[:1], model(pixels[:1]))


def test_texts_are_read_by_its_text_half(folder):
    tower = TextTower(str(folder))
    assert tower.is_clip and tower.width == WIDTH
    clip = load_clip(folder).eval()
    ids = torch.tensor([tower._ids("lifts the red lamp")])
    output = clip.text_model(input_ids=ids, attention_mask=torch.ones_like(ids))
    expected = clip.text_projection(output.pooler_output)[0]
    torch.testing.assert_close(tower.encode(["lifts the red lamp"])[0].pooled.float(), expected, atol=2e-3, rtol=2e-3)


def test_stage1_trains_the_vision_tower_alone(folder, tmp_path):
    arguments = Stage1Arguments(
        clip=str(folder), seeds="1", held_out_seeds="800001", held_out_clips=4, max_steps=2, num_frames=2, chunk_size=3
    )
    metrics = train(arguments, RunArguments(str(tmp_path / "out"), learning_rate=1e-3, batch_size=8, bf16=False))
    before, after = load_clip(folder), load_clip(tmp_path / "out")
    assert metrics["steps"] == 2 and json.loads((tmp_path / "out/run_record.json").read_text())["stage"] == "stage1"
    changed = {name for name, value in after.state_dict().items() if not torch.equal(value, before.state_dict()[name])}
    assert changed and all(name.startswith("vision_model.") for name in changed)
    assert not any("running" in name for name in changed)


def test_a_folder_that_is_no_clip_is_refused(towers, tmp_path):
    with pytest.raises(ValueError, match=r"is a gpt2; expected a CLIP"):
        load_clip(towers["lm"])
    assert load_clip(towers["clip"]).config.projection_dim == 16


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (37, 24), (8, 16)])
def test_patches_by_a_product_are_the_convolution_edges_left_out_as_there(bias, height, width):
    torch.manual_seed(0)
    patches, pixels = nn.Conv2d(3, 10, 8, 8, bias=bias), torch.randn(2, 3, height, width)
    slopes = []
    for embed in (patches, functools.partial(_by_product, patches)):
        patches.zero_grad()
        embedded = embed(pixels)
        embedded.pow(2).sum().backward()
        slopes.append((embedded.detach(), patches.weight.grad.clone()))
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_compiled_layers_embed_the_same_and_keep_their_names(folder):
    torch.manual_seed(0)
    tower = CLIPVisionModelWithProjection(
        CLIPVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
                         image_size=16, patch_size=8, projection_dim=8)
    ).eval()  # fmt: skip
    pixels, names = torch.randn(2, 3, 16, 16), list(tower.state_dict())
    plain = tower(pixels).image_embeds
    assert compile_layers(tower) == 2 and list(tower.state_dict()) == names
    patches = tower.vision_model.embeddings.patch_embedding
    assert patches.forward.__func__ is _by_product
    assert all(layer._compiled_call_impl is not None for layer in tower.vision_model.encoder.layers)
    torch.testing.assert_close(tower(pixels).image_embeds, plain, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="no transformer layers"):
        compile_layers(load_vision(folder))
