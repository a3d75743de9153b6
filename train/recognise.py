"""Measures our own recognition: portraits against frames in the CLIP space of a feature cache, with a tuned threshold.

A cache with the frames' outer quarters (`train/features.py --sides true`) is searched in these too: two people are
then told apart. The threshold that gives the best F1 on the tuning films is taken; figures are of the test films, which
the tuning never sees. Truth is who is drawn in a clip, from the film's story. Pocket films only: public sets have no
such truth.

Run: `python train/recognise.py --features runs/pocket/features --test 800001-800016 --output_dir runs/recognise`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from datasets_scripts.pocket.story import make_film
from datasets_scripts.windows import windows
from modeling_distinctad.recognition_distinctad import similarities
from train.arguments import parse_run
from train.features import FeatureCache, parse_seeds
from train.film_splits import refuse_blind, refuse_overlap
from train.run_record import RunRecord, fingerprint
from train.stops import plain_refusals

Pairs = list[tuple[float, bool]]
"""(similarity, whether the person is in the clip) of every portrait in every clip."""


@dataclass
class RecogniseArguments:
    """Which films choose the threshold and which are measured."""

    features: str = field(default="runs/pocket/features", metadata={"help": "feature cache, see train/features.py"})
    tune: str = field(default="1-40", metadata={"help": "seeds of the films that choose the threshold"})
    test: str = field(default="800001-800016", metadata={"help": "seeds of the films that are measured"})
    window: int = field(default=16, metadata={"help": "clips that are centred together, as in a prompt's window"})
    pool: str = field(default="max", metadata={"help": "max | mean over a clip's frames"})


def visible_people(seed: int, preset: str) -> list[set[int]]:
    """Cast numbers of the people drawn in each clip of a film, by the story's facts."""
    film = make_film(seed, preset)
    return [{p for fact in clip.facts for p in (fact.person, fact.partner) if p >= 0} for clip in film.clips]


def scored_pairs(cache: FeatureCache, seeds: Sequence[int], window: int, pool: str) -> Pairs:
    """Score every portrait in every clip of some films.

    Args:
        cache: frames and portraits.
        seeds: films in the cache.
        window: clips scored together.
        pool: see `similarities`.

    Raises:
        ValueError: a film is not in the cache.
    """
    pairs: Pairs = []
    for seed in seeds:
        if str(seed) not in cache.films:
            raise ValueError(f"film {seed} is not in the cache, expected one of {len(cache.films)}; encode it first")
        numbers = cache.films[str(seed)]
        truth, faces = visible_people(seed, cache.meta["preset"]), cache.film_faces(cache.rows[numbers[0]])
        for places in windows(len(numbers), window):
            members = [numbers[i] for i in places]
            frames = cache.frames[members].float()
            if cache.sides is not None:  # more views of the clip: whoever is seen in one of them is seen
                frames = torch.cat([frames, cache.sides[members].float().flatten(1, 2)], dim=1)
            scores = similarities(frames, torch.ones(frames.shape[:2], dtype=torch.bool), faces, pool)
            for place, row in zip(places, scores.tolist(), strict=True):
                pairs += [(score, person in truth[place]) for person, score in enumerate(row)]
    return pairs


def precision_recall_curve(pairs: Pairs) -> list[dict[str, float]]:
    """Precision, recall and F1 at every threshold that changes them, from the strictest to the laxest.

    Args:
        pairs: scores with their truth; at least one true.

    Returns:
        {"threshold", "precision", "recall", "f1"}; a score at the threshold counts as found.

    Raises:
        ValueError: nobody is in any clip.
    """
    wanted = sum(true for _, true in pairs)
    if not wanted:
        raise ValueError(f"{len(pairs)} scores and nobody in any clip, expected people; check the films")
    ordered = sorted(pairs, key=lambda pair: -pair[0])
    curve, hits = [], 0
    for count, (score, true) in enumerate(ordered, start=1):
        hits += true
        if count == len(ordered) or ordered[count][0] < score:  # equal scores are found together
            f1 = 2 * hits / (count + wanted)
            curve.append({"threshold": score, "precision": hits / count, "recall": hits / wanted, "f1": f1})
    return curve


def at_threshold(pairs: Pairs, threshold: float) -> dict[str, float]:
    """Precision, recall and F1 at one threshold (precision 0 where nobody is found)."""
    found = [true for score, true in pairs if score >= threshold]
    wanted = sum(true for _, true in pairs)
    hits = sum(found)
    return {
        "precision": hits / len(found) if found else 0.0,
        "recall": hits / wanted if wanted else 0.0,
        "f1": 2 * hits / (len(found) + wanted) if len(found) + wanted else 0.0,
    }


def measure(arguments: RecogniseArguments) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Choose the threshold on the tuning films and measure the test films.

    Returns:
        Figures (threshold, test_ and tune_ precision, recall, F1, "everyone" as what naming the whole cast would
        give), and the test films' curve.

    Raises:
        ValueError: tuning and test films overlap, a blind film tunes, or a film is not in the cache.
    """
    tune, test = parse_seeds(arguments.tune), parse_seeds(arguments.test)
    refuse_blind(tune=tune)
    refuse_overlap(tune=tune, test=test)
    cache = FeatureCache(arguments.features)
    tuned = scored_pairs(cache, tune, arguments.window, arguments.pool)
    best = max(precision_recall_curve(tuned), key=lambda point: point["f1"])
    pairs = scored_pairs(cache, test, arguments.window, arguments.pool)
    figures: dict[str, Any] = {"threshold": best["threshold"], "films": len(test), "tuning_films": len(tune)}
    figures |= {f"test_{name}": value for name, value in at_threshold(pairs, best["threshold"]).items()}
    figures |= {f"tune_{name}": best[name] for name in ("precision", "recall", "f1")}
    figures["everyone_f1"] = at_threshold(pairs, float("-inf"))["f1"]
    return figures, precision_recall_curve(pairs)


def draw_curve(curve: list[dict[str, float]], figures: dict[str, Any], path: Path) -> None:
    """Draw precision over recall, with the chosen threshold's point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([p["recall"] for p in curve], [p["precision"] for p in curve], color="#33658a")
    axes.plot(figures["test_recall"], figures["test_precision"], "o", color="#a4243b")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set_title(
        f"F1 {figures['test_f1']:.3f} at {figures['threshold']:.3f} (everyone: {figures['everyone_f1']:.3f})"
    )
    figure.savefig(path, dpi=110)


def main() -> None:
    """Writes run_record.json (figures, curve) and recognition.png to `output_dir`; prints the figures."""
    arguments, run = parse_run(RecogniseArguments)
    folder = Path(run.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    record = RunRecord("recognise", asdict(arguments), run.seed, fingerprint(arguments.tune, arguments.test))
    with plain_refusals():
        figures, curve = measure(arguments)
    step = max(1, len(curve) // 200)  # the picture and the record need no more points
    record.write(folder, figures, [*curve[::step], curve[-1]])
    draw_curve(curve, figures, folder / "recognition.png")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
