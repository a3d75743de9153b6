"""Pre-trains the pocket language model: it learns to READ A PROMPT, and to bind a face to a person.

The pocket LM stands in for GPT-2 or LLaMA, which Stage II freezes. A frozen LM can only be steered by a visual prefix
if it already reads prompts, so it is trained on (faces, noisy shuffled keywords, the actor's cue) -> AD. Faces are
random vectors, new in every sequence, and the cue is the actor's face with noise: the only way to name the right
person is to compare vectors and answer `<person_k>`, k being the place in the prompt; the processor turns slots
into names. The query and key projections start equal ("mimetic" initialisation, Trockman and Kolter 2023), so that
attention compares contents from the first step: without it the binding stayed at chance (docs/LOG.md).

Run: `python train/pocket_lm.py train/configs/pocket_lm.yaml [--key value]`. Resumes from the last checkpoint.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from datasets_scripts.pocket.language import keywords, tell
from datasets_scripts.pocket.names import TRAINING_NAMES
from datasets_scripts.pocket.phrases import ACTION_KEYWORDS
from datasets_scripts.pocket.story import ONE_PERSON, TWO_PERSON, make_still
from datasets_scripts.pocket.world import ACTIONS, COLOURS, LIGHTS, OBJECTS, PLACES, Fact
from modeling_distinctad.towers_distinctad import weights_sha256
from train.arguments import RunArguments, launched_ranks, parse_run, resume_point, training_arguments
from train.ordered_trainer import MuonTrainer
from train.run_record import RunRecord, fingerprint
from train.stops import plain_stops

MAX_PEOPLE = 5
SPECIAL_TOKENS = ["<pad>", "<eos>", "<video>", "<face>", "<ad_start>"]
PERSON_TOKENS = [f"<person_{k}>" for k in range(1, MAX_PEOPLE + 1)]


@dataclass
class PocketLMArguments:
    """What the pocket language model is and what it reads."""

    vocabulary: int = field(default=2048, metadata={"help": "tokens of the byte-level BPE"})
    width: int = field(default=192, metadata={"help": "hidden width D"})
    layers: int = field(default=4, metadata={"help": "transformer layers"})
    heads: int = field(default=6, metadata={"help": "attention heads"})
    prompts: int = field(default=600_000, metadata={"help": "training sequences"})
    clips_per_prompt: int = field(default=1, metadata={"help": "keyword -> AD pairs in one sequence"})
    drill_first: int = field(default=32_000, metadata={"help": "leading sequences that hold drills only"})
    drills: int = field(
        default=6, metadata={"help": "bare cue -> person pairs after them: many bindings at little cost"}
    )
    drills_alone: int = field(default=12, metadata={"help": "pairs in the leading sequences"})
    slots: int = field(default=10, metadata={"help": "visual slots Q a clip"})
    noise: float = field(default=0.4, metadata={"help": "noise of cues and keywords, in units of the embedding RMS"})
    start: str = field(default="", metadata={"help": "folder of an earlier run to go on from; empty: from nothing"})
    spread: float = field(default=0.0, metadata={"help": "Gaussian noise on its word embeddings; see spread_words"})
    terse_first: int = field(default=0, metadata={"help": "sequences after the drills that tell bare keywords"})
    muon_lr: float = field(default=0.0, metadata={"help": "Muon's rate for the layers' matrices; 0: AdamW for all"})
    mimetic: bool = field(default=True, metadata={"help": "start with equal query and key projections"})


def train_tokenizer(vocabulary: int, seed: int = 0) -> PreTrainedTokenizerFast:
    """A byte-level BPE over 60,000 ADs and captions, with the slot and person tokens."""
    rng = random.Random(seed)
    texts = [tell(**random_clip(rng, 3)[1], rng=rng) for _ in range(40_000)]
    texts += [make_still(rng)[3] for _ in range(20_000)] + list(TRAINING_NAMES)
    texts += [" " + word for word in (*OBJECTS, *COLOURS, *PLACES, *LIGHTS) for _ in range(50)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(PERSON_TOKENS),
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator((" " + text for text in texts), trainer)
    tokenizer.add_special_tokens([AddedToken(t, lstrip=True, special=True) for t in PERSON_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", model_max_length=192
    )


def random_clip(rng: random.Random, people: int) -> tuple[list[str], dict[str, Any]]:
    """Keywords of a random fact and the arguments of `tell` for it; persons are `<person_k>`."""
    pool = ONE_PERSON if people < 2 or rng.random() < 0.75 else TWO_PERSON
    action = rng.choice(pool)
    person, *others = rng.sample(range(people), people)
    partner = others[0] if ACTIONS[action].takes_partner else -1
    has_object = ACTIONS[action].takes_object
    fact = Fact(
        person,
        action,
        rng.choice(OBJECTS) if has_object else "",
        rng.choice(list(COLOURS)) if has_object else "",
        partner,
    )
    place, light, roll = rng.choice(PLACES), rng.choice(LIGHTS), rng.random()
    also = "place" if roll < 0.1 else "light" if roll < 0.15 else "colour" if has_object and roll < 0.45 else ""
    pronouns = [rng.choice(("he", "she")) for _ in range(people)]
    words = keywords(fact, place, light, also, rng) + [pronouns[person]]
    told = {"fact": fact, "names": PERSON_TOKENS[:people], "pronouns": pronouns, "place": place, "light": light}
    return words, {**told, "also": also, "use_pronoun": rng.random() < 0.15}


def terse(told: dict[str, Any]) -> str:
    """Who, action, object, partner, detail: the keywords of a clip in one order, learnt before sentences are."""
    fact, names = told["fact"], told["names"]
    detail = {"place": told["place"], "light": told["light"], "colour": fact.colour}.get(told["also"], "")
    partner = names[fact.partner] if fact.partner >= 0 else ""
    return " ".join(w for w in (names[fact.person], ACTION_KEYWORDS[fact.action], fact.object, partner, detail) if w)


class PromptDataset(Dataset):
    """Sequence i of a seed: people, keyword ids for each clip and AD ids. Deterministic in (seed, i)."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, arguments: PocketLMArguments, count: int, seed: int) -> None:
        self.tokenizer, self.arguments, self.count, self.seed = tokenizer, arguments, count, seed

    def __len__(self) -> int:
        """Number of sequences."""
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sequence as lists of ids."""
        rng = random.Random(f"{self.seed}-{index}")
        drilling = index < self.arguments.drill_first
        people = rng.choice((2, 3, 4, 5) if drilling else (1, 2, 2, 3, 3, 4, 5))
        clips = []
        for _ in range(0 if drilling else self.arguments.clips_per_prompt):
            words, told = random_clip(rng, people)
            text = tell(**told, rng=rng) if index >= self.arguments.terse_first else terse(told)
            rng.shuffle(words)
            places = rng.sample(range(self.arguments.slots - 2), len(words))
            ids = self.tokenizer([" " + word for word in words])["input_ids"]
            answer = self.tokenizer(" " + text)["input_ids"] + [self.tokenizer.eos_token_id]
            kept = [(p, i) for p, i in zip(places, ids, strict=True) if rng.random() > 0.05]
            clips.append(
                {"keywords": kept, "person": told["fact"].person, "partner": told["fact"].partner, "answer": answer}
            )
        count = self.arguments.drills_alone if drilling else self.arguments.drills
        drills = [rng.randrange(people) for _ in range(count)]
        return {"people": people, "clips": clips, "drills": drills, "seed": rng.getrandbits(31)}


def collate(rows: list[dict[str, Any]], ad_start_id: int, slots: int, person_ids: list[int]) -> dict[str, Tensor]:
    """Lays sequences out as positions: faces, clips (slots, <ad_start>, AD), drills (cue, <ad_start>, person).

    Returns:
        `ids` (B, L) long and `gain` (B, L): which token's embedding is added and how strongly; `face` (B, L) long:
        which of the sequence's face vectors is added, -1 none; `noise` (B, L); `labels` (B, L): next token or -100;
        `seed` (B,) for the face vectors and the noise.
    """
    laid = []
    for row in rows:
        # one tuple a position: (token id, gain, face, noise, label)
        positions = [(0, 0.0, k, 0.0, -100) for k in range(row["people"])]
        for clip in row["clips"]:
            visual: list[tuple[int, float, int, float, int]] = [(0, 0.0, -1, 1.0, -100)] * slots
            for place, ids in clip["keywords"]:
                visual[place] = (ids[0], 1.0, -1, 1.0, -100)
            visual[-2] = (0, 0.0, clip["partner"], 1.0, -100)
            visual[-1] = (0, 0.0, clip["person"], 1.0, -100)
            answer = clip["answer"]
            spoken = zip([ad_start_id, *answer], [*answer, -100], strict=True)
            positions += visual + [(token, 1.0, -1, 0.0, label) for token, label in spoken]
        for person in row["drills"]:
            answer_id = person_ids[person]
            positions += [(0, 0.0, person, 1.0, -100), (ad_start_id, 1.0, -1, 0.0, answer_id)]
            positions += [(answer_id, 1.0, -1, 0.0, -100)]
        laid.append(positions)
    length = max(map(len, laid))
    columns = zip(*(p + [(0, 0.0, -1, 0.0, -100)] * (length - len(p)) for p in laid), strict=True)
    ids, gain, face, noise, labels = (
        torch.tensor(c) for c in zip(*(zip(*c, strict=True) for c in columns), strict=True)
    )
    return {
        "ids": ids.T, "gain": gain.T, "face": face.T, "noise": noise.T, "labels": labels.T,
        "seed": torch.tensor([row["seed"] for row in rows]),
    }  # fmt: skip


class PromptTrainer(MuonTrainer):
    """Builds each batch's input vectors from the language model's own embeddings, and counts bindings."""

    pocket: PocketLMArguments
    muon_within = ("transformer.h.",)

    person_ids: Tensor
    object_ids: Tensor

    def vectors(self, inputs: dict[str, Tensor], embedding: Tensor) -> Tensor:
        """Input vectors (B, L, D) of a collated batch; faces are new Gaussian vectors of twice the words' RMS."""
        scale = embedding.detach().float().pow(2).mean().sqrt() * 2
        batch, length = inputs["ids"].shape
        generator = torch.Generator().manual_seed(int(inputs["seed"].sum()))
        device = embedding.device  # random numbers are the CPU's wherever the model is
        faces = torch.randn(batch, MAX_PEOPLE + 1, embedding.shape[1], generator=generator).to(device) * scale
        faces[:, -1] = 0.0  # index -1: nobody
        rows = torch.arange(batch, device=device)[:, None].expand(batch, length)
        noise = torch.randn(batch, length, embedding.shape[1], generator=generator).to(device)
        noise = noise * scale * self.pocket.noise
        louder = 0.7 + torch.rand(batch, 1, generator=generator).to(device)
        strength = inputs["gain"] * torch.where(inputs["noise"] > 0, louder, 1.0)
        words = nn.functional.embedding(inputs["ids"], embedding) * strength[..., None]
        return words + faces[rows, inputs["face"]] + noise * inputs["noise"][..., None]

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean cross-entropy of the AD tokens; `inputs` is a batch of `collate`."""
        vectors = self.vectors(inputs, model.get_input_embeddings().weight)
        labels = inputs["labels"]
        hidden = model.transformer(inputs_embeds=vectors).last_hidden_state[labels >= 0]
        logits = model.lm_head(hidden).float()
        targets = labels[labels >= 0]
        loss = nn.functional.cross_entropy(logits, targets)
        person = torch.isin(targets, self.person_ids.to(targets.device))
        right = (logits.argmax(-1) == targets)[person].float().mean().item()
        words = (logits.argmax(-1) == targets).float().mean().item()
        self.figures = {"binding_accuracy": round(right, 4), "word_accuracy": round(words, 4)}
        thing = torch.isin(targets, self.object_ids.to(targets.device))
        if thing.any():
            self.figures["object_accuracy"] = round((logits.argmax(-1) == targets)[thing].float().mean().item(), 4)
        return (loss, {"loss": loss}) if return_outputs else loss


def mimetic_start(model: GPT2LMHeadModel, gain: float = 0.7) -> None:
    """Makes query and key projections equal in every layer, so that attention scores compare contents."""
    width = model.config.n_embd
    with torch.no_grad():
        for block in model.transformer.h:
            shared = torch.randn(width, width) * gain / math.sqrt(width)
            block.attn.c_attn.weight[:, :width] = shared
            block.attn.c_attn.weight[:, width : 2 * width] = shared


def spread_words(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, std: float, seed: int = 1) -> None:
    """Moves words apart; special and person tokens stay.

    Words that stand in the same contexts (the 32 objects) stay as far apart as they started, 0.02, until they are read,
    while the noise on keywords is in units of all embeddings' RMS and grows to four times that: they could never be
    read (docs/LOG.md).
    """
    weight = model.transformer.wte.weight
    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed)) * std
    noise[tokenizer.convert_tokens_to_ids([*SPECIAL_TOKENS, *PERSON_TOKENS])] = 0.0
    with torch.no_grad():
        weight.add_(noise)


def build_model(arguments: PocketLMArguments, tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """A GPT-2 with tied embeddings and no dropout, from nothing or from an earlier run."""
    if arguments.start:
        model = GPT2LMHeadModel.from_pretrained(arguments.start, dtype=torch.float32, attn_implementation="eager")
        spread_words(model, tokenizer, arguments.spread)
        return model
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=192,
            n_embd=arguments.width,
            n_layer=arguments.layers,
            n_head=arguments.heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.set_attn_implementation("eager")  # at this size twice as fast on a CPU as the fused kernel's backward
    if arguments.mimetic:
        mimetic_start(model)
    return model


def evaluate_binding(trainer: PromptTrainer, count: int = 64 * 16) -> dict[str, float]:
    """Binding and word accuracy on sequences that training never saw (another seed)."""
    undrilled = dataclasses.replace(trainer.pocket, drill_first=0, drills=0, terse_first=0)
    data = PromptDataset(trainer.processing_class, undrilled, count, seed=99)
    totals: dict[str, list[float]] = {}
    trainer.model.eval()
    with torch.no_grad():
        for start in range(0, count, 64):
            batch = trainer.data_collator([data[i] for i in range(start, start + 64)])
            trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch))
            for key, value in trainer.figures.items():
                totals.setdefault(key, []).append(value)
    return {f"eval_{key}": round(sum(values) / len(values), 4) for key, values in totals.items()}


def refuse_ranks() -> None:
    """See that the process trains alone: the losses reach into the model, which ranks would wrap.

    Raises:
        ValueError: it is one of several ranks.
    """
    if (ranks := launched_ranks()) > 1:
        raise ValueError(
            f"{ranks} ranks were started; expected one process, as the pocket's own towers train; start it with python "
            "alone, and with CUDA_VISIBLE_DEVICES=0 where there are several accelerators"
        )


def train(arguments: PocketLMArguments, run: RunArguments) -> None:
    """Trains tokenizer and model, writes both to `output_dir` with the run record; in float32, whatever `bf16` says."""
    refuse_ranks()
    asked, run = run, dataclasses.replace(run, bf16=False)  # autocast wraps a model's forward, which no loss here calls
    if asked.bf16:
        print("bf16 is true, which this training does not use: it computes in float32", file=sys.stderr)
    torch.manual_seed(run.seed)
    tokenizer = train_tokenizer(arguments.vocabulary)
    ad_start_id = tokenizer.convert_tokens_to_ids("<ad_start>")
    person_ids = tokenizer.convert_tokens_to_ids(PERSON_TOKENS)
    steps = arguments.prompts // run.batch_size
    settings = training_arguments(run, max_steps=steps, adam_beta2=0.98, weight_decay=0.01)
    record = RunRecord("pocket_lm", {**vars(arguments), **vars(run)}, run.seed, fingerprint("pocket-lm", run.seed))
    trainer = PromptTrainer(
        model=build_model(arguments, tokenizer),
        args=settings,
        train_dataset=PromptDataset(tokenizer, arguments, arguments.prompts, run.seed),
        data_collator=functools.partial(collate, ad_start_id=ad_start_id, slots=arguments.slots, person_ids=person_ids),
        processing_class=tokenizer,
    )
    trainer.pocket = arguments
    trainer.muon_lr = arguments.muon_lr
    trainer.person_ids = torch.tensor(person_ids)
    trainer.object_ids = torch.tensor([tokenizer(" " + word)["input_ids"][0] for word in OBJECTS])
    begun = {**vars(arguments), **vars(asked), "start_sha256": weights_sha256(trainer.model)}
    trainer.train(resume_from_checkpoint=resume_point(run.output_dir, begun))
    trainer.save_model(run.output_dir)
    record.write(Path(run.output_dir), evaluate_binding(trainer), trainer.state.log_history)


def main() -> None:
    """Trains from the command line."""
    arguments, run = parse_run(PocketLMArguments)
    with plain_stops(run.output_dir):
        train(arguments, run)


if __name__ == "__main__":
    main()
