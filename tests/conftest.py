"""One thread and no network for every test, set before torch or the Hub library is imported; fixed property tests."""

import contextlib
import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("MPLBACKEND", "Agg")

with contextlib.suppress(ImportError):  # `make floor` has none
    from hypothesis import settings

    # The same examples in every run; `HYPOTHESIS_PROFILE=seek` looks for new ones.
    settings.register_profile("fixed", derandomize=True)
    settings.register_profile("seek", max_examples=2000, deadline=None)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
