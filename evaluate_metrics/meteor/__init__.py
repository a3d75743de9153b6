"""METEOR through its reference jar."""
