"""Figure 6 of a real window: the committed checkpoint, and features that say they are of its tower."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from train.features import FEATURES, META, ROWS, join_chunks
from train.figure6 import real_row

CHECKPOINT = Path("distinctad/checkpoint")


def cache(folder: Path, tower: str, width: int) -> Path:
    """One film of 20 clips with random features."""
    folder.mkdir()
    frames = torch.randn(20, 8, width, generator=torch.Generator().manual_seed(1)).half()
    save_file({"frames": frames, "faces": torch.zeros(2, width).half()}, folder / "part.safetensors")
    rows = [f'{{"film": "900", "index": {i}, "text": "She waits.", "names": ["Mara", "Tom"]' for i in range(20)]
    ended = [f'{row}, "faces": 2}}' if i == 0 else f"{row}}}" for i, row in enumerate(rows)]
    (folder / "part.jsonl").write_text("\n".join(ended) + "\n", encoding="utf-8")
    join_chunks(folder, [folder / "part.safetensors"], {"tower": tower})
    assert all((folder / name).is_file() for name in (FEATURES, META, ROWS))
    return folder


def test_a_window_of_the_committed_checkpoint(tmp_path: Path) -> None:
    from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
    from modeling_distinctad.towers_distinctad import weights_sha256

    model = DistinctADForConditionalGeneration.from_pretrained(CHECKPOINT)
    width = model.config.joint_size
    trained, stored = str(model.config.vision_sha256), weights_sha256(model.vision_tower)
    assert trained != stored, "else one of the two below says nothing"
    parts = []
    for number, tower in enumerate((trained, stored)):
        name, found, clips = real_row(str(CHECKPOINT), str(cache(tmp_path / str(number), tower, width)), None, 0)
        assert name == "film 900, window 0" and clips == model.config.window_size <= 20
        parts.append(found)
    assert len(parts[0]) == 3 and all(torch.equal(*pair) for pair in zip(*parts, strict=True))
    assert not torch.equal(parts[0][0], parts[0][1])
    with pytest.raises(ValueError, match="film 900 has no window 9"):
        real_row(str(CHECKPOINT), str(tmp_path / "0"), None, 9)
    with pytest.raises(ValueError, match="was made by tower other"):
        real_row(str(CHECKPOINT), str(cache(tmp_path / "other", "other", width)), None, 0)
