"""Data: the row schema, windows, words, and the pocket films."""
