"""What could be changed without a test that failed, found by mutations: one test for each."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from train import run_record
from train.arguments import SAME_WEIGHTS, resume_point
from train.collators import ClipCollator, WindowCollator, WindowOptions, consecutive_windows, scheduled_windows
from train.experiments.report import Column, Report, findings
from train.experiments.runs import Arm, Record
from train.experiments.summary import interval, t_quantile
from train.features import FeatureCache
from train.pocket_arms import validation_loss
from train.retrieval import RESAMPLES, embed_pool, median_interval
from train.stage2 import Stage2Arguments, build_model, build_processor
from train.stage2_evaluation import evaluate_windows


def test_a_clip_of_a_pool_is_the_mean_of_its_unit_frames() -> None:
    class Model:
        def eval(self) -> None: ...
        def parameters(self) -> Any:
            return iter([torch.zeros(1)])

        def frames(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels

        def texts(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
            return ids.float(), None

    frames = torch.tensor([[[10.0, 0.0], [0.0, 1.0]], [[0.0, 3.0], [0.0, 5.0]], [[1.0, 1.0], [7.0, 0.0]]])
    rows = [{"pixel_values": f, "text": str(i), "film": "x"} for i, f in enumerate(frames)]

    def collate(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        ids = torch.tensor([[3, 4]] * len(items))
        return {
            "pixel_values": torch.stack([i["pixel_values"] for i in items]),
            "input_ids": ids,
            "attention_mask": ids,
        }

    found = embed_pool(Model(), rows, collate, batch=2)
    assert torch.allclose(found.clips, normalize(normalize(frames, dim=-1).mean(1), dim=-1))  # as L_g sees them
    assert torch.allclose(found.texts, torch.tensor([[0.6, 0.8]] * 3)) and found.ads == ["0", "1", "2"]

    class Source(list[dict[str, Any]]):
        """The second clip gives no frames."""

        def __getitems__(self, places: Any) -> list[dict[str, Any]]:
            return [self[place] for place in places if place != 1]

    assert embed_pool(Model(), Source(rows), collate, batch=2).ads == ["0", "2"]


def test_every_accuracy_counts_what_it_names(towers: dict[str, str], features: Path) -> None:
    cache = FeatureCache(features)
    asked = Stage2Arguments(clip=towers["clip"], language=towers["lm"])
    processor = build_processor(asked)
    torch.manual_seed(0)
    model = build_model(asked, processor, cache, ["1", "2"])
    collator, windows = WindowCollator(processor, cache), consecutive_windows(cache, ["800001"], 8)
    people = set(processor.tokenizer.convert_tokens_to_ids([f"<person_{k}>" for k in range(1, 6)]))
    told: dict[str, list[bool]] = {"token": [], "person": [], "distinctive": []}
    forward = type(model).forward

    def seen(self: Any, **inputs: Any) -> Any:
        """A model that is right about every second distinctive token, every third person, and nothing else."""
        output = forward(self, **inputs)
        labels, logits = inputs["labels"], torch.zeros_like(output.logits)
        n = {"person": 0, "distinctive": 0}
        for b, c, at in (labels[..., 1:] >= 0).nonzero().tolist():
            label, marked = int(labels[b, c, at + 1]), bool(inputs["distinctive_mask"][b, c, at + 1])
            kind = "person" if label in people else "distinctive" if marked else ""
            right = False
            if kind:
                right = n[kind] % (3 if kind == "person" else 2) == 0
                n[kind] += 1
            logits[b, c, at, label if right else (label + 1) % logits.shape[-1]] = 9.0
            told["token"].append(right)
            if kind == "person":
                told["person"].append(right)
            if marked:
                told["distinctive"].append(right)
        output.logits = logits
        return output

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "forward", seen)
        found = evaluate_windows(model, collator, windows, batch=1)
    for name, hits in told.items():
        assert hits and found[f"{name}_accuracy"] == pytest.approx(sum(hits) / len(hits), abs=1e-4), name
    assert len({found[f"{name}_accuracy"] for name in told}) == 3  # three different figures
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.config, "lambda_dist", 100.0)  # a random model's L_dist hardly differs between batches
        for divisor in ("shared", "own"):  # with its own, a batch's L_dist weighs as much as its distinctive tokens
            patch.setattr(model.config, "dist_normalisation", divisor)
            parts, whole = (evaluate_windows(model, collator, windows, size) for size in (1, len(windows)))
            assert parts["loss"] == pytest.approx(whole["loss"], abs=1e-3), divisor
    # L_auto that chooses learning rates: every token counts once, in a short last window too.
    inputs = collator(windows)
    with torch.no_grad():
        expected = float(model(**inputs).loss_auto)
    assert len({int(window.sum()) for window in inputs["labels"] >= 0}) > 1
    assert validation_loss(model, collator, windows) == pytest.approx(expected, abs=1e-5)


def test_the_rest_is_taken_off_a_crossed_interval_by_hand() -> None:
    # row and column effects 0 and 6, rest +-1: A = B = 2 * 18 = 36, E = 4 * 1 / 1 = 4; Var = (36 + 36 - 4) / 4
    found = interval([[1.0, 5.0], [5.0, 13.0]])
    freedom = 68**2 / (36**2 / 1 + 36**2 / 1 + 4**2 / 1)
    assert found.upper == pytest.approx(6 + t_quantile(freedom) * math.sqrt(68 / 4), rel=1e-6)
    # three rows, two columns: E has 2 degrees of freedom; rows 0, 6, 12; columns 0, 6; rest 1 -1 / -1 1 / 0 0
    found = interval([[1.0, 5.0], [5.0, 13.0], [12.0, 18.0]])
    a, b, e = 2 * 72 / 2, 3 * 18 / 1, 4 / 2
    freedom = (a + b - e) ** 2 / (a**2 / 2 + b**2 + e**2 / 2)
    assert found.upper == pytest.approx(9 + t_quantile(freedom) * math.sqrt((a + b - e) / 6), rel=1e-6)


def test_a_difference_is_called_one_only_where_its_interval_leaves_zero_out() -> None:
    def record(arm: str, seed: int, value: float) -> Record:
        return Record(arm, seed, {"films": {"cider": value}})

    values = {"up": (5.0, 5.1, 5.2), "down": (-5.0, -5.1, -5.2), "wide": (9.0, -4.0, 1.0), "same": (0.0, 0.0, 0.0)}
    records = [record("A0", s, 0.0) for s in range(3)]
    records += [record(arm, s, v) for arm, three in values.items() for s, v in enumerate(three)]
    report = Report("T", [Arm("A0"), *map(Arm, values)], [0, 1, 2], [Column("cider", "CIDEr")], "A0")
    said = findings(report, records)
    verdicts = {line.split(" minus ")[0]: line.rstrip(".").rsplit(", ", 1)[1] for line in said}
    assert verdicts == {"up": "higher", "down": "lower", "wide": "not told apart", "same": "not told apart"}
    assert all(line.split(" minus ")[1].startswith("A0, CIDEr: ") for line in said)


def test_a_record_says_that_the_tree_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    monkeypatch.setattr(run_record, "__file__", str(tmp_path / "run_record.py"))  # the command runs elsewhere
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert run_record._commit() == "unknown"
    (tmp_path / "a").write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    clean = run_record._commit()
    assert len(clean) == 40
    (tmp_path / "a").write_text("2")
    assert run_record._commit() == f"{clean}+changes"


def test_a_record_holds_no_absolute_path_of_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "train" / "stage2.py"), str(tmp_path / "c.yaml"), "--seed", "1"])
    command = run_record.RunRecord("stage2", {}, 1, "d").content["command"]
    assert command == "python train/stage2.py c.yaml --seed 1"


@pytest.mark.parametrize("name", ["learning_rate", "batch_size", "seed", "bf16", "lr_schedule", "max_grad_norm"])
def test_what_decides_the_weights_is_compared(name: str, tmp_path: Path) -> None:
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-3" / "trainer_state.json").write_text("{}", encoding="utf-8")
    assert name not in SAME_WEIGHTS
    resume_point(str(tmp_path), {name: 1})
    with pytest.raises(ValueError, match=f"{name} was 1 and is 2"):
        resume_point(str(tmp_path), {name: 2})
    with pytest.raises(ValueError, match="other was None and is 5"):  # an option that came later
        resume_point(str(tmp_path), {name: 1, "other": 5})


def test_no_name_of_the_cast_is_distinctive(towers: dict[str, str], features: Path) -> None:
    cache = FeatureCache(features)
    processor = build_processor(Stage2Arguments(clip=towers["clip"], language=towers["lm"]))
    collator = WindowCollator(processor, cache, WindowOptions())
    for row in cache.rows:  # a name that only ever begins its sentence is told by the cast alone
        row["text"] = f"{row['names'][row['index'] % len(row['names'])]} waits."
    from datasets_scripts.words import name_words

    window = scheduled_windows(cache, ["1"], 2, seed=1, epochs=1)[0]
    rows = [cache.rows[n] for n in window[2]]
    words = collator.window(*window)["distinctive_words"]
    assert not set().union(*words) & name_words(rows[0]["names"])


def test_the_start_of_clips_tokens_is_no_word() -> None:
    class Tokenizer:
        bos_token_id, eos_token_id, model_max_length = 1, 2, 9

        def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
            return {"input_ids": [1, *(10 + len(w) for w in text.split()), 2]}

    rows = [{"pixel_values": torch.zeros(1, 3, 2, 2), "text": t} for t in ("he runs", "she")]
    batch = ClipCollator(Tokenizer())(rows)
    assert batch["word_mask"].tolist() == [[False, True, True, False], [False, True, False, False]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]


def test_random_windows_are_drawn_anew_in_every_epoch(features: Path) -> None:
    cache = FeatureCache(features)
    schedule = scheduled_windows(cache, ["1"], 8, seed=1, epochs=3, sampling="random")
    orders = []
    for epoch in range(3):
        members = [set(rows) for e, _, rows in schedule if e == epoch]
        orders.append({(a, b) for rows in members for a in rows for b in rows})
    assert orders[0] != orders[1] != orders[2] != orders[0]  # other clips meet
    assert schedule == scheduled_windows(cache, ["1"], 8, seed=1, epochs=3, sampling="random")


def test_the_interval_of_a_median_leaves_out_a_fortieth_at_either_end() -> None:
    values, films = np.arange(60.0), [str(i) for i in range(60)]
    draws = np.random.default_rng(0).integers(60, size=(RESAMPLES, 60))
    order = sorted(range(60), key=lambda i: films[i])
    medians = np.median(values[np.array(order)][draws], axis=1)
    lower, upper = median_interval(values, films)
    assert (lower, upper) == tuple(np.percentile(medians, [2.5, 97.5]))
    assert medians.min() < lower < 29.5 < upper < medians.max()
