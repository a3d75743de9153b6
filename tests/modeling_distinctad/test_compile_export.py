"""`torch.compile` of the forward and `torch.export` of the window forward give what eager gives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from torch import Tensor, nn
from torch.export import Dim, export


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What one test compiled must not serve another."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def batch() -> dict[str, Tensor]:
    """A batch with a padded clip and a missing frame."""
    inputs = tiny_models.inputs()
    inputs["clip_mask"][1, 2] = inputs["frame_mask"][0, 1, 2] = False
    return inputs


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_compiled_forward_is_eager(kind: str) -> None:
    model, inputs = tiny_models.model(kind), batch()
    calls = []

    def counted(graph: Any, examples: Any) -> Any:
        calls.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, examples)

    compiled = torch.compile(model, backend=counted)
    with torch.no_grad():
        eager, found = model(**inputs), compiled(**inputs)
    kept = inputs["attention_mask"].bool() & inputs["clip_mask"].unsqueeze(-1)
    assert calls  # otherwise eager was compared with itself
    assert torch.allclose(found.logits[kept], eager.logits[kept], atol=1e-4)
    assert torch.allclose(found.visual_embeds, eager.visual_embeds, atol=1e-5)
    for name in ("loss", "loss_auto", "loss_distinctive"):
        assert torch.allclose(found[name], eager[name], atol=1e-5)


@pytest.mark.slow
def test_compiled_training_step_is_eager() -> None:
    grown = []
    for compiled in (False, True):
        model = tiny_models.model().train()
        run = torch.compile(model, backend="aot_eager") if compiled else model
        run(**batch()).loss.backward()
        grown.append({name: p.grad for name, p in model.named_parameters() if p.requires_grad})
    assert grown[0].keys() == grown[1].keys() and len(grown[0]) > 20
    for name, gradient in grown[0].items():
        assert gradient is not None and torch.allclose(grown[1][name], gradient, atol=1e-6), name


@pytest.mark.parametrize(
    "backend",
    [
        "aot_eager",
        pytest.param(  # the window alone, which is ours: with the language model inductor takes a minute
            "inductor",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler"),
            ],
        ),
    ],
)
def test_the_window_compiles_without_a_break(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # what an earlier run compiled shows nothing
    model, inputs = tiny_models.model(em_rounds=1), batch()  # every round is compiled anew
    window = [inputs[name] for name in ("frame_features", "frame_mask", "clip_mask")]
    compiled = torch.compile(model.encode_window, backend=backend, fullgraph=True)
    with torch.no_grad():
        assert torch.allclose(compiled(*window), model.encode_window(*window), atol=1e-5)


class Window(nn.Module):
    """`encode_window` as a module's forward, which is what `export` takes."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, frame_features: Tensor, frame_mask: Tensor, clip_mask: Tensor) -> Tensor:
        """Visual tokens (B, N, Q, D)."""
        return self.model.encode_window(frame_features, frame_mask, clip_mask)


SIZES: Any = ({0: Dim("B"), 1: Dim("N")},) * 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"em_center": "latent", "em_bases_init": "random"}, {"context_mixer": "attention_residual"}],
    ids=["default", "latent, stored bases", "controls"],
)
def test_exported_window_is_eager_for_any_number_of_clips(changes: dict[str, Any]) -> None:
    module = Window(tiny_models.model(**changes)).eval()
    inputs = batch()
    names = ("frame_features", "frame_mask", "clip_mask")
    # strict: without it `export` fixes N at the example's, see docs/decisions/0005.
    program = export(module, tuple(inputs[name] for name in names), dynamic_shapes=SIZES, strict=True)
    for number, clips in ((2, 3), (1, 1), (3, 16)):
        other = tiny_models.inputs(number, clips)
        other["clip_mask"][0, -1] = clips == 1
        window = tuple(other[name] for name in names)
        with torch.no_grad():
            assert torch.allclose(program.module()(*window), module(*window), atol=1e-6)


def test_exported_window_of_fixed_size_is_eager() -> None:
    module, inputs = Window(tiny_models.model("llama")).eval(), batch()
    window = tuple(inputs[name] for name in ("frame_features", "frame_mask", "clip_mask"))
    with torch.no_grad():
        assert torch.allclose(export(module, window).module()(*window), module(*window), atol=1e-6)
