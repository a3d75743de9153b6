"""Our tokeniser beside coco-caption's Java one (Penn Treebank): CIDEr within 0.05 on all three public sets."""

from __future__ import annotations

import csv
import importlib.util
import shutil
from pathlib import Path

import pytest

from evaluate_metrics.cider.cider_d import cider, tokens

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SETS = [
    ("madeval_anno.csv", "movie", "sentence"),
    ("cmdad_anno.csv", "movie", "text"),
    ("tvad_anno.csv", "imdbid_pe", "text"),
]


def penn_treebank(texts: list[str]) -> list[str]:
    """coco-caption's tokens of each text, with one blank between, by one run of its Java program."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    found = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(texts)})
    return [found[i][0] for i in range(len(texts))]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "film", "text"), SETS)
def test_cider_by_the_penn_treebank(name, film, text):
    if not (DATA / name).is_file():
        pytest.skip(f"../shared/data/{name} is not here")
    if shutil.which("java") is None or importlib.util.find_spec("pycocoevalcap") is None:
        pytest.skip("Java or pycocoevalcap is not installed")
    from pycocoevalcap.cider.cider import Cider

    with (DATA / name).open(encoding="utf-8", newline="") as handle:
        rows = [(row[film], row[text]) for row in csv.DictReader(handle)]
    films: dict[str, list[int]] = {}
    for i, (key, _) in enumerate(rows):
        films.setdefault(key, []).append(i)
    before = {i: j for group in films.values() for i, j in zip(group, [*group[1:2], *group[:-1]], strict=False)}
    true = [ad for _, ad in rows]
    told = [true[before.get(i, i)] for i in range(len(true))]
    java = penn_treebank(true)
    theirs, _ = Cider().compute_score(
        {i: [ad] for i, ad in enumerate(java)}, {i: [java[before.get(i, i)]] for i in range(len(java))}
    )
    ours = cider(told, true)["cider"]
    print(f"{name}: {100 * theirs:.3f} by Java, {ours:.3f} by ours")
    assert ours == pytest.approx(100 * float(theirs), abs=0.05)
    same = sum(tokens(ad) == words.split() for ad, words in zip(true, java, strict=True))
    assert same > 0.7 * len(true)
