"""What could be changed without a test that failed, found by mutations: one test for each."""

from __future__ import annotations

from datasets_scripts.windows import training_windows


def test_offsets_themselves_change_with_seed_and_epoch() -> None:
    counts = {f"film{i}": 50 for i in range(20)}

    def cut(seed: int, epoch: int) -> set[tuple[str, tuple[int, ...]]]:
        return {(film, tuple(rows)) for film, rows in training_windows(counts, 16, seed, epoch)}

    assert cut(0, 0) == cut(0, 0)
    assert cut(0, 0) != cut(0, 1) and cut(0, 0) != cut(1, 0)
