"""What could be changed without a test that failed, found by mutations: one test for each."""

from __future__ import annotations

import numpy as np
import pytest
from test_jars import METEOR, program
from test_slot_accuracy import NAMES, TABLE

from evaluate_metrics.action_score.actions import action_score
from evaluate_metrics.distinctiveness.distinctive import distinctiveness
from evaluate_metrics.slot_accuracy.slot_figures import slot_accuracy
from evaluate_metrics.slot_accuracy.slots import slots_of


def test_ads_below_zero_are_left_out_beside_the_silent_ones() -> None:
    def cosines(first, second):
        return np.array([[-0.5 if "bad" in b else 0.5 for b in second] for _ in first])

    result = action_score(["it is bad", "it is good", None], [["x"]] * 3, cosines)
    assert result["action_score"] == pytest.approx(100 * ((-0.4 + 0.4) / 3 - 0.25) * 2)
    assert result["without_silence"] == pytest.approx(100 * (0.4 - 0.25) * 2)
    assert action_score(["it is bad"], [["x"]], cosines)["without_silence"] is None


def test_the_last_window_reaches_back_and_scores_its_own_ads() -> None:
    true = ["A red cup.", "A blue hat.", "A green ball."]
    told = ["A red cup.", "A blue hat.", "A green door."]
    result = distinctiveness(told, true, names={"all": []}, window=2)
    # windows (0, 1) and (1, 2), the latter for AD 2 alone: words 2 + 2 + 2, said 2 + 2 + 1
    assert (result["n_words"], result["n_predicted_words"]) == (6, 6)
    assert result["recall"] == result["precision"] == pytest.approx(500 / 6)


def test_of_equal_phrases_the_first_told_counts_and_a_colour_stands_near_its_noun() -> None:
    assert slots_of("Mara dances, then shakes a cup.", NAMES, TABLE)["action"] == "dance"
    assert slots_of("Mara shakes a cup, then dances.", NAMES, TABLE)["action"] == "shake"
    far = "Under a red light and a blue sky Mara holds one old cup."  # blue is six words before the cup
    assert slots_of(far, NAMES, TABLE)["colour"] == "red"
    assert slots_of("In a red room Mara holds a blue old cup.", NAMES, TABLE)["colour"] == "blue"


def test_the_constant_of_people_is_each_films_own() -> None:
    rows = [
        {"film": f, "text": "", "character": who}
        for f, who in zip("aaabbb", ["Mara", "Mara", "Otto", "Zoë", "Zoë", "Otto"], strict=True)
    ]
    cast = ["Mara", "Otto", "Zoë"]
    found = slot_accuracy(["Mara."] * 6, rows, {"a": cast, "b": cast}, TABLE)["character"]
    assert found["chance_constant"] == pytest.approx(100 * 4 / 6)  # Mara in one, Zoë in the other


def test_an_ad_that_tells_one_right_and_one_wrong_is_not_invented() -> None:
    from evaluate_metrics.critic.characters import critic_statistics

    rows = critic_statistics([{"a", "b"}, {"a"}, set(), {"c"}], [{"a"}, set(), {"a"}, {"a"}])
    assert rows.tolist() == [[0.5, 0, 1], [0, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_pronouns_reach_five_descriptions_back() -> None:
    from evaluate_metrics.critic.resolver import resolve

    for rain, who in ((4, {"Mara"}), (5, set())):
        assert resolve(["Mara waves.", *["Rain."] * rain, "She sits."], ["Mara", "Otto"])[-1] == who


def test_the_jar_is_asked_in_english_and_normalised(tmp_path) -> None:
    from evaluate_metrics.meteor.meteor_jar import meteor

    (tmp_path / "meteor-1.5.jar").touch()
    java = program(
        tmp_path, "java", f"import sys; open({str(tmp_path / 'asked')!r}, 'w').write(' '.join(sys.argv[1:]))\n" + METEOR
    )
    meteor(["a"], ["a"], tmp_path, java)
    assert (tmp_path / "asked").read_text() == "-Xmx2G -jar meteor-1.5.jar - - -stdio -l en -norm"


def test_pooling_takes_the_mean_or_the_last_token(tmp_path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from evaluate_metrics.action_score.sentence_encoder import SentenceSimilarity

    core = Tokenizer(models.WordLevel({"[PAD]": 0, "he": 1, "runs": 2, "far": 3, "[UNK]": 4}, "[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(tmp_path)
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(vocab_size=5, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    ).eval()
    model.save_pretrained(tmp_path)
    with torch.inference_mode():
        states = [model(input_ids=torch.tensor([ids])).last_hidden_state[0].double() for ids in ([1, 2, 3], [3, 2])]
    for pooling, take in (("mean", lambda s: s.mean(0)), ("last", lambda s: s[-1])):
        a, b = (torch.nn.functional.normalize(take(s), dim=-1) for s in states)
        found = SentenceSimilarity(str(tmp_path), pooling=pooling)(["he runs far"], ["far runs"])
        assert found[0, 0] == pytest.approx(float(a @ b), abs=1e-6)


def test_recall_is_of_the_truth_and_precision_of_what_is_told() -> None:
    result = distinctiveness(["A red.", "A dog runs fast home."], ["A red cup.", "A cat."], names={"all": []}, window=2)
    # truths: red, cup; cat. told: red; dog, runs, fast, home
    assert (result["recall"], result["precision"]) == (pytest.approx(100 / 3), pytest.approx(100 / 5))
