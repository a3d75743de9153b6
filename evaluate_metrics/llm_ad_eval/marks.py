"""LLM-AD-eval: a chat model marks each prediction against its true description from 0 to 5.

Source: AutoAD III (Han et al., CVPR 2024), LLM-AD-eval, and its public script: the judge weighs visual events, prefers
the specific, lets synonyms and pronouns or other names for names pass, and answers a Python dict with the key 'score'.
Own: the words of the prompt (`PROMPT`; only scores by the public prompt, given as a file, compare with papers), a
strict reading of the answer, both ways of counting an answer that cannot be read, and resuming. The judge is any
function from messages to answers; `chat_judge.py` makes one of a chat model of transformers.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Message = dict[str, str]
Judge = Callable[[list[list[Message]]], list[str]]
"""(one list of chat messages a pair) -> one answer a pair."""

LOWEST, HIGHEST = 0, 5
MAX_PROMPT = 1 << 20  # characters of a prompt file
LONGEST = 2000  # characters of a text that the judge sees; no AD is near it, and a judge's prompt has an end
PROMPT: dict[str, str] = {
    "system": (
        "You compare a generated audio description of a film clip with the correct one. What counts is what can be "
        "seen: the actions, the things and what they do to each other. First check that the main visual events, the "
        "verbs and nouns, are told. A specific description is better than a general one. Synonyms and other wordings "
        "are right. A pronoun in place of a character's name is right, and so is another character's name. Sum up "
        "the comparison in one whole number."
    ),
    "user": (
        "Compare this pair of audio descriptions.\n\n"
        "Correct audio description: {reference}\n"
        "Generated audio description: {prediction}\n\n"
        "Give a matching score as an integer from 0 to 5, 5 being the best match. Answer only with a Python "
        "dictionary that has the key 'score' and the integer, nothing else, such as {'score': 3}."
    ),
}
# The prompt of AutoAD III's two scripts (they differ in white space alone), by `prompt_fingerprint`.
PUBLIC_SHA256 = "517e72693ba70ae31200a3428fe8f22580d835362bc4d30f1fc26efae2c2ca85"
_PLACES = re.compile(r"\{(reference|prediction)\}")


def prompt_fingerprint(prompt: Mapping[str, str]) -> str:
    """SHA-256 of a prompt's system and user text, white space aside."""
    plain = [" ".join(prompt[part].split()) for part in ("system", "user")]
    return hashlib.sha256("\n".join(plain).encode()).hexdigest()


def read_prompt(prompt: str | Path | None) -> dict[str, str]:
    """The prompt: None or "own" is ours; else a JSON file with `system` and `user` ({reference}, {prediction}).

    Other braces in it stand for themselves, so a published prompt can be pasted as it is.

    Raises:
        ValueError: if the file is no such JSON.
    """
    if prompt is None or str(prompt) == "own":
        return PROMPT
    try:
        with Path(prompt).open(encoding="utf-8") as file:
            loaded = json.loads(file.read(MAX_PROMPT))  # what is longer breaks off, and is no JSON
        words = {"system": str(loaded.get("system", "")), "user": str(loaded["user"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{prompt} is no prompt; give a JSON of system and user, the latter with {{reference}} and {{prediction}}"
        ) from error
    missing = {"reference", "prediction"} - set(_PLACES.findall(words["user"]))
    if missing:
        raise ValueError(f"{prompt} has no {' and no '.join(f'{{{m}}}' for m in sorted(missing))} in user; add it")
    return words


def _one_line(text: str | None) -> str:
    """A text on one line, cut at `LONGEST`; half a surrogate pair, which tokenisers refuse, becomes a question mark."""
    if not isinstance(text, str):  # None, or NaN
        return ""
    return " ".join(text.encode("utf-8", "replace").decode().split())[:LONGEST]


def messages_of(prediction: str | None, reference: str | None, prompt: Mapping[str, str]) -> list[Message]:
    """The chat messages of one pair; texts on one line, cut at `LONGEST` characters."""
    texts = {"reference": _one_line(reference), "prediction": _one_line(prediction)}
    user = {"role": "user", "content": _PLACES.sub(lambda place: texts[place[1]], prompt["user"])}
    return [{"role": "system", "content": prompt["system"]}, user] if prompt["system"] else [user]


def read_mark(answer: str) -> int | None:
    """The mark of an answer, strictly: a Python dict, nothing else, whose 'score' is a whole number 0..5; else None."""
    text = answer.strip().removeprefix("<s>").removesuffix("</s>").strip()
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # TypeError: {{"score": 3}}
        return None
    mark = found.get("score") if isinstance(found, dict) else None
    if isinstance(mark, bool) or not isinstance(mark, int) or not LOWEST <= mark <= HIGHEST:
        return None
    return mark


_START = '{"key": "'  # of a line of the file of answers


def _key(messages: list[Message], judge_name: str) -> str:
    return hashlib.sha256(json.dumps([judge_name, messages]).encode()).hexdigest()


def _kept(resume: Path | None) -> dict[str, str]:
    """Answers of an earlier run; a line that an interruption cut off is left out."""
    kept: dict[str, str] = {}
    if resume is None:
        return kept
    try:
        resume.open("a", encoding="utf-8").close()  # whether it can be written is to be known before the judging
        lines = [line for line in resume.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise ValueError(f"{resume} cannot keep answers; give a file that can be written") from error
    for line in lines:
        try:
            entry = json.loads(line)
            kept[str(entry["key"])] = str(entry["answer"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    if lines and not kept and (len(lines) > 1 or not lines[0].startswith(_START[: len(lines[0])])):
        raise ValueError(f"{resume} holds no answers of a judge; give a new file, or one that an earlier run wrote")
    return kept


def llm_ad_eval(
    predictions: Sequence[str | None], references: Sequence[str | None], judge: Judge, judge_name: str = "given",
    prompt: str | Path | None = None, batch_size: int = 8, resume: str | Path | None = None, progress: bool = False,
    per_item: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Mean mark of a set.

    Args:
        predictions: generated ADs; silence (None, NaN, "") is judged like any other text.
        references: true ADs, aligned.
        judge: see `Judge`.
        judge_name: what the judge is (model, revision, sampling, seed), part of the signature and of resuming.
        prompt: see `read_prompt`.
        batch_size: pairs the judge gets at once.
        resume: a JSON-lines file that keeps the answers; pairs that it holds are not asked again.
        progress: show a bar on the error stream.
        per_item: also return `marks` (None = could not be read) and `answers`.

    Returns:
        `llm_ad_eval` (unreadable answers count 0, as the public LLaMA script), `llm_ad_eval_parsed` (they are left out,
        as the GPT one; None if none can be read), `parse_rate` (percent), `n_unparsed`, `n_expected`, `n_scored`,
        `n_empty`, `signature` (`comparable_prompt`: whether it is the public one, without which no score compares
        with papers).

    Raises:
        ValueError: if there is nothing to score, lengths differ, the prompt or the file of answers cannot be used, or
            the judge gives another number of answers.
    """
    if not len(predictions):
        raise ValueError("no predictions, expected at least one; pass the texts of the set")
    if len(references) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; give one each")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, expected at least 1; raise it")
    words = read_prompt(prompt)
    sha256 = prompt_fingerprint(words)
    chats = [messages_of(p, r, words) for p, r in zip(predictions, references, strict=True)]
    answers = _answers(chats, judge, judge_name, batch_size, Path(resume) if resume else None, progress)
    marks = [read_mark(answer) for answer in answers]
    read = [mark for mark in marks if mark is not None]
    result: dict[str, Any] = {
        "llm_ad_eval": math.fsum(read) / len(marks),
        "llm_ad_eval_parsed": math.fsum(read) / len(read) if read else None,
        "parse_rate": 100 * len(read) / len(marks),
        "n_unparsed": len(marks) - len(read),
        "n_expected": len(references),
        "n_scored": len(marks),
        "n_empty": sum(not _one_line(text) for text in predictions),
        "signature": {
            "metric": "LLM-AD-eval",
            "judge": judge_name,
            "prompt": "own" if words is PROMPT else "public" if sha256 == PUBLIC_SHA256 else "given",
            "prompt_sha256": sha256,
            "comparable_prompt": sha256 == PUBLIC_SHA256,
            "scale": f"{LOWEST}..{HIGHEST}",
            "version": 2,
        },
    }
    return {**result, "marks": marks, "answers": answers} if per_item else result


def _answers(
    chats: list[list[Message]], judge: Judge, judge_name: str, batch_size: int, resume: Path | None, progress: bool
) -> list[str]:
    """Ask for what is not kept, in batches of similar length, and keep it."""
    from tqdm import tqdm

    keys = [_key(chat, judge_name) for chat in chats]
    kept = _kept(resume)
    new = {key: chat for key, chat in zip(keys, chats, strict=True) if key not in kept}  # each different pair once
    todo = sorted(new, key=lambda key: (len(new[key][-1]["content"]), key))
    bar = tqdm(total=len(todo), desc="pairs judged", disable=not progress)
    for start in range(0, len(todo), batch_size):
        some = todo[start : start + batch_size]
        given = judge([new[key] for key in some])
        if len(given) != len(some):
            raise ValueError(f"the judge gave {len(given)} answers for {len(some)} pairs; mend it")
        kept.update(zip(some, given, strict=True))
        if resume is not None:
            lines = [json.dumps({"key": key, "answer": answer}) for key, answer in zip(some, given, strict=True)]
            try:
                with resume.open("a", encoding="utf-8") as handle:
                    handle.write("\n".join(["", *lines]))  # a line that an interruption cut off stays alone
            except OSError as error:
                raise ValueError(
                    f"{resume} cannot keep answers ({error.strerror}); make room and go on with the same file"
                ) from error
        bar.update(len(some))
    bar.close()
    return [kept[key] for key in keys]
