"""Appendix A: how much of an AD survives a text tower's [CLS], how much its word states? Read back by a frozen LM.

Two arms, `cls` and `words`, are trained and tested on the same sentences in the same order: frozen text tower -> one
linear projector -> frozen language model. As a control the same texts are scored against other sentences ("dealt").
Sentences are a CSV's column ("path.csv:column") or the ADs of pocket films ("pocket:1-400").

Run: `python train/appendix_a.py train/configs/appendix_a_real.yaml [--key value]`. Finished arms, checkpoints and told
sentences are kept on a restart.
"""

from __future__ import annotations

import csv
import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from tqdm import tqdm

from datasets_scripts.pocket.story import make_film
from datasets_scripts.tables import TableError, sound_records
from evaluate_metrics.bleu.bleu_counts import bleu
from evaluate_metrics.cider.cider_d import cider
from evaluate_metrics.rouge_l.rouge_lcs import rouge_l
from evaluate_metrics.slot_accuracy.bootstrap import film_interval
from modeling_distinctad.towers_distinctad import weights_sha256
from train.arguments import RunArguments, latest_checkpoint, parse_run, training_arguments
from train.experiments.people import slot_names
from train.experiments.report import table_row
from train.features import parse_seeds
from train.film_splits import refuse_blind, refuse_overlap
from train.reconstruction import (
    INPUTS,
    Reconstruction,
    ReconstructionTrainer,
    SentenceCollator,
    SentenceDataset,
    States,
    TextTower,
    load_reader,
    schedule,
    stack_states,
)
from train.run_record import RunRecord, fingerprint, write_whole
from train.stops import plain_refusals

METRICS = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider")
PAPER = {"cls": (29.3, 16.4, 9.2, 5.1, 29.4, 92.2), "words": (80.8, 74.4, 68.4, 63.0, 82.4, 612.5)}
SEED_OF_SAMPLE = 0  # which sentences are drawn from a file: the same for every run
TOLD_AT_ONCE = 64  # sentences; a CPU reads the whole language model for every token, however many are told


@dataclass
class AppendixAArguments:
    """What is read by what."""

    text: str = field(default="runs/pocket/clip_actors", metadata={"help": "text tower: folder or package:NAME/inside"})
    language: str = field(default="runs/pocket/lm", metadata={"help": "language model: folder, or package:NAME/x.gguf"})
    start: str = field(default="", metadata={"help": "token before the sentence; empty: the tokenizer's start token"})
    train: str = field(default="pocket:1-400", metadata={"help": "training sentences"})
    tests: str = field(default="pocket=pocket:800001-800016", metadata={"help": "NAME=SENTENCES, separated by commas"})
    sentences: int = field(default=8000, metadata={"help": "most training sentences"})
    test_sentences: int = field(default=500, metadata={"help": "most sentences of each test"})
    max_words: int = field(default=40, metadata={"help": "longer training sentences are left out"})
    epochs: int = field(default=1, metadata={"help": "passes over the training sentences"})
    half: bool = field(default=False, metadata={"help": "language model in bfloat16"})
    num_beams: int = field(default=1, metadata={"help": "beams of the reading back"})
    max_new_tokens: int = field(default=67, metadata={"help": "longest text told"})
    table: str = field(default="docs/tables/appendix_a.md", metadata={"help": "table to write"})
    note: str = field(default="", metadata={"help": "a line under the table"})


@dataclass(frozen=True)
class Sentence:
    """`read` goes into the text tower, `told` comes out of the language model; they differ in pocket names only."""

    read: str
    told: str


def read_sentences(source: str, most: int, leave_out: Sequence[str] = (), max_words: int = 0) -> list[Sentence]:
    """Sentences of a source, each once, a fixed random draw of at most `most`.

    Args:
        source: "pocket:SEEDS", "pocket:SEEDS:PRESET" or "FILE.csv:COLUMN".
        most: how many.
        leave_out: texts that must not be among them (the tests', when training sentences are read).
        max_words: longer ones are left out; 0: none.

    Raises:
        ValueError: no such file or column, or no sentence left.
    """
    if source.startswith("pocket:"):
        preset = source.removeprefix("pocket:").partition(":")[2]
        found = []
        for film in (make_film(seed, preset or "clear") for seed in _seeds(source)):
            names = [member.name for member in film.cast]
            found += [Sentence(clip.text, slot_names(clip.text, names)) for clip in film.clips]
    else:
        found = [Sentence(text, text) for text in _column(source)]
    refused = set(leave_out)
    kept = {s.read: s for s in found if s.read not in refused and (not max_words or len(s.read.split()) <= max_words)}
    if not kept:
        raise ValueError(f"{source} has no sentence that is not in a test; expected some; name another source")
    drawn = list(kept.values())
    random.Random(SEED_OF_SAMPLE).shuffle(drawn)
    return drawn[:most]


def _seeds(source: str) -> list[int]:
    """Pocket films of a source; of a table none."""
    return parse_seeds(source.split(":")[1]) if source.startswith("pocket:") else []


def _column(source: str) -> list[str]:
    """Texts of a CSV's column, in file order, empty ones left out."""
    path, _, column = source.rpartition(":")
    try:
        try:
            with open(path, encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file)
                names, cells = rows.fieldnames, [row.get(column) for row in rows]
        except UnicodeDecodeError:  # a public copy of MAD-Eval
            print(f"{path} is not UTF-8: single bytes that are not are read as Windows-1252", file=sys.stderr)
            records = [record.cells for record in sound_records(Path(path))]
            names, cells = list(records[0]) if records else None, [record.get(column) for record in records]
    except TableError as error:
        raise ValueError(f"{error}; mend it, see `distinctad data validate`") from error
    except OSError as error:
        raise ValueError(f"{source} cannot be read; expected FILE.csv:COLUMN or pocket:SEEDS; mend it") from error
    if column not in (names or []):
        raise ValueError(f"{path} has the columns {names}; expected {column!r}; mend FILE.csv:COLUMN")
    return [text for cell in cells if (text := (cell or "").strip())]


def parse_tests(text: str) -> dict[str, str]:
    """Reads "a=x,b=y"; a comma inside pocket seeds is kept, since what follows it has no "=".

    Raises:
        ValueError: a part without a name, or a name twice.
    """
    parts = re.split(r",(?=[^,=]+=)", text)
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    if len(named) != len(parts):
        raise ValueError(f"tests are {text!r}; expected NAME=SENTENCES, each name once, separated by commas; mend them")
    return named


def scores(predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """BLEU 1..4, ROUGE-L and CIDEr, all x100, and the share of sentences told exactly.

    Returns:
        The figures; for ROUGE-L and CIDEr `*_interval` (95 %, over sentences) and `dealt_*`: the same texts, each
        against the next sentence's reference.
    """
    found: dict[str, Any] = {"n": len(references)}
    exact = [p.split() == r.split() for p, r in zip(predictions, references, strict=True)]
    found["exact"] = round(100 * sum(exact) / len(exact), 2)
    found |= {k: round(v, 2) for k, v in bleu(predictions, references).items() if k in METRICS}
    for name, metric in (("rouge_l", rouge_l), ("cider", cider)):
        whole = metric(predictions, references, per_item=True)
        ends = film_interval(whole["scores"], range(len(references)))
        found[name] = round(whole[name], 2)
        found[f"{name}_interval"] = [round(end, 2) for end in ends] if ends else None
        found[f"dealt_{name}"] = round(metric(predictions, [*references[1:], references[0]])[name], 2)
    return found


def tell(
    model: Reconstruction, tokenizer: Any, states: Sequence[States], inputs: str, out: Path,
    num_beams: int, max_new_tokens: int,
) -> list[str]:  # fmt: skip
    """Sentences told from their states; finished batches wait in `out` on a restart.

    Args:
        model: trained.
        tokenizer: of its language model.
        states: what to tell.
        inputs: "cls" or "words".
        out: JSON lines, one a sentence.
        num_beams: beams.
        max_new_tokens: longest text.
    """
    model.eval()
    told = [json.loads(line) for line in out.read_text("utf-8").split("\n") if line] if out.is_file() else []
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id or tokenizer.eos_token_id}
    slots = {i: t for t, i in tokenizer.get_added_vocab().items() if t.startswith("<person_")}
    dropped = set(tokenizer.all_special_ids) - set(slots)
    for start in tqdm(range(len(told), len(states), TOLD_AT_ONCE), unit="batch", desc=f"tell {out.stem}"):
        rows = stack_states(states[start : start + TOLD_AT_ONCE], inputs)
        ids = model.generate(*rows, num_beams=num_beams, max_new_tokens=max_new_tokens, **ends)
        told += [tokenizer.decode([i for i in row if i not in dropped]).strip() for row in ids.tolist()]
        write_whole(out, "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in told))
    return told


@dataclass
class _Sides:
    """Everything that both arms share; `tower_sha256` is of the text tower's weights."""

    states: list[States]
    tokens: list[list[int]]
    tests: dict[str, tuple[list[Sentence], list[States]]]
    width: int
    tower_sha256: str


def _prepare(asked: AppendixAArguments, tokenizer: Any) -> _Sides:
    """Reads sentences and encodes them once.

    Raises:
        ValueError: sentences cannot be read, or pocket films are trained on that are tested or blind.
    """
    refuse_blind(train=_seeds(asked.train))
    for name, source in parse_tests(asked.tests).items():
        refuse_overlap(train=_seeds(asked.train), **{f"tests, {name}": _seeds(source)})
    tests = {name: read_sentences(s, asked.test_sentences) for name, s in parse_tests(asked.tests).items()}
    held_out = [sentence.read for sentences in tests.values() for sentence in sentences]
    training = read_sentences(asked.train, asked.sentences, held_out, asked.max_words)
    tower = TextTower(asked.text)
    tokens = [tokenizer(" " + s.told)["input_ids"] + [tokenizer.eos_token_id] for s in training]
    return _Sides(
        tower.encode([s.read for s in training]),
        tokens,
        {name: (rows, tower.encode([s.read for s in rows])) for name, rows in tests.items()},
        tower.width,
        weights_sha256(tower.model),
    )


def run_arm(
    inputs: str, asked: AppendixAArguments, run: RunArguments, sides: _Sides, reader: tuple[Any, Any], folder: Path
) -> dict[str, Any]:
    """Trains and tests one arm; returns its figures by test, and the losses.

    Args:
        inputs: "cls" or "words".
        asked: configuration.
        run: training.
        sides: sentences and states.
        reader: language model and tokenizer.
        folder: for checkpoints and told sentences.
    """
    language, tokenizer = reader
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(run.seed)
    order = schedule([len(ids) for ids in sides.tokens], run.batch_size, asked.epochs, run.seed)
    steps = len(order) // run.batch_size
    if not steps:
        raise ValueError(f"{len(sides.tokens)} sentences fill no batch of {run.batch_size}; lower batch_size")
    examples = torch.cat([s.pooled[None] if inputs == "cls" else s.words for s in sides.states[:200]])
    start = tokenizer.convert_tokens_to_ids(asked.start) if asked.start else tokenizer.bos_token_id
    if start is None:
        raise ValueError(f"{asked.language} has no start token {asked.start!r}; name one of its tokens as `start`")
    model = Reconstruction(language, sides.width, start, examples)
    data = SentenceDataset(sides.states, sides.tokens, order)
    settings = training_arguments(
        run, output_dir=str(folder), max_steps=steps, optim="adamw_torch", bf16=False,
        warmup_steps=min(run.warmup_steps, steps // 10),
    )  # fmt: skip  # the reader's own dtype decides; autocast would cast its weights again at every step
    trainer = ReconstructionTrainer(
        model=model, args=settings, train_dataset=data, data_collator=SentenceCollator(inputs)
    )
    trainer.train(resume_from_checkpoint=latest_checkpoint(str(folder)))
    figures: dict[str, Any] = {"steps": steps, "training_sentences": len(sides.tokens), "tests": {}}
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    figures["first_loss"], figures["last_loss"] = losses[:1], losses[-1:]
    for name, (sentences, states) in sides.tests.items():
        out = folder / f"{name}.jsonl"
        told = tell(model, tokenizer, states, inputs, out, asked.num_beams, asked.max_new_tokens)
        figures["tests"][name] = scores(told, [s.told for s in sentences])
        figures["tests"][name]["examples"] = [[s.told, t] for s, t in list(zip(sentences, told, strict=True))[:5]]
    return figures


def table(figures: dict[str, dict[str, Any]], asked: AppendixAArguments) -> str:
    """The result as Markdown, the paper's rows below it."""
    heads = ["test", "input", "n", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L [95 %] (dealt)",
             "CIDEr [95 %] (dealt)", "told exactly, %"]  # fmt: skip
    lines = ["# Appendix A: ADs read back from a text tower", "", table_row(heads), table_row(["---"] * len(heads))]
    for name in parse_tests(asked.tests):
        for arm in figures:
            one = figures[arm]["tests"][name]
            ranges = []
            for metric in ("rouge_l", "cider"):
                ends = one[f"{metric}_interval"]
                shown = f" [{ends[0]:.1f}, {ends[1]:.1f}]" if ends else ""
                ranges.append(f"{one[metric]:.1f}{shown} ({one[f'dealt_{metric}']:.1f})")
            bleus = [f"{one[f'bleu_{n}']:.1f}" for n in range(1, 5)]
            lines.append(table_row([name, _label(arm), str(one["n"]), *bleus, *ranges, f"{one['exact']:.1f}"]))
    for arm, values in PAPER.items():
        lines.append(table_row(["MAD-Eval, paper", _label(arm), "", *map(str, values), ""]))
    first = next(iter(figures.values()))
    notes = [
        f"Text tower {asked.text}, language model {asked.language}, both frozen; one linear projector, "
        f"{first['training_sentences']} training sentences of {asked.train}, {asked.epochs} epoch(s), "
        f"{first['steps']} steps; {asked.num_beams} beam(s).",
        "Dealt: the same texts, each against another sentence. No training sentence is in a test. METEOR and SPICE "
        "need Java and are not computed.",
    ]
    return "\n".join([*lines, "", *(f"* {note}" for note in [*notes, asked.note] if note)]) + "\n"


def _label(arm: str) -> str:
    return {"cls": "[CLS]", "words": "all words"}[arm]


def _key(asked: AppendixAArguments, run: RunArguments, sides: _Sides, language_sha256: str) -> str:
    """Names a run by what decides its figures: configuration, sentences and both models' weights."""
    config = {**vars(asked), **vars(run), "output_dir": "", "table": "", "note": "", "save_steps": 0}
    tests = {name: [sentence.told for sentence in sentences] for name, (sentences, _) in sides.tests.items()}
    return fingerprint("appendix_a", config, sides.tokens, tests, sides.tower_sha256, language_sha256)[:8]


@plain_refusals()
def main(argv: list[str] | None = None) -> int:
    """Runs both arms; returns 0; bad input ends with status 2."""
    asked, run = parse_run(AppendixAArguments, argv)
    figures: dict[str, dict[str, Any]] = {}
    reader = load_reader(asked.language, torch.bfloat16 if asked.half else torch.float32)
    sides = _prepare(asked, reader[1])
    key = _key(asked, run, sides, weights_sha256(reader[0]))  # a folder may be trained anew
    for inputs in INPUTS:
        folder = Path(run.output_dir) / f"{inputs}_{key}"  # another configuration never meets these checkpoints
        record = folder / "run_record.json"
        if record.is_file():
            figures[inputs] = json.loads(record.read_text(encoding="utf-8"))["metrics"]
            continue
        made = RunRecord("appendix_a", {**vars(asked), **vars(run)}, run.seed, key)
        figures[inputs] = run_arm(inputs, asked, run, sides, reader, folder)
        made.write(folder, figures[inputs])
    text = table(figures, asked)
    path = Path(asked.table)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    write_whole(path.with_suffix(".json"), json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
