"""Frames on disk: the bound holds over processes and kills, and nothing is unpickled."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from train.frame_cache import FrameCache


def test_the_cache_keeps_its_bound(tmp_path: Path) -> None:
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    entry = frames.nbytes + 128
    cache, other = FrameCache(tmp_path, 2 * entry), FrameCache(tmp_path, 2 * entry)
    keys = [FrameCache.key("clip", i) for i in range(4)]
    assert cache.put(keys[0], frames) and cache.put(keys[0], frames) and other.put(keys[1], frames + 1)
    assert not cache.put(keys[2], frames) and not other.put(keys[3], frames)  # the bound is over both
    assert keys[1] in cache and np.array_equal(cache.get(keys[1]), frames + 1) and cache.get(keys[2]) is None
    cache.path(keys[0]).write_bytes(b"\x93NUMPY damaged")
    assert cache.get(keys[0]) is None and keys[0] not in cache
    assert FrameCache(tmp_path, 2 * entry).put(keys[2], frames)  # opened anew, it has counted what is there


def test_what_a_killed_process_was_writing_counts_and_goes_in_time(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path, 1000)
    young, old = (cache.path(f"{name}0").with_name(f".{name}0.1.part") for name in ("aa", "bb"))
    for part, age in ((young, 60), (old, 7200)):
        part.parent.mkdir()
        part.write_bytes(bytes(800))
        os.utime(part, (time.time() - age,) * 2)
    assert cache.recount() == 800 and young.exists() and not old.exists()
    assert not cache.put("cc", np.zeros((1, 8, 8, 3), np.uint8))


def test_the_cache_reads_no_pickles(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path, 10**6)
    key = FrameCache.key("evil")
    cache.path(key).parent.mkdir()
    np.save(cache.path(key), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert cache.get(key) is None and key not in cache
    np.save(cache.path(key), np.zeros((2, 2), np.float32))
    assert cache.get(key) is None
    with pytest.raises(ValueError, match="expected 0 or more"):
        FrameCache(tmp_path, -1)
