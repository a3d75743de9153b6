"""Recall at k within N neighbours (R@k/N)."""
