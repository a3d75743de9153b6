"""Metrics for audio description; each folder is a self-contained `evaluate` module with a card and a small app."""
