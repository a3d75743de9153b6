"""DistinctAD: a film in, a draft of its audio description out.

`describe` is light until it is called: torch, transformers and the video library are imported inside it.
"""

from distinctad.describe import describe
from distinctad.errors import UserError
from distinctad.plan import Settings
from distinctad.track import TrackSettings

__version__ = "0.1.0"
__all__ = ["Settings", "TrackSettings", "UserError", "__version__", "describe"]
