import pytest

from datasets_scripts.windows import training_windows, windows


def test_test_windows_by_hand():
    assert windows(5, 2) == [[0, 1], [2, 3], [4]]
    assert windows(5, 2, offset=1) == [[0], [1, 2], [3, 4]]
    assert windows(2, 16, offset=5) == [[0, 1]]
    assert windows(0, 16, offset=5) == []
    assert windows(5, 3, stride=1) == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert windows(6, 4, stride=2, offset=1) == [[0], [1, 2, 3, 4], [3, 4, 5]]


@pytest.mark.parametrize("size", [1, 3, 16, 64])
@pytest.mark.parametrize("count", [1, 15, 16, 17, 100])
def test_every_row_exactly_once_and_in_order(count, size):
    for offset in range(size):
        cut = windows(count, size, offset=offset)
        assert [i for window in cut for i in window] == list(range(count))
        assert all(1 <= len(window) <= size for window in cut)
        assert all(len(window) == size for window in cut[1:-1])


@pytest.mark.parametrize("arguments", [(-1, 2), (3, 0), (3, 2, 0), (3, 2, 3), (3, 2, None, 2), (3, 2, None, -1)])
def test_out_of_range_is_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        windows(*arguments)


def test_training_windows_cover_every_film_and_never_mix_films():
    counts = {"a": 40, "b": 7, "c": 0, "d": 16}
    drawn = training_windows(counts, 16, seed=3, epoch=2)
    for film, count in counts.items():
        rows = [rows for name, rows in drawn if name == film]
        assert sorted(i for window in rows for i in window) == list(range(count))
        assert all(window == list(range(window[0], window[-1] + 1)) for window in rows)


def test_training_windows_depend_on_seed_epoch_and_film_only():
    counts = {f"film{i}": 50 for i in range(20)}
    first = training_windows(counts, 16, 0, 0)
    assert first == training_windows(dict(reversed(counts.items())), 16, 0, 0)
    assert first != training_windows(counts, 16, 0, 1)
    assert first != training_windows(counts, 16, 1, 0)
    # A film's windows are the same whoever else is there.
    alone = {tuple(rows) for _, rows in training_windows({"film3": 50}, 16, 0, 0)}
    assert alone == {tuple(rows) for film, rows in first if film == "film3"}


def test_offsets_are_uniform_and_films_are_shuffled():
    counts = {f"film{i:03d}": 64 for i in range(320)}
    drawn = training_windows(counts, 16, 5, 0)
    heads = [len(min((rows for film, rows in drawn if film == name), key=lambda rows: rows[0])) for name in counts]
    # A head of 16 is offset 0; each of the 16 offsets is expected 20 times of 320.
    assert set(heads) == set(range(1, 17))
    assert max(heads.count(n) for n in range(1, 17)) < 45
    assert [film for film, _ in drawn] != sorted(film for film, _ in drawn)


def test_training_windows_refuse_size_zero():
    with pytest.raises(ValueError, match="size"):
        training_windows({"a": 3}, 0, 0, 0)
