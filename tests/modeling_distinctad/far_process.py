"""What a child process runs first so that this repository cannot be imported there, not even an editable install."""

ALONE = """
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "__editable__" not in getattr(f, "__module__", "")]
for room in ("modeling_distinctad", "datasets_scripts", "distinctad", "train"):
    try:
        __import__(room)
    except ModuleNotFoundError:
        continue
    sys.exit("the repository must not be importable here, found " + room)
"""
