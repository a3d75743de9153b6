"""The paper's largest model, by name and shape only; and a middle one with weights, saved and loaded in bfloat16.

The weights of a full-size checkpoint are a file full of holes: its header is true, its 16 GB take no room, and loading
on the meta device reads the header alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from far_process import ALONE
from transformers import CLIPVisionConfig, LlamaConfig

import modeling_distinctad
from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.pretrained_distinctad import AUTO_MAP

VOCABULARY = 128_256


def clip_b16_llama3_8b() -> DistinctADConfig:
    """CLIP ViT-B/16 and LLaMA-3-8B, 30 prompt vectors: the last rows of the paper's Table 1."""
    language = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=8192,
    )  # fmt: skip
    return DistinctADConfig(
        vision_config=CLIPVisionConfig(patch_size=16, projection_dim=512), text_config=language, num_prompt_vectors=30,
        video_token_id=VOCABULARY, face_token_id=VOCABULARY + 1, ad_start_token_id=VOCABULARY + 2,
        face_tokens="always", dtype="bfloat16", architectures=["DistinctADForConditionalGeneration"],
    )  # fmt: skip


def write_hollow(tensors: dict[str, torch.Tensor], file: Path) -> None:
    """A safetensors file with a true header and holes in the place of bfloat16 weights."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + 2 * tensor.numel()
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [start, end]}
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    with file.open("wb") as stream:
        stream.write(len(raw).to_bytes(8, "little") + raw)
        stream.truncate(8 + len(raw) + end)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder as the Hub would hold it, code files included."""
    folder = tmp_path_factory.mktemp("full") / "model"
    config = clip_b16_llama3_8b()
    config.auto_map = AUTO_MAP
    config.save_pretrained(folder)
    with torch.device("meta"):
        write_hollow(DistinctADForConditionalGeneration(config).state_dict(), folder / "model.safetensors")
    for code in Path(modeling_distinctad.__file__).parent.glob("*_distinctad.py"):
        shutil.copyfile(code, folder / code.name)
    yield folder
    (folder / "model.safetensors").unlink()


LOAD = """
import json, resource, sys
import torch
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True, device_map="meta")
features = torch.empty(1, 16, 8, 512, dtype=torch.bfloat16, device="meta")
tokens = model.encode_window(features)
print(json.dumps({
    "parameters": sum(p.numel() for p in model.parameters()), "training": model.training,
    "trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
    "where": sorted({str((p.device.type, p.dtype)) for p in model.parameters()}),
    "tokens": [list(tokens.shape), str(tokens.dtype)],
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
}))
"""


@pytest.mark.slow
def test_a_full_size_checkpoint_loads_on_the_meta_device(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    assert checkpoint.joinpath("model.safetensors").stat().st_size > 16_000_000_000
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", ALONE + LOAD, str(checkpoint)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["parameters"] == 8_127_774_720 and found["trained"] == 11_320_832  # 86 M, 8,030 M, and what trains
    assert found["where"] == ["('meta', torch.bfloat16)"] and not found["training"]
    assert found["tokens"] == [[1, 16, 30, 4096], "torch.bfloat16"]
    assert found["memory"] < 4e9  # bytes: no weights were made


@pytest.mark.slow
def test_a_full_size_checkpoint_with_a_hole_in_its_header_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with torch.device("meta"):
        tensors = DistinctADForConditionalGeneration(clip_b16_llama3_8b()).state_dict()
    del tensors["language_model.model.layers.31.mlp.up_proj.weight"]
    shutil.copyfile(checkpoint / "config.json", tmp_path / "config.json")
    write_hollow(tensors, tmp_path / "model.safetensors")
    try:
        with pytest.raises(ValueError, match=r"weights missing.*layers\.31\.mlp\.up_proj"):
            DistinctADForConditionalGeneration.from_pretrained(tmp_path, device_map="meta")
    finally:
        (tmp_path / "model.safetensors").unlink()


def test_a_middle_size_saves_and_loads_in_bfloat16(tmp_path: Path) -> None:
    vision = CLIPVisionConfig(
        hidden_size=192, intermediate_size=384, num_hidden_layers=3, num_attention_heads=4, image_size=64,
        patch_size=16, projection_dim=128,
    )  # fmt: skip
    language = LlamaConfig(
        vocab_size=4096, hidden_size=512, intermediate_size=1024, num_hidden_layers=6, num_attention_heads=8,
        num_key_value_heads=4, max_position_embeddings=256,
    )  # fmt: skip
    config = tiny_models.config(
        vision_config=vision, text_config=language, num_prompt_vectors=10, video_token_id=4096, face_token_id=4097,
        ad_start_token_id=4098, em_bases_init="random",
    )  # fmt: skip
    torch.manual_seed(0)
    model = DistinctADForConditionalGeneration(config).eval()
    model.scale_projections()
    model.to(torch.bfloat16).save_pretrained(tmp_path / "first")
    size = (tmp_path / "first" / "model.safetensors").stat().st_size
    assert size < 2.1 * sum(p.numel() for p in model.parameters()) and size > 30_000_000
    loaded = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "first")
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())
    loaded.save_pretrained(tmp_path / "second")
    again = DistinctADForConditionalGeneration.from_pretrained(tmp_path / "second")
    assert loaded.dtype == torch.bfloat16 and loaded.contextual_em.bases.dtype == torch.float32
    ids = torch.randint(0, 4096, (1, 3, 24))
    ids[..., 4:14], ids[..., 14] = 4096, 4098
    given = {"input_ids": ids, "pixel_values": torch.randn(1, 3, 3, 3, 64, 64)}
    with torch.no_grad():
        # Not `model`, whose rotary frequencies `to` has rounded as well: loading computes them in float32.
        found, repeated = loaded(**given).logits, again(**given).logits
        exact = loaded.float()(**given).logits
    assert found.dtype == torch.bfloat16 and torch.isfinite(found).all() and torch.equal(found, repeated)
    # bfloat16 keeps 8 bits: the logits of two runs differ by a few percent of their spread, not by more
    assert (found.float() - exact).square().mean().sqrt() < 0.05 * exact.std()
