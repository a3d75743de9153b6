"""Test modules of this room may share what one of them holds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
