"""Stage II: what a window costs, and what batching it saves. Last line: JSON.

`python benchmarks/stage2.py [--quick]`: `logits_rel_err` (loss and gradients with logits only where the loss counts and
chunks of clips, against the full computation), `window_over_loop` (one batched window against a clip-at-a-time loop on
the same weights, texts equal), `clips_per_s` (training from features), `ads_per_s` (describing from features). Without
`--quick` also memory, and the cost against N, K and the language model's size. On a CUDA device a LLaMA-3-8B-shaped
frozen model with random weights in bf16 is timed too; without one its operations are counted, marked so.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from transformers import CLIPVisionConfig, GPT2Config, LlamaConfig

from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration

VOCABULARY, EOS = 2048, 1
SLOTS = {"video_token_id": VOCABULARY, "face_token_id": VOCABULARY + 1, "ad_start_token_id": VOCABULARY + 2}
PROMPT, ANSWER = 3, 12


def make_model(width: int = 192, layers: int = 4, joint: int = 160, **fields: Any) -> Any:
    """A model of the pocket's shape with random weights; `fields` are the configuration's."""
    text = GPT2Config(
        vocab_size=VOCABULARY, n_positions=256, n_embd=width, n_layer=layers, n_head=max(1, width // 32),
        bos_token_id=EOS, eos_token_id=EOS,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1, image_size=32, patch_size=32,
        projection_dim=joint,
    )  # fmt: skip
    torch.manual_seed(0)
    common: dict[str, Any] = {"vision_config": vision, "text_config": text, "face_tokens": "never", **SLOTS}
    config = DistinctADConfig(**{**common, "decode_num_beams": 1, **fields})
    model = DistinctADForConditionalGeneration(config)
    model.eval()
    model.scale_projections()
    return model


def make_inputs(model: Any, batch: int, clips: int, answers: bool = True, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random windows (B, N) with ADs of 4 to 12 tokens, a third of them distinctive."""
    generator = torch.Generator().manual_seed(seed)
    config = model.config
    head = [2] * PROMPT + [config.video_token_id] * config.num_prompt_vectors + [config.ad_start_token_id]
    length = len(head) + (ANSWER if answers else 0)
    ids = torch.full((batch, clips, length), EOS)
    ids[..., : len(head)] = torch.tensor(head)
    made = {"frame_features": torch.randn(batch, clips, config.num_frames, config.joint_size, generator=generator)}
    mask = torch.ones_like(ids)
    if answers:
        ids[..., len(head) :] = torch.randint(2, VOCABULARY, (batch, clips, ANSWER), generator=generator)
        lengths = torch.randint(4, ANSWER + 1, (batch, clips, 1), generator=generator)
        mask = (torch.arange(length) < len(head) + lengths).long()
        labels = torch.where(mask.bool(), ids, -100)
        labels[..., : len(head)] = -100
        marked = torch.rand(labels.shape, generator=generator) < 1 / 3
        made |= {"labels": labels, "distinctive_mask": marked & (labels >= 0)}
    return {"input_ids": ids, "attention_mask": mask, **made}


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """Least wall time of some runs after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def step(model: Any, inputs: dict[str, torch.Tensor], **how: Any) -> tuple[float, list[torch.Tensor]]:
    """One forward and backward: the loss and the gradients of what trains."""
    model.zero_grad()
    loss = model.train()(**inputs, **how).loss
    loss.backward()
    return loss.item(), [model.get_parameter(name).grad for name in model.trainable_parameter_names()]


def logits_error(model: Any, inputs: dict[str, torch.Tensor]) -> float:
    """Largest relative difference of the loss, and of the gradient as one vector, between short and full way."""
    whole, expected = step(model, inputs)
    expected = [gradient.clone() for gradient in expected]
    worst = 0.0
    for chunk in (0, 5):
        loss, given = step(model, inputs, loss_only=True, language_chunk=chunk)
        worst = max(worst, abs(loss - whole) / abs(whole))
        # Over all gradients together: those of key biases are 0 but for rounding, and have no size to compare with.
        apart = sum((one - other).square().sum() for one, other in zip(given, expected, strict=True))
        worst = max(worst, (apart / sum(other.square().sum() for other in expected)).sqrt().item())
    return worst


def window_and_loop(model: Any, clips: int, tokens: int, repeats: int) -> dict[str, float]:
    """Describing a window at once against clip by clip, the visual part of the window included in both.

    Raises:
        RuntimeError: the two ways told different texts.
    """
    model.eval()
    inputs = make_inputs(model, 1, clips, answers=False)
    how = {"max_new_tokens": tokens, "min_new_tokens": tokens}
    masks = [torch.arange(clips)[None] == place for place in range(clips)]

    def at_once() -> torch.Tensor:
        return model.generate(**inputs, **how)

    def one_by_one() -> torch.Tensor:
        return torch.stack([model.generate(**inputs, describe_mask=m, **how)[0, i] for i, m in enumerate(masks)])

    if not torch.equal(at_once()[0], one_by_one()):
        raise RuntimeError("the window and the loop told different texts; expected the same; look at generate")
    window, loop = seconds(at_once, repeats), seconds(one_by_one, repeats)
    return {"window_over_loop": loop / window, "ads_per_s": clips / window}


def costs(quick: bool) -> list[str]:
    """Lines of the cost against N, K and the language model's size: clips a second in training."""
    lines = []
    cases: list[tuple[str, dict[str, Any], int]] = [(f"N {n}", {}, n) for n in (1, 4, 16, 64)]
    cases += [(f"K {k}", {"em_num_bases": k}, 16) for k in (2, 32, 64)]
    cases += [(f"LM {w} x {d}", {"width": w, "layers": d}, 16) for w, d in ((128, 2), (192, 4), (384, 6))]
    for name, fields, clips in cases[:1] if quick else cases:
        model = make_model(**fields)
        batch = max(1, 64 // clips)
        inputs = make_inputs(model, batch, clips)

        def once(model: Any = model, inputs: Any = inputs) -> Any:
            return step(model, inputs, loss_only=True)

        lines.append(f"{name:12} {batch * clips / seconds(once, 2):8.1f} clips/s")
    return lines


def llama_figures(
    device: str, text: LlamaConfig, batch: int = 8, clips: int = 16, windows: int = 41, tokens: int = 20
) -> dict[str, Any]:
    """Training and describing with a frozen language model in bfloat16, random weights, from cached features.

    Args:
        device: where.
        text: the language model's shape.
        batch: windows a step.
        clips: N of a window.
        windows: of a film that is described.
        tokens: new ones of every AD.
    """
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = make_model(joint=512, text_config=text, num_prompt_vectors=30)
    finally:
        torch.set_default_dtype(torch.float32)
    for name in model.trainable_parameter_names():
        parameter = model.get_parameter(name)
        parameter.data = parameter.data.float()
    inputs = {name: tensor.to(device) for name, tensor in make_inputs(model, batch, clips).items()}
    found: dict[str, Any] = {}
    for name, checkpointing in (("", False), ("_checkpointing", True)):
        if checkpointing:
            model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats()

        def once() -> Any:
            with torch.autocast(device, torch.bfloat16):
                loss = model.train()(**inputs, loss_only=True).loss
            model.zero_grad()
            loss.backward()

        found[f"clips_per_s_llama3_8b{name}"] = round(batch * clips / seconds(once, 3), 1)
        if device != "cpu":
            found[f"peak_gb_llama3_8b{name}"] = round(torch.cuda.max_memory_allocated() / 1e9, 1)
    model.language_model.gradient_checkpointing_disable()
    prompts = {n: tensor.to(device) for n, tensor in make_inputs(model, windows, clips, answers=False).items()}

    def film() -> Any:
        with torch.autocast(device, torch.bfloat16):
            return model.eval().generate(**prompts, max_new_tokens=tokens, min_new_tokens=tokens)

    film_s = seconds(film, 1)
    return {**found, f"film_of_{windows * clips}_ads_s": round(film_s, 2)}


def accelerator() -> dict[str, Any]:
    """LLaMA-3-8B's shape, frozen and random in bf16: 8 x 16 clips a step; timed on CUDA, else counted."""
    text = LlamaConfig(
        hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8,
        vocab_size=128256, bos_token_id=EOS, eos_token_id=EOS, max_position_embeddings=8192,
    )  # fmt: skip
    if torch.cuda.is_available():
        return {"llama3_8b": torch.cuda.get_device_name(), **llama_figures("cuda", text)}
    flops = 128 * (30 + PROMPT + 1 + ANSWER) * 8.03e9 * 6  # forward, recomputation, gradient of activations
    return {"llama3_8b": "counted, not measured", "flops_a_step": flops,
            "predicted_clips_per_s": round(128 / (flops / (989e12 * 0.35)), 1)}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="end within a minute")
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    repeats = 2 if asked.quick else 5
    model = make_model()
    inputs = make_inputs(model, 4, 16)
    found: dict[str, Any] = {"logits_rel_err": logits_error(model, make_inputs(model, 2, 8))}
    found |= window_and_loop(model, 16, 8 if asked.quick else 16, repeats)
    found["clips_per_s"] = 64 / seconds(lambda: step(model, inputs, loss_only=True), repeats)
    found["clips_per_s_full_logits"] = 64 / seconds(lambda: step(model, inputs), repeats)
    for line in costs(asked.quick):
        print(line)
    if not asked.quick:
        import resource

        found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    found |= accelerator()
    rounded = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in found.items()}
    print(json.dumps({"benchmark": "stage2", "threads": torch.get_num_threads(), "quick": asked.quick, **rounded}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
