"""DistinctAD: a film in, a draft of its audio description out.

`describe` is light until it is called: torch, transformers and the video library are imported inside it.
"""

from distinctad.describe import describe

__version__ = "0.1.0"
__all__ = ["__version__", "describe"]
