"""Pocket films: the embedded world of short procedural films with ground-truth audio description."""
