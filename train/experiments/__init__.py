"""Experiments: arms x seeds -> resumable runs -> means with 95 % intervals -> table, plot and JSON.

`runs` runs and reads, `summary` does the arithmetic, `report` writes.
Every table and figure of the paper goes this way.
"""
