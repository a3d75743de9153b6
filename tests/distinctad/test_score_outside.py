"""`distinctad score` with what needs something outside: jars, a judge, an encoder; all by stand-ins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from public_layouts import small_set, told, write

from distinctad.errors import UserError
from distinctad.score import score
from distinctad.score_figures import Options
from distinctad.score_report import notes


@pytest.fixture
def cmd(tmp_path: Path) -> tuple[Path, list[dict]]:
    """See `public_layouts.small_set`."""
    return small_set(tmp_path)


def test_what_is_missing_is_said(cmd, tmp_path, monkeypatch):
    path, rows = cmd
    predictions = write(tmp_path / "p.csv", told(rows, imdbid="imdbid", start="start", end="end"))
    for metric, message in (
        ("bertscore", "Pass --encoder"), ("action_score", "Pass --encoder"), ("llm_ad_eval", "Pass --judge"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=message):
            score(predictions, annotations=path, options=Options((metric,)))
    monkeypatch.setenv("PATH", str(tmp_path))
    for metric in ("meteor", "spice"):
        with pytest.raises(UserError, match="no Java program"):
            score(predictions, annotations=path, options=Options((metric,)))
    (tmp_path / "java").write_text("", encoding="utf-8")
    (tmp_path / "java").chmod(0o755)
    with pytest.raises(UserError, match="lacks spice-1.0.jar, lib/.*6.0.jar, lib/.*models.jar.*by hand.*Pass --jars"):
        score(predictions, annotations=path, options=Options(("spice",), jars=tmp_path))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prompt": Path("none.json")}, "none.json is no prompt.*Give a JSON.*leave llm_ad_eval out"),
        ({"sampling": "beam"}, "sampling is 'beam', expected greedy or autoad3. Change it, or"),
        ({"dtype": "float99"}, "dtype is 'float99'"),
        ({}, "judge 'none' cannot be loaded. Pass a folder or reachable Hub id, or"),
    ],
)
def test_what_is_wrong_with_the_judge_is_said(cmd, tmp_path, wrong, message):
    path, rows = cmd
    predictions = write(tmp_path / "p.csv", told(rows, imdbid="imdbid", start="start", end="end"))
    with pytest.raises(UserError, match=message):
        score(predictions, annotations=path, options=Options(("llm_ad_eval",), judge="none", **wrong))


def test_the_judge_is_given_what_the_options_say(cmd, tmp_path, monkeypatch):
    from evaluate_metrics.llm_ad_eval import chat_judge

    asked = {}

    class StandIn:
        def __init__(self, model, **options):
            asked.update(options, model=model)

        def describe(self):
            return "stand-in"

        def __call__(self, chats):
            return ["{'score': 4}" if "Mark: " in chat[-1]["content"] else "no" for chat in chats]

    monkeypatch.setattr(chat_judge, "ChatJudge", StandIn)
    prompt = tmp_path / "prompt.json"
    prompt.write_text(json.dumps({"system": "", "user": "Mark: {reference} {prediction}"}), encoding="utf-8")
    path, rows = cmd
    predictions = write(tmp_path / "p.csv", told(rows, imdbid="imdbid", start="start", end="end")[1:])
    options = Options(
        ("llm_ad_eval",), judge="m", prompt=prompt, sampling="autoad3", dtype="bfloat16", seed=3, resamples=20,
        answers=tmp_path / "answers.jsonl",
    )  # fmt: skip
    scores = score(predictions, annotations=path, options=options)
    assert asked == {"model": "m", "sampling": "autoad3", "seed": 3, "dtype": "bfloat16", "device": "cpu"}
    assert [f["value"] for f in scores["figures"]] == [4.0, 4.0, 100.0]
    judged = scores["signature"]["llm_ad_eval"]
    assert judged["prompt"] == "given" and options.answers.is_file()
    said = f"LLM-AD-eval: given prompt, SHA-256 {judged['prompt_sha256']}; only the public one is comparable."
    assert said in notes(scores) and len(judged["prompt_sha256"]) == 64
    assert scores["counts"]["n_missing"] == 1 and all(f["n"] == f["n_expected"] == 32 for f in scores["figures"])
    prompt.write_text(json.dumps({"system": "", "user": "{reference} {prediction}"}), encoding="utf-8")
    unread = score(predictions, annotations=path, options=options)["figures"]
    assert [(f["value"], f["n"], f["n_expected"]) for f in unread] == [(0.0, 32, 32), (None, 0, 32), (0.0, 32, 32)]


def test_meteor_of_the_whole_set_and_of_the_ads(cmd, tmp_path, monkeypatch):
    from evaluate_metrics.meteor import meteor_jar

    def stand_in(predictions, references, jar, per_item):
        assert (jar, per_item) == (None, True)
        scores = [50.0 if text else 0.0 for text in predictions]
        return {"meteor": 40.0, "scores": scores, "signature": {"metric": "METEOR"}}

    monkeypatch.setattr(meteor_jar, "meteor", stand_in)
    path, rows = cmd
    given = told(rows, imdbid="imdbid", start="start", end="end")
    predictions = write(tmp_path / "p.csv", given[1:])
    scores = score(predictions, annotations=path, options=Options(("meteor",), resamples=50), other=predictions)
    whole, mean = scores["figures"]
    assert (whole["name"], whole["value"], whole["lower"], whole["n"]) == ("meteor", 40.0, None, 32)
    assert mean["value"] == pytest.approx(50 * 31 / 32) and mean["lower"] < mean["value"]
    assert [entry["p"] for entry in scores["comparison"]] == [None, 1.0]


def test_the_action_score_with_and_without_silence(cmd, tmp_path, monkeypatch):
    from evaluate_metrics.action_score import sentence_encoder

    class StandIn:
        def __init__(self, encoder, device):
            self.asked = []

        def remember(self, texts, batch_size):
            self.asked += texts

        def signature(self):
            return {"encoder": "stand-in"}

        def __call__(self, first, second):
            return np.array([[float(a == b) for b in second] for a in first])

    monkeypatch.setattr(sentence_encoder, "SentenceSimilarity", StandIn)
    path, rows = cmd
    perfect = told(rows, imdbid="imdbid", start="start", end="end")
    for row in perfect[:8]:
        row["text_gen"] = ""
    scores = score(write(tmp_path / "p.csv", perfect), annotations=path, options=Options(("action_score",)))
    values = {f["name"]: (f["value"], f["n"], f["n_expected"]) for f in scores["figures"]}
    assert values["action_score"][1:] == (32, 32) and values["action_score_said"][1:] == (24, 32)
    # The scale is (mean - 0.25) x 2: the mean over all is three quarters of the mean over those who say something.
    said, all_of_them = (values[name][0] / 200 + 0.25 for name in ("action_score_said", "action_score"))
    assert all_of_them == pytest.approx(0.75 * said) and said > 0.8
